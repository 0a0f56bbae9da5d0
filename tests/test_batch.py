"""plan, plan --to, run --index and gather: a sweep in pieces for any scheduler, equal to the sweep in one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sim.experiment.batch import spans
from sim.experiment.planning import Estimate, in_words, pilot
from sim.folders import read_json
from sim.progress import Progress
from tests import fakes

ROOT = Path(__file__).resolve().parent.parent
CONFIG = """
name: pieces
seed: 7
replications: 2
machine: {memory: 16MiB, cpus: 1}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 64MiB}
workloads:
  - {name: w, kind: trace, file: pages.csv}
sweep:
  grid: {machine.memory: [16MiB, 20MiB], machine.cpus: [1, 2]}
published:
  - {case: "memory=16MiB,cpus=1", metric: run_time, value: 1.5, source: nobody}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    (folder / "pages.csv").write_text("op,page\n" + "".join(f"W,{k * 7 % 4500}\n" for k in range(9000)))
    (folder / "pieces.yaml").write_text(CONFIG)
    return folder / "pieces.yaml"


def mempress(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from sim.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything that must be the same wherever it was made."""
    names = ("run.json", "series.csv", "vmstat.txt", "sweep.json", "table.csv")
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in folder.glob("*/*") if p.name in names}


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep in one."""
    out = tmp_path_factory.mktemp("whole")
    done = mempress("run", config, "--out", out, "--quiet")
    assert done.returncode == 0, done.stderr
    return out


def test_a_sweep_in_pieces_is_the_sweep_in_one(config: Path, whole: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    shown = mempress("plan", config, "--to", plan, "--out", tmp_path / "none", "--no-estimate")
    assert shown.returncode == 0 and "4 runs, 0 there already" in shown.stdout and "8 simulations to do" in shown.stdout
    elsewhere = tmp_path / "elsewhere" / "moved"  # a plan needs nothing but its folder
    elsewhere.parent.mkdir()
    plan.rename(elsewhere)
    moved = config.rename(config.with_suffix(".away"))
    trace = (config.parent / "pages.csv").rename(config.parent / "pages.away")
    try:
        for index in (3, 0):
            done = mempress("run", elsewhere, "--index", index, "--quiet")
            assert done.returncode == 0, done.stderr
        half = mempress("gather", elsewhere)
        assert half.returncode == 1 and "2 of 4 runs" in half.stdout and "missing  --index 1-2" in half.stderr
        away = tmp_path / "node"  # a node without a shared file system has a copy of the folder
        shutil.copytree(elsewhere, away, ignore=shutil.ignore_patterns("runs"))
        for index in (1, 2):
            assert mempress("run", away, "--index", index, "--quiet").returncode == 0
        again = mempress("run", away, "--index", 2, "--quiet")
        assert again.returncode == 0 and "is there already" in again.stdout
        gathered = mempress("gather", elsewhere, away / "runs")
        assert gathered.returncode == 0, gathered.stderr
        assert "4 of 4 runs" in gathered.stdout
    finally:
        moved.rename(config)
        trace.rename(config.parent / "pages.csv")
    assert files_of(elsewhere / "runs") == files_of(whole)
    (sweep,) = (elsewhere / "runs").glob("pieces-*/sweep.json")
    assert (sweep.parent / "report.html").exists() and (sweep.parent / "sweep.sqlite").exists()


def test_mistakes_with_plans(config: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    assert mempress("plan", config, "--to", plan, "--no-estimate").returncode == 0
    assert mempress("plan", config, "--to", plan, "--no-estimate").returncode == 0  # the same once more
    cases = [
        (["plan", config, "--to", plan, "--no-estimate", "--set", "seed=8"], "another plan is there"),
        (["plan", config, "--to", config.parent, "--no-estimate"], "is not empty; choose another --to"),
        (["run", plan, "--index", 4], "--index 4: .* has 4 runs, 0 to 3"),
        (["run", plan, "--index", 1, "--set", "seed=2"], "--set, --trace and --retry-failed are for configurations"),
        (["run", tmp_path, "--index", 1], "is this a folder of mempress plan"),
        (["gather", plan], "none of the 4 runs is there yet"),
        (["gather", tmp_path / "nothing"], "is this a folder of mempress plan"),
    ]
    for arguments, message in cases:
        found = mempress(*arguments)
        assert found.returncode == 2 and re.search(message, found.stderr), (arguments, found.stderr)
        assert "Traceback" not in found.stderr
    (copied,) = (plan / "inputs").glob("*/pages.csv")
    copied.write_text("op,page\nW,1\n")
    found = mempress("run", plan, "--index", 1)
    assert found.returncode == 2 and "is not the file that was planned with" in found.stderr
    text = (plan / "plan.json").read_text()
    (plan / "plan.json").write_text(text.replace(read_json(plan / "plan.json")["version"], "0.0.1+abcdef"))
    found = mempress("run", plan, "--index", 1)
    assert found.returncode == 2 and "planned with mempress 0.0.1+abcdef" in found.stderr


def test_a_run_that_fails_is_told_by_gather_too(config: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    broken = config.with_name("broken.yaml")
    broken.write_text(CONFIG.replace("pages.csv", "broken.csv"))
    config.with_name("broken.csv").write_text("op,page\nW,1\nW,what\n")
    assert mempress("plan", broken, "--to", plan, "--no-estimate").returncode == 0
    done = mempress("run", plan, "--index", 1, "--quiet")
    assert done.returncode == 1 and "what" in done.stderr and "Traceback" not in done.stderr
    (config.parent / "broken.csv").unlink()
    gathered = mempress("gather", plan)
    assert gathered.returncode == 2 and "none of the 4 runs" in gathered.stderr


def test_numbers_as_a_slurm_array() -> None:
    assert spans([]) == "" and spans([4]) == "4"
    assert spans([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"


# ---------------------------------------------------------------- how long it would take


def test_a_trial_that_is_stopped_says_how_long_it_would_have_taken() -> None:
    import time

    def slow(config: object, number: int, *, progress: object) -> None:
        for step in range(1, 101):
            time.sleep(0.01)
            progress(Progress(step, step / 100, step))  # type: ignore[operator]

    case = fakes.FakeCase("x", {}, fakes.FakeConfig())
    found = pilot(slow, case, limit_s=0.2)  # type: ignore[arg-type]
    assert found is not None and 0.8 < found < 2.5

    def fails(config: object, number: int, *, progress: object) -> None:
        raise RuntimeError

    assert pilot(fails, case) is None  # type: ignore[arg-type]


def test_the_estimate_in_words() -> None:
    assert in_words(Estimate(0.98, 0.5, 1.5, 5), 192, 2) == (
        "about 96 s with 2 workers; a simulation takes about 0.98 s (0.5 to 1.5 s in 5 trials)"
    ).replace("96 s", "1 min 36 s")
    assert in_words(Estimate(0.03, 0.03, 0.03, 1), 4, 1) == "about 0 s with 1 worker; a simulation takes about 0.03 s"


def test_plan_measures(config: Path, whole: Path) -> None:
    shown = mempress("plan", config, "--out", whole.parent / "nowhere")
    assert shown.returncode == 0 and re.search(r"about \d+ s with \d workers?; a simulation takes about 0\.\d+ s", shown.stdout)
    done = mempress("plan", config, "--out", whole)
    assert "4 runs, 4 there already" in done.stdout and "0 simulations to do" in done.stdout and "about" not in done.stdout
    bad = mempress("plan", config, "--set", "machine.memory=x")
    assert bad.returncode == 2 and "Traceback" not in bad.stderr
