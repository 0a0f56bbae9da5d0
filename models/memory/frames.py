"""Page frames: taking and giving back, by zone and watermark (Linux 6.1 mm/page_alloc.c), time and event log.

Order of a user page's request: every zone at its low mark, highest zone first; then kswapd is woken and every zone is
tried at its min mark; then the caller has to reclaim.  A mark is passed if free > mark + boost + reserve.
"""

from __future__ import annotations

from numba import int64, void

from models.allocators.pool import PAGES_RETURNED, PAGES_TAKEN
from models.jit import compiled
from models.memory import state as st
from models.memory.groups import uncharge
from models.memory.state import backend_t, pages_t
from models.vmstat import NR_FREE_PAGES, PGALLOC_DMA, PGFREE

BIG = 1 << 40
NO_MARK, MIN_MARK, LOW_MARK = 0, 1, 2


@compiled(void(pages_t, int64, int64))
def spend(pages, purpose, ns):
    """Let the actor that is computing spend `ns` of CPU time for a purpose."""
    pages.num[st.CLOCK] += ns
    pages.cpu[purpose] += ns


@compiled(void(pages_t, int64, int64, int64, int64, int64))
def note(pages, event, page, frame, slot, value):
    """Append to the event log if it is kept and has room (callers stop at three quarters)."""
    num = pages.num
    if num[st.LOG_ON] == 0 or num[st.LOG] >= st.LOG_SIZE:
        return
    row = pages.log[num[st.LOG]]
    row[st.LOG_TIME] = num[st.CLOCK]
    row[st.LOG_EVENT] = event
    row[st.LOG_PAGE] = page
    row[st.LOG_FRAME] = frame
    row[st.LOG_SLOT] = slot
    row[st.LOG_VALUE] = value
    num[st.LOG] += 1


@compiled(int64(pages_t, int64))
def usable_frames(pages, mark):
    """Frames that a request may still take above a mark (NO_MARK: all that are free)."""
    zone = pages.zone
    total = 0
    for z in range(zone.shape[0]):
        free = zone[z, st.ZONE_FREE]
        if mark != NO_MARK:
            level = zone[z, st.WMARK_MIN] if mark == MIN_MARK else zone[z, st.WMARK_LOW]
            free -= level + zone[z, st.BOOST] + zone[z, st.RESERVE]
        if free > 0:
            total += free
    return total


@compiled(int64(pages_t, int64, int64))
def take_from_zone(pages, z, kind):
    """The zone's next frame: the one freed last, else one never used."""
    zone = pages.zone
    top = zone[z, st.STACK]
    if top > 0:
        f = int64(pages.stack[zone[z, st.FIRST_FRAME] + top - 1])
        zone[z, st.STACK] = top - 1
    else:
        f = zone[z, st.FRESH]
        zone[z, st.FRESH] = f + 1
    zone[z, st.ZONE_FREE] -= 1
    pages.vmstat[NR_FREE_PAGES] -= 1
    pages.vmstat[PGALLOC_DMA + z] += 1
    frame = pages.frame
    frame[f, st.NEXT] = 0
    frame[f, st.PREV] = 0
    frame[f, st.FLAGS] = kind << st.KIND_SHIFT
    frame[f, st.PAGE] = -1
    frame[f, st.SLOT] = 0
    return f


@compiled(int64(pages_t, int64, int64))
def take_frame(pages, kind, mark):
    """A frame from the highest zone that passes the mark, or -1."""
    zone = pages.zone
    for z in range(zone.shape[0] - 1, -1, -1):
        free = zone[z, st.ZONE_FREE]
        if mark == NO_MARK:
            if free > 0:
                return take_from_zone(pages, z, kind)
        elif free > 0:
            level = zone[z, st.WMARK_MIN] if mark == MIN_MARK else zone[z, st.WMARK_LOW]
            if free > level + zone[z, st.BOOST] + zone[z, st.RESERVE]:
                return take_from_zone(pages, z, kind)
    return int64(-1)


@compiled(int64(pages_t))
def node_balanced(pages):
    """1 if some zone passes its high mark for a user page."""
    zone = pages.zone
    for z in range(zone.shape[0]):
        if zone[z, st.MANAGED] > 0 and zone[z, st.ZONE_FREE] > zone[z, st.WMARK_HIGH] + zone[z, st.BOOST] + zone[z, st.RESERVE]:
            return 1
    return 0


@compiled(void(pages_t))
def want_kswapd(pages):
    """Ask for kswapd, unless it runs already or every test it would make is passed."""
    if pages.num[st.KSWAPD_AWAKE] == 0 and node_balanced(pages) == 0:
        pages.num[st.WAKE] = 1


@compiled(int64(pages_t, int64))
def ask_frame(pages, kind):
    """A frame for a user page: low marks, then kswapd is woken and min marks are tried; -1 means reclaim."""
    f = take_frame(pages, kind, LOW_MARK)
    if f >= 0:
        return f
    want_kswapd(pages)
    return take_frame(pages, kind, MIN_MARK)


@compiled(int64(pages_t, int64))
def zone_of(pages, f):
    """Number of the zone that a frame belongs to."""
    zone = pages.zone
    z = zone.shape[0] - 1
    while z > 0 and (zone[z, st.MANAGED] == 0 or f < zone[z, st.FIRST_FRAME]):
        z -= 1
    return z


@compiled(void(pages_t, int64))
def give_frame(pages, f):
    """Give a frame back to its zone."""
    if pages.num[st.GROUPS]:
        uncharge(pages, f)
    z = zone_of(pages, f)
    zone = pages.zone
    top = zone[z, st.STACK]
    pages.stack[zone[z, st.FIRST_FRAME] + top] = f
    zone[z, st.STACK] = top + 1
    zone[z, st.ZONE_FREE] += 1
    pages.frame[f, st.FLAGS] = 0
    pages.vmstat[NR_FREE_PAGES] += 1
    pages.vmstat[PGFREE] += 1


@compiled(void(backend_t, pages_t))
def settle_pool(backend, pages):
    """Take or give frames until the VM holds as many for the backend's pools as they say they have."""
    number, clean = backend.pool.num, backend.clean_pool.num
    num = pages.num
    want = number[PAGES_TAKEN] - number[PAGES_RETURNED] + clean[PAGES_TAKEN] - clean[PAGES_RETURNED]
    while num[st.POOL_FRAMES] < want:
        f = take_frame(pages, st.POOL, MIN_MARK)  # the pool was told of frames above the min marks: it gets those
        if f < 0:
            f = take_frame(pages, st.POOL, NO_MARK)
        spend(pages, st.BY_ALLOCATOR, pages.cost[st.C_ALLOC])
        pages.pool_frames[num[st.POOL_FRAMES]] = f
        num[st.POOL_FRAMES] += 1
    while num[st.POOL_FRAMES] > want:
        num[st.POOL_FRAMES] -= 1
        spend(pages, st.BY_ALLOCATOR, pages.cost[st.C_FREE])
        give_frame(pages, int64(pages.pool_frames[num[st.POOL_FRAMES]]))
