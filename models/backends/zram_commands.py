"""What one writes into zram's sysfs files: idle, writeback, recompress, compact (Linux 6.1 and 6.12 drivers/block/zram/zram_drv.c).

Slots are walked in ascending order.  The writing to the backing device is the caller's: `next_to_write`, the write, `written`.
"""

from __future__ import annotations

from numba import int64

from models.allocators.pool import OP_COPIED, OP_WALKED
from models.backends.pooled import allocate, free_object, settle_memory
from models.backends.zram_numbers import (
    ACCESSED,
    BD_COUNT,
    BD_WRITES,
    BLOCKS,
    COMPR_DATA_SIZE,
    COMPRESS_NS,
    DECOMPRESS_NS,
    FLAGS,
    FREE_BLOCK,
    HUGE,
    HUGE_PAGES,
    HUGE_SIZE,
    IDLE,
    INCOMPRESSIBLE,
    LIMIT_ON,
    PRIORITY_SHIFT,
    SECONDARIES,
    SLOTS,
    UNDER_WRITEBACK,
    WRITEBACK_LIMIT,
)
from models.backends.zram_store import keep_object
from models.jit import compiled
from models.memory import state as st
from models.memory.content import size_by
from models.memory.frames import settle_pool, spend
from models.memory.rmap import process_of
from models.memory.slab import settle_slabs
from models.memory.state import Numbers, backend_t, machine_t

SECOND = 1_000_000_000
END, LIMIT, NO_BLOCK = -1, -2, -3  # why a writeback ends: every slot seen, EIO at writeback_limit, ENOSPC
C_TYPE, C_THRESHOLD, C_MAX_PAGES, C_PRIORITY, C_CURSOR, C_ERROR, C_DONE = range(7)  # a recompress command and how far it is
COMMAND = 8


@compiled(int64(machine_t, int64, int64))
def mark_idle(m, now, seconds):
    """Mark slots idle: all that hold something (seconds < 0), or those last used longer ago; 6.12 unmarks the younger.  How many."""
    pages, backend = m.pages, m.backend
    slot, table, new = pages.slot, backend.table, pages.num[st.KERNEL_612]
    marked = 0
    for s in range(1, backend.num[SLOTS]):
        handle = int64(slot[s, st.HANDLE])
        if handle == 0 or handle == st.ZERO_PAGE or table[s, FLAGS] & UNDER_WRITEBACK:
            continue
        if new and handle < 0:
            continue
        if seconds < 0 or now // SECOND - table[s, ACCESSED] >= seconds:
            table[s, FLAGS] |= IDLE
            marked += 1
        elif new:
            table[s, FLAGS] &= ~IDLE
    return marked


@compiled(int64(backend_t))
def find_block(backend):
    """The lowest free block of the backing device, from 1 on, or -1; it stays free until `written`."""
    num = backend.num
    while num[FREE_BLOCK] < num[BLOCKS] and backend.clean[num[FREE_BLOCK]]:
        num[FREE_BLOCK] += 1
    return num[FREE_BLOCK] if num[FREE_BLOCK] < num[BLOCKS] else int64(-1)


@compiled(int64(machine_t, int64, int64))
def next_to_write(m, first, wanted):
    """The next slot from `first` on, or END, LIMIT or NO_BLOCK; wanted: flags that it must have, 0 for whatever it has.

    The slot's page is taken out and decompressed, and marked: an access before `written` makes that fail.
    """
    pages, backend = m.pages, m.backend
    slot, num = pages.slot, backend.num
    for s in range(first, num[SLOTS]):
        flags = int64(backend.table[s, FLAGS])
        if num[LIMIT_ON] and num[WRITEBACK_LIMIT] == 0:
            return LIMIT
        if slot[s, st.HANDLE] <= 0 or flags & UNDER_WRITEBACK or flags & wanted != wanted:
            continue
        if num[FREE_BLOCK] >= num[BLOCKS] or find_block(backend) < 0:
            return NO_BLOCK
        backend.table[s, FLAGS] = flags | UNDER_WRITEBACK | IDLE
        spend(pages, st.BY_DECOMPRESS, num[DECOMPRESS_NS + (flags >> PRIORITY_SHIFT)] if not flags & HUGE else 0)
        return s
    return END


