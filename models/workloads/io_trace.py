"""Block I/O traces as page-cache workloads: each request becomes read() or write() calls on a file that stands for its device.

Device d of the trace is the file `dev<d>` of the program, as large as the device; offsets stay as they were recorded, since readahead
and seeks depend on them.  A request waits for the one before it (one is outstanding in each stream): with `recorded` pacing the
recorded pause between two requests is slept after the first has ended.  Several traces run as processes beside each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.registry import resolve
from models.workloads.io_readers.registry import REGISTRY
from models.workloads.io_readers.source import Reader, Requests, Stream, device_name
from models.workloads.program import LARGEST_THINK, one_or_many, to_pages
from models.workloads.readers.source import head
from models.workloads.requests import calls, count_calls
from models.workloads.stream import SLEEP, Chunk, Context, File, Process, Program, file_pages

MOST_PAGES = (1 << 31) - 1  # page numbers of a machine are int32
LONGEST_PAUSE = 30 * 86_400 * 1_000_000_000  # ns; more is an epoch or a wrong unit, and as many SLEEPs as would fill the memory
_ROUND = 1 << 20  # bytes: a device of unknown size ends at a whole MiB


class _Survey(NamedTuple):
    """What one look at a whole trace found: first request's time, longest pause (unscaled), calls, end in bytes of each device."""

    begin: int
    pause: int
    calls: int
    ends: dict[int, int]


def build(options: dict[str, Any], context: Context) -> Program:
    """The program of one or several trace files.

    options: file or files, format, columns, time_unit, sector_size, device_size, pacing, think, time_scale, origin, backwards, repeat.
    The whole files are checked here.  Raises InputError with file:line where one is not a usable trace.
    """
    paths = _paths(options)
    if options["think"] > LARGEST_THINK:
        raise InputError(f"workload io-trace: think {options['think']} ns is above {LARGEST_THINK} ns; use the recorded pauses")
    limited = {**options, **_limit(options, context)}
    streams = [open_trace(path, limited) for path in paths]
    surveys = [_survey(path, stream, options, context.page_size) for path, stream in zip(paths, streams, strict=True)]
    devices, files = _files(surveys, options, context)
    first = np.array(file_pages(files)[:-1], np.int64)
    zeros = _zeros(paths, surveys, options)

    def process(number: int) -> Process:
        at = max(number - 1, 0)

        def chunks() -> Iterator[Chunk]:
            for _ in range(options["repeat"]):
                yield from _chunks(streams[at], zeros[at], devices, first, options, context.page_size)

        return Process(paths[at].name, 1, chunks, surveys[at].calls * options["repeat"])

    program = one_or_many("io-trace" if len(paths) > 1 else paths[0].name, len(paths), process)
    named = (child._replace(name=f"{paths[n].name}.{n + 1}") for n, child in enumerate(program.processes[1:]))
    return Program((program.processes[0], *named), files)


def open_trace(path: Path, options: dict[str, Any]) -> Stream:
    """The trace's Stream, by `format` or, for auto, by what the file begins with.  Raises InputError."""
    start = head(path)
    for entry in REGISTRY:
        reader: Reader = resolve(entry.target)
        if options["format"] == entry.name or (options["format"] == "auto" and reader.sniff(start, options)):
            return reader.open(path, options)
    names = ", ".join(entry.name for entry in REGISTRY)
    raise InputError(
        f"{path}:1: not an I/O trace that can be read: expected one of {names} (plain, gz, xz, bz2 or zstd); it begins with {start[:16]!a}"
    )


def _paths(options: dict[str, Any]) -> list[Path]:
    one, several = options["file"], options["files"]
    if (one is None) == (not several):
        raise InputError("workload io-trace: expected either file (one trace) or files (a list of traces, a stream each)")
    return [Path(name) for name in ([one] if one is not None else several)]


def _limit(options: dict[str, Any], context: Context) -> dict[str, Any]:
    """The bytes of a device that requests may use, and what sets them."""
    size, capacity = options["device_size"], context.capacity
    if size == "auto" and capacity is None:
        return {"limit": MOST_PAGES * context.page_size, "limit_is": f"{MOST_PAGES} pages of {context.page_size} bytes can be simulated"}
    if size == "auto":
        return {"limit": capacity, "limit_is": f"the device that holds it has {capacity} bytes"}
    if capacity is not None and size > capacity:
        raise InputError(f"workload io-trace: device_size {size} bytes is more than the {capacity} bytes of the device that holds it")
    return {"limit": size, "limit_is": f"device_size is {size} bytes"}


