"""Which entries zswap writes back: for its worker when the pool is at its limit, and in 6.12 for a shrinker under memory pressure.

Linux 6.1 mm/zswap.c and mm/zpool.c (the allocator chooses), 6.6 (a list of entries), 6.12 (the same with a second chance).  The writing
itself is in models.memory.pool_writeback.
"""

from __future__ import annotations

from numba import int64

from models.allocators.pool import EVICT_AT, EVICT_LEFT, POOL_PAGES
from models.backends.backend import STORED_PAGES
from models.backends.pooled import OWNER, settle_memory
from models.backends.zswap_limits import can_accept, pool_accepts_612
from models.backends.zswap_list import is_listed, rotate
from models.backends.zswap_numbers import (
    FAILURES,
    LISTED,
    NEWER,
    OLDEST,
    REFERENCED,
    REJECT_RECLAIM_FAIL,
    SCAN_LEFT,
    SHRINKER_ENABLED,
    VERSION,
    WORK_PAGE,
    WORKING,
    WRITEBACK_DISABLED,
    WRITTEN_BACK_PAGES,
)
from models.backends.zswap_store import drop
from models.jit import compiled
from models.memory import state as st
from models.memory.frames import spend
from models.memory.groups import group_of_slot, may_write_out
from models.memory.state import backend_t, pages_t
from models.vmstat import ZSWPWB

MOST_FAILURES = 16
WRITTEN = 1  # what became of an entry, as models.memory.pool_writeback says


@compiled(int64(backend_t, pages_t))
def end_run(backend, pages):
    backend.num[WORKING] = 0
    settle_memory(backend, pages)
    return -1


@compiled(int64(backend_t, pages_t))
def pick_of_pool(backend, pages):
    """6.1: the allocator empties one page in its own order; the slot of the next object, or -1."""
    pool, num = backend.pool, backend.num
    if num[WORKING] == 0:
        num[WORKING] = 1
        num[WORK_PAGE] = 0
        pool.num[EVICT_LEFT] = 1
        pool.num[EVICT_AT] = 0
    while True:
        if num[WORK_PAGE] == 0:
            page = backend.evict_begin(pool)
            if page <= 0:
                if page < 0:
                    num[REJECT_RECLAIM_FAIL] += 1
                return end_run(backend, pages)
            num[WORK_PAGE] = page
        handle = backend.evict_next(pool, num[WORK_PAGE])
        if handle >= 0:
            return int64(backend.table[handle, OWNER]) - 1
        backend.evict_done(pool, num[WORK_PAGE])
        num[WORK_PAGE] = 0


@compiled(int64(backend_t, pages_t))
def pick_oldest(backend, pages):
    """6.6: the oldest entry, whatever it is."""
    num = backend.num
    if num[WORKING] == 0:
        num[WORKING] = 1
        num[FAILURES] = 0
    if num[OLDEST] == 0:
        num[REJECT_RECLAIM_FAIL] += 1
        return end_run(backend, pages)
    return num[OLDEST] - 1


@compiled(int64(backend_t, pages_t))
def next_allowed(backend, pages):
    """6.12: the oldest entry that may be written back, or -1; those of groups that keep theirs (memory.zswap.writeback) move on."""
    num = backend.num
    for _ in range(num[LISTED]):
        s = num[OLDEST] - 1
        if may_write_out(pages, s):
            return s
        rotate(backend, s)
    return int64(-1)


@compiled(int64(backend_t, pages_t, int64))
def pick_of_group(backend, pages, g):
    """6.12, at a group's limit: its oldest entry, or -1 if that was used (then it is rotated) or may not be written."""
    s = backend.num[OLDEST] - 1
    while s >= 0 and group_of_slot(pages, s) != g:
        s = int64(backend.table[s, NEWER]) - 1
    if s < 0 or backend.num[WRITEBACK_DISABLED] or may_write_out(pages, s) == 0:
        return int64(-1)
    referenced = backend.table[s, REFERENCED]
    rotate(backend, s)
    return int64(-1) if referenced else s


@compiled(int64(backend_t, pages_t))
def pick_second_chance(backend, pages):
    """6.12, one entry a turn: a referenced one is only rotated, and that turn counts as a failure."""
    num = backend.num
    if num[WORKING] == 0:
        num[WORKING] = 1
        num[FAILURES] = 0
    while num[FAILURES] < MOST_FAILURES:
        if num[OLDEST] == 0 or num[WRITEBACK_DISABLED]:
            break
        s = next_allowed(backend, pages)
        if s < 0:
            break
        referenced = backend.table[s, REFERENCED]
        rotate(backend, s)
        spend(pages, st.BY_IO, pages.cost[st.C_LOOK])
        if not referenced:
            return s
        num[FAILURES] += 1
        if pool_accepts_612(backend):
            break
    return end_run(backend, pages)


@compiled(int64(backend_t, pages_t, int64))
def pick_scan(backend, pages, count):
    """6.12, the shrinker: the next entry without a second chance among `count` (0: of the scan under way)."""
    num = backend.num
    if count > 0:
        num[SCAN_LEFT] = count
    while num[SCAN_LEFT] > 0 and num[OLDEST] > 0:
        num[SCAN_LEFT] -= 1
        s = next_allowed(backend, pages)
        if s < 0:
            break
        referenced = backend.table[s, REFERENCED]
        rotate(backend, s)
        if not referenced:
            return s
    num[SCAN_LEFT] = 0
    return int64(-1)


@compiled(int64(backend_t, pages_t, int64))
def pick(backend, pages, who):
    """The slot of the next entry to write back, -1 for none; who: -1 the worker, else the shrinker with a scan of so many (0: goes on),
    below -1 a memory cgroup at its limit."""
    if who >= 0:
        return pick_scan(backend, pages, who)
    version = backend.num[VERSION]
    if who < -1:
        return pick_of_group(backend, pages, -1 - who) if version == 612 else int64(-1)
    if version == 61:
        return pick_of_pool(backend, pages)
    return pick_oldest(backend, pages) if version == 66 else pick_second_chance(backend, pages)


@compiled(int64(backend_t, pages_t, int64, int64))
def picked(backend, pages, s, result):
    """What became of the entry; 1 if the worker goes on."""
    num = backend.num
    if result == WRITTEN:
        num[WRITTEN_BACK_PAGES] += 1
        if num[VERSION] == 612:
            pages.vmstat[ZSWPWB] += 1
        drop(backend, pages, s)
        settle_memory(backend, pages)
    elif num[VERSION] != 61:
        num[REJECT_RECLAIM_FAIL] += 1
        num[FAILURES] += 1
        if is_listed(backend, s):
            rotate(backend, s)
    if num[WORKING] == 0 or num[VERSION] == 61:
        return 1
    enough = pool_accepts_612(backend) if num[VERSION] == 612 else can_accept(backend)
    if enough or num[FAILURES] >= MOST_FAILURES:
        end_run(backend, pages)
        return 0
    return 1


@compiled(int64(backend_t, pages_t, int64))
def entries(backend, pages, unused):
    """What 6.12's shrinker counts: entries beyond as many as came from the device lately, in pages of the pool."""
    num = backend.num
    if not num[SHRINKER_ENABLED] or num[WRITEBACK_DISABLED] or num[STORED_PAGES] == 0:
        return 0
    taken = min(num[LISTED], pages.num[st.SWAPINS])
    pages.num[st.SWAPINS] -= taken
    return (num[LISTED] - taken) * backend.pool.num[POOL_PAGES] // num[STORED_PAGES]
