"""Linux's lists against a plain twin, and by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from models.memory import state as st
from models.memory.groups import LISTED
from models.policies import linux_lru as lru
from models.policies import linux_lru_lists as lru_lists
from models.policies import linux_lru_pages as pagelru
from models.vmstat import NR_INACTIVE_ANON, WORKINGSET_ACTIVATE_ANON
from tests.lru_kit import Both
from tests.twins.linux_lru import ACTIVATE, KEEP, RECLAIM_CLEAN, RECLAIM_IT, ROTATE, Pass, inactive_is_low, scan_counts

WRAP = 1 << 30

# --- against the twin -----------------------------------------------------------------------------------------------

LIFE = 200
PASS = some.builds(Pass, some.sampled_from([0, 0, 1, 3]), some.booleans(), some.booleans(), some.integers(1, 60))
op: Any = some.one_of(
    some.tuples(some.just("in"), some.integers(0, LIFE - 1), some.integers(1, 150)),
    some.tuples(some.sampled_from(["touch 0", "touch 1", "touch 2", "use"]), some.integers(0, LIFE - 1), some.integers(1, 150)),
    some.tuples(some.sampled_from(["out", "rotate"]), some.integers(0, LIFE - 1), some.integers(1, 4)),
    some.tuples(some.just("pass"), PASS, some.none()),
    some.tuples(some.sampled_from(["age", "finish", "no swap", "swap"]), some.none(), some.none()),
    some.tuples(some.just("cost"), some.integers(0, 1), some.integers(0, 60)),
    some.tuples(some.just("counts"), some.integers(0, 12), some.booleans()),
)


@settings(max_examples=250, deadline=None)
@example(
    [("in", 0, 3), ("pass", Pass(0, False, False, 1), None), ("finish", None, None), ("in", 0, 3)], 1, "FT", 0, 0
)  # no flush at the end
@given(
    ops=some.lists(op, max_size=40),
    files=some.sampled_from([1, 2, 3, LIFE]),  # every so many pages is a file page
    fates=some.text("FSWT", min_size=1, max_size=7),
    swappiness=some.sampled_from([0, 1, 60, 100, 200]),
    born=some.sampled_from([0, WRAP - 20]),
)
def test_any_life_is_the_twins(ops: list[Any], files: int, fates: str, swappiness: int, born: int) -> None:
    """Batches of pages come, are touched through their mappings, used by system calls, go, and passes take them, back and forth over
    the wrap of the age.  Every third file page is executable."""
    both = Both(LIFE, swappiness)
    both.num[lru_lists.AGE] = both.twin.age = born
    for name, x, y in ops:
        batch = name in ("in", "out", "rotate", "use") or name.startswith("touch")
        pages = [(x + i) % LIFE for i in range(y)] if batch else []
        for page in pages:
            here = both.twin.place(page) is not None
            if name == "in" and not here:
                is_file = page % files == 0
                both.insert(page, both.shadows.pop(page, None), is_file, is_file and page // files % 3 == 0)
            elif name.startswith("touch") and here:
                both.access(page, int(name[-1]))
            elif name == "use" and here:
                both.mark_accessed(page)
            elif name == "out" and here:
                pagelru.remove(both.policy, both.pages, page)
                both.twin.remove(page)
            elif name == "rotate" and here:
                both.putback(page, ROTATE)
        if name == "pass":
            both.reclaim_pass(x, fates)
        elif name == "age":
            lru.age(both.policy, both.pages, both.ctx)
            both.twin.background()
        elif name == "finish":
            lru.finish(both.policy, both.pages, both.ctx)
            both.twin.finish()
        elif name in ("swap", "no swap"):
            both.a.num[st.SWAP_FREE] = both.twin.swap_free = int(name == "swap")
        elif name == "cost":
            lru_lists.note_cost(both.policy, 0, x, y)
            both.twin.charge(x, y)
        elif name == "counts":
            both.counts(x, y)
        both.agree()


@pytest.fixture(scope="module")
def table() -> Both:
    """One machine for tests that set its numbers only."""
    return Both()


size = some.one_of(some.integers(0, 5000), some.integers(0, 3 << 20))


@settings(max_examples=300, deadline=None)
@given(
    sizes=some.lists(size, min_size=4, max_size=4),
    cost=some.tuples(some.integers(0, 10**6), some.integers(0, 10**6)),
    new=some.tuples(some.booleans(), some.booleans()),
    priority=some.integers(0, 12),
    swappiness=some.integers(0, 200),
    swap_free=some.sampled_from([0, 1, 10**6]),
    free=some.integers(0, 10**5),
    force=some.booleans(),
)
def test_scan_counts_of_any_sizes(table, sizes, cost, new, priority, swappiness, swap_free, free, force) -> None:  # type: ignore[no-untyped-def]
    """All branches, with lists up to 12 GiB."""
    vmstat, num = table.vm.vmstat, table.a.num
    vmstat[NR_INACTIVE_ANON : NR_INACTIVE_ANON + 4] = table.a.cgroup[0, LISTED : LISTED + 4] = sizes
    vmstat[0] = free
    table.num[lru_lists.ANON_COST : lru_lists.ANON_COST + 2] = cost
    table.num[lru_lists.SEEN_ACTIVATE_ANON : lru_lists.SEEN_ACTIVATE_FILE + 1] = (
        vmstat[WORKINGSET_ACTIVATE_ANON : WORKINGSET_ACTIVATE_ANON + 2] - new
    )
    num[st.SWAP_FREE], num[st.SWAPPINESS] = swap_free, swappiness
    may = [force or new[kind] or inactive_is_low(sizes[2 * kind], sizes[2 * kind + 1], 4096) for kind in (0, 1)]
    expected = scan_counts(sizes, list(cost), may, priority, swappiness, swap_free, free, table.twin.high_marks)
    table.ctx[st.X_PRIORITY], table.ctx[st.X_FORCE] = priority, force
    lru.begin(table.policy, table.pages, table.ctx)
    assert table.ctx[lru.NR : lru.NR + 4].tolist() == expected == table.ctx[lru.TARGET : lru.TARGET + 4].tolist()
    assert table.ctx[lru.MAY_DEACTIVATE : lru.MAY_DEACTIVATE + 2].astype(bool).tolist() == may


# --- by hand --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inactive", "active", "page_size", "low"),
    [
        (1000, 1001, 4096, 1),  # half and half below a GiB
        (1000, 1000, 4096, 0),
        (131_071, 131_072, 4096, 1),  # one page less than a GiB
        (131_071, 131_073, 4096, 0),  # a GiB: one part in 4 is enough, isqrt(10) = 3
        (65_536, 196_608, 4096, 0),
        (65_535, 196_609, 4096, 1),
        (200_000, 2_421_440, 4096, 1),  # 10 GiB: 10 times
        (238_313, 2_383_127, 4096, 0),
        (4096, 12_288, 65536, 0),  # a GiB of larger pages
        (4095, 12_289, 65536, 1),
    ],
)
def test_inactive_may_be_shorter_in_large_memories(table: Both, inactive: int, active: int, page_size: int, low: int) -> None:
    for is_file in (0, 1):
        table.num[lru_lists.STATS + 2 * is_file : lru_lists.STATS + 2 * is_file + 2] = inactive, active
        table.a.num[st.PAGE_SIZE] = page_size
        try:
            assert pagelru.inactive_is_low(table.policy, table.pages, 0, is_file) == low
        finally:
            table.a.num[st.PAGE_SIZE] = 4096


def test_second_chance_by_hand() -> None:
    """Untouched: reclaimed.  Touched once: one more trip.  Touched in two trips running: activated."""
    both = Both()
    for page in (1, 2, 3):
        both.insert(page)
    both.access(2)
    both.access(3)
    assert [both.check(page) for page in (1, 2, 3)] == [RECLAIM_IT, KEEP, KEEP]
    both.access(3)
    assert [both.check(page) for page in (2, 3)] == [RECLAIM_IT, ACTIVATE]


def test_a_trip_without_a_touch_forgets_the_first() -> None:
    both = Both()
    both.insert(1)
    both.access(1)
    assert both.check(1) == KEEP
    assert both.check(1) == RECLAIM_IT  # the engine may keep it all the same: no room in swap
    both.access(1)
    assert both.check(1) == KEEP


def test_a_first_touch_protects_one_trip_whoever_comes_after() -> None:
    """40 pages touched when they came: the first pass frees none and keeps their order, the second frees all."""
    both = Both()
    for page in range(40):
        both.insert(page)
        both.access(page)
    asked = Pass(0, True, False, 1000)
    assert both.reclaim_pass(asked, "F") == [list(range(32)), list(range(32, 40))]
    assert both.lists()[0] == list(range(39, -1, -1))
    assert both.reclaim_pass(asked, "F") == [list(range(32)), list(range(32, 40))]
    assert both.lists()[0] == []
    both.agree()


@pytest.mark.parametrize(("distance", "active"), [(0, True), (2, True), (3, False)])
@pytest.mark.parametrize("born", [0, WRAP - 1])
def test_refault_distance_is_compared_with_the_active_list(distance: int, active: bool, born: int) -> None:
    """Two active anonymous pages: a page that was away for two evictions is activated, for three not."""
    both = Both()
    both.num[lru_lists.AGE] = both.twin.age = born
    for page in (1, 2):
        both.insert(page)
        both.activate(page)
    both.insert(3)
    both.insert(4)
    both.flush()
    shadow = both.evicted(9)
    for _ in range(distance - 1):
        both.evicted(9)
    both.insert(5, shadow if distance else (int(both.num[lru_lists.AGE]) % WRAP, False))
    assert (5 in both.lists()[1]) is active
    assert both.twin.count["workingset_activate_anon"] == active
    both.agree()


@pytest.mark.parametrize(
    ("is_file", "swap", "size"), [(False, True, 4 + 3 + 2), (False, False, 4 + 3), (True, True, 4 + 2 + 1), (True, False, 4)]
)
def test_whom_a_returning_page_competes_with(is_file: bool, swap: bool, size: int) -> None:
    """1 inactive and 2 active anonymous pages, 3 inactive and 4 active file pages; without free swap no anonymous page gives way."""
    for distance, active in ((size, True), (size + 1, False)):
        both = Both()
        both.num[lru_lists.AGE] = both.twin.age = 100
        for page in range(10):
            both.insert(page, None, page >= 3)
        for page in (1, 2, 6, 7, 8, 9):
            both.activate(page)
        assert [len(pages) for pages in both.lists()] == [1, 2, 3, 4]
        both.a.num[st.SWAP_FREE] = both.twin.swap_free = int(swap)
        both.flush()
        both.insert(20, (int(both.num[lru_lists.AGE]) - distance, False), is_file)
        assert (20 in both.lists()[3 if is_file else 1]) is active, distance
        both.agree()


def test_the_working_set_flag_comes_back_and_costs() -> None:
    """Deactivated, evicted, read again at once: active and of the working set again; only that one counts as restored."""
    both = Both()
    for page in range(8):
        both.insert(page)
        both.activate(page)
    lru.deactivate(both.policy, both.pages, both.ctx, 1, 0)
    both.twin.deactivate(1, 0)
    both.twin.remove(0)
    pagelru.remove(both.policy, both.pages, 0)
    both.flush()
    shadow = both.evicted(0)
    assert shadow[1]
    both.insert(0, shadow)
    both.insert(20, (shadow[0], False))
    count = both.twin.count
    assert (count["workingset_refault_anon"], count["workingset_activate_anon"], count["workingset_restore_anon"]) == (2, 2, 1)
    assert both.twin.cost == [1, 0]
    assert both.evicted(0)[1] and not both.evicted(20)[1]
    both.agree()


def test_costs_are_halved_above_a_quarter_of_the_lists() -> None:
    both = Both()
    for page in range(40):
        both.insert(page)
    both.flush()
    for kind, cost, expected in ((0, 6, [6, 0]), (1, 4, [6, 4]), (1, 1, [3, 2]), (0, 20, [11, 1])):
        lru_lists.note_cost(both.policy, 0, kind, cost)
        both.twin.charge(kind, cost)
        assert both.twin.cost == expected
    both.agree()


def test_without_swap_no_anonymous_page_is_scanned() -> None:
    both = Both()
    for page in range(20):
        both.insert(page, None, page >= 15)
    both.a.num[st.SWAP_FREE] = both.twin.swap_free = 0
    assert both.counts(0) == [0, 0, 5, 0]


def test_swappiness_shares_between_equals() -> None:
    """No costs yet: swappiness parts of 200 are anonymous.  16 and 16 pages, new activations on both sides: no type is spared."""
    shares = {}
    for swappiness in (0, 60, 100, 200):
        both = Both(swappiness=swappiness)
        for page in range(32):
            both.insert(page, None, page >= 16)
        both.num[lru_lists.SEEN_ACTIVATE_ANON : lru_lists.SEEN_ACTIVATE_FILE + 1] = -1
        both.twin.seen = [-1, -1]
        shares[swappiness] = both.counts(1)
    assert shares == {0: [0, 0, 8, 0], 60: [2, 0, 5, 0], 100: [4, 0, 4, 0], 200: [8, 0, 0, 0]}


def test_a_costly_type_is_scanned_less() -> None:
    both = Both(swappiness=100)
    for page in range(40):
        both.insert(page, None, page >= 20)
    both.num[lru_lists.SEEN_ACTIVATE_ANON : lru_lists.SEEN_ACTIVATE_FILE + 1] = -1
    both.twin.seen = [-1, -1]
    both.num[lru_lists.ANON_COST] = 9
    both.twin.cost = [9, 0]
    assert both.counts(1) == [3, 0, 6, 0]  # costs 18 and 9 of 27: a third and two thirds, 147 and 280 parts


def test_cold_file_pages_spare_the_anonymous_ones() -> None:
    """Enough inactive file pages and nothing new among the active ones: only they are scanned; not at the last priority."""
    both = Both()
    for page in range(32):
        both.insert(page, None, page >= 16)
    assert both.counts(1) == [0, 0, 8, 0]
    assert both.counts(4) == [0, 0, 1, 0]
    assert both.counts(0) == [16, 0, 16, 0]
    assert both.counts(1, force=True) != [0, 0, 8, 0]


def test_hardly_any_file_pages_are_left_alone() -> None:
    """File and free pages together do not reach the high marks: anonymous pages only."""
    both = Both()
    for page in range(32):
        both.insert(page, None, page >= 28)
    marks = both.twin.high_marks
    for free, expected in ((marks - 4, [14, 0, 0, 0]), (marks - 3, [0, 0, 2, 0])):
        both.vm.vmstat[0] = both.twin.free = free
        assert both.counts(1) == expected


def test_an_active_list_that_may_not_be_touched_is_skipped_and_said() -> None:
    both = Both()
    for page in range(40):
        both.insert(page)
    for page in range(10):
        both.activate(page)
    lru.finish(both.policy, both.pages, both.ctx)
    both.twin.finish()
    both.reclaim_pass(Pass(0, False, False, 32), "T")
    assert both.ctx[st.X_SKIPPED] == 1
    assert both.twin.count["pgdeactivate"] == 0  # no inactive page is left, but the statistics are those from before the pass
    both.reclaim_pass(Pass(12, False, False, 32), "T")
    assert both.twin.count["pgdeactivate"] == 32  # by the aging after the next one
    both.agree()


def test_the_goal_ends_a_pass_and_the_smaller_type_first() -> None:
    """A goal of 16 with 100 inactive pages of each type: after a slice of each, 68 of 101 file pages are left, which is 67 %; of the
    anonymous pages 33 % were to be looked at, and 32 were: one more."""
    both = Both(200)
    for page in range(200):
        both.insert(page, None, page >= 100)
    slices = both.reclaim_pass(Pass(0, True, False, 16), "F")
    assert [len(part) for part in slices] == [32, 32, 1]
    both.agree()


@pytest.mark.parametrize(("anon", "slices"), [(100, [32, 32, 27]), (180, [32, 32, 27])])
def test_the_larger_type_is_looked_at_in_proportion(anon: int, slices: list[int]) -> None:
    """100 pages of one type and 180 of the other: 68 of 101 are left of the smaller one, so of the larger 33 % of 180, 32 done."""
    both = Both(280)
    for page in range(280):
        both.insert(page, None, page >= anon)
    found = both.reclaim_pass(Pass(0, True, False, 64), "F")
    assert [len(part) for part in found] == slices
    assert (found[2][0] >= anon) is (anon == 100)
    both.agree()


def test_the_first_direct_pass_goes_on_beyond_its_goal() -> None:
    """At priority 12 a direct reclaimer scans all that it worked out: 3 slices here for a goal of one page."""
    both = Both(100)
    for page in range(100):
        both.insert(page)
    found = []
    for kswapd in (True, False):
        ctx = both.ctx
        ctx[st.X_PRIORITY], ctx[st.X_KSWAPD], ctx[st.X_TO_RECLAIM], ctx[st.X_RECLAIMED] = 12, int(kswapd), 1, 0
        lru.begin(both.policy, both.pages, ctx)
        ctx[lru.NR] = 40
        slices = 0
        while (n := lru.isolate(both.policy, both.pages, ctx)) >= 0:
            slices += 1
            ctx[st.X_RECLAIMED] += n
        found.append(slices)
    assert found == [1, 2]


@pytest.mark.parametrize("active", [False, True])
def test_a_written_page_goes_to_the_inactive_tail_even_if_it_was_activated(active: bool) -> None:
    """Reclaim activates what it meets dirty or under writeback; written, it is the next to be freed.  Dirty again, it stays."""
    both = Both()
    for page in (1, 2, 3):
        both.insert(page, None, True)
    if active:
        both.activate(3)
    before = both.lists()
    both.a.frame[3, st.FLAGS] |= st.DIRTY
    pagelru.putback(both.policy, both.pages, 3, ROTATE)
    assert both.lists() == before
    both.a.frame[3, st.FLAGS] &= ~st.DIRTY
    both.putback(3, ROTATE)
    assert both.lists()[2:] == [[2, 1, 3], []]
    assert both.twin.count["pgrotated"] == 1
    both.agree()


# --- file pages by hand ---------------------------------------------------------------------------------------------


def test_a_file_page_read_once_goes_only_if_it_is_clean() -> None:
    """Referenced by a system call and not through a mapping: freed, but not written for it; an anonymous page knows no such verdict."""
    both = Both()
    both.insert(1, None, True)
    both.insert(2)
    for page in (1, 2):
        both.mark_accessed(page)
    assert [both.check(page) for page in (1, 2)] == [RECLAIM_CLEAN, RECLAIM_IT]
    assert both.check(1) == RECLAIM_IT  # the look forgot the reference


@pytest.mark.parametrize(
    ("mappings", "executable", "verdict"),
    [
        ((), False, RECLAIM_IT),
        ((0,), False, KEEP),
        ((0, 1), False, ACTIVATE),  # two mappings used
        ((2,), False, RECLAIM_IT),  # sequential advice: its use does not count
        ((0, 2), False, KEEP),
        ((0,), True, ACTIVATE),  # code needs one use only
        ((2,), True, RECLAIM_IT),
        ((), True, RECLAIM_IT),
    ],
)
def test_a_mapped_file_page(mappings: tuple[int, ...], executable: bool, verdict: int) -> None:
    both = Both()
    both.insert(1, None, True, executable)
    for n in mappings:
        both.access(1, n)
    assert both.check(1) == verdict
    assert not both.twin.accessed
    both.agree()


def test_a_reference_by_a_call_and_one_by_a_mapping_activate() -> None:
    both = Both()
    both.insert(1, None, True)
    both.mark_accessed(1)
    both.access(1)
    assert both.check(1) == ACTIVATE


def test_the_second_use_by_a_system_call_activates() -> None:
    """Inactive, referenced, active at the head without the mark, active and referenced; a fifth use changes nothing."""
    both = Both()
    for page in (1, 2, 3):
        both.insert(page, None, True)
    places = []
    for _ in range(5):
        both.mark_accessed(1)
        places.append((both.twin.place(1), 1 in both.twin.referenced))
        both.agree()
    assert places == [(2, True), (3, False), (3, True), (3, True), (3, True)]
    assert (both.twin.count["pgactivate"], both.twin.age) == (1, 1)
    both.mark_accessed(2)
    both.mark_accessed(2)
    assert both.lists()[3] == [2, 1]


def test_code_in_use_stays_active() -> None:
    """Four active file pages, oldest first: code used, code not used, data used, code used.  The used code goes to the head in its
    old order and ages the shadows; the rest is deactivated, whatever its references."""
    both = Both()
    for page in (1, 2, 3, 4, 5):
        both.insert(page, None, True, page in (1, 2, 4))
        both.activate(page)
    for page in (1, 3, 4):
        both.access(page)
    age = both.twin.age
    assert lru.deactivate(both.policy, both.pages, both.ctx, 4, 1) == 4
    both.twin.deactivate(4, 1)
    assert both.lists()[2:] == [[3, 2], [4, 1, 5]]
    assert both.twin.age == age + 2
    assert (both.twin.count["pgrefill"], both.twin.count["pgdeactivate"]) == (4, 2)
    assert not both.twin.accessed
    both.agree()


@pytest.mark.parametrize(("is_file", "cost"), [(True, [0, 8]), (False, [2, 0])])
def test_a_written_page_is_charged_to_its_type(is_file: bool, cost: list[int]) -> None:
    """32 pages at priority 2: all 8 of the file pages, 60 parts of 200 of the anonymous ones; all of them are written."""
    both = Both()
    for page in range(32):
        both.insert(page, None, is_file)
    both.a.num[st.SWAP_FREE] = both.twin.swap_free = int(not is_file)
    both.reclaim_pass(Pass(2, True, False, 100), "W")
    assert both.twin.cost == cost
    both.agree()


def test_the_last_resort_without_swappiness_still_spares_anonymous_memory() -> None:
    """Priority 0 scans both types in full, unless swappiness is 0: then the shares decide, and anonymous memory has none."""
    for swappiness, expected in ((60, [16, 0, 16, 0]), (0, [0, 0, 16, 0])):
        both = Both(swappiness=swappiness)
        for page in range(32):
            both.insert(page, None, page >= 16)
        both.num[lru_lists.SEEN_ACTIVATE_ANON : lru_lists.SEEN_ACTIVATE_FILE + 1] = -1
        both.twin.seen = [-1, -1]
        both.vm.vmstat[0] = both.twin.free = both.twin.high_marks + 1
        assert both.counts(0) == expected
