"""Accesses to files of one's own, through system calls or mappings: sequential, uniform or zipf, reads, writes or both.

Options are called as fio's where it has them.  Request i takes the draws 4i and 4i+2 of its stream: which block, read or write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.workloads import draws
from models.workloads.program import LARGEST_THINK, one_or_many, to_pages
from models.workloads.requests import calls
from models.workloads.stream import (
    ADVICES,
    ADVISE,
    DELETE,
    FSYNC,
    LEAF,
    READ,
    UNMOUNT,
    WRITE,
    Area,
    Chunk,
    Context,
    File,
    Process,
    Program,
)

MOST_PAGES = (1 << 31) - 1  # page numbers of a machine are int32
MAPPING_ADVICES = ("normal", "random", "sequential")  # what a mapping remembers; any other is about the file's pages

Choose = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (request number uint64, draw) -> block int64, counted over all files


class _Files(NamedTuple):
    """The files of one process: how many, blocks and pages of each, distance of their first pages, and the first of them all."""

    count: int
    blocks: int
    pages: int
    stride: int
    base: int
    first: int  # position among the program's files


def build(options: dict[str, Any], context: Context) -> Program:
    """The program of `file` (see the registry).  Raises InputError for settings that do not go together."""
    pages = to_pages(options["size"], context.page_size)
    many, processes = options["nrfiles"], options["processes"]
    sets = 1 if options["shared_files"] else processes
    stride = -(-pages // LEAF) * LEAF
    _check(options, context, sets, stride)
    blocks = options["size"] // options["block_size"]
    accesses = options["accesses"] if options["accesses"] is not None else options["passes"] * blocks * many

    def process(number: int) -> Process:
        own = 0 if sets == 1 else number - 1
        files = _Files(many, blocks, pages, stride, own * many * stride, own * many)
        areas = () if options["method"] == "call" else _areas(files, options, context)

        def chunks() -> Iterator[Chunk]:
            yield from _begin(files, options)
            yield from _requests(files, draws.stream_seed(context.seed, number), accesses, options, context.page_size)
            yield from _end(files, options)

        return Process("file", areas[-1].first + pages if areas else 1, chunks, _ops(options, accesses, context.page_size), areas)

    stem = options["filename"] or "file"
    named = [f"{stem}.{k}" if sets == 1 else f"{stem}.{k}.{s + 1}" for s in range(sets) for k in range(many)]
    size = None if options["exists"] else 0
    return one_or_many("file", processes, process)._replace(files=tuple(File(name, pages, size) for name in named))


def _check(options: dict[str, Any], context: Context, sets: int, stride: int) -> None:
    size, block, many = options["size"], options["block_size"], options["nrfiles"]
    mapped, reads_only = options["method"] != "call", options["rw"] in ("read", "randread")
    in_all = size * many * sets
    problems = {
        f"think {options['think']} ns is above {LARGEST_THINK} ns": options["think"] > LARGEST_THINK,
        f"block_size {block} bytes is more than the {size} bytes of a file": block > size,
        f"{size // block * many} blocks of {block} bytes are more than 2^32 - 1": size // block * many >= 1 << 32,
        f"{many * sets} files of {size} bytes are more than {MOST_PAGES} pages": stride * many * sets > MOST_PAGES,
        f"{many * sets} files of {size} bytes need {in_all} bytes; the device that holds them has {context.capacity}": (
            context.capacity is not None and in_all > context.capacity
        ),
        "exists: false with a mapping: a file without size cannot be mapped; write it with method: call first": (
            mapped and not options["exists"]
        ),
        f"exists: false with rw: {options['rw']}: there is nothing to read": reads_only and not options["exists"],
        "fsync_every and end_fsync with method: mmap: a private mapping is never written to its file": (
            options["method"] == "mmap" and (options["fsync_every"] > 0 or options["end_fsync"])
        ),
        "unlink with shared_files and several processes: the first to end would take the files from the others": (
            options["unlink"] and options["shared_files"] and options["processes"] > 1
        ),
        "unmount with several processes: the file system is busy until the last of them ends": (
            options["unmount"] and options["processes"] > 1
        ),
    }
    for problem, found in problems.items():
        if found:
            raise InputError(f"workload file: {problem}")


def _areas(files: _Files, options: dict[str, Any], context: Context) -> tuple[Area, ...]:
    """One mapping of each file, from `offset` on."""
    begin = options["offset"] // context.page_size
    advice = options["advice"] if options["advice"] in MAPPING_ADVICES else "normal"
    shared = options["method"] == "mmap-shared"
    return tuple(
        Area(begin + k * files.stride, files.pages, files.first + k, 0, shared, options["executable"], advice) for k in range(files.count)
    )


def _for_each(files: _Files, op: int, value: int = 0) -> Chunk:
    """One op on each of the files."""
    page = files.base + np.arange(files.count, dtype=np.int64) * files.stride
    return np.full(files.count, op, np.uint8), page, np.full(files.count, value, np.uint32)


def _begin(files: _Files, options: dict[str, Any]) -> Iterator[Chunk]:
    advice = options["advice"]
    if advice != "normal" and (options["method"] == "call" or advice not in MAPPING_ADVICES):
        yield _for_each(files, ADVISE, ADVICES.index(advice))


def _end(files: _Files, options: dict[str, Any]) -> Iterator[Chunk]:
    if options["end_fsync"]:
        yield _for_each(files, FSYNC)
    if options["end_advice"] != "normal":
        yield _for_each(files, ADVISE, ADVICES.index(options["end_advice"]))
    if options["unlink"]:
        yield _for_each(files, DELETE)
    if options["unmount"]:
        yield np.array([UNMOUNT], np.uint8), np.zeros(1, np.int64), np.zeros(1, np.uint32)


def _ops(options: dict[str, Any], accesses: int, page_size: int) -> int | None:
    """Ops of a process where they can be told without drawing: whole pages, and no fsync that depends on what is a write."""
    pure = options["rw"] not in ("rw", "randrw")
    if options["block_size"] % page_size or (options["fsync_every"] and not pure):
        return None
    whole = options["block_size"] // page_size if options["method"] != "call" else 1
    fsyncs = accesses // options["fsync_every"] if options["fsync_every"] and options["rw"] in ("write", "randwrite") else 0
    files: _Files = _Files(options["nrfiles"], 0, 0, 0, 0, 0)
    around = sum(len(chunk[0]) for part in (_begin, _end) for chunk in part(files, options))
    return accesses * whole + fsyncs + around


def _choice(files: _Files, options: dict[str, Any]) -> Choose:
    """Which block a request is for; blocks are counted file after file."""
    total = files.blocks * files.count
    if not options["rw"].startswith("rand"):

        def in_order(number: np.ndarray, _u: np.ndarray) -> np.ndarray:
            n = number.astype(np.int64) % total
            return n % files.count * files.blocks + n // files.count if options["file_service_type"] == "roundrobin" else n

        return in_order
    if options["random_distribution"] == "uniform":
        return lambda _number, u: draws.scale(u, total)
    table = draws.zipf_table(total, options["alpha"])

    def zipf(_number: np.ndarray, u: np.ndarray) -> np.ndarray:
        rank = np.searchsorted(table, (u >> np.uint64(32)).astype(np.uint32)).astype(np.int64)
        return draws.scattered(rank, total) if options["scatter"] else rank

    return zipf


def _writes(options: dict[str, Any], w: np.ndarray) -> np.ndarray:
    """uint8[n]: 1 where a request writes."""
    share = {"read": 0.0, "randread": 0.0, "write": 1.0, "randwrite": 1.0}.get(options["rw"], options["write_ratio"])
    return draws.chance(w, share).astype(np.uint8)


def _requests(files: _Files, seed: np.uint64, accesses: int, options: dict[str, Any], page_size: int) -> Iterator[Chunk]:
    choose = _choice(files, options)
    begin_page = options["offset"] // page_size - files.base  # from file page to page of the mapping
    at_once = max(1, draws.CHUNK // (3 if options["method"] == "call" else options["block_size"] // page_size + 2))
    written = 0
    for begin in range(0, accesses, at_once):
        number = np.arange(begin, min(begin + at_once, accesses), dtype=np.uint64)
        four = number * np.uint64(4)
        block = choose(number, draws.draw(seed, four))
        write = _writes(options, draws.draw(seed, four + np.uint64(2)))
        base = files.base + block // files.blocks * files.stride
        offset = block % files.blocks * options["block_size"]
        size = np.full(len(number), options["block_size"], np.int64)
        if options["method"] == "call":
            op, page, last = calls(write, offset, size, page_size, base)
        else:
            op, page, last = _touches(write, offset, size, page_size, base + begin_page)
        cpu = np.zeros(len(op), np.uint32)
        cpu[last] = options["think"]
        if options["fsync_every"]:
            count = written + np.cumsum(write, dtype=np.int64)
            written = int(count[-1])
            due = np.flatnonzero((write > 0) & (count % options["fsync_every"] == 0))
            op, page, cpu = (np.insert(a, last[due] + 1, v) for a, v in ((op, FSYNC), (page, base[due]), (cpu, 0)))
        yield op, page, cpu


def _touches(
    write: np.ndarray, offset: np.ndarray, size: np.ndarray, page_size: int, base: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(op, page, position of each request's last op): one access to each page of the requests, in order."""
    first = offset // page_size
    pages = (offset + size - 1) // page_size - first + 1
    last = np.cumsum(pages) - 1
    request = np.repeat(np.arange(len(pages)), pages)
    nth = np.arange(len(request)) - (last - pages + 1)[request]
    return np.where(write > 0, WRITE, READ).astype(np.uint8)[request], (first + base)[request] + nth, last
