"""Driving an allocator and noting what every operation costs, in compiled batches: for the allocators' bench.

Costs go into histograms whose bins are exact below 256 and at most 1/128 wide above, so that a quantile is known to within 1 %
and the worst exactly.  One histogram a row: stores and frees, each by blocks looked at, bytes copied and nanoseconds.
"""

from __future__ import annotations

import numpy as np
from numba import int32, int64, types, uint8
from numba.cpython.unsafe.numbers import leading_zeros

from models.allocators.drive import ALLOC
from models.allocators.pool import (
    OP_COPIED,
    OP_WALKED,
    PAGES_RETURNED,
    PAGES_TAKEN,
    PAYLOAD,
    POOL_PAGES,
    PoolArrays,
    alloc_t,
    build_pool,
    free_t,
    pool_t,
)
from models.jit import compiled, inlined

# rows of the histograms
STORE, FREE_ = 0, 3  # first row of each kind
WALK, COPY, TIME = 0, 1, 2  # added to it: blocks looked at, bytes copied, nanoseconds
ROWS = 6

EXACT = 128  # bins an octave
SHIFT = 7
BINS = EXACT * 34  # values below 2^40

# cost: nanoseconds
C_OPERATION, C_WALK, C_COPY_KIB, C_PAGE_TAKEN, C_PAGE_RETURNED, COSTS = range(6)

# total: what the driver counts itself
STORES, FREES, REFUSED, REFUSED_LIVE, PEAK_PAGES, PEAK_PAYLOAD = range(6)
WORST = 6  # one for each row of the histograms
SUM = WORST + ROWS
TOTALS = SUM + ROWS

GONE, RAW = 0, -1  # handle table: not live; refused by the allocator, so that its caller keeps the page itself

Codes = types.Array(uint8, 1, "C")
Ids = types.Array(int32, 1, "C")
Rows = types.Array(int64, 2, "C")
Record = types.Array(int64, 1, "C")


@inlined
def _bin_of(value):
    """Bin of a value from 0 on: itself below 256, then 128 bins an octave."""
    if value < 2 * EXACT:
        return value
    shift = 63 - SHIFT - leading_zeros(value)
    return min(EXACT * shift + (value >> shift), BINS - 1)


def highest_of_bin(index: int) -> int:
    """Largest value of a bin."""
    if index < 2 * EXACT:
        return index
    shift = index // EXACT - 1
    return ((index - EXACT * shift + 1) << shift) - 1


@inlined
def _note(histogram, total, row, value):
    histogram[row, _bin_of(value)] += 1
    total[SUM + row] += value
    if value > total[WORST + row]:
        total[WORST + row] = value


@inlined
def _note_operation(num, cost, histogram, total, first, pages):
    """Note the last operation's cost under the rows from `first` on; pages: pages that it took or returned, in nanoseconds."""
    walked, copied = num[OP_WALKED], num[OP_COPIED]
    _note(histogram, total, first + WALK, walked)
    _note(histogram, total, first + COPY, copied)
    _note(histogram, total, first + TIME, cost[C_OPERATION] + cost[C_WALK] * walked + (cost[C_COPY_KIB] * copied >> 10) + pages)


@compiled(int64(pool_t, alloc_t, free_t, Codes, Ids, Record, int64, int64, Ids, Record, Rows, Record))
def measure(pool, alloc, free, op, ident, arg, first, last, handles, cost, histogram, total):
    """Do operations first..last-1 (ALLOC and FREE); returns `last`.

    handles    int32[identities]: handle + 1, GONE or RAW
    cost       int64[COSTS];  histogram: int64[ROWS, BINS];  total: int64[TOTALS], see above
    """
    num = pool.num
    for i in range(first, last):
        who = ident[i]
        taken, returned = num[PAGES_TAKEN], num[PAGES_RETURNED]
        if op[i] == ALLOC:
            handle = alloc(pool, arg[i])
            kind = STORE
            if handle >= 0:
                handles[who] = handle + 1
                total[STORES] += 1
            else:
                handles[who] = RAW
                total[REFUSED] += 1
                total[REFUSED_LIVE] += 1
        elif handles[who] > 0:
            free(pool, int64(handles[who] - 1))
            handles[who] = GONE
            kind = FREE_
            total[FREES] += 1
        else:
            if handles[who] == RAW:
                total[REFUSED_LIVE] -= 1
            handles[who] = GONE
            continue
        pages = cost[C_PAGE_TAKEN] * (num[PAGES_TAKEN] - taken) + cost[C_PAGE_RETURNED] * (num[PAGES_RETURNED] - returned)
        _note_operation(num, cost, histogram, total, kind, pages)
        total[PEAK_PAGES] = max(total[PEAK_PAGES], num[POOL_PAGES])
        total[PEAK_PAYLOAD] = max(total[PEAK_PAYLOAD], num[PAYLOAD])
    return last


@compiled(int64(pool_t, alloc_t, int64, int64, Record))
def store_equal(pool, alloc, size, count, out):
    """Store `count` objects of one size, or as many as are accepted; returns how many.

    out: blocks looked at in all, most of them in one store
    """
    num = pool.num
    out[0], out[1] = 0, 0
    for i in range(count):
        if alloc(pool, size) < 0:
            return i
        out[0] += num[OP_WALKED]
        out[1] = max(out[1], num[OP_WALKED])
    return count


def copy_of(arrays: PoolArrays) -> PoolArrays:
    """A pool in the same state that shares nothing with it: to try what compaction would do."""
    return build_pool(*(array.copy() for array in (arrays.obj, arrays.page, arrays.block, arrays.head, arrays.num)))


def quantile(histogram: np.ndarray, share: float) -> int:
    """The smallest value that at least `share` of the noted ones do not exceed (to within its bin); 0 of an empty histogram."""
    total = int(histogram.sum())
    if total == 0:
        return 0
    return highest_of_bin(int(np.searchsorted(np.cumsum(histogram), share * total)))
