"""A sweep's cases: the same tree with other values at some keys, before anything is validated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from models.registry import Option
from sim.config.problems import Path, Problem, show
from sim.config.tree import Node, PathError, Where, find_path, plain, put, split_key
from sim.config.walk import in_words

NOT_SWEPT = ("name", "sweep", "published", "extends")
_LONGEST = 40  # characters of a value in a case's name


class Change(NamedTuple):
    """One key of a case: as written, as a path, its value, and where the key stands."""

    key: str
    path: tuple[str, ...]
    value: Node
    at: Where


class Draft(NamedTuple):
    """A case that is not validated yet."""

    name: str
    labels: dict[str, str]
    root: Node


def label(node: Node) -> str:
    """A swept value as text."""
    value = plain(node)
    return in_words(Option("", "str"), getattr(value, "text", value))


def _short_value(node: Node) -> str:
    value = node.value
    if isinstance(value, dict) and "kind" in value:
        value = value["kind"].value
    text = label(node) if not isinstance(value, str) else value.rpartition("/")[2]
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _short_keys(paths: list[tuple[str, ...]]) -> list[str]:
    """The last parts of each key, as many as tell it from the others; `backend.kind` is `backend`."""
    trimmed = [path[:-1] if path[-1] == "kind" and len(path) > 1 else path for path in paths]
    short = []
    for path in trimmed:
        depth = next(n for n in range(1, len(path) + 1) if n == len(path) or sum(p[-n:] == path[-n:] for p in trimmed) == 1)
        short.append(".".join(path[-depth:]))
    return short


def _changes(node: Node | None) -> list[Change]:
    if node is None or not isinstance(node.value, dict):
        return []
    return [Change(key, split_key(key), value, node.keys[key]) for key, value in node.value.items()]


def check_keys(root: Node, sweep: Node) -> Iterator[tuple[Where, Problem]]:
    """Swept keys that cannot be swept or lead to a list item that is not there."""
    for changes in _all_changes(sweep):
        for change in changes:
            if change.path[0] in NOT_SWEPT:
                yield change.at, Problem((change.key,), "a key that cannot be swept", f"any key but {', '.join(NOT_SWEPT)}")
                continue
            try:
                find_path(root, change.path)
            except PathError as error:
                yield change.at, error.problem


def _all_changes(sweep: Node) -> list[list[Change]]:
    """Of every case; a grid counts as one."""
    cases = sweep.value.get("cases")
    found = [_changes(sweep.value.get("grid"))]
    for case in cases.value if cases is not None and isinstance(cases.value, list) else []:
        found.append(_changes(case.value.get("set")) if isinstance(case.value, dict) else [])
    return [changes for changes in found if changes]


def changes_of(sweep: Node) -> list[Change]:
    """The keys of a grid or of all cases."""
    return [change for changes in _all_changes(sweep) for change in changes]


def path_of(root: Node, change: Change) -> Path:
    """Where a change goes, list items as indices."""
    try:
        return find_path(root, change.path)
    except PathError:
        return change.path


def always_set(root: Node, sweep: Node) -> set[Path]:
    """Paths that every case sets, so that the base need not have them right."""
    sets = []
    for changes in _all_changes(sweep):
        paths = set()
        for change in changes:
            try:
                paths.add(find_path(root, change.path))
            except PathError:
                continue
        sets.append(paths)
    cases = sweep.value.get("cases")
    if cases is not None and isinstance(cases.value, list) and len(sets) < len(cases.value):
        return set()
    return set.intersection(*sets) if sets else set()


def count(sweep: Node) -> int:
    """Number of cases, without making them."""
    grid = _changes(sweep.value.get("grid"))
    if grid:
        return math.prod(len(change.value.value) for change in grid)
    return len(sweep.value["cases"].value) if "cases" in sweep.value else 0


def drafts(root: Node, sweep: Node) -> Iterator[Draft]:
    """Every case of a sweep whose form has been validated."""
    grid = _changes(sweep.value.get("grid"))
    if not grid:
        for case in sweep.value["cases"].value:
            changes = _changes(case.value.get("set"))
            yield Draft(str(case.value["name"].value), {c.key: label(c.value) for c in changes}, _changed(root, changes))
        return
    short, seen = _short_keys([change.path for change in grid]), set()
    for values in itertools.product(*(change.value.value for change in grid)):
        name = ",".join(f"{key}={_short_value(value)}" for key, value in zip(short, values, strict=True))
        if name in seen:
            name = next(f"{name}#{n}" for n in itertools.count(2) if f"{name}#{n}" not in seen)
        seen.add(name)
        changes = [change._replace(value=value) for change, value in zip(grid, values, strict=True)]
        yield Draft(name, {c.key: label(c.value) for c in changes}, _changed(root, changes))


def _changed(root: Node, changes: list[Change]) -> Node:
    """`kind` first: the settings beside it belong to the new one."""
    for change in sorted(changes, key=lambda change: change.path[-1] != "kind"):
        root = put(root, change.path, change.value, change.at)
    return root


def repeated(sweep: Node) -> Iterator[tuple[Where, Problem]]:
    """Values that stand twice on one axis of a grid."""
    for change in _changes(sweep.value.get("grid")):
        seen: list[Any] = []
        for index, node in enumerate(change.value.value if isinstance(change.value.value, list) else []):
            value = plain(node)
            if any(type(value) is type(other) and value == other for other in seen):
                path: Path = ("sweep", "grid", change.key, index)
                yield node.at, Problem(path, f"{show(value)} a second time", "each value once")
            seen.append(value)


def conflict(swept: Path, fixed: Path) -> bool:
    """Whether setting `fixed` would be undone, or undo what is swept."""
    return swept[: len(fixed)] == fixed or fixed[: len(swept)] == swept
