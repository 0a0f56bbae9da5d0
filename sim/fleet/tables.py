"""A fleet's figures as text: vms.csv, the tables on the terminal, and the cells of the report."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.fleet.figures import PERCENTILES, metric
from sim.fleet.plan import Plan
from sim.progress import duration
from sim.report.tables import plain
from sim.results import number

Document = Mapping[str, Any]


def vms_csv(plan: Plan, found: Sequence[Mapping[str, float] | None], names: Sequence[str]) -> str:
    """vms.csv: a row per VM and setting: what was drawn and set, then the figures; empty where the run failed or has none.

    A second header line gives the units.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    swept = list(dict.fromkeys(key for _, labels in plan.settings for key in labels))
    writer.writerow(["vm", "template", *plan.keys, *swept, *names])
    writer.writerow(["unit", "", *plan.keys.values(), *("" for _ in swept), *(metric(name).unit for name in names)])
    for job, scalars in zip(plan.jobs, found, strict=True):
        vm, labels = plan.vms[job.vm], plan.settings[job.setting][1]
        drawn = [vm.drawn.get(key, "") for key in plan.keys]
        values = ["" if scalars is None or name not in scalars else number(scalars[name]) for name in names]
        writer.writerow([vm.number, vm.template, *drawn, *(labels.get(key, "") for key in swept), *values])
    return text.getvalue()


def span(interval: Mapping[str, float | None]) -> str:
    """A value with its interval: `1.2 (0.9 to 1.6)`; a bound that the sample is too small for is "?"."""
    if interval["value"] is None:
        return "–"
    low, high = (("?" if interval[side] is None else plain(float(interval[side] or 0.0))) for side in ("low", "high"))
    return f"{plain(float(interval['value']))} ({low} to {high})"


def target_text(name: str, target: Document) -> str:
    """What a target asks for, in words."""
    bound = f"at most {target['most']:g}" if target["most"] is not None else f"at least {target['least']:g}"
    unit = metric(name).unit
    return f"{name} {bound}{' ' + unit if unit else ''} for {100 * target['share']:g} % of the VMs"


def target_cell(found: Document) -> str:
    """A setting's answer to a target."""
    if found["share"] is None:
        return str(found["verdict"])
    share = {key: None if found[old] is None else 100 * found[old] for key, old in (("value", "share"), ("low", "low"), ("high", "high"))}
    return f"{found['verdict']}: {span(share)} % of {found['n']}"


def difference_cell(found: Document | None, unit: str) -> str:
    """A setting's difference from the first."""
    if found is None:
        return "–"
    text = span({"value": found["mean"], "low": found["low"], "high": found["high"]})
    return f"{found['verdict']}: {text}{' ' + unit if unit else ''}"


def print_fleet(document: Document, folder: Path, page: Path, reused: int, seconds: float) -> None:
    """Targets, percentiles and paths on standard output."""
    from rich.console import Console
    from rich.table import Table

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    names = [setting["name"] for setting in document["settings"]]
    for name, target in document["targets"].items():
        table = Table(box=None, pad_edge=False, header_style="bold", title=target_text(name, target), title_justify="left")
        table.add_column("setting")
        table.add_column("VMs that meet it (95 % interval)")
        for setting, found in zip(names, target["settings"], strict=True):
            table.add_row(setting, target_cell(found))
        console.print(table)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("", "", "setting", "mean", *(f"p{p}" for p in PERCENTILES)):
        table.add_column(head, justify="left" if head in ("", "setting") else "right")
    for name, found in document["metrics"].items():
        title, unit = name, found["unit"]
        for setting, one in zip(names, found["settings"], strict=True):
            if one["n"]:
                cells = [plain(one["percentiles"][str(p)]["value"]) for p in PERCENTILES]
                table.add_row(title, unit, setting, plain(one["mean"]), *cells)
                title = unit = ""
    console.print(table)
    for failure in document["failures"][:5]:
        console.print(f"failed   VM {failure['vm']}, {failure['setting']}: {failure['error']}", markup=False)
    if len(document["failures"]) > 5:
        console.print(f"         and {len(document['failures']) - 5} more; the same command tries them again", markup=False)
    if reused:
        console.print(f"{reused} of {document['vms'] * len(names)} runs were there already and were not repeated.", style="dim")
    console.print(f"results  {folder}", soft_wrap=True, markup=False)
    console.print(f"report   {page}", soft_wrap=True, markup=False)
    console.print(f"took     {duration(seconds) if seconds >= 10 else f'{seconds:.1f} s'}", markup=False)
