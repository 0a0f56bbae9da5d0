"""LRU's misses from a sample of bounded size: SHARDS with a falling threshold (Waldspurger, Park, Garthwaite, Ahmad, FAST 2015, 4.2).

A page is sampled while its hash is below the threshold.  When one page too many is, the one with the highest hash leaves and its hash
is the threshold from then on.  A use at distance d among the samples, with a share r of all hashes below the threshold, stands for 1/r
uses at distance (d - 1/2)/r, as distances are whole among the samples and what they stand for is spread around them.  To add 1/r is what
the paper's rescaling of all counts at every fall comes to.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, types, uint64, void

from models.cache.mattson import ALIVE, Counts, Ids, Line, Sizes, Stack, distance, mark, new_stack
from models.jit import compiled

Hashes = types.Array(uint64, 1, "C", readonly=True)
Heap = types.Array(types.int32, 1, "C")
Floats = types.Array(float64, 1, "C")
Wanted = types.Array(int64, 1, "C", readonly=True)
USES, WEIGHT = 0, 1  # rows of `hits` and places of `seen`
WHOLE = 2.0**64


class Sample(NamedTuple):
    """heap: sampled pages, the highest hash first; limit: uint64[1], the threshold; the rest is a Stack of them."""

    heap: np.ndarray
    limit: np.ndarray
    stack: Stack


def new_sample(distinct: int, pages: int) -> Sample:
    """At most so many pages."""
    return Sample(np.zeros(pages + 1, np.int32), np.full(1, np.iinfo(np.uint64).max), new_stack(distinct, pages + 1))


@compiled(void(Heap, Hashes, int64, int64))
def put_up(heap, hashes, at, page):
    """A page at this place of the heap or above."""
    while at > 0:
        above = (at - 1) >> 1
        if hashes[heap[above]] >= hashes[page]:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = page


@compiled(void(Heap, Hashes, int64, int64))
def put_down(heap, hashes, size, page):
    """A page at the heap's top or below."""
    at = 0
    while 2 * at + 1 < size:
        below = 2 * at + 1
        if below + 1 < size and hashes[heap[below + 1]] > hashes[heap[below]]:
            below += 1
        if hashes[heap[below]] <= hashes[page]:
            break
        heap[at] = heap[below]
        at = below
    heap[at] = page


@compiled(void(Heap, Hashes, types.Array(uint64, 1, "C"), Counts, Line, Line))
def leave(heap, hashes, limit, num, tree, last):
    """The sampled page with the highest hash leaves."""
    page = heap[0]
    size = num[ALIVE] - 1
    limit[0] = hashes[page]
    mark(tree, last[page], -1)
    last[page] = 0
    num[ALIVE] = size
    put_down(heap, hashes, size, heap[size])


@compiled(int64(Wanted, float64))
def smallest_that_hits(sizes, distance):
    """Index of the first size, of ascending ones, that is the distance or more."""
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) >> 1
        if sizes[middle] >= distance:
            high = middle
        else:
            low = middle + 1
    return low


@compiled(
    void(
        Ids,
        Hashes,
        Wanted,
        Sizes,
        boolean,
        types.Array(float64, 2, "C"),
        Floats,
        Heap,
        types.Array(uint64, 1, "C"),
        Counts,
        Line,
        Line,
        Line,
    ),
    nogil=True,
)
def count_sampled(ids, hashes, sizes, weights, counts, hits, seen, heap, limit, num, tree, owner, last):
    """A chunk of a trace.

    sizes    of caches, ascending;  weights: of the uses, or empty
    counts   whether the uses count, or only warm up
    hits     [2, len(sizes) + 1]: uses, and their weight, that hit from this size on; the last: in none
    seen     [2]: uses, and their weight, that the sample stands for
    """
    rate = limit[0] / WHOLE
    for i in range(len(ids)):
        page = ids[i]
        if hashes[page] >= limit[0]:
            continue
        d = distance(page, num, tree, owner, last)
        if counts:
            at = smallest_that_hits(sizes, (d - 0.5) / rate) if d else len(sizes)
            hits[USES, at] += 1 / rate
            seen[USES] += 1 / rate
            if len(weights):
                hits[WEIGHT, at] += weights[i] / rate
                seen[WEIGHT] += weights[i] / rate
        if d == 0:
            put_up(heap, hashes, num[ALIVE] - 1, page)
            if num[ALIVE] == len(heap):
                leave(heap, hashes, limit, num, tree, last)
                rate = limit[0] / WHOLE
