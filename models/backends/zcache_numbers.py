"""Numbers that zcache keeps, for its persistent and its ephemeral side, and their names in /sys/kernel/mm/zcache and cleancache."""

from __future__ import annotations

from models.backends.backend import FIRST_OWN, INVALIDATES, LOADS, REFUSED, STORES

MAX_ZSIZE, MAX_MEAN_ZSIZE, COUNT_LIMIT, HEADER = range(FIRST_OWN, FIRST_OWN + 4)
(
    FAILED_PERS_PUTS,
    COMPRESS_POOR,
    MEAN_COMPRESS_POOR,
    FAILED_GET_FREE_PAGES,
    FAILED_ALLOC,
    PUT_TO_FLUSH,
    ABORTED_PRELOAD,
    FLUSH_TOTAL,
    FLUSH_FOUND,
    FLOBJ_TOTAL,
    FLOBJ_FOUND,
    CURR_OBJ,
    CURR_OBJ_MAX,
    CURR_OBJNODE,
    CURR_OBJNODE_MAX,
) = range(FIRST_OWN + 4, FIRST_OWN + 19)
DIST_CURR = 64  # zv_curr_dist_counts, one a 64 bytes of header and data
DIST_COUNT = 1100  # 64 KiB pages have 1024 classes
DIST_CUMUL = DIST_CURR + DIST_COUNT
NUMBERS = DIST_CUMUL + DIST_COUNT
(
    FRONTSWAP_ON,
    MOST_EPHEMERAL,  # largest compressed page that zbud can hold
    CLEAN_PAGES,
    CLEAN_PUTS,
    CLEAN_SUCC_GETS,
    CLEAN_FAILED_GETS,
    CLEAN_FLUSHES,
    FAILED_EPH_PUTS,
    ABORTED_SHRINK,
) = range(FIRST_OWN + 19, FIRST_OWN + 28)

COUNTERS = {
    "curr_obj_count": CURR_OBJ,
    "curr_obj_count_max": CURR_OBJ_MAX,
    "curr_objnode_count": CURR_OBJNODE,
    "curr_objnode_count_max": CURR_OBJNODE_MAX,
    "flush_total": FLUSH_TOTAL,
    "flush_found": FLUSH_FOUND,
    "flobj_total": FLOBJ_TOTAL,
    "flobj_found": FLOBJ_FOUND,
    "failed_pers_puts": FAILED_PERS_PUTS,
    "compress_poor": COMPRESS_POOR,
    "mean_compress_poor": MEAN_COMPRESS_POOR,
    "failed_get_free_pages": FAILED_GET_FREE_PAGES,
    "failed_alloc": FAILED_ALLOC,
    "put_to_flush": PUT_TO_FLUSH,
    "aborted_preload": ABORTED_PRELOAD,
    "aborted_shrink": ABORTED_SHRINK,
    "failed_eph_puts": FAILED_EPH_PUTS,
    "cleancache_puts": CLEAN_PUTS,
    "cleancache_succ_gets": CLEAN_SUCC_GETS,
    "cleancache_failed_gets": CLEAN_FAILED_GETS,
    "cleancache_flushes": CLEAN_FLUSHES,
    "frontswap_succ_stores": STORES,
    "frontswap_failed_stores": REFUSED,
    "frontswap_loads": LOADS,
    "frontswap_invalidates": INVALIDATES,
}
