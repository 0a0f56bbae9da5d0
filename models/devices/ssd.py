"""A solid-state disk: service times only.  Latency by direction on one of several channels, then one link.

Source of the defaults: data sheets of 480 GB SATA drives of the 2020s.
"""

from __future__ import annotations

from typing import Any, NamedTuple

SECOND = 1_000_000_000


class Ssd(NamedTuple):
    """Service times of a request, ns."""

    channels: int
    read_latency: int
    write_latency: int
    bandwidth: int
    rotational: bool = False

    def service_ns(self, write: bool, first: int, size: int) -> int:
        """Time on a channel for `size` bytes at byte `first`."""
        return self.write_latency if write else self.read_latency

    def transfer_ns(self, write: bool, size: int) -> int:
        """Time on the link for `size` bytes."""
        return size * SECOND // self.bandwidth


def build(options: dict[str, Any]) -> Ssd:
    """The device of an options mapping (see the registry)."""
    return Ssd(options["channels"], options["read_latency"], options["write_latency"], options["bandwidth"])


SSD = build
