"""Policies times sizes over one trace: exact, LRU's sizes all in one pass; or estimated from samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from models.cache.mattson import count_distances, lru_misses, new_stack, weigh_distances
from models.cache.policy import CachePolicy
from models.cache.weights import MISSES, WEIGHT, weigher
from models.registry import resolve
from sim.cachesim.part import Counting, Part, Tally
from sim.cachesim.policies import Choice
from sim.cachesim.sampling import SEEDS, Wanted, falling_threshold, half_width, sample, small_sizes
from sim.cachesim.tasks import Task, Tick, chunks, run_all
from sim.cachesim.trace import Trace
from sim.errors import UserError
from sim.progress import Reporter

_LRU_TARGET = "models.cache.lru:LRU"
CURVE_POINTS = 50


class Outcome(NamedTuple):
    """Misses of one policy in a cache of `pages`, of the requests that count.

    half_width  of their 95 % interval, None if they were counted
    bytes       missed, with bytes_half_width; None if they were not asked for
    """

    policy: str
    pages: int
    misses: int
    half_width: float | None = None
    bytes: int | None = None
    bytes_half_width: float | None = None


def curve_sizes(distinct: int) -> list[int]:
    """Sizes of a curve: CURVE_POINTS at most, evenly apart on a logarithmic scale, from one page to all."""
    return sorted({round(float(size)) for size in np.geomspace(1, distinct, CURVE_POINTS)})


def sizes(text: str, distinct: int) -> list[int]:
    """Cache sizes: pages, or per cent of the distinct pages, to the nearest page and at least one."""
    found = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        number = part.removesuffix("%")
        try:
            value = float(number) if number != part else int(number)
        except ValueError:
            raise UserError(
                f"--pages: expected a number of pages or per cent of the distinct pages, such as 1000 or 10%, found {part!r}"
            ) from None
        if not 0 < value < 1 << 30:
            raise UserError(f"--pages: expected 1 page or more, below 2^30, found {part!r}")
        found.append(max(1, round(distinct * value / 100)) if number != part else int(value))
    if not found:
        raise UserError(f"--pages: expected N[,N...], found {text!r}")
    return list(dict.fromkeys(found))


def _is_lru(choice: Choice) -> bool:
    return choice.entry.target == _LRU_TARGET


def _no_tick(requests: int) -> None:
    """Nobody looks."""


def simulate(choice: Choice, part: Part, pages: int, tick: Tick = _no_tick) -> Tally:
    """The misses of one policy at one size."""
    policy: CachePolicy = resolve(choice.entry.target)
    trace, (first, by_bytes) = part.trace, part.counting
    cache = policy.create(pages, trace.distinct, **choice.options).cache
    later = part.later(policy)
    totals = np.zeros(2, np.int64)
    for begin, end in chunks(len(trace.ids), first):
        ids, ahead = trace.ids[begin:end], later[begin:end]
        if by_bytes and begin >= first:
            weigher(policy.run)(cache, ids, ahead, part.weights[begin:end], totals)
        else:
            misses = policy.run(cache, ids, ahead)
            totals[MISSES] += misses if begin >= first else 0
        tick(end - begin)
    return part.scaled(int(totals[MISSES]), int(totals[WEIGHT]))


def lru_curve(part: Part, pages: Sequence[int], tick: Tick = _no_tick) -> list[Tally]:
    """LRU's misses at each size, all from one pass."""
    trace, (first, by_bytes) = part.trace, part.counting
    stack = new_stack(trace.distinct)
    found = np.zeros(trace.distinct + 1, np.int64)
    weighed = np.zeros(trace.distinct + 1 if by_bytes else 1, np.int64)
    for begin, end in chunks(len(trace.ids), first):
        if begin == first:
            found[:] = 0  # what came before was the warm-up
        if by_bytes and begin >= first:
            weigh_distances(trace.ids[begin:end], part.weights[begin:end], found, weighed, *stack)
        else:
            count_distances(trace.ids[begin:end], found, *stack)
        tick(end - begin)
    del stack
    at = np.minimum(pages, trace.distinct)
    misses = lru_misses(found)[at]
    weights = lru_misses(weighed)[at] if by_bytes else np.zeros(len(at), np.int64)
    return [part.scaled(int(m), int(w)) for m, w in zip(misses, weights, strict=True)]


