"""zbud of zswap: at most two objects a page, and an LRU of pages that is emptied from its end (Seth Jennings, 2013).

Models mm/zbud.c of Linux 6.1.  The rules are told in docs/allocators.md; the plain twin is tests/twins/zbud.py.

A row of `page` is a page of the pool, the same row of `block` its links, a row of `obj` an object.  List k holds the pages with one object
and k free chunks, list CHUNKS those with two; list 0 does not exist.  All pages but a claimed one are on the LRU, most recent first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.eviction import no_compaction_told, told_eviction
from models.allocators.lists import drop_row, lowest_list_from, numbers_for, push, ring_first, ring_out, table_of, take_row, unlink
from models.allocators.pool import (
    COPIED,
    EAGAIN,
    EINVAL,
    ENOMEM,
    ENOSPC,
    EVICT_AT,
    EVICT_LEFT,
    FIRST_OWN,
    FREE_BYTES,
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
    POOL_PAGES,
    WALKED,
    Allocator,
    Answers,
    Numbers,
    Objects,
    PoolArrays,
    always_exact,
    build_pool,
    no_compaction,
    pool_t,
)
from models.allocators.tally import start_operation
from models.errors import InputError
from models.jit import compiled, uncounted

CHUNKS = 63  # of a page, the first of 64 holds the header; also the number of the list of pages with two objects
LARGEST = CHUNKS - 1  # chunks of an object
HEADER_BYTES = 48  # 64-bit
TRIES = 8  # pages that an eviction goes through before it gives up
PAGE_SIZES = (4096, 8192, 16384, 32768, 65536)

# columns of obj; PAGE 0 = handle not in use, SIZE then links spare handles
PAGE, SIZE = 0, 1

# columns of page
SERIAL, LIST, FIRST, LAST, FIRST_CHUNKS, LAST_CHUNKS, OFFERED = range(7)
# FIRST, LAST: its objects, 0 = vacant; OFFERED: 0, or of a claimed page 1 and, from then on, 2 + the place that was offered last
COLUMNS = 8  # half a cache line

# columns of block; 0 = none; NEXT, PREV: neighbours in the list LIST, NEXT links spare rows; AFTER, BEFORE: in the LRU
NEXT, PREV, AFTER, BEFORE = range(4)

# own numbers
SHIFT = FIRST_OWN  # log2 of a chunk
LRU_PAGES = FIRST_OWN + 1
ROWS_USED = FIRST_OWN + 2
ROW_SPARE = FIRST_OWN + 3
PAGE_LIMIT = FIRST_OWN + 4
HANDLES_USED = FIRST_OWN + 5
HANDLE_SPARE = FIRST_OWN + 6
HANDLE_LIMIT = FIRST_OWN + 7


@uncounted
def _chunks(num, size):
    return (int64(size) + (1 << num[SHIFT]) - 1) >> num[SHIFT]


@uncounted
def _settle(num):
    """Bring the derived numbers of the tally up to date."""
    pages = num[PAGES_TAKEN] - num[PAGES_RETURNED]
    num[POOL_PAGES] = pages
    num[META_INSIDE] = pages * HEADER_BYTES
    num[FREE_BYTES] = pages * (num[PAGE_SIZE] - HEADER_BYTES) - num[PAYLOAD] - num[LOST_INSIDE]
    num[WALKED] += num[OP_WALKED]


@uncounted
def _file(page, link, head, num, p):
    """Make a page that holds something the head of the list that its objects call for."""
    first, last = int64(page[p, FIRST_CHUNKS]), int64(page[p, LAST_CHUNKS])
    i = CHUNKS if first != 0 and last != 0 else CHUNKS - first - last
    page[p, LIST] = i
    push(link, NEXT, PREV, head, num, i, p)


@uncounted
def _take_page(page, link, num):
    """A page from the VM, on the LRU, 0 if it is refused."""
    if num[MAY_TAKE] <= 0:
        return 0
    p = take_row(link, NEXT, num, ROWS_USED, ROW_SPARE, num[PAGE_LIMIT])
    if p != 0:
        page[p, SERIAL] = num[PAGES_TAKEN]
        ring_first(link, AFTER, BEFORE, p)
        num[LRU_PAGES] += 1
        num[MAY_TAKE] -= 1
        num[PAGES_TAKEN] += 1
        num[LOST_INSIDE] += (1 << num[SHIFT]) - HEADER_BYTES
    return p


@uncounted
def _return_page(link, num, p):
    """Give a page that holds nothing, and is on no list, back to the VM."""
    drop_row(link, NEXT, num, ROW_SPARE, p)
    num[PAGES_RETURNED] += 1
    num[LOST_INSIDE] -= (1 << num[SHIFT]) - HEADER_BYTES


@uncounted
def _find_page(page, link, head, num, need):
    """A page with room for so many chunks, out of its list and first of the LRU: the fullest single one, a new one; 0 if there is none."""
    i = lowest_list_from(num, need)
    if 0 <= i < CHUNKS:
        num[OP_WALKED] = i - need + 1
        p = int64(head[i])
        unlink(link, NEXT, PREV, head, num, i, p)
        ring_out(link, AFTER, BEFORE, p)
        ring_first(link, AFTER, BEFORE, p)
        return p
    num[OP_WALKED] = CHUNKS - need
    return int64(_take_page(page, link, num))


@uncounted
def _alloc(pool, size):
    obj, page, link, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    if size < 1:
        return -EINVAL
    if size > LARGEST << num[SHIFT]:
        return -ENOSPC
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -ENOMEM
    need = _chunks(num, size)
    p = _find_page(page, link, head, num, need)
    if p == 0:
        _settle(num)
        return -ENOMEM
    row = take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT])
    obj[row, PAGE] = p
    obj[row, SIZE] = size
    side = int64(page[p, FIRST] != 0)
    page[p, FIRST + side] = row
    page[p, FIRST_CHUNKS + side] = need
    _file(page, link, head, num, p)
    num[OBJECTS] += 1
    num[PAYLOAD] += size
    num[LOST_INSIDE] += (need << num[SHIFT]) - size
    num[OP_COPIED] = size
    num[COPIED] += size
    _settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL for none, -ENOSPC for too many, -ENOMEM if there is no page."""
    return _alloc(pool, size)


