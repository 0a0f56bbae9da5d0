"""The slab design that was proposed instead of xcfmalloc: superblocks of k pages, one size each (Nitin Gupta, 2011).

Models the mails to the driverdev list of 2011-09-12 and 2011-09-13; no code was ever posted (zsmalloc grew out of it).  What the mails
leave open follows the Hoard paper that they name, or is a choice; docs/allocators.md says which.  The plain twin is
tests/twins/slab_2011.py.

A row of `page` is a superblock, `block[superblock, slot]` what is in its slots.  Class c takes sizes up to (c + 1) * SPACING.  A class
has one list of its superblocks with room, the fullest first.  Use changes by one object at a time, so it is enough to know the last
superblock of each group that is equally full.
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
    MOVED,
    NUMBERS,
    OP_WALKED,
    PAGE_SIZE,
    PAGES_RETURNED,
    PAGES_TAKEN,
    Allocator,
    Answers,
    Links,
    Numbers,
    Objects,
    PoolArrays,
    always_exact,
    build_pool,
    pool_t,
)
from models.allocators.tally import count_copy, count_free, count_store, settle, start_operation
from models.errors import InputError
from models.jit import compiled, inlined

# columns of obj; SUPER 0 = handle not in use, SIZE then links spare handles; HELD 1 = the owner would refuse to have it moved
SUPER, SIZE, SLOT, HELD = range(4)

# columns of page; row 0 in a link = none; NEXT links spare rows
SERIAL, CLASS, USED, NEXT, PREV, FREED, FRESH, GIVEN_UP = range(8)
# SERIAL: of its first page; FREED: slot that came free last, plus 1; FRESH: slots that were never used begin here
# GIVEN_UP: number of the compaction in which the owner refused one of its objects

# block[superblock, slot]: row of the object, or the next free slot as -(slot + 1); 0 ends the chain of those that came free

# head, of C classes: parts of C numbers each, then the last superblock of each group that is equally full
FULLEST, EMPTIEST, SLOTS, GROUPS, SUPERS, IN_USE, PARTS = range(7)
# FULLEST, EMPTIEST: first and last of the class's list; GROUPS: where its groups begin; SUPERS: superblocks; IN_USE: their objects

# own numbers
CLASSES = FIRST_OWN
SPACING = FIRST_OWN + 1
PAGES_EACH = FIRST_OWN + 2
THRESHOLD = FIRST_OWN + 3
ROWS_USED = FIRST_OWN + 4
ROW_SPARE = FIRST_OWN + 5
ROW_LIMIT = FIRST_OWN + 6
PAGE_LIMIT = FIRST_OWN + 7
HANDLES_USED = FIRST_OWN + 8
HANDLE_SPARE = FIRST_OWN + 9
HANDLE_LIMIT = FIRST_OWN + 10
COMPACTIONS = FIRST_OWN + 11
REFUSED = FIRST_OWN + 12  # objects that the owner did not let move


@inlined
def _part(num, part, c):
    """Index in `head` of a class's number."""
    return part * num[CLASSES] + c


@inlined
def _group(head, num, c, used):
    """Index in `head` of the last superblock of class c with so many objects."""
    return PARTS * num[CLASSES] + head[_part(num, GROUPS, c)] + used


@inlined
def _slot_bytes(num, c):
    return (c + 1) * num[SPACING]


@inlined
def _lost_tail(head, num, c):
    """Bytes of a superblock behind its last slot."""
    return num[PAGES_EACH] * num[PAGE_SIZE] - head[_part(num, SLOTS, c)] * _slot_bytes(num, c)


@inlined
def _link(page, head, num, c, before, p):
    """Put a superblock into its class's list behind `before`, or first if that is 0."""
    first, last = _part(num, FULLEST, c), _part(num, EMPTIEST, c)
    after = page[before, NEXT] if before != 0 else head[first]
    page[p, PREV] = before
    page[p, NEXT] = after
    if before != 0:
        page[before, NEXT] = p
    else:
        head[first] = p
    if after != 0:
        page[after, PREV] = p
    else:
        head[last] = p


