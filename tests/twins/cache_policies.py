"""Page-replacement policies in plain Python.  The readable specifications of models/cache: ordered dicts, one class a policy.

`access(page) -> hit` and `resident()`; an OrderedDict's first key is the oldest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence, Set

Pages = OrderedDict[int, int]


def oldest(pages: Pages) -> int:
    return next(iter(pages))


class Twin:
    """One cache of `capacity` pages; lists: where resident pages are, with a number for each (a count or a bit)."""

    def __init__(self, capacity: int, **_options: float) -> None:
        self.capacity = capacity
        self.pages: Pages = OrderedDict()

    def resident(self) -> Set[int]:
        return self.pages.keys()

    def access(self, page: int) -> bool:
        if page in self.resident():
            self.hit(page)
            return True
        self.miss(page)
        return False

    def full(self) -> bool:
        return len(self.resident()) >= self.capacity

    def hit(self, page: int) -> None:
        raise NotImplementedError

    def miss(self, page: int) -> None:
        if self.full():
            self.evict()
        self.pages[page] = 0

    def evict(self) -> None:
        self.pages.popitem(last=False)


class Lru(Twin):
    def hit(self, page: int) -> None:
        self.pages.move_to_end(page)


class Mru(Lru):
    def evict(self) -> None:
        self.pages.popitem()


class Fifo(Twin):
    def hit(self, page: int) -> None:
        pass


class Clock(Twin):
    """The hand's order is that of a queue: a page that is passed over goes to its end with one less."""

    def __init__(self, capacity: int, bits: int = 1, **_options: float) -> None:
        super().__init__(capacity)
        self.most = (1 << bits) - 1

    def hit(self, page: int) -> None:
        self.pages[page] = min(self.pages[page] + 1, self.most)

    def evict(self) -> None:
        while (count := self.pages[page := oldest(self.pages)]) > 0:
            self.pages.move_to_end(page)
            self.pages[page] = count - 1
        del self.pages[page]


class Lfu(Twin):
    """Among the pages of the lowest count that goes which reached it first."""

    def hit(self, page: int) -> None:
        self.pages[page] += 1
        self.pages.move_to_end(page)

    def evict(self) -> None:
        del self.pages[min(self.pages, key=self.pages.__getitem__)]


class Sieve(Twin):
    """The hand goes from old to new, takes the bits, and stays where it found a victim; new pages come in behind the newest."""

    def __init__(self, capacity: int, **_options: float) -> None:
        super().__init__(capacity)
        self.order: list[int] = []  # oldest first
        self.hand = 0

    def hit(self, page: int) -> None:
        self.pages[page] = 1

    def miss(self, page: int) -> None:
        super().miss(page)
        self.order.append(page)

    def evict(self) -> None:
        while True:
            self.hand %= len(self.order)
            page = self.order[self.hand]
            if not self.pages[page]:
                break
            self.pages[page] = 0
            self.hand += 1
        del self.order[self.hand], self.pages[page]
        self.hand %= max(1, len(self.order))


class Belady(Twin):
    """Out goes the page whose next use is farthest; every page is admitted."""

    def __init__(self, capacity: int, ids: Sequence[int] = (), **_options: float) -> None:
        super().__init__(capacity)
        self.uses: dict[int, list[int]] = {}
        for at in range(len(ids) - 1, -1, -1):
            self.uses.setdefault(ids[at], []).append(at)

    def access(self, page: int) -> bool:
        self.uses[page].pop()
        return super().access(page)

    def hit(self, page: int) -> None:
        pass

    def evict(self) -> None:
        del self.pages[max(self.pages, key=lambda page: self.uses[page][-1] if self.uses[page] else 1 << 60)]


class Nru(Twin):
    """pages[page]: its reference bit, set by the use that brings it in."""

    def hit(self, page: int) -> None:
        if not self.pages[page]:
            self.pages[page] = 1
            self.pages.move_to_end(page)

    def miss(self, page: int) -> None:
        super().miss(page)
        self.pages[page] = 1

    def evict(self) -> None:
        if all(self.pages.values()):
            self.pages = OrderedDict.fromkeys(self.pages, 0)
        del self.pages[next(page for page, bit in self.pages.items() if not bit)]


class Slru(Twin):
    """Segments of equal size, lowest first; the paper's has the remainder in the lowest, the tool's in none."""

    def __init__(self, capacity: int, segments: int = 2, rule: str = "paper", **_options: float) -> None:
        super().__init__(capacity)
        self.segments: list[Pages] = [OrderedDict() for _ in range(segments)]
        self.room = [capacity // segments] * segments
        self.tool = rule == "libcachesim"
        if not self.tool:
            self.room[0] += capacity % segments

    def resident(self) -> Set[int]:
        return {page for segment in self.segments for page in segment}

    def push_down(self, k: int) -> None:
        page = self.segments[k].popitem(last=False)[0]
        if k == 0:
            return
        self.segments[k - 1][page] = 0
        while len(self.segments[k - 1]) > self.room[k - 1] and (k > 1 or self.tool):
            self.push_down(k - 1)

    def hit(self, page: int) -> None:
        k = next(k for k, segment in enumerate(self.segments) if page in segment)
        if k == len(self.segments) - 1 or self.room[k + 1] == 0:
            self.segments[k].move_to_end(page)
            return
        del self.segments[k][page]
        while len(self.segments[k + 1]) >= self.room[k + 1]:
            self.push_down(k + 1)
        self.segments[k + 1][page] = 0

    def miss(self, page: int) -> None:
        if self.full():
            next(segment for segment in self.segments if segment).popitem(last=False)
        with_room = [segment for segment, room in zip(self.segments, self.room, strict=True) if len(segment) < room]
        (with_room[0] if self.tool and with_room else self.segments[0])[page] = 0
