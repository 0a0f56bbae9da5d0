"""Keys of `tune:` that move only where a condition of theirs holds, and candidates that are the same without the others.

Every key is sampled everywhere, so that a condition changes no other key's values; where it does not hold, the key is then left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sim.config import conditions
from sim.config.conditions import Change, Condition
from sim.config.designs import Axis, Design, Point
from sim.config.problems import Problem
from sim.config.sweep import Trees
from sim.config.tree import Node, plain


def apart(keys: Node) -> tuple[Node, dict[str, Node]]:
    """The keys as samples have them, and the conditions by key."""
    spreads, found = {}, {}
    for key, node in keys.value.items():
        if isinstance(node.value, dict):
            when = node.value.get("when")
            if when is not None and when.value is not None:
                found[key] = when
            rest = {name: child for name, child in node.value.items() if name != "when"}
            node = rest["values"] if "values" in rest else Node(rest, node.at, node.keys)
        spreads[key] = node
    return Node(spreads, keys.at, keys.keys), found


def thin_out(design: Design, root: Node, whens: Mapping[str, Node]) -> None:
    """Drop from the points of a sampled design what their conditions leave out, then points that are there already.

    What is wrong with the conditions goes to `design.troubles`.
    """
    (axis,) = design.axes
    asked = {key: conditions.read(root, node, axis.keys, design.troubles, design.context) for key, node in whens.items()}
    for key, condition in asked.items():
        if any(term.decided_by(axis.keys[key]) for terms in condition for term in terms):
            problem = Problem((key,), "a condition of a key on itself", "a condition on other keys")
            design.troubles.append((whens[key].at, problem))
    if design.troubles:
        return
    tree = Trees(root)
    _place(axis, [_kept(point, asked, tree) for point in axis.points])
    for key, node in whens.items():
        if not any(change.key == key for point in axis.points for change in point):
            problem = Problem(
                ("sweep", "lhs", "keys", key, "when"), "a condition that holds for no candidate", "one that some of them meet"
            )
            design.troubles.append((node.at, problem))


def _kept(point: Point, asked: Mapping[str, Condition], tree: Callable[[Sequence[Change]], Node]) -> Point:
    """Without the keys whose conditions do not hold; a condition may ask about a key that is left out itself."""
    while True:
        rest = tuple(c for c in point if not asked.get(c.key) or conditions.holds(asked[c.key], point, tree))
        if len(rest) == len(point):
            return point
        point = rest


def _place(axis: Axis, points: Sequence[Point]) -> None:
    """Each point once, with its name."""
    names = dict(zip(axis.names, points, strict=True))
    seen: dict[str, str] = {}
    for name, point in names.items():
        seen.setdefault(repr([(change.place, plain(change.value)) for change in point]), name)
    axis.names = list(seen.values())
    axis.points = [names[name] for name in axis.names]
    axis.size = len(axis.points)
