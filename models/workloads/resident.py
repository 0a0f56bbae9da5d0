"""Anonymous memory that the machine holds from its start and nobody uses: what runs there besides the workloads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from models.errors import InputError
from models.workloads.program import to_pages
from models.workloads.stream import Chunk, Context, Process, Program, Resident


def build(options: dict[str, Any], context: Context) -> Program:
    """One process that never runs.  Raises InputError if it has no memory at all."""
    parts = Resident(*(to_pages(options[name], context.page_size) for name in Resident._fields))
    if not sum(parts):
        raise InputError(f"workload resident: it holds no memory; set one of {', '.join(Resident._fields)}")

    def chunks() -> Iterator[Chunk]:
        return iter(())

    return Program((Process("resident", sum(parts), chunks, 0, resident=parts),))
