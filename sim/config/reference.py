"""What can be written in a configuration: the lists for people and the JSON Schema for editors, both from the same options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from models.registry import REQUIRED, Option
from sim.config.names import FOLDERS, registry
from sim.config.parts import Key, Part, Settings
from sim.config.schema import Config, Section, Workload
from sim.config.section import KeyAs, KeyOr
from sim.config.values import SCALARS, expected, word_of


class Row(NamedTuple):
    """A key of a fixed section: dotted path, and the option that describes it (type "section" or "part:..." for others)."""

    path: str
    option: Option


def rows(section: type[Section] = Config, prefix: str = "") -> Iterator[Row]:
    """All keys of the fixed sections, in order."""
    for name, info in section.model_fields.items():
        path = prefix + name
        keys = [item for item in info.metadata if isinstance(item, Key)]
        settings = [item for item in info.metadata if isinstance(item, Settings)]
        if keys:
            yield Row(path, keys[0].option(name)._replace(default=REQUIRED if info.is_required() else info.default))
            if isinstance(keys[0], KeyOr):
                yield from rows(keys[0].section, f"{path}.")
        elif settings:
            yield from (Row(f"{path}.{option.name}", option) for option in settings[0].options)
        else:
            yield from _special(path, info)


_MAPPINGS = {
    "grid": "dotted key -> list of values, or `{values: [...], when: {...}}`",
    "set": "dotted key -> value",
    "draw": "dotted key -> distribution (docs/fleet.md)",
    "settings": "dotted key -> list of values, or `{values: [...], when: {...}}`",
    "tune.keys": "dotted key -> list of values, range `{low: ..., high: ..., scale: linear, step: ...}`, or one of them with `when: {...}` "
    "(a list as `{values: [...], when: {...}}`)",
    "keys": "dotted key -> range `{low: ..., high: ..., scale: linear, step: ...}`, or list of values",
}
SAMPLED = ("sweep.random", "sweep.lhs", "sweep.sobol")


def _classes(annotation: Any) -> list[type]:
    if isinstance(annotation, type):
        return [annotation]
    return [found for argument in getattr(annotation, "__args__", ()) for found in _classes(argument)]


def _item_key(annotation: Any) -> Key | None:
    """What describes the items of a list of plain values."""
    item = next(iter(getattr(annotation, "__args__", ())), None) if getattr(annotation, "__origin__", None) is list else None
    return next((found for found in getattr(item, "__metadata__", ()) if isinstance(found, Key)), None)


_ONE = ("swap", "sweep", "fleet", "tune", "sensitivity", "density", "reclaim.cold_age")  # sections that may be missing


def _mapped_key(annotation: Any) -> KeyAs | None:
    """What describes the values of a mapping."""
    item = annotation.__args__[1] if getattr(annotation, "__origin__", None) is dict else None
    return next((found for found in getattr(item, "__metadata__", ()) if isinstance(found, KeyAs)), None)


def _special(path: str, info: Any) -> Iterator[Row]:
    annotation = info.annotation
    key = _item_key(annotation)
    if key is not None:
        yield Row(f"{path}[]", key.option(path) if key.default != REQUIRED else key.option(path)._replace(default=info.default))
    for found in _classes(annotation):
        named = ".NAME" if getattr(annotation, "__origin__", None) is dict else "[]"
        mark = "" if isinstance(annotation, type) or path in (*_ONE, *SAMPLED) else named
        if issubclass(found, Section):
            yield from rows(found, f"{path}{mark}.")
        elif issubclass(found, Part):
            default = REQUIRED if info.is_required() or mark else info.default
            yield Row(path + mark, Option("kind", f"part:{found.folder}", "", default, (found.__doc__ or "").splitlines()[0]))
    kind = path.rpartition(".")[2]
    words = _MAPPINGS.get(path) or _MAPPINGS.get(kind)
    if words:
        yield Row(path, Option(kind, "group", "", {} if kind != "keys" else REQUIRED, words))


def default_text(option: Option) -> str:
    """A default as one writes it."""
    if option.type == "group" and option.options:
        return ""
    if option.default == REQUIRED:
        return "required"
    if option.default is None:
        return "null"
    if isinstance(option.default, bool):
        return "true" if option.default else "false"
    if isinstance(option.default, str) and (not option.default or option.default.replace(".", "", 1).isdigit()):
        return f'"{option.default}"'
    return str(option.default)


def flat(options: tuple[Option, ...], prefix: str = "") -> Iterator[tuple[str, Option]]:
    """Settings with those of groups inside, by dotted name."""
    for option in options:
        if option.type == "group" and option.options:
            yield from flat(option.options, f"{prefix}{option.name}.")
        else:
            yield prefix + option.name, option


# ---------------------------------------------------------------- JSON Schema

_SIZE = r"^(0|[0-9]+(\.[0-9]+)? ?([KMGTP]i|[kMGTP])?B(/s)?)$"
_TIME = r"^(0|[0-9]+(\.[0-9]+)? ?(ns|us|µs|ms|s|min|h))$"
_PLUGIN = r"\.py:[A-Za-z_][A-Za-z0-9_]*$"


def _scalar_schema(option: Option) -> dict[str, Any]:
    bounds = {name: bound for name, bound in (("minimum", option.min), ("maximum", option.max)) if bound is not None}
    if option.choices:
        return {"enum": list(option.choices)}
    if option.type in ("size", "time"):
        texts = {"type": "string", "pattern": _SIZE if option.type == "size" else _TIME}
        return {"anyOf": [texts, {"const": 0}]}
    kinds = {"int": "integer", "float": "number", "bool": "boolean", "str": "string", "path": "string"}
    return {"type": kinds[option.type], **bounds}


def _option_schema(option: Option) -> dict[str, Any]:
    described = {"description": describe(option)} if option.doc else {}
    if option.type in SCALARS:
        schema = _scalar_schema(option)
    elif option.type == "group":
        schema = _object(option.options) if option.options else {"type": "object"}
    elif option.type.startswith("list:"):
        schema = {"type": "array", "items": _option_schema(option._replace(type=option.type[5:], default=REQUIRED, doc=""))}
    else:
        folder = option.type.partition(":")[2]
        schema = {"$ref": f"#/$defs/{'patterns' if folder == 'workloads' else folder}"}
    extra: list[dict[str, Any]] = []
    if word_of(option):
        extra.append({"const": word_of(option)})
    if option.default is None:
        extra.append({"type": "null"})
    schema = {"anyOf": [schema, *extra]} if extra else schema
    return {**schema, **described}


def describe(option: Option) -> str:
    """One line: what it is, what may stand there, its default and source."""
    parts = [option.doc, f"{expected(option)}" if option.type in SCALARS else "", f"default {default_text(option)}", option.source]
    return "; ".join(part for part in parts if part and not part.endswith("default "))


def _object(options: tuple[Option, ...], kind: str = "") -> dict[str, Any]:
    properties: dict[str, Any] = {"kind": {"const": kind}} if kind else {}
    properties.update({option.name: _option_schema(option) for option in options})
    required = ["kind"] if kind else []
    required += [option.name for option in options if option.default == REQUIRED]
    return {"type": "object", "properties": properties, "additionalProperties": False, **({"required": required} if required else {})}


def _folder_schema(folder: str, common: tuple[Option, ...] = ()) -> dict[str, Any]:
    kinds, named = [], []
    for entry in registry(folder).values():
        options = common + tuple(option for option in entry.options if option.name not in entry.preset)
        kinds.append({**_object(options, entry.name), "title": entry.name, "description": f"{entry.doc} ({entry.source})"})
        if all(option.default != REQUIRED for option in options):
            named.append(entry.name)
    plugin = {"type": "object", "properties": {"kind": {"type": "string", "pattern": _PLUGIN}}, "required": ["kind"]}
    short = [{"enum": named}, {"type": "string", "pattern": _PLUGIN}] if named else []
    return {"anyOf": [*short, *kinds, plugin]}


def _section_schema(section: type[Section]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = []
    for name, info in section.model_fields.items():
        keys = [item for item in info.metadata if isinstance(item, Key)]
        settings = [item for item in info.metadata if isinstance(item, Settings)]
        if keys and isinstance(keys[0], KeyAs):
            properties[name] = {**keys[0].schema, "description": keys[0].doc}
        elif keys and isinstance(keys[0], KeyOr):
            option = keys[0].option(name)._replace(default=info.default)
            words = [{"const": word} for word in keys[0].words]
            properties[name] = {"anyOf": [_option_schema(option), *words, _section_schema(keys[0].section)], "description": keys[0].doc}
        elif keys:
            properties[name] = _option_schema(keys[0].option(name)._replace(default=REQUIRED if info.is_required() else info.default))
        elif settings:
            properties[name] = {"anyOf": [_object(settings[0].options), {"type": "null"}]}
        else:
            properties[name] = _special_schema(name, info.annotation)
        if info.is_required():
            required.append(name)
    return {
        "type": "object",
        "description": (section.__doc__ or "").splitlines()[0],
        "properties": properties,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _special_schema(name: str, annotation: Any) -> dict[str, Any]:
    item = _mapped_key(annotation)
    if item is not None:
        return {"type": "object", "additionalProperties": dict(item.schema)}
    key = _item_key(annotation)
    if isinstance(key, KeyAs):
        return {"type": "array", "items": dict(key.schema)}
    if key is not None:
        return {"type": "array", "items": _option_schema(key.option(name)._replace(doc=""))}
    found = next((cls for cls in _classes(annotation) if issubclass(cls, (Section, Part))), None)
    if found is None:
        return {"type": "object", "additionalProperties": True}
    if issubclass(found, Section):
        inner = _section_schema(found)
    elif found.common and found is not Workload:
        inner = _folder_schema(found.folder, found.common)
    else:
        inner = {"$ref": f"#/$defs/{found.folder}"}
    if name in ("devices", "cgroups"):
        return {"type": "object", "additionalProperties": inner}
    if isinstance(annotation, type):
        return inner
    if getattr(annotation, "__origin__", None) is list:
        return {"type": "array", "items": inner}
    return {"anyOf": [inner, {"type": "null"}]}


def json_schema(section: type[Section] = Config) -> dict[str, Any]:
    """A whole configuration as a JSON Schema (2020-12), for completion and checking in editors."""
    schema = _section_schema(section)
    files = {"type": "array", "items": {"type": "string"}}
    schema["properties"]["extends"] = {
        "anyOf": [{"type": "string"}, files],
        "description": "another configuration, or several, that this one builds on",
    }
    schema["required"] = []  # what is missing may come from the file that it extends
    definitions = {folder: _folder_schema(folder, Workload.common if folder == "workloads" else ()) for folder in FOLDERS}
    definitions["patterns"] = _folder_schema("workloads")
    heading = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mempress configuration"}
    return {**heading, **schema, "$defs": definitions}
