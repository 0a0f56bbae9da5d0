"""senpai: finds how little memory a cgroup needs by its memory pressure (facebookincubator/senpai, 2019; rules and defaults from memory).

It starts memory.high at memory.current.  Pressure (the total of `some`) is summed up at each tick, a sixth of the interval.  Once the
sum is above the target, memory.high goes up by max_backoff * min(1, (sum / target / coeff_backoff)^2); after an interval without that
it goes down by max_probe * min(1, (target / sum / coeff_probe)^2).  Either way the sum begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.memory import groups as cg
from models.memory import state as st
from sim.actors.cpus import Steps
from sim.actors.groups import Group, GroupActor

if TYPE_CHECKING:
    from sim.vm import Vm

TICKS = 6  # senpai looks every second, and its interval is 6 s


class Senpai(GroupActor):
    """The daemon for one group."""

    def __init__(self, vm: Vm, group: Group, options: Mapping[str, Any]) -> None:
        super().__init__(vm, group)
        self.options = options
        self.tick = max(int(options["interval"]) // TICKS, 1)
        self.least = int(options["min"]) // int(vm.num[st.PAGE_SIZE])
        vm.env.process(self.run())

    def run(self) -> Steps:
        """Tick after tick, for ever."""
        yield self.vm.env.timeout(self.tick)
        self._set_high(self.group.current)
        seen, total, grace = self._pressure(), 0, TICKS - 1
        while True:
            yield self.vm.env.timeout(self.tick)
            now = self._pressure()
            total += now - seen
            seen = now
            if total > self.options["pressure"]:
                step = step_up(total, self.options)
            elif grace:
                grace -= 1
                continue
            else:
                step = -step_down(total, self.options)
            self._set_high(int(self.group.high * (1 + step)))
            total, grace = 0, TICKS - 1
            yield from self._shrink()

    def _pressure(self) -> int:
        """Total stall time of `some`, ns."""
        self.group.psi.settle()
        return self.group.psi.memory_some

    def _set_high(self, pages: int) -> None:
        row = self.group.row
        row[cg.HIGH] = max(self.least, min(pages, int(row[cg.MAX])))

    def _shrink(self) -> Steps:
        """Writing memory.high reclaims what is above it, trying 16 times in vain at most (Linux 6.1 mm/memcontrol.c)."""
        retries = 16
        drained = False
        if self.group.current <= self.group.high:
            return
        yield from self.begin_work()
        while self.group.current > self.group.high:
            if not drained:
                self.group.drain()
                drained = True
                continue
            if not (yield from self.shrink(self.group.current - self.group.high)):
                if not retries:
                    break
                retries -= 1
        self.end_work()


def step_up(total: int, options: Mapping[str, Any]) -> float:
    """Share by which memory.high is raised, for a pressure of `total` ns above the target."""
    share: float = (total / options["pressure"] / options["coeff_backoff"]) ** 2
    return min(share, 1.0) * float(options["max_backoff"])


def step_down(total: int, options: Mapping[str, Any]) -> float:
    """Share by which memory.high is lowered, for a pressure of `total` ns in an interval; at least a microsecond counts."""
    share: float = (options["pressure"] / max(total, 1000) / options["coeff_probe"]) ** 2
    return min(share, 1.0) * float(options["max_probe"])
