"""SLRU: LRU lists in a row; a hit lifts a page to the next one, which, when full, pushes its oldest page down again.

Karedla, Love, Wherry, IEEE Computer 1994: two segments, probationary and protected; every new page is probationary, and what protected
pushes down becomes the newest probationary page.  Here of equal size; a remainder belongs to the lowest.

rule `libcachesim`: four segments; a new page goes to the lowest segment that has room; the remainder belongs to none, and a segment that a
push makes too long is shortened at once, so that a hit can evict.
"""

from __future__ import annotations

from numba import int64, void

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, RUN, SIZED, CachePolicy, driver, nothing, release_it, take_it
from models.cache.state import CAPACITY, LIST, OWN_NUM, CacheArrays, attach, cache_t, move, new_cache, oldest, release, renew, size_of
from models.jit import compiled

LOWEST = 1  # list; the others follow
SEGMENTS, ROOM, REST, BY_ROOM = range(OWN_NUM, OWN_NUM + 4)  # num: segments, pages of each, more of the lowest, the tool's rule


def create(pages: int, distinct: int, segments: int = 2, rule: str = "paper") -> CacheArrays:
    arrays = new_cache(pages, distinct)
    arrays.num[SEGMENTS], arrays.num[BY_ROOM] = segments, rule == "libcachesim"
    sized(arrays.cache, pages)
    return arrays


@compiled(SIZED)
def sized(c, pages):
    num = c.num
    num[CAPACITY] = pages
    num[ROOM] = pages // num[SEGMENTS]
    num[REST] = 0 if num[BY_ROOM] else pages % num[SEGMENTS]


@compiled(int64(cache_t, int64))
def room(c, which):
    return c.num[ROOM] + (c.num[REST] if which == LOWEST else 0)


@compiled(void(cache_t, int64))
def push_down(c, which):
    """A segment loses its oldest page to the one below."""
    move(c, oldest(c, which), which - 1)
    while which > LOWEST + 1 and size_of(c, which - 1) > room(c, which - 1):
        which -= 1
        move(c, oldest(c, which), which - 1)
    while which == LOWEST + 1 and c.num[BY_ROOM] and size_of(c, LOWEST) > room(c, LOWEST):
        release(c, oldest(c, LOWEST))


@compiled(HIT)
def hit(c, n):
    which = c.node[n, LIST]
    if which - LOWEST + 1 == c.num[SEGMENTS] or c.num[ROOM] == 0:
        renew(c, n)
        return
    move(c, n, which + 1)
    while size_of(c, which + 1) > room(c, which + 1):
        push_down(c, which + 1)


@compiled(CHOOSE)
def choose(c):
    which = LOWEST
    while size_of(c, which) == 0:
        which += 1
    return oldest(c, which)


@compiled(EVICT)
def evict(c, page):
    return take_it(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    if c.num[BY_ROOM]:
        for which in range(LOWEST, LOWEST + c.num[SEGMENTS]):
            if size_of(c, which) < room(c, which):
                attach(c, page, which)
                return
    attach(c, page, LOWEST)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


SLRU = CachePolicy(create, hit, nothing, evict, admit, release_it, run, choose=choose, take=take_it, sized=sized)
