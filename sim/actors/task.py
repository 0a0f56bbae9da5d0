"""A task: one process running its op stream on the vCPUs, with everything it may have to wait for."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from simpy import Event

from models.memory import state as st
from models.memory.fileio import end_wait
from models.memory.op_state import (
    CODE_MASK,
    DONE,
    NEED_RECLAIM,
    OP,
    S_ACCESSES,
    S_CALL,
    S_CURSOR,
    S_END,
    S_FAULT_KIND,
    S_FAULT_START,
    S_PAUSE,
    S_PAUSE_PAGES,
    S_PROCESS,
    S_WAIT_MEMORY,
    S_WAIT_SLOT,
    SIGNAL_WAKE,
    SIGNALS,
    STEP_SHIFT,
    STREAM_NUMBERS,
    THROTTLE,
    WAIT_PAGE,
    WAIT_READ,
    make_stream,
)
from models.memory.steps import UNMAP_STRETCH, end_process, run_after_read, run_ops
from models.memory.throttle import POLL_PAGES
from models.workloads import stream as ops
from models.workloads.bounds import first_wrong
from models.workloads.stream import EXIT, MAP, SLEEP, SPAWN, UNMAP, WAIT, WRITE, Chunk, Process
from sim.actors.cpus import Actor, Steps
from sim.actors.direct import DirectReclaim
from sim.actors.file_ops import advise, delete_file, sync_files, unmount
from sim.actors.groups import GroupReclaim
from sim.actors.oom import kill_in_group, kill_one
from sim.actors.psi import Psi, PsiPair
from sim.errors import UserError

if TYPE_CHECKING:
    from sim.vm import Vm

Array = np.ndarray[Any, Any]


class Task(Actor):
    """One process of one workload.

    number   its row in the machine's process table
    group    the processes of its workload, in the order of the program (SPAWN and WAIT name them by position)
    """

    def __init__(self, vm: Vm, number: int, workload: str, process: Process, oom_score_adj: int) -> None:
        self.vm = vm
        self.number = number
        self.workload = workload
        self.process = process
        self.oom_score_adj = oom_score_adj
        self.group: list[Task] = []
        self.files: Array = np.zeros((0, 2), np.int64)  # first page and pages of each file of its program
        self.children: list[Task] = []
        self.own = np.zeros(STREAM_NUMBERS, np.int64)
        self.own[S_PROCESS] = number
        self.own[S_FAULT_START] = self.own[S_FAULT_KIND] = -1
        self.own[S_PAUSE_PAGES] = POLL_PAGES
        self.ended = vm.env.event()
        self.killed = False
        self.started = False
        self.status = "stopped"
        self.began = self.finished = 0
        self.parent: Task | None = None
        self.child_ended: Event | None = None  # triggered at the next end of a child, where this task waits for one
        self.nap: Event | None = None  # what a sleeping or waiting task hangs on
        number_of_group = int(vm.arrays.proc[number, st.CGROUP])
        self.cgroup = vm.groups.of(number_of_group) if vm.groups is not None else None
        self.psi: Psi | PsiPair = vm.psi
        if self.cgroup is not None:
            self.psi = PsiPair(vm.psi, self.cgroup.psi)
            self.cgroup.tasks.append(self)
        self.reclaim = DirectReclaim(vm, self)
        self.limits = GroupReclaim(vm, self, int(self.reclaim.ctx[st.X_WHO]))
        self.short = 0  # the group whose memory.max the last allocation met that failed
        self.owed = 0  # pages charged beyond memory.high for which it has yet to reclaim
        self.stuck_at = (-1, -1)  # the access that reclaim was last needed for

    @property
    def alive(self) -> bool:
        """Started and not yet ended."""
        return self.started and not self.ended.triggered

    def start(self) -> None:
        """Become runnable now."""
        self.started = True
        self.began = int(self.vm.env.now)
        self.vm.env.process(self.run())

    def run(self) -> Steps:
        """The whole life: all chunks, then exit."""
        vm = self.vm
        self.psi.change(running=1)
        yield from vm.cpus.acquire(self)
        for chunk in self._chunks():
            yield from self._chunk(chunk)
            if self.killed or self.status == "done":
                break
        if not self.killed:
            self.status = "done"
            yield from self._exit()
        vm.cpus.release(self)
        self.psi.change(running=-1)
        self.finished = int(vm.env.now)
        self.ended.succeed()
        waiting = self.parent.child_ended if self.parent is not None else None
        if waiting is not None and not waiting.triggered:
            waiting.succeed()

    def _chunks(self) -> Iterator[Chunk]:
        """The process's chunks, checked: compiled code trusts every page number."""
        for op, page, cpu_ns in self.process.chunks():
            wrong = first_wrong(op, page, cpu_ns, self.process.pages, self.files)
            if wrong >= 0:
                raise self._outside(int(op[wrong]), int(page[wrong]), int(cpu_ns[wrong]))
            yield op, page, cpu_ns

    def _outside(self, op: int, page: int, value: int) -> UserError:
        """What is wrong with an op."""
        where = f"workload {self.workload}, process {self.process.name}"
        if op >= len(ops.OP_NAMES):
            return UserError(f"{where}: there is no op {op}")
        if op == ops.SLAB:
            return UserError(f"{where}: there is no slab cache {page}; 0 and 1 allocate, -1 and -2 free")
        if op in (ops.READ, WRITE, MAP, UNMAP):
            worst = page if page < 0 or op <= WRITE else page + value - 1
            return UserError(f"{where}: page {worst} is outside its address space of {self.process.pages} pages")
        if not len(self.files):
            return UserError(f"{where}: file operations, but its program has no files")
        first, last = ops.span(page)
        return UserError(f"{where}: {ops.OP_NAMES[op]} of file pages {first} to {last}, which are not those of one file")

    def _chunk(self, chunk: Chunk) -> Steps:
        vm, own = self.vm, self.own
        op, page, cpu_ns = chunk
        stream = make_stream(op, page, cpu_ns, own)
        own[S_CURSOR] = 0
        own[S_END] = len(op)
        machine, cpus, env = vm.machine, vm.cpus, vm.env
        code = -1
        while code != DONE:
            if self.owed:
                yield from self._pay()
                if self.killed:
                    return
            now = int(env.now)
            step = run_ops(machine, stream, now, cpus.deadline(self, now))
            code = step & CODE_MASK
            if code == WAIT_READ and not step & SIGNAL_WAKE:
                now, step = self._solo_reads(stream, now, step)
                code = step & CODE_MASK
                if now > env.now:  # nothing else was to happen up to here
                    yield env.timeout(now - int(env.now))
            if vm.groups is not None:
                self._look_at_limits()
            if step & SIGNALS or vm.after_every_step is not None:
                vm.after_step(step, now)
            if code == WAIT_READ and not cpus.ready:
                event = self._leave_for_read(now, step >> STEP_SHIFT)
                if event is not None:
                    yield event
                    self.psi.change(1, -1, -int(own[S_WAIT_MEMORY]))
                    if not cpus.resume(self):
                        yield from cpus.acquire(self)
                    if self.was_killed():
                        return
                    continue
            if step >> STEP_SHIFT:
                yield from cpus.spend(self, step >> STEP_SHIFT)
            if cpus.ready and cpus.turn_over(self):
                yield from cpus.rotate(self)
            if self.killed:
                return
            if code == NEED_RECLAIM and self.short:
                yield from self._make_room()
            elif code == NEED_RECLAIM:
                yield from self._reclaim()
            elif code == WAIT_READ or code == WAIT_PAGE:
                event = self._leave_for_read(int(env.now), 0)
                if event is not None:
                    yield event
                    self.psi.change(1, -1, -int(own[S_WAIT_MEMORY]))
                    yield from cpus.acquire(self)
            elif code == THROTTLE:
                yield from self.sleep(int(own[S_PAUSE]), iowait=True)
            elif code == OP:
                cursor = int(own[S_CURSOR])
                own[S_CURSOR] = cursor + 1
                over = yield from self._do_op(int(op[cursor]), int(page[cursor]), int(cpu_ns[cursor]))
                if over:
                    self.status = "done"
                    return
            if self.was_killed():
                return

    def _solo_reads(self, stream: Any, now: int, step: int) -> tuple[int, int]:
        """Go on through reads that end before anything else happens; returns the time and report of the first other step."""
        vm, own, cpus, machine = self.vm, self.own, self.vm.cpus, self.vm.machine
        while step & CODE_MASK == WAIT_READ and not step & SIGNAL_WAKE:
            done, now, step = vm.solo_reads(self, stream, now, step)
            if done:
                continue
            read = vm.solo_read(self, now, step, int(own[S_WAIT_MEMORY]))
            if read is None:
                break
            now = read[0]
            step = run_after_read(machine, stream, now, cpus.deadline(self, now), *read[1:])
        return now, step

    def was_killed(self) -> bool:
        """Whether the OOM killer has struck, at whatever yield."""
        return self.killed

    def _look_at_limits(self) -> None:
        """What the step that just ended says of the limits of cgroups."""
        num = self.vm.num
        self.short = int(num[st.SHORT_GROUP])
        if num[st.OVER_HIGH]:
            self.owed += int(num[st.OVER_HIGH])
            num[st.OVER_HIGH] = 0

    def _make_room(self) -> Steps:
        """An allocation met a group's memory.max."""
        groups = self.vm.groups
        group = groups.of(self.short) if groups is not None else None
        assert group is not None
        room = yield from self.limits.make_room(group)
        if not room and not self.killed:
            kill_in_group(self.vm, group)

    def _pay(self) -> Steps:
        """Reclaim for what was charged beyond memory.high, before the program goes on."""
        charged, self.owed = self.owed, 0
        if self.cgroup is not None:
            yield from self.limits.over_high(self.cgroup, charged)

    def _reclaim(self) -> Steps:
        place = int(self.own[S_ACCESSES]), int(self.own[S_CALL])
        if place != self.stuck_at:  # an allocation in between succeeded
            self.stuck_at = place
            self.reclaim.loops = 0
        yield from self.reclaim.run()
        if self.reclaim.hopeless and not self.killed:
            self.reclaim.loops = 0
            kill_one(self.vm)

    def _leave_for_read(self, now: int, ns: int) -> Event | None:
        """After computing for ns more, the task sleeps until the device read is over that brings its page: the read's event.

        Only the wait for a refaulting working-set page counts as memory pressure.  None: the page is there already.
        """
        vm, own = self.vm, self.own
        event = vm.read_of(int(own[S_WAIT_SLOT]))
        if event is not None:
            vm.cpus.leave(self, now + ns)
            self.psi.announce(now + ns, -1, 1, int(own[S_WAIT_MEMORY]))
        return event

    def sleep(self, ns: int, memory: bool = False, iowait: bool = False) -> Steps:
        """Off the CPU for ns; `memory`: while stalled in reclaim; `iowait`: held back because of a device."""
        yield from self.wait_for(self.vm.env.timeout(ns), int(memory), int(iowait))

    def wait_for(self, until: Event, memory: int = 0, iowait: int = 0) -> Steps:
        """Off the CPU until an event, or until the task is killed."""
        vm = self.vm
        vm.cpus.release(self)
        self.psi.change(running=-1, iowait=iowait, memstall_running=-memory)
        self.nap = vm.env.event()
        yield until | self.nap
        self.nap = None
        self.psi.change(running=1, iowait=-iowait, memstall_running=memory)
        yield from vm.cpus.acquire(self)

    def _do_op(self, op: int, page: int, value: int) -> Generator[Event, Any, bool]:
        """An op that may wait or make processes; True if it ends this one."""
        if op == SLEEP:
            yield from self.sleep(value)
        elif op == EXIT:
            return True
        elif op == SPAWN:
            child = self._member(page)
            if child.started:
                raise UserError(f"workload {self.workload}: process {page} is spawned twice")
            self.children.append(child)
            child.parent = self
            child.start()
        elif op == WAIT and page == ops.FEWER:
            yield from self._wait_for_fewer(value)
        elif op == WAIT:
            yield from self._wait_for_children(page)
        elif op == ops.FSYNC:
            yield from sync_files(self, page)
        elif op == ops.DELETE:
            yield from delete_file(self, page)
        elif op == ops.ADVISE:
            yield from advise(self, page, value)
        elif op == ops.UNMOUNT:
            yield from unmount(self)
        elif op == ops.MARK:
            for tell in self.vm.on_mark:
                tell(page)
        return False

    def _wait_for_children(self, page: int) -> Steps:
        """Until one child, or all (page -1), have ended."""
        for child in self.children if page < 0 else [self._member(page)]:
            if not child.started:
                raise UserError(f"workload {self.workload}: waits for process {page}, which was never spawned")
            if not child.ended.triggered and not self.killed:
                yield from self.wait_for(child.ended)

    def _wait_for_fewer(self, limit: int) -> Steps:
        """Until fewer than `limit` children are alive."""
        self.children = [child for child in self.children if child.alive]
        while len(self.children) >= max(limit, 1) and not self.killed:
            self.child_ended = self.vm.env.event()
            yield from self.wait_for(self.child_ended)
            self.children = [child for child in self.children if child.alive]

    def _member(self, position: int) -> Task:
        if not 0 <= position < len(self.group):
            raise UserError(f"workload {self.workload}: there is no process {position}; it has {len(self.group)}")
        return self.group[position]

    def _exit(self) -> Steps:
        now = int(self.vm.env.now)
        yield from self.vm.cpus.compute(self, self._free_all(now) - now)

    def _free_all(self, now: int) -> int:
        """Free everything the process has; returns the clock after it."""
        clock = now
        for first in range(0, self.process.pages, UNMAP_STRETCH):
            clock = int(end_process(self.vm.machine, self.number, first, clock))
            self.vm.after_step(SIGNALS, now)
        return clock

    def kill(self) -> None:
        """OOM: its memory is free at once, the task ends when it next looks."""
        self.killed = True
        self.status = "oom-killed"
        self._free_all(int(self.vm.env.now))
        end_wait(self.vm.pages, self.own)
        self.own[S_FAULT_START] = self.own[S_FAULT_KIND] = -1
        if self.nap is not None and not self.nap.triggered:
            self.nap.succeed()

    def oom_score(self) -> int:
        """Pages it holds in memory, swap and page tables, shifted by oom_score_adj (Linux 6.1 mm/oom_kill.c)."""
        arrays = self.vm.arrays
        row = arrays.proc[self.number]
        first = int(row[st.FIRST_PAGE]) // int(arrays.num[st.PAGES_PER_TABLE])
        count = -(-int(row[st.PROC_PAGES]) // int(arrays.num[st.PAGES_PER_TABLE]))
        tables = int((arrays.table[first : first + count, 1] > 0).sum())
        total = int(arrays.num[st.TOTAL_PAGES] + arrays.num[st.SWAP_TOTAL])
        return int(row[st.RSS] + row[st.RSS_FILE] + row[st.SWAPPED]) + tables + self.oom_score_adj * (total // 1000)
