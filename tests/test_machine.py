"""The machine as a whole: every invariant after every step, worked cases, and what must happen when there is no room."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.devices.device import Queue
from models.devices.hdd import Hdd
from models.devices.nvme import Parallel
from models.devices.ssd import Ssd
from models.memory import state as st
from models.workloads.stream import EXIT, FREAD, READ, SLEEP, SPAWN, UNMAP, WAIT, WRITE, File
from sim.errors import UserError
from sim.statistics import summarise
from sim.vm import Vm
from tests.file_kit import plans_of
from tests.machine_kit import FAST_SSD, SCHEDULER, counter, fill, free_frames, make_plan, make_vm, mix, process, rows_of, run

SLOW = Ssd(1, 3_000_000, 5_000_000, 10_000_000)


def test_first_touch_gives_one_frame_a_page_and_exit_gives_all_back() -> None:
    vm = make_vm(make_plan([process(600, fill(600))]))
    before = free_frames(vm)
    run(vm)
    assert counter(vm, "pgfault") == 600
    assert counter(vm, "pgmajfault") == 0
    assert free_frames(vm) == before
    assert vm.tasks[0].status == "done"


def test_time_is_the_sum_of_its_parts() -> None:
    """Three first writes and two more accesses of one of the pages, 1000 ns of computing after each."""
    vm = make_vm(make_plan([process(3, ([1, 1, 1, 0, 1], [0, 1, 2, 1, 1], [1000] * 5))]))
    run(vm)
    fault = 500 + 100 + 4 * 25
    table_page = 100 + 4 * 25
    assert vm.env.now == table_page + 3 * fault + 5 * (1000 + 2) + 3 * 60


def test_unmap_frees_and_the_next_touch_is_fresh() -> None:
    vm = make_vm(make_plan([process(50, fill(50), ([UNMAP], [10], [5]), ([READ], [12], [0]), ([SLEEP], [0], [1]))]))
    task = vm.tasks[0]
    task.start()
    vm.env.run(until=vm.env.timeout(200_000))
    assert counter(vm, "pgfault") == 51
    run_to_end(vm)


def run_to_end(vm) -> None:  # type: ignore[no-untyped-def]
    if not vm.tasks[0].ended.triggered:
        vm.env.run(until=vm.tasks[0].ended)


@pytest.mark.parametrize(
    ("backend", "allocator", "changes", "device"),
    [
        ("none", None, {}, None),
        ("none", None, {"rotational": True}, None),
        ("none", None, {"page_cluster": 0}, SLOW),
        ("zcache", "xvmalloc", {}, None),
        ("zcache", "xcfmalloc", {}, None),
        ("zcache", "xcfmalloc", {"rotational": True}, SLOW),
        ("zcache", "xvmalloc", {"page_size": 16384, "memory": 48 << 20}, None),
    ],
)
def test_thrash_keeps_every_invariant(backend, allocator, changes, device) -> None:  # type: ignore[no-untyped-def]
    pages = 3500
    plan = make_plan([process(pages, fill(pages), mix(pages, 1500, 7))], backend=backend, allocator=allocator, **changes)
    vm = make_vm(plan, **({"device": device} if device else {}))
    before = free_frames(vm)
    held = int(vm.num[st.POOL_FRAMES])
    run(vm)
    assert counter(vm, "pgmajfault") > 100
    stolen = counter(vm, "pgsteal_kswapd") + counter(vm, "pgsteal_direct")
    assert stolen == counter(vm, "pgsteal_anon") <= counter(vm, "pgscan_anon")
    assert counter(vm, "pgscan_kswapd") + counter(vm, "pgscan_direct") == counter(vm, "pgscan_anon")
    if backend == "none":
        assert counter(vm, "workingset_refault_anon") == counter(vm, "pswpin")
    pool = int(vm.num[st.POOL_FRAMES]) - held
    assert free_frames(vm) + pool + counter(vm, "nr_writeback") >= before - int(vm.num[st.SLOT_RETURN])


@settings(max_examples=15, deadline=None)
@given(
    seed=some.integers(0, 2**32 - 1),
    pages=some.integers(1500, 5000),
    writes=some.floats(0, 1),
    cpus=some.integers(1, 3),
    backend=some.sampled_from([("none", None), ("zcache", "xvmalloc"), ("zcache", "xcfmalloc")]),
    slots=some.sampled_from([0, 600, 8192]),
    rotational=some.booleans(),
    unmap=some.booleans(),
)
def test_any_small_run_keeps_every_invariant(seed, pages, writes, cpus, backend, slots, rotational, unmap) -> None:  # type: ignore[no-untyped-def]
    """Two processes, any mixture: nothing is lost, whatever happens, an OOM kill included."""
    parts = [fill(pages), mix(pages, 400, seed, writes)]
    if unmap:
        parts.append(([UNMAP, WRITE], [pages // 4, pages // 3], [pages // 2, 0]))
    kind, allocator = backend if slots else ("none", None)
    plan = make_plan(
        [process(pages, *parts), process(500, fill(500), mix(500, 500, seed + 1, writes))],
        backend=kind, allocator=allocator, swap_slots=slots, rotational=rotational,
    )  # fmt: skip
    vm = make_vm(plan, cpus=cpus, groups=[[0], [1]])
    run(vm, *vm.tasks)
    assert all(task.status in ("done", "oom-killed") for task in vm.tasks)
    assert counter(vm, "oom_kill") == sum(task.killed for task in vm.tasks)
    assert (vm.arrays.pte == 0).all()


def test_no_swap_is_an_oom_kill_that_the_counters_show() -> None:
    vm = make_vm(make_plan([process(4000, fill(4000))], swap_slots=0))
    run(vm)
    assert vm.tasks[0].status == "oom-killed"
    assert counter(vm, "oom_kill") == 1
    assert counter(vm, "pgscan_anon") == 0


def test_the_largest_process_is_killed() -> None:
    small, large = process(900, fill(900), ([SLEEP], [0], [50_000_000])), process(4000, fill(4000, think=2000))
    vm = make_vm(make_plan([small, large], swap_slots=0), groups=[[0], [1]])
    run(vm, *vm.tasks)
    assert [task.status for task in vm.tasks] == ["done", "oom-killed"]


def test_spawn_wait_exit() -> None:
    parent = process(10, ([SPAWN, SPAWN, WAIT, WRITE, EXIT, WRITE], [1, 2, -1, 3, 0, 4], [0, 0, 0, 100, 0, 0]))
    child = process(300, fill(300, think=1000))
    vm = make_vm(make_plan([parent, child, child]), cpus=2)
    run(vm)
    assert [task.status for task in vm.tasks] == ["done"] * 3
    assert vm.tasks[0].finished > max(vm.tasks[1].finished, vm.tasks[2].finished)
    assert counter(vm, "pgfault") == 601  # the write after EXIT never happens


def test_processes_share_the_cpus() -> None:
    """Three equal computing processes on one CPU: each waits for the others, together they take three times as long."""
    work = ([WRITE] * 2000, [0] * 2000, [20_000] * 2000)
    vm = make_vm(make_plan([process(1, work)] * 3), cpus=1, groups=[[0], [1], [2]], check=False)
    run(vm, *vm.tasks)
    alone = 2000 * 20_002
    assert vm.env.now == pytest.approx(3 * alone, rel=0.001)
    ends = sorted(task.finished for task in vm.tasks)
    assert ends[0] > 3 * alone - 4 * 4_000_000  # turns of 4 ms: all end within the last turns


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([([READ], [10], [0])], "outside its address space"),
        ([([WAIT], [1], [0])], "there is no process 1"),
        ([([2], [1], [0])], "has no files"),
    ],
)
def test_wrong_streams_are_told(parts, message) -> None:  # type: ignore[no-untyped-def]
    vm = make_vm(make_plan([process(10, *parts)]))
    with pytest.raises(UserError, match=message):
        run(vm)


def test_sequential_swap_in_reads_ahead() -> None:
    pages = 3500
    again = (np.zeros(pages, np.uint8), np.arange(pages), np.full(pages, 2000, np.uint32))
    vm = make_vm(make_plan([process(pages, fill(pages), again)]), check=False)
    run(vm)
    assert counter(vm, "swap_ra") > 5 * counter(vm, "pgmajfault")
    assert counter(vm, "swap_ra_hit") > 0.95 * counter(vm, "swap_ra")


@pytest.mark.parametrize(("backend", "allocator"), [("none", None), ("zcache", "xcfmalloc")])
def test_halving_slice_and_quantum_changes_no_result(backend, allocator) -> None:  # type: ignore[no-untyped-def]
    """The step of the simulation is not a result: every figure's interval over eight seeds holds that of half the step.

    Without boosts: the one that this VM would have is a fifth of its memory, and how many stalls it costs depends on who sees it first.
    """

    def outcome(factor: int, seed: int) -> dict[str, float]:
        think = np.random.default_rng(seed).integers(100, 4000, 25_000)
        op, page, _ = mix(3500, 25_000, seed, writes=0.5)
        plan = make_plan([process(3500, (op, page, think))], backend=backend, allocator=allocator, watermark_boost_factor=0)
        vm = make_vm(plan, check=False, **{name: SCHEDULER[name] // factor for name in ("slice", "shared_slice", "quantum")})
        run(vm)
        names = ("pgmajfault", "pswpin", "pswpout", "pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct", "pgrotated")
        return {name: float(counter(vm, name)) for name in names} | {"run_time": float(vm.env.now)}

    whole = [outcome(1, seed) for seed in range(8)]
    half = [outcome(2, seed) for seed in range(8)]
    for name in whole[0]:
        a, b = summarise([run[name] for run in whole]), summarise([run[name] for run in half])
        assert abs(a.mean - b.mean) <= (a.half_width or 0) + (b.half_width or 0), f"{name}: {a} against {b}"


def test_same_input_same_run() -> None:
    def outcome() -> bytes:
        vm = make_vm(make_plan([process(3500, fill(3500), mix(3500, 3000, 5))], backend="zcache", allocator="xvmalloc"), check=False)
        run(vm)
        return vm.vmstat.tobytes() + vm.arrays.hist.tobytes() + vm.arrays.cpu.tobytes() + str(vm.env.now).encode()

    assert outcome() == outcome()


def test_a_page_never_written_stores_as_zeros_and_a_write_moves_to_the_next_row() -> None:
    from models.memory.reclaim import content_size

    vm = make_vm(make_plan([process(8, ([WRITE], [0], [0]))], rows=rows_of([100, 200, 300], stride=1)))
    pages, version = vm.pages, vm.arrays.version
    assert content_size(pages, 0, 1) == 0
    version[1] = 1
    assert content_size(pages, 0, 1) == 200
    version[1] = 3
    assert content_size(pages, 0, 1) == [100, 200, 300][(1 + 2) % 3]


def test_recorded_history_follows_each_page() -> None:
    from models.memory.reclaim import content_size

    vm = make_vm(make_plan([process(2, ([WRITE], [0], [0]))], rows=rows_of([100, 200, 110, 210], versions=2, stride=0)))
    version = vm.arrays.version
    found = []
    for number in (0, 1, 2, 9):
        version[1] = number
        found.append(content_size(vm.pages, 0, 1))
    assert found == [200, 200, 210, 210]


def test_a_long_log_loses_no_event() -> None:
    """More pages freed at exit, and unmapped in one op, than the log's ring holds: every one is told."""
    pages = 100_000
    plan = make_plan([process(pages, fill(pages), ([UNMAP], [0], [50_000]))], memory=512 << 20, swap_slots=0, log=True)
    vm = make_vm(plan, check=False)
    freed: list[int] = []
    vm.on_log = [lambda rows: freed.extend(rows[rows[:, st.LOG_EVENT] == st.E_FREE, st.LOG_PAGE].tolist())]
    run(vm)
    assert sorted(freed) == list(range(pages))


