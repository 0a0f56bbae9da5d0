"""A task's operations on whole files: fsync, truncation, advice (Linux 6.1 fs/sync.c, mm/truncate.c, mm/fadvise.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.memory import file_state as fi
from models.memory import state as st
from models.memory.file_steps import drop_file, read_ahead, set_advice
from models.memory.fileio import invalidate_file
from models.memory.flush import sync_step
from models.memory.op_state import CODE_MASK, DONE, NEED_RECLAIM, SIGNALS, STEP_SHIFT
from models.vmstat import NR_DIRTY
from models.workloads import stream as ops
from sim.actors.cpus import Steps

if TYPE_CHECKING:
    from sim.actors.task import Task

STRETCH = 1024  # pages written before the device's queue is looked at
ADVICE = {name: number for number, name in enumerate(ops.ADVICES)}


def _number(task: Task, page: int) -> int:
    """The file that holds a file page of the task's program."""
    arrays = task.vm.arrays
    q = int(arrays.proc[task.number, st.FILE_BASE]) + page
    return int(arrays.leaf[q >> fi.LEAF_SHIFT, fi.LEAF_FILE])


def _computed(task: Task, step: int, now: int) -> Steps:
    """After a compiled step: start its I/O, spend its time, wait while a device's queue is full."""
    vm = task.vm
    vm.after_step(step | SIGNALS & step, now)
    crowded = vm.crowded
    yield from vm.cpus.spend(task, step >> STEP_SHIFT)
    while crowded is not None and crowded.full and not task.killed:
        yield from task.wait_for(crowded.room(), iowait=1)


def _write_file(task: Task, number: int) -> Steps:
    """Write what is dirty now, then wait until it is written."""
    vm = task.vm
    row = vm.arrays.file[number]
    index = 0
    while index >= 0 and row[fi.DIRTY_PAGES] and not task.killed:
        now = int(vm.env.now)
        step = int(sync_step(vm.machine, number, index, now, STRETCH))
        index = int(vm.num[fi.SYNC_NEXT])
        yield from _computed(task, step, now)
    goal = int(row[fi.WRITES_ENDED] + row[fi.BEING_WRITTEN])
    while row[fi.WRITES_ENDED] < goal and row[fi.BEING_WRITTEN] and not task.killed:
        yield from task.wait_for(vm.next_write(), iowait=1)


def sync_files(task: Task, page: int) -> Steps:
    """fsync of the file that holds `page`, sync of all for -1."""
    vm = task.vm
    if page >= 0:
        yield from _write_file(task, _number(task, page))
    elif vm.vmstat[NR_DIRTY] or vm.num[fi.FILE_WRITEBACK]:
        busy = (vm.arrays.file[:, fi.DIRTY_PAGES] > 0) | (vm.arrays.file[:, fi.BEING_WRITTEN] > 0)
        for number in np.flatnonzero(busy).tolist():
            yield from _write_file(task, number)


def delete_file(task: Task, page: int) -> Steps:
    """Truncate a file to nothing: its pages leave memory at once, those under I/O when that is over."""
    vm = task.vm
    number = _number(task, page)
    while not task.killed:
        now = int(vm.env.now)
        waits = int(drop_file(vm.machine, number, now))
        yield from _computed(task, int(vm.num[st.CLOCK] - now) << STEP_SHIFT | SIGNALS, now)
        if waits < 0:
            return
        reading = vm.read_of(-waits - 1)
        yield from task.wait_for(reading if reading is not None else vm.next_write(), iowait=1)


def advise(task: Task, page: int, advice: int) -> Steps:
    """posix_fadvise."""
    vm = task.vm
    number = _number(task, page)
    if advice == ADVICE["dontneed"]:
        now = int(vm.env.now)
        step = int(sync_step(vm.machine, number, 0, now, 1 << 30))  # starts writing, does not wait
        yield from _computed(task, step, now)
        now = int(vm.env.now)
        clock = int(invalidate_file(vm.machine, number, now))
        yield from _computed(task, clock - now << STEP_SHIFT | SIGNALS, now)
    elif advice == ADVICE["willneed"]:
        code = NEED_RECLAIM
        while code != DONE and not task.killed:
            now = int(vm.env.now)
            step = int(read_ahead(vm.machine, task.own, task.number, number, now))
            code = step & CODE_MASK
            yield from _computed(task, step, now)
            if code == NEED_RECLAIM:
                yield from task.reclaim.run()
    else:
        set_advice(vm.machine, task.number, number, advice)
