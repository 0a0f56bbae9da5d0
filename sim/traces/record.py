"""`mempress trace record`: the page accesses of a real program, as a trace in our own format.

lackey      every access, from valgrind's lackey, read while it is printed
perf        page faults only, from perf's page-faults counter
soft-dirty  pages written since the last look, from /proc/PID/pagemap
idle        pages used since the last look, from /sys/kernel/mm/page_idle/bitmap
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.workloads.readers.lackey import message
from models.workloads.readers.lines import blocks_of_text
from models.workloads.readers.scan import scan_lackey
from models.workloads.readers.source import Skipped
from sim.errors import UserError
from sim.traces.output import output
from sim.traces.page_bits import IdleBits, SoftDirty
from sim.traces.reading import ALL, PAGE_BYTES, Reading, Rows, opened
from sim.traces.writers import Shape, mpt_writer

MISSES = {
    "lackey": "every load and store of the program, thousands of times slower; not seen: what the kernel writes for it, processes that "
    "it starts, munmap; instruction fetches only count time",
    "perf": "page faults alone: the first access to each page and those after reclaim or fork, of the program and what it starts; not "
    "seen: all other accesses, and whether one was a write",
    "soft-dirty": "which pages were written between two looks; not seen: reads, order and number within an interval, processes "
    "that it starts, and what happens after the last look",
    "idle": "which pages were used between two looks, by anybody who shares them; not seen: whether they were written, order and number "
    "within an interval, processes that it starts, and what happens after the last look",
}
_PIPE = 1 << 20
_PERF_FIELDS = "comm,pid,tid,time,event,addr"


class Told(NamedTuple):
    """What a method gives: the trace's shape, its rows, and how the program ended, known behind the last row."""

    shape: Shape
    rows: Iterator[Rows]


def record(program: Sequence[str], out: Path | None, how: str, interval: int, force: bool) -> int:
    """Run a program and write what it accesses.  interval: ns between two looks.  UserError where this machine cannot."""
    if shutil.which(program[0]) is None:
        raise UserError(f"{program[0]}: there is no such program")
    path = out or Path(f"{Path(program[0]).name}.mpt")
    methods: dict[str, Callable[[], Told]] = {
        "lackey": lambda: _lackey(program),
        "perf": lambda: _perf(program, path),
        "soft-dirty": lambda: _looks(program, SoftDirty(), interval, 1),
        "idle": lambda: _looks(program, IdleBits(), interval, 0),
    }
    told = methods[how]()
    with output(path, force) as file:
        print(f"recording with {how}: {MISSES[how]}", file=sys.stderr)
        writer = mpt_writer(file, told.shape)
        for rows in told.rows:
            writer.add(*rows)
        writer.close()
        if not writer.accesses:
            raise UserError(f"{path}: no access of {program[0]} was seen; nothing was written")
    print(f"{path}: {writer.accesses} references to {writer.dense.known} pages", file=sys.stderr)
    return 0


