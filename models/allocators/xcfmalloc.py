"""xcfmalloc: an allocation is one or two blocks of 64-byte granularity, so it may cross pages (Seth Jennings, 2011).

Models the source posted to the driverdev list on 2011-08-31 (rule v1) and the version of 2011-09-07 (rule v2, which inverts one
test in the choice of a block), with 32-bit and 64-bit headers.  It was never merged.  The rules are told in docs/allocators.md; the
plain twin is tests/twins/xcfmalloc.py.

A row of `block` is a descriptor of the original: one for every block of a page, free or used.  Where the original finds the
neighbours of a block through offsets kept in the page, the rows are linked to each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.lists import (
    drop_row,
    highest_list_to,
    lowest_list_from,
    mark_list,
    numbers_for,
    take_row,
    unmark_list,
)
from models.allocators.pool import (
    COPIED,
    COPY_ON_LOAD,
    EINVAL,
    ENOMEM,
    FIRST_OWN,
    FREE_BYTES,
    LOST_INSIDE,
    MAY_TAKE,
    META_INSIDE,
    META_OUTSIDE,
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
    PoolArrays,
    always_exact,
    build_pool,
    no_compaction,
    pool_t,
)
from models.errors import InputError
from models.jit import compiled, inlined, uncounted

GRAIN = 64  # bytes: block offsets and lengths are multiples of it; list i holds free blocks of (i + 1) * GRAIN
SHIFT = 6
RESERVE_PAGES = 32
HEADER_BYTES = {32: 12, 64: 16}  # in the page, in front of every block: descriptor, offset of the block before, sentinel
DESCRIPTOR_BYTES = {32: 24, 64: 32}  # as the slab allocator hands them out (20 and 32 in the source)

# columns of obj: the object's blocks in chain order, 0 = none; FIRST 0 = handle not in use, SECOND then links spare handles
FIRST, SECOND = 0, 1

# columns of block; rows 0 in a link = none; NEXT links spare rows
PAGE, OFFSET, SIZE, STATE, NEXT, PREV, LEFT, RIGHT = range(8)
# PAGE: serial; OFFSET: bytes; SIZE: whole length of a free block, header + payload of a used one
# NEXT, PREV: neighbours in the free list; LEFT, RIGHT: neighbours in the page
FREE, USED = 1, 2

# own numbers
HEADER = FIRST_OWN
LISTS = FIRST_OWN + 1
SPLIT_EARLY = FIRST_OWN + 2  # 1: v2, the first block may be a smaller one; 0: v1, only the last permitted block may
RESERVE_TARGET = FIRST_OWN + 3
RESERVE = FIRST_OWN + 4  # pages on the last list: completely unused
DESCRIPTORS = FIRST_OWN + 5
DESCRIPTOR_LIMIT = FIRST_OWN + 6
DESCRIPTOR_SIZE = FIRST_OWN + 7
ROWS_USED = FIRST_OWN + 8
ROW_SPARE = FIRST_OWN + 9
HANDLE_LIMIT = FIRST_OWN + 10
HANDLES_USED = FIRST_OWN + 11
HANDLE_SPARE = FIRST_OWN + 12
PAGE_LIMIT = FIRST_OWN + 13


@uncounted
def _push(block, head, num, b):
    """Put a free block at the head of its list."""
    i = (block[b, SIZE] >> SHIFT) - 1
    old = head[i]
    block[b, NEXT] = old
    block[b, PREV] = 0
    block[old, PREV] = b
    head[i] = b
    if old == 0:
        mark_list(num, i)
    if i == num[LISTS] - 1:
        num[RESERVE] += 1


@uncounted
def _unlink(block, head, num, b):
    """Take a free block out of its list."""
    i = (block[b, SIZE] >> SHIFT) - 1
    after, before = block[b, NEXT], block[b, PREV]
    block[after, PREV] = before
    if before != 0:
        block[before, NEXT] = after
    else:
        head[i] = after
        if after == 0:
            unmark_list(num, i)
    if i == num[LISTS] - 1:
        num[RESERVE] -= 1


@inlined
def _new_descriptor(block, num):
    """A descriptor, 0 if there is none to be had."""
    if num[DESCRIPTORS] >= num[DESCRIPTOR_LIMIT]:
        return 0
    num[DESCRIPTORS] += 1
    return take_row(block, NEXT, num, ROWS_USED, ROW_SPARE, num[DESCRIPTOR_LIMIT])


@inlined
def _drop_descriptor(block, num, b):
    num[DESCRIPTORS] -= 1
    block[b, STATE] = 0
    drop_row(block, NEXT, num, ROW_SPARE, b)


@inlined
def _refill(block, head, num):
    """Take pages until the reserve is full, a page is refused or no descriptor is left."""
    while num[RESERVE] < num[RESERVE_TARGET]:
        if num[MAY_TAKE] <= 0 or num[PAGES_TAKEN] - num[PAGES_RETURNED] >= num[PAGE_LIMIT]:
            return
        b = _new_descriptor(block, num)
        if b == 0:
            return
        block[b, PAGE] = num[PAGES_TAKEN]
        block[b, OFFSET] = 0
        block[b, SIZE] = num[PAGE_SIZE]
        block[b, STATE] = FREE
        block[b, LEFT] = 0
        block[b, RIGHT] = 0
        num[MAY_TAKE] -= 1
        num[PAGES_TAKEN] += 1
        _push(block, head, num, b)


@inlined
def _choose(head, num, need, last):
    """List whose head shall serve `need` bytes of payload, -1 if there is none.  Counts the heads the original looks at."""
    t = ((need + num[HEADER] + GRAIN - 1) >> SHIFT) - 1
    if head[t] != 0:
        num[OP_WALKED] += 1
        return t
    walked = 1
    if last != num[SPLIT_EARLY] and t > 0:
        # a smaller block; the original starts at t again and never considers list 0 (64 bytes)
        found = highest_list_to(num, t)
        if found > 0:
            num[OP_WALKED] += walked + t - found + 1
            return found
        walked += t
    found = lowest_list_from(num, t)
    if found >= 0:
        walked += found - t
    else:
        walked += num[LISTS] - 1 - t
    num[OP_WALKED] += walked
    return found


@inlined
def _settle(num):
    """Bring the derived numbers of the tally up to date."""
    pages = num[PAGES_TAKEN] - num[PAGES_RETURNED] - num[RESERVE]
    num[POOL_PAGES] = pages
    num[FREE_BYTES] = pages * num[PAGE_SIZE] - num[PAYLOAD] - num[META_INSIDE] - num[LOST_INSIDE]
    num[META_OUTSIDE] = (num[DESCRIPTORS] - num[RESERVE]) * num[DESCRIPTOR_SIZE]
    num[WALKED] += num[OP_WALKED]


@inlined
def _take_blocks(block, head, num, size):
    """The one or two blocks for `size`, marked used, out of their lists; (first, second or 0), or (0, 0).

    The last one is cut to length.  A failure leaves the lists as they were: taken heads go back as heads.
    """
    header = num[HEADER]
    i = _choose(head, num, size, 0)
    if i < 0:
        return 0, 0
    first = int64(head[i])
    second = 0
    _unlink(block, head, num, first)
    left = size
    final = first
    if block[first, SIZE] < size + header:
        left = size - (block[first, SIZE] - header)
        i = _choose(head, num, left, 1)
        if i < 0:
            _push(block, head, num, first)
            return 0, 0
        second = int64(head[i])
        _unlink(block, head, num, second)
        final = second
    need = (left + header + GRAIN - 1) & -GRAIN
    if block[final, SIZE] > need:
        tail = _new_descriptor(block, num)
        if tail == 0:
            if second != 0:
                _push(block, head, num, second)
            _push(block, head, num, first)
            return 0, 0
        right = block[final, RIGHT]
        block[tail, PAGE] = block[final, PAGE]
        block[tail, OFFSET] = block[final, OFFSET] + need
        block[tail, SIZE] = block[final, SIZE] - need
        block[tail, STATE] = FREE
        block[tail, LEFT] = final
        block[tail, RIGHT] = right
        block[right, LEFT] = tail
        block[final, RIGHT] = tail
        _push(block, head, num, tail)
    block[final, SIZE] = left + header
    num[LOST_INSIDE] += need - (left + header)
    block[first, STATE] = USED
    num[META_INSIDE] += header
    if second != 0:
        block[second, STATE] = USED
        num[META_INSIDE] += header
    return first, second


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL if no page could hold them, -ENOMEM if no block is to be had."""
    obj, block, head, num = pool.obj, pool.block, pool.head, pool.num
    num[OP_WALKED] = 0
    num[OP_COPIED] = 0
    if size < 0 or size > num[PAGE_SIZE] - num[HEADER]:
        return -EINVAL
    handle = take_row(obj, SECOND, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT])
    if handle == 0:
        return -ENOMEM
    _refill(block, head, num)
    first, second = _take_blocks(block, head, num, size)
    if first == 0:
        drop_row(obj, SECOND, num, HANDLE_SPARE, handle)
        _settle(num)
        return -ENOMEM
    obj[handle, FIRST] = first
    obj[handle, SECOND] = second
    num[OBJECTS] += 1
    num[PAYLOAD] += size
    num[OP_COPIED] = size
    num[COPIED] += size
    _settle(num)
    return handle - 1


