"""Synthetic contents: bytes generated to a target compressibility, then really compressed.

A page is a share x of random bytes among repeated ones, in blocks of 64 bytes at random places, so its compressed size is
nearly linear in x.  The target size of neighbouring pages follows an autoregressive process: real neighbours resemble each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.compressors.compressor import Compressor
from models.contents.pages import must_compress, page_sizes
from models.contents.rows import ContentContext, Rows
from models.errors import InputError

BLOCK = 64
STEPS = 33  # points of the calibration curve from share to size


def build(options: dict[str, Any], context: ContentContext) -> Rows:
    """Rows of `rows` generated pages.

    Raises InputError if the compressor has no real implementation or cannot reach `ratio`.
    """
    compressor, page_size = context.compressor, context.page_size
    must_compress("synthetic", compressor)
    rng = np.random.Generator(np.random.PCG64(context.seed))
    shares = np.linspace(0.0, 1.0, STEPS)
    curve = np.array([page_sizes([_page(rng, share, page_size) for _ in range(4)], compressor).mean() for share in shares])
    curve = np.maximum.accumulate(curve)
    mean = page_size / options["ratio"]
    if mean < curve[0]:
        raise InputError(
            f"contents synthetic: ratio {options['ratio']:g} is out of reach: {compressor.name} makes "
            f"at least {curve[0]:.0f} bytes of such a page (ratio {page_size / curve[0]:.3g})"
        )
    sizes = _generate(rng, options, curve, shares, compressor, page_size)
    note = f"synthetic: {len(sizes)} generated pages, ratio {options['ratio']:g} asked, compressed with {compressor.name}"
    return Rows(sizes, compressor.same_size(page_size), note)


def _generate(
    rng: np.random.Generator, options: dict[str, Any], curve: np.ndarray, shares: np.ndarray, compressor: Compressor, page_size: int
) -> np.ndarray:
    rows, mean = options["rows"], page_size / options["ratio"]
    low, high = float(curve[0]), float(curve[-1])
    deviation = options["spread"] * mean * _correlated(rng, rows, options["correlation"])
    for _ in range(20):  # clipping moves the mean: shift until it is the wanted one
        target = np.clip(mean + deviation, low, high)
        deviation += mean - target.mean()
    same = rng.random(rows) < options["same_filled"]
    share = np.interp(target, curve, shares)
    zero = bytes(page_size)
    return page_sizes((zero if is_same else _page(rng, x, page_size) for is_same, x in zip(same, share, strict=True)), compressor)


def _correlated(rng: np.random.Generator, rows: int, correlation: float) -> np.ndarray:
    """float64[rows]: standard normal with the given lag-1 autocorrelation."""
    noise = rng.standard_normal(rows)
    scale = (1 - correlation**2) ** 0.5
    values = noise.tolist()
    for i in range(1, rows):
        values[i] = correlation * values[i - 1] + scale * values[i]
    return np.array(values)


def _page(rng: np.random.Generator, share: float, page_size: int) -> bytes:
    """Blocks of random bytes, a share of the page in all, the last one in part, among repetitions of one word."""
    page = np.tile(np.frombuffer(b"\x10\x7f\0\0\0\0\0\1", np.uint8), page_size // 8)
    page[0] = 0x11  # never same-filled
    count = round(share * page_size)
    places = rng.permutation(page_size // BLOCK)[: -(-count // BLOCK)] * BLOCK
    index = (places[:, None] + np.arange(BLOCK)).ravel()[:count]
    page[index] = rng.integers(0, 256, count, np.uint8)
    return page.tobytes()
