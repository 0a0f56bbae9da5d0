"""The ops of one compiler job, of the linker, and of make.

A job computes in intervals.  In each it reads the headers that are due, uses pages of the compiler's file, touches its memory, and then
computes.  Its memory stands at the beginning of its address space, the compiler's file behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from models.workloads import build_tables as measured
from models.workloads.build_touches import in_order, touches
from models.workloads.stream import FEWER, FREAD, FWRITE, READ, SPAWN, WAIT, WRITE, Chunk, call

ALL = -1
CALL_PAGES = 32  # pages of one read() or write() of a large file
_CALLS, _TEXT, _MEMORY, _OUTPUT, _COMPUTE = range(5)  # order within an interval


class Job(NamedTuple):
    """One compiler job.

    memory    bytes of anonymous memory at its peak
    cpu       ns
    windows   windows of 10^7 instructions (build_tables) in its life
    parse     share of its CPU time in which it reads its headers
    source    first file page and pages
    headers   int64[n, 2]: first file page and pages of each, in the order of reading
    output    first file page and pages
    """

    memory: int
    cpu: int
    windows: float
    parse: float
    source: tuple[int, int]
    headers: np.ndarray
    output: tuple[int, int]


class _Rows:
    """Ops with the interval and class that they belong to, brought into order at the end."""

    def __init__(self) -> None:
        self.rows: list[tuple[np.ndarray, ...]] = []

    def add(self, interval: np.ndarray, kind: int, op: np.ndarray | int, page: np.ndarray, cpu: np.ndarray | int = 0) -> None:
        n = len(interval)
        key = interval.astype(np.int16) * 8 + kind
        columns = (np.asarray(op, np.uint8), np.asarray(page, np.int64), np.asarray(cpu, np.uint32))
        self.rows.append((key, *(np.broadcast_to(column, n) for column in columns)))

    def chunk(self) -> Chunk:
        return in_order(*(np.concatenate(columns) for columns in zip(*self.rows, strict=True)))


def intervals_of(cpu: int, step: int) -> int:
    """Intervals of a job: of about `step` ns each, at most one for each part of the recorded run."""
    return int(np.clip(round(cpu / step), 1, measured.PARTS))


def job_ops(job: Job, text: np.ndarray, page_size: int, step: int, rng: np.random.Generator) -> Iterator[Chunk]:
    """The job's ops; `text`: share of windows in which each page of the compiler's file is in use."""
    count = intervals_of(job.cpu, step)
    weight = rng.uniform(0.5, 1.5, count)
    weight /= weight.sum()
    touched, written = measured.page_masks(job.memory, page_size, rng.random())
    rows = _Rows()
    _read_files(rows, job, weight)
    _use_text(rows, text, len(touched), job.windows * weight, rng)
    _touch_memory(rows, touched, written, count)
    _compute(rows, job.cpu, weight, step, int(np.argmax(np.bitwise_count(touched))))
    last = np.array([count - 1])
    rows.add(last, _OUTPUT, FWRITE, np.array([call(*job.output)]))
    yield rows.chunk()


def _read_files(rows: _Rows, job: Job, weight: np.ndarray) -> None:
    """The source at once, the headers evenly over the time of parsing."""
    rows.add(np.zeros(1), _CALLS, FREAD, np.array([call(*job.source)]))
    when = (np.arange(len(job.headers)) + 0.5) / max(len(job.headers), 1) * job.parse
    at = np.minimum(np.searchsorted(np.cumsum(weight), when), len(weight) - 1)
    rows.add(at, _CALLS, FREAD, call(job.headers[:, 0], job.headers[:, 1]))


def _use_text(rows: _Rows, text: np.ndarray, first: int, windows: np.ndarray, rng: np.random.Generator) -> None:
    """Pages of the compiler's file: each in use in a window with its own probability."""
    used = np.flatnonzero(text)
    chance = 1 - (1 - text[used]) ** windows[:, None]
    interval, index = np.nonzero(rng.random(chance.shape) < chance)
    rows.add(interval, _TEXT, READ, first + used[index])


