"""The page of a comparison: one self-contained HTML file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

from sim.compare.figures import Result
from sim.compare.text import Texts
from sim.compare.words import method, sentence, summary, verdict_word
from sim.errors import UserError
from sim.metrics import describe
from sim.report import HERE
from sim.report.compare_plots import dots, forests, words_class
from sim.report.drawing import STYLE
from sim.report.limits import limits_of

MOST_LISTED = 12  # sides with a table of their own; the others are in the summary and in --json


class Row(NamedTuple):
    """A difference on the page."""

    metric: str
    unit: str
    doc: str
    texts: Texts
    verdict: str
    style: str
    words: str


def write_page(path: Path, result: Result, notes: Sequence[str], command: str = "") -> Path:
    """Write the page of a comparison.  UserError if it cannot be written."""
    return write_text(path, page(result, notes, command))


def write_text(path: Path, text: str) -> Path:
    """Write a page under a temporary name and rename it.  UserError if it cannot be written."""
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path}: could not be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def page(result: Result, notes: Sequence[str], command: str = "") -> str:
    """The page's text: made from the comparison alone, so the same runs give the same page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    with matplotlib.rc_context(STYLE):
        figures = [plot for plot in (*forests(result), dots(result)) if plot is not None]
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    others = [side.name for side in result.sides[1:]]
    runs = [run for side in result.sides for run in side.runs]
    return environment.get_template("compare.html.j2").render(
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        script=(HERE / "sort.js").read_text(encoding="utf-8"),
        title=f"{others[0]} against {result.sides[0].name}" if len(others) == 1 else f"{len(others)} against {result.sides[0].name}",
        baseline=result.sides[0].name,
        result=result,
        notes=[*notes, *result.notes],
        summaries=[(name, summary(result, name)) for name in others],
        tables=[(name, _rows(result, name)) for name in others[:MOST_LISTED]],
        left_out=max(0, len(others) - MOST_LISTED),
        figures=figures,
        method=method(result),
        command=command,
        versions=sorted({run["version"] for run in runs}),
        limits=limits_of(runs),
    )


def _rows(result: Result, side: str) -> list[Row]:
    found: list[Row] = []
    for one in result.of(side):
        metric = describe(one.metric)
        words: Any = sentence(one, result.confidence, result.matters)
        found.append(Row(one.metric, metric.unit, metric.doc, Texts(one), verdict_word(one), words_class(one), words))
    return found
