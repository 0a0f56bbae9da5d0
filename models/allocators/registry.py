"""Compressed-memory allocators that a configuration or `replay` can name."""

from models.registry import Entry, Option

_XVMALLOC = (
    Option(
        "align",
        "choice",
        "B",
        8,
        "header and alignment of every block: 4 in Linux 2.6.37 and on 32-bit machines, 8 on 64-bit machines from 3.0",
        "Linux 2.6.37 and 3.0, drivers/staging/zram/xvmalloc_int.h",
        choices=(4, 8),
    ),
    Option(
        "step",
        "choice",
        "B",
        "auto",
        "distance between two free lists; auto = page/512, 16 for 64 KiB pages (3.0); 8 = 2.6.37, where 64 KiB pages overflow the index",
        "Linux 2.6.37 and 3.0, drivers/staging/zram/xvmalloc_int.h",
        choices=("auto", 8),
    ),
)

_XCFMALLOC = (
    Option(
        "rule",
        "choice",
        "",
        "v2",
        "which block may be a smaller one: the first (v2), or only the last (v1, which therefore never splits)",
        "posts of 2011-08-31 (v1) and 2011-09-07 (v2)",
        choices=("v1", "v2"),
    ),
    Option(
        "header", "choice", "bit", 64, "word size: block headers of 12 or 16 bytes, descriptors of 24 or 32", "same posts", choices=(32, 64)
    ),
    Option("reserve", "int", "pages", 32, "completely unused pages that the pool keeps", "same posts", 0, 1 << 20),
)

_ZBUD_ZCACHE1 = (
    Option(
        "header",
        "choice",
        "bit",
        64,
        "word size: page headers of 96 or 128 bytes; data begins at 128 with both, so nothing else differs",
        "Linux 3.1 drivers/staging/zcache/zcache-main.c",
        choices=(32, 64),
    ),
)

_ZSMALLOC = (
    Option(
        "version",
        "choice",
        "",
        "auto",
        "Linux whose rules these are: v6.1, or v6.12 for 6.4 and later; auto = zswap's and zram's own, and v6.12 elsewhere",
        "Linux 6.1 and 6.12 mm/zsmalloc.c",
        choices=("auto", "v6.1", "v6.12"),
    ),
    Option(
        "chain",
        "choice",
        "pages",
        "auto",
        "most pages of a zspage (CONFIG_ZSMALLOC_CHAIN_SIZE); auto = 8, and 4 in v6.1, which knows no other",
        "Linux 6.12 mm/Kconfig",
        choices=("auto", *range(4, 17)),
    ),
    Option(
        "pools",
        "int",
        "",
        1,
        "independent pools that an object's number selects from: 32 in zswap of 6.6 (more zspages are partly filled)",
        "Linux 6.6 mm/zswap.c",
        1,
        32,
    ),
)

_CHUNKED = (
    Option(
        "header",
        "choice",
        "bit",
        64,
        "word size: descriptors of 20 or 40 bytes for every chunk and every object",
        "computed from the fields that the design mails list (linuxcompressed, 2006)",
        choices=(32, 64),
    ),
    Option("most", "int", "chunks", 4, "chunks that an object may have", "the mails have a count in the object's flags, no figure", 1, 64),
)

_SLAB_2011 = (
    Option("pages", "int", "pages", 4, "pages of a superblock; 4 and 8 were named", "driverdev mail of 2011-09-13", 1, 64),
    Option(
        "spacing", "size", "B", "32B", "distance between two classes; must divide the page size", "driverdev mail of 2011-09-12", 1, 1 << 16
    ),
    Option(
        "threshold",
        "int",
        "%",
        25,
        "compaction leaves a class alone unless so much of it is free",
        "Hoard's emptiness threshold of one quarter; the mail names no figure",
        0,
        100,
    ),
)

