"""Two allocators in one: small objects go to one, large ones to the other, as was proposed on the driverdev list in 2011.

Dan Magenheimer's suggestion of 2011-09-15: xvmalloc for pages that compress well, xcfmalloc for those that do not.  The rules are told in
docs/allocators.md; the plain twin is tests/twins/hybrid.py.

The halves are pools of their own, of any registered allocators, and do not know of each other.  They are reached through function
values, like a pool by its backend: those and the two pools are fields of a structref of this module, and the pool that the
engine sees keeps that structref's address among its numbers.  So this module is compiled once for all pairs, the engine
not at all, and the halves' own compiled code is used as it is.  (Two sets of tables in one pool would have needed a
second version of every allocator, with offsets.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, types
from numba.experimental import structref

from models.allocators.lists import drop_row, take_row
from models.allocators.pool import (
    COPIED,
    COPY_ON_LOAD,
    EINVAL,
    ENOMEM,
    FIRST_OWN,
    FREE_BYTES,
    LOST_INSIDE,
    MAY_TAKE,
    META_INSIDE,
    META_OUTSIDE,
    MOVED,
    NUMBERS,
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
    PoolArrays,
    alloc_t,
    blocks_t,
    build_pool,
    free_t,
    pool_t,
)
from models.allocators.registry import REGISTRY
from models.borrow import address_of, boxed, view_at, view_of
from models.errors import InputError
from models.jit import compiled, inlined
from models.registry import resolve

compact_t = types.FunctionType(int64(pool_t, int64))
stat_t = types.FunctionType(int64(pool_t))
FUNCTIONS = (alloc_t, free_t, compact_t, blocks_t, stat_t)


class HalfType(types.StructRef):
    """A pool and what can be done with it."""


half_t = view_of(
    HalfType,
    (("pool", pool_t), ("alloc", alloc_t), ("free", free_t), ("compact", compact_t), ("blocks", blocks_t), ("stat", stat_t)),
)
half_owner = half_t.owner
Half = boxed(half_t, "Half")
half_at = view_at(half_t)


@compiled(half_owner(pool_t, *FUNCTIONS))
def make_half(pool, alloc, free, compact, blocks, stat):
    half = structref.new(half_owner)
    half.pool, half.alloc, half.free, half.compact, half.blocks, half.stat = pool, alloc, free, compact, blocks, stat
    return half


@compiled(int64(half_t))
def where(half):
    """The address of a half."""
    return address_of(half)


# columns of obj; INNER 0 = handle not in use, HALF then links spare handles
INNER, HALF = 0, 1  # INNER: handle in its half, plus 1; HALF: 0 below, 1 above

# own numbers
THRESHOLD = FIRST_OWN
HANDLES_USED = FIRST_OWN + 1
HANDLE_SPARE = FIRST_OWN + 2
HANDLE_LIMIT = FIRST_OWN + 3
HALVES = FIRST_OWN + 4  # address of the half below, then of the half above
PAGE_LIMIT = FIRST_OWN + 6


@inlined
def _half(num, which):
    return half_at(num[HALVES + which])


@inlined
def _enter(num, own):
    """Before an operation of a half: it may take what the pool may, and numbers its pages on from the pool's."""
    held = num[PAGES_TAKEN] - num[PAGES_RETURNED]
    num[OP_WALKED] = 0
    num[OP_COPIED] = 0
    own[MAY_TAKE] = min(num[MAY_TAKE], num[PAGE_LIMIT] - held)
    ahead = num[PAGES_TAKEN] - own[PAGES_TAKEN]
    own[PAGES_TAKEN] += ahead
    own[PAGES_RETURNED] += ahead


@inlined
def _leave(num, own, returned, copied, moved):
    """After it: what the half took and gave back, looked at, copied and moved."""
    num[MAY_TAKE] -= own[PAGES_TAKEN] - num[PAGES_TAKEN]
    num[PAGES_TAKEN] = own[PAGES_TAKEN]
    num[PAGES_RETURNED] += own[PAGES_RETURNED] - returned
    num[OP_WALKED] += own[OP_WALKED]
    num[WALKED] += own[OP_WALKED]
    num[OP_COPIED] += own[COPIED] - copied
    num[COPIED] += own[COPIED] - copied
    num[MOVED] += own[MOVED] - moved


