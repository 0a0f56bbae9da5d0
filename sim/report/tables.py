"""Numbers as text: values with their intervals, the tables of the report, and the table on the terminal."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.metrics import GROUPS, KEY_METRICS, describe, ordered
from sim.progress import duration
from sim.statistics import Summary, summarise

if TYPE_CHECKING:
    from sim.run import Outcome

Document = Mapping[str, Any]
MOST_CASES = 8  # columns of cases before a table is turned on its side

NARROW_METRICS = ("run_time", "pgmajfault_rate", "pswpout_rate", "backend_hit_ratio", "effective_compression", "psi_memory_full")


class Cell(NamedTuple):
    """One value: its text, the half width of its interval as text ("" if none), and a hint for the mouse."""

    value: str
    interval: str
    title: str

    @property
    def text(self) -> str:
        return f"{self.value} ± {self.interval}" if self.interval else self.value


class Row(NamedTuple):
    """One metric over the cases."""

    name: str
    unit: str
    doc: str
    cells: list[Cell]


class Comparison(NamedTuple):
    """A published figure beside the simulated one."""

    case: str
    metric: str
    unit: str
    published: str
    simulated: str
    difference: str
    note: str


ABSENT = Cell("–", "", "nothing to measure in this case")


def digits(value: float, decimals: int) -> str:
    """A number with so many decimals and its thousands apart."""
    text = f"{value:,.{max(decimals, 0)}f}"
    return text.replace(",", "\u202f") if abs(value) >= 10_000 else text.replace(",", "")


def plain(value: float, significant: int = 4) -> str:
    """A number alone: four significant digits, whole numbers whole."""
    if value == 0 or (float(value).is_integer() and abs(value) < 1e15):
        return digits(value, 0)
    return digits(value, significant - 1 - math.floor(math.log10(abs(value))))


def with_interval(mean: float, half_width: float | None) -> tuple[str, str]:
    """(value, half width): the half width with two significant digits, the value with as many decimals."""
    if half_width is None or half_width <= 0.0 or half_width < abs(mean) * 1e-9:
        return plain(mean), "" if half_width is None else "0"
    decimals = min(max(1 - math.floor(math.log10(half_width)), 0), 6)
    return digits(mean, decimals), digits(half_width, decimals)


def cell(scalar: Mapping[str, Any] | None, replications: int = 0) -> Cell:
    """A scalar of run.json as text; says how many replications have it where not all do."""
    if not scalar or scalar.get("mean") is None:
        return ABSENT
    within = scalar.get("within") or {}
    ends = within or scalar
    value, interval = with_interval(scalar["mean"], ends.get("half_width"))
    n = int(scalar.get("n") or 0)
    title = f"mean of {n} replications" if n > 1 else "one replication" + ("" if within else ", no interval")
    if interval:
        title += f", 95 % interval {plain(ends['low'], 5)} to {plain(ends['high'], 5)}"
    if within:
        title += f" by {within['batches']} batch means of the run" + ("" if within["reliable"] else ", which is too short to be sure")
    if 0 < n < replications:
        value += f" (n={n})"
    return Cell(value, interval if interval != "0" else "", title)


def row(name: str, runs: Sequence[Document]) -> Row:
    metric = describe(name)
    return Row(name, metric.unit, metric.doc, [cell(run["scalars"].get(name), run["replications"]) for run in runs])


def key_rows(runs: Sequence[Document]) -> list[Row]:
    """The rows for the head of the report: the key metrics that any of the runs has."""
    names = [name for name in KEY_METRICS if any((run["scalars"].get(name) or {}).get("mean") is not None for run in runs)]
    return [row(name, runs) for name in names]


def grouped_rows(runs: Sequence[Document]) -> list[tuple[str, list[Row]]]:
    """All metrics: (title of the group, its rows), without rows in which every case is absent."""
    groups: dict[str, list[Row]] = {}
    for name in ordered({name for run in runs for name in run["scalars"]}):
        found = row(name, runs)
        if any(c is not ABSENT for c in found.cells):
            groups.setdefault(GROUPS[describe(name).group], []).append(found)
    return list(groups.items())


def comparisons(published: Sequence[Mapping[str, Any]], names: Sequence[str], runs: Sequence[Document]) -> list[Comparison]:
    """Published figures beside the simulated ones of the case that each names."""
    by_name = dict(zip(names, runs, strict=True))
    found: list[Comparison] = []
    for figure in published:
        metric, value = figure["metric"], float(figure["value"])
        scalar = by_name[figure["case"]]["scalars"].get(metric) if figure["case"] in by_name else None
        mean = (scalar or {}).get("mean")
        difference = "–" if mean is None else f"{100 * (mean - value) / value:+.2f} %" if value else plain(mean - value)
        unit = describe(metric).unit
        note = "; ".join(text for text in (figure.get("source"), figure.get("note")) if text)
        found.append(Comparison(figure["case"], metric, unit, plain(value), cell(scalar).text, difference, note))
    return found


def task_rows(names: Sequence[str], runs: Sequence[Document]) -> list[tuple[str, str, str, str, str]]:
    """(case, task, how it ended, run time in s, accesses), replications put together."""
    found: list[tuple[str, str, str, str, str]] = []
    for case, run in zip(names, runs, strict=True):
        by_name: dict[str, list[Mapping[str, Any]]] = {}
        for tasks in run["tasks"]:
            for task in tasks:
                by_name.setdefault(task["name"], []).append(task)
        for name, tasks in by_name.items():
            ends = {status: sum(task["status"] == status for task in tasks) for status in dict.fromkeys(t["status"] for t in tasks)}
            how = next(iter(ends)) if len(ends) == 1 else ", ".join(f"{status} {n}×" for status, n in ends.items())
            time = summarise(task["run_time_s"] for task in tasks)
            accesses = summarise(task["accesses"] for task in tasks)
            found.append((case, name, how, _summary_text(time), _summary_text(accesses)))
    return found


def _summary_text(summary: Summary) -> str:
    return cell({"mean": summary.mean, "half_width": summary.half_width, "low": summary.low, "high": summary.high, "n": summary.n}).text


def vmstat_rows(runs: Sequence[Document]) -> list[tuple[str, list[str]]]:
    """(counter, its value in replication 0 of each run), Linux's order, then the backend's counters."""
    found: list[tuple[str, list[str]]] = []
    for section in ("vmstat", "backend"):
        for name in dict.fromkeys(name for run in runs for name in run[section]):
            values = [run[section].get(name) for run in runs]
            found.append((name, [plain(v[0]) if v else "–" for v in values]))
    return found


# ---------------------------------------------------------------- terminal


def print_outcome(outcome: Outcome, seconds: float) -> None:
    """Key figures, published figures and paths on standard output."""
    from rich.console import Console
    from rich.table import Table

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ± gets a question mark
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    for table in _tables(Table, outcome, console.width):
        console.print(table)
    if any(run["replications"] > 1 for run in outcome.documents):
        console.print("Means over the replications, ± half of the 95 % interval.", style="dim")
    elif any("within" in scalar for run in outcome.documents for scalar in run["scalars"].values()):
        console.print("One replication; ± of rates: half of the 95 % interval by batch means within the run.", style="dim")
    if outcome.reused:
        what = "This run is" if len(outcome.cases) == 1 else f"{len(outcome.reused)} of {len(outcome.cases)} cases are"
        console.print(f"{what} there already: not simulated again (--again does).", style="dim")
    console.print(f"results  {outcome.folder}", soft_wrap=True, markup=False)
    console.print(f"report   {outcome.report}", soft_wrap=True, markup=False)
    console.print(f"took     {duration(seconds) if seconds >= 10 else f'{seconds:.1f} s'}", markup=False)


def _tables(table_type: Any, outcome: Outcome, width: int) -> list[Any]:
    names, runs = [case.name for case in outcome.cases], outcome.documents
    rows = key_rows(runs)
    heads = [name.replace(",", "\n") for name in names]
    table = table_type(box=None, pad_edge=False, header_style="bold")
    widest = max((len(c.text) for r in rows for c in r.cells), default=8)
    column = max([widest, *(len(line) for head in heads for line in head.split("\n"))]) + 2
    if len(names) == 1 or 34 + len(names) * column <= width:
        table.add_column("")
        table.add_column("", style="dim")
        for head in heads:
            table.add_column(head if len(heads) > 1 else "", justify="right")
        for r in rows:
            table.add_row(r.name, r.unit, *(c.text for c in r.cells))
    else:
        shown = [r for r in rows if r.name in NARROW_METRICS]
        table.add_column("case")
        for r in shown:
            table.add_column(f"{r.name}\n{r.unit}", justify="right")
        for index, name in enumerate(names):
            table.add_row(name, *(r.cells[index].text for r in shown))
    found = comparisons(outcome.published, names, runs)
    return [table, _beside(table_type, found)] if found else [table]


def _beside(table_type: Any, found: Sequence[Comparison]) -> Any:
    table = table_type(box=None, pad_edge=False, header_style="bold", title="published and simulated", title_justify="left")
    for title in ("case", "figure", "", "published", "simulated", "difference", "source"):
        table.add_column(title, justify="right" if title in ("published", "simulated", "difference") else "left")
    for c in found:
        table.add_row(c.case, c.metric, c.unit, c.published, c.simulated, c.difference, c.note)
    return table
