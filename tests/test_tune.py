"""`mempress tune`: the best settings are found, noise recommends nothing, and the answer is in Linux's words."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as hs

from sim.cli import execute as command_line
from sim.errors import UserError
from sim.folders import read_json
from sim.results import Replication
from sim.tune.candidates import BASELINE, FINALISTS, affordable, cost, load_study, rungs_of, survivors
from sim.tune.command import execute, lines, sentence
from sim.tune.halving import Entry, halve, objective, rank
from sim.tune.settings import snippets
from sim.tune.verdict import amount, document

ROOT = Path(__file__).resolve().parent.parent
CONFIG = """
name: t
seed: 5
machine: {memory: 24MiB, cpus: 1}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 64MiB}
workloads:
  - {name: w, kind: uniform, size: 20MiB, accesses: 20000, contents: {kind: synthetic, ratio: 2}}
tune:
  objective: {psi_memory_full: 1, pool_frames: 0.001}
  keys:
    machine.sysctl.vm.swappiness: {low: 0, high: 100}
    backend: [none, zcache]
  budget: 100
  first: 2
  most: 4
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "t.yaml"
    path.write_text(CONFIG)
    return path


# ---------------------------------------------------------------- rungs and budget


def test_rungs_double_up_to_the_most() -> None:
    assert rungs_of(2, 8) == [2, 4, 8] and rungs_of(3, 20) == [3, 6, 12, 20] and rungs_of(4, 4) == [4]


def test_the_cost_of_a_worked_example() -> None:
    """10 candidates, rungs of 2, 4 and 8, and the baseline: 11 x 2, then 6 x 2 more, then 4 x 4 more, then 4 x 8 fresh ones."""
    assert cost(10, [2, 4, 8]) == 11 * 2 + 6 * 2 + 4 * 4 + 4 * 8
    assert [survivors(n, 0, 3) for n in (2, 3, 5, 10, 11)] == [2, 3, 3, 5, 6]
    assert survivors(9, 2, 3) == FINALISTS


@given(hs.integers(1, 2000), hs.integers(2, 5), hs.integers(0, 20))
def test_a_budget_is_used_and_never_exceeded(budget: int, first: int, more: int) -> None:
    rungs = rungs_of(first, first + more)
    count = affordable(budget, rungs)
    assert (count == 0 and cost(2, rungs) > budget) or cost(count, rungs) <= budget < cost(count + 1, rungs)


# ---------------------------------------------------------------- keys that move only where a condition holds

ALLOCATOR = "backend.persistent.allocator"
SHARE = "backend.persistent.zv_page_count_policy_percent"
CONDITIONAL = f"""    {ALLOCATOR}: {{values: [xvmalloc, xcfmalloc, zsmalloc], when: {{backend.kind: zcache}}}}
    {SHARE}: {{low: 20, high: 100, when: {{{ALLOCATOR}: zsmalloc}}}}
"""


def conditional(config: Path, more: str = CONDITIONAL) -> list[dict[str, str]]:
    """The settings of the candidates of a file with more keys."""
    config.write_text(CONFIG.replace("    backend: [none, zcache]\n", "    backend.kind: [none, zcache]\n" + more))
    return [one.labels for one in load_study(config).candidates[1:]]


def test_a_condition_decides_where_a_key_moves(config: Path) -> None:
    """A kind's settings move with that kind alone, and a condition on a key that was left out does not hold."""
    found = conditional(config)
    assert {one["backend.kind"] for one in found} == {"none", "zcache"}
    assert {one.get(ALLOCATOR) for one in found} == {None, "xvmalloc", "xcfmalloc", "zsmalloc"}
    for one in found:
        assert (ALLOCATOR in one) == (one["backend.kind"] == "zcache")
        assert (SHARE in one) == (one.get(ALLOCATOR) == "zsmalloc")


def test_a_condition_changes_no_other_key(config: Path) -> None:
    plain = [(one["machine.sysctl.vm.swappiness"], one["backend.kind"]) for one in conditional(config, "")]
    assert [(one["machine.sysctl.vm.swappiness"], one["backend.kind"]) for one in conditional(config)] == plain


