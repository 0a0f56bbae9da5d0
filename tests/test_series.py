"""The time series and what is made of it: columns, sums that must hold at every sample, figures between two marks, devices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.allocators import pool as pool_state
from models.memory import file_state as fi
from models.memory import state as st
from models.vmstat import INDEX, NAMES
from sim import identities
from sim.actors import sampler as sampler_module
from sim.actors.sampler import COUNTERS, DEVICE, GAUGES, OWN, Sampler
from sim.collect import histogram, histograms_of, mark, scalars_of
from sim.config.load import is_bench, load, read
from sim.machine import make_vm, simulate
from sim.metrics import describe, ordered, reclaimed_name, reclaimed_parts
from sim.plan import plan_of
from sim.results import Replication
from sim.statistics import quantile_of_histogram
from sim.vm import Vm

DOCS = Path(__file__).parent.parent / "docs" / "results.md"
INTERVAL = 5_000_000
CONFIG = """
name: files
machine: {memory: 12MiB, kernel_reserved: 2MiB, sysctl: {vm.dirty_ratio: 10, vm.dirty_background_ratio: 5}}
devices:
  slow: {kind: hdd}
  fast: {kind: ssd}
filesystem: {device: slow}
swap: {device: fast, size: 64MiB}
backend: BACKEND
output: {interval: 5ms}
workloads:
  - {name: heap, kind: zipf, size: 10MiB, accesses: 30000, think: 30us, fill: true, contents: {kind: synthetic, rows: 512}}
  - {name: table, kind: file, size: 8MiB, rw: randrw, write_ratio: 0.4, block_size: 16KiB, accesses: 600, fsync_every: 50,
     contents: {kind: synthetic, rows: 512}}
  - {name: shared, kind: file, size: 4MiB, rw: randrw, method: mmap-shared, accesses: 800, contents: {kind: synthetic, rows: 512}}
  - {name: later, kind: file, size: 2MiB, rw: read, block_size: 64KiB, passes: 2, start: 2ms, contents: {kind: synthetic, rows: 512}}
