"""`mempress validate`: reading, figures, errors and spreads worked by hand, the command with a simulation made up here."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sim.cli import execute
from sim.errors import UserError
from sim.validate import command
from sim.validate.card import card
from sim.validate.counters import last_phase, whole_run
from sim.validate.judge import Cell, cells_of, family_of, judged, measured_figures, misses, quantile, summary
from sim.validate.known import Known
from sim.validate.measured import STARTS_FROM, read_run
from sim.validate.outcome import outcome_of, records
from sim.validate.runs import Configuration, read_folder
from sim.validate.simulations import simulate_all
from sim.validate.trace import leaving, trace

GROUNDTRUTH = Path(__file__).resolve().parent.parent.parent / "shared" / "groundtruth"
START = {
    **{f"vmstat.{name}": 0 for name in ("pswpin", "pswpout", "pgmajfault", "pgscan_kswapd", "pgscan_direct", "allocstall_normal")},
    **dict.fromkeys(STARTS_FROM, 100),
    "vmstat.allocstall_movable": 100,
    **{f"zoneinfo.DMA32.{name}": value for name, value in (("managed", 4000), ("free", 3000), ("min", 60), ("low", 75), ("high", 90))},
    "zoneinfo.DMA32.spanned": 4096,
    "meminfo.MemTotal": 16_000,
    "zswap.stored_pages": 0,
    "zswap.pool_limit_hit": 0,
    "vmstat.pgsteal_kswapd": 5,
    "vmstat.pgsteal_direct": 5,
    "kswapd_schedstat.run_ns": 1_000_000,
    "swaps": "a text",
}


def run_of(name: str = "one", rep: int = 1, faults: int = 2000, **changes: Any) -> dict[str, Any]:
    """A measured run of two phases, half of the faults in each."""
    half = {"vmstat.pgmajfault": faults // 2, "vmstat.pgsteal_kswapd": 5 + faults // 2, "zswap.stored_pages": 7}
    end = {"vmstat.pgmajfault": faults, "vmstat.pgsteal_kswapd": 5 + faults, "zswap.stored_pages": 3, "zswap.pool_limit_hit": 4}
    return {
        "name": name,
        "rep": rep,
        "config": {"kernel": "k61", "ram_mb": 16, "BACKEND": "disk"},
        "workload": {"globals": ["anon=1000"], "phases": ["kind=fill", "kind=mix,n=500,seed=1,apat=uni,wpm=300"]},
        "phases": [
            {"n": 1000, "units": 0, "before": dict(START), "after": half},
            {"n": 500, "units": 0, "before": {**half, "vmstat.pgmajfault": faults // 2 + 10}, "after": end},
        ],
        "series": {"cols": ["t_ns", "phase", "idx", "vmstat.pgmajfault"], "rows": []},
        "done": True,
        "rc": 0,
        "host": {"wall_s": 10.0},
    } | changes


def killed(name: str = "dead") -> dict[str, Any]:
    return run_of(name, phases=[], interrupted_phase_before=dict(START), done=False, rc=137)


def put(folder: Path, *runs: Mapping[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for run in runs:
        (folder / f"{run['name']}.r{run['rep']}.json").write_text(json.dumps(run))
    return folder


def numbers(snapshot: Mapping[str, Any]) -> dict[str, float]:
    return {key: value for key, value in snapshot.items() if not isinstance(value, str)}


class Made(NamedTuple):
    snapshots: list[dict[str, float]]
    samples: list[tuple[int, int, dict[str, float]]]


def made_up(run: Mapping[str, Any], every: int = 0, room: int = 0) -> Made:
    """A simulation of 1 % more faults than the first repeat had; names say what goes wrong."""
    if "wrong" in run["name"]:
        raise UserError("config.BACKEND: nobody can simulate that")
    if "broken" in run["name"]:
        raise ZeroDivisionError("oh")
    if "stopped" in run["name"]:
        raise KeyboardInterrupt
    start = numbers(run["phases"][0]["before"])
    after = [{**start, **numbers(phase["after"])} for phase in run["phases"] if "after" in phase]
    for snapshot in after:
        snapshot["vmstat.pgmajfault"] *= 1.01
    if not after:
        return Made([start], [])
    samples = [(1, n, {**after[0], "vmstat.pgmajfault": after[0]["vmstat.pgmajfault"] + 2.02 * n}) for n in range(every, 500, every or 500)]
    return Made([start, *after], samples)


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = (("a cost", "a latency", "one"),)
    monkeypatch.setattr(command, "guest", lambda: command.Guest(made_up, fitted, lambda documents: None))


# ---------------------------------------------------------------- reading


def test_a_snapshot_lists_what_differs_from_the_very_first(tmp_path: Path) -> None:
    run = read_run(put(tmp_path, run_of()) / "one.r1.json")
    assert run.phases[0].before == run.start == numbers(START)
    assert run.phases[1].before["vmstat.pgmajfault"] == 1010
    assert run.phases[1].before["zswap.stored_pages"] == 7
    assert run.phases[1].after["vmstat.pswpin"] == 0
    assert run.phases[1].after["vmstat.nr_mapped"] == 100
    assert run.config["SWAPPINESS"] == 60, "the kernel's default, where the file says nothing"
    assert (run.done, run.rc, run.wall_s, [phase.n for phase in run.phases]) == (True, 0, 10.0, [1000, 500])


def test_repeats_come_together_packed_or_not_and_also_from_a_folder_runs(tmp_path: Path) -> None:
    put(tmp_path / "runs", run_of(rep=2), run_of("other"))
    (tmp_path / "runs" / "one.r1.json.gz").write_bytes(gzip.compress(json.dumps(run_of()).encode()))
    (tmp_path / "runs" / "notes.txt").write_text("not looked at")
    found = read_folder(tmp_path)
    assert [(one.name, [run.rep for run in one.runs]) for one in found.configurations] == [("one", [1, 2]), ("other", [1])]
    assert [one.name for one in read_folder(tmp_path, ["oth*"]).configurations] == ["other"]


def test_of_a_run_that_was_killed_its_last_phase_can_be_simulated(tmp_path: Path) -> None:
    run = read_run(put(tmp_path, killed()) / "dead.r1.json")
    assert (run.done, run.phases) == (False, ())
    assert [phase["n"] for phase in run.document["phases"]] == [0]
    assert run.document["phases"][0]["before"] == run.start == numbers(START)


def without(run: dict[str, Any], *path: Any) -> dict[str, Any]:
    place: Any = run
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return run


BAD = {
    "no name": (without(run_of(), "name"), "name is missing; expected a text"),
    "a list": ([1], "is a list in JSON; expected an object"),
    "no backend": (without(run_of(), "config", "BACKEND"), "config.BACKEND is missing"),
    "another backend": (run_of(config={"kernel": "k61", "ram_mb": 16, "BACKEND": "tape"}), "expected one of disk, zswap, zram, none"),
    "a kernel": (run_of(config={"kernel": "k26", "ram_mb": 16, "BACKEND": "disk"}), "config.kernel is 'k26'; expected one of k61, k612"),
    "a setting": (run_of(config={"kernel": "k61", "ram_mb": -1, "BACKEND": "disk"}), "config.ram_mb is -1; expected a whole number of 0"),
    "its start": (without(run_of(), "phases", 0, "before", "zoneinfo.DMA32.low"), "no zoneinfo.DMA32.low"),
    "a counter": (
        run_of(phases=[{"n": 1, "before": {**START, "vmstat.pswpin": None}, "after": {}}]),
        "vmstat.pswpin is None; expected a n",
    ),
    "no after": (without(run_of(), "phases", 1, "after"), "phases[1].after is missing"),
    "how much": (without(run_of(), "phases", 1, "n"), "phases[1] does not say how much it did"),
    "too short": (without(run_of(), "phases", 1), "done is true, but 1 of 2 phases"),
    "series": (run_of(series={"cols": ["phase"], "rows": [[1, 2]]}), "series is damaged"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, what: str) -> None:
    document, words = BAD[what]
    (tmp_path / "bad.json").write_text(json.dumps(document))
    with pytest.raises(UserError) as error:
        read_folder(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}/bad.json: ")
    assert words in str(error.value)
    put(tmp_path, run_of())
    found = read_folder(tmp_path, skip_bad=True)
    assert [one.name for one in found.configurations] == ["one"]
    assert words in found.skipped[0]


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", gzip.compress(b"{}", mtime=0)[:12], b"[" * 100_000])
def test_a_damaged_file_is_no_traceback(tmp_path: Path, data: bytes) -> None:
    for name in ("x.json", "x.json.gz"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=r"x\.json"):
            read_run(tmp_path / name)


def test_repeats_must_be_of_one_configuration(tmp_path: Path) -> None:
    put(tmp_path, run_of(), run_of(rep=2, config={"kernel": "k61", "ram_mb": 32, "BACKEND": "disk"}))
    with pytest.raises(UserError, match=r"one.r2.json: config.ram_mb is 32, in one.r1.json of the same name it is 16"):
        read_folder(tmp_path)
    (tmp_path / "one.r2.json").write_text(json.dumps(run_of()))
    with pytest.raises(UserError, match=r"is repeat 1 of one, and so is one.r1.json"):
        read_folder(tmp_path)


@pytest.mark.parametrize("what", ["nothing", "empty", "a file"])
def test_a_folder_without_runs(tmp_path: Path, what: str) -> None:
    place = tmp_path / "there"
    if what == "empty":
        place.mkdir()
    if what == "a file":
        place.write_text("")
    with pytest.raises(UserError, match="there"):
        read_folder(place)


VALUES = some.one_of(some.none(), some.booleans(), some.integers(-3, 3), some.text(max_size=3), some.just([]), some.just({}))


@given(some.data())
def test_whatever_is_in_a_file_it_is_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, data: some.DataObject) -> None:
    document = json.loads(json.dumps(data.draw(some.sampled_from([run_of(), killed()]))))
    place: Any = document
    while True:
        key = data.draw(some.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(some.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(VALUES)
        break
    path = tmp_path_factory.getbasetemp() / "changed.json"
    path.write_text(json.dumps(document))
    try:
        run = read_run(path)
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert run.done is False or len(run.phases) == 2


# ---------------------------------------------------------------- figures


def test_figures_are_growth_or_the_state_at_the_end() -> None:
    last = {**START, "vmstat.pgmajfault": 9, "vmstat.pgscan_direct": 2, "vmstat.pgscan_kswapd": 3, "vmstat.allocstall_movable": 101}
    last |= {"vmstat.allocstall_normal": 2, "zswap.stored_pages": 6, "kswapd_schedstat.run_ns": 3_500_000, "vmstat.pgsteal_direct": 6}
    last |= {"diskstats.vda.rd_ios": 12, "zram_mm_stat.mem_used_total": 8192, "meminfo.AnonPages": 40, "self_status.VmRSS": 41}
    found = whole_run({**numbers(START), "diskstats.vda.rd_ios": 5}, numbers(last))
    wanted = {"pgmajfault": 9, "pgscan": 5, "pgscan_direct": 2, "pgsteal": 1, "allocstall": 3, "zswap_stored_pages": 6}
    wanted |= {"kswapd_run_s": 0.0025, "vda_rd_ios": 7, "zram_mem_used_total": 8192, "end_AnonPages_kb": 40, "end_rss_kb": 41}
    assert {name: found[name] for name in wanted} == wanted
    assert "swap_ra" not in found, "a counter that is not there is no figure of 0"


def test_the_last_phase_alone(tmp_path: Path) -> None:
    run = read_run(put(tmp_path, run_of()) / "one.r1.json")
    found = measured_figures(run, last=True)
    assert (found["L_pgmajfault"], found["L_pgsteal"], found["L_zswap_pool_limit_hit"]) == (990, 1000, 4)
    assert "L_zswap_stored_pages" not in found
    assert last_phase({"zswap.reject_alloc_fail": 2}, {"zswap.reject_alloc_fail": 5}) == {"L_zswap_reject_alloc_fail": 3}


@pytest.mark.skipif(not GROUNDTRUTH.is_dir(), reason="../shared/groundtruth is not here: no measured runs to read")
def test_figures_of_the_measured_runs_are_those_of_their_summary() -> None:
    table = (GROUNDTRUTH / "summary.csv").read_text().splitlines()
    summaries = {(row["name"], int(row["rep"])): row for row in csv.DictReader(table)}
    runs = [run for one in read_folder(GROUNDTRUTH).configurations for run in one.runs]
    assert len(runs) == len(summaries)
    compared = set()
    for run in runs:
        row = summaries[run.name, run.rep]
        assert str(run.done) == row["done"]
        for name, value in (measured_figures(run) | measured_figures(run, last=True)).items() if run.phases else ():
            if name in row:
                assert float(row[name]) == pytest.approx(value, abs=1e-6), (run.name, name)
                compared.add(name)
    left_out = {name for name in table[0].split(",") if name.startswith(("pg", "psw", "zsw", "zram_", "workingset", "end_"))} - compared
    assert not left_out


# ---------------------------------------------------------------- errors and spreads


def one_of(tmp_path: Path, name: str, *faults: int, **changes: Any) -> Configuration:
    put(tmp_path, *(run_of(name, rep, n, **changes) for rep, n in enumerate(faults, 1)))
    return read_folder(tmp_path, [name]).configurations[0]


def faults_of(one: Configuration, faults: float) -> list[dict[str, float]]:
    return [one.runs[0].start, one.runs[0].phases[0].after, {**one.runs[0].phases[1].after, "vmstat.pgmajfault": faults}]


def test_an_error_between_the_repeats_counts_as_none(tmp_path: Path) -> None:
    one = one_of(tmp_path, "one", 2000, 2100, 2030)
    for simulated, inside in ((2000, True), (2100, True), (1999, False), (2101, False), (2043, True)):
        cell = next(c for c in cells_of([one], {"one": faults_of(one, simulated)}) if c.counter == "pgmajfault")
        assert cell.measured == pytest.approx(2043 + 1 / 3)
        assert (cell.low, cell.high, cell.repeats, cell.basis) == (2000, 2100, 3, "repeats")
        assert cell.error == pytest.approx(simulated / cell.measured - 1)
        assert (cell.inside, cell.counted == 0.0) == (inside, inside)
    assert cell.spread == pytest.approx(50 / cell.measured)


def test_a_run_without_repeats_has_the_spread_of_its_family(tmp_path: Path) -> None:
    a, b = one_of(tmp_path, "a", 2000, 2200), one_of(tmp_path, "b", 1000, 1020, 1010)  # half ranges 100/2100 and 10/1010
    zram = {"config": {"kernel": "k61", "ram_mb": 16, "BACKEND": "zram"}}
    single, other = one_of(tmp_path, "c", 4000), one_of(tmp_path, "d", 4000, **zram)
    simulated = {one.name: faults_of(one, 4100) for one in (a, b, single, other)}
    found = {c.run: c for c in cells_of([a, b, single, other], simulated) if c.counter == "pgmajfault"}
    half = (100 / 2100 + 10 / 1010) / 2
    assert (found["c"].basis, found["d"].basis) == ("family", "all")
    for name in "cd":
        assert found[name].spread == pytest.approx(half)
    assert found["c"].inside == (half >= 100 / 4000)
    lonely = cells_of([single], simulated)[0]
    assert (lonely.basis, lonely.low, lonely.high) == ("none", lonely.measured, lonely.measured)


def cell(counter: str, measured: float, simulated: float | None, run: str = "one", family: str = "disk") -> Cell:
    return Cell(run, family, counter, measured, simulated, measured, measured, 1, "none")


def test_what_is_judged_and_what_a_missing_figure_is() -> None:
    cells = [cell("pswpin", 1001, 1001), cell("pswpin", 1000, 1), cell("pgscan", 5000, 1), cell("zswpout", 2000, None)]
    assert [(c.counter, c.counted) for c in judged(cells)] == [("pswpin", 0.0), ("zswpout", 1.0)]
    assert [c.counter for c in misses(cells)] == ["zswpout"]
    assert misses([cell("zswpout", 2000, None)]) == [], "of a run that was not simulated at all the list of such runs speaks"
    assert cell("pswpin", 0, 0).error == 0.0
    assert cell("pswpin", 0, 3).error is None


def test_summaries_by_hand() -> None:
    assert quantile([4.0, 1.0, 2.0, 3.0], 0.5) == 2.5
    assert quantile([0.0, 10.0], 0.9) == 9.0
    assert quantile([7.0], 0.9) == 7.0
    found = summary("all", [cell("pswpin", 2000, 2000 + error, run=str(error)) for error in (0, 20, -40, 60, -1000)])
    assert found is not None
    assert (found.median, found.worst, found.worst_at) == (pytest.approx(0.02), 0.5, "-1000")
    assert found.p90 == pytest.approx(0.03 + 0.6 * 0.47)
    assert [met for *_, met in found.targets] == [False, False, False]
    assert summary("none", []) is None


@pytest.mark.parametrize(
    ("family", "settings", "files"),
    [
        ("disk", {}, ""),
        ("zs", {"BACKEND": "zswap"}, ""),
        ("z3f", {"BACKEND": "zswap", "ZPOOL": "z3fold"}, ""),
        ("zbud", {"BACKEND": "zswap", "ZPOOL": "zbud"}, "file=0"),
        ("zram", {"BACKEND": "zram"}, ""),
        ("file", {"BACKEND": "zram"}, "file=500"),
        ("mglru", {"LRUGEN": 7}, "file=500"),
        ("6.12", {"LRUGEN": 7, "kernel": "k612"}, ""),
    ],
)
def test_families(tmp_path: Path, family: str, settings: dict[str, Any], files: str) -> None:
    run = run_of(config={"kernel": "k61", "ram_mb": 16, "BACKEND": "disk", **settings})
    run["workload"]["globals"] += [files] if files else []
    assert family_of(read_run(put(tmp_path, run) / "one.r1.json")) == family


def test_records_have_four_keys_and_no_run_that_did_not_complete(tmp_path: Path) -> None:
    folder = read_folder(put(tmp_path, run_of(), run_of(rep=2, faults=2200), killed()))
    simulated = simulate_all(folder.configurations, made_up, 1, command.reporter(quiet=True))
    outcome = outcome_of(folder, simulated, False, 1.0)
    found = records(outcome.cells)
    assert all(list(record) == ["run", "counter", "measured", "simulated"] for record in found)
    assert {"run": "one", "counter": "pgmajfault", "measured": 2100, "simulated": 2020} in found
    assert {record["run"] for record in found} == {"one"}
    assert [(one.runs, one.measured) for one in outcome.ended] == [(["dead"], "killed for lack of memory in phase 1 of 2")]
    assert outcome.ended[0].simulated == "killed in phase 1"


# ---------------------------------------------------------------- a trace


def test_the_first_row_where_a_counter_leaves(tmp_path: Path) -> None:
    """Measured: 1000 faults at the end of the first phase, then 2, 2, 1.7 an access; simulated 2.02 an access all the way."""
    rows = [[1, 1, 100, 1200], [2, 1, 200, 1400], [3, 1, 300, 1500], [4, 1, 400, 1600]]
    run = run_of(faults=2000, series={"cols": ["t_ns", "phase", "idx", "vmstat.pgmajfault"], "rows": rows})
    found = trace(read_run(put(tmp_path, run) / "one.r1.json"), made_up)
    assert found.rows == [(1, 100), (1, 200), (1, 300), (1, 400), (1, 500)]
    assert [point.figures["pgmajfault"] for point in found.measured] == [1200, 1400, 1500, 1600, 2000]
    simulated = [point.figures["pgmajfault"] for point in found.simulated]
    assert simulated == pytest.approx([1010 + 202, 1010 + 404, 1010 + 606, 1010 + 808, 2020])
    left = [one for one in leaving(found) if one.counter == "pgmajfault"]  # the others stand still in this series
    assert [(one.phase, one.idx) for one in left] == [(1, 300)]
    assert left[0].at_end == pytest.approx(0.01)


def test_a_sample_of_a_compile_is_in_the_middle_of_its_unit(tmp_path: Path) -> None:
    series = {"cols": ["phase", "idx", "vmstat.pgmajfault"], "rows": [[1, 0, 1200], [1, 3, 1900]]}
    run = run_of(series=series)
    run["workload"]["phases"][1] = "kind=compile,units=4,ap=100,at=25"
    run["phases"][1]["units"] = 4
    found = trace(read_run(put(tmp_path, run) / "one.r1.json"), made_up)
    assert [point.place for point in found.measured] == [1.125, 1.875, 2.0]
    simulated = [point.figures["pgmajfault"] for point in found.simulated]  # of 500 accesses, 125 a unit
    assert simulated == pytest.approx([1010 + 2.02 * 62.5, 1010 + 2.02 * 437.5, 2020], abs=2)


def test_a_trace_needs_a_series(tmp_path: Path) -> None:
    run = run_of(series={})
    with pytest.raises(UserError, match="no time series"):
        trace(read_run(put(tmp_path, run) / "one.r1.json"), made_up)


# ---------------------------------------------------------------- the command


@pytest.mark.usefixtures("guest")
def test_everything_is_written_and_the_same_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = put(tmp_path / "runs", run_of(), run_of(rep=2, faults=2200), run_of("other"), killed())
    written = []
    for jobs in ("1", "2"):
        names = {key: tmp_path / f"{key}{jobs}" for key in ("out", "json", "card")}
        options = [text for key, path in names.items() for text in (f"--{key}", str(path))]
        assert execute(["validate", str(runs), "--jobs", jobs, "--quiet", "--last", *options]) == 0
        written.append([path.read_text() for path in names.values()])
    assert written[0] == written[1]
    page, figures, fidelity = written[0]
    assert "pgmajfault" in page and "prefers-color-scheme: dark" in page and "<svg" in page and 'class="figures dense sortable"' in page
    counters = {record["counter"]: record for record in json.loads(figures) if record["run"] == "other"}
    assert counters["pgmajfault"]["simulated"] == 2020 and counters["L_pgmajfault"]["measured"] == 990
    assert "| a cost | a latency | one |" in fidelity
    assert "| dead | killed for lack of memory in phase 1 of 2 |" in fidelity
    printed = capsys.readouterr().out
    assert "other (disk; spread of the family's repeats)" in printed
    assert re.search(r"worst +0.00 % +at most 40.0 % +met", printed)


@pytest.mark.usefixtures("guest")
def test_one_that_fails_costs_only_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = put(tmp_path / "runs", run_of("a_wrong"), run_of("b_broken"), run_of("c"))
    assert execute(["validate", str(runs), "--jobs", "1", "--out", str(tmp_path / "page.html")]) == 1
    told = capsys.readouterr()
    assert "2 could not be simulated: a_wrong: config.BACKEND: nobody can simulate that; b_broken: ZeroDivisionError: oh" in told.err
    assert "pgmajfault                              2000          2020   +1.00 %" in told.out
    assert re.search(r"worst +100 % +at most", told.out), "what is not simulated is wholly wrong"


@pytest.mark.usefixtures("guest")
def test_ctrl_c_keeps_what_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = put(tmp_path / "runs", run_of("a"), run_of("b_stopped"), run_of("c"))
    names = {key: tmp_path / key for key in ("out", "json", "card")}
    options = [text for key, path in names.items() for text in (f"--{key}", str(path))]
    assert execute(["validate", str(runs), "--jobs", "1", "--quiet", *options]) == 1
    assert "stopped; the figures are those of 1 of 3 configurations" in capsys.readouterr().err
    assert {record["run"] for record in json.loads(names["json"].read_text())} == {"a"}
    assert "Stopped before all configurations were simulated" in names["out"].read_text()
    assert not names["card"].exists()


@pytest.mark.usefixtures("guest")
def test_a_trace_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [[k, 1, 50 * k, 1000 + (60 if k > 4 else 100) * k] for k in range(1, 10)]
    runs = put(tmp_path, run_of(series={"cols": ["t_ns", "phase", "idx", "vmstat.pgmajfault"], "rows": rows}))
    page = tmp_path / "trace.html"
    assert execute(["validate", str(runs), "--trace", "one.r1", "--out", str(page)]) == 0
    assert "pgmajfault                         1      250" in capsys.readouterr().out
    assert "<svg" in page.read_text()
    assert execute(["validate", str(runs), "--trace", "two", "--out", str(page)]) == 2
    assert "--trace two: no run of that name; there is one" in capsys.readouterr().err


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "x*"], "has no run named x*; it has one"),
        (["--only", "one", "--card", "CARD"], "--card: the fidelity card is about all runs"),
        (["--out", "."], ".: is a folder; expected the name of a file"),
    ],
)
def test_wrong_options(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    assert execute(["validate", str(put(tmp_path, run_of())), *options]) == 2
    assert words in capsys.readouterr().err


def test_the_card_gives_the_reason_of_a_miss(tmp_path: Path) -> None:
    folder = read_folder(put(tmp_path, run_of(), run_of("two")))
    simulated = simulate_all(folder.configurations, made_up, 1, command.reporter(quiet=True))
    known = (Known("A known one", ("tw*",), ("pgmaj*",), "Because."),)
    text = card(outcome_of(folder, simulated, False, 1.0), (), known, "mempress validate RUNS")
    assert "| two | pgmajfault | 2000 | 2020 | +1.00 % | A known one |" in text
    assert "| one | pgmajfault | 2000 | 2020 | +1.00 % | not known |" in text
    assert "**A known one** (tw*). Because." in text
    assert "    mempress validate RUNS --card docs/fidelity.md" in text


@pytest.mark.skipif(not GROUNDTRUTH.is_dir(), reason="../shared/groundtruth is not here: no measured runs to simulate")
def test_a_measured_guest_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One real run through the whole command with the real simulation."""
    figures = tmp_path / "figures.json"
    options = ["--only", "A_disk_uni_1.5", "--brief", "--quiet", "--out", str(tmp_path / "page.html"), "--json", str(figures)]
    assert execute(["validate", str(GROUNDTRUTH), *options]) == 0
    found = {record["counter"]: record for record in json.loads(figures.read_text())}
    assert found["pgmajfault"]["simulated"] == pytest.approx(found["pgmajfault"]["measured"], rel=0.02)
    assert "A_disk_uni_1.5" in capsys.readouterr().out


def test_the_mean_of_the_starts_is_compared(tmp_path: Path, guest: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults +1 % and 10 more for each node that there is room for; a start that is killed early does not count, if most are not."""

    def simulate(run: Mapping[str, Any], every: int = 0, room: int = 0) -> Made:
        made = made_up(run, every)
        for snapshot in made.snapshots[1:]:
            snapshot["vmstat.pgmajfault"] += 10 * room
        return Made(made.snapshots[: 1 if room == 4 else None], [])

    folder = read_folder(put(tmp_path, run_of()), (), False)
    for starts, more in ((1, 0), (4, 15), (5, 15)):
        found = simulate_all(folder.configurations, simulate, 1, command.reporter(quiet=True), starts).found["one"]
        assert found.snapshots[-1]["vmstat.pgmajfault"] == pytest.approx(made_up(run_of()).snapshots[-1]["vmstat.pgmajfault"] + more)
