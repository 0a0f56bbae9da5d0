"""The machine's memory state: column names, flags and the structrefs that hold them.

`pages_t` is what every floor below the machine sees (page tables, frames, swap slots, zones, counters).  `machine_t` adds the
policy and the backend with the functions that drive them, as first-class function values, so that the engine is compiled
once whichever they are.  Struct of arrays with integer ids; 0 is "none" in tables that are reserved but not touched.
"""

from __future__ import annotations

from numba import int64, types, uint16
from numba.experimental import structref

from models.allocators.pool import Links, Numbers, Table, alloc_t, evict_begin_t, evict_done_t, evict_next_t, pool_t
from models.borrow import boxed, view_of
from models.cache.held import held_t
from models.jit import compiled

Wide = types.Array(int64, 2, "C")
Versions = types.Array(uint16, 1, "C")

# --- pte: one int32 a virtual page; 0 never touched or unmapped, negative -(slot + 1), positive frame << PTE_SHIFT | bits
PTE_PRESENT, PTE_ACCESSED, PTE_DIRTY, PTE_WRITE = 1, 2, 4, 8
PTE_SHIFT = 4
MAX_FRAMES = 1 << 27
WORTH = 2  # column of a page table: bit n & 1 is set if it is worth walking when generation n is the youngest

# --- frame: columns of one page frame (int32) -----------------------------------------------------------------------
NEXT, PREV = 0, 1  # links of the list a policy keeps it on; frame + 1, 0 is none
FLAGS = 2
PAGE = 3  # virtual page that owns it, -1 if the owner is gone; of a file's page: the file page
SLOT = 4  # swap slot + 1 while in the swap cache, else 0
MAPS = 4  # of a file's page: first of the virtual pages that map it, + 1 (the others follow in `maps`)
FRAME_COLUMNS = 5

# --- FLAGS: Linux's page flags, and what kind of use the frame has
REFERENCED, WORKINGSET, ACTIVE, LRU = 1, 2, 4, 8
DIRTY, WRITEBACK, LOCKED = 16, 32, 64
RECLAIM = 128  # Linux has one bit for "immediate reclaim" and "readahead"
ORPHAN = 256  # owner gone while under I/O; freed when the I/O ends
EXECUTABLE = 512  # of a file's page: mapped executable by some process
SEQUENTIAL = 1024  # of a file's page: mapped by some area with sequential advice
FROM_DISK = 2048  # of a file's page: its content was read from the device or a clean cache, so such a cache may have it
BUFFERS = 4096  # of a file's page: it has buffer heads
TO_WRITE = 8192  # of a dirty page of a file: an fsync that began when it was dirty will write it
AWAITED = 16384  # of a page of a file: somebody waits for its read and holds it, so that it cannot be reclaimed before it is used
AGED = 2048  # of an anonymous page: it was there at the last scan of idle ages (the bit is FROM_DISK of a file's page)
IDLE = 4096  # of an anonymous page: not used since that scan, as far as reclaim has seen (BUFFERS of a file's)
INCOMPRESSIBLE = 8192  # of an anonymous page: the backend refused it when it was cold, and it was not written since (TO_WRITE of a file's)
YOUNG = 32768  # of an anonymous page: the scan of idle ages took its accessed bit, which reclaim has yet to count
MIGRATABLE = 1  # of a frame of kind POOL or KERNEL: memory compaction could move what it holds (REFERENCED of a page on a list)
KIND_SHIFT = 16
FREE, ANON, FILE, POOL, TABLE, SLAB, MLOCKED = 0, 1, 2, 3, 4, 5, 6  # kinds; TABLE: page tables; MLOCKED: anonymous, locked in memory
KERNEL, HOLE = 7, 8  # taken before the run and never freed; no memory of the zone's, a number without a frame
# A free frame: PAGE is order + 1 in the first frame of a free block of the buddy allocator, else 0; SLOT is the type of its list.

