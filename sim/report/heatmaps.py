"""Heat maps of two swept keys as tables: value, half of its interval, and a colour by value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sim.metrics import describe
from sim.report.design import Design, Document, Factor, Level, cells, values_of, whole
from sim.report.effects import ranked_pairs, title_of
from sim.report.tables import with_interval

MOST_PAIRS, MOST_METRICS, MOST_SIDE = 3, 3, 12


class HeatCell(NamedTuple):
    """text, half width as text, and how far from the smallest (0) to the largest value (1)."""

    text: str
    half: str
    heat: float


class HeatMap(NamedTuple):
    """title; the keys of rows and columns; the values of the columns; rows of (value, cells)."""

    title: str
    row_key: str
    column_key: str
    columns: list[str]
    rows: list[tuple[str, list[HeatCell]]]


def heat_maps(design: Design, runs: Sequence[Document], metrics: Sequence[str]) -> list[HeatMap]:
    """Of the pairs of keys that act together most, for the first metrics; keys with more than MOST_SIDE values are left out."""
    found: list[HeatMap] = []
    if not metrics:
        return found
    pairs = [p for p in ranked_pairs(design, runs, metrics[0]) if max(len(f.levels) for f in p) <= MOST_SIDE][:MOST_PAIRS]
    for first, second in pairs:
        rows, columns = (first, second) if len(first.levels) >= len(second.levels) else (second, first)
        for metric in metrics[:MOST_METRICS]:
            values = values_of(runs, metric)
            if whole(values).sum() > 1:
                found.append(_map(rows, columns, metric, cells(rows, columns, values)))
    return found


def _map(rows: Factor, columns: Factor, metric: str, table: Sequence[Sequence[Level | None]]) -> HeatMap:
    means = [cell.mean for row in table for cell in row if cell is not None]
    low, span = min(means), (max(means) - min(means)) or 1.0
    turned = describe(metric).higher_is == "better"  # the stronger the colour, the worse

    def shown(cell: Level | None) -> HeatCell:
        if cell is None:
            return HeatCell("–", "", 0.0)
        text, half = with_interval(cell.mean, cell.own_half)
        share = (cell.mean - low) / span
        return HeatCell(text, half if half != "0" else "", round(1 - share if turned else share, 3))

    body = [(level, [shown(cell) for cell in row]) for level, row in zip(rows.levels, table, strict=True)]
    return HeatMap(title_of(metric), rows.name, columns.name, list(columns.levels), body)
