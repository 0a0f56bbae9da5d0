"""Page-reclaim policies that a configuration can name (`reclaim.policy`)."""

from models.registry import Entry, Option

REGISTRY = (
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
