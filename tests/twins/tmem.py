"""tmem's objects and radix trees as dictionaries: the plain specification of models.backends.tmem."""

from __future__ import annotations


class Trees:
    """16 trees of 64-slot nodes, each as high as its largest index needs."""

    def __init__(self) -> None:
        self.indices: list[set[int]] = [set() for _ in range(16)]

    def put(self, slot: int) -> None:
        self.indices[slot % 16].add(slot // 16)

    def flush(self, slot: int) -> None:
        self.indices[slot % 16].discard(slot // 16)

    def nodes(self) -> int:
        """All nodes: at each level below an object's height, the groups of indices that are not empty."""
        total = 0
        for held in self.indices:
            if not held:
                continue
            height, room = 0, 1
            while max(held) >= room:
                height, room = height + 1, room * 64
            total += sum(len({index // 64 ** (level + 1) for index in held}) for level in range(height))
        return total

    def objects(self) -> int:
        return sum(bool(held) for held in self.indices)
