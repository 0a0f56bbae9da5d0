"""The worked example of docs/write-an-allocator.md: it runs, it is replayed, and nothing but itself is compiled for it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models import jit
from models.allocators.pool import FREE_BYTES, LOST_INSIDE, META_OUTSIDE, OP_WALKED, PAGES_RETURNED, PAYLOAD, POOL_PAGES
from models.registry import resolve
from sim.cli import execute
from sim.replay import replay
from tests.test_docs import block

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "examples"
BUDDY = EXAMPLES / "buddy.py"
PAGE = ROOT / "docs" / "write-an-allocator.md"


def mempress(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run_sim.py"), *arguments]
    environment = {**os.environ, "MEMPRESS_CACHE": str(jit.cache_root())}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)


def test_by_hand() -> None:
    """100 bytes take the first 128; then halves of what is left; a freed half waits for the other one."""
    record = resolve(f"{BUDDY}:RECORD")
    arrays = record.create(4096, 10, 10, may_take=10)
    pool, num, out = arrays.pool, arrays.num, arrays.num[40:44].copy()

    def store(size: int) -> tuple[int, int]:
        assert record.blocks(pool, record.alloc(pool, size), out) == 1
        return int(out[0]), int(out[1])

    assert [store(size) for size in (100, 64, 1000, 2048)] == [(0, 0), (0, 128), (0, 1024), (0, 2048)]
    assert store(4096) == (1, 0)
    assert (num[POOL_PAGES], num[PAYLOAD], num[LOST_INSIDE], num[META_OUTSIDE]) == (2, 7308, 28 + 24, 128)
    assert num[FREE_BYTES] == 2 * 4096 - 7308 - 52
    assert [record.free(pool, handle) for handle in (0, 1, 2)] == [0, 0, 0]
    assert num[OP_WALKED] == 2  # 1024 bytes merge with the 1024 before them, and then not with the 2048 in use
    assert record.free(pool, 3) == 0 and num[PAGES_RETURNED] == 1
    assert record.free(pool, 3) < 0


def test_replay(tmp_path: Path) -> None:
    (tmp_path / "t.trace").write_text("a 0 100\na 1 5000\na 2 3000\nf 0\ns\n")
    out = io.StringIO()
    replay(tmp_path / "t.trace", f"{BUDDY}:BUDDY", out)
    lines = out.getvalue().splitlines()
    assert lines[:-1] == ["# buddy, an example; PAGE_SIZE 4096; trace t", "a 0 0 0", "a 1 E22", "a 2 1 0", "s 1"]


def test_a_run_uses_it_and_compiles_nothing_else(tmp_path: Path) -> None:
    """The engine is there after a run with a built-in allocator; then a new plug-in adds its own code to the cache and nothing more."""
    for name in ("buddy.py", "buddy.yaml"):
        shutil.copy(EXAMPLES / name, tmp_path / name)
    config, quick = str(tmp_path / "buddy.yaml"), ("--set", "replications=1", "--jobs", "1", "--quiet")
    built_in = "sweep.grid={backend.persistent.allocator: [xvmalloc]}"
    done = mempress("run", config, "--out", str(tmp_path / "first"), *quick, "--set", built_in)
    assert done.returncode == 0, done.stderr
    before = cached()
    done = mempress("run", config, "--out", str(tmp_path / "second"), *quick)
    assert done.returncode == 0, done.stderr
    fresh = {path for path, when in cached().items() if before.get(path) != when}
    assert fresh and {path.relative_to(jit.cache_root()).parts[0].rpartition("-")[0] for path in fresh} == {"buddy"}


def cached() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in jit.cache_root().rglob("*.nb?") if "checked" not in path.parts}


def test_it_compiles_in_less_than_five_seconds(tmp_path: Path) -> None:
    shutil.copy(BUDDY, tmp_path / "buddy.py")
    code = (
        "import time; import models.allocators.lists; from models.registry import resolve; start = time.process_time(); "
        f"resolve({str(tmp_path / 'buddy.py:RECORD')!r}); print(time.process_time() - start)"
    )
    environment = {**os.environ, "MEMPRESS_CACHE": str(jit.cache_root())}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment, check=True)
    assert float(done.stdout) < 5


def test_the_configuration_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["check", str(EXAMPLES / "buddy.yaml")]) == 0
    assert "buddy.py:BUDDY" in capsys.readouterr().out


def test_the_page_shows_what_conformance_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The broken example of the page, word for word."""
    source = BUDDY.read_text()
    line = "        release(block, head, num, b + (1 << i), i)\n"
    assert line in source and line.strip() in PAGE.read_text()
    (tmp_path / "broken.py").write_text(source.replace(line, line.replace("b + (1 << i)", "b")))
    assert execute(["conformance", str(tmp_path / "broken.py")]) == 1
    told = capsys.readouterr().out.replace(f"{tmp_path}/", "")
    assert told == block(PAGE, "text", "broken.py:BUDDY breaks")
