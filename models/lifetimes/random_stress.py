"""The random stress of 2008: fair coin flips, as compcache's own generator made them for its published peaks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, int64, types, uint8

from models.allocators.drive import ALLOC, FREE
from models.jit import compiled
from models.lifetimes.lifetime import Codes, Ids, Ops, with_sizes

Floats = types.Array(float64, 1, "C")


@compiled(int64(Codes, Floats, Ids, Codes, Ids))
def flip(heads, places, table, op, ident):
    """Write the operations of all coin flips; returns how many.

    table: room for the live objects; a freed one's place is filled by the last.
    """
    done, live, newest = 0, 0, 0
    for i in range(heads.shape[0]):
        if heads[i] == uint8(1):
            if live < table.shape[0]:
                op[done], ident[done] = ALLOC, newest
                table[live] = newest
                live += 1
                newest += 1
                done += 1
        elif live > 0:
            place = int64(places[i] * live)
            op[done], ident[done] = FREE, table[place]
            live -= 1
            table[place] = table[live]
            done += 1
    return done


def build(options: dict[str, Any], sizes: np.ndarray, seed: np.random.SeedSequence) -> Ops:
    """`events` coin flips: heads stores an object unless `limit` are live, tails frees a random one if there is any."""
    events = options["events"]
    rng = np.random.Generator(np.random.PCG64(seed))
    heads = rng.integers(0, 2, events, np.uint8)
    op, ident = np.zeros(events, np.uint8), np.zeros(events, np.int32)
    done = flip(heads, rng.random(events), np.zeros(options["limit"], np.int32), op, ident)
    return with_sizes(op[:done].copy(), ident[:done].copy(), sizes)
