"""A sweep's folder, which puts its cases side by side: `sweep.json` (which cases, in which run folders), `table.csv` (a row per case),
`sweep.sqlite` (the same while it grows: sim.table) and `report.html`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.experiment.case import Case, Failure
from sim.folders import PROVENANCE_FILE, RUN_FILE, SCHEMA, SWEEP_FILE, TABLE_FILE, existing, read_json, write_into
from sim.metrics import describe, ordered
from sim.results import digest_of, number, published_of, slug, to_json, version
from sim.table import TABLE_DB, Table


class Ledger:
    """The table of a sweep while it runs: what is planned, done and failed.  A context manager."""

    def __init__(self, out: Path, config: Any, cases: Sequence[Case]) -> None:
        """Makes the sweep's folder and its table, or opens what is there.  UserError if the table cannot be used."""
        folder, sweep_id = sweep_identity(config, cases)
        existing(out, folder, SWEEP_FILE, TABLE_DB)
        (out / folder).mkdir(exist_ok=True)
        keys = list(dict.fromkeys(key for case in cases for key in case.labels))
        self.out = out
        self.table = Table.create_or_open(out / folder / TABLE_DB, sweep_id, version(), keys, config.name)
        self.table.plan((case.name, case.identity.id, case.identity.folder, case.labels) for case in cases)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.table.close()

    def failed_before(self) -> dict[str, str]:
        """What the cases said that failed, by name."""
        return self.table.failed_cases()

    def not_done(self) -> set[str]:
        """Names of the cases that the table does not have as done."""
        return {record[0] for record in self.table.select(["case"], ["status != done"])[1]}

    def done(self, case: Case, document: Mapping[str, Any], seconds: float) -> None:
        """A case has a run folder; document: its run.json."""
        scalars = {name: (found["mean"], found["half_width"]) for name, found in document["scalars"].items()}
        self.table.done(case.name, document["replications"], seconds, scalars)

    def failed(self, case: Case, failure: Failure, seconds: float) -> None:
        """A case failed."""
        self.table.failed(case.name, words_of(failure), seconds)

    def complete(self, reused: Sequence[Case]) -> None:
        """Take in what is there already and the table does not know, because it is new or was lost."""
        missing = self.not_done()
        for case in reused:
            if case.name in missing:
                self.done(case, read_json(self.out / case.identity.folder / RUN_FILE), 0.0)


def words_of(failure: Failure) -> str:
    """A failure in one text."""
    return f"replication {failure.replication}: {failure.message}"


# ---------------------------------------------------------------- the sweep's folder


def sweep_identity(config: Any, cases: Sequence[Case]) -> tuple[str, str]:
    """(folder name, ID) of a configuration's sweep."""
    found = digest_of([config.description, published_of(config), [[case.name, case.labels, case.identity.id] for case in cases]])
    return f"{slug(config.name)}-{found}", found


def sweep_document(config: Any, cases: Sequence[Case], failed: Mapping[str, str]) -> dict[str, Any]:
    """The contents of sweep.json; failed: what the cases that have no results said, by name."""

    def entry(case: Case) -> dict[str, Any]:
        return {"name": case.name, "labels": case.labels, "id": case.identity.id}

    return {
        "schema": SCHEMA,
        "kind": "sweep",
        "name": config.name,
        "description": config.description,
        "id": sweep_identity(config, cases)[1],
        "version": version(),
        "published": published_of(config),
        "cases": [{**entry(case), "run": case.identity.folder} for case in cases if case.name not in failed],
        "failed": [{**entry(case), "error": failed[case.name]} for case in cases if case.name in failed],
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


def write_sweep(
    out: Path,
    config: Any,
    cases: Sequence[Case],
    failed: Mapping[str, str],
    provenance: Mapping[str, Any],
    documents: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write the sweep's folder (all but its table and its report); the run folders of the cases that did not fail must be there.

    documents: the run.json of these folders by name, as far as they have been read
    """
    document = sweep_document(config, cases, failed)
    known = documents or {}
    runs = [known.get(entry["run"]) or read_json(out / entry["run"] / RUN_FILE) for entry in document["cases"]]
    files = {
        TABLE_FILE: table_csv(document["cases"], runs),
        PROVENANCE_FILE: to_json(provenance) + "\n",
        SWEEP_FILE: to_json(document) + "\n",
    }
    return write_into(out / sweep_identity(config, cases)[0], files)
