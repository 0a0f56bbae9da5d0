"""A run against logs as tables of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sim.logs.figures import Against, Line

MOST_NAMES = 12
COUNTERS = ("counter", "log", "run", "error", "log/s", "run/s", "error")
GAUGES = ("level", "log mean", "run mean", "error", "log last", "run last", "error")


def number(value: float | None) -> str:
    """Four digits of small ones, whole large ones."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def percent(value: float | None) -> str:
    """A signed error."""
    return "–" if value is None else f"{value:+.0f} %" if abs(value) >= 1000 else f"{value:+.1f} %"


def cells(line: Line) -> tuple[str, ...]:
    """The cells of a line's row."""
    name = line.name if line.name == line.shown else f"{line.name} ({line.shown})"
    first = f"{name} [{line.unit}]" if line.unit in ("bytes", "KiB") else name
    pairs = (
        ((line.log_change, line.run_change, line.error_change), (line.log_rate, line.run_rate, line.error_rate))
        if line.kind == "counter"
        else ((line.log_mean, line.run_mean, line.error_mean), (line.log_last, line.run_last, line.error_last))
    )
    return (first, *(text for log, run, error in pairs for text in (number(log), number(run), percent(error))))


def _table(heading: Sequence[str], lines: Sequence[Line]) -> Iterator[str]:
    rows = [tuple(heading), *(cells(line) for line in lines)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(heading))]
    for row in rows:
        yield "  ".join(text.ljust(width) if k == 0 else text.rjust(width) for k, (text, width) in enumerate(zip(row, widths, strict=True)))


def lasted(seconds: float | None) -> str:
    """How long, in words."""
    return "no times" if seconds is None else f"{seconds:g} s"


def shown(one: Against) -> Iterator[str]:
    """Lines for people."""
    log, run = one.log, one.run
    yield f"{log.path}: {log.format}, {log.samples} samples, {lasted(log.seconds)}"
    long = f"{run.seconds:g} s simulated" if run.columns else "no samples"
    yield f"run {run.document['name']} ({run.document['id']}): {long}, mean of {run.document['replications']} replications"
    for kind, heading in (("counter", COUNTERS), ("gauge", GAUGES)):
        lines = [line for line in one.lines if line.kind == kind]
        if lines:
            yield ""
            yield from _table(heading, lines)
    yield ""
    if one.still:
        yield f"0 in both: {one.still}"
    if one.only_log:
        more = f" and {len(one.only_log) - MOST_NAMES} more (--json lists them)" if len(one.only_log) > MOST_NAMES else ""
        yield f"no counterpart in the run: {', '.join(one.only_log[:MOST_NAMES])}{more}"
    yield from (f"note: {note}" for note in one.notes)
