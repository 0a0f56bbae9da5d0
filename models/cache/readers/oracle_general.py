"""libCacheSim's oracleGeneral: records of time (uint32, s), id (uint64), size (uint32), next access (int64), little-endian, packed.

The next access is the number of the request that uses the id again, -1 if none does; it is not read here, but tells the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.cache.readers.source import Reader, blocks_of_records

RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
_LARGEST_NEXT = 1 << 48  # requests of a trace, at most; -1 and the largest int64 mean "never"
_NEVER = (-1, (1 << 63) - 1)


def _sniff(head: bytes) -> bool:
    """Times do not fall, and every next access comes later, or never."""
    whole = len(head) // RECORD.itemsize
    if not whole:
        return False
    records = np.frombuffer(head, RECORD, whole)
    later = (records["next"] > np.arange(whole)) & (records["next"] < _LARGEST_NEXT)
    return bool(np.all(np.diff(records["time"].astype(np.int64)) >= 0) and np.all(later | np.isin(records["next"], _NEVER)))


def _ids(data: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(data.view(RECORD)["id"].ravel()).astype(np.uint64)


def _blocks(path: Path) -> Iterator[np.ndarray]:
    return blocks_of_records(path, RECORD.itemsize, "time, id, size, next access", _ids)


READER = Reader(_sniff, _blocks)
