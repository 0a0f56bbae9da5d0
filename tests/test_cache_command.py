"""`mempress cache`: what it prints, the formats it reads, and what it says about bad input."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
from pathlib import Path

import numpy as np
import pytest

from models.cache.readers.source import Dense
from models.cache.readers.text import LIRS
from sim.cachesim.trace import FORMATS, load
from sim.cli import CACHE_FORMATS, execute

IDS = [5, 7, 5, (1 << 64) - 1, 0, 7, 5]
DENSE = [0, 1, 0, 2, 3, 1, 0]


def text_of(ids: list[int]) -> bytes:
    return "".join(f"{number}\n" for number in ids).encode()


def oracle_general(ids: list[int]) -> bytes:
    later = [ids.index(page, at + 1) if page in ids[at + 1 :] else -1 for at, page in enumerate(ids)]
    return b"".join(struct.pack("<IQIq", at, page, 4096, then) for at, (page, then) in enumerate(zip(ids, later, strict=True)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress], ids=["plain", "gz", "xz", "bz2"])
def test_formats_are_known_by_their_content(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    path = tmp_path / "trace"
    small = [page % (1 << 32) for page in IDS]
    for data, name in (
        (text_of(IDS), "lirs"),
        (text_of(IDS).replace(b"7\n", b"7\n*\n"), "lirs"),
        (oracle_general(IDS), "oracleGeneral"),
        (np.array(small, ">u4").tobytes(), "cache2k"),
    ):
        path.write_bytes(pack(data))
        for wanted in ("auto", name):
            trace = load(path, wanted)
            assert (trace.format, trace.ids.tolist(), trace.distinct) == (name, DENSE, 4)
    assert FORMATS == CACHE_FORMATS


def test_ids_are_numbered_as_a_dict_would() -> None:
    """Across blocks, and through several growths of the table; ids that share their low bits too."""
    draw = np.random.default_rng(1)
    ids = np.concatenate([draw.integers(0, 3000, 20_000).astype(np.uint64) << np.uint64(shift) for shift in (0, 20, 44)])
    dense, numbers = Dense(room=4), dict[int, int]()
    found = np.concatenate([dense.add(block) for block in np.array_split(ids, 7)])
    assert found.tolist() == [numbers.setdefault(int(key), len(numbers)) for key in ids]
    assert dense.known == len(numbers)


def test_text_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.cache.readers.text.BLOCK_BYTES", 5)
    path = tmp_path / "t"
    path.write_bytes(text_of(IDS)[:-1])  # the last line has no end
    assert np.concatenate([block.ids for block in LIRS.open(path, {}).blocks()]).tolist() == IDS


def test_table_csv_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t"
    path.write_bytes(text_of([1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]))  # Belady's anomaly
    command = ["cache", str(path), "--policy", "FIFO,lru,belady", "--pages", "3,80%"]
    assert execute([*command, "--csv", "--name", "x", "--jobs", "3", "--json", str(tmp_path / "j")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "trace,requests,distinct,cache_pages,policy,misses",
        "x,12,5,3,FIFO,9", "x,12,5,3,lru,10", "x,12,5,3,belady,7",
        "x,12,5,4,FIFO,10", "x,12,5,4,lru,8", "x,12,5,4,belady,6",
    ]  # fmt: skip
    document = json.loads((tmp_path / "j").read_text(encoding="utf-8"))
    assert [(r["policy"], r["cache_pages"], r["misses"], r["hits"]) for r in document["results"]][:2] == [
        ("FIFO", 3, 9, 3),
        ("lru", 3, 10, 2),
    ]
    assert execute(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("12 requests, 5 distinct pages")
    assert lines[3].split() == ["3", "FIFO", "9", "0.7500"] and len({len(line) for line in lines[2:]}) == 1


BAD = [  # content, more arguments, what the message says
    (b"1\n2\nx\n", [], "t:3: expected one id a line, a decimal number from 0 to 2^64 - 1; found 'x'"),
    (b"1\n-2\n", [], "t:2: expected one id"),
    (b"1\n18446744073709551616\n", [], "t:2: the id is beyond 2^64 - 1"),
    (b"1\n*\n", ["--format", "text"], "t:2: expected one id a line, a decimal number; lines of * belong to --format lirs"),
    (b"*\n", [], "there is no id in this file"),
    (b"", [], "the file is empty"),
    (b"a,b\n", [], "at byte 0: not a trace that can be read: expected one of"),
    (b"\x7fELF\0\0\0\0", [], "at byte 0: not a trace that can be read"),
    (oracle_general(IDS)[:-3], [], "at byte 144: the last record is cut off: expected 24 bytes (time, id, size, next access), found 21"),
    (oracle_general(IDS)[:20], ["--format", "oracleGeneral"], "at byte 0: the last record is cut off"),
    (oracle_general(IDS)[24:48] + oracle_general(IDS)[:24], ["--format", "oracleGeneral"], "at byte 24: not oracleGeneral"),
    (b"\0\0\0\1\0\0", [], "at byte 4: the last record is cut off: expected 4 bytes (a big-endian 32-bit id), found 2"),
    (gzip.compress(text_of(list(range(1000))))[:-9], [], "cut off"),
    (b"1\n", ["--policy", "lru2"], "unknown policy 'lru2'; did you mean lru?"),
    (b"1\n", ["--policy", "slru:segments=9"], "slru:segments=9: segments: expected 1 to 5, found 9"),
    (b"1\n", ["--policy", "slru:size=9"], "unknown setting of slru: 'size'"),
    (b"1\n", ["--policy", "lru:size=9"], "lru has no settings"),
    (b"1\n", ["--policy", ","], "--policy: expected NAME"),
    (b"1\n", ["--pages", "0"], "--pages: expected 1 page or more"),
    (b"1\n", ["--pages", "nan%"], "--pages: expected 1 page or more"),
    (b"1\n", ["--pages", "4k"], "--pages: expected a number of pages or per cent"),
    (b"1\n", ["--json", "/nonexistent/x"], "/nonexistent/x: cannot be written"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "arguments", "message"), BAD)
def test_bad_input(data: bytes, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t"
    path.write_bytes(data)
    assert execute(["cache", str(path), "--policy", "lru", "--pages", "1", *arguments]) == 2
    shown = capsys.readouterr()
    assert message in shown.err and shown.out == "" and "Traceback" not in shown.err


def test_a_trace_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["cache", "/nonexistent", "--policy", "lru", "--pages", "1"]) == 2
    assert "/nonexistent: cannot be read" in capsys.readouterr().err
