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
from models.memory.frames import note
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
OWN = 8
AGE = 0  # nonresident age: evictions and activations
ANON_COST, FILE_COST = 1, 2
SEEN_ACTIVATE_ANON, SEEN_ACTIVATE_FILE = 3, 4  # workingset_activate_* when a run of reclaim last ended

# ctx: this pass
NR, TARGET = st.X_OWN, st.X_OWN + LISTS
LIST_AT = st.X_OWN + 8
RECLAIMED_BEFORE = st.X_OWN + 9
MAY_DEACTIVATE = st.X_OWN + 10  # anon, then file
FILE_IS_TINY, CACHE_TRIM = st.X_OWN + 12, st.X_OWN + 13

SWAP_CLUSTER_MAX = 32
DEF_PRIORITY = 12
AGE_MASK = (1 << 30) - 1
FLAG_BIT = 1  # of a shadow: workingset; the age stands above it


def create(frames: int, lruvecs: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Empty lists; links live in the frame table."""
    return np.zeros((1, 1), np.int32), np.zeros(HEADS * lruvecs, np.int32), np.zeros(OWN * lruvecs, np.int64)


@compiled(void(pages_t, int64, int64, int64))
def count(pages, v, which, change):
    """The list of lruvec v grows."""
    pages.vmstat[NR_INACTIVE_ANON + which] += change
    pages.cgroup[v, cg.LISTED + which] += change


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
    count(pages, v, which, 1)


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
    count(pages, v, which, 1)


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
    count(pages, v, which, -1)


@compiled(int64(int64))
def list_of(flags):
    """The list that a page with these flags belongs to."""
    which = INACTIVE_FILE if flags >> st.KIND_SHIFT == st.FILE else INACTIVE_ANON
    return which + (1 if flags & st.ACTIVE else 0)


@compiled(void(policy_t, int64, int64))
def grow_old(policy, v, n):
    """The nonresident age of lruvec v, and of the root above it."""
    policy.num[v * OWN + AGE] += n
    if v > 0:
        policy.num[AGE] += n


@compiled(void(policy_t, pages_t, int64, int64, int64))
def cost_of_lruvec(policy, pages, v, is_file, cost):
    """Charge reclaim's cost to a type of page of one lruvec, and let both costs decay."""
    num = policy.num
    at = v * OWN
    num[at + ANON_COST + is_file] += cost
    total = 0
    for which in range(LISTS):
        total += cg.list_size(pages, v, which)
    if num[at + ANON_COST] + num[at + FILE_COST] > total // 4:
        num[at + ANON_COST] //= 2
        num[at + FILE_COST] //= 2


@compiled(int64(policy_t, pages_t, int64, int64, int64))
def note_cost(policy, pages, v, is_file, cost):
    """Charge reclaim's cost to a type of page of lruvec v and of the root (mm/swap.c)."""
    if v > 0:
        cost_of_lruvec(policy, pages, v, is_file, cost)
    cost_of_lruvec(policy, pages, 0, is_file, cost)
    return 0


@compiled(int64(policy_t, pages_t, int64, int64))
def refault(policy, pages, f, shadow):
    """A page comes back: flags to add, ACTIVE if it was away for less than the resident set is large.

    Age and size are those of the lruvec whose reclaim evicted it; the counters, those of the page's own.
    """
    vmstat = pages.vmstat
    v, by = cg.lruvec_of(pages, f), shadow >> cg.SHADOW_LRUVEC
    group = pages.cgroup[v]
    is_file = 1 if pages.frame[f, st.FLAGS] >> st.KIND_SHIFT == st.FILE else 0
    vmstat[WORKINGSET_REFAULT_ANON + is_file] += 1
    group[cg.S_REFAULT + is_file] += 1
    distance = (policy.num[by * OWN + AGE] - (shadow >> 1)) & AGE_MASK
    size = cg.list_size(pages, by, ACTIVE_FILE)
    swap = cg.swap_room(pages, by) > 0
    if is_file == 0:
        size += cg.list_size(pages, by, INACTIVE_FILE)
    if swap:
        size += cg.list_size(pages, by, ACTIVE_ANON)
        if is_file == 1:
            size += cg.list_size(pages, by, INACTIVE_ANON)
    if distance > size:
        return 0
    grow_old(policy, v, 1)
    vmstat[WORKINGSET_ACTIVATE_ANON + is_file] += 1
    group[cg.S_WS_ACTIVATE + is_file] += 1
    if shadow & FLAG_BIT == 0:
        return st.ACTIVE
    vmstat[WORKINGSET_RESTORE_ANON + is_file] += 1
    group[cg.S_RESTORE + is_file] += 1
    note_cost(policy, pages, v, is_file, 1)
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
        pages.vmstat[PGACTIVATE] += 1
        v = cg.lruvec_of(pages, f)
        pages.cgroup[v, cg.S_ACTIVATE] += 1
        grow_old(policy, v, 1)
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
        pages.vmstat[PGACTIVATE] += 1
        v = cg.lruvec_of(pages, f)
        pages.cgroup[v, cg.S_ACTIVATE] += 1
        grow_old(policy, v, 1)
    frame[f, st.FLAGS] = flags
    push_head(policy, pages, f, list_of(flags))
    return 0


@compiled(int64(pages_t, int64, int64))
def inactive_is_low(pages, v, is_file):
    """1 if the inactive list is too short against the active one: 1:1 below a GiB, then the square root of ten a GiB."""
    inactive = cg.list_size(pages, v, 2 * is_file)
    active = cg.list_size(pages, v, 2 * is_file + 1)
    gib = (inactive + active) * pages.num[st.PAGE_SIZE] >> 30
    ratio = 1
    if gib > 0:
        ratio = int64(np.sqrt(10.0 * gib))
    return 1 if inactive * ratio < active else 0


@compiled(int64(policy_t, pages_t, int64, int64, int64))
def deactivate(policy, pages, v, n, is_file):
    """Move up to n pages from the active tail of lruvec v to its inactive head; returns how many."""
    frame, head, window = pages.frame, policy.head, pages.window
    active = ACTIVE_ANON + 2 * is_file
    moved, kept = 0, 0
    tail = v * HEADS + TAIL + active
    while moved + kept < n and head[tail] > 0:
        f = int64(head[tail]) - 1
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
    pages.vmstat[PGREFILL] += moved + kept
    pages.vmstat[PGDEACTIVATE] += moved
    pages.cgroup[v, cg.S_REFILL] += moved + kept
    pages.cgroup[v, cg.S_DEACTIVATE] += moved
    return moved + kept


@compiled(int64(policy_t, pages_t, Numbers))
def age(policy, pages, ctx):
    """kswapd's background aging: a slice of active anonymous pages while the inactive list is low."""
    v = ctx[st.X_LRUVEC]
    ctx[st.X_AGED] = 0
    if pages.num[st.SWAP_TOTAL] > 0 and inactive_is_low(pages, v, 0):
        ctx[st.X_AGED] = deactivate(policy, pages, v, SWAP_CLUSTER_MAX, 0)
    return ctx[st.X_AGED]


@compiled(int64(policy_t, pages_t, int64, int64))
def may_deactivate(policy, pages, v, is_file):
    """1 if refaults of this type were activated since the last run, or its inactive list is low."""
    if cg.activated(pages, v, is_file) != policy.num[v * OWN + SEEN_ACTIVATE_ANON + is_file]:
        return 1
    return inactive_is_low(pages, v, is_file)


@compiled(int64(pages_t))
def sum_high_marks(pages):
    total = 0
    for z in range(pages.zone.shape[0]):
        total += pages.zone[z, st.WMARK_HIGH]
    return total


@compiled(void(policy_t, pages_t, Numbers))
def prepare(policy, pages, ctx):
    """What holds for a whole pass, by the target's lists and all below it: may active pages be deactivated, is one type alone scanned?"""
    v, priority = ctx[st.X_TARGET], ctx[st.X_PRIORITY]
    anon_ok = may_deactivate(policy, pages, v, 0) or ctx[st.X_FORCE] == 1
    file_ok = may_deactivate(policy, pages, v, 1) or ctx[st.X_FORCE] == 1
    ctx[MAY_DEACTIVATE] = 1 if anon_ok else 0
    ctx[MAY_DEACTIVATE + 1] = 1 if file_ok else 0
    inactive_file = cg.list_size(pages, v, INACTIVE_FILE)
    vmstat = pages.vmstat
    files = vmstat[NR_INACTIVE_ANON + INACTIVE_FILE] + vmstat[NR_INACTIVE_ANON + ACTIVE_FILE]
    short = files + vmstat[NR_FREE_PAGES] <= sum_high_marks(pages)
    tiny = v == 0 and short and not anon_ok and vmstat[NR_INACTIVE_ANON] >> priority > 0
    ctx[FILE_IS_TINY] = 1 if tiny else 0
    ctx[CACHE_TRIM] = 1 if inactive_file >> priority > 0 and not file_ok else 0


@compiled(int64(policy_t, pages_t, Numbers))
def begin(policy, pages, ctx):
    """How many pages of each list this pass scans (get_scan_count): size >> priority, shared by the target's cost and swappiness."""
    v, target, priority = ctx[st.X_LRUVEC], ctx[st.X_TARGET], ctx[st.X_PRIORITY]
    if v == target:
        prepare(policy, pages, ctx)
    swappiness = pages.num[st.SWAPPINESS]
    # shares in parts of `whole`
    anon, file, whole = int64(1), int64(1), int64(1)
    if cg.swap_room(pages, v) <= 0 or (target > 0 and swappiness == 0):
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
        size = pages.cgroup[v, cg.LISTED + which]
        if v > 0 and target == 0 and ctx[st.X_LOW] < 2:
            size = cg.protected_scan(pages, v, size)
        ctx[NR + which] = (size >> priority) * share // whole
        ctx[TARGET + which] = ctx[NR + which]
    ctx[LIST_AT] = 0
    ctx[RECLAIMED_BEFORE] = ctx[st.X_RECLAIMED]
    return 0


@compiled(int64(policy_t, pages_t, int64, int64, int64))
def isolate_tail(policy, pages, v, which, n):
    """Take up to n pages from a list's tail into pages.window, oldest first; returns how many."""
    frame, head, window = pages.frame, policy.head, pages.window
    taken = 0
    tail = v * HEADS + TAIL + which
    while taken < n and head[tail] > 0:
        f = int64(head[tail]) - 1
        unlink(policy, pages, f, which)
        frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) & ~st.LRU
        window[taken] = f
        taken += 1
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
def isolate(policy, pages, ctx):
    """The next slice of the pass: lists in turn, 32 pages at a time."""
    v = ctx[st.X_LRUVEC]
    ctx[st.X_AGED] = 0
    if ctx[st.X_STORED_OR_WRITTEN] > 0:
        note_cost(policy, pages, v, 0, ctx[st.X_STORED_OR_WRITTEN])
        ctx[st.X_STORED_OR_WRITTEN] = 0
    if ctx[st.X_WRITTEN_FILE] > 0:
        note_cost(policy, pages, v, 1, ctx[st.X_WRITTEN_FILE])
        ctx[st.X_WRITTEN_FILE] = 0
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
            return isolate_tail(policy, pages, v, which, n)
        is_file = 1 if which == ACTIVE_FILE else 0
        if ctx[MAY_DEACTIVATE + is_file]:
            ctx[st.X_AGED] = deactivate(policy, pages, v, n, is_file)
            return 0
        ctx[st.X_SKIPPED] = 1


@compiled(int64(policy_t, pages_t, Numbers))
def finish(policy, pages, ctx):
    """Remember the refaults seen, so that the next run knows whether there were new ones."""
    v = ctx[st.X_TARGET]
    for is_file in range(2):
        policy.num[v * OWN + SEEN_ACTIVATE_ANON + is_file] = cg.activated(pages, v, is_file)
    return 0


LINUX_LRU = PolicyModule(create, insert, remove, check, evicted, putback, begin, isolate, age, finish, accessed)
