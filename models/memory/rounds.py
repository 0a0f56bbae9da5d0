"""The rounds of reclaim: direct reclaim's priority loop and kswapd's balance loop (Linux 6.1 mm/vmscan.c), resumable.

A step returns after `enough` reclaimed pages, at its deadline, or when something has to be waited for; where it stands is in the
reclaimer's context, so the next step goes on from there.  The rounds are compiled, since a pass at a low urgency looks at a few
pages only: one return to Python a pass cost twice as much as reclaim itself (*measured* on a VM of 128 MiB).
"""

from __future__ import annotations

from numba import int64

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.frames import TOP, node_balanced, spend
from models.memory.groups import EV_LOW, is_protected
from models.memory.op_state import DONE, OOM, PASS_END, SIGNAL_FLUSH, SIGNAL_OUTPUT, SIGNAL_POOL, SIGNAL_WAKE, SLICE, STEP_SHIFT, WAIT_PAGE
from models.memory.reclaim import reclaim_batch
from models.memory.shrinkers import shrink_slab
from models.memory.state import Numbers, machine_t, pages_t
from models.vmstat import NR_ACTIVE_ANON, NR_ACTIVE_FILE, NR_INACTIVE_ANON, NR_INACTIVE_FILE, NR_WRITEBACK, NR_ZONE_WRITE_PENDING

SWAP_CLUSTER_MAX = 32
STRETCH_SCAN = 1024  # pages looked at in vain after which a stretch ends
PASS_NS = 500  # working out a pass; even an empty one takes time, so that hopeless reclaim ends
DEF_PRIORITY = 12
BOOST_PRIORITY = DEF_PRIORITY - 2  # of rounds that reclaim a boost, the most urgent


@compiled(int64(pages_t, int64, int64))
def report(pages, code, began):
    """What a step tells Python, in one number: code, signals, and the ns that it took (see models.memory.op_state)."""
    num = pages.num
    signals = 0
    if num[st.RING] or num[st.LOG]:
        signals = SIGNAL_OUTPUT
    if num[st.WAKE]:
        signals |= SIGNAL_WAKE
    if num[fi.FLUSH]:
        signals |= SIGNAL_FLUSH
    if num[st.POOL_WORK]:
        signals |= SIGNAL_POOL
    return (num[st.CLOCK] - began) << STEP_SHIFT | signals | code


@compiled(int64(pages_t))
def stop_wanted(pages):
    """1 if a ring or the log is filling up and Python should empty it."""
    num = pages.num
    return 1 if num[st.RING] > st.RING_SIZE // 2 or num[st.LOG] > st.LOG_SIZE // 2 else 0


@compiled(int64(machine_t, Numbers))
def begin_pass(m, ctx):
    """Let the policy work out a pass at ctx[X_PRIORITY]: of the target group, or of every lruvec in turn, the root's first."""
    ctx[st.X_IN_PASS] = 1
    ctx[st.X_LRUVEC] = ctx[st.X_TARGET]
    for x in (st.X_TAKEN, st.X_WRITEBACK, st.X_IMMEDIATE, st.X_DIRTY, st.X_UNQUEUED, st.X_CONGESTED, st.X_FILES):
        ctx[x] = 0
    spend(m.pages, st.BY_KSWAPD if ctx[st.X_KSWAPD] == 1 else st.BY_DIRECT, PASS_NS)
    return m.begin(m.policy, m.pages, ctx)


@compiled(int64(machine_t, Numbers))
def next_lruvec(m, ctx):
    """The machine's reclaim goes on with the next group; 0 after the last one.  A group within its memory.low is left out."""
    pages = m.pages
    if ctx[st.X_TARGET] > 0:
        return 0
    while ctx[st.X_LRUVEC] < pages.num[st.GROUPS]:
        ctx[st.X_LRUVEC] += 1
        g = ctx[st.X_LRUVEC]
        if is_protected(pages, g):
            if ctx[st.X_LOW] < 2:
                ctx[st.X_LOW] = 1
                continue
            pages.cgroup[g, EV_LOW] += 1
        spend(pages, st.BY_KSWAPD if ctx[st.X_KSWAPD] == 1 else st.BY_DIRECT, PASS_NS)
        m.begin(m.policy, pages, ctx)
        return 1
    return 0


