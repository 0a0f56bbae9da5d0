"""Linux 6.1's active and inactive lists (mm/vmscan.c, mm/workingset.c, mm/swap.c; not multi-generational LRU).

Four lists, inactive and active for anonymous and file pages.  New anonymous pages enter the inactive list; a page found
accessed gets a second chance, a page found accessed twice is activated; refaults within the size of the resident set go
straight to the active list; pages of executable mappings stay active while they are used.  Each memory cgroup has lists of its own
(a lruvec, models.memory.groups); the root's costs, ages and refaults are those of all.  Not modelled: per-CPU batches of list additions.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled
from models.memory import groups as cg
from models.memory import state as st
from models.memory.frames import frames_up_to, note, zone_of
from models.memory.rmap import references
from models.memory.state import Numbers, pages_t, policy_t
from models.policies.linux_lru_lists import (
    ACTIVE_ANON,
    ACTIVE_FILE,
    ANON_COST,
    FILE_COST,
    HEADS,
    INACTIVE_ANON,
    INACTIVE_FILE,
    IO_COST,
    LISTS,
    OWN,
    SEEN_ACTIVATE_ANON,
    SEEN_ACTIVATE_FILE,
    STATS,
    STATS_ACTIVATE,
    TAIL,
    ZONE_SIZES,
    create,
    flush_stats,
    grow_old,
    note_cost,
    push_head,
    unlink,
)
from models.policies.linux_lru_pages import accessed, check, evicted, inactive_is_low, insert, putback, remove
from models.policies.policy import PolicyModule
from models.vmstat import (
    NR_FREE_PAGES,
    NR_INACTIVE_ANON,
    PGDEACTIVATE,
    PGREFILL,
    PGSCAN_ANON,
    PGSCAN_DIRECT,
    PGSCAN_KSWAPD,
    PGSKIP_DMA,
)

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
