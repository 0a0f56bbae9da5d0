"""Linux's multi-generational LRU as Python lists: the plain specification of models.policies.mglru.

Written from G.16 of the reference, with absolute generation numbers and a list a (generation, type, zone), head first.  One process
maps page n of anonymous memory at n; a page of a file at span + n, and with sequential advice at 2 * span + n.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import ceil, log2
from typing import Any

ANON, FILE = 0, 1
KEEP, ACTIVATE, ROTATE, RECLAIM_IT, RECLAIM_CLEAN = range(5)
TABLE = 512


@dataclass
class Page:
    """What the policy knows of a page."""

    number: int
    kind: int
    zone: int
    cached: bool = False  # in the swap cache
    executable: bool = False
    gen: int | None = None  # None: isolated or gone
    on: tuple[int, int, int] | None = None
    counter: int = 0
    flags: set[str] = field(default_factory=set)  # referenced, workingset, reclaim, dirty, writeback, locked, hot
    mapped: set[int] = field(default_factory=set)
    young: set[int] = field(default_factory=set)

    def uses(self) -> int:
        return self.counter + ("workingset" in self.flags)

    def forget(self) -> None:
        self.counter = 0
        self.flags -= {"referenced", "workingset"}


def tier_of(uses: int) -> int:
    return ceil(log2(uses + 1))


def not_worse(other: tuple[int, int], other_gain: int, mine: tuple[int, int], gain: int) -> bool:
    return mine[0] < 64 or mine[0] * (other[1] + 64) * other_gain <= (other[0] + 1) * mine[1] * gain


class Mglru:
    """The policy of one lruvec."""

    def __init__(self, span: int, swappiness: int, later: bool, zones: list[tuple[int, int, int]], swap: bool = True) -> None:
        self.span, self.swappiness, self.later, self.zones, self.swap = span, swappiness, later, zones, swap
        self.max = 3
        self.min = [0, 0]
        self.lists: dict[tuple[int, int, int], list[int]] = defaultdict(list)
        self.pages: dict[int, Page] = {}
        self.evicted, self.protected, self.refaulted = Counter[Any](), Counter[Any](), Counter[Any]()
        self.average: dict[tuple[int, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
        self.count: Counter[str] = Counter()
        self.worth: dict[int, set[int] | None] = {}  # by generation modulo 2; None: everything
        self.ran, self.known, self.direct = False, False, False
        self.rss = {ANON: 0, FILE: 0}

    # --- generations and lists

    def swaps(self) -> int:
        return self.swappiness if self.swap else 0

    def place(self, page: Page, gen: int, tail: bool = False) -> None:
        """On the list of a generation, and nowhere else."""
        self.take(page)
        page.on = (gen, page.kind, page.zone)
        self.lists[page.on].insert(len(self.lists[page.on]) if tail else 0, page.number)

    def take(self, page: Page) -> None:
        if page.on is not None:
            self.lists[page.on].remove(page.number)
        page.on = None

    def add(self, page: Page, rotated: bool = False) -> None:
        oldest = self.min[page.kind]
        waits = "reclaim" in page.flags and page.flags & {"dirty", "writeback"}
        if "hot" in page.flags:
            page.gen = self.max
        elif (page.kind == ANON and not page.cached) or waits:
            page.gen = self.max - 1
        else:
            page.gen = oldest if rotated or oldest + 2 >= self.max else oldest + 1
        page.flags.discard("hot")
        self.place(page, page.gen, rotated)

    def insert(self, page: Page, shadow: tuple[int, int, bool] | None, in_fault: bool) -> None:
        self.pages[page.number] = page
        if shadow is not None:
            self.refault(page, shadow, in_fault)
        if in_fault:
            page.flags.add("hot")
        self.add(page)

    def remove(self, number: int) -> None:
        self.take(self.pages.pop(number))

    def size(self, gen: int, kind: int) -> int:
        return sum(page.on is not None and page.gen == gen and page.kind == kind for page in self.pages.values())

    def promote(self, page: Page) -> None:
        if page.gen is None:
            page.flags.add("referenced")
        else:
            page.gen = self.max
            page.forget()

    def older(self, page: Page) -> int:
        """Of the oldest generation: into the next, unless promoted."""
        assert page.gen is not None
        if page.gen == self.min[page.kind]:
            page.gen += 1
            page.forget()
        return page.gen

    def drop_empty(self) -> bool:
        swap = self.swaps() > 0
        new = list(self.min)
        for kind in (ANON, FILE)[0 if swap else 1 :]:
            while new[kind] + 2 <= self.max and not any(self.lists[new[kind], kind, zone] for zone in range(4)):
                new[kind] += 1
        if swap:
            new[ANON] = min(new)
            new[FILE] = max(new[ANON], self.min[FILE])
        for kind in (ANON, FILE):
            if new[kind] != self.min[kind]:
                self.carry_over(kind)
        changed = new != self.min
        self.min = new
        return changed

    # --- feedback

    def rate(self, kind: int, tier: int) -> tuple[int, int]:
        refaulted, total = self.average[kind, tier]
        key = (kind, tier)
        return refaulted + self.refaulted[key], total + self.evicted[key] + self.protected[key]

    def carry_over(self, kind: int) -> None:
        for tier in range(4):
            refaulted, total = self.rate(kind, tier)
            self.average[kind, tier] = refaulted // 2, total // 2
            for counts in (self.refaulted, self.evicted, self.protected):
                counts[kind, tier] = 0

    def limit(self, kind: int, against: tuple[int, int], other_gain: int, gain: int) -> int:
        tier = 1
        while tier < 4 and not_worse(against, other_gain, self.rate(kind, tier), gain):
            tier += 1
        return tier - 1

    def choice(self) -> list[tuple[int, int]]:
        """Types to try in turn, with their last tiers."""
        own = [self.limit(kind, self.rate(kind, 0), 1, 2) for kind in (ANON, FILE)]
        swaps = self.swaps()
        if swaps == 0:
            return [(FILE, own[FILE])]
        if self.min[ANON] < self.min[FILE] or swaps == 200:
            return [(ANON, own[ANON]), (FILE, own[FILE])]
        if swaps == 1:
            return [(FILE, own[FILE]), (ANON, own[ANON])]
        gains = (swaps, 200 - swaps)
        kind = int(not_worse(self.rate(ANON, 0), gains[ANON], self.rate(FILE, 0), gains[FILE]))
        first = self.limit(kind, self.rate(1 - kind, 0), gains[1 - kind], gains[kind])
        return [(kind, first), (1 - kind, own[1 - kind])]

    def evict(self, number: int) -> tuple[int, int, bool]:
        """The shadow: oldest generation, uses beyond the first, whether there were any."""
        page = self.pages.pop(number)
        uses = page.uses()
        self.evicted[page.kind, tier_of(uses)] += 1
        return self.min[page.kind], max(uses - 1, 0), uses > 0

    def refault(self, page: Page, shadow: tuple[int, int, bool], in_fault: bool) -> None:
        oldest, more, some = shadow
        recent = oldest == self.min[page.kind]
        self.count["refault"] += self.later or recent
        if not recent:
            return
        uses = more + some
        self.refaulted[page.kind, tier_of(uses)] += 1
        self.count["activate"] += self.later and in_fault
        if in_fault or uses >= 3:
            page.flags.add("workingset")
            page.counter = 3
            self.count["restore"] += 1

    def used(self, number: int) -> None:
        page = self.pages[number]
        if "referenced" not in page.flags:
            page.flags.add("referenced")
        elif "workingset" not in page.flags:
            page.flags.add("workingset")
        else:
            page.counter = min(page.counter + 1, 3)

    # --- accessed bits

    def holder(self, virtual: int) -> Page | None:
        """The page whose mapping at `virtual` is young and tells of recency."""
        number = virtual % self.span
        page = self.pages.get(number)
        return page if page is not None and virtual in page.young and virtual < 2 * self.span else None

    def walk(self) -> None:
        force, ran = not self.known, self.ran
        self.known, self.ran = True, False
        held = sum(bool(page.mapped) for page in self.pages.values() if page.kind == ANON and self.swaps())
        held += sum(len(page.mapped) for page in self.pages.values() if page.kind == FILE)
        if not (ran or force) or held < 64:
            return
        worth = self.worth.get(self.max % 2)
        self.worth[(self.max + 1) % 2] = set()
        mapped = {virtual // TABLE for page in self.pages.values() for virtual in page.mapped}
        for block in range(-(-3 * self.span // TABLE)):
            span = range(block * TABLE, min((block + 1) * TABLE, 3 * self.span))
            if block not in mapped or (worth is not None and not force and block not in worth):
                continue
            young = [virtual for virtual in span if (page := self.holder(virtual)) and (page.kind == FILE or self.swaps())]
            for virtual in young:
                self.clear(virtual)
            if len(young) * 8 >= len(span):
                self.remember(self.max + 1, block)

    def remember(self, gen: int, block: int) -> None:
        """A set that was never begun lets everything pass, so it need not be kept."""
        known = self.worth.get(gen % 2)
        if known is not None:
            known.add(block)

    def clear(self, virtual: int, around: bool = False, move: bool = False) -> None:
        page = self.holder(virtual)
        assert page is not None
        page.young.discard(virtual)
        if around and page.gen == self.max:
            return
        if around and move and page.gen is not None:
            self.take(page)
            page.flags.add("hot")
            self.add(page)
            self.count["pgactivate"] += 1
        else:
            self.promote(page)

    def look_around(self, virtual: int) -> None:
        region, block = virtual // self.span, virtual // TABLE
        start = max(region * self.span, block * TABLE)
        end = min((region + 1) * self.span, (block + 1) * TABLE)
        if end - start > 64:
            if virtual - start < 32:
                end = start + 64
            elif end - virtual < 32:
                start = end - 64
            else:
                start, end = virtual - 32, virtual + 32
        young = [other for other in range(start, end) if self.holder(other)]
        held = [page for other in young if (page := self.holder(other)) is not None]
        stale = [page for page in held if page.gen is not None and page.gen != self.max]
        move = self.direct and (self.later or len(stale) < 15)
        for other in young:
            if other == virtual and self.later:
                self.pages[virtual % self.span].young.discard(virtual)
            else:
                self.clear(other, True, move)
        if len(young) * 8 >= end - start:
            self.remember(self.max, block)

    def check(self, number: int) -> int:
        page = self.pages[number]
        if "referenced" in page.flags and page.mapped:
            return KEEP
        found = 0
        for virtual in sorted(page.mapped, reverse=True):
            if virtual in page.young and virtual < 2 * self.span:
                found += 1
                self.look_around(virtual)
            page.young.discard(virtual)
        was = "referenced" in page.flags
        if found == 0:
            page.flags.discard("referenced")
            return RECLAIM_CLEAN if was and page.kind == FILE else RECLAIM_IT
        page.flags.add("referenced")
        return ACTIVATE if was or found > 1 or page.executable else KEEP

    # --- aging and eviction

    def putback(self, number: int, verdict: int) -> None:
        page = self.pages[number]
        if verdict == ROTATE:
            if page.on is not None and not page.flags & {"dirty", "locked"}:
                self.take(page)
                self.add(page, True)
                self.count["pgrotated"] += 1
            return
        if verdict == ACTIVATE:
            self.count["pgactivate"] += 1
            page.flags.add("hot")
        if "reclaim" in page.flags and page.flags & {"dirty", "writeback"}:
            if "workingset" in page.flags:
                page.flags.add("referenced")
        else:
            page.forget()
            page.flags.add("hot")
        self.add(page)

    def total(self) -> int:
        kinds = (ANON, FILE) if self.swaps() else (FILE,)
        return sum(self.size(gen, kind) for kind in kinds for gen in range(self.min[kind], self.max + 1))

    def aging_due(self) -> bool:
        kinds = (ANON, FILE) if self.swaps() else (FILE,)
        oldest = self.min[kinds[0]]
        if oldest + 2 != self.max:
            return oldest + 2 > self.max
        young, old = (sum(self.size(gen, kind) for kind in kinds) for gen in (self.max, self.max - 2))
        return young * 2 > self.total() or old * 4 < self.total()

    def grow_older(self) -> None:
        self.walk()
        for kind in (FILE, ANON):
            if self.max - self.min[kind] != 3:
                continue
            if kind == FILE or self.swaps():
                for zone in range(4):
                    while self.lists[self.min[kind], kind, zone]:
                        page = self.pages[self.lists[self.min[kind], kind, zone][-1]]
                        self.place(page, self.older(page), True)
            else:
                self.wrap()
            self.carry_over(kind)
            self.min[kind] += 1
        self.max += 1

    def wrap(self) -> None:
        """Anonymous memory that cannot be swapped is not folded: its oldest generation has the place of the one to come, and joins it."""
        oldest = self.min[ANON]
        for zone in range(4):
            for number in self.lists.pop((oldest, ANON, zone), []):
                self.pages[number].on = (oldest + 4, ANON, zone)
                self.lists[oldest + 4, ANON, zone].append(number)
        for page in self.pages.values():
            if page.kind == ANON and page.gen == oldest:
                page.gen = oldest + 4

    def goal(self, priority: int, kswapd: bool) -> int:
        due, most = self.aging_due(), self.total() >> priority
        if not due:
            return most
        if priority == 12:
            return 0 if self.min[ANON if self.swaps() else FILE] + 2 > self.max else most
        if not self.later and kswapd:
            return 0
        self.grow_older()
        return 0 if self.later else most

    def sort(self, page: Page, last: int) -> bool:
        tier = tier_of(page.uses())
        if page.gen != self.min[page.kind]:
            assert page.gen is not None
            self.place(page, page.gen)
        elif tier > last or page.uses() == 4:
            self.place(page, self.older(page), True)
            self.protected[page.kind, tier] += 1
            self.count["activate"] += not self.later
        elif page.flags & {"locked", "writeback"} or (page.kind == FILE and "dirty" in page.flags):
            self.place(page, self.older(page))
            page.flags.add("reclaim")
        else:
            return False
        return True

    def batch(self, kind: int, last: int) -> tuple[list[int], int]:
        taken: list[int] = []
        looked = 0
        if self.max - self.min[kind] == 1:
            return [], 0
        for zone in (2, 1, 0):
            waiting = self.lists[self.min[kind], kind, zone]
            while waiting and len(taken) < 64 and looked < 4096:
                page = self.pages[waiting[-1]]
                looked += 1
                if self.sort(page, last):
                    self.count["pgrefill"] += 1
                    continue
                self.take(page)
                page.gen = None
                if "referenced" not in page.flags:
                    page.forget()
                page.flags -= {"referenced", "reclaim"}
                taken.append(page.number)
        return taken, looked if taken or looked == 4096 else 0

    def batches(self, priority: int, kswapd: bool, wanted: int) -> Any:
        """Batches of a pass, one after another; the caller has dealt with one when it asks for the next and says how many it freed."""
        self.direct = not kswapd
        before, done, freed, swapped = self.max, 0, 0, False
        while (goal := self.goal(priority, kswapd)) > 0:
            taken, looked = [], 0
            for kind, last in self.choice():
                taken, looked = self.batch(kind, last)
                if looked:
                    break
            looked += self.drop_empty()
            if self.max - self.min[ANON if self.swaps() else FILE] == 1:
                looked = 0
            swapped = swapped or any(self.pages[number].kind == ANON for number in taken)
            freed += (yield taken) or 0
            done += looked
            if looked == 0 or done >= goal:
                return
            if self.stops(priority, kswapd, wanted, freed, swapped, before):
                return

    def stops(self, priority: int, kswapd: bool, wanted: int, freed: int, swapped: bool, before: int) -> bool:
        """Before the goal, in a machine whose zones all have enough free memory."""
        if self.later:
            return freed >= max(wanted, 2) or kswapd
        if kswapd:
            return freed >= wanted and priority <= 10
        return self.max - before > 1 or (freed >= wanted and swapped) or priority <= 10
