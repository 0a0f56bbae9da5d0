"""A task's operations on whole files: fsync, truncation, advice (Linux 6.1 fs/sync.c, mm/truncate.c, mm/fadvise.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.memory import file_state as fi
from models.memory import state as st
from models.memory.file_steps import drop_file, read_ahead, set_advice
from models.memory.fileio import invalidate_file
from models.memory.flush import begin_sync, next_under_write, sync_step
from models.memory.op_state import CODE_MASK, DONE, NEED_RECLAIM, SIGNALS, STEP_SHIFT
from models.workloads import stream as ops
from sim.actors.cpus import Steps

if TYPE_CHECKING:
    from sim.actors.task import Task
    from sim.vm import Vm

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


def _being_written(vm: Vm, q: int) -> bool:
    """Whether a file page is under writeback."""
    f = int(vm.arrays.cache[q]) - 1
    return f >= 0 and bool(vm.arrays.frame[f, st.FLAGS] & st.WRITEBACK)


def _wait_for_page(task: Task, q: int) -> Steps:
    """Until a file page is no longer under writeback."""
    while _being_written(task.vm, q) and not task.killed:
        yield from task.wait_for(task.vm.next_write(), iowait=1)


def _start_writing(task: Task, number: int) -> Steps:
    """Start writing all pages of a file that are dirty now; one that is still being written is waited for and written again."""
    vm = task.vm
    num, first = vm.num, int(vm.arrays.file[number, fi.FIRST])
    now = int(vm.env.now)
    yield from _computed(task, int(begin_sync(vm.machine, number, now)), now)
    index = 0
    while index >= 0 and not task.killed:
        now, before = int(vm.env.now), index
        step = int(sync_step(vm.machine, number, index, now, STRETCH, 1))
        index, written = int(num[fi.SYNC_NEXT]), int(num[fi.SCRATCH])
        yield from _computed(task, step, now)
        if index >= before and not written:
            yield from _wait_for_page(task, first + index)


def _wait_written(task: Task, number: int) -> Steps:
    """Until every page of a file that is being written has been."""
    vm = task.vm
    q = 0
    while q >= 0 and not task.killed:
        q = int(next_under_write(vm.machine, number, q))
        if q >= 0:
            yield from _wait_for_page(task, q)


def sync_files(task: Task, page: int) -> Steps:
    """fsync of the file that holds `page`, sync of all for -1: first all is started, then all is waited for."""
    vm = task.vm
    if page >= 0:
        numbers = [_number(task, page)]
    else:
        busy = (vm.arrays.file[:, fi.DIRTY_PAGES] > 0) | (vm.arrays.file[:, fi.BEING_WRITTEN] > 0)
        numbers = np.flatnonzero(busy).tolist()
    for number in numbers:
        yield from _start_writing(task, number)
    for number in numbers:
        yield from _wait_written(task, number)


def delete_file(task: Task, page: int) -> Steps:
    """Truncate a file to nothing: its pages leave memory at once, those under I/O when that is over."""
    yield from _drop(task, _number(task, page), kept=0)


def unmount(task: Task) -> Steps:
    """The files of the task's program: write what is dirty, then drop their pages, and what the clean cache holds of them.

    So each program has a file system of its own; cleancache's flush of a file system is that of all its files (Linux 3.1 mm/cleancache.c).
    """
    arrays = task.vm.arrays
    numbers = np.flatnonzero((arrays.file[:, fi.GROUP] == arrays.proc[task.number, st.GROUP]) & (arrays.file[:, fi.ROOM] > 0)).tolist()
    for wait in (_start_writing, _wait_written):
        for number in numbers:
            yield from wait(task, number)
    for number in numbers:
        yield from _drop(task, number, kept=1)


def _drop(task: Task, number: int, kept: int) -> Steps:
    vm = task.vm
    while not task.killed:
        now = int(vm.env.now)
        waits = int(drop_file(vm.machine, number, now, kept))
        yield from _computed(task, int(vm.num[st.CLOCK] - now) << STEP_SHIFT | SIGNALS, now)
        if waits < 0:
            return
        reading = vm.read_of(-waits - 1)  # its I/O may have ended since
        if reading is not None:
            yield from task.wait_for(reading, iowait=1)
        else:
            yield from _wait_for_page(task, waits)


def advise(task: Task, page: int, advice: int) -> Steps:
    """posix_fadvise."""
    vm = task.vm
    number = _number(task, page)
    if advice == ADVICE["dontneed"]:
        now = int(vm.env.now)
        step = int(sync_step(vm.machine, number, 0, now, 1 << 30, 0))  # starts writing, does not wait
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
