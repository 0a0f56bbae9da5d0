"""`mempress cache`: reads the trace, runs the study, prints a table or CSV, writes JSON."""

from __future__ import annotations

import csv
import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from models.jit import report_compile_time
from sim.cachesim.files import check_place, write_whole
from sim.cachesim.part import Counting, check_sizes, first_counted, warm_up
from sim.cachesim.pictures import check_picture, plot_curves
from sim.cachesim.policies import Choice, choices
from sim.cachesim.sampling import FEWEST, Wanted
from sim.cachesim.study import Outcome, curve_sizes, sizes, study
from sim.cachesim.trace import Trace, load
from sim.errors import UserError
from sim.progress import reporter
from sim.workers import cores

COLUMNS = ("trace", "requests", "distinct", "cache_pages", "policy", "misses")
BYTES = "bytes"


class Counted(NamedTuple):
    """What ratios are ratios of.

    requests  that count;  warmup: requests before them;  bytes: of those that count, None unless misses are weighed
    sampled   whether the figures are estimates
    """

    requests: int
    warmup: int = 0
    bytes: int | None = None
    sampled: bool = False


def cache(
    path: Path,
    policy: str,
    pages: str | None,
    *,
    curve: bool,
    sample: float | None,
    sample_pages: int | None,
    weight: str,
    warmup: str | None,
    trace_format: str,
    name: str | None,
    as_csv: bool,
    jobs: int | None,
    json_to: Path | None,
    plot: Path | None,
    quiet: bool,
    out: TextIO,
) -> int:
    """Run the command; 0.  UserError for anything that is wrong with the input; then nothing has been printed.

    pages    sizes, or None with `curve`
    sample   share of the pages that is simulated, or sample_pages: their number; both None for all
    weight   requests or bytes;  warmup: N, P% or auto
    """
    chosen = choices(policy)
    wanted = _wanted(sample, sample_pages)
    _check(pages, curve, warmup, json_to, plot)
    trace = read(path, trace_format, name, {"size"} if weight == BYTES else set())
    if weight == BYTES:
        check_sizes(trace)
    asked = sizes(pages, trace.distinct) if pages is not None else _curve(trace, wanted)
    counting = Counting(first_counted(warmup, trace, asked), weight == BYTES)
    outcomes = study(trace, chosen, asked, jobs or cores(), wanted, counting, reporter(quiet, unit="requests"))
    report_compile_time()
    counted = _counted(trace, counting, wanted is not None)
    if json_to is not None:
        write_json(json_to, trace, chosen, outcomes, counted)
    if plot is not None:
        plot_curves(plot, trace.name, outcomes, counted.requests, counted.bytes)
    (write_csv if as_csv else write_table)(trace, outcomes, counted, out)
    return 0


def read(path: Path, trace_format: str, name: str | None, columns: set[str]) -> Trace:
    """The trace with these columns, as far as its format has them."""
    if "columns" in inspect.signature(load).parameters:
        return load(path, trace_format, name, columns=frozenset(columns))  # type: ignore[call-arg]
    return load(path, trace_format, name)


def _wanted(sample: float | None, sample_pages: int | None) -> Wanted | None:
    if sample is not None and sample_pages is not None:
        raise UserError("expected --sample RATE or --sample-pages N, not both")
    return None if sample is None and sample_pages is None else Wanted(sample, sample_pages)


def _check(pages: str | None, curve: bool, warmup: str | None, json_to: Path | None, plot: Path | None) -> None:
    """What is wrong with the options is told before a long trace is read."""
    if (pages is None) is not curve:
        raise UserError("expected --pages N[,N...], or --curve for sizes from one page to all")
    if pages is not None:
        sizes(pages, 100)
    if warmup not in (None, "auto"):
        warm_up(str(warmup), 100)
    if json_to is not None:
        check_place(json_to)
    if plot is not None:
        check_picture(plot, "--plot")


def _curve(trace: Trace, wanted: Wanted | None) -> list[int]:
    """A curve's sizes; of a sample, those that it can tell about."""
    found = curve_sizes(trace.distinct)
    if wanted is None:
        return found
    rate = wanted.pages_of(trace) / trace.distinct
    large = [size for size in found if round(size * rate) >= FEWEST]
    if not large:
        raise UserError(f"{wanted.option}: no cache has {FEWEST} pages in the sample; expected a larger one")
    return large


