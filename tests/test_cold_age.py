"""Idle ages and cold pages in far memory: ages by hand, reclaim that is not misled, stores, refusals, figures, the daily workload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.memory import cold
from models.memory import state as st
from models.memory.rmap import references
from models.workloads.stream import READ, SLEEP, UNMAP, WRITE, Process
from sim.actors.kreclaimd import Kreclaimd
from sim.config.load import load
from sim.errors import UserError
from sim.machine import simulate
from sim.plan import plan_of
from sim.vm import Vm
from tests.machine_kit import counter, fill, make_plan, make_vm, mix, process, rows_of, run

SECOND = 1_000_000_000
HEAD = """
name: cold
seed: 3
duration: 20min
warm_up: 8min
replications: 1
machine: {memory: 32MiB, cpus: 1, kernel_reserved: 4MiB, sysctl: {vm.page-cluster: 0}}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 64MiB}
backend: {kind: zcache, persistent: {compressor: lz4, zv_max_zsize: 2990, zv_max_mean_zsize: 2990}}
reclaim: {cold_age: {threshold: 240s}}
workloads:
- name: app
  kind: daily
  rate: 200
  fill: true
  part: {kind: zipf, alpha: 1.2, size: 12MiB, accesses: 100000000}
output: {interval: 10s}
"""


def nap(seconds: float) -> tuple[list[int], list[int], list[int]]:
    whole = int(seconds)
    parts = [SECOND] * whole + [round((seconds - whole) * SECOND)]
    return [SLEEP] * len(parts), [0] * len(parts), parts


def with_thread(program: Process, threshold: int = 0, period: int = SECOND, **plan: Any) -> tuple[Vm, Kreclaimd]:
    """A VM of the kit with a thread whose threshold is given in scans."""
    vm = make_vm(make_plan([program], **{"backend": "zcache", "allocator": "xcfmalloc", **plan}))
    vm.kreclaimd = thread = Kreclaimd(vm, threshold * period, period)
    vm.env.process(thread.run())
    return vm, thread


def ages(vm: Vm, thread: Kreclaimd, pages: int) -> list[int | None]:
    """Age of each virtual page; None where it is not mapped."""
    entries = vm.arrays.pte[:pages]
    return [int(thread.age[entry >> st.PTE_SHIFT]) if entry > 0 else None for entry in entries.tolist()]


# ---------------------------------------------------------------- ages


def test_ages_by_hand() -> None:
    """Scans at 1, 2, 3, 4 s.  Pages 0 to 3 are written at 0; 1 is used at 1.5, 2 at 2.5, 1 and 3 at 3.5."""
    uses = [nap(1.5), ([READ], [1], [0]), nap(1), ([READ], [2], [0]), nap(1), ([READ, READ], [1, 3], [0, 0]), nap(1)]
    vm, thread = with_thread(process(4, fill(4), *uses))
    seen = []
    vm.tasks[0].start()
    for at in (1.2, 2.2, 3.2, 4.2):
        vm.env.run(until=int(at * SECOND))
        seen.append(ages(vm, thread, 4))
    assert seen == [[0, 0, 0, 0], [1, 0, 1, 1], [2, 1, 0, 2], [3, 0, 1, 0]]
    assert thread.hist[cold.FOUND, :4].tolist() == [1, 2, 1, 0]  # 1 at age 0; 2 and 1 after one idle scan; 3 after two
    assert thread.hist[cold.PRESENT, :4].tolist() == [2, 1, 0, 1]
    assert thread.num[cold.SCANNED] == 16


def test_a_page_that_is_new_has_no_past() -> None:
    """Page 0 is given back and touched again: it gets the same frame, and yet nobody found a page used after so long."""
    again = [nap(3.5), ([UNMAP], [0], [1]), ([WRITE], [0], [0]), nap(1)]
    vm, thread = with_thread(process(2, fill(2), *again))
    vm.tasks[0].start()
    vm.env.run(until=int(4.2 * SECOND))
    assert ages(vm, thread, 2) == [0, 3]
    assert thread.hist[cold.FOUND].sum() == 0


def test_reclaim_sees_what_the_scan_took_and_the_scan_what_reclaim_took() -> None:
    vm, thread = with_thread(process(3, fill(3), nap(1.5), ([READ], [1], [0]), nap(1), nap(3)))
    vm.tasks[0].start()
    vm.env.run(until=int(1.2 * SECOND))
    frames = [int(entry) >> st.PTE_SHIFT for entry in vm.arrays.pte[:3]]
    assert not (vm.arrays.pte[:3] & st.PTE_ACCESSED).any()
    assert [references(vm.pages, f) for f in frames] == [1, 1, 1]  # used before the scan
    assert [references(vm.pages, f) for f in frames] == [0, 0, 0]
    vm.env.run(until=int(1.8 * SECOND))
    assert [references(vm.pages, f) for f in frames] == [0, 1, 0]  # reclaim takes the bit of page 1 before the scan comes
    vm.env.run(until=int(2.2 * SECOND))
    assert ages(vm, thread, 3) == [1, 0, 1]
    assert [references(vm.pages, f) for f in frames] == [0, 0, 0]  # and it is not counted twice


@settings(max_examples=30, deadline=None)
@given(some.lists(some.tuples(some.sampled_from(("use", "scan", "look")), some.integers(0, 2)), max_size=30))
def test_any_order_of_uses_scans_and_looks(steps: list[tuple[str, int]]) -> None:
    """Reclaim gets exactly the answers that it would get without scans; a scan's age is the scans since the last use."""
    vm, thread = with_thread(process(3, fill(3), nap(3)))
    vm.after_every_step = None
    vm.tasks[0].start()
    vm.env.run(until=1_000_000)
    frames = [int(entry) >> st.PTE_SHIFT for entry in vm.arrays.pte[:3]]
    looked, idle = [True] * 3, [-1] * 3  # used since reclaim last looked; age, -1 before the first scan
    used = [True] * 3
    for what, page in steps:
        if what == "use":
            vm.arrays.pte[page] |= st.PTE_ACCESSED
            looked[page] = used[page] = True
        elif what == "look":
            assert references(vm.pages, frames[page]) == int(looked[page])
            looked[page] = False
        else:
            cold.scan_step(vm.machine, thread.age, thread.num, thread.hist, 0, 1 << 60)
            idle = [0 if fresh or age < 0 else age + 1 for fresh, age in zip(used, idle, strict=True)]
            used = [False] * 3
            assert [int(thread.age[f]) for f in frames] == idle


