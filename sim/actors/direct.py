"""Direct reclaim: a task that finds no frame frees some itself (Linux 6.1 mm/page_alloc.c slow path, mm/vmscan.c try_to_free_pages)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from simpy import Event

from models.memory import state as st
from models.memory.fault import CODE_MASK, PASS_END, STEP_SHIFT, bin_of
from models.memory.reclaim import begin_pass, end_run, shrink
from models.vmstat import ALLOCSTALL_MOVABLE, NR_ACTIVE_ANON, NR_INACTIVE_ANON, NR_WRITEBACK, PGSCAN_DIRECT_THROTTLE
from sim.actors.cpus import Steps
from sim.actors.kswapd import CLUSTER, DEF_PRIORITY, MAX_FAILURES

if TYPE_CHECKING:
    from sim.actors.task import Task
    from sim.vm import Vm

TICK = 4_000_000  # a jiffy at HZ=250
MAX_LOOPS = 16  # MAX_RECLAIM_RETRIES


class DirectReclaim:
    """One task's reclaim context and its retry count."""

    def __init__(self, vm: Vm, task: Task) -> None:
        self.vm = vm
        self.task = task
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.loops = 0  # rounds without progress for the allocation at hand
        self.hopeless = False  # nothing is left to reclaim: time for the OOM killer

    def run(self) -> Steps:
        """Reclaim for one allocation."""
        vm = self.vm
        began = int(vm.env.now)
        vm.psi.change(memstall=1, memstall_running=1)
        yield from self._throttle()
        vm.vmstat[ALLOCSTALL_MOVABLE] += 1
        freed = yield from self._try(force=False)
        if not freed and self.ctx[st.X_SKIPPED]:
            vm.vmstat[ALLOCSTALL_MOVABLE] += 1
            freed = yield from self._try(force=True)
        vm.psi.change(memstall=-1, memstall_running=-1)
        stall = int(vm.env.now) - began
        vm.arrays.hist[st.H_STALL, bin_of(stall)] += 1
        self.loops = 0 if freed else self.loops + 1
        self.hopeless = not freed and (self.loops > MAX_LOOPS or not self._reclaimable())

    def _reclaimable(self) -> bool:
        """Would any zone pass its min mark if everything reclaimable were freed?"""
        vm = self.vm
        zone = vm.arrays.zone
        pages = int(vm.vmstat[NR_ACTIVE_ANON] + vm.vmstat[NR_INACTIVE_ANON]) if vm.num[st.SWAP_FREE] > 0 else 0
        present = zone[:, st.MANAGED] > 0
        return bool((present & (zone[:, st.ZONE_FREE] + pages > zone[:, st.WMARK_MIN] + zone[:, st.RESERVE])).any())

    def _throttle(self) -> Steps:
        """With less than half of the min marks free, wait for kswapd."""
        vm = self.vm
        zone = vm.arrays.zone
        assert vm.kswapd is not None
        while vm.num[st.KSWAPD_FAILURES] < MAX_FAILURES and zone[:, st.ZONE_FREE].sum() <= zone[:, st.WMARK_MIN].sum() // 2:
            vm.kswapd.wake()
            vm.vmstat[PGSCAN_DIRECT_THROTTLE] += 1
            vm.cpus.release(self.task)
            vm.psi.change(running=-1, memstall_running=-1)
            yield vm.kswapd.next_progress() | vm.env.timeout(TICK)
            yield from vm.cpus.acquire(self.task)
            vm.psi.change(running=1, memstall_running=1)
            if vm.num[st.KSWAPD_AWAKE] == 0:
                return

    def _try(self, force: bool) -> Generator[Event, Any, int]:
        """Passes of rising urgency until 32 pages are free; returns the pages freed."""
        vm, ctx, machine = self.vm, self.ctx, self.vm.machine
        ctx[st.X_RECLAIMED] = ctx[st.X_SCANNED] = ctx[st.X_SKIPPED] = 0
        ctx[st.X_FORCE] = int(force)
        ctx[st.X_TO_RECLAIM] = CLUSTER
        env, cpus = vm.env, vm.cpus
        for priority in range(DEF_PRIORITY, -1, -1):
            now = int(env.now)
            ahead = begin_pass(machine, ctx, now, priority) >> STEP_SHIFT
            while True:
                step = shrink(machine, ctx, now + ahead, cpus.deadline())
                vm.after_step(step)
                yield env.timeout((step >> STEP_SHIFT) + ahead)
                if cpus.ready and cpus.turn_over(self.task):
                    yield from cpus.rotate(self.task)
                if step & CODE_MASK == PASS_END:
                    break
                now, ahead = int(env.now), 0
            if ctx[st.X_RECLAIMED] >= CLUSTER or self.task.killed:
                break
            if priority == 1 and ctx[st.X_RECLAIMED] == 0 and self._mostly_writeback():
                yield from self.task.sleep(TICK, memory=True)
        end_run(machine, ctx)
        if ctx[st.X_RECLAIMED]:
            vm.num[st.KSWAPD_FAILURES] = 0
        return int(ctx[st.X_RECLAIMED])

    def _mostly_writeback(self) -> bool:
        vmstat = self.vm.vmstat
        return bool(vmstat[NR_WRITEBACK] * 2 > vmstat[NR_ACTIVE_ANON] + vmstat[NR_INACTIVE_ANON])
