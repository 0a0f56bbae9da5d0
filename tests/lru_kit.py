"""The compiled lists of Linux beside their plain twin: every call goes to both."""

from __future__ import annotations

import numpy as np

from models.memory import state as st
from models.policies import linux_lru as lru
from models.vmstat import INDEX, NR_INACTIVE_ANON
from tests.machine_kit import make_plan, make_vm, process
from tests.twins.linux_lru import ACTIVATE, KEEP, RECLAIM_IT, LinuxLru, Pass

EVENTS = [f"workingset_{event}_{kind}" for event in ("refault", "activate", "restore") for kind in ("anon", "file")]
MOVED = ("pgactivate", "pgdeactivate", "pgrefill", "pgrotated", *EVENTS)


class Both:
    """The compiled policy on a machine's tables, and the twin; every call goes to both."""

    def __init__(self, pages: int = 40, swappiness: int = 60) -> None:
        self.vm = make_vm(make_plan([process(pages)], swappiness=swappiness), check=False)
        self.a, self.pages = self.vm.arrays, self.vm.pages
        table, head, num = lru.create(int(self.a.num[st.FRAMES]))
        self.policy, self.head, self.num = st.make_policy(table, head, num), head, num
        self.twin = LinuxLru(4096, swappiness, int(self.a.zone[:, st.WMARK_HIGH].sum()))
        self.twin.free = int(self.vm.vmstat[0])
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.shadows: dict[int, tuple[int, bool]] = {}

    def kind(self, page: int, is_file: bool) -> None:
        """A frame of this kind, mapped by the virtual page of the same number and not yet accessed."""
        self.a.frame[page, st.FLAGS] = (st.FILE if is_file else st.ANON) << st.KIND_SHIFT
        self.a.frame[page, st.PAGE] = page
        self.a.pte[page] = page << st.PTE_SHIFT | st.PTE_PRESENT
        (self.twin.file.add if is_file else self.twin.file.discard)(page)
        self.twin.accessed.discard(page)

    def access(self, page: int) -> None:
        self.a.pte[page] |= st.PTE_ACCESSED
        self.twin.accessed.add(page)

    def insert(self, page: int, shadow: tuple[int, bool] | None = None, is_file: bool = False) -> None:
        self.kind(page, is_file)
        lru.insert(self.policy, self.pages, page, -1 if shadow is None else shadow[0] << 1 | shadow[1])
        self.twin.insert(page, shadow)

    def activate(self, page: int) -> None:
        """Put a listed page at the active head."""
        lru.remove(self.policy, self.pages, page)
        self.twin.remove(page)
        self.putback(page, ACTIVATE)

    def check(self, page: int) -> int:
        verdict = int(lru.check(self.policy, self.pages, page))
        assert verdict == self.twin.check(page)
        return verdict

    def putback(self, page: int, verdict: int) -> None:
        lru.putback(self.policy, self.pages, page, verdict)
        self.twin.putback(page, verdict)

    def evicted(self, page: int) -> tuple[int, bool]:
        shadow = int(lru.evicted(self.policy, self.pages, page))
        assert self.twin.evicted(page) == (shadow >> 1, bool(shadow & 1))
        return shadow >> 1, bool(shadow & 1)

    def lists(self) -> list[list[int]]:
        """The compiled lists, head first; links are followed both ways."""
        found = []
        for which in range(4):
            pages, at, before = [], int(self.head[lru.HEAD + which]), 0
            while at:
                pages.append(at - 1)
                assert self.a.frame[at - 1, st.PREV] == before
                before, at = at, int(self.a.frame[at - 1, st.NEXT])
            assert before == self.head[lru.TAIL + which]
            assert len(pages) == self.vm.vmstat[NR_INACTIVE_ANON + which]
            found.append(pages)
        return found

    def agree(self) -> None:
        twin = self.twin
        assert self.lists() == twin.lists
        assert int(self.num[lru.AGE]) == twin.age
        assert [int(self.num[lru.ANON_COST]), int(self.num[lru.FILE_COST])] == twin.cost
        assert {name: int(self.vm.vmstat[INDEX[name]]) for name in MOVED} == {name: twin.count[name] for name in MOVED}
        for which, pages in enumerate(twin.lists):
            flags = self.a.frame[pages, st.FLAGS]
            assert ((flags & st.LRU) > 0).all() and ((flags & st.ACTIVE > 0) == which % 2).all()
            assert [bool(flag & st.WORKINGSET) for flag in flags] == [page in twin.workingset for page in pages]
            assert [bool(flag & st.REFERENCED) for flag in flags] == [page in twin.referenced for page in pages]
            assert [bool(entry & st.PTE_ACCESSED) for entry in self.a.pte[pages]] == [page in twin.accessed for page in pages]

    def counts(self, priority: int, force: bool = False) -> list[int]:
        self.ctx[st.X_PRIORITY], self.ctx[st.X_FORCE] = priority, int(force)
        lru.begin(self.policy, self.pages, self.ctx)
        found = [int(n) for n in self.ctx[lru.NR : lru.NR + 4]]
        assert found == self.twin.scan_counts(priority, force)
        return found

    def reclaim_pass(self, asked: Pass, fates: str) -> list[list[int]]:
        """A pass slice by slice as the engine drives it, and the twin's as one loop; returns the slices.

        fates  one letter a page, round: Free, Store, Write, sTuck; file pages are never written here
        """
        names = {"F": "free", "S": "store", "W": "write", "T": "stuck"}

        def fate(page: int) -> str:
            what = names[fates[page % len(fates)]]
            return "free" if page in self.twin.file and what in ("store", "write") else what

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
        verdict = int(lru.check(self.policy, self.pages, page))
        if verdict == RECLAIM_IT and what in ("store", "write"):
            self.ctx[st.X_STORED_OR_WRITTEN] += 1
        if verdict == RECLAIM_IT and what in ("free", "store"):
            shadow = int(lru.evicted(self.policy, self.pages, page))
            self.shadows[page] = shadow >> 1, bool(shadow & 1)
            self.ctx[st.X_RECLAIMED] += 1
        else:
            if verdict == RECLAIM_IT:
                verdict = KEEP if what == "write" else ACTIVATE
            lru.putback(self.policy, self.pages, page, verdict)
