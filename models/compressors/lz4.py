"""LZ4's block format at default speed, from liblz4 (the `lz4` package); what Linux's crypto API calls lz4."""

from __future__ import annotations

from typing import Any

import lz4.block

from models.compressors.compressor import Compressor


def size_of(page: bytes) -> int:
    """Bytes of the compressed page."""
    return len(lz4.block.compress(page, mode="default", store_size=False))


def same_size(page_size: int) -> int:
    """Bytes made of a page of one repeated word."""
    return size_of(b"\1" * page_size)


def build(options: dict[str, Any]) -> Compressor:
    """The compressor with times in ns a 4 KiB page from options `compress_time` and `decompress_time`."""
    return Compressor("lz4", size_of, same_size, options["compress_time"], options["decompress_time"], "lz4")
