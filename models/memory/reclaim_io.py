"""Asking for the write of a swap-cache page (Linux 6.1 mm/page_io.c)."""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled
from models.memory import state as st
from models.memory.state import pages_t
from models.vmstat import NR_WRITEBACK, NR_ZONE_WRITE_PENDING, PSWPOUT

PLUG = 126  # neighbouring writes merged into one request at most (a plugged list of requests)


@compiled(void(pages_t, int64, int64))
def queue_write(pages, f, s):
    """Ask for a device write of a slot; the page is under writeback until it ends, then first in line."""
    num, ring = pages.num, pages.ring
    last = num[st.RING] - 1
    joins = last >= 0 and ring[last, st.IO_WRITE] and not ring[last, st.IO_FILE]
    if joins and ring[last, st.IO_FIRST] + ring[last, st.IO_COUNT] == s and ring[last, st.IO_COUNT] < PLUG:
        ring[last, st.IO_COUNT] += 1
    else:
        row = ring[last + 1]
        row[st.IO_TIME] = num[st.CLOCK]
        row[st.IO_WRITE] = 1
        row[st.IO_FIRST] = s
        row[st.IO_COUNT] = 1
        row[st.IO_FILE] = 0
        num[st.RING] += 1
    pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.WRITEBACK | st.RECLAIM
    pages.vmstat[PSWPOUT] += 1
    pages.vmstat[NR_WRITEBACK] += 1
    pages.vmstat[NR_ZONE_WRITE_PENDING] += 1
