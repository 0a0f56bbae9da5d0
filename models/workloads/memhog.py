"""The measured guests' load generator: the same pages in the same order (ground truth, docs/validate.md).

One private anonymous region and one file region; phases are written as that program takes them, `kind=mix,n=40000,seed=11,...`.
Access i of a mix takes the draws 4i .. 4i+3 of splitmix64.  Its rank tables of Zipf's law are locked in memory and never freed.
A MARK follows each phase: a snapshot of all counters (and `mark_every` accesses, where a time series is wanted).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.workloads import draws
from models.workloads.memhog_spec import Pattern, Spec, parse
from models.workloads.stream import FREAD, FWRITE, MAP, MARK, MARK_SHIFT, READ, UNMAP, WRITE, Area, Chunk, Context, File, Process, Program

FOUR = np.uint64(4)
RANK_BYTES = 4
HEADER_PAGES = 8  # of a header file of the compile phase


class Regions(NamedTuple):
    """Where things are in the address space, in pages: `file` the mapped file (or none), `heap` the units' memory, `locked` the rest."""

    anon: int
    files: int
    file: int
    heap: int
    locked: int
    pages: int


class Times(NamedTuple):
    """ns of computing: after writing a whole page, after an access."""

    fill: int
    access: int


def build(options: dict[str, Any], context: Context) -> Program:
    """The program of `memhog` (see the registry).  Raises InputError for a phase that it does not understand."""
    phases = [parse(text, number) for number, text in enumerate(options["phases"])]
    mapped = options["files"] if options["fmode"] == "mmap" else 0
    regions = _regions(phases, options, mapped)
    if regions.pages >= 1 << 31:
        raise InputError(f"workload memhog: {regions.pages} pages of memory; this version holds 2^31 - 1")
    for number, phase in enumerate(phases):
        _check(phase, number, options)
    times = Times(options["fill"], options["access"])

    def chunks() -> Iterator[Chunk]:
        locked = regions.locked
        yield _touch(locked, options["locked"])
        locked += options["locked"]
        for number, phase in enumerate(phases):
            tables = _table_pages(phase, options)
            yield _touch(locked, tables)
            locked += tables
            yield _mark(number, 0)
            yield from _marked(_phase(phase, regions, mapped > 0, times), number, options["mark_every"])
            yield _mark(number, -1)

    areas = (Area(regions.file, mapped, 0, shared=True, advice=options["fadv"]),) if mapped else ()
    process = Process("memhog", regions.pages, chunks, _ops(phases, options), areas, regions.locked)
    return Program((process,), (File("vdb", options["files"]),) if options["files"] else ())


