"""Linux's two lists, for pages of files that are read by system calls: a FIFO, an active list, and the distance of refaults.

Linux 6.1 (mm/swap.c, mm/vmscan.c, mm/workingset.c), the file half of models/policies/linux_lru*.py: a page that is read comes in at the
inactive head, referenced; a second read makes it active; an active page only keeps the flag.  The inactive tail is evicted, whatever its
flag.  Active pages move from their tail to the inactive head while the inactive list is too short, or after refaults that became active: as
in the kernel, where the lists are scanned in turn, one for each page that is scanned on the inactive list.

The age counts evictions and activations.  An evicted page leaves the age behind; if it comes back before the age has grown by more than
the active list has pages, it is active at once.  More than `pages` evictions ago it never is, so no more is remembered, and nothing lost.

Reclaim is a run of `batch` evictions that come one by one here: whether active pages may move is decided when a run begins.
"""

from __future__ import annotations

import numpy as np
from numba import int64, void

from models.cache.policy import ADMIT, EVICT, HIT, RUN, CachePolicy, driver, nothing, release_it
from models.cache.state import (
    CAPACITY,
    GHOSTS,
    LIST,
    OWN,
    OWN_NUM,
    CacheArrays,
    attach,
    bury,
    cache_t,
    drop,
    move,
    new_cache,
    oldest,
    size_of,
)  # fmt: skip
from models.jit import compiled

INACTIVE, ACTIVE = 1, 2  # lists
REFERENCED, LEFT_AT = OWN, OWN + 1  # of a node: its flag; of a ghost: the age when it was evicted
# num: evictions of a run, and still to come; whether its active pages may move; the age; activations by refaults, and when a run last began
BATCH, LEFT, MAY_MOVE, AGE, REFAULTS, SEEN = range(OWN_NUM, OWN_NUM + 6)
AGE_MASK = (1 << 31) - 1
GIB_SHIFT = 18  # pages of 4 KiB


def create(pages: int, distinct: int, batch: int = 32) -> CacheArrays:
    arrays = new_cache(pages, distinct, ghosts=pages, own=2)
    arrays.num[BATCH] = batch
    return arrays


@compiled(void(cache_t, int64))
def mark_read(c, n):
    """A system call read the page."""
    node = c.node
    if not node[n, REFERENCED]:
        node[n, REFERENCED] = 1
    elif node[n, LIST] == INACTIVE:
        node[n, REFERENCED] = 0
        move(c, n, ACTIVE)
        c.num[AGE] += 1


@compiled(HIT)
def hit(c, n):
    mark_read(c, n)


@compiled(int64(cache_t))
def inactive_is_low(c):
    """1 if inactive pages are fewer than active ones, or than the square root of ten a GiB demands."""
    gib = (size_of(c, INACTIVE) + size_of(c, ACTIVE)) >> GIB_SHIFT
    ratio = int64(np.sqrt(10.0 * gib)) if gib > 0 else 1
    return 1 if size_of(c, INACTIVE) * ratio < size_of(c, ACTIVE) else 0


@compiled(void(cache_t))
def begin_run(c):
    num = c.num
    num[MAY_MOVE] = 1 if num[REFAULTS] != num[SEEN] else inactive_is_low(c)
    num[SEEN] = num[REFAULTS]
    num[LEFT] = num[BATCH]


@compiled(void(cache_t))
def deactivate(c):
    if c.num[MAY_MOVE] and size_of(c, ACTIVE) > 0:
        move(c, oldest(c, ACTIVE), INACTIVE)


@compiled(EVICT)
def evict(c, page):
    num = c.num
    if num[LEFT] == 0 or size_of(c, INACTIVE) == 0:
        begin_run(c)
    if size_of(c, INACTIVE) == 0:
        deactivate(c)
    num[LEFT] -= 1
    n = oldest(c, INACTIVE)
    c.node[n, LEFT_AT] = num[AGE] & AGE_MASK
    num[AGE] += 1
    gone = bury(c, n, GHOSTS, num[CAPACITY])
    deactivate(c)
    return gone


@compiled(ADMIT)
def admit(c, page):
    num, ghost = c.num, c.index[page]
    which = INACTIVE
    if ghost:
        distance = (num[AGE] - c.node[ghost, LEFT_AT]) & AGE_MASK
        if distance <= size_of(c, ACTIVE):
            which = ACTIVE
            num[AGE] += 1
            num[REFAULTS] += 1
        drop(c, ghost)
    mark_read(c, attach(c, page, which))


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


LINUX_LRU = CachePolicy(create, hit, nothing, evict, admit, release_it, run)
