"""Where the simulator is known to be off and why, and what it is not asked to do.  Written by hand; the fidelity card prints it."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import NamedTuple

from sim.validate.judge import Cell


class Known(NamedTuple):
    """runs, counters: patterns (* and ?) of what it is about."""

    title: str
    runs: tuple[str, ...]
    counters: tuple[str, ...]
    why: str


KNOWN: tuple[Known, ...] = (
    Known(
        "The guest that stops reclaiming",
        ("X_minfree_default_zs_*",),
        ("*",),
        "With zswap and min_free_kbytes at the guest's own 1317 the measured guest scanned nothing more from page 20000 of the fill on "
        "and did not complete, six times out of six. Kernel and rig were not told apart, so no rule is taken from it, and the simulated "
        "guest goes on.",
    ),
    Known(
        "Guests that run out of memory",
        ("A_zram_uni_2", "A_zram_z08_2", "B_zram_k3072_*", "C_zram_zstd_z08_2"),
        ("*",),
        "The working set does not fit beside its own compressed copy; the guest was killed in its first phase. They have no figures "
        "that could be compared, only the outcome.",
    ),
)


def reason(cell: Cell, known: Sequence[Known] = KNOWN) -> str:
    """The title of the first entry that is about this figure, empty if none is."""
    for one in known:
        if any(fnmatch.fnmatchcase(cell.run, run) for run in one.runs) and any(
            fnmatch.fnmatchcase(cell.counter, counter) for counter in one.counters
        ):
            return one.title
    return ""
