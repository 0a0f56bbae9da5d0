"""Multi-generational LRU: state, the lists of the generations, and their sizes (Linux 6.1 mm/vmscan.c, include/linux/mm_inline.h).

A lruvec numbers its generations: `max_seq` is the youngest, `min_seq` the oldest of each type, two to four in between.  Number modulo
four is the place in the tables.  A page's generation (GEN) can be changed by whoever finds it used, without touching a list: it stays
where it is (PLACE) until eviction or folding meets it.  Each generation has one list a type and zone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, void

from models.jit import compiled
from models.memory import state as st
from models.memory.frames import zone_of
from models.memory.groups import LISTED, lruvec_of
from models.memory.state import pages_t, policy_t
from models.vmstat import NR_INACTIVE_ANON

GENERATIONS, LEAST, TYPES, TIERS, ZONES = 4, 2, 2, 4, 4  # LEAST: generations that are never evicted from
ANON, FILE = 0, 1
BATCH = 64  # pages isolated at a time
LOOKED_AT = 4096  # pages looked at for it, or folded, at most
REFS_MOST = 3  # the use counter has two bits

# table: columns of one frame (int32)
GEN = 0  # place of its generation + 1; 0: on no list
PLACE = 1  # the list that it is on
REFS = 2  # uses through system calls beyond the second, at most REFS_MOST
COLUMNS = 3

# num: first the options, then a stretch for each lruvec (int64)
MIN_TTL = 0  # ns; 0: off
VERSION = 1  # 0: as the machine's kernel; 61, 612
DIRECT = 2  # the present pass is a task's
FIRST = 8
MAX_SEQ, MIN_SEQ, FILTERS = 0, 1, 3  # MIN_SEQ: of anon, file; FILTERS: bit of each filter that exists
BORN = 4  # ns, of each generation
SIZE = 8  # pages, by generation and type
EVICTED, PROTECTED, REFAULTED, AVG_REFAULTED, AVG_TOTAL = 16, 24, 32, 40, 48  # by type and tier
LRUVEC_NUMBERS = 64


def tables(frames: int, lruvecs: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Empty lists: (table, head, num); the machine starts with four generations, the youngest being number 3."""
    lists = lruvecs * GENERATIONS * TYPES * ZONES
    num = np.zeros(FIRST + lruvecs * LRUVEC_NUMBERS, np.int64)
    num[FIRST + MAX_SEQ :: LRUVEC_NUMBERS] = LEAST + 1
    return np.zeros((frames, COLUMNS), np.int32), np.zeros(2 * lists, np.int32), num


@compiled(int64(int64))
def base_of(lruvec):
    """Where a lruvec's numbers begin."""
    return FIRST + lruvec * LRUVEC_NUMBERS


@compiled(int64(int64))
def lruvec_at(base):
    """The lruvec whose numbers begin there."""
    return (base - FIRST) // LRUVEC_NUMBERS


@compiled(int64(int64))
def place_of(seq):
    """A generation's place in the tables."""
    return seq % GENERATIONS


@compiled(int64(int64))
def type_of(flags):
    """ANON or FILE, of a frame with these flags."""
    return FILE if flags >> st.KIND_SHIFT == st.FILE else ANON


@compiled(int64(policy_t, int64, int64))
def generations(policy, base, kind):
    """How many generations a type has."""
    return policy.num[base + MAX_SEQ] - policy.num[base + MIN_SEQ + kind] + 1


@compiled(int64(policy_t, int64, int64))
def is_active(policy, base, gen):
    """1 for the two youngest generations, which are reported as active."""
    youngest = policy.num[base + MAX_SEQ]
    return 1 if gen == place_of(youngest) or gen == place_of(youngest - 1) else 0


@compiled(int64(int64, int64, int64, int64))
def list_of(lruvec, gen, kind, zone):
    """The number of a list."""
    return ((lruvec * GENERATIONS + gen) * TYPES + kind) * ZONES + zone


@compiled(void(pages_t, int64, int64, int64))
def count(pages, lruvec, which, change):
    """So many more pages of a lruvec are of what is called inactive or active (which: as nr_inactive_anon and the three after it)."""
    pages.vmstat[NR_INACTIVE_ANON + which] += change
    pages.cgroup[lruvec, LISTED + which] += change


