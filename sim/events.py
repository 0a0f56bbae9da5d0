"""The event log of a run, and one page's life told from it.

A log is text, a row an event: `time_ns,event,process,page,frame,slot,value`, gzipped if its name ends in .gz.  `process` is
WORKLOAD/NUMBER; what `value` means depends on the event (stored bytes, 1 for a major fault, ...).
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TextIO

import numpy as np

from sim.errors import UserError

HEADER = "# mempress event log 1"
COLUMNS = "time_ns,event,process,page,frame,slot,value"

MEANING = {
    "first-touch": "first touched: gets frame {frame}, filled with zeros",
    "swap-in": "mapped again in frame {frame} from slot {slot}{major}",
    "swap-cache-hit": "found in the swap cache, where readahead had put it",
    "reuse": "written for the first time since a read fault: made writable in place",
    "unmap": "unmapped for reclaim: a swap entry for slot {slot} stands in its place",
    "store": "stored in the backend, {value} bytes with the header",
    "store-refused": "refused by the backend ({value} bytes compressed; 0 = no page for it)",
    "load": "decompressed from the backend, {value} bytes",
    "invalidate": "the backend's copy of slot {slot} is dropped",
    "write-out": "writing to the swap device begins, slot {slot}",
    "write-done": "written; moves to the tail of the inactive list",
    "read-start": "device read of slot {slot} begins into frame {frame}",
    "read-done": "device read has ended",
    "readahead": "read ahead for a neighbour's fault, frame {frame}",
    "evict": "reclaimed: frame {frame} is free, content in slot {slot}",
    "activate": "activated: head of the active list",
    "keep": "kept: head of the inactive list",
    "deactivate": "deactivated: head of the inactive list",
    "rotate": "rotated to the tail of the inactive list",
    "free": "freed for good with frame {frame}",
}


class EventLog:
    """Writes a log; `write` takes rows of the machine's log ring."""

    def __init__(self, path: Path, events: Sequence[str], first_pages: Sequence[int], names: Sequence[str]) -> None:
        self.path = path
        self.events = events
        self.first_pages = np.array(first_pages, np.int64)
        self.names = names
        self.partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
        try:
            self.file: IO[str] = gzip.open(self.partial, "wt", compresslevel=3) if path.suffix == ".gz" else open(self.partial, "w")  # noqa: SIM115
            self.file.write(f"{HEADER}\n{COLUMNS}\n")
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}") from None

    def write(self, rows: np.ndarray[Any, Any]) -> None:
        """Append rows (int64[n, 6]: time, event, virtual page, frame, slot, value)."""
        owner = np.searchsorted(self.first_pages, rows[:, 2], side="right") - 1
        lines = []
        for (at, event, page, frame, slot, value), who in zip(rows.tolist(), owner.tolist(), strict=True):
            if page >= 0:
                lines.append(f"{at},{self.events[event]},{self.names[who]},{page - int(self.first_pages[who])},{frame},{slot},{value}\n")
        try:
            self.file.writelines(lines)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {error.strerror}") from None

    def close(self, keep: bool) -> None:
        """Finish the file under its own name, or leave nothing."""
        self.file.close()
        if keep:
            os.replace(self.partial, self.path)
        else:
            self.partial.unlink(missing_ok=True)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with open(path, "rb") as probe:
            zipped = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt") if zipped else open(path) as file:
            yield from enumerate(file, 1)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read as an event log: {error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not an event log (binary data); `run --trace FILE` writes one") from None


def read_events(path: Path) -> Iterator[tuple[int, str, str, int, int, int, int]]:
    """Rows of a log: time ns, event, process, page, frame, slot, value.  Raises UserError with file:line."""
    lines = _lines(path)
    if next(lines, (0, ""))[1].strip() != HEADER or next(lines, (0, ""))[1].strip() != COLUMNS:
        raise UserError(f"{path}:1: is not an event log: expected {HEADER!r} and the columns; `run --trace FILE` writes one")
    for number, line in lines:
        parts = line.rstrip("\n").split(",")
        if len(parts) != 7 or parts[1] not in MEANING:
            raise UserError(f"{path}:{number}: expected {COLUMNS}, found {line.strip()[:60]!r}")
        try:
            yield int(parts[0]), parts[1], parts[2], int(parts[3]), int(parts[4]), int(parts[5]), int(parts[6])
        except ValueError:
            raise UserError(f"{path}:{number}: expected whole numbers, found {line.strip()[:60]!r}") from None


def explain_page(trace: Path, page: int, out: TextIO) -> None:
    """Print what happened to virtual page `page` of each process, in order of time."""
    lives: dict[str, list[tuple[int, str]]] = {}
    highest = -1
    for at, event, process, number, frame, slot, value in read_events(trace):
        highest = max(highest, number)
        if number == page:
            major = ": a major fault" if value else ", a minor fault"
            lives.setdefault(process, []).append((at, MEANING[event].format(frame=frame, slot=slot, value=value, major=major)))
    if not lives:
        raise UserError(f"{trace}: page {page} does not appear in it; its pages go up to {highest}")
    for process, life in sorted(lives.items()):
        out.write(f"page {page} of {process}: {len(life)} events\n")
        for at, text in sorted(life, key=lambda item: item[0]):
            out.write(f"  {at / 1e9:14.6f} s  {text}\n")
