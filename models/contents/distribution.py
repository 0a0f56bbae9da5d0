"""Sizes drawn independently from a distribution.  No real content: for reproducing published figures that state only a distribution."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.contents.rows import ContentContext, Rows
from models.errors import InputError


def build(options: dict[str, Any], context: ContentContext) -> Rows:
    """Rows of `rows` sizes: normal (mean, sd; rounded, clipped to min..max), uniform (min..max) or list (values, weights).

    Raises InputError if the bounds or the list make no sense.
    """
    rng = np.random.Generator(np.random.PCG64(context.seed))
    rows, shape = options["rows"], options["shape"]
    low, high = options["min"], options["max"] or context.page_size
    if not 1 <= low <= high <= context.page_size:
        raise InputError(f"contents distribution: min {low} and max {high} must satisfy 1 <= min <= max <= page size {context.page_size}")
    if shape == "normal":
        sizes = np.clip(np.rint(rng.normal(options["mean"], options["sd"], rows)), low, high)
        note = f"normal, mean {options['mean']} B, standard deviation {options['sd']} B"
    elif shape == "uniform":
        sizes = rng.integers(low, high, rows, endpoint=True)
        note = f"uniform from {low} to {high} B"
    else:
        values, weights = _listed(options, context.page_size)
        sizes = rng.choice(values, rows, p=weights)
        note = f"{len(values)} listed sizes"
    return Rows(sizes.astype(np.int32), context.compressor.same_size(context.page_size), f"distribution: {note}; drawn, no real content")


def _listed(options: dict[str, Any], page_size: int) -> tuple[np.ndarray, np.ndarray]:
    values = options["values"] or []
    weights = options["weights"] or [1.0] * len(values)
    if not values or len(weights) != len(values) or min(values) < 0 or max(values) > page_size:
        raise InputError(f"contents distribution: shape list needs values from 0 to {page_size} bytes and as many weights")
    if min(weights) < 0 or sum(weights) <= 0:
        raise InputError(f"contents distribution: weights {weights} must be at least 0 and not all 0")
    return np.array(values), np.array(weights) / sum(weights)
