"""From the machine's counters to the figures of a replication: differences since the warm-up, rates, ratios, quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.backends import backend as bs
from models.memory import file_state as fi
from models.memory import state as st
from models.vmstat import INDEX, NAMES
from sim.actors.disk import WAYS, Counters
from sim.actors.sampler import CLEANCACHE
from sim.collect_cold import cold_scalars
from sim.collect_groups import GroupMark, group_marks, group_scalars
from sim.metrics import reclaimed_name
from sim.results import Histogram
from sim.statistics import quantile_of_histogram

if TYPE_CHECKING:
    from sim.actors.disk import Disk
    from sim.actors.sampler import Sampler
    from sim.vm import Vm

Array = np.ndarray[Any, Any]
NAN = float("nan")
SECOND = 1e9
MICROSECOND = 1e3


class DiskMark(NamedTuple):
    """A device's counters and its latency histograms by direction."""

    counters: Counters
    hist: Array


class Mark(NamedTuple):
    """All counters at one moment: the end of the warm-up, or of the run."""

    now: int
    vmstat: Array
    backend: Array
    cpu: Array
    hist: Array
    busy: int
    psi: tuple[int, int, int, int, int]
    disks: dict[str, DiskMark]
    stolen: Array
    clean: dict[str, int]
    files_written: int
    cold: Array | None
    groups: list[GroupMark]


def _clean_counters(vm: Vm) -> dict[str, int]:
    """cleancache's counters, where there is a clean cache."""
    found = vm.built.backend_counters(vm.built.backend_num) if vm.num[fi.CLEAN_CACHE] else {}
    return {name: int(found.get(name, 0)) for name in CLEANCACHE}


