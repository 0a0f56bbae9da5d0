"""What a tuning has found: the best settings, what they are worth, the Pareto front, and what the data cannot tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sim.fleet.figures import metric as described
from sim.report.limits import limits_of
from sim.results import to_json
from sim.statistics import CONFIDENCE, summarise
from sim.statistics.multiple import holm
from sim.statistics.paired import Paired, compare_pairs
from sim.tune.candidates import BASELINE, Study
from sim.tune.halving import Entry, Figures, killed, objective
from sim.units import UnitError, parse_size, parse_time

EDGE = 0.05  # of a key's range: a value nearer than this to an end may want to go on
OBJECTIVE = "objective"


def column(values: Sequence[Figures], metric: str, weights: Mapping[str, float]) -> list[float | None]:
    """A figure by replication, None where there is none."""
    if metric == OBJECTIVE:
        return [objective(figures, weights) for figures in values]
    return [figures.get(metric) for figures in values]


def _pairs(a: Sequence[float | None], b: Sequence[float | None]) -> Paired | None:
    there = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    return compare_pairs([x for x, _ in there], [y for _, y in there]) if len(there) > 1 else None


def document(study: Study, entries: Sequence[Entry], finalists: Sequence[Entry]) -> dict[str, Any]:
    """The contents of tune.json but for its head."""
    weights = study.tune.objective
    rungs = study.rungs[-1]
    fresh = {entry.number: entry.values[rungs:] for entry in (entries[0], *finalists)}
    base = fresh[0]
    metrics = list(dict.fromkeys((OBJECTIVE, *weights, *study.tune.pareto)))
    found = {
        entry.number: {m: _pairs(column(base, m, weights), column(fresh[entry.number], m, weights)) for m in metrics} for entry in finalists
    }
    adjusted = holm([None if (one := found[e.number][OBJECTIVE]) is None else one.p_value for e in finalists])
    best = finalists[0] if finalists else None
    better = best is not None and _better(found[best.number][OBJECTIVE], adjusted[0])
    return {
        "recommended": study.candidates[best.number].name if best is not None and better else BASELINE,
        "best": None if best is None else study.candidates[best.number].name,
        "better": better,
        "candidates": [_candidate(study, entry, metrics) for entry in entries],
        "finalists": [
            {
                "name": study.candidates[e.number].name,
                "adjusted_p": p,
                "effects": {m: _effect(one) for m, one in found[e.number].items() if one is not None},
            }
            for e, p in zip(finalists, adjusted, strict=True)
        ],
        "pareto": _front(study, entries),
        "cannot_tell": doubts(study, entries, finalists),
        "limits": _limits(study, entries),
    }


def _better(one: Paired | None, p: float | None) -> bool:
    return one is not None and p is not None and p < 1 - CONFIDENCE and one.difference.estimate is not None and one.difference.estimate < 0


def _candidate(study: Study, entry: Entry, metrics: Sequence[str]) -> dict[str, Any]:
    """Means over the replications of its rungs."""
    values = entry.values[: study.rungs[-1]]
    figures = {m: summarise(column(values, m, study.tune.objective)) for m in metrics}
    chosen = study.candidates[entry.number]
    return {
        "name": chosen.name,
        "settings": chosen.labels,
        "replications": len(values),
        "dropped_after_rung": None if entry.dropped is None else entry.dropped + 1,
        "error": entry.error,
        "figures": {m: {"mean": s.mean, "half_width": s.half_width} for m, s in figures.items()},
    }


def _effect(one: Paired) -> dict[str, Any]:
    relative = one.relative
    return {
        "n": one.n,
        "difference": one.difference.estimate,
        "low": one.difference.low,
        "high": one.difference.high,
        "percent": None if relative is None else [relative.estimate, relative.low, relative.high],
        "p": one.p_value,
    }


def _limits(study: Study, entries: Sequence[Entry]) -> list[str]:
    """Limits of the model that apply to any candidate with results."""
    runs = []
    for entry in entries:
        names = {name for figures in entry.values for name in figures}
        scalars = {name: {"mean": summarise(column(entry.values, name, {})).mean} for name in names}
        runs.append({"scalars": scalars, "config": study.candidates[entry.number].config.resolved()})
    return limits_of(runs)


def _front(study: Study, entries: Sequence[Entry]) -> list[str]:
    """Names of the candidates that none beats in both figures: more saved, less stall."""
    saved, stall = study.tune.pareto
    signs = [1.0 if described(saved).higher_is == "worse" else -1.0, -1.0 if described(stall).higher_is == "better" else 1.0]
    points = []
    for entry in entries:
        means = [summarise(column(entry.values[: study.rungs[-1]], name, {})).mean for name in (saved, stall)]
        if not entry.error and None not in means:
            points.append(([s * float(m or 0) for s, m in zip(signs, means, strict=True)], study.candidates[entry.number].name))
    return [
        name
        for here, name in points
        if not any(all(a <= b for a, b in zip(there, here, strict=True)) and there != here for there, _ in points)
    ]


# ---------------------------------------------------------------- what the data cannot tell


def doubts(study: Study, entries: Sequence[Entry], finalists: Sequence[Entry]) -> list[str]:
    """In words, each a sentence."""
    return [
        *_failed(study, entries),
        *_baseline(study, entries[0]),
        *_absent(study, entries),
        *_close(study, finalists),
        *_silent_keys(study, entries),
        *_edges(study, finalists),
        *_scarce(study, entries, _front(study, entries)),
    ]


def _failed(study: Study, entries: Sequence[Entry]) -> list[str]:
    bad = [entry for entry in entries if entry.error]
    if not bad:
        return []
    return [
        f"{len(bad)} of {len(entries) - 1} candidates failed and were left out; the first, {study.candidates[bad[0].number].name}, said: "
        f"{bad[0].error}"
    ]


def _baseline(study: Study, entry: Entry) -> list[str]:
    """What makes comparisons with the configuration as it stands weak."""
    found = []
    if killed(entry.values):
        found.append(f"{BASELINE}, {killed(entry.values)}: its figures are those of runs that ended early, and flatter it")
    if len(entry.score) > 1 and len(set(entry.score)) == 1 and None not in entry.score:
        found.append(
            "how much luck there is: all replications of the configuration as it stands give the same objective, so its random numbers "
            "change nothing, and an interval says only that a difference is there every time"
        )
    return found


def _absent(study: Study, entries: Sequence[Entry]) -> list[str]:
    """Figures that some candidates do not have in every replication: where nothing was stored or nothing stalled, there is no figure."""
    usable = [entry for entry in entries if not entry.error]
    found = []
    for name in dict.fromkeys((*study.tune.objective, *study.tune.pareto)):
        lacking = [entry for entry in usable if None in column(entry.values, name, {})]
        if not lacking:
            continue
        whose = f"{len(lacking)} of {len(usable)} candidates" + (f", {BASELINE} among them," if lacking[0].number == 0 else "")
        harm = "could not be ranked by the objective" if name in study.tune.objective else "are not on the Pareto front"
        found.append(f"{name}: {whose} have no such figure in some replication (nothing to measure), and {harm}")
    return found


def _close(study: Study, finalists: Sequence[Entry]) -> list[str]:
    """Finalists that cannot be told from the best one."""
    if len(finalists) < 2:
        return []
    first, *others = finalists
    rungs, weights = study.rungs[-1], study.tune.objective
    found = [_pairs(column(first.values[rungs:], OBJECTIVE, weights), column(other.values[rungs:], OBJECTIVE, weights)) for other in others]
    p = holm([None if one is None else one.p_value for one in found])
    names = [
        study.candidates[other.number].name for other, value in zip(others, p, strict=True) if value is None or value >= 1 - CONFIDENCE
    ]
    if not names:
        return []
    return [
        f"{', '.join(names)} cannot be told from {study.candidates[first.number].name} by {rungs} replications: choose by other reasons"
    ]


def _silent_keys(study: Study, entries: Sequence[Entry]) -> list[str]:
    """Keys whose values show no connection with the objective among all candidates (rank correlation, or Kruskal and Wallis's test)."""
    least = study.rungs[0]
    usable = [entry for entry in entries[1:] if not entry.error and None not in entry.score[:least]]
    keys = list(dict.fromkeys(key for one in study.candidates for key in one.labels))
    values = [_connection(study, usable, key, least) for key in keys]
    silent = [key for key, p in zip(keys, holm(values), strict=True) if p is not None and p >= 1 - CONFIDENCE]
    if not silent:
        return []
    return [
        f"whether {', '.join(silent)} matter{'s' * (len(silent) == 1)} within the values tried: no connection with the objective is shown"
    ]


def _connection(study: Study, entries: Sequence[Entry], key: str, least: int) -> float | None:
    """p of no connection; None where that cannot be asked."""
    from scipy import stats

    there = [(study.candidates[e.number].labels[key], math.fsum(v for v in e.score[:least] if v is not None)) for e in entries
             if key in study.candidates[e.number].labels]  # fmt: skip
    if len({text for text, _ in there}) < 2 or len({score for _, score in there}) < 2 or len(there) < 5:
        return None
    numbers = [amount(text) for text, _ in there]
    if key in study.ends and None not in numbers:
        return float(stats.spearmanr(numbers, [score for _, score in there]).pvalue)
    groups: dict[str, list[float]] = {}
    for text, score in there:
        groups.setdefault(text, []).append(score)
    return float(stats.kruskal(*groups.values()).pvalue)


def amount(text: str) -> float | None:
    """A value written with or without a unit as a number; None for a word."""
    for read in (float, parse_size, parse_time):
        try:
            return float(read(text))
        except (ValueError, UnitError):
            continue
    return None


def _edges(study: Study, finalists: Sequence[Entry]) -> list[str]:
    if not finalists:
        return []
    found = []
    for key, text in study.candidates[finalists[0].number].labels.items():
        if key not in study.ends:
            continue
        value, low, high = (amount(one) for one in (text, *study.ends[key]))
        if value is None or low is None or high is None:
            continue
        if min(value - low, high - value) < EDGE * (high - low):
            found.append(
                f"{key}: {text} lies at an end of what was tried ({study.ends[key][0]} to {study.ends[key][1]}); better may lie beyond"
            )
    return found


def _scarce(study: Study, entries: Sequence[Entry], front: Sequence[str]) -> list[str]:
    found = []
    if study.rungs[-1] < 5:
        found.append(
            f"the finalists have {study.rungs[-1]} fresh replications: an interval from so few is wide, and trusts the normal distribution"
        )
    if len(entries) - 1 < 10 * len(study.ends):
        several = f"{len(study.ends)} ranges" if len(study.ends) > 1 else "a range"
        found.append(f"{len(entries) - 1} candidates are few for {several}: settings between them were not tried; raise tune.budget")
    early = [entry for entry in entries if study.candidates[entry.number].name in front and len(entry.values) < study.rungs[-1]]
    if early:
        few = min(len(entry.values) for entry in early)
        found.append(
            f"whether all of the Pareto front belongs there: {len(early)} of its {len(front)} candidates were left behind early, "
            f"some with {few} replications, and may have been lucky"
        )
    return found


def text_of(found: Mapping[str, Any]) -> str:
    """tune.json."""
    return to_json(found) + "\n"
