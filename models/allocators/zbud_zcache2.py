"""zbud of zcache2: at most two objects a page, no header, a true LRU, and "evict and reuse" (Dan Magenheimer, 2012).

Models the zbud of zcache2 as posted on 2012-07-31 and in drivers/staging/zcache of Linux 3.10.  The rules are told in
docs/allocators.md; the plain twin is tests/twins/zbud_zcache2.py.

The original keeps the lists of clean (ephemeral) and of swapped (persistent) pages apart; that is two pools here.  A row of `page` is
a page of the pool, a row of `obj` an object.  Lists: 1 to CHUNKS - 1 hold the pages with one object, by the chunks that it uses;
list CHUNKS is the LRU of all pages, which has links of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.eviction import evict_pages
from models.allocators.lists import MAX_LISTS, drop_row, highest_list_to, numbers_for, put_last, take_out, take_row
from models.allocators.pool import (
    EINVAL,
    ENOMEM,
    EVICT_AT,
    EVICT_LEFT,
    FIRST_OWN,
    LOST_INSIDE,
    MAY_TAKE,
    META_INSIDE,
    OBJECTS,
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
from models.allocators.tally import count_free, count_store, settle, start_operation
from models.errors import InputError
from models.jit import compiled, inlined

GRAIN = 64  # bytes of a chunk
SHIFT = 6
HANDLE = 32  # bytes in front of every object: its name in tmem

# columns of obj; PAGE 0 = handle not in use, SIZE then links spare handles
PAGE, SIZE = 0, 1

# columns of page; row 0 in a link = none; NEXT links spare rows
SERIAL, LEFT, RIGHT, NEXT, PREV, LIST, AFTER, BEFORE, LRU, OFFERED, TRIED = range(11)
# LEFT, RIGHT: its objects, 0 = vacant; NEXT, PREV: neighbours in the list LIST, if it has one object; AFTER, BEFORE: in the list LRU
# OFFERED: places that an eviction has been through; TRIED: number of the last eviction in which the owner kept an object of it
CLAIMED = -1  # LRU of a page that is being evicted

# own numbers
CHUNKS = FIRST_OWN  # of a page; also the number of the LRU
ROWS_USED = FIRST_OWN + 1
ROW_SPARE = FIRST_OWN + 2
PAGE_LIMIT = FIRST_OWN + 3
HANDLES_USED = FIRST_OWN + 4
HANDLE_SPARE = FIRST_OWN + 5
HANDLE_LIMIT = FIRST_OWN + 6
WANTED = FIRST_OWN + 7  # 1: the last store failed for want of a page; one that is emptied now is kept for it
KEPT = FIRST_OWN + 8  # that page, on no list; 0 = none
STORED_OBJECTS = FIRST_OWN + 9  # ever
STORED_BYTES = FIRST_OWN + 10
PAIRS = FIRST_OWN + 11  # pages with two objects
EVICTED = FIRST_OWN + 12  # pages emptied by evictions
REUSED = FIRST_OWN + 13  # of these, the ones that went to a store at once
GIVEN_UP = FIRST_OWN + 14  # pages of which the owner kept an object
EVICTIONS = FIRST_OWN + 15


@inlined
def _chunks(size):
    return (int64(size) + HANDLE + GRAIN - 1) >> SHIFT


@inlined
def _file_single(obj, page, head, num, p):
    """A page with one object joins the tail of the list for its chunks."""
    put_last(page, NEXT, PREV, LIST, head, num, _chunks(obj[page[p, LEFT] + page[p, RIGHT], SIZE]), p)


@inlined
def _most_recent(page, head, num, p):
    """A page goes to the tail of the LRU."""
    put_last(page, AFTER, BEFORE, LRU, head, num, num[CHUNKS], p)


@inlined
def _take_page(page, num):
    """The page kept for this store, or one from the VM, on no list; 0 if it is refused."""
    p = num[KEPT]
    if p != 0:
        num[KEPT] = 0
        num[REUSED] += 1
        return p
    if num[MAY_TAKE] <= 0:
        return 0
    p = take_row(page, NEXT, num, ROWS_USED, ROW_SPARE, num[PAGE_LIMIT])
    if p != 0:
        page[p, SERIAL] = num[PAGES_TAKEN]
        page[p, LEFT] = 0
        page[p, RIGHT] = 0
        page[p, TRIED] = 0
        num[MAY_TAKE] -= 1
        num[PAGES_TAKEN] += 1
    return p


@inlined
def _return_page(page, num, p):
    """Give an empty page that is on no list back to the VM."""
    drop_row(page, NEXT, num, ROW_SPARE, p)
    num[PAGES_RETURNED] += 1


@inlined
def _return_kept(page, num):
    """The store that a page was kept for did not come, or did without it."""
    num[WANTED] = 0
    if num[KEPT] != 0:
        _return_page(page, num, num[KEPT])
        num[KEPT] = 0


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL if the size is not allowed, -ENOMEM if there is no page."""
    obj, page, head, num = pool.obj, pool.page, pool.head, pool.num
    start_operation(num)
    if size < 1 or size + HANDLE > (num[CHUNKS] - 1) << SHIFT:
        return -EINVAL
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -ENOMEM
    need = _chunks(size)
    most = num[CHUNKS] - need
    found = highest_list_to(num, most)
    if found > 0:
        num[OP_WALKED] = most - found + 1
        p = int64(head[found])
        take_out(page, NEXT, PREV, LIST, head, num, p)
        take_out(page, AFTER, BEFORE, LRU, head, num, p)
        num[PAIRS] += 1
    else:
        num[OP_WALKED] = most
        p = int64(_take_page(page, num))
        if p == 0:
            num[WANTED] = 1
            settle(num)
            return -ENOMEM
    _return_kept(page, num)
    row = int64(take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT]))
    obj[row, PAGE] = p
    obj[row, SIZE] = size
    page[p, RIGHT if page[p, LEFT] != 0 else LEFT] = row
    _most_recent(page, head, num, p)
    if found <= 0:
        _file_single(obj, page, head, num, p)
    num[STORED_OBJECTS] += 1
    num[STORED_BYTES] += size
    num[META_INSIDE] += HANDLE
    num[LOST_INSIDE] += (need << SHIFT) - HANDLE - size
    count_store(num, size)
    settle(num)
    return row - 1


