"""The op stream: what every workload is, whatever made it.

An op is one row of three arrays: op uint8, page int64, cpu_ns uint32.  Pages are numbered from 0 in their own process, in
machine pages (4, 16 or 64 KiB).  An access is one op on a page, followed by cpu_ns of computing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

READ, WRITE = 0, 1  # memory access to `page`, then cpu_ns of computing
FREAD, FWRITE = 2, 3  # system call on a file page (page cache)
MAP, UNMAP = 4, 5  # `cpu_ns` pages from `page` on; UNMAP frees them, MAP makes them fresh (zero-filled at first touch)
SPAWN = 6  # start process `page` of the same program
WAIT = 7  # until process `page` has ended; page -1: until all processes spawned by this one have
EXIT = 8  # ends the process, frees its memory; the end of the stream does the same
SLEEP = 9  # for cpu_ns nanoseconds, off the CPU

OP_NAMES = ("READ", "WRITE", "FREAD", "FWRITE", "MAP", "UNMAP", "SPAWN", "WAIT", "EXIT", "SLEEP")

Chunk = tuple[np.ndarray, np.ndarray, np.ndarray]  # op uint8[n], page int64[n], cpu_ns uint32[n]


class Process(NamedTuple):
    """One address space and what it does.

    name      for tables and logs
    pages     size of its address space in machine pages; every page number is below it
    chunks    called once; yields Chunks in order (100,000 to 1,000,000 ops each); deterministic
    ops       number of ops if known, else None (for progress)
    """

    name: str
    pages: int
    chunks: Callable[[], Iterator[Chunk]]
    ops: int | None = None


class Program(NamedTuple):
    """A workload's processes.  Process 0 starts with the workload, the others when they are spawned."""

    processes: tuple[Process, ...]


class Context(NamedTuple):
    """What a workload factory may know: `build(options, context) -> Program`.

    options   mapping of the entry's settings, already in model units (bytes, ns), paths absolute
    page_size bytes of a machine page
    seed      this workload's own SeedSequence
    """

    page_size: int
    seed: np.random.SeedSequence


Build = Callable[[dict[str, Any], Context], Program]
