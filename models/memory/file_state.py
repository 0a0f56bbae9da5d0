"""The memory state's tables for files: names of their columns, and of the scalars of page cache, writeback and slab.

Files are numbered through all programs; so are their pages ("file pages"), each file from a multiple of 64 on, so that a file page
without its low six bits is a node of the file's radix tree, here a leaf.
"""

from __future__ import annotations

# --- maps: int32[virtual pages, 2]: next and previous virtual page + 1 that maps the same file page ------------------
MAP_NEXT, MAP_PREV = 0, 1

# --- area: a part of an address space that maps a file: columns (int64), ascending by first virtual page -------------
AREA_START, AREA_PAGES, AREA_FILE, AREA_OFFSET, AREA_FLAGS = range(5)
AREA_COLUMNS = 5
SHARED, EXECUTABLE, RANDOM, SEQUENTIAL = 1, 2, 4, 8

# --- cache: one int32 a file page; 0 neither in memory nor remembered, positive frame + 1, negative -(shadow + 1) ----
# --- leaf: the 64 file pages of one node: columns (int32) ------------------------------------------------------------
LEAF_FILE, LEAF_ENTRIES, LEAF_PAGES, LEAF_DIRTY = range(4)  # entries: pages and shadows
LEAF_COLUMNS, LEAF_SHIFT = 4, 6
LEAF_PLACES = 1 << LEAF_SHIFT

# --- file: columns of one file (int64) ------------------------------------------------------------------------------
FIRST, ROOM, SIZE, DEVICE_PAGE = range(4)  # first file page; largest size, size, position on the device, in pages
CACHED, DIRTY_PAGES, BEING_WRITTEN = range(4, 7)  # pages in memory, dirty, being written
DIRTIED_AT, CURSOR, LIST_NEXT, LIST_PREV, LIST = range(7, 12)  # when first dirtied; where writeback goes on; place on a dirty list
CONTENT_FIRST, CONTENT_ROWS, CONTENT_SAME, INODE, ENTRIES, GROUP = range(12, 18)  # contents; 1: inode in memory; pages and shadows; whose
FILE_COLUMNS = 18
NO_LIST, DIRTY_LIST, IO_LIST, MORE_LIST, AT_WORK = range(5)  # LIST; Linux's b_dirty, b_io, b_more_io; off the lists, the flusher's

# --- opens: a file as opened by a process (int64): readahead's state, see models.memory.readahead --------------------
OPEN_FILE, START, WINDOW, ASYNC, PREVIOUS, LAST, MISSES, LIMIT, RANDOM_READS = range(9)
OPEN_COLUMNS = 9
OPEN_FILES = 64  # records that a process has at most: another file takes the place of one with the same remainder

# --- slab: columns of one slab cache (int64) ------------------------------------------------------------------------
OBJECTS, PAGES, PER_PAGE, SEEKS, DEFERRED, LAST_FRAME, RECLAIMABLE, SOURCE, DIVIDE = range(9)
SLAB_COLUMNS = 9  # LAST_FRAME: frame + 1 of the page got last (the others hang on NEXT); SEEKS -1: no shrinker
# SOURCE: the objects are a number of the backend's pool (its place + 1), by DIVIDE, or of the backend (minus its place and 1); 0: neither
NODE_CACHE, INODE_CACHE, BUFFER_CACHE, DENTRY_CACHE, KMALLOC_CACHE, CLEAN_PAGES = range(6)  # the last: a clean cache's shrinker
POOL_PAGES, POOL_ENTRIES = 6, 7  # shrinkers of the backend's pool: compaction, and entries that can be written back
BACKEND_CACHES = 8  # the first of those whose objects are the backend's and its pool's, which may grow and never give a page back
SLAB_NAMES = (
    *("radix_tree_node", "ext4_inode_cache", "buffer_head", "dentry", "kmalloc", "clean cache"),
    *("mm-zspool", "mm-zswap", "zswap_entry", "zs_handle", "zspage", "zram_table"),
)
SLAB_BYTES = (576, 1080, 104, 192, 256, 0, 0, 0, 64, 8, 56, 4096)  # of an object, Linux 6.1 x86-64
ENTRY_CACHE, HANDLE_CACHE, ZSPAGE_CACHE, TABLE_CACHE = range(8, 12)

# --- num: scalars of page cache and writeback (int64), behind those of models.memory.state ---------------------------
FLUSH = 32  # the flusher is wanted: FLUSH_BACKGROUND, FLUSH_ALL
FLUSHER_BUSY = 33
DIRTY_RATIO, DIRTY_BACKGROUND_RATIO, DIRTY_BYTES, DIRTY_BACKGROUND_BYTES, DIRTY_EXPIRE, DIRTY_PERIOD = range(34, 40)  # times in ns
SLOW_LIMIT, SLOW_LIMIT_AT = 40, 41  # the limit that follows the threshold down slowly, and when it moved last
BANDWIDTH, AVERAGE_BANDWIDTH, DIRTY_RATE, BALANCED_RATE = 42, 43, 44, 45  # pages/s of the files' device
MEASURED_AT, WRITTEN_THEN, DIRTIED_THEN, EXCEEDED = 46, 47, 48, 49
RESERVE_TOTAL = 50  # pages that do not count as dirtyable
READAHEAD_PAGES, IO_PAGES = 51, 52
LIST_HEADS = 53  # head and tail (file + 1) of each list of dirty files: LIST_HEADS + 2 * (list - 1)
SHADOW_NODES = 59  # leaves with shadows only
WRITEPAGE = 60  # the file system lets reclaim write single pages
BUFFERS_ON_READ, BUFFERS_ON_WRITE = 61, 62  # single-page reads, writes make buffer heads
FAULT_AROUND = 63  # pages
SHADOW_SCAN = 64  # leaf where the search for nodes with shadows only goes on
CLEAN_CACHE = 65  # a clean cache takes evicted file pages
FILES_WRITTEN = 66  # file pages whose writing has ended
IDLE_INODES, INODE_SCAN = 67, 68  # inodes without pages and shadows; file where the search for them goes on
FILE_WRITEBACK, CPU_DIRTIED = 69, 70  # file pages being written; pages dirtied by anybody since the last look at the limits
SCRATCH, SYNC_NEXT = 71, 72  # pages written by the last stretch; where fsync goes on, or -1
FLUSH_BACKGROUND, FLUSH_ALL, FLUSH_TIMER = 1, 2, 4  # over the background mark; all of it; something is dirty, look at it in a while
