"""CAR: ARC with two clocks instead of two lists: a hit only sets a bit.

Bansal and Modha, FAST 2004, figure 2: T1 has pages used once of late, T2 pages used more often; B1 and B2 remember what left them.  The
hand of T1 turns pages with a bit over to T2; the target p of T1 moves at a hit in B1 or B2.  As in the figure, room is made first; then
ghosts make way, and the target moves.  A clock is kept as a queue: what its hand passes goes to the newest end.
"""

from __future__ import annotations

import numpy as np
from numba import int64, void

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, RUN, TAKE, CachePolicy, driver, nothing, release_it, sized_only
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
    drop,
    move,
    new_cache,
    oldest,
    renew,
    size_of,
)  # fmt: skip
from models.jit import compiled

T1, T2 = 1, 2  # lists
B1, B2 = GHOSTS, GHOSTS + 1
REFERENCED = OWN
TARGET = OWN_NUM  # num: p, the bits of a float64


def create(pages: int, distinct: int) -> CacheArrays:
    return new_cache(pages, distinct, ghosts=pages, own=1)


@compiled(HIT)
def hit(c, n):
    c.node[n, REFERENCED] = 1


@compiled(CHOOSE)
def choose(c):
    """The figure's replace(): T1's hand while T1 has its target or more (and at least a page), else T2's."""
    node = c.node
    target = max(1.0, c.num.view(np.float64)[TARGET])
    while True:
        which = T1 if size_of(c, T1) >= target or size_of(c, T2) == 0 else T2
        n = oldest(c, which)
        if not node[n, REFERENCED]:
            return n
        node[n, REFERENCED] = 0
        if which == T1:
            move(c, n, T2)
        else:
            renew(c, n)


@compiled(TAKE)
def take(c, n):
    return bury(c, n, B1 if c.node[n, LIST] == T1 else B2, 2 * c.num[CAPACITY])


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(void(cache_t))
def make_way(c):
    """A page without a ghost comes: T1 and B1 have c places, the whole directory 2c."""
    t1, t2, b1, b2 = size_of(c, T1), size_of(c, T2), size_of(c, B1), size_of(c, B2)
    if t1 + b1 >= c.num[CAPACITY] and b1 > 0:
        drop(c, oldest(c, B1))
    elif t1 + t2 + b1 + b2 >= 2 * c.num[CAPACITY]:
        drop(c, oldest(c, B2 if b2 > 0 else B1))


@compiled(void(cache_t, int64))
def adapt(c, which):
    """The target after a hit on a ghost of that list."""
    real = c.num.view(np.float64)
    b1, b2 = size_of(c, B1), size_of(c, B2)
    if which == B1:
        real[TARGET] = min(real[TARGET] + max(1.0, b2 / b1), float(c.num[CAPACITY]))
    else:
        real[TARGET] = max(real[TARGET] - max(1.0, b1 / b2), 0.0)


@compiled(ADMIT)
def admit(c, page):
    n = c.index[page]
    if n == 0:
        make_way(c)
        attach(c, page, T1)
        return
    adapt(c, c.node[n, LIST])
    drop(c, n)
    attach(c, page, T2)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


CAR = CachePolicy(create, hit, nothing, evict, admit, release_it, run, choose=choose, take=take, sized=sized_only)