# --- slot: columns of one swap slot (int32) -------------------------------------------------------------------------
STATE = 0  # below
OWNER = 1  # virtual page whose content it is
CACHED = 2  # frame + 1 in the swap cache, 0 none
HANDLE = 3  # backend's handle + 1, 0 none; negative: it holds the page without an object (below)
SHADOW = 4  # 0 none, else age at eviction (low 30 bits) + 1
SHADOW_FLAG = 5  # workingset flag at eviction
STORED_SIZE = 6  # bytes the backend holds for it
ENTRY = 7  # 1 while its place in the swap cache holds a page or a shadow
NODE_ENTRIES = 8  # of the first of 64 slots: places in use of their node of the swap cache
NODE_CACHED = 9  # of the first of 64 slots: pages in that node
SLOT_COLUMNS = 10
NO_OBJECT, ZERO_PAGE, ON_DEVICE = -1, -2, -3  # HANDLE: same-filled; a bit in the map of zero pages; from ON_DEVICE down: zram's blocks
SLOT_FREE, SLOT_CACHED, SLOT_USED, SLOT_RETURNED = 0, 1, 2, 3  # CACHED: in the CPU's cache of free slots; RETURNED: waits for the batch
SLOT_NONE = 4  # between two swap devices: never free

# --- zone: columns (int64), lowest zone first -----------------------------------------------------------------------
MANAGED, ZONE_FREE, WMARK_MIN, WMARK_LOW, WMARK_HIGH, BOOST, FIRST_FRAME, END_FRAME, BOOST_SEEN, KSWAPD_ON = range(10)
RESERVES = 10  # and the two after it: reserve against requests that may use DMA, DMA32, Normal at most
RESERVE = RESERVES + 2  # against those of the highest zone, as nearly all are
ZONE_COLUMNS = 13  # END_FRAME: behind the last; BOOST_SEEN: the boost when kswapd's run began; KSWAPD_ON: a run goes on up to this zone
ZONES = 3
ZONE_NAMES = ("DMA", "DMA32", "Normal")

# --- block: one int32 for each 512 frames: the migrate type of the page block; buddy: models.memory.buddy; pcp: models.memory.pcp
UNMOVABLE, MOVABLE, RECLAIMABLE = 0, 1, 2
TYPES = 3

# --- proc: columns of one process (int64) ---------------------------------------------------------------------------
FIRST_PAGE, PROC_PAGES, RSS, SWAPPED, ROW_FIRST, ROWS, SAME_SIZE, RA_PAGE, RA_WINDOW, RA_HITS, VERSIONS, STRIDE = range(12)
AREA_FIRST, AREAS, OPEN_FIRST, OPENS, FILE_BASE, RSS_FILE, GROUP, LOCKED_FROM, WALKED, CGROUP = range(12, 22)
PROC_COLUMNS = 22  # ROWS: pages of contents a version, VERSIONS and STRIDE: models.contents.rows; LOCKED_FROM: first virtual page that
# is locked; WALKED: see models.policies.mglru_walk; CGROUP: its memory cgroup, 0 the root

