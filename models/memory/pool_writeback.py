"""Writing an entry of the backend's pool to the swap device, for its worker and its shrinker (Linux 6.1 and 6.12 mm/zswap.c).

The backend names the entries (`pick`) and is told what became of each (`picked`); it stands below memory and cannot do the rest.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import state as st
from models.memory.charge import charge_anyway
from models.memory.frames import NO_MARK, ask_frame, note, settle_pool, spend, take_frame
from models.memory.groups import group_of_slot, held_bytes, recount_stored
from models.memory.reclaim_io import queue_write
from models.memory.state import machine_t
from models.memory.swap import cache_slot

WRITTEN, GONE, NO_MEMORY, IN_SWAP_CACHE = 1, 0, -12, -17  # what became of an entry
STRETCH = 32  # entries that are written in one go
OTHERS = 2  # who compute beside the worker when the pool is full: kswapd and a task
BEGIN_WORK = -1  # `pick`: the worker begins or goes on; a positive number: a scan of so many entries begins; 0: it goes on;
# below -1: one of the entries of memory cgroup BEGIN_WORK - who


@outlined(int64(machine_t, int64, int64))
def write_back(m, s, reserves):
    """Write a slot's entry to the device: into the swap cache, decompressed, marked for immediate reclaim.

    reserves: the frame may come from below the marks, as for those who reclaim.  A slot that was freed and waits for its batch has an
    entry that nobody may read any more: GONE.
    """
    pages = m.pages
    slot = pages.slot
    if slot[s, st.STATE] != st.SLOT_USED or slot[s, st.HANDLE] == 0:
        return GONE
    if slot[s, st.CACHED] > 0:
        return IN_SWAP_CACHE
    f = ask_frame(pages, st.ANON)
    if f < 0 and reserves:
        f = take_frame(pages, st.ANON, NO_MARK)
    if f < 0:
        return NO_MEMORY
    charge_anyway(pages, group_of_slot(pages, s), f)
    p = cache_slot(m, f, s)
    spend(pages, st.BY_DECOMPRESS, pages.cost[st.C_DECOMPRESS])
    spend(pages, st.BY_IO, pages.cost[st.C_ALLOC] + pages.cost[st.C_SUBMIT])
    note(pages, st.E_WRITE, p, f, s, 1)
    queue_write(pages, f, s)
    return WRITTEN


@outlined(int64(machine_t, int64, int64))
def tell(m, s, got):
    """Tell the backend what became of an entry, which is no longer charged if it is gone; 1 if the worker goes on."""
    before = held_bytes(m.pages, s)
    more = m.picked(m.backend, m.pages, s, got)
    recount_stored(m.pages, s, before)
    return more


@outlined(void(machine_t))
def work_now(m):
    """The worker was asked for and preempts at once, as a thread that has slept does: its run, here and now.

    Where it has to wait for a frame or has much to do it goes on as an actor of its own.
    """
    pages = m.pages
    num = pages.num
    num[st.POOL_WORK] = 0
    for _ in range(STRETCH):
        s = m.pick(m.backend, pages, BEGIN_WORK)
        if s < 0:
            return
        got = write_back(m, s, 0)
        if got == NO_MEMORY:
            num[st.WORK_SLOT] = s + 1
            break
        if tell(m, s, got) == 0:
            return
    num[st.WORKER_BUSY] = num[st.POOL_WORK] = 1


@compiled(void(machine_t))
def wake_worker(m):
    """The worker was asked for.  6.1 (CFS): it has slept, so it preempts at once.

    6.12 (EEVDF): sleep earns nothing.  It preempts once it has had no more than its share: when each of the OTHERS has computed as long
    as its last run took.  What is asked of it meanwhile is the same request.
    """
    pages = m.pages
    num = pages.num
    if num[st.KERNEL_612] == 0:
        work_now(m)
        return
    num[st.POOL_WORK] = 0
    began = num[st.CLOCK]
    if began >= num[st.WORKER_SHARE]:
        work_now(m)
        num[st.WORKER_SHARE] = num[st.CLOCK] + OTHERS * (num[st.CLOCK] - began)


@outlined(int64(machine_t, int64))
def make_room(m, g):
    """Memory cgroup g is at its memory.zswap.max: 6.12 writes back its oldest entry, if that was not used; 1 if it did (mm/zswap.c)."""
    pages = m.pages
    if pages.num[st.KERNEL_612] == 0:
        return 0
    s = m.pick(m.backend, pages, BEGIN_WORK - g)
    if s < 0:
        return 0
    got = write_back(m, s, 1)
    tell(m, s, got)
    return 1 if got == WRITTEN else 0


@compiled(int64(machine_t, int64))
def scan_entries(m, n):
    """Let the pool's shrinker look at n entries; 0, or -1 if it stops because an entry's page is in memory."""
    pages = m.pages
    s = m.pick(m.backend, pages, n)
    code = 0
    while s >= 0:
        got = write_back(m, s, 1)
        tell(m, s, got)
        if got == IN_SWAP_CACHE:
            code = -1
            break
        s = m.pick(m.backend, pages, 0)
    settle_pool(m.backend, pages)
    return code
