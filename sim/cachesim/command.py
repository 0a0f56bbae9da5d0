"""`mempress cache`: reads the trace, runs the study, prints a table or CSV, writes JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from models.jit import report_compile_time
from sim.cachesim.files import check_place, write_whole
from sim.cachesim.heatmap import draw_heat, heat_of
from sim.cachesim.objects import in_pages
from sim.cachesim.part import Counting, check_sizes, first_counted, warm_up
from sim.cachesim.pictures import check_picture, plot_curves
from sim.cachesim.policies import Choice, choices
from sim.cachesim.sampling import FEWEST, Wanted
from sim.cachesim.statistics import document, plot_statistics, statistics, write_statistics
from sim.cachesim.study import Outcome, curve_sizes, sizes, study
from sim.cachesim.trace import Trace, load
from sim.errors import UserError
from sim.progress import Reporter, reporter
from sim.traces.reading import ALL, Reading
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


class Files(NamedTuple):
    """Where to write what, None: nowhere."""

    json: Path | None = None
    plot: Path | None = None
    heatmap: Path | None = None


class Misses(NamedTuple):
    """What is asked about misses.

    pages    sizes as text, or None for a curve
    wanted   samples, None for all pages
    warmup   N, P%, auto, or None
    """

    chosen: list[Choice]
    pages: str | None
    wanted: Wanted | None
    by_bytes: bool
    warmup: str | None


def cache(
    path: Path,
    policy: str | None,
    pages: str | None,
    *,
    curve: bool,
    sample: float | None,
    sample_pages: int | None,
    weight: str,
    page_size: int | None,
    warmup: str | None,
    stats: bool,
    heatmap: Path | None,
    trace_format: str,
    reading: Reading,
    name: str | None,
    as_csv: bool,
    jobs: int | None,
    json_to: Path | None,
    plot: Path | None,
    quiet: bool,
    out: TextIO,
) -> int:
    """Run the command; 0.  UserError for anything that is wrong with the input; then nothing has been printed.

    policy   None: only statistics or the heat map
    pages    sizes, or None with `curve`
    sample   share of the pages that is simulated, or sample_pages: their number; both None for all
    weight   requests or bytes;  warmup: N, P% or auto
    page_size  bytes of a page, of which an object takes as many as it needs; None: an id is a page
    """
    files = Files(json_to, plot, heatmap)
    asked = None
    if policy is not None:
        asked = Misses(choices(policy), pages, _wanted(sample, sample_pages), weight == BYTES, warmup)
        _check_sizes_asked(pages, curve, warmup)
    elif not stats and heatmap is None:
        raise UserError("expected --policy NAME with --pages or --curve, or --stats, or --heatmap FILE")
    elif pages is not None or curve or as_csv:
        raise UserError("--pages, --curve and --csv are about misses; expected --policy NAME too")
    _check_files(files, stats or policy is not None)
    columns = (
        ALL
        if stats
        else frozenset(["time"] if heatmap is not None else []) | frozenset(["size"] if weight == BYTES or page_size is not None else [])
    )
    trace = load(path, trace_format, name, columns, reading=reading)
    if page_size is not None:
        trace = in_pages(trace, page_size)
    _answer(trace, asked, stats, files, as_csv, jobs or cores(), reporter(quiet, unit="requests"), out)
    return 0


def trace_statistics(
    path: Path, trace_format: str, reading: Reading, json_to: Path | None, plot: Path | None, quiet: bool, out: TextIO
) -> int:
    """`mempress trace stats`: the same as `mempress cache TRACE --stats`."""
    files = Files(json_to, plot)
    _check_files(files, drawn=True)
    trace = load(path, trace_format, None, ALL, reading=reading)
    _answer(trace, None, True, files, False, cores(), reporter(quiet, unit="requests"), out)
    return 0


def trace_heatmap(path: Path, picture: Path, trace_format: str, reading: Reading, quiet: bool, out: TextIO) -> int:
    """`mempress trace heatmap`: the same as `mempress cache TRACE --heatmap FILE`."""
    check_picture(picture, "OUT")
    files = Files(heatmap=picture)
    trace = load(path, trace_format, None, frozenset(["time"]), reading=reading)
    _answer(trace, None, False, files, False, cores(), reporter(quiet, unit="requests"), out)
    return 0


def _answer(
    trace: Trace, asked: Misses | None, stats: bool, files: Files, as_csv: bool, jobs: int, progress: Reporter, out: TextIO
) -> None:
    """Everything is worked out before anything is written."""
    if asked is not None and asked.by_bytes:
        check_sizes(trace)
    outcomes, counted = _misses(trace, asked, jobs, progress) if asked is not None else ([], Counted(len(trace.ids)))
    figures = statistics(trace, jobs, progress) if stats else None
    heat = heat_of(trace, jobs, progress) if files.heatmap is not None else None
    report_compile_time()
    if files.json is not None:
        found = _document(trace, asked.chosen if asked else [], outcomes, counted)
        write_json(files.json, found | ({} if figures is None else {"statistics": document(figures)}))
    if files.plot is not None and asked is not None:
        plot_curves(files.plot, trace.name, outcomes, counted.requests, counted.bytes)
    elif files.plot is not None and figures is not None:
        plot_statistics(figures, files.plot, trace.name)
    if heat is not None and files.heatmap is not None:
        draw_heat(heat, files.heatmap, trace.name)
    if figures is not None and not as_csv:
        write_statistics(figures, trace.name, trace.format, out)
    if asked is not None:
        (write_csv if as_csv else write_table)(trace, outcomes, counted, out)


def _misses(trace: Trace, asked: Misses, jobs: int, progress: Reporter) -> tuple[list[Outcome], Counted]:
    found = sizes(asked.pages, trace.distinct) if asked.pages is not None else _curve(trace, asked.wanted)
    counting = Counting(first_counted(asked.warmup, trace, found), asked.by_bytes)
    counted = _counted(trace, counting, asked.wanted is not None)
    return study(trace, asked.chosen, found, jobs, asked.wanted, counting, progress), counted


def _wanted(sample: float | None, sample_pages: int | None) -> Wanted | None:
    if sample is not None and sample_pages is not None:
        raise UserError("expected --sample RATE or --sample-pages N, not both")
    return None if sample is None and sample_pages is None else Wanted(sample, sample_pages)


def _check_sizes_asked(pages: str | None, curve: bool, warmup: str | None) -> None:
    """What is wrong with the options is told before a long trace is read."""
    if (pages is None) is not curve:
        raise UserError("expected --pages N[,N...], or --curve for sizes from one page to all")
    if pages is not None:
        sizes(pages, 100)
    if warmup not in (None, "auto"):
        warm_up(str(warmup), 100)


def _check_files(files: Files, drawn: bool) -> None:
    """The same for files; drawn: whether there is something to plot."""
    if files.json is not None:
        check_place(files.json)
    if files.plot is not None:
        check_picture(files.plot, "--plot")
        if not drawn:
            raise UserError("--plot draws miss ratios or statistics; expected --policy NAME or --stats too")
    if files.heatmap is not None:
        check_picture(files.heatmap, "--heatmap")


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


def write_json(path: Path, found: dict[str, Any]) -> None:
    write_whole(path, (json.dumps(found, indent=1) + "\n").encode())
