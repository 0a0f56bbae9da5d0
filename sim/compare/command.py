"""The command `mempress compare`."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sim.compare.document import document
from sim.compare.figures import Result, compare
from sim.compare.sources import resolve
from sim.compare.terminal import print_result


def run(
    places: Sequence[str],
    metrics: Sequence[str] = (),
    *,
    every: bool = False,
    baseline: str | None = None,
    by: str | None = None,
    confidence: float = 0.95,
    matters: float = 1.0,
    across_versions: bool = False,
    out: Path | None = None,
    as_json: bool = False,
    command: Sequence[str] | None = None,
) -> int:
    """Compare, print (as tables and words, or as JSON), write the page, and return the exit status.

    The page goes to `out`; without it beside the run folders, under a name made from what is compared, and with `as_json` nowhere.
    """
    sources = resolve(places, baseline, by)
    result = compare(sources.sides, metrics, every, confidence, matters, across_versions, sources.by)
    page = out if out is not None or as_json else sources.folder / f"compare-{_digest(result)}.html"
    if page is not None:
        from sim.report.compare_page import write_page

        if command is None:
            command = ["mempress", *sys.argv[1:]]
        write_page(page, result, sources.notes, shlex.join(command))
    if as_json:
        found = document(result._replace(notes=[*sources.notes, *result.notes]))
        print(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False, default=str))
    else:
        print_result(result, sources.notes, page)
    return 0


def _digest(result: Result) -> str:
    """The same for the same comparison, so that its page is written over and not beside itself."""
    what = [[[run["id"] for run in side.runs] for side in result.sides], result.metrics, result.confidence, result.matters]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]
