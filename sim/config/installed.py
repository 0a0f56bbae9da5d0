"""Plug-ins that installed packages bring: entry points of the group `mempress.FOLDER`, such as `mempress.allocators`.

An entry point `NAME = package.module:DESCRIPTION` makes NAME a name like any other; DESCRIPTION is the literal dict that a plug-in's file
has (see `sim.config.plugin`), and is read without importing the package.  Only who asks for names that are not ours pays for the search.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple


class Installed(NamedTuple):
    """An entry point: `module` is in `file`, where `attribute` is assigned the description.  file None: there is no such module."""

    name: str
    module: str
    attribute: str
    file: Path | None


def _file_of(module: str) -> Path | None:
    """The file of a module, found without importing it or the packages that it is in."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        base = Path(folder, *rest)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


@cache
def installed(folder: str) -> Mapping[str, Installed]:
    """The entry points of `mempress.FOLDER` by name."""
    from importlib.metadata import entry_points

    found: dict[str, Installed] = {}
    for point in sorted(entry_points(group=f"mempress.{folder}"), key=lambda point: (point.name, point.value)):
        found.setdefault(point.name, Installed(point.name, point.module, point.attr, _file_of(point.module)))
    return found


def described(point: Installed) -> tuple[str, str]:
    """(doc, source) of an entry point, for `list`; what is wrong with it, if its description cannot be read."""
    try:
        data = _literal(point)
        return str(data.get("doc", "")), str(data.get("source", "")) or f"{point.module}:{point.attribute}"
    except (OSError, SyntaxError, ValueError, TypeError, AttributeError) as error:
        return f"cannot be used: {error}", f"{point.module}:{point.attribute}"


def _literal(point: Installed) -> dict[str, Any]:
    if point.file is None:
        raise ValueError(f"there is no module {point.module}")
    for node in ast.parse(point.file.read_bytes()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == point.attribute for target in targets) and node.value is not None:  # type: ignore[attr-defined]
            return dict(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    raise ValueError(f"{point.file} assigns no {point.attribute}")
