"""The figures of a validation: measured against simulated over all runs, and one run's two time series over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sim.report.drawing import COLOURS, INK, MUTED, Plot, finish, legend_above, legend_shape, panels, short, svg_of
from sim.validate.judge import FAMILIES, Cell
from sim.validate.trace import Trace, leaving

BAND = 0.05  # either side of the line of no error
TALL = 4.6  # inches of the scatter
FARTHEST = 0.4  # errors beyond that are drawn at the edge
TRACED = 12  # counters drawn over each other
BYTES_A_PAGE = 4096
IN_BYTES = ("zswap_pool_total_size", "zram_mem_used_total")

Dot = tuple[float, float]  # measured, simulated


def scatter(cells: Sequence[Cell]) -> Plot | None:
    """Simulated over measured, both logarithmic and in pages, and the error below; a colour a family.  None without figures."""
    drawn = [cell for cell in cells if cell.simulated]
    if not drawn:
        return None
    there = {cell.family for cell in drawn}
    families = [*(name for name in FAMILIES if name in there), *sorted(there - set(FAMILIES))]
    figure, (above, below) = panels(TALL / 1.5, 2, 1, left=0.6, legend=legend_shape(families)[1])
    low, high = _ends(drawn)
    reach = min(FARTHEST, max(2 * BAND, 1.1 * max(cell.raw for cell in drawn)))
    above.fill_between(
        [low, high], [low * (1 - BAND), high * (1 - BAND)], [low * (1 + BAND), high * (1 + BAND)], color=MUTED, alpha=0.2, lw=0
    )
    below.axhspan(-BAND, BAND, color=MUTED, alpha=0.2, linewidth=0)
    above.plot([low, high], [low, high], color=INK, linewidth=0.8)
    below.axhline(0, color=INK, linewidth=0.8)
    for k, family in enumerate(families):
        dots = [_dot(cell) for cell in drawn if cell.family == family]
        style: Any = {"marker": "o", "linestyle": "", "markersize": 3.6, "alpha": 0.75, "color": COLOURS[k % len(COLOURS)]}
        above.plot(*zip(*dots, strict=True), label=family, **style)
        below.plot([x for x, _ in dots], [min(max(y / x - 1, -reach), reach) for x, y in dots], clip_on=False, **style)
    for axes in (above, below):
        axes.set_xlim(low, high)
        axes.set_xscale("log")
        _decades(axes.xaxis, high / low)
    above.set_yscale("log")
    above.set_ylim(low, high)
    _decades(above.yaxis, high / low)
    below.set_ylim(-reach, reach)
    below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:+g} %" if value else "0"))
    finish(above, "Simulated", short_ticks=False)
    finish(below, "Error", "measured", short_ticks=False)
    legend_above(figure, above)
    return Plot(
        svg_of(figure, "measured and simulated figures"),
        "Measured against simulated",
        f"A dot is one judged figure of one configuration ({len(drawn)} of them), sizes in bytes drawn in pages. On the line there is no "
        f"error; the band is {100 * BAND:g} % either side of it. Errors beyond {100 * reach:.0f} % are drawn at the edge.",
    )


def _dot(cell: Cell) -> Dot:
    unit = BYTES_A_PAGE if cell.counter in IN_BYTES else 1
    return cell.measured / unit, float(cell.simulated or 0) / unit


def _ends(cells: Sequence[Cell]) -> Dot:
    values = [value for cell in cells for value in _dot(cell)]
    return min(values) / 1.2, max(values) * 1.2


def _decades(axis: Any, span: float) -> None:
    """Ticks of a logarithmic axis: decades, and between them where there are few."""
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if span < 1000 else (1,)))
    axis.set_major_formatter(FuncFormatter(short))
    axis.set_minor_formatter(NullFormatter())


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
    for k, (axes, name) in enumerate(zip(grid, moved, strict=False)):
        places = [point.place for point in trace.measured]
        axes.plot(places, [point.figures[name] for point in trace.measured], color=COLOURS[0], label="measured")
        axes.plot(places, [point.figures[name] for point in trace.simulated], color=COLOURS[1], linestyle="--", label="simulated")
        if name in left_at:
            place = places[trace.rows.index(left_at[name])]
            axes.axvline(place, color=MUTED, linewidth=0.8, linestyle=":", label="first more than 5 % off")
        finish(axes, name if len(name) < 30 else f"{name[:28]}…", "phase" if k + columns >= len(moved) else "")
    legend_above(figure, *grid[: len(moved)])
    return Plot(
        svg_of(figure, f"time series of {trace.run}"),
        "Both time series",
        "Over the place in the workload: the whole numbers are the starts of its phases. The counters that leave first come first.",
    )
