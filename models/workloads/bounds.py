"""Whether the ops of a chunk stay inside their process's address space and its program's files; compiled code trusts every number."""

from __future__ import annotations

from numba import int64, types, uint8, uint32

from models.jit import compiled
from models.memory.state import Wide

MASK = (1 << 40) - 1  # see models.workloads.stream
COUNT_SHIFT, COUNT_MASK = 40, (1 << 16) - 1
MEMORY_LAST, CALL_LAST, MAP, UNMAP, FSYNC, DELETE, ADVISE, SLAB = 1, 3, 4, 5, 10, 11, 12, 13
OPS = 16
SLAB_CACHES = 2
FIRST, PAGES = 0, 1


@compiled(int64(Wide, int64))
def file_at(files, page):
    """The last file that begins at or before a file page, or -1 (binary search)."""
    low, high = 0, files.shape[0]
    while low < high:
        middle = (low + high) // 2
        if files[middle, FIRST] <= page:
            low = middle + 1
        else:
            high = middle
    return low - 1


@compiled(int64(types.Array(uint8, 1, "C"), types.Array(int64, 1, "C"), types.Array(uint32, 1, "C"), int64, Wide))
def first_wrong(op, page, cpu_ns, pages, files):
    """Number of the first op that is unknown, or leaves the `pages` of its address space or its file; -1 if there is none.

    files: int64[files, 2], first file page and pages of each.
    """
    low = high = int64(0)  # file pages of the file used last
    for i in range(len(op)):
        what = op[i]
        if what <= MEMORY_LAST:
            if page[i] < 0 or page[i] >= pages:
                return i
        elif what == MAP or what == UNMAP:
            if page[i] < 0 or page[i] + int64(cpu_ns[i]) > pages:
                return i
        elif what <= CALL_LAST or what == DELETE or what == ADVISE or (what == FSYNC and page[i] >= 0):
            if page[i] < 0:
                return i
            first = page[i] & MASK
            last = first + ((page[i] >> COUNT_SHIFT) & COUNT_MASK)
            if first < low or first >= high:
                number = file_at(files, first)
                if number < 0:
                    return i
                low = files[number, FIRST]
                high = low + files[number, PAGES]
            if first >= high or last >= high:
                return i
        elif what == SLAB:
            if page[i] < -SLAB_CACHES or page[i] >= SLAB_CACHES:
                return i
        elif what >= OPS:
            return i
    return -1
