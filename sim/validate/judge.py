"""How far simulation and measurement are apart, and what of that the kernel itself does not repeat.

Error: simulated / measured - 1, `measured` being the mean of the repeats that were completed.  It counts as none where it is inside the
kernel's own spread: with repeats, where the simulated figure lies between the least and the greatest of them; without, where
it is no farther off than the repeats of other configurations are (half their range, median over those of the same family).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from sim.validate.counters import last_phase, whole_run
from sim.validate.measured import Measured
from sim.validate.runs import Configuration

JUDGED = (
    *("pgmajfault", "pswpin", "pswpout", "pgsteal", "workingset_refault_anon", "workingset_refault_file"),
    *("zswap_stored_pages", "zswap_pool_total_size", "zswpin", "zswpout", "zram_mem_used_total"),
)
BESIDE = ("pgscan", "pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct")  # reported, not judged
SHOWN = (  # in the table of a run
    *JUDGED[:4],
    *BESIDE,
    *("workingset_refault_anon", "workingset_refault_file", "workingset_activate_anon", "workingset_activate_file"),
    *("pgactivate", "allocstall", "zswpin", "zswpout", "zswpwb", "zswap_stored_pages", "zswap_pool_total_size"),
    *("zswap_same_filled_pages", "zswap_written_back_pages", "zswap_pool_limit_hit", "zswap_reject_compress_poor"),
    *("zswap_reject_compress_fail", "zswap_reject_alloc_fail", "zswap_reject_reclaim_fail", "zram_orig_data_size"),
    *("zram_compr_data_size", "zram_mem_used_total", "zram_mem_used_max", "zram_same_pages", "zram_huge_pages"),
)
ENOUGH = 1000  # a figure is judged where more was measured
FAMILIES = ("disk", "zs", "zbud", "z3f", "zram", "file", "mglru", "6.12")
MEDIAN, P90, WORST = 0.01, 0.06, 0.40  # the target
POOLS = {"zsmalloc": "zs", "z3fold": "z3f"}


class Cell(NamedTuple):
    """One figure of one configuration.

    simulated   None if the simulation does not give it
    low, high   what counts as no error: least and greatest of the repeats, or the measured figure less and plus what `basis` says
    basis       "repeats", "family" (other configurations of the family), "all" (of all families), "none" (no configuration has repeats)
    """

    run: str
    family: str
    counter: str
    measured: float
    simulated: float | None
    low: float
    high: float
    repeats: int
    basis: str

    @property
    def error(self) -> float | None:
        """simulated / measured - 1; None where nothing was measured but something was simulated, or the other way round."""
        if self.simulated is None:
            return None
        if self.measured == 0:
            return 0.0 if self.simulated == 0 else None
        return self.simulated / self.measured - 1

    @property
    def inside(self) -> bool:
        """Whether the error is inside the kernel's own spread."""
        return self.simulated is not None and self.low <= self.simulated <= self.high

    @property
    def spread(self) -> float:
        """Half the kernel's own range, as a share of the measured figure."""
        return (self.high - self.low) / 2 / abs(self.measured) if self.measured else 0.0

    @property
    def raw(self) -> float:
        """The error without its sign; what is not simulated is wholly wrong."""
        return 1.0 if self.error is None else abs(self.error)

    @property
    def counted(self) -> float:
        """The same, none inside the kernel's own spread."""
        return 0.0 if self.inside else self.raw

    @property
    def judged(self) -> bool:
        return self.counter.removeprefix("L_") in JUDGED and self.measured > ENOUGH


class Summary(NamedTuple):
    """Of errors without their signs: median, 90th percentile and worst, with the run that has the worst."""

    name: str
    n: int
    median: float
    p90: float
    worst: float
    worst_at: str
    raw_median: float
    raw_p90: float
    raw_worst: float

    @property
    def targets(self) -> list[tuple[str, float, float, bool]]:
        """(what, limit, found, met) for the three figures of the target."""
        found = (("median", MEDIAN, self.median), ("90th percentile", P90, self.p90), ("worst", WORST, self.worst))
        return [(name, limit, value, value <= limit) for name, limit, value in found]


# ---------------------------------------------------------------- figures of runs


def family_of(run: Measured) -> str:
    """What a run is a test of, the newest part first: kernel, policy, files, backend."""
    config = run.config
    if run.kernel == "k612":
        return "6.12"
    if config["LRUGEN"]:
        return "mglru"
    files = next((word[5:] for word in run.workload["globals"] if word.startswith("file=")), "0")
    if files not in ("", "0"):
        return "file"
    backend: str = config["BACKEND"]
    return POOLS.get(config["ZPOOL"], config["ZPOOL"]) if backend == "zswap" else backend


