"""The memory cgroups of a VM, and reclaim inside one (Linux 6.1 mm/memcontrol.c, mm/vmscan.c).

A task whose allocation meets memory.max reclaims in its group; one that went beyond memory.high does so before it goes on, and then
sleeps for as long as the overage asks.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from simpy import Event

from models.memory import groups as cg
from models.memory import state as st
from models.memory.op_state import CODE_MASK, DONE, SIGNALS, SLICE, STEP_SHIFT, WAIT_PAGE
from models.memory.rounds import direct_step, start_group
from sim.actors.cpus import Actor, Steps
from sim.actors.psi import Psi
from sim.episodes import GROUP, name_of

if TYPE_CHECKING:
    from sim.actors.task import Task
    from sim.build_groups import Cgroup
    from sim.vm import Vm

TICK = 4_000_000  # a jiffy at HZ=250
HZ = 250
RETRIES = 16  # MAX_RECLAIM_RETRIES
BATCH = 32  # SWAP_CLUSTER_MAX
LONGEST_PENALTY = 2 * HZ  # jiffies
LEAST_PENALTY = HZ // 100
PRECISION, SCALING = 20, 14  # bits of the overage's fraction, and what its square is scaled down by

Array = np.ndarray[Any, Any]


class Group:
    """One cgroup of the running VM.

    number  its row of the engine's table;  psi: its pressure;  tasks: its processes
    """

    def __init__(self, vm: Vm, number: int, settings: Cgroup, cpus: int) -> None:
        self.vm = vm
        self.number = number
        self.name = settings.name
        self.row: Array = vm.arrays.cgroup[number]
        self.psi = Psi(vm.env, cpus)
        self.tasks: list[Task] = []

    @property
    def current(self) -> int:
        """memory.current in pages."""
        return int(self.row[cg.USAGE])

    @property
    def high(self) -> int:
        """memory.high in pages."""
        return int(self.row[cg.HIGH])

    def drain(self) -> None:
        """The CPU's stock of pages that are charged and not used is given back."""
        self.row[cg.USAGE] -= self.row[cg.STOCK]
        self.row[cg.STOCK] = 0


class Groups:
    """All cgroups of a VM."""

    def __init__(self, vm: Vm, settings: Sequence[Cgroup], cpus: int) -> None:
        self.vm = vm
        self.all = [Group(vm, 1 + index, item, cpus) for index, item in enumerate(settings)]

    def of(self, number: int) -> Group | None:
        """The group of an engine's number; None for the root."""
        return self.all[number - 1] if number else None


