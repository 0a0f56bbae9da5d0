"""Multi-generational LRU: aging by walking page tables, and looking around a page found young (Linux 6.1 mm/vmscan.c).

A walk visits the processes that ran since the last one and clears accessed bits; used pages are of the youngest generation from then
on.  It looks only at page tables that were worth it last time (Linux: a Bloom filter; here exactly), or where eviction met a young
neighbourhood since.  Simplifications: a page-table page's own accessed bit is not kept (Linux passes over one that was not used
since the last walk), and a page table is one area, but for file areas with advice, where recency says nothing.
"""

from __future__ import annotations

from numba import int64

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.frames import spend
from models.memory.groups import S_ACTIVATE, lruvec_of
from models.memory.rmap import area_of, process_of
from models.memory.state import pages_t, policy_t
from models.policies.mglru_control import Two, carry_over, is_612
from models.policies.mglru_lists import (
    ANON,
    BATCH,
    BORN,
    DIRECT,
    FILE,
    FILTERS,
    GEN,
    GENERATIONS,
    MAX_SEQ,
    MIN_SEQ,
    SIZE,
    TYPES,
    ZONES,
    add,
    base_of,
    count,
    generations,
    list_of,
    lruvec_at,
    next_generation,
    place_of,
    promote,
    relink,
    take_off,
)
from models.vmstat import PGACTIVATE

PER_LINE = 8  # page-table entries in a cache line: one young in each makes a table worth walking
SCRATCH = st.WINDOW - BATCH  # of pages.window
FEW = 15  # young neighbours below which a task moves each to the head itself
RAN, KNOWN = 1, 2  # of a process (st.WALKED): it ran since the last walk, a walk has been there


@compiled(int64(pages_t, int64, int64, int64, int64))
def take_young(pages, lruvec, process, p, swap):
    """Clear the accessed bit of virtual page p of a lruvec; its frame if it was set and says something, else -1.

    swap: anonymous pages count.
    """
    entry = int64(pages.pte[p])
    if entry <= 0 or entry & st.PTE_ACCESSED == 0:
        return int64(-1)
    f = entry >> st.PTE_SHIFT
    if lruvec_of(pages, f) != lruvec:
        return int64(-1)
    flags = int64(pages.frame[f, st.FLAGS])
    if flags >> st.KIND_SHIFT == st.FILE:
        where = area_of(pages, process, p)
        if where >= 0 and pages.area[where, fi.AREA_FLAGS] & (fi.RANDOM | fi.SEQUENTIAL):
            return int64(-1)
    elif flags >> st.KIND_SHIFT != st.ANON or not swap:
        return int64(-1)  # locked in memory
    elif flags & st.IDLE:
        pages.frame[f, st.FLAGS] = flags & ~(st.IDLE | st.YOUNG)
    pages.pte[p] = entry & ~st.PTE_ACCESSED
    return f


@compiled(int64(policy_t, pages_t, int64, int64, int64, int64, int64))
def walk_table(policy, pages, lruvec, process, block, swap, youngest):
    """Clear the accessed bits of one page table; 1 if there is a young entry in each cache line of it on average."""
    proc, per = pages.proc[process], pages.num[st.PAGES_PER_TABLE]
    low = block * per
    high = min(low + per, proc[st.FIRST_PAGE] + proc[st.PROC_PAGES])
    young = 0
    for p in range(low, high):
        f = take_young(pages, lruvec, process, p, swap)
        if f >= 0:
            promote(policy, pages, f, place_of(youngest))
            young += 1
    spend(pages, st.BY_DIRECT if policy.num[DIRECT] else st.BY_KSWAPD, pages.cost[st.C_AGE] * (high - low))
    return 1 if young * PER_LINE >= high - low else 0


@outlined(int64(policy_t, pages_t, int64, int64, int64, int64, int64))
def walk_process(policy, pages, base, process, force, swap, youngest):
    """Walk a process's page tables; those worth walking again are remembered for the next walk."""
    table, proc, per = pages.table, pages.proc[process], pages.num[st.PAGES_PER_TABLE]
    now, later = 1 << (youngest & 1), 1 << (youngest + 1 & 1)
    filtered = policy.num[base + FILTERS] & now and not force
    first = proc[st.FIRST_PAGE] // per
    last = (proc[st.FIRST_PAGE] + proc[st.PROC_PAGES] - 1) // per
    for block in range(first, last + 1):
        if table[block, 0] == 0 or (filtered and not table[block, st.WORTH] & now):
            continue
        if walk_table(policy, pages, lruvec_at(base), process, block, swap, youngest):
            table[block, st.WORTH] |= later
    return 0


