"""`mempress trace record`: what each method sees of a program, or why this machine does not have it; Ctrl-C keeps what there is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sim.cachesim.trace import load
from sim.cli import RECORDERS, execute
from sim.errors import UserError
from sim.traces.page_bits import IdleBits, SoftDirty
from sim.traces.reading import ALL
from sim.traces.record import MISSES

ROOT = Path(__file__).resolve().parent.parent
PRESENT, SOFT_DIRTY = 1 << 63, 1 << 55
NEEDS_VALGRIND = pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")


def record(*arguments: object) -> int:
    return execute(["trace", "record", *map(str, arguments)])


@NEEDS_VALGRIND
def test_lackey_is_what_its_log_says(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same program twice: through the pipe, and by a log file read as a trace.  The program's own output is its own."""
    out, log = tmp_path / "echo.mpt", tmp_path / "log"
    program = [shutil.which("echo"), "-n", "hello"]
    assert record("--out", out, *program) == 0
    said = capfd.readouterr()
    assert said.out == "hello" and "every load and store" in said.err and "lines of lackey left out" not in said.err
    subprocess.run(
        ["valgrind", "--tool=lackey", "--trace-mem=yes", f"--log-file={log}", *map(str, program)], check=True, capture_output=True
    )
    found, wanted = load(out, columns=ALL), load(log, columns=ALL)
    assert found.format == "mpt" and wanted.format == "lackey" and abs(len(found.ids) / len(wanted.ids) - 1) < 0.01
    assert found.write is not None and wanted.write is not None and abs(found.write.mean() - wanted.write.mean()) < 0.01
    assert abs(found.distinct - wanted.distinct) < 5
    assert record("--out", out, *program) == 2 and "exists already" in capfd.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["echo.mpt", "log"]


@NEEDS_VALGRIND
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_keeps_what_was_recorded(tmp_path: Path, number: signal.Signals) -> None:
    command = [
        sys.executable,
        str(ROOT / "run_sim.py"),
        "trace",
        "record",
        "--out",
        str(tmp_path / "o.mpt"),
        "sh",
        "-c",
        "while :; do :; done",
    ]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    partial = tmp_path / f".o.mpt.{child.pid}.partial"
    end = time.monotonic() + 90
    while time.monotonic() < end and not (partial.exists() and partial.stat().st_size > 3_000_000):
        time.sleep(0.05)
    child.send_signal(number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 0 and "what was recorded until then is kept" in said, said
    assert len(load(tmp_path / "o.mpt").ids) > 300_000 and [p.name for p in tmp_path.iterdir()] == ["o.mpt"]


def test_perf_sees_first_touches(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = "b = bytearray(30_000_000); b[::4096] = b[::4096].replace(b'\\0', b'\\1')"
    status = record("--how", "perf", "--out", tmp_path / "o.mpt", sys.executable, "-c", code)
    said = capfd.readouterr().err
    if status:
        assert status == 2 and ("not installed" in said or "could not record" in said)
        pytest.skip("perf cannot record page faults here")
    found = load(tmp_path / "o.mpt", columns=ALL)
    assert found.distinct > 7000 and found.time is not None and found.write is None
    assert [p.name for p in tmp_path.iterdir()] == ["o.mpt"]


@pytest.mark.parametrize("how", ["soft-dirty", "idle"])
def test_bits_are_used_or_refused(tmp_path: Path, how: str, capfd: pytest.CaptureFixture[str]) -> None:
    code = (
        "import time; b = bytearray(20_000_000); [time.sleep(0.05) or b.__setitem__(slice(0, None, 4096), b'1' * 4883) for _ in range(20)]"
    )
    status = record("--how", how, "--interval", "50ms", "--out", tmp_path / "o.mpt", sys.executable, "-c", code)
    said = capfd.readouterr().err
    if status:
        assert status == 2 and said.startswith(f"--how {how}: ") and not list(tmp_path.iterdir())
    else:
        assert load(tmp_path / "o.mpt", columns=ALL).distinct > 4000


def test_what_cannot_be(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert set(MISSES) == set(RECORDERS)
    assert record("--out", tmp_path / "o.mpt", "no-such-program") == 2 and "there is no such program" in capfd.readouterr().err
    assert record("--interval", "1ns", "true") == 2 and "expected 100us to 1h" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


# the kernel's bits, from files that look like /proc


def process(folder: Path, pages: dict[int, int], maps: str) -> Path:
    """A /proc with process 7, whose pagemap has these entries."""
    own = folder / "7"
    own.mkdir(parents=True)
    (own / "maps").write_text(maps)
    (own / "clear_refs").write_text("")
    entries = np.zeros(max(pages) + 1, "<u8")
    for page, entry in pages.items():
        entries[page] = entry
    (own / "pagemap").write_bytes(entries.tobytes())
    return folder


MAPS = """00010000-00014000 rw-p 00000000 00:00 0 [heap]
00020000-00021000 r-xp 00000000 08:01 5 /usr/bin/a b
00030000-00031000 r-xp 00000000 00:00 0 [vdso]
00040000-00050000 rw-p 00000000 00:00 0
"""


def test_soft_dirty_bits(tmp_path: Path) -> None:
    pages = {
        16: PRESENT | SOFT_DIRTY,
        17: PRESENT,
        18: SOFT_DIRTY,
        19: SOFT_DIRTY | 1 << 62,
        32: PRESENT | SOFT_DIRTY,
        48: PRESENT | SOFT_DIRTY,
    }
    bits = SoftDirty(process(tmp_path, pages, MAPS))
    assert bits.found(7).tolist() == [16, 19, 32]  # not: clean, not there, the kernel's own
    assert (tmp_path / "7" / "clear_refs").read_text() == "4"
    with pytest.raises(UserError, match="does not keep soft-dirty bits"):
        SoftDirty(tmp_path / "none").probe()


def test_idle_bits(tmp_path: Path) -> None:
    """Frames 5, 64, 65 and 300 of a process: all are marked idle, then two are used."""
    pages = {16: PRESENT | 5, 17: PRESENT | 65, 18: 1 << 62, 32: PRESENT | 64 | SOFT_DIRTY, 66: PRESENT | 300}
    bitmap = tmp_path / "bitmap"
    bitmap.write_bytes(bytes(64))
    bits = IdleBits(process(tmp_path, pages, MAPS), bitmap)
    bits.clear(7)
    marked = np.unpackbits(np.frombuffer(bitmap.read_bytes(), np.uint8), bitorder="little")
    assert np.flatnonzero(marked).tolist() == [5, 64, 65, 300]
    marked[[65, 300]] = 0
    bitmap.write_bytes(np.packbits(marked, bitorder="little").tobytes())
    assert bits.found(7).tolist() == [17, 66]
    with pytest.raises(UserError, match="has no idle page tracking"):
        IdleBits(bitmap=tmp_path / "none").probe()
    if os.geteuid():
        bitmap.chmod(0)
        with pytest.raises(UserError, match="needs root"):
            IdleBits(bitmap=bitmap).probe()
