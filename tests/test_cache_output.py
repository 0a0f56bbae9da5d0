"""What `mempress cache` draws and writes: pictures, whole files or none."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sim.cachesim.files import write_whole
from sim.cachesim.heatmap import heat_of, lay_out
from sim.cachesim.pictures import plot_curves
from sim.cachesim.study import Outcome
from sim.cachesim.tasks import Task, Tick, chunks, run_all
from sim.cachesim.trace import Trace
from sim.cli import execute
from sim.errors import UserError
from sim.progress import Progress, Quiet

PNG = b"\x89PNG\r\n\x1a\n"


def a_trace(folder: Path, requests: int = 1000, distinct: int = 90) -> Path:
    file = folder / "made.txt"
    file.write_text("\n".join(str(k * k % distinct) for k in range(requests)) + "\n")
    return file


@pytest.mark.parametrize("more", [["--pages", "5,10,20"], ["--curve"], ["--pages", "20,40", "--sample", "0.5"]])
def test_a_plot_is_drawn(tmp_path: Path, more: list[str]) -> None:
    for name, begins in (("a.png", PNG), ("a.svg", b"<?xml")):
        assert execute(["cache", str(a_trace(tmp_path)), "--policy", "lru,fifo", *more, "--plot", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(begins)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a.svg", "made.txt"]


def test_a_plot_has_a_line_a_policy_and_the_same_bytes_again(tmp_path: Path) -> None:
    outcomes = [Outcome(f"p{k}", size, 100 // (k + 1), 3.0) for k in range(12) for size in (1, 10)]
    for name in ("a.svg", "b.svg"):
        plot_curves(tmp_path / name, "t", outcomes, 100)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert all(f">p{k}<" in text for k in range(12)) and ">miss ratio<" in text


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--plot", "x.pdf", "--plot: expected a file name that ends in .png or .svg, found"),
        ("--plot", "no/x.png", "no/x.png: cannot be written: there is no folder"),
        ("--json", "no/x", "no/x: cannot be written: there is no folder"),
        ("--json", ".", "cannot be written: it is a folder"),
    ],
)
def test_where_nothing_can_be_written_it_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, name: str, said: str
) -> None:
    assert execute(["cache", "/nonexistent", "--policy", "lru", "--pages", "5", option, str(tmp_path / name)]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == "" and not list(tmp_path.iterdir())


def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(28, "No space left on device")

    write_whole(tmp_path / "a", b"before")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="a: cannot be written: No space left"):
        write_whole(tmp_path / "a", b"behind")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "before"


# --- heat maps --------------------------------------------------------------------------------------------------------------


def test_wide_gaps_are_cut_and_regions_keep_their_distances() -> None:
    """Pages 10 to 1009, 2000 to 2999, and three far away; the first gap is no more than those inside are together."""
    keys = np.array([*range(10, 1010), *range(2000, 3000), 1 << 50, (1 << 50) + 5, 2**64 - 1], np.uint64)
    layout = lay_out(np.random.default_rng(1).permutation(keys), rows=100)
    assert [(first, last) for first, last, _ in layout.regions] == [
        (10, 1009), (2000, 2999), (1 << 50, (1 << 50) + 5), (2**64 - 1, 2**64 - 1)
    ]  # fmt: skip
    where = lay_out(keys, rows=100).row
    assert where[0] == 0 and where[-1] == 99 and (np.diff(where) >= 0).all()
    assert where[999] - where[0] == pytest.approx(where[1999] - where[1000], abs=1)
    near = lay_out(np.array([0, 1, 2, 3, *range(10, 400)], np.uint64), rows=400)
    assert len(near.regions) == 1 and near.row.tolist() == [0, 1, 2, 3, *range(10, 400)]


def test_pages_that_are_all_far_apart_are_evenly_apart() -> None:
    layout = lay_out(np.array([1 << k for k in range(63)], np.uint64), rows=63)
    assert layout.row.tolist() == list(range(63)) and len(layout.regions) == 1
    few = lay_out(np.array([1, 1 << 20, 1 << 60], np.uint64))
    assert few.row.tolist() == [0, 1, 2] and len(few.regions) == 3


@settings(max_examples=150, deadline=None)
@given(some.lists(some.integers(0, 2**64 - 1), min_size=1, max_size=60), some.booleans(), some.integers(1, 20))
def test_cells_count_every_access_once(pages: list[int], timed: bool, size: int) -> None:
    known = list(dict.fromkeys(pages))
    ids = np.array([known.index(page) for page in pages], np.int32)
    time = np.sort(np.random.default_rng(len(pages)).integers(0, 2**62, len(pages))) if timed else None
    heat = heat_of(Trace("t", "text", ids, len(known), np.array(known, np.uint64), time), rows=size, columns=size)
    assert heat.timed == (time is not None and bool(time[-1] > time[0]))
    plain = np.zeros_like(heat.cells)
    for at, page in enumerate(ids):
        moment = int(time[at] - time[0]) if heat.timed and time is not None else at
        plain[heat.layout.row[page], min(int(moment / (heat.end - heat.begin) * plain.shape[1]), plain.shape[1] - 1)] += 1
    assert heat.cells.tolist() == plain.tolist() and heat.cells.sum() == len(pages)
    ascending = heat.layout.row[np.argsort(np.array(known, np.uint64))]
    assert (np.diff(ascending) >= 0).all() and ascending[0] == 0 and ascending[-1] < max(heat.layout.rows, 1) <= size


def test_the_command_draws_a_heat_map_and_prints_statistics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {option: tmp_path / name for option, name in (("--heatmap", "h.png"), ("--plot", "p.svg"), ("--json", "j"))}
    arguments = [text for option, path in files.items() for text in (option, str(path))]
    assert execute(["cache", str(a_trace(tmp_path)), "--stats", *arguments]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{tmp_path}/made.txt (lirs): 1000 requests, 24 distinct pages\n") and "miss ratio" not in shown
    assert files["--heatmap"].read_bytes().startswith(PNG) and ">Popularity (uses of a page)<" in files["--plot"].read_text()
    found = json.loads(files["--json"].read_text())
    assert found["statistics"]["distinct"] == 24 and found["results"] == []
    assert execute(["cache", str(a_trace(tmp_path)), "--stats", "--policy", "lru", "--pages", "3", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "working" not in shown and "mean distinct pages" in shown and "miss ratio" in shown
    found = json.loads(files["--json"].read_text())
    assert found["statistics"]["distinct"] == 24 and found["results"][0]["policy"] == "lru"
    assert ">miss ratio<" in files["--plot"].read_text()


def test_the_same_under_mempress_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With times, writes and sizes of a CSV file."""
    file = tmp_path / "t.csv"
    rows = (f"{k},{'w' if k % 4 == 0 else 'r'},{k % 50},{512 * (k % 3)}\n" for k in range(400))
    file.write_text("".join(rows))
    read = ["--format", "csv", "--columns", "time,op,id,size", "--time-unit", "us"]
    assert execute(["trace", "stats", str(file), *read, "--json", str(tmp_path / "j"), "--plot", str(tmp_path / "p.png"), "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "100 (25.0%), reads 300" in shown and "98.0% of the requests follow their neighbour" in shown
    found = json.loads((tmp_path / "j").read_text())["statistics"]
    assert (found["writes"], found["duration_ns"]) == (100, 399_000) and (tmp_path / "p.png").read_bytes().startswith(PNG)
    assert execute(["trace", "heatmap", str(file), str(tmp_path / "h.svg"), *read, "--quiet"]) == 0
    assert ">100 µs<" in (tmp_path / "h.svg").read_text()
    assert execute(["trace", "heatmap", str(file), str(tmp_path / "h.gif"), *read]) == 2
    assert "OUT: expected a file name that ends in .png or .svg" in capsys.readouterr().err


def test_bytes_of_a_format_that_has_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes 10, 20, 10, 40: ids 1 2 1 3 through a cache of one page."""
    records = np.array([(0, 1, 10, -1), (1, 2, 20, -1), (2, 1, 10, -1), (3, 3, 40, -1)], "<u4,<u8,<u4,<i8")
    (tmp_path / "t.oracleGeneral").write_bytes(records.tobytes())
    command = ["cache", str(tmp_path / "t.oracleGeneral"), "--policy", "fifo", "--pages", "1,2", "--weight", "bytes", "--csv", "--quiet"]
    assert execute([*command, "--format", "oracleGeneral"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[-4:] for line in lines] == [
        ["policy", "misses", "bytes", "missed_bytes"], ["fifo", "4", "80", "80"], ["fifo", "3", "80", "70"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected --policy NAME with --pages or --curve, or --stats, or --heatmap FILE"),
        (["--stats", "--pages", "5"], "--pages, --curve and --csv are about misses; expected --policy NAME too"),
        (["--stats", "--csv"], "--pages, --curve and --csv are about misses"),
        (["--heatmap", "x.gif"], "--heatmap: expected a file name that ends in .png or .svg"),
        (["--heatmap", "x.png", "--plot", "y.png"], "--plot draws miss ratios or statistics; expected --policy NAME or --stats too"),
    ],
)
def test_what_cannot_be_asked_together(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["cache", "/nonexistent", *arguments]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == ""


# --- many at once ---------------------------------------------------------------------------------------------------------


class Seen(Quiet):
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self, title: str, runs: int) -> None:
        self.told.append(f"start {runs}")

    def update(self, run: int, progress: Progress) -> None:
        self.told.append(f"update {run} {progress.done} {progress.events}")

    def finished(self, run: int, simulated_s: float, accesses: int) -> None:
        self.told.append(f"finished {run} {accesses}")

    def close(self) -> None:
        self.told.append("close")


def test_results_come_in_order_and_progress_is_told() -> None:
    seen, told = Seen(), threading.Event()

    def slow(tick: Tick) -> int:
        tick(3)
        told.wait(10)
        return 1

    def quick(tick: Tick) -> int:
        tick(7)
        return 2

    threading.Timer(0.5, told.set).start()
    assert run_all([Task(4, slow), Task(7, quick)], 2, seen) == [1, 2]
    assert seen.told[:2] == ["start 2", "finished 1 7"] and seen.told[-2:] == ["finished 0 4", "close"]
    assert "update 0 0.75 3" in seen.told


@pytest.mark.parametrize("error", [UserError("wrong"), KeyboardInterrupt()])
def test_what_fails_ends_all(error: BaseException) -> None:
    """The others stop at their next tick; Ctrl-C comes while the main thread looks."""
    seen, ticks = Seen(), 0

    def endless(tick: Tick) -> None:
        nonlocal ticks
        while True:
            tick(1)
            ticks += 1
            time.sleep(0.01)

    def fails(tick: Tick) -> None:
        raise error

    with pytest.raises(type(error)):
        run_all([Task(1, endless), Task(1, fails), *(Task(1, endless) for _ in range(5))], 2, seen)
    assert seen.told[-1] == "close" and ticks < 100


def test_chunks_add_up_and_the_first_that_counts_begins_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.cachesim.tasks.CHUNK", 4)
    assert list(chunks(10)) == [(0, 4), (4, 8), (8, 10)]
    assert list(chunks(10, 5)) == [(0, 4), (4, 5), (5, 9), (9, 10)]
