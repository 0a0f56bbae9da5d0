"""One replication of one configuration: build the VM, let its actors run, collect the figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from simpy import Event

from models.devices.device import SECOND
from models.jit import report_compile_time
from models.memory import state as st
from models.memory.check import problems
from models.memory.op_state import S_ACCESSES
from models.memory.throttle import set_thresholds
from models.registry import resolve
from models.vmstat import INDEX, names_of
from models.workloads.stream import file_spans
from sim.actors.controllers import start_controllers
from sim.actors.cpus import Steps
from sim.actors.disk import Disk
from sim.actors.flusher import Flusher
from sim.actors.groups import Groups
from sim.actors.kreclaimd import Kreclaimd
from sim.actors.kswapd import Kswapd
from sim.actors.kworker import Kworker
from sim.actors.sampler import Sampler
from sim.actors.task import Task
from sim.build import Plan, build
from sim.collect import Mark, histograms_of, mark, scalars_of
from sim.config.schema import ColdAge, Config
from sim.episodes import Episodes
from sim.errors import UserError
from sim.events import EventLog
from sim.plan import WorkloadPlan, files_device, plan_devices, plan_of
from sim.pool_trace import PoolTrace
from sim.progress import Progress
from sim.results import Replication, TaskResult
from sim.vm import Vm
from sim.warmup import Marks, Start

TELL_EVERY_S = 0.2


def prepare(config: Config) -> None:
    """Import and compile everything that a run of this configuration needs, so that workers find it in the cache."""
    plan_parts = [config.backend, config.reclaim.policy, *config.devices.values(), *config.workloads]
    pooled = resolve(config.backend.entry.target).pool_part(config.backend.options)
    for part in (*plan_parts, *(pooled or ())):
        resolve(part.entry.target)


def _tasks(vm: Vm, workloads: list[WorkloadPlan]) -> list[list[Task]]:
    """The processes of each workload, none started."""
    groups = []
    for workload in workloads:
        group = [
            Task(vm, workload.first + i, workload.name, process, workload.oom_score_adj)
            for i, process in enumerate(workload.program.processes)
        ]
        files = file_spans(workload.program.files)
        for task in group:
            task.group = group
            task.files = files
        vm.tasks.extend(group)
        groups.append(group)
    return groups


def _starter(task: Task) -> Callable[[Event], None]:
    return lambda _: task.start()


def _start(vm: Vm, workloads: list[WorkloadPlan], groups: list[list[Task]]) -> None:
    for workload, group in zip(workloads, groups, strict=True):
        if group[0].process.resident is not None:
            continue
        if workload.start == 0:
            group[0].start()
        else:
            later = vm.env.timeout(workload.start)
            assert later.callbacks is not None
            later.callbacks.append(_starter(group[0]))


class _Teller:
    """Tells the caller how far the run is, a few times a second of real time."""

    def __init__(self, vm: Vm, config: Config, tell: Callable[[Progress], None] | None) -> None:
        self.vm = vm
        self.tell = tell
        self.end = 0 if config.until_done else int(config.duration)
        self.total = sum(task.process.ops or 0 for task in vm.tasks)
        self.next = time.monotonic() + TELL_EVERY_S

    def tick(self) -> None:
        """Called after each sample."""
        if self.tell is None or time.monotonic() < self.next:
            return
        self.next = time.monotonic() + TELL_EVERY_S
        now, accesses = int(self.vm.env.now), int(self.vm.num[st.ACCESSES])
        share = now / self.end if self.end else accesses / self.total if self.total else 0.0
        self.tell(Progress(now, min(share, 1.0), accesses))


def _checked(vm: Vm, every: int) -> None:
    """Look at every invariant after every step, or every so many."""
    steps = count(1)

    def look() -> None:
        if next(steps) % every:
            return
        bad = problems(vm.arrays, vm.built.pool, vm.built.clean_pool, vm.built.list_problems)
        if bad:
            raise AssertionError(f"at {int(vm.env.now)} ns the machine is not consistent:\n  " + "\n  ".join(bad))

    vm.after_every_step = look


def _start_kreclaimd(vm: Vm, settings: ColdAge) -> None:
    threshold: Any = settings.threshold
    vm.kreclaimd = Kreclaimd(vm, 0 if threshold == "never" else int(threshold), int(settings.scan_period))
    vm.env.process(vm.kreclaimd.run())
    vm.env.process(vm.kreclaimd.watch())


def _start_backend(vm: Vm, config: Config) -> None:
    """The backend's worker, its backing device, and what is done to it during the run."""
    if resolve(config.backend.entry.target).pick is not None:
        vm.kworker = Kworker(vm)
        vm.env.process(vm.kworker.run())
    options = config.backend.options
    vm.backing = vm.disks.get(options.get("backing_dev") or "")
    if options.get("commands"):
        from sim.actors.zram import start_commands

        start_commands(vm, options["commands"])


