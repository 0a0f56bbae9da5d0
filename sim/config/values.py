"""One checker for every kind of setting in models.registry.Option: from what a person wrote to model units.

The same checkers serve the fixed sections of a configuration and the settings of registry entries, so a size is read and
refused in the same way everywhere.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from models.registry import REQUIRED, Option
from sim import units
from sim.config.problems import nearest, one_of, wrong

Context = Mapping[str, Any]  # of pydantic's validation info; {"yaml": True}: quantities must carry their unit


class Text(str):
    """Text from a file, with the folder of that file: what a relative path starts from."""

    __slots__ = ("folder",)
    folder: str

    def __new__(cls, value: str, folder: str) -> Text:
        self = super().__new__(cls, value)
        self.folder = folder
        return self


class Written(float):
    """A number with a point or exponent, and how it was written (6.10 is not the kernel 6.1)."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Written:
        self = super().__new__(cls, text)
        self.text = text
        return self


def word_of(option: Option) -> str:
    """The one word that is allowed in place of a number ("auto"), or ""."""
    default = option.default
    if option.type not in ("size", "time", "int", "float") or not isinstance(default, str) or default == REQUIRED:
        return ""
    return "" if default[:1].isdigit() else default


def _bound(option: Option, value: float) -> str:
    if value >= units.LARGEST:
        return "2^63 - 1"
    if option.type == "size":
        return units.format_size(int(value)) + ("/s" if option.unit.endswith("/s") else "")
    return units.format_time(int(value)) if option.type == "time" else f"{value:g}" if value % 1 else str(int(value))


def _range(option: Option) -> str:
    if option.min is not None and option.max is not None:
        return f" from {_bound(option, option.min)} to {_bound(option, option.max)}"
    if option.min is not None:
        return f" of at least {_bound(option, option.min)}"
    return f" of at most {_bound(option, option.max)}" if option.max is not None else ""


def expected(option: Option) -> str:
    """What may stand at this key, for people: `an integer from 1 to 1024`."""
    if option.choices:
        text = one_of(str(choice) for choice in option.choices)
    elif option.type.startswith("part:"):
        text = "the name of one of " + option.type.partition(":")[2]
    elif option.type.startswith("list:"):
        text = "a list"
    else:
        nouns = {
            "size": "a rate with a unit, such as 64MiB," if option.unit.endswith("/s") else "a size with a unit, such as 64MiB,",
            "time": "a time with a unit, such as 30us,",
            "int": "an integer",
            "float": "a number",
            "bool": "true or false",
            "str": "text",
            "path": "the name of a file",
            "group": "a mapping (key: value)",
            "any": "a value of the key that is swept",
        }
        text = (nouns[option.type] + _range(option)).rstrip(",")
    word = word_of(option)
    if word:
        text += f", or {word}"
    return text + (", or null" if option.default is None else "")


def _number_hint(text: str) -> str:
    """What to write instead of text that other YAML readers take for a number."""
    word = text.strip()
    if len(word) > 40:
        return ""
    if re.fullmatch(r"[0-9]+(:[0-9]{1,2})+", word):
        return "it is text here, not a count of seconds"
    if re.fullmatch(r"[-+]?0[0-9]+", word):
        return f"a leading 0 makes it text, not an octal number; write {int(word)}"
    if re.fullmatch(r"0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+", word):
        return f"write {int(word, 0)}"
    if re.fullmatch(r"[0-9]+([,_][0-9]+)+", word):
        return f"write {int(re.sub('[,_]', '', word))}"
    if re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", word):
        return "it is quoted: numbers stand without quotes"
    return ""


