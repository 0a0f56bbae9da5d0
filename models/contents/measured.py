"""Measured contents: tables of the compressed size of every 4 KiB page of real programs, in address order.

With machine pages of 16 or 64 KiB a row is the sum of the rows of its 4 KiB pages, at most the page size (a little too large: a real
compressor finds repetitions across 4 KiB too); it is same-filled only if all of them are.
"""

from __future__ import annotations

import csv
import difflib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from models.compressors.compressor import TIMED_PAGE, Compressor
from models.compressors.lzo import OF_LZ4, from_lz4
from models.contents.rows import STRIDE, ContentContext, Rows
from models.contents.tables import TABLES
from models.errors import InputError

DATA = Path(__file__).resolve().parent / "data"
ROW_BYTES = TIMED_PAGE  # tables are of 4 KiB pages


def build(options: dict[str, Any], context: ContentContext) -> Rows:
    """Rows from the shipped table `table`, or from `file` if given.

    Raises InputError for an unknown table, a compressor it has no column for, and an unreadable or malformed file.
    """
    if options["file"] is not None:
        path = Path(options["file"])
        columns = _read_npz(path) if path.suffix == ".npz" else _read_csv(path)
        name = path.name
    else:
        name = options["table"]
        if name not in TABLES:
            close = difflib.get_close_matches(name, TABLES, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(TABLES)}"
            raise InputError(f"contents measured: there is no table {name!r}{hint}")
        columns = _read_npz(DATA / f"{name}.npz")
    sizes, origin = _column(columns, context.compressor, name)
    history = sizes.ndim == 2 and len(sizes) > 1
    sizes = sizes.reshape(-1, sizes.shape[-1]).astype(np.int32)
    same_size = context.compressor.same_size(ROW_BYTES)
    joined = _join(sizes, columns.get("page"), context.page_size // ROW_BYTES, same_size)
    note = f"measured: {name}, {origin}, {joined.shape[1]} pages" + (f", {len(joined)} contents each" if history else "")
    return Rows(joined.ravel(), context.compressor.same_size(context.page_size), note, len(joined), 0 if history else STRIDE)


def _column(columns: dict[str, np.ndarray], compressor: Compressor, name: str) -> tuple[np.ndarray, str]:
    """The compressor's sizes, and in words where they come from."""
    if compressor.column not in columns and compressor.column in OF_LZ4 and "lz4" in columns:
        return from_lz4(compressor.column, columns["lz4"]), f"{compressor.column} estimated from column lz4"
    if compressor.column not in columns:
        there = ", ".join(key for key in columns if key != "page")
        with_it = ", ".join(table for table, doc in TABLES.items() if compressor.column in doc.rpartition(":")[2].replace(",", " ").split())
        raise InputError(
            f"contents measured: table {name} has no column {compressor.column} (compressor {compressor.name}); it has {there}"
            + (f"; shipped tables with {compressor.column}: {with_it}" if with_it else "")
        )
    return columns[compressor.column], f"column {compressor.column}"


def _join(sizes: np.ndarray, page: np.ndarray | None, together: int, same_size: int) -> np.ndarray:
    """int32[versions, larger pages] of int32[versions, 4 KiB pages]; `page` says which of them share a larger page."""
    if together == 1:
        return sizes
    number = np.arange(sizes.shape[1]) if page is None else page
    first = np.flatnonzero(np.diff(number // together, prepend=-1))
    joined = np.add.reduceat(np.where(sizes == 0, same_size, sizes), first, axis=1)
    any_real = np.logical_or.reduceat(sizes != 0, first, axis=1)
    return np.where(any_real, np.minimum(joined, together * ROW_BYTES), 0).astype(np.int32)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path}: not a readable .npz file of page sizes ({error})") from None
    for key, column in columns.items():
        good = column.dtype.kind in "iu" and column.ndim in (1, 2) and column.size
        if not good or int(column.min()) < 0 or (key != "page" and int(column.max()) > 1 << 20):
            raise InputError(f"{path}: column {key}: expected integers from 0 to {1 << 20} in one or two dimensions (versions, pages)")
        if key == "page" and (column.ndim != 1 or np.any(np.diff(column.astype(np.int64)) <= 0)):
            raise InputError(f"{path}: column page: expected ascending page numbers")
    if len({column.shape[-1] for column in columns.values()}) > 1:
        raise InputError(f"{path}: its columns have different numbers of pages")
    return columns


def _read_csv(path: Path) -> dict[str, np.ndarray]:
    """Columns of a CSV file: a heading with compressors' column names, then a row of sizes for each page."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            heading = [name.strip() for name in next(rows, [])]
            if not heading or any(not name or name.isdigit() for name in heading):
                raise InputError(f"{path}:1: expected a heading of column names such as lz4,zstd3")
            found = [_sizes(path, rows.line_num, row, len(heading)) for row in rows if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV file of page sizes ({error})") from None
    if not found:
        raise InputError(f"{path}: it has no rows; expected one row of sizes a page")
    return dict(zip(heading, np.array(found, np.int32).T, strict=True))


def _sizes(path: Path, line: int, row: list[str], columns: int) -> list[int]:
    if len(row) != columns:
        raise InputError(f"{path}:{line}: expected {columns} sizes, found {len(row)}")
    for text in row:
        if not (text.strip().isascii() and text.strip().isdigit()) or int(text) > 1 << 20:
            raise InputError(f"{path}:{line}: expected a size in bytes from 0 to {1 << 20}, found {text!r}")
    return [int(text) for text in row]
