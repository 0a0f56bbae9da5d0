"""Small machines for tests, built without a configuration file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.contents.rows import STRIDE, Rows
from models.devices.ssd import Ssd
from models.memory import pcp
from models.memory import state as st
from models.memory.check import problems
from models.registry import resolve
from models.vmstat import INDEX
from models.workloads.stream import Chunk, Process, file_spans
from sim.actors.disk import Disk
from sim.actors.flusher import Flusher
from sim.actors.groups import Groups
from sim.actors.kswapd import Kswapd
from sim.actors.kworker import Kworker
from sim.actors.task import Task
from sim.build import Plan, ProcessPlan, build
from sim.vm import Vm

COSTS = {
    "access": 2, "fault": 500, "major_fault": 1000, "clear": 25, "page_alloc": 100, "page_free": 60, "scan": 150, "deactivate": 80,
    "unmap": 300, "submit_io": 1500, "copy": 60, "walk": 4, "allocator": 80, "tmem": 200, "compress": 5250, "decompress": 820,
    "syscall": 200, "page_lookup": 60, "copy_user": 25, "slab": 50, "age_page": 30, "pass_over": 20, "look_at_entry": 700, "read_page": 0,
}  # fmt: skip
SCHEDULER = {"quantum": 4_000_000, "wakeup_delay": 1_000_000, "slice": 1_000_000, "shared_slice": 100_000}
ZCACHE = {"persistent": {"zv_max_zsize": 3584, "zv_max_mean_zsize": 2560, "zv_page_count_policy_percent": 75}, "word_size": 64}
FAST_SSD = Ssd(8, 80_000, 30_000, 530_000_000)


def rows_of(sizes: Any, versions: int = 1, stride: int = STRIDE) -> Rows:
    """Contents with these compressed sizes."""
    return Rows(np.array(sizes, np.int32), 26, "test", versions, stride)


def process(pages: int, *parts: Any, name: str = "p") -> Process:
    """A process from chunks given as (op, page, cpu_ns) sequences."""

    def chunks() -> Any:
        for op, page, cpu_ns in parts:
            yield np.asarray(op, np.uint8), np.asarray(page, np.int64), np.asarray(cpu_ns, np.uint32)

    return Process(name, pages, chunks)


def fill(pages: int, think: int = 100) -> Chunk:
    """First writes of every page, in order."""
    return np.ones(pages, np.uint8), np.arange(pages), np.full(pages, think, np.uint32)


def mix(pages: int, count: int, seed: int, writes: float = 0.3, think: int = 100) -> Chunk:
    """Uniform accesses."""
    rng = np.random.default_rng(seed)
    return (rng.random(count) < writes).astype(np.uint8), rng.integers(0, pages, count), np.full(count, think, np.uint32)


def make_plan(processes: list[Process], rows: Rows | None = None, **changes: Any) -> Plan:
    """A plan of a 12 MiB VM; `backend`, `allocator`, `policy` by name; everything else as in Plan."""
    rows = rows or rows_of(np.random.default_rng(1).integers(200, 2500, 5000))
    backend = changes.pop("backend", "none")
    allocator = changes.pop("allocator", None)
    values: dict[str, Any] = {
        "memory": 12 << 20,
        "page_size": 4096,
        "kernel_reserved": 2 << 20,
        "swappiness": 60,
        "page_cluster": 3,
        "min_free_kbytes": None,
        "watermark_scale_factor": 10,
        "costs": COSTS,
        "processes": [ProcessPlan(item, rows) for item in processes],
        "swap_slots": 8192,
        "rotational": False,
        "policy": resolve("models.policies.linux_lru:LINUX_LRU"),
        "policy_options": {},
        "backend": resolve(f"models.backends.{backend}:{backend.upper()}"),
        "backend_options": ZCACHE,
        "allocator": resolve(f"models.allocators.{allocator}:{allocator.upper()}") if allocator else None,
        "allocator_options": {},
        "log": False,
    }
    return Plan(**{**values, **changes})


def make_vm(
    plan: Plan, cpus: int = 2, device: Ssd = FAST_SSD, check: bool = True, groups: list[list[int]] | None = None, **scheduler: int
) -> Vm:
    """The plan's VM with its tasks; one group of processes unless `groups` says otherwise.  Nothing is started."""
    vm = Vm(build(plan), cpus, {**SCHEDULER, **scheduler}, {"wakeup": 1500})
    if plan.swap_slots > plan.own_slots:
        vm.swap = vm.disks["disk"] = Disk(vm.env, "disk", device, plan.page_size)
    if any(plan.files):
        vm.files = vm.disks.setdefault("disk", vm.swap or Disk(vm.env, "disk", device, plan.page_size))
    if plan.cgroups:
        vm.groups = Groups(vm, plan.cgroups, cpus)
    vm.kswapd = Kswapd(vm)
    vm.env.process(vm.kswapd.run())
    if plan.backend.pick is not None:
        vm.kworker = Kworker(vm)
        vm.env.process(vm.kworker.run())
    if plan.blocks:
        vm.backing = vm.disks["backing"] = Disk(vm.env, "backing", device, plan.page_size)
    vm.flusher = Flusher(vm)
    vm.env.process(vm.flusher.run())
    for numbers in groups or [list(range(len(plan.processes)))]:
        group = [Task(vm, number, "w", plan.processes[number].process, 0) for number in numbers]
        for task in group:
            task.group = group
            task.files = file_spans([item.file for item in plan.files[plan.processes[task.number].program]])
        vm.tasks.extend(group)
    if check:
        vm.after_every_step = checker(vm)
    return vm


def without_lists(vm: Vm) -> Vm:
    """Frames come one by one from the buddy allocator and go straight back, so that what is free is counted at once."""
    vm.arrays.pcp[:, [pcp.BATCH, pcp.HIGH, pcp.SMALL_HIGH]] = 1
    return vm


def checker(vm: Vm) -> Callable[[], None]:
    """Every invariant, after every step."""

    def look() -> None:
        assert problems(vm.arrays, vm.built.pool, vm.built.clean_pool, vm.built.list_problems) == []

    return look


def run(vm: Vm, *starters: Task) -> None:
    """Start the first task (or those given) and run until they end."""
    tasks = starters or (vm.tasks[0],)
    for task in tasks:
        task.start()
    vm.env.run(until=vm.env.all_of([task.ended for task in tasks]))


def counter(vm: Vm, name: str) -> int:
    """One of Linux's counters."""
    return int(vm.vmstat[INDEX[name]])


def free_frames(vm: Vm) -> int:
    """Free frames of all zones, those on per-CPU lists too."""
    return int(vm.arrays.zone[:, st.ZONE_FREE].sum() + vm.arrays.pcp[:, pcp.COUNT].sum())
