"""A replacement policy of models/cache as the machine's page-reclaim policy (`reclaim.policy: arc` and the others).

Nodes stand for frames; a page's id is its virtual page, or behind all of these its file page, so ghosts know a page by itself.
Anonymous and file pages are in one cache: what goes is the policy's decision alone, swappiness has no say.

Two readings (setting `hits`).  scan: the policy is told of a use when hardware would tell: the page was chosen and its accessed bits are
set; then it chooses again.  every: of each use, as in the papers; the bits are not looked at.  System calls that use pages of files tell
in both, as the kernel takes part in them.  Shared by both: Linux's rounds and urgency (a pass looks at pages >> priority), zones, I/O.

A chosen page leaves the policy at once, though its write may take a while: until then its frame is aside, and is freed as soon as it
is written; if it was used meanwhile, it comes back as if it had been missed.  Not for cgroups: there is one cache.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import int64, void

from models.cache.held import hold
from models.cache.policy import CachePolicy, unmoved
from models.cache.registry import ONLINE
from models.cache.state import CAPACITY, GHOSTS, LIST, RECALLED, USED
from models.jit import compiled
from models.memory import groups as cg
from models.memory import state as st
from models.memory.frames import frames_up_to, note, spend, zone_of
from models.memory.rmap import references
from models.memory.state import Numbers, pages_t, policy_t
from models.policies.policy import PolicyModule
from models.registry import resolve
from models.vmstat import (
    NR_INACTIVE_ANON,
    PGROTATED,
    PGSCAN_ANON,
    PGSCAN_DIRECT,
    PGSCAN_KSWAPD,
    PGSKIP_DMA,
    WORKINGSET_REFAULT_ANON,
    WORKINGSET_RESTORE_ANON,
)

# table: NODE and SIDE of the frame of that row, FRAME of the node of that row
NODE, SIDE, FRAME, COLUMNS = range(4)
POLICY, READY, ASIDE = 0, 1, 2  # SIDE: the policy has it; written, to be freed next; waits for its write
OLDEST, NEWEST = 0, 2  # head[OLDEST + list - 1], likewise NEWEST: frame + 1, 0 is empty
YOUNG, BLIND = 0, 1  # num: `check` has just found the page used; accessed bits are not looked at
WAITING = 2  # num: frames aside
NUMBERS = 4
# ctx: pages that this pass may still look at, reclaimed when it began
LEFT, BEFORE = st.X_OWN, st.X_OWN + 1
SLICE = 32  # pages looked at in one call


def create(policy: CachePolicy, frames: int, places: int, hits: str = "scan", **options: Any) -> tuple[Any, ...]:
    """The state for a machine of so many frames and places (virtual and file pages); see PolicyModule."""
    arrays = policy.create(frames, places, **options)
    table = np.zeros((max(frames, len(arrays.node)), COLUMNS), np.int32)
    num = np.zeros(NUMBERS, np.int64)
    num[BLIND] = hits == "every" or policy.hit is unmoved
    return table, np.zeros(4, np.int32), num, hold(policy, arrays)


@compiled(int64(pages_t, int64))
def id_of(pages, f):
    """What the policy knows the frame's page by; -1 if its owner is gone."""
    p = int64(pages.frame[f, st.PAGE])
    return p + len(pages.pte) if pages.frame[f, st.FLAGS] >> st.KIND_SHIFT == st.FILE else p


@compiled(int64(pages_t, int64))
def is_file(pages, f):
    return 1 if pages.frame[f, st.FLAGS] >> st.KIND_SHIFT == st.FILE else 0


@compiled(void(pages_t, int64, int64))
def count(pages, f, change):
    """The machine's statistics know no order among the pages: all are inactive.  A page that is listed has the flag."""
    which = 2 * is_file(pages, f)
    pages.vmstat[NR_INACTIVE_ANON + which] += change
    pages.cgroup[0, cg.LISTED + which] += change
    flags = int64(pages.frame[f, st.FLAGS])
    pages.frame[f, st.FLAGS] = flags | st.LRU if change > 0 else flags & ~st.LRU


# --- frames that the policy has given up -----------------------------------------------------------------------------


