"""z3fold of zswap: at most three objects a page, which move when a neighbour is freed (Vitaly Wool, 2016).

Models mm/z3fold.c of Linux 6.1 on one CPU whose background work is always done at once.  The rules are told in docs/allocators.md; the
plain twin is tests/twins/z3fold.py.

A row of `page` is a page of the pool, the same row of `block` its links, a row of `obj` an object.  List k holds the pages with a vacant
place and a largest hole of k chunks.  All pages but a claimed one are on the LRU, most recent first.
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
    META_OUTSIDE,
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

TOTAL = 64  # chunks of a page, those of the header included
LISTS = 64  # more than there are hole sizes
HEADER_BYTES = 88  # 64-bit
TABLE_BYTES = 64  # the handles of a page with a header, outside of it
WIDE_GAP = 3  # chunks: a middle object moves over for no less
TRIES = 8  # pages that an eviction goes through before it gives up
PAGE_SIZES = (4096, 8192, 16384, 32768, 65536)

# columns of obj; PAGE 0 = handle not in use, SIZE then links spare handles
PAGE, SIZE = 0, 1

# columns of page
SERIAL, LIST, PLACE, SHAPE, GUESTS, OFFERED = 0, 1, 2, 5, 6, 7
# PLACE: its objects, 0 = vacant, in the three places below; SHAPE: a byte for each place with its chunks, then one with the start of MIDDLE
# GUESTS: a bit for each place whose object came from another page
# OFFERED: 0, or of a claimed page 1 and, from then on, 2 + the place that was offered last; PASSED: an eviction passes it by, see below
PASSED = -1
COLUMNS = 8  # half a cache line

# columns of block; 0 = none; NEXT, PREV: neighbours in the list LIST, NEXT links spare rows; AFTER, BEFORE: in the LRU
NEXT, PREV, AFTER, BEFORE = range(4)

# places, in the order in which they are evicted; an object that has a page without a header is in FIRST
MIDDLE, FIRST, LAST, START = range(4)
PLACES = 3
ON_NO_LIST, HEADLESS = -1, -2  # LIST of a full or claimed page, and of a page without a header

# own numbers
SHIFT = FIRST_OWN  # log2 of a chunk
HEADER = FIRST_OWN + 1  # chunks
LARGEST = FIRST_OWN + 2  # chunks of an object that shares a page
LRU_PAGES = FIRST_OWN + 3
HEADLESS_PAGES = FIRST_OWN + 4
MOVED_IN = FIRST_OWN + 5  # live objects that came from another page
ROWS_USED = FIRST_OWN + 6
ROW_SPARE = FIRST_OWN + 7
PAGE_LIMIT = FIRST_OWN + 8
HANDLES_USED = FIRST_OWN + 9
HANDLE_SPARE = FIRST_OWN + 10
HANDLE_LIMIT = FIRST_OWN + 11
PASSED_PAGES = FIRST_OWN + 12
LAST_PASSED = FIRST_OWN + 13  # the most recent of them, 0 = none

# The original's eviction walks over all pages with foreign objects at the end of the LRU, each time.  Those it came over are marked PASSED:
# the least recent pages up to LAST_PASSED are, no others, and none of them can be evicted.  So an eviction begins in front of them.


@uncounted
def _settle(num):
    """Bring the derived numbers of the tally up to date."""
    pages = num[PAGES_TAKEN] - num[PAGES_RETURNED]
    headed = pages - num[HEADLESS_PAGES]
    num[POOL_PAGES] = pages
    num[META_INSIDE] = headed * HEADER_BYTES
    num[META_OUTSIDE] = (headed + num[MOVED_IN]) * TABLE_BYTES
    num[FREE_BYTES] = pages * num[PAGE_SIZE] - headed * HEADER_BYTES - num[PAYLOAD] - num[LOST_INSIDE]
    num[WALKED] += num[OP_WALKED]
    num[COPIED] += num[OP_COPIED]


@uncounted
def _byte(shape, i):
    """One number of a SHAPE: the chunks of a place, or START."""
    return (shape >> (8 * i)) & 255


@uncounted
def _largest_hole(num, shape):
    """Chunks of the largest hole of a page."""
    middle, first, last, start = _byte(shape, MIDDLE), _byte(shape, FIRST), _byte(shape, LAST), _byte(shape, START)
    left = (start - num[HEADER]) * (first == 0)
    right = (TOTAL - start - middle) * (last == 0)
    between = TOTAL - num[HEADER] - first - last
    return between if middle == 0 else max(left, right)


@uncounted
def _set_place(page, p, place, row, chunks):
    """Put an object into a vacant place."""
    page[p, PLACE + place] = row
    page[p, SHAPE] |= chunks << (8 * place)


@uncounted
def _clear_place(page, p, place):
    page[p, PLACE + place] = 0
    page[p, SHAPE] &= ~(255 << (8 * place))
    page[p, GUESTS] &= ~(1 << place)


@uncounted
def _place_of(page, p, row):
    """The place in which a page holds an object."""
    if page[p, PLACE + FIRST] == row:
        return FIRST
    return LAST if page[p, PLACE + LAST] == row else MIDDLE


@uncounted
def _is_empty(page, p):
    return page[p, PLACE + MIDDLE] | page[p, PLACE + FIRST] | page[p, PLACE + LAST] == 0


@uncounted
def _take_page(page, link, num):
    """A page from the VM, on the LRU, 0 if it is refused."""
    if num[MAY_TAKE] <= 0:
        return 0
    p = take_row(link, NEXT, num, ROWS_USED, ROW_SPARE, num[PAGE_LIMIT])
    if p != 0:
        page[p, SERIAL] = num[PAGES_TAKEN]
        page[p, SHAPE] = 0
        ring_first(link, AFTER, BEFORE, p)
        num[LRU_PAGES] += 1
        num[MAY_TAKE] -= 1
        num[PAGES_TAKEN] += 1
    return p


@uncounted
def _slack(num):
    """Bytes that are lost behind a header."""
    return (num[HEADER] << num[SHIFT]) - HEADER_BYTES


@uncounted
def _return_page(page, link, num, p):
    """Give a page that holds nothing, and is on no list, back to the VM."""
    if page[p, LIST] == HEADLESS:
        num[HEADLESS_PAGES] -= 1
    else:
        num[LOST_INSIDE] -= _slack(num)
    drop_row(link, NEXT, num, ROW_SPARE, p)
    num[PAGES_RETURNED] += 1


@uncounted
def _leave_age(page, link, num, p):
    """Take a page out of the LRU."""
    if page[p, OFFERED] == PASSED:
        page[p, OFFERED] = 0
        num[PASSED_PAGES] -= 1
        if num[LAST_PASSED] == p:
            num[LAST_PASSED] = link[p, AFTER]
    ring_out(link, AFTER, BEFORE, p)


@uncounted
def _leave_lru(page, link, num, p):
    _leave_age(page, link, num, p)
    num[LRU_PAGES] -= 1


@uncounted
def _pass_by(page, link, num):
    """Mark the pages that cannot be evicted, up to the first that can: that one, 0 if there is none."""
    p = int64(link[num[LAST_PASSED], BEFORE])
    while p != 0 and page[p, GUESTS] != 0:
        page[p, OFFERED] = PASSED
        num[PASSED_PAGES] += 1
        num[LAST_PASSED] = p
        p = int64(link[p, BEFORE])
    return p


@uncounted
def _come_back_to(page, link, num, p):
    """A page that was passed by can be evicted now, so all up to it must be looked at again."""
    end = int64(link[p, AFTER])
    while num[LAST_PASSED] != end:
        q = num[LAST_PASSED]
        page[q, OFFERED] = 0
        num[PASSED_PAGES] -= 1
        num[LAST_PASSED] = link[q, AFTER]


@uncounted
def _leave_list(page, link, head, num, p):
    """Take a page with a header out of its list, if it is on one."""
    i = int64(page[p, LIST])
    if i >= 0:
        unlink(link, NEXT, PREV, head, num, i, p)
        page[p, LIST] = ON_NO_LIST


@uncounted
def _file(page, link, head, num, p):
    """Make a page with a vacant place the head of the list of its largest hole."""
    if (page[p, PLACE + FIRST] != 0) & (page[p, PLACE + LAST] != 0) & (page[p, PLACE + MIDDLE] != 0):
        page[p, LIST] = ON_NO_LIST
    else:
        i = _largest_hole(num, int64(page[p, SHAPE]))
        page[p, LIST] = i
        push(link, NEXT, PREV, head, num, i, p)


@uncounted
def _find_page(link, head, num, need):
    """The page with the smallest hole of so many chunks and more, out of its list, 0 if there is none.

    The original then looks once more at the list of exactly this size: on other CPUs there might be one.
    """
    i = lowest_list_from(num, need)
    if i < 0:
        num[OP_WALKED] += num[LARGEST] - need + 2
        return int64(0)
    num[OP_WALKED] += i - need + 1
    p = int64(head[i])
    unlink(link, NEXT, PREV, head, num, int64(i), p)
    return p


@uncounted
def _fill(obj, page, num, p, row, need):
    """Put an object into a page that has room for it: the place, and where a middle one starts."""
    shape = int64(page[p, SHAPE])
    first_vacant = page[p, PLACE + FIRST] == 0
    if page[p, PLACE + MIDDLE] != 0:
        place = FIRST if first_vacant and need <= _byte(shape, START) - num[HEADER] else LAST
    elif first_vacant:
        place = FIRST
    elif page[p, PLACE + LAST] == 0:
        place = LAST
    else:
        place = MIDDLE
        shape = _with_start(shape, num[HEADER] + _byte(shape, FIRST))
    page[p, PLACE + place] = row
    page[p, SHAPE] = shape | need << (8 * place)
    obj[row, PAGE] = p
    return place


@uncounted
def _with_start(shape, start):
    return (shape & ~(255 << (8 * START))) | start << (8 * START)


@uncounted
def _store(obj, page, link, head, num, row, need):
    """Find or take a page for an object of so many chunks; 0 if there is none."""
    p = _find_page(link, head, num, need)
    if p != 0:
        _leave_age(page, link, num, p)
        ring_first(link, AFTER, BEFORE, p)
    else:
        p = int64(_take_page(page, link, num))
        if p == 0:
            return p
        num[LOST_INSIDE] += _slack(num)
    _fill(obj, page, num, p, row, need)
    _file(page, link, head, num, p)
    return p


@uncounted
def _store_alone(obj, page, link, num, row):
    """Take a page without a header for an object; 0 if there is none."""
    p = int64(_take_page(page, link, num))
    if p != 0:
        page[p, LIST] = HEADLESS
        _set_place(page, p, FIRST, row, TOTAL)
        obj[row, PAGE] = p
        num[HEADLESS_PAGES] += 1
    return p


@uncounted
def _alloc(pool, size):
    obj, page, link, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    if size < 1:
        return -EINVAL
    if size > num[PAGE_SIZE]:
        return -ENOSPC
    row = take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT])
    if row == 0:
        return -ENOMEM
    need = (size + (1 << num[SHIFT]) - 1) >> num[SHIFT]
    if need <= num[LARGEST]:
        p = _store(obj, page, link, head, num, row, need)
    else:
        need = int64(TOTAL)
        p = _store_alone(obj, page, link, num, row)
    if p == 0:
        drop_row(obj, SIZE, num, HANDLE_SPARE, row)
        _settle(num)
        return -ENOMEM
    obj[row, SIZE] = size
    num[OBJECTS] += 1
    num[PAYLOAD] += size
    num[LOST_INSIDE] += (need << num[SHIFT]) - size
    num[OP_COPIED] = size
    _settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL for none, -ENOSPC for more than a page, -ENOMEM if there is no page."""
    return _alloc(pool, size)


