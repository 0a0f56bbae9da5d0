"""Text traces of block I/O: one request a line, fields between blanks."""

from __future__ import annotations

from models.workloads.io_readers.rows import open_rows
from models.workloads.io_readers.source import Reader

_CONTROL = bytes(range(9)) + bytes(range(14, 32)) + b"\x7f"

READER = Reader(
    lambda data, _options: data.translate(None, _CONTROL) == data and any(c in b"0123456789" for c in data),
    lambda path, options: open_rows(path, options, ""),
)
