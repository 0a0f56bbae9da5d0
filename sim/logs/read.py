"""Reading a log: which format it is, by what it contains."""

from __future__ import annotations

import gzip
from pathlib import Path

from sim.errors import UserError
from sim.logs import columns, snapshots
from sim.logs.log import Log
from sim.logs.times import time_of

FORMATS = ("auto", "vmstat", "vmstat-columns", "mm_stat", "zswap")


def read_log(path: Path, form: str, page_size: int, interval: float | None) -> Log:
    """The log in `path` (.gz or not).

    form       one of FORMATS
    page_size  of the machine it is from, bytes
    interval   seconds between samples, None: as the log says
    Errors: UserError for a file that cannot be read, is of no known format, or has less than two samples.
    """
    lines = _lines(path)
    if form == "auto":
        form = _format(path, lines)
    if form == "vmstat-columns":
        return columns.read(str(path), lines, page_size, interval)
    log = snapshots.read(str(path), lines, form)
    if not log.columns or log.samples < 2:
        count = log.samples if log.columns else "no"
        raise UserError(f"{path}: {count} snapshot; at least 2 are wanted, since what is compared is the change")
    if interval is not None:
        return log._replace(times=[k * interval for k in range(log.samples)])
    if log.times is None:
        log.notes.append("it has no times, so its rates are not known (--log-interval says how far its snapshots are apart)")
    return log


def _lines(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return data.decode("utf-8").splitlines()
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not text; a log of {', '.join(FORMATS[1:])} is wanted") from None


def _format(path: Path, lines: list[str]) -> str:
    """By the first line that is no time and no comment."""
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line.startswith("==>") or time_of(line) is not None:
            continue
        if columns.is_heading(line) or columns.is_row(line):
            return "vmstat-columns"
        if snapshots.pairs_of(line, "") or snapshots.mm_stat_of(line)[1] or line.isdigit():
            return "auto"
        if line.startswith("#"):
            continue
        shown = line if len(line) <= 60 else line[:57] + "..."
        raise UserError(f"{path}:{number}: found {shown!r}; expected a log of {', '.join(FORMATS[1:])} (docs/compare-with-logs.md)")
    raise UserError(f"{path}: it has no lines; expected a log of {', '.join(FORMATS[1:])}")
