"""Kernel memory that a workload makes the kernel use: objects of a slab cache that grow to a size, stay, and are freed again.

Reclaimable ones stand for dentries and the like: shrinkers free some under pressure, and a new round allocates them again.  The others
(network buffers, page tables of other guests, driver memory) leave only when they are freed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from models.errors import InputError
from models.workloads.stream import SLAB, SLEEP, Chunk, Context, Process, Program

OBJECT = {True: 192, False: 256}  # bytes: a dentry; an object of kmalloc-256
CACHE = {True: 0, False: 1}  # models.workloads.stream.SLAB
STEPS = 64  # allocations in which it grows or shrinks


def build(options: dict[str, Any], context: Context) -> Program:
    """The program of one process; options: size, reclaimable, grow, hold, shrink, pause, rounds.  Raises InputError."""
    kind = bool(options["reclaimable"])
    per_page = context.page_size // OBJECT[kind]
    objects = options["size"] // context.page_size * per_page
    if objects < STEPS:
        raise InputError(f"workload slab: size {options['size']} is too small; at least {-(-STEPS // per_page)} pages are needed")
    part = np.diff(np.arange(STEPS + 1) * objects // STEPS)

    def chunks() -> Iterator[Chunk]:
        for _ in range(options["rounds"]):
            yield _ramp(part, CACHE[kind], options["grow"])
            yield _sleep(options["hold"])
            yield _ramp(part, -1 - CACHE[kind], options["shrink"])
            yield _sleep(options["pause"])

    return Program((Process("slab", 1, chunks, options["rounds"] * (2 * STEPS)),))


def _ramp(part: np.ndarray, cache: int, time: int) -> Chunk:
    """Allocations (or frees) of equal parts, spread over a time."""
    op = np.tile(np.array([SLAB, SLEEP], np.uint8), len(part))
    page = np.tile(np.array([cache, 0], np.int64), len(part))
    value = np.stack([part, np.full(len(part), time // len(part))], axis=1).ravel()
    return op, page, value.astype(np.uint32)


def _sleep(time: int) -> Chunk:
    return np.array([SLEEP], np.uint8), np.zeros(1, np.int64), np.array([time], np.uint32)
