"""Zstandard at a given level, from libzstd (the optional `zstandard` package)."""

from __future__ import annotations

from functools import cache
from typing import Any

from models.compressors.compressor import Compressor
from models.errors import InputError


@cache
def _size_of(level: int) -> Any:
    """size_of for one level, made at first use, so that measured tables need no package."""
    made: list[Any] = []

    def size_of(page: bytes) -> int:
        if not made:
            try:
                import zstandard
            except ImportError:
                raise InputError("compressor zstd: the package zstandard is not installed (pip install 'mempress[zstd]')") from None
            made.append(zstandard.ZstdCompressor(level=level, write_content_size=False, write_checksum=False))
        return len(made[0].compress(page))

    return size_of


def build(options: dict[str, Any]) -> Compressor:
    """The compressor at options `level`, with times in ns a 4 KiB page from `compress_time` and `decompress_time`."""
    level = options["level"]
    return Compressor("zstd", _size_of(level), _same_size, options["compress_time"], options["decompress_time"], f"zstd{level}")


def _same_size(page_size: int) -> int:
    return 18  # measured: one repeat block, whatever its length
