"""Linux's LZO: lzo (LZO1X-1) and lzo-rle.  No public library makes the same bytes, so their sizes are worked out (lzo_size.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from models.compressors.compressor import Compressor

# Mean LZO size / LZ4 size where LZ4 makes 0, 128, 256 ... 4096 bytes of a page, for tables that have only LZ4's sizes.  From the pages of
# the six measured programs (models/contents/data), compressed by Linux 6.18 with both; docs/compressors.md says how well that serves.
STEP = 128
# fmt: off
OF_LZ4 = {
    "lzo": (1.360, 1.188, 1.018, 0.959, 0.947, 0.944, 0.940, 0.919, 0.900, 0.884, 0.897, 0.922, 0.901, 0.895, 0.920, 0.953, 0.926,
            0.937, 0.979, 0.981, 0.959, 0.965, 0.954, 0.908, 0.863, 0.867, 0.886, 0.905, 0.924, 0.943, 0.962, 0.981, 1.000),
    "lzo-rle": (1.272, 1.141, 1.019, 0.983, 0.964, 0.952, 0.950, 0.935, 0.920, 0.915, 0.928, 0.942, 0.929, 0.928, 0.939, 0.967, 0.934,
                0.945, 0.983, 0.984, 0.965, 0.974, 0.961, 0.913, 0.864, 0.868, 0.886, 0.905, 0.924, 0.943, 0.962, 0.981, 1.000),
}
# fmt: on


def from_lz4(column: str, sizes: np.ndarray) -> np.ndarray:
    """Sizes of LZO (`column` lzo or lzo-rle) for 4 KiB pages of which LZ4 makes `sizes` bytes; 0 and 4096 stay."""
    ratio = np.interp(sizes, np.arange(len(OF_LZ4[column])) * STEP, OF_LZ4[column])
    return np.minimum(np.rint(sizes * ratio), len(OF_LZ4[column]) * STEP - STEP).astype(sizes.dtype)


@cache
def _size_of(runs: bool) -> Callable[[bytes], int]:
    """size_of, compiled at first use, so that measured tables do not wait for it; one function, so that what it made can be remembered."""
    made: list[Any] = []

    def size_of(page: bytes) -> int:
        if not made:
            from models.compressors.lzo_size import HASH_BITS, stream_bytes

            made.extend((stream_bytes, np.zeros(1 << HASH_BITS, np.int32)))
        return int(made[0](np.frombuffer(page, np.uint8), made[1], runs))

    return size_of


@cache
def _same_size(runs: bool) -> Callable[[int], int]:
    def same_size(page_size: int) -> int:
        return _size_of(runs)(b"\1" * page_size)

    return same_size


def _same_size_2011(page_size: int) -> int:
    """Of a page of one word: one copy up to its last byte, whose length takes a byte for every 255."""
    return 11 + page_size // 255


def _made(name: str, column: str, options: dict[str, Any], same_size: Callable[[int], int]) -> Compressor:
    return Compressor(name, _size_of(column == "lzo-rle"), same_size, options["compress_time"], options["decompress_time"], column, True)


def build(options: dict[str, Any]) -> Compressor:
    """lzo, with times in ns a 4 KiB page from options `compress_time` and `decompress_time`."""
    return _made("lzo", "lzo", options, _same_size(False))


def build_rle(options: dict[str, Any]) -> Compressor:
    """lzo-rle, options as for lzo."""
    return _made("lzo-rle", "lzo-rle", options, _same_size(True))


def build_2011(options: dict[str, Any]) -> Compressor:
    """lzo1x, options as for lzo."""
    return _made("lzo1x", "lzo", options, _same_size_2011)
