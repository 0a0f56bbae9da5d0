"""kswapd: background reclaim down from the low to the high watermark (Linux 6.1 mm/vmscan.c balance_pgdat, kswapd_try_to_sleep).

A request names the highest zone that it may use, a boosted zone itself; a run is for the highest one that was named since the last run
began, or for the same as that.  Not modelled: memory compaction, orders above 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from simpy import Event

from models.memory import state as st
from models.memory.frames import TOP, node_balanced
from models.memory.op_state import CODE_MASK, OOM, SIGNALS, SLICE, STEP_SHIFT, WAIT_PAGE
from models.memory.rounds import balance_step, start_balance
from models.vmstat import KSWAPD_HIGH_WMARK_HIT_QUICKLY, KSWAPD_LOW_WMARK_HIT_QUICKLY, PAGEOUTRUN, PGSTEAL_KSWAPD
from sim.actors.cpus import Actor, Steps
from sim.actors.oom import kill_one
from sim.episodes import KSWAPD

if TYPE_CHECKING:
    from sim.actors.disk import Disk
    from sim.vm import Vm

SHORT_SLEEP = 100_000_000  # HZ / 10
WRITEBACK_SLEEP = 100_000_000
CLUSTER = 32  # SWAP_CLUSTER_MAX
MAX_FAILURES = 16  # MAX_RECLAIM_RETRIES


class Kswapd(Actor):
    """The node's kswapd."""

    kernel = True

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.asleep: Event | None = None
        self.nap_ends = 0  # when the short sleep is over, ns; 0 in a long one
        self.timer_set = False
        self.progress: Event | None = None  # triggered after each stretch, if a throttled reclaimer waits for it
        self.index = TOP  # highest zone of the present or last run

    def wake(self) -> None:
        """Wake it if it sleeps and there is a point."""
        if self.asleep is None or self.vm.num[st.KSWAPD_FAILURES] >= MAX_FAILURES:
            return
        event, self.asleep = self.asleep, None
        self.vm.num[st.KSWAPD_AWAKE] = 1
        event.succeed(True)

    def run(self) -> Steps:
        """Sleep, balance, and so on for ever."""
        vm = self.vm
        yield self._sleep()
        while True:
            vm.psi.change(running=1, memstall=1, memstall_running=1)
            yield from vm.cpus.acquire(self)
            self._begin_run()
            taken = int(vm.vmstat[PGSTEAL_KSWAPD])
            if vm.episodes is not None:
                vm.episodes.begin(KSWAPD, KSWAPD)
            yield from self._balance()
            if vm.episodes is not None:
                vm.episodes.end(KSWAPD, KSWAPD, int(vm.vmstat[PGSTEAL_KSWAPD]) - taken)
            vm.cpus.release(self)
            vm.psi.change(running=-1, memstall=-1, memstall_running=-1)
            self._tell()
            yield from self._try_to_sleep(self._wanted())

    def next_progress(self) -> Event:
        """The event of the next stretch's end."""
        if self.progress is None:
            self.progress = self.vm.env.event()
        return self.progress

    def _tell(self) -> None:
        if self.progress is not None:
            event, self.progress = self.progress, None
            event.succeed()

    def _sleep(self) -> Event:
        """Fall asleep; the event's value is True if it is woken, False if the short sleep is over."""
        self.vm.num[st.KSWAPD_AWAKE] = 0
        self.asleep = self.vm.env.event()
        return self.asleep

    def _begin_run(self) -> None:
        """If it preempts whoever woke it, the run is for the zones asked for by then, and what was asked since counts for the next one."""
        num = self.vm.num
        woken = int(num[st.WOKEN_INDEX])
        if not woken or not self.preempts:
            woken = self._wanted() + 1
        self.index = woken - 1
        num[st.WOKEN_INDEX] = 0
        if num[st.KSWAPD_INDEX] <= woken:
            num[st.KSWAPD_INDEX] = 0

    def _wanted(self) -> int:
        """The highest zone that kswapd was asked for since its run began, else that of the run."""
        return int(self.vm.num[st.KSWAPD_INDEX]) - 1 if self.vm.num[st.KSWAPD_INDEX] else self.index

    def _try_to_sleep(self, index: int) -> Steps:
        """A short sleep first; only if that passes undisturbed, sleep until woken; none while no zone up to `index` is balanced."""
        vm = self.vm
        if node_balanced(vm.pages, index) or vm.num[st.KSWAPD_FAILURES] >= MAX_FAILURES:
            self.nap_ends = int(vm.env.now) + SHORT_SLEEP
            if not self.timer_set:
                self._set_timer(SHORT_SLEEP)
            woken = yield self._sleep()
            if woken:
                vm.vmstat[KSWAPD_LOW_WMARK_HIT_QUICKLY] += 1
                return
            self.nap_ends = 0
            if node_balanced(vm.pages, index) or vm.num[st.KSWAPD_FAILURES] >= MAX_FAILURES:
                yield self._sleep()
                return
        vm.vmstat[KSWAPD_HIGH_WMARK_HIT_QUICKLY] += 1
        vm.num[st.KSWAPD_AWAKE] = 1

    def _set_timer(self, delay: int) -> None:
        """One timer serves all short sleeps: it is set again for what is left of the present one."""
        self.timer_set = True
        timer = self.vm.env.timeout(delay)
        assert timer.callbacks is not None
        timer.callbacks.append(self._nap_over)

    def _nap_over(self, _: Event) -> None:
        self.timer_set = False
        if self.asleep is None or not self.nap_ends:
            return
        left = self.nap_ends - int(self.vm.env.now)
        if left > 0:
            self._set_timer(left)
            return
        event, self.asleep = self.asleep, None
        event.succeed(False)

    def _balance(self) -> Steps:
        """One run: rounds of rising urgency until some zone up to the run's index passes its high mark."""
        vm, ctx = self.vm, self.ctx
        machine, env, cpus = vm.machine, vm.env, vm.cpus
        vm.vmstat[PAGEOUTRUN] += 1
        start_balance(machine, ctx, self.index)
        ahead = vm.wakeup_ns  # the switch to kswapd, spent with the first stretch
        code = SLICE
        while code in (SLICE, WAIT_PAGE, OOM):
            now = int(env.now)
            step = balance_step(machine, ctx, now + ahead, cpus.deadline(self, now) + ahead, cpus.stretch())
            code = step & CODE_MASK
            crowded = None  # the device that this step's requests have filled up
            if step & SIGNALS or vm.after_every_step is not None:
                vm.after_step(step, now)
                crowded = vm.crowded
            yield env.timeout((step >> STEP_SHIFT) + ahead)
            ahead = 0
            if crowded is not None and crowded.full:
                yield from self._wait_for_room(crowded)
            elif cpus.ready and cpus.turn_over(self):
                yield from cpus.rotate(self)
            if self.progress is not None:
                self._tell()
            if code == WAIT_PAGE:
                yield from self._wait_for_writeback()
            elif code == OOM:
                kill_one(vm)

    def _wait_for_room(self, disk: Disk) -> Steps:
        """The device's queue is full: off the CPU until it has room."""
        self._block()
        while disk.full:
            yield disk.room()
        yield from self._unblock()

    def _wait_for_writeback(self) -> Steps:
        """Everything met is still being written: sleep until some of it is, at most a tenth of a second."""
        vm = self.vm
        self._block()
        goal = vm.written + CLUSTER
        over = vm.env.timeout(WRITEBACK_SLEEP)
        while vm.written < goal and not over.processed:
            yield vm.next_write() | over
        yield from self._unblock()

    def _block(self) -> None:
        self.vm.cpus.release(self)
        self.vm.psi.change(running=-1, memstall_running=-1)

    def _unblock(self) -> Steps:
        yield from self.vm.cpus.acquire(self)
        self.vm.psi.change(running=1, memstall_running=1)
