"""Jobs over processes, and the folder that puts cases side by side."""

from __future__ import annotations

import csv
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sim.errors import UserError
from sim.folders import read_json
from sim.progress import Progress
from sim.run import Outcome, RunError, execute
from sim.table import Table
from sim.workers import JobError, JobUserError, Report, run_jobs, start_method
from tests import fakes


def quick(loaded: fakes.FakeLoaded, out: Path, **options: Any) -> Outcome:
    """execute without a report, which takes most of the time."""
    return execute(loaded, out, report=False, **options)


def square(job: int, report: Report) -> int:
    report(Progress(job, 0.5, job))
    return job * job


def awkward(job: Any, report: Report) -> Any:
    if job == "user":
        raise UserError("trace.csv:3: not a number")
    if job == "bug":
        raise ZeroDivisionError("nothing to divide by")
    if job == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "unsendable":
        return threading.Lock()
    time.sleep(5 if job == "slow" else 0)
    return job


@pytest.fixture(params=[1, 2, 5])
def workers(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_every_job_is_done_once(workers: int) -> None:
    heard: dict[int, Progress] = {}
    got = {done.job: done.result for done in run_jobs(square, list(range(10, 18)), workers, lambda job, p: heard.update({job: p}))}
    assert got == {k: (10 + k) ** 2 for k in range(8)}
    said = {k: Progress(10 + k, 0.5, 10 + k) for k in range(8)}
    assert heard.items() <= said.items()
    if workers == 1:  # over processes, the parent only looks now and then
        assert heard == said


def test_spawned_workers_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.workers.start_method", lambda: "spawn")
    assert {done.result for done in run_jobs(square, [1, 2, 3], 2)} == {1, 4, 9}


def test_another_thread_forbids_forking() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert start_method() == "spawn"
    finally:
        stop.set()
        thread.join()


def test_no_jobs_is_no_work() -> None:
    assert list(run_jobs(square, [], 2)) == []


def test_a_users_error_names_its_job(workers: int) -> None:
    with pytest.raises(JobUserError, match=r"^trace.csv:3: not a number$") as caught:
        list(run_jobs(awkward, ["fine", "user", "fine"], workers))
    assert caught.value.job == 1


def test_a_bug_brings_its_traceback(workers: int) -> None:
    with pytest.raises(JobError, match="ZeroDivisionError: nothing to divide by") as caught:
        list(run_jobs(awkward, ["fine", "fine", "bug"], workers))
    assert caught.value.job == 2
    assert "in awkward" in caught.value.detail


def test_a_killed_worker_is_noticed_and_the_others_are_ended() -> None:
    start = time.monotonic()
    with pytest.raises(JobError, match=r"signal 9, SIGKILL.*out of memory") as caught:
        list(run_jobs(awkward, ["slow", "killed"], 2))
    assert caught.value.job == 1
    assert time.monotonic() - start < 4  # it did not wait for the slow one


def test_a_result_that_cannot_be_sent(workers: int) -> None:
    if workers == 1:
        pytest.skip("nothing is sent in one process")
    with pytest.raises(JobError, match="cannot be sent"):
        list(run_jobs(awkward, ["fine", "unsendable"], workers))


def test_stopping_early_ends_the_workers() -> None:
    start = time.monotonic()
    for _ in run_jobs(awkward, ["fine", "slow", "slow"], 2):
        break
    assert time.monotonic() - start < 4


# ---------------------------------------------------------------- the sweep's folder


def test_a_sweep_gives_a_folder_per_case_and_one_for_all(tmp_path: Path) -> None:
    outcome = quick(fakes.loaded(2, ("none", "zcache", "zram")), tmp_path, jobs=2, simulate=fakes.simulate)
    names = [folder.name for folder in outcome.folders]
    assert [name.rpartition("-")[0] for name in names] == ["demo-none", "demo-zcache", "demo-zram"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*names, outcome.folder.name])
    sweep = read_json(outcome.folder / "sweep.json")
    assert [case["run"] for case in sweep["cases"]] == names
    assert [case["labels"] for case in sweep["cases"]] == [{"backend.kind": n} for n in ("none", "zcache", "zram")]
    assert sorted(p.name for p in outcome.folder.iterdir()) == ["provenance.json", "sweep.json", "sweep.sqlite", "table.csv"]


def test_table_csv_has_what_run_json_has(tmp_path: Path) -> None:
    outcome = quick(fakes.loaded(3, ("none", "zcache")), tmp_path, jobs=2, simulate=fakes.simulate)
    units, *rows = csv.DictReader((outcome.folder / "table.csv").read_text().splitlines())
    assert units["run_time"] == "s" and units["effective_compression.half_width"] == "%"
    assert [row["backend.kind"] for row in rows] == ["none", "zcache"]
    for row, run in zip(rows, outcome.documents, strict=True):
        for name, scalar in run["scalars"].items():
            for column, key in ((name, "mean"), (f"{name}.half_width", "half_width")):
                assert (float(row[column]) if row[column] else None) == scalar[key]


