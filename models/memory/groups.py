"""Memory cgroups: whose a frame or swap slot is, what each group is charged, and its lists' sizes (Linux 6.1 mm/memcontrol.c).

Row 0 of `pages.cgroup` is the root, which has no limits; the groups are its children, one level deep.  A frame's group is also its
lruvec: the lists that it is on.  Rules are those of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled
from models.memory import state as st
from models.memory.state import pages_t

NONE = 1 << 60  # a limit that is not set ("max")
CHARGE_BATCH = 64  # pages charged at once; the rest is the stock of the CPU, one CPU's standing for all
SHADOW_LRUVEC = 32  # a shadow given to the policy's `insert` carries the lruvec of its age from this bit on

# --- cgroup: columns (int64) ---------------------------------------------------------------------------------------
LISTED = 0  # and the three after it: sizes of the lruvec's lists, in vmstat's order; kept by the policy
USAGE, STOCK, SWAP, POOL_BYTES, POOL_CHARGED = (
    4,
    5,
    6,
    7,
    8,
)  # pages charged, of these not yet used; slots; bytes in zswap, pages charged for it
MAX, HIGH, LOW, SWAP_MAX, ZSWAP_MAX, ZSWAP_WRITEBACK = range(9, 15)  # limits, in pages; 1: refused pages may go to the device
PEAK = 15
OF_KIND = 16  # frames charged, by kind (state.ANON, FILE, TABLE ...)
EVENTS = 24
EV_LOW, EV_HIGH, EV_MAX, EV_OOM, EV_OOM_KILL, EV_SWAP_MAX, EV_SWAP_FAIL = range(EVENTS, EVENTS + 7)
STAT = 32
S_FAULT, S_MAJFAULT, S_REFILL, S_SCAN_KSWAPD, S_SCAN_DIRECT, S_STEAL_KSWAPD, S_STEAL_DIRECT = range(STAT, STAT + 7)
S_ACTIVATE, S_DEACTIVATE, S_REFAULT, S_REFAULT_FILE, S_WS_ACTIVATE, S_WS_ACTIVATE_FILE, S_RESTORE, S_RESTORE_FILE = range(39, 47)
S_ZSWPIN, S_ZSWPOUT = 47, 48
FORCED = 49  # pages charged although there was no room
OWN_SCAN, OWN_STEAL = 50, 51  # pages that reclaim inside the group looked at and freed, which the machine's counters leave out
COLUMNS = 60


@compiled(int64(pages_t, int64))
def lruvec_of(pages, f):
    """The lruvec that frame f belongs to: its group's, 0 for the root's."""
    return int64(pages.frame_group[f]) if pages.num[st.GROUPS] else int64(0)


@compiled(int64(pages_t, int64, int64))
def has_room(pages, g, n):
    """1 if n more pages may be charged to group g."""
    row = pages.cgroup[g]
    return 1 if row[STOCK] >= n or row[USAGE] + n <= row[MAX] else 0


@compiled(void(pages_t, int64, int64))
def charge(pages, g, f):
    """Frame f, whose kind is set, is group g's from now on.  Beyond memory.high the task has to make up for it."""
    row = pages.cgroup[g]
    if row[STOCK] > 0:
        row[STOCK] -= 1
    else:
        batch = CHARGE_BATCH if row[USAGE] + CHARGE_BATCH <= row[MAX] else 1
        row[USAGE] += batch
        row[STOCK] = batch - 1
        row[PEAK] = max(row[PEAK], row[USAGE])
        if row[USAGE] > row[HIGH]:
            pages.num[st.OVER_HIGH] += batch
    pages.frame_group[f] = g
    row[OF_KIND + (pages.frame[f, st.FLAGS] >> st.KIND_SHIFT)] += 1


@compiled(void(pages_t, int64))
def uncharge(pages, f):
    """Frame f is about to be given back."""
    g = int64(pages.frame_group[f])
    if g > 0:
        row = pages.cgroup[g]
        row[USAGE] -= 1
        row[OF_KIND + (pages.frame[f, st.FLAGS] >> st.KIND_SHIFT)] -= 1
        pages.frame_group[f] = 0


