"""A partial swapoff: an aged pool is emptied in the order of the swap slots, and stopped on the way.

Slots are used again in random order while the pool ages, so the order of slots says little about where an object lies.  Published for ramzswap:
45 % of the pool lost before, 63 % after an interrupted swapoff.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.lifetimes.lifetime import Ops, filled_then_replaced, with_sizes


def build(options: dict[str, Any], sizes: np.ndarray, seed: np.random.SeedSequence) -> Ops:
    """Store `live` objects, replace a random one `churn` times as often, then free the first `share` of the slots in order.

    Mark `before`: where swapoff begins.
    """
    live = options["live"]
    gone = round(options["share"] * live)
    victims = np.random.Generator(np.random.PCG64(seed)).integers(0, live, round(options["churn"] * live))
    op, ident, slots = filled_then_replaced(live, victims, gone)
    before = len(op) - gone
    ident[before:] = slots[:gone]
    return with_sizes(op, ident, sizes, {"before": before})
