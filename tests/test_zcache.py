"""zcache's policies, failure paths and counters: by hand, and against a plain twin that has a twin of the allocator below it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.allocators import pool as ps
from models.backends import zcache
from models.memory import state as st
from models.memory.check import problems
from models.memory.frames import MIN_MARK, give_frame, take_frame, usable_frames
from tests.machine_kit import make_plan, make_vm, process
from tests.twins.xcfmalloc import Xcfmalloc
from tests.twins.xvmalloc import Xvmalloc
from tests.twins.zcache import Frames, Zcache

SLOTS = 2048
ELSEWHERE = 15  # a kind of frame that the machine does not know
TWINS = {"xvmalloc": Xvmalloc, "xcfmalloc": Xcfmalloc}


class Both:
    """A machine of two zones with an empty store, and the twin; every call goes to both and all that shows is compared."""

    def __init__(self, allocator: str = "xcfmalloc", word: int = 64, limit: int | None = None, **own: int) -> None:
        settings = {"zv_max_zsize": 3584, "zv_max_mean_zsize": 2560, "zv_page_count_policy_percent": 75} | own
        options = {"persistent": settings, "word_size": word}
        plan = make_plan([process(8)], memory=20 << 20, backend="zcache", allocator=allocator, backend_options=options, swap_slots=SLOTS)
        self.vm = make_vm(plan, check=False)
        built = self.vm.built
        self.backend, self.pages, self.pool, self.arrays = built.backend, built.pages, built.pool.num, built.arrays
        if limit is not None:
            built.backend_num[zcache.COUNT_LIMIT] = limit
        else:
            limit = settings["zv_page_count_policy_percent"] * int(self.vm.num[st.FRAMES]) // 100
        zone = self.arrays.zone[self.arrays.zone[:, st.MANAGED] > 0]
        frames = Frames(zone[:, st.ZONE_FREE].tolist(), (zone[:, st.WMARK_MIN] + zone[:, st.RESERVE]).tolist())
        header = {32: 36, 64: 40}[word]
        self.twin = Zcache(TWINS[allocator](), frames, limit, settings["zv_max_zsize"], settings["zv_max_mean_zsize"], header)
        self.hoard: list[tuple[int, int]] = []

    def put(self, slot: int, clen: int) -> bool:
        stored = bool(zcache.store(self.backend, self.pages, slot, clen))
        assert stored == self.twin.put(slot, abs(clen))
        return stored

    def get(self, slot: int) -> int:
        size = int(zcache.load(self.backend, self.pages, slot))
        assert size == self.twin.get(slot)
        return size

    def flush(self, slot: int) -> bool:
        found = bool(zcache.invalidate(self.backend, self.pages, slot))
        assert found == self.twin.flush(slot)
        return found

    def leave(self, frames: int) -> None:
        """Let others take or give back frames until so many are free above the min marks."""
        while usable_frames(self.pages, MIN_MARK) > frames:
            self.hoard.append((int(take_frame(self.pages, ELSEWHERE, MIN_MARK)), self.twin.frames.take()))
        while usable_frames(self.pages, MIN_MARK) < frames and self.hoard:
            frame, zone = self.hoard.pop()
            give_frame(self.pages, frame)
            self.twin.frames.free[zone] += 1

    def counters(self) -> dict[str, int]:
        return {name: value for name, value in zcache.counters(self.vm.built.backend_num).items() if value}

    def agree(self) -> None:
        twin, slot = self.twin, self.arrays.slot
        assert self.counters() == twin.counters()
        assert {int(s): int(slot[s, st.STORED_SIZE]) for s in (slot[:, st.HANDLE] > 0).nonzero()[0]} == twin.held
        assert (self.pool[ps.OBJECTS], self.pool[ps.PAYLOAD]) == (len(twin.held), sum(twin.held.values()))
        tally = twin.allocator.tally()
        assert (self.pool[ps.POOL_PAGES], self.vm.num[st.POOL_FRAMES]) == (tally["pool_pages"], len(twin.allocator.pages))
        assert self.arrays.zone[: len(twin.frames.free), st.ZONE_FREE].tolist() == twin.frames.free
        assert problems(self.arrays, self.vm.built.pool, self.vm.built.clean_pool) == []


near = some.sampled_from([1, 15, 16, 17, 31, 32, 33, 1024, 1040, SLOTS - 1])  # neighbours in a tree, and far ones
call: Any = some.tuples(
    some.sampled_from(["put", "put", "put", "get", "flush", "leave"]), near, some.one_of(some.integers(1, 4300), some.integers(-4096, -1))
)


@settings(max_examples=60, deadline=None)
@given(
    calls=some.lists(call, max_size=60),
    allocator=some.sampled_from(["xvmalloc", "xcfmalloc"]),
    word=some.sampled_from([32, 64]),
    mean=some.sampled_from([1200, 2560, 3584]),
    largest=some.sampled_from([3584, 4096]),
    limit=some.sampled_from([0, 4, 1000]),
)
def test_any_calls_are_the_twins(calls: list[tuple[str, int, int]], allocator: str, word: int, mean: int, largest: int, limit: int) -> None:
    both = Both(allocator, word, limit, zv_max_mean_zsize=mean, zv_max_zsize=largest)
    for name, slot, number in calls:
        if name == "leave":
            both.leave(abs(number) % 8 if number % 3 else 2000)
        elif name == "put":
            both.put(slot, number)
        elif name == "get":
            both.get(slot)
        else:
            both.flush(slot)
        both.agree()


def test_a_failed_duplicate_leaves_the_name_absent() -> None:
    both = Both()
    assert both.put(5, 1000)
    assert not both.put(5, 3585)
    assert both.get(5) == -1
    assert both.pool[ps.OBJECTS] == 0
    assert both.counters()["failed_pers_puts"] == 1
    both.agree()


def test_a_duplicate_put_frees_the_old_page_first() -> None:
    """One whole page is free: the second put of the name fits only into the place of the first."""
    both = Both("xvmalloc")
    both.put(5, 3000)
    both.leave(1)
    assert both.put(5, 3500)
    assert both.vm.num[st.POOL_FRAMES] == 1
    assert usable_frames(both.pages, MIN_MARK) == 1
    assert both.get(5) == 3540


def test_a_get_keeps_the_page_until_the_flush() -> None:
    both = Both()
    both.put(7, 900)
    assert [both.get(7), both.get(7)] == [940, 940]
    assert [both.flush(7), both.flush(7)] == [True, False]
    assert both.get(7) == -1
    found = both.counters()
    assert (found["frontswap_loads"], found["flush_total"], found["flush_found"]) == (2, 2, 1)


def test_above_the_count_limit_nothing_is_compressed() -> None:
    """So nothing is called poor, and no time goes into it.  The limit is passed by one page: the test is `count > limit`."""
    both = Both(limit=3)
    for slot in range(1, 5):
        assert both.put(slot, 500)
    compressing = int(both.arrays.cpu[st.BY_COMPRESS])
    assert not both.put(60, 4000)
    assert "compress_poor" not in both.counters()
    assert both.arrays.cpu[st.BY_COMPRESS] == compressing == 4 * 5250
    both.agree()


def test_the_count_limit_is_a_share_of_all_memory_pages() -> None:
    both = Both(zv_page_count_policy_percent=1)
    limit = int(both.vm.num[st.FRAMES]) // 100
    assert [both.put(slot, 100) for slot in range(1, limit + 3)] == [True] * (limit + 1) + [False]


def test_too_large_is_told_before_the_mean() -> None:
    both = Both("xvmalloc", zv_max_mean_zsize=1000)
    assert [both.put(slot, 3584) for slot in (1, 2)] == [True, False]  # the first: nothing is stored, so there is no mean
    assert not both.put(3, 3585)
    found = both.counters()
    assert (found["compress_poor"], found["mean_compress_poor"], found["failed_pers_puts"]) == (1, 1, 2)


def test_the_mean_is_of_whole_pages() -> None:
    """One page of 1000 bytes: the pool's mean is 4096, so nothing above the mean limit goes in beside it."""
    both = Both("xvmalloc")
    assert both.put(1, 1000)
    assert not both.put(2, 2561)
    assert both.put(3, 2560)
    assert both.counters()["mean_compress_poor"] == 1


