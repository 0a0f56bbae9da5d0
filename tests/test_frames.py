"""Buddy allocator, page blocks, per-CPU lists, boost and zones: the worked examples of the reference, and any order of calls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.memory import buddy, frames, pcp
from models.memory import state as st
from models.memory.check_free import free_problems
from models.memory.rounds import begin_round, end_balance, start_balance
from models.policies import linux_lru as lru
from models.policies import linux_lru_lists as lru_lists
from models.policies import linux_lru_pages as pagelru
from models.vmstat import INDEX, NR_FREE_PAGES
from sim.build import Start, ZoneStart, build
from sim.build_files import Filesystem
from sim.build_zones import layouts
from sim.errors import UserError
from sim.vm import Vm
from tests.machine_kit import make_plan, make_vm, process, without_lists

U, M, R = st.UNMOVABLE, st.MOVABLE, st.RECLAIMABLE
DMA32 = 1
GUEST = (ZoneStart("DMA", 3840, 3840, 139, 173, 207, 1, 4095), ZoneStart("DMA32", 24263, 24263, 884, 1105, 1326, 4096, 36823))


def machine(zones: tuple[ZoneStart, ...] = GUEST, lists: bool = False, **changes: object) -> Vm:
    """The measured guests' zones, all frames free; without per-CPU lists unless they are asked for."""
    vm = make_vm(make_plan([process(10)], **changes)._replace(start=Start(zones)), check=False)
    return vm if lists else without_lists(vm)


def blocks_of(vm: Vm, z: int, kind: int) -> list[int]:
    """Free blocks of a type by order."""
    rows = vm.arrays.buddy[z * buddy.ORDERS * st.TYPES :][kind : buddy.ORDERS * st.TYPES : st.TYPES]
    return [int(n) for n in rows[:, buddy.BLOCKS]]


def take(vm: Vm, z: int, kind: int, use: int = st.TABLE) -> int:
    """A frame straight from the buddy allocator, in use."""
    f = int(buddy.take(vm.pages, z, kind, 0))
    vm.arrays.frame[f, st.FLAGS] = use << st.KIND_SHIFT
    return f


def give(vm: Vm, z: int, f: int) -> None:
    vm.arrays.frame[f, st.FLAGS] = 0
    buddy.give(vm.pages, z, f, int(vm.arrays.block[f >> buddy.BLOCK_SHIFT]))


def whole_zone(vm: Vm, z: int, kind: int) -> list[int]:
    """Take all that a type has without mixing."""
    taken = []
    while (f := int(buddy.take_own(vm.pages, z, kind))) >= 0:
        vm.arrays.frame[f, st.FLAGS] = st.TABLE << st.KIND_SHIFT
        taken.append(f)
    return taken


# --- buddy ----------------------------------------------------------------------------------------------------------


def test_a_block_is_split_from_its_low_end_and_merges_again() -> None:
    """Of DMA's movable memory the smallest block is one of 512: a frame of it leaves one block of each order below."""
    vm = machine()
    before = blocks_of(vm, 0, M)
    first = take(vm, 0, M)
    assert first == 512
    assert blocks_of(vm, 0, M) == [1] * 9 + [0, 3]
    second = take(vm, 0, M)
    assert second == 513 and blocks_of(vm, 0, M) == [0] + [1] * 8 + [0, 3]
    give(vm, 0, first)
    give(vm, 0, second)
    assert blocks_of(vm, 0, M) == before == [0] * 9 + [1, 3]


def test_a_block_that_may_soon_merge_further_goes_to_the_tail() -> None:
    """Frames 0 and 2 of a free block of 4 are given back while 4..7 is free (tail), then while it is in use (head)."""
    vm = machine()
    held = whole_zone(vm, 0, M)
    base = min(f for f in held if f % 1024 == 0)
    row = vm.arrays.buddy[buddy.row_of(0, 0, M)]
    for f in (base + 9, base + 11):
        give(vm, 0, f)
    assert row[buddy.HEAD] - 1 == base + 11  # its neighbour's pair is in use: head
    give(vm, 0, base + 2)
    give(vm, 0, base + 3)  # 2..3 is a free pair, so a single frame beside it could merge twice
    give(vm, 0, base + 1)
    assert row[buddy.TAIL] - 1 == base + 1