@uncounted
def _move_out(obj, page, link, head, num, p):
    """Move the only object of a page, were it made there, into another page, which keeps its age; 1 if that was done."""
    middle, first, last = int64(page[p, PLACE + MIDDLE]), int64(page[p, PLACE + FIRST]), int64(page[p, PLACE + LAST])
    if ((middle != 0) + (first != 0) + (last != 0) != 1) | (page[p, GUESTS] != 0):
        return 0
    shape = int64(page[p, SHAPE])
    need = _byte(shape, MIDDLE) + _byte(shape, FIRST) + _byte(shape, LAST)
    q = _find_page(link, head, num, need)
    if q == 0:
        return 0
    row = middle + first + last
    _clear_place(page, p, _place_of(page, p, row))
    page[q, GUESTS] |= 1 << _fill(obj, page, num, q, row, need)
    _file(page, link, head, num, q)
    num[MOVED_IN] += 1
    num[MOVED] += 1
    num[OP_COPIED] += need << num[SHIFT]
    return 1


@uncounted
def _move_middle(page, num, p):
    """Move the middle object of a page up to its neighbour, or to the start, if that makes the hole much larger."""
    shape = int64(page[p, SHAPE])
    middle, first, last, start = _byte(shape, MIDDLE), _byte(shape, FIRST), _byte(shape, LAST), _byte(shape, START)
    if middle == 0:
        return
    behind_first, before_last = num[HEADER] + first, TOTAL - last - middle
    if first == 0 and last == 0:
        row, guest = page[p, PLACE + MIDDLE], page[p, GUESTS]
        _clear_place(page, p, MIDDLE)
        _set_place(page, p, FIRST, row, middle)
        page[p, GUESTS] = guest << (FIRST - MIDDLE)
    elif last == 0 and start - behind_first >= WIDE_GAP:
        page[p, SHAPE] = _with_start(shape, behind_first)
    elif first == 0 and before_last - start >= WIDE_GAP:
        page[p, SHAPE] = _with_start(shape, before_last)
    else:
        return
    num[MOVED] += 1
    num[OP_COPIED] += middle << num[SHIFT]


