"""TinyLFU: an LRU list with a doorman: a page comes in only if it was used more often of late than the page that would have to go.

Einziger, Friedman, Manes, ACM Transactions on Storage 2017, section 3 (the memory of uses: models/cache/sketch.py).  Where both were used
as often, the page that is in stays.  A page that is not worth its place is used without being admitted: `evict` then says -1.
"""

from __future__ import annotations

from models.cache.policy import ADMIT, EVICT, HIT, RUN, WANTED, CachePolicy, driver, release_it
from models.cache.sketch import Sketch, fill, frequency, record, shape_of
from models.cache.state import CAPACITY, PAGE, USED, CacheArrays, attach, new_cache, oldest, release, renew
from models.jit import compiled

PAGES = 1  # list


def create(pages: int, distinct: int, **sketch: float) -> CacheArrays:
    wanted_sketch = Sketch(**sketch)  # type: ignore[arg-type]  # the registry says which are whole numbers
    arrays = new_cache(pages, distinct, more=shape_of(pages, wanted_sketch))
    fill(arrays.num, pages, wanted_sketch)
    return arrays


@compiled(HIT)
def hit(c, n):
    record(c, c.node[n, PAGE])
    renew(c, n)


@compiled(WANTED)
def wanted(c, page):
    record(c, page)


@compiled(EVICT)
def evict(c, page):
    n = oldest(c, PAGES)
    if page >= 0 and frequency(c, page) <= frequency(c, c.node[n, PAGE]):
        return -1
    return release(c, n)


@compiled(ADMIT)
def admit(c, page):
    if c.num[USED] < c.num[CAPACITY]:
        attach(c, page, PAGES)


drive = driver(hit, wanted, evict, admit)


@compiled(RUN, nogil=True)
def run(c, ids, later):
    return drive(c, ids)


TINYLFU = CachePolicy(create, hit, wanted, evict, admit, release_it, run)
