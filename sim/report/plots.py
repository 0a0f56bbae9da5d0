"""The figures of a report, as SVG text to be put into the page.

Matplotlib draws; colours are placeholders that become CSS variables afterwards (`var(--s1)` ...), so one drawing serves the light
and the dark page, and text stays text.  Nothing here depends on the time or the process: the same data give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from sim.metrics import CPU_PURPOSES, HISTOGRAM_TITLES, describe
from sim.statistics import survival

Series = Mapping[str, Sequence[float]]
Document = Mapping[str, Any]

INK, MUTED, GRID, PAPER = "#010101", "#010102", "#010103", "#010104"
COLOURS = tuple(f"#0102{n:02x}" for n in range(1, 10))  # --s1 to --s9
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"} | {
    colour: f"var(--s{n})" for n, colour in enumerate(COLOURS, 1)
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mempress",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.titlepad": 8,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "none",
    "lines.linewidth": 1.4,
    "path.simplify_threshold": 0.3,
}
WIDTH = 8.6  # inches; the page scales a figure to its column
MOST_POINTS = 500
MIB = 1 << 20


class Plot(NamedTuple):
    """A figure of the page: its SVG, a title that says what is shown, and a line or two on how to read it."""

    svg: str
    title: str
    caption: str


# ---------------------------------------------------------------- tools


def _figure(panel: float, rows: int = 1, columns: int = 1, left: float = 0.5, legend: bool = True, **options: Any) -> tuple[Figure, list[Any]]:
    """A grid of panels `panel` inches high, with fixed margins: Matplotlib's own layout would draw everything twice."""
    top, bottom, between = 0.3 + (0.3 if legend else 0.0), 0.42, (0.2 if options.get("sharey") else 0.5, 0.55)
    height = top + bottom + rows * panel + (rows - 1) * between[1]
    wide = (WIDTH - left - 0.15 - (columns - 1) * between[0]) / columns
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasSVG(figure)
    figure.subplots_adjust(
        left=left / WIDTH,
        right=1 - 0.15 / WIDTH,
        top=1 - top / height,
        bottom=bottom / height,
        wspace=between[0] / wide,
        hspace=between[1] / panel,
    )
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def _svg(figure: Figure, label: str) -> str:
    """The figure as an SVG element: colours by CSS, coordinates with one decimal, no prologue, nothing dated."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r"#0[01]0[0-9a-f]{3}\b", lambda m: _VARIABLES.get(m.group(0), m.group(0)), text)
    text = re.sub(r' (d|x|y|transform)="[^"]*"', lambda m: re.sub(r"(\d+\.\d)\d+", r"\1", m.group(0)), text)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    salt = re.sub(r"\W+", "", label)[:24] or "f"
    text = re.sub(r'(id="|url\(#|xlink:href="#|href="#)', rf"\g<1>{salt}-", text)  # ids are unique in the page
    text = re.sub(r'<svg ([^>]*?)width="[\d.]+pt" height="[\d.]+pt"', r"<svg \1", text, count=1)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()


def thin(columns: Series, most: int = MOST_POINTS) -> dict[str, list[float]]:
    """At most `most` samples of every column, evenly spread, the last one among them."""
    length = len(next(iter(columns.values()), []))
    if length <= most:
        return {name: list(values) for name, values in columns.items()}
    picked = [round(k * (length - 1) / (most - 1)) for k in range(most)]
    return {name: [values[k] for k in picked] for name, values in columns.items()}


def _rate(columns: Series, name: str, bins: int = 250) -> tuple[list[float], list[float]]:
    """A cumulative counter as a rate per second, averaged over at most `bins` stretches of time: (middle times, rates)."""
    times, values = columns.get("time_s", []), columns.get(name, [])
    if len(times) < 2 or len(values) != len(times):
        return [], []
    step = max(1, -(-(len(times) - 1) // bins))
    marks = [*range(0, len(times) - 1, step), len(times) - 1]
    middles, rates = [], []
    for a, b in zip(marks, marks[1:], strict=False):
        span = times[b] - times[a]
        if span > 0:
            middles.append(0.5 * (times[a] + times[b]))
            rates.append((values[b] - values[a]) / span)
    return middles, rates


def _total_rate(columns: Series, names: Iterable[str]) -> tuple[list[float], list[float]]:
    times: list[float] = []
    total: list[float] = []
    for name in names:
        at, rates = _rate(columns, name)
        if at:
            times, total = at, rates if not total else [a + b for a, b in zip(total, rates, strict=True)]
    return times, total


def _short(value: float, _position: object = None) -> str:
    """Tick labels: 12000 -> "12k"."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:g}{letter}"
    return f"{value:g}"


