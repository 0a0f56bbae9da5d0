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

from models.allocators.lists import drop_row, take_row
from models.allocators.pool import (
    COPY_ON_LOAD,
    EINVAL,
    ENOMEM,
    FIRST_OWN,
    FREE_BYTES,
    MAY_TAKE,
    META_OUTSIDE,
    NUMBERS,
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
CHUNKS_PER_OBJECT = 16  # how many the tables have room for, on average

# columns of obj; FIRST 0 = handle not in use, SIZE then links spare handles
FIRST, SIZE = 0, 1

# columns of block; row 0 in a link = none; NEXT links spare rows
PAGE, OFFSET, BYTES, STATE, NEXT, PREV, LEFT, RIGHT = range(8)
# PAGE: serial; NEXT, PREV: neighbours in the free list, or NEXT: the next chunk of the object; LEFT, RIGHT: neighbours in the page
FREE, USED = 1, 2

# head: both ends of the free list
HEAD, TAIL = 0, 1

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


@inlined
def _settle(num):
    num[META_OUTSIDE] = num[CHUNKS] * num[CHUNK_SIZE] + num[OBJECTS] * num[HEAD_SIZE]
    settle(num)


@inlined
def _push(block, head, b):
    """A free chunk becomes the head of the free list."""
    old = head[HEAD]
    block[b, STATE] = FREE
    block[b, NEXT] = old
    block[b, PREV] = 0
    head[HEAD] = b
    if old != 0:
        block[old, PREV] = b
    else:
        head[TAIL] = b


@inlined
def _append(block, head, b):
    """A free chunk becomes the tail of the free list."""
    old = head[TAIL]
    block[b, STATE] = FREE
    block[b, NEXT] = 0
    block[b, PREV] = old
    head[TAIL] = b
    if old != 0:
        block[old, NEXT] = b
    else:
        head[HEAD] = b


@inlined
def _unlink(block, head, b):
    """Take a chunk out of the free list."""
    after, before = block[b, NEXT], block[b, PREV]
    if after != 0:
        block[after, PREV] = before
    else:
        head[TAIL] = before
    if before != 0:
        block[before, NEXT] = after
    else:
        head[HEAD] = after


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
    """Take a page: one free chunk, used after all others.  1, or 0 if it is refused."""
    if num[MAY_TAKE] <= 0 or num[PAGES_TAKEN] - num[PAGES_RETURNED] >= num[PAGE_LIMIT]:
        return 0
    b = _new_chunk(block, num)
    block[b, PAGE] = num[PAGES_TAKEN]
    block[b, OFFSET] = 0
    block[b, BYTES] = num[PAGE_SIZE]
    block[b, LEFT] = 0
    block[b, RIGHT] = 0
    num[MAY_TAKE] -= 1
    num[PAGES_TAKEN] += 1
    _append(block, head, b)
    return 1


@inlined
def _cut(block, num, b, size):
    """Cut the first `size` bytes off a free chunk, which keeps its place in the free list; returns the new chunk."""
    new, left = _new_chunk(block, num), int64(block[b, LEFT])
    block[new, PAGE] = block[b, PAGE]
    block[new, OFFSET] = block[b, OFFSET]
    block[new, BYTES] = size
    block[new, LEFT] = left
    block[new, RIGHT] = b
    block[left, RIGHT] = new
    block[b, LEFT] = new
    block[b, OFFSET] += size
    block[b, BYTES] -= size
    return new


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL if no page could hold them, -ENOMEM if there is no page."""
    obj, block, head, num = pool.obj, pool.block, pool.head, pool.num
    start_operation(num)
    if size < 1 or size > num[PAGE_SIZE]:
        return -EINVAL
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -ENOMEM
    if num[CHUNKS] + 2 > num[CHUNK_LIMIT]:
        return -ENOMEM
    if num[FREE_BYTES] < size and _grow(block, head, num) == 0:
        return -ENOMEM
    row = int64(take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT]))
    left, last = size, int64(0)
    while left > 0:
        b = int64(head[HEAD])
        num[OP_WALKED] += 1
        if block[b, BYTES] > left:
            b = _cut(block, num, b, left)
        else:
            _unlink(block, head, b)
        block[b, STATE] = USED
        block[b, NEXT] = 0
        if last != 0:
            block[last, NEXT] = b
        else:
            obj[row, FIRST] = b
        last = b
        left -= block[b, BYTES]
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
        _unlink(block, head, left)
        block[left, BYTES] += block[b, BYTES]
        _drop_chunk(block, num, b)
        b = left
    if block[right, STATE] == FREE:
        _unlink(block, head, right)
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
        _push(block, head, b)


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


def create(page_size: int, max_pages: int, max_objects: int, *, header: int = 64, may_take: int = 0) -> PoolArrays:
    """An empty pool of one page, if `may_take` allows it."""
    if page_size < 1 or header not in CHUNK_BYTES:
        raise InputError(f"chunked: pages of {page_size} bytes, header {header!r}; known are 32 and 64")
    chunks = min(CHUNKS_PER_OBJECT * max_objects + max_pages, max_pages * page_size) + 2
    num = np.zeros(NUMBERS, np.int64)
    num[PAGE_SIZE] = page_size
    num[COPY_ON_LOAD] = 1
    num[MAY_TAKE] = may_take
    num[CHUNK_LIMIT] = chunks
    num[CHUNK_SIZE] = CHUNK_BYTES[header]
    num[HEAD_SIZE] = HEAD_BYTES[header]
    num[PAGE_LIMIT] = max_pages
    num[HANDLE_LIMIT] = max_objects
    arrays = build_pool(
        np.zeros((max_objects + 1, 2), np.int32),
        np.zeros((1, 1), np.int32),
        np.zeros((chunks + 1, 8), np.int32),
        np.zeros(2, np.int32),
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
