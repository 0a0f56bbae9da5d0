"""Every single value of a configuration with its path and its description, for `check`, origins and the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from models.registry import Option
from sim import units
from sim.config.parts import Key, Part, Settings
from sim.config.problems import Path
from sim.config.schema import Section


class Leaf(NamedTuple):
    """A value in model units, where it stands and what describes it."""

    path: Path
    option: Option
    value: Any


def leaves(section: Section, path: Path = ()) -> Iterator[Leaf]:
    """All values of a section and of what is in it, in the order of the schema."""
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        settings = [item for item in info.metadata if isinstance(item, Settings)]
        keys = [item for item in info.metadata if isinstance(item, Key)]
        if settings:
            for option in settings[0].options:
                yield Leaf((*path, name, option.name), option, value[option.name])
        elif keys and not isinstance(value, (Section, Mapping, list)):
            yield Leaf((*path, name), keys[0].option(name), value)
        else:
            yield from _inside((*path, name), value)


def _inside(path: Path, value: Any) -> Iterator[Leaf]:
    if isinstance(value, Section):
        yield from leaves(value, path)
    elif isinstance(value, Part):
        yield from _part(path, value)
    elif isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _inside((*path, key), item)
    elif isinstance(value, list) and value and isinstance(value[0], (Section, Part)):
        for index, item in enumerate(value):
            yield from _inside((*path, index), item)
    else:
        yield Leaf(path, Option(str(path[-1]), "str"), value)


def _part(path: Path, part: Part) -> Iterator[Leaf]:
    yield Leaf((*path, "kind"), Option("kind", f"part:{part.folder}", "", "", part.entry.doc, part.entry.source), part.kind)
    for option in (*part.common, *part.entry.options):
        yield from _option((*path, option.name), option, part.options.get(option.name))


def _option(path: Path, option: Option, value: Any) -> Iterator[Leaf]:
    if isinstance(value, Part):
        yield from _part(path, value)
    elif option.type == "group" and isinstance(value, Mapping):
        for inner in option.options:
            yield from _option((*path, inner.name), inner, value.get(inner.name))
    elif isinstance(value, list) and any(isinstance(item, (Part, Mapping)) for item in value):
        item_option = option._replace(type=option.type.removeprefix("list:"))
        for index, item in enumerate(value):
            yield from _option((*path, index), item_option, item)
    else:
        yield Leaf(path, option, value)


def in_words(option: Option, value: Any) -> str:
    """A value as one would write it in YAML, with its unit."""
    kind = option.type.removeprefix("list:")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(in_words(option, item) for item in value) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and kind == "size":
        return units.format_size(value) + (option.unit[1:] if option.unit.startswith("B/") else "")
    if isinstance(value, int) and kind == "time":
        return units.format_time(value) + (option.unit[2:] if option.unit.startswith("ns ") else "")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {in_words(option, item)}" for key, item in value.items()) + "}"
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value} ({option.unit})" if " " in option.unit else f"{value} {option.unit}".strip()
