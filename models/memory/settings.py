"""Settings of the machine itself that are not a named part: sysctls, time costs, CPU scheduling.  Plain data, no NumPy.

Defaults are for a present-day x86-64 server (about 3 GHz, one core); every one can be overridden in YAML.
"""

from __future__ import annotations

from models.registry import Option

_WRITEBACK = "Linux 6.1 mm/page-writeback.c, with its default"

SYSCTL = (
    Option(
        "vm.swappiness",
        "int",
        "",
        60,
        "weight of anonymous against file memory in reclaim",
        "Linux 6.1 mm/vmscan.c, with its default",
        0,
        200,
    ),
    Option(
        "vm.page-cluster",
        "int",
        "log2 pages",
        3,
        "swap readahead window is 2^n pages; 0 turns it off",
        "Linux 6.1 mm/swap_state.c, mm/swap.c, with its default",
        0,
        10,
    ),
    Option(
        "vm.min_free_kbytes",
        "int",
        "KiB",
        "auto",
        "free memory kept for the kernel; auto = isqrt(16 * lowmem KiB), 128..262144",
        "Linux 6.1 mm/page_alloc.c",
        64,
        67108864,
    ),
    Option(
        "vm.watermark_scale_factor",
        "int",
        "1/10000 of memory",
        10,
        "distance between the watermarks",
        "Linux 6.1 mm/page_alloc.c, with its default",
        1,
        3000,
    ),
    Option(
        "vm.watermark_boost_factor",
        "int",
        "1/10000 of the high mark",
        15000,
        "most that a zone's watermarks are raised when types of memory mix in its page blocks; 0: never",
        "Linux 6.1 mm/page_alloc.c, with its default",
        0,
        100000,
    ),
    Option(
        "vm.dirty_ratio",
        "int",
        "%",
        20,
        "share of the dirtyable memory at which writers are held back",
        _WRITEBACK,
        0,
        100,
    ),
    Option(
        "vm.dirty_background_ratio",
        "int",
        "%",
        10,
        "share of the dirtyable memory at which the flusher begins to write",
        _WRITEBACK,
        0,
        100,
    ),
    Option("vm.dirty_bytes", "int", "B", 0, "the same as a size; 0: the ratio holds", _WRITEBACK, 0),
    Option("vm.dirty_background_bytes", "int", "B", 0, "the same as a size; 0: the ratio holds", _WRITEBACK, 0),
    Option("vm.dirty_expire_centisecs", "int", "10 ms", 3000, "age at which dirty files are written", _WRITEBACK, 0),
    Option("vm.dirty_writeback_centisecs", "int", "10 ms", 500, "time between two looks at old dirty files; 0: never", _WRITEBACK, 0),
)

_SERVER = "order of magnitude for a 3 GHz x86-64 server; lat_mem/perf figures of the kind published with lmbench"

COSTS = (
    Option("access", "time", "ns", "2ns", "a touch of a mapped page, on top of the op's own cpu_ns", _SERVER, 0),
    Option("fault", "time", "ns", "500ns", "entry, page-table walk and exit of any page fault", _SERVER, 0),
    Option("major_fault", "time", "ns", "1us", "swap-cache and readahead work of a fault that must read", _SERVER, 0),
    Option("clear", "time", "ns per KiB", "25ns", "zeroing a fresh page (about 40 GB/s)", _SERVER, 0),
    Option("page_alloc", "time", "ns", "100ns", "taking one frame, per-CPU lists included", _SERVER, 0),
    Option("page_free", "time", "ns", "60ns", "giving one frame back", _SERVER, 0),
    Option("scan", "time", "ns", "150ns", "looking at one page of an inactive list: reverse map, accessed bit, tests", _SERVER, 0),
    Option("deactivate", "time", "ns", "80ns", "moving one page from the active to the inactive list", _SERVER, 0),
    Option("unmap", "time", "ns", "300ns", "removing a mapping, its share of the TLB flush included", _SERVER, 0),
    Option("submit_io", "time", "ns", "1500ns", "building and submitting one page's I/O", _SERVER, 0),
    Option("copy", "time", "ns per KiB", "60ns", "memcpy into or out of a pool (about 17 GB/s, cold source)", _SERVER, 0),
    Option("walk", "time", "ns", "4ns", "an allocator's look at one list head or block (first-level cache hit and a branch)", _SERVER, 0),
    Option("allocator", "time", "ns", "80ns", "fixed cost of one alloc or free in a compressed pool: lock, call", _SERVER, 0),
    Option("tmem", "time", "ns", "200ns", "tmem lookup, insert or removal: hash, tree of objects, radix tree", _SERVER, 0),
    Option("syscall", "time", "ns", "200ns", "entry and exit of a read or write call", _SERVER, 0),
    Option("page_lookup", "time", "ns", "60ns", "finding, adding or mapping one page of the page cache", _SERVER, 0),
    Option("read_page", "time", "ns", "500ns", "reading a page of a file: its place in the cache and in a request", _SERVER, 0),
    Option("copy_user", "time", "ns per KiB", "25ns", "copying between page cache and a process (about 40 GB/s, warm)", _SERVER, 0),
    Option("slab", "time", "ns", "50ns", "allocating or freeing one object of the kernel's", _SERVER, 0),
    Option("age_page", "time", "ns", "30ns", "looking at one page's accessed bit in a scan of idle ages", "a choice of this model", 0),
    Option(
        "look_at_entry",
        "time",
        "ns",
        "700ns",
        "what zswap's worker needs for an entry that it looks at (6.12: a step over the memory cgroups each time)",
        _SERVER,
        0,
    ),
    Option("pass_over", "time", "ns", "20ns", "passing over a page of a list whose zone is not wanted", _SERVER, 0),
    Option("wakeup", "time", "ns", "1500ns", "waking and switching to another thread", _SERVER, 0),
)

SCHEDULER = (
    Option(
        "quantum",
        "time",
        "ns",
        "4ms",
        "turn of a runnable actor while others wait for its CPU",
        "one tick of a Linux 6.1 kernel with HZ=250, kernel/sched/fair.c",
        1000,
    ),
    Option(
        "wakeup_delay",
        "time",
        "ns",
        "1ms",
        "a woken actor preempts one that has computed longer by more than this",
        "wake-up granularity of Linux 6.1, kernel/sched/fair.c (1 ms before scaling by CPUs)",
        0,
    ),
    Option(
        "slice",
        "time",
        "ns",
        "1ms",
        "longest computing in one step while no other vCPU computes",
        "accuracy of this simulator: halving it changes results by less than their interval",
        1000,
    ),
    Option(
        "shared_slice",
        "time",
        "ns",
        "100us",
        "longest computing in one step while another vCPU computes too (about 32 pages of reclaim)",
        "accuracy of this simulator: halving it changes results by less than their interval",
        1000,
    ),
)
