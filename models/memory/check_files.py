"""Invariants of page cache, mappings of files, dirty memory and slab, for models.memory.check."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.memory import file_state as fi
from models.memory import state as st
from models.vmstat import (
    NR_ACTIVE_FILE,
    NR_DIRTY,
    NR_FILE_PAGES,
    NR_INACTIVE_FILE,
    NR_MAPPED,
    NR_SLAB_RECLAIMABLE,
    NR_SLAB_UNRECLAIMABLE,
    NR_SWAPCACHED,
    NR_WRITEBACK,
    NR_ZONE_WRITE_PENDING,
)


def _cache(a: Any, frames: np.ndarray, by_flag: bool) -> list[str]:
    """Every file frame is one file page, and the other way round; each is on one list."""
    bad = []
    cached = np.flatnonzero(a.cache > 0)
    if not np.array_equal(np.sort(a.cache[cached] - 1), frames):
        bad.append("the page cache's frames are not those of kind file")
    elif (a.frame[a.cache[cached] - 1, st.PAGE] != cached).any():
        bad.append("a frame of the page cache names another file page")
    if a.vmstat[NR_FILE_PAGES] != len(frames) + a.vmstat[NR_SWAPCACHED]:
        bad.append(f"nr_file_pages {a.vmstat[NR_FILE_PAGES]}; {len(frames)} frames of files, {a.vmstat[NR_SWAPCACHED]} of the swap cache")
    flags = a.frame[frames, st.FLAGS]
    if ((flags & st.LRU) == 0).any():
        bad.append(f"file frames on no list: {frames[(flags & st.LRU) == 0][:5].tolist()}")
    active = int(((flags & st.ACTIVE) != 0).sum())
    if a.vmstat[NR_INACTIVE_FILE : NR_ACTIVE_FILE + 1].sum() != len(frames) or (by_flag and active != a.vmstat[NR_ACTIVE_FILE]):
        bad.append(f"{len(frames)} file frames, {active} active; counted {a.vmstat[NR_INACTIVE_FILE : NR_ACTIVE_FILE + 1].tolist()}")
    return bad


def _nodes(a: Any) -> list[str]:
    """Nodes count their entries, pages and dirty pages; the kernel's objects for them are there."""
    bad = []
    places = np.zeros(len(a.leaf) * fi.LEAF_PLACES, np.int32)
    places[: len(a.cache)] = a.cache
    entries = (places.reshape(-1, fi.LEAF_PLACES) != 0).sum(1)
    pages = (places.reshape(-1, fi.LEAF_PLACES) > 0).sum(1)
    if (entries != a.leaf[:, fi.LEAF_ENTRIES]).any() or (pages != a.leaf[:, fi.LEAF_PAGES]).any():
        bad.append("a node counts other entries or pages than it has")
    nodes, shadows = int((entries > 0).sum()), int(((entries > 0) & (pages == 0)).sum())
    nodes += int((a.slot[:, st.NODE_ENTRIES] > 0).sum())
    if a.slab[fi.NODE_CACHE, fi.OBJECTS] != nodes or a.num[fi.SHADOW_NODES] != shadows:
        bad.append(f"{nodes} nodes, {shadows} with shadows only; counted {a.slab[fi.NODE_CACHE, fi.OBJECTS]}, {a.num[fi.SHADOW_NODES]}")
    owner = a.leaf[:, fi.LEAF_FILE]
    for what, sums in (("CACHED", pages), ("ENTRIES", entries), ("DIRTY_PAGES", a.leaf[:, fi.LEAF_DIRTY])):
        counted = np.bincount(owner, weights=sums, minlength=len(a.file)).astype(np.int64)
        if (counted != a.file[:, getattr(fi, what)]).any():
            bad.append(f"a file's {what} is not the sum over its nodes")
    inodes = a.file[:, fi.INODE] > 0
    idle = int((inodes & (a.file[:, fi.ENTRIES] == 0)).sum())
    if int(inodes.sum()) != a.slab[fi.INODE_CACHE, fi.OBJECTS] or idle != a.num[fi.IDLE_INODES]:
        bad.append(f"{int(inodes.sum())} inodes, {idle} idle; counted {a.slab[fi.INODE_CACHE, fi.OBJECTS]}, {a.num[fi.IDLE_INODES]}")
    return bad