# --- num: scalars of the memory (int64) -----------------------------------------------------------------------------
PAGE_SIZE = 0
FRAMES = 1
TOTAL_PAGES = 2  # totalram: managed pages
CLOCK = 3  # simulated ns of the actor now computing
KSWAPD_AWAKE = 4  # 1 while kswapd runs or is to be woken: faults need not say so again
WAKE = 5  # a wake-up for kswapd is wanted
KSWAPD_FAILURES = 6
RING = 7  # entries in the I/O ring
LOG = 8  # entries in the event log, LOG_ON if it is kept
LOG_ON = 9
SWAP_TOTAL = 10  # slots of the device (slot 0, the header, excluded)
SWAP_FREE = 11  # as Linux's nr_swap_pages: slots in the CPU's cache are not free
SLOT_CACHE, SLOT_RETURN = 12, 13  # entries in the two caches of 64
CLUSTER, CLUSTER_NEXT = 14, 15  # the CPU's swap cluster and next slot in it
FREE_CLUSTERS_HEAD, FREE_CLUSTERS_LEN = 16, 17
SCAN_SLOT = 18
PAGE_CLUSTER = 19
ROTATIONAL = 20
RA_SLOT, RA_SLOT_WINDOW, RA_SLOT_HITS = 21, 22, 23  # cluster readahead's state
POOL_FRAMES = 24
POOL_PAYLOAD = 25  # unused slots of the scalars keep their number
SWAPPINESS = 26
ACCESSES = 27
PAGES_PER_TABLE = 28
NODE_WRITEBACK = 29  # a pass met nothing but pages under writeback
NODE_DIRTY = 30  # all file pages of a pass were dirty and not yet being written
CONGESTED = 31  # all dirty pages of a pass were being written and marked
FIXED_READAHEAD = 80  # swap readahead always reads the whole block of slots (before Linux 3.14)
FIRST_FLUSH = 82  # when the cgroups' statistics are next brought up to date by the clock, ns (see models.policies.linux_lru)
IN_FAULT = 83  # 1 while a fault is handled that tells of recency (no random or sequential advice)
KERNEL_612 = 81  # 1: the rules of Linux 6.12 where they differ from those of 6.1
KIND_TYPES = 96  # and the five after it: migrate type of the frames of each kind
POOL_MIGRATABLE = 104  # pages of the pool can be moved by compaction (zsmalloc, z3fold)
POOL_BY_RECLAIMER = 105  # the pool's pages are taken as reclaimers take theirs: low marks, then without any (zswap, zram)
BOOST_FACTOR = 106  # vm.watermark_boost_factor
BOOSTED = 107  # bits of zones that were boosted since kswapd was told last
KSWAPD_INDEX = 108  # highest zone that kswapd was asked for since its run began, + 1; 0: nobody asked
AVOID_MIXING = 109  # the preferred zone is Normal: first pass takes whole page blocks of another type or none
WOKEN_INDEX = 111  # the same as it was when kswapd was woken: it preempts at once, so that its run is for that; 0 once the run has begun
KERNEL_FRAMES = 110  # frames of kind KERNEL
MIXED = 112  # blocks below a page block's size that requests took from another type: MIXED + TYPES * zone + type of the request
POOL_WORK = 128  # the backend wants its worker
SYNC_SLOTS = 129  # slots below this are on a synchronous device (zram's), 0: none are
SWAPINS = 130  # pages read from the swap device since zswap's shrinker asked last
WORK_SLOT = 131  # slot + 1 that the backend's worker is about to write back
ROWS_STEP = 132  # from a size in `rows` to that of the backend's next compressor, 0 if it has one only
SECOND_FIRST = 133  # first slot of the swap device of lower priority, 0: there is none
WORKER_BUSY = 134  # the worker has begun and waits for memory or its turn
FIRST_FREE = 135  # free slots of the device of higher priority
SWAP_SHADOW_NODES = 136  # nodes of the swap cache that hold shadows only, which 6.12 can reclaim
STAT_PAGES, NEXT_STAT, SWAP_SHADOW_SCAN = 137, 138, 139  # pages as the shrinker of nodes knows them, until when; where it goes on
WORKER_SHARE = 140  # 6.12: when each of the others has computed as long as the worker's last run took, ns
SECOND_DEVICE = 130  # from CLUSTER ... SCAN_SLOT to the same of that device: 144 to 148
GROUPS = 150  # memory cgroups beside the root; 0: there are none
ACTING = 151  # the group of the process whose step this is
SHORT_GROUP = 152  # the group whose limit the last allocation met that failed; 0: memory was short
OVER_HIGH = 153  # pages charged beyond memory.high since the task last made up for it
AGE_LRUVEC = 154  # the lruvec by whose age evictions are remembered: that of the reclaimer's target
POOL_IN_GROUPS = 155  # 1: groups are charged for what the backend holds, as for zswap
MAKE_DO = 156  # a group's reclaim freed nothing, and there is room for a page: the next allocation has to do with that
EVERY_USE = 157  # 1: the policy is told of every use of a page, not only of accessed bits when it looks
NUMBERS = 160  # from 32 on: models.memory.file_state

