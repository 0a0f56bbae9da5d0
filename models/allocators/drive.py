"""Driving an allocator from a list of operations, in compiled batches: for `replay`, the benchmarks and the tests.

Operations are three arrays: op uint8 (a code below), ident int32 (the object's number in the list), arg int64.  `drive` calls the
allocator through function values, so it is compiled once for all of them.
"""

from __future__ import annotations

import numpy as np
from numba import int32, int64, types, uint8, uint64

from models.allocators.pool import EINVAL, MAY_TAKE, PAGE_SIZE, Numbers, Table, alloc_t, blocks_t, free_t, pool_t
from models.jit import compiled, inlined

ALLOC, FREE = 1, 2  # ident; arg = bytes for ALLOC
PIN, UNPIN = 3, 4  # ident
COMPACT, RECLAIM, STATISTICS = 5, 6, 7  # for the caller: `drive` stops in front of them; arg = pages for RECLAIM
LIMIT = 8  # arg = pages that the pool may take from here on

MAX_BLOCKS = 2  # blocks of one object that a place row of PLACE columns has room for
PLACE = 1 + 2 * MAX_BLOCKS

Ops = types.Array(uint8, 1, "C")
Ids = types.Array(int32, 1, "C")
Rows = types.Array(int64, 2, "C")


def place_rows(operations: int, page_size: int) -> np.ndarray:
    """Place rows for so many operations, and as many behind them for objects with more blocks than fit into one."""
    return np.empty((2 * operations + _most_rows(page_size), PLACE), np.int64)


@inlined
def _most_rows(page_size):
    """Rows that an object of one-byte blocks would need."""
    return 2 * page_size // PLACE + 1


@inlined
def _note_place(pool, blocks, handle, place, at, spare):
    """Write an object's place into row `at`, or into rows from `spare` on if it has too many blocks; returns the next spare row."""
    row = place[at]
    n = blocks(pool, handle, row[1:])
    row[0] = n
    if 1 + 2 * n <= row.shape[0] or spare + _most_rows(pool.num[PAGE_SIZE]) > place.shape[0]:
        return spare
    row[1] = spare
    blocks(pool, handle, place.reshape(-1)[spare * row.shape[0] :])
    return spare + (2 * n - 1) // row.shape[0] + 1


@compiled(int64(pool_t, alloc_t, free_t, blocks_t, Ops, Ids, Numbers, int64, int64, Table, Rows, Rows))
def drive(pool, alloc, free, blocks, op, ident, arg, first, last, objects, place, tally):
    """Do operations first..last-1; returns the index of the first one not done: `last`, one for the caller, or any if `place` is full.

    objects  int32[3, n]: [0, ident] handle + 1 or 0; [1, handle] ident; [2, ident] 1 if pinned
    place    int64[>= last - first, n]: for operation i in row i - first, column 0 the number of blocks or -errno, then serial of the
             page and offset of each block (ALLOC); the result of the call (FREE; -EINVAL if not live).  More blocks than a row has room
             for are in the rows behind last - first, from the row in column 1 on, and once there may be too few of these `drive` stops;
             without such rows (see `place_rows`) only those blocks are there that fit.  int64[0, n]: nothing is written down
    tally    int64[>= last - first, n] or int64[0, n]: the first n numbers of the pool after each operation, if it has rows
    """
    num = pool.num
    limit = objects.shape[1]
    spare = last - first
    noted = place.shape[0] > 0
    most = _most_rows(num[PAGE_SIZE])
    for i in range(first, last):
        if spare > last - first and spare + most > place.shape[0]:
            return i
        code, who = op[i], ident[i]
        if code == ALLOC:
            handle = alloc(pool, arg[i])
            if handle >= 0:
                objects[0, who] = handle + 1
                objects[1, handle] = who
                if noted:
                    spare = _note_place(pool, blocks, handle, place, i - first, spare)
            elif noted:
                place[i - first, 0] = handle
        elif code == FREE:
            done = int64(-EINVAL)
            if who < limit and objects[0, who] != 0:
                handle = objects[0, who] - 1
                objects[0, who] = 0
                done = free(pool, handle)
            if noted:
                place[i - first, 0] = done
        elif code in (PIN, UNPIN):
            if who < limit:
                objects[2, who] = code == PIN
        elif code == LIMIT:
            num[MAY_TAKE] = arg[i]
        else:
            return i
        if tally.shape[0] > 0:
            tally[i - first] = num[: tally.shape[1]]
    return last


@compiled(uint64(pool_t, blocks_t, Table))
def digest(pool, blocks, objects):
    """64-bit FNV-1a over (identity, page, offset) of every block of every live object, in ascending identity, as 32-bit little-endian."""
    prime = uint64(1099511628211)
    value = uint64(1469598103934665603)
    out = np.empty(2 * MAX_BLOCKS, np.int64)
    for who in range(objects.shape[1]):
        if objects[0, who] == 0:
            continue
        n = blocks(pool, objects[0, who] - 1, out)
        if 2 * n > out.shape[0]:
            out = np.empty(2 * n, np.int64)
            blocks(pool, objects[0, who] - 1, out)
        for k in range(n):
            for word in (who, out[2 * k], out[2 * k + 1]):
                left = uint64(word)
                for _ in range(4):
                    value = (value ^ (left & uint64(255))) * prime
                    left >>= uint64(8)
    return value
