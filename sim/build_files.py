"""From the plan's files to the page cache's tables: file pages, nodes, files, mapped areas, open files, slab caches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.contents.rows import Rows
from models.memory import file_state as fi
from models.memory import state as st
from models.workloads.stream import Area, File, file_pages
from sim.errors import UserError
from sim.vm import Array

MOST_FILE_PAGES = (1 << 31) - 1
ADVICE_FLAGS = {"normal": 0, "random": fi.RANDOM, "sequential": fi.SEQUENTIAL}
SECOND_IN_CENTI = 10_000_000  # ns
FIRST_BANDWIDTH = 100 << 20  # bytes/s, until the device's is measured: Linux 6.1 mm/backing-dev.c
SEEKS = {
    fi.NODE_CACHE: 0,
    fi.INODE_CACHE: 2,
    fi.BUFFER_CACHE: -1,
    fi.DENTRY_CACHE: 2,
    fi.KMALLOC_CACHE: -1,
    fi.CLEAN_PAGES: 2,
}  # others: -1


class FilePlan(NamedTuple):
    """A file, what its pages hold, and where it begins on its device (pages)."""

    file: File
    contents: Rows
    device_page: int


class Filesystem(NamedTuple):
    """What holds the files: sizes in bytes; kind as in the configuration's `filesystem` section."""

    kind: str = "ext4"
    read_ahead: int = 128 << 10
    fault_around: int = 64 << 10
    max_request: int = 1280 << 10


class Dirty(NamedTuple):
    """The sysctls of dirty memory, in Linux's units."""

    ratio: int = 20
    background_ratio: int = 10
    bytes: int = 0
    background_bytes: int = 0
    expire_centisecs: int = 3000
    writeback_centisecs: int = 500


class FileTables(NamedTuple):
    """Arrays as in models.memory.file_state."""

    maps: Array
    area: Array
    cache: Array
    leaf: Array
    file: Array
    opens: Array
    slab: Array
    stolen: Array


class ContentRows:
    """Compressed sizes of all contents one after another, each table once."""

    def __init__(self) -> None:
        self.where: dict[int, int] = {}
        self.tables: list[Array] = []
        self.length = 0

    def add(self, sizes: Array) -> int:
        """Where a table of sizes begins."""
        if id(sizes) not in self.where:
            self.where[id(sizes)] = self.length
            self.tables.append(sizes)
            self.length += len(sizes)
        return self.where[id(sizes)]

    def all(self) -> Array:
        """int32[rows]."""
        return np.concatenate(self.tables).astype(np.int32) if self.tables else np.zeros(1, np.int32)


