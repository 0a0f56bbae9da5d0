"""A comparison as plain data: what `compare --json` prints."""

from __future__ import annotations

import math
from typing import Any

from sim.compare.figures import Difference, Result
from sim.compare.words import sentence, summary
from sim.metrics import describe
from sim.statistics.intervals import Interval


def document(result: Result) -> dict[str, Any]:
    """The whole comparison: sides, notes, a summary and the differences of each side with the baseline (docs/compare.md has the keys)."""
    return {
        "kind": "comparison",
        "baseline": result.sides[0].name,
        "by": result.by,
        "confidence": result.confidence,
        "matters_percent": result.matters,
        "sides": [{"name": side.name, "case": side.full, "runs": [run["id"] for run in side.runs]} for side in result.sides],
        "versions": sorted({run["version"] for side in result.sides for run in side.runs}),
        "notes": result.notes,
        "settings": result.settings,
        "summaries": {side.name: summary(result, side.name) for side in result.sides[1:]},
        "differences": [_difference(one, result) for one in result.differences],
    }


def _difference(one: Difference, result: Result) -> dict[str, Any]:
    found = one.found
    return {
        "metric": one.metric,
        "unit": describe(one.metric).unit,
        "side": one.side,
        "n": one.n,
        "paired": one.paired,
        "baseline_mean": interval(one.first),
        "side_mean": interval(one.second),
        "difference": interval(found.difference if found else None),
        "difference_bootstrap": interval(found.bootstrap if found else None),
        "difference_percent": interval(found.relative if found else None),
        "effect_size": interval(found.effect_size if found else None),
        "probability_less": interval(found.superiority if found else None),
        "p": found.p_value if found else None,
        "p_adjusted": one.adjusted,
        "verdict": one.verdict,
        "better": one.better,
        "visible_percent": one.visible,
        "replications_needed": one.needed,
        "words": sentence(one, result.confidence, result.matters),
    }


def interval(found: Interval | None) -> dict[str, Any] | None:
    """estimate, low and high; null for an end that is not finite, since JSON has no word for it."""
    if found is None:
        return None
    ends = {"estimate": found.estimate, "low": found.low, "high": found.high}
    return {name: value if value is not None and math.isfinite(value) else None for name, value in ends.items()}