def test_candidates_that_are_the_same_are_tried_once(config: Path) -> None:
    """Without a condition's keys two samples may be one; a grid leaves out what the configuration has already."""
    text = CONFIG.replace("    machine.sysctl.vm.swappiness: {low: 0, high: 100}\n", "")
    keys = (
        "    backend.kind: [none, zcache]\n    backend.persistent.allocator: {values: [xvmalloc, zsmalloc], when: {backend.kind: zcache}}\n"
    )
    config.write_text(text.replace("    backend: [none, zcache]\n", keys))
    assert [one.labels for one in load_study(config).candidates] == [
        {},
        {"backend.kind": "zcache", ALLOCATOR: "xvmalloc"},
        {"backend.kind": "zcache", ALLOCATOR: "zsmalloc"},
    ]
    keys += "    backend.persistent.zv_max_zsize: {low: 3000, high: 4000, when: {backend.kind: zcache}}\n"
    config.write_text(text.replace("    backend: [none, zcache]\n", keys))
    found = [tuple(one.labels.items()) for one in load_study(config).candidates[1:]]
    assert len(set(found)) == len(found) and (("backend.kind", "none"),) not in found  # that is what stands there


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("backend.kind: zrom", r"t.yaml:14:\d+: backend.kind: found 'zrom'"),
        ("backend.knd: zcache", "backend.knd: found an unknown key"),
        ("machine.cpus: 7", r"t.yaml:14:\d+: tune.keys.backend.persistent.allocator.when: found a condition that holds for no candidate"),
        (f"{ALLOCATOR}: xvmalloc", "found a condition of a key on itself"),
    ],
)
def test_conditions_that_are_wrong(config: Path, when: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        conditional(config, f"    {ALLOCATOR}: {{values: [xvmalloc, zsmalloc], when: {{{when}}}}}\n")
    assert "sweep" not in str(caught.value)


# ---------------------------------------------------------------- the search, on functions that are known


def found_by(config: Path, score: Any, noise: float, seed: int) -> tuple[dict[str, Any], int]:
    """The document of a study whose figures are score(swappiness, backend) + noise, much of it shared; and its simulations."""
    study = load_study(config)
    done: dict[tuple[int, int], None] = {}

    def simulate(numbers: Sequence[int], replications: int) -> Mapping[int, list[dict[str, float]] | str]:
        out: dict[int, list[dict[str, float]] | str] = {}
        for number in numbers:
            labels = study.candidates[number].labels
            here = (float(labels.get("machine.sysctl.vm.swappiness", 60)), labels.get("backend", "none"))
            rows = []
            for k in range(replications):
                done[number, k] = None
                shared, own = random.Random(f"{seed}/{k}").gauss(0, 5 * noise), random.Random(f"{seed}/{number}/{k}").gauss(0, noise)
                rows.append({"psi_memory_full": 50 + score(*here) + shared + own, "pool_frames": 0.0, "memory_saved_share": 0.0})
            out[number] = rows
        return out

    entries, finalists = halve(study, simulate, lambda text: None)
    return document(study, entries, finalists), len(done)


def bowl(swappiness: float, backend: str) -> float:
    return (swappiness - 85) ** 2 / 100 + (0 if backend == "zcache" else 8)


def test_the_best_of_a_noisy_function_is_found(config: Path) -> None:
    """The true best of the candidates is among the finalists at least 9 times in 10, and a real improvement is recommended."""
    study = load_study(config)
    true = min(study.candidates[1:], key=lambda c: bowl(float(c.labels["machine.sysctl.vm.swappiness"]), c.labels["backend"])).name
    hits = 0
    for seed in range(30):
        found, simulations = found_by(config, bowl, 1.0, seed)
        assert simulations <= 100
        assert found["better"] and found["recommended"] == found["best"]
        hits += any(one["name"] == true for one in found["finalists"])
    assert hits >= 27


def test_noise_recommends_nothing(config: Path) -> None:
    """All candidates are equal: something is recommended in no more than the promised 5 % of studies (at most 11 of 100: p < 0.01)."""
    wrong = sum(found_by(config, lambda *_: 0.0, 1.0, seed)[0]["better"] for seed in range(100))
    assert wrong <= 11


def test_the_estimate_is_not_the_luck_that_chose(config: Path) -> None:
    """Of equal candidates the best looks better than it is in the replications that chose it; the fresh ones are right on average."""
    lucky, fresh = [], []
    for seed in range(100):
        found, _ = found_by(config, lambda *_: 0.0, 1.0, seed)
        best = next(c for c in found["candidates"] if c["name"] == found["best"])["figures"]["objective"]["mean"]
        lucky.append(best - found["candidates"][0]["figures"]["objective"]["mean"])
        fresh.append(found["finalists"][0]["effects"]["objective"]["difference"])
    spread = math.sqrt(2 / 4 / 100)  # of a mean of 100 paired differences over 4 replications
    assert abs(sum(fresh) / 100) < 4 * spread < -sum(lucky) / 100


def test_what_the_data_cannot_tell(config: Path) -> None:
    text = " ".join(found_by(config, lambda s, b: 0.0 if b == "zcache" else 10.0, 1.0, 3)[0]["cannot_tell"])
    assert "machine.sysctl.vm.swappiness matters within the values tried: no connection" in text
    assert "cannot be told from" in text and "backend" not in text
    rising = " ".join(found_by(config, lambda s, b: -s, 0.1, 3)[0]["cannot_tell"])
    assert re.search(r"machine.sysctl.vm.swappiness: \d+ lies at an end of what was tried \(0 to 100\)", rising)


def test_a_candidate_that_fails_is_left_behind_and_told(config: Path) -> None:
    study = load_study(config)

    def simulate(numbers: Sequence[int], replications: int) -> Mapping[int, list[dict[str, float]] | str]:
        row = {"psi_memory_full": 1.0, "pool_frames": 0.0}
        return {n: "out of memory" if n == 3 else [{**row, "psi_memory_full": n}] * replications for n in numbers}

    entries, finalists = halve(study, simulate, lambda text: None)
    assert entries[3].error == "out of memory" and entries[3] not in finalists
    found = document(study, entries, finalists)
    assert any("1 of " in text and "out of memory" in text for text in found["cannot_tell"])
    assert not found["better"]  # the baseline, candidate 0, is best


def test_a_candidate_whose_tasks_are_killed_is_never_recommended(config: Path) -> None:
    """A run that ends early has little stall: without this rule candidate 3 would win."""
    study = load_study(config)

    def simulate(numbers: Sequence[int], replications: int) -> Mapping[int, list[dict[str, float]] | str]:
        draw = random.Random(1).random
        return {
            n: [
                {"psi_memory_full": 0.0 if n == 3 else 50 + draw(), "pool_frames": 0.0, "oom_kill": float(n == 3 and k == 1)}
                for k in range(replications)
            ]
            for n in numbers
        }

    entries, finalists = halve(study, simulate, lambda text: None)
    assert entries[3].error == "replication 1: a task was killed for want of memory" and entries[3] not in finalists
    assert not document(study, entries, finalists)["better"]
    asked = study._replace(tune=study.tune.model_copy(update={"objective": {"psi_memory_full": 1.0, "oom_kill": 1e-3}}))
    entries, finalists = halve(asked, simulate, lambda text: None)
    assert not entries[3].error and finalists[0] is entries[3]  # who weighs kills has said what they cost


def test_a_baseline_that_is_killed_a_figure_that_is_absent_and_no_luck_at_all_are_told(config: Path) -> None:
    study = load_study(config)

    def simulate(numbers: Sequence[int], replications: int) -> Mapping[int, list[dict[str, float]] | str]:
        row = {"psi_memory_full": 1.0, "oom_kill": 0.0}
        rows: dict[int, list[dict[str, float]] | str] = {n: [{**row, "pool_frames": float(n)}] * replications for n in numbers}
        return {**rows, 0: [{**row, "oom_kill": 1.0, "pool_frames": 2.0}] * replications, 1: [row] * replications}

    entries, finalists = halve(study, simulate, lambda text: None)
    found = document(study, entries, finalists)
    text = " ".join(found["cannot_tell"])
    assert "as it stands, replication 0: a task was killed for want of memory: its figures are those of runs that ended early" in text
    assert f"pool_frames: 1 of {len(entries)} candidates have no such figure in some replication" in text
    assert "how much luck there is: all replications of the configuration as it stands give the same objective" in text
    assert any(limit.startswith("Simulated time is computed") for limit in found["limits"])


def test_figures_that_are_missing() -> None:
    assert objective({"a": 2.0, "b": 3.0}, {"a": 1.0, "b": -0.5}) == 0.5
    assert objective({"a": 2.0}, {"a": 1.0, "b": 1.0}) is None
    entries = [Entry(0, score=[1.0, None]), Entry(1, score=[3.0, 3.0]), Entry(2, score=[2.0, 2.0])]
    assert [entry.number for entry in rank(entries, 2)] == [2, 1]


# ---------------------------------------------------------------- the command


def fake(config: Any, number: int, **_: Any) -> Replication:
    swappiness = int(config.machine.sysctl["vm.swappiness"])
    value = abs(swappiness - 30) + random.Random(f"{swappiness}/{config.backend.kind}/{number}").random()
    return Replication({"psi_memory_full": value, "pool_frames": 0.0}, {}, {}, {}, {}, [], 1, 1.0)


def test_a_tuning_goes_on_where_it_was_and_is_not_repeated(config: Path, tmp_path: Path) -> None:
    calls: list[int] = []

    def counting(one: Any, number: int, **options: Any) -> Replication:
        if len(calls) == 37 and "stopped" not in seen:
            seen.add("stopped")
            raise KeyboardInterrupt
        calls.append(number)
        return fake(one, number)

    seen: set[str] = set()
    study = load_study(config)
    with pytest.raises(KeyboardInterrupt):
        execute(study, tmp_path / "out", jobs=1, simulate=counting)
    found, folder = execute(study, tmp_path / "out", jobs=1, simulate=counting)
    whole, other = execute(study, tmp_path / "whole", jobs=2, simulate=fake)
    assert (folder / "tune.json").read_bytes() == (other / "tune.json").read_bytes()
    assert len(calls) <= 100 and found == read_json(folder / "tune.json")
    assert [p.name for p in (tmp_path / "out").iterdir()] == [folder.name]
    again, _ = execute(study, tmp_path / "out", jobs=1, simulate=counting)
    assert len(calls) <= 100 and again == found
    assert (
        whole["better"]
        and abs(float(next(c for c in whole["candidates"] if c["name"] == whole["best"])["settings"]["machine.sysctl.vm.swappiness"]) - 30)
        < 8
    )


def test_end_to_end_with_the_machine(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["tune", str(config), "--out", str(tmp_path / "out"), "--budget", "30", "--quiet", "--jobs", "1"]) == 0
    shown = capsys.readouterr().out
    assert "candidates in 2 rungs (2, 4 replications)" in shown and "vm.swappiness = " in shown and "Against as it stands" in shown
    (folder,) = (tmp_path / "out").glob("t-tune-*")
    found = json.loads((folder / "tune.json").read_text())
    assert len(found["candidates"]) > 2 and all(one["replications"] >= 2 for one in found["candidates"])
    page = (folder / "report.html").read_text()
    assert "as it stands" in page and page.count("<svg") >= 1 and "http" not in re.sub(r"http://www.w3.org\S*", "", page)
    assert command_line(["run", str(config), "--out", str(tmp_path / "run"), "--quiet", "--set", "replications=1"]) == 0
    assert (
        command_line(["run", str(config), "--out", str(tmp_path / "run"), "--quiet", "--set", "replications=1", "--set", "tune=null"]) == 0
    )
    assert len(list((tmp_path / "run").glob("t-*"))) == 1  # the section is no part of what a run is


def test_sentences() -> None:
    effect = {"difference": -2.0, "low": -3.0, "high": -1.0, "percent": [-10.0, -15.0, -5.0], "p": 0.01, "n": 5}
    assert sentence("psi_memory_full", effect) == "psi_memory_full: -2 % of time (-3 to -1), -10.0 %"
    assert sentence("objective", {**effect, "high": 1.0}).endswith("may be no change at all")
    assert sentence("oom_kill", {**effect, "difference": 0.0, "p": 1.0}) == "oom_kill: no change"
    assert amount("64MiB") == 64 << 20 and amount("2ms") == 2e6 and amount("1.5") == 1.5 and amount("zcache") is None


def test_no_winner_is_said_as_such(config: Path) -> None:
    found, _ = found_by(config, lambda *_: 0.0, 1.0, 1)
    text = "\n".join(lines({**found, "rungs": [2, 4], "settings": [], "section": {"pareto": ["memory_saved_share", "psi_memory_full"]}}))
    assert found["better"] or "Keep the configuration as it stands: no candidate is shown to be better." in text
    assert found["recommended"] == (found["best"] if found["better"] else BASELINE)


# ---------------------------------------------------------------- settings as Linux wants them


def texts(resolved: dict[str, Any], *keys: str) -> str:
    return "\n".join(line for s in snippets(resolved, keys) for line in (s.title, *s.lines, s.remark))


def test_sysctls_and_what_is_no_setting() -> None:
    resolved = {
        "machine": {"memory": 64 << 20, "sysctl": {"vm.swappiness": 80, "vm.page-cluster": 0, "vm.dirty_ratio": 20}},
        "workloads": [{"name": "w", "size": 8 << 20}],
    }
    shown = texts(resolved, "machine.sysctl.vm.swappiness", "machine.sysctl.vm.page-cluster", "machine.memory", "workloads.w.size")
    assert "vm.swappiness = 80\nvm.page-cluster = 0\n" in shown and "dirty_ratio" not in shown
    assert "machine.memory = 64MiB\nworkloads.w.size = 8MiB" in shown


def test_files_below_sys_and_swap_files() -> None:
    disk = {"kind": "hdd", "scheduler": "mq-deadline", "read_expire": 250_000_000, "front_merges": False, "rpm": 7200}
    resolved = {"filesystem": {"read_ahead": 512 << 10}, "devices": {"disk": disk}, "swap": {"size": 256 << 20, "readahead": "fixed"}}
    keys = ("filesystem.read_ahead", *(f"devices.disk.{name}" for name in disk if name != "kind"), "swap.size", "swap.readahead")
    shown = texts(resolved, *keys)
    for line in (
        "echo 512 > /sys/block/DEV/queue/read_ahead_kb",
        "echo mq-deadline > /sys/block/DEV/queue/scheduler",
        "echo 250 > /sys/block/DEV/queue/iosched/read_expire",
        "echo 0 > /sys/block/DEV/queue/iosched/front_merges",
        "dd if=/dev/zero of=/swapfile bs=1M count=256",
        "hardware or workload: no setting of a running Linux\ndevices.disk.rpm = 7200",
        "the simulated kernel itself: no setting of Linux 6.1\nswap.readahead = fixed",
    ):
        assert line in shown
    assert shown.count("swap.") == 1 and shown.count("devices.") == 1


def test_zswap() -> None:
    backend = {"kind": "zswap", "zpool": {"kind": "z3fold"}, "compressor": {"kind": "zstd"}, "max_pool_percent": 35.0}
    shown = texts({"backend": backend}, "backend.max_pool_percent")
    assert "zswap.enabled=1 zswap.compressor=zstd zswap.zpool=z3fold zswap.max_pool_percent=35" in shown
    assert "echo zstd > /sys/module/zswap/parameters/compressor" in shown


def test_zcache_says_what_came_after_it() -> None:
    backend = {"kind": "zcache", "persistent": {"allocator": {"kind": "xvmalloc"}, "compressor": {"kind": "lz4"}}}
    shown = texts({"backend": backend}, "backend.persistent.allocator")
    assert "left the kernel in Linux 3.11" in shown and "no allocator like xvmalloc" in shown and "zswap.zpool=zsmalloc" in shown
    backend["persistent"] = {"allocator": {"kind": "zsmalloc-6.1"}}  # type: ignore[assignment]
    assert "no allocator like" not in texts({"backend": backend}, "backend.kind")


def test_zcache_for_files_alone_has_no_heir() -> None:
    assert "cleancache left the kernel in Linux 5.17" in texts({"backend": {"kind": "zcache", "frontswap": False}}, "backend.frontswap")


def test_zswap_switches_are_named_where_they_are_not_as_usual() -> None:
    backend = {"kind": "zswap", "enabled": False, "shrinker_enabled": True, "exclusive_loads": False, "same_filled_pages_enabled": False}
    shown = texts({"backend": backend}, "backend.shrinker_enabled")
    assert "zswap.enabled=0" in shown and "zswap.shrinker_enabled=Y" in shown and "zswap.same_filled_pages_enabled=N" in shown
    assert "exclusive_loads" not in shown


def test_zram_with_a_backing_device_and_a_second_compressor() -> None:
    backend = {
        "kind": "zram",
        "disksize": 1 << 30,
        "compressor": "lz4",
        "backing_dev": "sda",
        "writeback_limit": 5000,
        "recomp_algorithm": [{"kind": "zstd"}, "deflate"],
    }
    shown = texts({"backend": backend}, "backend.recomp_algorithm")
    assert "writeback-device = /dev/DEV" in shown and "put the block device's name for DEV" in shown
    assert 'echo "algo=zstd priority=1" > /sys/block/zram0/recomp_algorithm' in shown
    assert 'echo "algo=deflate priority=2" > /sys/block/zram0/recomp_algorithm' in shown
    assert shown.index("echo 1 > /sys/block/zram0/writeback_limit_enable") < shown.index("echo 5000 > /sys/block/zram0/writeback_limit")


def test_zram_and_plain_swap() -> None:
    backend = {"kind": "zram", "disksize": 512 << 20, "compressor": "lzo-rle", "mem_limit": 100 << 20}
    shown = texts({"backend": backend}, "backend.disksize")
    assert "[zram0]\nzram-size = 512\ncompression-algorithm = lzo-rle\n" in shown and "mem_limit" in shown
    assert "zswap.enabled=0" in texts({"backend": {"kind": "none"}}, "backend.kind")
    assert "no Linux setting" in texts({"backend": {"kind": "mine.py:B"}}, "backend.kind")


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "psi_memory_full: 1,",
            "psi_memory_ful: 1,",
            r"t.yaml:10:15: tune.objective.psi_memory_ful: found 'psi_memory_ful'.*did you mean psi_memory_full",
        ),
        (
            "psi_memory_full: 1,",
            "reclaim_efficiency: 1,",
            "tune.objective.reclaim_efficiency: found 1.*the other sign: more of it is better",
        ),
        ("psi_memory_full: 1,", "run_time: -1,", "the other sign: less of it is better"),
        ("psi_memory_full: 1,", "memory_saved: 1,", "tune.objective.memory_saved: found 1.*the other sign: more of it is better"),
        ("psi_memory_full: 1,", "psi_memory_full: 0,", "tune.objective.psi_memory_full: found 0.*a weight that is not 0"),
        ("psi_memory_full: 1,", "task.v.run_time: 1,", "tune.objective.task.v.run_time: .*the figure of a workload that there is: w"),
        ("{psi_memory_full: 1, pool_frames: 0.001}", "{}", "tune.objective"),
        ("vm.swappiness: {low: 0, high: 100}", "vm.swapiness: {low: 0, high: 100}", "vm.swapiness"),
        ("{low: 0, high: 100}", "{low: 100, high: 0}", "tune.keys.machine.sysctl.vm.swappiness.high: found 0; expected more than low"),
        ("{low: 0, high: 100}", "{low: 0, high: 300}", "swappiness"),
        ("[none, zcache]", "[none, zcash]", "zcash"),
        ("budget: 100", "budget: 9", r"t.yaml:14:11: tune.budget: found 9; expected at least 24 simulations for two candidates"),
        ("first: 2", "first: 5", "tune.first: found 5; expected at most `most`, which is 4"),
        ("most: 4", "most: 4\n  pareto: [run_time]", "1 names; expected two figures"),
        ("most: 4", "most: 4\n  unless: {machine.cpus: 1}", "tune: found conditions that none of 26 combinations meets"),
        ("tune:", "sweep: {grid: {machine.cpus: [1, 2]}}\ntune:", r"t.yaml:9:1: sweep: found a sweep beside `tune:`"),
    ],
)
def test_bad_input(config: Path, old: str, new: str, message: str) -> None:
    assert old in CONFIG
    config.write_text(CONFIG.replace(old, new, 1))
    with pytest.raises(UserError, match=message) as caught:
        load_study(config)
    assert "sweep.lhs" not in str(caught.value) and "sweep.grid" not in str(caught.value)


def test_a_budget_of_the_command_line_that_is_too_small(config: Path) -> None:
    with pytest.raises(UserError, match=r"^--budget 3: expected at least 24 simulations for two candidates with 4 replications$"):
        load_study(config, budget=3)


def test_a_file_without_the_section(config: Path) -> None:
    config.write_text(CONFIG[: CONFIG.index("tune:")])
    done = subprocess.run([sys.executable, "run_sim.py", "tune", str(config)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "found no `tune:` section" in done.stderr and "Traceback" not in done.stderr


def test_the_shipped_study_is_what_it_says() -> None:
    study = load_study(ROOT / "configs" / "tune" / "small-vm.yaml")
    assert len(study.candidates) == 41 and cost(40, study.rungs) == 200
