"""Compaction of zsmalloc: that of Linux 6.1 and that of 6.4 and later (mm/zsmalloc.c).  The rules are in docs/allocators.md."""

from __future__ import annotations

from numba import int64

from models.allocators.pool import COPIED, MOVED, OP_COPIED, OP_WALKED, pool_t
from models.allocators.tally import start_operation
from models.allocators.zspages import (
    BASE,
    BYTES,
    CAPACITY,
    CLASS,
    CLASS_WIDTH,
    CLASSES_AT,
    CLASSES_END,
    COLUMNS,
    INUSE,
    MORE,
    MORE_SLOTS,
    PAGES,
    PAGES_COMPACTED,
    ROW_SHIFT,
    SECOND,
    SLOTS,
    TOP,
    can_free,
    emptiest,
    empty_slot,
    file_zspage,
    fullest,
    group_of,
    put_in,
    return_zspage,
    settle,
    unfile_zspage,
)
from models.jit import compiled, inlined


@compiled(int64(pool_t))
def compactable(pool):
    """Pages that a compaction could free: what the original's shrinker reports as its count."""
    num = pool.num
    pages = 0
    for c in range(num[CLASSES_AT], num[CLASSES_END], CLASS_WIDTH):
        pages += can_free(pool, c)
    return pages


@inlined
def _move_object(pool, source, s, target):
    """Move the object of a slot into another zspage: its whole slot is copied."""
    page, head, num = pool.page, pool.head, pool.num
    row = int64(page[s >> ROW_SHIFT, s & (COLUMNS - 1)])
    empty_slot(pool, source, s)
    put_in(pool, target, row)
    num[OP_COPIED] += head[page[target, CLASS] + BYTES]
    num[MOVED] += 1


@inlined
def _take_off(pool, z):
    """Take a zspage off its list."""
    unfile_zspage(pool, z, group_of(pool, z))


@inlined
def _put_back(pool, z):
    """File a zspage that was taken off its list, or give it back if it is empty; returns the pages given back."""
    page, head = pool.page, pool.head
    g = group_of(pool, z)
    if g != 0:
        file_zspage(pool, z, g)
        return int64(0)
    pages = int64(head[page[z, CLASS] + PAGES])
    return_zspage(pool, z)
    return pages


@inlined
def _slot_behind(pool, z, s):
    """The slot behind another one, 0 if it was never used."""
    page = pool.page
    if s == page[z, TOP]:
        return int64(0)
    if s & (COLUMNS - 1) != COLUMNS - 1:
        return s + 1
    return (int64(page[s >> ROW_SHIFT, MORE]) << ROW_SHIFT) + MORE_SLOTS


@inlined
def _next_object(pool, z, s, index):
    """(first slot in use from s on, its place in the zspage), with `index` the place of s; (0, capacity) if there is none.

    The original looks at slot after slot, those that were never used too.
    """
    page, head, num = pool.page, pool.head, pool.num
    while s != 0 and page[s >> ROW_SHIFT, s & (COLUMNS - 1)] <= 0:
        s = _slot_behind(pool, z, s)
    at = int64(page[s >> ROW_SHIFT, BASE] + (s & (COLUMNS - 1)) if s != 0 else head[page[z, CLASS] + CAPACITY])
    num[OP_WALKED] += at - index + (s != 0)
    return s, at


@inlined
def _is_full(pool, z):
    page, head = pool.page, pool.head
    return page[z, INUSE] == head[page[z, CLASS] + CAPACITY]


@inlined
def _compact_class_6_1(pool, c):
    """Empty the head of the emptiest group into heads of the fullest, again and again.  Returns the pages freed."""
    freed = 0
    while True:
        source = emptiest(pool, c)
        if source == 0:
            return freed
        _take_off(pool, source)
        if can_free(pool, c) == 0:
            _put_back(pool, source)
            return freed
        s, index = (source << ROW_SHIFT) + SLOTS, int64(0)
        while True:
            target = fullest(pool, c)
            if target == 0:
                _put_back(pool, source)
                return freed
            _take_off(pool, target)
            s, index = _next_object(pool, source, s, index)
            while s != 0 and not _is_full(pool, target):
                _move_object(pool, source, s, target)
                s, index = _next_object(pool, source, _slot_behind(pool, source, s), index + 1)
            _put_back(pool, target)
            if s == 0:
                break
        freed += _put_back(pool, source)


@inlined
def _compact_class_6_4(pool, c):
    """Fill the head of the fullest group from heads of the emptiest, while a whole zspage can be freed.  Returns the pages freed."""
    page = pool.page
    freed = 0
    target = int64(0)
    while can_free(pool, c) > 0:
        if target == 0:
            target = fullest(pool, c)
            if target == 0:
                break
            _take_off(pool, target)
        source = emptiest(pool, c)
        if source == 0:
            break
        _take_off(pool, source)
        s, index = (source << ROW_SHIFT) + SLOTS, int64(0)
        while page[source, INUSE] != 0 and not _is_full(pool, target):
            s, index = _next_object(pool, source, s, index)
            _move_object(pool, source, s, target)
            s, index = _slot_behind(pool, source, s), index + 1
        freed += _put_back(pool, source)
        if _is_full(pool, target):
            _put_back(pool, target)
            target = int64(0)
    if target != 0:
        _put_back(pool, target)
    return freed


@compiled(int64(pool_t, int64))
def compact(pool, budget):
    """Compact the whole pool, from the largest class down, however few pages were asked for: so does the original.  Pages freed."""
    num = pool.num
    start_operation(num)
    freed = 0
    for c in range(num[CLASSES_END] - CLASS_WIDTH, num[CLASSES_AT] - 1, -CLASS_WIDTH):
        if num[SECOND]:
            freed += _compact_class_6_1(pool, c)
        else:
            freed += _compact_class_6_4(pool, c)
    num[PAGES_COMPACTED] += freed
    num[COPIED] += num[OP_COPIED]
    settle(num)
    return freed
