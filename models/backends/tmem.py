"""tmem's bookkeeping as zcache of Linux 3.1 uses it for frontswap (drivers/staging/zcache/tmem.c): objects and tree nodes.

A swap slot's page is named by one of 16 objects (the low four bits of the slot) and an index (the rest).  An object is a radix
tree of 64-slot nodes, just as high as its largest index needs; index 0 alone hangs from the object without a node.  Only the
counts matter here: how many objects and nodes exist.

table, int32[rows, 16], a column an object: nodes of each level; pages; 1 if index 0 is there; the first row of each level's
groups; then for each level the pages below each possible node.
"""

from __future__ import annotations

import numpy as np
from numba import int64

from models.jit import compiled
from models.memory.state import Table

OBJECTS = 16
OBJECT_BITS = 4
NODE_BITS = 6
LEVELS = 4  # 64^4 indices an object: more than any int32 slot number needs
ROW_PAGES, ROW_ZERO, ROW_START, FIRST_GROUP = LEVELS, LEVELS + 1, LEVELS + 2, LEVELS + 3

OBJECT_BYTES = {32: 64, 64: 104}
NODE_BYTES = {32: 268, 64: 536}


def create(slots: int) -> np.ndarray:
    """Empty trees for a device of `slots` slots."""
    groups = [((slots >> OBJECT_BITS) >> (NODE_BITS * (level + 1))) + 1 for level in range(LEVELS)]
    table = np.zeros((FIRST_GROUP + sum(groups), OBJECTS), np.int32)
    for level in range(LEVELS):
        table[ROW_START, level] = FIRST_GROUP + sum(groups[:level])
    return table


@compiled(int64(Table, int64))
def nodes_of(table, obj):
    """Nodes of an object's tree."""
    pages = table[ROW_PAGES, obj]
    if pages == 0 or (pages == 1 and table[ROW_ZERO, obj] == 1):
        return 0
    nodes = 0
    for level in range(LEVELS):
        nodes += table[level, obj]
        if table[level, obj] == 1 and table[table[ROW_START, level], obj] > 0:
            break  # all indices are below this level's first node: it is the root
    return nodes


@compiled(int64(Table, int64, int64))
def change(table, slot, by):
    """Add (by=1) or remove (by=-1) a slot's page; returns the change in the number of nodes."""
    obj = slot & (OBJECTS - 1)
    index = slot >> OBJECT_BITS
    before = nodes_of(table, obj)
    table[ROW_PAGES, obj] += by
    if index == 0:
        table[ROW_ZERO, obj] += by
    for level in range(LEVELS):
        row = table[ROW_START, level] + (index >> (NODE_BITS * (level + 1)))
        count = table[row, obj] + by
        table[row, obj] = count
        if count == 0:
            table[level, obj] -= 1
        elif count == 1 and by == 1:
            table[level, obj] += 1
    return nodes_of(table, obj) - before
