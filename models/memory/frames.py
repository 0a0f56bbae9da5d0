"""Page frames: taking and giving back, by zone and watermark (Linux 6.1 mm/page_alloc.c), time and event log.

Order of a request (pagecache.md E.5): every zone at its low mark, highest zone first; then kswapd is woken and every zone is
tried at its min mark; then the caller has to reclaim.  A mark is passed if free > mark + boost + reserve, the reserve being the
zone's against the highest zone that the request may use: Normal for all requests here (Movable is empty, and counts the same).
A zone that passes gives a frame from its per-CPU lists (models.memory.pcp), which the buddy allocator (models.memory.buddy) fills.
"""

from __future__ import annotations

from numba import int64, void

from models.allocators.pool import PAGES_RETURNED, PAGES_TAKEN
from models.jit import compiled, outlined
from models.memory import pcp
from models.memory import state as st
from models.memory.groups import uncharge
from models.memory.state import backend_t, pages_t
from models.vmstat import PGALLOC_DMA, PGFREE

NO_MARK, MIN_MARK, LOW_MARK, HIGH_MARK = 0, 1, 2, 3
TOP = 2  # the highest zone: Normal


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


@compiled(int64(pages_t, int64, int64, int64))
def level_of(pages, z, mark, index):
    """Free frames that a zone keeps back at a mark from requests that may use zone `index` at most."""
    row = pages.zone[z]
    return row[st.WMARK_MIN + mark - MIN_MARK] + row[st.BOOST] + row[st.RESERVES + index]


@compiled(int64(pages_t, int64))
def usable_frames(pages, mark):
    """Free frames above a mark; NO_MARK: all that are free, those on the per-CPU lists too."""
    zone = pages.zone
    total = 0
    for z in range(zone.shape[0]):
        free = zone[z, st.ZONE_FREE]
        if mark == NO_MARK:
            free += pages.pcp[z, pcp.COUNT]
        else:
            free -= level_of(pages, z, mark, TOP)
        if free > 0:
            total += free
    return total


@compiled(int64(pages_t))
def user_frames(pages):
    """About how many movable frames the next requests can get above the min marks: zones that pass it give from their lists first."""
    total = 0
    for z in range(pages.zone.shape[0]):
        free = pages.zone[z, st.ZONE_FREE] - level_of(pages, z, MIN_MARK, TOP)
        if free > 0:
            total += free + pages.pcp[z, pcp.LISTED + st.MOVABLE]
    return total


@compiled(int64(pages_t, int64))
def node_balanced(pages, index):
    """1 if some zone up to `index` passes its high mark for a request that may use that zone at most."""
    zone = pages.zone
    for z in range(index + 1):
        if zone[z, st.MANAGED] > 0 and zone[z, st.ZONE_FREE] > level_of(pages, z, HIGH_MARK, index):
            return 1
    return 0


@compiled(int64(pages_t, int64))
def node_boosted(pages, index):
    """1 if some zone up to `index` has a boost."""
    for z in range(index + 1):
        if pages.zone[z, st.BOOST] > 0:
            return 1
    return 0


@compiled(void(pages_t, int64))
def ask_kswapd(pages, index):
    """Ask for kswapd on behalf of a request that may use zone `index` at most, unless it runs or would sleep again at once.

    What is asked while it runs counts for its next run.
    """
    num = pages.num
    num[st.KSWAPD_INDEX] = max(num[st.KSWAPD_INDEX], index + 1)
    if num[st.KSWAPD_AWAKE] == 0 and num[st.WAKE] == 0 and (node_balanced(pages, index) == 0 or node_boosted(pages, index)):
        num[st.WAKE] = 1
        num[st.WOKEN_INDEX] = num[st.KSWAPD_INDEX]


@compiled(void(pages_t))
def want_kswapd(pages):
    """Ask for kswapd: no zone passed its low mark for an ordinary request."""
    ask_kswapd(pages, TOP)


@outlined(void(pages_t))
def tell_boosts(pages):
    """kswapd is asked to reclaim from the zones whose boost has grown, and those below."""
    num = pages.num
    for z in range(pages.zone.shape[0]):
        if num[st.BOOSTED] >> z & 1:
            ask_kswapd(pages, z)
    num[st.BOOSTED] = 0


@compiled(int64(pages_t, int64, int64, int64, int64))
def take_from_zone(pages, z, kind, group, pure):
    """A frame of the zone for a request of migrate type `group`, or -1; `pure`: whole page blocks of other types or none."""
    f = pcp.take(pages, z, group, pure)
    if f < 0:
        return f
    pages.vmstat[PGALLOC_DMA + z] += 1
    frame = pages.frame
    frame[f, st.NEXT] = 0
    frame[f, st.PREV] = 0
    frame[f, st.FLAGS] = kind << st.KIND_SHIFT
    frame[f, st.PAGE] = -1
    frame[f, st.SLOT] = 0
    if pages.num[st.BOOSTED]:
        tell_boosts(pages)
    return f


@compiled(int64(pages_t, int64, int64, int64, int64))
def try_zones(pages, kind, group, mark, pure):
    """A frame from the highest zone that passes the mark and has one for this request, or -1."""
    zone = pages.zone
    for z in range(zone.shape[0] - 1, -1, -1):
        if zone[z, st.MANAGED] == 0 or (mark != NO_MARK and zone[z, st.ZONE_FREE] <= level_of(pages, z, mark, TOP)):
            continue
        f = take_from_zone(pages, z, kind, group, pure)
        if f >= 0:
            return f
    return int64(-1)


