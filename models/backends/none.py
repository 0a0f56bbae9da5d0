"""No backend: every page goes to the swap device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.pool import EINVAL, pool_t
from models.backends.backend import BackendArrays, BackendModule, BackendSetup
from models.jit import compiled
from models.memory.state import backend_t, pages_t


def create(setup: BackendSetup, options: dict[str, Any]) -> BackendArrays:
    return BackendArrays(np.zeros((1, 1), np.int32), np.zeros(32, np.int64))


@compiled(int64(backend_t, pages_t, int64, int64))
def store(backend, pages, s, size):
    return 0


@compiled(int64(backend_t, pages_t, int64))
def load(backend, pages, s):
    return -1


@compiled(int64(backend_t, pages_t, int64))
def invalidate(backend, pages, s):
    return 0


@compiled(int64(backend_t, pages_t, int64))
def get(backend, pages, q):
    """No clean cache has a copy."""
    return -1


NONE = BackendModule(create, lambda options: None, store, load, invalidate, lambda num: {})


@compiled(int64(pool_t, int64))
def invalidate_nothing(pool, value):
    """Stands where a pool's alloc and free would, in a machine without a pool."""
    return -1


@compiled(int64(backend_t, pages_t, int64))
def pick(backend, pages, who):
    """No entry is written back."""
    return -1


@compiled(int64(pool_t))
def cannot_evict(pool):
    """Stands where the eviction of an allocator would that has none."""
    return -EINVAL


@compiled(int64(pool_t))
def evict_nothing(pool):
    """Stands where a pool's eviction would."""
    return 0
