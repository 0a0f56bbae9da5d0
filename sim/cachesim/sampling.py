"""Small simulations that stand for a large one: only pages whose hash is below a mark, in a cache that is smaller by as much.

SHARDS (Waldspurger, Park, Garthwaite, Ahmad, FAST 2015) with its adjustment: misses of the sample are set against the requests that it
was to have, not against those that it happened to have; and, for any policy, miniature simulation (Waldspurger, Saemundsson, Ahmad,
Park, ATC 2017).  The error is told from SEEDS samples by different hashes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sim.cachesim.trace import Trace
from sim.errors import UserError
from sim.statistics.intervals import mean_interval

SEEDS = 5
FEWEST = 4  # pages of a small cache: below that it does not behave like a large one


class Estimate(NamedTuple):
    """Misses of the whole trace, and half of their 95 % interval by Student's t over the samples."""

    misses: float
    half_width: float


def hashes(distinct: int, seed: int) -> np.ndarray:
    """uint64[distinct]: a number for each page, evenly spread (the finalizer of splitmix64)."""
    with np.errstate(over="ignore"):
        z = (np.arange(distinct, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed) * np.uint64(
            0xD1342543DE82EF95
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def pages_of(trace: Trace, rate: float) -> int:
    """How many pages a sample has; UserError if it is none of the trace or all of it."""
    pages = round(trace.distinct * rate)
    if not 1 <= pages < trace.distinct:
        raise UserError(f"--sample: {rate:g} of {trace.distinct} distinct pages are {pages}; expected some and not all")
    return pages


def sample(trace: Trace, pages: int, seed: int) -> Trace:
    """The requests for `pages` pages, those with the lowest hashes; ids dense again."""
    chosen = np.argpartition(hashes(trace.distinct, seed), pages - 1)[:pages]
    place = np.full(trace.distinct, -1, np.int32)
    place[np.sort(chosen)] = np.arange(pages, dtype=np.int32)
    ids = place[trace.ids]
    return Trace(trace.name, trace.format, np.ascontiguousarray(ids[ids >= 0]), pages)


def estimate(trace: Trace, pages: int, sizes: Sequence[int], misses: Callable[[Trace, Sequence[int]], Sequence[int]]) -> list[Estimate]:
    """Misses at each cache size, from SEEDS samples of so many pages each; misses(sample, sizes) simulates one of them.

    UserError if a cache would be smaller than FEWEST pages in the sample.
    """
    rate = pages / trace.distinct
    small = [round(size * rate) for size in sizes]
    if min(small) < FEWEST:
        least = math.ceil(FEWEST / rate)
        raise UserError(
            f"--sample: {min(sizes)} pages are {min(small)} in the sample; expected caches of {least} pages or more, or a larger sample"
        )
    found = np.array([misses(sample(trace, pages, seed), small) for seed in range(SEEDS)]) / rate
    return [Estimate(float(column.mean()), float(mean_interval(column).half_width or 0.0)) for column in found.T]
