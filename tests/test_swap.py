"""Swap slots, their caches, and the readahead window: by hand and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.memory import state as st
from models.memory import swap
from sim.vm import Vm
from tests.machine_kit import make_plan, make_vm, process


def vm_with(slots: int = 2048, **changes: object) -> Vm:
    return make_vm(make_plan([process(1000)], swap_slots=slots, **changes), check=False)


def take(vm: Vm) -> int:
    """A slot in use, as a page's."""
    s = swap.take_slot(vm.machine)
    if s >= 0:
        vm.arrays.slot[s, st.STATE] = st.SLOT_USED
    return int(s)


@pytest.mark.parametrize("rotational", [False, True])
def test_slots_ascend_and_slot_0_is_the_header(rotational: bool) -> None:
    vm = vm_with(rotational=rotational)
    assert [take(vm) for _ in range(600)] == list(range(1, 601))


def test_freed_slots_return_in_batches_of_64() -> None:
    vm = vm_with()
    slots = [take(vm) for _ in range(200)]
    free = int(vm.num[st.SWAP_FREE])
    for s in slots[:64]:
        swap.release_slot(vm.machine, s)
    assert int(vm.num[st.SWAP_FREE]) == free
    swap.release_slot(vm.machine, slots[64])
    assert int(vm.num[st.SWAP_FREE]) == free + 64
    assert (vm.arrays.slot[slots[:64], st.STATE] == st.SLOT_FREE).all()
    assert vm.arrays.slot[slots[64], st.STATE] == st.SLOT_RETURNED


@settings(max_examples=50, deadline=None)
@given(moves=some.lists(some.integers(-40, 80), max_size=40), rotational=some.booleans(), slots=some.sampled_from([130, 600, 2048]))
def test_no_slot_is_handed_out_twice(moves: list[int], rotational: bool, slots: int) -> None:
    """Positive: take that many; negative: give back that many, oldest first.  A full device says so and recovers."""
    vm = vm_with(slots, rotational=rotational)
    held: list[int] = []
    for move in moves:
        for _ in range(abs(move)):
            if move > 0:
                s = take(vm)
                if s < 0:
                    assert len(held) == slots - 1
                    break
                assert 0 < s < slots and s not in held
                held.append(s)
            elif held:
                swap.release_slot(vm.machine, held.pop(0))
        waiting = int(vm.num[st.SLOT_CACHE] + vm.num[st.SLOT_RETURN])
        assert int(vm.num[st.SWAP_FREE]) + waiting + len(held) == slots - 1


@pytest.mark.parametrize(
    ("hits", "adjacent", "before", "size"),
    [(4, 0, 0, 8), (0, 0, 0, 1), (0, 1, 0, 2), (1, 0, 0, 4), (2, 0, 0, 4), (3, 0, 0, 8), (100, 0, 8, 8), (0, 0, 8, 4), (0, 1, 5, 2)],
)
def test_window_size(hits: int, adjacent: int, before: int, size: int) -> None:
    """The first decision opens eight pages (the counter starts at 4); no hit gives one, two beside the last; at least half of the last."""
    assert swap.window_size(hits, adjacent, 8, before) == size


def swapped(vm: Vm, pages: range) -> None:
    """Swap entries in slot order for these virtual pages."""
    for p in pages:
        s = take(vm)
        vm.arrays.slot[s, st.OWNER] = p
        vm.arrays.pte[p] = -(s + 1)


def planned(vm: Vm, p: int) -> list[int]:
    n = swap.plan_readahead(vm.pages, 0, p)
    return [int(vm.arrays.slot[s, st.OWNER]) for s in vm.arrays.window[:n]]


def test_readahead_follows_the_direction_of_the_faults() -> None:
    vm = vm_with()
    swapped(vm, range(100, 200))
    assert planned(vm, 150) == list(range(147, 155))  # no direction yet: around the page, three to the left
    swap.commit_readahead(vm.pages, 0, 150)
    assert planned(vm, 151) == list(range(151, 155))  # ascending, and half of the last window
    assert planned(vm, 149) == list(range(146, 150))  # descending
    assert planned(vm, 199) == list(range(198, 200))  # clipped to what is swapped


def test_planning_changes_nothing() -> None:
    vm = vm_with()
    swapped(vm, range(100, 200))
    before = (vm.arrays.proc.copy(), vm.num.copy(), vm.vmstat.copy())
    assert planned(vm, 120) == planned(vm, 120)
    for old, new in zip(before, (vm.arrays.proc, vm.num, vm.vmstat), strict=True):
        assert (old == new).all()


def test_a_rotational_device_reads_the_aligned_block_of_slots() -> None:
    vm = vm_with(rotational=True)
    swapped(vm, range(100))  # page p is in slot p + 1
    assert planned(vm, 20) == list(range(15, 23))  # slots 16 to 23
    assert planned(vm, 3) == list(range(7))  # slots 1 to 7: 0 is the header


def test_no_window_across_a_page_table() -> None:
    vm = vm_with()
    swapped(vm, range(500, 530))
    assert planned(vm, 512) == list(range(512, 517))
