"""One stream of references from any trace: keys, and the columns that are asked for.

Page accesses become numbers of pages of 4 KiB; requests of block I/O become one reference for each page of 4 KiB that they touch, and
devices keep apart; ids stay ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from models.errors import InputError
from models.registry import resolve
from models.workloads.io_readers.source import Requests
from models.workloads.readers import mpt2
from models.workloads.readers.mpt import version_of
from models.workloads.readers.source import Skipped, head
from sim.traces.formats import BLOCK, OBJECT, Format, recognised

PAGE_BYTES = 4096
NS_PER_INSTRUCTION = 0.33  # as of the `trace` workload: 3 GHz at one instruction a cycle
ALL = frozenset({"time", "write", "size"})
NONE: frozenset[str] = frozenset()
_DEVICE_SHIFT = 48  # a page of a device is below 2^48, since a device is below 2^60 bytes
_LARGEST_DEVICE = 1 << 60
_MOST_DEVICES = 1 << 16
_MOST_REFERENCES = 1 << 20  # of I/O at once: a request of 4 GiB touches as many pages


class Reading(NamedTuple):
    """How a trace is read: the columns of text and CSV, their unit of time; skipped: where a lenient reader counts."""

    columns: tuple[str, ...] | None = None
    time_unit: str = "ns"
    sector_size: int = 512
    backwards: int = 1_000_000_000  # ns that a time may lie behind an earlier one: it is taken as equal
    skipped: Skipped | None = None

    def options(self) -> dict[str, Any]:
        return {
            "columns": None if self.columns is None else list(self.columns),
            "time_unit": self.time_unit,
            "sector_size": self.sector_size,
            "backwards": self.backwards,
            "skipped": self.skipped,
            "limit": _LARGEST_DEVICE,
            "limit_is": "devices below 2^60 bytes can be read",
        }


class Rows(NamedTuple):
    """References: key uint64[n]; time int64[n] in the trace's unit, write uint8[n], size int64[n], or None."""

    key: np.ndarray
    time: np.ndarray | None
    write: np.ndarray | None
    size: np.ndarray | None


class Numbered(NamedTuple):
    """A trace whose ids are dense already: keys uint64[pages]; references; blocks(wanted) yields (ids, time, write, size)."""

    keys: np.ndarray
    references: int
    blocks: Callable[[frozenset[str]], Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray | None]]]


class Blocks(Protocol):
    """See Opened."""

    def __call__(self, wanted: frozenset[str], since: int = 0, /) -> Iterator[Rows]: ...


class Opened(NamedTuple):
    """A trace, opened.

    unit        of its times: "ns", "instructions", or "none"
    page_bytes  what a key numbers: pages of so many bytes, or 0: objects
    columns     which it has
    blocks      blocks(wanted, since=0) yields Rows with those of the wanted columns that it has; raises InputError.  What lies
                before `since` (in its unit) may be left out where that saves reading
    numbered    of a trace whose ids are dense
    """

    format: str
    unit: str
    page_bytes: int
    columns: frozenset[str]
    blocks: Blocks
    numbered: Numbered | None = None


def opened(path: Path, wanted: str, reading: Reading) -> Opened:
    """Open a trace by its format, or by what it begins with.  UserError (or InputError)."""
    options = reading.options()
    form = recognised(path, wanted, options)
    if form.entry.name == "mpt" and version_of(head(path)) == mpt2.VERSION:
        return _mapped(path)
    if form.family == OBJECT:
        return _objects(form, path, options)
    return _block_io(form, path, options) if form.family == BLOCK else _pages(form, path, options)


def _mapped(path: Path) -> Opened:
    """Our own format, version 2: what it holds is what is wanted."""
    trace = mpt2.Map(path)
    has = frozenset(name for name, bit in (("time", mpt2.TIME), ("size", mpt2.SIZE), ("write", mpt2.WRITE)) if trace.columns & bit)

    def numbered(
        wanted: frozenset[str], since: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray | None]]:
        wanted &= has
        for k in range(trace.block_at(since) if "time" in has else 0, len(trace.index)):
            time = trace.time(k) if "time" in wanted else None
            write = trace.write(k) if "write" in wanted else None
            yield trace.ids(k), time, write, trace.size(k) if "size" in wanted else None

    def blocks(wanted: frozenset[str], since: int = 0) -> Iterator[Rows]:
        for ids, *columns in numbered(wanted, since):
            yield Rows(trace.keys[ids], *columns)

    return Opened("mpt", trace.unit, trace.page_bytes, has, blocks, Numbered(trace.keys, trace.accesses, numbered))


