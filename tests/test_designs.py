"""Sweep designs: blocks that multiply, tied keys, samples, conditions, and adaptive replications; and what is said of wrong ones."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sim
from models.registry import Option
from sim.cli import execute
from sim.config.reference import json_schema
from sim.config.sampling import METHODS, Spread, cube, natural_step, number_at
from sim.config.tree import Where
from sim.errors import UserError
from sim.run import execute as run
from tests import fakes

BASE = """\
name: s
seed: 7
replications: 1
machine: {memory: 64MiB}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 256MiB}
backend: {kind: zcache, persistent: {allocator: xvmalloc}}
workloads: [{name: a, kind: zipf, size: 64MiB}]
"""
LINE = BASE.count("\n") + 1  # where a sweep in a line of its own stands
RANGES = (
    "{machine.memory: {low: 64MiB, high: 256MiB, scale: log}, devices.disk.read_latency: {low: 50us, high: 5ms, scale: log}, "
    "workloads.a.alpha: {low: 0.5, high: 1.2}, machine.cpus: {low: 1, high: 4}, backend.kind: [none, zcache]}"
)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(sweep: str, *sets: str, base: str = BASE) -> sim.Loaded:
    Path("c.yaml").write_text(f"{base}sweep: {sweep}\n")
    return sim.load("c.yaml", sets)


def names(sweep: str, *sets: str) -> list[str]:
    return [case.name for case in load(sweep, *sets).cases]


def errors(sweep: str, *sets: str, base: str = BASE) -> list[str]:
    with pytest.raises(UserError) as caught:
        load(sweep, *sets, base=base)
    return str(caught.value).splitlines()


# ---------------------------------------------------------------- products


def test_tied_keys_move_together() -> None:
    loaded = load("{zip: [{machine.memory: [64MiB, 128MiB], swap.size: [128MiB, 256MiB]}], grid: {machine.cpus: [1, 2]}}")
    assert [case.name for case in loaded.cases] == [
        "cpus=1,memory=64MiB", "cpus=1,memory=128MiB", "cpus=2,memory=64MiB", "cpus=2,memory=128MiB",
    ]  # fmt: skip
    assert {(c.config.machine.memory >> 20, c.config.swap.size >> 20) for c in loaded.cases if c.config.swap} == {(64, 128), (128, 256)}
    assert loaded.cases[1].labels == {"machine.cpus": "1", "machine.memory": "128MiB", "swap.size": "256MiB"}


def test_a_name_takes_as_many_tied_keys_as_tell_the_points_apart() -> None:
    tied = "{zip: [{machine.cpus: [1, 1, 2], machine.memory: [32MiB, 64MiB, 64MiB], seed: [1, 2, 3]}]}"
    assert names(tied) == ["cpus=1,memory=32MiB", "cpus=1,memory=64MiB", "cpus=2,memory=64MiB"]


def test_all_blocks_multiply_in_a_fixed_order() -> None:
    """Cases first, then grid, zip and samples, whatever the file's order; the last varies fastest."""
    blocks = [
        "lhs: {samples: 2, keys: {workloads.a.alpha: {low: 0.5, high: 1}}}",
        "zip: [{machine.cpus: [1, 2]}]",
        "grid: {seed: [3, 4]}",
        "cases: [{name: plain, set: {backend: none}}, {name: compressed}]",
    ]
    found = names("{" + ", ".join(blocks) + "}")
    assert found == [
        f"{case},seed={seed},cpus={cpus},sample={sample}"
        for case in ("plain", "compressed") for seed in (3, 4) for cpus in (1, 2) for sample in (1, 2)
    ]  # fmt: skip
    assert names("{" + ", ".join(reversed(blocks)) + "}") == found


def test_each_case_of_a_grid_sees_the_same_samples() -> None:
    cases = load("{grid: {backend.kind: [none, zcache]}, random: {samples: 5, keys: {machine.memory: {low: 64MiB, high: 1GiB}}}}").cases
    memory = [case.config.machine.memory for case in cases]
    assert memory[:5] == memory[5:] and len(set(memory)) == 5


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_a_product_has_as_many_cases_as_its_factors_say(sizes: list[int]) -> None:
    keys = ("machine.cpus", "seed", "workloads.a.accesses", "devices.disk.channels")
    grid = ", ".join(f"{key}: {list(range(1, size + 1))}" for key, size in zip(keys, sizes, strict=False))
    cases = load("{grid: {" + grid + "}}").cases
    assert len(cases) == math.prod(sizes) == len({case.name for case in cases}) == len({tuple(case.labels.values()) for case in cases})


# ---------------------------------------------------------------- conditions


def test_a_key_varies_only_where_its_condition_holds() -> None:
    grid = "{backend.persistent.allocator: {values: [xvmalloc, xcfmalloc], when: {backend.kind: zcache}}, backend.kind: [none, zcache]}"
    loaded = load(f"{{grid: {grid}}}")
    assert [case.name for case in loaded.cases] == [
        "backend=none",
        "allocator=xvmalloc,backend=zcache",
        "allocator=xcfmalloc,backend=zcache",
    ]
    assert [case.labels.get("backend.persistent.allocator") for case in loaded.cases] == [None, "xvmalloc", "xcfmalloc"]
    assert loaded.cases[0].config.backend.kind == "none"


