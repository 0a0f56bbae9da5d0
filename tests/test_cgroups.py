"""Memory cgroups: charges, limits, reclaim inside a group, out of memory, throttling, proactive reclaim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from models.memory import groups as cg
from models.memory import state as st
from models.policies.linux_lru import LINUX_LRU
from models.policies.mglru import MGLRU
from models.workloads.stream import FREAD, Area, File, Process
from sim.actors.cold_age import ColdAgeController, smallest_threshold, threshold_of
from sim.actors.controllers import Commands
from sim.actors.groups import high_penalty
from sim.actors.senpai import Senpai, step_down, step_up
from sim.actors.tmo import Tmo, wanted
from sim.build_files import FilePlan
from sim.build_groups import Cgroup
from sim.config.load import load
from sim.errors import UserError
from sim.machine import simulate
from sim.metrics import describe
from sim.vm import Vm
from tests.machine_kit import counter, fill, make_plan, make_vm, mix, process, rows_of, run

PAGE = 4096
SECOND = 1_000_000_000


def machine(processes: list[Process], groups: list[Cgroup], member: list[int], check: bool = True, at_once: int = 2, **changes: Any) -> Vm:
    """A VM of several programs of one process each; member: the group of each, 0 the root; at_once: its CPUs."""
    plan = make_plan(processes, **changes)
    plan = plan._replace(
        cgroups=tuple(groups), processes=[item._replace(cgroup=number) for item, number in zip(plan.processes, member, strict=True)]
    )
    return make_vm(plan, cpus=at_once, groups=[[number] for number in range(len(processes))], check=check)


def row(vm: Vm, number: int = 1) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = vm.arrays.cgroup[number]
    return found


def zswap(kernel: str, **options: Any) -> dict[str, Any]:
    """Changes of a plan: zswap of that kernel over zbud, its shrinker on."""
    chosen = {"max_pool_percent": 50, "accept_threshold_percent": 90, "version": kernel, "shrinker_enabled": True, **options}
    return {"backend": "zswap", "allocator": "zbud", "backend_options": chosen, "kernel": kernel}


def thrash(pages: int, accesses: int, seed: int = 1) -> Process:
    return process(pages, fill(pages), mix(pages, accesses, seed))


def test_a_group_stays_below_its_limit_and_nothing_is_left_of_it() -> None:
    vm = machine([thrash(1500, 3000), thrash(600, 600, 2)], [Cgroup("a", max=1000 * PAGE)], [1, 0])
    run(vm, *vm.tasks)
    a = row(vm)
    assert a[cg.PEAK] <= 1000
    assert a[cg.S_STEAL_DIRECT] > 500
    assert a[cg.EV_MAX] > 10
    assert (a[cg.OF_KIND : cg.OF_KIND + 8] == 0).all()
    assert a[cg.USAGE] == a[cg.STOCK]
    assert counter(vm, "pgscan_direct") == counter(vm, "pgscan_kswapd") == 0  # nobody but the group was reclaimed
    assert counter(vm, "pgsteal_anon") == a[cg.S_STEAL_DIRECT] == a[cg.OWN_STEAL]
    assert counter(vm, "allocstall_movable") == 0
    assert int(vm.arrays.stolen[:, 2:].sum()) == 0  # every page that was taken was the group's


LIMITS = some.integers(64, 900)


@settings(max_examples=12, deadline=None)
@example([(64, None, 0), (452, None, 200), (490, 227, 1500)], 1114, True, "none", LINUX_LRU, "6.1", False, 100)  # orphans with slots
@given(
    limits=some.lists(some.tuples(LIMITS, some.none() | LIMITS, some.sampled_from([0, 200, 1500])), min_size=1, max_size=3),
    pages=some.integers(300, 1500),
    files=some.booleans(),
    backend=some.sampled_from(["none", "zcache", "zswap"]),
    policy=some.sampled_from([LINUX_LRU, MGLRU]),
    kernel=some.sampled_from(["6.1", "6.12"]),
    pool=some.booleans(),
    seed=some.integers(0, 100),
)
def test_charges_add_up_whatever_happens(
    limits: Any, pages: int, files: bool, backend: str, policy: Any, kernel: str, pool: bool, seed: int
) -> None:
    """Every step is followed by all invariants: what a group is charged is what it has, and no more than it may have."""
    processes, members, plans = [], [], []
    for number in range(len(limits) + 1):
        program = thrash(pages, 800, seed + number)
        if files:
            reads = np.arange(400) % 300
            program = process(pages + 200, fill(pages), (np.full(400, FREAD), reads, np.zeros(400)), mix(pages + 200, 500, seed))
            program = program._replace(areas=(Area(pages, 200, 0, shared=True),))
        processes.append(program)
        members.append(number)
        plans.append((FilePlan(File("f", 300), rows_of([1000]), 9000),) if files else ())
    groups = [
        Cgroup(f"g{n}", max=most * PAGE, high=high and high * PAGE, swap_max=swap and swap * PAGE)
        for n, (most, high, swap) in enumerate(limits)
    ]
    changes: dict[str, Any] = {"zcache": {"allocator": "xcfmalloc"}, "zswap": zswap(kernel, max_pool_percent=3)}.get(backend, {})
    changes = {"backend": backend, "kernel": kernel, **changes}
    plan = make_plan(processes, **changes, policy=policy, pool_in_cgroups=pool, files=tuple(plans))
    items = [item._replace(cgroup=number, program=number) for number, item in enumerate(plan.processes)]
    vm = make_vm(plan._replace(cgroups=tuple(groups), processes=items), groups=[[number] for number in range(len(items))])
    run(vm, *vm.tasks)
    orphans = vm.arrays.frame[:, st.FLAGS] & st.ORPHAN != 0  # under I/O when their task ended
    for number, group in enumerate(vm.arrays.cgroup[1:], 1):
        own = (orphans & (vm.arrays.frame_group == number)).sum()
        assert group[cg.OF_KIND + st.ANON] == own
        assert group[cg.OF_KIND + st.TABLE] == 0
        assert backend == "zswap" or group[cg.PEAK] <= group[cg.MAX]  # what zswap writes back is charged in any case
        assert group[cg.SWAP] <= 64 + own  # slots that wait for their batch, and those that orphans are being written to
    assert all(task.status in ("done", "oom-killed") for task in vm.tasks)


def test_swap_max_makes_a_group_run_out_of_memory_and_only_its_own_task_dies() -> None:
    vm = machine(
        [thrash(1500, 100), thrash(1400, 1000, 2), thrash(500, 500, 3)], [Cgroup("a", max=1000 * PAGE, swap_max=300 * PAGE)], [1, 0, 1]
    )
    run(vm, *vm.tasks)
    a = row(vm)
    assert [task.status for task in vm.tasks] == ["oom-killed", "done", "done"]
    assert (a[cg.EV_OOM], a[cg.EV_OOM_KILL], counter(vm, "oom_kill")) == (1, 1, 1)
    assert a[cg.EV_SWAP_MAX] == a[cg.EV_SWAP_FAIL] > 0
    assert a[cg.SWAP] <= 300


def test_a_group_without_swap_is_killed_though_the_machine_has_some() -> None:
    vm = machine([thrash(1200, 10)], [Cgroup("a", max=1000 * PAGE, swap_max=0)], [1])
    run(vm)
    assert vm.tasks[0].status == "oom-killed"
    assert counter(vm, "pswpout") == 0


@pytest.mark.parametrize(
    ("usage", "high", "charged", "jiffies"),
    [
        (1000, 1000, 64, 0),
        (1100, 1000, 64, 159),  # a tenth over: 104857^2 * 250 >> 34 = 159.998
        (1100, 1000, 32, 79),
        (1010, 1000, 64, 1),  # a hundredth: 1.6
        (2000, 1000, 64, 500),  # never more than two seconds
        (64, 0, 1, 500),
    ],
)
def test_penalty_of_the_overage(usage: int, high: int, charged: int, jiffies: int) -> None:
    assert high_penalty(usage, high, charged) == jiffies


def test_high_keeps_a_group_near_it_and_max_is_never_met() -> None:
    vm = machine([thrash(1500, 3000)], [Cgroup("a", max=1200 * PAGE, high=800 * PAGE)], [1])
    run(vm)
    a = row(vm)
    assert a[cg.EV_HIGH] > 0
    assert a[cg.EV_MAX] == 0
    assert 800 < a[cg.PEAK] <= 800 + cg.CHARGE_BATCH


def test_a_group_that_cannot_be_reclaimed_is_slowed_down_by_high() -> None:
    """No swap: pages beyond memory.high cost sleeps of up to two seconds, and nobody is killed."""
    vm = machine([process(500, fill(500))], [Cgroup("a", high=250 * PAGE, swap_max=0)], [1], swap_slots=0)
    run(vm)
    assert vm.tasks[0].status == "done"
    # batches of 64 end at 320, 384, 448 and 512 pages: all more than 5 % above
    expected = sum(high_penalty(pages, 250, 64) for pages in (256, 320, 384, 448, 512) if high_penalty(pages, 250, 64) > 2) * 4_000_000
    assert expected <= vm.env.now < expected * 1.2 + SECOND
    assert vm.groups is not None
    assert vm.groups.all[0].psi.memory_full >= expected


def test_low_protects_a_group_from_the_machine() -> None:
    """Two alike in a machine that is too small: without protection they lose alike, with it only the other one loses."""
    stolen = {}
    for low in (None, 1200 * PAGE):
        vm = machine([thrash(1100, 3000), thrash(2400, 3000, 2)], [Cgroup("a", low=low), Cgroup("b")], [1, 2])
        run(vm, *vm.tasks)
        stolen[low] = int(row(vm)[cg.S_STEAL_KSWAPD] + row(vm)[cg.S_STEAL_DIRECT])
        assert row(vm, 2)[cg.S_STEAL_KSWAPD] > 0
    assert stolen[None] > 100
    assert stolen[1200 * PAGE] == 0


def test_the_machine_takes_from_all_groups_and_the_root() -> None:
    vm = machine([thrash(1400, 4000), thrash(1400, 4000, 2), thrash(1400, 4000, 3)], [Cgroup("a"), Cgroup("b")], [1, 2, 0])
    run(vm, *vm.tasks)
    taken = vm.arrays.cgroup[:, [cg.S_STEAL_KSWAPD, cg.S_STEAL_DIRECT]].sum(1)
    assert (taken > 100).all()
    assert taken.sum() == counter(vm, "pgsteal_kswapd") + counter(vm, "pgsteal_direct") == counter(vm, "pgsteal_anon")
    assert vm.arrays.cgroup[:, cg.S_FAULT].sum() == counter(vm, "pgfault")
    assert vm.arrays.cgroup[:, cg.S_MAJFAULT].sum() == counter(vm, "pgmajfault")
    assert vm.arrays.cgroup[:, cg.S_REFAULT].sum() == counter(vm, "workingset_refault_anon")


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_zswap_bytes_are_charged_to_their_group_and_limited(kernel: str) -> None:
    """At the limit 6.1 refuses the page, 6.12 writes the group's oldest entry back and takes it."""
    size = 1000
    limited = Cgroup("a", max=1000 * PAGE, zswap_max=50 * PAGE)
    vm = machine(
        [thrash(1500, 2000), thrash(400, 400, 2)], [limited, Cgroup("b", max=300 * PAGE)], [1, 2],
        rows=rows_of([size]), pool_in_cgroups=True, **zswap(kernel),
    )  # fmt: skip
    most = 0
    inner = vm.after_every_step

    def look() -> None:
        nonlocal most
        assert inner is not None
        inner()
        most = max(most, int(row(vm)[cg.POOL_BYTES]))

    vm.after_every_step = look
    run(vm, *vm.tasks)
    assert 49 * PAGE < most < 50 * PAGE + size  # as long as the whole pages are fewer than the limit, one more may come
    assert counter(vm, "pswpout") > 0
    assert row(vm)[cg.S_ZSWPOUT] + row(vm, 2)[cg.S_ZSWPOUT] == counter(vm, "zswpout")
    written = vm.built.backend_counters(vm.built.backend_num)["written_back_pages"]
    if kernel == "6.1":
        assert written < 50 < 500 < counter(vm, "pswpout")  # the others went to the device
    else:
        assert written == counter(vm, "zswpwb") > 200
        assert counter(vm, "pswpout") > written  # refused: the oldest entry had a second chance
        assert row(vm)[cg.S_ZSWPOUT] > 600


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_without_zswap_writeback_nothing_goes_to_the_device(kernel: str) -> None:
    """The pool's limit makes 6.12's worker and shrinker write back: of the other group only."""
    keeps = Cgroup("a", max=1000 * PAGE, zswap_max=100 * PAGE, zswap_writeback=False)
    vm = machine([thrash(1200, 2000)], [keeps], [1], rows=rows_of([1000]), pool_in_cgroups=True, **zswap(kernel))
    run(vm)
    assert vm.tasks[0].status == "done"
    assert counter(vm, "pswpout") == 0
    if kernel == "6.12":
        both = [keeps._replace(zswap_max=None), Cgroup("b", max=300 * PAGE)]
        processes = [thrash(1200, 2000), thrash(600, 2000, 2)]
        vm = machine(processes, both, [1, 2], rows=rows_of([1000]), pool_in_cgroups=True, **zswap(kernel, max_pool_percent=5))
        gone = 0
        inner = vm.after_every_step

        def look() -> None:
            nonlocal gone
            assert inner is not None
            inner()
            queued = vm.arrays.frame[:, st.FLAGS] & st.WRITEBACK != 0
            gone += int((vm.arrays.frame_group[queued] == 1).sum())

        vm.after_every_step = look
        run(vm, *vm.tasks)
        assert counter(vm, "zswpwb") > 100
        assert gone == 0


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_mglru_keeps_generations_a_group(kernel: str) -> None:
    """A group's reclaim takes its own pages, the machine's takes from all; the counters of the groups add up to the machine's."""
    groups = [Cgroup("a", max=500 * PAGE), Cgroup("b")]
    processes = [thrash(1400, 4000), thrash(1400, 4000, 2), thrash(1400, 4000, 3)]
    vm = machine(processes, groups, [1, 2, 0], at_once=3, kernel=kernel, policy=MGLRU)
    run(vm, *vm.tasks)
    taken = vm.arrays.cgroup[:, [cg.S_STEAL_KSWAPD, cg.S_STEAL_DIRECT]].sum(1)
    assert (taken > 100).all()
    assert row(vm)[cg.PEAK] <= 500
    assert row(vm)[cg.OWN_STEAL] > 100
    assert (vm.arrays.cgroup[[0, 2], cg.OWN_STEAL] == 0).all()
    assert taken.sum() == counter(vm, "pgsteal_anon")
    for column, name in ((cg.S_REFAULT, "workingset_refault_anon"), (cg.S_RESTORE, "workingset_restore_anon"), (cg.S_REFILL, "pgrefill")):
        assert vm.arrays.cgroup[:, column].sum() == counter(vm, name), name


