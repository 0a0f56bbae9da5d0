"""LRU: out goes the page that was used longest ago.

Belady 1966; Mattson, Gecsei, Slutz, Traiger 1970 (a stack algorithm: a larger cache never misses more).
"""

from __future__ import annotations

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, RUN, CachePolicy, driver, nothing, release_it, sized_only, take_it
from models.cache.state import CacheArrays, attach, new_cache, oldest, renew
from models.jit import compiled

PAGES = 1  # list


def create(pages: int, distinct: int) -> CacheArrays:
    return new_cache(pages, distinct)


@compiled(HIT)
def hit(c, n):
    renew(c, n)


@compiled(CHOOSE)
def choose(c):
    return oldest(c, PAGES)


@compiled(EVICT)
def evict(c, page):
    return take_it(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    attach(c, page, PAGES)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


LRU = CachePolicy(create, hit, nothing, evict, admit, release_it, run, choose=choose, take=take_it, sized=sized_only)
