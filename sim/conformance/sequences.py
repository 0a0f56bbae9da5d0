"""Operation sequences: what they consist of, how they are generated, and how one that breaks a rule is made short.

Every operation can be left out without making the others meaningless (a free of an object that is not live is passed over), so any
part of a sequence is a sequence.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

PLENTY = 1 << 40  # pages that the pool may take: no limit
STORE, FREE, AGAIN, STRAY, LIMIT, COMPACT, RECLAIM = "a", "f", "again", "stray", "limit", "c", "r"
WRONG_SIZES = (0, -1, 1 << 31, 1 << 40)
MOST_TRIES = 4000
MOST_SECONDS = 30.0


class Step(NamedTuple):
    """One operation.

    a ID SIZE       store;  f ID: free
    again ID        free the object's handle although it is not live any more
    stray HANDLE    free a handle that was never given
    limit PAGES     the pool may take so many pages from here on
    c BUDGET        compact
    r PAGES         evict so many pages; bits of `refuse`: which of the objects offered the owner keeps; `size`: stored in the middle of it
    """

    code: str
    number: int
    size: int = 0
    refuse: int = 0

    def text(self) -> str:
        """As in a trace, and in its style for what a trace cannot say."""
        if self.code == STORE:
            return f"a {self.number} {self.size}"
        if self.code != RECLAIM:
            return f"{self.code} {'any' if self.code == LIMIT and self.number == PLENTY else self.number}"
        return f"r {self.number}" + (" refusing some" if self.refuse else "") + (f" storing {self.size}" if self.size else "")


class Case(NamedTuple):
    """A pool's limits and the operations on it."""

    page_size: int
    max_pages: int
    max_objects: int
    may_take: int
    steps: tuple[Step, ...]


def _sizes(rng: random.Random, page: int) -> Callable[[], int]:
    """A way of drawing sizes, one for each sequence."""
    few = [rng.randint(1, page) for _ in range(3)]
    return rng.choice(
        [
            lambda: rng.randint(1, page),
            lambda: rng.randint(1, page),
            lambda: rng.randint(1, 200),
            lambda: rng.choice(few),
            lambda: max(1, page - rng.randint(0, 300)),
            lambda: min(page, max(1, page // 2 + rng.randint(-80, 80))),
            lambda: min(page, max(1, 64 * rng.randint(1, page // 64) + rng.randint(-20, 4))),
            lambda: min(page, int(rng.expovariate(8 / page)) + 1),
        ]
    )


def _steps(rng: random.Random, page: int, objects: int, length: int, evicts: bool) -> Iterator[Step]:
    draw = _sizes(rng, page)
    grows = rng.choice([0.5, 0.6, 0.7])
    limits = rng.random() < 0.4
    given = 0
    for at in range(length):
        pick = rng.random()
        if pick < 0.03:
            yield Step(STORE, given, rng.choice([*WRONG_SIZES, page + 1, rng.randint(page + 1, 3 * page)]))
            given += 1
        elif pick < 0.06:
            yield Step(AGAIN, rng.randrange(given + 1))
        elif pick < 0.08:
            yield Step(STRAY, rng.choice([-1, objects, objects - 1, 1 << 31, 1 << 40, rng.randrange(objects)]))
        elif pick < 0.14 and limits:
            yield Step(LIMIT, rng.choice([0, 0, 1, 2, 3, 5, PLENTY]))
        elif pick < 0.19:
            yield Step(COMPACT, rng.choice([1, 2, 1 << 30]))
        elif pick < 0.26 and evicts:
            yield Step(
                RECLAIM, rng.choice([0, 1, 1, 2, 5, 50]), rng.choice([0, 0, draw()]), rng.choice([0, 0, 0xFFFF, rng.randrange(1 << 16)])
            )
        elif rng.random() < (grows if at < length * 0.6 else 1 - grows):
            yield Step(STORE, given, draw())
            given += 1
        else:
            yield Step(FREE, rng.randrange(given + 1))


def generate(seed: int, count: int, page_sizes: list[int], evicts: bool) -> Iterator[Case]:
    """So many sequences, the same for the same seed; the first ones are the shortest."""
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        page = page_sizes[0] if rng.random() < 0.7 else rng.choice(page_sizes)
        objects = rng.choice([3, 12, 40, 40])
        length = min(12 + number * 2, 120) if number % 50 != 49 else 500
        pages = rng.choice([5, 8 * (objects + 8), 8 * (objects + 8)])
        may_take = rng.choice([0, 3, 40, PLENTY, PLENTY, PLENTY])
        yield Case(page, pages, objects, may_take, tuple(_steps(rng, page, objects, length, evicts)))


def _without(case: Case, still: Callable[[Case], bool]) -> Case:
    """Leave out ever smaller pieces."""
    piece = len(case.steps)
    while piece >= 1:
        start = 0
        while start < len(case.steps):
            other = case._replace(steps=case.steps[:start] + case.steps[start + piece :])
            if still(other):
                case = other
            else:
                start += piece
        piece //= 2
    return case


def _simpler(step: Step) -> Iterator[Step]:
    """The same operation with smaller or rounder numbers."""
    if step.size and step.code in (STORE, RECLAIM):
        if step.code == RECLAIM:
            yield step._replace(size=0)
        if step.size > 0:
            rounder = (1, 64, step.size // 2, step.size // 64 * 64, step.size // 10 * 10, step.size - 64, step.size - 8, step.size - 1)
            yield from (step._replace(size=size) for size in rounder if 0 < size < step.size)
    if step.code in (RECLAIM, COMPACT, LIMIT):
        yield from (step._replace(number=number) for number in (0, 1, 2) if number < step.number)
    if step.refuse:
        yield from (step._replace(refuse=bits) for bits in (0, 1, 2) if bits < step.refuse)


def shrink(case: Case, breaks: Callable[[Case], bool]) -> Case:
    """The shortest sequence found that still breaks what `case` breaks: pieces are left out, then numbers made smaller."""
    left, end = MOST_TRIES, time.monotonic() + MOST_SECONDS

    def still(other: Case) -> bool:
        nonlocal left
        left -= 1
        return left > 0 and time.monotonic() < end and breaks(other)

    before = None
    while before != case:
        before = case = _without(case, still)
        for at, step in enumerate(case.steps):
            for simple in _simpler(step):
                other = case._replace(steps=(*case.steps[:at], simple, *case.steps[at + 1 :]))
                if still(other):
                    case = other
                    break
    return _renumbered(case)


def _renumbered(case: Case) -> Case:
    """Objects numbered from 0 on."""
    names: dict[int, int] = {}
    for step in case.steps:
        if step.code in (STORE, FREE, AGAIN):
            names.setdefault(step.number, len(names))
    steps = (step._replace(number=names[step.number]) if step.code in (STORE, FREE, AGAIN) else step for step in case.steps)
    return case._replace(steps=tuple(steps))
