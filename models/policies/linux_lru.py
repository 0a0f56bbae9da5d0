"""Linux 6.1's active and inactive lists (mm/vmscan.c, mm/workingset.c, mm/swap.c; not multi-generational LRU).

Four lists, inactive and active for anonymous and file pages.  New anonymous pages enter the inactive list; a page found
accessed gets a second chance, a page found accessed twice is activated; refaults within the size of the resident set go
straight to the active list; pages of executable mappings stay active while they are used.  Each memory cgroup has lists of its own
(a lruvec, models.memory.groups); the root's costs, ages and refaults are those of all.  Not modelled: per-CPU batches of list additions.
"""

from __future__ import annotations

import numpy as np
from numba import int64, void

from models.jit import compiled
from models.memory import groups as cg
from models.memory import state as st
from models.memory.frames import frames_up_to, note, zone_of
from models.memory.rmap import references
from models.memory.state import Numbers, pages_t, policy_t
from models.policies.policy import PolicyModule
from models.vmstat import (
    NR_FREE_PAGES,
    NR_INACTIVE_ANON,
    PGACTIVATE,
    PGDEACTIVATE,
    PGREFILL,
    PGROTATED,
    PGSCAN_ANON,
    PGSCAN_DIRECT,
    PGSCAN_KSWAPD,
    PGSKIP_DMA,
    WORKINGSET_ACTIVATE_ANON,
    WORKINGSET_REFAULT_ANON,
    WORKINGSET_RESTORE_ANON,
)

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

# ctx: this pass
NR, TARGET = st.X_OWN, st.X_OWN + LISTS
LIST_AT = st.X_OWN + 8
RECLAIMED_BEFORE = st.X_OWN + 9
MAY_DEACTIVATE = st.X_OWN + 10  # anon, then file
SLICE_FILE, SLICE_SCANNED, SLICE_RECLAIMED = st.X_OWN + 12, st.X_OWN + 13, st.X_OWN + 14  # the slice given out last, and the sums before it
AHEAD = st.X_OWN + 15  # pages of a list that are still to be looked at
FILE_IS_TINY, CACHE_TRIM = st.X_OWN + 16, st.X_OWN + 17

SWAP_CLUSTER_MAX = 32
DEF_PRIORITY = 12
FLUSH_PERIOD = 2_000_000_000  # ns
IO_COST = 32  # of a page written or read again, since 6.2, against one that was looked at in vain
AGE_MASK = (1 << 30) - 1
FLAG_BIT = 1  # of a shadow: workingset; the age stands above it


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


@compiled(int64(policy_t, pages_t, int64, int64))
def refault(policy, pages, f, shadow):
    """A page comes back: flags to add, ACTIVE if it was away for less than the resident set is large.

    Age and size are those of the lruvec whose reclaim evicted it; the counters, those of the page's own.
    """
    num, vmstat = policy.num, pages.vmstat
    v, by = cg.lruvec_of(pages, f), shadow >> cg.SHADOW_LRUVEC
    group, at = pages.cgroup[v], by * OWN
    is_file = 1 if pages.frame[f, st.FLAGS] >> st.KIND_SHIFT == st.FILE else 0
    vmstat[WORKINGSET_REFAULT_ANON + is_file] += 1
    group[cg.S_REFAULT + is_file] += 1
    distance = (num[at + AGE] - (shadow >> 1)) & AGE_MASK
    if pages.num[st.KERNEL_612]:
        flush_stats(policy, pages)
    size = num[at + STATS + ACTIVE_FILE]
    swap = cg.swap_room(pages, by) > 0
    if is_file == 0:
        size += num[at + STATS + INACTIVE_FILE]
    if swap:
        size += num[at + STATS + ACTIVE_ANON]
        if is_file == 1:
            size += num[at + STATS + INACTIVE_ANON]
    if distance > size:
        return 0
    grow_old(policy, v, 1)
    vmstat[WORKINGSET_ACTIVATE_ANON + is_file] += 1
    group[cg.S_WS_ACTIVATE + is_file] += 1
    if shadow & FLAG_BIT == 0:
        return st.ACTIVE
    vmstat[WORKINGSET_RESTORE_ANON + is_file] += 1
    group[cg.S_RESTORE + is_file] += 1
    note_cost(policy, v, is_file, IO_COST if pages.num[st.KERNEL_612] else 1)
    return st.ACTIVE | st.WORKINGSET


