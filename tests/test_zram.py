"""zram by its rules, worked by hand (reference section F), its commands, two swap devices, and whole runs with every invariant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import sim
from models.allocators import pool as ps
from models.backends import zram, zram_commands, zram_stat, zram_store
from models.backends import zram_numbers as zn
from models.memory import state as st
from models.memory.check import problems
from models.memory.frames import NO_MARK, take_frame
from sim.actors.zram import start_commands
from tests.machine_kit import counter, fill, make_plan, make_vm, mix, process, rows_of, run

SLOTS = 4096
ELSEWHERE = 15  # a kind of frame that the machine does not know
ALL_SEEN = 1 << 60


def plan_of(processes: list[Any], disk: int = 0, **changes: Any) -> Any:
    """A machine whose swap is a zram of SLOTS pages, and a disk of so many behind it."""
    options = {"disksize": SLOTS * 4096, **changes.pop("options", {})}
    values = {"allocator_options": {"version": "v6.1"}, **changes}
    return make_plan(
        processes, backend="zram", allocator="zsmalloc", backend_options=options, own_slots=SLOTS, swap_slots=SLOTS + disk, **values
    )


class Direct:
    """An empty zram whose functions are called on slots as memory would.  Every slot is in use by the page of its number."""

    def __init__(self, blocks: int = 0, **changes: Any) -> None:
        self.vm = make_vm(plan_of([process(SLOTS)], blocks=blocks, **changes), check=False)
        built = self.vm.built
        self.machine, self.backend, self.pages, self.a = built.machine, built.backend, built.pages, built.arrays
        self.num, self.pool, self.slot, self.table = built.backend_num, built.pool.num, built.arrays.slot, built.backend_table
        self.slot[1:, st.STATE] = st.SLOT_USED
        self.slot[:, st.OWNER] = np.arange(len(self.slot))

    def store(self, slot: int, size: int) -> int:
        return int(zram_store.store(self.backend, self.pages, slot, size))

    def load(self, slot: int) -> int:
        return int(zram_store.load(self.backend, self.pages, slot))

    def free(self, slot: int) -> int:
        return int(zram_store.invalidate(self.backend, self.pages, slot))

    def stat(self) -> dict[str, int]:
        found = zram.counters(self.num) | zram.pool_counters(self.num, self.vm.built.pool)
        return {name: value for name, value in found.items() if value}

    def write_back(self, wanted: int) -> list[int]:
        """A writeback whose writes all succeed: slots in their order, then why it ended."""
        seen, slot = [], 1
        while (slot := int(zram_commands.next_to_write(self.machine, slot, wanted))) > 0:
            zram_commands.written(self.machine, slot)
            seen.append(slot)
            slot += 1
        return [*seen, slot]

    def recompress(self, kind: int = 0, threshold: int = 0, most: int = -1, priority: int = 0) -> dict[int, int]:
        """A recompression; sizes of the slots whose priority is not 0."""
        command = np.array([kind, threshold, most, priority, 1, 0, 0, 0])
        assert zram_commands.recompress_step(self.machine, command, 0, ALL_SEEN) & 1
        return {int(s): int(self.slot[s, st.STORED_SIZE]) for s in np.flatnonzero(self.table[:SLOTS, zn.FLAGS] >> zn.PRIORITY_SHIFT)}


def test_mm_stat_of_a_few_pages() -> None:
    """A compressed page, a same-filled one, and one of 3257 bytes that is kept as it is; classes of 6.1."""
    z = Direct()
    assert [z.store(1, 2082), z.store(2, -26), z.store(3, 3257), z.store(4, 3256)] == [st.STORED] * 4
    stat = z.stat()
    assert stat["orig_data_size"] == 4 * 4096
    assert stat["compr_data_size"] == 2082 + 4096 + 3256
    assert (stat["same_pages"], stat["huge_pages"], stat["huge_pages_since"]) == (1, 1, 1)
    assert stat["mem_used_total"] == stat["mem_used_max"] == 4096 * int(z.pool[ps.POOL_PAGES])
    assert [counter(z.vm, name) for name in ("pswpout", "zswpout")] == [4, 0]
    assert [z.load(s) for s in (1, 2, 3)] == [2082, 0, 4096]
    assert counter(z.vm, "pswpin") == 3
    assert [z.free(s) for s in (1, 2, 3, 4)] == [1] * 4
    assert z.stat() == {"huge_pages_since": 1, "mem_used_max": stat["mem_used_max"], "notify_free": 4}


def test_the_huge_size_follows_the_chain() -> None:
    assert Direct().num[zn.HUGE_SIZE] == 3257
    assert Direct(allocator_options={"version": "v6.12"}).num[zn.HUGE_SIZE] == 3625


def test_the_new_object_comes_before_the_old_one_goes() -> None:
    """One object a page: 3257 bytes and more are stored whole."""
    z = Direct()
    z.store(1, 4000)
    z.store(1, 4000)
    assert (z.pool[ps.PAGES_TAKEN], z.pool[ps.PAGES_RETURNED]) == (2, 1)
    assert z.stat()["mem_used_max"] == 2 * 4096


@pytest.mark.parametrize(("kernel", "errors"), [("6.1", 2), ("6.12", 1)])
def test_the_limit_makes_a_write_fail_and_leaves_the_old_content(kernel: str, errors: int) -> None:
    z = Direct(options={"mem_limit": 2 * 4096}, kernel=kernel)
    assert [z.store(1, 4000), z.store(2, 4000), z.store(2, 3900)] == [st.STORED, st.STORED, st.FAILED]
    stat = z.stat()
    assert stat["failed_writes"] == errors
    assert (stat["mem_limit"], stat["mem_used_max"], stat["mem_used_total"]) == (8192, 12288, 8192)
    assert z.load(2) == 4096


def test_without_frames_a_write_stalls_and_fails() -> None:
    z = Direct()
    while take_frame(z.pages, ELSEWHERE, NO_MARK) >= 0:
        pass
    assert z.store(1, 1000) == st.FAILED
    assert z.stat() == {"writestall": 1, "failed_writes": 2}
    assert z.store(1, -26) == st.STORED


def test_its_table_is_memory_of_the_kernel() -> None:
    """16 bytes a slot: 4096 slots are 16 pages; objects outside the pool come on top."""
    z = Direct()
    assert counter(z.vm, "nr_slab_unreclaimable") == 16
    z.store(1, 2082)
    assert counter(z.vm, "nr_slab_unreclaimable") == 18


def test_idle_ends_with_an_access() -> None:
    z = Direct()
    for slot in (1, 2, 3):
        z.store(slot, 1000)
    assert zram_commands.mark_idle(z.machine, 0, -1) == 3
    z.load(2)
    z.store(3, 1000)
    assert np.flatnonzero(z.table[:, zn.FLAGS] & zn.IDLE).tolist() == [1]
    z.vm.num[st.CLOCK] = 50_000_000_000
    z.load(1)
    assert zram_commands.mark_idle(z.machine, 60_000_000_000, 30) == 2  # last used at second 0
    assert zram_commands.mark_idle(z.machine, 80_000_000_000, 30) == 3


def test_612_unmarks_the_younger_and_leaves_same_filled_pages_alone() -> None:
    z = Direct(kernel="6.12")
    z.store(1, 1000)
    z.store(2, -26)
    assert zram_commands.mark_idle(z.machine, 0, -1) == 1
    zram_commands.mark_idle(z.machine, 5_000_000_000, 30)
    assert z.table[1, zn.FLAGS] & zn.IDLE == 0


def test_writeback_in_ascending_order_to_the_lowest_free_blocks() -> None:
    z = Direct(blocks=100)
    for slot, size in ((9, 4000), (3, 1000), (5, -26), (7, 4000)):
        z.store(slot, size)
    assert z.write_back(zn.HUGE) == [7, 9, zram_commands.END]
    stat = z.stat()
    assert (stat["bd_count"], stat["bd_writes"], stat["orig_data_size"], stat["compr_data_size"]) == (2, 2, 4 * 4096, 1000)
    assert "huge_pages" not in stat
    assert [st.ON_DEVICE - int(z.slot[s, st.HANDLE]) for s in (7, 9)] == [1, 2]
    assert z.load(7) == -1  # its block must be read
    assert z.stat()["bd_reads"] == 1
    z.free(7)
    z.store(8, 4000)
    assert z.write_back(zn.HUGE) == [8, zram_commands.END]
    assert st.ON_DEVICE - int(z.slot[8, st.HANDLE]) == 1
    z.store(9, 1000)  # a rewritten slot leaves its block
    assert z.stat()["bd_count"] == 1


def test_writeback_ends_at_its_limit_or_when_the_device_is_full() -> None:
    z = Direct(blocks=3, options={"writeback_limit": 1})
    for slot in range(1, 6):
        z.store(slot, 1000)
    assert z.write_back(0) == [1, zram_commands.LIMIT]
    z.num[zn.LIMIT_ON] = 0
    assert z.write_back(0) == [2, zram_commands.NO_BLOCK]  # block 0 is never used


def test_a_slot_that_is_used_while_it_is_written_stays() -> None:
    z = Direct(blocks=100)
    z.store(1, 1000)
    assert zram_commands.next_to_write(z.machine, 1, 0) == 1
    z.load(1)
    assert zram_commands.written(z.machine, 1) == 0
    assert z.load(1) == 1000
    assert z.stat()["bd_writes"] == 1 and "bd_count" not in z.stat()


def secondary(first: list[int], *others: list[int]) -> Direct:
    """A zram whose slot s holds page s, of first[s] bytes by the first compressor and others[k][s] by the next."""
    rows = rows_of(first)
    extra = tuple((rows_of(sizes),) for sizes in others)
    z = Direct(extra_contents=extra, rows=rows)
    z.num[zn.SECONDARIES] = len(others)
    z.a.version[:] = 1
    for slot, size in enumerate(first):
        if slot:
            z.store(slot, size)
    return z


def test_recompression_must_lower_the_size_class() -> None:
    """Classes of 6.1 are 16 bytes wide at least: 1000 and 995 share one."""
    z = secondary([0, 1000, 1000, 4000], [0, 995, 700, 2000])
    assert z.recompress() == {2: 700, 3: 2000}
    stat = z.stat()
    assert stat["compr_data_size"] == 1000 + 700 + 2000
    assert "huge_pages" not in stat and stat["huge_pages_since"] == 1
    assert z.table[1, zn.FLAGS] & zn.INCOMPRESSIBLE
    assert z.recompress() == {2: 700, 3: 2000}


def test_a_threshold_leaves_small_objects_alone_and_wants_smaller_ones() -> None:
    z = secondary([0, 900, 2000, 2000], [0, 100, 1500, 900])
    assert z.recompress(threshold=1200) == {3: 900}  # 900 is below it, 1500 is not
    assert z.table[2, zn.FLAGS] & zn.INCOMPRESSIBLE == 0  # its class did fall


def test_compressors_are_tried_by_priority_or_one_is_named() -> None:
    z = secondary([0, 2000, 2000], [0, 1995, 1000], [0, 800, 500])
    assert z.recompress() == {1: 800, 2: 1000}
    assert (z.table[1:3, zn.FLAGS] >> zn.PRIORITY_SHIFT).tolist() == [2, 1]
    assert z.recompress() == {1: 800, 2: 500}  # only those behind its own
    z = secondary([0, 2000], [0, 1000], [0, 500])
    assert z.recompress(priority=2) == {1: 500}


def test_recompression_of_idle_or_huge_slots_and_of_so_many() -> None:
    z = secondary([0, 2000, 4000, 2000], [0, 1000, 1000, 1000])
    zram_commands.mark_idle(z.machine, 0, -1)
    z.load(1)
    assert z.recompress(zn.HUGE | zn.IDLE) == {2: 1000}
    assert z.recompress(zn.IDLE) == {2: 1000, 3: 1000}
    z = secondary([0, 2000, 2000, 2000], [0, 1000, 1000, 1000])
    assert z.recompress(most=2) == {1: 1000, 2: 1000}


def test_lines_in_the_kernels_format() -> None:
    """Widths of 8 and one space, as printed by 6.1; debug_stat has a version line."""
    counters = {name: number for number, name in enumerate((*zram_stat.MM_STAT, *zram_stat.IO_STAT, *zram_stat.BD_STAT), 1)}
    counters |= {"writestall": 7, "miss_free": 0, "orig_data_size": 118845440}
    assert zram_stat.mm_stat(counters) == "118845440        2        3        4        5        6        7        8        9\n"
    assert zram_stat.io_stat(counters) == "      10       11       12       13\n"
    assert zram_stat.bd_stat(counters) == "      14       15       16\n"
    assert zram_stat.debug_stat(counters) == "version: 1\n       7        0\n"


CALLS = some.lists(
    some.tuples(
        some.sampled_from(["store", "store", "load", "free", "idle", "write", "recompress", "compact"]),
        some.integers(1, 40),
        some.sampled_from([-26, 300, 1000, 2082, 3257, 4096, 4500]),
    ),
    max_size=100,
)


@settings(max_examples=40, deadline=None)
@given(CALLS, some.integers(0, 20), some.sampled_from(["6.1", "6.12"]))
def test_no_slot_is_lost_or_twice(calls: list[tuple[str, int, int]], limit: int, kernel: str) -> None:
    """Whatever is called in whatever order: each slot has its page until it is freed, in the pool or on the device; the counters add up."""
    sizes, second = [0] + [2000] * SLOTS, [0] + [1500] * SLOTS
    extra = ((rows_of(second[:SLOTS]),),)
    z = Direct(blocks=12, kernel=kernel, options={"mem_limit": limit * 4096}, extra_contents=extra, rows=rows_of(sizes[:SLOTS]))
    z.num[zn.SECONDARIES] = 1
    z.a.version[:] = 1
    held: set[int] = set()
    for what, slot, size in calls:
        if what == "store":
            held |= {slot} if z.store(slot, size) == st.STORED else set()
        elif what == "load":
            z.load(slot)
        elif what == "free":
            assert z.free(slot) == (slot in held)
            held.discard(slot)
        elif what == "idle":
            zram_commands.mark_idle(z.machine, 0, -1)
        elif what == "write":
            z.write_back(zn.IDLE)
        elif what == "recompress":
            z.recompress()
        else:
            zram_commands.compact(z.machine, 0)
        handles = z.slot[:, st.HANDLE]
        assert set(np.flatnonzero(handles).tolist()) == held
        stat = z.stat()
        assert stat.get("orig_data_size", 0) == 4096 * len(held)
        assert stat.get("compr_data_size", 0) == z.slot[handles > 0, st.STORED_SIZE].sum() == z.pool[ps.PAYLOAD]
        assert stat.get("same_pages", 0) == (handles == st.NO_OBJECT).sum()
        assert stat.get("huge_pages", 0) == (z.table[:SLOTS, zn.FLAGS] & zn.HUGE > 0).sum()
        blocks = (st.ON_DEVICE - handles[handles <= st.ON_DEVICE]).tolist()
        assert stat.get("bd_count", 0) == len(blocks) == len(set(blocks))
        assert 0 not in blocks
        assert np.flatnonzero(z.vm.built.blocks).tolist() == sorted(blocks)


def mixed_rows() -> Any:
    return rows_of(np.random.default_rng(1).choice([0, 300, 1200, 2082, 3900, 4200], 3000))


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_a_run_keeps_every_invariant(kernel: str) -> None:
    """Swap that is zram alone: each major fault is a read of it, no readahead, no swap cache; written pages are free at once."""
    plan = plan_of([process(3000, fill(3000), mix(3000, 8000, 5))], rows=mixed_rows(), kernel=kernel)
    vm = make_vm(plan)
    run(vm)
    assert problems(vm.arrays, vm.built.pool, vm.built.clean_pool) == []
    faults = counter(vm, "pgmajfault")
    assert faults == counter(vm, "pswpin") + counter(vm, "swpin_zero") > 1000
    assert counter(vm, "swap_ra") == counter(vm, "nr_swapcached") == 0
    assert counter(vm, "pswpout") + counter(vm, "swpout_zero") == counter(vm, "pgsteal_kswapd") + counter(vm, "pgsteal_direct")


SLEEP = ([9], [0], [4_000_000_000])


def test_a_failed_write_leaves_the_page_dirty_in_the_swap_cache() -> None:
    """The pool may have 10 pages: then nothing can be swapped out any more, and nothing is lost."""
    plan = plan_of([process(2175, fill(2175), SLEEP)], rows=rows_of([2082] * 100), options={"mem_limit": 10 * 4096})
    vm = make_vm(plan)
    vm.tasks[0].start()
    vm.env.run(until=3_000_000_000)
    found = zram.counters(vm.built.backend_num)
    assert found["failed_writes"] > 0 and counter(vm, "nr_swapcached") > 0
    assert counter(vm, "oom_kill") == 0
    cached = vm.arrays.slot[vm.arrays.slot[:, st.CACHED] > 0, st.CACHED] - 1
    assert (vm.arrays.frame[cached, st.FLAGS] & st.DIRTY > 0).all()
    assert counter(vm, "pswpout") == found["failed_writes"] // 2 + counter(vm, "pgsteal_kswapd") + counter(vm, "pgsteal_direct")


@pytest.mark.parametrize("then", [[], [mix(9000, 4000, 5)]])
def test_the_disk_behind_zram_is_used_when_that_is_full(then: list[Any]) -> None:
    plan = plan_of([process(9000, fill(9000), *then, SLEEP)], disk=16384, rows=rows_of([300] * 100), memory=14 << 20)
    vm = make_vm(plan)
    vm.tasks[0].start()
    vm.env.run(until=3_000_000_000)
    state = vm.arrays.slot[:, st.STATE]
    assert vm.swap is not None
    if then:  # a page that comes back from zram leaves its slot free; one from the disk keeps it
        assert vm.swap.counters().pairs[0][1] > 100
    else:
        assert (state[1:SLOTS] == st.SLOT_USED).sum() > SLOTS - 200  # all but what waits in the CPU's caches
    assert (state[SLOTS + 1 :] == st.SLOT_USED).sum() > 1000
    assert state[SLOTS] == st.SLOT_NONE  # the disk's header


def test_pages_on_the_backing_device_come_back_from_there() -> None:
    plan = plan_of([process(3000, fill(3000), fill(3000), mix(3000, 4000, 5))], rows=mixed_rows(), blocks=5000)
    vm = make_vm(plan)
    nothing = {"at": None, "idle": None, "writeback": None, "writeback_limit": None, "compact": False, "recompress": {"type": None}}
    start_commands(vm, [{**nothing, "every": 5_000_000, "idle": "all", "writeback": "idle", "compact": True}])
    run(vm)
    assert problems(vm.arrays, vm.built.pool, vm.built.clean_pool) == []
    found = zram.counters(vm.built.backend_num)
    assert found["bd_writes"] > 50 and found["bd_reads"] > 20
    assert counter(vm, "pgmajfault") == counter(vm, "pswpin")


BASE = {
    "name": "t",
    "machine": {"memory": "96MiB"},
    "devices": {"disk": {"kind": "ssd"}, "spare": {"kind": "ssd"}},
    "workloads": [{"name": "w", "kind": "uniform"}],
}
FULL = {
    "kind": "zram",
    "disksize": "64MiB",
    "backing_dev": "spare",
    "recomp_algorithm": [{"kind": "deflate"}],
    "commands": [
        {"at": "1s", "idle": "all", "writeback": "idle"},
        {"every": "2s", "recompress": {"type": "huge", "threshold": "1KiB"}},
    ],
}


def test_commands_are_read_and_written_out_again() -> None:
    config = sim.Config.from_dict({**BASE, "backend": FULL})
    assert config.backend.options["commands"][1]["recompress"] == {"type": "huge", "threshold": 1024, "max_pages": None, "priority": None}
    again = config.backend.resolved()
    assert again["commands"][0]["at"] == 1_000_000_000
    assert again["recomp_algorithm"][0]["kind"] == "deflate"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"backing_dev": "spar"}, ["backend.backing_dev", "spare"]),
        ({"backing_dev": None}, ["backend.commands", "backing device first"]),
        ({"recomp_algorithm": []}, ["backend.commands", "recomp_algorithm"]),
        ({"recomp_algorithm": ["lz4"] * 4}, ["backend.recomp_algorithm", "at most 3"]),
        ({"commands": [{"idle": "all"}]}, ["backend.commands", "`at` (once)"]),
        ({"commands": [{"at": "1s", "every": "2s"}]}, ["backend.commands", "`at` (once)"]),
        ({"commands": [{"at": "1s", "idle": "soon"}]}, ["idle", "an age such as 30s"]),
        ({"commands": [{"at": "1s", "compct": True}]}, ["compct", "compact"]),
        ({"disksize": None}, ["backend.disksize"]),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], words: list[str]) -> None:
    wanted = {key: value for key, value in {**FULL, **change}.items() if value is not None}
    with pytest.raises(sim.UserError) as error:
        sim.Config.from_dict({**BASE, "backend": wanted})
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_swap_device_beside_it_may_not_be_its_backing_device() -> None:
    with pytest.raises(sim.UserError, match="a device of its own"):
        sim.Config.from_dict({**BASE, "backend": FULL, "swap": {"device": "spare", "size": "64MiB"}})