@compiled(void(policy_t, pages_t, int64, int64))
def push(policy, pages, f, which):
    """A frame becomes the newest of READY or ASIDE."""
    frame, head = pages.frame, policy.head
    last = head[NEWEST + which - 1]
    frame[f, st.PREV], frame[f, st.NEXT] = 0, last
    if last > 0:
        frame[last - 1, st.PREV] = f + 1
    else:
        head[OLDEST + which - 1] = f + 1
    head[NEWEST + which - 1] = f + 1
    policy.table[f, NODE], policy.table[f, SIDE] = 0, which
    policy.num[WAITING] += 1 if which == ASIDE else 0


@compiled(void(policy_t, pages_t, int64))
def pull(policy, pages, f):
    """A frame leaves READY or ASIDE."""
    frame, head = pages.frame, policy.head
    which = policy.table[f, SIDE]
    older, newer = frame[f, st.NEXT], frame[f, st.PREV]
    if newer > 0:
        frame[newer - 1, st.NEXT] = older
    else:
        head[NEWEST + which - 1] = older
    if older > 0:
        frame[older - 1, st.PREV] = newer
    else:
        head[OLDEST + which - 1] = newer
    frame[f, st.NEXT] = frame[f, st.PREV] = 0
    policy.table[f, SIDE] = POLICY
    policy.num[WAITING] -= 1 if which == ASIDE else 0


# --- frames that the policy has --------------------------------------------------------------------------------------


@compiled(void(policy_t, int64))
def admit(policy, place):
    """The page becomes resident for the policy, whatever it says: it has been given a frame."""
    held = policy.held
    num = held.cache.num
    if num[USED] >= num[CAPACITY]:
        held.sized(held.cache, num[USED] + 1)
    held.admit(held.cache, place)
    num[RECALLED] = 0


@compiled(void(policy_t, pages_t, int64))
def join(policy, pages, f):
    """The policy gets the frame; its ghost was dealt with."""
    place = id_of(pages, f)
    c = policy.held.cache
    n = int64(c.index[place])
    if n != 0 and c.node[n, LIST] < GHOSTS:  # an owner that is gone had the same place, and its page is still under I/O
        old = int64(policy.table[n, FRAME])
        policy.held.remove(c, n)
        push(policy, pages, old, ASIDE)
    admit(policy, place)
    n = int64(c.index[place])
    pages.frame[f, st.NEXT] = pages.frame[f, st.PREV] = 0
    policy.table[f, NODE], policy.table[f, SIDE] = n, POLICY
    policy.table[n, FRAME] = f


@compiled(void(policy_t, pages_t, int64))
def come_back(policy, pages, f):
    """A page that the policy had given up is used, or was read again: as if it had been missed."""
    c = policy.held.cache
    place = id_of(pages, f)
    n = int64(c.index[place])
    if n == 0 or c.node[n, LIST] >= GHOSTS:
        policy.held.wanted(c, place)
    join(policy, pages, f)


@compiled(void(policy_t, pages_t, int64))
def join_as_new(policy, pages, f):
    """The policy gets the frame, and is to know nothing of its page."""
    held = policy.held
    c = held.cache
    n = int64(c.index[id_of(pages, f)])
    if n != 0 and c.node[n, LIST] >= GHOSTS:
        held.remove(c, n)
    c.num[RECALLED] = 0
    join(policy, pages, f)


@compiled(int64(policy_t, pages_t, int64, int64))
def insert(policy, pages, f, shadow):
    """A page with a shadow is one that reclaim evicted; others are new, even where an earlier content of theirs left a ghost."""
    if shadow >= 0:
        kind = is_file(pages, f)
        pages.vmstat[WORKINGSET_REFAULT_ANON + kind] += 1
        pages.cgroup[0, cg.S_REFAULT + kind] += 1
        if shadow & 1:
            pages.vmstat[WORKINGSET_RESTORE_ANON + kind] += 1
            pages.cgroup[0, cg.S_RESTORE + kind] += 1
            pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.WORKINGSET
        come_back(policy, pages, f)
    else:
        join_as_new(policy, pages, f)
    count(pages, f, 1)
    return 0


@compiled(int64(policy_t, pages_t, int64))
def remove(policy, pages, f):
    if pages.frame[f, st.FLAGS] & st.LRU == 0:
        return 0
    if policy.table[f, SIDE] != POLICY:
        pull(policy, pages, f)
    else:
        policy.held.remove(policy.held.cache, int64(policy.table[f, NODE]))
        policy.table[f, NODE] = 0
    count(pages, f, -1)
    return 0


