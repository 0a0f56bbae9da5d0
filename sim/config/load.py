"""From files and `--set` to validated configurations: reading, `extends`, overriding, validating, expanding the sweep.

All errors are collected over all files and cases, and raised as one UserError with a line each:
`file:line:column: key.path: found X; expected Y; hint`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

from pydantic import ValidationError

from sim.config.expand import Case as Case
from sim.config.expand import Known, design_of, expand, validated
from sim.config.loader import Notes, parse, read_text
from sim.config.problems import Path, Problem, dotted, one_of, problems_of, raise_for, show
from sim.config.report import Report
from sim.config.schema import Config, Section
from sim.config.tree import Node, PathError, Where, find_path, locate, merge, plain, put, split_key, tree_of, without
from sim.config.walk import leaves
from sim.errors import UserError


@dataclass(frozen=True)
class Loaded:
    """A configuration that has been read.

    config  as written, before the sweep (the first case's, if it is complete only with what the sweep sets)
    cases   what to simulate: one case without a sweep
    origin  dotted key -> where its value comes from: "file:line", "--set KEY" or "default"
    files   the configuration files that were read, in order
    notes   what a person should know about the sweep
    """

    config: Config
    cases: list[Case]
    origin: dict[str, str]
    files: list[str]
    notes: list[str] = field(default_factory=list)


def _shown(path: File) -> str:
    """A file's name for messages: relative to the current directory if it lies there."""
    try:
        return str(path.relative_to(File.cwd()))
    except (ValueError, OSError):
        return str(path)


def _read(path: File, shown: str, report: Report, chain: tuple[str, ...] = ()) -> Node:
    """A file's tree with everything that it extends below it."""
    text = read_text(path, shown)
    if shown not in report.files:
        report.files.append(shown)
    notes = Notes()
    try:
        root = parse(text, shown, str(path.parent), notes)
    finally:
        for where, note in notes:
            report.add(where, note)
    start = Where(shown, 1, 1, str(path.parent))
    if root is None or root.value is None:
        raise UserError(f"{shown}: is empty; expected a configuration (name, machine, workloads, ...)")
    if not isinstance(root.value, dict):
        raise UserError(f"{root.at}: found {show(root.value)}; expected a mapping (name: ..., machine: ..., workloads: ...)")
    if "extends" not in root.value:
        return root
    base = Node({}, start)
    for name in _names(root.value["extends"], report):
        base = merge(base, _extended(name, path, report, (*chain, os.path.realpath(path))))
    return merge(base, without(root, ["extends"]))


def _names(node: Node, report: Report) -> list[Node]:
    items = node.value if isinstance(node.value, list) else [node]
    for item in items:
        if not isinstance(item.value, str) or not item.value.strip() or "\0" in item.value:
            report.add(item.at, f"extends: found {show(plain(item))}; expected the name of a file, or a list of names")
    return [item for item in items if isinstance(item.value, str) and item.value.strip() and "\0" not in item.value]


def _extended(name: Node, path: File, report: Report, chain: tuple[str, ...]) -> Node:
    target = File(os.path.abspath(os.path.join(path.parent, os.path.expanduser(name.value))))
    try:
        if os.path.realpath(target) in chain:
            circle = " -> ".join(_shown(File(link)) for link in (*chain[chain.index(os.path.realpath(target)) :], os.path.realpath(target)))
            raise UserError(f"found a circle: {circle}")
        return _read(target, _shown(target), report, chain)
    except UserError as error:
        report.add(name.at, f"extends: {error}")
        return Node({}, name.at)


def _override(root: Node, sets: Sequence[str], report: Report) -> tuple[Node, list[tuple[Where, str, Path]]]:
    """The tree with all `--set KEY=VALUE` applied, and the paths that they set."""
    fixed: list[tuple[Where, str, Path]] = []
    for text in sets:
        key, equals, value = text.partition("=")
        key = key.strip()
        where = Where(f"--set {key}", folder=os.getcwd())
        if not equals or not key or not all(key.split(".")):
            report.add(where, f"found {show(text)}; expected KEY=VALUE, such as machine.memory=120MiB")
            continue
        notes = Notes()
        try:
            node = parse(value, where.file, where.folder, notes) or Node(None, where)
            path = split_key(key)
            if path[0] == "extends":
                raise PathError(Problem(("extends",), "a key that cannot be set", "a file that has it"))
            fixed.append((where, key, find_path(root, path)))
            root = put(root, path, node, where)
        except PathError as error:
            report.add(where, error.problem.text())
        except UserError as error:
            report.add(where, str(error).removeprefix(f"{where.file}: "))
        for _, note in notes:
            report.add(where, note)
    return root, fixed


def _under(path: Path, tops: Iterable[Path]) -> bool:
    return any(path[: len(top)] == top for top in tops)


def _build(root: Node, report: Report, fixed: list[tuple[Where, str, Path]], context: Mapping[str, Any]) -> Loaded:
    """Validate and expand a whole tree."""
    known = Known()
    config, problems = validated(root, context, known)
    sweep_node = root.value.get("sweep")
    sound = isinstance(sweep_node, Node) and isinstance(sweep_node.value, dict) and not _under_any(problems, ("sweep",))
    cases: list[Case] = []
    notes: list[str] = []
    if sound and sweep_node is not None:
        design = design_of(root, sweep_node, config, context)
        ready = design.always_set()
        problems = [problem for problem in problems if not _under(problem.path, ready)]
        report.problems(root, problems)
        cases = expand(root, sweep_node, design, report, fixed, context, known)
        notes = design.notes
    else:
        report.problems(root, problems)
        if config is not None:
            cases = [Case(config.name, {}, config)]
    report.raise_if_any()
    first = config or cases[0].config
    _check_published(root, first, cases, report)
    report.raise_if_any()
    return Loaded(first, cases, origin_of(first, root), report.files, notes)


def _under_any(problems: list[Problem], top: Path) -> bool:
    return any(problem.path[: len(top)] == top for problem in problems)


def _check_published(root: Node, config: Config, cases: list[Case], report: Report) -> None:
    names = [case.name for case in cases]
    for index, figure in enumerate(config.published):
        if figure.case not in names:
            problem = Problem(("published", index, "case"), show(figure.case), one_of(names))
            report.problems(root, [problem])


def origin_of(config: Section, root: Node) -> dict[str, str]:
    """Dotted key -> where its value comes from, for every value."""
    origin = {}
    for leaf in leaves(config):
        where, written = locate(root, leaf.path)
        origin[dotted(leaf.path)] = where.short if written else "default"
    return origin


def read(path: str | os.PathLike[str], sets: Sequence[str] = ()) -> tuple[Node, Report, list[tuple[Where, str, Path]]]:
    """A configuration's tree with everything that it extends and all overrides, before it means anything.

    Returns the tree, a report that holds what was wrong so far, and the overridden places.  Raises UserError if there is no tree.
    """
    report = Report()
    shown = os.fspath(path)
    if "\0" in shown or not shown:
        raise UserError(f"found {show(shown)}; expected the name of a configuration file")
    try:
        root = _read(File(os.path.abspath(os.path.expanduser(shown))), shown, report)
    except UserError as error:
        earlier = "\n".join(f"{where}: {text}" for where, text in report.lines)
        raise UserError("\n".join(part for part in (earlier, str(error)) if part)) from None
    root, fixed = _override(root, sets, report)
    return root, report, fixed


def is_bench(root: Node) -> bool:
    """Whether a tree is a configuration of the allocators' bench (sim.bench.load), not of a VM."""
    return "allocators" in root.value and "machine" not in root.value


def load(path: str | os.PathLike[str], sets: Sequence[str] = ()) -> Loaded:
    """Read a configuration file, with everything it extends, and expand its sweep.

    sets: overrides as for `--set`, such as "machine.memory=120MiB"; their values follow the YAML rules, and their paths are
    relative to the current directory.
    Raises UserError with every problem of all files on a line of its own.
    """
    root, report, fixed = read(path, sets)
    if is_bench(root):
        where = root.keys["allocators"]
        raise UserError(
            f"{where}: allocators: found a configuration of the allocators' bench; expected one of a VM; use mempress allocators"
        )
    return _build(root, report, fixed, {"yaml": True})


def any_load(path: str | os.PathLike[str], sets: Sequence[str] = ()) -> Any:
    """As `load`; a configuration of the allocators' bench is read too (a sim.bench.load.LoadedBench)."""
    root, report, fixed = read(path, sets)
    if is_bench(root):
        from sim.bench.load import build

        return build(root, report)
    return _build(root, report, fixed, {"yaml": True})


def prepare(config: Config) -> Loaded:
    """What `load` makes of a file, from a configuration made in Python: its sweep is expanded.  Raises UserError."""
    where = Where("Config")
    try:
        return _build(tree_of(config.resolved(written=True), where), Report(), [], {})
    except ValidationError as error:
        raise_for(problems_of(error), "Config")
