"""Means and 95 % intervals over the replications of a run, as run.json has them.

Replications are independent, so the interval of a mean is Student's t with n - 1 degrees of freedom.  The quantile of t is
computed here, from the closed form of its distribution for whole degrees of freedom (Abramowitz and Stegun, Handbook of
Mathematical Functions, 26.7.3 and 26.7.4): importing SciPy for one number would cost more time than a small run takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

CONFIDENCE = 0.95


class Summary(NamedTuple):
    """One scalar over the replications.

    n           replications that have it (a ratio with nothing to divide by is absent in some)
    mean        None if n is 0
    sd          sample standard deviation, None below two values
    half_width  half of the interval of the mean (95 % in results), None below two values
    values      one per replication, in order; None where absent
    """

    n: int
    mean: float | None
    sd: float | None
    half_width: float | None
    values: tuple[float | None, ...]

    @property
    def low(self) -> float | None:
        return None if self.mean is None or self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        return None if self.mean is None or self.half_width is None else self.mean + self.half_width


def _central_probability(t: float, freedom: int) -> float:
    """P(-t < T < t) of Student's t with a whole number of degrees of freedom."""
    theta = math.atan(t / math.sqrt(freedom))
    cosine = math.cos(theta)
    square = cosine * cosine
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(1 if odd else 0, freedom - 1, 2):
        total += term
        term *= square * (k + 1) / (k + 2)
    if odd:
        return 2.0 / math.pi * (theta + math.sin(theta) * total)
    return math.sin(theta) * total


@cache
def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The t with P(-t < T < t) = confidence, for `freedom` >= 1; relative error below 1e-9."""
    if freedom < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(f"t_quantile needs freedom >= 1 and 0 < confidence < 1, got {freedom} and {confidence}")
    low, high = 0.0, 1.0
    while _central_probability(high, freedom) < confidence:
        low, high = high, high * 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if _central_probability(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def summarise(values: Iterable[float | None], confidence: float = CONFIDENCE) -> Summary:
    """Mean and its interval; None, NaN and infinities count as absent."""
    kept = tuple(None if value is None or not math.isfinite(value) else float(value) for value in values)
    present = [value for value in kept if value is not None]
    n = len(present)
    if n == 0:
        return Summary(0, None, None, None, kept)
    mean = math.fsum(present) / n
    if n == 1:
        return Summary(1, mean, None, None, kept)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in present) / (n - 1))
    return Summary(n, mean, sd, t_quantile(n - 1, confidence) * sd / math.sqrt(n), kept)
