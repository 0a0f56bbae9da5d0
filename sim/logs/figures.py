"""Both sides of every counter: changes, rates, means, and how far the run is off."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from sim.logs.log import Column, Kind, Log
from sim.logs.run import Run, Side, side_of


class Line(NamedTuple):
    """A counter in the log and in the run.

    log_change, run_change   growth from first to last sample (counters)
    log_rate, run_rate       the same per second; None where the log has no times
    log_mean, run_mean, log_last, run_last   of gauges
    series                   column of series.csv to draw, "" for none
    """

    name: str
    shown: str
    kind: Kind
    unit: str
    log_change: float | None = None
    run_change: float | None = None
    log_rate: float | None = None
    run_rate: float | None = None
    log_mean: float | None = None
    run_mean: float | None = None
    log_last: float | None = None
    run_last: float | None = None
    series: str = ""

    @property
    def error_change(self) -> float | None:
        """run / log - 1 of the changes, in %."""
        return _error(self.log_change, self.run_change)

    @property
    def error_rate(self) -> float | None:
        """run / log - 1 of the rates, in %."""
        return _error(self.log_rate, self.run_rate)

    @property
    def error_mean(self) -> float | None:
        """run / log - 1 of the means over time, in %."""
        return _error(self.log_mean, self.run_mean)

    @property
    def error_last(self) -> float | None:
        """run / log - 1 of the last values, in %."""
        return _error(self.log_last, self.run_last)


class Against(NamedTuple):
    """A log against a run.

    lines       counters that both have, in the log's order, but for those that stood still in both
    still       how many these were
    only_log    counters of the log for which the run has nothing, those that moved first
    """

    log: Log
    run: Run
    lines: list[Line]
    still: int
    only_log: list[str]
    notes: list[str]


def _error(log: float | None, run: float | None) -> float | None:
    """None where it makes no sense: a side is missing, or the log's is 0 and the run's is not."""
    if log is None or run is None or (log == 0 and run != 0):
        return None
    return 100 * (run / log - 1) if log else 0.0


def against(log: Log, run: Run) -> Against:
    """Lay the log over the run."""
    notes = list(log.notes)
    if not run.columns:
        notes.append("the run's series.csv has no samples: totals at its end alone are compared")
    lines: list[Line] = []
    only, still, at_end = [], 0, []
    for column in log.columns:
        side = side_of(run, column)
        growth, falls = _growth(column)
        if side is None:
            only.append((0 if growth or (column.kind == "gauge" and any(column.values)) else 1, column.shown))
            continue
        if falls:
            notes.append(f"{column.shown} falls {falls} times (a restart, or two logs in one file?): only its growth is counted")
        line = _line(column, side, growth, log.seconds)
        if not any((line.log_change, line.run_change, line.log_mean, line.run_mean, line.log_last, line.run_last)):
            still += 1
            continue
        if not side.series and side.change is not None and not run.whole:
            at_end.append(column.name)
        lines.append(line)
    if at_end:
        notes.append(f"of the run these are totals with its warm-up, since series.csv does not have them: {', '.join(at_end)}")
    return Against(log, run, lines, still, [name for _, name in sorted(only, key=lambda item: item[0])], notes)


def _known(column: Column) -> Sequence[float]:
    return [value for value in column.values if value is not None]


def _growth(column: Column) -> tuple[float, int]:
    """(growth of a counter, how often it falls); (0, 0) of a gauge."""
    if column.kind == "gauge":
        return 0.0, 0
    steps = [b - a for a, b in pairwise(_known(column))]
    return sum(step for step in steps if step > 0), sum(step < 0 for step in steps)


def _line(column: Column, side: Side, growth: float, seconds: float | None) -> Line:
    line = Line(column.name, column.shown, column.kind, column.unit, series=side.series)
    values = _known(column)
    if column.kind == "gauge":
        return line._replace(log_mean=sum(values) / len(values), log_last=values[-1], run_mean=side.mean, run_last=side.last)
    return line._replace(
        log_change=growth,
        run_change=side.change,
        log_rate=growth / seconds if seconds else None,
        run_rate=side.change / side.seconds if side.change is not None and side.seconds else None,
    )
