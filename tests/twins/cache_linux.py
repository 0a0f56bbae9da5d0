"""Linux 6.1's two reclaim policies for files that are read, in plain Python: readable specifications of models/cache."""

from __future__ import annotations

from collections.abc import Set

from tests.twins.cache_ghosts import remember, take_oldest
from tests.twins.cache_policies import Pages, Twin, oldest


class LinuxLru(Twin):
    """inactive, active: pages with their referenced flag; shadows: the age at which each evicted page left, all of them for ever."""

    def __init__(self, capacity: int, batch: int = 32, **_options: float) -> None:
        super().__init__(capacity)
        self.inactive, self.active = Pages(), Pages()
        self.shadows: dict[int, int] = {}
        self.age = 0
        self.batch, self.left = batch, 0
        self.refaults = False  # some became active since the last run began
        self.may_deactivate = False

    def resident(self) -> Set[int]:
        return self.inactive.keys() | self.active.keys()

    def hit(self, page: int) -> None:
        if page in self.active:
            self.active[page] = 1
        elif not self.inactive[page]:
            self.inactive[page] = 1
        else:
            del self.inactive[page]
            self.active[page] = 0
            self.age += 1

    def miss(self, page: int) -> None:
        if self.full():
            self.evict()
        shadow = self.shadows.pop(page, None)
        if shadow is not None and self.age - shadow <= len(self.active):
            self.age += 1
            self.refaults = True
            self.active[page] = 1
        else:
            self.inactive[page] = 1

    def deactivate(self) -> None:
        if self.may_deactivate and self.active:
            page, flag = self.active.popitem(last=False)
            self.inactive[page] = flag

    def evict(self) -> None:
        if not self.left or not self.inactive:
            gib = self.capacity * 4096 >> 30
            ratio = int((10 * gib) ** 0.5) or 1
            self.may_deactivate = self.refaults or len(self.inactive) * ratio < len(self.active)
            self.refaults = False
            self.left = self.batch
        if not self.inactive:
            self.deactivate()
        self.left -= 1
        self.shadows[take_oldest(self.inactive)] = self.age
        self.age += 1
        self.deactivate()


class Mglru(Twin):
    """generations: by number, pages with their uses (-1: not read since they came into it)."""

    def __init__(self, capacity: int, batch: int = 64, ghosts: float = 8.0, **_options: float) -> None:
        super().__init__(capacity)
        self.generations = {number: Pages() for number in range(4)}
        self.shadows: dict[int, tuple[int, int]] = {}  # oldest generation and uses at eviction
        self.order, self.most_shadows = Pages(), int(capacity * ghosts)
        self.evicted, self.protected, self.refaulted = [0] * 4, [0] * 4, [0] * 4
        self.average_refaulted, self.average_total = [0] * 4, [0] * 4
        self.batch, self.left, self.limit = batch, 0, 0

    def resident(self) -> Set[int]:
        return {page for pages in self.generations.values() for page in pages}

    @staticmethod
    def tier(uses: int) -> int:
        return (0, 1, 2, 2, 3)[max(uses, 0)]

    def hit(self, page: int) -> None:
        pages = next(pages for pages in self.generations.values() if page in pages)
        pages[page] = min(pages[page] + 1, 4)

    def rate(self, tier: int) -> tuple[int, int]:
        """Refaulted, and all that could have."""
        total = self.average_total[tier] + self.evicted[tier] + self.protected[tier]
        return self.average_refaulted[tier] + self.refaulted[tier], total

    def begin_batch(self) -> None:
        old = min(self.generations)
        while len(self.generations) > 2 and not self.generations[min(self.generations)]:
            del self.generations[min(self.generations)]
        if min(self.generations) != old:
            rates = [self.rate(tier) for tier in range(4)]
            self.average_refaulted, self.average_total = [rate[0] // 2 for rate in rates], [rate[1] // 2 for rate in rates]
            self.evicted, self.protected, self.refaulted = [0] * 4, [0] * 4, [0] * 4
        sizes = [len(pages) for _, pages in sorted(self.generations.items())]
        if len(sizes) == 2 or (len(sizes) == 3 and (sizes[-1] * 2 > sum(sizes) or sizes[0] * 4 < sum(sizes))):
            self.generations[max(self.generations) + 1] = Pages()
        first, first_total = self.rate(0)
        self.limit = 3
        for tier in (3, 2, 1):
            came_back, total = self.rate(tier)
            if came_back >= 64 and came_back * (first_total + 64) > (first + 1) * total * 2:
                self.limit = tier - 1
        self.left = self.batch

    def evict(self) -> None:
        while True:
            old = min(self.generations)
            if not self.left or len(self.generations) == 2 or not self.generations[old]:
                self.begin_batch()
                continue
            page = oldest(self.generations[old])
            uses = self.generations[old].pop(page)
            if self.tier(uses) <= self.limit and uses < 4:
                break
            self.protected[self.tier(uses)] += 1
            self.generations[old + 1][page] = -1
            self.generations[old + 1].move_to_end(page, last=False)
        self.left -= 1
        self.evicted[self.tier(uses)] += 1
        self.shadows[page] = (old, max(uses, 0))
        remember(self.order, page, self.most_shadows)

    def miss(self, page: int) -> None:
        if self.full():
            self.evict()
        old = min(self.generations)
        known = self.order.pop(page, None) is not None
        left_at, uses = self.shadows.get(page, (-1, 0)) if known else (-1, 0)
        if left_at == old:
            self.refaulted[self.tier(uses)] += 1
        restored = 4 if left_at == old and uses >= 3 else 0
        self.generations[old if len(self.generations) <= 3 else old + 1][page] = restored
