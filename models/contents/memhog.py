"""The page contents of the measured guests' load generator, byte for byte, really compressed (ground truth, docs/validate.md).

Page p is of class k (`kdist`: thousandths and bytes), drawn from its own number.  Mode 0: k random bytes, then zeros; mode 1: k/64
random bytes in each line of 64; mode 2: words from a dictionary of k/8 words of the page's own.  k = 0 is a page of zeros.  A later write
changes its first word only, which moves no size by more than a byte or two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import int64, types, uint64, void

from models.compressors.compressor import Compressor
from models.contents.pages import must_compress, page_bytes
from models.contents.rows import ContentContext, Rows
from models.errors import InputError
from models.jit import compiled

PAGE, WORDS = 4096, 512
Words = types.Array(uint64, 1, "C")
Ints = types.Array(int64, 1, "C")


@compiled(uint64(uint64))
def mix64(z):
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return z ^ (z >> uint64(31))


@compiled(uint64(uint64, uint64))
def output(seed, n):
    """The n-th output of splitmix64."""
    return mix64(seed + (n + uint64(1)) * uint64(0x9E3779B97F4A7C15))


@compiled(int64(uint64, uint64, Ints, Ints))
def class_of(base, p, weight, size):
    """The class of page p: the first whose cumulative weight is above the page's draw in [0, 1000)."""
    x = int64(((output(base ^ uint64(0xA5A5A5A5), p) >> uint64(32)) * uint64(1000)) >> uint64(32))
    total = 0
    for i in range(len(weight)):
        total += weight[i]
        if x < total:
            return size[i]
    return size[len(size) - 1]


@compiled(void(uint64, uint64, int64, int64, Words))
def fill(base, p, k, mode, out):
    """Write page p of class k."""
    seed = base + p * uint64(0xD1342543DE82EF95)
    line = k // 64
    for j in range(WORDS):
        r = output(seed, uint64(j))
        if mode == 0:
            out[j] = r if j < k // 8 else uint64(0)
        elif mode == 1:
            at = (j & 7) * 8
            if at + 8 <= line:
                out[j] = r
            elif at < line:
                out[j] = r & ((uint64(1) << uint64(8 * (line % 8))) - uint64(1))
            else:
                out[j] = 0
        else:
            word = ((r >> uint64(32)) * uint64(max(1, k // 8))) >> uint64(32)
            out[j] = output(seed, uint64(4096) + word)


def parse_classes(text: str) -> tuple[np.ndarray, np.ndarray]:
    """(weights, bytes) int64 of `100:0,900:2048`.  Raises InputError."""
    try:
        pairs = [tuple(map(int, part.split(":"))) for part in text.split(",")]
        weights, sizes = zip(*pairs, strict=True)
    except (ValueError, TypeError):
        raise InputError(f"contents memhog-pages: kdist {text!r}; expected WEIGHT:BYTES,... as in 100:0,900:2048") from None
    if sum(weights) != 1000 or min(weights) < 0 or min(sizes) < 0 or max(sizes) > PAGE:
        raise InputError(f"contents memhog-pages: kdist {text!r}; the weights must add up to 1000, the bytes be 0 to {PAGE}")
    return np.array(weights, np.int64), np.array(sizes, np.int64)


def pages(mode: int, kdist: str, seed: int, count: int) -> Any:
    """uint64[512] of each of the first `count` pages, one after another; the array is reused."""
    weight, size = parse_classes(kdist)
    base = mix64(np.uint64(seed))
    out = np.zeros(WORDS, np.uint64)
    for p in range(count):
        fill(base, p, class_of(base, p, weight, size), mode, out)
        yield out


@lru_cache(maxsize=4)
def _sizes(mode: int, kdist: str, seed: int, count: int, compressor: Compressor) -> np.ndarray:
    sizes = np.zeros(count, np.int32)
    for p, words in enumerate(pages(mode, kdist, seed, count)):
        sizes[p] = page_bytes(words.tobytes(), compressor)
    return sizes


def build(options: dict[str, Any], context: ContentContext) -> Rows:
    """Rows of `rows` pages; a written page keeps its row.  Raises InputError for other pages than 4 KiB."""
    compressor = context.compressor
    must_compress("memhog-pages", compressor)
    if context.page_size != PAGE:
        raise InputError(f"contents memhog-pages: they are made for pages of {PAGE} bytes; machine.page_size is {context.page_size}")
    sizes = _sizes(options["cmode"], options["kdist"], options["cseed"], options["rows"], compressor)
    return Rows(sizes, compressor.same_size(PAGE), f"memhog {options['kdist']}, compressed with {compressor.name}", 1, 0)
