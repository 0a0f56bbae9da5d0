"""A binary buddy allocator of one's own: a plug-in for mempress, explained in docs/write-an-allocator.md.

A page is halved until a piece just holds the object; a piece that comes free merges with its other half.  Row b of `block` is the piece
that begins at one 64-byte chunk of one page, 1 + page * chunks + chunk; list i holds the free pieces of 64 << i bytes.
"""

import numpy as np
from numba import int64

from models.allocators import pool as p
from models.allocators.lists import drop_row, lowest_list_from, numbers_for, put_first, take_out, take_row
from models.allocators.pool import Allocator, Answers, Numbers, always_exact, build_pool, no_compaction, pool_t
from models.errors import InputError
from models.jit import compiled, inlined

BUDDY = {"target": "RECORD", "doc": "binary buddies in single pages, 64 bytes and up", "source": "an example; Knowlton, CACM 8(10), 1965"}

BLOCK, SIZE = 0, 1  # columns of obj: its piece (0 = handle not in use) and its size, which links spare handles
SERIAL, SPARE = 0, 1  # columns of page
NEXT, PREV, LIST, FREE = range(4)  # columns of block; LIST: log2 of its chunks; FREE: 1 if it is on its list
TOP, CHUNKS, PAGES_USED, PAGE_SPARE, PAGE_LIMIT, HANDLES_USED, HANDLE_SPARE, HANDLE_LIMIT = range(p.FIRST_OWN, p.FIRST_OWN + 8)


@inlined
def release(block, head, num, b, i):
    """Put a piece of 64 << i bytes on its list."""
    put_first(block, NEXT, PREV, LIST, head, num, i, b)
    block[b, FREE] = 1


@inlined
def claim(block, head, num, b):
    """Take a free piece off its list."""
    take_out(block, NEXT, PREV, LIST, head, num, b)
    block[b, FREE] = 0


@inlined
def settle(num):
    """The numbers of the tally that follow from others; an operation ends with it."""
    num[p.POOL_PAGES] = num[p.PAGES_TAKEN] - num[p.PAGES_RETURNED]
    num[p.FREE_BYTES] = num[p.POOL_PAGES] * num[p.PAGE_SIZE] - num[p.PAYLOAD] - num[p.LOST_INSIDE]
    num[p.META_OUTSIDE] = num[p.POOL_PAGES] * num[CHUNKS]  # one byte for each chunk
    num[p.WALKED] += num[p.OP_WALKED]
    num[p.COPIED] += num[p.OP_COPIED]


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    obj, page, block, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    num[p.OP_WALKED] = num[p.OP_COPIED] = 0
    if size < 1 or size > num[p.PAGE_SIZE]:
        return -p.EINVAL
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -p.ENOMEM
    order = int64(0)
    while 64 << order < size:
        order += 1
    i = int64(lowest_list_from(num, order))
    if i < 0:  # no piece is large enough: a new page, all of it one free piece
        q = take_row(page, SPARE, num, PAGES_USED, PAGE_SPARE, num[PAGE_LIMIT]) if num[p.MAY_TAKE] > 0 else 0
        if q == 0:
            return -p.ENOMEM
        page[q, SERIAL] = num[p.PAGES_TAKEN]
        num[p.PAGES_TAKEN] += 1
        num[p.MAY_TAKE] -= 1
        i = num[TOP]
        release(block, head, num, 1 + (q - 1) * num[CHUNKS], i)
    b = int64(head[i])
    claim(block, head, num, b)
    num[p.OP_WALKED] = i - order + 1
    while i > order:  # halve it, and keep the lower half
        i -= 1
        release(block, head, num, b + (1 << i), i)
    block[b, LIST] = order
    row = take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT])
    obj[row, BLOCK] = b
    obj[row, SIZE] = size
    num[p.OBJECTS] += 1
    num[p.PAYLOAD] += size
    num[p.LOST_INSIDE] += (64 << order) - size
    num[p.OP_COPIED] = size
    settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    obj, page, block, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    num[p.OP_WALKED] = num[p.OP_COPIED] = 0
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, BLOCK] == 0:
        return -p.EINVAL
    b, size = int64(obj[row, BLOCK]), int64(obj[row, SIZE])
    order = int64(block[b, LIST])
    obj[row, BLOCK] = 0
    drop_row(obj, SIZE, num, HANDLE_SPARE, row)
    num[p.OBJECTS] -= 1
    num[p.PAYLOAD] -= size
    num[p.LOST_INSIDE] -= (64 << order) - size
    while order < num[TOP]:
        other = 1 + ((b - 1) ^ (1 << order))  # the other half of what both were
        num[p.OP_WALKED] += 1
        if block[other, FREE] == 0 or block[other, LIST] != order:
            break
        claim(block, head, num, other)
        b = min(b, other)
        order += 1
    if order == num[TOP]:
        drop_row(page, SPARE, num, PAGE_SPARE, 1 + (b - 1) // num[CHUNKS])
        num[p.PAGES_RETURNED] += 1
    else:
        release(block, head, num, b, order)
    settle(num)
    return 0


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    obj, num = pool.obj, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, BLOCK] == 0:
        return -p.EINVAL
    at = obj[row, BLOCK] - 1
    out[0] = pool.page[1 + at // num[CHUNKS], SERIAL]
    out[1] = at % num[CHUNKS] * 64
    return 1


def create(page_size, max_pages, max_objects, *, may_take=0):
    if page_size & (page_size - 1) or page_size < 64:
        raise InputError(f"buddy: pages of {page_size} bytes; a power of two from 64 is needed")
    chunks = page_size // 64
    lists = chunks.bit_length()
    num = np.zeros(numbers_for(lists), np.int64)
    num[p.PAGE_SIZE], num[p.MAY_TAKE], num[TOP], num[CHUNKS] = page_size, may_take, lists - 1, chunks
    num[PAGE_LIMIT], num[HANDLE_LIMIT] = max_pages, max_objects
    obj, page = np.zeros((max_objects + 1, 2), np.int32), np.zeros((max_pages + 1, 2), np.int32)
    return build_pool(obj, page, np.zeros((1 + max_pages * chunks, 4), np.int32), np.zeros(3 * lists, np.int32), num)


ANSWERS = Answers(lambda page_size, options: "buddy, an example")
RECORD = Allocator(create, alloc, free, no_compaction, blocks, always_exact, lambda arrays: {}, answers=ANSWERS)