@contextlib.contextmanager
def _running(command: Sequence[str], **options: Any) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A child, and a list that gets an entry with each Ctrl-C: the first stops the child gently, the second kills it.

    What was recorded until then is kept, so Ctrl-C raises nothing here.
    """
    child = subprocess.Popen(command, **options)
    stops: list[int] = []

    def stop(number: int, _frame: object) -> None:
        stops.append(number)
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGINT if len(stops) == 1 else signal.SIGKILL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield child, stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if child.poll() is None:
            child.kill()
        status = child.wait()
        if stops:
            print("stopped; what was recorded until then is kept", file=sys.stderr)
        elif status:
            print(f"{command[0]} ended with status {status}", file=sys.stderr)


def _tool(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise UserError(f"{name} is not installed on this machine (package {package})")
    return found


def _lackey(program: Sequence[str]) -> Told:
    valgrind = _tool("valgrind", "valgrind")
    return Told(Shape("instructions", PAGE_BYTES, frozenset({"time", "write"})), _of_lackey(valgrind, program))


def _of_lackey(valgrind: str, program: Sequence[str]) -> Iterator[Rows]:
    """lackey's lines come through a pipe of their own, so the program keeps its output, and no file of them is needed."""
    ours, theirs = os.pipe()
    with contextlib.suppress(OSError):
        fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, _PIPE)
    command = [valgrind, "--tool=lackey", "--trace-mem=yes", "--basic-counts=no", f"--log-fd={theirs}", "--", *program]
    skipped = Skipped()
    try:
        with _running(command, pass_fds=(theirs,)) as (_, stops):
            os.close(theirs)
            blocks = blocks_of_text(program[0], lambda _size: _gathered(ours), scan_lackey, message, 0, skipped)
            with contextlib.suppress(InputError):  # no access at all: our caller says so
                for at, write, place in blocks:
                    yield Rows((place // PAGE_BYTES).astype(np.uint64), at, write, None)
    finally:
        os.close(ours)
    if skipped.records > bool(stops):  # the last line of a program that was stopped may be cut off
        print(f"{skipped.records} lines of lackey left out; the first: {skipped.first}", file=sys.stderr)


def _gathered(pipe: int) -> bytes:
    """Some 1 MiB of a pipe, or what is left; b"" at its end.

    valgrind writes small pieces: reading each at once, and scanning it alone, cost twice as much as valgrind itself (measured).
    """
    parts, total = [], 0
    while total < _PIPE and (data := os.read(pipe, _PIPE)):
        parts.append(data)
        total += len(data)
        if len(data) < _PIPE // 4:
            time.sleep(0.005)
    return b"".join(parts)


def _perf(program: Sequence[str], path: Path) -> Told:
    perf = _tool("perf", "linux-perf or linux-tools")
    return Told(Shape("ns", PAGE_BYTES, frozenset({"time"})), _of_perf(perf, program, path))


def _of_perf(perf: str, program: Sequence[str], path: Path) -> Iterator[Rows]:
    with tempfile.TemporaryDirectory(prefix=".mempress-perf-", dir=path.parent) as folder:
        data, text = Path(folder) / "data", Path(folder) / "text"
        with _running([perf, "record", "-q", "-e", "page-faults", "-c", "1", "-d", "-o", str(data), "--", *program]) as (child, _):
            child.wait()
        if not data.is_file() or not data.stat().st_size:
            raise UserError("perf could not record page faults on this machine (see its message above, and kernel.perf_event_paranoid)")
        with text.open("wb") as file:
            done = subprocess.run([perf, "script", "-i", str(data), "-F", _PERF_FIELDS], stdout=file, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise UserError(f"perf script failed: {done.stderr.decode(errors='replace').strip()}")
        if text.stat().st_size:
            yield from opened(text, "perf", Reading()).blocks(ALL)


def _looks(program: Sequence[str], bits: SoftDirty | IdleBits, interval: int, write: int) -> Told:
    bits.probe()
    return Told(Shape("ns", PAGE_BYTES, frozenset({"time", "write"} if write else {"time"})), _of_looks(program, bits, interval, write))


def _of_looks(program: Sequence[str], bits: SoftDirty | IdleBits, interval: int, write: int) -> Iterator[Rows]:
    """A look at the program's pages after each interval, while it stands still."""
    begin = time.monotonic_ns()
    with _running(program) as (child, stops):
        bits.clear(child.pid)
        while child.poll() is None and not stops:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(interval / 1e9)
            if child.poll() is not None:
                break
            with _standing_still(child.pid):
                try:
                    pages = bits.found(child.pid)
                except (FileNotFoundError, ProcessLookupError):  # it has ended in the meantime
                    break
            at = np.full(len(pages), time.monotonic_ns() - begin, np.int64)
            yield Rows(pages, at, np.full(len(pages), write, np.uint8) if write else None, None)


@contextlib.contextmanager
def _standing_still(pid: int) -> Iterator[None]:
    """Stopped, so that nothing is used between looking and clearing."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(1000):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TtZX":
                    break
            time.sleep(0.0001)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