@compiled(int64(policy_t, pages_t, int64, int64))
def insert(policy, pages, f, shadow):
    frame = pages.frame
    flags = int64(frame[f, st.FLAGS]) | st.LRU
    if shadow >= 0:
        flags |= refault(policy, pages, f, shadow)
    frame[f, st.FLAGS] = flags
    push_head(policy, pages, f, list_of(flags))
    return 0


@compiled(int64(policy_t, pages_t, int64))
def remove(policy, pages, f):
    frame = pages.frame
    flags = int64(frame[f, st.FLAGS])
    if flags & st.LRU:
        unlink(policy, pages, f, list_of(flags))
        frame[f, st.FLAGS] = flags & ~st.LRU
    return 0


@compiled(int64(policy_t, pages_t, int64))
def check(policy, pages, f):
    """Second chance: accessed once stays inactive, accessed twice in a row or by two mappings is activated, and so is code."""
    frame = pages.frame
    found = references(pages, f)
    flags = int64(frame[f, st.FLAGS])
    was_referenced = flags & st.REFERENCED
    if found == 0:
        frame[f, st.FLAGS] = flags & ~st.REFERENCED
        is_file = flags >> st.KIND_SHIFT == st.FILE
        return st.RECLAIM_CLEAN if was_referenced and is_file else st.RECLAIM_IT
    frame[f, st.FLAGS] = flags | st.REFERENCED
    return st.ACTIVATE if was_referenced or found > 1 or flags & st.EXECUTABLE else st.KEEP


@compiled(void(policy_t, pages_t, int64))
def count_activation(policy, pages, f):
    v = cg.lruvec_of(pages, f)
    pages.vmstat[PGACTIVATE] += 1
    pages.cgroup[v, cg.S_ACTIVATE] += 1
    grow_old(policy, v, 1)


@compiled(int64(policy_t, pages_t, int64))
def accessed(policy, pages, f):
    """A system call used the page: unreferenced becomes referenced, referenced and inactive becomes active (mm/swap.c)."""
    frame = pages.frame
    flags = int64(frame[f, st.FLAGS])
    if flags & st.REFERENCED == 0:
        frame[f, st.FLAGS] = flags | st.REFERENCED
    elif flags & st.ACTIVE == 0 and flags & st.LRU:
        unlink(policy, pages, f, list_of(flags))
        flags = flags & ~st.REFERENCED | st.ACTIVE
        frame[f, st.FLAGS] = flags
        push_head(policy, pages, f, list_of(flags))
        count_activation(policy, pages, f)
    return 0


@compiled(int64(policy_t, pages_t, int64))
def evicted(policy, pages, f):
    flagged = 1 if pages.frame[f, st.FLAGS] & st.WORKINGSET else 0
    by = pages.num[st.AGE_LRUVEC]
    shadow = (policy.num[by * OWN + AGE] & AGE_MASK) << 1 | flagged
    grow_old(policy, by, 1)
    return shadow


@compiled(int64(policy_t, pages_t, int64, int64))
def putback(policy, pages, f, verdict):
    frame = pages.frame
    flags = int64(frame[f, st.FLAGS])
    if verdict == st.ROTATE:
        if flags & st.LRU and not flags & st.DIRTY:
            unlink(policy, pages, f, list_of(flags))
            flags &= ~st.ACTIVE  # reclaim had activated it only because it was being written
            frame[f, st.FLAGS] = flags
            push_tail(policy, pages, f, list_of(flags))
            pages.vmstat[PGROTATED] += 1
        return 0
    flags |= st.LRU
    if verdict == st.ACTIVATE:
        flags |= st.ACTIVE
        count_activation(policy, pages, f)
    frame[f, st.FLAGS] = flags
    push_head(policy, pages, f, list_of(flags))
    return 0


@compiled(int64(policy_t, pages_t, int64, int64))
def inactive_is_low(policy, pages, v, is_file):
    """1 if the inactive list is too short against the active one: 1:1 below a GiB, then the square root of ten a GiB."""
    at = v * OWN + STATS + 2 * is_file
    inactive = policy.num[at]
    active = policy.num[at + 1]
    gib = (inactive + active) * pages.num[st.PAGE_SIZE] >> 30
    ratio = 1
    if gib > 0:
        ratio = int64(np.sqrt(10.0 * gib))
    return 1 if inactive * ratio < active else 0


