"""zsmalloc: size classes of zspages, chains of up to 16 single pages that objects may cross (Nitin Gupta, Seth Jennings, Minchan Kim).

Models drivers/staging/zsmalloc of Linux 3.6, mm/zsmalloc.c of 6.1, and that of 6.4 and later as found in 6.12.  The rules are told in
docs/allocators.md; the plain twin is tests/twins/zsmalloc.py; the size classes are made in models/allocators/zsmalloc_classes.py.

A row of `obj` is an object.  A zspage is a chain of rows of `page`, each one cache line: what it is and its first slots, then more slots.
Slots have their place in it once they were in use: they are handed out in ascending order, and only if none that came free is left, so
those never used need nothing.  A slot has a number, 16 times its row plus its column.  `head` has, for every slot size, where its class
begins; then the classes; then for each class the group of a zspage with 0, 1, 2 ... objects.

Helpers take the pool, which is one word in a call; an array is seven (*measured*: a fifth of the time).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64
from numba.cpython.unsafe.numbers import leading_zeros, trailing_zeros

from models.allocators.lists import drop_row, take_row
from models.allocators.pool import (
    COPIED,
    EINVAL,
    ENOMEM,
    ENOSPC,
    FIRST_OWN,
    FREE_BYTES,
    LOST_INSIDE,
    MAY_TAKE,
    META_INSIDE,
    META_OUTSIDE,
    MOVED,
    NUMBERS,
    OBJECTS,
    OP_COPIED,
    OP_WALKED,
    PAGE_SIZE,
    PAGES_RETURNED,
    PAGES_TAKEN,
    PAYLOAD,
    POOL_PAGES,
    WALKED,
    Allocator,
    Answers,
    Numbers,
    Objects,
    PoolArrays,
    always_exact,
    build_pool,
    no_compaction,
    pool_t,
)
from models.allocators.zsmalloc_classes import (
    CHAIN,
    HANDLE,
    MOST_PAGES,
    SMALLEST,
    STEP_3_6,
    STEPS,
    V3_6,
    V6_1,
    SizeClass,
    Version,
    size_classes,
    v6_12,
)
from models.errors import InputError
from models.jit import compiled, inlined

DESCRIPTOR_BYTES = 56  # of a zspage, outside it; 3.6 keeps it in struct page
CHAINS = range(4, 17)

# columns of obj; SLOT 0 = handle not in use, SIZE then links spare handles
SLOT, SIZE = 0, 1

# columns of page; a slot has the row of its object, or if it is free minus the next free one of its zspage
ZSPAGE, BASE, MORE = range(3)  # of every row
CLASS, INUSE, SERIAL, NEXT, PREV, FREE, TOP = range(3, 10)  # of a zspage's first row
# ZSPAGE: its first row; BASE: with a column added, the place of that slot in the zspage; MORE: its next row, links spare rows
# CLASS: where in head; SERIAL: of its first page; NEXT, PREV: neighbours in the list; FREE: slot to hand out next, 0 if it must be one
# never used; TOP: the highest slot ever used, in the last row
COLUMNS, ROW_SHIFT = 16, 4
SLOTS, MORE_SLOTS = 10, 3  # columns where slots begin, in the first row and in the others

# a class, from its place in head on
NUMBER, BYTES, PAGES, CAPACITY, HEADER, TABLE, ALLOCATED, USED, FILLED = range(9)
# BYTES: of a slot; CAPACITY: slots of a zspage; HEADER: bytes in front of an object; TABLE: where in head the groups are; ALLOCATED,
# USED: slots of all zspages, and those in use; FILLED: bit g is set if group g has a list that is not empty
COUNT = 9  # zspages by group
HEAD = 21  # first zspage of each group
CLASS_WIDTH = 33
# groups: 0 empty; then those with a list, 1 (the emptiest) to GROUPS; then full

# own numbers
GROUPS = FIRST_OWN
NOT_FOUND = FIRST_OWN + 1  # list heads that the original looks at if there is no room anywhere
SECOND = FIRST_OWN + 2  # 1: 6.1, a zspage with less than the first one in use becomes the second
TOO_LARGE = FIRST_OWN + 3  # errno
HANDLE_BYTES = FIRST_OWN + 4  # outside pages, an object
ZSPAGE_BYTES = FIRST_OWN + 5  # outside pages, a zspage
STEP_SHIFT = FIRST_OWN + 6  # of slot sizes
LAST_SLOT = FIRST_OWN + 7
ADDED = FIRST_OWN + 8  # bytes added to a request to find its slot
PAGE_SHIFT = FIRST_OWN + 9
CLASSES_AT = FIRST_OWN + 10  # in head
CLASSES_END = FIRST_OWN + 11
ZSPAGES = FIRST_OWN + 12
PAGES_COMPACTED = FIRST_OWN + 13
PAGE_LIMIT = FIRST_OWN + 14
ROWS_USED = FIRST_OWN + 15
ROW_SPARE = FIRST_OWN + 16
ROW_LIMIT = FIRST_OWN + 17
HANDLES_USED = FIRST_OWN + 18
HANDLE_SPARE = FIRST_OWN + 19
HANDLE_LIMIT = FIRST_OWN + 20


@inlined
def _start_operation(num):
    num[OP_WALKED] = 0
    num[OP_COPIED] = 0


@inlined
def _settle(num):
    """Bring the derived numbers of the tally up to date."""
    pages = num[PAGES_TAKEN] - num[PAGES_RETURNED]
    num[POOL_PAGES] = pages
    num[META_OUTSIDE] = num[OBJECTS] * num[HANDLE_BYTES] + num[ZSPAGES] * num[ZSPAGE_BYTES]
    num[FREE_BYTES] = pages * num[PAGE_SIZE] - num[PAYLOAD] - num[META_INSIDE] - num[LOST_INSIDE]
    num[WALKED] += num[OP_WALKED]


# --- the lists of a class ------------------------------------------------------------------------------------------------


@inlined
def _group(pool, z):
    """Group that a zspage belongs to."""
    page, head = pool.page, pool.head
    return int64(head[head[page[z, CLASS] + TABLE] + page[z, INUSE]])


@inlined
def _file(pool, z, g):
    """Put a zspage on the list of group g: first, or in 6.1 second if it holds less than the first.  Full ones are only counted."""
    page, head, num = pool.page, pool.head, pool.num
    c = int64(page[z, CLASS])
    if num[SECOND] and head[c + COUNT + g] != 0:
        num[OP_WALKED] += 1
    head[c + COUNT + g] += 1
    if g > num[GROUPS]:
        return
    first = int64(head[c + HEAD + g])
    if first != 0 and num[SECOND] and page[z, INUSE] < page[first, INUSE]:
        after = page[first, NEXT]
        page[first, NEXT] = z
        page[z, PREV] = first
    else:
        after = first
        head[c + HEAD + g] = z
        head[c + FILLED] |= 1 << g
        page[z, PREV] = 0
    page[z, NEXT] = after
    if after != 0:
        page[after, PREV] = z


@inlined
def _unfile(pool, z, g):
    """Take a zspage off the list of group g."""
    page, head, num = pool.page, pool.head, pool.num
    c = int64(page[z, CLASS])
    head[c + COUNT + g] -= 1
    if g > num[GROUPS]:
        return
    after, before = page[z, NEXT], page[z, PREV]
    if after != 0:
        page[after, PREV] = before
    if before != 0:
        page[before, NEXT] = after
    else:
        head[c + HEAD + g] = after
        if after == 0:
            head[c + FILLED] &= ~(1 << g)


@inlined
def _fullest(pool, c):
    """Head of the fullest group that is not full, 0 if there is none; the original looks at list after list."""
    head, num = pool.head, pool.num
    filled = int64(head[c + FILLED])
    if filled == 0:
        num[OP_WALKED] += num[GROUPS]
        return int64(0)
    g = 63 - leading_zeros(filled)
    num[OP_WALKED] += num[GROUPS] - g + 1
    return int64(head[c + HEAD + g])


@inlined
def _emptiest(pool, c):
    """Head of the emptiest group, 0 if there is none."""
    head, num = pool.head, pool.num
    filled = int64(head[c + FILLED])
    if filled == 0:
        num[OP_WALKED] += num[GROUPS]
        return int64(0)
    g = trailing_zeros(filled)
    num[OP_WALKED] += g
    return int64(head[c + HEAD + g])


# --- zspages and their slots ---------------------------------------------------------------------------------------------


@inlined
def _take_row(pool, z, base):
    """A row of zspage z (0: of a new one), whose column 0 would be slot `base`."""
    page, num = pool.page, pool.num
    row = int64(take_row(page, MORE, num, ROWS_USED, ROW_SPARE, num[ROW_LIMIT]))
    page[row, ZSPAGE] = z if z != 0 else row
    page[row, BASE] = base
    page[row, MORE] = 0
    return row


@inlined
def _new_zspage(pool, c):
    """A zspage without objects, on no list yet; 0 if one of its pages is refused: then the others go back."""
    page, head, num = pool.page, pool.head, pool.num
    pages = int64(head[c + PAGES])
    if num[MAY_TAKE] < pages or num[PAGES_TAKEN] - num[PAGES_RETURNED] + pages > num[PAGE_LIMIT]:
        return int64(0)
    z = _take_row(pool, 0, -SLOTS)
    page[z, CLASS] = c
    page[z, INUSE] = 0
    page[z, SERIAL] = num[PAGES_TAKEN]
    page[z, FREE] = 0
    page[z, TOP] = (z << ROW_SHIFT) + SLOTS - 1
    num[MAY_TAKE] -= pages
    num[PAGES_TAKEN] += pages
    num[ZSPAGES] += 1
    num[LOST_INSIDE] += (pages << num[PAGE_SHIFT]) - head[c + CAPACITY] * head[c + BYTES]
    head[c + ALLOCATED] += head[c + CAPACITY]
    return z


@inlined
def _return_zspage(pool, z):
    """Give the pages of an empty zspage, which is on no list, back to the VM, and its rows to the spare ones."""
    page, head, num = pool.page, pool.head, pool.num
    c = int64(page[z, CLASS])
    pages = int64(head[c + PAGES])
    page[page[z, TOP] >> ROW_SHIFT, MORE] = num[ROW_SPARE]
    num[ROW_SPARE] = z
    num[PAGES_RETURNED] += pages
    num[ZSPAGES] -= 1
    num[LOST_INSIDE] -= (pages << num[PAGE_SHIFT]) - head[c + CAPACITY] * head[c + BYTES]
    head[c + ALLOCATED] -= head[c + CAPACITY]


@inlined
def _never_used(pool, z):
    """The lowest slot that was never used; it has its place from here on."""
    page = pool.page
    s = int64(page[z, TOP])
    if s & (COLUMNS - 1) == COLUMNS - 1:
        last = s >> ROW_SHIFT
        row = _take_row(pool, z, page[last, BASE] + COLUMNS - MORE_SLOTS)
        page[last, MORE] = row
        s = (row << ROW_SHIFT) + MORE_SLOTS - 1
    page[z, TOP] = s + 1
    return s + 1


@inlined
def _put_in(pool, z, row):
    """Put an object into the slot that came free last, or else into the lowest that was never used."""
    obj, page = pool.obj, pool.page
    s = int64(page[z, FREE])
    if s != 0:
        page[z, FREE] = -page[s >> ROW_SHIFT, s & (COLUMNS - 1)]
    else:
        s = _never_used(pool, z)
    page[s >> ROW_SHIFT, s & (COLUMNS - 1)] = row
    obj[row, SLOT] = s
    page[z, INUSE] += 1


@inlined
def _empty_slot(pool, z, s):
    """Take an object out of its slot, which is the next to be handed out."""
    page = pool.page
    page[s >> ROW_SHIFT, s & (COLUMNS - 1)] = -page[z, FREE]
    page[z, FREE] = s
    page[z, INUSE] -= 1


# --- store and free ------------------------------------------------------------------------------------------------------


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL (6.12: -ENOSPC above a page) if the size is not allowed, -ENOMEM if there is no page."""
    obj, head, num = pool.obj, pool.head, pool.num
    _start_operation(num)
    if size < 1:
        return -EINVAL
    if size > num[PAGE_SIZE]:
        return -num[TOO_LARGE]
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -ENOMEM
    above = max(size + num[ADDED] - SMALLEST, 0)
    c = int64(head[min((above + (1 << num[STEP_SHIFT]) - 1) >> num[STEP_SHIFT], num[LAST_SLOT])])
    z = _fullest(pool, c)
    before = int64(0)
    if z != 0:
        before = _group(pool, z)
    else:
        num[OP_WALKED] = num[NOT_FOUND]
        z = _new_zspage(pool, c)
        if z == 0:
            _settle(num)
            return -ENOMEM
    row = int64(take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT]))
    _put_in(pool, z, row)
    obj[row, SIZE] = size
    now = _group(pool, z)
    if now != before:
        if before != 0:
            _unfile(pool, z, before)
        _file(pool, z, now)
    head[c + USED] += 1
    num[OBJECTS] += 1
    num[PAYLOAD] += size
    num[META_INSIDE] += head[c + HEADER]
    num[LOST_INSIDE] += head[c + BYTES] - head[c + HEADER] - size
    num[OP_COPIED] = size
    num[COPIED] += size
    _settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object; an empty zspage gives its pages back at once.  -EINVAL if the object is not live."""
    obj, page, head, num = pool.obj, pool.page, pool.head, pool.num
    _start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SLOT] == 0:
        return -EINVAL
    s, size = int64(obj[row, SLOT]), int64(obj[row, SIZE])
    z = int64(page[s >> ROW_SHIFT, ZSPAGE])
    c = int64(page[z, CLASS])
    before = _group(pool, z)
    _empty_slot(pool, z, s)
    obj[row, SLOT] = 0
    drop_row(obj, SIZE, num, HANDLE_SPARE, row)
    head[c + USED] -= 1
    num[OBJECTS] -= 1
    num[PAYLOAD] -= size
    num[META_INSIDE] -= head[c + HEADER]
    num[LOST_INSIDE] -= head[c + BYTES] - head[c + HEADER] - size
    now = _group(pool, z)
    if now != before:
        _unfile(pool, z, before)
        if now != 0:
            _file(pool, z, now)
        else:
            _return_zspage(pool, z)
    _settle(num)
    return 0


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset of a live object's slot; it may go on in the zspage's next page."""
    obj, page, head, num = pool.obj, pool.page, pool.head, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SLOT] == 0:
        return -EINVAL
    s = int64(obj[row, SLOT])
    z = int64(page[s >> ROW_SHIFT, ZSPAGE])
    start = (page[s >> ROW_SHIFT, BASE] + (s & (COLUMNS - 1))) * head[page[z, CLASS] + BYTES]
    out[0] = page[z, SERIAL] + (start >> num[PAGE_SHIFT])
    out[1] = start & (num[PAGE_SIZE] - 1)
    return 1


