"""The tally of an allocator whose whole pages are either in use or given back: what each operation does to the numbers of pool.py."""

from __future__ import annotations

from models.allocators.pool import (
    COPIED,
    FREE_BYTES,
    LOST_INSIDE,
    META_INSIDE,
    OBJECTS,
    OP_COPIED,
    OP_WALKED,
    PAGE_SIZE,
    PAGES_RETURNED,
    PAGES_TAKEN,
    PAYLOAD,
    POOL_PAGES,
    WALKED,
)
from models.jit import inlined


@inlined
def start_operation(num):
    """Nothing looked at, nothing copied yet."""
    num[OP_WALKED] = 0
    num[OP_COPIED] = 0


@inlined
def count_copy(num, size):
    """So many bytes were copied."""
    num[OP_COPIED] += size
    num[COPIED] += size


@inlined
def count_store(num, size):
    """An object has come, and was copied into the pool."""
    num[OBJECTS] += 1
    num[PAYLOAD] += size
    count_copy(num, size)


@inlined
def count_free(num, size):
    """An object has gone."""
    num[OBJECTS] -= 1
    num[PAYLOAD] -= size


@inlined
def settle(num):
    """At the end of an operation: the numbers that follow from the others."""
    pages = num[PAGES_TAKEN] - num[PAGES_RETURNED]
    num[POOL_PAGES] = pages
    num[FREE_BYTES] = pages * num[PAGE_SIZE] - num[PAYLOAD] - num[META_INSIDE] - num[LOST_INSIDE]
    num[WALKED] += num[OP_WALKED]