DEVICES: dict[str, tuple[Any, bool]] = {  # and whether reads can follow one another in compiled code
    "ssd": (FAST_SSD, True),
    "nvme": (Parallel(4, 60_000, 20_000, 3_000_000_000, 1_000_000_000), True),
    "network": (Parallel(2, 100_000, 100_000, 10_000_000, 10_000_000, Queue(), 500_000), True),
    "no time at all": (Ssd(1, 0, 0, 1 << 60), False),  # over before the task waits
    "limited": (FAST_SSD._replace(queue=Queue(iops_limit=5000)), False),
    "disk": (Hdd(1 << 30, 7200, 200_000_000, 100_000_000, 1_000_000, 8_000_000, 16_000_000, 500_000, 100_000), False),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("cpus", [1, 2])
def test_reads_ended_in_place_are_the_reads_ended_by_events(cpus: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the check on every read is an event; without it most end inside the task's step.  Nothing else may differ."""
    chained: list[int] = []
    solo_reads = Vm.solo_reads

    def counted(*arguments: Any) -> tuple[int, int, int]:
        found = solo_reads(*arguments)
        chained.append(found[0])
        return found

    monkeypatch.setattr(Vm, "solo_reads", counted)

    def outcome(check: bool) -> tuple[bytes, list[object]]:
        reads = (np.zeros(1500), np.arange(1500) * 7 % 3500, np.full(1500, 300))
        files = (np.full(1000, FREAD), np.arange(1000) * 1777 % 40_000, np.full(1000, 300))
        plan = make_plan([process(3500, fill(3500), reads, files)], page_cluster=0, watermark_boost_factor=0)  # a boost ends in OOM here
        (file,) = plans_of(File("f", 40_000))
        plan = plan._replace(files=((file._replace(device_page=10_000),),))
        vm = make_vm(plan, cpus=cpus, check=check, device=DEVICES[device][0])
        run(vm)
        vm.psi.settle()
        disk, psi = vm.swap, vm.psi
        assert disk is not None
        figures = [
            int(vm.env.now),
            vm.cpus.busy_ns(),
            disk.busy,
            disk.requests,
            disk.latency,
            disk.waited,
            disk.histogram,
            disk.most_outstanding,
            disk.head,
            disk.link_free,
            psi.io_some,
            psi.io_full,
            psi.memory_some,
            psi.memory_full,
        ]
        return vm.vmstat.tobytes() + vm.arrays.hist.tobytes() + vm.arrays.cpu.tobytes(), figures

    assert outcome(True) == outcome(False)
    assert (sum(chained) > 1000 and max(chained) > 10) == DEVICES[device][1]
