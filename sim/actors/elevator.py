"""The elevator of a device that gains from order: Linux 6.1's mq-deadline, without priorities and zones.

Rules (Documentation/block/deadline-iosched.rst; block/mq-deadline.c): waiting requests are sorted by position, reads and writes apart, and
go in batches of one direction in ascending order.  Which one is next is settled when its predecessor goes: what comes later and lies
between the two is left for another time.  A batch ends after `fifo_batch` requests, or when there was none above.  Then reads go before
writes, until writes have been passed over `writes_starved` times.  The new batch goes on above the last request of that direction, unless
its oldest request has expired or there was none above: then it begins with the oldest.

A request that continues a waiting one of its direction joins it, behind or in front; if that closes a gap, the next one joins too.
The result keeps the earlier deadline.  What is in service takes nobody in.

The queue knows neither clock nor device: who adds says what time it is.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Generic, TypeVar

from models.devices.device import Elevator

Part = TypeVar("Part")
READ, WRITE = 0, 1


class Request(Generic[Part]):
    """Neighbouring submissions that go to the device as one: pages [first, end)."""

    __slots__ = ("deadline", "end", "first", "parts", "serial", "write")

    def __init__(self, write: int, first: int, end: int, deadline: int, serial: int, part: Part) -> None:
        self.write = write
        self.first = first
        self.end = end
        self.deadline = deadline
        self.serial = serial
        self.parts = [part]


Sorted = list[tuple[int, int, Request[Part]]]  # (position or deadline, serial, request); the first two are enough to find one


class DeadlineQueue(Generic[Part]):
    """Requests that wait, and which is the next."""

    def __init__(self, settings: Elevator, page_size: int) -> None:
        self.settings = settings
        self.largest = max(settings.max_request // page_size, 1)
        self.expire = settings.read_expire, settings.write_expire
        self.by_place: tuple[Sorted[Part], Sorted[Part]] = ([], [])
        self.by_deadline: tuple[Sorted[Part], Sorted[Part]] = ([], [])
        self.ends: tuple[dict[int, Request[Part]], dict[int, Request[Part]]] = ({}, {})
        self.starts: tuple[dict[int, Request[Part]], dict[int, Request[Part]]] = ({}, {})
        self.above: list[Request[Part] | None] = [None, None]  # what followed the last request that went, by direction
        self.way = WRITE
        self.batch = 0
        self.passed_over = 0
        self.serial = 0

    def __len__(self) -> int:
        return len(self.by_place[READ]) + len(self.by_place[WRITE])

    def add(self, now: int, write: int, first: int, count: int, part: Part) -> int:
        """A submission comes; returns by how much the number of waiting requests changes: 1, 0 (merged), -1 (closed a gap)."""
        end = first + count
        before, behind = self.ends[write].get(first), self.starts[write].get(end)
        if before is not None and before.end - before.first + count <= self.largest:
            self._resize(before, before.first, end)
            before.parts.append(part)
            return -self._join(before, self.starts[write].get(end))
        if behind is not None and self.settings.front_merges and behind.end - first <= self.largest:
            self._resize(behind, first, behind.end)
            behind.parts.append(part)
            return -self._join(self.ends[write].get(first), behind)
        self.serial += 1
        self._insert(Request(write, first, end, now + self.expire[write], self.serial, part))
        return 1

    def pick(self, now: int) -> Request[Part]:
        """Take the next request out; there must be one."""
        request = self.above[self.way] if self.batch < self.settings.fifo_batch else None
        if request is None:
            self.way = self._choose()
            self.batch = 0
            oldest = self.by_deadline[self.way][0][2]
            request = self.above[self.way]
            if request is None or oldest.deadline <= now:
                request = oldest
        self.batch += 1
        self.above[self.way] = self._following(request)
        self._remove(request)
        return request

    def _choose(self) -> int:
        """The direction of the next batch."""
        if self.by_place[READ]:
            if not self.by_place[WRITE]:
                return READ
            self.passed_over += 1
            if self.passed_over <= self.settings.writes_starved:
                return READ
        self.passed_over = 0
        return WRITE

    def _following(self, request: Request[Part]) -> Request[Part] | None:
        """The waiting request above this one."""
        place = self.by_place[request.write]
        at = bisect_left(place, (request.first, request.serial)) + 1
        return place[at][2] if at < len(place) else None

    def _join(self, lower: Request[Part] | None, upper: Request[Part] | None) -> int:
        """Make one of two neighbours, if both are there and fit; 1 if done."""
        if lower is None or upper is None or lower is upper or upper.end - lower.first > self.largest:
            return 0
        if self.above[upper.write] is upper:
            self.above[upper.write] = self._following(upper)
        self._remove(lower)
        self._remove(upper)
        lower.end = upper.end
        lower.deadline = min(lower.deadline, upper.deadline)
        lower.parts += upper.parts
        self._insert(lower)
        return 1

    def _resize(self, request: Request[Part], first: int, end: int) -> None:
        self._remove(request)
        request.first, request.end = first, end
        self._insert(request)

    def _insert(self, request: Request[Part]) -> None:
        insort(self.by_place[request.write], (request.first, request.serial, request))
        insort(self.by_deadline[request.write], (request.deadline, request.serial, request))
        self.starts[request.write][request.first] = request
        self.ends[request.write][request.end] = request

    def _remove(self, request: Request[Part]) -> None:
        way = request.write
        place, line = self.by_place[way], self.by_deadline[way]
        del place[bisect_left(place, (request.first, request.serial))]
        del line[bisect_left(line, (request.deadline, request.serial))]
        if self.starts[way].get(request.first) is request:
            del self.starts[way][request.first]
        if self.ends[way].get(request.end) is request:
            del self.ends[way][request.end]
