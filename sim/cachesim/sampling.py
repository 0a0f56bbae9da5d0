"""Small simulations that stand for a large one: only pages whose hash is below a mark, in a cache that is smaller by as much.

SHARDS (Waldspurger, Park, Garthwaite, Ahmad, FAST 2015) with its adjustment: misses of the sample are set against the requests that it
was to have, not against those that it happened to have; and, for any policy, miniature simulation (Waldspurger, Saemundsson, Ahmad,
Park, ATC 2017).  The error is told from SEEDS samples by different hashes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.cache.shards import USES, WEIGHT, count_sampled, new_sample
from sim.cachesim.part import Part, Tally
from sim.cachesim.tasks import Tick, chunks
from sim.cachesim.trace import Trace
from sim.errors import UserError
from sim.statistics.intervals import mean_interval

SEEDS = 5
FEWEST = 4  # pages of a small cache: below that it does not behave like a large one


class Wanted(NamedTuple):
    """What `--sample` and `--sample-pages` ask for: a share of the pages, or a number of them."""

    rate: float | None = None
    pages: int | None = None

    @property
    def option(self) -> str:
        return "--sample" if self.pages is None else "--sample-pages"

    def pages_of(self, trace: Trace) -> int:
        """How many pages a sample has; UserError if it is none of the trace or all of it."""
        pages = self.pages if self.pages is not None else round(trace.distinct * (self.rate or 0.0))
        if not 1 <= pages < trace.distinct:
            asked = f"{self.rate:g} of " if self.pages is None else ""
            raise UserError(f"{self.option}: {asked}{trace.distinct} distinct pages, {pages} in a sample; expected some and not all")
        return pages


def hashes(distinct: int, seed: int) -> np.ndarray:
    """uint64[distinct]: a number for each page, evenly spread (the finalizer of splitmix64)."""
    with np.errstate(over="ignore"):
        z = (np.arange(distinct, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed) * np.uint64(
            0xD1342543DE82EF95
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def sample(whole: Part, pages: int, seed: int) -> Part:
    """The requests for `pages` pages, those with the lowest hashes; ids dense again."""
    trace = whole.trace
    chosen = np.argpartition(hashes(trace.distinct, seed), pages - 1)[:pages]
    place = np.full(trace.distinct, -1, np.int32)
    place[np.sort(chosen)] = np.arange(pages, dtype=np.int32)
    ids = place[trace.ids]
    there = ids >= 0
    sizes = trace.size[there] if whole.counting.by_bytes and trace.size is not None else None
    first = int(np.count_nonzero(there[: whole.counting.first]))
    small = Trace(trace.name, trace.format, np.ascontiguousarray(ids[there]), pages, size=sizes)
    return Part(small, whole.counting._replace(first=first), pages / trace.distinct)


def small_sizes(wanted: Wanted, trace: Trace, sizes: Sequence[int]) -> list[int]:
    """The caches of a sample.  UserError if one is smaller than FEWEST pages."""
    rate = wanted.pages_of(trace) / trace.distinct
    small = [round(size * rate) for size in sizes]
    if min(small) < FEWEST:
        least = math.ceil(FEWEST / rate)
        found = f"{wanted.option}: {min(sizes)} pages are {min(small)} in the sample"
        raise UserError(f"{found}; expected caches of {least} pages or more, or a larger sample")
    return small


def falling_threshold(whole: Part, pages: int, sizes: Sequence[int], seed: int, tick: Tick) -> list[Tally]:
    """LRU's misses at each size, from one pass that keeps `pages` pages at most: SHARDS of fixed size, adjusted as above."""
    trace, (first, by_bytes) = whole.trace, whole.counting
    order = np.unique(np.asarray(sizes, np.int64))
    hits, seen = np.zeros((2, len(order) + 1)), np.zeros(2)
    kept = new_sample(trace.distinct, pages)
    marks = hashes(trace.distinct, seed)
    for begin, end in chunks(len(trace.ids), first):
        part = trace.ids[begin:end], marks, order, whole.weights[begin:end], begin >= first
        count_sampled(*part, hits, seen, kept.heap, kept.limit, *kept.stack)
        tick(end - begin)
    below = np.cumsum(hits[:, :-1], axis=1)
    at = np.searchsorted(order, sizes)
    misses, weight = (seen[row] - below[row, at] for row in (USES, WEIGHT))
    return [Tally(float(m), float(w) if by_bytes else None) for m, w in zip(misses, weight, strict=True)]


def half_width(values: Sequence[float]) -> float:
    """Half of the 95 % interval of their mean by Student's t."""
    return float(mean_interval(values).half_width or 0.0)
