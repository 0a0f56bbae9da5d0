"""The machine against counters of real Linux guests (those in configs/validate/guests); see sim/validate."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sim.validate.guest import per_cpu_pages, simulate

RUNS = Path(__file__).resolve().parent.parent / "configs" / "validate" / "guests"


def load(name: str) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(gzip.decompress((RUNS / f"{name}.json.gz").read_bytes()))
    return run


def errors(name: str, *counters: str) -> dict[str, float]:
    """Simulated / measured - 1 of counters of the whole run; `a+b` is a sum."""
    run = load(name)
    before = run["phases"][0]["before"]
    last = {**before, **run["phases"][-1]["after"]}
    snapshots = simulate(run).snapshots
    found = {}
    for text in counters:
        keys = [f"vmstat.{part}" for part in text.split("+")]
        measured = sum(last[key] - before[key] for key in keys)
        found[text] = sum(snapshots[-1][key] - snapshots[0][key] for key in keys) / measured - 1
    return found


@pytest.mark.parametrize("name", ["A_disk_uni_1.5.r1", "A_disk_z08_1.5.r1", "A_disk_seq_1.5.r1", "T_noicount_2vcpu_disk_z08_1.5.r1"])
def test_anonymous_memory_and_a_swap_disk(name: str) -> None:
    found = errors(
        name, "pgmajfault", "pswpin", "pswpout", "workingset_refault_anon", "pgsteal_kswapd+pgsteal_direct", "pgscan_kswapd+pgscan_direct"
    )
    assert all(abs(error) < 0.03 for error in found.values()), found


def test_the_statistics_of_612_are_flushed_every_two_seconds() -> None:
    """Deactivation in 6.12 follows the sizes of the lists at the last flush, here from before the program began."""
    found = errors("K612_lg0_disk_uni_1.5.r1", "pgmajfault", "pswpin", "pswpout", "pgactivate", "pgdeactivate")
    assert all(abs(error) < 0.06 for error in found.values()), found


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("G_mglru_disk_uni_1.5.r1", 0.02),
        ("G_mglru_disk_seq_1.5.r1", 0.03),
        ("I_phase_disk_mglru.r1", 0.05),
        ("K612_lg7_disk_uni_1.5.r1", 0.04),
    ],
)
def test_multi_generational_lru(name: str, most: float) -> None:
    """A refault counts only until the oldest generation changes, so that counter is the loosest."""
    found = errors(
        name, "pgmajfault", "pswpin", "pswpout", "workingset_refault_anon", "pgsteal_kswapd+pgsteal_direct", "pgscan_kswapd+pgscan_direct"
    )
    assert all(abs(error) < most for error in found.values()), found


@pytest.mark.parametrize(
    "name", ["F_fileonly_seq_read_1.5.r1", "F_none_mmap.r1", "F_disk_streamread_hotanon.r1", "F_fileonly_uni_mmaprand_1.5.r1"]
)
def test_page_cache(name: str) -> None:
    """File reads by call and by mapping, without swap or beside hot anonymous memory."""
    found = errors(name, "pgpgin", "workingset_refault_file", "pgsteal_kswapd+pgsteal_direct")
    assert all(abs(error) < 0.03 for error in found.values()), found


@pytest.mark.parametrize(
    ("name", "most"), [("A_zs_z08_1.5.r1", 0.03), ("A_zbud_z08_1.5.r1", 0.03), ("A_z3f_z08_1.5.r1", 0.03), ("P_zs_mp10_z08_2.r1", 0.05)]
)
def test_zswap(name: str, most: float) -> None:
    found = errors(name, "pgmajfault", "pswpin", "pswpout", "workingset_refault_anon", "zswpin", "zswpout", "pgsteal_kswapd+pgsteal_direct")
    assert all(abs(error) < most for error in found.values()), found


def test_zram() -> None:
    """A missing frame is worth 2.4 stored pages there, so errors grow."""
    found = errors("A_zram_z08_1.5.r1", "pgmajfault", "pswpin", "pswpout", "workingset_refault_anon", "pgsteal_kswapd+pgsteal_direct")
    assert all(abs(error) < 0.04 for error in found.values()), found
    run = load("A_zram_z08_1.5.r1")
    last = {**run["phases"][0]["before"], **run["phases"][-1]["after"]}
    state = simulate(run).snapshots[-1]
    for name in ("orig_data_size", "compr_data_size", "mem_used_total"):
        assert state[f"zram_mm_stat.{name}"] == pytest.approx(last[f"zram_mm_stat.{name}"], rel=0.04)


def test_612_reclaims_the_swap_caches_nodes() -> None:
    """Half of the refaults from zram find no shadow any more."""
    found = errors("K612_lg0_zram_z08_1.5.r1", "pgmajfault", "pswpin", "pswpout", "workingset_refault_anon")
    assert all(abs(error) < 0.08 for error in found.values()), found


def test_pages_on_per_cpu_lists_are_what_the_counters_leave() -> None:
    before = {"zoneinfo.DMA.managed": 100, "zoneinfo.DMA32.managed": 900, "vmstat.nr_free_pages": 500, "vmstat.nr_unevictable": 20}
    before |= {"vmstat.nr_kernel_stack": 40, "meminfo.Percpu": 80, "meminfo.VmallocUsed": 120}
    assert per_cpu_pages(before, 300) == 1000 - 520 - 60 - 300
    assert per_cpu_pages(before, 500) == 0


def end_errors(name: str, **counters: str) -> dict[str, float]:
    """Simulated / measured - 1 of what the backend holds at the end: our name=the guest's."""
    run = load(name)
    last = {**run["phases"][0]["before"]}
    for phase in run["phases"]:
        last |= phase["before"] | phase["after"]
    end = simulate(run).snapshots[-1]
    return {ours: end[f"backend.{ours}"] / last[theirs] - 1 for ours, theirs in counters.items()}


