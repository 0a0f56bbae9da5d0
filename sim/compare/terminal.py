"""A comparison on the terminal: figures as a table where there is room, and every difference in words."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.compare.figures import Difference, Result, excludes
from sim.compare.text import Texts
from sim.compare.words import method, sentence, summary, verdict_word
from sim.metrics import describe

WIDE = 150  # columns that the table of figures takes
PLAIN_WIDTH = 160  # where standard output is no terminal
MOST_TABLES = 6  # sides that are shown one by one; more are one table, a row each
MOST_SETTINGS = 12
STYLES = {"real": "bold", "constant": "bold", "unclear": "dim", "same": "dim", "identical": "dim", "negligible": "dim"}


def print_result(result: Result, notes: Sequence[str], page: Path | None) -> None:
    """Print everything; a summary of each side comes last."""
    from rich.console import Console

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ± gets a question mark
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    _head(console, result, [*notes, *result.notes])
    others = result.sides[1:]
    if len(others) > MOST_TABLES:
        _matrix(console, result)
    else:
        for side in others:
            _side(console, result, side.name)
    console.print(method(result), style="dim", markup=False)
    real = [side for side in others if any(one.verdict == "real" for one in result.of(side.name))]
    for side in others if len(others) <= MOST_TABLES else real:
        _line(console, summary(result, side.name), "bold")
    if len(others) > MOST_TABLES:
        _line(console, f"{len(real)} of {len(others)} differ from {result.sides[0].name} in something for real.{_advice(result)}", "bold")
    if page is not None:
        console.print(f"page     {page}", soft_wrap=True, markup=False)


def _advice(result: Result) -> str:
    """What to do where so much is compared that a few replications cannot show anything."""
    doubted = sum(one.verdict == "unclear" and one.found is not None and excludes(one.found.difference, 0.0) for one in result.differences)
    if not doubted:
        return ""
    return f" {doubted} differences might be real if fewer were compared: ask with --metric, or with --by KEY, or add replications."


def _line(console: Any, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False)


def _head(console: Any, result: Result, notes: Sequence[str]) -> None:
    baseline = result.sides[0]
    cases = f", {len(baseline.runs)} cases for each value" if result.by else ""
    _line(console, f"baseline {baseline.name}{cases}")
    for key, values in list(result.settings.items())[:MOST_SETTINGS] if len(result.sides) <= MOST_TABLES else ():
        _line(console, f"  {key}: {' | '.join(values)}", "dim")
    if len(result.sides) <= MOST_TABLES and len(result.settings) > MOST_SETTINGS:
        _line(console, f"  and {len(result.settings) - MOST_SETTINGS} more settings that differ", "dim")
    for note in notes:
        _line(console, f"note: {note}", "yellow")
    console.print()


def _side(console: Any, result: Result, side: str) -> None:
    found = result.of(side)
    if console.width >= WIDE:
        console.print(_table(result, side))
        console.print()
        for one in found:
            _line(console, f"• {sentence(one, result.confidence, result.matters)}", STYLES.get(one.verdict, ""))
    else:
        for one in found:
            _line(console, f"• {sentence(one, result.confidence, result.matters)}", STYLES.get(one.verdict, ""))
            _figures(console, one)
    console.print()


def _figures(console: Any, one: Difference) -> None:
    """The figures below a sentence, in a narrow window."""
    texts, unit = Texts(one), describe(one.metric).unit
    _line(console, f"  {texts.first} → {texts.second}{f' {unit}' if unit else ''}", "dim")
    if one.found is None:
        return
    ranges = [
        f"{text} [{span}]" if span else text for text, span in ((texts.difference, texts.range), (texts.relative, texts.relative_range))
    ]
    _line(console, f"  difference {ranges[0]}, {ranges[1]} %", "dim")
    _line(console, f"  effect size {texts.effect or '–'}, P(less) {texts.less}, adjusted p {texts.adjusted}", "dim")


def _table(result: Result, side: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    heads = ("", "", result.sides[0].name, side, "difference", "%", "interval", "effect", "P(less)", "adj. p", "")
    for place, head in enumerate(heads):
        table.add_column(Text(_broken(head)), justify="left" if place in (0, 1, 10) else "right", no_wrap=True)
    for one in result.of(side):
        texts = Texts(one)
        row = (
            *(one.metric, describe(one.metric).unit, texts.first, texts.second, texts.difference, texts.relative),
            f"{texts.relative_range} %" if texts.relative_range else texts.range,
            *(texts.effect, texts.less, texts.adjusted, verdict_word(one)),
        )
        table.add_row(*(Text(text) for text in row), style=STYLES.get(one.verdict, ""))
    return table


def _broken(name: str, longest: int = 18) -> str:
    """A name over several lines, broken behind commas and equals signs."""
    lines = [""]
    for part in re.split(r"(?<=[,=])", name):
        if lines[-1] and len(lines[-1]) + len(part) > longest:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _matrix(console: Any, result: Result) -> None:
    """A row a side, a column a metric: the relative difference, and a word where it is real."""
    from rich.table import Table
    from rich.text import Text

    columns = [
        name
        for name in result.metrics
        if any(one.verdict not in ("identical", "absent") for one in result.differences if one.metric == name)
    ]
    room = max(1, (console.width - max(len(side.name) for side in result.sides[1:])) // 18)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("against the baseline, %")
    for name in columns[:room]:
        table.add_column(Text(name), justify="right")
    for side in result.sides[1:]:
        cells = {one.metric: _short(one) for one in result.of(side.name)}
        table.add_row(Text(side.name), *(Text(cells[name]) for name in columns[:room]))
    console.print(table)
    left = f"; no room for {', '.join(columns[room:])}" if columns[room:] else ""
    _line(console, f"~: no difference shown; =: identical or too little to matter{left}", "dim")
    console.print()


def _short(one: Difference) -> str:
    if one.verdict in ("identical", "negligible", "same"):
        return "="
    if one.verdict in ("absent", "single"):
        return "–"
    if one.verdict == "unclear":
        return "~"
    texts = Texts(one)
    size = texts.relative if texts.relative != "–" else f"({texts.difference})"
    return f"{size} {verdict_word(one)}"
