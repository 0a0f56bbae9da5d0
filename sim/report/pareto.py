"""Which cases are worth their price: memory against stalls, with the cases that no other one beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.report.comparisons import levels_as_numbers
from sim.report.design import Document, Floats
from sim.report.drawing import COLOURS, MUTED, Plot, finish, panels, short, svg_of
from sim.report.effects import MOST_POINTS, mean_of, title_of
from sim.report.tables import plain

MOST_WHISKERS = 60
MOST_NUMBERED = 30


class Front(NamedTuple):
    """Cases that no other one beats in both figures.  rows: number on the plot, the cases there (several if equal), both values."""

    x: str
    y: str
    rows: list[tuple[int, list[int], str, str]]


COSTS = ("pool_frames", "effective_compression")
HARMS = ("psi_memory_full", "run_time", "fault_p99")


def _axis_of_memory(labels: Sequence[Mapping[str, Any]]) -> tuple[str, list[float]] | None:
    """The VM's memory, if it is swept: less of it for the same speed is what is saved."""
    texts = [str(one.get("machine.memory", "")) for one in labels]
    found = levels_as_numbers(texts) if len(set(texts)) > 1 and all(texts) else None
    return (f"machine.memory ({found[1]})" if found[1] else "machine.memory", found[0]) if found else None


def pareto(labels: Sequence[Mapping[str, Any]], runs: Sequence[Document], metrics: Sequence[str]) -> tuple[Plot, list[Front]] | None:
    """Memory against harm, less of both is better; up to two panels, with the front drawn and numbered."""
    memory = _axis_of_memory(labels)
    costs: list[tuple[str, list[float], list[float] | None]] = [(*memory, None)] if memory is not None else []
    for metric in COSTS if memory is None else ():  # with more memory the pool is smaller for another reason
        if metric in metrics:
            halves = [float((run["scalars"].get(metric) or {}).get("half_width") or 0.0) for run in runs]
            costs.append((title_of(metric), [mean_of(run, metric) for run in runs], halves))
    pairs = [(cost, harm) for harm in [metric for metric in HARMS if metric in metrics][:2] for cost in costs]
    if not pairs:
        return None
    columns = min(2, len(pairs))
    figure, grid = panels(2.1, -(-len(pairs) // columns), columns, left=0.6, gap=0.6, legend=0)
    fronts = []
    for axes, ((label, x, half), harm) in zip(grid, pairs, strict=True):
        fronts.append(_front_panel(axes, label, np.array(x), half, harm, runs))
        finish(axes, title_of(harm), label)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(short))
    plot = Plot(
        svg_of(figure, "Pareto fronts"),
        "Memory against stalls: what is worth its price",
        "Less of both is better, so the best cases are at the lower left. "
        "Filled and numbered: no other case is better in one figure and as good in the other (by their "
        "means; where whiskers, 95 % intervals, overlap, a neighbour may belong to the front as well). "
        "The cases are named in the table below.",
    )
    return plot, fronts


def front(x: Floats, y: Floats) -> list[int]:
    """Indices of the points that no other point beats: at most as much of both and less of one; ordered along x."""
    there = [k for k in range(len(x)) if not (np.isnan(x[k]) or np.isnan(y[k]))]
    found: list[int] = []
    best = float("inf")
    for k in sorted(there, key=lambda k: (x[k], y[k])):
        if y[k] < best or (found and y[k] == best and x[k] == x[found[-1]]):
            found.append(k)
            best = y[k]
    return found


def _front_panel(axes: Any, label: str, x: Floats, x_half: Sequence[float] | None, harm: str, runs: Sequence[Document]) -> Front:
    y = np.array([mean_of(run, harm) for run in runs])
    y_half = [float((run["scalars"].get(harm) or {}).get("half_width") or 0.0) for run in runs]
    there = np.flatnonzero(~(np.isnan(x) | np.isnan(y)))
    chosen = front(x, y)
    picked = there[np.unique(np.linspace(0, len(there) - 1, min(len(there), MOST_POINTS)).round().astype(int))] if len(there) else there
    axes.plot(x[picked], y[picked], linestyle="", marker="o", markersize=3.5, markerfacecolor="none", color=MUTED)
    for k in [*(picked if len(picked) <= MOST_WHISKERS else []), *chosen]:
        colour = COLOURS[0] if k in chosen else MUTED
        axes.vlines(x[k], y[k] - y_half[k], y[k] + y_half[k], color=colour, linewidth=0.8, alpha=0.7)
        if x_half is not None:
            axes.hlines(y[k], x[k] - x_half[k], x[k] + x_half[k], color=colour, linewidth=0.8, alpha=0.7)
    axes.step(x[chosen], y[chosen], where="post", color=COLOURS[0], linewidth=1.2)
    axes.plot(x[chosen], y[chosen], linestyle="", marker="o", markersize=5, color=COLOURS[0])
    places: dict[tuple[float, float], list[int]] = {}
    for k in chosen:
        places.setdefault((float(x[k]), float(y[k])), []).append(k)
    rows = []
    for number, ((at_x, at_y), equal) in enumerate(places.items(), 1):
        if number <= MOST_NUMBERED:
            axes.annotate(str(number), (at_x, at_y), textcoords="offset points", xytext=(5, 4), fontsize=8.5)
        rows.append((number, equal, plain(at_x), plain(at_y)))
    return Front(label, title_of(harm), rows)
