"""When there are enough replications: the rule that adds them until an interval is as narrow as wanted.

The half-width of Student's interval of the mean is looked at after each replication (Law, Simulation Modeling and Analysis, 9.4.1; Chow
and Robbins, Annals of Mathematical Statistics 36, 1965).  Such a rule stops by preference where the spread looks small by luck, so the
interval that it ends with covers a little less often than 95 %: docs/statistics.md has it measured.  Five replications at least keep
that small: with two or three, the standard deviation is often a fraction of the true one, and the rule stops at once on a number that
means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from sim.statistics.summary import CONFIDENCE, Summary, summarise, t_quantile

LEAST = 5
_EXACT = 1000  # degrees of freedom up to which t is computed; from there on its expansion has nine digits

Values = Sequence[float | None]


def _check(target: float) -> None:
    if not target > 0:
        raise ValueError(f"a half-width to reach must be above 0, found {target}")


def _goal(summary: Summary, target: float, relative: bool) -> float:
    """The half-width to reach, in the metric's unit."""
    return target * abs(summary.mean or 0.0) if relative else target


def enough(values: Values, target: float, relative: bool = True, confidence: float = CONFIDENCE, least: int = LEAST) -> bool:
    """Whether the mean's half-width is at most `target` (relative: that share of the mean's size), and `least` values are there.

    Absent values (None, NaN) do not count.  Values that are all equal are enough; a mean of 0 with any spread never is if relative.
    """
    _check(target)
    summary = summarise(values, confidence)
    if summary.half_width is None or summary.n < max(least, 2):
        return False
    return summary.half_width <= _goal(summary, target, relative)


def stop_at(
    values: Values, target: float, relative: bool = True, least: int = LEAST, most: int = 100, confidence: float = CONFIDENCE
) -> int | None:
    """With how many replications the rule stops: the smallest number whose values are enough, or `most`; None if more are needed.

    Only the values before it decide, so that it does not matter how many were simulated at once.
    """
    if not 2 <= least <= most:
        raise ValueError(f"replications need 2 <= least <= most, found {least} and {most}")
    for count in range(least, min(len(values), most) + 1):
        if enough(values[:count], target, relative, confidence, least):
            return count
    return most if len(values) >= most else None


def needed(values: Values, target: float, relative: bool = True, confidence: float = CONFIDENCE) -> int | None:
    """About how many replications it takes in all, if mean and standard deviation stay as they are; None if that cannot be told."""
    _check(target)
    summary = summarise(values, confidence)
    goal = _goal(summary, target, relative)
    if summary.sd is None or (goal == 0 and summary.sd > 0):
        return None
    if summary.sd == 0:
        return 2
    wide = summary.sd / goal

    def too_few(count: int) -> bool:
        return _t(count - 1, confidence) * wide > math.sqrt(count)

    high = 2
    while too_few(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if too_few(middle) else (low, middle)
    return high


def _t(freedom: int, confidence: float) -> float:
    if freedom <= _EXACT:
        return t_quantile(freedom, confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)  # Abramowitz and Stegun 26.7.5
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
