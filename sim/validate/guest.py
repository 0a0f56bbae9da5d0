"""A measured guest as a configuration, and its simulation as snapshots of the same counters.

Everything about the machine comes from the run: zones and marks, memory on the lists at the start, sysctls, backend, devices, phases.
What is the same for all runs stands in `COSTS`, `TIMES` and the other constants below, and in `FITTED` with what it was taken from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sim.config.schema import Config

PAGE = 4096
KERNELS = {"k61": "6.1", "k612": "6.12"}
ZONES = ("DMA", "DMA32", "Normal")
IDLE_SIZES, USED_SIZES = ("700B", "4050B"), ("2400B", "4096B")  # compressed, of the memory that the guest holds at its start
LOCKED = 361  # nr_unevictable once the load generator and the sampler have locked their memory: after the first phase of every run

# Pages that the kernel holds and no counter shows (its page array aside), by kernel and backend: see `per_cpu_pages`
UNCOUNTED = {
    "k61": {"disk": 597, "zswap": 597, "zram": 550, "none": 509},
    "k612": {"disk": 607, "zswap": 560, "zram": 570, "none": 509},
}
SCATTERED = 3000  # free pages in page blocks that movable memory pins: where unmovable page cache meets its first boosts
COUNTED = (
    *("nr_free_pages", "nr_inactive_anon", "nr_active_anon", "nr_inactive_file", "nr_active_file", "nr_unevictable"),
    *("nr_slab_reclaimable", "nr_slab_unreclaimable", "nr_page_table_pages"),
)

FLUSH_PERIOD, FLUSHED_AT = 2_000_000_000, 340_000_000  # ns of uptime at which 6.12 brings its cgroups' statistics up to date
BEGUN_AT = 4_600_000_000  # ns of uptime at which programs begin, where a run was cut off before that was written down

# ns an operation at one instruction a ns (the guests' clock), from the counters and latencies of the runs named in FITTED
COSTS = {
    "access": "0s",
    "fault": "1300ns",
    "major_fault": "6500ns",
    "clear": "0s",
    "page_alloc": "100ns",
    "page_free": "1500ns",
    "scan": "1800ns",
    "deactivate": "500ns",
    "unmap": "0s",
    "submit_io": "3500ns",
    "read_page": "7us",
    "pass_over": "40ns",
    "look_at_entry": "600ns",
    "syscall": "3us",
    "copy_user": "500ns",
    "copy": "250ns",
}
TIMES = {
    "lz4": ("38us", "12us"),
    "lzo": ("45us", "14us"),
    "lzo-rle": ("42us", "14us"),
    "zstd": ("120us", "45us"),
    "deflate": ("300us", "90us"),
}
FILL, ACCESS = "12us", "30ns"
SWAP_DISK = {"kind": "ssd", "read_latency": "60us", "write_latency": "30us", "bandwidth": "13GB", "rotational": True}
FILE_DISK = SWAP_DISK

FITTED: tuple[tuple[str, str, str], ...] = (
    ("costs (fault, scan, page_free, submit_io, deactivate)", "counters and latency histograms", "A_disk_uni_1.5, A_zram_z08_1.5"),
    ("compress and decompress times", "latency histograms of swap-ins and kswapd's CPU time", "A_zram_z08_1.5, C_zs_zstd_z08_2"),
    ("latency and bandwidth of the swap and file disks", "iolat and latency histograms", "A_disk_uni_1.5, F_none_mmap"),
    (
        f"compressed sizes of the memory that is there at the start: evenly {'-'.join(IDLE_SIZES)} if idle, {'-'.join(USED_SIZES)} if used",
        "280 pool pages for 357 stored pages; huge_pages of zram, 83 of the 357 idle and 210 of the 441 used ones",
        "A_zs_z08_1.5, A_zram_*",
    ),
    ("pages that no counter shows (UNCOUNTED)", "managed memory less counted memory before and after the first phase", "all runs"),
    (
        "statistics of cgroups flushed at 0.34 s of every 2 s of uptime (6.12)",
        "pgdeactivate stands still from there",
        "K612_lg0_zs_uni_1.5, K612_lg0_F_disk_mmap",
    ),
    (f"{SCATTERED} free pages scattered among movable ones", "pgskip of unmovable page cache begins there", "F_fileonly_*"),
    (
        "zswap's worker in 6.12: 600 ns to look at an entry, two threads beside it that compute",
        "refusals before the first write-back, times kswapd was scheduled in",
        "K612_*_zs_*, K612_lg7_zbud_*",
    ),
    ("passing over a page of a zone that does not count: 40 ns", "kswapd's CPU time in the runs' first passes", "F_fileonly_*"),
    (f"{LOCKED} locked pages once the measuring programs run", "nr_unevictable after the first phase", "all runs"),
)


class Simulated(NamedTuple):
    """snapshots: counters before the first phase and after each; samples: (phase, accesses, counters) where they were asked for."""

    snapshots: list[dict[str, float]]
    samples: list[tuple[int, int, dict[str, float]]]


def words(texts: Sequence[str]) -> dict[str, str]:
    """`key=value` words."""
    return dict(part.split("=", 1) for part in texts if "=" in part)


def config_of(run: Mapping[str, Any], mark_every: int = 0) -> Config:
    """The configuration that is the guest of a run (as read from its file).  Raises UserError for settings that cannot be simulated."""
    return Config.from_dict(description(run, mark_every))


def description(run: Mapping[str, Any], mark_every: int = 0) -> dict[str, Any]:
    """The same as plain values, as YAML would hold them."""
    config, before = run["config"], run["phases"][0]["before"]
    options = words(run["workload"]["globals"])
    files = int(options.get("file", 0))
    sizes = run.get("env", {})
    disks: dict[str, Any] = {"vda": {**SWAP_DISK, "capacity": f"{config['swap_mb']}MiB", **_limit(config)}}
    if files:
        disks["vdb"] = {**FILE_DISK, "capacity": f"{config['data_mb']}MiB"}
    swap, backend = _swap(config, before)
    return {
        "name": run["name"],
        "description": "a measured guest",
        "replications": 1,
        "machine": {
            "memory": f"{config['ram_mb']}MiB",
            "cpus": config["vcpus"],
            "kernel": KERNELS[config["kernel"]],
            "start": {
                "zones": _zones(before, UNCOUNTED[config["kernel"]][config["BACKEND"]]),
                "stats_flush": f"{(FLUSHED_AT - run['phases'][0].get('t0_ns', BEGUN_AT) - 1) % FLUSH_PERIOD + 1}ns",
            },
            "sysctl": {
                "vm.swappiness": config["SWAPPINESS"],
                "vm.page-cluster": config["PAGECLUSTER"],
                "vm.min_free_kbytes": int(sizes.get("/proc/sys/vm/min_free_kbytes", config["MINFREE"])),
            },
        },
        "reclaim": {"policy": "mglru" if config["LRUGEN"] else "linux-lru"},
        "devices": disks,
        **swap,
        **({"filesystem": {"device": "vdb", "kind": "raw"}} if files else {}),
        "backend": backend,
        "costs": dict(COSTS),
        "workloads": [*_resident(config, before), _memhog(run, options, before, mark_every)],
    }


def _limit(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"iops_limit": config["swap_iops"]} if config["swap_iops"] else {}


def _zones(before: Mapping[str, float], uncounted: int) -> list[dict[str, Any]]:
    zones: list[dict[str, Any]] = []
    pfn = 1
    for name in ZONES:
        key = f"zoneinfo.{name}."
        if not before.get(key + "managed"):
            continue
        spanned = int(before[key + "spanned"])
        start = int(before.get(key + "start_pfn", pfn))
        counts = {column: int(before[key + column]) for column in ("managed", "free", "min", "low", "high")}
        zones.append({"name": name, **counts, "spanned": spanned, "start_pfn": start})
        pfn = start + spanned
    pcp = per_cpu_pages(before, uncounted)
    zones[-1] |= {"pcp": pcp, "reclaimable": int(before["vmstat.nr_slab_reclaimable"]), "movable": int(before["vmstat.nr_unevictable"])}
    zones[-1]["scattered"] = SCATTERED
    return zones


def per_cpu_pages(before: Mapping[str, float], uncounted: int) -> int:
    """Pages on per-CPU lists at the start: managed memory less all that is counted; they come into use at the first pressure."""
    managed = sum(before.get(f"zoneinfo.{name}.managed", 0) for name in ZONES)
    counted = sum(before.get(f"vmstat.{name}", 0) for name in COUNTED)
    kib = before.get("vmstat.nr_kernel_stack", 0) + before.get("meminfo.Percpu", 0) + before.get("meminfo.VmallocUsed", 0)
    return max(0, int(managed - counted - kib // 4 - uncounted))


def _held(name: str, sizes: tuple[str, str], pages: Mapping[str, int]) -> dict[str, Any]:
    contents = {"kind": "distribution", "shape": "uniform", "min": sizes[0], "max": sizes[1], "rows": max(*pages.values(), 16)}
    return {"name": name, "kind": "resident", "contents": contents, **{key: f"{count * PAGE}B" for key, count in pages.items()}}


def _resident(config: Mapping[str, Any], before: Mapping[str, float]) -> list[dict[str, Any]]:
    """What is on the lists at the start: shared memory that nobody maps is idle, the rest is in use.

    Multi-generational LRU reports all of it as active.  6.1 took it over from the two lists, where what is mapped was active; in 6.12
    it was on from the boot, and shared memory begins in the second youngest generation.
    """
    inactive, active = int(before["vmstat.nr_inactive_anon"]), int(before["vmstat.nr_active_anon"])
    idle = max(0, int(before["vmstat.nr_shmem"]) - int(before["vmstat.nr_mapped"]))
    if config["LRUGEN"]:
        idle = min(active, idle)
        used = active - idle if config["kernel"] == "k612" else 0
        pages = {"idle": idle, "used": used, "active": active - idle - used}
    else:
        idle = min(inactive, idle)
        pages = {"idle": idle, "used": inactive - idle, "active": active}
    parts = [_held("idle", IDLE_SIZES, {"idle": pages["idle"]})] if pages["idle"] else []
    if pages["used"] + pages["active"]:
        parts.append(_held("used", USED_SIZES, {name: pages[name] for name in ("used", "active")}))
    return parts


def _memhog(run: Mapping[str, Any], options: Mapping[str, str], before: Mapping[str, float], mark_every: int) -> dict[str, Any]:
    phases = []
    rows = anon = int(options.get("anon", 0))
    for spec, done in zip(run["workload"]["phases"], run["phases"], strict=False):
        word = words(spec.split(","))
        rows = max(rows, int(word.get("ap", 0)))
        counted = {"mix": ("n", done["n"]), "compile": ("units", done["units"])}.get(word.get("kind", "mix"))
        if counted is not None:
            word[counted[0]] = str(counted[1])
        phases.append(",".join(f"{key}={value}" for key, value in word.items()))
    contents = {name: options[name] for name in ("kdist",) if name in options}
    numbers = {name: int(options[name]) for name in ("cmode", "cseed") if name in options}
    return {
        "name": "memhog",
        "kind": "memhog",
        "oom_score_adj": 500,
        "contents": {"kind": "memhog-pages", "rows": max(rows, 1), **contents, **numbers},
        "anon": anon,
        "files": int(options.get("file", 0)),
        "fmode": options.get("fmode", "mmap"),
        "fadv": options.get("fadv", "normal"),
        "phases": phases,
        "locked": max(0, LOCKED - int(before["vmstat.nr_unevictable"])),
        "fill": FILL,
        "access": ACCESS,
        "mark_every": mark_every,
    }


def _compressor(name: str) -> dict[str, Any]:
    times = TIMES[name]
    return {"kind": name, "compress_time": times[0], "decompress_time": times[1]}


def _swap(config: Mapping[str, Any], before: Mapping[str, float]) -> tuple[dict[str, Any], Any]:
    """The swap area and the backend."""
    kind = config["BACKEND"]
    swap = {"swap": {"device": "vda", "size": f"{config['swap_mb']}MiB"}}
    if kind == "none":
        return {}, "none"
    if kind == "disk":
        return swap, "none"
    if kind == "zswap":
        return swap, {
            "kind": "zswap",
            "zpool": config["ZPOOL"],
            "compressor": _compressor(config["COMP"]),
            "max_pool_percent": config["MAXPOOL"],
            "accept_threshold_percent": config["ACCEPT"],
            "shrinker_enabled": config["SHRINKER"] == "Y",
        }
    return {}, {"kind": "zram", "disksize": f"{config['ZRAM_MB']}MiB", "compressor": _compressor(config["COMP"])}


def simulate(run: Mapping[str, Any], mark_every: int = 0, room: int = 0) -> Simulated:
    """Simulate the guest of a run; room: tree nodes for which its slab pages have room at the start, which no run records."""
    from sim.validate.observe import observe

    before = run["phases"][0]["before"]
    return observe(config_of(run, mark_every), before, room)
