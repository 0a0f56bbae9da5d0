"""The chunk allocator of the first compressed cache: byte-exact chunks, which may lie in different pages (Nitin Gupta, 2006-07).

Models what the design mails of linuxcompressed (2006) tell; the paper's text (OLS 2007) could not be had.  Choices where they are
silent are marked in docs/allocators.md; the plain twin is tests/twins/chunked.py.

A row of `block` is a chunk, free or used.  The master list, which orders all chunks as they lie in memory, is LEFT and RIGHT:
it is only ever followed inside a page.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.lists import MAX_LISTS, drop_row, highest_list_to, lowest_list_from, mark_list, numbers_for, take_row, unmark_list
from models.allocators.pool import (
    COPY_ON_LOAD,
    EINVAL,
    ENOMEM,
    FIRST_OWN,
    MAY_TAKE,
    META_OUTSIDE,
    OBJECTS,
    OP_WALKED,
    PAGE_SIZE,
    PAGES_RETURNED,
    PAGES_TAKEN,
    Allocator,
    Answers,
    Numbers,
    PoolArrays,
    always_exact,
    build_pool,
    no_compaction,
    pool_t,
)
from models.allocators.tally import count_free, count_store, settle, start_operation
from models.errors import InputError
from models.jit import compiled, inlined

# a chunk: start, size, next of its page, two links of the master list.  A head: flags, use count, first chunk, two links of the LRU
CHUNK_BYTES = {32: 20, 64: 40}
HEAD_BYTES = {32: 20, 64: 40}

# columns of obj; FIRST 0 = handle not in use, SIZE then links spare handles
FIRST, SIZE = 0, 1

# columns of block; row 0 in a link = none; NEXT links spare rows
PAGE, OFFSET, BYTES, STATE, NEXT, PREV, LEFT, RIGHT = range(8)
# PAGE: serial; NEXT, PREV: neighbours in the free list, or in the object; LEFT, RIGHT: neighbours in the page
FREE, USED = 1, 2

# own numbers
CHUNKS = FIRST_OWN  # free and used
CHUNK_LIMIT = FIRST_OWN + 1
CHUNK_SIZE = FIRST_OWN + 2  # of the structures outside the pages
HEAD_SIZE = FIRST_OWN + 3
ROWS_USED = FIRST_OWN + 4
ROW_SPARE = FIRST_OWN + 5
PAGE_LIMIT = FIRST_OWN + 6
HANDLES_USED = FIRST_OWN + 7
HANDLE_SPARE = FIRST_OWN + 8
HANDLE_LIMIT = FIRST_OWN + 9
MOST = FIRST_OWN + 10  # chunks of an object
LISTS = FIRST_OWN + 11
GRAIN = FIRST_OWN + 12  # distance between two lists, in bytes


@inlined
def _settle(num):
    num[META_OUTSIDE] = num[CHUNKS] * num[CHUNK_SIZE] + num[OBJECTS] * num[HEAD_SIZE]
    settle(num)


@inlined
def _list_of(num, size):
    """The list of a free chunk of this size: rounded down, the first one for all that are smaller than its distance."""
    return max(int64(size) // num[GRAIN] - 1, 0)


@inlined
def _push(block, head, num, b):
    """A free chunk becomes the head of its list."""
    i = _list_of(num, block[b, BYTES])
    old = head[i]
    block[b, STATE] = FREE
    block[b, NEXT] = old
    block[b, PREV] = 0
    block[old, PREV] = b
    head[i] = b
    if old == 0:
        mark_list(num, i)


@inlined
def _unlink(block, head, num, b):
    """Take a free chunk out of its list."""
    i = _list_of(num, block[b, BYTES])
    after, before = block[b, NEXT], block[b, PREV]
    block[after, PREV] = before
    if before != 0:
        block[before, NEXT] = after
    else:
        head[i] = after
        if after == 0:
            unmark_list(num, i)


@inlined
def _fitting(head, num, size):
    """The head of the first list from the size, rounded up, on; 0 if all are empty."""
    num[OP_WALKED] += 1
    i = lowest_list_from(num, (size + num[GRAIN] - 1) // num[GRAIN] - 1)
    return int64(0) if i < 0 else int64(head[i])


@inlined
def _largest(head, num):
    """The head of the last list that is not empty; 0 if all are."""
    num[OP_WALKED] += 1
    i = highest_list_to(num, num[LISTS] - 1)
    return int64(0) if i < 0 else int64(head[i])


@inlined
def _new_chunk(block, num):
    num[CHUNKS] += 1
    return int64(take_row(block, NEXT, num, ROWS_USED, ROW_SPARE, num[CHUNK_LIMIT]))


@inlined
def _drop_chunk(block, num, b):
    num[CHUNKS] -= 1
    block[b, STATE] = 0
    drop_row(block, NEXT, num, ROW_SPARE, b)


@inlined
def _grow(block, head, num):
    """Take a page: one free chunk, or 0 if it is refused."""
    if num[MAY_TAKE] <= 0 or num[PAGES_TAKEN] - num[PAGES_RETURNED] >= num[PAGE_LIMIT]:
        return int64(0)
    b = _new_chunk(block, num)
    block[b, PAGE] = num[PAGES_TAKEN]
    block[b, OFFSET] = 0
    block[b, BYTES] = num[PAGE_SIZE]
    block[b, LEFT] = 0
    block[b, RIGHT] = 0
    num[MAY_TAKE] -= 1
    num[PAGES_TAKEN] += 1
    _push(block, head, num, b)
    return b


@inlined
def _choose(block, head, num, left, number):
    """A free chunk for the bytes that are left: one that holds them all, else the largest, if more may follow, else a new page; or 0."""
    b = _fitting(head, num, left)
    if b == 0 and number < num[MOST]:
        b = _largest(head, num)
    if b == 0:
        b = _grow(block, head, num)
    return b


@inlined
def _cut(block, num, b, size):
    """Cut a chunk that is on no list to `size` bytes; returns the rest, on no list either."""
    rest, right = _new_chunk(block, num), int64(block[b, RIGHT])
    block[rest, PAGE] = block[b, PAGE]
    block[rest, OFFSET] = block[b, OFFSET] + size
    block[rest, BYTES] = block[b, BYTES] - size
    block[rest, LEFT] = b
    block[rest, RIGHT] = right
    block[right, LEFT] = rest
    block[b, RIGHT] = rest
    block[b, BYTES] = size
    return rest


@inlined
def _take_chunks(block, head, num, size):
    """Chunks for `size` bytes, chained, out of their lists; the first one, or 0 and the lists as they were."""
    first, last, left, number = int64(0), int64(0), int64(size), 1
    while left > 0:
        b = _choose(block, head, num, left, number)
        if b == 0:
            while last != 0:
                before = int64(block[last, PREV])
                _push(block, head, num, last)
                last = before
            return int64(0)
        _unlink(block, head, num, b)
        if block[b, BYTES] > left:
            _push(block, head, num, _cut(block, num, b, left))
        block[b, STATE] = USED
        block[b, NEXT] = 0
        block[b, PREV] = last
        if last != 0:
            block[last, NEXT] = b
        else:
            first = b
        last = b
        left -= block[b, BYTES]
        number += 1
    return first


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL if no page could hold them, -ENOMEM if there is no page."""
    obj, block, head, num = pool.obj, pool.block, pool.head, pool.num
    start_operation(num)
    if size < 1 or size > num[PAGE_SIZE]:
        return -EINVAL
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -ENOMEM
    first = _take_chunks(block, head, num, size)
    if first == 0:
        _settle(num)
        return -ENOMEM
    row = int64(take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT]))
    obj[row, FIRST] = first
    obj[row, SIZE] = size
    count_store(num, size)
    _settle(num)
    return row - 1


