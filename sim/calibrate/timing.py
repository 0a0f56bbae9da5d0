"""The clock: one thread, on one CPU if that can be had, repeats with their median and spread, and whether the machine was busy."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

BUSY_LOAD = 0.5  # runnable tasks per CPU, of others
UNSTEADY = 10.0  # spread in % from which a figure is called unsteady


class Timed(NamedTuple):
    """Nanoseconds of one operation: the median over repeats, and half of the range of their middle half, in % of it."""

    median: float
    spread: float

    @property
    def unsteady(self) -> bool:
        return self.spread > UNSTEADY


def summary(samples: Sequence[float]) -> Timed:
    """Median and spread of samples, in ns."""
    low, median, high = np.percentile(np.asarray(samples, float), (25, 50, 75))
    return Timed(float(median), float(100 * (high - low) / 2 / median) if median else 0.0)


def once(run: Callable[[], object], operations: int) -> float:
    """Nanoseconds of each operation of one call that does so many."""
    begin = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - begin) / operations


def over_all(function: Callable[[bytes], bytes], pages: Sequence[bytes]) -> Callable[[], None]:
    """A call that does `function` on every page."""

    def run() -> None:
        for page in pages:
            function(page)

    return run


@contextlib.contextmanager
def quiet_thread() -> Iterator[int | None]:
    """Stay on one CPU (its number, or None where that cannot be had) and keep the garbage collector out, until the end."""
    collected = gc.isenabled()
    before: set[int] | None = None
    cpu: int | None = None
    with contextlib.suppress(AttributeError, OSError):
        before = os.sched_getaffinity(0)
        cpu = max(before)
        os.sched_setaffinity(0, {cpu})
    gc.disable()
    try:
        yield cpu
    finally:
        if collected:
            gc.enable()
        if before is not None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, before)


def busy() -> str:
    """What to say if others use this machine now; nothing if they do not, or if it cannot be known."""
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):
        return ""
    cpus = os.cpu_count() or 1
    if load / cpus <= BUSY_LOAD:
        return ""
    return f"this machine is busy (load {load:.1f} on {cpus} CPUs): times are too long; stop what runs, and measure again"
