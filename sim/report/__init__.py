"""report.html: one self-contained page for a run or a sweep, made from the files in its folder alone.

The page needs no network, and no script but a small one that sorts tables; figures are SVG inside it, light and dark are one style sheet.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.errors import UserError
from sim.folders import (
    BENCH_FILE,
    FLEET_FILE,
    PROVENANCE_FILE,
    REPORT_FILE,
    RUN_FILE,
    SENSITIVITY_FILE,
    SERIES_FILE,
    SWEEP_FILE,
    TUNE_FILE,
    read_json,
)
from sim.report import reclaimed, tables
from sim.report.limits import limits_of
from sim.results import (
    to_json,
)

HERE = Path(__file__).resolve().parent

MOST_LISTED = 200  # cases in the table of key figures and the list of folders; table.csv has all
MOST_DETAILED = 60  # cases in the tables of all figures
MOST_COUNTERS = 24  # cases whose counters are listed


def write_report(folder: Path) -> Path:
    """Write report.html into the folder of a run, a sweep or a bench and return its path.

    Errors: UserError if the folder's files are missing or damaged, or the page cannot be written.
    """
    folder = Path(folder)
    if (folder / BENCH_FILE).exists():
        from sim.report.bench import bench_page

        page = bench_page(folder)
    elif (folder / SENSITIVITY_FILE).exists():
        from sim.sensitivity.page import sensitivity_page

        page = sensitivity_page(folder)
    elif (folder / TUNE_FILE).exists():
        from sim.tune.page import tune_page

        page = tune_page(folder)
    elif (folder / FLEET_FILE).exists():
        from sim.fleet.page import fleet_page

        page = fleet_page(folder)
    elif (folder / SWEEP_FILE).exists():
        page = _sweep_page(folder)
    else:
        page = _run_page(folder)
    target, partial = folder / REPORT_FILE, folder / f".{REPORT_FILE}.partial-{os.getpid()}"
    try:
        partial.write_text(page, encoding="utf-8", newline="\n")
        partial.replace(target)
    except OSError as error:
        raise UserError(f"{target}: could not be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    return target


def read_series(folder: Path, replication: int = 0) -> dict[str, list[float]]:
    """The columns of series.csv for one replication; empty where there are no samples."""
    path = folder / SERIES_FILE
    columns: list[tuple[float, ...]] = []
    wanted = str(replication)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream)
            names = next(reader, ["replication"])[1:]
            rows = [[float(text) if text else 0.0 for text in row[1:]] for row in reader if row[0] == wanted]
            columns = list(zip(*rows, strict=True))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}: damaged: {error}") from None
    return {name: list(values) for name, values in zip(names, columns, strict=False)}


def read_provenance(folder: Path) -> dict[str, Any]:
    """provenance.json; without it the page does without, so what it shows is empty."""
    import json

    nothing = dict.fromkeys(("command", "started", "seconds", "cpus", "python"), "")
    try:
        found = json.loads((folder / PROVENANCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return nothing
    return nothing | found if isinstance(found, dict) else nothing


def _page_size(run: Mapping[str, Any]) -> int:
    found = (run["config"].get("machine") or {}).get("page_size", 4096)
    if isinstance(found, str):
        from sim.units import parse_size

        found = parse_size(found)
    return int(found)


def _run_page(folder: Path) -> str:
    run = read_json(folder / RUN_FILE)
    return _render(folder, run, [run["name"]], [{}], [run], [folder])


def _sweep_page(folder: Path) -> str:
    sweep = read_json(folder / SWEEP_FILE)
    there = [case for case in sweep["cases"] if case.get("run") and (folder.parent / case["run"] / RUN_FILE).is_file()]
    if not there:
        raise UserError(f"{folder}: none of its cases has a {RUN_FILE} beside it; is it the folder of a sweep, among its run folders?")
    folders = [folder.parent / case["run"] for case in there]
    runs = [read_json(place / RUN_FILE) for place in folders]
    return _render(folder, sweep, [c["name"] for c in there], [c["labels"] for c in there], runs, folders, _without_results(sweep, there))


def _without_results(sweep: Mapping[str, Any], there: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(case, why): those that failed, and those whose run folder is missing."""
    known = {case["name"] for case in there}
    found = {item["name"]: str(item.get("error") or "failed") for item in sweep.get("failed") or []}
    for case in sweep["cases"]:
        if case["name"] not in known:
            found.setdefault(case["name"], "its run folder is not there")
    return list(found.items())


