"""A configuration and a simulation that only look real: what results, sweeps and reports are tested with."""

from __future__ import annotations

import bisect
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sim.errors import UserError
from sim.progress import Progress
from sim.results import Histogram, Replication, TaskResult


class Figure(NamedTuple):
    """A published figure, as sim.config gives it."""

    case: str
    metric: str
    value: float
    source: str
    note: str = ""


@dataclass
class FakeConfig:
    name: str = "demo"
    replications: int = 3
    description: str = "a configuration that only looks real"
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: list[Path] = field(default_factory=list)
    published: list[Figure] = field(default_factory=list)

    @property
    def precision(self) -> None:
        return None

    @property
    def most_replications(self) -> int:
        return self.replications

    def resolved(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "seed": 2011,
            "replications": self.replications,
            "machine": {"memory": 160 << 20, "page_size": 4096, "cpus": 2},
            "backend": {"kind": self.settings.get("backend", "none")},
            "settings": self.settings,
            "files": [str(path) for path in self.inputs],
        }

    def input_files(self) -> list[Path]:
        return self.inputs


@dataclass
class FakeCase:
    name: str
    labels: dict[str, Any]
    config: FakeConfig


@dataclass
class FakeLoaded:
    config: FakeConfig
    cases: list[FakeCase]
    path: Path = Path("demo.yaml")
    origin: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def loaded(replications: int = 3, backends: tuple[str, ...] = ("none",), **more: Any) -> FakeLoaded:
    base = FakeConfig(replications=replications, **more)
    if len(backends) == 1:
        return FakeLoaded(base, [FakeCase("demo", {}, base)])
    cases = [
        FakeCase(name, {"backend.kind": name}, FakeConfig(replications=replications, settings={"backend": name}, **more))
        for name in backends
    ]
    return FakeLoaded(base, cases)


EDGES = [0.0] + [100.0 * 2 ** (k / 4) for k in range(80)]
KERNEL_PAGES = 1500
FRAMES = 40960


def _histogram(draw: random.Random, median_ns: float, spread: float, n: int) -> Histogram:
    counts = [0] * (len(EDGES) - 1)
    for _ in range(n):
        value = median_ns * math.exp(draw.gauss(0.0, spread))
        counts[min(bisect.bisect_right(EDGES, value), len(counts)) - 1] += 1
    return Histogram(EDGES, counts)


def _series(draw: random.Random, pool: bool, steps: int, interval_s: float) -> dict[str, list[float]]:
    rows: dict[str, list[float]] = {}
    majors = scanned = stolen = direct = stores = 0.0
    for step in range(steps):
        t = step * interval_s
        used = min(1.0, step / (steps * 0.3))
        pressure = used >= 1.0
        pool_pages = (3000 + 800 * math.sin(t * 2)) if pool and pressure else 0.0
        free = FRAMES * (1 - used) + 300 + draw.random() * 200
        anon = FRAMES - free - KERNEL_PAGES - pool_pages - 120
        if pressure:
            scanned += 900 + 300 * math.sin(5 * t) + draw.random() * 100
            stolen += 400 + 100 * math.sin(5 * t)
            direct += 40 * draw.random()
            majors += (20 if pool else 220) * (1 + draw.random())
            stores += 350
        values = {
            "time_s": t,
            "nr_free_pages": free,
            "nr_active_anon": anon * 0.6,
            "nr_inactive_anon": anon * 0.4,
            "nr_swapcached": 30.0,
            "nr_writeback": draw.randrange(0, 60) if pressure else 0,
            "nr_page_table_pages": 120.0,
            "kernel_pages": KERNEL_PAGES,
            "pool_pages": pool_pages,
            "pool_payload_pages": pool_pages * 0.82,
            "stored_pages": pool_pages * 2.1,
            "swap_used_pages": pool_pages * 2.1 + majors,
            "pgfault": majors * 3,
            "pgmajfault": majors,
            "pgscan_kswapd": scanned,
            "pgscan_direct": direct * 2,
            "pgsteal_kswapd": stolen,
            "pgsteal_direct": direct,
            "pswpin": majors,
            "pswpout": majors * 1.4,
            "backend_stores": stores if pool else 0,
            "backend_loads": stores * 0.8 if pool else 0,
            "backend_rejects": 0.0,
            "allocstall": direct / 32,
            "accesses": step * 1e5,
        }
        for name, value in values.items():
            rows.setdefault(name, []).append(float(value))
    return rows


