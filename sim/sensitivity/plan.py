"""The runs of a sensitivity study: points of the unit cube from SALib, and what they mean in the units of the keys."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sim.config.designs import Design, place_points, sampled_keys
from sim.config.expand import Case, Known, expand
from sim.config.load import load, read
from sim.config.problems import Path, Problem, nearest, show
from sim.config.sampling import Spread, node_at
from sim.config.schema import MAX_RUNS, Config, Sensitivity
from sim.config.tree import Node, plain, without
from sim.errors import UserError
from sim.fleet.figures import DERIVED, known
from sim.metrics import METRICS

LEVELS = 4  # of Morris's grid
BELOW_ONE = 1 - 1e-9


class Study(NamedTuple):
    """What is asked.

    config, section  the configuration as written, and its section
    keys             in order;  lists: those that are lists, not ranges
    points           shape (runs, keys), in the unit cube
    cases            a run each
    untried          values of lists that no run has, by key
    """

    config: Config
    section: Sensitivity
    keys: list[str]
    lists: list[str]
    points: np.ndarray[Any, Any]
    cases: list[Case]
    untried: dict[str, list[str]]


def salib() -> None:
    """UserError without SALib."""
    try:
        import SALib  # noqa: F401
    except ImportError:
        raise UserError("mempress sensitivity needs SALib: pip install 'mempress[sensitivity]'") from None


def problem_of(keys: Sequence[str]) -> dict[str, Any]:
    """The study as SALib wants it: all keys in the unit cube."""
    return {"num_vars": len(keys), "names": list(keys), "bounds": [[0.0, 1.0]] * len(keys)}


def points_of(section: Sensitivity, keys: Sequence[str], seed: int) -> np.ndarray[Any, Any]:
    """The design, shape (runs, keys); the same for the same seed."""
    salib()
    if section.method == "morris":
        from SALib.sample import morris

        return np.asarray(morris.sample(problem_of(keys), section.trajectories, num_levels=LEVELS, seed=seed))
    from SALib.sample import sobol

    return np.asarray(sobol.sample(problem_of(keys), section.samples, calc_second_order=False, seed=seed))


def unshared(study: Study) -> np.ndarray[Any, Any]:
    """Number of the simulated run of each point, shape (runs,): points that give the same values share one."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(repr(sorted(case.labels.items())), len(numbers)) for case in study.cases])


def count_of(section: Sensitivity, keys: int) -> int:
    """Runs of a design."""
    return section.trajectories * (keys + 1) if section.method == "morris" else section.samples * (keys + 2)


def load_study(path: str | os.PathLike[str], sets: Sequence[str] = ()) -> Study:
    """Read a file with a `sensitivity:` section and make its runs.  Raises UserError with everything that is wrong."""
    loaded = load(path, sets)
    config = loaded.config
    if config.sensitivity is None:
        raise UserError(f"{os.fspath(path)}: found no `sensitivity:` section; expected one with `metrics` and `keys` (docs/sensitivity.md)")
    if config.sweep is not None or config.fleet is not None:
        raise UserError(f"{os.fspath(path)}: found a sweep or a fleet beside `sensitivity:`; expected one of them; try --set sweep=null")
    section = config.sensitivity
    root, report, fixed = read(path, sets)
    report.problems(root, _figures(section))
    at = root.value["sensitivity"]
    if len(section.keys) < 2:
        report.add(at.keys["keys"], "sensitivity.keys: found 1 key; expected two or more: there is nothing to compare it with")
    runs = count_of(section, len(section.keys)) * section.replications
    if runs > MAX_RUNS:
        report.add(at.at, f"sensitivity: found {runs:,} simulations; expected at most {MAX_RUNS:,}")
    report.raise_if_any()
    keys = at.value["keys"]
    node = Node({"samples": Node(1, keys.at), "keys": keys}, keys.at, {"samples": keys.at, "keys": keys.at})
    stem = without(root, ["tune", "sensitivity"])
    design = Design({"yaml": True})
    found = sampled_keys(design, stem, "random", node)
    names = [change.key for change, _ in found]
    points = np.zeros((0, 0))
    if not design.troubles:
        points = points_of(section, names, config.seed % 2**32)
        place_points(design.axes[-1], np.minimum(points, BELOW_ONE), found)
    cases = expand(stem, node, design, report, fixed, {"yaml": True}, Known())
    for place, text in list(report.lines):  # the section is read as a sweep's, and is none
        report.lines.pop((place, text))
        report.add(place, text.replace("sweep.random.", "sensitivity."))
    report.raise_if_any()
    lists = [change.key for change, spread in found if spread.choices]
    return Study(config, section, names, lists, points, cases, _untried(points, found))


def _untried(points: np.ndarray[Any, Any], found: Sequence[tuple[Any, Spread]]) -> dict[str, list[str]]:
    """Values of lists that no run has: Morris's grid has 4 levels, and a list may have more values."""
    untried = {}
    for k, (change, spread) in enumerate(found):
        tried = {id(node_at(spread, u)) for u in np.minimum(points[:, k], BELOW_ONE).tolist()} if spread.choices else set()
        left = [show(plain(node)).strip("'") for node in spread.choices if id(node) not in tried]
        if left:
            untried[change.key] = left
    return untried


def notes(method: str, lists: Sequence[str], untried: Mapping[str, Sequence[str]]) -> list[str]:
    """What must be known of the lists among the keys."""
    found = [f"{key}: no run has {', '.join(left)}; write fewer values" for key, left in untried.items()]
    if lists and method == "morris":
        found.append(f"{', '.join(lists)}: taken in the order written; another order would give other effects")
    return found


def _figures(section: Sensitivity) -> list[Problem]:
    found = []
    for index, name in enumerate(section.metrics):
        if not known(name):
            place: Path = ("sensitivity", "metrics", index)
            words = "the name of a figure in run.json, or " + ", ".join(DERIVED)
            found.append(Problem(place, show(name), words, nearest(name, [*DERIVED, *METRICS])))
    return found
