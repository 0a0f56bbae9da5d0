"""Linux's multi-generational LRU (6.1 mm/vmscan.c, mm/workingset.c, with 6.12's differences; G.16 of the reference).

Pages are in two to four generations.  Aging makes a new youngest one, after it has moved all pages that the page tables say were used
into the one that was youngest; eviction takes from the oldest in batches of 64.  The lists are in models.policies.mglru_lists, aging in
mglru_walk, eviction in mglru_evict, the feedback of refaults in mglru_control.  Not modelled: the order in which 6.12 visits cgroups.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.jit import compiled
from models.memory import state as st
from models.memory.groups import S_ACTIVATE, lruvec_of
from models.memory.state import Numbers, pages_t, policy_t
from models.policies import mglru_control, mglru_lists
from models.policies.mglru_control import is_612, refault
from models.policies.mglru_evict import (
    DEF_PRIORITY,
    LAST,
    RECLAIMED_BEFORE,
    SEQ_BEFORE,
    SWAPPED,
    drop_empty,
    enough,
    evict_some,
    swappiness_of,
)
from models.policies.mglru_lists import (
    ANON,
    BATCH,
    BORN,
    DIRECT,
    FILE,
    LEAST,
    MAX_SEQ,
    MIN_SEQ,
    MIN_TTL,
    REFS,
    SIZE,
    TYPES,
    VERSION,
    add,
    base_of,
    generations,
    place_of,
    take_off,
)
from models.policies.mglru_walk import grow_older, uses_by_mappings
from models.policies.policy import PolicyModule
from models.vmstat import (
    NR_INACTIVE_ANON,
    NR_INACTIVE_FILE,
    PGACTIVATE,
    PGROTATED,
)

# ctx: this pass
STARTED = st.X_OWN  # 1 + pages that the last batch looked at
WANTED, LOOKED = st.X_OWN + 1, st.X_OWN + 2  # pages to look at, looked at before the last batch
AGING_DUE = st.X_OWN + 7
AGE_NEXT, AGE_NOW = st.X_OWN + 8, st.X_OWN + 9  # of kswapd's run: its next round, this round may age (6.1)


def create(frames: int, lruvecs: int = 1, min_ttl_ms: int = 0, version: Any = "auto") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Empty lists; version: "6.1", "6.12" or "auto", the machine's kernel."""
    table, head, num = mglru_lists.tables(frames, lruvecs)
    num[MIN_TTL] = min_ttl_ms * 1_000_000
    num[VERSION] = {"auto": 0, "6.1": 61, "6.12": 612}[str(version)]
    return table, head, num


@compiled(int64(policy_t, pages_t, int64, int64))
def insert(policy, pages, f, shadow):
    """A page that just got a frame; one that a task faulted in is hot."""
    policy.table[f, REFS] = 0
    if shadow >= 0:
        refault(policy, pages, f, shadow)
    if pages.num[st.IN_FAULT]:
        pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.ACTIVE
    add(policy, pages, f, 0)
    return 0


@compiled(int64(policy_t, pages_t, int64))
def remove(policy, pages, f):
    if pages.frame[f, st.FLAGS] & st.LRU:
        take_off(policy, pages, f)
    return 0


@compiled(int64(pages_t, int64))
def is_mapped(pages, f):
    """1 if some page table maps the frame."""
    if pages.frame[f, st.FLAGS] >> st.KIND_SHIFT == st.FILE:
        return 1 if pages.frame[f, st.MAPS] > 0 else 0
    p = int64(pages.frame[f, st.PAGE])
    return 1 if p >= 0 and pages.pte[p] > 0 and int64(pages.pte[p]) >> st.PTE_SHIFT == f else 0


@compiled(int64(policy_t, pages_t, int64))
def check(policy, pages, f):
    """A page found used stays; so does one that was found so since it was isolated (G.7's rules for the rest)."""
    frame = pages.frame
    if frame[f, st.FLAGS] & st.REFERENCED and is_mapped(pages, f):
        return st.KEEP
    found = uses_by_mappings(policy, pages, base_of(lruvec_of(pages, f)), f)
    flags = int64(frame[f, st.FLAGS])
    was_referenced = flags & st.REFERENCED  # looking around marks the page itself too
    if found == 0:
        frame[f, st.FLAGS] = flags & ~st.REFERENCED
        return st.RECLAIM_CLEAN if was_referenced and flags >> st.KIND_SHIFT == st.FILE else st.RECLAIM_IT
    frame[f, st.FLAGS] = flags | st.REFERENCED
    return st.ACTIVATE if was_referenced or found > 1 or flags & st.EXECUTABLE else st.KEEP


