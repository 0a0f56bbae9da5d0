"""Memory that is there before anything runs: anonymous pages placed on the lists without a fault or any time."""

from __future__ import annotations

from numba import int64

from models.jit import compiled
from models.memory import state as st
from models.memory.frames import NO_MARK, take_frame
from models.memory.groups import charge, has_room
from models.memory.state import Numbers, machine_t
from models.memory.tables import table_block
from models.vmstat import NR_ANON_PAGES


@compiled(int64(machine_t, int64, int64, int64, int64, int64))
def place(m, process, first, count, used, active):
    """Place `count` written pages of a process from its page `first` on; returns how many there were frames for and its
    memory cgroup has room for.

    used: their accessed bit is set; active: they belong to the active list.  Their page tables are not counted.
    """
    pages = m.pages
    proc = pages.proc
    g = proc[process, st.CGROUP]
    bits = st.PTE_PRESENT | st.PTE_WRITE | st.PTE_DIRTY | (st.PTE_ACCESSED if used else 0)
    for i in range(count):
        if g > 0 and has_room(pages, g, 1) == 0:
            return i
        f = take_frame(pages, st.ANON, NO_MARK)
        if f < 0:
            return i
        if g > 0:
            charge(pages, g, f)
        p = proc[process, st.FIRST_PAGE] + first + i
        pages.frame[f, st.PAGE] = p
        if active:
            pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.ACTIVE
        pages.pte[p] = f << st.PTE_SHIFT | bits
        pages.table[table_block(pages, p), 0] += 1
        m.insert(m.policy, pages, f, -1)
        pages.vmstat[NR_ANON_PAGES] += 1
        proc[process, st.RSS] += 1
    return count


@compiled(int64(machine_t, Numbers))
def settle(m, ctx):
    """Let the policy take note of what is on its lists, as after a run of reclaim."""
    m.pages.num[st.OVER_HIGH] = 0
    return m.finish(m.policy, m.pages, ctx)
