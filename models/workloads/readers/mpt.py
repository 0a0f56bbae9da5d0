"""mempress page traces (.mpt), version 1: written here, read here; NumPy and zlib only.

    8 bytes   "MPTRACE" and the version as one byte
    section   header: JSON with page_size, pages, accesses, block (accesses a block), time ("instructions" or "ns"), tick, note
    section   page table: int64 little-endian differences of the ascending page numbers
    sections  blocks: three columns each: time differences (uint32, in ticks), page indices, write bits (8 a byte)
A section or column is: uint32 length, uint32 CRC-32 of what follows, then that many bytes; all but the header are zlib streams.
Time differences are split into byte planes, lowest first, up to the highest byte in use (the first byte says how many); indices are whole
uint16 or uint32 (the first byte is 2 or 4).  zlib because it is read four times as fast as xz, at a fifth more bytes.
The page index of an access is its row in the page table.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from models.errors import InputError
from models.workloads.readers import mpt2
from models.workloads.readers.source import Block, Reader, Source, TraceFile, head

MAGIC, VERSION = b"MPTRACE", 1
BLOCK = 1 << 18
_FRAME = struct.Struct("<II")
_MOST = 1 << 28  # bytes of a section
_LARGEST_TIME = 1 << 62


def write(
    path: Path, pages: np.ndarray, time: np.ndarray, write_bit: np.ndarray, index: np.ndarray, *,
    page_size: int = 4096, unit: str = "instructions", tick: int = 1, note: str = "",
) -> None:  # fmt: skip
    """Write a trace.

    pages      int64[k], ascending page numbers of page_size bytes
    time       int64[n], never falling, in `unit` ("instructions" or "ns"); kept to the tick, rounded down
    write_bit  bool or uint8[n];  index  integers[n] below k
    Raises ValueError if the arrays are not like that.
    """
    ticks = np.diff(time // tick, prepend=0)
    if np.any(ticks < 0) or np.any(ticks >= 1 << 32) or np.any(np.diff(pages) <= 0) or (len(pages) and pages[0] < 0):
        raise ValueError("times must not fall or jump by 2^32 ticks, page numbers must ascend from 0 or more")
    if (len(index) and (int(index.min()) < 0 or int(index.max()) >= len(pages))) or not len(time) == len(write_bit) == len(index):
        raise ValueError("columns of different lengths, or an index outside the page table")
    header = {"page_size": page_size, "pages": len(pages), "accesses": len(time), "block": BLOCK, "time": unit, "tick": tick, "note": note}
    with path.open("wb") as file:
        file.write(MAGIC + bytes([VERSION]))
        _put(file, json.dumps(header).encode())
        _put(file, _pack(np.diff(pages, prepend=0).astype("<i8").tobytes()))
        for begin in range(0, len(time), BLOCK):
            end = begin + BLOCK
            _put(file, _pack(_planes(ticks[begin:end])))
            _put(file, _pack(_words(index[begin:end])))
            _put(file, _pack(np.packbits(write_bit[begin:end].astype(bool)).tobytes()))


def _put(file: BinaryIO, data: bytes) -> None:
    file.write(_FRAME.pack(len(data), zlib.crc32(data)) + data)


def _pack(data: bytes) -> bytes:
    return zlib.compress(data, 9)


def _planes(values: np.ndarray) -> bytes:
    """Byte planes of uint32, lowest first, those in use."""
    count = max(1, (int(values.max(initial=0)).bit_length() + 7) // 8)
    planes = values.astype("<u4").view(np.uint8).reshape(-1, 4).T[:count]
    return bytes([count]) + np.ascontiguousarray(planes).tobytes()


def _words(values: np.ndarray) -> bytes:
    """uint16 if they fit, else uint32, each as a whole: neighbouring bytes belong together for page indices."""
    width = 2 if int(values.max(initial=0)) < 1 << 16 else 4
    return bytes([width]) + values.astype(f"<u{width}").tobytes()


class _Sections:
    """Sections of an open trace, checked."""

    def __init__(self, file: TraceFile) -> None:
        self.file = file

    def wrong(self, what: str) -> InputError:
        return InputError(f"{self.file.path}: at byte {self.file.offset}: {what}")

    def exactly(self, size: int) -> bytes:
        data = self.file.read(size)
        if len(data) < size:
            raise self.wrong(f"the trace is cut off: expected {size} bytes, found {len(data)}")
        return data

    def raw(self) -> bytes:
        length, crc = _FRAME.unpack(self.exactly(_FRAME.size))
        if length > _MOST:
            raise self.wrong(f"damaged: a section of {length} bytes")
        data = self.exactly(length)
        if zlib.crc32(data) != crc:
            raise self.wrong("damaged: a section's checksum is wrong")
        return data

    def unpacked(self, most: int) -> bytes:
        """The next section, decompressed: never more than `most` + 1 bytes."""
        stream = zlib.decompressobj()
        try:
            data = stream.decompress(self.raw(), most + 1)
        except zlib.error as error:
            raise self.wrong(f"damaged: {error}") from None
        if len(data) <= most and not stream.eof:
            raise self.wrong("damaged: a section stops early")
        return data

    def header(self) -> dict[str, Any]:
        magic = self.exactly(len(MAGIC) + 1)
        if magic[:-1] != MAGIC:
            raise self.wrong("not a mempress trace: it must begin with MPTRACE")
        if magic[-1] != VERSION:
            raise self.wrong(f"a mempress trace of version {magic[-1]}; this program reads versions {VERSION} and {mpt2.VERSION}")
        try:
            header = json.loads(self.raw())
            good = header["time"] in ("instructions", "ns") and all(
                isinstance(header[key], int) and low <= header[key] < 1 << 40
                for key, low in (("page_size", 1), ("pages", 0), ("accesses", 0), ("block", 1), ("tick", 1))
            )
        except (ValueError, KeyError, TypeError):
            good = False
        if not good or header["page_size"] & (header["page_size"] - 1) or header["pages"] > _MOST // 8 or header["block"] > _MOST // 8:
            raise self.wrong("damaged: its header makes no sense")
        return dict(header)

    def pages(self, count: int) -> np.ndarray:
        data = self.unpacked(8 * count)
        if len(data) != 8 * count:
            raise self.wrong(f"damaged: a page table of {len(data)} bytes, expected {8 * count}")
        return np.cumsum(np.frombuffer(data, "<i8"))

    def planes(self, count: int) -> np.ndarray:
        data = np.frombuffer(self.unpacked(1 + 4 * count), np.uint8)
        if not len(data) or data[0] > 4 or len(data) != 1 + int(data[0]) * count:
            raise self.wrong(f"damaged: a column of {len(data)} bytes for {count} accesses")
        values = np.zeros(count, np.int64)
        for k in range(int(data[0])):
            values |= data[1 + k * count : 1 + (k + 1) * count].astype(np.int64) << (8 * k)
        return values

    def words(self, count: int) -> np.ndarray:
        data = self.unpacked(1 + 4 * count)
        if not data or data[0] not in (2, 4) or len(data) != 1 + data[0] * count:
            raise self.wrong(f"damaged: a column of {len(data)} bytes for {count} accesses")
        return np.frombuffer(data, f"<u{data[0]}", offset=1).astype(np.int64)

    def bits(self, count: int) -> np.ndarray:
        data = self.unpacked((count + 7) // 8)
        if len(data) != (count + 7) // 8:
            raise self.wrong(f"damaged: a column of {len(data)} bytes for {count} accesses")
        return np.unpackbits(np.frombuffer(data, np.uint8), count=count)


def _blocks(path: Path) -> Iterator[Block]:
    with TraceFile(path) as file:
        sections = _Sections(file)
        header = sections.header()
        sections.raw()  # the page table
        now = 0
        for begin in range(0, header["accesses"], header["block"]):
            count = min(header["block"], header["accesses"] - begin)
            ticks = now + np.cumsum(sections.planes(count))
            index, bits = sections.words(count), sections.bits(count)
            now = int(ticks[-1])
            if now > _LARGEST_TIME // header["tick"] or int(index.max()) >= header["pages"]:
                raise sections.wrong("damaged: a time or page index is out of range")
            yield ticks * header["tick"], bits, index


def _check(path: Path) -> int:
    """The number of accesses, after a look at every section's checksum."""
    with TraceFile(path) as file:
        sections = _Sections(file)
        header = sections.header()
        for _ in range(1 + 3 * -(-header["accesses"] // header["block"])):
            sections.raw()
        if file.read(1):
            raise sections.wrong("damaged: there is more data than the header says")
    return int(header["accesses"])


def read_header(path: Path) -> dict[str, Any]:
    """The header: page_size, pages, accesses, time, tick, note.  Raises InputError."""
    with TraceFile(path) as file:
        return _Sections(file).header()


def version_of(head: bytes) -> int:
    """The version of a trace that begins like this, 0 if it is none."""
    return head[len(MAGIC)] if head.startswith(MAGIC) and len(head) > len(MAGIC) else 0


def _open(path: Path, _options: dict[str, Any]) -> Source:
    if version_of(head(path)) == mpt2.VERSION:
        return mpt2.open_source(path)
    with TraceFile(path) as file:
        sections = _Sections(file)
        header = sections.header()
        pages = sections.pages(header["pages"])
    if not header["accesses"] or not header["pages"]:
        raise InputError(f"{path}: there is no access in this trace")
    if np.any(np.diff(pages) <= 0) or pages[0] < 0:
        raise InputError(f"{path}: damaged: its page numbers do not ascend")
    return Source(lambda: _blocks(path), header["time"], header["page_size"], pages, lambda: _check(path))


READER = Reader(lambda data: data.startswith(MAGIC), _open)
