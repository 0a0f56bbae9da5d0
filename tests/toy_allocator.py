"""An allocator that is easy to compute by hand: half a page an object, pages come back by compaction only.  A plug-in, as a user would
write one.

Objects above half a page are refused.  Compaction moves one object for every page that it frees, and copies half a page for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.lists import drop_row, numbers_for, take_row
from models.allocators.pool import (
    COPIED,
    EINVAL,
    ENOMEM,
    FIRST_OWN,
    FREE_BYTES,
    LOST_INSIDE,
    MAY_TAKE,
    MOVED,
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
    Numbers,
    PoolArrays,
    always_exact,
    build_pool,
    pool_t,
)
from models.jit import compiled, inlined

SIZE, SPARE = 0, 1  # columns of obj
USED, LAST_SPARE, LIMIT = FIRST_OWN, FIRST_OWN + 1, FIRST_OWN + 2

TOY = {"target": "TOY_ALLOCATOR", "doc": "half a page an object", "source": "made up"}


@inlined
def _settle(num):
    num[POOL_PAGES] = num[PAGES_TAKEN] - num[PAGES_RETURNED]
    half = num[PAGE_SIZE] // 2
    num[LOST_INSIDE] = num[OBJECTS] * half - num[PAYLOAD]
    num[FREE_BYTES] = num[POOL_PAGES] * num[PAGE_SIZE] - num[OBJECTS] * half
    num[WALKED] += num[OP_WALKED]
    num[COPIED] += num[OP_COPIED]


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    obj, num = pool.obj, pool.num
    num[OP_WALKED], num[OP_COPIED] = 0, 0
    if size < 1 or size > num[PAGE_SIZE] // 2:
        return -EINVAL
    pages = num[PAGES_TAKEN] - num[PAGES_RETURNED]
    if 2 * pages == num[OBJECTS]:
        if num[MAY_TAKE] <= 0:
            return -ENOMEM
        num[MAY_TAKE] -= 1
        num[PAGES_TAKEN] += 1
    row = take_row(obj, SPARE, num, USED, LAST_SPARE, num[LIMIT])
    obj[row, SIZE] = size
    num[OBJECTS] += 1
    num[PAYLOAD] += size
    num[OP_WALKED], num[OP_COPIED] = 1, size
    _settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    obj, num = pool.obj, pool.num
    num[OP_WALKED], num[OP_COPIED] = 2, 0
    num[OBJECTS] -= 1
    num[PAYLOAD] -= obj[handle + 1, SIZE]
    drop_row(obj, SPARE, num, LAST_SPARE, handle + 1)
    _settle(num)
    return 0


@compiled(int64(pool_t, int64))
def compact(pool, budget):
    num = pool.num
    pages = num[PAGES_TAKEN] - num[PAGES_RETURNED]
    freed = min(pages - (num[OBJECTS] + 1) // 2, budget)
    num[PAGES_RETURNED] += freed
    num[MOVED] += freed
    num[OP_WALKED], num[OP_COPIED] = 3 * freed, freed * (num[PAGE_SIZE] // 2)
    _settle(num)
    return freed


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    out[0], out[1] = handle // 2, handle % 2 * (pool.num[PAGE_SIZE] // 2)
    return 1


def create(page_size: int, max_pages: int, max_objects: int, *, may_take: int = 0) -> PoolArrays:
    """An empty pool."""
    num = np.zeros(numbers_for(1), np.int64)
    num[PAGE_SIZE], num[MAY_TAKE], num[LIMIT] = page_size, may_take, max_objects
    table: Any = np.zeros((1, 1), np.int32)
    return build_pool(np.zeros((max_objects + 1, 2), np.int32), table, table.copy(), np.zeros(1, np.int32), num)


TOY_ALLOCATOR = Allocator(create, alloc, free, compact, blocks, always_exact, lambda arrays: {})
