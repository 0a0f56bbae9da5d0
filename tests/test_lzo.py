"""LZO's sizes: worked examples from the description of the stream, and what zram of Linux 6.18 stored of the very same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from models.compressors.compressor import Compressor
from models.compressors.lzo import from_lz4
from models.compressors.registry import REGISTRY
from models.contents import corpus, measured, synthetic
from models.contents.measured import DATA
from models.contents.pages import page_sizes
from models.contents.rows import ContentContext
from models.contents.tables import TABLES
from models.registry import resolve

PAGE = 4096
PROGRAMS = ("cpython_pandas", "redis_json", "node_objects", "jvm_hashmap", "gcc_cc1plus", "sqlite_mem")


def compressor(name: str) -> Compressor:
    entry = next(entry for entry in REGISTRY if entry.name == name)
    made = resolve(entry.target)({"compress_time": 6000, "decompress_time": 5000})
    assert isinstance(made, Compressor)
    return made


def size_of(name: str, page: bytes) -> int:
    found = compressor(name).size_of
    assert found is not None
    return found(page)


def noise(name: str, count: int) -> bytes:
    """Bytes like random ones, the same for ever."""
    return hashlib.shake_128(name.encode()).digest(count)


def head(count: int) -> bytes:
    """A page of noise, then zeros."""
    return noise(f"head {count}", count).ljust(PAGE, b"\0")


def lines(count: int) -> bytes:
    """Each line of 64 bytes begins with noise."""
    return b"".join(noise(f"line {count} {i}", count).ljust(64, b"\0") for i in range(64))


def words(count: int, number: int) -> bytes:
    """512 words out of a dictionary."""
    book = [noise(f"word {number} {i}", 8) for i in range(count)]
    return b"".join(book[byte % count] for byte in noise(f"order {number}", 512))


def text(number: int) -> bytes:
    """Records as a program prints them."""
    drawn = noise(f"text {number}", PAGE)
    return "".join(f"{{'id': {i}, 'name': 'user{drawn[i]}', 'score': {drawn[i + 1] / 7:.3f}}}\n" for i in range(200)).encode()[:PAGE]


def test_noise_is_one_run_of_literals() -> None:
    """4096 literals: an instruction, 4078 more than its 18 in 15 bytes of 255 and a last one, the literals, 3 bytes of end."""
    assert size_of("lzo", noise("all", PAGE)) == 1 + (15 + 1) + PAGE + 3 == 4116
    assert size_of("lzo-rle", noise("all", PAGE)) == 4118  # its version in front


def test_runs_of_zeros() -> None:
    """16 literals take 1 + 16; runs of 2051 and 2009 zeros, 4 bytes each, reach the last 20 bytes: 2 + 20; version 2, end 3."""
    page = bytes(range(1, 17)).ljust(PAGE, b"\0")
    assert size_of("lzo-rle", page) == 2 + 17 + 4 + 4 + (2 + 20) + 3 == 52


def test_a_copy_of_zeros() -> None:
    """17 literals, the first zero with them, take 1 + 17.  A copy from 1 back grows by 8 until it passes byte 4076: 4 + 8 * 507 = 4060
    bytes, up to 4077, whose length is 33 and 4027 more, 16 bytes: 3 + 16.  Then 19 literals (2 + 19), and the end (3)."""
    page = bytes(range(1, 17)).ljust(PAGE, b"\0")
    assert size_of("lzo", page) == 18 + 19 + 21 + 3 == 61


# bytes that zram of Linux 6.18 stored; between 3620 and 4096 it stores the page as it is
KERNEL_HEADS = {
    1: (44, 41), 4: (44, 41), 8: (53, 44), 20: (61, 57), 32: (77, 69), 100: (150, 138), 239: (292, 282), 512: (573, 552),
    1024: (1101, 1070), 1500: (1637, 1588), 2048: (2213, 2150), 3000: (3198, 3101),
}  # fmt: skip


@pytest.mark.parametrize(("count", "kernel"), KERNEL_HEADS.items())
def test_heads_of_noise_are_as_the_kernel_makes_them(count: int, kernel: tuple[int, int]) -> None:
    """The contents of most measured guests: exact."""
    page = head(count)
    assert (size_of("lzo", page), size_of("lzo-rle", page)) == kernel


def real_pages() -> list[bytes]:
    """Pages whose sizes the kernel was asked for, in the order of KERNEL_PAGES."""
    pages = [lines(count) for count in (8, 16, 32)]
    pages += [words(count, number) for count in (64, 128) for number in range(4)]
    return [*pages, *(text(number) for number in range(4))]


KERNEL_PAGES = {
    "lzo": [850, 1365, 2392, 1481, 1461, 1460, 1458, 2005, 1900, 1956, 1913, 1136, 1130, 1137, 1136],
    "lzo-rle": [851, 1366, 2451, 1483, 1463, 1462, 1460, 2007, 1902, 1958, 1915, 1138, 1132, 1139, 1138],
}  # fmt: skip


@pytest.mark.parametrize("name", KERNEL_PAGES)
def test_other_pages_are_within_a_percent(name: str) -> None:
    """Which copies are found depends on collisions of the hash, which is not the kernel's: single pages may be off, the mean is not."""
    kernel = np.array(KERNEL_PAGES[name])
    ours = page_sizes(real_pages(), compressor(name))
    assert abs(ours.mean() / kernel.mean() - 1) < 0.005
    assert np.abs(ours / kernel - 1).max() < 0.03


