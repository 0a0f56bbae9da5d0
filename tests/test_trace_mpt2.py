"""Our own format, version 2: what is written is read, by the cache and by the machine; damage is told."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.workloads import trace
from models.workloads.readers import mpt, mpt2
from models.workloads.readers.mpt2 import SIZE, TIME, WRITE, Map, Writer
from models.workloads.stream import Context
from sim.cachesim.trace import load
from sim.traces.reading import ALL
from tests.test_trace_formats import column, keys

OPTIONS = {
    "format": "auto", "columns": None, "time_unit": "ns", "think": 100, "ns_per_instruction": 1.0, "time_scale": 1.0, "backwards": 0,
    "repeat": 1, "processes": 1,
}  # fmt: skip


def put(path: Path, rows: list[tuple[int, int, int, int]], columns: int = TIME | SIZE | WRITE, parts: int = 1, **options: Any) -> Path:
    """Write (key, time, write, size)."""
    array = np.array(rows, object).reshape(-1, 4)
    with path.open("wb") as file:
        writer = Writer(file, options.get("page_bytes", 0), options.get("unit", "ns" if columns & TIME else "none"), columns)
        for part in np.array_split(array, parts):
            key, time, write, size = (part[:, k].astype(t) for k, t in enumerate((np.uint64, np.int64, np.uint8, np.int64)))
            writer.add(key, time if columns & TIME else None, write if columns & WRITE else None, size if columns & SIZE else None)
        writer.close()
    return path


ROW = st.tuples(st.integers(0, 2**64 - 1) | st.integers(0, 3), st.integers(0, 2**50), st.integers(0, 1), st.integers(0, 2**40))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=60), st.integers(0, 7), st.integers(1, 5), st.integers(1, 9))
def test_round_trip(tmp_path: Path, rows: list[tuple[int, int, int, int]], columns: int, parts: int, block: int) -> None:
    rows.sort(key=lambda row: row[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mpt2, "BLOCK", block)
        path = put(tmp_path / "t.mpt", rows, columns, parts)
    for packed in (False, True):
        if packed:
            path.write_bytes(gzip.compress(path.read_bytes()))
        found = load(path, columns=ALL)
        assert found.format == "mpt" and keys(found) == [row[0] for row in rows]
        assert list(dict.fromkeys(found.ids.tolist())) == list(range(found.distinct))
        for at, (bit, name) in enumerate(((TIME, "time"), (WRITE, "write"), (SIZE, "size")), 1):
            assert column(found, name) == ([row[at] for row in rows] if columns & bit else None)


def test_widths_and_the_index_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 2^16 ids, more than 2^32 ns in a block, more than 4 GiB at once: these columns alone are wide."""
    n = 200_000
    rows = [(k * 7, k, k & 1, 1 << 33 if k == 5 else 9) for k in range(n)] + [(0, 1 << 40, 0, 1)]
    mapped = Map(put(tmp_path / "t.mpt", rows, parts=3))
    assert mapped.index["id_bytes"].tolist() == [4, 4] and mapped.index["size_bytes"].tolist() == [8, 4]
    assert mapped.index["time_bytes"].tolist() == [4, 8] and [mapped.block_at(t) for t in (0, 131_072, 131_073, 1 << 41)] == [0, 0, 1, 1]
    assert Map(put(tmp_path / "u.mpt", [row[:1] + row[1:] for row in rows[:60_000]])).index["id_bytes"].tolist() == [2]
    found = load(tmp_path / "t.mpt", columns=ALL)
    assert found.time is not None and found.size is not None and (found.time[-1], found.size[5], found.size[6]) == (1 << 40, 1 << 33, 9)


def test_the_machine_replays_it_like_version_1(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    page, write, time = draw.integers(0, 500, 3000) ** 2, draw.integers(0, 2, 3000), np.cumsum(draw.integers(0, 90, 3000))
    pages, index = np.unique(page, return_inverse=True)
    mpt.write(tmp_path / "one.mpt", pages, time, write, index, unit="ns")
    put(
        tmp_path / "two.mpt",
        list(zip(page.tolist(), time.tolist(), write.tolist(), [0] * 3000, strict=True)),
        TIME | WRITE,
        page_bytes=4096,
    )
    made = [
        trace.build({**OPTIONS, "file": str(tmp_path / name)}, Context(16384, np.random.SeedSequence(1))) for name in ("one.mpt", "two.mpt")
    ]
    assert made[0].processes[0].ops == made[1].processes[0].ops == 3000
    ops = [[np.concatenate(column) for column in zip(*program.processes[0].chunks(), strict=True)] for program in made]
    assert all((a == b).all() for a, b in zip(*ops, strict=True))


def test_damage_is_told(tmp_path: Path) -> None:
    """Every byte turned, every length cut: an error with the file and where, or (padding) the same trace."""
    rows = [(k * k % 11 + 2**63 * (k % 2), k, k % 3 == 0, k % 5) for k in range(30)]
    good = put(tmp_path / "t.mpt", rows).read_bytes()
    path = tmp_path / "bad.mpt"
    for at in range(len(good)):
        for data in (good[:at] + bytes([good[at] ^ 0x11]) + good[at + 1 :], good[:at]):
            path.write_bytes(data)
            try:
                found = load(path, "mpt", columns=ALL)
            except InputError as error:
                assert str(path) in str(error)
            else:
                assert keys(found) == [row[0] for row in rows] and len(data) == len(good)
    path.write_bytes(put(tmp_path / "e.mpt", []).read_bytes())
    with pytest.raises(InputError, match="no access"):
        load(path)
    path.write_bytes(b"MPTRACE\x09" + good[8:])
    with pytest.raises(InputError, match="version 9; this program reads versions 1 and 2"):
        load(path)


def test_ids_that_are_no_page_numbers(tmp_path: Path) -> None:
    path = put(tmp_path / "t.mpt", [(2**63, 0, 0, 0)])
    with pytest.raises(InputError, match="expected ids below"):
        trace.build({**OPTIONS, "file": str(path)}, Context(4096, np.random.SeedSequence(1)))
