"""Numbers that zram keeps, by the names of its sysfs attributes; columns and flags of its table of slots."""

from __future__ import annotations

from models.backends.backend import FIRST_OWN

(
    SLOTS,  # of the device; those above belong to a swap device behind it
    HUGE_SIZE,  # compressed pages from this size on are stored as they are
    MEM_LIMIT,  # pages, 0: none
    WRITE_ERRORS,  # errors that one failed write counts: 6.1 tries twice
    BLOCKS,  # of the backing device
    FREE_BLOCK,  # no block below this one is free
    LIMIT_ON,
    WRITEBACK_LIMIT,
    SECONDARIES,  # compressors beside the first
    COMPR_DATA_SIZE,
    MEM_USED_MAX,  # pages
    SAME_PAGES,
    PAGES_COMPACTED,
    HUGE_PAGES,
    HUGE_PAGES_SINCE,
    FAILED_READS,
    FAILED_WRITES,
    NOTIFY_FREE,
    MISS_FREE,
    BD_COUNT,
    BD_READS,
    BD_WRITES,
    WRITESTALL,
    ALGORITHM,  # compressor of the last recompression that a command allows, 0: any
) = range(FIRST_OWN, FIRST_OWN + 24)
COMPRESS_NS = FIRST_OWN + 24  # by priority, four each: a page of each compressor
DECOMPRESS_NS = COMPRESS_NS + 4
NUMBERS = DECOMPRESS_NS + 8

OWNER, FLAGS, ACCESSED = range(3)  # table: slot + 1 of a handle; of a slot: flags, second of its last access
COLUMNS = 3
HUGE, IDLE, INCOMPRESSIBLE, UNDER_WRITEBACK = 1, 2, 4, 8
PRIORITY_SHIFT = 4  # above the flags: which compressor made it
