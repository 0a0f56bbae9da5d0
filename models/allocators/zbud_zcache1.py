"""zbud of zcache 1.0, "compression buddies": at most two objects a page, in 64-byte chunks (Dan Magenheimer, Nitin Gupta).

Models the zbud part of drivers/staging/zcache/zcache-main.c of Linux 3.1 (that of 3.0 behaves alike).  The rules are told in
docs/allocators.md; the plain twin is tests/twins/zbud_zcache1.py.

A row of `page` is a page of the pool, a row of `obj` an object.  Lists: 1 to CHUNKS - 1 hold the pages with one object, by the chunks
that it uses; then come the list of pages with two and that of unused pages.  List 0 does not exist.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.eviction import evict_pages
from models.allocators.lists import (
    MAX_LISTS,
    drop_row,
    highest_list_to,
    lowest_list_from,
    numbers_for,
    put_first,
    put_last,
    take_out,
    take_row,
)
from models.allocators.pool import (
    COPIED,
    EINVAL,
    ENOMEM,
    EVICT_AT,
    EVICT_LEFT,
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
    POOL_PAGES,
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
from models.allocators.tally import settle, start_operation
from models.errors import InputError
from models.jit import compiled, inlined

GRAIN = 64  # bytes of a chunk
SHIFT = 6
DATA = 128  # bytes before the first chunk: the header, rounded up
HEADER_BYTES = {32: 96, 64: 128}  # in front of every page, unused ones too

# columns of obj; PAGE 0 = handle not in use, SIZE then links spare handles
PAGE, SIZE = 0, 1

# columns of page; row 0 in a link = none; NEXT links spare rows
SERIAL, NEXT, PREV, LIST, LEFT, RIGHT, OFFERED = range(7)
# NEXT, PREV: neighbours in the list LIST; LEFT, RIGHT: its objects, 0 = vacant; OFFERED: places that an eviction has been through
CLAIMED = -1  # LIST of a page that is being evicted

# own numbers
CHUNKS = FIRST_OWN  # of a page; also the number of the list of pages with two objects
UNUSED = FIRST_OWN + 1  # number of the list of pages with none
HEADER = FIRST_OWN + 2
ROWS_USED = FIRST_OWN + 3
ROW_SPARE = FIRST_OWN + 4
PAGE_LIMIT = FIRST_OWN + 5
HANDLES_USED = FIRST_OWN + 6
HANDLE_SPARE = FIRST_OWN + 7
HANDLE_LIMIT = FIRST_OWN + 8
STORED_OBJECTS = FIRST_OWN + 9  # ever
STORED_BYTES = FIRST_OWN + 10
EVICTED_RAW = FIRST_OWN + 11  # pages, by what they held
EVICTED_SINGLE = FIRST_OWN + 12
EVICTED_BUDDIED = FIRST_OWN + 13
CHUNK_COUNTS = FIRST_OWN + 14  # where in num the number of objects ever stored, by chunks, begins


@inlined
def _chunks(size):
    return (int64(size) + GRAIN - 1) >> SHIFT


@inlined
def _file(obj, page, head, num, p):
    """Put a page on the list that its objects call for: pairs and single ones last, unused ones first."""
    left, right = page[p, LEFT], page[p, RIGHT]
    if left != 0 and right != 0:
        put_last(page, NEXT, PREV, LIST, head, num, num[CHUNKS], p)
    elif left != 0 or right != 0:
        put_last(page, NEXT, PREV, LIST, head, num, _chunks(obj[left + right, SIZE]), p)
    else:
        put_first(page, NEXT, PREV, LIST, head, num, num[UNUSED], p)


@inlined
def _take_page(page, num):
    """A page from the VM, 0 if it is refused."""
    if num[MAY_TAKE] <= 0:
        return 0
    p = take_row(page, NEXT, num, ROWS_USED, ROW_SPARE, num[PAGE_LIMIT])
    if p != 0:
        page[p, SERIAL] = num[PAGES_TAKEN]
        page[p, LEFT] = 0
        page[p, RIGHT] = 0
        num[MAY_TAKE] -= 1
        num[PAGES_TAKEN] += 1
        num[META_INSIDE] += num[HEADER]
        num[LOST_INSIDE] += DATA - num[HEADER]
    return p


@inlined
def _return_page(page, head, num, p):
    """Give an unused page back to the VM."""
    take_out(page, NEXT, PREV, LIST, head, num, p)
    drop_row(page, NEXT, num, ROW_SPARE, p)
    num[PAGES_RETURNED] += 1
    num[META_INSIDE] -= num[HEADER]
    num[LOST_INSIDE] -= DATA - num[HEADER]


@inlined
def _find_page(page, head, num, need):
    """A page with room for so many chunks, out of its list: the fullest single one, an unused one, a new one; 0 if there is none."""
    most = num[CHUNKS] - need
    found = highest_list_to(num, most)
    if found > 0:
        num[OP_WALKED] += most - found + 1
        p = int64(head[found])
    else:
        num[OP_WALKED] += most + 1
        p = int64(head[num[UNUSED]])
        if p == 0:
            return int64(_take_page(page, num))
    take_out(page, NEXT, PREV, LIST, head, num, p)
    return p


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL if the size is not allowed, -ENOMEM if there is no page."""
    obj, page, head, num = pool.obj, pool.page, pool.head, pool.num
    start_operation(num)
    if size < 1 or size > (num[CHUNKS] - 1) << SHIFT:
        return -EINVAL
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -ENOMEM
    need = _chunks(size)
    p = _find_page(page, head, num, need)
    if p == 0:
        settle(num)
        return -ENOMEM
    row = take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT])
    obj[row, PAGE] = p
    obj[row, SIZE] = size
    page[p, RIGHT if page[p, LEFT] != 0 else LEFT] = row
    _file(obj, page, head, num, p)
    num[STORED_OBJECTS] += 1
    num[STORED_BYTES] += size
    num[num[CHUNK_COUNTS] + need] += 1
    num[OBJECTS] += 1
    num[PAYLOAD] += size
    num[LOST_INSIDE] += (need << SHIFT) - size
    num[OP_COPIED] = size
    num[COPIED] += size
    settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object; its page changes its list, unless it is being evicted.  -EINVAL if the object is not live."""
    obj, page, head, num = pool.obj, pool.page, pool.head, pool.num
    start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, PAGE] == 0:
        return -EINVAL
    p, size = int64(obj[row, PAGE]), int64(obj[row, SIZE])
    page[p, LEFT if page[p, LEFT] == row else RIGHT] = 0
    obj[row, PAGE] = 0
    drop_row(obj, SIZE, num, HANDLE_SPARE, row)
    num[OBJECTS] -= 1
    num[PAYLOAD] -= size
    num[LOST_INSIDE] -= (_chunks(size) << SHIFT) - size
    if page[p, LIST] != CLAIMED:
        num[OP_WALKED] = 1  # the buddy
        take_out(page, NEXT, PREV, LIST, head, num, p)
        _file(obj, page, head, num, p)
    settle(num)
    return 0


@inlined
def _next_list(num):
    """The list that an eviction goes on with, 0 if there is none: single pages, the emptiest first, then pairs.

    The last list of single ones is left out, as in the original.  Counts the heads looked at, that of list 0 too.
    """
    at, last = num[EVICT_AT], num[CHUNKS] - 1
    i = lowest_list_from(num, at)
    if i == last:
        i = lowest_list_from(num, last + 1)
    none = i < 0 or i > num[CHUNKS]
    if none:
        i = num[CHUNKS]
    num[OP_WALKED] += i - at + 1 - (at < last < i)
    num[EVICT_AT] = i
    return int64(0) if none else int64(i)


@inlined
def _return_unused(page, head, num):
    """Give unused pages back, the one that was emptied last first, until enough are gone."""
    while num[EVICT_LEFT] > 0:
        p = int64(head[num[UNUSED]])
        if p == 0:
            break
        _return_page(page, head, num, p)
        num[EVICTED_RAW] += 1
        num[EVICT_LEFT] -= 1


@compiled(int64(pool_t))
def evict_begin(pool):
    """Claim the next page to empty, 0 if there is none (see Allocator).  The first call of an eviction gives unused pages back.

    At least one page is processed, however few were asked for.
    """
    page, head, num = pool.page, pool.head, pool.num
    start_operation(num)
    first = num[EVICT_AT] == 0
    if first:
        num[EVICT_LEFT] = max(num[EVICT_LEFT], 1)
        _return_unused(page, head, num)
    p = int64(0)
    if num[EVICT_LEFT] > 0:
        i = _next_list(num)
        if i != 0:
            p = int64(head[i])
            take_out(page, NEXT, PREV, LIST, head, num, p)
            page[p, LIST] = CLAIMED
            page[p, OFFERED] = 0
            num[EVICTED_BUDDIED if i == num[CHUNKS] else EVICTED_SINGLE] += 1
    settle(num)
    return p


@inlined
def _is_claimed(page, num, p):
    return 1 <= p <= num[ROWS_USED] and page[p, LIST] == CLAIMED


@compiled(int64(pool_t, int64))
def evict_next(pool, p):
    """Handle of the next object of a claimed page, -1 if there is no more."""
    page, num = pool.page, pool.num
    if not _is_claimed(page, num, p):
        return -EINVAL
    while page[p, OFFERED] < 2:
        row = page[p, LEFT + page[p, OFFERED]]
        page[p, OFFERED] += 1
        if row != 0:
            return row - 1
    return -1


@compiled(int64(pool_t, int64))
def evict_done(pool, p):
    """Put a claimed page on the unused list: it counts as evicted, though only the next eviction gives it back.

    The original asks no owner.  Should one have refused, the page goes to the list that it calls for, and still counts.
    """
    obj, page, head, num = pool.obj, pool.page, pool.head, pool.num
    start_operation(num)
    if not _is_claimed(page, num, p):
        return -EINVAL
    emptied = page[p, LEFT] == 0 and page[p, RIGHT] == 0
    _file(obj, page, head, num, p)
    num[EVICT_LEFT] -= 1
    settle(num)
    return int64(emptied)


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset of a live object: the first place begins behind the header, the second ends with the page."""
    obj, page, num = pool.obj, pool.page, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, PAGE] == 0:
        return -EINVAL
    p = int64(obj[row, PAGE])
    out[0] = page[p, SERIAL]
    out[1] = DATA if page[p, LEFT] == row else num[PAGE_SIZE] - (_chunks(obj[row, SIZE]) << SHIFT)
    return 1


