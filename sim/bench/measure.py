"""One allocator under one sequence of operations: driven in compiled batches, looked at in between.

Between two batches the pool's tally is read and checked (pages times page size must be what is in them), compaction is done if the case
wants it, and at some moments a *copy* of the pool is compacted: what would that free now, and at what cost?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from models.allocators import measure as driver
from models.allocators import pool as tally
from models.allocators.drive import ALLOC
from models.allocators.pool import Allocator, PoolArrays, no_compaction
from models.lifetimes.lifetime import Ops
from sim.bench.schema import CHARGED

NO_LIMIT = 1 << 40  # pages the pool may take, and pages a compaction may free
PAGES_PER_OBJECT = 8  # as in sim.replay: the longest chain of pages that one allocation takes at once, for the tables' size
BATCH = 1 << 16  # operations between two words of progress

COLUMNS: Mapping[str, int] = {
    "objects": tally.OBJECTS,
    "pages": tally.POOL_PAGES,
    "payload": tally.PAYLOAD,
    "meta_inside": tally.META_INSIDE,
    "meta_outside": tally.META_OUTSIDE,
    "lost_inside": tally.LOST_INSIDE,
    "free_bytes": tally.FREE_BYTES,
    "taken": tally.PAGES_TAKEN,
    "returned": tally.PAGES_RETURNED,
    "walked": tally.WALKED,
    "copied": tally.COPIED,
    "moved": tally.MOVED,
}
SERIES = ("operation", *COLUMNS, "refused", "frees", "free_ns")  # refused: live objects that the allocator refused; free_ns: all frees


class Probe(NamedTuple):
    """What compacting the pool did, or would do: pages freed of so many, objects and bytes moved, blocks looked at, nanoseconds."""

    operation: int
    frees: int
    pages: int
    freed: int
    moved: int
    copied: int
    walked: int
    ns: int


class Measured(NamedTuple):
    """What one replication of a case gives.

    series      rows of SERIES, at the samples and marks
    at          name of a mark (and `end`) -> its row
    total       what the driver counted (models.allocators.measure)
    histogram   int64[ROWS, BINS]
    probes      compactions of copies;  compactions: real ones
    copy_on_load  whether a load copies the object first
    pool, handles  the pool at the end, and where each object is in it
    """

    series: np.ndarray[Any, Any]
    at: dict[str, int]
    total: np.ndarray[Any, Any]
    histogram: np.ndarray[Any, Any]
    probes: list[Probe]
    compactions: list[Probe]
    copy_on_load: bool
    pool: PoolArrays
    handles: np.ndarray[Any, Any]


class BrokenTally(AssertionError):
    """An allocator's own numbers contradict each other: an internal error."""


def most_live(ops: Ops) -> int:
    """The largest number of objects that live at once."""
    return max(int(np.cumsum(np.where(ops.op == ALLOC, 1, -1)).max(initial=1)), 1)


def create_pool(allocator: Allocator, options: Mapping[str, Any], page_size: int, objects: int) -> PoolArrays:
    """An empty pool for so many objects that may take any number of pages."""
    return allocator.create(page_size, PAGES_PER_OBJECT * (objects + 8), objects, **options, may_take=NO_LIMIT)


def cost_row(costs: Mapping[str, int]) -> np.ndarray[Any, Any]:
    """The costs as the driver takes them."""
    return np.array([costs[name] for name in CHARGED], np.int64)


def check_tally(allocator: Allocator, pool: PoolArrays, operation: int) -> None:
    """Bring the tally up to date; BrokenTally unless the pages are full of what is in them."""
    allocator.stat(pool.pool)
    num = pool.num
    inside = int(num[tally.PAYLOAD] + num[tally.META_INSIDE] + num[tally.LOST_INSIDE] + num[tally.FREE_BYTES])
    if inside != int(num[tally.POOL_PAGES] * num[tally.PAGE_SIZE]) or min(num[tally.PAYLOAD : tally.FREE_BYTES + 1]) < 0:
        shown = {name: int(num[index]) for name, index in COLUMNS.items()}
        raise BrokenTally(f"after operation {operation} the pages hold {inside} bytes by the tally: {shown}")


def compact(allocator: Allocator, pool: PoolArrays, costs: Mapping[str, int], operation: int, frees: int) -> Probe:
    """Compact a pool and say what it did."""
    names = (tally.PAGES_RETURNED, tally.MOVED, tally.COPIED, tally.WALKED)
    before = [int(pool.num[name]) for name in names]
    pages = int(pool.num[tally.POOL_PAGES])
    allocator.compact(pool.pool, NO_LIMIT)
    check_tally(allocator, pool, operation)
    _, moved, copied, walked = (int(pool.num[name]) - value for name, value in zip(names, before, strict=True))
    freed = pages - int(pool.num[tally.POOL_PAGES])
    ns = costs["walk"] * walked + (costs["copy"] * copied >> 10) + costs["page_free"] * (int(pool.num[tally.PAGES_RETURNED]) - before[0])
    return Probe(operation, frees, pages, freed, moved, copied, walked, ns)


def _stops(count: int, ops: Ops, samples: int, every: int) -> tuple[set[int], list[int]]:
    """(where rows are written, where batches end)."""
    rows = {round(k * count / samples) for k in range(1, samples + 1)} | {place for place in ops.marks.values() if place}
    ends = rows | set(range(BATCH, count, BATCH)) | (set(range(every, count + 1, every)) if every else set())
    return rows, sorted(ends - {0})


def run(
    allocator: Allocator,
    options: Mapping[str, Any],
    ops: Ops,
    page_size: int,
    costs: Mapping[str, int],
    samples: int = 200,
    probes: int = 0,
    every: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Measured:
    """Drive a new pool with all operations."""
    count = len(ops.op)
    pool = create_pool(allocator, options, page_size, most_live(ops))
    handles = np.zeros(int(ops.ident.max(initial=0)) + 1, np.int32)
    total, histogram = np.zeros(driver.TOTALS, np.int64), np.zeros((driver.ROWS, driver.BINS), np.int64)
    cost, columns = cost_row(costs), list(COLUMNS.values())
    rows, ends = _stops(count, ops, samples, every)
    compacts = allocator.compact is not no_compaction
    ordered = sorted(rows)
    probed = {ordered[round(k * len(ordered) / probes) - 1] for k in range(1, probes + 1)} if probes and compacts else set()
    series: list[list[int]] = []
    place: dict[int, int] = {}
    tried, done_compactions = [], []
    first = 0
    for last in ends:
        driver.measure(pool.pool, allocator.alloc, allocator.free, ops.op, ops.ident, ops.arg, first, last, handles, cost, histogram, total)
        frees = int(total[driver.FREES])
        if every and last % every == 0:
            allocator.stat(pool.pool)
            done_compactions.append(compact(allocator, pool, costs, last, frees))
        if last in rows:
            check_tally(allocator, pool, last)
            place[last] = len(series)
            extra = [int(total[driver.REFUSED_LIVE]), frees, int(total[driver.SUM + driver.FREE_ + driver.TIME])]
            series.append([last, *pool.num[columns].tolist(), *extra])
        if last in probed:
            tried.append(compact(allocator, driver.copy_of(pool), costs, last, frees))
        progress(last)
        first = last
    at = {name: place[index] for name, index in ops.marks.items() if index} | {"end": len(series) - 1}
    return Measured(
        np.array(series, np.int64).reshape(-1, len(SERIES)),
        at,
        total,
        histogram,
        tried,
        done_compactions,
        bool(pool.num[tally.COPY_ON_LOAD]),
        pool,
        handles,
    )
