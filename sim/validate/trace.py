"""Where a simulation leaves the measurement first: its counters over the measured time series, at the same place in the workload.

Both are laid over each other by phase and share of the phase's accesses, not by time: the guests' I/O ran on another clock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sim.errors import UserError
from sim.report.tables import plain
from sim.validate.counters import whole_run
from sim.validate.judge import SHOWN
from sim.validate.measured import Measured, Snapshot
from sim.validate.simulations import HasSnapshots, Simulate
from sim.validate.text import percent

LEVELS = ("nr_free_pages", "nr_active_anon", "nr_inactive_anon", "nr_active_file", "nr_inactive_file", "nr_swapcached")
AWAY = 0.05  # share of the measured figure from which on a counter has left
FEW = 32  # pages: a difference of one reclaim batch is none
SAMPLES = 400  # of a whole simulation


class Point(NamedTuple):
    """Where in the workload, and the figures there: place is the phase plus the share of it that is done."""

    place: float
    figures: dict[str, float]


class Left(NamedTuple):
    """A counter that leaves: the phase and index of the measured row where it first does, both figures there, and the error at the end."""

    counter: str
    phase: int
    idx: int
    measured: float
    simulated: float
    at_end: float | None


class Trace(NamedTuple):
    """Both time series of one run; `simulated` has a point for each measured one."""

    run: str
    rows: list[tuple[int, int]]
    measured: list[Point]
    simulated: list[Point]

    @property
    def counters(self) -> list[str]:
        """The figures that both have, in the order of the tables."""
        both = set(self.measured[-1].figures) & set(self.simulated[-1].figures)
        return [name for name in (*SHOWN, *LEVELS) if name in both]


def trace(run: Measured, simulate: Simulate) -> Trace:
    """Simulate one run with samples.  UserError if it has no time series, or no phase was finished."""
    rows = list(_rows(run))
    if not rows:
        raise UserError(f"{run.path}: no time series of finished phases in it (series.rows); --trace needs one")
    every = max(1, sum(_accesses(run)) // SAMPLES)
    simulated = _simulated(run, simulate(run.document, every, 0))
    if not simulated:
        raise UserError(f"{run.name}: the simulation ended before its first phase was over; there is nothing to lay over")
    measured = [Point(_place(run, phase, index), _figures(run.start, now)) for phase, index, now in rows]
    within = [k for k, point in enumerate(measured) if point.place <= simulated[-1].place]
    return Trace(
        run.name,
        [rows[k][:2] for k in within],
        [measured[k] for k in within],
        [Point(measured[k].place, _at(simulated, measured[k].place)) for k in within],
    )


def _accesses(run: Measured) -> list[int]:
    """Of each finished phase: units of a compile are of many accesses each (first touches, touches and file pages)."""
    found = []
    for phase in run.phases:
        words = dict(word.split("=", 1) for word in phase.spec.split(",") if "=" in word)
        unit = sum(int(words.get(key, 0)) for key in ("ap", "at", "bt", "srcp", "op")) + 8 * int(words.get("hdrf", 0))
        found.append(phase.n * (unit if words.get("kind") == "compile" else 1))
    return found


def _rows(run: Measured) -> Iterator[tuple[int, int, Snapshot]]:
    """Phase, index and all counters of each row in a finished phase."""
    cols = run.series.cols
    if not {"phase", "idx"} <= set(cols):
        return
    phase, index = cols.index("phase"), cols.index("idx")
    for row in run.series.rows:
        if row[phase] < len(run.phases):
            yield int(row[phase]), int(row[index]), run.start | dict(zip(cols, row, strict=True))
    for k, finished in enumerate(run.phases[-1:], len(run.phases) - 1):
        yield k, finished.n, finished.after


def _place(run: Measured, phase: int, index: int) -> float:
    """Finished units say only that the next one was going on: half of it is taken as done."""
    whole = max(run.phases[phase].n, 1)
    going_on = 0.5 if "kind=compile" in run.phases[phase].spec and index < whole else 0.0
    return phase + min(1.0, (index + going_on) / whole)


def _figures(first: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    levels = {name: now[f"vmstat.{name}"] for name in LEVELS if f"vmstat.{name}" in now}
    return {**whole_run(first, now), **levels}


def _simulated(run: Measured, found: HasSnapshots) -> list[Point]:
    """The ends of the phases and the samples between them, in order."""
    first = found.snapshots[0]
    points = [Point(float(k), _figures(first, now)) for k, now in enumerate(found.snapshots)]
    if len(points) < 2:
        return []
    totals = _accesses(run)
    for phase, accesses, now in found.samples:
        if phase < len(found.snapshots) - 1:
            points.append(Point(phase + min(1.0, accesses / max(totals[phase], 1)), _figures(first, now)))
    return sorted(points, key=lambda point: point.place)


def _at(points: Sequence[Point], place: float) -> dict[str, float]:
    """The figures at a place, linear between two points."""
    k = bisect_right(points, place, key=lambda point: point.place)
    before, after = points[max(k - 1, 0)], points[min(k, len(points) - 1)]
    span = after.place - before.place
    share = (place - before.place) / span if span > 0 else 0.0
    return {name: value + share * (after.figures.get(name, value) - value) for name, value in before.figures.items()}


def _away(measured: float, simulated: float) -> bool:
    return abs(simulated - measured) > max(AWAY * abs(measured), FEW)


def leaving(found: Trace) -> list[Left]:
    """The counters that leave, the first first."""
    left = []
    for counter in found.counters:
        for (phase, index), real, made in zip(found.rows, found.measured, found.simulated, strict=True):
            a, b = real.figures[counter], made.figures[counter]
            if _away(a, b):
                last_real, last_made = found.measured[-1].figures[counter], found.simulated[-1].figures[counter]
                left.append(Left(counter, phase, index, a, b, last_made / last_real - 1 if last_real else None))
                break
    return sorted(left, key=lambda one: (one.phase, one.idx))


def lines(found: Trace) -> Iterator[str]:
    """What --trace prints."""
    left = leaving(found)
    yield f"{found.run}: {len(found.rows)} samples, {len(found.counters)} counters"
    if not left:
        yield f"No counter is ever more than {percent(AWAY)} (and {FEW}) off."
        return
    yield f"First sample where a counter is more than {percent(AWAY)} (and {FEW}) off, the first to leave first:"
    yield f"  {'counter':<30}{'phase':>6}{'access':>9}{'measured':>14}{'simulated':>14}{'error at the end':>18}"
    for one in left:
        figures = f"{plain(one.measured):>14}{plain(round(one.simulated, 1)):>14}{percent(one.at_end, True):>18}"
        yield f"  {one.counter:<30}{one.phase:>6}{one.idx:>9}{figures}"
    stayed = [name for name in found.counters if name not in {one.counter for one in left}]
    if stayed:
        yield f"Never off: {', '.join(stayed)}."
