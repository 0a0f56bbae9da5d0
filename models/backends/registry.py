"""Compressed-swap backends that a configuration can name (`backend.kind`)."""

from models.registry import Entry, Option

_TUNABLES = "Linux 3.1 drivers/staging/zcache/zcache-main.c, with its default"

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
)
