"""The figures of a report, in the order in which the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

from sim.report import devices
from sim.report.comparisons import MOST_BARS, cpu, latencies, side_by_side
from sim.report.drawing import STYLE, Document, Plot, Series
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


def _of_run(run: Document, series: Series, page_size: int) -> list[Plot | None]:
    timed: list[Plot | None] = []
    if len(series.get("time_s", [])) > 1:
        timed = [memory(series, page_size), rates(series), page_cache(series, page_size), pool(series, page_size)]
        timed += [clean_cache(series, page_size), devices.over_time(series)]
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
        timed = [memory_of_cases(picked, series, sizes), rates_of_cases(picked, series), files_of_cases(picked, series, sizes)]
        timed.append(devices.over_time_of_cases(picked, series))
    first, first_runs = names[:DRAWN_CASES], runs[:DRAWN_CASES]
    return [
        side_by_side(names, labels, runs),
        *timed,
        devices.latencies(first, first_runs),
        latencies(first, first_runs),
        cpu(names[:MOST_BARS], runs[:MOST_BARS]),
    ]
