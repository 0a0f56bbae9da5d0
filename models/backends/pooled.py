"""What zswap and zram share: objects of a slot in the pool, with what they cost.

table of either, int32[slots, columns]: OWNER in the row of a handle is its slot + 1; the other columns are a slot's.
"""

from __future__ import annotations

from numba import int64, void

from models.allocators.pool import MAY_TAKE, OP_COPIED, OP_WALKED
from models.jit import compiled
from models.memory import state as st
from models.memory.frames import NO_MARK, note, settle_pool, spend, usable_frames
from models.memory.slab import settle_slabs
from models.memory.state import backend_t, pages_t

OWNER = 0  # column of both tables


@compiled(void(backend_t, pages_t))
def charge(backend, pages):
    """CPU time of the pool's last operation; then its frames are settled."""
    own, cost = backend.pool.num, pages.cost
    spend(pages, st.BY_ALLOCATOR, cost[st.C_ALLOCATOR] + cost[st.C_WALK] * own[OP_WALKED])
    spend(pages, st.BY_COPY, cost[st.C_COPY_KIB] * own[OP_COPIED] >> 10)
    settle_pool(backend, pages)


@compiled(int64(backend_t, pages_t, int64))
def allocate(backend, pages, size):
    """Room for an object: handle, or -errno.  Whoever reclaims may take frames from below the marks."""
    backend.pool.num[MAY_TAKE] = usable_frames(pages, NO_MARK)
    handle = backend.alloc(backend.pool, size)
    charge(backend, pages)
    return handle


@compiled(void(backend_t, pages_t, int64, int64, int64))
def name_object(backend, pages, s, handle, size):
    """The object is the slot's."""
    note(pages, st.E_POOL_ALLOC, -1, -1, s, size)
    pages.slot[s, st.HANDLE] = handle + 1
    pages.slot[s, st.STORED_SIZE] = size
    backend.table[handle, OWNER] = s + 1


@compiled(void(backend_t, pages_t, int64))
def free_object(backend, pages, s):
    """The slot's object, if it has one, goes; so does its name."""
    slot = pages.slot
    handle = int64(slot[s, st.HANDLE]) - 1
    slot[s, st.HANDLE] = 0
    if handle < 0:
        return
    backend.free(backend.pool, handle)
    note(pages, st.E_POOL_FREE, -1, -1, s, 0)
    charge(backend, pages)


@compiled(void(backend_t, pages_t))
def settle_memory(backend, pages):
    """Frames and slab memory of the backend are what its pool and its numbers say."""
    settle_pool(backend, pages)
    settle_slabs(backend, pages)
