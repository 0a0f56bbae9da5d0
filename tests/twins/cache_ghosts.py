"""Policies that remember pages they evicted, in plain Python.  The readable specifications of their namesakes in models/cache."""

from __future__ import annotations

from collections.abc import Set

from tests.twins.cache_policies import Pages, Twin, oldest


def take_oldest(pages: Pages) -> int:
    return pages.popitem(last=False)[0]


def remember(ghosts: Pages, page: int, most: int) -> None:
    ghosts[page] = 0
    if len(ghosts) > most:
        take_oldest(ghosts)


class TwoQ(Twin):
    def __init__(self, capacity: int, inside: float = 0.25, outside: float = 0.5, **_options: float) -> None:
        super().__init__(capacity)
        self.a1in, self.a1out, self.am = Pages(), Pages(), Pages()
        self.kin, self.kout = int(capacity * inside), int(capacity * outside)

    def resident(self) -> Set[int]:
        return self.a1in.keys() | self.am.keys()

    def hit(self, page: int) -> None:
        if page in self.am:
            self.am.move_to_end(page)

    def miss(self, page: int) -> None:
        remembered = self.a1out.pop(page, None) is not None
        if self.full():
            self.evict()
        (self.am if remembered else self.a1in)[page] = 0

    def evict(self) -> None:
        if len(self.a1in) > self.kin or not self.am:
            remember(self.a1out, take_oldest(self.a1in), self.kout)
        else:
            take_oldest(self.am)


class S3Fifo(Twin):
    def __init__(
        self, capacity: int, small: float = 0.1, ghosts: float = 0.9, threshold: int = 2, rule: str = "paper", **_options: float
    ) -> None:
        super().__init__(capacity)
        self.small, self.main, self.ghosts = Pages(), Pages(), Pages()
        self.tool = self.filling = rule == "libcachesim"
        self.room, self.most_ghosts, self.threshold = int(capacity * small), int(capacity * ghosts), threshold
        if not self.tool:
            self.room = max(1, self.room)

    def resident(self) -> Set[int]:
        return self.small.keys() | self.main.keys()

    def hit(self, page: int) -> None:
        queue = self.small if page in self.small else self.main
        queue[page] = min(3, queue[page] + 1)

    def miss(self, page: int) -> None:
        remembered = self.ghosts.pop(page, None) is not None
        while self.full():
            self.evict()
        if self.tool and self.room <= 1 and not remembered:
            return
        (self.main if remembered or (self.filling and len(self.small) >= self.room) else self.small)[page] = 0

    def evict(self) -> None:
        self.filling = False
        if len(self.main) > self.capacity - self.room or not self.small:
            while (count := self.main.pop(page := oldest(self.main))) > 0:
                self.main[page] = count - 1
            return
        while self.small:
            page, count = self.small.popitem(last=False)
            if count < self.threshold:
                remember(self.ghosts, page, self.most_ghosts)
                return
            self.main[page] = 0


class Arc(Twin):
    def __init__(self, capacity: int, **_options: float) -> None:
        super().__init__(capacity)
        self.t1, self.t2, self.b1, self.b2 = Pages(), Pages(), Pages(), Pages()
        self.target = 0.0

    def resident(self) -> Set[int]:
        return self.t1.keys() | self.t2.keys()

    def hit(self, page: int) -> None:
        self.t1.pop(page, None)
        self.t2.pop(page, None)
        self.t2[page] = 0

    def replace(self, in_b2: bool) -> None:
        t1 = len(self.t1)
        if t1 and (t1 > self.target or (in_b2 and t1 == self.target) or not self.t2):
            self.b1[take_oldest(self.t1)] = 0
        else:
            self.b2[take_oldest(self.t2)] = 0

    def miss(self, page: int) -> None:
        b1, b2 = len(self.b1), len(self.b2)
        if page in self.b1:
            self.target = min(float(self.capacity), self.target + max(b2 / b1, 1))
            del self.b1[page]
            self.replace(False)
            self.t2[page] = 0
        elif page in self.b2:
            self.target = max(0.0, self.target - max(b1 / b2, 1))
            del self.b2[page]
            self.replace(True)
            self.t2[page] = 0
        else:
            self.make_room()
            self.t1[page] = 0

    def make_room(self) -> None:
        """Case IV of the paper's figure 4."""
        once = len(self.t1) + len(self.b1)
        in_all = once + len(self.t2) + len(self.b2)
        if once == self.capacity:
            if self.b1:
                take_oldest(self.b1)
                self.replace(False)
            else:
                take_oldest(self.t1)
        elif in_all >= self.capacity:
            if in_all == 2 * self.capacity:
                take_oldest(self.b2)
            self.replace(False)


class Lirs(Twin):
    """stack: recency, most recent last; lir: pages of low inter-reference recency; queue: resident HIR pages; ghosts: by eviction.

    astray (libcachesim's rule): resident in the stack alone, not counted.
    """

    def __init__(self, capacity: int, hir: float = 0.01, ghosts: float = 1.0, rule: str = "paper", **_options: float) -> None:
        super().__init__(capacity)
        self.tool = rule == "libcachesim"
        self.astray: set[int] = set()
        self.most_lir, self.most_ghosts = capacity - max(1, int(capacity * hir)), int(capacity * ghosts)
        self.stack, self.queue, self.ghosts = Pages(), Pages(), Pages()
        self.lir: set[int] = set()

    def resident(self) -> Set[int]:
        return self.lir | self.queue.keys() | self.astray

    def full(self) -> bool:
        return len(self.lir) + len(self.queue) >= self.capacity

    def on_top(self, page: int) -> None:
        self.stack.pop(page, None)
        self.stack[page] = 0

    def prune(self) -> None:
        while self.stack and (page := oldest(self.stack)) not in self.lir:
            del self.stack[page]
            self.ghosts.pop(page, None)
            self.astray.discard(page)

    def demote(self) -> None:
        self.prune()
        last = take_oldest(self.stack)
        self.lir.remove(last)
        self.queue[last] = 0
        if self.tool and len(self.queue) > self.capacity - self.most_lir:
            self.leave_queue()
        self.prune()

    def become_lir(self, page: int) -> None:
        self.lir.add(page)
        self.on_top(page)
        if len(self.lir) > self.most_lir:
            self.demote()

    def hit(self, page: int) -> None:
        if page in self.lir:
            self.on_top(page)
            self.prune()
            return
        self.queue.pop(page, None)
        self.astray.discard(page)
        if page in self.stack:
            self.become_lir(page)
            return
        self.queue[page] = 0
        if self.tool and len(self.lir) >= self.most_lir:
            self.demote()
            if page not in self.queue:
                self.astray.add(page)
        self.on_top(page)

    def miss(self, page: int) -> None:
        if self.tool and self.capacity == 1:
            return
        remembered = self.ghosts.pop(page, None) is not None
        if self.full():
            self.leave_queue()
        if remembered or len(self.lir) < self.most_lir:
            self.become_lir(page)
        else:
            self.on_top(page)
            self.queue[page] = 0
        while self.tool and len(self.stack) > 2 * self.capacity and self.ghosts:
            del self.stack[take_oldest(self.ghosts)]

    def leave_queue(self) -> None:
        gone = take_oldest(self.queue)
        if gone in self.stack:
            self.ghosts[gone] = 0
            if not self.tool and len(self.ghosts) > self.most_ghosts:
                del self.stack[take_oldest(self.ghosts)]
