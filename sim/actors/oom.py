"""The OOM killer's choice (Linux 6.1 mm/oom_kill.c): the largest process dies, one with oom_score_adj -1000 never."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.memory import groups as cg
from models.memory.op_state import SIGNALS
from models.vmstat import OOM_KILL
from sim.errors import UserError

if TYPE_CHECKING:
    from sim.actors.groups import Group
    from sim.actors.task import Task
    from sim.vm import Vm

NEVER = -1000


def kill_one(vm: Vm) -> None:
    """Kill the process with the highest score; the one that started first among equals."""
    _kill_among(vm, vm.tasks, "out of memory")


def kill_in_group(vm: Vm, group: Group) -> None:
    """The same among the processes of a cgroup, counted in its memory.events."""
    group.row[cg.EV_OOM] += 1
    group.row[cg.EV_OOM_KILL] += _kill_among(vm, group.tasks, f"cgroup {group.name} is out of memory (memory.max)")


def _kill_among(vm: Vm, tasks: Sequence[Task], what: str) -> int:
    """How many were killed."""
    candidates = [task for task in tasks if task.alive and not task.killed and task.oom_score_adj > NEVER]
    if not candidates:
        if any(task.killed and task.alive for task in tasks):
            return 0  # its memory is already free; the dying task only has to notice
        raise UserError(f"{what}, and no process may be killed (oom_score_adj -1000 for all that are left)")
    victim = max(candidates, key=lambda task: task.oom_score())
    vm.vmstat[OOM_KILL] += 1
    victim.kill()
    vm.after_step(SIGNALS, int(vm.env.now))
    return 1