def create(page_size: int, max_pages: int, max_objects: int, *, header: int = 64, may_take: int = 0) -> PoolArrays:
    """An empty pool, which takes no page before the first `alloc`."""
    chunks = (page_size - DATA) // GRAIN
    lists = chunks + 2
    if page_size % GRAIN or not 512 <= page_size <= GRAIN * MAX_LISTS:
        raise InputError(f"zbud: pages of {page_size} bytes; a multiple of {GRAIN} from 512 to {GRAIN * MAX_LISTS} is needed")
    if header not in HEADER_BYTES:
        raise InputError(f"zbud: header {header!r}; known are 32 and 64")
    start = numbers_for(lists)
    num = np.zeros(start + chunks, np.int64)
    num[PAGE_SIZE] = page_size
    num[MAY_TAKE] = may_take
    num[CHUNKS] = chunks
    num[UNUSED] = chunks + 1
    num[HEADER] = HEADER_BYTES[header]
    num[PAGE_LIMIT] = max_pages
    num[HANDLE_LIMIT] = max_objects
    num[CHUNK_COUNTS] = start
    return build_pool(
        np.zeros((max_objects + 1, 2), np.int32),
        np.zeros((max_pages + 1, 7), np.int32),
        np.zeros((1, 1), np.int32),
        np.zeros(3 * lists, np.int32),
        num,
    )


