"""The filter language of `mempress export --where`, turned into SQL with parameters: nothing of the user's text gets into the SQL.

    filter      = and-list {"or" and-list}
    and-list    = term {"and" term}
    term        = "not" term | "(" filter ")" | comparison
    comparison  = NAME ("=" | "!=" | "<" | "<=" | ">" | ">=") VALUE
                | NAME ["not"] "in" "(" VALUE {"," VALUE} ")"
                | NAME ["not"] "like" VALUE
                | NAME "is" ["not"] "null"

A comparison with something that a run does not have is false, and its `not` is true: there is no third truth value.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from sim import units
from sim.errors import UserError
from sim.table.layout import Column, Layout
from sim.table.quantity import Quantity, example, fits, in_unit, quantity

STATUSES = ("planned", "done", "failed")
MOST_TERMS, DEEPEST = 300, 50  # SQLite's own limit is a depth of 1000

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign><=|>=|!=|==?|<|>)|(?P<mark>[(),])|'(?P<single>(?:[^']|'')*)'|"(?P<double>(?:[^"]|"")*)"|(?P<word>[^\s()<>=!,'"]+))"""
)
_WORDS = ("and", "or", "not", "in", "like", "is", "null")


class Condition(NamedTuple):
    """An SQL expression over `runs`, and the values of its question marks."""

    sql: str
    values: tuple[str | float, ...]


class _Token(NamedTuple):
    """kind: "sign", "mark", "word", "text" (it was quoted) or "end"."""

    kind: str
    text: str
    at: int

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.lower() in words


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            hint = "; a quotation mark is not closed" if text[at] in "'\"" else ""
            raise UserError(f"--where: at character {at + 1}: found {text[at]!r}; expected a name, a value or an operator{hint}")
        kind = str(match.lastgroup)
        word = match[kind]
        if kind in ("single", "double"):
            mark = "'" if kind == "single" else '"'
            kind, word = "text", word.replace(mark * 2, mark)
        found.append(_Token(kind, "=" if word == "==" and kind == "sign" else word, match.end() - len(match[0].lstrip())))
        at = match.end()
    return [*found, _Token("end", "", end)]


