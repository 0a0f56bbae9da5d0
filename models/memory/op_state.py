"""A process's place in its op stream, and what a compiled step tells Python."""

from __future__ import annotations

from numba import int64, types, uint8, uint32
from numba.experimental import structref

from models.borrow import boxed, view_of
from models.jit import compiled
from models.memory.state import Numbers

# codes of a compiled step
DONE, SLICE, WAIT_PAGE, WAIT_READ, NEED_RECLAIM, WOKE, OP, PASS_END, THROTTLE, OOM = range(10)

# A step returns one number, since each look at an array costs Python 0.1 us: code, signals, and above them the ns it took
CODE_MASK = 15
SIGNAL_OUTPUT, SIGNAL_WAKE, SIGNAL_FLUSH = 16, 32, 64  # the I/O ring or the log holds something; kswapd, the flusher are to be woken
SIGNAL_POOL = 128  # so is the backend's worker
SIGNALS = SIGNAL_OUTPUT | SIGNAL_WAKE | SIGNAL_FLUSH | SIGNAL_POOL
STEP_SHIFT = 8

# --- stream.num: one process's reading of its op stream (int64) ------------------------------------------------------
S_CURSOR, S_END, S_PROCESS, S_FAULT_START, S_FAULT_KIND, S_WAIT_SLOT, S_WAIT_MEMORY, S_ACCESSES, S_UNMAPPED = range(9)
S_CALL = 9  # pages of the present read() or write() that are done
S_TRIED = 10  # the present fault was started again after I/O
S_RECLAIMED_FOR = 11  # readahead has reclaimed once for the present window
S_DIRTIED, S_PAUSE_PAGES, S_PAUSE, S_PAUSED_AT = 12, 13, 14, 15  # dirty throttling: see models.memory.throttle
S_BUSY = 16  # ns of the last op's computing that are still to come
S_LEFT_FIRST, S_LEFT_COUNT, S_LEFT_MARK = 17, 18, 19  # of a window whose reading was broken off for kswapd, see models.memory.readahead
STREAM_NUMBERS = 24


class StreamType(types.StructRef):
    """A chunk of ops and the place in it."""


stream_t = view_of(
    StreamType,
    (("op", types.Array(uint8, 1, "C")), ("page", types.Array(int64, 1, "C")), ("cpu_ns", types.Array(uint32, 1, "C")), ("num", Numbers)),
)


stream_owner = stream_t.owner
Stream = boxed(stream_t, "Stream")


@compiled(stream_owner(types.Array(uint8, 1, "C"), types.Array(int64, 1, "C"), types.Array(uint32, 1, "C"), Numbers))
def make_stream(op, page, cpu_ns, num):
    stream = structref.new(stream_owner)
    stream.op, stream.page, stream.cpu_ns, stream.num = op, page, cpu_ns, num
    return stream
