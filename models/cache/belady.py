"""Belady's MIN: out goes the page whose next use is farthest; no policy that admits every page misses less.

Belady 1966; Mattson et al. 1970.  Pages lie in a heap (`more`: next use, node), farthest first; ties, pages never used again, cost nothing.
"""

from __future__ import annotations

import numpy as np
from numba import int64, void

from models.cache.policy import ADMIT, EVICT, HIT, REMOVE, RUN, CachePolicy, Ids, driver, nothing
from models.cache.state import OWN, OWN_NUM, PAGE, USED, CacheArrays, Links, attach, cache_t, new_cache, release
from models.jit import compiled

PAGES = 1  # list
AT = OWN  # of a node: its place in the heap
LATER = OWN_NUM  # num: when the page in use is used next
USE, NODE = 0, 1  # columns of the heap
NEVER = (1 << 31) - 1


def create(pages: int, distinct: int) -> CacheArrays:
    return new_cache(pages, distinct, own=1, more=(min(pages, distinct) + 1, 2))


@compiled(void(Ids, Links, Links))
def next_uses(ids, seen, later):
    """later[i]: when ids[i] is used next, or NEVER; seen: NEVER for every page.  One pass, backwards."""
    for i in range(len(ids) - 1, -1, -1):
        later[i] = seen[ids[i]]
        seen[ids[i]] = i


def look_ahead(ids: np.ndarray, distinct: int) -> np.ndarray:
    """What `run` wants to know about a whole trace."""
    later = np.empty(len(ids), np.int32)
    next_uses(ids, np.full(distinct, NEVER, np.int32), later)
    return later


@compiled(void(cache_t, int64, int64, int64))
def put(c, at, use, n):
    c.more[at, USE], c.more[at, NODE] = use, n
    c.node[n, AT] = at


@compiled(void(cache_t, int64, int64, int64))
def rise(c, at, use, n):
    """Put a node where its next use belongs, at this place or above."""
    heap = c.more
    while at > 0:
        above = (at - 1) >> 1
        if heap[above, USE] >= use:
            break
        put(c, at, heap[above, USE], heap[above, NODE])
        at = above
    put(c, at, use, n)


@compiled(void(cache_t, int64, int64, int64))
def sink(c, at, use, n):
    """Put a node where its next use belongs, at this place or below."""
    heap, size = c.more, c.num[USED]
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and heap[below + 1, USE] > heap[below, USE]:
            below += 1
        if heap[below, USE] <= use:
            break
        put(c, at, heap[below, USE], heap[below, NODE])
        at = below
    put(c, at, use, n)


@compiled(HIT)
def hit(c, n):
    rise(c, c.node[n, AT], c.num[LATER], n)  # its next use was now, nearest of all


@compiled(REMOVE)
def remove(c, n):
    at = c.node[n, AT]
    release(c, n)
    last = c.num[USED]
    if at != last:
        use, moved = c.more[last, USE], c.more[last, NODE]
        sink(c, at, use, moved)
        rise(c, c.node[moved, AT], use, moved)


@compiled(EVICT)
def evict(c, page):
    n = c.more[0, NODE]
    remove(c, n)
    return c.node[n, PAGE]


@compiled(ADMIT)
def admit(c, page):
    n = attach(c, page, PAGES)
    rise(c, c.num[USED] - 1, c.num[LATER], n)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    misses = 0
    for i in range(len(ids)):
        c.num[LATER] = later[i]
        misses += drive(c, ids[i : i + 1])
    return misses


BELADY = CachePolicy(create, hit, nothing, evict, admit, remove, run, look_ahead)
