"""report.html of a tuning, from the files in its folder alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.fleet.figures import metric as described
from sim.folders import TUNE_FILE, read_json
from sim.results import to_json
from sim.tune.candidates import BASELINE
from sim.tune.command import lines, sentence
from sim.tune.verdict import OBJECTIVE

Document = Mapping[str, Any]
LIMITS = (
    "The search sees what was sampled: settings between the candidates were not tried.",
    "A recommendation is for this workload on this simulated machine; docs/model.md says how near the simulator is to a kernel.",
)
SHOWN = 40  # candidates that are drawn


def _title(metric: str) -> str:
    unit = "" if metric == OBJECTIVE else described(metric).unit
    return f"{metric} ({unit})" if unit else metric


def _point(one: Document, metric: str) -> tuple[float, float] | None:
    found = one["figures"].get(metric) or {}
    return None if found.get("mean") is None else (float(found["mean"]), float(found.get("half_width") or 0.0))


def _ladder(document: Document) -> dict[str, str] | None:
    """The objective of the candidates, the best first, with the rung that each reached."""
    from sim.report.drawing import COLOURS, clip, finish, legend_above, panels, room, svg_of

    there = [(one, point) for one in document["candidates"] if (point := _point(one, OBJECTIVE)) is not None]
    there.sort(key=lambda item: (item[0]["dropped_after_rung"] or 10**6) * -1e12 + item[1][0])
    there = there[:SHOWN]
    if not there:
        return None
    names = [one["name"] for one, _ in there]
    figure, (axes,) = panels(0.2 * len(there) + 0.2, left=room(names), legend=1)
    steps = len(document["rungs"])
    for place, (one, (mean, half)) in enumerate(there):
        reached = one["dropped_after_rung"] or steps + 1
        colour = COLOURS[7] if one["name"] == BASELINE else COLOURS[min(reached - 1, 5)]
        axes.hlines(place, mean - half, mean + half, color=colour, linewidth=1)
        axes.plot([mean], [place], marker="o", markersize=4, color=colour, linestyle="")
    for rung in range(1, steps + 2):
        label = f"left after rung {rung}" if rung <= steps else "finalist"
        axes.plot([], [], marker="o", linestyle="", color=COLOURS[min(rung - 1, 5)], label=label)
    axes.plot([], [], marker="o", linestyle="", color=COLOURS[7], label=BASELINE)
    axes.set_yticks(range(len(names)), [clip(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    finish(axes, "", "objective, less is better", short_ticks=False)
    legend_above(figure, axes)
    return {
        "title": "The candidates",
        "svg": svg_of(figure, "objective of the candidates"),
        "caption": f"Means over the replications that each got, with 95 % intervals; at most {SHOWN}, those that got furthest first.",
    }


def _pareto(document: Document) -> dict[str, str] | None:
    """What is saved against what it costs, the front numbered."""
    from sim.report.drawing import COLOURS, MUTED, finish, panels, svg_of

    saved, stall = document["section"]["pareto"]
    figure, (axes,) = panels(2.6, left=0.7, legend=0)
    drawn = 0
    for one in document["candidates"]:
        x, y = _point(one, saved), _point(one, stall)
        if x is None or y is None:
            continue
        drawn += 1
        best = one["name"] in document["pareto"]
        colour = COLOURS[7] if one["name"] == BASELINE else COLOURS[0] if best else MUTED
        axes.hlines(y[0], x[0] - x[1], x[0] + x[1], color=colour, linewidth=0.8)
        axes.vlines(x[0], y[0] - y[1], y[0] + y[1], color=colour, linewidth=0.8)
        axes.plot([x[0]], [y[0]], marker="o", markersize=5 if best else 3.5, color=colour, markerfacecolor=colour if best else "none")
        if best:
            axes.annotate(
                str(document["pareto"].index(one["name"]) + 1), x[:1] + y[:1], textcoords="offset points", xytext=(5, 4), fontsize=8.5
            )
    if drawn < 2:
        return None
    finish(axes, _title(stall), _title(saved), short_ticks=False)
    names = "; ".join(f"{k}: {name}" for k, name in enumerate(document["pareto"], 1))
    return {
        "title": f"{saved} against {stall}",
        "svg": svg_of(figure, "Pareto front"),
        "caption": f"Filled and numbered: beaten by no other candidate in both, by the means. {names}.",
    }


def _rows(document: Document) -> list[dict[str, Any]]:
    metrics = list(document["candidates"][0]["figures"])
    steps = len(document["rungs"])
    rows = []
    for one in document["candidates"]:
        left = one["dropped_after_rung"]
        state = one["error"] or ("" if one["name"] == BASELINE else f"left after rung {left} of {steps}" if left else "finalist")
        cells = []
        for metric in metrics:
            point = _point(one, metric)
            cells.append("–" if point is None else f"{point[0]:.4g}" + (f" ± {point[1]:.2g}" if point[1] else ""))
        settings = ", ".join(f"{key}={text}" for key, text in one["settings"].items())
        rows.append({"name": one["name"], "settings": settings, "state": state, "replications": one["replications"], "cells": cells})
    return rows


def _effects(document: Document) -> list[tuple[str, list[str], str]]:
    return [
        (one["name"], [sentence(metric, effect) for metric, effect in one["effects"].items()], _p(one["adjusted_p"]))
        for one in document["finalists"]
    ]


def _p(value: float | None) -> str:
    return "–" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _figures(document: Document) -> Sequence[dict[str, str]]:
    import matplotlib

    from sim.report.drawing import STYLE

    with matplotlib.rc_context(STYLE):
        return [figure for figure in (_pareto(document), _ladder(document)) if figure is not None]


def tune_page(folder: Path) -> str:
    """The text of report.html."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from sim.report import HERE, read_provenance

    document = read_json(folder / TUNE_FILE)
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("tune.html.j2").render(
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        sort=(HERE / "sort.js").read_text(encoding="utf-8"),
        top=document,
        answer="\n".join(lines(document)),
        metrics=[_title(metric) for metric in document["candidates"][0]["figures"]],
        rows=_rows(document),
        effects=_effects(document),
        figures=_figures(document),
        section=to_json(document["section"]),
        provenance=read_provenance(folder),
        limits=[*LIMITS, *document.get("limits", ())],
    )
