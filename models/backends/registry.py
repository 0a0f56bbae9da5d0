"""Compressed-swap backends that a configuration can name (`backend.kind`)."""

from models.registry import REQUIRED, Entry, Option

_TUNABLES = "Linux 3.1 drivers/staging/zcache/zcache-main.c, with its default"

_ZSWAP = "Linux 6.1 and 6.12 mm/zswap.c, with its default"
_ZRAM = "Linux 6.1 and 6.12 drivers/block/zram/zram_drv.c"
_ZRAM_612 = "Linux 6.12 drivers/block/zram/zram_drv.c"

REGISTRY = (
    Entry("none", "models.backends.none:NONE", "plain swap: every page goes to the swap device", "definition"),
    Entry(
        "zcache",
        "models.backends.zcache:ZCACHE",
        "zcache 1.0: swapped pages behind frontswap (persistent), clean pages of files behind cleancache (ephemeral)",
        "Linux 3.1 drivers/staging/zcache/zcache-main.c and tmem.c",
        (
            Option(
                "persistent",
                "group",
                doc="the frontswap side",
                options=(
                    Option(
                        "allocator",
                        "part:allocators",
                        default="xvmalloc",
                        doc="where compressed pages live",
                        source="Linux 3.1 drivers/staging/zcache/zcache-main.c",
                    ),
                    Option("compressor", "part:compressors", default="lz4", doc="what compresses them (the original: lzo1x-1)"),
                    Option("zv_max_zsize", "int", "B", 3584, "largest compressed page stored (7/8 page)", _TUNABLES, 1, 65536),
                    Option(
                        "zv_max_mean_zsize",
                        "int",
                        "B",
                        2560,
                        "a page above this is stored only while the pool's mean is not (5/8 page)",
                        _TUNABLES,
                        1,
                        65536,
                    ),
                    Option(
                        "zv_page_count_policy_percent",
                        "int",
                        "%",
                        75,
                        "stored pages at most this share of all memory pages",
                        _TUNABLES,
                        1,
                        150,
                    ),
                ),
            ),
            Option(
                "ephemeral",
                "group",
                doc="the cleancache side; compressed like the other",
                options=(
                    Option(
                        "allocator",
                        "part:allocators",
                        default="zbud-zcache1",
                        doc="where compressed clean pages live; one that can evict",
                        source="Linux 3.1 drivers/staging/zcache/zcache-main.c",
                    ),
                ),
            ),
            Option("frontswap", "bool", "", True, "keep swapped pages; false is the boot word nofrontswap", _TUNABLES),
            Option("cleancache", "bool", "", True, "keep clean pages of files; false is the boot word nocleancache", _TUNABLES),
            Option(
                "word_size",
                "choice",
                "bit",
                64,
                "pointer size of the kernel: zv header of 36 or 40 bytes",
                "Linux 3.1 drivers/staging/zcache/zcache-main.c, struct zv_hdr",
                choices=(32, 64),
            ),
        ),
    ),
    Entry(
        "zswap",
        "models.backends.zswap:ZSWAP",
        "zswap: swapped pages compressed in a pool in front of the swap device",
        "Linux 6.1, 6.6 and 6.12 mm/zswap.c",
        (
            Option(
                "version",
                "choice",
                "",
                "auto",
                "Linux whose rules these are; auto = machine.kernel",
                choices=("auto", "6.1", "6.6", "6.12"),
            ),
            Option("enabled", "bool", "", True, "store at all", _ZSWAP),
            Option("compressor", "part:compressors", default="lz4", doc="what compresses pages"),
            Option("zpool", "part:allocators", default="zsmalloc", doc="where compressed pages live", source=_ZSWAP),
            Option("max_pool_percent", "int", "%", 20, "the pool's limit, of all memory", _ZSWAP, 1, 100),
            Option("accept_threshold_percent", "int", "%", 90, "of the limit: a full pool takes pages again below that", _ZSWAP, 0, 100),
            Option("same_filled_pages_enabled", "bool", "", True, "keep pages of one repeated word without pool memory (to 6.6)", _ZSWAP),
            Option("non_same_filled_pages_enabled", "bool", "", True, "keep all other pages (to 6.6)", _ZSWAP),
            Option(
                "exclusive_loads", "bool", "", False, "6.6: drop the entry when its page is read; 6.12 always does", "Linux 6.6 mm/zswap.c"
            ),
            Option("shrinker_enabled", "bool", "", False, "6.12: write entries back under memory pressure", "Linux 6.12 mm/Kconfig"),
        ),
    ),
    Entry(
        "zram",
        "models.backends.zram:ZRAM",
        "zram: a compressed block device in memory as swap; with `swap:` that device has the lower priority",
        "Linux 6.1 and 6.12 drivers/block/zram",
        (
            Option("disksize", "size", "B", REQUIRED, "size of the device, in uncompressed pages", _ZRAM, 64 << 10, 1 << 43),
            Option("compressor", "part:compressors", default="lz4", doc="what compresses pages (comp_algorithm)"),
            Option("zpool", "part:allocators", default="zsmalloc", doc="where compressed pages live", source=_ZRAM),
            Option("mem_limit", "size", "B", "0B", "most memory for the pool; 0 = no limit", _ZRAM, 0, 1 << 43),
            Option(
                "recomp_algorithm",
                "list:part:compressors",
                default=[],
                doc="compressors for `recompress`, by priority from 1 on; at most 3",
            ),
            Option("backing_dev", "str", "", None, "name of a device of `devices` that pages are written back to", _ZRAM),
            Option(
                "writeback_limit",
                "int",
                "pages",
                None,
                "pages that may be written back from the start; without it as many as fit",
                _ZRAM,
                0,
            ),
            Option(
                "commands",
                "list:group",
                default=[],
                doc="what is written into sysfs during the run",
                source=_ZRAM,
                options=(
                    Option("at", "time", "ns", None, "simulated time", "", 0),
                    Option("every", "time", "ns", None, "instead: again and again", "", 1),
                    Option("idle", "str", "", None, "mark slots idle: all, or those last used so long ago (1h)", _ZRAM),
                    Option(
                        "writeback", "choice", "", None, "write slots back", _ZRAM, choices=("idle", "huge", "huge_idle", "incompressible")
                    ),
                    Option("writeback_limit", "int", "pages", None, "pages that may be written back from now on", _ZRAM, 0),
                    Option("compact", "bool", "", False, "compact the pool", _ZRAM),
                    Option(
                        "recompress",
                        "group",
                        doc="try other compressors",
                        options=(
                            Option("type", "choice", "", None, "which slots", _ZRAM_612, choices=("all", "idle", "huge", "huge_idle")),
                            Option(
                                "threshold", "size", "B", "0B", "only objects of at least this size, into smaller ones", _ZRAM_612, 0, 65536
                            ),
                            Option("max_pages", "int", "pages", None, "at most so many", _ZRAM_612, 1),
                            Option("priority", "int", "", None, "only this compressor", _ZRAM_612, 1, 3),
                        ),
                    ),
                ),
            ),
        ),
    ),
)
