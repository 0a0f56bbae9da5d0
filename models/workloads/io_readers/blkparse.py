"""Text of blkparse (blktrace 1.2), as it is printed by default: `  8,0    3        1     0.000000000   697  Q   W 223490 + 8 [kjournald]`.

Device, CPU, number, seconds, pid, action, kind of I/O, sector + sectors.  Requests are taken where they are queued (action Q); other
actions, discards, flushes without data, and all from the summary (`CPU0 (8,0):`) on are passed over.  Sectors have 512 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import InputError
from models.workloads.io_readers.source import LARGEST_REQUEST, MINOR_BITS, Reader, Requests, Stream
from models.workloads.readers.source import first_lines, lines, refuse, shown

_LINE = re.compile(
    rb"\s*([0-9]{1,4}),([0-9]{1,7})\s+[0-9]+\s+[0-9]+\s+([0-9]{1,9})\.([0-9]{9})\s+[0-9]+\s+"  # device, CPU, number, time, pid
    rb"([A-Za-z]{1,2})\s+(?:([A-Z]{1,8})(?:\s+([0-9]+) \+ ([0-9]+))?)?.*"
)
_SUMMARY = re.compile(rb"(CPU[0-9]+|Total|Reads Queued) ?\(")
_SECTOR = 512
_ROWS = 1 << 16
_EXPECTED = "expected a line of blkparse such as '8,0 3 1 0.000000000 697 Q W 223490 + 8 [name]'"


def _sniff(data: bytes, options: dict[str, Any]) -> bool:
    rows = [line for line in first_lines(data) if line.strip()]
    return options["columns"] is None and bool(rows) and _LINE.fullmatch(rows[0].encode("latin-1")) is not None


def _request(line: bytes, options: dict[str, Any]) -> tuple[int, int, int, int, int] | str | None:
    """(time, write, device, offset, size) of a queued request, None for another line, or what is wrong with it."""
    match = _LINE.fullmatch(line)
    if match is None:
        return _EXPECTED
    major, minor, seconds, nano, action, kind, sector, sectors = match.groups()
    if action != b"Q" or kind is None or b"D" in kind or not (b"R" in kind or b"W" in kind):
        return None
    if sector is None:
        return None if b"F" in kind else _EXPECTED
    offset, size = int(sector) * _SECTOR, int(sectors) * _SECTOR
    if not size:
        return None
    if int(major) >> 12 or int(minor) >> MINOR_BITS:
        return "expected a device below 4096,1048576"
    if size > LARGEST_REQUEST:
        return f"expected a length from 1 to {LARGEST_REQUEST // _SECTOR} sectors"
    if offset + size > options["limit"]:
        return f"the request ends behind the device's last byte: {options['limit_is']}"
    return int(seconds) * 1_000_000_000 + int(nano), int(b"W" in kind), int(major) << MINOR_BITS | int(minor), offset, size


def _columns(rows: list[tuple[int, int, int, int, int]]) -> Requests:
    time, write, device, offset, size = np.array(rows, np.int64).T.copy()
    return Requests(time, write.astype(np.uint8), device, offset, size)


def _blocks(path: Path, options: dict[str, Any]) -> Iterator[Requests]:
    latest, some, skipped = 0, False, options.get("skipped")
    rows: list[tuple[int, int, int, int, int]] = []
    for number, line in lines(path):
        if _SUMMARY.match(line):
            break
        if not line.strip():
            continue
        found = _request(line, options)
        if found is not None and not isinstance(found, str) and found[0] < latest - options["backwards"]:
            found = f"the time lies more than {options['backwards']} ns before an earlier line's (setting: backwards)"
        if isinstance(found, str):
            refuse(skipped, f"{path}:{number}: {found}; found {shown(line)}")
        elif found is not None:
            latest = max(latest, found[0])
            rows.append((latest, *found[1:]))
        if len(rows) == _ROWS:
            yield _columns(rows)
            some, rows = True, []
    if rows:
        yield _columns(rows)
    elif not some:
        raise InputError(f"{path}: there is no queued read or write (action Q) in this file")


READER = Reader(_sniff, lambda path, options: Stream(lambda: _blocks(path, options), True))
