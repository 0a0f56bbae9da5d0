"""Reclaim: what happens to the pages that a policy offers (Linux 6.1 mm/vmscan.c).

Writing is asynchronous; an anonymous page whose content went into the backend is freed at once.  A dirty file page is written by the
flusher, hardly ever here.  The rounds that lead here are in models.memory.rounds.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import groups as cg
from models.memory import state as st
from models.memory.content import content_size
from models.memory.dirty import write_one
from models.memory.filemap import unmap_page
from models.memory.frames import give_frame, note, settle_pool, spend
from models.memory.pagecache import file_of, forget_page
from models.memory.pool_writeback import make_room, wake_worker
from models.memory.reclaim_io import queue_write
from models.memory.rmap import process_of
from models.memory.state import Numbers, machine_t, pages_t
from models.memory.swap import enter_swap_cache, forget_copy, leave_swap_cache, release_slot, swap_is_full_for, take_slot_for
from models.vmstat import (
    NR_ANON_PAGES,
    NR_VMSCAN_IMMEDIATE_RECLAIM,
    NR_VMSCAN_WRITE,
    NR_WRITTEN,
    PGSCAN_ANON,
    PGSCAN_DIRECT,
    PGSCAN_KSWAPD,
    PGSTEAL_ANON,
    PGSTEAL_DIRECT,
    PGSTEAL_KSWAPD,
    SWPOUT_ZERO,
)


@compiled(void(pages_t, int64, int64, int64))
def unmap(pages, process, f, s):
    """Replace the page's mapping by a swap entry; its dirty bit moves to the frame, a written page is a new version."""
    frame = pages.frame
    p = int64(frame[f, st.PAGE])
    entry = int64(pages.pte[p])
    if entry <= 0 or entry >> st.PTE_SHIFT != f:
        return
    if entry & st.PTE_DIRTY:
        frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) | st.DIRTY
        pages.version[p] = 1 if pages.version[p] == 65535 else pages.version[p] + 1
    pages.pte[p] = -(s + 1)
    pages.vmstat[NR_ANON_PAGES] -= 1
    pages.proc[process, st.RSS] -= 1
    pages.proc[process, st.SWAPPED] += 1
    note(pages, st.E_UNMAP, p, f, s, 0)


@compiled(int64(machine_t, int64, int64, int64))
def store_content(m, process, p, s):
    """Offer the present content of virtual page p to the backend; its verdict.  6.12 keeps zero pages in a bit map of the device."""
    pages = m.pages
    slot = pages.slot
    size = content_size(pages, process, p)
    if size == 0:
        if pages.num[st.KERNEL_612]:
            if slot[s, st.HANDLE] != 0:
                forget_copy(m, s)
            slot[s, st.HANDLE] = st.ZERO_PAGE
            slot[s, st.STORED_SIZE] = 0
            pages.vmstat[SWPOUT_ZERO] += 1
            return st.STORED
        size = -pages.proc[process, st.SAME_SIZE]  # negative: same-filled, and what a backend that does not look makes of it
    if slot[s, st.HANDLE] == st.ZERO_PAGE:
        slot[s, st.HANDLE] = 0
    if cg.may_store(pages, s) == 0 and make_room(m, cg.group_of_slot(pages, s)) == 0:
        if slot[s, st.HANDLE] != 0:
            forget_copy(m, s)  # what is held is older than the page
        return st.REFUSED
    before = cg.held_bytes(pages, s)
    verdict = m.store(m.backend, pages, s, size)
    cg.recount_stored(pages, s, before)
    if verdict == st.STORED:
        cg.count_zswap(pages, s, cg.S_ZSWPOUT)
    return verdict


@compiled(int64(pages_t, int64))
def writes_at_once(pages, s):
    """1 if storing the page counts as a write that ends at once: zram's, and zswap's of 6.1; 6.12's zswap starts none."""
    if pages.slot[s, st.HANDLE] == st.ZERO_PAGE:
        return 0
    num = pages.num
    return 1 if s < num[st.SYNC_SLOTS] or (num[st.POOL_BY_RECLAIMER] and not num[st.KERNEL_612]) else 0


@outlined(int64(machine_t, Numbers, int64, int64, int64))
def write_out(m, ctx, process, f, s):
    """Store a dirty page in the backend or start writing it to the device; returns the backend's verdict.

    A page whose write failed stays dirty in the swap cache and keeps its place on the inactive list (mm/page_io.c, mm/vmscan.c).
    """
    pages = m.pages
    frame = pages.frame
    p = int64(frame[f, st.PAGE])
    frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) & ~st.DIRTY
    pages.vmstat[NR_VMSCAN_WRITE] += 1
    ctx[st.X_STORED_OR_WRITTEN] += 1
    verdict = store_content(m, process, p, s)
    if verdict == st.STORED:
        if writes_at_once(pages, s):
            pages.vmstat[NR_WRITTEN] += 1
        note(pages, st.E_STORE, p, f, s, int64(pages.slot[s, st.STORED_SIZE]))
        return st.STORED
    if verdict == st.REFUSED and cg.may_write_out(pages, s) == 0:
        verdict = st.KEPT
    if verdict != st.REFUSED:
        frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) | st.DIRTY
        return verdict
    note(pages, st.E_WRITE, p, f, s, 0)
    spend(pages, st.BY_IO, pages.cost[st.C_SUBMIT])
    queue_write(pages, f, s)
    return st.REFUSED


