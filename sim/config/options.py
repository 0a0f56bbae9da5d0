"""What describes a dotted key, and what stands there: needed where values are compared or made before they are validated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from models.registry import REQUIRED, Entry, Option
from sim.config.names import registry
from sim.config.parts import Key, Part, Settings, entry_of, part_class
from sim.config.problems import Path, Problem, unknown_key
from sim.config.schema import Config
from sim.config.section import Section
from sim.config.tree import Node, PathError, Where, tree_of

_DEFAULT = Where("default")


class Found(NamedTuple):
    """A key: what describes it, its node (a default's if nothing is written, None if there is neither), and whether it exists there.

    present  False where the key belongs to another `kind` than the one that is set
    """

    option: Option
    node: Node | None
    present: bool


def _child(node: Node | None, key: str | int) -> Node | None:
    if node is None:
        return None
    if isinstance(node.value, list):
        return node.value[int(key)] if str(key).isdecimal() and int(key) < len(node.value) else None
    return node.value.get(str(key)) if isinstance(node.value, dict) else None


def _or_default(node: Node | None, default: Any) -> Node | None:
    """A default is a value as one writes it, or of a section pydantic's; a missing one of a mapping is an empty mapping."""
    if node is not None or default is REQUIRED or default == REQUIRED:
        return node
    if isinstance(default, (str, int, float, bool, list, dict)) or default is None:
        return tree_of(default, _DEFAULT)
    return None


def look(root: Node, path: Path) -> Found:
    """The key at `path` (list items as indices, see find_path).  Raises PathError for a key that no configuration has."""
    return _section(Config, root, path, 0)


def _section(section: type[Section], node: Node | None, path: Path, at: int) -> Found:
    if at == len(path):
        return Found(Option(str(path[-1]), "group"), node, True)
    head = str(path[at])
    info = section.model_fields.get(head)
    if info is None:
        raise PathError(unknown_key(path[: at + 1], section.model_fields))
    child = _or_default(_child(node, head), REQUIRED if info.is_required() else info.default)
    for item in info.metadata:
        if isinstance(item, Key):
            option = item.option(head)
            return _plain(option._replace(default=REQUIRED if info.is_required() else info.default), child, path, at + 1)
        if isinstance(item, Settings):
            return _among(item.options, child, path, at + 1, True)
    return _typed(info.annotation, child, path, at + 1)


def _typed(annotation: Any, node: Node | None, path: Path, at: int) -> Found:
    """A section, a part, or a list or mapping of them."""
    origin = getattr(annotation, "__origin__", None)
    classes = [annotation] if isinstance(annotation, type) and origin is None else list(getattr(annotation, "__args__", ()))
    found = next((item for item in classes if isinstance(item, type) and issubclass(item, (Section, Part))), None)
    if found is None or (origin in (list, dict) and at == len(path)):
        return _plain(Option(str(path[at - 1]), "group"), node, path, at)
    if origin in (list, dict):
        node, at = _child(node, path[at]), at + 1
    return _section(found, node, path, at) if issubclass(found, Section) else _part(found, node, path, at)


def _plain(option: Option, node: Node | None, path: Path, at: int) -> Found:
    if at < len(path):
        raise PathError(
            Problem(path[: at + 1], "a key below a single value", f"nothing below {'.'.join(map(str, path[:at]))}", at_key=True)
        )
    return Found(option, node, True)


def _kind(part: type[Part], node: Node | None) -> Entry | None:
    """The registry's entry that a part's node names, None if it names none."""
    value = node.value if node is not None else None
    kind = value.get("kind") if isinstance(value, dict) else node
    if kind is None or not isinstance(kind.value, str):
        return None
    try:
        from sim.config.values import Text

        return entry_of(part.folder, Text(kind.value, kind.at.folder))
    except Exception:  # a kind that does not exist is reported when the case is validated
        return None


def _part(part: type[Part], node: Node | None, path: Path, at: int) -> Found:
    if at == len(path) or (path[at] == "kind" and at == len(path) - 1):
        kind = node.value.get("kind") if node is not None and isinstance(node.value, dict) else node
        return Found(Option(str(path[-1]), f"part:{part.folder}"), kind, True)
    own = _kind(part, node)
    options = (*part.common, *own.options) if own is not None else part.common
    if any(option.name == path[at] for option in options):
        return _among(options, node, path, at, True)
    for entry in registry(part.folder).values():
        if any(option.name == path[at] for option in entry.options):
            return _among(entry.options, None, path, at, False)
    raise PathError(unknown_key(path[: at + 1], _names(part, own)))


def _names(part: type[Part], own: Entry | None) -> Iterator[str]:
    yield from ("kind", *(option.name for option in part.common))
    entries = [own] if own is not None and own.options else registry(part.folder).values()
    yield from dict.fromkeys(option.name for entry in entries for option in entry.options)


def _among(options: tuple[Option, ...], node: Node | None, path: Path, at: int, present: bool) -> Found:
    """A setting among `options`; a missing one has its default where its part is there."""
    if at == len(path):
        return Found(Option(str(path[-1]), "group", options=options), node, present)
    option = next((option for option in options if option.name == path[at]), None)
    if option is None:
        raise PathError(unknown_key(path[: at + 1], [option.name for option in options]))
    default = {} if option.type == "group" else option.default
    child = _or_default(_child(node, option.name), default if present else REQUIRED)
    found = _setting(option, child, path, at + 1)
    return found._replace(node=found.node if present else None, present=found.present and present)


def _setting(option: Option, node: Node | None, path: Path, at: int) -> Found:
    kind = option.type
    if kind.startswith("list:"):
        if at == len(path):
            return Found(option, node, True)
        kind, node, at = kind.removeprefix("list:"), _child(node, path[at]), at + 1
    if kind == "group":
        return _among(option.options, node, path, at, True)
    if kind.startswith("part:"):
        return _part(part_class(kind.removeprefix("part:")), node, path, at)
    return _plain(option._replace(type=kind), node, path, at)
