"""Samples of the VM's state at a fixed interval of simulated time: the time series of a run, and a check that its counters add up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models.allocators import pool as pool_state
from models.backends import backend as backend_state
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.throttle import set_thresholds
from models.vmstat import ALLOCSTALL_MOVABLE, INDEX, NR_DIRTY_BACKGROUND_THRESHOLD, NR_DIRTY_THRESHOLD
from sim.actors.cpus import Steps
from sim.collect_groups import group_columns, group_values
from sim.identities import check_identities
from sim.metrics import OWN_COLUMNS

if TYPE_CHECKING:
    from sim.actors.disk import Disk
    from sim.vm import Vm

# Columns of the series in order: names of /proc/vmstat, then the VM's own, then the devices'.  docs/results.md says what each is.
GAUGES = (
    *("nr_free_pages", "nr_active_anon", "nr_inactive_anon", "nr_active_file", "nr_inactive_file", "nr_file_pages", "nr_swapcached"),
    *("nr_mapped", "nr_dirty", "nr_writeback", "nr_dirty_threshold", "nr_dirty_background_threshold"),
    *("nr_slab_reclaimable", "nr_slab_unreclaimable", "nr_page_table_pages"),
)
COUNTERS = (
    *("pgfault", "pgmajfault", "pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct"),
    *("pgscan_anon", "pgscan_file", "pgsteal_anon", "pgsteal_file"),
    *("workingset_refault_anon", "workingset_refault_file", "nr_dirtied", "nr_written", "pswpin", "pswpout"),
)
OWN = OWN_COLUMNS
OWN_GAUGES = (
    *("kernel_pages", "pool_pages", "pool_payload_pages", "stored_pages", "swap_used_pages", "clean_pool_pages", "clean_stored_pages"),
)  # of OWN, those that are levels
CLEANCACHE = ("cleancache_puts", "cleancache_succ_gets", "cleancache_failed_gets")  # the backend's names for the last three
THRESHOLDS = np.array([NR_DIRTY_THRESHOLD, NR_DIRTY_BACKGROUND_THRESHOLD])
DEVICE = ("queued", "reads", "writes", "read_bytes", "written_bytes", "read_ns", "write_ns", "queue_ns", "busy_ns")
MOST_SAMPLES = 100_000
FIRST_ROWS = 1024
SECOND = 1e9


class Tally:
    """Sums of a pool's tally over the samples, and its effective compression by the published definition of 2011."""

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.sums = np.zeros(pool_state.NUMBERS, np.float64)
        self.stored = 0.0
        self.samples = 0

    def add(self, num: np.ndarray[Any, Any], stored: int) -> None:
        """One sample of the tally."""
        self.sums += num[: pool_state.NUMBERS]
        self.stored += stored
        self.samples += 1

    def copy(self) -> Tally:
        """The sums as they are now."""
        other = Tally(self.page_size)
        other.sums, other.stored, other.samples = self.sums.copy(), self.stored, self.samples
        return other

    def leave_out(self, first: Tally) -> None:
        """Forget the samples up to an earlier copy."""
        self.sums -= first.sums
        self.stored -= first.stored
        self.samples -= first.samples

    def means(self) -> dict[str, float]:
        """S, P, M as time means; compression and losses from these, absent while nothing is stored."""
        s, page, n = self.sums, self.page_size, max(self.samples, 1)
        used, payload = s[pool_state.POOL_PAGES] * page, s[pool_state.PAYLOAD]
        sizes = {
            "stored_pages": self.stored / n,
            "pool_pages": float(s[pool_state.POOL_PAGES]) / n,
            "pool_metadata": float(s[pool_state.META_OUTSIDE]) / n,
        }
        if not self.stored or not used:
            return sizes
        return sizes | {
            "effective_compression": 100 * float(s[pool_state.POOL_PAGES] + s[pool_state.META_OUTSIDE] / page) / self.stored,
            "compression_ratio": self.stored * page / float(payload),
            "fragmentation_loss": 100 * (1 - float(payload / used)),
            "fragmentation_metadata": 100 * float(s[pool_state.META_INSIDE] / used),
            "fragmentation_internal": 100 * float(s[pool_state.LOST_INSIDE] / used),
            "fragmentation_external": 100 * float(s[pool_state.FREE_BYTES] / used),
        }


def device_columns(names: Sequence[str]) -> Iterator[str]:
    """Columns of the devices."""
    for name in names:
        yield from (f"device.{name}.{column}" for column in DEVICE)


def device_values(disk: Disk) -> tuple[int, ...]:
    """A device's columns now: requests queued or in service, then what has been counted so far."""
    counted = disk.counters()
    requests, size, _, latency, _ = counted.pairs
    return (disk.queued, *requests, *size, *latency, max(counted.area, 0), counted.busy)  # what is submitted may be wanted a little later


def clean_places(vm: Vm) -> list[int]:
    """Where the backend keeps cleancache's counters: it is asked with numbers that are their own places.

    A dict of all its counters at every sample would take longer than all the rest.
    """
    found = vm.built.backend_counters(np.arange(len(vm.built.backend_num)))
    return [found[name] for name in CLEANCACHE]


