"""SIEVE: a queue that hits do not reorder; the hand goes from old to new, clears bits and evicts the first page without one.

Zhang, Yang, Yue, Vigfusson, Rashmi, NSDI 2024, algorithm 1: the hand stays where it found a victim, new pages come in at the head,
and behind the newest page the hand starts again at the oldest.
"""

from __future__ import annotations

from models.cache.policy import ADMIT, EVICT, HIT, REMOVE, RUN, CachePolicy, driver, nothing
from models.cache.state import OWN, OWN_NUM, PREV, CacheArrays, attach, new_cache, oldest, release
from models.jit import compiled

PAGES = 1  # list
USED_BIT = OWN
HAND = OWN_NUM  # num: node that the hand is at; PAGES: it will start at the oldest


def create(pages: int, distinct: int) -> CacheArrays:
    arrays = new_cache(pages, distinct, own=1)
    arrays.num[HAND] = PAGES
    return arrays


@compiled(HIT)
def hit(c, n):
    c.node[n, USED_BIT] = 1


@compiled(EVICT)
def evict(c, page):
    node = c.node
    n = c.num[HAND]
    while n == PAGES or node[n, USED_BIT]:
        if n == PAGES:
            n = oldest(c, PAGES)
        else:
            node[n, USED_BIT] = 0
            n = node[n, PREV]
    c.num[HAND] = node[n, PREV]
    return release(c, n)


@compiled(ADMIT)
def admit(c, page):
    attach(c, page, PAGES)


@compiled(REMOVE)
def remove(c, n):
    if c.num[HAND] == n:
        c.num[HAND] = c.node[n, PREV]
    release(c, n)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


SIEVE = CachePolicy(create, hit, nothing, evict, admit, remove, run)
