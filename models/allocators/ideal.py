"""The ideal: payload bytes and nothing else, in as few pages as can hold them.  No allocator can beat it.

A definition, not a piece of history.  The rules are told in docs/allocators.md; the plain twin is tests/twins/ideal.py.

Objects lie in the order of their handles, without a gap.  Where one begins is the sum of the sizes before it: a Fenwick tree
in `num`, whose entry i is the sum of the sizes of a power of two of handles that ends at i.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.lists import drop_row, take_row
from models.allocators.pool import (
    EINVAL,
    ENOMEM,
    FIRST_OWN,
    MAY_TAKE,
    NUMBERS,
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
from models.allocators.tally import count_free, count_store, settle, start_operation
from models.errors import InputError
from models.jit import compiled, inlined

# columns of obj; SIZE 0 = handle not in use, LINK then links spare handles
SIZE, LINK = 0, 1

# page: serial numbers of the pages held, from row 0 on
SERIAL = 0

# own numbers
PAGE_LIMIT = FIRST_OWN
HANDLES_USED = FIRST_OWN + 1
HANDLE_SPARE = FIRST_OWN + 2
HANDLE_LIMIT = FIRST_OWN + 3
TREE = NUMBERS  # entry i of the tree is num[TREE + i], i from 1 to HANDLE_LIMIT


@inlined
def _change(num, row, size):
    """Handle row has grown by `size` bytes."""
    while row <= num[HANDLE_LIMIT]:
        num[TREE + row] += size
        row += row & -row


@inlined
def _bytes_up_to(num, row):
    """Bytes of all objects up to this handle row."""
    total = int64(0)
    while row > 0:
        total += num[TREE + row]
        row -= row & -row
    return total


@inlined
def _pages_for(num, size):
    return (size + num[PAGE_SIZE] - 1) // num[PAGE_SIZE]


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL if no page could hold them, -ENOMEM if there is no page."""
    obj, page, num = pool.obj, pool.page, pool.num
    start_operation(num)
    if size < 1 or size > num[PAGE_SIZE]:
        return -EINVAL
    held = num[PAGES_TAKEN] - num[PAGES_RETURNED]
    more = _pages_for(num, num[PAYLOAD] + size) > held
    if more and (num[MAY_TAKE] <= 0 or held >= num[PAGE_LIMIT]):
        return -ENOMEM
    row = int64(take_row(obj, LINK, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT]))
    if row == 0:
        return -ENOMEM
    if more:
        page[held, SERIAL] = num[PAGES_TAKEN]
        num[PAGES_TAKEN] += 1
        num[MAY_TAKE] -= 1
    obj[row, SIZE] = size
    _change(num, row, size)
    count_store(num, size)
    settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object; a page that is no longer needed goes back.  -EINVAL if the object is not live."""
    obj, num = pool.obj, pool.num
    start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SIZE] == 0:
        return -EINVAL
    size = int64(obj[row, SIZE])
    obj[row, SIZE] = 0
    drop_row(obj, LINK, num, HANDLE_SPARE, row)
    _change(num, row, -size)
    count_free(num, size)
    num[PAGES_RETURNED] = num[PAGES_TAKEN] - _pages_for(num, num[PAYLOAD])
    settle(num)
    return 0


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset of a live object, and of its second part if it crosses into the next page."""
    obj, page, num = pool.obj, pool.page, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SIZE] == 0:
        return -EINVAL
    start = _bytes_up_to(num, row - 1)
    k = start // num[PAGE_SIZE]
    offset = start - k * num[PAGE_SIZE]
    out[0] = page[k, SERIAL]
    out[1] = offset
    if offset + obj[row, SIZE] <= num[PAGE_SIZE]:
        return 1
    out[2] = page[k + 1, SERIAL]
    out[3] = 0
    return 2


def create(page_size: int, max_pages: int, max_objects: int, *, may_take: int = 0) -> PoolArrays:
    """An empty pool, which takes no page before the first `alloc`."""
    if page_size < 1:
        raise InputError(f"ideal: pages of {page_size} bytes")
    num = np.zeros(NUMBERS + max_objects + 1, np.int64)
    num[PAGE_SIZE] = page_size
    num[MAY_TAKE] = may_take
    num[PAGE_LIMIT] = max_pages
    num[HANDLE_LIMIT] = max_objects
    return build_pool(
        np.zeros((max_objects + 1, 2), np.int32),
        np.zeros((max_pages + 1, 1), np.int32),
        np.zeros((1, 1), np.int32),
        np.zeros(1, np.int32),
        num,
    )


def counters(arrays: PoolArrays) -> dict[str, int]:
    """The payload that its pages are made of."""
    return {"bytes": int(arrays.num[PAYLOAD])}


def _title(page_size: int, options: dict[str, Any]) -> str:
    return "ideal, payload bytes only"


IDEAL = Allocator(create, alloc, free, no_compaction, blocks, always_exact, counters, answers=Answers(_title, errno=False))
