"""A sweep's cases: the same tree with other values at some keys, before anything is validated."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from models.registry import Option
from sim.config.conditions import Change, holds
from sim.config.designs import Axis, Design, Point
from sim.config.problems import Path, Problem
from sim.config.tree import Node, Where, plain, put
from sim.config.walk import in_words

_LONGEST = 40  # characters of a value in a case's name
_KEPT = 10_000  # sections of cases that are kept to be shared


class Draft(NamedTuple):
    """A case that is not validated yet."""

    name: str
    labels: dict[str, str]
    root: Node


class SweepError(Exception):
    """Conditions that leave nothing or cannot be decided; carries where and what."""

    def __init__(self, at: Where, problem: Problem) -> None:
        super().__init__(problem.text())
        self.at, self.problem = at, problem


# ---------------------------------------------------------------- combinations


def combinations(design: Design, tree: Callable[[Sequence[Change]], Node]) -> Iterator[tuple[int, ...]]:
    """The index of a point on each axis, -1 where its condition does not hold; in the order of the product.  Raises SweepError."""
    found = _products(design, tree) if any(axis.when for axis in design.axes) else itertools.product(*(range(a.size) for a in design.axes))
    kept = 0
    varied = [False] * len(design.axes)
    for indices in found:
        if design.when or design.unless:
            changes = changes_of(design, indices)
            if design.when and not holds(design.when, changes, tree):
                continue
            if design.unless and holds(design.unless, changes, tree):
                continue
        kept += 1
        varied = [seen or index >= 0 for seen, index in zip(varied, indices, strict=True)]
        yield indices
    if not kept:
        problem = Problem(("sweep",), f"conditions that none of {design.combinations:,} combinations meets", "at least one case")
        raise SweepError(design.at or design.axes[0].at, problem)
    for axis, seen in zip(design.axes, varied, strict=True):
        if not seen:
            problem = Problem(("sweep", "grid", *axis.keys, "when"), "a condition that holds in no case", "one that some case meets")
            raise SweepError(axis.condition.at if axis.condition is not None else axis.at, problem)


def _products(design: Design, tree: Callable[[Sequence[Change]], Node]) -> list[tuple[int, ...]]:
    """As the product, for axes with conditions: each is decided after those that decide its condition."""
    order = _order(design)
    found: list[tuple[int, ...]] = []
    chosen = [-1] * len(design.axes)

    def choose(depth: int, changes: Point) -> None:
        if depth == len(order):
            found.append(tuple(chosen))
            return
        number = order[depth]
        axis = design.axes[number]
        if axis.when and not holds(axis.when, changes, tree):
            chosen[number] = -1
            choose(depth + 1, changes)
            return
        for index, point in enumerate(axis.points):
            chosen[number] = index
            choose(depth + 1, (*changes, *point))

    choose(0, ())
    return sorted(found)


def _order(design: Design) -> list[int]:
    """Axes without conditions, then each of the others behind those that its condition asks about.  Raises SweepError for a circle."""
    order = [number for number, axis in enumerate(design.axes) if not axis.when]
    waiting = [number for number, axis in enumerate(design.axes) if axis.when]
    while waiting:
        free = [
            number for number in waiting if not any(_asks(design.axes[number], design.axes[other]) for other in waiting if other != number)
        ]
        if not free:
            axis = design.axes[waiting[0]]
            circle = ", ".join(key for number in waiting for key in design.axes[number].keys)
            problem = Problem(("sweep", "grid", *axis.keys, "when"), f"conditions that wait for each other ({circle})", "no circle")
            raise SweepError(axis.condition.at if axis.condition is not None else axis.at, problem)
        order += free
        waiting = [number for number in waiting if number not in free]
    return order


def _asks(axis: Axis, other: Axis) -> bool:
    return any(term.decided_by(place) for terms in axis.when for term in terms for place in other.keys.values())


def changes_of(design: Design, indices: Sequence[int]) -> Point:
    """Everything that a combination sets."""
    return tuple(itertools.chain.from_iterable(axis.points[i] for axis, i in zip(design.axes, indices, strict=True) if i >= 0))


# ---------------------------------------------------------------- names


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


def _names(design: Design) -> list[list[str]]:
    """What each point of each axis adds to a case's name: key=value, of tied keys as many as tell the points apart."""
    paths = {change.key: change.path for axis in design.axes if not axis.names for change in axis.points[0]}
    short = dict(zip(paths, _short_keys(list(paths.values())), strict=True))
    return [axis.names or _points(axis, short) for axis in design.axes]


def _points(axis: Axis, short: dict[str, str]) -> list[str]:
    parts = [[f"{short[change.key]}={_short_value(change.value)}" for change in point] for point in axis.points]
    wide = next((n for n in range(1, len(axis.keys)) if len({tuple(part[:n]) for part in parts}) == len(parts)), len(axis.keys))
    return [",".join(part[:wide]) for part in parts]


# ---------------------------------------------------------------- cases


class Trees:
    """Trees with changes made.  Sections that are changed in the same way are the same nodes, so that they are validated once."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self._made: dict[tuple[tuple[Path, int], ...], Node] = {}  # the values are the axes', so their ids stay theirs

    def __call__(self, changes: Sequence[Change]) -> Node:
        sections: dict[str, list[Change]] = {}
        for change in changes:
            sections.setdefault(change.path[0], []).append(change)
        made = {top: self._section(top, found) for top, found in sections.items()}
        keys = {top: found[0].at for top, found in sections.items() if top not in self.root.keys}
        return Node({**self.root.value, **made}, self.root.at, {**self.root.keys, **keys})

    def _section(self, top: str, changes: list[Change]) -> Node:
        known = tuple([(change.place, id(change.value)) for change in changes])
        if known not in self._made:
            if len(self._made) >= _KEPT:
                self._made.clear()
            self._made[known] = changed(self.root, changes).value[top]
        return self._made[known]


def changed(root: Node, changes: Sequence[Change]) -> Node:
    """`kind` first: the settings beside it belong to the new one."""
    for change in sorted(changes, key=lambda change: change.path[-1] != "kind"):
        root = put(root, change.path, change.value, change.at)
    return root


def drafts(design: Design, root: Node) -> Iterator[Draft]:
    """Every case of a design without troubles.  Raises SweepError."""
    tree = Trees(root)
    parts, seen = _names(design), set[str]()
    for indices in combinations(design, tree):
        name = ",".join(names[i] for names, i in zip(parts, indices, strict=True) if i >= 0) or "base"
        if name in seen:
            name = next(f"{name}#{n}" for n in itertools.count(2) if f"{name}#{n}" not in seen)
        seen.add(name)
        changes = changes_of(design, indices)
        yield Draft(name, {change.key: label(change.value) for change in changes}, tree(changes))