@compiled(int64(policy_t, pages_t, int64, int64))
def putback(policy, pages, f, verdict):
    """A page that eviction could not take is hot, unless it waits to be written; one whose writing ended goes first."""
    frame = pages.frame
    flags = int64(frame[f, st.FLAGS])
    if verdict == st.ROTATE:
        if flags & st.LRU and not flags & (st.DIRTY | st.LOCKED):
            take_off(policy, pages, f)
            add(policy, pages, f, 1)
            pages.vmstat[PGROTATED] += 1
        return 0
    if verdict == st.ACTIVATE:
        pages.vmstat[PGACTIVATE] += 1
        pages.cgroup[lruvec_of(pages, f), S_ACTIVATE] += 1
        flags |= st.ACTIVE
    if flags & st.RECLAIM and flags & (st.DIRTY | st.WRITEBACK):
        if flags & st.WORKINGSET:
            flags |= st.REFERENCED
    else:
        policy.table[f, REFS] = 0
        flags = flags & ~(st.REFERENCED | st.WORKINGSET) | st.ACTIVE
    frame[f, st.FLAGS] = flags
    add(policy, pages, f, 0)
    return 0


@compiled(int64(policy_t, int64, Numbers, int64))
def aging_due(policy, base, ctx, swap):
    """1 if there are no more than two generations of what can be evicted, or three and they are uneven; ctx[WANTED]: all pages."""
    num = policy.num
    youngest = num[base + MAX_SEQ]
    total, young, old = 0, 0, 0
    for kind in range(0 if swap else FILE, TYPES):
        for seq in range(num[base + MIN_SEQ + kind], youngest + 1):
            size = num[base + SIZE + place_of(seq) * TYPES + kind]
            total += size
            young += size if seq == youngest else 0
            old += size if seq + LEAST == youngest else 0
    ctx[WANTED] = total
    oldest = num[base + MIN_SEQ + (ANON if swap else FILE)]
    if oldest + LEAST != youngest:
        return 1 if oldest + LEAST > youngest else 0
    return 1 if young * LEAST > total or old * (LEAST + 2) < total else 0


@compiled(int64(policy_t, pages_t, Numbers, int64))
def scan_goal(policy, pages, ctx, swap):
    """How many pages the pass is to look at; 0: none.  6.12 ages here, 6.1 only for a task (kswapd: in `age`)."""
    lruvec = ctx[st.X_LRUVEC]
    base = base_of(lruvec)
    priority = ctx[st.X_PRIORITY]
    due = aging_due(policy, base, ctx, swap)
    out = policy.num[base + MIN_SEQ + (ANON if swap else FILE)] + LEAST > policy.num[base + MAX_SEQ]
    goal = ctx[WANTED] >> priority
    ctx[AGING_DUE] = due
    if not due:
        return goal
    if priority == DEF_PRIORITY:
        return int64(0) if out else goal
    if is_612(policy, pages):
        grow_older(policy, pages, lruvec, swap)
        return int64(0)
    if ctx[st.X_KSWAPD]:
        return int64(0)
    grow_older(policy, pages, lruvec, swap)
    return goal


