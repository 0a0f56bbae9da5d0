"""A trace as dense page ids, whatever its format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.cache.readers.source import Dense
from models.workloads.readers.source import Skipped
from sim.errors import UserError
from sim.traces.formats import AUTO
from sim.traces.formats import NAMES as FORMATS
from sim.traces.reading import NONE, Numbered, Opened, Reading, nanoseconds, opened

__all__ = ["AUTO", "FORMATS", "Trace", "load"]
_TYPES = {"time": np.int64, "write": np.uint8, "size": np.int64}


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


def load(
    path: Path,
    wanted: str = AUTO,
    name: str | None = None,
    columns: frozenset[str] = NONE,
    lenient: bool = False,
    reading: Reading | None = None,
) -> Trace:
    """Read a whole trace.  UserError (or InputError) with file and line or offset where it is not one.

    columns  of time, write and size: those that are wanted; without them nothing is spent on them
    lenient  bad lines and records are left out; how many is said on standard error
    """
    reading = reading or Reading()
    skipped = reading.skipped or (Skipped() if lenient else None)
    source = opened(path, wanted, reading._replace(skipped=skipped))
    trace = _whole(path, source, name or str(path), columns & source.columns)
    if skipped is not None:
        report(path, skipped)
    return trace


def report(path: Path, skipped: Skipped) -> None:
    """Say on standard error what a lenient reader has left out."""
    if skipped.records:
        print(f"{path}: {skipped.records} bad records or lines left out; the first: {skipped.first}", file=sys.stderr)


def _whole(path: Path, source: Opened, name: str, columns: frozenset[str]) -> Trace:
    if source.numbered is not None:
        return _of_numbered(path, source, source.numbered, name, columns)
    dense, ids = Dense(), []
    kept: dict[str, list[np.ndarray]] = {column: [] for column in columns}
    for rows in source.blocks(columns):
        ids.append(dense.add(rows.key))
        for column in columns:
            kept[column].append(_values(source, column, getattr(rows, column)))
    _check_length(path, sum(map(len, ids)))
    found = {column: np.ascontiguousarray(np.concatenate(parts), _TYPES[column]) for column, parts in kept.items()}
    return _trace(source, name, np.concatenate(ids), dense.keys[: dense.known].copy(), found)  # its table may be twice as long


def _of_numbered(path: Path, source: Opened, numbered: Numbered, name: str, columns: frozenset[str]) -> Trace:
    """Ids as they are in the file, into one array."""
    _check_length(path, numbered.references)
    ids = np.empty(numbered.references, np.int32)
    found = {column: np.empty(numbered.references, _TYPES[column]) for column in columns}
    begin = 0
    for block, *others in numbered.blocks(columns):
        end = begin + len(block)
        ids[begin:end] = block
        for column, values in zip(("time", "write", "size"), others, strict=True):
            if column in columns:
                found[column][begin:end] = _values(source, column, values)
        begin = end
    return _trace(source, name, ids, numbered.keys, found)


def _check_length(path: Path, references: int) -> None:
    if not references:
        raise UserError(f"{path}: there is no id in this file; expected at least one reference")
    if references >= 1 << 31:
        raise UserError(f"{path}: {references} requests; at most 2^31 - 1 can be simulated (mempress trace sample makes it smaller)")


def _values(source: Opened, column: str, values: Any) -> np.ndarray:
    """A block of a column; times in ns."""
    return nanoseconds(values, source.unit) if column == "time" else values


def _trace(source: Opened, name: str, ids: np.ndarray, keys: np.ndarray, found: dict[str, np.ndarray]) -> Trace:
    return Trace(name, source.format, ids, len(keys), keys, **found)
