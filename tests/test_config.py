"""Configurations: the design's example, positions of every kind of error, extends, --set, sweeps, parts and the Python side."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

import sim
from sim.config.problems import dotted
from sim.config.walk import leaves
from sim.errors import UserError

EXAMPLE = """\
name: quickstart
description: a program in a VM that is too small, with and without zcache
seed: 2011
replications: 5
duration: until-done              # or 60s of simulated time
warm_up: 0s
machine:
  memory: 160MiB
  page_size: 4KiB
  cpus: 2
  kernel: "6.1"                   # which Linux's reclaim rules
  sysctl: {vm.swappiness: 60, vm.page-cluster: 3, vm.min_free_kbytes: auto, vm.watermark_scale_factor: 10}
reclaim: {policy: linux-lru}
devices:
  disk: {kind: ssd}
swap: {device: disk, size: 1GiB}
backend:
  kind: zcache
  persistent: {allocator: xcfmalloc, compressor: lz4}
workloads:
  - name: compiler
    kind: zipf
    contents: {kind: measured, table: cc1}
costs: {}
output: {interval: 100ms, record_pool: false}
"""
SWEEP = "sweep:\n  grid: {backend.kind: [none, zcache], machine.memory: [120MiB, 160MiB, 200MiB]}\n"
SMALL = "name: s\nmachine: {memory: 64MiB}\nworkloads: [{name: a, kind: loop}]\n"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str, *sets: str, name: str = "c.yaml") -> sim.Loaded:
    Path(name).write_text(text)
    return sim.load(name, sets)


def errors(text: str, *sets: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        load(text, *sets)
    return str(caught.value).splitlines()


def line_of(text: str, found: str) -> str:
    """`line:column` of a piece of text."""
    before = text[: text.index(found)]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def test_the_example() -> None:
    config = load(EXAMPLE).config
    assert (config.seed, config.replications, config.duration, config.until_done) == (2011, 5, "until-done", True)
    assert (config.machine.memory, config.machine.page_size) == (160 << 20, 4096)
    assert config.machine.kernel_reserved == (160 << 20) // 64 + (8 << 20)
    assert config.machine.sysctl == {
        "vm.swappiness": 60,
        "vm.page-cluster": 3,
        "vm.min_free_kbytes": "auto",
        "vm.watermark_scale_factor": 10,
        "vm.watermark_boost_factor": 15000,
        "vm.dirty_ratio": 20,
        "vm.dirty_background_ratio": 10,
        "vm.dirty_bytes": 0,
        "vm.dirty_background_bytes": 0,
        "vm.dirty_expire_centisecs": 3000,
        "vm.dirty_writeback_centisecs": 500,
    }
    assert config.machine.scheduler["quantum"] == 4_000_000
    assert config.reclaim.policy.entry.target == "models.policies.linux_lru:LINUX_LRU"
    assert config.devices["disk"].options["bandwidth"] == 530_000_000
    assert config.swap is not None and (config.swap.device, config.swap.size) == ("disk", 1 << 30)
    persistent = config.backend.options["persistent"]
    assert (config.backend.kind, persistent["zv_max_zsize"]) == ("zcache", 3584)
    assert (persistent["allocator"].kind, persistent["allocator"].options["header"]) == ("xcfmalloc", 64)
    workload = config.workloads[0]
    assert (workload.name, workload.kind, workload.start, workload.options["size"]) == ("compiler", "zipf", 0, 64 << 20)
    assert workload.contents is not None and workload.contents.options["table"] == "cc1"
    assert config.costs["fault"] == 500 and config.output.interval == 100_000_000


def test_defaults_of_a_small_one() -> None:
    config = load(SMALL).config
    assert (config.seed, config.replications, config.warm_up, config.swap) == (1, 5, 0, None)
    assert (config.backend.kind, config.reclaim.policy.kind, config.machine.cpus) == ("none", "linux-lru", 2)


@pytest.mark.parametrize(("memory", "reserved"), [("64MiB", 9 << 20), ("16MiB", 4 << 20), ("6400MiB", 108 << 20)])
def test_kernel_reserved_auto(memory: str, reserved: int) -> None:
    assert sim.Machine(memory=memory).kernel_reserved == reserved


CASES = {
    "unknown key": (
        "cpus: 2",
        "cpu: 2",
        "cpu:",
        "machine.cpu: found an unknown key; expected one of memory, page_size",
        "did you mean cpus?",
    ),
    "unknown section": ("costs: {}", "cost: {}", "cost:", "cost: found an unknown key", "did you mean costs?"),
    "unknown sysctl": (
        "vm.swappiness: 60",
        "vm.swapiness: 60",
        "vm.swapiness",
        "machine.sysctl.vm.swapiness: found an unknown key",
        "did you mean vm.swappiness?",
    ),
    "size without unit": ("160MiB", "160", "160", "machine.memory: found 160; expected a size with a unit", "a number needs a unit"),
    "unclear unit": ("160MiB", "160MB!", "160MB!", "machine.memory: found '160MB!'; expected a size with a unit", "1MiB to 1PiB"),
    "wrong case": ("160MiB", "160mib", "160mib", "machine.memory: found '160mib'", "did you mean MiB?"),
    "too small": (
        "160MiB",
        "1KiB",
        "1KiB",
        "machine.memory: found '1KiB'; expected a size with a unit, such as 64MiB, from 1MiB to 1PiB",
        "",
    ),
    "octal": ("cpus: 2", "cpus: 010", "010", "machine.cpus: found '010'; expected an integer from 1 to 1024", "write 10"),
    "sexagesimal": (
        "seed: 2011",
        "seed: 12:30:45",
        "12:30:45",
        "seed: found '12:30:45'; expected an integer",
        "it is text here, not a count of seconds",
    ),
    "hexadecimal": ("seed: 2011", "seed: 0x10", "0x10", "seed: found '0x10'; expected an integer", "write 16"),
    "underscores": ("seed: 2011", "seed: 2_011", "2_011", "seed: found '2_011'; expected an integer", "write 2011"),
    "quoted number": ("seed: 2011", "seed: '2011'", "'2011'", "seed: found '2011'; expected an integer", "it is quoted"),
    "fraction": ("seed: 2011", "seed: 1.5", "1.5", "seed: found 1.5; expected an integer", "it must be a whole number"),
    "too large a float": ("seed: 2011", "seed: 1e999", "1e999", "seed: found 1e999; expected an integer", "it must be finite"),
    "negative": ("seed: 2011", "seed: -1", "-1", "seed: found -1; expected an integer from 0 to 2^63 - 1", ""),
    "no is no boolean": (
        "record_pool: false",
        "record_pool: no",
        "no}",
        "output.record_pool: found 'no'; expected true or false",
        "did you mean false?",
    ),
    "1 is no boolean": ("record_pool: false", "record_pool: 1", "1}", "output.record_pool: found 1; expected true or false", ""),
    "time without unit": ("100ms", "100", "100,", "output.interval: found 100; expected a time with a unit", "a number needs a unit"),
    "bare m": ("100ms", "1m", "1m,", "output.interval: found '1m'", "minutes are min"),
    "misspelt word": (
        "until-done",
        "untildone",
        "untildone",
        "duration: found 'untildone'; expected a time with a unit",
        "did you mean until-done?",
    ),
    "choice": ("4KiB", "8KiB", "8KiB", "machine.page_size: found '8KiB'; expected one of 4KiB, 16KiB, 64KiB", ""),
    "kernel": ('"6.1"', "6.10", "6.10", "machine.kernel: found 6.10; expected one of 6.1, 6.12", ""),
    "number as name": ("name: quickstart", "name: 5", "5", "name: found 5; expected text", "put it in quotes"),
    "unsafe name": ("name: quickstart", "name: ../x", "../x", "name: found '../x'; expected 1 to 100 letters", ""),
    "unknown part": (
        "kind: zcache",
        "kind: zcahe",
        "zcahe",
        "backend.kind: found 'zcahe'; expected one of none, zcache",
        "did you mean zcache?",
    ),
    "part from elsewhere": (
        "kind: zcache",
        "kind: xvmalloc",
        "xvmalloc",
        "backend.kind: found 'xvmalloc'",
        "xvmalloc is one of the allocators",
    ),
    "short part": (
        "policy: linux-lru",
        "policy: linux-lr",
        "linux-lr}",
        "reclaim.policy.kind: found 'linux-lr'; expected one of linux-lru, mglru",
        "did you mean linux-lru?",
    ),
    "nested part": (
        "allocator: xcfmalloc",
        "allocator: xcfmaloc",
        "xcfmaloc",
        "backend.persistent.allocator.kind: found 'xcfmaloc'",
        "did you mean xcfmalloc?",
    ),
    "nested setting": (
        "allocator: xcfmalloc",
        "allocator: {kind: xcfmalloc, headr: 32}",
        "headr",
        "backend.persistent.allocator.headr: found an unknown key",
        "did you mean header?",
    ),
    "fixed by name": (
        "allocator: xcfmalloc",
        "allocator: {kind: xcfmalloc-v1-32bit, header: 64}",
        "header",
        "backend.persistent.allocator.header: found a setting; expected nothing: xcfmalloc-v1-32bit fixes header to 32",
        "",
    ),
    "no such device": (
        "device: disk",
        "device: dsk",
        "dsk",
        "swap.device: found 'dsk'; expected a name from `devices`: disk",
        "did you mean disk?",
    ),
    "section as list": ("costs: {}", "costs: [1]", "[1]", "costs: found a list; expected a mapping (key: value)", ""),
    "section as text": (
        "machine:\n  memory: 160MiB",
        "machine: big\nx:\n  memory: 160MiB",
        "big",
        "machine: found 'big'; expected a mapping (key: value)",
        "",
    ),
    "workloads as mapping": (
        "workloads:\n  - name: compiler",
        "workloads:\n    name: compiler",
        "name: compiler",
        "workloads: found a mapping; expected a list",
        "",
    ),
    "workload name": ("name: compiler", "name: 0", "0\n    kind", "workloads.0.name: found 0; expected text", ""),
    "dots in workload name": ("name: compiler", "name: a.b", "a.b", "workloads.0.name: found 'a.b'; expected 1 to 64 letters", ""),
    "device name": ("disk: {kind", "di sk: {kind", "di sk", "devices.di sk: found 'di sk'", "expected 1 to 64 letters"),
    "not a workload": (
        "- name: compiler",
        "- 5\n  - name: compiler",
        "5\n  -",
        "workloads.0: found 5; expected a workload: one of sequential",
        "",
    ),
    "null": ("seed: 2011", "seed:", "\nreplications", "seed: found nothing (null); expected an integer", ""),
}
POSITIONS = {"1 is no boolean": "25:40", "null": "3:6", "device name": "15:3"}


@pytest.mark.parametrize("case", CASES)
def test_positions_and_words(case: str) -> None:
    old, new, place, message, hint = CASES[case]
    text = EXAMPLE.replace(old, new, 1)
    assert text != EXAMPLE
    found = errors(text)
    position = POSITIONS.get(case) or line_of(text, place)
    matching = [line for line in found if line.startswith(f"c.yaml:{position}: {message}")]
    assert matching, found
    assert hint in matching[0]


def test_missing_keys_point_at_their_section() -> None:
    assert errors("name: x\nmachine: {cpus: 2}\n") == [
        "c.yaml:1:1: workloads: found nothing; expected a list; this key is required",
        "c.yaml:2:10: machine.memory: found nothing; expected a size with a unit, such as 64MiB, from 1MiB to 1PiB; this key is required",
    ]
    assert errors(SMALL.replace("kind: loop", "start: 1s")) == [
        "c.yaml:3:13: workloads.0: found nothing (null); expected `kind`, which names a workload: one of sequential, loop, uniform, zipf, "
        "hotcold, touch, phases, mix, daily, trace, masim, file, io-trace, build, slab, memhog, resident"
    ]
    assert errors(SMALL.replace("[{name: a, kind: loop}]", "[]")) == [
        "c.yaml:3:12: workloads: found an empty list; expected at least 1 of them"
    ]


def test_all_errors_at_once_in_order() -> None:
    text = (
        EXAMPLE.replace("2011", "x", 1)
        .replace("cpus", "cpsu")
        .replace("dsk", "y")
        .replace("device: disk", "device: d")
        .replace("zipf", "zip")
    )
    found = errors(text + "name: again\n", "machine.memory=1", "nonsense")
    assert [line.split(": ")[0] for line in found] == [
        "c.yaml:3:7",
        "c.yaml:10:3",
        "c.yaml:16:16",
        "c.yaml:22:11",
        "c.yaml:26:1",
        "--set nonsense",
        "--set machine.memory",
    ]


def test_whole_numbers_may_have_exponents() -> None:
    assert load(EXAMPLE.replace("seed: 2011", "seed: 1e3")).config.seed == 1000


def test_kernel_may_stand_without_quotes() -> None:
    assert load(EXAMPLE.replace('"6.1"', "6.1")).config.machine.kernel == "6.1"


def test_zero_needs_no_unit() -> None:
    assert load(EXAMPLE.replace("warm_up: 0s", "warm_up: 0")).config.warm_up == 0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SMALL + "backend: zcache\n", "c.yaml:4:10: backend.kind: found 'zcache'; expected none, as there is no swap"),
        (
            SMALL.replace("64MiB", "1MiB, page_size: 64KiB"),
            "c.yaml:2:19: machine.memory: found '1MiB'; expected at least 64 pages of 64KiB",
        ),
        (
            SMALL.replace("64MiB", "64MiB, kernel_reserved: 1GiB"),
            "c.yaml:2:43: machine.kernel_reserved: found 1GiB; expected at least 64 pages less",
        ),
        (SMALL.replace("64MiB", "1PiB"), "c.yaml:2:19: machine.memory: found '1PiB'; expected at most 2^27 pages of 4KiB: 512GiB"),
        (
            SMALL.replace("64MiB", "64MiB, sysctl: {vm.min_free_kbytes: 50000}"),
            "c.yaml:2:55: machine.sysctl.vm.min_free_kbytes: found 50000; expected less than 37546",
        ),
        (SMALL.replace("}]", "}, {name: a, kind: zipf}]"), "c.yaml:3:43: workloads.1.name: found 'a'; expected a name of its own"),
        (SMALL + "duration: 1s\nwarm_up: 2s\n", "c.yaml:5:10: warm_up: found 2s; expected less than duration: 1s"),
        (
            SMALL + "swap: {device: d, size: 1GiB}\n",
            "c.yaml:4:16: swap.device: found 'd'; expected a name from `devices`: nothing (there are none)",
        ),
    ],
)
def test_what_does_not_fit_together(text: str, line: str) -> None:
    found = errors(text)
    assert len(found) == 1 and found[0].startswith(line), found


# ---------------------------------------------------------------- extends and --set


def test_extends_chain_and_positions() -> None:
    Path("a.yaml").write_text(EXAMPLE)
    Path("b.yaml").write_text("extends: a.yaml\nmachine: {memory: 64MiB}\nworkloads:\n- {name: x, kind: loop}\n")
    loaded = load("extends: b.yaml\nname: c\nmachine: {cpus: 1}\n")
    assert (loaded.config.name, loaded.config.machine.memory, loaded.config.machine.cpus) == ("c", 64 << 20, 1)
    assert [workload.name for workload in loaded.config.workloads] == ["x"]
    assert loaded.files == ["c.yaml", "b.yaml", "a.yaml"]
    assert loaded.origin["machine.memory"] == "b.yaml:2"
    assert loaded.origin["machine.cpus"] == "c.yaml:3"
    assert loaded.origin["seed"] == "a.yaml:3"
    assert loaded.origin["costs.fault"] == "default"


def test_extends_several_later_wins() -> None:
    Path("a.yaml").write_text(EXAMPLE)
    Path("fast.yaml").write_text("machine: {cpus: 8}\nseed: 5\n")
    config = load("extends: [a.yaml, fast.yaml]\nseed: 6\n").config
    assert (config.machine.cpus, config.seed, config.machine.memory) == (8, 6, 160 << 20)


def test_errors_in_extended_files_have_their_own_positions() -> None:
    Path("sub").mkdir()
    Path("sub/a.yaml").write_text(EXAMPLE.replace("2011", "x", 1))
    assert [line.split(": ")[0] for line in errors("extends: sub/a.yaml\nwarm_up: 5\n")] == ["c.yaml:2:10", "sub/a.yaml:3:7"]


def test_paths_are_relative_to_the_file_that_names_them() -> None:
    Path("sub").mkdir()
    Path("sub/t.mpt").write_text("")
    Path("here.mpt").write_text("")
    Path("sub/a.yaml").write_text(SMALL.replace("kind: loop", "kind: trace, file: t.mpt"))
    inherited = load("extends: sub/a.yaml\n")
    assert inherited.config.workloads[0].options["file"] == str(Path("sub/t.mpt").absolute())
    overridden = sim.load("sub/a.yaml", ["workloads.a.file=here.mpt"])
    assert overridden.config.workloads[0].options["file"] == str(Path("here.mpt").absolute())
    assert overridden.config.input_files() == [Path("here.mpt").absolute()]


def test_missing_input_file() -> None:
    Path("trace.mpt").write_text("")
    found = errors(SMALL.replace("kind: loop", "kind: trace, file: trase.mpt"))
    missing = Path("trase.mpt").absolute()
    assert found == [
        f"c.yaml:3:42: workloads.0.file: found 'trase.mpt'; expected a file that exists (there is no {missing}); did you mean trace.mpt?"
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.yaml": "extends: c.yaml"}, "a.yaml:1:10: extends: found a circle: c.yaml -> a.yaml -> c.yaml"),
        ({"a.yaml": "extends: a.yaml"}, "a.yaml:1:10: extends: found a circle: a.yaml -> a.yaml"),
        ({}, "c.yaml:1:10: extends: a.yaml: there is no such file"),
        ({"a.yaml": ""}, "c.yaml:1:10: extends: a.yaml: is empty"),
        ({"a.yaml": "{"}, "c.yaml:1:10: extends: a.yaml:2:1: this is not YAML"),
    ],
)
def test_extends_that_fails(files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        Path(name).write_text(text)
    assert any(line.startswith(message) for line in errors("extends: a.yaml\n")), errors("extends: a.yaml\n")


def test_extends_must_name_files() -> None:
    assert "c.yaml:1:10: extends: found 5; expected the name of a file, or a list of names" in errors("extends: 5\n" + SMALL)


def test_changing_the_kind_drops_the_old_settings() -> None:
    Path("a.yaml").write_text(EXAMPLE.replace("kind: zipf", "kind: zipf\n    alpha: 0.5\n    size: 1MiB"))
    workload = sim.load("a.yaml", ["workloads.compiler.kind=loop"]).config.workloads[0]
    assert (workload.kind, workload.options["size"], "alpha" in workload.options) == ("loop", 1 << 20, False)
    assert load("extends: a.yaml\nbackend: {kind: none}\n").config.backend.options == {}
    assert load("extends: a.yaml\nbackend: none\n").config.backend.options == {}


def test_new_settings_of_the_wrong_kind_are_still_errors() -> None:
    Path("a.yaml").write_text(EXAMPLE)
    assert errors("extends: a.yaml\nbackend: {kind: none, persistent: {}}\n") == [
        "c.yaml:2:23: backend.persistent: found an unknown key; expected nothing (there are none)"
    ]


def test_set() -> None:
    loaded = load(EXAMPLE, "machine.sysctl.vm.swappiness=100", "machine.memory=1GB", "costs={fault: 1us}", "swap=null", "backend=none")
    assert loaded.config.machine.sysctl["vm.swappiness"] == 100
    assert (loaded.config.machine.memory, loaded.config.costs["fault"], loaded.config.swap) == (10**9, 1000, None)
    assert loaded.origin["machine.memory"] == "--set machine.memory"
    assert loaded.origin["machine.sysctl.vm.swappiness"] == "--set machine.sysctl.vm.swappiness"
    assert loaded.origin["machine.sysctl.vm.page-cluster"] == "c.yaml:12"


def test_set_below_a_short_part() -> None:
    config = load(EXAMPLE, "backend.persistent.allocator.header=32").config
    assert config.backend.options["persistent"]["allocator"].options["header"] == 32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("machine.memry=1MiB", "--set machine.memry: found an unknown key; expected one of memory"),
        ("machine.memory=160", "--set machine.memory: found 160; expected a size with a unit"),
        ("machine.cpus=010", "--set machine.cpus: found '010'; expected an integer"),
        ("machine.memory", "--set machine.memory: found 'machine.memory'; expected KEY=VALUE"),
        ("=5", "--set : found '=5'; expected KEY=VALUE"),
        ("a..b=5", "--set a..b: found 'a..b=5'; expected KEY=VALUE"),
        ("seed=[1", "--set seed: this is not YAML"),
        ("seed=!!int 5", "--set seed: found the tag"),
        (
            "workloads.compilr.size=1MiB",
            "--set workloads.compilr.size: workloads.compilr: found 'compilr'; expected an index from 0 to 0, or compiler; "
            "did you mean compiler?",
        ),
        ("workloads.7.size=1MiB", "--set workloads.7.size: workloads.7: found '7'; expected an index from 0 to 0"),
        ("extends=x.yaml", "--set extends: found a key that cannot be set"),
        ("reclaim.policy=fafo", "--set reclaim.policy: reclaim.policy.kind: found 'fafo'"),
    ],
)
def test_set_errors(text: str, message: str) -> None:
    found = errors(EXAMPLE, text)
    assert len(found) == 1 and found[0].startswith(message), found


# ---------------------------------------------------------------- sweeps


def test_grid() -> None:
    loaded = load(EXAMPLE + SWEEP)
    assert [case.name for case in loaded.cases] == [
        f"backend={kind},memory={size}MiB" for kind in ("none", "zcache") for size in (120, 160, 200)
    ]
    last = loaded.cases[-1]
    assert last.labels == {"backend.kind": "zcache", "machine.memory": "200MiB"}
    assert (last.config.machine.memory, last.config.sweep, last.config.backend.kind) == (200 << 20, None, "zcache")
    assert loaded.cases[0].config.backend.options == {}
    assert loaded.config.sweep is not None and loaded.config.name == "quickstart"


def test_cases() -> None:
    text = EXAMPLE + (
        "sweep:\n  cases:\n  - {name: plain, set: {backend.kind: none}}\n"
        "  - {name: xv, set: {backend.persistent.allocator: xvmalloc, workloads.compiler.alpha: 0.5, machine.sysctl.vm.swappiness: 10}}\n"
    )
    plain, xv = load(text).cases
    assert (plain.name, plain.config.backend.kind) == ("plain", "none")
    assert xv.config.backend.options["persistent"]["allocator"].kind == "xvmalloc"
    assert xv.config.workloads[0].options["alpha"] == 0.5 and xv.config.machine.sysctl["vm.swappiness"] == 10
    assert xv.labels["workloads.compiler.alpha"] == "0.5"


def test_base_may_lack_what_the_sweep_sets() -> None:
    text = SMALL.replace("{memory: 64MiB}", "{}") + "sweep: {grid: {machine.memory: [32MiB, 64MiB]}}\n"
    loaded = load(text)
    assert [case.config.machine.memory for case in loaded.cases] == [32 << 20, 64 << 20]
    assert loaded.config.machine.memory == 32 << 20


def test_unchanged_sections_are_shared_and_right() -> None:
    loaded = load(EXAMPLE + SWEEP)
    alone = load(EXAMPLE, "machine.memory=200MiB")
    assert loaded.cases[-1].config.resolved() == alone.config.resolved()
    assert loaded.cases[-1].config.workloads[0] is loaded.config.workloads[0]


@pytest.mark.parametrize(
    ("sweep", "lines"),
    [
        (
            "{grid: {machine.memroy: [1GiB]}}",
            [
                "c.yaml:4:16: machine.memroy: found an unknown key; expected one of memory, page_size, cpus, kernel, "
                "kernel_reserved, start, sysctl, scheduler; did you mean memory? (in the case memroy=1GiB)"
            ],
        ),
        ("{grid: {seed: [1, x]}}", ["c.yaml:4:26: seed: found 'x'; expected an integer from 0 to 2^63 - 1 (in the case seed=x)"]),
        (
            "{grid: {machine.memory: [64]}}",
            [
                "c.yaml:4:33: machine.memory: found 64; expected a size with a unit, such as 64MiB, from 1MiB to 1PiB; "
                "a number needs a unit (in the case memory=64)"
            ],
        ),
        ("{grid: {seed: []}}", ["c.yaml:4:22: sweep.grid.seed: found an empty list; expected at least 1 of them"]),
        ("{grid: {seed: 5}}", ["c.yaml:4:22: sweep.grid.seed: found 5; expected a list of values, or a mapping with `values` and `when`"]),
        ("{grid: {seed: [1, 1]}}", ["c.yaml:4:26: sweep.grid.seed.1: found 1 a second time; expected each value once"]),
        ("{grid: {workloads.b.size: [1MiB]}}", ["c.yaml:4:16: workloads.b: found 'b'; expected an index from 0 to 0, or a"]),
        (
            "{grid: {name: [a, b]}}",
            ["c.yaml:4:16: name: found a key that cannot be swept; expected any key but name, sweep, published, extends"],
        ),
        ("{}", ["c.yaml:4:8: sweep: found no cases; expected a block that makes some: grid, cases, zip, random, lhs or sobol"]),
        (
            "{cases: [{name: a}, {name: a}]}",
            ["c.yaml:4:35: sweep.cases.1.name: found 'a'; expected a name of its own; a case before it has it already"],
        ),
        (
            "{cases: [{nam: a}]}",
            [
                "c.yaml:4:17: sweep.cases.0.name: found nothing; expected text; this key is required",
                "c.yaml:4:18: sweep.cases.0.nam: found an unknown key; expected one of name, set; did you mean name?",
            ],
        ),
        (
            "{grids: {}}",
            [
                "c.yaml:4:9: sweep.grids: found an unknown key; expected one of grid, cases, zip, random, lhs, sobol, when, unless; "
                "did you mean grid?"
            ],
        ),
        ("[1]", ["c.yaml:4:8: sweep: found a list; expected a mapping (key: value)"]),
        (
            "{grid: {backend: [none, zcache]}}",
            [
                "c.yaml:4:32: backend.kind: found 'zcache'; expected none, as there is no swap: it keeps pages that go to "
                "swap slots; add `swap:` (in the case backend=zcache)"
            ],
        ),
    ],
)
def test_sweep_errors(sweep: str, lines: list[str]) -> None:
    assert errors(f"{SMALL}sweep: {sweep}\n") == lines


def test_too_many_runs() -> None:
    axis = "[" + ", ".join(map(str, range(200))) + "]"
    text = f"{SMALL}sweep: {{grid: {{seed: {axis}, costs.fault: [{', '.join(f'{n}ns' for n in range(200))}]}}}}\n"
    found = errors(text)
    assert found == [
        "c.yaml:4:8: sweep: found 40,000 cases with 5 replications; expected at most 100,000 runs; 200 (seed) x 200 (costs.fault)"
    ]


def test_set_against_the_sweep() -> None:
    assert errors(EXAMPLE + SWEEP, "machine.memory=64MiB") == [
        "--set machine.memory: found a key that the sweep varies (machine.memory); set sweep.grid.machine.memory=[...], or sweep=null"
    ]
    assert len(load(EXAMPLE + SWEEP, "sweep.grid.machine.memory=[64MiB]").cases) == 2
    assert len(load(EXAMPLE + SWEEP, "machine.memory=64MiB", "sweep=null").cases) == 1


def test_published() -> None:
    figure = "published: [{case: s, metric: pswpout, value: 1e3, source: a paper}]\n"
    loaded = load(SMALL + figure)
    assert loaded.config.published[0].value == 1000.0 and loaded.config.published[0].note == ""
    assert errors(SMALL + figure.replace("case: s", "case: t")) == ["c.yaml:4:20: published.0.case: found 't'; expected s"]
    swept = SMALL + "sweep: {cases: [{name: one, set: {seed: 3}}]}\n" + figure.replace("case: s", "case: one")
    assert load(swept).cases[0].config.published == []


# ---------------------------------------------------------------- values, hashes, Python


def test_resolved_is_complete_and_reads_back() -> None:
    config = load(EXAMPLE).config
    data = config.resolved()
    again = json.loads(json.dumps(data))
    assert again == data
    assert data["machine"]["memory"] == 160 << 20 and data["backend"]["persistent"]["allocator"]["header"] == 64
    assert sim.Config.from_dict(again) == config
    assert sim.Config.from_dict(again).resolved() == data


def test_origin_covers_every_value() -> None:
    loaded = load(EXAMPLE + SWEEP)
    assert set(loaded.origin) == {dotted(leaf.path) for leaf in leaves(loaded.config)}


def test_configs_travel_to_workers() -> None:
    config = load(EXAMPLE).config
    assert pickle.loads(pickle.dumps(config)) == config


def python_example() -> sim.Config:
    return sim.Config(
        name="quickstart",
        description="a program in a VM that is too small, with and without zcache",
        seed=2011,
        machine=sim.Machine(memory="160MiB"),
        devices={"disk": sim.Device("ssd")},
        swap=sim.Swap(device="disk", size=1 << 30),
        backend=sim.Backend("zcache", persistent={"allocator": sim.Allocator("xcfmalloc"), "compressor": "lz4"}),
        workloads=[sim.Workload(name="compiler", kind="zipf", contents=sim.Contents("measured", table="cc1"))],
    )


def test_python_is_one_to_one_with_yaml() -> None:
    assert python_example().resolved() == load(EXAMPLE).config.resolved()


def test_python_sweeps_like_yaml() -> None:
    grid = {"backend.kind": ["none", "zcache"], "machine.memory": ["120MiB", "160MiB", "200MiB"]}
    config = sim.Config(**{**python_example().resolved(written=True), "sweep": sim.Sweep(grid=grid)})
    made, read = sim.prepare(config), load(EXAMPLE + SWEEP)
    assert [(case.name, case.labels, case.config.resolved()) for case in made.cases] == [
        (case.name, case.labels, case.config.resolved()) for case in read.cases
    ]


def test_python_errors_are_user_errors_with_all_lines() -> None:
    with pytest.raises(UserError) as caught:
        sim.Machine(memory="160", cpus=0, page_sise="4KiB")  # type: ignore[call-arg]
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("Machine: memory: found '160'; expected a size") and lines[1].startswith("Machine: cpus: found 0")
    assert lines[2].endswith("did you mean page_size?")
    with pytest.raises(UserError, match=r"^Device: chanels: found an unknown key"):
        sim.Device("ssd", chanels=4)
    with pytest.raises(UserError, match=r"^Config: swap\.device: found 'x'; expected a name from `devices`"):
        sim.Config(
            name="a",
            machine=sim.Machine(memory="64MiB"),
            swap=sim.Swap(device="x", size="1GiB"),
            workloads=[sim.Workload(name="w", kind="loop")],
        )


def test_configs_are_frozen() -> None:
    machine = sim.Machine(memory="64MiB")
    with pytest.raises(Exception, match="frozen"):
        machine.cpus = 3  # type: ignore[misc]
    with pytest.raises(Exception, match="cannot assign"):
        sim.Device("ssd").kind = "x"  # type: ignore[misc]


def test_presets_fix_their_settings() -> None:
    part = sim.Allocator("xcfmalloc-v1-32bit")
    assert (part.options["rule"], part.options["header"], part.options["reserve"]) == ("v1", 32, 32)
    assert part.resolved() == {"kind": "xcfmalloc-v1-32bit", "reserve": 32}


def test_parts_inside_parts() -> None:
    text = SMALL.replace("kind: loop", "kind: mix, parts: [zipf, {kind: loop, size: 1MiB}], weights: [1, 2]")
    mix = load(text).config.workloads[0]
    assert [part.kind for part in mix.options["parts"]] == ["zipf", "loop"]
    assert mix.options["parts"][1].options["size"] == 1 << 20 and mix.options["weights"] == [1.0, 2.0]
    assert errors(text.replace("size: 1MiB", "siz: 1MiB"))[0].startswith("c.yaml:3:61: workloads.0.parts.1.siz: found an unknown key")
    assert errors(text.replace("[1, 2]", "[1, x]"))[0].startswith("c.yaml:3:88: workloads.0.weights.1: found 'x'; expected a number")


PLUGIN = """
import missing_module_that_is_never_imported

