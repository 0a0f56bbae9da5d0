"""TMO's controller: a little of a cgroup's memory at a time, as long as its pressure allows (Weiner et al., ASPLOS 2022, section 3.3).

Every interval it writes  memory.current * reclaim_ratio * max(0, 1 - pressure / psi_threshold)  to memory.reclaim.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sim.actors.cpus import Steps
from sim.actors.groups import Group, GroupActor

if TYPE_CHECKING:
    from sim.vm import Vm


class Tmo(GroupActor):
    """The daemon for one group."""

    def __init__(self, vm: Vm, group: Group, options: Mapping[str, Any]) -> None:
        super().__init__(vm, group)
        self.options = options
        vm.env.process(self.run())

    def run(self) -> Steps:
        """Step after step, for ever; what is less than a page is kept for the next."""
        psi, interval = self.group.psi, int(self.options["interval"])
        seen, owed = 0, 0.0
        while True:
            yield self.vm.env.timeout(interval)
            psi.settle()
            pressure = 100 * (psi.memory_some - seen) / interval
            seen = psi.memory_some
            owed += wanted(self.group.current, pressure, self.options)
            if owed >= 1:
                yield from self.write_reclaim(int(owed))
                owed -= int(owed)


def wanted(current: int, pressure: float, options: Mapping[str, Any]) -> float:
    """Pages to reclaim from a group of `current` pages whose `some` pressure was so many per cent."""
    room: float = max(0.0, 1 - pressure / options["psi_threshold"])
    return current * float(options["reclaim_ratio"]) * room
