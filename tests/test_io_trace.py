"""Block I/O traces: what the readers read, which calls and pauses become of it, and what they say about files that are no traces."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.registry import resolve
from models.workloads import io_trace
from models.workloads.io_readers.source import device_name
from models.workloads.readers.source import BLOCK_BYTES
from models.workloads.registry import REGISTRY
from models.workloads.stream import FREAD, FWRITE, PARTIAL, SLEEP, Context, File, Program, call, file_pages
from sim.config.parts import Pattern

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "traces" / "mqsim-mit"
DOCS = Path(__file__).resolve().parent.parent / "docs" / "workloads-files.md"
FIVE = "0 0 8 8 w\n1000 1 0 16 r\n5000 0 16 8 W\n"  # time, device, sector, sectors, op
LIMITS = {"sector_size": 512, "backwards": 0, "limit": 1 << 62, "limit_is": ""}


def program(page_size: int = 4096, capacity: int | None = None, **options: Any) -> Program:
    part = Pattern("io-trace", **{name: str(value) if isinstance(value, Path) else value for name, value in options.items()})
    made: Program = resolve(part.entry.target)(part.options, Context(page_size, np.random.SeedSequence(1), capacity))
    return made


def streams(**options: Any) -> list[list[tuple[int, int, int]]]:
    """The ops of every process that replays a trace, checked against what the program says about itself."""
    made = program(**options)
    out = []
    for process in made.processes[1:] or made.processes:
        assert process.pages == 1
        chunks = list(process.chunks())
        assert all((c[0].dtype, c[1].dtype, c[2].dtype) == (np.uint8, np.int64, np.uint32) for c in chunks)
        rows = [row for chunk in chunks for row in zip(*(column.tolist() for column in chunk), strict=True)]
        assert process.ops == sum(op != SLEEP for op, _, _ in rows)
        assert all((page & (1 << 40) - 1) < file_pages(made.files)[-1] for op, page, _ in rows if op != SLEEP)
        out.append(rows)
    return out


def read(path: Path, **options: Any) -> list[tuple[int, int, int]]:
    (rows,) = streams(file=path, **options)
    return rows


def write(folder: Path, content: str | bytes, name: str = "trace") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parsed(path: Path, **options: Any) -> list[tuple[int, int, int, int, int]]:
    """(time, write, device, offset, size) of every request."""
    stream = io_trace.open_trace(path, {"format": "auto", "columns": None, "time_unit": "ns", **LIMITS, **options})
    blocks = [np.stack([column.astype(np.int64) for column in block]) for block in stream.blocks()]
    return [tuple(row) for row in np.concatenate(blocks, axis=1).T.tolist()]


# by hand


def test_text_by_hand(tmp_path: Path) -> None:
    """Device 0 begins at page 0, device 1 (1 MiB each: 256 pages) at 256; the pauses lie between the requests."""
    path = write(tmp_path, FIVE)
    want = [(FWRITE, 1, 0), (SLEEP, 0, 1000), (FREAD, call(256, 2), 0), (SLEEP, 0, 4000), (FWRITE, 2, 0)]
    assert read(path) == want
    assert program(file=path).files == (File("dev0", 256), File("dev1", 256))
    assert read(path, pacing="think", think=70) == [(FWRITE, 1, 70), (FREAD, call(256, 2), 70), (FWRITE, 2, 70)]
    assert read(path, repeat=2) == want * 2
    assert read(path, time_scale=0.5)[1::2] == [(SLEEP, 0, 500), (SLEEP, 0, 2000)]
    assert read(path, time_unit="us")[1::2] == [(SLEEP, 0, 1_000_000), (SLEEP, 0, 4_000_000)]


def test_parts_of_pages_by_hand(tmp_path: Path) -> None:
    """A read covers what it touches; a write marks only the pages it does not fill.  With 16 KiB pages all is part of one page."""
    path = write(tmp_path, "1 14 r\n1 14 w\n8 1 w\n7 2 r\n")
    want = [(FREAD, call(0, 2)), (FWRITE, 0 | PARTIAL), (FWRITE, 1 | PARTIAL), (FWRITE, 1 | PARTIAL), (FREAD, call(0, 2))]
    assert read(path, columns=["sector", "sectors", "op"], pacing="think", think=5) == [
        (op, page, cpu) for (op, page), cpu in zip(want, (5, 0, 5, 5, 5), strict=True)
    ]
    assert [row[:2] for row in read(path, pacing="think", page_size=16384)] == [
        (FREAD, 0),
        (FWRITE, PARTIAL),
        (FWRITE, PARTIAL),
        (FREAD, 0),
    ]
    assert [row[:2] for row in read(path, pacing="think", sector_size=4096)][:2] == [(FREAD, call(1, 14)), (FWRITE, call(1, 14))]


def test_mqsim_has_writes_as_zero(tmp_path: Path) -> None:
    path = write(tmp_path, "0 0 8 8 0\n1000 1 0 16 1\n5000 0 16 8 0\n")
    assert read(path) == read(write(tmp_path, FIVE, "five"))
    assert [op for op, *_ in read(path, format="text") if op != SLEEP] == [FREAD, FWRITE, FREAD]
    columns = ["time", "device", "sector", "sectors", "op"]
    assert read(path, columns=columns) == read(path, format="text")  # who names the columns does not mean mqsim
    assert read(path, time_unit="ms") == read(path)  # always ns


def test_headings_and_columns(tmp_path: Path) -> None:
    want = [(0, 1, 0, 4096, 4096), (1000, 0, 1, 0, 8192), (5000, 1, 0, 8192, 4096)]
    assert parsed(write(tmp_path, FIVE)) == want
    for heading, rows in (
        ("time,device,op,sector,sectors", "0,0,w,8,8\n1000,1,r,0,16\n5000,0,w,16,8\n"),
        ("Timestamp;Host;Disk;Type;Offset;Size", "0;a;0;Write;4096;4096\n1000;b;1;Read;0;8192\n\n# x\n5000;;0;Write;8192;4096\n"),
        ('"ns"\t"asu"\t"rw"\t"lba"\t"bytes"', "0\t0\tW\t8\t4096\r\n1000\t1\tR\t0\t8192\r\n5000\t0\tw\t16\t4096"),
    ):
        assert parsed(write(tmp_path, heading + "\n" + rows)) == want, heading
    assert parsed(write(tmp_path, "# made by hand\n\ntime op sector length\n7 r 8 1\n")) == [(7, 0, 0, 4096, 512)]
    assert parsed(write(tmp_path, "7 8 1 r\n")) == [(7, 0, 0, 4096, 512)]
    assert parsed(write(tmp_path, "8 1 w\n")) == [(0, 1, 0, 4096, 512)]
    assert parsed(write(tmp_path, "x 8 1 w\n"), columns=["-", "sector", "sectors", "op"]) == [(0, 1, 0, 4096, 512)]


def test_devices_are_numbers_or_major_and_minor(tmp_path: Path) -> None:
    path = write(tmp_path, "0.5 8:16 WS 8 8\n0.75 8,0 RA 0 8\n1 0:3 R 0 8\n")
    columns = ["time", "device", "op", "sector", "sectors"]
    made = program(file=path, format="text", columns=columns, time_unit="s")
    assert [file.name for file in made.files] == ["dev3", "dev8:0", "dev8:16"]
    rows = read(path, format="text", columns=columns, time_unit="s")
    assert rows == [(FWRITE, 513, 0), (SLEEP, 0, 250_000_000), (FREAD, 256, 0), (SLEEP, 0, 250_000_000), (FREAD, 0, 0)]
    assert device_name(7) == "dev7"


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_packed_by_content_not_by_name(tmp_path: Path, pack: Any) -> None:
    assert read(write(tmp_path, pack(FIVE.encode()), "plain.txt")) == read(write(tmp_path, FIVE))


def test_large_requests_are_split(tmp_path: Path) -> None:
    """A GiB is four calls of 65536 pages; only the last one computes."""
    rows = read(write(tmp_path, "sector,bytes,op\n0,1073741824,r\n"), pacing="think", think=9)
    assert rows == [(FREAD, call(k * 65536, 65536), 9 * (k == 3)) for k in range(4)]


def test_long_pauses_are_several_sleeps(tmp_path: Path) -> None:
    rows = read(write(tmp_path, "0 0 8 w\n10000000000 8 8 w\n10000000001 16 8 w\n"))
    assert [op for op, *_ in rows] == [FWRITE, SLEEP, SLEEP, SLEEP, FWRITE, SLEEP, FWRITE]
    assert [page for op, page, _ in rows if op == FWRITE] == [0, 1, 2]
    assert sum(ns for *_, ns in rows[1:4]) == 10_000_000_000 and rows[5][2] == 1


def test_rounding_does_not_add_up(tmp_path: Path) -> None:
    path = write(tmp_path, "".join(f"{n} 0 8 r\n" for n in range(1001)))
    assert sum(ns for op, _, ns in read(path, time_scale=0.3) if op == SLEEP) == 300


def test_time_may_fall_a_little(tmp_path: Path) -> None:
    path = write(tmp_path, "100 0 8 r\n90 0 8 r\n120 0 8 r\n")
    assert [ns for op, _, ns in read(path, backwards=10) if op == SLEEP] == [20]
    with pytest.raises(InputError, match=r"trace:2: the time lies more than 9 ns before .*; found '90 0 8 r'"):
        read(path, backwards=9)


def test_long_trace_crosses_blocks(tmp_path: Path) -> None:
    """More text than one block of the reader: nothing lost or doubled at the seams."""
    rng = np.random.default_rng(3)
    n = 300_000
    columns = [np.cumsum(rng.integers(0, 900, n)), rng.integers(0, 3, n), rng.integers(0, 9000, n), rng.integers(1, 80, n)]
    path = write(tmp_path, "".join(f"{a} {b} {c} {d} {'rw'[c % 2]}\n" for a, b, c, d in zip(*(x.tolist() for x in columns), strict=True)))
    found = np.array(parsed(path))
    assert np.array_equal(found, np.stack([columns[0], columns[2] % 2, columns[1], columns[2] * 512, columns[3] * 512], axis=1))
    rows = np.array(read(path))
    assert rows[rows[:, 0] == SLEEP, 2].sum() == columns[0][-1] - columns[0][0]


# several streams


def test_several_streams_share_the_devices(tmp_path: Path) -> None:
    one = write(tmp_path, "100 0 0 8 r\n300 2 8 8 r\n", "one")
    two = write(tmp_path, "50 2 0 8 w\n60 1 0 8 w\n", "two")
    made = program(files=[str(one), str(two)])
    assert [p.name for p in made.processes] == ["io-trace", "one.1", "two.2"]
    assert [f.name for f in made.files] == ["dev0", "dev1", "dev2"]
    calls = [[(FREAD, 0, 0), (SLEEP, 0, 200), (FREAD, 513, 0)], [(FWRITE, 512, 0), (SLEEP, 0, 10), (FWRITE, 256, 0)]]
    assert streams(files=[str(one), str(two)]) == calls
    assert streams(files=[str(one), str(two)], origin="common") == [[(SLEEP, 0, 50), *calls[0]], calls[1]]
    assert streams(files=[str(one), str(two)], origin="zero") == [[(SLEEP, 0, 100), *calls[0]], [(SLEEP, 0, 50), *calls[1]]]
    assert streams(files=[str(one)]) == streams(file=one)


def test_traces_as_parts_of_phases_share_devices(tmp_path: Path) -> None:
    one, two = write(tmp_path, "0 5 8 8 r\n", "one"), write(tmp_path, "0 2 0 8 w\n0 5 99999 8 w\n", "two")
    part = Pattern("phases", parts=[{"kind": "io-trace", "file": str(one)}, {"kind": "io-trace", "file": str(two)}])
    made: Program = resolve(part.entry.target)(part.options, Context(4096, np.random.SeedSequence(1)))
    assert [f.name for f in made.files] == ["dev5", "dev2"] and made.files[0].pages == 12544  # 49 MiB, as the larger part says
    ((op, page, _), (op2, page2, _)) = list(made.processes[0].chunks())
    assert [*op, *op2] == [FREAD, FWRITE, FWRITE, FWRITE] and [*page, *page2] == [1, 12544, 12499 | PARTIAL, 12500 | PARTIAL]


# sizes


def test_devices_are_as_large_as_the_furthest_request(tmp_path: Path) -> None:
    """Wherever in a block of text, in which block, and in which stream it is."""
    near, far = "0 0 8 r\n" * 600_000, "0 40960 8 r\n"  # 4.8 MB: more than one block
    for n, text in enumerate((far + near, near + far)):
        assert [f.pages for f in program(file=write(tmp_path, text, f"{n}")).files] == [5376], n
    small = str(write(tmp_path, "0 0 8 r\n", "small"))
    for files in ([small, str(tmp_path / "0")], [str(tmp_path / "0"), small]):
        assert [f.pages for f in program(files=files).files] == [5376]


def test_size_of_the_devices(tmp_path: Path) -> None:
    path = write(tmp_path, "0 0 2047 1 r\n0 1 2048 1 r\n")
    assert [f.pages for f in program(file=path).files] == [256, 512]
    assert [f.pages for f in program(file=path, capacity=(1 << 20) + 4096).files] == [256, 257]
    assert [f.pages for f in program(file=path, device_size=1 << 30).files] == [1 << 18] * 2
    assert [f.pages for f in program(file=path, device_size=(1 << 20) + 512, page_size=65536).files] == [17] * 2
    with pytest.raises(InputError, match="its 2 devices have 2147483776 pages together"):
        program(file=path, device_size=(1 << 42) + 4096)
    with pytest.raises(InputError, match="device_size 2000000 bytes is more than the 1000000 bytes"):
        program(file=path, device_size=2_000_000, capacity=1_000_000)
    with pytest.raises(InputError, match=r"trace:2: the request ends behind .* device_size is 1048576 bytes; found '0 1 2048 1 r'"):
        program(file=path, device_size=1 << 20)
    with pytest.raises(InputError, match=r"trace:2: the request ends behind .* the device that holds it has 1048577 bytes"):
        program(file=path, capacity=(1 << 20) + 1)
    with pytest.raises(InputError, match=r"trace:1: the request ends behind .* 2147483647 pages of 4096 bytes can be simulated"):
        program(file=write(tmp_path, "0 0 17179869176 1 r\n"))


# wrong input

BAD = {
    "empty": (b"", r"trace: the file is empty"),
    "binary": (bytes(range(256)) * 20, r"trace:1: not an I/O trace that can be read: expected one of mqsim, msr, "),
    "words": (b"hello\nworld\n", r"trace:1: not an I/O trace"),
    "only remarks": (b"# 1\n\n# 2\n", r"trace: there is no request at the beginning"),
    "only a heading": (b"time,op,sector,sectors\n", r"trace: there is no access in this file of 1 lines"),
    "truncated gz": (gzip.compress(FIVE.encode() * 50)[:-20], r"trace: the gzip data is cut off"),
    "zero length": (b"0 8 8 r\n1 8 0 r\n", r"trace:2: column 3 \(sectors\): expected a length from 1 to 8388607; found '1 8 0 r'"),
    "negative length": (b"0 8 -8 r\n", r"trace:1: column 3 \(sectors\): expected a length from 1"),
    "zero bytes": (b"time,offset,bytes,op\n0,0,0,r\n", r"trace:2: column 3 \(bytes\): expected a length from 1 to 4294967295"),
    "huge length": (b"0 8 8388608 r\n", r"trace:1: column 3 \(sectors\): expected a length from 1 to 8388607"),
    "negative time": (b"0 8 8 r\n\n-5 8 8 r\n", r"trace:3: column 1 \(time\): expected a time in ns, 0 or more"),
    "time is no number": (b"0 8 8 r\nx 8 8 r\n", r"trace:2: column 1 \(time\): expected a time"),
    "time too large": (b"99999999999999999999 8 8 r\n", r"trace:1: column 1 \(time\): expected a time in ns, 0 or more, below 2\^63"),
    "sector is no number": (b"0 8 8 r\n0 8k 8 r\n", r"trace:2: column 2 \(sector\): expected a whole number"),
    "negative sector": (b"0 -8 8 r\n", r"trace:1: column 2 \(sector\): expected a whole number, 0 or more"),
    "sector beyond": (b"0 8 8 r\n0 9223372036854775807 8 r\n", r"trace:2: the request ends behind the device's last byte"),
    "offset beyond": (b"offset,bytes,op,time\n9223372036854775807,8,r,0\n", r"trace:2: the request ends behind"),
    "unknown op": (b"0 8 8 r\n0 8 8 discard\n", r"trace:2: column 4 \(op\): expected r or w \(also read, 0; write, 1\)"),
    "trim of fio": (b"time,op,offset,bytes\n0,2,0,4096\n", r"trace:2: column 2 \(op\): expected r or w"),
    "mqsim op": (b"0 0 8 8 1\n0 0 8 8 2\n", r"trace:2: column 5 \(op\): expected 0 \(write\) or 1 \(read\)"),
    "mqsim letter": (b"0 0 8 8 1\n0 0 8 8 r\n", r"trace:2: column 5 \(op\): expected 0 \(write\) or 1 \(read\)"),
    "device name": (b"0 0 8 8 r\n0 sda 8 8 r\n", r"trace:2: column 2 \(device\): expected the number of a device"),
    "device too large": (b"0 1048576 8 8 r\n", r"trace:1: column 2 \(device\)"),
    "major too large": (b"0 4095:1 8 8 r\n0 4096:1 8 8 r\n", r"trace:2: column 2 \(device\)"),
    "missing column": (b"0 8 8 r\n0 8 8\n", r"trace:2: expected 4 columns \(time, sector, sectors, op\); found '0 8 8'"),
    "extra column": (b"0 8 8 r\n0 8 8 r 5\n", r"trace:2: expected 4 columns"),
    "too many columns": (b"1 2 3 4 5 6\n", r"trace:1: 6 columns and no heading: say what they are"),
    "heading without op": (b"time,sector,sectors\n1,2,3\n", r"trace:1: heading time, sector, sectors: expected one column that is op"),
    "heading with both": (b"op,sector,offset,bytes\n1,2,3,4\n", r"trace:1: heading .*: expected one column that is sector or offset"),
    "heading twice": (b"time,op,ns,sector,bytes\n1,r,1,2,3\n", r"trace:1: heading .*: there are two columns time"),
    "late binary": (FIVE.encode() * 200 + bytes(range(14, 200)), r"trace:601: (expected 5 columns|column 1)"),
    "an epoch": (b"0 8 8 r\n1700000000000000000 8 8 r\n", r"trace: a pause of more than 30 days in it \(1700000000 s\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_file_and_line(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        program(file=write(tmp_path, content), backwards=10_000)
    assert str(caught.value).startswith(str(tmp_path))


def test_wrong_line_far_down(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"trace:400001: column 3 \(sectors\).* found '7 8 0 r'"):
        program(file=write(tmp_path, b"7 8 8 r\n" * 400_000 + b"7 8 0 r\n"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["sector", "sectors"]}, r"trace: columns \['sector', 'sectors'\]: expected one column that is op"),
        ({"columns": ["zeit", "sector", "sectors", "op"]}, "'zeit' is none of time, device, op"),
        ({"columns": ["sector", "sectors", "op"]}, "it has no column of times: set pacing: think"),
        ({"think": 1 << 32, "pacing": "think"}, "think"),
        ({"files": ["x"]}, "either file .* or files"),
        ({"file": None}, "either file .* or files"),
        ({"file": None, "files": []}, "either file .* or files"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "8 8 r\n")
    write(tmp_path, "", "x")
    with pytest.raises(InputError, match=message):
        program(**{"file": "trace", **options})


def test_a_long_trace_is_no_long_pause(tmp_path: Path) -> None:
    """Two months in steps of ten seconds, in three blocks of text."""
    path = write(tmp_path, "".join(f"{n * 10**10} 0 8 r\n" for n in range(520_000)))
    assert path.stat().st_size > 2.5 * BLOCK_BYTES and program(file=path).processes[0].ops == 520_000


def test_an_epoch_as_origin_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "1700000000000000000 8 8 r\n")
    assert read(path) == [(FREAD, 1, 0)]
    with pytest.raises(InputError, match=r"more than 30 days before the first request .*check the setting origin"):
        read(path, origin="zero")
    assert read(path, origin="zero", pacing="think") == [(FREAD, 1, 100)]


EFFECTS: dict[str, tuple[dict[str, Any], Any]] = {
    "file": ({}, "b.trace"), "files": ({"file": None, "files": ["a.trace"]}, ["a.trace", "b.trace"]), "format": ({}, "text"),
    "columns": ({}, ["time", "device", "sectors", "sector", "op"]), "time_unit": ({"format": "text"}, "us"), "sector_size": ({}, 1024),
    "device_size": ({}, 1 << 30), "pacing": ({}, "think"), "think": ({"pacing": "think"}, 5), "time_scale": ({}, 2.0),
    "origin": ({}, "zero"), "backwards": ({"format": "text"}, 5), "repeat": ({}, 2),
}  # fmt: skip


def fingerprint(options: dict[str, Any]) -> Any:
    try:
        made = program(**options)
    except InputError as error:
        return str(error)
    return made.files, [(p.name, [tuple(map(tuple, chunk)) for chunk in p.chunks()]) for p in made.processes]


def test_every_option_has_an_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(EFFECTS) == {option.name for entry in REGISTRY if entry.name == "io-trace" for option in entry.options}
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "100 0 8 8 1\n90 1 16 8 0\n200 1 80 8 1\n", "a.trace")
    write(tmp_path, "100 0 8 8 1\n", "b.trace")
    for name, (more, value) in EFFECTS.items():
        base = {"file": "a.trace", **more}
        assert fingerprint(base) != fingerprint({**base, name: value}), name


# round trips

requests = st.lists(
    st.tuples(
        st.integers(0, 10**15), st.booleans(), st.integers(0, 1 << 20).map(lambda d: d - 1 if d else 0), st.integers(0, 1 << 33),
        st.integers(1, 8_388_607),
    ),
    min_size=1, max_size=30,
)  # fmt: skip
OPS = {False: ("r", "R", "Read", "0", "RA"), True: ("w", "W", "WRITE", "1", "WS")}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    requests,
    st.permutations(["time", "op", "device", "place", "length", "-"]),
    st.sampled_from([",", ";", "\t", " ", "  "]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.data(),
)
def test_what_is_written_is_read(
    tmp_path: Path, rows: list[Any], order: list[str], separator: str, in_bytes: bool, heading: bool, newline: str, data: st.DataObject
) -> None:
    """Any order of columns, separator, sectors or bytes, heading or `columns`."""
    rows.sort(key=lambda row: row[0])
    names = ["offset" if in_bytes and n == "place" else "sector" if n == "place" else n for n in order]
    names = ["bytes" if in_bytes and n == "length" else "sectors" if n == "length" else n for n in names]
    unit = 512 if in_bytes else 1
    lines = [separator.join("remark" if name == "-" else name for name in names)] if heading else []
    for time, is_write, device, sector, sectors in rows:
        fields = {
            "time": str(time), "op": data.draw(st.sampled_from(OPS[is_write])), "device": str(device), "place": str(sector * unit),
            "length": str(sectors * unit), "-": "7",
        }  # fmt: skip
        lines.append(separator.join(fields[name] for name in order))
    path = write(tmp_path, newline.join(lines) + newline * data.draw(st.integers(0, 2)))
    want = [(time, int(is_write), device, sector * 512, sectors * 512) for time, is_write, device, sector, sectors in rows]
    assert parsed(path, columns=None if heading else names) == want


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(requests)
def test_mqsim_round_trip(tmp_path: Path, rows: list[Any]) -> None:
    rows.sort(key=lambda row: row[0])
    text = "".join(f"{time} {device} {sector} {sectors} {int(not w)}\n" for time, w, device, sector, sectors in rows)
    assert parsed(write(tmp_path, text)) == [(time, int(w), device, sector * 512, n * 512) for time, w, device, sector, n in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.binary(max_size=200) | st.text("0123456789 rw,-.:#\n", max_size=200).map(str.encode))
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    try:
        made = program(file=write(tmp_path, content))
    except InputError as error:
        assert str(error).startswith(str(tmp_path)) or "simulated" in str(error)
    else:
        assert list(made.processes[0].chunks())


# traces of others


@pytest.mark.parametrize(("name", "count", "writes"), [("tpcc-small", 6999, 2618), ("wsrch-small", 24783, 4)])
def test_traces_of_mqsim(name: str, count: int, writes: int) -> None:
    """Counts as awk has them; the first 1000 lines against a plain parse, bytes of calls included."""
    path = SHARED / f"{name}.trace.xz"
    if not path.is_file():
        pytest.skip(f"no ../shared/data: {path.name} is not at hand")
    found = parsed(path)
    assert len(found) == count and sum(row[1] for row in found) == writes
    with lzma.open(path, "rt") as file:
        slow = [[int(field) for field in line.split()] for line in islice(file, 1000)]
    assert found[:1000] == [(time, 1 - op, device, sector * 512, sectors * 512) for time, device, sector, sectors, op in slow]
    made = program(file=path)
    first = dict(zip((f.name for f in made.files), file_pages(made.files), strict=False))
    rows = np.concatenate([np.stack([c.astype(np.int64) for c in chunk]) for chunk in made.processes[0].chunks()], axis=1)
    assert rows[2, rows[0] == SLEEP].sum() == found[-1][0] - found[0][0]
    op, page = rows[:2, rows[0] != SLEEP]
    pages = []
    for time, device, sector, sectors, read in slow:
        base = first[f"dev{device}"]
        pages += [(FREAD if read else FWRITE, base + p) for p in range(sector // 8, (sector + sectors - 1) // 8 + 1)]
        assert time >= 0
    start, length = page & (1 << 40) - 1, (page >> 40 & 0xFFFF) + 1
    touched = [(int(o), int(s) + k) for o, s, n in zip(op[:4000], start[:4000], length[:4000], strict=True) for k in range(int(n))]
    assert touched[: len(pages)] == pages


# the documentation


def samples() -> list[tuple[str, str]]:
    """(name, text) of the code blocks that show what a file holds, by the remark in their first line."""
    blocks = re.findall(r"```(\w+)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    return [(m[1], text.partition("\n")[2]) for kind, text in blocks if kind == "text" and (m := re.match(r"# (\S+)", text))]


def test_samples_and_settings_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sample file of the page is read with the settings that the page gives for it, and every other workload is built."""
    import yaml

    monkeypatch.chdir(tmp_path)
    for name, text in samples():
        write(tmp_path, text, name)
    entries = [
        entry
        for block in re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
        for entry in yaml.safe_load(block)["workloads"]
    ]
    used = set()
    for entry in entries:
        used.update(entry.get("files", [entry.get("file")]) if entry["kind"] == "io-trace" else ())
        part = Pattern(entry["kind"], **{k: v for k, v in entry.items() if k not in ("name", "kind")})
        made = resolve(part.entry.target)(part.options, Context(4096, np.random.SeedSequence(1), 480 * 10**9))
        assert made.files and all(len(chunk[0]) for process in made.processes for chunk in islice(process.chunks(), 2))
    assert used == {name for name, _ in samples()} and len(used) >= 5