def test_one_process_and_many_give_the_same_bytes(tmp_path: Path) -> None:
    loaded = fakes.loaded(3, ("none", "zcache"))
    one = quick(loaded, tmp_path / "one", jobs=1, simulate=fakes.simulate)
    many = quick(loaded, tmp_path / "many", jobs=4, simulate=fakes.simulate)
    for a, b in zip(one.folders, many.folders, strict=True):
        for file in ("run.json", "series.csv", "vmstat.txt"):
            assert (a / file).read_bytes() == (b / file).read_bytes()
    for file in ("sweep.json", "table.csv"):
        assert (one.folder / file).read_bytes() == (many.folder / file).read_bytes()


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("how", "replication", "said"),
    [
        ("crash", 1, "replication 1: RuntimeError: the model is broken"),
        ("die", 0, "replication 0: its worker process died (exit status 3)"),
        ("user_error", 1, "replication 1: demo.yaml:7:3: machine.memory: too small"),
    ],
)
def test_a_failing_case_is_recorded_and_the_others_go_on(tmp_path: Path, jobs: int, how: str, replication: int, said: str) -> None:
    if how == "die" and jobs == 1:
        pytest.skip("with one job this process is the worker")
    loaded = fakes.loaded(2, ("none", "zcache", "zram"))
    loaded.cases[1].config.settings[how] = replication
    outcome = quick(loaded, tmp_path, jobs=jobs, simulate=fakes.simulate)
    assert outcome.failed == {"zcache": said}
    assert [case.name for case in outcome.cases] == ["none", "zram"]
    sweep = read_json(outcome.folder / "sweep.json")
    assert [entry["name"] for entry in sweep["cases"]] == ["none", "zram"]
    assert [(entry["name"], entry["error"]) for entry in sweep["failed"]] == [("zcache", said)]
    with Table.open(outcome.folder / "sweep.sqlite") as table:
        assert [(row.case, row.status, row.error) for row in table.rows()] == [
            ("none", "done", ""),
            ("zcache", "failed", said),
            ("zram", "done", ""),
        ]


def test_failed_cases_are_tried_again_only_on_request(tmp_path: Path) -> None:
    simulated: list[str] = []

    def flaky(config: fakes.FakeConfig, replication: int, **options: Any) -> Any:
        simulated.append(config.settings["backend"])
        if config.settings["backend"] != "none" and len(simulated) < 4:
            raise RuntimeError("not yet")
        return fakes.simulate(config, replication, **options)

    loaded = fakes.loaded(1, ("none", "zcache", "zram"))
    first = quick(loaded, tmp_path, jobs=1, simulate=flaky)
    assert simulated == ["none", "zcache", "zram"] and set(first.failed) == {"zcache", "zram"}
    second = quick(loaded, tmp_path, jobs=1, simulate=flaky)
    assert len(simulated) == 3 and set(second.failed) == {"zcache", "zram"} and second.reused == ["none"]
    third = quick(loaded, tmp_path, jobs=1, simulate=flaky, retry_failed=True)
    assert simulated[3:] == ["zcache", "zram"] and not third.failed
    assert [case.name for case in third.cases] == ["none", "zcache", "zram"]
    assert read_json(third.folder / "sweep.json")["failed"] == []


def test_a_sweep_without_any_result_says_why(tmp_path: Path) -> None:
    loaded = fakes.loaded(1, ("none", "zcache"))
    for case in loaded.cases:
        case.config.settings["crash"] = 0
    with pytest.raises(RunError, match=r"^none, replication 0: RuntimeError: the model is broken"):
        quick(loaded, tmp_path, jobs=1, simulate=fakes.simulate)
    with pytest.raises(UserError, match="all 2 cases of this sweep failed before; --retry-failed"):
        quick(loaded, tmp_path, jobs=1, simulate=fakes.simulate)


def test_a_lost_table_is_made_again_from_the_runs(tmp_path: Path) -> None:
    loaded = fakes.loaded(1, ("none", "zcache"))
    outcome = quick(loaded, tmp_path, jobs=1, simulate=fakes.simulate)
    path = outcome.folder / "sweep.sqlite"
    with Table.open(path) as table:
        rows = [row._replace(seconds=0.0) for row in table.rows()]
    path.unlink()
    quick(loaded, tmp_path, jobs=1, simulate=fakes.simulate)
    with Table.open(path) as table:
        assert list(table.rows()) == rows


def test_only_new_cases_are_simulated(tmp_path: Path) -> None:
    quick(fakes.loaded(1, ("none", "zcache")), tmp_path, jobs=1, simulate=fakes.simulate)
    simulated = []

    def counting(config: fakes.FakeConfig, replication: int, **options: Any) -> Any:
        simulated.append(config.settings["backend"])
        return fakes.simulate(config, replication, **options)

    outcome = quick(fakes.loaded(1, ("none", "zcache", "zram")), tmp_path, jobs=1, simulate=counting)
    assert simulated == ["zram"]
    assert outcome.reused == ["none", "zcache"]
    assert len(outcome.documents) == 3


def test_cases_that_are_the_same_are_simulated_once(tmp_path: Path) -> None:
    loaded = fakes.loaded(1, ("none", "zcache"))
    loaded.cases[1].config.settings["backend"] = "none"
    loaded.cases[1].name = loaded.cases[0].name
    outcome = quick(loaded, tmp_path, jobs=1, simulate=fakes.simulate)
    assert outcome.folders[0] == outcome.folders[1]
