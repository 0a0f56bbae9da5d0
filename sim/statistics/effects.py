"""How large a difference is: in per cent of the base, in standard deviations, and as the probability that one value is below another."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import numpy as np

from sim.statistics.intervals import Array, Interval


def t_of(freedom: float, confidence: float) -> float:
    """Student's t for degrees of freedom that need not be whole."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


def fieller(
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
    square = t_of(freedom, confidence) ** 2
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


def hedges(effect: float, unit: float, freedom: float, confidence: float, n: int, method: str) -> Interval:
    """`effect` in standard deviations, of which the t statistic is effect / unit; the ends are exact without the correction."""
    low, high = _noncentral(effect / unit, freedom, confidence)
    return Interval(_correction(freedom) * effect, low * unit, high * unit, confidence, n, method)


def share_interval(count: float, n: int, confidence: float) -> Interval:
    """A share with its Clopper-Pearson interval (Biometrika 1934); half counts, from ties, only make it wider than it need be."""
    from scipy.special import betaincinv

    method = "Clopper-Pearson"
    if n == 0:
        return Interval(None, None, None, confidence, 0, method)
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return Interval(count / n, low, high, confidence, n, method)


def superiority(x: Array, y: Array, confidence: float) -> Interval:
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
