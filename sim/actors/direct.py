"""Direct reclaim: a task that finds no frame frees some itself (Linux 6.1 mm/page_alloc.c slow path, mm/vmscan.c try_to_free_pages)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from simpy import Event

from models.memory import state as st
from models.memory.frames import drain_if_short
from models.memory.latency import bin_of
from models.memory.rounds import nearly_empty, reclaimable
from models.vmstat import ALLOCSTALL_MOVABLE, PGSCAN_DIRECT_THROTTLE
from sim.actors.cpus import Steps
from sim.actors.groups import BATCH, TICK, reclaim
from sim.actors.kswapd import MAX_FAILURES
from sim.episodes import DIRECT, name_of

if TYPE_CHECKING:
    from sim.actors.task import Task
    from sim.vm import Vm

MAX_LOOPS = 16  # MAX_RECLAIM_RETRIES


class DirectReclaim:
    """One task's reclaim context and its retry count."""

    def __init__(self, vm: Vm, task: Task) -> None:
        self.vm = vm
        self.task = task
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.ctx[st.X_WHO] = 1 + int(vm.arrays.proc[task.number, st.GROUP])
        self.loops = 0  # rounds without progress for the allocation at hand
        self.hopeless = False  # nothing is left to reclaim: time for the OOM killer

    def run(self) -> Steps:
        """Reclaim for one allocation."""
        vm = self.vm
        began = int(vm.env.now)
        if vm.episodes is not None:
            vm.episodes.begin(DIRECT, name_of(self.task))
        self.task.psi.change(memstall=1, memstall_running=1)
        yield from self._throttle()
        vm.vmstat[ALLOCSTALL_MOVABLE] += 1
        freed = yield from self._try()
        if not freed and self.ctx[st.X_SKIPPED]:
            vm.vmstat[ALLOCSTALL_MOVABLE] += 1
            freed = yield from self._try(force=True)
        if not freed and self.ctx[st.X_LOW]:
            vm.vmstat[ALLOCSTALL_MOVABLE] += 1
            freed = yield from self._try(low=True)
        self.task.psi.change(memstall=-1, memstall_running=-1)
        stall = int(vm.env.now) - began
        if vm.episodes is not None:
            vm.episodes.end(DIRECT, name_of(self.task), freed)
        vm.arrays.hist[st.H_STALL, bin_of(stall)] += 1
        self.loops = 0 if freed else self.loops + 1
        self.hopeless = not freed and (self.loops > MAX_LOOPS or not self._reclaimable())

    def _reclaimable(self) -> bool:
        """Would any zone pass its min mark if everything reclaimable were freed?"""
        vm = self.vm
        zone = vm.arrays.zone
        pages = int(reclaimable(vm.pages))
        present = zone[:, st.MANAGED] > 0
        return bool((present & (zone[:, st.ZONE_FREE] + pages > zone[:, st.WMARK_MIN] + zone[:, st.BOOST] + zone[:, st.RESERVE])).any())

    def _throttle(self) -> Steps:
        """With less than half of the min marks free, wait for kswapd."""
        vm = self.vm
        assert vm.kswapd is not None
        while nearly_empty(vm.pages) and vm.num[st.KSWAPD_FAILURES] < MAX_FAILURES:
            vm.kswapd.wake()
            vm.vmstat[PGSCAN_DIRECT_THROTTLE] += 1
            vm.cpus.release(self.task)
            self.task.psi.change(running=-1, memstall_running=-1)
            yield vm.kswapd.next_progress() | vm.env.timeout(TICK)
            yield from vm.cpus.acquire(self.task)
            self.task.psi.change(running=1, memstall_running=1)
            if vm.num[st.KSWAPD_AWAKE] == 0:
                return

    def _try(self, force: bool = False, low: bool = False) -> Generator[Event, Any, int]:
        """Passes of rising urgency until 32 pages are free; returns the pages freed."""
        freed = yield from reclaim(self.vm, self.task, self.ctx, 0, BATCH, force, low)
        if freed:
            drain_if_short(self.vm.pages)
            self.vm.num[st.KSWAPD_FAILURES] = 0
        return freed
