"""Two cases compared: the difference, how large it is for its spread, how often one is below the other, and whether it may be chance.

Replication i of every case of a sweep draws the same random numbers, so what is bad luck for one is bad luck for the other, and their
difference varies less than either (common random numbers; Law, Simulation Modeling and Analysis, 5th ed., 11.2).  `compare_pairs`
uses that.  `compare_independent` is for runs that do not share seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

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
        superiority=_share(float(np.sum(change < 0) + 0.5 * np.sum(change == 0)), n, confidence),
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
        superiority=_superiority_of_two(x, y, confidence),
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
    return bool(np.all(values == values[0]))


def _t(freedom: float, confidence: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


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
        return _fieller(float(x[0]), float(change[0]), None, 0, confidence, 1)
    u, v, w = (float(one) / n for one in np.cov(x, change)[[0, 0, 1], [0, 1, 1]])
    return _fieller(float(x.mean()), float(change.mean()), (u, v, w), n - 1, confidence, n)


def _fieller(
    base: float, change: float, spread: tuple[float, float, float] | None, freedom: float, confidence: float, n: int
) -> Interval | None:
    """Change in per cent of the base, from both means and (var of base, covariance, var of change) of these means.

    Fieller (Journal of the Royal Statistical Society B 16, 1954): all ratios r for which mean(change - r base) may be 0.
    """
    method = "Fieller"
    if base == 0:
        return None
    scale = 100.0 if base > 0 else -100.0  # per cent of the base's size
    estimate = scale * change / base
    if spread is None:
        return Interval(estimate, None, None, confidence, n, method)
    if change == 0 and spread[2] == 0:
        return Interval(0.0, 0.0, 0.0, confidence, n, method)
    square = _t(freedom, confidence) ** 2
    a = base * base - square * spread[0]
    b = base * change - square * spread[1]
    c = change * change - square * spread[2]
    if a <= 0:
        return Interval(estimate, None, None, confidence, n, method)
    root = math.sqrt(max(b * b - a * c, 0.0))
    low, high = sorted((scale * (b - root) / a, scale * (b + root) / a))
    return Interval(estimate, min(low, estimate), max(high, estimate), confidence, n, method)


def _correction(freedom: float) -> float:
    """Hedges's factor (Journal of Educational Statistics 6, 1981), exact: without it a small sample's effect looks too large."""
    return math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2)) / math.sqrt(freedom / 2) if freedom > 1 else 0.0


@cache
def _spread_of_s(freedom: float) -> Array:
    """s/sigma of normal samples at evenly spaced probabilities: chi over the root of its degrees of freedom."""
    from scipy.special import gammaincinv

    middles = (np.arange(2000) + 0.5) / 2000
    return np.asarray(np.sqrt(gammaincinv(freedom / 2, middles) * 2 / freedom))


def _noncentral(t: float, freedom: float, confidence: float) -> tuple[float, float]:
    """The interval of the noncentrality of a t that was observed (Steiger and Fouladi 1997): exact for normal values.

    P(T <= t) is the mean of Phi(t s - noncentrality) over s.  SciPy's nctdtr is the same, but does not end for a t in the thousands.
    """
    from scipy.special import ndtr

    reach = t * _spread_of_s(freedom)

    def solve(wanted: float) -> float:
        """P(T <= t) falls with the noncentrality, from 1 to 0 between these ends."""
        low, high = float(reach.min()) - 10, float(reach.max()) + 10
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if float(np.mean(ndtr(reach - middle))) > wanted else (low, middle)
        return (low + high) / 2

    return solve((1 + confidence) / 2), solve((1 - confidence) / 2)


def _standardised(change: Array, confidence: float) -> Interval:
    n = len(change)
    method = "Hedges's g of the differences, noncentral t"
    if n and _same(change):
        nothing = 0.0 if change[0] == 0 and n > 1 else None
        return Interval(nothing, nothing, nothing, confidence, n, method)
    if n < 3:  # with one degree of freedom the corrected estimate does not exist
        return Interval(None, None, None, confidence, n, method)
    return _hedges(float(change.mean() / change.std(ddof=1)), 1 / math.sqrt(n), n - 1, confidence, n, method)


def _hedges(effect: float, unit: float, freedom: float, confidence: float, n: int, method: str) -> Interval:
    """`effect` in standard deviations, of which the t statistic is effect / unit."""
    factor = _correction(freedom)
    low, high = _noncentral(effect / unit, freedom, confidence)
    return Interval(factor * effect, factor * low * unit, factor * high * unit, confidence, n, method)


def _share(count: float, n: int, confidence: float) -> Interval:
    """A share with its Clopper-Pearson interval (Biometrika 1934); half counts, from ties, only make it wider than it need be."""
    from scipy.special import betaincinv

    method = "Clopper-Pearson"
    if n == 0:
        return Interval(None, None, None, confidence, 0, method)
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return Interval(count / n, low, high, confidence, n, method)


# ---------------------------------------------------------------- independent runs


def _welch_freedom(x: Array, y: Array) -> tuple[float, float]:
    """Variance of the difference of the means, and its degrees of freedom."""
    u, v = float(x.var(ddof=1)) / len(x), float(y.var(ddof=1)) / len(y)
    if u + v == 0:
        return 0.0, float(len(x) + len(y) - 2)
    return u + v, (u + v) ** 2 / (u * u / (len(x) - 1) + v * v / (len(y) - 1))


def _flat(x: Array, y: Array) -> bool:
    return _same(x) and _same(y)


def _welch(x: Array, y: Array, confidence: float) -> Interval:
    n, method = len(x) + len(y), "Welch's t"
    if not len(x) or not len(y):
        return Interval(None, None, None, confidence, n, method)
    estimate = float(y.mean() - x.mean())
    if len(x) < 2 or len(y) < 2:
        return Interval(estimate, None, None, confidence, n, method)
    if _flat(x, y):
        estimate = float(y[0] - x[0])
        return Interval(estimate, estimate, estimate, confidence, n, method)
    variance, freedom = _welch_freedom(x, y)
    half = _t(freedom, confidence) * math.sqrt(variance)
    return Interval(estimate, estimate - half, estimate + half, confidence, n, method)


def _p_of_two(x: Array, y: Array) -> float | None:
    if len(x) < 2 or len(y) < 2:
        return None
    if _flat(x, y):
        return 1.0 if x[0] == y[0] else 0.0
    variance, freedom = _welch_freedom(x, y)
    return _two_sided(float(y.mean() - x.mean()) / math.sqrt(variance), freedom)


def _relative_of_two(x: Array, y: Array, confidence: float) -> Interval | None:
    n = len(x) + len(y)
    if not len(x) or not len(y):
        return None
    base = float(x.mean())
    change = float(y.mean()) - base
    if len(x) < 2 or len(y) < 2:
        return _fieller(base, change, None, 0, confidence, n)
    u, v = float(x.var(ddof=1)) / len(x), float(y.var(ddof=1)) / len(y)
    return _fieller(base, change, (u, -u, u + v), _welch_freedom(x, y)[1], confidence, n)


def _standardised_of_two(x: Array, y: Array, confidence: float) -> Interval:
    """Hedges's g over the pooled standard deviation."""
    n, method = len(x) + len(y), "Hedges's g, noncentral t"
    if len(x) < 2 or len(y) < 2:
        return Interval(None, None, None, confidence, n, method)
    if _flat(x, y):
        nothing = 0.0 if x[0] == y[0] else None
        return Interval(nothing, nothing, nothing, confidence, n, method)
    freedom = n - 2
    pooled = math.sqrt(((len(x) - 1) * float(x.var(ddof=1)) + (len(y) - 1) * float(y.var(ddof=1))) / freedom)
    return _hedges(float(y.mean() - x.mean()) / pooled, math.sqrt(1 / len(x) + 1 / len(y)), freedom, confidence, n, method)


