"""Per-CPU lists of free frames: what stands before the buddy allocator (Linux 6.1 mm/page_alloc.c; pagecache.md E.6).

Frames on these lists are not counted as free: marks do not see them.  Simplification: one set of lists a zone serves all CPUs and holds
as much as theirs together; its batch is that of one CPU.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import buddy
from models.memory import state as st
from models.memory.state import pages_t
from models.vmstat import NR_FREE_PAGES

# pcp: columns of one zone (int64)
BATCH, HIGH, SMALL_HIGH, COUNT, SCALE = range(5)  # SMALL_HIGH: while kswapd runs; SCALE: the next return is batch << SCALE
HEAD, TAIL, LISTED = 5, 8, 11  # of each type: frame + 1 or 0; frames
PCP_COLUMNS = 14
MOST_SCALE = 5


def sizes(managed: int, low: int, cpus: int) -> tuple[int, int, int]:
    """Batch of a CPU's lists, and frames that all CPUs' lists hold at most, at rest and while kswapd runs, for a zone's managed pages
    and low mark."""
    quarter = max(min(managed // 1024, 256) // 4, 1)
    batch = max(1, (1 << (quarter + quarter // 2).bit_length() - 1) - 1)
    high = max(4 * batch, low // cpus)
    return batch, high * cpus, min(high, 4 * batch) * cpus


@outlined(int64(pages_t, int64, int64, int64))
def refill(pages, z, kind, pure):
    """Fetch a batch of frames for an empty list; 0 if there are none."""
    frame, row = pages.frame, pages.pcp[z]
    last = int64(0)
    n = 0
    while n < row[BATCH]:
        f = buddy.take(pages, z, kind, pure)
        if f < 0:
            break
        frame[f, st.PREV], frame[f, st.NEXT], frame[f, st.PAGE], frame[f, st.SLOT] = last, 0, 0, kind
        if last > 0:
            frame[last - 1, st.NEXT] = f + 1
        else:
            row[HEAD + kind] = f + 1
        last = f + 1
        n += 1
    row[TAIL + kind] = last
    row[LISTED + kind] = n
    row[COUNT] += n
    pages.zone[z, st.ZONE_FREE] -= n
    pages.vmstat[NR_FREE_PAGES] -= n
    return n


@compiled(int64(pages_t, int64, int64, int64))
def take(pages, z, kind, pure):
    """A free frame of the zone for a request of this type, or -1."""
    row = pages.pcp[z]
    if row[HEAD + kind] == 0 and refill(pages, z, kind, pure) == 0:
        return int64(-1)
    frame = pages.frame
    f = row[HEAD + kind] - 1
    after = int64(frame[f, st.NEXT])
    row[HEAD + kind] = after
    if after > 0:
        frame[after - 1, st.PREV] = 0
    else:
        row[TAIL + kind] = 0
    row[LISTED + kind] -= 1
    row[COUNT] -= 1
    row[SCALE] >>= 1
    return f


@outlined(void(pages_t, int64, int64, int64))
def give_back(pages, z, n, kind):
    """Return n frames to the buddy allocator, oldest first, from this type's list until it is empty, then the next one's."""
    frame, row = pages.frame, pages.pcp[z]
    pages.zone[z, st.ZONE_FREE] += n
    pages.vmstat[NR_FREE_PAGES] += n
    row[COUNT] -= n
    while n > 0:
        while n > 0 and row[TAIL + kind] > 0:
            f = row[TAIL + kind] - 1
            before = int64(frame[f, st.PREV])
            row[TAIL + kind] = before
            if before > 0:
                frame[before - 1, st.NEXT] = 0
            else:
                row[HEAD + kind] = 0
            row[LISTED + kind] -= 1
            buddy.give(pages, z, f, int64(pages.block[f >> buddy.BLOCK_SHIFT]) if pages.num[st.KERNEL_612] else kind)
            n -= 1
        kind = (kind + 1) % st.TYPES


@outlined(void(pages_t, int64, int64))
def overflow(pages, z, kind):
    """The lists are full: return some, more each time until frames are taken again."""
    row = pages.pcp[z]
    high = row[SMALL_HIGH] if pages.zone[z, st.KSWAPD_ON] else row[HIGH]
    most = high - row[BATCH]
    n = row[BATCH] << row[SCALE]
    if n < most and row[SCALE] < MOST_SCALE:
        row[SCALE] += 1
    give_back(pages, z, min(max(min(n, most), row[BATCH]), row[COUNT]), kind)


@compiled(void(pages_t, int64, int64, int64))
def push(pages, z, f, kind):
    """Put a free frame at the head of a type's list."""
    frame, row = pages.frame, pages.pcp[z]
    first = row[HEAD + kind]
    frame[f, st.NEXT], frame[f, st.PREV], frame[f, st.PAGE], frame[f, st.SLOT] = first, 0, 0, kind
    if first > 0:
        frame[first - 1, st.PREV] = f + 1
    else:
        row[TAIL + kind] = f + 1
    row[HEAD + kind] = f + 1
    row[LISTED + kind] += 1
    row[COUNT] += 1


@compiled(void(pages_t, int64, int64))
def give(pages, z, f):
    """Free a frame (its flags are cleared already): to the head of the list of its page block's type."""
    row = pages.pcp[z]
    kind = int64(pages.block[f >> buddy.BLOCK_SHIFT])
    push(pages, z, f, kind)
    if row[COUNT] >= (row[SMALL_HIGH] if pages.zone[z, st.KSWAPD_ON] else row[HIGH]):
        overflow(pages, z, kind)


@outlined(void(pages_t))
def drain(pages):
    """Return all that is on the lists."""
    for z in range(pages.zone.shape[0]):
        give_back(pages, z, pages.pcp[z, COUNT], st.UNMOVABLE)
