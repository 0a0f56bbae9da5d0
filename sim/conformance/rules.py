"""The rules of the allocator contract (models/allocators/pool.py), by name and in words."""

from __future__ import annotations

RULES: dict[str, str] = {
    "record": "the attribute that `target` names is an Allocator record whose functions have the contract's signatures",
    "compile": "every function compiles",
    "create": "create(page_size, max_pages, max_objects, may_take=N, **options) gives an empty pool with the contract's arrays",
    "reserve": "create reserves zeroed arrays and does not touch them: a large limit costs no memory",
    "exceptions": "no call raises an exception: a request that cannot be served is answered with -errno",
    "bounds": "no call reads or writes outside its tables",
    "ends": "every call comes to an end",
    "alive": "no call takes the process down",
    "handle-range": "a handle is a number from 0 to max_objects - 1",
    "handle-fresh": "no handle is given to two live objects",
    "errno": "a refusal is a negative errno, from -1 to -4095",
    "sizes": "sizes below 0 and above the page are refused (of 0, it may do either)",
    "reuse": "what was freed serves again: a size that an empty pool takes is taken as long as handles and pages are to be had",
    "free": "a live object can be freed, with the answer 0",
    "double-free": "to free what is not live is refused and changes nothing",
    "objects": "OBJECTS is the number of live objects",
    "payload": "PAYLOAD is the sum of the live objects' sizes as they were asked for",
    "identity": "POOL_PAGES * PAGE_SIZE = PAYLOAD + META_INSIDE + LOST_INSIDE + FREE_BYTES, after `stat` at the latest",
    "negative": "no number of the tally is negative",
    "may-take": "every page taken lowers MAY_TAKE by one, nothing else changes it, and it never falls below 0",
    "pages": "PAGES_TAKEN and PAGES_RETURNED only grow, and no page comes back that was not taken",
    "max-pages": "the pool never holds more pages than max_pages",
    "pool-pages": "POOL_PAGES are pages that the pool holds",
    "totals": "WALKED and COPIED grow by OP_WALKED and OP_COPIED of each store, free and compaction",
    "stat": "stat answers 0 and only brings the tally up to date",
    "failed-store": "a store that fails changes no object, and without a page taken not the tally either",
    "place": "blocks names pages that the pool holds: serials below PAGES_TAKEN, no more different ones than pages held",
    "offset": "a block lies within its page",
    "overlap": "no two live objects share a byte",
    "lost": "a live object keeps its handle, and blocks says where it is",
    "moves": "an object stays where it is unless MOVED counts it",
    "compact": "compact answers the number of pages that it gave back",
    "evict-record": "evict_begin, evict_next and evict_done come together, or not at all",
    "evict-claim": "evict_begin claims a page that is not claimed yet (a number above 0), or answers 0 or -errno",
    "evict-offer": "evict_next names live objects, each once, and then -1",
    "evict-store": "no store goes into a page that is being evicted",
    "evict-done": "evict_done answers 1 or 0",
    "evict-left": "EVICT_LEFT never grows in an eviction, apart from evict_begin's first call",
    "evict-ends": "an eviction comes to an end",
    "determinism": "the same operations on a new pool give the same answers",
    "counters": "counters gives a dict of numbers by name",
    "answers": "answers is None or an Answers whose title is one line and whose statistics are lines",
}


class Broken(Exception):
    """A rule is broken: its name, and what happened."""

    def __init__(self, rule: str, text: str, step: int = -1) -> None:
        super().__init__(text)
        self.rule, self.text, self.step = rule, text, step
