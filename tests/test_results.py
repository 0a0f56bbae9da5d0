"""The run folder: what its bytes depend on and what not, and that it is there whole or not at all."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import UserError
from sim.folders import existing, prepare_folder, read_json, write_folder
from sim.results import (
    Histogram,
    add_histograms,
    identify,
    run_document,
    scalar_table,
    series_csv,
    slug,
    to_json,
    vmstat_text,
    write_run,
)
from tests.fakes import FakeConfig, simulate

ROOT = Path(__file__).resolve().parent.parent
FIXED = ("run.json", "series.csv", "vmstat.txt")


def written(config: FakeConfig, out: Path, **provenance: object) -> Path:
    replications = [simulate(config, k) for k in range(config.replications)]
    return write_run(out, identify(config), config, replications, provenance)


# ---------------------------------------------------------------- identity


def test_id_depends_on_settings_and_contents_but_not_on_the_place(tmp_path: Path) -> None:
    ids = []
    for place in ("here", "somewhere/else"):
        file = tmp_path / place / "trace.csv"
        file.parent.mkdir(parents=True)
        file.write_text("1,2,3\n")
        ids.append(identify(FakeConfig(inputs=[file])).id)
    assert ids[0] == ids[1]
    file.write_text("1,2,4\n")
    assert identify(FakeConfig(inputs=[file])).id != ids[0]
    assert identify(FakeConfig(settings={"backend": "zcache"})).id != identify(FakeConfig()).id
    assert identify(FakeConfig(name="other")).id != identify(FakeConfig()).id
    assert identify(FakeConfig(replications=4)).id != identify(FakeConfig()).id


def test_paths_in_the_config_become_names_that_tell_them_apart(tmp_path: Path) -> None:
    files = [tmp_path / "a" / "t.csv", tmp_path / "b" / "t.csv", tmp_path / "lone.csv"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text(str(file.name))
    found = identify(FakeConfig(inputs=files))
    assert found.config["files"] == ["a/t.csv", "b/t.csv", "lone.csv"]
    assert set(found.inputs) == {"a/t.csv", "b/t.csv", "lone.csv"}


def test_a_plug_in_is_named_without_its_folder(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text("ALLOCATOR = {}\n")
    found = identify(FakeConfig(inputs=[plugin], settings={"allocator": f"{plugin}:ALLOCATOR"}))
    assert found.config["settings"] == {"allocator": "mine.py:ALLOCATOR"}


def test_a_folder_as_input_counts_with_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a").write_text("1")
    config = FakeConfig(inputs=[tmp_path / "corpus"])
    first = identify(config).id
    (tmp_path / "corpus" / "b").write_text("")
    assert identify(config).id != first


def test_a_missing_input_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.csv: cannot be read"):
        identify(FakeConfig(inputs=[tmp_path / "nowhere.csv"]))


@given(st.text(max_size=150))
def test_slug_is_one_harmless_file_name(name: str) -> None:
    found = slug(name)
    assert found and len(found) <= 100 and "/" not in found and not found.startswith(".")


# ---------------------------------------------------------------- contents


def test_bytes_are_the_same_whatever_the_time_and_the_folder(tmp_path: Path) -> None:
    config = FakeConfig()
    one, two = written(config, tmp_path / "one", host="a"), written(config, tmp_path / "two", host="b")
    assert one.name == two.name == f"demo-{identify(config).id}"
    for file in FIXED:
        assert (one / file).read_bytes() == (two / file).read_bytes()


def test_bytes_are_the_same_in_another_process(tmp_path: Path) -> None:
    here = written(FakeConfig(), tmp_path / "here")
    code = (
        "import sys, pathlib\nfrom tests.test_results import written\nfrom tests.fakes import FakeConfig\n"
        "written(FakeConfig(), pathlib.Path(sys.argv[1]))"
    )
    env = dict(os.environ, PYTHONHASHSEED="7", TZ="Asia/Tokyo", LC_ALL="C")
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there")], cwd=ROOT, env=env, check=True)
    for file in FIXED:
        assert (here / file).read_bytes() == (tmp_path / "there" / here.name / file).read_bytes()


def test_run_json_has_intervals_units_and_every_value(tmp_path: Path) -> None:
    config = FakeConfig(replications=3)
    document = read_json(written(config, tmp_path) / "run.json")
    run_time = document["scalars"]["run_time"]
    values = [simulate(config, k).scalars["run_time"] for k in range(3)]
    assert run_time["values"] == values
    assert run_time["unit"] == "s" and run_time["n"] == 3
    assert run_time["mean"] == pytest.approx(sum(values) / 3)
    assert run_time["low"] < run_time["mean"] < run_time["high"]
    assert document["scalars"]["backend_hit_ratio"]["values"] == [None, None, None]  # NaN is not JSON
    assert document["scalars"]["backend_hit_ratio"]["n"] == 0
    assert next(iter(document["scalars"])) == "run_time"
    assert document["vmstat"]["pgmajfault"] == [simulate(config, k).vmstat["pgmajfault"] for k in range(3)]
    total = sum(sum(simulate(config, k).histograms["fault_major"].counts) for k in range(3))
    assert sum(document["histograms"]["fault_major"]["counts"]) == total


def test_a_scalar_that_one_replication_lacks_says_so() -> None:
    table = scalar_table([{"a": 1.0, "b": 2.0}, {"a": 3.0}, {"a": 5.0, "b": math.nan}])
    assert (table["a"].n, table["a"].mean) == (3, 3.0)
    assert table["b"] == (1, 2.0, None, None, (2.0, None, None))


def test_series_csv_reads_back_exactly(tmp_path: Path) -> None:
    config = FakeConfig(replications=2)
    replications = [simulate(config, k) for k in range(2)]
    rows = list(csv.DictReader(series_csv(replications).splitlines()))
    assert list(rows[0])[:2] == ["replication", "time_s"]
    for k, replication in enumerate(replications):
        mine = [row for row in rows if row["replication"] == str(k)]
        for name, values in replication.series.items():
            assert [float(row[name]) for row in mine] == values


def test_series_of_different_lengths_are_refused() -> None:
    one = simulate(FakeConfig(), 0)
    one.series["pgfault"].pop()
    with pytest.raises(ValueError, match="different lengths"):
        series_csv([one])


def test_vmstat_txt_is_in_the_given_order() -> None:
    lines = vmstat_text(simulate(FakeConfig(), 0)).splitlines()
    assert lines[0] == "nr_free_pages 512"
    assert [line.split()[0] for line in lines] == ["nr_free_pages", "pgfault", "pgmajfault", "pswpin"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_to_json_is_json(value: object) -> None:
    assert json.loads(to_json({"key": value, "list": [value, {}]})) == {"key": value, "list": [value, {}]}


# ---------------------------------------------------------------- histograms

EDGES = [float(2**k) for k in range(12)]


@given(st.lists(st.lists(st.integers(0, 10), min_size=11, max_size=11), min_size=1, max_size=4))
def test_trimmed_histograms_add_up_like_whole_ones(parts: list[list[int]]) -> None:
    def trimmed(counts: list[int]) -> Histogram:
        used = [k for k, count in enumerate(counts) if count] or [3]
        return Histogram(EDGES[used[0] : used[-1] + 2], counts[used[0] : used[-1] + 1])

    got = add_histograms([trimmed(counts) for counts in parts])
    assert len(got.edges_ns) == len(got.counts) + 1
    assert got.edges_ns == sorted(set(got.edges_ns))
    whole = [sum(column) for column in zip(*parts, strict=True)]
    for low, high, count in zip(got.edges_ns, got.edges_ns[1:], got.counts, strict=False):
        inside = [k for k in range(11) if low <= EDGES[k] < high]
        assert count == sum(whole[k] for k in inside)
        assert count == 0 or len(inside) == 1  # a gap between two stretches is one empty bin
    assert sum(got.counts) == sum(whole)


def test_histograms_of_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        add_histograms([Histogram([1.0, 2.0], [1]), Histogram([1.5, 3.0], [1])])
    with pytest.raises(ValueError, match="edges"):
        add_histograms([Histogram([1.0, 2.0], [1, 2])])


# ---------------------------------------------------------------- folders


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, "run-1", {"run.json": "old"})
    real = Path.write_text

    def full(self: Path, *args: object, **options: object) -> int:
        if self.name == "series.csv":
            raise OSError(28, "No space left on device")
        return real(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match="No space left on device"):
        write_folder(tmp_path, "run-1", {"run.json": "new", "series.csv": "x"})
    assert [p.name for p in tmp_path.iterdir()] == ["run-1"]
    assert (tmp_path / "run-1" / "run.json").read_text() == "old"


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path, "run-1", {"run.json": "new"})
    assert list(tmp_path.iterdir()) == []


def test_replacing_leaves_only_the_new_files(tmp_path: Path) -> None:
    write_folder(tmp_path, "run-1", {"run.json": "old", "report.html": "old"})
    write_folder(tmp_path, "run-1", {"run.json": "new"})
    assert [p.name for p in (tmp_path / "run-1").iterdir()] == ["run.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["run-1"]


def test_places_that_cannot_hold_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match="is a file"):
        prepare_folder(file)
    with pytest.raises(UserError, match="is a file"):
        prepare_folder(file / "below")
    prepare_folder(tmp_path / "new" / "deep")
    assert list((tmp_path / "new" / "deep").iterdir()) == []

    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1 << 20})())
    with pytest.raises(UserError, match=r"only 1.0 MiB free"):
        prepare_folder(tmp_path / "new")


def test_a_read_only_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    def refused(*_args: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refused)  # root may write anywhere, so it is not enough to chmod
    with pytest.raises(UserError, match="Permission denied"):
        prepare_folder(tmp_path)


def test_what_counts_as_there_already(tmp_path: Path) -> None:
    config = FakeConfig(replications=1)
    folder = identify(config).folder
    assert existing(tmp_path, folder) is None
    written(config, tmp_path)
    found = existing(tmp_path, folder)
    assert found is not None and found["id"] == identify(config).id
    (tmp_path / folder / "run.json").write_text('{"schema": 1, "id"')
    assert existing(tmp_path, folder) is None
    (tmp_path / folder / "run.json").unlink()
    with pytest.raises(UserError, match="something else"):
        existing(tmp_path, folder)


def test_files_that_are_no_results(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_json(tmp_path / "run.json")
    (tmp_path / "run.json").write_bytes(b"\x00\xff")
    with pytest.raises(UserError, match="damaged"):
        read_json(tmp_path / "run.json")
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(UserError, match="schema 1"):
        read_json(tmp_path / "run.json")


def test_document_of_numpy_values_is_plain_json() -> None:
    np = pytest.importorskip("numpy")
    config = FakeConfig(replications=1)
    one = simulate(config, 0)
    numpy_like = one._replace(
        scalars={"run_time": np.float64(1.5), "oom_kill": np.int64(3)}, vmstat={"pgfault": np.int64(4)}, accesses=np.int64(5)
    )
    document = json.loads(to_json(run_document(identify(config), config, [numpy_like])))
    assert document["scalars"]["oom_kill"]["mean"] == 3.0
    assert document["vmstat"] == {"pgfault": [4]} and document["accesses"] == [5]
    assert json.loads(to_json([np.int64(3), np.float64(2.5), np.float64("nan")])) == [3, 2.5, None]


# ---------------------------------------------------------------- one long run


def test_a_single_replication_has_intervals_of_its_rates_by_batch_means() -> None:
    """Faults of an AR(1) rate around 1000/s: the interval is that of batch means of the steps after the warm-up."""
    import numpy as np

    from sim.statistics.batches import batch_means
    from sim.within import rates_within

    draw, rate, level = np.random.default_rng(4), [], 0.0
    for _ in range(800):
        level = 0.5 * level + draw.normal()
        rate.append(1000 + 50 * level)
    times = [0.1 * k for k in range(801)]
    counter = [0.0, *np.cumsum(np.array(rate) * 0.1).tolist()]
    whole = (counter[-1] - counter[80]) / (times[-1] - times[80])
    found = rates_within({"pgfault_rate": whole, "run_time": 80.0, "nothing_rate": 1.0}, {"time_s": times, "pgfault": counter}, 8.0)
    assert list(found) == ["pgfault_rate"]
    wanted = batch_means(rate[80:]).interval.half_width
    one = found["pgfault_rate"]
    assert wanted is not None and abs(one["half_width"] - wanted) < 1e-6 * wanted and one["reliable"]
    assert one["low"] == whole - one["half_width"] and one["high"] == whole + one["half_width"]
    assert rates_within({"pgfault_rate": whole}, {"time_s": times[:10], "pgfault": counter[:10]}, 0.0) == {}  # too short
    assert rates_within({"pgfault_rate": whole}, {"time_s": [0.0, 1.0, 5.0], "pgfault": [0.0, 1.0, 2.0]}, 0.0) == {}  # uneven


def test_run_json_has_them_only_for_a_single_replication(tmp_path: Path) -> None:
    from sim.run import execute
    from tests import fakes

    one = execute(fakes.loaded(1), tmp_path / "1", jobs=1, simulate=fakes.simulate, report=False).documents[0]["scalars"]
    three = execute(fakes.loaded(3), tmp_path / "3", jobs=1, simulate=fakes.simulate, report=False).documents[0]["scalars"]
    assert one["pgmajfault_rate"]["half_width"] is None and one["pgmajfault_rate"]["within"]["batches"] >= 8
    assert "within" not in one["run_time"] and not any("within" in scalar for scalar in three.values())
