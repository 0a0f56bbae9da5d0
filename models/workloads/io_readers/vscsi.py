"""vSCSI traces (VMware's vscsiStats, the CloudPhysics traces of Waldspurger et al., FAST 2015), versions 1 and 2; little-endian.

Version 1, 32 bytes: serial number, length (bytes), scatter-gather elements (uint32 each), command, version (uint16), block (512 B), time
(us) (uint64).  Version 2, 40 bytes: command, version, serial number, length, scatter-gather elements, block, time, response time.  The
version is the high byte of its field.  (Layout as libCacheSim, doc and traceReader/include/vscsi.h, describes it.)
Only reads and writes are read (SCSI READ and WRITE of 6, 10, 12, 16 bytes, WRITE AND VERIFY); other commands and lengths of 0 are passed
over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import InputError
from models.workloads.io_readers.source import Reader, Requests, Stream
from models.workloads.readers.source import head, records, refuse, settled

_V1 = np.dtype(
    [(n, "<u4") for n in ("serial", "length", "elements")] + [("command", "<u2"), ("version", "<u2"), ("block", "<u8"), ("time", "<u8")]
)
_V2 = np.dtype(
    [("command", "<u2"), ("version", "<u2")]
    + [(n, "<u4") for n in ("serial", "length", "elements")]
    + [(n, "<u8") for n in ("block", "time", "response")]
)
_READS = (0x08, 0x28, 0xA8, 0x88)
_WRITES = (0x0A, 0x2A, 0xAA, 0x8A, 0x2E, 0xAE, 0x8E)
_LATEST = (1 << 62) // 1000  # us
_KNOWN = {*_READS, *_WRITES}


def _version(data: bytes) -> int:
    """1 or 2 by what the first two records say, or 0."""
    for version, record in ((2, _V2), (1, _V1)):
        first = np.frombuffer(data, record, min(2, len(data) // record.itemsize))
        if len(first) and np.all(first["version"] >> 8 == version) and np.all(first["time"] < _LATEST):
            return version
    return 0


def _sniff(data: bytes, options: dict[str, Any]) -> bool:
    """Its version, and no command that is not of one byte."""
    version = _version(data)
    if options["columns"] is not None or not version:
        return False
    record = _V1 if version == 1 else _V2
    first = np.frombuffer(data, record, len(data) // record.itemsize)
    return bool(np.all(first["command"] <= 0xFF)) and any(int(c) in _KNOWN for c in first["command"])


def _wrong(record: np.ndarray, version: int, good_time: np.ndarray, limit: int) -> tuple[np.ndarray, list[tuple[np.ndarray, str]]]:
    """(whether each record is good, what is wrong: where, and in words)."""
    used = np.isin(record["command"], (*_READS, *_WRITES)) & (record["length"] > 0)
    size = record["length"].astype(np.uint64)
    beyond = used & (record["block"] > (np.uint64(limit) - np.minimum(size, np.uint64(limit))) // np.uint64(512))
    cases = [
        (record["version"] >> 8 != version, f"expected a record of version {version}"),
        (record["time"] >= _LATEST, "expected a time in us, 0 or more, below 2^62 ns"),
        (beyond, "the request ends behind the device's last byte"),
        (~good_time, "the time lies too far before an earlier record's (setting: backwards)"),
    ]
    bad, wrong = np.zeros(len(record), bool), []
    for where, what in cases:  # a record is counted once
        if np.any(where & ~bad):
            wrong.append((where & ~bad, what))
        bad |= where
    return used & ~bad, wrong


def _blocks(path: Path, version: int, options: dict[str, Any]) -> Iterator[Requests]:
    layout, latest = (_V1 if version == 1 else _V2), 0
    skipped = options.get("skipped")
    some = False
    for begin, data in records(path, layout.itemsize, f"vSCSI, version {version}", skipped):
        record = data.view(layout).ravel()
        usable = (record["time"] < _LATEST) & (record["version"] >> 8 == version)
        micro = np.where(usable, record["time"], latest // 1000).astype(np.int64)
        time, good_time = settled(micro * 1000, latest, options["backwards"])
        good, wrong = _wrong(record, version, good_time, options["limit"])
        for where, what in wrong:
            at = begin + int(np.argmax(where)) * layout.itemsize
            limit = f": {options['limit_is']}" if "last byte" in what else ""
            refuse(skipped, f"{path}: at byte {at}: {what}{limit}", int(where.sum()))
        latest = int(time[-1])
        some = some or bool(good.any())
        record = record[good]
        offset, size = record["block"].astype(np.int64) * 512, record["length"].astype(np.int64)
        write, device = np.isin(record["command"], _WRITES).astype(np.uint8), np.zeros(len(record), np.int64)
        if len(record):
            yield Requests(time[good], write, device, offset, size)
    if not some:
        raise InputError(f"{path}: there is no read or write in this file")


def _open(path: Path, options: dict[str, Any]) -> Stream:
    version = _version(head(path))
    if not version:
        raise InputError(
            f"{path}: at byte 0: not a vSCSI trace: expected records of 32 bytes with version 1 at byte 15, or of 40 bytes with version 2 "
            "at byte 3"
        )
    return Stream(lambda: _blocks(path, version, options), True)


READER = Reader(_sniff, _open)
