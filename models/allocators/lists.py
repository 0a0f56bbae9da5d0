"""What the allocators share: list heads with a bitmap of the non-empty ones, lists with two ends, rows handed out and taken back.

A pool's `num` carries the bitmap behind the named scalars: num[SUMMARY] has one bit per word, num[WORDS + w] one bit
per list.  That finds the nearest non-empty list in a few instructions, however many lists there are (up to 64 * 64); how many
heads the original would have looked at is arithmetic on the two indices.

Row 0 of every table means "none": links start as zeros in untouched memory, and writing a link of row 0 does no harm.
"""

from __future__ import annotations

import numpy as np
from numba import int64
from numba.cpython.unsafe.numbers import leading_zeros, trailing_zeros

from models.allocators.pool import NUMBERS
from models.jit import uncounted

SUMMARY = NUMBERS
WORDS = NUMBERS + 1
MAX_LISTS = 64 * 64


def numbers_for(lists: int) -> int:
    """Length of a `num` with a bitmap for so many lists."""
    return WORDS + (lists + 63) // 64


@uncounted
def mark_list(num, i):
    """List i has become non-empty."""
    w = i >> 6
    num[WORDS + w] |= 1 << (i & 63)
    num[SUMMARY] |= 1 << w


@uncounted
def unmark_list(num, i):
    """List i has become empty."""
    w = i >> 6
    rest = num[WORDS + w] & ~(1 << (i & 63))
    num[WORDS + w] = rest
    if rest == 0:
        num[SUMMARY] &= ~(1 << w)


@uncounted
def lowest_list_from(num, i):
    """Lowest non-empty list at or above i, -1 if there is none; i must be a list."""
    w = i >> 6
    found = num[WORDS + w] & (-1 << (i & 63))
    if found == 0:
        above = num[SUMMARY] & (-2 << w)
        if above == 0:
            return -1
        w = trailing_zeros(above)
        found = num[WORDS + w]
    return (w << 6) + trailing_zeros(found)


@uncounted
def highest_list_to(num, i):
    """Highest non-empty list at or below i, -1 if there is none; i must be a list."""
    w = i >> 6
    found = num[WORDS + w] & ((2 << (i & 63)) - 1)
    if found == 0:
        below = num[SUMMARY] & ((1 << w) - 1)
        if below == 0:
            return -1
        w = 63 - leading_zeros(below)
        found = num[WORDS + w]
    return (w << 6) + 63 - leading_zeros(found)


# Lists with two ends and a count: of n lists, list i has head[i] its first row, head[n + i] its last, head[2 * n + i] their number.
# `table` links the rows through the columns `after` and `before`, and column `at` says which list a row is on.


@uncounted
def put_first(table, after, before, at, head, num, i, row):
    """Put a row at the head of list i."""
    n = head.shape[0] // 3
    old = head[i]
    table[row, after] = old
    table[row, before] = 0
    table[row, at] = i
    head[i] = row
    head[2 * n + i] += 1
    if old != 0:
        table[old, before] = row
    else:
        head[n + i] = row
        mark_list(num, i)


@uncounted
def put_last(table, after, before, at, head, num, i, row):
    """Put a row at the tail of list i."""
    n = head.shape[0] // 3
    old = head[n + i]
    table[row, after] = 0
    table[row, before] = old
    table[row, at] = i
    head[n + i] = row
    head[2 * n + i] += 1
    if old != 0:
        table[old, after] = row
    else:
        head[i] = row
        mark_list(num, i)


@uncounted
def take_out(table, after, before, at, head, num, row):
    """Take a row out of the list that it is on; column `at` keeps the list's number."""
    n = head.shape[0] // 3
    i = table[row, at]
    right, left = table[row, after], table[row, before]
    if right != 0:
        table[right, before] = left
    else:
        head[n + i] = left
    if left != 0:
        table[left, after] = right
    else:
        head[i] = right
        if right == 0:
            unmark_list(num, int64(i))
    head[2 * n + i] -= 1


@uncounted
def take_row(table, link, num, used, spare, limit):
    """A row of `table` from 1 to limit: one that came back (chained through column `link`), else a fresh one; 0 if all are taken.

    used, spare: indices in `num` of the count of rows ever handed out and of the last row that came back.
    """
    row = num[spare]
    if row != 0:
        num[spare] = table[row, link]
        return row
    if num[used] >= limit:
        return 0
    num[used] += 1
    return num[used]


@uncounted
def drop_row(table, link, num, spare, row):
    """Take a row back."""
    table[row, link] = num[spare]
    num[spare] = row


# Lists that are only taken from at the head, with a count: of n lists, list i has head[i] its first row and head[n + i] their number.


@uncounted
def push(table, after, before, head, num, i, row):
    """Put a row at the head of list i."""
    old = head[i]
    table[row, after] = old
    table[row, before] = 0
    table[old, before] = row
    head[i] = row
    head[(head.shape[0] >> 1) + i] += 1
    if old == 0:
        mark_list(num, i)


@uncounted
def unlink(table, after, before, head, num, i, row):
    """Take a row out of list i, on which it is."""
    right, left = table[row, after], table[row, before]
    table[right, before] = left
    if left != 0:
        table[left, after] = right
    else:
        head[i] = right
        if right == 0:
            unmark_list(num, i)
    head[(head.shape[0] >> 1) + i] -= 1


# A ring without a count: row 0 of `table` is its anchor, so that table[0, after] is the first row and table[0, before] the last one, and no
# end needs a test.  One ring a pair of columns.


@uncounted
def ring_first(table, after, before, row):
    """Put a row at the head of the ring."""
    old = table[0, after]
    table[row, after] = old
    table[row, before] = 0
    table[old, before] = row
    table[0, after] = row


@uncounted
def ring_out(table, after, before, row):
    """Take a row out of the ring."""
    right, left = table[row, after], table[row, before]
    table[left, after] = right
    table[right, before] = left


def table_of(rows: int, columns: int) -> np.ndarray:
    """A zeroed table whose first row begins a cache line, so that rows of 16, 32 or 64 bytes lie in one line each."""
    line = 16  # of int32
    room = np.zeros(rows * columns + line, np.int32)
    skip = -(room.ctypes.data // 4) % line
    return room[skip : skip + rows * columns].reshape(rows, columns)
