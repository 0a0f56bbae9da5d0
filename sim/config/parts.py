"""Parts: everything that a configuration names by `kind`, and the pydantic models made from the registries.

A part is a registry entry with its settings in model units.  In YAML it is `{kind: NAME, setting: value, ...}`, or just NAME; in
Python `Device("ssd", channels=4)`.  A name of the form `path/to/file.py:NAME` is a plug-in: NAME is a literal dict in that file,
read without running it (see `plugin`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, create_model, model_validator
from pydantic_core import core_schema

from models.registry import REQUIRED, Entry, Option
from sim.config.installed import installed
from sim.config.names import FOLDERS, registry
from sim.config.plugin import installed_plugin, is_plugin, plugin
from sim.config.problems import Problem, fail, nearest, one_of, problems_of, raise_for, show, unknown_key
from sim.config.values import SCALARS, check, expected


class Checked(BaseModel):
    """Base of all sections: frozen, no unknown keys, and errors that say what is allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, arbitrary_types_allowed=True, hide_input_in_errors=True)

    @classmethod
    def by_key(cls) -> dict[str, Any]:
        """The fields by the key that stands for them in YAML."""
        return {info.alias or name: info for name, info in cls.model_fields.items()}

    @model_validator(mode="wrap")
    @classmethod
    def _say_what_is_allowed(cls, data: Any, handler: Any) -> Any:
        try:
            return handler(data)
        except ValidationError as error:
            keys = cls.by_key()
            problems = []
            for problem in problems_of(error):
                if problem.at_key and len(problem.path) == 1 and not problem.expected:
                    problem = unknown_key(problem.path, keys)
                elif problem.found == "nothing" and len(problem.path) == 1:
                    words = expected_of(keys[str(problem.path[0])])
                    problem = problem._replace(expected=words or "a value", hint="this key is required")
                problems.append(problem)
            fail(problems)


def expected_of(info: Any) -> str:
    """What may stand at a field, from the Key or the options that describe it; "" if neither does."""
    for item in info.metadata:
        if isinstance(item, Key):
            return expected(item.option(""))
        if isinstance(item, _Scalar):
            return expected(item.option)
    annotation = info.annotation
    if getattr(annotation, "__origin__", None) is list:
        return "a list"
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return f"{annotation.noun()}: {one_of(registry(annotation.folder))}"
    return "a mapping (key: value)" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else ""


@dataclass(frozen=True)
class Key:
    """Describes a fixed key: everything models.registry.Option says, apart from name and default.  Pydantic metadata."""

    type: str
    unit: str = ""
    doc: str = ""
    source: str = ""
    min: float | None = None
    max: float | None = None
    choices: tuple[Any, ...] = ()
    default: Any = REQUIRED

    def option(self, name: str) -> Option:
        """The same as an Option."""
        return Option(name, self.type, self.unit, self.default, self.doc, self.source, self.min, self.max, self.choices)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return _plain(self.option(""))


def _plain(option: Option) -> core_schema.CoreSchema:
    return core_schema.with_info_plain_validator_function(lambda value, info: check(option, value, info.context))


class _Scalar:
    """Pydantic metadata: a scalar setting of a registry entry."""

    def __init__(self, option: Option) -> None:
        self.option = option

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return _plain(self.option)


def _annotation(option: Option, owner: str) -> Any:
    """The type of a setting, as pydantic wants it."""
    if option.type in SCALARS:
        return Annotated[Any, _Scalar(option)]
    if option.type == "group":
        made: Any = _model(f"{owner}.{option.name}", option.options)
    elif option.type.startswith("list:"):
        item = option._replace(type=option.type.partition(":")[2], default=REQUIRED)
        made = list[_annotation(item, owner)]  # type: ignore[misc]
        if option.min is not None and item.type not in SCALARS:
            made = Annotated[made, Field(min_length=int(option.min))]
    elif option.type.startswith("part:"):
        made = part_class(option.type.partition(":")[2])
    else:
        raise ValueError(f"{owner}.{option.name}: a setting of unknown type {option.type!r}")
    return made if option.default is not None or option.type == "group" else made | None


def _default(option: Option) -> Any:
    if option.type == "group":
        return {} if option.default in (None, REQUIRED) else option.default
    return ... if option.default == REQUIRED else option.default


