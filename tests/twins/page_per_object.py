"""A page per object in plain Python.  The readable specification of models/allocators/page_per_object.py."""

from __future__ import annotations

ENOMEM, EINVAL = 12, 22


class PagePerObject:
    """may_take: pages that can still be had."""

    def __init__(self, page_size: int = 4096, may_take: int = 1 << 40, max_objects: int = 1 << 40) -> None:
        self.page_size, self.may_take, self.max_objects = page_size, may_take, max_objects
        self.objects: dict[int, tuple[int, int]] = {}  # key: serial of its page, size
        self.serial = self.copied = 0

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)], or -errno."""
        self.copied = 0
        if size < 1 or size > self.page_size:
            return -EINVAL
        if self.may_take <= 0 or len(self.objects) >= self.max_objects:
            return -ENOMEM
        self.may_take -= 1
        self.objects[key] = self.serial, size
        self.serial += 1
        self.copied = size
        return self.where(key)

    def free(self, key: int) -> int:
        self.copied = 0
        del self.objects[key]
        return 0

    def where(self, key: int) -> list[tuple[int, int]]:
        return [(self.objects[key][0], 0)]

    def tally(self) -> dict[str, int]:
        """Every number of the tally."""
        pages, payload = len(self.objects), sum(size for _, size in self.objects.values())
        return {
            "pages_taken": self.serial,
            "pages_returned": self.serial - pages,
            "pool_pages": pages,
            "objects": pages,
            "payload": payload,
            "meta_inside": 0,
            "meta_outside": 0,
            "lost_inside": pages * self.page_size - payload,
            "free_bytes": 0,
            "op_walked": 0,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def counters(self) -> dict[str, int]:
        return {}

    def check(self) -> None:
        """Nothing can be wrong."""
