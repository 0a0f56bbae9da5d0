"""Raw deflate with a window of 4 KiB (zlib's -12), as compressed swap uses it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

from models.compressors.compressor import Compressor

WINDOW_BITS = -12


@cache
def _sizes(level: int) -> tuple[Callable[[bytes], int], Callable[[int], int]]:
    """(size_of, same_size) of a level: the same functions whenever it is asked for, so that what they made can be remembered."""

    def size_of(page: bytes) -> int:
        stream = zlib.compressobj(level, zlib.DEFLATED, WINDOW_BITS)
        return len(stream.compress(page)) + len(stream.flush())

    def same_size(page_size: int) -> int:
        return size_of(b"\1" * page_size)

    return size_of, same_size


def build(options: dict[str, Any]) -> Compressor:
    """The compressor at options `level`, with times in ns a 4 KiB page from `compress_time` and `decompress_time`."""
    level = options["level"]
    size_of, same_size = _sizes(level)
    return Compressor("deflate", size_of, same_size, options["compress_time"], options["decompress_time"], f"deflate{level}")