def _superiority_of_two(x: Array, y: Array, confidence: float) -> Interval:
    """P(b < a) over all pairs, with Newcombe's fifth interval (Statistics in Medicine 25, 2006), which holds at 0 and 1 too."""
    n, method = len(x) + len(y), "Mann-Whitney, Newcombe's interval"
    if not len(x) or not len(y):
        return Interval(None, None, None, confidence, n, method)
    ordered = np.sort(x)
    above = len(x) - np.searchsorted(ordered, y, side="right")
    ties = len(x) - above - np.searchsorted(ordered, y, side="left")
    estimate = float(np.sum(above) + 0.5 * np.sum(ties)) / (len(x) * len(y))
    z = NormalDist().inv_cdf((1 + confidence) / 2)

    def excess(p: float) -> float:
        """Above 0 if p is too far from the estimate."""
        inner = 1 + (n / 2 - 1) * ((1 - p) / (2 - p) + p / (1 + p))
        return (estimate - p) ** 2 - z * z * p * (1 - p) * inner / (len(x) * len(y))

    return Interval(estimate, _crossing(excess, estimate, 0.0), _crossing(excess, estimate, 1.0), confidence, n, method)


def _crossing(excess: Callable[[float], float], inside: float, outside: float) -> float:
    """Where `excess` turns positive between the estimate and an end of the scale; that end if it is the estimate."""
    if inside == outside:
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if excess(middle) <= 0 else (inside, middle)
    return (inside + outside) / 2


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
