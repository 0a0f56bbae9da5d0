"""The figures of the bench's report, made from its folder alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator

from sim.bench.density import COLUMNS
from sim.bench.measure import Probe
from sim.report.bench_tables import average, cases_of, names_of, value_of
from sim.report.drawing import (
    COLOURS,
    GRID,
    MUTED,
    PAPER,
    STYLE,
    Plot,
    clip,
    finish,
    legend_above,
    legend_shape,
    panels,
    room,
    short,
    svg_of,
    thin,
    time_text,
)

Document = Mapping[str, Any]
Columns = Mapping[str, list[float]]
MOST_PANELS = 12
MOST_POINTS = 150
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))


def draw(document: Document, series: Mapping[str, Columns], density: Mapping[str, Columns]) -> list[Plot]:
    """All figures, in order.  series: samples by case;  density: columns by allocator."""
    with matplotlib.rc_context(STYLE):
        found = [
            loss_split(document),
            pages_over_time(document, series),
            costs(document),
            density_by_size(document, density),
            what_compaction_frees(document),
            compaction_price(document),
            drain(document, series),
            picture(document),
        ]
        return [plot for plot in found if plot is not None]


def _rectangles(boxes: Sequence[tuple[float, float, float, float]]) -> Path:
    """One path of all boxes (left, lower, right, upper): much shorter as SVG than a patch each."""
    corners: list[tuple[float, float]] = []
    for left, lower, right, upper in boxes:
        corners += [(left, lower), (right, lower), (right, upper), (left, upper), (left, lower)]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(boxes)
    return Path(corners, codes) if boxes else Path([(0.0, 0.0)])


def look(document: Document, allocator: str) -> dict[str, Any]:
    """Colour and dashes of an allocator: the same in all figures."""
    names = [item["name"] for item in document["allocators"]]
    place = names.index(allocator)
    return {"color": COLOURS[place % 9], "linestyle": _DASHES[place // 9 % 3]}


# ---------------------------------------------------------------- space

PARTS = (
    ("payload", 0, 1.0),
    ("headers in pages", 3, 1.0),
    ("lost by rounding", 1, 1.0),
    ("free space", 5, 0.6),
    ("metadata outside", 6, 1.0),
    ("refused: a page each", 8, 0.55),
)


def split(case: Document) -> list[float] | None:
    """PARTS of a case in pages for 100 pages of its caller; their sum is `memory_used`."""
    names = ("effective_compression", "metadata_outside", "fragmentation_loss", "loss_metadata", "loss_internal", "loss_external")
    values = [value_of(case, name) for name in names]
    raw = value_of(case, "raw") or 0.0
    if any(value is None for value in values):
        return None
    effective, outside, lost, *losses = (float(value or 0.0) for value in values)
    pool = (1 - raw / 100) * effective / (1 + outside / 100)
    inside = [pool * share / 100 for share in (100 - lost, *losses)]
    return [*inside, pool * outside / 100, raw]


def _panel_names(document: Document) -> list[str]:
    return list(document["sequences"][:MOST_PANELS])


def _case(document: Document, allocator: str, sequence: str) -> Document | None:
    return next((case for case in cases_of(document, allocator) if case["sequence"] == sequence), None)


def loss_split(document: Document) -> Plot | None:
    """A stacked bar per allocator and sequence: what the memory holds."""
    names, sequences = names_of(document), _panel_names(document)
    if not names or not sequences:
        return None
    columns = min(3, len(sequences))
    rows = -(-len(sequences) // columns)
    labels = [label for label, *_ in PARTS]
    figure, grid = panels(
        0.15 * len(names) + 0.1, rows, columns, left=room(names), legend=legend_shape(labels)[1], sharey=True, sharex=True
    )
    widest = 100.0
    for index, axes in enumerate(grid):
        if index >= len(sequences):
            axes.set_axis_off()
            continue
        found = [(place, split(case)) for place, name in enumerate(names) if (case := _case(document, name, sequences[index])) is not None]
        bars = [(place, parts) for place, parts in found if parts is not None]
        left = [0.0] * len(bars)
        for part, (label, colour, alpha) in enumerate(PARTS):
            right = [start + parts[part] for start, (_, parts) in zip(left, bars, strict=True)]
            boxes = [(a, place - 0.35, b, place + 0.35) for a, b, (place, _) in zip(left, right, bars, strict=True) if b - a > 0.05]
            axes.add_patch(PathPatch(_rectangles(boxes), color=COLOURS[colour], alpha=alpha, label=label, linewidth=0))
            left = right
        widest = max([widest, *left])
        axes.set_xlim(0, 1.02 * widest)
        _name_axis(axes, names)
        finish(
            axes, clip(sequences[index], 34), "pages for 100 pages stored" if index + columns >= len(sequences) else "", short_ticks=False
        )
    legend_above(figure, grid[0])
    return Plot(
        svg_of(figure, "what the memory holds"),
        "What the memory holds: payload and losses",
        "Pages of memory for 100 pages that the caller wants to store, over the whole sequence. Blue is what any allocator needs; a "
        "page that the allocator refuses takes a page.",
    )


def _name_axis(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [clip(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def pages_over_time(document: Document, series: Mapping[str, Columns]) -> Plot | None:
    """Pool pages over the operations, a panel per sequence."""
    sequences = [name for name in _panel_names(document) if any(case["sequence"] == name for case in document["cases"])]
    if not sequences:
        return None
    columns = min(3, len(sequences))
    names = names_of(document)
    figure, grid = panels(1.35, -(-len(sequences) // columns), columns, legend=legend_shape(["payload", *names])[1])
    for index, axes in enumerate(grid):
        if index >= len(sequences):
            axes.set_axis_off()
            continue
        for number, name in enumerate(names):
            case = _case(document, name, sequences[index])
            if case is None or case["name"] not in series:
                continue
            shown = thin(series[case["name"]], MOST_POINTS)
            axes.plot(shown["operation"], shown["pages"], label=name, linewidth=1.1, **look(document, name))
            if number == 0:
                ideal = [value / document["page_size"] for value in shown["payload"]]
                axes.fill_between(shown["operation"], 0, ideal, color=GRID, linewidth=0, label=f"payload of {name}")
        tops = sorted(max(line.get_ydata(), default=0.0) for line in axes.get_lines())
        axes.set_ylim(0, max(1.35 * tops[len(tops) // 2], 1.0) if tops else 1.0)
        axes.xaxis.set_major_formatter(FuncFormatter(short))
        finish(axes, clip(sequences[index], 34), "operations" if index + columns >= len(sequences) else "")
    legend_above(figure, *grid[: len(sequences)])
    return Plot(
        svg_of(figure, "pool pages over the operations"),
        "Pool pages over the operations",
        "Pages in use after so many stores and frees, replication 0; a line far above the others leaves its panel. An allocator that "
        "refuses large objects stores fewer, so it may lie below the payload of the first.",
    )


# ---------------------------------------------------------------- cost


def costs(document: Document) -> Plot | None:
    """Mean, 99.9 % and worst of a store and of a free, over all sequences."""
    names = names_of(document)
    kinds = (("store", "Time of a store"), ("free", "Time of a free"))
    found = {
        (name, kind): [average(cases_of(document, name), f"{kind}_ns_{what}") for what in ("mean", "p999", "worst")]
        for name in names
        for kind, _ in kinds
    }
    if not any(values[0] for values in found.values()):
        return None
    figure, grid = panels(0.19 * len(names) + 0.1, 1, 2, left=room(names), legend=1, sharey=True, sharex=True)
    for axes, (kind, title) in zip(grid, kinds, strict=True):
        for what, (label, marker) in enumerate((("mean", "o"), ("99.9 %", "D"), ("worst", "|"))):
            points = [(one.mean, place) for place, name in enumerate(names) if (one := found[name, kind][what]) is not None]
            axes.scatter([x for x, _ in points], [y for _, y in points], color=COLOURS[what], marker=marker, s=26, label=label, zorder=3)
        _name_axis(axes, names)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(time_text))
        axes.minorticks_off()
        finish(axes, title, short_ticks=False)
    legend_above(figure, grid[0])
    return Plot(
        svg_of(figure, "time of an operation"),
        "What an operation costs",
        "By the table of costs, over all sequences: blocks looked at, bytes copied, pages taken and returned. Mean and 99.9 % are "
        "means of the sequences, worst is the worst operation of all. The axis is logarithmic.",
    )


def density_by_size(document: Document, density: Mapping[str, Columns]) -> Plot | None:
    """Objects a page and blocks looked at, for every size alone."""
    if not density:
        return None
    page = document["page_size"]
    figure, (dense, held, work) = panels(1.6, 3, 1, left=0.6, legend=legend_shape(list(density))[1])
    for name, columns in density.items():
        size, per_page, bytes_held, walked = density_curves(thin(columns, 512), page)
        for axes, values in ((dense, per_page), (held, bytes_held), (work, walked)):
            axes.plot(size, values, linewidth=1.0, label=name, **look(document, name))
    dense.set_yscale("log")
    dense.set_ylim(0.9, 260)
    dense.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    dense.yaxis.set_major_formatter(FuncFormatter(short))
    held.set_ylim(0.95, 2.05)
    work.set_ylim(bottom=0)
    for axes in (dense, held, work):
        axes.minorticks_off()
        axes.set_xlim(0, page)
    finish(dense, "Objects a page", short_ticks=False)
    finish(held, "Bytes of memory for each byte stored", short_ticks=False)
    finish(work, "List heads and blocks looked at by a store, mean", "compressed size (bytes)")
    legend_above(figure, dense)
    return Plot(
        svg_of(figure, "density by size"),
        "Every size alone: density and work",
        "Equal objects stored into an empty pool, metadata outside the pages included; a line ends where the allocator refuses. This "
        "loop was proposed on 2011-09-15; its plot was not found published.",
    )


def density_curves(columns: Columns, page: int) -> tuple[list[float], list[float], list[float], list[float]]:
    """(size, objects a page, bytes of memory for each byte stored, blocks looked at) of the sizes that are accepted."""
    rows = [row for row in zip(*(columns[name] for name in COLUMNS), strict=True) if row[1]]
    held = [pages + outside / page for _, _, pages, outside, *_ in rows]
    return (
        [row[0] for row in rows],
        [row[1] / pages if pages else math.nan for row, pages in zip(rows, held, strict=True)],
        [pages * page / (row[0] * row[1]) for row, pages in zip(rows, held, strict=True)],
        [row[4] / row[1] for row in rows],
    )


# ---------------------------------------------------------------- compaction and freed pages


def _probed(document: Document) -> list[Document]:
    return [case for case in document["cases"] if not case["every"] and case["probes"] and any(case["probes"])]


def what_compaction_frees(document: Document) -> Plot | None:
    """Share of the pool's pages that compacting would free, against churn."""
    cases = _probed(document)
    sequences = [name for name in _panel_names(document) if any(case["sequence"] == name for case in cases)]
    if not sequences:
        return None
    columns = min(3, len(sequences))
    names = list(dict.fromkeys(case["allocator"] for case in cases))
    figure, grid = panels(1.2, -(-len(sequences) // columns), columns, legend=legend_shape(names)[1])
    for index, axes in enumerate(grid):
        if index >= len(sequences):
            axes.set_axis_off()
            continue
        for case in cases:
            if case["sequence"] == sequences[index]:
                x, y = compaction_curve(case)
                axes.plot(x, y, marker="o", markersize=2.5, label=case["allocator"], **look(document, case["allocator"]))
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(FuncFormatter(short))
        finish(axes, clip(sequences[index], 34), "objects freed before" if index + columns >= len(sequences) else "", short_ticks=False)
    legend_above(figure, *grid[: len(sequences)])
    return Plot(
        svg_of(figure, "what compaction would free"),
        "What compaction would free, against churn (% of the pool's pages)",
        "At each point a copy of the pool was compacted completely; means over the replications. Allocators without compaction are left "
        "out.",
    )


def compaction_curve(case: Document) -> tuple[list[float], list[float]]:
    """(objects freed before, % of the pages that compacting would free), means over the replications."""
    x, y = [], []
    for probes in zip(*case["probes"], strict=False):
        rows = [Probe(*values) for values in probes]
        pages = sum(probe.pages for probe in rows)
        if pages:
            x.append(sum(probe.frees for probe in rows) / len(rows))
            y.append(100 * sum(probe.freed for probe in rows) / pages)
    return x, y


def compaction_price(document: Document) -> Plot | None:
    """Pages freed for each MiB moved, a bar per allocator."""
    names = list(dict.fromkeys(case["allocator"] for case in _probed(document)))
    found = [(name, one) for name in names if (one := average(cases_of(document, name), "pages_per_moved")) is not None]
    if not found:
        return None
    shown = [name for name, _ in found]
    figure, (axes,) = panels(0.24 * len(shown) + 0.1, left=room(shown), legend=0)
    axes.barh(range(len(shown)), [one.mean for _, one in found], height=0.62, color=[look(document, name)["color"] for name in shown])
    _name_axis(axes, shown)
    finish(axes, "Pages freed for each MiB moved", short_ticks=False)
    return Plot(
        svg_of(figure, "price of compaction"),
        "What compaction costs",
        "Pages that compacting a copy gave back for each MiB that it copied; means over the sequences. 256 would be a page freed for a "
        "page copied.",
    )


def drain(document: Document, series: Mapping[str, Columns]) -> Plot | None:
    """Share of pages back against share of objects freed, for sequences that empty the pool."""
    drained = [
        name for name in document["sequences"] if any(c["sequence"] == name and "back_at_50" in c["scalars"] for c in document["cases"])
    ]
    if not drained:
        return None
    drained = drained[:3]
    names = names_of(document)
    figure, grid = panels(2.0, 1, len(drained), legend=legend_shape(names)[1], sharey=True)
    for axes, sequence in zip(grid, drained, strict=True):
        for name in names:
            case = _case(document, name, sequence)
            if case is not None and case["name"] in series:
                x, y = drain_curve(thin(series[case["name"]], 2 * MOST_POINTS))
                axes.plot(x, y, linewidth=1.1, label=name, **look(document, name))
        axes.plot([0, 100], [0, 100], color=MUTED, linewidth=0.7)
        axes.set_xlim(0, 100)
        axes.set_ylim(-2, 102)
        finish(axes, clip(sequence, 34), "objects freed (%)", short_ticks=False)
    legend_above(figure, grid[0])
    return Plot(
        svg_of(figure, "from freed objects to free pages"),
        "From freed objects to free pages (% of the full pool's pages that are back)",
        "A full pool is emptied in random order, replication 0. The thin line is an allocator that gives every page back at once.",
    )


def drain_curve(columns: Columns) -> tuple[list[float], list[float]]:
    """(% of the objects freed, % of the pages back) from the fullest moment on."""
    objects, pages = columns["objects"], columns["pages"]
    full = max(range(len(objects)), key=lambda k: objects[k])
    if not objects[full] or not pages[full]:
        return [], []
    x = [100 * (1 - value / objects[full]) for value in objects[full:]]
    return x, [100 * (1 - value / pages[full]) for value in pages[full:]]


def picture(document: Document) -> Plot | None:
    """Pool pages with what lies in them."""
    cases = [case for case in document["cases"] if case["picture"]]
    if not cases:
        return None
    columns = min(3, len(cases))
    tallest = max(len(case["picture"]) for case in cases)
    figure, grid = panels(0.052 * tallest + 0.1, -(-len(cases) // columns), columns, left=0.2, gap=0.2, legend=0)
    for index, axes in enumerate(grid):
        axes.set_axis_off()
        if index >= len(cases):
            continue
        case = cases[index]
        whole = [(0.0, row + 0.08, float(document["page_size"]), row + 0.92) for row in range(len(case["picture"]))]
        blocks = [(at, row + 0.08, at + length, row + 0.92) for row, found in enumerate(case["picture"]) for at, length in found]
        axes.add_patch(PathPatch(_rectangles(whole), facecolor=GRID, linewidth=0))
        axes.add_patch(PathPatch(_rectangles(blocks), facecolor=look(document, case["allocator"])["color"], edgecolor=PAPER, linewidth=0.5))
        axes.set_xlim(0, document["page_size"])
        axes.set_ylim(tallest, 0)
        finish(axes, clip(case["allocator"], 30), short_ticks=False)
    return Plot(
        svg_of(figure, "pool pages with their holes"),
        "Pool pages with their holes",
        f"Neighbouring pages from the middle of each pool at the end of {cases[0]['sequence']}, replication 0: a row is a page, a "
        "block what an object has there, grey is everything else: free space, headers, rounding.",
    )
