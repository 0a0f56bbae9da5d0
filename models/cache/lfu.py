"""LFU: out goes the page with the fewest uses since it came in; among these the one that reached its count first.

Counts are kept of resident pages only ("in-cache LFU").  In constant time: Shah, Mitra, Matani 2010: a chain of counts, ascending, each
with the pages that have it in the order in which they reached it.
"""

from __future__ import annotations

from numba import int64, void

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, REMOVE, RUN, TAKE, CachePolicy, driver, nothing, sized_only
from models.cache.state import (
    LIST,
    NEXT,
    OWN,
    PAGE,
    PREV,
    USED,
    CacheArrays,
    cache_t,
    forget,
    give_row,
    new_cache,
    new_node,
    oldest,
    take_row,
)  # fmt: skip
from models.jit import compiled

PAGES = 1  # list: stands for count 0, never has pages, begins and ends the chain
BUCKET = OWN  # of a page: the row of its count
COUNT, UP, DOWN = OWN, OWN + 1, OWN + 2  # of a count's row: the number, the rows of the next ones


MOST_COUNTS = 1 << 16  # different counts at once: n of them take n (n + 1) / 2 uses, and a trace has fewer than 2^31


def create(pages: int, distinct: int) -> CacheArrays:
    arrays = new_cache(pages, distinct, own=3, rows=min(pages, distinct, MOST_COUNTS) + 1)
    arrays.node[PAGES, [UP, DOWN]] = PAGES
    return arrays


@compiled(int64(cache_t, int64, int64))
def bucket_above(c, b, count):
    """The row of this count, which is the next after that of row b; made if there is none."""
    node = c.node
    up = node[b, UP]
    if up != PAGES and node[up, COUNT] == count:
        return up
    new = take_row(c)
    node[new, PREV] = node[new, NEXT] = new
    node[new, COUNT], node[new, UP], node[new, DOWN] = count, up, b
    node[b, UP] = node[up, DOWN] = new
    return new


@compiled(void(cache_t, int64))
def leave(c, n):
    """A page leaves its count, whose row goes if it was the last."""
    node = c.node
    before, after, b = node[n, PREV], node[n, NEXT], node[n, BUCKET]
    node[before, NEXT], node[after, PREV] = after, before
    if node[b, NEXT] == b:
        up, down = node[b, UP], node[b, DOWN]
        node[down, UP], node[up, DOWN] = up, down
        give_row(c, b)


@compiled(void(cache_t, int64, int64))
def join(c, n, b):
    """A page becomes the newest of a count."""
    node = c.node
    first = node[b, NEXT]
    node[n, PREV], node[n, NEXT], node[n, BUCKET], node[n, LIST] = b, first, b, PAGES
    node[b, NEXT] = node[first, PREV] = n


@compiled(HIT)
def hit(c, n):
    node = c.node
    b = node[n, BUCKET]
    count = node[b, COUNT] + 1
    up = node[b, UP]
    if node[b, NEXT] == node[b, PREV] and (up == PAGES or node[up, COUNT] != count):
        node[b, COUNT] = count  # alone with its count, and nobody has the next: the row goes up with it
        return
    up = bucket_above(c, b, count)
    leave(c, n)
    join(c, n, up)


@compiled(REMOVE)
def remove(c, n):
    leave(c, n)
    forget(c, n)
    c.num[USED] -= 1


@compiled(CHOOSE)
def choose(c):
    return oldest(c, c.node[PAGES, UP])


@compiled(TAKE)
def take(c, n):
    remove(c, n)
    return c.node[n, PAGE]


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    n = new_node(c, page)
    join(c, n, bucket_above(c, PAGES, 1))
    c.num[USED] += 1


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


LFU = CachePolicy(create, hit, nothing, evict, admit, remove, run, choose=choose, take=take, sized=sized_only)
