"""Repeated snapshots, with or without times between: /proc/vmstat's `name value` lines, zswap's debugfs, lines of zram's mm_stat."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from sim.errors import UserError
from sim.logs.log import MM_STAT, Column, Log, kind_of, unit_of
from sim.logs.times import leading_time, time_of

_PAIR = re.compile(r"^(?:\S*/)?([A-Za-z_][A-Za-z0-9_()]*)(?:\s*[:=]\s*|\s+)(\d+)$")  # grep puts the file in front
_HEADING = re.compile(r"^==> (?:\S*/)?([A-Za-z0-9_]+) <==$")  # of tail and head
EXPECTED = {
    "vmstat": '"name value" as in /proc/vmstat',
    "zswap": '"name value" or "path/name:value" as of `grep . /sys/kernel/debug/zswap/*`',
    "mm_stat": f"{len(MM_STAT)} numbers as in /sys/block/zram0/mm_stat",
    "auto": '"name value" as in /proc/vmstat, "path/name:value" as of `grep . /sys/kernel/debug/zswap/*`, or the numbers of mm_stat',
}


class Snapshot(NamedTuple):
    """Values by name, the time if it is known, and the line it begins at."""

    time: float | None
    values: dict[str, int]
    line: int


def pairs_of(line: str, heading: str) -> dict[str, int]:
    """The names and values that a line gives; a lone number is the value of the file that `heading` names."""
    if (found := _PAIR.match(line)) is not None:
        return {found[1]: int(found[2])}
    if heading and line.isascii() and line.isdigit():
        return {heading: int(line)}
    return {}


def mm_stat_of(line: str) -> tuple[float | None, dict[str, int]]:
    """(time, fields) of a line of mm_stat, perhaps with its time in front; no fields if it is none."""
    time, rest = leading_time(line)
    words = rest.split()
    if words and words[0].endswith(":"):  # zram0:
        words = words[1:]
    if not all(word.isascii() and word.isdigit() for word in words):
        return None, {}
    if time is None and len(words) == len(MM_STAT) + 1:
        time, words = float(words[0]), words[1:]
    return (time, dict(zip(MM_STAT, map(int, words), strict=False))) if len(MM_STAT) - 2 <= len(words) <= len(MM_STAT) else (None, {})


def _snapshots(path: str, lines: Sequence[str], form: str) -> Iterator[Snapshot]:
    """Cut where a time stands, or where a name comes again."""
    values: dict[str, int] = {}
    time: float | None = None
    begun, heading = 1, ""
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if (found := _HEADING.match(line)) is not None:
            heading = found[1]
            continue
        stamp = None if heading and line.isdigit() else time_of(line)
        new: dict[str, int] = {}
        if stamp is None:
            if not line or (line.startswith("#") and not pairs_of(line, "")):
                continue
            stamp, new = _values(path, number, line, heading, form)
            heading = ""
        if values and (stamp is not None or not values.keys().isdisjoint(new)):
            yield Snapshot(time, values, begun)
            values, time = {}, None
        if not values and (stamp is not None or time is None):
            begun = number
        time = stamp if stamp is not None else time
        values.update(new)
    if values:
        yield Snapshot(time, values, begun)


def _values(path: str, number: int, line: str, heading: str, form: str) -> tuple[float | None, dict[str, int]]:
    """(time, values) of one line.  UserError if it is not of the form."""
    new = pairs_of(line, heading) if form != "mm_stat" else {}
    if new:
        return None, new
    stamp, new = mm_stat_of(line) if form in ("auto", "mm_stat") else (None, {})
    if not new:
        shown = line if len(line) <= 60 else line[:57] + "..."
        raise UserError(f"{path}:{number}: found {shown!r}; expected {EXPECTED[form]}, or a time; is the log of another format (--format)?")
    return stamp, new


def read(path: str, lines: Sequence[str], form: str = "auto") -> Log:
    """A log of snapshots.  UserError for lines that are none, and for times that go back."""
    found = list(_snapshots(path, lines, form))
    notes: list[str] = []
    if len(found) > 2 and found[-1].values.keys() < found[0].values.keys():
        notes.append(f"the last snapshot (from line {found[-1].line}) is not whole: left out")
        found.pop()
    names = dict.fromkeys(name for one in found for name in one.values)
    columns = [Column(name, name, kind_of(name), unit_of(name), [one.values.get(name) for one in found]) for name in names]
    return Log(path, _label(names), _times(path, found, notes), columns, notes)


def _label(names: dict[str, None]) -> str:
    """What the log has, in a word or two."""
    kinds = {
        "vmstat": any(name.startswith(("nr_", "pg", "workingset_", "psw")) for name in names),
        "zswap": any(name in names for name in ("pool_total_size", "pool_limit_hit", "stored_pages")),
        "mm_stat": MM_STAT[0] in names,
    }
    return " and ".join(kind for kind, there in kinds.items() if there) or "names and values"


def _times(path: str, found: Sequence[Snapshot], notes: list[str]) -> list[float] | None:
    """Seconds since the first snapshot, if all have a time."""
    stamps = [one.time for one in found if one.time is not None]
    if len(stamps) < len(found):
        if stamps:
            notes.append(f"{len(found) - len(stamps)} of {len(found)} snapshots have no time, so no time is used")
        return None
    for before, after in pairwise(found):
        if after.time is not None and before.time is not None and after.time < before.time:
            back = before.time - after.time
            raise UserError(f"{path}:{after.line}: its time is {back:g} s before that of line {before.line}; a log's times must rise")
    return [stamp - stamps[0] for stamp in stamps]
