"""The policy contract: what a page-reclaim policy offers to the engine.

All functions but `create` are compiled.  The engine isolates candidates, asks `check` about each, writes out and frees what may
go, and puts back the rest.  A page's hardware accessed bit is in its pte: a policy sees it when it looks, as in the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class PolicyModule(NamedTuple):
    """What a policy module offers.

    create(frames, **options) -> (table int32 2-D, head int32[], num int64[])   plain Python; perhaps a models.cache.held.Held.  It may have
                                                   the arguments  lruvecs: sets of lists, the root's and one a memory cgroup
                                                   (models.memory.groups.lruvec_of a frame, ctx[X_LRUVEC] of a pass); one without it
                                                   cannot be used with cgroups;  places: virtual and file pages that there can be
    insert(policy, pages, frame, shadow) -> 0      a page that just got a frame; shadow: what `evicted` once gave (below 2^31), from
                                                   bit 32 on the lruvec of num[AGE_LRUVEC] then; or -1
    remove(policy, pages, frame) -> 0              off the lists: unmapped, freed
    check(policy, pages, frame) -> verdict         of an isolated page: KEEP, ACTIVATE, RECLAIM_IT or, if clean, RECLAIM_CLEAN
    evicted(policy, pages, frame) -> shadow >= 0   the page is being freed by reclaim, of lruvec num[AGE_LRUVEC] and below; it may
                                                   set that to what its shadow is of
    putback(policy, pages, frame, verdict) -> 0    an isolated page stays; ROTATE: a listed page is to go first
    begin(policy, pages, ctx) -> 0                 a reclaim pass at ctx[X_PRIORITY] begins
    isolate(policy, pages, ctx) -> n               up to 64 candidates into pages.window; 0: only aging was done; -1: pass over.
                                                   ctx[X_AGED] = pages moved by aging in this call
    age(policy, pages, ctx) -> n                   background aging by kswapd; ctx[X_OOM] = 1: kill a process
    finish(policy, pages, ctx) -> 0                a reclaimer's run is over
    accessed(policy, pages, frame) -> 0            a system call used the page, or a mapping that was young went away
    problems(what create gave, arrays) -> [text]   plain Python: what is wrong with its lists; without it, pages are active by their flag
    """

    create: Callable[..., tuple[Any, ...]]
    insert: Any
    remove: Any
    check: Any
    evicted: Any
    putback: Any
    begin: Any
    isolate: Any
    age: Any
    finish: Any
    accessed: Any
    problems: Callable[[tuple[Any, ...], Any], list[str]] | None = None
