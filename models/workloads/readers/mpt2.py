"""mempress traces (.mpt), version 2: uncompressed and memory-mapped, for reading at the speed of memory; all little-endian.

    64 bytes   header, below
    blocks     of 2^17 references (the last has fewer), each of the columns ids, time, size, write bits, each from a multiple of 8 bytes on
    keys       uint64 for each id: the page number or object id that it stands for
    index      40 bytes for each block, below

Ids are dense, numbered as they first come: uint16 in a block whose ids fit, else uint32.  Times are differences from the block's first
time, uint32 where they fit, else uint64; so are sizes, in bytes.  Write bits: 8 a byte, the first in the lowest bit.  A column that a trace
does not have takes no bytes.  The blocks' first times are the index by time.  Each column of a block has a CRC-32, and keys and index have
one together.
Version 1 (mpt.py) is compressed; it is what the repository's traces are kept in.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from models.errors import InputError
from models.workloads.readers.source import Block, Source, TraceFile

MAGIC, VERSION = b"MPTRACE", 2
BLOCK = 1 << 17
UNITS = ("none", "ns", "instructions")
TIME, SIZE, WRITE = 1, 2, 4  # columns, as bits of the header
_HEADER = np.dtype(
    [
        ("magic", "S7"), ("version", "u1"), ("page_bytes", "<u4"), ("unit", "u1"), ("columns", "u1"), ("zero", "<u2"),
        ("accesses", "<u8"), ("pages", "<u8"), ("keys", "<u8"), ("index", "<u8"),
        ("block", "<u4"), ("blocks", "<u4"), ("tail_crc", "<u4"), ("crc", "<u4"),
    ]
)  # fmt: skip
_ENTRY = np.dtype(
    [
        ("offset", "<u8"), ("base", "<i8"), ("count", "<u4"), ("id_bytes", "u1"), ("time_bytes", "u1"), ("size_bytes", "u1"),
        ("zero", "u1"), ("crc", "<u4", 4),
    ]
)  # fmt: skip
_LARGEST_TIME = 1 << 62
_MOST_PAGES = (1 << 31) - 1


def _crc(column: Any) -> int:
    return zlib.crc32(column)


def _narrow(values: np.ndarray, small: int) -> np.ndarray:
    """Unsigned integers of `small` bytes if they fit, else of twice as many."""
    fits = int(values.max(initial=0)) < 1 << 8 * small
    return np.ascontiguousarray(values, f"<u{small if fits else 2 * small}")


class Writer:
    """Writes a trace block by block; the file is complete after close().

    page_bytes  what a key numbers: pages of so many bytes, or 0: objects
    unit        of its times, one of UNITS; "none": it has no times
    columns     TIME, SIZE and WRITE, added up
    """

    def __init__(self, file: BinaryIO, page_bytes: int, unit: str, columns: int) -> None:
        from models.cache.readers.source import Dense

        self.file, self.page_bytes, self.unit, self.columns = file, page_bytes, unit, columns
        self.dense, self.entries = Dense(), list[np.ndarray]()
        self.waiting: list[tuple[np.ndarray, ...]] = []
        self.waits = self.accesses = 0
        file.write(bytes(_HEADER.itemsize))

    def add(self, keys: np.ndarray, time: np.ndarray | None, write: np.ndarray | None, size: np.ndarray | None) -> None:
        """References: keys uint64[n]; the other columns as the trace has them.  Times must not fall."""
        none = np.empty(0, np.int64)
        parts = [none if column is None else column for column in (time, size, write)]
        self.waiting.append((self.dense.add(keys), *parts))
        self.waits += len(keys)
        while self.waits >= BLOCK:
            self._flush(BLOCK)

    def close(self) -> None:
        """Write what waits, keys, index and header."""
        if self.waits:
            self._flush(self.waits)
        keys = self.dense.keys[: self.dense.known].astype("<u8").tobytes()
        index = np.concatenate(self.entries).tobytes() if self.entries else b""
        at = self.file.tell()
        self.file.write(keys + index)
        header = np.zeros(1, _HEADER)
        header["magic"], header["version"], header["page_bytes"] = MAGIC, VERSION, self.page_bytes
        header["unit"], header["columns"] = UNITS.index(self.unit), self.columns
        header["accesses"], header["pages"] = self.accesses, self.dense.known
        header["keys"], header["index"] = at, at + len(keys)
        header["block"], header["blocks"], header["tail_crc"] = BLOCK, len(self.entries), _crc(keys + index)
        header["crc"] = _crc(header.tobytes()[:-4])
        self.file.seek(0)
        self.file.write(header.tobytes())

    def _flush(self, count: int) -> None:
        ids, time, size, write = (np.concatenate(column) for column in zip(*self.waiting, strict=True))
        self.waiting = [(ids[count:], time[count:], size[count:], write[count:])]
        self.waits -= count
        self.accesses += count
        entry = np.zeros(1, _ENTRY)
        entry["offset"], entry["count"] = self.file.tell(), count
        columns = [_narrow(ids[:count], 2)]
        entry["id_bytes"] = columns[0].itemsize
        if self.columns & TIME:
            entry["base"] = time[0]
            columns.append(_narrow(time[:count] - time[0], 4))
            entry["time_bytes"] = columns[-1].itemsize
        if self.columns & SIZE:
            columns.append(_narrow(size[:count], 4))
            entry["size_bytes"] = columns[-1].itemsize
        if self.columns & WRITE:
            columns.append(np.packbits(write[:count].astype(bool), bitorder="little"))
        of = [0, *(k for k, bit in ((1, TIME), (2, SIZE), (3, WRITE)) if self.columns & bit)]
        for k, column in zip(of, columns, strict=True):
            data = column.tobytes()
            entry["crc"][0, k] = _crc(data)
            self.file.write(data + bytes(-len(data) % 8))
        self.entries.append(entry)


class Map:
    """A trace of version 2, mapped into memory (a compressed file is unpacked into it).  InputError where it is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = self._bytes()
        if len(self.data) < _HEADER.itemsize:
            raise self.wrong(len(self.data), f"the trace is cut off: expected a header of {_HEADER.itemsize} bytes")
        header = np.frombuffer(self.data, _HEADER, 1)[0]
        if bytes(header["magic"]) != MAGIC or header["version"] != VERSION:
            raise self.wrong(0, "not a mempress trace of version 2: it must begin with MPTRACE and the byte 2")
        if header["crc"] != _crc(self.data[: _HEADER.itemsize - 4]) or header["unit"] >= len(UNITS):
            raise self.wrong(0, "damaged: the header's checksum is wrong")
        self.accesses, self.pages, self.page_bytes = int(header["accesses"]), int(header["pages"]), int(header["page_bytes"])
        self.unit, self.columns = UNITS[header["unit"]], int(header["columns"])
        keys, index, blocks = int(header["keys"]), int(header["index"]), int(header["blocks"])
        end = index + blocks * _ENTRY.itemsize
        if index != keys + 8 * self.pages or end > len(self.data) or self.pages > _MOST_PAGES:
            raise self.wrong(len(self.data), f"the trace is cut off: expected {end} bytes")
        if _crc(self.data[keys:end]) != header["tail_crc"]:
            raise self.wrong(keys, "damaged: the checksum of keys and index is wrong")
        self.keys = np.frombuffer(self.data, "<u8", self.pages, keys)
        self.index = np.frombuffer(self.data, _ENTRY, blocks, index)
        if int(self.index["count"].sum()) != self.accesses:
            raise self.wrong(index, "damaged: the index does not add up")
        if not self.accesses:
            raise InputError(f"{path}: there is no access in this trace")

    def _bytes(self) -> Any:
        with TraceFile(self.path) as file:
            if file.kind:
                return memoryview(b"".join(iter(lambda: file.read(1 << 24), b"")))
            try:
                return memoryview(mmap.mmap(file.raw.fileno(), 0, access=mmap.ACCESS_READ))
            except (OSError, ValueError):  # no memory-mapping there, or nothing in it
                return memoryview(file.read(1 << 62 if self.path.is_file() else 1 << 30))

    def wrong(self, at: int, what: str) -> InputError:
        return InputError(f"{self.path}: at byte {at}: {what}")

    def _column(self, block: int, column: int) -> Any:
        """The bytes of a column of a block, checked."""
        entry = self.index[block]
        count, at = int(entry["count"]), int(entry["offset"])
        sizes = [count * int(entry[name]) for name in ("id_bytes", "time_bytes", "size_bytes")] + [-(-count // 8)]
        at += sum(size + -size % 8 for size in sizes[:column])
        data = self.data[at : at + sizes[column]]
        if len(data) < sizes[column] or _crc(data) != entry["crc"][column]:
            raise self.wrong(at, f"damaged: a column of block {block} has a wrong checksum")
        return data

    def ids(self, block: int) -> np.ndarray:
        """uint16[n] or uint32[n]: dense ids of a block, in the file's own memory."""
        ids = np.frombuffer(self._column(block, 0), f"<u{self.index['id_bytes'][block]}")
        if len(ids) and int(ids.max()) >= self.pages:
            raise self.wrong(int(self.index["offset"][block]), f"damaged: an id of block {block} is {self.pages} or more")
        return ids

    def time(self, block: int) -> np.ndarray:
        """int64[n]: times of a block."""
        past = np.frombuffer(self._column(block, 1), f"<u{self.index['time_bytes'][block]}")
        base = int(self.index["base"][block])
        time = past.astype(np.int64) + base
        if base < 0 or int(time[-1]) > _LARGEST_TIME:
            raise self.wrong(int(self.index["offset"][block]), f"damaged: a time of block {block} is out of range")
        return time

    def size(self, block: int) -> np.ndarray:
        """int64[n]: sizes of a block, bytes."""
        return np.frombuffer(self._column(block, 2), f"<u{self.index['size_bytes'][block]}").astype(np.int64)

    def write(self, block: int) -> np.ndarray:
        """uint8[n]: 1 where a block's references write."""
        bits = np.frombuffer(self._column(block, 3), np.uint8)
        return np.unpackbits(bits, count=int(self.index["count"][block]), bitorder="little")

    def block_at(self, time: int) -> int:
        """The first block that can hold a reference at `time` or later."""
        return max(0, int(np.searchsorted(self.index["base"], time, "left")) - 1)


def _blocks(mapped: Map, rank: np.ndarray) -> Iterator[Block]:
    for k in range(len(mapped.index)):
        ids = mapped.ids(k)
        time = mapped.time(k) if mapped.columns & TIME else np.zeros(len(ids), np.int64)
        yield time, mapped.write(k) if mapped.columns & WRITE else np.zeros(len(ids), np.uint8), rank[ids]


def open_source(path: Path) -> Source:
    """The trace as the machine's workload wants it: page numbers ascending, places are indices into them."""
    mapped = Map(path)
    order = np.argsort(mapped.keys, kind="stable")
    pages = mapped.keys[order]
    if int(pages[-1]) >> 63:
        raise InputError(f"{path}: id {pages[-1]} cannot be a page number: expected ids below 2^63")
    if np.any(np.diff(pages) == 0):
        raise mapped.wrong(0, "damaged: two ids stand for one page")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return Source(lambda: _blocks(mapped, rank), mapped.unit, mapped.page_bytes, pages.astype(np.int64), lambda: _check(mapped))


def _check(mapped: Map) -> int:
    """The number of accesses, after a look at every column."""
    latest = 0
    for k in range(len(mapped.index)):
        mapped.ids(k)
        if mapped.columns & TIME:
            time = mapped.time(k)
            if int(time[0]) < latest or np.any(np.diff(time) < 0):
                raise mapped.wrong(int(mapped.index["offset"][k]), f"damaged: the times of block {k} fall")
            latest = int(time[-1])
        if mapped.columns & WRITE:
            mapped.write(k)
    return mapped.accesses
