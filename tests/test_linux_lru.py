"""Linux's lists against a plain twin, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.memory import state as st
from models.policies import linux_lru as lru
from models.vmstat import NR_INACTIVE_ANON
from tests.machine_kit import make_plan, make_vm, process
from tests.twins.linux_lru import ACTIVATE, KEEP, RECLAIM_IT, LinuxLru

PAGES = 40


class Both:
    """The compiled policy on a machine's tables, and the twin; every call goes to both."""

    def __init__(self, swappiness: int = 60, page_size: int = 4096) -> None:
        memory = {4096: 12 << 20, 65536: 192 << 20}[page_size]
        plan = make_plan([process(PAGES)], swappiness=swappiness, page_size=page_size, memory=memory)
        self.vm = make_vm(plan, check=False)
        self.a = self.vm.arrays
        self.pages = self.vm.pages
        table, head, num = lru.create(int(self.a.num[st.FRAMES]))
        self.policy, self.head, self.num = st.make_policy(table, head, num), head, num
        self.twin = LinuxLru(page_size, swappiness, int(self.a.zone[:, st.WMARK_HIGH].sum()))
        self.twin.free = int(self.vm.vmstat[0])
        self.ctx = np.zeros(st.CONTEXT, np.int64)

    def kind(self, page: int, is_file: bool) -> None:
        """A frame of this kind, mapped by the virtual page of the same number."""
        self.a.frame[page, st.FLAGS] = (st.FILE if is_file else st.ANON) << st.KIND_SHIFT
        self.a.frame[page, st.PAGE] = page
        self.a.pte[page] = page << st.PTE_SHIFT | st.PTE_PRESENT
        (self.twin.file.add if is_file else self.twin.file.discard)(page)
        self.twin.accessed.discard(page)

    def access(self, page: int) -> None:
        self.a.pte[page] |= st.PTE_ACCESSED
        self.twin.accessed.add(page)

    def insert(self, page: int, shadow: tuple[int, bool] | None) -> None:
        lru.insert(self.policy, self.pages, page, -1 if shadow is None else shadow[0] << 1 | shadow[1])
        self.twin.insert(page, shadow)

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
        assert self.lists() == self.twin.lists
        assert int(self.num[lru.AGE]) == self.twin.age
        assert [int(self.num[lru.ANON_COST]), int(self.num[lru.FILE_COST])] == self.twin.cost
        for page in range(PAGES):
            flags = int(self.a.frame[page, st.FLAGS])
            if flags & st.LRU:
                assert bool(flags & st.WORKINGSET) == (page in self.twin.workingset)
                assert bool(flags & st.REFERENCED) == (page in self.twin.referenced)

    def reclaim(self, which: int, n: int) -> None:
        """Take n pages from a tail and do what `check` says; evicted ones leave with their shadow."""
        n = lru.isolate_tail(self.policy, self.pages, which, n)
        taken = [int(f) for f in self.a.window[:n]]
        assert taken == self.twin.take_tail(which, n)
        for page in taken:
            verdict = lru.check(self.policy, self.pages, page)
            assert verdict == self.twin.check(page)
            if verdict == RECLAIM_IT:
                shadow = lru.evicted(self.policy, self.pages, page)
                then, flag = self.twin.evicted(page)
                assert shadow == then << 1 | flag
                self.shadows[page] = (then, flag)
            else:
                lru.putback(self.policy, self.pages, page, verdict)
                self.twin.putback(page, verdict)

    shadows: dict[int, tuple[int, bool]]


op = some.tuples(
    some.sampled_from(["in", "touch", "out", "reclaim", "deactivate", "finish", "cost", "counts"]),
    some.integers(0, PAGES - 1),
    some.integers(0, 31),
)


