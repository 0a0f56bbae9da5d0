"""zblock: blocks of a few pages, cut into equal slots, one kind of block for each range of sizes (Vitaly Wool, 2025).

Models the three tables that were posted to the linux-mm list: v2 of 2025-04-04 (v3 is the same), v4 of 2025-04-12, and v4 with its
fixes of May 2025.  It was never in a release.  The rules are told in docs/allocators.md; the plain twin is tests/twins/zblock.py.

A row of `page` is a block, a row of `block` a type: its slots and how many of its blocks there are.  A list holds a type's blocks
with a free slot.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64
from numba.cpython.unsafe.numbers import trailing_zeros

from models.allocators.lists import drop_row, numbers_for, put_first, put_last, take_out, take_row
from models.allocators.pool import (
    EINVAL,
    ENOMEM,
    ENOSPC,
    FIRST_OWN,
    LOST_INSIDE,
    MAY_TAKE,
    META_INSIDE,
    OP_WALKED,
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
from models.jit import compiled, inlined


class Table(NamedTuple):
    """One posted table.

    posted    which posting
    header    bytes in front of the slots of every block
    shapes    (slots, pages) of each type
    largest   the largest size that is accepted
    invalid   the one size that is refused as invalid, not as too large; 0 if there is none
    """

    posted: str
    header: int
    shapes: tuple[tuple[int, int], ...]
    largest: int
    invalid: int = 0


_V2 = """32/1 22/1 17/1 13/1 11/1 9/1 8/1 14/2 12/2 11/2 10/2 9/2 8/2 15/4 14/4 13/4 12/4 11/4 10/4 9/4 8/4 15/8 14/8 13/8 12/8 11/8
10/8 9/8 7/8"""
_V4 = """63/1 32/1 21/1 15/1 12/1 10/1 9/1 8/1 29/4 13/2 6/1 11/2 5/1 9/2 8/2 29/8 13/4 12/4 11/4 10/4 9/4 17/8 8/4 15/8 14/8 13/8
6/4 11/8 10/8 9/8 4/4"""
_FINAL = """28/1 18/1 12/1 10/1 17/2 15/2 13/2 6/1 11/2 5/1 19/4 9/2 17/4 4/1 23/6 11/3 7/2 10/3 19/6 6/2 14/5 8/3 5/2 12/5 9/4 15/7
2/1 15/8 9/5 12/7 13/8 6/4 11/8 9/7 6/5 9/8 4/4"""


def _shapes(text: str) -> tuple[tuple[int, int], ...]:
    return tuple((int(slots), int(pages)) for slots, pages in (word.split("/") for word in text.split()))


TABLE_PAGE = 4096  # the page size that the tables are made for
TABLES = {
    "v2": Table("v2 of 2025-04-04", 32, _shapes(_V2), 4096),
    "v4": Table("v4 of 2025-04-12", 40, _shapes(_V4), 4079, 4096),
    "final": Table("v4 with the fixes of May 2025", 48, _shapes(_FINAL), 4079),
}

# columns of obj; BLOCK 0 = handle not in use, SIZE then links spare handles
BLOCK, SIZE, SLOT = 0, 1, 2

# columns of page; NEXT, PREV: neighbours in the list of its type, if it has a free slot; NEXT links spare rows
SERIAL, TYPE, USED, NEXT, PREV, LOW, HIGH = range(7)
# SERIAL: of its first page; LOW, HIGH: one bit for each slot in use, of slots 0 to 31 and of those from 32 on

# columns of block
SLOT_SIZE, SLOTS, PAGES, WASTE, BLOCKS = range(5)

# own numbers
TYPES = FIRST_OWN
HEADER = FIRST_OWN + 1
LARGEST = FIRST_OWN + 2
INVALID = FIRST_OWN + 3
ROWS_USED = FIRST_OWN + 4
ROW_SPARE = FIRST_OWN + 5
PAGE_LIMIT = FIRST_OWN + 6
HANDLES_USED = FIRST_OWN + 7
HANDLE_SPARE = FIRST_OWN + 8
HANDLE_LIMIT = FIRST_OWN + 9


@inlined
def _type_of(block, num, size):
    """The first type whose slot is *larger* than the object, and the last type for all that is larger still."""
    low, high = int64(0), num[TYPES] - 1
    while low < high:
        middle = (low + high) >> 1
        if size < block[middle, SLOT_SIZE]:
            high = middle
        else:
            low = middle + 1
    return low


@inlined
def _slots_in_use(page, p):
    return (int64(page[p, HIGH]) << 32) | (int64(page[p, LOW]) & 0xFFFFFFFF)


@inlined
def _set_slots(page, p, bits):
    page[p, LOW] = bits & 0xFFFFFFFF
    page[p, HIGH] = bits >> 32


@inlined
def _new_block(page, block, head, num, t):
    """A block of this type from the VM, at the head of its list; 0 if not all of its pages are to be had."""
    pages = int64(block[t, PAGES])
    if num[MAY_TAKE] < pages or num[PAGES_TAKEN] - num[PAGES_RETURNED] + pages > num[PAGE_LIMIT]:
        return int64(0)
    p = int64(take_row(page, NEXT, num, ROWS_USED, ROW_SPARE, num[PAGE_LIMIT]))
    page[p, SERIAL] = num[PAGES_TAKEN]
    page[p, USED] = 0
    _set_slots(page, p, int64(0))
    put_first(page, NEXT, PREV, TYPE, head, num, t, p)
    num[PAGES_TAKEN] += pages
    num[MAY_TAKE] -= pages
    num[META_INSIDE] += num[HEADER]
    num[LOST_INSIDE] += block[t, WASTE]
    block[t, BLOCKS] += 1
    return p


@inlined
def _return_block(page, block, num, t, p):
    """Give a block that is on no list back to the VM."""
    drop_row(page, NEXT, num, ROW_SPARE, p)
    num[PAGES_RETURNED] += block[t, PAGES]
    num[META_INSIDE] -= num[HEADER]
    num[LOST_INSIDE] -= block[t, WASTE]
    block[t, BLOCKS] -= 1


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL or -ENOSPC if the size is not allowed, -ENOMEM if there are no pages."""
    obj, page, block, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    if size < 1 or size == num[INVALID]:
        return -EINVAL
    if size > num[LARGEST]:
        return -ENOSPC
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -ENOMEM
    t = _type_of(block, num, size)
    num[OP_WALKED] = 1
    p = int64(head[t])
    if p == 0:
        p = _new_block(page, block, head, num, t)
    if p == 0:
        settle(num)
        return -ENOMEM
    bits = _slots_in_use(page, p)
    slot = int64(trailing_zeros(~bits))
    _set_slots(page, p, bits | (int64(1) << slot))
    page[p, USED] += 1
    if page[p, USED] == block[t, SLOTS]:
        take_out(page, NEXT, PREV, TYPE, head, num, p)
    row = int64(take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT]))
    obj[row, BLOCK] = p
    obj[row, SIZE] = size
    obj[row, SLOT] = slot
    num[LOST_INSIDE] += block[t, SLOT_SIZE] - size
    count_store(num, size)
    settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object: an empty block goes back, one that was full goes to the tail of its list.  -EINVAL if it is not live."""
    obj, page, block, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, BLOCK] == 0:
        return -EINVAL
    p, size = int64(obj[row, BLOCK]), int64(obj[row, SIZE])
    t = int64(page[p, TYPE])
    _set_slots(page, p, _slots_in_use(page, p) & ~(int64(1) << obj[row, SLOT]))
    full = page[p, USED] == block[t, SLOTS]
    page[p, USED] -= 1
    if page[p, USED] == 0:
        if not full:
            take_out(page, NEXT, PREV, TYPE, head, num, p)
        _return_block(page, block, num, t, p)
    elif full:
        put_last(page, NEXT, PREV, TYPE, head, num, t, p)
    obj[row, BLOCK] = 0
    drop_row(obj, SIZE, num, HANDLE_SPARE, row)
    num[LOST_INSIDE] -= block[t, SLOT_SIZE] - size
    count_free(num, size)
    settle(num)
    return 0


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset of the first byte of a live object; the pages of a block are adjacent."""
    obj, page, block, num = pool.obj, pool.page, pool.block, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, BLOCK] == 0:
        return -EINVAL
    p = int64(obj[row, BLOCK])
    start = num[HEADER] + obj[row, SLOT] * block[page[p, TYPE], SLOT_SIZE]
    out[0] = page[p, SERIAL] + start // num[PAGE_SIZE]
    out[1] = start % num[PAGE_SIZE]
    return 1


