"""The compressors of the registry that can be timed here: compress a page, and give it back."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

from models.compressors.deflate import WINDOW_BITS
from models.compressors.registry import REGISTRY
from models.registry import Entry

Code = Callable[[bytes], bytes]


class Codec(NamedTuple):
    """One compressor with its default settings, and in words which library it is."""

    name: str
    library: str
    compress: Code
    decompress: Code


def entry(name: str) -> Entry:
    """The compressor's entry in the registry."""
    return next(one for one in REGISTRY if one.name == name)


def default(name: str, setting: str) -> int | str:
    """A setting's default, as it stands in the registry."""
    found: int | str = next(option.default for option in entry(name).options if option.name == setting)
    return found


def _lz4() -> Codec | str:
    import lz4.block

    def compress(page: bytes) -> bytes:
        made: bytes = lz4.block.compress(page, mode="default", store_size=False)
        return made

    def decompress(made: bytes) -> bytes:
        page: bytes = lz4.block.decompress(made, uncompressed_size=4096)
        return page

    return Codec("lz4", f"liblz4 {lz4.library_version_string()}", compress, decompress)


def _zstd() -> Codec | str:
    try:
        import zstandard
    except ImportError:
        return "the package zstandard is not installed (pip install 'mempress[zstd]')"
    compressor = zstandard.ZstdCompressor(level=int(default("zstd", "level")), write_content_size=False, write_checksum=False)
    decompressor = zstandard.ZstdDecompressor()

    def compress(page: bytes) -> bytes:
        return bytes(compressor.compress(page))

    def decompress(made: bytes) -> bytes:
        return bytes(decompressor.decompress(made, max_output_size=4096))

    return Codec("zstd", "libzstd " + ".".join(map(str, zstandard.ZSTD_VERSION)), compress, decompress)


def _deflate() -> Codec | str:
    level = int(default("deflate", "level"))

    def compress(page: bytes) -> bytes:
        return zlib.compress(page, level, WINDOW_BITS)

    def decompress(made: bytes) -> bytes:
        return zlib.decompress(made, WINDOW_BITS, 4096)

    return Codec("deflate", f"zlib {zlib.ZLIB_RUNTIME_VERSION}", compress, decompress)


_MAKERS: dict[str, Callable[[], Codec | str]] = {"lz4": _lz4, "zstd": _zstd, "deflate": _deflate}


def codecs() -> tuple[list[Codec], dict[str, str]]:
    """What can be timed, and why each other compressor of the registry cannot."""
    found, missing = [], {}
    for one in REGISTRY:
        made = _MAKERS[one.name]() if one.name in _MAKERS else "its sizes are worked out, nothing here compresses with it"
        if isinstance(made, str):
            missing[one.name] = made
        else:
            found.append(made)
    return found, missing
