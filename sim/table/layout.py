"""The columns of a sweep's table: which there are, what they are called, and the SQL that makes them.

Table `runs` has one row a run: the fixed columns, a text column for each swept key (and `KEY.number` where values of the key are
numbers), then METRIC and `METRIC.half_width`, each added when its first value comes.  Table `columns` says what each of them is, as
SQLite's names do not tell capitals from small letters and a swept key may have the name of something else.  SQLite allows 2000
columns, and each takes the longer to add the more there are, so metrics beyond WIDE are kept in the narrow table `more`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from sim.errors import UserError
from sim.metrics import describe, ordered
from sim.table.quantity import Quantity, fits, quantity

Kind = Literal["text", "number", "key", "key.number", "mean", "half_width"]
APPLICATION = 0x6D6D7072  # "mmpr", in the file's header
SCHEMA = 1
WIDE = 1000  # columns of `runs` at most; *measured* 260 are added in 40 ms, 1000 in 0.4 s, 1900 in 1.6 s

CREATE = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE columns (place INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, kind TEXT NOT NULL,"
    " of TEXT NOT NULL, unit TEXT NOT NULL, wide INTEGER NOT NULL)",
    'CREATE TABLE runs (n INTEGER PRIMARY KEY, "case" TEXT NOT NULL UNIQUE, id TEXT NOT NULL, run TEXT NOT NULL,'
    " status TEXT NOT NULL, replications INTEGER NOT NULL, seconds REAL NOT NULL, error TEXT NOT NULL)",
    "CREATE TABLE more (n INTEGER NOT NULL, metric INTEGER NOT NULL, mean REAL, half_width REAL, PRIMARY KEY (n, metric)) WITHOUT ROWID",
)


class Column(NamedTuple):
    """One column.

    place  where it stands in the table `columns`; the half width of a metric follows its mean
    name   what it is called, in SQL and in exports
    kind   "text" and "number" are the fixed ones
    of     the swept key or metric that it belongs to
    unit   "" if it has none;  wide: it is a column of `runs`, not rows of `more`
    """

    place: int
    name: str
    kind: Kind
    of: str
    unit: str
    wide: bool = True

    @property
    def is_text(self) -> bool:
        return self.kind in ("text", "key")

    @property
    def sql(self) -> str:
        """An expression for it in a SELECT from `runs`."""
        if self.wide:
            return quoted(self.name)
        field, metric = (self.kind, self.place) if self.kind == "mean" else ("half_width", self.place - 1)
        return f"(SELECT more.{field} FROM more WHERE more.n = runs.n AND more.metric = {metric})"


_FIRST: tuple[tuple[str, Kind, str], ...] = (("case", "text", ""), ("id", "text", ""), ("run", "text", ""))
_STATE: tuple[tuple[str, Kind, str], ...] = (
    ("status", "text", ""),
    ("replications", "number", ""),
    ("seconds", "number", "s"),
    ("error", "text", ""),
)


def quoted(name: str) -> str:
    """A name as SQL's identifier."""
    return '"' + name.replace('"', '""') + '"'


