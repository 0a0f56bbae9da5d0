"""Worst cases, searched for: the operations that make an allocator worst on a metric, kept as a trace.

The search does not move single operations but steps of a short schedule (models.allocators.schedules): random restarts, then simulated
annealing with changed sizes and counts, steps put in, left out, swapped and doubled.  It knows nothing of the allocator.  What is
reported was read back from the trace's text and replayed.
"""

from __future__ import annotations

import io
import math
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from models.allocators import schedules as sc
from models.allocators.drive import ALLOC, COMPACT, FREE, PLACE, drive
from models.allocators.pool import (
    COPIED,
    MOVED,
    OP_WALKED,
    PAYLOAD,
    POOL_PAGES,
    WALKED,
    Allocator,
    PoolArrays,
    no_compaction,
)
from models.registry import Entry, resolve
from sim.bench.schema import BenchConfig
from sim.errors import UserError
from sim.folders import prepare_folder
from sim.replay import NO_LIMIT, PAGES_PER_OBJECT, Replay, Trace, read_trace
from sim.results import slug
from sim.workers import run_jobs

METRICS = {
    "pages-per-payload": "bytes of pool pages per byte of payload, with a page of payload at least",
    "walked-max": "lists and blocks looked at by the costliest store or free",
    "walked-mean": "lists and blocks looked at per operation, over 100 operations at least",
    "copied": "bytes copied per byte stored, compaction included",
}
BUDGET = 20_000_000  # operations
LENGTH = 2000  # of a sequence at most
SMALLEST = 32  # bytes: what compressed pages come down to
PAGE_SIZE = 4096
RESTARTS = 8
POLISH = 0.25  # share of the budget for going on from the best restart
MEAN_OVER = 100
HOT, WARM, COLD = 0.3, 0.02, 0.002  # temperatures, in the logarithm of the metric: restarts begin hot, the last search warm
MOST_STEPS = 12
COLUMNS = MOVED + 1  # numbers of the tally that are looked at

Schedule = tuple[tuple[int, int, int, int, int], ...]


class Limits(NamedTuple):
    """What the search may do: sizes from `smallest` to the page, sequences of up to `length` operations."""

    length: int = LENGTH
    smallest: int = SMALLEST
    page_size: int = PAGE_SIZE


class Found(NamedTuple):
    """The worst that was found.

    value, operations   the metric, and after how many operations; the trace ends there
    schedule            what the operations were made of
    tried               operations played in the whole search
    trace               the operations as text, for `replay`
    """

    allocator: str
    metric: str
    value: float
    operations: int
    schedule: Schedule
    tried: int
    trace: str


# --- how bad a schedule is ---------------------------------------------------------------------------------------------


