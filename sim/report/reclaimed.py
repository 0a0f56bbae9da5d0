"""Who reclaimed what from whom: a table per case, a row per reclaimer, two columns per workload, darker where more was taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from sim.metrics import reclaimed_parts
from sim.report.drawing import Document
from sim.report.tables import cell, digits

KINDS = {"anon": "anonymous", "file": "files"}
MOST_CASES = 9


class HeatCell(NamedTuple):
    """Pages as text, a hint for the mouse, and how dark the cell is, 0 to 1."""

    text: str
    title: str
    heat: float


class Heat(NamedTuple):
    """The table of one case.

    heads    workloads that lost pages, each with the number of its columns
    kinds    the columns' kinds;  rows: (reclaimer, its cells, its sum)
    """

    case: str
    heads: list[tuple[str, int]]
    kinds: list[str]
    rows: list[tuple[str, list[HeatCell], str]]
    sums: list[str]
    total: str


def _means(run: Document) -> dict[tuple[str, str, str], float]:
    """(by, whose, what) -> mean pages over the replications."""
    found = {}
    for name, scalar in run["scalars"].items():
        parts = reclaimed_parts(name)
        if parts is not None:
            found[parts] = float(scalar["mean"] or 0.0)
    return found


def _order(run: Document, names: set[str]) -> list[str]:
    """kswapd, then the workloads in the configuration's order."""
    workloads = run["config"].get("workloads") or []
    first = ["kswapd", *(item["name"] for item in workloads if isinstance(item, dict) and "name" in item)]
    return [*(name for name in dict.fromkeys(first) if name in names), *sorted(names - set(first))]


def heat(case: str, run: Document) -> Heat | None:
    """The table of a case; rows and columns with nothing in them are left out, None if nothing was reclaimed."""
    means = {key: value for key, value in _means(run).items() if value > 0}
    if not means:
        return None
    order = _order(run, {by for by, _, _ in means} | {whose for _, whose, _ in means})
    rows = [name for name in order if any(by == name for by, _, _ in means)]
    columns = [(name, kind) for name in order for kind in KINDS if any(key[1:] == (name, kind) for key in means)]
    most = max(means.values())

    def one(by: str, whose: str, kind: str) -> HeatCell:
        value = means.get((by, whose, kind), 0.0)
        shown = cell(run["scalars"].get(f"reclaimed.by-{by}.from-{whose}.{kind}"))
        return HeatCell(_pages(value), f"{by} took from {whose}, {KINDS[kind]}: {shown.text} pages", round(math.sqrt(value / most), 3))

    def total(keys: Sequence[tuple[str, str, str]]) -> str:
        return _pages(sum(means.get(key, 0.0) for key in keys))

    heads = {name: sum(owner == name for owner, _ in columns) for name, _ in columns}
    return Heat(
        case,
        list(heads.items()),
        [KINDS[kind] for _, kind in columns],
        [(by, [one(by, *column) for column in columns], total([(by, *column) for column in columns])) for by in rows],
        [total([(by, *column) for by in rows]) for column in columns],
        total(list(means)),
    )


def _pages(value: float) -> str:
    return "–" if value == 0 else digits(value, 1 if value < 10 and not value.is_integer() else 0)


def heats(names: Sequence[str], runs: Sequence[Document]) -> list[Heat]:
    """The tables of the first cases in which something was reclaimed."""
    found = (heat(name, run) for name, run in zip(names[:MOST_CASES], runs[:MOST_CASES], strict=True))
    return [table for table in found if table is not None]