def mark(vm: Vm, sampler: Sampler) -> Mark:
    """The counters now."""
    vm.psi.settle()
    psi = vm.psi
    return Mark(
        int(vm.env.now),
        vm.vmstat.copy(),
        vm.built.backend_num.copy(),
        vm.arrays.cpu.copy(),
        vm.arrays.hist.copy(),
        vm.cpus.busy_ns(),
        (psi.memory_some, psi.memory_full, psi.io_some, psi.io_full, psi.cpu_some),
        {name: DiskMark(disk.counters(), np.array(disk.histogram)) for name, disk in vm.disks.items()},
        vm.arrays.stolen.copy(),
        _clean_counters(vm),
        int(vm.num[fi.FILES_WRITTEN]),
        None if vm.kreclaimd is None else vm.kreclaimd.num.copy(),
        group_marks(vm),
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


def histograms_of(vm: Vm) -> dict[str, Histogram]:
    """All latency histograms of the run: faults and stalls, and `device.NAME.read` and `.write` of the devices that were used."""
    found = {name: histogram(np.asarray(vm.arrays.hist[i])) for i, name in enumerate(st.HISTOGRAMS)}
    for disk in vm.disks.values():
        found |= {f"device.{disk.name}.{way}": histogram(np.array(disk.histogram[i])) for i, way in enumerate(WAYS) if disk.requests[i]}
    return found


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else NAN


def _quantiles(scalars: dict[str, float], name: str, counts: Array, points: dict[str, float]) -> None:
    """Quantiles of a latency, microseconds."""
    shape = histogram(counts)
    for key, share in points.items():
        scalars[f"{name}_{key}"] = quantile_of_histogram(shape.edges_ns, shape.counts, share) / MICROSECOND


def _mean(scalars: dict[str, float], name: str, counts: Array) -> None:
    """Mean of a latency from the middles of its bins, microseconds."""
    shape = histogram(counts)
    middle = [(a + b) / 2 for a, b in zip(shape.edges_ns, shape.edges_ns[1:], strict=False)]
    total = sum(m * n for m, n in zip(middle, shape.counts, strict=True))
    scalars[f"{name}_mean"] = _ratio(total / MICROSECOND, sum(shape.counts))


RATES = (
    *("pgfault", "pgmajfault", "pgscan_kswapd", "pgscan_direct", "pgscan_anon", "pgscan_file", "pgsteal_kswapd", "pgsteal_direct"),
    *("pgsteal_anon", "pgsteal_file", "pswpin", "pswpout", "slabs_scanned", "workingset_refault_anon", "workingset_refault_file"),
    *("workingset_activate_anon", "workingset_activate_file"),
)


def _reclaim(scalars: dict[str, float], d: dict[str, int], seconds: float) -> None:
    for name in RATES:
        scalars[f"{name}_rate"] = _ratio(d[name], seconds)
    for name in ("pgfault", "pgmajfault", "pswpin", "pswpout", "oom_kill"):
        scalars[name] = d[name]
    stolen, scanned = d["pgsteal_kswapd"] + d["pgsteal_direct"], d["pgscan_kswapd"] + d["pgscan_direct"]
    scalars["reclaim_efficiency"] = _ratio(stolen, scanned)
    for what in ("kswapd", "direct", "anon", "file"):
        scalars[f"reclaim_efficiency_{what}"] = _ratio(d[f"pgsteal_{what}"], d[f"pgscan_{what}"])
    scalars["direct_share"] = _ratio(d["pgsteal_direct"], stolen)
    scalars["file_share"] = _ratio(d["pgsteal_file"], stolen)
    for what in ("refault", "activate"):
        scalars[f"workingset_{what}_rate"] = _ratio(d[f"workingset_{what}_anon"] + d[f"workingset_{what}_file"], seconds)
    scalars["readahead_hit_ratio"] = _ratio(d["swap_ra_hit"], d["swap_ra"])
    scalars["allocstall"] = d["allocstall_movable"]


OF_FILES = (
    *("pgscan_anon_rate", "pgscan_file_rate", "pgsteal_anon_rate", "pgsteal_file_rate", "reclaim_efficiency_anon"),
    *("reclaim_efficiency_file", "file_share", "workingset_refault_anon_rate", "workingset_refault_file_rate"),
    *("workingset_activate_anon_rate", "workingset_activate_file_rate", "slabs_scanned_rate", "cpu_file", "cpu_slab", "cpu_flusher"),
)  # say nothing in a run without files


def _files(scalars: dict[str, float], d: dict[str, int], vm: Vm, begin: Mark, end: Mark, sampler: Sampler) -> None:
    """Page cache and writeback: time means from the samples, counts and rates; nothing in a run without files."""
    if not any(len(task.files) for task in vm.tasks):
        for name in OF_FILES:
            scalars.pop(name, None)
        return
    seconds = (end.now - begin.now) / SECOND
    columns = {
        "file_pages": ("nr_active_file", "nr_inactive_file"),
        "mapped_pages": ("nr_mapped",),
        "dirty_pages": ("nr_dirty",),
        "writeback_pages": ("nr_writeback",),
        "slab_pages": ("nr_slab_reclaimable", "nr_slab_unreclaimable"),
    }
    for name, parts in columns.items():
        scalars[name] = float(sum(sampler.since(part, begin.now).mean() for part in parts))
    scalars["dirty_pages_max"] = float(sampler.since("nr_dirty", begin.now).max())
    silent = int(end.backend[bs.LOADS] - begin.backend[bs.LOADS]) if vm.num[st.SYNC_SLOTS] and not vm.num[st.KERNEL_612] else 0
    scalars["file_pages_read"] = (d["pgpgin"] << 10) // sampler.page_size - (d["pswpin"] - silent)  # zram's reads are none of 6.1's pgpgin
    scalars["file_pages_written"] = end.files_written - begin.files_written
    scalars["file_read_rate"] = _ratio(scalars["file_pages_read"], seconds)
    scalars["file_write_rate"] = _ratio(scalars["file_pages_written"], seconds)
    for name in ("nr_dirtied", "nr_written"):
        scalars[f"{name}_rate"] = _ratio(d[name], seconds)
    for name in ("nr_vmscan_write", "nr_vmscan_immediate_reclaim"):
        scalars[name] = d[name]


def _clean(scalars: dict[str, float], begin: Mark, end: Mark, sampler: Sampler) -> None:
    """The clean cache's figures, where there is one."""
    if not sampler.has_clean:
        return
    puts, hits, misses = (end.clean[name] - begin.clean[name] for name in CLEANCACHE)
    scalars["cleancache_puts"], scalars["cleancache_hits"], scalars["cleancache_misses"] = puts, hits, misses
    scalars["cleancache_hit_ratio"] = _ratio(hits, hits + misses)
    scalars.update({f"clean_{name}": value for name, value in sampler.clean_tally.means().items()})


def group_names(vm: Vm) -> list[str]:
    """The workloads in the order of the columns of `stolen`."""
    names = [""] * (vm.arrays.stolen.shape[1] // 2)
    for task in vm.tasks:
        names[int(vm.arrays.proc[task.number, st.GROUP])] = task.workload
    return names


def _reclaimed(scalars: dict[str, float], vm: Vm, begin: Mark, end: Mark) -> None:
    """Who reclaimed what from whom: every reclaimer with every workload, pages of files only of those that have files."""
    stolen, names = end.stolen - begin.stolen, group_names(vm)
    has_files = {task.workload for task in vm.tasks if len(task.files)}
    told = ["memory.reclaim"] if vm.groups is not None else []
    for who, row in zip(["kswapd", *names, *told], stolen.tolist(), strict=True):
        for group, name in enumerate(names):
            scalars[reclaimed_name(who, name, "anon")] = row[2 * group]
            if name in has_files:
                scalars[reclaimed_name(who, name, "file")] = row[2 * group + 1]


def _pool(scalars: dict[str, float], vm: Vm, begin: Mark, end: Mark, sampler: Sampler) -> None:
    """The pool's figures: time means from the samples, compression at its fullest sample, losses at the end of it."""
    built = vm.built
    backend = end.backend - begin.backend
    loads = int(backend[bs.LOADS])
    pswpin = int(end.vmstat[INDEX["pswpin"]] - begin.vmstat[INDEX["pswpin"]])
    scalars["backend_hit_ratio"] = _ratio(loads, pswpin if vm.num[st.SYNC_SLOTS] else loads + pswpin)  # pswpin counts reads of zram
    scalars["backend_rejects"] = int(backend[bs.REFUSED])
    scalars["pool_frames"] = float(sampler.since("pool_pages", begin.now).mean())
    scalars["pool_frames_max"] = sampler.pool_pages_max
    if not built.has_pool:
        return
    scalars.update(sampler.tally.means())


def _times(scalars: dict[str, float], vm: Vm, begin: Mark, end: Mark, seconds: float) -> None:
    cpu = end.cpu - begin.cpu
    for purpose, name in enumerate(st.PURPOSES):
        if name != "cold" or vm.kreclaimd is not None:
            scalars[f"cpu_{name}"] = int(cpu[purpose]) / SECOND
    scalars["cpu_idle"] = seconds * vm.cpus.count - (end.busy - begin.busy) / SECOND
    names = ("psi_memory_some", "psi_memory_full", "psi_io_some", "psi_io_full", "psi_cpu_some")
    for name, before, after in zip(names, begin.psi, end.psi, strict=True):
        scalars[name] = 100 * _ratio((after - before) / SECOND, seconds)


QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
NAMED = {"write_bytes": "written_bytes"}


def _device(scalars: dict[str, float], disk: Disk, begin: DiskMark, end: DiskMark) -> None:
    """A device's statistics between two marks; the latter is now."""
    first = f"device.{disk.name}."
    found = disk.statistics(begin.counters)
    scalars[first + "utilisation"] = 100 * found.get("utilisation", NAN)
    scalars[first + "queue"], scalars[first + "queue_max"] = found.get("queue", NAN), found["queue_max"]
    for i, way in enumerate(WAYS):
        for name in (f"{way}s", f"{way}_bytes", f"{way}_merges"):
            scalars[first + NAMED.get(name, name)] = found[name]
        for name in (f"{way}_latency", f"{way}_wait"):
            scalars[first + name] = found.get(name, NAN) / MICROSECOND
        _quantiles(scalars, f"{first}{way}_latency", end.hist[i] - begin.hist[i], QUANTILES)


def scalars_of(vm: Vm, begin: Mark, end: Mark, sampler: Sampler) -> dict[str, float]:
    """All figures between two marks."""
    seconds = (end.now - begin.now) / SECOND
    d = {name: int(end.vmstat[i] - begin.vmstat[i]) for i, name in enumerate(NAMES)}
    hist = end.hist - begin.hist
    scalars: dict[str, float] = {"run_time": end.now / SECOND}
    _reclaim(scalars, d, seconds)
    if not any(task.process.areas for task in vm.tasks):  # faults of mapped files are in the same histograms
        swap_faults = int(hist[st.H_MAJOR].sum() + hist[st.H_MINOR].sum()) - d["pgreuse"]
        scalars["swap_cache_hit_ratio"] = _ratio(swap_faults - int(hist[st.H_MAJOR].sum()), swap_faults)
    _pool(scalars, vm, begin, end, sampler)
    _mean(scalars, "allocstall", hist[st.H_STALL])
    _quantiles(scalars, "allocstall", hist[st.H_STALL], {"p50": 0.5, "p99": 0.99, "max": 1.0})
    faults = hist[st.H_ZERO] + hist[st.H_MINOR] + hist[st.H_MAJOR]
    _mean(scalars, "fault", faults)
    _quantiles(scalars, "fault", faults, QUANTILES)
    _times(scalars, vm, begin, end, seconds)
    _files(scalars, d, vm, begin, end, sampler)
    _clean(scalars, begin, end, sampler)
    if vm.kreclaimd is not None and begin.cold is not None:
        scalars.update(cold_scalars(vm.kreclaimd, begin.now, begin.cold))
    _reclaimed(scalars, vm, begin, end)
    scalars |= group_scalars(vm, begin.groups, end.groups, sampler, begin.now)
    for name, disk in vm.disks.items():
        _device(scalars, disk, begin.disks[name], end.disks[name])
    return scalars
