"""FIFO: out goes the page that came first, however much it was used.

Belady 1966; Belady, Nelson, Shedler 1969 (a larger cache may miss more).
"""

from __future__ import annotations

from models.cache.policy import ADMIT, EVICT, HIT, RUN, CachePolicy, driver, nothing, release_it
from models.cache.state import CacheArrays, attach, new_cache, oldest, release
from models.jit import compiled

PAGES = 1  # list


def create(pages: int, distinct: int) -> CacheArrays:
    return new_cache(pages, distinct)


@compiled(HIT)
def hit(c, n):
    pass


@compiled(EVICT)
def evict(c, page):
    return release(c, oldest(c, PAGES))


@compiled(ADMIT)
def admit(c, page):
    attach(c, page, PAGES)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


FIFO = CachePolicy(create, hit, nothing, evict, admit, release_it, run)
