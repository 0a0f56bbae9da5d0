"""What was measured of real compiler jobs (docs/build-workload.md), and how jobs of other sizes are made of it.

build_jobs.csv    a row for each compiled source: memory, CPU time, bytes read and written
build_growth.csv  share of the peak memory against share of the CPU time, the median of these jobs
build_pages.npz   touched, written: a mask for each page of one recorded run, in address order; bit k: in the k-th 64th of the run;
                  text: for each 4 KiB of the compiler's own file, in how many 255ths of the windows of 10^7 instructions it was in use
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

DATA = Path(__file__).parent / "data"
PARTS = 64  # bits of a mask
TEMPLATE_PAGE = 4096
WINDOW_MS = 3.3  # 10^7 instructions at 0.33 ns
ANON, CPU, SOURCE, HEADERS, HEADER_BYTES, OUTPUT = range(6)  # columns of jobs: KiB, ms, bytes, number, bytes, bytes
_SLOPE = 0.1  # share of straight line, so that both curves can be inverted where they are flat


class Tables(NamedTuple):
    """jobs float64[n, 6] in order of memory; growth float64[k]; touched, written uint64[p]; text float64[q]: share of windows."""

    jobs: np.ndarray
    growth: np.ndarray
    touched: np.ndarray
    written: np.ndarray
    text: np.ndarray


@cache
def tables() -> Tables:
    """The measured tables, read once."""
    with np.load(DATA / "build_pages.npz") as pages:
        return Tables(
            _csv("build_jobs.csv"), _csv("build_growth.csv")[:, 1], pages["touched"], pages["written"], pages["text"].astype(float) / 255
        )


def _csv(name: str) -> np.ndarray:
    with (DATA / name).open() as file:
        return np.array([[float(x) for x in row] for row in list(csv.reader(file))[1:]])


def places_in_order(count: int, alike: float, neighbours: float, rng: np.random.Generator) -> np.ndarray:
    """int64[count]: the place of each job in the order of sizes, by the order in which they are compiled.

    A folder's jobs are of a size: their normal scores correlate by `alike`, which fades over `neighbours` jobs.
    """
    own, level = rng.standard_normal(count), rng.standard_normal(count)
    keep = np.exp(-1 / neighbours)
    for k in range(1, count):
        level[k] = keep * level[k - 1] + np.sqrt(1 - keep * keep) * level[k]
    score = np.sqrt(alike) * level + np.sqrt(1 - alike) * own
    return np.argsort(np.argsort(score))


def draw_rows(count: int, alike: float, neighbours: float, rng: np.random.Generator) -> np.ndarray:
    """int64[count]: rows of the jobs' table, one from each of `count` equal shares of it, in the order of compiling."""
    at = (places_in_order(count, alike, neighbours, rng) + rng.random(count)) / count
    return (at * len(tables().jobs)).astype(np.int64)


def scaled(row: np.ndarray, column: int, mean: float) -> np.ndarray:
    """float64[n]: a column of drawn rows, scaled so that the table's mean becomes `mean`."""
    values = tables().jobs[:, column]
    return values[row] * (mean / values.mean())


def first_part(masks: np.ndarray) -> np.ndarray:
    """int64[n]: lowest set bit of uint64[n], none of them 0."""
    lowest = masks & (~masks + np.uint64(1))
    return np.log2(lowest.astype(np.float64)).astype(np.int64)  # powers of two: exact


@cache
def part_ends() -> np.ndarray:
    """float64[PARTS]: share of a job's CPU time at which each part of the recorded run ends.

    The recorded run's own growth is bent to the measured jobs': a page's first touch comes when their curve reaches its share.
    """
    data = tables()
    time = np.linspace(0, 1, 10 * PARTS + 1)
    measured = np.interp(time, np.linspace(0, 1, len(data.growth)), data.growth)
    born = np.bincount(first_part(data.touched), minlength=PARTS).cumsum() / len(data.touched)
    recorded = np.arange(1, PARTS + 1) / PARTS
    return np.interp((1 - _SLOPE) * born + _SLOPE * recorded, (1 - _SLOPE) * measured + _SLOPE * time, time)


def _picked(template: int, count: int, offset: float) -> np.ndarray:
    """int64[count]: places of a template in order, evenly spread; `offset` in [0, 1) chooses among neighbours."""
    return ((np.arange(count) + offset) * (template / count)).astype(np.int64)


def pages_of(size: int, page_size: int) -> int:
    """Pages of a job whose memory is `size` bytes."""
    return max(1, round(size / page_size))


def page_masks(size: int, page_size: int, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """(touched, written) uint64[pages] of a job whose memory is `size` bytes."""
    pages = pages_of(size, page_size)
    data, ratio = tables(), max(1, page_size // TEMPLATE_PAGE)
    at = _picked(len(data.touched), pages * ratio, offset)
    first = np.arange(0, len(at), ratio)
    return np.bitwise_or.reduceat(data.touched[at], first), np.bitwise_or.reduceat(data.written[at], first)


def text_share(size: int, page_size: int) -> np.ndarray:
    """float64[pages]: share of the windows in which each page of a program file of `size` bytes is in use."""
    pages, ratio = max(1, round(size / page_size)), max(1, page_size // TEMPLATE_PAGE)
    share = tables().text[_picked(len(tables().text), pages * ratio, 0.5)]
    return 1 - np.multiply.reduceat(1 - share, np.arange(0, len(share), ratio))