@compiled(int64(pages_t, int64, int64, int64))
def take_typed(pages, kind, group, mark):
    """A frame from the highest zone that passes the mark, or -1, for a request of migrate type `group`.

    With Normal as the preferred zone, a request at the low mark would rather go to another zone than mix types in a page block.
    """
    if mark == LOW_MARK and pages.num[st.AVOID_MIXING]:
        f = try_zones(pages, kind, group, mark, 1)
        if f >= 0:
            return f
    return try_zones(pages, kind, group, mark, 0)


@compiled(int64(pages_t, int64, int64))
def take_frame(pages, kind, mark):
    """A frame of the kind's usual migrate type from the highest zone that passes the mark, or -1."""
    return take_typed(pages, kind, pages.num[st.KIND_TYPES + kind], mark)


@outlined(int64(pages_t, int64, int64))
def take_last(pages, kind, group):
    """A frame whatever the marks say, from the lists of another type if need be (Linux would fail there); -1: not one is free."""
    f = take_typed(pages, kind, group, NO_MARK)
    if f < 0:
        pcp.drain(pages)
        f = take_typed(pages, kind, group, NO_MARK)
    return f


@outlined(int64(pages_t, int64, int64))
def ask_again(pages, kind, group):
    """The low marks are missed: kswapd is woken and the min marks are tried."""
    want_kswapd(pages)
    return take_typed(pages, kind, group, MIN_MARK)


@compiled(int64(pages_t, int64, int64))
def ask_typed(pages, kind, group):
    """A frame for a request of a migrate type: low marks, then kswapd is woken and min marks are tried; -1 means reclaim."""
    f = take_typed(pages, kind, group, LOW_MARK)
    return f if f >= 0 else ask_again(pages, kind, group)


@compiled(int64(pages_t, int64))
def ask_frame(pages, kind):
    """A frame for a request of the kind's usual migrate type; -1 means reclaim."""
    return ask_typed(pages, kind, pages.num[st.KIND_TYPES + kind])


@compiled(int64(pages_t, int64))
def zone_of(pages, f):
    """Number of the zone that a frame belongs to."""
    zone = pages.zone
    z = zone.shape[0] - 1
    while z > 0 and f < zone[z, st.FIRST_FRAME]:
        z -= 1
    return z


@compiled(int64(pages_t, int64))
def frames_up_to(pages, index):
    """Frames from this number on belong to zones above `index`."""
    return pages.zone[index, st.END_FRAME]


@compiled(void(pages_t, int64))
def give_frame(pages, f):
    """Give a frame back to its zone."""
    if pages.num[st.GROUPS]:
        uncharge(pages, f)
    pages.frame[f, st.FLAGS] = 0
    pages.vmstat[PGFREE] += 1
    pcp.give(pages, zone_of(pages, f), f)


@outlined(int64(pages_t))
def drain_if_short(pages):
    """Reclaim has freed something and still no zone passes its min mark: what is on the per-CPU lists goes back (1 if that was so)."""
    for z in range(pages.zone.shape[0]):
        if pages.zone[z, st.MANAGED] > 0 and pages.zone[z, st.ZONE_FREE] > level_of(pages, z, MIN_MARK, TOP):
            return 0
    pcp.drain(pages)
    return 1


@compiled(int64(pages_t))
def pool_frame(pages):
    """A frame for a backend's pool, or -1.

    A reclaimer's own request ignores the marks once the low ones are missed.  A pool that was told of frames above the min marks
    gets those.
    """
    group = pages.num[st.KIND_TYPES + st.POOL]
    if pages.num[st.POOL_BY_RECLAIMER]:
        f = take_typed(pages, st.POOL, group, LOW_MARK)
        if f < 0:
            want_kswapd(pages)
    else:
        f = take_typed(pages, st.POOL, group, MIN_MARK)
    if f < 0:
        f = take_last(pages, st.POOL, group)
    if f >= 0 and pages.num[st.POOL_MIGRATABLE]:
        pages.frame[f, st.FLAGS] = st.POOL << st.KIND_SHIFT | st.MIGRATABLE
    return f


@compiled(void(backend_t, pages_t))
def settle_pool(backend, pages):
    """Take or give frames until the VM holds as many for the backend's pools as they say they have."""
    number, clean = backend.pool.num, backend.clean_pool.num
    num = pages.num
    want = number[PAGES_TAKEN] - number[PAGES_RETURNED] + clean[PAGES_TAKEN] - clean[PAGES_RETURNED]
    while num[st.POOL_FRAMES] < want:
        f = pool_frame(pages)
        spend(pages, st.BY_ALLOCATOR, pages.cost[st.C_ALLOC])
        pages.pool_frames[num[st.POOL_FRAMES]] = f
        num[st.POOL_FRAMES] += 1
    while num[st.POOL_FRAMES] > want:
        num[st.POOL_FRAMES] -= 1
        spend(pages, st.BY_ALLOCATOR, pages.cost[st.C_FREE])
        give_frame(pages, int64(pages.pool_frames[num[st.POOL_FRAMES]]))