@compiled(int64(pages_t, int64, int64))
def clear_filter(pages, lruvec, youngest):
    """Forget which tables of a lruvec's processes are worth walking when `youngest` is the youngest generation."""
    proc, per = pages.proc, pages.num[st.PAGES_PER_TABLE]
    for process in range(proc.shape[0]):
        if proc[process, st.CGROUP] == lruvec:
            first = proc[process, st.FIRST_PAGE]
            for block in range(first // per, (first + proc[process, st.PROC_PAGES] - 1) // per + 1):
                pages.table[block, st.WORTH] &= ~(1 << (youngest & 1))
    return 0


@outlined(int64(policy_t, pages_t, int64, int64))
def walk(policy, pages, base, swap):
    """Walk the page tables of all the lruvec's processes that ran since the last walk and hold at least 64 pages."""
    num, proc = policy.num, pages.proc
    lruvec = lruvec_at(base)
    youngest = num[base + MAX_SEQ]
    force, cleared = 0, 0
    for process in range(proc.shape[0]):
        if proc[process, st.CGROUP] != lruvec:
            continue
        was = proc[process, st.WALKED]
        if was & KNOWN == 0:
            force = 1  # it is new: all of its tables
        proc[process, st.WALKED] = KNOWN
        held = proc[process, st.RSS_FILE] + (proc[process, st.RSS] if swap else 0)
        if (was & RAN == 0 and not force) or held < BATCH:
            continue
        if not cleared:
            cleared = 1
            num[base + FILTERS] |= 1 << (youngest + 1 & 1)
            clear_filter(pages, lruvec, youngest + 1)
        walk_process(policy, pages, base, process, force, swap, youngest)
    return 0


@outlined(int64(policy_t, pages_t, int64, int64, int64))
def fold(policy, pages, lruvec, kind, swap):
    """Make the oldest of four generations part of the next: taken from its tail, put at the other's tail one by one."""
    base = base_of(lruvec)
    num, head = policy.num, policy.head
    oldest = place_of(num[base + MIN_SEQ + kind])
    if kind == FILE or swap:
        for zone in range(ZONES):
            which = list_of(lruvec, oldest, kind, zone)
            while head[2 * which + 1] > 0:
                f = int64(head[2 * which + 1]) - 1
                relink(policy, pages, f, next_generation(policy, pages, f), 1)
    carry_over(policy, base, kind)
    num[base + MIN_SEQ + kind] += 1
    return 0


@compiled(int64(policy_t, pages_t, int64))
def new_youngest(policy, pages, base):
    """A new youngest generation begins; the second youngest before it is no longer reported as active."""
    num, lruvec = policy.num, lruvec_at(base)
    before, new = place_of(num[base + MAX_SEQ] - 1), place_of(num[base + MAX_SEQ] + 1)
    for kind in range(TYPES):
        less = num[base + SIZE + before * TYPES + kind] - num[base + SIZE + new * TYPES + kind]
        count(pages, lruvec, 2 * kind, less)
        count(pages, lruvec, 2 * kind + 1, -less)
    num[base + BORN + new] = pages.num[st.CLOCK]
    num[base + MAX_SEQ] += 1
    return 0


@outlined(int64(policy_t, pages_t, int64, int64))
def grow_older(policy, pages, lruvec, swap):
    """One aging: a walk, folding where there are four generations, and a new youngest."""
    base = base_of(lruvec)
    walk(policy, pages, base, swap)
    for kind in (FILE, ANON):
        if generations(policy, base, kind) == GENERATIONS:
            fold(policy, pages, lruvec, kind, swap)
    return new_youngest(policy, pages, base)


@compiled(int64(policy_t, pages_t, int64, int64))
def pull_in(policy, pages, f, gen):
    """A neighbour found young by a task: moved to the head of the youngest generation at once."""
    take_off(policy, pages, f)
    pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.ACTIVE
    add(policy, pages, f, 0)
    pages.vmstat[PGACTIVATE] += 1
    pages.cgroup[lruvec_of(pages, f), S_ACTIVATE] += 1
    return gen


@compiled(Two(pages_t, int64, int64))
def bounds(pages, process, p):
    """First virtual page, and the one after the last, of the part of p's page table that is of one area or of none."""
    area, proc, per = pages.area, pages.proc[process], pages.num[st.PAGES_PER_TABLE]
    start = p // per * per
    end = min(start + per, proc[st.FIRST_PAGE] + proc[st.PROC_PAGES])
    for where in range(proc[st.AREA_FIRST], proc[st.AREA_FIRST] + proc[st.AREAS]):
        first = area[where, fi.AREA_START]
        after = first + area[where, fi.AREA_PAGES]
        if first > p:
            return start, min(end, first)
        if after > p:
            return max(start, first), min(end, after)
        start = max(start, after)
    return start, end


@outlined(int64(policy_t, pages_t, int64, int64, int64))
def look_around(policy, pages, base, process, p):
    """Virtual page p, of a page about to be evicted, is young: so may be the up to 64 entries around it in its table.  Their bits are
    cleared, their pages are of the youngest generation; a table with enough of them is walked next time."""
    per, window = pages.num[st.PAGES_PER_TABLE], pages.window
    start, end = bounds(pages, process, p)
    if end - start > BATCH:
        if p - start < BATCH // 2:
            end = start + BATCH
        elif end - p < BATCH // 2:
            start = end - BATCH
        else:
            start, end = p - BATCH // 2, p + BATCH // 2
    youngest = policy.num[base + MAX_SEQ]
    new = place_of(youngest)
    later = is_612(policy, pages)
    young, found = 0, 0
    for q in range(start, end):
        f = take_young(pages, lruvec_at(base), process, q, 1)
        if f < 0:
            continue
        young += 1
        if later and q == p:  # 6.12 takes the page's own bit beforehand, so that nothing marks the page
            continue
        if policy.table[f, GEN] == 0:
            promote(policy, pages, f, new)
        elif policy.table[f, GEN] != new + 1:
            window[SCRATCH + found] = f
            found += 1
    for i in range(found):
        f = int64(window[SCRATCH + i])
        if policy.num[DIRECT] and (found < FEW or later):
            pull_in(policy, pages, f, new)
        else:
            promote(policy, pages, f, new)
    if young * PER_LINE >= end - start:
        pages.table[p // per, st.WORTH] |= 1 << (youngest & 1)
    spend(pages, st.BY_DIRECT if policy.num[DIRECT] else st.BY_KSWAPD, pages.cost[st.C_AGE] * (end - start))
    return young


@compiled(int64(policy_t, pages_t, int64, int64, int64))
def mapping_used(policy, pages, base, f, p):
    """1 if virtual page p, which maps frame f, is young and counts; its bit is cleared, and those around it."""
    entry = int64(pages.pte[p])
    if entry & st.PTE_ACCESSED == 0:
        return 0
    process = process_of(pages, p)
    where = area_of(pages, process, p) if pages.frame[f, st.FLAGS] >> st.KIND_SHIFT == st.FILE else int64(-1)
    advice = pages.area[where, fi.AREA_FLAGS] if where >= 0 else int64(0)
    if advice & (fi.RANDOM | fi.SEQUENTIAL):
        pages.pte[p] = entry & ~st.PTE_ACCESSED
        return 0 if advice & fi.SEQUENTIAL else 1
    look_around(policy, pages, base, process, p)
    return 1


@compiled(int64(policy_t, pages_t, int64, int64))
def uses_by_mappings(policy, pages, base, f):
    """Test and clear the accessed bits of an isolated page's mappings; returns how many were set and count."""
    frame = pages.frame
    flags = int64(frame[f, st.FLAGS])
    if flags >> st.KIND_SHIFT != st.FILE:
        p = int64(frame[f, st.PAGE])
        if p < 0 or pages.pte[p] <= 0 or int64(pages.pte[p]) >> st.PTE_SHIFT != f:
            return int64(0)
        found = mapping_used(policy, pages, base, f, p)
        flags = int64(frame[f, st.FLAGS])
        if flags & st.YOUNG:  # the scan of idle ages has taken the bit
            frame[f, st.FLAGS] = flags & ~st.YOUNG
            return int64(1)
        return found
    found = int64(0)
    mapping = int64(frame[f, st.MAPS])
    while mapping > 0:
        found += mapping_used(policy, pages, base, f, mapping - 1)
        mapping = int64(pages.maps[mapping - 1, fi.MAP_NEXT])
    return found
