"""`mempress tune CONFIG`: runs the study, prints the recommendation, and writes `OUT/NAME-tune-ID/` (tune.json, provenance, report).

Replications are kept as they come in `OUT/.NAME-tune-ID`, so a tuning that was stopped or killed goes on.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from sim.compare.words import number
from sim.errors import UserError
from sim.experiment.case import Case
from sim.experiment.driver import simulate_cases
from sim.experiment.kept import Kept
from sim.experiment.place import open_place
from sim.fleet.figures import derive
from sim.fleet.figures import metric as described
from sim.folders import PROVENANCE_FILE, SCHEMA, TUNE_FILE, existing, prepare_folder, write_folder
from sim.progress import Quiet, Reporter, reporter
from sim.results import digest_of, identify, slug, to_json, version
from sim.run import compiled, provenance
from sim.tune.candidates import BASELINE, Study, load_study
from sim.tune.halving import Figures, Simulate, halve
from sim.tune.settings import snippets
from sim.tune.verdict import OBJECTIVE, document

NOTHING_SAVED = {"memory_saved": 0.0, "memory_saved_share": 0.0}  # without a pool


def _simulator(study: Study, cases: Sequence[Case], place: Any, simulate: Any, kept: Kept, shown: Reporter) -> Simulate:
    """What the rungs call: (candidate numbers, replications) -> figures of each, or what went wrong."""

    def run(numbers: Sequence[int], replications: int) -> Mapping[int, list[Figures] | str]:
        wanted = {}
        for number_ in numbers:
            config = cases[number_].config.model_copy(update={"replications": replications})
            wanted[cases[number_].name] = (number_, cases[number_]._replace(config=config))
        found: dict[int, list[Figures] | str] = {}
        shown.start(f"{replications} replications", len(numbers) * replications)
        for done in simulate_cases([case for _, case in wanted.values()], simulate, place, shown, kept):
            number_, case = wanted[done.case.name]
            machine = case.config.machine
            if done.failure is not None:
                found[number_] = done.failure.message
            else:
                found[number_] = [{**NOTHING_SAVED, **derive(r.scalars, machine.memory, machine.page_size)} for r in done.replications]
        return found

    return run


def _identified(study: Study) -> list[Case]:
    """The candidates with IDs that do not depend on the number of replications."""
    hashes: dict[Path, str] = {}
    cases = []
    for index, candidate in enumerate(study.candidates):
        fixed = candidate.config.model_copy(update={"replications": 1})
        cases.append(Case(f"{index} {candidate.name}", candidate.labels, fixed, identify(fixed, candidate.name, hashes)))
    return cases


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
    cases = _identified(study)
    found_id = digest_of([study.tune.resolved(), [case.identity.id for case in cases], study.rungs])
    name = f"{slug(study.config.name)}-tune-{found_id}"
    there = None if again else existing(out, name, TUNE_FILE)
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
            run = _simulator(study, cases, place, simulate, Kept(work, everything=True), shown)
            entries, finalists = halve(study, run, shown.note)
    finally:
        shown.close()
    if entries[0].error:
        raise UserError(f"the configuration as it stands fails, so there is nothing to compare with: {entries[0].error}")
    head = {"schema": SCHEMA, "kind": "tune", "name": study.config.name, "description": study.config.description, "id": found_id}
    whole = {**head, "version": version(), "section": study.tune.resolved(), "rungs": study.rungs, **document(study, entries, finalists)}
    best = next((c for c in study.candidates if c.name == whole["best"]), study.candidates[0])
    keys = list(dict.fromkeys(key for one in study.candidates for key in one.labels))
    mine = [key for key in keys if key in best.labels]
    whole["settings"] = [snippet._asdict() for snippet in snippets(best.config.resolved(), mine)]
    write_folder(out, name, {TUNE_FILE: to_json(whole) + "\n", PROVENANCE_FILE: to_json(provenance(started, command)) + "\n"})
    shutil.rmtree(work, ignore_errors=True)
    return whole, out / name


def tune(
    config: str, sets: Sequence[str], out: Path, *, budget: int | None, again: bool, jobs: int | None, cluster: str | None, quiet: bool
) -> int:
    """Tune the configuration of a file; returns the exit status.  Raises UserError."""
    study = load_study(config, sets, budget)
    shown = reporter(quiet)
    try:
        command = ["mempress", *sys.argv[1:]]
        found, folder = execute(study, out, again=again, jobs=jobs, cluster=cluster, shown=shown, command=command)
    except KeyboardInterrupt:
        print(f"\nmempress: stopped; what was simulated is kept in {out}, and the same command goes on", file=sys.stderr)
        return 1
    from sim.report import write_report

    page = write_report(folder)
    show(found, sys.stdout)
    print(f"results  {folder}\nreport   {page}")
    return 0


def show(found: Mapping[str, Any], stream: TextIO) -> None:
    """The recommendation for people."""
    for line in lines(found):
        print(line, file=stream)


def lines(found: Mapping[str, Any]) -> list[str]:
    """The recommendation, line by line."""
    tried = len(found["candidates"]) - 1
    out = [f"{tried} candidates in {len(found['rungs'])} rungs ({', '.join(map(str, found['rungs']))} replications)", ""]
    best = next((one for one in found["finalists"] if one["name"] == found["best"]), None)
    if best is None:
        return [*out, "No candidate is left; keep what you have.", *_doubts(found)]
    settings = next(one["settings"] for one in found["candidates"] if one["name"] == found["best"])
    if found["better"]:
        out.append("Recommended, and shown to be better than the configuration as it stands:")
    else:
        out.append("Keep the configuration as it stands: no candidate is shown to be better. The best one tried:")
    out += [f"  {key} = {value}" for key, value in settings.items()]
    out += ["", f"Against {BASELINE}, by {_count(best)} replications that had no part in choosing:"]
    out += [f"  {sentence(metric, effect)}" for metric, effect in best["effects"].items()]
    for snippet in found["settings"]:
        out += (
            ["", f"{snippet['title']}:"]
            + [f"  {line}" for line in snippet["lines"]]
            + ([f"  ({snippet['remark']})"] if snippet["remark"] else [])
        )
    if found["pareto"]:
        saved, stall = found["section"]["pareto"]
        out += ["", f"Not beaten in {saved} and {stall} together:"]
        named = {one["name"]: one["settings"] for one in found["candidates"]}
        for name in found["pareto"][:8]:
            settings = ", ".join(f"{key}={value}" for key, value in named.get(name, {}).items())
            out.append(f"  {name}{f': {settings}' if settings else ''}")
    return [*out, *_doubts(found), ""]


def _count(best: Mapping[str, Any]) -> int:
    return int(max((effect["n"] for effect in best["effects"].values()), default=0))


def _doubts(found: Mapping[str, Any]) -> list[str]:
    return ["", "What the data cannot tell:", *(f"  - {text}" for text in found["cannot_tell"])] if found["cannot_tell"] else []


def sentence(metric: str, effect: Mapping[str, Any]) -> str:
    """One effect in words: the change, its interval, and whether it is shown."""
    unit = "" if metric == OBJECTIVE else described(metric).unit
    change, low, high = effect["difference"], effect["low"], effect["high"]
    if change == 0 and effect["p"] == 1:
        return f"{metric}: no change"
    shown = low is not None and high is not None
    percent = effect["percent"]
    text = f"{metric}: {'+' * (change > 0)}{number(change)}{f' {unit}' if unit else ''}"
    if shown:
        text += f" ({number(low)} to {number(high)})"
    if percent is not None and percent[0] is not None:
        text += f", {percent[0]:+.1f} %"
    if shown and low <= 0 <= high:
        text += "; may be no change at all"
    return text
