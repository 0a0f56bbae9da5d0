"""Devices: queue and latency over simulated time (replication 0), and the distribution of latencies by direction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator

from sim.report.comparisons import survivals
from sim.report.drawing import COLOURS, Document, Plot, Series, finish, legend_above, legend_shape, panels, rate, shade, svg_of, time_text

MOST_DEVICES = 4
NANO = 1e-9
WAYS = (("read", "reads", 0), ("write", "writes", 1))


def used(all_series: Sequence[Series]) -> list[str]:
    """Devices with a request in any of the runs, in the order of the columns."""
    columns = dict.fromkeys(name for series in all_series for name in series if name.startswith("device.") and name.endswith(".queue_ns"))
    found = [name.removeprefix("device.").removesuffix(".queue_ns") for name in columns]
    return [name for name in found if any(any(series.get(f"device.{name}.queue_ns", [])) for series in all_series)][:MOST_DEVICES]


def latency(series: Series, device: str, way: str, count: str, bins: int = 120) -> tuple[list[float], list[float]]:
    """Mean latency (ns) of the requests that ended in each of at most `bins` stretches of time: (middle times, means or NaN)."""
    times = series["time_s"]
    counts, sums = series.get(f"device.{device}.{count}", []), series.get(f"device.{device}.{way}_ns", [])
    if len(times) < 2 or len(counts) != len(times):
        return [], []
    step = max(1, -(-(len(times) - 1) // bins))
    middles, means = [], []
    for a, b in pairwise([*range(0, len(times) - 1, step), len(times) - 1]):
        ended = counts[b] - counts[a]
        middles.append(0.5 * (times[a] + times[b]))
        means.append((sums[b] - sums[a]) / ended if ended else math.nan)
    return middles, means


def _queue(series: Series, device: str, bins: int) -> tuple[list[float], list[float]]:
    times, rates = rate(series, f"device.{device}.queue_ns", bins)
    return times, [value * NANO for value in rates]


def _points(axes: Any, times: Sequence[float], values: Sequence[float], colour: str, label: str) -> None:
    """A line with gaps where nothing ended; a stretch between two gaps is a dot."""
    if any(not math.isnan(value) for value in values):
        axes.plot(times, values, color=colour, label=label, marker="o", markersize=1.6)


def _latency_axis(axes: Any) -> None:
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 30 * low else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(time_text))
    axes.minorticks_off()


def over_time(series: Series, warm_up: float = 0.0) -> Plot | None:
    """Queue and latency of every device of one run; None if none was used."""
    devices = used([series])
    if not devices:
        return None
    figure, grid = panels(1.3, len(devices), 2, gap=0.75, sharex=True)
    for row, device in enumerate(devices):
        queue, times = grid[2 * row : 2 * row + 2]
        last = "simulated time (s)" if row == len(devices) - 1 else ""
        queue.plot(*_queue(series, device, 200), color=COLOURS[5])
        queue.set_ylim(bottom=0)
        for way, count, colour in WAYS:
            _points(times, *latency(series, device, way, count), COLOURS[colour], count)
        finish(queue, f"{device}: requests queued or in service", last)
        finish(times, f"{device}: mean latency", last, short_ticks=False)
        _latency_axis(times)
    legend_above(figure, max(grid[1::2], key=lambda a: len(a.get_legend_handles_labels()[1])))
    return Plot(
        svg_of(shade(figure, warm_up), "devices over time"),
        "Devices: queue and latency over time",
        "Replication 0, means over short stretches of simulated time. A latency runs from queueing to completion.",
    )


def over_time_of_cases(names: Sequence[str], all_series: Sequence[Series], warm_up: float = 0.0) -> Plot | None:
    """Queue and latency of all requests, a row per device, a colour per case."""
    devices = used(all_series)
    if not devices:
        return None
    figure, grid = panels(1.3, len(devices), 2, gap=0.75, legend=legend_shape(names)[1], sharex=True)
    for row, device in enumerate(devices):
        queue, times = grid[2 * row : 2 * row + 2]
        last = "simulated time (s)" if row == len(devices) - 1 else ""
        for case, (name, series) in enumerate(zip(names, all_series, strict=True)):
            queue.plot(*_queue(series, device, 100), color=COLOURS[case % 9], label=name)
            _points(times, *latency(series, device, "read", "reads", 60), COLOURS[case % 9], name)
        queue.set_ylim(bottom=0)
        finish(queue, f"{device}: requests queued or in service", last)
        finish(times, f"{device}: mean latency of reads", last, short_ticks=False)
        _latency_axis(times)
    legend_above(figure, grid[0])
    return Plot(
        svg_of(shade(figure, warm_up), "devices over time by case"),
        "Devices: queue and latency over time",
        "Replication 0 of each case, means over short stretches of simulated time.",
    )


def latencies(names: Sequence[str], runs: Sequence[Document]) -> Plot | None:
    """Share of requests that took longer than a time; a panel per device and direction."""
    kinds = dict.fromkeys(kind for run in runs for kind in run["histograms"] if kind.startswith("device."))
    return survivals(names, runs, _titles(kinds), "device latencies", "Latency of the devices' requests", "requests")


def _titles(kinds: Mapping[str, None]) -> dict[str, str]:
    """Titles of the histograms `device.NAME.read` and `.write`."""
    found = {}
    for kind in list(kinds)[: 2 * MOST_DEVICES]:
        device, _, way = kind.removeprefix("device.").rpartition(".")
        found[kind] = f"{device}: {way}s"
    return found
