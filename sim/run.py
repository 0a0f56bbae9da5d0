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
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, NamedTuple

from sim.errors import UserError
from sim.experiment.case import Case, Finished
from sim.experiment.driver import simulate_cases
from sim.experiment.kept import Kept
from sim.experiment.place import open_place
from sim.folders import REPORT_FILE, RUN_FILE, SWEEP_FILE, existing, prepare_folder, read_json
from sim.progress import Quiet, Reporter, reporter
from sim.results import (
    Replication,
    identify,
    published_of,
    version,
    write_run,
)
from sim.sweep import Ledger, sweep_identity, words_of, write_sweep
from sim.table import TABLE_DB

LIBRARIES = ("numpy", "numba", "llvmlite", "simpy", "scipy", "lz4", "pydantic")


class Outcome(NamedTuple):
    """What a run left behind.

    cases    the cases that have results, in order;  folders: their run folders;  documents: their run.json
    published  published figures to put beside the simulated ones
    folder   the folder to look at: the sweep's, or the only run's
    report   its report.html (there unless it was not wanted)
    reused   names of the cases that were there already
    failed   what the cases said that failed, by name, now or before
    """

    cases: list[Case]
    folders: list[Path]
    documents: list[dict[str, Any]]
    published: list[dict[str, Any]]
    folder: Path
    report: Path
    reused: list[str]
    failed: dict[str, str]


class Options(NamedTuple):
    """How to run, as the command line has it.

    again         simulate cases that are there already, and replace their folders (also done for `trace` and `check`)
    jobs          worker processes at most, default one per core
    trace         where the event log of replication 0 goes (a configuration with one case only)
    check         check the machine's invariants after every so many steps; 0: never
    report        write report.html too
    cluster       a Dask cluster instead of worker processes (sim.experiment.dask)
    retry_failed  simulate only the cases of a sweep that failed before
    simulate      instead of sim.machine.simulate
    command       for the provenance
    """

    again: bool = False
    jobs: int | None = None
    trace: Path | None = None
    check: int = 0
    report: bool = True
    cluster: str | None = None
    retry_failed: bool = False
    simulate: Callable[..., Replication] | None = None
    command: Sequence[str] | None = None


def execute(loaded: Any, out: Path, *, reporter: Reporter | None = None, **options: Any) -> Outcome:
    """Simulate all cases of a loaded configuration and write their folders below `out`; options: those of `Options`.

    Cases of a sweep that fail are recorded in it, and the others go on.
    Errors: UserError, RunError, KeyboardInterrupt; cases that were finished keep their folders.
    """
    wish = Options(**options)
    reporter = reporter or Quiet()
    out = Path(out)
    prepare_folder(out)
    if wish.jobs is not None and wish.jobs < 1:
        raise UserError(f"--jobs {wish.jobs}: at least one is needed")
    cases = cases_of(loaded)
    if wish.trace is not None:
        _check_trace(wish.trace, len(cases))
    wish = wish._replace(again=wish.again or bool(wish.check) or wish.trace is not None)
    if _is_sweep(cases):
        return _sweep(loaded, cases, out, wish, reporter)
    if wish.retry_failed:
        raise UserError("--retry-failed is for sweeps, and this configuration has no `sweep`; a run that failed has left nothing behind")
    return _single(loaded, cases[0], out, wish, reporter)


def _single(loaded: Any, case: Case, out: Path, wish: Options, reporter: Reporter) -> Outcome:
    """The only case of a configuration."""
    there = not wish.again and existing(out, case.identity.folder) is not None
    if not there:
        for finished in simulate_into([case], out, wish, reporter):
            _raise_if_failed(finished, loaded.origin)
    folder = out / case.identity.folder
    page = _report(folder, wish.report, made=not there)
    document = read_json(folder / RUN_FILE)
    return Outcome([case], [folder], [document], published_of(loaded.config), folder, page, [case.name] if there else [], {})


def _raise_if_failed(finished: Finished, origin: Mapping[str, str]) -> None:
    failure = finished.failure
    if failure is None:
        return
    if failure.of_user:
        raise UserError(with_place(failure.message, failure.key, origin), failure.key)
    raise RunError(f"{finished.case.name}, {words_of(failure)}", failure.detail)


def _sweep(loaded: Any, cases: list[Case], out: Path, wish: Options, reporter: Reporter) -> Outcome:
    """All cases of a sweep, apart from those that are there or failed before."""
    started = time.time()
    with Ledger(out, loaded.config, cases) as ledger:
        before = {} if wish.again else ledger.failed_before()
        there = set() if wish.again else {c.identity.folder for c in cases if existing(out, c.identity.folder) is not None}
        ledger.complete([case for case in cases if case.identity.folder in there and case.name not in before])
        todo = [case for case in cases if case.identity.folder not in there and (case.name in before) == wish.retry_failed]
        same: dict[str, list[Case]] = {}  # cases that are one run
        for case in todo:
            same.setdefault(case.identity.folder, []).append(case)
        first: Finished | None = None
        for finished in simulate_into([one[0] for one in same.values()], out, wish, reporter, loaded.origin):
            run_folder = finished.case.identity.folder
            document = read_json(out / run_folder / RUN_FILE) if finished.failure is None else {}
            for case in same[run_folder]:
                if finished.failure is None:
                    ledger.done(case, document, finished.seconds)
                else:
                    first = first or finished
                    ledger.failed(case, finished.failure, finished.seconds)
        failed, missing = ledger.failed_before(), ledger.not_done()
    have = [case for case in cases if case.name not in missing]
    if not have and first is not None:
        _raise_if_failed(first, {})
    if not have:
        raise UserError(f"all {len(failed)} cases of this sweep failed before; --retry-failed tries them again")
    documents = {name: read_json(out / name / RUN_FILE) for name in dict.fromkeys(case.identity.folder for case in have)}
    folder = out / sweep_identity(loaded.config, cases)[0]
    if todo or existing(out, folder.name, SWEEP_FILE, TABLE_DB) is None:
        untold = {**dict.fromkeys(missing, "not simulated yet"), **failed}
        write_sweep(out, loaded.config, cases, untold, provenance(started, wish.command), documents)
    page = _report(folder, wish.report, made=bool(todo))
    places = [case.identity.folder for case in have]
    reused = [case.name for case in have if case.identity.folder in there]
    found = [documents[place] for place in places]
    return Outcome(have, [out / place for place in places], found, published_of(loaded.config), folder, page, reused, failed)


