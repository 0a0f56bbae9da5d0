"""masim's configuration files (sjp38/masim, README.md) as a workload: regions of memory, and phases of access patterns on them.

Paragraphs between empty lines; lines from # on are remarks.  The first has the regions, `name, bytes[, file]`; the others are phases:
name, length in ms, then `region, 1 random or 0 sequential, stride in bytes, weight[, ro|wo|rw]` (wo if not given, as in masim).
As masim does: a pattern is drawn by its weight and makes a whole batch of accesses (131072); sequential goes on where the pattern's
last batch ended, in steps of the stride, and begins again behind the region's end; random takes any byte.
Unlike masim: the machine's speed is the setting `think`, and a phase ends after its length to the access, not to the batch.  rw is a write
(of a byte that was read just before).  Files to load regions from are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.workloads import draws
from models.workloads.program import LARGEST_THINK, one_or_many, to_pages
from models.workloads.readers.source import Skipped, lines, refuse, shown
from models.workloads.stream import Chunk, Context, Process, Program

BATCH = 128 * 1024
_LARGEST = 1 << 47  # bytes of all regions
_LARGEST_MS = 1 << 31
_BOUNDS = ((0, 1), (1, 1 << 30), (0, 1 << 30))  # of random, stride, weight
MODES = {"ro": 0, "wo": 1, "rw": 1}


class Region(NamedTuple):
    name: str
    size: int


class Pattern(NamedTuple):
    """One line of a phase; region: its number."""

    region: int
    random: bool
    stride: int
    weight: int
    write: int


class Phase(NamedTuple):
    name: str
    ms: int
    patterns: list[Pattern]


class Spec(NamedTuple):
    regions: list[Region]
    phases: list[Phase]


def read(path: Path, skipped: Skipped | None = None) -> Spec:
    """A configuration file.  InputError with file:line, unless `skipped` counts wrong lines of patterns."""
    first, *others = _paragraphs(path) or [[]]
    regions = [_region(path, number, line) for number, line in first]
    names = [region.name for region in regions]
    if not regions or len({*names}) < len(names) or sum(region.size for region in regions) > _LARGEST:
        raise InputError(f"{path}:1: not a masim configuration: expected regions of different names, below 2^47 bytes together")
    phases = [_phase(path, paragraph, names, skipped) for paragraph in others]
    if not phases:
        raise InputError(f"{path}:{first[-1][0]}: expected phases after the regions, each behind an empty line")
    return Spec(regions, phases)


def _paragraphs(path: Path) -> list[list[tuple[int, str]]]:
    """Of (line number, text); remarks do not end a paragraph."""
    found: list[list[tuple[int, str]]] = [[]]
    for number, line in lines(path):
        if line.startswith(b"#"):
            continue
        text = line.decode("latin-1").strip()
        if text:
            found[-1].append((number, text))
        elif found[-1]:
            found.append([])
    return [paragraph for paragraph in found if paragraph]


def _wrong(path: Path, number: int, expected: str, line: str) -> str:
    return f"{path}:{number}: expected {expected}; found {shown(line.encode('latin-1'))}"


def _whole(text: str, low: int, high: int) -> int:
    """A number between two; ValueError if it is none."""
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not low <= int(text) <= high:
        raise ValueError(text)
    return int(text)


def _region(path: Path, number: int, line: str) -> Region:
    fields = [field.strip() for field in line.split(",")]
    try:
        if len(fields) not in (2, 3) or not fields[0]:
            raise ValueError(line)
        return Region(fields[0], _whole(fields[1], 1, _LARGEST))
    except ValueError:
        raise InputError(_wrong(path, number, "a region: name, bytes (1 to 2^47)[, file]", line)) from None


def _phase(path: Path, paragraph: list[tuple[int, str]], names: list[str], skipped: Skipped | None) -> Phase:
    number, name = paragraph[0]
    if len(paragraph) < 3:
        raise InputError(_wrong(path, number, "a phase: its name, its length in ms, and patterns, a line each", name))
    number, line = paragraph[1]
    try:
        ms = _whole(line, 1, _LARGEST_MS)
    except ValueError:
        raise InputError(_wrong(path, number, "the length of the phase in ms, 1 or more, below 2^31", line)) from None
    patterns = []
    for number, line in paragraph[2:]:
        try:
            patterns.append(_pattern(line, names))
        except ValueError:
            known = ", ".join(names[:5])
            refuse(skipped, _wrong(path, number, f"region ({known}), 0 or 1, stride, weight[, ro, wo or rw]", line))
    if not sum(pattern.weight for pattern in patterns):
        raise InputError(f"{path}:{paragraph[0][0]}: phase {name!r} has no pattern with a weight above 0")
    return Phase(name, ms, patterns)


def _pattern(line: str, names: list[str]) -> Pattern:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) not in (4, 5) or fields[0] not in names:
        raise ValueError(line)
    if (mode := fields[4] if len(fields) == 5 else "wo") not in MODES:
        raise ValueError(line)
    random, stride, weight = (_whole(field, *bounds) for field, bounds in zip(fields[1:4], _BOUNDS, strict=True))
    return Pattern(names.index(fields[0]), random == 1, stride, weight, MODES[mode])


def first_pages(spec: Spec, page_size: int) -> list[int]:
    """First page of each region, and behind the last one the end: each begins on a page of its own."""
    first = [0]
    for region in spec.regions:
        first.append(first[-1] + to_pages(region.size, page_size))
    return first


def accesses(spec: Spec, think: int) -> int:
    """How many there are in all phases."""
    return sum(_count(phase, think) for phase in spec.phases)


def _count(phase: Phase, think: int) -> int:
    return max(1, phase.ms * 1_000_000 // think)


def pages(spec: Spec, seed: np.uint64, think: int, batch: int, page_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(write uint8[n], page int64[n]) of all phases, in order."""
    first, number = first_pages(spec, page_size), 0
    for phase in spec.phases:
        weights = np.cumsum([pattern.weight for pattern in phase.patterns])
        done, left = [0] * len(phase.patterns), _count(phase, think)
        while left:
            total = min(left, max(batch, draws.CHUNK // batch * batch))
            parts = []
            for begin in range(0, total, batch):
                n = min(batch, total - begin)
                chosen = draws.scale(draws.draw(seed, np.array([4 * number + 3], np.uint64)), int(weights[-1]))
                at = int(np.searchsorted(weights, chosen[0], "right"))
                pattern = phase.patterns[at]
                page = _batch(pattern, spec.regions[pattern.region].size, seed, number, done[at], n, page_size)
                parts.append((np.full(n, pattern.write, np.uint8), page + first[pattern.region]))
                done[at] += n
                number += n
            left -= total
            write, page = (np.concatenate(column) for column in zip(*parts, strict=True))
            yield write, page


def _batch(pattern: Pattern, size: int, seed: np.uint64, number: int, done: int, n: int, page_size: int) -> np.ndarray:
    """int64[n]: pages of a region."""
    if pattern.random:
        counter = np.arange(number, number + n, dtype=np.uint64) * np.uint64(4)
        return draws.scale(draws.draw(seed, counter), to_pages(size, page_size))
    steps = -(-size // pattern.stride)
    return np.arange(done, done + n, dtype=np.int64) % steps * pattern.stride // page_size


def build(options: dict[str, Any], context: Context) -> Program:
    """The program of a configuration file.  options: file, think, batch, processes.  InputError with file:line."""
    path, think = Path(options["file"]), options["think"]
    if think > LARGEST_THINK:
        raise InputError(f"workload masim: think {think} ns is above {LARGEST_THINK} ns")
    spec = read(path)

    def process(number: int) -> Process:
        def chunks() -> Iterator[Chunk]:
            seed = draws.stream_seed(context.seed, number)
            for write, page in pages(spec, seed, think, options["batch"], context.page_size):
                yield write, page, np.full(len(page), think, np.uint32)  # WRITE is 1, READ 0

        return Process(path.name, first_pages(spec, context.page_size)[-1], chunks, accesses(spec, think))

    return one_or_many(path.name, options["processes"], process)
