"""zcache 1.0's ephemeral side behind cleancache: Linux 3.1 drivers/staging/zcache (zcache-main.c, tmem.c), mm/cleancache.c.

Clean pages of files that leave memory are compressed into a pool that may lose them at any time.  A get removes the page.  Every put
demands a whole free page first, even if a partly filled one could take the data.  The shrinker evicts whole pool pages, and does so even
when it is only asked for the size.

One file system, so one tmem pool: an object is a file.  Not modelled: shared file systems.
"""

from __future__ import annotations

from numba import int64

from models.allocators.pool import COPY_ON_LOAD, MAY_TAKE, OP_COPIED, OP_WALKED, POOL_PAGES, start_eviction
from models.backends import tmem_files
from models.backends.zcache_numbers import (
    CLEAN_FAILED_GETS,
    CLEAN_FLUSHES,
    CLEAN_PAGES,
    CLEAN_PUTS,
    CLEAN_SUCC_GETS,
    COMPRESS_POOR,
    CURR_OBJ,
    CURR_OBJ_MAX,
    CURR_OBJNODE,
    CURR_OBJNODE_MAX,
    FAILED_EPH_PUTS,
    FAILED_GET_FREE_PAGES,
    FLOBJ_FOUND,
    FLOBJ_TOTAL,
    FLUSH_FOUND,
    FLUSH_TOTAL,
    MOST_EPHEMERAL,
    PUT_TO_FLUSH,
)
from models.jit import compiled
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.frames import note, settle_pool, spend, usable_frames
from models.memory.state import backend_t, pages_t


@compiled(int64(backend_t, pages_t, int64))
def forget(backend, pages, q):
    """Take file page q out of tmem; its object in the pool is the caller's."""
    num = backend.num
    number = int64(pages.leaf[q >> fi.LEAF_SHIFT, fi.LEAF_FILE])
    backend.clean[q] = 0
    num[CLEAN_PAGES] -= 1
    num[CURR_OBJNODE] += tmem_files.change(backend.trees, backend.groups, number, q - pages.file[number, fi.FIRST], -1)
    if backend.trees[number, tmem_files.PAGES] == 0:
        num[CURR_OBJ] -= 1
    spend(pages, st.BY_ALLOCATOR, pages.cost[st.C_TMEM])
    return 0


@compiled(int64(backend_t, pages_t, int64))
def drop(backend, pages, q):
    """Remove file page q; 1 if it was there."""
    handle = int64(backend.clean[q]) - 1
    if handle < 0:
        return 0
    backend.clean_free(backend.clean_pool, handle)
    own = backend.clean_pool.num
    spend(pages, st.BY_ALLOCATOR, pages.cost[st.C_ALLOCATOR] + pages.cost[st.C_WALK] * own[OP_WALKED])
    forget(backend, pages, q)
    return 1


@compiled(int64(backend_t, pages_t, int64))
def remember(backend, pages, q):
    """File page q is in tmem from now on."""
    num = backend.num
    number = int64(pages.leaf[q >> fi.LEAF_SHIFT, fi.LEAF_FILE])
    if backend.trees[number, tmem_files.PAGES] == 0:
        num[CURR_OBJ] += 1
        num[CURR_OBJ_MAX] = max(num[CURR_OBJ_MAX], num[CURR_OBJ])
    num[CURR_OBJNODE] += tmem_files.change(backend.trees, backend.groups, number, q - pages.file[number, fi.FIRST], 1)
    num[CURR_OBJNODE_MAX] = max(num[CURR_OBJNODE_MAX], num[CURR_OBJNODE])
    num[CLEAN_PAGES] += 1
    return 0