def test_memory_reclaim_takes_what_it_is_told_to_at_its_time() -> None:
    sleeper = process(1000, fill(1000), ([9], [0], [1_000_000_000]))
    vm = machine([sleeper], [Cgroup("a")], [1])
    assert vm.groups is not None
    told = Commands(vm, vm.groups.all[0], [(200_000_000, 100), (400_000_000, 50)])
    vm.tasks[0].start()
    seen = []
    for at in (199, 399, 599):
        vm.env.run(until=at * 1_000_000)
        seen.append(int(row(vm)[cg.OWN_STEAL]))
    assert seen[0] == 0
    assert 100 <= seen[1] <= 132
    assert 150 <= seen[2] <= 214
    assert told.reclaimed == seen[2]
    assert int(vm.arrays.stolen[-1].sum()) == seen[2]
    vm.env.run(until=vm.tasks[0].ended)


def test_memory_reclaim_gives_up_where_there_is_nothing() -> None:
    vm = machine([process(300, fill(300), ([9], [0], [1_000_000_000]))], [Cgroup("a", swap_max=0)], [1])
    assert vm.groups is not None
    Commands(vm, vm.groups.all[0], [(100_000_000, 100)])
    run(vm)
    assert row(vm)[cg.OWN_STEAL] == 0


SENPAI = {
    "interval": 60_000_000, "pressure": 1_000_000, "max_probe": 0.01, "max_backoff": 1.0, "coeff_probe": 10.0, "coeff_backoff": 20.0,
    "min": 64 * PAGE,
}  # fmt: skip


