"""Linux's LZO: lzo (LZO1X-1) and lzo-rle.  No public library makes the same bytes, so their sizes come from measured tables only."""

from __future__ import annotations

from typing import Any

from models.compressors.compressor import Compressor


def same_size(page_size: int) -> int:
    """Bytes made of a page of one repeated word: one long match, whose length takes a byte for every 255."""
    return 11 + page_size // 255


def build(options: dict[str, Any]) -> Compressor:
    """lzo, with times in ns a 4 KiB page from options `compress_time` and `decompress_time`."""
    return Compressor("lzo", None, same_size, options["compress_time"], options["decompress_time"], "lzo")


def build_rle(options: dict[str, Any]) -> Compressor:
    """lzo-rle, options as for lzo."""
    return Compressor("lzo-rle", None, same_size, options["compress_time"], options["decompress_time"], "lzo-rle")
