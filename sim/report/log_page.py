"""The page of a run against logs: tables, and the counters that move drawn over each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

from sim.logs.figures import Against, Line
from sim.logs.terminal import COUNTERS, GAUGES, cells, lasted
from sim.report import HERE
from sim.report.drawing import COLOURS, STYLE, Plot, finish, legend_above, panels, rate, svg_of, thin

# what is drawn first, where both have it
FIRST = (
    *("pgmajfault", "pswpin", "pswpout", "pgsteal_kswapd", "pgscan_kswapd", "pgsteal_direct", "workingset_refault_anon"),
    *("workingset_refault_file", "pool_total_size", "mem_used_total", "stored_pages", "orig_data_size", "nr_free_pages"),
)
MOST_PANELS = 6
BINS = 120


def write_page(path: Path, found: Sequence[Against], command: str) -> Path:
    """Write the page.  UserError if it cannot be written."""
    from sim.report.compare_page import write_text

    return write_text(path, page(found, command))


def page(found: Sequence[Against], command: str) -> str:
    """The page's text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    with matplotlib.rc_context(STYLE):
        plots = [_plot(one, k) for k, one in enumerate(found, 1)]
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    run = found[0].run
    return environment.get_template("logs.html.j2").render(
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        run=run.document,
        seconds=lasted(run.seconds if run.columns else None),
        parts=[
            {
                "log": one.log,
                "lasted": lasted(one.log.seconds),
                "plot": plot,
                "tables": [
                    (heading, [cells(line) for line in one.lines if line.kind == kind])
                    for kind, heading in (("counter", COUNTERS), ("gauge", GAUGES))
                ],
                "still": one.still,
                "only": one.only_log,
                "notes": one.notes,
            }
            for one, plot in zip(found, plots, strict=True)
        ],
        command=command,
    )


def _drawn(one: Against) -> list[Line]:
    """The lines that are drawn: those of FIRST first, then others that moved."""
    there = [line for line in one.lines if line.series]
    ranked = sorted(there, key=lambda line: FIRST.index(line.name) if line.name in FIRST else len(FIRST))
    return ranked[:MOST_PANELS]


def _plot(one: Against, place: int) -> Plot | None:
    """Rates of counters and levels of gauges over time, log and run, each from its own beginning; None without times."""
    lines = _drawn(one)
    if one.log.times is None or not lines or not one.run.columns:
        return None
    rows = -(-len(lines) // 2)
    figure, grid = panels(1.4, rows, 2)
    for k, (axes, line) in enumerate(zip(grid, lines, strict=False)):
        log = {"time_s": list(one.log.times), line.name: _filled(one, line)}
        for columns, label, colour in ((log, "log", 2), (one.run.columns[0], "run, replication 0", 1)):
            if line.kind == "counter":
                points = rate(columns, line.name, BINS)
            else:
                kept = thin({"time_s": columns["time_s"], line.name: columns[line.name]})
                points = kept["time_s"], kept[line.name]
            axes.plot(*points, color=COLOURS[colour - 1], label=label)
        per = "/s" if line.kind == "counter" else ""
        unit = f" ({line.unit}{per})" if line.unit else " (1/s)" if per else ""
        finish(axes, f"{line.name}{unit}", "time from the first sample (s)" if k >= len(lines) - 2 else "")
        axes.set_ylim(bottom=0)
    for axes in grid[len(lines) :]:
        axes.set_axis_off()
    legend_above(figure, grid[0])
    return Plot(
        svg_of(figure, f"log {place} over the run"),
        "Over each other",
        "Counters as rates, levels as they are. Nothing is scaled: if the two are of different length, so are the curves.",
    )


def _filled(one: Against, line: Line) -> list[float]:
    """The log's values, a missing one as the one before it."""
    values = next(column.values for column in one.log.columns if column.name == line.name)
    last = next(value for value in values if value is not None)
    found: list[float] = []
    for value in values:
        last = last if value is None else value
        found.append(float(last))
    return found
