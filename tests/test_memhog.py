"""The measured guests' load generator: the same pages, the same bytes, proved by the hashes that the guests printed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.compressors import lz4
from models.contents.memhog import build as build_contents
from models.contents.memhog import pages
from models.contents.rows import ContentContext
from models.errors import InputError
from models.workloads import memhog
from models.workloads.memhog_spec import parse
from models.workloads.stream import FREAD, FWRITE, MAP, MARK, MARK_SHIFT, UNMAP, WRITE, Context

RUNS = Path(__file__).resolve().parent.parent / "configs" / "validate" / "guests"
U = np.uint64
GOLDEN = 0x9E3779B97F4A7C15
OPTIONS: dict[str, Any] = {
    "anon": 0,
    "files": 0,
    "fmode": "mmap",
    "fadv": "normal",
    "phases": ["kind=fill"],
    "locked": 0,
    "fill": 100,
    "access": 10,
    "mark_every": 0,
}


def mix64(z: Any) -> Any:
    with np.errstate(over="ignore"):
        z = (z ^ (z >> U(30))) * U(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> U(27))) * U(0x94D049BB133111EB)
        return z ^ (z >> U(31))


def digest(page: np.ndarray, write: Any, of_file: Any, first: int) -> int:
    """The guest's proof: a sum over accesses number first, first + 1, ..."""
    with np.errstate(over="ignore"):
        number = (np.arange(first, first + len(page), dtype=U) + U(1)) * U(GOLDEN)
        code = page.astype(U) * U(4) + np.asarray(write).astype(U) * U(2) + np.asarray(of_file).astype(U)
        return int(mix64(code ^ number).sum(dtype=U))


def run_of(name: str) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(gzip.decompress((RUNS / f"{name}.json.gz").read_bytes()))
    return run


def words(run: dict[str, Any]) -> dict[str, str]:
    return dict(word.split("=") for word in run["workload"]["globals"])


@pytest.mark.parametrize(
    "name",
    ["A_disk_seq_1.5.r1", "E_disk_pc0_hc_sblk16_1.5.r1", "F_disk_sw60_mmap.r1", "I_phase_zs.r1"],
)
def test_a_mix_phase_uses_the_pages_that_the_guest_used(name: str) -> None:
    run = run_of(name)
    options = words(run)
    anon, files = int(options["anon"]), int(options.get("file", 0))
    for number, (text, done) in enumerate(zip(run["workload"]["phases"], run["phases"], strict=True)):
        phase = parse(text, number)
        if phase.kind != "mix":
            continue
        total = first = 0
        for page, write, of_file in memhog.mix(phase._replace(n=done["n"]), anon, files):
            total += digest(page, write, of_file, first)
            first += len(page)
        assert total % (1 << 64) == int(done["hash"])


def test_a_compile_phase_uses_the_pages_that_the_guest_used() -> None:
    run = run_of("H_compile_disk.r1")
    options = words(run)
    for number, (text, done) in enumerate(zip(run["workload"]["phases"], run["phases"], strict=True)):
        phase = parse(text, number)
        if phase.kind != "compile":
            continue
        total = count = 0
        for region, page, write in memhog.units(phase._replace(units=done["units"]), int(options["anon"]), int(options["file"])):
            if region == "free":
                continue
            if region != "alloc":
                total += digest(page, np.broadcast_to(write, page.shape), np.full(page.shape, region == "file"), count)
            count += len(page)
        assert total % (1 << 64) == int(done["hash"])


@pytest.mark.parametrize("name", ["A_disk_uni_1.5.r1", "B_zs_kmixed_z08_1.5.r1"])
def test_page_bytes_are_those_of_the_guest(name: str) -> None:
    run = run_of(name)
    options = words(run)
    total = 0
    numbers = (np.arange(512, dtype=U) + U(1)) * U(GOLDEN)
    with np.errstate(over="ignore"):
        for p, page in enumerate(pages(int(options["cmode"]), options["kdist"], 1, 1024)):
            total += int(mix64(mix64(page + numbers).sum(dtype=U) ^ (U(p + 1) * U(GOLDEN))))
    assert total % (1 << 64) == int(run["phases"][0]["hash"])


