"""`compare RUN --with LOG`: every format is read and recognised, figures are as worked out by hand, bad lines are named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vmstat import names_of
from sim.cli import LOG_FORMATS, execute
from sim.errors import UserError
from sim.logs.figures import Against, Line, against
from sim.logs.log import Log, kind_of, unit_of
from sim.logs.read import FORMATS, read_log
from sim.logs.run import read_run
from sim.logs.times import time_of
from tests.test_report import Page

NAMES = "time_s,nr_free_pages,nr_file_pages,nr_swapcached,nr_slab_reclaimable,pgmajfault,pswpin,pool_pages,clean_pool_pages,stored_pages"
SERIES = f"""replication,{NAMES}
0,0,100,60,10,5,0,0,0,0,0
0,1,80,60,10,5,50,20,10,2,30
0,2,60,60,10,5,100,40,20,2,60
0,3,999,0,0,0,100,40,0,0,0
1,0,100,60,10,5,0,0,0,0,0
1,1,80,60,10,5,50,20,10,2,30
1,2,60,60,10,5,140,60,20,2,60
1,3,999,0,0,0,140,60,0,0,0
"""


def run_folder(parent: Path, warm_up: int = 0, backend: dict[str, list[int]] | None = None, status: str = "done") -> Path:
    """A run of 3 s with two replications: 100 and 140 major faults, 40 and 60 pages swapped in."""
    folder = parent / "mine-0123456789ab"
    folder.mkdir()
    (folder / "series.csv").write_text(SERIES, encoding="utf-8")
    task = [{"name": "w", "status": status, "run_time_s": 3.0, "accesses": 1}]
    document: dict[str, Any] = {
        "schema": 1, "kind": "run", "name": "mine", "id": "0123456789ab", "version": "1+a", "replications": 2, "accesses": [1, 1],
        "simulated_s": [3.0, 3.0], "scalars": {}, "tasks": [task, task],
        "vmstat": {"pgmajfault": [100, 140], "pgpgin": [400, 600], "oom_kill": [0, 0], "nr_mapped": [7, 7], "numa_hit": [0, 0]},
        "backend": backend or {}, "config": {"name": "mine", "warm_up": warm_up, "machine": {"page_size": 4096}},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def read(path: Path, text: str, form: str = "auto", interval: float | None = None) -> Log:
    path.write_text(text, encoding="utf-8")
    return read_log(path, form, 4096, interval)


def laid(tmp_path: Path, text: str, form: str = "auto", interval: float | None = None, **run: Any) -> Against:
    return against(read(tmp_path / "log", text, form, interval), read_run(str(run_folder(tmp_path, **run))))


def line(found: Against, name: str) -> Line:
    return next(one for one in found.lines if one.name == name)


VMSTAT = """# time: 1732500000
nr_free_pages 200
pgmajfault 1000
pswpin 500
oom_kill 3
numa_hit 9000
thp_split_page 4
1732500010
nr_free_pages 100
pgmajfault 1400
pswpin 500
oom_kill 3
numa_hit 9900
thp_split_page 4
"""


def test_snapshots_of_vmstat(tmp_path: Path) -> None:
    """400 faults in 10 s, 40 a second.  The run: 120 in 3 s (means of 100 and 140), 40 a second: -70 % by growth, 0 % by rate."""
    found = laid(tmp_path, VMSTAT)
    assert (found.log.format, found.log.samples, found.log.seconds) == ("vmstat", 2, 10.0)
    faults = line(found, "pgmajfault")
    assert (faults.log_change, faults.run_change, faults.log_rate, faults.run_rate) == (400, 120, 40, 40)
    assert faults.error_change == pytest.approx(-70) and faults.error_rate == 0
    swapped = line(found, "pswpin")
    assert (swapped.log_change, swapped.run_change, swapped.error_change) == (0, 50, None)
    free = line(found, "nr_free_pages")  # the run's last sample is of an empty machine and does not count
    assert (free.log_mean, free.log_last, free.run_last) == (150, 100, 60)
    assert free.run_mean == (100 + 80 + 60) / 3
    assert found.still == 1  # oom_kill
    assert found.only_log == ["numa_hit", "thp_split_page"]  # what moved first; neither is modelled


def test_a_warm_up_is_left_out(tmp_path: Path) -> None:
    """From 1 s on: 70 faults in 2 s."""
    found = laid(tmp_path, VMSTAT.replace("thp_split_page 4", "pgpgin 4", 1).replace("thp_split_page 4", "pgpgin 904"), warm_up=10**9)
    faults, read_in = line(found, "pgmajfault"), line(found, "pgpgin")
    assert (faults.run_change, faults.run_rate) == (70, 35)
    assert (read_in.log_change, read_in.run_change, read_in.unit) == (900, 500, "KiB")
    assert any("totals with its warm-up" in note and "pgpgin" in note for note in found.notes)


def test_snapshots_without_times(tmp_path: Path) -> None:
    """Cut where a name comes again; no rates, unless the user says how far apart they are."""
    text = "\n".join(one for one in VMSTAT.splitlines() if "17325" not in one)
    log = read(tmp_path / "log", text)
    assert log.times is None and log.samples == 2 and any("--log-interval" in note for note in log.notes)
    found = laid(tmp_path, text)
    assert line(found, "pgmajfault").log_rate is None and line(found, "pgmajfault").error_change == pytest.approx(-70)
    assert read(tmp_path / "log", text, interval=2.0).times == [0.0, 2.0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1732500000", 1732500000.0),
        ("1732500000.25", 1732500000.25),
        ("# 1732500000", 1732500000.0),
        ("--- 1732500000 ---", 1732500000.0),
        ("time: 2024-11-25T02:00:00Z", 1732500000.0),
        ("2024-11-25T02:00:00+0000", 1732500000.0),
        ("2024-11-25 02:00:00.5", 1732500000.5),
        ("Mon Nov 25 02:00:00 UTC 2024", 1732500000.0),
        ("Mon Nov 25 02:00:00 AM UTC 2024", 1732500000.0),
        ("123.45 400.00", 123.45),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert time_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "12", "pgfault 1732500000", "# no time", "2024-13-45 99:00:00", "Mon Foo 25 02:00:00 UTC 2024", "1 2 3"]
)
def test_what_is_no_time(text: str) -> None:
    assert time_of(text) is None


@given(st.text(max_size=60))
def test_no_line_breaks_the_reader_of_times(text: str) -> None:
    found = time_of(text)
    assert found is None or found >= 0


ZSWAP = """2024-11-25T02:00:00
/sys/kernel/debug/zswap/pool_total_size:81920
/sys/kernel/debug/zswap/stored_pages:20
/sys/kernel/debug/zswap/pool_limit_hit:5
/sys/kernel/debug/zswap/written_back_pages:0
2024-11-25T02:00:30
/sys/kernel/debug/zswap/pool_total_size:163840
/sys/kernel/debug/zswap/stored_pages:60
/sys/kernel/debug/zswap/pool_limit_hit:11
/sys/kernel/debug/zswap/written_back_pages:0
"""


def test_zswap(tmp_path: Path) -> None:
    """Levels in bytes against the run's frames: mean 30 pages = 122880 bytes; the run's at the end 20 - 2 frames = 73728."""
    found = laid(tmp_path, ZSWAP, backend={"pool_limit_hit": [3, 3], "written_back_pages": [0, 0]})
    assert found.log.format == "zswap"
    pool, stored, hits = (line(found, name) for name in ("pool_total_size", "stored_pages", "pool_limit_hit"))
    assert (pool.kind, pool.unit, pool.log_mean, pool.run_last) == ("gauge", "bytes", 122880, 18 * 4096)
    assert (stored.log_last, stored.run_last, stored.error_last) == (60, 60, 0)
    assert (hits.log_change, hits.run_change, hits.error_change) == (6, 3, -50)
    assert found.still == 1


def test_zswap_as_tail_shows_it(tmp_path: Path) -> None:
    text = "".join(
        f"==> /sys/kernel/debug/zswap/{name} <==\n{value}\n\n" for value in (10, 30) for name in ("stored_pages", "pool_limit_hit")
    )
    log = read(tmp_path / "log", text)
    assert {column.name: column.values for column in log.columns} == {"stored_pages": [10, 30], "pool_limit_hit": [10, 30]}


def test_mm_stat(tmp_path: Path) -> None:
    """Each line is a sample; older kernels have 8 numbers; a time may stand in front of 9."""
    text = "40960 9000 12288 0 12288 1 0 2\n81920 18000 24576 0 24576 1 3 4\n"
    found = laid(tmp_path, text, backend={"mem_used_max": [9, 9]}, status="stopped")
    assert found.log.format == "mm_stat" and "huge_pages_since" not in {column.name for column in found.log.columns}
    stored = line(found, "orig_data_size")
    assert (stored.kind, stored.log_mean, stored.log_last) == ("gauge", 61440, 81920)
    assert stored.run_mean == (0 + 30 + 60 + 0) / 4 * 4096
    used = line(found, "mem_used_max")  # known at the end of the run only
    assert (used.run_mean, used.run_last, used.log_last) == (None, 9, 24576)
    assert "pages_compacted" in found.only_log
    timed = read(tmp_path / "log", "100 1 2 3 4 5 6 7 8 9\n107 1 2 3 4 5 6 7 8 9\n", "mm_stat")
    assert timed.times == [0.0, 7.0] and len(timed.columns) == 9
    assert read(tmp_path / "log", "2024-11-25 02:00:00 1 2 3 4 5 6 7 8 9\n2024-11-25 02:00:04 1 2 3 4 5 6 7 8 9\n").times == [0.0, 4.0]


def test_all_in_one_log(tmp_path: Path) -> None:
    """A time, vmstat, zswap and mm_stat in one snapshot."""
    one = "{}\npgmajfault {}\n/sys/kernel/debug/zswap/pool_limit_hit:1\nzram0: 1 2 3 4 5 6 7 8 9\n"
    log = read(tmp_path / "log", one.format(1732500000, 5) + one.format(1732500001, 9))
    assert log.format == "vmstat and zswap and mm_stat" and log.samples == 2 and len(log.columns) == 11


COLUMNS = """procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu----- -----timestamp-----
 r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st                 UTC
 1  0      0   4000    100    100  999  999   999   999    1    1  1  1 98  0  0 2024-11-25 02:00:00
 1  0    400    800    100    140    8    0   100     0    1    1  1  1 98  0  0 2024-11-25 02:00:01
procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu----- -----timestamp-----
 r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st                 UTC
 1  0    400    400    100    140   40    0   300     0    1    1  1  1 98  0  0 2024-11-25 02:00:03
 1  0    400    400    100    140   20    0   200     0    1    1  1  1 98  0  0 2024-11-25 02:00:05
"""


def test_columns_of_vmstat(tmp_path: Path) -> None:
    """Kept are rows 2 to 4, 4 s apart, so 2 s a row: 2 * (40 + 20) KiB = 30 pages swapped in, 7.5 a second; the run 50 in 3 s."""
    found = laid(tmp_path, COLUMNS)
    assert (found.log.format, found.log.samples, found.log.seconds) == ("vmstat-columns", 3, 4.0)
    swapped, read_in, free = (line(found, name) for name in ("pswpin", "pgpgin", "nr_free_pages"))
    assert (swapped.shown, swapped.log_change, swapped.log_rate) == ("si", 30, 7.5)
    assert swapped.run_change == 50 and swapped.error_rate == pytest.approx(100 * (50 / 3 / 7.5 - 1))
    assert (read_in.log_change, read_in.run_change) == (1000, 500)
    assert (free.log_mean, free.log_last) == ((200 + 100 + 100) / 3, 100)
    cached = line(found, "cached_pages")
    assert (cached.log_last, cached.run_last) == (60, 60 - 10 + 5)
    assert {"us", "cs", "in"} <= set(found.only_log)


def test_columns_without_times_or_heading(tmp_path: Path) -> None:
    rows = [" ".join(text.split()[:17]) for text in COLUMNS.splitlines() if text.split()[0] == "1"]
    log = read(tmp_path / "log", "\n".join(rows))
    assert log.times == [0.0, 1.0, 2.0] and any("1 s apart" in note for note in log.notes)
    assert read(tmp_path / "log", "\n".join(rows), interval=5.0).times == [0.0, 5.0, 10.0]


def test_a_counter_that_falls_is_told(tmp_path: Path) -> None:
    found = laid(tmp_path, "pgmajfault 100\npgmajfault 130\npgmajfault 5\npgmajfault 25\n")
    assert line(found, "pgmajfault").log_change == 50
    assert any("pgmajfault falls 1 times" in note for note in found.notes)


def test_a_log_that_was_cut_off(tmp_path: Path) -> None:
    log = read(tmp_path / "log", "pgfault 1\npgmajfault 1\n" * 3 + "pgfault 9\n")
    assert log.samples == 3 and any("not whole" in note for note in log.notes)


@pytest.mark.parametrize(
    ("text", "form", "message"),
    [
        ("pgfault 1\npgfault two\n", "auto", r"log:2: found 'pgfault two'; expected"),
        ("pgfault 1\n1 2 3 4 5 6 7 8 9\n", "vmstat", r"log:2: found '1 2 3 4 5 6 7 8 9'; expected \"name value\""),
        ("1 2 3 4 5 6 7 8 9\npgfault 1\n", "mm_stat", r"log:2: found 'pgfault 1'; expected 9 numbers"),
        ("hello, world\n", "auto", r"log:1: found 'hello, world'; expected a log of vmstat, vmstat-columns, mm_stat, zswap"),
        ("", "auto", r"log: it has no lines"),
        ("pgfault 1\n", "auto", r"log: 1 snapshot; at least 2 are wanted"),
        ("1732500005\npgfault 1\n1732500001\npgfault 2\n", "auto", r"log:3: its time is 4 s before that of line 1"),
        ("procs -- memory\n r b swpd free\n 1 0 3\n", "vmstat-columns", r"log:3: found '1 0 3'; expected 4 numbers \(r b swpd free\)"),
        (COLUMNS.replace("  800 ", "  8x0 "), "auto", r"log:4: found .*; expected 17 numbers"),
        ("1 0 " + "0 " * 15 + "\n", "auto", r"log: 0 rows besides the first"),
    ],
)
def test_bad_logs(tmp_path: Path, text: str, form: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path / "log", text, form)


@given(
    st.lists(
        st.sampled_from([*VMSTAT.splitlines(), *ZSWAP.splitlines(), *COLUMNS.splitlines(), "1 2 3 4 5 6 7 8 9", "?", "-1"]), max_size=12
    )
)
def test_any_mix_of_lines_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    """Never a traceback: a log with at least two samples, or a message with the file's name."""
    path = tmp_path_factory.getbasetemp() / "mixed.log"
    try:
        log = read(path, "\n".join(lines))
    except UserError as error:
        assert str(error).startswith(str(path))
    else:
        assert log.samples >= 2 and all(len(column.values) == log.samples for column in log.columns)


