"""`mempress fleet`: every VM with every setting over all cores, and one folder of figures over the fleet.

`OUT/NAME-ID/` holds fleet.json, vms.csv (a row per VM and setting), provenance.json and report.html; there is no folder per VM.
Finished runs are kept in `OUT/.NAME.fleet/`, so a fleet that was stopped, or made larger, goes on with what is there.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from models.errors import InputError
from sim.config.schema import Config
from sim.fleet.figures import derive, figures
from sim.fleet.plan import Plan
from sim.fleet.store import Store
from sim.fleet.tables import print_fleet, vms_csv
from sim.folders import FLEET_FILE, PROVENANCE_FILE, REPORT_FILE, SCHEMA, VMS_FILE, existing, prepare_folder, read_json, write_folder
from sim.progress import Progress, Quiet, Reporter, reporter
from sim.results import Replication, digest_of, slug, to_json, version
from sim.run import provenance
from sim.workers import JobError, Report, run_jobs

Simulate = Callable[..., Replication]


class Outcome(NamedTuple):
    """What a fleet left behind: its fleet.json, folder and report, and how many runs were there already."""

    document: dict[str, Any]
    folder: Path
    report: Path
    reused: int


class _Work(NamedTuple):
    """One run for a worker."""

    simulate: Simulate
    config: Config


class _Works(Sequence[_Work]):
    """All runs, each made when it is handed over."""

    def __init__(self, simulate: Simulate, plan: Plan, todo: Sequence[int]) -> None:
        self.simulate, self.plan, self.todo = simulate, plan, todo

    def __len__(self) -> int:
        return len(self.todo)

    def __getitem__(self, number: Any) -> Any:
        return _Work(self.simulate, self.plan.drawer.config(self.plan.jobs[self.todo[number]]))


class _Done(NamedTuple):
    """What comes back: scalars, or what went wrong."""

    scalars: dict[str, float]
    simulated_s: float
    accesses: int
    error: str


def _work(work: _Work, report: Report) -> _Done:
    """Simulate one VM; a failure is a result too, so that the others go on."""
    try:
        config = work.config
        found = work.simulate(config, 0, check=0, trace=None, progress=report)
    except Exception as error:  # whatever went wrong, it is this VM's, and is told with it
        name = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        return _Done({}, 0.0, 0, f"{name}{error}")
    scalars = derive(found.scalars, int(config.machine.memory), int(config.machine.page_size))
    gc.collect()  # a VM's actors and arrays refer to each other, and many small VMs would wait for the collector together
    return _Done(scalars, found.simulated_s, found.accesses, "")


def _simulate(
    plan: Plan, ids: Sequence[str], todo: Sequence[int], store: Store, simulate: Simulate | None, shown: Reporter, jobs: int | None
) -> dict[int, str]:
    """Simulate the jobs `todo` and keep what they give; returns what went wrong, by job."""
    if simulate is None:
        machine = import_module("sim.machine")
        for config in plan.kinds:  # compiled here, once, before workers start
            machine.prepare(config)
        machine.report_compile_time()
        simulate = machine.simulate
    assert simulate is not None
    errors: dict[int, str] = {}
    shown.start(f"{plan.config.name}: {len(plan.vms)} VMs", len(todo))

    def heard(number: int, progress: Progress) -> None:
        shown.update(number, progress)

    gc.collect()
    gc.freeze()  # what is there now stays: a collection after each run then takes 2 ms
    try:
        for done in run_jobs(_work, _Works(simulate, plan, todo), jobs, heard):
            result: _Done = done.result
            index = todo[done.job]
            shown.finished(done.job, result.simulated_s, result.accesses)
            if result.error:
                errors[index] = result.error
            else:
                store.keep(ids[index], result.scalars)
    finally:
        gc.unfreeze()
        shown.close()
    return errors


def _document(plan: Plan, ids: Sequence[str], found: dict[str, dict[str, float]], errors: dict[int, str]) -> dict[str, Any]:
    """The contents of fleet.json."""
    times = len(plan.settings)
    rows = [[found.get(ids[k]) for k in range(s, len(ids), times)] for s in range(times)]
    memory = [[float(job.memory) for job in plan.jobs[s::times]] for s in range(times)]
    written = plan.config.resolved(written=True)
    return {
        "schema": SCHEMA,
        "kind": "fleet",
        "name": plan.config.name,
        "description": plan.config.description,
        "id": _identity(plan, ids),
        "version": version(),
        "seed": plan.config.seed,
        "vms": len(plan.vms),
        "settings": [{"name": name, "labels": labels} for name, labels in plan.settings],
        "drawn": plan.keys,
        "failures": [
            {"vm": plan.jobs[index].vm, "setting": plan.settings[plan.jobs[index].setting][0], "error": text}
            for index, text in sorted(errors.items())
        ],
        **figures(plan.fleet, rows, memory, plan.config.seed),
        "config": written,
    }


def _identity(plan: Plan, ids: Sequence[str]) -> str:
    return digest_of([plan.config.description, plan.fleet.resolved(), list(ids)])


def execute(
    plan: Plan,
    out: Path,
    *,
    again: bool = False,
    jobs: int | None = None,
    shown: Reporter | None = None,
    simulate: Simulate | None = None,
    command: Sequence[str] | None = None,
) -> Outcome:
    """Simulate what is not there yet, and write the fleet's folder below `out`.

    again     simulate everything;  jobs: worker processes at most, default one per core
    simulate  instead of sim.machine.simulate
    Errors: UserError; JobError if a worker dies; KeyboardInterrupt.  Runs that were finished are kept.
    """
    started = time.time()
    out = Path(out)
    prepare_folder(out)
    ids = [job.id for job in plan.jobs]
    name = f"{slug(plan.config.name)}-{_identity(plan, ids)}"
    there = existing(out, name, FLEET_FILE)
    if there is not None and not again and not there["failures"]:
        return Outcome(there, out / name, _page(out / name), len(ids))
    store = Store(out / f".{slug(plan.config.name)}.fleet")
    try:
        todo = [index for index, key in enumerate(ids) if again or key not in store.found]
        errors = _simulate(plan, ids, todo, store, simulate, shown or Quiet(), jobs) if todo else {}
        document = _document(plan, ids, store.found, errors)
        files = {
            FLEET_FILE: to_json(document) + "\n",
            VMS_FILE: vms_csv(plan, [store.found.get(key) for key in ids], list(document["metrics"])),
            PROVENANCE_FILE: to_json(provenance(started, command)) + "\n",
        }
    finally:
        store.close()
    folder = write_folder(out, name, files)
    return Outcome(read_json(folder / FLEET_FILE), folder, _page(folder), len(ids) - len(todo))


def _page(folder: Path) -> Path:
    """report.html, written if it is not there."""
    page = folder / REPORT_FILE
    if not page.exists():
        from sim.report import write_report

        page = write_report(folder)
    return page


def run(
    plan: Plan,
    out: Path,
    again: bool = False,
    jobs: int | None = None,
    quiet: bool = False,
    *,
    simulate: Simulate | None = None,
    command: Sequence[str] | None = None,
) -> int:
    """Simulate the fleet, print its figures and where they are; exit status 0, or 1 if a run failed or it was stopped."""
    shown = reporter(quiet)
    began = time.monotonic()
    command = command if command is not None else ["mempress", *sys.argv[1:]]
    try:
        outcome = execute(plan, out, again=again, jobs=jobs, shown=shown, simulate=simulate, command=command)
    except JobError as error:
        job = f"{error.detail}\n" if error.detail else ""
        print(f"{job}mempress: {error}; runs that were finished are kept", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shown.close()
        print("\nmempress: stopped; runs that were finished are kept, and the same command goes on from there", file=sys.stderr)
        return 1
    print_fleet(outcome.document, outcome.folder, outcome.report, outcome.reused, time.monotonic() - began)
    return 1 if outcome.document["failures"] else 0
