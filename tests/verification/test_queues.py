"""Device queues (sim/actors/disk.py) with Poisson arrivals against theory: M/M/c (Erlang C), M/D/1, M/G/1 (Pollaczek, Khinchine).

Each theoretical mean wait lies within the 99.9 % interval over independent replications, and within that of batch means over one long run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from simpy import Environment

from models.devices.device import Queue
from models.devices.ssd import Ssd
from sim.actors.disk import Disk
from sim.statistics.batches import batch_means
from sim.statistics.intervals import mean_interval

SERVICE = 100_000  # ns
WARM_UP, COUNT, REPLICATIONS = 1000, 5000, 10
CONFIDENCE = 0.999
FAST = 1 << 60  # bytes a second: no time on the link


class Random:
    """A device whose service times are drawn: all that a device is to its queue is how long each request takes."""

    rotational = False
    duplex = False
    round_trip = 0
    queue = Queue()
    elevator = None
    flat = False

    def __init__(self, channels: int, rng: np.random.Generator) -> None:
        self.channels = channels
        self.times: Iterator[int] = iter(np.rint(rng.exponential(SERVICE, WARM_UP + 10 * COUNT)).astype(np.int64).tolist())

    def service_ns(self, write: int, first: int, size: int, head: int, start: int) -> int:
        return next(self.times)

    def transfer_ns(self, write: int, size: int) -> int:
        return 0


class Theory(NamedTuple):
    """A queue: the device (None: Random), load, channels, share of writes, and the mean wait in ns."""

    name: str
    model: Any
    channels: int
    load: float
    writes: float
    mean_service: float
    wait: float


def erlang_c(load: float, servers: int) -> float:
    """Mean wait in M/M/c."""
    offered = load * servers
    terms = [offered**k / math.factorial(k) for k in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - load)
    return last / (sum(terms) + last) * SERVICE / (servers * (1 - load))


def pollaczek_khinchine(load: float, mean: float, square: float) -> float:
    """Mean wait in M/G/1: rate E[S^2] / 2 (1 - load)."""
    return load / mean * square / (2 * (1 - load))


CONSTANT = Ssd(1, SERVICE, SERVICE, FAST)
TWO = Ssd(1, 160_000, 40_000, FAST)  # reads and writes, half of each: mean 100 us, mean square (160^2 + 40^2) / 2
QUEUES = [
    *[Theory(f"M/M/{c} at {load}", None, c, load, 0.0, SERVICE, erlang_c(load, c)) for c in (1, 2, 4, 8) for load in (0.5, 0.8)],
    *[Theory(f"M/D/1 at {load}", CONSTANT, 1, load, 0.0, SERVICE, load * SERVICE / (2 * (1 - load))) for load in (0.3, 0.5, 0.8)],
    *[Theory(f"M/G/1 at {load}", TWO, 1, load, 0.5, SERVICE, pollaczek_khinchine(load, SERVICE, 1.36e10)) for load in (0.5, 0.8)],
]


class Watched(Disk):
    """A Disk that keeps each request's wait, in the order of submission."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.waits: list[int] = []

    def _take(self, at: int, write: int, page: int, count: int) -> tuple[int, int]:
        start, end = super()._take(at, write, page, count)
        self.waits.append(start - at)
        return start, end


def waits(queue: Theory, count: int, *seed: int) -> np.ndarray:
    """Waits of `count` requests in a row after the warm-up, ns."""
    rng = np.random.default_rng([2011, *seed])
    env = Environment()
    disk = Watched(env, "d", queue.model or Random(queue.channels, rng), 4096)
    gaps = rng.exponential(queue.mean_service / queue.load / queue.channels, WARM_UP + count)
    arrivals = np.rint(np.cumsum(gaps)).astype(np.int64).tolist()
    writes = (rng.random(WARM_UP + count) < queue.writes).astype(int).tolist()

    def submit() -> Any:
        for at, write in zip(arrivals, writes, strict=True):
            if at > env.now:
                yield env.timeout(at - int(env.now))
            disk.submit(at, at, write, 0, 1, lambda: None)

    env.process(submit())
    env.run()
    assert sum(disk.waited) == sum(disk.waits)  # what the device reports is what happened
    return np.array(disk.waits[WARM_UP:], dtype=float)


@cache
def replications(number: int) -> tuple[float, ...]:
    return tuple(float(waits(QUEUES[number], COUNT, number, i).mean()) for i in range(REPLICATIONS))


@pytest.mark.parametrize("number", range(len(QUEUES)), ids=lambda number: QUEUES[number].name)
def test_the_mean_wait_of_replications(number: int) -> None:
    found = mean_interval(replications(number), CONFIDENCE)
    assert found.contains(QUEUES[number].wait), found
    assert found.half_width is not None and found.half_width < 0.5 * QUEUES[number].wait  # so that it says something


@pytest.mark.parametrize("name", ["M/M/1 at 0.5", "M/M/4 at 0.8", "M/D/1 at 0.8", "M/G/1 at 0.5"])
def test_the_mean_wait_of_one_long_run(name: str) -> None:
    (queue,) = [queue for queue in QUEUES if queue.name == name]
    found = batch_means(waits(queue, 10 * COUNT, 77, QUEUES.index(queue)), CONFIDENCE)
    assert found.reliable and found.interval.contains(queue.wait), found
    assert found.interval.half_width is not None and found.interval.half_width < 0.5 * queue.wait


def test_95_per_cent_intervals_miss_about_one_in_twenty() -> None:
    """Thirteen queues: more than three misses have a probability of 0.3 %."""
    missed = [queue.name for i, queue in enumerate(QUEUES) if not mean_interval(replications(i)).contains(queue.wait)]
    assert len(missed) <= 3, missed


def test_known_waits() -> None:
    """In service times: M/M/1 at 0.5 waits 1, M/M/2 at 0.5 a third, M/D/1 half of M/M/1, M/G/1 (1 + cv^2) / 2 of it, cv = 0.6."""
    by_name = {queue.name: queue.wait / SERVICE for queue in QUEUES}
    assert by_name["M/M/1 at 0.5"] == pytest.approx(1.0)
    assert by_name["M/M/2 at 0.5"] == pytest.approx(1 / 3)
    assert by_name["M/D/1 at 0.5"] == pytest.approx(0.5)
    assert by_name["M/G/1 at 0.5"] == pytest.approx(0.68)
