"""Playing an allocator against its plain twin, operation by operation, for the tests of the gallery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from models.allocators import pool as P
from models.allocators.drive import ALLOC, COMPACT, FREE, LIMIT, PIN, RECLAIM, UNPIN, digest, drive
from models.allocators.eviction import evict_pages
from tests.test_allocators import TALLY
from tests.test_replay import fnv

PLENTY = 1 << 40
ANY_BLOCKS = 2 * 4096  # columns of a place row for an object of any number of blocks
MOVING = {**TALLY, "moved": P.MOVED}


class Play:
    """One pool, driven operation by operation, or by a script such as "a1 1000, f1, c, e 2" (c: compact; e: evict so many pages)."""

    def __init__(self, allocator: P.Allocator, arrays: P.PoolArrays, idents: int = 2000) -> None:
        self.allocator, self.arrays = allocator, arrays
        self.table = np.zeros((3, idents), np.int32)

    def one(self, code: int, ident: int, arg: int = 0) -> Any:
        """An allocation's answer as the twins tell it (-errno or places), else what the call returned."""
        a = self.allocator
        op, who, what = np.array([code], np.uint8), np.array([ident], np.int32), np.array([arg], np.int64)
        place = np.zeros((1, 1 + ANY_BLOCKS), np.int64)
        none = np.empty((0, 0), np.int64)
        assert drive(self.arrays.pool, a.alloc, a.free, a.blocks, op, who, what, 0, 1, self.table, place, none) == 1
        n = int(place[0, 0])
        return n if code != ALLOC or n < 0 else [tuple(pair) for pair in place[0, 1 : 1 + 2 * n].reshape(n, 2).tolist()]

    def where(self, ident: int) -> list[tuple[int, int]]:
        out = np.zeros(ANY_BLOCKS, np.int64)
        n = self.allocator.blocks(self.arrays.pool, int(self.table[0, ident]) - 1, out)
        return [tuple(pair) for pair in out[: 2 * n].reshape(n, 2).tolist()]

    def evict(self, pages: int) -> Any:
        return evict_pages(self.allocator, self.arrays, P.Objects(*self.table), pages)

    def compact(self, budget: int = PLENTY) -> int:
        answers = self.allocator.answers
        if answers is not None and answers.hold is not None:
            answers.hold(self.arrays, P.Objects(*self.table))
        return int(self.allocator.compact(self.arrays.pool, budget))

    def __call__(self, script: str) -> dict[str, Any]:
        got: dict[str, Any] = {}
        for part in script.split(","):
            word, *number = part.split()
            if word == "e":
                got[f"e{len(got)}"] = [who for who, agreed in self.evict(int(number[0])).offered if agreed]
            elif word == "c":
                got[f"c{len(got)}"] = self.compact()
            elif word[0] == "b":
                self.one(PIN, int(word[1:]))
            elif word[0] == "a":
                got[word] = self.one(ALLOC, int(word[1:]), int(number[0]))
            else:
                assert self.one(FREE, int(word[1:])) == 0
        return got

    def number(self, index: int) -> int:
        return int(self.arrays.num[index])


def raw_operations(codes: list[int], sizes: st.SearchStrategy[int] | None = None) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Lists of (operation, number); the number is a size, an object, a limit or a goal, as `same` reads it."""
    usual = st.one_of(st.integers(0, 5000), st.builds(lambda k, d: max(64 * k + d, 0), st.integers(0, 70), st.integers(-1, 1)))
    return st.lists(st.tuples(st.sampled_from(codes), sizes if sizes is not None else usual), max_size=80)


def same(play: Play, twin: Any, raw: list[tuple[int, int]], largest: int, lists: Callable[[P.PoolArrays], Any] | None = None) -> None:
    """Both do the operations; every answer, the whole tally and all lists after each, and every place at the end must agree."""
    num, allocs, pinned = play.arrays.num, 0, set()
    for i, (code, number) in enumerate(raw):
        ident, walked = number % (allocs + 1), int(num[P.WALKED])
        one = code in (ALLOC, COMPACT) or (code == FREE and ident in twin.objects)
        if code == ALLOC:
            assert play.one(ALLOC, allocs, number % (largest + 1)) == twin.alloc(allocs, number % (largest + 1)), i
            allocs += 1
        elif code == FREE:
            assert play.one(FREE, ident) == (twin.free(ident) if one else -P.EINVAL), i
        elif code == LIMIT:
            twin.may_take = number % 40
            play.one(LIMIT, 0, number % 40)
        elif code == COMPACT:
            budget = number % 9 if number % 3 else PLENTY
            pins = (pinned,) if play.allocator.answers.hold is not None else ()
            assert play.compact(budget) == twin.compact(budget, *pins), i
        elif code == RECLAIM:
            assert play.evict(number % 9).offered == twin.evict(number % 9, pinned), i
            assert num[P.WALKED] - walked == twin.walked, i
        else:
            play.one(code, ident)
            (pinned.add if code == PIN else pinned.discard)(ident)
        play.allocator.stat(play.arrays.pool)
        expected = {name: value for name, value in twin.tally().items() if one or not name.startswith("op_")}
        assert {name: int(num[MOVING[name]]) for name in expected} == expected, (i, code)
        inside = num[[P.PAYLOAD, P.META_INSIDE, P.LOST_INSIDE, P.FREE_BYTES]].sum()
        assert num[P.POOL_PAGES] * num[P.PAGE_SIZE] == inside, i
        if lists is not None:
            assert lists(play.arrays) == (twin.free_lists if hasattr(twin, "free_lists") else twin.lists)(), (i, code)
        assert play.allocator.counters(play.arrays) == twin.counters(), i
    twin.check()
    live = {who for who in range(allocs) if play.table[0, who]}
    assert live == set(twin.objects)
    assert all(play.where(who) == twin.where(who) for who in live)
    numbers = [n for who in sorted(live) for place in twin.where(who) for n in (who, *place)]
    assert f"{int(digest(play.arrays.pool, play.allocator.blocks, play.table)):016x}" == fnv(numbers)


def churn(seed: int, operations: int, codes: dict[int, float], means: list[int], spread: int, largest: int) -> list[tuple[int, int]]:
    """Long random operations with sizes around some means."""
    rng = np.random.default_rng(seed)
    picked = rng.choice(list(codes), operations, p=np.array(list(codes.values())) / sum(codes.values()))
    sizes = np.clip(rng.normal(rng.choice(means, operations), spread), 1, largest).astype(int)
    others = rng.integers(0, 1 << 30, operations)
    return [(int(code), int(size if code == ALLOC else other)) for code, size, other in zip(picked, sizes, others, strict=True)]


CHURN = {ALLOC: 0.5, FREE: 0.42}
PINS = {PIN: 0.05, UNPIN: 0.04}
