"""Memory cgroups: their settings, and the tables that the engine keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from models.memory import groups as cg
from sim.vm import Array


class Cgroup(NamedTuple):
    """One memory cgroup, a child of the root.  Limits in bytes; None: no limit (low: no protection)."""

    name: str
    max: int | None = None
    high: int | None = None
    low: int | None = None
    swap_max: int | None = None
    zswap_max: int | None = None
    zswap_writeback: bool = True


class GroupTables(NamedTuple):
    """The tables; of one entry where there are no groups."""

    frame_group: Array
    slot_group: Array
    cache_group: Array
    cgroup: Array


def group_tables(groups: Sequence[Cgroup], page_size: int, frames: int, slots: int, file_pages: int) -> GroupTables:
    """Nothing charged; row 0 is the root's."""
    table = np.zeros((1 + len(groups), cg.COLUMNS), np.int64)
    table[:, [cg.MAX, cg.HIGH, cg.SWAP_MAX, cg.ZSWAP_MAX]] = cg.NONE
    table[:, cg.ZSWAP_WRITEBACK] = 1
    columns = {cg.MAX: "max", cg.HIGH: "high", cg.LOW: "low", cg.SWAP_MAX: "swap_max", cg.ZSWAP_MAX: "zswap_max"}
    for row, group in zip(table[1:], groups, strict=True):
        for column, name in columns.items():
            limit: Any = getattr(group, name)
            if limit is not None:
                row[column] = limit // page_size
        row[cg.ZSWAP_WRITEBACK] = int(group.zswap_writeback)
    sizes = (frames, slots, file_pages) if groups else (1, 1, 1)
    frame_group, slot_group, cache_group = (np.zeros(size, np.int32) for size in sizes)
    return GroupTables(frame_group, slot_group, cache_group, table)