def test_senpai_steps() -> None:
    assert step_down(0, SENPAI) == 0.01
    assert step_down(100_000, SENPAI) == pytest.approx(0.01)  # a tenth of the target
    assert step_down(1_000_000, SENPAI) == pytest.approx(0.0001)
    assert step_up(2_000_000, SENPAI) == pytest.approx(0.01)  # twice the target: (2/20)^2
    assert step_up(20_000_000, SENPAI) == step_up(200_000_000, SENPAI) == 1.0


def test_senpai_finds_the_pages_that_are_used() -> None:
    """1,200 pages of which 500 are used, every 10 ms: the limit goes down until the stalls are as long as they should be."""
    rounds = 800
    once = (np.r_[np.zeros(500), 9], np.r_[np.arange(500), 0], np.r_[np.zeros(500), 10_000_000])
    many = tuple(np.tile(column, rounds) for column in once)
    vm = machine([process(1200, fill(1200), many)], [Cgroup("a")], [1], check=False)
    assert vm.groups is not None
    Senpai(vm, vm.groups.all[0], SENPAI | {"interval": 30_000_000})
    vm.tasks[0].start()
    group = vm.groups.all[0]
    vm.env.run(until=4 * SECOND)
    begun = group.psi.memory_some
    assert group.high < 700  # what is not used is gone
    vm.env.run(until=7 * SECOND)
    stalled = (group.psi.memory_some - begun) / 100  # an interval
    assert 0.2 * SENPAI["pressure"] < stalled < 2 * SENPAI["pressure"]
    vm.env.run(until=vm.tasks[0].ended)
    assert counter(vm, "oom_kill") == 0


