"""ARC: pages used once and pages used more often, each with its ghosts; hits on ghosts move the border between the two.

Megiddo and Modha, FAST 2003, figure 4: T1 and T2 are resident, B1 and B2 remembered, |T1| + |B1| <= c, and c in all of each kind; p is the
size that T1 should have, a real number; it grows by max(1, |B2|/|B1|) at a hit in B1 and falls by max(1, |B1|/|B2|) at one in B2.
"""

from __future__ import annotations

import numpy as np
from numba import int64, void

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, RUN, TAKE, WANTED, CachePolicy, driver, release_it, sized_only
from models.cache.state import (
    CAPACITY,
    GHOSTS,
    LIST,
    OWN_NUM,
    RECALLED,
    CacheArrays,
    attach,
    bury,
    cache_t,
    drop,
    move,
    new_cache,
    oldest,
    recall,
    release,
    renew,
    size_of,
)  # fmt: skip
from models.jit import compiled

T1, T2 = 1, 2  # lists
B1, B2 = GHOSTS, GHOSTS + 1
TARGET = OWN_NUM  # num: p, the bits of a float64


def create(pages: int, distinct: int) -> CacheArrays:
    return new_cache(pages, distinct, ghosts=pages)


@compiled(HIT)
def hit(c, n):
    if c.node[n, LIST] == T2:
        renew(c, n)
    else:
        move(c, n, T2)


@compiled(void(cache_t, int64))
def adapt(c, which):
    """The target after a hit on a ghost of that list."""
    real = c.num.view(np.float64)
    b1, b2 = size_of(c, B1), size_of(c, B2)
    if which == B1:
        real[TARGET] = min(float(c.num[CAPACITY]), real[TARGET] + max(b2 / b1, 1.0))
    else:
        real[TARGET] = max(0.0, real[TARGET] - max(b1 / b2, 1.0))


@compiled(WANTED)
def wanted(c, page):
    n = c.index[page]
    if n:
        adapt(c, c.node[n, LIST])
    recall(c, page)


@compiled(CHOOSE)
def choose(c):
    """Of T1 if it is all there is, longer than its target, or as long at a hit in B2."""
    target = c.num.view(np.float64)[TARGET]
    t1 = size_of(c, T1)
    if t1 > 0 and (t1 > target or (c.num[RECALLED] == B2 and t1 == target) or size_of(c, T2) == 0):
        return oldest(c, T1)
    return oldest(c, T2)


@compiled(void(cache_t))
def make_way(c):
    """Ghosts go before a page becomes one for a page that has none: c in T1 and B1, 2c in all."""
    capacity = c.num[CAPACITY]
    if size_of(c, T1) + size_of(c, B1) >= capacity:
        while size_of(c, T1) + size_of(c, B1) >= capacity:
            drop(c, oldest(c, B1))
        return
    while size_of(c, T1) + size_of(c, B1) + size_of(c, T2) + size_of(c, B2) >= 2 * capacity:
        drop(c, oldest(c, B2))


@compiled(TAKE)
def take(c, n):
    """The page becomes a ghost, unless T1 alone fills the cache."""
    if not c.num[RECALLED]:
        if size_of(c, T1) >= c.num[CAPACITY]:
            return release(c, n)
        make_way(c)
    if c.node[n, LIST] == T1:
        return bury(c, n, B1, c.num[CAPACITY])
    return bury(c, n, B2, 2 * c.num[CAPACITY])


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    """Where pages also go by themselves, ghosts make way: the directory has 2c places."""
    if size_of(c, T1) + size_of(c, T2) + size_of(c, B1) + size_of(c, B2) >= 2 * c.num[CAPACITY]:
        drop(c, oldest(c, B2 if size_of(c, B2) > 0 else B1))
    attach(c, page, T2 if c.num[RECALLED] else T1)


drive = driver(hit, wanted, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


ARC = CachePolicy(create, hit, wanted, evict, admit, release_it, run, choose=choose, take=take, sized=sized_only)