@uncounted
def _lost_one(obj, page, link, head, num, p):
    """A page has lost an object: it goes back if it is empty or its last one finds another page, otherwise its holes are joined."""
    if page[p, LIST] != HEADLESS:
        num[OP_WALKED] = PLACES - 1  # the other places
        _leave_list(page, link, head, num, p)
    if _is_empty(page, p) or _move_out(obj, page, link, head, num, p):
        _leave_lru(page, link, num, p)
        _return_page(page, link, num, p)
    else:
        _move_middle(page, num, p)
        _file(page, link, head, num, p)


@uncounted
def _free(pool, handle):
    obj, page, link, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, PAGE] == 0:
        return -EINVAL
    p, size = int64(obj[row, PAGE]), int64(obj[row, SIZE])
    place = _place_of(page, p, row)
    num[OBJECTS] -= 1
    num[PAYLOAD] -= size
    num[LOST_INSIDE] -= (_byte(int64(page[p, SHAPE]), place) << num[SHIFT]) - size
    num[MOVED_IN] -= (page[p, GUESTS] >> place) & 1
    _clear_place(page, p, place)
    obj[row, PAGE] = 0
    drop_row(obj, SIZE, num, HANDLE_SPARE, row)
    if page[p, OFFERED] == PASSED and page[p, GUESTS] == 0:
        _come_back_to(page, link, num, p)
    if page[p, OFFERED] <= 0:
        _lost_one(obj, page, link, head, num, p)
    _settle(num)
    return 0


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object and see to its page, unless that is being evicted.  -EINVAL if the object is not live."""
    return _free(pool, handle)


@uncounted
def _evict_begin(pool):
    page, link, head, num = pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    if num[EVICT_LEFT] <= 0:
        return 0
    if num[EVICT_AT] >= TRIES:
        return -EAGAIN
    if num[LRU_PAGES] == 0:
        return -EINVAL
    p = _pass_by(page, link, num)
    num[OP_WALKED] = num[PASSED_PAGES] + (p != 0)
    if p == 0:
        _settle(num)
        return -EAGAIN
    _leave_list(page, link, head, num, p)
    _leave_lru(page, link, num, p)
    page[p, OFFERED] = 1
    num[EVICT_AT] += 1
    _settle(num)
    return p


@compiled(int64(pool_t))
def evict_begin(pool):
    """Claim the least recent page without foreign objects; 0 if enough are gone.

    -EAGAIN after too many that were not emptied, or if there is no such page; -EINVAL if there is none at all.
    """
    return _evict_begin(pool)


@uncounted
def _is_claimed(page, num, p):
    return 1 <= p <= num[ROWS_USED] and page[p, OFFERED] > 0


@uncounted
def _evict_next(pool, p):
    page, num = pool.page, pool.num
    if not _is_claimed(page, num, p):
        return -EINVAL
    while page[p, OFFERED] <= PLACES:
        at = int64(page[p, OFFERED])
        if at > 1 and page[p, PLACE + at - 2] != 0:
            return -1
        page[p, OFFERED] = at + 1
        row = int64(page[p, PLACE + at - 1])
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
    emptied = _is_empty(page, p)
    if emptied:
        _return_page(page, link, num, p)
        num[EVICT_LEFT] -= 1
        num[EVICT_AT] = 0
    else:
        if page[p, LIST] != HEADLESS:
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
    if page[p, LIST] == HEADLESS:
        chunk = int64(0)
    elif page[p, PLACE + FIRST] == row:
        chunk = num[HEADER]
    elif page[p, PLACE + LAST] == row:
        chunk = TOTAL - _byte(int64(page[p, SHAPE]), LAST)
    else:
        chunk = _byte(int64(page[p, SHAPE]), START)
    out[0] = page[p, SERIAL]
    out[1] = chunk << num[SHIFT]
    return 1


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset of a live object."""
    return _blocks(pool, handle, out)