def make_vm(config: Config, plan: Plan, workloads: list[WorkloadPlan]) -> tuple[Vm, list[list[Task]]]:
    """A VM at time 0 with its device, kswapd and tasks."""
    machine = config.machine
    vm = Vm(build(plan), machine.cpus, machine.scheduler, config.costs)
    for name, model in plan_devices(config).items():
        vm.disks[name] = Disk(vm.env, name, model, machine.page_size)
    if plan.cgroups:
        vm.groups = Groups(vm, plan.cgroups, machine.cpus)
    vm.swap = vm.disks[config.swap.device] if config.swap is not None else None
    vm.files = vm.disks.get(files_device(config) or "")
    vm.kswapd = Kswapd(vm)
    vm.env.process(vm.kswapd.run())
    vm.flusher = Flusher(vm)
    vm.env.process(vm.flusher.run())
    _start_backend(vm, config)
    if config.reclaim.cold_age is not None:
        _start_kreclaimd(vm, config.reclaim.cold_age)
    start_controllers(vm, config.cgroups, machine.page_size)
    groups = _tasks(vm, workloads)
    _start(vm, workloads, groups)
    return vm, groups


def _event_log(vm: Vm, path: Path) -> EventLog:
    names = [f"{task.workload}/{task.group.index(task)}" for task in vm.tasks]
    return EventLog(path, st.EVENTS, vm.arrays.proc[:, st.FIRST_PAGE].tolist(), names)


def _task_results(vm: Vm) -> list[TaskResult]:
    results = []
    for task in vm.tasks:
        if task.started:
            end = task.finished if task.ended.triggered else int(vm.env.now)
            name = task.workload if len(task.group) == 1 else f"{task.workload}/{task.group.index(task)}"
            results.append(TaskResult(name, task.status, (end - task.began) / SECOND, int(task.own[S_ACCESSES])))
    return results


def simulate(
    config: Config,
    replication: int,
    *,
    check: int = 0,
    trace: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Replication:
    """Run one replication.

    check     look at every invariant of the machine after every step (1, slow), every n-th (n), or not at all (0)
    trace     write the event log there
    progress  called a few times a second of real time
    Raises UserError for input that only shows when it is read (a trace's pages, contents).
    """
    plan, workloads = plan_of(config, replication, trace is not None or config.output.record_pool)
    vm, groups = make_vm(config, plan, workloads)
    report_compile_time()
    log = _event_log(vm, trace) if trace is not None else None
    pool = PoolTrace() if config.output.record_pool else None
    episodes = vm.episodes = Episodes(vm) if config.output.record_reclaim else None
    readers = [item.write for item in (log, pool) if item is not None]
    vm.on_log = readers
    if check:
        _checked(vm, check)
    try:
        result = _run(vm, config, plan, groups, progress)
    except BaseException:
        if log is not None:
            log.close(keep=False)
        raise
    if log is not None:
        log.close(keep=True)
    if episodes is not None:
        result = result._replace(episodes=episodes.all())
    return result._replace(pool_trace=pool.text()) if pool is not None else result


def _end_of(vm: Vm, config: Config, groups: list[list[Task]], end: Event) -> Steps:
    """Trigger `end` when every workload has ended or the duration is over.

    A plain event, since SimPy takes the callbacks off conditions that are nested in one that has triggered.
    """
    done = vm.env.all_of([group[0].ended for group in groups if group[0].process.resident is None])
    yield done if config.until_done else done | vm.env.timeout(int(config.duration))
    end.succeed()


def _warm(vm: Vm, sampler: Sampler, warm_up: int, end: Event) -> Mark:
    """Run to the end of a warm-up of so many ns; the counters there."""
    sampler.warm_up = warm_up
    if warm_up:
        warm = vm.env.timeout(warm_up)
        vm.env.run(until=warm | end)
        if not warm.processed:
            over = int(vm.env.now) / SECOND
            raise UserError(f"warm_up: the run is over after {over:g} s, before its warm-up of {warm_up / SECOND:g} s", "warm_up")
    return mark(vm, sampler)


def _found(sampler: Sampler, start: Start) -> tuple[Mark, dict[str, float]]:
    """Where the figures begin after all, and what is to be said of that."""
    for tally, first in zip((sampler.tally, sampler.clean_tally), start.tallies, strict=True):
        tally.leave_out(first)
    return start.mark, {"warm_up": start.mark.now / SECOND, "warm_up_reliable": float(start.reliable)}


def _run(vm: Vm, config: Config, plan: Plan, groups: list[list[Task]], tell: Callable[[Progress], None] | None) -> Replication:
    teller = _Teller(vm, config, tell)
    sampler = Sampler(vm, config.output.interval, plan.kernel_reserved // plan.page_size, [teller.tick])
    env = vm.env
    end = env.event()
    if config.automatic_warm_up:
        marks = Marks(vm, sampler, config.warm_up_metric)
        sampler.on_sample.append(marks.keep)
    env.process(sampler.run())
    env.process(_end_of(vm, config, groups, end))
    begin = mark(vm, sampler) if config.automatic_warm_up else _warm(vm, sampler, config.warm_up, end)
    if not end.triggered:
        env.run(until=end)
    sampler.sample()
    found: dict[str, float] = {}
    if config.automatic_warm_up:
        begin, found = _found(sampler, marks.start())
    scalars = scalars_of(vm, begin, mark(vm, sampler), sampler) | found
    tasks = _task_results(vm)
    for task in tasks:
        scalars[f"task.{task.name}.run_time"] = task.run_time_s
    set_thresholds(vm.pages)
    return Replication(
        scalars={name: float(value) for name, value in scalars.items()},
        series=sampler.series,
        histograms=histograms_of(vm),
        vmstat={name: int(vm.vmstat[INDEX[name]]) for name in names_of(plan.kernel)},
        backend=vm.built.backend_counters(vm.built.backend_num),
        tasks=tasks,
        accesses=int(vm.num[st.ACCESSES]),
        simulated_s=int(env.now) / SECOND,
    )
