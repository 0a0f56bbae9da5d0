"""Trace workloads: page accesses of a real program from a file, whatever its format (models/workloads/readers).

The touched pages are numbered densely in address order, so memory is proportional to what is touched, neighbours stay neighbours, and
a table of the contents of the program's pages lines up.  The time between two accesses is the first one's computing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import InputError
from models.registry import resolve
from models.workloads.program import LARGEST_THINK, one_or_many
from models.workloads.readers.registry import REGISTRY
from models.workloads.readers.source import Block, Reader, Source, head
from models.workloads.stream import SLEEP, Chunk, Context, Process, Program

MOST_PAGES = (1 << 31) - 1  # page numbers of a machine are int32
_LARGEST_SPAN = 1 << 24  # page range up to which a plain table finds a page's number


def build(options: dict[str, Any], context: Context) -> Program:
    """The program of a trace file.

    options: file, format, columns, time_unit, think, ns_per_instruction, time_scale, backwards, repeat, processes.
    The whole file is checked here.  Raises InputError with file:line (or offset) where it is not a usable trace.
    """
    path = Path(options["file"])
    source = open_trace(path, options)
    pages, accesses = _survey(path, source, context.page_size)
    repeat = options["repeat"]

    def process(_number: int) -> Process:
        def chunks() -> Iterator[Chunk]:
            for _ in range(repeat):
                yield from _chunks(source, pages, options, context.page_size)

        return Process(path.name, len(pages), chunks, accesses * repeat)

    return one_or_many(path.name, options["processes"], process)


def open_trace(path: Path, options: dict[str, Any]) -> Source:
    """The trace's Source, by `format` or, for auto, by what the file begins with.  Raises InputError."""
    start = head(path)
    for entry in REGISTRY:
        if options["format"] == entry.name:
            reader: Reader = resolve(entry.target)
            return reader.open(path, options)
        if options["format"] == "auto" and (reader := resolve(entry.target)).sniff(start):
            return reader.open(path, options)
    names = ", ".join(entry.name for entry in REGISTRY)
    raise InputError(
        f"{path}:1: not a trace that can be read: expected one of {names} (plain, gz, xz, bz2 or zstd); it begins with {start[:16]!a}"
    )


def _machine_pages(place: np.ndarray, place_bytes: int, page_size: int) -> np.ndarray:
    """int64[n]: machine pages of places."""
    if place_bytes in (0, page_size):
        return place
    if place_bytes > page_size:
        return place * (place_bytes // page_size)
    return place // (page_size // place_bytes)


def _survey(path: Path, source: Source, page_size: int) -> tuple[np.ndarray, int]:
    """(ascending machine pages that the trace touches, accesses); reads all of it, so that a damaged trace is known before the run."""
    found = np.zeros(0, np.int64)
    accesses = 0
    if source.pages is not None:
        found = np.unique(_machine_pages(source.pages, source.place_bytes, page_size))
        if source.check is not None:
            return found, source.check()
    for _, _, place in source.blocks():
        accesses += len(place)
        if source.pages is None:
            page = _machine_pages(place, source.place_bytes, page_size)
            found = np.union1d(found, page[np.flatnonzero(np.diff(page, prepend=-1))])
        if len(found) > MOST_PAGES:
            raise InputError(f"{path}: it touches more than {MOST_PAGES} pages")
    return found, accesses


def _numbering(source: Source, pages: np.ndarray, page_size: int) -> Any:
    """A function from places (int64[n]) to dense page numbers (int64[n])."""
    if source.pages is not None:
        table = np.searchsorted(pages, _machine_pages(source.pages, source.place_bytes, page_size))
        return lambda place: table[place]
    low, high = int(pages[0]), int(pages[-1])
    if high - low < _LARGEST_SPAN:
        number = np.zeros(high - low + 1, np.int32)
        number[pages - low] = np.arange(len(pages))
        return lambda place: number[_machine_pages(place, source.place_bytes, page_size) - low].astype(np.int64)
    return lambda place: np.searchsorted(pages, _machine_pages(place, source.place_bytes, page_size))


def _chunks(source: Source, pages: np.ndarray, options: dict[str, Any], page_size: int) -> Iterator[Chunk]:
    """Chunks of one pass over the trace; an access waits for the next one's time to know its own computing."""
    number = _numbering(source, pages, page_size)
    scale = options["time_scale"] * (options["ns_per_instruction"] if source.time == "instructions" else 1.0)
    last: Block | None = None
    for block in source.blocks():
        if last is not None:
            block = tuple(np.concatenate(pair) for pair in zip(last, block, strict=True))  # type: ignore[assignment]
        last = tuple(column[-1:] for column in block)  # type: ignore[assignment]
        time, write, place = block
        if len(time) > 1:
            yield _chunk(_gaps(source, time, scale, options["think"]), write[:-1], number(place[:-1]))
    if last is not None:
        gap = int(options["think"]) if source.time == "none" else 0
        yield _chunk(np.array([gap], np.int64), last[1], number(last[2]))


def _gaps(source: Source, time: np.ndarray, scale: float, think: int) -> np.ndarray:
    """int64[n - 1]: ns from each access to the next.  Rounded from times within the block, so that rounding does not add up."""
    if source.time == "none":
        return np.full(len(time) - 1, think, np.int64)
    return np.diff(np.floor((time - time[0]) * scale).astype(np.int64)) if scale != 1.0 else np.diff(time)


def _chunk(gap: np.ndarray, write: np.ndarray, page: np.ndarray) -> Chunk:
    """One chunk; what is left of a gap above the largest cpu_ns (4.3 s) becomes SLEEPs."""
    op = write.astype(np.uint8)  # WRITE is 1, READ 0
    for at in np.flatnonzero(gap > LARGEST_THINK)[::-1]:
        sleeps = (int(gap[at]) - 1) // LARGEST_THINK
        rest = int(gap[at]) - sleeps * LARGEST_THINK
        gap = np.concatenate((gap[:at], [rest], np.full(sleeps, LARGEST_THINK), gap[at + 1 :]))
        op = np.insert(op, [at + 1] * sleeps, SLEEP)
        page = np.insert(page, [at + 1] * sleeps, 0)
    return op, page, gap.astype(np.uint32)
