"""Where a run's warm-up ends, by MSER-5.

A run that starts empty says too little of its steady state until it has filled.  MSER cuts off as many observations as make the
standard error of the mean of the rest smallest: one more costs certainty, one less costs bias (White, Simulation 69, 1997, there called
the marginal confidence rule; White, Cobb and Spratt, WSC 2000, with means of five observations).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sim.statistics.batches import series_of
from sim.statistics.intervals import Array

LEAST_KEPT = 5  # batches: the statistic of fewer is small by chance (Hoad, Robinson and Davies, WSC 2008)


class Mser(NamedTuple):
    """A warm-up.

    cut        observations to leave out, from the first on
    batches    batches that were looked at
    statistic  MSER by the number of batches left out, 0 ... batches - 5: the squared standard error of the mean of the rest
    reliable   False: the smallest lies in the last half (or there are fewer than ten batches), so the run is too short to tell
    """

    cut: int
    batches: int
    statistic: Array
    reliable: bool


def mser(series: Sequence[float] | Array, batch: int = 5) -> Mser:
    """The warm-up of a series at a fixed interval; of several replications give the mean over them, whose noise is smaller.

    What does not fill the last batch is not looked at.  The first of equal minima counts, so a constant series has no warm-up.  If the
    answer is not reliable, `cut` is where the smallest value is all the same.  ValueError for values that are not finite.
    """
    if batch < 1:
        raise ValueError(f"a batch has at least one observation, found {batch}")
    x = series_of(series)
    count = len(x) // batch
    if count < LEAST_KEPT:
        return Mser(0, count, np.zeros(0), False)
    means = x[: count * batch].reshape(count, batch).mean(axis=1)
    kept = np.arange(count, LEAST_KEPT - 1, -1)
    centred = means - means[-1]  # so that a tail that does not change has a spread of exactly 0
    sums = np.cumsum(centred[::-1])[::-1][: len(kept)]
    squares = np.cumsum(centred[::-1] ** 2)[::-1][: len(kept)]
    statistic = np.maximum(squares - sums**2 / kept, 0.0) / kept.astype(float) ** 2
    best = int(np.argmin(statistic))
    return Mser(best * batch, count, statistic, count >= 2 * LEAST_KEPT and 2 * best <= count)
