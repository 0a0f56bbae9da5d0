"""The backend's worker: a kernel thread that writes entries of the pool to the swap device (Linux 6.1 mm/zswap.c, its workqueue)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from simpy import Event

from models.memory import state as st
from models.memory.op_state import CODE_MASK, DONE, NEED_RECLAIM, SIGNALS, SLICE, STEP_SHIFT, WAIT_PAGE
from models.memory.pool_work import work_step
from models.memory.rounds import direct_step, start_direct
from models.vmstat import ALLOCSTALL_MOVABLE
from sim.actors.cpus import Actor, Steps

if TYPE_CHECKING:
    from sim.vm import Vm

TICK = 4_000_000  # a jiffy at HZ=250
MAX_LOOPS = 16  # MAX_RECLAIM_RETRIES


class Kworker(Actor):
    """Runs once for all requests that came while it waited; one that comes while it runs makes it run again."""

    kernel = True

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.ctx[st.X_WHO] = 1  # what it frees itself counts as taken by the first workload
        self.wanted = False
        self.asleep: Event | None = None
        self.hopeless = 0  # reclaim found nothing for the frame at hand

    def queue(self) -> None:
        """Ask for a run."""
        self.wanted = True
        if self.asleep is not None:
            event, self.asleep = self.asleep, None
            event.succeed()

    def run(self) -> Steps:
        """Sleep, work, and so on for ever."""
        vm = self.vm
        while True:
            if not self.wanted:
                self.asleep = vm.env.event()
                yield self.asleep
            vm.psi.change(running=1)
            yield from vm.cpus.acquire(self)
            self.wanted = False
            yield from self._work()
            vm.cpus.release(self)
            vm.psi.change(running=-1)

    def _work(self) -> Steps:
        vm = self.vm
        loops = 0
        code = SLICE
        while code != DONE:
            now = int(vm.env.now)
            step = int(work_step(vm.machine, now, vm.cpus.deadline(self, now), int(loops > MAX_LOOPS)))
            code = step & CODE_MASK
            yield from self._computed(step, now)
            if code == NEED_RECLAIM:
                loops = 0 if (yield from self._reclaim()) else loops + 1
            else:
                loops = 0

    def _reclaim(self) -> Generator[Event, Any, int]:
        """Direct reclaim for one frame; pages freed."""
        vm, ctx = self.vm, self.ctx
        vm.psi.change(memstall=1, memstall_running=1)
        vm.vmstat[ALLOCSTALL_MOVABLE] += 1
        start_direct(vm.machine, ctx, 0)
        code = SLICE
        while code != DONE:
            now = int(vm.env.now)
            step = int(direct_step(vm.machine, ctx, now, vm.cpus.deadline(self, now), vm.cpus.stretch()))
            code = step & CODE_MASK
            yield from self._computed(step, now)
            if code == WAIT_PAGE:
                yield from self._off_cpu(vm.env.timeout(TICK))
        vm.psi.change(memstall=-1, memstall_running=-1)
        return int(ctx[st.X_RECLAIMED])

    def _computed(self, step: int, now: int) -> Steps:
        """What every step is followed by: I/O started, time spent, the turn given up when it is over."""
        vm = self.vm
        if step & SIGNALS or vm.after_every_step is not None:
            vm.after_step(step, now)
        crowded = vm.crowded
        if step >> STEP_SHIFT:
            yield vm.env.timeout(step >> STEP_SHIFT)
        while crowded is not None and crowded.full:
            yield from self._off_cpu(crowded.room())
        if vm.cpus.ready and vm.cpus.turn_over(self):
            yield from vm.cpus.rotate(self)

    def _off_cpu(self, event: Event) -> Steps:
        vm = self.vm
        vm.cpus.release(self)
        vm.psi.change(running=-1)
        yield event
        yield from vm.cpus.acquire(self)
        vm.psi.change(running=1)
