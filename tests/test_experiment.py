"""The executor whose workers may die, the driver of replications, what is kept when a run is killed, and replications as many as needed."""

from __future__ import annotations

import concurrent.futures as cf
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as hs

from sim.config.replications import Precision
from sim.errors import UserError
from sim.experiment.case import Case, Finished
from sim.experiment.driver import simulate_cases
from sim.experiment.kept import Kept
from sim.experiment.place import open_place
from sim.progress import Progress, Quiet
from sim.results import Identity, Replication
from sim.run import RunError, execute
from sim.statistics import summarise
from sim.workers import Inline, Pool, WorkerDied
from tests import fakes

ROOT = Path(__file__).resolve().parent.parent


# ---------------------------------------------------------------- the pool


def die(after_s: float = 0.0) -> None:
    time.sleep(after_s)
    os.kill(os.getpid(), signal.SIGKILL)


def sleep_and_say(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def test_a_pool_is_an_executor() -> None:
    with Pool(2) as pool:
        assert isinstance(pool, cf.Executor)
        assert list(pool.map(pow, [2, 3, 4], [5, 2, 1])) == [32, 9, 4]
        assert isinstance(pool.submit(math.sqrt, -1).exception(), ValueError)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(pow, 2, 2)


def test_only_the_call_of_a_dead_worker_fails_and_another_takes_its_place() -> None:
    with Pool(2) as pool:
        futures = [pool.submit(sleep_and_say, 0.2), pool.submit(die), *(pool.submit(sleep_and_say, 0.01) for _ in range(6))]
        assert isinstance(futures[1].exception(), WorkerDied)
        pids = {future.result() for number, future in enumerate(futures) if number != 1}
        assert os.getpid() not in pids
        assert isinstance(pool.submit(die).exception(), WorkerDied) and isinstance(pool.submit(die).exception(), WorkerDied)
        assert pool.submit(pow, 2, 3).result() == 8  # also when all of the first ones are gone


def test_cancelling_a_pool_ends_its_workers_at_once() -> None:
    start = time.monotonic()
    with pytest.raises(ZeroDivisionError), Pool(2) as pool:
        futures = [pool.submit(sleep_and_say, 30) for _ in range(4)]
        time.sleep(0.3)
        raise ZeroDivisionError
    assert time.monotonic() - start < 10
    assert all(future.done() for future in futures)
    assert threading.active_count() == 1 or not any(t.name == "mempress-pool" for t in threading.enumerate())


def test_inline_calls_are_done_at_once_and_can_tell_how_far_they_are() -> None:
    heard: list[Progress] = []
    inline = Inline(heard.append)
    assert inline.submit(_tell_and_add, 1, 2).result() == 3 and heard == [Progress(1, 0.5, 2)]
    assert isinstance(inline.submit(math.sqrt, -1).exception(), ValueError)


def _tell_and_add(a: int, b: int) -> int:
    from sim.workers import report

    report(Progress(a, 0.5, b))
    return a + b


# ---------------------------------------------------------------- replications that are kept


def replication(seed: int = 1) -> Replication:
    found = fakes.simulate(fakes.FakeConfig(settings={"backend": "zcache", "steps": 5}), seed)
    return found._replace(scalars={**found.scalars, "nothing": math.nan, "endless": math.inf, "third": 1 / 3})


def test_what_is_kept_comes_back_to_the_bit(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.save("abc", 3, replication())
    (found,) = kept.load("abc").values()
    assert repr(found) == repr(replication())
    kept.drop("abc")
    assert kept.load("abc") == {} and list(tmp_path.iterdir()) == []


def test_damaged_leftovers_count_as_not_there(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    for number in range(3):
        kept.save("abc", number, replication(number))
    folder = tmp_path / ".replications" / "abc"
    (folder / "1.json").write_text((folder / "1.json").read_text()[:1000])
    (folder / "7.partial-1").write_text("half")
    (folder / "x.json").write_text("{}")
    assert sorted(kept.load("abc")) == [0, 2]


def test_a_run_goes_on_with_the_replications_that_are_there(tmp_path: Path) -> None:
    loaded = fakes.loaded(4, settings={"crash": 2})
    with pytest.raises(RunError, match="the model is broken"):
        execute(loaded, tmp_path, jobs=1, simulate=fakes.simulate, report=False)
    done: list[int] = []

    def counting(config: Any, number: int, **options: Any) -> Replication:
        done.append(number)
        return fakes.simulate(fakes.FakeConfig(settings={}), number, **options)

    outcome = execute(loaded, tmp_path, jobs=1, simulate=counting, report=False)
    assert done == [2, 3]
    assert [p.name for p in tmp_path.iterdir()] == [outcome.folder.name]  # and nothing is left behind
    whole = execute(fakes.loaded(4), tmp_path / "whole", jobs=1, simulate=fakes.simulate, report=False)
    for file in ("series.csv", "vmstat.txt"):
        assert (outcome.folder / file).read_bytes() == (whole.folder / file).read_bytes()


KILLED = """
import sys, pathlib
from tests import fakes
from sim.run import run
loaded = fakes.loaded(3, ('none', 'zcache', 'zram', 'zswap'))
for case in loaded.cases:
    case.config.settings['sleep'] = float(sys.argv[2])
sys.exit(run(loaded, pathlib.Path(sys.argv[1]), jobs=2, simulate=fakes.simulate, quiet=True))
"""


def done_so_far(out: Path) -> set[tuple[str, int]]:
    """Replications that are on disk: those of complete cases, and those kept of others."""
    runs = {p.parent.name.rpartition("-")[2]: json.loads(p.read_text())["replications"] for p in out.glob("demo-*/run.json")}
    found = {(run, number) for run, count in runs.items() for number in range(count)}
    return found | {(p.parent.name, int(p.stem)) for p in out.glob(".replications/*/*.json")}


@pytest.mark.parametrize("after_s", [0.6, 1.0, 1.5])
def test_kill_9_loses_at_most_the_runs_in_flight(tmp_path: Path, after_s: float) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), "0.2"], cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 30
    while not done_so_far(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(after_s - 0.5)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    before = done_so_far(tmp_path)
    assert 0 < len(before) < 12
    simulated: list[tuple[str, int]] = []

    def counting(config: fakes.FakeConfig, number: int, **options: Any) -> Replication:
        simulated.append((config.settings["backend"], number))
        return fakes.simulate(fakes.FakeConfig(settings={"backend": config.settings["backend"]}), number, **options)

    loaded = fakes.loaded(3, ("none", "zcache", "zram", "zswap"))
    for case in loaded.cases:
        case.config.settings["sleep"] = 0.2
    outcome = execute(loaded, tmp_path, jobs=1, simulate=counting, report=False)
    assert len(simulated) == 12 - len(before)  # nothing that was finished is done again
    quiet = execute(loaded, tmp_path / "whole", jobs=1, simulate=fakes.simulate, report=False)
    for mine, other in zip(outcome.folders, quiet.folders, strict=True):
        for file in ("run.json", "series.csv", "vmstat.txt"):
            assert (mine / file).read_bytes() == (other / file).read_bytes()
    for file in ("sweep.json", "table.csv"):
        assert (outcome.folder / file).read_bytes() == (quiet.folder / file).read_bytes()
    assert not list(tmp_path.glob("*/.replications")) and not (tmp_path / ".replications").exists()


# ---------------------------------------------------------------- as many replications as needed


@dataclass
class Adaptive:
    """A configuration whose number of replications follows from a figure."""

    precision: Precision
    noise: float = 0.0
    fails_at: int = -1

    @property
    def most_replications(self) -> int:
        return self.precision.most


def noisy(config: Adaptive, number: int, **_: Any) -> Replication:
    if number == config.fails_at:
        raise UserError("no such page")
    value = 100.0 + config.noise * (math.sin(12.9898 * number + 1) * 43758.5453 % 1.0)
    return Replication({"figure": value}, {}, {}, {}, {}, [], 1, 1.0)


def drive(configs: list[Adaptive], jobs: int, kept: Kept | None = None) -> list[Finished]:
    cases = [Case(f"c{k}", {}, config, Identity(f"c{k}", f"id{k}", {}, {})) for k, config in enumerate(configs)]
    calls = sum(config.most_replications for config in configs)
    with open_place(None, jobs, calls) as place:
        found = list(simulate_cases(cases, noisy, place, Quiet(), kept))
    return sorted(found, key=lambda finished: finished.case.name)


@settings(deadline=None, max_examples=40)
@given(hs.floats(0, 40), hs.floats(0.001, 0.2), hs.integers(2, 6), hs.integers(0, 30))
def test_replications_are_added_until_the_interval_is_narrow_enough(noise: float, width: float, least: int, more: int) -> None:
    rule = Precision("figure", width, True, least, least + more)
    (finished,) = drive([Adaptive(rule, noise)], 1)
    values = [r.scalars["figure"] for r in finished.replications]
    assert values == [noisy(Adaptive(rule, noise), k).scalars["figure"] for k in range(len(values))]
    assert least <= len(values) <= least + more

    def narrow(count: int) -> bool:
        found = summarise(values[:count])
        assert found.half_width is not None and found.mean is not None
        return found.half_width <= width * found.mean

    assert narrow(len(values)) or len(values) == least + more
    assert not any(narrow(count) for count in range(least, len(values)))  # and not one more than that


def test_workers_that_run_ahead_do_not_change_the_number_of_replications() -> None:
    configs = [Adaptive(Precision("figure", 0.01 * (k + 1), True, 3, 40), 10.0) for k in range(5)]
    counts = [[len(finished.replications) for finished in drive(configs, jobs)] for jobs in (1, 2, 5)]
    assert counts[0] == counts[1] == counts[2] and len(set(counts[0])) > 1


def test_a_failure_among_them_is_that_of_the_first_replication_that_fails() -> None:
    (finished,) = drive([Adaptive(Precision("figure", 0.0001, True, 3, 40), 10.0, fails_at=5)], 3)
    assert finished.failure is not None and finished.replications == []
    assert (finished.failure.replication, finished.failure.message, finished.failure.of_user) == (5, "no such page", True)


def test_kept_replications_count_for_adaptive_cases(tmp_path: Path) -> None:
    config = Adaptive(Precision("figure", 0.01, True, 3, 40), 10.0)
    (whole,) = drive([config], 1)
    kept = Kept(tmp_path)
    for number in (0, 1, 2, 4):
        kept.save("id0", number, whole.replications[number])
    (again,) = drive([config], 1, kept)
    assert again.replications == whole.replications
