"""From a validated configuration to the compiled machine: sizes, zones, tables, contents, pool, policy and backend."""

from __future__ import annotations

from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from models.allocators.pool import Allocator
from models.backends.backend import BackendModule
from models.cache.held import NOTHING
from models.contents.rows import Rows
from models.memory import state as st
from models.memory.swap import CLUSTER_SLOTS
from models.policies.policy import PolicyModule
from models.registry import resolve
from models.vmstat import COUNT
from models.workloads.stream import Process
from sim.build_backend import build_backend, counters_of, furnish, optional_functions
from sim.build_files import ContentRows, Dirty, FilePlan, Filesystem, file_tables, set_scalars, slab_table
from sim.build_groups import Cgroup, group_tables
from sim.build_zones import fill_lists, fill_zones, frame_tables, layouts, type_scalars, zone_table
from sim.errors import UserError
from sim.vm import Array, Arrays, Built

PTE_BYTES = 8
FLUSH_PERIOD = 2_000_000_000  # ns, of the cgroups' statistics: Linux 6.12 mm/memcontrol.c


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
    cpus: int = 1
    watermark_boost_factor: int = 15000
    own_slots: int = 0  # of swap_slots, those that the backend itself is (zram's); the device's are behind them
    blocks: int = 0  # pages of the backend's backing device
    extra_contents: tuple[tuple[Rows, ...], ...] = ()  # of each process, by each further compressor of the backend
    cgroups: tuple[Cgroup, ...] = ()
    pool_in_cgroups: bool = False  # they are charged for what the backend holds


class ZoneStart(NamedTuple):
    """A zone as /proc/zoneinfo gives it, all in pages; start_pfn: its first page frame number; spanned: pages from there to its end.
    Of the pages in use at the start, reclaimable ones (slab) and movable ones (on lists, unevictable); the others are unmovable.
    scattered: free pages in page blocks that such movable pages lie in (models.memory.boot);
    pcp: free pages on the per-CPU lists, which `free` does not count."""

    name: str
    managed: int
    free: int
    min: int
    low: int
    high: int
    start_pfn: int
    spanned: int
    pcp: int = 0
    reclaimable: int = 0
    movable: int = 0
    scattered: int = 0


