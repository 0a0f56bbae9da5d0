"""report.html of a fleet, from the files in its folder alone: targets, distribution functions, percentiles, differences."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.errors import UserError
from sim.fleet.figures import PERCENTILES
from sim.fleet.tables import difference_cell, span, target_cell, target_text
from sim.folders import FLEET_FILE, VMS_FILE, read_json
from sim.results import to_json

Document = Mapping[str, Any]
LIMITS = (
    "The VMs are as the distributions say: figures of a fleet are as good as what its distributions were taken from.",
    "VMs do not disturb each other: no host that runs out of memory or of CPUs, no shared device.",
    "Intervals say how far the figures would move with other VMs drawn from the same distributions, and nothing of the model's own "
    "error (docs/model.md says how near that is to a kernel).",
)
DRAWN = 8  # figures with a plot of their own


def _columns(path: Path) -> list[dict[str, str]]:
    """The rows of vms.csv, without its line of units."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))[1:]
    except (OSError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def _values(rows: Sequence[Mapping[str, str]], name: str, setting: int, settings: int) -> list[float]:
    return sorted(float(row[name]) for row in rows[setting::settings] if row[name])


def _ecdf(axes: Any, values: Sequence[float], label: str, colour: str) -> None:
    """Share of the VMs at or below each value, thinned to what can be seen."""
    n = len(values)
    picked = sorted({round(k * (n - 1) / min(n - 1, 400)) for k in range(min(n - 1, 400) + 1)}) if n > 1 else [0]
    axes.plot([values[k] for k in picked], [100 * (k + 1) / n for k in picked], drawstyle="steps-post", label=label, color=colour)


def _scale(axes: Any, everything: Sequence[float], bound: float | None) -> None:
    """Logarithmic where values spread over more than two decades."""
    positive = [value for value in everything if value > 0]
    if positive and min(everything) >= 0 and max(positive) > 100 * sorted(positive)[len(positive) // 10]:
        smallest = sorted(positive)[len(positive) // 20]
        axes.set_xscale("symlog", linthresh=smallest if bound is None else min(smallest, bound) or smallest)


def _plots(document: Document, rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    import matplotlib

    from sim.report.drawing import COLOURS, MUTED, STYLE, finish, legend_above, legend_shape, panels, svg_of

    names = [setting["name"] for setting in document["settings"]]
    found = []
    with matplotlib.rc_context(STYLE):
        for name in list(document["metrics"])[:DRAWN]:
            spread = [_values(rows, name, k, len(names)) for k in range(len(names))]
            everything = [value for values in spread for value in values]
            if not everything or min(everything) == max(everything):
                continue
            figure, (axes,) = panels(2.2, legend=legend_shape(names)[1] if len(names) > 1 else 0)
            for k, values in enumerate(spread):
                if values:
                    _ecdf(axes, values, names[k], COLOURS[k % len(COLOURS)])
            target = document["targets"].get(name)
            bound = None if target is None else target["most"] if target["most"] is not None else target["least"]
            if bound is not None:
                axes.axvline(bound, color=MUTED, linestyle="--")
            _scale(axes, everything, bound)
            axes.set_ylim(0, 101)
            unit = document["metrics"][name]["unit"]
            finish(axes, "% of the VMs at or below", f"{name}{f', {unit}' if unit else ''}")
            if len(names) > 1:
                legend_above(figure, axes)
            caption = document["metrics"][name]["doc"] + ("; dashed: the target" if bound is not None else "")
            found.append({"title": name, "svg": svg_of(figure, f"fleet {name}"), "caption": f"{caption[:1].upper()}{caption[1:]}."})
    return found


def _percentile_rows(document: Document) -> list[dict[str, Any]]:
    rows = []
    for name, found in document["metrics"].items():
        for setting, one in zip(document["settings"], found["settings"], strict=True):
            if one["n"]:
                mean = span({"value": one["mean"], "low": one["low"], "high": one["high"]})
                cells = [mean, *(span(one["percentiles"][str(p)]) for p in PERCENTILES)]
                rows.append({"name": name, "unit": found["unit"], "doc": found["doc"], "setting": setting["name"], "cells": cells})
    return rows


def fleet_page(folder: Path) -> str:
    """The text of report.html."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from sim.report import HERE, read_provenance

    document = read_json(folder / FLEET_FILE)
    settings = [setting["name"] for setting in document["settings"]]
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("fleet.html.j2").render(
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        top=document,
        settings=settings,
        targets=[
            (target_text(name, target), [(s, target_cell(found)) for s, found in zip(settings, target["settings"], strict=True)])
            for name, target in document["targets"].items()
        ],
        saved=[(s, span(found)) for s, found in zip(settings, document["saved_in_all"], strict=True) if found is not None],
        figures=_plots(document, _columns(folder / VMS_FILE)),
        percentiles=[f"p{p}" for p in PERCENTILES],
        rows=_percentile_rows(document),
        others=settings[1:],
        differences=[
            (name, [difference_cell(found, document["metrics"][name]["unit"]) for found in listed])
            for name, listed in document["differences"].items()
        ],
        config=to_json(document["config"]),
        provenance=read_provenance(folder),
        limits=LIMITS,
    )
