"""`mempress allocators`: cases over all cores, each kept as soon as it is done, and one folder that puts them side by side.

A finished case is a file `allocator-cases/ID.json` in the results' folder, ID a hash of all that decides it.  Ctrl-C keeps what
is done; another allocator in the list costs only its own cases.  The bench's own folder NAME-ID is written at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.registry import resolve
from sim.bench import figures, measure
from sim.bench.density import measure_density
from sim.bench.load import LoadedBench
from sim.bench.plan import Case, Source, can_compact, cases_of, inputs_of
from sim.bench.results import bench_id, write_bench
from sim.bench.schema import Allocator, BenchConfig
from sim.errors import UserError
from sim.folders import BENCH_FILE, REPORT_FILE, SCHEMA, existing, prepare_folder, read_json
from sim.progress import Progress, Quiet, Reporter, reporter
from sim.results import Identity, digest_of, identify, slug, to_json, version
from sim.run import provenance, with_place
from sim.workers import JobError, JobUserError, Report, run_jobs

CASES_FOLDER = "allocator-cases"


class Job(NamedTuple):
    """One case, or the density of one allocator (`case` is None)."""

    config: BenchConfig
    source: Source
    allocator: Allocator
    case: Case | None
    id: str
    name: str


class Outcome(NamedTuple):
    """What the bench left behind.

    document  its bench.json;  folder, report: where that is;  reused: names of the cases that were there already
    """

    document: dict[str, Any]
    folder: Path
    report: Path
    reused: list[str]


class BenchError(Exception):
    """A case failed for a reason that is not the user's; `detail` is a traceback, or empty."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


def run_case(config: BenchConfig, source: Source, case: Case, report: Report = lambda progress: None) -> dict[str, Any]:
    """All replications of a case, as the document of its file."""
    allocator = resolve(case.allocator.entry.target)
    scalars: list[dict[str, float]] = []
    probes: list[list[list[int]]] = []
    series: list[list[int]] = []
    drawn: list[list[list[int]]] = []
    operations = 0
    for replication in range(config.replications):
        ops = source.operations(case.sequence.name, replication)
        count = len(ops.op)

        def heard(done: int, before: int = operations, share: float = replication, count: int = count) -> None:
            report(Progress(0, (share + done / max(count, 1)) / config.replications, before + done))

        found = measure.run(
            allocator, case.allocator.settings, ops, config.page_size, config.costs, config.samples, config.probes, case.every, heard
        )
        operations += count
        scalars.append(figures.scalars(found, config.page_size))
        probes.append([list(probe) for probe in found.probes])
        if replication == 0:
            series = found.series.tolist()
            if case.pictured and not case.every:
                drawn = figures.picture(found, ops, allocator, config.page_size, config.picture)
    return {
        "schema": SCHEMA,
        "kind": "allocator-case",
        "id": case.id,
        "name": case.name,
        "operations": operations,
        "scalars": scalars,
        "probes": probes,
        "series": series,
        "picture": drawn,
    }


def _density_document(job: Job) -> dict[str, Any]:
    assert job.config.density is not None
    rows = measure_density(job.allocator, job.config.page_size, job.config.density.objects, job.config.density.step)
    return {"schema": SCHEMA, "kind": "allocator-density", "id": job.id, "name": job.name, "operations": int(np.sum(rows[1])), "rows": rows}


def _work(job: Job, report: Report) -> dict[str, Any]:
    return _density_document(job) if job.case is None else run_case(job.config, job.source, job.case, report)


def _jobs(config: BenchConfig, identity: Identity, hashes: Mapping[Path, str]) -> list[Job]:
    source = Source(config)
    jobs = [Job(config, source, case.allocator, case, case.id, case.name) for case in cases_of(config, identity, hashes)]
    if config.density is not None:
        shared = [identity.config["page_size"], identity.config["density"], version()]
        for part, data in zip(config.allocators, identity.config["allocators"], strict=True):
            jobs.append(Job(config, source, part, None, digest_of([data, shared, inputs_of([part], hashes)]), f"{part.name}/density"))
    return jobs


def _finished(folder: Path, job: Job) -> dict[str, Any] | None:
    """The document of a case that is done already; its name may have changed."""
    try:
        document = read_json(folder / f"{job.id}.json")
    except UserError:
        return None
    return document | {"name": job.name} if document.get("id") == job.id else None


