"""Multi-generational LRU against a plain twin, by hand, and in whole machines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.memory import state as st
from models.policies import mglru as lru
from models.policies import mglru_control as control
from models.policies import mglru_evict as evict
from models.policies import mglru_lists as gl
from models.policies.mglru_lists import FIRST
from models.registry import resolve
from tests.machine_kit import counter, fill, make_plan, make_vm, mix, process, run
from tests.mglru_kit import Both
from tests.twins.mglru import ANON, FILE, not_worse, tier_of

# --- against the twin -----------------------------------------------------------------------------------------------

SPAN = 400
STEPS = 60


def batch(both: Both, name: str, pages: list[int], files: int) -> None:
    for page in pages:
        here = both.twin.pages.get(page)
        kind = int(page % files == 0)
        if name in ("fault", "read") and here is None:
            both.insert(page, kind, name == "fault" or kind == ANON, kind == FILE and page // files % 3 == 0)
        elif here is None:
            continue
        elif name.startswith("touch"):
            both.touch(page, int(name[-1]))
        elif name == "use":
            both.use(page)
        elif name == "out":
            both.remove(page)
        elif name == "dirty" and here.kind == FILE:
            both.mark(page, "dirty", "dirty" not in here.flags)
        elif name == "lock":
            both.mark(page, "locked", "locked" not in here.flags)


def step(both: Both, draw: np.random.Generator, files: int) -> None:
    """One thing that happens, usually to a stretch of pages."""
    name = draw.choice(["fault", "read", "touch 0", "touch 1", "use", "pass", "age", "written", "out", "dirty", "lock"],
                       p=[0.2, 0.06, 0.1, 0.04, 0.08, 0.24, 0.08, 0.12, 0.02, 0.03, 0.03])  # fmt: skip
    first, count = int(draw.integers(SPAN)), int(draw.choice([3, 30, 150, SPAN]))
    if name == "pass":
        priority = int(draw.choice([0, 0, 1, 3, 8, 11, 12]))
        fates = "".join(draw.choice(list("FFFWWT"), 5))
        both.reclaim_pass(priority, bool(draw.random() < 0.6), int(draw.choice([2, 32, 60])), fates)
    elif name == "age":
        both.age()
    elif name == "written":
        for page in [page.number for page in both.twin.pages.values() if "writeback" in page.flags]:
            both.rotate(page)
    else:
        batch(both, name, [(first + i) % SPAN for i in range(min(count, 8) if name in ("out", "dirty", "lock") else count)], files)


@settings(max_examples=60, deadline=None)
@given(
    seed=some.integers(0, 1 << 40),
    files=some.sampled_from([1, 2, 3, SPAN]),  # every so many pages is a file page
    swappiness=some.sampled_from([0, 1, 60, 100, 200]),
    later=some.booleans(),
    free=some.sampled_from([63, 64, 8000]),  # swap slots
)
def test_any_life_is_the_twins(seed: int, files: int, swappiness: int, later: bool, free: int) -> None:
    """Pages come, by faults and by reads, are touched and used, become dirty, go; passes of kswapd and of tasks take them, their writes
    end, and generations come and go, by the rules of both kernels."""
    both = Both(SPAN, swappiness, later)
    both.a.num[st.SWAP_FREE], both.twin.swap = free, free >= 64
    draw = np.random.default_rng(seed)
    for _ in range(STEPS):
        step(both, draw, files)
        both.agree()


# --- by hand --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("uses", "tier"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3)])
def test_tiers(uses: int, tier: int) -> None:
    assert control.tier_of(uses) == tier_of(uses) == tier


@pytest.mark.parametrize(
    ("other", "other_gain", "mine", "gain", "expected"),
    [
        ((0, 0), 60, (63, 1), 140, True),  # few refaults: never worse
        ((0, 0), 60, (64, 1), 140, False),  # 64 * 64 * 60 > 1 * 1 * 140
        ((99, 936), 60, (100, 1000), 60, True),  # 100 * 1000 * 60 <= 100 * 1000 * 60
        ((98, 936), 60, (100, 1000), 60, False),
    ],
)
def test_rates_are_compared(other: Any, other_gain: int, mine: Any, gain: int, expected: bool) -> None:
    assert bool(control.not_worse(other, other_gain, mine, gain)) == not_worse(other, other_gain, mine, gain) == expected


def test_the_machine_starts_with_four_generations() -> None:
    """A fault goes to the youngest (3), a read of a file to the second oldest; the two youngest are reported as active."""
    both = Both()
    both.insert(0)
    both.insert(1, FILE, fault=False)
    both.insert(2, fault=False)
    assert both.lists() == {(3, ANON, 0): [0], (2, ANON, 0): [2], (1, FILE, 0): [1]}
    both.agree()


def test_a_pass_without_old_pages_needs_aging_first() -> None:
    """The first pass only finds that the generations 0 and 1 are empty.  6.1's kswapd then ages before its second round: the walk
    clears the bits; a second one would find nobody young."""
    both = Both()
    for page in range(100):
        both.insert(page)
        both.touch(page)
    assert both.reclaim_pass(0, True, 1000) == []
    assert (both.twin.max, both.twin.min) == (3, [2, 2])
    both.age(11, kept=False)
    assert both.twin.max == 3  # the first round of a run never ages
    both.age(11)
    assert (both.twin.max, [page.young for page in both.twin.pages.values()]) == (4, [set()] * 100)
    both.agree()


def test_folding_reverses_the_oldest_generation() -> None:
    """Its pages are taken from its tail and put at the other's tail one by one."""
    both = Both()
    for page in (0, 1, 2):
        both.insert(page, FILE, fault=False)
    for page in (3, 4):
        both.insert(page, FILE)
    both.twin.min = [0, 1]
    both.num[FIRST + gl.MIN_SEQ + FILE] = 1
    assert both.lists()[1, FILE, 0] == [2, 1, 0]
    both.grow_older()
    both.grow_older()
    assert both.lists()[2, FILE, 0] == [0, 1, 2] == both.twin.lists[2, FILE, 0]
    both.agree()


