"""Contents: sizes as the compressor makes them, neighbours correlated as measured, larger pages, and what is refused."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import lz4.block
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.compressors.registry import REGISTRY as COMPRESSORS
from models.contents import corpus, distribution, measured, synthetic
from models.contents.pages import page_sizes, same_filled
from models.contents.rows import STRIDE, ContentContext, Rows
from models.contents.tables import TABLES
from models.errors import InputError
from models.registry import resolve

SYNTHETIC = {"ratio": 3.0, "spread": 0.4, "correlation": 0.9, "same_filled": 0.05, "rows": 3000}
NORMAL = {"shape": "normal", "mean": 2048, "sd": 256, "min": 1, "max": None, "values": None, "weights": None, "rows": 50_000}


def compressor(name: str, **options: Any):
    entry = next(entry for entry in COMPRESSORS if entry.name == name)
    settings = {"compress_time": 5000, "decompress_time": 1000, "level": 3 if name == "zstd" else 6}
    return resolve(entry.target)({**settings, **options})


def context(name: str = "lz4", page_size: int = 4096, seed: int = 1) -> ContentContext:
    return ContentContext(page_size, np.random.SeedSequence(seed), compressor(name))


def table(name: str, codec: str = "lz4", page_size: int = 4096) -> Rows:
    return measured.build({"table": name, "file": None}, context(codec, page_size))


def lag1(sizes: np.ndarray) -> float:
    return float(np.corrcoef(sizes[:-1], sizes[1:])[0, 1])


def test_the_rule_of_rows() -> None:
    """Other programs' rows: a stride a version, modulo the table.  A history: each page's own contents, the last one stays."""
    foreign = Rows(np.arange(10_000), 26, "")
    assert [foreign.row(5, v) for v in range(3)] == [5, 5 + STRIDE, (5 + 2 * STRIDE) % 10_000]
    history = Rows(np.arange(12), 26, "", versions=3, stride=0)
    assert [history.row(1, v) for v in range(5)] == [1, 5, 9, 9, 9]
    assert history.row(6, 1) == 6  # beyond the recorded pages it starts again


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_shipped_table(name: str) -> None:
    """Each column that tables.py names is there, and holds sizes of 4 KiB pages."""
    columns = TABLES[name].rpartition(":")[2].replace(",", " ").split()
    with np.load(measured.DATA / f"{name}.npz") as file:
        assert set(file.files) - {"page"} == set(columns)
        assert all(file[column].max() <= 4096 and file[column].shape[-1] == file[columns[0]].shape[-1] for column in columns)


def test_neighbours_stay_correlated() -> None:
    """Measured rows are in address order: a shuffled copy has no lag-1 correlation, the table has."""
    for name in sorted(set(TABLES) - {"random"}):
        sizes = table(name).sizes.reshape(table(name).versions, -1)[-1]
        shuffled = np.random.default_rng(1).permutation(sizes)
        assert lag1(sizes) > 0.4 and abs(lag1(shuffled)) < 0.1, name


def test_measured_means_of_linux() -> None:
    """Bytes stored by zram on Linux 6.18, as its mm_stat counted them."""
    for codec, name, total in (("lzo-rle", "redis_json", 11114336), ("lz4", "gcc_cc1plus", 8506339), ("lzo", "node_objects", 9558568)):
        assert int(table(name, codec).sizes.sum()) == total


def test_larger_pages_are_sums() -> None:
    small, large = table("redis_json").sizes, table("redis_json", page_size=16384).sizes
    assert len(large) == -(-len(small) // 4)
    expected = [
        int(np.where(small[i : i + 4] == 0, 26, small[i : i + 4]).sum()) if small[i : i + 4].any() else 0 for i in range(0, len(small), 4)
    ]
    assert np.array_equal(large, np.minimum(expected, 16384))
    assert table("random", page_size=65536).sizes.max() == 65536


def test_history_groups_by_address(tmp_path: Path) -> None:
    """Pages 3, 4, 5 and 9 under 16 KiB pages: page 3 alone, 4 and 5 together, 9 alone; two versions."""
    np.savez(tmp_path / "t.npz", page=np.array([3, 4, 5, 9]), lz4=np.array([[10, 20, 0, 0], [11, 4096, 4096, 7]], np.uint16))
    rows = measured.build({"table": "", "file": str(tmp_path / "t.npz")}, context(page_size=16384))
    assert rows.sizes.tolist() == [10, 46, 0, 11, 8192, 7] and (rows.versions, rows.stride) == (2, 0)


def test_table_from_csv(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("lz4,zstd3\n100,80\n0,0\n4096,4000\n")
    for codec, sizes in (("lz4", [100, 0, 4096]), ("zstd", [80, 0, 4000])):
        assert measured.build({"table": "", "file": str(tmp_path / "t.csv")}, context(codec)).sizes.tolist() == sizes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv:1: expected a heading"),
        ("1,2\n", "t.csv:1: expected a heading"),
        ("lz4\n", "it has no rows"),
        ("lz4,zstd3\n1\n", "t.csv:2: expected 2 sizes, found 1"),
        ("lz4\n5\n-1\n", "t.csv:3: expected a size in bytes .* found '-1'"),
        ("zstd3\n5\n", "no column lz4 .compressor lz4.; it has zstd3"),
    ],
)
def test_bad_csv(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        measured.build({"table": "", "file": str(tmp_path / "t.csv")}, context())


def test_bad_tables(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no table 'redis_jsn'; did you mean redis_json"):
        table("redis_jsn")
    with pytest.raises(InputError, match=r"table mixed has no column zstd3 .*shipped tables with zstd3: cc1"):
        table("mixed", "zstd")
    (tmp_path / "t.npz").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(InputError, match=r"t\.npz: not a readable"):
        measured.build({"table": "", "file": str(tmp_path / "t.npz")}, context())
    np.savez(tmp_path / "t.npz", lz4=np.array([1.5]))
    with pytest.raises(InputError, match="column lz4: expected integers"):
        measured.build({"table": "", "file": str(tmp_path / "t.npz")}, context())


@given(st.lists(st.binary(min_size=512, max_size=512) | st.just(b"abcdefgh" * 64), max_size=5))
def test_pages_are_really_compressed(pages: list[bytes]) -> None:
    """Sizes are those of LZ4 itself, 0 for a repeated word, at most the page."""
    lz4_sizes = [min(512, len(lz4.block.compress(page, store_size=False))) for page in pages]
    repeated = [all(page[i] == page[i % 8] for i in range(512)) for page in pages]
    assert page_sizes(pages, compressor("lz4")).tolist() == [0 if r else size for r, size in zip(repeated, lz4_sizes, strict=True)]
    assert [same_filled(page) for page in pages] == repeated


def test_corpus_file_folder_and_limit(tmp_path: Path) -> None:
    text = (b"the quick brown fox jumps over the lazy dog %d\n" % 7) * 300
    (tmp_path / "b").write_bytes(text[:5000])
    (tmp_path / "a").write_bytes(b"\0" * 4096)
    options = {"path": str(tmp_path), "limit": 1 << 30}
    expected = [0, *(len(lz4.block.compress(p, store_size=False)) for p in (text[:4096], text[4096:5000].ljust(4096, b"\0")))]
    assert corpus.build(options, context()).sizes.tolist() == expected
    assert corpus.build({**options, "path": str(tmp_path / "b")}, context()).sizes.tolist() == expected[1:]
    assert corpus.build({**options, "limit": 8192}, context()).sizes.tolist() == expected[:2]
    with pytest.raises(InputError, match="nowhere"):
        corpus.build({**options, "path": str(tmp_path / "nowhere")}, context())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no bytes"):
        corpus.build({**options, "path": str(tmp_path / "empty")}, context())


@pytest.mark.parametrize(("name", "ratio", "page_size"), [("lz4", 3.0, 4096), ("lz4", 1.5, 4096), ("deflate", 4.0, 16384)])
def test_synthetic_reaches_its_target(name: str, ratio: float, page_size: int) -> None:
    sizes = synthetic.build({**SYNTHETIC, "ratio": ratio, "rows": 1500, "correlation": 0.5}, context(name, page_size)).sizes
    assert abs(page_size / sizes[sizes > 0].mean() / ratio - 1) < 0.03
    assert abs((sizes == 0).mean() - 0.05) < 0.02


def test_synthetic_spread_and_correlation() -> None:
    sizes = synthetic.build({**SYNTHETIC, "same_filled": 0.0}, context()).sizes
    assert 0.3 < sizes.std() / sizes.mean() < 0.45 and 0.8 < lag1(sizes) < 0.95
    independent = synthetic.build({**SYNTHETIC, "same_filled": 0.0, "correlation": 0.0}, context()).sizes
    assert abs(lag1(independent)) < 0.06
    with pytest.raises(InputError, match="ratio 200 is out of reach: lz4 makes at least"):
        synthetic.build({**SYNTHETIC, "ratio": 200.0}, context("lz4", 4096))


def test_only_real_compressors_compress() -> None:
    """One of a plug-in may know sizes of tables alone."""
    tables_only = ContentContext(4096, np.random.SeedSequence(1), compressor("lz4")._replace(name="mine", size_of=None))
    with pytest.raises(InputError, match="mine has measured tables only"):
        synthetic.build(SYNTHETIC, tables_only)


def test_distribution() -> None:
    sizes = distribution.build(NORMAL, context()).sizes
    assert abs(sizes.mean() - 2048) < 5 and abs(sizes.std() - 256) < 4 and sizes.dtype == np.int32
    clipped = distribution.build({**NORMAL, "sd": 4000, "max": 3000}, context()).sizes
    assert (clipped.min(), clipped.max()) == (1, 3000)
    uniform = distribution.build({**NORMAL, "shape": "uniform", "min": 5, "max": 8}, context()).sizes
    assert np.allclose(np.bincount(uniform)[5:] / len(uniform), 0.25, atol=0.01)
    listed = {**NORMAL, "shape": "list", "values": [0, 700, 4096], "weights": [1.0, 3.0, 0.0]}
    assert np.allclose(np.mean(distribution.build(listed, context()).sizes == 700), 0.75, atol=0.01)
    for wrong in ({"values": [1], "weights": [1.0, 2.0]}, {"values": [5000], "weights": None}, {"values": [], "weights": None}):
        with pytest.raises(InputError, match="contents distribution"):
            distribution.build({**listed, **wrong}, context())


def test_same_seed_same_rows_in_another_process() -> None:
    code = (
        "import tests.test_contents as t, zlib\n"
        "r = [t.synthetic.build({**t.SYNTHETIC, 'rows': 200}, t.context(seed=9)), t.distribution.build(t.NORMAL, t.context(seed=9))]\n"
        "print([zlib.crc32(x.sizes.tobytes()) for x in r])"
    )
    root = Path(__file__).resolve().parent.parent
    runs = {subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 1 and "[" in runs.pop()
    other = [distribution.build(NORMAL, context(seed=seed)).sizes for seed in (9, 10)]
    assert not np.array_equal(*other)


def test_compressors() -> None:
    """Times scale with the page; a same-filled page has the size that the compressor itself makes of it."""
    assert compressor("lz4", compress_time=5000, decompress_time=1000).times(16384) == (20_000, 4000)
    for name in ("lz4", "deflate"):
        one = compressor(name)
        assert one.same_size(4096) == one.size_of(b"\1" * 4096) < 40
    assert compressor("lzo1x").same_size(4096) == 27


@pytest.mark.skipif(importlib.util.find_spec("zstandard") is not None, reason="zstandard is installed here")
def test_zstd_missing_is_said() -> None:
    with pytest.raises(InputError, match=r"zstandard is not installed \(pip install 'mempress\[zstd\]'\)"):
        compressor("zstd").size_of(b"a" * 4096)


@pytest.mark.skipif(importlib.util.find_spec("zstandard") is None, reason="the extra zstd is not installed")
def test_zstd() -> None:
    one = compressor("zstd")
    assert one.size_of(b"\1" * 4096) == one.same_size(4096) and one.size_of(np.random.default_rng(1).bytes(4096)) > 4096
