"""zram's writes, reads and frees of a slot: Linux 6.1 and 6.12 drivers/block/zram/zram_drv.c, mm/page_io.c."""

from __future__ import annotations

from numba import int64, void

from models.allocators.pool import POOL_PAGES
from models.backends.backend import INVALIDATES, LOADS, REFUSED, STORED_PAGES, STORES
from models.backends.pooled import allocate, charge, free_object, name_object, settle_memory
from models.backends.zram_numbers import (
    ACCESSED,
    BD_COUNT,
    BD_READS,
    COMPR_DATA_SIZE,
    COMPRESS_NS,
    DECOMPRESS_NS,
    FAILED_WRITES,
    FLAGS,
    FREE_BLOCK,
    HUGE,
    HUGE_PAGES,
    HUGE_PAGES_SINCE,
    HUGE_SIZE,
    IDLE,
    MEM_LIMIT,
    MEM_USED_MAX,
    NOTIFY_FREE,
    PRIORITY_SHIFT,
    SAME_PAGES,
    SLOTS,
    WRITE_ERRORS,
    WRITESTALL,
)
from models.jit import compiled, outlined
from models.memory import state as st
from models.memory.frames import note, spend
from models.memory.state import backend_t, pages_t
from models.vmstat import PGPGIN, PGPGOUT, PSWPIN, PSWPOUT

SECOND = 1_000_000_000


@compiled(void(backend_t, pages_t, int64))
def accessed(backend, pages, s):
    """Any access ends the slot's idleness."""
    backend.table[s, FLAGS] &= ~IDLE
    backend.table[s, ACCESSED] = pages.num[st.CLOCK] // SECOND


@compiled(void(pages_t, int64, int64))
def count_io(pages, swapped, transferred):
    """A page read or written: in 6.12 as block I/O too, in 6.1 by a call of its own that the block layer does not see."""
    pages.vmstat[swapped] += 1
    if pages.num[st.KERNEL_612]:
        pages.vmstat[transferred] += pages.num[st.PAGE_SIZE] >> 10


@compiled(void(backend_t, int64))
def free_block(backend, block):
    """A block of the backing device is free again."""
    num = backend.num
    backend.clean[block] = 0
    num[FREE_BLOCK] = min(num[FREE_BLOCK], block)
    num[BD_COUNT] -= 1


@outlined(int64(backend_t, pages_t, int64))
def drop(backend, pages, s):
    """Free what a slot holds; 1 if it held anything."""
    slot, num = pages.slot, backend.num
    handle = int64(slot[s, st.HANDLE])
    if handle == 0:
        return 0
    if handle > 0:
        num[COMPR_DATA_SIZE] -= slot[s, st.STORED_SIZE]
        if backend.table[s, FLAGS] & HUGE:
            num[HUGE_PAGES] -= 1
    elif handle == st.NO_OBJECT:
        num[SAME_PAGES] -= 1
    else:
        free_block(backend, st.ON_DEVICE - handle)
    free_object(backend, pages, s)
    backend.table[s, FLAGS] = 0
    num[STORED_PAGES] -= 1
    return 1


@compiled(int64(backend_t, pages_t, int64))
def room_for(backend, pages, clen):
    """Room for an object: handle, or -1.  The second try may reclaim, which who reclaims already cannot do."""
    num = backend.num
    handle = allocate(backend, pages, clen)
    if handle < 0:
        num[WRITESTALL] += 1
        handle = allocate(backend, pages, clen)
        if handle >= 0 and clen < pages.num[st.PAGE_SIZE]:
            spend(pages, st.BY_COMPRESS, num[COMPRESS_NS])
    if handle < 0:
        return int64(-1)
    used = backend.pool.num[POOL_PAGES]
    num[MEM_USED_MAX] = max(num[MEM_USED_MAX], used)
    if num[MEM_LIMIT] > 0 and used > num[MEM_LIMIT]:
        backend.free(backend.pool, handle)
        charge(backend, pages)
        return int64(-1)
    return handle


@compiled(void(backend_t, pages_t, int64, int64, int64, int64))
def keep_object(backend, pages, s, handle, clen, priority):
    """The slot has a new object: only now the old content goes."""
    num = backend.num
    num[COMPR_DATA_SIZE] += clen
    drop(backend, pages, s)
    name_object(backend, pages, s, handle, clen)
    flags = priority << PRIORITY_SHIFT
    if clen == pages.num[st.PAGE_SIZE]:
        flags |= HUGE
        num[HUGE_PAGES] += 1
        num[HUGE_PAGES_SINCE] += 1
    backend.table[s, FLAGS] = flags
    num[STORED_PAGES] += 1


@outlined(int64(backend_t, pages_t, int64, int64))
def store(backend, pages, s, size):
    """Write a page: done at once, or a write error."""
    num = backend.num
    if s >= num[SLOTS]:
        return st.REFUSED
    count_io(pages, PSWPOUT, PGPGOUT)
    backend.table[s, ACCESSED] = pages.num[st.CLOCK] // SECOND
    if size <= 0:
        num[SAME_PAGES] += 1
        drop(backend, pages, s)
        pages.slot[s, st.HANDLE] = st.NO_OBJECT
        pages.slot[s, st.STORED_SIZE] = 0
        num[STORED_PAGES] += 1
    else:
        spend(pages, st.BY_COMPRESS, num[COMPRESS_NS])
        clen = size if size < num[HUGE_SIZE] else pages.num[st.PAGE_SIZE]
        handle = room_for(backend, pages, clen)
        if handle < 0:
            num[FAILED_WRITES] += num[WRITE_ERRORS]
            num[REFUSED] += 1
            note(pages, st.E_REFUSED, int64(pages.slot[s, st.OWNER]), -1, s, size)
            settle_memory(backend, pages)
            return st.FAILED
        keep_object(backend, pages, s, handle, clen, int64(0))
    num[STORES] += 1
    settle_memory(backend, pages)
    return st.STORED


@compiled(int64(backend_t, pages_t, int64))
def load(backend, pages, s):
    """Read a page; the object stays.  -1: its block of the backing device must be read."""
    handle, num, cost = int64(pages.slot[s, st.HANDLE]), backend.num, pages.cost
    if handle == 0:
        return -1
    accessed(backend, pages, s)
    if handle <= st.ON_DEVICE:
        num[BD_READS] += 1
        return -1
    flags = int64(backend.table[s, FLAGS])
    if handle == st.NO_OBJECT:
        spend(pages, st.BY_FAULT, cost[st.C_CLEAR] * (pages.num[st.PAGE_SIZE] >> 10))
    elif flags & HUGE:
        spend(pages, st.BY_COPY, cost[st.C_COPY_KIB] * (pages.num[st.PAGE_SIZE] >> 10))
    else:
        spend(pages, st.BY_ALLOCATOR, cost[st.C_ALLOCATOR])
        spend(pages, st.BY_DECOMPRESS, num[DECOMPRESS_NS + (flags >> PRIORITY_SHIFT)])
    num[LOADS] += 1
    count_io(pages, PSWPIN, PGPGIN)
    return int64(pages.slot[s, st.STORED_SIZE])


@compiled(int64(backend_t, pages_t, int64))
def invalidate(backend, pages, s):
    """The slot is free: so is what it holds."""
    found = drop(backend, pages, s)
    backend.num[INVALIDATES] += 1
    backend.num[NOTIFY_FREE] += 1
    settle_memory(backend, pages)
    note(pages, st.E_INVALIDATE, int64(pages.slot[s, st.OWNER]), -1, s, found)
    return found
