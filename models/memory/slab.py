"""Slab memory: frames that the kernel's own objects take.  The shrinkers that free some are in models.memory.shrinkers.

Simplification: objects of a cache are packed, so a page is free as soon as the objects fit into one page less.  Buffer heads and tree
nodes die with pages of files, anywhere in the cache: their pages go back only as chance empties them (*measured*: in the guests of
the ground truth they hardly do).  Those of the backend and its pool come and go in no order either, and a page that was once needed is
never given back (*measured*: the guests' slab memory stays at its peak).
"""

from __future__ import annotations

from numba import int64, void

from models.allocators import pool as ps
from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.frames import ask_typed, give_frame, spend, take_last
from models.memory.state import backend_t, pages_t
from models.vmstat import NR_SLAB_RECLAIMABLE, NR_ZSPAGES

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


@compiled(void(pages_t, int64, int64))
def drop_entries(pages, at, n):
    """A leaf loses n entries; a file without any is idle."""
    leaf = pages.leaf
    leaf[at, fi.LEAF_ENTRIES] -= n
    row = pages.file[leaf[at, fi.LEAF_FILE]]
    row[fi.ENTRIES] -= n
    if row[fi.ENTRIES] == 0 and row[fi.INODE]:
        pages.num[fi.IDLE_INODES] += 1


@compiled(int64(pages_t, int64))
def make_room(pages, cache):
    """See to it that a cache has room for one object more; 0 if there is no memory for it."""
    row = pages.slab[cache]
    if row[fi.OBJECTS] < row[fi.PAGES] * row[fi.PER_PAGE]:
        return 1
    return add_page(pages, cache, 1)


@outlined(void(backend_t, pages_t))
def settle_slabs(backend, pages):
    """Let the caches of the backend and its pool have as many objects as those say they have."""
    slab, number = pages.slab, backend.pool.num
    for cache in range(fi.BACKEND_CACHES, slab.shape[0]):
        row = slab[cache]
        source = row[fi.SOURCE]
        if source == 0:
            continue
        row[fi.OBJECTS] = number[source - 1] // row[fi.DIVIDE] if source > 0 else backend.num[-source - 1]
        while row[fi.OBJECTS] > row[fi.PAGES] * row[fi.PER_PAGE] and add_page(pages, cache, 1):
            pass
    if slab[fi.ZSPAGE_CACHE, fi.SOURCE] > 0:
        pages.vmstat[NR_ZSPAGES] = number[ps.POOL_PAGES]
