"""One pool type for all compressed-memory allocators, its tally, and the allocator contract.

An allocator is a module with plain compiled functions of the signatures below and one `Allocator` record.  The engine calls
them through function values, so it never depends on which allocator a pool has.  An allocator asks how many pages it
may take (`num[MAY_TAKE]`), never which: the VM owns frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import int32, int64, types
from numba.experimental import structref

from models.borrow import boxed, view_of
from models.jit import compiled, inlined

Table = types.Array(int32, 2, "C")
Links = types.Array(int32, 1, "C")
Numbers = types.Array(int64, 1, "C")

# --- errno values that alloc and free return negated ---------------------------------------------------------------
ENOMEM, EINVAL, ENOSPC, EAGAIN = 12, 22, 28, 11

# --- num: scalars that every allocator keeps (int64) ---------------------------------------------------------------
PAGE_SIZE = 0  # bytes
MAY_TAKE = 1  # pages the pool may still take from the VM; the allocator lowers it by one a page taken
PAGES_TAKEN = 2  # pages ever taken: the serial number of the next page
PAGES_RETURNED = 3  # pages ever given back; taken - returned = pages held
POOL_PAGES = 4  # pages in use as the original reports them (xcfmalloc: reserve excluded)
OBJECTS = 5  # live objects
PAYLOAD = 6  # bytes of the live objects as the caller asked for them
META_INSIDE = 7  # metadata bytes in pool pages
META_OUTSIDE = 8  # metadata bytes outside pool pages (descriptors, handles)
LOST_INSIDE = 9  # bytes lost by rounding inside blocks in use
FREE_BYTES = 10  # bytes in free blocks of pool pages, free headers included
OP_WALKED = 11  # lists and blocks looked at by the last operation
OP_COPIED = 12  # bytes copied by the last operation (a store's own copy into the pool included where the original makes one)
WALKED = 13  # all operations
COPIED = 14
MOVED = 15  # objects moved by compaction
COPY_ON_LOAD = 16  # 1 if a load must first copy the object into a buffer
EVICT_LEFT = 17  # pages that the eviction under way still has to process, see `start_eviction`
EVICT_AT = 18  # how far it has come, in the allocator's own terms; 0 at its start
FIRST_OWN = 32  # an allocator's own scalars start here
NUMBERS = 64


class PoolType(types.StructRef):
    """Any allocator's state: tables whose columns the allocator names for itself."""


pool_t = view_of(PoolType, (("obj", Table), ("page", Table), ("block", Table), ("head", Links), ("num", Numbers)))
alloc_t = types.FunctionType(int64(pool_t, int64))
free_t = types.FunctionType(int64(pool_t, int64))
blocks_t = types.FunctionType(int64(pool_t, int64, Numbers))
evict_begin_t = types.FunctionType(int64(pool_t))
evict_next_t = types.FunctionType(int64(pool_t, int64))
evict_done_t = types.FunctionType(int64(pool_t, int64))


pool_owner = pool_t.owner
Pool = boxed(pool_t, "Pool")


@compiled(pool_owner(Table, Table, Table, Links, Numbers))
def make_pool(obj, page, block, head, num):
    pool = structref.new(pool_owner)
    pool.obj, pool.page, pool.block, pool.head, pool.num = obj, page, block, head, num
    return pool


class PoolArrays(NamedTuple):
    """A pool and Python's views of its arrays (int32 tables, int64 num)."""

    pool: Any
    obj: np.ndarray
    page: np.ndarray
    block: np.ndarray
    head: np.ndarray
    num: np.ndarray


def build_pool(obj: np.ndarray, page: np.ndarray, block: np.ndarray, head: np.ndarray, num: np.ndarray) -> PoolArrays:
    """Box the arrays into a pool."""
    return PoolArrays(make_pool(obj, page, block, head, num), obj, page, block, head, num)


@inlined
def start_eviction(num, pages):
    """Begin an eviction of so many pages; `evict_begin` then gives one page after another.  One eviction at a time in a pool."""
    num[EVICT_LEFT] = pages
    num[EVICT_AT] = 0


@compiled(int64(pool_t, int64))
def no_compaction(pool, budget):
    """`compact` of an allocator whose original has none: 0 pages freed."""
    return 0


@compiled(int64(pool_t))
def always_exact(pool):
    """`stat` of an allocator that keeps its whole tally up to date in every operation."""
    return 0


class Objects(NamedTuple):
    """What `replay` knows of the objects of a trace, for an allocator whose original reclaims them (int32 views, shared).

    handle_of  [identity in the trace] -> handle + 1, 0 if not live; a reclaim sets it to 0 for every object lost
    id_of      [handle] -> identity
    pinned     [identity] -> 1 while the owner refuses its eviction
    """

    handle_of: np.ndarray
    id_of: np.ndarray
    pinned: np.ndarray


