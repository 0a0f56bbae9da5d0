"""Samples of the VM's state at a fixed interval of simulated time: the time series of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from models.allocators import pool as pool_state
from models.backends import backend as backend_state
from models.memory import state as st
from models.vmstat import INDEX
from sim.actors.cpus import Steps

if TYPE_CHECKING:
    from sim.vm import Vm

GAUGES = ("nr_free_pages", "nr_active_anon", "nr_inactive_anon", "nr_swapcached", "nr_writeback", "nr_page_table_pages")
COUNTERS = ("pgfault", "pgmajfault", "pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct", "pswpin", "pswpout")
MOST_SAMPLES = 200_000
SECOND = 1e9


class Tally:
    """Sums of the pool's tally over the samples, and its effective compression by the published definition of 2011."""

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


class Sampler:
    """Fills `series`; calls `tick` after each sample."""

    def __init__(self, vm: Vm, interval: int, kernel_pages: int, tick: Callable[[], None]) -> None:
        self.vm = vm
        self.interval = interval
        self.kernel_pages = kernel_pages
        self.tick = tick
        self.pool_pages_max = 0
        self.tally = Tally(int(vm.num[st.PAGE_SIZE]))
        self.warm_up = 0  # the tally is taken from here on, ns
        gauges = ("time_s", *GAUGES, "kernel_pages", "pool_pages", "pool_payload_pages", "stored_pages", "swap_used_pages")
        counters = (*COUNTERS, "backend_stores", "backend_loads", "backend_rejects", "allocstall", "accesses")
        self.series: dict[str, list[float]] = {name: [] for name in (*gauges, *counters)}
        self.last = -1

    def run(self) -> Steps:
        """Sample now and at every interval."""
        while True:
            self.sample()
            self.tick()
            if len(self.series["time_s"]) >= MOST_SAMPLES:  # a long run: half as often from here on
                for name, values in self.series.items():
                    self.series[name] = values[::2]
                self.interval *= 2
            yield self.vm.env.timeout(self.interval)

    def sample(self) -> None:
        """One row, unless this moment has one."""
        vm = self.vm
        now = int(vm.env.now)
        if now == self.last:
            return
        self.last = now
        vmstat, num, backend = vm.vmstat, vm.num, vm.built.backend_num
        pool = vm.built.pool.num
        held = int(num[st.POOL_FRAMES])
        self.pool_pages_max = max(self.pool_pages_max, held)
        if vm.built.has_pool and now >= self.warm_up:
            vm.built.pool_stat(vm.built.pool.pool)
            self.tally.add(pool, int(backend[backend_state.STORED_PAGES]))
        row: dict[str, float] = {"time_s": now / SECOND}
        for name in (*GAUGES, *COUNTERS):
            row[name] = int(vmstat[INDEX[name]])
        row["kernel_pages"] = self.kernel_pages
        row["pool_pages"] = held
        row["pool_payload_pages"] = round(int(pool[pool_state.PAYLOAD]) / int(num[st.PAGE_SIZE]), 3)
        row["stored_pages"] = int(backend[backend_state.STORED_PAGES])
        row["swap_used_pages"] = int(num[st.SWAP_TOTAL] - num[st.SWAP_FREE])
        row["backend_stores"] = int(backend[backend_state.STORES])
        row["backend_loads"] = int(backend[backend_state.LOADS])
        row["backend_rejects"] = int(backend[backend_state.REFUSED])
        row["allocstall"] = int(vmstat[INDEX["allocstall_movable"]])
        row["accesses"] = int(num[st.ACCESSES])
        for name, value in row.items():
            self.series[name].append(value)
