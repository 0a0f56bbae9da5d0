"""Multi-generational LRU: what eviction takes from the oldest generation (Linux 6.1 mm/vmscan.c).

A batch is up to 64 pages of one type, zone by zone.  On the way pages are moved to where they belong: promoted ones, protected ones,
those of zones that do not count, those that are busy.
"""

from __future__ import annotations

from numba import int64

from models.jit import compiled, outlined
from models.memory import state as st
from models.memory.frames import zone_of
from models.memory.groups import S_REFILL, S_WS_ACTIVATE, swap_room
from models.memory.state import Numbers, pages_t, policy_t
from models.policies.mglru_control import SATURATED, carry_over, choose, is_612, tier_limit, tier_of, uses_of
from models.policies.mglru_lists import (
    ANON,
    BATCH,
    FILE,
    GEN,
    GENERATIONS,
    LEAST,
    LOOKED_AT,
    MAX_SEQ,
    MIN_SEQ,
    PROTECTED,
    REFS,
    TYPES,
    ZONES,
    base_of,
    cut,
    generations,
    link,
    list_of,
    lruvec_at,
    next_generation,
    place_of,
    relink,
    take_off,
    type_of,
)
from models.vmstat import INDEX, PGREFILL, WORKINGSET_ACTIVATE_ANON

# ctx: this pass
LAST = st.X_OWN + 3  # pages isolated by the last batch
RECLAIMED_BEFORE, SEQ_BEFORE = st.X_OWN + 4, st.X_OWN + 5  # when it began: pages reclaimed, the youngest generation
SWAPPED = st.X_OWN + 6  # it took anonymous pages

DEF_PRIORITY = 12
PASSED = 512  # scratch in pages.window: pages passed over
PGSKIP_DMA = INDEX["pgskip_dma"]  # and the zones above it


@compiled(int64(pages_t, Numbers))
def swappiness_of(pages, ctx):
    """0 if there is no swap to speak of; as low as can be while a watermark boost is reclaimed."""
    if swap_room(pages, ctx[st.X_LRUVEC]) < BATCH:
        return int64(0)
    return min(pages.num[st.SWAPPINESS], 1) if ctx[st.X_BOOST_LEFT] > 0 else pages.num[st.SWAPPINESS]


@compiled(int64(pages_t, Numbers, int64))
def needs_writing(pages, ctx, f):
    """1 for a page that cannot go without being written, while kswapd may not write."""
    if ctx[st.X_BOOST_LEFT] <= 0:
        return 0
    flags, p = int64(pages.frame[f, st.FLAGS]), int64(pages.frame[f, st.PAGE])
    if flags & st.DIRTY:
        return 1
    if flags >> st.KIND_SHIFT == st.FILE:
        return 0
    return 1 if pages.frame[f, st.SLOT] == 0 or (p >= 0 and pages.pte[p] > 0 and pages.pte[p] & st.PTE_DIRTY) else 0


@compiled(int64(policy_t, pages_t, int64, int64, int64, int64))
def sort(policy, pages, base, f, last_tier, highest):
    """Move a page that is not to be evicted to where it belongs; 0 if it is to be isolated."""
    num, flags = policy.num, int64(pages.frame[f, st.FLAGS])
    kind = type_of(flags)
    gen = int64(policy.table[f, GEN]) - 1
    if gen != place_of(num[base + MIN_SEQ + kind]):  # promoted meanwhile
        relink(policy, pages, f, gen, 0)
        return 1
    uses = uses_of(policy, pages, f)
    tier = tier_of(uses)
    if tier > last_tier or uses == SATURATED:
        relink(policy, pages, f, next_generation(policy, pages, f), 1)
        num[base + PROTECTED + 4 * kind + tier] += 1
        if not is_612(policy, pages):
            pages.vmstat[WORKINGSET_ACTIVATE_ANON + kind] += 1
            pages.cgroup[lruvec_at(base), S_WS_ACTIVATE + kind] += 1
        return 1
    if zone_of(pages, f) > highest:
        relink(policy, pages, f, next_generation(policy, pages, f), 1)
        return 1
    if flags & (st.LOCKED | st.WRITEBACK) or (kind == FILE and flags & st.DIRTY):
        relink(policy, pages, f, next_generation(policy, pages, f), 0)
        pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.RECLAIM
        return 1
    return 0


@compiled(int64(policy_t, pages_t, int64))
def isolate_page(policy, pages, f):
    """Take a page off the lists for eviction; uses that did not come by system calls are forgotten."""
    take_off(policy, pages, f)
    flags = int64(pages.frame[f, st.FLAGS])
    if flags & st.REFERENCED == 0:
        policy.table[f, REFS] = 0
        flags &= ~st.WORKINGSET
    pages.frame[f, st.FLAGS] = flags & ~(st.RECLAIM | st.REFERENCED)
    return f


