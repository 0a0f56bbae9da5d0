"""Lifetimes that the allocators' bench can name (`lifetimes[]`): when objects come and go."""

from models.registry import Entry, Option

_LIVE = Option("live", "int", "objects", 20_000, "objects of a full pool", "80 MB of pages", 1, 50_000_000)
_OPERATIONS = Option("operations", "int", "", 200_000, "stores and frees in all, filling included", "", 1, 500_000_000)
_DEFINITION = "definition"

REGISTRY = (
    Entry("fill", "models.lifetimes.fill:build", "objects are stored, none is freed", _DEFINITION, (_LIVE,)),
    Entry(
        "churn", "models.lifetimes.churn:build", "a full pool; a random object goes for each that comes", _DEFINITION, (_LIVE, _OPERATIONS)
    ),
    Entry(
        "lru",
        "models.lifetimes.lru:build",
        "a full pool; the least recently used object goes for each that comes, as in zswap",
        "Linux 6.1 mm/zswap.c: a full pool writes back its oldest pages",
        (
            _LIVE,
            _OPERATIONS,
            Option(
                "reuse", "float", "", 0.5, "share of the accesses that use a random live object, and so make it the youngest", "", 0.0, 0.99
            ),
        ),
    ),
    Entry(
        "grow-and-free",
        "models.lifetimes.grow_and_free:build",
        "grow, free a random part, grow again",
        _DEFINITION,
        (
            _LIVE,
            Option("share", "float", "", 0.5, "part that is freed in each round", "", 0.0, 1.0),
            Option("rounds", "int", "", 8, "rounds", "", 1, 10_000),
        ),
    ),
    Entry(
        "size-phases",
        "models.lifetimes.size_phases:build",
        "churn in which the smaller and the larger half of the sizes take turns",
        _DEFINITION,
        (_LIVE, _OPERATIONS, Option("phases", "int", "", 8, "phases", "", 1, 100_000)),
    ),
    Entry(
        "swapoff",
        "models.lifetimes.swapoff:build",
        "an aged pool, then its objects are freed in the order of their swap slots, up to a share",
        "ramzswap, compcache wiki: figures before and after an interrupted swapoff",
        (
            _LIVE,
            Option(
                "peak",
                "float",
                "",
                1.0,
                "objects at the pool's peak, as a multiple of `live`; random ones go until `live` are left",
                "",
                1.0,
                100.0,
            ),
            Option("churn", "float", "", 4.0, "replacements at the peak, as a multiple of the objects there", "", 0.0, 1000.0),
            Option("share", "float", "", 0.592, "part of the slots that is freed", "60,852 of the 102,777 pages published", 0.0, 1.0),
        ),
    ),
    Entry(
        "random-stress",
        "models.lifetimes.random_stress:build",
        "fair coin flips: store an object, or free a random one",
        "compcache project, alloc_stress/genprofile (2008)",
        (
            Option("events", "int", "", 1_000_000, "coin flips", "compcache project, alloc_stress", 1, 500_000_000),
            Option("limit", "int", "objects", 65536, "most live objects", "compcache project, alloc_stress", 1, 50_000_000),
        ),
    ),
    Entry(
        "drain",
        "models.lifetimes.drain:build",
        "a full pool is emptied in random order",
        "the order in which zram was emptied for this project's measurements of Linux 6.18",
        (_LIVE,),
    ),
)
