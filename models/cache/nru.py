"""NRU, not recently used: out goes the oldest page without a reference bit; if all have one, all bits are cleared first.

Tanenbaum, Modern Operating Systems, 3.4.2, without its dirty class (the pure study has no writes).
"""

from __future__ import annotations

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, RUN, CachePolicy, driver, nothing, release_it, sized_only, take_it
from models.cache.state import LIST, CacheArrays, attach, move, new_cache, oldest, size_of
from models.jit import compiled

UNUSED, REFERENCED = 1, 2  # lists


def create(pages: int, distinct: int) -> CacheArrays:
    return new_cache(pages, distinct)


@compiled(HIT)
def hit(c, n):
    if c.node[n, LIST] == UNUSED:
        move(c, n, REFERENCED)


@compiled(CHOOSE)
def choose(c):
    if size_of(c, UNUSED) == 0:
        for _ in range(size_of(c, REFERENCED)):
            move(c, oldest(c, REFERENCED), UNUSED)
    return oldest(c, UNUSED)


@compiled(EVICT)
def evict(c, page):
    return take_it(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    """The use that brings a page in sets its bit."""
    attach(c, page, REFERENCED)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


NRU = CachePolicy(create, hit, nothing, evict, admit, release_it, run, choose=choose, take=take_it, sized=sized_only)