@outlined(int64(policy_t, pages_t, Numbers, int64, int64))
def take_batch(policy, pages, ctx, kind, last_tier):
    """Up to 64 pages of a type's oldest generation into pages.window, zone by zone from the highest that counts downwards.

    Returns how many were looked at, 0 if none could be had; ctx[LAST] is how many were isolated, ctx[X_AGED] grows by those moved.
    """
    lruvec = ctx[st.X_LRUVEC]
    base = base_of(lruvec)
    head = policy.head
    ctx[LAST] = 0
    if generations(policy, base, kind) == LEAST:
        return int64(0)
    gen = place_of(policy.num[base + MIN_SEQ + kind])
    highest = ctx[st.X_INDEX]
    looked, isolated, moved = int64(0), int64(0), int64(0)
    for i in range(ZONES):
        zone = (highest - i) % ZONES
        which = list_of(lruvec, gen, kind, zone)
        skipped = 0
        while head[2 * which + 1] > 0 and looked < LOOKED_AT and isolated < BATCH and skipped < BATCH:
            f = int64(head[2 * which + 1]) - 1
            looked += 1
            if sort(policy, pages, base, f, last_tier, highest):
                moved += 1
            elif needs_writing(pages, ctx, f):
                cut(policy, pages, f)
                pages.window[PASSED + skipped] = f
                skipped += 1
            else:
                pages.window[isolated] = isolate_page(policy, pages, f)
                isolated += 1
        for k in range(skipped):
            link(policy, pages, int64(pages.window[PASSED + k]), which, 0)
        pages.vmstat[PGSKIP_DMA + zone] += skipped
    pages.vmstat[PGREFILL] += moved
    pages.cgroup[lruvec, S_REFILL] += moved
    ctx[st.X_AGED] += moved
    ctx[LAST] = isolated
    return looked if isolated > 0 or looked == LOOKED_AT else int64(0)


@compiled(int64(policy_t, pages_t, Numbers, int64))
def evict_some(policy, pages, ctx, swappiness):
    """Choose a type and take a batch of it, of the other type if there is none; returns how many pages were looked at."""
    base = base_of(ctx[st.X_LRUVEC])
    anon, file = policy.num[base + MIN_SEQ], policy.num[base + MIN_SEQ + FILE]
    kind, last_tier = FILE, int64(-1)
    if (swappiness > 0 and anon < file) or swappiness == 200:
        kind = ANON
    elif swappiness > 1:
        kind, last_tier = choose(policy, base, swappiness)
    for _ in range(TYPES if swappiness else 1):
        if last_tier < 0:
            last_tier = tier_limit(policy, base, kind)
        looked = take_batch(policy, pages, ctx, kind, last_tier)
        if looked > 0:
            ctx[SWAPPED] |= 1 if kind == ANON and ctx[LAST] > 0 else 0
            return looked
        kind, last_tier = 1 - kind, int64(-1)
    return int64(0)


@compiled(int64(policy_t, int64, int64))
def is_empty(policy, lruvec, which):
    """1 if no page is on the lists of generation and type `which` (generation * TYPES + type)."""
    for zone in range(ZONES):
        if policy.head[2 * ((lruvec * GENERATIONS * TYPES + which) * ZONES + zone)] > 0:
            return 0
    return 1


@compiled(int64(policy_t, int64, int64))
def drop_empty(policy, lruvec, swap):
    """The oldest generations that are empty are over; anonymous memory's is never younger than the files'.  1 if any was."""
    num, base = policy.num, base_of(lruvec)
    anon, file = num[base + MIN_SEQ], num[base + MIN_SEQ + FILE]
    youngest = num[base + MAX_SEQ]
    while swap and anon + LEAST <= youngest and is_empty(policy, lruvec, place_of(anon) * TYPES + ANON):
        anon += 1
    while file + LEAST <= youngest and is_empty(policy, lruvec, place_of(file) * TYPES + FILE):
        file += 1
    if swap:
        anon = min(anon, file)
        file = max(anon, num[base + MIN_SEQ + FILE])
    changed = 0
    for kind, seq in ((ANON, anon), (FILE, file)):
        if seq != num[base + MIN_SEQ + kind]:
            carry_over(policy, base, kind)
            num[base + MIN_SEQ + kind] = seq
            changed = 1
    return changed


@compiled(int64(pages_t, int64, int64))
def all_zones_above(pages, high, more):
    """1 if every zone has its mark (high or low) and so many free; `more` above 0: beside what is reserved, and one."""
    zone = pages.zone
    for z in range(zone.shape[0]):
        mark = (zone[z, st.WMARK_HIGH] if high else zone[z, st.WMARK_LOW]) + zone[z, st.BOOST]
        if more > 0:
            mark += more + zone[z, st.RESERVE] + 1
        if zone[z, st.MANAGED] > 0 and zone[z, st.ZONE_FREE] < mark:
            return 0
    return 1


@compiled(int64(policy_t, pages_t, Numbers))
def enough(policy, pages, ctx):
    """1 if the pass may stop before its goal: what was wanted is reclaimed, or the zones are well.

    A memory cgroup's own reclaim takes no account of zones; 6.12's never stops early.
    """
    got = ctx[st.X_RECLAIMED] - ctx[RECLAIMED_BEFORE]
    kswapd = ctx[st.X_KSWAPD]
    if is_612(policy, pages):
        if ctx[st.X_TARGET] > 0:
            return 0
        done = got if kswapd else ctx[st.X_RECLAIMED]
        if done >= max(ctx[st.X_TO_RECLAIM], 2):
            return 1
        return all_zones_above(pages, 1, BATCH) if kswapd else 0
    if kswapd:
        if ctx[st.X_RECLAIMED] - ctx[st.X_BEFORE] < ctx[st.X_TO_RECLAIM]:
            return 0
    else:
        aged = policy.num[base_of(ctx[st.X_LRUVEC]) + MAX_SEQ] - ctx[SEQ_BEFORE]
        if aged > 1 or (ctx[st.X_RECLAIMED] >= ctx[st.X_TO_RECLAIM] and ctx[SWAPPED]):
            return 1
        if ctx[st.X_TARGET] > 0:
            return 0
    if ctx[st.X_PRIORITY] > DEF_PRIORITY - 2 or not all_zones_above(pages, kswapd, 0):
        return 0
    ctx[st.X_RECLAIMED] += BATCH
    return 1
