"""Lifetimes: from a sequence of compressed sizes to operations on an allocator, by a rule that says when objects come and go.

A lifetime is a function `build(options, sizes, seed) -> Ops`.  The i-th object stored takes the i-th size; when the sizes are used up, they
begin again.  Objects are numbered in the order in which they are stored, and never twice.  Nothing here knows an allocator, so all
of them get the same operations.

What is stored at all is decided before (`stored`), as the kernel's callers do: a same-filled page is remembered without an object.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int32, int64, types, uint8

from models.allocators.drive import ALLOC, FREE
from models.errors import InputError
from models.jit import compiled

Codes = types.Array(uint8, 1, "C")
Ids = types.Array(int32, 1, "C")
Places = types.Array(int64, 1, "C")


class Ops(NamedTuple):
    """Operations, as models.allocators.drive takes them.

    op     uint8[n]: ALLOC or FREE
    ident  int32[n]: the object's number
    arg    int64[n]: bytes of an ALLOC
    marks  name -> number of operations done there: moments that deserve figures of their own
    """

    op: np.ndarray
    ident: np.ndarray
    arg: np.ndarray
    marks: dict[str, int] = {}


class Stored(NamedTuple):
    """Sizes that are offered to an allocator, and what its caller keeps from it.

    sizes  int32[n], each from 1 to the page size;  same_filled, too_large: rows left out
    """

    sizes: np.ndarray
    same_filled: int
    too_large: int


def stored(rows: np.ndarray, page_size: int, header: int = 0, largest: int | None = None, same_size: int | None = None) -> Stored:
    """What a caller offers of pages with these compressed sizes (0 = same-filled, page_size or more = incompressible).

    Same-filled pages are left out, unless `same_size` says how large the compressor makes them.  `header` is added to each.
    Above `largest` the caller refuses and the page is left out; without that limit whatever is larger than a page is offered as a
    raw page.
    """
    same = rows == 0
    sizes = np.where(same, same_size or 0, rows).astype(np.int64)
    kept = sizes[sizes > 0] + header
    limit = page_size if largest is None else largest
    fits = kept <= limit if largest is not None else np.ones(len(kept), bool)
    return Stored(np.minimum(kept[fits], page_size).astype(np.int32), 0 if same_size else int(same.sum()), int((~fits).sum()))


def with_sizes(op: np.ndarray, ident: np.ndarray, sizes: np.ndarray, marks: dict[str, int] | None = None) -> Ops:
    """The operations with a size for each ALLOC, in order."""
    arg = np.zeros(len(op), np.int64)
    allocs = op == ALLOC
    arg[allocs] = np.resize(sizes, int(allocs.sum()))
    return Ops(op, ident, arg, marks or {})


def needs(condition: bool, what: str) -> None:
    """InputError unless the settings make sense together."""
    if not condition:
        raise InputError(what)


def fill(live: int) -> tuple[np.ndarray, np.ndarray]:
    """Objects 0 to live - 1, stored."""
    return np.full(live, ALLOC, np.uint8), np.arange(live, dtype=np.int32)


@compiled(int64(Places, Ids, Codes, Ids, int64, int64))
def replace(victims, slots, op, ident, at, newest):
    """For each victim (a place in `slots`): free what is there, store object `newest` in its place; returns the next object's number.

    op, ident are written from index `at` on, two entries a victim.
    """
    for i in range(victims.shape[0]):
        place = victims[i]
        op[at] = FREE
        ident[at] = slots[place]
        op[at + 1] = ALLOC
        ident[at + 1] = newest
        slots[place] = newest
        newest += 1
        at += 2
    return newest


def filled_then_replaced(live: int, victims: np.ndarray, frees: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(op, ident, slots): fill, replace each victim in turn, and room for `frees` operations at the end; slots[place] = object there."""
    op = np.full(live + 2 * len(victims) + frees, FREE, np.uint8)
    ident = np.zeros(len(op), np.int32)
    op[:live], ident[:live] = fill(live)
    slots = np.arange(live, dtype=np.int32)
    replace(victims, slots, op, ident, live, live)
    return op, ident, slots
