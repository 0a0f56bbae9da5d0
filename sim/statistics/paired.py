"""Two cases compared: the difference, how large it is for its spread, how often one is below the other, and whether it may be chance.

Replication i of every case of a sweep draws the same random numbers, so what is bad luck for one is bad luck for the other, and their
difference varies less than either (common random numbers; Law, Simulation Modeling and Analysis, 5th ed., 11.2).  `compare_pairs`
uses that.  `compare_independent` is for runs that do not share seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from sim.statistics.effects import fieller, hedges, share_interval, superiority, t_of
from sim.statistics.intervals import (
    BCA,
    RESAMPLES,
    Array,
    Interval,
    bca,
    bootstrap_interval,
    check_confidence,
    check_resamples,
    mean_interval,
    present,
    resample,
)
from sim.statistics.summary import CONFIDENCE


class Paired(NamedTuple):
    """Case b against case a.

    n            pairs (of independent runs: the values of both)
    difference   mean of b - a, with Student's t (of independent runs: Welch's)
    bootstrap    the same with a BCa interval, which does not assume normal values but is too narrow below ten pairs
    relative     difference in per cent of the mean of a, by Fieller's theorem; None without a mean of a or if that is 0,
                 ends None if the interval of a's mean holds 0
    effect_size  difference in standard deviations of the differences (of independent runs: of the values), with Hedges's correction for
                 few values; an estimate of None if the differences are equal, but not 0: no spread to measure by
    superiority  P(b < a), ties counted half: 0.5 if neither tends to be lower
    p_value      of the hypothesis that the means are equal, two-sided; None below two pairs.  Differences that are all equal have no
                 spread, so it is 1 if they are 0 (nothing differs) and else 0 (the same difference every time)
    """

    n: int
    difference: Interval
    bootstrap: Interval
    relative: Interval | None
    effect_size: Interval
    superiority: Interval
    p_value: float | None


def compare_pairs(
    a: Iterable[float | None], b: Iterable[float | None], confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> Paired:
    """Compare values that belong together by position; pairs of which one is absent are left out.  ValueError if lengths differ."""
    check_confidence(confidence)
    x, change = _pairs(a, b)
    n = len(change)
    return Paired(
        n=n,
        difference=mean_interval(change, confidence),
        bootstrap=bootstrap_interval(change, confidence=confidence, resamples=resamples, seed=seed),
        relative=_relative_of_pairs(x, change, confidence),
        effect_size=_standardised(change, confidence),
        superiority=share_interval(float(np.sum(change < 0) + 0.5 * np.sum(change == 0)), n, confidence),
        p_value=_p_of_pairs(change),
    )


def compare_independent(
    a: Iterable[float | None], b: Iterable[float | None], confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> Paired:
    """Compare values of runs that share nothing; their numbers and spreads may differ (Welch, Biometrika 1947)."""
    check_confidence(confidence)
    check_resamples(resamples)
    x, y = present(a), present(b)
    return Paired(
        n=len(x) + len(y),
        difference=_welch(x, y, confidence),
        bootstrap=_bootstrap_of_two(x, y, confidence, resamples, seed),
        relative=_relative_of_two(x, y, confidence),
        effect_size=_standardised_of_two(x, y, confidence),
        superiority=superiority(x, y, confidence),
        p_value=_p_of_two(x, y),
    )


# ---------------------------------------------------------------- pairs


def _pairs(a: Iterable[float | None], b: Iterable[float | None]) -> tuple[Array, Array]:
    """The values of a that have a partner, and the differences b - a.

    Differences that differ by no more than the last digits of the values are taken as equal: rounding is no spread.
    """
    first, second = list(a), list(b)
    if len(first) != len(second):
        raise ValueError(f"pairs need as many values of each: found {len(first)} and {len(second)}")
    both = [(u, v) for u, v in zip(first, second, strict=True) if _there(u) and _there(v)]
    table = np.array(both, dtype=float).reshape(-1, 2)
    change = table[:, 1] - table[:, 0]
    if both:
        rounding = 1e-13 * float(np.abs(table).max())
        if np.ptp(change) <= rounding:
            change[:] = change[0] if abs(change[0]) > rounding else 0.0
    return table[:, 0], change


def _there(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _same(values: Array) -> bool:
    """All equal, or with differences so small that their squares are 0."""
    return bool(np.all(values == values[0]) or values.var() == 0)


def _two_sided(t: float, freedom: float) -> float:
    from scipy.special import stdtr

    return min(1.0, 2.0 * float(stdtr(freedom, -abs(t))))


def _p_of_pairs(change: Array) -> float | None:
    n = len(change)
    if n < 2:
        return None
    if _same(change):
        return 1.0 if change[0] == 0 else 0.0
    return _two_sided(float(change.mean() / change.std(ddof=1)) * math.sqrt(n), n - 1)


def _relative_of_pairs(x: Array, change: Array, confidence: float) -> Interval | None:
    n = len(x)
    if n == 0:
        return None
    if n == 1:
        return fieller(float(x[0]), float(change[0]), None, 0, confidence, 1)
    u, v, w = (float(one) / n for one in np.cov(x, change)[[0, 0, 1], [0, 1, 1]])
    return fieller(float(x.mean()), float(change.mean()), (u, v, w), n - 1, confidence, n)


def _standardised(change: Array, confidence: float) -> Interval:
    n = len(change)
    method = "Hedges's g of the differences, noncentral t"
    if n and _same(change):
        nothing = 0.0 if change[0] == 0 and n > 1 else None
        return Interval(nothing, nothing, nothing, confidence, n, method)
    if n < 3:  # with one degree of freedom the corrected estimate does not exist
        return Interval(None, None, None, confidence, n, method)
    return hedges(float(change.mean() / change.std(ddof=1)), 1 / math.sqrt(n), n - 1, confidence, n, method)


# ---------------------------------------------------------------- independent runs


def _welch_freedom(x: Array, y: Array) -> tuple[float, float]:
    """Variance of the difference of the means, and its degrees of freedom."""
    u, v = float(x.var(ddof=1)) / len(x), float(y.var(ddof=1)) / len(y)
    if u + v == 0:
        return 0.0, float(len(x) + len(y) - 2)
    return u + v, (u + v) ** 2 / (u * u / (len(x) - 1) + v * v / (len(y) - 1))


def _flat(x: Array, y: Array) -> bool:
    return _same(x) and _same(y)


def _as_one(x: Array, y: Array) -> bool:
    """Whether flat values are the same but for rounding."""
    return math.isclose(x[0], y[0], rel_tol=1e-13)


def _welch(x: Array, y: Array, confidence: float) -> Interval:
    n, method = len(x) + len(y), "Welch's t"
    if not len(x) or not len(y):
        return Interval(None, None, None, confidence, n, method)
    estimate = float(y.mean() - x.mean())
    if len(x) < 2 or len(y) < 2:
        return Interval(estimate, None, None, confidence, n, method)
    if _flat(x, y):
        estimate = 0.0 if _as_one(x, y) else float(y[0] - x[0])
        return Interval(estimate, estimate, estimate, confidence, n, method)
    variance, freedom = _welch_freedom(x, y)
    half = t_of(freedom, confidence) * math.sqrt(variance)
    return Interval(estimate, estimate - half, estimate + half, confidence, n, method)


def _p_of_two(x: Array, y: Array) -> float | None:
    if len(x) < 2 or len(y) < 2:
        return None
    if _flat(x, y):
        return 1.0 if _as_one(x, y) else 0.0
    variance, freedom = _welch_freedom(x, y)
    return _two_sided(float(y.mean() - x.mean()) / math.sqrt(variance), freedom)


def _relative_of_two(x: Array, y: Array, confidence: float) -> Interval | None:
    n = len(x) + len(y)
    if not len(x) or not len(y):
        return None
    base = float(x.mean())
    change = float(y.mean()) - base
    if len(x) < 2 or len(y) < 2:
        return fieller(base, change, None, 0, confidence, n)
    u, v = float(x.var(ddof=1)) / len(x), float(y.var(ddof=1)) / len(y)
    return fieller(base, change, (u, -u, u + v), _welch_freedom(x, y)[1], confidence, n)


def _standardised_of_two(x: Array, y: Array, confidence: float) -> Interval:
    """Hedges's g over the pooled standard deviation."""
    n, method = len(x) + len(y), "Hedges's g, noncentral t"
    if len(x) < 2 or len(y) < 2:
        return Interval(None, None, None, confidence, n, method)
    if _flat(x, y):
        nothing = 0.0 if _as_one(x, y) else None
        return Interval(nothing, nothing, nothing, confidence, n, method)
    freedom = n - 2
    pooled = math.sqrt(((len(x) - 1) * float(x.var(ddof=1)) + (len(y) - 1) * float(y.var(ddof=1))) / freedom)
    return hedges(float(y.mean() - x.mean()) / pooled, math.sqrt(1 / len(x) + 1 / len(y)), freedom, confidence, n, method)


def _bootstrap_of_two(x: Array, y: Array, confidence: float, resamples: int, seed: int) -> Interval:
    """The difference of the means, each resampled from its own values."""
    n = len(x) + len(y)
    if not len(x) or not len(y):
        return Interval(None, None, None, confidence, n, BCA)
    estimate = float(y.mean() - x.mean())
    if len(x) < 2 or len(y) < 2:
        return Interval(estimate, None, None, confidence, n, BCA)
    streams = np.random.SeedSequence(seed).spawn(2)
    drawn = resample(y, np.mean, resamples, streams[1]) - resample(x, np.mean, resamples, streams[0])
    pull = np.concatenate([(x.mean() - x) / len(x), (y - y.mean()) / len(y)])  # of each value on the difference
    scale = float(max(np.abs(x).max(), np.abs(y).max()))
    return bca(drawn, estimate, pull, scale, confidence, n)