# --- cost: simulated ns of each kind of work (int64) ----------------------------------------------------------------
C_ACCESS, C_FAULT, C_MAJOR, C_CLEAR, C_ALLOC, C_FREE, C_SCAN, C_DEACTIVATE, C_UNMAP, C_SUBMIT, C_COPY_KIB, C_WALK = range(12)
C_ALLOCATOR, C_TMEM, C_COMPRESS, C_DECOMPRESS = range(12, 16)
C_SYSCALL, C_LOOKUP, C_USER_KIB, C_SLAB, C_AGE, C_PASS, C_READ_PAGE, C_LOOK = range(16, 24)
COSTS = 24

# --- cpu: ns by purpose (int64) -------------------------------------------------------------------------------------
BY_USER, BY_FAULT, BY_KSWAPD, BY_DIRECT, BY_COMPRESS, BY_DECOMPRESS, BY_COPY, BY_ALLOCATOR, BY_IO, BY_EXIT = range(10)
BY_FILE, BY_SLAB, BY_FLUSHER, BY_COLD = 10, 11, 12, 13
PURPOSES = (
    *("user", "fault", "kswapd", "direct", "compress", "decompress", "copy", "allocator", "io", "exit"),
    *("file", "slab", "flusher", "cold"),
)

# --- ring: one I/O request wanted: columns (int64) ------------------------------------------------------------------
IO_TIME, IO_WRITE, IO_FIRST, IO_COUNT, IO_FILE = range(5)  # first: swap slot, or file page if IO_FILE is 1
RING_COLUMNS, RING_SIZE = 5, 8192

# --- log: what happened to which page when: columns (int64) ---------------------------------------------------------
LOG_TIME, LOG_EVENT, LOG_PAGE, LOG_FRAME, LOG_SLOT, LOG_VALUE = range(6)
LOG_COLUMNS, LOG_SIZE = 6, 65536
EVENTS = (
    "first-touch",
    "swap-in",
    "swap-cache-hit",
    "reuse",
    "unmap",
    "store",
    "store-refused",
    "load",
    "invalidate",
    "write-out",
    "write-done",
    "read-start",
    "read-done",
    "readahead",
    "evict",
    "activate",
    "keep",
    "deactivate",
    "rotate",
    "free",
    "pool-alloc",  # slot, bytes: the pool stores an object for a slot
    "pool-free",
    "file-read",  # page: the file page; likewise below
    "file-read-done",
    "file-add",
    "file-map",
    "file-dirty",
    "file-write",
    "file-written",
    "file-drop",
    "clean-put",
    "clean-get",
    "clean-flush",
)
(
    E_TOUCH,
    E_SWAPIN,
    E_CACHE_HIT,
    E_REUSE,
    E_UNMAP,
    E_STORE,
    E_REFUSED,
    E_LOAD,
    E_INVALIDATE,
    E_WRITE,
    E_WRITTEN,
    E_READ,
    E_READ_DONE,
    E_READAHEAD,
    E_EVICT,
    E_ACTIVATE,
    E_KEEP,
    E_DEACTIVATE,
    E_ROTATE,
    E_FREE,
    E_POOL_ALLOC,
    E_POOL_FREE,
    E_FILE_READ,
    E_FILE_READ_DONE,
    E_FILE_ADD,
    E_FILE_MAP,
    E_FILE_DIRTY,
    E_FILE_WRITE,
    E_FILE_WRITTEN,
    E_FILE_DROP,
    E_CLEAN_PUT,
    E_CLEAN_GET,
    E_CLEAN_FLUSH,
) = range(33)

# --- window: scratch of one step (int32)
WINDOW = 4096

# --- hist: latency histograms, four bins an octave of ns (int64) ----------------------------------------------------
H_ZERO, H_MINOR, H_MAJOR, H_STALL = range(4)
HISTOGRAMS = ("fault_zero", "fault_minor", "fault_major", "allocstall")
BINS = 168  # 2^42 ns is more than an hour


class PagesType(types.StructRef):
    """Page tables, frames, swap slots, zones and counters."""