@uncounted
def _free(pool, handle):
    obj, page, link, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, PAGE] == 0:
        return -EINVAL
    p, size = int64(obj[row, PAGE]), int64(obj[row, SIZE])
    side = int64(page[p, FIRST] != row)
    num[OBJECTS] -= 1
    num[PAYLOAD] -= size
    num[LOST_INSIDE] -= (int64(page[p, FIRST_CHUNKS + side]) << num[SHIFT]) - size
    page[p, FIRST + side] = 0
    page[p, FIRST_CHUNKS + side] = 0
    obj[row, PAGE] = 0
    drop_row(obj, SIZE, num, HANDLE_SPARE, row)
    if page[p, OFFERED] == 0:
        num[OP_WALKED] = 1  # the buddy
        unlink(link, NEXT, PREV, head, num, int64(page[p, LIST]), p)
        if page[p, FIRST] != 0 or page[p, LAST] != 0:
            _file(page, link, head, num, p)
        else:
            ring_out(link, AFTER, BEFORE, p)
            num[LRU_PAGES] -= 1
            _return_page(link, num, p)
    _settle(num)
    return 0


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object; its page changes its list, or goes back, unless it is being evicted.  -EINVAL if the object is not live."""
    return _free(pool, handle)


@uncounted
def _evict_begin(pool):
    page, link, head, num = pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    if num[EVICT_LEFT] <= 0:
        return 0
    if num[EVICT_AT] >= TRIES:
        return -EAGAIN
    p = int64(link[0, BEFORE])
    if p == 0:
        return -EINVAL
    ring_out(link, AFTER, BEFORE, p)
    unlink(link, NEXT, PREV, head, num, int64(page[p, LIST]), p)
    page[p, OFFERED] = 1
    num[EVICT_AT] += 1
    num[LRU_PAGES] -= 1
    num[OP_WALKED] = 1
    _settle(num)
    return p


@compiled(int64(pool_t))
def evict_begin(pool):
    """Claim the least recent page; 0 if enough are gone, -EAGAIN after too many that were not emptied, -EINVAL if there is none."""
    return _evict_begin(pool)


@uncounted
def _is_claimed(page, num, p):
    return 1 <= p <= num[ROWS_USED] and page[p, OFFERED] != 0


@uncounted
def _evict_next(pool, p):
    page, num = pool.page, pool.num
    if not _is_claimed(page, num, p):
        return -EINVAL
    while page[p, OFFERED] < 3:
        at = int64(page[p, OFFERED])
        if at > 1 and page[p, FIRST + at - 2] != 0:
            return -1
        page[p, OFFERED] = at + 1
        row = int64(page[p, FIRST + at - 1])
        if row != 0:
            return row - 1
    return -1


@compiled(int64(pool_t, int64))
def evict_next(pool, p):
    """Handle of the next object of a claimed page, -1 if there is no more or the one before was refused."""
    return _evict_next(pool, p)


@uncounted
def _evict_done(pool, p):
    page, link, head, num = pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    if not _is_claimed(page, num, p):
        return -EINVAL
    page[p, OFFERED] = 0
    emptied = page[p, FIRST] == 0 and page[p, LAST] == 0
    if emptied:
        _return_page(link, num, p)
        num[EVICT_LEFT] -= 1
        num[EVICT_AT] = 0
    else:
        _file(page, link, head, num, p)
        ring_first(link, AFTER, BEFORE, p)
        num[LRU_PAGES] += 1
    _settle(num)
    return int64(emptied)


@compiled(int64(pool_t, int64))
def evict_done(pool, p):
    """Give a claimed page back if it is empty: it counts, and the next one has all tries again.  Otherwise it becomes the most recent."""
    return _evict_done(pool, p)


@uncounted
def _blocks(pool, handle, out):
    obj, page, num = pool.obj, pool.page, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, PAGE] == 0:
        return -EINVAL
    p = int64(obj[row, PAGE])
    out[0] = page[p, SERIAL]
    chunk = 1 if page[p, FIRST] == row else CHUNKS + 1 - int64(page[p, LAST_CHUNKS])
    out[1] = chunk << num[SHIFT]
    return 1


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset of a live object: the first place begins behind the header, the second ends with the page."""
    return _blocks(pool, handle, out)


