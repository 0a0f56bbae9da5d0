"""What acts on memory cgroups from outside: writes to memory.reclaim at given times, and controllers (models/controllers).

A controller is a callable (vm, group, options) that starts its actors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.registry import resolve
from sim.actors.cpus import Steps
from sim.actors.groups import Group, GroupActor

if TYPE_CHECKING:
    from sim.config.cgroups import CgroupSection
    from sim.vm import Vm


def nothing(vm: Vm, group: Group, options: Mapping[str, Any]) -> None:
    """No controller."""


class Commands(GroupActor):
    """Writes sizes to memory.reclaim at given times; one that comes while the last one still works follows it."""

    def __init__(self, vm: Vm, group: Group, commands: Sequence[tuple[int, int]]) -> None:
        """commands: (time in ns, pages), in order of time."""
        super().__init__(vm, group)
        self.commands = commands
        vm.env.process(self.run())

    def run(self) -> Steps:
        """All of them, in order."""
        for at, pages in self.commands:
            yield self.vm.env.timeout(max(at - int(self.vm.env.now), 0))
            yield from self.write_reclaim(pages)


def start_controllers(vm: Vm, sections: Mapping[str, CgroupSection], page_size: int) -> None:
    """Start what the configuration asks for, group by group."""
    if vm.groups is None:
        return
    for group, section in zip(vm.groups.all, sections.values(), strict=True):
        if section.reclaim:
            orders = sorted((int(order.at), -(-int(order.bytes) // page_size)) for order in section.reclaim)
            Commands(vm, group, orders)
        resolve(section.controller.entry.target)(vm, group, section.controller.options)
