"""Linux's active and inactive lists as Python lists: the plain specification of models.policies.linux_lru.

A list's first element is its head.  Pages are numbers; everything known of a page is in sets.  `reclaim_pass` is the whole
pass of Linux 6.1's shrink_lruvec as one loop, where the compiled policy hands out slice after slice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import isqrt
from typing import NamedTuple

INACTIVE_ANON, ACTIVE_ANON, INACTIVE_FILE, ACTIVE_FILE = range(4)
KEEP, ACTIVATE, ROTATE, RECLAIM_IT, RECLAIM_CLEAN = range(5)
SLICE = 32
DEF_PRIORITY = 12
ANON, FILE = 0, 1
MAPPINGS, SEQUENTIAL = 3, 2  # a file page is mapped so often; that mapping's references do not count
NAMES = ("anon", "file")


class Pass(NamedTuple):
    """What one pass over the lists is asked for."""

    priority: int
    kswapd: bool
    force: bool
    goal: int


class LinuxLru:
    """The policy; `accessed` stands for the hardware bits: (page, mapping)."""

    def __init__(self, page_size: int, swappiness: int, high_marks: int) -> None:
        self.lists: list[list[int]] = [[], [], [], []]
        self.file: set[int] = set()
        self.executable: set[int] = set()
        self.accessed: set[tuple[int, int]] = set()
        self.referenced: set[int] = set()
        self.workingset: set[int] = set()
        self.age = 0
        self.cost = [0, 0]
        self.seen = [0, 0]
        self.stats, self.stats_activate = [0, 0, 0, 0], [0, 0]  # what the rules of thumb know: as of the last flush
        self.count: Counter[str] = Counter()  # of /proc/vmstat
        self.page_size, self.swappiness, self.high_marks = page_size, swappiness, high_marks
        self.free = 0
        self.swap_free = self.swap_total = 1
        self.skipped = False  # an active list was passed over

    def kind(self, page: int) -> int:
        return FILE if page in self.file else ANON

    def flush(self) -> None:
        self.stats = [len(pages) for pages in self.lists]
        self.stats_activate = [self.count[f"workingset_activate_{name}"] for name in NAMES]

    def place(self, page: int) -> int | None:
        return next((number for number, pages in enumerate(self.lists) if page in pages), None)

    # --- pages come and go

    def insert(self, page: int, shadow: tuple[int, bool] | None) -> None:
        """Inactive, unless it was away for no more evictions and activations than pages compete with it."""
        self.referenced.discard(page)
        self.workingset.discard(page)
        active = shadow is not None and self._refault(page, *shadow)
        self.lists[2 * self.kind(page) + active].insert(0, page)

    def _refault(self, page: int, then: int, was_workingset: bool) -> bool:
        kind = self.kind(page)
        self.count[f"workingset_refault_{NAMES[kind]}"] += 1
        competing = [ACTIVE_FILE] + ([INACTIVE_FILE] if kind == ANON else [])
        if self.swap_free > 0:
            competing += [ACTIVE_ANON] + ([INACTIVE_ANON] if kind == FILE else [])
        if (self.age - then) % 2**30 > sum(self.stats[number] for number in competing):
            return False
        self.age += 1
        self.count[f"workingset_activate_{NAMES[kind]}"] += 1
        if was_workingset:
            self.workingset.add(page)
            self.count[f"workingset_restore_{NAMES[kind]}"] += 1
            self.charge(kind, 1)
        return True

    def remove(self, page: int) -> None:
        for pages in self.lists:
            if page in pages:
                pages.remove(page)

    def evicted(self, page: int) -> tuple[int, bool]:
        self.age += 1
        return (self.age - 1) % 2**30, page in self.workingset

    # --- what a pass does with them

    def charge(self, kind: int, cost: int) -> None:
        self.cost[kind] += cost
        if sum(self.cost) > sum(self.stats) // 4:
            self.cost = [c // 2 for c in self.cost]

    def references(self, page: int) -> int:
        """Mappings that were used since the last look, sequential ones left out; the bits are cleared."""
        used = {(page, n) for n in range(MAPPINGS)} & self.accessed
        self.accessed -= used
        return len(used - {(page, SEQUENTIAL)})

    def check(self, page: int) -> int:
        used, marked = self.references(page), page in self.referenced
        self.referenced.discard(page)
        if not used:
            return RECLAIM_CLEAN if marked and page in self.file else RECLAIM_IT
        self.referenced.add(page)
        return ACTIVATE if marked or used > 1 or page in self.executable else KEEP

    def mark_accessed(self, page: int) -> None:
        """A system call uses a page: the first time it is referenced, the second time activated."""
        home = self.place(page)
        if page not in self.referenced:
            self.referenced.add(page)
        elif home in (INACTIVE_ANON, INACTIVE_FILE):
            self.referenced.discard(page)
            self.lists[home].remove(page)
            self.lists[home + 1].insert(0, page)
            self.age += 1
            self.count["pgactivate"] += 1

    def putback(self, page: int, verdict: int) -> None:
        if verdict == ROTATE:
            self.remove(page)
            self.lists[2 * self.kind(page)].append(page)
            self.count["pgrotated"] += 1
            return
        if verdict == ACTIVATE:
            self.age += 1
            self.count["pgactivate"] += 1
        self.lists[2 * self.kind(page) + (verdict == ACTIVATE)].insert(0, page)

    def take_tail(self, which: int, n: int) -> list[int]:
        return [self.lists[which].pop() for _ in range(min(n, len(self.lists[which])))]

    def low(self, kind: int) -> bool:
        return inactive_is_low(self.stats[2 * kind], self.stats[2 * kind + 1], self.page_size)

    def deactivate(self, n: int, kind: int) -> None:
        kept = []
        for page in self.take_tail(2 * kind + 1, n):
            self.count["pgrefill"] += 1
            if self.references(page) and page in self.executable:
                kept.append(page)
                continue
            self.workingset.add(page)
            self.lists[2 * kind].insert(0, page)
            self.count["pgdeactivate"] += 1
        self.lists[2 * kind + 1][:0] = kept[::-1]
        self.age += len(kept)

    def background(self) -> None:
        """kswapd before a round, and everybody after a pass: a slice of the active anonymous pages if inactive ones are few."""
        if self.swap_total > 0 and self.low(ANON):
            self.deactivate(SLICE, ANON)

    def finish(self) -> None:
        """6.1: nothing is flushed here, see models.policies.linux_lru.finish."""
        self.seen = list(self.stats_activate)

    def may_deactivate(self, force: bool) -> list[bool]:
        new = [activated != seen for activated, seen in zip(self.stats_activate, self.seen, strict=True)]
        return [force or new[kind] or self.low(kind) for kind in (ANON, FILE)]

    def scan_counts(self, priority: int, force: bool = False) -> list[int]:
        self.flush()
        sizes = [len(pages) for pages in self.lists]
        return scan_counts(
            sizes, self.cost, self.may_deactivate(force), priority, self.swappiness, self.swap_free, self.free, self.high_marks
        )

    def reclaim_pass(self, asked: Pass, fate: Callable[[int], str]) -> tuple[list[list[int]], int]:
        """One pass; returns its slices of inactive pages and how many pages it freed.

        fate   of a page that may go: "free"; "store" (written, and gone); "write" (being written, stays); "stuck" (to the active list)
        """
        left = self.scan_counts(asked.priority, asked.force)
        target, may = list(left), self.may_deactivate(asked.force)
        slices, freed = [], 0
        while left[INACTIVE_ANON] or left[ACTIVE_FILE] or left[INACTIVE_FILE]:
            for which in range(4):
                n = min(left[which], SLICE)
                left[which] -= n
                if n and which in (ACTIVE_ANON, ACTIVE_FILE):
                    if may[which // 2]:
                        self.deactivate(n, which // 2)
                    else:
                        self.skipped = True
                elif n:
                    slices.append(self.take_tail(which, n))
                    fates = [self._one(page, fate) for page in slices[-1]]
                    freed += sum(f in ("free", "store") for f in fates)
                    written = sum(f in ("write", "store") for f in fates)
                    if written:
                        self.charge(which // 2, written)
            first_direct = not asked.kswapd and asked.priority == DEF_PRIORITY
            if freed >= asked.goal and not first_direct and not proportion(left, target):
                break
        self.background()
        return slices, freed

    def _one(self, page: int, fate: Callable[[int], str]) -> str:
        verdict = self.check(page)
        if verdict not in (RECLAIM_IT, RECLAIM_CLEAN):
            self.putback(page, verdict)
            return ""
        what = fate(page)
        if what in ("free", "store"):
            self.evicted(page)
            return what
        self.putback(page, KEEP if what == "write" else ACTIVATE)
        return what if verdict == RECLAIM_IT else ""  # a page that is referenced is not written


def proportion(left: list[int], target: list[int]) -> bool:
    """The goal is met: what is left of the two types is brought into the proportion aimed at; False if a type is done."""
    anon, file = sum(left[:2]), sum(left[2:])
    if anon == 0 or file == 0:
        return False
    small, large = (0, 2) if file > anon else (2, 0)
    percent = min(anon, file) * 100 // (sum(target[small : small + 2]) + 1)
    left[small : small + 2] = [0, 0]
    for which in (large, large + 1):
        done = target[which] - left[which]
        left[which] = max(target[which] * (100 - percent) // 100 - done, 0)
    return True


def inactive_is_low(inactive: int, active: int, page_size: int) -> bool:
    """Half and half below a GiB of both together; above, the active list may be sqrt(10 * GiB) times as long."""
    gib = (inactive + active) * page_size // 2**30
    return inactive * (isqrt(10 * gib) if gib else 1) < active


def scan_counts(
    sizes: list[int], cost: list[int], may: list[bool], priority: int, swappiness: int, swap_free: int, free: int, high_marks: int
) -> list[int]:
    """Pages of each list that a pass looks at: size >> priority, shared between the types by the first rule that applies."""
    few_files = sizes[INACTIVE_FILE] + sizes[ACTIVE_FILE] + free <= high_marks
    anon, file, whole = 1, 1, 1
    if swap_free <= 0:
        anon = 0
    elif priority == 0 and swappiness > 0:
        pass  # the last resort: everything
    elif few_files and not may[ANON] and sizes[INACTIVE_ANON] >> priority:
        file = 0
    elif sizes[INACTIVE_FILE] >> priority and not may[FILE]:
        anon = 0
    else:
        anon_cost, file_cost = sum(cost) + cost[ANON], sum(cost) + cost[FILE]
        both = anon_cost + file_cost
        anon = swappiness * (both + 1) // (anon_cost + 1)
        file = (200 - swappiness) * (both + 1) // (file_cost + 1)
        whole = anon + file
    return [(size >> priority) * (anon if number < 2 else file) // whole for number, size in enumerate(sizes)]
