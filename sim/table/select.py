"""Which columns, which rows and in which order: from a person's words to a SELECT."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sim.errors import UserError
from sim.table.layout import Column, Layout
from sim.table.where import condition, suggestion


class Query(NamedTuple):
    """A SELECT of `n` and the wide ones of some columns; the narrow ones are looked up row by row."""

    columns: list[Column]
    sql: str
    values: tuple[Any, ...]

    @property
    def narrow(self) -> list[Column]:
        return [column for column in self.columns if not column.wide]


def chosen(layout: Layout, names: Sequence[str] | None) -> list[Column]:
    """The columns of a list of names and patterns (`task.*`), all of them without one.  UserError for a name that there is not."""
    everything = list(layout.in_order())
    if names is None:
        return everything
    if not names:
        raise UserError("--columns: found nothing; expected names of columns, divided by commas")
    found: dict[str, Column] = {}
    for name in names:
        known = layout.find(name)
        hits = [known] if known is not None else [c for c in everything if fnmatch.fnmatchcase(c.name.lower(), name.lower())]
        if not hits:
            raise UserError(f"--columns: found {name!r}; expected the name of a column, or a pattern of some; {suggestion(layout, name)}")
        found.update((column.name, column) for column in hits)
    return list(found.values())


def order_by(layout: Layout, order: Sequence[str]) -> str:
    """ORDER BY of keys such as "run_time" or "machine.memory:desc"; rows without a value last, equal ones as in the sweep."""
    parts = []
    for key in order:
        name, colon, way = key.rpartition(":")
        if not colon or way.lower() not in ("asc", "desc"):
            name, way = key, "asc"
        column = layout.find(name)
        if column is None:
            words = f"expected the name of a column, with :desc for the largest first; {suggestion(layout, name)}"
            raise UserError(f"--sort: found {name!r}; {words}")
        sides = [column]
        if column.kind == "key" and column.of in layout.numbers:
            sides = [layout.numbers[column.of], column]
        parts += [f"{side.sql} {way.upper()} NULLS LAST" for side in sides]
    return ", ".join([*parts, "runs.n"])


def query(layout: Layout, columns: Sequence[str] | None, where: Sequence[str], order: Sequence[str], limit: int | None) -> Query:
    """The SELECT.  UserError for what cannot be understood."""
    wanted = chosen(layout, columns)
    picked = ["runs.n", *(column.sql for column in wanted if column.wide)]
    filters = [condition(text, layout) for text in where]
    sql = f"SELECT {', '.join(picked)} FROM runs"
    if filters:
        sql += f" WHERE {' AND '.join(one.sql for one in filters)}"
    sql += f" ORDER BY {order_by(layout, order)}"
    values: tuple[Any, ...] = tuple(value for one in filters for value in one.values)
    if limit is not None:
        sql, values = f"{sql} LIMIT ?", (*values, limit)
    return Query(wanted, sql, values)


def records(connection: Any, query: Query) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, one value a column."""
    found = connection.execute(query.sql, query.values)
    if not query.narrow:
        yield from (record[1:] for record in found)
        return
    for record in found:
        more = {metric: (mean, half) for metric, mean, half in connection.execute(_MORE, record[:1])}
        wide = iter(record[1:])
        yield tuple(next(wide) if column.wide else _narrow(column, more) for column in query.columns)


_MORE = "SELECT metric, mean, half_width FROM more WHERE n = ?"


def _narrow(column: Column, more: dict[int, tuple[float | None, float | None]]) -> float | None:
    mean = column.kind == "mean"
    return more.get(column.place if mean else column.place - 1, (None, None))[0 if mean else 1]
