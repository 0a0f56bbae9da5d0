"""A disk behind the network: a round trip, a server that works on several requests at once, the network's bandwidth each way.

The round trip is added to each request and keeps none of the server's threads busy.  Sources of the defaults: nbdkit(1), 16 threads a
connection; Linux 6.1 drivers/block/nbd.c, 128 requests in flight; Dean's table of latencies, half a millisecond within a datacentre.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.devices.device import queue_of
from models.devices.nvme import Parallel


def build(options: Mapping[str, Any]) -> Parallel:
    """The device of an options mapping (see the registry)."""
    times = options["read_latency"], options["write_latency"]
    rates = options["bandwidth"], options["bandwidth"]
    return Parallel(options["channels"], *times, *rates, queue_of(options), options["round_trip"])


NBD = build
