"""Rows with columns, between blanks or between separators: which column is what, and what is wrong with a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.errors import InputError
from models.workloads.readers.source import Source, first_lines, head

BY_NUMBER = {1: ("page",), 2: ("op", "page"), 3: ("time", "op", "address")}
_MEANING = {
    "time": "time", "timestamp": "time", "ns": "time",
    "op": "op", "rw": "op", "r/w": "op", "type": "op", "operation": "op",
    "address": "address", "addr": "address", "page": "page", "pfn": "page", "block": "page",
}  # fmt: skip
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "instructions": 1}


def _data_lines(lines: list[str]) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]


def _meaning(path: Path, options: dict[str, Any], separator: str) -> tuple[tuple[str, ...], int]:
    """(what each column is, lines up to and including a heading)."""
    lines = _data_lines(first_lines(head(path)))
    if not lines:
        raise InputError(f"{path}: there is no access at the beginning of this file")
    number, line = lines[0]
    fields = [field.strip() for field in (line.split(separator) if separator else line.split())]
    words = [field.strip('"').lower() for field in fields]
    heading = (
        len(words) > 0
        and all(word.isascii() and not word[:1].isdigit() and len(word) > 1 for word in words)
        and any(w in _MEANING for w in words)
    )
    columns = options.get("columns")
    if columns is not None:
        names = tuple(columns)
    elif heading:
        names = tuple(_MEANING.get(word, "-") for word in words)
    elif len(fields) in BY_NUMBER:
        names = BY_NUMBER[len(fields)]
    else:
        raise InputError(
            f"{path}:{number + 1}: {len(fields)} columns and no heading: say what they are, such as columns: [time, op, address]"
        )
    where = f"columns {list(names)}"
    if unknown := [name for name in names if name not in ("time", "op", "address", "page", "-")]:
        raise InputError(f"{path}: {where}: {unknown[0]!r} is none of time, op, address, page, -")
    if ("address" in names) + ("page" in names) != 1 or any(names.count(name) > 1 for name in names if name != "-"):
        raise InputError(f"{path}: {where}: expected one of address and page, and nothing twice")
    return names, number + 1 if heading else 0


def open_rows(path: Path, options: dict[str, Any], separator: str) -> Source:
    """A Source of rows; separator "" is any run of blanks.

    options: columns (list or None), time_unit, backwards (ns).  Raises InputError for a wrong heading or column list.
    """
    from models.workloads.readers import scan
    from models.workloads.readers.lines import blocks_of_lines

    names, skip = _meaning(path, options, separator)
    roles = np.array([{"time": scan.TIME, "op": scan.OP, "-": scan.SKIP}.get(name, scan.PLACE) for name in names], np.int64)
    code = ord(separator) if separator else 0
    unit, backwards = _UNITS[options["time_unit"]], options["backwards"]

    def scanner(buffer: np.ndarray, length: int, state: np.ndarray, time: np.ndarray, write: np.ndarray, place: np.ndarray) -> int:
        return int(scan.scan_rows(buffer, length, code, roles, unit, backwards, state, time, write, place))

    def message(error: int, state: np.ndarray) -> str:
        column = int(state[scan.COLUMN])
        place = "address" if "address" in names else "page number"
        return {
            scan.BAD_COLUMNS: f"expected {len(names)} columns ({', '.join(names)})",
            scan.BAD_TIME: f"column {column + 1}: expected a time in {options['time_unit']}, 0 or more, below 2^63 ns",
            scan.BAD_OP: f"column {column + 1}: expected r or w (also read, load, 0; write, store, 1)",
            scan.BAD_PLACE: f"column {column + 1}: expected an {place}".replace("an page", "a page")
            + ", 0 or more, below 2^63, decimal or 0x...",
            scan.BEHIND: f"the time lies more than {backwards} ns before an earlier line's (setting: backwards)",
        }[error]

    time = "none" if "time" not in names else "instructions" if options["time_unit"] == "instructions" else "ns"
    return Source(lambda: blocks_of_lines(path, scanner, message, skip), time, 1 if "address" in names else 0)
