"""Rows of requests, between blanks or between separators: which column is what, and what is wrong with a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.workloads.io_readers.source import LARGEST_REQUEST, Requests, Stream
from models.workloads.readers.source import first_lines, head

NAMES = ("time", "device", "op", "sector", "offset", "sectors", "bytes", "-")
BY_NUMBER = {
    3: ("sector", "sectors", "op"),
    4: ("time", "sector", "sectors", "op"),
    5: ("time", "device", "sector", "sectors", "op"),
}
_MEANING = {
    "time": "time", "timestamp": "time", "ns": "time",
    "device": "device", "dev": "device", "disk": "device", "disknumber": "device", "asu": "device",
    "op": "op", "rw": "op", "r/w": "op", "rwbs": "op", "type": "op", "operation": "op",
    "sector": "sector", "lba": "sector", "offset": "offset",
    "sectors": "sectors", "length": "sectors", "len": "sectors", "count": "sectors", "bytes": "bytes", "size": "bytes",
}  # fmt: skip
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


def first_row(data: bytes) -> tuple[int, str]:
    """(number of the line, text) of the first line that is neither empty nor a remark; (0, "") if there is none."""
    rows = ((n, line) for n, line in enumerate(first_lines(data), 1) if line.strip() and not line.lstrip().startswith("#"))
    return next(rows, (0, ""))


def _is_heading(words: list[str]) -> bool:
    return all(len(w) > 1 and w.isascii() and not w[0].isdigit() for w in words) and any(w in _MEANING for w in words)


def meaning(path: Path, options: dict[str, Any], separator: str) -> tuple[tuple[str, ...], int]:
    """(what each column is, lines up to and including a heading).  Raises InputError where a column is missing or named twice."""
    number, line = first_row(head(path))
    if not number:
        raise InputError(f"{path}: there is no request at the beginning of this file")
    words = [word.strip().strip('"').lower() for word in (line.split(separator) if separator else line.split())]
    heading = _is_heading(words)
    where = f"{path}:{number}: "
    if options["columns"] is not None:
        names = tuple(options["columns"])
        where = f"{path}: columns {list(names)}: "
    elif heading:
        names = tuple(_MEANING.get(word, "-") for word in words)
        where += f"heading {', '.join(words)}: "
    elif len(words) in BY_NUMBER:
        names = BY_NUMBER[len(words)]
    else:
        raise InputError(f"{where}{len(words)} columns and no heading: say what they are, such as columns: [time, sector, sectors, op]")
    if unknown := [name for name in names if name not in NAMES]:
        raise InputError(f"{where}{unknown[0]!r} is none of {', '.join(NAMES)}")
    for choice in (("op",), ("sector", "offset"), ("sectors", "bytes")):
        if sum(name in choice for name in names) != 1:
            raise InputError(f"{where}expected one column that is {' or '.join(choice)}")
    if twice := [name for name in names if name != "-" and names.count(name) > 1]:
        raise InputError(f"{where}there are two columns {twice[0]}")
    return names, number if heading else 0


class Layout(NamedTuple):
    """The columns of a format that fixes them: names as in NAMES, or `ticks` of `unit` ns from `origin` on; whether 0 is a write."""

    names: tuple[str, ...]
    zero_is_write: bool = False
    unit: int = 1
    origin: int = 0


class RequestScanner:
    """What blocks_of_lines calls; keeps the columns that it has no place for until they are fetched.

    scan  called with (buffer, length, state, out time, out write, out device, out offset, out size)
    """

    def __init__(self, scan: Callable[..., int]) -> None:
        self.scan = scan
        self.device = self.size = self.of = np.empty(0, np.int64)

    def __call__(self, buffer: np.ndarray, length: int, state: np.ndarray, time: np.ndarray, write: np.ndarray, offset: np.ndarray) -> int:
        whole = time if time.base is None else time.base
        if whole is not self.of:  # the next block; behind a wrong line that is passed over it is the same one
            self.of, self.device, self.size = whole, np.empty(len(whole), np.int64), np.empty(len(whole), np.int64)
        first = len(whole) - len(time)
        return int(self.scan(buffer, length, state, time, write, self.device[first:], offset, self.size[first:]))


def requests(
    path: Path, scan: Callable[..., int], message: Callable[[int, np.ndarray], str], skip: int, options: dict[str, Any]
) -> Iterator[Requests]:
    """Requests of lines; see RequestScanner and blocks_of_lines."""
    from models.workloads.readers.lines import blocks_of_lines

    scanner = RequestScanner(scan)
    for time, write, offset in blocks_of_lines(path, scanner, message, skip, options.get("skipped")):
        yield Requests(time, write, scanner.device[: len(time)], offset, scanner.size[: len(time)])


def _scan(names: tuple[str, ...], rules: np.ndarray) -> Callable[..., int]:
    """scan_requests for these columns."""
    from models.workloads.io_readers import scan

    roles = {
        "time": scan.TIME, "op": scan.OP, "device": scan.DEVICE, "sector": scan.SECTOR, "offset": scan.OFFSET,
        "sectors": scan.SECTORS, "bytes": scan.BYTES, "-": scan.SKIP, "ticks": scan.TICKS,
    }  # fmt: skip
    columns = np.array([roles[name] for name in names], np.int64)
    row = np.zeros(len(roles), np.int64)
    return lambda buffer, length, *others: scan.scan_requests(buffer, length, columns, rules, row, *others)


def open_rows(path: Path, options: dict[str, Any], separator: str, layout: Layout | None = None) -> Stream:
    """A Stream of rows; separator "" is any run of blanks.

    layout: of a format that fixes its columns.  Raises InputError for a wrong heading.
    """
    from models.workloads.io_readers import scan

    columns, skip = (layout.names, 0) if layout is not None else meaning(path, options, separator)
    fixed = layout or Layout((), unit=_UNITS[options["time_unit"]])
    rules = np.zeros(scan.RULES, np.int64)
    rules[scan.SEPARATOR] = ord(separator) if separator else 0
    rules[scan.UNIT], rules[scan.ORIGIN] = fixed.unit, fixed.origin
    rules[scan.BACKWARDS], rules[scan.LIMIT] = options["backwards"], options["limit"]
    rules[scan.SECTOR_SIZE], rules[scan.ZERO_IS_WRITE] = options["sector_size"], fixed.zero_is_write
    unit = options["time_unit"] if layout is None else "ns" if fixed.unit == 1 else f"{fixed.unit} ns"
    ops = "0 (write) or 1 (read)" if fixed.zero_is_write else "r or w (also read, 0; write, 1)"

    def message(error: int, state: np.ndarray) -> str:
        column = int(state[scan.COLUMN])
        name = f"column {column + 1} ({columns[column]})"
        most = LARGEST_REQUEST if columns[column] == "bytes" else LARGEST_REQUEST // options["sector_size"]
        return {
            scan.BAD_COLUMNS: f"expected {len(columns)} columns ({', '.join(columns)})",
            scan.BAD_TIME: f"{name}: expected a time in {unit}, 0 or more, below 2^63 ns",
            scan.BAD_OP: f"{name}: expected {ops}",
            scan.BAD_DEVICE: f"{name}: expected the number of a device below 2^20, or major:minor",
            scan.BAD_PLACE: f"{name}: expected a whole number, 0 or more",
            scan.BAD_LENGTH: f"{name}: expected a length from 1 to {most}",
            scan.BEHIND: f"the time lies more than {options['backwards']} ns before an earlier line's (setting: backwards)",
            scan.BEYOND: f"the request ends behind the device's last byte: {options['limit_is']}",
        }[error]

    def blocks() -> Iterator[Requests]:
        return requests(path, _scan(columns, rules), message, skip, options)

    return Stream(blocks, "time" in columns or "ticks" in columns)
