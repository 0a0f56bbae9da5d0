"""Compaction for xcfmalloc, whose blocks were made to be moved: promised in the mail of 2011-08-31, never written.

A design of this project, so there is no original to agree with.  The rule is told in docs/allocators.md, the plain twin is `compact` in
tests/twins/xcfmalloc.py.  Everything else of xcfmalloc is models/allocators/xcfmalloc.py, unchanged.

An object's handle leads to the descriptors of its blocks, and they lead to the places, so a block can be moved without asking
anyone.  A page is emptied wholly or not at all: first a new place is chosen for each of its used blocks, and only if all have one they
are copied.
"""

from __future__ import annotations

import numpy as np
from numba import int64

from models.allocators.lists import lowest_list_from
from models.allocators.pool import (
    COPIED,
    MOVED,
    OP_COPIED,
    OP_WALKED,
    PAGES_RETURNED,
    Numbers,
    pool_t,
)
from models.allocators.xcfmalloc import (
    FREE,
    GRAIN,
    LEFT,
    LISTS,
    NEXT,
    OFFSET,
    PAGE,
    RIGHT,
    ROWS_USED,
    SHIFT,
    SIZE,
    STATE,
    USED,
    _drop_descriptor,
    _push,
    _settle,
    _unlink,
)
from models.allocators.xcfmalloc import XCFMALLOC as WITHOUT
from models.jit import compiled, inlined, uncounted

# plan: three numbers for each row of block
HOME = 0  # number of the block's page, the emptiest first, from 1 on
TARGET = 1  # the free block that gives its first bytes to this one
AT = 2  # the offset there


@inlined
def _whole(size):
    return (int64(size) + GRAIN - 1) & -GRAIN


@inlined
def _used_bytes(block, num, first):
    """Bytes of the used blocks of a page, rounded up as they lie there."""
    used = int64(0)
    b = int64(first)
    while b != 0:
        num[OP_WALKED] += 1
        if block[b, STATE] == USED:
            used += _whole(block[b, SIZE])
        b = int64(block[b, RIGHT])
    return used


