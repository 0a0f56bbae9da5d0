"""Objects that are larger than a page, as the pages that they take: `mempress cache --page-size BYTES`."""

from __future__ import annotations

import numpy as np

from sim.cachesim.trace import Trace
from sim.errors import UserError

_MOST = 1 << 31


def in_pages(trace: Trace, page_bytes: int) -> Trace:
    """Each request as one for every page of its object, in order; an object has as many pages as its largest request says.

    size: bytes of the request that lie in the page;  keys: id * 2^20 + page, modulo 2^64, only to tell neighbours.  UserError if the trace
    has no sizes, or would become too long.
    """
    if trace.size is None:
        raise UserError(f"--page-size: {trace.name} has no sizes ({trace.format}); without this setting each id is a page")
    pages = np.maximum(-(-trace.size // page_bytes), 1)
    total = int(pages.sum(dtype=np.float64))
    if total >= _MOST:
        raise UserError(f"--page-size: {total} requests for pages of {page_bytes} bytes; at most 2^31 - 1 can be simulated")
    most = np.ones(trace.distinct, np.int64)
    np.maximum.at(most, trace.ids, pages)
    first = np.concatenate(([0], np.cumsum(most)))
    request = np.repeat(np.arange(len(pages)), pages)
    within = np.arange(total) - np.repeat(np.cumsum(pages) - pages, pages)
    ids = (first[trace.ids[request]] + within).astype(np.int32)
    size = np.minimum(trace.size[request] - within * page_bytes, page_bytes)
    return trace._replace(
        ids=ids,
        distinct=int(first[-1]),
        keys=None if trace.keys is None else _keys(trace.keys, most),
        time=None if trace.time is None else trace.time[request],
        write=None if trace.write is None else trace.write[request],
        size=size,
    )


def _keys(keys: np.ndarray, pages: np.ndarray) -> np.ndarray:
    """uint64 of every page."""
    within = np.arange(int(pages.sum())) - np.repeat(np.cumsum(pages) - pages, pages)
    found: np.ndarray = (np.repeat(keys, pages) << np.uint64(20)) + within.astype(np.uint64)
    return found