@compiled(int64(machine_t, int64))
def written(m, s):
    """The slot's page is on the device, in the lowest free block; 1 if the slot is as it was, so that its object can go."""
    pages, backend = m.pages, m.backend
    num, slot = backend.num, pages.slot
    num[BD_WRITES] += 1
    flags = int64(backend.table[s, FLAGS])
    if slot[s, st.HANDLE] <= 0 or not flags & IDLE or not flags & UNDER_WRITEBACK:
        backend.table[s, FLAGS] = flags & ~(UNDER_WRITEBACK | IDLE)
        return 0
    block = find_block(backend)
    num[COMPR_DATA_SIZE] -= slot[s, st.STORED_SIZE]
    if flags & HUGE:
        num[HUGE_PAGES] -= 1
    free_object(backend, pages, s)
    slot[s, st.HANDLE] = st.ON_DEVICE - block
    slot[s, st.STORED_SIZE] = 0
    backend.table[s, FLAGS] = 0
    backend.clean[block] = 1
    num[BD_COUNT] += 1
    if num[LIMIT_ON]:
        num[WRITEBACK_LIMIT] -= 1
    settle_memory(backend, pages)
    return 1


@compiled(int64(machine_t, Numbers, int64, int64))
def better_compressor(m, command, s, old):
    """Try the compressors behind the slot's own; the first that lowers its size class: size << 2 | priority, or 0.

    A slot that the last of all configured ones did not help is marked incompressible.
    """
    pages, backend = m.pages, m.backend
    num = backend.num
    p = int64(pages.slot[s, st.OWNER])
    process = process_of(pages, p)
    present = int64(backend.table[s, FLAGS]) >> PRIORITY_SHIFT
    pool = backend.pool
    tried, lowered = 0, 0
    for priority in range(max(present + 1, 1), num[SECONDARIES] + 1):
        if command[C_PRIORITY] > 0 and priority != command[C_PRIORITY]:
            continue
        tried += 1
        spend(pages, st.BY_COMPRESS, num[COMPRESS_NS + priority])
        size = abs(size_by(pages, process, p, priority))
        if size >= num[HUGE_SIZE]:
            size = pages.num[st.PAGE_SIZE]
        lowered = 1 if backend.size_class(pool, size) < backend.size_class(pool, old) else 0
        if lowered and (command[C_THRESHOLD] == 0 or size < command[C_THRESHOLD]):
            command[C_MAX_PAGES] -= 1
            return size << 2 | priority
    if tried > 0:
        command[C_MAX_PAGES] -= 1
        if not lowered and tried == num[SECONDARIES]:
            backend.table[s, FLAGS] |= INCOMPRESSIBLE
    return int64(0)


@compiled(int64(machine_t, Numbers, int64))
def recompress_slot(m, command, s):
    """Recompress one slot if the command means it; 0 if the run must end for want of memory."""
    pages, backend = m.pages, m.backend
    num, flags = backend.num, int64(backend.table[s, FLAGS])
    wanted = command[C_TYPE]
    old = int64(pages.slot[s, st.STORED_SIZE])
    if pages.slot[s, st.HANDLE] <= 0 or flags & (UNDER_WRITEBACK | INCOMPRESSIBLE) or flags & wanted != wanted:
        return 1
    if command[C_THRESHOLD] > 0 and old < command[C_THRESHOLD]:
        return 1
    backend.table[s, FLAGS] = flags & ~IDLE
    if not flags & HUGE:
        spend(pages, st.BY_DECOMPRESS, num[DECOMPRESS_NS + (flags >> PRIORITY_SHIFT)])
    found = better_compressor(m, command, s, old)
    if found == 0:
        return 1
    handle = allocate(backend, pages, found >> 2)
    if handle < 0:
        return 0
    keep_object(backend, pages, s, handle, found >> 2, found & 3)
    command[C_DONE] += 1
    settle_memory(backend, pages)
    return 1


@compiled(int64(machine_t, Numbers, int64, int64))
def recompress_step(m, command, now, deadline):
    """Go on with a recompression from time `now`; returns ns used, with the lowest bit set when it is over."""
    num = m.pages.num
    num[st.CLOCK] = now
    while command[C_CURSOR] < m.backend.num[SLOTS] and command[C_MAX_PAGES] != 0:
        if num[st.CLOCK] >= deadline:
            return (num[st.CLOCK] - now) << 1
        if not recompress_slot(m, command, command[C_CURSOR]):
            command[C_ERROR] = 1
            break
        command[C_CURSOR] += 1
    return (num[st.CLOCK] - now) << 1 | 1


@compiled(int64(machine_t, int64))
def compact(m, now):
    """Compact the whole pool; ns that it took."""
    pages, pool = m.pages, m.backend.pool
    pages.num[st.CLOCK] = now
    m.backend.compact(pool, 1)
    cost = pages.cost
    spend(pages, st.BY_ALLOCATOR, (cost[st.C_COPY_KIB] * pool.num[OP_COPIED] >> 10) + cost[st.C_WALK] * pool.num[OP_WALKED])
    settle_pool(m.backend, pages)
    settle_slabs(m.backend, pages)
    return pages.num[st.CLOCK] - now
