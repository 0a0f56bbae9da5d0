"""How many bytes LZO1X-1 and LZO-RLE make of a page, without making them.

Written from the published description of the stream (Linux Documentation/staging/lzo.rst): instructions of copies and of literals, each
with the bytes that it takes.  Which copies a compressor finds is not part of the format.  The search here is the usual one of fast
LZ77: the last place of each hash of four bytes, strides that grow with the distance from the last copy, no second thoughts.  Its
constants are usual ones, kept where zram of Linux 6.18 made the same sizes of the same bytes and neighbouring values did not
(docs/compressors.md has the trial).  No source of LZO was read for it.
"""

from __future__ import annotations

import numpy as np
from numba import boolean, int64, types

from models.jit import compiled

Bytes = types.Array(types.uint8, 1, "C", readonly=True)
Places = types.Array(types.int32, 1, "C")

HASH_BITS = 13  # 16 KiB of 16-bit places, the size of the kernel's work area
SPREAD = 0x9E3779B1  # an odd number near 2^32 / golden ratio, to mix four bytes
STRIDE_SHIFT = 5  # a stride is 1 + literals since the last copy / 32
END = 3  # the instruction that ends a stream
FIRST = 5  # first place searched: a stream begins with at least 4 literals
SHORT_STREAM = 238
TAIL = 20  # last bytes of a block, not searched
LEAST_COPY, SHORT_COPY, MIDDLE_COPY = 4, 8, 33  # the shortest looked for; longest in two bytes; longest in three
NEAR, MIDDLE, FAR = 0x800, 0x4000, 0xBFFF  # distances of two-byte copies, three-byte copies, and the largest there is
LEAST_RUN, MOST_RUN = 4, 2051  # zeros of one run instruction


@compiled(int64(int64))
def _more_bytes(left: int) -> int:
    """Bytes of a length that does not fit in its instruction: one for each 255 of the rest, and a last one that is not zero."""
    return (left - 1) // 255 + 1


@compiled(int64(int64))
def _literal_bytes(count: int) -> int:
    """Bytes of an instruction of `count` literals, with them; up to 3 hide in the copy before."""
    if count <= 3:
        return count
    return count + (1 if count <= 18 else 1 + _more_bytes(count - 18))


@compiled(int64(int64, int64))
def _copy_bytes(length: int, distance: int) -> int:
    """Bytes of an instruction that copies `length` bytes from `distance` back."""
    if length <= SHORT_COPY and distance <= NEAR:
        return 2
    most = MIDDLE_COPY if distance <= MIDDLE else 9
    return 3 if length <= most else 3 + _more_bytes(length - most)


@compiled(int64(Bytes, int64))
def _word(page: np.ndarray, at: int) -> int:
    """Four bytes as a number."""
    return int64(page[at]) | int64(page[at + 1]) << 8 | int64(page[at + 2]) << 16 | int64(page[at + 3]) << 24


@compiled(int64(Bytes, int64, int64, int64))
def _alike(page: np.ndarray, back: int, at: int, limit: int) -> int:
    """How many bytes from `at` on are those from `back` on.  Eight are compared at a time, so the last ones may lie behind `limit`."""
    n = 0
    while at + n < limit:
        for _ in range(8):
            if page[back + n] != page[at + n]:
                return n
            n += 1
    return n


@compiled(int64(Bytes, int64, int64))
def _zeros(page: np.ndarray, at: int, limit: int) -> int:
    """Zeros from `at` on, before `limit`, as far as one instruction reaches."""
    n = 0
    while at + n < limit and n < MOST_RUN and page[at + n] == 0:
        n += 1
    return n


@compiled(int64(Bytes, Places, boolean))
def stream_bytes(page: np.ndarray, places: np.ndarray, runs: bool) -> int:
    """Bytes of the stream made of `page`, uint8[n], n up to 64 KiB; `places` is room for 2^HASH_BITS places; `runs` is LZO-RLE.

    May be more than n: LZO does not give up on a page that does not compress.
    """
    places[:] = 0
    end, last = len(page), len(page) - TAIL
    out, literals = (2, 0) if runs else (0, 0)  # LZO-RLE begins with its version
    at = FIRST
    while at < last:
        word = _word(page, at)
        run = _zeros(page, at, last) if runs and word == 0 else 0
        back = at
        if run == 0:
            slot = ((word * SPREAD) & 0xFFFFFFFF) >> (32 - HASH_BITS)
            back = places[slot]
            places[slot] = at
            if at - back > FAR or _word(page, back) != word:
                at += 1 + ((at - literals) >> STRIDE_SHIFT)
                continue
        if at > literals:
            out += _literal_bytes(at - literals)
        if run:
            out += 4
            at += run
        else:
            length = LEAST_COPY + _alike(page, back + LEAST_COPY, at + LEAST_COPY, last)
            out += _copy_bytes(length, at - back)
            at += length
        literals = at
    if literals == 0 and end <= SHORT_STREAM:  # a stream of nothing but literals has an instruction of its own
        return out + 1 + end + END
    return out + _literal_bytes(end - literals) + END
