"""`run`: what is written, what is printed where, what is repeated, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from sim import progress
from sim.errors import UserError
from sim.progress import Progress
from sim.run import Outcome, execute, run
from tests import fakes

ROOT = Path(__file__).resolve().parent.parent


def quick(loaded: fakes.FakeLoaded, out: Path, **options: Any) -> Outcome:
    """execute without a report, which takes most of the time."""
    return execute(loaded, out, report=False, **options)


def fails(*_args: Any, **_options: Any) -> Any:
    raise AssertionError("nothing was to be simulated")


def test_a_run_prints_its_figures_and_where_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(fakes.loaded(3), tmp_path, jobs=1, simulate=fakes.simulate, quiet=True) == 0
    (folder,) = tmp_path.iterdir()
    assert sorted(p.name for p in folder.iterdir()) == ["provenance.json", "report.html", "run.json", "series.csv", "vmstat.txt"]
    printed = capsys.readouterr()
    assert printed.err == ""
    line = next(line for line in printed.out.splitlines() if line.startswith("run_time"))
    assert "±" in line and " s " in line
    assert f"results  {folder}" in printed.out and f"report   {folder / 'report.html'}" in printed.out


def test_a_run_that_is_there_is_reported_and_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = quick(fakes.loaded(2), tmp_path, jobs=1, simulate=fakes.simulate)
    before = (first.folder / "provenance.json").read_bytes()
    assert run(fakes.loaded(2), tmp_path, simulate=fails, quiet=True) == 0
    assert "there already" in capsys.readouterr().out
    assert (first.folder / "provenance.json").read_bytes() == before


def test_again_replaces_it(tmp_path: Path) -> None:
    first = quick(fakes.loaded(1), tmp_path, jobs=1, simulate=fakes.simulate)
    (first.folder / "run.json").write_text((first.folder / "run.json").read_text().replace("done", "odd"))
    second = quick(fakes.loaded(1), tmp_path, again=True, jobs=1, simulate=fakes.simulate)
    assert second.folder == first.folder and second.reused == []
    assert "odd" not in (second.folder / "run.json").read_text()


def test_a_missing_report_is_made_without_simulating(tmp_path: Path) -> None:
    first = quick(fakes.loaded(1), tmp_path, jobs=1, simulate=fakes.simulate)
    assert not first.report.exists()
    assert execute(fakes.loaded(1), tmp_path, simulate=fails).report.exists()


def test_published_figures_stand_beside_the_simulated_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = fakes.loaded(2, ("none", "zcache"))
    loaded.config.published.append(fakes.Figure("zcache", "effective_compression", 78.11, "mail of 2011-09-07", "spread is fitted"))
    assert run(loaded, tmp_path, jobs=1, simulate=fakes.simulate, quiet=True) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "78.11" in line)
    assert "zcache" in line and "mail of 2011-09-07; spread is fitted" in line
    mean = quick(loaded, tmp_path, simulate=fails).documents[1]["scalars"]["effective_compression"]["mean"]
    assert f"{100 * (mean - 78.11) / 78.11:+.2f} %" in line


def test_trace_goes_to_replication_0_and_is_there_only_when_whole(tmp_path: Path) -> None:
    log = tmp_path / "events.log"
    quick(fakes.loaded(2), tmp_path / "out", jobs=1, trace=log, simulate=fakes.simulate)
    assert log.read_text() == "an event log\n"
    log.unlink()
    loaded = fakes.loaded(2, settings={"user_error": 1})
    with pytest.raises(UserError):
        quick(loaded, tmp_path / "out", jobs=1, trace=log, simulate=fakes.simulate)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_trace_and_check_simulate_what_is_there_already(tmp_path: Path) -> None:
    quick(fakes.loaded(1), tmp_path / "out", jobs=1, simulate=fakes.simulate)
    assert quick(fakes.loaded(1), tmp_path / "out", jobs=1, check=True, simulate=fakes.simulate).reused == []
    quick(fakes.loaded(1), tmp_path / "out", jobs=1, trace=tmp_path / "log", simulate=fakes.simulate)
    assert (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trace": Path("/nowhere/at/all/log")}, "does not exist or cannot be written"),
        ({"trace": Path("/")}, "is a folder"),
        ({"jobs": 0}, "at least one is needed"),
    ],
)
def test_bad_options_stop_it_before_it_simulates(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(fakes.loaded(1), tmp_path, simulate=fails, quiet=True, **options)


def test_a_trace_of_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 cases"):
        run(fakes.loaded(1, ("none", "zcache")), tmp_path, trace=tmp_path / "log", simulate=fails, quiet=True)


def test_an_unusable_place_stops_it_before_it_simulates(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        run(fakes.loaded(1), tmp_path / "file", simulate=fails, quiet=True)


def test_a_broken_model_gives_status_1_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(fakes.loaded(2, settings={"crash": 1}), tmp_path, jobs=1, simulate=fakes.simulate, quiet=True) == 1
    assert "demo, replication 1: RuntimeError: the model is broken" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [".replications"]  # replication 0 is kept for the next try


@pytest.mark.parametrize("group", [True, False])
def test_ctrl_c_ends_it_cleanly_and_keeps_finished_cases(tmp_path: Path, group: bool) -> None:
    """`group`: as from a terminal, which signals the workers too; otherwise only the parent hears it."""
    code = (
        "import sys, pathlib, signal\nfrom tests import fakes\nfrom sim.run import run\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a suite started in the background ignores it
        "loaded = fakes.loaded(2, ('none', 'zcache'))\nloaded.cases[1].config.settings['sleep'] = 60\n"
        "sys.exit(run(loaded, pathlib.Path(sys.argv[1]), jobs=2, simulate=fakes.simulate))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.monotonic() + 30
    while not any(p.name.startswith("demo-none") for p in tmp_path.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)
    (os.killpg if group else os.kill)(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 1
    assert "stopped" in err and "Traceback" not in err
    assert sorted(p.name.rpartition("-")[0] for p in tmp_path.iterdir() if p.name[0] != ".") == ["demo", "demo-none"]


# ---------------------------------------------------------------- progress


class Clock:
    """Stands for the time module."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def test_a_log_line_now_and_then(clock: Clock) -> None:
    stream = StringIO()
    log = progress.Log(stream)
    log.start("demo", 4)
    log.update(0, Progress(10**9, 0.5, 1000))
    assert stream.getvalue() == ""  # it has only begun
    clock.now += 10
    log.update(0, Progress(2 * 10**9, 0.8, 2_000_000))
    assert stream.getvalue() == "mempress: demo: 20%, 0 of 4 runs, 2.0 s simulated, 200.0 k accesses/s, about 40 s left\n"
    clock.now += 5
    log.finished(0, 2.5, 3_000_000)
    clock.now += 5
    log.update(1, Progress(10**9, 0.2, 1_000_000))
    assert stream.getvalue().splitlines()[1] == "mempress: demo: 30%, 1 of 4 runs, 3.5 s simulated, 200.0 k accesses/s, about 47 s left"


