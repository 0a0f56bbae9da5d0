"""Zones, page blocks and free lists of a machine at its start, from its sizes or as a measured machine had them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.memory import buddy, pcp
from models.memory import state as st
from models.memory.watermarks import Zone, auto_min_free_kbytes, build_zones, reserves, zone_sizes, zone_spans
from models.registry import resolve
from sim.errors import UserError

if TYPE_CHECKING:
    from sim.build import Plan, ZoneStart

Array = np.ndarray[Any, Any]

MIN_FRAMES = 64
ALIGN = 1 << buddy.LARGEST  # zones begin at multiples, so that no free block crosses a border


class Layout(NamedTuple):
    """One zone at the start, in frames.

    zone     marks
    offset   place of its first frame behind a multiple of 1024
    spanned  from there to its end, those without memory first
    taken    by the kernel: unmovable, reclaimable, movable; and free ones that lie among the last
    """

    zone: Zone
    offset: int
    spanned: int
    taken: tuple[int, int, int, int] = (0, 0, 0, 0)


def _configured(plan: Plan) -> list[Layout]:
    sizes = zone_sizes(plan.memory, plan.kernel_reserved, plan.page_size)
    if sum(sizes) < MIN_FRAMES:
        raise UserError(
            f"machine.memory: {sum(sizes)} pages are left after the kernel's own {plan.kernel_reserved} bytes; "
            f"at least {MIN_FRAMES} are needed"
        )
    min_free = plan.min_free_kbytes or auto_min_free_kbytes(sum(sizes), plan.page_size)
    zones = build_zones(sizes, min_free, plan.watermark_scale_factor, plan.page_size)
    spans = zone_spans(plan.memory, plan.page_size)
    outside = (1, 0, 0)  # frame 0 is in no zone
    return [Layout(zone, off, spanned - off) for zone, spanned, off in zip(zones, spans, outside, strict=True)]


def resident_pages(plan: Plan) -> int:
    """Pages of memory that is there before anything runs; they are placed on the lists later."""
    return sum(sum(item.process.resident) for item in plan.processes if item.process.resident is not None)


def _measured(start: tuple[ZoneStart, ...], resident: int) -> list[Layout]:
    by_name = {zone.name: zone for zone in start}
    highest = [name for name in st.ZONE_NAMES if name in by_name][-1]
    found = []
    for name in st.ZONE_NAMES:
        zone = by_name.get(name)
        if zone is None or zone.managed == 0:
            found.append(Layout(Zone(name, 0, 0, 0, 0, 0), 0, 0))
            continue
        among = resident if name == highest else 0
        used = zone.managed - zone.free - zone.pcp - among
        if (
            zone.scattered > zone.free
            or not 0 <= used <= zone.managed
            or zone.spanned < zone.managed
            or zone.reclaimable + zone.movable > used
        ):
            raise UserError(
                f"start of zone {name}: {zone.free} pages free, {zone.pcp} on per-CPU lists, {zone.managed} managed, "
                f"{zone.spanned} spanned, {zone.reclaimable} reclaimable and {zone.movable} movable in use, {zone.scattered} scattered; "
                "expected free <= managed <= spanned, those in use within what is not free, and scattered <= free"
            )
        taken = (used - zone.reclaimable - zone.movable, zone.reclaimable, zone.movable, zone.scattered + among if zone.scattered else 0)
        found.append(Layout(Zone(name, zone.managed, zone.min, zone.low, zone.high, 0), zone.start_pfn % ALIGN, zone.spanned, taken))
    return found


def layouts(plan: Plan) -> list[Layout]:
    """The zones DMA, DMA32 and Normal; those without pages have zeros.  Raises UserError for too little or too much memory."""
    found = _configured(plan) if plan.start is None else _measured(plan.start.zones, resident_pages(plan))
    total = sum(item.zone.managed for item in found)
    if sum(item.spanned + ALIGN for item in found) > st.MAX_FRAMES:
        raise UserError(f"machine.memory: {total} pages; this version holds at most {st.MAX_FRAMES} (use a larger page_size)")
    high = sum(item.zone.high for item in found)
    if high * 2 > total:
        raise UserError(f"machine: the high watermarks ask for {high} free pages of {total}; give more memory or lower vm.min_free_kbytes")
    return found


def zone_table(found: list[Layout]) -> Array:
    """Zones with their marks, reserves and frames; nothing is free yet."""
    table = np.zeros((3, st.ZONE_COLUMNS), np.int64)
    sizes = [item.zone.managed for item in found]
    first = 0
    for number, (row, item) in enumerate(zip(table, found, strict=True)):
        zone = item.zone
        row[st.MANAGED] = zone.managed
        row[st.WMARK_MIN], row[st.WMARK_LOW], row[st.WMARK_HIGH] = zone.min, zone.low, zone.high
        row[st.RESERVES : st.RESERVES + 3] = reserves(sizes, number)
        row[st.FIRST_FRAME] = first
        first += -(-(item.offset + item.spanned) // ALIGN) * ALIGN if zone.managed else 0
        row[st.END_FRAME] = first
    return table


def pcp_table(zone: Array, cpus: int) -> Array:
    """Empty per-CPU lists of each zone."""
    table = np.zeros((len(zone), pcp.PCP_COLUMNS), np.int64)
    for row, one in zip(table, zone, strict=True):
        row[[pcp.BATCH, pcp.HIGH, pcp.SMALL_HIGH]] = pcp.sizes(int(one[st.MANAGED]), int(one[st.WMARK_LOW]), cpus)
    return table


class FrameTables(NamedTuple):
    """What the machine keeps about frames, before any is free."""

    frame: Array
    block: Array
    buddy: Array
    pcp: Array


def frame_tables(zone: Array, cpus: int) -> FrameTables:
    """All frames are holes; every page block is movable."""
    frames = int(zone[-1, st.END_FRAME])
    frame = np.zeros((frames, st.FRAME_COLUMNS), np.int32)
    frame[:, st.FLAGS] = st.HOLE << st.KIND_SHIFT
    block = np.full(max(frames >> buddy.BLOCK_SHIFT, 1), st.MOVABLE, np.int32)
    lists = np.zeros((len(zone) * buddy.ORDERS * st.TYPES, buddy.BUDDY_COLUMNS), np.int64)
    return FrameTables(frame, block, lists, pcp_table(zone, cpus))


def type_scalars(num: Array, plan: Plan, zone: Array) -> None:
    """Migrate types by use (pagecache.md E.1) and the boost, into the machine's scalars."""
    types = num[st.KIND_TYPES : st.KIND_TYPES + 7]
    types[:] = st.UNMOVABLE
    types[[st.ANON, st.MLOCKED]] = st.MOVABLE
    types[st.FILE] = st.UNMOVABLE if plan.filesystem.kind == "raw" else st.MOVABLE
    pool = plan.allocator or plan.clean_allocator
    if pool is not None:
        types[st.POOL] = st.MOVABLE if pool.movable_request else st.UNMOVABLE
        num[st.POOL_MIGRATABLE] = int(pool.migratable)
    num[st.BOOST_FACTOR] = plan.watermark_boost_factor
    num[st.AVOID_MIXING] = int(zone[2, st.MANAGED] > 0)


def fill_zones(pages: Any, zone: Array, block: Array, found: list[Layout]) -> None:
    """Free the memory of every zone, then let the kernel have taken what it holds at the start."""
    for number, item in enumerate(found):
        managed = item.zone.managed
        if not managed:
            continue
        end = int(zone[number, st.FIRST_FRAME]) + item.offset + item.spanned
        if item.offset % buddy.BLOCK_FRAMES:
            block[(int(zone[number, st.FIRST_FRAME]) + item.offset) >> buddy.BLOCK_SHIFT] = st.UNMOVABLE
        resolve("models.memory.boot:free_memory")(pages, number, end - managed, end)
        if sum(item.taken):
            resolve("models.memory.boot:use_memory")(pages, number, *item.taken)


def fill_lists(pages: Any, start: tuple[ZoneStart, ...]) -> None:
    """The per-CPU lists of a measured machine at its start."""
    for zone in start:
        if zone.pcp:
            resolve("models.memory.boot:fill_list")(pages, st.ZONE_NAMES.index(zone.name), zone.pcp)
