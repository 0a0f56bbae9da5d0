"""FIFO: out goes the page that came first, however much it was used.

Belady 1966; Belady, Nelson, Shedler 1969 (a larger cache may miss more).
"""

from __future__ import annotations

from models.cache.policy import ADMIT, CHOOSE, EVICT, RUN, CachePolicy, driver, nothing, release_it, sized_only, take_it, unmoved
from models.cache.state import CacheArrays, attach, new_cache, oldest
from models.jit import compiled

PAGES = 1  # list


def create(pages: int, distinct: int) -> CacheArrays:
    return new_cache(pages, distinct)


@compiled(CHOOSE)
def choose(c):
    return oldest(c, PAGES)


@compiled(EVICT)
def evict(c, page):
    return take_it(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    attach(c, page, PAGES)


drive = driver(unmoved, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


FIFO = CachePolicy(create, unmoved, nothing, evict, admit, release_it, run, choose=choose, take=take_it, sized=sized_only)
