"""Cases beside each other: key metrics with intervals, latencies, CPU time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from sim.metrics import CPU_PURPOSES, HISTOGRAM_TITLES, describe
from sim.report.drawing import (
    COLOURS,
    INK,
    MUTED,
    PAPER,
    Document,
    Plot,
    clip,
    finish,
    legend_above,
    legend_shape,
    panels,
    room,
    share_text,
    short,
    svg_of,
    time_text,
)
from sim.statistics import survival

MOST_BARS = 24  # cases that are drawn as bars; a table shows all of them
MOST_LINES = 9
MOST_PANELS = 12
MOST_HOLES = 2  # a grid has a case for each place of each line; with more than twice as many places, the cases make no lines


def latencies(names: Sequence[str], runs: Sequence[Document]) -> Plot | None:
    """Share of faults and stalls that took longer than a time."""
    return survivals(names, runs, HISTOGRAM_TITLES, "latencies", "Latency of faults and allocation stalls", "events")


def survivals(names: Sequence[str], runs: Sequence[Document], titles: Mapping[str, str], label: str, title: str, what: str) -> Plot | None:
    """Share of events that took longer than a time; one panel per histogram (titles: by name in run.json), one line per case."""
    kinds = [k for k in titles if any(sum((r["histograms"].get(k) or {}).get("counts", [])) for r in runs)]
    if not kinds:
        return None
    columns = min(2, len(kinds))
    rows = -(-len(kinds) // columns)
    figure, grid = panels(1.6, rows, columns, left=0.65, gap=0.65, legend=legend_shape(names)[1] if len(names) > 1 else 0)
    for axes in grid[len(kinds) :]:
        axes.set_axis_off()
    for axes, kind in zip(grid, kinds, strict=False):
        for case, (name, run) in enumerate(zip(names, runs, strict=True)):
            histogram = run["histograms"].get(kind)
            if histogram:
                _survival(axes, histogram, name, COLOURS[case % 9])
        finish(axes, titles[kind], short_ticks=False)
        axes.set_xscale("log")
        axes.set_yscale("log")
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(time_text))
        axes.yaxis.set_major_formatter(FuncFormatter(share_text))
        axes.minorticks_off()
    if len(names) > 1:
        legend_above(figure, max(grid[: len(kinds)], key=lambda a: len(a.get_legend_handles_labels()[1])))
    return Plot(
        svg_of(figure, label),
        title,
        f"Share of the {what} of all replications that took longer than the time below; both axes are logarithmic. Further left is better.",
    )


def _survival(axes: Any, histogram: Mapping[str, Any], name: str, colour: str) -> None:
    edges, shares = survival(histogram["edges_ns"], histogram["counts"])
    points = [(e, s) for e, s in zip(edges, shares, strict=True) if e > 0 and s > 0]
    first = next((k for k, (_, s) in enumerate(points) if s < 1.0), len(points))
    points = points[max(0, first - 1) :]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, label=name, drawstyle="steps-post")


CPU_LABELS = {"cpu_user": "user", "cpu_fault": "faults", "cpu_kswapd": "kswapd", "cpu_direct": "direct reclaim", "cpu_file": "files"}


SMALL = 0.01  # of a case's CPU time: purposes that never take more are drawn together


def _cpu_parts(runs: Sequence[Document]) -> dict[str, list[float]]:
    """Label -> CPU seconds of each case; the small ones, and those that there is no colour for, together at the end."""
    seconds: dict[str, list[float]] = {
        purpose: [(run["scalars"].get(purpose) or {}).get("mean") or 0.0 for run in runs]
        for purpose in CPU_PURPOSES
        if purpose != "cpu_idle"
    }
    totals = [sum(column) for column in zip(*seconds.values(), strict=True)]
    share = {p: max((v / t for v, t in zip(values, totals, strict=True) if t), default=0.0) for p, values in seconds.items()}
    large = sorted((p for p in share if share[p] > SMALL), key=lambda p: -share[p])[: len(COLOURS)]
    parts = {CPU_LABELS.get(p, p.removeprefix("cpu_")): seconds[p] for p in seconds if p in large}
    rest: list[float] = [sum(column) for column in zip(*(seconds[p] for p in seconds if p not in large), strict=True)]
    return parts | {"other": rest} if any(rest) else parts


def cpu(names: Sequence[str], runs: Sequence[Document]) -> Plot | None:
    """CPU seconds by purpose, a stacked bar per case."""
    parts = _cpu_parts(runs)
    if not parts:
        return None
    figure, (axes,) = panels(0.3 * len(names) + 0.1, left=room(names), legend=legend_shape(list(parts))[1])
    places = range(len(names))
    left = [0.0] * len(names)
    for number, (label, values) in enumerate(parts.items()):
        colour = MUTED if label == "other" else COLOURS[number % 9]
        axes.barh(places, values, left=left, height=0.62, color=colour, label=label, edgecolor=PAPER, linewidth=0.6)
        left = [a + b for a, b in zip(left, values, strict=True)]
    _case_axis(axes, names)
    finish(axes, "", "CPU time (s)", short_ticks=False)
    legend_above(figure, axes)
    return Plot(
        svg_of(figure, "CPU time by purpose"), "Where CPU time goes", "Means over the replications, all CPUs together, without idle time."
    )


def _case_axis(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [clip(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


SIDE_BY_SIDE = (
    "run_time",
    "pgmajfault_rate",
    "pswpin_rate",
    "pswpout_rate",
    "file_read_rate",
    "effective_compression",
    "cleancache_hit_ratio",
    "psi_memory_full",
    "psi_io_full",
    "fault_p99",
)


def _wanted(runs: Sequence[Document]) -> list[str]:
    """The metrics worth a panel: those that are not zero or absent everywhere."""
    devices = sorted({n for r in runs for n in r["scalars"] if n.startswith("device.") and n.endswith(".utilisation")})
    return [n for n in (*SIDE_BY_SIDE, *devices) if any(((r["scalars"].get(n) or {}).get("mean") or 0) != 0 for r in runs)][:MOST_PANELS]


def _title(metric: str) -> str:
    return f"{metric} ({describe(metric).unit or 'count'})"


HOW = "Means over the replications; whiskers are 95 % intervals. "
PAIRED = "Cases share their random numbers, so a difference between two is more certain than their intervals suggest."


def side_by_side(names: Sequence[str], labels: Sequence[Mapping[str, Any]], runs: Sequence[Document]) -> Plot | None:
    """Key metrics, a panel each: lines along a swept number where there is one, else a bar per case, with 95 % intervals."""
    wanted = _wanted(runs)
    if not wanted:
        return None
    axis = numeric_axis(labels) if len(names) > 4 else None
    if axis is not None and _lines_of(axis[0], labels) * len(set(axis[1])) <= MOST_HOLES * len(names):
        return _along(axis, labels, runs, wanted)
    names, shown = names[:MOST_BARS], runs[:MOST_BARS]
    columns = min(3, len(wanted))
    figure, grid = panels(0.22 * len(names) + 0.1, -(-len(wanted) // columns), columns, left=room(names), legend=0, sharey=True)
    for index, axes in enumerate(grid):
        if index >= len(wanted):
            axes.set_axis_off()
            continue
        _bars(axes, [run["scalars"].get(wanted[index]) or {} for run in shown])
        _case_axis(axes, names)
        finish(axes, _title(wanted[index]), short_ticks=False)
        axes.xaxis.set_major_formatter(FuncFormatter(short))
        axes.xaxis.set_major_locator(MaxNLocator(4))
    first = f"The first {len(names)} of {len(runs)} cases. " if len(runs) > len(names) else ""
    return Plot(svg_of(figure, "cases side by side"), "The cases side by side", first + HOW + PAIRED)


def _bars(axes: Any, scalars: Sequence[Mapping[str, Any]]) -> None:
    """A bar with whisker per case, a dash where a case has no value."""
    places = [place for place, scalar in enumerate(scalars) if scalar.get("mean") is not None]
    means = [scalars[place]["mean"] for place in places]
    halves = [scalars[place].get("half_width") or 0.0 for place in places]
    axes.barh(places, means, height=0.62, color=[COLOURS[place % 9] for place in places])
    axes.hlines(places, [m - h for m, h in zip(means, halves, strict=True)], [m + h for m, h in zip(means, halves, strict=True)], color=INK)
    for place in set(range(len(scalars))) - set(places):
        axes.text(0.02, place, "–", va="center", color=MUTED, transform=axes.get_yaxis_transform())
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))


def _number(text: str) -> tuple[float, str] | None:
    """("120MiB") -> (120.0, "MiB")."""
    found = re.fullmatch(r"(-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?) ?([A-Za-zµ%/]*)", text.replace(",", ""))
    return (float(found.group(1)), found.group(2)) if found else None


def levels_as_numbers(texts: Sequence[str]) -> tuple[list[float], str] | None:
    """Texts as numbers of one unit, with the unit; None if they are not."""
    numbers = [_number(text) for text in texts]
    units = {found[1] for found in numbers if found is not None and found[0] != 0.0}
    if any(found is None for found in numbers):
        return None
    if len(units) <= 1:
        return [found[0] for found in numbers if found is not None], next(iter(units), "")
    from sim.errors import UserError
    from sim.units import parse_size, parse_time

    for parse, factor, unit in ((parse_size, 2.0**20, "MiB"), (parse_time, 1e6, "ms")):
        try:
            return [parse(text) / factor for text in texts], unit
        except (UserError, ValueError):
            continue
    return None


def numeric_axis(labels: Sequence[Mapping[str, Any]]) -> tuple[str, list[float], str] | None:
    """The swept key with the most (at least three) different numbers: (key, value of each case, unit); None if there is none."""
    best: tuple[str, list[float], str] | None = None
    for key in labels[0] if labels else ():
        if not all(key in one for one in labels):
            continue
        found = levels_as_numbers([str(one[key]) for one in labels])
        if found and len(set(found[0])) >= 3 and (best is None or len(set(found[0])) > len(set(best[1]))):
            best = (key, *found)
    return best


def _lines_of(key: str, labels: Sequence[Mapping[str, Any]]) -> int:
    """How many settings of the other keys there are."""
    return len({tuple(str(value) for other, value in one.items() if other != key) for one in labels})


def _along(
    axis: tuple[str, list[float], str], labels: Sequence[Mapping[str, Any]], runs: Sequence[Document], wanted: Sequence[str]
) -> Plot:
    """A panel per metric: lines along the swept number, one per combination of the other labels."""
    key, places, unit = axis
    lines: dict[str, list[int]] = {}
    for case, one in enumerate(labels):
        lines.setdefault(", ".join(str(value) for other, value in one.items() if other != key), []).append(case)
    columns = min(3, len(wanted))
    rows = -(-len(wanted) // columns)
    figure, grid = panels(1.45, rows, columns, legend=legend_shape(list(lines)[:MOST_LINES])[1] if len(lines) > 1 else 0)
    for index, axes in enumerate(grid):
        if index >= len(wanted):
            axes.set_axis_off()
            continue
        for line, (label, cases) in enumerate(list(lines.items())[:MOST_LINES]):
            _swept_line(axes, [(places[c], runs[c]["scalars"].get(wanted[index]) or {}) for c in cases], label, COLOURS[line])
        below = index + columns >= len(wanted)
        finish(axes, _title(wanted[index]), f"{key} ({unit})" if below and unit else key if below else "")
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    if len(lines) > 1:
        legend_above(figure, grid[0])
    most = f"The first {MOST_LINES} of {len(lines)} lines. " if len(lines) > MOST_LINES else ""
    return Plot(svg_of(figure, "cases along the swept key"), f"The cases along {key}", most + HOW + PAIRED)


def _swept_line(axes: Any, points: Sequence[tuple[float, Mapping[str, Any]]], label: str, colour: str) -> None:
    kept = sorted((x, s["mean"], s.get("half_width") or 0.0) for x, s in points if s.get("mean") is not None)
    x, y, half = ([point[k] for point in kept] for k in range(3))
    axes.plot(x, y, color=colour, marker="o", markersize=3, label=label)
    axes.vlines(x, [a - b for a, b in zip(y, half, strict=True)], [a + b for a, b in zip(y, half, strict=True)], color=colour, linewidth=1)