@compiled(void(policy_t, pages_t, int64, int64, int64, int64))
def count_move(policy, pages, base, kind, old, new):
    """A page leaves generation `old` for `new` (-1: none): sizes, and what /proc/vmstat calls active and inactive."""
    num = policy.num
    if old >= 0:
        num[base + SIZE + old * TYPES + kind] -= 1
        count(pages, lruvec_at(base), 2 * kind + is_active(policy, base, old), -1)
    if new >= 0:
        num[base + SIZE + new * TYPES + kind] += 1
        count(pages, lruvec_at(base), 2 * kind + is_active(policy, base, new), 1)


@compiled(void(policy_t, pages_t, int64, int64, int64))
def link(policy, pages, f, which, at_tail):
    """Put a frame at the head or the tail of a list."""
    frame, head = pages.frame, policy.head
    policy.table[f, PLACE] = which
    own, other = (st.PREV, st.NEXT) if at_tail else (st.NEXT, st.PREV)
    end = 2 * which + (1 if at_tail else 0)
    neighbour = head[end]
    frame[f, own] = neighbour
    frame[f, other] = 0
    if neighbour > 0:
        frame[neighbour - 1, other] = f + 1
    else:
        head[2 * which + (0 if at_tail else 1)] = f + 1
    head[end] = f + 1


@compiled(void(policy_t, pages_t, int64))
def cut(policy, pages, f):
    """Take a frame off the list that it is on."""
    frame, head = pages.frame, policy.head
    which = int64(policy.table[f, PLACE])
    after, before = frame[f, st.NEXT], frame[f, st.PREV]
    if before > 0:
        frame[before - 1, st.NEXT] = after
    else:
        head[2 * which] = after
    if after > 0:
        frame[after - 1, st.PREV] = before
    else:
        head[2 * which + 1] = before


@compiled(void(policy_t, pages_t, int64, int64, int64))
def relink(policy, pages, f, gen, at_tail):
    """Move a frame to the head or the tail of its type's list of a generation."""
    cut(policy, pages, f)
    kind = type_of(int64(pages.frame[f, st.FLAGS]))
    link(policy, pages, f, list_of(lruvec_of(pages, f), gen, kind, zone_of(pages, f)), at_tail)


@compiled(void(policy_t, pages_t, int64, int64))
def set_generation(policy, pages, f, new):
    """A listed page is of another generation from now on, and its uses are forgotten; it stays on its list."""
    frame, table = pages.frame, policy.table
    flags = int64(frame[f, st.FLAGS])
    old = int64(table[f, GEN]) - 1
    frame[f, st.FLAGS] = flags & ~(st.REFERENCED | st.WORKINGSET)
    table[f, REFS] = 0
    table[f, GEN] = new + 1
    if old != new:
        count_move(policy, pages, base_of(lruvec_of(pages, f)), type_of(flags), old, new)


@compiled(void(policy_t, pages_t, int64, int64))
def promote(policy, pages, f, new):
    """A page was found used: its generation is `new`; reclaim, if it has isolated the page, is told."""
    if policy.table[f, GEN] == 0:
        pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.REFERENCED
    else:
        set_generation(policy, pages, f, new)


@compiled(int64(policy_t, pages_t, int64))
def next_generation(policy, pages, f):
    """A page of the oldest generation goes to the next, unless it was promoted meanwhile; returns its generation's place."""
    base = base_of(lruvec_of(pages, f))
    oldest = place_of(policy.num[base + MIN_SEQ + type_of(int64(pages.frame[f, st.FLAGS]))])
    gen = int64(policy.table[f, GEN]) - 1
    if gen != oldest:
        return gen
    set_generation(policy, pages, f, (oldest + 1) % GENERATIONS)
    return (oldest + 1) % GENERATIONS


