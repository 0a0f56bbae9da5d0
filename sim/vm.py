"""The running VM: the clock, the compiled machine with Python's views of its arrays, and the actors that share it.

Every actor calls `after_step` when a compiled step returns: it starts the I/O that the step asked for, wakes kswapd, and
empties the event log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from simpy import Environment, Event

from models.memory import file_state as fi
from models.memory import solo
from models.memory import state as st
from models.memory.op_state import SIGNAL_FLUSH, SIGNAL_OUTPUT, SIGNAL_POOL, SIGNAL_WAKE, STEP_SHIFT
from models.memory.steps import io_done
from sim.actors.cfs import Cfs
from sim.actors.cpus import Cpus, Order
from sim.actors.disk import Disk
from sim.actors.eevdf import Eevdf
from sim.actors.psi import Psi

if TYPE_CHECKING:
    from sim.actors.flusher import Flusher
    from sim.actors.groups import Groups
    from sim.actors.kreclaimd import Kreclaimd
    from sim.actors.kswapd import Kswapd
    from sim.actors.kworker import Kworker
    from sim.actors.task import Task
    from sim.episodes import Episodes

Array = np.ndarray[Any, Any]
SOLO_READS = 64  # that follow one another before the books are kept
FAR = 1 << 62  # ns: no event is to come
LONGEST_REQUEST = 1024  # pages; above the largest that the engine asks for


class Arrays(NamedTuple):
    """Python's views of the machine's arrays (columns: models.memory.state)."""

    pte: Array
    version: Array
    table: Array
    frame: Array
    block: Array
    buddy: Array
    pcp: Array
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
    maps: Array
    area: Array
    cache: Array
    leaf: Array
    file: Array
    opens: Array
    slab: Array
    stolen: Array
    frame_group: Array
    slot_group: Array
    cache_group: Array
    cgroup: Array


class Built(NamedTuple):
    """What the builder makes of a configuration: the boxed machine and views of all that is in it."""

    machine: Any  # knows only the addresses of the next three: they must be held as long as it is
    pages: Any
    policy: Any
    backend: Any
    arrays: Arrays
    policy_num: Array
    backend_num: Array
    backend_table: Array
    blocks: Array | None  # of zram's backing device: 1 in use
    backend_counters: Callable[[Array], dict[str, int]]
    pool: Any  # PoolArrays of swapped pages
    clean_pool: Any  # PoolArrays of clean pages of files
    pool_stat: Any  # compiled: brings the pool's tally up to date
    has_pool: bool
    list_problems: Callable[[Arrays], list[str]] | None = None  # the policy's own check of its lists


class Vm:
    """One VM in one replication."""

    def __init__(self, built: Built, cpus: int, scheduler: Mapping[str, Any], costs: Mapping[str, Any]) -> None:
        self.env = Environment()
        self.built = built
        self.machine = built.machine
        self.pages = built.pages
        self.arrays = built.arrays
        self.num = built.arrays.num
        self.ring_head = built.arrays.ring[0]
        self.vmstat = built.arrays.vmstat
        self.wakeup_ns = int(costs["wakeup"])
        quantum = int(scheduler["quantum"])
        order: Order = Eevdf(quantum, cpus) if self.num[st.KERNEL_612] else Cfs(quantum, int(scheduler["wakeup_delay"]))
        self.cpus = Cpus(self.env, order, cpus, quantum, int(scheduler["slice"]), int(scheduler["shared_slice"]))
        self.psi = Psi(self.env, cpus)
        self.disks: dict[str, Disk] = {}
        self.swap: Disk | None = None
        self.swap_base = 0  # where on its device the swap area begins, pages
        self.files: Disk | None = None
        file = built.arrays.file
        self.file_first: list[int] = file[:, fi.FIRST].tolist()  # first file page of each file
        self.file_shift: list[int] = (file[:, fi.DEVICE_PAGE] - file[:, fi.FIRST]).tolist()  # from there to its place on the device
        self.kswapd: Kswapd | None = None
        self.flusher: Flusher | None = None
        self.kworker: Kworker | None = None  # of the backend, where it writes to the device
        self.backing: Disk | None = None  # zram's backing device
        self.kreclaimd: Kreclaimd | None = None  # where idle ages are looked at
        self.groups: Groups | None = None  # where there are memory cgroups
        self.tasks: list[Task] = []
        self.episodes: Episodes | None = None  # where reclaim is recorded
        self.on_log: Sequence[Callable[[Array], None]] = ()
        self.on_mark: Sequence[Callable[[int], None]] = ()  # told the number of each MARK op
        self.after_every_step: Callable[[], None] | None = None  # the invariant check, where it was asked for
        self.logging = bool(built.arrays.num[st.LOG_ON])
        self.written = 0  # pages whose writing has ended
        self.write_ended: Event | None = None  # of the next write to end, where somebody waits for it
        self.reads: tuple[dict[int, tuple[int, Event]], ...] = ({}, {})  # of slots, of file pages: first: (pages, the request's event)
        self.solo_rows = np.zeros((SOLO_READS, solo.COLUMNS), np.int64)
        self.solo_result = np.zeros(4, np.int64)
        self.crowded: Disk | None = None  # the device whose queue was full after the last step's requests

    def after_step(self, step: int, now: int) -> None:
        """Do what a compiled step that began now asked for in its report."""
        self.crowded = None
        if step & SIGNAL_OUTPUT:
            num = self.num
            wanted = int(num[st.RING])
            if wanted:
                num[st.RING] = 0
                for at, write, first, count, files in self.arrays.ring[:wanted].tolist():
                    self._submit(now, at, write, first, count, files)
            if self.logging:
                self._keep_log()
        if step & SIGNAL_WAKE:
            self.num[st.WAKE] = 0
            if self.kswapd is not None:
                self.kswapd.wake()
        if step & SIGNAL_FLUSH:
            wanted = int(self.num[fi.FLUSH])
            self.num[fi.FLUSH] = 0
            if self.flusher is not None:
                self.flusher.wake(wanted)
        if step & SIGNAL_POOL:
            self.num[st.POOL_WORK] = 0
            if self.kworker is not None:
                self.kworker.queue()
        if self.after_every_step is not None:
            self.after_every_step()

    def _place(self, first: int, files: int) -> tuple[Disk, int]:
        """The device of a slot or file page, and where on it that is."""
        if not files:
            handle = int(self.arrays.slot[first, st.HANDLE])
            if handle <= st.ON_DEVICE:
                assert self.backing is not None, "zram's backing device is missing"
                return self.backing, st.ON_DEVICE - handle
            assert self.swap is not None, "swap I/O without a swap device"
            return self.swap, self.swap_base + first - int(self.num[st.SECOND_FIRST])
        assert self.files is not None, "file I/O without a device for files"
        return self.files, first + self.file_shift[bisect_right(self.file_first, first) - 1]

    def _submit(self, now: int, at: int, write: int, first: int, count: int, files: int) -> None:
        disk, place = self._place(first, files)
        if write:
            disk.submit(now, at, 1, place, count, lambda: self._write_done(files, first, count))
        else:
            event = disk.submit(now, at, 0, place, count, lambda: self._read_done(files, first, count))
            self.reads[files][first] = (count, event)
        if disk.full:
            self.crowded = disk

    def read_of(self, key: int) -> Event | None:
        """The event of the read that will bring a slot, or file page -key - 1; None if there is none under way."""
        files = key < 0
        wanted = -key - 1 if files else key
        reads = self.reads[files]
        for first in range(wanted, wanted - LONGEST_REQUEST, -1):
            found = reads.get(first)
            if found is not None:
                return found[1] if first + found[0] > wanted else None
        return None

    def next_write(self) -> Event:
        """Triggers when the next write ends, whatever it writes."""
        if self.write_ended is None:
            self.write_ended = self.env.event()
        return self.write_ended

    def solo_read(self, task: Task, now: int, step: int, memory: int) -> tuple[int, int, int, int] | None:
        """A step asked for one read and nothing else: if it ends before anything else happens, it needs no event.

        Returns the time at which the task goes on and what has been read then (files or slots, first, count), which the caller's next
        step begins with; None if the read has to be an event.  Nobody else runs, so nobody could tell.
        """
        num = self.num
        if num[st.RING] != 1 or self.psi.announced or not self.cpus.solo() or self.after_every_step is not None:
            return None
        at, write, first, count, files = self.ring_head.tolist()
        disk, place = self._place(first, files)
        if write or not disk.solo:
            return None
        computed = now + (step >> STEP_SHIFT)
        end = disk.serve_before(self.env.peek(), at, place, count, computed)  # one that is over before is no wait
        if not end:
            return None
        num[st.RING] = 0
        task.psi.solo_read(computed, end, memory)
        self.cpus.solo_wait(task, computed, end)
        return end, files, first, count

    def solo_reads(self, task: Task, stream: Any, now: int, step: int) -> tuple[int, int, int]:
        """As many such reads as can follow one another in compiled code: how many, and the time and report of the step after the last.

        A step that began at `now` asked for the first.  There are none where `solo_read` has none, or the device is not flat.
        """
        if self.psi.announced or not self.cpus.solo() or self.after_every_step is not None or self.logging:
            return 0, now, step
        _, _, first, _, files = self.ring_head.tolist()
        disk, _ = self._place(first, files)
        device = disk.flat_now()
        if device is None:
            return 0, now, step
        result = self.solo_result
        result[solo.NOW], result[solo.FILES] = now, files
        limit = int(min(self.env.peek(), FAR))
        cpus = self.cpus
        step = int(solo.run_reads(self.machine, stream, device, self.solo_rows, result, step, limit, cpus.slice_ns, cpus.least))
        done, now, _, last = result.tolist()
        if done:
            rows = self.solo_rows[:done].tolist()
            disk.book(rows, self._place(last, files)[1])
            for computed, memory, _, end, _ in rows:
                task.psi.solo_read(computed, end, memory)
                cpus.solo_wait(task, computed, end)
        return done, now, step

    def _keep_log(self) -> None:
        num = self.num
        for reader in self.on_log:
            reader(self.arrays.log[: num[st.LOG]])
        num[st.LOG] = 0

    def _read_done(self, files: int, first: int, count: int) -> None:
        del self.reads[files][first]
        self._ended(0, files, first, count)

    def _write_done(self, files: int, first: int, count: int) -> None:
        self.written += count
        self._ended(1, files, first, count)
        if self.write_ended is not None:
            event, self.write_ended = self.write_ended, None
            event.succeed()

    def _ended(self, write: int, files: int, first: int, count: int) -> None:
        """A device request ended."""
        io_done(self.machine, int(self.env.now), write, files, first, count)
        if self.logging or self.after_every_step is not None:
            self.after_step(SIGNAL_OUTPUT, int(self.env.now))
