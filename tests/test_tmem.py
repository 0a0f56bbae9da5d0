"""tmem's node counts against plain trees."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some

from models.backends import tmem
from tests.twins.tmem import Trees

SLOTS = 1 << 22
slot = some.one_of(some.integers(0, 40), some.integers(0, 70_000), some.integers(0, SLOTS - 1))


def play(slots: list[int]) -> None:
    """Put a slot that is absent, flush one that is present; counts agree after each."""
    table, trees, nodes = tmem.create(SLOTS), Trees(), 0
    held: set[int] = set()
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
    for s in held:
        nodes += tmem.change(table, s, -1)
    assert nodes == 0 and not table[: tmem.ROW_START].any()


def test_worked_examples() -> None:
    play([0, 0])  # index 0 alone has no node
    play([0, 16, 0, 16])  # two indices below 64: one node, also when index 0 goes
    play([0, 16 * 64, 16 * 64])  # a second level, and back to none
    play([16 * 5, 16 * 64 * 64 + 3, 16 * 64 * 64, 16 * 5])


@settings(max_examples=200, deadline=None)
@given(some.lists(slot, max_size=60), some.randoms())
def test_any_order(slots: list[int], random: object) -> None:
    again = list(slots)
    random.shuffle(again)  # type: ignore[attr-defined]
    play(slots + again)
