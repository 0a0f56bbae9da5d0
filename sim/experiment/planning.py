"""`mempress plan`: which runs a configuration asks for, how many, which are there already, and how long the others would take.

The time is measured, not guessed: a few cases spread over the list are simulated for about a second each, in this process, and stopped;
how far they got says how long they would take.  Their mean times the simulations that are missing, over the workers, is the estimate.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from sim.experiment.case import Case
from sim.folders import existing
from sim.progress import Progress, duration
from sim.results import version
from sim.run import cases_of, compiled
from sim.workers import cores

PILOTS = 5
PILOT_S = 1.0  # real time that a pilot may take
SHOWN = 12  # cases that are listed
OVERHEAD_S = 0.02  # a simulation: sending, writing, the table, its share of the report


class _Enough(Exception):
    """A pilot has run for long enough."""


class Estimate(NamedTuple):
    """Seconds for one simulation: mean, least and most of the pilots; the pilots simulated how many cases."""

    mean: float
    least: float
    most: float
    pilots: int


def pilot(simulate: Any, case: Case, limit_s: float = PILOT_S) -> float | None:
    """About how many seconds a replication of this case takes; None if it got nowhere, or fails."""
    started = time.perf_counter()
    share = 0.0

    def look(progress: Progress) -> None:
        nonlocal share
        share = progress.done
        if time.perf_counter() - started > limit_s and share > 0.0:
            raise _Enough

    try:
        simulate(case.config, 0, progress=look)
    except _Enough:
        return (time.perf_counter() - started) / share
    except Exception:  # it will fail in the run too, and be told there
        return None
    return time.perf_counter() - started


def estimate(cases: Sequence[Case], simulate: Any) -> Estimate | None:
    """Pilots of cases spread over the list; None if none of them got anywhere."""
    count = min(PILOTS, len(cases))
    chosen = [cases[(2 * k + 1) * len(cases) // (2 * count)] for k in range(count)]
    found = [seconds for seconds in (pilot(simulate, case) for case in chosen) if seconds is not None]
    return Estimate(sum(found) / len(found), min(found), max(found), len(found)) if found else None


def in_words(found: Estimate, simulations: int, workers: int) -> str:
    """The estimate for so many simulations."""
    total = duration((found.mean + OVERHEAD_S) * simulations / workers)
    spread = "" if found.pilots < 2 else f" ({found.least:.2g} to {found.most:.2g} s in {found.pilots} trials)"
    return f"about {total} with {workers} worker{'s' * (workers != 1)}; a simulation takes about {found.mean:.2g} s{spread}"


def plan(
    loaded: Any,
    config: str,
    *,
    to: Path | None,
    out: Path,
    jobs: int | None,
    no_estimate: bool,
    everything: bool,
    stream: TextIO = sys.stdout,
    simulate: Any = None,
) -> int:
    """Print the plan of a loaded configuration; with `to`, write it as a folder.  Returns the exit status."""
    cases = cases_of(loaded)
    missing = [case for case in cases if not out.exists() or existing(out, case.identity.folder) is None]
    distinct = list({case.identity.folder: case for case in missing}.values())
    simulations = sum(case.config.most_replications for case in distinct)
    workers = min(jobs or cores(), max(simulations, 1))
    for line in _listing(cases, {case.identity.folder for case in missing}, everything):
        print(line, file=stream)
    for note in loaded.notes:
        print(f"note: {note}", file=stream)
    least = sum(_least(case) for case in distinct)
    span = f"{simulations:,}" if least == simulations else f"{least:,} to {simulations:,}"
    print(f"{len(cases):,} runs, {len(cases) - len(missing):,} there already in {out}; {span} simulations to do", file=stream)
    if simulations and not no_estimate:
        print("a few trials, to see how long it takes ...", file=sys.stderr, flush=True)
        found = estimate(distinct, simulate or compiled(distinct))
        print(in_words(found, simulations, workers) if found else "the trials failed; run it to see why", file=stream)
    if to is not None:
        from sim.experiment.batch import write_plan

        write_plan(loaded, cases, to)
        print(
            f"\n{to}: mempress {version()}; do each with\n  mempress run {to} --index N        # N from 0 to {len(cases) - 1}", file=stream
        )
        print(f"and put them together with\n  mempress gather {to}", file=stream)
    return 0


def _least(case: Case) -> int:
    """Replications that a case has at least."""
    precision = case.config.precision
    return int(precision.least) if precision else int(case.config.most_replications)


def _listing(cases: Sequence[Case], missing: set[str], everything: bool) -> list[str]:
    """A line a run: number, name, replications, whether it is there."""
    shown = list(enumerate(cases)) if everything or len(cases) <= SHOWN else [*enumerate(cases[: SHOWN - 2])]
    width = max(len(case.name) for _, case in shown)
    lines = []
    for number, case in shown:
        state = "" if case.identity.folder in missing else "  there"
        least, most = _least(case), case.config.most_replications
        times = f"{most}" if least == most else f"{least} to {most}"
        lines.append(f"{number:>6}  {case.name:<{width}}  x {times}  {case.identity.id}{state}")
    if len(shown) < len(cases):
        lines.append(f"   ...  and {len(cases) - len(shown):,} more (--all lists them)")
    return lines