def _report(folder: Path, wanted: bool, made: bool) -> Path:
    page = folder / REPORT_FILE
    if wanted and (made or not page.exists()):
        from sim.report import write_report

        page = write_report(folder)
    return page


def simulate_into(
    todo: list[Case], out: Path, wish: Options, reporter: Reporter, origin: Mapping[str, str] | None = None
) -> Iterator[Finished]:
    """Simulate cases and write the run folders of those that succeed; yields each when that is done.

    origin: where the keys of a sweep stand, for its failures.
    """
    if not todo:
        return
    started = time.time()
    simulate = wish.simulate or compiled(todo)
    trace = wish.trace
    log = trace.with_name(f".partial-{os.getpid()}-{trace.name}") if trace is not None else None
    calls = sum(case.config.most_replications for case in todo)
    kept = None if wish.again else Kept(out)
    inputs = sorted({Path(file) for case in todo for file in case.config.input_files()}) if wish.cluster else []
    reporter.start(todo[0].name if len(todo) == 1 else f"{len(todo)} cases", calls)
    try:
        with open_place(wish.cluster, wish.jobs, calls, inputs) as place:
            for finished in simulate_cases(todo, simulate, place, reporter, kept, wish.check, log):
                if finished.failure is None:
                    about = {**provenance(started, wish.command), "worker_seconds": round(finished.seconds, 3)}
                    write_run(out, finished.case.identity, finished.case.config, finished.replications, about)
                    if kept is not None:
                        kept.drop(finished.case.identity.id)
                elif origin is not None and finished.failure.of_user:
                    text = with_place(finished.failure.message, finished.failure.key, origin)
                    finished = finished._replace(failure=finished.failure._replace(message=text))
                yield finished
        if log is not None and trace is not None and log.exists():
            log.replace(trace)
    finally:
        reporter.close()
        if log is not None:
            log.unlink(missing_ok=True)


def compiled(cases: Sequence[Case]) -> Callable[..., Replication]:
    """The simulation, with everything that the cases need compiled: here, once, before workers start."""
    machine = import_module("sim.machine")
    for case in cases:
        machine.prepare(case.config)
    machine.report_compile_time()
    found: Callable[..., Replication] = machine.simulate
    return found


class RunError(Exception):
    """A simulation failed for a reason that is not the user's; `detail` is a traceback, or empty."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


def with_place(text: str, key: str, origin: Mapping[str, str]) -> str:
    """The message behind the file and line of the key that it is about, unless it names a place itself, as those of traces do."""
    if not key or re.match(r"\S+:\d+:", text):
        return text
    place = next((where for name, where in origin.items() if f"{name}.".startswith(f"{key}.") and where != "default"), "")
    return f"{place}: {text}" if place else text


def cases_of(loaded: Any) -> list[Case]:
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


@cache
def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def run(loaded: Any, out: Path, *, quiet: bool = False, **options: Any) -> int:
    """Run, print the key figures and where everything is, and return the exit status (0, or 1 if it failed or was stopped).

    options: those of `Options`.  UserError passes through: the caller prints it and exits with 2.
    """
    shown = reporter(quiet)
    start = time.monotonic()
    for note in loaded.notes:
        shown.note(note)
    options.setdefault("command", ["mempress", *sys.argv[1:]])
    try:
        outcome = execute(loaded, out, reporter=shown, **options)
    except RunError as error:
        print(f"{error.detail}\nmempress: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shown.close()
        print(f"\nmempress: stopped; what was finished is in {out} and will not be repeated", file=sys.stderr)
        return 1
    from sim.report.tables import print_outcome

    print_outcome(outcome, time.monotonic() - start)
    if outcome.failed:
        print(f"mempress: {_failures(outcome.failed)}", file=sys.stderr)
    return 1 if outcome.failed else 0


def _failures(failed: Mapping[str, str], most: int = 3) -> str:
    """The failures of a sweep for people: how many, the first few, and what to do."""
    lines = [f"  {name}: {text}" for name, text in list(failed.items())[:most]]
    more = f"\n  ... and {len(failed) - most} more (mempress export SWEEP --failed lists them)" if len(failed) > most else ""
    head = "1 case failed" if len(failed) == 1 else f"{len(failed)} cases failed"
    return f"{head}; --retry-failed tries again:\n" + "\n".join(lines) + more


__all__ = ["Options", "Outcome", "RunError", "execute", "provenance", "run"]
