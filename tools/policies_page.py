"""Tables and picture of docs/gallery-policies.md, from the results of configs/gallery/policies.yaml.

    PYTHONPATH=. python tools/policies_page.py results/policies-... docs/figures/gallery-policies.svg

For each case (program, memory, policy) the machine's figures, and beside them the misses of the same policy over the same trace without a
machine (`mempress cache`), in a cache that has the same share of the program's pages.  Prints Markdown.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.cachesim.pictures import COLOURS, MUTED, save, style
from sim.cachesim.policies import choices
from sim.cachesim.study import study
from sim.cachesim.trace import load

KERNEL, FILES, PAGE = 4 << 20, 16 << 20, 4096  # of the configuration
TRACES = Path(__file__).resolve().parent.parent / "configs" / "traces"
Row = dict[str, str]
Cell = Callable[[str, str, str], str]


def number(row: Row, key: str) -> float:
    return float(row[key] or "nan")


class Study:
    """What the machine measured, and what the traces alone say."""

    def __init__(self, folder: Path) -> None:
        with (folder / "table.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))[1:]  # behind the names comes a line of units
        self.rows: dict[tuple[str, str, str], Row] = {}
        for row in rows:
            case, _, policy = row["case"].partition(",policy=")
            program, _, size = case.partition("-")
            self.rows[program, size, policy] = row
        self.programs = list(dict.fromkeys(program for program, _, _ in self.rows))
        self.sizes = list(dict.fromkeys(size for _, size, _ in self.rows))
        self.policies = list(dict.fromkeys(policy for _, _, policy in self.rows))
        self.pure: dict[tuple[str, str, str], int] = {}
        self.busy: dict[str, float] = {}
        for program in self.programs:
            self._alone(program)

    def _alone(self, program: str) -> None:
        """Misses beyond first touches, and the seconds that the program computes."""
        trace = load(TRACES / f"{program}.mpt", columns=frozenset({"time"}))
        pages = {}
        for size in self.sizes:
            memory = int(self.rows[program, size, self.policies[0]]["machine.memory"].removesuffix("MiB")) << 20
            pages[size] = round(trace.distinct * (memory - KERNEL) / (trace.distinct * PAGE + FILES))
        found = study(trace, choices(",".join(self.policies)), list(pages.values()), 2)
        by = {(o.policy, o.pages): o.misses - trace.distinct for o in found}
        assert trace.time is not None
        self.busy[program] = float(trace.time[-1]) / 1e9
        for size, count in pages.items():
            for policy in self.policies:
                self.pure[program, size, policy] = by[policy, count]

    def get(self, program: str, size: str, policy: str, key: str) -> float:
        return number(self.rows[program, size, policy], key)

    def stall(self, program: str, size: str, policy: str) -> float:
        """Seconds that the program lost: waiting, and the work of its faults and of direct reclaim."""
        return self.get(program, size, policy, "task.program.run_time") - self.busy[program]


def ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 0, ties at their mean."""
    order = np.asarray(values)
    return np.array([((order < v).sum() + (order <= v).sum() - 1) / 2 for v in order])


def correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's, of ranks."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def table(s: Study, sizes: Sequence[str], cell: Callable[[str, str, str], str]) -> None:
    """A row a policy, a column for each program and size."""
    print("| policy | " + " | ".join(f"{p} {z}" for p in s.programs for z in sizes) + " |")
    print("| --- |" + " --- |" * (len(s.programs) * len(sizes)))
    for policy in s.policies:
        print(f"| `{policy}` | " + " | ".join(cell(p, z, policy) for p in s.programs for z in sizes) + " |")
    print()


def stall_cell(s: Study, program: str, size: str, policy: str) -> str:
    value = s.stall(program, size, policy)
    half = s.get(program, size, policy, "task.program.run_time.half_width")
    best = min(s.stall(program, size, other) for other in s.policies)
    text = f"{value:.2f}" + (f" ±{half:.2f}" if half >= 0.005 else "")
    return f"**{text}**" if value <= best + 0.005 else text


def reclaim_ms(s: Study, program: str, size: str, policy: str) -> float:
    """CPU spent in reclaim, ms: kswapd's and the tasks' own."""
    return 1000 * (s.get(program, size, policy, "cpu_kswapd") + s.get(program, size, policy, "cpu_direct"))


def agreement(s: Study) -> None:
    """How far the order by misses without a machine is the order by stall in it; and the largest differences in rank."""
    print("| | pure misses and stall | major faults and stall | moved most, rank by misses -> rank by stall |")
    print("| --- | --- | --- | --- |")
    for program in s.programs:
        for size in s.sizes:
            misses = [s.pure[program, size, p] for p in s.policies]
            faults = [s.get(program, size, p, "pgmajfault") for p in s.policies]
            stalls = [s.stall(program, size, p) for p in s.policies]
            before, after = ranks(misses), ranks(stalls)
            most = np.argsort(-np.abs(after - before), kind="stable")[:4]
            moved = ", ".join(f"{s.policies[k]} {before[k] + 1:.0f} -> {after[k] + 1:.0f}" for k in most)
            print(f"| {program} {size} | {correlation(misses, stalls):.2f} | {correlation(faults, stalls):.2f} | {moved} |")
    print()


def picture(s: Study, path: Path, size: str) -> None:
    """Order by stall against order by misses without a machine, a panel a program; on the diagonal they agree."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(style()):
        figure = Figure(figsize=(9.5, 8.0), layout="constrained")
        panels: Any = figure.subplots(2, 2)
        for axes, program in zip(panels.flat, s.programs, strict=False):
            misses = ranks([s.pure[program, size, policy] for policy in s.policies]) + 1
            stalls = ranks([s.stall(program, size, policy) for policy in s.policies]) + 1
            axes.plot([1, len(s.policies)], [1, len(s.policies)], color=MUTED, linewidth=0.8, linestyle=":")
            for policy, x, y in zip(s.policies, misses, stalls, strict=True):
                axes.plot([x], [y], "o", color=COLOURS[1 if policy in ("linux-lru", "mglru") else 0], markersize=4)
                axes.annotate(policy, (x, y), xytext=(4, 2), textcoords="offset points", fontsize=8, color=MUTED)
            axes.set_xlim(0, len(s.policies) + 3)
            axes.set_title(f"{program}, {size} memory")
            axes.set_xlabel("rank by misses of the trace alone")
            axes.set_ylabel("rank by stall in the machine")
        save(figure, path)


def main(folder: str, svg: str) -> None:
    s = Study(Path(folder))
    print("Stall, s:\n")
    table(s, s.sizes, lambda p, z, policy: stall_cell(s, p, z, policy))
    middle = s.sizes[len(s.sizes) // 2 :][:1]
    print(f"Major faults ({middle[0]}):\n")
    table(s, middle, lambda p, z, policy: f"{s.get(p, z, policy, 'pgmajfault'):.0f}")
    print(f"Reclaimed/scanned, and ms of CPU in reclaim ({middle[0]}):\n")
    table(s, middle, lambda p, z, policy: f"{s.get(p, z, policy, 'reclaim_efficiency'):.2f}, {reclaim_ms(s, p, z, policy):.0f}")
    print("Agreement:\n")
    agreement(s)
    picture(s, Path(svg), middle[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
