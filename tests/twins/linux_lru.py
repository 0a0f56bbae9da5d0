"""Linux's active and inactive lists as Python lists: the plain specification of models.policies.linux_lru.

A list's first element is its head.  Pages are numbers; everything known of a page is in dictionaries.
"""

from __future__ import annotations

from math import isqrt

INACTIVE_ANON, ACTIVE_ANON, INACTIVE_FILE, ACTIVE_FILE = range(4)
KEEP, ACTIVATE, ROTATE, RECLAIM_IT = range(4)


class LinuxLru:
    """The policy; `accessed` stands for the pages' hardware bits."""

    def __init__(self, page_size: int, swappiness: int, high_marks: int) -> None:
        self.lists: list[list[int]] = [[], [], [], []]
        self.file: set[int] = set()
        self.accessed: set[int] = set()
        self.referenced: set[int] = set()
        self.workingset: set[int] = set()
        self.age = 0
        self.cost = [0, 0]
        self.seen = [0, 0]
        self.activated = [0, 0]
        self.page_size, self.swappiness, self.high_marks = page_size, swappiness, high_marks
        self.free = 0
        self.swap_free = 1

    def kind(self, page: int) -> int:
        return 1 if page in self.file else 0

    def place(self, page: int) -> tuple[int, int] | None:
        for number, pages in enumerate(self.lists):
            if page in pages:
                return number, pages.index(page)
        return None

    def insert(self, page: int, shadow: tuple[int, bool] | None) -> None:
        active = False
        self.referenced.discard(page)
        self.workingset.discard(page)
        if shadow is not None:
            then, was_workingset = shadow
            kind = self.kind(page)
            size = len(self.lists[ACTIVE_FILE])
            size += len(self.lists[INACTIVE_FILE]) if kind == 0 else 0
            if self.swap_free > 0:
                size += len(self.lists[ACTIVE_ANON])
                size += len(self.lists[INACTIVE_ANON]) if kind == 1 else 0
            if self.age - then <= size:
                active = True
                self.age += 1
                self.activated[kind] += 1
                if was_workingset:
                    self.workingset.add(page)
                    self.charge(kind, 1)
        self.lists[2 * self.kind(page) + active].insert(0, page)

    def charge(self, kind: int, cost: int) -> None:
        self.cost[kind] += cost
        if sum(self.cost) > sum(map(len, self.lists)) // 4:
            self.cost = [c // 2 for c in self.cost]

    def remove(self, page: int) -> None:
        for pages in self.lists:
            if page in pages:
                pages.remove(page)

    def check(self, page: int) -> int:
        young, marked = page in self.accessed, page in self.referenced
        self.accessed.discard(page)
        self.referenced.discard(page)
        if not young:
            return RECLAIM_IT
        self.referenced.add(page)
        return ACTIVATE if marked else KEEP

    def evicted(self, page: int) -> tuple[int, bool]:
        self.age += 1
        return self.age - 1, page in self.workingset

    def putback(self, page: int, verdict: int) -> None:
        if verdict == ACTIVATE:
            self.age += 1
        self.lists[2 * self.kind(page) + (verdict == ACTIVATE)].insert(0, page)

    def low(self, kind: int) -> bool:
        inactive, active = len(self.lists[2 * kind]), len(self.lists[2 * kind + 1])
        gib = (inactive + active) * self.page_size >> 30
        return inactive * (isqrt(10 * gib) if gib else 1) < active

    def deactivate(self, n: int, kind: int) -> None:
        for _ in range(min(n, len(self.lists[2 * kind + 1]))):
            page = self.lists[2 * kind + 1].pop()
            self.accessed.discard(page)
            self.workingset.add(page)
            self.lists[2 * kind].insert(0, page)

    def scan_counts(self, priority: int, force: bool = False) -> list[int]:
        may = [force or self.activated[k] != self.seen[k] or self.low(k) for k in (0, 1)]
        sizes = [len(pages) for pages in self.lists]
        anon, file, whole = 1, 1, 1
        if self.swap_free <= 0:
            anon = 0
        elif priority == 0 and self.swappiness > 0:
            pass
        elif sizes[2] + sizes[3] + self.free <= self.high_marks and not may[0] and sizes[INACTIVE_ANON] >> priority > 0:
            file = 0
        elif sizes[INACTIVE_FILE] >> priority > 0 and not may[1]:
            anon = 0
        else:
            total = sum(self.cost)
            costs = [total + c for c in self.cost]
            anon = self.swappiness * (sum(costs) + 1) // (costs[0] + 1)
            file = (200 - self.swappiness) * (sum(costs) + 1) // (costs[1] + 1)
            whole = anon + file
        return [(size >> priority) * (anon if number < 2 else file) // whole for number, size in enumerate(sizes)]

    def take_tail(self, which: int, n: int) -> list[int]:
        taken = [self.lists[which].pop() for _ in range(min(n, len(self.lists[which])))]
        return taken
