"""Distributions of a fleet's `draw:` section, by the inverse of their distribution function.

A value is a function of one uniform number, so that a key whose distribution is changed a little changes its VMs a little, and the
other keys' values not at all.  `low` and `high` cut a normal or lognormal distribution: what lies outside is not drawn.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import partial
from itertools import accumulate
from statistics import NormalDist
from typing import Any, NamedTuple

from sim import units
from sim.config.problems import Path, Problem, one_of, show, unknown_key
from sim.config.tree import Node, plain

SHAPES: Mapping[str, tuple[str, ...]] = {
    "uniform": ("low", "high"),
    "loguniform": ("low", "high"),
    "normal": ("mean", "sd"),
    "lognormal": ("median", "sigma"),
}
_PLAIN = "sigma"  # has no unit: the standard deviation of the logarithm
_NORMAL = NormalDist()
_FORMS = "a list of values, {values: [...], weights: [...]}, or one of " + ", ".join(f"{{{name}: ...}}" for name in SHAPES)


class Wrong(Exception):
    """A distribution that cannot be read; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text())
        self.problem = problem


class Choice(NamedTuple):
    """Values with the sums of their weights up to each."""

    values: list[Node]
    sums: list[float]

    def at(self, u: float, whole: bool) -> Node:
        """The value of a uniform number 0 <= u < 1."""
        return self.values[min(bisect_right(self.sums, u * self.sums[-1]), len(self.values) - 1)]


class Continuous(NamedTuple):
    """A number, size or time: its quantile function, and the shares of the distribution below `low` and below `high`."""

    quantile: Callable[[float], float]
    below: float
    above: float
    unit: str  # "B", "ns" or "" for a plain number
    node: Node

    def at(self, u: float, whole: bool) -> Node:
        """The value of a uniform number 0 <= u < 1; `whole`: a plain number is rounded."""
        number = self.quantile(self.below + u * (self.above - self.below))
        if self.unit:
            return Node(f"{round(number)}{self.unit}", self.node.at)
        return Node(round(number) if whole else number, self.node.at)


Distribution = Choice | Continuous


def _fail(path: Path, found: str, expected: str, hint: str = "") -> Wrong:
    return Wrong(Problem(path, found, expected, hint))


def _number(path: Path, node: Node) -> tuple[float, str]:
    """A plain number, a size in bytes or a time in ns, and its unit."""
    value = plain(node)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value), ""
    if isinstance(value, str):
        for parse, unit in ((units.parse_size, "B"), (units.parse_time, "ns")):
            try:
                return float(parse(value)), unit
            except units.UnitError:
                continue
    raise _fail(path, show(value), "a number, or a size or time with its unit")


def _numbers(path: Path, node: Node, names: tuple[str, ...]) -> tuple[dict[str, float], str]:
    """Numbers by name, all but sigma of one unit."""
    found = {name: _number((*path, name), node.value[name]) for name in names if name in node.value}
    kinds = {unit for name, (number, unit) in found.items() if name != _PLAIN and number != 0}
    if len(kinds) > 1:
        raise _fail(path, "numbers of different units", "all sizes, all times, or all plain numbers")
    return {name: number for name, (number, _) in found.items()}, next(iter(kinds), "")


def _choice(path: Path, values: Node, weights: Node | None) -> Choice:
    if not isinstance(values.value, list) or not values.value:
        raise _fail(path, show(plain(values)), "a list with at least one value")
    shares: Any = [1.0] * len(values.value) if weights is None else plain(weights)
    place = (*path[:-1], "weights") if weights is not None else path
    right = isinstance(shares, list) and all(isinstance(w, (int, float)) and not isinstance(w, bool) and 0 <= w < math.inf for w in shares)
    if not right or len(shares) != len(values.value) or not sum(shares) > 0:
        raise _fail(place, show(shares), f"{len(values.value)} numbers of at least 0, one a value, not all 0")
    return Choice(values.value, list(accumulate(float(share) for share in shares)))


