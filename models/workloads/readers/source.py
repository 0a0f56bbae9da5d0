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

# time int64[n] (ns, or instructions executed so far), never falling; write uint8[n], 0 or 1; place int64[n], 0 or more
Block = tuple[np.ndarray, np.ndarray, np.ndarray]


class Source(NamedTuple):
    """One trace, opened.

    blocks       called for each pass over the file; yields Blocks in order; raises InputError with file:line
    time         "ns", "instructions" or "none" (all times 0)
    place_bytes  1: places are byte addresses; n: numbers of pages of n bytes; 0: numbers of machine pages
    pages        if known: int64[k], ascending page numbers (of place_bytes each); the places of blocks are then indices into it
    check        if there is a quicker way than reading all blocks: checks the whole file, gives the number of accesses
    """

    blocks: Callable[[], Iterator[Block]]
    time: str
    place_bytes: int
    pages: np.ndarray | None = None
    check: Callable[[], int] | None = None


class Reader(NamedTuple):
    """sniff(head) says whether bytes at the start (decompressed, at most HEAD) are this format; open(path, options) -> Source."""

    sniff: Callable[[bytes], bool]
    open: Callable[[Path, dict[str, Any]], Source]


_DECOMPRESSORS: tuple[tuple[bytes, str, Callable[[IO[bytes]], IO[bytes]]], ...] = (
    (b"\x1f\x8b", "gzip", lambda file: gzip.GzipFile(fileobj=file)),  # type: ignore[arg-type,return-value]
    (b"\xfd7zXZ\0", "xz", lzma.LZMAFile),
    (b"BZh", "bzip2", bz2.BZ2File),
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
