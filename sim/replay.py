"""`replay`: drive one allocator from a trace of operations and print where it puts every object.

The trace and the answers are text, one operation a line; docs/allocators.md describes both.  The work is done in compiled
batches (models.allocators.drive); this file reads, reports what is wrong with a trace, and prints.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from pydantic_core import PydanticCustomError

from models.allocators import trace_text
from models.allocators.drive import ALLOC, COMPACT, FREE, RECLAIM, STATISTICS, digest, drive, place_rows
from models.allocators.pool import POOL_PAGES, Allocator, Answers, Objects, PoolArrays
from models.registry import Entry, resolve
from sim.config.parts import entry_of
from sim.errors import UserError

PAGE_SIZE = 4096
NO_LIMIT = 1 << 40  # pages the pool may take: no allocation fails for lack of memory
PAGES_PER_OBJECT = 8  # the longest chain of pages that one allocation of any allocator takes at once
CHUNK = 1 << 15  # operations a batch: its answers stay in the cache


class Trace(NamedTuple):
    """Operations of a trace, see models.allocators.drive.

    op uint8[n], ident int32[n], arg int64[n]; allocs: how many are allocations; identities: the largest of an allocation, plus 1.
    """

    op: np.ndarray
    ident: np.ndarray
    arg: np.ndarray
    allocs: int
    identities: int


def _bytes(path: Path) -> bytes:
    """The file's content, unpacked if it is gzip (whatever its name)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read the trace: {error.strerror or error}") from None
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except EOFError:
        raise UserError(f"{path}: the gzip file ends too early (truncated?)") from None
    except (OSError, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip file: {error}") from None


def _complaint(path: Path, text: bytes, summary: np.ndarray) -> UserError:
    """What is wrong with the line that `parse` stopped at."""
    number = int(summary[trace_text.LINE])
    line = text[int(summary[trace_text.START]) : int(summary[trace_text.STOP])]
    if any((byte < 32 and byte not in b"\t\r") or byte > 126 for byte in line[:200]):
        return UserError(f"{path}:{number}: not a text trace (binary data in this line)")
    shown = line[:60].decode("ascii").strip() + ("..." if len(line) > 60 else "")
    what = {
        trace_text.UNKNOWN: "unknown operation; known are a ID SIZE, f ID, b ID, u ID, c, r N, s, and # comments",
        trace_text.MALFORMED: "not an operation: expected a ID SIZE, f ID, b ID, u ID, c, r N or s, with plain decimal numbers",
        trace_text.NEGATIVE: "a number is negative",
        trace_text.TOO_LARGE: f"a number is too large (sizes up to {trace_text.LARGEST}, IDs up to {trace_text.LARGEST_ID})",
        trace_text.OUT_OF_ORDER: "IDs of allocations must count up and are never used twice",
    }[int(summary[trace_text.FAULT])]
    return UserError(f"{path}:{number}: {what}: '{shown}'")


def _told(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of the lines that are neither blank nor a comment."""
    for number, line in enumerate(BytesIO(text), 1):
        content = line.strip(b" \t\r\n")
        if content and not content.startswith(b"#"):
            yield number, content


def _sizes(path: Path, text: bytes) -> Trace:
    """A list of compressed sizes, one a line: each is stored, in this order, and at the end is a request for statistics.

    0 stands for a page of one word repeated, which is not stored; more than a page for one that does not compress, stored raw.
    """
    sizes = []
    for number, content in _told(text):
        if not content.isdigit() or len(content) > 9:
            shown = content[:60].decode("ascii", "replace")
            raise UserError(f"{path}:{number}: not a size: expected a plain decimal number of bytes, as in the lines above: '{shown}'")
        if int(content):
            sizes.append(min(int(content), PAGE_SIZE))
    n = len(sizes)
    op, ident = np.full(n + 1, ALLOC, np.uint8), np.arange(n + 1, dtype=np.int32)
    op[n], ident[n] = STATISTICS, 0
    return Trace(op, ident, np.array([*sizes, 0], np.int64), n, n)


def _check_frees(path: Path, text: bytes, trace: Trace) -> None:
    """What is freed was allocated before, and not freed since."""
    wrong = int(trace_text.wrong_free(trace.op, trace.ident, np.zeros(trace.identities, np.uint8)))
    if wrong < 0:
        return
    who = int(trace.ident[wrong])
    number, content = next(islice(_told(text), wrong, None))
    before = trace.ident[:wrong][trace.op[:wrong] == FREE]
    what = f"object {who} was freed before" if who in before else f"object {who} was not allocated before"
    raise UserError(f"{path}:{number}: {what}: '{content[:60].decode('ascii')}'")


def read_trace(path: Path) -> Trace:
    """Read a whole trace, plain or gzip, or a list of sizes.  UserError with file and line for anything that is not one."""
    text = _bytes(path)
    if not text:
        raise UserError(f"{path}: the trace is empty")
    if next((content.isdigit() for _, content in _told(text)), False):
        return _sizes(path, text)
    lines = text.count(b"\n") + 1
    op, ident, arg = np.empty(lines, np.uint8), np.empty(lines, np.int32), np.empty(lines, np.int64)
    summary = np.zeros(trace_text.SUMMARY, np.int64)
    n = trace_text.parse(np.frombuffer(text, np.uint8), op, ident, arg, summary)
    if summary[trace_text.FAULT] != trace_text.FINE:
        raise _complaint(path, text, summary)
    if n == 0:
        raise UserError(f"{path}: the trace holds no operation, only comments or blank lines")
    trace = Trace(op[:n], ident[:n], arg[:n], int(summary[trace_text.ALLOCS]), int(summary[trace_text.IDENTITIES]))
    _check_frees(path, text, trace)
    return trace


def trace_name(path: Path) -> str:
    """The trace's name as answers print it: the file's without `.gz`, `.trace` and `.txt`."""
    name = path.name
    for ending in (".gz", ".trace", ".txt"):
        name = name.removesuffix(ending)
    return name


def find_allocator(name: str) -> Entry:
    """The registry's entry of that name, or that of a plug-in `path/to/file.py:NAME`.  UserError if there is none."""
    try:
        return entry_of("allocators", name)
    except PydanticCustomError as error:
        raise UserError(f"allocator: {error.message()}") from None


class Replay:
    """One allocator under one trace."""

    def __init__(self, trace: Trace, entry: Entry, page_size: int = PAGE_SIZE) -> None:
        allocator: Allocator = resolve(entry.target)
        if allocator.answers is None:
            raise UserError(f"allocator '{entry.name}' cannot be replayed: it does not say how its answers are printed")
        self.trace = trace
        self.allocator = allocator
        self.answers: Answers = allocator.answers
        self.title: str = f"{self.answers.title(page_size, entry.preset)}; PAGE_SIZE {page_size}"
        pages = PAGES_PER_OBJECT * (trace.allocs + 8)
        self.arrays: PoolArrays = allocator.create(page_size, pages, trace.allocs, **entry.preset, may_take=NO_LIMIT)
        self.table: np.ndarray = np.zeros((3, trace.identities), np.int32)
        self.objects = Objects(self.table[0], self.table[1], self.table[2])

    def statistics(self) -> list[str]:
        """The lines of an `s`."""
        pool = self.arrays.pool
        self.allocator.stat(pool)
        if self.answers.statistics is not None:
            lines = list(self.answers.statistics(self.arrays))
        else:
            values = [f"{name}={value}" for name, value in self.allocator.counters(self.arrays).items()]
            lines = [" ".join(["s", str(int(self.arrays.num[POOL_PAGES])), *values])]
        return [*lines, f"D {int(digest(pool, self.allocator.blocks, self.table)):016x}"]

    def event(self, code: int, argument: int) -> list[str]:
        """The lines of a `c`, `r` or `s`."""
        if code == STATISTICS:
            return self.statistics()
        if code == COMPACT and self.answers.compact is not None:
            if self.answers.hold is not None:
                self.answers.hold(self.arrays, self.objects)
            return self.answers.compact(self.arrays)
        if code == RECLAIM and self.answers.reclaim is not None:
            return self.answers.reclaim(self.arrays, self.objects, argument)
        return []

    def run(self, out: TextIO) -> None:
        """Do the whole trace and print the answers."""
        op, ident, arg = self.trace.op, self.trace.ident, self.trace.arg
        a = self.allocator
        functions: tuple[Any, Any, Any] = (a.alloc, a.free, a.blocks)
        place, no_tally = place_rows(CHUNK, PAGE_SIZE), np.empty((0, 0), np.int64)
        buffer = np.empty(len(place) * trace_text.LINE_BYTES, np.uint8)
        first, end = 0, len(op)
        while first < end:
            last = min(first + CHUNK, end)
            done = drive(self.arrays.pool, *functions, op, ident, arg, first, last, self.table, place, no_tally)
            size = trace_text.write_places(op, ident, first, done, place, int(self.answers.errno), buffer)
            out.write(buffer[:size].tobytes().decode("ascii"))
            if done < last and op[done] >= COMPACT:
                out.writelines(line + "\n" for line in self.event(int(op[done]), int(arg[done])))
                done += 1
            first = done


def replay(trace: Path, allocator: str, out: TextIO) -> None:
    """Drive the allocator of that name from a trace file and print every answer.

    UserError if the file or the name is wrong; then nothing has been printed.
    """
    entry = find_allocator(allocator)
    try:
        work = Replay(read_trace(trace), entry)
    except MemoryError:
        raise UserError(f"{trace}: too large for this machine's memory (its tables grow with its lines and its largest ID)") from None
    out.write(f"# {work.title}; trace {trace_name(trace)}\n")
    work.run(out)
