"""CSV traces of block I/O: one request a line, fields between commas, semicolons or tabs; a heading may name the columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.workloads.io_readers.rows import first_row, open_rows
from models.workloads.io_readers.source import Reader, Stream
from models.workloads.readers.csv import SEPARATORS
from models.workloads.readers.source import head


def _separator(data: bytes) -> str:
    """The first separator that the first row holds, or ""."""
    return next((c for c in SEPARATORS if c in first_row(data)[1]), "")


def _sniff(data: bytes, _options: dict[str, Any]) -> bool:
    return b"\0" not in data and _separator(data) != ""


def _open(path: Path, options: dict[str, Any]) -> Stream:
    return open_rows(path, options, _separator(head(path)) or ",")


READER = Reader(_sniff, _open)
