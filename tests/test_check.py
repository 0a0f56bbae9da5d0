"""The invariant check can fail: every kind of damage to a consistent machine is told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.allocators import pool as ps
from models.memory import state as st
from models.memory.check import problems
from models.vmstat import NR_ANON_PAGES, NR_FREE_PAGES, NR_INACTIVE_ANON, NR_WRITEBACK
from sim.vm import Vm
from tests.machine_kit import fill, make_plan, make_vm, mix, process


@pytest.fixture
def vm() -> Vm:
    """A machine in mid-life: pages mapped, swapped, cached, stored."""
    vm = make_vm(make_plan([process(3500, fill(3500), mix(3500, 5000, 3))], backend="zcache", allocator="xcfmalloc"), check=False)
    vm.tasks[0].start()
    vm.env.run(until=30_000_000)
    assert problems(vm.arrays, vm.built.pool) == []
    assert (vm.arrays.pte < 0).sum() > 100
    return vm


def mapped(vm: Vm, number: int = 0) -> int:
    return int(np.flatnonzero(vm.arrays.pte > 0)[number])


def swapped(vm: Vm) -> int:
    return int(np.flatnonzero(vm.arrays.pte < 0)[0])


def _twice(vm: Vm) -> None:
    vm.arrays.pte[mapped(vm)] = vm.arrays.pte[mapped(vm, 1)]


def _lost(vm: Vm) -> None:
    vm.arrays.pte[mapped(vm)] = 0


def _cell(array: str, row: object, column: int, by: int) -> Callable[[Vm], None]:
    def damage(vm: Vm) -> None:
        where = row(vm) if callable(row) else row
        getattr(vm.arrays, array)[where, column] += by

    return damage


def _count(index: int) -> Callable[[Vm], None]:
    def damage(vm: Vm) -> None:
        vm.vmstat[index] += 1

    return damage


def _frame(vm: Vm) -> int:
    return int(vm.arrays.pte[mapped(vm)]) >> st.PTE_SHIFT


def _slot(vm: Vm) -> int:
    return -int(vm.arrays.pte[swapped(vm)]) - 1


def _payload(vm: Vm) -> None:
    vm.built.pool.num[ps.PAYLOAD] += 1


def _pool_page(vm: Vm) -> None:
    vm.built.pool.num[ps.PAGES_TAKEN] += 1


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_twice, "mapped twice"),
        (_lost, "belong to no page"),
        (_cell("proc", 0, st.RSS, 1), "rss"),
        (_cell("proc", 0, st.SWAPPED, -1), "rss"),
        (_cell("frame", _frame, st.PAGE, 1), "another page"),
        (_cell("frame", _frame, st.FLAGS, -st.LRU), "no list"),
        (_cell("slot", _slot, st.OWNER, 1), "another page"),
        (_cell("slot", _slot, st.STATE, 1), "slot"),
        (_cell("zone", 1, st.ZONE_FREE, 1), "free"),
        (_cell("zone", 0, st.STACK, 1), "zone 0"),
        (_cell("table", 0, 0, 1), "page-table"),
        (_count(NR_FREE_PAGES), "nr_free_pages"),
        (_count(NR_ANON_PAGES), "nr_anon_pages"),
        (_count(NR_INACTIVE_ANON), "on the lists"),
        (_count(NR_INACTIVE_ANON + 1), "active"),
        (_count(NR_WRITEBACK), "nr_writeback"),
        (_payload, "bytes"),
        (_pool_page, "the pool's pages"),
    ],
)
def test_damage_is_told(vm: Vm, damage: Callable[[Vm], None], told: str) -> None:
    damage(vm)
    assert any(told in line for line in problems(vm.arrays, vm.built.pool))