pages_t = view_of(
    PagesType,
    (
        ("pte", Links),  # int32[virtual pages]
        ("version", Versions),  # uint16[virtual pages]: content version, 0 = zeros as at first touch
        ("table", Table),  # int32[page-table blocks, 3]: entries in use, frame + 1, whether it is worth walking (WORTH)
        ("frame", Table),
        ("block", Links),  # migrate type of each page block
        ("buddy", Wide),  # free lists by zone, order and type
        ("pcp", Wide),  # per-CPU lists by zone
        ("pool_frames", Links),  # frames the pool holds
        ("slot", Table),
        ("slot_cache", Table),  # int32[2, 64]: free slots at hand, freed slots on their way back
        ("cluster", Table),  # int32[clusters, 2]: slots in use; ring of free clusters
        ("zone", Wide),
        ("proc", Wide),
        ("rows", Links),  # compressed sizes of all contents, int32
        ("vmstat", Numbers),
        ("num", Numbers),
        ("cost", Numbers),
        ("cpu", Numbers),
        ("ring", Wide),
        ("log", Wide),
        ("hist", Wide),
        ("window", Links),  # scratch: slots or frames of one step
        ("maps", Table),  # the rest: models.memory.file_state
        ("area", Wide),
        ("cache", Links),
        ("leaf", Table),
        ("file", Wide),
        ("opens", Wide),
        ("slab", Wide),
        ("stolen", Wide),  # int64[1 + groups, 2 * groups]: pages freed by each reclaimer, of each group's anonymous memory and files
        ("frame_group", Links),  # int32[frames, or 1 without cgroups]: memory cgroup of a frame, 0 the root; likewise below
        ("slot_group", Links),  # int32[slots, or 1]
        ("cache_group", Links),  # int32[file pages, or 1]: lruvec by whose age an eviction is remembered
        ("cgroup", Wide),  # int64[1 + cgroups, columns of models.memory.groups]
    ),
)


class PolicyType(types.StructRef):
    """Any page-reclaim policy's state: tables whose columns the policy names for itself; `held`: a replacement policy of models/cache."""


policy_t = view_of(PolicyType, (("table", Table), ("head", Links), ("num", Numbers), ("held", held_t)))


class BackendType(types.StructRef):
    """Any backend's state, its pools (of swapped pages, of clean pages of files) and the functions of their allocators."""


backend_t = view_of(
    BackendType,
    (
        ("pool", pool_t),
        ("alloc", alloc_t),
        ("free", alloc_t),
        ("table", Table),
        ("num", Numbers),
        ("clean_pool", pool_t),
        ("clean_alloc", alloc_t),
        ("clean_free", alloc_t),
        ("evict_begin", evict_begin_t),
        ("evict_next", evict_next_t),
        ("evict_done", evict_done_t),
        ("clean", Links),  # int32[file pages]: handle + 1 in the clean pool
        ("owner", Links),  # int32[handles of the clean pool]: file page
        ("trees", Table),  # of the files in tmem, see models.backends.tmem_files
        ("groups", Links),
        ("compact", alloc_t),  # of the pool of swapped pages
        ("compactable", evict_begin_t),
        ("size_class", alloc_t),
    ),
)

# --- the policy contract (models/policies) --------------------------------------------------------------------------
insert_t = types.FunctionType(int64(policy_t, pages_t, int64, int64))  # frame, shadow (slot or -1): put a new page on the lists
on_frame_t = types.FunctionType(int64(policy_t, pages_t, int64))  # remove, check, evicted, touch: one frame
putback_t = types.FunctionType(int64(policy_t, pages_t, int64, int64))  # frame, verdict
pass_t = types.FunctionType(int64(policy_t, pages_t, Numbers))  # begin, isolate, age, finish: a reclaim context
KEEP, ACTIVATE, ROTATE, RECLAIM_IT, RECLAIM_CLEAN = 0, 1, 2, 3, 4  # verdicts; the last: only if it need not be written

