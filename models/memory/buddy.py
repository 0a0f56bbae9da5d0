"""The buddy allocator of a zone: free blocks of 1 to 1024 frames by migrate type (Linux 6.1 mm/page_alloc.c; pagecache.md E.2-E.4).

A page block of 512 frames has a type: what it holds mostly.  Free memory lies on the lists of the type that its page block had when it
was freed.  A request whose type has no free block takes one of another type, and the page block with it if it is mostly free or
alike; such an event raises the zone's watermarks for a while (boost), so that kswapd makes room before types mix further.
Where a page block does not turn, 6.1 hands over all that is free in it.  Since 6.10 free memory always lies on the lists of its page
block's type, so that such a request gets a single frame, of the largest block, and the next one mixes again: more boosts.

Numbers of frames are physical: blocks of order o begin at multiples of 1 << o, zones at multiples of 1024.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import state as st
from models.memory.state import pages_t

ORDERS = 11
LARGEST = 10
BLOCK_ORDER = 9
BLOCK_SHIFT, BLOCK_FRAMES = 9, 512
STEAL_ORDER = 4  # from this order on a movable request takes over whatever else is free in the page block

# buddy: rows (zone * ORDERS + order) * TYPES + type, columns (int64)
HEAD, TAIL, BLOCKS = 0, 1, 2  # frame + 1, 0 none; blocks on the list
BUDDY_COLUMNS = 3

LEAST_MANAGED = 4 * BLOCK_FRAMES  # zones below are not boosted


@compiled(int64(int64, int64, int64))
def row_of(z, order, kind):
    """The row of a free list."""
    return (z * ORDERS + order) * st.TYPES + kind


@compiled(void(pages_t, int64, int64, int64, int64, int64))
def put_block(pages, z, f, order, kind, tail):
    """Put a free block on a list, at its tail or head."""
    frame = pages.frame
    row = pages.buddy[row_of(z, order, kind)]
    frame[f, st.PAGE] = order + 1
    frame[f, st.SLOT] = kind
    if tail:
        last = row[TAIL]
        frame[f, st.PREV], frame[f, st.NEXT] = last, 0
        if last > 0:
            frame[last - 1, st.NEXT] = f + 1
        else:
            row[HEAD] = f + 1
        row[TAIL] = f + 1
    else:
        first = row[HEAD]
        frame[f, st.NEXT], frame[f, st.PREV] = first, 0
        if first > 0:
            frame[first - 1, st.PREV] = f + 1
        else:
            row[TAIL] = f + 1
        row[HEAD] = f + 1
    row[BLOCKS] += 1


@compiled(void(pages_t, int64, int64))
def take_block(pages, z, f):
    """Take a free block off its list."""
    frame = pages.frame
    row = pages.buddy[row_of(z, int64(frame[f, st.PAGE]) - 1, int64(frame[f, st.SLOT]))]
    after, before = int64(frame[f, st.NEXT]), int64(frame[f, st.PREV])
    if before > 0:
        frame[before - 1, st.NEXT] = after
    else:
        row[HEAD] = after
    if after > 0:
        frame[after - 1, st.PREV] = before
    else:
        row[TAIL] = before
    row[BLOCKS] -= 1
    frame[f, st.PAGE] = 0


@compiled(int64(pages_t, int64, int64))
def is_free_block(pages, f, order):
    """1 if a free block of just this order begins at frame f."""
    return 1 if pages.frame[f, st.FLAGS] == 0 and pages.frame[f, st.PAGE] == order + 1 else 0


@outlined(void(pages_t, int64, int64, int64))
def give(pages, z, f, kind):
    """Free a frame to the lists of a type: merged with its free neighbours, whatever their type."""
    order = int64(0)
    while order < LARGEST:
        other = f ^ (1 << order)
        if is_free_block(pages, other, order) == 0:
            break
        take_block(pages, z, other)
        f = min(f, other)
        order += 1
    # at the tail, so that it is used late, if what it would merge with next is itself free
    tail = 1 if order < BLOCK_ORDER and is_free_block(pages, (f & ~(1 << order)) ^ (1 << order + 1), order + 1) else 0
    put_block(pages, z, f, order, kind, tail)


@compiled(int64(pages_t, int64, int64))
def take_own(pages, z, kind):
    """A frame of the smallest free block of this type, -1 without any; what is left of the block goes to the heads of its type."""
    for order in range(ORDERS):
        first = pages.buddy[row_of(z, order, kind), HEAD]
        if first == 0:
            continue
        f = first - 1
        take_block(pages, z, f)
        while order > 0:
            order -= 1
            put_block(pages, z, f + (1 << order), order, kind, 0)
        return f
    return int64(-1)


@compiled(int64(pages_t, int64, int64, int64))
def donor(pages, z, order, kind):
    """The type that gives a free block of this order to a request of another type; -1: none has one."""
    first = st.UNMOVABLE if kind == st.RECLAIMABLE else st.RECLAIMABLE
    second = st.UNMOVABLE if kind == st.MOVABLE else st.MOVABLE
    if pages.buddy[row_of(z, order, first), HEAD] > 0:
        return int64(first)
    return int64(second) if pages.buddy[row_of(z, order, second), HEAD] > 0 else int64(-1)


@compiled(void(pages_t, int64))
def boost(pages, z):
    """Types were mixed: raise the zone's marks by a page block, up to a factor of its high mark; kswapd is to be told."""
    row, num = pages.zone[z], pages.num
    factor = num[st.BOOST_FACTOR]
    if factor == 0 or row[st.MANAGED] < LEAST_MANAGED:
        return
    most = max(row[st.WMARK_HIGH] * factor // 10000, BLOCK_FRAMES)
    row[st.BOOST] = min(row[st.BOOST] + BLOCK_FRAMES, most)
    num[st.BOOSTED] |= 1 << z


@compiled(int64(int64))
def is_movable(flags):
    """1 if a frame with these flags counts as movable when its page block is judged."""
    held = flags >> st.KIND_SHIFT
    if held == st.POOL or held == st.KERNEL:
        return 1 if flags & st.MIGRATABLE else 0
    return 1 if flags & st.LRU or flags >> st.KIND_SHIFT == st.MLOCKED else 0


@compiled(int64(pages_t, int64, int64))
def is_mostly(pages, f, kind):
    """1 if at least half of f's page block is free or of a request's type, as far as that can be told."""
    frame = pages.frame
    begin = f & ~(BLOCK_FRAMES - 1)
    free, movable = 0, 0
    at = begin
    while at < begin + BLOCK_FRAMES:
        flags = int64(frame[at, st.FLAGS])
        n = 1
        if flags == 0 and frame[at, st.PAGE] > 0:
            n = 1 << int64(frame[at, st.PAGE]) - 1
            free += n
        else:
            movable += is_movable(flags)
        at += n
    alike = movable if kind == st.MOVABLE else 0
    if kind != st.MOVABLE and pages.block[f >> BLOCK_SHIFT] == st.MOVABLE:
        alike = BLOCK_FRAMES - free - movable
    return 1 if free + alike >= BLOCK_FRAMES // 2 else 0


@compiled(void(pages_t, int64, int64, int64))
def move_free(pages, z, f, kind):
    """All that is free in f's page block moves to a type's lists."""
    frame = pages.frame
    begin = f & ~(BLOCK_FRAMES - 1)
    at = begin
    while at < begin + BLOCK_FRAMES:
        n = 1
        if frame[at, st.FLAGS] == 0 and frame[at, st.PAGE] > 0:
            order = int64(frame[at, st.PAGE]) - 1
            take_block(pages, z, at)
            put_block(pages, z, at, order, kind, 1)
            n = 1 << order
        at += n


@compiled(int64(pages_t, int64, int64, int64))
def take_one(pages, z, f, order):
    """The first frame of a free block; the rest of it stays on the lists where it was."""
    kind = int64(pages.frame[f, st.SLOT])
    take_block(pages, z, f)
    while order > 0:
        order -= 1
        put_block(pages, z, f + (1 << order), order, kind, 0)
    return f


@compiled(int64(pages_t, int64, int64, int64, int64, int64))
def steal(pages, z, f, order, kind, whole):
    """Give a request's type a free block of another's; `whole`: and what else is free in its page block, which may turn.

    -1, or in 6.12 the one frame that is all the request gets from a page block that does not turn.
    """
    if order < BLOCK_ORDER:
        pages.num[st.MIXED + st.TYPES * z + kind] += 1
        boost(pages, z)
        turns = is_mostly(pages, f, kind) if whole else 0
        if turns == 0 and pages.num[st.KERNEL_612]:
            return take_one(pages, z, f, order)
        if whole:
            move_free(pages, z, f, kind)
            if turns:
                pages.block[f >> BLOCK_SHIFT] = kind
            return int64(-1)
    else:
        for block in range(f >> BLOCK_SHIFT, f + (1 << order) >> BLOCK_SHIFT):
            pages.block[block] = kind
    take_block(pages, z, f)
    put_block(pages, z, f, order, kind, 1)
    return int64(-1)


NONE, MOVED = -2, -1  # from other types: nothing; memory that is now on the request's own lists


@outlined(int64(pages_t, int64, int64, int64))
def fall_back(pages, z, kind, least):
    """Steal the largest block of at least order `least` that another type has: NONE, MOVED, or the frame for the request.

    A movable request that could get fewer than 16 frames at once takes the smallest instead: it leaves the page block as it is.
    """
    for order in range(LARGEST, least - 1, -1):
        other = donor(pages, z, order, kind)
        if other < 0:
            continue
        whole = 1 if order >= STEAL_ORDER or kind != st.MOVABLE else 0
        if whole == 0:
            order = 0
            while donor(pages, z, order, kind) < 0:
                order += 1
            other = donor(pages, z, order, kind)
        return steal(pages, z, pages.buddy[row_of(z, order, other), HEAD] - 1, order, kind, whole)
    return int64(NONE)


@compiled(int64(pages_t, int64, int64, int64))
def take(pages, z, kind, pure):
    """A frame for a request of this type, or -1; `pure`: page blocks of other types are taken whole or not at all."""
    f = take_own(pages, z, kind)
    if f < 0:
        f = fall_back(pages, z, kind, BLOCK_ORDER if pure else 0)
        if f == MOVED:
            f = take_own(pages, z, kind)
    return max(f, int64(-1))
