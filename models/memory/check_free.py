"""Invariants of free memory: every free frame is in one block of the buddy allocator or on one per-CPU list, and what could merge has."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.memory import buddy, pcp
from models.memory import state as st
from models.vmstat import NR_FREE_PAGES


def _chains(a: Any, what: str, members: np.ndarray, group: np.ndarray, heads: np.ndarray, tails: np.ndarray) -> list[str]:
    """Members of a list name each other as neighbours, the first and the last are the list's; group: the list of each."""
    bad = []
    for name, ahead, back, ends in (("next", st.NEXT, st.PREV, tails), ("previous", st.PREV, st.NEXT, heads)):
        other = a.frame[members, ahead] - 1
        linked = other >= 0
        where = np.searchsorted(members, other[linked])
        known = members[np.minimum(where, len(members) - 1)] == other[linked] if linked.any() else np.zeros(0, bool)
        same = known & (group[np.minimum(where, max(len(members) - 1, 0))] == group[linked]) if linked.any() else known
        wrong = members[linked][~same | (a.frame[np.maximum(other[linked], 0), back] != members[linked] + 1)]
        if len(wrong):
            bad.append(f"{what}: frames whose {name} one does not name them: {wrong[:5].tolist()}")
        ended = np.full(len(ends), -1)
        ended[group[~linked]] = members[~linked]
        if (np.bincount(group[~linked], minlength=len(ends)) > 1).any() or (ended != ends - 1).any():
            bad.append(f"{what}: a list ends elsewhere than it says")
    return bad


def _blocks(a: Any, free: np.ndarray, heads: np.ndarray, zone: np.ndarray) -> list[str]:
    bad = []
    order = a.frame[heads, st.PAGE] - 1
    group = (zone[heads] * buddy.ORDERS + order) * st.TYPES + a.frame[heads, st.SLOT]
    if not np.array_equal(np.bincount(group, minlength=len(a.buddy)), a.buddy[:, buddy.BLOCKS]):
        bad.append("buddy: a list counts other blocks than it holds")
    bad += _chains(a, "buddy", heads, group, a.buddy[:, buddy.HEAD], a.buddy[:, buddy.TAIL])
    if (heads & ((1 << order) - 1)).any():
        bad.append("buddy: a free block does not begin at a multiple of its size")
    other = heads ^ (1 << order)
    apart = (order < buddy.LARGEST) & (other < len(free))
    other = np.where(apart, other, 0)
    twice = apart & free[other] & (a.frame[other, st.PAGE] == order + 1)
    if twice.any():
        bad.append(f"buddy: neighbours that should have merged: {heads[twice][:5].tolist()}")
    return bad


def free_problems(a: Any) -> list[str]:
    """What is wrong with free memory, in words; a: sim.vm.Arrays."""
    bad = []
    free = a.frame[:, st.FLAGS] == 0
    heads = np.flatnonzero(free & (a.frame[:, st.PAGE] > 0))
    size = 1 << (a.frame[heads, st.PAGE] - 1)
    zone = np.searchsorted(a.zone[:, st.END_FRAME], np.arange(len(free)), side="right")
    covered = np.zeros(len(free) + 1, np.int64)
    np.add.at(covered, heads, 1)
    np.add.at(covered, np.minimum(heads + size, len(free)), -1)
    covered = np.cumsum(covered[:-1])
    if (covered > 1).any() or (~free & (covered > 0)).any():
        bad.append("a frame is free twice, or free and in use")
    bad += _blocks(a, free, heads, zone)
    listed = np.flatnonzero(free & (covered == 0))
    group = zone[listed] * st.TYPES + a.frame[listed, st.SLOT]
    counts = a.pcp[:, pcp.LISTED : pcp.LISTED + st.TYPES]
    if not np.array_equal(np.bincount(group, minlength=counts.size), counts.ravel()) or (counts.sum(1) != a.pcp[:, pcp.COUNT]).any():
        bad.append("per-CPU lists: one counts other frames than it holds")
    ends = [a.pcp[:, end : end + st.TYPES].ravel() for end in (pcp.HEAD, pcp.TAIL)]
    bad += _chains(a, "per-CPU lists", listed, group, *ends)
    for z, row in enumerate(a.zone):
        held = int(size[zone[heads] == z].sum())
        if held != row[st.ZONE_FREE]:
            bad.append(f"zone {z}: counts {row[st.ZONE_FREE]} free frames, holds {held}")
    if a.vmstat[NR_FREE_PAGES] != a.zone[:, st.ZONE_FREE].sum():
        bad.append(f"nr_free_pages {a.vmstat[NR_FREE_PAGES]}, zones have {a.zone[:, st.ZONE_FREE].sum()}")
    if not np.isin(a.block, range(st.TYPES)).all():
        bad.append("a page block has no migrate type")
    return bad