@outlined(void(machine_t, int64, int64))
def evict(m, f, s):
    """Free a clean, unmapped swap-cache page and leave its shadow in the slot."""
    pages = m.pages
    slot = pages.slot
    shadow = m.evicted(m.policy, pages, f)
    leave_swap_cache(pages, f)
    slot[s, st.SHADOW] = (shadow >> 1) + 1
    slot[s, st.SHADOW_FLAG] = shadow & 1 | pages.num[st.AGE_LRUVEC] << 1
    note(pages, st.E_EVICT, int64(pages.frame[f, st.PAGE]), f, s, 0)
    give_frame(pages, f)


@outlined(void(machine_t, int64, int64))
def put_back(m, f, verdict):
    """An isolated page stays; one that is activated gives up its slot if swap is more than half full."""
    pages = m.pages
    frame = pages.frame
    flags = int64(frame[f, st.FLAGS])
    p = int64(frame[f, st.PAGE])
    anonymous = flags >> st.KIND_SHIFT == st.ANON
    if verdict == st.ACTIVATE and anonymous and frame[f, st.SLOT] > 0 and flags & (st.WRITEBACK | st.LOCKED) == 0 and p >= 0:
        entry = int64(pages.pte[p])
        mapped = entry > 0 and entry >> st.PTE_SHIFT == f
        if mapped and swap_is_full_for(pages, f):
            s = int64(frame[f, st.SLOT]) - 1
            leave_swap_cache(pages, f)
            release_slot(m, s)
            frame[f, st.FLAGS] = flags | st.DIRTY
    note(pages, st.E_ACTIVATE if verdict == st.ACTIVATE else st.E_KEEP, p, f, -1, flags)
    m.putback(m.policy, pages, f, verdict)


@compiled(void(Numbers, int64))
def count_state(ctx, flags):
    """What a pass finds of dirty file pages, for the node's flags."""
    ctx[st.X_FILES] += 1
    if flags & (st.DIRTY | st.WRITEBACK):
        ctx[st.X_DIRTY] += 1
        if not flags & st.WRITEBACK:
            ctx[st.X_UNQUEUED] += 1
    if flags & st.WRITEBACK and flags & st.RECLAIM:
        ctx[st.X_CONGESTED] += 1


@outlined(int64(machine_t, Numbers, int64, int64))
def reclaim_anonymous(m, ctx, f, purpose):
    """Swap an unreferenced anonymous page out; 1 if its frame was freed."""
    pages = m.pages
    frame = pages.frame
    p = int64(frame[f, st.PAGE])
    s = int64(frame[f, st.SLOT]) - 1
    if s < 0:
        s = take_slot_for(m, f)
        if s < 0:
            put_back(m, f, st.ACTIVATE)
            return 0
        enter_swap_cache(pages, f, s, p)
        frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) | st.DIRTY
    process = process_of(pages, p)
    spend(pages, purpose, pages.cost[st.C_UNMAP])
    unmap(pages, process, f, s)
    if int64(frame[f, st.FLAGS]) & st.DIRTY:
        verdict = write_out(m, ctx, process, f, s)
        if verdict != st.STORED:
            put_back(m, f, st.ACTIVATE if verdict == st.KEPT else st.KEEP)
            return 0
    spend(pages, purpose, pages.cost[st.C_FREE])
    pages.stolen[ctx[st.X_WHO], 2 * pages.proc[process, st.GROUP]] += 1
    evict(m, f, s)
    return 1


@outlined(void(machine_t, int64, int64))
def unmap_everywhere(m, f, purpose):
    """Remove all mappings of a file's page."""
    pages = m.pages
    while pages.frame[f, st.MAPS] > 0:
        p = int64(pages.frame[f, st.MAPS]) - 1
        spend(pages, purpose, pages.cost[st.C_UNMAP])
        unmap_page(m, process_of(pages, p), p, 0)


