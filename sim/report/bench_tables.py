"""The bench's numbers as text: one table for the terminal, more for the page."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sim.bench import figures
from sim.progress import duration
from sim.report.tables import ABSENT, Cell, Comparison, Row, cell, plain

Document = Mapping[str, Any]
MOST_ROWS = 30  # cases in the terminal's table before it shows one row an allocator
KEY = (
    "memory_used",
    "effective_compression",
    "fragmentation_loss",
    "refused",
    "store_ns_mean",
    "store_ns_p999",
    "store_ns_worst",
    "free_ns_mean",
    "would_free",
    "pages_per_moved",
)
SHORT = {
    "memory_used": "memory\nused %",
    "effective_compression": "effective\ncompr. %",
    "fragmentation_loss": "lost\n%",
    "refused": "refused\n%",
    "store_ns_mean": "store\nns",
    "store_ns_p999": "99.9 %\nns",
    "store_ns_worst": "worst\nns",
    "free_ns_mean": "free\nns",
    "would_free": "compaction\nwould free %",
    "pages_per_moved": "pages a\nMiB moved",
}


class Average(NamedTuple):
    """An allocator's figure over the sequences: their plain mean (the largest, for a worst), the largest and where, how many have it."""

    mean: float
    largest: float
    where: str
    n: int


def cases_of(document: Document, allocator: str, every: int | None = 0) -> list[Document]:
    """The cases of an allocator, without those that compact in between (every: those with that distance; None: all)."""
    return [case for case in document["cases"] if case["allocator"] == allocator and every in (None, case["every"])]


def value_of(case: Document, name: str) -> float | None:
    """A figure's mean."""
    found = (case["scalars"].get(name) or {}).get("mean")
    return None if found is None else float(found)


def average(cases: Sequence[Document], name: str) -> Average | None:
    """A figure over the cases of one allocator; None if none has it."""
    values = [(value, case["sequence"]) for case in cases if (value := value_of(case, name)) is not None]
    if not values:
        return None
    largest, where = max(values)
    mean = largest if name in figures.WORST_OF_ALL else sum(value for value, _ in values) / len(values)
    return Average(mean, largest, where, len(values))


def names_of(document: Document) -> list[str]:
    """The allocators that have cases, in order."""
    return [item["name"] for item in document["allocators"] if cases_of(document, item["name"], None)]


def shown_metrics(document: Document, wanted: Sequence[str] = KEY) -> list[str]:
    """Those of the wanted figures that any case has, less those that are zero everywhere."""
    return [name for name in wanted if any(value_of(case, name) for case in document["cases"])]


def summary_rows(document: Document) -> list[tuple[str, list[str]]]:
    """(allocator, its key figures): means over all sequences without compaction in between."""
    found = []
    for name in names_of(document):
        averages = [average(cases_of(document, name), metric) for metric in shown_metrics(document)]
        found.append((name, ["–" if one is None else plain(one.mean, 3) for one in averages]))
    return found


def case_rows(document: Document) -> list[tuple[str, list[Cell]]]:
    """(case, its key figures with intervals)."""
    metrics = shown_metrics(document)
    return [(case["name"], [cell(case["scalars"].get(metric), case["replications"]) for metric in metrics]) for case in document["cases"]]


class Grid(NamedTuple):
    """A figure of every allocator under every sequence: rows are allocators, columns sequences; last the mean of each row."""

    metric: str
    title: str
    unit: str
    columns: list[str]
    rows: list[tuple[str, list[Cell], str]]


def grid(document: Document, metric: str, title: str) -> Grid | None:
    """The cases without compaction in between; None if none has the figure."""
    columns = document["sequences"]
    rows = []
    for name in names_of(document):
        by_sequence = {case["sequence"]: case for case in cases_of(document, name)}
        cells = [
            cell(by_sequence[column]["scalars"].get(metric), document["replications"]) if column in by_sequence else ABSENT
            for column in columns
        ]
        over = average(list(by_sequence.values()), metric)
        rows.append((name, cells, plain(over.mean, 4) if over else "–"))
    if all(one is ABSENT for _, cells, _ in rows for one in cells):
        return None
    return Grid(metric, title, figures.describe(metric).unit, columns, rows)