class Bench:
    """Plays operations on new pools of one allocator, and measures."""

    def __init__(self, entry: Entry, metric: str, limits: Limits) -> None:
        if metric not in METRICS:
            raise UserError(f"metric: found '{metric}'; expected one of {', '.join(METRICS)}")
        self.allocator: Allocator = resolve(entry.target)
        if self.allocator.answers is None:
            raise UserError(f"allocator '{entry.name}' cannot be replayed, so no worst case can be kept: its record has no answers")
        self.options, self.metric, self.limits = entry.preset, metric, limits
        # as in `replay`: what does not compact there is not asked to
        self.compacts = self.allocator.answers.compact is not None and self.allocator.compact is not no_compaction
        length = limits.length
        self.op, self.ident, self.arg = np.zeros(length, np.uint8), np.zeros(length, np.int32), np.zeros(length, np.int64)
        self.live, self.size = np.zeros(length, np.int64), np.zeros(length, np.int64)
        self.place, self.tally = np.zeros((length, PLACE), np.int64), np.zeros((length, COLUMNS), np.int64)

    def expand(self, schedule: Schedule) -> int:
        """Turn a schedule into operations; their number."""
        table = np.array(schedule, np.int64).reshape(-1, 5)
        return int(sc.expand(table, self.op, self.ident, self.arg, self.live, self.size))

    def load(self, trace: Trace) -> int:
        """Take the operations of a trace, without its requests for statistics."""
        wanted = np.isin(trace.op, (ALLOC, FREE, COMPACT))
        n = int(wanted.sum())
        self.op, self.ident, self.arg = (np.ascontiguousarray(column[wanted]) for column in (trace.op, trace.ident, trace.arg))
        self.place, self.tally = np.zeros((n, PLACE), np.int64), np.zeros((n, COLUMNS), np.int64)
        return n

    def play(self, n: int) -> PoolArrays:
        """Do the first n operations on a new pool, as `replay` does; `tally` has a row for each."""
        allocs = int((self.op[:n] == ALLOC).sum())
        pages = PAGES_PER_OBJECT * (allocs + 8)
        a = self.allocator
        arrays: PoolArrays = a.create(self.limits.page_size, pages, allocs, **self.options, may_take=NO_LIMIT)
        objects = np.zeros((3, max(allocs, 1)), np.int32)
        functions: tuple[Any, Any, Any] = (a.alloc, a.free, a.blocks)
        first = 0
        while first < n:
            place, tally = self.place[first:n], self.tally[first:n]
            first = drive(arrays.pool, *functions, self.op, self.ident, self.arg, first, n, objects, place, tally)
            if first < n:
                if self.compacts:
                    assert a.answers is not None and a.answers.compact is not None
                    a.answers.compact(arrays)
                self.tally[first] = arrays.num[:COLUMNS]
                self.place[first, 0] = 0
                first += 1
        return arrays

    def values(self, n: int) -> Any:
        """The metric after each of n operations that were played; -1 where too little was done to say."""
        tally = self.tally[:n]
        done = np.arange(1, n + 1)
        if self.metric == "pages-per-payload":
            payload = tally[:, PAYLOAD]
            enough = payload >= self.limits.page_size
            return np.where(enough, tally[:, POOL_PAGES] * self.limits.page_size / np.maximum(payload, 1), -1.0)
        if self.metric == "walked-max":
            walked = np.where(self.op[:n] == COMPACT, 0, tally[:, OP_WALKED])
            return np.maximum.accumulate(walked).astype(float)
        if self.metric == "walked-mean":
            return np.where(done >= MEAN_OVER, tally[:, WALKED] / done, -1.0)
        stored = np.cumsum(np.where((self.op[:n] == ALLOC) & (self.place[:n, 0] >= 0), self.arg[:n], 0))
        return np.where(stored >= self.limits.page_size, tally[:, COPIED] / np.maximum(stored, 1), -1.0)

    def worst(self, schedule: Schedule) -> tuple[float, int, int]:
        """The largest value of the metric on the way, after how many operations, and how many there were."""
        n = self.expand(schedule)
        if n == 0:
            return -1.0, 0, 0
        self.play(n)
        values = self.values(n)
        at = int(np.argmax(values))
        return float(values[at]), at + 1, n


# --- schedules, and how they are changed -------------------------------------------------------------------------------


def _size(rng: random.Random, limits: Limits) -> int:
    page, smallest = limits.page_size, limits.smallest
    pick = rng.random()
    if pick < 0.3:
        size = rng.randint(smallest, page)
    elif pick < 0.36:
        size = smallest
    elif pick < 0.55:
        size = smallest + int(rng.expovariate(1 / 40))
    elif pick < 0.85:
        size = page // rng.randint(1, 4) + rng.randint(-100, 60)
    else:
        size = page - int(rng.expovariate(1 / 120))
    return min(max(size, smallest), page)


def _count(rng: random.Random, limits: Limits) -> int:
    return max(1, int(math.exp(rng.uniform(0, math.log(limits.length)))))


