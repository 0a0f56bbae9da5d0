"""Objects are stored, and none is freed: a table of 2011, a full zram."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.lifetimes.lifetime import Ops, fill, with_sizes


def build(options: dict[str, Any], sizes: np.ndarray, seed: np.random.SeedSequence) -> Ops:
    """`live` objects, one after another."""
    return with_sizes(*fill(options["live"]), sizes)
