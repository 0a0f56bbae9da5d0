"""The microbenchmark that was proposed in 2011 and never published: every size from 1 byte to a page, alone in an empty pool."""

from __future__ import annotations

import numpy as np

from models.allocators import measure as driver
from models.allocators import pool as tally
from models.registry import resolve
from sim.bench.measure import check_tally, create_pool
from sim.bench.schema import Allocator

COLUMNS = ("size", "objects", "pages", "meta_outside", "walked", "walked_worst")


def measure_density(part: Allocator, page_size: int, objects: int, step: int = 1) -> list[list[int]]:
    """One list for each of COLUMNS: of every size, objects stored (0: refused), pages in use, metadata bytes outside, blocks looked at."""
    allocator = resolve(part.entry.target)
    rows: list[list[int]] = []
    out = np.zeros(2, np.int64)
    for size in range(step, page_size + 1, step):
        pool = create_pool(allocator, part.settings, page_size, objects)
        stored = int(driver.store_equal(pool.pool, allocator.alloc, size, objects, out))
        check_tally(allocator, pool, stored)
        num = pool.num
        rows.append([size, stored, int(num[tally.POOL_PAGES]), int(num[tally.META_OUTSIDE]), int(out[0]), int(out[1])])
    return [list(column) for column in zip(*rows, strict=True)]
