"""The report: one page that stands alone, says what the files say, and is made from them only."""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sim.errors import UserError
from sim.metrics import reclaimed_name
from sim.report import _common, read_series, write_report
from sim.report.comparisons import _cpu_parts
from sim.report.design import design_of, main_effect, shares, unbalanced
from sim.report.devices import latency, used
from sim.report.drawing import rate
from sim.report.effects import share_table
from sim.report.heatmaps import heat_maps
from sim.report.limits import limits_of
from sim.report.pareto import front
from sim.report.plots import warm_up_of
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
        self.scripts: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.titles: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append(dict(attrs))
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
    assert page.scripts == [{}]  # the one that sorts tables, inside the page
    assert "link" not in page.tags and "img" not in page.tags
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
    with pytest.raises(UserError, match=r"none of its cases has a run.json beside it"):
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


# ---------------------------------------------------------------- what each key does


def labels_of(*keys: tuple[str, list[str]]) -> list[dict[str, str]]:
    """A full grid."""
    return [dict(zip([key for key, _ in keys], values, strict=True)) for values in itertools.product(*(texts for _, texts in keys))]


def runs_of(values: list[list[float | None]], metric: str = "run_time") -> list[dict[str, Any]]:
    """run.json of cases, as far as the plots look: values by case and replication."""
    return [
        {
            "scalars": {metric: {"values": row, "mean": None if None in row else sum(row) / len(row), "half_width": 0.1}},
            "replications": len(row),
        }
        for row in values
    ]


def test_levels_are_sorted_by_their_size_and_tied_keys_are_one() -> None:
    labels = labels_of(("machine.memory", ["1GiB", "128MiB", "512MiB"]), ("backend.kind", ["none", "zram"]))
    for one in labels:
        one["machine.cpus"] = {"none": "4", "zram": "8"}[one["backend.kind"]]
        one["seed"] = "1"
    design = design_of(labels)
    assert [(f.name, f.levels) for f in design.factors] == [("memory", ["128MiB", "512MiB", "1GiB"]), ("backend", ["none", "zram"])]
    assert design.tied == [("machine.cpus", "backend.kind")] and not design.sampled


def test_many_numbers_are_a_sampled_key() -> None:
    draw = random.Random(1)
    design = design_of([{"a": f"{draw.random():.6f}", "b": str(draw.randrange(60)), "c": "xy"[k % 2]} for k in range(200)])
    assert [key.key for key in design.sampled] == ["a", "b"] and [factor.key for factor in design.factors] == ["c"]
    grid = design_of(labels_of(("a", [str(k) for k in range(20)]), ("c", ["x", "y"])))
    assert not grid.sampled and len(grid.factors[0].levels) == 20


def test_shares_of_the_variance_of_sums_and_products() -> None:
    """2 A + 4 B: sums of squares 4 and 16 of 20.  A B: the means are 0 0 0 1, and each of A, B and A × B has a third."""
    design = design_of(labels_of(("a", ["0", "1"]), ("b", ["0", "1"])))
    added = shares(design, np.array([[10.0, 10.0], [14.0, 14.0], [12.0, 12.0], [16.0, 16.0]]))
    assert {row.name: pytest.approx(row.share) for row in added}.items() >= {"a": 20, "b": 80, "a × b": 0}.items()
    crossed = {row.name: row.share for row in shares(design, np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]))}
    assert [crossed[name] for name in ("a", "b", "a × b")] == pytest.approx([100 / 3] * 3)


@given(st.lists(st.lists(st.floats(-100, 100), min_size=3, max_size=3), min_size=12, max_size=12))
def test_shares_add_up_to_the_whole(rows: list[list[float]]) -> None:
    design = design_of(labels_of(("a", ["0", "1"]), ("b", ["0", "1"]), ("c", ["0", "1", "2"])))
    values = np.array(rows)
    assume(values.std() > 1e-3)
    found = shares(design, values)
    assert sum(row.share for row in found) == pytest.approx(100, abs=1e-6) and all(row.share >= 0 for row in found)


