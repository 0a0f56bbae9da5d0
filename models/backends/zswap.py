"""zswap: compressed swapped pages in a pool before the swap device, as of Linux 6.1, 6.6 and 6.12 (docs/zswap.md).

store, load: zswap_store.py; limits and hysteresis: zswap_limits.py; which entries are written back: zswap_writeback.py.
Not modelled: huge pages, changing a parameter during the run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.allocators.pool import PAGE_SIZE, POOL_PAGES
from models.backends import zswap_numbers as zn
from models.backends.backend import STORED_PAGES, BackendArrays, BackendModule, BackendSetup
from models.backends.zswap_store import invalidate, load, store
from models.backends.zswap_writeback import entries, pick, picked

ENTRY_BYTES = {61: 64, 66: 64, 612: 56}
HEADER = 8  # of an object whose pool can evict (zbud, z3fold): struct zswap_header
VERSIONS = {"6.1": 61, "6.6": 66, "6.12": 612}


def version_of(setup: BackendSetup, options: dict[str, Any]) -> int:
    """61, 66 or 612; `auto` is the machine's kernel."""
    wanted = options.get("version", "auto")
    return VERSIONS[setup.kernel if wanted == "auto" else wanted]


def allocator_version(options: dict[str, Any], kernel: str) -> str:
    """The zsmalloc of that Linux."""
    wanted = options.get("version", "auto")
    return "v6.1" if (kernel if wanted == "auto" else wanted) == "6.1" else "v6.12"


def create(setup: BackendSetup, options: dict[str, Any]) -> BackendArrays:
    """Empty store; `options` as in the registry."""
    version = version_of(setup, options)
    num = np.zeros(zn.NUMBERS, np.int64)
    num[zn.VERSION] = version
    num[zn.ENABLED] = int(options.get("enabled", True))
    num[zn.TOTAL_PAGES] = setup.total_pages
    num[zn.MAX_POOL_PERCENT] = options["max_pool_percent"]
    num[zn.ACCEPT_THRESHOLD_PERCENT] = options["accept_threshold_percent"]
    num[zn.SAME_FILLED_ENABLED] = int(options.get("same_filled_pages_enabled", True))
    num[zn.NON_SAME_FILLED_ENABLED] = int(options.get("non_same_filled_pages_enabled", True))
    num[zn.EXCLUSIVE_LOADS] = int(version == 612 or (version == 66 and options.get("exclusive_loads", False)))
    num[zn.SHRINKER_ENABLED] = int(version == 612 and options.get("shrinker_enabled", False))
    num[zn.HEADER] = HEADER if version == 61 and setup.evicts else 0
    num[zn.LARGE_RESULTS] = int(getattr(options.get("compressor"), "kind", "lz4").startswith("lzo"))
    slabs = ((ENTRY_BYTES[version], STORED_PAGES),)
    return BackendArrays(np.zeros((setup.slots, zn.COLUMNS), np.int32), num, slabs, any_mark=True, compacts=True, shrinks=version == 612)


def counters(num: np.ndarray) -> dict[str, int]:
    """Files of /sys/kernel/debug/zswap."""
    return {name: int(num[where]) for name, where in zn.COUNTERS.get(int(num[zn.VERSION]), zn.COUNTERS[61]).items()}


def pool_counters(num: np.ndarray, pool: Any) -> dict[str, int]:
    """The one of them that needs the pool; bytes."""
    return {"pool_total_size": int(pool.num[POOL_PAGES]) * int(pool.num[PAGE_SIZE])}


ZSWAP = BackendModule(
    create,
    lambda options: (options["zpool"], options["compressor"]),
    store,
    load,
    invalidate,
    counters,
    pick=pick,
    picked=picked,
    entries=entries,
    pool_counters=pool_counters,
    allocator_version=allocator_version,
)
