"""One long run: how much its successive values depend on each other, and an interval for their mean all the same.

Values of one run that follow one another are correlated (a long queue stays long for a while), so the usual interval of a mean is far
too narrow.  Batch means cuts the run into a few long batches whose means hardly depend on each other (Schmeiser, Operations Research
30, 1982; Law, Simulation Modeling and Analysis, 9.5.3).  Warm-up is to be removed before (sim/statistics/warmup.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from sim.statistics.intervals import Array, Interval, check_confidence
from sim.statistics.summary import CONFIDENCE, t_quantile

BATCHES = (32, 16, 8)  # numbers that are tried: Schmeiser finds no good in more than about 30, and little loss down to about 10
SIGNIFICANCE = 0.2  # of the test for independence: a test that seldom rejects would let short batches through (Skart takes 0.2 as well)
_CRITICAL = NormalDist().inv_cdf(1 - SIGNIFICANCE)
MOST_CORRELATION = 0.8
ENOUGH = 100  # independent values' worth, below which no number of batches is right
METHOD = "batch means"


class Batches(NamedTuple):
    """The mean of one long run.

    interval        Student's t over the batches; ends None below 16 values
    batches, size   their number, and the values in each
    correlation     of successive batch means, as it was taken into account (0 or above)
    effective_size  independent values that would tell as much of the mean
    reliable        the batches passed for independent, and effective_size is at least 100; else the run is too short to be sure of
    """

    interval: Interval
    batches: int
    size: int
    correlation: float
    effective_size: float
    reliable: bool


def series_of(values: Sequence[float] | Array) -> Array:
    """An array of finite values in one dimension; ValueError otherwise: a gap in a series cannot be left out."""
    x = np.asarray(values, dtype=float)
    if x.ndim != 1:
        raise ValueError(f"a series has one dimension, found {x.ndim}")
    if not np.all(np.isfinite(x)):
        raise ValueError(f"a series must be finite: value {int(np.argmin(np.isfinite(x)))} is {x[~np.isfinite(x)][0]}")
    return x


def autocorrelation(values: Sequence[float] | Array) -> Array:
    """The autocorrelation function at lags 0 ... n - 1, with the divisor n at every lag, so that the tail is smooth.

    Of values that are all equal it is 1 at lag 0 and then 0.
    """
    x = series_of(values)
    n = len(x)
    if n == 0:
        return np.zeros(0)
    centred = x - x.mean()
    if np.ptp(x) == 0:
        return np.array([1.0] + [0.0] * (n - 1))
    spectrum = np.fft.rfft(centred, 1 << (2 * n - 1).bit_length())
    covariance = np.fft.irfft(np.abs(spectrum) ** 2)[:n]
    return np.asarray(covariance / covariance[0])


def autocorrelation_time(values: Sequence[float] | Array, window: float = 5.0) -> float:
    """The integrated autocorrelation time 1 + 2 (rho_1 + rho_2 + ...), in observations, at least 1.

    The sum ends at the first lag of at least `window` times itself (Madras and Sokal, Journal of Statistical Physics 50, 1988), since
    the noise of all later lags would swamp it.  It is too small for a run below about 50 of these times.
    """
    rho = autocorrelation(values)
    if len(rho) < 2:
        return 1.0
    times = 2.0 * np.cumsum(rho) - 1.0
    enough = np.arange(len(rho)) >= window * times
    return max(1.0, float(times[int(np.argmax(enough))] if enough.any() else times[-1]))


def effective_size(values: Sequence[float] | Array) -> float:
    """How many independent values would tell as much of the mean: n over the autocorrelation time."""
    return len(values) / autocorrelation_time(values)


def batch_means(values: Sequence[float] | Array, confidence: float = CONFIDENCE) -> Batches:
    """The mean of a long run with an interval.  ValueError for values that are not finite.

    32 batches are tried, then 16, then 8, until von Neumann's test passes the batch means for independent; what correlation is left
    widens the interval by (1 + r)/(1 - r) in the variance, as in Skart (Tafazzoli, Wilson, Lada and Steiger, INFORMS Journal on
    Computing 23, 2011).  How often the interval covers is measured: docs/statistics.md.
    """
    check_confidence(confidence)
    x = series_of(values)
    n = len(x)
    mean = float(x.mean()) if n else None
    choices = [count for count in BATCHES if n >= 2 * count]
    if mean is None or not choices:
        return Batches(Interval(mean, None, None, confidence, n, METHOD), 0, 0, 0.0, float(n), False)
    count, means, passed = 0, x, False
    for count in choices:
        size = n // count
        means = x[n - count * size :].reshape(count, size).mean(axis=1)
        passed = _independent(means)
        if passed:
            break
    correlation = _correlation(means)
    inflation = (1 + correlation) / (1 - correlation)
    half = t_quantile(count - 1, confidence) * math.sqrt(inflation * float(means.var(ddof=1)) / count)
    size_of_all = effective_size(x)
    interval = Interval(mean, mean - half, mean + half, confidence, n, METHOD)
    return Batches(interval, count, n // count, correlation, size_of_all, passed and size_of_all >= ENOUGH)


def _independent(means: Array) -> bool:
    """Von Neumann's ratio (Annals of Mathematical Statistics 12, 1941) against positive correlation, in Fishman's normal form (1978)."""
    count = len(means)
    spread = float(np.sum((means - means.mean()) ** 2))
    if spread == 0:
        return True
    c = 1.0 - float(np.sum(np.diff(means) ** 2)) / (2 * spread)
    return c * math.sqrt((count * count - 1) / (count - 2)) <= _CRITICAL


def _correlation(means: Array) -> float:
    rho = autocorrelation(means)
    return min(max(0.0, float(rho[1])), MOST_CORRELATION)


def rate_batches(times_s: Sequence[float] | Array, counter: Sequence[float] | Array, confidence: float = CONFIDENCE) -> Batches:
    """A rate per simulated second, from samples of a counter at a fixed interval.

    times_s  seconds, rising by one interval; the last step may be shorter, as a run ends when it is done
    counter  what was counted up to each of them
    The estimate is the whole increase over the whole time; the interval is that of batch means of the steps' rates.
    ValueError for lengths that differ and times that are not so.
    """
    times, counts = series_of(times_s), series_of(counter)
    if len(times) != len(counts):
        raise ValueError(f"a counter needs as many times as samples: found {len(times)} and {len(counts)}")
    if len(times) < 2:
        return batch_means([], confidence)
    steps = np.diff(times)
    if steps.min() <= 0:
        raise ValueError("times of samples must rise")
    interval = float(steps[0])
    whole = len(steps) - int(steps[-1] < interval * (1 - 1e-6))
    uneven = np.abs(steps[:whole] - interval) > 1e-6 * interval
    if uneven.any():
        raise ValueError(f"a counter must be sampled at a fixed interval: {interval:g} s, then {float(steps[:whole][uneven][0]):g} s")
    found = batch_means(np.diff(counts)[:whole] / steps[:whole], confidence)
    overall = float((counts[-1] - counts[0]) / (times[-1] - times[0]))
    half = found.interval.half_width
    low, high = (None, None) if half is None else (overall - half, overall + half)
    return found._replace(interval=found.interval._replace(estimate=overall, low=low, high=high))


def rate_interval(times_s: Sequence[float] | Array, counter: Sequence[float] | Array, confidence: float = CONFIDENCE) -> Interval:
    """The interval of `rate_batches`."""
    return rate_batches(times_s, counter, confidence).interval
