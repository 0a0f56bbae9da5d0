"""Page faults and page-cache events as `perf script` (perf 6.1), trace-cmd and ftrace's `trace` file print them, a line each.

    PROGRAM PID/TID [CPU] SECONDS: [PERIOD] EVENT: ...      perf script
    PROGRAM-TID (PID) [CPU] FLAGS SECONDS: EVENT: ...       ftrace, trace-cmd report

Events: page-faults, minor-faults, major-faults (perf record -d, so that each line has the address), exceptions:page_fault_user, and
page_fault_kernel for addresses of programs; filemap's mm_filemap_add_to_page_cache (all its pages), mm_filemap_fault and
mm_filemap_get_pages.  A fault is a write where its error code says so (bit 1, x86); perf's counters do not tell: reads.
Remarks, call chains, other events, kernel addresses are passed over.  Address spaces keep apart by PID where it is printed beside the TID
(perf script -F pid,tid; ftrace's option record-tgid); a TID alone says nothing about memory, so then all share one.  Files keep apart by
device and inode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import InputError
from models.workloads.readers.source import Block, Reader, Source, first_lines, head, lines, refuse, shown

PAGE_BITS = 12
SPACE_SHIFT = 45  # pages of an address space of 57 bits
_MOST_SPACES = 1 << 18
_LARGEST_ADDRESS = 1 << SPACE_SHIFT + PAGE_BITS
_ROWS = 1 << 16
_LONGEST = 2000  # bytes of a line
_MOST_AT_ONCE = 1 << 16  # pages of one event
_LINE = re.compile(
    rb"\s*\S.*?(?:\s+[0-9]+(?:/[0-9]+)?|-[0-9]+)\s+(?:\(\s*(?:([0-9]+)|-+)\)\s+)?(?:\[[0-9]+\]\s+)?(?:[^\s:]{4,6}\s+)?"  # to flags
    rb"([0-9]{1,9})\.([0-9]{6,9}):\s+(?:[0-9]+\s+)?([A-Za-z][\w./-]*(?::[\w./-]+)*):(?:\s+(.*))?"  # seconds, period, event, what it says
)
_PID = re.compile(rb"\s([0-9]+)/[0-9]+\s")
_CHAIN = re.compile(rb"\s+[0-9a-f]{4,16}\s.*")
_COUNTER = re.compile(rb"(?:0x)?([0-9a-f]+)(?:\s+[0-9a-f]+(?:\s.*)?)?\s*")
_TRACEPOINT = re.compile(rb"address=(?:0x)?([0-9a-f]+)\s.*error_code=(?:0x)?([0-9a-f]+).*")
_FILE = re.compile(rb"dev[ =]([0-9]+:[0-9]+) ino[ =](?:0x)?([0-9a-f]+) .*?ofs=([0-9]+)(?:-([0-9]+))?(?:.* order=([0-9]+))?.*")
_FAULTS = ("page-faults", "faults", "minor-faults", "major-faults")
_TRACED = ("page_fault_user", "page_fault_kernel")
_CACHED = ("mm_filemap_add_to_page_cache", "mm_filemap_fault", "mm_filemap_get_pages")

Access = tuple[object, int, int, int]  # space, first page, pages, write


def _sniff(data: bytes) -> bool:
    rows = [line.encode("latin-1") for line in first_lines(data) if line.strip() and not line.startswith("#")]
    return bool(rows) and len(rows[0]) <= _LONGEST and _LINE.fullmatch(rows[0]) is not None


def _event(name: bytes) -> str:
    """The event without its system, and without modifiers such as :u."""
    parts = name.decode().split(":")
    return next((part for part in parts if part in (*_FAULTS, *_TRACED, *_CACHED)), "")


def _access(line: bytes) -> tuple[int, Access] | str | None:
    """(ns, access) of a line, None if it is passed over, or what was expected of it."""
    if not line.strip() or line.startswith(b"#"):
        return None
    match = _LINE.fullmatch(line) if len(line) <= _LONGEST else None
    if match is None and _CHAIN.fullmatch(line):
        return None
    if match is None:
        return "expected a line of perf script or ftrace such as 'cc1 7/7 [000] 12.345678: page-faults: 7f00a0001000'"
    tgid, seconds, fraction, name, rest = match.groups()
    event, rest = _event(name), rest or b""
    pid = tgid or b"".join(_PID.findall(line[: match.start(2)])[-1:])
    ns = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, b"0"))
    if event in _CACHED:
        found = _of_file(rest)
    elif event:
        found = _of_fault(event, rest, pid)
    else:
        return None
    return found if found is None or isinstance(found, str) else (ns, found)


def _of_fault(event: str, rest: bytes, pid: bytes) -> Access | str | None:
    match = (_COUNTER if event in _FAULTS else _TRACEPOINT).fullmatch(rest)
    if match is None and event in _FAULTS:
        return "the line has no address: expected perf record -d, and perf script -F comm,pid,tid,time,event,addr"
    if match is None:
        return "expected address=... ip=... error_code=..."
    address = int(match[1], 16)
    if address >= _LARGEST_ADDRESS:
        return None if address < 1 << 64 else "the address is beyond 2^64 - 1"
    write = event in _TRACED and bool(int(match[2], 16) & 2)
    return (b"pid", pid), address >> PAGE_BITS, 1, int(write)


def _of_file(rest: bytes) -> Access | str:
    match = _FILE.fullmatch(rest)
    if match is None:
        return "expected dev MAJOR:MINOR ino INODE ... ofs=BYTES"
    device, inode, offset, last, order = match.groups()
    first, pages = int(offset) >> PAGE_BITS, 1
    if last is not None:
        pages = (int(last) >> PAGE_BITS) - first + 1
    elif order is not None:
        pages = 1 << min(int(order), 63)
    if first + pages > 1 << SPACE_SHIFT or not 1 <= pages <= _MOST_AT_ONCE:
        return f"expected 1 to {_MOST_AT_ONCE} pages of a file below 2^57 bytes"
    return (device, inode), first, pages, 0


def _block(rows: list[tuple[int, int, int, int]]) -> Block:
    time, place, pages, write = np.array(rows, np.int64).T
    of = np.repeat(np.arange(len(rows)), pages)
    within = np.arange(len(of)) - np.repeat(np.cumsum(pages) - pages, pages)
    return time[of], write[of].astype(np.uint8), place[of] + within


def _blocks(path: Path, options: dict[str, Any]) -> Iterator[Block]:
    latest, some, skipped = 0, False, options.get("skipped")
    spaces: dict[object, int] = {}
    rows: list[tuple[int, int, int, int]] = []
    waiting = 0
    for number, line in lines(path):
        found = _access(line)
        if isinstance(found, tuple) and found[0] < latest - options["backwards"]:
            found = f"the time lies more than {options['backwards']} ns before an earlier line's (setting: backwards)"
        if isinstance(found, str):
            refuse(skipped, f"{path}:{number}: {found}; found {shown(line)}")
        elif found is not None:
            space = spaces.setdefault(found[1][0], len(spaces))
            if space >= _MOST_SPACES:
                raise InputError(f"{path}:{number}: more than {_MOST_SPACES} files and address spaces, more than can be kept apart")
            latest = max(latest, found[0])
            rows.append((latest, (space << SPACE_SHIFT) + found[1][1], *found[1][2:]))
            waiting += found[1][2]
        if waiting >= _ROWS:
            yield _block(rows)
            some, rows, waiting = True, [], 0
    if rows:
        yield _block(rows)
    elif not some:
        raise InputError(
            f"{path}: there is no page fault or page-cache event in this file; expected one of {', '.join(_FAULTS + _TRACED + _CACHED)}"
        )


def _open(path: Path, options: dict[str, Any]) -> Source:
    """What it begins with says whether its faults tell reads from writes."""
    start = head(path)
    return Source(lambda: _blocks(path, options), "ns", 1 << PAGE_BITS, tells_writes=any(name.encode() in start for name in _TRACED))


READER = Reader(_sniff, _open)
