"""Churn: a full pool in which a random object goes for each that comes."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.lifetimes.lifetime import Ops, filled_then_replaced, with_sizes


def build(options: dict[str, Any], sizes: np.ndarray, seed: np.random.SeedSequence) -> Ops:
    """Store `live` objects; then free one of them at random and store another, until `operations` are done."""
    live = options["live"]
    pairs = max(options["operations"] - live, 0) // 2
    victims = np.random.Generator(np.random.PCG64(seed)).integers(0, live, pairs)
    op, ident, _ = filled_then_replaced(live, victims)
    return with_sizes(op, ident, sizes, {"full": live})
