"""Evicting pages, step by step: the loop around an allocator's eviction protocol (models.allocators.pool), for `replay` and the tests.

The machine's backends go through the same steps in compiled code, and drop names where this drops table entries.
"""

from __future__ import annotations

from typing import NamedTuple

from models.allocators.pool import EINVAL, ENOMEM, EVICT_AT, EVICT_LEFT, Allocator, Objects, PoolArrays


class Evicted(NamedTuple):
    """What an eviction did.

    offered   (identity, whether its owner let it go), in the order in which the allocator came to them
    code      what evict_begin said at the end: 0, or -errno
    pages     how many pages counted as reclaimed
    """

    offered: list[tuple[int, bool]]
    code: int
    pages: int


def evict_pages(allocator: Allocator, arrays: PoolArrays, objects: Objects, pages: int, refuse: bool = True) -> Evicted:
    """Evict so many pages.  The owner refuses pinned objects, unless the original asks nobody (refuse=False)."""
    pool, num = arrays.pool, arrays.num
    num[EVICT_LEFT], num[EVICT_AT] = pages, 0
    offered: list[tuple[int, bool]] = []
    count = 0
    while (page := allocator.evict_begin(pool)) > 0:
        while (handle := allocator.evict_next(pool, page)) >= 0:
            who = int(objects.id_of[handle])
            agreed = not (refuse and objects.pinned[who])
            if agreed:
                objects.handle_of[who] = 0
                allocator.free(pool, handle)
            offered.append((who, agreed))
        count += allocator.evict_done(pool, page)
    return Evicted(offered, int(page), count)


def store_or_evict(allocator: Allocator, arrays: PoolArrays, objects: Objects, size: int) -> tuple[int, list[tuple[int, bool]]]:
    """Store, and if there is no page, evict one and try once more, as zcache2 does; (handle or -errno, what was offered)."""
    handle = int(allocator.alloc(arrays.pool, size))
    if handle != -ENOMEM:
        return handle, []
    evicted = evict_pages(allocator, arrays, objects, 1)
    return int(allocator.alloc(arrays.pool, size)) if evicted.pages else handle, evicted.offered


def told_eviction(allocator: Allocator, arrays: PoolArrays, objects: Objects, pages: int) -> list[str]:
    """What `replay` prints of an `r` for an allocator of Linux 6.1, whose owners may refuse."""
    done = evict_pages(allocator, arrays, objects, pages)
    code = done.code if pages else -EINVAL  # the original's result before its first page
    shown = (str(who) if agreed else f"!{who}" for who, agreed in done.offered)
    return [" ".join(["r :", *shown, "=", str(code), str(done.pages)])]


def no_compaction_told(arrays: PoolArrays) -> list[str]:
    """What `replay` prints of a `c` for an allocator of Linux 6.1 that has none."""
    return ["c -1 0"]
