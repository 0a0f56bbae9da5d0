"""Cold-age controller of a cgroup: stores pages idle for so long that few come back (Lagar-Cavilla et al., ASPLOS 2019).

After each scan of the group's idle ages it works out the smallest threshold that would have kept the promotion rate at its target in
the time since the last scan.  The threshold that holds is a high percentile of all these, or the last one if that is larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models.memory import cold
from models.memory import groups as cg
from sim.actors.groups import Group
from sim.actors.kreclaimd import MINUTE_NS, Kreclaimd

if TYPE_CHECKING:
    from sim.vm import Vm

Array = np.ndarray[Any, Any]


class ColdAgeController(Kreclaimd):
    """The thread of one group, with the thresholds that it chose, in scans."""

    def __init__(self, vm: Vm, group: Group, options: Mapping[str, Any]) -> None:
        period = int(options["scan_period"])
        super().__init__(vm, period, period)  # a threshold: it does store
        self.group = group
        self.options = options
        self.num[cold.THRESHOLD] = 0  # not yet
        self.num[cold.GROUP] = group.number
        self.set_scans = max(1, -(-int(options["working_set"]) // period))
        self.best: list[int] = []  # what each interval would have needed
        self.chosen: list[int] = []
        self.found = np.zeros(cold.OLDEST + 1, np.int64)
        self.back = 0
        vm.env.process(self.run())

    def _loads(self) -> int:
        return int(self.group.row[cg.S_ZSWPIN])

    def _choose(self) -> None:
        """The threshold of this scan's stores."""
        ages, found = self.hist[cold.PRESENT], self.hist[cold.FOUND]
        loads = self._loads()
        now = int(self.num[cold.THRESHOLD])
        allowed = self.options["promotion_rate_target"] / 100 * self.scan_period / MINUTE_NS * int(ages[: self.set_scans].sum())
        self.best.append(smallest_threshold(found - self.found, loads - self.back, now, allowed))
        self.found, self.back = found.copy(), loads
        if int(self.vm.env.now) >= int(self.options["delay"]):
            self.num[cold.THRESHOLD] = threshold_of(self.best, self.options["percentile"])
        self.chosen.append(int(self.num[cold.THRESHOLD]))


def smallest_threshold(found: Array, loads: int, now: int, allowed: float) -> int:
    """The smallest age in scans, at least 1, whose pages would have come back at most `allowed` times.

    found  pages found used since the last scan, by the age they had;  loads: pages that did come back, all older than the threshold
    `now`.  A threshold above `now` is not blamed for them, since how old they were is not known.
    """
    behind = np.append(np.cumsum(found[::-1])[::-1], 0)
    for age in range(1, cold.OLDEST + 1):
        if behind[age] + (loads if age <= now else 0) <= allowed:
            return age
    return cold.OLDEST


def threshold_of(best: Sequence[int], percentile: float) -> int:
    """The threshold that holds: a percentile of what the past needed, rounded up, or what the last interval needed if that is more."""
    return max(int(np.ceil(np.percentile(best, percentile))), best[-1])
