"""The candidates of a tuning: samples of the keys that may move, and the configuration as it stands.

The keys are read as those of a sweep's Latin hypercube (or of its grid, if they are lists of few values), so whatever may be swept may
be tuned, and what is wrong is told in the same words.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sim.config.checks import missing_owner
from sim.config.expand import Known, design_of, expand
from sim.config.load import load, read
from sim.config.problems import Path, Problem, nearest, show
from sim.config.report import Report
from sim.config.schema import Config, Tune
from sim.config.tree import Node, Where, plain, without
from sim.errors import UserError
from sim.fleet.figures import DERIVED, known, metric
from sim.metrics import METRICS
from sim.tune.conditional import apart, thin_out

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


def _design(tune: Tune, section: Node, keys: Node, count: int) -> Node:
    """The keys as a sweep: a grid if that is no more than `count` candidates, else so many samples of `keys`, which have no conditions."""
    lists = [node.value for node in keys.value.values()]
    at = keys.at
    if all(isinstance(values, list) for values in lists) and math.prod(len(values) for values in lists) <= count:
        blocks = {"grid": section.value["keys"]}
    else:
        inner = {"samples": Node(count, at), "keys": keys}
        blocks = {"lhs": Node(inner, at, dict.fromkeys(inner, at))}
    for name in ("when", "unless"):
        if name in section.value:
            blocks[name] = section.value[name]
    return Node(blocks, at, {name: section.keys.get(name, at) for name in blocks})


def _read(path: str | os.PathLike[str], sets: Sequence[str]) -> tuple[Config, Tune, Node, Report, list[tuple[Where, str, Path]]]:
    """The configuration, its section, and its tree.  Raises UserError."""
    config = load(path, sets).config
    if config.tune is None:
        raise UserError(f"{os.fspath(path)}: found no `tune:` section; expected one with `objective` and `keys` (docs/tune.md)")
    root, report, fixed = read(path, sets)
    for other in ("sweep", "fleet"):
        if getattr(config, other) is not None:
            report.add(root.keys[other], f"{other}: found a {other} beside `tune:`; expected one of the two; try --set {other}=null")
    report.problems(root, _figures(config, config.tune))
    report.raise_if_any()
    return config, config.tune, root, report, fixed


def load_study(path: str | os.PathLike[str], sets: Sequence[str] = (), budget: int | None = None) -> Study:
    """Read a file with a `tune:` section and make its candidates.  Raises UserError with everything that is wrong."""
    config, tune, root, report, fixed = _read(path, sets)
    section = root.value["tune"]
    rungs = rungs_of(tune.first, tune.most)
    count = affordable(budget or tune.budget, rungs)
    if not count:
        least = f"expected at least {cost(2, rungs)} simulations for two candidates with {rungs[-1]} replications"
        if budget is not None:
            raise UserError(f"--budget {budget}: {least}")
        place = section.value["budget"].at if "budget" in section.value else section.at
        raise UserError(f"{place}: tune.budget: found {tune.budget}; {least}")
    keys, whens = apart(section.value["keys"])
    node = _design(tune, section, keys, count)
    context = {"yaml": True}
    stem = without(root, ["tune", "sensitivity"])
    design = design_of(stem, node, config.model_copy(update={"replications": 1}), context)
    if not design.troubles and "lhs" in node.value:
        thin_out(design, stem, whens)
    cases = expand(stem, node, design, report, fixed, context, Known())
    for place, text in list(report.lines):
        report.lines.pop((place, text))
        report.add(place, _as_tuning(text))
    report.raise_if_any()
    first = Candidate(BASELINE, {}, without_sections(config))
    others = [Candidate(case.name, case.labels, without_sections(case.config)) for case in cases]
    there = first.config.resolved()
    found = [first, *(one for one in others if one.config.resolved() != there)]
    if len(found) < 2:
        raise UserError(f"{section.at}: tune: its keys and conditions leave no candidate but the configuration as it stands")
    return Study(config, tune, found, rungs, _ends(keys))


def _as_tuning(text: str) -> str:
    """What is wrong with a sweep, as said of a tuning: the section is read as a sweep, and is none."""
    text = re.sub(r"(that the )sweep( varies \(.*?\)); .*", r"\1tuning\2; take it out of tune.keys", text)
    for old, new in (("sweep.lhs.", "tune."), ("sweep.grid.", "tune.keys."), ("the sweep", "the tuning"), ("sweep: ", "tune: ")):
        text = text.replace(old, new)
    return text


def _ends(keys: Node) -> dict[str, tuple[str, str]]:
    """The ends of the ranges, as text."""
    ranges: dict[str, Any] = {key: plain(node) for key, node in keys.value.items() if isinstance(node.value, dict)}
    return {key: (str(found["low"]), str(found["high"])) for key, found in ranges.items()}


def _figures(config: Config, tune: Tune) -> list[Problem]:
    """Figures that are none, and weights that ask for nothing or for the worst."""
    found = []
    places: list[tuple[Path, str]] = [(("tune", "objective", name), name) for name in tune.objective]
    places += [(("tune", "pareto", index), name) for index, name in enumerate(tune.pareto)]
    tasks = [workload.name for workload in config.workloads]
    for place, name in places:
        owner = [problem._replace(path=place) for problem in missing_owner(name, tasks, config.devices)]
        if owner:
            found += owner
        elif not known(name):
            words = "the name of a figure in run.json, or " + ", ".join(DERIVED)
            found.append(Problem(place, show(name), words, nearest(name, [*DERIVED, *METRICS]), at_key=True))
    for name, weight in tune.objective.items():
        better = metric(name).higher_is
        if weight == 0:
            found.append(Problem(("tune", "objective", name), show(weight), "a weight that is not 0"))
        elif (weight > 0 and better == "better") or (weight < 0 and better == "worse"):
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
