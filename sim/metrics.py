"""What every figure of a run means: unit, group, which way is better, and the order it is shown in.

The engine may report names that are not here: `describe` gives them a plain entry.  The families `task.NAME.*`, `device.NAME.*`,
`cgroup.NAME.*` and `reclaimed.by-WHO.from-NAME.*` take theirs from the part after the name.  Nothing here imports anything heavy.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Better = Literal["better", "worse", ""]


class Metric(NamedTuple):
    """One scalar of a run.

    unit       unit of the stored value ("s", "1/s", "pages", "%", "us", "ratio", "" for a plain count)
    doc        what it is, one line
    group      the table it stands in, one of GROUPS
    higher_is  "better", "worse" or "" (neither)
    """

    unit: str
    doc: str
    group: str
    higher_is: Better = ""


GROUPS: dict[str, str] = {
    "time": "Run time",
    "faults": "Page faults",
    "reclaim": "Reclaim",
    "files": "Page cache and writeback",
    "swap": "Swap",
    "pool": "Compressed pool",
    "clean": "Clean cache (cleancache)",
    "cold": "Cold memory (idle ages)",
    "stalls": "Stalls and latencies",
    "cgroup": "Memory cgroups",
    "cpu": "CPU time",
    "device": "Devices",
    "reclaimed": "Who reclaimed what from whom",
    "psi": "Pressure (PSI)",
    "oom": "Out of memory",
    "tasks": "Tasks",
    "other": "Other",
}

METRICS: dict[str, Metric] = {
    "run_time": Metric("s", "until the last task ended, or the configured duration", "time", "worse"),
    "warm_up": Metric("s", "time at the start that the figures leave out, as the run found it (warm_up: mser-5)", "time", ""),
    "warm_up_reliable": Metric("", "1: MSER-5 found its minimum in the first half; 0: the run is too short to tell", "time", "better"),
    "pgfault_rate": Metric("1/s", "page faults per simulated second", "faults", "worse"),
    "pgmajfault_rate": Metric("1/s", "major faults (pages from swap, the pool or a mapped file) per simulated second", "faults", "worse"),
    "pgfault": Metric("", "page faults", "faults", "worse"),
    "pgmajfault": Metric("", "major faults", "faults", "worse"),
    "pgscan_kswapd_rate": Metric("pages/s", "pages that kswapd looked at", "reclaim", "worse"),
    "pgscan_direct_rate": Metric("pages/s", "pages that tasks looked at in direct reclaim", "reclaim", "worse"),
    "pgsteal_kswapd_rate": Metric("pages/s", "pages that kswapd reclaimed", "reclaim", ""),
    "pgsteal_direct_rate": Metric("pages/s", "pages that tasks reclaimed directly", "reclaim", "worse"),
    "reclaim_efficiency": Metric("ratio", "pages reclaimed per page scanned", "reclaim", "better"),
    "reclaim_efficiency_kswapd": Metric("ratio", "the same for kswapd alone", "reclaim", "better"),
    "reclaim_efficiency_direct": Metric("ratio", "the same for direct reclaim alone", "reclaim", "better"),
    "direct_share": Metric("ratio", "share of the reclaimed pages that direct reclaim took", "reclaim", "worse"),
    "pgscan_anon_rate": Metric("pages/s", "anonymous pages that were looked at", "reclaim", "worse"),
    "pgscan_file_rate": Metric("pages/s", "file pages that were looked at", "reclaim", "worse"),
    "pgsteal_anon_rate": Metric("pages/s", "anonymous pages reclaimed", "reclaim", ""),
    "pgsteal_file_rate": Metric("pages/s", "file pages reclaimed", "reclaim", ""),
    "reclaim_efficiency_anon": Metric("ratio", "anonymous pages reclaimed per anonymous page scanned", "reclaim", "better"),
    "reclaim_efficiency_file": Metric("ratio", "file pages reclaimed per file page scanned", "reclaim", "better"),
    "file_share": Metric("ratio", "share of the reclaimed pages that were pages of files", "reclaim", ""),
    "workingset_refault_rate": Metric("pages/s", "evicted pages that came back", "reclaim", "worse"),
    "workingset_refault_anon_rate": Metric("pages/s", "of these, anonymous pages", "reclaim", "worse"),
    "workingset_refault_file_rate": Metric("pages/s", "of these, pages of files", "reclaim", "worse"),
    "workingset_activate_rate": Metric("pages/s", "refaults inside the working set, put straight on the active list", "reclaim", "worse"),
    "workingset_activate_anon_rate": Metric("pages/s", "of these, anonymous pages", "reclaim", "worse"),
    "workingset_activate_file_rate": Metric("pages/s", "of these, pages of files", "reclaim", "worse"),
    "slabs_scanned_rate": Metric("1/s", "objects that the shrinkers looked at", "reclaim", ""),
    "file_pages": Metric("pages", "pages of files in memory, mean over time", "files", ""),
    "mapped_pages": Metric("pages", "of these, mapped by some process, mean over time", "files", ""),
    "dirty_pages": Metric("pages", "dirty pages of files, mean over time", "files", ""),
    "dirty_pages_max": Metric("pages", "most dirty pages at a sample", "files", ""),
    "writeback_pages": Metric("pages", "pages being written, those on their way to swap included, mean over time", "files", ""),
    "slab_pages": Metric("pages", "pages of the kernel's own objects for files, mean over time", "files", "worse"),
    "file_pages_read": Metric("pages", "pages of files read from their device, readahead included", "files", "worse"),
    "file_pages_written": Metric("pages", "pages of files written to their device", "files", "worse"),
    "file_read_rate": Metric("pages/s", "pages of files read from their device", "files", ""),
    "file_write_rate": Metric("pages/s", "pages of files written to their device", "files", ""),
    "nr_dirtied_rate": Metric("pages/s", "pages of files that became dirty", "files", ""),
    "nr_written_rate": Metric("pages/s", "pages whose writing ended, those of swap included (as Linux counts)", "files", ""),
    "nr_vmscan_write": Metric("pages", "pages that reclaim itself began to write", "files", "worse"),
    "nr_vmscan_immediate_reclaim": Metric("pages", "dirty pages that reclaim met, to be reclaimed when written", "files", "worse"),
    "pswpin": Metric("pages", "pages read from swap", "swap", "worse"),
    "pswpout": Metric("pages", "pages written to swap", "swap", "worse"),
    "pswpin_rate": Metric("pages/s", "pages read from swap per simulated second", "swap", "worse"),
    "pswpout_rate": Metric("pages/s", "pages written to swap per simulated second", "swap", "worse"),
    "swap_cache_hit_ratio": Metric("ratio", "swap faults that found their page in the swap cache (if no file is mapped)", "swap", "better"),
    "readahead_hit_ratio": Metric("ratio", "pages read ahead from swap that were then used", "swap", "better"),
    "stored_pages": Metric("pages", "S: pages held in the pool, mean over time", "pool", "better"),
    "pool_pages": Metric("pages", "P: pool pages in use, an allocator's reserve of empty pages excluded, mean over time", "pool", "worse"),
    "pool_metadata": Metric("B", "M: metadata outside the pool's pages (descriptors), mean over time", "pool", "worse"),
    "pool_frames": Metric("pages", "page frames of all pools, reserves and the clean cache's included, mean over time", "pool", "worse"),
    "pool_frames_max": Metric("pages", "most frames they held at a sample", "pool", "worse"),
    "effective_compression": Metric("%", "(P + M/page) / S: memory spent per page stored", "pool", "worse"),
    "compression_ratio": Metric("ratio", "S * page / B: what the compressor alone achieves", "pool", "better"),
    "fragmentation_loss": Metric("%", "1 - B/(P * page): share of the pool's bytes that hold no payload", "pool", "worse"),
    "fragmentation_metadata": Metric("%", "of that, block headers and other metadata inside the pages", "pool", "worse"),
    "fragmentation_internal": Metric("%", "of that, rounding inside blocks", "pool", "worse"),
    "fragmentation_external": Metric("%", "of that, free space that holds nothing", "pool", "worse"),
    "backend_hit_ratio": Metric("ratio", "swap-ins that the backend answered", "pool", "better"),
    "backend_rejects": Metric("", "stores that the backend refused", "pool", "worse"),
    "cleancache_puts": Metric("pages", "clean pages of files that were offered to the clean cache when they left memory", "clean", ""),
    "cleancache_hits": Metric("pages", "pages of files that it gave back, and that were not read from the device then", "clean", "better"),
    "cleancache_misses": Metric("pages", "pages that it was asked for and did not have", "clean", "worse"),
    "cleancache_hit_ratio": Metric("ratio", "hits / (hits + misses)", "clean", "better"),
    "cold_pages": Metric("pages", "anonymous pages not used for the threshold (120 s without one), far ones included, mean", "cold", ""),
    "cold_share": Metric("%", "of the anonymous pages, mean over the scans", "cold", ""),
    "far_pages": Metric("pages", "pages in the backend and not in memory too, mean over the scans", "cold", "better"),
    "far_share": Metric("%", "of the anonymous pages, mean over the scans", "cold", "better"),
    "cold_coverage": Metric("%", "of the cold pages that are far", "cold", "better"),
    "working_set_pages": Metric("pages", "pages used within 120 s, mean over the scans", "cold", ""),
    "promotion_rate": Metric("%/min", "pages brought back from the backend a minute, of the working set", "cold", "worse"),
    "promotion_rate_p98": Metric("%/min", "98th percentile of it over the minutes of the run", "cold", "worse"),
    "pages_aged": Metric("pages", "pages whose accessed bit was looked at", "cold", ""),
    "cold_stores": Metric("pages", "cold pages that went to the backend", "cold", ""),
    "cold_refused": Metric("pages", "cold pages that the backend refused", "cold", "worse"),
    "allocstall": Metric("", "allocations that had to reclaim directly", "stalls", "worse"),
    "allocstall_mean": Metric("us", "mean length of such a stall", "stalls", "worse"),
    "allocstall_p50": Metric("us", "median stall", "stalls", "worse"),
    "allocstall_p99": Metric("us", "99th percentile of the stalls", "stalls", "worse"),
    "allocstall_max": Metric("us", "longest stall", "stalls", "worse"),
    "fault_mean": Metric("us", "mean latency of a page fault", "stalls", "worse"),
    "fault_p50": Metric("us", "median fault latency", "stalls", "worse"),
    "fault_p99": Metric("us", "99th percentile of fault latency", "stalls", "worse"),
    "fault_p999": Metric("us", "99.9th percentile of fault latency", "stalls", "worse"),
    "cpu_user": Metric("s", "the tasks' own computing", "cpu", ""),
    "cpu_fault": Metric("s", "page-fault entry, page tables, clearing", "cpu", "worse"),
    "cpu_kswapd": Metric("s", "reclaim by kswapd", "cpu", "worse"),
    "cpu_direct": Metric("s", "direct reclaim by tasks", "cpu", "worse"),
    "cpu_compress": Metric("s", "compressing pages", "cpu", "worse"),
    "cpu_decompress": Metric("s", "decompressing pages", "cpu", "worse"),
    "cpu_copy": Metric("s", "copying into and out of the pool", "cpu", "worse"),
    "cpu_allocator": Metric("s", "the pool's allocator: walking lists, splitting and merging blocks", "cpu", "worse"),
    "cpu_io": Metric("s", "building and completing device I/O", "cpu", "worse"),
    "cpu_exit": Metric("s", "freeing the memory of tasks that end", "cpu", ""),
    "cpu_file": Metric("s", "read() and write(): system calls, looking pages up, copying", "cpu", ""),
    "cpu_slab": Metric("s", "the kernel's own objects for files, and their shrinkers", "cpu", "worse"),
    "cpu_flusher": Metric("s", "writeback: finding dirty pages and sending them off", "cpu", "worse"),
    "cpu_cold": Metric("s", "scans of idle ages, and taking cold pages out of memory (compressing them apart)", "cpu", "worse"),
    "cpu_idle": Metric("s", "idle time of all CPUs", "cpu", ""),
    "psi_memory_some": Metric("% of time", "at least one task stalled for memory", "psi", "worse"),
    "psi_memory_full": Metric("% of time", "all non-idle tasks stalled for memory", "psi", "worse"),
    "psi_io_some": Metric("% of time", "at least one task stalled for I/O", "psi", "worse"),
    "psi_io_full": Metric("% of time", "all non-idle tasks stalled for I/O", "psi", "worse"),
    "psi_cpu_some": Metric("% of time", "at least one runnable task waited for a CPU", "psi", "worse"),
    "oom_kill": Metric("", "tasks killed because no memory could be freed", "oom", "worse"),
}

_CLEAN = (
    *("stored_pages", "pool_pages", "pool_metadata", "effective_compression", "compression_ratio"),
    *("fragmentation_loss", "fragmentation_metadata", "fragmentation_internal", "fragmentation_external"),
)
METRICS |= {f"clean_{name}": METRICS[name]._replace(doc=f"clean cache: {METRICS[name].doc}", group="clean") for name in _CLEAN}

FAMILIES: dict[str, dict[str, Metric]] = {
    "task": {
        "run_time": Metric("s", "from the task's start to its end", "tasks", "worse"),
    },
    "device": {
        "utilisation": Metric("%", "share of time with at least one request in service", "device", "worse"),
        "reads": Metric("", "read requests", "device", "worse"),
        "writes": Metric("", "write requests", "device", "worse"),
        "read_bytes": Metric("B", "bytes read", "device", "worse"),
        "written_bytes": Metric("B", "bytes written", "device", "worse"),
        "read_merges": Metric("", "read requests that went to the device inside another one", "device", ""),
        "write_merges": Metric("", "write requests that went to the device inside another one", "device", ""),
        "read_latency": Metric("us", "mean time from queueing to completion of a read", "device", "worse"),
        "read_latency_p50": Metric("us", "median of it", "device", "worse"),
        "read_latency_p99": Metric("us", "99th percentile", "device", "worse"),
        "read_latency_p999": Metric("us", "99.9th percentile", "device", "worse"),
        "read_wait": Metric("us", "mean time of a read in the queue", "device", "worse"),
        "write_latency": Metric("us", "mean time from queueing to completion of a write", "device", "worse"),
        "write_latency_p50": Metric("us", "median of it", "device", "worse"),
        "write_latency_p99": Metric("us", "99th percentile", "device", "worse"),
        "write_latency_p999": Metric("us", "99.9th percentile", "device", "worse"),
        "write_wait": Metric("us", "mean time of a write in the queue", "device", "worse"),
        "queue": Metric("requests", "mean number of requests queued or in service", "device", "worse"),
        "queue_max": Metric("requests", "most of them at once, warm-up included", "device", "worse"),
    },
    "cold_age": {
        "cold_share": Metric("%", "of the anonymous pages, would be cold", "cold", ""),
        "promotion_rate": Metric("%/min", "pages that would come back a minute, of the working set", "cold", "worse"),
        "promotion_rate_p98": Metric("%/min", "98th percentile of it over the scans", "cold", "worse"),
    },
    "cgroup": {
        "memory.current": Metric("pages", "charged, mean over time", "cgroup", ""),
        "memory.peak": Metric("pages", "most pages charged", "cgroup", ""),
        "memory.high": Metric("pages", "the limit, mean over time; the machine's pages where there is none", "cgroup", ""),
        "memory.swap.current": Metric("pages", "swap slots charged, mean over time", "cgroup", ""),
        "memory.zswap.current": Metric("B", "compressed bytes in zswap at the end", "cgroup", ""),
        "anon": Metric("pages", "anonymous pages mapped, mean over time", "cgroup", ""),
        "file": Metric("pages", "pages of files, mean over time", "cgroup", ""),
        "pagetables": Metric("pages", "page tables, mean over time", "cgroup", ""),
        "inactive_anon": Metric("pages", "on that list, mean over time", "cgroup", ""),
        "active_anon": Metric("pages", "on that list, mean over time", "cgroup", ""),
        "inactive_file": Metric("pages", "on that list, mean over time", "cgroup", ""),
        "active_file": Metric("pages", "on that list, mean over time", "cgroup", ""),
        "memory.events.low": Metric("", "reclaimed from although within memory.low", "cgroup", "worse"),
        "memory.events.high": Metric("", "reclaims because memory.high was exceeded", "cgroup", "worse"),
        "memory.events.max": Metric("", "tries to reclaim because memory.max was met", "cgroup", "worse"),
        "memory.events.oom": Metric("", "times that it was out of memory", "cgroup", "worse"),
        "memory.events.oom_kill": Metric("", "tasks killed for it", "cgroup", "worse"),
        "memory.swap.events.max": Metric("", "pages that memory.swap.max kept in memory", "cgroup", "worse"),
        "memory.swap.events.fail": Metric("", "pages that found no swap", "cgroup", "worse"),
        "psi_memory_some": Metric("% of time", "at least one of its tasks stalled for memory", "cgroup", "worse"),
        "psi_memory_full": Metric("% of time", "all its non-idle tasks stalled for memory", "cgroup", "worse"),
        "psi_io_some": Metric("% of time", "at least one of its tasks stalled for I/O", "cgroup", "worse"),
        "psi_io_full": Metric("% of time", "all its non-idle tasks stalled for I/O", "cgroup", "worse"),
        **{
            name: Metric("", "of memory.stat", "cgroup", "")
            for name in (
                *("pgfault", "pgmajfault", "pgrefill", "pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct"),
                *("pgactivate", "pgdeactivate", "workingset_refault_anon", "workingset_refault_file", "workingset_activate_anon"),
                *("workingset_activate_file", "workingset_restore_anon", "workingset_restore_file", "zswpin", "zswpout"),
            )
        },
    },
    "reclaimed": {
        "anon": Metric("pages", "anonymous pages reclaimed", "reclaimed", ""),
        "file": Metric("pages", "pages of files reclaimed", "reclaimed", ""),
    },
}

# The machine's own columns of series.csv, beside counters of /proc/vmstat and those of devices.
OWN_COLUMNS: tuple[str, ...] = (
    *("kernel_pages", "pool_pages", "pool_payload_pages", "stored_pages", "swap_used_pages", "clean_pool_pages", "clean_stored_pages"),
    *("file_pages_written", "backend_stores", "backend_loads", "backend_rejects", "allocstall", "accesses"),
    *("cleancache_puts", "cleancache_hits", "cleancache_misses"),
)

# What the terminal's table and the head of the report show, in this order, where a run has them.
KEY_METRICS: tuple[str, ...] = (
    "run_time",
    "pgfault_rate",
    "pgmajfault_rate",
    "pswpin_rate",
    "pswpout_rate",
    "reclaim_efficiency",
    "direct_share",
    "file_read_rate",
    "file_write_rate",
    "backend_hit_ratio",
    "cleancache_hit_ratio",
    "effective_compression",
    "fragmentation_loss",
    "allocstall_p99",
    "fault_p99",
    "psi_memory_full",
    "oom_kill",
)

CPU_PURPOSES: tuple[str, ...] = (
    "cpu_user",
    "cpu_fault",
    "cpu_kswapd",
    "cpu_direct",
    "cpu_compress",
    "cpu_decompress",
    "cpu_copy",
    "cpu_allocator",
    "cpu_io",
    "cpu_exit",
    "cpu_file",
    "cpu_slab",
    "cpu_flusher",
    "cpu_cold",
    "cpu_idle",
)

HISTOGRAM_TITLES: dict[str, str] = {
    "fault_zero": "First touch (zero-filled page)",
    "fault_minor": "Minor fault (found in memory)",
    "fault_major": "Major fault (from a device or the pool)",
    "allocstall": "Allocation stall (direct reclaim)",
}

_ORDER = {name: index for index, name in enumerate(METRICS)}
_LEAF_ORDER = {leaf: index for index, leaf in enumerate(leaf for members in FAMILIES.values() for leaf in members)}
_GROUP_ORDER = {name: index for index, name in enumerate(GROUPS)}


def reclaimed_name(by: str, whose: str, what: str) -> str:
    """The scalar of pages taken `by` kswapd or a workload's tasks from a workload; what: anon or file."""
    return f"reclaimed.by-{by}.from-{whose}.{what}"


