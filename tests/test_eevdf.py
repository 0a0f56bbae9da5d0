"""Who computes on 6.12: the mean, the slice, what a sleeper is owed, and the tick."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from simpy import Environment, Event

from sim.actors.cfs import Cfs
from sim.actors.cpus import Actor, Cpus
from sim.actors.eevdf import SLICE, Eevdf

TICK = 4_000_000
US = 1000


class Hog(Actor):
    """Computes from `start` on for `ns`, in steps; notes when it had the vCPU."""

    def __init__(self, cpus: Cpus, start: int, ns: int, step: int = 50 * US) -> None:
        self.cpus, self.start, self.ns, self.step = cpus, start, ns, step
        self.had: list[tuple[int, int]] = []

    def run(self) -> Generator[Event, Any, None]:
        env, cpus = self.cpus.env, self.cpus
        yield env.timeout(self.start)
        yield from cpus.acquire(self)
        done = 0
        while done < self.ns:
            began = int(env.now)
            yield from cpus.compute(self, self.step)
            done += self.step
            self.had.append((began, began + self.step))
        cpus.release(self)

    @property
    def first(self) -> int:
        return self.had[0][0]


class Reader(Hog):
    """Sleeps `pause` after each step, as one who reads does."""

    pause = 100 * US

    def run(self) -> Generator[Event, Any, None]:
        env, cpus = self.cpus.env, self.cpus
        yield env.timeout(self.start)
        while len(self.had) * self.step < self.ns:
            yield from cpus.acquire(self)
            began = int(env.now)
            yield env.timeout(self.step)
            self.had.append((began, began + self.step))
            cpus.release(self)
            yield env.timeout(self.pause)


def machine(new: bool = True) -> Cpus:
    order = Eevdf(TICK, 1) if new else Cfs(TICK, 1_000_000)
    return Cpus(Environment(), order, 1, TICK, 100 * US, 100 * US)


def go(cpus: Cpus, *actors: Hog, until: int | None = None) -> None:
    for actor in actors:
        cpus.env.process(actor.run())
    cpus.env.run(until)


def test_who_wakes_within_the_others_slice_waits_for_the_tick() -> None:
    cpus = machine()
    hog, late = Hog(cpus, 0, 10_000 * US), Hog(cpus, 300 * US, 1000 * US)
    go(cpus, hog, late)
    assert late.first == TICK


def test_who_wakes_after_the_others_slice_preempts() -> None:
    cpus = machine()
    hog, late = Hog(cpus, 0, 10_000 * US), Hog(cpus, SLICE + 100 * US, 1000 * US)
    go(cpus, hog, late)
    assert SLICE + 100 * US <= late.first <= SLICE + 200 * US


def test_two_who_compute_take_turns_of_a_tick() -> None:
    cpus = machine()
    one, two = Hog(cpus, 0, 40_000 * US), Hog(cpus, 0, 40_000 * US)
    go(cpus, one, two, until=33 * TICK // 4)
    turns = [began for began, end in one.had + two.had if began % TICK == 0]
    assert sorted(turns) == [TICK * k for k in range(len(turns))] and len(turns) >= 8
    assert abs(len(one.had) - len(two.had)) * 50 * US <= TICK


def test_sleep_earns_nothing_but_what_is_owed_stays() -> None:
    """A reader beside a hog: it is behind when it falls asleep, so it preempts when it wakes, and the hog gets what it leaves."""
    cpus = machine()
    hog, reader = Hog(cpus, 0, 100_000 * US), Reader(cpus, 0, 2000 * US)
    go(cpus, reader, hog, until=60_000 * US)
    waits = [began for began, _ in reader.had]
    assert len(waits) == 40, "all its steps were done"
    assert reader.vruntime < hog.vruntime


def test_under_cfs_a_long_sleeper_preempts_within_the_slice_too() -> None:
    cpus = machine(new=False)
    hog, late = Hog(cpus, 0, 10_000 * US), Hog(cpus, 1100 * US, 1000 * US)
    go(cpus, hog, late)
    assert late.first <= 1200 * US
