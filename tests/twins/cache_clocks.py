"""CAR and CLOCK-Pro in plain Python, from the papers.  The readable specifications of their namesakes in models/cache."""

from __future__ import annotations

from collections.abc import Set

from tests.twins.cache_ghosts import take_oldest
from tests.twins.cache_policies import Pages, Twin


class Car(Twin):
    """Figure 2, its lines in its order.  t1 and t2: pages with their bits, under the hand first."""

    def __init__(self, capacity: int, **_options: float) -> None:
        super().__init__(capacity)
        self.t1, self.t2, self.b1, self.b2 = Pages(), Pages(), Pages(), Pages()
        self.target = 0.0

    def resident(self) -> Set[int]:
        return self.t1.keys() | self.t2.keys()

    def hit(self, page: int) -> None:
        (self.t1 if page in self.t1 else self.t2)[page] = 1

    def replace(self) -> None:
        while True:
            clock, ghosts = (self.t1, self.b1) if len(self.t1) >= max(1, self.target) else (self.t2, self.b2)
            page, bit = clock.popitem(last=False)
            if not bit:
                ghosts[page] = 0
                return
            self.t2[page] = 0

    def miss(self, page: int) -> None:
        known = page in self.b1 or page in self.b2
        if self.full():
            self.replace()
            if not known and len(self.t1) + len(self.b1) == self.capacity:
                take_oldest(self.b1)
            elif not known and len(self.t1) + len(self.t2) + len(self.b1) + len(self.b2) == 2 * self.capacity:
                take_oldest(self.b2)
        if not known:
            self.t1[page] = 0
            return
        b1, b2 = len(self.b1), len(self.b2)
        if page in self.b1:
            self.target = min(self.target + max(1, b2 / b1), self.capacity)
            del self.b1[page]
        else:
            self.target = max(self.target - max(1, b1 / b2), 0.0)
            del self.b2[page]
        self.t2[page] = 0


class ClockPro(Twin):
    """clock: every page, HANDhot's first and the head of the list last; hot, cold (resident), and without either: evicted."""

    def __init__(self, capacity: int, cold: float = 0.01, fill: str = "hot", **_options: float) -> None:
        super().__init__(capacity)
        self.filling = fill == "hot"
        self.clock: list[int] = []
        self.hot: set[int] = set()
        self.cold: set[int] = set()
        self.testing: set[int] = set()
        self.used: set[int] = set()
        self.target = 0
        self.change_target(max(1, int(capacity * cold)))

    def resident(self) -> Set[int]:
        return self.hot | self.cold

    def change_target(self, by: int) -> None:
        self.target = min(max(self.target + by, 1), max(self.capacity - 1, 1))

    def to_head(self, page: int) -> None:
        self.clock.remove(page)
        self.clock.append(page)

    def end_test(self, page: int) -> None:
        self.testing.remove(page)
        if page not in self.used:
            self.change_target(-1)
        if page not in self.resident():
            self.clock.remove(page)

    def hand_hot(self) -> None:
        """Turns one hot page cold."""
        while True:
            page = self.clock[0]
            if page in self.hot:
                self.to_head(page)
                if page not in self.used:
                    self.hot.remove(page)
                    self.cold.add(page)
                    return
                self.used.remove(page)
            else:
                if page in self.testing:
                    self.end_test(page)
                if page in self.cold:
                    self.to_head(page)

    def hand_test(self) -> None:
        self.end_test(next(page for page in self.clock if page in self.testing))

    def hand_cold(self) -> None:
        """Evicts one page."""
        while True:
            page = next(page for page in self.clock if page in self.cold)
            if page not in self.used:
                break
            self.used.remove(page)
            self.to_head(page)
            if page in self.testing:
                self.testing.remove(page)
                self.cold.remove(page)
                self.become_hot(page)
            else:
                self.testing.add(page)
        self.cold.remove(page)
        if page not in self.testing:
            self.clock.remove(page)
        while len(self.clock) - len(self.resident()) > self.capacity:
            self.hand_test()

    def become_hot(self, page: int) -> None:
        self.hot.add(page)
        self.change_target(1)
        while len(self.hot) > self.capacity - self.target:
            self.hand_hot()

    def hit(self, page: int) -> None:
        self.used.add(page)

    def miss(self, page: int) -> None:
        if self.full():
            self.filling = False
            self.hand_cold()
        if self.filling and len(self.hot) < self.capacity - self.target:
            self.clock.append(page)
            self.hot.add(page)
        elif page in self.clock:
            self.testing.remove(page)
            self.to_head(page)
            self.become_hot(page)
        else:
            self.clock.append(page)
            self.cold.add(page)
            self.testing.add(page)
