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
        "zswap of 6.12",
        ("K612_*_zs_*", "K612_*_zbud_*"),
        ("*",),
        "The pool's worker writes back beside the load, so who runs when decides what is in the pool. Its scheduling is modelled "
        "after EEVDF, that "
        "of kswapd and of the tasks is not. After the fill the guests reclaim far more directly than we do (K612_lg0_zs_uni_1.5: "
        "4634 pages of the "
        "last phase scanned so, here 290), probably the worker for the frames that it needs; that was not tested.",
    ),
    Known(
        "Mapped files and the page blocks of the DMA zone",
        ("*F_disk_*mmap*",),
        ("*",),
        "Whether unmovable page cache gets the DMA zone's page blocks early or late decides whether kswapd reclaims for that zone"
        " again and again: "
        "two regimes, and the simulated guest is at times in the other one. It hangs on where free memory lies in the page blocks"
        " at the start, "
        "which no run records, so an arrangement was fitted (SCATTERED).",
    ),
    Known(
        "How far the first boosts go",
        ("B_zs_k1024_*", "B_zs_kmixed_*", "B_zbud_k4096_*"),
        ("*",),
        "The first watermark boost comes when it should, but the guests' DMA32 zone is then boosted to 1536 (in a repetition to "
        "1024) pages, ours to 512: the "
        "first page block that is taken from another type gives about 350 frames here and seems to give few there. How its frames"
        " lie is not recorded.",
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
