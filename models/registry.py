"""What can be named in a configuration, as plain data: entries and their settings.

Every folder of models has a `registry.py` with a tuple `REGISTRY` of `Entry`.  Nothing here imports NumPy or Numba,
so `check`, `list`, `schema` and `--help` read all registries in milliseconds.  A setting is described here and nowhere else.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any, NamedTuple

from models.errors import InputError


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
    """Import "package.module:attribute" (or "/path/to/file.py:attribute", a plug-in) and return the attribute."""
    module, _, attribute = target.rpartition(":")
    return getattr(_load_file(module) if module.endswith(".py") else importlib.import_module(module), attribute)


def _load_file(path: str) -> ModuleType:
    """The module of a plug-in's file, once in a process, under a name that is the same in every process."""
    name = f"mempress_plugin_{hashlib.sha256(path.encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise InputError(f"{path}: cannot be loaded as a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise InputError(f"{path}: this plug-in cannot be loaded: {type(error).__name__}: {error}") from error
    return sys.modules[name]
