"""Text that is a number, perhaps with a unit: what makes a swept value sortable and a filter comparable.

Sizes are bytes, times nanoseconds, rates bytes a second, as everywhere in the configuration (sim.units).
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from sim import units

_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_PARTS_OF_A_SECOND = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class Quantity(NamedTuple):
    """A value and its unit: "B", "B/s", "ns", "%", or "" for a plain number."""

    value: float
    unit: str


def quantity(text: str) -> Quantity | None:
    """The number that a text is, in model units ("96MiB" is 100663296 B); None for any other text, infinities and NaN included."""
    number, unit = (text[:-1], "%") if text.endswith("%") else (text, "")
    if _NUMBER.fullmatch(number):
        value = float(number)
        return Quantity(value, unit) if math.isfinite(value) else None
    try:
        if text.endswith("/s"):
            return Quantity(float(units.parse_size(text[:-2])), "B/s")
        if text.endswith("B"):
            return Quantity(float(units.parse_size(text)), "B")
        return Quantity(float(units.parse_time(text)), "ns")
    except units.UnitError:
        return None


def fits(found: Quantity, unit: str) -> bool:
    """Whether a value may stand among values of a unit; 0 needs none."""
    return found.unit == unit or (found.unit == "" and found.value == 0)


def in_unit(found: Quantity, unit: str) -> float | None:
    """A value in the unit of a metric ("s", "us", "B", "% of time", ...); a plain number has it already. None if it cannot be."""
    if found.unit == "" or found.unit == unit or (found.unit == "%" and unit.startswith("%")):
        return found.value
    if found.unit == "ns" and unit in _PARTS_OF_A_SECOND:
        return found.value / _PARTS_OF_A_SECOND[unit]
    return None


def example(unit: str) -> str:
    """What a value of a unit looks like, for messages."""
    known = {
        "B": "a size with a unit, such as 96MiB",
        "ns": "a time with a unit, such as 30us",
        "B/s": "a rate with a unit, such as 100MB/s",
        "%": "a share, such as 20%",
    }
    return known.get(unit, f"a number, in {unit}" if unit else "a number")
