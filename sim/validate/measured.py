"""A measured run of a real kernel, as read from its file (docs/validate.md).

What is wrong in a file is said with its name, what was found and what was expected.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sim.errors import UserError

Snapshot = dict[str, float]
GUIDE = "docs/validate.md says what a measured run looks like"
NEEDED: dict[str, type] = {"name": str, "config": dict, "workload": dict, "phases": list}  # key -> its kind in Python
KINDS: dict[type, str] = {str: "a text", dict: "an object", list: "a list", int: "a whole number", bool: "true or false"}
SETTINGS: dict[str, type] = {"kernel": str, "ram_mb": int, "BACKEND": str}  # without these nothing can be simulated
KERNELS = ("k61", "k612")  # 6.1 and 6.12, whose rules can be simulated
BACKENDS = ("disk", "zswap", "zram", "none")
DEFAULTS: Mapping[str, Any] = {  # the kernel's own, and the measured guests' disks
    "vcpus": 1,
    "COMP": "lz4",
    "ZPOOL": "zsmalloc",
    "MAXPOOL": 20,
    "ACCEPT": 90,
    "SWAPPINESS": 60,
    "PAGECLUSTER": 3,
    "LRUGEN": 0,
    "SHRINKER": "N",
    "MINFREE": 4096,
    "ZRAM_MB": 256,
    "swap_mb": 640,
    "data_mb": 1024,
    "swap_iops": 0,
}
STARTS_FROM = (  # counters without which nobody knows what the guest's memory is used for at the start
    *(f"vmstat.nr_{lru}" for lru in ("free_pages", "inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")),
    *(f"vmstat.nr_{use}" for use in ("shmem", "mapped", "slab_reclaimable", "slab_unreclaimable", "page_table_pages", "kernel_stack")),
    *(f"meminfo.{use}" for use in ("MemTotal", "Percpu", "VmallocUsed")),
)
ZONE = ("managed", "spanned", "free", "min", "low", "high")
OOM_KILLED = 137  # exit status of a process that was sent SIGKILL


class Phase(NamedTuple):
    """A finished phase: its words, the accesses (or units) that it did, and all counters before and after it."""

    spec: str
    n: int
    before: Snapshot
    after: Snapshot


class Series(NamedTuple):
    """The time series: columns t_ns, phase, idx and the counters that changed; a row a sample."""

    cols: tuple[str, ...]
    rows: Sequence[Sequence[float]]


class Measured(NamedTuple):
    """One measured run.

    start     all counters before the first phase, finished or not
    done      False if the guest was killed or gave up before its last phase was over;  rc: exit status, None if there was none
    wall_s    real seconds that the guest took, 0 if not known
    document  the file's contents, with the defaults of settings filled in and without the series: what a simulation is made from
    """

    name: str
    rep: int
    kernel: str
    config: Mapping[str, Any]
    workload: Mapping[str, Any]
    start: Snapshot
    phases: tuple[Phase, ...]
    series: Series
    done: bool
    rc: int | None
    wall_s: float
    path: Path
    document: Mapping[str, Any]


def read_run(path: Path) -> Measured:
    """Read one file.  Raises UserError if it is damaged or not a measured run."""
    document = _document(path)
    for key, kind in NEEDED.items():
        _want(path, document, key, kind)
    config = {**DEFAULTS, **document["config"]}
    for key, kind in SETTINGS.items():
        _want(path, config, key, kind, "config.")
    for key, names in (("kernel", KERNELS), ("BACKEND", BACKENDS)):
        if config[key] not in names:
            raise UserError(f"{path}: config.{key} is {config[key]!r:.60}; expected one of {', '.join(names)}")
    for key, value in DEFAULTS.items():
        if not (key == "MINFREE" and config[key] == ""):
            _want(path, config, key, type(value), "config.")
    config["MINFREE"] = _min_free(path, document, config["MINFREE"])
    for key in ("globals", "phases"):
        texts = _want(path, document["workload"], key, list, "workload.")
        if not all(isinstance(text, str) for text in texts):
            raise UserError(f"{path}: workload.{key} is not a list of texts of the form key=value,...")
    start, phases = _phases(path, document)
    done = document.get("done", True)
    if done is True and len(phases) != len(document["workload"]["phases"]):
        raise UserError(
            f"{path}: done is true, but {len(phases)} of {len(document['workload']['phases'])} phases are there; a run that stopped "
            'before its end has "done": false'
        )
    rep, rc = document.get("rep", 1), document.get("rc")
    return Measured(
        name=document["name"],
        rep=rep if isinstance(rep, int) else 1,
        kernel=config["kernel"],
        config=config,
        workload=document["workload"],
        start=start,
        phases=tuple(phases),
        series=_series(path, document),
        done=done is True,
        rc=rc if isinstance(rc, int) else None,
        wall_s=_wall(document.get("host")),
        path=path,
        document=_to_simulate(document, config, start),
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if path.name.endswith(".gz") else data
        found = json.loads(text)
    except OSError as error:
        raise UserError(f"{path}: cannot be read as a measured run: {error.strerror or error}") from None
    except (EOFError, zlib.error, ValueError) as error:
        raise UserError(f"{path}: is damaged or not JSON{' packed by gzip' * path.name.endswith('.gz')}: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: is JSON nested too deep; {GUIDE}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: is {KINDS.get(type(found), type(found).__name__)} in JSON; expected an object ({GUIDE})")
    return found


def _want(path: Path, where: Mapping[str, Any], key: str, kind: type, prefix: str = "") -> Any:
    value: Any = where.get(key)
    if key not in where:
        raise UserError(f"{path}: {prefix}{key} is missing; expected {KINDS[kind]} ({GUIDE})")
    whole = kind is not int or (not isinstance(value, bool) and isinstance(value, int) and value >= 0)
    if not isinstance(value, kind) or not whole:
        raise UserError(f"{path}: {prefix}{key} is {value!r:.60}; expected {KINDS[kind]}{' of 0 or more' * (kind is int)}")
    return value


def _wall(host: Any) -> float:
    seconds: Any = host.get("wall_s") if isinstance(host, dict) else None
    return float(seconds) if _number(seconds) and seconds > 0 else 0.0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _min_free(path: Path, document: Mapping[str, Any], setting: Any) -> int:
    """vm.min_free_kbytes: what the guest itself says, or else the setting, which is empty if the guest's own was left."""
    sysctl = "/proc/sys/vm/min_free_kbytes"
    env = document.get("env")
    said = env.get(sysctl, setting) if isinstance(env, dict) else setting
    if not str(said).isdigit():
        raise UserError(f"{path}: config.MINFREE is {setting!r} and env.{sysctl} is {said!r:.60}; expected KiB in one of them")
    return int(said)