def differences(document: Document, metric: str) -> Grid | None:
    """Paired differences from the baseline, allocator by sequence."""
    base, columns = document["baseline"], document["sequences"]
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    plain_cases = {case["name"]: case for case in document["cases"] if not case["every"]}
    for item in document["differences"]:
        case = plain_cases.get(item["case"])
        if case is not None and metric in item["scalars"]:
            found[case["allocator"], case["sequence"]] = item["scalars"][metric]
    names = [name for name in names_of(document) if name != base and any(key[0] == name for key in found)]
    if not names:
        return None
    rows = []
    for name in names:
        scalars = [found.get((name, column)) for column in columns]
        means = [scalar["mean"] for scalar in scalars if scalar and scalar["mean"] is not None]
        rows.append(
            (
                name,
                [_signed(cell(scalar, document["replications"])) for scalar in scalars],
                _sign(sum(means) / len(means)) if means else "–",
            )
        )
    return Grid(metric, f"{metric} less that of {base}", figures.describe(metric).unit, columns, rows)


def _sign(value: float) -> str:
    return ("+" if value > 0 else "") + plain(value, 3)


def _signed(found: Cell) -> Cell:
    positive = found is not ABSENT and not found.value.startswith(("-", "−", "0"))
    return found._replace(value="+" + found.value) if positive else found


def grouped_rows(document: Document) -> list[tuple[str, list[Row]]]:
    """All figures of all cases: (title of the group, its rows), a column a case."""
    cases = document["cases"]
    groups: dict[str, list[Row]] = {}
    for name in figures.ordered({name for case in cases for name in case["scalars"]}):
        metric = figures.describe(name)
        cells = [cell(case["scalars"].get(name), case["replications"]) for case in cases]
        groups.setdefault(figures.GROUPS[metric.group], []).append(Row(name, metric.unit, metric.doc, cells))
    return list(groups.items())


def comparisons(document: Document) -> list[Comparison]:
    """Published figures beside ours."""
    by_name = {case["name"]: case for case in document["cases"]}
    found = []
    for figure in document["published"]:
        metric, value = figure["metric"], float(figure["value"])
        scalar = (by_name.get(figure["case"]) or {"scalars": {}})["scalars"].get(metric)
        mean = (scalar or {}).get("mean")
        unit = figures.describe(metric).unit
        if mean is None:
            difference = "–"
        elif unit == "%":
            difference = f"{mean - value:+.2f} points"
        else:
            difference = f"{100 * (mean - value) / value:+.2f} %" if value else plain(mean - value)
        note = "; ".join(text for text in (figure.get("source"), figure.get("note")) if text)
        found.append(Comparison(figure["case"], metric, unit, plain(value), cell(scalar).text, difference, note))
    return found


# ---------------------------------------------------------------- terminal


def print_bench(document: Document, folder: Path, report: Path, reused: Sequence[str], seconds: float, page: Path | None = None) -> None:
    """Key figures, published figures and paths on standard output."""
    from rich.console import Console

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    for table in _tables(document):
        console.print(table)
    if document["replications"] > 1:
        console.print(
            "Means over the replications, ± half of the 95 % interval; differences between allocators are in the report.", style="dim"
        )
    if reused:
        total = len(document["cases"]) + (len(document["allocators"]) if document["config"]["density"] else 0)
        console.print(f"{len(reused)} of {total} cases were there already and were not repeated (--again repeats them).", style="dim")
    console.print(f"results  {folder}", soft_wrap=True, markup=False)
    console.print(f"report   {report}", soft_wrap=True, markup=False)
    if page is not None:
        console.print(f"page     {page}", soft_wrap=True, markup=False)
    console.print(f"took     {duration(seconds) if seconds >= 10 else f'{seconds:.1f} s'}", markup=False)


def _tables(document: Document) -> list[Any]:
    from rich.table import Table

    tables: list[Any] = []
    metrics = shown_metrics(document)
    few = len(document["cases"]) <= MOST_ROWS
    if document["cases"]:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("case" if few else f"mean of {len(document['sequences'])} sequences")
        for metric in metrics:
            table.add_column(SHORT[metric], justify="right")
        rows = [(name, [c.text for c in cells]) for name, cells in case_rows(document)] if few else summary_rows(document)
        for name, texts in rows:
            table.add_row(name, *texts)
        tables.append(table)
    found = comparisons(document)
    if found:
        table = Table(box=None, pad_edge=False, header_style="bold", title="published and here", title_justify="left")
        for title in ("case", "figure", "", "published", "here", "difference", "source"):
            table.add_column(title, justify="right" if title in ("published", "here", "difference") else "left")
        for c in found:
            table.add_row(c.case, c.metric, c.unit, c.published, c.simulated, c.difference, c.note)
        tables.append(table)
    return tables
