"""Page-reclaim policies that a configuration can name (`reclaim.policy`)."""

from models.cache.registry import ONLINE
from models.registry import Entry, Option

LINUX = (
    Entry(
        "linux-lru",
        "models.policies.linux_lru:LINUX_LRU",
        "active and inactive lists with second chance and refault distance",
        "Linux 6.1 mm/vmscan.c, mm/workingset.c, mm/swap.c",
    ),
    Entry(
        "mglru",
        "models.policies.mglru:MGLRU",
        "multi-generational LRU: aging by page-table walks, eviction of the oldest generation, feedback of refaults",
        "Linux 6.1 mm/vmscan.c, mm/workingset.c, with the differences of 6.12",
        (
            Option(
                "min_ttl_ms",
                "int",
                "ms",
                0,
                "working set of this age is kept: rather than evict it, a process is killed; 0 = off",
                "Linux 6.1 Documentation/admin-guide/mm/multigen_lru.rst, with its default",
                0,
                3_600_000,
            ),
            Option(
                "version",
                "choice",
                "",
                "auto",
                "whose rules; auto = machine.kernel",
                "",
                choices=("auto", "6.1", "6.12"),
            ),
        ),
    ),
)

_HITS = Option(
    "hits",
    "choice",
    "",
    "scan",
    "what the policy is told of a page's use: its accessed bits when it was chosen to go, or every use (no hardware tells that)",
    "docs/cache-policies.md",
    choices=("scan", "every"),
)


def _own(entry: Entry) -> tuple[Option, ...]:
    """Its settings; a tool's rule may evict or refuse pages where a machine's page cannot go, and is there for comparisons only."""
    return tuple(option for option in entry.options if option.name != "rule")


# those of models/cache, which know neither kinds of pages nor cgroups; Linux's own are above
REGISTRY = (
    *LINUX,
    *(
        Entry(entry.name, f"models.policies.replacement:{entry.name}", entry.doc, entry.source, (*_own(entry), _HITS), entry.preset)
        for entry in ONLINE
        if entry.name not in {own.name for own in LINUX}
    ),
)
