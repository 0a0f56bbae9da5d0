"""A fleet: drawing VMs, what is wrong with a section, figures with intervals, going on after a stop, the command."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sim.cli import execute as command_line
from sim.config.problems import Problem
from sim.config.tree import Node, Where, plain, tree_of
from sim.errors import UserError
from sim.fleet.draws import Continuous, Wrong, distribution
from sim.fleet.figures import derive, differences, target_of
from sim.fleet.intervals import holm, paired, quantile, ratio, wilson
from sim.fleet.plan import load_fleet
from sim.fleet.run import execute
from sim.fleet.store import Store
from sim.folders import FLEET_FILE, VMS_FILE
from sim.results import Replication, identify

ROOT = Path(__file__).parent.parent
HEAD = """
name: tiny
seed: 3
duration: 2s
machine: {memory: 24MiB, kernel_reserved: 2MiB, cpus: 1}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 64MiB}
workloads: [{name: app, kind: zipf, size: 20MiB, accesses: 2000, fill: true}]
output: {interval: 1s}
"""
FLEET = """
fleet:
  vms: 12
  draw:
    workloads.app.size: {lognormal: {median: 20MiB, sigma: 0.4}, low: 8MiB, high: 50MiB}
    workloads.app.accesses: {uniform: {low: 1000, high: 3000}}
  settings:
    backend.kind: [none, zcache]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "fleet.yaml"
    path.write_text(HEAD + text)
    return path


def problem_of(folder: Path, text: str, *sets: str) -> str:
    with pytest.raises(UserError) as caught:
        load_fleet(written(folder, text), sets)
    return str(caught.value)


# ---------------------------------------------------------------- distributions


def read_as(value: Any) -> Any:
    return distribution(("x",), tree_of(value, Where("test")))


def drawn(value: Any, u: float, whole: bool = False) -> Any:
    return plain(read_as(value).at(u, whole))


def test_quantiles_by_hand() -> None:
    assert drawn({"uniform": {"low": 10, "high": 20}}, 0.25) == 12.5
    assert drawn({"uniform": {"low": 10, "high": 20}}, 0.25, whole=True) == 12
    assert drawn({"loguniform": {"low": "100us", "high": "10ms"}}, 0.5) == "1000000ns"
    assert drawn({"lognormal": {"median": "80MiB", "sigma": 0.4}}, 0.5) == f"{80 << 20}B"
    assert drawn({"normal": {"mean": 5.0, "sd": 2.0}}, 0.975) == pytest.approx(5 + 2 * 1.959964, abs=1e-5)
    assert [drawn(["a", "b"], u) for u in (0.0, 0.49, 0.5, 0.999)] == ["a", "a", "b", "b"]
    assert [drawn({"values": [1, 2, 3], "weights": [2, 0, 2]}, u) for u in (0.0, 0.49, 0.51)] == [1, 1, 3]


@given(u=some.floats(0, 1, exclude_max=True), median=some.floats(1, 1e6), sigma=some.floats(0.05, 2), cut=some.floats(0.1, 0.9))
def test_a_cut_lognormal_stays_inside_and_rises(u: float, median: float, sigma: float, cut: float) -> None:
    low, high = median * math.exp(-sigma * cut), median * math.exp(sigma / cut)
    shape = read_as({"lognormal": {"median": median, "sigma": sigma}, "low": low, "high": high})
    assert isinstance(shape, Continuous)
    value = shape.at(u, False).value
    assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9)
    assert shape.at(u / 2, False).value <= value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (3, "found 3; expected a list of values"),
        ({"gamma": {"k": 1}}, "expected a list of values"),
        ({"uniform": {"low": 1}}, "expected a mapping with low and high"),
        ({"uniform": {"low": 2, "high": 1}}, "low 2 and high 1"),
        ({"uniform": {"low": "1MiB", "high": "1s"}}, "different units"),
        ({"loguniform": {"low": 0, "high": 1}}, "a number above 0"),
        ({"lognormal": {"median": 1, "sigma": 1}, "low": "1MiB", "high": "2MiB"}, "low and high of the distribution's own unit"),
        ({"normal": {"mean": 0, "sd": 1}, "low": 100, "high": 101}, "leave nothing"),
        ({"normal": {"mean": "much", "sd": 1}}, "found 'much'"),
        ({"values": []}, "at least one value"),
        ({"values": [1, 2], "weights": [1]}, "2 numbers of at least 0"),
        ({"values": [1], "weight": [1]}, "an unknown key"),
    ],
)
def test_what_is_no_distribution(value: Any, says: str) -> None:
    with pytest.raises(Wrong) as caught:
        read_as(value)
    problem: Problem = caught.value.problem
    assert says in problem.text()
    assert problem.path[0] == "x"


