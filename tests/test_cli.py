"""The command line end to end: exit statuses, what goes where, that nothing heavy is imported, and no tracebacks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from sim import cli
from sim.config.names import FOLDERS, NOUNS, entries
from sim.config.reference import json_schema
from sim.config.text import markdown
from sim.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("numba", "llvmlite", "numpy", "scipy", "matplotlib", "simpy", "jinja2", "lz4")
GOOD = """\
name: small
machine: {memory: 64MiB}
devices: {disk: ssd}
swap: {device: disk, size: 128MiB}
backend: {kind: zcache, persistent: {allocator: xcfmalloc}}
workloads: [{name: hot, kind: zipf, size: 96MiB}]
sweep: {grid: {backend.kind: [none, zcache]}}
"""


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return str(path)


def mempress(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **(env or {})}
    command = [sys.executable, str(ROOT / "run_sim.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


def imported_by(arguments: Sequence[str]) -> set[str]:
    """Top-level modules in memory after a command."""
    code = f"import sys; from sim.cli import execute; execute({list(arguments)!r}); print('MODULES', *sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return {name.partition(".")[0] for name in done.stderr.rpartition("MODULES ")[2].split()}


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list"], ["list", "allocators"], ["schema"], ["--version"]])
def test_done(arguments: list[str]) -> None:
    done = mempress(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("command", ["--help", "list", "schema", "check"])
def test_nothing_heavy_is_imported(command: str, good: str) -> None:
    modules = imported_by([command, good] if command == "check" else [command])
    assert "sim" in modules and not modules & set(HEAVY)
    assert command not in ("--help", "list") or not modules & {"pydantic", "yaml"}


@pytest.mark.parametrize("command", ["--help", "list", "schema", "check"])
def test_starts_at_once(command: str, good: str) -> None:
    """Under half a second of processor time, so that a busy machine does not decide."""
    arguments = [command, good] if command == "check" else [command]
    mempress(*arguments)
    best = float("inf")
    for _ in range(3):
        before = os.times()
        mempress(*arguments)
        after = os.times()
        best = min(best, after.children_user - before.children_user + after.children_system - before.children_system)
    assert best < 0.5


def test_check_prints_every_value_and_its_origin(good: str) -> None:
    done = mempress("check", good, "--set", "machine.memory=80MiB", "--set", "seed=7")
    assert done.returncode == 0 and done.stderr == ""
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line and not line.startswith("case")}
    assert rows["machine.memory"] == ["80MiB", "--set", "machine.memory"]
    assert rows["seed"] == ["7", "--set", "seed"]
    assert rows["swap.size"] == ["128MiB", f"{good}:4"]
    assert rows["costs.fault"] == ["500ns", "default"]
    assert rows["costs.copy"][:3] == ["60ns", "per", "KiB"]
    assert rows["devices.disk.bandwidth"] == ["530MB/s", "default"]
    assert rows["backend.persistent.allocator.header"] == ["64", "bit", "default"]
    assert "case  backend=none" in done.stdout and "2 cases, 10 runs" in done.stdout


def test_check_lists_all_errors(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace("64MiB", "64").replace("ssd", "sdd").replace("size: 96MiB", "sise: 96MiB"))
    done = mempress("check", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [f"{path}:2:19", f"{path}:3:17", f"{path}:6:37"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["check"],
        ["check", "nix.yaml"],
        ["check", "/"],
        ["list", "nonsense"],
        ["run", "nix.yaml"],
        ["check", "--nonsense", "x"],
    ],
)
def test_wrong_input_is_2_without_a_traceback(arguments: list[str]) -> None:
    done = mempress(*arguments)
    assert done.returncode == 2
    assert done.stderr and "Traceback" not in done.stderr and "internal" not in done.stderr


def test_wrong_input_leaves_nothing_behind(tmp_path: Path) -> None:
    out = tmp_path / "results"
    done = mempress("run", str(tmp_path / "nix.yaml"), "--out", str(out))
    assert done.returncode == 2 and not out.exists()


def test_what_only_shows_when_the_run_is_planned_has_its_line(tmp_path: Path) -> None:
    """Files larger than their device, a swap area larger than its device; a trace's own errors name the trace."""
    path, out = tmp_path / "big.yaml", tmp_path / "results"
    text = """name: big
machine: {memory: 64MiB}
devices: {disk: {kind: ssd, capacity: 1GB}}
swap: {device: disk, size: 100MiB}
workloads:
  - {name: small, kind: file, size: 10MiB, accesses: 1000, contents: {kind: distribution}}
  - {name: server, kind: file, size: 2GiB, accesses: 1000, contents: {kind: distribution}}
"""
    (tmp_path / "io.txt").write_text("0 0 8 r\n-5 0 8 r\n")
    io_trace = "kind: io-trace, files: [io.txt], contents"
    for changed, place, what in (
        (text, f"{path}:7: ", "the device that holds them has"),
        (text.replace("2GiB", "848MiB"), f"{path}:7: ", "file file.0 does not fit on device disk"),
        (text.replace("2GiB", "1MiB").replace("size: 100MiB", "size: 2GiB"), f"{path}:4: ", "swap.size: 2GiB do not fit"),
        (text.replace("kind: file, size: 2GiB, accesses: 1000, contents", io_trace), f"{tmp_path / 'io.txt'}:2: ", ""),
    ):
        path.write_text(changed)
        done = mempress("run", str(path), "--out", str(out))
        told = done.stderr.splitlines()[-1]  # behind what may be said of compiling
        assert done.returncode == 2 and told.startswith(place) and what in told, done.stderr
        assert not list(out.glob("*"))