# --- the backend contract (models/backends) -------------------------------------------------------------------------
store_t = types.FunctionType(int64(backend_t, pages_t, int64, int64))  # slot, compressed size -> a verdict on the page:
REFUSED, STORED, FAILED, KEPT = 0, 1, 2, 3  # to the device; may be freed; write error, stays dirty; stays and is activated
on_slot_t = types.FunctionType(int64(backend_t, pages_t, int64))  # load -> bytes or -1; invalidate -> 0
# cleancache's part: put is a store_t of a file page; get, flush of a file page, flush of a file, shrink (pages wanted) are on_slot_t


class MachineType(types.StructRef):
    """The machine: memory, one policy, one backend."""


machine_t = view_of(
    MachineType,
    (
        ("pages", pages_t),
        ("policy", policy_t),
        ("backend", backend_t),
        ("insert", insert_t),
        ("remove", on_frame_t),
        ("check", on_frame_t),
        ("evicted", on_frame_t),
        ("putback", putback_t),
        ("begin", pass_t),
        ("isolate", pass_t),
        ("age", pass_t),
        ("finish", pass_t),
        ("store", store_t),
        ("load", on_slot_t),
        ("invalidate", on_slot_t),
        ("accessed", on_frame_t),
        ("put", store_t),
        ("get", on_slot_t),
        ("flush", on_slot_t),
        ("flush_file", on_slot_t),
        ("shrink", on_slot_t),
        ("pick", on_slot_t),
        ("picked", store_t),
        ("entries", on_slot_t),
    ),
)

# --- ctx: one reclaimer's context (int64), made by sim, filled by the engine and the policy --------------------------
X_PRIORITY, X_TO_RECLAIM, X_RECLAIMED, X_SCANNED, X_KSWAPD, X_FORCE, X_SKIPPED = range(7)
X_BOOST_LEFT = 7  # of a watermark boost, pages that kswapd has yet to reclaim; while there are any it neither writes nor swaps
X_PASSED = 8  # pages of zones above X_INDEX that the last isolate or age passed over
X_AGED = 9  # pages moved by aging in the last isolate or age
X_STORED_OR_WRITTEN = 10
X_TAKEN, X_WRITEBACK, X_IMMEDIATE = 11, 12, 13  # of this pass: pages taken, met under writeback, and already marked then
X_IN_PASS, X_BEFORE = 14, 15  # a pass is under way; reclaimed when the round began
X_DIRTY, X_UNQUEUED, X_CONGESTED, X_FILES = 16, 17, 18, 19  # of this pass: dirty pages, those not being written, those marked; file pages
X_WRITTEN_FILE = 20  # file pages that reclaim began to write, for the policy's costs
X_WHO = 21  # row of `stolen`: 0 kswapd, else 1 + the group of the process that reclaims
X_LRUVEC = 22  # whose lists the pass works on: 0 the root's
X_INDEX = 23  # highest zone whose pages count; those of zones above it are skipped
X_OWN = 24  # the policy's own numbers for this pass
CONTEXT = 48
X_TARGET = CONTEXT - 3  # the group that is reclaimed; 0: the machine
X_LOW = CONTEXT - 2  # memory.low: 0 holds, 1 has made the run leave out a group, 2 does not hold
X_OOM = CONTEXT - 1  # the policy wants a process killed, so that what is young stays


pages_owner, policy_owner, backend_owner, machine_owner = pages_t.owner, policy_t.owner, backend_t.owner, machine_t.owner
Pages = boxed(pages_t, "Pages")
Policy = boxed(policy_t, "Policy")
Backend = boxed(backend_t, "Backend")
Machine = boxed(machine_t, "Machine")


