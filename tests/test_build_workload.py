"""Workload `build`: the pool of make -jN, jobs whose memory and times are the measured ones, files that they share, and its cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.registry import resolve
from models.workloads import build_tables as measured
from models.workloads.registry import REGISTRY
from models.workloads.stream import (
    ALL,
    FEWER,
    FREAD,
    FWRITE,
    READ,
    SPAWN,
    WAIT,
    WRITE,
    Chunk,
    Context,
    Process,
    Program,
    call,
    file_pages,
    span,
)

MS, SECOND = 10**6, 10**9
OPTIONS: dict[str, Any] = {
    "jobs": 40, "parallel": 4, "mean_peak": 8 << 20, "cpu_time": 50 * MS, "binary": 12 << 20, "headers": 2 << 20, "header_reads": 512 << 10,
    "source_size": 11_000, "output_size": 9000, "step": 5 * MS, "makefiles": 1 << 20, "make_memory": 4 << 20, "make_time": 500 * MS,
    "alike": 0.58, "neighbours": 72.0, "spawn_time": MS, "link": True, "link_time": 300 * MS, "link_memory": None,
}  # fmt: skip


def program(seed: int = 1, page_size: int = 4096, **options: Any) -> Program:
    entry = next(entry for entry in REGISTRY if entry.name == "build")
    assert {option.name for option in entry.options} == set(OPTIONS)
    return resolve(entry.target)({**OPTIONS, **options}, Context(page_size, np.random.SeedSequence(seed)))


def ops(process: Process) -> Chunk:
    op, page, cpu = (np.concatenate(column) for column in zip(*process.chunks(), strict=True))
    assert (op.dtype, page.dtype, cpu.dtype) == (np.uint8, np.int64, np.uint32)
    memory = op <= WRITE
    assert page[memory].min(initial=0) >= 0 and page[memory].max(initial=0) < process.pages
    return op, page, cpu


def jobs(made: Program) -> tuple[Process, ...]:
    return made.processes[1 : 1 + sum(process.name.startswith("job.") for process in made.processes)]


def own_pages(process: Process) -> int:
    """Pages of its anonymous memory: those in front of the compiler's file."""
    (area,) = process.areas
    assert area.first + area.pages == process.pages and area.file == 0 and area.executable and not area.shared
    return area.first


def test_make_starts_jobs_so_that_n_run_at_a_time() -> None:
    """Each SPAWN follows a wait for fewer than N children; all jobs, in order, then the linker alone."""
    made = program(parallel=7)
    op, page, cpu = ops(made.processes[0])
    spawned = np.flatnonzero(op == SPAWN)
    assert page[spawned].tolist() == list(range(1, 42))
    before = spawned[:-1] - 2
    assert set(op[before].tolist()) == {WAIT} and set(page[before].tolist()) == {FEWER} and set(cpu[before].tolist()) == {7}
    end = spawned[-1]
    assert [(op[k], page[k]) for k in (end - 1, end, end + 1)] == [(WAIT, ALL), (SPAWN, 41), (WAIT, ALL)]
    assert len(op) == end + 2 and made.processes[41].name == "link"
    assert int(cpu[np.isin(op, (READ, WRITE))].sum()) == 500 * MS + 40 * MS


def test_without_a_link() -> None:
    made = program(link=False)
    op, page, _ = ops(made.processes[0])
    assert len(made.processes) == 41 and (op[-1], page[-1]) == (WAIT, ALL) and int((op == SPAWN).sum()) == 40


def test_make_reads_its_makefiles_once() -> None:
    made = program()
    op, page, _ = ops(made.processes[0])
    read = [span(int(place)) for place in page[op == FREAD]]
    first = file_pages(made.files)
    assert [k for low, high in read for k in range(low, high + 1)] == list(range(first[1], first[1] + made.files[1].pages))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([4096, 16384, 65536]), st.integers(1 << 20, 64 << 20))
def test_a_job_touches_all_its_memory_and_the_first_touch_is_a_write(seed: int, page_size: int, mean_peak: int) -> None:
    for process in jobs(program(seed, page_size, jobs=5, mean_peak=mean_peak)):
        op, page, _ = ops(process)
        own = (op <= WRITE) & (page < own_pages(process))
        pages, first = np.unique(page[own], return_index=True)
        assert pages.tolist() == list(range(own_pages(process)))
        assert (op[own][first] == WRITE).all()
        assert (op[(op <= WRITE) & ~own] == READ).all()