def test_a_reserve_does_not_count_in_the_mean() -> None:
    """xcfmalloc holds 32 pages in reserve: with 8 pages of 1900 bytes in 4 pages the mean is 2048, and 2600 bytes are stored."""
    both = Both("xcfmalloc", zv_max_mean_zsize=2300)
    for slot in range(1, 9):
        both.put(slot, 1900)
    assert both.vm.num[st.POOL_FRAMES] >= 32 + 4
    assert both.put(9, 2600)
    both.agree()


def test_what_the_allocator_cannot_place_is_a_failed_put() -> None:
    """4060 bytes and the header are more than a block of a page: no other counter moves."""
    both = Both("xvmalloc", zv_max_zsize=4096, zv_max_mean_zsize=4096)
    assert not both.put(1, 4060)
    assert both.counters() == {"failed_pers_puts": 1, "frontswap_failed_stores": 1}


def test_a_put_demands_a_whole_page_even_where_a_partial_one_has_room() -> None:
    """And flushes what is there; that is not counted as a flush (zcache 1.0 counts only those that frontswap asks for)."""
    both = Both("xvmalloc")
    assert both.put(1, 100)
    both.leave(0)
    assert not both.put(2, 100)
    assert both.get(1) == 140
    assert not both.put(1, 100)
    assert both.get(1) == -1
    found = both.counters()
    assert (found["failed_get_free_pages"], found["put_to_flush"]) == (2, 2)
    assert "flush_total" not in found and "failed_pers_puts" not in found


def test_the_pool_leaves_every_zone_its_reserve() -> None:
    """The upper zone is at its min mark: the pool's page comes from the lower one."""
    both = Both("xvmalloc")
    low = int(both.twin.frames.free[0])
    both.leave(low - both.twin.frames.marks[0])
    before = both.arrays.zone[:2, st.ZONE_FREE].tolist()
    assert both.put(1, 2000)
    assert both.arrays.zone[:2, st.ZONE_FREE].tolist() == [before[0] - 1, before[1]]


@pytest.mark.parametrize(("word", "header"), [(32, 36), (64, 40)])
def test_the_header_stands_in_front(word: int, header: int) -> None:
    both = Both(word=word)
    both.put(1, 1000)
    assert int(both.pool[ps.PAYLOAD]) == 1000 + header


def test_sizes_are_counted_in_classes_of_64_bytes() -> None:
    """24 and 40 bytes of header are one class, one byte more the next; the present count falls, the cumulative one does not."""
    both = Both()
    for slot, clen in ((1, 24), (2, 25), (3, 88)):
        both.put(slot, clen)
    both.flush(2)
    found = both.counters()
    assert {name: value for name, value in found.items() if "dist" in name} == {
        "zv_curr_dist_counts[1]": 1,
        "zv_curr_dist_counts[2]": 1,
        "zv_cumul_dist_counts[1]": 1,
        "zv_cumul_dist_counts[2]": 2,
    }