# ---------------------------------------------------------------- drawing VMs


def test_vms_do_not_depend_on_how_many_there_are_nor_on_other_keys(tmp_path: Path) -> None:
    few = load_fleet(written(tmp_path, FLEET))
    many = load_fleet(written(tmp_path, FLEET), ["fleet.vms=20", "fleet.draw.workloads.app.think={loguniform: {low: 1us, high: 1ms}}"])
    for vm, again in zip(few.vms, many.vms, strict=False):
        assert again.drawn["workloads.app.size"] == vm.drawn["workloads.app.size"]
        assert again.drawn["workloads.app.accesses"] == vm.drawn["workloads.app.accesses"]
    assert len({vm.drawn["workloads.app.size"] for vm in many.vms}) == 20


def test_settings_see_the_same_vms(tmp_path: Path) -> None:
    plan = load_fleet(written(tmp_path, FLEET))
    assert [name for name, _ in plan.settings] == ["backend=none", "backend=zcache"]
    for first, second in zip(plan.jobs[::2], plan.jobs[1::2], strict=True):
        one, other = plan.drawer.config(first), plan.drawer.config(second)
        assert (first.vm, one.seed, one.workloads) == (second.vm, other.seed, other.workloads)
        assert (one.backend.kind, other.backend.kind) == ("none", "zcache")
        assert one.replications == 1
        assert one.fleet is None
        assert identify(one).id == first.id
    assert len({plan.drawer.config(job).seed for job in plan.jobs}) == 12


