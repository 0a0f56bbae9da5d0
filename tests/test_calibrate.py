"""Calibration: the same pages everywhere, what is made of samples, and output that a configuration takes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import lz4.block
import pytest
import yaml

from models.compressors.registry import REGISTRY
from sim.calibrate import figures, timing
from sim.calibrate.codecs import codecs
from sim.calibrate.figures import Cost, Found, Measured, Row
from sim.calibrate.pages import PAGE, kinds
from sim.calibrate.timing import Timed, quiet_thread, summary
from sim.calibrate.words import document, fragment, setting, table
from sim.cli import execute
from sim.config.load import load

CONFIG = """name: a
machine: {memory: 64MiB}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 64MiB}
backend: {kind: zcache, persistent: {compressor: lz4}}
workloads: [{name: w, kind: uniform, size: 80MiB, accesses: 1000}]
"""


def test_pages_go_from_sparse_to_noise() -> None:
    """The same every time, none same-filled, and each kind harder than the one before but for text, which lz4 finds no harder."""
    first, again = kinds(), kinds()
    assert first == again
    sizes = {kind: sum(len(lz4.block.compress(page, store_size=False)) for page in pages) / len(pages) for kind, pages in first.items()}
    assert all(len(page) == PAGE and page != page[:8] * 512 for pages in first.values() for page in pages)
    assert sizes["sparse"] < 600 < 1500 < min(sizes["objects"], sizes["text"]) < sizes["blocks"] < 2600 < PAGE < sizes["noise"]


def test_median_and_spread() -> None:
    """Of 1 2 3 4 100: median 3, middle half from 2 to 4, so half of it is 1: 33 %.  The slow one does not count."""
    found = summary([1.0, 2.0, 3.0, 4.0, 100.0])
    assert found.median == 3.0 and found.spread == pytest.approx(100 / 3) and found.unsteady
    assert not summary([5.0] * 4).unsteady


def test_the_thread_stays_on_one_cpu_and_comes_back() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyboardInterrupt), quiet_thread() as cpu:
        assert os.sched_getaffinity(0) == {cpu}
        raise KeyboardInterrupt
    assert os.sched_getaffinity(0) == before


def test_a_busy_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.9, 0.0, 0.0))
    assert timing.busy() == ""
    monkeypatch.setattr(os, "getloadavg", lambda: (1.8, 0.0, 0.0))
    assert "busy (load 1.8 on 2 CPUs)" in timing.busy()


def test_every_compressor_is_timed_or_said_not_to_be() -> None:
    found, missing = codecs()
    assert {one.name for one in found} | set(missing) == {one.name for one in REGISTRY}
    assert {"lz4", "deflate"} <= {one.name for one in found} and {"lzo", "lzo-rle"} <= set(missing)
    page = kinds()["text"][0]
    assert all(one.decompress(one.compress(page)) == page for one in found)


def made(lz4_ns: float = 4100.4) -> Found:
    """A calibration as it might be found."""
    steady = Timed(lz4_ns, 2.0)
    one = Measured("lz4", "liblz4 1.9.4", [Row("text", 1700.0, steady, Timed(900.0, 1.0))], steady, Timed(900.0, 1.0), (5300, 800))
    cost = Cost("copy", "memcpy", Timed(512.0, 3.0), 60)
    return Found([one], [cost], {"lzo": "worked out"}, Timed(30.0, 1.0), None, "a machine", ["it was busy"])


def test_the_yaml_is_part_of_a_configuration(tmp_path: Path) -> None:
    text = fragment(made())
    assert yaml.safe_load(text) == {"costs": {"copy": "512ns"}}
    assert "# it was busy" in text and "lzo" in text
    pasted = re.search(r"\{kind: lz4.*\}", text)
    assert pasted is not None and pasted.group() == setting(made().compressors[0])
    path = tmp_path / "a.yaml"
    path.write_text(CONFIG.replace("compressor: lz4", f"compressor: {pasted.group()}") + text, encoding="utf-8")
    config = load(str(path)).cases[0].config
    assert config.costs["copy"] == 512
    assert config.backend.options["persistent"]["compressor"].options["compress_time"] == 4100


def test_the_table_says_how_far_the_defaults_are_off() -> None:
    text = "\n".join(table(made()))
    assert "0.77x" in text  # 4100 / 5300
    assert "8.0 GB/s, 8.53x the default of 60ns" in text  # 4096 / 512; 512 / 60
    assert "not measured: lzo: worked out" in text and "warning: it was busy" in text


def test_zero_is_never_written() -> None:
    """A time that vanishes below the cost of a call is 1 ns, since 0 would mean that it is free."""
    assert "compress_time: 1ns" in setting(made(0.0).compressors[0])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It measures, prints JSON, and writes what a configuration takes."""
    monkeypatch.setattr(figures, "COLD", 2 << 20)
    out = tmp_path / "costs.yaml"
    assert execute(["calibrate", "--repeats", "3", "--json", "--quiet", "--out", str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    times = [one[way]["median_ns"] for one in found["compressors"] for way in ("compress", "decompress")]
    assert len(times) >= 4 and all(10 < time < 10_000_000 for time in times)
    assert {one["key"] for one in found["costs"]} == {"copy", "copy_user", "clear"}
    assert set(yaml.safe_load(out.read_text(encoding="utf-8"))["costs"]) == {"copy", "copy_user", "clear"}


def test_a_place_that_cannot_be_written_is_told_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["calibrate", "--out", str(tmp_path / "no" / "costs.yaml")]) == 2
    shown = capsys.readouterr()
    assert "costs.yaml: cannot be written: No such file or directory" in shown.err and shown.out == ""


def test_the_document_is_plain_data() -> None:
    assert json.loads(json.dumps(document(made())))["compressors"][0]["compress"] == {
        "median_ns": 4100.4, "spread_percent": 2.0, "default_ns": 5300,
    }  # fmt: skip