def test_memory_follows_the_measured_distribution() -> None:
    """Each job stands for one of as many equal shares of the table: quantiles agree to a job, and so does the mean."""
    made = program(jobs=500, mean_peak=20 << 20)
    pages = np.sort([own_pages(process) for process in jobs(made)]) * 4096
    table = measured.tables().jobs[:, measured.ANON]
    wanted = np.sort(table / table.mean() * (20 << 20))
    for q in (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98):
        low, high = np.quantile(wanted, [q - 0.006, q + 0.006])
        assert low - 4096 <= np.quantile(pages, q) <= high + 4096
    assert pages.mean() == pytest.approx(20 << 20, rel=0.01)
    assert pages.max() > 2 * pages.mean()  # the tail is what makes the difference under pressure


def test_cpu_time() -> None:
    made = program(jobs=300)
    each = [int(ops(process)[2].sum(dtype=np.int64)) for process in jobs(made)]
    table = measured.tables().jobs
    drawn = {round(x) for x in table[:, measured.CPU] * (50 * MS / table[:, measured.CPU].mean())}
    assert set(each) <= drawn
    assert np.mean(each) == pytest.approx(50 * MS, rel=0.05)
    assert int(ops(made.processes[-1])[2].sum()) == 300 * MS


def test_large_jobs_take_long() -> None:
    """Memory and CPU time of one job come from one measured run."""
    made = jobs(program(jobs=200))
    memory = np.array([own_pages(process) for process in made])
    cpu = np.array([int(ops(process)[2].sum()) for process in made])
    assert np.corrcoef(np.log(memory), np.log(cpu))[0, 1] > 0.8


def growth(process: Process, points: np.ndarray) -> np.ndarray:
    op, page, cpu = ops(process)
    own = np.flatnonzero((op <= WRITE) & (page < own_pages(process)))
    _, first = np.unique(page[own], return_index=True)
    born = np.sort(np.cumsum(cpu, dtype=np.int64)[own[first]] / cpu.sum(dtype=np.int64))
    return np.searchsorted(born, points, side="right") / len(born)


def test_memory_grows_as_measured() -> None:
    points = np.linspace(0.1, 0.95, 18)
    mean = np.mean([growth(process, points) for process in jobs(program(cpu_time=400 * MS, step=2 * MS))], axis=0)
    table = measured.tables().growth
    assert np.abs(mean - np.interp(points, np.linspace(0, 1, len(table)), table)).max() < 0.05


def test_pages_are_used_again_as_in_the_recorded_run() -> None:
    """In a 64th of its life a job touches the share of its memory that the recorded run did, not all of it and not only new pages."""
    data = measured.tables()
    wanted = np.bitwise_count(data.touched).mean()
    process = max(jobs(program(cpu_time=400 * MS, step=MS)), key=own_pages)
    op, page, cpu = ops(process)
    interval = np.cumsum(cpu > 0) - (cpu > 0)
    own = (op <= WRITE) & (page < own_pages(process)) & (cpu == 0)
    touches = len(np.unique(interval[own] * process.pages + page[own])) / own_pages(process)
    assert touches == pytest.approx(wanted, rel=0.15) and 5 < wanted < 20


def test_all_jobs_read_the_common_headers() -> None:
    """Nearly all that two jobs of a usual size read is the same files; sources and outputs are each job's own."""
    made = program(jobs=30)
    first = file_pages(made.files)
    reads: list[set[int]] = []
    for number, process in enumerate(jobs(made), 1):
        op, page, _ = ops(process)
        files = [np.searchsorted(first, span(int(place))[0], side="right") - 1 for place in page[op == FREAD]]
        names = [made.files[k].name for k in files]
        assert [name for name in names if not name.startswith("header.")] == [f"source.{number}"] and len(set(names)) == len(names)
        (written,) = page[op == FWRITE]
        place = np.searchsorted(first, span(int(written))[0], side="right") - 1
        output = made.files[place]
        assert output.name == f"output.{number}" and output.size == 0 and written == call(first[place], output.pages)
        assert op[-1] != FREAD and np.flatnonzero(op == FWRITE)[0] > np.flatnonzero(op == FREAD)[-1]
        reads.append({int(k) for k, name in zip(files, names, strict=True) if name.startswith("header.")})
    usual = sorted(reads, key=len)[15:]
    shared = set.intersection(*usual)
    assert len(shared) > 0.85 * len(usual[0]) and len(set.union(*usual)) > 1.1 * len(usual[-1])
    kib = np.mean([len(read) for read in reads]) * 5
    assert kib == pytest.approx(512, rel=0.1)


def alike_at(distance: int, alike: float, neighbours: float) -> float:
    """Correlation of the places (in the order of sizes) of two jobs so far apart, in a build of many folders."""
    places = measured.places_in_order(40_000, alike, neighbours, np.random.default_rng(3))
    return float(np.corrcoef(places[:-distance], places[distance:])[0, 1])


