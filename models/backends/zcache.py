"""zcache 1.0, its persistent side behind frontswap: Linux 3.1 drivers/staging/zcache (zcache-main.c, tmem.c).

A put first drops an old page of that name, then demands a whole free page (the preload), then tests in this order: number of
stored pages, compressed size, the pool's mean size, room in the pool.  A get keeps the page; it lives until its slot is freed.
The zv header stands in front of the compressed bytes.  zcache may not dip into the kernel's reserve: its pages come from above
the min mark.  The original has no idea of same-filled pages: they are compressed and stored like any other.

Not modelled: slab pages of tmem objects and nodes as frames (their bytes are in the tally), the reclaim try-lock
(aborted_preload stays 0: one put at a time), per-CPU stashes of nodes (failed_alloc stays 0: there is no slab to fail).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.pool import COPY_ON_LOAD, MAY_TAKE, OP_COPIED, OP_WALKED, POOL_PAGES
from models.backends import tmem, zcache_clean
from models.backends.backend import (
    INVALIDATES,
    LOADS,
    REFUSED,
    STORED_PAGES,
    STORES,
    BackendArrays,
    BackendModule,
    BackendSetup,
)
from models.backends.zcache_numbers import (
    COMPRESS_POOR,
    COUNT_LIMIT,
    COUNTERS,
    CURR_OBJ,
    CURR_OBJ_MAX,
    CURR_OBJNODE,
    CURR_OBJNODE_MAX,
    DIST_COUNT,
    DIST_CUMUL,
    DIST_CURR,
    FAILED_GET_FREE_PAGES,
    FAILED_PERS_PUTS,
    FLUSH_FOUND,
    FLUSH_TOTAL,
    FRONTSWAP_ON,
    HEADER,
    MAX_MEAN_ZSIZE,
    MAX_ZSIZE,
    MEAN_COMPRESS_POOR,
    MOST_EPHEMERAL,
    NUMBERS,
    PUT_TO_FLUSH,
)
from models.jit import compiled
from models.memory import state as st
from models.memory.frames import note, settle_pool, spend, usable_frames
from models.memory.state import backend_t, pages_t

ZV_HEADER = {32: 36, 64: 40}
DIST_BYTES = 64
PAGE_HEADER, CHUNK = 128, 64  # of zbud


def create(setup: BackendSetup, options: dict[str, Any]) -> BackendArrays:
    """Empty store; `options` as in the registry."""
    own = options["persistent"]
    num = np.zeros(NUMBERS, np.int64)
    num[MAX_ZSIZE] = own["zv_max_zsize"]
    num[MAX_MEAN_ZSIZE] = own["zv_max_mean_zsize"]
    num[COUNT_LIMIT] = own["zv_page_count_policy_percent"] * setup.total_pages // 100
    num[HEADER] = ZV_HEADER[int(options["word_size"])]
    num[FRONTSWAP_ON] = int(options.get("frontswap", True))
    num[MOST_EPHEMERAL] = setup.page_size - PAGE_HEADER - CHUNK
    return BackendArrays(tmem.create(setup.slots), num)


def counters(num: np.ndarray) -> dict[str, int]:
    """sysfs counters of zcache and of frontswap, and the size histograms' non-empty classes."""
    found = {name: int(num[where]) for name, where in COUNTERS.items()}
    for name, first in (("zv_curr_dist_counts", DIST_CURR), ("zv_cumul_dist_counts", DIST_CUMUL)):
        for number in np.flatnonzero(num[first : first + DIST_COUNT]):
            found[f"{name}[{number}]"] = int(num[first + number])
    return found