def measured_figures(run: Measured, last: bool = False) -> dict[str, float]:
    """The figures of a completed run; last: of its last phase only."""
    final = run.phases[-1]
    return last_phase(final.before, final.after) if last else whole_run(run.start, final.after)


def simulated_figures(snapshots: Sequence[Mapping[str, float]], last: bool = False) -> dict[str, float]:
    """The same of a simulation: snapshots before the first phase and after each."""
    return last_phase(snapshots[-2], snapshots[-1]) if last else whole_run(snapshots[0], snapshots[-1])


def cells_of(
    configurations: Iterable[Configuration], simulated: Mapping[str, Sequence[Mapping[str, float]]], last: bool = False
) -> list[Cell]:
    """All figures of the configurations that completed.

    simulated  snapshots by configuration; one that is missing, or has too few snapshots, is of no simulated figure
    """
    found: list[Cell] = []
    for one in configurations:
        runs = one.completed
        if not runs:
            continue
        snapshots = simulated.get(one.name, ())
        figures = simulated_figures(snapshots, last) if len(snapshots) == len(runs[0].phases) + 1 else {}
        found += _cells(one.name, [measured_figures(run, last) for run in runs], figures, family_of(runs[0]))
    return _with_noise_floor(found)


def _cells(name: str, measured: Sequence[Mapping[str, float]], simulated: Mapping[str, float], family: str) -> list[Cell]:
    cells = []
    for counter in measured[0]:
        values = [figures[counter] for figures in measured if counter in figures]
        if counter in simulated or counter.removeprefix("L_") in JUDGED:
            mean = math.fsum(values) / len(values)
            basis = "repeats" if len(values) > 1 else ""
            cells.append(Cell(name, family, counter, mean, simulated.get(counter), min(values), max(values), len(values), basis))
    return cells


def _with_noise_floor(cells: Sequence[Cell]) -> list[Cell]:
    """Configurations without repeats get the spread that those with repeats have, by counter and family."""
    repeated = [cell for cell in cells if cell.basis == "repeats" and cell.measured]
    by_family = _halves(repeated, lambda cell: (cell.family, cell.counter))
    by_counter = _halves(repeated, lambda cell: ("", cell.counter))

    def widened(cell: Cell) -> Cell:
        if cell.basis:
            return cell
        for basis, found in (("family", by_family.get((cell.family, cell.counter))), ("all", by_counter.get(("", cell.counter)))):
            if found is not None:
                half = found * abs(cell.measured)
                return cell._replace(low=cell.measured - half, high=cell.measured + half, basis=basis)
        return cell._replace(basis="none")

    return [widened(cell) for cell in cells]


def _halves(cells: Iterable[Cell], key: Callable[[Cell], tuple[str, str]]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], list[float]] = {}
    for cell in cells:
        found.setdefault(key(cell), []).append(cell.spread)
    return {name: median(values) for name, values in found.items()}


# ---------------------------------------------------------------- over many


def quantile(values: Sequence[float], share: float) -> float:
    """Linear between the two nearest (NumPy's default)."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def summary(name: str, cells: Sequence[Cell]) -> Summary | None:
    """None without cells."""
    if not cells:
        return None
    counted, raw = [cell.counted for cell in cells], [cell.raw for cell in cells]
    worst = max(cells, key=lambda cell: (cell.counted, cell.raw))
    return Summary(
        name, len(cells), median(counted), quantile(counted, 0.9), worst.counted, worst.run, median(raw), quantile(raw, 0.9), max(raw)
    )


def summaries(cells: Iterable[Cell], key: Callable[[Cell], str], order: Sequence[str]) -> list[Summary]:
    """A summary for each value of `key`, those of `order` first."""
    groups: dict[str, list[Cell]] = {name: [] for name in order}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return [found for name, group in groups.items() if (found := summary(name, group)) is not None]


def judged(cells: Iterable[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.judged]


def beside(cells: Iterable[Cell]) -> list[Cell]:
    """What is reported beside the judged figures, where as much was measured."""
    return [cell for cell in cells if cell.counter.removeprefix("L_") in BESIDE and cell.measured > ENOUGH]


def misses(cells: Iterable[Cell], most: int = 20) -> list[Cell]:
    """The judged figures that are farthest off, among those that are off at all; of runs that were simulated."""
    candidates = judged(cells)
    there = {cell.run for cell in candidates if cell.simulated is not None}
    off = [cell for cell in candidates if cell.counted > 0 and cell.run in there]
    return sorted(off, key=lambda cell: (-cell.counted, cell.run, cell.counter))[:most]