@uncounted
def _sort(key, row, n):
    """Order the first n keys, and their rows with them: Shell's sort (NumPy's adds more than a second of compiling)."""
    gap = n
    while gap > 1:
        gap = max(gap * 4 // 9, 1)
        for i in range(gap, n):
            k, r = key[i], row[i]
            at = i
            while at >= gap and key[at - gap] > k:
                key[at], row[at] = key[at - gap], row[at - gap]
                at -= gap
            key[at], row[at] = k, r


@compiled(int64(pool_t, Numbers, Numbers, Numbers))
def order_pages(pool, plan, key, first):
    """Number the pages in use from 1 on, the emptiest first, of those the one taken first; returns how many.

    first[i - 1] becomes the first block of page i.
    """
    block, num = pool.block, pool.num
    pages = 0
    for b in range(1, num[ROWS_USED] + 1):
        if block[b, STATE] != 0 and block[b, OFFSET] == 0:
            used = _used_bytes(block, num, b)
            if used > 0:
                key[pages] = (used << 32) + block[b, PAGE]
                first[pages] = b
                pages += 1
    _sort(key, first, pages)
    for i in range(pages):
        b = first[i]
        while b != 0:
            plan[3 * b + HOME] = i + 1
            b = int64(block[b, RIGHT])
    return pages


@uncounted
def _find(block, head, num, plan, need, home):
    """The first block of the smallest lists that can take `need` bytes, outside page `home` and the reserve; 0 if there is none."""
    i = lowest_list_from(num, (need >> SHIFT) - 1)
    while 0 <= i < num[LISTS] - 1:
        b = int64(head[i])
        while b != 0:
            num[OP_WALKED] += 1
            if plan[3 * b + HOME] != home:
                return b
            b = int64(block[b, NEXT])
        i = lowest_list_from(num, i + 1)
    return int64(0)


@inlined
def _promise(block, head, num, plan, b, to):
    """Give the first bytes of the free block `to` to block b; what is left of it is a free block, or nothing that any list has."""
    need = _whole(block[b, SIZE])
    _unlink(block, head, num, to)
    plan[3 * b + TARGET] = to
    plan[3 * b + AT] = block[to, OFFSET]
    block[to, OFFSET] += need
    block[to, SIZE] -= need
    if block[to, SIZE] > 0:
        _push(block, head, num, to)


@inlined
def _take_back(block, head, num, plan, b):
    """Undo `_promise`; the free block becomes the head of its list."""
    need = _whole(block[b, SIZE])
    to = int64(plan[3 * b + TARGET])
    if block[to, SIZE] > 0:
        _unlink(block, head, num, to)
    block[to, OFFSET] -= need
    block[to, SIZE] += need
    _push(block, head, num, to)


@uncounted
def _plan_page(block, head, num, plan, first, home):
    """Find a new place for every used block of a page, in address order; 0 (and all as it was) if one has none."""
    b = int64(first)
    before = int64(0)  # the last block with a place
    while b != 0:
        if block[b, STATE] == USED:
            to = _find(block, head, num, plan, _whole(block[b, SIZE]), home)
            if to == 0:
                break
            _promise(block, head, num, plan, b, to)
        before = b
        b = int64(block[b, RIGHT])
    if b == 0:
        return 1
    while before != 0:
        if block[before, STATE] == USED:
            _take_back(block, head, num, plan, before)
        before = int64(block[before, LEFT])
    return 0


@uncounted
def _move(block, num, plan, b):
    """Copy a block to the place it was promised, and put its descriptor in front of what is left of the free block there."""
    to = int64(plan[3 * b + TARGET])
    left = int64(block[to, LEFT])
    block[b, PAGE] = block[to, PAGE]
    block[b, OFFSET] = plan[3 * b + AT]
    block[b, LEFT] = left
    block[b, RIGHT] = to
    block[left, RIGHT] = b
    block[to, LEFT] = b
    plan[3 * b + HOME] = plan[3 * to + HOME]
    if block[to, SIZE] == 0 and plan[3 * b + AT] + _whole(block[b, SIZE]) == block[to, OFFSET]:  # it has given its last bytes
        right = int64(block[to, RIGHT])
        block[b, RIGHT] = right
        block[right, LEFT] = b
        _drop_descriptor(block, num, to)
    num[MOVED] += 1
    num[OP_COPIED] += block[b, SIZE]
    num[COPIED] += block[b, SIZE]


@inlined
def _empty_page(block, head, num, plan, first, received):
    """Move every used block of a page, give the page back to the VM, and note which pages have taken something."""
    b = int64(first)
    while b != 0:
        after = int64(block[b, RIGHT])
        if block[b, STATE] == FREE:
            _unlink(block, head, num, b)
            _drop_descriptor(block, num, b)
        else:
            _move(block, num, plan, b)
            received[plan[3 * b + HOME]] = 1
        b = after
    num[PAGES_RETURNED] += 1


@compiled(int64(pool_t, Numbers, Numbers, Numbers, int64, int64))
def empty_pages(pool, plan, first, received, pages, budget):
    """Empty the pages in their order, until `budget` are free; a page that has taken a block is not emptied.  Returns those freed."""
    block, head, num = pool.block, pool.head, pool.num
    freed = int64(0)
    for home in range(1, pages + 1):
        if freed >= budget:
            break
        if received[home] == 0 and _plan_page(block, head, num, plan, first[home - 1], home) == 1:
            _empty_page(block, head, num, plan, first[home - 1], received)
            freed += 1
    return freed


@compiled(int64(pool_t, int64))
def compact(pool, budget):
    """Free up to `budget` pages, which go back to the VM at once; returns how many it were."""
    num = pool.num
    num[OP_WALKED] = 0
    num[OP_COPIED] = 0
    if budget <= 0:
        return 0
    rows = num[ROWS_USED] + 1
    plan, key, first, received = np.zeros(3 * rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    pages = order_pages(pool, plan, key, first)
    freed = empty_pages(pool, plan, first, received, pages, budget)
    _settle(num)
    return freed


XCFMALLOC = WITHOUT._replace(compact=compact)
