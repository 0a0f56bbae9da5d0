"""report.html of a sensitivity study, from the files in its folder alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.folders import SENSITIVITY_FILE, read_json
from sim.metrics import describe
from sim.results import to_json
from sim.sensitivity.command import cell, lines

Document = Mapping[str, Any]
LIMITS = (
    "The indices are for these ranges: a key that matters little between two values may matter much beyond them.",
    "Means over the replications are analysed; the noise column says what chance alone would give.",
    "They are the indices of the simulated machine; docs/model.md says how near that is to a kernel.",
)


def _alone(text: str) -> str:
    """A sentence without the figure that it begins with, which stands above the plot."""
    rest = text.partition(": ")[2]
    return rest[:1].upper() + rest[1:] if rest.startswith("what ") else rest


def _plot(document: Document, metric: str) -> dict[str, str] | None:
    """Both indices of each key, the largest first, with what noise alone would give."""
    from sim.report.drawing import COLOURS, MUTED, clip, finish, legend_above, panels, room, svg_of

    figure = document["figures"][metric]
    rows = sorted(figure["keys"], key=lambda row: -max(row["first"], row["other"]))
    if not rows or all(row["first"] == 0 for row in rows):
        return None
    names = [row["key"] for row in rows]
    first, other = document["titles"]
    noise = " Dashed: what noise alone would give." if any(row["floor"] is not None for row in rows) else ""
    drawing, (axes,) = panels(0.42 * len(rows) + 0.2, left=room(names), legend=1)
    for place, row in enumerate(rows):
        for shift, value, half, colour in (
            (-0.18, row["first"], row["half_first"], COLOURS[0]),
            (0.18, row["other"], row["half_other"], COLOURS[1]),
        ):
            axes.barh([place + shift], [value], height=0.32, color=colour)
            if half:
                axes.hlines(place + shift, value - half, value + half, color=MUTED, linewidth=1.2)
        if row["floor"] is not None:
            shift = -0.18 if document["method"] == "morris" else 0.18
            axes.vlines(row["floor"], place + shift - 0.18, place + shift + 0.18, color=MUTED, linestyle="--", linewidth=1.2)
    for label, colour in ((first, COLOURS[0]), (other, COLOURS[1])):
        axes.plot([], [], marker="s", linestyle="", color=colour, label=label)
    axes.set_yticks(range(len(names)), [clip(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    unit = describe(metric).unit if document["method"] == "morris" else "share of the variance"
    finish(axes, "", unit, short_ticks=False)
    legend_above(drawing, axes)
    return {
        "title": metric,
        "svg": svg_of(drawing, f"sensitivity of {metric}"),
        "caption": " ".join(f"{_alone(text)}." for text in figure["words"]) + noise,
    }


def _cells(row: Document) -> tuple[str, ...]:
    """A row of the table."""
    what = [text for text, yes in (("matters", row["matters"]), ("depends on others", row["interacts"])) if yes]
    floor = "–" if row["floor"] is None else cell(row["floor"], None)
    return row["key"], cell(row["first"], row["half_first"]), cell(row["other"], row["half_other"]), floor, ", ".join(what)


def sensitivity_page(folder: Path) -> str:
    """The text of report.html."""
    import matplotlib
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from sim.report import HERE, read_provenance
    from sim.report.drawing import STYLE

    document = read_json(folder / SENSITIVITY_FILE)
    with matplotlib.rc_context(STYLE):
        figures = [plot for metric in document["figures"] if (plot := _plot(document, metric)) is not None]
    tables = [(metric, figure["absent"], [_cells(row) for row in figure["keys"]]) for metric, figure in document["figures"].items()]
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("sensitivity.html.j2").render(
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        sort=(HERE / "sort.js").read_text(encoding="utf-8"),
        top=document,
        figures=figures,
        tables=tables,
        answer="\n".join(lines(document)),
        section=to_json(document["section"]),
        provenance=read_provenance(folder),
        limits=LIMITS,
    )