@compiled(int64(policy_t, pages_t, Numbers, int64))
def next_of(policy, pages, ctx, which):
    """The last page of the lruvec's list that belongs to no zone above ctx[X_INDEX], or -1; those passed over go to the list's head.

    A list is gone through once: ctx[AHEAD] pages of it are still to be seen.
    """
    limit = frames_up_to(pages, ctx[st.X_INDEX])
    tail = ctx[st.X_LRUVEC] * HEADS + TAIL + which
    while ctx[AHEAD] > 0:
        ctx[AHEAD] -= 1
        f = int64(policy.head[tail]) - 1
        if f < limit:
            return f
        unlink(policy, pages, f, which)
        push_head(policy, pages, f, which)
        pages.vmstat[PGSKIP_DMA + zone_of(pages, f)] += 1
        ctx[st.X_PASSED] += 1
    return int64(-1)


@compiled(int64(policy_t, pages_t, Numbers, int64, int64))
def deactivate(policy, pages, ctx, n, is_file):
    """Move up to n pages from the active tail to the inactive head; returns how many."""
    frame, window = pages.frame, pages.window
    v, active = ctx[st.X_LRUVEC], ACTIVE_ANON + 2 * is_file
    group = pages.cgroup[v]
    moved, kept = 0, 0
    ctx[AHEAD] = group[cg.LISTED + active]
    passed = ctx[st.X_PASSED]
    while moved + kept < n:
        f = next_of(policy, pages, ctx, active)
        if f < 0:
            break
        used = references(pages, f)
        unlink(policy, pages, f, active)
        if used and frame[f, st.FLAGS] & st.EXECUTABLE:
            window[kept] = f
            kept += 1
            continue
        frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) & ~st.ACTIVE | st.WORKINGSET
        push_head(policy, pages, f, active - 1)
        note(pages, st.E_DEACTIVATE, int64(frame[f, st.PAGE]), f, -1, 0)
        moved += 1
    for i in range(kept):
        push_head(policy, pages, int64(window[i]), active)
    grow_old(policy, v, kept)
    looked = moved + kept + ctx[st.X_PASSED] - passed
    pages.vmstat[PGREFILL] += looked
    pages.vmstat[PGDEACTIVATE] += moved
    group[cg.S_REFILL] += looked
    group[cg.S_DEACTIVATE] += moved
    return moved + kept


@compiled(int64(policy_t, pages_t, Numbers))
def age(policy, pages, ctx):
    """kswapd's background aging: a slice of active anonymous pages while the inactive list is low."""
    ctx[st.X_AGED] = 0
    if pages.num[st.SWAP_TOTAL] > 0 and inactive_is_low(policy, pages, ctx[st.X_LRUVEC], 0):
        ctx[st.X_AGED] = deactivate(policy, pages, ctx, SWAP_CLUSTER_MAX, 0)
    return ctx[st.X_AGED]


@compiled(int64(policy_t, pages_t, int64, int64))
def may_deactivate(policy, pages, v, is_file):
    """1 if refaults of this type were activated since the last run, or its inactive list is low."""
    at = v * OWN + is_file
    if policy.num[at + STATS_ACTIVATE] != policy.num[at + SEEN_ACTIVATE_ANON]:
        return 1
    return inactive_is_low(policy, pages, v, is_file)


@compiled(int64(pages_t))
def sum_high_marks(pages):
    total = 0
    for z in range(pages.zone.shape[0]):
        total += pages.zone[z, st.WMARK_HIGH] + pages.zone[z, st.BOOST]
    return total


@compiled(int64(Numbers, int64))
def remember_slice(ctx, is_file):
    """A slice of a type begins: what was scanned and reclaimed up to here."""
    ctx[SLICE_FILE], ctx[SLICE_SCANNED], ctx[SLICE_RECLAIMED] = is_file, ctx[st.X_SCANNED], ctx[st.X_RECLAIMED]
    return 0


@compiled(void(policy_t, pages_t, Numbers))
def prepare(policy, pages, ctx):
    """What holds for a whole pass, by the target's lists and all below it: may active pages be deactivated, is one type alone scanned?"""
    v, priority, vmstat = ctx[st.X_TARGET], ctx[st.X_PRIORITY], pages.vmstat
    flush_stats(policy, pages)
    anon_ok = may_deactivate(policy, pages, v, 0) or ctx[st.X_FORCE] == 1
    file_ok = may_deactivate(policy, pages, v, 1) or ctx[st.X_FORCE] == 1
    ctx[MAY_DEACTIVATE] = 1 if anon_ok else 0
    ctx[MAY_DEACTIVATE + 1] = 1 if file_ok else 0
    files = vmstat[NR_INACTIVE_ANON + INACTIVE_FILE] + vmstat[NR_INACTIVE_ANON + ACTIVE_FILE]
    short = files + vmstat[NR_FREE_PAGES] <= sum_high_marks(pages)
    tiny = v == 0 and short and not anon_ok and vmstat[NR_INACTIVE_ANON] >> priority > 0
    ctx[FILE_IS_TINY] = 1 if tiny else 0
    ctx[CACHE_TRIM] = 1 if policy.num[v * OWN + STATS + INACTIVE_FILE] >> priority > 0 and not file_ok else 0