@compiled(int64(policy_t, pages_t, int64))
def accessed(policy, pages, f):
    """A system call used the page, or a young mapping of it went; with `hits: every`, any use."""
    if pages.frame[f, st.FLAGS] & st.LRU and policy.table[f, SIDE] == POLICY:
        pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.WORKINGSET
        policy.held.hit(policy.held.cache, int64(policy.table[f, NODE]))
    else:
        pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.REFERENCED
    return 0


@compiled(int64(policy_t, pages_t, int64))
def used(policy, pages, f):
    """Whether a page that the policy gave up was used since; takes the bits."""
    flags = int64(pages.frame[f, st.FLAGS])
    pages.frame[f, st.FLAGS] = flags & ~st.REFERENCED
    return 1 if references(pages, f) > 0 or flags & st.REFERENCED else 0


@compiled(int64(policy_t, pages_t, int64))
def check(policy, pages, f):
    if used(policy, pages, f):
        policy.num[YOUNG] = 1
        return st.KEEP
    return st.RECLAIM_IT


@compiled(int64(policy_t, pages_t, int64))
def evicted(policy, pages, f):
    """Its ghost is the policy's; the shadow only says that reclaim evicted it, and whether it had been found used: whoever waits for it
    then is stalled by memory (PSI), as in Linux for what was active."""
    return 1 if pages.frame[f, st.FLAGS] & st.WORKINGSET else 0


@compiled(int64(policy_t, pages_t, int64, int64))
def putback(policy, pages, f, verdict):
    """A page that waits for its write goes aside; one that was used comes back; any other could not be freed and counts as new."""
    flags = int64(pages.frame[f, st.FLAGS])
    if verdict == st.ROTATE:
        if policy.table[f, SIDE] == ASIDE and flags & st.LRU and not flags & st.DIRTY:
            pull(policy, pages, f)
            push(policy, pages, f, READY)
            pages.vmstat[PGROTATED] += 1
        return 0
    young = policy.num[YOUNG]
    policy.num[YOUNG] = 0
    if flags & st.WRITEBACK or id_of(pages, f) < 0 or (not young and flags & st.DIRTY and is_file(pages, f)):
        push(policy, pages, f, ASIDE)
    elif young:
        come_back(policy, pages, f)
    else:
        join_as_new(policy, pages, f)
    count(pages, f, 1)
    return 0


# --- a pass ----------------------------------------------------------------------------------------------------------


@compiled(void(policy_t, pages_t, Numbers))
def look_aside(policy, pages, ctx):
    """Of the frames that wait longest: those that were used come back, those whose write ended unnoticed may be freed."""
    for _ in range(min(SLICE, policy.num[WAITING])):
        f = int64(policy.head[OLDEST + ASIDE - 1]) - 1
        flags = int64(pages.frame[f, st.FLAGS])
        pull(policy, pages, f)
        ctx[st.X_PASSED] += 1
        waits = flags & st.WRITEBACK or (flags & st.DIRTY and is_file(pages, f))
        if id_of(pages, f) >= 0 and not flags & st.WRITEBACK and used(policy, pages, f):
            come_back(policy, pages, f)
        else:
            push(policy, pages, f, ASIDE if waits or id_of(pages, f) < 0 else READY)


@compiled(int64(policy_t, pages_t, Numbers))
def begin(policy, pages, ctx):
    """This pass looks at pages >> priority.  The cache is as large as the pages that there are now."""
    held = policy.held
    resident = held.cache.num[USED]
    if resident > 0:
        held.sized(held.cache, resident)
    look_aside(policy, pages, ctx)
    ctx[LEFT] = resident >> ctx[st.X_PRIORITY]
    ctx[BEFORE] = ctx[st.X_RECLAIMED]
    return 0


@compiled(void(pages_t, Numbers, int64))
def count_look(pages, ctx, f):
    """A page was looked at and stays: scanned, for the price of that."""
    kswapd = ctx[st.X_KSWAPD] == 1
    pages.vmstat[PGSCAN_KSWAPD if kswapd else PGSCAN_DIRECT] += 1
    pages.cgroup[0, cg.S_SCAN_KSWAPD if kswapd else cg.S_SCAN_DIRECT] += 1
    pages.vmstat[PGSCAN_ANON + is_file(pages, f)] += 1
    ctx[st.X_SCANNED] += 1
    spend(pages, st.BY_KSWAPD if kswapd else st.BY_DIRECT, pages.cost[st.C_SCAN])


