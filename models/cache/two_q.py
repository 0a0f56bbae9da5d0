"""2Q, the full version: new pages pass a FIFO; one that comes back while it is remembered goes to an LRU list of hot pages.

Johnson and Shasha, VLDB 1994: A1in (the FIFO) loses a page if it holds more than Kin, else the hot list Am does; A1out remembers the last
Kout pages that left A1in.  Their figures: a quarter and half of the cache.  Hits in A1in change recall; what leaves Am is not remembered.
"""

from __future__ import annotations

import numpy as np
from numba import int64

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, RUN, SIZED, TAKE, CachePolicy, driver, release_it
from models.cache.state import (
    CAPACITY,
    GHOSTS,
    LIST,
    OWN_NUM,
    RECALLED,
    CacheArrays,
    attach,
    bury,
    new_cache,
    oldest,
    recall,
    release,
    renew,
    size_of,
)
from models.jit import compiled

A1IN, AM = 1, 2  # lists
A1OUT = GHOSTS
KIN, KOUT = OWN_NUM, OWN_NUM + 1  # num: pages
INSIDE, OUTSIDE = OWN_NUM + 2, OWN_NUM + 3  # num: parts of the cache, the bits of a float64


def create(pages: int, distinct: int, inside: float = 0.25, outside: float = 0.5) -> CacheArrays:
    arrays = new_cache(pages, distinct, ghosts=int(pages * outside))
    arrays.num.view(np.float64)[[INSIDE, OUTSIDE]] = inside, outside
    sized(arrays.cache, pages)
    return arrays


@compiled(SIZED)
def sized(c, pages):
    real = c.num.view(np.float64)
    c.num[CAPACITY], c.num[KIN], c.num[KOUT] = pages, int64(pages * real[INSIDE]), int64(pages * real[OUTSIDE])


@compiled(HIT)
def hit(c, n):
    if c.node[n, LIST] == AM:
        renew(c, n)


@compiled(CHOOSE)
def choose(c):
    return oldest(c, A1IN if size_of(c, A1IN) > c.num[KIN] or size_of(c, AM) == 0 else AM)


@compiled(TAKE)
def take(c, n):
    return bury(c, n, A1OUT, c.num[KOUT]) if c.node[n, LIST] == A1IN else release(c, n)


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    attach(c, page, AM if c.num[RECALLED] else A1IN)


drive = driver(hit, recall, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


TWO_Q = CachePolicy(create, hit, recall, evict, admit, release_it, run, choose=choose, take=take, sized=sized)
