"""Tables and picture of docs/gallery-policies.md, from the results of configs/gallery/policies.yaml.

    python tools/policies_page.py results/policies-... docs/figures/policies.svg

For each case (program, memory, policy) the machine's figures, and beside them the misses of the same policy over the same trace without a
machine (`mempress cache`), in a cache that has the same share of the program's pages.  Prints Markdown.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sim.cachesim.policies import choices
from sim.cachesim.study import study
from sim.cachesim.trace import load

KERNEL, FILES = 4 << 20, 16 << 20  # of the configuration
PAGE = 4096
SIZES = ("small", "medium", "large")
TRACES = Path(__file__).resolve().parent.parent / "configs" / "traces"
Row = dict[str, str]


def read(folder: Path) -> list[Row]:
    """Rows of table.csv (the second line has units)."""
    with (folder / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))[1:]


def pure(program: str, shares: Sequence[float], policies: Sequence[str]) -> dict[tuple[str, int], float]:
    """Miss ratio beyond first touches of each policy at each share of the program's pages."""
    trace = load(TRACES / f"{program}.mpt")
    pages = [max(1, round(share * trace.distinct)) for share in shares]
    found = study(trace, choices(",".join(policies)), pages, 2)
    return {(o.policy, pages.index(o.pages)): (o.misses - trace.distinct) / len(trace.ids) for o in found}


def ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 0, ties at their mean."""
    order = np.asarray(values)
    return np.array([((order < v).sum() + ((order <= v).sum() - 1)) / 2 for v in order])


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Correlation of ranks."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def number(row: Row, key: str) -> float:
    return float(row[key] or "nan")


def stall(row: Row, undisturbed: float) -> float:
    """Seconds that the program lost: to waiting, and to the work of faults."""
    return number(row, "task.program.run_time") - undisturbed


def main(folder: str, picture: str) -> None:
    rows = read(Path(folder))
    by_case: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        case, _, policy = row["case"].partition(",policy=")
        program, _, size = case.partition("-")
        by_case.setdefault((program, size), {})[policy] = row
    for (program, size), found in by_case.items():
        print(program, size, sorted(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
