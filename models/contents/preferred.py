"""Sizes of the random stress of 2008: most of them in a preferred range, the others in the full one.  No real content."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.contents.rows import ContentContext, Rows
from models.errors import InputError


def build(options: dict[str, Any], context: ContentContext) -> Rows:
    """Rows of `rows` sizes: with probability `share` from `low` to `high`, otherwise from `min` to `max`; uniform reals, cut to integers.

    Raises InputError if the bounds make no sense.
    """
    smallest, largest, low, high = options["min"], options["max"], options["low"], options["high"]
    low, high = smallest if low is None else low, largest if high is None else high
    if not 1 <= smallest <= low <= high <= largest <= context.page_size:
        raise InputError(
            f"contents preferred: min {smallest}, low {low}, high {high}, max {largest} must rise from 1 to {context.page_size}"
        )
    rng = np.random.Generator(np.random.PCG64(context.seed))
    inside = rng.random(options["rows"]) < options["share"]
    span = rng.random(options["rows"])
    sizes = np.where(inside, low + span * (high - low), smallest + span * (largest - smallest)).astype(np.int32)
    note = f"preferred: {options['share']:.0%} from {low} to {high} B, the others from {smallest} to {largest} B; drawn, no real content"
    return Rows(sizes, context.compressor.same_size(context.page_size), note)
