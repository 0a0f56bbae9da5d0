"""From snapshots of raw counters to the figures that are compared: the plain columns of the measured runs' summary.csv.

A figure is growth over a stretch of the run (of vmstat, PSI, disks), or a state at its end (zswap, zram, meminfo).
"""

from __future__ import annotations

from collections.abc import Mapping

VMSTAT = (
    *("pswpin", "pswpout", "pgmajfault", "pgfault", "pgpgin", "pgpgout", "pgscan_kswapd", "pgscan_direct", "pgscan_anon", "pgscan_file"),
    *("pgsteal_kswapd", "pgsteal_direct", "pgsteal_anon", "pgsteal_file", "workingset_refault_anon", "workingset_refault_file"),
    *("workingset_activate_anon", "workingset_activate_file", "workingset_restore_anon", "workingset_restore_file"),
    *("pgactivate", "pgdeactivate", "pgrefill", "pgrotated", "zswpin", "zswpout", "zswpwb", "swap_ra", "swap_ra_hit"),
    *("nr_dirtied", "nr_written", "oom_kill", "kswapd_low_wmark_hit_quickly", "kswapd_high_wmark_hit_quickly", "pageoutrun"),
    *("drop_slab", "slabs_scanned"),
)
DISK = ("rd_ios", "rd_sectors", "wr_ios", "wr_sectors")
MEMINFO = ("AnonPages", "MemFree", "SwapCached", "Cached", "Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)")
SUMS = {  # figures that are sums of counters
    "pgscan": ("vmstat.pgscan_kswapd", "vmstat.pgscan_direct"),
    "pgsteal": ("vmstat.pgsteal_kswapd", "vmstat.pgsteal_direct"),
}
PSI = {f"psi_{what}_{who}_us": f"psi_{what}.{who}_total_us" for what in ("memory", "io") for who in ("some", "full")}
COUNTED_BY_ZSWAP = ("written_back_pages", "reject_", "pool_limit_hit", "duplicate_entry")  # the others of zswap are sizes


def whole_run(first: Mapping[str, float], last: Mapping[str, float]) -> dict[str, float]:
    """The figures of a run from the snapshots before its first and after its last phase; only those that `last` has counters for."""
    return {**_growth(first, last), **_state(last)}


def last_phase(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The `L_` figures: growth in the last phase, zswap's counters among them."""
    found = _growth(before, after)
    for key, value in after.items():
        name = key.removeprefix("zswap.")
        if name != key and name.startswith(COUNTED_BY_ZSWAP):
            found[f"zswap_{name}"] = value - before.get(key, 0)
    return {f"L_{name}": value for name, value in found.items()}


def _growth(first: Mapping[str, float], last: Mapping[str, float]) -> dict[str, float]:
    def grown(key: str) -> float:
        return last[key] - first.get(key, 0)

    found = {name: grown(f"vmstat.{name}") for name in VMSTAT if f"vmstat.{name}" in last}
    for name, parts in SUMS.items():
        if all(part in last for part in parts):
            found[name] = sum(map(grown, parts))
    stalls = [key for key in last if key.startswith("vmstat.allocstall")]
    if stalls:
        found["allocstall"] = sum(map(grown, stalls))
    found.update({name: grown(key) for name, key in PSI.items() if key in last})
    if "kswapd_schedstat.run_ns" in last:
        found["kswapd_run_s"] = grown("kswapd_schedstat.run_ns") / 1e9
    for key in last:
        source, _, rest = key.partition(".")
        if source == "diskstats" and rest.endswith(DISK):
            found[rest.replace(".", "_")] = grown(key)
    return found


def _state(last: Mapping[str, float]) -> dict[str, float]:
    found = {}
    for key, value in last.items():
        source, _, name = key.partition(".")
        if source == "zswap":
            found[f"zswap_{name}"] = value
        elif source == "zram_mm_stat":
            found[f"zram_{name}"] = value
        elif source == "meminfo" and name in MEMINFO:
            found[f"end_{name}_kb"] = value
    if "self_status.VmRSS" in last:
        found["end_rss_kb"] = last["self_status.VmRSS"]
    return found
