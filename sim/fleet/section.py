"""Reading a `fleet:` section: its keys, distributions, templates and settings, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sim.config.conditions import overlap
from sim.config.designs import NOT_SWEPT, Design
from sim.config.expand import design_of
from sim.config.problems import Path, Problem, nearest, one_of, show
from sim.config.report import Report
from sim.config.schema import MAX_RUNS, Config, Fleet
from sim.config.tree import Node, PathError, Where, find_path, plain, split_key
from sim.config.walk import leaves
from sim.fleet.draws import Choice, Distribution, Wrong, distribution

Fixed = tuple[Where, str, Path]  # an override of the command line: sim.config.load.read
NOT_DRAWN = (*NOT_SWEPT, "fleet", "seed", "replications")


class Drawn(NamedTuple):
    """A key that is drawn: as written, where it leads, its distribution, and whether its numbers are rounded."""

    key: str
    path: tuple[str, ...]
    distribution: Distribution
    whole: bool


class Template(NamedTuple):
    """A kind of VM: what it sets, and what it draws of its own."""

    name: str
    sets: list[tuple[tuple[str, ...], Node]]
    draws: list[Drawn]


class Section(NamedTuple):
    """The section as read: what every VM draws, the templates and which of them, and the settings as a sweep's design."""

    draws: list[Drawn]
    templates: list[Template]
    which: Choice
    settings: Design | None

    @property
    def everything(self) -> list[Drawn]:
        """All that some VM draws."""
        return [*self.draws, *(own for template in self.templates for own in template.draws)]


class _Reader:
    """Reads the section's parts and collects what is wrong with them."""

    def __init__(self, root: Node, config: Config, report: Report) -> None:
        self.root, self.report = root, report
        self.types = {leaf.path: leaf.option.type for leaf in leaves(config)}

    def _key(self, key: str, place: Path) -> tuple[str, ...] | None:
        """The path of a key that may be drawn or set; None, and a problem, if it may not."""
        path = split_key(key)
        problem = Problem(place, "a key that cannot be drawn", f"any key but {one_of(NOT_DRAWN).removeprefix('one of ')}", at_key=True)
        if path[0] not in NOT_DRAWN:
            try:
                find_path(self.root, path)
                return path
            except PathError as error:
                problem = error.problem._replace(path=place, at_key=True)
        self.report.problems(self.root, [problem])
        return None

    def draws(self, node: Node | None, place: Path) -> list[Drawn]:
        """A `draw` section."""
        found = []
        for key, value in (node.value if node is not None else {}).items():
            path = self._key(key, (*place, key))
            try:
                read_as = distribution((*place, key), value)
            except Wrong as error:
                self.report.problems(self.root, [error.problem])
                continue
            if path is not None:
                found.append(Drawn(key, path, read_as, self.types.get(find_path(self.root, path)) == "int"))
        return found

    def sets(self, node: Node | None, place: Path) -> list[tuple[tuple[str, ...], Node]]:
        """A `set` section."""
        paths = [(self._key(key, (*place, key)), value) for key, value in (node.value if node is not None else {}).items()]
        return [(path, value) for path, value in paths if path is not None]


def _templates(reader: _Reader, section: Node) -> tuple[list[Template], Choice]:
    """The templates, and which of them to draw; one without name if there are none."""
    listed = section.value.get("templates")
    if listed is None or not listed.value:
        return [Template("", [], [])], Choice([Node(0, section.at)], [1.0])
    found, sums, total = [], [], 0.0
    for name, node in listed.value.items():
        place: Path = ("fleet", "templates", name)
        inner: Mapping[str, Node] = node.value or {}
        sets, draws = reader.sets(inner.get("set"), (*place, "set")), reader.draws(inner.get("draw"), (*place, "draw"))
        found.append(Template(name, sets, draws))
        total += float(plain(inner["weight"])) if "weight" in inner else 1.0
        sums.append(total)
    if total <= 0:
        reader.report.problems(reader.root, [Problem(("fleet", "templates"), "weights that are all 0", "a weight above 0")])
    return found, Choice([Node(k, section.at) for k in range(len(found))], sums)


def _settings(root: Node, config: Config, section: Node) -> Design | None:
    """The settings as a sweep's design; None if there are none."""
    node = section.value.get("settings")
    if node is None or not node.value:
        return None
    return design_of(root, Node({"grid": node}, node.at, {"grid": node.at}), config, {"yaml": True})


def _check_names(fleet: Fleet) -> list[Problem]:
    """Targets and metrics that are no figures of a VM, targets without a bound."""
    from sim.fleet.figures import DERIVED, known

    problems = []
    for place, names in ((("fleet", "targets"), list(fleet.targets)), (("fleet", "metrics"), list(fleet.metrics))):
        for index, name in enumerate(names):
            if not known(name):
                from sim.metrics import METRICS

                path: Path = (*place, name) if place[1] == "targets" else (*place, index)
                guess = nearest(name, [*DERIVED, *METRICS])
                problems.append(Problem(path, show(name), "the name of a figure in run.json, or " + ", ".join(DERIVED), guess, at_key=True))
    for name, target in fleet.targets.items():
        if (target.most is None) == (target.least is None):
            problems.append(Problem(("fleet", "targets", name), "no bound, or two", "either `most` or `least`"))
    return problems


def _check_size(fleet: Fleet, settings: Design | None) -> list[Problem]:
    times = settings.combinations if settings is not None else 1
    if fleet.vms * times <= MAX_RUNS:
        return []
    return [Problem(("fleet", "vms"), f"{fleet.vms:,} VMs with {times:,} settings", f"at most {MAX_RUNS:,} runs")]


def _check_fixed(root: Node, reader: _Reader, drawn: list[tuple[str, ...]], settings: Design | None, fixed: list[Fixed]) -> None:
    """`--set` of a key that the fleet draws or varies would be undone."""
    swept = [split_key(key) for axis in settings.axes for key in axis.keys] if settings is not None else []
    for where, _, path in fixed:
        for other in (*drawn, *swept):
            if path[0] != "fleet" and overlap(find_path(root, other), path):
                reader.report.add(where, f"found a key that the fleet varies ({'.'.join(other)}); set it below `fleet`")


def read_section(root: Node, config: Config, report: Report, fixed: list[Fixed]) -> Section:
    """The `fleet:` section of a configuration that has been read.  Raises UserError with everything that is wrong."""
    fleet, section = config.fleet, root.value["fleet"]
    assert fleet is not None
    settings = _settings(root, config, section)
    reader = _Reader(root, config, report)
    draws = reader.draws(section.value.get("draw"), ("fleet", "draw"))
    templates, which = _templates(reader, section)
    report.problems(root, [*_check_names(fleet), *_check_size(fleet, settings)])
    if settings is not None:
        for where, problem in settings.troubles:
            report.add(where, problem.text().replace("sweep.grid.", "fleet.settings."))
    report.raise_if_any()
    found = Section(draws, templates, which, settings)
    _check_fixed(root, reader, [item.path for item in found.everything], settings, fixed)
    report.raise_if_any()
    return found