def _model(name: str, options: tuple[Option, ...]) -> type[Checked]:
    fields: dict[str, Any] = {
        f"o{index}": (_annotation(option, name), Field(_default(option), alias=option.name)) for index, option in enumerate(options)
    }
    return create_model(name, __base__=Checked, **fields)


_MODELS: dict[tuple[str, str], type[Checked]] = {}


def _cached_model(name: str, options: tuple[Option, ...]) -> type[Checked]:
    key = (name, repr(options))  # defaults may be lists, so options cannot be hashed
    if key not in _MODELS:
        _MODELS[key] = _model(name, options)
    return _MODELS[key]


def _values(model: BaseModel) -> dict[str, Any]:
    """Settings by name; groups as dicts."""
    out: dict[str, Any] = {}
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        out[info.alias or name] = _plain_value(value)
    return out


def _plain_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    return _values(value) if isinstance(value, BaseModel) else value


def settings_of(owner: str, options: tuple[Option, ...], raw: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """All settings in model units, defaults filled in.  Leaves with all problems at once (see sim.config.problems.fail)."""
    try:
        return _values(_cached_model(owner, options).model_validate(dict(raw), context=context))
    except ValidationError as error:
        fail(problems_of(error))


class Values(dict[str, Any]):
    """Settings that have been checked, in model units."""


@dataclass(frozen=True)
class Settings:
    """Pydantic metadata: a mapping of the given options, such as the sysctls.  The value is a dict in model units."""

    options: tuple[Option, ...]

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        def read(value: Any, info: ValidationInfo) -> dict[str, Any]:
            if isinstance(value, Values):
                return value
            raw = {} if value is None else value
            if not isinstance(raw, Mapping):
                fail([Problem((), show(value), "a mapping (key: value)")])
            return Values(settings_of("settings", self.options, raw, info.context))

        return core_schema.with_info_plain_validator_function(read)


def entry_of(folder: str, kind: str) -> Entry:
    """The registry's entry, a plug-in's, or that of an installed package.  Leaves with a problem if there is none."""
    if is_plugin(kind):
        return plugin(kind)
    known = registry(folder)
    if kind in known:
        return known[kind]
    others = installed(folder)
    if kind in others:
        return installed_plugin(others[kind])
    guess = nearest(kind, [*known, *others]) or _elsewhere(folder, kind)
    fail([Problem((), show(kind), f"{one_of([*known, *others])}, or a plug-in path/to/file.py:NAME", guess)])


def _elsewhere(folder: str, kind: str) -> str:
    homes = [other for other in FOLDERS if other != folder and kind in registry(other)]
    return f"{kind} is one of the {homes[0]}" if homes else ""


@dataclass(frozen=True, init=False, repr=False)
class Part:
    """A registry entry with its settings.

    kind     its name;  entry: the registry's Entry (`resolve(part.entry.target)` imports what it names)
    options  every setting in model units (bytes, ns); groups as dicts, nested parts as Part, paths absolute
    given    names of the settings that were written, as opposed to filled in
    """

    kind: str
    entry: Entry
    options: dict[str, Any]
    given: frozenset[str] = field(compare=False)

    folder: ClassVar[str] = ""
    common: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, kind: str, **options: Any) -> None:
        try:
            self._fill({"kind": kind, **options}, None)
        except Exception as error:
            problems = getattr(error, "context", None)
            if problems is None or "problems" not in problems:
                raise
            raise_for(problems["problems"], type(self).__name__)

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({self.kind!r}{settings})"

    @classmethod
    def noun(cls) -> str:
        """What the part is, for messages: `a device`."""
        word = cls.__name__.lower()
        return ("an " if word[0] in "aeiou" else "a ") + word

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _fill(self, raw: Mapping[str, Any], context: Any) -> None:
        kind = raw.get("kind")
        if not isinstance(kind, str):
            path = ("kind",) if "kind" in raw else ()
            fail([Problem(path, show(kind), f"`kind`, which names {self.noun()}: {one_of(registry(self.folder))}")])
        try:
            entry = entry_of(self.folder, kind)
        except Exception as error:
            _deeper(error, "kind")
        options = self.common + tuple(option for option in entry.options if option.name not in entry.preset)
        names = {option.name for option in options}
        soft: frozenset[str] = getattr(raw, "soft", frozenset())
        settings = {name: value for name, value in raw.items() if name != "kind" and not (name in soft and name not in names)}
        fixed = [_fixed(entry, name) for name in settings if name in entry.preset]
        settings = {name: value for name, value in settings.items() if name not in entry.preset}
        values = self._check(f"{self.folder}.{entry.name}", options, settings, context, fixed)
        values.update(entry.preset)
        order = [option.name for option in self.common + entry.options]
        ordered = {name: values[name] for name in order if name in values} | values
        self._set(kind=entry.name if is_plugin(kind) else str(kind), entry=entry, options=ordered, given=frozenset(settings))

    @staticmethod
    def _check(owner: str, options: tuple[Option, ...], raw: dict[str, Any], context: Any, problems: list[Problem]) -> dict[str, Any]:
        try:
            values = settings_of(owner, options, raw, context)
        except Exception as error:
            found = getattr(error, "context", None)
            if found is None:
                raise
            fail(problems + list(found["problems"]))
        if problems:
            fail(problems)
        return values

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(cls._read)

    @classmethod
    def _read(cls, value: Any, info: ValidationInfo) -> Part:
        if isinstance(value, cls):
            return value
        if isinstance(value, Part):
            fail([Problem((), f"the {type(value).__name__} {value.kind}", cls.noun())])
        if isinstance(value, str):
            raw: Mapping[str, Any] = {"kind": value}
        elif isinstance(value, Mapping):
            raw = value
        else:
            fail([Problem((), show(value), f"{cls.noun()}: {one_of(registry(cls.folder))}, or a mapping with `kind`")])
        part = object.__new__(cls)
        part._fill(raw, info.context)
        return part

    def resolved(self, written: bool = False) -> dict[str, Any]:
        """As JSON-able data in model units; `written` leaves out what was filled in."""
        data: dict[str, Any] = {"kind": self.kind}
        skip = set(self.entry.preset)
        for name, value in self.options.items():
            if name not in skip and (not written or name in self.given):
                data[name] = _data(value, written)
        return data


