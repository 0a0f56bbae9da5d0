"""File workloads: exact streams by hand, the effect of every option, calls against a slow twin, and parts that share files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.errors import InputError
from models.registry import resolve
from models.workloads import draws
from models.workloads.merge import Files, moved
from models.workloads.registry import REGISTRY
from models.workloads.requests import MOST_PAGES, calls, count_calls
from models.workloads.stream import (
    ADVISE,
    COUNT_SHIFT,
    DELETE,
    FREAD,
    FSYNC,
    FWRITE,
    PARTIAL,
    READ,
    WRITE,
    Area,
    Context,
    File,
    Process,
    Program,
    call,
    file_pages,
)
from sim.config.parts import Pattern

KIB = 1024
FILE_OPS = (FREAD, FWRITE, FSYNC, DELETE, ADVISE)


def program(kind: str = "file", page_size: int = 4096, capacity: int | None = None, seed: int = 1, **options: Any) -> Program:
    part = Pattern(kind, **options)
    made: Program = resolve(part.entry.target)(part.options, Context(page_size, np.random.SeedSequence(seed), capacity))
    for process in made.processes:
        assert list(process.areas) == sorted(process.areas)
        assert all(
            area.first + area.pages <= process.pages and area.offset + area.pages <= made.files[area.file].pages for area in process.areas
        )
    return made


def file_page(page: np.ndarray) -> np.ndarray:
    return page & ((1 << COUNT_SHIFT) - 1)


def ops(process: Process, files: tuple[File, ...]) -> list[tuple[int, int, int]]:
    """The whole stream; every file page is in its file, every call ends in it, and the number of ops is as announced."""
    rows: list[tuple[int, int, int]] = []
    first = np.array(file_pages(files))
    for chunk in process.chunks():
        op, page, cpu = chunk
        assert (op.dtype, page.dtype, cpu.dtype) == (np.uint8, np.int64, np.uint32)
        memory = op <= WRITE
        assert page[memory].min(initial=0) >= 0 and page[memory].max(initial=0) < process.pages
        of_file = page[np.isin(op, FILE_OPS) & (page >= 0)]
        which = np.searchsorted(first, file_page(of_file), side="right") - 1
        end = file_page(of_file) + (of_file >> COUNT_SHIFT & 0xFFFF) + 1
        assert (end <= first[which] + np.array([file.pages for file in files] + [0])[which]).all()
        rows += zip(op.tolist(), page.tolist(), cpu.tolist(), strict=True)
    assert process.ops is None or process.ops == len(rows)
    return rows


def single(**options: Any) -> list[tuple[int, int, int]]:
    made = program(**options)
    (process,) = made.processes
    return ops(process, made.files)


def short(**options: Any) -> list[tuple[int, int]]:
    return [(op, page) for op, page, _ in single(**options)]


def test_sequential_read_by_hand() -> None:
    """Two files of 3 pages: the second begins at file page 64."""
    want = [0, 1, 2, 64, 65, 66]
    assert single(size=12 * KIB, nrfiles=2) == [(FREAD, page, 100) for page in want]
    assert single(size=12 * KIB, nrfiles=2, file_service_type="roundrobin", think=7) == [(FREAD, page, 7) for page in (0, 64, 1, 65, 2, 66)]
    assert [page for _, page in short(size=12 * KIB, nrfiles=2, accesses=8)] == [*want, 0, 1]
    assert [page for _, page in short(size=12 * KIB, nrfiles=2, passes=2)] == want * 2
    assert [page for _, page in short(size=12 * KIB, nrfiles=2, passes=2, accesses=3)] == want[:3]


def test_block_sizes_by_hand() -> None:
    assert short(size=20 * KIB, block_size=8 * KIB) == [(FREAD, call(0, 2)), (FREAD, call(2, 2))]  # what is left of the file is not read
    assert short(size=8 * KIB, block_size=2 * KIB) == [(FREAD, page) for page in (0, 0, 1, 1)]
    assert short(size=12 * KIB, block_size=6 * KIB) == [(FREAD, call(0, 2)), (FREAD, call(1, 2))]
    assert short(size=32 * KIB, page_size=16 * KIB) == [(FREAD, page) for page in (0, 0, 0, 0, 1, 1, 1, 1)]


def test_writes_of_part_of_a_page_by_hand() -> None:
    """Only pages that are not written in full are marked; the page between is not."""
    assert short(rw="write", size=8 * KIB) == [(FWRITE, 0), (FWRITE, 1)]
    assert short(rw="write", size=4 * KIB, block_size=2 * KIB) == [(FWRITE, PARTIAL), (FWRITE, PARTIAL)]
    want = [(FWRITE, call(0, 2)), (FWRITE, 2 | PARTIAL), (FWRITE, 2 | PARTIAL), (FWRITE, call(3, 2))]
    assert short(rw="write", size=20 * KIB, block_size=10 * KIB) == want
    assert [cpu for *_, cpu in single(rw="write", size=20 * KIB, block_size=10 * KIB)] == [0, 100, 0, 100]


def test_mappings_by_hand() -> None:
    """Each page of a request is touched; the areas lie as the files do, behind `offset`."""
    made = program(size=12 * KIB, nrfiles=2, method="mmap", block_size=8 * KIB, offset=40 * KIB, advice="random")
    (process,) = made.processes
    assert process.areas == (Area(10, 3, 0, advice="random"), Area(74, 3, 1, advice="random")) and process.pages == 77
    assert ops(process, made.files) == [(READ, 10, 0), (READ, 11, 100), (READ, 74, 0), (READ, 75, 100)]
    made = program(size=8 * KIB, method="mmap-shared", rw="write", fsync_every=2, executable=True)
    assert made.processes[0].areas == (Area(0, 2, 0, shared=True, executable=True),)
    assert ops(made.processes[0], made.files) == [(WRITE, 0, 100), (WRITE, 1, 100), (FSYNC, 0, 0)]
    assert short(size=4 * KIB, method="mmap", advice="willneed") == [(ADVISE, 0), (READ, 0)]


def test_what_happens_before_and_after() -> None:
    rows = single(size=4 * KIB, nrfiles=2, rw="write", advice="sequential", end_fsync=True, end_advice="dontneed", unlink=True)
    assert rows == [
        *((ADVISE, 0, 2), (ADVISE, 64, 2), (FWRITE, 0, 100), (FWRITE, 64, 100)),
        *((FSYNC, 0, 0), (FSYNC, 64, 0), (ADVISE, 0, 4), (ADVISE, 64, 4), (DELETE, 0, 0), (DELETE, 64, 0)),
    ]


def test_directions() -> None:
    for rw, found in (("read", {FREAD}), ("randread", {FREAD}), ("write", {FWRITE}), ("randwrite", {FWRITE})):
        assert {op for op, _ in short(rw=rw, accesses=500, write_ratio=0.5)} == found
    for rw in ("rw", "randrw"):
        writes = sum(op == FWRITE for op, _ in short(rw=rw, accesses=20_000, write_ratio=0.3))
        assert stats.binomtest(writes, 20_000, 0.3).pvalue > 1e-4
    assert [page for _, page in short(rw="rw", size=16 * KIB)] == [0, 1, 2, 3]


def test_random_blocks() -> None:
    """Uniform over the blocks of all files; zipf's counts follow the rank, and lie scattered."""
    page = np.array([page for _, page in short(rw="randread", size=400 * KIB, nrfiles=2, accesses=50_000)])
    counts = np.bincount(page, minlength=256)
    assert counts[100:128].sum() == 0  # behind the end of the first file
    assert stats.chisquare(np.concatenate((counts[:100], counts[128:228]))).pvalue > 1e-4
    zipf = {"rw": "randread", "size": 400 * KIB, "accesses": 50_000, "random_distribution": "zipf", "alpha": 1.1}
    ranks = np.bincount([page for _, page in short(**zipf, scatter=False)], minlength=100)
    wanted = np.arange(1, 101) ** -1.1
    assert stats.chisquare(ranks, wanted / wanted.sum() * ranks.sum()).pvalue > 1e-4
    scattered = np.bincount([page for _, page in short(**zipf)], minlength=100)
    assert np.array_equal(scattered[draws.scattered(np.arange(100), 100)], ranks)


