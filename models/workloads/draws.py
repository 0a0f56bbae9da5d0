"""Counter-based random draws and access patterns: the n-th draw of a seed is a function of (seed, n), in any order and chunking.

splitmix64 (Steele, Lea, Flood 2014).  All arithmetic is unsigned 64 bit, wrapping.
"""

from __future__ import annotations

import math

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S32 = (np.uint64(n) for n in (27, 30, 31, 32))
CHUNK = 1 << 18  # ops in one chunk


def mix64(z: np.ndarray) -> np.ndarray:
    """splitmix64's output function of uint64[n]."""
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


def draw(seed: np.uint64, counter: np.ndarray) -> np.ndarray:
    """uint64[n]: outputs number `counter` (uint64[n]) of splitmix64 seeded with `seed`."""
    with np.errstate(over="ignore"):
        return mix64(seed + (counter + np.uint64(1)) * GOLDEN)


def scale(draws: np.ndarray, n: int) -> np.ndarray:
    """int64[n]: uniform in [0, n) from 64-bit draws, n below 2^32."""
    return (((draws >> _S32) * np.uint64(n)) >> _S32).astype(np.int64)


def chance(draws: np.ndarray, probability: float) -> np.ndarray:
    """bool[n]: true with the given probability."""
    return (draws >> _S32) < np.uint64(int(probability * 4294967296.0))


def zipf_table(pages: int, alpha: float) -> np.ndarray:
    """uint32[pages]: cumulative distribution of rank r with weight (r + 1)^-alpha, in units of 2^-32."""
    total = np.cumsum(np.arange(1, pages + 1, dtype=np.float64) ** -alpha)
    table = np.minimum(np.floor(total / total[-1] * 4294967296.0), 4294967295.0).astype(np.uint32)
    table[-1] = 0xFFFFFFFF
    return table


def scatter_step(pages: int) -> int:
    """Smallest step of at least 0.618 * pages without a common divisor: rank * step mod pages is a permutation."""
    step = max(1, (pages * 2654435769) >> 32)
    while math.gcd(step, pages) != 1:
        step += 1
    return step


def scattered(rank: np.ndarray, pages: int) -> np.ndarray:
    """int64[n]: the page of each rank, neighbouring ranks about 0.618 * pages apart."""
    return rank * scatter_step(pages) % pages


def stream_seed(seed: np.random.SeedSequence, *path: int) -> np.uint64:
    """The splitmix64 seed of one stream below a workload's own SeedSequence."""
    return child(seed, *path).generate_state(1, np.uint64)[0]


def child(seed: np.random.SeedSequence, *path: int) -> np.random.SeedSequence:
    """A SeedSequence below `seed`; unlike seed.spawn() it has no memory, so that the same path gives the same child."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *path), pool_size=seed.pool_size)
