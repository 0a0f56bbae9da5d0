"""The report: one page that stands alone, says what the files say, and is made from them only."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sim.errors import UserError
from sim.metrics import reclaimed_name
from sim.report import _common, read_series, write_report
from sim.report.comparisons import _cpu_parts
from sim.report.devices import latency, used
from sim.report.drawing import rate
from sim.report.reclaimed import heat
from sim.report.tables import cell, digits, plain, with_interval
from sim.report.timelines import _limit, with_sums
from sim.results import Histogram, Replication
from sim.run import execute
from tests import fakes

ROOT = Path(__file__).resolve().parent.parent
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Checks that elements nest, and collects what a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.titles: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src", "xlink:href"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.titles.append(data)


RECLAIMED = {("kswapd", "db <i>", "file"): 900.0, ("kswapd", "app", "anon"): 100.0, ("app", "db <i>", "file"): 25.0}


def simulate_files(config: Any, replication: int, **options: Any) -> Replication:
    """The fake simulation with files, two devices and, for zcache, a clean cache."""
    base = fakes.simulate(config, replication, **options)
    n = len(base.series["time_s"])
    clean = 1.0 if config.settings.get("backend") == "zcache" else 0.0
    columns: dict[str, list[float]] = {
        "nr_active_file": [2000.0] * n,
        "nr_inactive_file": [10.0 * k for k in range(n)],
        "nr_mapped": [5.0] * n,
        "nr_dirty": [float(k % 7) for k in range(n)],
        "nr_dirty_threshold": [20.0] * n,
        "nr_dirty_background_threshold": [10.0] * n,
        "pgscan_file": [9.0 * k for k in range(n)],
        "pgsteal_file": [3.0 * k for k in range(n)],
        "workingset_refault_file": [2.0 * k for k in range(n)],
        "file_pages_written": [1.0 * k for k in range(n)],
        "clean_pool_pages": [40.0 * clean] * n,
        "clean_stored_pages": [70.0 * clean] * n,
        "cleancache_puts": [4.0 * k * clean for k in range(n)],
        "cleancache_hits": [1.0 * k * clean for k in range(n)],
        "cleancache_misses": [2.0 * k * clean for k in range(n)],
    }
    for name, busy in (("disk", 1.0), ("idle", 0.0)):
        for column in ("reads", "writes"):
            columns[f"device.{name}.{column}"] = [busy * (k // 3) for k in range(n)]
        for column in ("read_ns", "write_ns", "queue_ns", "busy_ns"):
            columns[f"device.{name}.{column}"] = [busy * 4e6 * (k // 3) for k in range(n)]
    scalars = {reclaimed_name(*key): value * (1 + 0.1 * replication) for key, value in RECLAIMED.items()}
    scalars |= {reclaimed_name("idle", "app", "anon"): 0.0, "cpu_file": 0.4, "cpu_slab": 0.001}
    histogram = Histogram([1e6, 2e6, 4e6, 8e6], [5, 9, 2])
    return base._replace(
        series=base.series | columns,
        scalars=base.scalars | scalars,
        histograms=base.histograms | {"device.disk.read": histogram, "device.disk.write": histogram},
    )


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("results")
    sweep = fakes.loaded(3, ("none", "zcache <b>", "zram & $x$"))
    sweep.config.published.append(fakes.Figure("zram & $x$", "effective_compression", 78.11, "a mail"))
    swept = fakes.loaded(2)
    swept.cases = [
        fakes.FakeCase(
            f"backend={kind},memory={m}MiB",
            {"backend.kind": kind, "machine.memory": f"{m}MiB"},
            fakes.FakeConfig(replications=2, settings={"backend": kind, "memory": m, "steps": 40}),
        )
        for kind in ("none", "zcache")
        for m in (120, 140, 160, 180, 200)
    ]
    small = fakes.loaded(1, settings={"steps": 1})
    loads = {"run": fakes.loaded(3, name="one"), "sweep": sweep, "swept": swept, "empty": small}
    loads |= {"files": fakes.loaded(2, ("none", "zcache")), "file-run": fakes.loaded(2, settings={"backend": "zcache"})}
    loads["file-empty"] = small
    return {
        name: execute(
            loaded,
            out / name,
            jobs=1,
            simulate=simulate_files if "file" in name else fakes.simulate,
            command=["mempress", "run", "a b.yaml"],
        ).folder
        for name, loaded in loads.items()
    }


@pytest.fixture(params=["run", "sweep", "swept", "empty", "files", "file-run", "file-empty"])
def folder(request: pytest.FixtureRequest, places: dict[str, Path]) -> Path:
    return places[request.param]


def test_the_page_is_whole_and_needs_no_network(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    page = Page(text)
    assert "script" not in page.tags and "link" not in page.tags and "img" not in page.tags
    assert all(link.startswith(("#", "../")) for link in page.links)
    assert not re.search(r"@import|url\((?!#)", text)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(text) < 1_500_000


def test_no_placeholder_colour_is_left(folder: Path) -> None:
    assert not re.search(r"#0[12]0[0-9a-f]{3}\b|#010[0-9a-f]{3}\b", (folder / "report.html").read_text())


def test_links_to_the_cases_lead_somewhere(places: dict[str, Path]) -> None:
    from urllib.parse import unquote

    links = [link for link in Page((places["sweep"] / "report.html").read_text()).links if link.startswith("../")]
    assert len(links) == 3
    assert all((places["sweep"] / unquote(link)).exists() for link in links)


def test_a_run_shows_memory_rates_latencies_and_cpu(places: dict[str, Path]) -> None:
    titles = Page((places["run"] / "report.html").read_text()).titles
    assert titles[:5] == [
        "Key figures",
        "Memory by use over time",
        "Reclaim, swap and faults over time",
        "Latency of faults and allocation stalls",
        "Where CPU time goes",
    ]


def test_a_run_with_a_pool_shows_pool_against_payload(places: dict[str, Path]) -> None:
    case = next(p for p in places["sweep"].parent.iterdir() if "zcache" in p.name)
    assert "What the pool holds and what it costs" in Page(write_report(case).read_text()).titles


def test_a_run_with_files_shows_them(places: dict[str, Path]) -> None:
    text = (places["file-run"] / "report.html").read_text()
    titles = Page(text).titles
    shown = [
        "Memory by use over time",
        "Reclaim, swap and faults over time",
        "Page cache and dirty memory over time",
        "What the pool holds and what it costs",
        "What the clean cache was asked for and had",
        "Devices: queue and latency over time",
        "Latency of the devices' requests",
        "Latency of faults and allocation stalls",
        "Where CPU time goes",
        "Who reclaimed what from whom",
    ]
    assert titles[1:11] == shown
    for label in ("inactive file", "background threshold", "clean cache", "file reclaimed", "disk: mean latency", "disk: writes"):
        assert f">{label}<" in text, label
    assert "idle: " not in text.partition("<h2>All figures")[0]  # a device that nothing used


def test_a_run_without_files_shows_none_of_it(places: dict[str, Path]) -> None:
    text = (places["run"] / "report.html").read_text()
    for title in ("Page cache and dirty", "clean cache", "Devices:", "requests</h2>", "Who reclaimed", "Reclaim by kind", "inactive file"):
        assert title not in text, title


def test_cases_with_files_are_drawn_together(places: dict[str, Path]) -> None:
    text = (places["files"] / "report.html").read_text()
    assert Page(text).titles.count("Page cache and dirty memory over time") == 1
    for label in ("Hits of the clean cache (pages/s)", "disk: mean latency of reads", "disk: reads"):
        assert f">{label}<" in text, label
    assert re.findall(r"<caption>(.*?)</caption>", text) == ["none", "zcache"]


def test_the_table_of_who_reclaimed_from_whom(places: dict[str, Path]) -> None:
    run = json.loads((places["file-run"] / "run.json").read_text())
    run["config"]["workloads"] = [{"name": "idle"}, {"name": "db <i>"}, {"name": "app"}]
    table = heat("case", run)
    assert table is not None
    assert table.heads == [("db <i>", 1), ("app", 1)] and table.kinds == ["files", "anonymous"]  # the configuration's order
    assert [(by, [c.text for c in cells], total) for by, cells, total in table.rows] == [
        ("kswapd", ["945", "105"], "1050"),
        ("app", ["26", "–"], "26"),
    ]
    assert (table.sums, table.total) == (["971", "105"], "1076")
    assert [c.heat for c in table.rows[0][1]] == [1.0, pytest.approx((100 / 900) ** 0.5, abs=1e-3)]
    assert "kswapd took from db <i>, files: 945 ± " in table.rows[0][1][0].title
    text = (places["file-run"] / "report.html").read_text()
    assert "from db &lt;i&gt;</th>" in text and "<i>" not in text
    run["scalars"] = {name: scalar for name, scalar in run["scalars"].items() if "by-idle" in name}
    assert heat("case", run) is None


def test_latency_over_time_has_gaps_where_nothing_ended() -> None:
    series = {
        "time_s": [0.0, 1.0, 2.0, 3.0],
        "device.d.reads": [0.0, 2.0, 2.0, 3.0],
        "device.d.read_ns": [0.0, 6e6, 6e6, 7e6],
        "device.d.queue_ns": [0.0, 2e9, 2e9, 3e9],
        "device.e.queue_ns": [0.0] * 4,
    }
    times, means = latency(series, "d", "read", "reads")
    assert times == [0.5, 1.5, 2.5]
    assert str(means) == "[3000000.0, nan, 1000000.0]"
    assert latency(series, "d", "write", "writes") == ([], [])
    assert used([series]) == ["d"]
    assert rate(series, "device.d.queue_ns")[1] == [2e9, 0.0, 1e9]


def test_small_parts_of_cpu_time_are_drawn_together() -> None:
    def run(**seconds: float) -> dict[str, Any]:
        return {"scalars": {f"cpu_{name}": {"mean": value} for name, value in seconds.items()}}

    runs = [run(user=98, fault=0.5, kswapd=1.2, file=0.2, idle=50), run(user=100, fault=0.2, slab=0.3)]
    assert _cpu_parts(runs) == {"user": [98, 100], "kswapd": [1.2, 0.0], "other": [pytest.approx(0.7), pytest.approx(0.5)]}
    many = run(
        **dict.fromkeys(("user", "fault", "kswapd", "direct", "compress", "decompress", "copy", "allocator", "io", "file", "slab"), 5.0)
    )
    assert list(_cpu_parts([many]).values()) == [[5.0]] * 9 + [[10.0]]  # as many as there are colours
    assert _cpu_parts([run(idle=3)]) == {}


def test_the_clean_caches_frames_are_not_the_pools() -> None:
    found = with_sums({"time_s": [0.0, 1.0], "pool_pages": [5.0, 9.0], "clean_pool_pages": [2.0, 3.0], "nr_slab_reclaimable": [1.0, 1.0]})
    assert found["swap_pool_pages"] == [3.0, 6.0] and found["slab_pages"] == [1.0, 1.0]
    assert with_sums({"time_s": [0.0]})["swap_pool_pages"] == [0.0]


def test_long_idle_times_do_not_cut_off_what_happened() -> None:
    from sim.report.drawing import panels

    _, (axes,) = panels(1.0)
    axes.plot(range(100), [0.0] * 90 + [10.0] * 10)
    _limit(axes)
    assert axes.get_ylim()[1] >= 10.0


def test_a_sweep_shows_its_cases_side_by_side(places: dict[str, Path]) -> None:
    text = (places["sweep"] / "report.html").read_text()
    titles = Page(text).titles
    assert "The cases side by side" in titles and "Published figures beside the simulated ones" in titles
    assert "zcache &lt;b&gt;" in text and "<b>" not in text
    assert "zram &amp; $x$" in text


def test_a_swept_number_is_an_axis(places: dict[str, Path]) -> None:
    text = (places["swept"] / "report.html").read_text()
    assert "The cases along machine.memory" in Page(text).titles
    assert "machine.memory (MiB)" in text


def test_figures_of_the_page_are_those_of_the_file(places: dict[str, Path]) -> None:
    run = json.loads((places["run"] / "run.json").read_text())
    text = (places["run"] / "report.html").read_text()
    for name in ("run_time", "pgmajfault_rate", "device.disk.utilisation"):
        shown = cell(run["scalars"][name])
        assert f"{shown.value}<span" in text
        assert f"±&nbsp;{shown.interval}<" in text
    assert "mempress run &#39;a b.yaml&#39;" in text


def test_the_same_files_give_the_same_page(places: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / places["run"].name
    shutil.copytree(places["run"], copy)
    (copy / "report.html").unlink()
    code = "import sys, pathlib; from sim.report import write_report; write_report(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(copy)], cwd=ROOT, check=True)
    assert (copy / "report.html").read_bytes() == (places["run"] / "report.html").read_bytes()


def test_folders_that_are_no_results(tmp_path: Path, places: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="no such file"):
        write_report(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        write_report(tmp_path / "nowhere")
    copy = tmp_path / "copy"
    shutil.copytree(places["sweep"], copy / "sweep")
    with pytest.raises(UserError, match=r"run.json: no such file"):
        write_report(copy / "sweep")  # without its cases
    shutil.copytree(places["run"], copy / "run")
    (copy / "run" / "series.csv").write_text("replication,time_s\n0,x\n")
    with pytest.raises(UserError, match=r"series.csv: damaged"):
        write_report(copy / "run")
    assert not list(copy.rglob("*partial*"))


def test_series_of_one_replication(places: dict[str, Path]) -> None:
    expected = fakes.simulate(fakes.FakeConfig(name="one"), 1).series
    assert read_series(places["run"], 1) == expected
    assert read_series(places["run"], 7) == {}


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (123.456, 1.234, ("123.5", "1.2")),
        (123456.0, 1234.0, ("123\u202f456", "1234")),
        (0.123456, 0.00123, ("0.1235", "0.0012")),
        (5.0, None, ("5", "")),
        (5.678912, None, ("5.679", "")),
        (5.0, 0.0, ("5", "0")),
        (0.0, None, ("0", "")),
    ],
)
def test_a_value_has_as_many_digits_as_its_interval_allows(mean: float, half: float | None, text: tuple[str, str]) -> None:
    assert with_interval(mean, half) == text


def test_numbers_as_text() -> None:
    assert plain(0.00012346) == "0.0001235"
    assert plain(1234567.0) == "1\u202f234\u202f567"
    assert digits(9999.5, 1) == "9999.5"


def test_cells_say_what_is_missing() -> None:
    assert cell(None).text == "–"
    assert cell({"mean": None}).text == "–"
    assert "one replication" in cell({"mean": 2.0, "half_width": None, "n": 1}).title
    assert cell({"mean": 2.0, "half_width": 1.0, "low": 1.0, "high": 3.0, "n": 2}, 5).text == "2.0 (n=2) ± 1.0"


def test_configurations_are_split_into_common_and_different() -> None:
    configs: list[Any] = [{"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 2, "d": 4}}, {"a": 1, "b": {"c": 2}, "e": 5}]
    assert _common(configs) == ({"a": 1, "b": {"c": 2}}, [{"b": {"d": 3}}, {"b": {"d": 4}}, {"b": {}, "e": 5}])