@uncounted
def _release(block, head, num, b):
    """Free one block: merge it with free neighbours and put the result on its list."""
    size = int64(block[b, SIZE])
    whole = (size + GRAIN - 1) & -GRAIN
    num[PAYLOAD] -= size - num[HEADER]
    num[META_INSIDE] -= num[HEADER]
    num[LOST_INSIDE] -= whole - size
    left, right = int64(block[b, LEFT]), int64(block[b, RIGHT])
    num[OP_WALKED] += (left != 0) + (right != 0)
    if block[left, STATE] == FREE:
        _unlink(block, head, num, left)
        whole += block[left, SIZE]
        block[left, RIGHT] = right
        _drop_descriptor(block, num, b)
        b = left
    if block[right, STATE] == FREE:
        _unlink(block, head, num, right)
        whole += block[right, SIZE]
        beyond = int64(block[right, RIGHT])
        _drop_descriptor(block, num, right)
        right = beyond
    block[b, SIZE] = whole
    block[b, STATE] = FREE
    block[b, RIGHT] = right
    block[right, LEFT] = b
    _push(block, head, num, b)


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Give an object's blocks back, the first one first, then the pages above the reserve; -EINVAL if it is not live."""
    obj, block, head, num = pool.obj, pool.block, pool.head, pool.num
    num[OP_WALKED] = 0
    num[OP_COPIED] = 0
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, FIRST] == 0:
        return -EINVAL
    second = int64(obj[row, SECOND])
    _release(block, head, num, int64(obj[row, FIRST]))
    if second != 0:
        _release(block, head, num, second)
    obj[row, FIRST] = 0
    drop_row(obj, SECOND, num, HANDLE_SPARE, row)
    num[OBJECTS] -= 1
    while num[RESERVE] > num[RESERVE_TARGET]:
        b = int64(head[num[LISTS] - 1])
        _unlink(block, head, num, b)
        _drop_descriptor(block, num, b)
        num[PAGES_RETURNED] += 1
    _settle(num)
    return 0


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset (of the header) of each block of a live object, in chain order."""
    obj, block, num = pool.obj, pool.block, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, FIRST] == 0:
        return -EINVAL
    b = int64(obj[row, FIRST])
    out[0] = block[b, PAGE]
    out[1] = block[b, OFFSET]
    b = int64(obj[row, SECOND])
    if b == 0:
        return 1
    out[2] = block[b, PAGE]
    out[3] = block[b, OFFSET]
    return 2


@compiled(int64(pool_t))
def _fill(pool):
    """The refill that the original does when it creates a pool."""
    block, head, num = pool.block, pool.head, pool.num
    _refill(block, head, num)
    _settle(num)
    return 0


def create(
    page_size: int,
    max_pages: int,
    max_objects: int,
    *,
    rule: str = "v2",
    header: int = 64,
    reserve: int = RESERVE_PAGES,
    may_take: int = 0,
) -> PoolArrays:
    """An empty pool; takes its reserve at once, as far as `may_take` allows.

    Free blocks never touch each other, so a page holds at most one more of them than used ones: that bounds the descriptors.
    """
    lists = page_size // GRAIN
    if page_size % GRAIN or not 2 <= lists <= 1024:
        raise InputError(f"xcfmalloc: pages of {page_size} bytes; a multiple of {GRAIN} from 128 to 65536 is needed")
    if rule not in ("v1", "v2") or header not in HEADER_BYTES or reserve < 0:
        raise InputError(f"xcfmalloc: rule {rule!r}, header {header!r}, reserve {reserve!r}; known are v1, v2; 32, 64; 0 and more")
    descriptors = min(4 * max_objects + max_pages, max_pages * lists)
    num = np.zeros(numbers_for(lists), np.int64)
    num[PAGE_SIZE] = page_size
    num[COPY_ON_LOAD] = 1
    num[MAY_TAKE] = may_take
    num[HEADER] = HEADER_BYTES[header]
    num[LISTS] = lists
    num[SPLIT_EARLY] = rule == "v2"
    num[RESERVE_TARGET] = reserve
    num[DESCRIPTOR_LIMIT] = descriptors
    num[DESCRIPTOR_SIZE] = DESCRIPTOR_BYTES[header]
    num[HANDLE_LIMIT] = max_objects
    num[PAGE_LIMIT] = max_pages
    arrays = build_pool(
        np.zeros((max_objects + 1, 2), np.int32),
        np.zeros((1, 1), np.int32),
        np.zeros((descriptors + 1, 8), np.int32),
        np.zeros(lists, np.int32),
        num,
    )
    _fill(arrays.pool)
    return arrays


def counters(arrays: PoolArrays) -> dict[str, int]:
    """The pool's counters; descriptors without those of the reserve, as the original reports them."""
    num = arrays.num
    return {
        "reserve": int(num[RESERVE]),
        "page_count": int(num[PAGES_TAKEN] - num[PAGES_RETURNED]),
        "descs": int(num[DESCRIPTORS] - num[RESERVE]),
    }


def _title(page_size: int, options: dict[str, Any]) -> str:
    rule = {"v1": "v1 as posted 2011-08-31", "v2": "v2 selection rule"}[options.get("rule", "v2")]
    return f"xcfmalloc {rule}, {options.get('header', 64)}-bit"


XCFMALLOC = Allocator(create, alloc, free, no_compaction, blocks, always_exact, counters, answers=Answers(_title, errno=False))
