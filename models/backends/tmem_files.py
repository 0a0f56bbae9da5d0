"""tmem's bookkeeping for cleancache's pools (drivers/staging/zcache/tmem.c of Linux 3.1): an object a file, a node 64 pages.

As models.backends.tmem, for objects of different sizes.  trees, int32[files, 10]: nodes of each level; pages; 1 if index 0 is there; the
first row of each level's groups.  groups, int32[rows]: pages below each possible node.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import int64

from models.allocators.pool import Links
from models.backends.tmem import LEVELS, NODE_BITS
from models.jit import compiled
from models.memory.state import Table

PAGES, ZERO, START = LEVELS, LEVELS + 1, LEVELS + 2
COLUMNS = START + LEVELS


def create(sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Empty (trees, groups) for files of these sizes in pages."""
    trees = np.zeros((max(len(sizes), 1), COLUMNS), np.int32)
    rows = 0
    for number, pages in enumerate(sizes):
        for level in range(LEVELS):
            trees[number, START + level] = rows
            rows += (max(pages - 1, 0) >> (NODE_BITS * (level + 1))) + 1
    return trees, np.zeros(max(rows, 1), np.int32)


@compiled(int64(Table, Links, int64))
def nodes_of(trees, groups, number):
    """Nodes of a file's tree."""
    row = trees[number]
    if row[PAGES] == 0 or (row[PAGES] == 1 and row[ZERO] == 1):
        return 0
    nodes = 0
    for level in range(LEVELS):
        nodes += row[level]
        if row[level] == 1 and groups[row[START + level]] > 0:
            break
    return nodes


@compiled(int64(Table, Links, int64, int64, int64))
def change(trees, groups, number, index, by):
    """Add (by=1) or remove (by=-1) a page of a file; returns the change in the number of nodes."""
    row = trees[number]
    before = nodes_of(trees, groups, number)
    row[PAGES] += by
    if index == 0:
        row[ZERO] += by
    for level in range(LEVELS):
        at = row[START + level] + (index >> (NODE_BITS * (level + 1)))
        count = groups[at] + by
        groups[at] = count
        if count == 0:
            row[level] -= 1
        elif count == 1 and by == 1:
            row[level] += 1
    return nodes_of(trees, groups, number) - before