def test_two_uses_by_system_calls_protect_a_page_once() -> None:
    """Referenced, then workingset: tier 1; as soon as tier 1 is refaulted more than twice as often as tier 0 it is protected: it moves
    to the next generation's tail, its uses are forgotten, workingset_activate_file counts."""
    both = Both()
    for page in range(3):
        both.insert(page, FILE, fault=False)
    both.use(1)
    both.use(1)
    for counts, at in ((both.twin.refaulted, gl.REFAULTED), (both.twin.evicted, gl.EVICTED)):
        counts[FILE, 1] = 64
        both.num[FIRST + at + 4 * FILE + 1] = 64
    both.twin.min = [0, 1]
    both.num[FIRST + gl.MIN_SEQ + FILE] = 1
    both.a.num[st.SWAPPINESS] = both.twin.swappiness = 1
    assert both.reclaim_pass(0, False, 32) == [[0, 2]]
    assert both.lists() == {(2, FILE, 0): [1]} and both.twin.count["activate"] == 1
    both.agree()


def test_a_page_used_three_times_refaults_as_saturated() -> None:
    """Uses 3 (workingset and counter 2): the shadow tells of 2 beyond the first; read back by a system call in time it gets all bits."""
    both = Both()
    both.insert(0, FILE, fault=False)
    for _ in range(4):
        both.use(0)
    assert (both.twin.pages[0].uses(), both.twin.pages[0].counter) == (3, 2)
    both.unmap(0)
    lru.remove(both.policy, both.pages, 0)
    both.twin.take(both.twin.pages[0])
    shadow = int(control.evicted(both.policy, both.pages, 0))
    both.shadows[0] = shadow, both.twin.evict(0)
    assert shadow == (0 << 2 | 2) << 1 | 1 and both.shadows[0][1] == (0, 2, True)
    both.insert(0, FILE, fault=False)
    assert both.twin.pages[0].uses() == 4 and both.twin.count["restore"] == 1
    both.agree()


def test_a_young_neighbourhood_is_promoted_together() -> None:
    """kswapd meets page 100 young: of the 64 entries 68 to 131 the young ones are of the youngest generation from then on, without
    being moved; a quarter of them is enough to walk the table next time.  6.1 activates the page itself, 6.12 keeps it."""
    for later in (False, True):
        both = Both(later=later)
        for page in range(200):
            both.insert(page)
        both.grow_older()
        both.grow_older()
        both.age(12, kept=False)
        for page in range(60, 140, 2):
            both.touch(page)
        if later:
            assert both.reclaim_pass(2, True, 1000) == [[]]  # no zone needs more
        assert both.reclaim_pass(2, True, 1000) == [[]] * (not later) + [[*range(100, 164)]]  # the higher zone goes first
        promoted = sorted(page.number for page in both.twin.pages.values() if page.gen == 5 and page.number < 100)
        assert promoted == [*range(68, 100, 2)]  # 100 to 163 were isolated: marked, and put back
        assert both.twin.count["pgactivate"] == (0 if later else 2)  # pages 100 and 132 were met young
        assert int(both.a.table[0, st.WORTH]) & 2
        both.agree()


def test_the_higher_zone_is_evicted_first_and_what_may_not_be_asked_for_is_passed_on() -> None:
    """Frames from 100 on are of zone 1.  A request that may use zone 0 only moves pages of zone 1 to the next generation."""
    both = Both()
    for page in (10, 20, 110, 120):
        both.insert(page, FILE, fault=False)
    both.a.num[st.SWAP_FREE] = 0
    both.num[FIRST + gl.MIN_SEQ + FILE] = 1
    ctx = both.ctx
    ctx[st.X_LRUVEC], ctx[st.X_INDEX] = 0, 2
    assert evict.take_batch(both.policy, both.pages, ctx, FILE, 3) == 4
    assert both.a.window[:4].tolist() == [110, 120, 10, 20]
    for page in (10, 20, 110, 120):
        both.a.frame[page, st.FLAGS] |= st.LRU
        gl.add(both.policy, both.pages, page, 1)
    ctx[st.X_INDEX] = 0
    assert evict.take_batch(both.policy, both.pages, ctx, FILE, 3) == 4
    assert both.a.window[:2].tolist() == [20, 10]
    assert [int(both.table[page, gl.GEN]) - 1 for page in (110, 120)] == [2, 2]


