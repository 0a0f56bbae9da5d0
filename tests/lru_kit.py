"""The compiled lists of Linux beside their plain twin: every call goes to both."""

from __future__ import annotations

import numpy as np

from models.cache.held import NOTHING
from models.memory import state as st
from models.memory.frames import TOP
from models.memory.rmap import add_mapping
from models.policies import linux_lru as lru
from models.policies import linux_lru_lists as lru_lists
from models.policies import linux_lru_pages as pagelru
from models.vmstat import INDEX, NR_INACTIVE_ANON
from models.workloads.stream import Area, File
from sim.build_files import FilePlan
from tests.machine_kit import make_plan, make_vm, process, rows_of
from tests.twins.linux_lru import ACTIVATE, KEEP, RECLAIM_CLEAN, RECLAIM_IT, LinuxLru, Pass

EVENTS = [f"workingset_{event}_{kind}" for event in ("refault", "activate", "restore") for kind in ("anon", "file")]
MOVED = ("pgactivate", "pgdeactivate", "pgrefill", "pgrotated", *EVENTS)


class Both:
    """The compiled policy on a machine's tables, and the twin; every call goes to both.

    A file page can be mapped three times: mapping 0 and 1 are ordinary, mapping 2 has sequential advice.
    """

    def __init__(self, pages: int = 40, swappiness: int = 60) -> None:
        advices = ("normal", "normal", "sequential")
        areas = tuple(Area(n * pages, pages, 0, shared=True, advice=advice) for n, advice in enumerate(advices))
        file = FilePlan(File("f", pages), rows_of([1000]), 0)
        mapping = process(3 * pages)._replace(areas=areas)
        self.span = pages
        self.vm = make_vm(make_plan([mapping], swappiness=swappiness, files=((file,),)), check=False)
        self.a, self.pages = self.vm.arrays, self.vm.pages
        table, head, num = lru_lists.create(len(self.a.frame))
        self.policy, self.head, self.num = st.make_policy(table, head, num, NOTHING), head, num
        self.twin = LinuxLru(4096, swappiness, int(self.a.zone[:, st.WMARK_HIGH].sum()))
        self.twin.free = int(self.vm.vmstat[0])
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.ctx[st.X_INDEX] = TOP
        self.shadows: dict[int, tuple[int, bool]] = {}

    def kind(self, page: int, is_file: bool, executable: bool = False) -> None:
        """A frame of this kind, mapped by the virtual page of the same number and not yet accessed; a file's by two more."""
        frame = self.a.frame
        frame[page, st.FLAGS] = (st.FILE if is_file else st.ANON) << st.KIND_SHIFT | (st.EXECUTABLE if executable else 0)
        frame[page, st.PAGE] = page
        frame[page, st.MAPS] = 0
        mappings = range(3 if is_file else 1)
        for n in mappings:
            self.a.pte[page + n * self.span] = page << st.PTE_SHIFT | st.PTE_PRESENT
            if is_file:
                frame[page, st.FLAGS] |= st.SEQUENTIAL
                add_mapping(self.pages, page, page + n * self.span)
        (self.twin.file.add if is_file else self.twin.file.discard)(page)
        (self.twin.executable.add if executable else self.twin.executable.discard)(page)
        self.twin.accessed -= {(page, n) for n in range(3)}

    def access(self, page: int, mapping: int = 0) -> None:
        """The processor sets the accessed bit of a mapping; an anonymous page has only one."""
        mapping = mapping if page in self.twin.file else 0
        self.a.pte[page + mapping * self.span] |= st.PTE_ACCESSED
        self.twin.accessed.add((page, mapping))

    def mark_accessed(self, page: int) -> None:
        """A system call uses the page."""
        pagelru.accessed(self.policy, self.pages, page)
        self.twin.mark_accessed(page)

    def insert(self, page: int, shadow: tuple[int, bool] | None = None, is_file: bool = False, executable: bool = False) -> None:
        self.kind(page, is_file, executable)
        pagelru.insert(self.policy, self.pages, page, -1 if shadow is None else shadow[0] << 1 | shadow[1])
        self.twin.insert(page, shadow)

    def flush(self) -> None:
        """The statistics of the group are brought up to date."""
        lru_lists.flush_stats(self.policy, self.pages)
        self.twin.flush()

    def activate(self, page: int) -> None:
        """Put a listed page at the active head."""
        pagelru.remove(self.policy, self.pages, page)
        self.twin.remove(page)
        self.putback(page, ACTIVATE)

    def check(self, page: int) -> int:
        verdict = int(pagelru.check(self.policy, self.pages, page))
        assert verdict == self.twin.check(page)
        return verdict

    def putback(self, page: int, verdict: int) -> None:
        pagelru.putback(self.policy, self.pages, page, verdict)
        self.twin.putback(page, verdict)

    def evicted(self, page: int) -> tuple[int, bool]:
        shadow = int(pagelru.evicted(self.policy, self.pages, page))
        assert self.twin.evicted(page) == (shadow >> 1, bool(shadow & 1))
        return shadow >> 1, bool(shadow & 1)

    def lists(self) -> list[list[int]]:
        """The compiled lists, head first; links are followed both ways."""
        found = []
        for which in range(4):
            pages, at, before = [], int(self.head[lru_lists.HEAD + which]), 0
            while at:
                pages.append(at - 1)
                assert self.a.frame[at - 1, st.PREV] == before
                before, at = at, int(self.a.frame[at - 1, st.NEXT])
            assert before == self.head[lru_lists.TAIL + which]
            assert len(pages) == self.vm.vmstat[NR_INACTIVE_ANON + which]
            found.append(pages)
        return found

    def agree(self) -> None:
        twin = self.twin
        assert self.lists() == twin.lists
        assert int(self.num[lru_lists.AGE]) == twin.age
        assert [int(self.num[lru_lists.ANON_COST]), int(self.num[lru_lists.FILE_COST])] == twin.cost
        assert {name: int(self.vm.vmstat[INDEX[name]]) for name in MOVED} == {name: twin.count[name] for name in MOVED}
        for which, pages in enumerate(twin.lists):
            flags = self.a.frame[pages, st.FLAGS]
            assert ((flags & st.LRU) > 0).all() and ((flags & st.ACTIVE > 0) == which % 2).all()
            assert [bool(flag & st.WORKINGSET) for flag in flags] == [page in twin.workingset for page in pages]
            assert [bool(flag & st.REFERENCED) for flag in flags] == [page in twin.referenced for page in pages]
            for page in pages:
                for n in range(3 if page in twin.file else 1):
                    assert bool(self.a.pte[page + n * self.span] & st.PTE_ACCESSED) == ((page, n) in twin.accessed)

    def counts(self, priority: int, force: bool = False) -> list[int]:
        self.ctx[st.X_PRIORITY], self.ctx[st.X_FORCE] = priority, int(force)
        lru.begin(self.policy, self.pages, self.ctx)
        found = [int(n) for n in self.ctx[lru.NR : lru.NR + 4]]
        assert found == self.twin.scan_counts(priority, force)
        return found

    def reclaim_pass(self, asked: Pass, fates: str) -> list[list[int]]:
        """A pass slice by slice as the engine drives it, and the twin's as one loop; returns the slices.

        fates  one letter a page, round: Free, Store, Write, sTuck; there is no store for file pages
        """
        names = {"F": "free", "S": "store", "W": "write", "T": "stuck"}

        def fate(page: int) -> str:
            what = names[fates[page % len(fates)]]
            return "free" if page in self.twin.file and what == "store" else what

        ctx = self.ctx
        ctx[st.X_PRIORITY], ctx[st.X_KSWAPD], ctx[st.X_FORCE] = asked.priority, asked.kswapd, asked.force
        ctx[st.X_TO_RECLAIM] = asked.goal
        ctx[st.X_SKIPPED] = 0
        before = int(ctx[st.X_RECLAIMED])
        lru.begin(self.policy, self.pages, ctx)
        slices = []
        while (n := lru.isolate(self.policy, self.pages, ctx)) >= 0:
            if n:
                slices.append([int(f) for f in self.a.window[:n]])
                for page in slices[-1]:
                    self._one(page, fate(page))
        self.twin.skipped = False
        expected, freed = self.twin.reclaim_pass(asked, fate)
        assert slices == [part for part in expected if part]
        assert int(ctx[st.X_RECLAIMED]) - before == freed
        assert bool(ctx[st.X_SKIPPED]) == self.twin.skipped
        return slices

    def _one(self, page: int, what: str) -> None:
        verdict = int(pagelru.check(self.policy, self.pages, page))
        if verdict in (RECLAIM_IT, RECLAIM_CLEAN) and what in ("free", "store"):
            self.ctx[st.X_STORED_OR_WRITTEN] += what == "store"
            shadow = int(pagelru.evicted(self.policy, self.pages, page))
            self.shadows[page] = shadow >> 1, bool(shadow & 1)
            self.ctx[st.X_RECLAIMED] += 1
            return
        if verdict == RECLAIM_IT and what == "write":
            self.ctx[st.X_WRITTEN_FILE if page in self.twin.file else st.X_STORED_OR_WRITTEN] += 1
        if verdict in (RECLAIM_IT, RECLAIM_CLEAN):
            verdict = KEEP if what == "write" else ACTIVATE
        pagelru.putback(self.policy, self.pages, page, verdict)