def _survey(path: Path, stream: Stream, options: dict[str, Any], page_size: int) -> _Survey:
    """Reads all of a trace, so that a damaged one is known before the run.  Raises InputError."""
    if options["pacing"] == "recorded" and not stream.timed:
        raise InputError(f"{path}: it has no column of times: set pacing: think, or name the column that holds them")
    begin, last, pause, many = -1, 0, 0, 0
    ends: dict[int, int] = {}
    for block in stream.blocks():
        if begin < 0:
            begin = last = int(block.time[0])
        pause = max(pause, int(np.diff(block.time, prepend=last).max()))
        last = int(block.time[-1])
        many += count_calls(block.write, block.offset, block.size, page_size)
        device, of = np.unique(block.device, return_inverse=True)
        end = np.zeros(len(device), np.int64)
        np.maximum.at(end, of, block.offset + block.size)
        for d, e in zip(device.tolist(), end.tolist(), strict=True):
            ends[d] = max(ends.get(d, 0), e)
    return _Survey(begin, pause, many, ends)


def _zeros(paths: list[Path], surveys: list[_Survey], options: dict[str, Any]) -> list[int]:
    """The recorded time at which each stream starts.  Raises InputError if a pause from there on cannot be meant."""
    earliest = min(survey.begin for survey in surveys)
    zeros = [{"first": survey.begin, "common": earliest, "zero": 0}[options["origin"]] for survey in surveys]
    for path, survey, zero in zip(paths, surveys, zeros, strict=True):
        for ns, where, check in ((survey.begin - zero, "before the first request", "origin"), (survey.pause, "in it", "time_unit")):
            if options["pacing"] == "recorded" and ns * options["time_scale"] > LONGEST_PAUSE:
                raise InputError(f"{path}: a pause of more than 30 days {where} ({ns / 1e9:.0f} s): check the setting {check}")
    return zeros


def _files(surveys: list[_Survey], options: dict[str, Any], context: Context) -> tuple[np.ndarray, tuple[File, ...]]:
    """(ascending device numbers, their files)."""
    ends: dict[int, int] = {}
    for survey in surveys:
        for device, end in survey.ends.items():
            ends[device] = max(ends.get(device, 0), end)
    devices = sorted(ends)
    if options["device_size"] == "auto":
        most = context.capacity or MOST_PAGES * context.page_size
        sizes = [min(-(-ends[d] // _ROUND) * _ROUND, most) for d in devices]
    else:
        sizes = [options["device_size"]] * len(devices)
    files = tuple(File(device_name(d), to_pages(size, context.page_size)) for d, size in zip(devices, sizes, strict=True))
    if (pages := file_pages(files)[-1]) > MOST_PAGES:
        raise InputError(f"workload io-trace: its {len(files)} devices have {pages} pages together; {MOST_PAGES} can be simulated")
    return np.array(devices, np.int64), files


def _chunks(stream: Stream, zero: int, devices: np.ndarray, first: np.ndarray, options: dict[str, Any], page_size: int) -> Iterator[Chunk]:
    """Chunks of one pass over a trace."""
    before = 0  # scaled time of the request before
    for block in stream.blocks():
        base = first[np.searchsorted(devices, block.device)]
        op, page, last = calls(block.write, block.offset, block.size, page_size, base)
        cpu = np.zeros(len(op), np.uint32)
        if options["pacing"] == "think":
            cpu[last] = options["think"]
            yield op, page, cpu
        else:
            time = _scaled(block, zero, options["time_scale"])
            yield _with_sleeps(op, page, last, np.diff(time, prepend=before))
            before = int(time[-1])


def _scaled(block: Requests, zero: int, scale: float) -> np.ndarray:
    """int64[n]: ns since `zero`, scaled; rounded as times, so that rounding does not add up."""
    time = block.time - zero
    return time if scale == 1.0 else np.floor(time * scale).astype(np.int64)


def _with_sleeps(op: np.ndarray, page: np.ndarray, last: np.ndarray, gap: np.ndarray) -> Chunk:
    """One chunk with gap[i] ns of SLEEP in front of request i, whose calls end at last[i]; more than 4.3 s takes several."""
    sleeps = -(-gap // LARGEST_THINK)
    slept = np.cumsum(sleeps)
    total = len(op) + int(slept[-1])
    request = np.searchsorted(last, np.arange(len(op)))
    at = np.arange(len(op)) + slept[request]
    out_op, out_page, out_ns = np.full(total, SLEEP, np.uint8), np.zeros(total, np.int64), np.full(total, LARGEST_THINK, np.uint32)
    out_op[at], out_page[at], out_ns[at] = op, page, 0
    some = np.flatnonzero(sleeps)
    begin = np.concatenate(([0], last[:-1] + 1))
    out_ns[begin[some] + slept[some] - 1] = gap[some] - (sleeps[some] - 1) * LARGEST_THINK
    return out_op, out_page, out_ns
