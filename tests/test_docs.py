"""The documents say what is so: the README's examples work as printed, shipped configurations check, links and names exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from sim.bench import figures
from sim.cli import cli, execute
from sim.config.load import load
from sim.metrics import METRICS

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DOCS = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL_CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
BENCHES = [path for path in ALL_CONFIGS if "\nallocators:" in path.read_text(encoding="utf-8")]
CONFIGS = [path for path in ALL_CONFIGS if path not in BENCHES]
FOLDERS = "benchmarks|configs|docs|models|sim|tests|tools"


def block(path: Path, language: str, first: str) -> str:
    """The code block of a language whose first line begins with `first`."""
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.S) if text.startswith(first)]
    assert len(found) == 1, f"{path.name}: {len(found)} blocks of {language} begin with {first!r}"
    return str(found[0])


def test_the_python_example_works_as_printed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", block(README, "python", "import sim")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0


def test_the_yaml_example_is_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my-vm.yaml"
    path.write_text(block(README, "yaml", "name:"), encoding="utf-8")
    assert execute(["check", str(path)]) == 0
    assert "zv_max_zsize" in capsys.readouterr().out
    cases = load(str(path)).cases
    assert [(case.config.backend.kind, case.config.machine.memory >> 20) for case in cases] == [
        ("none", 120), ("none", 160), ("zcache", 120), ("zcache", 160),
    ]  # fmt: skip
    assert load(str(path), ["machine.cpus=1"]).cases[0].config.machine.cpus == 1


@pytest.mark.parametrize("path", ALL_CONFIGS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_shipped_configurations_check(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["check", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("name ")


SWEEPS = ROOT / "docs" / "sweeps.md"
VM = """\
name: example
replications: 1
machine: {memory: 160MiB}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 1GiB}
backend: {kind: zcache, persistent: {allocator: xcfmalloc}}
workloads: [{name: compiler, kind: zipf, contents: {kind: measured, table: cc1}}]
"""
# Cases of each example of docs/sweeps.md, by hand: 2 x 3; two named ones; two tied values; 2 x 32; 20 samples; none and three
# allocators; zcache with 3 of 4 sizes and none with 4, times 3 CPUs, less 2 x 2 (two backends with 120MiB and 2 or 4 CPUs).
EXAMPLES = [6, 2, 2, 64, 20, 4, 17, 1, 1]


def test_the_examples_of_sweeps_are_configurations(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", SWEEPS.read_text(encoding="utf-8"), re.S)
    cases = []
    for example in examples:
        path = tmp_path / "example.yaml"
        path.write_text((VM.replace("replications: 1\n", "") if "replications:" in example else VM) + example, encoding="utf-8")
        cases.append(len(load(str(path)).cases))
    assert cases == EXAMPLES


def test_published_figures_name_cases_and_metrics_that_exist() -> None:
    for path in CONFIGS:
        loaded = load(str(path))
        for figure in loaded.config.published:
            assert figure.case in {case.name for case in loaded.cases}, f"{path.name}: {figure.case}"
            assert figure.metric in METRICS, f"{path.name}: {figure.metric}"


def test_published_figures_of_the_bench_are_figures() -> None:
    """That their cases exist is checked when they are loaded."""
    for path in BENCHES:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        for figure in data.get("published", []):
            moment, _, name = figure["metric"].partition(".")
            assert figure["metric"] in figures.METRICS or (moment and name in figures.AT_MOMENT), f"{path.name}: {figure['metric']}"


def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings get on the usual hosts."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        page = path.parent / name if name else path
        assert page.exists(), f"{path.name}: {target}"
        assert not anchor or anchor in anchors(page), f"{path.name}: {target}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_files_that_documents_name_exist(path: Path) -> None:
    """`models/...`, `sim/...` and so on; a name with an ellipsis, a star or a word in capitals stands for several."""
    for name in re.findall(rf"`((?:{FOLDERS})/[A-Za-z0-9_./-]*)", path.read_text(encoding="utf-8")):
        written = re.split(r"[A-Z]{2,}", name)[0]
        assert (ROOT / written).exists(), f"{path.name}: {name}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_commands_that_documents_name_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name, arguments in re.findall(r"`(?:\.venv/bin/)?mempress ([a-z][a-z-]*)([^`]*)`", text):
        assert name in cli.commands, f"{path.name}: mempress {name}"
        command = cli.commands[name]
        if isinstance(command, click.Group) and arguments.split():
            command = command.commands[arguments.split()[0]]
        known = {flag for option in command.params for flag in option.opts}
        for flag in re.findall(r"--[a-z]+", arguments):
            assert flag in known, f"{path.name}: mempress {name} {flag}"


def test_every_figure_that_the_model_defines_is_in_the_results() -> None:
    """docs/model.md's section of definitions names figures as run.json does."""
    text = (ROOT / "docs" / "model.md").read_text(encoding="utf-8").partition("## Figures")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", text))
    assert len(named) > 10
    assert named <= set(METRICS), sorted(named - set(METRICS))


def test_the_readme_commands_are_one_line_each() -> None:
    """The two commands that a fresh machine gets: they stand alone in the block after their marker."""
    text = README.read_text(encoding="utf-8")
    for marker, end in (("the quickstart command", "mempress run configs/quickstart.yaml"), ("the test command", "pytest -q -n auto")):
        found = re.search(rf"<!-- {marker} -->\n```sh\n([^\n]+)\n```", text)
        assert found is not None, marker
        assert found[1].startswith("python3 -m venv .venv && ")
        assert found[1].endswith(end)
