"""Figures of cold memory: of the threshold that was simulated, and of every other one by the histograms of idle ages.

The definitions are those of Lagar-Cavilla et al. (ASPLOS 2019): the working set is what was used within 120 s; a promotion is a page
brought back from far memory; its rate is in per cent of the working set per minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from models.memory import cold
from sim.actors.kreclaimd import MINUTE_NS, Kreclaimd, Minute, Scan

NAN = float("nan")
HIGH = 98  # the percentile over the minutes of a run


def _rates(minutes: Sequence[Minute]) -> list[float]:
    """Promotion rate of each whole minute, % of the working set."""
    return [100 * (b.loads - a.loads) / b.working for a, b in pairwise(minutes) if b.working]


def _high(rates: Sequence[float]) -> float:
    return float(np.percentile(rates, HIGH)) if rates else NAN


def _mean(values: Sequence[float] | np.ndarray[Any, Any]) -> float:
    return float(np.mean(values)) if len(values) else NAN


def _by_age(scans: Sequence[Scan], set_scans: int, age: int, period: int) -> dict[str, float]:
    """What a threshold of `age` scans would have given, no higher than the one that was simulated.

    A page found used at such an age would have come back; one that did come back was at least as old.
    """
    per_minute = MINUTE_NS / period
    rates = []
    for a, b in pairwise(scans):
        working = int(b.ages[:set_scans].sum())
        if working:
            rates.append(100 * per_minute * (int((b.found[age:] - a.found[age:]).sum()) + b.loads - a.loads) / working)
    share = [100 * (int(s.ages[age:].sum()) - s.stored + s.far) / max(int(s.ages.sum()) - s.stored + s.far, 1) for s in scans]
    return {"cold_share": _mean(share), "promotion_rate": _mean(rates), "promotion_rate_p98": _high(rates)}


def _ages(thread: Kreclaimd, scans: Sequence[Scan]) -> list[int]:
    """The thresholds to work out, in scans: powers of two up to the one simulated, and no older than the first scan that counts."""
    oldest = min(thread.threshold or cold.OLDEST, scans[0].at // thread.scan_period if scans else 0)
    return [1 << k for k in range(8) if 1 << k <= oldest]


def cold_scalars(thread: Kreclaimd, begin: int, num: np.ndarray) -> dict[str, float]:
    """All figures from time `begin` (ns) on; num: the thread's counters at that time."""
    scans = [scan for scan in thread.scans if scan.at >= begin]
    minutes = [minute for minute in thread.minutes if minute.at >= begin]
    counted = thread.num - num
    found = {
        "pages_aged": float(counted[cold.SCANNED]),
        "cold_stores": float(counted[cold.STORED]),
        "cold_refused": float(counted[cold.REFUSED]),
    }
    least = thread.threshold or thread.set_scans
    stored, far = (np.array([float(value) for value in values]) for values in ([s.stored for s in scans], [s.far for s in scans]))
    idle = np.array([float(scan.ages[least:].sum()) for scan in scans]) - stored  # still in memory after the scan's stores
    everything = np.maximum(np.array([float(scan.ages.sum()) for scan in scans]) - stored + far, 1)
    found["working_set_pages"] = _mean([int(scan.ages[: thread.set_scans].sum()) for scan in scans])
    found["cold_pages"] = _mean(idle + far)
    found["cold_share"] = _mean(100 * (idle + far) / everything)
    if thread.threshold:
        rates = _rates(minutes)
        found["far_pages"] = _mean(far)
        found["far_share"] = _mean(100 * far / everything)
        found["cold_coverage"] = 100 * float(far.sum() / max(float((idle + far).sum()), 1.0)) if len(scans) else NAN
        found["promotion_rate"] = _mean(rates)
        found["promotion_rate_p98"] = _high(rates)
    for age in _ages(thread, scans):
        name = f"cold_age.{age * thread.scan_period / 1e9:g}s"
        found |= {f"{name}.{key}": value for key, value in _by_age(scans, thread.set_scans, age, thread.scan_period).items()}
    return found
