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

    def submit(self, at: int, write: bool, first: int, count: int) -> None:
        """Queue a request for `count` slots from `first`, wanted at time `at` >= now."""
        size = count * self.page_size
        start = max(at, self.channels[0])
        served = start + self.model.service_ns(write, first * self.page_size, size)
        end = max(served, self.link_free) + self.model.transfer_ns(write, size)
        self.link_free = end
        heapreplace(self.channels, end)
        self.requests[write] += 1
        self.bytes[write] += size
        self.latency[write] += end - at
        self.busy += max(0, end - max(at, self.busy_until))
        self.busy_until = max(self.busy_until, end)
        event = self.env.timeout(end - int(self.env.now))
        if not write:
            for slot in range(first, first + count):
                self.reading[slot] = event

        def finished(_: Event) -> None:
            if not write:
                for slot in range(first, first + count):
                    del self.reading[slot]
            self.done(write, first, count)

        assert event.callbacks is not None
        event.callbacks.append(finished)
