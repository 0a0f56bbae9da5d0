"""zswap's store, load and invalidate: Linux 6.1, 6.6 and 6.12 mm/zswap.c, mm/frontswap.c, mm/page_io.c."""

from __future__ import annotations

from numba import int64, void

from models.allocators.pool import ENOSPC
from models.backends.backend import INVALIDATES, LOADS, REFUSED, STORED_PAGES, STORES
from models.backends.pooled import allocate, free_object, name_object, settle_memory
from models.backends.zswap_limits import can_accept, is_full, refuses_612
from models.backends.zswap_list import push_newest, rotate, unlist
from models.backends.zswap_numbers import (
    ENABLED,
    EXCLUSIVE_LOADS,
    HEADER,
    LARGE_RESULTS,
    NON_SAME_FILLED_ENABLED,
    POOL_LIMIT_HIT,
    REACHED_FULL,
    REFERENCED,
    REJECT_ALLOC_FAIL,
    REJECT_COMPRESS_FAIL,
    REJECT_COMPRESS_POOR,
    REJECT_KMEMCACHE_FAIL,
    SAME_FILLED_ENABLED,
    SAME_FILLED_PAGES,
    VERSION,
    WRITEBACK_DISABLED,
)
from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.frames import note, spend
from models.memory.slab import make_room
from models.memory.state import backend_t, pages_t
from models.vmstat import ZSWPIN, ZSWPOUT


@outlined(int64(backend_t, pages_t, int64))
def drop(backend, pages, s):
    """The slot's entry goes; 1 if there was one."""
    handle = int64(pages.slot[s, st.HANDLE])
    if handle == 0:
        return 0
    num = backend.num
    unlist(backend, s)
    free_object(backend, pages, s)
    if handle == st.NO_OBJECT:
        num[SAME_FILLED_PAGES] -= 1
    num[STORED_PAGES] -= 1
    return 1


@compiled(int64(backend_t, pages_t, int64, int64))
def refuse(backend, pages, s, size):
    """The page goes to the device, or stays where its cgroup forbids that."""
    backend.num[REFUSED] += 1
    note(pages, st.E_REFUSED, int64(pages.slot[s, st.OWNER]), -1, s, size)
    return st.KEPT if backend.num[WRITEBACK_DISABLED] else st.REFUSED


@compiled(int64(backend_t, pages_t, int64))
def compressed(backend, pages, clen):
    """Compress; 0 if the compressor fails or the result counts as a poor one.

    A result as long as a page is LZO's own; of the others it says that they failed (models.contents.rows).
    """
    num, page = backend.num, pages.num[st.PAGE_SIZE]
    spend(pages, st.BY_COMPRESS, pages.cost[st.C_COMPRESS])
    if clen < page or (clen == page and num[LARGE_RESULTS]):
        return 1
    if num[LARGE_RESULTS] == 0:
        if num[VERSION] > 61:
            num[REJECT_COMPRESS_FAIL] += 1
        return 0
    if num[VERSION] == 612:
        num[REJECT_COMPRESS_POOR] += 1
        return 0
    return 1


@compiled(int64(backend_t, pages_t, int64))
def place(backend, pages, clen):
    """Room in the pool: handle, or a negative number after counting why there is none."""
    num = backend.num
    handle = allocate(backend, pages, num[HEADER] + clen)
    if handle == -ENOSPC:
        num[REJECT_COMPRESS_POOR] += 1
    elif handle < 0:
        num[REJECT_ALLOC_FAIL] += 1
    return handle


@compiled(void(backend_t, pages_t))
def count_store(backend, pages):
    backend.num[STORED_PAGES] += 1
    backend.num[STORES] += 1
    pages.vmstat[ZSWPOUT] += 1


