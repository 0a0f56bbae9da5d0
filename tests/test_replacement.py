"""Replacement policies of models/cache in the machine: the same choices as without one, and every invariant whatever happens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.cache.policy import CachePolicy, unmoved
from models.cache.registry import ONLINE
from models.cache.state import GHOSTS, LIST, PAGE, RECALLED, USED
from models.memory import state as st
from models.memory.frames import TOP
from models.policies import replacement as rp
from models.policies.registry import LINUX, REGISTRY
from models.registry import resolve
from models.workloads.stream import FREAD, UNMAP, Area, File
from sim.build_files import FilePlan
from tests.machine_kit import counter, fill, make_plan, make_vm, mix, process, rows_of, run

NAMES = [entry.name for entry in ONLINE if entry.name not in {own.name for own in LINUX}]
PLACES = 40


class InMachine:
    """The adapter on a machine's tables, used as a cache of `room` anonymous pages."""

    def __init__(self, policy: CachePolicy, room: int, hits: str) -> None:
        self.vm = make_vm(make_plan([process(PLACES)]), check=False)
        self.a, self.pages = self.vm.arrays, self.vm.pages
        made = rp.create(policy, len(self.a.frame), len(self.a.pte), hits)
        self.held, self.policy = made[3], st.make_policy(*made)
        self.ctx = np.zeros(st.CONTEXT, np.int64)
        self.ctx[st.X_INDEX], self.ctx[st.X_TO_RECLAIM] = TOP, 1
        self.free, self.frame_of = list(range(room)), {}
        self.seen: set[int] = set()
        self.every = hits == "every"

    def use(self, page: int) -> int | None:
        """Use a page; the one that had to go for it."""
        gone = None
        if page in self.frame_of:
            f = self.frame_of[page]
            self.a.pte[page] |= st.PTE_ACCESSED
            if self.every:
                rp.accessed(self.policy, self.pages, f)
            return None
        if not self.free:
            gone = self.evict()
        f = self.free.pop()
        self.frame_of[page] = f
        self.a.frame[f] = 0
        self.a.frame[f, st.FLAGS], self.a.frame[f, st.PAGE] = st.ANON << st.KIND_SHIFT, page
        self.a.pte[page] = f << st.PTE_SHIFT | st.PTE_PRESENT
        rp.insert(self.policy, self.pages, f, 0 if page in self.seen else -1)
        self.seen.add(page)
        return gone

    def evict(self) -> int:
        n = 0
        rp.begin(self.policy, self.pages, self.ctx)
        while n == 0:
            self.ctx[rp.LEFT] = 1
            n = rp.isolate(self.policy, self.pages, self.ctx)
        assert n == 1
        f = int(self.pages_window()[0])
        assert rp.check(self.policy, self.pages, f) == st.RECLAIM_IT
        page = int(self.a.frame[f, st.PAGE])
        del self.frame_of[page]
        self.free.append(f)
        self.a.pte[page] = 0
        return page

    def pages_window(self) -> Any:
        return self.a.window


class Alone:
    """The policy's own functions, in the order in which the machine calls them; how many pages fit is known at the first reclaim."""

    def __init__(self, policy: CachePolicy, frames: int, room: int, hits: str) -> None:
        self.p, self.room, self.every = policy, room, hits == "every"
        self.arrays = policy.create(frames, PLACES)
        self.c = self.arrays.cache
        self.bits: set[int] = set()
        self.seen: set[int] = set()

    def use(self, page: int) -> int | None:
        gone = None
        n = int(self.arrays.index[page])
        if n and self.arrays.node[n, LIST] < GHOSTS:
            if self.every:
                self.p.hit(self.c, n)
            self.bits.add(page)
            return None
        if self.arrays.num[USED] == self.room:
            gone = self.evict()
        if page in self.seen:  # else it is new, and the machine does not ask for its ghost
            self.p.wanted(self.c, page)
        self.seen.add(page)
        self.p.admit(self.c, page)
        self.arrays.num[RECALLED] = 0
        return gone

    def evict(self) -> int:
        self.p.sized(self.c, self.room)
        while True:
            n = self.p.choose(self.c)
            page = int(self.arrays.node[n, PAGE])
            if self.every or self.p.hit is unmoved or page not in self.bits:
                self.bits.discard(page)
                return int(self.p.take(self.c, n))
            self.bits.remove(page)
            self.p.hit(self.c, n)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hits", ["scan", "every"])
@settings(max_examples=25, deadline=None)
@given(ids=some.lists(some.integers(0, 14), max_size=80), room=some.integers(2, 10))
def test_the_machine_chooses_as_the_policy_alone(name: str, hits: str, ids: list[int], room: int) -> None:
    policy = resolve(next(entry.target for entry in ONLINE if entry.name == name))
    machine = InMachine(policy, room, hits)
    alone = Alone(policy, len(machine.a.frame), room, hits)
    for at, page in enumerate(ids):
        assert machine.use(page) == alone.use(page), f"use {at}, page {page}"
        assert machine.held.arrays.num[USED] == alone.arrays.num[USED] == len(machine.frame_of)


@settings(max_examples=25, deadline=None)
@given(
    name=some.sampled_from(NAMES),
    hits=some.sampled_from(["scan", "every"]),
    backend=some.sampled_from([("none", None), ("zcache", "xcfmalloc")]),
    pages=some.integers(1500, 4500),
    writes=some.floats(0, 1),
    slots=some.sampled_from([0, 600, 8192]),
    unmap=some.booleans(),
    files=some.booleans(),
    cpus=some.integers(1, 3),
    seed=some.integers(0, 1000),
)
def test_any_small_run_keeps_every_invariant(
    name: str, hits: str, backend: Any, pages: int, writes: float, slots: int, unmap: bool, files: bool, cpus: int, seed: int
) -> None:
    parts: list[Any] = [fill(pages), mix(pages, 400, seed, writes)]
    if unmap:
        parts.append(([UNMAP, 1], [pages // 4, pages // 3], [pages // 2, 0]))
    program = process(pages, *parts)
    plans: Any = ((), ())
    if files:
        reads = np.random.default_rng(seed).integers(0, 300, 400)
        program = process(pages + 200, (np.full(400, FREAD), reads, np.zeros(400)), *parts, mix(pages + 200, 500, seed, writes))
        program = program._replace(areas=(Area(pages, 200, 0, shared=True),))
        plans = ((FilePlan(File("f", 300), rows_of([1000]), 9000),), ())
    kind, allocator = backend if slots else ("none", None)
    plan = make_plan(
        [program, process(500, fill(500), mix(500, 500, seed + 1, writes))],
        backend=kind, allocator=allocator, swap_slots=slots, files=plans,
        policy=resolve(f"models.policies.replacement:{name}"), policy_options={"hits": hits},
    )  # fmt: skip
    vm = make_vm(plan, cpus=cpus, groups=[[0], [1]])
    run(vm, *vm.tasks)
    assert all(task.status in ("done", "oom-killed") for task in vm.tasks)
    assert (vm.arrays.pte == 0).all()
    assert counter(vm, "pgscan_kswapd") + counter(vm, "pgscan_direct") == counter(vm, "pgscan_anon") + counter(vm, "pgscan_file")
    assert counter(vm, "nr_inactive_anon") == counter(vm, "nr_writeback") if not files else True


def test_every_policy_that_needs_no_future_has_a_line() -> None:
    assert [entry.name for entry in REGISTRY] == [*(entry.name for entry in LINUX), *NAMES]
    assert "belady" not in NAMES