def _as_number(option: Option, value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        word = word_of(option)
        hint = _number_hint(value) if isinstance(value, str) else ""
        wrong(value, expected(option), hint or (nearest(value, [word]) if word and isinstance(value, str) else ""))
    if isinstance(value, int):
        return int(value)
    if not math.isfinite(value):
        wrong(value, expected(option), "it must be finite")
    if option.type == "float":
        return float(value)
    if value != int(value):
        wrong(value, expected(option), "it must be a whole number")
    return int(value)


def _in_range(option: Option, number: Any, value: Any) -> Any:
    low = option.min is not None and number < option.min
    high = number > (units.LARGEST if option.max is None else option.max)
    if low or high or number < -units.LARGEST:
        wrong(value, expected(option), f"it is more than {units.LARGEST}" if high and option.max is None else "")
    return number


def _check_number(option: Option, value: Any, _context: Context) -> Any:
    return _in_range(option, _as_number(option, value), value)


def _check_quantity(option: Option, value: Any, context: Context) -> int:
    """A size or time: text with a unit; outside YAML also an int in model units."""
    if isinstance(value, str):
        rate = option.unit.endswith("/s") and value.endswith("/s")
        try:
            number = (units.parse_size if option.type == "size" else units.parse_time)(value[:-2] if rate else value)
        except units.UnitError as error:
            word = word_of(option)
            guess = nearest(value, [word]) if word and not value[:1].isdigit() else ""
            wrong(value, expected(option), guess or error.hint or _number_hint(value))
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0:
        number = 0
    elif isinstance(value, int) and not isinstance(value, bool) and not context.get("yaml"):
        number = value
    else:
        bare = isinstance(value, (int, float)) and not isinstance(value, bool)
        wrong(value, expected(option), "a number needs a unit" if bare else "")
    return int(_in_range(option, number, value))


def _check_bool(option: Option, value: Any, _context: Context) -> bool:
    if isinstance(value, bool):
        return value
    guess = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
    meant = guess.get(value.lower(), "") if isinstance(value, str) else ""
    wrong(value, expected(option), f"did you mean {meant}?" if meant else "")


def _check_text(option: Option, value: Any, _context: Context) -> str:
    if isinstance(value, str):
        return str(value)
    plain = isinstance(value, (int, float)) or value is None
    wrong(value, expected(option), "put it in quotes" if plain else "")


def _check_choice(option: Option, value: Any, _context: Context) -> Any:
    for choice in option.choices:
        if type(choice) is bool or isinstance(value, bool):
            if choice is value:
                return choice
        elif choice == value or (isinstance(choice, str) and getattr(value, "text", None) == choice):
            return choice
    names = [str(choice) for choice in option.choices]
    wrong(value, expected(option), nearest(value, names) if isinstance(value, str) else "")


def absolute(value: str) -> Path:
    """The file that a configured path names: relative to its own file, else to the current directory."""
    return Path(os.path.abspath(os.path.join(getattr(value, "folder", "") or os.curdir, os.path.expanduser(value))))


def _check_path(option: Option, value: Any, _context: Context) -> str:
    if not isinstance(value, str) or not value.strip():
        wrong(value, expected(option))
    if "\0" in value:
        wrong(value, expected(option), "a file name holds no NUL character")
    path = absolute(value)
    try:
        if path.exists():
            if not os.access(path, os.R_OK):
                wrong(value, "a file that can be read", f"no permission to read {path}")
            return str(path)
        names = os.listdir(path.parent) if path.parent.is_dir() else []
    except OSError as error:
        wrong(value, "a file that can be read", str(error.strerror or error))
    close = difflib.get_close_matches(path.name, names, n=1)
    hint = f"did you mean {str(value)[: -len(path.name)] + close[0]}?" if close and value.endswith(path.name) else ""
    wrong(value, f"a file that exists (there is no {path})", hint)


_CHECKS: dict[str, Callable[[Option, Any, Context], Any]] = {
    "size": _check_quantity,
    "time": _check_quantity,
    "int": _check_number,
    "float": _check_number,
    "bool": _check_bool,
    "str": _check_text,
    "choice": _check_choice,
    "path": _check_path,
}
SCALARS = frozenset(_CHECKS)


def check(option: Option, value: Any, context: Context | None) -> Any:
    """The setting's value in model units (bytes, ns, plain numbers, absolute paths).

    Raises pydantic's PydanticCustomError (see sim.config.problems.fail) where it is not allowed.
    """
    if value is None:
        if option.default is None:
            return None
        wrong(value, expected(option))
    word = word_of(option)
    if word and isinstance(value, str) and value == word:
        return word
    found = _CHECKS[option.type](option, value, context or {})
    if option.choices and option.type != "choice":
        allowed = [_CHECKS[option.type](option._replace(choices=()), choice, {}) for choice in option.choices]
        if found not in allowed:
            wrong(value, expected(option))
    return found
