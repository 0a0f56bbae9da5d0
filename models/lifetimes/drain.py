"""Drain: a full pool is emptied in random order.  How many objects must go before their pages do?"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.allocators.drive import FREE
from models.lifetimes.lifetime import Ops, fill, with_sizes

QUARTERS = (25, 50, 75)  # per cent freed that get a mark


def build(options: dict[str, Any], sizes: np.ndarray, seed: np.random.SeedSequence) -> Ops:
    """Store `live` objects, then free all of them in random order.  Marks: `full`, and 25, 50 and 75 % freed."""
    live = options["live"]
    op, ident = fill(live)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(ident)
    marks = {"full": live} | {f"freed_{share}": live + live * share // 100 for share in QUARTERS}
    return with_sizes(np.concatenate([op, np.full(live, FREE, np.uint8)]), np.concatenate([ident, order]), sizes, marks)
