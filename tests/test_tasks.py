"""Tasks side by side on the vCPUs, and the kernel memory that a workload makes the kernel use."""

from __future__ import annotations

import numpy as np
import pytest

from models.memory import file_state as fi
from models.workloads.slab import build as slab
from models.workloads.stream import ALL, EXIT, FEWER, FREAD, SLAB, SPAWN, WAIT, Context, File
from sim.build_files import FilePlan
from sim.errors import UserError
from tests.machine_kit import FAST_SSD, counter, fill, free_frames, make_plan, make_vm, process, rows_of, run

MS = 1_000_000


def readers_and_hogs(hogs: int, reads: int = 400, cpus: int = 1, bursts: int = 2000) -> tuple[float, list[float]]:
    """A task that reads cold pages one by one beside tasks that only compute: (ns of the reader, ns of the hogs)."""
    reader = process(1, (np.full(reads, FREAD), np.arange(reads) * 64, np.full(reads, bursts)))
    hog = [process(1, (np.ones(400), np.zeros(400), np.full(400, MS))) for _ in range(hogs)]
    rows = rows_of([1000])
    files = ((FilePlan(File("f", reads * 64), rows, 0),),)
    plan = make_plan([reader, *hog], rows, swap_slots=0, files=files)
    vm = make_vm(plan, cpus=cpus, groups=[[n] for n in range(1 + hogs)])
    run(vm, *vm.tasks)
    ends = [float(task.finished - task.began) for task in vm.tasks]
    return ends[0], ends[1:]


def test_a_task_that_waits_for_its_device_is_not_held_up_by_one_that_computes() -> None:
    """Alone a read takes about 90 us.  Beside a hog it waits for a vCPU for a millisecond at most, not for the hog's whole turn of 4."""
    alone, _ = readers_and_hogs(0)
    beside, (hog,) = readers_and_hogs(1)
    per_read = (beside - alone) / 400
    assert 0.5 * MS < per_read < 1.2 * MS
    assert hog < 400 * MS + 400 * 0.2 * MS  # it loses what the reader computes, and no more


def test_one_that_computes_more_between_its_reads_takes_its_turn() -> None:
    """2 ms of computing a read: it has computed as much as the hog, so it waits until the hog is ahead again, by as much on average."""
    beside, _ = readers_and_hogs(1, reads=60, bursts=2 * MS)
    alone, _ = readers_and_hogs(0, reads=60, bursts=2 * MS)
    assert (beside - alone) / 60 == pytest.approx(2 * MS, rel=0.1)


@pytest.mark.parametrize(("tasks", "cpus"), [(3, 1), (5, 2), (4, 4)])
def test_runnable_tasks_share_the_vcpus(tasks: int, cpus: int) -> None:
    """Equal tasks that only compute end within a turn of each other, and the work takes as long as it must."""
    hog = process(1, (np.ones(100), np.zeros(100), np.full(100, MS)))
    vm = make_vm(make_plan([hog] * tasks, swap_slots=0), cpus=cpus, groups=[[n] for n in range(tasks)])
    run(vm, *vm.tasks)
    ends = sorted(task.finished for task in vm.tasks)
    assert ends[-1] == pytest.approx(tasks / cpus * 100 * MS, rel=0.06)
    assert ends[-1] - ends[0] <= 4 * MS * tasks / cpus + 5 * MS


@pytest.mark.parametrize("ns", [3 * MS, 4 * MS, 9 * MS, 50 * MS])
def test_long_computing_is_shared_as_if_it_were_short(ns: int) -> None:
    """One op of a long time or many short ones: two tasks on a vCPU end when they should."""
    long = process(1, (np.ones(4), np.zeros(4), np.full(4, ns)))
    vm = make_vm(make_plan([long, long], swap_slots=0), cpus=1, groups=[[0], [1]])
    run(vm, *vm.tasks)
    ends = sorted(task.finished for task in vm.tasks)
    assert ends[1] == pytest.approx(8 * ns, rel=0.01)
    assert ends[1] - ends[0] <= 4 * MS + ns


def test_a_pool_of_jobs() -> None:
    """WAIT for fewer: never more than two of six children at a time, and a new one as soon as one has ended."""
    child = [process(1, (np.ones(1), np.zeros(1), np.full(1, (n % 3 + 1) * 10 * MS))) for n in range(6)]
    ops = [op for n in range(6) for op in ((WAIT, FEWER, 2), (SPAWN, n + 1, 0))] + [(WAIT, ALL, 0), (EXIT, 0, 0)]
    parent = process(1, tuple(np.array(column) for column in zip(*ops, strict=True)))
    vm = make_vm(make_plan([parent, *child], swap_slots=0), cpus=4)
    run(vm)
    spans = [(task.began, task.finished) for task in vm.tasks[1:]]
    for at, _ in spans:
        assert sum(begin <= at < end for begin, end in spans) <= 2
    # 10 and 20 ms begin; 30 at 10, 10 at 20, 20 at 30, 30 at 40: over at 70
    assert [round(begin / MS) for begin, _ in spans] == [0, 0, 10, 20, 30, 40]
    assert round(max(end for _, end in spans) / MS) == 70


def slab_vm(size: int, reclaimable: bool, anonymous: int):  # type: ignore[no-untyped-def]
    options = {"size": size, "reclaimable": reclaimable, "grow": 50 * MS, "hold": 200 * MS, "shrink": 50 * MS, "pause": 0, "rounds": 1}
    program = slab(options, Context(4096, np.random.SeedSequence(1)))
    plan = make_plan([program.processes[0], process(anonymous, ([9], [0], [100 * MS]), fill(anonymous))])
    return make_vm(plan, device=FAST_SSD, groups=[[0], [1]])


def test_kernel_memory_grows_and_shrinks() -> None:
    """4 MiB of objects, 16 in a page, while nothing else wants memory."""
    vm = slab_vm(4 << 20, False, 10)
    before = free_frames(vm)
    for task in vm.tasks:
        task.start()
    vm.env.run(until=150 * MS)
    assert counter(vm, "nr_slab_unreclaimable") == 1024
    vm.env.run(until=vm.env.all_of([task.ended for task in vm.tasks]))
    assert counter(vm, "nr_slab_unreclaimable") == 0
    assert free_frames(vm) == before


def test_only_reclaimable_kernel_memory_gives_way() -> None:
    """Anonymous memory that needs the room: dentries go, the others stay and the anonymous pages go to swap instead."""
    held = {}
    for reclaimable in (True, False):
        vm = slab_vm(4 << 20, reclaimable, 1800)
        for task in vm.tasks:
            task.start()
        vm.env.run(until=vm.tasks[1].ended)
        held[reclaimable] = int(vm.arrays.slab[fi.DENTRY_CACHE + 1 - reclaimable, fi.PAGES]), counter(vm, "pswpout")
    assert held[False][0] == 1024 and held[False][1] > 0
    assert held[True][0] < 900
    assert held[True][1] < held[False][1]


def test_a_cache_that_does_not_exist_is_told() -> None:
    vm = make_vm(make_plan([process(1, ([SLAB], [2], [10]))]))
    with pytest.raises(UserError, match="there is no slab cache 2; 0 and 1 allocate"):
        run(vm)
