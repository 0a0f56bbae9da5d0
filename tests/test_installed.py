"""Allocators that installed packages bring by entry point."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from sim.cli import execute
from sim.config.installed import installed
from sim.config.load import load
from sim.errors import UserError
from sim.replay import find_allocator, replay

ROOT = Path(__file__).resolve().parent.parent
BUDDY = ROOT / "docs" / "examples" / "buddy.py"
CONFIG = """\
name: small
machine: {memory: 64MiB}
devices: {disk: ssd}
swap: {device: disk, size: 128MiB}
backend: {kind: zcache, persistent: {allocator: my-buddy}}
workloads: [{name: hot, kind: zipf, size: 96MiB}]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with an installed package, as pip leaves it."""
    package = tmp_path / "mempress_buddy_for_tests" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise RuntimeError('imported too early')\n")
    (package / "__init__.py").write_text("")
    (package / "buddy.py").write_text(BUDDY.read_text())
    info = tmp_path / "mempress_buddy_for_tests-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mempress-buddy-for-tests\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mempress.allocators]\n"
        "my-buddy = mempress_buddy_for_tests.inner.buddy:BUDDY\n"
        "xvmalloc = mempress_buddy_for_tests.inner.buddy:BUDDY\n"
        "lost = mempress_buddy_for_tests.gone:BUDDY\n"
        "odd = mempress_buddy_for_tests.inner.buddy:ANSWERS\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    installed.cache_clear()
    yield tmp_path
    installed.cache_clear()
    for name in [name for name in sys.modules if name.startswith("mempress_buddy_for_tests")]:
        del sys.modules[name]


def test_it_is_a_name_like_any_other(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Listed, checked and part of a run's inputs, without being imported."""
    assert execute(["list", "allocators"]) == 0
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines()}
    assert "binary buddies in single pages" in lines["my-buddy"]
    assert "Linux" in lines["xvmalloc"]  # a name of ours stays ours
    assert "cannot be used: there is no module mempress_buddy_for_tests.gone" in lines["lost"]
    (tmp_path / "c.yaml").write_text(CONFIG)
    config = load(str(tmp_path / "c.yaml")).config
    part = config.backend.options["persistent"]["allocator"]
    assert part.kind == "my-buddy" and part.entry.target == "mempress_buddy_for_tests.inner.buddy:RECORD"
    assert config.input_files() == [site / "mempress_buddy_for_tests" / "inner" / "buddy.py"]
    assert "mempress_buddy_for_tests" not in sys.modules


def test_it_is_replayed(site: Path) -> None:
    (site / "mempress_buddy_for_tests" / "__init__.py").write_text("")
    out = io.StringIO()
    (site / "t.trace").write_text("a 0 100\na 1 64\nf 0\ns\n")
    replay(site / "t.trace", "my-buddy", out)
    assert out.getvalue().splitlines()[1:4] == ["a 0 0 0", "a 1 0 128", "s 1"]


def test_what_is_wrong_with_one_is_told(site: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no module mempress_buddy_for_tests\.gone"):
        find_allocator("lost")
    with pytest.raises(UserError, match="a literal dict"):
        find_allocator("odd")
    with pytest.raises(UserError, match="did you mean my-buddy"):
        find_allocator("my-budy")


def test_a_check_does_not_look_for_them() -> None:
    """Only names that are not ours do, so `check` stays as quick as it was."""
    code = (
        "import sys; from sim.cli import execute; from sim.config.installed import installed; "
        "sys.exit(execute(['check', 'configs/quickstart.yaml']) or installed.cache_info().misses)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0
