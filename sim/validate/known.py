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
        "With zswap and min_free_kbytes at the guest's own 1317 the measured guest scanned nothing more from page 20000 of the "
        "fill on and did not complete, six times out of six. Kernel and rig were not told apart, so no rule is taken from it, and"
        " the simulated guest goes on.",
    ),
    Known(
        "zswap of 6.12",
        ("K612_*_zs_*", "K612_*_zbud_*"),
        ("*",),
        "The pool's worker writes back beside the load, so who runs when decides what is in the pool, and the guests' repeats "
        "differ as much as we from them. What helped: 6.12's scheduler (EEVDF) for all who compute, which alone halved the "
        "errors. Not understood: under the multi-generational LRU a second round of writing back begins with hundreds of refusals"
        " as if all new entries had been looked at first, on the two lists with one.",
    ),
    Known(
        "Refaults of 6.12 under the multi-generational LRU",
        ("K612_lg7_*",),
        ("workingset_refault_anon",),
        "A refault is counted only where the shadow is still there. Nodes of the swap cache that hold nothing but shadows go in "
        "passes of priority 3 and below, and only before the first flush of the statistics of cgroups, after which the shrinker "
        "allows for thousands. The guest's one long run of kswapd came before that flush, ours comes after it.",
    ),
    Known(
        "Mapped files and the page blocks of the DMA zone",
        ("*F_disk_*mmap*",),
        ("*",),
        "Whether unmovable page cache gets the DMA zone's page blocks early or late decides whether kswapd reclaims for that zone"
        " again and again: two regimes, and the simulated guest is at times in the other one. It hangs on where free memory lies "
        "in the page blocks at the start, which no run records, so an arrangement was fitted (SCATTERED).",
    ),
    Known(
        "Few swapped pages beside many of files",
        ("H_compile_*", "F_*_sw60_read", "G_mglru_F_disk_sw60_read"),
        ("pswp*", "zswp*", "zswap_*", "zram_*", "pgsteal"),
        "Two or three short rounds of reclaim swap all there is, some hundred pages each: those in which kswapd is awake for the "
        "DMA zone, or a zone is boosted. One round more or less is half the figure. Between repeats of a guest such counters vary"
        " by 15 to 50 %; most of these configurations were measured once. In F_zram_sw60_read the guest has two such rounds and a"
        " direct reclaim of 703 pages, here they are five; in G_mglru_F_disk_sw60_read one boost to 1989 pages swaps 3000 pages, "
        "which here never comes; in H_compile_z3f the first round steals 730 pages, there about 340.",
    ),
    Known(
        "How far the first boosts go",
        ("B_zs_k1024_*", "B_zs_kmixed_*", "B_zbud_k4096_*"),
        ("*",),
        "The first watermark boost comes when it should, but the guests' DMA32 zone is then boosted to 1536 (in a repetition to "
        "1024) pages, ours to 512: the first page block that is taken from another type gives about 350 frames here and seems to "
        "give few there. How its frames lie is not recorded.",
    ),
    Known(
        "Guests that run out of memory",
        ("A_zram_uni_2", "A_zram_z08_2", "B_zram_k3072_*", "C_zram_zstd_z08_2"),
        ("*",),
        "The working set does not fit beside its own compressed copy; the guest was killed in its first phase. They have no "
        "figures that could be compared, only the outcome.",
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
