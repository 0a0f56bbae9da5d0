"""A sweep's design: its blocks as axes whose points multiply, read from a tree whose form has been checked (sweep_schema).

`cases`, every key of `grid`, every mapping of `zip`, and the samples of `random`, `lhs` or `sobol` are an axis each.  Nothing is
made before the combinations have been counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from models.registry import REQUIRED, Option
from sim.config import conditions
from sim.config.conditions import Change, Condition, Trouble, overlap
from sim.config.options import look
from sim.config.problems import Path, Problem, show
from sim.config.sampling import METHODS, Spread, cube, natural_step, node_at, note_of
from sim.config.section import MAX_RUNS
from sim.config.tree import Node, PathError, Where, find_path, plain, split_key
from sim.config.values import Context, check

if TYPE_CHECKING:
    import numpy as np

NOT_SWEPT = ("name", "sweep", "published", "extends")
MAX_COMBINATIONS = 10 * MAX_RUNS  # that are looked at where conditions leave some out
Point = tuple[Change, ...]


@dataclass
class Axis:
    """One factor of the product.

    block   "cases", "grid", "zip" or a method of sampling;  at: where it stands
    keys    that it sets, with their places
    points  what each of its values sets; empty until they are made (samples are made last)
    names   of the points, where they have names of their own
    when    where it varies; elsewhere it sets nothing.  condition: the node that says so
    """

    block: str
    at: Where
    size: int
    keys: dict[str, Path]
    points: list[Point] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    when: Condition = field(default_factory=list)
    condition: Node | None = None


@dataclass
class Design:
    """All axes in the order of the product (the last varies fastest), and the conditions on combinations."""

    context: Context
    axes: list[Axis] = field(default_factory=list)
    when: Condition = field(default_factory=list)
    unless: Condition = field(default_factory=list)
    at: Where | None = None  # of the condition that comes first
    notes: list[str] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)

    @property
    def combinations(self) -> int:
        """How many there are before conditions, counted without making them."""
        return math.prod(axis.size for axis in self.axes)

    @property
    def constrained(self) -> bool:
        """Whether conditions may leave some out."""
        return bool(self.when or self.unless or any(axis.when for axis in self.axes))

    def keys(self) -> dict[str, Path]:
        """Every swept key with its place."""
        return {key: place for axis in self.axes for key, place in axis.keys.items()}

    def always_set(self) -> set[Path]:
        """Places that every case sets, so that the base need not have them right."""
        found: set[Path] = set()
        for axis in self.axes:
            if not axis.when and axis.block in ("cases", "zip", "grid") and axis.points:
                found |= set.intersection(*({change.place for change in point} for point in axis.points))
            elif not axis.when:
                found |= set(axis.keys.values())
        return found


def read(root: Node, sweep: Node, seed: int, runs_of_a_case: int, context: Context) -> Design:
    """The design that stands at `sweep`, with everything that is wrong with it in `troubles`; samples are made if nothing is.

    seed: of the configuration;  runs_of_a_case: its replications;  context: of validation (see sim.config.values)
    """
    design = Design(context)
    blocks = sweep.value
    _cases(design, root, blocks.get("cases"))
    _grid(design, root, blocks.get("grid"))
    for index, node in enumerate(_items(blocks.get("zip"))):
        _zip(design, root, node, index)
    sampled = [(method, blocks[method]) for method in METHODS if isinstance(blocks.get(method, None), Node) and blocks[method].value]
    spreads = [sampled_keys(design, root, method, node) for method, node in sampled]
    _conflicts(design)
    _conditions(design, root, sweep)
    if not design.troubles:
        _too_many(design, sweep, runs_of_a_case)
    if not design.troubles:
        for (method, node), found in zip(sampled, spreads, strict=True):
            own = node.value.get("seed")
            _make_samples(design.axes[-1], method, found, seed if own is None or own.value is None else int(own.value))
            design.notes += [note for note in [note_of(method, design.axes[-1].size)] if note]
    return design


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []


def _change(design: Design, root: Node, key: str, value: Node, at: Where) -> Change | None:
    """A change, if its key can be swept; what is wrong with the key is noted."""
    path = split_key(key)
    if not all(path):
        design.troubles.append((at, Problem((key,), "an empty part of a key", "a dotted key, such as machine.memory")))
    elif path[0] in NOT_SWEPT:
        design.troubles.append((at, Problem((key,), "a key that cannot be swept", f"any key but {', '.join(NOT_SWEPT)}")))
    else:
        try:
            return Change(key, path, find_path(root, path), value, at)
        except PathError as error:
            design.troubles.append((at, error.problem))
    return None


def _cases(design: Design, root: Node, node: Node | None) -> None:
    cases = _items(node)
    if node is None or not cases:
        return
    points = []
    for case in cases:
        sets = case.value.get("set")
        changes = [_change(design, root, key, value, sets.keys[key]) for key, value in sets.value.items()] if sets is not None else []
        points.append(tuple(change for change in changes if change is not None))
    keys = {change.key: change.place for point in points for change in point}
    names = [str(case.value["name"].value) for case in cases]
    design.axes.append(Axis("cases", node.at, len(points), keys, points, names))


def _grid(design: Design, root: Node, node: Node | None) -> None:
    for key, axis in node.value.items() if node is not None and node.value else ():
        at = node.keys[key]  # type: ignore[union-attr]
        with_when = isinstance(axis.value, dict)
        values = axis.value["values"] if with_when else axis
        changes = [_change(design, root, key, value, at) for value in values.value[:1]]
        if changes[0] is None:
            continue
        points: list[Point] = [(changes[0]._replace(value=value),) for value in values.value]
        _repeated(design, ("sweep", "grid", key, *(("values",) if with_when else ())), [(plain(v), v.at) for v in values.value])
        design.axes.append(
            Axis("grid", at, len(points), {key: changes[0].place}, points, condition=axis.value.get("when") if with_when else None)
        )


def _zip(design: Design, root: Node, node: Node, index: int) -> None:
    columns = [(key, values, _change(design, root, key, values, node.keys[key])) for key, values in node.value.items()]
    changes = [change for _, _, change in columns if change is not None]
    if len(changes) < len(columns):
        return
    length = len(columns[0][1].value)
    points = [tuple(change._replace(value=change.value.value[row]) for change in changes) for row in range(length)]
    rows = [[plain(change.value) for change in point] for point in points]
    first = ("sweep", "zip", index, columns[0][0])
    _repeated(design, first, [(row if len(row) > 1 else row[0], point[0].value.at) for row, point in zip(rows, points, strict=True)])
    design.axes.append(Axis("zip", node.at, length, {change.key: change.place for change in changes}, points))


def _repeated(design: Design, path: Path, values: list[tuple[Any, Where]]) -> None:
    """Values that stand twice on one axis."""
    seen: dict[str, int] = {}
    for index, (value, at) in enumerate(values):
        text = repr(value)
        if text in seen:
            what = "the same values" if isinstance(value, list) and path[1] == "zip" else show(value)
            design.troubles.append((at, Problem((*path, index), f"{what} a second time", "each value once")))
        seen[text] = index


def sampled_keys(design: Design, root: Node, method: str, node: Node) -> list[tuple[Change, Spread]]:
    """The keys of a sampled block with the spread of each."""
    keys = node.value["keys"]
    found = []
    for key, value in keys.value.items():
        change = _change(design, root, key, value, keys.keys[key])
        if change is None:
            continue
        try:
            option = look(root, change.place).option
        except PathError as error:
            design.troubles.append((change.at, error.problem))
            continue
        before = len(design.troubles)
        spread = _spread(design, ("sweep", method, "keys", key), option, value)
        if len(design.troubles) == before:
            found.append((change, spread))
    places = {change.key: change.place for change, _ in found}
    design.axes.append(Axis(method, node.at, int(node.value["samples"].value), places))
    return found


def _spread(design: Design, path: Path, option: Option, node: Node) -> Spread:
    if isinstance(node.value, list):
        _repeated(design, path, [(plain(item), item.at) for item in node.value])
        return Spread(option, node.at, choices=node.value)
    if option.type not in ("size", "time", "int", "float") or option.choices:
        what = f"{option.name} is no size, time or number that may be anything between two values"
        design.troubles.append((node.at, Problem(path, "a range", "a list of values", what)))
        return Spread(option, node.at)
    log = node.value["scale"].value == "log" if "scale" in node.value else False
    low, high = (_number(design, (*path, name), option._replace(default=REQUIRED), node.value[name]) for name in ("low", "high"))
    written = node.value.get("step")
    step = None
    if written is not None and written.value is not None:
        step = _number(design, (*path, "step"), option._replace(default=REQUIRED, min=None, max=None), written)
    if low is None or high is None:
        return Spread(option, node.at)
    texts = {name: show(plain(child)).strip("'") for name, child in node.value.items()}

    def wrong(name: str, expected: str, hint: str = "") -> None:
        design.troubles.append((node.value[name].at, Problem((*path, name), show(plain(node.value[name])), expected, hint)))

    if low >= high:
        wrong("high", f"more than low, which is {texts['low']}")
    elif log and low <= 0:
        wrong("low", "more than 0: the scale is log")
    elif step is not None and not 0 < step <= high - low:
        wrong("step", f"more than 0, and at most high - low ({texts['low']} to {texts['high']})")
    return Spread(option, node.at, (), low, high, natural_step(option, low, high) if step is None else step, log)


def _number(design: Design, path: Path, option: Option, node: Node) -> float | int | None:
    """A bound in model units."""
    value = plain(node)
    try:
        found: float | int = check(option, value, design.context)
        return found
    except PydanticCustomError as error:
        problems = (error.context or {}).get("problems", [])
        design.troubles.extend((node.at, problem._replace(path=(*path, *problem.path))) for problem in problems)
        return None


def _conflicts(design: Design) -> None:
    """Keys of which one would undo the other, in one axis or two; a case of `cases` may set a part and then its settings."""
    earlier: list[tuple[str, Path]] = []
    for axis in design.axes:
        own: list[tuple[str, Path]] = []
        for key, place in axis.keys.items():
            for other, taken in earlier + own:
                if overlap(place, taken):
                    at = next((change.at for point in axis.points for change in point if change.key == key), axis.at)
                    again = "a key that the sweep sets already" if place == taken else f"a key that meets another one of the sweep: {other}"
                    hint = "" if place == taken else "vary its `kind`, and its settings beside it"
                    design.troubles.append((at, Problem((key,), again, "each key in one place", hint)))
                    break
            own += [(key, place)] if axis.block != "cases" else []
        earlier += axis.keys.items()


def _conditions(design: Design, root: Node, sweep: Node) -> None:
    swept = design.keys()
    for name in ("when", "unless"):
        node = sweep.value.get(name)
        setattr(design, name, conditions.read(root, node, swept, design.troubles, design.context))
        if node is not None and node.value is not None and design.at is None:
            design.at = sweep.keys[name]
    for axis in design.axes:
        node = axis.condition
        if node is None or node.value is None:
            continue
        axis.when = conditions.read(root, node, swept, design.troubles, design.context)
        own = [term for terms in axis.when for term in terms for place in axis.keys.values() if term.decided_by(place)]
        if own:
            design.troubles.append((node.at, Problem((own[0].key,), "a condition of a key on itself", "a condition on other keys")))


def _too_many(design: Design, sweep: Node, runs_of_a_case: int) -> None:
    count = design.combinations
    if any(place[0] == "replications" for place in design.keys().values()):
        runs_of_a_case = 1  # they are counted case by case
    if design.constrained and count > MAX_COMBINATIONS:
        found, most = f"{count:,} combinations before conditions", f"at most {MAX_COMBINATIONS:,}"
        design.troubles.append((sweep.at, Problem(("sweep",), found, most, _factors(design))))
    elif not design.constrained and count * runs_of_a_case > MAX_RUNS:
        times = f"{count:,} cases with {runs_of_a_case:,} replication{'' if runs_of_a_case == 1 else 's'}"
        design.troubles.append((sweep.at, Problem(("sweep",), times, f"at most {MAX_RUNS:,} runs", _factors(design))))


def _factors(design: Design) -> str:
    """`2 x 3 x 64`: which axis is the long one."""
    return " x ".join(f"{axis.size:,} ({'+'.join(axis.keys) if axis.block in ('grid', 'zip') else axis.block})" for axis in design.axes)


def _make_samples(axis: Axis, method: str, found: list[tuple[Change, Spread]], seed: int) -> None:
    place_points(axis, cube(method, axis.size, [change.key for change, _ in found], seed), found)


def place_points(axis: Axis, points: np.ndarray[Any, Any], found: list[tuple[Change, Spread]]) -> None:
    """Make points of the unit cube, shape (samples, keys), the points of an axis."""
    columns = [[change._replace(value=node_at(spread, u)) for u in points[:, k].tolist()] for k, (change, spread) in enumerate(found)]
    axis.points = list(zip(*columns, strict=True))
    axis.size = len(axis.points)
    wide = len(str(axis.size))
    axis.names = [f"sample={number:0{wide}d}" for number in range(1, axis.size + 1)]
