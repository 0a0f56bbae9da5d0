"""2Q, the full version: new pages pass a FIFO; one that comes back while it is remembered goes to an LRU list of hot pages.

Johnson and Shasha, VLDB 1994: A1in (the FIFO) loses a page if it holds more than Kin, else the hot list Am does; A1out remembers the last
Kout pages that left A1in.  Their figures: a quarter and half of the cache.  Hits in A1in change recall; what leaves Am is not remembered.
"""

from __future__ import annotations

from models.cache.policy import ADMIT, EVICT, HIT, RUN, CachePolicy, driver, release_it
from models.cache.state import (
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
KIN, KOUT = OWN_NUM, OWN_NUM + 1  # num


def create(pages: int, distinct: int, inside: float = 0.25, outside: float = 0.5) -> CacheArrays:
    arrays = new_cache(pages, distinct, ghosts=int(pages * outside))
    arrays.num[KIN], arrays.num[KOUT] = int(pages * inside), int(pages * outside)
    return arrays


@compiled(HIT)
def hit(c, n):
    if c.node[n, LIST] == AM:
        renew(c, n)


@compiled(EVICT)
def evict(c, page):
    if size_of(c, A1IN) > c.num[KIN] or size_of(c, AM) == 0:
        return bury(c, oldest(c, A1IN), A1OUT, c.num[KOUT])
    return release(c, oldest(c, AM))


@compiled(ADMIT)
def admit(c, page):
    attach(c, page, AM if c.num[RECALLED] else A1IN)


drive = driver(hit, recall, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


TWO_Q = CachePolicy(create, hit, recall, evict, admit, release_it, run)