def test_failures_are_counted_apart(clock: Clock) -> None:
    stream = StringIO()
    log = progress.Log(stream)
    log.start("demo", 4)
    log.update(0, Progress(10**9, 0.5, 1_000_000))
    log.failed(0)
    log.failed(1)  # before it said anything
    clock.now += 10
    log.finished(2, 1.0, 1_000_000)
    assert stream.getvalue() == "mempress: demo: 75%, 1 of 4 runs, 2 failed, 2.0 s simulated, 200.0 k accesses/s, about 3 s left\n"
    clock.now += 10
    log.failed(3)
    assert "100%, 1 of 4 runs, 3 failed, " in stream.getvalue().splitlines()[1]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_shows_failures_at_once_and_the_rest_ten_times_a_second(clock: Clock) -> None:
    stream = Terminal()
    bar = progress.reporter(stream=stream)
    bar.start("demo", 2)
    for _ in range(100):
        clock.now += 0.02
        bar.update(0, Progress(10**9, 0.5, 1000))
    assert 10 <= stream.getvalue().count("0 of 2 runs") <= 25
    bar.failed(0)
    assert "0 of 2 runs, 1 failed" in stream.getvalue()
    bar.close()


def test_a_bar_is_drawn_on_a_terminal() -> None:
    stream = Terminal()
    bar = progress.reporter(stream=stream)
    assert isinstance(bar, progress.Bar)
    bar.start("demo", 2)
    bar.finished(0, 1.0, 10)
    bar.close()
    assert "demo" in stream.getvalue() and "1 of 2 runs" in stream.getvalue()


def test_quiet_prints_nothing_and_a_file_gets_lines() -> None:
    assert isinstance(progress.reporter(quiet=True), progress.Quiet)
    assert isinstance(progress.reporter(stream=StringIO()), progress.Log)


@pytest.mark.parametrize(("seconds", "text"), [(None, "?"), (4.4, "4 s"), (100, "1 min 40 s"), (7200, "2 h 0 min")])
def test_times_as_a_person_says_them(seconds: float | None, text: str) -> None:
    assert progress.duration(seconds) == text
