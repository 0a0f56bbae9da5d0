"""Reuse distances of a trace: how many distinct pages were used since a page's last use, itself included.

A page hits in an LRU cache of c pages if its distance is at most c, so the histogram is the whole curve of misses (Mattson, Gecsei,
Slutz, Traiger, IBM Systems Journal 1970).  The stack is kept as marks on a line of time, one at the last use of each page, and a binary
indexed tree counts those behind a use (Bennett and Kruskal 1975; Fenwick 1994).  The line is twice as long as there are pages; when
it is full the marks move together, in order, which costs less than the uses that filled it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int32, int64, types, void

from models.jit import compiled, inlined

Ids = types.Array(int32, 1, "C", readonly=True)
Line = types.Array(int32, 1, "C")
Counts = types.Array(int64, 1, "C")
Sizes = types.Array(int64, 1, "C", readonly=True)
NOW, ALIVE = 0, 1  # num: places of the line that are taken; pages that have a mark


@inlined
def mark(tree, at, change):
    """Add to the count at one place of the line, from 1 on."""
    while at < len(tree):
        tree[at] += change
        at += at & -at


@inlined
def marks_up_to(tree, at):
    """Marks at places 1 to `at`."""
    total = 0
    while at > 0:
        total += tree[at]
        at &= at - 1
    return total


@compiled(int64(Line, Line, Line))
def move_together(tree, owner, last):
    """All marks to the start of the line, in order; the last place taken."""
    used = 0
    for at in range(1, len(tree)):
        page = owner[at] - 1
        if page >= 0 and last[page] == at:
            used += 1
            owner[used] = page + 1
            last[page] = used
    for at in range(1, len(tree)):
        tree[at] = 1 if at <= used else 0
        if at > used:
            owner[at] = 0
    for at in range(1, len(tree)):
        above = at + (at & -at)
        if above < len(tree):
            tree[above] += tree[at]
    return used


@inlined
def distance(page, num, tree, owner, last):
    """The distance of a use that comes now, 0 if it is the page's first; its mark is the newest now."""
    if num[NOW] + 1 == len(tree):
        num[NOW] = move_together(tree, owner, last)
    at = last[page]
    found = 0
    if at == 0:
        num[ALIVE] += 1
    else:
        found = num[ALIVE] - marks_up_to(tree, at) + 1
        mark(tree, at, -1)
    num[NOW] += 1
    now = num[NOW]
    mark(tree, now, 1)
    owner[now] = page + 1
    last[page] = now
    return found


@compiled(void(Ids, Counts, Counts, Line, Line, Line), nogil=True)
def count_distances(ids, found, num, tree, owner, last):
    """found[d] += 1 for each use at distance d; found[0] for first uses.  The rest is a Stack."""
    for i in range(len(ids)):
        found[distance(ids[i], num, tree, owner, last)] += 1


@compiled(void(Ids, Sizes, Counts, Counts, Counts, Line, Line, Line), nogil=True)
def weigh_distances(ids, weights, found, weighed, num, tree, owner, last):
    """As count_distances; and weighed[d] += the use's weight."""
    for i in range(len(ids)):
        d = distance(ids[i], num, tree, owner, last)
        found[d] += 1
        weighed[d] += weights[i]


class Stack(NamedTuple):
    """num: NOW, ALIVE; tree, owner: the line of time; last: the place of each page's mark on it, 0 none."""

    num: np.ndarray
    tree: np.ndarray
    owner: np.ndarray
    last: np.ndarray


def new_stack(distinct: int, pages: int = 0) -> Stack:
    """An empty stack.  distinct: page ids are below it;  pages: how many it holds at once, if not all."""
    places = 2 * (pages or distinct) + 2
    return Stack(np.zeros(2, np.int64), np.zeros(places, np.int32), np.zeros(places, np.int32), np.zeros(distinct, np.int32))


def distances(ids: np.ndarray, distinct: int) -> np.ndarray:
    """int64[distinct + 1]: uses at each distance from 1 on; [0] counts first uses.  ids int32, each below `distinct`."""
    found = np.zeros(distinct + 1, np.int64)
    count_distances(ids, found, *new_stack(distinct))
    return found


def lru_misses(found: np.ndarray) -> np.ndarray:
    """int64[distinct + 1]: misses of LRU in a cache of 0, 1, ... distinct pages, from `distances`."""
    hits = np.cumsum(found)
    return found.sum() - (hits - found[0])