@inlined
def _unlink(page, head, num, c, p):
    """Take a superblock out of its class's list."""
    after, before = page[p, NEXT], page[p, PREV]
    if before != 0:
        page[before, NEXT] = after
    else:
        head[_part(num, FULLEST, c)] = after
    if after != 0:
        page[after, PREV] = before
    else:
        head[_part(num, EMPTIEST, c)] = before


@inlined
def _leave_group(page, head, num, c, p):
    """A superblock on the list stops being one of those that are as full as it is."""
    used = int64(page[p, USED])
    g = _group(head, num, c, used)
    if head[g] == p:
        before = page[p, PREV]
        head[g] = before if before != 0 and page[before, USED] == used else 0


@inlined
def _fuller(page, head, num, c, p):
    """A superblock of the list takes an object: one that is full now leaves the list, any other goes before those that are as full."""
    slots = int64(head[_part(num, SLOTS, c)])
    used = int64(page[p, USED])
    _leave_group(page, head, num, c, p)
    page[p, USED] = used + 1
    if used + 1 == slots:
        _unlink(page, head, num, c, p)
        return
    first = page[p, PREV]  # the nearest one in front that is fuller than p will be
    while first != 0 and page[first, USED] <= used + 1:
        first = page[first, PREV]
    if first != page[p, PREV]:
        _unlink(page, head, num, c, p)
        _link(page, head, num, c, int64(first), p)
    g = _group(head, num, c, used + 1)
    if head[g] == 0:
        head[g] = p


@inlined
def _emptier(page, head, num, c, p):
    """A superblock loses an object, not its last: it goes behind those that are as full as it was, before those as full as it is."""
    slots = int64(head[_part(num, SLOTS, c)])
    used = int64(page[p, USED])
    if used == slots:
        _link(page, head, num, c, int64(0), p)
    else:
        last = int64(head[_group(head, num, c, used)])
        _leave_group(page, head, num, c, p)
        if last != p:
            _unlink(page, head, num, c, p)
            _link(page, head, num, c, last, p)
    page[p, USED] = used - 1
    g = _group(head, num, c, used - 1)
    if head[g] == 0:
        head[g] = p


@inlined
def _new_superblock(page, head, num, c):
    """A superblock of this class from the VM, on the list; 0 if not all of its pages are to be had."""
    pages = num[PAGES_EACH]
    if num[MAY_TAKE] < pages or num[PAGES_TAKEN] - num[PAGES_RETURNED] + pages > num[PAGE_LIMIT]:
        return int64(0)
    p = int64(take_row(page, NEXT, num, ROWS_USED, ROW_SPARE, num[ROW_LIMIT]))
    if p == 0:
        return p
    page[p, SERIAL] = num[PAGES_TAKEN]
    page[p, CLASS] = c
    page[p, USED] = 0
    page[p, FREED] = 0
    page[p, FRESH] = 0
    page[p, GIVEN_UP] = 0
    _link(page, head, num, c, int64(0), p)
    head[_group(head, num, c, int64(0))] = p
    num[PAGES_TAKEN] += pages
    num[MAY_TAKE] -= pages
    num[LOST_INSIDE] += _lost_tail(head, num, c)
    head[_part(num, SUPERS, c)] += 1
    return p


@inlined
def _enter(obj, page, block, head, num, c, p, row):
    """Put an object into the superblock's first free slot."""
    slot = int64(page[p, FREED]) - 1
    if slot >= 0:
        page[p, FREED] = -block[p, slot]
    else:
        slot = int64(page[p, FRESH])
        page[p, FRESH] += 1
    block[p, slot] = row
    obj[row, SUPER] = p
    obj[row, SLOT] = slot
    head[_part(num, IN_USE, c)] += 1
    _fuller(page, head, num, c, p)


