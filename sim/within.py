"""What one long run alone says of its rates: intervals by batch means, autocorrelation taken into account (sim.statistics.batches).

A run with one replication has no spread between replications; its series still shows how steady its rates were.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from sim.statistics.batches import rate_batches


def rates_within(scalars: Mapping[str, float], series: Mapping[str, Sequence[float]], warm_up_s: float) -> dict[str, dict[str, Any]]:
    """Rate of `scalars` -> half_width, low, high, batches and reliable, for those whose counter is a column of the series.

    warm_up_s: seconds at the start that are left out.  Rates that are too short to say anything of are left out too.
    """
    times = series.get("time_s") or []
    first = bisect_left(times, warm_up_s - 1e-9)
    found = {}
    for name, value in scalars.items():
        counter = series.get(name.removesuffix("_rate")) if name.endswith("_rate") else None
        if counter is None or len(times) - first < 2 or value != value:
            continue
        try:
            batches = rate_batches(times[first:], counter[first:])
        except ValueError:
            continue  # the samples are not at a fixed interval
        half = batches.interval.half_width
        if half is not None:
            found[name] = {
                "half_width": half,
                "low": value - half,
                "high": value + half,
                "batches": batches.batches,
                "reliable": batches.reliable,
            }
    return found