class Layout:
    """The columns as they are now; the methods that add some are called inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._all: list[Column] = []
        self._wide = 0
        self.keys: dict[str, Column] = {}
        self.numbers: dict[str, Column] = {}
        self.means: dict[str, Column] = {}
        self.half_widths: dict[str, Column] = {}
        self._names: dict[str, Column] = {}

    def create(self) -> None:
        """Make the tables in an empty file."""
        for statement in CREATE:
            self._connection.execute(statement)
        for place, (name, kind, unit) in enumerate(_FIRST + _STATE):
            self._insert(Column(place, name, kind, "", unit))

    def read(self) -> None:
        """Take the columns from the file."""
        for known in (self.keys, self.numbers, self.means, self.half_widths, self._names):
            known.clear()
        self._all, self._wide = [], 0
        for place, name, kind, of, unit, wide in self._connection.execute("SELECT * FROM columns ORDER BY place"):
            self._remember(Column(place, name, kind, of, unit, bool(wide)))

    def refresh(self) -> bool:
        """Read again if another process has added columns; says whether it did."""
        (last,) = self._connection.execute("SELECT max(place) FROM columns").fetchone()
        if self._all and last == self._all[-1].place:
            return False
        self.read()
        return True

    def _remember(self, column: Column) -> None:
        self._all.append(column)
        self._wide += column.wide
        self._names[column.name.lower()] = column
        known = {"key": self.keys, "key.number": self.numbers, "mean": self.means, "half_width": self.half_widths}.get(column.kind)
        if known is not None:
            known[column.of] = column

    def _insert(self, column: Column) -> None:
        self._connection.execute("INSERT INTO columns VALUES (?, ?, ?, ?, ?, ?)", column)
        self._remember(column)

    def _free(self, name: str, other: str) -> str:
        """The name, or another if a column is called so already."""
        if self._taken(name):
            name = other
        count, wanted = 2, name
        while self._taken(name):
            name, count = f"{wanted}#{count}", count + 1
        return name

    def _taken(self, name: str) -> bool:
        return name.lower() == "n" or name.lower() in self._names

    def _add(self, name: str, other: str, kind: Kind, of: str, unit: str, wide: bool = True) -> None:
        column = Column(self._all[-1].place + 1, self._free(name, other), kind, of, unit, wide)
        if wide:
            self._connection.execute(f"ALTER TABLE runs ADD COLUMN {quoted(column.name)} {'TEXT' if kind == 'key' else 'REAL'}")
        self._insert(column)

    def _room(self, columns: int) -> bool:
        return self._wide + columns <= WIDE

    def add_keys(self, keys: Iterable[str]) -> None:
        """Columns for swept keys that have none."""
        for key in keys:
            if key in self.keys:
                continue
            if not self._room(2):
                raise UserError(f"a sweep over more than {len(self.keys)} keys does not fit into one table; sweep fewer keys")
            self._add(key, f"key.{key}", "key", key, "")

    def add_numbers(self, key: str, texts: Iterable[str]) -> None:
        """A column for those values of a key that are numbers, if there are any; its unit is that of the first one that is not 0."""
        found = [number for number in map(quantity, texts) if number is not None]
        unit = next((number.unit for number in found if number.value), "")
        column = self.numbers.get(key)
        if column is None:
            if found:
                self._add(f"{key}.number", f"key.{key}.number", "key.number", key, unit)
        elif unit and not column.unit and not self._connection.execute(f"SELECT 1 FROM runs WHERE {column.sql} != 0 LIMIT 1").fetchone():
            self._connection.execute("UPDATE columns SET unit = ? WHERE place = ?", (unit, column.place))
            self.read()

    def number_of(self, key: str, text: str) -> float | None:
        """The value of a swept key in the unit of its column of numbers."""
        found: Quantity | None = quantity(text)
        return found.value if found is not None and fits(found, self.numbers[key].unit) else None

    def add_metrics(self, metrics: Iterable[str]) -> bool:
        """Columns for the metrics that have none; says whether there were any."""
        new = ordered({metric for metric in metrics if metric not in self.means})
        for metric in new:
            wide, unit = self._room(2), describe(metric).unit
            self._add(metric, f"metric.{metric}", "mean", metric, unit, wide)
            mean = self._all[-1].name
            self._add(f"{mean}.half_width", f"metric.{mean}.half_width", "half_width", metric, unit, wide)
        return bool(new)

    def find(self, name: str) -> Column | None:
        """The column of a name; capitals do not matter."""
        return self._names.get(name.lower())

    def in_order(self) -> Iterator[Column]:
        """All columns in the order of exports: what the run is, the swept keys, how it went, the metrics in the order of the tables."""
        yield from (self._names[name] for name, _, _ in _FIRST)
        for key, column in self.keys.items():
            yield column
            if key in self.numbers:
                yield self.numbers[key]
        yield from (self._names[name] for name, _, _ in _STATE)
        for metric in ordered(set(self.means)):
            yield self.means[metric]
            yield self.half_widths[metric]
