"""The file of a sweep's table: `sweep.sqlite`, written by one process a transaction at a time, read by anybody.

SQLite keeps it whole when the writer is killed at any moment.  While it is written on a local file system it has a write-ahead log
(`sweep.sqlite-wal` and `-shm` beside it), so that readers and the writer do not wait for each other and a run costs no flush of the
disk; when it is closed it becomes one plain file again.  The log needs memory that all processes share, which network file systems do
not give (https://www.sqlite.org/wal.html), so there the file has a rollback journal.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple

from sim.errors import UserError
from sim.table.errors import RUN_AGAIN, explained
from sim.table.layout import APPLICATION, SCHEMA, Layout, quoted
from sim.table.place import connect, on_network
from sim.table.select import Query, query, records

TABLE_DB = "sweep.sqlite"
WAIT_S = 5.0  # for another process to let go of the file
PAGE = 16384  # bytes; a row of 130 metrics is 2.3 kB, so pages of 4096 would hold one each

Status = Literal["planned", "done", "failed"]
Figure = tuple[float | None, float | None]


class Row(NamedTuple):
    """One run.

    case          its name in the sweep;  id: of its run;  run: the name of its folder
    labels        swept key -> value as text, where the case sets it
    error         what a failed run said;  seconds: that its simulations took
    replications  how many there are
    scalars       metric -> (mean, half width of its 95 % interval or None), without metrics that the run does not have
    """

    case: str
    id: str
    run: str
    labels: dict[str, str]
    status: Status
    error: str
    seconds: float
    replications: int
    scalars: dict[str, Figure]


_FIXED = ("case", "id", "run", "status", "error", "seconds", "replications")


class Table:
    """The table of a sweep; a context manager.  Made by `create_or_open` or `open`.

    It belongs to the thread that made it; a forked child may inherit it, but must not use it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, writes: bool) -> None:
        self.path = path
        self._connection = connection
        self._writes = writes
        self._layout = Layout(connection)
        self._statement = ""

    # ---------------------------------------------------------------- opening and closing

    @classmethod
    def create_or_open(
        cls, path: Path, sweep_id: str, version: str, labels: Sequence[str] = (), name: str = "", wait_s: float = WAIT_S
    ) -> Table:
        """The table of this sweep, to write; made if it is not there.

        labels: swept keys, in the order of their columns.  UserError if the file is another sweep's, of another version, damaged,
        locked for longer than `wait_s`, or may not be written.
        """
        path = Path(path)
        with explained(path):
            table = cls(path, connect(path, wait_s, new=True), True)
        try:
            with explained(path):
                table._set_up(sweep_id, version, labels, name)
        except BaseException:
            table._connection.close()
            raise
        return table

    @classmethod
    def open(cls, path: Path, wait_s: float = WAIT_S) -> Table:
        """The table in a file, to read only.  UserError if it is not there, not a table of this schema, damaged or locked."""
        path = Path(path)
        if not path.exists():
            raise UserError(f"{path}: no such file; is this the folder of a sweep?")
        with explained(path):
            table = cls(path, connect(path, wait_s), False)
        try:
            with explained(path):
                table._connection.execute("PRAGMA query_only = ON")
                if table._is_empty():
                    raise UserError(f"{path}: an empty file; {RUN_AGAIN}")
                table._check_schema()
                table._layout.read()
        except BaseException:
            table._connection.close()
            raise
        return table

    def close(self) -> None:
        """Let go of the file; one that was written becomes one plain file, unless somebody is reading it just now."""
        if self._writes:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        self._connection.close()

    def __enter__(self) -> Table:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _set_up(self, sweep_id: str, version: str, labels: Sequence[str], name: str) -> None:
        if self._is_empty():
            self._connection.execute(f"PRAGMA page_size = {PAGE}")
            with self._transaction():
                if self._is_empty():  # nobody was quicker
                    self._create({"sweep": sweep_id, "version": version, "name": name, "created": _now()}, labels)
        self._check_schema()
        meta = self.meta()
        for key, wanted, what in (("sweep", sweep_id, "the sweep"), ("version", version, "mempress")):
            if meta.get(key) != wanted:
                raise UserError(f"{self.path}: has the runs of {what} {meta.get(key)}, and this is {wanted}; {RUN_AGAIN}")
        log = "DELETE" if on_network(self.path) else "WAL"
        (mode,) = self._connection.execute(f"PRAGMA journal_mode = {log}").fetchone()
        self._connection.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
        self._layout.read()

    def _create(self, meta: Mapping[str, str], labels: Sequence[str]) -> None:
        self._layout.create()
        self._connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        self._layout.add_keys(labels)
        self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
        self._connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def _is_empty(self) -> bool:
        """Nothing is in the file yet: it is new, or its maker was killed at once."""
        (objects,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return bool(objects == 0)

    def _check_schema(self) -> None:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (schema,) = self._connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION:
            raise UserError(f"{self.path}: an SQLite file, but not the table of a sweep; move it away")
        if schema != SCHEMA:
            raise UserError(f"{self.path}: a table of schema {schema}, and this mempress reads schema {SCHEMA}; {RUN_AGAIN}")

    # ---------------------------------------------------------------- writing

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; what other processes have written is seen inside."""
        with explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself rolls back when the disk is full
                    self._connection.execute("ROLLBACK")
                self._statement = ""
                with contextlib.suppress(sqlite3.Error):
                    self._layout.read()
                raise

    def plan(self, cases: Iterable[tuple[str, str, str, Mapping[str, str]]]) -> None:
        """Take in (case, id, run, labels) as planned, in one transaction; a case that is there with the same id stays as it is."""
        new = list(cases)
        with self._transaction():
            self._refresh()
            there = {case: (n, run_id) for n, case, run_id in self._connection.execute('SELECT n, "case", id FROM runs')}
            new = [entry for entry in new if there.get(entry[0], (0, None))[1] != entry[1]]
            keys = list(dict.fromkeys(key for entry in new for key in entry[3]))
            self._layout.add_keys(keys)
            for key in keys:
                self._layout.add_numbers(key, (entry[3][key] for entry in new if key in entry[3]))
            self._statement = ""
            texts = [self._layout.keys[key] for key in keys]
            numbers = [self._layout.numbers[key] for key in keys if key in self._layout.numbers]
            names = ["n", "case", "id", "run", "status", "replications", "seconds", "error", *(column.name for column in texts + numbers)]
            sql = f"INSERT OR REPLACE INTO runs ({', '.join(map(quoted, names))}) VALUES ({', '.join('?' * len(names))})"
            free = max((n for n, _ in there.values()), default=0)
            rows = []
            for case, run_id, run, labels in new:
                if case in there:  # with another id: another run, in its place
                    n = there[case][0]
                    self._connection.execute("DELETE FROM more WHERE n = ?", (n,))
                else:
                    free += 1
                    n = free
                    there[case] = (n, run_id)
                labelled = [labels.get(column.of) for column in texts]
                valued = [self._layout.number_of(column.of, labels[column.of]) if column.of in labels else None for column in numbers]
                rows.append((n, case, run_id, run, "planned", 0, 0.0, "", *labelled, *valued))
            self._connection.executemany(sql, rows)

    def done(self, case: str, replications: int, seconds: float, scalars: Mapping[str, Figure]) -> None:
        """A planned case is done: scalars is metric -> (mean, half width), None where there is none.  One transaction."""
        self._write(case, "done", int(replications), seconds, "", scalars)

    def failed(self, case: str, error: str, seconds: float) -> None:
        """A planned case has failed; figures that it had are gone.  One transaction."""
        self._write(case, "failed", 0, seconds, error.encode("utf-8", "replace").decode(), {})

    def _write(self, case: str, status: Status, replications: int, seconds: float, error: str, scalars: Mapping[str, Figure]) -> None:
        with self._transaction():
            self._refresh()
            if self._layout.add_metrics(scalars):
                self._statement = ""
            wide = [(metric, mean) for metric, mean in self._layout.means.items() if mean.wide]
            if not self._statement:
                names = [name for metric, mean in wide for name in (mean.name, self._layout.half_widths[metric].name)]
                sets = ["status", "replications", "seconds", "error", *names]
                self._statement = f'UPDATE runs SET {", ".join(f"{quoted(name)} = ?" for name in sets)} WHERE "case" = ?'
            values: list[Any] = [status, replications, float(seconds), error]
            for metric, _ in wide:
                values.extend(_numbers(scalars.get(metric)))
            if self._connection.execute(self._statement, (*values, case)).rowcount != 1:
                raise ValueError(f"{case}: was never planned")
            self._write_narrow(case, scalars)

    def _write_narrow(self, case: str, scalars: Mapping[str, Figure]) -> None:
        """Metrics that found no room in `runs`."""
        narrow = {metric: mean.place for metric, mean in self._layout.means.items() if not mean.wide}
        if not narrow:
            return
        (n,) = self._connection.execute('SELECT n FROM runs WHERE "case" = ?', (case,)).fetchone()
        self._connection.execute("DELETE FROM more WHERE n = ?", (n,))
        rows = [(n, place, *_numbers(scalars[metric])) for metric, place in narrow.items() if metric in scalars]
        self._connection.executemany("INSERT INTO more VALUES (?, ?, ?, ?)", rows)

    def _refresh(self) -> None:
        if self._layout.refresh():
            self._statement = ""

    # ---------------------------------------------------------------- reading

    def meta(self) -> dict[str, str]:
        """sweep (its ID), version, name, created."""
        with explained(self.path):
            return dict(self._connection.execute("SELECT name, value FROM meta"))

    @property
    def layout(self) -> Layout:
        """The columns."""
        return self._layout

    def statuses(self) -> dict[Status, int]:
        """How many runs are planned, done and failed."""
        counts: dict[Status, int] = {"planned": 0, "done": 0, "failed": 0}
        with explained(self.path):
            counts.update(self._connection.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall())
        return counts

    def failed_cases(self) -> dict[str, str]:
        """What each failed case said, in the order of the sweep."""
        with explained(self.path):
            return dict(self._connection.execute("SELECT \"case\", error FROM runs WHERE status = 'failed' ORDER BY n"))

    def select(
        self, columns: Sequence[str] | None = None, where: Sequence[str] = (), order: Sequence[str] = (), limit: int | None = None
    ) -> tuple[Query, Iterator[tuple[Any, ...]]]:
        """A query (its `columns` say what each value is) and its rows as plain tuples.

        columns  names and patterns, all by default;  where: filters (sim.table.where) that all hold;  order: "KEY" or "KEY:desc" each
        UserError for a name or a filter that cannot be understood.  Do not write to the table while reading the rows.
        """
        with explained(self.path):
            self._layout.refresh()
            found = query(self._layout, columns, where, order, limit)
        return found, self._records(found)

    def _records(self, found: Query) -> Iterator[tuple[Any, ...]]:
        with explained(self.path):
            yield from records(self._connection, found)

    def rows(
        self, where: str | None = None, columns: Sequence[str] | None = None, order: Sequence[str] = (), limit: int | None = None
    ) -> Iterator[Row]:
        """The runs, in the order of the sweep unless `order` says otherwise; `columns` limits which labels and scalars they have."""
        found, values = self.select(None if columns is None else [*_FIXED, *columns], () if where is None else [where], order, limit)
        place = {column.name: index for index, column in enumerate(found.columns)}
        fixed = [place[name] for name in _FIXED]
        labels = [(column.of, place[column.name]) for column in found.columns if column.kind == "key"]
        means = [(column.of, place[column.name], place.get(self._layout.half_widths[column.of].name))
                 for column in found.columns if column.kind == "mean"]  # fmt: skip
        for record in values:
            case, run_id, run, status, error, seconds, replications = (record[index] for index in fixed)
            texts = {key: record[at] for key, at in labels if record[at] is not None}
            scalars = {m: (record[at], None if half is None else record[half]) for m, at, half in means if record[at] is not None}
            yield Row(case, run_id, run, texts, status, error, seconds, replications, scalars)


def _numbers(figure: Figure | None) -> tuple[float | None, float | None]:
    """NumPy's numbers as Python's, which is what SQLite knows; NaN becomes NULL there."""
    mean, half = figure or (None, None)
    return None if mean is None else float(mean), None if half is None else float(half)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