def test_neighbours_are_alike() -> None:
    """By `alike` at hand, by a third of that `neighbours` jobs away; every place is taken once."""
    assert sorted(measured.places_in_order(50, 0.58, 72, np.random.default_rng(1)).tolist()) == list(range(50))
    near, far = alike_at(1, 0.58, 72), alike_at(72, 0.58, 72)
    assert near == pytest.approx(0.57, abs=0.06)
    assert far == pytest.approx(0.57 * np.exp(-1), abs=0.08)
    assert abs(alike_at(1, 0, 72)) < 0.02 and alike_at(1, 1, 1e6) > 0.95


def test_headers_are_read_while_parsing() -> None:
    """Evenly over the first part of the job's time: 50 ns of the measured run for each byte of headers, at most 0.9 of it."""
    table = measured.tables().jobs
    for process in jobs(program(jobs=30, cpu_time=400 * MS, step=2 * MS)):
        op, _, cpu = ops(process)
        clock = np.cumsum(cpu, dtype=np.int64)
        off = np.abs(table[:, measured.CPU] * (400 * MS / table[:, measured.CPU].mean()) - clock[-1])
        rows = table[off == off.min()]  # some jobs were measured to take equally long
        parses = np.minimum(0.9, rows[:, measured.HEADER_BYTES] * 50 / (rows[:, measured.CPU] * MS))
        when = clock[np.flatnonzero(op == FREAD)[1:]] / clock[-1]
        if len(when) > 30:
            assert any(when.max() <= parse and when.mean() == pytest.approx(parse / 2, abs=0.04) for parse in parses)


@given(st.integers(1, 4000), st.sampled_from([4, 16]), st.floats(0, 0.999))
def test_a_larger_page_is_in_use_when_any_part_of_it_is(pages: int, ratio: int, offset: float) -> None:
    small = measured.page_masks(pages * ratio * 4096, 4096, offset)
    large = measured.page_masks(pages * ratio * 4096, ratio * 4096, offset)
    for fine, coarse in zip(small, large, strict=True):
        assert [int(np.bitwise_or.reduce(part)) for part in fine.reshape(pages, ratio)] == coarse.tolist()


def test_the_compilers_pages_are_shared_and_few_are_hot() -> None:
    made = program()
    used = []
    for process in jobs(made):
        op, page, _ = ops(process)
        used.append(np.unique(page[(op == READ) & (page >= own_pages(process))] - own_pages(process)))
    assert len({process.areas[0].pages for process in jobs(made)}) == 1
    often = np.bincount(np.concatenate(used), minlength=made.files[0].pages) / len(used)
    assert 0.02 < (often > 0.8).mean() < (often > 0).mean() < 0.35


def test_the_linker_reads_every_output_twice_and_writes_the_image() -> None:
    made = program()
    first = file_pages(made.files)
    op, page, _ = ops(made.processes[-1])
    outputs = [k for k, file in enumerate(made.files) if file.name.startswith("output.")]
    assert sorted(page[op == FREAD].tolist()) == sorted([call(first[k], made.files[k].pages) for k in outputs] * 2)
    written = [k for low, high in map(span, page[op == FWRITE].tolist()) for k in range(low, high + 1)]
    assert written == list(range(first[-2], first[-2] + made.files[-1].pages))
    assert set(page[op <= WRITE].tolist()) == set(range(made.processes[-1].pages))


def test_determinism() -> None:
    """The same seed gives the same ops however often they are asked for; another seed another order of the same kind of jobs."""
    one, two, other = program(), program(), program(seed=2)
    for a, b in zip(one.processes, two.processes, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(ops(a), ops(b), strict=True))
        assert all(np.array_equal(x, y) for x, y in zip(ops(a), ops(a), strict=True))
    assert one.files == two.files
    sizes = [[own_pages(process) for process in jobs(made)] for made in (one, other)]
    assert sizes[0] != sizes[1] and sum(sizes[0]) == pytest.approx(sum(sizes[1]), rel=0.05)


def test_parallel_changes_nothing_but_the_pool() -> None:
    """The cases of a sweep over N run the same jobs."""
    four, many = program(parallel=4), program(parallel=32)
    assert four.files == many.files
    for a, b in zip(four.processes[1:], many.processes[1:], strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(ops(a), ops(b), strict=True))


def test_the_cost_of_a_long_build() -> None:
    """320 CPU seconds in 800 jobs: few enough ops, and few pieces of computing, for a run of seconds."""
    made = program(jobs=80, cpu_time=345 * MS, mean_peak=28 << 20, headers=20 << 20, header_reads=2 << 20, step=20 * MS)
    pieces = touches = 0
    for process in jobs(made):
        op, _, cpu = ops(process)
        pieces += int((cpu > MS).sum())
        touches += len(op)
        assert cpu.max() < 3 * 20 * MS
    assert pieces * 10 < 30_000 and touches * 10 < 60_000_000


def test_a_build_that_is_too_large() -> None:
    with pytest.raises(InputError, match="give fewer"):
        program(jobs=100_000, mean_peak=1 << 30)
