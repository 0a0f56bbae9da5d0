"""What a reader of block I/O traces gives, whatever the format.

A reader is one file with a READER and one line in registry.py.  Files may be packed (see models/workloads/readers/source.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MINOR_BITS = 20  # a device is a number below 2^20, or major:minor as Linux packs them
LARGEST_REQUEST = (1 << 32) - 1  # bytes; the block layer counts a request's bytes in 32 bits


class Requests(NamedTuple):
    """Requests in the order of the trace, int64[n] each, write uint8[n].

    time    ns, never falling (0 where the trace has no times)
    write   1 write, 0 read
    device  number
    offset  byte on the device
    size    bytes, 1 or more; offset + size is at most the reader's `limit`
    """

    time: np.ndarray
    write: np.ndarray
    device: np.ndarray
    offset: np.ndarray
    size: np.ndarray


class Stream(NamedTuple):
    """One trace, opened.

    blocks  called for each pass over the file; yields Requests in order; raises InputError with file:line
    timed   whether it has times
    """

    blocks: Callable[[], Iterator[Requests]]
    timed: bool


class Reader(NamedTuple):
    """sniff(head, options) says whether bytes at the start (decompressed) are this format; open(path, options) -> Stream.

    options: columns (list or None), time_unit, sector_size, backwards (ns), limit (bytes of a device), limit_is (what sets the limit,
    for messages); skipped: a Skipped (readers/source.py) where bad records are to be left out and counted.
    """

    sniff: Callable[[bytes, dict[str, Any]], bool]
    open: Callable[[Path, dict[str, Any]], Stream]


def device_name(device: int) -> str:
    """`dev3`, or `dev8:16` for a major and minor number."""
    major, minor = device >> MINOR_BITS, device & (1 << MINOR_BITS) - 1
    return f"dev{major}:{minor}" if major else f"dev{minor}"
