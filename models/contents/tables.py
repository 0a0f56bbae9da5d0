"""The shipped tables of measured sizes, as plain data.  Files: models/contents/data/NAME.npz; origin: README.md there.

A table file holds, for each compressor's column, bytes of every 4 KiB page in address order: uint16[pages], or
uint16[versions, pages] where the history of each page is known (see models.contents.rows).  0 = same-filled, 4096 = incompressible.
`page`, if there, is int64[pages]: the page numbers in the program's address space, ascending.
"""

TABLES = {
    "cc1": "GCC 12's cc1plus, the recorded run of configs/traces/cc1.mpt, with the history of each page: lz4, zstd1, zstd3, deflate6",
    "cpython_pandas": "CPython with pandas, 8192 pages: lzo-rle, lzo, lz4, zstd1, zstd3, deflate6",
    "redis_json": "redis holding JSON, 7314 pages: lzo-rle, lzo, lz4, zstd1, zstd3, deflate6",
    "node_objects": "node.js, many objects, 8192 pages: lzo-rle, lzo, lz4, zstd1, zstd3, deflate6",
    "jvm_hashmap": "a JVM with a large hash map, 8192 pages: lzo-rle, lzo, lz4, zstd1, zstd3, deflate6",
    "gcc_cc1plus": "another run of GCC's cc1plus, 8192 pages: lzo-rle, lzo, lz4, zstd1, zstd3, deflate6",
    "sqlite_mem": "an in-memory SQLite, 7620 pages: lzo-rle, lzo, lz4, zstd1, zstd3, deflate6",
    "mixed": "runs of 64 pages of the six programs above (cc1 apart), shuffled, 16384 pages: lzo-rle, lzo, lz4",
    "random": "random bytes, 1024 pages, all incompressible: lzo-rle, lzo, lz4",
}
