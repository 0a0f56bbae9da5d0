"""What the page of a sweep shows beside its cases: what each key does, alone and with others, and which cases are worth their price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib

from sim.report import effects
from sim.report.design import Document, design_of
from sim.report.drawing import STYLE, Plot
from sim.report.effects import ShareTable
from sim.report.heatmaps import HeatMap, heat_maps
from sim.report.pareto import Front, pareto

MOST_CROSSED = 2  # metrics whose interactions are drawn


class Parts(NamedTuple):
    """The parts in the order of the page; empty where the sweep gives nothing to show."""

    plots: list[Plot]
    shares: ShareTable | None
    maps: list[HeatMap]
    pareto: Plot | None
    fronts: list[Front]
    tied: list[tuple[str, str]]


NOTHING = Parts([], None, [], None, [], [])


def sweep_parts(names: Sequence[str], labels: Sequence[Mapping[str, Any]], runs: Sequence[Document]) -> Parts:
    """Everything from the cases' labels and run.json; a sweep of fewer than three cases has none of it."""
    if len(names) < 3:
        return NOTHING
    design = design_of(labels)
    metrics = effects.varying(runs)
    several_keys = len(design.factors) + len(design.sampled) > 1
    with matplotlib.rc_context(STYLE):
        drawn = [effects.scatter(design, runs, metrics)]
        if several_keys:
            drawn.append(effects.main_effects(design, runs, metrics))
            drawn += [effects.interactions(design, runs, metric) for metric in metrics[:MOST_CROSSED]]
        found = pareto(labels, runs, metrics)
    plot, fronts = found if found is not None else (None, [])
    shares = effects.share_table(design, runs, metrics) if several_keys else None
    return Parts([plot for plot in drawn if plot is not None], shares, heat_maps(design, runs, metrics), plot, fronts, design.tied)
