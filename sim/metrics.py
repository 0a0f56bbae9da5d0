"""What every figure of a run means: unit, group, which way is better, and the order it is shown in.

The engine may report names that are not here: `describe` gives them a plain entry, and the families `task.NAME.*` and
`device.NAME.*` take theirs from the part after the name.  Nothing here imports anything heavy.
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
    "swap": "Swap",
    "pool": "Compressed pool",
    "stalls": "Stalls and latencies",
    "cpu": "CPU time",
    "device": "Devices",
    "psi": "Pressure (PSI)",
    "oom": "Out of memory",
    "tasks": "Tasks",
    "other": "Other",
}

METRICS: dict[str, Metric] = {
    "run_time": Metric("s", "until the last task ended, or the configured duration", "time", "worse"),
    "pgfault_rate": Metric("1/s", "page faults per simulated second", "faults", "worse"),
    "pgmajfault_rate": Metric("1/s", "major faults (swap-ins from the device or the pool) per simulated second", "faults", "worse"),
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
    "workingset_refault_rate": Metric("pages/s", "evicted pages that came back", "reclaim", "worse"),
    "workingset_activate_rate": Metric("pages/s", "refaults inside the working set, put straight on the active list", "reclaim", "worse"),
    "pswpin": Metric("pages", "pages read from swap", "swap", "worse"),
    "pswpout": Metric("pages", "pages written to swap", "swap", "worse"),
    "pswpin_rate": Metric("pages/s", "pages read from swap per simulated second", "swap", "worse"),
    "pswpout_rate": Metric("pages/s", "pages written to swap per simulated second", "swap", "worse"),
    "swap_cache_hit_ratio": Metric("ratio", "swap faults that found their page in the swap cache", "swap", "better"),
    "readahead_hit_ratio": Metric("ratio", "pages read ahead from swap that were then used", "swap", "better"),
    "stored_pages": Metric("pages", "S: pages held in the pool, mean over time", "pool", "better"),
    "pool_pages": Metric("pages", "P: pool pages in use, an allocator's reserve of empty pages excluded, mean over time", "pool", "worse"),
    "pool_metadata": Metric("B", "M: metadata outside the pool's pages (descriptors), mean over time", "pool", "worse"),
    "pool_frames": Metric("pages", "page frames the pool holds, reserve included, mean over time", "pool", "worse"),
    "pool_frames_max": Metric("pages", "most frames it held at a sample", "pool", "worse"),
    "effective_compression": Metric("%", "(P + M/page) / S: memory spent per page stored", "pool", "worse"),
    "compression_ratio": Metric("ratio", "S * page / B: what the compressor alone achieves", "pool", "better"),
    "fragmentation_loss": Metric("%", "1 - B/(P * page): share of the pool's bytes that hold no payload", "pool", "worse"),
    "fragmentation_metadata": Metric("%", "of that, block headers and other metadata inside the pages", "pool", "worse"),
    "fragmentation_internal": Metric("%", "of that, rounding inside blocks", "pool", "worse"),
    "fragmentation_external": Metric("%", "of that, free space that holds nothing", "pool", "worse"),
    "backend_hit_ratio": Metric("ratio", "swap-ins that the backend answered", "pool", "better"),
    "backend_rejects": Metric("", "stores that the backend refused", "pool", "worse"),
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
    "cpu_idle": Metric("s", "idle time of all CPUs", "cpu", ""),
    "psi_memory_some": Metric("% of time", "at least one task stalled for memory", "psi", "worse"),
    "psi_memory_full": Metric("% of time", "all non-idle tasks stalled for memory", "psi", "worse"),
    "psi_io_some": Metric("% of time", "at least one task stalled for I/O", "psi", "worse"),
    "psi_io_full": Metric("% of time", "all non-idle tasks stalled for I/O", "psi", "worse"),
    "psi_cpu_some": Metric("% of time", "at least one runnable task waited for a CPU", "psi", "worse"),
    "oom_kill": Metric("", "tasks killed because no memory could be freed", "oom", "worse"),
}

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
        "read_latency": Metric("us", "mean time from queueing to completion of a read", "device", "worse"),
        "write_latency": Metric("us", "mean time from queueing to completion of a write", "device", "worse"),
        "queue": Metric("requests", "mean number of requests queued or in service", "device", "worse"),
    },
}

# What the terminal's table and the head of the report show, in this order, where a run has them.
KEY_METRICS: tuple[str, ...] = (
    "run_time",
    "pgfault_rate",
    "pgmajfault_rate",
    "pswpin_rate",
    "pswpout_rate",
    "reclaim_efficiency",
    "direct_share",
    "backend_hit_ratio",
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
    "cpu_idle",
)

HISTOGRAM_TITLES: dict[str, str] = {
    "fault_zero": "First touch (zero-filled page)",
    "fault_minor": "Minor fault (found in the swap cache)",
    "fault_major": "Major fault (from the device or the pool)",
    "allocstall": "Allocation stall (direct reclaim)",
}

_ORDER = {name: index for index, name in enumerate(METRICS)}
_GROUP_ORDER = {name: index for index, name in enumerate(GROUPS)}


def describe(name: str) -> Metric:
    """What the scalar `name` means; names that nobody has described get a plain entry in the group "other"."""
    known = METRICS.get(name)
    if known is not None:
        return known
    family, _, rest = name.partition(".")
    owner, _, leaf = rest.rpartition(".")
    members = FAMILIES.get(family)
    if members is None or not owner:
        return Metric("", "", "other")
    found = members.get(leaf, Metric("", "", "tasks" if family == "task" else family))
    return found._replace(doc=f"{owner}: {found.doc}" if found.doc else owner)


def ordered(names: set[str]) -> list[str]:
    """The names in the order of the tables: by group, then as listed here, then by name."""
    return sorted(names, key=lambda name: (_GROUP_ORDER[describe(name).group], _ORDER.get(name, len(_ORDER)), name))