MINE = {
    "target": "build", "doc": "a disk", "source": "me",
    "options": [{"name": "latency", "type": "time", "unit": "ns", "default": "5ms", "min": 0}],
}
BROKEN = {"target": "nothing", "options": []}
WORSE = {"target": "build", "options": [{"name": "x", "type": "color"}]}

def build(): pass
"""


def test_plugin_is_read_without_running_it() -> None:
    Path("sub").mkdir()
    Path("sub/disk.py").write_text(PLUGIN)
    Path("sub/a.yaml").write_text(SMALL + "devices: {d: {kind: 'disk.py:MINE', latency: 1ms}, e: disk.py:MINE}\n")
    config = load("extends: sub/a.yaml\n").config
    file = Path("sub/disk.py").absolute()
    assert config.devices["d"].options == {"latency": 1_000_000} and config.devices["e"].options == {"latency": 5_000_000}
    assert config.devices["d"].entry.target == f"{file}:build" and config.input_files() == [file]
    assert sim.Config.from_dict(config.resolved()).resolved() == config.resolved()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("disk.py:MIEN", "devices.d.kind: found 'disk.py:MIEN'; expected a name that"),
        ("dsk.py:MINE", "devices.d.kind: found 'dsk.py:MINE'; expected a plug-in's file"),
        ("disk.py:BROKEN", "devices.d.kind: found 'disk.py:BROKEN'; expected a literal dict with `target` and `options`"),
        ("disk.py:WORSE", "devices.d.kind: found 'disk.py:WORSE'; expected a literal dict with `target` and `options`"),
        ("disk.py:build", "devices.d.kind: found 'disk.py:build'; expected a name that"),
        ("bad.py:X", "devices.d.kind: found 'bad.py:X'; expected a plug-in's Python file"),
    ],
)
def test_plugin_errors(kind: str, message: str) -> None:
    Path("disk.py").write_text(PLUGIN)
    Path("bad.py").write_text("X = {\n")
    found = errors(SMALL + f"devices: {{d: {{kind: '{kind}'}}}}\n")
    assert len(found) == 1 and message in found[0], found
    assert found[0].startswith("c.yaml:4:21: ")


def test_plugin_target_is_imported_by_resolve() -> None:
    from models.errors import InputError
    from models.registry import resolve

    Path("good.py").write_text("VALUE = 41 + 1\nNAME = {'target': 'VALUE'}\n")
    Path("bad.py").write_text("1 / 0\n")
    assert resolve(f"{Path('good.py').absolute()}:VALUE") == 42
    with pytest.raises(InputError, match="ZeroDivisionError"):
        resolve(f"{Path('bad.py').absolute()}:VALUE")


def test_largest_memory_is_what_the_engine_holds() -> None:
    from models.memory.state import MAX_FRAMES
    from sim.config.checks import MOST_FRAMES

    assert MOST_FRAMES == MAX_FRAMES
