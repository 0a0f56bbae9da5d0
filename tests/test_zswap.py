"""zswap by its rules, worked by hand (reference sections E.1 to E.3), and whole runs with every invariant looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.allocators import pool as ps
from models.backends import zswap, zswap_store, zswap_writeback
from models.backends import zswap_numbers as zn
from models.backends.backend import REFUSED, STORED_PAGES
from models.memory import file_state as fi
from models.memory import pool_work, shrinkers
from models.memory import state as st
from models.memory.check import problems
from models.memory.frames import NO_MARK, take_frame
from models.vmstat import INDEX
from tests.machine_kit import counter, fill, make_plan, make_vm, mix, process, rows_of, run

SLOTS = 4096
OPTIONS = {"max_pool_percent": 20, "accept_threshold_percent": 90}
ELSEWHERE = 15  # a kind of frame that the machine does not know


class Direct:
    """A machine with an empty zswap, whose functions are called on slots as memory would.  Every slot is in use and nothing is mapped."""

    def __init__(self, allocator: str = "zsmalloc", version: str = "6.1", zpool: dict[str, Any] | None = None, **options: Any) -> None:
        plan = make_plan(
            [process(SLOTS)],
            backend="zswap",
            allocator=allocator,
            backend_options={**OPTIONS, "version": version, **options},
            allocator_options=zpool or ({"version": "v6.1" if version == "6.1" else "v6.12"} if allocator == "zsmalloc" else {}),
            swap_slots=SLOTS,
        )
        self.vm = make_vm(plan, check=False)
        built = self.vm.built
        self.machine, self.backend, self.pages, self.a = built.machine, built.backend, built.pages, built.arrays
        self.num, self.pool, self.slot = built.backend_num, built.pool.num, self.a.slot
        self.slot[1:, st.STATE] = st.SLOT_USED
        self.slot[:, st.OWNER] = np.arange(len(self.slot))

    def store(self, slot: int, size: int) -> int:
        return int(zswap_store.store(self.backend, self.pages, slot, size))

    def load(self, slot: int) -> int:
        return int(zswap_store.load(self.backend, self.pages, slot))

    def work(self) -> int:
        """A run of the worker; steps that it took."""
        for n in range(1, 100):
            if pool_work.work_step(self.machine, 0, 1 << 60, 1) & 15 == 0:
                return n
        raise AssertionError("no end")

    def set_limit(self, pages: int) -> None:
        """So much memory that the limit is this many pages."""
        self.num[zn.TOTAL_PAGES] = pages * 5

    def table(self) -> Any:
        return self.vm.built.backend_table

    def told(self) -> dict[str, int]:
        return {name: value for name, value in zswap.counters(self.num).items() if value}


def test_a_stored_page_can_be_loaded_until_its_slot_is_free() -> None:
    z = Direct()
    assert z.store(5, 1000) == st.STORED
    assert (z.load(5), z.load(5)) == (1000, 1000)
    assert z.told() == {"stored_pages": 1}
    assert [int(z.a.vmstat[INDEX[name]]) for name in ("zswpout", "zswpin")] == [1, 2]
    assert zswap_store.invalidate(z.backend, z.pages, 5) == 1
    assert z.load(5) == -1
    assert z.told() == {}
    assert z.pool[ps.OBJECTS] == 0


@pytest.mark.parametrize(("allocator", "header"), [("zbud", 8), ("z3fold", 8), ("zsmalloc", 0)])
def test_who_can_evict_has_a_header(allocator: str, header: int) -> None:
    z = Direct(allocator)
    z.store(1, 1000)
    assert z.pool[ps.PAYLOAD] == 1000 + header


def test_a_rewritten_slot_loses_its_old_copy_even_if_the_new_one_is_refused() -> None:
    z = Direct()
    z.store(1, 1000)
    assert z.store(1, 5000) == st.REFUSED  # lz4 fails above a page
    assert z.told() == {}
    assert z.load(1) == -1


def test_the_limit_and_the_mark_of_61() -> None:
    """limit = pages * 20 // 100, full above it; accept below pages * 90 // 100 * 20 // 100, integers in this order."""
    z = Direct("zbud")
    z.num[zn.TOTAL_PAGES] = 57  # limit 11, mark 57*90//100 = 51, *20//100 = 10
    for slot in range(1, 13):
        assert z.store(slot, 2500) == st.STORED  # a page each, the twelfth too: 11 is not above the limit
    assert z.pool[ps.POOL_PAGES] == 12
    assert z.store(13, 2500) == st.REFUSED
    assert z.told() == {"stored_pages": 12, "pool_limit_hit": 1}
    assert z.vm.num[st.POOL_WORK] == 1
    for slot, pages in ((1, 11), (2, 10)):  # not full any more, not below the mark: refused without a hit
        zswap_store.invalidate(z.backend, z.pages, slot)
        assert z.pool[ps.POOL_PAGES] == pages
        assert z.store(13, 2500) == st.REFUSED
    zswap_store.invalidate(z.backend, z.pages, 3)
    assert z.store(13, 2500) == st.STORED
    assert z.told() == {"stored_pages": 10, "pool_limit_hit": 1}