@compiled(int64(policy_t, pages_t, Numbers, int64))
def size_to_scan(policy, pages, ctx, which):
    """Pages of the lruvec's list in the zones up to X_INDEX, less what memory.low protects from the machine's reclaim."""
    v = ctx[st.X_LRUVEC]
    size = pages.cgroup[v, cg.LISTED + which]
    for z in range(ctx[st.X_INDEX] + 1, st.ZONES):
        size -= policy.num[v * OWN + ZONE_SIZES + LISTS * z + which]
    if v > 0 and ctx[st.X_TARGET] == 0 and ctx[st.X_LOW] < 2:
        size = cg.protected_scan(pages, v, size)
    return size


@compiled(int64(policy_t, pages_t, Numbers))
def begin(policy, pages, ctx):
    """How many pages of each list of a lruvec this pass scans: size >> priority, shared by the target's cost and swappiness."""
    v, target, priority = ctx[st.X_LRUVEC], ctx[st.X_TARGET], ctx[st.X_PRIORITY]
    if v == target:
        prepare(policy, pages, ctx)
    swappiness = pages.num[st.SWAPPINESS]
    # shares in parts of `whole`
    anon, file, whole = int64(1), int64(1), int64(1)
    if cg.swap_room(pages, v) <= 0 or ctx[st.X_BOOST_LEFT] > 0 or (target > 0 and swappiness == 0):
        anon = 0
    elif priority == 0 and swappiness > 0:
        pass
    elif ctx[FILE_IS_TINY]:
        file = 0
    elif ctx[CACHE_TRIM]:
        anon = 0
    else:
        num, at = policy.num, target * OWN
        total = num[at + ANON_COST] + num[at + FILE_COST]
        anon_cost, file_cost = total + num[at + ANON_COST], total + num[at + FILE_COST]
        both = anon_cost + file_cost
        anon = swappiness * (both + 1) // (anon_cost + 1)
        file = (200 - swappiness) * (both + 1) // (file_cost + 1)
        whole = anon + file
    for which in range(LISTS):
        share = anon if which < INACTIVE_FILE else file
        ctx[NR + which] = (size_to_scan(policy, pages, ctx, which) >> priority) * share // whole
        ctx[TARGET + which] = ctx[NR + which]
    ctx[LIST_AT] = 0
    ctx[RECLAIMED_BEFORE] = ctx[st.X_RECLAIMED]
    remember_slice(ctx, 0)
    return 0


