"""touch.c in plain Python, and its measured runs replayed in a machine: a cgroup v1 limit with zram, on Linux 6.18.

Set beforehand, nothing per run: what else the group holds (55 pages, below), the time of a fault from the run's own `seconds`, and the
phase of the kernel's two-second statistics, which is not known: they start with the program.

55 pages: at the end of a run  pswpout - pswpin  pages are in swap (a page that comes back is written to, so its slot is given up); the
rest of the 32,768 is in memory.  The limit less those is 135 pages in the mean of all runs: 64 page tables, which are modelled, 16 for
half a batch of reclaim, and 55 others (stack, program, kernel stacks).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.workloads.stream import Chunk, Context
from models.workloads.touch import build
from sim.build_groups import Cgroup
from sim.vm import Vm
from tests.machine_kit import COSTS, counter, make_plan, make_vm, rows_of

TABLE = Path(__file__).resolve().parent.parent / "configs" / "validate" / "kernel-reclaim" / "kernel_reclaim.csv"
OTHERS = 55
MASK = (1 << 64) - 1
FAULT_NS = 9000  # what a fault takes here without `major_fault`: zram with lz4
SLOTS = (512 << 20) // 4096


def reference(pattern: str, pages: int, accesses: int, seed: int) -> list[int]:
    """The pages that touch.c increments, one after the other."""
    state = seed

    def draw() -> float:
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        return ((z ^ (z >> 31)) >> 11) * (1.0 / 9007199254740992.0)

    found = []
    for i in range(accesses):
        if pattern == "uniform":
            page = int(draw() * pages)
        elif pattern == "cubic":
            x = draw()
            page = int(x * x * x * pages) * 2654435761 % pages
        elif pattern == "loop":
            page = i % pages
        elif draw() < 0.9:
            page = int(draw() * (pages // 8))
        else:
            page = pages // 8 + i % (pages - pages // 8)
        found.append(page)
    return found


def measured() -> dict[tuple[str, str], list[dict[str, str]]]:
    """The measured runs by pattern and share of the pages that the limit is."""
    cells: dict[tuple[str, str], list[dict[str, str]]] = {}
    with TABLE.open() as file:
        for row in csv.DictReader(file):
            cells.setdefault((row["pattern"], row["limit_frac"]), []).append(row)
    return cells


def replay(row: dict[str, str], kernel: str = "6.12") -> tuple[Vm, int]:
    """A run in a machine with room enough outside the group; the VM at its end, and the major faults behind the warm-up."""
    pages, warm, accesses = int(row["W_pages"]), int(row["warmup"]), int(row["accesses"])
    options = {
        "size": pages * 4096,
        "pattern": row["pattern"],
        "accesses": warm + accesses,
        "seed": int(row["seed"]),
        "think": 2,
        "fill_time": 500,
    }
    program = build(options, Context(4096, np.random.SeedSequence(0))).processes[0]
    at_start: list[int] = []

    def chunks() -> Iterator[Chunk]:
        """A chunk is asked for when the one before it is done: the warm-up ends between two."""
        left = pages + warm
        for op, page, ns in program.chunks():
            if 0 <= left < len(op):
                yield op[:left], page[:left], ns[:left]
                at_start.append(counter(vm, "pgmajfault"))
                yield op[left:].copy(), page[left:].copy(), ns[left:].copy()
            else:
                yield op, page, ns
            left -= len(op)

    fault = round(float(row["seconds"]) * 1e9 / int(row["majflt"]))
    plan = make_plan(
        [program._replace(chunks=chunks)], rows=rows_of([1050]), memory=512 << 20, kernel_reserved=16 << 20, page_cluster=0,
        swap_slots=SLOTS, own_slots=SLOTS, backend="zram", backend_options={"disksize": SLOTS * 4096}, allocator="zsmalloc",
        allocator_options={"version": "v6.12"}, costs=COSTS | {"major_fault": max(fault - FAULT_NS, 0)},
        kernel=kernel, cgroups=(Cgroup("touch", max=(int(row["limit_pages"]) - OTHERS) * 4096),),
    )  # fmt: skip
    plan = plan._replace(processes=[plan.processes[0]._replace(cgroup=1)])
    vm = make_vm(plan, cpus=1, check=False)
    vm.tasks[0].start()
    vm.env.run(until=vm.tasks[0].ended)
    return vm, counter(vm, "pgmajfault") - at_start[0]
