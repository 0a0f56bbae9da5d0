"""Replications of cases that are not complete yet, kept on disk as they come, so that a killed run loses those in flight at most.

`OUT/.replications/ID/N.json`: replication N of the run with that ID.  The ID says configuration, inputs and version, so what is found
there is what would be simulated.  JSON has every float exactly (as repr) and NaN as Python writes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

from sim.errors import UserError
from sim.results import Histogram, Replication, TaskResult

FOLDER = ".replications"


class Kept:
    """The replications kept below a folder of results.

    everything  also that one which completes a case: for callers that keep no run folders
    """

    def __init__(self, out: Path, everything: bool = False) -> None:
        self.root = out / FOLDER
        self.everything = everything

    def load(self, run_id: str) -> dict[int, Replication]:
        """The replications of a run that are there; what cannot be read counts as not there."""
        found = {}
        folder = self.root / run_id
        try:
            names = os.listdir(folder)
        except OSError:
            return {}
        for name in names:
            number, dot, rest = name.partition(".")
            if number.isdecimal() and dot and rest == "json":
                with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                    found[int(number)] = _replication((folder / name).read_text(encoding="utf-8"))
        return found

    def save(self, run_id: str, number: int, replication: Replication) -> None:
        """Keep a replication: whole or not at all."""
        folder = self.root / run_id
        partial = folder / f"{number}.partial-{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(replication), encoding="utf-8")
            partial.replace(folder / f"{number}.json")
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise UserError(f"{folder}: replication {number} could not be kept: {error.strerror}; what is there already stays") from None

    def drop(self, run_id: str) -> None:
        """Forget a run's replications: it is complete."""
        shutil.rmtree(self.root / run_id, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.root.rmdir()  # once it is empty


def _replication(text: str) -> Replication:
    found = Replication(*json.loads(text))
    histograms = {name: Histogram(*value) for name, value in found.histograms.items()}
    return found._replace(histograms=histograms, tasks=[TaskResult(*task) for task in found.tasks])
