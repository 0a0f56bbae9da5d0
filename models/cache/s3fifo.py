"""S3-FIFO: a small FIFO that most pages do not survive, a main FIFO with reinsertion, and a FIFO of ghosts.

Yang, Zhang, Qiu, Yue, Rashmi, SOSP 2023, algorithm 1: small is a tenth of the cache, ghosts as many as main has pages; new pages go to
small, those with a ghost to main; a page leaves small for main if it was hit more than once; main gives a page as many rounds as it was
hit, 3 at most.

rule `libcachesim`: until the first eviction, new pages go to main once small is full; and where small holds one page (or less), no page
is ever admitted.
"""

from __future__ import annotations

import numpy as np
from numba import int64

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, RUN, SIZED, TAKE, CachePolicy, driver, release_it
from models.cache.state import (
    CAPACITY,
    GHOSTS,
    LIST,
    OWN,
    OWN_NUM,
    RECALLED,
    CacheArrays,
    attach,
    bury,
    move,
    new_cache,
    oldest,
    recall,
    release,
    renew,
    size_of,
)  # fmt: skip
from models.jit import compiled

SMALL, MAIN = 1, 2  # lists
COUNT = OWN
MOST_COUNT = 3
# num: pages of small, ghosts at most, hits that lead to main; tool's rule: in force, no eviction so far; the settings, bits of a float64
ROOM, REMEMBERED, THRESHOLD, TOOL, FILLING, SMALL_PART, GHOST_PART = range(OWN_NUM, OWN_NUM + 7)


def create(pages: int, distinct: int, small: float = 0.1, ghosts: float = 0.9, threshold: int = 2, rule: str = "paper") -> CacheArrays:
    tool = rule == "libcachesim"
    arrays = new_cache(pages, distinct, ghosts=int(pages * ghosts), own=1)
    arrays.num[THRESHOLD : FILLING + 1] = threshold, tool, tool
    arrays.num.view(np.float64)[[SMALL_PART, GHOST_PART]] = small, ghosts
    sized(arrays.cache, pages)
    return arrays


@compiled(SIZED)
def sized(c, pages):
    num, real = c.num, c.num.view(np.float64)
    room = int64(pages * real[SMALL_PART])
    num[CAPACITY], num[ROOM], num[REMEMBERED] = pages, room if num[TOOL] else max(1, room), int64(pages * real[GHOST_PART])


@compiled(HIT)
def hit(c, n):
    if c.node[n, COUNT] < MOST_COUNT:
        c.node[n, COUNT] += 1


@compiled(CHOOSE)
def choose_main(c):
    node = c.node
    n = oldest(c, MAIN)
    while node[n, COUNT] > 0:
        node[n, COUNT] -= 1
        renew(c, n)
        n = oldest(c, MAIN)
    return n


@compiled(CHOOSE)
def choose_small(c):
    """Its oldest page without enough hits, or 0 if all went to main."""
    node = c.node
    while size_of(c, SMALL) > 0:
        n = oldest(c, SMALL)
        if node[n, COUNT] < c.num[THRESHOLD]:
            return n
        node[n, COUNT] = 0
        move(c, n, MAIN)
    return 0


@compiled(CHOOSE)
def choose(c):
    """Main loses a page if it has more than its share: what small gave it just now goes first when room is needed next."""
    c.num[FILLING] = 0
    if size_of(c, MAIN) > c.num[CAPACITY] - c.num[ROOM] or size_of(c, SMALL) == 0:
        return choose_main(c)
    n = choose_small(c)
    return n if n != 0 else choose_main(c)


@compiled(TAKE)
def take(c, n):
    return bury(c, n, GHOSTS, c.num[REMEMBERED]) if c.node[n, LIST] == SMALL else release(c, n)


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    num = c.num
    if num[RECALLED]:
        attach(c, page, MAIN)
    elif num[TOOL] and num[ROOM] <= 1:
        return
    else:
        attach(c, page, MAIN if num[FILLING] and size_of(c, SMALL) >= num[ROOM] else SMALL)


drive = driver(hit, recall, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


S3FIFO = CachePolicy(create, hit, recall, evict, admit, release_it, run, choose=choose, take=take, sized=sized)