def test_elsewhere_the_key_keeps_its_value() -> None:
    cases = load("{grid: {machine.cpus: [1, 2], workloads.a.alpha: {values: [0, 1], when: {machine.cpus: 2}}}}").cases
    assert [case.config.workloads[0].options["alpha"] for case in cases] == [0.9, 0, 1]


def test_conditions_may_hang_on_keys_with_conditions() -> None:
    grid = (
        "{seed: {values: [1, 2], when: {workloads.a.alpha: 1}}, workloads.a.alpha: {values: [0, 1], when: {machine.cpus: 2}}, "
        "machine.cpus: [1, 2]}"
    )
    assert names(f"{{grid: {grid}}}") == ["cpus=1", "alpha=0,cpus=2", "seed=1,alpha=1,cpus=2", "seed=2,alpha=1,cpus=2"]


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("when: {machine.cpus: 2}", [(2, 64), (2, 128)]),
        ("when: {machine.cpus: [1, 3], machine.memory: 128MiB}", [(1, 128), (3, 128)]),
        ("when: [{machine.cpus: 1}, {machine.memory: 128MiB}]", [(1, 64), (1, 128), (2, 128), (3, 128)]),
        ("when: {machine.memory: {min: 65536KiB, max: 100MiB}}", [(1, 64), (2, 64), (3, 64)]),
        ("when: {machine.cpus: {min: 2}}, unless: {machine.cpus: 3, machine.memory: 64MiB}", [(2, 64), (2, 128), (3, 128)]),
        ("unless: [{machine.cpus: {max: 2}}, {machine.memory: 64MiB}]", [(3, 128)]),
        ("when: {swap.size: 256MiB, machine.page_size: 4KiB, machine.cpus: 1}", [(1, 64), (1, 128)]),  # not swept; a default
        ("unless: {backend.persistent.allocator: xcfmalloc, machine.cpus: 1}", [(n, m) for n in (1, 2, 3) for m in (64, 128)]),
        ("when: {backend: zcache, machine.cpus: 3}", [(3, 64), (3, 128)]),
    ],
)
def test_combinations_are_kept_where_conditions_say(condition: str, kept: list[tuple[int, int]]) -> None:
    cases = load("{grid: {machine.cpus: [1, 2, 3], machine.memory: [64MiB, 128MiB]}, " + condition + "}").cases
    assert [(case.config.machine.cpus, case.config.machine.memory >> 20) for case in cases] == kept


def test_a_setting_of_another_kind_never_holds() -> None:
    sweep = "{grid: {backend.kind: [none, zcache]}, %s: {backend.persistent.allocator: xvmalloc}}"
    assert names(sweep % "when") == ["backend=zcache"] and names(sweep % "unless") == ["backend=none"]


def test_conditions_leave_out_what_would_be_wrong() -> None:
    axes = "machine.memory: [9MiB, 64MiB], machine.page_size: [4KiB, 64KiB]"
    sweep = f"{{grid: {{{axes}}}, unless: {{machine.memory: 9MiB, machine.page_size: 64KiB}}}}"
    assert len(load(sweep).cases) == 3


def test_samples_can_be_constrained() -> None:
    cases = load(f"{{random: {{samples: 200, keys: {RANGES}}}, when: {{machine.memory: {{max: 100MiB}}, backend.kind: none}}}}").cases
    assert 10 < len(cases) < 100
    assert all(case.config.machine.memory <= 100 << 20 and case.config.backend.kind == "none" for case in cases)


# ---------------------------------------------------------------- samples


@pytest.mark.parametrize("method", METHODS)
def test_samples_are_in_range_whole_and_the_same_every_time(method: str) -> None:
    sweep = f"{{{method}: {{samples: 64, keys: {RANGES}}}}}"
    loaded = load(sweep)
    for case in loaded.cases:
        config = case.config
        assert 64 << 20 <= config.machine.memory <= 256 << 20 and config.machine.memory % 4096 == 0
        assert 50_000 <= config.devices["disk"].options["read_latency"] <= 5_000_000
        assert 0.5 <= config.workloads[0].options["alpha"] <= 1.2 and config.machine.cpus in (1, 2, 3, 4)
        assert set(case.labels) == {"machine.memory", "devices.disk.read_latency", "workloads.a.alpha", "machine.cpus", "backend.kind"}
        assert case.labels["machine.memory"].endswith("B") and case.labels["devices.disk.read_latency"].endswith("s")
    assert [case.name for case in loaded.cases][::63] == ["sample=01", "sample=64"]
    again = load(sweep)
    assert [(case.name, case.labels) for case in again.cases] == [(case.name, case.labels) for case in loaded.cases]
    assert [case.labels for case in load(sweep, "seed=8").cases] != [case.labels for case in loaded.cases]
    seeded = sweep.replace("samples: 64", "samples: 64, seed: 7")
    assert [case.labels for case in load(seeded, "seed=8").cases] == [case.labels for case in loaded.cases]