def high_penalty(usage: int, high: int, charged: int) -> int:
    """Jiffies that a task sleeps which charged so many pages to a group that uses `usage` pages, more than its memory.high.

    The square of the overage as a share of `high`, 1/2^20 as unit, scaled down by 2^14, in seconds; for a batch of 64 pages.
    """
    if usage <= high:
        return 0
    overage = ((usage - high) << PRECISION) // max(high, 1)
    penalty = overage * overage * HZ >> PRECISION >> SCALING
    return min(penalty * charged // cg.CHARGE_BATCH, LONGEST_PENALTY)


def reclaim(vm: Vm, actor: Any, ctx: Array, number: int, goal: int, force: bool = False, low: bool = False) -> Generator[Event, Any, int]:
    """Passes of rising urgency over one group's pages (over the machine's if number is 0) until `goal` are free; returns the pages freed.

    actor  a task or a GroupActor: who computes, may be killed, and can wait
    force  active pages may be deactivated in any case;  low: memory.low does not hold
    """
    machine, env, cpus = vm.machine, vm.env, vm.cpus
    start_group(machine, ctx, number, goal, int(force))
    if low:
        ctx[st.X_LOW] = 2
    code = SLICE
    while code != DONE and not actor.killed:
        now = int(env.now)
        step = direct_step(machine, ctx, now, cpus.deadline(actor, now), cpus.stretch())
        code = step & CODE_MASK
        crowded = None  # the device that this step's requests have filled up
        if step & SIGNALS or vm.after_every_step is not None:
            vm.after_step(step, now)
            crowded = vm.crowded
        yield env.timeout(step >> STEP_SHIFT)
        while crowded is not None and crowded.full and not actor.killed:
            yield from actor.wait_for(crowded.room(), memory=1, iowait=1)
        if cpus.ready and cpus.turn_over(actor):
            yield from cpus.rotate(actor)
        if code == WAIT_PAGE:
            yield from actor.sleep(TICK, memory=True)
    return int(ctx[st.X_RECLAIMED])


def shrink(vm: Vm, actor: Any, ctx: Array, number: int, goal: int) -> Generator[Event, Any, int]:
    """Reclaim in a group, once more with active pages if they were skipped and nothing was freed; returns the pages freed."""
    goal = max(goal, BATCH)
    if vm.episodes is not None:
        vm.episodes.begin(GROUP, name_of(actor))
    freed = yield from reclaim(vm, actor, ctx, number, goal)
    if not freed and ctx[st.X_SKIPPED] and not actor.killed:
        freed = yield from reclaim(vm, actor, ctx, number, goal, force=True)
    if vm.episodes is not None:
        vm.episodes.end(GROUP, name_of(actor), freed)
    return freed


class GroupReclaim:
    """What a task of a cgroup does at its limits."""

    def __init__(self, vm: Vm, task: Task, who: int) -> None:
        self.vm = vm
        self.task = task
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.ctx[st.X_WHO] = who

    def make_room(self, group: Group) -> Generator[Event, Any, bool]:
        """An allocation met memory.max: reclaim until a page fits; False if the group is out of memory."""
        retries = RETRIES
        drained = False
        while not self.task.killed:
            group.row[cg.EV_MAX] += 1
            self.task.psi.change(memstall=1, memstall_running=1)
            freed = yield from shrink(self.vm, self.task, self.ctx, group.number, 1)
            self.task.psi.change(memstall=-1, memstall_running=-1)
            if freed:
                return True
            if group.row[cg.USAGE] < group.row[cg.MAX]:
                self.vm.num[st.MAKE_DO] = 1
                return True
            if not drained:
                group.drain()
                drained = True
                continue
            if not retries:
                return False
            retries -= 1
        return True

    def over_high(self, group: Group, charged: int) -> Steps:
        """The task charged pages beyond memory.high: it reclaims, and sleeps if the group still uses much more than that."""
        retries = RETRIES
        goal = charged
        while group.current > group.high and not self.task.killed:
            group.row[cg.EV_HIGH] += 1
            self.task.psi.change(memstall=1, memstall_running=1)
            freed = yield from shrink(self.vm, self.task, self.ctx, group.number, goal)
            self.task.psi.change(memstall=-1, memstall_running=-1)
            penalty = high_penalty(group.current, group.high, charged)
            if penalty <= LEAST_PENALTY:
                return
            if freed or retries:
                retries -= 0 if freed else 1
                goal = BATCH
                continue
            self.task.psi.change(memstall=1, memstall_running=1)
            yield from self.task.sleep(penalty * (1_000_000_000 // HZ), memory=True)
            self.task.psi.change(memstall=-1, memstall_running=-1)
            return


class GroupActor(Actor):
    """A thread outside every group that does something to one: what is told by a file of its folder, a controller."""

    kernel = False
    killed = False

    def __init__(self, vm: Vm, group: Group) -> None:
        self.vm = vm
        self.group = group
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.ctx[st.X_WHO] = len(vm.arrays.stolen) - 1
        self.reclaimed = 0  # pages that it freed so far

    def begin_work(self) -> Steps:
        """Runnable, and on a CPU."""
        self.vm.psi.change(running=1)
        yield from self.vm.cpus.acquire(self)

    def end_work(self) -> None:
        """Asleep again."""
        self.vm.cpus.release(self)
        self.vm.psi.change(running=-1)

    def wait_for(self, until: Event, memory: int = 0, iowait: int = 0) -> Steps:
        """Off the CPU until an event."""
        vm = self.vm
        vm.cpus.release(self)
        vm.psi.change(running=-1, iowait=iowait, memstall_running=-memory)
        yield until
        vm.psi.change(running=1, iowait=-iowait, memstall_running=memory)
        yield from vm.cpus.acquire(self)

    def sleep(self, ns: int, memory: bool = False, iowait: bool = False) -> Steps:
        """Off the CPU for ns."""
        yield from self.wait_for(self.vm.env.timeout(ns), int(memory), int(iowait))

    def shrink(self, goal: int) -> Generator[Event, Any, int]:
        """Reclaim in the group, stalled for it; returns the pages freed."""
        vm = self.vm
        vm.psi.change(memstall=1, memstall_running=1)
        freed = yield from shrink(vm, self, self.ctx, self.group.number, goal)
        vm.psi.change(memstall=-1, memstall_running=-1)
        self.reclaimed += freed
        return freed

    def write_reclaim(self, pages: int) -> Generator[Event, Any, int]:
        """A number of pages was written to memory.reclaim: reclaim until so many are free or 16 tries in a row free none.

        Linux 6.1 asks for all that is left each time; 6.12 for a quarter of it, at least 32.
        """
        freed = 0
        retries = RETRIES
        yield from self.begin_work()
        while freed < pages:
            left = pages - freed
            found = yield from self.shrink(max(left // 4, BATCH) if self.vm.num[st.KERNEL_612] else left)
            if not found:
                if not retries:
                    break
                retries -= 1
            freed += found
        self.end_work()
        return freed
