"""A warm-up that the run finds itself: all counters are marked at every sample, and at the end MSER-5 says which mark to start from.

So nothing is simulated twice, and the figures are those of a run with that warm-up written in its configuration.  Source of the rule:
sim/statistics/warmup.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.vmstat import INDEX
from sim.actors.sampler import COUNTERS, GAUGES, OWN_GAUGES, SECOND, Sampler, Tally
from sim.collect import Mark, mark
from sim.statistics.warmup import mser

if TYPE_CHECKING:
    from sim.vm import Vm

MOST_MARKS = 1024  # about 10 kB each
FLOWS = ("nr_dirtied", "nr_written", "nr_vmscan_write", "nr_vmscan_immediate_reclaim")  # named like levels, but counted up


class Start(NamedTuple):
    """Where the figures begin: a mark, the pools' tallies before it, and whether the run was long enough to tell."""

    mark: Mark
    tallies: tuple[Tally, Tally]
    reliable: bool


class Marks:
    """The counters at every sample, thinned out in a long run; `keep` is called after each sample."""

    def __init__(self, vm: Vm, sampler: Sampler, metric: str) -> None:
        self.vm, self.sampler, self.metric = vm, sampler, metric
        self.marks: list[Mark] = []
        self.tallies: list[tuple[Tally, Tally]] = []
        self.values: list[float] = []
        self.every = 1
        self.seen = 0
        self.before = (sampler.tally.copy(), sampler.clean_tally.copy())

    def keep(self) -> None:
        """Mark this moment."""
        if self.seen % self.every == 0:
            self.marks.append(mark(self.vm, self.sampler))
            self.tallies.append(self.before)
            self.values.append(self._value())
        self.seen += 1
        self.before = (self.sampler.tally.copy(), self.sampler.clean_tally.copy())
        if len(self.marks) == MOST_MARKS:
            del self.marks[1::2], self.tallies[1::2], self.values[1::2]
            self.every *= 2

    def _value(self) -> float:
        if self.metric in INDEX:
            return float(self.vm.vmstat[INDEX[self.metric]])
        return self.sampler.last_value(self.metric)

    def start(self) -> Start:
        """Where MSER-5 has the figures begin: never after half of the run."""
        course = np.array(self.values)
        if not is_level(self.metric):
            times = np.array([found.now for found in self.marks]) / SECOND
            course = np.diff(course) / np.diff(times)
        found = mser(course)
        at = min(found.cut, len(course) // 2)
        return Start(self.marks[at], self.tallies[at], found.reliable)


def is_level(name: str) -> bool:
    """Whether a column or counter is a level, as opposed to one that only grows."""
    if name in COUNTERS:
        return False
    return name in GAUGES or name in OWN_GAUGES or (name.startswith("nr_") and name not in FLOWS)
