"""All configurations simulated, a few at a time; one that fails costs only itself."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from models.errors import InputError
from sim.progress import Reporter
from sim.validate.runs import Configuration
from sim.workers import Report, run_jobs

Counters = Mapping[str, float]


class HasSnapshots(Protocol):
    """What a simulation returns: counters before the first phase and after each; and where they were asked for, in between."""

    @property
    def snapshots(self) -> list[dict[str, float]]: ...

    @property
    def samples(self) -> list[tuple[int, int, dict[str, float]]]: ...


Simulate = Callable[[Mapping[str, Any], int], HasSnapshots]  # of a run's contents, and how many accesses apart samples are (0: none)


class Found(NamedTuple):
    """The simulation of a configuration: its snapshots, or in `error` why there are none; real seconds that it took."""

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


def simulate_all(configurations: Sequence[Configuration], simulate: Simulate, jobs: int | None, shown: Reporter) -> Simulated:
    """Simulate each configuration once, in `jobs` processes at most (default: one a core).  Ctrl-C keeps what is done."""
    todo = [one for one in configurations if one.simulated.document["phases"]]
    found: dict[str, Found] = {}
    shown.start("validate", len(todo))
    try:
        for _, one in run_jobs(partial(attempt, simulate), [(one.name, one.simulated.document) for one in todo], jobs):
            found[one.name] = one
            if one.error:
                shown.failed(len(found) - 1)
                shown.note(f"{one.name}: {one.error}")
            else:
                shown.finished(len(found) - 1, 0.0, _accesses(todo, one.name))
    except KeyboardInterrupt:
        return Simulated(found, True)
    finally:
        shown.close()
    return Simulated(found, False)


def attempt(simulate: Simulate, job: tuple[str, Mapping[str, Any]], _report: Report) -> Found:
    """One simulation; a failure is told, not raised."""
    name, document = job
    started = time.monotonic()
    snapshots: list[dict[str, float]] = []
    error = ""
    try:
        snapshots = list(simulate(document, 0).snapshots)
    except InputError as wrong:
        error = str(wrong)
    except Exception as wrong:
        where = traceback.extract_tb(wrong.__traceback__)[-1]
        error = f"{type(wrong).__name__}: {wrong} ({where.filename.rpartition('/')[2]}:{where.lineno})"
    return Found(name, snapshots, "; ".join(error.splitlines()), time.monotonic() - started)


def _accesses(configurations: Sequence[Configuration], name: str) -> int:
    run = next(one.simulated for one in configurations if one.name == name)
    return sum(phase.n for phase in run.phases)
