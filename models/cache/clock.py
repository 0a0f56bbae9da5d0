"""CLOCK: pages in a circle with a reference count of n bits each; the hand takes one off a page that has some, and passes on.

Corbato 1968 (one bit, MIT memo MAC-M-384); n bits: Smith 1978 calls it generalised CLOCK.  A page comes in behind the hand with count
0, and a hit adds one, up to 2^bits - 1.  The circle is kept as a queue: what the hand passes goes to the newest end.
"""

from __future__ import annotations

from models.cache.policy import ADMIT, CHOOSE, EVICT, HIT, RUN, CachePolicy, driver, nothing, release_it, sized_only, take_it
from models.cache.state import OWN, OWN_NUM, CacheArrays, attach, new_cache, oldest, renew
from models.jit import compiled

PAGES = 1  # list
COUNT = OWN
MOST = OWN_NUM  # num: largest count


def create(pages: int, distinct: int, bits: int = 1) -> CacheArrays:
    arrays = new_cache(pages, distinct, own=1)
    arrays.num[MOST] = (1 << bits) - 1
    return arrays


@compiled(HIT)
def hit(c, n):
    node = c.node
    if node[n, COUNT] < c.num[MOST]:
        node[n, COUNT] += 1


@compiled(CHOOSE)
def choose(c):
    node = c.node
    n = oldest(c, PAGES)
    while node[n, COUNT] > 0:
        node[n, COUNT] -= 1
        renew(c, n)
        n = oldest(c, PAGES)
    return n


@compiled(EVICT)
def evict(c, page):
    return take_it(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    attach(c, page, PAGES)


drive = driver(hit, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


CLOCK = CachePolicy(create, hit, nothing, evict, admit, release_it, run, choose=choose, take=take_it, sized=sized_only)
