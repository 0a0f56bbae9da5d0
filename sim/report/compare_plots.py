"""The figures of a comparison: relative differences with intervals, and every replication of every side, pairs joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.compare.figures import Difference, Result
from sim.compare.words import verdict_word
from sim.metrics import describe
from sim.report.drawing import COLOURS, INK, MUTED, PAPER, Plot, clip, finish, panels, room, short, svg_of

MOST_ROWS = 40  # of a forest plot
MOST_PANELS = 9
MOST_DOTTED = 12  # sides whose replications are drawn
BETTER, WORSE, DIFFERENT = COLOURS[2], COLOURS[1], COLOURS[0]


def colour_of(one: Difference) -> str:
    if one.verdict not in ("real", "constant"):
        return MUTED
    return DIFFERENT if one.better is None else BETTER if one.better else WORSE


def _drawable(one: Difference) -> bool:
    relative = one.found.relative if one.found is not None else None
    ends = () if relative is None else (relative.estimate, relative.low, relative.high)
    return one.verdict != "identical" and bool(ends) and all(end is not None and math.isfinite(end) for end in ends)


def forests(result: Result) -> list[Plot]:
    """One plot a side, its metrics below each other; of more than three sides one plot a metric."""
    drawn = [one for one in result.differences if _drawable(one)]
    if len(result.sides) <= 4:
        groups = [(side.name, [one for one in drawn if one.side == side.name]) for side in result.sides[1:]]
        found = [(f"{name} against {result.sides[0].name}", [(one.metric, one) for one in group]) for name, group in groups]
    else:
        ranked = _ranked(result)[:4]
        found = [
            (f"{metric} against {result.sides[0].name}", [(one.side, one) for one in drawn if one.metric == metric]) for metric in ranked
        ]
    return [_forest(k, title, rows[:MOST_ROWS], len(rows), result.confidence) for k, (title, rows) in enumerate(found, 1) if rows]


def _limit(ones: Sequence[Difference]) -> float:
    """How far the axis goes: everything that is real fits; wide intervals of the others are cut off."""
    reaches = [
        (max(abs(one.found.relative.low or 0), abs(one.found.relative.high or 0)), one.verdict)
        for one in ones
        if one.found and one.found.relative
    ]
    sure = [reach for reach, verdict in reaches if verdict in ("real", "constant", "negligible")]
    usual = sorted(reach for reach, _ in reaches)[(len(reaches) - 1) // 2]
    return 1.1 * max(max(sure, default=0.0), min(usual, 200.0), 1.0)


def _forest(place: int, title: str, rows: Sequence[tuple[str, Difference]], count: int, confidence: float) -> Plot:
    figure, (axes,) = panels(0.26 * len(rows) + 0.1, left=room([name for name, _ in rows]), legend=0)
    limit = _limit([one for _, one in rows])
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, (_, one) in enumerate(rows):
        assert one.found is not None and one.found.relative is not None
        middle, low, high = (float(v or 0.0) for v in one.found.relative[:3])
        colour = colour_of(one)
        axes.plot([max(low, -limit), min(high, limit)], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        for end, marker in ((low, "<"), (high, ">")):
            if abs(end) > limit:
                axes.plot([math.copysign(limit, end)], [place], marker=marker, color=colour, markersize=6, clip_on=False)
        if abs(middle) <= limit:
            axes.plot([middle], [place], marker="o", markersize=6, color=colour, markerfacecolor=PAPER if colour == MUTED else colour)
    ends = [float(end or 0.0) for _, one in rows if one.found and one.found.relative for end in one.found.relative[1:3]]
    axes.set_xlim(max(-limit, 1.1 * min(*ends, -limit / 10)), min(limit, 1.1 * max(*ends, limit / 10)))
    axes.set_yticks(range(len(rows)), [clip(name) for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    finish(axes, "", "difference (% of the baseline)", short_ticks=False)
    axes.xaxis.set_major_formatter(FuncFormatter(short))
    first = f"The first {len(rows)} of {count}. " if count > len(rows) else ""
    return Plot(
        svg_of(figure, f"differences {place}: {title}"),
        f"Differences: {title}",
        f"{first}Relative differences with {100 * confidence:g} % intervals, not adjusted. "
        "Filled: real after Holm’s correction (green better, orange worse, blue neither); "
        "hollow: not shown to be real. Arrows are intervals that go on beyond the edge; "
        "without a finite interval a difference is only in the table.",
    )


def _ranked(result: Result) -> list[str]:
    """The metrics that differ, those with a real difference first."""

    def rank(metric: str) -> int:
        verdicts = {one.verdict for one in result.differences if one.metric == metric}
        return 0 if verdicts & {"real", "constant"} else 1 if verdicts - {"identical", "absent"} else 2

    return sorted((metric for metric in result.metrics if rank(metric) < 2), key=rank)


def dots(result: Result) -> Plot | None:
    """A panel a metric: every replication of every side, those that belong together joined."""
    sides = result.sides[:MOST_DOTTED]
    metrics = _ranked(result)[:MOST_PANELS]
    if not metrics:
        return None
    columns = min(3, len(metrics))
    figure, grid = panels(1.5, -(-len(metrics) // columns), columns, left=0.55, gap=0.6, legend=0)
    for axes in grid[len(metrics) :]:
        axes.set_axis_off()
    for axes, metric in zip(grid, metrics, strict=False):
        _dots(axes, result, metric, len(sides))
        unit = describe(metric).unit
        finish(axes, f"{clip(metric, 26)} ({unit})" if unit else clip(metric, 30))
        axes.yaxis.set_major_locator(MaxNLocator(4))
    letters = ", ".join(f"{_letter(k)}: {side.name}" for k, side in enumerate(sides))
    more = f" (the first {len(sides)} of {len(result.sides)})" if len(result.sides) > len(sides) else ""
    panels_left = f" The first {len(metrics)} of {len(_ranked(result))} metrics." if len(_ranked(result)) > len(metrics) else ""
    return Plot(
        svg_of(figure, "replications"),
        "Every replication",
        f"{letters}{more}. A dot is a replication, a bar the mean; "
        f"lines join replications with the same random numbers, so that lines which all lean the same way are "
        f"a difference, however far apart the dots are.{panels_left}",
    )


def _letter(index: int) -> str:
    return chr(ord("A") + index)


def _dots(axes: Any, result: Result, metric: str, count: int) -> None:
    ones = {one.side: one for one in result.differences if one.metric == metric}
    others = [ones[side.name] for side in result.sides[1:count]]
    columns = [others[0].a, *(one.b for one in others)]
    colours = [INK, *(colour_of(one) for one in others)]
    for k, one in enumerate(others):
        if one.paired and (k == 0 or others[k - 1].paired):
            for x, y in zip(columns[k], columns[k + 1], strict=False):
                if x is not None and y is not None:
                    axes.plot([k, k + 1], [x, y], color=MUTED, linewidth=0.7, alpha=0.6)
    for k, (values, colour) in enumerate(zip(columns, colours, strict=True)):
        present = [value for value in values if value is not None]
        if present:
            axes.plot([k] * len(present), present, marker="o", linestyle="", markersize=3.5, color=colour)
            axes.hlines(math.fsum(present) / len(present), k - 0.22, k + 0.22, color=colour, linewidth=2)
    axes.set_xticks(range(count), [_letter(k) for k in range(count)])
    axes.set_xlim(-0.5, count - 0.5)
    axes.grid(axis="x", visible=False)


def words_class(one: Difference) -> str:
    """The class of the style sheet for a difference in words."""
    if one.verdict in ("real", "constant"):
        return "differs" if one.better is None else "better" if one.better else "worse"
    return "weak"


__all__ = ["dots", "forests", "verdict_word", "words_class"]
