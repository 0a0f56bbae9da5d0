"""What happened over simulated time: memory by use, rates, the pool.  Drawn from replication 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.report.drawing import (
    COLOURS,
    GRID,
    MIB,
    PAPER,
    Plot,
    Series,
    clip,
    finish,
    legend_above,
    legend_shape,
    own_legend,
    panels,
    rate,
    shade,
    svg_of,
    thin,
    total_rate,
)

USES = (
    ("kernel_pages", "kernel", 9, 1.0),
    ("nr_page_table_pages", "page tables", 4, 1.0),
    ("slab_pages", "slab", 7, 1.0),
    ("swap_pool_pages", "compressed pool", 2, 1.0),
    ("clean_pool_pages", "clean cache", 2, 0.5),
    ("nr_active_file", "active file", 3, 1.0),
    ("nr_inactive_file", "inactive file", 3, 0.5),
    ("nr_active_anon", "active anonymous", 1, 1.0),
    ("nr_inactive_anon", "inactive anonymous", 6, 1.0),
)


def with_sums(columns: Series) -> Series:
    """The columns with two more: slab_pages, and swap_pool_pages, the pool's frames without the clean cache's."""

    def column(name: str) -> Sequence[float]:
        return columns.get(name) or [0.0] * len(columns["time_s"])

    slab = [a + b for a, b in zip(column("nr_slab_reclaimable"), column("nr_slab_unreclaimable"), strict=True)]
    pool = [a - b for a, b in zip(column("pool_pages"), column("clean_pool_pages"), strict=True)]
    return {**columns, "slab_pages": slab, "swap_pool_pages": pool}


def _parts(columns: Series) -> list[tuple[str, int, float, Sequence[float]]]:
    """(label, colour, opacity, pages) of the uses that there are."""
    return [(label, colour, alpha, columns[name]) for name, label, colour, alpha in USES if any(columns.get(name, []))]


def _stack(axes: Any, columns: Series, page_size: int) -> None:
    """Memory by use, stacked; free memory on top, left blank but for its edge."""
    shown = thin(with_sums(columns), 400)
    times = shown["time_s"]
    scale = page_size / MIB
    parts = _parts(shown)
    heights = [[value * scale for value in values] for *_, values in parts]
    if heights:
        areas = axes.stackplot(
            times,
            heights,
            labels=[p[0] for p in parts],
            colors=[COLOURS[p[1] - 1] for p in parts],
            edgecolor=PAPER,
            linewidth=0.4,
        )
        for area, (_, _, alpha, _) in zip(areas, parts, strict=True):
            area.set_alpha(alpha)
    if "nr_free_pages" in shown:
        top = [sum(values) for values in zip(*heights, strict=True)] if heights else [0.0] * len(times)
        free = [a + b * scale for a, b in zip(top, shown["nr_free_pages"], strict=True)]
        axes.fill_between(times, top, free, facecolor=GRID, linewidth=0, label="free", alpha=0.6)
    axes.set_xlim(times[0], times[-1] if times[-1] > times[0] else times[0] + 1)
    axes.set_ylim(bottom=0)


def _legend_rows(all_series: Sequence[Series]) -> int:
    """Rows of the legend above the stacks."""
    return legend_shape([*dict.fromkeys(part[0] for series in all_series for part in _parts(with_sums(series))), "free"])[1]


def memory(series: Series, page_size: int, warm_up: float = 0.0) -> Plot:
    figure, (axes,) = panels(2.7, legend=_legend_rows([series]))
    _stack(axes, series, page_size)
    finish(axes, "Memory (MiB)", "simulated time (s)")
    legend_above(figure, axes)
    return Plot(
        svg_of(shade(figure, warm_up), "memory over time"),
        "Memory by use over time",
        "Replication 0. At every sample the parts add up to the memory of the VM; the run would have stopped otherwise.",
    )


def memory_of_cases(names: Sequence[str], all_series: Sequence[Series], page_sizes: Sequence[int], warm_up: float = 0.0) -> Plot:
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, grid = panels(1.5, rows, columns, legend=_legend_rows(all_series), sharey=len(set(page_sizes)) == 1)
    for index, axes in enumerate(grid):
        if index >= len(names):
            axes.set_axis_off()
            continue
        _stack(axes, thin(all_series[index], 120), page_sizes[index])
        last_row = index + columns >= len(names)
        finish(axes, clip(names[index], 84 // columns), "simulated time (s)" if last_row else "")
    legend_above(figure, *grid[: len(names)])
    return Plot(
        svg_of(shade(figure, warm_up), "memory over time by case"),
        "Memory by use over time, case by case (MiB)",
        "Replication 0 of each case.",
    )


def _line(axes: Any, points: tuple[list[float], list[float]], label: str, colour: int, **options: Any) -> bool:
    if not points[0] or not any(points[1]):
        return False
    axes.plot(points[0], points[1], color=COLOURS[colour - 1], label=label, **options)
    return True


def rates(series: Series, warm_up: float = 0.0) -> Plot:
    """Reclaim, swap and faults of one run, one panel each."""
    has_files = any(series.get("pgscan_file", []))
    figure, (reclaim, *kinds, swap, faults) = panels(1.4, 3 + has_files, 1, legend=0, sharex=True)
    for name, label, colour in (
        ("pgscan_kswapd", "scanned by kswapd", 6),
        ("pgsteal_kswapd", "reclaimed by kswapd", 1),
        ("pgscan_direct", "scanned directly", 5),
        ("pgsteal_direct", "reclaimed directly", 2),
    ):
        _line(reclaim, rate(series, name), label, colour, linestyle="--" if "scan" in name else "-")
    for axes in kinds:
        for name, label, colour in (
            ("pgscan_anon", "anonymous scanned", 6),
            ("pgsteal_anon", "anonymous reclaimed", 1),
            ("pgscan_file", "file scanned", 8),
            ("pgsteal_file", "file reclaimed", 3),
        ):
            _line(axes, rate(series, name), label, colour, linestyle="--" if "scan" in name else "-")
    for name, label, colour in (
        ("pswpout", "to device", 2),
        ("pswpin", "from device", 1),
        ("backend_stores", "to pool", 3),
        ("backend_loads", "from pool", 4),
        ("backend_rejects", "refused", 9),
    ):
        _line(swap, rate(series, name), label, colour)
    _line(faults, rate(series, "pgfault"), "all faults", 6)
    _line(faults, rate(series, "pgmajfault"), "major faults", 2)
    titled = [(axes, "Reclaim by kind (pages/s)") for axes in kinds]
    for axes, title in ((reclaim, "Reclaim (pages/s)"), *titled, (swap, "Swap (pages/s)"), (faults, "Page faults (1/s)")):
        finish(axes, title, "simulated time (s)" if axes is faults else "")
        _limit(axes)
        own_legend(axes)
    return Plot(
        svg_of(shade(figure, warm_up), "rates over time"),
        "Reclaim, swap and faults over time",
        f"Replication 0, means over short stretches of simulated time. {CUT}",
    )


def pool(series: Series, page_size: int, warm_up: float = 0.0) -> Plot | None:
    """Frames of the pool against the bytes they hold, None for a run without a pool."""
    if not any(with_sums(series)["swap_pool_pages"]):
        return None
    shown = thin(with_sums(series))
    scale = page_size / MIB
    figure, (axes,) = panels(2.1)
    for name, label, colour in (
        ("stored_pages", "pages stored, uncompressed (S)", 6),
        ("swap_pool_pages", "pool frames (P)", 2),
        ("pool_payload_pages", "payload in them (B)", 1),
    ):
        if name in shown:
            _line(axes, (shown["time_s"], [value * scale for value in shown[name]]), label, colour)
    if "pool_payload_pages" in shown:
        low, high = ([v * scale for v in shown[name]] for name in ("pool_payload_pages", "swap_pool_pages"))
        axes.fill_between(shown["time_s"], low, high, facecolor=COLOURS[1], alpha=0.18, linewidth=0)
    finish(axes, "Size (MiB)", "simulated time (s)")
    axes.set_ylim(bottom=0)
    legend_above(figure, axes)
    return Plot(
        svg_of(shade(figure, warm_up), "pool pages against payload"),
        "What the pool holds and what it costs",
        "Replication 0. The shaded gap between frames and payload is fragmentation; the gap up to the pages stored is the gain.",
    )


CUT = "Short peaks may be cut off."


def _limit(axes: Any) -> None:
    """The vertical axis from 0; a few extreme values (the first filling of memory) do not flatten all others."""
    values = sorted(float(value) for line in axes.get_lines() for value in line.get_ydata() if value > 0)
    usual = values[int(0.97 * (len(values) - 1))] if values else 0.0
    axes.set_ylim(0.0, 1.3 * usual if 0 < 4 * usual < values[-1] else None)


def rates_of_cases(names: Sequence[str], all_series: Sequence[Series], warm_up: float = 0.0) -> Plot:
    """The same rates for all cases, a panel per quantity, a colour per case."""
    figure, grid = panels(1.6, 2, 2, legend=legend_shape(names)[1], sharex=True)
    quantities = (
        ("Major faults (1/s)", ("pgmajfault",)),
        ("Pages reclaimed (pages/s)", ("pgsteal_kswapd", "pgsteal_direct")),
        ("Reclaimed directly (pages/s)", ("pgsteal_direct",)),
        ("Swap I/O on the device (pages/s)", ("pswpin", "pswpout")),
    )
    for index, (axes, (title, counters)) in enumerate(zip(grid, quantities, strict=True)):
        for case, (name, series) in enumerate(zip(names, all_series, strict=True)):
            times, values = total_rate(series, counters, 250 if len(names) < 4 else 80)
            if times:
                axes.plot(times, values, color=COLOURS[case % 9], label=name, linestyle="-" if case < 9 else "--")
        finish(axes, title, "simulated time (s)" if index > 1 else "")
        _limit(axes)
    legend_above(figure, grid[0])
    return Plot(
        svg_of(shade(figure, warm_up), "rates over time by case"),
        "Faults, reclaim and swap over time",
        f"Replication 0 of each case. {CUT}",
    )
