"""`mempress perfetto`: against the Trace Event Format, the run's own counters, and with damaged input."""

from __future__ import annotations

import csv
import gzip
import json
import math
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sim.actors.sampler import GAUGES, OWN_GAUGES
from sim.cli import execute
from sim.collect_groups import LEVELS as LEVELS_OF_GROUPS
from sim.episodes import COLUMNS, Episode
from sim.perfetto import GROUP_LEVELS, LEVELS, events, processes, sampled_episodes

CONFIG = """
name: small
replications: 2
machine: {memory: 16MiB, kernel_reserved: 2MiB, cpus: 2}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 64MiB}
backend: {kind: zcache, persistent: {allocator: xcfmalloc}}
cgroups: {box: {memory.max: 2MiB}}
workloads:
  - {name: w, kind: uniform, size: 16MiB, accesses: 9000, fill: true, contents: {kind: synthetic, rows: 512}}
  - {name: v, kind: zipf, size: 8MiB, accesses: 9000, cgroup: box, contents: {kind: synthetic, rows: 512}}
output: {interval: 1ms, record_reclaim: RECORD}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of a run that has recorded its reclaim, and of one that has not."""
    folder, found = tmp_path_factory.mktemp("perfetto"), []
    for record in ("true", "false"):
        (folder / "c.yaml").write_text(CONFIG.replace("RECORD", record))
        assert execute(["run", str(folder / "c.yaml"), "--out", str(folder / record), "--quiet"]) == 0
        found.append(next(path for path in (folder / record).iterdir() if path.is_dir()))
    return found[0], found[1]


def document(run: Path, folder: Path, *more: str) -> dict[str, Any]:
    assert execute(["perfetto", str(run), str(folder / "t.json"), *more]) == 0
    found: dict[str, Any] = json.loads((folder / "t.json").read_text())
    return found


def valid(found: dict[str, Any]) -> None:
    """What the Trace Event Format asks of the object form, of metadata (M), counters (C) and complete events (X)."""
    assert found["displayTimeUnit"] in ("ms", "ns") and isinstance(found["traceEvents"], list)
    named, last, ends = set(), -math.inf, dict[tuple[int, int], float]()
    for event in found["traceEvents"]:
        assert isinstance(event["pid"], int) and isinstance(event["name"], str) and isinstance(event["args"], dict)
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "process_sort_index", "thread_name", "thread_sort_index")
            assert ("tid" in event) == event["name"].startswith("thread")
            named.add((event["pid"], event.get("tid")))
            continue
        assert event["ph"] in ("C", "X") and isinstance(event["ts"], int | float) and event["ts"] >= last >= -math.inf
        last = event["ts"]
        if event["ph"] == "C":
            assert (event["pid"], None) in named and list(event["args"]) == ["value"] and math.isfinite(event["args"]["value"])
        else:
            thread = event["pid"], event["tid"]
            assert thread in named and event["dur"] >= 0 and isinstance(event["cat"], str)
            assert event["ts"] >= ends.get(thread, 0) - 1e-3  # slices of one thread do not overlap
            ends[thread] = event["ts"] + event["dur"]


@pytest.mark.parametrize("replication", [0, 1])
def test_a_run_is_valid_and_says_what_its_counters_say(runs: tuple[Path, Path], tmp_path: Path, replication: int) -> None:
    found = document(runs[0], tmp_path, "--replication", str(replication))
    valid(found)
    vmstat = json.loads((runs[0] / "run.json").read_text())["vmstat"]
    slices = [event for event in found["traceEvents"] if event["ph"] == "X"]
    taken = {name: sum(e["args"]["reclaimed_pages"] for e in slices if e["name"] == name) for name in {e["name"] for e in slices}}
    assert set(taken) == {"kswapd awake", "direct reclaim", "cgroup reclaim"}
    count = {name: values[replication] for name, values in vmstat.items()}
    assert (taken["kswapd awake"], taken["direct reclaim"]) == (count["pgsteal_kswapd"], count["pgsteal_direct"])
    assert sum(taken.values()) == count["pgsteal_anon"] + count["pgsteal_file"]
    threads = {e["args"]["name"] for e in found["traceEvents"] if e["name"] == "thread_name"}
    assert {"kswapd", "direct reclaim w/0", "reclaim in a cgroup v/0"} <= threads


