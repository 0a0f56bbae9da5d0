"""LRU-K and the two TinyLFUs in plain Python, from the papers.  The readable specifications of their namesakes in models/cache."""

from __future__ import annotations

from collections.abc import Set

from tests.twins.cache_ghosts import remember, take_oldest
from tests.twins.cache_policies import Pages, Twin, oldest

MASK = (1 << 64) - 1


class LruK(Twin):
    """Figure 2.1.  uses[page]: times of the last K uses, latest first, 0 none; last[page]: of the very last, correlated or not."""

    def __init__(self, capacity: int, k: int = 2, correlated: int = 0, retained: int = 0, ghosts: float = 1.0, **_options: float) -> None:
        super().__init__(capacity)
        self.k, self.correlated, self.retained, self.most_ghosts = k, correlated, retained, int(capacity * ghosts)
        self.now = 0
        self.uses: dict[int, list[int]] = {}
        self.last: dict[int, int] = {}
        self.ghosts = Pages()

    def access(self, page: int) -> bool:
        self.now += 1
        return super().access(page)

    def hit(self, page: int) -> None:
        if self.now - self.last[page] > self.correlated:
            burst = self.last[page] - self.uses[page][0]
            self.uses[page] = [self.now] + [time + burst for time in self.uses[page][: self.k - 1]]
        self.last[page] = self.now

    def miss(self, page: int) -> None:
        known = self.ghosts.pop(page, None) is not None
        if known and self.retained and self.now - self.last[page] > self.retained:
            known = False
        before = self.uses[page] if known else [0] * self.k
        if self.full():
            self.evict()
        self.pages[page] = 0
        self.uses[page] = [self.now, *before[: self.k - 1]]
        self.last[page] = self.now

    def evict(self) -> None:
        free = [page for page in self.pages if self.now - self.last[page] > self.correlated]
        if free:
            victim = min(free, key=lambda page: (self.uses[page][self.k - 1], self.last[page]))
        else:
            victim = min(self.pages, key=self.last.__getitem__)
        del self.pages[victim]
        remember(self.ghosts, victim, self.most_ghosts)


class Sketch:
    """A count-min sketch with minimal increment, behind a doorkeeper; halved after `sample` uses."""

    def __init__(
        self,
        capacity: int,
        rows: int = 4,
        counters: float = 4.0,
        bits: int = 4,
        sample: float = 10.0,
        door: float = 40.0,
        door_hashes: int = 3,
        seed: int = 1,
    ) -> None:
        self.width, self.sample, self.door_bits = max(1, int(capacity * counters)), max(1, int(capacity * sample)), int(capacity * door)
        self.counters = [[0] * self.width for _ in range(rows)]
        self.most, self.door_hashes, self.seed = (1 << bits) - 1, door_hashes, seed
        self.door: set[int] = set()
        self.added = 0

    def hash(self, page: int, which: int, places: int) -> int:
        x = (page + (which << 32) + self.seed * 0x9E3779B97F4A7C15) & MASK
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
        return (x ^ (x >> 31)) % places

    def bits_of(self, page: int) -> set[int]:
        if not self.door_bits:
            return set()
        return {self.hash(page, len(self.counters) + k, self.door_bits) for k in range(self.door_hashes)}

    def places(self, page: int) -> list[tuple[int, int]]:
        return [(row, self.hash(page, row, self.width)) for row in range(len(self.counters))]

    def smallest(self, page: int) -> int:
        return min(self.counters[row][at] for row, at in self.places(page))

    def frequency(self, page: int) -> int:
        return self.smallest(page) + (1 if self.door_bits and self.bits_of(page) <= self.door else 0)

    def record(self, page: int) -> None:
        if not self.bits_of(page) <= self.door:
            self.door |= self.bits_of(page)
        elif (least := self.smallest(page)) < self.most:
            for row, at in self.places(page):
                self.counters[row][at] = max(self.counters[row][at], least + 1)
        self.added += 1
        if self.added >= self.sample:
            self.counters = [[count // 2 for count in row] for row in self.counters]
            self.door.clear()
            self.added //= 2


class TinyLfu(Twin):
    def __init__(self, capacity: int, **sketch: float) -> None:
        super().__init__(capacity)
        self.sketch = Sketch(capacity, **sketch)  # type: ignore[arg-type]

    def access(self, page: int) -> bool:
        self.sketch.record(page)
        return super().access(page)

    def hit(self, page: int) -> None:
        self.pages.move_to_end(page)

    def miss(self, page: int) -> None:
        if self.full():
            victim = oldest(self.pages)
            if self.sketch.frequency(page) <= self.sketch.frequency(victim):
                return
            del self.pages[victim]
        self.pages[page] = 0


class WTinyLfu(Twin):
    """A page that enters a full window pushes one out, which enters main; where main then has one too many, the two contend."""

    def __init__(self, capacity: int, window: float = 0.01, protected: float = 0.8, **sketch: float) -> None:
        super().__init__(capacity)
        self.sketch = Sketch(capacity, **sketch)  # type: ignore[arg-type]
        self.room = max(1, int(capacity * window))
        self.main_room = capacity - self.room
        self.most_protected = int(self.main_room * protected)
        self.window, self.probation, self.protected = Pages(), Pages(), Pages()

    def resident(self) -> Set[int]:
        return self.window.keys() | self.probation.keys() | self.protected.keys()

    def access(self, page: int) -> bool:
        self.sketch.record(page)
        return super().access(page)

    def hit(self, page: int) -> None:
        if page in self.probation and self.most_protected:
            del self.probation[page]
            self.protected[page] = 0
            if len(self.protected) > self.most_protected:
                self.probation[take_oldest(self.protected)] = 0
        else:
            next(pages for pages in (self.window, self.probation, self.protected) if page in pages).move_to_end(page)

    def miss(self, page: int) -> None:
        self.window[page] = 0
        if len(self.window) <= self.room:
            return
        candidate = take_oldest(self.window)
        if len(self.probation) + len(self.protected) >= self.main_room:
            if not self.main_room:
                return
            queue = self.probation or self.protected
            if self.sketch.frequency(candidate) <= self.sketch.frequency(oldest(queue)):
                return
            take_oldest(queue)
        self.probation[candidate] = 0
