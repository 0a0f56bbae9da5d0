"""A validation as data: what was measured, what was simulated, and the figures made from both.  Everything printed is made from this."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sim.validate.judge import (
    BESIDE,
    FAMILIES,
    JUDGED,
    Cell,
    Summary,
    beside,
    cells_of,
    judged,
    misses,
    summaries,
    summary,
)
from sim.validate.measured import OOM_KILLED
from sim.validate.runs import Configuration, Folder
from sim.validate.simulations import Simulated


class Ended(NamedTuple):
    """Configurations that did not complete, in the guest or in the simulation, for one reason: how far each came and how it ended."""

    runs: list[str]
    measured: str
    simulated: str


class Outcome(NamedTuple):
    """cells: of the whole run;  last: of the last phase, empty if not asked for."""

    folder: Folder
    simulated: Simulated
    cells: list[Cell]
    last: list[Cell]
    seconds: float

    @property
    def judged(self) -> list[Cell]:
        return judged(self.cells)

    @property
    def all(self) -> Summary | None:
        return summary("all", self.judged)

    @property
    def families(self) -> list[Summary]:
        return summaries(self.judged, lambda cell: cell.family, FAMILIES)

    @property
    def counters(self) -> list[Summary]:
        return summaries(self.judged, lambda cell: cell.counter, JUDGED)

    @property
    def beside(self) -> list[Summary]:
        return summaries(beside(self.cells), lambda cell: cell.counter, BESIDE)

    @property
    def misses(self) -> list[Cell]:
        return misses(self.cells)

    @property
    def completed(self) -> list[Configuration]:
        return [one for one in self.folder.configurations if one.completed]

    @property
    def ended(self) -> list[Ended]:
        """What did not complete on one of both sides, by how it ended."""
        found: dict[tuple[str, str], Ended] = {}
        for one in self.folder.configurations:
            simulated, over = _simulated(one, self.simulated)
            if not one.completed or not over:
                how = (_measured(one), simulated)
                found.setdefault(how, Ended([], *how)).runs.append(one.name)
        return list(found.values())

    @property
    def faster(self) -> list[float]:
        """How many times faster than its guest each simulation was, in real time, where the guest's is known."""
        pairs = [(one.simulated.wall_s, self.simulated.found.get(one.name)) for one in self.completed]
        return sorted(wall / found.seconds for wall, found in pairs if wall and found and not found.error and found.seconds)


def _measured(one: Configuration) -> str:
    run = one.simulated
    if run.done:
        return "completed"
    phase = f"in phase {len(run.phases) + 1} of {len(run.workload['phases'])}"
    return f"killed for lack of memory {phase}" if run.rc == OOM_KILLED else f"gave up {phase}"


def _simulated(one: Configuration, simulated: Simulated) -> tuple[str, bool]:
    """How the simulation ended, and whether it came to the end of the last phase."""
    found = simulated.found.get(one.name)
    if found is None:
        return ("not reached" if simulated.stopped and one.simulated.document["phases"] else "no snapshot to start from"), False
    if found.error:
        return f"failed: {found.error}", False
    wanted = len(one.simulated.document["phases"])
    done = len(found.snapshots) - 1
    if done < wanted:
        return f"killed in phase {done + 1}", False
    return ("completed" if one.simulated.done else f"came to the end of phase {wanted}, and no farther was asked for"), True


def outcome_of(folder: Folder, simulated: Simulated, last: bool, seconds: float) -> Outcome:
    """Compare what was simulated with what was measured; configurations that were not reached are left out."""
    known = [one for one in folder.configurations if one.name in simulated.found]
    cells = cells_of(known, simulated.snapshots)
    return Outcome(folder, simulated, cells, cells_of(known, simulated.snapshots, last=True) if last else [], seconds)


def records(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """What --json writes; `simulated` is null where the simulation has no such figure."""
    return [
        {"run": cell.run, "counter": cell.counter, "measured": _plain(cell.measured), "simulated": _plain(cell.simulated)} for cell in cells
    ]


def _plain(value: float | None) -> float | int | None:
    return int(value) if value is not None and float(value).is_integer() else value


def json_of(cells: Sequence[Cell]) -> str:
    """The same as text, a record a line."""
    lines = ",\n ".join(json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records(cells))
    return f"[{lines}]\n"
