"""Slab memory: frames that the kernel's own objects take, and the shrinkers that free some under pressure.

Linux 6.1 mm/vmscan.c (how much of a cache a reclaim pass scans), fs/inode.c, fs/dcache.c, mm/workingset.c (what is freeable).
Simplification: objects of a cache are packed, so a page is free as soon as the objects fit into one page less.  Buffer heads and tree
nodes die with pages of files, anywhere in the cache: their pages go back only as chance empties them (*measured*: in the guests of
shared/groundtruth they hardly do).
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.frames import ask_typed, give_frame, settle_pool, spend, take_last
from models.memory.state import machine_t, pages_t
from models.vmstat import NR_INACTIVE_ANON, NR_SLAB_RECLAIMABLE, SLABS_SCANNED, WORKINGSET_NODERECLAIM, WORKINGSET_NODES

BATCH = 128  # SHRINK_BATCH
PART_BITS = 20  # of fractions


@outlined(int64(pages_t, int64, int64))
def add_page(pages, cache, must):
    """One more frame for a slab cache; `must`: even from below the marks.  0 if there is none."""
    row = pages.slab[cache]
    group = st.RECLAIMABLE if row[fi.RECLAIMABLE] else st.UNMOVABLE
    f = ask_typed(pages, st.SLAB, group)
    if f < 0 and must:
        f = take_last(pages, st.SLAB, group)
    if f < 0:
        return 0
    spend(pages, st.BY_SLAB, pages.cost[st.C_ALLOC])
    pages.frame[f, st.NEXT] = row[fi.LAST_FRAME]
    row[fi.LAST_FRAME] = f + 1
    row[fi.PAGES] += 1
    pages.vmstat[NR_SLAB_RECLAIMABLE + 1 - row[fi.RECLAIMABLE]] += 1
    return 1


@outlined(int64(pages_t, int64, int64))
def grow(pages, cache, n):
    """Allocate up to n objects; returns how many there was memory for above the marks."""
    row = pages.slab[cache]
    room = row[fi.PAGES] * row[fi.PER_PAGE] - row[fi.OBJECTS]
    while room < n and add_page(pages, cache, 0):
        room += row[fi.PER_PAGE]
    n = min(n, max(room, 0))
    row[fi.OBJECTS] += n
    spend(pages, st.BY_SLAB, pages.cost[st.C_SLAB] * n)
    return n


@outlined(void(pages_t, int64))
def add_object(pages, cache):
    """Allocate one object that nobody can wait for: below the marks if need be, at worst without memory."""
    row = pages.slab[cache]
    row[fi.OBJECTS] += 1
    if row[fi.OBJECTS] > row[fi.PAGES] * row[fi.PER_PAGE]:
        add_page(pages, cache, 1)


@compiled(int64(pages_t, int64))
def pages_wanted(pages, cache):
    """Pages that a cache holds: no more than its objects need, or, where they die anywhere, all but those that are empty by chance.

    With a share u of all places in use, a page of k places is empty with probability (1 - u)^k.
    """
    row = pages.slab[cache]
    held, places = row[fi.PAGES], row[fi.PER_PAGE]
    needed = (row[fi.OBJECTS] + places - 1) // places
    if needed >= held or (cache != fi.BUFFER_CACHE and cache != fi.NODE_CACHE):
        return min(needed, held)
    unused = ((held * places - row[fi.OBJECTS]) << PART_BITS) // (held * places)
    empty = held << PART_BITS
    for _ in range(places):
        empty = empty * unused >> PART_BITS
    return max(held - (empty >> PART_BITS), needed)


@outlined(int64(pages_t, int64, int64))
def release(pages, cache, n):
    """Free n objects; returns the frames that were freed with them."""
    row = pages.slab[cache]
    row[fi.OBJECTS] -= n
    freed = 0
    while row[fi.PAGES] > pages_wanted(pages, cache):
        f = row[fi.LAST_FRAME] - 1
        row[fi.LAST_FRAME] = pages.frame[f, st.NEXT]
        row[fi.PAGES] -= 1
        pages.vmstat[NR_SLAB_RECLAIMABLE + 1 - row[fi.RECLAIMABLE]] -= 1
        give_frame(pages, f)
        freed += 1
    spend(pages, st.BY_SLAB, pages.cost[st.C_SLAB] * n + pages.cost[st.C_FREE] * freed)
    return freed


@compiled(int64(pages_t))
def shadow_nodes_allowed(pages):
    """Nodes with shadows only that are left alone: an eighth of the pages on the lists and of slab."""
    vmstat = pages.vmstat
    total = vmstat[NR_SLAB_RECLAIMABLE] + vmstat[NR_SLAB_RECLAIMABLE + 1]
    for which in range(5):
        total += vmstat[NR_INACTIVE_ANON + which]
    return total >> 3


@compiled(int64(machine_t, int64))
def freeable(m, cache):
    """Objects of a cache that its shrinker could free; asking a clean cache evicts a page, as in the original."""
    pages = m.pages
    num = pages.num
    if cache == fi.NODE_CACHE:
        return max(num[fi.SHADOW_NODES] - shadow_nodes_allowed(pages), 0)
    if cache == fi.INODE_CACHE:
        return num[fi.IDLE_INODES]
    if cache == fi.CLEAN_PAGES:
        return max(m.shrink(m.backend, pages, 0), 0)
    return pages.slab[cache, fi.OBJECTS]


@compiled(void(pages_t, int64, int64))
def drop_entries(pages, at, n):
    """A leaf loses n entries; a file without any is idle."""
    leaf = pages.leaf
    leaf[at, fi.LEAF_ENTRIES] -= n
    row = pages.file[leaf[at, fi.LEAF_FILE]]
    row[fi.ENTRIES] -= n
    if row[fi.ENTRIES] == 0 and row[fi.INODE]:
        pages.num[fi.IDLE_INODES] += 1


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


@compiled(int64(machine_t, int64, int64))
def scan(m, cache, n):
    """Let a shrinker scan n objects; returns frames freed that count as reclaimed, or -1 if it stops."""
    pages = m.pages
    if cache == fi.NODE_CACHE:
        return free_shadows(pages, n)
    if cache == fi.INODE_CACHE:
        return free_inodes(pages, n)
    if cache == fi.CLEAN_PAGES:
        left = m.shrink(m.backend, pages, n)
        settle_pool(m.backend, pages)
        return -1 if left < 0 else 0
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
