"""The heat map of a trace: which pages are used when.  Pages in the order of their addresses, gaps between far regions cut out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.cache.heat import cells_of, count_cells
from sim.cachesim.pictures import MUTED, save, style
from sim.cachesim.tasks import Task, Tick, chunks, run_all
from sim.cachesim.trace import Trace
from sim.errors import UserError
from sim.progress import Reporter

ROWS, COLUMNS = 400, 800
WIDE = 0.02  # a gap of more than this share of all that is shown is cut
CUT_MOST = 40  # more regions than a picture can show
CUT = 0.01  # height of a cut, as a share of the picture
_NO_TIMES = np.empty(0, np.int64)


class Layout(NamedTuple):
    """Where pages are on the vertical axis.

    row      of each page, by its dense id
    regions  (first key, last key, row of the first), from low addresses to high ones
    rows     of the picture
    """

    row: np.ndarray
    regions: list[tuple[int, int, float]]
    rows: int


class Heat(NamedTuple):
    """cells: accesses by row and column; begin, end: of the horizontal axis, ns if `timed`, else numbers of requests."""

    cells: np.ndarray
    layout: Layout
    begin: int
    end: int
    timed: bool


def cuts(gaps: np.ndarray) -> np.ndarray:
    """Which gaps between neighbours are cut: from the widest on, as long as one is more than WIDE of all that are left."""
    order = np.argsort(gaps, kind="stable")[::-1]
    left = np.cumsum(gaps[order][::-1])[::-1]
    stays = np.flatnonzero(gaps[order] <= WIDE * left)
    cut = np.zeros(len(gaps), bool)
    cut[order[: stays[0] if len(stays) else len(gaps)]] = True
    return cut


def lay_out(keys: np.ndarray, rows: int = ROWS) -> Layout:
    """Rows of pages with these keys.  Distances within a region are true; where very many gaps would be cut, pages are evenly apart."""
    order = np.argsort(keys, kind="stable")
    ascending = keys[order]
    gaps = np.diff(ascending).astype(np.float64)
    gaps /= gaps.min(initial=np.inf)
    cut = cuts(gaps)
    if np.count_nonzero(cut) > CUT_MOST:
        cut, gaps = np.zeros(len(gaps), bool), np.ones(len(gaps))
    gaps[cut] = max(1.0, CUT * float(gaps[~cut].sum()))
    at = np.concatenate(([0.0], np.cumsum(gaps)))
    rows = max(1, min(rows, int(at[-1]) + 1))
    place = np.minimum(at * rows / (at[-1] + 1), rows - 1)
    row = np.empty(len(keys), np.int32)
    row[order] = place.astype(np.int32)
    begins = np.concatenate(([0], np.flatnonzero(cut) + 1))
    ends = np.concatenate((begins[1:] - 1, [len(keys) - 1]))
    return Layout(row, [(int(ascending[a]), int(ascending[b]), float(place[a])) for a, b in zip(begins, ends, strict=True)], rows)


def heat_of(trace: Trace, jobs: int = 1, reporter: Reporter | None = None, rows: int = ROWS, columns: int = COLUMNS) -> Heat:
    """Count the cells in one pass.  By time where the trace has it and time passes; else by the number of the request."""
    if trace.keys is None:
        raise UserError(f"{trace.name}: --heatmap: the format {trace.format} has no addresses of pages")
    layout = lay_out(trace.keys, rows)
    timed = trace.time is not None and bool(trace.time[-1] > trace.time[0])
    times = trace.time if timed and trace.time is not None else _NO_TIMES
    begin, end = (int(times[0]), int(times[-1]) + 1) if timed else (0, len(trace.ids))
    cells = cells_of(layout.rows, min(columns, end - begin))

    def work(tick: Tick) -> None:
        for a, b in chunks(len(trace.ids)):
            count_cells(trace.ids[a:b], layout.row, times[a:b], a, begin, end - begin, cells)
            tick(b - a)

    run_all([Task(len(trace.ids), work)], jobs, reporter, trace.name)
    return Heat(cells, layout, begin, end, timed)


def draw_heat(heat: Heat, path: Path, title: str) -> None:
    """The picture: darker is more accesses, on a logarithmic scale; white is none."""
    import matplotlib
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    from sim.report.drawing import clip, short, time_text

    with matplotlib.rc_context(style() | {"axes.grid": False}):
        figure = Figure(figsize=(9.0, 5.4), layout="constrained")
        axes = figure.subplots()
        shown = np.ma.masked_equal(heat.cells, 0)
        span = (0, heat.end - heat.begin, 0, heat.layout.rows)
        colours = LogNorm(1, max(2, int(heat.cells.max())))
        image = axes.imshow(
            shown,
            cmap=_ramp(),
            norm=colours,
            origin="lower",
            aspect="auto",
            extent=span,
            interpolation="nearest",
            interpolation_stage="rgba",
        )
        axes.xaxis.set_major_formatter(FuncFormatter(time_text if heat.timed else short))
        axes.set_xlabel("time" if heat.timed else "request")
        axes.set_ylabel(f"page{', in regions that are far apart' if len(heat.layout.regions) > 1 else ''}")
        _mark_regions(axes, heat.layout)
        axes.set_title(clip(title, 90))
        figure.colorbar(image, ax=axes, label="accesses", format=FuncFormatter(short), pad=0.01)
        save(figure, path)


def _ramp() -> Any:
    """Light to dark; cells without accesses are left white."""
    from matplotlib import colormaps

    return colormaps["magma_r"].with_extremes(bad="white")


def _mark_regions(axes: Any, layout: Layout) -> None:
    """A line and the first page's number at the start of each region, if there is room for it; the last page's at the end."""
    ticks, labels, least = list[float](), list[str](), layout.rows / 28
    for first, _, row in layout.regions:
        if row:
            axes.axhline(row, color=MUTED, linewidth=0.5, alpha=0.6)
        if not ticks or row - ticks[-1] >= least:
            ticks.append(row)
            labels.append(key_text(first, layout.regions))
    if layout.rows - ticks[-1] >= least:
        ticks.append(layout.rows)
        labels.append(key_text(layout.regions[-1][1], layout.regions))
    axes.set_yticks(ticks, labels)


def key_text(key: int, regions: Sequence[tuple[int, int, float]]) -> str:
    """Decimal as long as the numbers are short ones."""
    return str(key) if regions[-1][1] < 10**7 else hex(key)
