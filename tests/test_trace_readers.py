"""Trace readers against hand-written files: what they read, and what they say about files that are no traces."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.compressors import lz4
from models.contents import measured
from models.contents.rows import ContentContext
from models.errors import InputError
from models.workloads import trace
from models.workloads.readers import mpt
from models.workloads.stream import SLEEP, Chunk, Context, Process

OPTIONS = {
    "format": "auto", "columns": None, "time_unit": "ns", "think": 100, "ns_per_instruction": 0.5, "time_scale": 1.0,
    "backwards": 1_000_000, "repeat": 1, "processes": 1,
}  # fmt: skip

LACKEY = """==12== Lackey, an example Valgrind tool
==12== Command: true
==12==
I  04001000,3
 L 1ffefff000,8
I  04001003,5
I  04001008,4
 S 1ffefff010,8
I  0400100c,2
 M 04222ffc,8
I  0400100e,2
==12==
"""


def read(path: Path, page_size: int = 4096, **options: object) -> list[tuple[int, int, int]]:
    """All ops of the trace's single process as (op, page, cpu_ns)."""
    program = trace.build({**OPTIONS, "file": str(path), **options}, Context(page_size, np.random.SeedSequence(1)))
    (process,) = program.processes
    ops = [row for chunk in process.chunks() for row in zip(*(column.tolist() for column in chunk), strict=True)]
    assert process.ops is None or process.ops == sum(op != SLEEP for op, _, _ in ops)
    assert all(0 <= page < process.pages for _, page, _ in ops)
    return ops


def write(folder: Path, content: str | bytes, name: str = "trace") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_lackey(tmp_path: Path) -> None:
    """Pages in address order: 0x4222, 0x4223 (the modify crosses into it), 0x1ffefff; time is half a nanosecond an instruction."""
    assert read(write(tmp_path, LACKEY)) == [(0, 2, 1), (1, 2, 0), (1, 0, 0), (1, 1, 0)]
    assert read(write(tmp_path, LACKEY), ns_per_instruction=100.0) == [(0, 2, 200), (1, 2, 100), (1, 0, 0), (1, 1, 0)]


def test_larger_pages(tmp_path: Path) -> None:
    """With 16 KiB pages 0x4222ffc and 0x4223003 are one page."""
    assert [page for _, page, _ in read(write(tmp_path, LACKEY), page_size=16384)] == [1, 1, 0, 0]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_compressed_by_content_not_by_name(tmp_path: Path, pack) -> None:
    assert read(write(tmp_path, pack(LACKEY.encode()), "plain.txt")) == read(write(tmp_path, LACKEY))


def test_text_by_number_of_columns(tmp_path: Path) -> None:
    assert read(write(tmp_path, "7\n9\n\n# remark\n7\n")) == [(0, 0, 100), (0, 1, 100), (0, 0, 100)]
    assert read(write(tmp_path, "r 7\r\nW 5\r\nstore 7\r\n")) == [(0, 1, 100), (1, 0, 100), (1, 1, 100)]
    assert read(write(tmp_path, "10 r 0x1000\n25\tw  8192\n40 R 4097\n")) == [(0, 0, 15), (1, 1, 15), (0, 0, 0)]


def test_csv_heading_columns_units(tmp_path: Path) -> None:
    path = write(tmp_path, "page,op,time\n3,R,0.0000015\n1,W,2\n")
    assert read(path, time_unit="s") == [(0, 1, 1_999_998_500), (1, 0, 0)]
    assert read(path, time_unit="s", time_scale=0.5) == [(0, 1, 999_999_250), (1, 0, 0)]
    path = write(tmp_path, "1;x;4096;w\n3;y;0;r\n")
    assert read(path, columns=["time", "-", "address", "op"], time_unit="us") == [(1, 1, 2000), (0, 0, 0)]
    assert read(path, columns=["time", "-", "address", "op"], time_unit="instructions") == [(1, 1, 1), (0, 0, 0)]


def test_time_may_fall_a_little(tmp_path: Path) -> None:
    path = write(tmp_path, "100 r 0\n90 r 0\n120 r 0\n")
    assert read(path, backwards=10) == [(0, 0, 0), (0, 0, 20), (0, 0, 0)]
    with pytest.raises(InputError, match=r"trace:2: the time lies more than 9 ns before .*; found '90 r 0'"):
        read(path, backwards=9)


def test_long_pause_becomes_sleep(tmp_path: Path) -> None:
    """10 s does not fit into cpu_ns: computing for a part, sleeping for the rest, 10 s in all."""
    ops = read(write(tmp_path, "0 w 0\n10000000000 w 4096\n"))
    assert [op for op, _, _ in ops] == [1, SLEEP, SLEEP, 1] and sum(ns for _, _, ns in ops) == 10_000_000_000


