"""Programs from processes: one address space, or several run as children of a parent that waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from models.workloads.stream import EXIT, SPAWN, WAIT, Chunk, Process, Program

LARGEST_THINK = (1 << 32) - 1  # cpu_ns is uint32


def to_pages(size: int, page_size: int) -> int:
    """Pages that hold `size` bytes."""
    return -(-size // page_size)


def one_or_many(name: str, processes: int, process: Callable[[int], Process]) -> Program:
    """The program of `process(0)`, or a parent (process 0) that starts `process(1)` to `process(processes)`, waits and exits."""
    if processes == 1:
        return Program((process(0),))
    children = tuple(process(n)._replace(name=f"{name}.{n}") for n in range(1, processes + 1))

    def chunks() -> Iterator[Chunk]:
        op = np.array([SPAWN] * processes + [WAIT, EXIT], np.uint8)
        page = np.array([*range(1, processes + 1), -1, 0], np.int64)
        yield op, page, np.zeros(len(op), np.uint32)

    return Program((Process(name, 1, chunks, processes + 2), *children))