@inlined
def _lose_one(obj, page, head, num, p):
    """A page has lost an object: it is single now, or empty and given back.  Its place in the LRU stays."""
    if page[p, LEFT] != 0 or page[p, RIGHT] != 0:
        num[PAIRS] -= 1
        _file_single(obj, page, head, num, p)
    else:
        take_out(page, NEXT, PREV, LIST, head, num, p)
        take_out(page, AFTER, BEFORE, LRU, head, num, p)
        _return_page(page, num, p)


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object; an empty page goes back, unless it is being evicted.  -EINVAL if the object is not live."""
    obj, page, head, num = pool.obj, pool.page, pool.head, pool.num
    start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, PAGE] == 0:
        return -EINVAL
    p, size = int64(obj[row, PAGE]), int64(obj[row, SIZE])
    page[p, LEFT if page[p, LEFT] == row else RIGHT] = 0
    obj[row, PAGE] = 0
    drop_row(obj, SIZE, num, HANDLE_SPARE, row)
    num[META_INSIDE] -= HANDLE
    num[LOST_INSIDE] -= (_chunks(size) << SHIFT) - HANDLE - size
    count_free(num, size)
    if page[p, LRU] != CLAIMED:
        num[OP_WALKED] = 1  # the buddy
        _lose_one(obj, page, head, num, p)
        _return_kept(page, num)
    settle(num)
    return 0


@compiled(int64(pool_t))
def evict_begin(pool):
    """Claim the page that has been on the LRU for longest, 0 if there is none or enough have been processed (see Allocator)."""
    page, head, num = pool.page, pool.head, pool.num
    start_operation(num)
    if num[EVICT_AT] == 0:
        num[EVICT_AT] = 1
        num[EVICTIONS] += 1
        if num[KEPT] != 0:
            _return_kept(page, num)
    p = int64(0)
    if num[EVICT_LEFT] > 0:
        num[OP_WALKED] = 1
        p = int64(head[num[CHUNKS]])
        if page[p, TRIED] == num[EVICTIONS]:
            p = int64(0)  # all others have been tried since
        if p != 0:
            if page[p, LEFT] != 0 and page[p, RIGHT] != 0:
                num[PAIRS] -= 1
            else:
                take_out(page, NEXT, PREV, LIST, head, num, p)
            take_out(page, AFTER, BEFORE, LRU, head, num, p)
            page[p, LRU] = CLAIMED
            page[p, OFFERED] = 0
    settle(num)
    return p


@inlined
def _is_claimed(page, num, p):
    return 1 <= p <= num[ROWS_USED] and page[p, LRU] == CLAIMED


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
    """An emptied page goes back to the VM, or is kept for the store that has just failed; one that is not empty becomes most recent."""
    obj, page, head, num = pool.obj, pool.page, pool.head, pool.num
    start_operation(num)
    if not _is_claimed(page, num, p):
        return -EINVAL
    page[p, LRU] = 0
    emptied = page[p, LEFT] == 0 and page[p, RIGHT] == 0
    if not emptied:
        num[GIVEN_UP] += 1
        page[p, TRIED] = num[EVICTIONS]
        if page[p, LEFT] != 0 and page[p, RIGHT] != 0:
            num[PAIRS] += 1
        else:
            _file_single(obj, page, head, num, p)
        _most_recent(page, head, num, p)
    else:
        num[EVICTED] += 1
        if num[WANTED] != 0:
            num[WANTED] = 0
            num[KEPT] = p
        else:
            _return_page(page, num, p)
    num[EVICT_LEFT] -= 1
    settle(num)
    return int64(emptied)


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset of the data of a live object: the first place begins with the page, the second ends with it."""
    obj, page, num = pool.obj, pool.page, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, PAGE] == 0:
        return -EINVAL
    p = int64(obj[row, PAGE])
    out[0] = page[p, SERIAL]
    out[1] = HANDLE + (0 if page[p, LEFT] == row else num[PAGE_SIZE] - (_chunks(obj[row, SIZE]) << SHIFT))
    return 1