def test_what_is_a_level_and_what_counts() -> None:
    gauges = {name for name in names_of("6.12") if kind_of(name) == "gauge"}
    assert {"nr_free_pages", "nr_zspages", "workingset_nodes"} <= gauges
    assert not gauges & {"pgfault", "nr_dirtied", "nr_vmscan_write", "swap_ra", "zswpout", "workingset_refault_anon", "thp_swpout"}
    assert (unit_of("nr_free_pages"), unit_of("pool_total_size"), unit_of("pgpgin"), unit_of("pgfault")) == ("pages", "bytes", "KiB", "")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tables, a page with a chart, JSON; a second log, gzipped."""
    folder = run_folder(tmp_path)
    (tmp_path / "v.log").write_text(VMSTAT, encoding="utf-8")
    (tmp_path / "z.log.gz").write_bytes(gzip.compress(ZSWAP.encode()))
    logs = ["--with", str(tmp_path / "v.log"), "--with", str(tmp_path / "z.log.gz")]
    assert execute(["compare", str(folder), *logs]) == 0
    shown = capsys.readouterr().out
    assert "v.log: vmstat, 2 samples, 10 s" in shown and "z.log.gz: zswap" in shown
    assert "pgmajfault" in shown and "-70.0 %" in shown and "no counterpart in the run: numa_hit" in shown
    (page,) = tmp_path.glob("compare-*.html")
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 2 and "-70.0 %" in html
    parsed = Page(html)
    assert "table" in parsed.tags and len(set(parsed.ids)) == len(parsed.ids)
    assert all(link.startswith("#") for link in parsed.links)
    assert execute(["compare", str(folder), *logs, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["format"] for one in found["logs"]] == ["vmstat", "zswap"]
    (faults,) = (one for one in found["logs"][0]["counters"] if one["counter"] == "pgmajfault")
    assert (faults["log_change"], faults["run_change"], faults["error_change_percent"]) == (400, 120, pytest.approx(-70))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN", "RUN", "--with", "LOG"], "--with: lays one run over a log, and 2 runs are given"),
        (["RUN", "--with", "NOWHERE"], "NOWHERE: cannot be read: No such file or directory"),
        (["RUN", "--with", "LOG", "--log-interval", "3"], "--log-interval: found '3'"),
        (["RUN", "--with", "LOG", "--log-interval", "0s"], "--log-interval: found 0s; expected a time above 0"),
        (["RUN", "--format", "vmstat"], "--with LOG says which"),
    ],
)
def test_what_is_refused(tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path)
    (tmp_path / "log").write_text(VMSTAT, encoding="utf-8")
    places = {"RUN": str(folder), "LOG": str(tmp_path / "log"), "NOWHERE": str(tmp_path / "NOWHERE")}
    assert execute(["compare", *(places.get(word, word) for word in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_the_command_line_knows_every_format() -> None:
    assert LOG_FORMATS == FORMATS
