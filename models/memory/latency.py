"""Latency histograms of faults."""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled
from models.memory import state as st
from models.memory.op_state import S_FAULT_KIND, S_FAULT_START
from models.memory.state import Numbers, pages_t


@compiled(int64(int64))
def bin_of(ns):
    """Histogram bin of a latency: four bins an octave, [2^e * (1 + k/4), next)."""
    if ns < 4:
        return max(ns, 0)
    e = 2
    while ns >> (e + 1) > 0:
        e += 1
    return min(4 * e + ((ns >> (e - 2)) & 3), st.BINS - 1)


@compiled(void(pages_t, Numbers, int64))
def finish_fault(pages, stream, kind):
    """Record the latency of a fault from its first attempt on."""
    if stream[S_FAULT_KIND] == st.H_MAJOR:
        kind = st.H_MAJOR
    pages.hist[kind, bin_of(pages.num[st.CLOCK] - stream[S_FAULT_START])] += 1
    stream[S_FAULT_START] = -1
    stream[S_FAULT_KIND] = -1
