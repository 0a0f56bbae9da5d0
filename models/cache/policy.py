"""The policy contract, and the loop that drives a policy through a trace.

Each policy is one file.  All functions but `create` are compiled.  The same functions have two readings:

                    pure page-cache study (here)              in the machine, with nodes that stand for frames
    hit(c, n)       the page of node n is used: every use     it was found young at scan time: what hardware gives
    wanted(c, page) a page that is not resident is used; the policy learns from its ghost, which is forgotten, before room is made
    choose(c) -> n  the node of the page that is to go next; hands move and counts fall, but every page stays
    take(c, n)      the chosen page goes, and may leave a ghost; gives the page
    evict(c, page)  room for that page: choose, then take      is not called: between the two, bits are looked at
    admit(c, page)  the page becomes resident; there is room
    remove(c, n)    (the end of a file)                       the page of node n, resident or a ghost, is gone: unmapped, truncated
    sized(c, pages)                                           the cache has room for so many pages now, no fewer than are resident

A page is resident if `index` has a node for it that is on a list below GHOSTS.  `evict` makes exactly one page go and gives it, and must
do so whenever a page is resident.  A filter that compares the page that is wanted with the one that would have to go may let nothing go:
`evict` then gives -1, and `admit`, which finds no room, refuses the page; such a policy has no `choose`, since a machine's page has its
frame already.  num[RECALLED] is what `wanted` tells `admit` (and `evict`) about the page's ghost; who calls `admit` without `wanted` sets
it to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import int32, int64, types, void

from models.cache.state import CAPACITY, GHOSTS, LIST, PAGE, USED, CacheArrays, cache_t, drop, release
from models.jit import compiled, inlined

Ids = types.Array(int32, 1, "C", readonly=True)
Later = types.Array(int32, 1, "C", readonly=True)
HIT = WANTED = ADMIT = REMOVE = SIZED = void(cache_t, int64)
CHOOSE = int64(cache_t)
TAKE = int64(cache_t, int64)
EVICT = int64(cache_t, int64)
RUN = int64(cache_t, Ids, Later)


class CachePolicy(NamedTuple):
    """What a policy's module offers.

    create(pages, distinct, **options) -> CacheArrays   plain Python
    hit, wanted, evict, admit, remove, choose, take, sized   above; without the last three it cannot be used in the machine
    run(c, ids, later) -> misses                        a chunk of a trace: `driver` with the policy's own functions
    ahead(ids, distinct) -> later                       what run wants to know about the future of a whole trace; without it, `later`
                                                        is an empty array
    """

    create: Callable[..., CacheArrays]
    hit: Any
    wanted: Any
    evict: Any
    admit: Any
    remove: Any
    run: Any
    ahead: Callable[..., Any] | None = None
    choose: Any = None
    take: Any = None
    sized: Any = None


@compiled(WANTED)
def nothing(c, page):
    """`wanted` of a policy without ghosts."""


@compiled(HIT)
def unmoved(c, n):
    """`hit` of a policy that does not look at use: in the machine it need not look at accessed bits either."""


@compiled(REMOVE)
def release_it(c, n):
    """`remove` of a policy that keeps nothing but lists."""
    if c.node[n, LIST] < GHOSTS:
        release(c, n)
    else:
        drop(c, n)


@compiled(TAKE)
def take_it(c, n):
    """`take` of a policy without ghosts."""
    return release(c, n)


@compiled(SIZED)
def sized_only(c, pages):
    """`sized` of a policy that knows no other size."""
    c.num[CAPACITY] = pages


def driver(hit, wanted, evict, admit):
    """The loop over a trace, `drive(c, ids) -> misses`, with these functions compiled into it.

    A closure: functions passed as arguments would keep Numba from caching the caller.  Each has a name of its own, because Numba names
    machine code by that and a count in the process: two policies compiled in different processes would else share the first one's loop.
    """

    def drive(c, ids):
        misses = 0
        for i in range(len(ids)):
            page = ids[i]
            n = c.index[page]
            if n != 0 and c.node[n, LIST] < GHOSTS:
                hit(c, n)
                continue
            misses += 1
            wanted(c, page)
            if c.num[USED] >= c.num[CAPACITY]:
                evict(c, page)
            admit(c, page)
        return misses

    drive.__qualname__ = f"drive_{evict.__module__}"
    return inlined(drive)


def resident(arrays: CacheArrays) -> set[int]:
    """The pages that are resident, for tests and reports."""
    nodes = arrays.index[arrays.index > 0]
    return {int(page) for page in arrays.node[nodes[arrays.node[nodes, LIST] < GHOSTS], PAGE]}
