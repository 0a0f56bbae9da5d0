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

from sim.config import checks, designs, sweep
from sim.config.conditions import overlap
from sim.config.designs import Design
from sim.config.loader import Notes, parse, read_text
from sim.config.parts import Checked, Part, Values
from sim.config.problems import Path, Problem, dotted, one_of, problems_of, raise_for, show
from sim.config.schema import MAX_RUNS, Config, Section
from sim.config.tree import Node, PathError, Where, find_path, locate, merge, plain, put, split_key, tree_of, without
from sim.config.walk import leaves
from sim.errors import UserError


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


class Report:
    """Problems with their positions, each once."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.lines: dict[tuple[Where, str], None] = {}
        self._said: set[tuple[Where, str]] = set()  # without the case

    def add(self, where: Where, text: str) -> None:
        self.lines[(where, text)] = None

    def problems(self, root: Node, problems: Iterable[Problem], case: str = "") -> None:
        for problem in problems:
            where = locate(root, problem.path, problem.at_key)[0]
            if (where, problem.text()) not in self._said:
                self._said.add((where, problem.text()))
                self.add(where, problem.text() + (f" (in the case {case})" if case else ""))

    def raise_if_any(self) -> None:
        if not self.lines:
            return

        def place(item: tuple[Where, str]) -> tuple[int, int, int]:
            where = item[0]
            return (self.files.index(where.file) if where.file in self.files else len(self.files), where.line, where.column)

        raise UserError("\n".join(_line(where, text) for where, text in sorted(self.lines, key=place)))


def _line(where: Where, text: str) -> str:
    """Position and problem; `--set a.b: a.b: ...` says the key once."""
    return f"{where}: " + text.removeprefix(where.file.removeprefix("--set ") + ": ")


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


class _Known:
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


_KEPT = 20_000  # sections
_MANY = 300  # cases with errors, after which the others are not looked at


def _validated(root: Node, context: Mapping[str, Any], known: _Known) -> tuple[Config | None, list[Problem]]:
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


def _under(path: Path, tops: Iterable[Path]) -> bool:
    return any(path[: len(top)] == top for top in tops)


def _expand(
    root: Node,
    sweep_node: Node,
    design: Design,
    report: Report,
    fixed: list[tuple[Where, str, Path]],
    context: Mapping[str, Any],
    known: _Known,
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
            config, problems = _validated(draft.root, context, known)
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


def _design(root: Node, sweep_node: Node, base: Config | None, context: Mapping[str, Any]) -> Design:
    """The sweep's design; where the base is not right without the sweep, seed and replications are read from the tree."""
    written = {name: root.value[name].value for name in ("seed", "replications") if name in root.value}
    seed = base.seed if base is not None else written.get("seed", 1)
    runs = base.most_replications if base is not None else written.get("replications", 1)
    swept = sweep_node.value.get("grid")
    varies = swept is not None and "replications" in swept.value
    return designs.read(
        root,
        sweep_node,
        seed if isinstance(seed, int) and seed >= 0 else 1,
        runs if isinstance(runs, int) and runs > 0 and not varies else 1,
        context,
    )


def _build(root: Node, report: Report, fixed: list[tuple[Where, str, Path]], context: Mapping[str, Any]) -> Loaded:
    """Validate and expand a whole tree."""
    known = _Known()
    config, problems = _validated(root, context, known)
    sweep_node = root.value.get("sweep")
    sound = isinstance(sweep_node, Node) and isinstance(sweep_node.value, dict) and not _under_any(problems, ("sweep",))
    cases: list[Case] = []
    notes: list[str] = []
    if sound and sweep_node is not None:
        design = _design(root, sweep_node, config, context)
        ready = design.always_set()
        problems = [problem for problem in problems if not _under(problem.path, ready)]
        report.problems(root, problems)
        cases = _expand(root, sweep_node, design, report, fixed, context, known)
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
