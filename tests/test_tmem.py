"""tmem's node counts against trees that grow and shrink."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.backends import tmem
from tests.twins.tmem import Trees

SLOTS = 1 << 22
slot = some.one_of(some.integers(0, 40), some.integers(0, 70_000), some.integers(0, SLOTS - 1), some.integers(0, 17).map(lambda n: 1 << n))


def play(slots: list[int], size: int = SLOTS) -> list[int]:
    """Put a slot that is absent, flush one that is present; counts agree after each.  Returns the nodes after each step."""
    table, trees, nodes = tmem.create(size), Trees(), 0
    held: set[int] = set()
    history = []
    for s in slots:
        if s in held:
            nodes += tmem.change(table, s, -1)
            trees.flush(s)
            held.remove(s)
        else:
            nodes += tmem.change(table, s, 1)
            trees.put(s)
            held.add(s)
        assert nodes == trees.nodes()
        assert int((table[tmem.ROW_PAGES] > 0).sum()) == trees.objects()
        history.append(nodes)
    for s in held:
        nodes += tmem.change(table, s, -1)
        trees.flush(s)
        assert nodes == trees.nodes()
    assert nodes == 0 and not table[: tmem.ROW_START].any()
    return history


@pytest.mark.parametrize(
    ("indices", "nodes"),
    [
        ([0, 0], [0, 0]),  # index 0 alone hangs from the object
        ([0, 1, 1], [0, 1, 0]),  # a second index needs a node, which goes with it
        ([5, 0, 5], [1, 1, 0]),
        ([1, 0, 0], [1, 1, 1]),
        ([64, 0, 64], [2, 3, 0]),  # two levels, though one page only; back to none in one step
        ([0, 64, 63, 64], [0, 3, 3, 1]),
        ([4096, 4097, 64, 4096, 4097], [3, 3, 5, 5, 2]),  # three levels; 64 hangs in a branch of its own
        ([64**3, 64**3], [4, 0]),
    ],
)
def test_worked_examples(indices: list[int], nodes: list[int]) -> None:
    """Indices of one object: put if absent, else flushed; how many nodes there are then."""
    assert play([16 * index for index in indices], 1 << 26) == nodes


def test_objects_share_nothing() -> None:
    assert play([16, 17, 18]) == [1, 2, 3]


@settings(max_examples=150, deadline=None)
@given(some.lists(slot, max_size=60), some.integers(0, 2**32 - 1))
def test_any_order(slots: list[int], seed: int) -> None:
    """Slots up to 2^22, most of them gone again in another order."""
    again = list(slots)
    random.Random(seed).shuffle(again)
    play(slots + again)