def _common(configs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """What all cases' configurations share, and what is left of each: nested mappings are compared key by key."""
    if not all(isinstance(config, dict) for config in configs):
        return None, list(configs)
    shared: dict[str, Any] = {}
    rest: list[dict[str, Any]] = [{} for _ in configs]
    for key in dict.fromkeys(key for config in configs for key in config):
        values = [config.get(key, _MISSING) for config in configs]
        if all(value == values[0] for value in values):
            shared[key] = values[0]
            continue
        inner, left = _common(values)
        if inner:
            shared[key] = inner
        for mine, value in zip(rest, left, strict=True):
            if value is not _MISSING:
                mine[key] = value
    return shared, rest


_MISSING = object()


def _render(
    folder: Path,
    top: Mapping[str, Any],
    names: Sequence[str],
    labels: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
    folders: Sequence[Path],
    failed: Sequence[tuple[str, str]] = (),
) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from sim.report import plots
    from sim.report.sweep_parts import NOTHING, sweep_parts

    series = [read_series(place) if k < plots.DRAWN_CASES else {} for k, place in enumerate(folders)]
    figures = plots.draw(names, labels, runs, series, [_page_size(run) for run in runs])
    shared, differing = _common([run["config"] for run in runs])
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    several = len(runs) > 1
    detailed = min(len(runs), MOST_DETAILED)
    return environment.get_template("report.html.j2").render(
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        top=top,
        description=top.get("description") or runs[0]["config"].get("description") or "",
        several=several,
        turned=len(runs) > tables.MOST_CASES,
        names=names,
        labels=labels,
        runs=runs,
        links=[place.name for place in folders],
        folder=folder.name,
        seed=runs[0]["config"].get("seed"),
        facts=_facts(runs),
        script=(HERE / "sort.js").read_text(encoding="utf-8"),
        parts=sweep_parts(names, labels, runs) if several else NOTHING,
        failed=failed,
        most_listed=MOST_LISTED,
        detailed=detailed,
        most_counters=MOST_COUNTERS,
        key_rows=tables.key_rows(runs[:MOST_LISTED]),
        groups=tables.grouped_rows(runs[:detailed]),
        comparisons=tables.comparisons(top["published"], names, runs),
        figures=figures,
        heats=reclaimed.heats(names[:MOST_COUNTERS], runs[:MOST_COUNTERS]),
        tasks=tables.task_rows(names[:detailed], runs[:detailed]),
        vmstat=tables.vmstat_rows(runs[:MOST_COUNTERS]),
        shared_config=to_json(shared),
        case_configs=[to_json(rest) for rest in differing[:detailed]] if several else [],
        provenance=read_provenance(folder),
        limits=limits_of(runs),
    )


def _facts(runs: Sequence[Mapping[str, Any]]) -> str:
    """One line: how much was simulated."""
    replications = sorted({run["replications"] for run in runs})
    seconds = sum(sum(run["simulated_s"]) for run in runs)
    accesses = sum(sum(run["accesses"]) for run in runs)
    times = f"{replications[0]}" if len(replications) == 1 else f"{replications[0]} to {replications[-1]}"
    each = " of each case" if len(runs) > 1 else ""
    plural = "" if replications == [1] else "s"
    return f"{times} replication{plural}{each}, {tables.plain(seconds)} s simulated and {tables.plain(accesses)} accesses in all"
