"""Random: any resident page goes, each as likely as the others (Belady 1966).  The yardstick: no memory of use at all.

Draws are splitmix64 (Steele, Lea, Flood 2014) of a counter and the seed, so a run can be repeated.
"""

from __future__ import annotations

from numba import int64, uint64

from models.cache.policy import ADMIT, CHOOSE, EVICT, REMOVE, RUN, TAKE, CachePolicy, driver, nothing, sized_only, unmoved
from models.cache.state import OWN, OWN_NUM, PAGE, USED, CacheArrays, attach, cache_t, new_cache, release
from models.jit import compiled

PAGES = 1  # list
AT = OWN  # of a node: its row in `more`, whose first rows hold the nodes of the resident pages
DRAWN = OWN_NUM  # num: the counter


def create(pages: int, distinct: int, seed: int = 1) -> CacheArrays:
    arrays = new_cache(pages, distinct, own=1, more=(min(pages, distinct) + 1, 1))
    arrays.num[DRAWN] = seed << 32
    return arrays


@compiled(uint64(cache_t))
def draw(c):
    c.num[DRAWN] += 1
    x = uint64(c.num[DRAWN]) * uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> uint64(27))) * uint64(0x94D049BB133111EB)
    return x ^ (x >> uint64(31))


@compiled(REMOVE)
def remove(c, n):
    """The last takes its row."""
    at = c.node[n, AT]
    release(c, n)
    last = c.more[c.num[USED], 0]
    c.more[at, 0] = last
    c.node[last, AT] = at


@compiled(CHOOSE)
def choose(c):
    return int64(c.more[draw(c) % uint64(c.num[USED]), 0])


@compiled(TAKE)
def take(c, n):
    remove(c, n)
    return c.node[n, PAGE]


@compiled(EVICT)
def evict(c, page):
    return take(c, choose(c))


@compiled(ADMIT)
def admit(c, page):
    n = attach(c, page, PAGES)
    c.node[n, AT] = c.num[USED] - 1
    c.more[c.num[USED] - 1, 0] = n


drive = driver(unmoved, nothing, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


RANDOM = CachePolicy(create, unmoved, nothing, evict, admit, remove, run, choose=choose, take=take, sized=sized_only)
