"""Policies times sizes over one trace: exact, LRU's sizes all in one pass; or estimated from samples."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from models.cache.mattson import distances, lru_misses
from models.cache.policy import CachePolicy
from models.registry import resolve
from sim.cachesim.policies import Choice
from sim.cachesim.sampling import estimate, pages_of
from sim.cachesim.trace import Trace
from sim.errors import UserError

_NO_FUTURE = np.empty(0, np.int32)
_LRU_TARGET = "models.cache.lru:LRU"


CURVE_POINTS = 50


class Outcome(NamedTuple):
    """Misses of one policy in a cache of `pages`; half_width: of their 95 % interval, None if they were counted."""

    policy: str
    pages: int
    misses: int
    half_width: float | None = None


def curve_sizes(distinct: int) -> list[int]:
    """Sizes of a curve: CURVE_POINTS at most, evenly apart on a logarithmic scale, from one page to all."""
    return sorted({round(float(size)) for size in np.geomspace(1, distinct, CURVE_POINTS)})


def sizes(text: str, distinct: int) -> list[int]:
    """Cache sizes: pages, or per cent of the distinct pages, to the nearest page and at least one."""
    found = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        number = part.removesuffix("%")
        try:
            value = float(number) if number != part else int(number)
        except ValueError:
            raise UserError(
                f"--pages: expected a number of pages or per cent of the distinct pages, such as 1000 or 10%, found {part!r}"
            ) from None
        if not 0 < value < 1 << 30:
            raise UserError(f"--pages: expected 1 page or more, below 2^30, found {part!r}")
        found.append(max(1, round(distinct * value / 100)) if number != part else int(value))
    if not found:
        raise UserError(f"--pages: expected N[,N...], found {text!r}")
    return list(dict.fromkeys(found))


def simulate(policy: CachePolicy, options: dict[str, Any], trace: Trace, pages: int, later: np.ndarray) -> int:
    """The misses of one policy."""
    arrays = policy.create(pages, trace.distinct, **options)
    return int(policy.run(arrays.cache, trace.ids, later))


def count(choice: Choice, trace: Trace, pages: Sequence[int], jobs: int) -> list[int]:
    """Misses of one policy at each size; sizes beside each other: compiled loops let threads run."""
    if choice.entry.target == _LRU_TARGET and len(pages) > 1:
        curve = lru_misses(distances(trace.ids, trace.distinct))
        return [int(curve[min(size, trace.distinct)]) for size in pages]
    policy: CachePolicy = resolve(choice.entry.target)
    later = policy.ahead(trace.ids, trace.distinct) if policy.ahead is not None else _NO_FUTURE
    if jobs == 1:
        return [simulate(policy, choice.options, trace, size, later) for size in pages]
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda size: simulate(policy, choice.options, trace, size, later), pages))


def study(trace: Trace, chosen: Sequence[Choice], pages: Sequence[int], jobs: int = 1, rate: float | None = None) -> list[Outcome]:
    """Every policy with every size, sizes together, in the order given.  rate: share of the pages that a sample has; without it, exact."""
    found = [_outcomes(choice, trace, pages, jobs, rate) for choice in chosen]
    return [outcomes[k] for k in range(len(pages)) for outcomes in found]


def _outcomes(choice: Choice, trace: Trace, pages: Sequence[int], jobs: int, rate: float | None) -> list[Outcome]:
    if rate is None:
        return [Outcome(choice.name, size, misses) for size, misses in zip(pages, count(choice, trace, pages, jobs), strict=True)]
    found = estimate(trace, pages_of(trace, rate), pages, lambda part, small: count(choice, part, small, jobs))
    return [Outcome(choice.name, size, round(one.misses), one.half_width) for size, one in zip(pages, found, strict=True)]