def test_content_modes() -> None:
    """256 random words and zeros; an eighth of each line of 64 bytes; words of a dictionary of 16; a zero page."""
    first = next(pages(0, "1000:2048", 1, 1)).copy()
    assert (first[:256] != 0).all() and (first[256:] == 0).all() and len(set(first.tolist())) == 257
    lines = next(pages(1, "1000:512", 1, 1)).copy().reshape(64, 8)
    assert (lines[:, 0] != 0).all() and (lines[:, 1:] == 0).all()
    half = next(pages(1, "1000:256", 1, 1)).copy().reshape(64, 8)
    assert (half[:, 0] >> U(32) == 0).all() and (half[:, 0] != 0).all()
    assert len(set(next(pages(2, "1000:128", 1, 1)).tolist())) == 16
    assert not next(pages(0, "1000:0", 1, 1)).any()


def test_contents_are_compressed_sizes() -> None:
    """k random bytes take lz4 k + 34 bytes here, as the kernel's does; zero pages are same-filled; random pages do not compress."""
    compressor = lz4.build({"compress_time": 0, "decompress_time": 0})
    context = ContentContext(4096, np.random.SeedSequence(1), compressor)
    rows = build_contents({"cmode": 0, "kdist": "1000:2048", "cseed": 1, "rows": 8}, context)
    assert rows.sizes.tolist() == [2082] * 8 and rows.stride == 0
    mixed = build_contents({"cmode": 0, "kdist": "500:0,500:4096", "cseed": 3, "rows": 64}, context).sizes
    assert set(mixed.tolist()) == {0, 4096}
    with pytest.raises(InputError, match="weights must add up to 1000"):
        build_contents({"cmode": 0, "kdist": "500:0", "cseed": 3, "rows": 64}, context)


def chunks_of(**options: Any) -> tuple[list[tuple[int, int, int]], Any]:
    program = memhog.build(OPTIONS | options, Context(4096, np.random.SeedSequence(1)))
    process = program.processes[0]
    ops = [tuple(map(int, row)) for chunk in process.chunks() for row in zip(*chunk, strict=True)]
    return ops, process  # type: ignore[return-value]


def test_the_stream_in_order() -> None:
    """Locked memory, rank table, marks round each phase; a mark after every second access; calls of a file that is read."""
    ops, process = chunks_of(
        anon=3, files=4, fmode="read", locked=1, mark_every=2,
        phases=["kind=fill", "kind=mix,n=4,seed=9,apat=zipf,wpm=1000,fpm=500,fpat=seq"],
    )  # fmt: skip
    assert process.locked == 3 and process.pages == 5  # one locked page, one page of ranks
    kinds = [op for op, _, _ in ops]
    marks = [page for op, page, _ in ops if op == MARK]
    assert kinds[:2] == [WRITE, MARK] and [page for _, page, _ in ops[:1]] == [3]
    assert [mark >> MARK_SHIFT for mark in marks] == [0, 0, 0, 1, 1, 1, 1]
    assert [mark & (1 << MARK_SHIFT) - 1 for mark in marks] == [1, 3, 0, 1, 3, 5, 0]
    files = [page for op, page, _ in ops if op in (FREAD, FWRITE)]
    assert files == list(range(len(files))) and {op for op, _, _ in ops if op in (FREAD, FWRITE)} <= {FWRITE}


def test_a_compile_unit_has_a_heap_of_its_own() -> None:
    text = "kind=compile,units=2,hdrn=16,hdrf=1,srcp=1,srcn=4,ap=5,at=3,bt=2,op=1"
    ops, process = chunks_of(anon=6, files=32, fmode="read", phases=[text])
    heap = 6  # the first multiple of six pages behind the anonymous ones
    assert [(page, count) for op, page, count in ops if op == MAP] == [(heap, 5)] * 2
    assert [(page, count) for op, page, count in ops if op == UNMAP] == [(heap, 5)] * 2
    assert process.pages == heap + 5 + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind=mix,n=x", "n=x; expected a whole number"),
        ("kind=mix,wpm=1001", "expected 0 to 1000"),
        ("kind=walk", "kind=walk; expected one of fill, mix, compile"),
        ("kind=fill,n=4", "n is not a word of a fill phase"),
        ("kind=mix,apat=hot", "apat=hot; expected one of seq, uni, zipf, hotcold"),
        ("mix", "found 'mix'; expected key=value"),
    ],
)
def test_wrong_words_are_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text, 0)


def test_a_compile_phase_needs_its_file() -> None:
    with pytest.raises(InputError, match="needs a file of more than 12288 pages"):
        chunks_of(anon=4, phases=["kind=compile"])
