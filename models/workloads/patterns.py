"""Access patterns: sequential, loop, uniform, zipf, hotcold.

Access i takes the draws 4i, 4i+1, 4i+2 of its stream: u (which page), v (hot or cold), w (read or write).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from models.errors import InputError
from models.workloads import draws
from models.workloads.program import LARGEST_THINK, one_or_many, to_pages
from models.workloads.stream import WRITE, Build, Chunk, Context, Process, Program

FILL_NS_PER_KIB = 25  # a program's own writing of a page it fills, about 40 GB/s

Choose = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # (access number uint64, u, v) -> page int64 in the region
Pattern = Callable[[dict[str, Any], int], tuple[Choose, int]]  # (options, pages) -> choice, default number of accesses


def _in_order(options: dict[str, Any], pages: int) -> tuple[Choose, int]:
    stride = options["stride"]

    def choose(number: np.ndarray, _u: np.ndarray, _v: np.ndarray) -> np.ndarray:
        return (number.astype(np.int64) * stride) % pages

    return choose, -(-pages // stride)


def _uniform(_options: dict[str, Any], pages: int) -> tuple[Choose, int]:
    def choose(_number: np.ndarray, u: np.ndarray, _v: np.ndarray) -> np.ndarray:
        return draws.scale(u, pages)

    return choose, pages


def _zipf(options: dict[str, Any], pages: int) -> tuple[Choose, int]:
    table = draws.zipf_table(pages, options["alpha"])

    def choose(_number: np.ndarray, u: np.ndarray, _v: np.ndarray) -> np.ndarray:
        rank = np.searchsorted(table, (u >> np.uint64(32)).astype(np.uint32)).astype(np.int64)
        return draws.scattered(rank, pages) if options["scatter"] else rank

    return choose, pages


def _hotcold(options: dict[str, Any], pages: int) -> tuple[Choose, int]:
    hot_pages = min(pages, max(1, round(pages * options["hot"])))

    def choose(_number: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        hot = draws.chance(v, options["hot_accesses"]) | (hot_pages == pages)
        rank = np.where(hot, draws.scale(u, hot_pages), hot_pages + draws.scale(u, max(1, pages - hot_pages)))
        return draws.scattered(rank, pages) if options["scatter"] else rank

    return choose, pages


def _fill(pages: int, first: int, page_size: int) -> Iterator[Chunk]:
    """Writes every page of the region once, in order."""
    for begin in range(0, pages, draws.CHUNK):
        n = min(draws.CHUNK, pages - begin)
        page = np.arange(first + begin, first + begin + n, dtype=np.int64)
        yield np.full(n, WRITE, np.uint8), page, np.full(n, FILL_NS_PER_KIB * page_size // 1024, np.uint32)


def _accesses(choose: Choose, seed: np.uint64, accesses: int, first: int, options: dict[str, Any]) -> Iterator[Chunk]:
    for begin in range(0, accesses, draws.CHUNK):
        number = np.arange(begin, min(begin + draws.CHUNK, accesses), dtype=np.uint64)
        four = number * np.uint64(4)
        u, v, w = (draws.draw(seed, four + np.uint64(k)) for k in range(3))
        op = draws.chance(w, options["write_ratio"]).astype(np.uint8)  # WRITE is 1, READ 0
        yield op, choose(number, u, v) + first, np.full(len(number), options["think"], np.uint32)


def _builder(name: str, pattern: Pattern) -> Build:
    def build(options: dict[str, Any], context: Context) -> Program:
        pages, first = to_pages(options["size"], context.page_size), options["offset"] // context.page_size
        if not 1 <= pages < 1 << 32:
            raise InputError(
                f"workload {name}: size {options['size']} bytes must be from one page to 2^32 - 1 pages of {context.page_size} bytes"
            )
        if options["think"] > LARGEST_THINK:
            raise InputError(f"workload {name}: think {options['think']} ns is above {LARGEST_THINK} ns; use sleeping for longer pauses")
        choose, default = pattern(options, pages)
        accesses = default if options["accesses"] is None else options["accesses"]
        filled = pages if options["fill"] else 0

        def process(number: int) -> Process:
            def chunks() -> Iterator[Chunk]:
                if filled:
                    yield from _fill(pages, first, context.page_size)
                yield from _accesses(choose, draws.stream_seed(context.seed, number), accesses, first, options)

            return Process(name, first + pages, chunks, filled + accesses)

        return one_or_many(name, options["processes"], process)

    return build


sequential = _builder("sequential", _in_order)
loop = _builder("loop", _in_order)
uniform = _builder("uniform", _uniform)
zipf = _builder("zipf", _zipf)
hotcold = _builder("hotcold", _hotcold)