def test_a_scan_can_stop_anywhere() -> None:
    vm, thread = with_thread(process(500, fill(500), nap(3)))
    vm.tasks[0].start()
    vm.env.run(until=int(0.5 * SECOND))
    calls = 0
    while True:
        calls += 1
        step = cold.scan_step(vm.machine, thread.age, thread.num, thread.hist, 0, 3000)
        if step & 15 == 0:
            break
    assert calls == 6  # 100 pages of 30 ns each time, and a last look
    assert thread.hist[cold.PRESENT, 0] == 500


# ---------------------------------------------------------------- storing


def test_cold_pages_leave_and_come_back_and_nothing_goes_to_the_device() -> None:
    program = process(
        1000, fill(1000), nap(1.2), (np.zeros(300), np.arange(300), np.zeros(300)), nap(3), (np.ones(1000), np.arange(1000), np.zeros(1000))
    )
    vm, thread = with_thread(program, threshold=2)
    vm.tasks[0].start()
    vm.env.run(until=int(3.5 * SECOND))
    assert ages(vm, thread, 1000) == [1] * 300 + [None] * 700
    assert thread.num[cold.STORED] == 700
    assert thread.scans[-1].far == 700
    assert counter(vm, "nr_anon_pages") == 300
    vm.env.run(until=vm.tasks[0].ended)
    assert counter(vm, "pgmajfault") > 0
    assert counter(vm, "pswpout") == counter(vm, "pswpin") == 0
    assert not any(vm.disks["disk"].requests)


def test_a_refused_page_stays_as_it_was_until_it_is_written() -> None:
    """Contents that do not compress: offered once, mapped as before; a read changes nothing, a write has it offered again."""
    uses = [nap(3.5), ([READ], [0], [0]), nap(3), ([WRITE], [1], [0]), nap(5)]
    vm, thread = with_thread(process(3, fill(3), *uses), threshold=2, rows=rows_of([4000] * 50))
    vm.tasks[0].start()
    vm.env.run(until=int(3.4 * SECOND))
    assert thread.num[cold.REFUSED] == 3
    assert (vm.arrays.pte[:3] & (st.PTE_PRESENT | st.PTE_WRITE) == st.PTE_PRESENT | st.PTE_WRITE).all()
    assert counter(vm, "nr_swapcached") == 0
    vm.env.run(until=int(6.4 * SECOND))
    assert thread.num[cold.REFUSED] == 3
    vm.env.run(until=int(11 * SECOND))
    assert thread.num[cold.REFUSED] == 4
    assert counter(vm, "pgfault") == 3  # neither the read nor the write had to fault


