"""xvmalloc: two-level segregated fit inside single pages, 4 or 8 bytes of header a block (Nitin Gupta).

Models drivers/staging/zram/xvmalloc.c of Linux 2.6.37 (alignment 4, list step 8) and of 3.0/3.1 (alignment 8 on 64-bit machines).
The rules are told in docs/allocators.md; the plain twin is tests/twins/xvmalloc.py.

A row of `block` is a block of a page, free or used.  Where the original finds the neighbours of a block through the sizes and
offsets kept in the page, the rows are linked to each other; its two flag bits are the STATE of the row and of its left neighbour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.lists import (
    MAX_LISTS,
    drop_row,
    lowest_list_from,
    mark_list,
    numbers_for,
    take_row,
    unmark_list,
)
from models.allocators.pool import (
    COPIED,
    EINVAL,
    ENOMEM,
    FIRST_OWN,
    LOST_INSIDE,
    MAY_TAKE,
    META_INSIDE,
    OBJECTS,
    OP_COPIED,
    OP_WALKED,
    PAGE_SIZE,
    PAGES_RETURNED,
    PAGES_TAKEN,
    PAYLOAD,
    Allocator,
    Answers,
    Numbers,
    PoolArrays,
    always_exact,
    build_pool,
    no_compaction,
    pool_t,
)
from models.allocators.tally import settle
from models.errors import InputError
from models.jit import compiled, inlined

SMALLEST = 32  # payload bytes: smaller free blocks are in no list

# columns of obj: the object's block (0 = handle not in use), and the link of spare handles
BLOCK, SPARE = 0, 1

# columns of block; row 0 in a link = none; NEXT links spare rows
PAGE, OFFSET, SIZE, STATE, NEXT, PREV, LEFT, RIGHT = range(8)
# PAGE: serial; OFFSET: of the header; SIZE: payload, as asked for in a used block
# NEXT, PREV: neighbours in the free list; LEFT, RIGHT: neighbours in the page
FREE, USED = 1, 2

# own numbers
ALIGN = FIRST_OWN  # also the size of a header
LISTS = FIRST_OWN + 1
STEP = FIRST_OWN + 2  # log2 of the distance between two lists
ROWS_USED = FIRST_OWN + 3
ROW_SPARE = FIRST_OWN + 4
ROW_LIMIT = FIRST_OWN + 5
HANDLES_USED = FIRST_OWN + 6
HANDLE_SPARE = FIRST_OWN + 7
HANDLE_LIMIT = FIRST_OWN + 8
PAGE_LIMIT = FIRST_OWN + 9


@inlined
def _push(block, head, num, b):
    """Put a free block at the head of its list, if it is large enough for one."""
    size = int64(block[b, SIZE])
    if size >= SMALLEST:
        i = (size - SMALLEST) >> num[STEP]
        old = head[i]
        block[b, NEXT] = old
        block[b, PREV] = 0
        block[old, PREV] = b
        head[i] = b
        if old == 0:
            mark_list(num, i)


@inlined
def _unlink(block, head, num, b):
    """Take a free block out of its list, if it is in one."""
    size = int64(block[b, SIZE])
    if size >= SMALLEST:
        i = (size - SMALLEST) >> num[STEP]
        after, before = block[b, NEXT], block[b, PREV]
        block[after, PREV] = before
        if before != 0:
            block[before, NEXT] = after
        else:
            head[i] = after
            if after == 0:
                unmark_list(num, i)


@inlined
def _find(head, num, need):
    """Head of the lowest list all of whose blocks hold `need` bytes, 0 if there is none."""
    i = int64(0)
    if need > SMALLEST:
        i = (need - SMALLEST + (1 << num[STEP]) - 1) >> num[STEP]
    num[OP_WALKED] += 1
    if i >= num[LISTS]:
        return 0
    found = lowest_list_from(num, i)
    if found < 0:
        return 0
    num[OP_WALKED] += found != i
    return int64(head[found])


@inlined
def _new_row(block, num):
    """A row for a block; the reserve is large enough for every block that can exist."""
    return take_row(block, NEXT, num, ROWS_USED, ROW_SPARE, num[ROW_LIMIT])


@inlined
def _grow(block, head, num):
    """Add one page as a free block; False if it is refused."""
    if num[MAY_TAKE] <= 0 or num[PAGES_TAKEN] - num[PAGES_RETURNED] >= num[PAGE_LIMIT]:
        return False
    b = _new_row(block, num)
    block[b, PAGE] = num[PAGES_TAKEN]
    block[b, OFFSET] = 0
    block[b, SIZE] = num[PAGE_SIZE] - num[ALIGN]
    block[b, STATE] = FREE
    block[b, LEFT] = 0
    block[b, RIGHT] = 0
    num[MAY_TAKE] -= 1
    num[PAGES_TAKEN] += 1
    _push(block, head, num, b)
    return True


@inlined
def _cut(block, head, num, b, need):
    """Make what is left of a taken block behind `need` bytes a free block of its own, however small it is."""
    rest = block[b, SIZE] - need
    if rest > 0:
        right = block[b, RIGHT]
        tail = _new_row(block, num)
        block[tail, PAGE] = block[b, PAGE]
        block[tail, OFFSET] = block[b, OFFSET] + num[ALIGN] + need
        block[tail, SIZE] = rest - num[ALIGN]
        block[tail, STATE] = FREE
        block[tail, LEFT] = b
        block[tail, RIGHT] = right
        block[right, LEFT] = tail
        block[b, RIGHT] = tail
        _push(block, head, num, tail)


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL if the size is not allowed, -ENOMEM if no block is to be had.

    A request near the size of a page (4089..4092 bytes with alignment 4) is allowed but starts at a list that cannot hold anything:
    the original adds a page to the pool, which stays, and then fails.
    """
    obj, block, head, num = pool.obj, pool.block, pool.head, pool.num
    num[OP_WALKED] = 0
    num[OP_COPIED] = 0
    align = num[ALIGN]
    if size < 1 or size > num[PAGE_SIZE] - align:
        return -EINVAL
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -ENOMEM
    need = (size + align - 1) & -align
    b = _find(head, num, need)
    if b == 0 and _grow(block, head, num):
        b = _find(head, num, need)
    if b == 0:
        settle(num)
        return -ENOMEM
    _unlink(block, head, num, b)
    _cut(block, head, num, b, need)
    block[b, SIZE] = size
    block[b, STATE] = USED
    handle = take_row(obj, SPARE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT])
    obj[handle, BLOCK] = b
    num[OBJECTS] += 1
    num[PAYLOAD] += size
    num[META_INSIDE] += align
    num[LOST_INSIDE] += need - size
    num[OP_COPIED] = size
    num[COPIED] += size
    settle(num)
    return handle - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object, merge with free neighbours, give an empty page back; -EINVAL if it is not live."""
    obj, block, head, num = pool.obj, pool.block, pool.head, pool.num
    num[OP_WALKED] = 0
    num[OP_COPIED] = 0
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, BLOCK] == 0:
        return -EINVAL
    b = int64(obj[row, BLOCK])
    obj[row, BLOCK] = 0
    drop_row(obj, SPARE, num, HANDLE_SPARE, row)
    align = num[ALIGN]
    size = int64(block[b, SIZE])
    whole = (size + align - 1) & -align
    num[OBJECTS] -= 1
    num[PAYLOAD] -= size
    num[META_INSIDE] -= align
    num[LOST_INSIDE] -= whole - size
    left, right = int64(block[b, LEFT]), int64(block[b, RIGHT])
    num[OP_WALKED] = (left != 0) + (right != 0)
    if block[right, STATE] == FREE:
        _unlink(block, head, num, right)
        whole += block[right, SIZE] + align
        beyond = int64(block[right, RIGHT])
        block[right, STATE] = 0
        drop_row(block, NEXT, num, ROW_SPARE, right)
        right = beyond
    if block[left, STATE] == FREE:
        _unlink(block, head, num, left)
        whole += block[left, SIZE] + align
        block[b, STATE] = 0
        drop_row(block, NEXT, num, ROW_SPARE, b)
        b = left
    if whole == num[PAGE_SIZE] - align:
        block[b, STATE] = 0
        drop_row(block, NEXT, num, ROW_SPARE, b)
        num[PAGES_RETURNED] += 1
    else:
        block[b, SIZE] = whole
        block[b, STATE] = FREE
        block[b, RIGHT] = right
        block[right, LEFT] = b
        _push(block, head, num, b)
    settle(num)
    return 0


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset (of the payload) of a live object."""
    obj, block, num = pool.obj, pool.block, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, BLOCK] == 0:
        return -EINVAL
    b = int64(obj[row, BLOCK])
    out[0] = block[b, PAGE]
    out[1] = block[b, OFFSET] + num[ALIGN]
    return 1


