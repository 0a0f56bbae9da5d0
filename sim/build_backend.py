"""From the plan to the backend: its pools, its state, the functions it lacks, and what it needs of the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from models.allocators import pool as pool_state
from models.allocators.pool import PoolArrays
from models.backends.backend import BackendArrays, BackendModule, BackendSetup
from models.memory import file_state as fi
from models.memory import state as st
from models.registry import resolve
from sim.vm import Array, Arrays

if TYPE_CHECKING:
    from sim.build import Plan

CLEAN_PER_FRAME = 2  # objects a page of zbud
POOL_ROOM = 64  # xcfmalloc fills its reserve when it is created
SEEKS = 2  # of a shrinker, the default


def no_pool() -> PoolArrays:
    """A pool that nobody asks."""
    none = np.zeros((1, 1), np.int32)
    return pool_state.build_pool(none, none, none, np.zeros(1, np.int32), np.zeros(pool_state.NUMBERS, np.int64))


def build_pool(plan: Plan, frames: int, handles: int) -> PoolArrays:
    """The backend's pool of swapped pages."""
    if plan.allocator is None:
        return no_pool()
    return plan.allocator.create(plan.page_size, frames, handles, may_take=POOL_ROOM, **plan.allocator_options)


def build_clean_cache(plan: Plan, frames: int, file_pages: int, blocks: Array | None) -> tuple[PoolArrays, tuple[Any, ...]]:
    """The backend's pool of clean pages, and its part of the arguments of make_backend.

    Without one, the eviction is that of the pool of swapped pages, and the array of file pages stands for the backing device's blocks.
    """
    idle = resolve("models.backends.none:invalidate_nothing")
    refuse = resolve("models.backends.none:cannot_evict")
    files = [item.file.pages for program in plan.files for item in program]
    if plan.clean_allocator is None:
        pool, one = no_pool(), np.zeros(1, np.int32)
        main = plan.allocator
        evicts = (main.evict_begin, main.evict_next, main.evict_done) if main and main.evict_begin else (refuse, idle, idle)
        return pool, (pool.pool, idle, idle, *evicts, one if blocks is None else blocks, one, np.zeros((1, 1), np.int32), one)
    own = plan.clean_allocator
    handles = CLEAN_PER_FRAME * frames
    pool = own.create(plan.page_size, frames, handles, **plan.clean_options)
    clean, owner = np.zeros(file_pages, np.int32), np.zeros(handles, np.int32)
    functions = own.alloc, own.free, own.evict_begin, own.evict_next, own.evict_done
    return pool, (pool.pool, *functions, clean, owner, *resolve("models.backends.tmem_files:create")(files))


def optional_functions(backend: BackendModule) -> tuple[Any, ...]:
    """put, get, flush, flush_file, shrink, pick, picked, entries; those that do nothing where the backend has none."""
    own = (backend.put, backend.get, backend.flush, backend.flush_file, backend.shrink, backend.pick, backend.picked, backend.entries)
    names = ("store", "get", "invalidate", "invalidate", "get", "pick", "store", "invalidate")
    nothing = (resolve(f"models.backends.none:{name}") for name in names)
    return tuple(mine or idle for mine, idle in zip(own, nothing, strict=True))


def counters_of(plan: Plan, pool: PoolArrays, clean_pool: PoolArrays) -> Callable[[Array], dict[str, int]]:
    """The backend's counters, those that it takes from its pool, and those of its clean pages' allocator."""
    own, more = plan.clean_allocator, plan.backend.pool_counters

    def counters(num: Array) -> dict[str, int]:
        found = plan.backend.counters(num)
        if more is not None:
            found = found | more(num, pool)
        return found | (own.counters(clean_pool) if own is not None else {})

    return counters


def _setup(plan: Plan, frames: int, handles: int) -> BackendSetup:
    allocator = plan.allocator
    huge = plan.page_size
    if allocator is not None and allocator.huge_size is not None:
        huge = allocator.huge_size(plan.page_size, **plan.allocator_options)
    return BackendSetup(
        plan.page_size,
        frames,
        handles,
        plan.kernel,
        allocator is not None and allocator.evict_begin is not None,
        huge,
        plan.costs["compress"],
        plan.costs["decompress"],
        plan.blocks,
    )


def build_backend(plan: Plan, frames: int, slots: int, file_pages: int) -> tuple[tuple[PoolArrays, PoolArrays], BackendArrays, Any]:
    """Its pools (of swapped and of clean pages), its arrays, and the boxed backend."""
    idle = resolve("models.backends.none:invalidate_nothing")
    handles = slots + 1  # zram and zswap of 6.12 place the new copy of a slot before they free the old one
    pool = build_pool(plan, frames, handles)
    own = plan.allocator
    alloc, free = (own.alloc, own.free) if own else (idle, idle)
    stored = plan.backend.create(_setup(plan, frames, handles), plan.backend_options)
    clean_pool, clean = build_clean_cache(plan, frames, file_pages, stored.blocks)
    compact = own.compact if own else idle
    compactable = (own.compactable if own else None) or resolve("models.backends.none:evict_nothing")
    size_class = (own.size_class if own else None) or idle
    backend = st.make_backend(pool.pool, alloc, free, stored.table, stored.num, *clean, compact, compactable, size_class)
    return (pool, clean_pool), stored, backend


def furnish(plan: Plan, arrays: Arrays, stored: BackendArrays, backend: Any, pages: Any) -> None:
    """Give the machine what the backend needs of it: slab caches, shrinkers, the kernel's own pages for it."""
    num, slab = arrays.num, arrays.slab
    num[st.POOL_BY_RECLAIMER], num[st.SYNC_SLOTS] = int(stored.any_mark), stored.synchronous
    for size, place in stored.slabs:
        slab[fi.ENTRY_CACHE, [fi.PER_PAGE, fi.SOURCE]] = plan.page_size // size, -(place + 1)
    own = plan.allocator
    if stored.any_mark and own is not None:
        for cache, (size, place, divisor) in zip((fi.HANDLE_CACHE, fi.ZSPAGE_CACHE), own.slabs, strict=False):
            slab[cache, [fi.PER_PAGE, fi.SOURCE, fi.DIVIDE]] = plan.page_size // size, place + 1, divisor
    slab[fi.POOL_PAGES, fi.SEEKS] = SEEKS if stored.compacts and own is not None and own.compactable is not None else -1
    slab[fi.POOL_ENTRIES, fi.SEEKS] = SEEKS if stored.shrinks else -1
    if plan.start is None:  # a measured machine's free memory is what it has with them
        add = resolve("models.memory.slab:add_object")
        for _ in range(stored.table_pages):
            add(pages, fi.TABLE_CACHE)
