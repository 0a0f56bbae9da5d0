"""A masim configuration file as the trace that it makes: see models/workloads/masim.py.

An access takes 100 ns, or `think` of a `trace` workload.  The draws are the same at every reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.workloads import masim
from models.workloads.readers.source import Block, Reader, Source, first_lines

_CONTROL = bytes(range(9)) + bytes(range(14, 32)) + bytes(range(127, 256))
_SEED = np.uint64(1)
_THINK = 100  # ns
_PAGE = 4096


def _sniff(data: bytes) -> bool:
    """A first paragraph of nothing but regions, and an empty line or the end behind it."""
    rows = [line.strip() for line in first_lines(data) if not line.startswith("#")]
    while rows and not rows[0]:
        rows = rows[1:]
    if "" not in rows or data.translate(None, _CONTROL) != data:
        return False
    regions = [[field.strip() for field in line.split(",")] for line in rows[: rows.index("")]]
    behind = [line for line in rows[rows.index("") :] if line]
    return (
        all(len(region) in (2, 3) and region[1].isdigit() and not region[0].isdigit() for region in regions)
        and len(behind) > 1
        and behind[1].isdigit()
    )


def _open(path: Path, options: dict[str, Any]) -> Source:
    think = max(1, options.get("think", _THINK))
    spec = masim.read(path, options.get("skipped"))

    def blocks() -> Iterator[Block]:
        done = 0
        for write, page in masim.pages(spec, _SEED, think, masim.BATCH, _PAGE):
            yield np.arange(done, done + len(page), dtype=np.int64) * think, write, page
            done += len(page)

    return Source(blocks, "ns", _PAGE)


READER = Reader(_sniff, _open)
