"""Rows with columns, between blanks or between separators: which column is what, and what is wrong with a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.workloads.readers.source import Block, Source, first_lines, head

BY_NUMBER = {1: ("page",), 2: ("op", "page"), 3: ("time", "op", "address")}
_MEANING = {
    "time": "time", "timestamp": "time", "ns": "time",
    "op": "op", "rw": "op", "r/w": "op", "type": "op", "operation": "op",
    "address": "address", "addr": "address", "page": "page", "pfn": "page", "block": "page",
}  # fmt: skip
_OF_OBJECTS = {
    "id": "id", "key": "id", "obj_id": "id", "objid": "id", "object": "id", "object_id": "id",
    "size": "size", "obj_size": "size", "bytes": "size",
}  # fmt: skip
_COLUMN = 3  # scan.COLUMN, without compiled code
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "instructions": 1}


def _data_lines(lines: list[str]) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]


def heading_words(line: str, separator: str) -> list[str]:
    """The fields of a line as a heading spells them."""
    return [field.strip().strip('"').lower() for field in (line.split(separator) if separator else line.split())]


def is_heading(words: list[str]) -> bool:
    """Whether these are names of columns, one of them at least known."""
    known = {**_MEANING, **_OF_OBJECTS}
    return all(w.isascii() and not w[:1].isdigit() and len(w) > 1 for w in words) and any(w in known for w in words)


def _meaning(path: Path, options: dict[str, Any], separator: str, objects: bool) -> tuple[tuple[str, ...], int]:
    """(what each column is, lines up to and including a heading)."""
    meaning = {**_MEANING, "page": "-", "address": "-", "addr": "-", **_OF_OBJECTS} if objects else _MEANING
    example = "[time, id, size]" if objects else "[time, op, address]"
    lines = _data_lines(first_lines(head(path)))
    if not lines:
        raise InputError(f"{path}: there is no access at the beginning of this file")
    number, line = lines[0]
    words = heading_words(line, separator)
    heading = is_heading(words)
    columns = options.get("columns")
    if columns is not None:
        names = tuple(columns)
    elif heading:
        names = tuple(meaning.get(word, "-") for word in words)
    elif len(words) in BY_NUMBER and not objects:
        names = BY_NUMBER[len(words)]
    else:
        raise InputError(f"{path}:{number + 1}: {len(words)} columns and no heading: say what they are, such as columns: {example}")
    where = f"columns {list(names)}"
    places = ("id",) if objects else ("address", "page")
    known = ("time", "op", *places, *(("size",) if objects else ()), "-")
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"{path}: {where}: {unknown[0]!r} is none of {', '.join(known)}")
    if sum(name in names for name in places) != 1 or any(names.count(name) > 1 for name in names if name != "-"):
        raise InputError(f"{path}: {where}: expected one {'of ' * (len(places) > 1)}{' and '.join(places)}, and nothing twice")
    return names, number + 1 if heading else 0


class Rows(NamedTuple):
    """A text trace, opened: what its columns are, and blocks() of (time, write, place, size); an id is a uint64 as an int64."""

    names: tuple[str, ...]
    blocks: Callable[[], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]]


class _Scanner:
    """What blocks_of_lines calls; keeps the column that it has no place for."""

    def __init__(self, separator: int, names: tuple[str, ...], unit: int, backwards: int) -> None:
        from models.workloads.readers import scan

        roles = {"time": scan.TIME, "op": scan.OP, "-": scan.SKIP, "id": scan.ID, "size": scan.SIZE}
        self.scan = scan.scan_rows
        self.rules = separator, np.array([roles.get(name, scan.PLACE) for name in names], np.int64), unit, backwards
        self.size = self.of = np.empty(0, np.int64)

    def __call__(self, buffer: np.ndarray, length: int, state: np.ndarray, time: np.ndarray, write: np.ndarray, place: np.ndarray) -> int:
        whole = time if time.base is None else time.base
        if whole is not self.of:  # the next block; behind a wrong line that is passed over it is the same one
            self.of, self.size = whole, np.empty(len(whole), np.int64)
        size = self.size[len(whole) - len(time) :]
        return int(self.scan(buffer, length, *self.rules, state, time, write, place, size))


def read_rows(path: Path, options: dict[str, Any], separator: str, objects: bool) -> Rows:
    """Rows; separator "" is any run of blanks; objects: ids and sizes instead of pages or addresses.

    options: columns (list or None), time_unit, backwards (ns), skipped.  Raises InputError for a wrong heading or column list.
    """
    from models.workloads.readers.lines import blocks_of_lines

    names, skip = _meaning(path, options, separator, objects)
    unit, backwards = _UNITS[options["time_unit"]], options["backwards"]

    def message(error: int, state: np.ndarray) -> str:
        return _expected(error, int(state[_COLUMN]), names, options)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        scanner = _Scanner(ord(separator) if separator else 0, names, unit, backwards)
        for time, write, place in blocks_of_lines(path, scanner, message, skip, options.get("skipped")):
            yield time, write, place, scanner.size[: len(time)]

    return Rows(names, blocks)


def _expected(error: int, column: int, names: tuple[str, ...], options: dict[str, Any]) -> str:
    """What was expected where a line is wrong."""
    from models.workloads.readers import scan

    place = "an address" if "address" in names else "a page number"
    what = "expected an id, a decimal number from 0 to 2^64 - 1" if "id" in names else ""
    return {
        scan.BAD_COLUMNS: f"expected {len(names)} columns ({', '.join(names)})",
        scan.BAD_TIME: f"column {column + 1}: expected a time in {options['time_unit']}, 0 or more, below 2^63 ns",
        scan.BAD_OP: f"column {column + 1}: expected r or w (also read, load, 0; write, store, 1)",
        scan.BAD_PLACE: f"column {column + 1}: " + (what or f"expected {place}, 0 or more, below 2^63, decimal or 0x..."),
        scan.BAD_SIZE: f"column {column + 1}: expected a size in bytes, 0 or more, below 2^63",
        scan.BEYOND_64: f"column {column + 1}: the id is beyond 2^64 - 1; {what}",
        scan.BEHIND: f"the time lies more than {options['backwards']} ns before an earlier line's (setting: backwards)",
    }[error]


def open_rows(path: Path, options: dict[str, Any], separator: str) -> Source:
    """A Source of rows of page accesses."""
    rows = read_rows(path, options, separator, objects=False)
    time = "none" if "time" not in rows.names else "instructions" if options["time_unit"] == "instructions" else "ns"

    def blocks() -> Iterator[Block]:
        for at, write, place, _ in rows.blocks():
            yield at, write, place

    return Source(blocks, time, 1 if "address" in rows.names else 0)
