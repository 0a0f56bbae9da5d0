"""The invariants of memory cgroups: what a group is charged is what it has, and no more than it may have."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.memory import groups as cg
from models.memory import state as st
from models.vmstat import NR_INACTIVE_ANON

CHARGED = (st.ANON, st.FILE, st.TABLE, st.MLOCKED)


def _lists(a: Any, kind: np.ndarray, of: np.ndarray) -> list[str]:
    """Each lruvec counts the frames of its group that are on a list."""
    bad = []
    listed = (a.frame[:, st.FLAGS] & st.LRU) != 0
    for g, row in enumerate(a.cgroup):
        for first, what in ((0, st.ANON), (2, st.FILE)):
            there = int((listed & (of == g) & (kind == what)).sum())
            counted = int(row[cg.LISTED + first : cg.LISTED + first + 2].sum())
            if there != counted:
                bad.append(f"cgroup {g}: {there} frames of kind {what} on lists, its lruvec counts {counted}")
    if (a.cgroup[:, cg.LISTED : cg.LISTED + 4].sum(0) != a.vmstat[NR_INACTIVE_ANON : NR_INACTIVE_ANON + 4]).any():
        bad.append("the lists of all lruvecs are not those of the machine")
    return bad


def _frames(a: Any, kind: np.ndarray, of: np.ndarray) -> list[str]:
    bad = []
    if (~np.isin(kind[of > 0], CHARGED)).any():
        bad.append("a frame that is free, or the kernel's own, is charged to a cgroup")
    for g, row in enumerate(a.cgroup[1:], 1):
        counts = np.bincount(kind[of == g], minlength=8)
        if any(counts[k] != row[cg.OF_KIND + k] for k in CHARGED):
            bad.append(f"cgroup {g}: frames by kind {counts.tolist()}, counted {row[cg.OF_KIND : cg.OF_KIND + 8].tolist()}")
        charged = int(counts.sum() + row[cg.STOCK] + row[cg.POOL_CHARGED])
        if charged != row[cg.USAGE]:
            bad.append(f"cgroup {g}: {charged} pages with its stock and zswap's, memory.current says {row[cg.USAGE]}")
        if row[cg.USAGE] - row[cg.POOL_CHARGED] - row[cg.FORCED] > row[cg.MAX]:
            bad.append(f"cgroup {g}: memory.current {row[cg.USAGE]} is above memory.max {row[cg.MAX]}")
    return bad


def _slots(a: Any) -> list[str]:
    bad = []
    state, of = a.slot[:, st.STATE], a.slot_group
    if (of[(state == st.SLOT_FREE) | (state == st.SLOT_CACHED)] != 0).any():
        bad.append("a free swap slot is charged to a cgroup")
    held = np.where(a.slot[:, st.HANDLE] > 0, a.slot[:, st.STORED_SIZE], 0)
    for g, row in enumerate(a.cgroup[1:], 1):
        if int((of == g).sum()) != row[cg.SWAP] or row[cg.SWAP] > row[cg.SWAP_MAX]:
            bad.append(f"cgroup {g}: {int((of == g).sum())} slots, memory.swap.current {row[cg.SWAP]} of {row[cg.SWAP_MAX]}")
        if a.num[st.POOL_IN_GROUPS] and int(held[of == g].sum()) != row[cg.POOL_BYTES]:
            bad.append(f"cgroup {g}: {int(held[of == g].sum())} bytes in the backend, counted {row[cg.POOL_BYTES]}")
    return bad


def group_problems(a: Any, kind: np.ndarray) -> list[str]:
    """What is wrong with the groups, in words; a: sim.vm.Arrays, kind: of each frame."""
    of = a.frame_group if a.num[st.GROUPS] else np.zeros(len(kind), np.int32)
    bad = _lists(a, kind, of)
    return bad + _frames(a, kind, of) + _slots(a) if a.num[st.GROUPS] else bad
