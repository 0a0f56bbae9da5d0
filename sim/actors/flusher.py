"""The flusher: one worker that writes dirty file pages to their device (Linux 6.1 fs/fs-writeback.c).

It is woken when more is dirty than the background threshold allows, when reclaim meets nothing but dirty pages (then it writes all
that is dirty now), and after dirty_writeback_centisecs while anything is dirty, to write what is older than dirty_expire_centisecs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from simpy import Event

from models.memory import file_state as fi
from models.memory.flush import BACKGROUND, EVERYTHING, OLD, W_BEFORE, W_KIND, W_LEFT, WORK, flush_step
from models.memory.op_state import CODE_MASK, DONE, SIGNALS, SLICE, STEP_SHIFT
from models.memory.throttle import over_background
from models.vmstat import NR_DIRTY
from sim.actors.cpus import Actor, Steps

if TYPE_CHECKING:
    from sim.actors.disk import Disk
    from sim.vm import Vm


class Flusher(Actor):
    """The worker of the files' device."""

    kernel = True

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.work = np.zeros(WORK, np.int64)
        self.asleep: Event | None = None
        self.wanted = 0
        self.timer_at = -1  # when the next look at old files is due, ns
        self.looked_at_old = 0
        self.pages_written = 0

    def wake(self, wanted: int) -> None:
        """Something is wanted: flags FLUSH_*."""
        if wanted & fi.FLUSH_TIMER:
            self._set_timer()
        self.wanted |= wanted & ~fi.FLUSH_TIMER
        if self.wanted and self.asleep is not None:
            event, self.asleep = self.asleep, None
            self.vm.num[fi.FLUSHER_BUSY] = 1
            event.succeed()

    def _set_timer(self) -> None:
        """Look at old files after dirty_writeback_centisecs, unless that is already arranged."""
        period = int(self.vm.num[fi.DIRTY_PERIOD])
        if period == 0 or self.timer_at >= 0:
            return
        self.timer_at = int(self.vm.env.now) + period
        timer = self.vm.env.timeout(period)
        assert timer.callbacks is not None
        timer.callbacks.append(self._timer_over)

    def _timer_over(self, _: Event) -> None:
        self.timer_at = -1
        if self.asleep is not None:
            event, self.asleep = self.asleep, None
            self.vm.num[fi.FLUSHER_BUSY] = 1
            event.succeed()

    def run(self) -> Steps:
        """Sleep, write, and so on for ever."""
        vm = self.vm
        while True:
            self.asleep = vm.env.event()
            vm.num[fi.FLUSHER_BUSY] = 0
            yield self.asleep
            vm.psi.change(running=1)
            yield from vm.cpus.acquire(self)
            yield from self._run_once()
            vm.cpus.release(self)
            vm.psi.change(running=-1)
            if vm.vmstat[NR_DIRTY] > 0:
                self._set_timer()

    def _run_once(self) -> Steps:
        """All of it if asked for, then what is old, then the background, in this order."""
        vm = self.vm
        now = int(vm.env.now)
        period = int(vm.num[fi.DIRTY_PERIOD])
        if self.wanted & fi.FLUSH_ALL:
            self.wanted &= ~fi.FLUSH_ALL
            yield from self._write(EVERYTHING, now)
        if period and now - self.looked_at_old >= period:
            self.looked_at_old = now
            yield from self._write(OLD, now - int(vm.num[fi.DIRTY_EXPIRE]))
        self.wanted &= ~fi.FLUSH_BACKGROUND
        if over_background(vm.pages):
            yield from self._write(BACKGROUND, int(vm.env.now))

    def _write(self, kind: int, before: int) -> Steps:
        """One work: files dirtied up to `before`."""
        vm, work = self.vm, self.work
        env, cpus = vm.env, vm.cpus
        work[:] = 0
        work[W_KIND], work[W_BEFORE], work[W_LEFT] = kind, before, int(vm.vmstat[NR_DIRTY])
        code = SLICE
        while code != DONE:
            now = int(env.now)
            step = flush_step(vm.machine, work, now, cpus.deadline(self, now))
            code = step & CODE_MASK
            if step & SIGNALS or vm.after_every_step is not None:
                vm.after_step(step, now)
            crowded = vm.crowded
            if step >> STEP_SHIFT:
                yield env.timeout(step >> STEP_SHIFT)
            if crowded is not None and crowded.full:
                yield from self._wait_for_room(crowded)
            elif cpus.ready and cpus.turn_over(self):
                yield from cpus.rotate(self)

    def _wait_for_room(self, disk: Disk) -> Steps:
        """The device's queue is full: off the CPU until it has room."""
        vm = self.vm
        vm.cpus.release(self)
        vm.psi.change(running=-1, iowait=1)
        while disk.full:
            yield disk.room()
        vm.psi.change(running=1, iowait=-1)
        yield from vm.cpus.acquire(self)