@pytest.mark.parametrize("method", ["call", "mmap-shared"])
def test_fsync_after_every_so_many_writes_and_chunks_do_not_matter(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {
        "rw": "randrw",
        "size": 400 * KIB,
        "nrfiles": 3,
        "accesses": 3000,
        "fsync_every": 7,
        "block_size": 8 * KIB,
        "method": method,
    }
    rows = single(**options)
    writes, due = 0, []
    for op, page, _ in rows:
        if op == FSYNC:
            assert writes == 7 and page == due[-1]
            writes = 0
        elif op in (WRITE, FWRITE) and (method == "call" or page % 2 == 0):
            writes += 1
            due.append(file_page(np.array(page)).item() // 128 * 128)
    assert len(due) // 7 == sum(op == FSYNC for op, *_ in rows) > 100
    monkeypatch.setattr(draws, "CHUNK", 100)
    assert single(**options) == rows


def test_files_that_do_not_exist_yet() -> None:
    assert program(size=10 * KIB).files == (File("file.0", 3),)
    assert program(size=10 * KIB, rw="write", exists=False, filename="log", nrfiles=2).files == (File("log.0", 3, 0), File("log.1", 3, 0))


def test_processes_with_files_of_their_own_or_shared() -> None:
    made = program(size=8 * KIB, nrfiles=2, processes=2)
    assert [file.name for file in made.files] == ["file.0.1", "file.1.1", "file.0.2", "file.1.2"]
    assert [[page for _, page, _ in ops(p, made.files)] for p in made.processes[1:]] == [[0, 1, 64, 65], [128, 129, 192, 193]]
    made = program(size=8 * KIB, nrfiles=2, processes=2, shared_files=True, method="mmap")
    assert len(made.files) == 2 and [area.file for p in made.processes[1:] for area in p.areas] == [0, 1, 0, 1]
    made = program(rw="randread", accesses=100, processes=2, shared_files=True)
    first, second = (ops(p, made.files) for p in made.processes[1:])
    assert first != second and len(made.files) == 1
    own = program(size=8 * KIB, processes=2, method="mmap-shared", rw="write", end_fsync=True)
    assert [ops(p, own.files)[-1][:2] for p in own.processes[1:]] == [(FSYNC, 0), (FSYNC, 64)]
    assert [p.areas[0] for p in own.processes[1:]] == [Area(0, 2, 0, shared=True), Area(0, 2, 1, shared=True)]


BASE: dict[str, Any] = {"size": 40 * KIB, "nrfiles": 2, "accesses": 50}
EFFECTS: dict[str, tuple[dict[str, Any], Any]] = {
    "size": ({}, 80 * KIB), "nrfiles": ({}, 3), "filename": ({}, "data"), "exists": ({"rw": "write"}, False), "rw": ({}, "randread"),
    "write_ratio": ({"rw": "rw"}, 0.9), "random_distribution": ({"rw": "randread"}, "zipf"),
    "alpha": ({"rw": "randread", "random_distribution": "zipf"}, 2.0),
    "scatter": ({"rw": "randread", "random_distribution": "zipf"}, False), "file_service_type": ({}, "roundrobin"),
    "block_size": ({}, 8 * KIB), "accesses": ({}, 51), "passes": ({"accesses": None}, 2), "think": ({}, 5), "method": ({}, "mmap"),
    "executable": ({"method": "mmap"}, True), "advice": ({}, "random"), "end_advice": ({}, "dontneed"), "fsync_every": ({"rw": "write"}, 3),
    "end_fsync": ({}, True), "unlink": ({}, True), "unmount": ({}, True), "offset": ({"method": "mmap"}, 1 << 20), "processes": ({}, 2),
    "shared_files": ({"processes": 2}, True),
}  # fmt: skip


def fingerprint(**options: Any) -> Any:
    made = program(**options)
    return made.files, [(p.name, p.pages, p.areas, ops(p, made.files)) for p in made.processes]


def test_every_option_has_an_effect() -> None:
    assert set(EFFECTS) == {option.name for entry in REGISTRY if entry.name == "file" for option in entry.options}
    for name, (more, value) in EFFECTS.items():
        settings = {**BASE, **more}
        assert fingerprint(**settings) != fingerprint(**{**settings, name: value}), name
        assert fingerprint(**settings) == fingerprint(**settings), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"think": 1 << 32}, "think"),
        ({"size": 1000}, "block_size 4096 bytes is more than the 1000 bytes of a file"),
        ({"size": 1 << 40, "block_size": 64}, r"blocks of 64 bytes are more than 2\^32 - 1"),
        ({"size": 1 << 41, "nrfiles": 4}, "4 files of 2199023255552 bytes are more than 2147483647 pages"),
        ({"size": 600, "block_size": 100, "nrfiles": 2, "capacity": 1000}, "2 files of 600 bytes need 1200 bytes; the device .* has 1000"),
        ({"size": 600, "block_size": 100, "processes": 2, "capacity": 1000}, "need 1200 bytes"),
        ({"exists": False}, "exists: false with rw: read"),
        ({"exists": False, "rw": "write", "method": "mmap-shared"}, "cannot be mapped"),
        ({"rw": "write", "method": "mmap", "fsync_every": 1}, "a private mapping is never written"),
        ({"rw": "write", "method": "mmap", "end_fsync": True}, "a private mapping is never written"),
        ({"unlink": True, "shared_files": True, "processes": 2}, "the first to end"),
        ({"unmount": True, "processes": 2}, "the file system is busy"),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        program(**options)