@compiled(int64(backend_t, pages_t, int64, int64))
def put(backend, pages, q, size):
    """A clean page leaves memory: 1 if the pool took it."""
    num, cost, own = backend.num, pages.cost, backend.clean_pool.num
    num[CLEAN_PUTS] += 1
    spend(pages, st.BY_ALLOCATOR, cost[st.C_TMEM])
    if usable_frames(pages, 1) < 1:
        num[FAILED_GET_FREE_PAGES] += 1
        num[PUT_TO_FLUSH] += 1
        drop(backend, pages, q)
        settle_pool(backend, pages)
        return 0
    drop(backend, pages, q)
    spend(pages, st.BY_COMPRESS, cost[st.C_COMPRESS])
    clen = abs(size)
    if clen == 0 or clen > num[MOST_EPHEMERAL]:
        num[COMPRESS_POOR] += 1
        num[FAILED_EPH_PUTS] += 1
        return 0
    own[MAY_TAKE] = 1  # the page that was demanded
    handle = backend.clean_alloc(backend.clean_pool, clen)
    spend(pages, st.BY_ALLOCATOR, cost[st.C_ALLOCATOR] + cost[st.C_WALK] * own[OP_WALKED])
    spend(pages, st.BY_COPY, cost[st.C_COPY_KIB] * own[OP_COPIED] >> 10)
    settle_pool(backend, pages)
    if handle < 0:
        num[FAILED_EPH_PUTS] += 1
        return 0
    backend.clean[q] = handle + 1
    backend.owner[handle] = q
    remember(backend, pages, q)
    return 1


@compiled(int64(backend_t, pages_t, int64))
def get(backend, pages, q):
    """A page about to be read: 1 if it was in the pool, from which it is removed, else -1."""
    num, cost = backend.num, pages.cost
    spend(pages, st.BY_ALLOCATOR, cost[st.C_TMEM])
    if backend.clean[q] == 0:
        num[CLEAN_FAILED_GETS] += 1
        return -1
    spend(pages, st.BY_DECOMPRESS, cost[st.C_DECOMPRESS])
    if backend.clean_pool.num[COPY_ON_LOAD]:
        spend(pages, st.BY_COPY, cost[st.C_COPY_KIB] * (pages.num[st.PAGE_SIZE] >> 10))
    drop(backend, pages, q)
    settle_pool(backend, pages)
    num[CLEAN_SUCC_GETS] += 1
    return 1


@compiled(int64(backend_t, pages_t, int64))
def flush(backend, pages, q):
    """The page's copy is out of date: 1 if there was one."""
    num = backend.num
    num[CLEAN_FLUSHES] += 1
    num[FLUSH_TOTAL] += 1
    found = drop(backend, pages, q)
    num[FLUSH_FOUND] += found
    settle_pool(backend, pages)
    note(pages, st.E_CLEAN_FLUSH, q, -1, -1, found)
    return found


@compiled(int64(backend_t, pages_t, int64))
def flush_file(backend, pages, number):
    """All copies of a file's pages go; returns how many there were."""
    num, row = backend.num, backend.trees[number]
    num[FLOBJ_TOTAL] += 1
    wanted = int64(row[tmem_files.PAGES])
    if wanted == 0:
        return 0
    num[FLOBJ_FOUND] += 1
    first, room = pages.file[number, fi.FIRST], pages.file[number, fi.ROOM]
    dropped = 0
    node = 0
    while dropped < wanted and node << fi.LEAF_SHIFT < room:
        if backend.groups[row[tmem_files.START] + node] > 0:
            for index in range(node << fi.LEAF_SHIFT, min(node + 1 << fi.LEAF_SHIFT, room)):
                dropped += drop(backend, pages, first + index)
        node += 1
    settle_pool(backend, pages)
    return dropped


@compiled(int64(backend_t, pages_t, int64))
def shrink(backend, pages, n):
    """Evict n pages of the pool, at least one; returns the pages that it holds then."""
    pool = backend.clean_pool
    start_eviction(pool.num, n)
    p = backend.evict_begin(pool)
    while p > 0:
        handle = backend.evict_next(pool, p)
        while handle >= 0:
            q = int64(backend.owner[handle])
            forget(backend, pages, q)
            backend.clean_free(pool, handle)
            note(pages, st.E_CLEAN_FLUSH, q, -1, -1, 1)
            handle = backend.evict_next(pool, p)
        backend.evict_done(pool, p)
        p = backend.evict_begin(pool)
    settle_pool(backend, pages)
    return pool.num[POOL_PAGES]
