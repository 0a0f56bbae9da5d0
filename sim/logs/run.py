"""The run's side: what it counted, under the names that a log has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from models.vmstat import NOT_MODELLED
from sim.compare.sources import folder_of
from sim.folders import RUN_FILE, read_json
from sim.logs.log import Column, Kind, kind_of
from sim.report import read_series

Series = Mapping[str, Sequence[float]]
SECOND = 1e9

# a log's name -> the columns of series.csv that are added up for it, and whether they are pages where the log has bytes
_SUMS: dict[str, tuple[tuple[tuple[str, int], ...], bool]] = {
    **{f"nr_zone_{name}": (((f"nr_{name}", 1),), False) for name in ("active_anon", "inactive_anon", "active_file", "inactive_file")},
    "cached_pages": ((("nr_file_pages", 1), ("nr_swapcached", -1), ("nr_slab_reclaimable", 1)), False),
    "active_pages": ((("nr_active_anon", 1), ("nr_active_file", 1)), False),
    "inactive_pages": ((("nr_inactive_anon", 1), ("nr_inactive_file", 1)), False),
    "pool_total_size": ((("pool_pages", 1), ("clean_pool_pages", -1)), True),
    "orig_data_size": ((("stored_pages", 1),), True),
    "compr_data_size": ((("pool_payload_pages", 1),), True),
    "mem_used_total": ((("pool_pages", 1), ("clean_pool_pages", -1)), True),
}


class Side(NamedTuple):
    """A counter of the run, mean over the replications.

    change     of a counter: by how much it grew;  mean, last  of a gauge: over time (None: known at the end only), and at the end
    seconds    simulated time that this is about
    series     name in `columns` to draw it by, "" where there is only its end
    """

    change: float | None
    mean: float | None
    last: float | None
    seconds: float
    series: str = ""


class Run(NamedTuple):
    """A run with its samples.

    columns   series by replication, from the warm-up on, the sums above among them; times begin at 0
    whole     whether there was no warm-up, so that what is known at the end only covers the same time
    ended     whether the tasks had ended and given everything back when the run did: that sample's levels do not count
    """

    folder: Path
    document: Mapping[str, Any]
    page_size: int
    columns: list[dict[str, list[float]]]
    whole: bool
    ended: bool

    @property
    def seconds(self) -> float:
        """Simulated time of the series, mean over the replications."""
        return sum(one["time_s"][-1] for one in self.columns) / len(self.columns)


def read_run(place: str) -> Run:
    """The run in a run folder or SWEEP:CASE.  UserError if it cannot be read."""
    folder = folder_of(place)
    document = read_json(folder / RUN_FILE)
    machine = document["config"].get("machine") or {}
    page_size = int(machine.get("page_size", 4096))
    warm_ups = [_warm_up(document, k) for k in range(document["replications"])]
    columns = [_from(read_series(folder, k), warm_ups[k], page_size) for k in range(document["replications"])]
    ended = all(task["status"] == "done" for tasks in document["tasks"] for task in tasks)
    return Run(folder, document, page_size, [one for one in columns if one["time_s"]], not any(warm_ups), ended)


def _warm_up(document: Mapping[str, Any], replication: int) -> float:
    """Seconds at the start that the figures leave out: as configured, or as the run found it."""
    configured = document["config"].get("warm_up", 0)
    if isinstance(configured, int | float):
        return configured / SECOND
    values = (document["scalars"].get("warm_up") or {}).get("values") or []
    return float(values[replication] or 0.0) if replication < len(values) else 0.0


def _from(series: Series, begin: float, page_size: int) -> dict[str, list[float]]:
    """The samples from `begin` on, with the sums that a log may ask for."""
    times = series.get("time_s", [])
    kept = [k for k, time in enumerate(times) if time >= begin]
    found = {name: [values[k] for k in kept] for name, values in series.items()}
    found["time_s"] = [time - found["time_s"][0] for time in found.get("time_s", [])]
    for name, (parts, in_bytes) in _SUMS.items():
        if all(part in found for part, _ in parts):
            scale = page_size if in_bytes else 1
            columns = [[sign * scale * value for value in found[part]] for part, sign in parts]
            found[name] = [sum(values) for values in zip(*columns, strict=True)]
    return found


def side_of(run: Run, column: Column) -> Side | None:
    """What the run has for a log's column, None if nothing: the series, else the backend's own counter, else vmstat's at the end."""
    name = column.name
    if run.columns and name in run.columns[0] and (name not in _SUMS or not _of_backend(run, name)):
        return _of_series(run, name, column.kind)
    totals = _of_backend(run, name)
    if totals is None and not any(fnmatch(name, pattern) for pattern in NOT_MODELLED):
        totals = run.document["vmstat"].get(name)
    if not totals:
        return None
    total = sum(totals) / len(totals)
    seconds = sum(run.document["simulated_s"]) / len(run.document["simulated_s"])
    series = name if run.columns and name in run.columns[0] else ""
    if kind_of(name) == "counter":
        return Side(total, None, None, seconds, series)
    if series:
        return _of_series(run, name, "gauge")
    return None if run.ended else Side(None, None, total, seconds)


def _of_backend(run: Run, name: str) -> Sequence[float] | None:
    found: Sequence[float] | None = (run.document.get("backend") or {}).get(name)
    return found


def _of_series(run: Run, name: str, kind: Kind) -> Side:
    found = [one[name] for one in run.columns]
    if kind == "counter":
        return Side(sum(values[-1] - values[0] for values in found) / len(found), None, None, run.seconds, name)
    levels = [values[:-1] if run.ended and len(values) > 1 else values for values in found]
    means = [sum(values) / len(values) for values in levels]
    return Side(None, sum(means) / len(means), sum(values[-1] for values in levels) / len(levels), run.seconds, name)
