"""From a file with a `fleet:` section to its VMs: what each draws, and a validated configuration for each VM and setting.

VM number i draws from SeedSequence(seed, spawn_key=(crc32("fleet"), i, crc32(key))): more VMs, another setting or another key leave
everything else as it was.  All settings see the same VMs with the same random numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np

from sim.config import sweep
from sim.config.load import Loaded, Report, _validated, load, read
from sim.config.problems import Path, Problem, nearest, one_of, show
from sim.config.schema import MAX_RUNS, Config, Fleet
from sim.config.tree import Node, PathError, Where, find_path, plain, put, split_key, without
from sim.config.walk import leaves
from sim.errors import UserError
from sim.fleet.draws import Choice, Continuous, Distribution, Wrong, distribution

Fixed = tuple[Where, str, Path]  # an override of the command line: sim.config.load.read
NOT_DRAWN = (*sweep.NOT_SWEPT, "fleet", "seed", "replications")
_MOST_PROBLEMS = 20


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


class Vm(NamedTuple):
    """One VM of the fleet: its number, its template ("" without any), and what it drew by key: a number in model units, or text."""

    number: int
    template: str
    drawn: dict[str, str | float]


class Job(NamedTuple):
    """One VM with one setting, ready to simulate."""

    vm: int
    setting: int
    config: Config


class Plan(NamedTuple):
    """A fleet, drawn.

    config    as written;  origin, files: of it (sim.config.load.Loaded)
    vms       in order;  settings: their names, and the keys that each sets as text;  jobs: VM by VM, setting by setting
    keys      drawn keys in order, with the unit of their numbers ("B", "ns" or "")
    """

    config: Config
    origin: dict[str, str]
    files: list[str]
    vms: list[Vm]
    settings: list[tuple[str, dict[str, str]]]
    jobs: list[Job]
    keys: dict[str, str]

    @property
    def fleet(self) -> Fleet:
        """Its section."""
        assert self.config.fleet is not None
        return self.config.fleet


def _uniform(seed: int, vm: int, name: str) -> float:
    """The number in [0, 1) from which VM `vm` draws what is called `name`."""
    sequence = np.random.SeedSequence(seed, spawn_key=(crc32(b"fleet"), vm, crc32(name.encode())))
    return float(int(sequence.generate_state(1, np.uint64)[0]) >> 11) / 2.0**53


def _seed(seed: int, vm: int) -> int:
    """The seed of VM `vm`."""
    return int(np.random.SeedSequence(seed, spawn_key=(crc32(b"fleet"), vm)).generate_state(1, np.uint64)[0]) >> 1


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


def _text(node: Node) -> str:
    """A chosen value as one would write it."""
    if isinstance(node.value, dict):
        return "{" + ", ".join(f"{key}: {_text(child)}" for key, child in node.value.items()) + "}"
    return sweep.label(node)


def _number(node: Node, unit: str) -> float:
    """A drawn number in model units."""
    return int(str(node.value).removesuffix(unit)) if unit else node.value


def _draw(config: Config, stem: Node, templates: list[Template], which: Choice, draws: list[Drawn], number: int) -> tuple[Vm, Node]:
    """VM `number`: what it drew, and its tree before any setting."""
    seed = config.seed
    template = templates[which.at(_uniform(seed, number, "template"), False).value]
    root = stem
    drawn: dict[str, str | float] = {}
    for path, value in sorted(template.sets, key=lambda item: item[0][-1] != "kind"):
        root = put(root, path, value, value.at)
    own = {item.key for item in template.draws}
    for item in sorted((*(d for d in draws if d.key not in own), *template.draws), key=lambda item: item.path[-1] != "kind"):
        value = item.distribution.at(_uniform(seed, number, item.key), item.whole)
        shape = item.distribution
        drawn[item.key] = _number(value, shape.unit) if isinstance(shape, Continuous) else _text(value)
        root = put(root, item.path, value, value.at)
    where = Where("fleet")
    root = put(root, ("seed",), Node(_seed(seed, number), where), where)
    return Vm(number, template.name, drawn), put(root, ("replications",), Node(1, where), where)


def _setting_node(section: Node) -> Node | None:
    """The settings as a sweep's node; None if there are none."""
    node = section.value.get("settings")
    return Node({"grid": node}, node.at, {"grid": node.at}) if node is not None and node.value else None


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