_ZBLOCK = (
    Option(
        "table",
        "choice",
        "",
        "final",
        "which posted table of block types",
        "linux-mm posts of 2025-04-04 (v2, v3), 2025-04-12 (v4), and the fixes of May 2025 (final)",
        choices=("v2", "v4", "final"),
    ),
)

_XV = "models.allocators.xvmalloc:XVMALLOC"
_XCF = "models.allocators.xcfmalloc_compact:XCFMALLOC"
_ZBUD1 = "models.allocators.zbud_zcache1:ZBUD_ZCACHE1"
_ZBUD = "models.allocators.zbud:ZBUD"
_Z3FOLD = "models.allocators.z3fold:Z3FOLD"
_ZBLOCK_AT = "models.allocators.zblock:ZBLOCK"
_ZS = "models.allocators.zsmalloc:ZSMALLOC"
_POSTED_V1 = "driverdev mail of 2011-08-31, [PATCH 1/3] staging: zcache: xcfmalloc memory allocator"
_POSTED_V2 = "driverdev mail of 2011-09-07, [PATCH v2 0/3] staging: zcache: xcfmalloc support"

REGISTRY = (
    Entry(
        "xvmalloc",
        _XV,
        "segregated fit inside single pages; nothing crosses a page",
        "Linux 3.0/3.1 drivers/staging/zram/xvmalloc.c",
        _XVMALLOC,
    ),
    Entry("xcfmalloc", _XCF, "one or two blocks of 64-byte granularity an object, across pages", _POSTED_V2, _XCFMALLOC),
    Entry(
        "xvmalloc-2.6.37-align4",
        _XV,
        "xvmalloc with 4-byte alignment",
        "Linux 2.6.37.6 drivers/staging/zram/xvmalloc.c",
        _XVMALLOC,
        {"align": 4, "step": 8},
    ),
    Entry(
        "xvmalloc-3.0-align8",
        _XV,
        "xvmalloc with 8-byte alignment, 64-bit",
        "Linux 3.0.43 drivers/staging/zram/xvmalloc.c",
        _XVMALLOC,
        {"align": 8, "step": "auto"},
    ),
    Entry("xcfmalloc-v1-32bit", _XCF, "xcfmalloc as first posted, 32-bit", _POSTED_V1, _XCFMALLOC, {"rule": "v1", "header": 32}),
    Entry("xcfmalloc-v2-32bit", _XCF, "xcfmalloc v2, 32-bit", _POSTED_V2, _XCFMALLOC, {"rule": "v2", "header": 32}),
    Entry("xcfmalloc-v2-64bit", _XCF, "xcfmalloc v2, 64-bit", _POSTED_V2, _XCFMALLOC, {"rule": "v2", "header": 64}),
    Entry(
        "zbud-zcache1",
        _ZBUD1,
        "zbud of zcache 1.0: at most two objects a page, whole pages are evicted, empty ones are kept until then",
        "Linux 3.1 drivers/staging/zcache/zcache-main.c",
        _ZBUD_ZCACHE1,
    ),
    Entry(
        "zbud-3.1",
        _ZBUD1,
        "zbud of zcache 1.0, 64-bit",
        "Linux 3.1.10 drivers/staging/zcache/zcache-main.c",
        _ZBUD_ZCACHE1,
        {"header": 64},
    ),
    Entry("zbud", _ZBUD, "zbud of zswap: at most two objects a page, best fit, pages are evicted by age", "Linux 6.1 mm/zbud.c"),
    Entry("zbud-6.1", _ZBUD, "zbud of zswap, Linux 6.1", "Linux 6.1.192 mm/zbud.c"),
    Entry("z3fold", _Z3FOLD, "z3fold of zswap: at most three objects a page, which move inside and between pages", "Linux 6.1 mm/z3fold.c"),
    Entry("z3fold-6.1", _Z3FOLD, "z3fold of zswap, Linux 6.1", "Linux 6.1.192 mm/z3fold.c"),
    Entry(
        "zsmalloc",
        _ZS,
        "size classes of zspages, chains of single pages that objects may cross; compaction",
        "Linux 6.1 and 6.12 mm/zsmalloc.c",
        _ZSMALLOC,
    ),
    Entry(
        "zsmalloc-3.6",
        f"{_ZS}_3_6",
        "zsmalloc as it came to staging: no merged classes, no compaction",
        "Linux 3.6 drivers/staging/zsmalloc/zsmalloc-main.c",
    ),
    Entry(
        "zsmalloc-6.1",
        _ZS,
        "zsmalloc of 6.1: up to 4 pages a zspage, almost-empty and almost-full lists",
        "Linux 6.1.192 mm/zsmalloc.c",
        _ZSMALLOC,
        {"version": "v6.1", "chain": 4},
    ),
    Entry(
        "zsmalloc-6.12-chain8",
        _ZS,
        "zsmalloc of 6.4 and later: up to 8 pages a zspage, lists by tenths of fullness",
        "Linux 6.12.117 mm/zsmalloc.c",
        _ZSMALLOC,
        {"version": "v6.12", "chain": 8},
    ),
)