class Answers(NamedTuple):
    """How `replay` prints what the original reports.  Plain Python; every line without its newline.

    title(page_size, options) -> the first line, without "# "
    errno                            a refused request is `a ID E22` (True) or just `a ID E` (False)
    statistics(arrays) -> lines      of an `s`, without the digest; None: `s PAGES NAME=VALUE ...` from `counters`
    compact(arrays) -> lines         does and reports a `c`; None: nothing is done, nothing printed
    hold(arrays, objects)            before a `c`: tells the pool which objects the owner pins; None: it asks nobody
    reclaim(arrays, objects, pages) -> lines    does and reports an `r`; None: the same
    """

    title: Callable[[int, dict[str, Any]], str]
    errno: bool = True
    statistics: Callable[[PoolArrays], list[str]] | None = None
    compact: Callable[[PoolArrays], list[str]] | None = None
    reclaim: Callable[[PoolArrays, Objects, int], list[str]] | None = None
    hold: Callable[[PoolArrays, Objects], None] | None = None


PAGES, CROSSING, SLIDING = range(3)  # layouts of an allocator, for `conformance`


class Allocator(NamedTuple):
    """What an allocator module offers.  All compiled functions take the pool first and return int64.

    create(page_size, max_pages, max_objects, **options) -> PoolArrays     plain Python; reserves zeroed arrays for the limits;
           `may_take` (an option like any other, default 0) is how many pages it may take at once: xcfmalloc fills its reserve
    alloc(pool, size) -> handle >= 0, or -errno      handles are dense small integers below max_objects, reused after free
    free(pool, handle) -> 0, or -errno
    compact(pool, budget) -> pages freed             stops once `budget` pages are free; 0 where there is no compaction
    blocks(pool, handle, out) -> n                   out[2i], out[2i+1] = serial of the page and offset of block i (int64); an object of
                                                     more than 2 blocks writes as many as `out` has room for, and returns them all
    stat(pool) -> 0                                  brings every number of the tally up to date
    counters(arrays) -> dict of name: value          plain Python; the original's own counters, for `replay`'s `s` lines
    evict_begin/evict_next/evict_done                only where the original owns an LRU, else None; see below
    movable_request, migratable                      its pages are asked for as movable ones (zsmalloc); memory compaction can move
                                                     them (zsmalloc, z3fold)
    answers                                          how `replay` prints what the original reports; None: not for `replay`
    compactable(pool) -> pages                       compiled; what a compaction could free now, where a shrinker asks for it
    size_class(pool, size) -> number                 compiled; of the class that an object of this size goes to, ascending
    huge_size(page_size, **options) -> bytes         plain Python; from this size on the owner does best to store a page as it is
    slabs                                            (bytes, place in num, divisor) of each kind of object that it has in slab memory
    layout                                           PAGES: a block lies in its page.  CROSSING: it may go on in the page that was
                                                     taken next (zsmalloc).  SLIDING: the same, and objects slide together at no
                                                     cost (a bound, no design)

    Eviction.  The owner of the objects calls `start_eviction(num, pages)`, and then, until evict_begin gives no more:

    evict_begin(pool) -> page > 0        the next page to empty, claimed: on no list, so that no store goes into it
                      -> 0 or -errno     there is none: the goal is reached, or nothing is left; -errno where the original reports one
                                         Pages that hold nothing are dealt with in here: nobody has to be asked
    evict_next(pool, page) -> handle     the next object to lose; the owner drops its name and calls `free`, which only empties
                                         the place.  An object that is not freed before the next call has been refused
                           -> -1         no more of this page, or the original gives it up after a refusal
    evict_done(pool, page) -> 1 or 0     the page goes where the original puts it; 1 if it counts as reclaimed
    evict_begin lowers or keeps EVICT_LEFT as the original counts, and so does evict_done.  models.allocators.eviction has the loop.
    """

    create: Callable[..., PoolArrays]
    alloc: Any
    free: Any
    compact: Any
    blocks: Any
    stat: Any
    counters: Callable[[PoolArrays], dict[str, int]]
    evict_begin: Any = None
    evict_next: Any = None
    evict_done: Any = None
    answers: Answers | None = None
    movable_request: bool = False
    migratable: bool = False
    layout: int = PAGES
    compactable: Any = None
    size_class: Any = None
    huge_size: Callable[..., int] | None = None
    slabs: tuple[tuple[int, int, int], ...] = ()
