"""`mempress sensitivity CONFIG`: runs the design, prints the indices and what they say, writes `OUT/NAME-sensitivity-ID/`.

Replications are kept as they come in `OUT/.NAME-sensitivity-ID`, so a study that was stopped or killed goes on.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import UserError
from sim.experiment.case import Case
from sim.experiment.driver import simulate_cases
from sim.experiment.kept import Kept
from sim.experiment.place import open_place
from sim.fleet.figures import derive
from sim.folders import PROVENANCE_FILE, SCHEMA, SENSITIVITY_FILE, existing, prepare_folder, write_folder
from sim.metrics import describe
from sim.progress import Quiet, Reporter, reporter
from sim.results import digest_of, identify, slug, to_json, version
from sim.run import compiled, provenance
from sim.sensitivity.indices import Index, indices, words
from sim.sensitivity.plan import Study, count_of, load_study, notes

TITLES = {"morris": ("mu*", "sigma"), "sobol": ("S1", "ST")}


def _cases(study: Study) -> list[Case]:
    """The runs with their IDs; runs that are the same, since a list has fewer values than there are levels, share one."""
    hashes: dict[Path, str] = {}
    found = []
    for case in study.cases:
        config = case.config.model_copy(update={"replications": study.section.replications, "tune": None, "sensitivity": None})
        found.append(Case(case.name, case.labels, config, identify(config, case.name, hashes)))
    return found


def _simulated(study: Study, cases: Sequence[Case], place: Any, simulate: Any, kept: Kept, shown: Reporter) -> dict[str, Any]:
    """ID of a run -> its figures by replication.  UserError if one fails: the design needs all."""
    found: dict[str, Any] = {}
    distinct = list({case.identity.id: case for case in cases}.values())
    shown.start(f"{len(distinct)} runs", len(distinct) * study.section.replications)
    for done in simulate_cases(distinct, simulate, place, shown, kept):
        if done.failure is not None:
            settings = ", ".join(f"{key}={text}" for key, text in done.case.labels.items())
            raise UserError(f"a run of the design fails, and it needs all of them ({settings}): {done.failure.message}; narrow the ranges")
        machine = done.case.config.machine
        found[done.case.identity.id] = [derive(r.scalars, machine.memory, machine.page_size) for r in done.replications]
    return found


def _document(study: Study, cases: Sequence[Case], found: Mapping[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for metric in study.section.metrics:
        table = np.array([[one.get(metric, math.nan) for one in found[case.identity.id]] for case in cases])
        if not np.isfinite(table).all():
            share = float(np.isfinite(table).mean())
            figures[metric] = {"absent": f"only {share:.0%} of the simulations have it, and the design needs all", "keys": [], "words": []}
            continue
        indexed = indices(study, table, study.config.seed % 2**32)
        figures[metric] = {
            "absent": "",
            "mean": float(table.mean()),
            "sd": float(table.mean(axis=1).std(ddof=1)),
            "keys": [_row(study, one) for one in indexed],
            "words": words(study.section.method, metric, indexed),
        }
    return figures


def _row(study: Study, one: Index) -> dict[str, Any]:
    method = study.section.method
    return {**one._asdict(), "matters": one.matters(method), "interacts": one.interacts(method)}


def execute(
    study: Study,
    out: Path,
    *,
    again: bool = False,
    jobs: int | None = None,
    cluster: str | None = None,
    shown: Reporter | None = None,
    simulate: Callable[..., Any] | None = None,
    command: Sequence[str] | None = None,
) -> tuple[dict[str, Any], Path]:
    """Run a study; its document and folder.  Errors: UserError, KeyboardInterrupt; what was simulated is kept."""
    shown = shown or Quiet()
    prepare_folder(out)
    cases = _cases(study)
    study_id = digest_of([study.section.resolved(), [case.identity.id for case in cases]])
    name = f"{slug(study.config.name)}-sensitivity-{study_id}"
    there = None if again else existing(out, name, SENSITIVITY_FILE)
    if there is not None:
        return there, out / name
    work = out / f".{name}"
    if again:
        shutil.rmtree(work, ignore_errors=True)
    started = time.time()
    simulate = simulate or compiled(cases)
    inputs = sorted({Path(file) for case in cases for file in case.config.input_files()}) if cluster else []
    try:
        with open_place(cluster, jobs, len(cases), inputs) as place:
            found = _simulated(study, cases, place, simulate, Kept(work, everything=True), shown)
    finally:
        shown.close()
    whole = {
        "schema": SCHEMA,
        "kind": "sensitivity",
        "name": study.config.name,
        "description": study.config.description,
        "id": study_id,
        "version": version(),
        "method": study.section.method,
        "titles": list(TITLES[study.section.method]),
        "runs": len(cases),
        "notes": notes(study.section.method, study.lists, study.untried),
        "section": study.section.resolved(),
        "figures": _document(study, cases, found),
    }
    write_folder(out, name, {SENSITIVITY_FILE: to_json(whole) + "\n", PROVENANCE_FILE: to_json(provenance(started, command)) + "\n"})
    shutil.rmtree(work, ignore_errors=True)
    return whole, out / name


def sensitivity(config: str, sets: Sequence[str], out: Path, *, again: bool, jobs: int | None, cluster: str | None, quiet: bool) -> int:
    """The study of a file; returns the exit status.  Raises UserError."""
    study = load_study(config, sets)
    shown = reporter(quiet)
    try:
        command = ["mempress", *sys.argv[1:]]
        found, folder = execute(study, out, again=again, jobs=jobs, cluster=cluster, shown=shown, command=command)
    except KeyboardInterrupt:
        print(f"\nmempress: stopped; what was simulated is kept in {out}, and the same command goes on", file=sys.stderr)
        return 1
    from sim.report import write_report

    page = write_report(folder)
    print("\n".join(lines(found)))
    print(f"\nresults  {folder}\nreport   {page}")
    return 0


def lines(found: Mapping[str, Any]) -> list[str]:
    """The indices and what they say, line by line."""
    first, other = found["titles"]
    out = [f"{found['method']}: {found['runs']} runs with {found['section']['replications']} replications"]
    for metric, figure in found["figures"].items():
        unit = describe(metric).unit
        out += ["", f"{metric}{f' ({unit})' if unit else ''}"]
        if figure["absent"]:
            out.append(f"  {figure['absent']}")
            continue
        wide = max(len(row["key"]) for row in figure["keys"])
        out.append(f"  {'':<{wide}}  {first:>18}  {other:>18}  {'noise':>8}")
        for row in figure["keys"]:
            out.append(
                f"  {row['key']:<{wide}}  {cell(row['first'], row['half_first']):>18}  {cell(row['other'], row['half_other']):>18}  "
                f"{'–' if row['floor'] is None else format(row['floor'], '.3g'):>8}"
            )
        out += [f"  {text}" for text in figure["words"]]
    return [*out, "", *found["notes"]] if found["notes"] else out


def cell(value: float, half: float | None) -> str:
    """A value with half of its interval."""
    return f"{value:.3g}" + (f" ± {half:.2g}" if half else "")


def described(path: str, sets: Sequence[str]) -> list[str]:
    """What `check` says of a study.  Raises UserError for anything wrong with any of its runs."""
    study = load_study(path, sets)
    section = study.section
    count = count_of(section, len(study.keys))
    simulations = count * section.replications
    return [
        "",
        f"{section.method} over {', '.join(study.keys)}",
        f"{count} runs, {simulations} simulations: nothing wrong",
        *notes(section.method, study.lists, study.untried),
    ]
