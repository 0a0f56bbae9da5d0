"""What can be named in a configuration, as plain data: entries and their settings.

Every folder of models has a `registry.py` with a tuple `REGISTRY` of `Entry`.  Nothing here imports NumPy or Numba,
so `check`, `list`, `schema` and `--help` read all registries in milliseconds.  A setting is described here and nowhere else.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple


class Option(NamedTuple):
    """One setting of an entry.

    name      key in the YAML
    type      "size" (bytes), "time" (nanoseconds), "int", "float", "bool", "str", "path" (file, relative to the file that
              names it), "choice" (one of `choices`), "part:FOLDER" (a name from models/FOLDER/registry.py, or a mapping with
              `kind` and that entry's settings), "group" (a mapping of `options`), "list:TYPE" (a list of TYPE)
    unit      unit of the value handed to the model: "B", "ns", "pages", "%", "" ...
    default   as one would write it in YAML ("4KiB", "30us", 3, None); REQUIRED if there is none
    doc       one line for people
    source    where the default or the rule comes from
    min, max  inclusive bounds in `unit`, None for none
    choices   allowed values of a "choice"
    options   settings of a "group"
    """

    name: str
    type: str
    unit: str = ""
    default: Any = None
    doc: str = ""
    source: str = ""
    min: float | None = None
    max: float | None = None
    choices: tuple[Any, ...] = ()
    options: tuple[Option, ...] = ()


REQUIRED = "<required>"


class Entry(NamedTuple):
    """One thing that a configuration can name.

    name     key for `kind:` (or the value of a "part" option)
    target   "package.module:attribute", imported only when a run needs it
    doc      one line of description
    source   what it models, from which version, and where that is written down
    options  its settings
    preset   values that this name fixes, for a name that stands for another entry's module with given settings
    """

    name: str
    target: str
    doc: str
    source: str
    options: tuple[Option, ...] = ()
    preset: dict[str, Any] = {}


def resolve(target: str) -> Any:
    """Import "package.module:attribute" and return the attribute."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
