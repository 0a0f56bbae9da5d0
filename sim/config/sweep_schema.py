"""The form of `sweep:`: blocks of cases that multiply, and conditions on their combinations.

Only the form is checked here.  What depends on the swept keys (their types, units and ranges) is checked by sim.config.designs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from sim.config.parts import Key
from sim.config.problems import Problem, fail, show, unknown_key, wrong
from sim.config.section import CHOICE, MAX_RUNS, KeyAs, Section, file_name, section_of

_BOUNDS = ("min", "max")
_CONDITION = "a mapping of dotted keys to a value, a list of values, or {min: ..., max: ...}; or a list of such mappings"
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_TERM = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}, {"type": "object", "additionalProperties": _SCALAR}]}
_MAPPING = {"type": "object", "additionalProperties": _TERM, "minProperties": 1}
_CONDITIONS = {"anyOf": [_MAPPING, {"type": "array", "items": _MAPPING, "minItems": 1}, {"type": "null"}]}
_VALUES = {"type": "array", "minItems": 1}


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


class Sampled(Section):
    """Random values of several keys at once."""

    samples: Annotated[int, Key("int", "", "number of samples", "", 1, MAX_RUNS)]
    keys: Annotated[
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
                            {
                                "type": "object",
                                "properties": {"low": _SCALAR, "high": _SCALAR, "scale": {"enum": ["linear", "log"]}, "step": _SCALAR},
                                "required": ["low", "high"],
                                "additionalProperties": False,
                            },
                        ]
                    },
                ),
            ],
        ],
        Field(min_length=1),
    ]
    seed: Annotated[
        int | None, Key("int", "", "seed of the samples; null: the seed of the configuration", CHOICE, 0, 2**63 - 1, default=None)
    ] = None


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
