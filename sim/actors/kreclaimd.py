"""kreclaimd and its scanner: every scan period, the idle ages of all anonymous pages, then cold pages into the backend.

One thread does both (Lagar-Cavilla et al. have two, kstaled and kreclaimd).  What it saw at each scan, and the pages brought back in
each minute, are kept for the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.backends import backend as bs
from models.memory import cold
from models.memory import state as st
from models.memory.op_state import CODE_MASK, DONE, SIGNALS, SLICE, STEP_SHIFT
from sim.actors.cpus import Actor, Steps

if TYPE_CHECKING:
    from sim.vm import Vm

Array = np.ndarray[Any, Any]
WORKING_SET_NS = 120_000_000_000  # a page used since then is in the working set (the paper's minimum cold age)
MINUTE_NS = 60_000_000_000


class Scan(NamedTuple):
    """What one scan saw.

    at      when its stores ended, ns
    ages    int64[256]: pages by age, before its stores;  found: pages found used so far by the age they had
    stored  cold pages stored after it;  far: pages in the backend and not in memory too, then;  loads: pages brought back so far
    """

    at: int
    ages: Array
    found: Array
    stored: int
    far: int
    loads: int


class Minute(NamedTuple):
    """At the end of a minute: when (ns), pages brought back from far memory so far, pages of the working set at the last scan."""

    at: int
    loads: int
    working: int


class Kreclaimd(Actor):
    """The thread; `threshold` and `scan_period` in ns, threshold 0: only look."""

    kernel = True

    def __init__(self, vm: Vm, threshold: int, scan_period: int) -> None:
        self.vm = vm
        self.scan_period = scan_period
        self.threshold = -(-threshold // scan_period)  # in scans
        self.set_scans = max(1, -(-WORKING_SET_NS // scan_period))
        frames = len(vm.arrays.frame)
        self.age = np.zeros(frames, np.uint8)
        self.num = np.zeros(cold.NUMBERS, np.int64)
        self.num[cold.THRESHOLD] = self.threshold
        self.hist = np.zeros((2, cold.OLDEST + 1), np.int64)
        self.scans: list[Scan] = []
        self.minutes: list[Minute] = []

    def run(self) -> Steps:
        """Sleep, scan, store, and so on for ever."""
        vm = self.vm
        due = int(vm.env.now)
        while True:
            due += self.scan_period
            yield vm.env.timeout(max(due - int(vm.env.now), 1))
            vm.psi.change(running=1)
            yield from vm.cpus.acquire(self)
            before = int(self.num[cold.STORED])
            yield from self._steps(lambda now, until: cold.scan_step(vm.machine, self.age, self.num, self.hist, now, until))
            self._choose()
            if self.num[cold.THRESHOLD]:
                yield from self._steps(lambda now, until: cold.store_step(vm.machine, self.age, self.num, now, until))
            vm.cpus.release(self)
            vm.psi.change(running=-1)
            stored = int(self.num[cold.STORED]) - before
            ages, found = self.hist[cold.PRESENT].copy(), self.hist[cold.FOUND].copy()
            self.scans.append(Scan(int(vm.env.now), ages, found, stored, self._far(), self._loads()))

    def _steps(self, step_of: Callable[[int, int], int]) -> Steps:
        """A pass, until its compiled step is done."""
        vm = self.vm
        env, cpus = vm.env, vm.cpus
        code = SLICE
        while code != DONE:
            now = int(env.now)
            step = int(step_of(now, cpus.deadline(self, now)))
            code = step & CODE_MASK
            if step & SIGNALS or vm.after_every_step is not None:
                vm.after_step(step, now)
            if step >> STEP_SHIFT:
                yield env.timeout(step >> STEP_SHIFT)
            if code != DONE and cpus.ready and cpus.turn_over(self):
                yield from cpus.rotate(self)

    def _choose(self) -> None:
        """Between scan and stores: the threshold is what it was set to."""

    def _far(self) -> int:
        """Pages that are in the backend and not in memory too."""
        slot = self.vm.arrays.slot
        return int(np.count_nonzero((slot[:, st.HANDLE] > 0) & (slot[:, st.CACHED] == 0) & (slot[:, st.STATE] == st.SLOT_USED)))

    def _loads(self) -> int:
        """Pages brought back from the backend so far."""
        return int(self.vm.built.backend_num[bs.LOADS])

    def watch(self) -> Steps:
        """Note what came back in each minute."""
        while True:
            yield self.vm.env.timeout(MINUTE_NS)
            working = int(self.scans[-1].ages[: self.set_scans].sum()) if self.scans else 0
            self.minutes.append(Minute(int(self.vm.env.now), self._loads(), working))