@compiled(void(policy_t, pages_t, int64, int64))
def add(policy, pages, f, rotated):
    """Put a page on a list: a hot one is of the youngest generation, one that waits to be written of the second youngest, others are
    of the oldest or, if there are four generations, of the second oldest.  `rotated`: it is to go first, so the oldest's tail."""
    frame = pages.frame
    flags = int64(frame[f, st.FLAGS])
    lruvec, kind = lruvec_of(pages, f), type_of(flags)
    base = base_of(lruvec)
    youngest, oldest = policy.num[base + MAX_SEQ], policy.num[base + MIN_SEQ + kind]
    if flags & st.ACTIVE:
        seq = youngest
    elif (kind == ANON and frame[f, st.SLOT] == 0) or (flags & st.RECLAIM and flags & (st.DIRTY | st.WRITEBACK)):
        seq = youngest - 1
    elif rotated or oldest + LEAST >= youngest:
        seq = oldest
    else:
        seq = oldest + 1
    gen = place_of(seq)
    frame[f, st.FLAGS] = flags & ~st.ACTIVE | st.LRU
    policy.table[f, GEN] = gen + 1
    count_move(policy, pages, base, kind, -1, gen)
    link(policy, pages, f, list_of(lruvec, gen, kind, zone_of(pages, f)), rotated)


@compiled(void(policy_t, pages_t, int64))
def take_off(policy, pages, f):
    """Take a page off the lists altogether."""
    flags = int64(pages.frame[f, st.FLAGS])
    cut(policy, pages, f)
    count_move(policy, pages, base_of(lruvec_of(pages, f)), type_of(flags), int64(policy.table[f, GEN]) - 1, -1)
    policy.table[f, GEN] = 0
    pages.frame[f, st.FLAGS] = flags & ~st.LRU


def problems(made: tuple[np.ndarray, ...], arrays: Any) -> list[str]:
    """What is wrong with the lists, in words: each page on one list of its type and zone, generations within bounds, sizes right."""
    bad = []
    table, head, num = made
    flags = arrays.frame[:, st.FLAGS]
    listed = np.flatnonzero(flags & st.LRU)
    if not np.array_equal(listed, np.flatnonzero(table[:, GEN])):
        bad.append("the pages of a generation are not those on the lists")
    kind = (flags[listed] >> st.KIND_SHIFT == st.FILE).astype(int)
    gen = table[listed, GEN] - 1
    present = np.flatnonzero(arrays.zone[:, st.MANAGED])
    zone = present[np.searchsorted(arrays.zone[present, st.FIRST_FRAME], listed, "right") - 1]
    if (table[listed, PLACE] % ZONES != zone).any() or (table[listed, PLACE] // ZONES % TYPES != kind).any():
        bad.append("a page is on a list of another type or zone")
    own = arrays.frame_group[listed] if arrays.num[st.GROUPS] else np.zeros(len(listed), int)
    if (table[listed, PLACE] // (ZONES * TYPES * GENERATIONS) != own).any():
        bad.append("a page is on a list of another lruvec")
    for lruvec, base in enumerate(range(FIRST, len(num), LRUVEC_NUMBERS)):
        youngest, oldest = num[base + MAX_SEQ], num[base + MIN_SEQ : base + MIN_SEQ + TYPES]
        if ((youngest - oldest + 1 < LEAST) | (youngest - oldest + 1 > GENERATIONS)).any() or oldest[ANON] > oldest[FILE]:
            bad.append(f"generations {oldest.tolist()} to {youngest}")
        sizes = np.bincount((gen * TYPES + kind)[own == lruvec], minlength=GENERATIONS * TYPES)
        counted = num[base + SIZE : base + SIZE + GENERATIONS * TYPES]
        if not np.array_equal(sizes, counted):
            bad.append(f"generations hold {sizes.tolist()} pages, counted {counted.tolist()}")
        for which in range(TYPES):
            hot = int(sum(sizes[seq % GENERATIONS * TYPES + which] for seq in (youngest, youngest - 1)))
            rest = int(sizes[which::TYPES].sum()) - hot
            told = arrays.cgroup[lruvec, LISTED + 2 * which : LISTED + 2 * which + 2].tolist()
            if told != [rest, hot]:
                bad.append(f"{rest} inactive and {hot} active pages of type {which}, counted {told}")
    places = np.bincount(table[listed, PLACE], minlength=len(head) // 2)
    if not np.array_equal(places > 0, head[::2] > 0) or not np.array_equal(places > 0, head[1::2] > 0):
        bad.append("a list has no head or no tail, or one that is not its own")
    return bad
