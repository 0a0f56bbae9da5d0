"""Replacement policies that `mempress cache` knows.  An alias is a name of the reference misses; with it goes that tool's rule."""

from models.registry import Entry, Option

LIBCACHESIM = "libcachesim 0.3.5, its defaults"
_RULES = ("paper", "libcachesim")
_BITS = (Option("bits", "int", "", 1, "bits of a page's reference count", "Corbato 1968", 1, 16),)
_TWO_Q = (
    Option("inside", "float", "", 0.25, "part of the cache that A1in holds (Kin)", "Johnson and Shasha 1994, section 3", 0, 1),
    Option("outside", "float", "", 0.5, "pages that A1out remembers, as part of the cache (Kout)", "Johnson and Shasha 1994", 0, 4),
)
_SLRU = (
    Option("segments", "int", "", 2, "segments of equal size", "Karedla, Love, Wherry 1994: two", 1, 5),
    Option(
        "rule", "choice", "", "paper", "where new pages go, see docs/cache-policies.md", "same paper; libcachesim 0.3.5", choices=_RULES
    ),
)
_S3FIFO = (
    Option("small", "float", "", 0.1, "part of the cache that is the small FIFO", "Yang et al. 2023, section 4", 0, 1),
    Option("ghosts", "float", "", 0.9, "pages remembered, as part of the cache", "Yang et al. 2023: as many as main has", 0, 4),
    Option("threshold", "int", "", 2, "hits that lead from small to main", "Yang et al. 2023: more than one", 1, 3),
    Option("rule", "choice", "", "paper", "where pages go before the first eviction", "algorithm 1; libcachesim 0.3.5", choices=_RULES),
)
_LIRS = (
    Option("hir", "float", "", 0.01, "part of the cache for HIR pages, at least one page", "Jiang and Zhang 2002, section 4: 1 %", 0, 1),
    Option("ghosts", "float", "", 1.0, "pages remembered, as part of the cache (rule: paper)", "ours; the paper has no bound", 0, 64),
    Option("rule", "choice", "", "paper", "see docs/cache-policies.md", "same paper; libcachesim 0.3.5, by observation", choices=_RULES),
)
_CLOCK_PRO = (
    Option("cold", "float", "", 0.01, "part of the cache for cold pages at the start; it adapts", "ours: LIRS's share", 0, 1),
    Option("fill", "choice", "", "hot", "what the first pages are", "ours: LIRS's start", choices=("cold", "hot")),
)
_LRU_K = (
    Option("k", "int", "", 2, "the use that counts, from the last", "O'Neil, O'Neil, Weikum 1993: two", 1, 16),
    Option(
        "correlated",
        "int",
        "",
        0,
        "accesses after which a use counts as a new one, and the page may go",
        "the paper has seconds (some 5)",
        0,
        1 << 40,
    ),
    Option("retained", "int", "", 0, "accesses that a page's history is kept, 0 for ever", "the paper has seconds (some 200)", 0, 1 << 40),
    Option("ghosts", "float", "", 1.0, "pages whose history is kept, as part of the cache", "ours; the paper has only the time", 0, 64),
)
_TINY = "Einziger, Friedman, Manes 2017"
_SKETCH = (
    Option("rows", "int", "", 4, "hashes of the sketch, each with counters of its own", "Cormode, Muthukrishnan 2005; ours", 1, 16),
    Option("counters", "float", "", 4.0, "counters of a row for each page of the cache", "ours", 0, 64),
    Option("bits", "int", "", 4, "bits of a counter", f"{_TINY}, section 3", 1, 16),
    Option("sample", "float", "", 10.0, "uses between halvings, for each page of the cache", f"{_TINY}: W/C, varied; ours", 0, 1000),
    Option("door", "float", "", 40.0, "bits of the doorkeeper for each page of the cache, 0 none", "ours: four a use", 0, 1000),
    Option("door_hashes", "int", "", 3, "hashes of the doorkeeper", "ours", 1, 16),
    Option("seed", "int", "", 1, "of the hashes", "definition", 0, 1 << 30),
)
_W_TINYLFU = (
    Option("window", "float", "", 0.01, "part of the cache that new pages pass", f"{_TINY}, section 4: 1 %", 0, 1),
    Option("protected", "float", "", 0.8, "protected part of the rest", f"{_TINY}, section 4: 80 %", 0, 1),
    *_SKETCH,
)
_LINUX_LRU = (Option("batch", "int", "", 32, "evictions of one run of reclaim", "Linux 6.1, include/linux/swap.h", 1, 4096),)
_MGLRU = (
    Option("batch", "int", "", 64, "evictions between two looks at ageing and tiers", "Linux 6.1, mm/vmscan.c", 1, 4096),
    Option(
        "ghosts",
        "float",
        "",
        8.0,
        "pages remembered, as part of the cache",
        "Linux 6.1, mm/workingset.c: a node of 64 for 8 pages",
        0,
        64,
    ),
)
_SEED = (Option("seed", "int", "", 1, "of the draws", "definition", 0, 1 << 30),)