def _regions(phases: list[Spec], options: dict[str, Any], mapped: int) -> Regions:
    anon, heap_pages = options["anon"], max((phase.heap for phase in phases), default=0)
    rows = max(anon, heap_pages, 1)
    heap = -(-(anon + mapped) // rows) * rows  # page j of the heap has the content of page j, see models.contents.memhog
    locked = heap + heap_pages
    tables = sum(_table_pages(phase, options) for phase in phases)
    return Regions(anon, options["files"], anon, heap, locked, max(locked + options["locked"] + tables, 1))


def _check(phase: Spec, number: int, options: dict[str, Any]) -> None:
    where = f"workload memhog: phases[{number}]"
    if phase.kind == "compile":
        need = phase.headers + phase.sources + 1
        if options["files"] < need:
            raise InputError(f"{where}: a compile phase needs a file of more than {need - 1} pages (files)")
        if options["fmode"] != "read":
            raise InputError(f"{where}: a compile phase reads its file by calls; set fmode: read")
    if phase.kind == "mix" and not options["anon"] and not options["files"]:
        raise InputError(f"{where}: a mix phase needs anonymous memory or a file (anon, files)")


def _table_pages(phase: Spec, options: dict[str, Any]) -> int:
    """Pages of rank tables that a phase makes and locks."""
    pages = 0
    if phase.kind == "mix":
        for pattern, size in ((phase.anon, options["anon"]), (phase.file, options["files"])):
            if size and pattern.kind == "zipf":
                pages += -(-pattern.span_of(size) * RANK_BYTES // 4096)
    if phase.kind == "compile":
        pages += -(-phase.headers // HEADER_PAGES * RANK_BYTES // 4096)
    return pages


def _ops(phases: list[Spec], options: dict[str, Any]) -> int:
    kinds = {"fill": options["anon"]}
    return sum(kinds.get(phase.kind, phase.n + phase.units * phase.ops_of_unit) for phase in phases)


def _full(op: Any, page: Any, ns: int) -> Chunk:
    page = np.asarray(page, np.int64)
    return np.broadcast_to(np.asarray(op, np.uint8), page.shape).copy(), page, np.full(len(page), ns, np.uint32)


def _touch(first: int, count: int) -> Chunk:
    return _full(WRITE, np.arange(first, first + count), 0)


def _mark(phase: int, access: int) -> Chunk:
    """A snapshot after so many accesses of a phase; -1: at its end."""
    return _full(MARK, [phase << MARK_SHIFT | access + 1], 0)


def _marked(chunks: Iterator[Chunk], phase: int, every: int) -> Iterator[Chunk]:
    """The same ops with a mark after every so many; 0: none."""
    done = 0
    for chunk in chunks:
        begin = 0
        while every and len(chunk[0]) - begin >= (step := every - done % every):
            yield chunk[0][begin : begin + step], chunk[1][begin : begin + step], chunk[2][begin : begin + step]
            begin, done = begin + step, done + step
            yield _mark(phase, done)
        if begin < len(chunk[0]):
            yield chunk[0][begin:], chunk[1][begin:], chunk[2][begin:]
            done += len(chunk[0]) - begin


def _phase(phase: Spec, regions: Regions, mapped: bool, times: Times) -> Iterator[Chunk]:
    if phase.kind == "fill":
        for begin in range(0, regions.anon, draws.CHUNK):
            yield _full(WRITE, np.arange(begin, min(begin + draws.CHUNK, regions.anon)), times.fill)
    elif phase.kind == "mix":
        for page, write, of_file in mix(phase, regions.anon, regions.files):
            op = write.astype(np.uint8)
            if mapped:
                page = page + np.where(of_file, regions.file, 0)
            else:
                op = np.where(of_file, np.where(write, FWRITE, FREAD), op)
            yield _full(op, page, times.access + phase.think)
    elif phase.kind == "compile":
        yield from _compile(phase, regions, times)


def mix(phase: Spec, anon: int, files: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(page int64, write bool, of the file bool) of the accesses of a mix phase, in chunks."""
    seed = draws.mix64(np.array([phase.seed], np.uint64))[0]
    anon_pages, file_pages = Pages(phase.anon, anon), Pages(phase.file, files)
    for begin in range(0, phase.n, draws.CHUNK):
        number = np.arange(begin, min(begin + draws.CHUNK, phase.n), dtype=np.uint64) * FOUR
        u, v, w, f = (draws.draw(seed, number + np.uint64(k)) for k in range(4))
        write = (w >> np.uint64(32)) < np.uint64((phase.writes << 32) // 1000)
        of_file = np.full(len(number), anon == 0)
        if anon and files:
            of_file = (f >> np.uint64(32)) < np.uint64((phase.file_share << 32) // 1000)
        page = np.zeros(len(number), np.int64)
        for which, source in ((~of_file, anon_pages), (of_file, file_pages)):
            if which.any():
                page[which] = source.next(u[which], v[which])
        yield page, write, of_file


def _compile(phase: Spec, regions: Regions, times: Times) -> Iterator[Chunk]:
    """Units of a compiler: headers, a source, a heap of its own, some of the base memory, an output file."""
    for region, page, write in units(phase, regions.anon, regions.files):
        if region == "file":
            yield _full(FWRITE if write else FREAD, page, times.access)
        elif region == "alloc":
            yield _full(MAP, [regions.heap], len(page))
            yield _full(WRITE, page + regions.heap, times.fill)
        elif region == "free":
            yield _full(UNMAP, [regions.heap], len(page))
        else:
            yield _full(np.where(write, WRITE, READ), page + (regions.heap if region == "heap" else 0), times.access)


def units(phase: Spec, anon: int, files: int) -> Iterator[tuple[str, np.ndarray, Any]]:
    """(region, page int64, write) of the steps of a compile phase; `alloc` and `free` are a unit's whole heap."""
    seed = draws.mix64(np.array([phase.seed], np.uint64))[0]
    header = Pages(phase.header, phase.headers // HEADER_PAGES)
    behind = phase.headers + phase.sources
    whole = np.arange(phase.heap)

    def draw(unit: int, part: int, count: int) -> np.ndarray:
        return draws.draw(seed, np.uint64((unit << 24) + (part << 22)) + np.arange(count, dtype=np.uint64))

    for unit in range(phase.units):
        u = draw(unit, 0, phase.unit_headers)
        yield "file", (header.next(u, u)[:, None] * HEADER_PAGES + np.arange(HEADER_PAGES)).ravel(), False
        yield "file", phase.headers + (unit * phase.unit_sources + np.arange(phase.unit_sources)) % phase.sources, False
        yield "alloc", whole, True
        a = draw(unit, 1, phase.heap_touches)
        yield "heap", draws.scale(a, phase.heap), (a & np.uint64(1)).astype(bool)
        if anon:
            yield "base", draws.scale(draw(unit, 2, phase.base_touches), anon), False
        yield "file", behind + (unit * phase.outputs + np.arange(phase.outputs)) % (files - behind), True
        yield "free", whole, False


class Pages:
    """Which page of a region of `size` pages each access uses; remembers where a sequence stands."""

    def __init__(self, pattern: Pattern, size: int) -> None:
        self.pattern = pattern
        self.size = size
        self.count = 0
        self.span = pattern.span_of(size)
        self.blocks = size // pattern.block
        if size and pattern.kind == "zipf":
            self.table = rank_table(self.span, pattern.alpha)

    def next(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """int64[n]: the pages of the next n accesses with draws u and v."""
        pattern = self.pattern
        rank = (self._rank(u, v) + pattern.rotate) % self.size
        if not pattern.scatter:
            return rank
        block, rest = rank // pattern.block, rank % pattern.block
        moved = block * draws.scatter_step(max(self.blocks, 1)) % max(self.blocks, 1) * pattern.block + rest
        return np.where(block < self.blocks, moved, rank)

    def _rank(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        pattern, span = self.pattern, self.span
        if pattern.kind == "seq":
            rank = (np.arange(self.count, self.count + len(u)) * pattern.stride) % span
            self.count += len(u)
            return rank
        if pattern.kind == "uni":
            return draws.scale(u, span)
        if pattern.kind == "zipf":
            return np.searchsorted(self.table, (u >> np.uint64(32)).astype(np.uint32), side="left").astype(np.int64)
        hot = max(1, span * pattern.hot // 1000)
        is_hot = ((v >> np.uint64(32)) < np.uint64((pattern.hot_accesses << 32) // 1000)) | (hot >= span)
        return np.where(is_hot, draws.scale(u, hot), hot + draws.scale(u, max(1, span - hot)))


@lru_cache(maxsize=8)
def rank_table(span: int, alpha: float) -> np.ndarray:
    """uint32[span]: cumulative weights (k + 1)^-alpha in units of 2^-32, added up one after another, powers as libm gives them."""
    total = np.cumsum([float(k) ** -alpha for k in range(1, span + 1)])
    table = np.minimum(np.floor(total / total[-1] * 4294967296.0), 4294967295.0).astype(np.uint32)
    table[-1] = 0xFFFFFFFF
    return table
