"""The measured guests' workload generator and a machine like theirs, for the tests against ../shared/groundtruth.

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

from models.devices.ssd import Ssd
from models.workloads.stream import FREAD, FWRITE, Area, File
from sim.build import ProcessPlan, Start, ZoneStart
from sim.build_files import FilePlan, Filesystem
from sim.vm import Vm
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
SWAP_BANDWIDTH, FILE_BANDWIDTH = 13_000_000_000, 683_000_000  # bytes/s: 0.3 and 6 us a page, from the guests' latencies
LOCKED, SWAP_SLAB, LISTED = (
    91,
    60,
    {True: 45, False: 98},
)  # frames: mlocked at the start; slab of the swap cache; on per-CPU lists (with swap)
SCATTERED = 3000  # free frames among movable ones in use: where unmovable page cache meets its first boosts in the F_fileonly runs


def start(swap: bool) -> Start:
    """The guests' memory at the start, as zoneinfo says, less what the simulated processes do not take but the guest's did."""
    free = 16016 + 798 - LOCKED - (SWAP_SLAB if swap else 0)
    return Start(
        (
            ZoneStart("DMA", 3840, 3808, 139, 173, 207, 1, 4095),
            ZoneStart("DMA32", 24263, free, 884, 1105, 1326, 4096, 36823, 2283, 270, SCATTERED + 798, LISTED[swap]),
        )
    )


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


def pages_of(phase: dict[str, str], anon: int, file: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pages, write bits and file bits of a mix phase."""
    count, seed = int(phase["n"]), int(phase["seed"])
    u, w, f = (draws(seed, i, count) >> U(32) for i in (0, 2, 3))
    write = w < U((int(phase["wpm"]) << 32) // 1000)
    of_file = np.ones(count, bool) if anon == 0 else np.zeros(count, bool)
    if anon and file:
        of_file = f < U((int(phase["fpm"]) << 32) // 1000)
    page = np.zeros(count, np.int64)
    for where, key, span in ((~of_file, "a", anon), (of_file, "f", file)):
        if where.any():
            page[where] = region_pages(phase, key, span, u[where])
    return page, write, of_file


def region_pages(phase: dict[str, str], key: str, span: int, u: Any) -> Any:
    """Pages of the accesses to one region."""
    count = len(u)
    kind = phase[f"{key}pat"]
    if kind == "seq":
        return np.arange(count) % span
    if kind == "uni":
        return ((u * U(span)) >> U(32)).astype(np.int64)
    total = np.cumsum([rank ** -float(phase[f"{key}alpha"]) for rank in range(1, span + 1)])  # in the guest's order of additions
    table = np.minimum(np.floor(total / total[-1] * 4294967296.0), 0xFFFFFFFF)
    table[-1] = 0xFFFFFFFF
    rank = np.searchsorted(table, u.astype(np.float64), side="left")
    step = max(1, (span * 2654435769) >> 32)
    while np.gcd(step, span) != 1:
        step += 1
    return rank * step % span


def hash_of(page: np.ndarray, write: np.ndarray, of_file: np.ndarray) -> int:
    """The guest's proof of which accesses it made, in which order."""
    with np.errstate(over="ignore"):
        number = (np.arange(len(page), dtype=U) + U(1)) * U(GAMMA)
        return int(mix64((page.astype(U) * U(4) + write.astype(U) * U(2) + of_file.astype(U)) ^ number).sum(dtype=U))


def spec(text: str) -> dict[str, str]:
    return dict(part.split("=") for part in text.split(",") if "=" in part)


def load(name: str) -> dict[str, Any]:
    """One measured run."""
    run: dict[str, Any] = json.loads(gzip.decompress((RUNS / f"{name}.json.gz").read_bytes()))
    return run


def chunks_of(run: dict[str, Any], anon: int, file: int, by_call: bool) -> list[Any]:
    """The run's phases as chunks, checked against the hashes of the guest; mapped file pages lie behind the anonymous ones."""
    parts: list[Any] = [(np.ones(anon), np.arange(anon), np.zeros(anon))] if anon else []
    for phase, done in zip(run["workload"]["phases"], run["phases"], strict=True):
        if "kind=fill" in phase:
            continue
        page, write, of_file = pages_of(spec(phase), anon, file)
        assert hash_of(page, write, of_file) == int(done["hash"])
        op = write.astype(np.int64)
        if by_call:
            op[of_file] = np.where(write[of_file], FWRITE, FREAD)
        else:
            page = page + np.where(of_file, anon, 0)
        parts.append((op, page, np.full(len(page), 30)))
    return parts


def simulate(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Vm, Any]:
    """Simulate a measured run; returns the VM and a function from counter names to simulated / measured - 1."""
    run = load(name)
    values = spec(",".join(run["workload"]["globals"]))
    anon, file = int(values["anon"]), int(values.get("file", 0))
    by_call = values.get("fmode") == "read"
    rows = rows_of([2082] * 10)
    area = Area(anon, file, 0, shared=True, advice="random" if values.get("fadv") == "random" else "normal")
    guest = process(anon + file, *chunks_of(run, anon, file, by_call))
    if file and not by_call:
        guest = guest._replace(areas=(area,))
    background = process(798, (np.ones(798), np.arange(798), np.zeros(798)), ([9, 9], [0, 0], [4_000_000_000] * 2))
    swap = 163840 if "vda" in json.dumps(run["config"]) or "_disk_" in name else 0
    plan = make_plan(
        [background], rows=rows, swappiness=int(run["env"]["/proc/sys/vm/swappiness"]),
        memory=(3840 + 256 + 24263) * 4096, kernel_reserved=0, min_free_kbytes=4096,
        costs=GUEST_COSTS, swap_slots=swap, rotational=True,
    )  # fmt: skip
    files = ((), (FilePlan(File("vdb", max(file, 1)), rows, swap),)) if file else ((), ())
    plan = plan._replace(processes=[*plan.processes, ProcessPlan(guest, rows, 1)], files=files, filesystem=Filesystem("raw"))
    plan = plan._replace(start=start(swap > 0))
    bandwidth = FILE_BANDWIDTH if file else SWAP_BANDWIDTH
    vm = make_vm(plan, cpus=1, device=Ssd(8, 60_000, 30_000, bandwidth), check=False, groups=[[0], [1]])
    for task in vm.tasks:
        task.start()
    vm.env.run(until=vm.tasks[1].ended)
    before, after = run["phases"][0]["before"], {}
    for phase in run["phases"]:
        after.update(phase.get("before", {}) | phase["after"])

    def error(*names: str, less: tuple[str, ...] = ()) -> float:
        def grown(key: str) -> float:
            return float(after.get(f"vmstat.{key}", before[f"vmstat.{key}"]) - before[f"vmstat.{key}"])

        measured = sum(map(grown, names)) - sum(map(grown, less))
        simulated = sum(counter(vm, key) for key in names) - sum(counter(vm, key) for key in less)
        return simulated / measured - 1 if measured else 0.0

    return vm, error
