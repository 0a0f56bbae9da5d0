"""The machine's invariants, checked from outside on the arrays: every page in exactly one place, nothing lost.

Slow on purpose: whole arrays are compared with NumPy after every step of an actor (`--check`, and in tests).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.allocators import pool as ps
from models.memory import pcp
from models.memory import state as st
from models.memory.check_files import file_problems
from models.memory.check_free import free_problems
from models.memory.check_groups import group_problems
from models.vmstat import (
    NR_ANON_PAGES,
    NR_FREE_PAGES,
    NR_INACTIVE_ANON,
    NR_MLOCK,
    NR_PAGE_TABLE_PAGES,
    NR_SWAPCACHED,
    NR_WRITEBACK,
)


def _frames(a: Any, kind: np.ndarray) -> list[str]:
    bad = []
    counts = np.bincount(kind, minlength=st.HOLE + 1)
    if counts[st.MLOCKED] != a.vmstat[NR_MLOCK]:
        bad.append(f"{counts[st.MLOCKED]} locked frames, nr_mlock {a.vmstat[NR_MLOCK]}")
    used = len(kind) - int(counts[st.FREE] + counts[st.HOLE])
    free = int(a.vmstat[NR_FREE_PAGES] + a.pcp[:, pcp.COUNT].sum())
    if used + free != a.num[st.FRAMES]:
        bad.append(f"{used} frames in use and {free} free do not make {a.num[st.FRAMES]}")
    if counts[st.KERNEL] != a.num[st.KERNEL_FRAMES]:
        bad.append(f"{counts[st.KERNEL]} frames of kind kernel, counted {a.num[st.KERNEL_FRAMES]}")
    if counts[st.POOL] != a.num[st.POOL_FRAMES]:
        bad.append(f"{counts[st.POOL]} frames of kind pool, the pool holds {a.num[st.POOL_FRAMES]}")
    if not np.array_equal(np.sort(a.pool_frames[: a.num[st.POOL_FRAMES]]), np.flatnonzero(kind == st.POOL)):
        bad.append("the pool's frames are not those of kind pool")
    tables = a.table[a.table[:, 1] > 0, 1] - 1
    if not np.array_equal(np.sort(tables), np.flatnonzero(kind == st.TABLE)):
        bad.append("the page tables' frames are not those of kind table")
    if counts[st.TABLE] != a.vmstat[NR_PAGE_TABLE_PAGES] or counts[st.TABLE] != (a.table[:, 1] > 0).sum():
        bad.append(f"{counts[st.TABLE]} page-table frames, nr_page_table_pages {a.vmstat[NR_PAGE_TABLE_PAGES]}")
    return bad


def _page_tables(a: Any, kind: np.ndarray) -> list[str]:
    bad = []
    mapped = np.flatnonzero(a.pte > 0)
    frames = a.pte[mapped] >> st.PTE_SHIFT
    anonymous = (kind[frames] == st.ANON) | (kind[frames] == st.MLOCKED)
    of_files = np.zeros(len(a.pte), bool)
    of_files[mapped[~anonymous]] = True
    if (kind[frames[~anonymous]] != st.FILE).any():
        bad.append("a mapped frame is neither anonymous nor a file's")
    mapped, frames = mapped[anonymous], frames[anonymous]
    if len(np.unique(frames)) != len(frames):
        bad.append("a frame is mapped twice")
    if (a.frame[frames, st.PAGE] != mapped).any():
        bad.append("a mapped frame belongs to another page")
    swapped = np.flatnonzero(a.pte < 0)
    slots = -a.pte[swapped] - 1
    if (a.slot[slots, st.STATE] != st.SLOT_USED).any() or (a.slot[slots, st.OWNER] != swapped).any():
        bad.append("a swap entry names a slot of another page")
    if len(mapped) != a.vmstat[NR_ANON_PAGES]:
        bad.append(f"{len(mapped)} pages mapped, nr_anon_pages {a.vmstat[NR_ANON_PAGES]}")
    for number, row in enumerate(a.proc):
        span = slice(row[st.FIRST_PAGE], row[st.FIRST_PAGE] + row[st.PROC_PAGES])
        mine, files = a.pte[span], int(of_files[span].sum())
        if (mine > 0).sum() - files != row[st.RSS] or (mine < 0).sum() != row[st.SWAPPED] or files != row[st.RSS_FILE]:
            bad.append(f"process {number}: rss {row[st.RSS]} and swap {row[st.SWAPPED]} are not what its page table says")
    per = int(a.num[st.PAGES_PER_TABLE])
    entries = np.zeros(len(a.table) * per, bool)
    entries[: len(a.pte)] = a.pte != 0
    if (entries.reshape(-1, per).sum(1) != a.table[:, 0]).any():
        bad.append("a page-table page counts other entries than it has")
    return bad


def _anonymous(a: Any, kind: np.ndarray, by_flag: bool) -> list[str]:
    """Every anonymous frame is mapped, or waits in the swap cache, or is an orphan under I/O; each is on one list (by_flag: an active one
    says so itself)."""
    bad = []
    anon = np.flatnonzero(kind == st.ANON)
    page, slot, flags = a.frame[anon, st.PAGE], a.frame[anon, st.SLOT], a.frame[anon, st.FLAGS]
    entry = np.where(page >= 0, a.pte[np.maximum(page, 0)], 0)
    mapped = (entry > 0) & (entry >> st.PTE_SHIFT == anon)
    cached = (entry < 0) & (slot > 0) & (-entry == slot)
    orphan = (flags & st.ORPHAN) != 0
    if (~(mapped | cached | orphan)).any():
        lost = anon[~(mapped | cached | orphan)][:5]
        bad.append(f"anonymous frames that belong to no page: {lost.tolist()}")
    if ((flags & st.LRU) == 0).any():
        bad.append(f"anonymous frames on no list: {anon[(flags & st.LRU) == 0][:5].tolist()}")
    listed = a.vmstat[NR_INACTIVE_ANON : NR_INACTIVE_ANON + 2].sum()
    if listed != len(anon):
        bad.append(f"{len(anon)} anonymous frames, {listed} on the lists")
    active = int(((flags & st.ACTIVE) != 0).sum())
    if by_flag and active != a.vmstat[NR_INACTIVE_ANON + 1]:
        bad.append(f"{active} active frames, nr_active_anon {a.vmstat[NR_INACTIVE_ANON + 1]}")
    if int(((a.frame[:, st.FLAGS] & st.WRITEBACK) != 0).sum()) != a.vmstat[NR_WRITEBACK]:
        bad.append("nr_writeback is not the number of pages under writeback")
    return bad


def _links(a: Any) -> list[str]:
    """Neighbours on a policy's list name each other, and both are on a list."""
    bad = []
    on = a.frame[:, st.FLAGS] & st.LRU != 0
    for name, ahead, back in (("next", st.NEXT, st.PREV), ("previous", st.PREV, st.NEXT)):
        linked = np.flatnonzero(on & (a.frame[:, ahead] > 0))
        other = a.frame[linked, ahead] - 1
        wrong = linked[(a.frame[other, back] != linked + 1) | ~on[other]]
        if len(wrong):
            bad.append(f"frames whose {name} one on a list does not name them: {wrong[:5].tolist()}")
    return bad