@compiled(int64(policy_t, pages_t, Numbers))
def ready(policy, pages, ctx):
    """Frames whose write ended, of one kind, into the window."""
    n = 0
    limit = frames_up_to(pages, ctx[st.X_INDEX])
    while n < SLICE and policy.head[OLDEST + READY - 1] > 0:
        f = int64(policy.head[OLDEST + READY - 1]) - 1
        if f >= limit or (n > 0 and is_file(pages, f) != is_file(pages, int64(pages.window[0]))):
            break
        pull(policy, pages, f)
        count(pages, f, -1)
        pages.window[n] = f
        n += 1
    return n


@compiled(int64(pages_t, Numbers, int64))
def out_of_reach(pages, ctx, f):
    """1 if this pass cannot free the frame whatever its use: a zone above, or an anonymous page and nothing to swap to."""
    if f >= frames_up_to(pages, ctx[st.X_INDEX]):
        pages.vmstat[PGSKIP_DMA + zone_of(pages, f)] += 1
        return 1
    if is_file(pages, f):
        return 0
    room = pages.num[st.SWAP_FREE] > 0 or pages.frame[f, st.SLOT] > 0
    return 1 if ctx[st.X_BOOST_LEFT] > 0 or not room else 0


@compiled(void(policy_t, pages_t, int64))
def pass_over(policy, pages, f):
    """A chosen page goes to where new ones come in."""
    policy.held.take(policy.held.cache, int64(policy.table[f, NODE]))
    join_as_new(policy, pages, f)


@compiled(int64(policy_t, pages_t, Numbers))
def isolate(policy, pages, ctx):
    """Written frames first; then the policy's choices, of one kind, those whose bits are set apart."""
    ctx[st.X_AGED] = 0
    n = ready(policy, pages, ctx)
    if n > 0:
        return n
    held, table = policy.held, policy.table
    c = held.cache
    if ctx[LEFT] <= 0 or c.num[USED] == 0 or ctx[st.X_RECLAIMED] - ctx[BEFORE] >= ctx[st.X_TO_RECLAIM]:
        return int64(-1)
    for _ in range(min(SLICE, ctx[LEFT])):
        if c.num[USED] == 0:
            break
        node = held.choose(c)
        f = int64(table[node, FRAME])
        if n > 0 and is_file(pages, f) != is_file(pages, int64(pages.window[0])):
            break
        ctx[LEFT] -= 1
        if out_of_reach(pages, ctx, f):
            pass_over(policy, pages, f)
            ctx[st.X_PASSED] += 1
        elif not policy.num[BLIND] and references(pages, f) > 0:
            count_look(pages, ctx, f)
            note(pages, st.E_KEEP, int64(pages.frame[f, st.PAGE]), f, -1, int64(pages.frame[f, st.FLAGS]))
            pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.WORKINGSET
            held.hit(c, node)
        else:
            held.take(c, node)
            used(policy, pages, f)  # from here on a bit means that it was used since
            table[f, NODE] = 0
            count(pages, f, -1)
            pages.window[n] = f
            n += 1
    return n


@compiled(int64(policy_t, pages_t, Numbers))
def age(policy, pages, ctx):
    return int64(0)


def problems(made: tuple[Any, ...], arrays: Any) -> list[str]:
    """What is wrong between frames and nodes."""
    table, _, num, held = made
    index, node = held.arrays.index, held.arrays.node
    listed = (arrays.frame[:, st.FLAGS] & st.LRU) != 0
    mine = np.flatnonzero(listed & (table[: len(listed), SIDE] == POLICY))
    nodes = table[mine, NODE]
    bad = []
    if (nodes == 0).any() or (table[nodes, FRAME] != mine).any():
        bad.append("a frame and its policy's node do not name each other")
    if (node[nodes, LIST] >= GHOSTS).any() or ((index > 0).any() and ((node[index[index > 0], LIST] < GHOSTS).sum() != len(mine))):
        bad.append("the policy holds other pages than are on its lists")
    if ((table[: len(listed), SIDE] == ASIDE) & listed).sum() != num[WAITING]:
        bad.append("frames aside are counted wrong")
    return bad


finish = age


def module(policy: CachePolicy) -> PolicyModule:
    """The machine's policy that asks this one."""
    make = partial(create, policy)
    return PolicyModule(make, insert, remove, check, evicted, putback, begin, isolate, age, finish, accessed, problems)


def __getattr__(name: str) -> PolicyModule:
    """`models.policies.replacement:NAME`, for every policy of models.cache.registry that needs no future."""
    for entry in ONLINE:
        if entry.name == name:
            return module(resolve(entry.target))
    raise AttributeError(name)
