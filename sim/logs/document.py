"""A run against logs as plain data: what `compare --with LOG --json` prints (docs/compare-with-logs.md has the keys)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.logs.figures import Against, Line


def document(found: Sequence[Against]) -> dict[str, Any]:
    """Everything."""
    run = found[0].run
    return {
        "kind": "comparison-with-logs",
        "run": {
            "name": run.document["name"],
            "id": run.document["id"],
            "seconds": run.seconds if run.columns else None,
            "replications": run.document["replications"],
        },
        "logs": [_log(one) for one in found],
    }


def _log(one: Against) -> dict[str, Any]:
    log = one.log
    return {
        "file": log.path,
        "format": log.format,
        "samples": log.samples,
        "seconds": log.seconds,
        "counters": [_line(line) for line in one.lines],
        "zero_in_both": one.still,
        "no_counterpart": one.only_log,
        "notes": one.notes,
    }


def _line(line: Line) -> dict[str, Any]:
    found: dict[str, Any] = {"counter": line.name, "in_log": line.shown, "kind": line.kind, "unit": line.unit}
    if line.kind == "counter":
        figures = ("log_change", "run_change", "error_change", "log_rate", "run_rate", "error_rate")
    else:
        figures = ("log_mean", "run_mean", "error_mean", "log_last", "run_last", "error_last")
    return found | {f"{name}_percent" if name.startswith("error") else name: getattr(line, name) for name in figures}