class Sampler:
    """Keeps a row of numbers for every sample; calls everything in `on_sample` after each."""

    def __init__(self, vm: Vm, interval: int, kernel_pages: int, on_sample: list[Callable[[], None]]) -> None:
        self.vm = vm
        self.interval = interval
        self.kernel_pages = kernel_pages
        self.on_sample = on_sample
        self.pool_pages_max = 0
        page_size = int(vm.num[st.PAGE_SIZE])
        self.page_size = page_size
        self.tally, self.clean_tally = Tally(page_size), Tally(page_size)
        self.has_clean = bool(vm.num[fi.CLEAN_CACHE])
        self.warm_up = 0  # the tallies are taken from here on, ns
        self.columns: tuple[str, ...] = ("time_s", *GAUGES, *COUNTERS, *OWN, *device_columns(list(vm.disks)), *group_columns(vm))
        self._vmstat = np.array([INDEX[name] for name in (*GAUGES, *COUNTERS)])
        self._clean_places = clean_places(vm) if self.has_clean else []
        self._rows = np.zeros((FIRST_ROWS, len(self.columns)))
        self._used = 0
        self.last = -1

    @property
    def series(self) -> dict[str, list[float]]:
        """All samples so far, by column."""
        return {name: self._rows[: self._used, k].tolist() for k, name in enumerate(self.columns)}

    def last_value(self, name: str) -> float:
        """A column of the last sample."""
        return float(self._rows[self._used - 1, self.columns.index(name)])

    def since(self, name: str, begin: int) -> np.ndarray[Any, Any]:
        """The samples of a column from `begin` (ns) on; the last one at least."""
        rows = self._rows[: self._used]
        return rows[min(int(np.searchsorted(rows[:, 0], begin / SECOND)), self._used - 1) :, self.columns.index(name)]

    def run(self) -> Steps:
        """Sample now and at every interval."""
        while True:
            self.sample()
            for call in self.on_sample:
                call()
            wait = self.interval
            if self._used >= MOST_SAMPLES:  # a long run: half as often from here on
                self.interval *= 2
                if self._used % 2:  # else the last one goes, and the next is due half an interval after it
                    wait = self.interval
                kept = self._rows[: self._used : 2].copy()
                self._used = len(kept)
                self._rows[: self._used] = kept
            yield self.vm.env.timeout(wait)

    def sample(self) -> None:
        """One row, unless this moment has one."""
        vm = self.vm
        now = int(vm.env.now)
        if now == self.last:
            return
        self.last = now
        if self._used == len(self._rows):
            self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)))
        row = self._rows[self._used]
        row[0] = now / SECOND
        own = 1 + len(self._vmstat)
        row[1:own] = self._counters()
        row[own : own + len(OWN)] = self._own(now)
        groups = own + len(OWN) + len(DEVICE) * len(vm.disks)
        if vm.disks:
            row[own + len(OWN) : groups] = [value for disk in vm.disks.values() for value in device_values(disk)]
        if vm.groups is not None:
            row[groups:] = group_values(vm)
        self._used += 1
        check_identities(vm)

    def _counters(self) -> np.ndarray[Any, Any]:
        """Linux's counters as a reader of /proc/vmstat would see them: it gets the thresholds of this moment, and changes nothing."""
        vmstat = self.vm.vmstat
        last = vmstat[THRESHOLDS]
        set_thresholds(self.vm.pages)
        found: np.ndarray[Any, Any] = vmstat[self._vmstat]
        vmstat[THRESHOLDS] = last
        return found

    def _own(self, now: int) -> tuple[float, ...]:
        """The columns of OWN."""
        vm = self.vm
        num, backend = vm.num, vm.built.backend_num
        pool, clean = vm.built.pool.num, vm.built.clean_pool.num
        held = int(num[st.POOL_FRAMES])
        self.pool_pages_max = max(self.pool_pages_max, held)
        stored, clean_stored = int(backend[backend_state.STORED_PAGES]), int(clean[pool_state.OBJECTS])
        if now >= self.warm_up:
            if vm.built.has_pool:
                vm.built.pool_stat(vm.built.pool.pool)
                self.tally.add(pool, stored)
            if self.has_clean:
                self.clean_tally.add(clean, clean_stored)
        return (
            self.kernel_pages,
            held,
            round(int(pool[pool_state.PAYLOAD]) / self.page_size, 3),
            stored,
            int(num[st.SWAP_TOTAL] - num[st.SWAP_FREE]),
            int(clean[pool_state.PAGES_TAKEN] - clean[pool_state.PAGES_RETURNED]),
            clean_stored,
            int(num[fi.FILES_WRITTEN]),
            int(backend[backend_state.STORES]),
            int(backend[backend_state.LOADS]),
            int(backend[backend_state.REFUSED]),
            int(vm.vmstat[ALLOCSTALL_MOVABLE]),
            int(num[st.ACCESSES]),
            *(backend[self._clean_places].tolist() if self.has_clean else (0,) * len(CLEANCACHE)),
        )
