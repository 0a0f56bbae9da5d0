"""The figures of a report, in the order in which the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

from sim.report.comparisons import MOST_BARS, cpu, latencies, side_by_side
from sim.report.drawing import STYLE, Document, Plot, Series
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
        if len(runs) == 1:
            has_series = len(all_series[0].get("time_s", [])) > 1
            timed = [memory(all_series[0], page_sizes[0]), rates(all_series[0]), pool(all_series[0], page_sizes[0])] if has_series else []
            found = [*timed, latencies([""], runs), cpu([""], runs)]
        else:
            drawn = [k for k in range(len(runs)) if len(all_series[k].get("time_s", [])) > 1][:DRAWN_CASES]
            picked, series = [names[k] for k in drawn], [all_series[k] for k in drawn]
            timed = [memory_of_cases(picked, series, [page_sizes[k] for k in drawn]), rates_of_cases(picked, series)] if drawn else []
            found = [
                side_by_side(names, labels, runs),
                *timed,
                latencies(names[:DRAWN_CASES], runs[:DRAWN_CASES]),
                cpu(names[:MOST_BARS], runs[:MOST_BARS]),
            ]
        return [plot for plot in found if plot is not None]
