"""What an administrator's scripts write into zram's sysfs files during a run: idle, writeback, recompress, compact (docs/zram.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from simpy import Event

from models.backends import zram_commands as zc
from models.backends import zram_numbers as zn
from models.memory import state as st
from models.memory.op_state import SIGNAL_OUTPUT, SIGNAL_POOL, SIGNAL_WAKE
from sim import units
from sim.actors.cpus import Actor, Steps

if TYPE_CHECKING:
    from sim.vm import Vm

SECOND = 1_000_000_000
ALL_SIGNALS = SIGNAL_OUTPUT | SIGNAL_WAKE | SIGNAL_POOL
WANTED = {"all": 0, "idle": zn.IDLE, "huge": zn.HUGE, "huge_idle": zn.HUGE | zn.IDLE, "incompressible": zn.INCOMPRESSIBLE}
NO_LIMIT = -1


class ZramCommands(Actor):
    """One command of the configuration, at its time or again and again."""

    def __init__(self, vm: Vm, command: Mapping[str, Any]) -> None:
        self.vm = vm
        self.command = command

    def run(self) -> Steps:
        """Wait, do it, and if it is periodic again."""
        vm, at, every = self.vm, self.command["at"], self.command["every"]
        yield vm.env.timeout(at if at is not None else every)
        while True:
            vm.psi.change(running=1)
            yield from vm.cpus.acquire(self)
            yield from self._do()
            vm.cpus.release(self)
            vm.psi.change(running=-1)
            if every is None:
                return
            yield vm.env.timeout(every)

    def _do(self) -> Steps:
        vm, command = self.vm, self.command
        now = int(vm.env.now)
        if command["writeback_limit"] is not None:
            vm.built.backend_num[[zn.LIMIT_ON, zn.WRITEBACK_LIMIT]] = 1, command["writeback_limit"]
        if command["idle"] is not None:
            zc.mark_idle(vm.machine, now, -1 if command["idle"] == "all" else units.parse_time(command["idle"]) // SECOND)
        if command["compact"]:
            yield from self._spent(int(zc.compact(vm.machine, now)), now)
        if command["recompress"]["type"] is not None:
            yield from self._recompress(command["recompress"])
        if command["writeback"] is not None:
            yield from self._write_back(WANTED[command["writeback"]])

    def _spent(self, ns: int, began: int) -> Steps:
        vm = self.vm
        vm.after_step(ALL_SIGNALS, began)
        if ns:
            yield vm.env.timeout(ns)
        if vm.cpus.ready and vm.cpus.turn_over(self):
            yield from vm.cpus.rotate(self)

    def _recompress(self, settings: Mapping[str, Any]) -> Steps:
        vm = self.vm
        command = np.zeros(zc.COMMAND, np.int64)
        most = settings["max_pages"]
        command[zc.C_TYPE], command[zc.C_THRESHOLD] = WANTED[settings["type"]], settings["threshold"]
        command[zc.C_MAX_PAGES], command[zc.C_PRIORITY] = NO_LIMIT if most is None else most, settings["priority"] or 0
        command[zc.C_CURSOR] = 1
        over = 0
        while not over:
            now = int(vm.env.now)
            step = int(zc.recompress_step(vm.machine, command, now, vm.cpus.deadline(self, now)))
            over = step & 1
            yield from self._spent(step >> 1, now)

    def _write_back(self, wanted: int) -> Steps:
        """One page after the other, each waited for."""
        vm = self.vm
        assert vm.backing is not None, "writeback without a backing device"
        slot = 1
        while True:
            now = int(vm.env.now)
            vm.num[st.CLOCK] = now
            slot = int(zc.next_to_write(vm.machine, slot, wanted))
            if slot < 0:
                return
            block = int(zc.find_block(vm.built.backend))
            yield from self._spent(int(vm.num[st.CLOCK]) - now, now)
            ended = vm.env.event()
            now = int(vm.env.now)
            vm.backing.submit(now, now, 1, block, 1, _trigger(ended))
            vm.cpus.release(self)
            vm.psi.change(running=-1, iowait=1)
            yield ended
            vm.psi.change(iowait=-1)
            vm.psi.change(running=1)
            yield from vm.cpus.acquire(self)
            zc.written(vm.machine, slot)
            slot += 1


def _trigger(event: Event) -> Callable[[], None]:
    def ended() -> None:
        event.succeed()

    return ended


def start_commands(vm: Vm, commands: Sequence[Mapping[str, Any]]) -> None:
    """Let every command of the configuration wait for its time."""
    for command in commands:
        vm.env.process(ZramCommands(vm, command).run())
