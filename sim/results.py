"""A run's results: what the engine hands over, and the folder they become.

`DIR/NAME-ID/` holds `run.json`, `series.csv` and `vmstat.txt`, whose bytes depend on the configuration, the contents of its
input files and the version alone (ID is a hash of these three), and `provenance.json` and `report.html`, which also say where and
when.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sim.episodes import Episode, reclaim_csv
from sim.errors import UserError
from sim.folders import POOL_FILE, PROVENANCE_FILE, RECLAIM_FILE, RUN_FILE, SCHEMA, SERIES_FILE, VMSTAT_FILE, write_folder
from sim.metrics import describe, ordered
from sim.statistics import Summary, summarise

# Sections that say what to do with runs, not what a run is.
NOT_IN_ID = ("tune", "sensitivity", "fleet")
# Parts of sim that look at results, and do not decide them.
_ANALYSIS = ("report", "compare", "table", "tune", "sensitivity", "fleet")
_ANALYSIS_FILES = ("statistics/paired.py", "statistics/effects.py", "statistics/multiple.py", "cli.py")
_PACKAGE = Path(__file__).resolve().parent.parent


class Histogram(NamedTuple):
    """Counts of values in bins: n + 1 rising edges in nanoseconds, n counts."""

    edges_ns: list[float]
    counts: list[int]


class TaskResult(NamedTuple):
    """How one task ended: status is "done", "oom-killed" or "stopped" (the configured duration was over)."""

    name: str
    status: str
    run_time_s: float
    accesses: int


class Replication(NamedTuple):
    """What one simulation gives; plain Python values only, so that it can be sent between processes.

    scalars      name -> value (units in sim.metrics); NaN where there is nothing to say
    series       column -> samples, first column "time_s", all of one length
    histograms   name -> Histogram
    vmstat       Linux's counters by name, in the order of /proc/vmstat
    backend      counters of the swap backend
    tasks        one TaskResult per task
    accesses     accesses simulated;  simulated_s: seconds simulated
    pool_trace   what the pool saw, for `replay` (`output.record_pool`), else empty
    episodes     when reclaim was at work (`output.record_reclaim`), None if it was not recorded
    """

    scalars: dict[str, float]
    series: dict[str, list[float]]
    histograms: dict[str, Histogram]
    vmstat: dict[str, int]
    backend: dict[str, int]
    tasks: list[TaskResult]
    accesses: int
    simulated_s: float
    pool_trace: str = ""
    episodes: list[Episode] | None = None


class RunConfig(Protocol):
    """What results need to know of a configuration (sim.config.Config has all of it)."""

    @property
    def name(self) -> str: ...

    def resolved(self) -> dict[str, Any]: ...

    def input_files(self) -> Iterable[Path]: ...


class Identity(NamedTuple):
    """Name and ID of a run, and what the ID was made of (config with portable paths, hashes of inputs by name)."""

    name: str
    id: str
    config: dict[str, Any]
    inputs: dict[str, str]

    @property
    def folder(self) -> str:
        return f"{slug(self.name)}-{self.id}"


def slug(name: str) -> str:
    """A name that is a safe and readable part of a file name."""
    return re.sub(r"[^A-Za-z0-9._=+-]+", "_", name).strip("._")[:100] or "run"


# ---------------------------------------------------------------- identity


@cache
def version() -> str:
    """The version, and a digest of the sources that decide results, so that changed code never finds old results."""
    try:
        number = metadata.version("mempress")
    except metadata.PackageNotFoundError:
        number = "0.1.0"
    digest = hashlib.sha256()
    for folder in ("models", "sim"):
        for path in sorted((_PACKAGE / folder).rglob("*")):
            place = path.relative_to(_PACKAGE)
            if path.is_file() and "__pycache__" not in place.parts and not _only_looks(place):
                digest.update(f"{place.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return f"{number}+{digest.hexdigest()[:8]}"


def _only_looks(place: Path) -> bool:
    """Whether a file of the sources looks at results, and decides none."""
    inside = place.relative_to("sim") if place.parts[0] == "sim" else None
    return inside is not None and (inside.parts[0] in _ANALYSIS or inside.as_posix() in _ANALYSIS_FILES)


def hash_path(path: Path) -> str:
    """sha256 of a file's bytes, or of the names and bytes of all files of a folder."""
    digest = hashlib.sha256()
    files = [path] if not path.is_dir() else sorted(p for p in path.rglob("*") if p.is_file())
    try:
        for file in files:
            if path.is_dir():
                digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise UserError(f"{error.filename or path}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def _short_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Each path's last parts, as many as tell it from the others: names that do not depend on where the tree lies."""
    todo, depth = {path: path for path in paths}, 1
    names: dict[Path, str] = {}
    while todo:
        tails = {path: "/".join(path.parts[-depth:]) for path in todo}
        taken = list(tails.values())
        for path, tail in tails.items():
            if taken.count(tail) == 1 or depth >= len(path.parts):
                names[path] = tail
        todo = {path: path for path in todo if path not in names}
        depth += 1
    return names


def _portable(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _portable(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item, names) for item in value]
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        return value
    file, colon, attribute = value.rpartition(":")  # a plug-in is FILE:NAME
    return f"{names[file]}:{attribute}" if colon and file in names else names.get(value, str(value))


def identify(config: RunConfig, name: str | None = None, hashes: dict[Path, str] | None = None) -> Identity:
    """The run that `config` asks for.  `hashes` keeps file hashes between the cases of a sweep."""
    hashes = {} if hashes is None else hashes
    files = sorted({Path(file).resolve() for file in config.input_files()})
    for file in files:
        if file not in hashes:
            hashes[file] = hash_path(file)
    names = _short_names(files)
    spelt = {str(file): short for file, short in names.items()}
    spelt.update({str(Path(file)): names[Path(file).resolve()] for file in config.input_files()})
    portable = _portable({key: value for key, value in config.resolved().items() if key not in NOT_IN_ID}, spelt)
    inputs = {names[file]: hashes[file] for file in files}
    return Identity(name or config.name, digest_of({"config": portable, "inputs": inputs, "version": version()}), portable, inputs)


def digest_of(value: Any) -> str:
    """The first 12 hexadecimal digits of sha256 over canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# ---------------------------------------------------------------- text of the files


_quoted = json.encoder.encode_basestring_ascii


def to_json(value: Any, depth: int = 0) -> str:
    """JSON with one line per innermost list or mapping; floats as repr, NaN and infinities as null."""
    kind = type(value)
    if kind is float:  # most values are: json.dumps takes ten times as long for the same text
        return repr(value) if math.isfinite(value) else "null"
    if kind is int:
        return repr(value)
    if kind is str:
        return _quoted(value)
    pad, inner = "  " * depth, "  " * (depth + 1)
    if isinstance(value, Mapping):
        items = [f"{_quoted(str(key))}: {to_json(item, depth + 1)}" for key, item in value.items()]
        if not any(isinstance(item, Mapping | list | tuple) for item in value.values()):
            return "{" + ", ".join(items) + "}" if len(items) < 9 else "{\n" + ",\n".join(inner + i for i in items) + f"\n{pad}}}"
        return "{\n" + ",\n".join(inner + item for item in items) + f"\n{pad}}}"
    if isinstance(value, list | tuple):
        items = [to_json(item, depth + 1) for item in value]
        if not any(isinstance(item, Mapping | list | tuple) for item in value):
            return "[" + ", ".join(items) + "]"
        return "[\n" + ",\n".join(inner + item for item in items) + f"\n{pad}]"
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    """What JSON has no word for: a NumPy scalar becomes a Python one, anything else (a path) its text."""
    return value.item() if hasattr(value, "item") else str(value)


def number(value: float) -> str:
    """A number in a CSV file: repr, whole numbers without a fraction, nothing for an absent one."""
    if not math.isfinite(value):
        return ""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def scalar_table(scalars: Sequence[Mapping[str, float]]) -> dict[str, Summary]:
    """Summaries over the replications of every scalar that any of them has, in the order of the tables."""
    names = ordered({name for one in scalars for name in one})
    return {name: summarise(_value(one.get(name)) for one in scalars) for name in names}


def _value(value: Any) -> float | None:
    return None if value is None else float(value)


def add_histograms(parts: Sequence[Histogram]) -> Histogram:
    """Several histograms in one.  Each may be another stretch of a common row of bins; ValueError if bins overlap in part."""
    bins: dict[tuple[float, float], int] = {}
    for edges, counts in parts:
        if len(edges) != len(counts) + 1:
            raise ValueError(f"{len(counts)} counts with {len(edges)} edges")
        for low, high, count in zip(edges, edges[1:], counts, strict=False):
            bins[float(low), float(high)] = bins.get((float(low), float(high)), 0) + int(count)
    if any(bins.values()):
        used = [place for place, count in bins.items() if count]
        bins = {place: n for place, n in bins.items() if min(used) <= place <= max(used)}
    all_edges: list[float] = []
    all_counts: list[int] = []
    for (low, high), count in sorted(bins.items()):
        if not all_edges:
            all_edges.append(low)
        elif low > all_edges[-1]:
            all_edges.append(low)
            all_counts.append(0)
        elif low < all_edges[-1]:
            raise ValueError(f"bins from {low} and up to {all_edges[-1]} overlap")
        all_edges.append(high)
        all_counts.append(count)
    return Histogram(all_edges, all_counts)


def sum_histograms(parts: Sequence[Mapping[str, Histogram]]) -> dict[str, Histogram]:
    """The histograms of all replications added up, name by name."""
    names = sorted({name for part in parts for name in part})
    return {name: add_histograms([part[name] for part in parts if name in part]) for name in names}


def _counters(parts: Sequence[Mapping[str, int]]) -> dict[str, list[int]]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: [int(part.get(name, 0)) for part in parts] for name in names}


def _within(config: Any, only: Replication) -> dict[str, dict[str, Any]]:
    """What the only replication says of its rates by itself."""
    from sim.within import rates_within

    told = getattr(config, "warm_up", 0)
    warm_up = only.scalars.get("warm_up", told / 1e9 if isinstance(told, int) else 0.0)
    return rates_within(only.scalars, only.series, warm_up)


def run_document(identity: Identity, config: RunConfig, replications: Sequence[Replication]) -> dict[str, Any]:
    """The contents of run.json (docs/results.md says what each key means)."""
    scalars: dict[str, dict[str, Any]] = {
        name: {
            "unit": describe(name).unit,
            "mean": s.mean,
            "half_width": s.half_width,
            "low": s.low,
            "high": s.high,
            "n": s.n,
            "values": list(s.values),
        }
        for name, s in scalar_table([r.scalars for r in replications]).items()
    }
    if len(replications) == 1:
        for name, within in _within(config, replications[0]).items():
            scalars[name]["within"] = within
    return {
        "schema": SCHEMA,
        "kind": "run",
        "name": config.name,
        "id": identity.id,
        "version": version(),
        "replications": len(replications),
        "accesses": [int(r.accesses) for r in replications],
        "simulated_s": [float(r.simulated_s) for r in replications],
        "scalars": scalars,
        "histograms": {n: h._asdict() for n, h in sum_histograms([r.histograms for r in replications]).items()},
        "tasks": [[task._asdict() for task in r.tasks] for r in replications],
        "vmstat": _counters([r.vmstat for r in replications]),
        "backend": _counters([r.backend for r in replications]),
        "published": published_of(config),
        "inputs": identity.inputs,
        "config": identity.config,
    }


def published_of(config: Any) -> list[dict[str, Any]]:
    """The published figures that a configuration gives: dicts with case, metric, value, source and note."""
    return [{key: getattr(figure, key) for key in ("case", "metric", "value", "source", "note")} for figure in config.published or []]


def series_csv(replications: Sequence[Replication]) -> str:
    """series.csv: column `replication`, then the columns of the series."""
    columns = list(dict.fromkeys(name for r in replications for name in r.series))
    lines = [",".join(["replication", *columns])]
    for index, replication in enumerate(replications):
        length = {len(samples) for samples in replication.series.values()}
        if len(length) > 1:
            raise ValueError(f"replication {index}: series of different lengths {sorted(length)}")
        rows = length.pop() if length else 0
        data = [replication.series.get(name) or [math.nan] * rows for name in columns]
        lines.extend(f"{index}," + ",".join(map(number, row)) for row in zip(*data, strict=True))
    return "\n".join(lines) + "\n"


def vmstat_text(replication: Replication) -> str:
    """vmstat.txt: `name value` lines as in /proc/vmstat."""
    return "".join(f"{name} {int(value)}\n" for name, value in replication.vmstat.items())


def write_run(out: Path, identity: Identity, config: RunConfig, replications: Sequence[Replication], provenance: Mapping[str, Any]) -> Path:
    """Write a run's folder (all but its report) and return its path."""
    files = {
        RUN_FILE: to_json(run_document(identity, config, replications)) + "\n",
        SERIES_FILE: series_csv(replications),
        VMSTAT_FILE: vmstat_text(replications[0]),
        PROVENANCE_FILE: to_json(provenance) + "\n",
    }
    if replications[0].pool_trace:
        files[POOL_FILE] = replications[0].pool_trace
    if replications[0].episodes is not None:
        files[RECLAIM_FILE] = reclaim_csv([r.episodes or [] for r in replications])
    return write_folder(out, identity.folder, files)