@inlined
def _settle(num, below, above):
    """Bring the numbers that are sums of the halves' up to date."""
    for i in (POOL_PAGES, OBJECTS, PAYLOAD, META_INSIDE, META_OUTSIDE, LOST_INSIDE, FREE_BYTES):
        num[i] = below[i] + above[i]


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes in the half that is for them: handle, or the half's error; -ENOMEM if there is no handle."""
    obj, num = pool.obj, pool.num
    row = int64(take_row(obj, HALF, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT]))
    if row == 0:
        num[OP_WALKED] = 0
        num[OP_COPIED] = 0
        return -ENOMEM
    which = int64(size > num[THRESHOLD])
    half = _half(num, which)
    own = half.pool.num
    _enter(num, own)
    returned, copied, moved = own[PAGES_RETURNED], own[COPIED], own[MOVED]
    inner = half.alloc(half.pool, size)
    _leave(num, own, returned, copied, moved)
    _settle(num, _half(num, 0).pool.num, _half(num, 1).pool.num)
    if inner < 0:
        drop_row(obj, HALF, num, HANDLE_SPARE, row)
        return inner
    obj[row, INNER] = inner + 1
    obj[row, HALF] = which
    return row - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object; -EINVAL if it is not live."""
    obj, num = pool.obj, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, INNER] == 0:
        num[OP_WALKED] = 0
        num[OP_COPIED] = 0
        return -EINVAL
    half = _half(num, obj[row, HALF])
    own = half.pool.num
    _enter(num, own)
    returned, copied, moved = own[PAGES_RETURNED], own[COPIED], own[MOVED]
    answer = half.free(half.pool, obj[row, INNER] - 1)
    _leave(num, own, returned, copied, moved)
    _settle(num, _half(num, 0).pool.num, _half(num, 1).pool.num)
    obj[row, INNER] = 0
    drop_row(obj, HALF, num, HANDLE_SPARE, row)
    return answer


@compiled(int64(pool_t, int64))
def compact(pool, budget):
    """Compact the half below, then the half above for what is left of the budget."""
    num = pool.num
    walked, copied_by_both, freed = int64(0), int64(0), int64(0)
    for which in range(2):
        half = _half(num, which)
        own = half.pool.num
        _enter(num, own)
        returned, copied, moved = own[PAGES_RETURNED], own[COPIED], own[MOVED]
        own[OP_WALKED] = 0
        freed += half.compact(half.pool, budget - freed)
        _leave(num, own, returned, copied, moved)
        walked += num[OP_WALKED]
        copied_by_both += num[OP_COPIED]
    num[OP_WALKED], num[OP_COPIED] = walked, copied_by_both
    _settle(num, _half(num, 0).pool.num, _half(num, 1).pool.num)
    return freed


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Places of a live object, as its half tells them; pages are numbered in the order in which the two took them."""
    obj, num = pool.obj, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, INNER] == 0:
        return -EINVAL
    half = _half(num, obj[row, HALF])
    return half.blocks(half.pool, obj[row, INNER] - 1, out)


@compiled(int64(pool_t))
def stat(pool):
    """Bring every number of the tally up to date, those of the halves first."""
    num = pool.num
    for which in range(2):
        half = _half(num, which)
        half.stat(half.pool)
    _settle(num, _half(num, 0).pool.num, _half(num, 1).pool.num)
    return 0


def _named(name: str) -> tuple[Allocator, dict[str, Any]]:
    for entry in REGISTRY:
        if entry.name == name and not entry.name.startswith("hybrid"):
            return resolve(entry.target), entry.preset
    raise InputError(f"hybrid: allocator {name!r}; any other registered one can be a half")


def create(
    page_size: int,
    max_pages: int,
    max_objects: int,
    *,
    below: str = "xvmalloc",
    above: str = "xcfmalloc",
    threshold: int | None = None,
    may_take: int = 0,
) -> PoolArrays:
    """An empty pool; its halves take no page before their first store.  threshold: largest size for `below`; None is half a page."""
    limit = page_size // 2 if threshold is None else threshold
    if limit < 0:
        raise InputError(f"hybrid: threshold {limit}")
    num = np.zeros(NUMBERS, np.int64)
    num[PAGE_SIZE] = page_size
    num[MAY_TAKE] = may_take
    num[THRESHOLD] = limit
    num[HANDLE_LIMIT] = max_objects
    num[PAGE_LIMIT] = max_pages
    halves = []
    for which, name in enumerate((below, above)):
        allocator, preset = _named(name)
        arrays = allocator.create(page_size, max_pages, max_objects, **preset, may_take=0)
        functions = allocator.alloc, allocator.free, allocator.compact, allocator.blocks, allocator.stat
        half = make_half(arrays.pool, *functions)
        num[HALVES + which] = where(half)
        num[COPY_ON_LOAD] |= arrays.num[COPY_ON_LOAD]
        halves.append((allocator, arrays, half))
    one = np.zeros((1, 1), np.int32)
    outer = build_pool(np.zeros((max_objects + 1, 2), np.int32), one, one, np.zeros(1, np.int32), num)
    outer.pool.halves = halves  # compiled code counts no references: whoever holds the pool holds what it leads to
    return outer


def halves_of(arrays: PoolArrays) -> list[tuple[Allocator, PoolArrays, Any]]:
    """(allocator, its arrays, its compiled half) of the half below and of the half above."""
    return arrays.pool.halves


def counters(arrays: PoolArrays) -> dict[str, int]:
    """The counters of both halves, and their pages."""
    found: dict[str, int] = {}
    for side, (allocator, own, _) in zip(("below", "above"), halves_of(arrays), strict=True):
        values = {"pages": int(own.num[POOL_PAGES])} | allocator.counters(own)
        found |= {f"{side}_{name}": value for name, value in values.items()}
    return found


def _title(page_size: int, options: dict[str, Any]) -> str:
    limit = options.get("threshold") or page_size // 2
    return f"hybrid, {options.get('below', 'xvmalloc')} up to {limit} bytes, {options.get('above', 'xcfmalloc')} above"


HYBRID = Allocator(create, alloc, free, compact, blocks, stat, counters, answers=Answers(_title, errno=False))
