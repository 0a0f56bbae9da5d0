"""A device's queue: first come, first served on parallel channels, then one link.

The model gives service times; a request's start and end follow when it is submitted, so each request is one timeout.
Waiters hang on that timeout: its first callback ends the I/O in the machine, then they resume.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heapreplace
from typing import Any

from simpy import Environment, Event

Done = Callable[[bool, int, int], None]


class Disk:
    """One device with its queue and statistics (ns, counts, bytes)."""

    def __init__(self, env: Environment, name: str, model: Any, page_size: int, done: Done) -> None:
        self.env = env
        self.name = name
        self.model = model
        self.page_size = page_size
        self.done = done
        self.channels = [0] * model.channels
        heapify(self.channels)
        self.link_free = 0
        self.busy_until = 0
        self.busy = 0
        self.requests = [0, 0]
        self.bytes = [0, 0]
        self.latency = [0, 0]
        self.reading: dict[int, Event] = {}  # slot: the request that will bring it

    def submit(self, now: int, at: int, write: int, first: int, count: int) -> None:
        """Queue a request for `count` slots from `first`, wanted at time `at` >= now; `write` is 0 or 1."""
        event = self.env.timeout(self.serve(at, write, first, count) - now)
        if write:
            event.callbacks.append(lambda _: self.done(True, first, count))
            return
        reading = self.reading
        for slot in range(first, first + count):
            reading[slot] = event
        event.callbacks.append(lambda _: self._read(first, count))

    def would_end(self, at: int, first: int, count: int) -> int:
        """When a read wanted at `at` would end, were it queued now."""
        start = max(at, self.channels[0])
        size = count * self.page_size
        return max(start + int(self.model.service_ns(False, first * self.page_size, size)), self.link_free) + int(
            self.model.transfer_ns(False, size)
        )

    def serve(self, at: int, write: int, first: int, count: int) -> int:
        """When a request wanted at `at` will have ended; it takes its place in the queue and in the statistics."""
        model, channels = self.model, self.channels
        size = count * self.page_size
        start = channels[0]
        if start < at:
            start = at
        end: int = start + model.service_ns(write, first * self.page_size, size)
        if end < self.link_free:
            end = self.link_free
        end += model.transfer_ns(write, size)
        self.link_free = end
        heapreplace(channels, end)
        self.requests[write] += 1
        self.bytes[write] += size
        self.latency[write] += end - at
        idle_until = self.busy_until
        if end > idle_until:
            self.busy += end - (at if at > idle_until else idle_until)
            self.busy_until = end
        return end

    def _read(self, first: int, count: int) -> None:
        for slot in range(first, first + count):
            del self.reading[slot]
        self.done(False, first, count)
