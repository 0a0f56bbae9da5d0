"""Files over simulated time: the page cache, dirty memory and its limits, what the clean cache gave back.  Drawn from replication 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sim.report.drawing import (
    COLOURS,
    MIB,
    MUTED,
    Plot,
    Series,
    finish,
    legend_above,
    legend_shape,
    own_legend,
    panels,
    rate,
    shade,
    svg_of,
    thin,
)

DIRTY_LINES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("nr_dirty", "dirty", COLOURS[1], {}),
    ("nr_writeback", "being written", COLOURS[0], {}),
    ("nr_dirty_threshold", "threshold", MUTED, {"linestyle": "--"}),
    ("nr_dirty_background_threshold", "background threshold", MUTED, {"linestyle": ":"}),
)


def has_files(series: Series) -> bool:
    """Whether a file was ever in memory."""
    return any(series.get("nr_active_file", [])) or any(series.get("nr_inactive_file", []))


def has_clean_cache(series: Series) -> bool:
    """Whether a clean cache was offered or asked for anything."""
    return any(series.get("cleancache_puts", [])) or any(series.get("cleancache_misses", []))


def page_cache(series: Series, page_size: int, warm_up: float = 0.0) -> Plot | None:
    """Pages of files in memory; dirty ones with both thresholds.  None for a run without files."""
    if not has_files(series):
        return None
    shown = thin(series)
    times, scale = shown["time_s"], page_size / MIB
    figure, (cached, dirty) = panels(1.5, 2, 1, legend=0, sharex=True)
    heights = [[value * scale for value in shown[name]] for name in ("nr_active_file", "nr_inactive_file")]
    for part, alpha in zip(
        cached.stackplot(times, heights, labels=["active", "inactive"], colors=[COLOURS[2]] * 2), (1.0, 0.5), strict=True
    ):
        part.set_alpha(alpha)
    if any(shown.get("nr_mapped", [])):
        cached.plot(times, [value * scale for value in shown["nr_mapped"]], color=COLOURS[6], label="of these, mapped")
    for name, label, colour, options in DIRTY_LINES:
        if name in shown:
            dirty.plot(times, [value * scale for value in shown[name]], color=colour, label=label, **options)
    finish(cached, "Page cache (MiB)")
    finish(dirty, "Dirty memory (MiB)", "simulated time (s)")
    for axes in (cached, dirty):
        axes.set_ylim(bottom=0)
        axes.set_xlim(times[0], times[-1])
        own_legend(axes)
    return Plot(
        svg_of(shade(figure, warm_up), "page cache and dirty memory over time"),
        "Page cache and dirty memory over time",
        "Replication 0. Above the background threshold the flusher writes; from halfway between the two on, writers are slowed down. "
        "Pages being written include those on their way to swap.",
    )


def clean_cache(series: Series, page_size: int, warm_up: float = 0.0) -> Plot | None:
    """What the clean cache was asked for and had, and what it held; None where there is none."""
    if not has_clean_cache(series):
        return None
    shown = thin(series)
    scale = page_size / MIB
    figure, (traffic, held) = panels(1.7, 1, 2, legend=0)
    for name, label, colour in (("cleancache_puts", "offered", 6), ("cleancache_misses", "missed", 2), ("cleancache_hits", "hit", 3)):
        times, rates = rate(series, name, 150)
        traffic.plot(times, rates, color=COLOURS[colour - 1], label=label)
    for name, label, colour in (("clean_stored_pages", "pages stored", 6), ("clean_pool_pages", "frames for them", 2)):
        held.plot(shown["time_s"], [value * scale for value in shown[name]], color=COLOURS[colour - 1], label=label)
    finish(traffic, "Pages/s", "simulated time (s)")
    finish(held, "Holds (MiB)", "simulated time (s)")
    for axes in (traffic, held):
        axes.set_ylim(bottom=0)
        own_legend(axes)
    return Plot(
        svg_of(shade(figure, warm_up), "clean cache over time"),
        "What the clean cache was asked for and had",
        "Replication 0. A hit is a page that need not be read from the device; clean pages are offered when reclaim evicts them.",
    )


Quantity = tuple[str, Callable[[Series, float], tuple[Sequence[float], Sequence[float]]]]


def _size(*names: str) -> Callable[[Series, float], tuple[Sequence[float], Sequence[float]]]:
    def values(series: Series, scale: float) -> tuple[Sequence[float], Sequence[float]]:
        shown = thin(series, 200)
        columns = [shown[name] for name in names if name in shown]
        return shown["time_s"], [scale * sum(row) for row in zip(*columns, strict=True)]

    return values


def _rate(name: str) -> Callable[[Series, float], tuple[Sequence[float], Sequence[float]]]:
    return lambda series, _: rate(series, name, 100)


SIZES: tuple[Quantity, ...] = (
    ("Page cache (MiB)", _size("nr_active_file", "nr_inactive_file")),
    ("Dirty or being written (MiB)", _size("nr_dirty", "nr_writeback")),
    ("Refaults of files (pages/s)", _rate("workingset_refault_file")),
)
WRITTEN: Quantity = ("Pages of files written (pages/s)", _rate("file_pages_written"))
HITS: Quantity = ("Hits of the clean cache (pages/s)", _rate("cleancache_hits"))


def files_of_cases(names: Sequence[str], all_series: Sequence[Series], page_sizes: Sequence[int], warm_up: float = 0.0) -> Plot | None:
    """The same for all cases, a panel per quantity, a colour per case."""
    if not any(has_files(series) for series in all_series):
        return None
    quantities = (*SIZES, HITS if any(has_clean_cache(series) for series in all_series) else WRITTEN)
    figure, grid = panels(1.5, 2, 2, legend=legend_shape(names)[1], sharex=True)
    for index, (axes, (title, values)) in enumerate(zip(grid, quantities, strict=True)):
        for case, (name, series, page_size) in enumerate(zip(names, all_series, page_sizes, strict=True)):
            axes.plot(*values(series, page_size / MIB), color=COLOURS[case % 9], label=name)
        finish(axes, title, "simulated time (s)" if index > 1 else "")
        axes.set_ylim(bottom=0)
    legend_above(figure, grid[0])
    return Plot(
        svg_of(shade(figure, warm_up), "files over time by case"), "Page cache and dirty memory over time", "Replication 0 of each case."
    )
