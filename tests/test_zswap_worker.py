"""zswap: what it refuses to store, and when its worker gets the CPU."""

from __future__ import annotations

import pytest

from models.backends import zswap_numbers as zn
from models.backends import zswap_store
from models.memory import state as st
from models.memory.pool_writeback import OTHERS, wake_worker
from models.memory.swap import take_slot
from sim.vm import Vm
from tests.machine_kit import make_plan, make_vm, process

OPTIONS = {"max_pool_percent": 20, "accept_threshold_percent": 90}


def machine(kernel: str) -> Vm:
    """A VM with zswap on zsmalloc, nothing stored."""
    version = "v6.1" if kernel == "6.1" else "v6.12"
    plan = make_plan(
        [process(1000)],
        backend="zswap",
        backend_options=OPTIONS,
        allocator="zsmalloc",
        allocator_options={"version": version},
        kernel=kernel,
    )
    return make_vm(plan, check=False)


def store(vm: Vm, size: int) -> int:
    """A slot whose page of this compressed size was offered to zswap, or 0 if that was refused."""
    s = int(take_slot(vm.machine))
    vm.arrays.slot[s, st.STATE] = st.SLOT_USED
    return s if int(zswap_store.store(vm.built.backend, vm.pages, s, size)) == st.STORED else 0


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_what_does_not_compress_is_refused_though_zsmalloc_has_room_for_a_page(kernel: str) -> None:
    """4096 in the tables is a page that lz4 gave up on; LZO's result of that length is a result."""
    vm = machine(kernel)
    assert store(vm, 4095) and not store(vm, 4096)
    vm.built.backend_num[zn.LARGE_RESULTS] = 1
    assert store(vm, 4096)


def asked(vm: Vm) -> int:
    """Ask for the worker once; the time that its run took, ns."""
    began = int(vm.num[st.CLOCK])
    vm.num[st.POOL_WORK] = 1
    wake_worker(vm.machine)
    assert vm.num[st.POOL_WORK] == 0
    return int(vm.num[st.CLOCK]) - began


def test_in_6_12_the_worker_preempts_again_when_each_other_has_had_as_long() -> None:
    """The pool is above its mark and all entries are new: a run passes over 16; the next comes OTHERS times as long later."""
    vm = machine("6.12")
    for _ in range(100):
        assert store(vm, 2000)
    vm.built.backend_num[zn.MAX_POOL_PERCENT] = 1
    took = asked(vm)
    assert took == 16 * int(vm.arrays.cost[st.C_LOOK]) > 0
    vm.num[st.CLOCK] += OTHERS * took - 1
    assert asked(vm) == 0
    vm.num[st.CLOCK] += 1
    assert asked(vm) == took