def create(page_size: int, max_pages: int, max_objects: int, *, may_take: int = 0) -> PoolArrays:
    """An empty pool, which takes no page before the first `alloc`."""
    if page_size not in PAGE_SIZES:
        raise InputError(f"zbud: pages of {page_size} bytes; known are {', '.join(map(str, PAGE_SIZES))}")
    num = np.zeros(numbers_for(CHUNKS + 1), np.int64)
    num[PAGE_SIZE] = page_size
    num[MAY_TAKE] = may_take
    num[SHIFT] = page_size.bit_length() - 7
    num[PAGE_LIMIT] = max_pages
    num[HANDLE_LIMIT] = max_objects
    return build_pool(
        table_of(max_objects + 1, 2),
        table_of(max_pages + 1, COLUMNS),
        table_of(max_pages + 1, 4),
        np.zeros(2 * (CHUNKS + 1), np.int32),
        num,
    )


def list_counts(arrays: PoolArrays) -> list[int]:
    """Pages on each list."""
    return [int(count) for count in arrays.head[CHUNKS + 1 :]]


def counters(arrays: PoolArrays) -> dict[str, int]:
    """Pages of the pool, on the LRU, and with two objects."""
    return {"pages": int(arrays.num[POOL_PAGES]), "lru": int(arrays.num[LRU_PAGES]), "buddied": list_counts(arrays)[CHUNKS]}


def _title(page_size: int, options: dict[str, Any]) -> str:
    return "zbud, Linux 6.1.192"


def _statistics(arrays: PoolArrays) -> list[str]:
    values = counters(arrays)
    unbuddied = [f"u {i} {count}" for i, count in enumerate(list_counts(arrays)[:CHUNKS]) if count]
    return [f"s {values['pages']}", f"l {values['lru']} {values['buddied']}", *unbuddied]


def _reclaim(arrays: PoolArrays, objects: Objects, pages: int) -> list[str]:
    return told_eviction(ZBUD, arrays, objects, pages)


ZBUD = Allocator(
    create,
    alloc,
    free,
    no_compaction,
    blocks,
    always_exact,
    counters,
    evict_begin,
    evict_next,
    evict_done,
    Answers(_title, statistics=_statistics, compact=no_compaction_told, reclaim=_reclaim),
)
