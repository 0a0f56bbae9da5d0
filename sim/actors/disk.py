"""A block device with its queue.

Without an elevator: first come, first served on parallel channels, then a link.  The model gives service times; a request's start
and end follow when it is submitted, so each request is one timeout.  With an elevator (sim/actors/elevator.py) requests wait, sorted
and merged, and the next is picked when a channel is free; those of one instant are seen together, as Linux's plug does.

Limits are the device's own, as a hypervisor's or a cloud volume's: a request starts no earlier than 1/IOPS after the start of the one
before, and no earlier than that one's bytes have had their time at the limited bandwidth.  Unused time is not saved up.

Statistics count submissions when they end.  A request that was merged has the start and the end of the one it is in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heapify, heapreplace
from typing import Any, NamedTuple

import numpy as np
from simpy import Environment, Event
from simpy.events import Timeout

from models.devices.device import SECOND
from models.memory import solo
from models.memory.state import BINS
from sim.actors.elevator import DeadlineQueue, Request

Done = Callable[[], None]
WAYS = ("read", "write")
MOST_PER_WAKE = 8  # Linux 6.1 lib/sbitmap.c: waiters for a request go on when an eighth of them, at most 8, is free
KEPT_STRETCHES = 64
FLAT_PAGES = 32  # pages of the longest read that is served in compiled code: a readahead window
LONGEST = 1 << BINS // 4  # ns


def bin_of(ns: int) -> int:
    """Histogram bin of a latency, the same as the machine's: four an octave."""
    if ns < 4:
        return max(ns, 0)
    octave = ns.bit_length() - 1
    return min(4 * octave + (ns >> (octave - 2) & 3), BINS - 1)


Pair = tuple[int, int]


class Counters(NamedTuple):
    """What has been counted up to a moment.

    busy   ns with a request in service
    area   ns times submissions queued or in service
    pairs  (reads, writes) of requests, bytes, merges, latency, waited
    """

    now: int
    busy: int
    area: int
    pairs: tuple[Pair, ...]


class Waiting(NamedTuple):
    """A submission in the elevator."""

    at: int
    pages: int
    event: Event | None


