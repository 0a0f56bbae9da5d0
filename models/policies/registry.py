"""Page-reclaim policies that a configuration can name (`reclaim.policy`)."""

from models.registry import Entry

REGISTRY = (
    Entry(
        "linux-lru",
        "models.policies.linux_lru:LINUX_LRU",
        "active and inactive lists with second chance and refault distance",
        "Linux 6.1 mm/vmscan.c, mm/workingset.c, mm/swap.c",
    ),
)