def _time(value: float, _position: object = None) -> str:
    """Tick labels of an axis in nanoseconds."""
    for factor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if value >= factor:
            return f"{value / factor:g} {unit}"
    return f"{value:g} ns"


def _share(value: float, _position: object = None) -> str:
    """Tick labels of a logarithmic axis of shares: "100 %", "1 %", "0.001 %"."""
    return f"{100 * value:.6f}".rstrip("0").rstrip(".") + " %"


def _finish(axes: Any, title: str, xlabel: str = "", short: bool = True) -> None:
    """Title (with the unit of the values), label of the time axis, ticks; set places, which Matplotlib need not work out."""
    axes.set_title(title, y=1.0)
    if xlabel:
        inches = axes.get_position().height * axes.figure.get_figheight()
        axes.set_xlabel(xlabel)
        axes.xaxis.set_label_coords(0.5, -0.26 / inches)
    axes.tick_params(length=3)
    if short:
        axes.yaxis.set_major_formatter(FuncFormatter(_short))


def _above(figure: Figure, axes: Any, columns: int) -> None:
    """The legend of `axes` in rows above the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="upper left", ncols=columns, handlelength=1.2, columnspacing=1.2, borderaxespad=0.1)


# ---------------------------------------------------------------- over time

USES = (
    ("kernel_pages", "kernel", 9),
    ("nr_page_table_pages", "page tables", 4),
    ("pool_pages", "compressed pool", 2),
    ("nr_active_anon", "active anonymous", 1),
    ("nr_inactive_anon", "inactive anonymous", 6),
)


def _stack(axes: Any, columns: Series, page_size: int) -> None:
    """Memory by use, stacked; free memory on top, left blank but for its edge."""
    shown = thin(columns, 400)
    times = shown["time_s"]
    scale = page_size / MIB
    parts = [(label, colour, shown[name]) for name, label, colour in USES if name in shown and any(shown[name])]
    heights = [[value * scale for value in values] for _, _, values in parts]
    if heights:
        axes.stackplot(
            times,
            heights,
            labels=[p[0] for p in parts],
            colors=[COLOURS[p[1] - 1] for p in parts],
            edgecolor=PAPER,
            linewidth=0.4,
        )
    if "nr_free_pages" in shown:
        top = [sum(values) for values in zip(*heights, strict=True)] if heights else [0.0] * len(times)
        free = [a + b * scale for a, b in zip(top, shown["nr_free_pages"], strict=True)]
        axes.fill_between(times, top, free, facecolor=GRID, linewidth=0, label="free", alpha=0.6)
    axes.set_xlim(times[0], times[-1] if times[-1] > times[0] else times[0] + 1)
    axes.set_ylim(bottom=0)


def memory(series: Series, page_size: int) -> Plot:
    figure, (axes,) = _figure(2.7)
    _stack(axes, series, page_size)
    _finish(axes, "Memory (MiB)", "simulated time (s)")
    _above(figure, axes, 6)
    return Plot(_svg(figure, "memory over time"), "Memory by use over time", "Replication 0. What is missing below the top is in flight or shared.")


def memory_of_cases(names: Sequence[str], all_series: Sequence[Series], page_sizes: Sequence[int]) -> Plot:
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, grid = _figure(1.5, rows, columns, sharey=len(set(page_sizes)) == 1)
    for index, axes in enumerate(grid):
        if index >= len(names):
            axes.set_axis_off()
            continue
        _stack(axes, thin(all_series[index], 120), page_sizes[index])
        last_row = index + columns >= len(names)
        _finish(axes, _clip(names[index], 90 // columns), "simulated time (s)" if last_row else "")
    fullest = max(grid[: len(names)], key=lambda a: len(a.get_legend_handles_labels()[1]))
    _above(figure, fullest, 6)
    return Plot(_svg(figure, "memory over time by case"), "Memory by use over time, case by case (MiB)", "Replication 0 of each case.")


def _line(axes: Any, points: tuple[list[float], list[float]], label: str, colour: int, **options: Any) -> bool:
    if not points[0] or not any(points[1]):
        return False
    axes.plot(points[0], points[1], color=COLOURS[colour - 1], label=label, **options)
    return True


def rates(series: Series) -> Plot:
    """Reclaim, swap and faults of one run, one panel each."""
    figure, (reclaim, swap, faults) = _figure(1.4, 3, 1, legend=False, sharex=True)
    for name, label, colour in (
        ("pgscan_kswapd", "scanned by kswapd", 6),
        ("pgsteal_kswapd", "reclaimed by kswapd", 1),
        ("pgscan_direct", "scanned directly", 5),
        ("pgsteal_direct", "reclaimed directly", 2),
    ):
        _line(reclaim, _rate(series, name), label, colour, linestyle="--" if "scan" in name else "-")
    for name, label, colour in (
        ("pswpout", "written to the device", 2),
        ("pswpin", "read from the device", 1),
        ("backend_stores", "stored in the pool", 3),
        ("backend_loads", "loaded from the pool", 4),
        ("backend_rejects", "refused by the pool", 9),
    ):
        _line(swap, _rate(series, name), label, colour)
    _line(faults, _rate(series, "pgfault"), "all faults", 6)
    _line(faults, _rate(series, "pgmajfault"), "major faults", 2)
    for axes, title in ((reclaim, "Reclaim (pages/s)"), (swap, "Swap (pages/s)"), (faults, "Page faults (1/s)")):
        _finish(axes, title, "simulated time (s)" if axes is faults else "")
        axes.set_ylim(bottom=0)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, borderaxespad=0.1, handlelength=1.3, columnspacing=1.0)
    return Plot(_svg(figure, "rates over time"), "Reclaim, swap and faults over time", "Replication 0, means over short stretches of simulated time.")


def pool(series: Series, page_size: int) -> Plot | None:
    """Frames of the pool against the bytes they hold, None for a run without a pool."""
    if not any(series.get("pool_pages", [])):
        return None
    shown = thin(series)
    scale = page_size / MIB
    figure, (axes,) = _figure(2.1)
    for name, label, colour in (
        ("stored_pages", "pages stored, uncompressed (S)", 6),
        ("pool_pages", "pool frames (P)", 2),
        ("pool_payload_pages", "payload in them (B)", 1),
    ):
        if name in shown:
            _line(axes, (shown["time_s"], [value * scale for value in shown[name]]), label, colour)
    if "pool_payload_pages" in shown:
        low, high = ([v * scale for v in shown[name]] for name in ("pool_payload_pages", "pool_pages"))
        axes.fill_between(shown["time_s"], low, high, facecolor=COLOURS[1], alpha=0.18, linewidth=0)
    _finish(axes, "Size (MiB)", "simulated time (s)")
    axes.set_ylim(bottom=0)
    _above(figure, axes, 3)
    return Plot(
        _svg(figure, "pool pages against payload"),
        "What the pool holds and what it costs",
        "Replication 0. The shaded gap between frames and payload is fragmentation; the gap up to the pages stored is what compression gains.",
    )


def rates_of_cases(names: Sequence[str], all_series: Sequence[Series]) -> Plot:
    """The same rates for all cases, a panel per quantity, a colour per case."""
    figure, grid = _figure(1.6, 2, 2, sharex=True)
    panels = (
        ("Major faults (1/s)", ("pgmajfault",)),
        ("Pages reclaimed (pages/s)", ("pgsteal_kswapd", "pgsteal_direct")),
        ("Reclaimed directly (pages/s)", ("pgsteal_direct",)),
        ("Swap I/O on the device (pages/s)", ("pswpin", "pswpout")),
    )
    for index, (axes, (title, counters)) in enumerate(zip(grid, panels, strict=True)):
        for case, (name, series) in enumerate(zip(names, all_series, strict=True)):
            times, values = _total_rate(series, counters)
            if times:
                axes.plot(times, values, color=COLOURS[case % 9], label=name, linestyle="-" if case < 9 else "--")
        _finish(axes, title, "simulated time (s)" if index > 1 else "")
        axes.set_ylim(bottom=0)
    _above(figure, grid[0], 4)
    return Plot(_svg(figure, "rates over time by case"), "Faults, reclaim and swap over time", "Replication 0 of each case.")


# ---------------------------------------------------------------- latencies, CPU, side by side


def latencies(names: Sequence[str], runs: Sequence[Document]) -> Plot | None:
    """Share of events that took longer than a time; one panel per kind, one line per case."""
    kinds = [k for k in HISTOGRAM_TITLES if any(sum((r["histograms"].get(k) or {}).get("counts", [])) for r in runs)]
    if not kinds:
        return None
    columns = min(2, len(kinds))
    rows = -(-len(kinds) // columns)
    figure, grid = _figure(1.6, rows, columns, left=0.65, legend=len(names) > 1)
    for axes in grid[len(kinds) :]:
        axes.set_axis_off()
    for axes, kind in zip(grid, kinds, strict=False):
        for case, (name, run) in enumerate(zip(names, runs, strict=True)):
            histogram = run["histograms"].get(kind)
            if histogram:
                _survival(axes, histogram, name, COLOURS[case % 9])
        _finish(axes, HISTOGRAM_TITLES[kind], short=False)
        axes.set_xscale("log")
        axes.set_yscale("log")
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(_time))
        axes.yaxis.set_major_formatter(FuncFormatter(_share))
        axes.minorticks_off()
    if len(names) > 1:
        _above(figure, max(grid[: len(kinds)], key=lambda a: len(a.get_legend_handles_labels()[1])), 4)
    return Plot(
        _svg(figure, "latencies"),
        "Latency of faults and allocation stalls",
        "Share of the events of all replications that took longer than the time below; both axes are logarithmic. Further left is better.",
    )


def _survival(axes: Any, histogram: Mapping[str, Any], name: str, colour: str) -> None:
    edges, shares = survival(histogram["edges_ns"], histogram["counts"])
    points = [(e, s) for e, s in zip(edges, shares, strict=True) if e > 0 and s > 0]
    first = next((k for k, (_, s) in enumerate(points) if s < 1.0), len(points))
    points = points[max(0, first - 1) :]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, label=name, drawstyle="steps-post")


CPU_LABELS = {"cpu_user": "user", "cpu_fault": "faults", "cpu_kswapd": "kswapd", "cpu_direct": "direct reclaim"}


def cpu(names: Sequence[str], runs: Sequence[Document]) -> Plot | None:
    """CPU seconds by purpose, a stacked bar per case."""
    purposes = [p for p in CPU_PURPOSES if any(((r["scalars"].get(p) or {}).get("mean") or 0) > 0 for r in runs)]
    if not purposes:
        return None
    figure, (axes,) = _figure(0.3 * len(names) + 0.1, left=_room(names))
    places = range(len(names))
    left = [0.0] * len(names)
    for number, purpose in enumerate(purposes):
        values = [(run["scalars"].get(purpose) or {}).get("mean") or 0.0 for run in runs]
        idle = purpose == "cpu_idle"
        label = CPU_LABELS.get(purpose, purpose.removeprefix("cpu_"))
        axes.barh(places, values, left=left, height=0.62, color=GRID if idle else COLOURS[number % 8], label=label, edgecolor=PAPER, linewidth=0.6)
        left = [a + b for a, b in zip(left, values, strict=True)]
    _case_axis(axes, names)
    _finish(axes, "", "CPU time (s)", short=False)
    _above(figure, axes, 9)
    return Plot(_svg(figure, "CPU time by purpose"), "Where CPU time goes", "Means over the replications, all CPUs together.")


LONGEST_NAME = 34


def _clip(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that fits: the end is what tells cases apart."""
    return name if len(name) <= longest else "…" + name[1 - longest :]


