"""What is wrong with an input, collected so that a person sees all of it at once.

A problem knows the key's path, what was found, what is allowed and a hint; where it stands is added by whoever knows the
file.  Pydantic's own errors are translated here, and nothing else in the project formats them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from sim.errors import UserError

Path = tuple[str | int, ...]
_SHOWN = 60  # characters of a found value


class Problem(NamedTuple):
    """One thing wrong.

    path      keys and list indices from the top
    found     what stands there, as words for people
    expected  what may stand there
    hint      a remark or a guess at what was meant, or ""
    at_key    the key itself is wrong, so point at it rather than at its value
    """

    path: Path
    found: str
    expected: str = ""
    hint: str = ""
    at_key: bool = False

    def text(self) -> str:
        """`key.path: found X; expected Y; hint`."""
        parts = [part for part in (f"found {self.found}", self.expected and f"expected {self.expected}", self.hint) if part]
        where = dotted(self.path)
        return (f"{where}: " if where else "") + "; ".join(parts)


def dotted(path: Iterable[str | int]) -> str:
    """A path as it is written for --set: `workloads.0.pages`."""
    return ".".join(str(part) for part in path)


def show(value: Any) -> str:
    """A found value in YAML's words, shortened."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = repr(str(value))
        return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..." + text[0]
    if isinstance(value, (int, float)):
        text = getattr(value, "text", "") or repr(value)
        return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    return f"a value of type {type(value).__name__}"


def nearest(word: str, names: Iterable[str]) -> str:
    """`did you mean Z?` for the nearest of the names, or ""."""
    choices = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower()[:200], list(choices), n=1, cutoff=0.6)
    if not close:
        close = [name for name in choices if len(word) >= 3 and (word.lower() in name or name in word.lower())][:1]
    return f"did you mean {choices[close[0]]}?" if close else ""


def one_of(names: Iterable[str]) -> str:
    """`one of a, b, c`, with a word for an empty choice."""
    listed = list(names)
    if not listed:
        return "nothing (there are none)"
    return listed[0] if len(listed) == 1 else "one of " + ", ".join(listed)


def unknown_key(path: Path, allowed: Iterable[str]) -> Problem:
    """The last part of `path` is not among the allowed keys."""
    names = list(allowed)
    return Problem(path, "an unknown key", one_of(names), nearest(str(path[-1]), names), at_key=True)


def fail(problems: list[Problem]) -> NoReturn:
    """Leave a pydantic validator with problems whose paths are relative to the value being validated."""
    text = "\n".join(problem.text() for problem in problems)
    raise PydanticCustomError("problems", "{text}", {"text": text, "problems": problems})


def wrong(value: Any, expected: str, hint: str = "") -> NoReturn:
    """Leave a pydantic validator: this value is not what is allowed."""
    fail([Problem((), show(value), expected, hint)])


_WORDS = {
    "dict_type": "a mapping (key: value)",
    "mapping_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "list_type": "a list",
    "tuple_type": "a list",
    "string_type": "text",
}


def problems_of(error: ValidationError) -> list[Problem]:
    """All problems in a pydantic error, nested ones with their full path."""
    found: list[Problem] = []
    for item in error.errors(include_url=False):
        path, kind, context = item["loc"], item["type"], item.get("ctx", {})
        if kind == "problems" and path[-1:] == ("[key]",):
            found.extend(problem._replace(path=path[:-1], at_key=True) for problem in context["problems"])
        elif kind == "problems":
            found.extend(problem._replace(path=path + problem.path) for problem in context["problems"])
        elif kind == "missing":
            found.append(Problem(path, "nothing", "this key: it is required"))
        elif kind == "extra_forbidden":
            found.append(Problem(path, "an unknown key", at_key=True))
        elif kind == "too_short":
            found.append(Problem(path, show(item["input"]), f"at least {context.get('min_length', 1)} of them"))
        else:
            found.append(Problem(path, show(item["input"]), _WORDS.get(kind, item["msg"])))
    return found


def raise_for(problems: list[Problem], prefix: str) -> NoReturn:
    """UserError with one line a problem; `prefix` stands where a file's position would."""
    raise UserError("\n".join(f"{prefix}: {problem.text()}" for problem in problems))
