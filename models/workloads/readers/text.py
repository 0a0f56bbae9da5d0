"""Text traces: one access a line, fields between blanks: `page`, `op page`, `time op address`, or as `columns` says."""

from __future__ import annotations

from models.workloads.readers.columns import open_rows
from models.workloads.readers.source import Reader

_CONTROL = bytes(range(9)) + bytes(range(14, 32)) + b"\x7f"


def _sniff(head: bytes) -> bool:
    return head.translate(None, _CONTROL) == head and any(c in b"0123456789" for c in head)


READER = Reader(_sniff, lambda path, options: open_rows(path, options, ""))