def test_shared_files_count_once_on_the_device() -> None:
    program(size=600, block_size=100, processes=2, shared_files=True, capacity=1000)


# calls


def expanded(op: np.ndarray, page: np.ndarray) -> list[tuple[int, int, bool]]:
    """(op, page, partial) of every page of every call."""
    out = []
    for o, p in zip(op.tolist(), page.tolist(), strict=True):
        first = p & ((1 << COUNT_SHIFT) - 1)
        out += [(o, first + k, bool(p & PARTIAL)) for k in range((p >> COUNT_SHIFT & 0xFFFF) + 1)]
    return out


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50_000), st.integers(1, 40_000)), max_size=20), st.sampled_from([4096, 16384]))
def test_calls_against_a_page_by_page_twin(requests: list[tuple[bool, int, int]], page_size: int) -> None:
    write, offset, size = (np.array([r[k] for r in requests], np.int64) for k in range(3))
    op, page, last = calls(write.astype(np.uint8), offset, size, page_size, np.full(len(size), 640))
    want, ends = [], []
    for w, begin, length in requests:
        for p in range(begin // page_size, (begin + length - 1) // page_size + 1):
            whole = begin <= p * page_size and (p + 1) * page_size <= begin + length
            want.append((FWRITE if w else FREAD, 640 + p, w and not whole))
        ends.append(len(want))
    assert expanded(op, page) == want
    assert [len(expanded(op[: k + 1], page[: k + 1])) for k in last.tolist()] == ends
    assert count_calls(write, offset, size, page_size) == len(op) <= 3 * len(requests)


def test_reads_are_one_call_and_large_requests_several() -> None:
    """65537 pages are two calls; an unaligned write of 2 * 65536 pages and two bits is four."""
    one = np.ones(1, np.int64)
    op, page, _ = calls(0 * one, one, one * (MOST_PAGES * 4096), 4096, 0 * one)
    assert op.tolist() == [FREAD, FREAD] and page.tolist() == [call(0, MOST_PAGES), call(MOST_PAGES, 1)]
    op, page, last = calls(one, one * 4095, one * (2 * MOST_PAGES * 4096 + 2), 4096, 0 * one)
    assert page.tolist() == [PARTIAL, call(1, MOST_PAGES), call(1 + MOST_PAGES, MOST_PAGES), 1 + 2 * MOST_PAGES | PARTIAL]
    assert last.tolist() == [3] and op.tolist() == [FWRITE] * 4
    assert expanded(*calls(0 * one, one * 5, one * 9000, 4096, 0 * one)[:2]) == [(FREAD, p, False) for p in range(3)]


# parts


def file(**options: Any) -> dict[str, Any]:
    return {"kind": "file", **options}


def test_phases_share_a_file_by_name() -> None:
    """Written by the first part, read by the second: one file, not there at the start."""
    made = program("phases", parts=[file(size=8 * KIB, rw="write", exists=False, filename="data"), file(size=12 * KIB, filename="data")])
    assert made.files == (File("data.0", 3, 0),)
    assert [row[:2] for row in ops(made.processes[0], made.files)] == [(FWRITE, 0), (FWRITE, 1), (FREAD, 0), (FREAD, 1), (FREAD, 2)]


def test_parts_without_a_name_have_files_of_their_own() -> None:
    """The second part's pages lie behind the first part's; the options of nested parts keep theirs apart, too."""
    inner = {"kind": "phases", "parts": [file(size=4 * KIB), file(size=4 * KIB, filename="x")], "repeat": 2}
    made = program("phases", parts=[file(size=600 * KIB, accesses=1), inner, file(size=4 * KIB, filename="x", end_fsync=True)])
    assert [f.name for f in made.files] == ["part1:file.0", "part2:part1:file.0", "x.0"]
    rows = [row[:2] for row in ops(made.processes[0], made.files)]
    assert rows == [(FREAD, 0), (FREAD, 192), (FREAD, 256), (FREAD, 192), (FREAD, 256), (FREAD, 256), (FSYNC, 256)]


def test_mix_of_files_and_memory() -> None:
    """Nothing is lost, calls keep their length and mark, and each part stays in its own file."""
    parts = [
        file(size=512 * KIB, rw="randwrite", accesses=1000, block_size=6 * KIB), file(size=400 * KIB, accesses=1000, block_size=64 * KIB),
        {"kind": "uniform", "size": 1 << 20, "accesses": 1000},
    ]  # fmt: skip
    made = program("mix", parts=parts)
    rows = np.array(ops(made.processes[0], made.files))
    alone = [np.array(single(**{k: v for k, v in part.items() if k != "kind"}, seed=1)) for part in parts[:2]]
    reads = rows[rows[:, 0] == FREAD]
    assert np.array_equal(reads[:, 1] - 128, alone[1][:, 1])
    writes = rows[rows[:, 0] == FWRITE]
    assert len(writes) >= 2000 and (file_page(writes[:, 1]) < 128).all() and (writes[:, 1] & PARTIAL > 0).any()
    assert (rows[:, 0] <= WRITE).sum() == 1000 and made.processes[0].ops is None


def test_processes_of_parts_share_files_only_if_told() -> None:
    parts = [file(size=8 * KIB, method="mmap"), file(size=8 * KIB, filename="x")]
    made = program("phases", parts=parts, processes=2)
    assert [f.name for f in made.files] == ["part1:file.0.1", "x.0.1", "part1:file.0.2", "x.0.2"]
    assert [p.areas[0].file for p in made.processes[1:]] == [0, 2]
    assert [[page for op, page, _ in ops(p, made.files) if op == FREAD] for p in made.processes[1:]] == [[64, 65], [192, 193]]
    for kind in ("phases", "mix"):
        made = program(kind, parts=parts, processes=2, shared_files=True)
        assert [f.name for f in made.files] == ["part1:file.0", "x.0"] and [p.areas[0].file for p in made.processes[1:]] == [0, 0]


def test_mappings_of_parts() -> None:
    """The same mapping in two parts is one; areas are in ascending order."""
    mapped = file(size=8 * KIB, method="mmap-shared", filename="x")
    made = program("phases", parts=[file(size=4 * KIB, method="mmap", offset=1 << 20), mapped, mapped])
    assert made.processes[0].areas == (Area(0, 2, 1, shared=True), Area(256, 1, 0)) and made.processes[0].pages == 257
    assert [page for _, page, _ in ops(made.processes[0], made.files)] == [256, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([file(method="mmap"), file(method="mmap")], "two of its parts map files at page 0"),
        ([file(method="mmap"), {"kind": "uniform", "size": 1 << 20}], "part 2 uses pages 0 to 255, where another part maps a file"),
        ([{"kind": "loop", "size": 1 << 20, "offset": 1 << 26}, file(method="mmap", size=1 << 27)], "part 1 uses pages 16384 to 16639"),
        ([file(size=1 << 42), file(size=1 << 42), file(size=4096)], "together; 2147483647 can be simulated"),
    ],
)
def test_parts_that_do_not_fit_together(parts: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        program("phases", parts=parts)


def test_memory_beside_a_mapping_is_fine() -> None:
    made = program("phases", parts=[{"kind": "loop", "size": 1 << 20, "offset": 1 << 26}, file(method="mmap", size=1 << 26)])
    assert made.processes[0].areas == (Area(0, 1 << 14, 0),)
    program("mix", parts=[{"kind": "loop", "size": 1 << 20}, file()])


@given(st.data())
def test_moving_keeps_file_and_distance(data: st.DataObject) -> None:
    """Any op on page k of a file is on page k of that file afterwards, whatever was put before it."""
    sizes = data.draw(st.lists(st.integers(1, 200), min_size=1, max_size=4))
    own = [File(f"f{k}", size) for k, size in enumerate(sizes)]
    merged = Files()
    merged.add([File(f"f{k}", k * 50 + 1) for k in data.draw(st.permutations(range(5)))])
    positions = merged.add(own)
    files = merged.made("x")
    which = np.array(data.draw(st.lists(st.integers(0, len(own) - 1), min_size=1, max_size=20)))
    within = np.array([data.draw(st.integers(0, sizes[k] - 1)) for k in which.tolist()])
    op = np.array(data.draw(st.lists(st.sampled_from(FILE_OPS), min_size=len(which), max_size=len(which))), np.uint8)
    page = np.array(file_pages(own))[which] + within
    chunk = (np.append(op, [FSYNC, READ]).astype(np.uint8), np.append(page, [-1, 3]), np.zeros(len(op) + 2, np.uint32))
    marks = np.where(op == FWRITE, PARTIAL, 0)
    chunk[1][:-2] |= marks
    process = Process("p", 9, lambda: iter([chunk]), areas=(Area(0, 1, len(own) - 1),))
    result = moved(process, own, positions, files)
    ((_, found, _),), ((_, again, _),) = list(result.chunks()), list(result.chunks())
    assert np.array_equal(found, again)  # the part's own arrays stay as they were
    assert found.tolist() == [*(np.array(file_pages(files))[np.array(positions)[which]] + within | marks).tolist(), -1, 3]
    assert files[result.areas[0].file].name == own[-1].name and [files[k].name for k in positions] == [f.name for f in own]
    assert all(files[k].pages >= f.pages for k, f in zip(positions, own, strict=True))


def test_two_files_of_one_part_stay_two() -> None:
    merged = Files()
    assert merged.add([File("a", 1), File("a", 2)]) == [0, 1] and merged.add([File("a", 5)]) == [0]
    assert merged.made("x") == (File("a", 5), File("a'", 2))
