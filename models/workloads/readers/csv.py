"""CSV traces: one access a line, fields between commas, semicolons or tabs; a heading may name the columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.workloads.readers.columns import open_rows
from models.workloads.readers.source import Reader, Source, first_lines, head

SEPARATORS = ",;\t"


def separator_of(data: bytes) -> str:
    """The first separator that the first row holds, or ""."""
    rows = [line for line in first_lines(data) if line.strip() and not line.lstrip().startswith("#")]
    return next((c for c in SEPARATORS if rows and c in rows[0]), "")


def _sniff(data: bytes) -> bool:
    return b"\0" not in data and separator_of(data) != ""


def _open(path: Path, options: dict[str, Any]) -> Source:
    return open_rows(path, options, separator_of(head(path)) or ",")


READER = Reader(_sniff, _open)
