"""What a compressor is to the rest: a name, a real compressing function where we have one, and what it costs.

Compression happens before the run (models/contents); in the run only the times count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

TIMED_PAGE = 4096  # the times of the options are for a page of this size


class Compressor(NamedTuple):
    """One compressor with its settings.

    name           as in the configuration
    size_of        bytes of one compressed page, for real bytes; None where only measured tables exist
    same_size      bytes made of a same-filled page of the given size, for backends that do not look for such pages
    compress_ns    time to compress a 4 KiB page, nanoseconds
    decompress_ns  time to decompress a 4 KiB page, nanoseconds
    column         its name in tables of measured sizes
    grows          whether it answers with more than a page where it cannot compress one; others give up
    """

    name: str
    size_of: Callable[[bytes], int] | None
    same_size: Callable[[int], int]
    compress_ns: int
    decompress_ns: int
    column: str
    grows: bool = False

    def times(self, page_size: int) -> tuple[int, int]:
        """Nanoseconds to compress and to decompress one page of page_size bytes."""
        return self.compress_ns * page_size // TIMED_PAGE, self.decompress_ns * page_size // TIMED_PAGE
