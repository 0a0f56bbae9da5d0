"""A partial swapoff: an aged pool is emptied in the order of the swap slots, and stopped on the way.

Slots are used again in random order while the pool ages, so the order of slots says little about where an object lies; and a pool that has
seen better days begins with holes.  Published for ramzswap: 45 % of the pool lost before, 63 % after an interrupted swapoff.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.lifetimes.lifetime import Ops, filled_then_replaced, with_sizes


def build(options: dict[str, Any], sizes: np.ndarray, seed: np.random.SeedSequence) -> Ops:
    """Grow to `peak` times `live` objects, replace a random one `churn` times as often, free random ones until `live` are left,
    and then the first `share` of the slots that are left, in order.

    Mark `before`: where swapoff begins.
    """
    live = options["live"]
    most = max(round(options["peak"] * live), live)
    gone = round(options["share"] * live)
    rng = np.random.Generator(np.random.PCG64(seed))
    victims = rng.integers(0, most, round(options["churn"] * most))
    op, ident, slots = filled_then_replaced(most, victims, most - live + gone)
    before = len(op) - gone
    order = rng.permutation(most)
    ident[before - (most - live) : before] = slots[order[live:]]
    ident[before:] = slots[np.sort(order[:live])[:gone]]
    return with_sizes(op, ident, sizes, {"before": before})
