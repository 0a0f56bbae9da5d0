"""The candidates of a tuning: samples of the keys that may move, and the configuration as it stands.

The keys are read as those of a sweep's Latin hypercube (or of its grid, if they are lists of few values), so whatever may be swept may
be tuned, and what is wrong is told in the same words.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from sim.config.expand import Known, design_of, expand
from sim.config.load import load, read
from sim.config.problems import Path, Problem, nearest, show
from sim.config.schema import Config, Tune
from sim.config.tree import Node, plain, without
from sim.errors import UserError
from sim.fleet.figures import DERIVED, known
from sim.metrics import METRICS, describe

BASELINE = "as it stands"
FINALISTS = 3


class Candidate(NamedTuple):
    """Settings to try: a name, the keys that it sets as text, and its configuration."""

    name: str
    labels: dict[str, str]
    config: Config


class Study(NamedTuple):
    """What is to be tuned.

    config, tune  the configuration as written, and its section
    candidates    the first is the configuration as it stands
    rungs         replications at which the worse half is dropped
    ends          numeric keys -> (low, high) as text
    """

    config: Config
    tune: Tune
    candidates: list[Candidate]
    rungs: list[int]
    ends: dict[str, tuple[str, str]]


def rungs_of(first: int, most: int) -> list[int]:
    """first, twice as many, ... and `most`."""
    found = [first]
    while 2 * found[-1] < most:
        found.append(2 * found[-1])
    return found if found[-1] == most else [*found, most]


def survivors(count: int, rung: int, rungs: int) -> int:
    """How many candidates, the baseline not counted, are left after a rung: half, but all finalists; after the last one the finalists."""
    return min(count, FINALISTS if rung == rungs - 1 else max(FINALISTS, math.ceil(count / 2)))


def cost(count: int, rungs: Sequence[int]) -> int:
    """Simulations that so many candidates take, with the baseline everywhere and fresh replications for the finalists."""
    total, before, alive = 0, 0, count
    for number, replications in enumerate(rungs):
        total += (alive + 1) * (replications - before)
        before, alive = replications, survivors(alive, number, len(rungs))
    return total + (alive + 1) * rungs[-1]


def affordable(budget: int, rungs: Sequence[int]) -> int:
    """The most candidates for a budget; 0 if it does not reach for two."""
    count = 1
    while cost(count + 1, rungs) <= budget:
        count += 1
    return count if count > 1 else 0


def _design(tune: Tune, section: Node, count: int) -> Node:
    """The keys as a sweep: a grid if that is no more than `count` candidates, else so many samples."""
    keys = section.value["keys"]
    lists = [node.value for node in keys.value.values()]
    grid = all(isinstance(values, list) for values in lists) and math.prod(len(values) for values in lists) <= count
    at = keys.at
    if grid:
        blocks = {"grid": keys}
    else:
        inner = {"samples": Node(count, at), "keys": keys}
        blocks = {"lhs": Node(inner, at, dict.fromkeys(inner, at))}
    for name in ("when", "unless"):
        if name in section.value:
            blocks[name] = section.value[name]
    return Node(blocks, at, {name: section.keys.get(name, at) for name in blocks})


def load_study(path: str | os.PathLike[str], sets: Sequence[str] = (), budget: int | None = None) -> Study:
    """Read a file with a `tune:` section and make its candidates.  Raises UserError with everything that is wrong."""
    loaded = load(path, sets)
    config = loaded.config
    if config.tune is None:
        raise UserError(f"{os.fspath(path)}: found no `tune:` section; expected one with `objective` and `keys` (docs/tune.md)")
    if config.sweep is not None or config.fleet is not None:
        raise UserError(f"{os.fspath(path)}: found a sweep or a fleet beside `tune:`; expected one of them; try --set sweep=null")
    root, report, fixed = read(path, sets)
    tune = config.tune
    rungs = rungs_of(tune.first, tune.most)
    count = affordable(budget or tune.budget, rungs)
    if not count:
        raise UserError(
            f"tune.budget: found {budget or tune.budget}; expected at least {cost(2, rungs)} simulations for {rungs[-1]} replications"
        )
    report.problems(root, _figures(tune))
    report.raise_if_any()
    section = root.value["tune"]
    node = _design(tune, section, count)
    context = {"yaml": True}
    base = config.model_copy(update={"replications": 1})
    stem = without(root, ["tune", "sensitivity"])
    design = design_of(stem, node, base, context)
    cases = expand(stem, node, design, report, fixed, context, Known())
    for key, text in list(report.lines):  # the section is read as a sweep, and is none
        report.lines.pop((key, text))
        report.add(
            key,
            text.replace("sweep.lhs.", "tune.")
            .replace("sweep.grid.", "tune.keys.")
            .replace("the sweep", "the tuning")
            .replace("sweep: ", "tune: "),
        )
    report.raise_if_any()
    if not cases:
        raise UserError(f"{section.at}: tune: its conditions leave no candidate")
    ends = {}
    for key, value in section.value["keys"].value.items():
        if isinstance(value.value, dict):
            found: Any = plain(value)
            ends[key] = (str(found["low"]), str(found["high"]))
    first = Candidate(BASELINE, {}, without_sections(config))
    return Study(config, tune, [first, *(Candidate(c.name, c.labels, without_sections(c.config)) for c in cases)], rungs, ends)


def _figures(tune: Tune) -> list[Problem]:
    """Figures that are none, and weights that ask for the worst."""
    found = []
    places: list[tuple[Path, str]] = [(("tune", "objective", name), name) for name in tune.objective]
    places += [(("tune", "pareto", index), name) for index, name in enumerate(tune.pareto)]
    for place, name in places:
        if not known(name):
            words = "the name of a figure in run.json, or " + ", ".join(DERIVED)
            found.append(Problem(place, show(name), words, nearest(name, [*DERIVED, *METRICS]), at_key=True))
    for name, weight in tune.objective.items():
        if (weight > 0 and describe(name).higher_is == "better") or (weight < 0 and describe(name).higher_is == "worse"):
            more = "more of it is better" if weight > 0 else "less of it is better"
            found.append(Problem(("tune", "objective", name), show(weight), f"the other sign: {more}, and less of the sum is wanted"))
    return found


def without_sections(config: Config) -> Config:
    """The configuration alone."""
    return config.model_copy(update={"tune": None, "sensitivity": None})


def described(path: str, sets: Sequence[str], shown: int = 5) -> list[str]:
    """What `check` says of a tuning: its first candidates and what it costs.  Raises UserError for anything wrong with any of them."""
    study = load_study(path, sets)
    lines = [""]
    for one in study.candidates[1 : shown + 1]:
        lines.append(f"candidate {one.name}  " + ", ".join(f"{key}={text}" for key, text in one.labels.items()))
    count = len(study.candidates) - 1
    if count > shown:
        lines.append(f"          ... and {count - shown} more")
    lines.append(f"{count} candidates, {cost(count, study.rungs)} simulations at most: nothing wrong")
    return lines
