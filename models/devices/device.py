"""What a block device is to its queue: service times without a clock, and how the queue before it is set.

A device says how long a request takes (`service_ns`, then `transfer_ns`); when it starts is sim's business (sim/actors/disk.py).
Names and defaults of the queue are Linux 6.1's: Documentation/ABI/stable/sysfs-block, Documentation/block/deadline-iosched.rst.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


class Queue(NamedTuple):
    """The block layer's queue and the device's limits.

    capacity         bytes
    nr_requests      requests that may be queued or in service; whoever wants more waits
    iops_limit       requests started a second, None for no limit
    bandwidth_limit  bytes a second, None for no limit
    """

    capacity: int = 1 << 62
    nr_requests: int = 64
    iops_limit: int | None = None
    bandwidth_limit: int | None = None


class Elevator(NamedTuple):
    """Settings of mq-deadline: sizes in bytes, times in ns."""

    max_request: int = 1280 * 1024
    fifo_batch: int = 16
    writes_starved: int = 2
    read_expire: int = 500 * MILLISECOND
    write_expire: int = 5 * SECOND
    front_merges: bool = True


class Device(Protocol):
    """The contract.

    channels    requests served at once
    rotational  what Linux's queue/rotational says: swap slots and readahead depend on it
    duplex      a link for each direction, instead of one for both
    round_trip  ns on the way there and back, which keep no channel busy
    flat        service_ns depends on the direction alone
    queue       the queue before it
    elevator    None: first come, first served
    """

    channels: int
    rotational: bool
    duplex: bool
    round_trip: int
    flat: bool
    queue: Queue
    elevator: Elevator | None

    def service_ns(self, write: int, first: int, size: int, head: int, start: int) -> int:
        """Time on a channel for `size` bytes at byte `first`; the last request ended at byte `head`, this one starts at `start`."""

    def transfer_ns(self, write: int, size: int) -> int:
        """Time on the link, after the channel's time, which it keeps busy as well."""


def queue_of(options: Mapping[str, Any]) -> Queue:
    """The queue of an options mapping (see the registry)."""
    return Queue(*(options[name] for name in Queue._fields))


def elevator_of(options: Mapping[str, Any]) -> Elevator | None:
    """The elevator of an options mapping; None with `scheduler: none`."""
    if options["scheduler"] == "none":
        return None
    names = ("fifo_batch", "writes_starved", "read_expire", "write_expire", "front_merges")
    return Elevator(options["max_sectors_kb"] * 1024, *(options[name] for name in names))