def test_the_limit_and_the_mark_of_612() -> None:
    """Full at the limit, not above it; accepts at the mark, which is a share of the limit."""
    z = Direct("zbud", "6.12")
    z.num[zn.TOTAL_PAGES] = 57  # limit 11, mark 11*90//100 = 9
    for slot in range(1, 12):
        assert z.store(slot, 2500) == st.STORED
    assert z.store(12, 2500) == st.REFUSED
    zswap_store.invalidate(z.backend, z.pages, 1)
    assert z.store(12, 2500) == st.REFUSED  # 10 pages: reached_full holds
    zswap_store.invalidate(z.backend, z.pages, 2)
    assert z.store(12, 2500) == st.STORED
    assert z.told() == {"stored_pages": 10, "pool_limit_hit": 1}


def test_same_filled_pages_take_no_pool_memory_in_61() -> None:
    z = Direct()
    assert z.store(1, -26) == st.STORED
    assert z.told() == {"stored_pages": 1, "same_filled_pages": 1}
    assert z.pool[ps.OBJECTS] == 0
    assert z.load(1) == 0
    assert zswap_store.invalidate(z.backend, z.pages, 1) == 1
    assert z.told() == {}


def test_without_the_test_they_are_compressed_and_without_the_others_nothing_is() -> None:
    z = Direct(same_filled_pages_enabled=False)
    assert z.store(1, -26) == st.STORED
    assert (z.pool[ps.OBJECTS], z.pool[ps.PAYLOAD]) == (1, 26)
    z = Direct(non_same_filled_pages_enabled=False)
    assert [z.store(1, -26), z.store(2, 900)] == [st.STORED, st.REFUSED]
    z = Direct(enabled=False)
    assert z.store(1, 900) == st.REFUSED


class Lzo:
    kind = "lzo-rle"


@pytest.mark.parametrize(
    ("allocator", "version", "compressor", "size", "counted"),
    [
        ("zbud", "6.1", None, 3961, {"reject_compress_poor": 1}),  # 8 + 3961 > 3968
        ("z3fold", "6.1", None, 4089, {"reject_compress_poor": 1}),  # 8 + 4089 > 4096
        ("zsmalloc", "6.1", Lzo, 4097, {"reject_alloc_fail": 1}),  # EINVAL
        ("zsmalloc", "6.1", None, 4097, {}),  # the compressor fails: no counter
        ("zsmalloc", "6.6", None, 4097, {"reject_compress_fail": 1}),
        ("zsmalloc", "6.12", None, 4097, {"reject_compress_fail": 1}),
        ("zsmalloc", "6.12", Lzo, 4097, {"reject_compress_poor": 1}),
    ],
)
def test_what_a_page_that_is_too_large_counts(allocator: str, version: str, compressor: Any, size: int, counted: dict[str, int]) -> None:
    z = Direct(allocator, version, compressor=compressor)
    assert z.store(1, size) == st.REFUSED
    assert z.told() == counted
    assert z.num[REFUSED] == 1