def nanoseconds(time: np.ndarray, unit: str) -> np.ndarray:
    """Times of a trace in ns."""
    return np.floor(time * NS_PER_INSTRUCTION).astype(np.int64) if unit == "instructions" else time


def _objects(form: Format, path: Path, options: dict[str, Any]) -> Opened:
    reader = resolve(form.entry.target)
    stream = reader.open(path, options)

    def blocks(wanted: frozenset[str], _since: int = 0) -> Iterator[Rows]:
        for block in reader.open(path, {**options, "wanted": wanted}).blocks():
            yield Rows(*block)

    return Opened(form.entry.name, "ns" if "time" in stream.columns else "none", 0, stream.columns, blocks)


def _pages(form: Format, path: Path, options: dict[str, Any]) -> Opened:
    source = resolve(form.entry.target).open(path, options)
    has = frozenset((["time"] if source.time != "none" else []) + (["write"] if source.tells_writes else []))
    numbers = None if source.pages is None else _page_numbers(source.pages, source.place_bytes)

    def blocks(wanted: frozenset[str], _since: int = 0) -> Iterator[Rows]:
        for time, write, place in source.blocks():
            key = numbers[place] if numbers is not None else _page_numbers(place, source.place_bytes)
            yield Rows(key, time if "time" in wanted & has else None, write if "write" in wanted & has else None, None)

    return Opened(form.entry.name, source.time, PAGE_BYTES if source.place_bytes else 0, has, blocks)


def _page_numbers(place: np.ndarray, place_bytes: int) -> np.ndarray:
    """uint64[n]: pages of 4 KiB of places (byte addresses, numbers of larger or smaller pages, or pages of unknown size)."""
    if place_bytes > PAGE_BYTES:
        place = place * (place_bytes // PAGE_BYTES)
    elif place_bytes:
        place = place // (PAGE_BYTES // place_bytes)
    return place.astype(np.uint64)


def _block_io(form: Format, path: Path, options: dict[str, Any]) -> Opened:
    stream = resolve(form.entry.target).open(path, options)
    has = frozenset({"time", "write"} if stream.timed else {"write"})

    def blocks(wanted: frozenset[str], _since: int = 0) -> Iterator[Rows]:
        devices: dict[int, int] = {}
        for requests in stream.blocks():
            base = _devices(path, devices, requests.device)
            for part, of in _few(requests):
                yield from _split(part, base[of], wanted & has)

    return Opened(form.entry.name, "ns" if stream.timed else "none", PAGE_BYTES, has, blocks)


def _devices(path: Path, known: dict[int, int], device: np.ndarray) -> np.ndarray:
    """uint64[n]: first key of each request's device; devices are numbered as they come."""
    found, first, of = np.unique(device, return_index=True, return_inverse=True)
    for at in np.argsort(first):
        known.setdefault(int(found[at]), len(known))
    if len(known) > _MOST_DEVICES:
        raise InputError(f"{path}: it has more than {_MOST_DEVICES} devices, more than can be kept apart")
    return (np.array([known[int(d)] for d in found], np.uint64) << np.uint64(_DEVICE_SHIFT))[of]


def _few(requests: Requests) -> Iterator[tuple[Requests, slice]]:
    """Parts of a block that do not touch very many pages together."""
    total = np.cumsum(requests.size // PAGE_BYTES + 2)
    begin = 0
    while begin < len(total):
        before = int(total[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, before + _MOST_REFERENCES, "right")))
        yield Requests(*(column[begin:end] for column in requests)), slice(begin, end)
        begin = end


def _split(requests: Requests, base: np.ndarray, wanted: frozenset[str]) -> Iterator[Rows]:
    first = requests.offset // PAGE_BYTES
    pages = (requests.offset + requests.size - 1) // PAGE_BYTES - first + 1
    of = np.repeat(np.arange(len(first)), pages)
    within = np.arange(len(of)) - np.repeat(np.cumsum(pages) - pages, pages)
    key = (first[of] + within).astype(np.uint64) + base[of]
    yield Rows(key, requests.time[of] if "time" in wanted else None, requests.write[of] if "write" in wanted else None, None)
