"""LIRS: pages of low inter-reference recency (LIR) hold nearly all of the cache; the others (HIR) pass through a short queue.

Jiang and Zhang, SIGMETRICS 2002, section 3: stack S has LIR pages, HIR pages and ghosts by recency, its bottom is always LIR (pruning);
queue Q has the resident HIR pages.  A HIR page that is used while in S becomes LIR, and the LIR page at the bottom HIR, at Q's end.  Q is
1 % of the cache.  The paper lets S grow; here `ghosts` bounds the pages that are in S but not resident, the first evicted goes first.

rule `libcachesim` (found by asking libcachesim 0.3.5, in caches of three pages and more): S has at most twice as many entries as the cache
has pages.  A page of Q that is hit while it is not in S goes to Q's end and S's top, but if there are as many LIR pages as there may be,
the one at the bottom becomes HIR all the same.  Q may then have a page too many and loses its oldest; if that is the very page that was
hit, it is resident by S alone (astray): no count has it, so the cache holds more pages than it should; it goes when the stack is pruned.
"""

from __future__ import annotations

import numpy as np
from numba import int64, void

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, REMOVE, RUN, SIZED, TAKE, WANTED, CachePolicy, driver
from models.cache.state import (
    CAPACITY,
    GHOSTS,
    LIST,
    OWN,
    OWN_NUM,
    PAGE,
    RECALLED,
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

LIR, HIR, ASTRAY = 1, 2, 3  # lists; HIR is Q
STACK = 5  # the row where stack S begins and ends
ABOVE, BELOW, STACKED = OWN, OWN + 1, OWN + 2  # of a node: neighbours in S, and whether it is there
# num: LIR pages and ghosts at most; entries of S; tool's rule in force (USED does not count pages astray); settings, bits of a float64
MOST_LIR, MOST_GHOSTS, ENTRIES, TOOL, HIR_PART, GHOST_PART = range(OWN_NUM, OWN_NUM + 6)


def create(pages: int, distinct: int, hir: float = 0.01, ghosts: float = 1.0, rule: str = "paper") -> CacheArrays:
    tool = rule == "libcachesim"
    most_ghosts = 2 * pages + 2 if tool else int(pages * ghosts)
    arrays = new_cache(pages, distinct, ghosts=most_ghosts, own=3)
    arrays.node[STACK, [ABOVE, BELOW]] = STACK
    arrays.num[TOOL] = tool
    arrays.num.view(np.float64)[[HIR_PART, GHOST_PART]] = hir, ghosts
    sized(arrays.cache, pages)
    return arrays


@compiled(SIZED)
def sized(c, pages):
    num, real = c.num, c.num.view(np.float64)
    num[CAPACITY], num[MOST_LIR] = pages, pages - max(1, int64(pages * real[HIR_PART]))
    num[MOST_GHOSTS] = 2 * pages + 2 if num[TOOL] else int64(pages * real[GHOST_PART])


@compiled(void(cache_t, int64))
def unstack(c, n):
    """A node leaves S, if it is there."""
    node = c.node
    if node[n, STACKED]:
        above, below = node[n, ABOVE], node[n, BELOW]
        node[above, BELOW], node[below, ABOVE] = below, above
        node[n, STACKED] = 0
        c.num[ENTRIES] -= 1


@compiled(void(cache_t, int64))
def on_top(c, n):
    """A node becomes S's most recent."""
    node = c.node
    unstack(c, n)
    first = node[STACK, BELOW]
    node[n, ABOVE], node[n, BELOW], node[n, STACKED] = STACK, first, 1
    node[first, ABOVE] = n
    node[STACK, BELOW] = n
    c.num[ENTRIES] += 1


@compiled(void(cache_t))
def prune(c):
    """What is below the last LIR page leaves S; ghosts and pages astray are forgotten."""
    node = c.node
    n = node[STACK, ABOVE]
    while n != STACK and node[n, LIST] != LIR:
        unstack(c, n)
        if node[n, LIST] == GHOSTS or node[n, LIST] == ASTRAY:
            drop(c, n)
        n = node[STACK, ABOVE]


@compiled(void(cache_t))
def forget_oldest(c):
    """The ghost that was evicted first."""
    n = oldest(c, GHOSTS)
    unstack(c, n)
    drop(c, n)


@compiled(void(cache_t, int64))
def to_ghost(c, n):
    """A page of Q that is in S goes, and stays there as a ghost if it may."""
    unlink(c, n)
    c.num[USED] -= 1
    link_newest(c, n, GHOSTS)
    while size_of(c, GHOSTS) > c.num[MOST_GHOSTS]:
        forget_oldest(c)


@compiled(int64(cache_t, int64))
def let_go(c, n):
    """A page of Q goes; gives it."""
    page = c.node[n, PAGE]
    if c.node[n, STACKED]:
        to_ghost(c, n)
    else:
        release(c, n)
    return page


@compiled(void(cache_t, int64))
def shorten(c, hit_now):
    """The tool's rule: what Q has too many goes, but for the page that is hit just now, which goes astray."""
    while size_of(c, HIR) > c.num[CAPACITY] - c.num[MOST_LIR]:
        n = oldest(c, HIR)
        if n == hit_now:
            move(c, n, ASTRAY)
            c.num[USED] -= 1
        else:
            let_go(c, n)


@compiled(void(cache_t, int64))
def demote(c, hit_now):
    """The LIR page at the bottom becomes HIR."""
    prune(c)
    n = c.node[STACK, ABOVE]
    unstack(c, n)
    move(c, n, HIR)
    if c.num[TOOL]:
        shorten(c, hit_now)
    prune(c)


@compiled(void(cache_t, int64))
def become_lir(c, n):
    """A page at the top of S that was used twice while there; where there are too many LIR pages, one makes way."""
    if c.node[n, LIST] == ASTRAY:
        c.num[USED] += 1
    move(c, n, LIR)
    while size_of(c, LIR) > c.num[MOST_LIR]:
        demote(c, 0)


@compiled(HIT)
def hit(c, n):
    which, stacked = c.node[n, LIST], c.node[n, STACKED]
    if not stacked:
        renew(c, n)
        if c.num[TOOL] and size_of(c, LIR) >= c.num[MOST_LIR]:
            demote(c, n)
    on_top(c, n)
    if which == LIR:
        prune(c)
    elif stacked:
        become_lir(c, n)


@compiled(WANTED)
def wanted(c, page):
    n = c.index[page]
    c.num[RECALLED] = n != 0
    if n:
        unstack(c, n)
        drop(c, n)


@compiled(CHOOSE)
def choose(c):
    if size_of(c, HIR) == 0:
        demote(c, 0)
    return oldest(c, HIR)


@compiled(TAKE)
def take(c, n):
    return let_go(c, n)


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    if c.num[TOOL] and c.num[MOST_LIR] == 0:
        return  # the tool finds every page too large for a cache of one page
    n = attach(c, page, HIR)
    on_top(c, n)
    if c.num[RECALLED] or size_of(c, LIR) < c.num[MOST_LIR]:
        become_lir(c, n)
    while c.num[TOOL] and c.num[ENTRIES] > 2 * c.num[CAPACITY] and size_of(c, GHOSTS) > 0:
        forget_oldest(c)


@compiled(REMOVE)
def remove(c, n):
    unstack(c, n)
    if c.node[n, LIST] >= ASTRAY:
        drop(c, n)
    else:
        release(c, n)
    prune(c)


drive = driver(hit, wanted, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


LIRS = CachePolicy(create, hit, wanted, evict, admit, remove, run, choose=choose, take=take, sized=sized)
