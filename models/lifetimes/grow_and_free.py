"""Grow, free a random part, grow again: programs that come and go.  What is left after each round lies scattered."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.allocators.drive import ALLOC, FREE
from models.lifetimes.lifetime import Ops, with_sizes


def build(options: dict[str, Any], sizes: np.ndarray, seed: np.random.SeedSequence) -> Ops:
    """`rounds` times: store until there are `live` objects, then free a random `share` of them in random order."""
    live = options["live"]
    gone = round(options["share"] * live)
    rng = np.random.Generator(np.random.PCG64(seed))
    objects = np.zeros(0, np.int32)
    ops: list[np.ndarray] = []
    idents: list[np.ndarray] = []
    newest, marks = 0, {}
    for number in range(options["rounds"]):
        fresh = np.arange(newest, newest + live - len(objects), dtype=np.int32)
        newest += len(fresh)
        objects = rng.permutation(np.concatenate([objects, fresh]))
        ops += [np.full(len(fresh), ALLOC, np.uint8), np.full(gone, FREE, np.uint8)]
        idents += [fresh, objects[:gone]]
        objects = objects[gone:]
        if number == options["rounds"] - 1:
            marks["full"] = sum(map(len, ops)) - gone
    return with_sizes(np.concatenate(ops), np.concatenate(idents), sizes, marks)
