"""The machine against counters of a real Linux 6.1 guest under plain swap (skipped where the measured runs are not at hand).

Set beforehand, nothing per run: the frame budget (zones and free pages as the guest's zoneinfo says, 798 background pages, 106
frames of mlocked tables and slab) and costs per operation read off one run's latencies.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim.build
from models.devices.ssd import Ssd
from models.memory import state as st
from sim.build import ProcessPlan
from tests.machine_kit import COSTS, counter, make_plan, make_vm, process, rows_of

RUNS = Path(__file__).resolve().parent.parent.parent / "shared" / "groundtruth" / "runs"
GUEST_COSTS = {
    **COSTS,
    "fault": 1300,
    "clear": 3000,
    "major_fault": 1700,
    "scan": 1800,
    "page_free": 1500,
    "unmap": 0,
    "submit_io": 3500,
    "deactivate": 500,
}
GAMMA = 0x9E3779B97F4A7C15
U = np.uint64


def mix64(z: Any) -> Any:
    with np.errstate(over="ignore"):
        z = (z ^ (z >> U(30))) * U(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> U(27))) * U(0x94D049BB133111EB)
        return z ^ (z >> U(31))


def draws(seed: int, first: int, count: int) -> Any:
    """Every fourth output of splitmix64 from `first` on."""
    n = np.arange(count, dtype=U) * U(4) + U(first)
    with np.errstate(over="ignore"):
        return mix64(mix64(U(seed)) + (n + U(1)) * U(GAMMA))


def pages_of(phase: dict[str, str], span: int) -> tuple[np.ndarray, np.ndarray]:
    """Pages and write bits of a mix phase."""
    count, seed = int(phase["n"]), int(phase["seed"])
    u, w = draws(seed, 0, count) >> U(32), draws(seed, 2, count) >> U(32)
    write = w < U((int(phase["wpm"]) << 32) // 1000)
    kind = phase["apat"]
    if kind == "seq":
        return np.arange(count) % span, write
    if kind == "uni":
        return ((u * U(span)) >> U(32)).astype(np.int64), write
    total = np.cumsum([rank ** -float(phase["aalpha"]) for rank in range(1, span + 1)])  # in the guest's order of additions
    table = np.minimum(np.floor(total / total[-1] * 4294967296.0), 0xFFFFFFFF)
    table[-1] = 0xFFFFFFFF
    rank = np.searchsorted(table, u.astype(np.float64), side="left")
    step = max(1, (span * 2654435769) >> 32)
    while np.gcd(step, span) != 1:
        step += 1
    return rank * step % span, write


def hash_of(page: np.ndarray, write: np.ndarray) -> int:
    """The guest's proof of which accesses it made, in which order."""
    with np.errstate(over="ignore"):
        number = (np.arange(len(page), dtype=U) + U(1)) * U(GAMMA)
        return int(mix64((page.astype(U) * U(4) + write.astype(U) * U(2)) ^ number).sum(dtype=U))


def spec(text: str) -> dict[str, str]:
    return dict(part.split("=") for part in text.split(",") if "=" in part)


@pytest.mark.skipif(not RUNS.is_dir(), reason="../shared/groundtruth is not here: no measured runs to compare with")
@pytest.mark.parametrize("name", ["A_disk_uni_1.5.r1", "A_disk_z08_1.5.r1", "A_disk_seq_1.5.r1"])
def test_counters_of_a_real_guest(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = json.loads(gzip.decompress((RUNS / f"{name}.json.gz").read_bytes()))
    span = int(spec(",".join(run["workload"]["globals"]))["anon"])
    parts: list[Any] = [(np.ones(span), np.arange(span), np.zeros(span))]
    for phase, done in zip(run["workload"]["phases"][1:], run["phases"][1:], strict=True):
        page, write = pages_of(spec(phase), span)
        assert hash_of(page, write) == int(done["hash"])
        parts.append((write, page, np.full(len(page), 30)))
    background = process(798, (np.ones(798), np.arange(798), np.zeros(798)), ([9, 9], [0, 0], [4_000_000_000] * 2))
    rows = rows_of([2082] * 10)
    plan = make_plan(
        [background], rows=rows, memory=(3840 + 256 + 24263) * 4096, kernel_reserved=0, min_free_kbytes=4096,
        costs=GUEST_COSTS, swap_slots=163840, rotational=True,
    )  # fmt: skip
    plan = plan._replace(processes=[*plan.processes, ProcessPlan(process(span, *parts), rows)])
    free = {0: 3808, 1: 16016 + 798 - 106}
    whole = sim.build.zone_table

    def zone_table(plan: Any) -> Any:
        table = whole(plan)
        for z, frames in free.items():
            table[z, st.FRESH] += table[z, st.MANAGED] - frames
            table[z, st.ZONE_FREE] = frames
        return table

    monkeypatch.setattr(sim.build, "zone_table", zone_table)
    vm = make_vm(plan, cpus=1, device=Ssd(8, 60_000, 30_000, 13_000_000_000), check=False, groups=[[0], [1]])
    for task in vm.tasks:
        task.start()
    vm.env.run(until=vm.tasks[1].ended)
    before, after = run["phases"][0]["before"], {}
    for phase in run["phases"]:
        after.update(phase.get("before", {}) | phase["after"])

    def error(*names: str) -> float:
        measured = sum(after.get(f"vmstat.{key}", before[f"vmstat.{key}"]) - before[f"vmstat.{key}"] for key in names)
        return sum(counter(vm, key) for key in names) / measured - 1

    assert abs(error("pgmajfault")) < 0.03
    assert abs(error("pswpin")) < 0.03
    assert abs(error("workingset_refault_anon")) < 0.03
    assert abs(error("pswpout")) < 0.04
    assert abs(error("pgsteal_kswapd", "pgsteal_direct")) < 0.04
    assert abs(error("pgscan_kswapd", "pgscan_direct")) < 0.10


def test_the_generator_knows_its_own_arithmetic() -> None:
    """First output of splitmix64 from seed 0, a published constant."""
    assert int(mix64(U(GAMMA))) == 0xE220A8397B1DCDAF
