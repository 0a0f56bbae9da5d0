"""The lists of Linux 6.1's active and inactive pages: sizes, the statistics about them, reclaim's costs (mm/swap.c, mm/memcontrol.c).

Each memory cgroup has lists of its own (a lruvec, models.memory.groups); the root's costs, ages and refaults are those of all.
"""

from __future__ import annotations

import numpy as np
from numba import int64, void

from models.jit import compiled
from models.memory import groups as cg
from models.memory import state as st
from models.memory.frames import zone_of
from models.memory.state import pages_t, policy_t
from models.vmstat import NR_INACTIVE_ANON, WORKINGSET_ACTIVATE_ANON

# lists; vmstat's nr_inactive_anon and the three after it are their sizes
INACTIVE_ANON, ACTIVE_ANON, INACTIVE_FILE, ACTIVE_FILE = range(4)
LISTS = 4
HEAD, TAIL = 0, LISTS  # head[v * HEADS + HEAD + list], likewise TAIL, of lruvec v: frame + 1, 0 is empty
HEADS = 2 * LISTS

# num[v * OWN + ...] of lruvec v
AGE = 0  # nonresident age: evictions and activations
ANON_COST, FILE_COST = 1, 2
SEEN_ACTIVATE_ANON, SEEN_ACTIVATE_FILE = 3, 4  # workingset_activate_* when a run of reclaim last ended
STATS = 8  # as of the last flush: sizes of the four lists, then workingset_activate_anon and _file; of the root, those of all
STATS_ACTIVATE = STATS + LISTS
NEXT_FLUSH = STATS_ACTIVATE + 2  # simulated ns; one for all
ZONE_SIZES = 16  # pages of each zone on each list: ZONE_SIZES + LISTS * zone + list
OWN = 32
AGE_MASK = (1 << 30) - 1
FLUSH_PERIOD = 2_000_000_000  # ns
IO_COST = 32  # of a page written or read again, since 6.2, against one that was looked at in vain


def create(frames: int, lruvecs: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Empty lists; links live in the frame table."""
    return np.zeros((1, 1), np.int32), np.zeros(HEADS * lruvecs, np.int32), np.zeros(OWN * lruvecs, np.int64)


@compiled(void(policy_t, pages_t, int64, int64, int64, int64))
def count(policy, pages, v, f, which, change):
    """The list of lruvec v gets or loses frame f."""
    pages.vmstat[NR_INACTIVE_ANON + which] += change
    pages.cgroup[v, cg.LISTED + which] += change
    policy.num[v * OWN + ZONE_SIZES + LISTS * zone_of(pages, f) + which] += change


@compiled(void(policy_t, pages_t, int64, int64))
def push_head(policy, pages, f, which):
    frame, head = pages.frame, policy.head
    v = cg.lruvec_of(pages, f)
    at = v * HEADS + which
    first = head[HEAD + at]
    frame[f, st.NEXT] = first
    frame[f, st.PREV] = 0
    if first > 0:
        frame[first - 1, st.PREV] = f + 1
    else:
        head[TAIL + at] = f + 1
    head[HEAD + at] = f + 1
    count(policy, pages, v, f, which, 1)


@compiled(void(policy_t, pages_t, int64, int64))
def push_tail(policy, pages, f, which):
    frame, head = pages.frame, policy.head
    v = cg.lruvec_of(pages, f)
    at = v * HEADS + which
    last = head[TAIL + at]
    frame[f, st.PREV] = last
    frame[f, st.NEXT] = 0
    if last > 0:
        frame[last - 1, st.NEXT] = f + 1
    else:
        head[HEAD + at] = f + 1
    head[TAIL + at] = f + 1
    count(policy, pages, v, f, which, 1)


@compiled(void(policy_t, pages_t, int64, int64))
def unlink(policy, pages, f, which):
    frame, head = pages.frame, policy.head
    v = cg.lruvec_of(pages, f)
    at = v * HEADS + which
    after, before = frame[f, st.NEXT], frame[f, st.PREV]
    if before > 0:
        frame[before - 1, st.NEXT] = after
    else:
        head[HEAD + at] = after
    if after > 0:
        frame[after - 1, st.PREV] = before
    else:
        head[TAIL + at] = before
    count(policy, pages, v, f, which, -1)


@compiled(int64(int64))
def list_of(flags):
    """The list that a page with these flags belongs to."""
    which = INACTIVE_FILE if flags >> st.KIND_SHIFT == st.FILE else INACTIVE_ANON
    return which + (1 if flags & st.ACTIVE else 0)


@compiled(void(policy_t, pages_t))
def flush_stats(policy, pages):
    """What reclaim's rules of thumb take for the sizes of the lists: the cgroups' statistics as they were last flushed, all at once.

    6.1 flushes when a pass begins; 6.12 every two seconds (mm/memcontrol.c), so that in between they may be far off.
    """
    num = policy.num
    if pages.num[st.KERNEL_612]:
        if num[NEXT_FLUSH] == 0:
            num[NEXT_FLUSH] = pages.num[st.FIRST_FLUSH]
        elif pages.num[st.CLOCK] < num[NEXT_FLUSH]:
            return
        else:
            num[NEXT_FLUSH] += (1 + (pages.num[st.CLOCK] - num[NEXT_FLUSH]) // FLUSH_PERIOD) * FLUSH_PERIOD
    for which in range(LISTS):
        num[STATS + which] = pages.vmstat[NR_INACTIVE_ANON + which]
    for is_file in range(2):
        num[STATS_ACTIVATE + is_file] = pages.vmstat[WORKINGSET_ACTIVATE_ANON + is_file]
    for v in range(1, pages.num[st.GROUPS] + 1):
        at, group = v * OWN, pages.cgroup[v]
        for which in range(LISTS):
            num[at + STATS + which] = group[cg.LISTED + which]
        for is_file in range(2):
            num[at + STATS_ACTIVATE + is_file] = group[cg.S_WS_ACTIVATE + is_file]


@compiled(void(policy_t, int64, int64))
def grow_old(policy, v, n):
    """The nonresident age of lruvec v, and of the root above it."""
    policy.num[AGE] += n
    if v > 0:
        policy.num[v * OWN + AGE] += n


@compiled(void(policy_t, int64, int64, int64))
def cost_of_lruvec(policy, v, is_file, cost):
    """Charge reclaim's cost to a type of page of one lruvec, and let both costs decay."""
    num, at = policy.num, v * OWN
    num[at + ANON_COST + is_file] += cost
    total = 0
    for which in range(LISTS):
        total += num[at + STATS + which]
    if num[at + ANON_COST] + num[at + FILE_COST] > total // 4:
        num[at + ANON_COST] //= 2
        num[at + FILE_COST] //= 2


@compiled(int64(policy_t, int64, int64, int64))
def note_cost(policy, v, is_file, cost):
    """Charge reclaim's cost to a type of page of lruvec v and of the root (mm/swap.c)."""
    if v > 0:
        cost_of_lruvec(policy, v, is_file, cost)
    cost_of_lruvec(policy, 0, is_file, cost)
    return 0
