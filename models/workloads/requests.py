"""Requests on ranges of bytes as the system calls on whole pages of the op stream.

A read covers every page that it touches.  A write that begins or ends inside a page becomes up to three calls (first page, whole
pages, last page), since only a page written in part has to be read first (pagecache.md C.1: Linux decides page by page).
"""

from __future__ import annotations

import numpy as np

from models.workloads.stream import COUNT_BITS, FREAD, FWRITE, PARTIAL, call

MOST_PAGES = 1 << COUNT_BITS  # in one call


def _cut(write: np.ndarray, offset: np.ndarray, size: np.ndarray, page_size: int) -> tuple[np.ndarray, ...]:
    """(first page, whole or read pages between head and tail, head, tail); head and tail are 1 where that page is written in part."""
    end = offset + size
    first = offset // page_size
    pages = (end - 1) // page_size - first + 1
    written = write != 0
    head, tail = written & (offset % page_size != 0), written & (end % page_size != 0)
    head |= tail & (pages == 1)
    tail &= pages > 1
    return first, pages - head - tail, head.astype(np.int64), tail.astype(np.int64)


def count_calls(write: np.ndarray, offset: np.ndarray, size: np.ndarray, page_size: int) -> int:
    """How many calls `calls` makes."""
    _, between, head, tail = _cut(write, offset, size, page_size)
    return int((head + tail - (-between // MOST_PAGES)).sum())


def calls(
    write: np.ndarray, offset: np.ndarray, size: np.ndarray, page_size: int, base: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(op uint8[k], page int64[k], last int64[n]): the calls of n requests in order, and the position of each request's last one.

    write is 0 or 1; offset and size (1 or more) in bytes of the file; base: the file's first file page.
    """
    first, between, head, tail = _cut(write, offset, size, page_size)
    first = first + base
    pieces = head + tail - (-between // MOST_PAGES)
    last = np.cumsum(pieces) - 1
    kind = np.where(write != 0, FWRITE, FREAD).astype(np.uint8)
    if len(pieces) == 0 or int(pieces.max()) == 1:
        return kind, call(first, between + head) | head * PARTIAL, last
    request = np.repeat(np.arange(len(pieces)), pieces)
    nth = np.arange(len(request)) - (last - pieces + 1)[request]
    in_head, in_tail = nth < head[request], (nth == pieces[request] - 1) & (tail[request] > 0)
    done = np.where(in_head, 0, (nth - head[request]) * MOST_PAGES)  # whole pages of the calls before
    page = first[request] + np.where(in_head, 0, head[request] + done)
    page = np.where(in_tail, (first + head + between)[request], page)
    pages = np.where(in_head | in_tail, 1, np.minimum(between[request] - done, MOST_PAGES))
    return kind[request], call(page, pages) | (in_head | in_tail) * PARTIAL, last
