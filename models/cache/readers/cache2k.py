"""cache2k's traces (.trc): nothing but ids, 32 bits each, big-endian."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.cache.readers.source import Reader, blocks_of_records

_OTHERS = (b"\x7fELF", b"\x89PNG", b"PK", b"%PDF", b"MPTRACE", b"\x28\xb5\x2f\xfd", b"SQLite")  # what is binary and certainly no trace
_FEW = 16


def _sniff(head: bytes) -> bool:
    """Binary, and like ids: their second-highest byte has few values.  Ids that are hashes are not recognised."""
    return b"\0" in head and not head.startswith(_OTHERS) and len(set(head[1::4])) <= _FEW


def _ids(data: np.ndarray) -> np.ndarray:
    return data.view(">u4").ravel().astype(np.uint64)


def _blocks(path: Path) -> Iterator[np.ndarray]:
    return blocks_of_records(path, 4, "a big-endian 32-bit id", _ids)


READER = Reader(_sniff, _blocks)
