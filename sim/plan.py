"""From a configuration and a replication number to a `Plan`: factories called, programs and contents made, seeds drawn.

Each random stream is SeedSequence(seed, spawn_key=(replication, crc32(name))): changing one part leaves the others as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from models.backends.backend import BackendModule
from models.compressors.compressor import Compressor
from models.contents.rows import ContentContext, Rows
from models.devices.device import Device
from models.errors import InputError
from models.registry import resolve
from models.workloads.stream import Context, Program
from sim.build import Plan, ProcessPlan, Start, ZoneStart
from sim.build_files import Dirty, FilePlan, Filesystem
from sim.build_groups import Cgroup
from sim.config.parts import Part
from sim.config.schema import Config, MachineStart
from sim.errors import UserError
from sim.units import format_size


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


def _extra_compressors(config: Config) -> list[Compressor]:
    """Those that the backend has beside the first."""
    parts = resolve(config.backend.entry.target).extra_compressors
    found = parts(config.backend.options) if parts is not None else ()
    return [resolve(part.entry.target)(part.options) for part in found]


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


def _allocator_options(backend: BackendModule, config: Config, allocator: Part | None) -> dict[str, Any]:
    """Its settings; `version: auto` is the one that comes with the backend."""
    if allocator is None:
        return {}
    if backend.allocator_version is None or allocator.options.get("version") != "auto":
        return allocator.options
    return {**allocator.options, "version": backend.allocator_version(config.backend.options, config.machine.kernel)}


def _clean_allocator(backend: BackendModule, config: Config) -> Part | None:
    """The allocator of the backend's clean cache, if it has one.  Raises UserError for one that cannot evict."""
    found = backend.clean_part(config.backend.options)
    if found is None:
        return None
    part: Part = found[0]
    if resolve(part.entry.target).evict_begin is None:
        can = "zbud-zcache1, zbud-zcache2, zbud and z3fold can"
        raise UserError(f"backend.ephemeral.allocator: {part.kind} cannot evict, and clean pages must be; {can}")
    return part


def files_device(config: Config) -> str | None:
    """Name of the device that holds the workloads' files: the one named, else the first; None without any."""
    wanted = config.filesystem.device
    return next(iter(config.devices), None) if wanted == "auto" else wanted


def plan_devices(config: Config) -> dict[str, Device]:
    """The models of all devices, by name."""
    return {name: resolve(part.entry.target)(part.options) for name, part in config.devices.items()}


def _room_for_files(config: Config, devices: Mapping[str, Device]) -> tuple[int, int] | None:
    """First page and pages of the files' part of their device, behind the swap area if that is there too; None without a device."""
    name = files_device(config)
    if name is None:
        return None
    page = config.machine.page_size
    used = config.swap.size // page if config.swap is not None and config.swap.device == name else 0
    return used, devices[name].queue.capacity // page - used


def _check_swap(config: Config, devices: Mapping[str, Device]) -> None:
    if config.swap is not None and config.swap.size > devices[config.swap.device].queue.capacity:
        capacity = devices[config.swap.device].queue.capacity
        raise UserError(
            f"swap.size: {format_size(config.swap.size)} do not fit on device {config.swap.device}, which holds {format_size(capacity)}",
            "swap.size",
        )


def _files(config: Config, programs: list[WorkloadPlan], contents: list[Rows], room: tuple[int, int] | None) -> list[tuple[FilePlan, ...]]:
    """The files of each program one behind another on their device."""
    plans = []
    at = 0
    for number, (workload, rows) in enumerate(zip(programs, contents, strict=True)):
        key = f"workloads.{number}"
        if workload.program.files and room is None:
            raise UserError(f"workloads.{workload.name}: it uses files, and there is no device to hold them; add one to `devices`", key)
        mine = []
        for file in workload.program.files:
            assert room is not None
            mine.append(FilePlan(file, rows, room[0] + at))
            at += file.pages
            if at > room[1]:
                size = format_size(room[1] * config.machine.page_size)
                raise UserError(
                    f"workloads.{workload.name}: file {file.name} does not fit on device {files_device(config)}, which has "
                    f"{size} for files; give it more `capacity`, or the files another device (filesystem.device)",
                    key,
                )
        plans.append(tuple(mine))
    return plans


def _programs(config: Config, replication: int, capacity: int | None) -> list[WorkloadPlan]:
    plans = []
    first = 0
    for number, workload in enumerate(config.workloads):
        context = Context(config.machine.page_size, seed_of(config, replication, workload.name), capacity)
        try:
            program = resolve(workload.entry.target)(workload.options, context)
        except InputError as error:
            raise UserError(str(error), f"workloads.{number}") from None
        plans.append(WorkloadPlan(workload.name, workload.start, workload.oom_score_adj, program, first))
        first += len(program.processes)
    return plans