def test_the_first_page_block_of_dma_is_unmovable_and_the_others_are_movable() -> None:
    vm = machine()
    assert vm.arrays.block[:8].tolist() == [U] + [M] * 7
    assert (blocks_of(vm, 0, U)[8], sum(blocks_of(vm, 0, U))) == (1, 1)  # frames 256..511
    assert blocks_of(vm, 0, M)[9:] == [1, 3]


def test_a_whole_page_block_changes_its_type_without_a_boost() -> None:
    """DMA32 has blocks of 1024 only of the movable type: an unmovable request takes the first, both page blocks of it."""
    vm = machine()
    f = take(vm, DMA32, U)
    assert vm.arrays.block[f >> 9 : (f >> 9) + 2].tolist() == [U, U]
    assert vm.arrays.zone[DMA32, st.BOOST] == 0 and vm.num[st.MIXED : st.MIXED + 9].sum() == 0
    assert blocks_of(vm, DMA32, U) == [1] * 10 + [0]


def page_block(vm: Vm, kind: int, free: int, movable: int) -> int:
    """All of DMA in use, but `free` frames at the end of its third page block, whose first frames are pages on a list."""
    whole_zone(vm, 0, U)
    whole_zone(vm, 0, M)
    begin = 1024
    vm.arrays.block[begin >> 9] = kind
    vm.arrays.frame[begin : begin + movable, st.FLAGS] |= st.LRU
    for f in range(begin + 512 - free, begin + 512):
        give(vm, 0, f)
    return begin >> 9


@pytest.mark.parametrize(
    ("was", "free", "movable", "kind", "becomes"),
    [
        (M, 64, 256, U, U),  # 64 free, 512 - 64 - 256 = 192 alike: 256 is half of 512, so it turns
        (M, 64, 257, U, M),
        (M, 64, 0, R, R),
        (M, 128, 384, R, M),
        (U, 128, 0, R, U),  # of a block that was not movable only what is free counts
        (U, 256, 0, R, R),
        (U, 64, 192, M, M),  # 64 free, 192 movable
        (U, 64, 191, M, U),
    ],
)
def test_a_page_block_turns_if_half_of_it_is_free_or_alike(was: int, free: int, movable: int, kind: int, becomes: int) -> None:
    vm = machine()
    b = page_block(vm, was, free, movable)
    assert buddy.fall_back(vm.pages, 0, kind, 0) == buddy.MOVED
    assert vm.arrays.block[b] == becomes
    assert sum(n << order for order, n in enumerate(blocks_of(vm, 0, kind))) == free  # all that was free moved, turned or not
    assert vm.arrays.zone[0, st.BOOST] == 512


@pytest.mark.parametrize(("movable", "turns"), [(256, True), (257, False)])
def test_in_6_12_a_page_block_that_does_not_turn_gives_one_frame_at_a_time(movable: int, turns: bool) -> None:
    """64 free and 192 or 191 alike of 512: else each request takes the first frame of the largest block, then of 64, now of 32."""
    vm = machine(kernel="6.12")
    b = page_block(vm, M, 64, movable)
    first, second = take(vm, 0, U), take(vm, 0, U)
    assert second == first + (1 if turns else 32)
    assert vm.arrays.block[b] == (U if turns else M)
    left = [sum(n << order for order, n in enumerate(blocks_of(vm, 0, kind))) for kind in (U, M)]
    assert left == ([62, 0] if turns else [0, 62])
    assert vm.num[st.MIXED + U] == (1 if turns else 2)