def _data(value: Any, written: bool) -> Any:
    if isinstance(value, Part):
        return value.resolved(written)
    if isinstance(value, list):
        return [_data(item, written) for item in value]
    return {key: _data(item, written) for key, item in value.items()} if isinstance(value, dict) else value


def _fixed(entry: Entry, name: str) -> Problem:
    return Problem((name,), "a setting", f"nothing: {entry.name} fixes {name} to {show(entry.preset[name])}", at_key=True)


def _deeper(error: Exception, part: str) -> None:
    """Raise a problems error again with its paths one level down."""
    found = getattr(error, "context", None)
    if found is None or "problems" not in found:
        raise error
    fail([problem._replace(path=(part, *problem.path)) for problem in found["problems"]])


class Policy(Part):
    """How pages are chosen for reclaim: a name from models/policies."""

    folder: ClassVar[str] = "policies"


class Backend(Part):
    """What takes swapped pages before the device does: a name from models/backends."""

    folder: ClassVar[str] = "backends"


class Device(Part):
    """A block device: a name from models/devices."""

    folder: ClassVar[str] = "devices"


class Allocator(Part):
    """Where compressed pages live: a name from models/allocators."""

    folder: ClassVar[str] = "allocators"


class Compressor(Part):
    """What compresses pages: a name from models/compressors."""

    folder: ClassVar[str] = "compressors"


class Contents(Part):
    """What pages hold, as compressed sizes: a name from models/contents."""

    folder: ClassVar[str] = "contents"


class Pattern(Part):
    """A stream of operations inside another workload: a name from models/workloads."""

    folder: ClassVar[str] = "workloads"


class Lifetime(Part):
    """When the objects of an allocator come and go: a name from models/lifetimes."""

    folder: ClassVar[str] = "lifetimes"


class Controller(Part):
    """What reclaims in a memory cgroup before it is full: a name from models/controllers."""

    folder: ClassVar[str] = "controllers"


PARTS: Mapping[str, type[Part]] = {
    cls.folder: cls for cls in (Policy, Backend, Device, Allocator, Compressor, Contents, Pattern, Lifetime, Controller)
}


def part_class(folder: str) -> type[Part]:
    """The class of parts of models/FOLDER."""
    return PARTS[folder]
