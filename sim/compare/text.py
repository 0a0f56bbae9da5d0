"""The figures of a comparison as text: the cells of its tables on the terminal and on the page."""

from __future__ import annotations

import math

from sim.compare.figures import Difference
from sim.compare.words import number
from sim.report.tables import with_interval
from sim.statistics.intervals import Interval


def mean(interval: Interval | None) -> str:
    """Value ± half of its interval."""
    if interval is None or interval.estimate is None:
        return "–"
    half = None if interval.low is None or interval.high is None else (interval.high - interval.low) / 2
    value, width = with_interval(interval.estimate, half)
    return f"{value} ± {width}" if width and width != "0" else value


def signed(value: float | None, significant: int = 3) -> str:
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{number(abs(value), significant)}"


def range_of(interval: Interval | None, sign: bool = True) -> str:
    """ "low … high", nothing without an interval."""
    if interval is None or interval.low is None or interval.high is None:
        return ""
    low, high = (signed(end) if sign else number(end, 2) for end in (interval.low, interval.high))
    return low if low == high else f"{low} … {high}"


def estimate(interval: Interval | None, sign: bool = True, significant: int = 3) -> str:
    if interval is None or interval.estimate is None or math.isnan(interval.estimate):
        return "–"
    return signed(interval.estimate, significant) if sign else number(interval.estimate, significant)


def probability(value: float | None) -> str:
    """A p value: never 0.000."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    return "<0.001" if value < 0.001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


class Texts:
    """Every figure of one difference as text."""

    def __init__(self, one: Difference) -> None:
        found = one.found
        self.first, self.second = mean(one.first), mean(one.second)
        self.difference, self.range = estimate(found.difference if found else None), range_of(found.difference if found else None)
        self.relative, self.relative_range = estimate(found.relative if found else None, significant=2), _short_range(one)
        self.effect, self.effect_range = estimate(found.effect_size if found else None), range_of(found.effect_size if found else None)
        self.less = estimate(found.superiority if found else None, sign=False, significant=2)
        self.less_range = range_of(found.superiority if found else None, sign=False)
        self.adjusted = probability(one.adjusted)
        if one.verdict in ("identical", "constant"):  # nothing varies: no interval and nothing to divide by
            self.range = self.relative_range = self.effect = self.effect_range = ""


def _short_range(one: Difference) -> str:
    relative = one.found.relative if one.found else None
    if relative is None or relative.low is None or relative.high is None:
        return ""
    return f"{signed(relative.low, 2)} … {signed(relative.high, 2)}"
