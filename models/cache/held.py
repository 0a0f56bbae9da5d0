"""A replacement policy as the machine holds it: its state, and its functions as first-class function values.

So the engine and models.policies.replacement are compiled once, whichever policy is used.
"""

from __future__ import annotations

import numpy as np
from numba import int64, types
from numba.experimental import structref

from models.borrow import boxed, view_of
from models.cache.policy import CHOOSE, HIT, TAKE, CachePolicy
from models.cache.state import CacheArrays, cache_t, make_cache
from models.jit import compiled

on_node_t = types.FunctionType(HIT)  # hit, wanted, admit, remove, sized
choose_t = types.FunctionType(CHOOSE)
take_t = types.FunctionType(TAKE)


class HeldType(types.StructRef):
    """A cache and what drives it."""


held_t = view_of(
    HeldType,
    (
        ("cache", cache_t),
        ("hit", on_node_t),
        ("wanted", on_node_t),
        ("choose", choose_t),
        ("take", take_t),
        ("admit", on_node_t),
        ("remove", on_node_t),
        ("sized", on_node_t),
    ),
)
held_owner = held_t.owner
Held = boxed(held_t, "Held")


@compiled(held_owner(cache_t, on_node_t, on_node_t, choose_t, take_t, on_node_t, on_node_t, on_node_t))
def make_held(cache, hit, wanted, choose, take, admit, remove, sized):
    held = structref.new(held_owner)
    held.cache, held.hit, held.wanted, held.choose, held.take = cache, hit, wanted, choose, take
    held.admit, held.remove, held.sized = admit, remove, sized
    return held


def hold(policy: CachePolicy, arrays: CacheArrays) -> Held:
    """That policy with this state, which it keeps alive (`arrays`)."""
    held = make_held(arrays.cache, policy.hit, policy.wanted, policy.choose, policy.take, policy.admit, policy.remove, policy.sized)
    held.arrays = arrays
    return held


@compiled(HIT)
def _nothing(c, n):
    """Is not called."""


@compiled(CHOOSE)
def _none(c):
    """Is not called."""
    return int64(0)


@compiled(TAKE)
def _no_page(c, n):
    """Is not called."""
    return int64(-1)


_EMPTY = make_cache(np.zeros((1, 1), np.int32), np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros((1, 1), np.int32))
NOTHING = make_held(_EMPTY, _nothing, _nothing, _none, _no_page, _nothing, _nothing, _nothing)  # of the machine's own policies
