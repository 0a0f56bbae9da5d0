"""tmem's objects and radix trees as dictionaries that grow and shrink: the plain specification of models.backends.tmem.

A tree is None (empty), True (index 0 alone, no node), or a dictionary: a node of up to 64 children by number.
"""

from __future__ import annotations

from typing import Any

FANOUT = 64


class Tree:
    """One object's radix tree; `height` is the number of levels of nodes, so it holds indices below 64 ** height."""

    def __init__(self) -> None:
        self.root: Any = None
        self.height = 0

    def put(self, index: int) -> None:
        """Grow a root above the present one until the index fits, then make the missing nodes on the way down."""
        while index >= FANOUT**self.height:
            if self.root is not None:
                self.root = {0: self.root}
            self.height += 1
        if self.height == 0:
            self.root = True
            return
        if self.root is None:
            self.root = {}
        node = self.root
        for level in range(self.height - 1, 0, -1):
            node = node.setdefault(index // FANOUT**level % FANOUT, {})
        node[index % FANOUT] = True

    def flush(self, index: int) -> None:
        """Remove the leaf and the nodes that it leaves empty; a root with nothing but child 0 gives way to that child."""
        self.root = self._without(self.root, index, self.height)
        while self.height > 0 and self.root is not None and set(self.root) == {0}:
            self.root = self.root[0]
            self.height -= 1
        if self.root is None:
            self.height = 0

    def _without(self, node: Any, index: int, level: int) -> Any:
        if level == 0:
            return None
        number = index // FANOUT ** (level - 1) % FANOUT
        child = self._without(node[number], index, level - 1)
        if child is None:
            del node[number]
        return node or None

    def nodes(self) -> int:
        return count(self.root)


def count(node: Any) -> int:
    """Nodes of a subtree, its own included."""
    return 1 + sum(map(count, node.values())) if isinstance(node, dict) else 0


class Trees:
    """A slot's page hangs in the tree of its low four bits."""

    def __init__(self) -> None:
        self.trees = [Tree() for _ in range(16)]

    def put(self, slot: int) -> None:
        self.trees[slot % 16].put(slot // 16)

    def flush(self, slot: int) -> None:
        self.trees[slot % 16].flush(slot // 16)

    def nodes(self) -> int:
        return sum(tree.nodes() for tree in self.trees)

    def objects(self) -> int:
        return sum(tree.root is not None for tree in self.trees)