def _quantiles(shape: str, p: Mapping[str, float]) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Quantile function and distribution function; neither is a lambda, since workers may have to be sent them."""
    if shape == "uniform":
        return partial(_line, p["low"], p["high"] - p["low"]), _nothing
    if shape == "loguniform":
        return partial(_exponential, math.log(p["low"]), math.log(p["high"] / p["low"])), _nothing
    if shape == "normal":
        return partial(_normal, p["mean"], p["sd"]), partial(_normal_share, p["mean"], p["sd"])
    middle = math.log(p["median"])
    return partial(_lognormal, middle, p["sigma"]), partial(_lognormal_share, middle, p["sigma"])


def _line(low: float, span: float, u: float) -> float:
    return low + u * span


def _exponential(low: float, span: float, u: float) -> float:
    return math.exp(low + u * span)


def _normal(mean: float, sd: float, u: float) -> float:
    return mean + sd * _NORMAL.inv_cdf(min(max(u, 1e-16), 1 - 1e-16))


def _lognormal(middle: float, sigma: float, u: float) -> float:
    return math.exp(_normal(middle, sigma, u))


def _nothing(_x: float) -> float:
    return 0.0


def _normal_share(mean: float, sd: float, x: float) -> float:
    return _NORMAL.cdf((x - mean) / sd)


def _lognormal_share(middle: float, sigma: float, x: float) -> float:
    return _normal_share(middle, sigma, math.log(x)) if x > 0 else 0.0


def _check(path: Path, shape: str, p: Mapping[str, float]) -> None:
    """The parameters' own bounds."""
    if "low" in p and "high" in p and p["low"] >= p["high"]:
        raise _fail(path, f"low {p['low']:g} and high {p['high']:g}", "low below high")
    positive = {"loguniform": ("low",), "normal": ("sd",), "lognormal": ("median", "sigma")}.get(shape, ())
    for name in positive:
        if p[name] <= 0:
            raise _fail((*path, name), f"{p[name]:g}", "a number above 0")


def _continuous(path: Path, node: Node, shape: str) -> Continuous:
    names, inner = SHAPES[shape], node.value[shape]
    place = (*path, shape)
    if not isinstance(inner.value, dict) or set(inner.value) != set(names):
        raise _fail(place, show(plain(inner)), "a mapping with " + " and ".join(names))
    numbers, unit = _numbers(place, inner, names)
    _check(place, shape, numbers)
    cuts, cut_unit = _numbers(path, node, () if shape.endswith("uniform") else ("low", "high"))
    if cut_unit and cut_unit != unit:
        raise _fail(path, "numbers of different units", "low and high of the distribution's own unit")
    _check(path, "", cuts)
    quantile, share = _quantiles(shape, numbers)
    below = share(cuts["low"]) if "low" in cuts else 0.0
    above = share(cuts["high"]) if "high" in cuts else 1.0
    if not below < above:
        raise _fail(path, "low and high that leave nothing of the distribution", "bounds around its middle")
    return Continuous(quantile, below, above, unit, node)


def distribution(path: Path, node: Node) -> Distribution:
    """What stands at `path` of the configuration.  Raises Wrong."""
    if isinstance(node.value, list):
        return _choice(path, node, None)
    if not isinstance(node.value, dict):
        raise _fail(path, show(plain(node)), _FORMS)
    shape = next((name for name in SHAPES if name in node.value), None)
    allowed = ("values", "weights") if shape is None else (shape,) if shape.endswith("uniform") else (shape, "low", "high")
    if shape is None and "values" not in node.value:
        raise _fail(path, show(plain(node)), _FORMS)
    for key in node.value:
        if key not in allowed:
            raise Wrong(unknown_key((*path, key), allowed)._replace(expected=one_of(allowed)))
    if shape is None:
        return _choice((*path, "values"), node.value["values"], node.value.get("weights"))
    return _continuous(path, node, shape)
