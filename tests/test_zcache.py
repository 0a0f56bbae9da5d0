"""zcache's policies, failure paths and counters against a plain twin."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.allocators import pool as ps
from models.backends import zcache
from models.memory import state as st
from models.memory.frames import take_frame, usable_frames
from sim.vm import Vm
from tests.machine_kit import make_plan, make_vm, process
from tests.twins.zcache import Zcache

SLOTS = 64


def machine(allocator: str = "xcfmalloc", word: int = 64, **own: int) -> tuple[Vm, Zcache]:
    """A small machine with nothing stored, and the twin with the same settings."""
    limits = {"zv_max_zsize": 3584, "zv_max_mean_zsize": 2560, "zv_page_count_policy_percent": 75} | own
    plan = make_plan(
        [process(8)], backend="zcache", allocator=allocator, backend_options={"persistent": limits, "word_size": word}, swap_slots=SLOTS
    )
    vm = make_vm(plan, check=False)
    vm.arrays.slot[:, st.OWNER] = -1
    return vm, Zcache(*limits.values(), total_pages=int(vm.num[st.FRAMES]), header=40 if word == 64 else 36)


def put(vm: Vm, twin: Zcache, slot: int, clen: int) -> bool:
    """Store in both; whether the allocator found room is read off the outcome, everything else is the twin's own."""
    backend, pages, num = vm.built.backend, vm.pages, vm.built.pool.num
    free = usable_frames(pages, 1)
    if free >= 1:
        zcache.drop(backend, pages, slot)
    pool_pages = int(num[ps.POOL_PAGES])
    stored = bool(zcache.store(backend, pages, slot, clen))
    poor = twin.count["compress_poor"] + twin.count["mean_compress_poor"]
    now = zcache.counters(vm.built.backend_num)
    refused_by_size = now["compress_poor"] + now["mean_compress_poor"] > poor
    assert twin.put(slot, clen, free, pool_pages, fits=stored or refused_by_size or len(twin.held) > twin.limit) == stored
    return stored


def agree(vm: Vm, twin: Zcache) -> None:
    found = zcache.counters(vm.built.backend_num)
    assert {name: found[name] for name in twin.count} == twin.count
    slot = vm.arrays.slot
    assert {s: int(slot[s, st.STORED_SIZE]) for s in range(SLOTS) if slot[s, st.HANDLE] > 0} == twin.held
    num = vm.built.pool.num
    assert (num[ps.OBJECTS], num[ps.PAYLOAD]) == (len(twin.held), sum(twin.held.values()))
    assert num[ps.PAGES_TAKEN] - num[ps.PAGES_RETURNED] == vm.num[st.POOL_FRAMES]
    dist: dict[int, int] = {}
    for size in twin.held.values():
        dist[-(-size // 64)] = dist.get(-(-size // 64), 0) + 1
    assert {int(k[20:-1]): v for k, v in found.items() if k.startswith("zv_curr_dist_counts[")} == dist


call = some.tuples(some.sampled_from(["put", "put", "get", "flush", "starve", "feed"]), some.integers(1, SLOTS - 1), some.integers(1, 4300))


@settings(max_examples=60, deadline=None)
@given(
    calls=some.lists(call, max_size=80),
    allocator=some.sampled_from(["xvmalloc", "xcfmalloc"]),
    word=some.sampled_from([32, 64]),
    mean=some.sampled_from([1200, 2560, 3584]),
    percent=some.sampled_from([1, 75]),
)
def test_any_calls_are_the_twins(calls: list[tuple[str, int, int]], allocator: str, word: int, mean: int, percent: int) -> None:
    vm, twin = machine(allocator, word, zv_max_mean_zsize=mean, zv_page_count_policy_percent=percent)
    for name, slot, clen in calls:
        if name == "put":
            put(vm, twin, slot, clen)
        elif name == "get":
            assert zcache.load(vm.built.backend, vm.pages, slot) == twin.get(slot)
        elif name == "flush":
            zcache.invalidate(vm.built.backend, vm.pages, slot)
            twin.flush(slot)
        elif name == "starve":
            vm.arrays.zone[:, st.BOOST] = 1 << 40  # no page is free above any mark
        else:
            vm.arrays.zone[:, st.BOOST] = 0
        agree(vm, twin)


def test_a_failed_duplicate_leaves_the_name_absent() -> None:
    vm, twin = machine()
    assert put(vm, twin, 5, 1000)
    assert not put(vm, twin, 5, 3585)
    assert zcache.load(vm.built.backend, vm.pages, 5) == -1
    agree(vm, twin)


def test_the_order_of_the_tests() -> None:
    """Above the count limit nothing is compressed, so nothing is called poor."""
    vm, twin = machine(zv_page_count_policy_percent=1)
    limit = twin.limit
    for slot in range(1, limit + 2):
        assert put(vm, twin, slot, 500)
    assert not put(vm, twin, 60, 4000)
    assert zcache.counters(vm.built.backend_num)["compress_poor"] == 0
    agree(vm, twin)


def test_the_mean_is_of_whole_pages() -> None:
    """One page of 1000 bytes: the pool's mean is 4096, so nothing above the mean limit goes in beside it."""
    vm, twin = machine("xvmalloc")
    assert put(vm, twin, 1, 1000)
    assert not put(vm, twin, 2, 2561)
    assert put(vm, twin, 3, 2560)
    assert zcache.counters(vm.built.backend_num)["mean_compress_poor"] == 1


def test_a_put_demands_a_whole_page_even_where_a_partial_one_has_room() -> None:
    vm, twin = machine("xvmalloc")
    assert put(vm, twin, 1, 100)
    while usable_frames(vm.pages, 1):
        take_frame(vm.pages, st.TABLE, 1)
    assert not put(vm, twin, 2, 100)
    assert not put(vm, twin, 1, 100)  # and the old copy is flushed
    found = zcache.counters(vm.built.backend_num)
    assert (found["failed_get_free_pages"], found["put_to_flush"], found["flush_found"]) == (2, 2, 1)


@pytest.mark.parametrize(("word", "header"), [(32, 36), (64, 40)])
def test_the_header_stands_in_front(word: int, header: int) -> None:
    vm, twin = machine(word=word)
    put(vm, twin, 1, 1000)
    assert int(vm.built.pool.num[ps.PAYLOAD]) == 1000 + header