# --- compaction ----------------------------------------------------------------------------------------------------------


@inlined
def _can_free(pool, c):
    """Pages that a compaction of this class could free."""
    head = pool.head
    unused = int64(head[c + ALLOCATED] - head[c + USED])
    return unused // head[c + CAPACITY] * head[c + PAGES]


@compiled(int64(pool_t))
def compactable(pool):
    """Pages that a compaction could free: what the original's shrinker reports as its count."""
    num = pool.num
    pages = 0
    for c in range(num[CLASSES_AT], num[CLASSES_END], CLASS_WIDTH):
        pages += _can_free(pool, c)
    return pages


@inlined
def _move_object(pool, source, s, target):
    """Move the object of a slot into another zspage: its whole slot is copied."""
    page, head, num = pool.page, pool.head, pool.num
    row = int64(page[s >> ROW_SHIFT, s & (COLUMNS - 1)])
    _empty_slot(pool, source, s)
    _put_in(pool, target, row)
    num[OP_COPIED] += head[page[target, CLASS] + BYTES]
    num[MOVED] += 1


@inlined
def _take_off(pool, z):
    """Take a zspage off its list."""
    _unfile(pool, z, _group(pool, z))


@inlined
def _put_back(pool, z):
    """File a zspage that was taken off its list, or give it back if it is empty; returns the pages given back."""
    page, head = pool.page, pool.head
    g = _group(pool, z)
    if g != 0:
        _file(pool, z, g)
        return int64(0)
    pages = int64(head[page[z, CLASS] + PAGES])
    _return_zspage(pool, z)
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
        source = _emptiest(pool, c)
        if source == 0:
            return freed
        _take_off(pool, source)
        if _can_free(pool, c) == 0:
            _put_back(pool, source)
            return freed
        s, index = (source << ROW_SHIFT) + SLOTS, int64(0)
        while True:
            target = _fullest(pool, c)
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
    while _can_free(pool, c) > 0:
        if target == 0:
            target = _fullest(pool, c)
            if target == 0:
                break
            _take_off(pool, target)
        source = _emptiest(pool, c)
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
    _start_operation(num)
    freed = 0
    for c in range(num[CLASSES_END] - CLASS_WIDTH, num[CLASSES_AT] - 1, -CLASS_WIDTH):
        if num[SECOND]:
            freed += _compact_class_6_1(pool, c)
        else:
            freed += _compact_class_6_4(pool, c)
    num[PAGES_COMPACTED] += freed
    num[COPIED] += num[OP_COPIED]
    _settle(num)
    return freed


