"""From a file with a `fleet:` section to its VMs: what each draws, and a validated configuration for each VM and setting.

VM number i draws from SeedSequence(seed, spawn_key=(crc32("fleet"), i, crc32(key))): more VMs, another setting or another key leave
everything else as it was.  All settings see the same VMs with the same random numbers.

A fleet of many thousands must not fill the memory, so a run's configuration is checked here, forgotten, and made again when it is
handed to a worker (a millisecond).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path as File
from typing import NamedTuple
from zlib import crc32

import numpy as np

from sim.config import sweep
from sim.config.expand import Known, validated
from sim.config.load import Loaded, load, read
from sim.config.problems import Problem
from sim.config.report import Report
from sim.config.schema import Config, Fleet
from sim.config.tree import Node, Where, put, without
from sim.errors import UserError
from sim.fleet.draws import Continuous
from sim.fleet.section import Fixed, Section, read_section
from sim.results import identify

_MOST_PROBLEMS = 20


class Vm(NamedTuple):
    """One VM of the fleet: its number, its template ("" without any), and what it drew by key: a number in model units, or text."""

    number: int
    template: str
    drawn: dict[str, str | float]


class Job(NamedTuple):
    """One VM with one setting: its ID, a hash of all that decides the run, and the VM's memory in bytes."""

    vm: int
    setting: int
    id: str
    memory: int


class Drawer(NamedTuple):
    """Makes any VM of the fleet.

    base     the configuration as written;  root: its tree;  stem: that tree without what is no VM's
    section  what is drawn
    """

    base: Config
    root: Node
    stem: Node
    section: Section

    def vm(self, number: int) -> tuple[Vm, Node]:
        """VM `number`: what it drew, and its tree before any setting."""
        return _draw(self.base.seed, self.stem, self.section, number)

    def settings(self, tree: Node) -> list[tuple[str, dict[str, str], Node]]:
        """A VM's tree with every setting: name, keys as text, tree."""
        if self.section.settings is None:
            return [("as written", {}, tree)]
        return [(draft.name, draft.labels, draft.root) for draft in sweep.drafts(self.section.settings, tree)]

    def configs(self, tree: Node) -> Iterator[tuple[str, Node, Config | None, list[Problem]]]:
        """The configuration of a VM's tree with every setting, or what is wrong with it."""
        known = Known()
        known.add(self.root, self.base)
        for name, _, root in self.settings(tree):
            config, problems = validated(root, {"yaml": True}, known)
            yield name, root, config, problems

    def config(self, job: Job) -> Config:
        """A job's configuration, which was right when the fleet was planned."""
        found = next(item[2] for number, item in enumerate(self.configs(self.vm(job.vm)[1])) if number == job.setting)
        assert found is not None
        return found


class Plan(NamedTuple):
    """A fleet, drawn.

    drawer   makes the configurations;  files: the configuration's files
    vms      in order;  settings: their names, and the keys that each sets as text;  jobs: VM by VM, setting by setting
    keys     drawn keys in order, with the unit of their numbers ("B", "ns" or "")
    kinds    a configuration of each combination of parts that occurs, for compiling
    """

    drawer: Drawer
    files: list[str]
    vms: list[Vm]
    settings: list[tuple[str, dict[str, str]]]
    jobs: list[Job]
    keys: dict[str, str]
    kinds: list[Config]

    @property
    def config(self) -> Config:
        """The configuration as written."""
        return self.drawer.base

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


def _text(node: Node) -> str:
    """A chosen value as one would write it."""
    if isinstance(node.value, dict):
        return "{" + ", ".join(f"{key}: {_text(child)}" for key, child in node.value.items()) + "}"
    return sweep.label(node)


def _number(node: Node, unit: str) -> float:
    """A drawn number in model units."""
    return int(str(node.value).removesuffix(unit)) if unit else node.value


def _draw(seed: int, stem: Node, section: Section, number: int) -> tuple[Vm, Node]:
    """VM `number`: what it drew, and its tree before any setting."""
    template = section.templates[section.which.at(_uniform(seed, number, "template"), False).value]
    root = stem
    drawn: dict[str, str | float] = {}
    for path, value in sorted(template.sets, key=lambda item: item[0][-1] != "kind"):
        root = put(root, path, value, value.at)
    own = {item.key for item in template.draws}
    for item in sorted((*(d for d in section.draws if d.key not in own), *template.draws), key=lambda item: item.path[-1] != "kind"):
        value = item.distribution.at(_uniform(seed, number, item.key), item.whole)
        shape = item.distribution
        drawn[item.key] = _number(value, shape.unit) if isinstance(shape, Continuous) else _text(value)
        root = put(root, item.path, value, value.at)
    where = Where("fleet")
    root = put(root, ("seed",), Node(_seed(seed, number), where), where)
    return Vm(number, template.name, drawn), put(root, ("replications",), Node(1, where), where)


def plan(loaded: Loaded, root: Node, report: Report, fixed: list[Fixed] | None = None) -> Plan:
    """All VMs of a configuration that has been read.  Raises UserError with everything that is wrong."""
    config = loaded.config
    section = read_section(root, config, report, fixed or [])
    drawer = Drawer(config, root, without(root, ["fleet", "published"]), section)
    assert config.fleet is not None
    vms: list[Vm] = []
    jobs: list[Job] = []
    kinds: dict[tuple[str, ...], Config] = {}
    hashes: dict[File, str] = {}
    for number in range(config.fleet.vms):
        vm, tree = drawer.vm(number)
        vms.append(vm)
        for setting, (name, whole, found, problems) in enumerate(drawer.configs(tree)):
            report.problems(whole, problems, f"VM {number}, {name}" if section.settings is not None else f"VM {number}")
            if found is not None:
                jobs.append(Job(number, setting, identify(found, None, hashes).id, int(found.machine.memory)))
                kinds.setdefault(tuple(part.entry.target for _, part in found.parts()), found)
        if len(report.lines) > _MOST_PROBLEMS:
            break
    report.raise_if_any()
    keys = {d.key: d.distribution.unit if isinstance(d.distribution, Continuous) else "" for d in section.everything}
    settings = [(name, labels) for name, labels, _ in drawer.settings(drawer.stem)]
    return Plan(drawer, loaded.files, vms, settings, jobs, keys, list(kinds.values()))


def load_fleet(path: str | os.PathLike[str], sets: Sequence[str] = ()) -> Plan:
    """Read a file with a `fleet:` section and draw its VMs.  Raises UserError."""
    loaded = load(path, sets)
    root, report, fixed = read(path, sets)
    if loaded.config.fleet is None:
        raise UserError(f"{os.fspath(path)}: found no `fleet:` section; expected one (docs/fleet.md); use mempress run")
    return plan(loaded, root, report, fixed)
