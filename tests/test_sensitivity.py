"""`mempress sensitivity`: known indices come out, noise is told from effects, and bad input is told with its place."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.cli import execute as command_line
from sim.errors import UserError
from sim.results import Replication
from sim.sensitivity.command import execute, lines
from sim.sensitivity.indices import Index, effects, indices, noise_multiples
from sim.sensitivity.plan import count_of, load_study, unshared

pytest.importorskip("SALib", reason="SALib is not installed (extra [sensitivity])")
ROOT = Path(__file__).resolve().parent.parent
CONFIG = """
name: s
seed: 5
machine: {memory: 24MiB, cpus: 1, sysctl: {vm.swappiness: 60}}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 64MiB}
workloads:
  - {name: w, kind: uniform, size: 20MiB, accesses: 20000, contents: {kind: synthetic, ratio: 2}}
sensitivity:
  method: morris
  metrics: [run_time]
  keys:
    devices.disk.read_latency: {low: 1us, high: 1001us}
    devices.disk.write_latency: {low: 1us, high: 1001us}
    workloads.w.think: {low: 1us, high: 1001us}
  trajectories: 12
  samples: 256
  replications: 2
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(CONFIG)
    return path


def unit(config: Any) -> tuple[float, float, float]:
    """The three keys back in the unit interval."""
    disk = config.devices["disk"].options
    times = (disk["read_latency"], disk["write_latency"], config.workloads[0].options["think"])
    a, b, c = ((time - 1e3) / 1e6 for time in times)
    return a, b, c


def study(path: Path, function: Any, out: Path, noise: float = 0.0, **changes: Any) -> dict[str, Any]:
    """The figures of run_time for a function of the unit cube, through the whole command."""
    text = CONFIG
    for key, value in changes.items():
        text = re.sub(rf"(?m)^  {key}: .*$", f"  {key}: {value}", text)
    path.write_text(text)

    def simulate(config: Any, number: int, **_: Any) -> Replication:
        draw = random.Random(repr((unit(config), number)))
        return Replication({"run_time": function(*unit(config)) + noise * draw.gauss(0, 1)}, {}, {}, {}, {}, [], 1, 1.0)

    found, _ = execute(load_study(path), out, jobs=1, simulate=simulate)
    figure: dict[str, Any] = found["figures"]["run_time"]
    return figure


def ishigami(a: float, b: float, c: float) -> float:
    x, y, z = (math.pi * (2 * value - 1) for value in (a, b, c))
    return math.sin(x) + 7 * math.sin(y) ** 2 + 0.1 * z**4 * math.sin(x)


def g_function(a: float, b: float, c: float) -> float:
    return math.prod((abs(4 * value - 2) + weight) / (1 + weight) for value, weight in ((a, 0), (b, 1), (c, 9)))


def test_sobol_indices_of_ishigamis_function(config: Path, tmp_path: Path) -> None:
    """S1 0.3139, 0.4424, 0; ST 0.5576, 0.4424, 0.2437 (Ishigami and Homma 1990, a = 7, b = 0.1)."""
    rows = study(config, ishigami, tmp_path / "out", method="sobol", samples=1024)["keys"]
    for row, first, total in zip(rows, (0.3139, 0.4424, 0.0), (0.5576, 0.4424, 0.2437), strict=True):
        assert row["first"] == pytest.approx(first, abs=0.08) and row["other"] == pytest.approx(total, abs=0.08)
        assert abs(row["other"] - total) < 2 * row["half_other"] and row["matters"]
    assert [row["interacts"] for row in rows] == [True, False, True]


def test_sobol_indices_of_sobols_g(config: Path, tmp_path: Path) -> None:
    """Partial variances 1/(3 (1 + a)^2) with a = 0, 1, 9, from Sobol's closed form."""
    parts = [1 / (3 * (1 + weight) ** 2) for weight in (0, 1, 9)]
    whole = math.prod(1 + part for part in parts) - 1
    rows = study(config, g_function, tmp_path / "out", method="sobol")["keys"]
    for row, part in zip(rows, parts, strict=True):
        assert row["first"] == pytest.approx(part / whole, abs=0.06)
        assert row["other"] == pytest.approx(part * (1 + whole) / (1 + part) / whole, abs=0.08)


