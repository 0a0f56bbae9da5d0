"""zswap's list of entries, oldest first (Linux 6.5 and later); same-filled entries of 6.6 are not on it."""

from __future__ import annotations

from numba import int64, void

from models.backends.zswap_numbers import LISTED, NEWER, NEWEST, OLDER, OLDEST, REFERENCED
from models.jit import compiled
from models.memory.state import backend_t

LINK = 1 << 30  # set in OLDER of an entry that is on the list: the oldest has no neighbour there


@compiled(int64(backend_t, int64))
def is_listed(backend, s):
    return 1 if backend.table[s, OLDER] & LINK else 0


@compiled(void(backend_t, int64))
def push_newest(backend, s):
    table, num = backend.table, backend.num
    last = num[NEWEST]
    table[s, OLDER] = LINK | last
    table[s, NEWER] = 0
    if last > 0:
        table[last - 1, NEWER] = s + 1
    else:
        num[OLDEST] = s + 1
    num[NEWEST] = s + 1
    num[LISTED] += 1


@compiled(void(backend_t, int64))
def unlist(backend, s):
    """Take an entry off the list, if it is on it."""
    table, num = backend.table, backend.num
    if not is_listed(backend, s):
        return
    older, newer = int64(table[s, OLDER]) & ~LINK, int64(table[s, NEWER])
    if older > 0:
        table[older - 1, NEWER] = newer
    else:
        num[OLDEST] = newer
    if newer > 0:
        table[newer - 1, OLDER] = LINK | older
    else:
        num[NEWEST] = older
    table[s, OLDER] = 0
    table[s, REFERENCED] = 0
    num[LISTED] -= 1


@compiled(void(backend_t, int64))
def rotate(backend, s):
    """The entry becomes the newest, no longer referenced."""
    if is_listed(backend, s):
        unlist(backend, s)
        push_newest(backend, s)
