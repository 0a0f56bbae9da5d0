"""Swap slots, their caches, and the readahead window: by hand and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.allocators import pool as ps
from models.backends import zcache
from models.memory import state as st
from models.memory import swap
from sim.vm import Vm
from tests.machine_kit import make_plan, make_vm, process
from tests.twins.slots import Slots


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


def test_the_copy_in_the_backend_lives_until_its_batch_returns() -> None:
    vm = make_vm(make_plan([process(1000)], backend="zcache", allocator="xvmalloc"), check=False)
    slots = [take(vm) for _ in range(65)]
    assert zcache.store(vm.built.backend, vm.pages, slots[0], 700)
    for s in slots[:64]:
        swap.release_slot(vm.machine, s)
    assert vm.built.pool.num[ps.OBJECTS] == 1
    swap.release_slot(vm.machine, slots[64])
    assert vm.built.pool.num[ps.OBJECTS] == 0


def test_a_full_device_lives_on_what_waits_for_its_batch() -> None:
    vm = vm_with(101)
    slots = [take(vm) for _ in range(100)]
    assert take(vm) == -1
    swap.release_slot(vm.machine, slots[30])
    assert [take(vm), take(vm)] == [slots[30], -1]


def test_a_new_cluster_is_begun_where_one_is_wholly_free() -> None:
    """The first cluster is used up and partly freed: the next slot is in the second, not in the gaps."""
    vm = vm_with()
    slots = [take(vm) for _ in range(511)]
    for s in slots[:65]:
        swap.release_slot(vm.machine, s)
    assert [take(vm) for _ in range(3)] == [512, 513, 514]


def test_a_cluster_that_is_wholly_free_again_goes_to_the_end_of_the_line() -> None:
    """Slot 512 is the only one in use in the CPU's own cluster; when it comes back, the next two clusters have their turn first."""
    vm = vm_with()
    assert [take(vm) for _ in range(512)] == list(range(1, 513))
    for s in (512, *range(1, 65)):
        swap.release_slot(vm.machine, s)
    assert [take(vm) for _ in range(1536)] == [*range(1024, 2048), *range(512, 1024)]


def test_a_slot_freed_at_once_is_not_the_next() -> None:
    """The search goes on behind the last slot, also where the device is scanned: 511 slots and the header are one cluster, half used."""
    for rotational in (False, True):
        vm = vm_with(512, rotational=rotational)
        slots = [take(vm) for _ in range(192)]
        for s in slots[:127:-1] + slots[:1]:
            swap.release_slot(vm.machine, s)
        assert take(vm) == 193


def test_a_freed_slot_forgets_the_eviction() -> None:
    vm = vm_with()
    s = take(vm)
    vm.arrays.slot[s, st.SHADOW] = 17
    swap.release_slot(vm.machine, s)
    assert vm.arrays.slot[s, st.SHADOW] == 0


@settings(max_examples=60, deadline=None)
@given(
    moves=some.lists(some.integers(-300, 400), max_size=30),
    rotational=some.booleans(),
    slots=some.sampled_from([65, 130, 600, 2048]),
    order=some.sampled_from([0, -1, 3]),
)
def test_slots_are_the_twins(moves: list[int], rotational: bool, slots: int, order: int) -> None:
    """Positive: take that many; negative: give back that many.  No slot is handed out twice, none is lost, a full device says so."""
    vm, twin = vm_with(slots, rotational=rotational), Slots(slots, rotational)
    held: list[int] = []
    for move in moves:
        for _ in range(abs(move)):
            if move > 0:
                s = take(vm)
                assert s == twin.take()
                if s < 0:
                    assert len(held) == slots - 1
                    break
                assert 0 < s < slots and s not in held
                held.append(s)
            elif held:
                s = held.pop(order % len(held))
                swap.release_slot(vm.machine, s)
                twin.release(s)
        assert int(vm.num[st.SWAP_FREE]) == len(twin.free) == int((vm.arrays.slot[1:, st.STATE] == st.SLOT_FREE).sum())
        assert int(vm.num[st.SLOT_CACHE] + vm.num[st.SLOT_RETURN]) + len(twin.free) + len(held) == slots - 1


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