@inlined
def _leave(obj, page, block, head, num, c, row):
    """Take an object out of its slot; returns the pages of its superblock if that is empty and goes back to the VM, else 0."""
    p, slot = int64(obj[row, SUPER]), int64(obj[row, SLOT])
    head[_part(num, IN_USE, c)] -= 1
    if page[p, USED] > 1:
        block[p, slot] = -page[p, FREED]
        page[p, FREED] = slot + 1
        _emptier(page, head, num, c, p)
        return int64(0)
    if head[_part(num, SLOTS, c)] > 1:
        _leave_group(page, head, num, c, p)
        _unlink(page, head, num, c, p)
    block[p, slot] = 0
    drop_row(page, NEXT, num, ROW_SPARE, p)
    num[PAGES_RETURNED] += num[PAGES_EACH]
    num[LOST_INSIDE] -= _lost_tail(head, num, c)
    head[_part(num, SUPERS, c)] -= 1
    return num[PAGES_EACH]


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL if the size is not allowed, -ENOMEM if there are no pages."""
    obj, page, block, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    if size < 1 or size > num[PAGE_SIZE]:
        return -EINVAL
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -ENOMEM
    c = (size - 1) // num[SPACING]
    num[OP_WALKED] = 1
    p = int64(head[_part(num, FULLEST, c)])
    if p == 0:
        p = _new_superblock(page, head, num, c)
    if p == 0:
        settle(num)
        return -ENOMEM
    row = int64(take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT]))
    obj[row, SIZE] = size
    obj[row, HELD] = 0
    _enter(obj, page, block, head, num, c, p, row)
    num[LOST_INSIDE] += _slot_bytes(num, c) - size
    count_store(num, size)
    settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object; an empty superblock goes back to the VM.  -EINVAL if the object is not live."""
    obj, page, block, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SUPER] == 0:
        return -EINVAL
    size = int64(obj[row, SIZE])
    c = (size - 1) // num[SPACING]
    _leave(obj, page, block, head, num, c, row)
    obj[row, SUPER] = 0
    drop_row(obj, SIZE, num, HANDLE_SPARE, row)
    num[LOST_INSIDE] -= _slot_bytes(num, c) - size
    count_free(num, size)
    settle(num)
    return 0


@compiled(int64(pool_t, int64, int64))
def hold(pool, handle, refuse):
    """What the owner says when a compaction asks for this object: 1 refuses, 0 (as after a store) agrees.  -EINVAL if it is not live."""
    obj, num = pool.obj, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SUPER] == 0:
        return -EINVAL
    obj[row, HELD] = refuse != 0
    return 0


@compiled(int64(pool_t, Links, Links))
def hold_pinned(pool, handle_of, pinned):
    """`hold` for every live object of a trace (arrays: see Objects); returns how many are held."""
    obj = pool.obj
    held = 0
    for who in range(handle_of.shape[0]):
        if handle_of[who] != 0:
            obj[handle_of[who], HELD] = pinned[who] != 0
            held += pinned[who] != 0
    return held


@inlined
def _emptiest(page, head, num, c):
    """The emptiest superblock of a class that was not given up in this compaction, 0 if there is none."""
    p = int64(head[_part(num, EMPTIEST, c)])
    while p != 0 and page[p, GIVEN_UP] == num[COMPACTIONS]:
        p = int64(page[p, PREV])
    return p


@inlined
def _too_empty(head, num, c):
    """Whether so much of a class is free that it shall be compacted, and a superblock less would do."""
    slots = int64(head[_part(num, SLOTS, c)])
    room = int64(head[_part(num, SUPERS, c)]) * slots
    unused = room - head[_part(num, IN_USE, c)]
    return unused >= slots and unused * 100 >= num[THRESHOLD] * room


@inlined
def _empty_superblock(obj, page, block, head, num, c, p):
    """Move the objects of a superblock to the fullest others until it is empty or the owner refuses; returns the pages given back."""
    freed = int64(0)
    for slot in range(head[_part(num, SLOTS, c)]):
        row = int64(block[p, slot])
        if slot >= page[p, FRESH] or row <= 0:
            continue
        num[OP_WALKED] += 1
        if obj[row, HELD] != 0:
            page[p, GIVEN_UP] = num[COMPACTIONS]
            num[REFUSED] += 1
            break
        to = int64(head[_part(num, FULLEST, c)])
        if to == p:
            to = int64(page[p, NEXT])
        freed = _leave(obj, page, block, head, num, c, row)
        _enter(obj, page, block, head, num, c, to, row)
        num[MOVED] += 1
        count_copy(num, obj[row, SIZE])
        if freed > 0:
            break
    return freed


