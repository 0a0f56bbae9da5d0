"""From bytes to rows: cutting into pages, real compression, same-filled pages; what corpus and synthetic share."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models.compressors.compressor import Compressor
from models.errors import InputError


def same_filled(page: bytes) -> bool:
    """True if the page is one machine word (8 bytes) repeated."""
    return page == page[:8] * (len(page) // 8)


def page_sizes(pages: Iterable[bytes], compressor: Compressor) -> np.ndarray:
    """int32[n]: `page_bytes` of each page."""
    return np.array([page_bytes(page, compressor) for page in pages], np.int32)


def page_bytes(page: bytes, compressor: Compressor) -> int:
    """Compressed bytes of a page: 0 = same-filled, the page's own size (LZO: what it made, which is more) = incompressible."""
    assert compressor.size_of is not None
    if same_filled(page):
        return 0
    made = compressor.size_of(page)
    return made if compressor.grows else min(made, len(page))


def must_compress(kind: str, compressor: Compressor) -> None:
    """Raise InputError if there is no real compressor, only measured sizes."""
    if compressor.size_of is None:
        raise InputError(
            f"contents {kind}: {compressor.name} has measured tables only, it cannot compress bytes here; "
            f"use contents measured (a table with a column {compressor.column}), or compressor lz4, zstd or deflate"
        )
