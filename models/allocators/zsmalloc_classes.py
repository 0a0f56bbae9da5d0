"""Size classes of zsmalloc, in all its versions: which slot a request goes to, how many pages a zspage has, what is merged.

Linux 3.6 drivers/staging/zsmalloc, 6.1 and 6.12 mm/zsmalloc.c.  Plain arithmetic, done once when a pool is made; docs/allocators.md
tells the rules.
"""

from __future__ import annotations

from typing import NamedTuple

SMALLEST = 32  # bytes of the first slot
STEPS = 256  # slot sizes are page size / STEPS apart; in 3.6 always STEP_3_6 bytes
STEP_3_6 = 16
HANDLE = 8  # bytes in front of every object, but for huge ones; 3.6 has none
MOST_PAGES = 4  # of a zspage, up to 6.2
CHAIN = 8  # the same from 6.3 on, by default (CONFIG_ZSMALLOC_CHAIN_SIZE)


class Version(NamedTuple):
    """How the size classes of one version are made.

    most      pages of a zspage at most
    by_waste  pages are chosen by wasted bytes (6.3 and later), not by the whole per cent in use
    merge     slots with like zspages share a class
    handle    bytes that an object has in front of it
    """

    most: int
    by_waste: bool
    merge: bool
    handle: int


class SizeClass(NamedTuple):
    """index: number of its largest slot; size: bytes of an object; pages and objects: of a zspage."""

    index: int
    size: int
    pages: int
    objects: int

    @property
    def huge(self) -> bool:
        """One object in one page: where objects have a handle in front of them, these have not."""
        return self.pages == self.objects == 1


V3_6 = Version(MOST_PAGES, False, False, 0)
V6_1 = Version(MOST_PAGES, False, True, HANDLE)


def v6_12(chain: int = CHAIN) -> Version:
    """6.4 and later, with at most so many pages a zspage."""
    return Version(chain, True, True, HANDLE)


def pages_of(version: Version, page_size: int, size: int) -> int:
    """Pages of a zspage of objects of this size: the fewest of the best choices."""
    if version.by_waste:
        return min(range(1, version.most + 1), key=lambda k: k * page_size % size)

    def used(k: int) -> int:
        whole = k * page_size
        return (whole - whole % size) * 100 // whole

    return max(range(1, version.most + 1), key=used)


def slot_sizes(version: Version, page_size: int) -> list[int]:
    """Nominal size of every slot; the last one is a page."""
    step = page_size // STEPS if version.merge else STEP_3_6
    slots = -(-(page_size - SMALLEST) // step) + 1
    return [min(SMALLEST + step * i, page_size) for i in range(slots)]


def size_classes(version: Version, page_size: int = 4096) -> tuple[list[SizeClass], list[int]]:
    """The classes in ascending order, and for every slot the position of its class among them.

    Merging goes from the largest slot down; a class keeps the size of its largest one.
    """
    found: list[SizeClass] = []
    position: list[int] = []
    sizes = slot_sizes(version, page_size)
    for index in reversed(range(len(sizes))):
        pages = pages_of(version, page_size, sizes[index])
        made = SizeClass(index, sizes[index], pages, pages * page_size // sizes[index])
        if not (version.merge and found and found[-1][2:] == made[2:]):
            found.append(made)
        position.append(len(found) - 1)
    return found[::-1], [len(found) - 1 - at for at in reversed(position)]


def first_huge_size(version: Version, page_size: int = 4096) -> int:
    """Smallest request that is huge, as 6.1 and later tell their users (zs_huge_class_size); they then store the whole page instead."""
    classes, _ = size_classes(version, page_size)
    largest = next(made.size for made in reversed(classes) if made.pages != 1 and made.objects != 1)
    return largest - (version.handle - 1)


def quarters(least: int, objects: int) -> list[int]:
    """Group of a zspage with 0, 1, ... objects, up to 6.1: "almost empty" up to so many quarters, then "almost full", then full."""
    partial = [1 if inuse <= least * objects // 4 else 2 for inuse in range(1, objects)]
    return [0, *partial, 3]


def tenths(objects: int) -> list[int]:
    """The same from 6.4 on: by tenths of what it can hold."""
    return [0, *(100 * inuse // objects // 10 + 1 for inuse in range(1, objects)), 11]


def slots_at_most(classes: list[SizeClass], max_pages: int, max_objects: int) -> int:
    """Slots of all zspages that there can ever be at the same time.

    A class takes a zspage only when all it has are full, so it never has more slots than objects can be, and one zspage; and
    as an empty zspage is given back, it has at most `capacity` times its live objects.  Shared out to the classes where they count most:
    """
    total, left = 0, max_objects
    for made in sorted(classes, key=lambda made: -made.objects):
        most = max_objects + made.objects
        live = min(left, -(-most // made.objects))
        total += min(most, live * made.objects)
        left -= live
    return min(total, max_pages * max(-(-made.objects // made.pages) for made in classes))
