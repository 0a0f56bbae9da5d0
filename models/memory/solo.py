"""Device reads one after the other in compiled code, while nothing else can happen in between.

A read that ends before the next event is over when its task goes on, and nobody could tell how (sim.vm.Vm.solo_reads).  Where the device
serves every read alike, its times are three numbers, and a task's reads need no return to Python: each is a row for the books.
"""

from __future__ import annotations

from numba import int64

from models.jit import compiled
from models.memory import state as st
from models.memory.op_state import CODE_MASK, S_WAIT_MEMORY, SIGNAL_WAKE, STEP_SHIFT, WAIT_READ, stream_t
from models.memory.state import Numbers, Wide, machine_t
from models.memory.steps import io_done, run_ops

# device: what a flat device's reads take, ns
SERVICE, ROUND_TRIP, LINK_FREE, CHANNEL_FREE = range(4)  # the last two: when the link, the first channel are free
TRANSFER = 4  # device[TRANSFER + n]: n pages on the link
# columns of a row of `reads`: until when the task computed before it waited, whether for memory; asked for when, over when; pages
COMPUTED, MEMORY, ASKED, ENDED, PAGES = range(5)
COLUMNS = 5
# result: [how many reads, the time after the last, file pages (1) or slots (0), the first page of the last read]
READS, NOW, FILES, LAST = range(4)


@compiled(int64(machine_t, stream_t, Numbers, Wide, Numbers, int64, int64, int64, int64))
def run_reads(m, stream, device, reads, result, step, limit, slice_ns, least):
    """Go on after a step that began at result[NOW] and wants a read, as long as reads end before `limit`: the report of the last step.

    slice_ns, least: how far the task may compute in a step, see sim.actors.cpus.Cpus.deadline.
    """
    num, ring = m.pages.num, m.pages.ring
    most = device.shape[0] - TRANSFER
    n = 0
    now = result[NOW]
    while n < reads.shape[0] and step & CODE_MASK == WAIT_READ and not step & SIGNAL_WAKE:
        at, count = ring[0, 0], ring[0, 3]
        if num[st.RING] != 1 or ring[0, 1] != 0 or ring[0, 4] != result[FILES] or count >= most or (n == 0 and at < device[CHANNEL_FREE]):
            break
        left = at + device[SERVICE]
        if device[TRANSFER + count] > 0:
            left = max(left, device[LINK_FREE]) + device[TRANSFER + count]
        end, computed = left + device[ROUND_TRIP], now + (step >> STEP_SHIFT)
        if end >= limit or end < computed:  # a read that is over before the task waits for it is no wait
            break
        device[LINK_FREE] = left
        num[st.RING] = 0
        reads[n, COMPUTED], reads[n, MEMORY] = computed, stream.num[S_WAIT_MEMORY]
        reads[n, ASKED], reads[n, ENDED], reads[n, PAGES] = at, end, count
        result[LAST] = ring[0, 2]
        io_done(m, end, 0, result[FILES], result[LAST], count)
        now = end
        step = run_ops(m, stream, now, max(min(now + slice_ns, limit), now + least))
        n += 1
    result[READS], result[NOW] = n, now
    return step
