"""Pictures that stand alone, PNG or SVG: the report's style in the colours of its light page."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.cachesim.files import check_place, write_whole
from sim.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.cachesim.study import Outcome

FORMATS = (".png", ".svg")
INK, MUTED, GRID = "#1b1f24", "#59636e", "#dfe3e8"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a4fb5", "#8c6d31", "#8a9099")  # --s1 to --s9 of style.css
DASHES = ("-", "--", ":", "-.")  # a tenth policy has the first one's colour, and is dashed
DPI = 150


def check_picture(path: Path, option: str) -> None:
    """UserError if the name says neither PNG nor SVG, or nothing can be written there."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{option}: expected a file name that ends in .png or .svg, found {str(path)!r}")
    check_place(path)


def style() -> Any:
    """The report's style with colours in place of its placeholders, on white."""
    from sim.report import drawing

    colours = {drawing.INK: INK, drawing.MUTED: MUTED, drawing.GRID: GRID}
    plain = {key: colours.get(value, value) if isinstance(value, str) else value for key, value in drawing.STYLE.items()}
    return plain | {"figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white"}


def save(figure: Figure, path: Path) -> None:
    """Write the picture, whole; the same data give the same bytes.  To be called inside `style`."""
    kind = path.suffix.lower().removeprefix(".")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else {"Software": None})
    write_whole(path, buffer.getvalue())


def logarithmic(axis: Any) -> None:
    """A logarithmic axis whose numbers are written as 1, 10, 100, 1k."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    from sim.report.drawing import short

    (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
    axis.set_major_formatter(FuncFormatter(short))
    axis.set_minor_formatter(NullFormatter())


def plot_curves(path: Path, title: str, outcomes: Sequence[Outcome], requests: int, size: int | None = None) -> None:
    """Miss ratio against cache size on a logarithmic axis, a line a policy; bars are 95 % intervals of estimates.

    requests  that count;  size: their bytes: then missed bytes are drawn
    """
    import matplotlib
    from matplotlib.figure import Figure

    from sim.report.drawing import clip

    points = [_point(o, requests, size) for o in outcomes]
    with matplotlib.rc_context(style()):
        figure = Figure(figsize=(8.0, 4.6), layout="constrained")
        axes = figure.subplots()
        for index, name in enumerate(dict.fromkeys(o.policy for o in outcomes)):
            _line(axes, index, name, sorted(p for p, o in zip(points, outcomes, strict=True) if o.policy == name))
        logarithmic(axes.xaxis)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("cache size (pages)")
        axes.set_ylabel("miss ratio" if size is None else "missed bytes / bytes")
        axes.set_title(clip(title, 90))
        figure.legend(loc="outside right upper")
        save(figure, path)


def _point(o: Outcome, requests: int, size: int | None) -> tuple[int, float, float]:
    """Size, ratio, and half of its interval (nan: none)."""
    misses, half, whole = (o.misses, o.half_width, requests) if size is None else (o.bytes or 0, o.bytes_half_width, size)
    return o.pages, misses / whole, math.nan if half is None else half / whole


def _line(axes: Any, index: int, name: str, points: Sequence[tuple[int, float, float]]) -> None:
    from sim.report.drawing import clip

    sizes, ratios, bars = zip(*points, strict=True)
    dashes = DASHES[index // len(COLOURS) % len(DASHES)]
    look: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)], "linestyle": dashes, "label": clip(name)}
    if len(sizes) <= 12:
        look |= {"marker": "o", "markersize": 3.5}
    if math.isnan(bars[0]):
        axes.plot(sizes, ratios, **look)
    else:
        axes.errorbar(sizes, ratios, yerr=bars, capsize=2, elinewidth=0.9, **look)
