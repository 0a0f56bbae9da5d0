"""Records of DAMON as damo (version 2 and later) keeps them: JSON, packed by zlib or not.

A list of records, each with `snapshots` of start_time, end_time (ns) and `regions` of start, end (bytes) and nr_accesses (samples, or a
number).  DAMON does not see accesses: in each sampling interval of a snapshot it looks at one page of a region, and counts how often that
page had been accessed.  Pages of a region are held to be alike, so a region with n samples is read here as n rounds over its pages, spread
evenly over the snapshot; regions with none are not accessed.  Reads and writes are not told apart: all are reads.  Ages are not read.
Numbers may be text with commas, as damo writes them.  Records of several targets keep apart.
"""

from __future__ import annotations

import heapq
import itertools
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.workloads.readers.source import Block, Reader, Skipped, Source, TraceFile, refuse

PAGE = 4096
_SPACE_SHIFT = 45
_LARGEST_ADDRESS = 1 << 57
_LARGEST_TIME = 1 << 62
_MOST_TARGETS = 1 << 18
_MOST_BYTES = 1 << 30  # of JSON
_MOST_SAMPLES = 1 << 20
_PAGES = 1 << 20  # in a block
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_WORDS = (b'"snapshots"', b'"kdamond_idx"')


class Region(NamedTuple):
    """Pages from `first` on (its target's number above), accessed `samples` times between two times."""

    first: int
    pages: int
    samples: int


class Snapshot(NamedTuple):
    target: int
    start: int
    end: int
    regions: list[Region]


def _sniff(data: bytes) -> bool:
    if data.startswith(_ZLIB):
        try:
            data = zlib.decompressobj().decompress(data, 4096)
        except zlib.error:
            return False
    return data.lstrip()[:1] in (b"[", b"{") and any(word in data for word in _WORDS)


def _json(path: Path) -> Any:
    """The whole record.  InputError where it is none, with the line of the JSON."""
    with TraceFile(path) as file:
        data = file.read(_MOST_BYTES)
    try:
        if data.startswith(_ZLIB):
            stream = zlib.decompressobj()
            data = stream.decompress(data, _MOST_BYTES)
            if not stream.eof:
                raise InputError(f"{path}: the zlib data is cut off, or longer than 1 GiB, after {len(data)} decompressed bytes")
        return json.loads(data)
    except zlib.error as error:
        raise InputError(f"{path}: at byte 0: not a DAMON record: damaged zlib data: {error}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not a DAMON record of damo: expected JSON: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a DAMON record of damo: expected JSON: {error}") from None


def _number(value: Any) -> int:
    """A whole number, or text of one with commas.  ValueError or TypeError if it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"expected a number, found {value!r:.40}")
    return int(value.replace(",", "")) if isinstance(value, str) else value


def _region(data: Any, target: int) -> Region:
    """ValueError, TypeError or KeyError if it is none."""
    first, end = _number(data["start"]), _number(data["end"])
    count = data["nr_accesses"]
    samples = _number(count["samples"] if isinstance(count, dict) else count)
    if not (0 <= first < end <= _LARGEST_ADDRESS and 0 <= samples <= _MOST_SAMPLES):
        raise ValueError(f"expected start below end below 2^57, 0 to 2^20 samples, found {first}, {end}, {samples}")
    return Region((target << _SPACE_SHIFT) + first // PAGE, -(-end // PAGE) - first // PAGE, samples)


def _snapshots(path: Path, skipped: Skipped | None) -> list[Snapshot]:
    """All snapshots, by time."""
    data = _json(path)
    records = data if isinstance(data, list) else [data]
    found, targets = [], dict[str, int]()
    for number, record in enumerate(records):
        if not isinstance(record, dict) or not isinstance(record.get("snapshots"), list):
            raise InputError(f"{path}: record {number}: not a DAMON record of damo: expected an object with a list `snapshots`")
        target = targets.setdefault(repr((record.get("kdamond_idx"), record.get("context_idx"), record.get("target_id"))), len(targets))
        if target >= _MOST_TARGETS:
            raise InputError(f"{path}: record {number}: more than {_MOST_TARGETS} targets, more than can be kept apart")
        for k, snapshot in enumerate(record["snapshots"]):
            where = f"{path}: record {number}, snapshot {k}"
            try:
                start, end, regions = _number(snapshot["start_time"]), _number(snapshot["end_time"]), snapshot["regions"]
                if not (0 <= start <= end <= _LARGEST_TIME and isinstance(regions, list)):
                    raise ValueError(f"expected times that do not fall, 0 ns or more, below 2^62, found {start}, {end}")
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                refuse(skipped, f"{where}: expected start_time, end_time and regions: {error}")
                continue
            found.append(Snapshot(target, start, end, _regions(where, regions, target, skipped)))
    return sorted(found, key=lambda snapshot: snapshot.start)


def _regions(where: str, data: list[Any], target: int, skipped: Skipped | None) -> list[Region]:
    found = []
    for k, region in enumerate(data):
        try:
            found.append(_region(region, target))
        except (ValueError, TypeError, KeyError) as error:
            refuse(skipped, f"{where}, region {k}: expected start, end and nr_accesses: {error}")
    return [region for region in found if region.samples]


def _rounds(snapshots: list[Snapshot]) -> Iterator[tuple[int, Region]]:
    """(time, region) of every round over a region, in order; targets are watched beside each other."""
    of: dict[int, list[Snapshot]] = {}
    for snapshot in snapshots:
        of.setdefault(snapshot.target, []).append(snapshot)
    streams = [itertools.chain.from_iterable(map(_of_one, some)) for some in of.values()]
    return heapq.merge(*streams, key=lambda one: one[0])


def _of_one(snapshot: Snapshot) -> list[tuple[int, Region]]:
    span = snapshot.end - snapshot.start
    rounds = [(snapshot.start + span * k // region.samples, region) for region in snapshot.regions for k in range(region.samples)]
    return sorted(rounds, key=lambda one: (one[0], one[1].first))


def _block(parts: list[tuple[int, int, int]]) -> Block:
    """Of (time, first page, pages)."""
    time, first, pages = np.array(parts, np.int64).T
    of = np.repeat(np.arange(len(parts)), pages)
    within = np.arange(len(of)) - np.repeat(np.cumsum(pages) - pages, pages)
    return time[of], np.zeros(len(of), np.uint8), first[of] + within


def _blocks(path: Path, skipped: Skipped | None) -> Iterator[Block]:
    parts: list[tuple[int, int, int]] = []
    waiting = latest = 0
    some = False
    for time, region in _rounds(_snapshots(path, skipped)):
        latest = max(latest, time)
        for begin in range(0, region.pages, _PAGES):
            pages = min(_PAGES, region.pages - begin)
            parts.append((latest, region.first + begin, pages))
            waiting += pages
            if waiting >= _PAGES:
                yield _block(parts)
                parts, waiting, some = [], 0, True
    if parts:
        yield _block(parts)
    elif not some:
        raise InputError(f"{path}: there is no region with accesses in this file")


READER = Reader(_sniff, lambda path, options: Source(lambda: _blocks(path, options.get("skipped")), "ns", PAGE, tells_writes=False))
