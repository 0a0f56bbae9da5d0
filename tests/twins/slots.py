"""Swap slots as sets and lists: the plain specification of the slot allocator in models.memory.swap.

Slot 0 is the device's header.  A slot is free, at hand (taken from the device for the next pages), in use, or on its way back.
"""

from __future__ import annotations

BATCH = 64
CLUSTER = 512
ONE_BY_ONE = 128  # with no more free slots than this, no stock is kept


class Slots:
    """slots: of the device, header included."""

    def __init__(self, slots: int, rotational: bool) -> None:
        self.slots, self.rotational = slots, rotational
        self.free = set(range(1, slots))
        self.at_hand: list[int] = []  # next first
        self.returning: list[int] = []
        self.own: list[int] = []  # what is left of the CPU's cluster, ascending
        self.own_cluster = -1
        self.empty_clusters = list(range(-(-slots // CLUSTER)))  # wholly free, first freed first
        self.position = 1  # of the scan

    def members(self, cluster: int) -> list[int]:
        return list(range(cluster * CLUSTER, min((cluster + 1) * CLUSTER, self.slots)))

    def take(self) -> int:
        """A slot, or -1: from the stock, which is filled up only when it is empty."""
        if not self.at_hand:
            self._stock_up(BATCH if len(self.free) > ONE_BY_ONE else 1)
            if not self.at_hand and self.returning:
                self._bring_back()
                self._stock_up(1)
        return self.at_hand.pop(0) if self.at_hand else -1

    def _stock_up(self, count: int) -> None:
        while len(self.at_hand) < count and self.free:
            slot = self._find()
            self.free.remove(slot)
            self.at_hand.append(slot)

    def _find(self) -> int:
        """Ascending in the CPU's cluster, then the next wholly free cluster; else the next free one from the last position, round."""
        while not self.rotational:
            while self.own:
                slot = self.own.pop(0)
                if slot in self.free:
                    return slot
            self.own_cluster = -1
            if not self.empty_clusters:
                break
            self.own_cluster = self.empty_clusters.pop(0)
            self.own = self.members(self.own_cluster)
        order = [*range(self.position, self.slots), *range(self.position)]
        slot = next(slot for slot in order if slot in self.free)
        self.position = slot + 1
        return slot

    def release(self, slot: int) -> None:
        """A slot's last user is gone; the 65th sends the 64 before it back."""
        if len(self.returning) == BATCH:
            self._bring_back()
        self.returning.append(slot)

    def _bring_back(self) -> None:
        for slot in self.returning:
            self.free.add(slot)
            cluster = slot // CLUSTER
            whole = all(s in self.free or s == 0 for s in self.members(cluster))
            if whole:
                self.empty_clusters.append(cluster)
            if whole and cluster == self.own_cluster:  # it waits in line like any other
                self.own, self.own_cluster = [], -1
        self.returning = []