def test_long_text_crosses_blocks(tmp_path: Path) -> None:
    """More text than one block of the reader: nothing lost or doubled at the seams."""
    rng = np.random.default_rng(3)
    pages, times = rng.integers(0, 5000, 400_000), np.cumsum(rng.integers(0, 900, 400_000))
    rows = "".join(f"{t},{'rw'[p % 2]},{p}\n" for t, p in zip(times.tolist(), pages.tolist(), strict=True))
    ops = np.array(read(write(tmp_path, "time,op,page\n" + rows)))
    assert np.array_equal(ops[:, 1], np.unique(pages, return_inverse=True)[1])
    assert np.array_equal(ops[:, 0], pages % 2)
    assert np.array_equal(ops[:-1, 2], np.diff(times))


def test_repeat_and_processes(tmp_path: Path) -> None:
    path = write(tmp_path, "1\n2\n")
    assert [page for _, page, _ in read(path, repeat=3)] == [0, 1, 0, 1, 0, 1]
    program = trace.build({**OPTIONS, "file": str(path), "processes": 2}, Context(4096, np.random.SeedSequence(1)))
    assert [process.pages for process in program.processes] == [1, 2, 2]


BAD = {
    "empty": (b"", r"trace: the file is empty; expected a trace"),
    "binary": (bytes(range(256)) * 20, r"trace:1: not a trace that can be read: expected one of mpt, lackey"),
    "words": (b"hello\nworld\n", r"trace:1: not a trace that can be read"),
    "late binary": (b"1 r 4096\n" * 2000 + bytes(range(14, 200)), r"trace:2001: expected 3 columns|trace:2001: column 1"),
    "truncated gz": (gzip.compress(LACKEY.encode() * 50)[:-20], r"trace: the gzip data is cut off after \d+ decompressed bytes"),
    "truncated xz": (lzma.compress(LACKEY.encode() * 50)[:-40], r"trace: the xz data is cut off after \d+"),
    "damaged gz": (gzip.compress(b"1 r 1\n" * 9000, mtime=0)[:40] + b"\0" * 60, r"trace: (damaged gzip|the gzip data is cut off)"),
    "missing column": (b"1 r 4096\n2 r\n", r"trace:2: expected 3 columns \(time, op, address\); found '2 r'"),
    "extra column": (b"1 r 4096\n2 r 4096 7\n", r"trace:2: expected 3 columns"),
    "negative time": (b"1 r 4096\n-2 r 4096\n", r"trace:2: column 1: expected a time in ns, 0 or more"),
    "exponent": (b"1e3 r 4096\n", r"trace:1: column 1: expected a time"),
    "operation": (b"1 r 4096\n2 q 4096\n", r"trace:2: column 2: expected r or w"),
    "address": (b"1 r 4096\n2 r zz\n", r"trace:2: column 3: expected an address, 0 or more, below 2\^63"),
    "negative page": (b"op,page\nr,-1\n", r"trace:2: column 2: expected a page number"),
    "address too large": (b"1 r 0x8000000000000000\n", r"trace:1: column 3: expected an address"),
    "decimal too large": (b"1 r 9223372036854775808\n", r"trace:1: column 3: expected an address"),
    "time too large": (b"99999999999999999999 r 1\n", r"trace:1: column 1: expected a time"),
    "unknown columns": (b"1 2 3 4 5\n", r"trace:1: 5 columns and no heading: say what they are"),
    "only a heading": (b"time,op,page\n", r"trace: there is no access in this file of 1 lines"),
    "lackey address": (b"I  04001000,3\n L 8fffffffffffffff,8\n", r"trace:2: expected a line of lackey"),
    "lackey cut": (b"I  04001000,3\n L 1ffe\n", r"trace:2: expected a line of lackey .*found ' L 1ffe'"),
    "lackey without data": (b"I  04001000,3\n", r"trace: there is no access"),
    "long line": (b"1 r 4096\n" + b"7" * 5_000_000, r"trace:2: not a text trace: a line of more than 65536 bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_file_and_line(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        read(write(tmp_path, content))
    assert str(caught.value).startswith(str(tmp_path))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read(path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [(["time", "op"], "one of address and page"), (["page", "page"], "nothing twice"), (["zeit", "page"], "'zeit' is none of")],
)
def test_bad_columns(tmp_path: Path, columns: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, "1 2\n"), columns=columns)


traces = st.integers(1, 60).flatmap(
    lambda k: st.tuples(
        st.sets(st.integers(0, (1 << 50)), min_size=k, max_size=k).map(sorted),
        st.lists(st.tuples(st.integers(0, (1 << 32) - 1), st.booleans(), st.integers(0, k - 1)), min_size=1, max_size=200),
    )
)


@given(traces)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mpt_round_trip(tmp_path: Path, made: tuple[list[int], list[tuple[int, bool, int]]]) -> None:
    pages, rows = np.array(made[0], np.int64), made[1]
    time = np.cumsum([gap for gap, _, _ in rows])
    bits, index = np.array([w for _, w, _ in rows]), np.array([p for _, _, p in rows])
    path = tmp_path / "round.mpt"
    mpt.write(path, pages, time, bits, index, unit="ns", note="a test")
    source = mpt.READER.open(path, OPTIONS)
    blocks = list(source.blocks())
    assert source.pages is not None and np.array_equal(source.pages, pages)
    assert source.check is not None
    assert (source.time, source.check(), source.place_bytes) == ("ns", len(rows), 4096)
    for k, column in enumerate((time, bits, index)):
        assert np.array_equal(np.concatenate([block[k] for block in blocks]), column)


def test_mpt_blocks_ticks_and_damage(tmp_path: Path) -> None:
    """Several blocks; times kept to the tick; every cut and every flipped byte is noticed, never a crash or other numbers."""
    rng = np.random.default_rng(5)
    n = mpt.BLOCK + 1000
    time, index = np.cumsum(rng.integers(0, 50, n)), rng.integers(0, 9, n)
    path = tmp_path / "trace"
    mpt.write(path, np.arange(9), time, index % 2, index, tick=16)
    blocks = list(mpt.READER.open(path, OPTIONS).blocks())
    assert [len(block[0]) for block in blocks] == [mpt.BLOCK, 1000]
    assert np.array_equal(np.concatenate([block[0] for block in blocks]), time // 16 * 16)
    small = tmp_path / "small"
    mpt.write(small, np.arange(9), time[:500], index[:500] % 2, index[:500], tick=16)
    good = small.read_bytes()
    for size in range(8, len(good)):
        with pytest.raises(InputError, match=r"cut off|no access"):
            read(write(tmp_path, good[:size]))
    for at in range(7, len(good), 7):
        with pytest.raises(InputError, match=r"damaged|cut off|version"):
            read(write(tmp_path, good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :]))
    with pytest.raises(InputError, match="more data"):
        read(write(tmp_path, good + b"x"))


def test_mpt_under_larger_pages(tmp_path: Path) -> None:
    """Pages 4, 5 and 9 of 4 KiB are pages 1, 1 and 2 of 16 KiB."""
    path = tmp_path / "trace"
    mpt.write(path, np.array([4, 5, 9]), np.array([0, 10, 20]), np.array([1, 0, 1]), np.array([0, 1, 2]), unit="ns")
    assert read(path) == [(1, 0, 10), (0, 1, 10), (1, 2, 0)]
    assert read(path, page_size=16384) == [(1, 0, 10), (0, 0, 10), (1, 1, 0)]


def test_mpt_refuses_to_write_nonsense(tmp_path: Path) -> None:
    one = np.array([0])
    for pages, time, index in ((np.array([2, 1]), one, one), (one, np.array([-1]), one), (one, one, np.array([1]))):
        with pytest.raises(ValueError):
            mpt.write(tmp_path / "x", pages, time, np.zeros(1), index)


def test_shipped_trace_and_its_contents() -> None:
    """The recorded run: a real size, one row of contents for each page under every page size, and first touches that are writes."""
    path = Path(__file__).resolve().parent.parent / "configs" / "traces" / "cc1.mpt"
    ops = np.array([np.concatenate(column) for column in zip(*_chunks(path, 4096), strict=True)])
    assert ops.shape[1] > 3_000_000 and np.unique(ops[1]).size * 4096 > 50e6
    first = np.unique(ops[1], return_index=True)[1]
    assert ops[0][first].mean() > 0.9
    assert 0.6e9 < ops[2].sum() < 0.65e9  # ns
    for page_size in (4096, 16384, 65536):
        context = ContentContext(page_size, np.random.SeedSequence(1), lz4.build({"compress_time": 0, "decompress_time": 0}))
        rows = measured.build({"table": "cc1", "file": None}, context)
        assert len(rows.sizes) // rows.versions == _process(path, page_size).pages


def _process(path: Path, page_size: int) -> Process:
    return trace.build({**OPTIONS, "file": str(path), "ns_per_instruction": 0.33}, Context(page_size, np.random.SeedSequence(1))).processes[
        0
    ]


def _chunks(path: Path, page_size: int) -> list[Chunk]:
    return list(_process(path, page_size).chunks())