def test_a_full_swap_area_ends_the_pass() -> None:
    vm, thread = with_thread(process(300, fill(300), nap(5)), threshold=1, swap_slots=101)
    vm.tasks[0].start()
    vm.env.run(until=int(4.5 * SECOND))
    assert thread.num[cold.STORED] == 100
    assert counter(vm, "nr_anon_pages") == 200


@settings(max_examples=6, deadline=None)
@given(
    seed=some.integers(0, 1000),
    threshold=some.integers(1, 4),
    pages=some.sampled_from([1500, 3200]),
    allocator=some.sampled_from(["xcfmalloc", "xvmalloc"]),
)
def test_every_invariant_holds_under_pressure_too(seed: int, threshold: int, pages: int, allocator: str) -> None:
    rng = np.random.default_rng(seed)
    rows = rows_of(rng.integers(200, 4096, 3000))
    chunks = [part for k in range(4) for part in (mix(pages, 300, seed + k), nap(0.02))]
    vm, thread = with_thread(process(pages, fill(pages), *chunks), threshold, SECOND // 100, rows=rows, allocator=allocator)
    run(vm)
    assert thread.num[cold.SCANNED] > 0
    assert thread.num[cold.STORED] + thread.num[cold.REFUSED] > 0


# ---------------------------------------------------------------- figures


def scalars(folder: Path, *sets: str, **more: Any) -> dict[str, float]:
    path = folder / "cold.yaml"
    path.write_text(HEAD)
    return simulate(load(path, sets).config, 0, **more).scalars


def test_the_simulated_rate_is_that_of_the_histogram(tmp_path: Path) -> None:
    """One run that only looks gives cold memory and promotions of every threshold; simulating one of them gives the same.

    The rates differ by what the minutes and the scans, two minutes apart, cut differently at both ends.
    """
    looking = scalars(tmp_path, "reclaim.cold_age.threshold=never")
    for threshold in ("120s", "240s", "480s"):
        found = scalars(tmp_path, f"reclaim.cold_age.threshold={threshold}")
        assert found["cold_share"] == pytest.approx(looking[f"cold_age.{threshold}.cold_share"], abs=0.2)
        assert found["promotion_rate"] == pytest.approx(looking[f"cold_age.{threshold}.promotion_rate"], rel=0.05)
        assert found[f"cold_age.{threshold}.promotion_rate"] == pytest.approx(looking[f"cold_age.{threshold}.promotion_rate"], rel=0.01)
        assert found["cold_age.120s.cold_share"] == pytest.approx(looking["cold_age.120s.cold_share"], abs=0.2)
        assert found["cold_coverage"] > 95
        assert found["working_set_pages"] == pytest.approx(looking["working_set_pages"], rel=0.01)
        assert found["far_share"] <= found["cold_share"]
    assert "cold_age.960s.cold_share" not in looking  # the warm-up is too short for it
    assert "far_pages" not in looking


def test_invariants_and_identities_hold_in_a_configured_run(tmp_path: Path) -> None:
    found = scalars(tmp_path, "duration=9min", "warm_up=4min", check=17)
    assert found["cold_stores"] > 0
    assert found["cpu_cold"] > 0


def test_without_it_nothing_is_added(tmp_path: Path) -> None:
    found = scalars(tmp_path, "reclaim.cold_age=null", "duration=9min")
    assert not [name for name in found if "cold" in name or "promotion" in name]


def test_a_scan_changes_no_counter_of_reclaim() -> None:
    """Under pressure, on two CPUs, at no cost: the lists go the same way with scans as without."""
    from tests.machine_kit import COSTS

    found = []
    for scanned in (False, True):
        program = process(3500, fill(3500), mix(3500, 6000, 5, think=2000))
        vm = make_vm(make_plan([program], costs={**COSTS, "age_page": 0}), check=False)
        if scanned:
            vm.kreclaimd = Kreclaimd(vm, 0, 3_000_000)
            vm.env.process(vm.kreclaimd.run())
        run(vm)
        found.append(
            {name: counter(vm, name) for name in ("pgmajfault", "pgsteal_anon", "pgscan_anon", "pgactivate", "pgrefill", "pswpout")}
        )
    assert vm.kreclaimd is not None
    assert len(vm.kreclaimd.scans) > 10
    for name, value in found[0].items():
        assert found[1][name] == pytest.approx(value, rel=0.03), name


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (["reclaim.cold_age.threshold=60s"], "from one to 255 scan periods"),
        (["reclaim.cold_age.threshold=20h"], "from one to 255 scan periods"),
        (["backend=none"], "a backend that takes swapped pages"),
        (["reclaim.cold_age.threshold=soon"], "or never"),
        (["reclaim.cold_age.treshold=120s"], "did you mean threshold"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, sets: list[str], says: str) -> None:
    path = tmp_path / "cold.yaml"
    path.write_text(HEAD)
    with pytest.raises(UserError, match=says):
        load(path, sets)


# ---------------------------------------------------------------- daily


def ops_of(folder: Path, *sets: str) -> tuple[np.ndarray, np.ndarray]:
    """op and cpu_ns of the whole stream of the workload."""
    path = folder / "cold.yaml"
    path.write_text(HEAD)
    _, (workload,) = plan_of(load(path, ("workloads.app.fill=false", *sets)).config, 0, False)
    chunks = list(workload.program.processes[0].chunks())
    return np.concatenate([chunk[0] for chunk in chunks]), np.concatenate([chunk[2] for chunk in chunks])


def test_a_day_has_its_curve(tmp_path: Path) -> None:
    """Peak 100/s at 14 h, 20/s at 2 h; the mean of a cosine is the middle, 60/s: 5,184,000 ops a day of 24 h, here 24 minutes."""
    part = "workloads.app.part={kind: uniform, size: 4MiB, accesses: 100000}"
    sets = ["workloads.app.rate=100", "workloads.app.low=0.2", "workloads.app.period=24min", "workloads.app.peak=14min", part]
    op, cpu = ops_of(tmp_path, *sets)
    bursts = np.diff(np.concatenate(([-1], np.flatnonzero(op == SLEEP)))) - 1
    assert (op != SLEEP).sum() == 100_000
    assert bursts[:1440].sum() == pytest.approx(60 * 1440, rel=5e-4)
    assert bursts[14 * 60 - 5 : 14 * 60 + 5].mean() == pytest.approx(100, abs=0.5)
    assert bursts[2 * 60 - 5 : 2 * 60 + 5].mean() == pytest.approx(20, abs=0.5)
    ends = np.flatnonzero(op == SLEEP)[:1440]
    assert cpu[: ends[-1] + 1].astype(np.int64).sum() == 1440 * SECOND


def test_a_listed_curve_and_a_slow_rate(tmp_path: Path) -> None:
    """Loads 0, 1 by turns over four quarters of a day of 4 minutes, at 0.5 ops a second: a triangle with mean 1/2."""
    part = "workloads.app.part={kind: uniform, size: 4MiB, accesses: 600}"
    op, _ = ops_of(tmp_path, "workloads.app.rate=0.5", "workloads.app.curve=[0, 1, 0, 1]", "workloads.app.period=4min", part)
    bursts = np.diff(np.concatenate(([-1], np.flatnonzero(op == SLEEP)))) - 1
    assert bursts.max() == 1
    assert bursts[:2160].sum() == pytest.approx(0.5 * 0.5 * 2160, rel=0.03)


def test_the_fill_is_not_paced_and_covers_every_part(tmp_path: Path) -> None:
    """A mix of 4 MiB and, from 8 MiB on, 1 MiB: 1280 pages are written at once, whatever the parts' weights."""
    parts = "[{kind: uniform, size: 4MiB}, {kind: loop, size: 1MiB, offset: 8MiB}]"
    path = tmp_path / "cold.yaml"
    path.write_text(
        HEAD.replace("{kind: zipf, alpha: 1.2, size: 12MiB, accesses: 100000000}", f"{{kind: mix, weights: [1, 0], parts: {parts}}}")
    )
    _, (workload,) = plan_of(load(path).config, 0, False)
    op, page, _ = (np.concatenate(column) for column in zip(*workload.program.processes[0].chunks(), strict=True))
    assert (op[:1280] == WRITE).all()
    assert page[:1280].tolist() == [*range(1024), *range(2048, 2304)]
    assert (op[1280:] != SLEEP).sum() == 1024  # the other part has no share


@pytest.mark.parametrize(
    ("key", "says"),
    [("interval=5s", "interval"), ("curve=[1]", "at least two"), ("part={kind: uniform, processes: 2}", "several processes")],
)
def test_what_cannot_be_paced(tmp_path: Path, key: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        ops_of(tmp_path, f"workloads.app.{key}")
