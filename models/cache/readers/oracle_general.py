"""libCacheSim's oracleGeneral: records of time (uint32, s), id (uint64), size (uint32), next access (int64), little-endian, packed.

The next access is the number of the request that uses the id again, -1 if none does; it is not read here, but tells the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.cache.readers.source import Reader, blocks_of_records
from models.errors import InputError
from models.workloads.readers.source import head

RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
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


def _ids(data: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(data.view(RECORD)["id"].ravel()).astype(np.uint64)


def _blocks(path: Path) -> Iterator[np.ndarray]:
    """Only the beginning is checked: a sample of a trace may keep the numbers of the whole."""
    wrong = _first_wrong(head(path))
    if wrong >= 0:
        raise InputError(
            f"{path}: at byte {wrong * RECORD.itemsize}: not oracleGeneral: expected records of time (not falling), id, size, next access "
            "(the number of a later request, or -1)"
        )
    return blocks_of_records(path, RECORD.itemsize, "time, id, size, next access", _ids)


READER = Reader(_sniff, _blocks)