class Disk:
    """One device.

    queued         requests waiting or in service (what is merged needs no place of its own); queued_by counts reads and writes apart
    outstanding    submissions that have not ended
    requests       submissions that ended; this and the next ones are lists by direction
    bytes          what they moved
    merges         those of them that went to the device inside another's request
    latency        ns from submission to end, waited: to the start of service
    histogram      counts of latencies, in bins as of bin_of
    """

    def __init__(self, env: Environment, name: str, model: Any, page_size: int) -> None:
        self.env = env
        self.name = name
        self.model = model
        self.page_size = page_size
        self.nr_requests: int = model.queue.nr_requests
        self.wake_at = self.nr_requests - max(1, min(MOST_PER_WAKE, self.nr_requests // 8))
        self.elevator: DeadlineQueue[Waiting] | None = DeadlineQueue(model.elevator, page_size) if model.elevator else None
        self.channels = [0] * model.channels
        heapify(self.channels)
        self.link_free = [0, 0]
        self.duplex = int(model.duplex)
        self.round_trip: int = model.round_trip
        self.head = 0  # byte after the last request
        self.iops, self.bandwidth = model.queue.iops_limit, model.queue.bandwidth_limit
        self.limited = self.iops is not None or self.bandwidth is not None
        self.flat: np.ndarray[Any, Any] | None = self._flat() if self.elevator is None and not self.limited else None
        self.not_before = 0  # when the limits let the next request start
        self.owed = [0, 0]  # what rounding to ns has kept back, of the IOPS and the bandwidth limit
        self.serving = 0  # channels in use, with an elevator
        self.kicked = -1  # when the elevator is looked at next
        self.waiting_for_room: Event | None = None
        self.queued_by = [0, 0]
        self.outstanding = self.most_outstanding = 0
        self.outstanding_at = 0  # sum of the times of their submission
        self.stretch = [0, 0]  # the last stretch of time with a request in service
        self.stretches: deque[tuple[int, int]] = deque()  # those before it that may not be over
        self.busy_over = 0  # ns of stretches that are
        self.requests = [0, 0]
        self.bytes = [0, 0]
        self.merges = [0, 0]
        self.latency = [0, 0]
        self.waited = [0, 0]
        self.histogram = [[0] * BINS, [0] * BINS]

    # --- the queue as others see it

    @property
    def queued(self) -> int:
        """Requests that take up a place of nr_requests."""
        return self.queued_by[0] + self.queued_by[1]

    @property
    def queued_reads(self) -> int:
        """Of these, reads."""
        return self.queued_by[0]

    @property
    def queued_writes(self) -> int:
        """Of these, writes."""
        return self.queued_by[1]

    @property
    def full(self) -> bool:
        """Whether the next submitter has to wait for `room` (a request that nobody can hold back may come all the same)."""
        return self.queued_by[0] + self.queued_by[1] >= self.nr_requests

    def room(self) -> Event:
        """Triggers when an eighth of nr_requests, at most 8, is free; all who wait share it, and must look again."""
        if self.waiting_for_room is None:
            event = self.env.event()
            if self.queued <= self.wake_at:
                return event.succeed()
            self.waiting_for_room = event
        return self.waiting_for_room

    @property
    def solo(self) -> bool:
        """Whether `serve_before` is exact now."""
        return self.elevator is None or not self.outstanding

    def _flat(self) -> np.ndarray[Any, Any] | None:
        """What a read takes, as models.memory.solo wants it; None if that is not the same for all."""
        model, page = self.model, self.page_size
        if not getattr(model, "flat", False):
            return None
        table = np.zeros(solo.TRANSFER + FLAT_PAGES + 1, np.int64)
        table[solo.SERVICE], table[solo.ROUND_TRIP] = model.service_ns(0, 0, page, 0, 0), model.round_trip
        table[solo.TRANSFER :] = [model.transfer_ns(0, pages * page) for pages in range(FLAT_PAGES + 1)]
        return table

    def flat_now(self) -> np.ndarray[Any, Any] | None:
        """The table of a flat device as it is now, to be served from in compiled code."""
        table = self.flat
        if table is not None:
            table[solo.LINK_FREE], table[solo.CHANNEL_FREE] = self.link_free[0], self.channels[0]
        return table

    def book(self, reads: list[list[int]], last: int) -> None:
        """Reads that were served from `flat_now`, in rows as of models.memory.solo; `last`: the device's page where the last one began."""
        for _, _, at, end, pages in reads:
            size = pages * self.page_size
            self._commit(0, last * self.page_size, size, at, end - self.round_trip)
            self._count(0, size, at, at, end)
        if self.outstanding >= self.most_outstanding:
            self.most_outstanding = self.outstanding + 1
        self._settle(reads[-1][solo.ASKED])

    def serve_before(self, limit: float, at: int, page: int, count: int, earliest: int = 0) -> int:
        """Serve a read that is over from `earliest` to before `limit`, which nothing else can disturb, without an event.

        Returns its end, or 0 and nothing is done.
        """
        if self.elevator is None:
            first, size = page * self.page_size, count * self.page_size
            start, left = self._times(at, 0, first, size)
            end = left + self.round_trip
            if end >= limit or end < earliest:
                return 0
            self._commit(0, first, size, start, left)
        else:
            end = self._times(at, 0, page * self.page_size, count * self.page_size)[1] + self.round_trip
            if end >= limit or end < earliest:
                return 0
            self.elevator.add(at, 0, page, count, Waiting(at, count, None))  # so that it knows where the head is
            self.elevator.pick(at)
            start, end = self._take(at, 0, page, count)
        if self.outstanding >= self.most_outstanding:
            self.most_outstanding = self.outstanding + 1
        if len(self.stretches) > KEPT_STRETCHES:
            self._settle(at)
        self._count(0, count * self.page_size, at, start, end)
        return end

    def submit(self, now: int, at: int, write: int, page: int, count: int, done: Done) -> Event:
        """Queue a request for `count` pages of the machine from page `page` of the device on, wanted at `at` >= now; `write` is 0 or 1.

        The event triggers when it has ended; `done` is its first callback.
        """
        self.outstanding += 1
        if self.outstanding > self.most_outstanding:
            self.most_outstanding = self.outstanding
        self.outstanding_at += at
        self.queued_by[write] += 1
        if self.elevator is not None:
            return self._wait(now, at, write, page, count, done)
        start, end = self._take(at, write, page, count)
        if len(self.stretches) > KEPT_STRETCHES:
            self._settle(now)

        def ended(_: Event) -> None:
            self.outstanding -= 1
            self.outstanding_at -= at
            self.queued_by[write] -= 1
            self._count(write, count * self.page_size, at, start, end)
            if self.waiting_for_room is not None:
                self._wake()
            done()

        event = Timeout(self.env, end - now)
        event.callbacks.append(ended)
        return event

    # --- service

    def _times(self, at: int, write: int, first: int, size: int) -> tuple[int, int]:
        """When a request would start and leave the device, were it taken now."""
        start = self.channels[0]
        if start < at:
            start = at
        if start < self.not_before:
            start = self.not_before
        model = self.model
        end: int = start + model.service_ns(write, first, size, self.head, start)
        transfer = model.transfer_ns(write, size)
        if transfer:
            link_free = self.link_free[write & self.duplex]
            end = (end if end > link_free else link_free) + transfer
        return start, end

    def _take(self, at: int, write: int, page: int, count: int) -> tuple[int, int]:
        """A request takes its place on a channel and on the link: its start and its end, the way back included."""
        first, size = page * self.page_size, count * self.page_size
        start, left = self._times(at, write, first, size)
        self._commit(write, first, size, start, left)
        return start, left + self.round_trip

    def _commit(self, write: int, first: int, size: int, start: int, end: int) -> None:
        """A request that starts and leaves the device at these times is taken."""
        heapreplace(self.channels, end)
        self.link_free[write & self.duplex] = end
        self.head = first + size
        if self.limited:
            self._limit(start, size)
        end += self.round_trip
        stretch = self.stretch
        if start > stretch[1]:
            self.stretches.append((stretch[0], stretch[1]))
            stretch[0] = start
        if end > stretch[1]:
            stretch[1] = end

    def _limit(self, start: int, size: int) -> None:
        """When the limits let the next request start."""
        owed = self.owed
        if self.iops is not None:
            step, owed[0] = divmod(SECOND + owed[0], self.iops)
            self.not_before = start + step
        if self.bandwidth is not None:
            step, owed[1] = divmod(size * SECOND + owed[1], self.bandwidth)
            self.not_before = max(self.not_before, start + step)

    def _count(self, write: int, size: int, at: int, start: int, end: int) -> None:
        latency = end - at
        self.requests[write] += 1
        self.bytes[write] += size
        self.latency[write] += latency
        self.waited[write] += start - at
        octave = latency.bit_length() - 1  # bin_of, here without a call: this is done for every read
        self.histogram[write][4 * octave + (latency >> octave - 2 & 3) if 3 < latency < LONGEST else bin_of(latency)] += 1

    def _wake(self) -> None:
        event = self.waiting_for_room
        if event is not None and self.queued <= self.wake_at:
            self.waiting_for_room = None
            event.succeed()

    # --- with an elevator

    def _wait(self, now: int, at: int, write: int, page: int, count: int, done: Done) -> Event:
        event = self.env.event()
        event.callbacks.append(lambda _: done())
        if at <= now:
            self._arrive(at, write, page, count, event)
        else:
            later = Timeout(self.env, at - now)
            later.callbacks.append(lambda _: self._arrive(at, write, page, count, event))
        return event

    def _arrive(self, at: int, write: int, page: int, count: int, event: Event) -> None:
        """A submission reaches the elevator; those merged give their places back."""
        assert self.elevator is not None
        merged = 1 - self.elevator.add(at, write, page, count, Waiting(at, count, event))
        if merged:
            self.queued_by[write] -= merged
            self._wake()
        if self.serving < len(self.channels):
            self._kick(at)

    def _kick(self, when: int) -> None:
        """Look at the queue at `when`, after all that happens in that instant was queued."""
        if self.kicked < when:  # a later look is one that waits for the limits
            self.kicked = when
            look = Timeout(self.env, when - int(self.env.now))
            look.callbacks.append(lambda _: self._dispatch(when))

    def _dispatch(self, now: int) -> None:
        """Start what can start."""
        assert self.elevator is not None
        self.kicked = -1
        while self.serving < len(self.channels) and len(self.elevator):
            if now < self.not_before:
                self._kick(self.not_before)
                return
            self._start(self.elevator.pick(now), now)

    def _start(self, request: Request[Waiting], now: int) -> None:
        start, end = self._take(now, request.write, request.first, request.end - request.first)
        if len(self.stretches) > KEPT_STRETCHES:
            self._settle(now)
        self.serving += 1
        over = Timeout(self.env, end - now)
        over.callbacks.append(lambda _: self._over(request, start, end))

    def _over(self, request: Request[Waiting], start: int, end: int) -> None:
        """A request has ended, and all that are in it."""
        write = request.write
        self.serving -= 1
        self.queued_by[write] -= 1
        self.merges[write] += len(request.parts) - 1
        for at, pages, event in request.parts:
            self.outstanding -= 1
            self.outstanding_at -= at
            self._count(write, pages * self.page_size, at, start, end)
            if event is not None:
                event.succeed()
        self._wake()
        self._kick(end)

    # --- statistics

    def _settle(self, now: int) -> None:
        """Add up the stretches of service that are over."""
        stretches = self.stretches
        while stretches and stretches[0][1] <= now:
            begin, end = stretches.popleft()
            self.busy_over += end - begin

    @property
    def busy(self) -> int:
        """Time with at least one request in service up to now, ns."""
        now = int(self.env.now)
        self._settle(now)
        return self.busy_over + sum(max(min(end, now) - begin, 0) for begin, end in (*self.stretches, self.stretch))

    @property
    def busy_until(self) -> int:
        """Up to when `busy` counts."""
        return min(self.stretch[1], int(self.env.now))

    def counters(self) -> Counters:
        """Everything counted up to now."""
        now = int(self.env.now)
        area = sum(self.latency) + self.outstanding * now - self.outstanding_at
        lists = self.requests, self.bytes, self.merges, self.latency, self.waited
        return Counters(now, self.busy, area, tuple((reads, writes) for reads, writes in lists))

    def statistics(self, since: Counters | None = None) -> dict[str, float]:
        """Counts, bytes, ns, between `since` (or time 0) and now; means of nothing are missing.

        queue_max is of the whole run.
        """
        begin = since or Counters(0, 0, 0, ((0, 0),) * 5)
        end = self.counters()
        time = end.now - begin.now
        found: dict[str, float] = {"queue_max": self.most_outstanding, "busy": end.busy - begin.busy}
        if time:
            found["utilisation"] = found["busy"] / time
            found["queue"] = (end.area - begin.area) / time
        for i, way in enumerate(WAYS):
            count, size, merges, latency, waited = (after[i] - before[i] for after, before in zip(end.pairs, begin.pairs, strict=True))
            found |= {f"{way}s": count, f"{way}_bytes": size, f"{way}_merges": merges}
            if count:
                found |= {f"{way}_latency": latency / count, f"{way}_wait": waited / count, f"{way}_service": (latency - waited) / count}
        return found
