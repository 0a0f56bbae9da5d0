"""The shrinkers: how much of a cache a reclaim pass scans, and what each frees.

Linux 6.1 mm/vmscan.c (the loop), fs/inode.c, fs/dcache.c, mm/workingset.c, mm/zsmalloc.c (what is freeable), 6.12 mm/zswap.c.
"""

from __future__ import annotations

from numba import int64

from models.allocators.pool import OP_COPIED, OP_WALKED
from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.frames import settle_pool, spend
from models.memory.pool_writeback import scan_entries
from models.memory.slab import drop_entries, release, settle_slabs
from models.memory.state import machine_t, pages_t
from models.memory.swap import free_swap_shadows
from models.vmstat import NR_INACTIVE_ANON, NR_SLAB_RECLAIMABLE, SLABS_SCANNED, WORKINGSET_NODERECLAIM, WORKINGSET_NODES

BATCH = 128  # SHRINK_BATCH
FLUSH_PERIOD = 2_000_000_000  # ns


@compiled(int64(pages_t))
def listed_pages(pages):
    """Pages on all lists."""
    total = int64(0)
    for which in range(5):
        total += pages.vmstat[NR_INACTIVE_ANON + which]
    return total


@compiled(int64(pages_t))
def flushed_pages(pages):
    """The same as the root cgroup's statistics have it: 6.12 brings them up to date every two seconds (mm/memcontrol.c)."""
    num = pages.num
    if num[st.NEXT_STAT] == 0:
        num[st.NEXT_STAT] = num[st.FIRST_FLUSH]
        num[st.STAT_PAGES] = listed_pages(pages)
    elif num[st.CLOCK] >= num[st.NEXT_STAT]:
        num[st.NEXT_STAT] += (1 + (num[st.CLOCK] - num[st.NEXT_STAT]) // FLUSH_PERIOD) * FLUSH_PERIOD
        num[st.STAT_PAGES] = listed_pages(pages)
    return num[st.STAT_PAGES]


@compiled(int64(pages_t))
def shadow_nodes_allowed(pages):
    """Nodes with shadows only that are left alone: an eighth of the pages on the lists, and of slab.

    In 6.12 the slab memory of the root group is not in its statistics.
    """
    if pages.num[st.KERNEL_612]:
        return flushed_pages(pages) >> 3
    return listed_pages(pages) + pages.vmstat[NR_SLAB_RECLAIMABLE] + pages.vmstat[NR_SLAB_RECLAIMABLE + 1] >> 3


@compiled(int64(machine_t, int64))
def freeable(m, cache):
    """Objects of a cache that its shrinker could free; asking a clean cache evicts a page, as in the original."""
    pages = m.pages
    num = pages.num
    if cache == fi.NODE_CACHE:
        return max(num[fi.SHADOW_NODES] + num[st.SWAP_SHADOW_NODES] - shadow_nodes_allowed(pages), 0)
    if cache == fi.INODE_CACHE:
        return num[fi.IDLE_INODES]
    if cache == fi.CLEAN_PAGES:
        return max(m.shrink(m.backend, pages, 0), 0)
    if cache == fi.POOL_PAGES:
        return m.backend.compactable(m.backend.pool)
    if cache == fi.POOL_ENTRIES:
        return m.entries(m.backend, pages, 0)
    return pages.slab[cache, fi.OBJECTS]


@outlined(int64(pages_t, int64))
def free_shadows(pages, n):
    """Forget the shadows of n nodes that hold nothing else; returns frames freed."""
    leaf, cache, num = pages.leaf, pages.cache, pages.num
    done, freed = 0, 0
    for _ in range(leaf.shape[0]):
        if done == n:
            break
        at = num[fi.SHADOW_SCAN]
        num[fi.SHADOW_SCAN] = (at + 1) % leaf.shape[0]
        if leaf[at, fi.LEAF_ENTRIES] == 0 or leaf[at, fi.LEAF_PAGES] > 0:
            continue
        for q in range(at << fi.LEAF_SHIFT, at + 1 << fi.LEAF_SHIFT):
            cache[q] = 0
        drop_entries(pages, at, int64(leaf[at, fi.LEAF_ENTRIES]))
        num[fi.SHADOW_NODES] -= 1
        pages.vmstat[WORKINGSET_NODES] -= 1
        pages.vmstat[WORKINGSET_NODERECLAIM] += 1
        freed += release(pages, fi.NODE_CACHE, 1)
        done += 1
    return freed


@outlined(int64(pages_t, int64))
def free_inodes(pages, n):
    """Drop n idle inodes; returns frames freed."""
    file, num = pages.file, pages.num
    done = 0
    for _ in range(file.shape[0]):
        if done == n:
            break
        at = num[fi.INODE_SCAN]
        num[fi.INODE_SCAN] = (at + 1) % file.shape[0]
        if file[at, fi.INODE] and file[at, fi.ENTRIES] == 0:
            file[at, fi.INODE] = 0
            num[fi.IDLE_INODES] -= 1
            done += 1
    return release(pages, fi.INODE_CACHE, done)


@compiled(int64(machine_t, int64))
def compact_pool(m, n):
    """Compact the backend's pool, whatever the number asked for; 0, or -1 (stop) if no page came free.  They are no reclaimed slab."""
    pages, pool = m.pages, m.backend.pool
    freed = m.backend.compact(pool, n)
    spend(pages, st.BY_SLAB, pages.cost[st.C_COPY_KIB] * pool.num[OP_COPIED] >> 10)
    spend(pages, st.BY_SLAB, pages.cost[st.C_WALK] * pool.num[OP_WALKED])
    settle_pool(m.backend, pages)
    settle_slabs(m.backend, pages)
    return 0 if freed > 0 else -1


@compiled(int64(machine_t, int64, int64))
def scan(m, cache, n):
    """Let a shrinker scan n objects; returns frames freed that count as reclaimed, or -1 if it stops."""
    pages, num = m.pages, m.pages.num
    if cache == fi.NODE_CACHE:
        of_swap = n * num[st.SWAP_SHADOW_NODES] // (num[fi.SHADOW_NODES] + num[st.SWAP_SHADOW_NODES])
        return free_swap_shadows(pages, of_swap) + free_shadows(pages, n - of_swap)
    if cache == fi.INODE_CACHE:
        return free_inodes(pages, n)
    if cache == fi.CLEAN_PAGES:
        left = m.shrink(m.backend, pages, n)
        settle_pool(m.backend, pages)
        return -1 if left < 0 else 0
    if cache == fi.POOL_PAGES:
        return compact_pool(m, n)
    if cache == fi.POOL_ENTRIES:
        return scan_entries(m, n)
    return release(pages, cache, min(n, pages.slab[cache, fi.OBJECTS]))


@outlined(int64(machine_t, int64, int64))
def shrink_cache(m, cache, priority):
    """One shrinker's part in a reclaim pass at a priority; returns frames freed."""
    row = m.pages.slab[cache]
    objects = freeable(m, cache)
    if objects == 0:
        return 0
    seeks = row[fi.SEEKS]
    delta = objects // 2 if seeks == 0 else (objects >> priority) * 4 // seeks
    deferred = row[fi.DEFERRED]
    total = min((deferred >> priority) + delta, 2 * objects)
    scanned, freed = 0, 0
    while total >= BATCH or total >= objects:
        n = min(BATCH, total)
        if cache == fi.CLEAN_PAGES:
            m.shrink(m.backend, m.pages, 0)  # 3.1 asks for the size before each batch, and asking evicts
        got = scan(m, cache, n)
        if got < 0:
            break
        freed += got
        m.pages.vmstat[SLABS_SCANNED] += n
        scanned += n
        total -= n
        if total <= 0:
            break
    row[fi.DEFERRED] = min(max(deferred + delta - scanned, 0), 2 * objects)
    return freed


@outlined(int64(machine_t, int64))
def shrink_slab(m, priority):
    """All shrinkers in turn; returns frames freed."""
    freed = 0
    for cache in range(m.pages.slab.shape[0]):
        if m.pages.slab[cache, fi.SEEKS] >= 0:
            freed += shrink_cache(m, cache, priority)
    return freed
