"""Intervals of a fleet's figures: quantiles over VMs, shares of VMs, differences between settings over the same VMs.

Sources: order statistics, David and Nagaraja, Order Statistics (2003), 7.1; Wilson, JASA 22 (1927); Holm, Scand. J. Stat. 6 (1979).
VMs are drawn independently, so they are the sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from sim.statistics import CONFIDENCE, Summary, summarise


class Interval(NamedTuple):
    """A figure with its 95 % interval; a bound is None where the sample is too small to have one."""

    value: float
    low: float | None
    high: float | None


def quantile(values: Sequence[float], q: float) -> Interval:
    """The q-quantile (linear between order statistics) and the order statistics that enclose it, without any assumption.

    The number of values below the true quantile is binomial(n, q): the bounds are the values of the ranks that it passes with
    probability 2.5 % on either side.
    """
    from scipy.special import bdtr

    ordered = np.sort(np.asarray(values, float))
    n = len(ordered)
    below = bdtr(np.arange(n), n, q)  # P(at most k values lie below), k = 0 .. n - 1
    tail = (1 - CONFIDENCE) / 2
    low = int(np.searchsorted(below, tail, side="right"))  # ranks from 1
    high = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    return Interval(
        float(np.quantile(ordered, q)),
        float(ordered[low - 1]) if low >= 1 else None,
        float(ordered[high - 1]) if high <= n else None,
    )


def wilson(met: int, n: int) -> Interval:
    """A share of n independent VMs, with Wilson's score interval."""
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    share = met / n
    scale = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if met == 0 else max(middle - half, 0.0)
    return Interval(share, low, 1.0 if met == n else min(middle + half, 1.0))


class Paired(NamedTuple):
    """One setting against another over the same VMs.

    summary  of the differences, with Student's t interval;  median: of the differences, by order statistics
    above, below  VMs whose figure is larger, smaller than with the other setting
    p        two-sided, of no mean difference; 1 where there is no spread and no difference
    """

    summary: Summary
    median: Interval
    above: int
    below: int
    p: float


def paired(ours: Sequence[float], others: Sequence[float]) -> Paired:
    """Differences ours - others, VM by VM; at least two of them."""
    from scipy.special import stdtr

    differences = np.asarray(ours, float) - np.asarray(others, float)
    summary = summarise(differences.tolist())
    assert summary.mean is not None and summary.sd is not None
    error = summary.sd / math.sqrt(summary.n)
    p = 2 * float(stdtr(summary.n - 1, -abs(summary.mean) / error)) if error > 0 else float(summary.mean == 0)
    return Paired(summary, quantile(differences.tolist(), 0.5), int((differences > 0).sum()), int((differences < 0).sum()), p)


def holm(p: Sequence[float]) -> list[float]:
    """The p values corrected for their number."""
    found = [0.0] * len(p)
    worst = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        worst = max(worst, min(1.0, (len(p) - rank) * p[index]))
        found[index] = worst
    return found


def ratio(parts: Sequence[float], wholes: Sequence[float], seed: int, times: int = 2000) -> Interval:
    """Sum of the parts over sum of the wholes, with a percentile bootstrap over the VMs."""
    top, bottom = np.asarray(parts, float), np.asarray(wholes, float)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    tops, bottoms = np.empty(times), np.empty(times)
    for k in range(times):  # one resample at a time: a matrix of all would be large
        picked = rng.integers(0, len(top), len(top))
        tops[k], bottoms[k] = top[picked].sum(), bottom[picked].sum()
    low, high = np.quantile(tops / bottoms, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(top.sum() / bottom.sum()), float(low), float(high))
