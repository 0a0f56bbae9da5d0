"""The invariant check can fail: each kind of damage to a consistent machine is told, one cell at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.allocators import pool as ps
from models.memory import buddy, pcp
from models.memory import state as st
from models.memory.check import problems
from models.memory.frames import give_frame, take_from_zone
from models.vmstat import NR_ANON_PAGES, NR_FREE_PAGES, NR_INACTIVE_ANON, NR_PAGE_TABLE_PAGES, NR_SWAPCACHED, NR_WRITEBACK
from sim.vm import Vm
from tests.machine_kit import fill, make_plan, make_vm, mix, process

Damage = Callable[[Vm], None]


@pytest.fixture
def vm() -> Vm:
    """A machine in mid-life: pages mapped, swapped, cached, stored, frames and slots free again."""
    vm = make_vm(make_plan([process(3500, fill(3500), mix(3500, 5000, 3))], backend="zcache", allocator="xcfmalloc"), check=False)
    vm.tasks[0].start()
    vm.env.run(until=30_000_000)
    for f in [take_from_zone(vm.pages, 0, st.TABLE, st.MOVABLE, 0) for _ in range(3)]:
        give_frame(vm.pages, f)
    return vm


def mapped(vm: Vm, number: int = 0) -> int:
    """A mapped virtual page."""
    return int(np.flatnonzero(vm.arrays.pte > 0)[number])


def frame(vm: Vm, number: int = 0) -> int:
    """A mapped frame."""
    return int(vm.arrays.pte[mapped(vm, number)]) >> st.PTE_SHIFT


def slot(vm: Vm, number: int = 0) -> int:
    """A slot that a swap entry names, not in the swap cache."""
    a = vm.arrays
    slots = -a.pte[a.pte < 0] - 1
    return int(slots[a.slot[slots, st.CACHED] == 0][number])


def cached(vm: Vm, number: int = 0) -> int:
    """A slot in the swap cache."""
    return int(np.flatnonzero(vm.arrays.slot[:, st.CACHED])[number])


def stored(vm: Vm, number: int = 0) -> int:
    """A slot whose content the backend holds."""
    return int(np.flatnonzero(vm.arrays.slot[:, st.HANDLE])[number])


def of_kind(kind: int) -> Callable[[Vm], int]:
    return lambda vm: int(np.flatnonzero(vm.arrays.frame[:, st.FLAGS] >> st.KIND_SHIFT == kind)[0])


def in_state(state: int) -> Callable[[Vm], int]:
    return lambda vm: int(np.flatnonzero(vm.arrays.slot[1:, st.STATE] == state)[0]) + 1


def linked(column: int) -> Callable[[Vm], int]:
    """A frame in the middle of a list."""
    return lambda vm: int(np.flatnonzero((vm.arrays.frame[:, column] > 0) & (vm.arrays.frame[:, st.FLAGS] & st.LRU > 0))[0])


def test_a_sound_machine_has_no_problems_and_something_of_everything(vm: Vm) -> None:
    assert problems(vm.arrays, vm.built.pool) == []
    assert min(frame(vm, 9), slot(vm, 9), cached(vm, 9), stored(vm, 9), vm.arrays.pcp[0, pcp.COUNT], vm.num[st.SLOT_RETURN]) > 0


# --- kinds of damage


def cell(array: str, where: int | Callable[[Vm], int], column: int, by: int = 1) -> Damage:
    def damage(vm: Vm) -> None:
        row = where(vm) if callable(where) else where
        getattr(vm.arrays, array)[row, column] += by

    return damage


def kind(where: Callable[[Vm], int], becomes: int) -> Damage:
    def damage(vm: Vm) -> None:
        vm.arrays.frame[where(vm), st.FLAGS] = becomes << st.KIND_SHIFT

    return damage


def counter(index: int) -> Damage:
    def damage(vm: Vm) -> None:
        vm.vmstat[index] += 1

    return damage


def scalar(index: int, by: int = 1) -> Damage:
    def damage(vm: Vm) -> None:
        vm.num[index] += by

    return damage


def tally(index: int) -> Damage:
    def damage(vm: Vm) -> None:
        vm.built.pool.num[index] += 1

    return damage


def a_frame_mapped_twice(vm: Vm) -> None:
    vm.arrays.pte[mapped(vm)] = vm.arrays.pte[mapped(vm, 1)]


def a_lost_frame(vm: Vm) -> None:
    vm.arrays.pte[mapped(vm)] = 0


def free_block(vm: Vm, least: int = 0) -> int:
    """The first frame of a free block of at least this order."""
    a = vm.arrays
    return int(np.flatnonzero((a.frame[:, st.FLAGS] == 0) & (a.frame[:, st.PAGE] > least))[0])


def listed(vm: Vm) -> int:
    """A frame on a per-CPU list."""
    return int(vm.arrays.pcp[0, pcp.HEAD : pcp.HEAD + st.TYPES].max()) - 1


def list_in_use(vm: Vm) -> int:
    return int(np.flatnonzero(vm.arrays.buddy[:, buddy.HEAD])[0])


def a_block_over_frames_in_use(vm: Vm) -> None:
    vm.arrays.frame[free_block(vm), st.PAGE] = 11


def a_frame_on_no_list(vm: Vm) -> None:
    """Taken off its per-CPU list, and still free."""
    row = vm.arrays.pcp[0]
    kind = int(vm.arrays.frame[listed(vm), st.SLOT])
    row[pcp.HEAD + kind] = row[pcp.TAIL + kind] = row[pcp.LISTED + kind] = row[pcp.COUNT] = 0


def halves_that_are_not_merged(vm: Vm) -> None:
    f = free_block(vm, 1)
    half = int(vm.arrays.frame[f, st.PAGE]) - 2
    vm.arrays.frame[[f, f + (1 << half)], st.PAGE] = half + 1


def a_page_block_of_no_type(vm: Vm) -> None:
    vm.arrays.block[2] = 7


def a_pool_frame_of_others(vm: Vm) -> None:
    vm.arrays.pool_frames[0] = frame(vm)


def a_swap_entry_of_anothers_slot(vm: Vm) -> None:
    a = vm.arrays
    a.pte[a.slot[slot(vm), st.OWNER]] = -(slot(vm, 1) + 1)


def a_slot_without_owner(vm: Vm) -> None:
    vm.arrays.slot[slot(vm), st.OWNER] = -1


def a_slot_forgotten(vm: Vm) -> None:
    vm.arrays.pte[vm.arrays.slot[slot(vm), st.OWNER]] = 0


def a_swap_cache_page_of_another_slot(vm: Vm) -> None:
    vm.arrays.slot[cached(vm), st.CACHED] = vm.arrays.slot[cached(vm, 1), st.CACHED]


def a_shared_handle(vm: Vm) -> None:
    vm.arrays.slot[stored(vm), st.HANDLE] = vm.arrays.slot[stored(vm, 1), st.HANDLE]


def a_forgotten_object(vm: Vm) -> None:
    vm.arrays.slot[stored(vm), st.HANDLE] = 0


DAMAGES: list[tuple[Damage, str]] = [
    (a_frame_mapped_twice, "a frame is mapped twice"),
    (a_lost_frame, "anonymous frames that belong to no page"),
    (cell("frame", frame, st.PAGE), "a mapped frame belongs to another page"),
    (kind(frame, st.FILE), "the page cache's frames are not those of kind file"),
    (kind(frame, st.FREE), "do not make"),
    (kind(of_kind(st.POOL), st.TABLE), "frames of kind pool"),
    (kind(of_kind(st.TABLE), st.POOL), "page-table frames"),
    (cell("frame", frame, st.FLAGS, -st.LRU), "anonymous frames on no list"),
    (cell("frame", frame, st.FLAGS, st.WRITEBACK), "nr_writeback is not"),
    (cell("frame", linked(st.NEXT), st.NEXT), "next one on a list"),
    (cell("frame", linked(st.PREV), st.PREV), "previous one on a list"),
    (cell("proc", 0, st.RSS), "process 0: rss"),
    (cell("proc", 0, st.SWAPPED), "process 0: rss"),
    (cell("table", 0, 0), "counts other entries than it has"),
    (cell("table", 0, 1), "the page tables' frames are not"),
    (a_pool_frame_of_others, "the pool's frames are not"),
    (cell("zone", 0, st.ZONE_FREE), "zone 0: counts"),
    (cell("frame", free_block, st.PAGE), "zone 0: counts"),
    (cell("frame", free_block, st.SLOT), "buddy: a list counts other blocks"),
    (cell("frame", free_block, st.NEXT), "buddy: frames whose next one"),
    (cell("frame", free_block, st.PREV), "buddy: frames whose previous one"),
    (cell("buddy", list_in_use, buddy.HEAD), "buddy: a list ends elsewhere"),
    (cell("buddy", list_in_use, buddy.TAIL), "buddy: a list ends elsewhere"),
    (cell("buddy", list_in_use, buddy.BLOCKS), "buddy: a list counts other blocks"),
    (cell("frame", listed, st.SLOT), "per-CPU lists: one counts other frames"),
    (cell("frame", listed, st.NEXT, 3), "per-CPU lists: frames whose next one"),
    (cell("pcp", 0, pcp.COUNT), "per-CPU lists: one counts other frames"),
    (a_frame_on_no_list, "per-CPU lists: one counts other frames"),
    (a_block_over_frames_in_use, "a frame is free twice, or free and in use"),
    (halves_that_are_not_merged, "buddy: neighbours that should have merged"),
    (a_page_block_of_no_type, "a page block has no migrate type"),
    (scalar(st.KERNEL_FRAMES), "frames of kind kernel"),
    (a_swap_entry_of_anothers_slot, "a swap entry names a slot of another page"),
    (a_slot_without_owner, "a slot in use that no page"),
    (a_slot_forgotten, "a slot in use that no page"),
    (a_swap_cache_page_of_another_slot, "a slot's frame names another slot"),
    (cell("slot", in_state(st.SLOT_FREE), st.STATE, st.SLOT_USED), "slots free, counted"),
    (cell("slot", in_state(st.SLOT_FREE), st.STATE, st.SLOT_CACHED), "the slot caches hold other numbers"),
    (cell("slot", in_state(st.SLOT_RETURNED), st.STATE, -1), "a slot in use that no page"),
    (cell("slot", slot, st.STATE, -st.SLOT_USED), "a swap entry names a slot"),
    (cell("slot", stored, st.STORED_SIZE), "the slots name"),
    (a_shared_handle, "two slots share a handle"),
    (a_forgotten_object, "the slots name"),
    (counter(NR_FREE_PAGES), "nr_free_pages"),
    (counter(NR_ANON_PAGES), "nr_anon_pages"),
    (counter(NR_INACTIVE_ANON), "on the lists"),
    (counter(NR_INACTIVE_ANON + 1), "nr_active_anon"),
    (counter(NR_PAGE_TABLE_PAGES), "nr_page_table_pages"),
    (counter(NR_SWAPCACHED), "nr_swapcached"),
    (counter(NR_WRITEBACK), "nr_writeback is not"),
    (scalar(st.SWAP_FREE), "slots free, counted"),
    (scalar(st.SLOT_CACHE), "the slot caches hold other numbers"),
    (scalar(st.SLOT_RETURN, -1), "the slot caches hold other numbers"),
    (scalar(st.POOL_FRAMES), "the pool holds"),
    (tally(ps.PAYLOAD), "the slots name"),
    (tally(ps.OBJECTS), "the slots name"),
    (tally(ps.PAGES_TAKEN), "the pool's pages are not the VM's frames"),
]


def name_of(item: object) -> str:
    return getattr(item, "__name__", str(item))


@pytest.mark.parametrize(("damage", "told"), DAMAGES, ids=name_of)
def test_damage_is_told(vm: Vm, damage: Damage, told: str) -> None:
    damage(vm)
    assert [line for line in problems(vm.arrays, vm.built.pool) if told in line]


def test_a_free_block_on_another_zones_list_is_told() -> None:
    """20 MiB: two zones.  The first block of the upper zone's lists is named by a list of the lower one."""
    vm = make_vm(make_plan([process(10)], memory=20 << 20), check=False)
    a = vm.arrays
    for z in (0, 1):
        give_frame(vm.pages, take_from_zone(vm.pages, z, st.TABLE, st.UNMOVABLE, 0))
    assert problems(a, vm.built.pool) == []
    rows = buddy.ORDERS * st.TYPES
    lower, upper = (z * rows + int(np.flatnonzero(a.buddy[z * rows : (z + 1) * rows, buddy.HEAD])[-1]) for z in (0, 1))
    a.buddy[lower, buddy.HEAD] = a.buddy[upper, buddy.HEAD]
    assert [line for line in problems(a, vm.built.pool) if "buddy: a list ends elsewhere" in line]