@settings(max_examples=60, deadline=None)
@given(ops=some.lists(op, max_size=120), files=some.sets(some.integers(0, PAGES - 1)), swappiness=some.sampled_from([0, 1, 60, 100, 200]))
def test_any_life_is_the_twins(ops: list[tuple[str, int, int]], files: set[int], swappiness: int) -> None:
    both = Both(swappiness)
    both.shadows = {}
    for name, page, n in ops:
        here = both.twin.place(page)
        if name == "in" and here is None:
            both.kind(page, page in files)
            both.insert(page, both.shadows.pop(page, None))
        elif name == "touch" and here is not None:
            both.access(page)
        elif name == "out" and here is not None:
            lru.remove(both.policy, both.pages, page)
            both.twin.remove(page)
        elif name == "reclaim":
            both.reclaim(2 * (page % 2), n)
        elif name == "deactivate":
            assert lru.inactive_is_low(both.pages, page % 2) == both.twin.low(page % 2)
            lru.deactivate(both.policy, both.pages, n, page % 2)
            both.twin.deactivate(n, page % 2)
        elif name == "finish":
            lru.finish(both.policy, both.pages, both.ctx)
            both.twin.seen = list(both.twin.activated)
        elif name == "cost":
            lru.note_cost(both.policy, both.pages, page % 2, n)
            both.twin.charge(page % 2, n)
        elif name == "counts":
            counts(both, n % 13, force=n == 31)
        both.agree()


def counts(both: Both, priority: int, force: bool = False) -> list[int]:
    both.ctx[st.X_PRIORITY], both.ctx[st.X_FORCE] = priority, int(force)
    lru.begin(both.policy, both.pages, both.ctx)
    found = both.ctx[lru.NR : lru.NR + 4].tolist()
    assert found == both.twin.scan_counts(priority, force)
    return found


def test_second_chance_by_hand() -> None:
    """Untouched: reclaimed.  Touched once: one more trip.  Touched in two trips running: activated."""
    both = Both()
    for page in (1, 2, 3):
        both.kind(page, False)
        both.insert(page, None)
    both.access(2)
    both.access(3)
    assert [lru.check(both.policy, both.pages, page) for page in (1, 2, 3)] == [RECLAIM_IT, KEEP, KEEP]
    both.access(3)
    assert [lru.check(both.policy, both.pages, page) for page in (2, 3)] == [RECLAIM_IT, ACTIVATE]


@pytest.mark.parametrize(("distance", "active"), [(2, True), (3, False)])
def test_refault_distance_is_compared_with_the_active_list(distance: int, active: bool) -> None:
    """Two active anonymous pages: a page that was away for two evictions is activated, for three not."""
    both = Both()
    for page in (1, 2):
        both.kind(page, False)
        lru.insert(both.policy, both.pages, page, -1)
        lru.remove(both.policy, both.pages, page)
        lru.putback(both.policy, both.pages, page, ACTIVATE)
    age = int(both.num[lru.AGE])
    both.num[lru.AGE] = age + distance
    both.kind(3, False)
    lru.insert(both.policy, both.pages, 3, age << 1)
    assert (3 in both.lists()[1]) is active


def test_without_swap_no_anonymous_page_is_scanned() -> None:
    both = Both()
    for page in range(20):
        both.kind(page, page >= 15)
        both.insert(page, None)
    both.a.num[st.SWAP_FREE] = both.twin.swap_free = 0
    assert counts(both, 0) == [0, 0, 5, 0]


def test_inactive_may_be_shorter_in_large_memories() -> None:
    """Above a GiB the inactive list is low only when it is less than active / sqrt(10 * GiB)."""
    both = Both(page_size=65536)
    cases = ((1000, 1001, 1), (1000, 1000, 0), (10_000, 50_000, 0), (11_000, 60_000, 0), (9_000, 60_000, 1), (5_000, 60_000, 1))
    for inactive, active, low in cases:
        both.vm.vmstat[NR_INACTIVE_ANON : NR_INACTIVE_ANON + 2] = inactive, active
        assert lru.inactive_is_low(both.pages, 0) == low, (inactive, active)
