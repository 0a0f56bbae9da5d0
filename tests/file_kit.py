"""A small machine with files that a test drives op by op, without clock or actors: I/O ends when the test says so.

m = Direct(File("f", 100))
m.do(FREAD, 0)          # one read() of page 0 by process 0
m.reads                 # [(0, 4)]: the requests that it made, as (first page of the file, pages)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.memory import file_state as fi
from models.memory import state as st
from models.memory.check import problems
from models.memory.file_steps import drop_file, set_advice
from models.memory.flush import sync_step
from models.memory.op_state import CODE_MASK, DONE, S_CURSOR, S_END, S_PAUSE, STEP_SHIFT, THROTTLE, WAIT_READ, make_stream
from models.memory.pagecache import forget_page
from models.memory.steps import io_done, run_ops
from models.vmstat import INDEX
from models.workloads.stream import ADVICES, Area, File
from sim.build_files import Dirty, FilePlan, Filesystem
from tests.machine_kit import make_plan, make_vm, process, rows_of, without_lists

LATER = 1 << 60
FLAGS = {
    "referenced": st.REFERENCED,
    "active": st.ACTIVE,
    "dirty": st.DIRTY,
    "writeback": st.WRITEBACK,
    "locked": st.LOCKED,
    "mark": st.RECLAIM,
    "buffers": st.BUFFERS,
    "workingset": st.WORKINGSET,
}


def plans_of(*files: File) -> tuple[FilePlan, ...]:
    """The files one behind another on the device; every page compresses to 1000 bytes."""
    starts = np.cumsum([0] + [file.pages for file in files])
    return tuple(FilePlan(file, rows_of([1000]), int(start)) for file, start in zip(files, starts, strict=False))


class Direct:
    """The machine; process numbers as given by `areas`, one tuple each.

    reads, writes  requests made so far, (file page, pages) each
    held           requests that have not ended; with `hold` they end only by `end_io`
    clock          ns, set by the test
    flush          flags FLUSH_* that were asked for
    """

    def __init__(
        self, *files: File, areas: Sequence[tuple[Area, ...]] = ((),), pages: int = 1, memory: int = 64 << 20,
        filesystem: Filesystem | None = None, dirty: Dirty | None = None, **changes: Any,
    ) -> None:  # fmt: skip
        processes = [process(pages, name=f"p{n}")._replace(areas=mine) for n, mine in enumerate(areas)]
        plan = make_plan(
            processes, rows_of([1000]), files=(plans_of(*files),), memory=memory,
            filesystem=filesystem or Filesystem(), dirty=dirty or Dirty(), **changes,
        )  # fmt: skip
        self.vm = without_lists(make_vm(plan, check=False))
        self.machine, self.pages, self.a = self.vm.machine, self.vm.pages, self.vm.arrays
        self.num, self.vmstat = self.vm.num, self.vm.vmstat
        self.reads: list[tuple[int, int]] = []
        self.writes: list[tuple[int, int]] = []
        self.held: list[tuple[int, int, int, int]] = []
        self.hold = False
        self.clock = 1000
        self.flush = 0
        self.codes: list[int] = []  # of the steps of the last op

    # --- ops

    def own(self, process: int = 0) -> Any:
        return self.vm.tasks[process].own

    def step(self, op: int, page: int, value: int = 0, process: int = 0) -> int:
        """One step of one op: its code."""
        own = self.own(process)
        own[S_CURSOR], own[S_END] = 0, 1
        stream = make_stream(np.array([op], np.uint8), np.array([page], np.int64), np.array([value], np.uint32), own)
        report = int(run_ops(self.machine, stream, self.clock, LATER))
        self.clock += report >> STEP_SHIFT
        self.flush |= int(self.num[fi.FLUSH])
        self.num[fi.FLUSH] = self.num[st.WAKE] = 0
        self.take_io()
        return report & CODE_MASK

    def do(self, op: int, page: int, value: int = 0, process: int = 0) -> None:
        """A whole op; I/O that it waits for ends at once, and so do pauses."""
        self.codes = []
        while not self.codes or self.codes[-1] != DONE:
            self.codes.append(self.step(op, page, value, process))
            assert self.codes[-1] in (DONE, WAIT_READ, THROTTLE), self.codes[-1]
            if self.codes[-1] == THROTTLE:
                self.clock += int(self.own(process)[S_PAUSE])
            if not self.hold:
                self.end_io()
            assert len(self.codes) < 10_000, "no end"

    def advise(self, advice: str, page: int = 0, process: int = 0) -> None:
        set_advice(self.machine, process, self.file_of(page), ADVICES.index(advice))

    def delete(self, page: int = 0) -> int:
        return int(drop_file(self.machine, self.file_of(page), self.clock, 0))

    # --- I/O

    def take_io(self) -> None:
        """Empty the ring."""
        for row in self.a.ring[: self.num[st.RING]].tolist():
            _, write, first, count, files = row
            if files:
                (self.writes if write else self.reads).append((first, count))
            self.held.append((write, files, first, count))
        self.num[st.RING] = 0

    def end_io(self, n: int = 1 << 30) -> None:
        """The first n requests end."""
        while self.held and n > 0:
            write, files, first, count = self.held.pop(0)
            io_done(self.machine, self.clock, write, files, first, count)
            n -= 1
        self.take_io()

    def write_out(self, number: int = 0) -> list[tuple[int, int]]:
        """Start writing all that is dirty of a file; the writing ends when the test says so."""
        before = len(self.writes)
        sync_step(self.machine, number, 0, self.clock, 1 << 20, 0)
        self.take_io()
        return self.writes[before:]

    # --- what is in memory

    def file_of(self, page: int) -> int:
        return int(self.a.leaf[page >> fi.LEAF_SHIFT, fi.LEAF_FILE])

    def frame(self, page: int) -> int:
        """The frame of a file page, -1 if it is not in memory."""
        return max(int(self.a.cache[page]), 0) - 1

    def flags(self, page: int) -> set[str]:
        found = int(self.a.frame[self.frame(page), st.FLAGS])
        return {name for name, bit in FLAGS.items() if found & bit}

    def cached(self, first: int = 0, count: int | None = None) -> list[int]:
        found = np.flatnonzero(self.a.cache > 0)
        return [int(q) for q in found if first <= q and (count is None or q < first + count)]

    def marked(self) -> list[int]:
        return [q for q in self.cached() if "mark" in self.flags(q) and "writeback" not in self.flags(q)]

    def mapped(self, first: int = 0, count: int | None = None) -> list[int]:
        found = np.flatnonzero(self.a.pte > 0)
        return [int(p) for p in found if first <= p and (count is None or p < first + count)]

    def young(self, p: int) -> bool:
        return bool(self.a.pte[p] & st.PTE_ACCESSED)

    def forget(self, page: int, shadow: int = -1) -> None:
        """A page that is in memory, clean and not mapped leaves it."""
        forget_page(self.machine, page, self.frame(page), shadow)

    def record(self, process: int = 0, number: int = 0) -> Any:
        """The process's record of an open file."""
        row = self.a.proc[process]
        return self.a.opens[row[st.OPEN_FIRST] + number % row[st.OPENS]]

    def count(self, name: str) -> int:
        return int(self.vmstat[INDEX[name]])

    def check(self) -> None:
        """Every invariant."""
        assert problems(self.a, self.vm.built.pool, self.vm.built.clean_pool, self.vm.built.list_problems) == []