REGISTRY = (
    *REGISTRY,
    Entry("ideal", "models.allocators.ideal:IDEAL", "payload bytes in as few pages as can hold them: the bound", "definition"),
    Entry("page-per-object", "models.allocators.page_per_object:PAGE_PER_OBJECT", "one page for every object: the other end", "definition"),
    Entry(
        "chunked",
        "models.allocators.chunked:CHUNKED",
        "byte-exact chunks that may lie in different pages: the first compressed cache's allocator",
        "linuxcompressed design mails of 2006",
        _CHUNKED,
    ),
    Entry(
        "slab-2011",
        "models.allocators.slab_2011:SLAB_2011",
        "superblocks of a few pages, one size each, with compaction; proposed instead of xcfmalloc",
        "driverdev mails of 2011-09-12 and 2011-09-13 (never posted as code)",
        _SLAB_2011,
    ),
    Entry(
        "zbud-zcache2",
        "models.allocators.zbud_zcache2:ZBUD_ZCACHE2",
        "zbud of zcache2: no page header, a true LRU, pages are evicted to be reused",
        "Linux 3.10 drivers/staging/zcache/zbud.c",
    ),
    Entry("zblock", _ZBLOCK_AT, "blocks of a few pages cut into equal slots", "linux-mm posts of 2025", _ZBLOCK),
    Entry("zblock-v2", _ZBLOCK_AT, "zblock with the first table, 29 types", "linux-mm post of 2025-04-04", _ZBLOCK, {"table": "v2"}),
    Entry("zblock-v4", _ZBLOCK_AT, "zblock with the table of v4, 31 types", "linux-mm post of 2025-04-12", _ZBLOCK, {"table": "v4"}),
    Entry(
        "zblock-final",
        _ZBLOCK_AT,
        "zblock with the last table, 37 types",
        "zblock of May 2025, as in mm.git until July 2025",
        _ZBLOCK,
        {"table": "final"},
    ),
)

_HALVES = tuple(entry.name for entry in REGISTRY)
_HYBRID = (
    Option("below", "choice", "", "xvmalloc", "allocator of the small objects", "driverdev mail of 2011-09-15", choices=_HALVES),
    Option("above", "choice", "", "xcfmalloc", "allocator of the large objects", "driverdev mail of 2011-09-15", choices=_HALVES),
    Option(
        "threshold", "size", "B", None, "largest size that goes to `below`; unset = half a page", "the mail names no figure", 0, 1 << 16
    ),
)

REGISTRY = (
    *REGISTRY,
    Entry(
        "hybrid",
        "models.allocators.hybrid:HYBRID",
        "two allocators, chosen by size: xvmalloc for what compresses well, xcfmalloc for the rest",
        "proposed in the driverdev mail of 2011-09-15",
        _HYBRID,
    ),
)