def snapshot(path: Path, place: str, found: Any) -> Snapshot:
    """Numbers of a flat object of counters; texts (buddyinfo, swaps) are left out."""
    if not isinstance(found, dict):
        raise UserError(f'{path}: {place} is missing; expected an object of counters such as "vmstat.pswpin": 0 ({GUIDE})')
    numbers: Snapshot = {}
    for key, value in found.items():
        if isinstance(value, str):
            continue
        if not _number(value):
            raise UserError(f"{path}: {place}.{key} is {value!r:.60}; expected a number")
        numbers[key] = value
    return numbers


def _phases(path: Path, document: Mapping[str, Any]) -> tuple[Snapshot, list[Phase]]:
    """The counters at the start, and the finished phases: later snapshots list only what differs from the very first."""
    entries = document["phases"]
    specs = document["workload"]["phases"]
    if not all(isinstance(entry, dict) for entry in entries) or len(entries) > len(specs):
        raise UserError(f"{path}: phases has {len(entries)} entries; expected at most {len(specs)} objects, as workload.phases says")
    if entries:
        start = snapshot(path, "phases[0].before", entries[0].get("before"))
    else:
        start = snapshot(path, "interrupted_phase_before", document.get("interrupted_phase_before") or {})
    _check_start(path, start)
    found = []
    for k, entry in enumerate(entries):
        before, after = (start | snapshot(path, f"phases[{k}].{key}", entry.get(key)) for key in ("before", "after"))
        count = entry.get("units") if "kind=compile" in specs[k] else entry.get("n")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise UserError(f"{path}: phases[{k}] does not say how much it did (n, or units of a compile); found {count!r:.60}")
        found.append(Phase(specs[k], count, before, after))
    return start, found


def _check_start(path: Path, start: Snapshot) -> None:
    if not start:
        return  # a guest that was lost before its first snapshot: nothing to compare with
    sizes = [key for key in start if key.startswith("zoneinfo.") and key.endswith(".managed")]
    zones = [key.removesuffix("managed") for key in sizes if start[key]]
    needed = [*STARTS_FROM, *(zone + key for zone in zones or ["zoneinfo.DMA32."] for key in ZONE)]
    missing = [key for key in needed if key not in start]
    if missing:
        raise UserError(f"{path}: the counters before the first phase have no {missing[0]}; a simulation starts from it ({GUIDE})")


def _series(path: Path, document: Mapping[str, Any]) -> Series:
    found = document.get("series") or {}
    cols, rows = (found.get("cols", []), found.get("rows", [])) if isinstance(found, dict) else (None, None)
    if not isinstance(cols, list) or not isinstance(rows, list) or not all(_of_numbers(row, len(cols)) for row in rows):
        raise UserError(f"{path}: series is damaged; expected cols, and rows with a number for each of them")
    return Series(tuple(str(name) for name in cols), rows)


def _of_numbers(row: Any, count: int) -> bool:
    return isinstance(row, list) and len(row) == count and all(map(_number, row))


def _to_simulate(document: Mapping[str, Any], config: Mapping[str, Any], start: Snapshot) -> dict[str, Any]:
    """The contents with a complete `before` of every phase that is to be simulated: of an interrupted run, the one that it died in too."""
    phases: list[dict[str, Any]] = [{"n": 0, "units": 0, **entry} for entry in document["phases"]]
    specs = document["workload"]["phases"]
    if document.get("done", True) is not True and len(phases) < len(specs) and start:
        words = dict(word.split("=", 1) for word in specs[len(phases)].split(",") if "=" in word)
        counts = {key: int(words[word]) for key, word in (("n", "n"), ("units", "units")) if words.get(word, "").isdigit()}
        phases.append({"spec": specs[len(phases)], "before": dict(start), "n": 0, "units": 0, **counts})
    if phases:
        phases[0]["before"] = dict(start)
    env = document.get("env")
    kept = {key: value for key, value in document.items() if key != "series"}
    return {**kept, "config": dict(config), "phases": phases, "env": env if isinstance(env, dict) else {}}
