"""The form of `sweep:`: blocks of cases that multiply, and conditions on their combinations.

Only the form is checked here.  What depends on the swept keys (their types, units and ranges) is checked by sim.config.designs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from sim.config.parts import Key
from sim.config.problems import Problem, fail, show, unknown_key, wrong
from sim.config.section import CHOICE, MAX_RUNS, KeyAs, Section, as_written, file_name, section_of

_BOUNDS = ("min", "max")
_CONDITION = "a mapping of dotted keys to a value, a list of values, or {min: ..., max: ...}; or a list of such mappings"
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_TERM = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}, {"type": "object", "additionalProperties": _SCALAR}]}
_MAPPING = {"type": "object", "additionalProperties": _TERM, "minProperties": 1}
_CONDITIONS = {"anyOf": [_MAPPING, {"type": "array", "items": _MAPPING, "minItems": 1}, {"type": "null"}]}
_VALUES = {"type": "array", "minItems": 1}
_RANGE = {"low": _SCALAR, "high": _SCALAR, "scale": {"enum": ["linear", "log"]}, "step": _SCALAR}


def _term(value: Any, path: tuple[str | int, ...]) -> None:
    """A value, a list of them, or bounds."""
    if isinstance(value, Mapping):
        unknown = [unknown_key((*path, key), _BOUNDS) for key in value if key not in _BOUNDS]
        if unknown or not value:
            fail(unknown or [Problem(path, show(value), "min, max or both")])
    items = value if isinstance(value, list) else value.values() if isinstance(value, Mapping) else [value]
    if isinstance(value, list) and not value:
        fail([Problem(path, show(value), "at least 1 of them")])
    if any(isinstance(item, (list, Mapping)) for item in items):
        fail([Problem(path, show(value), "a value, a list of values, or {min: ..., max: ...}")])


def _conditions(value: Any, _context: Any) -> Any:
    """`when` and `unless`."""
    if value is None:
        return None
    alternatives = value if isinstance(value, list) else [value]
    if not alternatives:
        wrong(value, _CONDITION)
    for index, one in enumerate(alternatives):
        path = (index,) if isinstance(value, list) else ()
        if not isinstance(one, Mapping) or not one:
            fail([Problem(path, show(one), _CONDITION)])
        for key, term in one.items():
            _term(term, (*path, key))
    return value


def _condition_key(doc: str) -> KeyAs:
    return KeyAs("group", "", doc, default=None, read=_conditions, schema=_CONDITIONS)


class GridAxis(Section):
    """The values of a key of a grid, and where the key varies at all."""

    values: Annotated[list[Any], Field(min_length=1)]
    when: Annotated[Any, _condition_key("the key is set only where this holds; elsewhere it is left as it is")] = None


class Range(Section):
    """Where the values of a sampled key lie."""

    low: Annotated[Any, KeyAs("any", "", "smallest value, in the units of the key")]
    high: Annotated[Any, KeyAs("any", "", "largest value")]
    scale: Annotated[str, Key("choice", "", "equally likely in equal steps, or in equal ratios", CHOICE, choices=("linear", "log"))] = (
        "linear"
    )
    step: Annotated[Any, KeyAs("any", "", "only low, low + step, low + 2 step, ...", default=None)] = None


def _list(value: Any) -> list[Any]:
    if not value:
        wrong(value, "at least 1 of them")
    return list(value)


def _axis(value: Any, context: Any) -> Any:
    if isinstance(value, (Mapping, GridAxis)):
        return section_of(GridAxis, value, context)
    if not isinstance(value, list):
        wrong(value, "a list of values, or a mapping with `values` and `when`")
    return _list(value)


def _spread(value: Any, context: Any) -> Any:
    if isinstance(value, (Mapping, Range)):
        return section_of(Range, value, context)
    if not isinstance(value, list):
        wrong(value, "a list of values, or a range {low: ..., high: ...}")
    return _list(value)


def _tied(value: Any, _context: Any) -> Any:
    """One mapping of `zip`: lists of one length."""
    if not isinstance(value, Mapping) or not value:
        wrong(value, "a mapping of keys to lists of the same length")
    first, length = "", 0
    for key, values in value.items():
        if not isinstance(values, list) or not values:
            fail([Problem((key,), show(values), "a list of at least 1 value")])
        if first and len(values) != length:
            fail([Problem((key,), _several(len(values)), f"{_several(length)}, as many as {first} has: they move together")])
        first, length = first or str(key), len(values)
    return value


def _several(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"


SpreadKeys = Annotated[
    dict[
        str,
        Annotated[
            Any,
            KeyAs(
                "str",
                "",
                "where its values lie",
                read=_spread,
                schema={
                    "anyOf": [
                        _VALUES,
                        {"type": "object", "properties": _RANGE, "required": ["low", "high"], "additionalProperties": False},
                    ]
                },
            ),
        ],
    ],
    Field(min_length=1),
]


class MovingRange(Range):
    """A range, and where the key moves at all."""

    when: Annotated[Any, _condition_key("the key is set only where this holds; elsewhere it is left as it is")] = None


def _moving(value: Any, context: Any) -> Any:
    """A key of `tune`: as in samples, and with a condition of its own."""
    if isinstance(value, (GridAxis, MovingRange)):
        return value
    if isinstance(value, Mapping):
        return section_of(GridAxis if "values" in value else MovingRange, value, context)
    if not isinstance(value, list):
        wrong(value, "a list of values, {values: [...], when: ...}, or a range {low: ..., high: ...}")
    return _list(value)


_MOVING = [
    _VALUES,
    {
        "type": "object",
        "properties": {"values": _VALUES, "when": _CONDITIONS},
        "required": ["values"],
        "additionalProperties": False,
    },
    {"type": "object", "properties": {**_RANGE, "when": _CONDITIONS}, "required": ["low", "high"], "additionalProperties": False},
]
MovingKeys = Annotated[
    dict[str, Annotated[Any, KeyAs("str", "", "where its values lie", read=_moving, schema={"anyOf": _MOVING})]], Field(min_length=1)
]


class Sampled(Section):
    """Random values of several keys at once."""

    samples: Annotated[int, Key("int", "", "number of samples", "", 1, MAX_RUNS)]
    keys: SpreadKeys
    seed: Annotated[
        int | None, Key("int", "", "seed of the samples; null: the seed of the configuration", CHOICE, 0, 2**63 - 1, default=None)
    ] = None


def _metric_pair(names: list[str]) -> list[str]:
    if len(names) != 2:
        fail([Problem((), f"{len(names)} names", "two figures: what is saved, and what it costs")])
    return names


class Tune(Section):
    """What `mempress tune` looks for: the best settings by an objective (docs/tune.md)."""

    objective: Annotated[
        dict[str, Annotated[float, Key("float", "", "weight of this figure of run.json; less of the sum is better")]], Field(min_length=1)
    ]
    keys: MovingKeys
    when: Annotated[Any, _condition_key("only candidates for which this holds, or one mapping of a list")] = None
    unless: Annotated[Any, _condition_key("no candidate for which this holds, or one mapping of a list")] = None
    budget: Annotated[int, Key("int", "", "simulations in all", CHOICE, 1, MAX_RUNS)] = 200
    first: Annotated[int, Key("int", "", "replications of every candidate at first", CHOICE, 2, 1000)] = 2
    most: Annotated[int, Key("int", "", "replications of the finalists, and as many fresh ones", CHOICE, 3, 1000)] = 8
    pareto: Annotated[
        list[Annotated[str, Key("str", "", "a figure of run.json, memory_saved or memory_saved_share")]], AfterValidator(_metric_pair)
    ] = as_written(["memory_saved_share", "psi_memory_full"])

    @model_validator(mode="after")
    def _in_order(self) -> Tune:
        if self.first > self.most:
            fail([Problem(("first",), show(self.first), f"at most `most`, which is {self.most}")])
        return self


class Sensitivity(Section):
    """What `mempress sensitivity` asks: which keys matter for which figures (docs/sensitivity.md)."""

    method: Annotated[
        str, Key("choice", "", "morris: a screening of many keys; sobol: shares of the variance", "SALib", choices=("morris", "sobol"))
    ] = "morris"
    metrics: Annotated[list[Annotated[str, Key("str", "", "a figure of run.json")]], Field(min_length=1)]
    keys: SpreadKeys
    trajectories: Annotated[
        int, Key("int", "", "of morris: ways through the ranges; each has one run more than there are keys", CHOICE, 4, 1000)
    ] = 10
    samples: Annotated[
        int, Key("int", "", "of sobol: base samples, a power of two; each gives two runs more than there are keys", CHOICE, 8)
    ] = 64
    replications: Annotated[int, Key("int", "", "of every run; from two on, noise can be told from effects", CHOICE, 1, 1000)] = 2

    @model_validator(mode="after")
    def _balanced(self) -> Sensitivity:
        if self.samples & (self.samples - 1):
            fail([Problem(("samples",), show(self.samples), "a power of two, such as 64 or 128: Sobol's points are balanced only then")])
        return self


class SweepCase(Section):
    """One case of a sweep: its name, and the keys that it sets."""

    name: Annotated[str, Key("str", "", "name of the case, unique"), AfterValidator(file_name)]
    set: dict[str, Any] = {}


class Sweep(Section):
    """Cases: every combination of what its blocks say (docs/sweeps.md).  Keys are dotted, as for --set."""

    grid: dict[
        str,
        Annotated[
            Any,
            KeyAs(
                "str",
                "",
                "its values",
                read=_axis,
                schema={
                    "anyOf": [
                        _VALUES,
                        {
                            "type": "object",
                            "properties": {"values": _VALUES, "when": _CONDITIONS},
                            "required": ["values"],
                            "additionalProperties": False,
                        },
                    ]
                },
            ),
        ],
    ] = {}
    cases: list[SweepCase] = []
    zip: list[
        Annotated[
            Any,
            KeyAs("group", "", "keys that move together", read=_tied, schema={"type": "object", "additionalProperties": _VALUES}),
        ]
    ] = []
    random: Sampled | None = None
    lhs: Sampled | None = None
    sobol: Sampled | None = None
    when: Annotated[Any, _condition_key("only combinations for which this holds, or one mapping of a list")] = None
    unless: Annotated[Any, _condition_key("no combination for which this holds, or one mapping of a list")] = None
