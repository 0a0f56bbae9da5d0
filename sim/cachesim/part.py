"""What is simulated: a trace, or a sample of one, with what is to be counted."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.cache.policy import CachePolicy
from models.cache.statistics import requests_until
from sim.cachesim.trace import Trace
from sim.errors import UserError

_NO_FUTURE = np.empty(0, np.int32)
NO_WEIGHTS = np.empty(0, np.int64)


class Counting(NamedTuple):
    """first: requests before it warm the caches up and are not counted;  by_bytes: the counted ones' sizes are added up too."""

    first: int = 0
    by_bytes: bool = False


class Tally(NamedTuple):
    """Misses that were counted, or estimated, and their bytes (None: not asked for)."""

    misses: float
    bytes: float | None = None


class Part:
    """A trace or a sample of one; rate: how much of the whole it is."""

    def __init__(self, trace: Trace, counting: Counting = Counting(), rate: float = 1.0) -> None:
        self.trace, self.counting, self.rate = trace, counting, rate
        self.weights = trace.size if counting.by_bytes and trace.size is not None else NO_WEIGHTS
        self._lock = threading.Lock()
        self._later: dict[int, np.ndarray] = {}

    def later(self, policy: CachePolicy) -> np.ndarray:
        """What the policy wants to know about the future; worked out once for all that ask the same."""
        if policy.ahead is None:
            return _NO_FUTURE
        with self._lock:
            key = id(policy.ahead)
            if key not in self._later:
                self._later[key] = policy.ahead(self.trace.ids, self.trace.distinct)
            return self._later[key]

    def scaled(self, misses: float, weight: float) -> Tally:
        """A tally of the whole trace from what this part has."""
        return Tally(misses / self.rate, weight / self.rate if self.counting.by_bytes else None)


def first_counted(text: str | None, trace: Trace, pages: Sequence[int]) -> int:
    """The first request that counts: `--warmup` N, P% or auto.

    auto: the caches are full, as long as a policy admits every page: the first request behind those that name as many distinct pages as the
    largest cache has, of the caches that the trace can fill; but never more than half of the trace.
    """
    requests = len(trace.ids)
    if text is None:
        return 0
    if text == "auto":
        largest = max((size for size in pages if size <= trace.distinct), default=trace.distinct)
        return min(requests_until(trace.ids, trace.distinct, largest), requests // 2)
    first = warm_up(text, requests)
    if first >= requests:
        raise UserError(f"--warmup: {text} are {first} of {requests} requests; expected fewer than all, so that something is counted")
    return first


def warm_up(text: str, requests: int) -> int:
    """The number of requests; UserError if it is none."""
    number = text.removesuffix("%")
    try:
        value = float(number) if number != text else int(number)
    except ValueError:
        value = -1
    if not (0 <= value < (100 if number != text else 1 << 31)):
        raise UserError(f"--warmup: expected a number of requests, per cent of them such as 10%, or auto; found {text!r}")
    return round(requests * value / 100) if number != text else int(value)


def check_sizes(trace: Trace) -> None:
    """UserError if a trace has no sizes that bytes can be counted with."""
    if trace.size is None:
        raise UserError(
            f"{trace.name}: --weight bytes: the format {trace.format} has no sizes; expected one that has, such as oracleGeneral"
        )
    if not trace.size.any():
        raise UserError(f"{trace.name}: --weight bytes: every size in it is 0")
