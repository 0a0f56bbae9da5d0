"""A trace as dense page ids, whatever its format."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.cache.readers.registry import REGISTRY
from models.cache.readers.source import Dense, Reader
from models.registry import Entry, resolve
from models.workloads.readers.source import head
from sim.errors import UserError

AUTO = "auto"
FORMATS = (AUTO, *(entry.name for entry in REGISTRY))


class Trace(NamedTuple):
    """References in order; name: as tables print it; format: the reader's name.

    ids    int32[n], each below `distinct`, numbered as they first come
    keys   uint64[distinct]: the ids as the file has them; neighbours there are neighbours
    time   int64[n], ns since any beginning, never falling;  write  uint8[n], 0 or 1;  size  int64[n], bytes
    The last three are None where the format has none of them, or they were not asked for.
    """

    name: str
    format: str
    ids: np.ndarray
    distinct: int
    keys: np.ndarray | None = None
    time: np.ndarray | None = None
    write: np.ndarray | None = None
    size: np.ndarray | None = None


def _reader(path: Path, wanted: str) -> tuple[Entry, Reader]:
    """The reader of that format, or the first that takes the file for its own."""
    start = head(path)
    for entry in REGISTRY:
        if wanted in (AUTO, entry.name):
            reader: Reader = resolve(entry.target)
            if wanted == entry.name or reader.sniff(start):
                return entry, reader
    names = ", ".join(entry.name for entry in REGISTRY)
    raise UserError(
        f"{path}: at byte 0: not a trace that can be read: expected one of {names} (plain, gz, xz or bz2); it begins with {start[:16]!a}"
    )


def load(path: Path, wanted: str = AUTO, name: str | None = None) -> Trace:
    """Read a whole trace.  UserError (or InputError) with file and line or offset where it is not one."""
    entry, reader = _reader(path, wanted)
    dense = Dense()
    ids = [dense.add(block) for block in reader.blocks(path)]
    whole = np.concatenate(ids) if ids else np.empty(0, np.int32)
    if not len(whole):
        raise UserError(f"{path}: there is no id in this file; expected {entry.doc}")
    if len(whole) >= 1 << 31:
        raise UserError(f"{path}: {len(whole)} requests; at most 2^31 - 1 can be simulated")
    return Trace(name or str(path), entry.name, whole, dense.known, dense.keys[: dense.known])