@needs_runs
@pytest.mark.parametrize(
    ("name", "most"),
    [("A_zs_z08_1.5.r1", 0.015), ("A_zs_uni_2.r1", 0.015), ("A_zbud_z08_1.5.r1", 0.015), ("A_z3f_z08_1.5.r1", 0.025)],
)
def test_zswap(name: str, most: float) -> None:
    """Faults, swap traffic, stores and loads; at the end the pages held and the pool."""
    found = errors(name, "pgmajfault", "pswpin", "pswpout", "zswpin", "zswpout", "workingset_refault_anon", "pgsteal_kswapd+pgsteal_direct")
    assert all(abs(error) < most for error in found.values()), found
    held = end_errors(name, stored_pages="zswap.stored_pages", pool_total_size="zswap.pool_total_size")
    assert all(abs(error) < 0.03 for error in held.values()), held


@needs_runs
@pytest.mark.parametrize("name", ["A_zram_z08_1.5.r1", "A_zram_uni_1.5.r1"])
def test_zram(name: str) -> None:
    found = errors(name, "pgmajfault", "pswpin", "pswpout", "workingset_refault_anon", "pgsteal_kswapd+pgsteal_direct")
    assert all(abs(error) < 0.04 for error in found.values()), found
    names = ("orig_data_size", "compr_data_size", "mem_used_total")
    held = end_errors(name, **{name: f"zram_mm_stat.{name}" for name in names})
    assert all(abs(error) < 0.03 for error in held.values()), held


@needs_runs
def test_shadows_that_612_loses_with_their_nodes() -> None:
    """Since 6.3 the nodes of the swap cache that hold shadows only are reclaimed: half of zram's faults are no refaults."""
    found = errors("K612_lg0_zram_z08_1.5.r1", "pgmajfault", "pswpout", "workingset_refault_anon")
    assert all(abs(error) < 0.06 for error in found.values()), found
