"""`mempress run`: from a loaded configuration to folders of results, a table on the terminal and a report.

`execute` is the Python interface (it returns what was written and raises errors); `run` is what the command line calls.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, NamedTuple

from sim.errors import UserError
from sim.folders import REPORT_FILE, RUN_FILE, SWEEP_FILE, existing, prepare_folder, read_json
from sim.progress import Quiet, Reporter, reporter
from sim.results import (
    Replication,
    identify,
    published_of,
    version,
    write_run,
)
from sim.sweep import Case, RunError, simulate_cases, sweep_identity, write_sweep

LIBRARIES = ("numpy", "numba", "llvmlite", "simpy", "scipy", "lz4", "pydantic")


class Outcome(NamedTuple):
    """What a run left behind.

    cases    the cases in order;  folders: their run folders;  documents: their run.json
    published  published figures to put beside the simulated ones
    folder   the folder to look at: the sweep's, or the only run's
    report   its report.html (there unless it was not wanted)
    reused   names of the cases that were there already
    """

    cases: list[Case]
    folders: list[Path]
    documents: list[dict[str, Any]]
    published: list[dict[str, Any]]
    folder: Path
    report: Path
    reused: list[str]


def execute(
    loaded: Any,
    out: Path,
    *,
    again: bool = False,
    jobs: int | None = None,
    trace: Path | None = None,
    check: int = 0,
    report: bool = True,
    reporter: Reporter | None = None,
    simulate: Callable[..., Replication] | None = None,
    command: Sequence[str] | None = None,
) -> Outcome:
    """Simulate all cases of a loaded configuration and write their folders below `out`.

    again     simulate cases that are there already, and replace their folders (also done for `trace` and `check`)
    jobs      worker processes at most, default one per core
    trace     where the event log of replication 0 goes (a configuration with one case only)
    check     check the machine's invariants all the time
    report    write report.html too
    simulate  instead of sim.machine.simulate
    Errors: UserError, RunError, KeyboardInterrupt; cases that were finished keep their folders.
    """
    reporter = reporter or Quiet()
    out = Path(out)
    prepare_folder(out)
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs {jobs}: at least one is needed")
    cases = _cases(loaded)
    if trace is not None:
        _check_trace(trace, len(cases))
    again = again or bool(check) or trace is not None
    todo = list({c.identity.folder: c for c in cases if again or existing(out, c.identity.folder) is None}.values())
    reused = [case.name for case in cases if case.identity.folder not in {c.identity.folder for c in todo}]
    started = time.time()
    if todo:
        try:
            _simulate(todo, out, simulate, reporter, jobs, check, trace, started, command)
        except UserError as error:
            raise UserError(with_place(str(error), error.key, loaded.origin)) from None
    documents = [read_json(out / case.identity.folder / RUN_FILE) for case in cases]
    folder = out / cases[0].identity.folder
    published = published_of(loaded.config)
    if _is_sweep(cases):
        folder = out / sweep_identity(loaded.config, cases)[0]
        if todo or existing(out, folder.name, SWEEP_FILE) is None:
            write_sweep(out, loaded.config, cases, provenance(started, command))
    page = folder / REPORT_FILE
    if report and (todo or not page.exists()):
        from sim.report import write_report

        page = write_report(folder)
    return Outcome(cases, [out / case.identity.folder for case in cases], documents, published, folder, page, reused)


def _simulate(
    todo: list[Case],
    out: Path,
    simulate: Callable[..., Replication] | None,
    reporter: Reporter,
    jobs: int | None,
    check: int,
    trace: Path | None,
    started: float,
    command: Sequence[str] | None,
) -> None:
    if simulate is None:
        machine = import_module("sim.machine")
        for case in todo:  # compiled here, once, before workers start
            machine.prepare(case.config)
        machine.report_compile_time()
        simulate = machine.simulate
    assert simulate is not None
    log = trace.with_name(f".partial-{os.getpid()}-{trace.name}") if trace is not None else None
    reporter.start(todo[0].name if len(todo) == 1 else f"{len(todo)} cases", sum(case.config.most_replications for case in todo))
    try:
        for case, replications in simulate_cases(todo, simulate, reporter, jobs, check, log):
            write_run(out, case.identity, case.config, replications, provenance(started, command))
        if log is not None and trace is not None and log.exists():
            log.replace(trace)
    finally:
        reporter.close()
        if log is not None:
            log.unlink(missing_ok=True)


def with_place(text: str, key: str, origin: Mapping[str, str]) -> str:
    """The message behind the file and line of the key that it is about, unless it names a place itself, as those of traces do."""
    if not key or re.match(r"\S+:\d+:", text):
        return text
    place = next((where for name, where in origin.items() if f"{name}.".startswith(f"{key}.") and where != "default"), "")
    return f"{place}: {text}" if place else text


def _cases(loaded: Any) -> list[Case]:
    """The cases with their identities; input files are hashed once."""
    hashes: dict[Path, str] = {}
    base = loaded.config.name
    found: list[Case] = []
    several = _is_sweep(loaded.cases)
    for case in loaded.cases:
        full = case.name if not several or case.name.startswith(base) else f"{base}-{case.name}"
        found.append(Case(case.name, dict(case.labels), case.config, identify(case.config, full, hashes)))
    return found


def _is_sweep(cases: Sequence[Any]) -> bool:
    """Whether the cases came from a `sweep:`, which may have but one."""
    return len(cases) > 1 or bool(cases[0].labels)


def _check_trace(trace: Path, cases: int) -> None:
    if cases > 1:
        raise UserError(f"--trace writes the events of one run, and this configuration has {cases} cases; choose one with --set")
    if trace.is_dir():
        raise UserError(f"{trace}: is a folder; --trace wants a file")
    if not os.access(trace.parent, os.W_OK):
        raise UserError(f"{trace}: its folder does not exist or cannot be written")


def provenance(started: float, command: Sequence[str] | None = None) -> dict[str, Any]:
    """Where, when and with what: everything that may differ between two runs of the same ID."""
    return {
        "command": shlex.join(command) if command else "",
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 3),
        "host": platform.node(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "mempress": version(),
        "libraries": {name: _installed(name) for name in LIBRARIES},
    }


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def run(
    loaded: Any,
    out: Path,
    again: bool = False,
    jobs: int | None = None,
    trace: Path | None = None,
    check: int = 0,
    quiet: bool = False,
    *,
    simulate: Callable[..., Replication] | None = None,
    command: Sequence[str] | None = None,
) -> int:
    """Run, print the key figures and where everything is, and return the exit status (0, or 1 if it failed or was stopped).

    UserError passes through: the caller prints it and exits with 2.
    """
    shown = reporter(quiet)
    start = time.monotonic()
    if command is None:
        command = ["mempress", *sys.argv[1:]]
    try:
        outcome = execute(loaded, out, again=again, jobs=jobs, trace=trace, check=check, reporter=shown, simulate=simulate, command=command)
    except RunError as error:
        print(f"{error.detail}\nmempress: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shown.close()
        print(f"\nmempress: stopped; cases that were finished are in {out} and will not be repeated", file=sys.stderr)
        return 1
    from sim.report.tables import print_outcome

    print_outcome(outcome, time.monotonic() - start)
    return 0


__all__ = ["Outcome", "execute", "provenance", "run"]
