"""zbud of Linux 6.1: its rules one by one, the plain twin, limits.  Its answers to traces: tests/test_replay.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.allocators import pool as P
from models.allocators import zbud
from models.errors import InputError
from tests.reclaim_kit import PAGE_SIZES, PLENTY, RAW, Duel, long_churn
from tests.reclaim_kit import Play as AnyPlay
from tests.twins.zbud import Zbud

ALLOCATOR = zbud.ZBUD


def Play(*args, **options):
    return AnyPlay(zbud, ALLOCATOR, *args, **options)


# --- rules one by one --------------------------------------------------------------------------------------------------


def test_worked_example():
    """16, 49, 30, 62, 1, 32 and 31 chunks; 63 are free in an empty page."""
    play = Play()
    got = play("a1 1000, a2 3100, a3 1900, a4 3968, a5 64, a6 2000, f2")
    assert got == {"a1": (0, 64), "a2": (1, 64), "a3": (0, 4096 - 30 * 64), "a4": (2, 64), "a5": (2, 4032), "a6": (3, 64)}
    assert play.lists() == {-1: [3, 2, 0], 63: [2, 0], 31: [3]}
    assert play("a7 1984, a8 1984") == {"a7": (3, 2112), "a8": (4, 64)}
    assert ALLOCATOR.counters(play.arrays) == {"pages": 4, "lru": 4, "buddied": 3}
    assert play("e 2") == {"e0": ("1 3 4 5", 0, 2)}
    assert ALLOCATOR.counters(play.arrays) == {"pages": 2, "lru": 2, "buddied": 1}


def test_sizes_from_one_byte_to_62_chunks():
    got = Play()("a1 0, a2 1, a3 3968, a4 3969, a5 4097")
    assert got == {"a1": -P.EINVAL, "a2": (0, 64), "a3": (0, 128), "a4": -P.ENOSPC, "a5": -P.ENOSPC}


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_a_page_has_64_chunks_whatever_its_size(page_size):
    chunk = page_size // 64
    got = Play(page_size)(f"a1 {62 * chunk}, a2 {chunk}, a3 {chunk + 1}, a4 {62 * chunk + 1}")
    assert got == {"a1": (0, chunk), "a2": (0, 63 * chunk), "a3": (1, chunk), "a4": -P.ENOSPC}


def test_a_store_takes_the_fullest_page_with_room_and_of_those_the_most_recent():
    play = Play()
    got = play("a1 2560, a2 2560, a3 3200, a4 640, a5 640, a6 1536, a7 1472")
    assert got["a4"] == (2, 3456), "50 and 10 chunks, not 40 and 10"
    assert got["a5"] == (1, 3456), "page 1 was there after page 0"
    assert got["a6"] == (3, 64), "24 chunks do not fit beside 40"
    assert got["a7"] == (0, 2624), "23 do"


def test_the_vacant_place_is_used_whichever_it_is():
    got = Play()("a1 1000, a2 1000, f1, a3 500, f2, a4 64")
    assert (got["a2"], got["a3"], got["a4"]) == ((0, 3072), (0, 64), (0, 4032))


def test_a_free_makes_the_page_the_head_of_its_list_and_leaves_its_age_alone():
    play = Play()
    play("a1 2560, a2 2560, a3 640, f3")
    assert play.lists() == {-1: [1, 0], 23: [1, 0]}
    play("a4 640, a5 640, f5")
    assert play.lists() == {-1: [0, 1], 63: [1], 23: [0]}, "page 0 was stored into last"
    play("f4")
    assert play.lists() == {-1: [0, 1], 23: [1, 0]}


def test_an_empty_page_goes_back_at_once():
    play = Play()
    play("a1 1000, a2 1000, f1")
    assert play.arrays.num[P.PAGES_RETURNED] == 0
    play("f2")
    assert (play.arrays.num[P.PAGES_RETURNED], play.lists()) == (1, {})
    assert play("a3 1000")["a3"] == (1, 64), "a new number, though its row is used again"


def test_eviction_begins_with_the_page_that_was_stored_into_longest_ago():
    play = Play()
    assert play("a1 3000, a2 2000, a3 3000, a4 1900, f4, e 2, e 9") == {
        "a1": (0, 64), "a2": (1, 64), "a3": (2, 64), "a4": (1, 4096 - 1920), "e0": ("1 3", 0, 2), "e1": ("2", -P.EINVAL, 1),
    }  # fmt: skip


def test_a_refusal_ends_the_page_and_makes_it_the_most_recent():
    play = Play()
    assert play("a1 1900, a2 1900, a3 3000, a4 3000, p 1, e 1, e 1")["e0"] == ("!1 3", 0, 1), "2 was not asked for"
    assert play.lists() == {-1: [0], 63: [0]}
    assert play("p 2, u 1, e 2") == {"e0": (" ".join(["1 !2", *["!2"] * 7]), -P.EAGAIN, 0)}
    assert play.lists() == {-1: [0], 33: [0]}


def test_eight_pages_without_success_end_it_and_a_success_gives_eight_more():
    play = Play()
    script = ", ".join(f"a{i} 3000" for i in range(18)) + "," + ",".join(f"p {i}" for i in range(18) if i not in (7, 14))
    assert play(f"{script}, e 5")["e0"] == ("!0 !1 !2 !3 !4 !5 !6 7 !8 !9 !10 !11 !12 !13 14 !15 !16 !17 !0 !1 !2 !3 !4", -P.EAGAIN, 2)
    assert play.lists()[-1] == [4, 3, 2, 1, 0, 17, 16, 15, 13, 12, 11, 10, 9, 8, 6, 5]


def test_an_empty_lru_is_an_error_and_no_page_asked_for_is_none():
    assert Play()("e 1, e 0") == {"e0": ("", -P.EINVAL, 0), "e1": ("", 0, 0)}


# --- step by step --------------------------------------------------------------------------------------------------------


def claim(play, pages=1):
    play.arrays.num[[P.EVICT_LEFT, P.EVICT_AT]] = pages, 0
    return ALLOCATOR.evict_begin(play.arrays.pool)


def test_other_operations_between_the_steps():
    """A claimed page takes no store; what its owner frees meanwhile is not offered; it goes back only at the end."""
    play = Play()
    play("a1 1000, a2 1000, a3 3000")
    page, pool = claim(play), play.arrays.pool
    assert play.lists() == {-1: [1], 16: [1]}
    assert play("a4 1100")["a4"] == (2, 64)
    assert play.table[1, ALLOCATOR.evict_next(pool, page)] == 1
    play("f2, f1, a5 64")
    assert play.arrays.num[P.POOL_PAGES] == 3
    assert ALLOCATOR.evict_next(pool, page) == -1
    assert ALLOCATOR.evict_done(pool, page) == 1
    assert (play.arrays.num[P.POOL_PAGES], play.arrays.num[P.EVICT_LEFT]) == (2, 0)
    assert ALLOCATOR.evict_begin(pool) == 0


def test_an_owner_may_end_a_page_early():
    play = Play()
    play("a1 1000, a2 1000")
    page = claim(play)
    assert ALLOCATOR.evict_done(play.arrays.pool, page) == 0
    assert play.lists() == {-1: [0], 63: [0]}


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
    assert [num[i] for i in (P.META_INSIDE, P.LOST_INSIDE, P.FREE_BYTES)] == [48, 16 + 24, 47 * 64]
    assert (num[P.OP_WALKED], num[P.OP_COPIED]) == (47, 1000), "lists 16 to 62"
    play("a2 1000")
    assert num[P.OP_WALKED] == 47 - 16 + 1, "lists 16 to 47"
    play("f1")
    assert (num[P.OP_WALKED], num[P.OP_COPIED]) == (1, 0)
    assert (num[P.WALKED], num[P.COPIED]) == (80, 2000)


# --- against the plain twin ------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(RAW, st.sampled_from(PAGE_SIZES), st.integers(0, 20), st.sampled_from([3, 100]))
def test_agrees_with_its_twin(raw, page_size, may_take, max_objects):
    Duel(Play(page_size, may_take, max_objects), Zbud(page_size, may_take, max_objects)).run(raw)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_long_churn_agrees_with_the_twin(page_size):
    Duel(Play(page_size, max_objects=900), Zbud(page_size)).run(long_churn(5, page_size, [0.2, 0.3, 0.45, 0.6, 0.75, 0.93]))


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
    for size in (2048, 4160, 1 << 17):
        with pytest.raises(InputError, match=f"zbud: pages of {size} bytes"):
            zbud.create(size, 10, 10)
