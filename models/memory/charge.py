"""Frames that are charged to a memory cgroup: asked for by the process that is running, or for a slot that is some group's.

Linux takes the frame first and charges it then; here a group without room is noticed first, so that nothing has to be undone.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled
from models.memory import state as st
from models.memory.frames import ask_frame, user_frames, want_kswapd
from models.memory.groups import FORCED, charge, has_room
from models.memory.state import pages_t

RECLAIM_BATCH = 32  # SWAP_CLUSTER_MAX


@compiled(int64(pages_t, int64, int64))
def ask_for_group(pages, kind, g):
    """A frame of group g; -1 means reclaim: of group num[SHORT_GROUP], or of the machine if that is 0."""
    if g == 0:
        pages.num[st.SHORT_GROUP] = 0
        return ask_frame(pages, kind)
    if has_room(pages, g, 1) == 0:
        pages.num[st.SHORT_GROUP] = g
        return int64(-1)
    pages.num[st.SHORT_GROUP] = pages.num[st.MAKE_DO] = 0
    f = ask_frame(pages, kind)
    if f >= 0:
        charge(pages, g, f)
    return f


@compiled(void(pages_t, int64, int64))
def charge_anyway(pages, g, f):
    """Frame f, whose kind is set, is group g's, room or not: the zswap writer's, which reclaims or stands for one who does."""
    over = pages.num[st.OVER_HIGH]
    if g > 0:
        pages.cgroup[g, FORCED] += 1 - has_room(pages, g, 1)
        charge(pages, g, f)
    pages.num[st.OVER_HIGH] = over  # no task has to make up for it


@compiled(int64(pages_t, int64))
def ask_charged(pages, kind):
    """A frame of the running process's group."""
    return ask_for_group(pages, kind, pages.num[st.ACTING])


@compiled(int64(pages_t, int64, int64, int64))
def short_of(pages, g, n, reserve):
    """1 if the machine (above its min marks, `reserve` pages left) or group g has no room for n more pages: reclaim, of num[SHORT_GROUP].

    A group has to have room for a batch of reclaim at most: its pages are charged, and reclaimed for, one by one.
    """
    if user_frames(pages) < n + reserve:
        want_kswapd(pages)
        pages.num[st.SHORT_GROUP] = 0
        return 1
    wanted = 1 if pages.num[st.MAKE_DO] else min(n, RECLAIM_BATCH)
    if g > 0 and has_room(pages, g, wanted) == 0:
        pages.num[st.SHORT_GROUP] = g
        return 1
    return 0
