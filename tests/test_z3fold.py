"""z3fold of Linux 6.1: its rules one by one, the plain twin, limits.  Its answers to traces: tests/test_replay.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.allocators import pool as P
from models.allocators import z3fold
from models.errors import InputError
from tests.reclaim_kit import PAGE_SIZES, PLENTY, RAW, Duel, long_churn
from tests.reclaim_kit import Play as AnyPlay
from tests.twins.z3fold import Z3fold

ALLOCATOR = z3fold.Z3FOLD


def Play(*args, **options):
    return AnyPlay(z3fold, ALLOCATOR, *args, **options)


def at(page, chunk):
    return page, 64 * chunk


# --- rules one by one: stores --------------------------------------------------------------------------------------------


def test_sizes_from_one_byte_to_a_page():
    """62 chunks are usable, and an object that shares a page has 61 at most; larger ones have a page without a header."""
    play = Play()
    got = play("a1 0, a2 1, a3 3904, a4 3905, a5 4096, a6 4097")
    assert got == {"a1": -P.EINVAL, "a2": at(0, 2), "a3": at(0, 3), "a4": (1, 0), "a5": (2, 0), "a6": -P.ENOSPC}
    assert play.lists() == {-1: [2, 1, 0], 0: [0]}
    play("f4")
    assert play.lists() == {-1: [2, 0], 0: [0]}
    assert play.arrays.num[P.PAGES_RETURNED] == 1


@pytest.mark.parametrize("page_size", PAGE_SIZES[1:])
def test_the_header_of_larger_pages_is_one_chunk_of_64(page_size):
    chunk = page_size // 64
    got = Play(page_size)(f"a1 {62 * chunk}, a2 {chunk}, a3 {62 * chunk + 1}")
    assert got == {"a1": (0, chunk), "a2": (0, 63 * chunk), "a3": (1, 0)}


def test_first_then_last_then_the_middle_behind_the_first():
    play = Play()
    assert play("a1 640, a2 1280, a3 2048, a4 64") == {"a1": at(0, 2), "a2": at(0, 44), "a3": at(0, 12), "a4": at(1, 2)}
    assert play.lists() == {-1: [1, 0], 61: [1]}, "a full page is on no list"
    assert ALLOCATOR.counters(play.arrays) == {"pages": 2, "lru": 2, "headless": 0, "foreign": 0}


def test_a_page_whose_three_places_are_taken_is_full_whatever_room_it_has():
    assert Play()("a1 64, a2 64, a3 64, a4 64")["a4"] == at(1, 2)


def test_a_store_takes_the_smallest_hole_and_of_those_the_most_recent():
    play = Play()
    got = play("a1 2560, a2 2560, a3 3200, a4 640, a5 640, a6 1472, a7 1408")
    assert (got["a4"], got["a5"]) == (at(2, 54), at(1, 54)), "12 chunks are left in page 2, 22 in 0 and 1"
    assert got["a6"] == at(3, 2), "23 chunks do not fit beside 40"
    assert got["a7"] == at(0, 42), "22 do"
    assert play.lists() == {-1: [0, 3, 1, 2], 0: [0], 2: [2], 12: [1], 39: [3]}


def test_holes_on_both_sides_of_a_middle_count_one_by_one():
    """10, 20 and 12 chunks in places first, last, middle; the middle one stays at 12."""
    play = Play()
    play("a1 640, a2 1280, a3 768, f1")
    assert play.lists() == {-1: [0], 30: [0]}, "last is used and the gap before it is 20: the middle moved to 32"
    assert play.where(3) == at(0, 32)
    got = play("a4 1920, a5 64")
    assert got == {"a4": at(0, 2), "a5": at(1, 2)}
    play = Play()
    play("a1 640, a2 1280, a3 1920, f2, f1")
    assert play.where(3) == at(0, 2), "the last one left becomes the first"
    assert play.lists() == {-1: [0], 32: [0]}


def test_beside_a_middle_the_first_place_is_used_if_it_is_large_enough_and_else_the_last():
    play = Play()
    middle_alone(play)
    assert play.lists() == {-1: [0], 22: [0]}, "10 chunks before it, 22 behind it"
    assert play("a5 640, a6 1408") == {"a5": at(0, 2), "a6": at(0, 42)}
    play = Play()
    middle_alone(play)
    assert play("a5 704") == {"a5": at(0, 53)}


def middle_alone(play):
    """A page with a middle object of 30 chunks at 12 and nothing else: the owner frees its neighbours while the page is claimed."""
    play("a1 640, a2 1280, a3 1920")
    page = claim(play)
    play("f1, f2")
    assert ALLOCATOR.evict_done(play.arrays.pool, page) == 0
    assert play.where(3) == at(0, 12)


def test_a_store_makes_its_page_the_most_recent():
    play = Play()
    play("a1 2560, a2 3200, a3 1408")
    assert play.lists()[-1] == [0, 1]


# --- frees: the middle moves ----------------------------------------------------------------------------------------------


def middle_between(play, first, middle, last, smaller):
    """Page 0: `smaller` chunks, a gap, `middle` at 2 + first, `last`; the gap is made while the page is claimed."""
    play(f"a1 {64 * first}, a2 {64 * last}, a3 {64 * middle}")
    page = claim(play)
    play("f1")
    assert ALLOCATOR.evict_done(play.arrays.pool, page) == 0
    assert play(f"a4 {64 * smaller}")["a4"] == at(0, 2)
    assert play.where(3) == at(0, 2 + first)


@pytest.mark.parametrize(("smaller", "start"), [(10, 12), (8, 12), (7, 9), (1, 3)])
def test_a_middle_moves_to_the_first_over_a_gap_of_three_chunks_but_not_of_two(smaller, start):
    play = Play()
    middle_between(play, 10, 20, 15, smaller)
    play("f2")
    assert play.where(3) == at(0, start)
    moved = start != 12
    assert (play.arrays.num[P.MOVED], play.arrays.num[P.OP_COPIED]) == (moved, moved * 20 * 64)


@pytest.mark.parametrize(("last", "start"), [(32, 12), (30, 12), (29, 15), (20, 24)])
def test_a_middle_moves_to_the_last_over_a_gap_of_three_chunks_but_not_of_two(last, start):
    """First 10 chunks, middle 20 at 12..31, last of so many; then the first one goes."""
    play = Play()
    play(f"a1 640, a2 {64 * last}, a3 1280, f1")
    assert play.where(3) == at(0, start)
    assert play.arrays.num[P.MOVED] == (start != 12)


def test_a_page_that_loses_one_becomes_the_head_of_a_list_and_keeps_its_age():
    play = Play()
    play("a1 1280, a2 1280, a3 1280, a4 1280, a5 1280, a6 1280, f6, f3")
    assert play.lists() == {-1: [1, 0], 22: [0, 1]}


# --- frees: the last object moves to another page ----------------------------------------------------------------------------


def test_a_lone_object_moves_into_another_page_and_its_own_goes_back():
    """Page 0 has 20 and 20 chunks, page 1 has 30 and 30: the lone 20 find no room; the lone 30 of page 1 go beside them."""
    play = Play()
    play("a1 1280, a2 1280, a3 1920, a4 1920, f2")
    assert play.where(1) == at(0, 2)
    play("f3")
    assert play.where(4) == at(0, 34), "in the last place, beside 20"
    num = play.arrays.num
    assert [num[i] for i in (P.POOL_PAGES, P.PAGES_RETURNED, P.MOVED, P.OP_COPIED)] == [1, 1, 1, 1920]
    assert play.lists() == {-1: [0], 12: [0]}
    assert ALLOCATOR.counters(play.arrays)["foreign"] == 1


def test_it_moves_into_the_smallest_hole_that_is_large_enough_in_the_place_that_a_store_would_take():
    play = Play()
    play("a1 1280, a2 1280, a3 1280, a4 1280, a5 1280, a6 1280, a7 3200, f6, f3, f2")
    assert play.where(1) == at(1, 22), "in the middle of page 1, whose hole is 22; that of page 2 is too small"
    assert play.lists() == {-1: [2, 1], 12: [2]}


def test_it_moves_only_if_nothing_else_is_left():
    play = Play()
    play("a1 640, a2 640, a3 640, a4 3840, a5 64, f5, f1")
    assert (play.where(2), play.where(3)) == (at(0, 54), at(0, 44)), "the middle goes up to the last"
    assert play.arrays.num[P.PAGES_RETURNED] == 0


def test_a_page_that_takes_in_an_object_keeps_its_age():
    play = Play()
    play("a1 1280, a2 1280, a3 3904, a4 1920, a5 1920, f2, f4")
    assert play.where(5) == at(0, 34)
    assert play.lists() == {-1: [1, 0], 1: [1], 12: [0]}


def test_a_page_with_a_foreign_object_is_neither_emptied_nor_evicted():
    play = Play()
    play("a1 1280, a2 1280, a3 1920, a4 1920, f2, f3, a5 1280, f1")
    assert play.where(4) == at(0, 34), "though page 2 has room"
    assert play.lists() == {-1: [2, 0], 32: [0], 42: [2]}
    walked = int(play.arrays.num[P.WALKED])
    assert play("e 1")["e0"] == ("5", 0, 1), "not page 0, the least recent"
    assert play.arrays.num[P.WALKED] - walked == 2
    assert play("e 1")["e0"] == ("", -P.EAGAIN, 0)
    assert play.lists() == {-1: [0], 32: [0]}


def test_when_the_foreign_object_has_gone_the_page_is_as_any_other():
    play = Play()
    play("a1 1280, a2 1280, a3 1920, a4 1920, f2, f3, f4")
    assert ALLOCATOR.counters(play.arrays)["foreign"] == 0
    assert play("e 1") == {"e0": ("1", 0, 1)}


# --- eviction ----------------------------------------------------------------------------------------------------------------


def test_the_middle_is_evicted_first_then_the_first_then_the_last():
    play = Play()
    assert play("a1 640, a2 640, a3 640, a4 4000, e 1, e 3") == {
        "a1": at(0, 2), "a2": at(0, 54), "a3": at(0, 12), "a4": (1, 0), "e0": ("3 1 2", 0, 1), "e1": ("4", -P.EINVAL, 1),
    }  # fmt: skip
    assert play.arrays.num[P.POOL_PAGES] == 0


def test_a_refusal_ends_the_page_and_makes_it_the_most_recent():
    play = Play()
    assert play("a1 640, a2 640, a3 640, a4 640, p 1, e 1")["e0"] == ("3 !1 4", 0, 1), "2 was not asked for"
    assert play.lists() == {-1: [0], 42: [0]}
    assert play("e 1")["e0"] == (" ".join(["!1"] * 8), -P.EAGAIN, 0)


def test_eight_pages_without_success_end_it_and_a_success_gives_eight_more():
    play = Play()
    script = ", ".join(f"a{i} 3500" for i in range(18)) + "," + ",".join(f"p {i}" for i in range(18) if i not in (7, 14))
    assert play(f"{script}, e 5")["e0"] == ("!0 !1 !2 !3 !4 !5 !6 7 !8 !9 !10 !11 !12 !13 14 !15 !16 !17 !0 !1 !2 !3 !4", -P.EAGAIN, 2)
    assert play.lists()[-1] == [4, 3, 2, 1, 0, 17, 16, 15, 13, 12, 11, 10, 9, 8, 6, 5]


def test_a_page_without_a_header_that_is_refused_stays_off_the_lists():
    play = Play()
    assert play("a1 4000, p 1, e 1")["e0"] == (" ".join(["!1"] * 8), -P.EAGAIN, 0)
    assert play.lists() == {-1: [0]}
    assert play("u 1, a2 64, f2, e 1")["e0"] == ("1", 0, 1)


def test_an_eviction_that_empties_half_a_page_moves_nothing():
    """A free would have moved the middle, or the last object into another page."""
    play = Play()
    assert play("a1 640, a2 1280, a3 768, a4 2560, p 2, p 4, e 1")["e0"][0].startswith("3 1 !2 !4")
    assert (play.where(2), play.arrays.num[P.MOVED]) == (at(0, 44), 0)
    play = Play()
    play("a1 640, a2 1280, a3 768")
    page = claim(play)
    assert play("a4 2560")["a4"] == at(1, 2), "a claimed page takes no store"
    play("f1")
    assert play.where(3) == at(0, 12)
    assert ALLOCATOR.evict_done(play.arrays.pool, page) == 0
    assert play.where(3) == at(0, 12)
    assert play.lists() == {-1: [0, 1], 10: [0], 22: [1]}, "the gap between middle and last is no hole"


def test_an_empty_lru_is_an_error_and_no_page_asked_for_is_none():
    assert Play()("e 1, e 0") == {"e0": ("", -P.EINVAL, 0), "e1": ("", 0, 0)}


def claim(play, pages=1):
    play.arrays.num[[P.EVICT_LEFT, P.EVICT_AT]] = pages, 0
    return ALLOCATOR.evict_begin(play.arrays.pool)


def test_other_operations_between_the_steps():
    """What its owner frees in a claimed page is not offered, and no lone object of another page moves into it."""
    play = Play()
    play("a1 640, a2 640, a3 640, a4 3200, a5 640")
    page, pool = claim(play), play.arrays.pool
    assert play.table[1, ALLOCATOR.evict_next(pool, page)] == 3
    play("f3, f1")
    assert play.table[1, ALLOCATOR.evict_next(pool, page)] == 2
    play("f4, f5")
    assert play.arrays.num[P.POOL_PAGES] == 1
    play("f2")
    assert play.arrays.num[P.POOL_PAGES] == 1, "the claimed page is held to the end"
    assert ALLOCATOR.evict_next(pool, page) == -1
    assert ALLOCATOR.evict_done(pool, page) == 1
    assert (play.arrays.num[P.POOL_PAGES], play.arrays.num[P.EVICT_LEFT]) == (0, 0)
    assert ALLOCATOR.evict_begin(pool) == 0


def test_a_claimed_page_without_a_header_is_held_to_the_end_too():
    play = Play()
    play("a1 4000")
    page, pool = claim(play), play.arrays.pool
    play("f1, a2 4000")
    assert [play.arrays.num[i] for i in (P.POOL_PAGES, P.FREE_BYTES, P.META_INSIDE)] == [2, 4096, 0]
    assert ALLOCATOR.evict_next(pool, page) == -1
    assert ALLOCATOR.evict_done(pool, page) == 1
    assert play.lists() == {-1: [1]}


def test_only_a_claimed_page_has_objects_to_lose():
    play = Play()
    play("a1 100, a2 3000, a3 3000, f2, e 1")
    for page in (-1, 0, 1, 2, 3, 4, 1 << 40):
        assert ALLOCATOR.evict_next(play.arrays.pool, page) == -P.EINVAL
        assert ALLOCATOR.evict_done(play.arrays.pool, page) == -P.EINVAL


# --- what is counted -----------------------------------------------------------------------------------------------------


def test_the_tally():
    play = Play()
    num = play.arrays.num
    play("a1 1000")
    assert [num[i] for i in (P.META_INSIDE, P.META_OUTSIDE, P.LOST_INSIDE, P.FREE_BYTES)] == [88, 64, 40 + 24, 46 * 64]
    assert (num[P.OP_WALKED], num[P.OP_COPIED]) == (61 - 16 + 1 + 1, 1000), "lists 16 to 61, and 16 once more"
    play("a2 1000")
    assert num[P.OP_WALKED] == 46 - 16 + 1, "lists 16 to 46"
    play("f1")
    assert num[P.OP_WALKED] == 2 + 61 - 16 + 1 + 1, "the other two places, and a page for the one that is left"
    assert num[P.WALKED] == 47 + 31 + 49
    play("a3 4000")
    assert [num[i] for i in (P.META_INSIDE, P.META_OUTSIDE, P.LOST_INSIDE, P.OP_WALKED)] == [88, 64, 64 + 96, 0]


class Marked(Duel):
    """The marks of pages that an eviction passes by: the end of the LRU, all with foreign objects, and what the numbers say."""

    def agree(self, exact):
        super().agree(exact)
        page, link, num = self.play.arrays.page, self.play.arrays.block, self.play.arrays.num
        row, passed, last = int(link[0, z3fold.BEFORE]), 0, 0
        while row and page[row, z3fold.OFFERED] == z3fold.PASSED:
            assert page[row, z3fold.GUESTS] != 0
            row, passed, last = int(link[row, z3fold.BEFORE]), passed + 1, row
        assert (num[z3fold.PASSED_PAGES], num[z3fold.LAST_PASSED]) == (passed, last)
        while row:
            assert page[row, z3fold.OFFERED] == 0
            row = int(link[row, z3fold.BEFORE])


# --- against the plain twin ------------------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(RAW, st.sampled_from(PAGE_SIZES), st.integers(0, 20), st.sampled_from([3, 100]))
def test_agrees_with_its_twin(raw, page_size, may_take, max_objects):
    Marked(Play(page_size, may_take, max_objects), Z3fold(page_size, may_take, max_objects)).run(raw)


@pytest.mark.parametrize("means", [[0.05, 0.2, 0.3, 0.45], [0.1, 0.4, 0.55, 0.97], [0.2, 0.28, 0.35]])
@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_long_churn_agrees_with_the_twin(page_size, means):
    play = Play(page_size, max_objects=900)
    Marked(play, Z3fold(page_size)).run(long_churn(3, page_size, means))
    assert play.arrays.num[P.MOVED] > 20


# --- limits --------------------------------------------------------------------------------------------------------------


def test_hard_limits_refuse_and_do_no_harm():
    arrays = z3fold.create(4096, 5, 3, may_take=PLENTY)
    pool, num = arrays.pool, arrays.num
    handles = [ALLOCATOR.alloc(pool, size) for size in (3800, 4000, 3800, 3800)]
    assert handles == [0, 1, 2, -P.ENOMEM]
    assert ALLOCATOR.free(pool, 1) == 0
    assert ALLOCATOR.free(pool, 1) == -P.EINVAL
    assert ALLOCATOR.alloc(pool, 10) == 1
    assert [ALLOCATOR.free(pool, handle) for handle in (-1, 3, 1 << 40)] == [-P.EINVAL] * 3
    assert (num[P.OBJECTS], num[P.PAYLOAD], num[P.PAGES_TAKEN]) == (3, 7610, 3)
    few = z3fold.create(4096, 2, 100, may_take=PLENTY)
    assert [ALLOCATOR.alloc(few.pool, size) for size in (3800, 4000, 3800, 4000)] == [0, 1, -P.ENOMEM, -P.ENOMEM]
    assert few.num[P.PAGES_TAKEN] == 2


def test_what_the_original_could_not_be_is_refused():
    for size in (2048, 4160, 1 << 17):
        with pytest.raises(InputError, match=f"z3fold: pages of {size} bytes"):
            z3fold.create(size, 10, 10)