def _files(programs: Sequence[Sequence[FilePlan]], contents: ContentRows) -> tuple[Array, Array, Array, list[tuple[int, int]]]:
    """(file, leaf, cache, first file and first file page of each program)."""
    flat = [plan for program in programs for plan in program]
    file = np.zeros((max(len(flat), 1), fi.FILE_COLUMNS), np.int64)
    starts = []
    number = page = 0
    for group, program in enumerate(programs):
        starts.append((number, page))
        firsts = file_pages([plan.file for plan in program])
        for plan, first in zip(program, firsts, strict=False):
            row = file[number]
            row[fi.FIRST], row[fi.ROOM] = page + first, plan.file.pages
            row[fi.SIZE] = plan.file.pages if plan.file.size is None else plan.file.size
            row[fi.DEVICE_PAGE] = plan.device_page
            row[fi.CONTENT_FIRST] = contents.add(plan.contents.sizes)
            row[fi.CONTENT_ROWS] = len(plan.contents.sizes) // plan.contents.versions
            row[fi.CONTENT_SAME] = plan.contents.same_size
            row[fi.GROUP] = group
            number += 1
        page += firsts[-1]
    if page > MOST_FILE_PAGES:
        raise UserError(f"workloads: their files add up to {page} pages; this version holds 2^31")
    leaf = np.zeros((max(page >> fi.LEAF_SHIFT, 1), fi.LEAF_COLUMNS), np.int32)
    for n, plan in enumerate(flat):
        first = int(file[n, fi.FIRST]) >> fi.LEAF_SHIFT
        leaf[first : first + -(-plan.file.pages // fi.LEAF_PLACES), fi.LEAF_FILE] = n
    return file, leaf, np.zeros(max(page, 1), np.int32), starts


def _flags(area: Area) -> int:
    return (fi.SHARED if area.shared else 0) | (fi.EXECUTABLE if area.executable else 0) | ADVICE_FLAGS[area.advice]


def _check_area(name: str, area: Area, pages: int, program: Sequence[FilePlan]) -> None:
    if not 0 <= area.file < len(program):
        raise UserError(f"process {name}: maps file {area.file}; its program has {len(program)}")
    file = program[area.file].file
    if area.first < 0 or area.pages < 1 or area.first + area.pages > pages:
        raise UserError(f"process {name}: maps {file.name} at pages {area.first} to {area.first + area.pages}; it has {pages} pages")
    if area.offset < 0 or area.offset + area.pages > file.pages:
        raise UserError(f"process {name}: maps {area.pages} pages of {file.name} from page {area.offset} on; that has {file.pages} pages")


def slab_table(page_size: int, clean_cache: bool) -> Array:
    """Empty slab caches; the clean cache's shrinker only where there is one."""
    table = np.zeros((len(fi.SLAB_NAMES), fi.SLAB_COLUMNS), np.int64)
    for cache, size in enumerate(fi.SLAB_BYTES):
        seeks = SEEKS.get(cache, -1)
        table[cache, fi.PER_PAGE] = page_size // size if size else 1
        table[cache, fi.SEEKS] = seeks if clean_cache or cache != fi.CLEAN_PAGES else -1
        table[cache, fi.RECLAIMABLE] = int(cache in SEEKS and cache != fi.KMALLOC_CACHE)
    return table


def file_tables(
    processes: Sequence[tuple[str, int, tuple[Area, ...], int]],
    programs: Sequence[Sequence[FilePlan]],
    contents: ContentRows,
    proc: Array,
    virtual: int,
    slab: Array,
) -> FileTables:
    """All tables; writes each process's areas, files and open files into `proc`.

    processes: (name, pages, areas, program) of each; slab: as slab_table gives it.
    """
    file, leaf, cache, starts = _files(programs, contents)
    areas: list[tuple[int, ...]] = []
    opens = 0
    for row, (name, pages, mapped, program) in zip(proc, processes, strict=False):
        first_file, first_page = starts[program]
        row[st.FILE_BASE] = first_page
        row[st.GROUP] = program
        row[st.AREA_FIRST], row[st.AREAS] = len(areas), len(mapped)
        row[st.OPEN_FIRST], row[st.OPENS] = opens, min(len(programs[program]), fi.OPEN_FILES)
        opens += int(row[st.OPENS])
        end = 0
        for area in mapped:
            _check_area(name, area, pages, programs[program])
            if area.first < end:
                raise UserError(f"process {name}: the areas that it maps overlap, or are not in ascending order")
            end = area.first + area.pages
            areas.append((int(row[st.FIRST_PAGE]) + area.first, area.pages, first_file + area.file, area.offset, _flags(area)))
    table = np.array(areas, np.int64) if areas else np.zeros((1, fi.AREA_COLUMNS), np.int64)
    maps = np.zeros((max(virtual, 1) if areas else 1, 2), np.int32)
    stolen = np.zeros((1 + len(programs), 2 * len(programs)), np.int64)
    return FileTables(maps, table, cache, leaf, file, np.zeros((max(opens, 1), fi.OPEN_COLUMNS), np.int64), slab, stolen)


def set_scalars(num: Array, zone: Array, filesystem: Filesystem, dirty: Dirty, page_size: int, clean_cache: bool) -> None:
    """The scalars of page cache and writeback at start."""
    num[fi.DIRTY_RATIO], num[fi.DIRTY_BACKGROUND_RATIO] = dirty.ratio, dirty.background_ratio
    num[fi.DIRTY_BYTES], num[fi.DIRTY_BACKGROUND_BYTES] = dirty.bytes, dirty.background_bytes
    num[fi.DIRTY_EXPIRE] = dirty.expire_centisecs * SECOND_IN_CENTI
    num[fi.DIRTY_PERIOD] = dirty.writeback_centisecs * SECOND_IN_CENTI
    rate = FIRST_BANDWIDTH // page_size
    num[fi.BANDWIDTH] = num[fi.AVERAGE_BANDWIDTH] = num[fi.DIRTY_RATE] = num[fi.BALANCED_RATE] = rate
    managed = zone[:, st.MANAGED]
    num[fi.RESERVE_TOTAL] = int(np.minimum(managed, zone[:, st.RESERVE] + zone[:, st.WMARK_HIGH]).sum())
    num[fi.READAHEAD_PAGES] = filesystem.read_ahead // page_size
    num[fi.IO_PAGES] = max(filesystem.max_request // page_size, 1)
    num[fi.FAULT_AROUND] = max(filesystem.fault_around // page_size, 1)
    num[fi.WRITEPAGE] = int(filesystem.kind != "xfs")
    num[fi.BUFFERS_ON_WRITE] = int(filesystem.kind != "xfs")
    num[fi.BUFFERS_ON_READ] = int(filesystem.kind == "raw")
    num[fi.CLEAN_CACHE] = int(clean_cache)