def test_tracks_are_the_series(runs: tuple[Path, Path], tmp_path: Path) -> None:
    found = document(runs[0], tmp_path)
    with (runs[0] / "series.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["replication"] == "0"]
    free = track_of(found, "nr_free_pages")
    for row in rows:
        at = 1e6 * float(row["time_s"])
        assert free[max(t for t in free if t <= at + 0.01)] == float(row["nr_free_pages"])
    faults = track_of(found, "pgfault (per s)")
    a, b = rows[3], rows[4]
    rate = (float(b["pgfault"]) - float(a["pgfault"])) / (float(b["time_s"]) - float(a["time_s"]))
    assert faults[max(t for t in faults if t <= 1e6 * float(a["time_s"]) + 0.01)] == pytest.approx(rate)
    assert all(0 <= share <= 100.0001 for share in track_of(found, "busy (%)").values())


def track_of(found: dict[str, Any], name: str) -> dict[float, float]:
    return {event["ts"]: event["args"]["value"] for event in found["traceEvents"] if event["ph"] == "C" and event["name"] == name}


def test_recording_changes_nothing_of_the_run(runs: tuple[Path, Path]) -> None:
    recorded, plain = runs
    assert not (plain / "reclaim.csv").exists()
    for name in ("series.csv", "vmstat.txt"):
        assert (recorded / name).read_bytes() == (plain / name).read_bytes()
    assert json.loads((recorded / "run.json").read_text())["scalars"] == json.loads((plain / "run.json").read_text())["scalars"]


def test_without_a_record_the_samples_tell(runs: tuple[Path, Path], tmp_path: Path) -> None:
    found = document(runs[1], tmp_path)
    valid(found)
    slices = [event for event in found["traceEvents"] if event["ph"] == "X"]
    assert slices and all("record_reclaim" in event["args"]["from"] for event in slices)
    vmstat = json.loads((runs[1] / "run.json").read_text())["vmstat"]
    assert sum(e["args"]["reclaimed_pages"] for e in slices if e["name"] == "kswapd awake") == vmstat["pgsteal_kswapd"][0]


def test_sampled_episodes_by_hand() -> None:
    series = {
        "time_s": [0.0, 0.1, 0.2, 0.3, 0.4],
        "pgscan_kswapd": [0.0, 5.0, 9.0, 9.0, 10.0],
        "pgsteal_kswapd": [0.0, 4.0, 7.0, 7.0, 7.0],
        "pgscan_direct": [0.0] * 5,
        "pgsteal_direct": [0.0] * 5,
    }
    ms = 1_000_000
    assert sampled_episodes(series) == [
        Episode("kswapd", "kswapd", 0, 200 * ms, 7),
        Episode("kswapd", "kswapd", 300 * ms, 400 * ms, 0),
    ]
    told = [e for e in events(series, None, "t") if e["ph"] == "C" and e["name"] == "pgscan_kswapd (per s)"]
    assert [(e["ts"], e["args"]["value"]) for e in told] == [(0.0, 50.0), (1e5, 40.0), (2e5, 0.0), (3e5, 10.0), (4e5, 0.0)]


def test_gzip_has_the_same_text_and_the_same_bytes_again(runs: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("t.json", "t.json.gz", "u.json.gz"):
        assert execute(["perfetto", str(runs[0]), str(tmp_path / name)]) == 0
    assert gzip.decompress((tmp_path / "t.json.gz").read_bytes()) == (tmp_path / "t.json").read_bytes()
    assert (tmp_path / "t.json.gz").read_bytes() == (tmp_path / "u.json.gz").read_bytes()


def test_levels_are_those_of_the_sampler() -> None:
    assert {*GAUGES, *OWN_GAUGES} == LEVELS
    assert {name.removeprefix("in") for name in LEVELS_OF_GROUPS} == set(GROUP_LEVELS)
    assert [p.name for p in processes(["time_s", "pgfault", "device.d.reads", "cgroup.b.anon"])][3:] == ["device d", "cgroup b"]
    assert all(a.name != b.name for a, b in pairwise(processes(["pgfault", "pswpin", "pgscan_anon"])))


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        ("", ["t.txt"], "t.txt: expected a file name that ends in .json or .json.gz"),
        ("", ["no/t.json"], "no/t.json: cannot be written: there is no folder"),
        ("", ["t.json", "--replication", "2"], "has replications 0 to 1; found --replication 2"),
        ("run.json", ["t.json"], "run.json: no such file"),
        ("series.csv", ["t.json"], "series.csv: cannot be read"),
        ("reclaim.csv=x\n", ["t.json"], f"reclaim.csv:1: expected {COLUMNS}, found 'x'"),
        (
            f"reclaim.csv={COLUMNS}\n0,kswapd,kswapd,5,3,1\n",
            ["t.json"],
            f"reclaim.csv:2: expected {COLUMNS}, found '0,kswapd,kswapd,5,3,1'",
        ),
        (f"reclaim.csv={COLUMNS}\n0,kswapd\n", ["t.json"], f"reclaim.csv:2: expected {COLUMNS}, found '0,kswapd'"),
    ],
)
def test_bad_input(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, arguments: list[str], said: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs[0], run)
    name, equals, text = change.partition("=")
    if equals:
        (run / name).write_text(text)
    elif name:
        (run / name).unlink()
    assert execute(["perfetto", str(run), str(tmp_path / arguments[0]), *arguments[1:]]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == "" and "Traceback" not in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_sweep_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sweep.json").write_text("{}")
    assert execute(["perfetto", str(tmp_path), str(tmp_path / "t.json")]) == 2
    assert "is the folder of a sweep; expected that of one of its runs" in capsys.readouterr().err
