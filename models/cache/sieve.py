"""SIEVE: a queue that hits do not reorder; the hand goes from old to new, clears bits and evicts the first page without one.

Zhang, Yang, Yue, Vigfusson, Rashmi, NSDI 2024, algorithm 1: the hand stays where it found a victim, new pages come in at the head,
and behind the newest page the hand starts again at the oldest.
"""

from __future__ import annotations

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, REMOVE, RUN, TAKE, CachePolicy, driver, nothing, sized_only
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


@compiled(CHOOSE)
def choose(c):
    """Clears bits on its way; stops at the victim, which leaves it there if it is used meanwhile."""
    node = c.node
    n = c.num[HAND]
    while n == PAGES or node[n, USED_BIT]:
        if n == PAGES:
            n = oldest(c, PAGES)
        else:
            node[n, USED_BIT] = 0
            n = node[n, PREV]
    c.num[HAND] = n
    return n


@compiled(ADMIT)
def admit(c, page):
    attach(c, page, PAGES)


@compiled(TAKE)
def take(c, n):
    """The hand goes on to the next newer page."""
    if c.num[HAND] == n:
        c.num[HAND] = c.node[n, PREV]
    return release(c, n)


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(REMOVE)
def remove(c, n):
    take(c, n)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


SIEVE = CachePolicy(create, hit, nothing, evict, admit, remove, run, choose=choose, take=take, sized=sized_only)