@pytest.mark.parametrize("name", ["lzo", "lzo-rle"])
def test_what_does_not_compress_is_larger_than_a_page(name: str) -> None:
    """LZO does not give up, others do: their size is the page's."""
    pages = [noise("all", PAGE), b"abcdefgh" * 512]
    assert page_sizes(pages, compressor(name)).tolist() == [4116 if name == "lzo" else 4118, 0]
    assert page_sizes(pages, compressor("lz4")).tolist() == [PAGE, 0]


def test_same_filled_pages() -> None:
    for name in ("lzo", "lzo-rle"):
        assert compressor(name).same_size(PAGE) == size_of(name, b"\1" * PAGE) < 50
    assert compressor("lzo1x").same_size(PAGE) == 27  # as it was


@pytest.mark.parametrize("name", ["lzo", "lzo-rle"])
def test_contents_can_be_compressed(name: str, tmp_path: Path) -> None:
    context = ContentContext(PAGE, np.random.SeedSequence(1), compressor(name))
    made = synthetic.build({"ratio": 3.0, "spread": 0.4, "correlation": 0.9, "same_filled": 0.05, "rows": 1000}, context).sizes
    assert abs(PAGE / made[made > 0].mean() / 3 - 1) < 0.03
    (tmp_path / "pages").write_bytes(head(1024))
    assert corpus.build({"path": str(tmp_path), "limit": 1 << 20}, context).sizes.tolist() == [KERNEL_HEADS[1024][name == "lzo-rle"]]


@pytest.mark.parametrize("column", ["lzo", "lzo-rle"])
def test_estimates_from_lz4(column: str) -> None:
    """Over all measured programs the estimate is right; over one of them it is at most 8 % off (docs/compressors.md)."""
    ours, kernel = [], []
    for program in PROGRAMS:
        with np.load(DATA / f"{program}.npz") as table:
            lz4, lzo = table["lz4"], table[column]
        stored = (lz4 > 0) & (lz4 < PAGE) & (lzo < PAGE)
        ours.append(from_lz4(column, lz4)[stored].mean())
        kernel.append(lzo[stored].mean())
    assert abs(np.mean(ours) / np.mean(kernel) - 1) < 0.02
    assert np.abs(np.array(ours) / np.array(kernel) - 1).max() < 0.08
    assert from_lz4(column, np.array([0, PAGE])).tolist() == [0, PAGE]


def test_a_table_without_lzo_says_that_it_is_estimated() -> None:
    context = ContentContext(PAGE, np.random.SeedSequence(1), compressor("lzo-rle"))
    rows = measured.build({"table": "cc1", "file": None}, context)
    assert "lzo-rle estimated from column lz4" in rows.note and "lzo-rle" not in TABLES["cc1"]
    assert rows.sizes.min() == 0 and rows.sizes.max() <= PAGE
