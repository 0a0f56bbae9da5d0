"""Formats of object ids (models/cache/readers) as page accesses: an id is the number of a page, a reference a read unless it says write.

An id of 2^63 or more is refused: page numbers are int64.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import InputError
from models.registry import resolve
from models.workloads.readers.source import Block, Reader, Source

NAMES = ("lirs", "oracleGeneral", "cache2k")
_COLUMNS = frozenset({"time", "write"})


def _reader(name: str) -> Any:
    from models.cache.readers.registry import REGISTRY

    return resolve(next(entry.target for entry in REGISTRY if entry.name == name))


def _open(path: Path, options: dict[str, Any], name: str) -> Source:
    stream = _reader(name).open(path, {**options, "wanted": _COLUMNS})

    def blocks() -> Iterator[Block]:
        some = False
        for ids, time, write, _ in stream.blocks():
            if len(ids) and int(ids.max()) >> 63:
                raise InputError(f"{path}: id {int(ids.max())} cannot be a page number: expected ids below 2^63")
            if len(ids):
                some = True
                yield (
                    np.zeros(len(ids), np.int64) if time is None else time,
                    np.zeros(len(ids), np.uint8) if write is None else write,
                    ids.view(np.int64),
                )
        if not some:
            raise InputError(f"{path}: there is no access in this file")

    return Source(blocks, "ns" if "time" in stream.columns else "none", 0)


def _sniff(head: bytes, name: str) -> bool:
    return bool(_reader(name).sniff(head))


LIRS, ORACLE_GENERAL, CACHE2K = (Reader(partial(_sniff, name=name), partial(_open, name=name)) for name in NAMES)
