"""zswap's limit and the mark below which it stores again, in each version's own integer arithmetic."""

from __future__ import annotations

from numba import int64

from models.allocators.pool import POOL_PAGES
from models.backends.zswap_numbers import (
    ACCEPT_THRESHOLD_PERCENT,
    MAX_POOL_PERCENT,
    POOL_LIMIT_HIT,
    REACHED_FULL,
    TOTAL_PAGES,
)
from models.jit import compiled
from models.memory.state import backend_t


@compiled(int64(backend_t))
def is_full(backend):
    """6.1: the pool is larger than its limit."""
    num = backend.num
    return 1 if backend.pool.num[POOL_PAGES] > num[TOTAL_PAGES] * num[MAX_POOL_PERCENT] // 100 else 0


@compiled(int64(backend_t))
def can_accept(backend):
    """6.1: the pool is small enough again."""
    num = backend.num
    mark = num[TOTAL_PAGES] * num[ACCEPT_THRESHOLD_PERCENT] // 100 * num[MAX_POOL_PERCENT] // 100
    return 1 if backend.pool.num[POOL_PAGES] < mark else 0


@compiled(int64(backend_t))
def limit_612(backend):
    """6.12: pages at which the pool is full."""
    return backend.num[TOTAL_PAGES] * backend.num[MAX_POOL_PERCENT] // 100


@compiled(int64(backend_t))
def pool_accepts_612(backend):
    """6.12: the pool is down at the mark."""
    return 1 if backend.pool.num[POOL_PAGES] <= limit_612(backend) * backend.num[ACCEPT_THRESHOLD_PERCENT] // 100 else 0


@compiled(int64(backend_t))
def refuses_612(backend):
    """6.12: look at the limits; 1 if nothing is stored until the pool has shrunk."""
    num = backend.num
    if backend.pool.num[POOL_PAGES] >= limit_612(backend):
        num[POOL_LIMIT_HIT] += 1
        num[REACHED_FULL] = 1
    elif num[REACHED_FULL] and pool_accepts_612(backend):
        num[REACHED_FULL] = 0
    return num[REACHED_FULL]