def list_step(page_size: int, step: int | str) -> int:
    """Distance between two lists in bytes; "auto" is the rule of Linux 3.0, 2.6.37 had 8 for every page size."""
    if step != "auto":
        return int(step)
    return 16 if page_size == 65536 else page_size // 512


def create(page_size: int, max_pages: int, max_objects: int, *, align: int = 8, step: int | str = "auto", may_take: int = 0) -> PoolArrays:
    """An empty pool, which takes no page before the first `alloc`.

    Two free blocks never touch, so a page holds at most one more of them than used ones: that bounds the blocks.
    """
    if page_size not in (4096, 8192, 16384, 32768, 65536) or align not in (4, 8):
        raise InputError(f"xvmalloc: pages of {page_size} bytes, align {align!r}; known are powers of two from 4096 to 65536, and 4 or 8")
    distance = list_step(page_size, step)
    lists = (page_size - align - SMALLEST) // distance + 1
    if lists > MAX_LISTS:
        raise InputError(
            f"xvmalloc: a list step of {distance} bytes makes {lists} lists in a page of {page_size} bytes; the original's index is two "
            f"levels of 64 bits, enough for {MAX_LISTS}: set step to auto (16 bytes there, as in Linux 3.0)"
        )
    rows = 2 * max_objects + max_pages
    num = np.zeros(numbers_for(lists), np.int64)
    num[PAGE_SIZE] = page_size
    num[MAY_TAKE] = may_take
    num[ALIGN] = align
    num[LISTS] = lists
    num[STEP] = distance.bit_length() - 1
    num[ROW_LIMIT] = rows
    num[HANDLE_LIMIT] = max_objects
    num[PAGE_LIMIT] = max_pages
    return build_pool(
        np.zeros((max_objects + 1, 2), np.int32),
        np.zeros((1, 1), np.int32),
        np.zeros((rows + 1, 8), np.int32),
        np.zeros(lists, np.int32),
        num,
    )


def counters(arrays: PoolArrays) -> dict[str, int]:
    """The original counts only its pages."""
    return {}


def _title(page_size: int, options: dict[str, Any]) -> str:
    release = {4: "Linux 2.6.37.6, 4-byte alignment", 8: "Linux 3.0.43, 64-bit, 8-byte alignment"}
    return f"xvmalloc, {release[options.get('align', 8)]}"


XVMALLOC = Allocator(create, alloc, free, no_compaction, blocks, always_exact, counters, answers=Answers(_title, errno=False))
