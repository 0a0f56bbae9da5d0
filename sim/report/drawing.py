"""How the figures of a report are drawn: style, panels, axes, and the way from Matplotlib to SVG text in the page.

Matplotlib draws; colours are placeholders that become CSS variables afterwards (`var(--s1)` ...), so one drawing serves the light
and the dark page, and text stays text.  Nothing here depends on the time or the process: the same data give the same bytes.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

Series = Mapping[str, Sequence[float]]
Document = Mapping[str, Any]

INK, MUTED, GRID, PAPER = "#010101", "#010102", "#010103", "#010104"
COLOURS = tuple(f"#0102{n:02x}" for n in range(1, 10))  # --s1 to --s9
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"} | {
    colour: f"var(--s{n})" for n, colour in enumerate(COLOURS, 1)
}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mempress",
    "text.parse_math": False,
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.titlepad": 8,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "none",
    "lines.linewidth": 1.4,
    "path.simplify_threshold": 0.3,
}
WIDTH = 8.6  # inches; the page scales a figure to its column
MOST_POINTS = 500
MIB = 1 << 20


class Plot(NamedTuple):
    """A figure of the page: its SVG, a title that says what is shown, and a line or two on how to read it."""

    svg: str
    title: str
    caption: str


# ---------------------------------------------------------------- tools


def panels(
    panel: float, rows: int = 1, columns: int = 1, left: float = 0.5, legend: int = 1, gap: float = 0.5, **options: Any
) -> tuple[Figure, list[Any]]:
    """A grid of panels `panel` inches high below `legend` rows of legend, with fixed margins; `gap` inches between columns.

    Matplotlib's own layouts would draw everything twice.
    """
    top, bottom, between = 0.3 + (0.1 + 0.19 * legend if legend else 0.0), 0.42, (0.2 if options.get("sharey") else gap, 0.55)
    height = top + bottom + rows * panel + (rows - 1) * between[1]
    wide = (WIDTH - left - 0.15 - (columns - 1) * between[0]) / columns
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasSVG(figure)
    figure.subplots_adjust(
        left=left / WIDTH,
        right=1 - 0.15 / WIDTH,
        top=1 - top / height,
        bottom=bottom / height,
        wspace=between[0] / wide,
        hspace=between[1] / panel,
    )
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def svg_of(figure: Figure, label: str) -> str:
    """The figure as an SVG element: colours by CSS, coordinates with one decimal, no prologue, nothing dated."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r"#0[01]0[0-9a-f]{3}\b", lambda m: _VARIABLES.get(m.group(0), m.group(0)), text)
    text = re.sub(r' (d|x|y|transform)="[^"]*"', lambda m: re.sub(r"(\d+\.\d)\d+", r"\1", m.group(0)), text)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    salt = re.sub(r"\W+", "", label)[:24] or "f"
    text = re.sub(r'(id="|url\(#|xlink:href="#|href="#)', rf"\g<1>{salt}-", text)  # ids are unique in the page
    text = re.sub(r'<svg ([^>]*?)width="[\d.]+pt" height="[\d.]+pt"', r"<svg \1", text, count=1)
    return text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1).strip()


def thin(columns: Series, most: int = MOST_POINTS) -> dict[str, list[float]]:
    """At most `most` samples of every column, evenly spread, the last one among them."""
    length = len(next(iter(columns.values()), []))
    if length <= most:
        return {name: list(values) for name, values in columns.items()}
    picked = [round(k * (length - 1) / (most - 1)) for k in range(most)]
    return {name: [values[k] for k in picked] for name, values in columns.items()}


def rate(columns: Series, name: str, bins: int = 250) -> tuple[list[float], list[float]]:
    """A cumulative counter as a rate per second, averaged over at most `bins` stretches of time: (middle times, rates)."""
    times, values = columns.get("time_s", []), columns.get(name, [])
    if len(times) < 2 or len(values) != len(times):
        return [], []
    step = max(1, -(-(len(times) - 1) // bins))
    marks = [*range(0, len(times) - 1, step), len(times) - 1]
    middles, rates = [], []
    for a, b in pairwise(marks):
        span = times[b] - times[a]
        if span > 0:
            middles.append(0.5 * (times[a] + times[b]))
            rates.append((values[b] - values[a]) / span)
    return middles, rates


def total_rate(columns: Series, names: Iterable[str], bins: int = 250) -> tuple[list[float], list[float]]:
    times: list[float] = []
    total: list[float] = []
    for name in names:
        at, rates = rate(columns, name, bins)
        if at:
            times, total = at, rates if not total else [a + b for a, b in zip(total, rates, strict=True)]
    return times, total


def short(value: float, _position: object = None) -> str:
    """Tick labels: 12000 -> "12k"."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:g}{letter}"
    return f"{value:g}"


def time_text(value: float, _position: object = None) -> str:
    """Tick labels of an axis in nanoseconds."""
    for factor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if value >= factor:
            return f"{value / factor:g} {unit}"
    return f"{value:g} ns"


def share_text(value: float, _position: object = None) -> str:
    """Tick labels of a logarithmic axis of shares: "100 %", "1 %", "0.001 %"."""
    return f"{100 * value:.6f}".rstrip("0").rstrip(".") + " %"


def finish(axes: Any, title: str, xlabel: str = "", short_ticks: bool = True) -> None:
    """Title (with the unit of the values), label of the time axis, ticks; set places, which Matplotlib need not work out."""
    axes.set_title(title, y=1.0)
    if xlabel:
        inches = axes.get_position().height * axes.figure.get_figheight()
        axes.set_xlabel(xlabel)
        axes.xaxis.set_label_coords(0.5, -0.26 / inches)
    axes.tick_params(length=3)
    if short_ticks:
        axes.yaxis.set_major_formatter(FuncFormatter(short))


def legend_shape(labels: Sequence[str]) -> tuple[int, int]:
    """(columns, rows) of a legend as wide as the figure."""
    widths = [0.45 + 0.066 * len(label) for label in labels]
    columns = len(labels) if sum(widths) < WIDTH - 0.1 else max(1, int((WIDTH - 0.1) / max(widths)))
    return columns, -(-len(labels) // columns)


def legend_above(figure: Figure, *panels_with: Any) -> None:
    """The legend of these panels, each label once, in rows above the whole figure."""
    entries: dict[str, Any] = {}
    for axes in panels_with:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        columns, _ = legend_shape(list(entries))
        figure.legend(
            list(entries.values()), list(entries), loc="upper left", ncols=columns, handlelength=1.2, columnspacing=1.2, borderaxespad=0.1
        )


def own_legend(axes: Any) -> None:
    """The legend at the right, on the line of the panel's title."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, borderaxespad=0.1, handlelength=1.3, columnspacing=1.0)


WARM_UP = " Shaded: the warm-up, which the figures leave out."


def shade(figure: Figure, warm_up: float) -> Figure:
    """The figure with the first `warm_up` seconds shaded in every panel, whose horizontal axes are simulated time."""
    for axes in figure.axes if warm_up > 0 else ():
        if axes.axison:
            low, high = axes.get_xlim()
            axes.axvspan(low, min(warm_up, high), facecolor=MUTED, alpha=0.16, linewidth=0, zorder=3)
            axes.set_xlim(low, high)
    return figure


LONGEST_NAME = 34


def clip(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that fits: the end is what tells cases apart."""
    return name if len(name) <= longest else "…" + name[1 - longest :]


def room(names: Sequence[str]) -> float:
    """Inches for the names of the cases at the left."""
    return 0.25 + 0.075 * max(len(clip(name)) for name in names)
