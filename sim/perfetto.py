"""`mempress perfetto`: a run as a timeline that ui.perfetto.dev opens, in the Trace Event Format (JSON).

Counter tracks come from series.csv: levels as they are, counters as rates.  Slices are stretches of reclaim, from reclaim.csv if the
run has recorded them, else from the samples between which pages were scanned.  Times are simulated ones.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from sim.cachesim.files import check_place, write_whole
from sim.episodes import COLUMNS, DIRECT, KSWAPD, Episode
from sim.errors import UserError
from sim.folders import RECLAIM_FILE, RUN_FILE, SWEEP_FILE, read_json

# Columns of series.csv that are levels; all others count from the start of the run and are shown as rates.
LEVELS = frozenset(
    (
        *("nr_free_pages", "nr_active_anon", "nr_inactive_anon", "nr_active_file", "nr_inactive_file", "nr_file_pages", "nr_swapcached"),
        *("nr_mapped", "nr_dirty", "nr_writeback", "nr_dirty_threshold", "nr_dirty_background_threshold", "nr_slab_reclaimable"),
        *("nr_slab_unreclaimable", "nr_page_table_pages", "kernel_pages", "pool_pages", "pool_payload_pages", "stored_pages"),
        *("swap_used_pages", "clean_pool_pages", "clean_stored_pages"),
    )
)
RECLAIM = ("pgscan_", "pgsteal_", "allocstall", "workingset_")  # beginnings of names
POOL = ("pool_", "stored_", "swap_used", "clean_", "cleancache_", "backend_", "pswp")
GROUP_LEVELS = ("memory.current", "memory.high", "memory.swap.current", "anon", "file", "pagetables", "active_anon", "active_file")
US = 1e3  # ns

Event = dict[str, Any]
Column = tuple[str, list[tuple[float, float]]]  # a track's name, and (us, value) where it changes


class Process(NamedTuple):
    """A group of tracks as Perfetto shows them; columns: those of series.csv that belong to it."""

    name: str
    columns: list[str]


def perfetto(folder: Path, target: Path, replication: int = 0) -> int:
    """Write a run's timeline; how many events it has.

    target  .json or .json.gz
    UserError if the folder is no run's, or the file cannot be written.
    """
    if target.suffix != ".json" and target.suffixes[-2:] != [".json", ".gz"]:
        raise UserError(f"{target}: expected a file name that ends in .json or .json.gz")
    check_place(target)
    if not (folder / RUN_FILE).exists() and (folder / SWEEP_FILE).exists():
        raise UserError(f"{folder}: is the folder of a sweep; expected that of one of its runs, beside it")
    run = read_json(folder / RUN_FILE)
    if not 0 <= replication < int(run["replications"]):
        raise UserError(f"{folder}: has replications 0 to {int(run['replications']) - 1}; found --replication {replication}")
    from sim.report import read_series

    series = read_series(folder, replication)
    if not series.get("time_s"):
        raise UserError(f"{folder}: its series has no samples of replication {replication}")
    found = list(events(series, read_episodes(folder, replication), f"{run['name']}, replication {replication}"))
    lines = ",\n".join(json.dumps(event, separators=(",", ":")) for event in found)
    other = json.dumps({"name": run["name"], "id": run["id"], "version": run["version"], "replication": replication})
    text = f'{{"displayTimeUnit":"ns","otherData":{other},"traceEvents":[\n{lines}\n]}}\n'
    write_whole(target, gzip.compress(text.encode(), 6, mtime=0) if target.suffix == ".gz" else text.encode())
    return len(found)


def read_episodes(folder: Path, replication: int) -> list[Episode] | None:
    """Of reclaim.csv; None if the run has none."""
    path = folder / RECLAIM_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    if not lines or lines[0] != COLUMNS:
        raise UserError(f"{path}:1: expected {COLUMNS}, found {lines[0][:80] if lines else 'nothing'!r}")
    return [episode for n, line in enumerate(lines[1:], 2) if (episode := _episode(path, n, line, replication)) is not None]


def _episode(path: Path, number: int, line: str, replication: int) -> Episode | None:
    """A line's, None if it is another replication's."""
    try:
        which, kind, who, begin, end, reclaimed = line.split(",")
        found = Episode(kind, who, int(begin), int(end), int(reclaimed))
        if found.end < found.begin:
            raise ValueError
        return found if int(which) == replication else None
    except ValueError:
        raise UserError(f"{path}:{number}: expected {COLUMNS}, found {line[:80]!r}") from None


def processes(columns: Iterable[str]) -> list[Process]:
    """Which tracks stand together: memory, reclaim, swap, each device, each cgroup."""
    groups: dict[str, list[str]] = {"memory": [], "reclaim": [], "swap and compressed memory": []}
    for column in columns:
        if column == "time_s":
            continue
        head, _, rest = column.partition(".")
        if head in ("device", "cgroup"):
            place = f"{head} {rest.partition('.')[0]}"
        elif column.startswith(RECLAIM):
            place = "reclaim"
        else:
            place = "swap and compressed memory" if column.startswith(POOL) else "memory"
        groups.setdefault(place, []).append(column)
    return [Process(name, found) for name, found in groups.items()]


def events(series: Mapping[str, Sequence[float]], episodes: Sequence[Episode] | None, title: str) -> Iterator[Event]:
    """All events: names first, then the rest in the order of time."""
    found: list[Event] = []
    times = series["time_s"]
    for pid, process in enumerate(processes(series), 1):
        yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": f"{process.name} ({title})"}}
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}
        for column in process.columns:
            found += counter_events(pid, *track(column, times, series[column]))
        if process.name == "reclaim":
            rows = sampled_episodes(series) if episodes is None else episodes
            threads = threads_of(rows)
            for (kind, who), tid in threads.items():
                yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": _thread_name(kind, who)}}
                yield {"ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid, "args": {"sort_index": tid}}
            found += [slice_event(pid, threads[row.kind, row.who], row, episodes is None) for row in rows]
    yield from sorted(found, key=lambda event: float(event["ts"]))


def track(column: str, times: Sequence[float], values: Sequence[float]) -> Column:
    """A column as a track: its name with the unit, and its points."""
    short = column.split(".", 2)[2] if column.startswith(("device.", "cgroup.")) else column
    if column in LEVELS or short == "queued" or (column.startswith("cgroup.") and short.removeprefix("in") in GROUP_LEVELS):
        return short, [(1e6 * time, value) for time, value in zip(times, values, strict=True)]
    scale, unit = (1e-9, "mean") if short == "queue_ns" else (1e-7, "%") if short == "busy_ns" else (1.0, "per s")
    if short.startswith("memory.pressure."):
        scale, unit = 1e-4, "%"
    name = {"queue_ns": "queue", "busy_ns": "busy"}.get(short, short)
    return f"{name} ({unit})", _rates(times, values, scale)


def _rates(times: Sequence[float], values: Sequence[float], scale: float) -> list[tuple[float, float]]:
    """Growth a second from each sample to the next, at the first of the two; 0 at the last."""
    points = [(1e6 * a, scale * (v - u) / (b - a)) for (a, u), (b, v) in pairwise(zip(times, values, strict=True)) if b > a]
    return [*points, (1e6 * times[-1], 0.0)] if points else []


def counter_events(pid: int, name: str, points: Sequence[tuple[float, float]]) -> Iterator[Event]:
    """Only where the value changes: a track keeps its last one."""
    last: float | None = None
    for at, value in points:
        if value != last:
            yield {"ph": "C", "name": name, "pid": pid, "ts": round(at, 3), "args": {"value": round(value, 6)}}
        last = value


def threads_of(rows: Iterable[Episode]) -> dict[tuple[str, str], int]:
    """A thread for kswapd and for everyone who reclaims, by (kind, who): slices of one thread never overlap."""
    found = sorted({(row.kind, row.who) for row in rows}, key=lambda key: (key[0] != KSWAPD, key))
    return {key: tid for tid, key in enumerate(found, 1)}


def _thread_name(kind: str, who: str) -> str:
    return {KSWAPD: "kswapd", DIRECT: f"direct reclaim {who}"}.get(kind, f"reclaim in a cgroup {who}")


def slice_event(pid: int, tid: int, row: Episode, sampled: bool) -> Event:
    """A stretch of reclaim."""
    name = {KSWAPD: "kswapd awake", DIRECT: "direct reclaim"}.get(row.kind, "cgroup reclaim")
    args: dict[str, Any] = {"reclaimed_pages": row.reclaimed}
    if sampled:
        args["from"] = "samples: accurate to output.interval; output.record_reclaim records the episodes"
    times = {"ts": round(row.begin / US, 3), "dur": round((row.end - row.begin) / US, 3)}
    return {"ph": "X", "name": name, "cat": "reclaim", "pid": pid, "tid": tid, **times, "args": args}


def sampled_episodes(series: Mapping[str, Sequence[float]]) -> list[Episode]:
    """Stretches of samples between which pages were scanned, by kswapd and by tasks."""
    found = []
    times = [round(1e9 * time) for time in series["time_s"]]
    for kind, who in ((KSWAPD, KSWAPD), (DIRECT, "by any task")):
        scanned, stolen = series.get(f"pgscan_{kind}", []), series.get(f"pgsteal_{kind}", [])
        begin: int | None = None
        for k in range(1, len(scanned) + 1):
            working = k < len(scanned) and scanned[k] > scanned[k - 1]
            if working and begin is None:
                begin = k - 1
            elif not working and begin is not None:
                found.append(Episode(kind, who, times[begin], times[k - 1], int(stolen[k - 1] - stolen[begin])))
                begin = None
    return found
