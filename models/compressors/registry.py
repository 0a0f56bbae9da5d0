"""Compressors that a configuration can name."""

from models.registry import Entry, Option


def _times(compress: str, decompress: str, source: str) -> tuple[Option, ...]:
    return (
        Option("compress_time", "time", "ns", compress, "to compress one page, per 4 KiB", source, 0),
        Option("decompress_time", "time", "ns", decompress, "to decompress one page, per 4 KiB", source, 0),
    )


_LZ4 = "lz4 1.9 README, Silesia corpus, Core i7-9700K: 780 MB/s and 4970 MB/s, so 5.3 us and 0.8 us a page"
_ZSTD = "zstd 1.5 README, Silesia corpus, Core i7-9700K: level 1 at 510 and 1550 MB/s; level 3 taken as 290 and 1450 MB/s"
_ZLIB = "zstd 1.5 README, Silesia corpus, Core i7-9700K: zlib level 1 at 105 and 390 MB/s; level 6 taken as 35 MB/s"
_LZO = "lz4 1.9 README, Silesia corpus, Core i7-9700K: LZO 2.10 at 670 MB/s and 860 MB/s, so 6.1 us and 4.8 us a page"

REGISTRY = (
    Entry(
        "lz4",
        "models.compressors.lz4:build",
        "LZ4 block format, default speed",
        "liblz4 through the lz4 package",
        _times("5300ns", "800ns", _LZ4),
    ),
    Entry(
        "zstd",
        "models.compressors.zstd:build",
        "Zstandard; needs the extra `zstd`",
        "libzstd through the zstandard package",
        (Option("level", "int", "", 3, "compression level", "default of the Linux crypto API", 1, 19), *_times("14us", "2800ns", _ZSTD)),
    ),
    Entry(
        "deflate",
        "models.compressors.deflate:build",
        "raw deflate with a 4 KiB window",
        "zlib; window as in the Linux crypto API's deflate (-12 here)",
        (Option("level", "int", "", 6, "compression level", "default of the Linux crypto API", 1, 9), *_times("117us", "10500ns", _ZLIB)),
    ),
    Entry(
        "lzo",
        "models.compressors.lzo:build",
        "LZO1X-1 as Linux has it; sizes worked out, not compressed",
        "Linux Documentation/staging/lzo.rst; sizes checked against zram of Linux 6.18",
        _times("6100ns", "4800ns", _LZO),
    ),
    Entry(
        "lzo1x",
        "models.compressors.lzo:build_2011",
        "lzo as of 2011: less is made of a page of one word",
        "Linux 3.1 lib/lzo",
        _times("6100ns", "4800ns", _LZO),
    ),
    Entry(
        "lzo-rle",
        "models.compressors.lzo:build_rle",
        "LZO1X-1 with runs of zeros; sizes worked out, not compressed",
        "Linux Documentation/staging/lzo.rst; sizes checked against zram of Linux 6.18",
        _times("6100ns", "4800ns", _LZO),
    ),
)
