"""Page contents as compressed sizes: what a page and its version are worth to a compressor.

Compression happens before the run.  A content is a table of rows.  Two kinds share one rule for the row of page p (of its own
process, in machine pages) at version v (0 is the first content, and every write after a store moves on by one):

    row = min(v, versions - 1) * pages + (p + v * stride) mod pages        with pages = len(sizes) / versions

- rows of other programs (versions 1, stride STRIDE): neighbouring pages keep neighbouring rows, since real neighbours are strongly
  correlated, and a write moves the page on to another part of the table;
- the history of the pages of a recorded run (stride 0): version v of page p is the v-th different content which that very page was
  seen to have; after the last one it stays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.compressors.compressor import Compressor

STRIDE = 7919  # rows between two versions of a page: far enough to be another part of the table


class Rows(NamedTuple):
    """Compressed sizes for one compressor.

    sizes      int32[versions * pages], bytes; 0 = the page is one word repeated (same-filled); page_size or more = incompressible
    same_size  bytes the compressor makes of a same-filled page (for backends that do not look for them)
    note       one line: where the rows come from
    versions   contents known of each page, at least 1
    stride     rows between two versions where there is no history
    """

    sizes: np.ndarray
    same_size: int
    note: str
    versions: int = 1
    stride: int = STRIDE

    def row(self, page: int, version: int) -> int:
        """The row of a page at a version: the rule above, in the plainest form."""
        pages = len(self.sizes) // self.versions
        return min(version, self.versions - 1) * pages + (page + version * self.stride) % pages


class ContentContext(NamedTuple):
    """What a contents factory may know: `build(options, context) -> Rows`.

    page_size   bytes of a machine page
    seed        this content's own SeedSequence
    compressor  whose sizes are wanted
    """

    page_size: int
    seed: np.random.SeedSequence
    compressor: Compressor
