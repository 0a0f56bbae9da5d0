"""report.html of the allocators' bench, from the files in its folder alone."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.bench import figures
from sim.errors import UserError
from sim.folders import BENCH_FILE, DENSITY_FILE, SERIES_FILE, read_json
from sim.report import bench_tables as tables
from sim.results import to_json

Columns = Mapping[str, list[float]]

LIMITS = (
    "Placement and page counts are exact where docs/allocators.md says that an allocator agrees with its original; for those that "
    "were never written they follow its stated rule.",
    "Times come from a table of costs, not from a clock: compare them with each other. Caches, locks and contention are not modelled.",
    "One processor: no per-CPU buffers, no races, and background work is done at once.",
    "The lifetimes are rules, not recordings; a machine's own may lie between them. A trace of a run (`output.record_pool`) is a sequence "
    "too.",
)
GRIDS = (
    ("memory_used", "Memory used for 100 pages, refused ones included"),
    ("effective_compression", "Effective compression"),
    ("fragmentation_loss", "Fragmentation loss"),
    ("refused", "Stores refused"),
    ("peak_over_ideal", "Peak of the pool over the peak of the payload"),
    ("store_walked_worst", "Worst store: blocks looked at"),
    ("store_ns_p999", "Time of a store, 99.9 %"),
    ("free_walked_worst", "Worst free: blocks looked at"),
    ("store_copied_mean", "Bytes copied by a store"),
    ("load_copied_mean", "Bytes copied by a load"),
    ("would_free", "What compaction would free"),
    ("pages_per_moved", "Pages freed for each MiB moved"),
    ("back_at_50", "Pages back when half of the objects are freed"),
)


def read_columns(path: Path) -> dict[str, dict[str, list[float]]]:
    """A CSV file's columns, apart for each value of its first column.  Empty if there is no such file; UserError if it is damaged."""
    found: dict[str, dict[str, list[float]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            names = next(rows, [""])[1:]
            for label, *values in rows:
                columns = found.setdefault(label, {name: [] for name in names})
                for name, text in zip(names, values, strict=True):
                    columns[name].append(float(text))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}") from None
    return found


def bench_page(folder: Path) -> str:
    """The text of report.html."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from sim.report import HERE, read_provenance
    from sim.report.bench_plots import draw

    document = read_json(folder / BENCH_FILE)
    plots = draw(document, read_columns(folder / SERIES_FILE), read_columns(folder / DENSITY_FILE))
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    shown: list[dict[str, Any]] = [{"name": name, **figures.describe(name)._asdict()} for name in tables.shown_metrics(document)]
    return environment.get_template("bench.html.j2").render(
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        top=document,
        docs={item["name"]: item["doc"] for item in document["allocators"]},
        metrics=shown,
        summary=tables.summary_rows(document) if document["cases"] else [],
        comparisons=tables.comparisons(document),
        figures=plots,
        grids=[grid for name, title in GRIDS if (grid := tables.grid(document, name, title)) is not None],
        paired=[grid for name in figures.PAIRED if (grid := tables.differences(document, name)) is not None],
        groups=tables.grouped_rows(document),
        names=[case["name"] for case in document["cases"]],
        config=to_json(document["config"]),
        provenance=read_provenance(folder),
        limits=LIMITS,
    )