@pytest.mark.parametrize(("order", "claimed"), [(3, False), (4, True)])
def test_a_movable_request_leaves_the_page_block_alone_below_16_frames(order: int, claimed: bool) -> None:
    """Page block 0 of DMA, unmovable, has a free frame and a free block of 2^order: below 16 only the frame is taken, from 16 on both."""
    vm = machine()
    whole_zone(vm, 0, U)
    whole_zone(vm, 0, M)
    give(vm, 0, 256)
    for f in range(512 - (1 << order), 512):
        give(vm, 0, f)
    assert int(buddy.take(vm.pages, 0, M, 0)) == 256
    left = blocks_of(vm, 0, M)[order], blocks_of(vm, 0, U)[order]
    assert left == ((1, 0) if claimed else (0, 1))
    assert vm.arrays.zone[0, st.BOOST] == 512  # in both cases


def test_reclaimable_memory_gives_before_movable_memory() -> None:
    vm = machine()
    held = whole_zone(vm, 0, M)
    whole_zone(vm, 0, U)
    blocks = vm.arrays.block
    for begin, kind in ((1024, R), (2048, M)):
        blocks[begin >> 9] = kind
        for f in range(begin, begin + 32):
            assert f in held
            give(vm, 0, f)
    assert [int(buddy.donor(vm.pages, 0, 5, kind)) for kind in (U, M, R)] == [R, R, M]