def simulate(
    config: Any,
    replication: int,
    *,
    check: bool = False,
    trace: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Replication:
    """Deterministic in the configuration and the replication; `settings` say how it should misbehave."""
    settings = config.settings
    if "sleep" in settings:
        time.sleep(settings["sleep"])
    if settings.get("user_error") == replication:
        raise UserError("demo.yaml:7:3: machine.memory: too small")
    if settings.get("crash") == replication:
        raise RuntimeError("the model is broken")
    if settings.get("die") == replication:
        import os

        os._exit(3)
    backend = settings.get("backend", "none")
    draw = random.Random(f"{config.name}/{backend}/{replication}")
    pool = backend != "none"
    if progress:
        for part in range(1, 5):
            progress(Progress(part * 10**9, part / 4, part * 1000))
    if trace is not None:
        trace.write_text("an event log\n")
    run_time = (6.0 if not pool else 4.1 + 0.2 * len(backend)) * (1 + draw.gauss(0, 0.02))
    series = _series(draw, pool, settings.get("steps", 200), 0.05)
    majors = series["pgmajfault"][-1]
    scalars = {
        "run_time": run_time,
        "task.compiler.run_time": run_time,
        "pgfault_rate": 3 * majors / run_time,
        "pgmajfault_rate": majors / run_time,
        "pgfault": 3 * majors,
        "pgmajfault": majors,
        "pgscan_kswapd_rate": series["pgscan_kswapd"][-1] / run_time,
        "pgsteal_kswapd_rate": series["pgsteal_kswapd"][-1] / run_time,
        "reclaim_efficiency": 0.45 + 0.02 * draw.random(),
        "direct_share": 0.05 + 0.01 * draw.random(),
        "pswpin_rate": majors / run_time,
        "pswpout_rate": 1.4 * majors / run_time,
        "effective_compression": 52 + len(backend) + draw.random() if pool else math.nan,
        "fragmentation_loss": 18.0 + draw.random() if pool else math.nan,
        "backend_hit_ratio": 0.9 + 0.01 * draw.random() if pool else math.nan,
        "pool_pages": 3000.0 if pool else 0.0,
        "allocstall_p99": 120 + 10 * draw.random(),
        "fault_p99": 90 + 10 * draw.random(),
        "cpu_user": 3.1,
        "cpu_fault": 0.3,
        "cpu_kswapd": 0.2 + 0.01 * draw.random(),
        "cpu_direct": 0.05,
        "cpu_compress": 0.4 if pool else 0.0,
        "cpu_decompress": 0.2 if pool else 0.0,
        "cpu_copy": 0.1 if pool else 0.0,
        "cpu_io": 0.1,
        "cpu_idle": 2 * run_time - 4,
        "device.disk.utilisation": 5.0 if pool else 61 + draw.random(),
        "device.disk.reads": majors * 0.6,
        "device.disk.writes": majors * 0.3,
        "psi_memory_some": 12 + draw.random(),
        "psi_memory_full": 8 + draw.random(),
        "psi_io_some": 22 + draw.random(),
        "psi_io_full": 14 + draw.random(),
        "psi_cpu_some": 1 + draw.random(),
        "oom_kill": 0.0,
    }
    histograms = {
        "fault_zero": _histogram(draw, 700, 0.2, 2000),
        "fault_minor": _histogram(draw, 1500 if not pool else 4000, 0.3, 1500),
        "fault_major": _histogram(draw, 90000, 0.4, 800 if not pool else 100),
        "allocstall": _histogram(draw, 30000, 0.7, 200),
    }
    vmstat = {"nr_free_pages": 512, "pgfault": int(3 * majors), "pgmajfault": int(majors), "pswpin": int(majors)}
    return Replication(
        scalars,
        series,
        histograms,
        vmstat,
        {"stored_pages": 6300 if pool else 0},
        [TaskResult("compiler", "done", run_time, 4_000_000)],
        4_000_000,
        run_time,
    )