# --- making a pool -------------------------------------------------------------------------------------------------------


def quarters(least: int, objects: int) -> list[int]:
    """Group of a zspage with 0, 1, ... objects, up to 6.1: "almost empty" up to so many quarters, then "almost full", then full."""
    partial = [1 if inuse <= least * objects // 4 else 2 for inuse in range(1, objects)]
    return [0, *partial, 3]


def tenths(objects: int) -> list[int]:
    """The same from 6.4 on: by tenths of what it can hold."""
    return [0, *(100 * inuse // objects // 10 + 1 for inuse in range(1, objects)), 11]


def slots_at_most(classes: list[SizeClass], max_pages: int, max_objects: int) -> int:
    """Slots of all zspages that there can ever be at the same time.

    A class takes a zspage only when all it has are full, so it never has more slots than objects can be, and one zspage; and
    as an empty zspage is given back, it has at most `capacity` times its live objects.  Shared out to the classes where they count most:
    """
    total, left = 0, max_objects
    for made in sorted(classes, key=lambda made: -made.objects):
        most = max_objects + made.objects
        live = min(left, -(-most // made.objects))
        total += min(most, live * made.objects)
        left -= live
    return min(total, max_pages * max(-(-made.objects // made.pages) for made in classes))


def rows_at_most(slots: int, max_pages: int, max_objects: int) -> int:
    """Rows for so many slots: one a zspage with its first 6, and if it has n more, (n + 12) // 13, at most an eighth of all."""
    return min(min(max_pages, max_objects) + slots // 8, (1 << 31 - ROW_SHIFT) - 2)


def _in_cache_lines(rows: int) -> np.ndarray:
    """A zeroed table of rows of 64 bytes, each in one cache line."""
    line = COLUMNS * 4
    reserve = np.zeros((rows + 1) * COLUMNS, np.int32)
    start = -reserve.ctypes.data % line // 4
    return reserve[start : start + rows * COLUMNS].reshape(rows, COLUMNS)


def _build(
    version: Version,
    groups: list[list[int]],
    classes: list[SizeClass],
    position: list[int],
    page_size: int,
    max_pages: int,
    max_objects: int,
    own: dict[int, int],
) -> PoolArrays:
    """The pool's arrays, with `head` filled in."""
    if page_size not in (4096, 8192, 16384, 32768, 65536):
        raise InputError(f"zsmalloc: pages of {page_size} bytes; known are 4, 8, 16, 32 and 64 KiB")
    start = len(position)
    tables = start + CLASS_WIDTH * len(classes)
    head = np.zeros(tables + sum(map(len, groups)), np.int32)
    head[:start] = [start + CLASS_WIDTH * at for at in position]
    at = tables
    for i, (made, group) in enumerate(zip(classes, groups, strict=True)):
        c = start + CLASS_WIDTH * i
        header = 0 if made.huge else version.handle
        head[c : c + ALLOCATED] = made.index, made.size, made.pages, made.objects, header, at
        head[at : at + len(group)] = group
        at += len(group)
    num = np.zeros(NUMBERS, np.int64)
    step = page_size // STEPS if version.merge else STEP_3_6
    rows = rows_at_most(slots_at_most(classes, max_pages, max_objects), max_pages, max_objects)
    numbers = {
        PAGE_SIZE: page_size,
        PAGE_SHIFT: page_size.bit_length() - 1,
        STEP_SHIFT: step.bit_length() - 1,
        ADDED: version.handle,
        LAST_SLOT: start - 1,
        CLASSES_AT: start,
        CLASSES_END: tables,
        PAGE_LIMIT: max_pages,
        HANDLE_LIMIT: max_objects,
        ROW_LIMIT: rows,
        **own,
    }
    for index, value in numbers.items():
        num[index] = value
    return build_pool(
        np.zeros((max_objects + 1, 2), np.int32),
        _in_cache_lines(rows + 1),
        np.zeros((1, 1), np.int32),
        head,
        num,
    )


def create(
    page_size: int, max_pages: int, max_objects: int, *, version: str = "v6.12", chain: int | str = "auto", may_take: int = 0
) -> PoolArrays:
    """An empty pool of 6.1, or of 6.4 and later (as of 6.12); takes no page before the first `alloc`."""
    if version not in ("v6.1", "v6.12") or not (chain == "auto" or (isinstance(chain, int) and chain in CHAINS)):
        raise InputError(f"zsmalloc: version {version!r}, chain {chain!r}; known are v6.1, v6.12; auto and 4 to 16")
    old = version == "v6.1"
    if old and chain not in ("auto", MOST_PAGES):
        raise InputError(f"zsmalloc: chain {chain} with version v6.1, which always has zspages of up to {MOST_PAGES} pages")
    made = V6_1 if old else v6_12(CHAIN if chain == "auto" else int(chain))
    classes, position = size_classes(made, page_size)
    groups = [quarters(3, one.objects) if old else tenths(one.objects) for one in classes]
    own = {
        MAY_TAKE: may_take,
        GROUPS: 2 if old else 10,
        NOT_FOUND: 3 if old else 11,
        SECOND: int(old),
        TOO_LARGE: EINVAL if old else ENOSPC,
        HANDLE_BYTES: HANDLE,
        ZSPAGE_BYTES: DESCRIPTOR_BYTES,
    }
    return _build(made, groups, classes, position, page_size, max_pages, max_objects, own)


def create_3_6(page_size: int, max_pages: int, max_objects: int, *, may_take: int = 0) -> PoolArrays:
    """An empty pool of 3.6."""
    classes, position = size_classes(V3_6, page_size)
    groups = [quarters(1, made.objects) for made in classes]
    own = {MAY_TAKE: may_take, GROUPS: 2, NOT_FOUND: 2, TOO_LARGE: EINVAL}
    return _build(V3_6, groups, classes, position, page_size, max_pages, max_objects, own)


# --- what the originals report -------------------------------------------------------------------------------------------


def class_rows(arrays: PoolArrays) -> list[dict[str, Any]]:
    """Every class, in ascending order, as /sys/kernel/debug/zsmalloc/POOL/classes has it; "groups" are the emptiest to the full zspages."""
    head, num = arrays.head, arrays.num
    groups = int(num[GROUPS])
    rows = head[num[CLASSES_AT] : num[CLASSES_END]].reshape(-1, CLASS_WIDTH).tolist()
    return [
        {
            "class": row[NUMBER],
            "size": row[BYTES],
            "groups": row[COUNT + 1 : COUNT + groups + 2],
            "obj_allocated": row[ALLOCATED],
            "obj_used": row[USED],
            "pages_used": row[ALLOCATED] // row[CAPACITY] * row[PAGES],
            "pages_per_zspage": row[PAGES],
            "freeable": (row[ALLOCATED] - row[USED]) // row[CAPACITY] * row[PAGES],
        }
        for row in rows
    ]


def counters(arrays: PoolArrays) -> dict[str, int]:
    """The totals of that table, and how many pages compaction has freed so far."""
    rows = class_rows(arrays)
    totals = {name: sum(row[name] for row in rows) for name in ("obj_allocated", "obj_used", "pages_used", "freeable")}
    return {**totals, "pages_compacted": int(arrays.num[PAGES_COMPACTED])}


def counters_3_6(arrays: PoolArrays) -> dict[str, int]:
    """Of 3.6, which counts pages only."""
    return {"live": int(arrays.num[POOL_PAGES])}


def _title(page_size: int, options: dict[str, Any]) -> str:
    if options.get("version") == "v6.1":
        return "zsmalloc, Linux 6.1.192 (Debian 6.1.192-2), max 4 pages per zspage"
    chain = options.get("chain", "auto")
    return f"zsmalloc, Linux 6.12.117 (Debian 6.12.117-1~deb12u1), chain size {CHAIN if chain == 'auto' else chain}"


def _title_3_6(page_size: int, options: dict[str, Any]) -> str:
    return "staging zsmalloc, Linux 3.6, 64-bit"


def _statistics(arrays: PoolArrays) -> list[str]:
    def line(row: dict[str, Any]) -> str:
        start = [row[name] for name in ("class", "size", "obj_allocated", "obj_used", "pages_used")]
        return " ".join(map(str, ["k", *start, *row["groups"], row["freeable"]]))

    return [f"s {int(arrays.num[POOL_PAGES])}", *(line(row) for row in class_rows(arrays) if row["obj_allocated"])]


def _compact(arrays: PoolArrays) -> list[str]:
    estimate = compactable(arrays.pool)
    return [f"c {compact(arrays.pool, estimate)} {estimate}"]


def _reclaim(arrays: PoolArrays, objects: Objects, pages: int) -> list[str]:
    return ["r -1 0"]


ZSMALLOC = Allocator(
    create,
    alloc,
    free,
    compact,
    blocks,
    always_exact,
    counters,
    answers=Answers(_title, statistics=_statistics, compact=_compact, reclaim=_reclaim),
)
ZSMALLOC_3_6 = Allocator(
    create_3_6, alloc, free, no_compaction, blocks, always_exact, counters_3_6, answers=Answers(_title_3_6, errno=False)
)
