"""Linux's multi-generational LRU, for pages of files that are read by system calls: generations, tiers of use, feedback of refaults.

Linux 6.1 (mm/vmscan.c, mm/workingset.c), the file half of models/policies/mglru*.py.  A page that is read comes into the oldest of three
generations, or the second oldest of four.  Its first read sets a flag; further ones count as uses, four at most.  Eviction takes the tail
of the oldest generation; a page of a tier above the limit, or with four uses, is protected: it goes to the tail of the next generation,
its uses forgotten.  A generation that is empty is over.  A new one begins when there are two, or three that are uneven.

Refaults count while the generation that was oldest at the eviction still is.  The limit is raised from tier to tier while the next
is refaulted at no more than twice the rate of the first.

No page is mapped: there are no page tables to walk, so ageing moves no page, and as it is done only when due, never folds a generation.
Reclaim looks at ageing and at the limit once in `batch` evictions, which come one by one here.
"""

from __future__ import annotations

from numba import int64, void

from models.cache.policy import ADMIT, EVICT, HIT, RUN, CachePolicy, driver, nothing, release_it
from models.cache.state import (
    GHOSTS,
    OWN,
    OWN_NUM,
    USED,
    CacheArrays,
    attach,
    bury,
    cache_t,
    drop,
    link_oldest,
    new_cache,
    oldest,
    size_of,
    unlink,
)  # fmt: skip
from models.jit import compiled

GENERATIONS, TIERS = 4, 4
KEPT = 2  # generations that are never evicted from
MOST_USES = 4
FEW = 64  # refaults that say nothing yet
READ, USES, LEFT_AT = OWN, OWN + 1, OWN + 2  # of a node: its flag, uses; of a ghost: the oldest generation when it was evicted
# num: youngest and oldest generation; last tier that is evicted; evictions of a batch, and still to come; ghosts at most
YOUNGEST, OLDEST, LIMIT, BATCH, LEFT, REMEMBERED = range(OWN_NUM, OWN_NUM + 6)
# `more`: rows of a count for each tier: since the oldest generation is so, and averages of before
EVICTED, PROTECTED, REFAULTED, AVERAGE_REFAULTED, AVERAGE_TOTAL = range(5)


def create(pages: int, distinct: int, batch: int = 64, ghosts: float = 8.0) -> CacheArrays:
    arrays = new_cache(pages, distinct, ghosts=int(pages * ghosts), own=3, more=(5, TIERS))
    arrays.num[[YOUNGEST, BATCH, REMEMBERED]] = GENERATIONS - 1, batch, int(pages * ghosts)
    return arrays


@compiled(int64(int64))
def list_of(generation):
    return 1 + generation % GENERATIONS


@compiled(int64(int64))
def tier_of(uses):
    """0 for none, 1 for one, 2 for two or three, 3 for more."""
    tier = 0
    while 1 << tier < uses + 1:
        tier += 1
    return tier


@compiled(void(cache_t, int64))
def mark_read(c, n):
    """A system call read the page."""
    node = c.node
    if not node[n, READ]:
        node[n, READ] = 1
    elif node[n, USES] < MOST_USES:
        node[n, USES] += 1


@compiled(HIT)
def hit(c, n):
    mark_read(c, n)


@compiled(int64(cache_t, int64))
def refaulted(c, tier):
    return c.more[AVERAGE_REFAULTED, tier] + c.more[REFAULTED, tier]


@compiled(int64(cache_t, int64))
def total(c, tier):
    """All that could have refaulted."""
    return c.more[AVERAGE_TOTAL, tier] + c.more[EVICTED, tier] + c.more[PROTECTED, tier]


@compiled(int64(cache_t))
def tier_limit(c):
    """The last tier that is evicted."""
    tier = 1
    while tier < TIERS:
        many = refaulted(c, tier) >= FEW
        if many and refaulted(c, tier) * (total(c, 0) + FEW) > 2 * (refaulted(c, 0) + 1) * total(c, tier):
            break
        tier += 1
    return tier - 1


@compiled(void(cache_t))
def drop_empty(c):
    """The oldest generations that are empty are over; half of what was counted goes into the averages."""
    more, num = c.more, c.num
    before = num[OLDEST]
    while num[OLDEST] + KEPT <= num[YOUNGEST] and size_of(c, list_of(num[OLDEST])) == 0:
        num[OLDEST] += 1
    if num[OLDEST] == before:
        return
    for tier in range(TIERS):
        more[AVERAGE_REFAULTED, tier], more[AVERAGE_TOTAL, tier] = refaulted(c, tier) // 2, total(c, tier) // 2
        more[EVICTED, tier] = more[PROTECTED, tier] = more[REFAULTED, tier] = 0


@compiled(int64(cache_t))
def ageing_due(c):
    """1 if there are two generations, or three of which the youngest has more than half, or the oldest less than a quarter."""
    num = c.num
    if num[OLDEST] + KEPT != num[YOUNGEST]:
        return 1 if num[OLDEST] + KEPT > num[YOUNGEST] else 0
    young, old = size_of(c, list_of(num[YOUNGEST])), size_of(c, list_of(num[OLDEST]))
    return 1 if 2 * young > num[USED] or 4 * old < num[USED] else 0


@compiled(void(cache_t))
def begin_batch(c):
    num = c.num
    drop_empty(c)
    if ageing_due(c):
        num[YOUNGEST] += 1
    num[LIMIT] = tier_limit(c)
    num[LEFT] = num[BATCH]


@compiled(void(cache_t, int64))
def protect(c, n):
    node = c.node
    c.more[PROTECTED, tier_of(node[n, USES])] += 1
    node[n, READ] = node[n, USES] = 0
    unlink(c, n)
    link_oldest(c, n, list_of(c.num[OLDEST] + 1))


@compiled(EVICT)
def evict(c, page):
    node, num = c.node, c.num
    while True:
        which = list_of(num[OLDEST])
        if num[LEFT] <= 0 or size_of(c, which) == 0 or num[OLDEST] + KEPT > num[YOUNGEST]:
            begin_batch(c)
            continue
        n = oldest(c, which)
        uses = node[n, USES]
        tier = tier_of(uses)
        if tier <= num[LIMIT] and uses < MOST_USES:
            break
        protect(c, n)
    num[LEFT] -= 1
    c.more[EVICTED, tier] += 1
    node[n, LEFT_AT] = num[OLDEST]
    return bury(c, n, GHOSTS, num[REMEMBERED])


@compiled(int64(cache_t, int64))
def uses_restored(c, ghost):
    """A page comes back: counted in its tier if in time.  Three uses and more are restored, as four."""
    if ghost == 0 or c.node[ghost, LEFT_AT] != c.num[OLDEST]:
        return 0
    uses = c.node[ghost, USES]
    c.more[REFAULTED, tier_of(uses)] += 1
    return MOST_USES if uses >= MOST_USES - 1 else 0


@compiled(ADMIT)
def admit(c, page):
    num, ghost = c.num, c.index[page]
    uses = uses_restored(c, ghost)
    if ghost:
        drop(c, ghost)
    n = attach(c, page, list_of(num[OLDEST] if num[OLDEST] + KEPT >= num[YOUNGEST] else num[OLDEST] + 1))
    c.node[n, USES] = uses
    mark_read(c, n)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


MGLRU = CachePolicy(create, hit, nothing, evict, admit, release_it, run)
