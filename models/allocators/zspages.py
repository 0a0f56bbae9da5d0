"""Zspages of zsmalloc: the classes of a pool, the lists of a class, the slots of a zspage.

A row of `obj` is an object.  A zspage is a chain of rows of `page`, each one cache line: what it is and its first slots, then more slots.
Slots have their place in it once they were in use: they are handed out in ascending order, and only if none that came free is left, so
those never used need nothing.  A slot has a number, 16 times its row plus its column.  `head` has, for every slot size, where its class
begins; then the classes; then for each class the group of a zspage with 0, 1, 2 ... objects.

Functions take the pool, which is one word in a call; an array is seven (*measured*: a fifth of the time).
"""

from __future__ import annotations

import numpy as np
from numba import int64
from numba.cpython.unsafe.numbers import leading_zeros, trailing_zeros

from models.allocators.lists import take_row
from models.allocators.pool import (
    FIRST_OWN,
    FREE_BYTES,
    LOST_INSIDE,
    MAY_TAKE,
    META_INSIDE,
    META_OUTSIDE,
    OBJECTS,
    OP_WALKED,
    PAGE_SIZE,
    PAGES_RETURNED,
    PAGES_TAKEN,
    PAYLOAD,
    POOL_PAGES,
    WALKED,
)
from models.jit import inlined

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
POOLS = FIRST_OWN + 21  # independent sets of classes, one of which the object's number selects
POOL_WIDTH = FIRST_OWN + 22  # of one set in head


@inlined
def settle(num):
    """Bring the derived numbers of the tally up to date."""
    pages = num[PAGES_TAKEN] - num[PAGES_RETURNED]
    num[POOL_PAGES] = pages
    num[META_OUTSIDE] = num[OBJECTS] * num[HANDLE_BYTES] + num[ZSPAGES] * num[ZSPAGE_BYTES]
    num[FREE_BYTES] = pages * num[PAGE_SIZE] - num[PAYLOAD] - num[META_INSIDE] - num[LOST_INSIDE]
    num[WALKED] += num[OP_WALKED]


# --- the lists of a class ------------------------------------------------------------------------------------------------


@inlined
def group_of(pool, z):
    """Group that a zspage belongs to."""
    page, head = pool.page, pool.head
    return int64(head[head[page[z, CLASS] + TABLE] + page[z, INUSE]])


@inlined
def file_zspage(pool, z, g):
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
def unfile_zspage(pool, z, g):
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
def fullest(pool, c):
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
def emptiest(pool, c):
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
def new_zspage(pool, c):
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
def return_zspage(pool, z):
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
def put_in(pool, z, row):
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
def empty_slot(pool, z, s):
    """Take an object out of its slot, which is the next to be handed out."""
    page = pool.page
    page[s >> ROW_SHIFT, s & (COLUMNS - 1)] = -page[z, FREE]
    page[z, FREE] = s
    page[z, INUSE] -= 1


@inlined
def can_free(pool, c):
    """Pages that a compaction of this class could free."""
    head = pool.head
    unused = int64(head[c + ALLOCATED] - head[c + USED])
    return unused // head[c + CAPACITY] * head[c + PAGES]


# --- how many rows there can be ----------------------------------------------------------------------------------------


def rows_at_most(slots: int, max_pages: int, max_objects: int) -> int:
    """Rows for so many slots: one a zspage with its first 6, and if it has n more, (n + 12) // 13, at most an eighth of all."""
    return min(min(max_pages, max_objects) + slots // 8, (1 << 31 - ROW_SHIFT) - 2)


def in_cache_lines(rows: int) -> np.ndarray:
    """A zeroed table of rows of 64 bytes, each in one cache line."""
    line = COLUMNS * 4
    reserve = np.zeros((rows + 1) * COLUMNS, np.int32)
    start = -reserve.ctypes.data % line // 4
    return reserve[start : start + rows * COLUMNS].reshape(rows, COLUMNS)
