"""`mempress export`: the table of a sweep, or a part of it, as CSV or Parquet.

CSV has one line of names, so that every program reads it; figures have 14 digits.  Parquet is exact; it has typed columns, the
unit of each in its metadata, and sweep and version in the file's (needs pyarrow, extra [parquet]).  A file is written under a
temporary name beside its place and renamed when it is whole.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TextIO, cast

from sim.errors import UserError
from sim.metrics import describe
from sim.table.csvtext import write_csv
from sim.table.layout import Column
from sim.table.store import TABLE_DB, Table

if TYPE_CHECKING:
    import pyarrow

FAILED_COLUMNS = ("case", "run", "error", "seconds")
_BATCH, _GROUP = 4096, 32768  # rows turned into Arrow's arrays at once; rows of a group in the file

Records = Iterator[tuple[Any, ...]]


class Request(NamedTuple):
    """What is to be exported.

    columns  names and patterns, None for all;  where: a filter;  order: "KEY" or "KEY:desc" each;  limit: rows at most
    failed   only the runs that failed, and then by default only what says why
    units    a second line of units (CSV; Parquet always has them)
    """

    columns: Sequence[str] | None = None
    where: str | None = None
    order: Sequence[str] = ()
    limit: int | None = None
    failed: bool = False
    units: bool = False


def table_of(sweep: Path) -> Path:
    """The file of a sweep's folder, or the file itself.  UserError if there is none."""
    sweep = Path(sweep)
    path = sweep / TABLE_DB if sweep.is_dir() else sweep
    if sweep.is_dir() and not path.exists():
        raise UserError(f"{sweep}: has no {TABLE_DB}; is this the folder of a sweep? (mempress run makes it below --out)")
    return path


def export(sweep: Path, to: Path | None, request: Request, out: TextIO) -> None:
    """Write what is asked for to the file `to`, .csv or .parquet, or without one as CSV to `out`.

    UserError for what cannot be understood, read or written; an older file `to` stays as it was then.
    """
    write = _writer(to)
    where = [*([] if request.where is None else [request.where]), *(["status = failed"] if request.failed else [])]
    columns = request.columns
    with Table.open(table_of(sweep)) as table:
        if request.failed and columns is None:
            columns = [*FAILED_COLUMNS[:1], *(column.name for column in table.layout.keys.values()), *FAILED_COLUMNS[1:]]
        query, records = table.select(columns, where, request.order, request.limit)
        if to is None:
            with _said("standard output"):
                write_csv(out, query.columns, records, request.units)
                out.flush()
            return
        with _replacing(to) as file:
            write(file, query.columns, records, request.units, table.meta())


Writer = Callable[[BinaryIO, Sequence[Column], Records, bool, dict[str, str]], None]


def _writer(to: Path | None) -> Writer:
    suffix = "" if to is None else to.suffix.lower()
    if to is None or suffix == ".csv":
        return _csv_file
    if suffix != ".parquet":
        raise UserError(f"--to {to}: found {suffix or 'no suffix'}; expected a file .csv or .parquet")
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UserError(
            f"--to {to}: Parquet needs pyarrow, which is not installed: pip install 'mempress[parquet]'; CSV needs nothing"
        ) from None
    return _parquet_file


# ---------------------------------------------------------------- CSV


def _csv_file(file: BinaryIO, columns: Sequence[Column], records: Records, units: bool, _meta: dict[str, str]) -> None:
    text = io.TextIOWrapper(cast("Any", file), encoding="utf-8", newline="", write_through=False)
    try:
        write_csv(text, columns, records, units)
        text.flush()
    finally:
        with contextlib.suppress(OSError):  # what could not be written has been said
            text.detach()


# ---------------------------------------------------------------- Parquet


def _fields(columns: Sequence[Column]) -> list[pyarrow.Field]:
    import pyarrow as pa

    fields = []
    for column in columns:
        kind = pa.string() if column.is_text else pa.int64() if column.name == "replications" else pa.float64()
        doc = describe(column.of).doc if column.kind in ("mean", "half_width") else ""
        fields.append(pa.field(column.name, kind, metadata={"unit": column.unit, "kind": column.kind, "of": column.of, "doc": doc}))
    return fields


def _parquet_file(file: BinaryIO, columns: Sequence[Column], records: Records, _units: bool, meta: dict[str, str]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(_fields(columns), metadata={f"mempress.{name}": value for name, value in meta.items()})
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        batches: list[Any] = []
        while block := list(islice(records, _BATCH)):
            arrays = [pa.array(values, type=field.type) for values, field in zip(zip(*block, strict=True), schema, strict=True)]
            batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
            if len(batches) * _BATCH >= _GROUP:
                writer.write_table(pa.Table.from_batches(batches))
                batches = []
        if batches:
            writer.write_table(pa.Table.from_batches(batches))


# ---------------------------------------------------------------- files


@contextlib.contextmanager
def _said(place: str) -> Iterator[None]:
    """Says in words what the operating system did not do; a reader of ours that has gone is somebody else's matter."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"{place}: could not be written: {error.strerror or error}") from None


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file under a temporary name that takes the place of `path` at the end, or goes without a trace."""
    if path.is_dir():
        raise UserError(f"--to {path}: is a folder; a file .csv or .parquet is wanted")
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with _said(str(path)):
            with partial.open("wb") as file:
                yield file
            partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def command(sweep: Path, to: Path | None, request: Request) -> int:
    """What the command line calls; the exit status."""
    export(sweep, to, request, sys.stdout)
    return 0