def create(page_size: int, max_pages: int, max_objects: int, *, may_take: int = 0) -> PoolArrays:
    """An empty pool, which takes no page before the first `alloc`.  With larger pages the header fits into one chunk."""
    if page_size not in PAGE_SIZES:
        raise InputError(f"z3fold: pages of {page_size} bytes; known are {', '.join(map(str, PAGE_SIZES))}")
    num = np.zeros(numbers_for(LISTS), np.int64)
    num[PAGE_SIZE] = page_size
    num[MAY_TAKE] = may_take
    num[SHIFT] = page_size.bit_length() - 7
    num[HEADER] = -(-HEADER_BYTES // (page_size // TOTAL))
    num[LARGEST] = TOTAL - num[HEADER] - 1
    num[PAGE_LIMIT] = max_pages
    num[HANDLE_LIMIT] = max_objects
    return build_pool(
        table_of(max_objects + 1, 2),
        table_of(max_pages + 1, COLUMNS),
        table_of(max_pages + 1, 4),
        np.zeros(2 * LISTS, np.int32),
        num,
    )


def list_counts(arrays: PoolArrays) -> list[int]:
    """Pages on each list."""
    return [int(count) for count in arrays.head[LISTS:]]


def counters(arrays: PoolArrays) -> dict[str, int]:
    """Pages of the pool, on the LRU, and without a header; objects that came from another page."""
    num = arrays.num
    return {
        "pages": int(num[POOL_PAGES]),
        "lru": int(num[LRU_PAGES]),
        "headless": int(num[HEADLESS_PAGES]),
        "foreign": int(num[MOVED_IN]),
    }


def _title(page_size: int, options: dict[str, Any]) -> str:
    return "z3fold, Linux 6.1.192, one cpu, background work drained after every operation"


def _statistics(arrays: PoolArrays) -> list[str]:
    values = counters(arrays)
    unbuddied = [f"u {i} {count}" for i, count in enumerate(list_counts(arrays)) if count]
    return [f"s {values['pages']}", f"l {values['lru']}", *unbuddied]


def _reclaim(arrays: PoolArrays, objects: Objects, pages: int) -> list[str]:
    return told_eviction(Z3FOLD, arrays, objects, pages)


Z3FOLD = Allocator(
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
    migratable=True,
    slabs=((TABLE_BYTES, META_OUTSIDE, TABLE_BYTES),),
)
