"""Page contents as compressed sizes: what a page and its version are worth to a compressor.

Compression happens before the run.  A content is a table of rows; page p at version v picks row
(p + v * STRIDE) mod rows, so neighbouring pages keep neighbouring rows (real neighbours are strongly correlated) and a
write moves the page on to another row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

STRIDE = 7919  # rows between two versions of a page: far enough to be another part of the table


class Rows(NamedTuple):
    """Compressed sizes for one compressor.

    sizes      int32[rows], bytes; 0 = the page is one word repeated (same-filled); page_size or more = incompressible
    same_size  bytes the compressor makes of a same-filled page (for backends that do not look for them)
    note       one line: where the rows come from
    """

    sizes: np.ndarray
    same_size: int
    note: str
