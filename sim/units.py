"""Sizes and times as text with units, and back.

Sizes become whole bytes, times whole nanoseconds.  KiB, MiB, ... are powers of 1024 (IEC 80000-13), kB, MB, ... powers of
1000 (SI).  A number without a unit is refused, apart from 0, so that nobody's 160 is read as bytes or as megabytes by guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

LARGEST = 2**63 - 1  # model units are int64

SIZES: Mapping[str, int] = {
    "B": 1,
    **{prefix + "iB": 1024**power for power, prefix in enumerate("KMGTP", start=1)},
    **{prefix + "B": 1000**power for power, prefix in enumerate("kMGTP", start=1)},
}
TIMES: Mapping[str, int] = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
_ALSO = {"µs": "us", "μs": "us"}  # both code points of the micro sign
_UNCLEAR = {
    "KB": "kB is 1000 bytes, KiB is 1024",
    "K": "kB is 1000 bytes, KiB is 1024",
    "k": "kB is 1000 bytes, KiB is 1024",
    "M": "MB is 1000^2 bytes, MiB is 1024^2",
    "G": "GB is 1000^3 bytes, GiB is 1024^3",
    "T": "TB is 1000^4 bytes, TiB is 1024^4",
    "m": "minutes are min, milliseconds are ms",
}
_TEXT = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?) ?(?P<unit>[A-Za-zµμ]*)", re.ASCII)
_READ_ONLY = ("min", "h")
_LONGEST = 60  # characters of a sensible quantity; longer ones are not worth exact arithmetic


class UnitError(ValueError):
    """Text that is not a quantity; `hint` is a remark for people, perhaps empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message + (f"; {hint}" if hint else ""))
        self.hint = hint


def _unit_hint(unit: str, units: Mapping[str, int]) -> str:
    if not unit:
        return f"a number needs a unit: {', '.join(units)}"
    if unit in _UNCLEAR and (unit == "m") == ("ns" in units):
        return _UNCLEAR[unit]
    same = [name for name in units if name.lower() == unit.lower()]
    return f"did you mean {same[0]}?" if len(same) == 1 else f"units are {', '.join(units)}"


def _parse(text: str, units: Mapping[str, int], what: str, whole: str) -> int:
    wrong = f"found {text[:_LONGEST]!r}; expected {what}"
    match = _TEXT.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        negative = text.lstrip().startswith("-") and _TEXT.fullmatch(text.strip()[1:])
        raise UnitError(wrong, "it cannot be negative" if negative else "")
    number = Fraction(match["number"])
    unit = _ALSO.get(match["unit"], match["unit"])
    if not unit and number == 0:
        return 0
    if unit not in units:
        raise UnitError(wrong, _unit_hint(unit, units))
    value = number * units[unit]
    if value.denominator != 1:
        raise UnitError(wrong, f"it is not a whole number of {whole}")
    if value > LARGEST:
        raise UnitError(wrong, f"it is more than {LARGEST} {whole}")
    return int(value)


@lru_cache(4096)
def parse_size(text: str) -> int:
    """Bytes of a text such as "160MiB", "530MB", "4KiB", "1.5GiB" or "0".

    Raises UnitError, with a hint where there is a good one, for anything else: no unit, an unclear unit such as KB, a negative
    number, a part of a byte, 2**63 or more.
    """
    return _parse(text, SIZES, "a size with a unit, such as 64MiB", "bytes")


@lru_cache(4096)
def parse_time(text: str) -> int:
    """Nanoseconds of a text such as "30us", "1.5ms", "60s" or "0".  Raises UnitError as `parse_size` does."""
    return _parse(text, TIMES, "a time with a unit, such as 30us", "nanoseconds")


def _format(value: int, units: Mapping[str, int], zero: str) -> str:
    if value == 0:
        return zero
    best, best_unit = "", ""
    for unit, factor in units.items():
        whole, rest = divmod(value * 1000, factor)
        if rest or whole < 1000 or unit in _READ_ONLY:
            continue  # more than three decimals, or less than one of the unit
        number = f"{whole // 1000}.{whole % 1000:03d}".rstrip("0").rstrip(".")
        if not best or len(number) < len(best):
            best, best_unit = number, unit
    return best + best_unit


def format_size(size: int) -> str:
    """The exact text with the fewest digits for `size` >= 0 bytes: 167772160 gives "160MiB", 530000000 gives "530MB"."""
    return _format(size, SIZES, "0B")


def format_time(time: int) -> str:
    """The exact text with the fewest digits for `time` >= 0 ns: 1500000 gives "1.5ms"."""
    return _format(time, TIMES, "0s")


def _about(value: float, steps: list[tuple[str, int]]) -> str:
    unit, factor = steps[0]
    for name, size in steps:
        if abs(value) >= size:
            unit, factor = name, size
    return f"{value / factor:.4g} {unit}"


def about_size(size: float) -> str:
    """Bytes to four digits in a binary unit, for tables and logs: 166723584 gives "159 MiB"."""
    return _about(size, [(unit, factor) for unit, factor in SIZES.items() if unit == "B" or "i" in unit])


def about_time(time: float) -> str:
    """Nanoseconds to four digits, for tables and logs: 1234567 gives "1.235 ms"."""
    return _about(time, [(unit, factor) for unit, factor in TIMES.items() if unit.endswith("s")])
