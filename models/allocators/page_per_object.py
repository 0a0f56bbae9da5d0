"""One page for every object: what swapping without compression needs, the other end of the scale from `ideal`.

A definition, not a piece of history.  The rules are told in docs/allocators.md; the plain twin is tests/twins/page_per_object.py.
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
    LOST_INSIDE,
    MAY_TAKE,
    NUMBERS,
    OBJECTS,
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
from models.jit import compiled

# columns of obj; SIZE 0 = handle not in use, SERIAL (of its page) then links spare handles
SIZE, SERIAL = 0, 1

# own numbers
PAGE_LIMIT = FIRST_OWN
HANDLES_USED = FIRST_OWN + 1
HANDLE_SPARE = FIRST_OWN + 2
HANDLE_LIMIT = FIRST_OWN + 3


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes in a page of their own: handle, -EINVAL if no page could hold them, -ENOMEM if there is no page."""
    obj, num = pool.obj, pool.num
    start_operation(num)
    if size < 1 or size > num[PAGE_SIZE]:
        return -EINVAL
    if num[MAY_TAKE] <= 0 or num[OBJECTS] >= num[PAGE_LIMIT]:
        return -ENOMEM
    row = int64(take_row(obj, SERIAL, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT]))
    if row == 0:
        return -ENOMEM
    obj[row, SIZE] = size
    obj[row, SERIAL] = num[PAGES_TAKEN]
    num[PAGES_TAKEN] += 1
    num[MAY_TAKE] -= 1
    num[LOST_INSIDE] += num[PAGE_SIZE] - size
    count_store(num, size)
    settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object and give its page back; -EINVAL if it is not live."""
    obj, num = pool.obj, pool.num
    start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SIZE] == 0:
        return -EINVAL
    size = int64(obj[row, SIZE])
    obj[row, SIZE] = 0
    drop_row(obj, SERIAL, num, HANDLE_SPARE, row)
    num[PAGES_RETURNED] += 1
    num[LOST_INSIDE] -= num[PAGE_SIZE] - size
    count_free(num, size)
    settle(num)
    return 0


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial of a live object; its offset is 0."""
    obj, num = pool.obj, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SIZE] == 0:
        return -EINVAL
    out[0] = obj[row, SERIAL]
    out[1] = 0
    return 1


def create(page_size: int, max_pages: int, max_objects: int, *, may_take: int = 0) -> PoolArrays:
    """An empty pool, which takes no page before the first `alloc`."""
    if page_size < 1:
        raise InputError(f"page-per-object: pages of {page_size} bytes")
    num = np.zeros(NUMBERS, np.int64)
    num[PAGE_SIZE] = page_size
    num[MAY_TAKE] = may_take
    num[PAGE_LIMIT] = max_pages
    num[HANDLE_LIMIT] = max_objects
    one = np.zeros((1, 1), np.int32)
    return build_pool(np.zeros((max_objects + 1, 2), np.int32), one, one, np.zeros(1, np.int32), num)


def counters(arrays: PoolArrays) -> dict[str, int]:
    """There is nothing to count but the pages."""
    return {}


def _title(page_size: int, options: dict[str, Any]) -> str:
    return "a page per object"


PAGE_PER_OBJECT = Allocator(create, alloc, free, no_compaction, blocks, always_exact, counters, answers=Answers(_title, errno=False))
