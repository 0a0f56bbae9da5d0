"""How memory lies when a run begins: free blocks in order, and what the kernel took before.

At boot memory is freed from low to high numbers in the largest aligned blocks.  Page blocks are movable, but for one whose first frame
is not the zone's: nothing sets its type, and zero is unmovable.  On x86 that is the first block of zone DMA, which begins at
frame 1: its 256 frames above the first MiB are the only ones where unmovable memory finds room in DMA.  (The measured guests confirm it:
their DMA pool of 32 pages lies there, so anonymous memory takes all of DMA but 232 frames without a boost.)

A measured machine has frames in use at its start; which ones is not in the data, only how many.  The buddy allocator itself lays them
out: it hands out the unmovable, reclaimable and movable frames that are in use, mixed evenly as a booting kernel asks for them.
So unmovable and reclaimable memory claims two page blocks at a time from the movable ones and fills them before it takes the next.
Movable memory is different: a boot's processes come and go, and what stays (files of a tmpfs, locked memory) pins page blocks that are
free otherwise.  `scattered` is how many free frames lie in such page blocks; the frames that stay are spread evenly over them.
Boosts of the time before are gone: setting min_free_kbytes or the end of a kswapd run cleared them.
"""

from __future__ import annotations

from numba import int64

from models.jit import compiled
from models.memory import buddy, pcp
from models.memory import state as st
from models.memory.state import pages_t
from models.vmstat import NR_FREE_PAGES


@compiled(int64(pages_t, int64, int64, int64))
def free_memory(pages, z, first, end):
    """Frames first..end - 1 of a zone become free, in the largest aligned blocks, each list in ascending order."""
    f = first
    while f < end:
        order = int64(buddy.LARGEST)
        while f & ((1 << order) - 1) or f + (1 << order) > end:
            order -= 1
        for i in range(f, f + (1 << order)):
            pages.frame[i, st.FLAGS] = 0
        buddy.put_block(pages, z, f, order, int64(pages.block[f >> buddy.BLOCK_SHIFT]), 1)
        f += 1 << order
    pages.zone[z, st.ZONE_FREE] += end - first
    pages.vmstat[NR_FREE_PAGES] += end - first
    return 0


@compiled(int64(pages_t, int64, int64))
def list_memory(pages, z, n):
    """n free frames of a zone are on the per-CPU lists; there must be so many, of the movable type."""
    for _ in range(n):
        pages.zone[z, st.ZONE_FREE] -= 1
        pages.vmstat[NR_FREE_PAGES] -= 1
        pcp.give(pages, z, buddy.take(pages, z, st.MOVABLE, 0))
    return 0


@compiled(int64(pages_t, int64, int64, int64, int64, int64))
def use_memory(pages, z, unmovable, reclaimable, movable, scattered):
    """The kernel has taken so many frames of each type from a zone; the sum must be free, and `scattered` beside it."""
    frame = pages.frame
    wanted = (unmovable, movable + scattered, reclaimable)
    total = unmovable + reclaimable + movable
    steps = max(total + scattered, 1)
    last = int64(0)  # of the movable frames that will be free again, linked by PREV
    kept = int64(0)
    for i in range(steps):
        for kind in range(st.TYPES):
            first, end = wanted[kind] * i // steps, wanted[kind] * (i + 1) // steps
            for k in range(first, end):
                f = buddy.take(pages, z, kind, 0)
                flags = st.KERNEL << st.KIND_SHIFT
                frame[f, st.FLAGS] = flags | st.MIGRATABLE if kind == st.MOVABLE else flags
                frame[f, st.PAGE] = -1
                if kind == st.MOVABLE and kept == movable * (k + 1) // wanted[kind]:
                    frame[f, st.PREV] = last
                    last = f + 1
                elif kind == st.MOVABLE:
                    kept += 1
    while last > 0:
        f = last - 1
        last = int64(frame[f, st.PREV])
        frame[f, st.FLAGS] = 0
        buddy.give(pages, z, f, int64(pages.block[f >> buddy.BLOCK_SHIFT]))
    pages.zone[z, st.ZONE_FREE] -= total
    pages.zone[z, st.BOOST] = 0
    pages.vmstat[NR_FREE_PAGES] -= total
    pages.num[st.KERNEL_FRAMES] += total
    pages.num[st.BOOSTED] = 0
    pages.num[st.MIXED : st.MIXED + 3 * st.TYPES] = 0
    return 0
