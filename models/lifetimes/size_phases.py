"""Phases: two populations of sizes take turns in a full pool, as when another program begins to swap."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.allocators.drive import ALLOC
from models.lifetimes.lifetime import Ops, filled_then_replaced


def build(options: dict[str, Any], sizes: np.ndarray, seed: np.random.SeedSequence) -> Ops:
    """As churn, in `phases` phases of equal length: new objects are of the smaller half of the sizes in one, of the larger half in the
    next.

    The first phase contains the filling.
    """
    live, count = options["live"], options["phases"]
    pairs = max(options["operations"] - live, 0) // 2
    victims = np.random.Generator(np.random.PCG64(seed)).integers(0, live, pairs)
    op, ident, _ = filled_then_replaced(live, victims)
    phase = np.zeros(live + pairs, np.int64)
    phase[live:] = np.arange(pairs) * count // max(pairs, 1)
    small = sizes <= np.median(sizes)
    chosen = np.zeros(live + pairs, np.int64)
    for half, population in enumerate((sizes[small], sizes[~small] if not small.all() else sizes)):
        mine = phase % 2 == half
        chosen[mine] = np.resize(population, int(mine.sum()))
    arg = np.zeros(len(op), np.int64)
    arg[op == ALLOC] = chosen
    return Ops(op, ident, arg, {"full": live})