def counters(arrays: PoolArrays) -> dict[str, int]:
    """The original's counters, by their names in /sys/kernel/mm/zcache."""
    head, num = arrays.head, arrays.num
    counts = head[2 * len(head) // 3 :]
    return {
        "zbud_curr_raw_pages": int(num[POOL_PAGES]),
        "zbud_curr_zpages": int(num[OBJECTS]),
        "zbud_curr_zbytes": int(num[PAYLOAD]),
        "zbud_cumul_zpages": int(num[STORED_OBJECTS]),
        "zbud_cumul_zbytes": int(num[STORED_BYTES]),
        "zbud_buddied_count": int(counts[num[CHUNKS]]),
        "zbpg_unused_list_count": int(counts[num[UNUSED]]),
        "evicted_raw_pages": int(num[EVICTED_RAW]),
        "evicted_unbuddied_pages": int(num[EVICTED_SINGLE]),
        "evicted_buddied_pages": int(num[EVICTED_BUDDIED]),
    }


def chunk_counters(arrays: PoolArrays) -> dict[str, list[int]]:
    """Those that are a row of numbers: for 0, 1, 2 ... chunks, the pages with one such object, and such objects ever stored."""
    head, num = arrays.head, arrays.num
    chunks, start = int(num[CHUNKS]), int(num[CHUNK_COUNTS])
    counts = head[2 * len(head) // 3 :]
    return {"zbud_unbuddied_list_counts": counts[:chunks].tolist(), "zbud_cumul_chunk_counts": num[start : start + chunks].tolist()}


def _title(page_size: int, options: dict[str, Any]) -> str:
    return f"zbud of zcache 1.0, Linux 3.1.10, {options.get('header', 64)}-bit"


_PRINTED = {
    "raw_pages": "zbud_curr_raw_pages",
    "zpages": "zbud_curr_zpages",
    "zbytes": "zbud_curr_zbytes",
    "buddied": "zbud_buddied_count",
    "unused": "zbpg_unused_list_count",
    "raw": "evicted_raw_pages",
    "unbud": "evicted_unbuddied_pages",
    "bud": "evicted_buddied_pages",
}


def _statistics(arrays: PoolArrays) -> list[str]:
    values = counters(arrays)
    return [" ".join([f"s {values['zbud_curr_raw_pages']}", *(f"{short}={values[name]}" for short, name in _PRINTED.items())])]


def _reclaim(arrays: PoolArrays, objects: Objects, pages: int) -> list[str]:
    lost = evict_pages(ZBUD_ZCACHE1, arrays, objects, pages, refuse=False).offered
    return [" ".join(["r :", *(str(who) for who, _ in lost)])]


ZBUD_ZCACHE1 = Allocator(
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
    Answers(_title, errno=False, statistics=_statistics, reclaim=_reclaim),
)
