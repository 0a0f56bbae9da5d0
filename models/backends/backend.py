"""The backend contract: what stands between swap-out and the swap device (frontswap's contract).

A backend may refuse any store; what it has stored it must give back until it is invalidated.  It charges its own CPU time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class BackendSetup(NamedTuple):
    """What a backend's factory may know of the machine.

    page_size  bytes; total_pages: managed pages of the VM; slots: swap slots of the device
    """

    page_size: int
    total_pages: int
    slots: int


class BackendArrays(NamedTuple):
    """What `create` returns: table int32 2-D and num int64[] for the structref."""

    table: np.ndarray
    num: np.ndarray


def no_clean_cache(options: dict[str, Any]) -> None:
    """`clean_part` of a backend that takes no clean pages."""


class BackendModule(NamedTuple):
    """What a backend module offers.

    create(setup, options) -> BackendArrays      plain Python; options in model units, nested groups as mappings
    pool_part(options) -> (allocator, compressor) parts of the configuration, or None if it has no pool
    store(backend, pages, slot, size) -> 1 stored, 0 refused    size: compressed bytes; negative: same-filled, of -size bytes
                                                 both note E_POOL_ALLOC and E_POOL_FREE for what the pool sees
    load(backend, pages, slot) -> bytes, or -1 if absent        keeps the copy
    invalidate(backend, pages, slot) -> 1 if there was a copy
    counters(num) -> dict of name: value, the original's own names

    reclaimers_pool: its pool's pages are asked for without a mark once the low marks are missed, as a reclaimer may (zswap, zram)

    And cleancache's part, which a backend without one leaves as it is (models/backends/clean.py):
    clean_part(options) -> (allocator, compressor) of the clean cache, or None
    put(backend, pages, page, size) -> 1 stored, 0 not          a clean page of a file leaves memory; page: file page
    get(backend, pages, page) -> bytes, or -1 if absent         removes the copy
    flush(backend, pages, page) -> 1 if there was a copy
    flush_file(backend, pages, file) -> copies dropped
    shrink(backend, pages, n) -> pages the clean cache holds afterwards, or -1: evict n pages, as its shrinker is told
    """

    create: Callable[[BackendSetup, dict[str, Any]], BackendArrays]
    pool_part: Callable[[dict[str, Any]], tuple[Any, Any] | None]
    store: Any
    load: Any
    invalidate: Any
    counters: Callable[[np.ndarray], dict[str, int]]
    clean_part: Callable[[dict[str, Any]], tuple[Any, Any] | None] = no_clean_cache
    put: Any = None
    get: Any = None
    flush: Any = None
    flush_file: Any = None
    shrink: Any = None
    reclaimers_pool: bool = False


# num: scalars that every backend keeps (int64)
STORED_PAGES = 0  # pages held now
STORES, REFUSED, LOADS, INVALIDATES = 1, 2, 3, 4  # frontswap's succ_stores, failed_stores, loads, invalidates
FIRST_OWN = 16
