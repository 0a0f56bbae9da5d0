"""The figures of a validation: measured against simulated over all runs, and one run's two time series over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sim.report.drawing import COLOURS, INK, MUTED, Plot, finish, legend_above, legend_shape, panels, short, svg_of
from sim.validate.judge import FAMILIES, Cell
from sim.validate.trace import Trace, leaving

BAND = 0.05  # either side of the line of no error
TALL = 6.2  # inches of the scatter
TRACED = 12  # counters drawn over each other


def scatter(cells: Sequence[Cell]) -> Plot | None:
    """Simulated over measured, both logarithmic; a colour a family.  None without figures."""
    drawn = [cell for cell in cells if cell.simulated]
    if not drawn:
        return None
    there = {cell.family for cell in drawn}
    families = [*(name for name in FAMILIES if name in there), *sorted(there - set(FAMILIES))]
    figure, (axes,) = panels(TALL, left=0.6, legend=legend_shape(families)[1])
    ends = [value for cell in drawn for value in (cell.measured, float(cell.simulated or 0))]
    low, high = min(ends) / 1.3, max(ends) * 1.3
    axes.fill_between(
        [low, high], [low * (1 - BAND), high * (1 - BAND)], [low * (1 + BAND), high * (1 + BAND)], color=MUTED, alpha=0.18, lw=0
    )
    axes.plot([low, high], [low, high], color=INK, linewidth=0.8)
    for family in families:
        points = [(cell.measured, float(cell.simulated or 0)) for cell in drawn if cell.family == family]
        colour = COLOURS[families.index(family) % len(COLOURS)]
        axes.plot(*zip(*points, strict=True), marker="o", linestyle="", markersize=3.6, alpha=0.75, color=colour, label=family)
    _logarithmic(axes, low, high)
    finish(axes, "simulated", "measured", short_ticks=False)
    legend_above(figure, axes)
    return Plot(
        svg_of(figure, "measured and simulated figures"),
        "Measured against simulated",
        f"A dot is one judged figure of one configuration ({len(drawn)} of them). On the line there is no error; the band is {BAND:.0%} "
        "either side of it. Byte counts and page counts share the axes.",
    )


def _logarithmic(axes: Any, low: float, high: float) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
        axis.set_major_locator(LogLocator(10))
        axis.set_major_formatter(FuncFormatter(short))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)


def over_each_other(trace: Trace) -> Plot | None:
    """The counters that leave first, measured and simulated; then others that stay.  None without counters that move."""
    names = [one.counter for one in leaving(trace)]
    names += [name for name in trace.counters if name not in names]
    moved = [name for name in names if len({point.figures[name] for point in trace.measured}) > 1][:TRACED]
    if not moved:
        return None
    columns = 3
    figure, grid = panels(1.35, -(-len(moved) // columns), columns, left=0.5, gap=0.55, legend=1)
    for axes in grid[len(moved) :]:
        axes.set_axis_off()
    left_at = {one.counter: (one.phase, one.idx) for one in leaving(trace)}
    for axes, name in zip(grid, moved, strict=False):
        places = [point.place for point in trace.measured]
        axes.plot(places, [point.figures[name] for point in trace.measured], color=COLOURS[0], label="measured")
        axes.plot(places, [point.figures[name] for point in trace.simulated], color=COLOURS[1], linestyle="--", label="simulated")
        if name in left_at:
            place = places[trace.rows.index(left_at[name])]
            axes.axvline(place, color=MUTED, linewidth=0.8, linestyle=":", label="first more than 5 % off")
        finish(axes, name if len(name) < 30 else f"{name[:28]}…", "phase")
    legend_above(figure, *grid[: len(moved)])
    return Plot(
        svg_of(figure, f"time series of {trace.run}"),
        "Both time series",
        "Over the place in the workload: the whole numbers are the starts of its phases. The counters that leave first come first.",
    )
