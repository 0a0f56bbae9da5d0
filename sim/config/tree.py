"""What a configuration file says, with the position of every key and value, before it means anything.

A `Node` is a scalar, a list or a mapping.  Trees are never changed in place: merging and overriding make new nodes and share
the rest, so a sweep of thousands of cases costs a few nodes each, and every value keeps the position where it was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sim.config.problems import Path, Problem, nearest, one_of
from sim.config.values import Text


class Where(NamedTuple):
    """A position: file as the user named it, line and column from 1 (0: no lines, such as `--set a.b`), folder for paths."""

    file: str
    line: int = 0
    column: int = 0
    folder: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def short(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands.

    value  None, bool, int, float, str, a list of Nodes, or a dict of Nodes by key
    keys   of a mapping: where each key stands
    soft   of a mapping: keys that were written for another `kind`, to be dropped where the present kind has no such key
    """

    value: Any
    at: Where
    keys: Mapping[str, Where] = field(default_factory=dict)
    soft: frozenset[str] = frozenset()


class Mapped(dict[str, Any]):
    """A mapping with soft keys (see Node.soft)."""

    soft: frozenset[str] = frozenset()


class PathError(Exception):
    """A dotted key that leads nowhere; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text())
        self.problem = problem


def plain(node: Node) -> Any:
    """The tree as Python values; text knows its folder, mappings their soft keys."""
    value = node.value
    if isinstance(value, dict):
        mapping = Mapped((key, plain(child)) for key, child in value.items())
        mapping.soft = node.soft
        return mapping
    if isinstance(value, list):
        return [plain(child) for child in value]
    return Text(value, node.at.folder) if isinstance(value, str) else value


def tree_of(value: Any, at: Where) -> Node:
    """The opposite of `plain`: a tree from Python values that all stand at one position."""
    if isinstance(value, Mapping):
        children = {str(key): tree_of(child, at) for key, child in value.items()}
        return Node(children, at, dict.fromkeys(children, at))
    if isinstance(value, (list, tuple)):
        return Node([tree_of(child, at) for child in value], at)
    return Node(value, at)


def locate(root: Node, path: Path, at_key: bool = False) -> tuple[Where, bool]:
    """Where the value (or key) at `path` stands, and whether it was written at all; else its nearest parent's position."""
    node, where = root, root.at
    for index, part in enumerate(path):
        last = index == len(path) - 1
        if isinstance(node.value, dict) and part in node.value:
            key = str(part)
            where = node.keys[key] if last and at_key else node.value[key].at
            node = node.value[key]
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            where = node.at
        else:
            return where, part == "kind" and isinstance(node.value, str) and last
    return where, True


def _kind(node: Node) -> str | None:
    kind = node.value.get("kind")
    return kind.value if kind is not None and isinstance(kind.value, str) else None


def _as_mapping(node: Node) -> Node:
    """`policy: NAME` is short for `policy: {kind: NAME}`; nothing at all is an empty mapping."""
    if isinstance(node.value, str):
        return Node({"kind": node}, node.at, {"kind": node.at})
    return Node({}, node.at) if node.value is None else node


def merge(base: Node, over: Node) -> Node:
    """`over` on top of `base`: mappings key by key, anything else is replaced.

    Where `over` changes `kind`, the keys that only `base` has become soft.
    """
    if not isinstance(over.value, dict):
        return over
    base = _as_mapping(base)
    if not isinstance(base.value, dict):
        return over
    children = dict(base.value)
    for key, child in over.value.items():
        children[key] = merge(children[key], child) if key in children else child
    changed = _kind(base) is not None and _kind(over) not in (None, _kind(base))
    soft = (frozenset(base.value) | base.soft if changed else base.soft) - frozenset(over.value) | over.soft
    return Node(children, over.at, {**base.keys, **over.keys}, soft)


def _index(items: Sequence[Node], part: str, path: Path) -> int:
    """Index of a list item by number or by its `name`."""
    names = [item.value["name"].value if isinstance(item.value, dict) and "name" in item.value else None for item in items]
    if part in names:
        return names.index(part)
    if part.isdecimal() and len(part) < 10 and int(part) < len(items):
        return int(part)
    known = list(dict.fromkeys(name for name in names if isinstance(name, str)))
    indices = f"an index from 0 to {len(items) - 1}" if items else "nothing: the list is empty"
    allowed = f"{indices}, or {one_of(known)}" if known else indices
    raise PathError(Problem((*path, part), repr(part), allowed, nearest(part, known)))


def put(node: Node, path: Sequence[str], value: Node, at: Where, walked: Path = ()) -> Node:
    """The tree with `value` at `path`; missing mappings on the way are made.  Raises PathError for a missing list item."""
    if not path:
        return merge(node, value)
    head, rest = path[0], path[1:]
    if isinstance(node.value, list):
        index = _index(node.value, head, walked)
        children = list(node.value)
        children[index] = put(children[index], rest, value, at, (*walked, index))
        return Node(children, node.at)
    node = _as_mapping(node)
    mapping: Mapping[str, Node] = node.value if isinstance(node.value, dict) else {}
    child = put(mapping[head], rest, value, at, (*walked, head)) if head in mapping else _nested(rest, value, at)
    soft = node.soft
    if head == "kind" and _kind(node) not in (None, child.value):
        soft = frozenset(mapping)
    return Node({**mapping, head: child}, node.at, {**node.keys, head: at}, soft - {head})


def _nested(path: Sequence[str], value: Node, at: Where) -> Node:
    for key in reversed(path):
        value = Node({key: value}, at, {key: at})
    return value


_WHOLE = (
    ("machine", "sysctl"),
    *(("sweep", block) for block in ("grid", "when", "unless")),
    ("sweep", "cases", "*", "set"),
    ("sweep", "zip", "*"),
    *(("sweep", method, "keys") for method in ("random", "lhs", "sobol")),
    ("sensitivity", "keys"),
    *(("tune", name) for name in ("objective", "keys", "when", "unless")),
    *(("fleet", "draw"), ("fleet", "settings"), ("fleet", "templates", "*", "set"), ("fleet", "templates", "*", "draw")),
)


def split_key(text: str) -> tuple[str, ...]:
    """A dotted key's parts; below the places whose keys have dots themselves (sysctls, limits of cgroups), the rest is one key."""
    parts = tuple(text.split("."))
    for place in _WHOLE:
        if len(parts) > len(place) and all(want in ("*", part) for want, part in zip(place, parts, strict=False)):
            return (*parts[: len(place)], ".".join(parts[len(place) :]))
    if parts[0] == "cgroups" and parts[2:3] == ("memory",):
        return (*parts[:2], ".".join(parts[2:]))
    return parts


def without(node: Node, keys: Iterable[str]) -> Node:
    """A mapping without some of its keys."""
    gone = set(keys)
    return Node({key: child for key, child in node.value.items() if key not in gone}, node.at, node.keys, node.soft)


def find_path(root: Node, path: Sequence[str]) -> Path:
    """The path with list items as indices; keys that do not exist yet stay as they are.  Raises PathError."""
    node: Node | None = root
    found: tuple[str | int, ...] = ()
    for part in path:
        if node is not None and isinstance(node.value, list):
            index = _index(node.value, part, found)
            found, node = (*found, index), node.value[index]
        else:
            found = (*found, part)
            node = node.value.get(part) if node is not None and isinstance(node.value, dict) else None
    return found