def test_a_boost_is_reclaimed_without_writing() -> None:
    """Dirty pages and anonymous ones without a copy are passed over, 64 of each zone at most, and counted in pgskip."""
    both = Both()
    for page in range(100):
        both.insert(page, fault=False)
    both.num[FIRST + gl.MIN_SEQ : FIRST + gl.MIN_SEQ + 2] = 1, 2
    lru.grow_older(both.policy, both.pages, 0, 1)
    both.num[FIRST + gl.MIN_SEQ : FIRST + gl.MIN_SEQ + 2] = 2, 2
    ctx = both.ctx
    ctx[st.X_LRUVEC], ctx[st.X_INDEX], ctx[st.X_BOOST_LEFT] = 0, 2, 10
    before = [int(both.head[2 * gl.list_of(0, 2, ANON, 0)]), int(both.head[2 * gl.list_of(0, 2, ANON, 0) + 1])]
    assert evict.take_batch(both.policy, both.pages, ctx, ANON, 3) == 0
    assert counter(both.vm, "pgskip_dma") == 64
    after = [int(both.head[2 * gl.list_of(0, 2, ANON, 0)]), int(both.head[2 * gl.list_of(0, 2, ANON, 0) + 1])]
    assert before == [100, 1] and after == [64, 65]  # the 64 that were last are first now
    assert gl.problems((both.table, both.head, both.num), both.a) == []


def test_kswapd_of_612_starts_where_the_inactive_pages_would_do() -> None:
    """1533 pages wanted of 20 000 inactive: 2^14 <= 20 000, 1532 < 2^11: priority 14 - 11 = 3, held at 6.  Of 60 wanted nothing."""
    both = Both(later=True)
    both.vm.vmstat[lru.NR_INACTIVE_ANON] = 20_000
    for wanted, expected in ((1533, 6), (64, 8), (60, 12)):
        both.ctx[st.X_PRIORITY], both.ctx[st.X_TO_RECLAIM] = 12, wanted
        lru.begin(both.policy, both.pages, both.ctx)
        assert both.ctx[st.X_PRIORITY] == expected


def test_young_generations_are_kept_at_the_price_of_a_process() -> None:
    """The oldest file generation was born at 5 ms and is kept for 10."""
    both = Both(min_ttl_ms=10)
    for page in range(200):
        both.insert(page)
    both.num[FIRST + gl.BORN + 0] = 5_000_000
    for now, expected in ((14_999_999, 1), (15_000_000, 0)):
        both.a.num[st.CLOCK] = now
        both.ctx[st.X_OOM] = 0
        both.age(12)
        assert both.ctx[st.X_OOM] == expected


# --- whole machines -------------------------------------------------------------------------------------------------

MGLRU = resolve("models.policies.mglru:MGLRU")


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
@settings(max_examples=3, deadline=None)
@given(seed=some.integers(0, 1 << 30), swappiness=some.sampled_from([1, 60, 200]), cpus=some.integers(1, 2))
def test_nothing_is_lost(kernel: str, seed: int, swappiness: int, cpus: int) -> None:
    """Two processes in a machine that is too small: every page in one place and one generation after every step; deterministic."""
    figures = []
    for _ in range(2):
        parts = [process(pages, fill(pages), mix(pages, 1000, seed + pages), name=f"p{pages}") for pages in (2900, 900)]
        plan = make_plan(parts, policy=MGLRU, kernel=kernel, swappiness=swappiness)
        vm = make_vm(plan, cpus=cpus, groups=[[0], [1]])
        run(vm, *vm.tasks)
        assert counter(vm, "pswpout") > 300 and counter(vm, "pgsteal_anon") >= counter(vm, "pgmajfault")
        figures.append([*vm.vmstat.tolist(), int(vm.env.now)])
    assert figures[0] == figures[1]


def test_min_ttl_kills_rather_than_thrashes() -> None:
    """With a working set that must stay for a minute the machine cannot evict: a process is killed."""
    plan = make_plan([process(2000, fill(2000)), process(2000, fill(2000), mix(2000, 20_000, 5))], policy=MGLRU)
    for ttl, kills in ((0, 0), (60_000, 1)):
        vm = make_vm(plan._replace(policy_options={"min_ttl_ms": ttl}), groups=[[0], [1]])
        for task in vm.tasks:
            task.start()
        vm.env.run(until=vm.env.any_of([task.ended for task in vm.tasks]))
        vm.env.run(until=int(vm.env.now) + 50_000_000)
        assert min(counter(vm, "oom_kill"), 1) == kills
