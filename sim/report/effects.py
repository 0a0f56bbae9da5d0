"""What each swept key does: main effects, interactions, scatter of sampled keys."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.metrics import describe
from sim.report.design import Design, Document, Factor, Floats, Level, Sampled, cells, main_effect, shares, unbalanced, values_of, whole
from sim.report.drawing import COLOURS, INK, MUTED, Plot, clip, finish, panels, short, svg_of

MOST_METRICS = 6  # panels of main effects
MOST_ROWS = 40  # levels of all keys together
MOST_PAIRS = 6
MOST_DRAWN = 8  # levels of a key in a plot of interactions
MOST_POINTS = 400  # of a scatter plot
CANDIDATES = (
    *("run_time", "pgmajfault_rate", "psi_memory_full", "pool_frames", "effective_compression", "fault_p99"),
    *("pswpout_rate", "file_read_rate", "allocstall_p99", "cleancache_hit_ratio", "fragmentation_loss"),
)


def title_of(metric: str) -> str:
    unit = describe(metric).unit
    return f"{metric} ({unit})" if unit else metric


def varying(runs: Sequence[Document]) -> list[str]:
    """The metrics worth showing: those whose means differ between the cases by more than a thousandth."""
    found = []
    for metric in CANDIDATES:
        means = [m for run in runs if (m := (run["scalars"].get(metric) or {}).get("mean")) is not None]
        if len(means) > 1 and max(means) - min(means) > 1e-3 * max(abs(m) for m in means):
            found.append(metric)
    return found


# ---------------------------------------------------------------- main effects


def main_effects(design: Design, runs: Sequence[Document], metrics: Sequence[str]) -> Plot | None:
    """A panel a metric, a dot a level: the mean over all cases with it."""
    factors = _fitting(design.factors)
    tables = [(metric, values) for metric in metrics if whole(values := values_of(runs, metric)).sum() > 1][:MOST_METRICS]
    if not factors or not tables:
        return None
    names = [name for factor in factors for name in (factor.name, *factor.levels)]
    columns = min(3, len(tables))
    left = 0.3 + 0.075 * max(len(clip(name, 24)) for name in names)
    figure, grid = panels(0.2 * len(names) + 0.05, -(-len(tables) // columns), columns, left=left, legend=0, sharey=True)
    for axes in grid[len(tables) :]:
        axes.set_axis_off()
    for axes, (metric, values) in zip(grid, tables, strict=False):
        _main_panel(axes, factors, values, not unbalanced(design, values))
        finish(axes, title_of(metric), short_ticks=False)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(short))
    _level_axis(grid, factors, columns, len(tables))
    left_out = len(design.factors) - len(factors)
    more = f" The first {len(factors)} of {len(design.factors)} keys." if left_out else ""
    return Plot(
        svg_of(figure, "main effects"),
        "What each key does: means by value",
        "Each dot is the mean over all cases with that value, whatever their other keys; "
        "only cases that have the figure count. Whiskers are the 95 % interval of "
        f"the difference from the mean over the key’s values, replication by replication; "
        f"the line is the mean over all cases.{more}{_caution(design, tables)}",
    )


def _fitting(factors: Sequence[Factor]) -> list[Factor]:
    found: list[Factor] = []
    rows = 0
    for factor in factors:
        rows += 1 + len(factor.levels)
        if rows > MOST_ROWS:
            break
        found.append(factor)
    return found


def _caution(design: Design, tables: Sequence[tuple[str, Floats]]) -> str:
    found = {why for _, values in tables if (why := unbalanced(design, values))}
    if not found:
        return ""
    why_not = "; ".join(sorted(found))
    return (
        f" Not every value meets the same values of the other keys ({why_not}): "
        "where whiskers are missing, which cases there are counts as well."
    )


def _main_panel(axes: Any, factors: Sequence[Factor], values: Floats, whiskers: bool) -> None:
    row = 0
    axes.axvline(float(values[whole(values)].mean()), color=MUTED, linewidth=0.7)
    for number, factor in enumerate(factors):
        colour = COLOURS[number % 9]
        levels = main_effect(factor, values)
        there = [(row + 1 + k, level) for k, level in enumerate(levels) if level is not None]
        axes.plot([level.mean for _, level in there], [place for place, _ in there], color=colour, marker="o", markersize=4.5, linewidth=1)
        for place, level in there if whiskers else ():
            axes.hlines(place, level.mean - (level.half or 0), level.mean + (level.half or 0), color=colour, linewidth=2)
        row += 1 + len(levels)


def _level_axis(grid: Sequence[Any], factors: Sequence[Factor], columns: int, count: int) -> None:
    """Names of keys and levels at the left of each row of panels."""
    places = range(sum(1 + len(factor.levels) for factor in factors))
    texts = [clip(text, 24) for factor in factors for text in (factor.name, *factor.levels)]
    heads = {sum(1 + len(f.levels) for f in factors[:k]) for k in range(len(factors))}
    for axes in grid[:count]:
        axes.set_yticks(list(places), texts)
        axes.set_ylim(len(places) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
    for axes in grid[:count:columns]:
        for place, text in enumerate(axes.get_yticklabels()):
            if place in heads:
                text.set_fontweight("bold")
                text.set_color(INK)


# ---------------------------------------------------------------- interactions and shares


class ShareTable(NamedTuple):
    """Shares of the variance by source, a column a metric.  rows: (source, [text a metric], [title a metric])."""

    metrics: list[str]
    rows: list[tuple[str, list[str], list[str]]]
    reasons: list[str]


def share_table(design: Design, runs: Sequence[Document], metrics: Sequence[str]) -> ShareTable | None:
    """The table, or only why there is none; None for a sweep that has nothing to share out."""
    if not design.factors and not design.sampled:
        return None
    columns: dict[str, dict[str, tuple[str, str]]] = {}
    reasons: dict[str, list[str]] = {}
    for metric in metrics[:MOST_METRICS]:
        values = values_of(runs, metric)
        why = unbalanced(design, values)
        if why:
            reasons.setdefault(why, []).append(metric)
            continue
        columns[metric] = {row.name: (_percent(row.share), _noise(row.by_noise)) for row in shares(design, values)}
    sources = list(dict.fromkeys(name for column in columns.values() for name in column))
    absent = ("–", "no such part for this figure")
    rows = [
        (name, [c.get(name, absent)[0] for c in columns.values()], [c.get(name, absent)[1] for c in columns.values()]) for name in sources
    ]
    told = [f"{', '.join(names)}: not shared out, since {why}" for why, names in reasons.items()]
    return ShareTable(list(columns), rows, told)


def _percent(value: float) -> str:
    return f"{value:.1f}" if value >= 0.05 else "0"


def _noise(value: float | None) -> str:
    return "" if value is None else f"noise alone would give about {_percent(value)} %"


def ranked_pairs(design: Design, runs: Sequence[Document], metric: str) -> list[tuple[Factor, Factor]]:
    """The pairs of keys, those that act together most on the metric first (if that can be said)."""
    factors = [factor for factor in design.factors if len(factor.levels) <= MOST_DRAWN]
    pairs = list(combinations(factors, 2))
    values = values_of(runs, metric)
    if unbalanced(design, values):
        return pairs
    sizes = {row.name: row.share for row in shares(design, values)}
    return sorted(pairs, key=lambda pair: -sizes.get(f"{pair[0].name} × {pair[1].name}", 0.0))


def interactions(design: Design, runs: Sequence[Document], metric: str) -> Plot | None:
    """A panel a pair of keys: one along the axis, a line for each value of the other."""
    pairs = ranked_pairs(design, runs, metric)[:MOST_PAIRS]
    values = values_of(runs, metric)
    if not pairs or whole(values).sum() < 3:
        return None
    columns = min(3, len(pairs))
    figure, grid = panels(1.6, -(-len(pairs) // columns), columns, left=0.6, gap=0.5, legend=0)
    for axes in grid[len(pairs) :]:
        axes.set_axis_off()
    for axes, (first, second) in zip(grid, pairs, strict=False):
        along, lines = (first, second) if len(first.levels) >= len(second.levels) else (second, first)
        _crossing(axes, along, lines, cells(lines, along, values), max(4, 84 // columns // len(along.levels)))
        finish(axes, f"{clip(lines.name, 18)} along {clip(along.name, 18)}")
    all_pairs = len(design.factors) * (len(design.factors) - 1) // 2
    more = f" The {len(pairs)} strongest of {all_pairs} pairs." if all_pairs > len(pairs) else ""
    return Plot(
        svg_of(figure, f"interactions {metric}"),
        f"Do keys act together? {title_of(metric)}",
        f"Means over the cases with both values; whiskers as above. "
        f"Parallel lines: the keys act apart; lines that spread or cross: what one does depends on the other.{more}",
    )


def _crossing(axes: Any, along: Factor, lines: Factor, table: Sequence[Sequence[Level | None]], width: int) -> None:
    """width: characters of a label below the axis."""
    for number, (label, row) in enumerate(zip(lines.levels, table, strict=True)):
        there = [(place, level) for place, level in enumerate(row) if level is not None]
        colour = COLOURS[number % 9]
        axes.plot([p for p, _ in there], [v.mean for _, v in there], color=colour, marker="o", markersize=3.5, label=clip(label, 14))
        for place, level in there:
            axes.vlines(place, level.mean - (level.half or 0), level.mean + (level.half or 0), color=colour, linewidth=1)
    if any(len(text) > width for text in along.levels):  # names that would be cut stand at an angle
        axes.set_xticks(range(len(along.levels)), [clip(text, 16) for text in along.levels], fontsize=8, rotation=20, ha="right")
    else:
        axes.set_xticks(range(len(along.levels)), along.levels, fontsize=8.5)
    axes.set_xlim(-0.3, len(along.levels) - 0.7)
    axes.legend(loc="best", fontsize=8, handlelength=1.2)


# ---------------------------------------------------------------- sampled keys


def scatter(design: Design, runs: Sequence[Document], metrics: Sequence[str]) -> Plot | None:
    """Sampled keys against metrics: a row a metric, a column a key, with the mean over tenths of the cases."""
    keys, shown = design.sampled[:4], list(metrics[:4])
    if not keys or not shown:
        return None
    figure, grid = panels(1.35, len(shown), len(keys), left=0.6, gap=0.55, legend=0)
    means = {m: np.array([mean_of(run, m) for run in runs]) for m in shown}
    for row, metric in enumerate(shown):
        for column, key in enumerate(keys):
            axes = grid[row * len(keys) + column]
            _cloud(axes, key, means[metric])
            unit = f" ({key.unit})" if key.unit else ""
            finish(
                axes, title_of(metric) if column == 0 else "", f"{clip(key.name, 60 // len(keys))}{unit}" if row == len(shown) - 1 else ""
            )
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(FuncFormatter(short))
    thinned = f" {MOST_POINTS} of {len(runs)} cases are drawn as dots, all count in the line." if len(runs) > MOST_POINTS else ""
    most = f" The first {len(keys)} of {len(design.sampled)} keys." if len(design.sampled) > len(keys) else ""
    return Plot(
        svg_of(figure, "sampled keys"),
        "What each sampled key does",
        f"A dot is a case; the line joins means over tenths of the cases, in the order of the key. "
        f"The other keys vary at the same time.{thinned}{most}",
    )


def mean_of(run: Document, metric: str) -> float:
    value = (run["scalars"].get(metric) or {}).get("mean")
    return float("nan") if value is None else float(value)


def _cloud(axes: Any, key: Sampled, means: Floats) -> None:
    there = ~np.isnan(means)
    x, y = key.values[there], means[there]
    if len(x) == 0:
        return
    picked = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).round().astype(int))
    axes.plot(x[picked], y[picked], linestyle="", marker="o", markersize=2.5, alpha=0.5, color=COLOURS[0])
    order = np.argsort(x, kind="stable")
    if len(x) >= 20:
        parts = np.array_split(order, 10)
        axes.plot([x[part].mean() for part in parts], [y[part].mean() for part in parts], color=COLOURS[1], linewidth=1.8)