def _dirty(a: Any, frames: np.ndarray) -> list[str]:
    """Dirty pages and pages under writeback are counted everywhere alike; a file with dirty pages is on a list, or at work."""
    bad = []
    flags, page = a.frame[frames, st.FLAGS], a.frame[frames, st.PAGE]
    dirty, writing = (flags & st.DIRTY) != 0, (flags & st.WRITEBACK) != 0
    if int(dirty.sum()) != a.vmstat[NR_DIRTY] or int(writing.sum()) != a.num[fi.FILE_WRITEBACK]:
        bad.append(f"{int(dirty.sum())} dirty, {int(writing.sum())} being written; nr_dirty {a.vmstat[NR_DIRTY]}")
    owner = a.leaf[page >> fi.LEAF_SHIFT, fi.LEAF_FILE]
    if (np.bincount(owner[writing], minlength=len(a.file)) != a.file[:, fi.BEING_WRITTEN]).any():
        bad.append("a file counts other pages under writeback than it has")
    if a.vmstat[NR_ZONE_WRITE_PENDING] != a.vmstat[NR_DIRTY] + a.vmstat[NR_WRITEBACK]:
        bad.append("nr_zone_write_pending is not nr_dirty + nr_writeback")
    if ((flags & st.LOCKED != 0) & (dirty | writing)).any():
        bad.append("a page that is being read is dirty or being written")
    listed = 0
    for which in (fi.DIRTY_LIST, fi.IO_LIST, fi.MORE_LIST):
        number, seen = int(a.num[fi.LIST_HEADS + 2 * (which - 1)]), 0
        while number > 0 and seen <= len(a.file):
            if a.file[number - 1, fi.LIST] != which:
                bad.append(f"file {number - 1} is on list {which} and says {a.file[number - 1, fi.LIST]}")
            number, seen = int(a.file[number - 1, fi.LIST_NEXT]), seen + 1
        listed += seen
    where = a.file[:, fi.LIST]
    lost = (where == fi.NO_LIST) & (a.file[:, fi.DIRTY_PAGES] > 0)
    if listed != int(((where != fi.NO_LIST) & (where != fi.AT_WORK)).sum()) or lost.any():
        bad.append("lists of dirty files: a file is lost")
    return bad


def _mappings(a: Any, frames: np.ndarray) -> list[str]:
    """The chain of each file frame names exactly the entries that map it."""
    bad = []
    mapped = np.flatnonzero(a.pte > 0)
    target = a.pte[mapped] >> st.PTE_SHIFT
    of_files = np.isin(target, frames)
    wanted = set(zip(target[of_files].tolist(), mapped[of_files].tolist(), strict=True))
    heads = frames[a.frame[frames, st.MAPS] > 0]
    found = set()
    for f in heads.tolist():
        p, before = int(a.frame[f, st.MAPS]), 0
        while 0 < p <= len(a.maps) and len(found) <= len(wanted):
            found.add((f, p - 1))
            if a.maps[p - 1, fi.MAP_PREV] != before:
                bad.append(f"frame {f}: its mappings are not linked back")
            p, before = int(a.maps[p - 1, fi.MAP_NEXT]), p
    if found != wanted:
        bad.append(f"mappings of files: {len(wanted)} entries, {len(found)} in the chains")
    if len(heads) != a.vmstat[NR_MAPPED]:
        bad.append(f"{len(heads)} file frames mapped, nr_mapped {a.vmstat[NR_MAPPED]}")
    writable = mapped[of_files & ((a.pte[mapped] & st.PTE_WRITE) != 0)]
    if ((a.frame[a.pte[writable] >> st.PTE_SHIFT, st.FLAGS] & st.DIRTY) == 0).any():
        bad.append("a file page is mapped writable and not dirty")
    return bad


def _slab(a: Any, kind: np.ndarray) -> list[str]:
    bad = []
    frames = int((kind == st.SLAB).sum())
    held = a.slab[:, fi.PAGES]
    if frames != held.sum():
        bad.append(f"{frames} frames of kind slab, the caches hold {int(held.sum())}")
    for which, counter in ((1, NR_SLAB_RECLAIMABLE), (0, NR_SLAB_UNRECLAIMABLE)):
        if held[a.slab[:, fi.RECLAIMABLE] == which].sum() != a.vmstat[counter]:
            bad.append(f"slab pages of reclaimable={which} are not what vmstat says")
    objects = a.slab[:, fi.OBJECTS]
    loose = np.isin(np.arange(len(held)), (fi.NODE_CACHE, fi.BUFFER_CACHE))  # their pages go back only when they are empty by chance
    most = np.where(loose & (objects > 0), held, -(-objects // a.slab[:, fi.PER_PAGE]))
    own = slice(0, fi.BACKEND_CACHES)  # the others never give a page back
    if (objects < 0).any() or (held[own] > most[own]).any():
        bad.append("a slab cache has a page too many, or objects fewer than none")
    if int((a.frame[kind == st.FILE, st.FLAGS] & st.BUFFERS != 0).sum()) != a.slab[fi.BUFFER_CACHE, fi.OBJECTS]:
        bad.append("buffer heads are not those of the pages that have some")
    return bad


def file_problems(arrays: Any, kind: np.ndarray, by_flag: bool) -> list[str]:
    """What is wrong; arrays: sim.vm.Arrays, kind: of each frame, by_flag: an active frame says so itself."""
    frames = np.flatnonzero(kind == st.FILE)
    return [
        *_cache(arrays, frames, by_flag),
        *_nodes(arrays),
        *_dirty(arrays, frames),
        *_mappings(arrays, frames),
        *_slab(arrays, kind),
    ]
