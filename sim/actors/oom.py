"""The OOM killer's choice (Linux 6.1 mm/oom_kill.c): the largest process dies, one with oom_score_adj -1000 never."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.memory.op_state import SIGNALS
from models.vmstat import OOM_KILL
from sim.errors import UserError

if TYPE_CHECKING:
    from sim.vm import Vm

NEVER = -1000


def kill_one(vm: Vm) -> None:
    """Kill the process with the highest score; the one that started first among equals."""
    candidates = [task for task in vm.tasks if task.alive and not task.killed and task.oom_score_adj > NEVER]
    if not candidates:
        if any(task.killed and task.alive for task in vm.tasks):
            return  # its memory is already free; the dying task only has to notice
        raise UserError("out of memory, and no process may be killed (oom_score_adj -1000 for all that are left)")
    victim = max(candidates, key=lambda task: task.oom_score())
    vm.vmstat[OOM_KILL] += 1
    victim.kill()
    vm.after_step(SIGNALS, int(vm.env.now))
