"""Policies times sizes over one trace."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from models.cache.policy import CachePolicy
from models.registry import resolve
from sim.cachesim.policies import Choice
from sim.cachesim.trace import Trace
from sim.errors import UserError

_NO_FUTURE = np.empty(0, np.int32)


class Outcome(NamedTuple):
    """Misses of one policy in a cache of `pages`."""

    policy: str
    pages: int
    misses: int


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


def study(trace: Trace, chosen: Sequence[Choice], pages: Sequence[int], jobs: int = 1) -> list[Outcome]:
    """Every policy with every size, sizes together, in the order given.  Compiled loops let threads run beside each other."""
    policies: list[CachePolicy] = [resolve(choice.entry.target) for choice in chosen]
    futures = {id(p.ahead): p.ahead(trace.ids, trace.distinct) for p in policies if p.ahead is not None}

    def one(work: tuple[int, int]) -> Outcome:
        size, which = work
        policy = policies[which]
        later = futures.get(id(policy.ahead), _NO_FUTURE)
        return Outcome(chosen[which].name, size, simulate(policy, chosen[which].options, trace, size, later))

    work = [(size, which) for size in pages for which in range(len(chosen))]
    if jobs == 1:
        return [one(item) for item in work]
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, work))
