"""The pages that are compressed: made from one seed, the same on every machine, from nearly empty to incompressible."""

from __future__ import annotations

import numpy as np

PAGE = 4096
PAGES = 48  # of each kind: 192 KiB, more than a first-level cache
SEED = 2011


def kinds() -> dict[str, list[bytes]]:
    """Pages by kind, in the order of their compressibility.

    sparse   a few words among zeros
    objects  pointers and small numbers: 8-byte words whose upper bytes are alike
    text     words of a small vocabulary, as logs and records are
    blocks   half of it noise, in blocks of 64 bytes among repeated ones
    noise    nothing to find
    """
    rng = np.random.Generator(np.random.PCG64(SEED))
    makers = {"sparse": _sparse, "objects": _objects, "text": _text, "blocks": _blocks, "noise": _noise}
    return {name: [make(rng) for _ in range(PAGES)] for name, make in makers.items()}


def _sparse(rng: np.random.Generator) -> bytes:
    page = np.zeros(PAGE // 8, np.uint64)
    page[rng.integers(0, len(page), 40)] = rng.integers(1, 1 << 32, 40, np.uint64)
    return page.tobytes()


def _objects(rng: np.random.Generator) -> bytes:
    page = np.zeros((PAGE // 32, 4), np.uint64)  # a pointer, a type, a count, a hash
    page[:, 0] = np.uint64(0x7F3A_4C00_0000) + rng.integers(0, 1 << 20, len(page), np.uint64) * np.uint64(16)
    page[:, 1] = np.uint64(0x7F3A_5000_0000) + rng.integers(0, 12, len(page), np.uint64) * np.uint64(256)
    page[:, 2] = rng.integers(1, 20, len(page), np.uint64)
    page[:, 3] = rng.integers(0, 1 << 62, len(page), np.uint64) * (rng.random(len(page)) < 0.3)
    return page.tobytes()


def _text(rng: np.random.Generator) -> bytes:
    words = [bytes(rng.integers(97, 123, rng.integers(2, 10), np.uint8)) for _ in range(120)]
    picked = np.minimum(rng.zipf(1.3, PAGE), len(words)) - 1
    return b" ".join(words[i] for i in picked)[:PAGE]


def _blocks(rng: np.random.Generator) -> bytes:
    page = np.tile(np.arange(8, dtype=np.uint64), PAGE // 64).view(np.uint8).reshape(-1, 64).copy()
    noisy = rng.permutation(len(page))[: len(page) // 2]
    page[noisy] = rng.integers(0, 256, (len(noisy), 64), np.uint8)
    return page.tobytes()


def _noise(rng: np.random.Generator) -> bytes:
    return rng.integers(0, 256, PAGE, np.uint8).tobytes()
