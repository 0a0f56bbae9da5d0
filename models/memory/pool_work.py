"""A step of the backend's worker: entries of the pool go to the swap device until the backend says that it is enough."""

from __future__ import annotations

from numba import int64

from models.jit import compiled
from models.memory import state as st
from models.memory.frames import settle_pool
from models.memory.op_state import DONE, NEED_RECLAIM, SLICE
from models.memory.pool_writeback import BEGIN_WORK, NO_MEMORY, tell, write_back
from models.memory.rounds import report, stop_wanted
from models.memory.state import machine_t


@compiled(int64(machine_t, int64, int64, int64))
def work_step(m, now, deadline, hopeless):
    """Go on with the work from time `now`; reports SLICE, DONE, or NEED_RECLAIM: there is no frame for the entry at hand.

    hopeless: reclaim found none, so that this entry has failed.
    """
    pages = m.pages
    num = pages.num
    num[st.CLOCK] = now
    while True:
        s = num[st.WORK_SLOT] - 1
        if s < 0:
            s = m.pick(m.backend, pages, BEGIN_WORK)
            settle_pool(m.backend, pages)
            if s < 0:
                num[st.WORKER_BUSY] = 0
                return report(pages, DONE, now)
            num[st.WORK_SLOT] = s + 1
        got = write_back(m, s, 0)
        if got == NO_MEMORY and not hopeless:
            return report(pages, NEED_RECLAIM, now)
        num[st.WORK_SLOT] = 0
        more = tell(m, s, got)
        settle_pool(m.backend, pages)
        if not more:
            num[st.WORKER_BUSY] = 0
            return report(pages, DONE, now)
        if num[st.CLOCK] >= deadline or stop_wanted(pages):
            return report(pages, SLICE, now)
