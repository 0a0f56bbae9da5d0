"""LIRS: pages of low inter-reference recency (LIR) hold nearly all of the cache; the others (HIR) pass through a short queue.

Jiang and Zhang, SIGMETRICS 2002, section 3: stack S has LIR pages, HIR pages and ghosts by recency, its bottom is always LIR (pruning);
queue Q has the resident HIR pages.  A HIR page that is used while in S becomes LIR, and the LIR page at the bottom HIR, at Q's end.  Q is
1 % of the cache.  The paper lets S grow; here `ghosts` bounds the pages that are in S but not resident, the first evicted goes first.
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

LIR, HIR = 1, 2  # lists; HIR is Q
STACK = 5  # the row where stack S begins and ends
ABOVE, BELOW, STACKED = OWN, OWN + 1, OWN + 2  # of a node: neighbours in S, and whether it is there
MOST_LIR, MOST_GHOSTS = OWN_NUM, OWN_NUM + 1  # num: pages
HIR_PART, GHOST_PART = OWN_NUM + 2, OWN_NUM + 3  # num: the settings, bits of a float64


def create(pages: int, distinct: int, hir: float = 0.01, ghosts: float = 1.0) -> CacheArrays:
    arrays = new_cache(pages, distinct, ghosts=int(pages * ghosts), own=3)
    arrays.node[STACK, [ABOVE, BELOW]] = STACK
    arrays.num.view(np.float64)[[HIR_PART, GHOST_PART]] = hir, ghosts
    sized(arrays.cache, pages)
    return arrays


@compiled(SIZED)
def sized(c, pages):
    num, real = c.num, c.num.view(np.float64)
    num[CAPACITY], num[MOST_LIR], num[MOST_GHOSTS] = pages, pages - max(1, int64(pages * real[HIR_PART])), int64(pages * real[GHOST_PART])


@compiled(void(cache_t, int64))
def unstack(c, n):
    """A node leaves S, if it is there."""
    node = c.node
    if node[n, STACKED]:
        above, below = node[n, ABOVE], node[n, BELOW]
        node[above, BELOW], node[below, ABOVE] = below, above
        node[n, STACKED] = 0


@compiled(void(cache_t, int64))
def on_top(c, n):
    """A node becomes S's most recent."""
    node = c.node
    unstack(c, n)
    first = node[STACK, BELOW]
    node[n, ABOVE], node[n, BELOW], node[n, STACKED] = STACK, first, 1
    node[first, ABOVE] = n
    node[STACK, BELOW] = n


@compiled(void(cache_t))
def prune(c):
    """What is below the last LIR page leaves S; ghosts are forgotten."""
    node = c.node
    n = node[STACK, ABOVE]
    while n != STACK and node[n, LIST] != LIR:
        unstack(c, n)
        if node[n, LIST] == GHOSTS:
            drop(c, n)
        n = node[STACK, ABOVE]


@compiled(void(cache_t))
def keep_size(c):
    """Where there are too many LIR pages, those at the bottom become HIR."""
    while size_of(c, LIR) > c.num[MOST_LIR]:
        prune(c)
        n = c.node[STACK, ABOVE]
        unstack(c, n)
        move(c, n, HIR)
        prune(c)


@compiled(HIT)
def hit(c, n):
    which, stacked = c.node[n, LIST], c.node[n, STACKED]
    on_top(c, n)
    if which == LIR:
        prune(c)
    elif stacked:
        move(c, n, LIR)
        keep_size(c)
    else:
        renew(c, n)


@compiled(WANTED)
def wanted(c, page):
    n = c.index[page]
    c.num[RECALLED] = n != 0
    if n:
        unstack(c, n)
        drop(c, n)


@compiled(void(cache_t, int64))
def to_ghost(c, n):
    """A page of Q that is in S goes, and stays there as a ghost if it may."""
    unlink(c, n)
    c.num[USED] -= 1
    link_newest(c, n, GHOSTS)
    while size_of(c, GHOSTS) > c.num[MOST_GHOSTS]:
        last = oldest(c, GHOSTS)
        unstack(c, last)
        drop(c, last)


@compiled(CHOOSE)
def choose(c):
    if size_of(c, HIR) == 0:
        last = c.node[STACK, ABOVE]
        unstack(c, last)
        move(c, last, HIR)
        prune(c)
    return oldest(c, HIR)


@compiled(TAKE)
def take(c, n):
    gone = c.node[n, PAGE]
    if c.node[n, STACKED]:
        to_ghost(c, n)
    else:
        release(c, n)
    return gone


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    lir = c.num[RECALLED] or size_of(c, LIR) < c.num[MOST_LIR]
    on_top(c, attach(c, page, LIR if lir else HIR))
    keep_size(c)


@compiled(REMOVE)
def remove(c, n):
    unstack(c, n)
    if c.node[n, LIST] == GHOSTS:
        drop(c, n)
    else:
        release(c, n)
    prune(c)


drive = driver(hit, wanted, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


LIRS = CachePolicy(create, hit, wanted, evict, admit, remove, run, choose=choose, take=take, sized=sized)
