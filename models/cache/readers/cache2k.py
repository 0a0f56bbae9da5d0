"""cache2k's traces (.trc): nothing but ids, 32 bits each, big-endian."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.cache.readers.source import Objects, Reader, Stream
from models.workloads.readers.source import records

_OTHERS = (b"\x7fELF", b"\x89PNG", b"PK", b"%PDF", b"MPTRACE", b"\x28\xb5\x2f\xfd", b"SQLite")  # what is binary and certainly no trace
_FEW = 16


def _sniff(head: bytes) -> bool:
    """Binary, and like ids: their second-highest byte has few values.  Ids that are hashes are not recognised."""
    return b"\0" in head and not head.startswith(_OTHERS) and len(set(head[1::4])) <= _FEW


def _open(path: Path, options: dict[str, Any]) -> Stream:
    def blocks() -> Iterator[Objects]:
        for _, data in records(path, 4, "a big-endian 32-bit id", options.get("skipped")):
            yield Objects(data.view(">u4").ravel().astype(np.uint64))

    return Stream(frozenset(), blocks)


READER = Reader(_sniff, _open)
