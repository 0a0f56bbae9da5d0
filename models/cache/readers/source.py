"""What a reader of reference strings gives; and the ids of a trace numbered densely.

A reader is one file with a READER and one line in registry.py.  Compressed files: models.workloads.readers.source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import int32, int64, types, uint64

from models.errors import InputError
from models.jit import compiled

Wide = types.Array(uint64, 1, "C", readonly=True)
Keys = types.Array(uint64, 1, "C")
Slots = types.Array(int32, 1, "C")
MOST_PAGES = 1 << 30  # pages are int32, and a table twice as long finds them


class Objects(NamedTuple):
    """A block of references: ids uint64[n]; time int64[n] in ns, never falling; write uint8[n]; size int64[n] in bytes.

    The last three are None where the format has none of them, or they were not asked for.
    """

    ids: np.ndarray
    time: np.ndarray | None = None
    write: np.ndarray | None = None
    size: np.ndarray | None = None


class Stream(NamedTuple):
    """One trace, opened: which of time, write and size it has, and blocks(), of Objects; raises InputError with file:line or offset."""

    columns: frozenset[str]
    blocks: Callable[[], Iterator[Objects]]


class Reader(NamedTuple):
    """sniff(head) says whether bytes at the start (decompressed) are this format; open(path, options) gives a Stream.

    options: wanted, the columns that are asked for (none: no time is spent on them); columns, time_unit, backwards (CSV);
    skipped: a Skipped where bad records are to be left out and counted.  All may be missing.
    """

    sniff: Callable[[bytes], bool]
    open: Callable[[Path, dict[str, Any]], Stream]


@compiled(int64(Wide, Keys, Slots, int64, Slots))
def number(ids, keys, slots, known, out):
    """Number ids in the order in which they first come; gives how many are known, or -1 - index where there is no room for a new one.

    keys   ids by number;  slots: number + 1 at the id's hash or behind it, 0 is empty; a power of two long
    """
    mask = uint64(len(slots) - 1)
    for i in range(len(ids)):
        key = ids[i]
        at = (key * uint64(0x9E3779B97F4A7C15) >> uint64(20)) & mask
        while slots[at] and keys[slots[at] - 1] != key:
            at = (at + uint64(1)) & mask
        if slots[at] == 0:
            if known == len(keys):
                return int64(-1 - i)
            keys[known] = key
            known += 1
            slots[at] = known
        out[i] = slots[at] - 1
    return int64(known)


class Dense:
    """Numbers ids densely, 0, 1, ... in the order in which they first come."""

    def __init__(self, room: int = 1 << 12) -> None:
        self.known = 0
        self.keys = np.empty(room, np.uint64)
        self.slots = np.zeros(2 * room, np.int32)

    def add(self, ids: np.ndarray) -> np.ndarray:
        """The numbers of these ids."""
        out = np.empty(len(ids), np.int32)
        begin = 0
        while True:
            known = int(number(ids[begin:], self.keys, self.slots, self.known, out[begin:]))
            if known >= 0:
                self.known = known
                return out
            begin -= known + 1
            self.known = len(self.keys)
            self._grow()

    def _grow(self) -> None:
        room = 2 * len(self.keys)
        if room > MOST_PAGES:
            raise InputError(f"the trace has more than {MOST_PAGES // 2} distinct ids, more than can be numbered")
        keys = self.keys
        self.keys, self.slots = np.empty(room, np.uint64), np.zeros(2 * room, np.int32)
        number(keys, self.keys, self.slots, 0, np.empty(len(keys), np.int32))
