"""Plug-ins: a part from a user's own file, named `path/to/file.py:NAME`, and read without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from models.registry import Entry, Option
from sim.config.installed import Installed
from sim.config.names import FOLDERS
from sim.config.problems import Problem, fail, nearest, show
from sim.config.values import SCALARS, Text, absolute


def plugin(kind: str) -> Entry:
    """The entry of `path/to/file.py:NAME`; a relative path starts at the file that names it.

    NAME is assigned a literal dict at the top of that file: `target` (the attribute of the same file to use), `doc`, `source`,
    `options` (dicts with the fields of models.registry.Option) and `preset` may be given.  The file is not run to read it.
    Leaves with a problem if there is no such file or NAME, or if it is not such a dict.
    """
    folder = getattr(kind, "folder", "")
    text, _, name = kind.rpartition(":")
    file = absolute(Text(text, folder))
    try:
        tree = ast.parse(file.read_bytes())
    except OSError as error:
        fail([Problem((), show(kind), f"a plug-in's file ({file}: {error.strerror})")])
    except (SyntaxError, ValueError) as error:
        fail([Problem((), show(kind), f"a plug-in's Python file ({file}: {error})")])
    named = dict(_assignments(tree))
    if name not in named:
        fail([Problem((), show(kind), f"a name that {file} assigns", nearest(name, named))])
    try:
        entry = _entry_of(ast.literal_eval(named[name]), f"{file}:{name}", str(file))
        target = entry.target.rpartition(":")[2]
        if target not in named and target not in _definitions(tree):
            raise ValueError(f"the file defines no {target}")
        return entry
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        fail([Problem((), show(kind), f"a literal dict with `target` and `options` at {name} of {file}", str(error))])


def installed_plugin(point: Installed) -> Entry:
    """The entry of an installed package's plug-in.  Leaves with a problem if it is not one."""
    if point.file is None:
        fail([Problem((), show(point.name), f"an installed plug-in; there is no module {point.module} any more")])
    entry = plugin(f"{point.file}:{point.attribute}")
    return entry._replace(name=point.name, target=f"{point.module}:{entry.target.rpartition(':')[2]}")


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def _definitions(tree: ast.Module) -> set[str]:
    """Names that functions, classes and imports at the top of a file give."""
    names = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return names | {alias.asname or alias.name for node in imports for alias in node.names}


def _option_of(data: Any) -> Option:
    unknown = set(data) - set(Option._fields)
    if unknown:
        raise ValueError(f"an option has {', '.join(sorted(unknown))}; it may have {', '.join(Option._fields)}")
    if not {"name", "type"} <= set(data):
        raise ValueError("an option needs a name and a type")
    values = dict(data, choices=tuple(data.get("choices", ())), options=tuple(_option_of(item) for item in data.get("options", ())))
    option = Option(**values)
    base = option.type.removeprefix("list:")
    if base not in SCALARS and base != "group" and base.partition(":")[2] not in FOLDERS:
        raise ValueError(f"option {option.name} is of unknown type {option.type!r}")
    return option


def _entry_of(data: Any, name: str, file: str) -> Entry:
    unknown = set(data) - {"target", "doc", "source", "options", "preset"}
    if unknown:
        raise ValueError(f"found {', '.join(sorted(map(str, unknown)))}; it may have target, doc, source, options, preset")
    options = tuple(_option_of(item) for item in data.get("options", ()))
    return Entry(name, f"{file}:{data['target']}", data.get("doc", ""), data.get("source", ""), options, data.get("preset", {}))


def is_plugin(kind: str) -> bool:
    """Whether a kind names a file: `path/to/file.py:NAME`."""
    return ".py:" in kind