@compiled(int64(backend_t, pages_t, int64))
def drop(backend, pages, s):
    """Remove a slot's page from tmem and the pool; 1 if there was one."""
    slot, num = pages.slot, backend.num
    handle = int64(slot[s, st.HANDLE]) - 1
    if handle < 0:
        return 0
    size = int64(slot[s, st.STORED_SIZE])
    backend.free(backend.pool, handle)
    note(pages, st.E_POOL_FREE, -1, -1, s, 0)
    own = backend.pool.num
    cost = pages.cost
    spend(pages, st.BY_ALLOCATOR, cost[st.C_ALLOCATOR] + cost[st.C_TMEM] + cost[st.C_WALK] * own[OP_WALKED])
    num[DIST_CURR + (size + DIST_BYTES - 1) // DIST_BYTES] -= 1
    slot[s, st.HANDLE] = 0
    num[STORED_PAGES] -= 1
    num[CURR_OBJNODE] += tmem.change(backend.table, s, -1)
    if backend.table[tmem.ROW_PAGES, s & (tmem.OBJECTS - 1)] == 0:
        num[CURR_OBJ] -= 1
    settle_pool(backend, pages)
    return 1


@compiled(int64(backend_t, pages_t, int64))
def accepts_more(backend, pages, clen):
    """The two tests on the compressed size, in the original's order; counts the refusal."""
    num = backend.num
    if clen > num[MAX_ZSIZE]:
        num[COMPRESS_POOR] += 1
        return 0
    if clen > num[MAX_MEAN_ZSIZE] and num[STORED_PAGES] > 0:
        mean = backend.pool.num[POOL_PAGES] * pages.num[st.PAGE_SIZE] // num[STORED_PAGES]
        if mean > num[MAX_MEAN_ZSIZE]:
            num[MEAN_COMPRESS_POOR] += 1
            return 0
    return 1


@compiled(int64(backend_t, pages_t, int64, int64))
def put(backend, pages, s, clen):
    """Persistent create: 1 if the page was stored."""
    num, cost, own = backend.num, pages.cost, backend.pool.num
    if num[STORED_PAGES] > num[COUNT_LIMIT]:
        return 0
    spend(pages, st.BY_COMPRESS, cost[st.C_COMPRESS])
    if not accepts_more(backend, pages, clen):
        return 0
    size = num[HEADER] + clen
    own[MAY_TAKE] = usable_frames(pages, 1)
    handle = backend.alloc(backend.pool, size)
    spend(pages, st.BY_ALLOCATOR, cost[st.C_ALLOCATOR] + cost[st.C_TMEM] + cost[st.C_WALK] * own[OP_WALKED])
    spend(pages, st.BY_COPY, cost[st.C_COPY_KIB] * own[OP_COPIED] >> 10)
    settle_pool(backend, pages)
    if handle < 0:
        return 0
    note(pages, st.E_POOL_ALLOC, -1, -1, s, size)
    pages.slot[s, st.HANDLE] = handle + 1
    pages.slot[s, st.STORED_SIZE] = size
    number = (size + DIST_BYTES - 1) // DIST_BYTES
    num[DIST_CURR + number] += 1
    num[DIST_CUMUL + number] += 1
    num[STORED_PAGES] += 1
    if backend.table[tmem.ROW_PAGES, s & (tmem.OBJECTS - 1)] == 0:
        num[CURR_OBJ] += 1
        num[CURR_OBJ_MAX] = max(num[CURR_OBJ_MAX], num[CURR_OBJ])
    num[CURR_OBJNODE] += tmem.change(backend.table, s, 1)
    num[CURR_OBJNODE_MAX] = max(num[CURR_OBJNODE_MAX], num[CURR_OBJNODE])
    return 1


@compiled(int64(backend_t, pages_t, int64, int64))
def store(backend, pages, s, size):
    num = backend.num
    if num[FRONTSWAP_ON] == 0:
        return 0
    clen = abs(size)
    page = pages.num[st.PAGE_SIZE]
    clen = min(clen, page + page // 16 + 67)  # what LZO makes of an incompressible page at worst
    if usable_frames(pages, 1) < 1:
        num[FAILED_GET_FREE_PAGES] += 1
        num[PUT_TO_FLUSH] += 1
        drop(backend, pages, s)  # flush_total and flush_found count only what frontswap asks for
        num[REFUSED] += 1
        note(pages, st.E_REFUSED, int64(pages.slot[s, st.OWNER]), -1, s, 0)
        return 0
    drop(backend, pages, s)
    if put(backend, pages, s, clen):
        num[STORES] += 1
        return 1
    num[FAILED_PERS_PUTS] += 1
    num[REFUSED] += 1
    note(pages, st.E_REFUSED, int64(pages.slot[s, st.OWNER]), -1, s, clen)
    return 0


@compiled(int64(backend_t, pages_t, int64))
def load(backend, pages, s):
    if pages.slot[s, st.HANDLE] == 0:
        return -1
    cost = pages.cost
    size = int64(pages.slot[s, st.STORED_SIZE])
    spend(pages, st.BY_ALLOCATOR, cost[st.C_TMEM])
    if backend.pool.num[COPY_ON_LOAD]:
        spend(pages, st.BY_COPY, cost[st.C_COPY_KIB] * size >> 10)
    spend(pages, st.BY_DECOMPRESS, cost[st.C_DECOMPRESS])
    backend.num[LOADS] += 1
    return size


@compiled(int64(backend_t, pages_t, int64))
def invalidate(backend, pages, s):
    num = backend.num
    num[INVALIDATES] += 1
    num[FLUSH_TOTAL] += 1
    found = drop(backend, pages, s)
    num[FLUSH_FOUND] += found
    note(pages, st.E_INVALIDATE, int64(pages.slot[s, st.OWNER]), -1, s, found)
    return found


def _clean_part(options: dict[str, Any]) -> tuple[Any, Any] | None:
    if not options.get("cleancache", False):
        return None
    return options["ephemeral"]["allocator"], options["persistent"]["compressor"]


ZCACHE = BackendModule(
    create,
    lambda options: (options["persistent"]["allocator"], options["persistent"]["compressor"]),
    store,
    load,
    invalidate,
    counters,
    _clean_part,
    zcache_clean.put,
    zcache_clean.get,
    zcache_clean.flush,
    zcache_clean.flush_file,
    zcache_clean.shrink,
)