def slot_size(table: Table, slots: int, pages: int) -> int:
    """Bytes of a slot: the share of what the header leaves, a multiple of 8."""
    return (TABLE_PAGE * pages - table.header) // slots & -8


def create(page_size: int, max_pages: int, max_objects: int, *, table: str = "final", may_take: int = 0) -> PoolArrays:
    """An empty pool, which takes no page before the first `alloc`."""
    if page_size != TABLE_PAGE:
        raise InputError(f"zblock: pages of {page_size} bytes; its tables were made for {TABLE_PAGE}")
    if table not in TABLES:
        raise InputError(f"zblock: table {table!r}; known are {', '.join(TABLES)}")
    chosen = TABLES[table]
    types = [(slot_size(chosen, *shape), *shape) for shape in chosen.shapes]
    waste = [pages * page_size - chosen.header - slots * size for size, slots, pages in types]
    num = np.zeros(numbers_for(len(types)), np.int64)
    num[PAGE_SIZE] = page_size
    num[MAY_TAKE] = may_take
    num[TYPES] = len(types)
    num[HEADER] = chosen.header
    num[LARGEST] = chosen.largest
    num[INVALID] = chosen.invalid
    num[PAGE_LIMIT] = max_pages
    num[HANDLE_LIMIT] = max_objects
    return build_pool(
        np.zeros((max_objects + 1, 3), np.int32),
        np.zeros((max_pages + 1, 7), np.int32),
        np.array([(*row, rest, 0) for row, rest in zip(types, waste, strict=True)], np.int32),
        np.zeros(3 * len(types), np.int32),
        num,
    )


def counters(arrays: PoolArrays) -> dict[str, int]:
    """All blocks, and those of each type that has any (its number in brackets)."""
    by_type = arrays.block[:, BLOCKS]
    return {"blocks": int(by_type.sum())} | {f"blocks[{t}]": int(by_type[t]) for t in np.flatnonzero(by_type)}


def _title(page_size: int, options: dict[str, Any]) -> str:
    return f"zblock, table of {TABLES[options.get('table', 'final')].posted}"


ZBLOCK = Allocator(create, alloc, free, no_compaction, blocks, always_exact, counters, answers=Answers(_title))