class Start(NamedTuple):
    """The memory of a measured machine before its run: zones, lowest first."""

    zones: tuple[ZoneStart, ...]
    stats_flush: int = FLUSH_PERIOD  # ns until the cgroups' statistics are next flushed by the clock


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
    "pass_over": st.C_PASS,
    "read_page": st.C_READ_PAGE,
    "look_at_entry": st.C_LOOK,
}


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
        locked = item.process.locked
        row[st.LOCKED_FROM] = item.process.pages if locked is None else locked
        virtual += -(-item.process.pages // per_table) * per_table
    return proc, virtual


def scalars(plan: Plan, frames: int) -> Array:
    """The memory's scalars at start."""
    num = np.zeros(st.NUMBERS, np.int64)
    num[st.PAGE_SIZE] = plan.page_size
    num[st.FRAMES] = num[st.TOTAL_PAGES] = frames
    num[st.LOG_ON] = int(plan.log)
    num[st.SWAP_TOTAL] = num[st.SWAP_FREE] = num[st.FIRST_FREE] = max(plan.swap_slots - 1, 0)
    num[st.CLUSTER] = num[st.CLUSTER + st.SECOND_DEVICE] = -1
    num[st.SCAN_SLOT] = 1
    num[st.PAGE_CLUSTER] = plan.page_cluster
    num[st.ROTATIONAL] = int(plan.rotational)
    num[st.FIXED_READAHEAD] = int(plan.fixed_readahead)
    num[st.KERNEL_612] = int(plan.kernel == "6.12")
    num[st.FIRST_FLUSH] = plan.start.stats_flush if plan.start is not None else FLUSH_PERIOD
    num[st.GROUPS] = len(plan.cgroups)
    num[st.POOL_IN_GROUPS] = int(plan.pool_in_cgroups and len(plan.cgroups) > 0)
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
    first = int(num[st.SECOND_FIRST]) // CLUSTER_SLOTS or clusters
    num[st.FREE_CLUSTERS_LEN] = first if slots else 0
    num[st.FREE_CLUSTERS_LEN + st.SECOND_DEVICE] = clusters - first
    return table


def slot_table(plan: Plan, num: Array) -> Array:
    """Swap slots, all free.  A second device begins with a cluster of its own; its header is never used; writes its place into `num`."""
    own, slots = plan.own_slots, max(plan.swap_slots, 1)
    if not own or slots == own:
        return np.zeros((slots, st.SLOT_COLUMNS), np.int32)
    first = -(-own // CLUSTER_SLOTS) * CLUSTER_SLOTS
    table = np.zeros((first + slots - own, st.SLOT_COLUMNS), np.int32)
    table[own : first + 1, st.STATE] = st.SLOT_NONE
    num[st.SECOND_FIRST], num[st.SCAN_SLOT + st.SECOND_DEVICE] = first, first + 1
    num[st.FIRST_FREE] = own - 1
    num[st.SWAP_TOTAL] = num[st.SWAP_FREE] = slots - 2
    return table


def _rows(plan: Plan, contents: ContentRows, num: Array) -> Array:
    """All sizes; those by the backend's further compressors behind those by the first, in the same order."""
    tables = [contents.all()]
    for extra in plan.extra_contents:
        step = len(tables[0])
        sizes = tables[0].copy()
        for item, rows in zip(plan.processes, extra, strict=True):
            first = contents.add(item.contents.sizes)
            sizes[first : first + len(rows.sizes)] = rows.sizes
        tables.append(sizes)
        num[st.ROWS_STEP] = step
    return np.concatenate(tables)


def build_pages(plan: Plan) -> tuple[Any, Arrays]:
    """Page tables, frames, slots, zones: the state below policy and backend."""
    found = layouts(plan)
    zone = zone_table(found)
    frames = int(zone[:, st.MANAGED].sum())
    tables = frame_tables(zone, plan.cpus)
    contents = ContentRows()
    proc, virtual = process_table(plan, contents)
    if virtual >= 1 << 31:
        raise UserError(f"workloads: their address spaces add up to {virtual} pages; this version holds 2^31")
    num = scalars(plan, frames)
    type_scalars(num, plan, zone)
    clean_cache = plan.clean_allocator is not None
    set_scalars(num, zone, plan.filesystem, plan.dirty, plan.page_size, clean_cache)
    processes = [(item.process.name, item.process.pages, item.process.areas, item.program) for item in plan.processes]
    files = file_tables(processes, plan.files, contents, proc, virtual, slab_table(plan.page_size, clean_cache))
    if plan.cgroups:  # one more reclaimer: what is told to reclaim in a group
        files = files._replace(stolen=np.pad(files.stolen, ((0, 1), (0, 0))))
    cost = np.zeros(st.COSTS, np.int64)
    for name, column in COST_COLUMNS.items():
        cost[column] = plan.costs[name]
    slot = slot_table(plan, num)
    arrays = Arrays(
        pte=np.zeros(max(virtual, 1), np.int32),
        version=np.zeros(max(virtual, 1), np.uint16),
        table=np.zeros((virtual // int(num[st.PAGES_PER_TABLE]) + 1, 3), np.int32),
        **tables._asdict(),
        pool_frames=np.zeros(frames, np.int32),
        slot=slot,
        slot_cache=np.zeros((2, 64), np.int32),
        cluster=cluster_table(len(slot) if plan.swap_slots else 0, num),
        zone=zone,
        proc=proc,
        rows=_rows(plan, contents, num),
        vmstat=np.zeros(COUNT, np.int64),
        num=num,
        cost=cost,
        cpu=np.zeros(16, np.int64),
        ring=np.zeros((st.RING_SIZE, st.RING_COLUMNS), np.int64),
        log=np.zeros((st.LOG_SIZE if plan.log else 1, st.LOG_COLUMNS), np.int64),
        hist=np.zeros((4, st.BINS), np.int64),
        window=np.zeros(st.WINDOW, np.int32),
        **files._asdict(),
        **group_tables(plan.cgroups, plan.page_size, len(tables.frame), len(slot), len(files.cache))._asdict(),
    )
    pages = st.make_pages(*arrays)
    fill_zones(pages, zone, tables.block, found)
    return pages, arrays


def _place_residents(plan: Plan, machine: Any) -> None:
    """Put the memory that is there from the start on the lists."""
    place, settle = (resolve(f"models.memory.resident:{name}") for name in ("place", "settle"))
    for number, item in enumerate(plan.processes):
        first = 0
        for count, used, active in zip(item.process.resident or (), (0, 1, 1), (0, 0, 1), strict=False):
            if place(machine, number, first, count, used, active) < count:
                raise UserError(
                    f"workloads: resident memory of {sum(item.process.resident or ())} pages does not fit in the machine or its cgroup"
                )
            first += count
    settle(machine, np.zeros(st.CONTEXT, np.int64))


def _policy_sizes(plan: Plan, arrays: Arrays) -> dict[str, int]:
    """What a policy wants to know of the machine.  Raises UserError where there are memory cgroups and it has one set of lists only."""
    wanted = signature(plan.policy.create).parameters
    sizes = {"places": len(arrays.pte) + len(arrays.cache)} if "places" in wanted else {}
    if not plan.cgroups:
        return sizes
    if "lruvecs" not in wanted:
        raise UserError(
            "cgroups: this reclaim policy has one set of lists for the whole machine; its `create` would have to take `lruvecs`. "
            "Use another (linux-lru), or no cgroups",
            "reclaim.policy",
        )
    return {**sizes, "lruvecs": 1 + len(plan.cgroups)}


def build(plan: Plan) -> Built:
    """The whole machine."""
    pages, arrays = build_pages(plan)
    frames = int(arrays.num[st.FRAMES])
    pools, stored, backend = build_backend(plan, frames, len(arrays.slot), len(arrays.cache))
    made = plan.policy.create(len(arrays.frame), **_policy_sizes(plan, arrays), **plan.policy_options)
    policy = st.make_policy(*made[:3], made[3] if len(made) > 3 else NOTHING)
    arrays.num[st.EVERY_USE] = plan.policy_options.get("hits") == "every"
    p, b = plan.policy, plan.backend
    own_check = p.problems
    machine = st.make_machine(
        pages, policy, backend, p.insert, p.remove, p.check, p.evicted, p.putback, p.begin, p.isolate, p.age, p.finish, p.accessed,
        b.store, b.load, b.invalidate, *optional_functions(b),
    )  # fmt: skip
    furnish(plan, arrays, stored, backend, pages)
    _place_residents(plan, machine)
    if plan.start is not None:
        fill_lists(pages, plan.start.zones)
    resolve("models.memory.shrinkers:flushed_pages")(pages)
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
        policy_num=made[2],
        backend_num=stored.num,
        backend_table=stored.table,
        blocks=stored.blocks,
        backend_counters=counters_of(plan, *pools),
        pool=pools[0],
        clean_pool=pools[1],
        pool_stat=plan.allocator.stat if plan.allocator else None,
        has_pool=plan.allocator is not None,
        list_problems=None if own_check is None else lambda arrays: own_check(made, arrays),
    )
