"""What a trace reader gives, whatever the format; and opening files that may be compressed.

A reader is one file with a READER and one line in registry.py.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from models.errors import InputError

HEAD = 4096  # bytes that a reader may look at to say whether a file is its own
BLOCK_BYTES = 1 << 22
LONGEST_LINE = 1 << 16

# time int64[n] (ns, or instructions executed so far), never falling; write uint8[n], 0 or 1; place int64[n], 0 or more
Block = tuple[np.ndarray, np.ndarray, np.ndarray]


class Source(NamedTuple):
    """One trace, opened.

    blocks       called for each pass over the file; yields Blocks in order; raises InputError with file:line
    time         "ns", "instructions" or "none" (all times 0)
    place_bytes  1: places are byte addresses; n: numbers of pages of n bytes; 0: numbers of machine pages
    pages        if known: int64[k], ascending page numbers (of place_bytes each); the places of blocks are then indices into it
    tells_writes whether it knows reads from writes (if not, all are reads)
    check        if there is a quicker way than reading all blocks: checks the whole file, gives the number of accesses
    """

    blocks: Callable[[], Iterator[Block]]
    time: str
    place_bytes: int
    pages: np.ndarray | None = None
    check: Callable[[], int] | None = None
    tells_writes: bool = True


class Reader(NamedTuple):
    """sniff(head) says whether bytes at the start (decompressed, at most HEAD) are this format; open(path, options) -> Source.

    options: columns (list or None), time_unit, backwards (ns); skipped: a Skipped where bad records are to be left out and counted.
    """

    sniff: Callable[[bytes], bool]
    open: Callable[[Path, dict[str, Any]], Source]


class Skipped:
    """What a lenient reader has left out: how many records or lines, and what was wrong with the first of them."""

    def __init__(self) -> None:
        self.records = 0
        self.first = ""

    def add(self, message: str, records: int = 1) -> None:
        self.first = self.first or message
        self.records += records


def refuse(skipped: Skipped | None, message: str, records: int = 1) -> None:
    """Raises InputError, or counts what is left out where the reader is lenient."""
    if skipped is None:
        raise InputError(message)
    skipped.add(message, records)


class _Zstandard(io.RawIOBase):
    """Frames one after another.  zstandard's own reader takes a frame that is cut off for one that ends."""

    PIECE = 1 << 10  # compressed bytes at a time: they become 44 MB at most (a block of 128 KiB takes 3 bytes or more)

    def __init__(self, raw: IO[bytes]) -> None:
        try:
            import zstandard
        except ImportError:
            raise InputError("reading .zst needs the package zstandard: pip install 'mempress[zstd]'") from None
        self.raw, self.ready = raw, b""
        self.wrong = zstandard.ZstdError
        self.begin = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj
        self.frame = self.begin()
        self.at_start = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.ready:
            left = self.frame.unused_data if self.frame.eof else b""
            if self.frame.eof:
                self.frame, self.at_start = self.begin(), True
            piece = left or self.raw.read(self.PIECE)
            if not piece:
                if self.at_start:
                    return 0
                raise EOFError
            self.at_start = False
            try:
                self.ready = self.frame.decompress(piece)
            except self.wrong as error:
                raise OSError(str(error)) from None
        part, self.ready = self.ready[: len(buffer)], self.ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


_DECOMPRESSORS: tuple[tuple[bytes, str, Callable[[IO[bytes]], IO[bytes]]], ...] = (
    (b"\x1f\x8b", "gzip", lambda file: gzip.GzipFile(fileobj=file)),  # type: ignore[arg-type,return-value]
    (b"\xfd7zXZ\0", "xz", lzma.LZMAFile),
    (b"BZh", "bzip2", bz2.BZ2File),
    (b"\x28\xb5\x2f\xfd", "zstd", _Zstandard),  # type: ignore[arg-type,return-value]
)


class TraceFile:
    """A file read from its beginning, decompressed by what its first bytes are, not by its name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0  # of the decompressed bytes
        self.kind = ""
        try:
            raw = path.open("rb")
            magic = raw.read(6)
            raw.seek(0)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
        self.raw = raw
        self.file: IO[bytes] = raw
        for start, kind, decompress in _DECOMPRESSORS:
            if magic.startswith(start):
                self.kind, self.file = kind, io.BufferedReader(decompress(raw), 1 << 20)  # type: ignore[arg-type]

    def read(self, size: int) -> bytes:
        """The next bytes, `size` of them unless the file ends; raises InputError where it cannot be decompressed."""
        try:
            data = self.file.read(size)
        except EOFError:
            raise InputError(f"{self.path}: the {self.kind} data is cut off after {self.offset} decompressed bytes") from None
        except (OSError, lzma.LZMAError, zlib.error) as error:
            raise InputError(f"{self.path}: damaged {self.kind or 'file'} after {self.offset} bytes: {error}") from None
        self.offset += len(data)
        return data

    def close(self) -> None:
        self.file.close()
        self.raw.close()

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def head(path: Path) -> bytes:
    """The first bytes of a trace, decompressed; raises InputError if there are none."""
    with TraceFile(path) as file:
        data = file.read(HEAD)
    if not data:
        raise InputError(f"{path}: the file is empty; expected a trace")
    return data


def first_lines(data: bytes) -> list[str]:
    """The whole lines among the first bytes, or the only one."""
    lines = data.decode("latin-1").splitlines()
    return lines[:-1] if len(data) == HEAD and len(lines) > 1 else lines


def shown(line: bytes) -> str:
    """A line as an error message shows it."""
    text = line.rstrip(b"\r\n").decode("latin-1")
    return ascii(text[:60]) + ("..." if len(text) > 60 else "")


def records(path: Path, size: int, what: str, skipped: Skipped | None) -> Iterator[tuple[int, np.ndarray]]:
    """(offset, uint8[n, size]): blocks of a file of records of equal size.

    what   the record in words
    Raises InputError with the offset where the last record is cut off, or counts it.
    """
    with TraceFile(path) as file:
        while data := file.read(BLOCK_BYTES // size * size):
            begin, rest = file.offset - len(data), len(data) % size
            if len(data) >= size:
                yield begin, np.frombuffer(data, np.uint8, len(data) - rest).reshape(-1, size)
            if rest:
                at = file.offset - rest
                refuse(skipped, f"{path}: at byte {at}: the last record is cut off: expected {size} bytes ({what}), found {rest}")


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line without its end) of a text file, one by one.  Raises InputError for a line that is no text's."""
    number, rest = 0, b""
    with TraceFile(path) as file:
        while data := file.read(BLOCK_BYTES):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                number += 1
                yield number, line.rstrip(b"\r")
            if len(rest) > LONGEST_LINE:
                raise InputError(f"{path}:{number + 1}: not a text trace: a line of more than {LONGEST_LINE} bytes")
    if rest:
        yield number + 1, rest


def settled(time: np.ndarray, latest: int, backwards: int) -> tuple[np.ndarray, np.ndarray]:
    """(time that never falls, whether each was at most `backwards` below the latest one before it)."""
    highest = np.maximum.accumulate(np.maximum(time, latest))
    return highest, highest - time <= backwards
