"""Two allocators in one, in plain Python.  The readable specification of models/allocators/hybrid.py."""

from __future__ import annotations

from typing import Any

ENOMEM = 12
SUMS = ("pool_pages", "objects", "payload", "meta_inside", "meta_outside", "lost_inside", "free_bytes")


class Hybrid:
    """below, above: twins of the halves, made with may_take=0; threshold: largest size for `below`."""

    def __init__(self, below: Any, above: Any, threshold: int, may_take: int = 1 << 40, max_objects: int = 1 << 40) -> None:
        self.halves, self.threshold, self.may_take, self.max_objects = (below, above), threshold, may_take, max_objects
        self.objects: dict[int, Any] = {}  # key: its half
        self.numbers: list[dict[int, int]] = [{}, {}]  # of each half: its number of a page, the pool's number of that page
        self.serial = self.walked = self.copied = 0

    def _number_pages(self, half: Any) -> None:
        """Pages that the half has just taken get the next numbers."""
        known = self.numbers[self.halves.index(half)]
        for page in range(len(known), half.tally()["pages_taken"]):
            known[page] = self.serial
            self.serial += 1

    def _do(self, half: Any, operation: Any) -> Any:
        half.may_take = self.may_take
        answer = operation()
        self.may_take = half.may_take
        self._number_pages(half)
        now = half.tally()
        self.walked, self.copied = now["op_walked"], now["op_copied"]
        return answer

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)] of the blocks, or -errno."""
        if len(self.objects) >= self.max_objects:
            self.walked = self.copied = 0
            return -ENOMEM
        half = self.halves[size > self.threshold]
        answer = self._do(half, lambda: half.alloc(key, size))
        if isinstance(answer, int):
            return answer
        self.objects[key] = half
        return self.where(key)

    def free(self, key: int) -> int:
        half = self.objects.pop(key)
        return int(self._do(half, lambda: half.free(key)))

    def compact(self, budget: int) -> int:
        walked = copied = freed = 0
        for half in self.halves:
            if hasattr(half, "compact"):
                left = budget - freed
                freed += self._do(half, lambda half=half, left=left: half.compact(left))
                walked, copied = walked + self.walked, copied + self.copied
        self.walked, self.copied = walked, copied
        return freed

    def where(self, key: int) -> list[tuple[int, int]]:
        half = self.objects[key]
        number = self.numbers[self.halves.index(half)]
        return [(number[page], offset) for page, offset in half.where(key)]

    def tally(self) -> dict[str, int]:
        """Every number of the tally: the sums of the halves'."""
        halves = [half.tally() for half in self.halves]
        returned = sum(own["pages_returned"] for own in halves)
        return {
            "pages_taken": self.serial,
            "pages_returned": returned,
            **{name: sum(own[name] for own in halves) for name in SUMS},
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def counters(self) -> dict[str, int]:
        found = {}
        for side, half in zip(("below", "above"), self.halves, strict=True):
            values = {"pages": half.tally()["pool_pages"]} | (half.counters() if hasattr(half, "counters") else {})
            found |= {f"{side}_{name}": value for name, value in values.items()}
        return found

    def check(self) -> None:
        for half in self.halves:
            half.check()
