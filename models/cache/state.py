"""One state for every policy: a table of nodes on circular lists, an index from pages to nodes, and scalars.

A node stands for a resident page, or for a page that only its policy still remembers (a ghost).  Row 0..LISTS-1 of the table are the
lists themselves: NEXT of a list is its newest node, PREV its oldest; so linking needs no branch, and node 0 can mean "none" in the index.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int64, types, void
from numba.experimental import structref

from models.borrow import boxed, view_of
from models.jit import compiled, inlined

Table = types.Array(types.int32, 2, "C")
Links = types.Array(types.int32, 1, "C")
Numbers = types.Array(int64, 1, "C")

# node: columns every policy has; the rest are its own
PREV, NEXT = 0, 1  # towards newer, towards older
PAGE = 2
LIST = 3  # the list that it is on; GHOSTS and above: the page is not resident
OWN = 4  # first column of the policy's own

# lists; a policy names its own among 1..5
LISTS = 8
FREE = 0
GHOSTS = 6

# num: scalars every policy has
CAPACITY, USED = 0, 1  # pages that fit, pages resident
FRESH = 2  # first node that was never used
RECALLED = 3  # list of the ghost of the page that is wanted, 0 none
SIZES = 8  # SIZES + list: nodes on that list
OWN_NUM = SIZES + LISTS  # first of the policy's own
NUMBERS = OWN_NUM + 16


class CacheType(types.StructRef):
    """Any policy's state; `more` is a second table whose rows and columns the policy names."""


cache_t = view_of(CacheType, (("node", Table), ("index", Links), ("num", Numbers), ("more", Table)))
cache_owner = cache_t.owner
Cache = boxed(cache_t, "Cache")


@compiled(cache_owner(Table, Links, Numbers, Table))
def make_cache(node, index, num, more):
    c = structref.new(cache_owner)
    c.node, c.index, c.num, c.more = node, index, num, more
    return c


class CacheArrays(NamedTuple):
    """What a policy's `create` gives: the compiled state, and Python's views of the same arrays."""

    cache: Cache
    node: np.ndarray
    index: np.ndarray
    num: np.ndarray
    more: np.ndarray


def new_cache(pages: int, distinct: int, ghosts: int = 0, own: int = 0, rows: int = 0, more: tuple[int, int] = (1, 1)) -> CacheArrays:
    """An empty cache.

    pages     capacity;  distinct: page ids are 0..distinct-1
    ghosts    pages that are remembered at most without being resident
    own       columns of a node that the policy adds;  rows: rows that it adds
    more      shape of its second table
    """
    if pages < 1:
        raise ValueError(f"a cache of {pages} pages")
    nodes = LISTS + min(pages + ghosts, distinct) + rows + 1
    node = np.zeros((nodes, OWN + own), np.int32)
    node[:LISTS, PREV] = node[:LISTS, NEXT] = np.arange(LISTS)
    index, num, table = np.zeros(distinct, np.int32), np.zeros(NUMBERS, np.int64), np.zeros(more, np.int32)
    num[CAPACITY], num[FRESH] = pages, LISTS
    return CacheArrays(make_cache(node, index, num, table), node, index, num, table)


@inlined
def oldest(c, which):
    """The node that is longest on a list; the list's own number if it is empty."""
    return c.node[which, PREV]


@inlined
def size_of(c, which):
    return c.num[SIZES + which]


@compiled(void(cache_t, int64, int64))
def link_newest(c, n, which):
    """A node that is on no list becomes the newest of this one."""
    node = c.node
    first = node[which, NEXT]
    node[n, PREV], node[n, NEXT], node[n, LIST] = which, first, which
    node[first, PREV] = n
    node[which, NEXT] = n
    c.num[SIZES + which] += 1


@compiled(void(cache_t, int64, int64))
def link_oldest(c, n, which):
    """A node that is on no list becomes the oldest of this one."""
    node = c.node
    last = node[which, PREV]
    node[n, PREV], node[n, NEXT], node[n, LIST] = last, which, which
    node[last, NEXT] = n
    node[which, PREV] = n
    c.num[SIZES + which] += 1


@compiled(void(cache_t, int64))
def unlink(c, n):
    node = c.node
    before, after = node[n, PREV], node[n, NEXT]
    node[before, NEXT] = after
    node[after, PREV] = before
    c.num[SIZES + node[n, LIST]] -= 1


@compiled(void(cache_t, int64))
def renew(c, n):
    """A node becomes the newest of the list that it is on."""
    node = c.node
    which = node[n, LIST]
    before, after = node[n, PREV], node[n, NEXT]
    if before == which:
        return
    node[before, NEXT] = after
    node[after, PREV] = before
    first = node[which, NEXT]
    node[n, PREV], node[n, NEXT] = which, first
    node[first, PREV] = n
    node[which, NEXT] = n


@inlined
def move(c, n, which):
    """A node becomes the newest of another list."""
    unlink(c, n)
    link_newest(c, n, which)


@compiled(int64(cache_t))
def take_row(c):
    """A row of the node table that nothing uses; its own columns are 0."""
    node, num = c.node, c.num
    n = node[FREE, NEXT]
    if n != FREE:
        node[FREE, NEXT] = node[n, NEXT]
    else:
        n = num[FRESH]
        num[FRESH] += 1
    for column in range(OWN, node.shape[1]):
        node[n, column] = 0
    return n


@inlined
def give_row(c, n):
    node = c.node
    node[n, NEXT], node[n, LIST] = node[FREE, NEXT], FREE
    node[FREE, NEXT] = n


@compiled(int64(cache_t, int64))
def new_node(c, page):
    """A node for a page that has none, on no list yet."""
    n = take_row(c)
    c.node[n, PAGE] = page
    c.index[page] = n
    return n


@compiled(void(cache_t, int64))
def forget(c, n):
    """A node that is on no list any more is free."""
    c.index[c.node[n, PAGE]] = 0
    give_row(c, n)


@compiled(int64(cache_t, int64, int64))
def attach(c, page, which):
    """A page without a node becomes resident, the newest of a list; gives its node."""
    n = new_node(c, page)
    link_newest(c, n, which)
    c.num[USED] += 1
    return n


@compiled(int64(cache_t, int64))
def release(c, n):
    """A resident page goes and is forgotten; gives the page."""
    unlink(c, n)
    forget(c, n)
    c.num[USED] -= 1
    return c.node[n, PAGE]


@compiled(void(cache_t, int64))
def drop(c, n):
    """A ghost is forgotten."""
    unlink(c, n)
    forget(c, n)


@compiled(int64(cache_t, int64, int64, int64))
def bury(c, n, which, most):
    """A resident page goes, and is remembered as the newest of a list of ghosts, `most` at most; gives the page."""
    page = c.node[n, PAGE]
    unlink(c, n)
    c.num[USED] -= 1
    if most < 1:
        forget(c, n)
        return page
    while size_of(c, which) >= most:
        drop(c, oldest(c, which))
    link_newest(c, n, which)
    return page


@compiled(void(cache_t, int64))
def recall(c, page):
    """The ghost of a page, if it has one, is forgotten; num[RECALLED] says on which list it was, for `evict` and `admit`."""
    n = c.index[page]
    c.num[RECALLED] = c.node[n, LIST] if n else 0
    if n:
        drop(c, n)