@compiled(
    pages_owner(
        *(Links, Versions, Table, Table, Links, Wide, Wide, Links, Table, Table, Table, Wide, Wide, Links),
        *(Numbers, Numbers, Numbers, Numbers, Wide, Wide, Wide, Links),
        *(Table, Wide, Links, Table, Wide, Wide, Wide, Wide),
        *(Links, Links, Links, Wide),
    )
)
def make_pages(
    pte,
    version,
    table,
    frame,
    block,
    buddy,
    pcp,
    pool_frames,
    slot,
    slot_cache,
    cluster,
    zone,
    proc,
    rows,
    vmstat,
    num,
    cost,
    cpu,
    ring,
    log,
    hist,
    window,
    maps,
    area,
    cache,
    leaf,
    file,
    opens,
    slab,
    stolen,
    frame_group,
    slot_group,
    cache_group,
    cgroup,
):
    pages = structref.new(pages_owner)
    pages.pte, pages.version, pages.table, pages.frame = pte, version, table, frame
    pages.block, pages.buddy, pages.pcp, pages.pool_frames = block, buddy, pcp, pool_frames
    pages.slot, pages.slot_cache, pages.cluster = slot, slot_cache, cluster
    pages.zone, pages.proc, pages.rows = zone, proc, rows
    pages.vmstat, pages.num, pages.cost, pages.cpu = vmstat, num, cost, cpu
    pages.ring, pages.log, pages.hist, pages.window = ring, log, hist, window
    pages.maps, pages.area, pages.cache, pages.leaf, pages.file, pages.opens, pages.slab = maps, area, cache, leaf, file, opens, slab
    pages.stolen = stolen
    pages.frame_group, pages.slot_group, pages.cache_group, pages.cgroup = frame_group, slot_group, cache_group, cgroup
    return pages


@compiled(policy_owner(Table, Links, Numbers, held_t))
def make_policy(table, head, num, held):
    policy = structref.new(policy_owner)
    policy.table, policy.head, policy.num, policy.held = table, head, num, held
    return policy


@compiled(
    backend_owner(
        *(pool_t, alloc_t, alloc_t, Table, Numbers),
        *(pool_t, alloc_t, alloc_t, evict_begin_t, evict_next_t, evict_done_t, Links, Links, Table, Links),
        *(alloc_t, evict_begin_t, alloc_t),
    )
)
def make_backend(
    pool,
    alloc,
    free,
    table,
    num,
    clean_pool,
    clean_alloc,
    clean_free,
    evict_begin,
    evict_next,
    evict_done,
    clean,
    owner,
    trees,
    groups,
    compact,
    compactable,
    size_class,
):
    backend = structref.new(backend_owner)
    backend.pool, backend.alloc, backend.free, backend.table, backend.num = pool, alloc, free, table, num
    backend.clean_pool, backend.clean_alloc, backend.clean_free = clean_pool, clean_alloc, clean_free
    backend.evict_begin, backend.evict_next, backend.evict_done = evict_begin, evict_next, evict_done
    backend.clean, backend.owner, backend.trees, backend.groups = clean, owner, trees, groups
    backend.compact, backend.compactable, backend.size_class = compact, compactable, size_class
    return backend


@compiled(
    machine_owner(
        *(pages_t, policy_t, backend_t, insert_t, on_frame_t, on_frame_t, on_frame_t, putback_t),
        *(pass_t, pass_t, pass_t, pass_t, on_frame_t, store_t, on_slot_t, on_slot_t),
        *(store_t, on_slot_t, on_slot_t, on_slot_t, on_slot_t),
        *(on_slot_t, store_t, on_slot_t),
    )
)
def make_machine(
    pages,
    policy,
    backend,
    insert,
    remove,
    check,
    evicted,
    putback,
    begin,
    isolate,
    age,
    finish,
    accessed,
    store,
    load,
    invalidate,
    put,
    get,
    flush,
    flush_file,
    shrink,
    pick,
    picked,
    entries,
):
    machine = structref.new(machine_owner)
    machine.pages, machine.policy, machine.backend = pages, policy, backend
    machine.insert, machine.remove, machine.check, machine.evicted, machine.putback = insert, remove, check, evicted, putback
    machine.begin, machine.isolate, machine.age, machine.finish, machine.accessed = begin, isolate, age, finish, accessed
    machine.store, machine.load, machine.invalidate = store, load, invalidate
    machine.put, machine.get, machine.flush, machine.flush_file, machine.shrink = put, get, flush, flush_file, shrink
    machine.pick, machine.picked, machine.entries = pick, picked, entries
    return machine