def _step(rng: random.Random, limits: Limits, compacts: bool) -> tuple[int, int, int, int, int]:
    pick = rng.random()
    if pick < 0.45:
        sizes = [_size(rng, limits), _size(rng, limits) if rng.random() < 0.6 else 0, _size(rng, limits) if rng.random() < 0.25 else 0]
        return sc.STORE, _count(rng, limits), sizes[0], sizes[1], sizes[2]
    code = rng.choice((sc.FREE_EVERY, sc.KEEP_EVERY, sc.FREE_OLDEST, sc.FREE_NEWEST, sc.FREE_ABOVE, sc.FREE_UP_TO, sc.REPEAT, sc.SQUEEZE))
    if code in (sc.FREE_EVERY, sc.KEEP_EVERY):
        return code, rng.choice((2, 2, 3, 4, 8, 32, 64)), rng.randrange(8), 0, 0
    if code in (sc.FREE_ABOVE, sc.FREE_UP_TO):
        return code, 1, _size(rng, limits), 0, 0
    if code == sc.REPEAT:
        return code, rng.choice((1, 2, 4, 10, 50, 1000)), rng.randint(1, 4), 0, 0
    if code == sc.SQUEEZE and compacts:
        return code, 1, 0, 0, 0
    return rng.choice((sc.FREE_OLDEST, sc.FREE_NEWEST)), _count(rng, limits), 0, 0, 0


