"""What several keys must agree on: swap needs a device, a backend needs swap, sizes must fit into each other.

The checks look at a finished configuration or at the plain data of a file that still has other errors, so that a person sees
all errors of a file at once.  Where a value is missing or wrong in itself they say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sim import units
from sim.config.problems import Path, Problem, nearest, one_of, show

FEWEST_PAGES = 64  # frames that a kernel needs beside what it holds for good, a choice of this model
MOST_FRAMES = 2**27  # of models.memory.state.MAX_FRAMES, which cannot be imported here: it needs Numba
MOST_RECOMPRESSORS = 3  # of zram
MOST_SLOTS = 2**31 - 2  # swap slots are numbered in int32, from 1


def default_contents() -> Any:
    """What pages hold if a workload does not say: the first registered content that needs no settings."""
    from models.registry import REQUIRED
    from sim.config.names import registry

    for entry in registry("contents").values():
        if all(option.default != REQUIRED for option in entry.options):
            return entry.name
    return None


def _get(thing: Any, *names: str) -> Any:
    """A nested key of data or of a finished model; None where it is missing or something else."""
    for name in names:
        thing = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
    return thing


def _size(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return units.parse_size(value) if isinstance(value, str) else None
    except units.UnitError:
        return None


def kernel_reserved(memory: int) -> int:
    """`kernel_reserved: auto` in bytes: 1/64 of memory (page descriptors) and 8 MiB of kernel, but at most a quarter."""
    return min(memory // 64 + (8 << 20), memory // 4)


def _kind(part: Any) -> Any:
    return part if isinstance(part, str) else _get(part, "kind")


def _machine(config: Any) -> Iterator[Problem]:
    memory = _size(_get(config, "machine", "memory"))
    page = _size(_get(config, "machine", "page_size") or "4KiB")
    reserved = _get(config, "machine", "kernel_reserved")
    reserved = _size(reserved) if reserved not in (None, "auto") else kernel_reserved(memory) if memory else None
    if not memory or not page or page < 0 or memory < 0 or reserved is None:
        return
    path: Path = ("machine", "memory")
    if memory // page < FEWEST_PAGES:
        yield Problem(path, show(_get(config, *map(str, path))), f"at least {FEWEST_PAGES} pages of {units.format_size(page)}")
    elif memory // page > MOST_FRAMES:
        most = f"at most 2^27 pages of {units.format_size(page)}: {units.format_size(MOST_FRAMES * page)}"
        yield Problem(path, show(_get(config, *map(str, path))), most)
    elif (memory - reserved) // page < FEWEST_PAGES:
        path = ("machine", "kernel_reserved")
        yield Problem(path, units.format_size(reserved), f"at least {FEWEST_PAGES} pages less than memory: {units.format_size(memory)}")
    else:
        yield from _watermarks(config, memory - reserved)


def _watermarks(config: Any, free: int) -> Iterator[Problem]:
    sysctl = _get(config, "machine", "sysctl")
    wanted = sysctl.get("vm.min_free_kbytes") if isinstance(sysctl, Mapping) else None
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted * 1024 * 3 // 2 >= free:
        most = f"less than {free * 2 // 3 // 1024}: the high watermark, 1.5 times as much, must lie inside the memory that is left"
        yield Problem(("machine", "sysctl", "vm.min_free_kbytes"), show(wanted), most)


def _clean_only(config: Any) -> bool:
    """Whether the backend was told to leave swap alone."""
    options = _get(config, "backend", "options") or _get(config, "backend")
    return isinstance(options, Mapping) and options.get("frontswap") is False


def _swap(config: Any) -> Iterator[Problem]:
    devices = _get(config, "devices")
    names = list(devices) if isinstance(devices, Mapping) else []
    swap = _get(config, "swap")
    device = _get(swap, "device")
    if isinstance(device, str) and device not in names:
        yield Problem(("swap", "device"), show(device), f"a name from `devices`: {one_of(names)}", nearest(device, names))
    size, page = _size(_get(swap, "size")), _size(_get(config, "machine", "page_size") or "4KiB")
    if size and page and page > 0 and size // page > MOST_SLOTS:
        yield Problem(("swap", "size"), show(_get(swap, "size")), f"at most 2^31 pages of {units.format_size(page)}")
    backend = _kind(_get(config, "backend"))
    if swap is None and isinstance(backend, str) and backend not in ("none", "zram") and not _clean_only(config):
        yield Problem(("backend", "kind"), show(backend), "none, as there is no swap: it keeps pages that go to swap slots; add `swap:`")


def _filesystem(config: Any) -> Iterator[Problem]:
    devices = _get(config, "devices")
    names = list(devices) if isinstance(devices, Mapping) else []
    device = _get(config, "filesystem", "device")
    if isinstance(device, str) and device != "auto" and device not in names:
        yield Problem(("filesystem", "device"), show(device), f"a name from `devices`: {one_of(names)}", nearest(device, names))


def _workloads(config: Any) -> Iterator[Problem]:
    workloads = _get(config, "workloads")
    seen: dict[str, int] = {}
    for index, workload in enumerate(workloads if isinstance(workloads, list) else []):
        name = _get(workload, "name")
        if isinstance(name, str) and name in seen:
            yield Problem(("workloads", index, "name"), show(name), f"a name of its own; workloads.{seen[name]} has it already")
        elif isinstance(name, str):
            seen[name] = index


def _times(config: Any) -> Iterator[Problem]:
    try:
        duration, warm_up = (_time(_get(config, name)) for name in ("duration", "warm_up"))
    except units.UnitError:
        return
    if duration is not None and warm_up is not None and warm_up >= duration > 0:
        yield Problem(("warm_up",), units.format_time(warm_up), f"less than duration: {units.format_time(duration)}")


def _time(value: Any) -> int | None:
    if isinstance(value, str):
        return None if value == "until-done" else units.parse_time(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_time(text: str) -> bool:
    try:
        return units.parse_time(text) >= 0
    except units.UnitError:
        return False


def _sweep(config: Any) -> Iterator[Problem]:
    sweep = _get(config, "sweep")
    if sweep is None:
        return
    cases = _get(sweep, "cases")
    sampled = [name for name in ("random", "lhs", "sobol") if _get(sweep, name)]
    blocks = [name for name in ("grid", "cases", "zip") if _get(sweep, name)] + sampled
    known = {"grid", "cases", "zip", "random", "lhs", "sobol", "when", "unless"}
    if len(sampled) > 1:
        path: Path = ("sweep", sampled[1])
        yield Problem(path, f"{sampled[1]} beside {sampled[0]}", "one sampled block: random, lhs or sobol", at_key=True)
    if not blocks and (hasattr(sweep, "grid") or (isinstance(sweep, Mapping) and set(sweep) <= known)):
        yield Problem(("sweep",), "no cases", "a block that makes some: grid, cases, zip, random, lhs or sobol")
    seen: set[str] = set()
    for index, case in enumerate(cases if isinstance(cases, list) else []):
        name = _get(case, "name")
        if isinstance(name, str) and name in seen:
            yield Problem(("sweep", "cases", index, "name"), show(name), "a name of its own; a case before it has it already")
        elif isinstance(name, str):
            seen.add(name)


def _replications(config: Any) -> Iterator[Problem]:
    metric = _get(config, "replications", "metric")
    if isinstance(metric, str):
        workloads, devices = _get(config, "workloads"), _get(config, "devices")
        names = [_get(workload, "name") for workload in workloads] if isinstance(workloads, list) else []
        yield from missing_owner(metric, [name for name in names if isinstance(name, str)], devices if isinstance(devices, Mapping) else [])


def missing_owner(metric: str, tasks: Iterable[str], devices: Iterable[str]) -> Iterator[Problem]:
    """A figure `task.NAME.x` or `device.NAME.x` of something that is not there."""
    family, _, rest = metric.partition(".")
    owner = rest.rpartition(".")[0]
    known = {"task": list(tasks), "device": list(devices)}.get(family)
    if known is None or not owner or owner in known or owner.partition(".")[0] in known:
        return
    noun = "workload" if family == "task" else "device"
    yield Problem(("replications", "metric"), show(metric), f"the figure of a {noun} that there is: {one_of(known)}", nearest(owner, known))


def _cold_age(config: Any) -> Iterator[Problem]:
    settings = _get(config, "reclaim", "cold_age")
    try:
        threshold, period = _time_or(settings, "threshold", "never"), _time_or(settings, "scan_period", "120s")
    except units.UnitError:
        return
    if settings is None or threshold is None or not period:
        return
    path: Path = ("reclaim", "cold_age", "threshold")
    if not period <= threshold <= 255 * period:
        span = f"{units.format_time(period)} to {units.format_time(255 * period)}"
        yield Problem(path, units.format_time(threshold), f"from one to 255 scan periods: {span}")
    backend = _kind(_get(config, "backend")) or "none"
    if backend == "none" or _clean_only(config):
        yield Problem(path, units.format_time(threshold), "a backend that takes swapped pages (backend: zcache), or never", at_key=True)


def _time_or(settings: Any, name: str, default: str) -> int | None:
    """A time in ns, the default where it is missing; None for a word."""
    value = _get(settings, name) or default
    return None if value == "never" else _time(value)


def _cgroups(config: Any) -> Iterator[Problem]:
    groups = _get(config, "cgroups")
    names = list(groups) if isinstance(groups, Mapping) else []
    workloads = _get(config, "workloads")
    for index, workload in enumerate(workloads if isinstance(workloads, list) else []):
        wanted = _get(workload, "cgroup")
        if isinstance(wanted, str) and wanted not in names:
            expected = f"a name from `cgroups`: {one_of(names)}" if names else "a name from `cgroups`; there are none, add `cgroups:`"
            yield Problem(("workloads", index, "cgroup"), show(wanted), expected, nearest(wanted, names))
    backend = _kind(_get(config, "backend")) or "none"
    for name in names:
        group = groups[name]
        for key in ("memory.zswap.max", "memory.zswap.writeback"):
            value = _get(group, key)
            if value not in (None, "max", True) and backend != "zswap":
                yield Problem(("cgroups", name, key), show(value), f"a backend that it limits: zswap; this one is {backend}", at_key=True)
        if _kind(_get(group, "controller")) == "cold-age" and (backend == "none" or _clean_only(config)):
            yield Problem(
                ("cgroups", name, "controller"), "cold-age", "a backend that takes swapped pages (backend: zcache), or another controller"
            )


def _fleet(config: Any) -> Iterator[Problem]:
    if _get(config, "fleet") is not None and _get(config, "sweep") is not None:
        yield Problem(("sweep",), "a sweep beside a fleet", "one of the two; fleet.settings varies keys too", at_key=True)


def _zram(config: Any) -> Iterator[Problem]:
    """Commands of zram that need what is not there."""
    if _kind(_get(config, "backend")) != "zram":
        return
    options = _get(config, "backend", "options") or _get(config, "backend")
    devices = _get(config, "devices")
    names = list(devices) if isinstance(devices, Mapping) else []
    backing = _get(options, "backing_dev")
    taken = {_get(config, "swap", "device"), _get(config, "filesystem", "device")}
    if isinstance(backing, str) and backing not in names:
        yield Problem(("backend", "backing_dev"), show(backing), f"a name from `devices`: {one_of(names)}", nearest(backing, names))
    elif isinstance(backing, str) and backing in taken:
        yield Problem(("backend", "backing_dev"), show(backing), "a device of its own: that one holds swap or files")
    more = _get(options, "recomp_algorithm") or ()
    if len(more) > MOST_RECOMPRESSORS:
        yield Problem(("backend", "recomp_algorithm"), f"{len(more)} compressors", f"at most {MOST_RECOMPRESSORS}")
    commands = _get(options, "commands")
    for number, command in enumerate(commands if isinstance(commands, list) else ()):
        path: Path = ("backend", "commands", number)
        if (_get(command, "at") is None) == (_get(command, "every") is None):
            yield Problem(path, "a command", "one of `at` (once) and `every` (again and again)")
        idle = _get(command, "idle")
        if isinstance(idle, str) and idle != "all" and not _is_time(idle):
            yield Problem((*path, "idle"), show(idle), "all, or an age such as 30s")
        if _get(command, "writeback") is not None and backing is None:
            yield Problem((*path, "writeback"), show(_get(command, "writeback")), "a backing device first: backend.backing_dev")
        if _get(command, "recompress", "type") is not None and not more:
            yield Problem((*path, "recompress"), "a recompression", "compressors for it first: backend.recomp_algorithm")


def across(config: Any) -> list[Problem]:
    """Everything that does not fit together in a configuration, finished or not."""
    every = (_machine, _swap, _filesystem, _workloads, _times, _replications, _sweep, _cold_age, _cgroups, _fleet, _zram)
    return [problem for check in every for problem in check(config)]
