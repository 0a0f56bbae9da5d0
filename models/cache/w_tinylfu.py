"""W-TinyLFU: new pages pass a small LRU window; what leaves it enters the main cache if it was used more often than what would have to go.

Einziger, Friedman, Manes, ACM Transactions on Storage 2017, section 4: the window is 1 % of the cache, the main cache an SLRU with 80 % of
its pages protected.  The memory of uses is that of TinyLFU (models/cache/sketch.py).
"""

from __future__ import annotations

import numpy as np
from numba import int64

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, RUN, SIZED, WANTED, CachePolicy, driver, release_it, take_it
from models.cache.sketch import OWN_AFTER_SKETCH, Sketch, fill, frequency, record, shape_of
from models.cache.state import CAPACITY, LIST, PAGE, CacheArrays, attach, move, new_cache, oldest, renew, size_of
from models.jit import compiled

WINDOW, PROBATION, PROTECTED = 1, 2, 3  # lists
# num: pages of the window, protected pages at most; the settings, bits of a float64
ROOM, MOST_PROTECTED, WINDOW_PART, PROTECTED_PART = range(OWN_AFTER_SKETCH, OWN_AFTER_SKETCH + 4)


def create(pages: int, distinct: int, window: float = 0.01, protected: float = 0.8, **sketch: float) -> CacheArrays:
    wanted_sketch = Sketch(**sketch)  # type: ignore[arg-type]  # the registry says which are whole numbers
    arrays = new_cache(pages, distinct, more=shape_of(pages, wanted_sketch))
    fill(arrays.num, pages, wanted_sketch)
    arrays.num.view(np.float64)[[WINDOW_PART, PROTECTED_PART]] = window, protected
    sized(arrays.cache, pages)
    return arrays


@compiled(SIZED)
def sized(c, pages):
    """The memory of uses stays as large as it was made."""
    num, real = c.num, c.num.view(np.float64)
    room = max(1, int64(pages * real[WINDOW_PART]))
    num[CAPACITY], num[ROOM], num[MOST_PROTECTED] = pages, room, int64((pages - room) * real[PROTECTED_PART])


@compiled(HIT)
def hit(c, n):
    record(c, c.node[n, PAGE])
    if c.node[n, LIST] != PROBATION or c.num[MOST_PROTECTED] == 0:
        renew(c, n)
        return
    move(c, n, PROTECTED)
    if size_of(c, PROTECTED) > c.num[MOST_PROTECTED]:
        move(c, oldest(c, PROTECTED), PROBATION)


@compiled(WANTED)
def wanted(c, page):
    record(c, page)


@compiled(CHOOSE)
def choose(c):
    """The oldest page of a full window and the main cache's next victim contend; the one that was used more often stays, in main."""
    candidate = oldest(c, WINDOW)
    if size_of(c, PROBATION) + size_of(c, PROTECTED) == 0:
        return candidate
    victim = oldest(c, PROBATION if size_of(c, PROBATION) > 0 else PROTECTED)
    if size_of(c, WINDOW) < c.num[ROOM]:
        return victim
    if frequency(c, c.node[candidate, PAGE]) <= frequency(c, c.node[victim, PAGE]):
        return candidate
    move(c, candidate, PROBATION)
    return victim


@compiled(EVICT)
def evict(c, page):
    return take_it(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    """While main is not full, what leaves the window enters it unasked."""
    attach(c, page, WINDOW)
    if size_of(c, WINDOW) > c.num[ROOM] and c.num[CAPACITY] > c.num[ROOM]:
        move(c, oldest(c, WINDOW), PROBATION)


drive = driver(hit, wanted, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


W_TINYLFU = CachePolicy(create, hit, wanted, evict, admit, release_it, run, choose=choose, take=take_it, sized=sized)