def test_shares_of_noise_are_about_what_noise_gives() -> None:
    values = np.random.default_rng(np.random.SeedSequence(5)).normal(0, 1, (400, 6))
    design = design_of(labels_of(("a", [str(k) for k in range(10)]), ("b", [str(k) for k in range(40)])))
    a, b, both = shares(design, values)[:3]
    assert a.by_noise == pytest.approx(100 * 9 / 2400, rel=0.1)
    for row in (a, b, both):
        assert row.by_noise is not None and 0.3 * row.by_noise < row.share < 2 * row.by_noise


def test_why_a_variance_is_not_shared_out() -> None:
    labels = labels_of(("a", ["0", "1"]), ("b", ["0", "1"]))
    values = np.ones((4, 2))
    assert unbalanced(design_of(labels), values) == ""
    assert "only 3 of 4 combinations" in unbalanced(design_of(labels[:3]), values[:3])
    assert "more often" in unbalanced(design_of([*labels, labels[0]]), np.ones((5, 2)))
    holes = values.copy()
    holes[3, 1] = np.nan
    assert "only 3 of 4" in unbalanced(design_of(labels), holes)
    table = share_table(design_of(labels[:3]), runs_of([[1.0, 2.0], [2.0, 3.0], [5.0, 6.0]]), ["run_time"])
    assert table is not None and table.rows == [] and "run_time: not shared out" in table.reasons[0]


def test_what_cases_share_is_not_in_the_whiskers_of_a_level() -> None:
    """All replications swing together: the means of the levels vary, and their differences do not."""
    factor = design_of([{"a": "0"}, {"a": "1"}]).factors[0]
    low, high = main_effect(factor, np.array([[1.0, 5.0, 9.0], [3.0, 7.0, 11.0]]))
    assert low is not None and high is not None
    assert (low.mean, high.mean, low.half) == (5.0, 7.0, pytest.approx(0.0))
    assert low.own_half == pytest.approx(4.30265 * 4 / 3**0.5, abs=1e-4)  # t with 2 degrees of freedom, sd 4


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    x, y = (np.array([p[k] for p in points], dtype=float) for k in (0, 1))
    beaten = [any(a <= c and b <= d and (a, b) != (c, d) for a, b in points) for c, d in points]
    assert sorted(front(x, y)) == [k for k, lost in enumerate(beaten) if not lost]


def test_heat_maps_have_values_and_half_widths_in_order() -> None:
    labels = labels_of(("machine.memory", ["1GiB", "128MiB", "256MiB"]), ("backend.kind", ["none", "zram"]))
    (map_,) = heat_maps(design_of(labels), runs_of([[float(k), float(k + 2)] for k in range(6)]), ["run_time"])
    assert [level for level, _ in map_.rows] == ["128MiB", "256MiB", "1GiB"] and map_.columns == ["none", "zram"]
    assert [c.text for c in map_.rows[2][1]] == ["1", "2"] and map_.rows[1][1][1].heat == 1.0
    assert map_.rows[0][1][0].half == "13"  # t with 1 degree of freedom, 12.706, times sd √2 over √2


def test_a_grid_shows_what_each_key_does(places: dict[str, Path]) -> None:
    text = (places["swept"] / "report.html").read_text()
    titles = Page(text).titles
    wanted = ["What each key does: means by value", "Do keys act together? run_time (s)", "How much of the variance belongs to which key"]
    wanted += ["Two keys at a time", "Memory against stalls: what is worth its price"]
    assert [title for title in titles if title in wanted] == wanted
    assert "backend × memory" in text
    assert "sortable" in text


# ---------------------------------------------------------------- cases without results, warm-up, limits, size