class _Parser:
    """Recursive descent; every method gives the SQL of what it has read and appends the values."""

    def __init__(self, text: str, layout: Layout) -> None:
        self._left = _tokens(text)[::-1]
        self._layout = layout
        self._terms = self._depth = 0
        self.values: list[str | float] = []

    @property
    def _next(self) -> _Token:
        return self._left[-1]

    def _take(self) -> _Token:
        return self._left.pop() if self._next.kind != "end" else self._next

    def _took(self, *words: str) -> bool:
        """Whether one of the words (or marks) was there; it is taken then."""
        hit = self._next.is_word(*words) or (self._next.kind == "mark" and self._next.text in words)
        if hit:
            self._take()
        return hit

    def _fail(self, token: _Token, expected: str, hint: str = "") -> NoReturn:
        found = "the end" if token.kind == "end" else repr(token.text)
        raise UserError(f"--where: at character {token.at + 1}: found {found}; expected {expected}{hint and '; ' + hint}")

    def whole(self) -> str:
        sql = self._either()
        if self._next.kind != "end":
            self._fail(self._next, "`and`, `or` or the end")
        return sql

    def _either(self) -> str:
        parts = [self._both()]
        while self._took("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _both(self) -> str:
        parts = [self._term()]
        while self._took("and"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def _term(self) -> str:
        token = self._next
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(token, f"at most {DEEPEST} parentheses and `not`s inside each other")
        if self._took("not"):
            sql = f"(NOT {self._term()})"
        elif self._took("("):
            sql = self._either()
            if not self._took(")"):
                self._fail(self._next, "`and`, `or` or a closing parenthesis")
        else:
            sql = self._comparison()
        self._depth -= 1
        return sql

    def _comparison(self) -> str:
        column = self._column()
        self._terms += 1
        if self._terms > MOST_TERMS:
            self._fail(self._next, f"at most {MOST_TERMS} comparisons", "`in (...)` may hold any number of values")
        token = self._take()
        if token.is_word("is"):
            negated = self._took("not")
            if not self._took("null"):
                self._fail(self._next, "`null`")
            return f"({column.sql} IS {'NOT ' if negated else ''}NULL)"
        negated = token.is_word("not")
        if negated:
            token = self._take()
        if token.is_word("in"):
            sql = self._among(column)
        elif token.is_word("like"):
            sql = self._like(column)
        elif token.kind == "sign" and not negated:
            sql = self._compared(column, token.text)
        else:
            self._fail(token, "`in` or `like`" if negated else "one of = != < <= > >= in like is")
        return f"(NOT {sql})" if negated else sql

    def _column(self) -> Column:
        token = self._take()
        if token.kind not in ("word", "text") or token.is_word(*_WORDS):
            self._fail(token, "the name of a column", f"quote it if one is called {token.text}" if token.kind == "word" else "")
        column = self._layout.find(token.text)
        if column is None:
            self._fail(token, "the name of a column: a swept key, a metric, case, id, run, status, seconds or replications",
                       suggestion(self._layout, token.text))  # fmt: skip
        return column

    def _value(self) -> _Token:
        token = self._take()
        if token.kind not in ("word", "text") or token.is_word(*_WORDS):
            self._fail(token, "a value", "quote it to take it as text" if token.kind == "word" else "")
        return token

    def _compared(self, column: Column, sign: str) -> str:
        side, value = self._operand(column, self._value(), sign)
        self.values.append(value)
        return f"ifnull({side.sql} {sign} ?, 0)"

    def _among(self, column: Column) -> str:
        if not self._took("("):
            self._fail(self._next, "an opening parenthesis")
        sides: dict[str, list[str | float]] = {}
        while True:
            side, value = self._operand(column, self._value(), "=")
            sides.setdefault(side.sql, []).append(value)
            if self._took(")"):
                break
            if not self._took(","):
                self._fail(self._next, "a comma or a closing parenthesis")
        parts = []
        for sql, values in sides.items():
            self.values.extend(values)
            parts.append(f"ifnull({sql} IN ({', '.join('?' * len(values))}), 0)")
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _like(self, column: Column) -> str:
        token = self._value()
        if not column.is_text:
            self._fail(token, f"a number: {column.name} is not text", "`like` compares text")
        self.values.append(token.text)
        return f"ifnull({column.sql} LIKE ?, 0)"

    def _operand(self, column: Column, token: _Token, sign: str) -> tuple[Column, str | float]:
        """The column that is really compared, and with what: a bare number means a key's column of numbers."""
        if column.kind == "text":
            if column.name == "status" and token.text not in STATUSES:
                self._fail(token, f"one of {', '.join(STATUSES)}")
            return column, token.text
        found = quantity(token.text) if token.kind == "word" else None
        if column.kind != "key":
            return column, self._number(column, token, found)
        numbers = self._layout.numbers.get(column.of)
        if numbers is None or token.kind == "text" or (found is None and sign in ("=", "!=") and not token.text[0].isdigit()):
            return column, token.text
        if found is None or not fits(found, numbers.unit):
            self._fail(token, example(numbers.unit), _unit_hint(token.text, numbers.unit))
        return numbers, found.value

    def _number(self, column: Column, token: _Token, found: Quantity | None) -> float:
        """What a metric, a fixed number or a key's number is compared with."""
        if found is not None and (column.kind != "key.number" or fits(found, column.unit)):
            value = in_unit(found, column.unit)
            if value is not None:
                return value
        self._fail(token, f"{example(column.unit)}, for {column.name}")


def _unit_hint(text: str, unit: str) -> str:
    try:
        units.parse_time(text) if unit == "ns" else units.parse_size(text.removesuffix("/s"))
    except units.UnitError as error:
        return error.hint
    return ""


def suggestion(layout: Layout, name: str) -> str:
    """`did you mean Z?`, or what there is."""
    from sim.config.problems import nearest  # needs pydantic, which is slow to import

    names = [column.name for column in layout.in_order() if column.kind != "half_width"]
    return nearest(name, names) or f"swept keys are {', '.join(layout.keys) or 'none'}"


def condition(text: str, layout: Layout) -> Condition:
    """The filter as SQL.  UserError says at which character it is wrong."""
    if not text.strip():
        raise UserError('--where: found nothing; expected a filter, such as "backend.kind = zcache and machine.memory >= 96MiB"')
    parser = _Parser(text, layout)
    sql = parser.whole()
    return Condition(sql, tuple(parser.values))