def _check_size(fleet: Fleet, settings: Node | None) -> list[Problem]:
    times = sweep.count(settings) if settings is not None else 1
    if fleet.vms * times <= MAX_RUNS:
        return []
    return [Problem(("fleet", "vms"), f"{fleet.vms:,} VMs with {times:,} settings", f"at most {MAX_RUNS:,} runs")]


def _check_fixed(root: Node, reader: _Reader, drawn: list[tuple[str, ...]], settings: Node | None, fixed: list[Fixed]) -> None:
    """`--set` of a key that the fleet draws or varies would be undone."""
    swept = [change.path for change in sweep.changes_of(settings)] if settings is not None else []
    for where, _, path in fixed:
        for other in (*drawn, *swept):
            if path[0] != "fleet" and sweep.conflict(find_path(root, other), path):
                reader.report.add(where, f"found a key that the fleet varies ({'.'.join(other)}); set it below `fleet`")


def plan(loaded: Loaded, root: Node, report: Report, fixed: list[Fixed] | None = None) -> Plan:
    """All VMs of a configuration that has been read.  Raises UserError with everything that is wrong."""
    config = loaded.config
    fleet = config.fleet
    assert fleet is not None
    section, stem = root.value["fleet"], without(root, ["fleet", "published"])
    settings = _setting_node(section)
    reader = _Reader(root, config, report)
    draws = reader.draws(section.value.get("draw"), ("fleet", "draw"))
    templates, which = _templates(reader, section)
    report.problems(root, [*_check_names(fleet), *_check_size(fleet, settings)])
    if settings is not None:
        for where, problem in (*sweep.check_keys(root, settings), *sweep.repeated(settings)):
            report.add(where, problem.text().replace("sweep.grid.", "fleet.settings."))
    report.raise_if_any()
    everything = [*draws, *(own for template in templates for own in template.draws)]
    _check_fixed(root, reader, [item.path for item in everything], settings, fixed or [])
    report.raise_if_any()
    vms, jobs, names = [], [], _names(stem, settings)
    for number in range(fleet.vms):
        vm, tree = _draw(config, stem, templates, which, draws, number)
        vms.append(vm)
        jobs += _jobs(vm, tree, settings, (root, config), report)
        if len(report.lines) > _MOST_PROBLEMS:
            break
    report.raise_if_any()
    keys = {item.key: item.distribution.unit if isinstance(item.distribution, Continuous) else "" for item in everything}
    return Plan(config, loaded.origin, loaded.files, vms, names, jobs, keys)


def _names(stem: Node, settings: Node | None) -> list[tuple[str, dict[str, str]]]:
    if settings is None:
        return [("as written", {})]
    return [(draft.name, draft.labels) for draft in sweep.drafts(stem, settings)]


def _jobs(vm: Vm, tree: Node, settings: Node | None, base: tuple[Node, Config], report: Report) -> list[Job]:
    """The VM with every setting; what is wrong goes to the report."""
    trees = [("", tree)] if settings is None else [(draft.name, draft.root) for draft in sweep.drafts(tree, settings)]
    found = []
    for number, (name, root) in enumerate(trees):
        config, problems = _validated(root, {"yaml": True}, base)
        report.problems(root, problems, f"VM {vm.number}" + (f", {name}" if name else ""))
        if config is not None:
            found.append(Job(vm.number, number, config))
            base = (root, config)
    return found


def load_fleet(path: str | os.PathLike[str], sets: Sequence[str] = (), reader: Callable[..., Loaded] = load) -> Plan:
    """Read a file with a `fleet:` section and draw its VMs.  Raises UserError."""
    loaded = reader(path, sets)
    root, report, fixed = read(path, sets)
    if loaded.config.fleet is None:
        raise UserError(f"{os.fspath(path)}: found no `fleet:` section; expected one (docs/fleet.md); use mempress run")
    return plan(loaded, root, report, fixed)


__all__ = ["Job", "Plan", "Vm", "load_fleet", "plan"]