def test_without_frames_the_pool_or_the_entries_slab_fails() -> None:
    z = Direct()
    z.store(1, 1000)
    while take_frame(z.pages, ELSEWHERE, NO_MARK) >= 0:
        pass
    for slot in range(2, 64):  # 64 entries are a page of slab; two kinds of objects share the pool's page
        z.store(slot, 4000)
    assert z.told() == {"stored_pages": 1, "reject_alloc_fail": 62}
    for slot in range(64, 127):
        z.store(slot, -26)
    assert z.told() == {"stored_pages": 64, "same_filled_pages": 63, "reject_alloc_fail": 62}
    assert z.store(127, -26) == st.REFUSED
    assert z.told()["reject_kmemcache_fail"] == 1


def test_refused_pages_stay_in_memory_where_writeback_is_forbidden() -> None:
    z = Direct(version="6.12")
    z.num[zn.WRITEBACK_DISABLED] = 1
    assert z.store(1, 5000) == st.KEPT


def test_612_places_the_new_copy_before_it_frees_the_old_one() -> None:
    z = Direct("zbud", "6.12")
    z.store(1, 2500)
    assert z.pool[ps.PAGES_TAKEN] == 1
    z.store(1, 2500)
    assert (z.pool[ps.PAGES_TAKEN], z.pool[ps.PAGES_RETURNED]) == (2, 1)
    z = Direct("zbud", "6.1")
    z.store(1, 2500)
    z.store(1, 2500)
    assert z.pool[ps.POOL_PAGES] == 1
    assert z.store(1, 5000) == st.REFUSED


def test_a_load_of_612_is_exclusive() -> None:
    z = Direct(version="6.12")
    z.store(1, 1000)
    assert z.load(1) == 1000
    assert z.slot[1, st.HANDLE] == 0
    assert z.told() == {}


@pytest.mark.parametrize(("exclusive", "left"), [(False, {"stored_pages": 1}), (True, {})])
def test_exclusive_loads_are_an_option_of_66(exclusive: bool, left: dict[str, int]) -> None:
    z = Direct(version="6.6", exclusive_loads=exclusive)
    z.store(1, 1000)
    z.load(1)
    assert z.told() == left


def writes(z: Direct) -> list[int]:
    """Slots whose write was asked for."""
    ring = z.a.ring[: z.vm.num[st.RING]]
    return [int(first) + i for first, count in ring[:, [st.IO_FIRST, st.IO_COUNT]] for i in range(int(count))]


def test_the_worker_of_61_empties_one_page_in_the_allocators_order() -> None:
    """zbud: the tail of its LRU, first the first object, then the last."""
    z = Direct("zbud")
    for slot in (10, 20, 30):
        z.store(slot, 1500)  # 10 and 20 share a page
    z.work()
    assert writes(z) == [10, 20]
    assert z.told() == {"stored_pages": 1, "written_back_pages": 2}
    assert z.pool[ps.POOL_PAGES] == 1
    flags = z.a.frame[z.slot[10, st.CACHED] - 1, st.FLAGS]
    assert flags & st.WRITEBACK and flags & st.RECLAIM and not flags & st.DIRTY
    assert [counter(z.vm, name) for name in ("pswpout", "zswpwb", "nr_swapcached")] == [2, 0, 2]


def test_entries_in_the_swap_cache_or_of_freed_slots_are_refused_and_the_page_becomes_most_recent() -> None:
    z = Direct("zbud")
    for slot in (10, 20, 30):
        z.store(slot, 2500)
    z.slot[10, st.STATE] = st.SLOT_RETURNED
    z.slot[20, st.CACHED] = 7
    z.work()
    assert writes(z) == [30]
    assert z.told() == {"stored_pages": 2, "written_back_pages": 1}


def test_zsmalloc_of_61_cannot_shrink() -> None:
    z = Direct()
    z.store(1, 1000)
    z.work()
    assert z.told() == {"stored_pages": 1, "reject_reclaim_fail": 1}