def create(page_size: int, max_pages: int, max_objects: int, *, may_take: int = 0) -> PoolArrays:
    """An empty pool, which takes no page before the first `alloc`."""
    chunks = page_size // GRAIN
    lists = chunks + 1
    if page_size % GRAIN or not 256 <= page_size < GRAIN * MAX_LISTS:
        raise InputError(f"zbud-zcache2: pages of {page_size} bytes; a multiple of {GRAIN} from 256 to {GRAIN * (MAX_LISTS - 1)} is needed")
    num = np.zeros(numbers_for(lists), np.int64)
    num[PAGE_SIZE] = page_size
    num[MAY_TAKE] = may_take
    num[CHUNKS] = chunks
    num[PAGE_LIMIT] = max_pages
    num[HANDLE_LIMIT] = max_objects
    return build_pool(
        np.zeros((max_objects + 1, 2), np.int32),
        np.zeros((max_pages + 1, 11), np.int32),
        np.zeros((1, 1), np.int32),
        np.zeros(3 * lists, np.int32),
        num,
    )


def counters(arrays: PoolArrays) -> dict[str, int]:
    """What the original counts of one of its two kinds of pages."""
    num = arrays.num
    pages, pairs = int(num[POOL_PAGES]), int(num[PAIRS])
    return {
        "pageframes": pages,
        "zpages": int(num[OBJECTS]),
        "zbytes": int(num[PAYLOAD]),
        "cumul_zpages": int(num[STORED_OBJECTS]),
        "cumul_zbytes": int(num[STORED_BYTES]),
        "buddied": pairs,
        "unbuddied": int(arrays.num[OBJECTS]) - 2 * pairs,
        "evicted_pageframes": int(num[EVICTED]),
        "reused_pageframes": int(num[REUSED]),
        "refused_pageframes": int(num[GIVEN_UP]),
    }


def _title(page_size: int, options: dict[str, Any]) -> str:
    return "zbud of zcache2, Linux 3.10"


def _reclaim(arrays: PoolArrays, objects: Objects, pages: int) -> list[str]:
    offered = evict_pages(ZBUD_ZCACHE2, arrays, objects, pages).offered
    return [" ".join(["r :", *(str(who) if agreed else f"!{who}" for who, agreed in offered)])]


ZBUD_ZCACHE2 = Allocator(
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
    Answers(_title, errno=False, reclaim=_reclaim),
)
