"""A workload in bursts whose rate follows a curve over the day: services that people use by day, jobs that run by night.

The part's ops come in bursts, one every `interval`; a burst has as many as the curve says for that time of day, and the process sleeps
until the next one.  The clock is the stream's own: what the part waits for (a device, memory) is not made up for afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from models.errors import InputError
from models.registry import resolve
from models.workloads.parts import _Puller
from models.workloads.patterns import _fill
from models.workloads.program import LARGEST_THINK, to_pages
from models.workloads.stream import SLEEP, Chunk, Context, Process, Program

MOST_OPS = 1 << 18  # of one chunk, about
MOST_INTERVALS = 4096
GOLDEN = 0.6180339887498949  # multiples of it modulo 1 are spread evenly: the roundings of a stretch nearly cancel

Curve = Callable[[np.ndarray], np.ndarray]  # time of day, ns -> load, 1 at the peak


def cosine(period: int, peak: int, low: float) -> Curve:
    """From 1 at `peak` down to `low` half a period later."""

    def load(at: np.ndarray) -> np.ndarray:
        return low + (1 - low) * (1 + np.cos(2 * math.pi * (at - peak) / period)) / 2

    return load


def listed(period: int, values: list[float]) -> Curve:
    """Straight lines between values at equal distances, the first at midnight; scaled so that the largest is 1."""
    heights = np.array([*values, values[0]], float) / max(values)
    places = np.linspace(0, period, len(heights))

    def load(at: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.interp(at % period, places, heights)
        return found

    return load


def regions(part: Any, page_size: int) -> list[tuple[int, int]]:
    """First page and pages of the memory of a pattern, and of those in a mix or in phases."""
    options = part.options
    own = [(options["offset"] // page_size, to_pages(options["size"], page_size))] if "fill" in options and "size" in options else []
    return own + [region for inner in options.get("parts") or [] for region in regions(inner, page_size)]


def _counts(options: dict[str, Any], load: Curve, first: int, n: int) -> np.ndarray:
    """Ops of the intervals from number `first` on; an interval's share of an op is rounded by its number, so that slow rates are kept."""
    interval = options["interval"]
    numbers = np.arange(first, first + n, dtype=np.float64)
    rate = options["rate"] * interval / 1e9 * load(options["clock"] + (numbers + 0.5) * interval)
    counts: np.ndarray = np.floor(rate + numbers * GOLDEN % 1.0).astype(np.int64)
    return counts


def _burst(ops: Chunk, counts: np.ndarray, interval: int) -> Chunk:
    """The ops of several intervals, each followed by sleeping for what is left of it."""
    op, page, cpu = ops
    ends = np.cumsum(counts)
    computing = np.concatenate(([0], np.cumsum(cpu, dtype=np.int64)))
    busy = computing[ends] - computing[ends - counts]
    sleep = np.maximum(interval - busy, 1).astype(np.uint32)
    return np.insert(op, ends, SLEEP), np.insert(page, ends, 0), np.insert(cpu, ends, sleep)


def _paced(part: Process, options: dict[str, Any], load: Curve, page_size: int, fill: list[tuple[int, int]]) -> Iterator[Chunk]:
    for first, pages in fill:
        yield from _fill(pages, first, page_size)
    puller = _Puller(part)
    number = 0
    most = options["rate"] * options["interval"] / 1e9
    intervals = max(1, min(MOST_INTERVALS, int(MOST_OPS / most)))
    while True:
        counts = _counts(options, load, number, intervals)
        wanted = int(counts.sum())
        got = puller.available(wanted)
        if got < wanted:  # the part ends in one of these intervals
            ends = np.minimum(np.cumsum(counts), got)
            counts = np.diff(np.concatenate(([0], ends)))
            counts = counts[: int(np.searchsorted(ends, got)) + 1]
        yield _burst(puller.take(got), counts, options["interval"])
        if got < wanted:
            return
        number += intervals


def _curve(options: dict[str, Any]) -> Curve:
    values = options["curve"]
    if values is None:
        return cosine(options["period"], options["peak"], options["low"])
    if len(values) < 2 or min(values) < 0 or max(values) <= 0:
        raise InputError(f"workload daily: curve {values} must be at least two numbers of at least 0, not all 0")
    return listed(options["period"], values)


def build(options: dict[str, Any], context: Context) -> Program:
    """The part's program, paced.  Raises InputError for a part with several processes, a curve that is none, too long an interval."""
    part = options["part"]
    program: Program = resolve(part.entry.target)(dict(part.options), context)
    if len(program.processes) != 1:
        raise InputError(f"workload daily: its part ({part.entry.name}) has several processes; it needs one")
    if options["interval"] > LARGEST_THINK:
        raise InputError(f"workload daily: interval {options['interval']} ns is above {LARGEST_THINK} ns")
    load = _curve(options)
    process = program.processes[0]
    fill = regions(part, context.page_size) if options["fill"] else []
    paced = process._replace(name="daily", chunks=lambda: _paced(process, options, load, context.page_size, fill), ops=None)
    return program._replace(processes=(paced,))