def _room(names: Sequence[str]) -> float:
    """Inches for the names of the cases at the left."""
    return 0.25 + 0.075 * max(len(_clip(name)) for name in names)


def _case_axis(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [_clip(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


SIDE_BY_SIDE = (
    "run_time",
    "pgmajfault_rate",
    "pswpin_rate",
    "pswpout_rate",
    "effective_compression",
    "psi_memory_full",
    "psi_io_full",
    "direct_share",
    "fault_p99",
)


def side_by_side(names: Sequence[str], runs: Sequence[Document]) -> Plot | None:
    """Key metrics, a panel each: a bar per case with its 95 % interval."""
    devices = sorted({n for r in runs for n in r["scalars"] if n.startswith("device.") and n.endswith(".utilisation")})
    wanted = [n for n in (*SIDE_BY_SIDE, *devices) if any(((r["scalars"].get(n) or {}).get("mean") or 0) != 0 for r in runs)][:9]
    if not wanted:
        return None
    columns = min(3, len(wanted))
    rows = -(-len(wanted) // columns)
    figure, grid = _figure(0.22 * len(names) + 0.1, rows, columns, left=_room(names), legend=False, sharey=True)
    for index, axes in enumerate(grid):
        if index >= len(wanted):
            axes.set_axis_off()
            continue
        _bars(axes, [run["scalars"].get(wanted[index]) or {} for run in runs])
        _case_axis(axes, names)
        _finish(axes, f"{wanted[index]} ({describe(wanted[index]).unit or 'count'})", short=False)
        axes.xaxis.set_major_formatter(FuncFormatter(_short))
        axes.xaxis.set_major_locator(MaxNLocator(4))
    return Plot(
        _svg(figure, "cases side by side"),
        "The cases side by side",
        "Means over the replications; whiskers are 95 % intervals. Cases share their random numbers, so a difference between two is more certain than their intervals suggest.",
    )


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


def draw(names: Sequence[str], runs: Sequence[Document], all_series: Sequence[Series], page_sizes: Sequence[int]) -> list[Plot]:
    """All figures of a report, in order; one run or many cases (at most nine of them are drawn over time)."""
    with matplotlib.rc_context(STYLE):
        if len(runs) == 1:
            has_series = len(all_series[0].get("time_s", [])) > 1
            timed = [memory(all_series[0], page_sizes[0]), rates(all_series[0]), pool(all_series[0], page_sizes[0])] if has_series else []
            found = [*timed, latencies([""], runs), cpu([""], runs)]
        else:
            drawn = [k for k in range(len(runs)) if len(all_series[k].get("time_s", [])) > 1][:9]
            picked, series = [names[k] for k in drawn], [all_series[k] for k in drawn]
            timed = [memory_of_cases(picked, series, [page_sizes[k] for k in drawn]), rates_of_cases(picked, series)] if drawn else []
            found = [side_by_side(names, runs), *timed, latencies(names[:9], runs[:9]), cpu(names, runs)]
        return [plot for plot in found if plot is not None]