def test_morris_of_a_plane_and_of_a_product(config: Path, tmp_path: Path) -> None:
    """A plane's effects are its slopes wherever one is; in a product they depend on the other key."""
    plane = study(config, lambda a, b, c: 3 * a - 5 * b, tmp_path / "plane")
    assert [row["first"] for row in plane["keys"]] == pytest.approx([3, 5, 0], abs=1e-5)
    assert all(row["other"] < 1e-5 for row in plane["keys"]) and not any(row["interacts"] for row in plane["keys"])
    assert plane["words"][0] == "run_time: devices.disk.write_latency, devices.disk.read_latency matter, in this order"
    assert any("workloads.w.think cannot be told" in text for text in plane["words"])
    product = study(config, lambda a, b, c: 4 * (a - 0.5) * (b - 0.5), tmp_path / "product")
    assert product["keys"][0]["interacts"] and product["keys"][1]["interacts"]


def test_noise_is_told_from_effects(config: Path, tmp_path: Path) -> None:
    """A key with a slope of 5 times the noise matters, one without any does not, in at least 9 of 10 studies."""
    right = 0
    for seed in range(10):
        path = tmp_path / f"{seed}.yaml"
        rows = study(path, lambda a, b, c: 5 * a, tmp_path / str(seed), noise=1.0, replications=3, trajectories=20 + seed)["keys"]
        right += rows[0]["matters"] and not rows[2]["matters"]
        assert all(row["floor"] is not None for row in rows)
    assert right >= 9


def made(path: Path, function: Any, rng: np.random.Generator, *, noise: float = 0.0, common: float = 0.0, **changes: Any) -> list[Index]:
    """Indices of a function whose noise is drawn once for every distinct run, with a shift that a replication gives to all runs."""
    text = CONFIG
    for key, value in changes.items():
        text = re.sub(rf"(?m)^  {key}: .*$", f"  {key}: {value}", text)
    path.write_text(text)
    wanted = load_study(path)
    exact = np.array([function(*point) for point in wanted.points])[:, None]
    shape = (len(exact), wanted.section.replications)
    drawn = rng.standard_normal(shape)[unshared(wanted)]
    return indices(wanted, exact + noise * drawn + common * rng.standard_normal(shape[1]), 1)


def test_morris_calls_noise_an_effect_in_one_study_of_twenty(config: Path) -> None:
    """Of 300 studies of pure noise, 5 % call a key an effect: 4 to 29 of them, by the binomial at 99.9 %."""
    rng = np.random.default_rng(3)
    config.write_text(CONFIG)
    wanted = load_study(config)
    times = noise_multiples(wanted, 2, 1)
    wrong = 0
    for _ in range(300):
        found = effects(wanted.points, rng.standard_normal((len(wanted.points), 2))[unshared(wanted)])
        error = np.sqrt(found.var(axis=2, ddof=1).mean(axis=1) / 2)
        wrong += bool((np.abs(found.mean(axis=2)).mean(axis=1) > times[0] * error).any())
    assert 4 <= wrong <= 29


def test_noise_is_no_interaction(config: Path) -> None:
    """Planes, whose keys do not act together: sigma and ST - S1 are noise alone."""
    rng = np.random.default_rng(4)
    told = [made(config, lambda a, b, c: 3 * a, rng, noise=1.0, replications=3)[0] for _ in range(20)]
    assert sum(one.matters("morris") for one in told) >= 18 and sum(one.interacts("morris") for one in told) <= 2
    assert sum(one.other > 0.5 * one.first for one in told) > 0  # which alone would not do
    rows = made(config, lambda a, b, c: 2 * a + b, rng, noise=0.6, method="sobol", samples=512)
    assert [one.matters("sobol") for one in rows] == [True, True, False] and not any(one.interacts("sobol") for one in rows)
    assert rows[2].other == pytest.approx(rows[2].floor, abs=0.05)  # 0.18 / (5/12 + 0.18) = 0.30
    assert rows[2].floor == pytest.approx(0.30, abs=0.04)


