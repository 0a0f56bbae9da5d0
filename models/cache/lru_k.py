"""LRU-K: out goes the page whose K-th last use is longest ago; pages without K uses go first, the least recently used of them first.

O'Neil, O'Neil, Weikum, SIGMOD 1993, figure 2.1.  Time is counted in accesses.  Uses within the correlated reference period of the last one
are one use: they do not count, the others move up by as much as that burst took, and such a page is not evicted.  A page's history is
kept after it went, for the retained information period, and of at most so many pages.

Where two pages have the same K-th use (or none), the last use decides: the paper's subsidiary policy is classical LRU.  Where every page is
within its correlated reference period the paper names no victim; here goes the least recently used.  The victim comes from a heap; pages
used a moment ago stand on a list by last use and enter it when room is needed.
"""

from __future__ import annotations

import numpy as np
from numba import int64, void

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, REMOVE, RUN, SIZED, TAKE, WANTED, CachePolicy, driver, release_it
from models.cache.state import (
    CAPACITY,
    GHOSTS,
    LIST,
    OWN,
    OWN_NUM,
    CacheArrays,
    attach,
    bury,
    cache_t,
    move,
    new_cache,
    oldest,
    recall,
    renew,
)
from models.jit import compiled, inlined

RECENT, RANKED = 1, 2  # lists: by last use; on the heap
SLOT = OWN  # of a node: its place on the heap, from 1
# num; times in accesses, RETAINED 0: for ever; GHOST_PART: pages remembered as part of the cache, the bits of a float64
NOW, K, CORRELATED, RETAINED, REMEMBERED, HEAPED, GHOST_PART = range(OWN_NUM, OWN_NUM + 7)
# `more`, seen as int64: a row for each node (row 0: the history that the page that comes will have)
HEAP, LAST, HIST = 0, 1, 1  # the heap's node at this place; the last use; HIST + i: the i-th last use, 0 none


def create(pages: int, distinct: int, k: int = 2, correlated: int = 0, retained: int = 0, ghosts: float = 1.0) -> CacheArrays:
    remembered = int(pages * ghosts)
    nodes = new_cache(pages, distinct, ghosts=remembered, own=1).node.shape[0]
    arrays = new_cache(pages, distinct, ghosts=remembered, own=1, more=(nodes, 2 * (HIST + k + 1)))
    arrays.num[K : RETAINED + 1] = k, correlated, retained
    arrays.num.view(np.float64)[GHOST_PART] = ghosts
    sized(arrays.cache, pages)
    return arrays


@compiled(SIZED)
def sized(c, pages):
    c.num[CAPACITY], c.num[REMEMBERED] = pages, int64(pages * c.num.view(np.float64)[GHOST_PART])


@inlined
def goes_before(times, kth, a, b):
    """Whether node a is the better victim; kth: the column that decides."""
    if times[a, kth] != times[b, kth]:
        return times[a, kth] < times[b, kth]
    return times[a, LAST] < times[b, LAST]


@inlined
def put(times, node, slot, n):
    times[slot, HEAP] = n
    node[n, SLOT] = slot


@compiled(void(cache_t, int64, int64))
def settle(c, slot, n):
    """Node n, which belongs at this place of the heap or nearer its top or below, finds its place."""
    times, node, kth, size = c.more.view(np.int64), c.node, HIST + c.num[K], c.num[HEAPED]
    while slot > 1 and goes_before(times, kth, n, times[slot // 2, HEAP]):
        put(times, node, slot, times[slot // 2, HEAP])
        slot //= 2
    while 2 * slot <= size:
        child = 2 * slot
        if child < size and goes_before(times, kth, times[child + 1, HEAP], times[child, HEAP]):
            child += 1
        if not goes_before(times, kth, times[child, HEAP], n):
            break
        put(times, node, slot, times[child, HEAP])
        slot = child
    put(times, node, slot, n)


@compiled(void(cache_t, int64))
def unrank(c, n):
    """A node leaves the heap, if it is there; the last one takes its place."""
    if c.node[n, LIST] == RANKED:
        last = c.more.view(np.int64)[c.num[HEAPED], HEAP]
        c.num[HEAPED] -= 1
        if last != n:
            settle(c, c.node[n, SLOT], last)


@compiled(void(cache_t))
def rank(c):
    """Pages whose correlated reference period is over enter the heap."""
    times = c.more.view(np.int64)
    n = oldest(c, RECENT)
    while n != RECENT and c.num[NOW] - times[n, LAST] > c.num[CORRELATED]:
        move(c, n, RANKED)
        c.num[HEAPED] += 1
        settle(c, c.num[HEAPED], n)
        n = oldest(c, RECENT)


@compiled(HIT)
def hit(c, n):
    times, num = c.more.view(np.int64), c.num
    num[NOW] += 1
    if num[NOW] - times[n, LAST] > num[CORRELATED]:
        burst = times[n, LAST] - times[n, HIST + 1]
        for i in range(num[K], 1, -1):
            times[n, HIST + i] = times[n, HIST + i - 1] + burst
        times[n, HIST + 1] = num[NOW]
    if c.node[n, LIST] == RANKED:
        unrank(c, n)
        move(c, n, RECENT)
    else:
        renew(c, n)
    times[n, LAST] = num[NOW]


@compiled(WANTED)
def wanted(c, page):
    """What is known of the page goes to row 0: its ghost must not be lost to the one that the eviction makes."""
    times, num = c.more.view(np.int64), c.num
    num[NOW] += 1
    n = c.index[page]
    known = n != 0 and (num[RETAINED] == 0 or num[NOW] - times[n, LAST] <= num[RETAINED])
    for i in range(num[K], 1, -1):
        times[0, HIST + i] = times[n, HIST + i - 1] if known else 0
    recall(c, page)


@compiled(CHOOSE)
def choose(c):
    rank(c)
    return c.more.view(np.int64)[1, HEAP] if c.num[HEAPED] else int64(oldest(c, RECENT))


@compiled(TAKE)
def take(c, n):
    unrank(c, n)
    return bury(c, n, GHOSTS, c.num[REMEMBERED])


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    """With the history that `wanted` found, once."""
    times, num = c.more.view(np.int64), c.num
    n = attach(c, page, RECENT)
    for i in range(2, num[K] + 1):
        times[n, HIST + i], times[0, HIST + i] = times[0, HIST + i], 0
    times[n, HIST + 1] = num[NOW]
    times[n, LAST] = num[NOW]


@compiled(REMOVE)
def remove(c, n):
    unrank(c, n)
    release_it(c, n)


drive = driver(hit, wanted, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


LRU_K = CachePolicy(create, hit, wanted, evict, admit, remove, run, choose=choose, take=take, sized=sized)