@settings(max_examples=60, deadline=None)
@given(
    calls=some.lists(some.tuples(some.sampled_from("tttggd"), some.integers(0, 2), some.integers(0, 10**6)), max_size=120),
    hold=some.integers(0, 2300),
)
def test_no_frame_is_lost_or_in_two_places(calls: list[tuple[str, int, int]], hold: int) -> None:
    """12 MiB, one zone: any frames of any type are taken and given back; what is free is where it should be after each call."""
    vm = make_vm(make_plan([process(10)]), check=False)
    rng = np.random.default_rng(hold)
    held = [int(frames.take_from_zone(vm.pages, 0, st.TABLE, int(kind), 0)) for kind in rng.integers(0, 3, hold)]
    held = [f for f in held if f >= 0]
    for f in rng.permutation(held)[: hold // 2]:
        held.remove(int(f))
        frames.give_frame(vm.pages, int(f))
    for what, kind, number in calls:
        if what == "t":
            f = int(frames.take_from_zone(vm.pages, 0, st.TABLE, kind, 0))
            held += [f] if f >= 0 else []
        elif what == "g" and held:
            frames.give_frame(vm.pages, held.pop(number % len(held)))
        elif what == "d":
            pcp.drain(vm.pages)
            assert vm.arrays.pcp[0, pcp.COUNT] == 0
        assert free_problems(vm.arrays) == []
        assert vm.vmstat[NR_FREE_PAGES] + vm.arrays.pcp[0, pcp.COUNT] + len(held) == 2304
    assert len(set(held)) == len(held)
    for f in held:
        frames.give_frame(vm.pages, f)
    pcp.drain(vm.pages)
    assert vm.vmstat[NR_FREE_PAGES] == 2304
    assert (
        sum(n for kind in range(3) for n in blocks_of(vm, 0, kind)) <= 4
    )  # frames 768..1023 and two blocks of 1024: merged as far as it goes


# --- boost ----------------------------------------------------------------------------------------------------------


def test_a_boost_grows_by_a_page_block_up_to_half_more_than_the_high_mark() -> None:
    """high 207 -> at most 512; high 1326 -> 1989, by 512 an event."""
    vm = machine()
    seen = []
    for _ in range(5):
        buddy.boost(vm.pages, 0)
        buddy.boost(vm.pages, DMA32)
        seen.append(vm.arrays.zone[:2, st.BOOST].tolist())
    assert seen == [[512, 512], [512, 1024], [512, 1536], [512, 1989], [512, 1989]]
    assert vm.num[st.BOOSTED] == 3


@pytest.mark.parametrize(("managed", "factor", "boost"), [(2047, 15000, 0), (2048, 15000, 512), (3840, 0, 0), (3840, 1, 512)])
def test_small_zones_and_a_factor_of_0_have_no_boost(managed: int, factor: int, boost: int) -> None:
    zones = (ZoneStart("DMA", managed, managed, 100, 120, 140, 1, 4095), GUEST[1])
    vm = machine(zones, watermark_boost_factor=factor)
    buddy.boost(vm.pages, 0)
    assert vm.arrays.zone[0, st.BOOST] == boost


def test_a_boost_counts_in_every_mark_and_asks_for_kswapd_up_to_its_zone() -> None:
    vm = machine()
    zone = vm.arrays.zone
    levels = [int(frames.level_of(vm.pages, 0, mark, 2)) for mark in (frames.MIN_MARK, frames.LOW_MARK, frames.HIGH_MARK)]
    assert levels == [139 + 94, 173 + 94, 207 + 94]
    buddy.boost(vm.pages, 0)
    assert [int(frames.level_of(vm.pages, 0, mark, 2)) for mark in (1, 2, 3)] == [level + 512 for level in levels]
    assert frames.take_from_zone(vm.pages, DMA32, st.TABLE, U, 0) >= 0  # the next allocation, of whatever zone, tells kswapd
    assert (vm.num[st.WAKE], vm.num[st.KSWAPD_INDEX], vm.num[st.BOOSTED]) == (1, 1, 0)
    assert zone[0, st.ZONE_FREE] == 3840  # though every zone is balanced
    frames.want_kswapd(vm.pages)
    assert vm.num[st.KSWAPD_INDEX] == 3  # requests before a run merge to the highest


def test_reserves_are_those_of_the_requests_highest_zone() -> None:
    """DMA keeps 24263/256 = 94 from requests that may use DMA32 or more, nothing from those for DMA only."""
    vm = machine()
    assert vm.arrays.zone[0, st.RESERVES : st.RESERVES + 3].tolist() == [0, 94, 94]
    vm.arrays.zone[:2, st.ZONE_FREE] = 207 + 94, 0
    assert [int(frames.node_balanced(vm.pages, index)) for index in range(3)] == [1, 0, 0]
    vm.arrays.zone[0, st.ZONE_FREE] += 1
    assert [int(frames.node_balanced(vm.pages, index)) for index in range(3)] == [1, 1, 1]


def test_a_run_takes_off_the_boosts_that_it_found_and_leaves_later_ones() -> None:
    vm = machine()
    ctx = np.zeros(st.CONTEXT, np.int64)
    for z in (0, DMA32):
        buddy.boost(vm.pages, z)
    start_balance(vm.machine, ctx, 1)
    assert (ctx[st.X_BOOST_LEFT], vm.arrays.zone[:, st.KSWAPD_ON].tolist()) == (1024, [1, 1, 0])
    begin_round(vm.machine, ctx)
    assert ctx[st.X_TO_RECLAIM] == 207 + 512 + 1326 + 512
    buddy.boost(vm.pages, DMA32)
    end_balance(vm.machine, ctx, 1)
    assert vm.arrays.zone[:, st.BOOST].tolist() == [0, 512, 0]
    assert vm.arrays.zone[:, st.KSWAPD_ON].tolist() == [0, 0, 0]


# --- per-CPU lists --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("managed", "low", "cpus", "expected"),
    [
        (3840, 173, 1, (1, 173, 4)),
        (24263, 1105, 1, (3, 1105, 12)),
        (159_000, 200, 1, (31, 200, 124)),
        (159_000, 200, 4, (31, 4 * 124, 4 * 124)),
        (262_144, 8000, 2, (63, 8000, 504)),
        (8 << 18, 8000, 1, (63, 8000, 252)),
    ],
)
def test_batch_and_high(managed: int, low: int, cpus: int, expected: tuple[int, int, int]) -> None:
    assert pcp.sizes(managed, low, cpus) == expected


def test_a_refill_is_a_batch_and_marks_do_not_see_what_is_on_the_lists() -> None:
    vm = machine(lists=True)
    free = int(vm.arrays.zone[DMA32, st.ZONE_FREE])
    taken = [int(frames.take_from_zone(vm.pages, DMA32, st.ANON, M, 0)) for _ in range(4)]
    assert vm.arrays.zone[DMA32, st.ZONE_FREE] == free - 6  # two batches of 3
    assert vm.arrays.pcp[DMA32, pcp.COUNT] == 2
    assert vm.vmstat[INDEX["pgalloc_dma32"]] == 4
    frames.give_frame(vm.pages, taken[1])
    assert vm.arrays.pcp[DMA32, pcp.HEAD + M] == taken[1] + 1  # to the head
    assert (vm.vmstat[INDEX["pgfree"]], vm.arrays.zone[DMA32, st.ZONE_FREE]) == (1, free - 6)
    assert free_problems(vm.arrays) == []


