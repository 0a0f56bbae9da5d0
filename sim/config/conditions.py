"""`when` and `unless`: which combinations of a sweep there are, decided before any of them is validated.

A condition is a list of alternatives, each a list of terms that must all hold.  A term compares what stands at a key in one
combination, defaults included, in the key's units.  Where the key belongs to another `kind` than the one that is set, no term holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError

from models.registry import REQUIRED, Option
from sim.config.names import registry
from sim.config.options import Found, look
from sim.config.parts import entry_of
from sim.config.problems import Path, Problem, nearest, one_of, show, wrong
from sim.config.tree import Node, PathError, Where, find_path, plain, split_key
from sim.config.values import SCALARS, Context, check

Trouble = tuple[Where, Problem]


class Change(NamedTuple):
    """One key of a case.

    key    as written;  path: its parts;  place: the same with list items as indices
    value  what it is set to;  at: where the key stands
    """

    key: str
    path: tuple[str, ...]
    place: Path
    value: Node
    at: Where


def overlap(one: Path, other: Path) -> bool:
    """Whether one of two paths leads through the other."""
    return one[: len(other)] == other or other[: len(one)] == one


def decides(swept: Path, key: Path) -> bool:
    """Whether setting `swept` may change what stands at `key`: a `kind` decides about the settings beside it too."""
    stem = swept[:-1] if swept[-1] == "kind" else swept
    return key[: len(stem)] == stem or overlap(swept, key)


class Term:
    """What one key must be.  `test` takes the value in model units (of a part the name of its kind)."""

    def __init__(self, key: str, path: Path, test: Callable[[Any], bool], context: Context) -> None:
        self.key, self.path, self.test, self.context = key, path, test, context
        self._deciding: dict[Path, bool] = {}
        self._known: dict[tuple[tuple[Path, int], ...], bool] = {}

    def decided_by(self, swept: Path) -> bool:
        """Whether a change at `swept` may change the answer."""
        if swept not in self._deciding:
            self._deciding[swept] = decides(swept, self.path)
        return self._deciding[swept]

    def holds(self, changes: Sequence[Change], tree: Callable[[Sequence[Change]], Node]) -> bool:
        """In the combination of these changes; `tree` makes its tree.  Answers are kept by the values that decide."""
        deciding = [change for change in changes if self.decided_by(change.place)]
        values = tuple([(change.place, id(change.value)) for change in deciding])
        if values not in self._known:
            self._known[values] = self._test(look(tree(deciding), self.path))
        return self._known[values]

    def _test(self, found: Found) -> bool:
        if not found.present or found.node is None:
            return False
        try:
            return self.test(_value(found.option, plain(found.node), self.context))
        except PydanticCustomError:  # what is not allowed there is reported when the case is validated
            return False


Condition = list[list[Term]]


def holds(condition: Condition, changes: Sequence[Change], tree: Callable[[Sequence[Change]], Node]) -> bool:
    """Whether all terms of one of the alternatives hold."""
    return any(all(term.holds(changes, tree) for term in terms) for terms in condition)


def _value(option: Option, value: Any, context: Context) -> Any:
    """In model units; raises PydanticCustomError."""
    if option.type.startswith("part:"):
        folder = option.type.removeprefix("part:")
        if not isinstance(value, str):
            wrong(value, one_of(registry(folder)))
        entry_of(folder, value)
        return str(value)
    return check(option, value, context)


def read(root: Node, node: Node | None, swept: Mapping[str, Path], troubles: list[Trouble], context: Context) -> Condition:
    """The condition that stands at `node` (its form has been checked); adds to `troubles` what is wrong with its keys and values.

    swept: the keys that the sweep varies, with their places.
    """
    if node is None or node.value is None:
        return []
    alternatives = node.value if isinstance(node.value, list) else [node]
    return [list(_terms(root, one, swept, troubles, context)) for one in alternatives]


def _terms(root: Node, node: Node, swept: Mapping[str, Path], troubles: list[Trouble], context: Context) -> Iterator[Term]:
    for key, wanted in node.value.items():
        at = node.keys[key]
        try:
            path = find_path(root, split_key(key))
            found = look(root, path)
        except PathError as error:
            hint = error.problem.hint or nearest(key, swept)
            troubles.append((at, error.problem._replace(path=(*error.problem.path[:-1], str(error.problem.path[-1])), hint=hint)))
            continue
        missing = not found.present or found.node is None
        if missing and not any(decides(place, path) for place in swept.values()):
            known = f"a swept key ({', '.join(swept)}) or one that the configuration has"
            troubles.append((at, Problem((key,), "a key that is neither swept nor in the configuration", known, nearest(key, swept))))
            continue
        kind = found.option.type
        if kind not in SCALARS and not kind.startswith("part:"):
            troubles.append((at, Problem((key,), "a key that holds several values", "a key with a single value, or a `kind`")))
            continue
        before = len(troubles)
        test = _test(key, found.option, wanted, troubles, context)
        if len(troubles) == before:
            yield Term(key, path, test, context)


def _test(key: str, option: Option, wanted: Node, troubles: list[Trouble], context: Context) -> Callable[[Any], bool]:
    if isinstance(wanted.value, dict):
        return _between(key, option, wanted, troubles, context)
    nodes = wanted.value if isinstance(wanted.value, list) else [wanted]
    values = [value for value in (_checked(key, option, node, troubles, context) for node in nodes) if value is not _WRONG]
    return lambda found: any(type(found) is type(value) and found == value for value in values)


def _between(key: str, option: Option, wanted: Node, troubles: list[Trouble], context: Context) -> Callable[[Any], bool]:
    if option.type not in ("size", "time", "int", "float"):
        troubles.append((wanted.at, Problem((key,), "bounds", f"a value or a list: {_words(option)} has no order")))
        return lambda found: False
    bounds = {
        name: _checked(key, option._replace(default=REQUIRED, min=None, max=None), node, troubles, context)
        for name, node in wanted.value.items()
    }
    low, high = bounds.get("min"), bounds.get("max")
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        troubles.append(
            (wanted.value["max"].at, Problem((key, "max"), show(plain(wanted.value["max"])), f"at least min: {plain(wanted.value['min'])}"))
        )

    def inside(found: Any) -> bool:
        number = isinstance(found, (int, float)) and not isinstance(found, bool)
        return number and (low is None or found >= low) and (high is None or found <= high)

    return inside


def _words(option: Option) -> str:
    return f"one of the {option.type.removeprefix('part:')}" if option.type.startswith("part:") else f"a {option.type}"


_WRONG = object()


def _checked(key: str, option: Option, node: Node, troubles: list[Trouble], context: Context) -> Any:
    try:
        return _value(option, plain(node), context)
    except PydanticCustomError as error:
        found = (error.context or {}).get("problems", [])
        troubles.extend((node.at, problem._replace(path=(key, *problem.path))) for problem in found)
        return _WRONG


__all__ = ["Change", "Condition", "Term", "Trouble", "decides", "holds", "overlap", "read"]
