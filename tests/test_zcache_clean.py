"""zcache's ephemeral side: cleancache's contract, the whole page demanded on every put, and a shrinker that evicts when it is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.allocators.zbud_zcache1 import ZBUD_ZCACHE1
from models.backends import zcache_clean
from models.backends.zcache_numbers import (
    CLEAN_FAILED_GETS,
    CLEAN_PAGES,
    CLEAN_PUTS,
    CLEAN_SUCC_GETS,
    COMPRESS_POOR,
    CURR_OBJ,
    CURR_OBJNODE,
    FAILED_EPH_PUTS,
    FAILED_GET_FREE_PAGES,
    FLOBJ_FOUND,
    PUT_TO_FLUSH,
)
from models.memory import file_state as fi
from models.memory.check import problems
from models.memory.frames import MIN_MARK, take_frame, usable_frames
from models.workloads.stream import DELETE, FREAD, FWRITE, UNMOUNT, File
from tests.file_kit import Direct, plans_of
from tests.machine_kit import ZCACHE, counter, fill, make_plan, make_vm, process, rows_of, run

OPTIONS = {**ZCACHE, "cleancache": True, "ephemeral": {}}
ELSEWHERE = 9  # a kind of frame that the machine does not know


def direct(*files: File, **changes: Any) -> Direct:
    return Direct(
        *(files or (File("f", 512),)),
        backend="zcache",
        allocator="xvmalloc",
        backend_options=OPTIONS,
        clean_allocator=ZBUD_ZCACHE1,
        **changes,
    )


def number(m: Direct, index: int) -> int:
    return int(m.vm.built.backend_num[index])


def put(m: Direct, page: int, size: int = 1000) -> int:
    return int(zcache_clean.put(m.vm.built.backend, m.pages, page, size))


def get(m: Direct, page: int) -> int:
    return int(zcache_clean.get(m.vm.built.backend, m.pages, page))


def raw_pages(m: Direct) -> int:
    return m.vm.built.backend_counters(m.vm.built.backend_num)["zbud_curr_raw_pages"]


def checked(m: Direct) -> None:
    assert problems(m.a, m.vm.built.pool, m.vm.built.clean_pool) == []


def test_a_get_removes_the_page() -> None:
    m = direct()
    assert get(m, 5) == -1
    assert put(m, 5) == 1
    assert (get(m, 5), get(m, 5)) == (1, -1)
    assert (number(m, CLEAN_PUTS), number(m, CLEAN_SUCC_GETS), number(m, CLEAN_FAILED_GETS)) == (1, 1, 2)
    assert (number(m, CLEAN_PAGES), number(m, CURR_OBJ), number(m, CURR_OBJNODE)) == (0, 0, 0)
    checked(m)


def test_objects_are_files_and_nodes_64_pages() -> None:
    """Index 0 alone needs no node; page 70 needs the second leaf and a root above both."""
    m = direct(File("a", 512), File("b", 64))
    put(m, 0)
    assert (number(m, CURR_OBJ), number(m, CURR_OBJNODE)) == (1, 0)
    put(m, 70)
    assert (number(m, CURR_OBJ), number(m, CURR_OBJNODE)) == (1, 3)
    put(m, 512 + 3)
    assert (number(m, CURR_OBJ), number(m, CURR_OBJNODE)) == (2, 4)


def test_every_put_demands_a_whole_page_although_a_partly_filled_one_would_do() -> None:
    m = direct()
    assert put(m, 1) == 1  # its page of the pool has room for another
    while usable_frames(m.pages, MIN_MARK) > 0:
        take_frame(m.pages, ELSEWHERE, MIN_MARK)
    assert put(m, 2) == 0
    assert (number(m, FAILED_GET_FREE_PAGES), number(m, PUT_TO_FLUSH), number(m, FAILED_EPH_PUTS)) == (1, 1, 0)
    assert put(m, 1) == 0  # and the old copy of that name is flushed
    assert get(m, 1) == -1


@pytest.mark.parametrize(("size", "taken"), [(3904, 1), (3905, 0), (-26, 1)])
def test_the_largest_page_is_61_chunks(size: int, taken: int) -> None:
    m = direct()
    assert put(m, 1, size) == taken
    assert number(m, COMPRESS_POOR) == number(m, FAILED_EPH_PUTS) == 1 - taken


def test_asking_for_the_size_evicts_a_page_and_the_memory_comes_back_one_later() -> None:
    m = direct()
    for page in range(4):
        put(m, page, 1900)  # two in a page of the pool
    assert raw_pages(m) == 2
    free = m.count("nr_free_pages")
    assert zcache_clean.shrink(m.vm.built.backend, m.pages, 0) == 2  # two names are gone, both pages are still held
    assert (number(m, CLEAN_PAGES), m.count("nr_free_pages")) == (2, free)
    assert zcache_clean.shrink(m.vm.built.backend, m.pages, 0) == 1  # the unused one goes back: that was the page for this query
    assert (number(m, CLEAN_PAGES), m.count("nr_free_pages")) == (2, free + 1)
    assert zcache_clean.shrink(m.vm.built.backend, m.pages, 0) == 1
    assert number(m, CLEAN_PAGES) == 0
    checked(m)


def test_a_lone_page_of_61_chunks_is_never_evicted() -> None:
    m = direct()
    put(m, 1, 3904)
    for _ in range(3):
        zcache_clean.shrink(m.vm.built.backend, m.pages, 10)
    assert get(m, 1) == 1


def test_flushing_a_file_leaves_the_others() -> None:
    m = direct(File("a", 512), File("b", 64))
    for page in (0, 100, 300, 512, 515):
        put(m, page)
    assert zcache_clean.flush_file(m.vm.built.backend, m.pages, 0) == 3
    assert number(m, FLOBJ_FOUND) == 1
    assert [get(m, page) for page in (0, 100, 300, 512, 515)] == [-1, -1, -1, 1, 1]
    checked(m)


def test_a_page_read_from_the_device_is_put_and_comes_back_without_a_read() -> None:
    m = direct()
    m.advise("random")
    m.do(FREAD, 9)
    m.forget(9, shadow=1)
    assert number(m, CLEAN_PAGES) == 1
    before = len(m.reads)
    m.do(FREAD, 9)
    assert (len(m.reads), number(m, CLEAN_SUCC_GETS), number(m, CLEAN_PAGES)) == (before, 1, 0)
    checked(m)


def test_a_page_made_by_writing_is_flushed_not_put() -> None:
    m = direct(File("f", 512, 0))
    m.do(FWRITE, 3)
    m.write_out()
    m.end_io()
    m.forget(3)
    assert number(m, CLEAN_PUTS) == 0


def test_deleting_a_file_leaves_nothing_behind() -> None:
    m = direct()
    for page in range(20):
        m.do(FREAD, page)
    put(m, 300)
    assert m.delete() == -1
    assert number(m, CLEAN_PAGES) == 0
    assert m.vm.built.backend_counters(m.vm.built.backend_num)["flobj_total"] == 2  # at the start and at the end
    checked(m)


def test_the_whole_machine_keeps_every_invariant() -> None:
    """Reads of a file twice as large as memory beside anonymous memory: puts, gets, evictions by the shrinker; checked after each step."""
    rng = np.random.default_rng(4)
    reads = (np.full(4000, FREAD), rng.integers(0, 4000, 4000), np.full(4000, 1000))
    drop = ([DELETE], [0], [0])
    plan = make_plan([process(900, fill(900), reads, drop)], rows_of([1000, 3000, 4096, 700]), backend="zcache", allocator="xvmalloc",
                     backend_options=OPTIONS, clean_allocator=ZBUD_ZCACHE1)  # fmt: skip
    plan = plan._replace(files=(plans_of(File("f", 4000)),), watermark_boost_factor=0)
    vm = make_vm(plan)
    run(vm)
    found = vm.built.backend_counters(vm.built.backend_num)
    assert found["cleancache_succ_gets"] > 50
    assert found["evicted_buddied_pages"] + found["evicted_unbuddied_pages"] > 50
    assert found["cleancache_puts"] == found["zbud_cumul_zpages"] + found["failed_eph_puts"] + found["failed_get_free_pages"]
    assert int(vm.built.backend_num[CLEAN_PAGES]) == 0


def test_unmounting_drops_the_files_of_one_program_only() -> None:
    """What is dirty is written first; the other program's pages stay, in memory and in the clean cache; the files keep their length."""
    reads = (np.full(3000, FREAD), np.arange(3000), np.full(3000, 1000))
    own = process(1, ([FWRITE] * 8, range(8), [100] * 8), reads, ([UNMOUNT], [0], [0]))
    plan = make_plan([own, process(1, reads, reads)], rows_of([1000, 700]), backend="zcache", allocator="xvmalloc",
                     backend_options=OPTIONS, clean_allocator=ZBUD_ZCACHE1)  # fmt: skip
    (second,) = plans_of(File("b", 3000))
    plan = plan._replace(
        files=(plans_of(File("a", 3000)), (second._replace(device_page=3008),)),
        processes=[one._replace(program=number) for number, one in enumerate(plan.processes)],
    )
    vm = make_vm(plan, groups=[[0], [1]])
    run(vm, *vm.tasks)
    file, cache = vm.arrays.file, vm.arrays.cache
    behind = int(file[1, fi.FIRST])
    assert file[:2, fi.SIZE].tolist() == [3000, 3000]
    assert (counter(vm, "nr_dirty"), counter(vm, "nr_writeback"), counter(vm, "nr_written")) == (0, 0, 8)
    assert not cache[:behind].any() and (cache[behind:] > 0).sum() > 100
    flush_file, backend = zcache_clean.flush_file, vm.built.backend
    assert (flush_file(backend, vm.pages, 0), flush_file(backend, vm.pages, 1) > 100) == (0, True)
