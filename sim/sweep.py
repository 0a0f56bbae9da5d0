"""A sweep: all replications of all cases over all cores, a folder per case, and one folder that puts the cases side by side.

The sweep's folder holds `sweep.json` (which cases, in which run folders), `table.csv` (a row per case) and `report.html`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sim.errors import UserError
from sim.folders import PROVENANCE_FILE, RUN_FILE, SCHEMA, SWEEP_FILE, TABLE_FILE, read_json, write_folder
from sim.metrics import describe, ordered
from sim.progress import Progress, Reporter
from sim.results import (
    Identity,
    Replication,
    digest_of,
    number,
    published_of,
    slug,
    to_json,
    version,
)
from sim.workers import JobError, JobUserError, Report, run_jobs

Simulate = Callable[..., Replication]


class Case(NamedTuple):
    """One case ready to run: its name, its labels (key -> value as written in the sweep), configuration and identity."""

    name: str
    labels: dict[str, Any]
    config: Any
    identity: Identity


class Job(NamedTuple):
    """One replication of one case."""

    simulate: Simulate
    config: Any
    replication: int
    check: int
    trace: Path | None


class RunError(Exception):
    """A simulation failed for a reason that is not the user's; `detail` is a traceback, or empty."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


def _work(job: Job, report: Report) -> Replication:
    return job.simulate(job.config, job.replication, check=job.check, trace=job.trace, progress=report)


def simulate_cases(
    cases: Sequence[Case],
    simulate: Simulate,
    reporter: Reporter,
    workers: int | None = None,
    check: int = 0,
    trace: Path | None = None,
) -> Iterator[tuple[Case, list[Replication]]]:
    """Simulate every replication of every case and yield each case as soon as its last replication is there.

    trace: event log of replication 0 of the first case.  Errors: UserError, RunError; both say which case and replication.
    """
    jobs: list[Job] = []
    owner: list[int] = []
    for index, case in enumerate(cases):
        for replication in range(case.config.most_replications):
            log = trace if index == 0 and replication == 0 else None
            jobs.append(Job(simulate, case.config, replication, check, log))
            owner.append(index)
    missing = [case.config.most_replications for case in cases]
    results: list[Replication | None] = [None] * len(jobs)

    def heard(job: int, progress: Progress) -> None:
        reporter.update(job, progress)

    try:
        for done in run_jobs(_work, jobs, workers, heard):
            result: Replication = done.result
            results[done.job] = result
            reporter.finished(done.job, result.simulated_s, result.accesses)
            index = owner[done.job]
            missing[index] -= 1
            if missing[index] == 0:
                yield cases[index], [r for r, who in zip(results, owner, strict=True) if who == index and r is not None]
    except JobUserError as error:
        where = f"case {cases[owner[error.job]].name}: " if len(cases) > 1 else ""
        raise UserError(f"{where}{error}", error.key) from None
    except JobError as error:
        job = jobs[error.job]
        raise RunError(f"{cases[owner[error.job]].name}, replication {job.replication}: {error}", error.detail) from None


# ---------------------------------------------------------------- the sweep's folder


def sweep_identity(config: Any, cases: Sequence[Case]) -> tuple[str, str]:
    """(folder name, ID) of a configuration's sweep."""
    found = digest_of([config.description, published_of(config), [[case.name, case.labels, case.identity.id] for case in cases]])
    return f"{slug(config.name)}-{found}", found


def sweep_document(config: Any, cases: Sequence[Case]) -> dict[str, Any]:
    """The contents of sweep.json."""
    return {
        "schema": SCHEMA,
        "kind": "sweep",
        "name": config.name,
        "description": config.description,
        "id": sweep_identity(config, cases)[1],
        "version": version(),
        "published": published_of(config),
        "cases": [{"name": case.name, "labels": case.labels, "id": case.identity.id, "run": case.identity.folder} for case in cases],
    }


def table_csv(cases: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> str:
    """table.csv: a row per case: name, labels, replications, then mean and 95 % half width of every metric.

    A second header line gives the units.  cases: the entries of sweep.json; runs: the run.json of each.
    """
    labels = list(dict.fromkeys(key for case in cases for key in case["labels"]))
    metrics = ordered({name for run in runs for name in run["scalars"]})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", *labels, "replications", *(column for m in metrics for column in (m, f"{m}.half_width"))])
    writer.writerow(["unit", *("" for _ in labels), "", *(describe(m).unit for m in metrics for _ in range(2))])
    for case, run in zip(cases, runs, strict=True):
        row = [case["name"], *(case["labels"].get(key, "") for key in labels), run["replications"]]
        for metric in metrics:
            scalar = run["scalars"].get(metric) or {}
            row.extend("" if scalar.get(key) is None else number(scalar[key]) for key in ("mean", "half_width"))
        writer.writerow(row)
    return text.getvalue()


def write_sweep(out: Path, config: Any, cases: Sequence[Case], provenance: Mapping[str, Any]) -> Path:
    """Write the sweep's folder (all but its report); the folders of its cases must be there."""
    document = sweep_document(config, cases)
    runs = [read_json(out / case.identity.folder / RUN_FILE) for case in cases]
    files = {
        SWEEP_FILE: to_json(document) + "\n",
        TABLE_FILE: table_csv(document["cases"], runs),
        PROVENANCE_FILE: to_json(provenance) + "\n",
    }
    return write_folder(out, sweep_identity(config, cases)[0], files)
