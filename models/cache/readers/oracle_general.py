"""libCacheSim's oracleGeneral: records of time (uint32, s), id (uint64), size (uint32), next access (int64), little-endian, packed.

The next access is the number of the request that uses the id again, -1 if none does; it is not read here, but tells the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.cache.readers.source import Objects, Reader, Stream
from models.errors import InputError
from models.workloads.readers.source import Skipped, head, records, refuse

RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
COLUMNS = frozenset({"time", "size"})
_LARGEST_NEXT = 1 << 48  # requests of a trace, at most; -1 and the largest int64 mean "never"
_NEVER = (-1, (1 << 63) - 1)


def _first_wrong(data: bytes) -> int:
    """The first record whose time falls, or whose next access is not later than itself; -1 if all are right."""
    whole = len(data) // RECORD.itemsize
    records = np.frombuffer(data, RECORD, whole)
    later = (records["next"] > np.arange(whole)) & (records["next"] < _LARGEST_NEXT)
    falls = np.diff(records["time"].astype(np.int64), prepend=0) < 0
    wrong = np.flatnonzero(falls | ~(later | np.isin(records["next"], _NEVER)))
    return int(wrong[0]) if len(wrong) else -1


def _sniff(data: bytes) -> bool:
    return len(data) >= RECORD.itemsize and _first_wrong(data) < 0


def _open(path: Path, options: dict[str, Any]) -> Stream:
    """Only the beginning is checked for the next accesses: a sample of a trace may keep the numbers of the whole."""
    skipped = options.get("skipped")
    wrong = _first_wrong(head(path))
    if wrong >= 0 and skipped is None:
        raise InputError(
            f"{path}: at byte {wrong * RECORD.itemsize}: not oracleGeneral: expected records of time (not falling), id, size, next access "
            "(the number of a later request, or -1)"
        )
    return Stream(COLUMNS, lambda: _blocks(path, options.get("wanted", frozenset()), skipped))


def _blocks(path: Path, wanted: frozenset[str], skipped: Skipped | None) -> Iterator[Objects]:
    latest = 0
    for begin, data in records(path, RECORD.itemsize, "time, id, size, next access", skipped):
        record = data.view(RECORD).ravel()
        time = None
        if "time" in wanted:
            seconds = record["time"].astype(np.int64)
            good = seconds >= np.maximum.accumulate(np.maximum(seconds, latest))
            if not good.all():
                first = int(np.argmin(good))
                at = begin + first * RECORD.itemsize
                refuse(
                    skipped,
                    f"{path}: at byte {at}: the time falls: expected {latest if not first else seconds[:first].max()} s or more, "
                    f"found {seconds[first]} s",
                    int(len(good) - good.sum()),
                )
                record, seconds = record[good], seconds[good]
            latest = int(seconds[-1]) if len(seconds) else latest
            time = seconds * 1_000_000_000
        size = record["size"].astype(np.int64) if "size" in wanted else None
        yield Objects(record["id"].astype(np.uint64), time, None, size)


READER = Reader(_sniff, _open)
