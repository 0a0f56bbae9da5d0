"""Policies as the command line names them: `NAME`, or `NAME:setting=value:setting=value`."""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple

from models.cache.registry import ALIASES, REGISTRY
from models.registry import Entry, Option
from sim.errors import UserError

_ENTRIES = {entry.name: entry for entry in (*REGISTRY, *ALIASES)}


class Choice(NamedTuple):
    """One policy with its settings; name: as it was given."""

    name: str
    entry: Entry
    options: dict[str, Any]


def _unknown(kind: str, found: str, known: list[str]) -> UserError:
    near = difflib.get_close_matches(found, known, 1)
    return UserError(f"unknown {kind} {found!r}{f'; did you mean {near[0]}?' if near else ''} Known: {', '.join(known)}")


def _value(where: str, option: Option, text: str) -> Any:
    """The setting's value, or UserError."""
    if option.type == "choice":
        if text not in option.choices:
            raise UserError(f"{where}: expected one of {', '.join(option.choices)}, found {text!r}")
        return text
    try:
        value = int(text) if option.type == "int" else float(text)
    except ValueError:
        raise UserError(f"{where}: expected a number, found {text!r}") from None
    low, high = option.min, option.max
    if not ((low is None or value >= low) and (high is None or value <= high)):
        raise UserError(f"{where}: expected {low} to {high}, found {text}")
    return value


def _choice(text: str) -> Choice:
    name, *settings = text.split(":")
    entry = _ENTRIES.get(name)
    if entry is None:
        raise _unknown("policy", name, list(_ENTRIES))
    known = {option.name: option for option in entry.options}
    options = dict(entry.preset)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"{text}: expected setting=value after the colon, found {setting!r}")
        if key not in known:
            if not known:
                raise UserError(f"{text}: {name} has no settings")
            raise _unknown(f"setting of {name}:", key, list(known))
        options[key] = _value(f"{text}: {key}", known[key], value)
    return Choice(text, entry, options)


def choices(text: str) -> list[Choice]:
    """Policies between commas, each once.  UserError for a name or setting that is unknown or wrong."""
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise UserError(f"--policy: expected NAME[,NAME...], found {text!r}; known: {', '.join(_ENTRIES)}")
    return [_choice(name) for name in names]