@compiled(int64(pages_t, int64))
def swap_room(pages, g):
    """Slots that pages of group g may still take, of the device and of memory.swap.max."""
    room = pages.num[st.SWAP_FREE]
    return room if g == 0 else min(room, pages.cgroup[g, SWAP_MAX] - pages.cgroup[g, SWAP])


@compiled(int64(pages_t, int64))
def may_swap(pages, g):
    """1 if memory.swap.max lets group g have one more slot; counts memory.swap.events if not."""
    if g == 0:
        return 1
    row = pages.cgroup[g]
    if row[SWAP] < row[SWAP_MAX]:
        return 1
    row[EV_SWAP_MAX] += 1
    row[EV_SWAP_FAIL] += 1
    return 0


@compiled(void(pages_t, int64, int64))
def charge_slot(pages, g, s):
    """Slot s holds a page of group g."""
    if g > 0:
        pages.slot_group[s] = g
        pages.cgroup[g, SWAP] += 1


@compiled(void(pages_t, int64))
def uncharge_slot(pages, s):
    """Slot s is free again."""
    if pages.num[st.GROUPS] == 0:
        return
    g = int64(pages.slot_group[s])
    if g > 0:
        pages.cgroup[g, SWAP] -= 1
        pages.slot_group[s] = 0


@compiled(int64(pages_t, int64))
def group_of_slot(pages, s):
    """The group that slot s is charged to, 0 for none."""
    return int64(pages.slot_group[s]) if pages.num[st.GROUPS] else int64(0)


@compiled(int64(pages_t, int64))
def may_store(pages, s):
    """1 if the group of slot s may have one more page in zswap: none at memory.zswap.max 0, else as long as its whole pages are fewer."""
    g = group_of_slot(pages, s)
    if g == 0 or pages.num[st.POOL_IN_GROUPS] == 0:
        return 1
    row = pages.cgroup[g]
    return 1 if row[POOL_BYTES] // pages.num[st.PAGE_SIZE] < row[ZSWAP_MAX] else 0


@compiled(int64(pages_t, int64))
def held_bytes(pages, s):
    """Bytes that the backend holds for slot s."""
    return int64(pages.slot[s, st.STORED_SIZE]) if pages.slot[s, st.HANDLE] > 0 else int64(0)


@compiled(void(pages_t, int64, int64))
def recount_stored(pages, s, before):
    """The backend held `before` bytes for slot s; what it holds now is charged to the slot's group, in whole pages of its sum.

    The charge is forced: reclaim makes it, and may not reclaim for it.
    """
    g = group_of_slot(pages, s)
    if g == 0 or pages.num[st.POOL_IN_GROUPS] == 0:
        return
    row = pages.cgroup[g]
    row[POOL_BYTES] += held_bytes(pages, s) - before
    size = pages.num[st.PAGE_SIZE]
    charged = (row[POOL_BYTES] + size - 1) // size
    row[USAGE] += charged - row[POOL_CHARGED]
    row[POOL_CHARGED] = charged


@compiled(void(pages_t, int64, int64))
def count_zswap(pages, s, column):
    """One more of the group of slot s went into the backend, or came back."""
    pages.cgroup[group_of_slot(pages, s), column] += 1


@compiled(int64(pages_t, int64))
def may_write_out(pages, s):
    """0 if the group of slot s keeps pages that zswap refuses in memory (memory.zswap.writeback, Linux 6.8 on)."""
    return 0 if pages.num[st.POOL_IN_GROUPS] and pages.cgroup[group_of_slot(pages, s), ZSWAP_WRITEBACK] == 0 else 1


@compiled(int64(pages_t, int64, int64))
def protected_scan(pages, g, size):
    """What memory.low leaves of a list of `size` pages for the machine's reclaim, which takes what lies above it (mm/vmscan.c)."""
    if g == 0 or pages.cgroup[g, LOW] == 0:
        return size
    usage = pages.cgroup[g, USAGE]
    low = min(pages.cgroup[g, LOW], usage)
    return max(size - size * low // (usage + 1), min(size, 32))


@compiled(int64(pages_t, int64))
def is_protected(pages, g):
    """1 if group g is within its memory.low."""
    return 1 if g > 0 and pages.cgroup[g, LOW] > 0 and pages.cgroup[g, USAGE] <= pages.cgroup[g, LOW] else 0