def test_tmo_takes_its_share_without_pressure() -> None:
    options = {"interval": SECOND // 10, "psi_threshold": 0.1, "reclaim_ratio": 0.01}
    assert wanted(1000, 0.0, options) == 10
    assert wanted(1000, 0.05, options) == pytest.approx(5)
    assert wanted(1000, 0.2, options) == 0
    vm = machine([process(1000, fill(1000), ([9], [0], [2_000_000_000]))], [Cgroup("a")], [1])
    assert vm.groups is not None
    Tmo(vm, vm.groups.all[0], options)
    vm.tasks[0].start()
    vm.env.run(until=SECOND)
    assert 9 * 32 <= row(vm)[cg.OWN_STEAL] <= 9 * 64  # a write of ten pages frees at least a batch
    vm.env.run(until=vm.tasks[0].ended)


def test_smallest_threshold_that_keeps_the_rate() -> None:
    found = np.zeros(256, np.int64)
    found[[1, 2, 5]] = 100, 10, 3
    assert smallest_threshold(found, 0, 0, 1000) == 1
    assert smallest_threshold(found, 0, 0, 112) == 2
    assert smallest_threshold(found, 0, 0, 5) == 3
    assert smallest_threshold(found, 0, 0, 0) == 6
    assert smallest_threshold(found, 4, 3, 5) == 4  # those that came back were older than 3, the threshold then
    assert threshold_of([1, 1, 1, 9], 50) == 9  # the last interval needed more
    assert threshold_of([9, 1, 1, 1], 98) == 9
    assert threshold_of([2, 2, 2], 98) == 2


def test_cold_age_stores_what_is_not_used_and_keeps_its_rate() -> None:
    """1,000 pages of which 200 are used every millisecond: the others are stored, of this group only."""
    rounds = 600
    once = (np.r_[np.zeros(200), 9], np.r_[np.arange(200), 0], np.r_[np.zeros(200), 1_000_000])
    busy = process(1000, fill(1000), tuple(np.tile(column, rounds) for column in once))
    idle = process(500, fill(500), ([9], [0], [600_000_000]))
    vm = machine(
        [busy, idle], [Cgroup("a"), Cgroup("b")], [1, 2], rows=rows_of([1000]), backend="zcache", allocator="xcfmalloc", check=False
    )
    assert vm.groups is not None
    options = {"scan_period": 20_000_000, "promotion_rate_target": 0.2, "percentile": 98.0, "delay": 100_000_000, "working_set": 20_000_000}
    thread = ColdAgeController(vm, vm.groups.all[0], options)
    for task in vm.tasks:
        task.start()
    vm.env.run(until=590_000_000)
    assert thread.chosen[:4] == [0, 0, 0, 0]
    assert thread.chosen[-1] >= 1
    assert int((vm.arrays.frame_group == 1).sum()) == 200 + 2  # and its page tables
    assert row(vm)[cg.SWAP] == 800
    assert row(vm, 2)[cg.SWAP] == 0
    assert row(vm)[cg.S_MAJFAULT] == 0


CONFIG = """
name: groups
replications: 1
machine: {memory: 16MiB, kernel_reserved: 2MiB}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 64MiB}
backend: zcache
cgroups:
  web: {memory.max: 4MiB, memory.high: 3MiB, reclaim: [{at: 1ms, bytes: 1MiB}], controller: {kind: tmo, interval: 5ms}}
  batch: {memory.max: 2MiB}
workloads:
  - {name: a, kind: zipf, size: 5MiB, accesses: 20000, fill: true, cgroup: web}
  - {name: b, kind: uniform, size: 3MiB, accesses: 4000, fill: true, cgroup: batch}
  - {name: c, kind: uniform, size: 1MiB, accesses: 2000, fill: true}
output: {interval: 5ms}
"""


def test_a_configured_run_has_figures_of_each_group(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(CONFIG)
    result = simulate(load(file).config, 0, check=50)
    assert result.scalars["cgroup.web.memory.peak"] <= 3 * 256 + cg.CHARGE_BATCH
    assert result.scalars["cgroup.batch.memory.events.max"] > 0
    assert result.scalars["cgroup.batch.pgmajfault"] > 1000
    assert result.scalars["reclaimed.by-memory.reclaim.from-a.anon"] > 0
    assert 0 < result.scalars["cgroup.batch.psi_memory_full"] <= 100
    assert max(result.series["cgroup.batch.memory.current"]) <= 512
    assert not [name for name in result.scalars if name.startswith("cgroup.") and not describe(name).unit + describe(name).doc]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("workloads.0.cgroup=wbe", "did you mean web?"),
        ("cgroups.web.memory.mx=1MiB", "expected one of memory.max"),
        ("cgroups.web.memory.max=4KiB", "of at least|from 256KiB"),
        ("cgroups.web.memory.zswap.max=1MiB", "a backend that it limits: zswap"),
        ("cgroups.web.controller.kind=senpi", "did you mean senpai?"),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, change: str, message: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(CONFIG)
    with pytest.raises(UserError, match=message.replace("?", "[?]")):
        load(file, [change])
