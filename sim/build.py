"""From a validated configuration to the compiled machine: sizes, zones, tables, contents, pool, policy and backend."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from models.allocators import pool as pool_state
from models.allocators.pool import Allocator, PoolArrays
from models.backends.backend import BackendModule, BackendSetup
from models.contents.rows import Rows
from models.memory import state as st
from models.memory.swap import CLUSTER_SLOTS
from models.memory.watermarks import auto_min_free_kbytes, build_zones, zone_sizes
from models.policies.policy import PolicyModule
from models.registry import resolve
from models.vmstat import COUNT, NR_FREE_PAGES
from models.workloads.stream import Process
from sim.build_files import ContentRows, Dirty, FilePlan, Filesystem, file_tables, set_scalars, slab_table
from sim.build_groups import Cgroup, group_tables
from sim.errors import UserError
from sim.vm import Array, Arrays, Built

CLEAN_PER_FRAME = 2  # objects a page of zbud
POOL_ROOM = 64  # xcfmalloc fills its reserve when it is created
PTE_BYTES = 8
MIN_FRAMES = 64


class ProcessPlan(NamedTuple):
    """One process, the contents of its pages, its program (position in Plan.files), its memory cgroup (1 + position in Plan.cgroups)."""

    process: Process
    contents: Rows
    program: int = 0
    cgroup: int = 0


class Plan(NamedTuple):
    """All that the builder needs, in model units (bytes, ns, pages)."""

    memory: int
    page_size: int
    kernel_reserved: int
    swappiness: int
    page_cluster: int
    min_free_kbytes: int | None
    watermark_scale_factor: int
    costs: dict[str, int]  # by name, ns; compress and decompress a page included
    processes: list[ProcessPlan]
    swap_slots: int  # pages of the swap device, header included; 0: no swap
    rotational: bool
    policy: PolicyModule
    policy_options: dict[str, Any]
    backend: BackendModule
    backend_options: dict[str, Any]
    allocator: Allocator | None
    allocator_options: dict[str, Any]
    log: bool
    files: tuple[tuple[FilePlan, ...], ...] = ((),)  # of each program
    filesystem: Filesystem = Filesystem()
    dirty: Dirty = Dirty()
    clean_allocator: Allocator | None = None  # of the backend's clean cache, where it has one and there are files
    clean_options: dict[str, Any] = {}
    fixed_readahead: bool = False  # of swap
    kernel: str = "6.1"  # whose rules hold
    start: Start | None = None  # a machine as it was measured
    cgroups: tuple[Cgroup, ...] = ()
    pool_in_cgroups: bool = False  # they are charged for what the backend holds


class ZoneStart(NamedTuple):
    """A zone as /proc/zoneinfo gives it, all in pages; start_pfn: its first page frame number; spanned: pages from there to its end."""

    name: str
    managed: int
    free: int
    min: int
    low: int
    high: int
    start_pfn: int
    spanned: int


class Start(NamedTuple):
    """The memory of a measured machine before its run: zones, lowest first."""

    zones: tuple[ZoneStart, ...]


COST_COLUMNS = {
    "access": st.C_ACCESS,
    "fault": st.C_FAULT,
    "major_fault": st.C_MAJOR,
    "clear": st.C_CLEAR,
    "page_alloc": st.C_ALLOC,
    "page_free": st.C_FREE,
    "scan": st.C_SCAN,
    "deactivate": st.C_DEACTIVATE,
    "unmap": st.C_UNMAP,
    "submit_io": st.C_SUBMIT,
    "copy": st.C_COPY_KIB,
    "walk": st.C_WALK,
    "allocator": st.C_ALLOCATOR,
    "tmem": st.C_TMEM,
    "compress": st.C_COMPRESS,
    "decompress": st.C_DECOMPRESS,
    "syscall": st.C_SYSCALL,
    "page_lookup": st.C_LOOKUP,
    "copy_user": st.C_USER_KIB,
    "slab": st.C_SLAB,
    "age_page": st.C_AGE,
}


def zone_table(plan: Plan) -> Array:
    """Zones with their watermarks, all frames free."""
    sizes = zone_sizes(plan.memory, plan.kernel_reserved, plan.page_size)
    if sum(sizes) < MIN_FRAMES:
        raise UserError(
            f"machine.memory: {sum(sizes)} pages are left after the kernel's own {plan.kernel_reserved} bytes; "
            f"at least {MIN_FRAMES} are needed"
        )
    if sum(sizes) > st.MAX_FRAMES:
        raise UserError(f"machine.memory: {sum(sizes)} pages; this version holds at most {st.MAX_FRAMES} (use a larger page_size)")
    min_free = plan.min_free_kbytes or auto_min_free_kbytes(sum(sizes), plan.page_size)
    table = np.zeros((3, st.ZONE_COLUMNS), np.int64)
    first = 0
    for row, zone in zip(table, build_zones(sizes, min_free, plan.watermark_scale_factor, plan.page_size), strict=True):
        row[st.MANAGED] = row[st.ZONE_FREE] = zone.managed
        row[st.WMARK_MIN], row[st.WMARK_LOW], row[st.WMARK_HIGH] = zone.min, zone.low, zone.high
        row[st.RESERVE] = zone.reserve
        row[st.FIRST_FRAME] = row[st.FRESH] = first
        first += zone.managed
    high = int(table[:, st.WMARK_HIGH].sum())
    if high * 2 > sum(sizes):
        raise UserError(
            f"machine: the high watermarks ask for {high} free pages of {sum(sizes)}; give more memory or lower vm.min_free_kbytes"
        )
    return table


def process_table(plan: Plan, contents: ContentRows) -> tuple[Array, int]:
    """Process rows, and the number of virtual pages; the contents of their pages are added to `contents`."""
    per_table = plan.page_size // PTE_BYTES
    proc = np.zeros((max(len(plan.processes), 1), st.PROC_COLUMNS), np.int64)
    virtual = 0
    for row, item in zip(proc, plan.processes, strict=True):
        sizes = item.contents.sizes
        row[st.FIRST_PAGE], row[st.PROC_PAGES] = virtual, item.process.pages
        row[st.ROW_FIRST], row[st.ROWS] = contents.add(sizes), len(sizes) // item.contents.versions
        row[st.SAME_SIZE], row[st.VERSIONS], row[st.STRIDE] = item.contents.same_size, item.contents.versions, item.contents.stride
        row[st.CGROUP] = item.cgroup
        row[st.RA_PAGE], row[st.RA_HITS] = -2, 4  # readahead's counter starts at 4
        virtual += -(-item.process.pages // per_table) * per_table
    return proc, virtual


def scalars(plan: Plan, frames: int) -> Array:
    """The memory's scalars at start."""
    num = np.zeros(st.NUMBERS, np.int64)
    num[st.PAGE_SIZE] = plan.page_size
    num[st.FRAMES] = num[st.TOTAL_PAGES] = frames
    num[st.LOG_ON] = int(plan.log)
    num[st.SWAP_TOTAL] = num[st.SWAP_FREE] = max(plan.swap_slots - 1, 0)
    num[st.CLUSTER] = -1
    num[st.SCAN_SLOT] = 1
    num[st.PAGE_CLUSTER] = plan.page_cluster
    num[st.ROTATIONAL] = int(plan.rotational)
    num[st.FIXED_READAHEAD] = int(plan.fixed_readahead)
    num[st.KERNEL_612] = int(plan.kernel == "6.12")
    num[st.GROUPS] = len(plan.cgroups)
    num[st.POOL_IN_GROUPS] = int(plan.pool_in_cgroups and len(plan.cgroups) > 0)
    num[st.OLD_STATISTICS] = int(plan.kernel == "6.12" and len(plan.cgroups) > 0)
    num[st.RA_SLOT] = -2
    num[st.RA_SLOT_HITS] = 4
    num[st.SWAPPINESS] = plan.swappiness
    num[st.PAGES_PER_TABLE] = plan.page_size // PTE_BYTES
    return num