def test_full_lists_return_more_each_time() -> None:
    """kswapd runs: at 12 frames 3 go back, then 6, then 9 = high - batch; an allocation halves the step."""
    vm = machine(lists=True)
    taken = [int(frames.take_from_zone(vm.pages, DMA32, st.ANON, M, 0)) for _ in range(60)]
    vm.arrays.zone[DMA32, st.KSWAPD_ON] = 1
    seen = []
    for f in taken[:34]:
        before = int(vm.arrays.pcp[DMA32, pcp.COUNT])
        frames.give_frame(vm.pages, f)
        if (after := int(vm.arrays.pcp[DMA32, pcp.COUNT])) <= before:
            seen.append(before + 1 - after)
    assert seen == [3, 6, 9, 9]
    assert free_problems(vm.arrays) == []


def test_lists_are_drained_if_reclaim_helped_and_no_zone_passes() -> None:
    vm = machine(lists=True)
    pages = [int(frames.take_from_zone(vm.pages, DMA32, st.ANON, M, 0)) for _ in range(100)]
    for f in pages:
        frames.give_frame(vm.pages, f)
    assert vm.arrays.pcp[DMA32, pcp.COUNT] == 102  # 34 batches
    assert frames.drain_if_short(vm.pages) == 0
    vm.arrays.zone[:, st.WMARK_MIN] = 30_000
    assert frames.drain_if_short(vm.pages) == 1
    assert vm.arrays.pcp[DMA32, pcp.COUNT] == 0


# --- zones, types ---------------------------------------------------------------------------------------------------


def test_with_normal_as_the_preferred_zone_the_first_pass_does_not_mix_types() -> None:
    """Normal has only movable blocks below a page block's size: an unmovable request goes to DMA32 first; at the min mark it mixes."""
    zones = (
        *GUEST[:1],
        ZoneStart("DMA32", 8192, 8192, 100, 120, 140, 4096, 8192),
        ZoneStart("Normal", 4096, 4096, 100, 120, 140, 1 << 20, 4096),
    )
    vm = machine(zones)
    held = [take(vm, 2, M) for _ in range(4096)]
    for f in held:
        if f % 4:
            give(vm, 2, f)
    f = int(frames.take_typed(vm.pages, st.TABLE, U, frames.LOW_MARK))
    assert frames.zone_of(vm.pages, f) == 1 and vm.num[st.MIXED : st.MIXED + 9].sum() == 0
    f = int(frames.take_typed(vm.pages, st.TABLE, U, frames.MIN_MARK))
    assert frames.zone_of(vm.pages, f) == 2 and vm.num[st.MIXED + 2 * st.TYPES + U] == 1


@pytest.mark.parametrize(("kind", "expected"), [("raw", U), ("ext4", M)])
def test_pages_of_a_raw_device_are_unmovable(kind: str, expected: int) -> None:
    vm = machine(filesystem=Filesystem(kind))
    types = vm.num[st.KIND_TYPES : st.KIND_TYPES + 6]
    assert [int(types[use]) for use in (st.ANON, st.FILE, st.TABLE, st.SLAB)] == [M, expected, U, U]


def test_pools_ask_as_their_allocators_do() -> None:
    """zsmalloc's pages are movable; z3fold's are asked for as unmovable, but count as movable; zbud's are neither."""
    from models.allocators.z3fold import Z3FOLD
    from models.allocators.zbud import ZBUD
    from models.allocators.zsmalloc import ZSMALLOC

    found = [(pool.movable_request, pool.migratable) for pool in (ZSMALLOC, Z3FOLD, ZBUD)]
    assert found == [(True, True), (False, True), (False, False)]


