"""On a real Dask cluster: a scheduler and two workers as processes of their own on loopback, one worker killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim.errors import UserError
from sim.experiment.dask import open_cluster
from sim.experiment.inputs import Inputs, relocated, with_contents
from sim.folders import read_json
from sim.run import execute
from tests import fakes

distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra [dask])")
ROOT = Path(__file__).resolve().parent.parent


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """A process of Dask's, in a group of its own: a worker and the nanny that looks after it end together."""
    command = [sys.executable, "-m", *arguments]
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **quiet)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The scheduler file of a cluster of two workers."""
    folder = tmp_path_factory.mktemp("dask")
    place = folder / "scheduler.json"
    common = ["--scheduler-file", str(place)]
    processes = [start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *common)]
    try:
        for name in ("one", "two"):
            options = ["--nthreads", "1", "--local-directory", str(folder / name), "--no-dashboard", "--name", name]
            processes.append(start("distributed.cli.dask_worker", *common, *options))
        deadline = time.monotonic() + 60
        while not place.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        with distributed.Client(scheduler_file=str(place), timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
        yield str(place)
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def kill_a_worker_when(place: str, there: Any) -> threading.Thread:
    """Kill a worker process (not its nanny) once `there()`; the thread ends then."""

    def kill() -> None:
        with distributed.Client(scheduler_file=place) as client:
            pids = client.run(os.getpid)
            while not there():
                time.sleep(0.02)
            os.kill(min(pids.values()), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_killed_worker_loses_nothing_and_the_bytes_are_those_of_a_local_run(cluster: str, tmp_path: Path) -> None:
    loaded = fakes.loaded(4, ("none", "zcache", "zram", "zswap"))
    for case in loaded.cases:
        case.config.settings["sleep"] = 0.25
    far = tmp_path / "far"
    thread = kill_a_worker_when(cluster, lambda: len(list(far.glob(".replications/*/*.json"))) >= 2)
    outcome = execute(loaded, far, cluster=cluster, simulate=fakes.simulate, report=False)
    thread.join()
    assert not outcome.failed and len(outcome.cases) == 4
    here = execute(loaded, tmp_path / "here", jobs=2, simulate=fakes.simulate, report=False)
    for mine, other in zip(outcome.folders, here.folders, strict=True):
        for file in ("run.json", "series.csv", "vmstat.txt"):
            assert (mine / file).read_bytes() == (other / file).read_bytes()
    for file in ("sweep.json", "table.csv"):
        assert (outcome.folder / file).read_bytes() == (here.folder / file).read_bytes()
    with distributed.Client(scheduler_file=cluster) as client:
        client.wait_for_workers(2, timeout=60)  # the nanny has started another one


def test_the_machine_itself_runs_there(cluster: str, tmp_path: Path) -> None:
    import sim

    trace = tmp_path / "pages.csv"
    trace.write_text("op,page\n" + "".join(f"{'W' if k % 3 else 'R'},{k * 7 % 4500}\n" for k in range(20_000)))
    config = sim.Config(
        name="far",
        replications=2,
        machine=sim.Machine(memory="16MiB"),
        devices={"disk": sim.Device("ssd")},
        swap=sim.Swap(device="disk", size="64MiB"),
        workloads=[sim.Workload(name="w", kind="trace", file=str(trace))],
        sweep=sim.Sweep(grid={"machine.memory": ["16MiB", "20MiB"]}),
    )
    far = execute(sim.prepare(config), tmp_path / "far", cluster=cluster, report=False)
    here = execute(sim.prepare(config), tmp_path / "here", jobs=1, report=False)
    assert not far.failed
    for mine, other in zip(far.folders, here.folders, strict=True):
        assert (mine / "run.json").read_bytes() == (other / "run.json").read_bytes()
        assert read_json(mine / "run.json")["scalars"]["pswpout"]["mean"] > 0


def test_failures_are_told_there_too(cluster: str, tmp_path: Path) -> None:
    loaded = fakes.loaded(1, ("none", "zcache"))
    loaded.cases[1].config.settings["user_error"] = 0
    outcome = execute(loaded, tmp_path, cluster=cluster, simulate=fakes.simulate, report=False)
    assert outcome.failed == {"zcache": "replication 0: demo.yaml:7:3: machine.memory: too small"}


def test_input_files_that_a_worker_does_not_have_are_sent(tmp_path: Path) -> None:
    import sim

    trace = tmp_path / "here" / "pages.csv"
    trace.parent.mkdir()
    trace.write_text("op,page\nR,1\n")
    inputs = with_contents([trace])
    assert inputs.settle(str(tmp_path / "there")) == {str(trace): str(trace)}  # it is here: nothing is written
    assert not (tmp_path / "there").exists()
    text = trace.read_text()
    trace.unlink()
    places = inputs.settle(str(tmp_path / "there"))
    moved = Path(places[str(trace)])
    assert moved.read_text() == text and moved.name == "pages.csv" and tmp_path / "there" in moved.parents
    assert inputs.settle(str(tmp_path / "there")) == places
    trace.write_text("op,page\nW,2\n")  # another file under the same name does not count
    assert inputs.settle(str(tmp_path / "there")) == places
    config = sim.Config(name="x", machine=sim.Machine(memory="16MiB"), workloads=[sim.Workload(name="w", kind="trace", file=str(trace))])
    assert [str(path) for path in relocated(config, places).input_files()] == [str(moved)]
    assert Inputs({str(tmp_path / "gone"): ("0" * 64, None)}).settle(str(tmp_path)) == {}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("tcp://127.0.0.1:1", "no scheduler answers there"),
        ("somewhere", "expected tcp://HOST:PORT, the name of a scheduler file, local or local:WORKERS"),
        ("local:0", "at least one worker"),
    ],
)
def test_a_cluster_that_is_not_there(where: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.experiment.dask.WAIT_S", 2)
    with pytest.raises(UserError, match=message), open_cluster(where, None, []):
        pass
