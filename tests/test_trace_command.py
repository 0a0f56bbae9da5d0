"""`mempress trace`: what it prints and writes, and that it writes whole files or none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from models.cache.readers.oracle_general import RECORD
from sim.cachesim.sampling import hashes
from sim.cachesim.trace import load
from sim.cli import CACHE_FORMATS, TRACE_OUTPUTS, execute
from sim.traces.reading import ALL
from sim.traces.writers import FORMATS
from tests.test_trace_formats import column, everything, keys, oracle, write

ROWS = [(0, "r", 7, 10), (5, "w", 9, 20), (5, "w", 7, 10), (2_000_000_000, "r", 2**40, 5), (3_000_000_000, "w", 9, 20)]
TABLE = "time,op,id,size\n" + "".join(f"{t},{op},{key},{size}\n" for t, op, key, size in ROWS)
KEYS = [row[2] for row in ROWS]


def trace(*arguments: object) -> int:
    return execute(["trace", *map(str, arguments)])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path, TABLE, "t.csv")


def test_info(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace("info", table) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(table),
        "  format     csv, objects",
        "  references 5, 3 distinct",
        "  time       3 s, from 0 to 3000000000 ns",
        "  writes     3 (60.0%)",
        "  sizes      13 bytes on average, 5 to 20",
        f"  first ids  7 9 7 {2**40} 9",
    ]
    assert trace("info", table, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["references"], found["distinct"], found["bytes"], found["last_ns"], found["first_ids"]) == (5, 3, 65, 3 * 10**9, KEYS)
    assert trace("info", write(table.parent, "3\n" * 20)) == 0
    assert "  time       none\n  writes     not told\n  first ids  3 3 3 3 3 3 3 3 ...\n" in capsys.readouterr().out
    assert trace("info", write(table.parent, "I  04000,3\n L 5000,8\n")) == 0
    assert "(0.33 ns an instruction)" in capsys.readouterr().out


def test_head(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace("head", table, "-n", 2) == 0
    assert capsys.readouterr().out == "# time op id size\n0 r 7 10\n5 w 9 20\n"
    assert trace("head", write(table.parent, "3\n4\n5\n"), "-n", 2) == 0
    assert capsys.readouterr().out == "3\n4\n"


@pytest.mark.parametrize("to", ["mpt", "text", "csv", "oracleGeneral", "lirs"])
def test_convert_and_back(table: Path, to: str) -> None:
    """Each format keeps what it has room for."""
    out = table.parent / "out"
    assert trace("convert", table, out, "--to", to) == 0
    time, write, size = ([row[k] for row in ROWS] for k in (0, 1, 3))
    has = {"mpt": "twz", "csv": "twz", "oracleGeneral": "tz"}.get(to, "")
    form, found, times, writes, sizes = everything(out)
    assert form in (to, "lirs") and found == KEYS
    assert times == (None if "t" not in has else [t // 10**9 * 10**9 for t in time] if to == "oracleGeneral" else time)
    assert writes == ([int(op == "w") for op in write] if "w" in has else None) and sizes == (size if "z" in has else None)
    assert oct(out.stat().st_mode)[-3:] == oct(0o666 & ~_umask())[-3:]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_next_access_of_oracle_general(table: Path) -> None:
    out = table.parent / "out.oracleGeneral"
    assert trace("convert", table, out) == 0
    assert np.frombuffer(out.read_bytes(), RECORD)["next"].tolist() == [2, 4, -1, -1, -1]


def test_dense_ids_and_narrow_formats(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = table.parent / "out.trc"
    assert trace("convert", table, out) == 2 and not out.exists()
    assert f"id {2**40} does not fit in cache2k's 32 bits; --dense" in capsys.readouterr().err
    assert trace("convert", table, out, "--dense") == 0
    assert out.read_bytes() == np.array([0, 1, 0, 2, 1], ">u4").tobytes()
    late = write(table.parent, f"time,id,size\n{2**32 * 10**9},1,1\n", "late.csv")
    assert trace("convert", late, out, "--to", "oracleGeneral", "--force") == 2
    large = write(table.parent, f"time,id,size\n1,1,{2**32}\n", "large.csv")
    assert trace("convert", large, out, "--to", "oracleGeneral", "--force") == 2
    assert out.read_bytes() == np.array([0, 1, 0, 2, 1], ">u4").tobytes()


def test_pages_stay_pages(tmp_path: Path) -> None:
    """What is written as CSV is what the machine's workload reads; lackey's instructions stay instructions in mpt."""
    path = write(tmp_path, "I  04000,3\nI  04003,3\n L 5000,8\n S 7000,8\n")
    assert trace("convert", path, tmp_path / "o.csv") == 0 and (tmp_path / "o.csv").read_text() == "time,op,page\n0,r,5\n0,w,7\n"
    assert trace("convert", path, tmp_path / "o.mpt") == 0
    assert everything(tmp_path / "o.mpt")[1:4] == ([5, 7], [0, 0], [0, 1])


def test_whole_files_or_none(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = table.parent
    bad = write(folder, TABLE + "9\n", "bad.csv")
    before = sorted(folder.iterdir())
    assert trace("convert", bad, folder / "out.mpt") == 2 and sorted(folder.iterdir()) == before
    assert trace("convert", table, bad) == 2 and "exists already; --force" in capsys.readouterr().err
    assert trace("convert", table, folder / "out") == 2 and "expected --to mpt|text" in capsys.readouterr().err
    assert trace("convert", table, folder, "--force", "--to", "mpt") == 2 and "is a folder" in capsys.readouterr().err
    assert trace("convert", table, folder / "no" / "out.mpt") == 2 and "cannot be written" in capsys.readouterr().err
    assert trace("filter", table, folder / "out.mpt", "--ids", "1-2") == 2 and "no reference is left" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before
    assert trace("convert", bad, folder / "out.mpt", "--lenient") == 0
    said = capsys.readouterr().err
    assert "5 references (mpt)" in said and "1 bad records or lines left out" in said
    assert trace("convert", table, table, "--force") == 0 and table.read_text() == TABLE


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--from", "5"], [1, 2, 3, 4]), (["--from", "1s", "--until", "2500ms"], [3]), (["--until", "5ns"], [0]),
        (["--only", "writes"], [1, 2, 4]), (["--only", "reads"], [0, 3]), (["--ids", "7-9"], [0, 1, 2, 4]), (["--ids", "9"], [1, 4]),
        (["--every", "2"], [0, 2, 4]),
        (["--every", "2", "--only", "writes"], [1, 4]),
    ],
)  # fmt: skip
def test_filter(table: Path, options: list[str], left: list[int]) -> None:
    packed = table.parent / "in.mpt"
    assert trace("convert", table, packed) == 0
    for source in (table, packed):
        assert trace("filter", source, table.parent / "out.csv", "--force", *options) == 0
        found = load(table.parent / "out.csv", columns=ALL)
        rows = zip(column(found, "time") or [], column(found, "write") or [], keys(found), column(found, "size") or [], strict=True)
        assert list(rows) == [(t, int(op == "w"), key, size) for t, op, key, size in (ROWS[k] for k in left)]


def test_filter_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a time in the middle of a mapped file, equal times across a border included; every n-th counts over blocks."""
    monkeypatch.setattr("models.workloads.readers.mpt2.BLOCK", 4)
    rows = [(k // 3, k) for k in range(50)]
    path = write(tmp_path, "time,id\n" + "".join(f"{t},{key}\n" for t, key in rows), "t.csv")
    assert trace("convert", path, tmp_path / "t.mpt") == 0
    for since in range(17):
        options = ["--from", since, "--until", since + 3, "--every", 2, "--force"]
        assert trace("filter", tmp_path / "t.mpt", tmp_path / "out.txt", *options) == 0
        assert keys(load(tmp_path / "out.txt")) == [key for t, key in rows if since <= t < since + 3][::2]


def test_filters_that_cannot_be(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = write(table.parent, "1\n2\n", "ids.txt")
    for options, message in (
        (["--from", "1s"], "does not tell times"), (["--only", "reads"], "does not tell reads from writes"), (["--ids", "9-3"], "LOW-HIGH"),
        (["--ids", f"0-{2**64}"], "LOW-HIGH"), (["--ids", "a"], "LOW-HIGH"),
    ):  # fmt: skip
        assert trace("filter", ids, table.parent / "o.txt", *options) == 2
        assert message in capsys.readouterr().err
    assert trace("filter", table, table.parent / "o.txt", "--from", "5 parsecs") == 2
    assert "--from: expected a time" in capsys.readouterr().err


def test_sample_is_by_id(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    ids = draw.integers(0, 2000, 30_000)
    path = write(tmp_path, "".join(f"{i}\n" for i in ids))
    chosen = {}
    for seed in (0, 1):
        assert trace("sample", path, tmp_path / f"{seed}.txt", "--rate", "0.1", "--seed", seed) == 0
        order = np.array(list(dict.fromkeys(ids.tolist())))
        chosen[seed] = set(order[hashes(len(order), seed) < np.uint64(int(0.1 * 2.0**64))].tolist())
        assert keys(load(tmp_path / f"{seed}.txt")) == [i for i in ids.tolist() if i in chosen[seed]]
        assert 150 < len(chosen[seed]) < 250
    assert chosen[0] != chosen[1]
    assert trace("sample", path, tmp_path / "all.txt", "--rate", 1) == 0 and (tmp_path / "all.txt").read_bytes() == path.read_bytes()


def test_every_format_is_taken(tmp_path: Path) -> None:
    assert TRACE_OUTPUTS == FORMATS and set(TRACE_OUTPUTS) <= set(CACHE_FORMATS)
    path = write(tmp_path, oracle([(1, 7, 100, 2), (1, 8, 5, -1), (4, 7, 100, -1)]))
    for command in (
        ["info", path],
        ["head", path],
        ["convert", path, tmp_path / "a.mpt"],
        ["sample", path, tmp_path / "b.csv", "--rate", 1],
    ):
        assert trace(*command, "--format", "oracleGeneral") == 0
        assert trace(*command, "--format", "lackey", *(["--force"] if len(command) > 2 else [])) == 2