def group_number(config: Config, name: str | None) -> int:
    """The engine's number of a memory cgroup; 0 is the root."""
    return 0 if name is None else 1 + list(config.cgroups).index(name)


def _cgroups(config: Config) -> tuple[Cgroup, ...]:
    """All memory cgroups, limits in bytes."""
    found = []
    for name, group in config.cgroups.items():
        largest, high, low, swap, zswap = (group.limit(f"memory.{limit}") for limit in ("max", "high", "low", "swap.max", "zswap.max"))
        found.append(Cgroup(name, largest, high, low, swap, zswap, bool(getattr(group, "memory.zswap.writeback"))))
    return tuple(found)


def _auto(value: Any) -> int | None:
    return None if value == "auto" else int(value)


def _start(start: MachineStart | None) -> Start | None:
    if start is None:
        return None
    return Start(tuple(ZoneStart(*(getattr(zone, name) for name in ZoneStart._fields)) for zone in start.zones), int(start.stats_flush))


def plan_of(config: Config, replication: int, log: bool) -> tuple[Plan, list[WorkloadPlan]]:
    """Everything the builder needs for one replication."""
    machine = config.machine
    backend = resolve(config.backend.entry.target)
    pooled = backend.pool_part(config.backend.options)
    compressor = _compressor(config)
    contents = _contents(config, replication, compressor)
    devices = plan_devices(config)
    _check_swap(config, devices)
    room = _room_for_files(config, devices)
    programs = _programs(config, replication, room[1] * machine.page_size if room else None)
    files = _files(config, programs, contents, room)
    costs = {name: int(value) for name, value in config.costs.items()}
    costs["compress"], costs["decompress"] = compressor.times(machine.page_size)
    device = devices[config.swap.device] if config.swap else None
    sysctl = machine.sysctl
    allocator = pooled[0] if pooled else None
    own_slots = backend.disksize(config.backend.options) // machine.page_size if backend.disksize is not None else 0
    backing = config.backend.options.get("backing_dev")
    extra = [_contents(config, replication, other) for other in _extra_compressors(config)]
    clean = _clean_allocator(backend, config) if any(files) else None
    plan = Plan(
        memory=machine.memory,
        page_size=machine.page_size,
        kernel_reserved=machine.kernel_reserved,
        swappiness=int(sysctl["vm.swappiness"]),
        page_cluster=int(sysctl["vm.page-cluster"]),
        min_free_kbytes=_auto(sysctl["vm.min_free_kbytes"]),
        watermark_scale_factor=int(sysctl["vm.watermark_scale_factor"]),
        watermark_boost_factor=int(sysctl["vm.watermark_boost_factor"]),
        cpus=machine.cpus,
        costs=costs,
        processes=[
            ProcessPlan(process, rows, number, group_number(config, config.workloads[number].cgroup))
            for number, (workload, rows) in enumerate(zip(programs, contents, strict=True))
            for process in workload.program.processes
        ],
        swap_slots=own_slots + (config.swap.size // machine.page_size if config.swap else 0),
        own_slots=own_slots,
        blocks=devices[backing].queue.capacity // machine.page_size if backing else 0,
        extra_contents=tuple(
            tuple(rows for workload, rows in zip(programs, found, strict=True) for _ in workload.program.processes) for found in extra
        ),
        rotational=bool(device is not None and device.rotational),
        policy=resolve(config.reclaim.policy.entry.target),
        policy_options=config.reclaim.policy.options,
        backend=backend,
        backend_options=config.backend.options,
        allocator=resolve(allocator.entry.target) if allocator else None,
        allocator_options=_allocator_options(backend, config, allocator),
        log=log,
        files=tuple(files),
        filesystem=Filesystem(*(getattr(config.filesystem, name) for name in Filesystem._fields)),
        clean_allocator=resolve(clean.entry.target) if clean else None,
        kernel=machine.kernel,
        start=_start(machine.start),
        fixed_readahead=config.swap is not None and config.swap.readahead == "fixed",
        clean_options=clean.options if clean else {},
        cgroups=_cgroups(config),
        pool_in_cgroups=config.backend.entry.name == "zswap",
        dirty=Dirty(*(int(sysctl[f"vm.dirty_{name}"]) for name in Dirty._fields)),
    )
    return plan, programs
