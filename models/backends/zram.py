"""zram: a compressed block device in memory, used for swap (Linux 6.1 and 6.12 drivers/block/zram, docs/zram.md).

Writes, reads, frees: zram_store.py; idle, writeback, recompress, compact: zram_commands.py; lines of sysfs: zram_stat.py.
Not modelled: partial pages, discards, a slot that is locked when it is freed (miss_free stays 0).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.allocators.pool import POOL_PAGES
from models.backends import zram_numbers as zn
from models.backends.backend import STORED_PAGES, BackendArrays, BackendModule, BackendSetup
from models.backends.zram_store import invalidate, load, store
from models.registry import resolve

ENTRY_BYTES = 16  # of a slot in the device's table
MOST_SECONDARIES = 3


def _times(part: Any, page_size: int) -> tuple[int, int]:
    found: tuple[int, int] = resolve(part.entry.target)(part.options).times(page_size)
    return found


def create(setup: BackendSetup, options: dict[str, Any]) -> BackendArrays:
    """An empty device of options["disksize"] bytes; its table is kernel memory."""
    num = np.zeros(zn.NUMBERS, np.int64)
    slots = options["disksize"] // setup.page_size
    num[zn.SLOTS] = slots
    num[zn.HUGE_SIZE] = setup.huge_size
    num[zn.MEM_LIMIT] = -(-options.get("mem_limit", 0) // setup.page_size)
    num[zn.WRITE_ERRORS] = 1 if setup.kernel == "6.12" else 2
    num[zn.BLOCKS] = setup.blocks
    num[zn.FREE_BLOCK] = 1
    limit = options.get("writeback_limit")
    num[zn.LIMIT_ON], num[zn.WRITEBACK_LIMIT] = int(limit is not None), limit or 0
    num[zn.COMPRESS_NS], num[zn.DECOMPRESS_NS] = setup.compress_ns, setup.decompress_ns
    for priority, part in enumerate(options.get("recomp_algorithm", ()), 1):
        num[zn.COMPRESS_NS + priority], num[zn.DECOMPRESS_NS + priority] = _times(part, setup.page_size)
        num[zn.SECONDARIES] = priority
    blocks = np.zeros(max(setup.blocks, 1), np.int32)
    table = np.zeros((setup.slots, zn.COLUMNS), np.int32)
    pages = -(-slots * ENTRY_BYTES // setup.page_size)
    return BackendArrays(table, num, any_mark=True, compacts=True, blocks=blocks, table_pages=pages, synchronous=slots)


def counters(num: np.ndarray) -> dict[str, int]:
    """Fields of io_stat, bd_stat and debug_stat, and those of mm_stat that need no pool."""
    names = ("compr_data_size", "same_pages", "huge_pages", "huge_pages_since")
    names += ("failed_reads", "failed_writes", "notify_free", "bd_count", "bd_reads", "bd_writes", "writestall", "miss_free")
    return {name: int(num[getattr(zn, name.upper())]) for name in names} | {"invalid_io": 0}


def pool_counters(num: np.ndarray, pool: Any) -> dict[str, int]:
    """The fields of mm_stat that need the pool; bytes."""
    page = int(pool.num[0])
    compacted = int(pool.num[_compacted()]) if pool.num[0] else 0
    return {
        "orig_data_size": int(num[STORED_PAGES]) * page,
        "mem_used_total": int(pool.num[POOL_PAGES]) * page,
        "mem_limit": int(num[zn.MEM_LIMIT]) * page,
        "mem_used_max": int(num[zn.MEM_USED_MAX]) * page,
        "pages_compacted": compacted,
    }


def _compacted() -> int:
    from models.allocators.zspages import PAGES_COMPACTED

    return PAGES_COMPACTED


ZRAM = BackendModule(
    create,
    lambda options: (options["zpool"], options["compressor"]),
    store,
    load,
    invalidate,
    counters,
    pool_counters=pool_counters,
    allocator_version=lambda options, kernel: "v6.1" if kernel == "6.1" else "v6.12",
    extra_compressors=lambda options: tuple(options.get("recomp_algorithm", ())),
    disksize=lambda options: int(options["disksize"]),
)