@compiled(int64(policy_t, pages_t, Numbers))
def begin(policy, pages, ctx):
    """A pass begins; 6.12's kswapd starts at the urgency at which the inactive pages among all looked at would do."""
    base = base_of(ctx[st.X_LRUVEC])
    for x in (STARTED, LOOKED, LAST, SWAPPED):
        ctx[x] = 0
    ctx[RECLAIMED_BEFORE], ctx[SEQ_BEFORE] = ctx[st.X_RECLAIMED], policy.num[base + MAX_SEQ]
    machine = ctx[st.X_TARGET] == 0 and ctx[st.X_LRUVEC] == 0
    if machine and is_612(policy, pages) and ctx[st.X_PRIORITY] == DEF_PRIORITY and ctx[st.X_TO_RECLAIM] >= BATCH:
        inactive = pages.vmstat[NR_INACTIVE_FILE] + (pages.vmstat[NR_INACTIVE_ANON] if pages.num[st.SWAP_FREE] > 0 else 0)
        start, goal = int64(-1), ctx[st.X_TO_RECLAIM] - 1
        while inactive > 0:
            inactive, start = inactive >> 1, start + 1
        while goal > 0:
            goal, start = goal >> 1, start - 1
        ctx[st.X_PRIORITY] = min(max(start, DEF_PRIORITY // 2), DEF_PRIORITY)
    return 0


@compiled(int64(policy_t, pages_t, Numbers))
def end_pass(policy, pages, ctx):
    """A pass that got something and needs no aging spares kswapd's next round the look (6.1)."""
    if ctx[st.X_RECLAIMED] - ctx[RECLAIMED_BEFORE] >= BATCH and not ctx[AGING_DUE]:
        ctx[AGE_NEXT] = 0
    return -1


@compiled(int64(policy_t, pages_t, Numbers))
def isolate(policy, pages, ctx):
    """The next batch of the pass, until it has looked at enough, or nothing can be evicted."""
    ctx[st.X_AGED] = 0
    policy.num[DIRECT] = 1 - ctx[st.X_KSWAPD]  # for the checks of this batch: others may reclaim before the next
    if ctx[STARTED]:
        if ctx[STARTED] == 1:  # the last batch may not be followed by another
            return -1
        ctx[LOOKED] += ctx[STARTED] - 1
        if ctx[LOOKED] >= ctx[WANTED] or enough(policy, pages, ctx):
            return end_pass(policy, pages, ctx)
    if ctx[st.X_BOOST_LEFT] > 0 and is_612(policy, pages):
        return -1  # 6.12 does not reclaim what it may not write
    swappiness = swappiness_of(pages, ctx)
    swap = int64(swappiness > 0)
    goal = scan_goal(policy, pages, ctx, swap)
    if goal <= 0:
        return -1
    ctx[WANTED] = goal
    looked = evict_some(policy, pages, ctx, swappiness)
    looked += drop_empty(policy, ctx[st.X_LRUVEC], swap)
    if generations(policy, base_of(ctx[st.X_LRUVEC]), ANON if swap else FILE) == LEAST:
        looked = 0
    ctx[STARTED] = 1 + looked
    if looked == 0 and ctx[LAST] == 0:
        return -1
    return ctx[LAST]


@compiled(int64(policy_t, pages_t, Numbers))
def age(policy, pages, ctx):
    """kswapd's look at a lruvec before a round: 6.1 ages it.  If all of them are younger than min_ttl, ctx[X_OOM] stays set."""
    num = policy.num
    num[DIRECT] = 0
    lruvec, later = ctx[st.X_LRUVEC], is_612(policy, pages)
    base = base_of(lruvec)
    if lruvec == 0:
        ctx[AGE_NOW], ctx[AGE_NEXT] = later or ctx[AGE_NEXT], 1
        ctx[st.X_OOM] = 1 if ctx[AGE_NOW] and num[MIN_TTL] > 0 else 0
    if ctx[AGE_NOW] == 0:
        return 0
    swap = int64(swappiness_of(pages, ctx) > 0)
    due = aging_due(policy, base, ctx, swap)
    if num[MIN_TTL] > 0:
        born = num[base + BORN + place_of(num[base + MIN_SEQ + FILE])]
        small = ctx[WANTED] >> ctx[st.X_PRIORITY] == 0 and ctx[st.X_PRIORITY] != DEF_PRIORITY
        if pages.num[st.CLOCK] < born + num[MIN_TTL] or small:
            return 0
        ctx[st.X_OOM] = 0
    if due and not later:
        grow_older(policy, pages, lruvec, swap)
    return 0


@compiled(int64(policy_t, pages_t, Numbers))
def finish(policy, pages, ctx):
    """A run is over: the next begins without a hint."""
    ctx[AGE_NEXT] = 0
    return 0


MGLRU = PolicyModule(
    create,
    insert,
    remove,
    check,
    mglru_control.evicted,
    putback,
    begin,
    isolate,
    age,
    finish,
    mglru_control.accessed,
    mglru_lists.problems,
)
