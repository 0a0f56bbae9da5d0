"""Tables of objects: one request a line, fields between commas, semicolons or tabs; a heading or `columns` says which is the id.

Ids are uint64.  Columns: time, id (also key, obj_id, object), op, size (bytes).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.cache.readers.source import Objects, Reader, Stream
from models.workloads.readers.columns import heading_words, is_heading, read_rows
from models.workloads.readers.csv import separator_of
from models.workloads.readers.source import first_lines, head

_DEFAULTS = {"columns": None, "time_unit": "ns", "backwards": 0}


def _sniff(data: bytes) -> bool:
    """A heading with an id."""
    separator, lines = separator_of(data), first_lines(data)
    words = heading_words(lines[0], separator) if lines and separator else []
    return bool(words) and is_heading(words) and any(word in ("id", "key", "obj_id", "objid", "object", "object_id") for word in words)


def _open(path: Path, options: dict[str, Any]) -> Stream:
    options = {**_DEFAULTS, **options}
    rows = read_rows(path, options, separator_of(head(path)), objects=True)  # no separator: blanks
    has = {"time": "time", "op": "write", "size": "size"}
    columns = frozenset(has[name] for name in rows.names if name in has)
    wanted = columns & options.get("wanted", frozenset())

    def blocks() -> Iterator[Objects]:
        for time, write, place, size in rows.blocks():
            yield Objects(
                place.view(np.uint64),
                time if "time" in wanted else None,
                write if "write" in wanted else None,
                size if "size" in wanted else None,
            )

    return Stream(columns, blocks)


READER = Reader(_sniff, _open)
