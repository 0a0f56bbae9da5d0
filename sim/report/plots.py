"""The figures of a report, in the order in which the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

from sim.report import devices
from sim.report.comparisons import MOST_BARS, cpu, latencies, side_by_side
from sim.report.drawing import STYLE, WARM_UP, Document, Plot, Series
from sim.report.files import clean_cache, files_of_cases, page_cache
from sim.report.timelines import memory, memory_of_cases, pool, rates, rates_of_cases

DRAWN_CASES = 9


def draw(
    names: Sequence[str],
    labels: Sequence[Mapping[str, Any]],
    runs: Sequence[Document],
    all_series: Sequence[Series],
    page_sizes: Sequence[int],
) -> list[Plot]:
    """All figures of a report, in order; one run or many cases (at most DRAWN_CASES of them over time and by latency).

    all_series: the columns of each case's series.csv, empty for cases that are not drawn over time
    """
    with matplotlib.rc_context(STYLE):
        found = _of_run(runs[0], all_series[0], page_sizes[0]) if len(runs) == 1 else _of_cases(names, labels, runs, all_series, page_sizes)
        return [plot for plot in found if plot is not None]


def warm_up_of(run: Document) -> float:
    """Seconds at the start of replication 0 that its figures leave out."""
    found = run.get("warm_up_s")
    if isinstance(found, list):
        found = found[0] if found else None
    if found is None:
        setting = run["config"].get("warm_up")
        found = setting / 1e9 if isinstance(setting, int | float) else 0.0
    return float(found)


def _noted(plot: Plot | None, warm_up: float) -> Plot | None:
    return plot._replace(caption=plot.caption + WARM_UP) if plot is not None and warm_up > 0 else plot


def _of_run(run: Document, series: Series, page_size: int) -> list[Plot | None]:
    timed: list[Plot | None] = []
    if len(series.get("time_s", [])) > 1:
        warm_up = warm_up_of(run)
        timed = [memory(series, page_size, warm_up), rates(series, warm_up), page_cache(series, page_size, warm_up)]
        timed += [pool(series, page_size, warm_up), clean_cache(series, page_size, warm_up), devices.over_time(series, warm_up)]
        timed = [_noted(plot, warm_up) for plot in timed]
    return [*timed, devices.latencies([""], [run]), latencies([""], [run]), cpu([""], [run])]


def _of_cases(
    names: Sequence[str],
    labels: Sequence[Mapping[str, Any]],
    runs: Sequence[Document],
    all_series: Sequence[Series],
    page_sizes: Sequence[int],
) -> list[Plot | None]:
    drawn = [k for k in range(len(runs)) if len(all_series[k].get("time_s", [])) > 1][:DRAWN_CASES]
    picked, series, sizes = [names[k] for k in drawn], [all_series[k] for k in drawn], [page_sizes[k] for k in drawn]
    timed: list[Plot | None] = []
    if drawn:
        times = {warm_up_of(runs[k]) for k in drawn}
        warm_up = times.pop() if len(times) == 1 else 0.0  # one band for all cases, or none
        timed = [memory_of_cases(picked, series, sizes, warm_up), rates_of_cases(picked, series, warm_up)]
        timed += [files_of_cases(picked, series, sizes, warm_up), devices.over_time_of_cases(picked, series, warm_up)]
        timed = [_noted(plot, warm_up) for plot in timed]
    first, first_runs = names[:DRAWN_CASES], runs[:DRAWN_CASES]
    return [
        side_by_side(names, labels, runs),
        *timed,
        devices.latencies(first, first_runs),
        latencies(first, first_runs),
        cpu(names[:MOST_BARS], runs[:MOST_BARS]),
    ]
