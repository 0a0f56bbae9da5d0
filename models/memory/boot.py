"""How memory lies when a run begins: free blocks in order, and what the kernel took before.

At boot every page block is movable and memory is freed from low to high numbers in the largest aligned blocks.  A measured machine
has frames in use at its start; which ones is not in the data, only how many.  The buddy allocator itself lays them out: it hands
out the unmovable, reclaimable and movable frames that are in use, mixed evenly as a booting kernel asks for them.  So
unmovable and reclaimable memory claims two page blocks of 512 at a time from the movable ones and fills them before it takes the
next, and the blocks that it has begun keep room for more of its kind.  What a boot frees again, and the holes that this leaves, is not known
and not modelled.  Boosts of the time before are gone: setting min_free_kbytes or the end of a kswapd run cleared them.
"""

from __future__ import annotations

from numba import int64

from models.jit import compiled
from models.memory import buddy
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
        buddy.put_block(pages, z, f, order, st.MOVABLE, 1)
        f += 1 << order
    pages.zone[z, st.ZONE_FREE] += end - first
    pages.vmstat[NR_FREE_PAGES] += end - first
    return 0


@compiled(int64(pages_t, int64, int64, int64, int64))
def use_memory(pages, z, unmovable, reclaimable, movable):
    """The kernel has taken so many frames of each type from a zone; the sum must be free."""
    wanted = (unmovable, movable, reclaimable)
    total = unmovable + reclaimable + movable
    for i in range(total):
        for kind in range(st.TYPES):
            n = wanted[kind] * (i + 1) // total - wanted[kind] * i // total
            for _ in range(n):
                f = buddy.take(pages, z, kind, 0)
                flags = st.KERNEL << st.KIND_SHIFT
                pages.frame[f, st.FLAGS] = flags | st.MIGRATABLE if kind == st.MOVABLE else flags
                pages.frame[f, st.PAGE] = -1
    pages.zone[z, st.ZONE_FREE] -= total
    pages.zone[z, st.BOOST] = 0
    pages.vmstat[NR_FREE_PAGES] -= total
    pages.num[st.KERNEL_FRAMES] += total
    pages.num[st.BOOSTED] = 0
    return 0
