"""From a tree with a sweep to its validated cases.  Sections that cases share are validated once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sim.config import checks, designs, sweep
from sim.config.conditions import overlap
from sim.config.designs import Design
from sim.config.parts import Checked, Part, Values
from sim.config.problems import Path, Problem, problems_of
from sim.config.report import Report
from sim.config.schema import MAX_RUNS, Config
from sim.config.tree import Node, Where, plain, without

_KEPT = 20_000  # sections
_MANY = 300  # cases with errors, after which the others are not looked at


@dataclass(frozen=True)
class Case:
    """One configuration to simulate.

    name    the run's name, or what the sweep varies: "backend=zcache,memory=120MiB"
    labels  swept key -> its value as text; empty without a sweep
    config  without its `sweep` and `published`
    """

    name: str
    labels: dict[str, str]
    config: Config


class Known:
    """Sections that have been validated, by their nodes: a sweep's cases share most of theirs, which keeps it quick and small."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Node, Any]] = {}

    def get(self, node: Node) -> Any:
        return self._made.get(id(node), (None, None))[1]

    def add(self, root: Node, config: Config) -> None:
        if len(self._made) > _KEPT:
            self._made.clear()
        for key, node in root.value.items():
            value = getattr(config, key)
            if isinstance(value, (Checked, Part, Values, dict, list)):
                self._made.setdefault(id(node), (node, value))


def validated(root: Node, context: Mapping[str, Any], known: Known) -> tuple[Config | None, list[Problem]]:
    """The configuration, if it is right, and what is wrong with it; sections that are known are taken over."""
    data = {key: known.get(node) or plain(node) for key, node in root.value.items()}
    problems: list[Problem] = []
    config: Config | None = None
    try:
        config = Config.model_validate(data, context=context)
    except ValidationError as error:
        problems = problems_of(error)
    paths = {problem.path for problem in problems}
    problems += [problem for problem in checks.across(data) if problem.path not in paths]
    if config is not None and not problems:
        known.add(root, config)
    return (None if problems else config), problems


def expand(
    root: Node,
    sweep_node: Node,
    design: Design,
    report: Report,
    fixed: list[tuple[Where, str, Path]],
    context: Mapping[str, Any],
    known: Known,
) -> list[Case]:
    """All cases; adds to the report what is wrong with them."""
    for where, problem in design.troubles:
        report.add(where, problem.text())
    for where, _, path in fixed:
        for key, place in design.keys().items():
            if path[0] != "sweep" and overlap(place, path):
                grid = f"set sweep.grid.{key}=[...], or " if any(axis.block == "grid" and key in axis.keys for axis in design.axes) else ""
                report.add(where, f"found a key that the sweep varies ({key}); {grid or 'set '}sweep=null")
    if design.troubles:
        return []
    cases, runs, wrong = [], 0, 0
    try:
        for draft in sweep.drafts(design, without(root, ["sweep", "published"])):
            config, problems = validated(draft.root, context, known)
            report.problems(draft.root, problems, draft.name)
            wrong += config is None
            if config is not None:
                cases.append(Case(draft.name, draft.labels, config))
                runs += config.most_replications
            if wrong > _MANY or runs > MAX_RUNS:
                break
    except sweep.SweepError as error:
        report.add(error.at, error.problem.text())
    if runs > MAX_RUNS:
        report.add(sweep_node.at, f"sweep: found more than {MAX_RUNS:,} runs (cases times replications); expected at most {MAX_RUNS:,}")
    return cases


def design_of(root: Node, sweep_node: Node, base: Config | None, context: Mapping[str, Any]) -> Design:
    """The sweep's design; where the base is not right without the sweep, seed and replications are read from the tree."""
    written = {name: root.value[name].value for name in ("seed", "replications") if name in root.value}
    seed = base.seed if base is not None else written.get("seed", 1)
    runs = base.most_replications if base is not None else written.get("replications", 1)
    return designs.read(
        root,
        sweep_node,
        seed if isinstance(seed, int) and seed >= 0 else 1,
        runs if isinstance(runs, int) and runs > 0 else 1,
        context,
    )