def cluster_table(slots: int, num: Array) -> Array:
    """Swap clusters, all wholly free, in ascending order; writes the ring's length into `num`."""
    clusters = max(-(-slots // CLUSTER_SLOTS), 1)
    table = np.zeros((clusters, 2), np.int32)
    table[:, 1] = np.arange(clusters)
    num[st.FREE_CLUSTERS_LEN] = clusters if slots else 0
    return table


def build_pages(plan: Plan) -> tuple[Any, Arrays]:
    """Page tables, frames, slots, zones: the state below policy and backend."""
    zone = zone_table(plan)
    frames = int(zone[:, st.MANAGED].sum())
    contents = ContentRows()
    proc, virtual = process_table(plan, contents)
    if virtual >= 1 << 31:
        raise UserError(f"workloads: their address spaces add up to {virtual} pages; this version holds 2^31")
    num = scalars(plan, frames)
    clean_cache = plan.clean_allocator is not None
    set_scalars(num, zone, plan.filesystem, plan.dirty, plan.page_size, clean_cache)
    processes = [(item.process.name, item.process.pages, item.process.areas, item.program) for item in plan.processes]
    files = file_tables(processes, plan.files, contents, proc, virtual, slab_table(plan.page_size, clean_cache))
    if plan.cgroups:  # one more reclaimer: what is told to reclaim in a group
        files = files._replace(stolen=np.pad(files.stolen, ((0, 1), (0, 0))))
    cost = np.zeros(st.COSTS, np.int64)
    for name, column in COST_COLUMNS.items():
        cost[column] = plan.costs[name]
    vmstat = np.zeros(COUNT, np.int64)
    vmstat[NR_FREE_PAGES] = frames
    slots = max(plan.swap_slots, 1)
    arrays = Arrays(
        pte=np.zeros(max(virtual, 1), np.int32),
        version=np.zeros(max(virtual, 1), np.uint16),
        table=np.zeros((virtual // int(num[st.PAGES_PER_TABLE]) + 1, 2), np.int32),
        frame=np.zeros((frames, st.FRAME_COLUMNS), np.int32),
        stack=np.zeros(frames, np.int32),
        pool_frames=np.zeros(frames, np.int32),
        slot=np.zeros((slots, st.SLOT_COLUMNS), np.int32),
        slot_cache=np.zeros((2, 64), np.int32),
        cluster=cluster_table(plan.swap_slots, num),
        zone=zone,
        proc=proc,
        rows=contents.all(),
        vmstat=vmstat,
        num=num,
        cost=cost,
        cpu=np.zeros(16, np.int64),
        ring=np.zeros((st.RING_SIZE, st.RING_COLUMNS), np.int64),
        log=np.zeros((st.LOG_SIZE if plan.log else 1, st.LOG_COLUMNS), np.int64),
        hist=np.zeros((4, st.BINS), np.int64),
        window=np.zeros(st.WINDOW, np.int32),
        **files._asdict(),
        **group_tables(plan.cgroups, plan.page_size, frames, slots, len(files.cache))._asdict(),
    )
    return st.make_pages(*arrays), arrays


def no_pool() -> PoolArrays:
    """A pool that nobody asks."""
    none = np.zeros((1, 1), np.int32)
    return pool_state.build_pool(none, none, none, np.zeros(1, np.int32), np.zeros(pool_state.NUMBERS, np.int64))


def build_pool(plan: Plan, frames: int) -> PoolArrays:
    """The backend's pool of swapped pages."""
    if plan.allocator is None:
        return no_pool()
    create = plan.allocator.create
    return create(plan.page_size, frames, max(plan.swap_slots, 1), may_take=POOL_ROOM, **plan.allocator_options)


def build_clean_cache(plan: Plan, frames: int, file_pages: int) -> tuple[PoolArrays, tuple[Any, ...]]:
    """The backend's pool of clean pages, and its part of the arguments of make_backend."""
    idle = resolve("models.backends.none:invalidate_nothing")
    ask = resolve("models.backends.none:evict_nothing")
    files = [item.file.pages for program in plan.files for item in program]
    if plan.clean_allocator is None:
        pool, one = no_pool(), np.zeros(1, np.int32)
        return pool, (pool.pool, idle, idle, ask, idle, idle, one, one, np.zeros((1, 1), np.int32), one)
    own = plan.clean_allocator
    handles = CLEAN_PER_FRAME * frames
    pool = own.create(plan.page_size, frames, handles, **plan.clean_options)
    clean, owner = np.zeros(file_pages, np.int32), np.zeros(handles, np.int32)
    functions = own.alloc, own.free, own.evict_begin, own.evict_next, own.evict_done
    return pool, (pool.pool, *functions, clean, owner, *resolve("models.backends.tmem_files:create")(files))


def _clean_functions(backend: BackendModule) -> tuple[Any, ...]:
    """put, get, flush, flush_file, shrink; of nothing where the backend takes no clean pages."""
    own = (backend.put, backend.get, backend.flush, backend.flush_file, backend.shrink)
    nothing = (resolve(f"models.backends.none:{name}") for name in ("store", "get", "invalidate", "invalidate", "get"))
    return tuple(mine or idle for mine, idle in zip(own, nothing, strict=True))


def _counters(plan: Plan, clean_pool: PoolArrays) -> Callable[[Array], dict[str, int]]:
    """The backend's counters, and those of its clean pages' allocator."""
    own = plan.clean_allocator
    return lambda num: plan.backend.counters(num) | (own.counters(clean_pool) if own is not None else {})


def _lruvecs(plan: Plan) -> dict[str, int]:
    """How many lists of its own a policy has to make, where there are memory cgroups.  Raises UserError for one that cannot."""
    if not plan.cgroups:
        return {}
    if "lruvecs" not in signature(plan.policy.create).parameters:
        raise UserError(
            "cgroups: this reclaim policy has one set of lists for the whole machine; its `create` would have to take `lruvecs`. "
            "Use another (linux-lru), or no cgroups",
            "reclaim.policy",
        )
    return {"lruvecs": 1 + len(plan.cgroups)}


def build(plan: Plan) -> Built:
    """The whole machine."""
    pages, arrays = build_pages(plan)
    frames = int(arrays.num[st.FRAMES])
    pool = build_pool(plan, frames)
    idle = resolve("models.backends.none:invalidate_nothing")
    alloc = plan.allocator.alloc if plan.allocator else idle
    free = plan.allocator.free if plan.allocator else idle
    stored = plan.backend.create(BackendSetup(plan.page_size, frames, max(plan.swap_slots, 1)), plan.backend_options)
    clean_pool, clean = build_clean_cache(plan, frames, len(arrays.cache))
    backend = st.make_backend(pool.pool, alloc, free, stored.table, stored.num, *clean)
    table, head, policy_num = plan.policy.create(frames, **_lruvecs(plan), **plan.policy_options)
    policy = st.make_policy(table, head, policy_num)
    p, b = plan.policy, plan.backend
    machine = st.make_machine(
        pages, policy, backend, p.insert, p.remove, p.check, p.evicted, p.putback, p.begin, p.isolate, p.age, p.finish, p.accessed,
        b.store, b.load, b.invalidate, *_clean_functions(b),
    )  # fmt: skip
    if plan.allocator is not None:
        resolve("models.memory.frames:settle_pool")(backend, pages)
        arrays.num[st.CLOCK] = 0
        arrays.cpu[:] = 0
    return Built(
        machine=machine,
        pages=pages,
        policy=policy,
        backend=backend,
        arrays=arrays,
        policy_num=policy_num,
        backend_num=stored.num,
        backend_counters=_counters(plan, clean_pool),
        pool=pool,
        clean_pool=clean_pool,
        pool_stat=plan.allocator.stat if plan.allocator else None,
        has_pool=plan.allocator is not None,
    )
