"""The event log, one page's life, and the pool's trace: end to end through the command line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from sim.cli import execute
from sim.errors import UserError
from sim.events import explain_page, read_events

CONFIG = """
name: small
replications: 1
machine: {memory: 16MiB, kernel_reserved: 2MiB}
devices: {disk: {kind: ssd}}
swap: {device: disk, size: 64MiB}
backend: {kind: zcache, persistent: {allocator: xcfmalloc}}
workloads: [{name: w, kind: uniform, size: 20MiB, accesses: 9000, fill: true, contents: {kind: synthetic, rows: 512}}]
output: {record_pool: true}
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    (folder / "c.yaml").write_text(CONFIG)
    trace = folder / "log.csv.gz"
    assert execute(["run", str(folder / "c.yaml"), "--out", str(folder / "r"), "--trace", str(trace), "--quiet"]) == 0
    return folder


def test_events_tell_the_run(ran: Path) -> None:
    events = list(read_events(ran / "log.csv.gz"))
    kinds = {event[1] for event in events}
    assert {"first-touch", "unmap", "store", "evict", "load", "swap-in", "free"} <= kinds
    touched = [event for event in events if event[1] == "first-touch"]
    assert len({event[3] for event in touched}) == len(touched) == 5120


def test_one_page_is_told_in_order_of_time(ran: Path) -> None:
    stored = next(event[3] for event in read_events(ran / "log.csv.gz") if event[1] == "load")
    out = io.StringIO()
    explain_page(ran / "log.csv.gz", stored, out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith(f"page {stored} of w/0: ")
    times = [float(line.split()[0]) for line in lines[1:]]
    assert times == sorted(times)
    story = out.getvalue()
    assert story.index("first touched") < story.index("unmapped") < story.index("stored in the backend") < story.index("decompressed")


def test_a_page_that_never_was(ran: Path) -> None:
    with pytest.raises(UserError, match="page 99999 does not appear"):
        explain_page(ran / "log.csv.gz", 99999, io.StringIO())


def test_the_pool_trace_replays_to_the_same_pool(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Replayed, every allocation succeeds and every free finds its object; what is left is what the run's end left."""
    trace = next((ran / "r").glob("small-*/pool.trace"))
    allocated = sum(line.startswith("a ") for line in trace.read_text().splitlines())
    freed = sum(line.startswith("f ") for line in trace.read_text().splitlines())
    assert allocated > 1000 and 0 < freed <= allocated
    assert execute(["replay", str(trace), "--allocator", "xcfmalloc-v2-64bit"]) == 0
    answers = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("a ") for line in answers) == allocated
    assert not any(line.endswith(" E") for line in answers)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\xff\x80binary", "not an event log"),
        (b"", "not an event log"),
        (b"# mempress event log 1\ntime_ns,event,process,page,frame,slot,value\n1,nonsense,w/0,1,1,1,1\n", ":3: expected"),
        (b"# mempress event log 1\ntime_ns,event,process,page,frame,slot,value\nx,free,w/0,1,1,1,1\n", ":3: expected whole numbers"),
    ],
)
def test_wrong_logs_are_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "log").write_bytes(content)
    with pytest.raises(UserError, match=message):
        explain_page(tmp_path / "log", 1, io.StringIO())
