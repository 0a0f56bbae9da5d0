"""`mempress export`: CSV and Parquet of a sweep's table, through the command line."""

from __future__ import annotations

import csv
import io
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim import cli
from sim.table import Column, Table
from sim.table.csvtext import write_csv

ROOT = Path(__file__).resolve().parent.parent
ALL = '''\
case,id,run,backend.kind,machine.memory,machine.memory.number,status,replications,seconds,error,run_time,run_time.half_width,\
fault_p99,fault_p99.half_width
"a=none,b=96MiB",1,run-a,none,96MiB,100663296,done,5,1.5,,2,0.25,90.5,
"say ""zcache""",2,run-b,zcache,1GiB,1073741824,done,3,2,,0.1,,,
c,3,run-c,zswap,64MiB,67108864,failed,0,0.5,"bang,
twice",,,,
d,4,run-d,zswap,auto,,planned,0,0,,,,,
'''


CASES = [("a=none,b=96MiB", "none", "96MiB"), ('say "zcache"', "zcache", "1GiB"), ("c", "zswap", "64MiB"), ("d", "zswap", "auto")]


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep's folder with four runs; the current directory while the test runs."""
    monkeypatch.chdir(tmp_path)
    with Table.create_or_open(tmp_path / "sweep.sqlite", "abc", "1.0", ["backend.kind"], "demo") as table:
        table.plan(
            (case, str(n), f"run-{'abcd'[n - 1]}", {"backend.kind": kind, "machine.memory": memory})
            for n, (case, kind, memory) in enumerate(CASES, 1)
        )
        table.done("a=none,b=96MiB", 5, 1.5, {"run_time": (2.0, 0.25), "fault_p99": (90.5, None)})
        table.done('say "zcache"', 3, 2.0, {"run_time": (0.1, None)})
        table.failed("c", "bang,\ntwice", 0.5)
    return tmp_path