def test_closed_pipe_is_quiet(good: str) -> None:
    command = f"{sys.executable} {ROOT / 'run_sim.py'} schema | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "" and len(done.stdout) == 10


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    module = ModuleType(name)
    for member, value in members.items():
        setattr(module, member, value)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (UserError("c.yaml:1:2: wrong"), 2, "c.yaml:1:2: wrong\n"),
        (KeyboardInterrupt(), 1, "\nmempress: stopped\n"),
        (ZeroDivisionError("by\nzero"), 1, "mempress: internal error: ZeroDivisionError: by zero (MEMPRESS_DEBUG=1 shows where)\n"),
        (MemoryError(), 1, "mempress: internal error: MemoryError (MEMPRESS_DEBUG=1 shows where)\n"),
    ],
)
def test_exit_status_of_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], good: str, error: BaseException, status: int, text: str
) -> None:
    def run(*_arguments: object, **_options: object) -> int:
        raise error

    monkeypatch.delenv("MEMPRESS_DEBUG", raising=False)
    fake(monkeypatch, "sim.run", run=run)
    assert cli.execute(["run", good]) == status
    assert capsys.readouterr().err == text


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], good: str) -> None:
    fake(monkeypatch, "sim.run", run=lambda *_a, **_o: 1 / 0)
    monkeypatch.setenv("MEMPRESS_DEBUG", "1")
    assert cli.execute(["run", good]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_run_passes_its_options_on(monkeypatch: pytest.MonkeyPatch, good: str, tmp_path: Path) -> None:
    seen: dict[str, object] = {}

    def run(loaded: object, **options: object) -> int:
        seen.update(options, loaded=loaded)
        return 1

    fake(monkeypatch, "sim.run", run=run)
    arguments = [
        "run",
        good,
        "--set",
        "sweep=null",
        "--out",
        str(tmp_path),
        "--again",
        "--jobs",
        "2",
        "--trace",
        "t.log",
        "--check",
        "--quiet",
    ]
    assert cli.execute(arguments) == 1
    loaded = seen.pop("loaded")
    assert [case.name for case in loaded.cases] == ["small"]  # type: ignore[attr-defined]
    wanted = {"out": tmp_path, "again": True, "jobs": 2, "trace": Path("t.log"), "check": True, "quiet": True}
    assert seen == {**wanted, "retry_failed": False, "cluster": None}


def test_other_commands_reach_their_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake(monkeypatch, "sim.replay", replay=lambda trace, name, out: print("replay", trace, name, file=out))
    fake(monkeypatch, "sim.report", write_report=lambda folder: folder / "report.html")
    fake(monkeypatch, "sim.events", explain_page=lambda trace, page, out: print("page", page, trace, file=out))
    assert cli.execute(["replay", "t.gz", "--allocator", "xcfmalloc-v2-64bit"]) == 0
    assert cli.execute(["report", "results/x"]) == 0
    assert cli.execute(["explain-page", "5", "--trace", "log"]) == 0
    assert capsys.readouterr().out == "replay t.gz xcfmalloc-v2-64bit\nresults/x/report.html\npage 5 log\n"


def test_list_names_everything_once_with_a_source() -> None:
    lines = mempress("list").stdout.splitlines()
    names = [(NOUNS[folder], entry.name) for folder, entry in entries()]  # a policy and a table of contents may both be called random
    listed = [tuple(re.split(r" {2,}", line)[:2]) for line in lines]
    assert all(listed.count(name) == 1 for name in names), listed
    assert all(entry.doc and entry.source for _, entry in entries())
    assert len(lines) > len(names)  # the tables of contents too


def test_schema_knows_every_name() -> None:
    schema = json.loads(mempress("schema").stdout)
    assert schema == json.loads(json.dumps(json_schema()))
    assert set(FOLDERS) < set(schema["$defs"])
    for folder, entry in entries():
        titles = [kind.get("title") for kind in schema["$defs"][folder]["anyOf"]]
        assert entry.name in titles
    assert schema["properties"]["machine"]["additionalProperties"] is False


def test_reference_page_is_up_to_date() -> None:
    """docs/configuration.md is what `mempress schema --markdown` prints."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == "".join(line.rstrip() + "\n" for line in markdown()), "run: mempress schema --markdown > docs/configuration.md"