def reclaimed_parts(name: str) -> tuple[str, str, str] | None:
    """(by, whose, what) of such a scalar; None for any other."""
    if not name.startswith("reclaimed.by-"):
        return None
    owner, _, what = name.removeprefix("reclaimed.by-").rpartition(".")
    by, found, whose = owner.partition(".from-")
    return (by, whose, what) if found else None


def describe(name: str) -> Metric:
    """What the scalar `name` means; names that nobody has described get a plain entry in the group "other"."""
    known = METRICS.get(name)
    if known is not None:
        return known
    family, _, rest = name.partition(".")
    owner, _, leaf = rest.partition(".") if family == "cgroup" else rest.rpartition(".")
    members = FAMILIES.get(family)
    if members is None or not owner:
        return Metric("", "", "other")
    found = members.get(leaf, Metric("", "", "tasks" if family == "task" else family))
    parts = reclaimed_parts(name)
    if parts is not None:
        return found._replace(doc=f"{found.doc} from {parts[1]} by {parts[0]}")
    return found._replace(doc=f"{owner}: {found.doc}" if found.doc else owner)


def ordered(names: set[str]) -> list[str]:
    """The names in the order of the tables: by group, then as listed here (a family's by owner first), then by name."""

    def place(name: str) -> tuple[int, int, str, int, str]:
        group = _GROUP_ORDER[describe(name).group]
        if name in METRICS:
            return group, _ORDER[name], "", 0, name
        owner, _, leaf = name.rpartition(".")
        return group, len(_ORDER), owner, _LEAF_ORDER.get(leaf, len(_LEAF_ORDER)), name

    return sorted(names, key=place)