def test_pages_of_zones_above_the_index_are_passed_over_to_the_lists_head() -> None:
    """Oldest first: DMA32, DMA, DMA32, DMA.  A slice of 2 for DMA takes the two; the others keep their order, before what came later."""
    vm = machine()
    built = vm.built
    upper = [int(frames.take_from_zone(vm.pages, DMA32, st.ANON, M, 0)) for _ in range(3)]
    lower = [int(frames.take_from_zone(vm.pages, 0, st.ANON, M, 0)) for _ in range(2)]
    for f in (upper[0], lower[0], upper[1], lower[1], upper[2]):
        pagelru.insert(built.policy, vm.pages, f, -1)
    ctx = np.zeros(st.CONTEXT, np.int64)
    ctx[st.X_KSWAPD] = 1
    assert lru.isolate_tail(built.policy, vm.pages, ctx, lru_lists.INACTIVE_ANON, 2) == 2
    assert vm.arrays.window[:2].tolist() == lower
    order, at = [], upper[1] + 1
    assert vm.arrays.frame[upper[1], st.PREV] == 0
    while at:
        order.append(at - 1)
        at = int(vm.arrays.frame[at - 1, st.NEXT])
    assert order == [upper[1], upper[0], upper[2]]
    counted = {name: int(vm.vmstat[INDEX[name]]) for name in ("pgskip_dma32", "pgscan_kswapd", "pgscan_anon", "pgskip_dma")}
    assert counted == {"pgskip_dma32": 2, "pgscan_kswapd": 2, "pgscan_anon": 2, "pgskip_dma": 0}
    assert lru.isolate_tail(built.policy, vm.pages, ctx, lru_lists.INACTIVE_ANON, 2) == 0  # the whole list, once
    assert vm.vmstat[INDEX["pgskip_dma32"]] == 5


def test_scan_counts_are_of_the_zones_up_to_the_index() -> None:
    vm = machine()
    for z, n in ((DMA32, 100), (0, 20)):
        for _ in range(n):
            pagelru.insert(vm.built.policy, vm.pages, int(frames.take_from_zone(vm.pages, z, st.ANON, M, 0)), -1)
    ctx = np.zeros(st.CONTEXT, np.int64)
    found = []
    for index in (0, 1, 2):
        ctx[st.X_INDEX] = index
        lru.begin(vm.built.policy, vm.pages, ctx)
        found.append(int(ctx[lru.NR + lru_lists.INACTIVE_ANON]))
    assert found == [20, 120, 120]


# --- a measured start -----------------------------------------------------------------------------------------------


def test_a_measured_start_has_its_free_frames_and_its_own_in_page_blocks() -> None:
    zones = (GUEST[0]._replace(free=3808), GUEST[1]._replace(free=16016, reclaimable=2283, movable=1068, scattered=3000, pcp=45))
    built = build(make_plan([process(10)])._replace(start=Start(zones)))
    a = built.arrays
    assert free_problems(a) == []
    assert a.zone[:2, st.ZONE_FREE].tolist() == [3808, 16016]
    assert a.pcp[:2, pcp.COUNT].tolist() == [0, 45]
    kernel = a.frame[:, st.FLAGS] >> st.KIND_SHIFT == st.KERNEL
    assert int(kernel.sum()) == a.num[st.KERNEL_FRAMES] == 32 + 24263 - 16016 - 45
    assert (a.frame[kernel, st.FLAGS] & st.MIGRATABLE > 0).sum() == 1068
    assert kernel[:4096].sum() == 32 and kernel[256:512].sum() == 32  # DMA's own lie in its unmovable page block
    assert a.zone[:, st.BOOST].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"free": 30_000}, "30000 pages free, 0 on per-CPU lists, 24263 managed"),
        ({"spanned": 20_000}, "20000 spanned"),
        ({"free": 20_000, "movable": 5000}, "5000 movable in use"),
        ({"free": 20_000, "scattered": 20_001}, "start of zone DMA32"),
    ],
)
def test_a_start_that_cannot_be_is_told(wrong: dict[str, int], told: str) -> None:
    with pytest.raises(UserError, match=told):
        layouts(make_plan([process(10)])._replace(start=Start((GUEST[0], GUEST[1]._replace(**wrong)))))
