"""The ideal allocator in plain Python.  The readable specification of models/allocators/ideal.py."""

from __future__ import annotations

ENOMEM, EINVAL = 12, 22


class Ideal:
    """may_take: pages that can still be had."""

    def __init__(self, page_size: int = 4096, may_take: int = 1 << 40, max_objects: int = 1 << 40) -> None:
        self.page_size, self.may_take, self.max_objects = page_size, may_take, max_objects
        self.row: list[tuple[int, int] | None] = []  # [handle]: key and size; the objects lie in this order, without a gap
        self.spare: list[int] = []  # handles that came back, the last one is used first
        self.objects: dict[int, int] = {}  # key: handle
        self.pages: list[int] = []  # serials; the last one goes back first
        self.serial = self.copied = 0

    def payload(self) -> int:
        return sum(entry[1] for entry in self.row if entry)

    def _needed(self, size: int) -> int:
        return -(-size // self.page_size)

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)], or -errno."""
        self.copied = 0
        if size < 1 or size > self.page_size:
            return -EINVAL
        more = self._needed(self.payload() + size) > len(self.pages)
        if (more and self.may_take <= 0) or len(self.objects) >= self.max_objects:
            return -ENOMEM
        if more:
            self.may_take -= 1
            self.pages.append(self.serial)
            self.serial += 1
        handle = self.spare.pop() if self.spare else len(self.row)
        self.row[handle : handle + 1] = [(key, size)]
        self.objects[key] = handle
        self.copied = size
        return self.where(key)

    def free(self, key: int) -> int:
        self.copied = 0
        handle = self.objects.pop(key)
        self.row[handle] = None
        self.spare.append(handle)
        del self.pages[self._needed(self.payload()) :]
        return 0

    def where(self, key: int) -> list[tuple[int, int]]:
        handle = self.objects[key]
        entry = self.row[handle]
        assert entry is not None
        start = sum(before[1] for before in self.row[:handle] if before)
        page, offset = divmod(start, self.page_size)
        places = [(self.pages[page], offset)]
        return [*places, (self.pages[page + 1], 0)] if offset + entry[1] > self.page_size else places

    def tally(self) -> dict[str, int]:
        """Every number of the tally."""
        return {
            "pages_taken": self.serial,
            "pages_returned": self.serial - len(self.pages),
            "pool_pages": len(self.pages),
            "objects": len(self.objects),
            "payload": self.payload(),
            "meta_inside": 0,
            "meta_outside": 0,
            "lost_inside": 0,
            "free_bytes": len(self.pages) * self.page_size - self.payload(),
            "op_walked": 0,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def counters(self) -> dict[str, int]:
        return {"bytes": self.payload()}

    def check(self) -> None:
        """No page more than the bytes need."""
        assert len(self.pages) == self._needed(self.payload())