def test_the_worker_of_66_writes_the_oldest_until_the_pool_accepts() -> None:
    z = Direct("zbud", "6.6")
    z.set_limit(10)
    for slot in range(1, 12):
        z.store(slot, 2500)
    z.load(1)  # a read entry is the youngest again
    z.work()
    assert writes(z) == [2, 3, 4]  # below the mark of 9
    assert z.told() == {"stored_pages": 8, "written_back_pages": 3}


def test_the_worker_of_66_gives_up_after_16_failures() -> None:
    z = Direct("zbud", "6.6")
    z.set_limit(30)
    for slot in range(1, 32):
        z.store(slot, 2500)
    z.slot[:, st.CACHED] = 7
    z.work()
    assert z.told() == {"stored_pages": 31, "reject_reclaim_fail": 16}


def test_the_worker_of_612_gives_each_entry_a_second_chance() -> None:
    """All 21 are referenced: a run turns 16 of them, the next the other 5, and then writes until 90 % of the limit are left."""
    z = Direct("zbud", "6.12")
    z.set_limit(20)
    for slot in range(1, 21):
        z.store(slot, 2500)
    z.work()
    assert writes(z) == []
    assert z.told() == {"stored_pages": 20}
    z.work()
    assert writes(z) == [1, 2]  # 18 pages
    assert z.told() == {"stored_pages": 18, "written_back_pages": 2}
    assert counter(z.vm, "zswpwb") == 2


def test_the_shrinker_of_612_protects_as_many_entries_as_came_from_the_device() -> None:
    """100 entries in 50 pages, 30 read from the device lately: (100 - 30) * 50 / 100."""
    z = Direct("zbud", "6.12", shrinker_enabled=True)
    for slot in range(1, 101):
        z.store(slot, 1500)
    assert z.pool[ps.POOL_PAGES] == 50
    z.vm.num[st.SWAPINS] = 30
    assert zswap_writeback.entries(z.backend, z.pages, 0) == 35
    assert z.vm.num[st.SWAPINS] == 0
    assert zswap_writeback.entries(z.backend, z.pages, 0) == 50
    assert Direct("zbud", "6.12").num[zn.SHRINKER_ENABLED] == 0


def test_a_scan_of_the_shrinker_stops_at_an_entry_whose_page_is_in_memory() -> None:
    z = Direct("zbud", "6.12", shrinker_enabled=True)
    for slot in range(1, 11):
        z.store(slot, 2500)
    assert shrinkers.scan_entries(z.machine, 10) == 0  # second chances
    z.slot[4, st.CACHED] = 7
    assert shrinkers.scan_entries(z.machine, 10) == -1
    assert writes(z) == [1, 2, 3]
    assert z.told() == {"stored_pages": 7, "written_back_pages": 3, "reject_reclaim_fail": 1}


def test_compaction_is_a_shrinker_and_gives_no_reclaimed_slab() -> None:
    z = Direct()
    for slot in range(1, 401):
        z.store(slot, 2082)
    for slot in range(1, 401, 2):
        zswap_store.invalidate(z.backend, z.pages, slot)
    before = int(z.pool[ps.POOL_PAGES])
    freeable = int(shrinkers.freeable(z.machine, fi.POOL_PAGES))
    assert freeable > 50
    assert shrinkers.shrink_cache(z.machine, fi.POOL_PAGES, 12) == 0
    assert z.pool[ps.POOL_PAGES] == before  # freeable >> 12 is nothing
    shrinkers.shrink_cache(z.machine, fi.POOL_PAGES, 0)
    assert z.pool[ps.POOL_PAGES] == before - freeable


def test_slab_outside_the_pool() -> None:
    """64 entries a page; 512 handles a page; 73 zspages a page, of 7 objects of 2082 bytes in 4 pages.  None is given back."""
    z = Direct()
    z.set_limit(1000)
    for slot in range(1, 1025):
        z.store(slot, 2082)
    pages = z.a.slab[[fi.ENTRY_CACHE, fi.HANDLE_CACHE, fi.ZSPAGE_CACHE], fi.PAGES].tolist()
    assert pages == [16, 2, 3]  # 147 zspages
    assert counter(z.vm, "nr_slab_unreclaimable") == 21
    assert counter(z.vm, "nr_zspages") == 588
    for slot in range(1, 1025):
        zswap_store.invalidate(z.backend, z.pages, slot)
    assert counter(z.vm, "nr_slab_unreclaimable") == 21


