"""From a configuration and a replication number to a `Plan`: factories called, programs and contents made, seeds drawn.

Each random stream is SeedSequence(seed, spawn_key=(replication, crc32(name))): changing one part leaves the others as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from models.compressors.compressor import Compressor
from models.contents.rows import ContentContext, Rows
from models.registry import resolve
from models.workloads.stream import Context, Program
from sim.build import Plan, ProcessPlan
from sim.config.schema import Config


class WorkloadPlan(NamedTuple):
    """One workload and which rows of the process table are its processes."""

    name: str
    start: int
    oom_score_adj: int
    program: Program
    first: int


def seed_of(config: Config, replication: int, name: str) -> np.random.SeedSequence:
    """The random stream of a named part in one replication."""
    return np.random.SeedSequence(config.seed, spawn_key=(replication, crc32(name.encode())))


def _compressor(config: Config) -> Compressor:
    """The backend's compressor; lz4 where there is none, so that contents can be read all the same."""
    pooled = resolve(config.backend.entry.target).pool_part(config.backend.options)
    if pooled is None:
        from models.compressors.registry import REGISTRY

        entry = next(item for item in REGISTRY if item.name == "lz4")
        options: Mapping[str, Any] = {"compress_time": 0, "decompress_time": 0}
        return resolve(entry.target)(options)  # type: ignore[no-any-return]
    part = pooled[1]
    return resolve(part.entry.target)(part.options)  # type: ignore[no-any-return]


def _contents(config: Config, replication: int, compressor: Compressor) -> list[Rows]:
    """The rows of each workload's pages; equal contents with no randomness in them are made once."""
    made: dict[str, Rows] = {}
    rows = []
    for workload in config.workloads:
        part = workload.contents
        if part is None:
            rows.append(Rows(np.zeros(1, np.int32), compressor.same_size(config.machine.page_size), "same-filled"))
            continue
        key = repr(part) if part.kind in ("measured", "corpus") else f"{workload.name}: {part!r}"
        if key not in made:
            context = ContentContext(config.machine.page_size, seed_of(config, replication, workload.name + ".contents"), compressor)
            made[key] = resolve(part.entry.target)(part.options, context)
        rows.append(made[key])
    return rows


def _programs(config: Config, replication: int) -> list[WorkloadPlan]:
    plans = []
    first = 0
    for workload in config.workloads:
        context = Context(config.machine.page_size, seed_of(config, replication, workload.name))
        program = resolve(workload.entry.target)(workload.options, context)
        plans.append(WorkloadPlan(workload.name, workload.start, workload.oom_score_adj, program, first))
        first += len(program.processes)
    return plans


def _auto(value: Any) -> int | None:
    return None if value == "auto" else int(value)


def plan_of(config: Config, replication: int, log: bool) -> tuple[Plan, list[WorkloadPlan]]:
    """Everything the builder needs for one replication."""
    machine = config.machine
    backend = resolve(config.backend.entry.target)
    pooled = backend.pool_part(config.backend.options)
    compressor = _compressor(config)
    contents = _contents(config, replication, compressor)
    programs = _programs(config, replication)
    costs = {name: int(value) for name, value in config.costs.items()}
    costs["compress"], costs["decompress"] = compressor.times(machine.page_size)
    device = config.devices[config.swap.device] if config.swap else None
    sysctl = machine.sysctl
    allocator = pooled[0] if pooled else None
    plan = Plan(
        memory=machine.memory,
        page_size=machine.page_size,
        kernel_reserved=machine.kernel_reserved,
        swappiness=int(sysctl["vm.swappiness"]),
        page_cluster=int(sysctl["vm.page-cluster"]),
        min_free_kbytes=_auto(sysctl["vm.min_free_kbytes"]),
        watermark_scale_factor=int(sysctl["vm.watermark_scale_factor"]),
        costs=costs,
        processes=[
            ProcessPlan(process, rows) for workload, rows in zip(programs, contents, strict=True) for process in workload.program.processes
        ],
        swap_slots=config.swap.size // machine.page_size if config.swap else 0,
        rotational=bool(device is not None and resolve(device.entry.target)(device.options).rotational),
        policy=resolve(config.reclaim.policy.entry.target),
        policy_options=config.reclaim.policy.options,
        backend=backend,
        backend_options=config.backend.options,
        allocator=resolve(allocator.entry.target) if allocator else None,
        allocator_options=allocator.options if allocator else {},
        log=log,
    )
    return plan, programs