def _counted(trace: Trace, counting: Counting, sampled: bool) -> Counted:
    weight = int(trace.size[counting.first :].sum()) if counting.by_bytes and trace.size is not None else None
    if weight == 0:
        raise UserError(f"{trace.name}: --weight bytes: every size behind the warm-up is 0")
    return Counted(len(trace.ids) - counting.first, counting.first, weight, sampled)


def write_csv(trace: Trace, outcomes: Sequence[Outcome], counted: Counted, out: TextIO) -> None:
    """The columns of the reference misses; more only behind them, and only where they were asked for."""
    more: list[str] = ["warmup"] if counted.warmup else []
    more += ["misses_half_width"] if counted.sampled else []
    more += ["bytes", "missed_bytes"] if counted.bytes is not None else []
    more += ["missed_bytes_half_width"] if counted.bytes is not None and counted.sampled else []
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow((*COLUMNS, *more))
    for o in outcomes:
        values = {
            "warmup": counted.warmup,
            "misses_half_width": _rounded(o.half_width),
            "bytes": counted.bytes,
            "missed_bytes": o.bytes,
            "missed_bytes_half_width": _rounded(o.bytes_half_width),
        }
        rows.writerow((trace.name, counted.requests, trace.distinct, o.pages, o.policy, o.misses, *(values[key] for key in more)))


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def write_table(trace: Trace, outcomes: Sequence[Outcome], counted: Counted, out: TextIO) -> None:
    behind = f" behind {counted.warmup} of warm-up" if counted.warmup else ""
    print(f"{trace.name} ({trace.format}): {counted.requests} requests{behind}, {trace.distinct} distinct pages\n", file=out)
    rows = [["pages", "policy", "misses", "miss ratio"] + (["missed bytes", "byte miss ratio"] if counted.bytes is not None else [])]
    for o in outcomes:
        row = [str(o.pages), o.policy, str(o.misses), _ratio(o.misses, o.half_width, counted.requests)]
        if counted.bytes is not None and o.bytes is not None:
            row += [str(o.bytes), _ratio(o.bytes, o.bytes_half_width, counted.bytes)]
        rows.append(row)
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" if k == 1 else f"{cell:>{width}}" for k, (cell, width) in enumerate(zip(row, wide, strict=True)))
        print("  ".join(cells), file=out)


def _ratio(misses: int, half_width: float | None, whole: int) -> str:
    more = "" if half_width is None else f" ± {half_width / whole:.4f}"
    return f"{misses / whole:.4f}{more}"


def _share(value: float | None, whole: int | None) -> float | None:
    return None if value is None or whole is None else value / whole


def _document(trace: Trace, chosen: Sequence[Choice], outcomes: Sequence[Outcome], counted: Counted) -> dict[str, Any]:
    options = {choice.name: choice.options for choice in chosen}
    weighed: dict[str, Any] = {} if counted.bytes is None else {"bytes": counted.bytes}
    return {
        "trace": trace.name,
        "format": trace.format,
        "requests": counted.requests,
        "warmup": counted.warmup,
        "distinct": trace.distinct,
        **weighed,
        "results": [_result(o, options[o.policy], counted) for o in outcomes],
    }


def _result(o: Outcome, settings: dict[str, Any], counted: Counted) -> dict[str, Any]:
    found: dict[str, Any] = {
        "policy": o.policy,
        "settings": settings,
        "cache_pages": o.pages,
        "misses": o.misses,
        "hits": counted.requests - o.misses,
        "miss_ratio": o.misses / counted.requests,
        "miss_ratio_half_width": _share(o.half_width, counted.requests),
    }
    if counted.bytes is not None:
        found["missed_bytes"] = o.bytes
        found["byte_miss_ratio"] = _share(o.bytes, counted.bytes)
        found["byte_miss_ratio_half_width"] = _share(o.bytes_half_width, counted.bytes)
    return found


def write_json(path: Path, trace: Trace, chosen: Sequence[Choice], outcomes: Sequence[Outcome], counted: Counted) -> None:
    write_whole(path, (json.dumps(_document(trace, chosen, outcomes, counted), indent=1) + "\n").encode())