def test_templates_are_drawn_by_weight_and_draw_for_themselves(tmp_path: Path) -> None:
    text = """
fleet:
  vms: 400
  draw: {workloads.app.alpha: {uniform: {low: 0.5, high: 1.0}}}
  templates:
    batch: {weight: 3, set: {machine.memory: 32MiB}}
    web: {set: {workloads.app.kind: uniform}, draw: {machine.memory: [24MiB, 28MiB]}}
    never: {weight: 0}
"""
    path = written(tmp_path, text)
    with pytest.raises(UserError, match=r"alpha: found an unknown key"):  # a uniform workload has no alpha
        load_fleet(path)
    plan = load_fleet(written(tmp_path, text.replace("draw: {workloads.app.alpha: {uniform: {low: 0.5, high: 1.0}}}", "draw: {}")))
    share = fmean(vm.template == "batch" for vm in plan.vms)
    assert abs(share - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 400)
    assert {vm.template for vm in plan.vms} == {"batch", "web"}
    for vm, job in zip(plan.vms, plan.jobs, strict=True):
        config = plan.drawer.config(job)
        assert (config.workloads[0].kind == "uniform") == (vm.template == "web")
        assert (config.machine.memory == 32 << 20) == (vm.template == "batch")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fleet: {draw: {}}", "fleet.vms: found nothing"),
        ("fleet: {vms: 0}", "found 0"),
        ("fleet: {vms: 60000, settings: {backend.kind: [none, zcache]}}", "at most 100,000 runs"),
        ("fleet: {vms: 2, draw: {machine.memry: [24MiB, 32MiB]}}", "did you mean memory"),
        ("fleet: {vms: 2, draw: {workloads.db.size: [24MiB]}}", "'db'"),
        ("fleet: {vms: 2, draw: {seed: [1, 2]}}", "a key that cannot be drawn"),
        ("fleet: {vms: 2, draw: {machine.memory: [1, 2]}}", "a number needs a unit"),
        ("fleet: {vms: 2, draw: {machine.memory: {uniform: {low: 1KiB, high: 2KiB}}}}", "in the case VM 0"),
        ("fleet: {vms: 2, settings: {backend.knd: [none]}}", "knd"),
        ("fleet: {vms: 2, settings: {backend.kind: []}}", "at least 1"),
        ("fleet: {vms: 2, targets: {promotions: {most: 1}}}", "did you mean promotion_rate"),
        ("fleet: {vms: 2, targets: {psi_memory_full: {}}}", "either `most` or `least`"),
        ("fleet: {vms: 2, templates: {a: {weight: 0}}}", "weights that are all 0"),
        ("fleet: {vms: 2}\nsweep: {grid: {seed: [1, 2]}}", "a sweep beside a fleet"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    found = problem_of(tmp_path, text)
    assert says in found
    assert "fleet.yaml:1" in found  # line 10 and on


def test_an_override_that_the_fleet_would_undo(tmp_path: Path) -> None:
    assert "set it below `fleet`" in problem_of(tmp_path, FLEET, "workloads.app.size=12MiB")
    assert "set it below `fleet`" in problem_of(tmp_path, FLEET, "backend.kind=none")


# ---------------------------------------------------------------- intervals


def test_order_statistics_of_the_median_by_hand() -> None:
    """n = 10, median: binomial(10, 1/2) gives ranks 2 and 9 (P = 1 - 2 * 11/1024 = 97.9 %), as in any table of sign-test bounds."""
    found = quantile([float(k) for k in range(1, 11)], 0.5)
    assert found == (5.5, 2.0, 9.0)
    assert quantile([float(k) for k in range(1, 21)], 0.99).high is None  # 20 values cannot bound the 99th percentile


@settings(max_examples=20, deadline=None)
@given(some.sampled_from([0.5, 0.9, 0.98]))
def test_quantile_intervals_cover(q: float) -> None:
    rng = np.random.default_rng(int(q * 1000))
    inside = 0
    for _ in range(300):
        found = quantile(rng.random(200).tolist(), q)
        inside += (found.low is None or found.low <= q) and (found.high is None or q <= found.high)
    assert inside / 300 > 0.92


def test_wilson_against_his_formula_worked_by_hand() -> None:
    """8 of 10 (z = 1.96): 0.490 to 0.943, as in Newcombe, Statistics in Medicine 17 (1998), for small samples."""
    found = wilson(8, 10)
    assert found.low == pytest.approx(0.4902, abs=2e-4)
    assert found.high == pytest.approx(0.9433, abs=2e-4)
    assert wilson(10, 10).high == 1.0
    assert wilson(0, 10).low == 0.0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_paired_is_exact_where_vms_differ_much_and_settings_little() -> None:
    base = [1.0, 10.0, 100.0, 1000.0]
    found = paired([b + d for b, d in zip(base, (1, 2, 1, 2), strict=True)], base)
    assert found.summary.mean == 1.5
    assert (found.above, found.below) == (4, 0)
    assert found.p == pytest.approx(0.0138, abs=1e-3)  # t = 1.5 / (0.57735 / 2) = 5.196, 3 degrees of freedom
    assert paired(base, base).p == 1.0


def test_a_ratio_of_sums() -> None:
    found = ratio([1.0, 3.0], [10.0, 10.0], seed=1)
    assert found.value == 0.2
    assert found.low is not None
    assert 0.1 <= found.low < found.high <= 0.3  # type: ignore[operator]


def test_noise_is_never_called_better() -> None:
    rng = np.random.default_rng(8)
    names = [f"fake{k}" for k in range(20)]
    wrong = 0
    for _ in range(20):
        rows = [[{name: float(rng.normal()) for name in names} for _ in range(30)] for _ in range(2)]
        wrong += any(
            one is not None and one["verdict"] != "no difference shown" for listed in differences(rows, names).values() for one in listed
        )
    assert wrong <= 4  # 5 % of 20 families, with room


def test_what_is_derived() -> None:
    found = derive(
        {"stored_pages": 300.0, "pool_pages": 100.0, "pool_metadata": 4096.0, "pswpin_rate": 1.0, "pswpout_rate": 2.0, "x": math.nan},
        1 << 20,
        4096,
    )
    assert found["memory_saved"] == 199 * 4096 / 2**20
    assert found["memory_saved_share"] == 100 * 199 / 256
    assert found["swap_traffic"] == 3.0
    assert "x" not in found
    assert derive({"stored_pages": 300.0, "far_pages": 200.0, "pool_pages": 100.0}, 1 << 20, 4096)["memory_saved"] == 100 * 4096 / 2**20


# ---------------------------------------------------------------- simulating


def fake(config: Any, replication: int, **_: Any) -> Replication:
    """Stall time grows with what the VM drew; zcache halves it."""
    size = int(config.workloads[0].options["size"])
    value = size / 2**20 * (0.5 if config.backend.kind == "zcache" else 1.0)
    return Replication({"psi_memory_full": value, "run_time": 2.0}, {}, {}, {}, {}, [], 10, 2.0)


def failing(config: Any, replication: int, **more: Any) -> Replication:
    if int(config.workloads[0].options["size"]) > 25 << 20:
        raise UserError("warm_up: the run is over")
    return fake(config, replication, **more)


def test_figures_of_a_fake_fleet(tmp_path: Path) -> None:
    plan = load_fleet(
        written(tmp_path, FLEET.replace("vms: 12", "vms: 200\n  targets: {psi_memory_full: {most: 20, share: 0.6}}")), ["seed=4"]
    )
    outcome = execute(plan, tmp_path / "out", simulate=fake, jobs=1)
    found = outcome.document["metrics"]["psi_memory_full"]["settings"]
    assert found[1]["mean"] == pytest.approx(found[0]["mean"] / 2)
    middle = found[0]["percentiles"]["50"]
    assert middle["low"] < 20 < middle["high"]  # the median of what was drawn, but for the cuts
    difference = outcome.document["differences"]["psi_memory_full"][0]
    assert difference["verdict"] == "better"
    assert difference["vms_below"] == 200
    answers = outcome.document["targets"]["psi_memory_full"]["settings"]
    assert [answer["verdict"] for answer in answers] == ["no", "yes"]
    with (outcome.folder / VMS_FILE).open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["workloads.app.size"] == "B"
    assert len(rows) == 1 + 400
    assert float(rows[1]["psi_memory_full"]) == int(rows[1]["workloads.app.size"]) / 2**20
    page = outcome.report.read_text()
    assert "<svg" in page
    assert "at most 20" in page
    assert target_of(plan.fleet.targets["psi_memory_full"], [])["share"] is None


def test_more_vms_repeat_nothing_and_a_finished_fleet_is_only_shown(tmp_path: Path) -> None:
    calls = []

    def counted(config: Any, replication: int, **more: Any) -> Replication:
        calls.append(config.seed)
        return fake(config, replication, **more)

    path = written(tmp_path, FLEET)
    first = execute(load_fleet(path), tmp_path / "out", simulate=counted, jobs=1)
    assert len(calls) == 24
    assert execute(load_fleet(path), tmp_path / "out", simulate=counted, jobs=1).document == first.document
    assert len(calls) == 24
    larger = execute(load_fleet(path, ["fleet.vms=15"]), tmp_path / "out", simulate=counted, jobs=1)
    assert len(calls) == 30
    assert larger.reused == 24
    assert larger.folder != first.folder


def test_the_rest_goes_on_after_a_failure_and_only_that_is_tried_again(tmp_path: Path) -> None:
    plan = load_fleet(written(tmp_path, FLEET))
    outcome = execute(plan, tmp_path / "out", simulate=failing, jobs=1)
    broken = {vm.number for vm in plan.vms if float(vm.drawn["workloads.app.size"]) > 25 << 20}
    assert broken
    assert {failure["vm"] for failure in outcome.document["failures"]} == broken
    assert outcome.document["failures"][0]["error"] == "warm_up: the run is over"
    assert outcome.document["metrics"]["psi_memory_full"]["settings"][0]["n"] == 12 - len(broken)
    again = execute(plan, tmp_path / "out", simulate=fake, jobs=1)
    assert again.reused == 2 * (12 - len(broken))
    assert again.document["failures"] == []


def test_a_broken_line_costs_one_run(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep("a", {"x": 1.0})
    store.keep("b", {"x": 2.0})
    store.close()
    whole = (tmp_path / "runs.jsonl").read_text()
    (tmp_path / "runs.jsonl").write_text(whole[:-9])
    store = Store(tmp_path)
    assert store.found == {"a": {"x": 1.0}}
    with pytest.raises(UserError, match="another mempress"):
        Store(tmp_path)
    store.keep("b", {"x": 2.0})
    store.close()
    store = Store(tmp_path)
    assert store.found == {"a": {"x": 1.0}, "b": {"x": 2.0}}
    store.close()


def test_a_tree_node_of_a_choice_keeps_its_place() -> None:
    node = tree_of(["a", "b"], Where("f.yaml", 3, 1))
    assert distribution(("x",), node).at(0.9, False) == Node("b", Where("f.yaml", 3, 1))


def test_the_command_gives_the_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    path = written(tmp_path, FLEET.replace("vms: 12", "vms: 4"))
    room = "cpus: 1, sysctl: {vm.watermark_scale_factor: 300, vm.watermark_boost_factor: 0}}"  # without it the pool is refused every page
    path.write_text(path.read_text().replace("cpus: 1}", room))
    for command, jobs in (("fleet", "1"), ("run", "2")):
        whole = [sys.executable, "run_sim.py", command, str(path), "--out", str(tmp_path / jobs), "--jobs", jobs, "--quiet"]
        done = subprocess.run(whole, cwd=ROOT, check=True, capture_output=True, text=True)
        assert "memory_saved" in done.stdout
    (one,), (two,) = ([p for p in (tmp_path / jobs).iterdir() if p.name[0] != "."] for jobs in ("1", "2"))
    for name in (FLEET_FILE, VMS_FILE):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    document = json.loads((one / FLEET_FILE).read_text())
    assert document["metrics"]["swap_traffic"]["settings"][0]["n"] == 4


def test_check_shows_what_is_drawn_and_report_writes_the_page_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, FLEET)
    assert command_line(["check", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "12 VMs with 2 settings, 24 runs: nothing wrong" in shown
    assert "VM 4  workloads.app.size=" in shown
    outcome = execute(load_fleet(path), tmp_path / "out", simulate=fake, jobs=1)
    page = outcome.report.read_text()
    outcome.report.unlink()
    assert command_line(["report", str(outcome.folder)]) == 0
    assert outcome.report.read_text() == page


def test_run_of_a_fleet_takes_no_options_of_a_single_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["run", str(written(tmp_path, FLEET)), "--out", str(tmp_path), "--check"]) == 2
    assert "--set fleet=null" in capsys.readouterr().err
    assert command_line(["fleet", str(written(tmp_path, "")), "--out", str(tmp_path)]) == 2
    assert "use mempress run" in capsys.readouterr().err


def test_a_killed_fleet_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    """What was kept before a kill -9 in the middle of a line is the file up to there."""
    path = written(tmp_path, FLEET)
    whole = execute(load_fleet(path), tmp_path / "whole", simulate=fake, jobs=1)
    kept = (tmp_path / "whole" / ".tiny.fleet" / "runs.jsonl").read_bytes()
    (tmp_path / "killed" / ".tiny.fleet").mkdir(parents=True)
    (tmp_path / "killed" / ".tiny.fleet" / "runs.jsonl").write_bytes(kept[: len(kept) // 2])
    found = execute(load_fleet(path), tmp_path / "killed", simulate=fake, jobs=1)
    assert 0 < found.reused < 24
    for name in (FLEET_FILE, VMS_FILE):
        assert (found.folder / name).read_bytes() == (whole.folder / name).read_bytes()
