"""Any program on files and memory, on any small machine: every invariant after every step, an end, and nothing left over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as some

from models.devices.hdd import Hdd
from models.devices.ssd import Ssd
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.check import problems
from models.memory.file_steps import drop_file
from models.workloads.stream import (
    ADVICES,
    ADVISE,
    DELETE,
    FREAD,
    FSYNC,
    FWRITE,
    PARTIAL,
    READ,
    SLAB,
    SLEEP,
    SPAWN,
    UNMAP,
    WAIT,
    WRITE,
    Area,
    File,
    Process,
    file_pages,
)
from sim.build_files import Dirty, Filesystem
from tests.file_kit import plans_of
from tests.machine_kit import FAST_SSD, counter, free_frames, make_plan, make_vm, process, rows_of

FILES = (File("large", 2000), File("growing", 900, 100), File("new", 300, 0))
FIRST = file_pages(FILES)
PAGES = 2600  # of each process: 1000 anonymous, then the areas
AREAS = (
    (Area(1000, 600, 0, shared=True), Area(1600, 100, 1), Area(1700, 300, 0, 500, shared=True)),
    (Area(1000, 900, 0, 100, executable=True), Area(1900, 400, 0, 1000, advice="sequential"), Area(2300, 300, 0, advice="random")),
)
SLOW = Ssd(1, 1_000_000, 2_000_000, 30_000_000)
DISK = Hdd(1 << 30, 7200, 200_000_000, 100_000_000, 1_000_000, 8_000_000, 16_000_000, 500_000, 100_000)
SECOND = 1_000_000_000

Ops = tuple[Any, Any, Any]
file_page = some.builds(lambda number, at: (number, at), some.integers(0, 2), some.integers(0, 1999))


def calls(op: int, where: tuple[int, int], count: int, pages: int, step: int, partial: bool) -> Ops:
    """Calls of `pages` pages in one file, each `step` pages behind the last, round."""
    number, at = where
    room = FILES[number].pages
    starts = (at + np.arange(count) * step) % room
    lengths = np.minimum(pages, room - starts)
    page = FIRST[number] + starts + (lengths - 1 << 40) + (PARTIAL if partial and op == FWRITE else 0)
    return np.full(count, op), page, np.full(count, 500)


def touches(op: int, first: int, count: int, step: int) -> Ops:
    return np.full(count, op), (first + np.arange(count) * step) % PAGES, np.full(count, 300)


def single(op: int, page: int, value: int) -> Ops:
    return [op], [page], [value]


def kernel(cache: int, grow: bool, count: int) -> Ops:
    return [SLAB], [cache if grow else -1 - cache], [count]


def unmap(first: int, count: int) -> Ops:
    return [UNMAP], [first], [min(count, PAGES - first)]


counts = some.integers(1, 400)
steps = some.sampled_from([1, 1, 1, 7, 613])
part: Any = some.one_of(
    some.builds(calls, some.sampled_from([FREAD, FWRITE]), file_page, counts, some.sampled_from([1, 1, 4, 50]), steps, some.booleans()),
    some.builds(calls, some.sampled_from([FREAD, FWRITE]), file_page, counts, some.sampled_from([1, 1, 4, 50]), steps, some.booleans()),
    some.builds(touches, some.sampled_from([READ, WRITE]), some.integers(0, PAGES - 1), some.integers(1, 1200), steps),
    some.builds(touches, some.sampled_from([READ, WRITE]), some.integers(0, PAGES - 1), some.integers(1, 1200), steps),
    some.builds(single, some.just(FSYNC), some.sampled_from([-1, *FIRST[:3]]), some.just(0)),
    some.builds(single, some.just(DELETE), some.sampled_from(FIRST[:3]), some.just(0)),
    some.builds(single, some.just(ADVISE), some.sampled_from(FIRST[:3]), some.integers(0, len(ADVICES) - 1)),
    some.builds(single, some.just(SLEEP), some.just(0), some.sampled_from([100_000, 10_000_000, 4_000_000_000])),
    some.builds(unmap, some.integers(0, PAGES - 1), some.integers(1, PAGES)),
    some.builds(kernel, some.integers(0, 1), some.booleans(), some.integers(1, 6000)),
)


def member(areas: tuple[Area, ...], parts: list[Ops]) -> Process:
    return process(PAGES, *parts)._replace(areas=areas)


@settings(max_examples=30, deadline=None)
@given(
    first=some.lists(part, min_size=3, max_size=10),
    second=some.lists(part, min_size=1, max_size=8),
    memory=some.sampled_from([6 << 20, 7 << 20, 9 << 20]),
    cpus=some.integers(1, 2),
    slots=some.sampled_from([0, 300, 8192, 8192]),
    device=some.sampled_from([FAST_SSD, SLOW, DISK]),
    kind=some.sampled_from(["ext4", "xfs", "raw"]),
    window=some.sampled_from([32, 0, 128]),
    ratios=some.sampled_from([(20, 10), (5, 2), (90, 50)]),
)
def test_any_program_keeps_every_invariant(first, second, memory, cpus, slots, device, kind, window, ratios) -> None:  # type: ignore[no-untyped-def]
    """Two processes share three files in 4 to 7 MiB, of which they hold 2; whatever they do and whoever is killed for want of memory."""
    begin = [touches(WRITE, 0, 500, 1), single(SPAWN, 1, 0)]
    programs = [member(AREAS[0], [*begin, *first, single(WAIT, 1, 0)]), member(AREAS[1], second)]
    plan = make_plan(
        programs, rows_of([1000]), files=(plans_of(*FILES),), memory=memory, swap_slots=slots, rotational=device.rotational,
        filesystem=Filesystem(kind, window * 4096), dirty=Dirty(*ratios),
    )  # fmt: skip
    vm = make_vm(plan, cpus=cpus, device=device)
    before = free_frames(vm)
    vm.after_every_step = limited(vm.after_every_step)
    vm.tasks[0].start()
    ended = vm.tasks[0].ended
    vm.env.run(until=ended | vm.env.timeout(3000 * SECOND))
    assert ended.triggered, "it hangs"
    while vm.tasks[1].alive:  # the first one was killed, so nobody waited for it
        vm.env.run(until=vm.tasks[1].ended)
    assert counter(vm, "oom_kill") == sum(task.killed for task in vm.tasks)
    _nothing_left(vm, before)


def test_programs_that_once_went_round_in_circles() -> None:
    """A private write that took the frame of the page to be copied, for ever; a file deleted while the last of its reads ended."""
    inner = test_any_program_keeps_every_invariant.hypothesis.inner_test  # type: ignore[attr-defined]
    inner(
        first=[
            single(DELETE, 2048, 0), single(ADVISE, 0, 0), calls(FREAD, (2, 193), 105, 50, 613, True), touches(WRITE, 1532, 487, 1),
            calls(FREAD, (1, 1503), 68, 50, 7, True), single(DELETE, 0, 0), kernel(1, True, 872),
        ],
        second=[
            single(FSYNC, 3008, 0), unmap(396, 461), single(ADVISE, 0, 3), single(FSYNC, 0, 0), single(FSYNC, -1, 0),
            touches(WRITE, 76, 1191, 613), single(ADVISE, 2048, 5),
        ],
        memory=9 << 20, cpus=2, slots=300, device=FAST_SSD, kind="raw", window=128, ratios=(20, 10),
    )  # fmt: skip
    nap, sync = single(SLEEP, 0, 10_000_000), single(FSYNC, -1, 0)
    both = [calls(FREAD, (0, 361), 157, 4, 1, False), calls(FWRITE, (1, 1120), 1, 1, 1, False), nap]
    inner(
        first=[
            nap, unmap(203, 2150), sync, *both, single(FSYNC, 3008, 0), kernel(0, True, 3016), touches(WRITE, 1304, 114, 613),
            single(DELETE, 0, 0),
        ],
        second=[nap, unmap(203, 2150), kernel(0, True, 3016), *both, sync, kernel(0, True, 3016)],
        memory=9 << 20, cpus=1, slots=0, device=FAST_SSD, kind="ext4", window=32, ratios=(20, 10),
    )  # fmt: skip


def limited(look: Callable[[], None] | None) -> Callable[[], None]:
    """The check, and an end to a machine that goes round in circles."""
    steps = 0

    def check() -> None:
        nonlocal steps
        steps += 1
        assert steps < 100_000, "it goes round in circles"
        if look is not None:
            look()

    return check


def _nothing_left(vm: Any, before: int) -> None:
    """All I/O ends; without the files only the kernel's own objects are left."""
    while vm.num[fi.FILE_WRITEBACK] or counter(vm, "nr_writeback") or any(disk.outstanding for disk in vm.disks.values()):
        vm.env.run(until=int(vm.env.now) + SECOND)
    a = vm.arrays
    assert counter(vm, "nr_dirtied") >= counter(vm, "nr_written") - counter(vm, "pswpout")
    if not any(task.killed for task in vm.tasks):
        vm.env.run(until=int(vm.env.now) + 100 * SECOND)
        assert counter(vm, "nr_dirty") == counter(vm, "nr_writeback") == 0, "the flusher forgot a page"
    for number in range(len(a.file)):
        assert drop_file(vm.machine, number, int(vm.env.now), 0) == -1
    assert problems(a, vm.built.pool, vm.built.clean_pool) == []
    assert not a.cache.any() and not a.pte.any() and not a.file[:, fi.LIST].any()
    assert counter(vm, "nr_file_pages") == counter(vm, "nr_mapped") == counter(vm, "nr_anon_pages") == 0
    assert a.slab[fi.NODE_CACHE, fi.OBJECTS] == a.slab[fi.BUFFER_CACHE, fi.OBJECTS] == 0
    assert free_frames(vm) + int(a.slab[:, fi.PAGES].sum()) == before
    assert a.num[st.SWAP_TOTAL] == 0 or a.num[st.SWAP_FREE] + a.num[st.SLOT_CACHE] + a.num[st.SLOT_RETURN] == a.num[st.SWAP_TOTAL]