@outlined(int64(machine_t, Numbers, int64, int64, int64))
def reclaim_file(m, ctx, f, only_clean, purpose):
    """Free an unreferenced page of a file; a dirty one waits for the flusher.  1 if its frame was freed."""
    pages = m.pages
    frame = pages.frame
    unmap_everywhere(m, f, purpose)
    q = int64(frame[f, st.PAGE])
    flags = int64(frame[f, st.FLAGS])
    if flags & st.DIRTY:
        if ctx[st.X_KSWAPD] == 0 or not flags & st.RECLAIM or pages.num[st.NODE_DIRTY] == 0 or pages.num[fi.WRITEPAGE] == 0:
            pages.vmstat[NR_VMSCAN_IMMEDIATE_RECLAIM] += 1
            frame[f, st.FLAGS] = flags | st.RECLAIM
            put_back(m, f, st.ACTIVATE)
        elif only_clean or ctx[st.X_BOOST_LEFT] > 0:
            put_back(m, f, st.KEEP)
        else:
            pages.vmstat[NR_VMSCAN_WRITE] += 1
            ctx[st.X_WRITTEN_FILE] += 1
            write_one(pages, q, f)
            frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) | st.RECLAIM
            put_back(m, f, st.KEEP)
        return 0
    spend(pages, purpose, pages.cost[st.C_FREE])
    pages.stolen[ctx[st.X_WHO], 2 * pages.file[file_of(pages, q), fi.GROUP] + 1] += 1
    shadow = m.evicted(m.policy, pages, f)
    note(pages, st.E_FILE_DROP, q, f, -1, flags)
    forget_page(m, q, f, shadow)
    return 1


@compiled(int64(machine_t, Numbers, int64, int64))
def reclaim_page(m, ctx, f, purpose):
    """Decide about one isolated page; 1 if it was freed."""
    pages = m.pages
    frame = pages.frame
    spend(pages, purpose, pages.cost[st.C_SCAN])
    flags = int64(frame[f, st.FLAGS])
    is_file = flags >> st.KIND_SHIFT == st.FILE
    if is_file:
        count_state(ctx, flags)
    if flags & (st.LOCKED | st.AWAITED):
        put_back(m, f, st.KEEP)
        return 0
    if flags & st.WRITEBACK:
        ctx[st.X_WRITEBACK] += 1
        if ctx[st.X_KSWAPD] == 1 and flags & st.RECLAIM and pages.num[st.NODE_WRITEBACK]:
            ctx[st.X_IMMEDIATE] += 1
        frame[f, st.FLAGS] = flags | st.RECLAIM
        put_back(m, f, st.ACTIVATE)
        return 0
    verdict = m.check(m.policy, pages, f)
    if verdict == st.KEEP or verdict == st.ACTIVATE:
        put_back(m, f, verdict)
        return 0
    if is_file:
        return reclaim_file(m, ctx, f, 1 if verdict == st.RECLAIM_CLEAN else 0, purpose)
    return reclaim_anonymous(m, ctx, f, purpose)


@compiled(int64(machine_t, Numbers, int64))
def reclaim_batch(m, ctx, n):
    """Go through n isolated pages of one kind, oldest first; returns how many were freed."""
    pages = m.pages
    kswapd = ctx[st.X_KSWAPD] == 1
    purpose = st.BY_KSWAPD if kswapd else st.BY_DIRECT
    freed = 0
    base = 64
    for i in range(n):  # the window is scratch: the policy's list moves aside
        pages.window[base + i] = pages.window[i]
    before = ctx[st.X_UNQUEUED]
    is_file = 0
    if n > 0 and pages.frame[pages.window[base], st.FLAGS] >> st.KIND_SHIFT == st.FILE:
        is_file = 1
    for i in range(n):
        freed += reclaim_page(m, ctx, int64(pages.window[base + i]), purpose)
        if pages.num[st.POOL_WORK] and not pages.num[st.WORKER_BUSY]:
            wake_worker(m)
    if is_file and ctx[st.X_UNQUEUED] - before == n:
        pages.num[fi.FLUSH] |= fi.FLUSH_ALL
    vmstat = pages.vmstat
    group = pages.cgroup[ctx[st.X_LRUVEC]]
    group[cg.S_SCAN_KSWAPD if kswapd else cg.S_SCAN_DIRECT] += n
    group[cg.S_STEAL_KSWAPD if kswapd else cg.S_STEAL_DIRECT] += freed
    if ctx[st.X_TARGET]:
        group[cg.OWN_SCAN] += n
        group[cg.OWN_STEAL] += freed
    else:
        vmstat[PGSCAN_KSWAPD if kswapd else PGSCAN_DIRECT] += n
        vmstat[PGSTEAL_KSWAPD if kswapd else PGSTEAL_DIRECT] += freed
    vmstat[PGSCAN_ANON + is_file] += n
    vmstat[PGSTEAL_ANON + is_file] += freed
    ctx[st.X_SCANNED] += n
    ctx[st.X_TAKEN] += n
    ctx[st.X_RECLAIMED] += freed
    settle_pool(m.backend, pages)
    return freed
