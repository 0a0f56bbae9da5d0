"""What is simulated: cases, and the units of work that they are made of."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sim.results import Identity, Replication
from sim.workers import Report, attempt

Simulate = Callable[..., Replication]


class Case(NamedTuple):
    """One case ready to run: its name, its labels (key -> value as written in the sweep), configuration and identity."""

    name: str
    labels: dict[str, Any]
    config: Any
    identity: Identity


class Unit(NamedTuple):
    """One replication of one case: a piece of work that any worker can do."""

    simulate: Simulate
    config: Any
    replication: int
    check: int = 0
    trace: Path | None = None


class Answer(NamedTuple):
    """How a unit ended (sim.workers.RESULT, USER_ERROR, FAILURE), with what, and after how many seconds of a worker's time."""

    kind: int
    value: Any
    seconds: float


class Failure(NamedTuple):
    """Why a case has no results.

    replication  the first that failed
    message      one line or more;  detail: a traceback, or empty
    key          the configuration's key that is to blame, if `of_user`
    of_user      whether the input is wrong, as opposed to the program
    """

    replication: int
    message: str
    detail: str = ""
    key: str = ""
    of_user: bool = False


class Finished(NamedTuple):
    """A case that is over: all its replications, or a failure; seconds of workers' time."""

    case: Case
    replications: list[Replication]
    failure: Failure | None
    seconds: float


def _simulate(unit: Unit, report: Report) -> Replication:
    return unit.simulate(unit.config, unit.replication, check=unit.check, trace=unit.trace, progress=report)


def do_unit(unit: Unit) -> Answer:
    """Simulate, in whatever process this is; never raises."""
    started = time.perf_counter()
    kind, value = attempt(_simulate, unit)
    gc.collect()  # a VM's actors and arrays refer to each other: many small VMs would wait for the collector together
    return Answer(kind, value, time.perf_counter() - started)