@outlined(int64(machine_t, Numbers))
def end_pass(m, ctx):
    """After the lists the shrinkers have their turn; kswapd sets the node's flags by what the pass met."""
    num = m.pages.num
    ctx[st.X_IN_PASS] = 0
    if ctx[st.X_TARGET] == 0:  # the kernel's own objects are not charged to groups
        ctx[st.X_RECLAIMED] += shrink_slab(m, ctx[st.X_PRIORITY])
    if ctx[st.X_KSWAPD] == 0:
        return 0
    if ctx[st.X_WRITEBACK] > 0 and ctx[st.X_WRITEBACK] == ctx[st.X_TAKEN]:
        num[st.NODE_WRITEBACK] = 1
    if ctx[st.X_UNQUEUED] == ctx[st.X_FILES]:
        num[st.NODE_DIRTY] = 1
    if ctx[st.X_DIRTY] > 0 and ctx[st.X_DIRTY] == ctx[st.X_CONGESTED]:
        num[st.CONGESTED] = 1
    return 0


@outlined(int64(machine_t, Numbers, int64, int64))
def stretch(m, ctx, enough, deadline):
    """Go on with the pass until `enough` pages are reclaimed, the deadline, or its end (PASS_END)."""
    pages = m.pages
    num = pages.num
    purpose = st.BY_KSWAPD if ctx[st.X_KSWAPD] == 1 else st.BY_DIRECT
    freed, scanned = 0, 0
    num[st.AGE_LRUVEC] = ctx[st.X_TARGET]
    while freed < enough and scanned < STRETCH_SCAN and num[st.CLOCK] < deadline and not stop_wanted(pages):
        n = m.isolate(m.policy, pages, ctx)
        if ctx[st.X_AGED] > 0:
            spend(pages, purpose, pages.cost[st.C_DEACTIVATE] * ctx[st.X_AGED])
        if ctx[st.X_PASSED] > 0:
            spend(pages, purpose, pages.cost[st.C_PASS] * ctx[st.X_PASSED])
            ctx[st.X_PASSED] = 0
        if n < 0:
            if next_lruvec(m, ctx):
                continue
            end_pass(m, ctx)
            return PASS_END
        scanned += n + ctx[st.X_AGED]
        freed += reclaim_batch(m, ctx, n)
    return SLICE


@compiled(int64(pages_t))
def reclaimable(pages):
    """Pages that reclaim could free: those of files, and anonymous ones while there is swap."""
    vmstat = pages.vmstat
    total = vmstat[NR_ACTIVE_FILE] + vmstat[NR_INACTIVE_FILE]
    if pages.num[st.SWAP_FREE] > 0:
        total += vmstat[NR_ACTIVE_ANON] + vmstat[NR_INACTIVE_ANON]
    return total


@compiled(int64(pages_t))
def mostly_writeback(pages):
    """1 if more than half of the pages that could be reclaimed are dirty or being written."""
    return 1 if pages.vmstat[NR_ZONE_WRITE_PENDING] * 2 > reclaimable(pages) else 0


@compiled(int64(machine_t, Numbers, int64, int64, int64))
def start_group(m, ctx, g, goal, force):
    """Prepare a reclaim of `goal` pages of group g, or of the machine if that is 0; `force` as below."""
    ctx[st.X_TARGET] = g
    ctx[st.X_LOW] = 0
    ctx[st.X_PRIORITY] = DEF_PRIORITY
    ctx[st.X_TO_RECLAIM] = goal
    ctx[st.X_RECLAIMED] = 0
    ctx[st.X_SCANNED] = 0
    ctx[st.X_SKIPPED] = 0
    ctx[st.X_FORCE] = force
    ctx[st.X_KSWAPD] = 0
    ctx[st.X_INDEX] = TOP
    ctx[st.X_BOOST_LEFT] = 0
    return begin_pass(m, ctx)


