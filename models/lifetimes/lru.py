"""Least recently used first out: zswap whose pool is full and writes its oldest pages to the swap device.

Between two stores some of the live objects are used (loaded and kept), which makes them the youngest; without use the lifetimes
are first in, first out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int32, int64, types

from models.allocators.drive import ALLOC, FREE
from models.jit import compiled, inlined
from models.lifetimes.lifetime import Codes, Ids, Ops, Places, fill, with_sizes

Links = types.Array(int32, 2, "C")
OLDER, YOUNGER = 0, 1  # columns of the links of a slot; row `live` is the list's end in both directions


@inlined
def _make_youngest(links, end, slot):
    """Move a slot to the young end of the list."""
    older, younger = links[slot, OLDER], links[slot, YOUNGER]
    links[older, YOUNGER], links[younger, OLDER] = younger, older
    youngest = links[end, OLDER]
    links[slot, OLDER], links[slot, YOUNGER] = youngest, end
    links[youngest, YOUNGER], links[end, OLDER] = slot, slot


@compiled(int64(Places, Places, Links, Ids, Codes, Ids, int64))
def evict_oldest(uses, used, links, slots, op, ident, at):
    """For each store: `uses[i]` slots of `used` become the youngest in turn; then the oldest slot's object goes and a new one comes."""
    end = slots.shape[0]
    newest, next_use = end, 0
    for i in range(uses.shape[0]):
        for _ in range(uses[i]):
            _make_youngest(links, end, used[next_use])
            next_use += 1
        slot = links[end, YOUNGER]
        op[at], ident[at] = FREE, slots[slot]
        op[at + 1], ident[at + 1] = ALLOC, newest
        slots[slot] = newest
        newest += 1
        at += 2
        _make_youngest(links, end, int64(slot))
    return newest


def build(options: dict[str, Any], sizes: np.ndarray, seed: np.random.SeedSequence) -> Ops:
    """Store `live` objects; then free the least recently used and store another, until `operations` are done.

    A share `reuse` of the accesses are uses of a random live object; the others are the stores.
    """
    live, reuse = options["live"], options["reuse"]
    pairs = max(options["operations"] - live, 0) // 2
    rng = np.random.Generator(np.random.PCG64(seed))
    uses = rng.geometric(1.0 - reuse, pairs) - 1
    used = rng.integers(0, live, int(uses.sum()))
    op, ident = np.zeros(live + 2 * pairs, np.uint8), np.zeros(live + 2 * pairs, np.int32)
    op[:live], ident[:live] = fill(live)
    ring = np.arange(live + 1, dtype=np.int32)
    links = np.ascontiguousarray(np.stack([np.roll(ring, 1), np.roll(ring, -1)], axis=1))  # slot 0 is the oldest
    evict_oldest(uses, used, links, np.arange(live, dtype=np.int32), op, ident, live)
    return with_sizes(op, ident, sizes, {"full": live})
