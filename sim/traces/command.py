"""`mempress trace info`, `head`, `convert`, `filter` and `sample`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from models.cache.readers.source import Dense
from sim.cachesim.sampling import hashes
from sim.cachesim.trace import report
from sim.errors import UserError
from sim.traces.output import output
from sim.traces.reading import ALL, NS_PER_INSTRUCTION, Opened, Reading, Rows, nanoseconds, opened
from sim.traces.writers import WRITERS, Shape, format_of, lines, names, numbered, shape
from sim.units import parse_time

_FIRST = 8  # ids that `info` shows
_EVER = (1 << 63) - 1


class Out(NamedTuple):
    """Where a trace is written: the file, its format (None: by its name), whether it may exist, whether ids become numbers from 0 on."""

    path: Path
    to: str | None
    force: bool
    dense: bool


class Filter(NamedTuple):
    """What is kept: ns from `since` to before `until`, reads or writes only, ids low to high, every n-th of what is left."""

    since: str | None = None
    until: str | None = None
    only: str | None = None
    ids: str | None = None
    every: int = 1


def _end(path: Path, reading: Reading) -> None:
    if reading.skipped is not None:
        report(path, reading.skipped)


def info(path: Path, form: str, reading: Reading, as_json: bool, out: TextIO) -> int:
    """Say what a trace is and holds."""
    source = opened(path, form, reading)
    found = _survey(path, source)
    if as_json:
        print(json.dumps(found, indent=1), file=out)
    else:
        _print(found, out)
    _end(path, reading)
    return 0


def _survey(path: Path, source: Opened) -> dict[str, Any]:
    """One pass over a trace."""
    dense, count, first = Dense(), 0, list[int]()
    begin = end = writes = total = 0
    smallest, largest = _EVER, 0
    for block in source.blocks(source.columns):
        if not len(block.key):
            continue
        if source.numbered is None:
            dense.add(block.key)
        first += block.key[: max(0, _FIRST - len(first))].tolist()
        if block.time is not None:
            time = nanoseconds(block.time[[0, -1]], source.unit)
            begin, end = (begin if count else int(time[0])), int(time[1])
        writes += 0 if block.write is None else int(block.write.sum())
        if block.size is not None:
            total += int(block.size.sum())
            smallest, largest = min(smallest, int(block.size.min())), max(largest, int(block.size.max()))
        count += len(block.key)
    if not count:
        raise UserError(f"{path}: there is no reference in this file")
    has = source.columns
    return {
        "trace": str(path),
        "format": source.format,
        "of": f"pages of {source.page_bytes} bytes" if source.page_bytes else "objects",
        "references": count,
        "distinct": dense.known if source.numbered is None else len(source.numbered.keys),
        "first_ns": begin if "time" in has else None,
        "last_ns": end if "time" in has else None,
        "time_unit": source.unit if "time" in has else None,
        "writes": writes if "write" in has else None,
        "bytes": total if "size" in has else None,
        "smallest_bytes": smallest if "size" in has else None,
        "largest_bytes": largest if "size" in has else None,
        "first_ids": first,
    }


def _print(found: dict[str, Any], out: TextIO) -> None:
    count = found["references"]
    rows = [("format", f"{found['format']}, {found['of']}"), ("references", f"{count}, {found['distinct']} distinct")]
    if found["first_ns"] is None:
        rows.append(("time", "none"))
    else:
        span = f"{(found['last_ns'] - found['first_ns']) / 1e9:.6g} s, from {found['first_ns']} to {found['last_ns']} ns"
        rows.append(("time", span + (f" ({NS_PER_INSTRUCTION} ns an instruction)" if found["time_unit"] == "instructions" else "")))
    rows.append(("writes", "not told" if found["writes"] is None else f"{found['writes']} ({found['writes'] / count:.1%})"))
    if found["bytes"] is not None:
        rows.append(("sizes", f"{found['bytes'] / count:.6g} bytes on average, {found['smallest_bytes']} to {found['largest_bytes']}"))
    rows.append(("first ids", " ".join(map(str, found["first_ids"])) + (" ..." if count > _FIRST else "")))
    print(found["trace"], file=out)
    for name, text in rows:
        print(f"  {name:<11}{text}", file=out)


def head(path: Path, form: str, reading: Reading, count: int, out: TextIO) -> int:
    """Print the first references as text; with a heading where there is more than one column."""
    source = opened(path, form, reading)
    if len(names(shape(source))) > 1:
        print(" ".join(["#", *names(shape(source))]), file=out)
    for block in source.blocks(source.columns):
        some = Rows(*(None if column is None else column[:count] for column in block))  # type: ignore[arg-type]
        for line in lines(shape(source), some, " "):
            print(line, file=out)
        count -= len(some.key)
        if count <= 0:
            break
    _end(path, reading)
    return 0


def convert(path: Path, form: str, reading: Reading, to: Out) -> int:
    """Write a trace in another format."""
    source = opened(path, form, reading)
    _write(path, shape(source), source.blocks(ALL), to)
    _end(path, reading)
    return 0


def _write(path: Path, of: Shape, rows: Iterable[Rows], to: Out) -> None:
    """Write rows and say how many.  UserError if there is none."""
    form = format_of(to.path, to.to)
    with output(to.path, to.force) as file:
        count = WRITERS[form](file, of, numbered(rows) if to.dense else rows)
        if not count:
            raise UserError(f"{path}: no reference is left; nothing was written")
    print(f"{to.path}: {count} references ({form})", file=sys.stderr)


def filtered(path: Path, form: str, reading: Reading, what: Filter, to: Out) -> int:
    """Write the references that a filter lets through."""
    source = opened(path, form, reading)
    since, until = _time("--from", what.since, 0), _time("--until", what.until, _EVER)
    for name, given, column in (("--from", what.since, "time"), ("--until", what.until, "time"), ("--only", what.only, "write")):
        if given is not None and column not in source.columns:
            raise UserError(f"{path}: {name}: this trace does not tell {'times' if column == 'time' else 'reads from writes'}")
    _write(path, shape(source), _kept(source, since, until, what, _ids(what.ids)), to)
    _end(path, reading)
    return 0


def _time(option: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        return int(text) if text.isdigit() else parse_time(text)
    except ValueError as error:
        raise UserError(f"{option}: expected a time such as 10s, 1.5ms or ns as a number: {error}") from None


def interval_of(text: str) -> int:
    """ns of `record --interval`."""
    found = _time("--interval", text, 0)
    if not 100_000 <= found <= 3600 * 10**9:
        raise UserError(f"--interval: expected 100us to 1h, found {text}")
    return found


def _ids(text: str | None) -> tuple[int, int]:
    """Lowest and highest id that is kept."""
    if text is None:
        return 0, (1 << 64) - 1
    low, dash, high = text.partition("-")
    try:
        found = int(low), int(high) if dash else int(low)
    except ValueError:
        found = 1, 0
    if not 0 <= found[0] <= found[1] < 1 << 64:
        raise UserError(f"--ids: expected LOW-HIGH, ids below 2^64, found {text!r}")
    return found


def _kept(source: Opened, since: int, until: int, what: Filter, ids: tuple[int, int]) -> Iterator[Rows]:
    passed = 0
    first = int(since / NS_PER_INSTRUCTION) if source.unit == "instructions" else since
    for block in source.blocks(ALL, first):
        keep = (block.key >= np.uint64(ids[0])) & (block.key <= np.uint64(ids[1]))
        if block.time is not None:
            time = nanoseconds(block.time, source.unit)
            if len(time) and int(time[0]) >= until:
                return
            keep &= (time >= since) & (time < until)
        if block.write is not None and what.only is not None:
            keep &= block.write == (what.only == "writes")
        if what.every > 1:
            order = passed + np.cumsum(keep)
            passed = int(order[-1]) if len(order) else passed
            keep &= (order - 1) % what.every == 0
        yield _only(block, keep)


def _only(block: Rows, keep: np.ndarray) -> Rows:
    return Rows(*(None if column is None else column[keep] for column in block))  # type: ignore[arg-type]


def sample(path: Path, form: str, reading: Reading, rate: float, seed: int, to: Out) -> int:
    """Write all references to a share of the ids, chosen by hash: the same ids as those of `mempress cache --sample` are alike."""
    source = opened(path, form, reading)
    _write(path, shape(source), _sampled(source, rate, seed), to)
    _end(path, reading)
    return 0


def _sampled(source: Opened, rate: float, seed: int) -> Iterator[Rows]:
    dense, chosen = Dense(), np.empty(0, bool)
    mark = np.uint64(min(int(rate * 2.0**64), (1 << 64) - 1))
    for block in source.blocks(ALL):
        ids = dense.add(block.key)
        if dense.known > len(chosen):
            chosen = hashes(2 * dense.known, seed) < mark
        yield _only(block, chosen[ids])
