"""What every section of a configuration is made of: a frozen pydantic model whose errors are for people.

Creating a section with wrong values raises sim.UserError, which lists all of them; inside pydantic the errors stay pydantic's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import core_schema

from sim.config.parts import Checked, Key, Part
from sim.config.problems import fail, problems_of, raise_for, wrong
from sim.config.values import check

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _SectionMeta

    class Size:
        """An attribute that is read as bytes and may be given as text with a unit."""

        def __get__(self, instance: object, owner: object = None) -> int: ...
        def __set__(self, instance: object, value: int | str) -> None: ...

    class Time:
        """An attribute that is read as nanoseconds and may be given as text with a unit."""

        def __get__(self, instance: object, owner: object = None) -> int: ...
        def __set__(self, instance: object, value: int | str) -> None: ...

else:
    Size = Time = int

    class _SectionMeta(type(BaseModel)):
        """Turns what pydantic says into UserError where a person creates a section; pydantic itself does not come through here."""

        def __call__(cls, *args, **values):
            try:
                return super().__call__(*args, **values)
            except ValidationError as error:
                raise_for(problems_of(error), cls.__name__)


MAX_RUNS = 100_000  # cases times replications of one configuration

CHOICE = "a choice of this model"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", re.ASCII)
_PART_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", re.ASCII)


def as_written(value: Any) -> Any:
    """A default as one writes it in YAML, of a type that type checkers need not compare with the attribute's."""
    return Field(value)


def file_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        wrong(text, "1 to 100 letters, digits and . _ + -, starting with a letter or digit (it names the results' folder)")
    return text


def part_name(text: str) -> str:
    if not _PART_NAME.fullmatch(text):
        wrong(text, "1 to 64 letters, digits, _ and -, starting with a letter (it is part of dotted keys)")
    return text


class Section(Checked, metaclass=_SectionMeta):
    """A section of a configuration.  Creating one with wrong values raises sim.UserError, which lists all of them."""

    def resolved(self, written: bool = False) -> dict[str, Any]:
        """As JSON-able data in model units, every default filled in; `written` leaves out what was filled in."""
        names = type(self).model_fields
        return {name: _resolved(getattr(self, name), written) for name in names if not written or name in self.model_fields_set}


def _resolved(value: Any, written: bool) -> Any:
    if isinstance(value, (Section, Part)):
        return value.resolved(written)
    if isinstance(value, Mapping):
        return {str(key): _resolved(item, written) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_resolved(item, written) for item in value]
    return float(value) if isinstance(value, float) else str(value) if isinstance(value, str) else value


@dataclass(frozen=True)
class KeyOr(Key):
    """A key that takes a value as Key says, one of `words`, or a mapping: the section `section`."""

    section: Any = None
    words: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        option, words, section = self.option(""), self.words, self.section

        def read(value: Any, info: Any) -> Any:
            if isinstance(value, str) and value in words:
                return str(value)
            if isinstance(value, (Mapping, Section)):
                return section_of(section, value, info.context)
            return check(option, value, info.context)

        return core_schema.with_info_plain_validator_function(read)


@dataclass(frozen=True)
class KeyAs(Key):
    """A key with a reader of its own: (what was written, context) to the value; `schema` is its JSON Schema."""

    read: Callable[[Any, Any], Any] = lambda value, context: value
    schema: Mapping[str, Any] = field(default_factory=dict)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(lambda value, info: self.read(value, info.context))


def section_of(section: type[Section], value: Any, context: Any) -> Any:
    """A section inside a plain validator: its problems leave with their paths."""
    if isinstance(value, section):
        return value
    try:
        return section.model_validate(value, context=context)
    except ValidationError as error:
        fail(problems_of(error))