@compiled(int64(policy_t, pages_t, Numbers, int64, int64))
def isolate_tail(policy, pages, ctx, which, n):
    """Take up to n pages from the tail of the lruvec's list into pages.window, oldest first; returns how many.

    Those passed over count as scanned.
    """
    frame, window, vmstat = pages.frame, pages.window, pages.vmstat
    taken = 0
    group = pages.cgroup[ctx[st.X_LRUVEC]]
    ctx[AHEAD] = group[cg.LISTED + which]
    passed = ctx[st.X_PASSED]
    while taken < n:
        f = next_of(policy, pages, ctx, which)
        if f < 0:
            break
        unlink(policy, pages, f, which)
        frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) & ~st.LRU
        window[taken] = f
        taken += 1
    passed = ctx[st.X_PASSED] - passed
    vmstat[PGSCAN_KSWAPD if ctx[st.X_KSWAPD] == 1 else PGSCAN_DIRECT] += passed
    group[cg.S_SCAN_KSWAPD if ctx[st.X_KSWAPD] == 1 else cg.S_SCAN_DIRECT] += passed
    vmstat[PGSCAN_ANON + which // 2] += passed
    return taken


@compiled(int64(policy_t, pages_t, Numbers))
def balance_types(policy, pages, ctx):
    """The goal is met: keep the two types in proportion to what was aimed at; 0 if the pass may stop now."""
    f = ctx[NR + INACTIVE_FILE] + ctx[NR + ACTIVE_FILE]
    a = ctx[NR + INACTIVE_ANON] + ctx[NR + ACTIVE_ANON]
    if f == 0 or a == 0:
        return 0
    smaller = INACTIVE_ANON if f > a else INACTIVE_FILE
    larger = INACTIVE_FILE if f > a else INACTIVE_ANON
    percent = min(f, a) * 100 // (ctx[TARGET + smaller] + ctx[TARGET + smaller + 1] + 1)
    ctx[NR + smaller] = 0
    ctx[NR + smaller + 1] = 0
    for which in range(larger, larger + 2):
        done = ctx[TARGET + which] - ctx[NR + which]
        left = ctx[TARGET + which] * (100 - percent) // 100
        ctx[NR + which] = left - min(left, done)
    return 1


@compiled(int64(policy_t, pages_t, Numbers))
def end_pass(policy, pages, ctx):
    """After the lists: a slice of active anonymous pages if the inactive list is low."""
    age(policy, pages, ctx)
    return -1


@compiled(int64(policy_t, pages_t, Numbers))
def charge_slice(policy, pages, ctx):
    """What the last slice cost its type: the pages written, and since 6.2 also those that were looked at and stayed."""
    written = ctx[st.X_STORED_OR_WRITTEN] + ctx[st.X_WRITTEN_FILE]
    cost = written
    if pages.num[st.KERNEL_612]:
        in_vain = ctx[st.X_SCANNED] - ctx[SLICE_SCANNED] - (ctx[st.X_RECLAIMED] - ctx[SLICE_RECLAIMED])
        cost = IO_COST * written + max(in_vain, 0)
    if cost > 0:
        note_cost(policy, ctx[st.X_LRUVEC], ctx[SLICE_FILE], cost)
    ctx[st.X_STORED_OR_WRITTEN] = ctx[st.X_WRITTEN_FILE] = 0
    return remember_slice(ctx, ctx[SLICE_FILE])


@compiled(int64(policy_t, pages_t, Numbers))
def isolate(policy, pages, ctx):
    """The next slice of the pass: lists in turn, 32 pages at a time."""
    ctx[st.X_AGED] = 0
    charge_slice(policy, pages, ctx)
    while True:
        which = ctx[LIST_AT]
        if which == 0 and ctx[NR + INACTIVE_ANON] == 0 and ctx[NR + ACTIVE_FILE] == 0 and ctx[NR + INACTIVE_FILE] == 0:
            return end_pass(policy, pages, ctx)
        if which == LISTS:
            ctx[LIST_AT] = 0
            met = ctx[st.X_RECLAIMED] - ctx[RECLAIMED_BEFORE] >= ctx[st.X_TO_RECLAIM]
            first_direct = ctx[st.X_KSWAPD] == 0 and ctx[st.X_TARGET] == 0 and ctx[st.X_PRIORITY] == DEF_PRIORITY
            if met and not first_direct and balance_types(policy, pages, ctx) == 0:
                return end_pass(policy, pages, ctx)
            continue
        ctx[LIST_AT] = which + 1
        n = min(ctx[NR + which], SWAP_CLUSTER_MAX)
        if n == 0:
            continue
        ctx[NR + which] -= n
        if which == INACTIVE_ANON or which == INACTIVE_FILE:
            ctx[SLICE_FILE] = 1 if which == INACTIVE_FILE else 0
            return isolate_tail(policy, pages, ctx, which, n)
        is_file = 1 if which == ACTIVE_FILE else 0
        if ctx[MAY_DEACTIVATE + is_file]:
            ctx[st.X_AGED] = deactivate(policy, pages, ctx, n, is_file)
            return 0
        ctx[st.X_SKIPPED] = 1


@compiled(int64(policy_t, pages_t, Numbers))
def finish(policy, pages, ctx):
    """Remember the refaults that the statistics show, so that the next run knows whether there were new ones.

    6.1 does not bring the statistics up to date here: refaults during the last pass are new to the next run, and at the start of a
    machine the lists pass for empty (*measured*: the first run of kswapd ages nothing in all guests of 6.1).
    """
    if pages.num[st.KERNEL_612]:  # whatever is due by the clock
        flush_stats(policy, pages)
    at = ctx[st.X_TARGET] * OWN
    policy.num[at + SEEN_ACTIVATE_ANON] = policy.num[at + STATS_ACTIVATE]
    policy.num[at + SEEN_ACTIVATE_FILE] = policy.num[at + STATS_ACTIVATE + 1]
    return 0


LINUX_LRU = PolicyModule(create, insert, remove, check, evicted, putback, begin, isolate, age, finish, accessed)