def test_another_key_leaves_the_samples_of_the_others() -> None:
    one = load("{lhs: {samples: 9, keys: {machine.memory: {low: 64MiB, high: 1GiB}}}}").cases
    two = load("{lhs: {samples: 9, keys: {workloads.a.alpha: {low: 0, high: 1}, machine.memory: {low: 64MiB, high: 1GiB}}}}").cases
    assert [case.config.machine.memory for case in one] == [case.config.machine.memory for case in two]


@given(samples=st.integers(1, 60), keys=st.integers(1, 4), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=25, deadline=None)
def test_a_latin_hypercube_has_one_sample_in_each_stratum(samples: int, keys: int, seed: int) -> None:
    points = cube("lhs", samples, [f"k{n}" for n in range(keys)], seed)
    strata = np.sort((points * samples).astype(int), axis=0)
    assert (strata == np.arange(samples)[:, None]).all()


def test_strata_survive_units_and_rounding() -> None:
    cases = load("{lhs: {samples: 100, keys: {machine.memory: {low: 64MiB, high: 264MiB}}}}").cases
    assert sorted((case.config.machine.memory - (64 << 20)) // (2 << 20) for case in cases) == list(range(100))


@given(power=st.integers(1, 7), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=15, deadline=None)
def test_sobol_points_are_balanced(power: int, seed: int) -> None:
    """2^m scrambled points have one in each of 2^m equal intervals of every axis (Owen 1995: nets stay nets)."""
    points = cube("sobol", 2**power, ["a", "b", "c"], seed)
    assert (np.sort((points * 2**power).astype(int), axis=0) == np.arange(2**power)[:, None]).all()


@given(
    kind=st.sampled_from(["size", "time", "int", "float"]),
    low=st.integers(1, 10**7),
    width=st.integers(1, 10**9),
    log=st.booleans(),
    us=st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_numbers_lie_in_their_range_and_rise_with_u(kind: str, low: int, width: int, log: bool, us: list[float]) -> None:
    option = Option("x", kind)
    high = low + width
    spread = Spread(option, Where("here"), (), low, high, natural_step(option, low, high), log)
    numbers = [number_at(spread, u) for u in sorted(us)]
    assert all(low <= number <= high for number in numbers) and numbers == sorted(numbers)
    assert kind == "float" or all(number == int(number) for number in numbers if kind != "time")


def test_whole_numbers_are_equally_likely_the_ends_too() -> None:
    spread = Spread(Option("x", "int"), Where("here"), (), 1, 4, 1)
    assert [number_at(spread, u) for u in (0, 0.2499, 0.25, 0.5, 0.75, 0.99999)] == [1, 1, 2, 3, 4, 4]
    # in equal ratios n has the weight log((n + 1) / n): 1 has log 2 / log 5 = 0.4307 of 1..4
    logarithmic = spread._replace(log=True)
    assert [number_at(logarithmic, u) for u in (0, 0.43, 0.431, 0.99999)] == [1, 1, 2, 4]


def test_steps() -> None:
    cases = load("{random: {samples: 60, keys: {machine.memory: {low: 64MiB, high: 120MiB, step: 16MiB}}}}").cases
    assert {case.labels["machine.memory"] for case in cases} == {"64MiB", "80MiB", "96MiB", "112MiB"}
    cases = load("{random: {samples: 60, keys: {workloads.a.alpha: {low: 0.1, high: 0.4, step: 0.1}}}}").cases
    assert {case.labels["workloads.a.alpha"] for case in cases} == {"0.1", "0.2", "0.3", "0.4"}


def test_a_count_that_is_no_power_of_two_gets_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    assert load(f"{{sobol: {{samples: 8, keys: {RANGES}}}}}").notes == []
    loaded = load(f"{{sobol: {{samples: 9, keys: {RANGES}}}}}")
    note = "sweep.sobol.samples: 9 is no power of two, so the points are not balanced; 8 or 16 would be"
    assert loaded.notes == [note] and len(loaded.cases) == 9
    assert execute(["check", "c.yaml"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-2:] == [f"note  {note}", "9 cases, 9 runs, from c.yaml: nothing wrong"]
    assert f"case  sample=1  ({', '.join(f'{k}={v}' for k, v in loaded.cases[0].labels.items())})" in shown


def test_check_shows_the_first_cases_and_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    load(f"{{grid: {{seed: {list(range(1500))}}}}}")
    assert execute(["check", "c.yaml"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-22:-20] == ["case  seed=0", "case  seed=1"]
    assert shown[-2:] == ["      ... and 1,480 more", "1,500 cases, 1,500 runs, from c.yaml: nothing wrong"]


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("sweep", "line"),
    [
        (
            "{lhs: {samples: 2, keys: {§machine.memroy: {low: 1, high: 2}}}}",
            "machine.memroy: found an unknown key; expected one of memory, page_size, cpus, kernel, kernel_reserved, start, sysctl, "
            "scheduler; "
            "did you mean memory?",
        ),
        (
            "{lhs: {samples: 2, keys: {§workloads.b.alpha: {low: 1, high: 2}}}}",
            "workloads.b: found 'b'; expected an index from 0 to 0, or a",
        ),
        (
            "{lhs: {samples: 2, keys: {§workloads.a.alfa: {low: 1, high: 2}}}}",
            "workloads.0.alfa: found an unknown key; expected one of kind, name, contents, start, oom_score_adj, cgroup, size, accesses, "
            "alpha, scatter, write_ratio, think, fill, offset, processes; did you mean alpha?",
        ),
        (
            "{lhs: {samples: 2, keys: {machine.cpus: {low: 4, high: §4}}}}",
            "sweep.lhs.keys.machine.cpus.high: found 4; expected more than low, which is 4",
        ),
        (
            "{lhs: {samples: 2, keys: {machine.memory: {low: 64MiB, high: §32MiB}}}}",
            "sweep.lhs.keys.machine.memory.high: found '32MiB'; expected more than low, which is 64MiB",
        ),
        (
            "{lhs: {samples: 2, keys: {machine.memory: {low: §64, high: 128MiB}}}}",
            "sweep.lhs.keys.machine.memory.low: found 64; expected a size with a unit, such as 64MiB, "
            "from 1MiB to 1PiB; a number needs a unit",
        ),
        (
            "{lhs: {samples: 2, keys: {machine.cpus: {low: 1, high: §2048}}}}",
            "sweep.lhs.keys.machine.cpus.high: found 2048; expected an integer from 1 to 1024",
        ),
        (
            "{lhs: {samples: 2, keys: {workloads.a.alpha: {low: §0, high: 1, scale: log}}}}",
            "sweep.lhs.keys.workloads.a.alpha.low: found 0; expected more than 0: the scale is log",
        ),
        (
            "{lhs: {samples: 2, keys: {workloads.a.alpha: {low: 0, high: 1, scale: §logarithmic}}}}",
            "sweep.lhs.keys.workloads.a.alpha.scale: found 'logarithmic'; expected one of linear, log; did you mean log?",
        ),
        (
            "{lhs: {samples: 2, keys: {workloads.a.alpha: {low: 0, high: 1, step: §2}}}}",
            "sweep.lhs.keys.workloads.a.alpha.step: found 2; expected more than 0, and at most high - low (0 to 1)",
        ),
        (
            "{lhs: {samples: 2, keys: {backend.kind: §{low: 1, high: 2}}}}",
            "sweep.lhs.keys.backend.kind: found a range; expected a list of values; kind is no size, time or number that may be anything "
            "between two values",
        ),
        ("{lhs: {samples: 2, keys: {seed: §[]}}}", "sweep.lhs.keys.seed: found an empty list; expected at least 1 of them"),
        ("{lhs: {samples: 2, keys: {seed: [1, §1]}}}", "sweep.lhs.keys.seed.1: found 1 a second time; expected each value once"),
        ("{lhs: {samples: 2, keys: §{}}}", "sweep.lhs.keys: found an empty mapping; expected at least 1 of them"),
        ("{lhs: {samples: §0, keys: {seed: [1]}}}", "sweep.lhs.samples: found 0; expected an integer from 1 to 100000"),
        ("{lhs: {samples: §100001, keys: {seed: [1]}}}", "sweep.lhs.samples: found 100001; expected an integer from 1 to 100000"),
        (
            "{lhs: {samples: 2, keys: {seed: [1]}}, §sobol: {samples: 2, keys: {machine.cpus: [1]}}}",
            "sweep.sobol: found sobol beside lhs; expected one sampled block: random, lhs or sobol",
        ),
        (
            "{zip: [{machine.cpus: [1, 2], seed: §[1, 2, 3]}]}",
            "sweep.zip.0.seed: found 3 values; expected 2 values, as many as machine.cpus has: they move together",
        ),
        ("{zip: [{machine.cpus: §[]}]}", "sweep.zip.0.machine.cpus: found an empty list; expected a list of at least 1 value"),
        (
            "{zip: [{machine.cpus: [1, §1], seed: [2, 2]}]}",
            "sweep.zip.0.machine.cpus.1: found the same values a second time; expected each value once",
        ),
        ("{grid: {seed: {values: §[]}}}", "sweep.grid.seed.values: found an empty list; expected at least 1 of them"),
        (
            "{grid: {seed: [1]}, zip: [{§seed: [2]}]}",
            "seed: found a key that the sweep sets already; expected each key in one place",
        ),
        (
            "{grid: {workloads.0.alpha: [1]}, zip: [{§workloads.a.alpha: [2]}]}",
            "workloads.a.alpha: found a key that the sweep sets already; expected each key in one place",
        ),
        (
            "{grid: {backend: [none, zcache], §backend.kind: [none]}}",
            "backend.kind: found a key that meets another one of the sweep: backend; expected each key in one place; "
            "vary its `kind`, and its settings beside it",
        ),
        (
            "{grid: {seed: [1]}, when: {§backend.knd: none}}",
            "backend.knd: found an unknown key; expected one of kind, persistent, ephemeral, frontswap, cleancache, word_size; "
            "did you mean kind?",
        ),
        (
            "{grid: {seed: [1]}, when: {backend.kind: §zcach}}",
            "backend.kind: found 'zcach'; expected one of none, zcache, zswap, zram, or a plug-in path/to/file.py:NAME; "
            "did you mean zcache?",
        ),
        (
            "{grid: {seed: [1]}, when: {machine.cpus: §many}}",
            "machine.cpus: found 'many'; expected an integer from 1 to 1024",
        ),
        (
            "{grid: {seed: [1]}, when: {machine.memory: {min: 1GiB, max: §1MiB}}}",
            "machine.memory.max: found '1MiB'; expected at least min: 1GiB",
        ),
        (
            "{grid: {seed: [1]}, when: {machine.memory: {§least: 1GiB}}}",
            "sweep.when.machine.memory.least: found an unknown key; expected one of min, max",
        ),
        (
            "{grid: {seed: [1]}, when: {backend.kind: §{min: none}}}",
            "backend.kind: found bounds; expected a value or a list: one of the backends has no order",
        ),
        (
            "{grid: {seed: [1]}, when: {§machine: 1}}",
            "machine: found a key that holds several values; expected a key with a single value, or a `kind`",
        ),
        (
            "{grid: {seed: [1]}, unless: §[]}",
            "sweep.unless: found an empty list; expected a mapping of dotted keys to a value, a list of values, or {min: ..., max: ...}; "
            "or a list of such mappings",
        ),
        (
            "{grid: {seed: [1, 2]}, §when: {machine.memory: 1GiB}}",
            "sweep: found conditions that none of 2 combinations meets; expected at least one case",
        ),
        (
            "{grid: {machine.cpus: [1, 2], seed: {values: [1], when: §{machine.cpus: 3}}}}",
            "sweep.grid.seed.when: found a condition that holds in no case; expected one that some case meets",
        ),
        (
            "{grid: {seed: {values: [1], when: §{seed: 1}}}}",
            "seed: found a condition of a key on itself; expected a condition on other keys",
        ),
        (
            "{grid: {seed: {values: [1], when: §{machine.cpus: 1}}, machine.cpus: {values: [1], when: {seed: 1}}}}",
            "sweep.grid.seed.when: found conditions that wait for each other (seed, machine.cpus); expected no circle",
        ),
        (
            "{grid: {machine.cpus: [1, §0]}, zip: [{seed: [1, 2]}]}",
            "machine.cpus: found 0; expected an integer from 1 to 1024 (in the case cpus=0,seed=1)",
        ),
    ],
)
def test_what_is_wrong_is_said_once_with_its_place(sweep: str, line: str) -> None:
    """The mark stands before the place that is named."""
    assert errors(sweep.replace("§", "")) == [f"c.yaml:{LINE}:{sweep.index('§') + len('sweep: ') + 1}: {line}"]


def test_keys_of_one_block_meet_too() -> None:
    for block in (
        "zip: [{workloads.a.alpha: [1, 2], workloads.0.alpha: [2, 1]}]",
        "lhs: {samples: 2, keys: {backend: [none], backend.kind: [none]}}",
    ):
        assert "each key in one place" in errors("{" + block + "}")[0]
    case = "{name: a, set: {backend: zcache, backend.persistent.allocator: xcfmalloc}}"
    allocator = load(f"{{cases: [{case}]}}").cases[0].config.backend.options["persistent"]["allocator"]
    assert allocator.kind == "xcfmalloc"


def test_swept_replications_are_counted_case_by_case() -> None:
    base = BASE.replace("replications: 1", "replications: 1000")
    cases = load(f"{{grid: {{seed: {list(range(100))}}}, zip: [{{replications: [1, 2]}}]}}", base=base).cases
    assert sum(case.config.most_replications for case in cases) == 300


def test_a_condition_on_what_is_not_there() -> None:
    base = BASE.replace("backend: {kind: zcache, persistent: {allocator: xvmalloc}}\n", "")
    found = errors("{grid: {machine.cpus: [1, 2]}, when: {backend.persistent.allocator: xvmalloc}}", base=base)
    assert len(found) == 1 and "backend.persistent.allocator: found a key that is neither swept nor in the configuration" in found[0]
    assert found[0].endswith("expected a swept key (machine.cpus) or one that the configuration has")


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        (
            "{grid: {seed: AXIS, workloads.a.accesses: AXIS, devices.disk.channels: AXIS}}",
            "sweep: found 1,000,000,000 cases with 1 replication",
        ),
        ("{zip: [{seed: AXIS}, {workloads.a.accesses: AXIS}, {devices.disk.channels: AXIS}]}", "sweep: found 1,000,000,000 cases with"),
        ("{grid: {seed: AXIS, workloads.a.accesses: AXIS}, lhs: {samples: 1000, keys: {machine.cpus: [1]}}}", "1,000 (lhs)"),
        (
            "{grid: {seed: AXIS, workloads.a.accesses: AXIS, devices.disk.channels: AXIS}, when: {seed: 1}}",
            "sweep: found 1,000,000,000 combinations before conditions; expected at most 1,000,000",
        ),
        (
            "{grid: {seed: AXIS, workloads.a.accesses: AXIS, devices.disk.channels: {values: AXIS, when: {seed: 1}}}}",
            "sweep: found 1,000,000,000 combinations before conditions",
        ),
    ],
)
def test_an_enormous_sweep_is_counted_and_not_made(sweep: str, said: str) -> None:
    started = time.process_time()
    found = errors(sweep.replace("AXIS", str(list(range(1, 1001)))))
    assert len(found) == 1 and said in found[0]
    assert "1,000 (seed) x 1,000 (workloads.a.accesses) x 1,000 (" in found[0]
    assert time.process_time() - started < 2


def test_replications_count() -> None:
    axis = list(range(1000))
    found = errors(f"{{grid: {{seed: {axis}}}}}", "replications=101")
    assert found == [f"c.yaml:{LINE}:8: sweep: found 1,000 cases with 101 replications; expected at most 100,000 runs; 1,000 (seed)"]
    adaptive = "replications={metric: run_time, most: 101}"
    assert errors(f"{{grid: {{seed: {axis}}}}}", adaptive) == found
    kept = errors(f"{{grid: {{seed: {axis}}}, when: {{seed: {{min: 5}}}}}}", adaptive)
    assert kept == [f"c.yaml:{LINE}:8: sweep: found more than 100,000 runs (cases times replications); expected at most 100,000"]


def test_a_set_that_the_sweep_would_undo() -> None:
    tied, sampled = "{zip: [{machine.cpus: [1, 2]}]}", "{lhs: {samples: 2, keys: {machine.cpus: [1, 2]}}}"
    for sweep in (tied, sampled):
        assert errors(sweep, "machine.cpus=3") == ["--set machine.cpus: found a key that the sweep varies (machine.cpus); set sweep=null"]
    assert names(sampled, "sweep.lhs.samples=3") == ["sample=1", "sample=2", "sample=3"]
    assert len(load(sampled, "sweep.lhs.keys.machine.memory={low: 64MiB, high: 65MiB}").cases[0].labels) == 2


def test_an_error_in_many_cases_is_said_once() -> None:
    found = errors(f"{{grid: {{machine.cpus: [0, 1], seed: {list(range(2000))}}}}}")
    assert found == [f"c.yaml:{LINE}:31: machine.cpus: found 0; expected an integer from 1 to 1024 (in the case cpus=0,seed=0)"]


# ---------------------------------------------------------------- the same in Python, in results, in editors


def test_python_designs_like_yaml() -> None:
    text = f"""{{grid: {{backend.persistent.allocator: {{values: [xvmalloc, xcfmalloc], when: {{machine.cpus: {{min: 2}}}}}}}},
      lhs: {{samples: 4, keys: {RANGES.replace(", backend.kind: [none, zcache]", "")}}}, unless: {{machine.memory: {{min: 200MiB}}}}}}"""
    read = load(text)
    made = sim.prepare(sim.Config.from_dict(json.loads(json.dumps(read.config.resolved(written=True)))))
    assert [(c.name, c.labels, c.config.resolved()) for c in made.cases] == [(c.name, c.labels, c.config.resolved()) for c in read.cases]
    assert len(read.cases) > 3


def test_cases_without_a_key_in_the_table(tmp_path: Path) -> None:
    """The table has an empty field where a case does not set a key."""
    loaded = fakes.loaded(1, ("none", "zcache"))
    loaded.cases[1].labels["backend.persistent.allocator"] = "xvmalloc"
    outcome = run(loaded, tmp_path, jobs=1, simulate=fakes.simulate, report=False)
    rows = (outcome.folder / "table.csv").read_text().splitlines()
    assert rows[0].startswith("case,backend.kind,backend.persistent.allocator,") and rows[2].startswith("none,none,,1,")
    assert rows[3].startswith("zcache,zcache,xvmalloc,1,")


def test_the_schema_for_editors_has_the_blocks() -> None:
    properties = json_schema()["properties"]
    sweep = properties["sweep"]["anyOf"][0]["properties"]
    assert set(sweep) == {"grid", "cases", "zip", "random", "lhs", "sobol", "when", "unless"}
    assert sweep["lhs"]["anyOf"][0]["required"] == ["samples", "keys"]
    assert [kind.get("type") for kind in properties["replications"]["anyOf"]] == ["integer", "object"]
    assert {"const": "mser-5"} in properties["warm_up"]["anyOf"]


def test_ten_thousand_cases_expand_quickly() -> None:
    sizes = ", ".join(f"{64 + n}MiB" for n in range(100))
    started = time.process_time()
    loaded = load(f"{{grid: {{machine.memory: [{sizes}], seed: {list(range(100))}}}}}")
    assert len(loaded.cases) == 10_000
    assert time.process_time() - started < 10
    first, other = loaded.cases[0].config, loaded.cases[5000].config
    assert first.workloads[0] is other.workloads[0]
    assert loaded.cases[1].config.machine is first.machine  # the same value of the same key is validated once


# ---------------------------------------------------------------- replications and warm-up


def config(**more: Any) -> sim.Config:
    workload = sim.Workload(name="a", kind="zipf")
    return sim.Config(name="s", machine=sim.Machine(memory="64MiB"), devices={"disk": sim.Device("ssd")}, workloads=[workload], **more)


@pytest.mark.parametrize(
    ("replications", "precision"),
    [
        ({"metric": "pgmajfault_rate"}, ("pgmajfault_rate", 0.05, True, 5, 50)),
        ({"metric": "run_time", "half_width": "2.5%", "least": 2, "most": 9}, ("run_time", 0.025, True, 2, 9)),
        ({"metric": "device.disk.read_latency", "half_width": 12.5}, ("device.disk.read_latency", 12.5, False, 5, 50)),
        ({"metric": "task.a.run_time", "half_width": 3}, ("task.a.run_time", 3.0, False, 5, 50)),
        ({"metric": "reclaimed.by-kswapd.from-a.anon"}, ("reclaimed.by-kswapd.from-a.anon", 0.05, True, 5, 50)),
    ],
)
def test_replications_until_a_figure_is_known(replications: dict[str, Any], precision: tuple[Any, ...]) -> None:
    made = config(replications=replications)
    assert made.precision is not None and tuple(made.precision) == precision and made.most_replications == precision[-1]
    again = sim.Config.from_dict(json.loads(json.dumps(made.resolved())))
    assert again == made and again.resolved() == made.resolved()


def test_a_number_of_replications_stays_a_number() -> None:
    assert config(replications=sim.Replications(metric="run_time", most=7)).most_replications == 7
    assert (config(replications=3).replications, config(replications=3).most_replications, config().precision) == (3, 3, None)


@pytest.mark.parametrize(
    ("replications", "line"),
    [
        (
            "{metric: pgmajfualt_rate}",
            "24: replications.metric: found 'pgmajfualt_rate'; expected the "
            "name of a figure of run.json, such as "
            "pgmajfault_rate or device.disk.read_latency; did you mean pgmajfault_rate?",
        ),
        ("{metric: device.disk.read_latncy}", "24: replications.metric: found 'device.disk.read_latncy'; expected the name of a figure: "),
        (
            "{metric: device.dsk.reads}",
            "24: replications.metric: found 'device.dsk.reads'; expected the figure of a device that there is: disk; did you mean disk?",
        ),
        (
            "{metric: task.b.run_time}",
            "24: replications.metric: found 'task.b.run_time'; expected the figure of a workload that there is: a",
        ),
        ("{metric: run_time, half_width: 0}", "46: replications.half_width: found 0; expected a share of the mean"),
        ("{metric: run_time, half_width: 0%}", "46: replications.half_width: found '0%'; expected a share of the mean"),
        ("{metric: run_time, half_width: 101%}", "46: replications.half_width: found '101%'; expected a share of the mean"),
        ("{metric: run_time, half_width: 5ms}", "46: replications.half_width: found '5ms'; expected a share of the mean"),
        ("{metric: run_time, least: 1}", "41: replications.least: found 1; expected an integer from 2 to 10000"),
        ("{metric: run_time, least: 60}", "41: replications.least: found 60; expected at most `most`, which is 50"),
        ("{metric: run_time, most: 4}", "40: replications.most: found 4; expected at least `least`, which is 5"),
        ("{most: 4}", "15: replications.metric: found nothing; expected text; this key is required"),
        ("{metric: run_time, max: 4}", "34: replications.max: found an unknown key; expected one of metric, half_width, least, most"),
        ("many", "15: replications: found 'many'; expected an integer from 1 to 10000"),
    ],
)
def test_wrong_replications(replications: str, line: str) -> None:
    found = errors("{grid: {seed: [1]}}", base=BASE.replace("replications: 1", f"replications: {replications}"))
    assert found[0].startswith(f"c.yaml:3:{line}")


@pytest.mark.parametrize(
    ("warm_up", "automatic", "metric"),
    [
        ("0s", False, "pgmajfault"),
        (5, False, "pgmajfault"),
        ("mser-5", True, "pgmajfault"),
        ({"metric": "stored_pages"}, True, "stored_pages"),
        ({"method": "mser-5", "metric": "pswpin"}, True, "pswpin"),
    ],
)
def test_warm_up(warm_up: Any, automatic: bool, metric: str) -> None:
    made = config(warm_up=warm_up)
    assert (made.automatic_warm_up, made.warm_up_metric) == (automatic, metric)
    assert sim.Config.from_dict(json.loads(json.dumps(made.resolved()))) == made
    assert automatic or made.warm_up in (0, 5)


@pytest.mark.parametrize(
    ("warm_up", "line"),
    [
        ("mser5", "10: warm_up: found 'mser5'; expected a time with a unit, such as 30us, of at least 0s"),
        (
            "{metric: pgmajfalt}",
            "19: warm_up.metric: found 'pgmajfalt'; expected a counter of /proc/vmstat or a column of series.csv; did you mean pgmajfault?",
        ),
        ("{method: mser}", "19: warm_up.method: found 'mser'; expected mser-5; did you mean mser-5?"),
    ],
)
def test_wrong_warm_up(warm_up: str, line: str) -> None:
    found = errors("{grid: {seed: [1]}}", base=BASE.replace("replications: 1", f"warm_up: {warm_up}"))
    assert found == [f"c.yaml:3:{line}"]


def test_adaptive_runs_are_counted_from_least_to_most(capsys: pytest.CaptureFixture[str]) -> None:
    load("{grid: {seed: [1, 2, 3]}}", base=BASE.replace("replications: 1", "replications: {metric: run_time, least: 4, most: 500}"))
    assert execute(["check", "c.yaml"]) == 0
    assert capsys.readouterr().out.endswith("3 cases, 12 to 1,500 runs, from c.yaml: nothing wrong\n")


def test_the_series_columns_that_may_decide_exist() -> None:
    from models.vmstat import NAMES
    from sim.actors.sampler import COUNTERS, GAUGES, OWN
    from sim.metrics import OWN_COLUMNS

    assert OWN_COLUMNS == OWN and set(COUNTERS + GAUGES) <= set(NAMES)


# ---------------------------------------------------------------- anything at all

KEYS = st.sampled_from(
    [
        *("machine.memory", "machine.cpus", "backend.kind", "backend.persistent.allocator", "seed", "workloads.a.alpha") * 4,
        *("machine", "backend", "workloads.0", "workloads", "swap", "machine.sysctl.vm.swappiness", "devices.disk", "replications"),
        *("x.y", "", ".", "name", "warm_up"),
    ]
)
SINGLE = st.sampled_from(
    [1, 2, 3, 4, 0, 0.5, "none", "zcache", "xvmalloc", "xcfmalloc", "64MiB", "96MiB", "128MiB", "1s", "auto", None, True]
)
ODD = st.recursive(SINGLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5)
LIST = st.lists(SINGLE, min_size=1, max_size=3, unique_by=repr)
RANGE = st.fixed_dictionaries({"low": SINGLE, "high": SINGLE}, optional={"scale": st.sampled_from(["linear", "log"]), "step": SINGLE})
TERM = SINGLE | LIST | st.fixed_dictionaries({"min": SINGLE}, optional={"max": SINGLE})
WHEN = st.dictionaries(KEYS, TERM, min_size=1, max_size=2)
AXES = st.dictionaries(KEYS, LIST | st.fixed_dictionaries({"values": LIST}, optional={"when": WHEN}), max_size=3)
SAMPLES = st.fixed_dictionaries({"samples": st.integers(1, 5), "keys": st.dictionaries(KEYS, RANGE | LIST, min_size=1, max_size=3)})
CASES = st.lists(st.fixed_dictionaries({"name": st.sampled_from("abc"), "set": st.dictionaries(KEYS, ODD, max_size=2)}), max_size=2)
BLOCKS = st.fixed_dictionaries(
    {"grid": AXES},
    optional={
        "cases": CASES,
        "zip": st.lists(st.dictionaries(KEYS, st.lists(SINGLE, min_size=2, max_size=2), min_size=1, max_size=2), max_size=2),
        "lhs": SAMPLES,
        "sobol": SAMPLES | ODD,
        "when": WHEN | st.lists(WHEN, max_size=2),
        "unless": WHEN | ODD,
    },
)


@given(sweep=BLOCKS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_sweep_has_cases_or_says_what_is_wrong(sweep: dict[str, Any]) -> None:
    try:
        loaded = load(json.dumps(sweep))
    except UserError as error:
        assert all(line.startswith("c.yaml:") and "found" in line for line in str(error).splitlines()), error
    else:
        assert loaded.cases and len({case.name for case in loaded.cases}) == len(loaded.cases)


def test_samples_are_the_same_on_every_machine() -> None:
    """As made once with NumPy 2 and SciPy 1.17; other versions must make the same."""
    made = {method: [[round(u, 6) for u in row] for row in cube(method, 2, ["a", "b"], 7).tolist()] for method in METHODS}
    assert made == {
        "random": [[0.879176, 0.599522], [0.819647, 0.997171]],
        "lhs": [[0.108221, 0.843529], [0.570657, 0.072798]],
        "sobol": [[0.24292, 0.927245], [0.839889, 0.306568]],
    }