def _touch_memory(rows: _Rows, touched: np.ndarray, written: np.ndarray, count: int) -> None:
    """Anonymous pages as in the recorded run, its parts dealt to the intervals.  The first touch is a write."""
    interval = np.minimum(np.ceil(measured.part_ends() * count).astype(np.int64) - 1, count - 1)
    bits = np.zeros(count, np.uint64)
    np.bitwise_or.at(bits, interval, np.uint64(1) << np.arange(measured.PARTS, dtype=np.uint64))
    at, page, write = touches(touched, written, bits)
    rows.add(at, _MEMORY, write, page)  # WRITE is 1, READ 0


def _compute(rows: _Rows, cpu: int, weight: np.ndarray, step: int, page: int) -> None:
    """The CPU time, in pieces of about a step, each behind a write of a page that is always in use (the stack)."""
    pieces = np.maximum(np.round(weight * cpu / step).astype(np.int64), 1)
    interval = np.repeat(np.arange(len(weight)), pieces)
    ends = np.floor(np.cumsum((weight / pieces)[interval]) * cpu).astype(np.int64)
    ends[-1] = cpu
    rows.add(interval, _COMPUTE, WRITE, np.full(len(interval), page), np.diff(ends, prepend=0))


def calls(first: int, pages: int) -> np.ndarray:
    """int64[n]: calls that read or write a large file in order."""
    begin = np.arange(0, pages, CALL_PAGES)
    return call(first + begin, np.minimum(CALL_PAGES, pages - begin))


def _spread(cpu: int, count: int, step: int) -> np.ndarray:
    """uint32[n]: cpu ns over at least `count` ops, each at most a step."""
    pieces = max(count, -(-cpu // step), 1)
    return np.diff(np.arange(pieces + 1, dtype=np.int64) * cpu // pieces).astype(np.uint32)


def make_ops(jobs: int, parallel: int, pages: int, tree: np.ndarray, start: int, spawn: int, step: int, link: bool) -> Iterator[Chunk]:
    """make: reads its files, computes, starts the jobs so that `parallel` run at a time, and then the linker (process jobs + 1)."""
    yield np.full(len(tree), FREAD, np.uint8), tree, np.zeros(len(tree), np.uint32)
    cpu = _spread(start, pages, step)
    yield np.full(len(cpu), WRITE, np.uint8), np.arange(len(cpu), dtype=np.int64) % pages, cpu
    number = np.arange(1, jobs + 1, dtype=np.int64)
    near = number * 7919 % pages  # it looks a target up anywhere in its memory
    one = np.array([WAIT, WRITE, SPAWN], np.uint8)
    yield (
        np.tile(one, jobs),
        np.stack([np.full(jobs, FEWER), near, number], axis=1).ravel(),
        np.tile(np.array([parallel, spawn, 0], np.uint32), jobs),
    )
    tail = [(WAIT, ALL), (SPAWN, jobs + 1), (WAIT, ALL)] if link else [(WAIT, ALL)]
    yield np.array([op for op, _ in tail], np.uint8), np.array([page for _, page in tail], np.int64), np.zeros(len(tail), np.uint32)


def link_ops(inputs: np.ndarray, pages: int, image: np.ndarray, cpu: int, step: int) -> Iterator[Chunk]:
    """The linker: reads all outputs while its memory grows, reads them again, goes over its memory, and writes the image."""
    first = np.arange(pages, dtype=np.int64)
    half, everything = np.array_split(_spread(cpu, 2 * pages, step), 2)
    for think, op in ((half, WRITE), (everything, READ)):
        merged_op = np.concatenate((np.full(len(inputs), FREAD), np.full(len(think), op))).astype(np.uint8)
        place = np.concatenate((np.linspace(0, 1, len(inputs), endpoint=False), np.linspace(0, 1, len(think), endpoint=False)))
        order = np.argsort(place, kind="stable")
        page = np.concatenate((inputs, np.resize(first, len(think))))
        yield merged_op[order], page[order], np.concatenate((np.zeros(len(inputs), np.uint32), think))[order]
    yield np.full(len(image), FWRITE, np.uint8), image, np.zeros(len(image), np.uint32)
