"""Traces out: mpt, text, lirs, csv, oracleGeneral, cache2k, each from one stream of references."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from models.cache.readers.oracle_general import RECORD
from models.cache.readers.source import Dense
from models.workloads.readers import mpt2
from sim.errors import UserError
from sim.traces.reading import Opened, Rows, nanoseconds

FORMATS = ("mpt", "text", "csv", "oracleGeneral", "lirs", "cache2k")
_SUFFIXES = {
    ".mpt": "mpt", ".txt": "text", ".text": "text", ".csv": "csv", ".lirs": "lirs", ".trc": "cache2k",
    ".oraclegeneral": "oracleGeneral", ".bin": "oracleGeneral",
}  # fmt: skip
_SECOND = 1_000_000_000


class Shape(NamedTuple):
    """What a trace is, for its writer: unit of its times, bytes of what a key numbers (0: objects), columns that it has."""

    unit: str
    page_bytes: int
    columns: frozenset[str]


Write = Callable[[BinaryIO, Shape, Iterable[Rows]], int]


def shape(source: Opened) -> Shape:
    return Shape(source.unit, source.page_bytes, source.columns)


def format_of(path: Path, to: str | None) -> str:
    """The format that is asked for, or that the file's name says.  UserError if it says none."""
    if to is not None:
        return to
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise UserError(f"{path}: its name does not say a format ({', '.join(_SUFFIXES)}); expected --to {'|'.join(FORMATS)}")
    return found


def numbered(rows: Iterable[Rows]) -> Iterable[Rows]:
    """The same with keys 0, 1, ... as they first come."""
    dense = Dense()
    for block in rows:
        yield block._replace(key=dense.add(block.key).astype(np.uint64))


def mpt_writer(file: BinaryIO, of: Shape) -> mpt2.Writer:
    bits = {"time": mpt2.TIME, "size": mpt2.SIZE, "write": mpt2.WRITE}
    return mpt2.Writer(file, of.page_bytes, of.unit, sum(bits[name] for name in of.columns))


def _mpt(file: BinaryIO, of: Shape, rows: Iterable[Rows]) -> int:
    writer = mpt_writer(file, of)
    for block in rows:
        writer.add(*block)
    writer.close()
    return writer.accesses


def _text(file: BinaryIO, of: Shape, rows: Iterable[Rows]) -> int:
    count = 0
    for block in rows:
        count += len(block.key)
        if len(block.key):
            file.write("\n".join(map(str, block.key.tolist())).encode() + b"\n")
    return count


def names(of: Shape) -> list[str]:
    """The columns of a table: time (ns), op, page or id, size."""
    place = "page" if of.page_bytes else "id"
    return [*(["time"] * ("time" in of.columns)), *(["op"] * ("write" in of.columns)), place, *(["size"] * ("size" in of.columns))]


def lines(of: Shape, block: Rows, separator: str) -> list[str]:
    """Rows as text, in the order of names()."""
    columns = [[] if block.time is None else nanoseconds(block.time, of.unit).tolist()]
    columns.append([] if block.write is None else ["rw"[w] for w in block.write.tolist()])
    columns += [block.key.tolist(), [] if block.size is None else block.size.tolist()]
    return [separator.join(map(str, row)) for row in zip(*(c for c in columns if c), strict=True)] if len(block.key) else []


def _csv(file: BinaryIO, of: Shape, rows: Iterable[Rows]) -> int:
    count = 0
    file.write((",".join(names(of)) + "\n").encode())
    for block in rows:
        count += len(block.key)
        file.write("".join(f"{line}\n" for line in lines(of, block, ",")).encode())
    return count


def _oracle_general(file: BinaryIO, of: Shape, rows: Iterable[Rows]) -> int:
    """In memory as a whole: the next access is known from the end."""
    from models.cache.belady import NEVER, look_ahead

    blocks = list(rows)
    keys = np.concatenate([block.key for block in blocks]) if blocks else np.empty(0, np.uint64)
    if len(keys) >= NEVER:
        raise UserError(f"the trace has {len(keys)} references; at most 2^31 - 2 can be written as oracleGeneral")
    dense = Dense()
    later = look_ahead(dense.add(keys), dense.known).astype(np.int64)
    out = np.zeros(len(keys), RECORD)
    out["id"], out["next"] = keys, np.where(later == NEVER, -1, later)
    out["size"] = of.page_bytes or 1
    if len(keys) and "size" in of.columns:
        out["size"] = _fits(np.concatenate([b.size for b in blocks if b.size is not None]), "size", "bytes")
    if len(keys) and "time" in of.columns:
        seconds = nanoseconds(np.concatenate([b.time for b in blocks if b.time is not None]), of.unit) // _SECOND
        out["time"] = _fits(seconds, "time", "s")
    file.write(out.tobytes())
    return len(keys)


def _fits(values: np.ndarray, what: str, unit: str) -> np.ndarray:
    if int(values.max()) >> 32:
        raise UserError(f"a {what} of {int(values.max())} {unit} does not fit in oracleGeneral's 32 bits")
    return values


def _cache2k(file: BinaryIO, of: Shape, rows: Iterable[Rows]) -> int:
    count = 0
    for block in rows:
        count += len(block.key)
        if len(block.key) and int(block.key.max()) >> 32:
            raise UserError(f"id {int(block.key.max())} does not fit in cache2k's 32 bits; --dense writes numbers from 0 on instead")
        file.write(block.key.astype(">u4").tobytes())
    return count


WRITERS: dict[str, Write] = {
    "mpt": _mpt, "text": _text, "lirs": _text, "csv": _csv, "oracleGeneral": _oracle_general, "cache2k": _cache2k,
}  # fmt: skip