@inlined
def _release(block, head, num, b):
    """Free one chunk: merge it with free neighbours; a page that is one free chunk goes back to the VM, unless it is the last."""
    left, right = int64(block[b, LEFT]), int64(block[b, RIGHT])
    num[OP_WALKED] += (left != 0) + (right != 0)
    if block[left, STATE] == FREE:
        _unlink(block, head, num, left)
        block[left, BYTES] += block[b, BYTES]
        _drop_chunk(block, num, b)
        b = left
    if block[right, STATE] == FREE:
        _unlink(block, head, num, right)
        block[b, BYTES] += block[right, BYTES]
        beyond = int64(block[right, RIGHT])
        _drop_chunk(block, num, right)
        right = beyond
    block[b, RIGHT] = right
    block[right, LEFT] = b
    if block[b, BYTES] == num[PAGE_SIZE] and num[PAGES_TAKEN] - num[PAGES_RETURNED] > 1:
        _drop_chunk(block, num, b)
        num[PAGES_RETURNED] += 1
    else:
        _push(block, head, num, b)


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object's chunks, the first one first; -EINVAL if it is not live."""
    obj, block, head, num = pool.obj, pool.block, pool.head, pool.num
    start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, FIRST] == 0:
        return -EINVAL
    size = int64(obj[row, SIZE])
    b = int64(obj[row, FIRST])
    while b != 0:
        after = int64(block[b, NEXT])
        _release(block, head, num, b)
        b = after
    obj[row, FIRST] = 0
    drop_row(obj, SIZE, num, HANDLE_SPARE, row)
    count_free(num, size)
    _settle(num)
    return 0


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset of each chunk of a live object, of as many as there is room for; returns how many it has."""
    obj, block, num = pool.obj, pool.block, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, FIRST] == 0:
        return -EINVAL
    n = 0
    b = int64(obj[row, FIRST])
    while b != 0:
        if 2 * n + 1 < out.shape[0]:
            out[2 * n] = block[b, PAGE]
            out[2 * n + 1] = block[b, OFFSET]
        n += 1
        b = int64(block[b, NEXT])
    return n


@compiled(int64(pool_t))
def _start(pool):
    """A new store has one page, if it may."""
    block, head, num = pool.block, pool.head, pool.num
    _grow(block, head, num)
    _settle(num)
    return 0


def create(page_size: int, max_pages: int, max_objects: int, *, header: int = 64, most: int = 4, may_take: int = 0) -> PoolArrays:
    """An empty pool of one page, if `may_take` allows it.

    Free chunks never touch each other, so a page holds at most one more of them than used ones: that bounds the chunks.
    """
    if page_size < 1 or header not in CHUNK_BYTES or most < 1:
        raise InputError(
            f"chunked: pages of {page_size} bytes, header {header!r}, most {most!r}; known are 32 and 64, and 1 and more chunks"
        )
    grain = -(-page_size // MAX_LISTS)
    if page_size % grain:
        raise InputError(f"chunked: pages of {page_size} bytes; above {MAX_LISTS} a multiple of {grain} is needed")
    chunks = min(2 * most * max_objects + max_pages, max_pages * page_size) + 1
    lists = page_size // grain
    num = np.zeros(numbers_for(lists), np.int64)
    num[PAGE_SIZE] = page_size
    num[COPY_ON_LOAD] = 1
    num[MAY_TAKE] = may_take
    num[CHUNK_LIMIT] = chunks
    num[CHUNK_SIZE] = CHUNK_BYTES[header]
    num[HEAD_SIZE] = HEAD_BYTES[header]
    num[PAGE_LIMIT] = max_pages
    num[HANDLE_LIMIT] = max_objects
    num[MOST] = most
    num[LISTS] = lists
    num[GRAIN] = grain
    arrays = build_pool(
        np.zeros((max_objects + 1, 2), np.int32),
        np.zeros((1, 1), np.int32),
        np.zeros((chunks + 1, 8), np.int32),
        np.zeros(lists, np.int32),
        num,
    )
    _start(arrays.pool)
    return arrays


def counters(arrays: PoolArrays) -> dict[str, int]:
    """Chunks, free and used."""
    return {"chunks": int(arrays.num[CHUNKS])}


def _title(page_size: int, options: dict[str, Any]) -> str:
    return f"chunk allocator of 2006, {options.get('header', 64)}-bit"


CHUNKED = Allocator(create, alloc, free, no_compaction, blocks, always_exact, counters, answers=Answers(_title, errno=False))
