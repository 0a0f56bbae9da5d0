"""The page reference string of touch.c, the program of ../shared/data/kernel-reclaim: one process that increments a byte a page.

Every page is written once in order; then `accesses` accesses in one of four patterns.  Draws are the outputs of splitmix64 from `seed`,
in the order of the program, so the string is the very same: a draw gives u = its upper 53 bits / 2^53.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import int64, types, uint64

from models.errors import InputError
from models.jit import compiled
from models.workloads.draws import CHUNK
from models.workloads.program import to_pages
from models.workloads.stream import WRITE, Chunk, Context, Process, Program

PATTERNS = ("uniform", "cubic", "loop", "hotscan")
UNIFORM, CUBIC, LOOP, HOTSCAN = range(4)
GAMMA = 0x9E3779B97F4A7C15
SPREAD = 2654435761  # a cubic rank's page is rank * SPREAD modulo the pages
Pages = types.Array(int64, 1, "C")


@compiled(uint64(uint64))
def mix64(z):
    """splitmix64's output for a state."""
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return z ^ (z >> uint64(31))


@compiled(uint64(uint64, int64, int64, int64, Pages))
def draw_pages(state, pattern, pages, first, out):
    """Accesses number `first` and on, into `out`; returns the generator's state behind them."""
    gamma = uint64(GAMMA)
    for i in range(out.shape[0]):
        if pattern == LOOP:
            out[i] = (first + i) % pages
            continue
        state += gamma
        u = float(mix64(state) >> uint64(11)) * (1.0 / 9007199254740992.0)
        if pattern == UNIFORM:
            out[i] = int64(u * pages)
        elif pattern == CUBIC:
            out[i] = int64((uint64(u * u * u * pages) * uint64(SPREAD)) % uint64(pages))
        elif u < 0.9:
            state += gamma
            u = float(mix64(state) >> uint64(11)) * (1.0 / 9007199254740992.0)
            out[i] = int64(u * (pages // 8))
        else:
            hot = pages // 8
            out[i] = hot + (first + i) % (pages - hot)
    return state


def build(options: dict[str, Any], context: Context) -> Program:
    """One process; see models.workloads.registry for the options."""
    pages = to_pages(options["size"], context.page_size)
    if not 8 <= pages < 1 << 32:
        raise InputError(f"workload touch: size {options['size']} bytes must be from 8 to 2^32 - 1 pages of {context.page_size} bytes")
    pattern, accesses, think = PATTERNS.index(options["pattern"]), options["accesses"], options["think"]

    def chunks() -> Iterator[Chunk]:
        for begin in range(0, pages, CHUNK):
            page = np.arange(begin, min(begin + CHUNK, pages), dtype=np.int64)
            yield np.full(len(page), WRITE, np.uint8), page, np.full(len(page), options["fill_time"], np.uint32)
        state = np.uint64(options["seed"])
        for begin in range(0, accesses, CHUNK):
            page = np.empty(min(CHUNK, accesses - begin), np.int64)
            state = np.uint64(draw_pages(state, pattern, pages, begin, page))
            yield np.full(len(page), WRITE, np.uint8), page, np.full(len(page), think, np.uint32)

    return Program((Process("touch", pages, chunks, pages + accesses),))