@compiled(int64(pool_t, int64))
def compact(pool, budget):
    """Empty superblocks of the classes that are too empty, until `budget` pages are free or nothing is left to do; returns those freed."""
    obj, page, block, head, num = pool.obj, pool.page, pool.block, pool.head, pool.num
    start_operation(num)
    num[COMPACTIONS] += 1
    freed = int64(0)
    for c in range(num[CLASSES]):
        while freed < budget and _too_empty(head, num, c):
            num[OP_WALKED] += 1
            p = _emptiest(page, head, num, c)
            if p == 0:
                break
            freed += _empty_superblock(obj, page, block, head, num, c, p)
    settle(num)
    return freed


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset of a live object, and of its second part if it crosses into the next page of the superblock."""
    obj, page, num = pool.obj, pool.page, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SUPER] == 0:
        return -EINVAL
    p = int64(obj[row, SUPER])
    start = obj[row, SLOT] * _slot_bytes(num, int64(page[p, CLASS]))
    k = start // num[PAGE_SIZE]
    offset = start - k * num[PAGE_SIZE]
    out[0] = page[p, SERIAL] + k
    out[1] = offset
    if offset + obj[row, SIZE] <= num[PAGE_SIZE]:
        return 1
    out[2] = page[p, SERIAL] + k + 1
    out[3] = 0
    return 2


def create(
    page_size: int,
    max_pages: int,
    max_objects: int,
    *,
    pages: int = 4,
    spacing: int = 32,
    threshold: int = 25,
    may_take: int = 0,
) -> PoolArrays:
    """An empty pool, which takes no page before the first `alloc`."""
    if spacing < 1 or page_size % spacing or page_size // spacing > 1 << 16:
        raise InputError(f"slab-2011: classes {spacing} bytes apart; the distance must divide the page size, {page_size}")
    if not 1 <= pages <= 64 or not 0 <= threshold <= 100:
        raise InputError(f"slab-2011: pages {pages!r}, threshold {threshold!r}; allowed are 1 to 64, and 0 to 100 %")
    classes = page_size // spacing
    slots = pages * page_size // (np.arange(1, classes + 1) * spacing)
    groups = np.cumsum(slots) - slots  # 0 to slots - 1 objects
    head = np.zeros(PARTS * classes + int(slots.sum()), np.int32)
    head[SLOTS * classes : (SLOTS + 1) * classes] = slots
    head[GROUPS * classes : (GROUPS + 1) * classes] = groups
    superblocks = min(max_pages // pages, max_objects)
    num = np.zeros(NUMBERS, np.int64)
    num[PAGE_SIZE] = page_size
    num[MAY_TAKE] = may_take
    num[CLASSES] = classes
    num[SPACING] = spacing
    num[PAGES_EACH] = pages
    num[THRESHOLD] = threshold
    num[ROW_LIMIT] = superblocks
    num[PAGE_LIMIT] = max_pages
    num[HANDLE_LIMIT] = max_objects
    return build_pool(
        np.zeros((max_objects + 1, 4), np.int32),
        np.zeros((superblocks + 1, 8), np.int32),
        np.zeros((superblocks + 1, int(slots[0])), np.int32),
        head,
        num,
    )


def counters(arrays: PoolArrays) -> dict[str, int]:
    """Superblocks in use, objects that compaction moved, and those that it was refused."""
    num, classes = arrays.num, int(arrays.num[CLASSES])
    superblocks = arrays.head[SUPERS * classes : (SUPERS + 1) * classes]
    return {"superblocks": int(superblocks.sum()), "moved": int(num[MOVED]), "refused": int(num[REFUSED])}


def _title(page_size: int, options: dict[str, Any]) -> str:
    values = {"pages": 4, "spacing": 32, "threshold": 25} | options
    return f"slab proposal of 2011, superblocks of {values['pages']} pages, classes {values['spacing']} bytes apart"


def _hold_pinned(arrays: PoolArrays, objects: Objects) -> None:
    hold_pinned(arrays.pool, objects.handle_of, objects.pinned)


def _compact(arrays: PoolArrays) -> list[str]:
    return [f"c {compact(arrays.pool, 1 << 40)}"]


SLAB_2011 = Allocator(
    create,
    alloc,
    free,
    compact,
    blocks,
    always_exact,
    counters,
    answers=Answers(_title, errno=False, compact=_compact, hold=_hold_pinned),
)
