"""The table of `vmstat 1`, with -t, -w, -a or without.  Sizes are taken as KiB, which they are without -S."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from sim.errors import UserError
from sim.logs.log import Column, Log
from sim.logs.times import leading_time

# the columns where no heading is there
USUAL = ("r", "b", "swpd", "free", "buff", "cache", "si", "so", "bi", "bo", "in", "cs", "us", "sy", "id", "wa", "st")
_KNOWN = {*USUAL, "gu", "inact", "active"}
# what the run counts: its name, a counter or a gauge, and the unit of the run's figure
_SAME = {
    "swpd": ("swap_used_pages", "gauge"), "free": ("nr_free_pages", "gauge"), "si": ("pswpin", "counter"), "so": ("pswpout", "counter"),
    "bi": ("pgpgin", "counter"), "bo": ("pgpgout", "counter"), "buff+cache": ("cached_pages", "gauge"),
    "active": ("active_pages", "gauge"), "inact": ("inactive_pages", "gauge"),
}  # fmt: skip
KIB = 1024


def is_heading(line: str) -> bool:
    """Whether this is one of the two lines above the table."""
    words = line.split()
    return line.lstrip().startswith("procs") or words[:3] == ["r", "b", "swpd"]


def is_row(line: str) -> bool:
    """Whether this could be a row without its heading."""
    words = line.split()
    return len(words) >= len(USUAL) and all(word.isdigit() for word in words[: len(USUAL)])


def read(path: str, lines: Sequence[str], page_size: int, interval: float | None) -> Log:
    """The log.  The first row is the mean since boot and is left out.

    interval  seconds between rows, None: as -t says, or 1
    Errors: UserError for lines that are no rows.
    """
    names: Sequence[str] = USUAL
    rows: list[list[int]] = []
    stamps: list[float | None] = []
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line.startswith(("#", "procs")):
            continue
        if is_heading(line):
            names = [word for word in line.split() if word in _KNOWN]
            continue
        rows.append(_row(path, number, line, names))
        stamps.append(_stamp(line, len(names)))
    notes = ["sizes are taken as KiB (vmstat without -S); the first row, the mean since boot, is left out"]
    rows, stamps = rows[1:], stamps[1:]
    if len(rows) < 2:
        raise UserError(f"{path}: {len(rows)} rows besides the first, which is the mean since boot; at least 2 are wanted")
    times = _times(path, stamps, len(rows), interval, notes)
    return Log(path, "vmstat-columns", times, _columns(names, rows, times, page_size), notes)


def _row(path: str, number: int, line: str, names: Sequence[str]) -> list[int]:
    words = line.split()[: len(names)]
    if len(words) < len(names) or not all(word.isascii() and word.isdigit() for word in words):
        shown = line if len(line) <= 60 else line[:57] + "..."
        raise UserError(f"{path}:{number}: found {shown!r}; expected {len(names)} numbers ({' '.join(names)}) as `vmstat 1` prints them")
    return [int(word) for word in words]


def _stamp(line: str, count: int) -> float | None:
    """The time behind the numbers (vmstat -t)."""
    return leading_time(" ".join(line.split()[count:]))[0]


def _times(path: str, stamps: Sequence[float | None], count: int, interval: float | None, notes: list[str]) -> list[float]:
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) == count and interval is None:
        if any(b < a for a, b in pairwise(known)):
            raise UserError(f"{path}: its times go back somewhere; a log's times must rise")
        return [stamp - known[0] for stamp in known]
    if interval is None:
        notes.append("it has no times (vmstat -t), so its rows are taken to be 1 s apart (--log-interval says otherwise)")
    return [k * (interval or 1.0) for k in range(count)]


def _columns(names: Sequence[str], rows: Sequence[Sequence[int]], times: Sequence[float], page_size: int) -> list[Column]:
    """Rates per second become counters that begin at 0 with the first row kept; sizes become pages.

    Rows are as far apart as they are on average: their times are whole seconds, and two may be the same.
    """
    step = times[-1] / (len(rows) - 1)
    found = {name: [float(row[k]) for row in rows] for k, name in enumerate(names)}
    if "buff" in found and "cache" in found:
        found["buff+cache"] = [a + b for a, b in zip(found.pop("buff"), found.pop("cache"), strict=True)]
    made = []
    for name, values in found.items():
        ours, kind = _SAME.get(name, (name, "gauge"))
        if kind == "counter":
            sums = [0.0, *(step * total for total in accumulate(values[1:]))]
            in_kib = ours.startswith("pgpg")
            scale = 1.0 if in_kib else KIB / page_size
            made.append(Column(ours, name, "counter", "KiB" if in_kib else "pages", [value * scale for value in sums]))
        elif name in _SAME:
            made.append(Column(ours, name, "gauge", "pages", [value * KIB / page_size for value in values]))
        else:
            made.append(Column(name, name, "gauge", "", values))
    return made
