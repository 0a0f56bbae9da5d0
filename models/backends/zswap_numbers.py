"""Numbers that zswap keeps, with their names in /sys/kernel/debug/zswap; columns of its table."""

from __future__ import annotations

from models.backends.backend import FIRST_OWN, STORED_PAGES

(
    VERSION,  # 61, 66 or 612
    ENABLED,
    TOTAL_PAGES,
    MAX_POOL_PERCENT,
    ACCEPT_THRESHOLD_PERCENT,
    SAME_FILLED_ENABLED,
    NON_SAME_FILLED_ENABLED,
    EXCLUSIVE_LOADS,
    SHRINKER_ENABLED,
    WRITEBACK_DISABLED,  # a cgroup's memory.zswap.writeback = 0: refused pages stay in memory
    HEADER,
    LARGE_RESULTS,  # the compressor's result may be larger than a page
    REACHED_FULL,
    POOL_LIMIT_HIT,
    REJECT_RECLAIM_FAIL,
    REJECT_ALLOC_FAIL,
    REJECT_KMEMCACHE_FAIL,
    REJECT_COMPRESS_FAIL,
    REJECT_COMPRESS_POOR,
    WRITTEN_BACK_PAGES,
    DUPLICATE_ENTRY,
    SAME_FILLED_PAGES,
    LISTED,  # entries on the list
    OLDEST,  # slot + 1 of the list's ends
    NEWEST,
    WORKING,  # a run of the worker is under way
    WORK_PAGE,  # the pool's page that it empties
    FAILURES,
    SCAN_LEFT,  # entries that the shrinker still looks at
) = range(FIRST_OWN, FIRST_OWN + 29)
NUMBERS = FIRST_OWN + 32

OWNER, OLDER, NEWER, REFERENCED = range(4)  # table: slot + 1 of a handle; of a slot: its neighbours on the list, and whether it is new
COLUMNS = 4

_COMMON = {
    "pool_limit_hit": POOL_LIMIT_HIT,
    "reject_reclaim_fail": REJECT_RECLAIM_FAIL,
    "reject_alloc_fail": REJECT_ALLOC_FAIL,
    "reject_kmemcache_fail": REJECT_KMEMCACHE_FAIL,
    "reject_compress_poor": REJECT_COMPRESS_POOR,
    "written_back_pages": WRITTEN_BACK_PAGES,
    "stored_pages": STORED_PAGES,
}
COUNTERS = {
    61: {**_COMMON, "duplicate_entry": DUPLICATE_ENTRY, "same_filled_pages": SAME_FILLED_PAGES},
    66: {
        **_COMMON,
        "reject_compress_fail": REJECT_COMPRESS_FAIL,
        "duplicate_entry": DUPLICATE_ENTRY,
        "same_filled_pages": SAME_FILLED_PAGES,
    },
    612: {**_COMMON, "reject_compress_fail": REJECT_COMPRESS_FAIL},
}
