"""zcache's persistent put, get and flush with their counters: the plain specification of models.backends.zcache."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.twins.tmem import Trees


class Frames:
    """Free frames of each zone and the mark that zcache must leave, lowest zone first."""

    def __init__(self, free: list[int], marks: list[int]) -> None:
        self.free, self.marks = free, marks

    def usable(self) -> int:
        return sum(max(free - mark, 0) for free, mark in zip(self.free, self.marks, strict=True))

    def take(self) -> int:
        """A frame of the highest zone that is above its mark; returns the zone."""
        zone = max(z for z, free in enumerate(self.free) if free > self.marks[z])
        self.free[zone] -= 1
        return zone


class Zcache:
    """allocator: a twin of the pool's allocator; frames: the VM's."""

    def __init__(self, allocator: Any, frames: Frames, limit: int, max_zsize: int, max_mean: int, header: int) -> None:
        self.allocator, self.frames, self.limit = allocator, frames, limit
        self.max_zsize, self.max_mean, self.header = max_zsize, max_mean, header
        self.held: dict[int, int] = {}  # slot: bytes with the header
        self.trees = Trees()
        self.zones = [-1] * len(allocator.pages)  # where the pool's frames came from; the last taken is given back first
        self.count: Counter[str] = Counter()

    def _settle(self) -> None:
        while len(self.zones) < len(self.allocator.pages):
            self.zones.append(self.frames.take())
        while len(self.zones) > len(self.allocator.pages):
            self.frames.free[self.zones.pop()] += 1

    def _drop(self, slot: int) -> bool:
        if slot not in self.held:
            return False
        self.count[f"zv_curr_dist_counts[{-(-self.held.pop(slot) // 64)}]"] -= 1
        self.allocator.free(slot)
        self.trees.flush(slot)
        self._settle()
        return True

    def put(self, slot: int, clen: int) -> bool:
        """Without a free page the name is flushed; otherwise its old page goes first, whatever becomes of the new one."""
        stored = False
        if self.frames.usable() == 0:
            self.count.update(["failed_get_free_pages", "put_to_flush"])
            self._drop(slot)
        else:
            self._drop(slot)
            stored = self._create(slot, clen)
            self.count["failed_pers_puts"] += not stored
        self.count["frontswap_succ_stores" if stored else "frontswap_failed_stores"] += 1
        return stored

    def _create(self, slot: int, clen: int) -> bool:
        if len(self.held) > self.limit:
            return False
        if clen > self.max_zsize:
            self.count["compress_poor"] += 1
            return False
        if clen > self.max_mean and self.held and self.mean() > self.max_mean:
            self.count["mean_compress_poor"] += 1
            return False
        self.allocator.may_take = self.frames.usable()
        place = self.allocator.alloc(slot, self.header + clen)
        self._settle()
        if isinstance(place, int):
            return False
        self.held[slot] = self.header + clen
        self.trees.put(slot)
        for kind in ("curr", "cumul"):
            self.count[f"zv_{kind}_dist_counts[{-(-self.held[slot] // 64)}]"] += 1
        for name, now in (("curr_obj_count_max", self.trees.objects()), ("curr_objnode_count_max", self.trees.nodes())):
            self.count[name] = max(self.count[name], now)
        return True

    def mean(self) -> int:
        """Bytes of whole pages, a page's share; an allocator's reserve does not count."""
        return int(self.allocator.tally()["pool_pages"]) * 4096 // len(self.held)

    def get(self, slot: int) -> int:
        """Bytes, or -1; the page stays."""
        self.count["frontswap_loads"] += slot in self.held
        return self.held.get(slot, -1)

    def flush(self, slot: int) -> bool:
        self.count.update(["frontswap_invalidates", "flush_total"])
        found = self._drop(slot)
        self.count["flush_found"] += found
        return found

    def counters(self) -> dict[str, int]:
        """All that are not 0."""
        now = {"curr_obj_count": self.trees.objects(), "curr_objnode_count": self.trees.nodes()}
        return {name: value for name, value in {**self.count, **now}.items() if value}