def mempress(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = cli.execute([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def lines(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    status, out, err = mempress(capsys, "export", *arguments)
    assert (status, err) == (0, "")
    return out.splitlines()


def test_everything(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mempress(capsys, "export", sweep) == (0, ALL, "")
    assert mempress(capsys, "export", sweep / "sweep.sqlite", "--to", sweep / "out.csv") == (0, "", "")
    assert (sweep / "out.csv").read_bytes().decode() == ALL
    assert sorted(path.name for path in sweep.iterdir()) == ["out.csv", "sweep.sqlite"]


def test_a_part(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--columns", "machine.memory, run_time*", "--sort", "machine.memory:desc"]
    assert lines(capsys, sweep, *chosen, "--where", "run_time > 50ms", "--limit", 1, "--units") == [
        "machine.memory,run_time,run_time.half_width", ",s,s", "1GiB,0.1,",
    ]  # fmt: skip
    assert lines(capsys, sweep, "--columns", "ID", "--sort", "status", "--sort", "machine.memory:desc") == ["id", "2", "1", "3", "4"]
    assert lines(capsys, sweep, "--columns", "case", "--where", "backend.kind = zram") == ["case"]
    assert lines(capsys, sweep, "--columns", "case", "--limit", 0) == ["case"]


def test_failures(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys, sweep, "--failed") == [
        "case,backend.kind,machine.memory,run,error,seconds", 'c,zswap,64MiB,run-c,"bang,', 'twice",0.5',
    ]  # fmt: skip
    assert lines(capsys, sweep, "--failed", "--columns", "id") == ["id", "3"]
    assert lines(capsys, sweep, "--failed", "--columns", "id", "--where", "seconds > 1 or backend.kind = none") == ["id"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--where", "backend.knd = none"], "--where: at character 1: found 'backend.knd'; expected the name of a column"),
        (["--where", "backend.knd = none", "--failed"], "--where: at character 1: found 'backend.knd'"),
        (["--columns", "case,run_tme"], "--columns: found 'run_tme'; expected the name of a column, or a pattern of some; did you mean"),
        (["--columns", "task.*"], "--columns: found 'task.*'; expected"),
        (["--columns", " , "], "--columns: found nothing"),
        (["--sort", "nothing:desc"], "--sort: found 'nothing'; expected the name of a column"),
        (["--to", "out.xlsx"], "--to out.xlsx: found .xlsx; expected a file .csv or .parquet"),
        (["--to", "out"], "--to out: found no suffix; expected a file .csv or .parquet"),
        (["--to", "none/out.csv"], "none/out.csv: could not be written: No such file or directory"),
    ],
)
def test_what_cannot_be(sweep: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    status, out, err = mempress(capsys, "export", sweep, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(said) and err.count("\n") == 1
    assert [path.name for path in sweep.iterdir()] == ["sweep.sqlite"]


def test_what_is_not_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "table.csv").write_text("case\n")
    for place, said in (
        (tmp_path, f"{tmp_path}: has no sweep.sqlite; is this the folder of a sweep?"),
        (tmp_path / "none", f"{tmp_path / 'none'}: no such file"),
        (tmp_path / "table.csv", f"{tmp_path / 'table.csv'}: is damaged, or is not a table of a sweep"),
    ):
        status, out, err = mempress(capsys, "export", place)
        assert (status, out) == (2, "") and err.startswith(said)


def test_a_folder_in_the_place(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sweep / "out.csv").mkdir()
    status, _, err = mempress(capsys, "export", sweep, "--to", sweep / "out.csv")
    assert status == 2 and "is a folder" in err


def test_parquet(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    to = sweep / "out.parquet"
    assert mempress(capsys, "export", sweep, "--to", to) == (0, "", "")
    table = parquet.read_table(to)
    assert table.column_names == ALL.splitlines()[0].split(",")
    kinds = {str(field.type) for field in table.schema if field.name not in ("replications",)}
    assert kinds == {"string", "double"} and str(table.schema.field("replications").type) == "int64"
    assert table["machine.memory.number"].to_pylist() == [96 << 20, 1 << 30, 64 << 20, None]
    assert table["run_time"].to_pylist() == [2.0, 0.1, None, None]
    assert table["error"].to_pylist() == ["", "", "bang,\ntwice", ""]
    assert {name: table.schema.field(name).metadata[b"unit"] for name in ("run_time", "fault_p99.half_width", "machine.memory.number")} == {
        "run_time": b"s", "fault_p99.half_width": b"us", "machine.memory.number": b"B",
    }  # fmt: skip
    meta = table.schema.metadata
    assert (meta[b"mempress.sweep"], meta[b"mempress.version"], meta[b"mempress.name"]) == (b"abc", b"1.0", b"demo")
    assert mempress(capsys, "export", sweep, "--to", to, "--limit", 0) == (0, "", "")
    assert (parquet.read_table(to).num_rows, parquet.read_table(to).num_columns) == (0, 14)


def test_parquet_of_many_rows_is_exact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with Table.create_or_open(tmp_path / "sweep.sqlite", "abc", "1.0") as table:
        table.plan((f"c{n}", str(n), "r", {"x": str(n / 7)}) for n in range(40_000))
    assert mempress(capsys, "export", tmp_path, "--to", tmp_path / "a.parquet", "--sort", "x.number:desc")[0] == 0
    assert parquet.read_table(tmp_path / "a.parquet")["x.number"].to_pylist() == [n / 7 for n in reversed(range(40_000))]
    assert parquet.ParquetFile(tmp_path / "a.parquet").num_row_groups == 2


def test_without_pyarrow(sweep: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    status, _, err = mempress(capsys, "export", sweep, "--to", sweep / "out.parquet")
    assert status == 2
    assert "Parquet needs pyarrow, which is not installed: pip install 'mempress[parquet]'" in err


LIMITED = """
import resource, sys
from sim.cli import execute
if sys.argv[2].endswith("parquet"):
    import pyarrow.parquet
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
sys.exit(execute(["export", sys.argv[1], "--to", sys.argv[2]]))
"""


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path: Path, name: str) -> None:
    if name == "out.parquet":
        pytest.importorskip("pyarrow")
    with Table.create_or_open(tmp_path / "sweep.sqlite", "abc", "1.0") as table:
        table.plan((f"c{n}", str(n), "r", {"x": repr(math.sin(n))}) for n in range(20_000))
    (tmp_path / name).write_text("an older one")
    command = [sys.executable, "-c", LIMITED, str(tmp_path), str(tmp_path / name)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{tmp_path / name}: could not be written: ") and "File too large" in done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "sweep.sqlite"]
    assert (tmp_path / name).read_text() == "an older one"


@pytest.mark.parametrize("output, said", [("/dev/full", "standard output: could not be written: No space left on device\n"), ("", "")])
def test_standard_output_that_is_full_or_gone(sweep: Path, output: str, said: str) -> None:
    command = [sys.executable, "-c", "from sim.cli import main; main()", "export", str(sweep)]
    reading, writing = os.pipe()
    os.close(reading)
    stdout = os.open(output, os.O_WRONLY) if output else writing
    done = subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    for descriptor in {writing, stdout}:
        os.close(descriptor)
    assert done.returncode != 0
    assert done.stderr == said


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.sampled_from(['"', "a,b", "\r\n", "'", ""])
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(CELLS, st.none() | CELLS, NUMBERS, NUMBERS), max_size=6), st.booleans())
def test_csv_is_what_readers_expect(rows: list[tuple[str, str | None, float | None, float | None]], units: bool) -> None:
    """Read by Python's csv module; keys' numbers are exact, figures have 14 digits."""
    columns = [Column(0, "case", "text", "", ""), Column(1, "a,b", "key", "a,b", ""),
               Column(2, "a,b.number", "key.number", "a,b", "B"), Column(3, "run_time", "mean", "run_time", "s")]  # fmt: skip
    out = io.StringIO()
    write_csv(out, columns, iter(rows), units)
    head, *read = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert head == ["case", "a,b", "a,b.number", "run_time"]
    if units:
        assert read.pop(0) == ["", "", "B", "s"]
    assert len(read) == len(rows)
    for cells, (case, key, number, mean) in zip(read, rows, strict=True):
        assert cells[:2] == [case, key or ""]
        assert (float(cells[2]) if cells[2] else None) == number
        assert (cells[3] == "") == (mean is None)
        assert mean is None or float(cells[3]) == pytest.approx(mean, rel=1e-13, abs=0)