def count(choice: Choice, trace: Trace, pages: Sequence[int], jobs: int = 1) -> list[int]:
    """Misses of one policy at each size."""
    return [outcome.misses for outcome in study(trace, [choice], pages, jobs)]


Cell = tuple[int, int]  # of the table: policy, size
Filled = list[tuple[Cell, Tally]]


def _tasks(part: Part, chosen: Sequence[Choice], pages: Sequence[int]) -> Iterator[Task[Filled]]:
    """One task a policy and size; LRU's sizes are one task."""
    requests = len(part.trace.ids)
    for k, choice in enumerate(chosen):
        if _is_lru(choice) and len(pages) > 1:
            yield Task(requests, partial(_curve_task, part, pages, k))
            continue
        weigh = part.counting.by_bytes
        policy: CachePolicy = resolve(choice.entry.target)  # compiled here, not by many threads at once
        if weigh:
            weigher(policy.run)
        for j, size in enumerate(pages):
            yield Task(requests, partial(_cell_task, choice, part, size, (k, j)))


def _curve_task(part: Part, pages: Sequence[int], k: int, tick: Tick) -> Filled:
    return [((k, j), tally) for j, tally in enumerate(lru_curve(part, pages, tick))]


def _cell_task(choice: Choice, part: Part, size: int, cell: Cell, tick: Tick) -> Filled:
    return [(cell, simulate(choice, part, size, tick))]


def _threshold_task(whole: Part, kept: int, pages: Sequence[int], seed: int, k: int, tick: Tick) -> Filled:
    return [((k, j), tally) for j, tally in enumerate(falling_threshold(whole, kept, pages, seed, tick))]


def _sampled_tasks(whole: Part, chosen: Sequence[Choice], pages: Sequence[int], wanted: Wanted, jobs: int) -> Iterator[Task[Filled]]:
    """The same for SEEDS samples; those of LRU with a fixed size are drawn while it runs."""
    trace = whole.trace
    kept, small = wanted.pages_of(trace), small_sizes(wanted, trace, pages)
    falling = [k for k, choice in enumerate(chosen) if wanted.pages is not None and _is_lru(choice)]
    for k in falling:
        for seed in range(SEEDS):
            yield Task(len(trace.ids), partial(_threshold_task, whole, kept, pages, seed, k))
    rest = [k for k in range(len(chosen)) if k not in falling]
    if not rest:
        return
    draws = [Task(0, partial(_draw_task, whole, kept, seed)) for seed in range(SEEDS)]
    for part in run_all(draws, jobs):
        for task in _tasks(part, [chosen[k] for k in rest], small):
            yield Task(task.requests, partial(_renamed, task, rest))


def _draw_task(whole: Part, kept: int, seed: int, tick: Tick) -> Part:
    return sample(whole, kept, seed)


def _renamed(task: Task[Filled], places: Sequence[int], tick: Tick) -> Filled:
    return [((places[k], j), tally) for (k, j), tally in task.work(tick)]


def study(
    trace: Trace,
    chosen: Sequence[Choice],
    pages: Sequence[int],
    jobs: int = 1,
    wanted: Wanted | None = None,
    counting: Counting = Counting(),
    reporter: Reporter | None = None,
) -> list[Outcome]:
    """Every policy with every size, sizes together, in the order given.  wanted: what a sample is; without it, exact."""
    whole = Part(trace, counting)
    tasks = list(_tasks(whole, chosen, pages) if wanted is None else _sampled_tasks(whole, chosen, pages, wanted, jobs))
    found: dict[Cell, list[Tally]] = {}
    for filled in run_all(tasks, jobs, reporter, trace.name):
        for cell, tally in filled:
            found.setdefault(cell, []).append(tally)
    return [_outcome(choice.name, size, found[k, j]) for j, size in enumerate(pages) for k, choice in enumerate(chosen)]


def _outcome(policy: str, pages: int, tallies: Sequence[Tally]) -> Outcome:
    misses, weights = [t.misses for t in tallies], [t.bytes for t in tallies if t.bytes is not None]
    if len(tallies) == 1:
        return Outcome(policy, pages, round(misses[0]), None, round(weights[0]) if weights else None)
    found = Outcome(policy, pages, round(float(np.mean(misses))), half_width(misses))
    return found._replace(bytes=round(float(np.mean(weights))), bytes_half_width=half_width(weights)) if weights else found
