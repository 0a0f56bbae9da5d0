"""`mempress cache`: reads the trace, runs the study, prints a table or CSV, writes JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from models.jit import report_compile_time
from sim.cachesim.files import check_place, write_whole
from sim.cachesim.pictures import check_picture, plot_curves
from sim.cachesim.policies import Choice, choices
from sim.cachesim.sampling import FEWEST
from sim.cachesim.study import Outcome, curve_sizes, sizes, study
from sim.cachesim.trace import Trace, load
from sim.errors import UserError

COLUMNS = ("trace", "requests", "distinct", "cache_pages", "policy", "misses")


def cache(
    path: Path,
    policy: str,
    pages: str | None,
    *,
    curve: bool,
    sample: float | None,
    trace_format: str,
    name: str | None,
    as_csv: bool,
    jobs: int,
    json_to: Path | None,
    plot: Path | None,
    out: TextIO,
) -> int:
    """Run the command; 0.  UserError for anything that is wrong with the input; then nothing has been printed.

    pages: sizes, or None with `curve`; sample: share of the pages that is simulated, None for all.
    """
    chosen = choices(policy)
    if (pages is None) is not curve:
        raise UserError("expected --pages N[,N...], or --curve for sizes from one page to all")
    if pages is not None:
        sizes(pages, 100)  # what is wrong with them is told before a long trace is read
    if json_to is not None:
        check_place(json_to)
    if plot is not None:
        check_picture(plot, "--plot")
    trace = load(path, trace_format, name)
    wanted = sizes(pages, trace.distinct) if pages is not None else curve_sizes(trace.distinct)
    if sample is not None and curve:
        wanted = [size for size in wanted if round(size * sample) >= FEWEST]
    outcomes = study(trace, chosen, wanted, jobs, sample)
    report_compile_time()
    if json_to is not None:
        write_json(json_to, trace, chosen, outcomes)
    if plot is not None:
        plot_curves(plot, trace.name, outcomes, len(trace.ids))
    if as_csv:
        write_csv(trace, outcomes, out)
    else:
        write_table(trace, outcomes, out)
    return 0


def write_csv(trace: Trace, outcomes: Sequence[Outcome], out: TextIO) -> None:
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows((trace.name, len(trace.ids), trace.distinct, o.pages, o.policy, o.misses) for o in outcomes)


def write_table(trace: Trace, outcomes: Sequence[Outcome], out: TextIO) -> None:
    print(f"{trace.name} ({trace.format}): {len(trace.ids)} requests, {trace.distinct} distinct pages\n", file=out)
    rows = [("pages", "policy", "misses", "miss ratio")]
    rows += [(str(o.pages), o.policy, str(o.misses), _ratio(o, len(trace.ids))) for o in outcomes]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for pages, policy, misses, ratio in rows:
        print(f"{pages:>{wide[0]}}  {policy:<{wide[1]}}  {misses:>{wide[2]}}  {ratio:>{wide[3]}}", file=out)


def _ratio(o: Outcome, requests: int) -> str:
    more = "" if o.half_width is None else f" ± {o.half_width / requests:.4f}"
    return f"{o.misses / requests:.4f}{more}"


def _document(trace: Trace, chosen: Sequence[Choice], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    options = {choice.name: choice.options for choice in chosen}
    requests = len(trace.ids)
    return {
        "trace": trace.name,
        "format": trace.format,
        "requests": requests,
        "distinct": trace.distinct,
        "results": [
            {
                "policy": o.policy,
                "settings": options[o.policy],
                "cache_pages": o.pages,
                "misses": o.misses,
                "hits": requests - o.misses,
                "miss_ratio": o.misses / requests,
                "miss_ratio_half_width": None if o.half_width is None else o.half_width / requests,
            }
            for o in outcomes
        ],
    }


def write_json(path: Path, trace: Trace, chosen: Sequence[Choice], outcomes: Sequence[Outcome]) -> None:
    write_whole(path, (json.dumps(_document(trace, chosen, outcomes), indent=1) + "\n").encode())
