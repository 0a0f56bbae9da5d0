"""The page of a validation: one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib

from sim.report import HERE
from sim.report.drawing import STYLE, Plot
from sim.report.tables import plain
from sim.report.validate_plots import over_each_other, scatter
from sim.results import version
from sim.validate.judge import ENOUGH, JUDGED, MEDIAN, P90, WORST, Cell, Summary
from sim.validate.known import KNOWN, reason
from sim.validate.outcome import Outcome
from sim.validate.text import percent, shown, verdict
from sim.validate.trace import Trace, leaving


def page(outcome: Outcome, command: str) -> str:
    """The page's text."""
    figures = _drawn(lambda: scatter(outcome.judged))
    tables = [("By family", outcome.families), ("By counter", outcome.counters), ("Reported beside them, not judged", outcome.beside)]
    return _render(
        "validate.html.j2",
        title="Measured and simulated",
        outcome=outcome,
        overall=outcome.all,
        targets=_targets(outcome.all),
        tables=[(title, [_summary(one) for one in found]) for title, found in tables if found],
        misses=[_row(cell) for cell in outcome.misses],
        rows=[_row(cell) for cell in _by_run(outcome.cells)],
        last=[_row(cell) for cell in _by_run(outcome.last)],
        figures=figures,
        judged=JUDGED,
        enough=ENOUGH,
        known=KNOWN,
        command=command,
    )


def trace_page(trace: Trace, command: str) -> str:
    """The page of --trace."""
    left = [
        (one.counter, f"{one.phase}", f"{one.idx}", plain(one.measured), plain(round(one.simulated, 1)), percent(one.at_end, True))
        for one in leaving(trace)
    ]
    return _render(
        "validate_trace.html.j2",
        title=f"{trace.run}: where the simulation leaves the measurement",
        trace=trace,
        left=left,
        figures=_drawn(lambda: over_each_other(trace)),
        command=command,
    )


def _render(template: str, **values: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        script=(HERE / "sort.js").read_text(encoding="utf-8"),
        version=version(),
        **values,
    )


def _drawn(draw: Any) -> list[Plot]:
    with matplotlib.rc_context(STYLE):
        plot = draw()
    return [plot] if plot is not None else []


def _targets(overall: Summary | None) -> list[tuple[str, str, str, str, bool]]:
    if overall is None:
        return []
    raw = (overall.raw_median, overall.raw_p90, overall.raw_worst)
    assert [limit for _, limit, _, _ in overall.targets] == [MEDIAN, P90, WORST]
    return [
        (name, percent(found), percent(every), percent(limit), met)
        for (name, limit, found, met), every in zip(overall.targets, raw, strict=True)
    ]


def _summary(one: Summary) -> tuple[str, str, Sequence[tuple[str, str]], str]:
    figures = ((one.median, one.raw_median), (one.p90, one.raw_p90), (one.worst, one.raw_worst))
    return one.name, str(one.n), [(percent(counted), percent(raw)) for counted, raw in figures], one.worst_at


def _by_run(cells: Sequence[Cell]) -> list[Cell]:
    """The figures of the terminal's tables, run by run."""
    runs = dict.fromkeys(cell.run for cell in cells)
    return [cell for name in runs for cell in shown([cell for cell in cells if cell.run == name])]


def _row(cell: Cell) -> dict[str, str]:
    return {
        "run": cell.run,
        "family": cell.family,
        "counter": cell.counter,
        "measured": plain(cell.measured),
        "simulated": "–" if cell.simulated is None else plain(cell.simulated),
        "error": percent(cell.error, True),
        "size": percent(cell.raw),
        "spread": "–" if cell.basis == "none" else f"±{percent(cell.spread)}",
        "basis": f"{cell.repeats} repeats" if cell.basis == "repeats" else cell.basis,
        "verdict": verdict(cell),
        "style": "worse" if cell.judged and cell.counted > P90 else "",
        "why": reason(cell),
    }
