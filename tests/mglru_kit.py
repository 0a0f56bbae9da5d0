"""The compiled generations beside their plain twin: every call goes to both."""

from __future__ import annotations

import numpy as np

from models.cache.held import NOTHING
from models.memory import state as st
from models.memory.frames import zone_of
from models.memory.rmap import add_mapping
from models.policies import mglru as lru
from models.policies import mglru_lists as gl
from models.policies.mglru_lists import FIRST
from models.vmstat import INDEX, NR_INACTIVE_ANON
from models.workloads.stream import Area, File
from sim.build_files import FilePlan
from tests.machine_kit import make_plan, make_vm, process, rows_of
from tests.twins.mglru import ANON, FILE, RECLAIM_CLEAN, RECLAIM_IT, ROTATE, Mglru, Page

FLAGS = {
    "referenced": st.REFERENCED,
    "workingset": st.WORKINGSET,
    "reclaim": st.RECLAIM,
    "dirty": st.DIRTY,
    "writeback": st.WRITEBACK,
    "locked": st.LOCKED,
}
EVENTS = ("refault", "activate", "restore")
MOVED = ("pgactivate", "pgrefill", "pgrotated")


class Both:
    """The compiled policy on a machine's tables, and the twin; every call goes to both.

    Half of the frames are in another zone.  Page n of anonymous memory is mapped at n, a file's at span + n and, with sequential
    advice, at 2 * span + n.
    """

    def __init__(self, span: int = 200, swappiness: int = 60, later: bool = False, min_ttl_ms: int = 0) -> None:
        areas = tuple(Area(n * span, span, 0, shared=True, advice=advice) for n, advice in ((1, "normal"), (2, "sequential")))
        file = FilePlan(File("f", span), rows_of([1000]), 0)
        kernel = "6.12" if later else "6.1"
        plan = make_plan([process(3 * span)._replace(areas=areas)], swappiness=swappiness, files=((file,),), kernel=kernel)
        self.vm = make_vm(plan, check=False)
        self.span = span
        self.a, self.pages = self.vm.arrays, self.vm.pages
        zone = self.a.zone
        zone[1, st.MANAGED], zone[1, st.FIRST_FRAME], zone[1, st.ZONE_FREE] = 1000, span // 2, 1000
        table, head, num = lru.create(int(self.a.num[st.FRAMES]), min_ttl_ms=min_ttl_ms)
        self.policy, self.table, self.head, self.num = st.make_policy(table, head, num, NOTHING), table, head, num
        self.twin = Mglru(span, swappiness, later, [])
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.shadows: dict[int, tuple[int, tuple[int, int, bool]]] = {}

    def insert(self, page: int, kind: int = ANON, fault: bool = True, executable: bool = False) -> None:
        """A page comes, mapped and not yet accessed; it refaults if it was evicted before."""
        frame = self.a.frame
        frame[page] = 0
        frame[page, st.FLAGS] = (st.FILE if kind else st.ANON) << st.KIND_SHIFT | (st.EXECUTABLE if executable else 0)
        frame[page, st.PAGE] = page
        twin = Page(page, kind, int(zone_of(self.pages, page)), executable=executable)
        twin.mapped = {self.span + page, 2 * self.span + page} if kind else {page}
        for virtual in sorted(twin.mapped):
            self.a.pte[virtual] = page << st.PTE_SHIFT | st.PTE_PRESENT
            self.a.table[virtual // 512, 0] += 1
            if kind:
                frame[page, st.FLAGS] |= st.SEQUENTIAL
                add_mapping(self.pages, page, virtual)
        self.a.proc[0, st.RSS_FILE if kind else st.RSS] += len(twin.mapped)
        shadow = self.shadows.pop(page, None)
        self.a.num[st.IN_FAULT] = int(fault)
        lru.insert(self.policy, self.pages, page, -1 if shadow is None else shadow[0])
        self.a.num[st.IN_FAULT] = 0
        self.twin.insert(twin, None if shadow is None else shadow[1], fault)

    def unmap(self, page: int) -> None:
        twin = self.twin.pages[page]
        for virtual in twin.mapped:
            self.a.pte[virtual] = 0
            self.a.table[virtual // 512, 0] -= 1
        self.a.proc[0, st.RSS_FILE if twin.kind else st.RSS] -= len(twin.mapped)
        self.a.frame[page, st.MAPS] = 0
        self.a.frame[page, st.FLAGS] &= ~(st.SEQUENTIAL | st.EXECUTABLE)
        twin.mapped, twin.young, twin.executable = set(), set(), False

    def touch(self, page: int, which: int = 0) -> None:
        """The processor sets the accessed bit of a mapping; its process ran."""
        twin = self.twin.pages[page]
        for virtual in sorted(twin.mapped)[which % 2 : which % 2 + 1] if twin.kind else twin.mapped:
            self.a.pte[virtual] |= st.PTE_ACCESSED
            twin.young.add(virtual)
        self.a.proc[0, st.WALKED] |= 1
        self.twin.ran = True

    def use(self, page: int) -> None:
        lru.mglru_control.accessed(self.policy, self.pages, page)
        self.twin.used(page)

    def mark(self, page: int, name: str, on: bool) -> None:
        """Set or clear a flag that others than the policy own."""
        self.a.frame[page, st.FLAGS] = self.a.frame[page, st.FLAGS] & ~FLAGS[name] | (FLAGS[name] if on else 0)
        (self.twin.pages[page].flags.add if on else self.twin.pages[page].flags.discard)(name)

    def remove(self, page: int) -> None:
        self.unmap(page)
        lru.remove(self.policy, self.pages, page)
        self.twin.remove(page)

    def rotate(self, page: int) -> None:
        """Its writing ends."""
        self.mark(page, "writeback", False)
        self.mark(page, "reclaim", False)
        lru.putback(self.policy, self.pages, page, ROTATE)
        self.twin.putback(page, ROTATE)

    def one(self, page: int, fate: str) -> int:
        """What the engine does with an isolated page: Free it, Write it, or find that it cannot (sTuck); 1 if it is gone."""
        verdict = int(lru.check(self.policy, self.pages, page))
        assert verdict == self.twin.check(page)
        if verdict in (RECLAIM_IT, RECLAIM_CLEAN):
            self.unmap(page)
            if fate == "F":
                shadow = int(lru.mglru_control.evicted(self.policy, self.pages, page))
                self.a.frame[page, st.FLAGS] = 0
                self.shadows[page] = shadow, self.twin.evict(page)
                return 1
            verdict = 1
            if fate == "W" and self.twin.pages[page].kind == ANON:
                self.a.frame[page, st.SLOT] = page + 1
                self.twin.pages[page].cached = True
                self.mark(page, "writeback", True)
                self.mark(page, "reclaim", True)
                verdict = 0
        lru.putback(self.policy, self.pages, page, verdict)
        self.twin.putback(page, verdict)
        return 0

    def reclaim_pass(self, priority: int, kswapd: bool, wanted: int, fates: str = "F") -> list[list[int]]:
        """A pass batch by batch; returns the batches.  fates: one letter a page, round."""
        ctx = self.ctx
        ctx[st.X_PRIORITY], ctx[st.X_KSWAPD], ctx[st.X_TO_RECLAIM] = priority, kswapd, wanted
        ctx[st.X_RECLAIMED] = ctx[st.X_BEFORE] = 0
        ctx[st.X_INDEX] = 2
        lru.begin(self.policy, self.pages, ctx)
        other = self.twin.batches(priority, kswapd, wanted)
        found = []
        freed = None
        while (n := lru.isolate(self.policy, self.pages, ctx)) >= 0:
            taken = [int(f) for f in self.a.window[:n]]
            assert other.send(freed) == taken
            freed = 0
            for page in taken:
                freed += self.one(page, fates[page % len(fates)])
            ctx[st.X_RECLAIMED] += freed
            found.append(taken)
        assert next(other, None) in (None, []) if freed is None else self._ended(other, freed)
        return found

    def _ended(self, other: object, freed: int) -> bool:
        try:
            rest = other.send(freed)  # type: ignore[attr-defined]
        except StopIteration:
            return True
        return rest == []

    def age(self, priority: int = 12, kept: bool = True) -> None:
        """kswapd's look before a round, with or without the hint that it may age."""
        self.ctx[st.X_PRIORITY], self.ctx[lru.AGE_NEXT] = priority, int(kept)
        lru.age(self.policy, self.pages, self.ctx)
        if kept and not self.twin.later and self.twin.aging_due():
            self.twin.grow_older()

    def grow_older(self) -> None:
        lru.grow_older(self.policy, self.pages, 0, int(self.twin.swaps() > 0))
        self.twin.grow_older()

    def lists(self) -> dict[tuple[int, int, int], list[int]]:
        """The compiled lists, head first; links are followed both ways."""
        found = {}
        for gen in range(self.twin.min[ANON], self.twin.max + 1):
            for kind in (ANON, FILE):
                for zone in range(gl.ZONES):
                    which = int(gl.list_of(0, gen % 4, kind, zone))
                    pages, at, before = [], int(self.head[2 * which]), 0
                    while at:
                        pages.append(at - 1)
                        assert self.a.frame[at - 1, st.PREV] == before and self.table[at - 1, gl.PLACE] == which
                        before, at = at, int(self.a.frame[at - 1, st.NEXT])
                    assert before == self.head[2 * which + 1]
                    if pages:
                        found[gen, kind, zone] = pages
        return found

    def agree(self) -> None:
        twin, num, a = self.twin, self.num, self.a
        assert [int(x) for x in num[FIRST : FIRST + 3]] == [twin.max, *twin.min]
        assert self.lists() == {key: pages for key, pages in twin.lists.items() if pages}
        for kind in (ANON, FILE):
            for tier in range(4):
                at = FIRST + 4 * kind + tier
                counted = [int(num[at + of]) for of in (gl.EVICTED, gl.PROTECTED, gl.REFAULTED, gl.AVG_REFAULTED, gl.AVG_TOTAL)]
                key = (kind, tier)
                assert counted == [twin.evicted[key], twin.protected[key], twin.refaulted[key], *twin.average[key]]
            sizes = [twin.size(gen, kind) for gen in range(twin.min[kind], twin.max + 1)]
            told = [int(x) for x in self.vm.vmstat[NR_INACTIVE_ANON + 2 * kind : NR_INACTIVE_ANON + 2 * kind + 2]]
            assert told == [sum(sizes[:-2]), sum(sizes[-2:])]
        for page in twin.pages.values():
            flags = int(a.frame[page.number, st.FLAGS])
            assert {name for name, flag in FLAGS.items() if flags & flag} == page.flags
            assert int(self.table[page.number, gl.REFS]) == page.counter
            assert page.gen is not None and int(self.table[page.number, gl.GEN]) - 1 == page.gen % 4
            for virtual in page.mapped:
                assert bool(a.pte[virtual] & st.PTE_ACCESSED) == (virtual in page.young)
        for event in EVENTS:
            both = sum(int(self.vm.vmstat[INDEX[f"workingset_{event}_{kind}"]]) for kind in ("anon", "file"))
            assert both == twin.count[event], event
        assert {name: int(self.vm.vmstat[INDEX[name]]) for name in MOVED} == {name: twin.count[name] for name in MOVED}
