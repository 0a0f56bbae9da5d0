"""A SATA solid-state disk: latency by direction on one of several channels, then one link for both directions (SATA is half duplex).

Source of the defaults: data sheets of 480 GB SATA drives of the 2020s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from models.devices.device import SECOND, Elevator, Queue, elevator_of, queue_of


class Ssd(NamedTuple):
    """Service times of a request, ns."""

    channels: int
    read_latency: int
    write_latency: int
    bandwidth: int
    queue: Queue = Queue()
    elevator: Elevator | None = None
    rotational: bool = False
    duplex: bool = False
    flat: bool = True
    round_trip: int = 0

    def service_ns(self, write: int, first: int, size: int, head: int, start: int) -> int:
        """Time on a channel: the same wherever the request lies."""
        return self.write_latency if write else self.read_latency

    def transfer_ns(self, write: int, size: int) -> int:
        """Time on the link for `size` bytes."""
        return size * SECOND // self.bandwidth


def build(options: Mapping[str, Any]) -> Ssd:
    """The device of an options mapping (see the registry)."""
    latency = options["read_latency"], options["write_latency"]
    return Ssd(options["channels"], *latency, options["bandwidth"], queue_of(options), elevator_of(options), options["rotational"])


SSD = build
