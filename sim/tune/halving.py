"""Successive halving over replications (Jamieson and Talwalkar, AISTATS 2016).

All candidates get a few replications, the better half twice as many, and so on; the finalists then get fresh ones.  Replication i of
all candidates shares its random numbers, so candidates are compared under the same luck.  Which one is best is decided by the
replications of the rungs; what it is worth is estimated from replications that had no part in that, since the best of many is always
partly lucky.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sim.tune.candidates import Study, survivors

Figures = Mapping[str, float]
Simulate = Callable[[Sequence[int], int], Mapping[int, "list[Figures] | str"]]
OOM = "oom_kill"


@dataclass
class Entry:
    """A candidate and what is known of it.

    values   figures by replication, as many as it has
    score    objective of each replication, None where a figure is missing
    dropped  the rung after which it was left behind, None for a finalist
    error    why it cannot be used, or ""
    """

    number: int
    values: list[Figures] = field(default_factory=list)
    score: list[float | None] = field(default_factory=list)
    dropped: int | None = None
    error: str = ""


def objective(figures: Figures, weights: Mapping[str, float]) -> float | None:
    """The weighted sum; None if a figure is missing.  Less is better."""
    parts = [weight * figures.get(metric, math.nan) for metric, weight in weights.items()]
    total = math.fsum(parts)
    return total if math.isfinite(total) else None


def rank(entries: Sequence[Entry], replications: int) -> list[Entry]:
    """Entries that have a score in every one of the first replications, the best first; equal ones in their order."""

    def mean(entry: Entry) -> float:
        present = [value for value in entry.score[:replications] if value is not None]
        return math.fsum(present) / replications if len(present) == replications else math.inf

    usable = [entry for entry in entries if not entry.error and mean(entry) < math.inf]
    return sorted(usable, key=lambda entry: (mean(entry), entry.number))


def halve(study: Study, simulate: Simulate, note: Callable[[str], None]) -> tuple[list[Entry], list[Entry]]:
    """All entries, and the finalists, best first by the rungs; each finalist and the baseline has twice the last rung's replications.

    simulate  (candidate numbers, replications) -> figures of each replication from 0 on, or what went wrong
    """
    entries = [Entry(number) for number in range(len(study.candidates))]
    weights = study.tune.objective
    alive = entries[1:]
    for rung, replications in enumerate(study.rungs):
        note(f"rung {rung + 1} of {len(study.rungs)}: {len(alive)} candidates and the baseline, {replications} replications each")
        _fill([entries[0], *alive], replications, simulate, weights)
        ranked = rank(alive, replications)
        kept = ranked[: survivors(len(ranked), rung, len(study.rungs))]
        for entry in alive:
            if entry not in kept:
                entry.dropped = rung
        alive = kept
    note(f"{len(alive)} finalists and the baseline: {study.rungs[-1]} fresh replications each")
    _fill([entries[0], *alive], 2 * study.rungs[-1], simulate, weights)
    return entries, [entry for entry in alive if not entry.error]


def _fill(entries: Sequence[Entry], replications: int, simulate: Simulate, weights: Mapping[str, float]) -> None:
    found = simulate([entry.number for entry in entries], replications)
    for entry in entries:
        result = found[entry.number]
        if isinstance(result, str):
            entry.error = result
            continue
        entry.values = list(result)
        entry.score = [objective(figures, weights) for figures in result]
        if entry.number > 0 and OOM not in weights:
            entry.error = killed(result)


def killed(values: Sequence[Figures]) -> str:
    """Why a candidate is left behind whose tasks were killed, or "".  A run that ends early has little stall: its figures flatter."""
    bad = [number for number, figures in enumerate(values) if figures.get(OOM, 0.0) > 0]
    return f"replication {bad[0]}: a task was killed for want of memory" if bad else ""
