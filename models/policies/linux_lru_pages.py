"""One page on Linux 6.1's active and inactive lists: inserted, refaulting, given a second chance, evicted.

From mm/workingset.c, mm/vmscan.c and mm/swap.c.
"""

from __future__ import annotations

import numpy as np
from numba import int64, void

from models.jit import compiled
from models.memory import groups as cg
from models.memory import state as st
from models.memory.rmap import references
from models.memory.state import pages_t, policy_t
from models.policies.linux_lru_lists import (
    ACTIVE_ANON,
    ACTIVE_FILE,
    AGE,
    AGE_MASK,
    INACTIVE_ANON,
    INACTIVE_FILE,
    IO_COST,
    OWN,
    STATS,
    flush_stats,
    grow_old,
    list_of,
    note_cost,
    push_head,
    push_tail,
    unlink,
)
from models.vmstat import PGACTIVATE, PGROTATED, WORKINGSET_ACTIVATE_ANON, WORKINGSET_REFAULT_ANON, WORKINGSET_RESTORE_ANON

FLAG_BIT = 1  # of a shadow: workingset; the age stands above it


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