@compiled(int64(machine_t, Numbers, int64))
def start_direct(m, ctx, force):
    """Prepare a direct reclaim of 32 pages; `force`: active pages may be deactivated in any case."""
    return start_group(m, ctx, 0, SWAP_CLUSTER_MAX, force)


@compiled(int64(pages_t, Numbers, int64))
def must_wait(pages, ctx, stuck):
    """1 if direct reclaim should sleep a tick: too much is being written.

    A group's reclaim waits when it is about to give up while anything is written: this stands for the wait for the device's queue.
    """
    if ctx[st.X_TARGET] > 0:
        return 1 if stuck and pages.vmstat[NR_WRITEBACK] > 0 else 0
    return 1 if (stuck or pages.num[st.CONGESTED]) and mostly_writeback(pages) else 0


@compiled(int64(machine_t, Numbers, int64, int64, int64))
def direct_step(m, ctx, now, deadline, enough):
    """Go on with direct reclaim from time `now`; reports SLICE, WAIT_PAGE (sleep a tick, then go on) or DONE."""
    pages = m.pages
    pages.num[st.CLOCK] = now
    goal = ctx[st.X_RECLAIMED] + enough
    while True:
        if ctx[st.X_IN_PASS] == 0:
            begin_pass(m, ctx)
        code = stretch(m, ctx, goal - ctx[st.X_RECLAIMED], deadline)
        if code != PASS_END:
            return report(pages, SLICE, now)
        if ctx[st.X_RECLAIMED] >= ctx[st.X_TO_RECLAIM] or ctx[st.X_PRIORITY] == 0:
            m.finish(m.policy, pages, ctx)
            return report(pages, DONE, now)
        ctx[st.X_PRIORITY] -= 1
        stuck = ctx[st.X_PRIORITY] == 0 and ctx[st.X_RECLAIMED] == 0
        if must_wait(pages, ctx, 1 if stuck else 0):
            return report(pages, WAIT_PAGE, now)
        if pages.num[st.CLOCK] >= deadline:
            return report(pages, SLICE, now)


@compiled(int64(machine_t, Numbers, int64))
def start_balance(m, ctx, index):
    """Prepare a run of kswapd for requests that may use zone `index` at most; the boosts of the zones up to it are the run's."""
    zone = m.pages.zone
    ctx[st.X_KSWAPD] = 1
    ctx[st.X_PRIORITY] = DEF_PRIORITY
    ctx[st.X_RECLAIMED] = 0
    ctx[st.X_IN_PASS] = 0
    ctx[st.X_INDEX] = index
    ctx[st.X_TARGET] = ctx[st.X_LOW] = 0
    ctx[st.X_BOOST_LEFT] = 0
    for z in range(index + 1):
        zone[z, st.KSWAPD_ON] = 1
        zone[z, st.BOOST_SEEN] = zone[z, st.BOOST]
        ctx[st.X_BOOST_LEFT] += zone[z, st.BOOST]
    return 0


@compiled(int64(machine_t, Numbers))
def begin_round(m, ctx):
    """A round of kswapd: background aging, then a pass that aims at the zones' high marks in all."""
    pages = m.pages
    ctx[st.X_SCANNED] = 0
    ctx[st.X_BEFORE] = ctx[st.X_RECLAIMED]
    ctx[st.X_TO_RECLAIM] = 0
    for z in range(ctx[st.X_INDEX] + 1):
        if pages.zone[z, st.MANAGED] > 0:
            ctx[st.X_TO_RECLAIM] += max(pages.zone[z, st.WMARK_HIGH] + pages.zone[z, st.BOOST], SWAP_CLUSTER_MAX)
    aged = 0
    for v in range(pages.num[st.GROUPS] + 1):
        ctx[st.X_LRUVEC] = v
        aged += m.age(m.policy, pages, ctx)
    spend(pages, st.BY_KSWAPD, pages.cost[st.C_DEACTIVATE] * aged + pages.cost[st.C_PASS] * ctx[st.X_PASSED])
    ctx[st.X_PASSED] = 0
    return begin_pass(m, ctx)


