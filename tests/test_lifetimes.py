"""Lifetimes: each rule by cases made by hand and by what must hold for any seed; equal seeds give equal operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.allocators.drive import ALLOC, FREE
from models.lifetimes import churn, drain, fill, grow_and_free, lru, random_stress, size_phases, swapoff
from models.lifetimes.lifetime import Ops, replace, stored, with_sizes
from models.lifetimes.registry import REGISTRY
from models.registry import resolve

SEED = np.random.SeedSequence(2011)
SIZES = np.array([100, 200, 300, 400, 500], np.int32)
SMALL: dict[str, Any] = {"live": 40, "operations": 400, "reuse": 0.5, "share": 0.5, "rounds": 3, "phases": 4, "events": 400, "limit": 9}


def small(name: str, **changed: Any) -> Ops:
    entry = next(entry for entry in REGISTRY if entry.name == name)
    options = {option.name: SMALL.get(option.name, option.default) for option in entry.options} | changed
    made: Ops = resolve(entry.target)(options, SIZES, SEED)
    return made


def played(ops: Ops) -> list[list[int]]:
    """The live objects after every operation, in the order of their storing; fails on an operation that makes no sense."""
    live: dict[int, None] = {}
    newest = 0
    states = []
    for code, who in zip(ops.op.tolist(), ops.ident.tolist(), strict=True):
        if code == ALLOC:
            assert who == newest, "objects are numbered in the order of their storing"
            newest += 1
            live[who] = None
        else:
            assert code == FREE
            del live[who]
        states.append(list(live))
    return states


# ---------------------------------------------------------------- what all of them keep


@pytest.mark.parametrize("name", [entry.name for entry in REGISTRY])
def test_any_lifetime_makes_sense_and_is_the_same_again(name: str) -> None:
    ops = small(name)
    states = played(ops)
    assert (ops.op.dtype, ops.ident.dtype, ops.arg.dtype) == (np.uint8, np.int32, np.int64)
    assert set(ops.arg[ops.op == ALLOC].tolist()) <= set(SIZES.tolist()) and not ops.arg[ops.op == FREE].any()
    assert max(map(len, states)) <= 40 and all(0 < place <= len(states) for place in ops.marks.values())
    for column, again in zip(ops[:3], small(name)[:3], strict=True):
        assert np.array_equal(column, again)


@pytest.mark.parametrize("name", ["churn", "lru", "grow-and-free", "size-phases", "swapoff", "random-stress", "drain"])
def test_another_seed_gives_other_operations(name: str) -> None:
    entry = next(entry for entry in REGISTRY if entry.name == name)
    options = {option.name: SMALL.get(option.name, option.default) for option in entry.options}
    one, other = (resolve(entry.target)(options, SIZES, np.random.SeedSequence(seed)) for seed in (1, 2))
    assert len(one.op) != len(other.op) or not np.array_equal(one.ident, other.ident)


def test_sizes_are_taken_in_order_and_begin_again() -> None:
    op = np.array([ALLOC, ALLOC, FREE, ALLOC, ALLOC], np.uint8)
    made = with_sizes(op, np.array([0, 1, 0, 2, 3], np.int32), np.array([7, 8, 9], np.int32))
    assert made.arg.tolist() == [7, 8, 0, 9, 7]


def test_replace_frees_what_is_there() -> None:
    slots, op, ident = np.array([0, 1, 2], np.int32), np.zeros(6, np.uint8), np.zeros(6, np.int32)
    assert replace(np.array([1, 1, 0]), slots, op, ident, 0, 3) == 6
    assert op.tolist() == [FREE, ALLOC] * 3
    assert ident.tolist() == [1, 3, 3, 4, 0, 5]
    assert slots.tolist() == [5, 4, 2]


# ---------------------------------------------------------------- what is stored at all


def test_same_filled_pages_are_left_out_and_larger_ones_are_raw_pages() -> None:
    found = stored(np.array([0, 100, 4096, 4419, 4000], np.int32), 4096)
    assert found.sizes.tolist() == [100, 4096, 4096, 4000] and (found.same_filled, found.too_large) == (1, 0)


def test_a_header_counts_and_the_caller_refuses_above_its_limit() -> None:
    found = stored(np.array([0, 100, 3544, 3545, 4096], np.int32), 4096, header=40, largest=3584)
    assert found.sizes.tolist() == [140, 3584] and (found.same_filled, found.too_large) == (1, 2)
    assert stored(np.array([4090], np.int32), 4096, header=40).sizes.tolist() == [4096]


def test_same_filled_pages_can_be_stored() -> None:
    assert stored(np.array([0, 100], np.int32), 4096, header=36, same_size=28).sizes.tolist() == [64, 136]


# ---------------------------------------------------------------- the rules


def test_fill() -> None:
    ops = fill.build({"live": 3}, SIZES, SEED)
    assert (ops.op.tolist(), ops.ident.tolist(), ops.arg.tolist()) == ([ALLOC] * 3, [0, 1, 2], [100, 200, 300])


def test_churn_keeps_the_pool_full() -> None:
    ops = churn.build({"live": 5, "operations": 26}, SIZES, SEED)
    states = played(ops)
    assert len(states) == 5 + 20 and [len(state) for state in states[4:]] == [5] + [4, 5] * 10
    assert ops.marks == {"full": 5}


def test_churn_frees_any_object_alike() -> None:
    """Of 20,000 victims of 4 places each place has about a quarter."""
    ops = churn.build({"live": 4, "operations": 40_004}, SIZES, SEED)
    freed_at_once = np.mean(np.diff(ops.ident[ops.op == FREE]) > 0)
    ages = ops.ident[ops.op == ALLOC][4:] - ops.ident[ops.op == FREE]
    assert abs(np.mean(ages == 1) - 0.25) < 0.02 and 0.3 < freed_at_once < 0.7


def test_lru_without_use_is_first_in_first_out() -> None:
    ops = lru.build({"live": 4, "operations": 20, "reuse": 0.0}, SIZES, SEED)
    assert ops.ident[ops.op == FREE].tolist() == list(range(8))


def test_lru_spares_what_is_used() -> None:
    """By the rule in its plainest form: a list from old to young."""
    live, pairs = 6, 200
    ops = lru.build({"live": live, "operations": live + 2 * pairs, "reuse": 0.6}, SIZES, SEED)
    rng = np.random.Generator(np.random.PCG64(SEED))
    uses = rng.geometric(0.4, pairs) - 1
    used = iter(rng.integers(0, live, int(uses.sum())).tolist())
    slots, order, freed = list(range(live)), list(range(live)), []
    for number, count in enumerate(uses.tolist()):
        for _ in range(count):
            slot = next(used)
            order.remove(slot)
            order.append(slot)
        oldest = order.pop(0)
        freed.append(slots[oldest])
        slots[oldest] = live + number
        order.append(oldest)
    assert ops.ident[ops.op == FREE].tolist() == freed and freed != list(range(pairs))


def test_grow_and_free() -> None:
    ops = grow_and_free.build({"live": 10, "share": 0.3, "rounds": 3}, SIZES, SEED)
    assert "".join("ar"[code == FREE] for code in ops.op.tolist()) == "a" * 10 + "rrr" + "aaarrr" + "aaarrr"
    states = played(ops)
    assert len(states[-1]) == 7 and ops.marks == {"full": 22} and len(states[21]) == 10


def test_phases_take_turns() -> None:
    ops = size_phases.build({"live": 10, "operations": 90, "phases": 4}, SIZES, SEED)
    played(ops)
    sizes = ops.arg[ops.op == ALLOC].tolist()
    assert all(size <= 300 for size in sizes[:20] + sizes[30:40])
    assert all(size > 300 for size in sizes[20:30] + sizes[40:50])


def test_phases_of_one_size() -> None:
    ops = size_phases.build({"live": 4, "operations": 40, "phases": 2}, np.array([64], np.int32), SEED)
    assert set(ops.arg[ops.op == ALLOC].tolist()) == {64}


def test_swapoff_frees_in_the_order_of_slots() -> None:
    ops = swapoff.build({"live": 10, "peak": 1.0, "churn": 2.0, "share": 0.4}, SIZES, SEED)
    before = ops.marks["before"]
    slots = list(range(10))
    for freed, came in zip(ops.ident[10:before:2].tolist(), ops.ident[11:before:2].tolist(), strict=True):
        slots[slots.index(freed)] = came
    assert before == 10 + 2 * 20 and ops.ident[before:].tolist() == slots[:4]


def test_swapoff_of_a_pool_that_was_larger_once() -> None:
    ops = swapoff.build({"live": 10, "peak": 2.5, "churn": 0.0, "share": 0.5}, SIZES, SEED)
    states = played(ops)
    before = ops.marks["before"]
    assert max(map(len, states)) == 25 and before == 25 + 15
    left = states[before - 1]
    assert len(left) == 10 and ops.ident[before:].tolist() == left[:5]
    assert ops.ident[25:before].tolist() != sorted(ops.ident[25:before].tolist())


def test_random_is_the_generator_of_2008() -> None:
    """In its plainest form: a table of live objects, the freed one's place is filled by the last."""
    events, limit = 500, 7
    ops = random_stress.build({"events": events, "limit": limit}, SIZES, SEED)
    rng = np.random.Generator(np.random.PCG64(SEED))
    heads, places = rng.integers(0, 2, events, np.uint8).tolist(), rng.random(events).tolist()
    table: list[int] = []
    expected = []
    newest = 0
    for head, place in zip(heads, places, strict=True):
        if head:
            if len(table) < limit:
                table.append(newest)
                expected.append((ALLOC, newest))
                newest += 1
        elif table:
            chosen = int(place * len(table))
            expected.append((FREE, table[chosen]))
            last = table.pop()
            if chosen < len(table):
                table[chosen] = last
    assert list(zip(ops.op.tolist(), ops.ident.tolist(), strict=True)) == expected
    assert max(map(len, played(ops))) == limit


def test_drain_empties_the_pool() -> None:
    ops = drain.build({"live": 8}, SIZES, SEED)
    states = played(ops)
    assert states[-1] == [] and ops.marks == {"full": 8, "freed_25": 10, "freed_50": 12, "freed_75": 14}
    assert ops.ident[8:].tolist() != list(range(8)) and sorted(ops.ident[8:].tolist()) == list(range(8))
