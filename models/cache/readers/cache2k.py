"""cache2k's traces (.trc): nothing but ids, 32 bits each, big-endian."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.cache.readers.source import Reader, blocks_of_records


def _sniff(head: bytes) -> bool:
    """Binary, and no id has its highest bit set."""
    return b"\0" in head and all(byte < 128 for byte in head[::4])


def _ids(data: np.ndarray) -> np.ndarray:
    return data.view(">u4").ravel().astype(np.uint64)


def _blocks(path: Path) -> Iterator[np.ndarray]:
    return blocks_of_records(path, 4, "a big-endian 32-bit id", _ids)


READER = Reader(_sniff, _blocks)