@compiled(int64(machine_t, Numbers))
def end_round(m, ctx):
    """The next round is more urgent if this one looked at too few pages or freed none; one that frees nothing of a boost is the last."""
    freed = ctx[st.X_RECLAIMED] - ctx[st.X_BEFORE]
    urgent = ctx[st.X_SCANNED] < ctx[st.X_TO_RECLAIM]
    if ctx[st.X_BOOST_LEFT] > 0:
        if ctx[st.X_PRIORITY] == BOOST_PRIORITY:
            urgent = False
        ctx[st.X_BOOST_LEFT] = max(ctx[st.X_BOOST_LEFT] - freed, 0)
        if ctx[st.X_BOOST_LEFT] > 0 and freed == 0:
            ctx[st.X_PRIORITY] = 0
            return 0
    if urgent or freed == 0:
        ctx[st.X_PRIORITY] -= 1
    return 0


@outlined(int64(machine_t, Numbers, int64))
def end_balance(m, ctx, balanced):
    """kswapd's run is over: the boosts that it found go, those raised since stay."""
    pages = m.pages
    num, zone = pages.num, pages.zone
    if balanced:
        num[st.NODE_WRITEBACK] = num[st.NODE_DIRTY] = num[st.CONGESTED] = 0
    if ctx[st.X_RECLAIMED] > 0:
        num[st.KSWAPD_FAILURES] = 0
    elif not balanced:
        num[st.KSWAPD_FAILURES] += 1
    for z in range(zone.shape[0]):
        if zone[z, st.KSWAPD_ON]:
            zone[z, st.BOOST] -= min(zone[z, st.BOOST], zone[z, st.BOOST_SEEN])
            zone[z, st.KSWAPD_ON] = zone[z, st.BOOST_SEEN] = 0
    return m.finish(m.policy, pages, ctx)


@compiled(int64(machine_t, Numbers, int64, int64, int64))
def balance_step(m, ctx, now, deadline, enough):
    """Go on with kswapd's run from time `now`.

    Reports SLICE, WAIT_PAGE (everything is being written: sleep a while), OOM (kill a process, then go on), DONE (some zone passes its
    high mark), or PASS_END (the highest urgency is used up).
    """
    pages = m.pages
    num = pages.num
    num[st.CLOCK] = now
    goal = ctx[st.X_RECLAIMED] + enough
    while True:
        if ctx[st.X_IN_PASS] == 0:
            balanced = node_balanced(pages, ctx[st.X_INDEX])
            if balanced == 0 and ctx[st.X_BOOST_LEFT] > 0:  # then the run begins again as an ordinary one
                ctx[st.X_BOOST_LEFT] = 0
                ctx[st.X_PRIORITY] = DEF_PRIORITY
            if (balanced and ctx[st.X_BOOST_LEFT] == 0) or ctx[st.X_PRIORITY] < 1:
                end_balance(m, ctx, balanced)
                return report(pages, DONE if balanced else PASS_END, now)
            begin_round(m, ctx)
            if ctx[st.X_OOM]:
                ctx[st.X_OOM] = 0
                return report(pages, OOM, now)
        if stretch(m, ctx, goal - ctx[st.X_RECLAIMED], deadline) != PASS_END:
            return report(pages, SLICE, now)
        end_round(m, ctx)
        if ctx[st.X_IMMEDIATE] > 0:
            return report(pages, WAIT_PAGE, now)
        if num[st.CLOCK] >= deadline or ctx[st.X_RECLAIMED] >= goal:
            return report(pages, SLICE, now)


@compiled(int64(pages_t))
def nearly_empty(pages):
    """1 if no more than half of the min marks is free: direct reclaimers wait for kswapd."""
    free, marks = 0, 0
    for z in range(pages.zone.shape[0]):
        free += pages.zone[z, st.ZONE_FREE]
        marks += pages.zone[z, st.WMARK_MIN] + pages.zone[z, st.BOOST]
    return 1 if free <= marks // 2 else 0