def _keep(folder: Path, document: Mapping[str, Any]) -> None:
    """Write the file of a case, whole or not at all."""
    target = folder / f"{document['id']}.json"
    partial = folder / f".{document['id']}.partial-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(to_json(document) + "\n", encoding="utf-8", newline="\n")
        partial.replace(target)
    except OSError as error:
        raise UserError(f"{target}: could not be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _prepare(jobs: Sequence[Job], config: BenchConfig) -> None:
    """Compile and try everything once, here, before workers start.  UserError names the key that is to blame."""
    from models.jit import report_compile_time

    needed = {job.allocator.name for job in jobs}
    for index, part in enumerate(config.allocators):
        if part.name in needed:
            try:
                measure.create_pool(resolve(part.entry.target), part.settings, config.page_size, 1)
            except InputError as error:
                raise UserError(str(error), f"allocators.{index}") from None
    if any(job.case is not None for job in jobs):
        jobs[0].source.prepare()
        for lifetime in config.lifetimes:
            resolve(lifetime.entry.target)
    report_compile_time()


def execute(
    loaded: LoadedBench,
    out: Path,
    *,
    again: bool = False,
    jobs: int | None = None,
    report: bool = True,
    reporter: Reporter | None = None,
    command: Sequence[str] | None = None,
) -> Outcome:
    """Run all cases of a configuration and write the bench's folder below `out`.

    Errors: UserError, BenchError, KeyboardInterrupt; cases that were finished are kept and not repeated.
    """
    reporter = reporter or Quiet()
    out, config = Path(out), loaded.config
    prepare_folder(out)
    cases = out / CASES_FOLDER
    hashes: dict[Path, str] = {}
    identity = identify(config, None, hashes)
    planned = _jobs(config, identity, hashes)
    found: list[dict[str, Any] | None] = [None if again else _finished(cases, job) for job in planned]
    reused = [job.name for job, document in zip(planned, found, strict=True) if document is not None]
    todo = [number for number, document in enumerate(found) if document is None]
    started = time.time()
    if todo:
        try:
            _prepare([planned[number] for number in todo], config)
            _run(planned, todo, found, cases, reporter, jobs, config)
        except UserError as error:
            raise UserError(with_place(str(error), error.key, loaded.origin)) from None
    documents = [document for document in found if document is not None]
    folder = out / f"{slug(config.name)}-{bench_id(identity)}"
    if todo or existing(out, folder.name, BENCH_FILE) is None:
        labelled = list(zip(planned, documents, strict=True))
        compacting = {part.name: can_compact(part) for part in config.allocators}
        write_bench(out, config, identity, labelled, compacting, provenance(started, command))
    page = folder / REPORT_FILE
    if report and (todo or not page.exists()):
        from sim.report import write_report

        page = write_report(folder)
    return Outcome(read_json(folder / BENCH_FILE), folder, page, reused)


def _run(
    planned: Sequence[Job],
    todo: Sequence[int],
    found: list[dict[str, Any] | None],
    cases: Path,
    reporter: Reporter,
    workers: int | None,
    config: BenchConfig,
) -> None:
    jobs = [planned[number] for number in todo]
    reporter.start(config.name, len(jobs))
    try:
        for done in run_jobs(_work, jobs, workers, reporter.update):
            document: dict[str, Any] = done.result
            reporter.finished(done.job, 0.0, document["operations"])
            _keep(cases, document)
            found[todo[done.job]] = json.loads(to_json(document))
    except JobUserError as error:
        raise UserError(f"case {jobs[error.job].name}: {error}", error.key) from None
    except JobError as error:
        raise BenchError(f"{jobs[error.job].name}: {error}", error.detail) from None
    finally:
        reporter.close()


def run(
    loaded: LoadedBench,
    out: Path,
    again: bool = False,
    jobs: int | None = None,
    quiet: bool = False,
    page: Path | None = None,
    *,
    command: Sequence[str] | None = None,
) -> int:
    """Run, print the table and where everything is, and return the exit status (0, or 1 if it failed or was stopped).

    page  also write the page that answers the questions of 2011 to this file (its plots into a folder `figures` beside it)
    UserError passes through: the caller prints it and exits with 2.
    """
    shown = reporter(quiet, unit="operations")
    start = time.monotonic()
    if command is None:
        command = ["mempress", *sys.argv[1:]]
    try:
        outcome = execute(loaded, out, again=again, jobs=jobs, reporter=shown, command=command)
    except BenchError as error:
        print(f"{error.detail}\nmempress: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shown.close()
        print(f"\nmempress: stopped; cases that were finished are in {out / CASES_FOLDER} and will not be repeated", file=sys.stderr)
        return 1
    from sim.report.bench_tables import print_bench

    if page is not None:
        from sim.report.bench_page import write_page

        write_page(outcome.folder, page)
    print_bench(outcome.document, outcome.folder, outcome.report, outcome.reused, time.monotonic() - start, page)
    return 0