REGISTRY = (
    Entry("lru", "models.cache.lru:LRU", "least recently used", "Mattson et al. 1970"),
    Entry("mru", "models.cache.mru:MRU", "most recently used", "Chou and DeWitt 1985"),
    Entry("fifo", "models.cache.fifo:FIFO", "first in, first out", "Belady 1966"),
    Entry("clock", "models.cache.clock:CLOCK", "second chance with reference counts of n bits", "Corbato 1968", _BITS),
    Entry(
        "nru", "models.cache.nru:NRU", "not recently used: reference bits, cleared when all are set", "Tanenbaum, Modern Operating Systems"
    ),
    Entry("random", "models.cache.random:RANDOM", "any page", "Belady 1966", _SEED),
    Entry("lfu", "models.cache.lfu:LFU", "fewest uses since it came in", "Shah, Mitra, Matani 2010"),
    Entry("slru", "models.cache.slru:SLRU", "segmented LRU", "Karedla, Love, Wherry 1994", _SLRU),
    Entry("2q", "models.cache.two_q:TWO_Q", "a FIFO in front of an LRU list, with ghosts", "Johnson and Shasha 1994", _TWO_Q),
    Entry("arc", "models.cache.arc:ARC", "recency and frequency, balanced by hits on ghosts", "Megiddo and Modha 2003"),
    Entry("car", "models.cache.car:CAR", "ARC with clocks: a hit only sets a bit", "Bansal and Modha 2004"),
    Entry("lirs", "models.cache.lirs:LIRS", "low inter-reference recency set", "Jiang and Zhang 2002", _LIRS),
    Entry("clock-pro", "models.cache.clock_pro:CLOCK_PRO", "LIRS as a clock with three hands", "Jiang, Chen, Zhang 2005", _CLOCK_PRO),
    Entry("s3-fifo", "models.cache.s3fifo:S3FIFO", "small, main and ghost FIFO", "Yang et al. 2023", _S3FIFO),
    Entry("lru-k", "models.cache.lru_k:LRU_K", "K-th last use longest ago", "O'Neil, O'Neil, Weikum 1993", _LRU_K),
    Entry("tinylfu", "models.cache.tinylfu:TINYLFU", "LRU that admits by frequency", "Einziger, Friedman, Manes 2017", _SKETCH),
    Entry("w-tinylfu", "models.cache.w_tinylfu:W_TINYLFU", "TinyLFU behind a window", "Einziger, Friedman, Manes 2017", _W_TINYLFU),
    Entry("sieve", "models.cache.sieve:SIEVE", "FIFO with a hand that stays", "Zhang et al. 2024"),
    Entry("linux-lru", "models.cache.linux_lru:LINUX_LRU", "Linux's active and inactive list, files read", "Linux 6.1", _LINUX_LRU),
    Entry("mglru", "models.cache.mglru:MGLRU", "Linux's multi-generational LRU, files read", "Linux 6.1", _MGLRU),
    Entry("belady", "models.cache.belady:BELADY", "MIN: farthest next use; the bound", "Belady 1966"),
)

OFFLINE = ("belady", "tinylfu")  # not for the machine: one wants to know the future, one refuses pages that have their frame already
ONLINE = tuple(entry for entry in REGISTRY if entry.name not in OFFLINE)

ALIASES = (
    Entry("LRU", "models.cache.lru:LRU", "lru", LIBCACHESIM),
    Entry("FIFO", "models.cache.fifo:FIFO", "fifo", LIBCACHESIM),
    Entry("Clock", "models.cache.clock:CLOCK", "clock with 1 bit", LIBCACHESIM, _BITS, {"bits": 1}),
    Entry("Clock2", "models.cache.clock:CLOCK", "clock with 2 bits", LIBCACHESIM, _BITS, {"bits": 2}),
    Entry("Random", "models.cache.random:RANDOM", "random", LIBCACHESIM, _SEED),
    Entry("LFU", "models.cache.lfu:LFU", "lfu", LIBCACHESIM),
    Entry("SLRU", "models.cache.slru:SLRU", "slru as that tool has it", LIBCACHESIM, _SLRU, {"segments": 4, "rule": "libcachesim"}),
    Entry("TwoQ", "models.cache.two_q:TWO_Q", "2q", LIBCACHESIM, _TWO_Q),
    Entry("ARC", "models.cache.arc:ARC", "arc", LIBCACHESIM),
    Entry("LIRS", "models.cache.lirs:LIRS", "lirs as that tool has it", LIBCACHESIM, _LIRS, {"rule": "libcachesim"}),
    Entry("S3FIFO", "models.cache.s3fifo:S3FIFO", "s3-fifo as that tool has it", LIBCACHESIM, _S3FIFO, {"rule": "libcachesim"}),
    Entry("Sieve", "models.cache.sieve:SIEVE", "sieve", LIBCACHESIM),
    Entry("Belady", "models.cache.belady:BELADY", "belady", LIBCACHESIM),
)
