"""The backend contract: what stands between swap-out and the swap device (frontswap's contract).

A backend may refuse any store; what it has stored it must give back until it is invalidated.  It charges its own CPU time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class BackendSetup(NamedTuple):
    """What a backend's factory may know of the machine.

    page_size  bytes; total_pages: managed pages of the VM; slots: swap slots of all devices
    kernel     "6.1" or "6.12"; evicts: the pool's allocator can evict; huge_size: bytes from which an object is best stored uncompressed
    compress_ns, decompress_ns: a page by the backend's compressor; blocks: pages of its backing device
    """

    page_size: int
    total_pages: int
    slots: int
    kernel: str = "6.1"
    evicts: bool = False
    huge_size: int = 0
    compress_ns: int = 0
    decompress_ns: int = 0
    blocks: int = 0


class BackendArrays(NamedTuple):
    """What `create` returns: table int32 2-D and num int64[] for the structref, and what the backend needs of the machine.

    slabs        (bytes, place in num) of its own objects outside the pool
    any_mark     its pool's pages are taken by who reclaims, so from below the marks too
    compacts     the pool's compaction is a shrinker; shrinks: its entries have one (`entries`)
    blocks       int32 of each block of its backing device, 0 free
    table_pages  pages of its own that the kernel holds from the start
    synchronous  slots below this are read without swap cache and readahead
    """

    table: np.ndarray
    num: np.ndarray
    slabs: tuple[tuple[int, int], ...] = ()
    any_mark: bool = False
    compacts: bool = False
    shrinks: bool = False
    blocks: np.ndarray | None = None
    table_pages: int = 0
    synchronous: int = 0


def no_clean_cache(options: dict[str, Any]) -> None:
    """`clean_part` of a backend that takes no clean pages."""


class BackendModule(NamedTuple):
    """What a backend module offers.

    create(setup, options) -> BackendArrays      plain Python; options in model units, nested groups as mappings
    pool_part(options) -> (allocator, compressor) parts of the configuration, or None if it has no pool
    store(backend, pages, slot, size) -> a verdict (models.memory.state): STORED; REFUSED, the device takes the page; FAILED, a write error:
                                                 it stays dirty; KEPT: it stays in memory.  size: compressed bytes; negative:
                                                 same-filled, of -size bytes.  E_POOL_ALLOC and E_POOL_FREE are noted for what the pool sees
    load(backend, pages, slot) -> bytes, or -1 if absent        keeps the copy, or drops it (an exclusive load): the page is dirty then
    invalidate(backend, pages, slot) -> 1 if there was a copy
    counters(num) -> dict of name: value, the original's own names
    pool_counters(num, pool) -> the same for those that need the pool's arrays
    extra_compressors(options) -> parts of further compressors, for contents compressed by them too
    allocator_version(options, kernel) -> what `version: auto` of the pool's allocator is, where it is the kernel's own
    disksize(options) -> bytes of swap that the backend itself is; 0 where there must be a device

    Writing entries to the swap device, for a backend that has a worker (it sets num[POOL_WORK]) or a shrinker:
    pick(backend, pages, who) -> slot of the next entry, -1 for none    who: -1 the worker; n > 0 a scan of n entries begins; 0 it goes on;
                                                 below -1: memory cgroup -1 - who is at its limit
    picked(backend, pages, slot, result) -> 1 if the worker goes on     result: as models.memory.pool_writeback; drops the entry if written
    entries(backend, pages, 0) -> what the shrinker counts

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
    pick: Any = None
    picked: Any = None
    entries: Any = None
    pool_counters: Callable[[np.ndarray, Any], dict[str, int]] | None = None
    extra_compressors: Callable[[dict[str, Any]], tuple[Any, ...]] | None = None
    allocator_version: Callable[[dict[str, Any], str], str] | None = None
    disksize: Callable[[dict[str, Any]], int] | None = None


# num: scalars that every backend keeps (int64)
STORED_PAGES = 0  # pages held now
STORES, REFUSED, LOADS, INVALIDATES = 1, 2, 3, 4  # frontswap's succ_stores, failed_stores, loads, invalidates
FIRST_OWN = 16
