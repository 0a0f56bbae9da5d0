"""Confidence intervals: a mean by Student's t, any statistic by the bootstrap, a quantile by order statistics.

Values are replications or other independent observations.  None, NaN and infinities count as absent, as in `summarise`.  An interval
that the values are too few for has None for the end (or ends) that cannot be told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from sim.statistics.summary import CONFIDENCE, summarise

RESAMPLES = 9999
BCA = "BCa bootstrap"
_CHUNK = 1 << 20  # values of resamples at a time: 8 MB

Array = np.ndarray[Any, Any]
Statistic = Callable[..., Any]


class Interval(NamedTuple):
    """An estimate with its confidence interval.

    estimate    None if there is no value
    low, high   None where the values cannot tell
    confidence  as asked for, 0.95 for 95 %
    n           values it is made from
    method      in few words: "t", "BCa bootstrap", ...
    """

    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    n: int
    method: str

    @property
    def known(self) -> bool:
        """Whether it has both ends."""
        return self.low is not None and self.high is not None

    @property
    def half_width(self) -> float | None:
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    def contains(self, value: float) -> bool | None:
        """Whether `value` lies in it, ends included; None if neither end says no and one is missing."""
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return False
        return True if self.known else None


def check_confidence(confidence: float) -> None:
    """ValueError unless 0 < confidence < 1."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence lies between 0 and 1, such as 0.95; found {confidence}")


def present(values: Iterable[float | None]) -> Array:
    """The values that are there, as floats."""
    return np.array([v for v in values if v is not None and math.isfinite(v)], dtype=float)


def mean_interval(values: Iterable[float | None], confidence: float = CONFIDENCE) -> Interval:
    """The mean with Student's t interval: exact for normal values, close for others from about ten on."""
    check_confidence(confidence)
    s = summarise(values, confidence)
    return Interval(s.mean, s.low, s.high, confidence, s.n, "t")


def bootstrap_interval(
    values: Iterable[float | None],
    statistic: Statistic = np.mean,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Any statistic with its BCa interval (Efron, JASA 1987; Efron and Tibshirani 1993, chapter 14).

    statistic  takes an array and `axis`, as np.mean and np.median do
    seed       the same values and seed give the same interval
    One value has no interval; values that are all equal have one of no width.  At five values it is too narrow (docs/statistics.md).
    """
    check_confidence(confidence)
    check_resamples(resamples)
    x = present(values)
    n = len(x)
    if n == 0:
        return Interval(None, None, None, confidence, 0, BCA)
    estimate = float(statistic(x, axis=-1))
    if n == 1:
        return Interval(estimate, None, None, confidence, 1, BCA)
    drawn = resample(x, statistic, resamples, np.random.SeedSequence(seed))
    left_out = np.array([statistic(np.delete(x, i), axis=-1) for i in range(n)], dtype=float)
    return bca(drawn, estimate, left_out.mean() - left_out, float(np.abs(x).max()), confidence, n)


def check_resamples(resamples: int) -> None:
    """ValueError below 100."""
    if resamples < 100:
        raise ValueError(f"a bootstrap needs at least 100 resamples, found {resamples}")


def resample(x: Array, statistic: Statistic, resamples: int, stream: np.random.SeedSequence) -> Array:
    """The statistic of `resamples` samples with replacement."""
    rng = np.random.default_rng(stream)
    n = len(x)
    rows = max(1, _CHUNK // n)
    sizes = [min(rows, resamples - done) for done in range(0, resamples, rows)]
    return np.concatenate([np.asarray(statistic(x[rng.integers(0, n, (size, n))], axis=-1), dtype=float) for size in sizes])


def bca(drawn: Array, estimate: float, pull: Array, scale: float, confidence: float, n: int) -> Interval:
    """The BCa interval from the statistic of the resamples.

    pull   how much each of the n values pulls the estimate up (jackknife or influence): its skewness is the acceleration
    scale  the size of the values: a sum's last digits depend on its order, so that equal statistics differ by as much
    """
    tolerance = 1e-12 * scale
    if np.ptp(drawn) <= tolerance:
        return Interval(estimate, estimate, estimate, confidence, n, BCA)
    below = np.count_nonzero(drawn < estimate - tolerance)
    ties = np.count_nonzero(np.abs(drawn - estimate) <= tolerance)
    count = len(drawn)
    share = min(max((below + ties / 2) / count, 0.5 / count), 1 - 0.5 / count)
    pull = np.ldexp(pull, -int(np.frexp(np.abs(pull).max())[1]))  # skewness has no scale, and squares of tiny values vanish
    spread = float(np.sum(pull**2))
    acceleration = float(np.sum(pull**3)) / (6.0 * spread**1.5) if spread > 0 else 0.0
    low, high = (float(end) for end in np.quantile(drawn, _bca_levels(share, acceleration, confidence)))
    return Interval(estimate, low, high, confidence, n, BCA)


def _bca_levels(share: float, acceleration: float, confidence: float) -> tuple[float, float]:
    """Which quantiles of the resamples are the ends; `share` of them lie below the estimate."""
    normal = NormalDist()
    bias = normal.inv_cdf(share)
    ends = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        z = bias + normal.inv_cdf(tail)
        shrink = 1 - acceleration * z
        ends.append(normal.cdf(bias + z / shrink) if shrink > 0 else float(z > 0))
    return ends[0], ends[1]


def quantile_interval(values: Iterable[float | None], q: float, confidence: float = CONFIDENCE) -> Interval:
    """The q-quantile, 0 < q < 1, between two of the sorted values, whatever they are distributed as (David and Nagaraja 2003, 7.1).

    How many values lie below the true quantile is binomial, so it covers at least as often as asked.  Each tail has half of the error;
    an end for which there are too few values is None.  The estimate is the median-unbiased one (Hyndman and Fan 1996, number 8).
    """
    from scipy.special import bdtr

    check_confidence(confidence)
    if not 0.0 < q < 1.0:
        raise ValueError(f"a quantile with an interval lies between 0 and 1, without the ends; found {q}")
    x = np.sort(present(values))
    n = len(x)
    method = "order statistics"
    if n == 0:
        return Interval(None, None, None, confidence, 0, method)
    tail = (1 - confidence) / 2
    below = bdtr(np.arange(n), n, q)  # P(at most k of the values lie below the quantile), k = 0 ... n - 1
    first = int(np.searchsorted(below, tail, side="right"))  # the first-th smallest lies above it with at most `tail`
    last = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    low = float(x[first - 1]) if first > 0 else None
    high = float(x[last - 1]) if last <= n else None
    return Interval(float(np.quantile(x, q, method="median_unbiased")), low, high, confidence, n, method)
