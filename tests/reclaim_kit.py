"""Playing zbud and z3fold of Linux 6.1 against their plain twins, evictions step by step included."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from models.allocators import pool as P
from models.allocators.drive import ALLOC, FREE, LIMIT, PIN, RECLAIM, UNPIN
from models.allocators.eviction import evict_pages
from tests.test_allocators import TALLY, answer, run

PLENTY = 1 << 40
PAGE_SIZES = (4096, 16384, 65536)
STEP = 20  # one step of an eviction that other operations may come in between
COUNTED = {**TALLY, "moved": P.MOVED}


def lists(module, arrays):
    """The compiled pool's lists in the twin's form, their descriptions checked against each other; the LRU is -1."""
    n, page, link = len(arrays.head) // 2, arrays.page, arrays.block
    found = {}

    def chain(row, after, before):
        last, rows = 0, []
        while row:
            assert link[row, before] == last and page[row, module.OFFERED] <= 0
            rows.append(row)
            last, row = row, int(link[row, after])
        return rows

    for index in range(n):
        rows = chain(int(arrays.head[index]), module.NEXT, module.PREV)
        assert arrays.head[n + index] == len(rows) and all(page[row, module.LIST] == index for row in rows)
        if rows:
            found[index] = [int(page[row, module.SERIAL]) for row in rows]
    rows = chain(int(link[0, module.AFTER]), module.AFTER, module.BEFORE)
    assert (link[0, module.BEFORE], arrays.num[module.LRU_PAGES]) == (rows[-1] if rows else 0, len(rows))
    serials = [int(page[row, module.SERIAL]) for row in rows]
    return {-1: serials, **found} if serials else found


class Play:
    """A script such as "a1 1000, f1, p 2, e 2" (p, u: pin, unpin; e: evict so many pages) on one pool.

    Returns where each object went, and for every e what was offered, the last result, and the pages that count.
    """

    def __init__(self, module, allocator, page_size: int = 4096, may_take: int = PLENTY, max_objects: int = 100) -> None:
        self.module, self.allocator = module, allocator
        self.arrays = allocator.create(page_size, 1000, max_objects, may_take=may_take)
        self.table = np.zeros((3, 1000), np.int32)

    def one(self, code, ident, arg=0):
        place, _ = run(self.allocator, self.arrays, [(code, ident, arg)], self.table)
        return answer(place[0]) if code == ALLOC else int(place[0, 0])

    def evict(self, pages):
        return evict_pages(self.allocator, self.arrays, P.Objects(*self.table), pages)

    def where(self, ident):
        out = np.zeros(2, np.int64)
        assert self.allocator.blocks(self.arrays.pool, int(self.table[0, ident]) - 1, out) == 1
        return tuple(int(number) for number in out)

    def lists(self):
        return lists(self.module, self.arrays)

    def __call__(self, script: str) -> dict[str, object]:
        got: dict[str, object] = {}
        for part in script.split(","):
            word, *number = part.split()
            if word == "e":
                done = self.evict(int(number[0]))
                text = " ".join(f"{who}" if agreed else f"!{who}" for who, agreed in done.offered)
                got[f"e{sum(key[0] == 'e' for key in got)}"] = (text, done.code, done.pages)
            elif word in ("p", "u"):
                self.one(PIN if word == "p" else UNPIN, int(number[0]))
            elif word[0] == "a":
                placed = self.one(ALLOC, int(word[1:]), int(number[0]))
                got[word] = placed if isinstance(placed, int) else placed[0]
            else:
                assert self.one(FREE, int(word[1:])) == 0
        return got


SIZES = st.one_of(st.integers(0, 70_000), st.builds(lambda k, d: max(64 * k + d, 0), st.integers(0, 1024), st.integers(-1, 1)))
RAW = st.lists(st.tuples(st.sampled_from([ALLOC] * 7 + [FREE] * 5 + [STEP] * 3 + [RECLAIM, LIMIT, PIN, UNPIN]), SIZES), max_size=90)


class Duel:
    """The compiled allocator and its twin do the same; every answer, the whole tally and all lists after each operation must agree."""

    def __init__(self, play: Play, twin) -> None:
        self.play, self.twin = play, twin
        self.allocs, self.pinned = 0, set()
        self.claimed = None  # (page of the compiled one, page of the twin)

    def alloc(self, size):
        assert self.play.one(ALLOC, self.allocs, size) == self.twin.alloc(self.allocs, size)
        self.allocs += 1

    def free(self, ident):
        live = ident in self.twin.objects
        assert self.play.one(FREE, ident) == (self.twin.free(ident) if live else -P.EINVAL)
        return live

    def evict(self, pages):
        walked = int(self.play.arrays.num[P.WALKED])
        offered, code, count = self.twin.evict(pages, self.pinned)
        assert self.play.evict(pages) == (offered, code, count)
        assert self.play.arrays.num[P.WALKED] - walked == self.twin.walked

    def step(self, number):
        """Begin an eviction or claim a page; offer the next object, which the owner may refuse; be done with the page."""
        a, pool, num = self.play.allocator, self.play.arrays.pool, self.play.arrays.num
        if self.claimed is None:
            if self.twin.goal <= 0 or number % 5 == 0:
                num[P.EVICT_LEFT], num[P.EVICT_AT] = 1 + number % 3, 0
                self.twin.start(1 + number % 3)
            row, page = a.evict_begin(pool), self.twin.begin()
            if isinstance(page, int):
                assert row == page
                self.twin.goal = 0
            else:
                assert self.play.arrays.page[row, self.play.module.SERIAL] == page.serial
                self.claimed = row, page
            return
        row, page = self.claimed
        handle, key = a.evict_next(pool, row), self.twin.next(page)
        if key is None or number % 11 == 0:
            assert key is not None or handle == -1
            assert a.evict_done(pool, row) == self.twin.done(page)
            self.claimed = None
        else:
            assert self.play.table[1, handle] == key
            if number % 3:
                self.free(key)

    def agree(self, exact):
        expected = {name: value for name, value in self.twin.tally().items() if exact or not name.startswith("op_")}
        num = self.play.arrays.num
        assert {name: int(num[COUNTED[name]]) for name in expected} == expected
        used = sum(int(num[i]) for i in (P.PAYLOAD, P.META_INSIDE, P.LOST_INSIDE, P.FREE_BYTES))
        assert used == num[P.POOL_PAGES] * num[P.PAGE_SIZE]
        assert self.play.lists() == self.twin.lists()

    def run(self, raw):
        num = self.play.arrays.num
        largest = int(num[P.PAGE_SIZE]) + 64
        for code, number in raw:
            exact = code == ALLOC
            if code == ALLOC:
                self.alloc(number % largest)
            elif code == FREE:
                exact = self.free(number % (self.allocs + 1))
            elif code == LIMIT:
                self.twin.may_take = number % 9
                self.play.one(LIMIT, 0, number % 9)
            elif code == RECLAIM and self.claimed is None:
                self.evict(number % 9)
            elif code == STEP:
                self.step(number)
            elif code in (PIN, UNPIN):
                ident = number % (self.allocs + 1)
                self.play.one(code, ident)
                (self.pinned.add if code == PIN else self.pinned.discard)(ident)
            self.agree(exact)
        self.twin.check()
        for ident in range(self.allocs):
            assert (self.play.table[0, ident] != 0) == (ident in self.twin.objects)
            if ident in self.twin.objects:
                assert [self.play.where(ident)] == self.twin.where(ident)


def long_churn(seed, page_size, means, operations=900):
    """Operations on objects of a few typical sizes, evictions and their steps in between; most frees hit a recent object."""
    rng = np.random.default_rng(seed)
    codes = rng.choice([ALLOC, FREE, RECLAIM, STEP, PIN, UNPIN], operations, p=[0.44, 0.34, 0.02, 0.06, 0.09, 0.05])
    sizes = np.clip(rng.normal(rng.choice(page_size * np.array(means), operations), page_size / 40), 1, page_size).astype(int)
    return [(int(code), int(size)) for code, size in zip(codes, sizes, strict=True)]
