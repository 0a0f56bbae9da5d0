"""The op stream: what every workload is, whatever made it.

An op is one row of three arrays: op uint8, page int64, cpu_ns uint32.  Pages are numbered from 0 in their own process, in
machine pages (4, 16 or 64 KiB); file pages from 0 in their program (see `file_pages`).  An access is one op on a page, followed by
cpu_ns of computing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

READ, WRITE = 0, 1  # memory access to `page`, then cpu_ns of computing
FREAD, FWRITE = 2, 3  # read() or write() of a file: `page` is a `call` (below), then cpu_ns of computing
MAP, UNMAP = 4, 5  # `cpu_ns` pages from `page` on; UNMAP frees them, MAP makes them fresh (zero-filled, or of their file, at first touch)
SPAWN = 6  # start process `page` of the same program
WAIT = 7  # until process `page` has ended; ALL: until all spawned by this one have; FEWER: until fewer than cpu_ns of them are left
EXIT = 8  # ends the process, frees its memory; the end of the stream does the same
SLEEP = 9  # for cpu_ns nanoseconds, off the CPU
FSYNC = 10  # until the file that holds file page `page` is on its device; page -1: every file (sync)
DELETE = 11  # the file that holds file page `page` loses all its pages, dirty ones too: truncate, unlink
ADVISE = 12  # the file that holds file page `page`, opened by this process: cpu_ns is one of the advices below
SLAB = 13  # the kernel allocates (cpu_ns objects) in slab cache number `page`, or frees them if `page` is -1 - number
UNMOUNT = 14  # the program's files: what is dirty is written, then their pages and the clean cache's copies are dropped
MARK = 15  # a snapshot of all counters, under number `page`: phase << MARK_SHIFT | 1 + accesses of the phase (0: its end)
MARK_SHIFT = 40

OP_NAMES = (
    *("READ", "WRITE", "FREAD", "FWRITE", "MAP", "UNMAP", "SPAWN", "WAIT", "EXIT", "SLEEP"),
    *("FSYNC", "DELETE", "ADVISE", "SLAB", "UNMOUNT", "MARK"),
)

ALL, FEWER = -1, -2  # `page` of a WAIT

ADVICES = ("normal", "random", "sequential", "willneed", "dontneed", "noreuse")  # as posix_fadvise numbers them on Linux

# One FREAD or FWRITE is one system call on whole pages: first file page, number of pages less one, and two remarks
COUNT_SHIFT = 40
COUNT_BITS = 16  # at most 65536 pages a call
PARTIAL = 1 << 60  # FWRITE: the pages are not written in full, so a page that is on the device but not in memory is read first
LEAF = 64  # a file's pages begin at a multiple of this: the slots of one node of its radix tree

Chunk = tuple[np.ndarray, np.ndarray, np.ndarray]  # op uint8[n], page int64[n], cpu_ns uint32[n]


def call(page: Any, pages: Any = 1) -> Any:
    """The `page` value of an FREAD or FWRITE of `pages` pages from file page `page` on; scalars or arrays."""
    return page + (pages - 1 << COUNT_SHIFT)


def span(page: int) -> tuple[int, int]:
    """First and last file page of a `call`."""
    first = page & (1 << COUNT_SHIFT) - 1
    return first, first + (page >> COUNT_SHIFT & (1 << COUNT_BITS) - 1)


class File(NamedTuple):
    """One file of a program.

    name   for tables and logs
    pages  the largest size it can have, in machine pages
    size   pages that exist on the device at the start, None: all; writing behind them makes it grow
    """

    name: str
    pages: int
    size: int | None = None


def file_pages(files: Sequence[File]) -> list[int]:
    """First file page of each file, and behind the last one the end: files follow one another, each at a multiple of LEAF."""
    first = [0]
    for file in files:
        first.append(first[-1] + -(-file.pages // LEAF) * LEAF)
    return first


def file_spans(files: Sequence[File]) -> np.ndarray:
    """int64[files, 2]: first file page and pages of each file."""
    return np.array([(first, file.pages) for first, file in zip(file_pages(files), files, strict=False)], np.int64).reshape(-1, 2)


class Area(NamedTuple):
    """A part of an address space that maps a file: READ and WRITE of its pages are faults on the file's pages.

    first, pages  where in the address space (pages of no area are anonymous); areas do not overlap
    file          position in the program's files; offset: the file's page at `first`
    shared        writes go to the file; otherwise a written page becomes an anonymous copy
    executable    mapped with PROT_EXEC: reclaim spares such pages longer
    advice        "normal", "random" or "sequential", as by madvise
    """

    first: int
    pages: int
    file: int
    offset: int = 0
    shared: bool = False
    executable: bool = False
    advice: str = "normal"


class Resident(NamedTuple):
    """Anonymous memory that a machine holds at its start, from page 0 on, oldest first, in pages.

    idle    inactive, not used since it was last looked at
    used    inactive, used since then
    active  on the active list, used since then
    """

    idle: int = 0
    used: int = 0
    active: int = 0


class Process(NamedTuple):
    """One address space and what it does.

    name      for tables and logs
    pages     size of its address space in machine pages; every page number is below it
    chunks    called once; yields Chunks in order (100,000 to 1,000,000 ops each); deterministic
    ops       number of ops if known, else None (for progress)
    areas     parts of the address space that map files, in ascending order
    locked    first page of the part that is locked in memory (mlock), which is the address space's last; None: no page is
    resident  pages that are there before anything runs, for a process that never does: see Resident; None for all others
    """

    name: str
    pages: int
    chunks: Callable[[], Iterator[Chunk]]
    ops: int | None = None
    areas: tuple[Area, ...] = ()
    locked: int | None = None
    resident: Resident | None = None


class Program(NamedTuple):
    """A workload's processes and files.  Process 0 starts with the workload, the others when they are spawned."""

    processes: tuple[Process, ...]
    files: tuple[File, ...] = ()


class Context(NamedTuple):
    """What a workload factory may know: `build(options, context) -> Program`.

    options   mapping of the entry's settings, already in model units (bytes, ns), paths absolute
    page_size bytes of a machine page
    seed      this workload's own SeedSequence
    capacity  bytes of the device that holds the workload's files, None if there is none
    """

    page_size: int
    seed: np.random.SeedSequence
    capacity: int | None = None


Build = Callable[[dict[str, Any], Context], Program]