"""
ALONE = """
name: alone
machine: {memory: 16MiB, kernel_reserved: 2MiB}
workloads: [{name: heap, kind: zipf, size: 2MiB, accesses: 3000, contents: {kind: synthetic, rows: 512}}]
"""


def config_of(folder: Path, backend: str = "{kind: zcache}", text: str = CONFIG) -> Any:
    path = folder / "c.yaml"
    path.write_text(text.replace("BACKEND", backend))
    return load(str(path)).config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("series")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Replication:
    return simulate(config_of(folder), 0, check=True)


def running(folder: Path, until: int = 400_000_000) -> tuple[Vm, Sampler]:
    """The VM in the middle of its run."""
    config = config_of(folder)
    plan, workloads = plan_of(config, 0, False)
    vm, _ = make_vm(config, plan, workloads)
    sampler = Sampler(vm, INTERVAL, 512, [])
    vm.env.process(sampler.run())
    vm.env.run(until=until)
    return vm, sampler


def last(result: Replication, name: str) -> float:
    return result.series[name][-1]


# ---------------------------------------------------------------- columns


def test_the_documents_name_every_column(whole: Replication) -> None:
    section = DOCS.read_text().partition("## Columns of series.csv")[2].partition("\n## ")[0]
    named = [name for line in section.splitlines() if line.startswith("| `") for name in re.findall(r"`([\w.]+)`", line.split("|")[1])]
    fixed = [name.replace(".slow.", ".NAME.") for name in whole.series if ".fast." not in name]
    assert sorted(named) == sorted(fixed)
    assert len(fixed) == len(set(fixed)) == 1 + len(GAUGES) + len(COUNTERS) + len(OWN) + len(DEVICE)


def test_columns_do_not_depend_on_what_happens(folder: Path, whole: Replication) -> None:
    without = simulate(config_of(folder, text=ALONE), 0)
    assert list(without.series) == [name for name in whole.series if not name.startswith("device.")]
    assert len({len(values) for values in whole.series.values()}) == 1


def test_the_last_sample_is_the_end_of_the_run(whole: Replication) -> None:
    assert last(whole, "time_s") == whole.simulated_s
    for name in (*GAUGES, *COUNTERS):
        if "threshold" not in name:
            assert last(whole, name) == whole.vmstat[name], name
    for column, name in zip(("cleancache_puts", "cleancache_hits", "cleancache_misses"), sampler_module.CLEANCACHE, strict=True):
        assert last(whole, column) == whole.backend[name]
    assert last(whole, "accesses") == whole.accesses


def test_the_run_uses_all_that_it_is_to_show(whole: Replication) -> None:
    """Without this the other tests could compare zeros."""
    for name in ("nr_dirtied", "pgsteal_file", "pgsteal_anon", "pgsteal_direct", "cleancache_puts", "file_pages_written", "pswpout"):
        assert last(whole, name) > 0, name
    for name in ("nr_mapped", "nr_dirty", "nr_writeback", "clean_pool_pages", "clean_stored_pages", "device.slow.queued"):
        assert max(whole.series[name]) > 0, name
    assert all(background < upper for background, upper in zip(*thresholds(whole), strict=True))


def thresholds(result: Replication) -> tuple[list[float], list[float]]:
    return result.series["nr_dirty_background_threshold"], result.series["nr_dirty_threshold"]


def test_counters_never_fall(whole: Replication) -> None:
    devices = [name for name in whole.series if name.startswith("device.") and not name.endswith((".queued", ".queue_ns"))]
    for name in (*COUNTERS, *devices, "cleancache_puts", "file_pages_written", "allocstall", "accesses"):
        assert (np.diff(whole.series[name]) >= 0).all(), name


def test_a_sample_changes_nothing(folder: Path) -> None:
    vm, sampler = running(folder)
    arrays = ("vmstat", "num", "zone", "cpu", "stolen", "frame", "file", "hist")
    before = [getattr(vm.arrays, name).copy() for name in arrays]
    disks = [disk.counters() for disk in vm.disks.values()]
    sampler.last = -1
    sampler.sample()
    for name, array in zip(arrays, before, strict=True):
        assert np.array_equal(array, getattr(vm.arrays, name)), name
    assert disks == [disk.counters() for disk in vm.disks.values()]


def test_thresholds_are_those_of_the_moment(folder: Path) -> None:
    """What was last worked out may be old: a reader of /proc/vmstat gets new ones (Linux 6.1 mm/vmstat.c)."""
    vm, sampler = running(folder)
    sampler.sample()
    now = {name: int(sampler.series[name][-1]) for name in GAUGES}
    free = max(now["nr_free_pages"] - int(vm.num[fi.RESERVE_TOTAL]), 0)
    available = free + now["nr_active_file"] + now["nr_inactive_file"] + 1
    shown = now["nr_dirty_threshold"]
    assert shown == 10 * 4096 // 100 * available // 4096 > 0
    vm.vmstat[INDEX["nr_dirty_threshold"]] = old = 1_000_000
    sampler.last = -1
    sampler.sample()
    assert sampler.series["nr_dirty_threshold"][-1] == shown
    assert vm.vmstat[INDEX["nr_dirty_threshold"]] == old


@pytest.mark.parametrize("most", [30, 31])
def test_a_long_run_keeps_every_second_sample(most: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = running(folder)[1].series
    monkeypatch.setattr(sampler_module, "MOST_SAMPLES", most)
    monkeypatch.setattr(sampler_module, "FIRST_ROWS", 2)
    sampler = running(folder)[1]
    times = np.array(sampler.series["time_s"])
    assert 15 <= len(times) <= most
    assert sampler.interval == 4 * INTERVAL
    assert set(times) <= set(full["time_s"])
    assert np.allclose(np.diff(times), 4 * INTERVAL / 1e9)
    begin = int(times[7] * 1e9)
    assert sampler.since("pgfault", begin).tolist() == sampler.series["pgfault"][7:]
    assert sampler.since("pgfault", begin + 1).tolist() == sampler.series["pgfault"][8:]
    assert sampler.since("pgfault", 10**12).tolist() == sampler.series["pgfault"][-1:]


# ---------------------------------------------------------------- sums


def test_the_documents_have_the_sums() -> None:
    section = DOCS.read_text().partition("## Sums that hold at every sample")[2].partition("\n## ")[0]
    block = re.search(r"```text\n(.*?)\n```", section, re.S)
    assert block is not None and tuple(block[1].splitlines()) == identities.IDENTITIES
    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.M)) == identities.EXTRA


@pytest.fixture(scope="module")
def middle(folder: Path) -> Vm:
    vm = running(folder)[0]
    assert identities.broken(vm) == []
    return vm


@pytest.mark.parametrize("identity", identities.IDENTITIES)
def test_every_sum_can_break(identity: str, middle: Vm, monkeypatch: pytest.MonkeyPatch) -> None:
    """One number too many on its left side breaks it; of an equation, on its right side too, and one too few."""
    real = identities.numbers(middle)
    places = [*NAMES, *identities.EXTRA]
    left, right = re.split(r" <?= ", identity)
    far = 1 if " = " in identity else 10**9
    changes = [(name, far) for name in left.split(" + ")]
    if " = " in identity:
        changes += [(name, sign) for name in right.split(" + ") for sign in (1, -1)]
    for name, by in changes:
        changed = real.copy()
        changed[places.index(name)] += by
        monkeypatch.setattr(identities, "numbers", lambda _, values=changed: values)
        found = [line.partition(":")[0] for line in identities.broken(middle)]
        assert identity in found, name
        assert all(name in line for line in found)


def test_a_broken_sum_ends_the_run_and_is_named(folder: Path) -> None:
    vm, _ = running(folder)
    vm.vmstat[INDEX["nr_dirty"]] += 1
    with pytest.raises(AssertionError, match=r"at \d+ ns .*\n.*nr_zone_write_pending = nr_dirty \+ nr_writeback: \d+ = \d+ \+ \d+"):
        vm.env.run(until=int(vm.env.now) + 2 * INTERVAL)


def test_a_lost_frame_ends_the_run(folder: Path) -> None:
    vm, _ = running(folder)
    vm.num[st.POOL_FRAMES] -= 1
    with pytest.raises(AssertionError, match="frames = kernel_frames"):
        identities.check_identities(vm)


# ---------------------------------------------------------------- figures


def test_who_reclaimed_what_adds_up_to_linuxs_counters(whole: Replication) -> None:
    found = {reclaimed_parts(name): value for name, value in whole.scalars.items() if name.startswith("reclaimed.")}
    names = ("heap", "table", "shared", "later")
    files = ("table", "shared", "later")
    assert set(found) == {
        (by, w, kind) for by in ("kswapd", *names) for w in names for kind in ("anon", "file") if kind == "anon" or w in files
    }
    taken = {part: value for part, value in found.items() if part is not None}
    assert sum(v for (by, _, _), v in taken.items() if by == "kswapd") == whole.vmstat["pgsteal_kswapd"]
    assert sum(v for (by, _, _), v in taken.items() if by != "kswapd") == whole.vmstat["pgsteal_direct"]
    assert sum(v for (_, _, kind), v in taken.items() if kind == "anon") == whole.vmstat["pgsteal_anon"]
    assert sum(v for (_, _, kind), v in taken.items() if kind == "file") == whole.vmstat["pgsteal_file"]
    assert taken["kswapd", "heap", "anon"] > 0 and taken["kswapd", "table", "file"] > 0


def test_names_of_reclaimed_pages_read_back() -> None:
    name = reclaimed_name("a.b", "c.d", "file")
    assert reclaimed_parts(name) == ("a.b", "c.d", "file")
    assert reclaimed_parts("device.a.reads") is None
    assert describe(name).doc == "pages of files reclaimed from c.d by a.b"
    assert describe(name).unit == "pages"


def test_every_figure_is_described_and_absent_where_it_means_nothing(folder: Path, whole: Replication) -> None:
    for name in whole.scalars:
        assert describe(name).doc and describe(name).group != "other", name
    without = simulate(config_of(folder, text=ALONE), 0).scalars
    missing = set(whole.scalars) - set(without)
    assert {"file_pages", "file_share", "cpu_file", "cleancache_hit_ratio", "clean_pool_pages", "device.slow.queue"} <= missing
    assert "swap_cache_hit_ratio" in without and "swap_cache_hit_ratio" not in whole.scalars  # mapped files' faults are among the others


def test_a_family_stands_together_in_its_own_order() -> None:
    names = {f"device.{disk}.{leaf}" for disk in ("b", "a") for leaf in ("queue", "reads", "read_latency_p99", "utilisation")}
    first = ["utilisation", "reads", "read_latency_p99", "queue"]
    assert ordered(names | {"run_time", "task.z.run_time"}) == [
        "run_time", *(f"device.{disk}.{leaf}" for disk in "ab" for leaf in first), "task.z.run_time",
    ]  # fmt: skip


def test_figures_of_files_are_those_of_the_counters(whole: Replication) -> None:
    scalars, series, seconds = whole.scalars, whole.series, whole.simulated_s
    assert scalars["file_pages_read"] * 4 + scalars["pswpin"] * 4 == whole.vmstat["pgpgin"]
    assert scalars["file_pages_read"] * 4096 == scalars["device.slow.read_bytes"]
    assert scalars["file_pages_written"] == last(whole, "file_pages_written")
    assert scalars["file_write_rate"] == pytest.approx(last(whole, "file_pages_written") / seconds)
    assert scalars["dirty_pages"] == pytest.approx(np.mean(series["nr_dirty"]))
    assert scalars["dirty_pages_max"] == max(series["nr_dirty"])
    cached = np.add(series["nr_active_file"], series["nr_inactive_file"])
    assert scalars["file_pages"] == pytest.approx(np.mean(cached))
    assert scalars["workingset_refault_rate"] * seconds == pytest.approx(
        whole.vmstat["workingset_refault_anon"] + whole.vmstat["workingset_refault_file"]
    )
    hits, misses = scalars["cleancache_hits"], scalars["cleancache_misses"]
    assert scalars["cleancache_hit_ratio"] == hits / (hits + misses)
    assert scalars["file_pages_read"] <= misses


def test_figures_are_those_behind_the_mark(folder: Path) -> None:
    vm, sampler = running(folder)
    begin = mark(vm, sampler)
    disks = {name: disk.counters() for name, disk in vm.disks.items()}
    stolen, before = vm.arrays.stolen.copy(), vm.vmstat.copy()
    vm.env.run(until=800_000_000)
    scalars = scalars_of(vm, begin, mark(vm, sampler), sampler)
    slow = vm.disks["slow"]
    reads, read_bytes = slow.requests[0] - disks["slow"].pairs[0][0], slow.bytes[0] - disks["slow"].pairs[1][0]
    assert 0 < reads < slow.requests[0]
    assert (scalars["device.slow.reads"], scalars["device.slow.read_bytes"]) == (reads, read_bytes)
    assert scalars["device.slow.read_latency"] == pytest.approx((slow.latency[0] - disks["slow"].pairs[3][0]) / reads / 1000)
    assert scalars["device.slow.queue"] == pytest.approx((slow.counters().area - disks["slow"].area) / 400e6)
    assert scalars["device.slow.utilisation"] == pytest.approx((slow.busy - disks["slow"].busy) / 4e6)
    taken = vm.arrays.stolen - stolen
    assert scalars[reclaimed_name("kswapd", "heap", "anon")] == taken[0, 0]
    assert scalars[reclaimed_name("kswapd", "table", "file")] == taken[0, 3]
    assert scalars["pgsteal_file_rate"] == pytest.approx((vm.vmstat - before)[INDEX["pgsteal_file"]] / 0.4)
    shown = [n for t, n in zip(sampler.series["time_s"], sampler.series["nr_dirty"], strict=True) if t >= 0.4]
    assert scalars["dirty_pages"] == pytest.approx(np.mean(shown))


def test_latencies_of_devices(folder: Path) -> None:
    vm, sampler = running(folder)
    found = histograms_of(vm)
    disk = vm.disks["slow"]
    for i, way in enumerate(("read", "write")):
        shape = found[f"device.slow.{way}"]
        assert sum(shape.counts) == disk.requests[i] > 0
        middle = sum((a + b) / 2 * n for a, b, n in zip(shape.edges_ns, shape.edges_ns[1:], shape.counts, strict=False))
        assert middle == pytest.approx(disk.latency[i], rel=0.13)  # four bins an octave
    assert set(st.HISTOGRAMS) <= set(found)
    start = mark(vm, sampler)._replace(now=0)
    vm.env.run(until=int(vm.env.now) + 200_000_000)
    scalars = scalars_of(vm, start, mark(vm, sampler), sampler)
    new = np.array(disk.histogram[0]) - start.disks["slow"].hist[0]
    shape = histogram(new)
    assert scalars["device.slow.read_latency_p99"] == quantile_of_histogram(shape.edges_ns, shape.counts, 0.99) / 1000


def test_an_unused_device_has_no_latency_and_no_histogram(folder: Path) -> None:
    text = ALONE + "devices: {idle: {kind: ssd}}\nswap: {device: idle, size: 16MiB}\n"
    result = simulate(config_of(folder, text=text), 0)
    assert result.scalars["device.idle.reads"] == result.scalars["device.idle.queue_max"] == 0
    assert np.isnan(result.scalars["device.idle.read_latency"]) and np.isnan(result.scalars["device.idle.read_latency_p50"])
    assert not [name for name in result.histograms if name.startswith("device.")]


def test_the_clean_caches_figures(folder: Path) -> None:
    """Effective compression by its definition, from the pool's tally at every sample."""
    vm, sampler = running(folder, until=1)
    clean = vm.built.clean_pool.num
    sampler.clean_tally = type(sampler.clean_tally)(4096)
    rows = []
    for k in range(1, 401):
        vm.env.run(until=k * INTERVAL + 1)
        rows.append([int(clean[which]) for which in (pool_state.POOL_PAGES, pool_state.OBJECTS, pool_state.META_OUTSIDE)])
    used, stored, outside = (sum(column) for column in zip(*rows, strict=True))
    means = sampler.clean_tally.means()
    assert stored > 0
    assert means["stored_pages"] == stored / 400
    assert means["effective_compression"] == pytest.approx(100 * (used + outside / 4096) / stored)


CONFIGS = sorted(path for path in (DOCS.parent.parent / "configs").rglob("*.yaml") if not is_bench(read(path)[0]))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_sums_hold_in_the_shipped_configurations(path: Path) -> None:
    """The start of every case, of a long sweep of a dozen: a sum that breaks raises."""
    cases = load(str(path), ["duration=400ms", "warm_up=0s"]).cases
    for case in cases[:: -(-len(cases) // 12)]:
        assert len(simulate(case.config, 0).series["time_s"]) > 1