def test_a_direction_needs_the_next_page() -> None:
    """Two pages on is no direction: without hits only the page itself, until half of the last window is larger."""
    vm = vm_with()
    swapped(vm, range(100, 200))
    found = []
    for p in (150, 152, 154, 156, 158):
        found.append(len(planned(vm, p)))
        swap.commit_readahead(vm.pages, 0, p)
    assert found == [8, 4, 2, 1, 1]
    swap.readahead_hit(vm.pages, 0, 158, 1)
    assert planned(vm, 159) == [159, 160, 161, 162]


def test_hits_of_marked_pages_only() -> None:
    vm = vm_with()
    swapped(vm, range(100, 200))
    swap.commit_readahead(vm.pages, 0, 150)
    proc = vm.arrays.proc[0]
    assert (proc[st.RA_PAGE], proc[st.RA_HITS]) == (150, 0)
    swap.readahead_hit(vm.pages, 0, 170, 0)
    swap.readahead_hit(vm.pages, 0, 171, 1)
    assert (proc[st.RA_PAGE], proc[st.RA_HITS]) == (171, 1)


def test_what_is_in_memory_is_not_read() -> None:
    """Neighbours that are mapped or in the swap cache are left out; the page itself is always there."""
    vm = vm_with()
    swapped(vm, range(100, 200))
    vm.arrays.pte[148] = 5 << st.PTE_SHIFT | st.PTE_PRESENT
    vm.arrays.slot[-vm.arrays.pte[152] - 1, st.CACHED] = 7
    assert planned(vm, 150) == [147, 149, 150, 151, 153, 154]


def test_page_cluster_0_reads_one_page() -> None:
    vm = vm_with(page_cluster=0)
    swapped(vm, range(100, 200))
    assert planned(vm, 150) == [150]


def test_planning_changes_nothing() -> None:
    vm = vm_with()
    swapped(vm, range(100, 200))
    before = {name: array.copy() for name, array in vm.arrays._asdict().items() if name != "window"}
    assert planned(vm, 120) == planned(vm, 120)
    for name, old in before.items():
        assert (old == getattr(vm.arrays, name)).all(), name


def test_a_rotational_device_reads_the_aligned_block_of_slots() -> None:
    vm = vm_with(rotational=True)
    swapped(vm, range(100))  # page p is in slot p + 1
    assert planned(vm, 20) == list(range(15, 23))  # slots 16 to 23
    assert planned(vm, 3) == list(range(7))  # slots 1 to 7: 0 is the header
    swap.release_slot(vm.machine, 18)
    assert planned(vm, 20) == [15, 16, *range(18, 23)]  # only slots in use
    vm.arrays.slot[17, st.CACHED] = 7
    assert planned(vm, 20) == [15, *range(18, 23)]  # and not in memory


def test_a_rotational_device_remembers_the_slot_of_a_decision_without_hits() -> None:
    """The window falls to 1 when hits end, and rises with them; the remembered slot is that of the last decision without hits."""
    vm = vm_with(rotational=True)
    swapped(vm, range(200))
    found = []
    for p in (20, 90, 150, 60, 120):
        found.append(len(planned(vm, p)))
        swap.commit_readahead(vm.pages, 0, p)
    assert found == [8, 4, 2, 1, 1]
    assert vm.num[st.RA_SLOT] == 121
    swap.readahead_hit(vm.pages, 0, 60, 1)
    assert planned(vm, 130) == [127, 128, 129, 130]  # slots 128 to 131
    swap.commit_readahead(vm.pages, 0, 130)
    assert vm.num[st.RA_SLOT] == 121
    assert len(planned(vm, 121)) == 2  # beside the remembered slot


def test_no_window_across_a_page_table() -> None:
    vm = vm_with()
    swapped(vm, range(500, 530))
    assert planned(vm, 512) == list(range(512, 517))


def test_no_window_beyond_the_process() -> None:
    vm = make_vm(make_plan([process(150), process(150)]), check=False)
    swapped(vm, range(140, 150))
    swapped(vm, range(512, 520))
    assert planned(vm, 149) == [146, 147, 148, 149]
    swap.commit_readahead(vm.pages, 0, 148)
    assert planned(vm, 149) == [149]
