"""kswapd: background reclaim down from the low to the high watermark (Linux 6.1 mm/vmscan.c balance_pgdat, kswapd_try_to_sleep).

Not modelled: watermark boost (every zone's boost is 0), memory compaction, orders above 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from simpy import Event

from models.memory import state as st
from models.memory.fault import CODE_MASK, PASS_END, STEP_SHIFT
from models.memory.frames import node_balanced
from models.memory.reclaim import begin_pass, end_run, shrink
from models.vmstat import KSWAPD_HIGH_WMARK_HIT_QUICKLY, KSWAPD_LOW_WMARK_HIT_QUICKLY, PAGEOUTRUN
from sim.actors.cpus import Actor, Steps

if TYPE_CHECKING:
    from sim.vm import Vm

SHORT_SLEEP = 100_000_000  # HZ / 10
WRITEBACK_SLEEP = 100_000_000
DEF_PRIORITY = 12
CLUSTER = 32  # SWAP_CLUSTER_MAX
MAX_FAILURES = 16  # MAX_RECLAIM_RETRIES


class Kswapd(Actor):
    """The node's kswapd."""

    kernel = True

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.ctx[st.X_KSWAPD] = 1
        self.asleep: Event | None = None
        self.progress: Event | None = None  # triggered after each stretch, if a throttled reclaimer waits for it
        zones = vm.arrays.zone
        self.goal = int(np.maximum(zones[zones[:, st.MANAGED] > 0, st.WMARK_HIGH], CLUSTER).sum())

    def wake(self) -> None:
        """Wake it if it sleeps and there is a point."""
        hopeless = self.vm.num[st.KSWAPD_FAILURES] >= MAX_FAILURES
        if self.asleep is None or self.asleep.triggered or hopeless or node_balanced(self.vm.pages):
            return
        self.vm.num[st.KSWAPD_AWAKE] = 1
        self.asleep.succeed()

    def run(self) -> Steps:
        """Sleep, balance, and so on for ever."""
        vm = self.vm
        yield from self._sleep(None)
        while True:
            vm.psi.change(running=1)
            yield from vm.cpus.acquire(self)
            yield from vm.cpus.compute(self, vm.wakeup_ns)
            vm.psi.change(memstall=1, memstall_running=1)
            yield from self._balance()
            vm.psi.change(memstall=-1, memstall_running=-1)
            vm.cpus.release(self)
            vm.psi.change(running=-1)
            self._tell()
            yield from self._try_to_sleep()

    def next_progress(self) -> Event:
        """The event of the next stretch's end."""
        if self.progress is None:
            self.progress = self.vm.env.event()
        return self.progress

    def _tell(self) -> None:
        if self.progress is not None:
            event, self.progress = self.progress, None
            event.succeed()

    def _may_sleep(self) -> bool:
        return bool(self.vm.num[st.KSWAPD_FAILURES] >= MAX_FAILURES or node_balanced(self.vm.pages))

    def _sleep(self, timeout: int | None) -> Steps:
        """Sleep until woken, or for `timeout` ns."""
        vm = self.vm
        vm.num[st.KSWAPD_AWAKE] = 0
        self.asleep = vm.env.event()
        yield self.asleep if timeout is None else self.asleep | vm.env.timeout(timeout)
        vm.num[st.KSWAPD_AWAKE] = 1

    def _try_to_sleep(self) -> Steps:
        vm = self.vm
        if self._may_sleep():
            yield from self._sleep(SHORT_SLEEP)
            woken = self.asleep is not None and self.asleep.triggered
            if woken:
                vm.vmstat[KSWAPD_LOW_WMARK_HIT_QUICKLY] += 1
                return
            if self._may_sleep():
                yield from self._sleep(None)
                return
        vm.vmstat[KSWAPD_HIGH_WMARK_HIT_QUICKLY] += 1

    def _balance(self) -> Steps:
        """One run: rounds of rising urgency until some zone passes its high mark."""
        vm, ctx = self.vm, self.ctx
        vm.vmstat[PAGEOUTRUN] += 1
        ctx[st.X_RECLAIMED] = 0
        priority = DEF_PRIORITY
        while priority >= 1 and not node_balanced(vm.pages):
            before = int(ctx[st.X_RECLAIMED])
            yield from self._round(priority)
            freed = int(ctx[st.X_RECLAIMED]) - before
            if ctx[st.X_SCANNED] < self.goal or freed == 0:
                priority -= 1
        if priority < 1 and ctx[st.X_RECLAIMED] == 0:
            vm.num[st.KSWAPD_FAILURES] += 1
        if node_balanced(vm.pages):
            vm.num[st.NODE_WRITEBACK] = 0
        end_run(vm.machine, ctx)

    def _round(self, priority: int) -> Steps:
        vm, ctx = self.vm, self.ctx
        machine, env, cpus = vm.machine, vm.env, vm.cpus
        now = int(env.now)
        ctx[st.X_TO_RECLAIM] = self.goal
        step = begin_pass(machine, ctx, now, priority)
        ahead = step >> STEP_SHIFT
        while True:
            step = shrink(machine, ctx, now + ahead, cpus.deadline())
            vm.after_step(step)
            yield env.timeout((step >> STEP_SHIFT) + ahead)
            if cpus.ready and cpus.turn_over(self):
                yield from cpus.rotate(self)
            self._tell()
            if step & CODE_MASK == PASS_END:
                break
            now, ahead = int(env.now), 0
        if ctx[st.X_RECLAIMED]:
            vm.num[st.KSWAPD_FAILURES] = 0
        if ctx[st.X_IMMEDIATE]:
            yield from self._wait_for_writeback()

    def _wait_for_writeback(self) -> Steps:
        """Everything met is still being written: sleep until some of it is, at most a tenth of a second."""
        vm = self.vm
        vm.cpus.release(self)
        vm.psi.change(running=-1, memstall_running=-1)
        goal = vm.written + CLUSTER
        end = int(vm.env.now) + WRITEBACK_SLEEP
        while vm.written < goal and int(vm.env.now) < end and vm.swap is not None:
            step = max(vm.swap.busy_until - int(vm.env.now), 1) if vm.swap.busy_until > vm.env.now else end - int(vm.env.now)
            yield vm.env.timeout(min(step, 1_000_000, end - int(vm.env.now)))
        yield from vm.cpus.acquire(self)
        vm.psi.change(running=1, memstall_running=1)
