"""CLOCK-Pro: LIRS as a clock: hot pages, cold pages, and test periods in which a cold page that is used again becomes hot.

Jiang, Chen, Zhang, USENIX ATC 2005, section 4.  All pages are on one clock by recency, evicted ones too while their test period lasts, c of
these at most.  HANDhot stands at the oldest hot page, and the head of the list is behind it; HANDcold at the oldest resident cold page,
HANDtest at the oldest page in a test period.  The target of cold pages grows by one when a page is used in its test period, and falls by
one when a test period ends without.

New pages are cold, but for the first ones, which are hot until there are as many as there may be: LIRS's start, for want of another in the
paper.  With `fill` cold these are cold too, and a loop over more than twice the cache never hits.

The hands are here the old ends of three lists: the clock itself, resident cold pages, pages in test.  A page that HANDhot passes goes to
the newest end of the clock, which is where the paper's head of the list is.
"""

from __future__ import annotations

from numba import int64, void

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, REMOVE, RUN, SIZED, TAKE, CachePolicy, driver, nothing, release_it
from models.cache.state import (
    CAPACITY,
    GHOSTS,
    LIST,
    OWN,
    OWN_NUM,
    PAGE,
    USED,
    CacheArrays,
    attach,
    cache_t,
    drop,
    link_newest,
    move,
    new_cache,
    oldest,
    release,
    renew,
    size_of,
    unlink,
)  # fmt: skip
from models.jit import compiled

HOT, COLD = 1, 2  # lists; ghosts: evicted in their test period
RINGS = 5  # the row where the clock and the ring of test periods begin and end
REFERENCED = OWN
CLOCK, TEST = OWN + 1, OWN + 3  # of a node: in a ring's two columns the newer and the older neighbour, 0 if it is not there
TARGET, FILLING = OWN_NUM, OWN_NUM + 1  # num: cold pages that there should be; pages that come are hot while there is room


def create(pages: int, distinct: int, cold: float = 0.01, fill: str = "hot") -> CacheArrays:
    arrays = new_cache(pages, distinct, ghosts=pages, own=5)
    arrays.node[RINGS, CLOCK : TEST + 2] = RINGS
    arrays.num[TARGET], arrays.num[FILLING] = min(max(1, int(pages * cold)), max(1, pages - 1)), fill == "hot"
    return arrays


@compiled(void(cache_t, int64, int64))
def leave(c, n, ring):
    """A node leaves a ring, if it is there."""
    node = c.node
    if node[n, ring]:
        newer, older = node[n, ring], node[n, ring + 1]
        node[newer, ring + 1], node[older, ring] = older, newer
        node[n, ring] = 0


@compiled(void(cache_t, int64, int64))
def join(c, n, ring):
    """A node becomes the newest of a ring."""
    node = c.node
    leave(c, n, ring)
    first = node[RINGS, ring + 1]
    node[n, ring], node[n, ring + 1] = RINGS, first
    node[first, ring] = n
    node[RINGS, ring + 1] = n


@compiled(void(cache_t, int64))
def to_head(c, n):
    """A page goes to the head of the list; of the resident cold pages it is then the last that HANDcold meets."""
    join(c, n, CLOCK)
    if c.node[n, LIST] == COLD:
        renew(c, n)


@compiled(void(cache_t, int64))
def change_target(c, by):
    """At least one page is cold, and one hot."""
    c.num[TARGET] = min(max(c.num[TARGET] + by, 1), max(c.num[CAPACITY] - 1, 1))


@compiled(void(cache_t, int64))
def end_test(c, n):
    """A test period runs out; if it had no use, the target falls.  A page that is not resident is forgotten."""
    node = c.node
    if not node[n, REFERENCED]:
        change_target(c, -1)
    leave(c, n, TEST)
    if node[n, LIST] == GHOSTS:
        leave(c, n, CLOCK)
        drop(c, n)


@compiled(void(cache_t))
def demote(c):
    """HANDhot: the oldest hot page that was not used since the hand's last visit becomes cold; test periods that it meets end."""
    node = c.node
    while True:
        n = node[RINGS, CLOCK]
        if node[n, LIST] == HOT:
            used = node[n, REFERENCED]
            node[n, REFERENCED] = 0
            if not used:
                move(c, n, COLD)
            to_head(c, n)
            if not used:
                return
        else:
            resident = node[n, LIST] == COLD
            if node[n, TEST]:
                end_test(c, n)
            if resident:
                to_head(c, n)


@compiled(void(cache_t))
def make_cold(c):
    """HANDhot moves until there are no more hot pages than the target leaves room for."""
    while size_of(c, HOT) > c.num[CAPACITY] - c.num[TARGET]:
        demote(c)


@compiled(void(cache_t, int64))
def promote(c, n):
    """A resident cold page that was used in its test period becomes hot, and hot pages make way."""
    c.node[n, REFERENCED] = 0
    leave(c, n, TEST)
    move(c, n, HOT)
    to_head(c, n)
    change_target(c, 1)
    make_cold(c)


@compiled(HIT)
def hit(c, n):
    c.node[n, REFERENCED] = 1


@compiled(TAKE)
def take(c, n):
    """In its test period a page is remembered, and HANDtest keeps the number of these at c."""
    if not c.node[n, TEST]:
        leave(c, n, CLOCK)
        return release(c, n)
    gone = c.node[n, PAGE]
    unlink(c, n)
    link_newest(c, n, GHOSTS)
    c.num[USED] -= 1
    while size_of(c, GHOSTS) > c.num[CAPACITY]:
        end_test(c, c.node[RINGS, TEST])
    return gone


@compiled(CHOOSE)
def choose(c):
    """HANDcold."""
    node = c.node
    c.num[FILLING] = 0
    while True:
        if size_of(c, COLD) == 0:
            demote(c)
        n = oldest(c, COLD)
        if not node[n, REFERENCED]:
            return n
        if node[n, TEST]:
            promote(c, n)
        else:
            node[n, REFERENCED] = 0
            to_head(c, n)
            join(c, n, TEST)


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(SIZED)
def sized(c, pages):
    c.num[CAPACITY] = pages
    change_target(c, 0)


@compiled(ADMIT)
def admit(c, page):
    """A page whose test period still lasts, now that there is room, becomes hot; others are cold and begin one."""
    n = c.index[page]
    if n == 0:
        hot = c.num[FILLING] and size_of(c, HOT) < c.num[CAPACITY] - c.num[TARGET]
        n = attach(c, page, HOT if hot else COLD)
        join(c, n, CLOCK)
        if not hot:
            join(c, n, TEST)
        return
    leave(c, n, TEST)
    leave(c, n, CLOCK)
    drop(c, n)
    n = attach(c, page, HOT)
    join(c, n, CLOCK)
    change_target(c, 1)
    make_cold(c)


@compiled(REMOVE)
def remove(c, n):
    leave(c, n, CLOCK)
    leave(c, n, TEST)
    release_it(c, n)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


CLOCK_PRO = CachePolicy(create, hit, nothing, evict, admit, remove, run, choose=choose, take=take, sized=sized)