def _changed_number(rng: random.Random, limits: Limits, step: tuple[int, ...]) -> tuple[int, int, int, int, int]:
    code, count, *sizes = step
    if code == sc.STORE and rng.random() < 0.65:
        k = rng.randrange(3)
        near = min(max(sizes[k] + rng.choice((-64, -16, -8, -1, 1, 8, 16, 64)), limits.smallest), limits.page_size)
        sizes[k] = rng.choice((_size(rng, limits), near if sizes[k] else _size(rng, limits), 0 if k else _size(rng, limits)))
    elif code in (sc.FREE_ABOVE, sc.FREE_UP_TO):
        sizes[0] = _size(rng, limits)
    elif code in (sc.FREE_EVERY, sc.KEEP_EVERY, sc.REPEAT) and rng.random() < 0.5:
        sizes[0] = rng.randrange(8)
    else:
        count = max(1, rng.choice((count * 2, count // 2, count + 1, count - 1, _count(rng, limits))))
    return code, count, sizes[0], sizes[1], sizes[2]


def _changed(rng: random.Random, limits: Limits, schedule: Schedule, compacts: bool) -> Schedule:
    """A neighbour of a schedule."""
    steps = list(schedule)
    pick = rng.random()
    at = rng.randrange(len(steps))
    if pick < 0.5:
        steps[at] = _changed_number(rng, limits, steps[at])
    elif pick < 0.65:
        steps.insert(rng.randrange(len(steps) + 1), _step(rng, limits, compacts))
    elif pick < 0.78:
        del steps[at]
    elif pick < 0.86:
        other = rng.randrange(len(steps))
        steps[at], steps[other] = steps[other], steps[at]
    elif pick < 0.93:
        steps[at] = _step(rng, limits, compacts)
    else:
        end = rng.randint(at + 1, len(steps))
        steps[end:end] = steps[at:end]
    return tuple(steps[:MOST_STEPS]) or (_step(rng, limits, compacts),)


# --- the search --------------------------------------------------------------------------------------------------------


class _Best(NamedTuple):
    value: float
    operations: int
    schedule: Schedule
    tried: int


def _anneal(bench: Bench, rng: random.Random, start: Schedule, budget: int, hot: float) -> _Best:
    """Simulated annealing from a schedule until so many operations were played; the worst on the way."""
    compacts, limits = bench.compacts, bench.limits
    here = start
    value, operations, tried = bench.worst(here)
    best = _Best(value, operations, here, 0)
    while tried < budget:
        other = _changed(rng, limits, here, compacts)
        found, at, n = bench.worst(other)
        tried += n + 1  # a schedule without operations costs one, or an unlucky search would never end
        temperature = hot * (COLD / hot) ** min(tried / budget, 1)
        if found >= value or (found > 0 and rng.random() < math.exp(math.log(found / value) / temperature)):
            here, value = other, found
        if (found, -at) > (best.value, -best.operations):
            best = _Best(found, at, other, 0)
    return best._replace(tried=tried)


def _tidy(bench: Bench, best: _Best) -> _Best:
    """The same value with fewer steps, smaller counts and fewer operations, so that people can read the schedule."""
    again = True
    while again:
        again = False
        for other in _tidier(best.schedule):
            value, operations, n = bench.worst(other)
            best = best._replace(tried=best.tried + n)
            if value >= best.value and _effort(other, operations) < _effort(best.schedule, best.operations):
                best, again = _Best(value, operations, other, best.tried), True
                break
    return best


def _effort(schedule: Schedule, operations: int) -> tuple[int, int, int]:
    return len(schedule), operations, sum(count for _, count, *_ in schedule)


def _tidier(schedule: Schedule) -> Iterator[Schedule]:
    for at, (code, count, *sizes) in enumerate(schedule):
        if len(schedule) > 1:
            yield schedule[:at] + schedule[at + 1 :]
        for fewer in (count // 2, count - 1):
            if fewer > 0 and code not in (sc.FREE_EVERY, sc.KEEP_EVERY):
                yield (*schedule[:at], (code, fewer, sizes[0], sizes[1], sizes[2]), *schedule[at + 1 :])
        if code == sc.STORE:
            for k in range(3):
                less = [0 if k == j else size for j, size in enumerate(sizes)]
                if sizes[k] > 0 and any(less):
                    yield (*schedule[:at], (code, count, less[0], less[1], less[2]), *schedule[at + 1 :])


class _Job(NamedTuple):
    entry: Entry
    metric: str
    limits: Limits
    stream: str
    budget: int
    start: Schedule


def _work(job: _Job, _report: Callable[..., None]) -> _Best:
    rng = random.Random(job.stream)
    bench = Bench(job.entry, job.metric, job.limits)
    start = job.start or tuple(_step(rng, job.limits, bench.compacts) for _ in range(rng.randint(1, 5)))
    return _anneal(bench, rng, start, job.budget, WARM if job.start else HOT)


def search(
    entry: Entry, metric: str, seed: int = 1, budget: int = BUDGET, limits: Limits | None = None, workers: int | None = None
) -> Found:
    """The worst that so many operations found; the same for the same arguments, whatever the number of workers."""
    limits = limits or Limits()
    bench = Bench(entry, metric, limits)
    share = int(budget * (1 - POLISH)) // RESTARTS
    jobs = [_Job(entry, metric, limits, f"{seed}/{entry.name}/{metric}/{number}", share, ()) for number in range(RESTARTS)]
    found = sorted(run_jobs(_work, jobs, workers), key=lambda done: done.job)
    best = max((done.result for done in found), key=lambda result: (result.value, -result.operations))
    last = _work(_Job(entry, metric, limits, f"{seed}/{entry.name}/{metric}/polish", int(budget * POLISH), best.schedule), lambda *_: None)
    tried = sum(done.result.tried for done in found) + last.tried
    best = max(best, last, key=lambda result: (result.value, -result.operations))
    best = _tidy(bench, best._replace(tried=tried))
    if best.value < 0:
        raise UserError(f"{entry.name}: no sequence of up to {limits.length} operations says anything about {metric}; allow longer ones")
    n = bench.expand(best.schedule)
    assert n >= best.operations
    result = Found(entry.name, metric, best.value, best.operations, best.schedule, best.tried, "")
    result = result._replace(trace=_text(bench, result, seed, budget))
    confirm(entry, result, limits)
    return result


# --- the trace ---------------------------------------------------------------------------------------------------------


def _text(bench: Bench, found: Found, seed: int, budget: int) -> str:
    lines = [
        f"# {found.allocator}: {found.metric} {found.value:.6g} after {found.operations} operations ({METRICS[found.metric]})",
        f"# searched with seed {seed} and a budget of {budget} operations; sizes from {bench.limits.smallest} to {bench.limits.page_size}",
        *(f"# {line}" for line in words(found.schedule)),
    ]
    names: dict[int, Callable[[int], str]] = {
        ALLOC: lambda k: f"a {bench.ident[k]} {bench.arg[k]}",
        FREE: lambda k: f"f {bench.ident[k]}",
        COMPACT: lambda k: "c",
    }
    lines += [names[int(bench.op[k])](k) for k in range(found.operations)]
    return "\n".join([*lines, "s", ""])


def words(schedule: Schedule) -> list[str]:
    """A schedule as people would say it."""

    def step(at: int, code: int, count: int, *numbers: int) -> str:
        sizes = [str(size) for size in numbers if size > 0]
        times = "once" if count == 1 else f"{count} times"
        before = min(numbers[0], at)
        return {
            sc.STORE: f"store {count} object{'s' * (count > 1)} of {', '.join(sizes) or 'no'} bytes{' in turn' * (len(sizes) > 1)}",
            sc.FREE_EVERY: f"free every {count}. live object, from number {numbers[0] % count} on",
            sc.KEEP_EVERY: f"free all but every {count}. live object, from number {numbers[0] % count} on",
            sc.FREE_OLDEST: f"free the {count} oldest",
            sc.FREE_NEWEST: f"free the {count} newest",
            sc.FREE_ABOVE: f"free all above {numbers[0]} bytes",
            sc.FREE_UP_TO: f"free all up to {numbers[0]} bytes",
            sc.REPEAT: f"again the {f'{before} steps' if before > 1 else 'step'} before this, {times}",
            sc.SQUEEZE: "compact",
        }[code]

    return [step(at, *row) for at, row in enumerate(schedule)]


def measure(entry: Entry, metric: str, trace: Trace, limits: Limits | None = None) -> float:
    """The metric at the end of a trace.  UserError if `replay` would come to other numbers, which would be a fault of this file."""
    bench = Bench(entry, metric, limits or Limits())
    n = bench.load(trace)
    if n == 0:
        return -1.0
    arrays = bench.play(n)
    again = Replay(trace, entry, bench.limits.page_size)
    again.run(io.StringIO())
    numbers = [POOL_PAGES, PAYLOAD, WALKED, COPIED, MOVED]
    if again.arrays.num[numbers].tolist() != arrays.num[numbers].tolist():
        raise UserError(f"{entry.name}: replaying the trace gives other numbers than the search")
    return float(bench.values(n)[-1])


def confirm(entry: Entry, found: Found, limits: Limits) -> None:
    """Read the trace's text back and replay it: the value must be the one that was found."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "worst.trace"
        path.write_text(found.trace, encoding="ascii")
        value = measure(entry, found.metric, read_trace(path), limits)
    if value != found.value:
        raise UserError(f"{entry.name}: the trace gives {value}, the search found {found.value}")


def worst(config: BenchConfig, metric: str, budget: int, limits: Limits, out: Path, jobs: int | None, shown: TextIO) -> int:
    """`mempress allocators CONFIG --worst METRIC`: search for each allocator of the configuration, tell, and write the traces.

    The folder is NAME-worst-METRIC below `out`; the traces that are finished stay, whatever happens to the others.
    """
    folder = out / f"{slug(config.name)}-worst-{metric}"
    prepare_folder(folder)
    for part in config.allocators:
        entry = part.entry._replace(name=part.name, preset=part.settings)
        found = search(entry, metric, config.seed, budget, limits._replace(page_size=config.page_size), jobs)
        path = folder / f"{slug(part.name)}.trace"
        try:
            path.write_text(found.trace, encoding="ascii")
        except OSError as error:
            raise UserError(f"{path}: cannot write the trace: {error.strerror or error}") from None
        shown.write(f"{found.allocator}: {metric} {found.value:.6g} after {found.operations} operations ({found.tried} tried)\n")
        shown.writelines(f"  {line}\n" for line in words(found.schedule))
        shown.flush()
    shown.write(f"{metric}: {METRICS[metric]}\n")
    shown.write(f"traces   {folder} (`mempress replay TRACE --allocator NAME` shows them)\n")
    return 0
