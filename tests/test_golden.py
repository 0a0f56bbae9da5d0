"""Determinism: committed expected counters, and the same bytes from two processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.vmstat import NAMES
from tests.machine_kit import fill, make_plan, make_vm, mix, process, run, without_lists

GOLDEN = Path(__file__).parent / "golden.json"
ROOT = Path(__file__).parent.parent
CASES = {"none": ("none", None), "zcache-xvmalloc": ("zcache", "xvmalloc"), "zcache-xcfmalloc": ("zcache", "xcfmalloc")}


def counters(case: str, plain: bool = False) -> dict[str, int]:
    """All counters that moved, and the time, of a small fixed run; `plain`: without per-CPU lists and boosts."""
    backend, allocator = CASES[case]
    plan = make_plan([process(3500, fill(3500), mix(3500, 4000, 5))], backend=backend, allocator=allocator)
    vm = make_vm(plan._replace(watermark_boost_factor=0) if plain else plan, check=False)
    run(without_lists(vm) if plain else vm)
    found = {name: int(value) for name, value in zip(NAMES, vm.vmstat, strict=True) if value}
    return found | {"simulated_ns": int(vm.env.now)}


@pytest.mark.parametrize("case", CASES)
def test_expected_counters(case: str) -> None:
    """A change here is a change of the model: say why, then write the file anew with `python -m tests.test_golden`."""
    assert counters(case) == json.loads(GOLDEN.read_text())[case]


@pytest.mark.parametrize("case", CASES)
def test_expected_counters_of_plain_free_lists(case: str) -> None:
    """The buddy allocator alone hands out as many frames as the stack of free frames did that stood in its place at first."""
    assert counters(case, plain=True) == json.loads(GOLDEN.read_text())[f"{case}-plain"]


CONFIG = """
name: twice
replications: 2
machine: {memory: 16MiB, kernel_reserved: 2MiB}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 64MiB}
workloads: [{name: w, kind: zipf, size: 20MiB, accesses: 4000, fill: true, contents: {kind: synthetic, rows: 512}}]
sweep: {grid: {backend.kind: [none, zcache]}}
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    for out, jobs in (("a", "1"), ("b", "2")):
        command = [sys.executable, "run_sim.py", "run", str(tmp_path / "c.yaml"), "--out", str(tmp_path / out), "--jobs", jobs, "--quiet"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    names = ("run.json", "series.csv", "vmstat.txt", "table.csv", "sweep.json")
    first = {p.relative_to(tmp_path / "a"): p.read_bytes() for p in sorted((tmp_path / "a").rglob("*")) if p.name in names}
    second = {p.relative_to(tmp_path / "b"): p.read_bytes() for p in sorted((tmp_path / "b").rglob("*")) if p.name in names}
    assert len(first) == 8
    assert first == second


if __name__ == "__main__":
    golden = {case: counters(case) for case in CASES} | {f"{case}-plain": counters(case, plain=True) for case in CASES}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