def _slots(a: Any) -> list[str]:
    bad = []
    state = a.slot[:, st.STATE]
    cached = np.flatnonzero((a.slot[:, st.CACHED] > 0) & (state == st.SLOT_USED))
    frames = a.slot[cached, st.CACHED] - 1
    if (a.frame[frames, st.SLOT] != cached + 1).any():
        bad.append("swap cache: a slot's frame names another slot")
    if len(cached) != a.vmstat[NR_SWAPCACHED]:
        bad.append(f"{len(cached)} slots in the swap cache, nr_swapcached {a.vmstat[NR_SWAPCACHED]}")
    free = int((state == st.SLOT_FREE).sum()) - 1
    if a.num[st.SWAP_TOTAL] and free != a.num[st.SWAP_FREE]:
        bad.append(f"{free} slots free, counted {a.num[st.SWAP_FREE]}")
    if int((state == st.SLOT_CACHED).sum()) != a.num[st.SLOT_CACHE] or int((state == st.SLOT_RETURNED).sum()) != a.num[st.SLOT_RETURN]:
        bad.append("the slot caches hold other numbers than they count")
    entry = (a.slot[:, st.CACHED] > 0) | (a.slot[:, st.SHADOW] > 0)
    if (entry & (a.slot[:, st.ENTRY] == 0)).any():
        bad.append("a page or shadow in the swap cache whose place is not counted")
    nodes = np.add.reduceat(a.slot[:, st.ENTRY], np.arange(0, len(a.slot), 64))
    if not np.array_equal(nodes, a.slot[::64, st.NODE_ENTRIES]):
        bad.append("a node of the swap cache counts other places than are in use")
    used = np.flatnonzero(state == st.SLOT_USED)
    owner = a.slot[used, st.OWNER]
    named = (owner >= 0) & (a.pte[np.maximum(owner, 0)] == -(used + 1))
    if (~(named | (a.slot[used, st.CACHED] > 0))).any():
        bad.append("a slot in use that no page and no swap-cache frame names")
    return bad


def _pool(a: Any, pool: Any, clean: Any) -> list[str]:
    bad = []
    num = pool.num
    pools = [num] if clean is None else [num, clean.num]
    if sum(int(own[ps.PAGES_TAKEN] - own[ps.PAGES_RETURNED]) for own in pools) != a.num[st.POOL_FRAMES]:
        bad.append("the pool's pages are not the VM's frames for it")
    held = a.slot[:, st.HANDLE] > 0
    if int(held.sum()) != num[ps.OBJECTS] or int(a.slot[held, st.STORED_SIZE].sum()) != num[ps.PAYLOAD]:
        bad.append(f"pool: {num[ps.OBJECTS]} objects of {num[ps.PAYLOAD]} bytes, the slots name {int(held.sum())}")
    if len(np.unique(a.slot[held, st.HANDLE])) != int(held.sum()):
        bad.append("pool: two slots share a handle")
    return bad


def problems(arrays: Any, pool: Any, clean: Any = None, lists: Callable[[Any], list[str]] | None = None) -> list[str]:
    """What is wrong with the machine, in words; empty if nothing is.

    arrays: sim.vm.Arrays; pool, clean: models.allocators.pool.PoolArrays of the backend's pools of swapped and of clean pages;
    lists: the policy's own check of its lists, where pages are not active by their flag.
    """
    kind = arrays.frame[:, st.FLAGS] >> st.KIND_SHIFT
    return [
        *free_problems(arrays),
        *_frames(arrays, kind),
        *_page_tables(arrays, kind),
        *_anonymous(arrays, kind, lists is None),
        *file_problems(arrays, kind, lists is None),
        *(lists(arrays) if lists is not None else []),
        *_links(arrays),
        *_slots(arrays),
        *_pool(arrays, pool, clean),
        *group_problems(arrays, kind),
    ]