def test_cases_without_results_are_named_and_left_out(places: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(places["swept"].parent, tmp_path / "out")
    folder = tmp_path / "out" / places["swept"].name
    sweep = json.loads((folder / "sweep.json").read_text())
    shutil.rmtree(tmp_path / "out" / sweep["cases"][3]["run"])
    sweep["failed"] = [{"name": "bad & case", "labels": {}, "id": "", "error": "RuntimeError: <broken>"}]
    (folder / "sweep.json").write_text(json.dumps(sweep))
    text = write_report(folder).read_text()
    assert "Cases without results" in Page(text).titles and "9 cases," in text
    assert "bad &amp; case" in text and "RuntimeError: &lt;broken&gt;" in text
    assert f'{sweep["cases"][3]["name"]}</th><td class="text">its run folder is not there' in text
    assert "only 9 of 10 combinations" in text


def test_the_warm_up_is_shaded(places: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / places["run"].name
    shutil.copytree(places["run"], copy)
    plain_page = write_report(copy).read_text()
    assert "Shaded: the warm-up" not in plain_page
    run = json.loads((copy / "run.json").read_text())
    for change in ({"warm_up_s": 2.5}, {"warm_up_s": [2.5, 1.0, 0.5]}, {"config": run["config"] | {"warm_up": 2_500_000_000}}):
        assert warm_up_of(run | change) == 2.5
    (copy / "run.json").write_text(json.dumps(run | {"warm_up_s": 2.5}))
    assert write_report(copy).read_text().count("Shaded: the warm-up") == 2  # memory, rates


def test_limits_are_those_of_what_ran() -> None:
    def run(backend: str = "none", cpus: int = 1, **means: float) -> dict[str, Any]:
        scalars = {name: {"mean": value} for name, value in means.items()}
        return {"config": {"backend": {"kind": backend}, "machine": {"cpus": cpus}}, "scalars": scalars}

    quiet = limits_of([run()])
    assert len(quiet) == 4 and "a table of costs" in quiet[0] and "The intervals" in quiet[-1]
    assert any("direct reclaim is not matched" in text for text in limits_of([run(), run(direct_share=0.1)]))
    assert not any("mapped files" in text for text in limits_of([run(mapped_pages=10.0), run(pswpout_rate=3.0)]))
    assert any("Swap beside mapped files" in text for text in limits_of([run(mapped_pages=10.0, pswpout_rate=3.0)]))
    assert any("zcache as a whole" in text for text in limits_of([run("zcache")]))


def test_a_page_of_2000_cases_is_made_fast_and_stays_small(tmp_path: Path) -> None:
    draw = random.Random(2)
    names = ("run_time", "psi_memory_full", "pgmajfault_rate", "pool_frames", "fault_p99")
    cases = []
    for k in range(2000):
        labels = {"machine.memory": f"{draw.uniform(32, 512):.2f}MiB", "a.b": str(draw.randrange(200)), "backend.kind": "xyz"[k % 3]}
        scalars = {}
        for name in names:
            values = [draw.gauss(10, 1) for _ in range(3)]
            scalars[name] = {"mean": sum(values) / 3, "half_width": 1.0, "low": 9.0, "high": 11.0, "n": 3, "values": values}
        run = {"schema": 1, "name": "big", "replications": 3, "accesses": [1] * 3, "simulated_s": [1.0] * 3, "scalars": scalars}
        run |= {"histograms": {}, "tasks": [], "vmstat": {}, "backend": {}, "config": {"seed": 1, "labels": labels}}
        (tmp_path / f"c{k}").mkdir()
        (tmp_path / f"c{k}" / "run.json").write_text(json.dumps(run))
        (tmp_path / f"c{k}" / "series.csv").write_text("replication,time_s\n")
        cases.append({"name": f"c{k}", "labels": labels, "id": str(k), "run": f"c{k}"})
    sweep = {"schema": 1, "kind": "sweep", "name": "big", "id": "1", "version": "1", "published": [], "cases": cases}
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps(sweep))
    started = time.process_time()
    text = write_report(tmp_path / "sweep").read_text()
    assert time.process_time() - started < 20 and len(text) < 5_000_000
    assert "What each sampled key does" in Page(text).titles and "The first 200 of 2000 cases" in text
