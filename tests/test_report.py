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
from sim.report import _common, read_series, write_report
from sim.report.tables import cell, digits, plain, with_interval
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
    return {
        name: execute(loaded, out / name, jobs=1, simulate=fakes.simulate, command=["mempress", "run", "a b.yaml"]).folder
        for name, loaded in loads.items()
    }


@pytest.fixture(params=["run", "sweep", "swept", "empty"])
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