CALLS = some.lists(
    some.tuples(some.sampled_from(["store", "store", "load", "drop", "work", "scan"]), some.integers(1, 60), some.integers(-26, 5000)),
    max_size=120,
)


@settings(max_examples=40, deadline=None)
@given(CALLS, some.sampled_from(["zbud", "z3fold", "zsmalloc"]), some.sampled_from(["6.1", "6.6", "6.12"]), some.integers(2, 30))
def test_no_entry_is_lost_or_twice(calls: list[tuple[str, int, int]], allocator: str, version: str, limit: int) -> None:
    """Whatever is called in whatever order: each slot has what was stored last, unless it was refused, dropped, read or written back."""
    z = Direct(allocator, version, shrinker_enabled=True)
    z.set_limit(limit)
    held: dict[int, int] = {}
    for what, slot, size in calls:
        if what == "store" and z.slot[slot, st.CACHED] == 0:
            held.pop(slot, None)
            if z.store(slot, size) == st.STORED:
                held[slot] = size
        elif what == "load":
            assert (z.load(slot) >= 0) == (slot in held)
            if version == "6.12":
                held.pop(slot, None)
        elif what == "drop":
            assert zswap_store.invalidate(z.backend, z.pages, slot) == (slot in held)
            held.pop(slot, None)
        elif what in ("work", "scan"):
            if what == "work":
                z.work()
            elif version == "6.12":
                shrinkers.scan_entries(z.machine, 1 + slot)
            for first in writes(z):
                held.pop(first, None)
            z.vm.num[st.RING] = 0
            for written in np.flatnonzero(z.slot[:, st.CACHED]):
                z.slot[written, st.CACHED] = 0  # as if its page had been reclaimed
        assert set(np.flatnonzero(z.slot[:, st.HANDLE]).tolist()) == set(held)
        assert z.num[STORED_PAGES] == len(held)
        objects = [size for size in held.values() if size > 0 or version == "6.12"]
        assert z.pool[ps.OBJECTS] == len(objects)
        chain, at = 0, int(z.num[zn.OLDEST])
        while at and chain <= len(held):
            chain, at = chain + 1, int(z.table()[at - 1, zn.NEWER])
        assert chain == z.num[zn.LISTED] == (len(objects) if version != "6.1" else 0)


@pytest.mark.parametrize("version", ["6.1", "6.6", "6.12"])
@pytest.mark.parametrize("allocator", ["zbud", "z3fold", "zsmalloc"])
def test_a_run_keeps_every_invariant(version: str, allocator: str) -> None:
    """Pressure on a pool that is much too small; pages same-filled, compressible and not.  (The check runs after every step.)"""
    rows = rows_of(np.random.default_rng(1).choice([0, 300, 1200, 2082, 3900, 4200], 3000))
    plan = make_plan(
        [process(3500, fill(3500), mix(3500, 6000, 5))],
        rows=rows,
        backend="zswap",
        allocator=allocator,
        backend_options={**OPTIONS, "max_pool_percent": 10, "version": version, "shrinker_enabled": True},
        kernel="6.12" if version == "6.12" else "6.1",
    )
    vm = make_vm(plan)
    run(vm)
    told = zswap.counters(vm.built.backend_num)
    assert problems(vm.arrays, vm.built.pool, vm.built.clean_pool) == []
    assert told["pool_limit_hit"] > 0 and counter(vm, "zswpin") > 0 and counter(vm, "pswpin") > 0
    assert (told["written_back_pages"] > 0) == (allocator != "zsmalloc" or version != "6.1")
    assert counter(vm, "zswpwb") == (told["written_back_pages"] if version == "6.12" else 0)
    assert (counter(vm, "swpout_zero") > 0) == (version == "6.12")