@pytest.mark.parametrize("method", ["morris", "sobol"])
def test_what_moves_all_runs_alike_is_no_noise(config: Path, method: str) -> None:
    """Common random numbers: a shift of ten times the effects, the same in all runs, cancels."""
    rows = made(config, lambda a, b, c: a + 0.5 * b, np.random.default_rng(5), common=10.0, method=method)
    assert [one.matters(method) for one in rows[:2]] == [True, True] and all(one.floor is not None and one.floor < 1e-9 for one in rows)


@pytest.mark.parametrize("method", ["morris", "sobol"])
def test_one_replication_says_nothing_of_what_matters(config: Path, tmp_path: Path, method: str) -> None:
    figure = study(config, lambda a, b, c: 5 * a + b, tmp_path / "out", noise=1.0, replications=1, method=method, samples=64)
    assert not any(row["matters"] or row["interacts"] for row in figure["keys"]) and len(figure["words"]) == 1
    assert "one replication shows no noise" in figure["words"][0] and "first: devices.disk.read_latency" in figure["words"][0]


def test_values_of_a_list_that_no_run_has(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Morris's levels 0, 1/3, 2/3 and 1 are the values 1, 3, 5 and 6 of six."""
    config.write_text(CONFIG.replace("workloads.w.think: {low: 1us, high: 1001us}", "machine.cpus: [1, 2, 3, 4, 5, 6]"))
    assert load_study(config).untried == {"machine.cpus": ["2", "4"]}
    assert command_line(["check", str(config)]) == 0
    assert "machine.cpus: no run has 2, 4; write fewer values" in capsys.readouterr().out


def test_elementary_effects_by_hand() -> None:
    points = np.array([[0.0, 0.0], [2 / 3, 0.0], [2 / 3, 2 / 3]])
    values = np.array([[1.0, 2.0], [3.0, 2.0], [3.0, 6.0]])
    found = effects(points, values)
    assert found.shape == (2, 1, 2)
    assert found[0, 0].tolist() == pytest.approx([3.0, 0.0]) and found[1, 0].tolist() == pytest.approx([0.0, 6.0])


def test_luck_that_all_runs_share_is_no_noise(config: Path, tmp_path: Path) -> None:
    """Every run gets the same large luck in a replication, so it moves no run against another: Sobol's noise is 0."""
    config.write_text(re.sub(r"(?m)^  replications: .*$", "  replications: 2", CONFIG.replace("method: morris", "method: sobol")))

    def simulate(config: Any, number: int, **_: Any) -> Replication:
        return Replication({"run_time": 5 * unit(config)[0] + 5 * (-1) ** number}, {}, {}, {}, {}, [], 1, 1.0)

    found, _ = execute(load_study(config), tmp_path / "out", jobs=1, simulate=simulate)
    rows = found["figures"]["run_time"]["keys"]
    assert [row["matters"] for row in rows] == [True, False, False]
    assert rows[0]["floor"] == pytest.approx(0, abs=1e-12)


def test_a_figure_that_never_changes(config: Path, tmp_path: Path) -> None:
    found = study(config, lambda a, b, c: 7.0, tmp_path / "out")
    assert all(row["first"] == 0 and not row["matters"] for row in found["keys"])
    assert indices(load_study(config), np.ones((48, 1)), 1)[0].floor is None
    assert found["words"] == ["run_time: the same in all runs"]


def test_a_figure_that_some_runs_do_not_have(config: Path, tmp_path: Path) -> None:
    found = study(config, lambda a, b, c: math.nan if a > 0.5 else 1.0, tmp_path / "out")
    assert "of the simulations have it" in found["absent"] and found["keys"] == []


def test_a_study_goes_on_where_it_was(config: Path, tmp_path: Path) -> None:
    calls = 0

    def simulate(config: Any, number: int, **_: Any) -> Replication:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise KeyboardInterrupt
        return Replication({"run_time": sum(unit(config))}, {}, {}, {}, {}, [], 1, 1.0)

    wanted = load_study(config)
    with pytest.raises(KeyboardInterrupt):
        execute(wanted, tmp_path / "out", jobs=1, simulate=simulate)
    found, folder = execute(wanted, tmp_path / "out", jobs=1, simulate=simulate)
    distinct = len({repr(sorted(case.labels.items())) for case in wanted.cases})  # points of a grid come up more than once
    assert calls == 2 * distinct + 1 and distinct < count_of(wanted.section, 3) == 48
    assert [p.name for p in (tmp_path / "out").iterdir()] == [folder.name]
    again, _ = execute(wanted, tmp_path / "out", jobs=1, simulate=simulate)
    assert calls == 2 * distinct + 1 and again == found


def test_a_failing_run_names_its_settings(config: Path, tmp_path: Path) -> None:
    def simulate(config: Any, number: int, **_: Any) -> Replication:
        raise UserError("no room")

    with pytest.raises(UserError, match=r"a run of the design fails.*devices.disk.read_latency=.*no room; narrow the ranges"):
        execute(load_study(config), tmp_path / "out", jobs=1, simulate=simulate)


def test_lists_are_taken_in_their_order(config: Path, tmp_path: Path) -> None:
    config.write_text(CONFIG.replace("workloads.w.think: {low: 1us, high: 1001us}", "backend: [none, zcache]"))
    wanted = load_study(config)
    assert wanted.lists == ["backend"]

    def simulate(config: Any, number: int, **_: Any) -> Replication:
        return Replication({"run_time": float(config.backend.kind == "zcache")}, {}, {}, {}, {}, [], 1, 1.0)

    found, _ = execute(wanted, tmp_path / "out", jobs=1, simulate=simulate)
    assert lines(found)[-1] == "backend: taken in the order written; another order would give other effects"
    assert [row["matters"] for row in found["figures"]["run_time"]["keys"]] == [False, False, True]


def test_end_to_end_with_the_machine(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(CONFIG.replace("trajectories: 12", "trajectories: 4"))
    assert command_line(["check", str(config)]) == 0
    assert "16 runs, 32 simulations: nothing wrong" in capsys.readouterr().out
    assert command_line(["sensitivity", str(config), "--out", str(tmp_path / "out"), "--jobs", "1", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "morris: 16 runs with 2 replications" in shown and "workloads.w.think" in shown
    (page,) = (tmp_path / "out").glob("s-sensitivity-*/report.html")
    text = page.read_text()
    assert text.count("<svg") == 1 and "http" not in re.sub(r"http://www.w3.org\S*", "", text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[run_time]", "[run_tme]", r"s.yaml:11:13: sensitivity.metrics.0: found 'run_tme'.*did you mean run_time"),
        ("method: morris", "method: moris", "sensitivity.method: found 'moris'; expected one of morris, sobol"),
        ("samples: 256", "samples: 100", "sensitivity.samples: found 100; expected a power of two"),
        (
            "{low: 1us, high: 1001us}",
            "{low: 1us, high: 1us}",
            "sensitivity.keys.devices.disk.read_latency.high: found .1us.; expected more than low",
        ),
        ("workloads.w.think", "workloads.w.thnk", "thnk"),
        ("trajectories: 12", "trajectories: 2", "sensitivity.trajectories: found 2"),
        ("sensitivity:", "sweep: {grid: {machine.cpus: [1, 2]}}\nsensitivity:", "a sweep or a fleet beside `sensitivity:`"),
    ],
)
def test_bad_input(config: Path, old: str, new: str, message: str) -> None:
    assert old in CONFIG
    config.write_text(CONFIG.replace(old, new, 1))
    with pytest.raises(UserError, match=message) as caught:
        load_study(config)
    assert "sweep.random" not in str(caught.value)


def test_other_mistakes(config: Path) -> None:
    config.write_text(re.sub(r"(?m)^    (devices.disk.write|workloads).*\n", "", CONFIG))
    with pytest.raises(UserError, match="found 1 key; expected two or more"):
        load_study(config)
    config.write_text(CONFIG[: CONFIG.index("sensitivity:")])
    with pytest.raises(UserError, match="found no `sensitivity:` section"):
        load_study(config)


def test_the_shipped_study_is_what_it_says() -> None:
    wanted = load_study(ROOT / "configs" / "sensitivity" / "swap-settings.yaml")
    assert len(wanted.cases) == 90 and len(wanted.keys) == 8
