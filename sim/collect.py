"""From the machine's counters to the figures of a replication: differences since the warm-up, rates, ratios, quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.backends import backend as bs
from models.memory import state as st
from models.vmstat import INDEX, NAMES
from sim.results import Histogram
from sim.statistics import quantile_of_histogram

if TYPE_CHECKING:
    from sim.actors.sampler import Sampler
    from sim.vm import Vm

Array = np.ndarray[Any, Any]
NAN = float("nan")
SECOND = 1e9
MICROSECOND = 1e3


class Mark(NamedTuple):
    """All counters at one moment: the end of the warm-up, or of the run."""

    now: int
    vmstat: Array
    backend: Array
    cpu: Array
    hist: Array
    busy: int
    psi: tuple[int, int, int, int, int]
    disk: tuple[int, ...]
    accesses: int
    samples: int


def mark(vm: Vm, sampler: Sampler) -> Mark:
    """The counters now."""
    vm.psi.settle()
    psi, disk = vm.psi, vm.swap
    numbers: tuple[int, ...] = ()
    if disk is not None:
        numbers = (disk.busy, *disk.requests, *disk.latency, *disk.bytes)
    return Mark(
        int(vm.env.now),
        vm.vmstat.copy(),
        vm.built.backend_num.copy(),
        vm.arrays.cpu.copy(),
        vm.arrays.hist.copy(),
        vm.cpus.busy_ns(),
        (psi.memory_some, psi.memory_full, psi.io_some, psi.io_full, psi.cpu_some),
        numbers,
        int(vm.num[st.ACCESSES]),
        len(sampler.series["time_s"]),
    )


def edges() -> list[float]:
    """Edges of the latency histograms' bins, ns: below 4 one bin a ns, then four an octave."""
    low = [float(i) for i in range(4)] + [0.0] * 4
    low += [2.0 ** (b // 4) * (1 + b % 4 / 4) for b in range(8, st.BINS + 1)]
    for b in range(4, 8):  # these bins are never used: they would be another writing of 2 and 3
        low[b] = 3.0 + (b - 3) * 0.2
    return low


def histogram(counts: Array) -> Histogram:
    """The non-empty stretch of a histogram."""
    used = np.flatnonzero(counts)
    where = edges()
    if not len(used):
        return Histogram(where[8:10], [0])
    first, last = int(used[0]), int(used[-1])
    return Histogram(where[first : last + 2], [int(n) for n in counts[first : last + 1]])


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else NAN


def _quantiles(scalars: dict[str, float], name: str, counts: Array, points: dict[str, float]) -> None:
    """Mean and quantiles of a latency, microseconds."""
    shape = histogram(counts)
    total = sum(shape.counts)
    if not total:
        scalars.update({f"{name}_{key}": NAN for key in ("mean", *points)})
        return
    middle = [(a + b) / 2 for a, b in zip(shape.edges_ns, shape.edges_ns[1:], strict=False)]
    scalars[f"{name}_mean"] = sum(m * n for m, n in zip(middle, shape.counts, strict=True)) / total / MICROSECOND
    for key, share in points.items():
        scalars[f"{name}_{key}"] = quantile_of_histogram(shape.edges_ns, shape.counts, share) / MICROSECOND


def _reclaim(scalars: dict[str, float], d: dict[str, int], seconds: float) -> None:
    for name in ("pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct", "pgfault", "pgmajfault", "pswpin", "pswpout"):
        scalars[f"{name}_rate"] = _ratio(d[name], seconds)
    for name in ("pgfault", "pgmajfault", "pswpin", "pswpout", "oom_kill"):
        scalars[name] = d[name]
    stolen, scanned = d["pgsteal_kswapd"] + d["pgsteal_direct"], d["pgscan_kswapd"] + d["pgscan_direct"]
    scalars["reclaim_efficiency"] = _ratio(stolen, scanned)
    scalars["reclaim_efficiency_kswapd"] = _ratio(d["pgsteal_kswapd"], d["pgscan_kswapd"])
    scalars["reclaim_efficiency_direct"] = _ratio(d["pgsteal_direct"], d["pgscan_direct"])
    scalars["direct_share"] = _ratio(d["pgsteal_direct"], stolen)
    scalars["workingset_refault_rate"] = _ratio(d["workingset_refault_anon"], seconds)
    scalars["workingset_activate_rate"] = _ratio(d["workingset_activate_anon"], seconds)
    scalars["readahead_hit_ratio"] = _ratio(d["swap_ra_hit"], d["swap_ra"])
    scalars["allocstall"] = d["allocstall_movable"]


def _pool(scalars: dict[str, float], vm: Vm, begin: Mark, end: Mark, sampler: Sampler) -> None:
    """The pool's figures: time means from the samples, compression at its fullest sample, losses at the end of it."""
    built = vm.built
    backend = end.backend - begin.backend
    loads = int(backend[bs.LOADS])
    pswpin = int(end.vmstat[INDEX["pswpin"]] - begin.vmstat[INDEX["pswpin"]])
    scalars["backend_hit_ratio"] = _ratio(loads, loads + pswpin)
    scalars["backend_rejects"] = int(backend[bs.REFUSED])
    held = sampler.series["pool_pages"][begin.samples :] or sampler.series["pool_pages"][-1:]
    scalars["pool_frames"] = float(np.mean(held))
    scalars["pool_frames_max"] = sampler.pool_pages_max
    if not built.has_pool:
        return
    scalars.update(sampler.tally.means())


def _times(scalars: dict[str, float], vm: Vm, begin: Mark, end: Mark, seconds: float) -> None:
    cpu = end.cpu - begin.cpu
    for name in ("user", "fault", "kswapd", "direct", "compress", "decompress", "copy", "allocator", "io", "exit"):
        scalars[f"cpu_{name}"] = int(cpu[st.PURPOSES.index(name)]) / SECOND
    scalars["cpu_idle"] = seconds * vm.cpus.count - (end.busy - begin.busy) / SECOND
    names = ("psi_memory_some", "psi_memory_full", "psi_io_some", "psi_io_full", "psi_cpu_some")
    for name, before, after in zip(names, begin.psi, end.psi, strict=True):
        scalars[name] = 100 * _ratio((after - before) / SECOND, seconds)


def _device(scalars: dict[str, float], vm: Vm, begin: Mark, end: Mark, seconds: float) -> None:
    if vm.swap is None:
        return
    busy, reads, writes, read_ns, write_ns, read_bytes, write_bytes = (a - b for a, b in zip(end.disk, begin.disk, strict=True))
    first = f"device.{vm.swap.name}."
    scalars[first + "utilisation"] = 100 * _ratio(busy / SECOND, seconds)
    scalars[first + "reads"], scalars[first + "writes"] = reads, writes
    scalars[first + "read_latency"] = _ratio(read_ns / MICROSECOND, reads)
    scalars[first + "write_latency"] = _ratio(write_ns / MICROSECOND, writes)
    scalars[first + "queue"] = _ratio((read_ns + write_ns) / SECOND, seconds)  # Little's law
    scalars[first + "read_bytes"], scalars[first + "written_bytes"] = read_bytes, write_bytes


def scalars_of(vm: Vm, begin: Mark, end: Mark, sampler: Sampler) -> dict[str, float]:
    """All figures between two marks."""
    seconds = (end.now - begin.now) / SECOND
    d = {name: int(end.vmstat[i] - begin.vmstat[i]) for i, name in enumerate(NAMES)}
    hist = end.hist - begin.hist
    scalars: dict[str, float] = {"run_time": end.now / SECOND}
    _reclaim(scalars, d, seconds)
    swap_faults = int(hist[st.H_MAJOR].sum() + hist[st.H_MINOR].sum()) - d["pgreuse"]
    scalars["swap_cache_hit_ratio"] = _ratio(swap_faults - int(hist[st.H_MAJOR].sum()), swap_faults)
    _pool(scalars, vm, begin, end, sampler)
    _quantiles(scalars, "allocstall", hist[st.H_STALL], {"p50": 0.5, "p99": 0.99, "max": 1.0})
    faults = hist[st.H_ZERO] + hist[st.H_MINOR] + hist[st.H_MAJOR]
    _quantiles(scalars, "fault", faults, {"p50": 0.5, "p99": 0.99, "p999": 0.999})
    _times(scalars, vm, begin, end, seconds)
    _device(scalars, vm, begin, end, seconds)
    return scalars
