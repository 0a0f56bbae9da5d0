"""The bench's folder: bench.json, table.csv, series.csv and density.csv, whose bytes depend on configuration, inputs and version alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.bench import density, figures
from sim.bench.measure import SERIES
from sim.bench.plan import sequences_of
from sim.bench.schema import BenchConfig
from sim.folders import BENCH_FILE, DENSITY_FILE, PROVENANCE_FILE, SCHEMA, SERIES_FILE, TABLE_FILE, write_folder
from sim.results import Identity, number, published_of, slug, to_json, version
from sim.statistics import Summary, summarise

if TYPE_CHECKING:
    from sim.bench.run import Job

Document = Mapping[str, Any]


def bench_id(identity: Identity) -> str:
    """The ID of a bench: that of its whole configuration."""
    return identity.id


def _scalar(name: str, summary: Summary, values: Sequence[float | None]) -> dict[str, Any]:
    """A figure of a case; of a worst the largest counts, which has no interval."""
    present = [value for value in values if value is not None]
    worst = name in figures.WORST_OF_ALL and present
    return {
        "unit": figures.describe(name).unit,
        "mean": max(present) if worst else summary.mean,
        "half_width": None if worst else summary.half_width,
        "low": None if worst else summary.low,
        "high": None if worst else summary.high,
        "n": summary.n,
        "values": list(values),
    }


def scalar_table(replications: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, Any]]:
    """Every figure that any replication has, over all of them."""
    names = figures.ordered({name for one in replications for name in one})
    found = {}
    for name in names:
        summary = summarise(one.get(name) for one in replications)
        if summary.n:
            found[name] = _scalar(name, summary, summary.values)
    return found


def difference(name: str, of: Document, base: Document) -> dict[str, Any] | None:
    """A figure of one case less that of another, replication by replication: both had the same operations.  None where either is absent."""
    ours, theirs = of["scalars"].get(name), base["scalars"].get(name)
    if ours is None or theirs is None:
        return None
    pairs = zip(ours["values"], theirs["values"], strict=True)
    summary = summarise(None if a is None or b is None else a - b for a, b in pairs)
    shown = {"unit": figures.describe(name).unit, "mean": summary.mean, "half_width": summary.half_width}
    return {**shown, "low": summary.low, "high": summary.high, "n": summary.n, "values": list(summary.values)}


def _differences(cases: Sequence[dict[str, Any]], baseline: str) -> list[dict[str, Any]]:
    base = {case["sequence"]: case for case in cases if case["allocator"] == baseline and not case["every"]}
    found = []
    for case in cases:
        other = base.get(case["sequence"])
        if other is None or other is case:
            continue
        values = {name: difference(name, case, other) for name in figures.PAIRED}
        found.append({"case": case["name"], "less": other["name"], "scalars": {name: value for name, value in values.items() if value}})
    return found


def bench_document(
    config: BenchConfig, identity: Identity, finished: Sequence[tuple[Job, Document]], compacting: Mapping[str, bool]
) -> dict[str, Any]:
    """The contents of bench.json (docs/allocator-bench.md says what each key means)."""
    cases = [
        {
            "name": job.name,
            "allocator": job.allocator.name,
            "sequence": job.case.sequence.name,
            "every": job.case.every,
            "id": job.id,
            "replications": config.replications,
            "operations": document["operations"],
            "scalars": scalar_table(document["scalars"]),
            "probes": document["probes"],
            "picture": document["picture"],
        }
        for job, document in finished
        if job.case is not None
    ]
    return {
        "schema": SCHEMA,
        "kind": "bench",
        "name": config.name,
        "description": config.description,
        "id": bench_id(identity),
        "version": version(),
        "replications": config.replications,
        "page_size": config.page_size,
        "baseline": config.baseline_name,
        "allocators": [
            {"name": part.name, "kind": part.kind, "doc": part.entry.doc, "compacts": compacting[part.name]} for part in config.allocators
        ],
        "sequences": [sequence.name for sequence in sequences_of(config)],
        "cases": cases,
        "differences": _differences(cases, config.baseline_name),
        "published": published_of(config),
        "inputs": identity.inputs,
        "config": identity.config,
    }


def table_csv(document: Document) -> str:
    """table.csv: a row per case, mean and 95 % half width of every figure; a second header line gives the units."""
    metrics = figures.ordered({name for case in document["cases"] for name in case["scalars"]})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    labels = ["case", "allocator", "sequence", "every", "replications"]
    writer.writerow([*labels, *(column for name in metrics for column in (name, f"{name}.half_width"))])
    writer.writerow(["unit", *("" for _ in labels[1:]), *(figures.describe(name).unit for name in metrics for _ in range(2))])
    for case in document["cases"]:
        row = [case["name"], *(case[key] for key in labels[1:])]
        for name in metrics:
            scalar = case["scalars"].get(name) or {}
            row.extend("" if scalar.get(key) is None else number(scalar[key]) for key in ("mean", "half_width"))
        writer.writerow(row)
    return text.getvalue()


def series_csv(finished: Sequence[tuple[Job, Document]]) -> str:
    """series.csv: the samples of replication 0 of every case."""
    lines = [",".join(["case", *SERIES])]
    for job, document in finished:
        if job.case is not None:
            lines.extend(job.name + "," + ",".join(map(str, row)) for row in document["series"])
    return "\n".join(lines) + "\n"


def density_csv(finished: Sequence[tuple[Job, Document]]) -> str:
    """density.csv: for every size objects stored, pages, metadata bytes outside and blocks looked at, allocator by allocator."""
    lines = [",".join(["allocator", *density.COLUMNS])]
    for job, document in finished:
        if job.case is None:
            lines.extend(job.allocator.name + "," + ",".join(map(str, row)) for row in zip(*document["rows"], strict=True))
    return "\n".join(lines) + "\n"


def write_bench(
    out: Path,
    config: BenchConfig,
    identity: Identity,
    finished: Sequence[tuple[Job, Document]],
    compacting: Mapping[str, bool],
    provenance: Mapping[str, Any],
) -> Path:
    """Write the bench's folder (all but its report) and return its path."""
    document = bench_document(config, identity, finished, compacting)
    files = {
        BENCH_FILE: to_json(document) + "\n",
        TABLE_FILE: table_csv(document),
        SERIES_FILE: series_csv(finished),
        PROVENANCE_FILE: to_json(provenance) + "\n",
    }
    if config.density is not None:
        files[DENSITY_FILE] = density_csv(finished)
    return write_folder(out, f"{slug(config.name)}-{bench_id(identity)}", files)
