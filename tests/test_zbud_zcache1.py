"""zbud of zcache 1.0: the worked example, its rules one by one, the plain twin, limits.  Its answers to traces: tests/test_replay.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import int64, njit

from models.allocators import pool as P
from models.allocators import zbud_zcache1 as zbud
from models.allocators.drive import ALLOC, FREE, LIMIT, PIN, RECLAIM, UNPIN
from models.allocators.eviction import evict_pages
from models.errors import InputError
from tests.test_allocators import TALLY, answer, run
from tests.twins.zbud_zcache1 import ZbudZcache1

PLENTY = 1 << 40
PAGE_SIZES = (4096, 16384, 65536)
ALLOCATOR = zbud.ZBUD_ZCACHE1


def lists(arrays):
    """The compiled pool's lists in the twin's form, their three descriptions checked against each other."""
    found, n = {}, len(arrays.head) // 3
    for index in range(n):
        row, before, serials = int(arrays.head[index]), 0, []
        while row:
            assert (arrays.page[row, zbud.PREV], arrays.page[row, zbud.LIST]) == (before, index)
            serials.append(int(arrays.page[row, zbud.SERIAL]))
            before, row = row, int(arrays.page[row, zbud.NEXT])
        assert (arrays.head[n + index], arrays.head[2 * n + index]) == (before, len(serials))
        if serials:
            found[index] = serials
    return found


class Play:
    """A script such as "a1 1000, f1, e 2" (e: evict so many pages) on one pool; returns where each object went or what was lost."""

    def __init__(self, page_size: int = 4096, may_take: int = PLENTY, max_objects: int = 100, **options) -> None:
        self.arrays = zbud.create(page_size, 1000, max_objects, may_take=may_take, **options)
        self.table = np.zeros((3, 300), np.int32)

    def one(self, code, ident, arg=0):
        place, _ = run(ALLOCATOR, self.arrays, [(code, ident, arg)], self.table)
        return answer(place[0]) if code == ALLOC else int(place[0, 0])

    def evict(self, pages, refuse=False):
        return evict_pages(ALLOCATOR, self.arrays, P.Objects(*self.table), pages, refuse)

    def __call__(self, script: str) -> dict[str, object]:
        got: dict[str, object] = {}
        for part in script.split(","):
            word, *number = part.split()
            if word == "e":
                got[f"e{len(got)}"] = [who for who, _ in self.evict(int(number[0])).offered]
            elif word[0] == "a":
                got[word] = self.one(ALLOC, int(word[1:]), int(number[0]))
            else:
                assert self.one(FREE, int(word[1:])) == 0
        return got

    def counter(self, name: str) -> int:
        return zbud.counters(self.arrays)[name]


# --- worked example ----------------------------------------------------------------------------------------------------

EXAMPLE = "a1 1000, a2 3000, a3 1900, a4 1000, a5 3904, a6 64, a7 3905, f2, a8 2000"


@pytest.mark.parametrize("header", [32, 64])
def test_worked_example(header):
    play = Play(header=header)
    got = play(EXAMPLE)
    assert got == {
        "a1": [(0, 128)],
        "a2": [(1, 128)],
        "a3": [(0, 2176)],
        "a4": [(2, 128)],
        "a5": [(3, 128)],
        "a6": [(3, 4032)],
        "a7": -P.EINVAL,
        "a8": [(2, 2048)],
    }
    assert play("e 1") == {"e0": []}
    assert (play.counter("evicted_raw_pages"), play.arrays.num[P.PAGES_RETURNED]) == (1, 1)
    assert play("a9 500, e 2") == {"a9": [(4, 128)], "e1": [9, 1, 3]}
    assert lists(play.arrays) == {62: [3, 2], 63: [0, 4]}
    assert play.counter("zbud_curr_raw_pages") == 4
    assert play("e 3") == {"e0": [5, 6]}
    assert zbud.counters(play.arrays) == {
        "zbud_curr_raw_pages": 2,
        "zbud_curr_zpages": 2,
        "zbud_curr_zbytes": 3000,
        "zbud_cumul_zpages": 8,
        "zbud_cumul_zbytes": 1000 + 3000 + 1900 + 1000 + 3904 + 64 + 2000 + 500,
        "zbud_buddied_count": 1,
        "zbpg_unused_list_count": 1,
        "evicted_raw_pages": 3,
        "evicted_unbuddied_pages": 1,
        "evicted_buddied_pages": 2,
    }
    counts = zbud.chunk_counters(play.arrays)["zbud_cumul_chunk_counts"]
    assert {k: n for k, n in enumerate(counts) if n} == {1: 1, 8: 1, 16: 2, 30: 1, 32: 1, 47: 1, 61: 1}
    assert play.arrays.num[P.META_INSIDE] == 2 * {32: 96, 64: 128}[header]


# --- rules one by one --------------------------------------------------------------------------------------------------


def test_a_store_takes_the_fullest_page_with_room_and_of_those_the_one_that_waited_longest():
    play = Play()
    got = play("a1 2560, a2 2560, a3 3200, a4 640, a5 640, a6 1472, a7 1408")
    assert got["a4"] == [(2, 3456)], "50 and 10 chunks, not 40 and 10"
    assert got["a5"] == [(0, 3456)], "page 0 was there before page 1"
    assert got["a6"] == [(3, 128)], "23 chunks do not fit beside 40"
    assert got["a7"] == [(1, 2688)], "22 do"
    assert lists(play.arrays) == {23: [3], 62: [2, 0, 1]}


def test_the_vacant_place_is_used_whichever_it_is():
    got = Play()("a1 1000, a2 1000, f1, a3 500")
    assert (got["a2"], got["a3"]) == ([(0, 3072)], [(0, 128)])


def test_a_page_that_loses_its_pair_goes_behind_the_others_of_its_list():
    play = Play()
    play("a1 2560, a2 2560, a3 640, f3")
    assert lists(play.arrays) == {40: [1, 0]}


def test_empty_pages_are_kept_and_the_one_emptied_last_is_used_first():
    play = Play()
    got = play("a1 3000, a2 3000, a3 3000, f1, f3")
    assert lists(play.arrays) == {47: [1], 63: [2, 0]}
    assert (play.arrays.num[P.POOL_PAGES], play.arrays.num[P.PAGES_RETURNED]) == (3, 0)
    got = play("a4 3500, a5 3500, a6 3500")
    assert [got[f"a{i}"][0][0] for i in (4, 5, 6)] == [2, 0, 3]


def test_a_store_needs_a_new_page_only_if_none_is_unused():
    play = Play(may_take=1)
    assert play("a1 3000, a2 3000, a3 900, f1, f3, a4 3840, a5 65")["a5"] == [(0, 3968)]
    assert play("f4, a6 3904") == {"a6": -P.ENOMEM}
    assert play("f5, a7 3904") == {"a7": [(0, 128)]}


def test_sizes_from_one_byte_to_61_chunks():
    got = Play()("a1 0, a2 1, a3 3904, a4 3905")
    assert got == {"a1": -P.EINVAL, "a2": [(0, 128)], "a3": [(0, 192)], "a4": -P.EINVAL}


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_larger_pages_have_more_chunks_of_the_same_size(page_size):
    largest = page_size - 192
    got = Play(page_size)(f"a1 {largest}, a2 64, a3 65, a4 {largest + 1}")
    assert got == {"a1": [(0, 128)], "a2": [(0, page_size - 64)], "a3": [(1, 128)], "a4": -P.EINVAL}


def test_eviction_begins_with_the_emptiest_pages_and_takes_pairs_in_the_order_of_their_pairing():
    play = Play()
    assert play("a1 3200, a2 2560, a3 2560, e 2")["e3"] == [2, 3]
    assert lists(play.arrays) == {50: [0], 63: [2, 1]}
    play = Play()
    assert play("a1 2560, a2 3200, a3 640, a4 640, e 1")["e4"] == [2, 3]
    assert play("e 2") == {"e0": [1, 4]}, "one page is only given back"
    assert (play.counter("evicted_raw_pages"), play.counter("evicted_buddied_pages")) == (1, 2)


def test_an_evicted_page_is_counted_but_only_the_next_eviction_gives_it_back():
    play = Play()
    play("a1 3000, a2 3000, e 2")
    assert (play.counter("zbud_curr_raw_pages"), play.counter("evicted_raw_pages")) == (2, 0)
    assert play("e 1, e 1, e 1") == {"e0": [], "e1": [], "e2": []}
    assert (play.counter("zbud_curr_raw_pages"), play.counter("evicted_raw_pages")) == (0, 2)


def test_asking_for_no_page_evicts_one():
    play = Play()
    assert play("a1 3000, a2 3000, e 0") == {"a1": [(0, 128)], "a2": [(1, 128)], "e2": [1]}
    assert play("e 0") == {"e0": []}
    assert play.counter("evicted_raw_pages") == 1


def test_a_lone_object_of_61_chunks_is_never_evicted():
    play = Play()
    assert play("a1 3904, a2 3840, e 9")["e2"] == [2]
    assert play("e 9") == {"e0": []}
    assert lists(play.arrays) == {61: [0]}
    assert play("a3 64, e 9") == {"a3": [(0, 4032)], "e1": [1, 3]}


def test_the_steps_of_an_eviction():
    """A claimed page takes no store; what is freed in it leaves it claimed; then it is unused, and the goal is reached."""
    play = Play()
    pool, num = play.arrays.pool, play.arrays.num
    first, second = (ALLOCATOR.alloc(pool, size) for size in (1000, 2000))
    num[[P.EVICT_LEFT, P.EVICT_AT]] = 1, 0
    page = ALLOCATOR.evict_begin(pool)
    assert page > 0 and lists(play.arrays) == {}
    assert ALLOCATOR.evict_next(pool, page) == first
    assert ALLOCATOR.free(pool, first) == 0
    assert lists(play.arrays) == {}
    other = ALLOCATOR.alloc(pool, 500)
    assert lists(play.arrays) == {8: [1]}
    assert ALLOCATOR.evict_next(pool, page) == second
    assert ALLOCATOR.free(pool, second) == 0
    assert ALLOCATOR.evict_next(pool, page) == -1
    assert ALLOCATOR.evict_done(pool, page) == 1
    assert lists(play.arrays) == {8: [1], 63: [0]}
    assert ALLOCATOR.evict_begin(pool) == 0
    assert num[P.OBJECTS] == 1 and ALLOCATOR.free(pool, other) == 0


@njit(int64(P.pool_t, P.evict_begin_t, P.evict_next_t, P.evict_done_t, P.free_t, int64, P.Numbers))
def evict_in_compiled_code(pool, begin, following, done, free, pages, lost):
    """What a backend does: all steps through function values, without a return to Python."""
    P.start_eviction(pool.num, pages)
    n = 0
    page = begin(pool)
    while page > 0:
        handle = following(pool, page)
        while handle >= 0:
            lost[n] = handle
            n += 1
            free(pool, handle)
            handle = following(pool, page)
        done(pool, page)
        page = begin(pool)
    return n


def test_a_backend_can_go_through_the_steps_in_compiled_code():
    play = Play()
    play("a0 1000, a1 2000, a2 3000, a3 3904, a4 2500, f2")
    lost = np.zeros(10, np.int64)
    steps = ALLOCATOR.evict_begin, ALLOCATOR.evict_next, ALLOCATOR.evict_done, ALLOCATOR.free
    assert evict_in_compiled_code(play.arrays.pool, *steps, 3, lost) == 3
    assert lost[:3].tolist() == [4, 0, 1]
    assert lists(play.arrays) == {61: [2], 63: [0, 3]}


def test_only_a_claimed_page_has_objects_to_lose():
    play = Play()
    play("a1 100, a2 4000, a3 3000, a4 3000, f1, f3, e 1")
    for page in (-1, 0, 1, 2, 3, 4, 1 << 40):
        assert ALLOCATOR.evict_next(play.arrays.pool, page) == -P.EINVAL
        assert ALLOCATOR.evict_done(play.arrays.pool, page) == -P.EINVAL


def test_an_object_that_is_kept_stays_stored():
    """The original has no refusal; here nothing is lost by one, and the page counts towards the goal all the same."""
    play = Play()
    play("a1 3000, a2 600, a3 3200")
    play.one(PIN, 2)
    lost = play.evict(2, refuse=True)
    assert lost.offered == [(3, True), (1, True), (2, False)]
    assert (lost.pages, lost.code) == (1, 0)
    assert lists(play.arrays) == {10: [0], 63: [1]}
    assert play.table[0, 2] != 0 and play("f2") == {}


# --- against the plain twin --------------------------------------------------------------------------------------------

EVICT = RECLAIM
SIZES = st.one_of(st.integers(0, 70_000), st.builds(lambda k, d: max(64 * k + d, 0), st.integers(0, 1024), st.integers(-1, 1)))
RAW = st.lists(st.tuples(st.sampled_from([ALLOC] * 6 + [FREE] * 3 + [EVICT, LIMIT, PIN, UNPIN]), SIZES), max_size=80)


def same(play, twin, raw, page_size, refuse):
    """Both do the operations; every answer, the whole tally, all counters and lists after each one must agree."""
    num, allocs, pinned = play.arrays.num, 0, set()
    for i, (code, number) in enumerate(raw):
        ident, walked = number % (allocs + 1), int(num[P.WALKED])
        one = code == ALLOC or (code == FREE and ident in twin.objects)  # one operation; an eviction is many
        if code == ALLOC:
            size = number % (page_size - 150)
            assert play.one(ALLOC, allocs, size) == twin.alloc(allocs, size), i
            allocs += 1
        elif code == FREE:
            assert play.one(FREE, ident) == (twin.free(ident) if one else -P.EINVAL), i
        elif code == LIMIT:
            twin.may_take = number % 7
            play.one(LIMIT, 0, number % 7)
        elif code == EVICT:
            got, expected = play.evict(number % 9, refuse), twin.evict(number % 9, pinned if refuse else ())
            assert got.offered == expected, i
            assert num[P.WALKED] - walked == twin.walked, i
        else:
            play.one(code, ident)
            (pinned.add if code == PIN else pinned.discard)(ident)
        expected = {name: value for name, value in twin.tally().items() if one or not name.startswith("op_")}
        assert {name: int(num[TALLY[name]]) for name in expected} == expected, i
        assert lists(play.arrays) == twin.lists(), i
        assert zbud.counters(play.arrays) == twin.counters()
        assert zbud.chunk_counters(play.arrays) == twin.chunk_counters()
    twin.check()
    assert {who for who in range(allocs) if play.table[0, who]} == set(twin.objects)


@settings(max_examples=300, deadline=None)
@given(RAW, st.sampled_from(PAGE_SIZES), st.sampled_from([32, 64]), st.integers(0, 20), st.sampled_from([3, 100]), st.booleans())
def test_agrees_with_its_twin(raw, page_size, header, may_take, max_objects, refuse):
    play = Play(page_size, may_take, max_objects, header=header)
    same(play, ZbudZcache1(page_size, header, may_take, max_objects), raw, page_size, refuse)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("refuse", [False, True])
def test_long_churn_agrees_with_the_twin(page_size, refuse):
    """Long lists, most of the objects of the sizes that pair, evictions small and large."""
    rng = np.random.default_rng(7)
    codes = rng.choice([ALLOC, FREE, EVICT, PIN, UNPIN], 600, p=[0.45, 0.38, 0.02, 0.1, 0.05])
    means = page_size * np.array([0.2, 0.45, 0.7, 0.93])
    sizes = np.clip(rng.normal(rng.choice(means, 600), page_size / 40), 1, page_size - 192).astype(int)
    raw = [(int(code), int(size)) for code, size in zip(codes, sizes, strict=True)]
    same(Play(page_size, max_objects=300), ZbudZcache1(page_size), raw, page_size, refuse)


# --- limits --------------------------------------------------------------------------------------------------------------


def test_hard_limits_refuse_and_do_no_harm():
    arrays = zbud.create(4096, 5, 3, may_take=PLENTY)
    pool, num = arrays.pool, arrays.num
    handles = [ALLOCATOR.alloc(pool, 3800) for _ in range(4)]
    assert handles == [0, 1, 2, -P.ENOMEM]
    assert ALLOCATOR.free(pool, 1) == 0
    assert ALLOCATOR.free(pool, 1) == -P.EINVAL
    assert ALLOCATOR.alloc(pool, 10) == 1
    assert [ALLOCATOR.free(pool, handle) for handle in (-1, 3, 1 << 40)] == [-P.EINVAL] * 3
    assert (num[P.OBJECTS], num[P.PAYLOAD], num[P.PAGES_TAKEN]) == (3, 7610, 3)
    few = zbud.create(4096, 2, 100, may_take=PLENTY)
    assert [ALLOCATOR.alloc(few.pool, 3800) for _ in range(4)] == [0, 1, -P.ENOMEM, -P.ENOMEM]
    assert few.num[P.PAGES_TAKEN] == 2


def test_what_the_original_could_not_be_is_refused():
    for size in (256, 4100, 1 << 20):
        with pytest.raises(InputError, match=f"zbud: pages of {size} bytes"):
            zbud.create(size, 10, 10)
    with pytest.raises(InputError, match="header 48"):
        zbud.create(4096, 10, 10, header=48)
