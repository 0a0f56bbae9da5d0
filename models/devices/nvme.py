"""An NVMe disk: many channels, latency and bandwidth by direction, a link for each direction (PCI Express is full duplex).

Source of the defaults: Lenovo's product guide of the Intel P4500 (2 TB); Linux 6.1's driver for the depth of a queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from models.devices.device import SECOND, Elevator, Queue, queue_of


class Parallel(NamedTuple):
    """Service times of a request, ns; rates in bytes a second."""

    channels: int
    read_latency: int
    write_latency: int
    read_bandwidth: int
    write_bandwidth: int
    queue: Queue = Queue()
    round_trip: int = 0
    elevator: Elevator | None = None
    rotational: bool = False
    duplex: bool = True
    flat: bool = True

    def service_ns(self, write: int, first: int, size: int, head: int, start: int) -> int:
        """Time on a channel: the same wherever the request lies."""
        return self.write_latency if write else self.read_latency

    def transfer_ns(self, write: int, size: int) -> int:
        """Time on the direction's link."""
        return size * SECOND // (self.write_bandwidth if write else self.read_bandwidth)


def build(options: Mapping[str, Any]) -> Parallel:
    """The NVMe disk of an options mapping (see the registry)."""
    times = options["read_latency"], options["write_latency"]
    return Parallel(options["channels"], *times, options["read_bandwidth"], options["write_bandwidth"], queue_of(options))


NVME = build
