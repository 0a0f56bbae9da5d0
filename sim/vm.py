"""The running VM: the clock, the compiled machine with Python's views of its arrays, and the actors that share it.

Every actor calls `after_step` when a compiled step returns: it starts the I/O that the step asked for, wakes kswapd, and
empties the event log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from simpy import Environment

from models.memory import state as st
from models.memory.fault import SIGNAL_OUTPUT, SIGNAL_WAKE, STEP_SHIFT
from models.memory.steps import io_done
from sim.actors.cpus import Cpus
from sim.actors.disk import Disk
from sim.actors.psi import Psi

if TYPE_CHECKING:
    from sim.actors.kswapd import Kswapd
    from sim.actors.task import Task

Array = np.ndarray[Any, Any]


class Arrays(NamedTuple):
    """Python's views of the machine's arrays (columns: models.memory.state)."""

    pte: Array
    version: Array
    table: Array
    frame: Array
    stack: Array
    pool_frames: Array
    slot: Array
    slot_cache: Array
    cluster: Array
    zone: Array
    proc: Array
    rows: Array
    vmstat: Array
    num: Array
    cost: Array
    cpu: Array
    ring: Array
    log: Array
    hist: Array
    window: Array


class Built(NamedTuple):
    """What the builder makes of a configuration: the boxed machine and views of all that is in it."""

    machine: Any  # knows only the addresses of the next three: they must be held as long as it is
    pages: Any
    policy: Any
    backend: Any
    arrays: Arrays
    policy_num: Array
    backend_num: Array
    backend_counters: Callable[[Array], dict[str, int]]
    pool: Any  # PoolArrays
    pool_stat: Any  # compiled: brings the pool's tally up to date
    has_pool: bool


class Vm:
    """One VM in one replication."""

    def __init__(self, built: Built, cpus: int, scheduler: Mapping[str, Any], costs: Mapping[str, Any]) -> None:
        self.env = Environment()
        self.built = built
        self.machine = built.machine
        self.pages = built.pages
        self.arrays = built.arrays
        self.num = built.arrays.num
        self.vmstat = built.arrays.vmstat
        self.wakeup_ns = int(costs["wakeup"])
        self.cpus = Cpus(self.env, cpus, *(int(scheduler[name]) for name in ("quantum", "wakeup_delay", "slice", "shared_slice")))
        self.psi = Psi(self.env, cpus)
        self.swap: Disk | None = None
        self.kswapd: Kswapd | None = None
        self.tasks: list[Task] = []
        self.on_log: Sequence[Callable[[Array], None]] = ()
        self.after_every_step: Callable[[], None] | None = None  # the invariant check, where it was asked for
        self.logging = bool(built.arrays.num[st.LOG_ON])
        self.written = 0  # pages whose writing has ended

    def after_step(self, step: int, now: int) -> None:
        """Do what a compiled step that began now asked for in its report."""
        if step & SIGNAL_OUTPUT:
            num = self.num
            wanted = int(num[st.RING])
            if wanted:
                num[st.RING] = 0
                assert self.swap is not None, "I/O without a swap device"
                for at, write, first, pages in self.arrays.ring[:wanted].tolist():
                    self.swap.submit(now, at, write, first, pages)
            if self.logging:
                self._keep_log()
        if step & SIGNAL_WAKE:
            self.num[st.WAKE] = 0
            if self.kswapd is not None:
                self.kswapd.wake()
        if self.after_every_step is not None:
            self.after_every_step()

    def solo_read(self, task: Task, now: int, step: int, memory: int) -> int:
        """A step asked for one read and nothing else: if it ends before anything else happens, end it here.

        Returns the time at which the task goes on, or 0 if the read has to be an event.  Nobody else runs, so nobody could tell.
        """
        num, disk = self.num, self.swap
        if num[st.RING] != 1 or disk is None or self.psi.announced or not self.cpus.solo() or self.after_every_step is not None:
            return 0
        at, write, first, count = self.arrays.ring[0].tolist()
        if write or self.env.peek() <= disk.would_end(at, first, count):
            return 0
        num[st.RING] = 0
        end = disk.serve(at, 0, first, count)
        io_done(self.machine, end, 0, first, count)
        computed = now + (step >> STEP_SHIFT)
        self.psi.solo_read(computed, end, memory)
        self.cpus.solo_wait(task, computed, end)
        return end

    def _keep_log(self) -> None:
        num = self.num
        for reader in self.on_log:
            reader(self.arrays.log[: num[st.LOG]])
        num[st.LOG] = 0

    def io_done(self, write: bool, first: int, count: int) -> None:
        """A device request ended."""
        io_done(self.machine, int(self.env.now), write, first, count)
        if write:
            self.written += count
        if self.logging or self.after_every_step is not None:
            self.after_step(SIGNAL_OUTPUT, int(self.env.now))