@outlined(int64(backend_t, pages_t, int64, int64))
def accepts_61(backend, pages, s, size):
    """6.1's tests before it compresses, in its order: 1 go on, 0 refused, 2 stored as same-filled."""
    num = backend.num
    if is_full(backend):
        num[POOL_LIMIT_HIT] += 1
        num[REACHED_FULL] = 1
        pages.num[st.POOL_WORK] = 1
        return 0
    if num[REACHED_FULL]:
        if not can_accept(backend):
            return 0
        num[REACHED_FULL] = 0
    if not make_room(pages, fi.ENTRY_CACHE):
        num[REJECT_KMEMCACHE_FAIL] += 1
        return 0
    if size <= 0 and num[SAME_FILLED_ENABLED]:
        pages.slot[s, st.HANDLE] = st.NO_OBJECT
        pages.slot[s, st.STORED_SIZE] = 0
        num[SAME_FILLED_PAGES] += 1
        count_store(backend, pages)
        return 2
    return 1 if num[NON_SAME_FILLED_ENABLED] else 0


@outlined(int64(backend_t, pages_t, int64, int64))
def store_61(backend, pages, s, size):
    """6.1 and 6.6: the old copy goes first, whatever becomes of the new one."""
    drop(backend, pages, s)
    code = accepts_61(backend, pages, s, size)
    if code == 1:
        clen = abs(size)
        handle = int64(-1)
        if compressed(backend, pages, clen):
            handle = place(backend, pages, clen)
        code = 0
        if handle >= 0:
            name_object(backend, pages, s, handle, backend.num[HEADER] + clen)
            if backend.num[VERSION] == 66:
                push_newest(backend, s)
            count_store(backend, pages)
            code = 1
    settle_memory(backend, pages)
    return st.STORED if code else refuse(backend, pages, s, size)


@outlined(int64(backend_t, pages_t, int64, int64))
def store_612(backend, pages, s, size):
    """6.12: the new copy is placed before the old one goes; a refusal removes the old one too."""
    num = backend.num
    clen = abs(size)
    handle = int64(-1)
    if not refuses_612(backend):
        if not make_room(pages, fi.ENTRY_CACHE):
            num[REJECT_KMEMCACHE_FAIL] += 1
        elif compressed(backend, pages, clen):
            handle = place(backend, pages, clen)
    drop(backend, pages, s)
    if handle < 0:
        if num[REACHED_FULL]:
            pages.num[st.POOL_WORK] = 1
        settle_memory(backend, pages)
        return refuse(backend, pages, s, size)
    name_object(backend, pages, s, handle, clen)
    push_newest(backend, s)
    backend.table[s, REFERENCED] = 1
    count_store(backend, pages)
    settle_memory(backend, pages)
    return st.STORED


@compiled(int64(backend_t, pages_t, int64, int64))
def store(backend, pages, s, size):
    """A verdict on the page."""
    if backend.num[ENABLED] == 0:
        drop(backend, pages, s)
        return refuse(backend, pages, s, size)
    return store_612(backend, pages, s, size) if backend.num[VERSION] == 612 else store_61(backend, pages, s, size)


@compiled(int64(backend_t, pages_t, int64))
def load(backend, pages, s):
    """Bring a page into the swap cache; with exclusive loads the entry goes."""
    handle, num, cost = int64(pages.slot[s, st.HANDLE]), backend.num, pages.cost
    if handle == 0:
        return -1
    size = int64(pages.slot[s, st.STORED_SIZE])
    if handle == st.NO_OBJECT:
        spend(pages, st.BY_FAULT, cost[st.C_CLEAR] * (pages.num[st.PAGE_SIZE] >> 10))
    else:
        spend(pages, st.BY_ALLOCATOR, cost[st.C_ALLOCATOR])
        spend(pages, st.BY_DECOMPRESS, cost[st.C_DECOMPRESS])
    num[LOADS] += 1
    pages.vmstat[ZSWPIN] += 1
    if num[EXCLUSIVE_LOADS]:
        drop(backend, pages, s)
        settle_memory(backend, pages)
    elif num[VERSION] == 66:
        rotate(backend, s)
    return size


@compiled(int64(backend_t, pages_t, int64))
def invalidate(backend, pages, s):
    """The slot is free: its entry goes."""
    found = drop(backend, pages, s)
    backend.num[INVALIDATES] += 1
    settle_memory(backend, pages)
    note(pages, st.E_INVALIDATE, int64(pages.slot[s, st.OWNER]), -1, s, found)
    return found
