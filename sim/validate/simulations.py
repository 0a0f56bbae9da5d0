"""All configurations simulated, a few at a time; one that fails costs only itself.

Each is simulated from several starts: a run's first snapshot does not say all (how many more tree nodes fit into the kernel's slab pages,
for one), and where reclaim hangs on single page blocks one node decides.  The mean of the starts is compared, as that of the repeats is.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from models.errors import InputError
from sim.progress import Reporter
from sim.validate.runs import Configuration
from sim.workers import Report, run_jobs

Counters = Mapping[str, float]
STARTS = 5  # simulations of a configuration


class HasSnapshots(Protocol):
    """What a simulation returns: counters before the first phase and after each; and where they were asked for, in between."""

    @property
    def snapshots(self) -> list[dict[str, float]]: ...

    @property
    def samples(self) -> list[tuple[int, int, dict[str, float]]]: ...


# of a run's contents, how many accesses apart samples are (0: none), and how many tree nodes the slab pages have room for at the start
Simulate = Callable[[Mapping[str, Any], int, int], HasSnapshots]


class Found(NamedTuple):
    """The simulation of a configuration: its snapshots, or in `error` why there are none; real seconds that one start took."""

    name: str
    snapshots: list[dict[str, float]]
    error: str
    seconds: float


class Simulated(NamedTuple):
    """What could be simulated, by name.  stopped: somebody pressed Ctrl-C, and the others were not reached."""

    found: dict[str, Found]
    stopped: bool

    @property
    def snapshots(self) -> dict[str, Sequence[Counters]]:
        return {name: one.snapshots for name, one in self.found.items()}


def simulate_all(
    configurations: Sequence[Configuration], simulate: Simulate, jobs: int | None, shown: Reporter, starts: int = STARTS
) -> Simulated:
    """Simulate each configuration from so many starts, in `jobs` processes at most (default: one a core).  Ctrl-C keeps what is done."""
    todo = {one.name: one for one in configurations if one.simulated.document["phases"]}
    tasks = [(name, start, one.simulated.document) for name, one in todo.items() for start in range(starts)]
    made: dict[str, list[Found]] = {name: [] for name in todo}
    found: dict[str, Found] = {}
    shown.start("validate", len(todo))
    try:
        for _, one in run_jobs(partial(attempt, simulate), tasks, jobs):
            made[one.name].append(one)
            if len(made[one.name]) < starts:
                continue
            found[one.name] = over = mean_of(made[one.name])
            if over.error:
                shown.failed(len(found) - 1)
                shown.note(f"{over.name}: {over.error}")
            else:
                shown.finished(len(found) - 1, 0.0, sum(phase.n for phase in todo[over.name].simulated.phases))
    except KeyboardInterrupt:
        return Simulated(found, True)
    finally:
        shown.close()
    return Simulated(found, False)


def mean_of(starts: Sequence[Found]) -> Found:
    """The mean snapshots of a configuration's starts; of those that came as far as most did, the farther in a tie."""
    wrong = next((one for one in starts if one.error), None)
    if wrong is not None:
        return wrong
    reached = Counter(len(one.snapshots) for one in starts)
    most = max(reached, key=lambda length: (reached[length], length))
    alike = [one.snapshots for one in starts if len(one.snapshots) == most]
    snapshots = [{key: sum(one[k][key] for one in alike) / len(alike) for key in alike[0][k]} for k in range(most)]
    return Found(starts[0].name, snapshots, "", sum(one.seconds for one in starts) / len(starts))


def attempt(simulate: Simulate, job: tuple[str, int, Mapping[str, Any]], _report: Report) -> Found:
    """One simulation; a failure is told, not raised."""
    name, start, document = job
    started = time.monotonic()
    snapshots: list[dict[str, float]] = []
    error = ""
    try:
        snapshots = list(simulate(document, 0, start).snapshots)
    except InputError as wrong:
        error = str(wrong)
    except Exception as wrong:
        where = traceback.extract_tb(wrong.__traceback__)[-1]
        error = f"{type(wrong).__name__}: {wrong} ({where.filename.rpartition('/')[2]}:{where.lineno})"
    return Found(name, snapshots, "; ".join(error.splitlines()), time.monotonic() - started)
