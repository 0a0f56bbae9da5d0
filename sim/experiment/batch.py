"""A sweep in pieces that any scheduler can run (Slurm arrays, GNU parallel, Snakemake): `plan --to DIR`, `run DIR --index N`, `gather DIR`.

DIR is all that has to be carried around: `plan.json` (the base configuration, as resolved), `cases.jsonl` (a line per case: what differs
from the base), `inputs/` (copies of the files that are read). Run folders, and the failures of those that fail, land in `DIR/runs`.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.config.schema import Config, Published
from sim.errors import UserError
from sim.experiment.case import Case
from sim.experiment.inputs import moved
from sim.folders import REPORT_FILE, SCHEMA, existing, prepare_folder, read_json, write_folder, write_into
from sim.progress import reporter
from sim.results import Identity, hash_path, identify, to_json, version
from sim.sweep import Ledger, words_of, write_sweep

PLAN_FILE, CASES_FILE, INPUTS, RUNS, FAILURES = "plan.json", "cases.jsonl", "inputs", "runs", ".failed"


# ---------------------------------------------------------------- plan --to


def write_plan(loaded: Any, cases: Sequence[Case], folder: Path) -> Path:
    """Write a plan's folder.  UserError if something is there already, or it cannot be written."""
    if (folder / PLAN_FILE).exists():
        if read_json(folder / PLAN_FILE).get("cases") == [case.identity.id for case in cases]:
            return folder  # the same plan
        raise UserError(f"{folder}: another plan is there; choose another --to, or delete it")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder}: is not empty; choose another --to")
    prepare_folder(folder.parent)
    base = loaded.config.resolved()
    places = _copy_inputs(cases, folder)
    lines = [json.dumps(_line(case, base)) + "\n" for case in cases]
    document = {
        "schema": SCHEMA,
        "kind": "plan",
        "name": loaded.config.name,
        "version": version(),
        "inputs": places,
        "cases": [case.identity.id for case in cases],
        "base": base,
    }
    write_into(folder, {CASES_FILE: "".join(lines), PLAN_FILE: to_json(document) + "\n"})
    return folder


def _line(case: Case, base: Mapping[str, Any]) -> dict[str, Any]:
    """A case as what differs from the base, section by section."""
    resolved = case.config.resolved()
    changed = {key: value for key, value in resolved.items() if base.get(key) != value}
    return {"name": case.name, "labels": case.labels, "full": case.identity.name, "id": case.identity.id, "changed": changed}


def _copy_inputs(cases: Iterable[Case], folder: Path) -> dict[str, list[str]]:
    """Copy the input files: path as the configuration names it -> [place below the folder, hash]."""
    places: dict[str, list[str]] = {}
    for case in cases:
        for path in case.config.input_files():
            if str(path) in places:
                continue
            digest = hash_path(path)
            place = f"{INPUTS}/{digest[:16]}/{path.name}"
            target = folder / place
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                if path.is_dir():
                    shutil.copytree(path, target, dirs_exist_ok=True)
                else:
                    shutil.copyfile(path, target)
            except OSError as error:
                raise UserError(f"{target}: could not be written: {error.strerror}") from None
            places[str(path)] = [place, digest]
    return places


# ---------------------------------------------------------------- reading a plan


class Plan:
    """A plan's folder, read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / RUNS
        if not (folder / PLAN_FILE).exists():
            raise UserError(f"{folder / PLAN_FILE}: no such file; is this a folder of mempress plan CONFIG --to DIR?")
        self.document = read_json(folder / PLAN_FILE)
        if self.document["version"] != version():
            there = self.document["version"]
            raise UserError(f"{folder}: planned with mempress {there}, and this is {version()}; use that one, or plan again")
        self.places = {path: str((folder / place).resolve()) for path, (place, _) in self.document["inputs"].items()}
        self.count = len(self.document["cases"])

    def lines(self) -> Iterator[dict[str, Any]]:
        """The cases as written."""
        try:
            with (self.folder / CASES_FILE).open(encoding="utf-8") as stream:
                for line in stream:
                    yield json.loads(line)
        except (OSError, ValueError) as error:
            raise UserError(f"{self.folder / CASES_FILE}: damaged: {error}") from None

    def line(self, index: int) -> dict[str, Any]:
        """The case with a number."""
        if not 0 <= index < self.count:
            raise UserError(f"--index {index}: {self.folder} has {self.count} runs, 0 to {self.count - 1}")
        return next(line for number, line in enumerate(self.lines()) if number == index)

    def case(self, line: Mapping[str, Any], hashes: dict[Path, str]) -> Case:
        """A case ready to run, whose ID is the planned one.  UserError if an input file has changed."""
        config = Config.from_dict(moved({**self.document["base"], **line["changed"]}, self.places))
        found = identify(config, line["full"], hashes)
        if found.id != line["id"]:
            for path, (place, digest) in self.document["inputs"].items():
                if hash_path(self.folder / place) != digest:
                    raise UserError(f"{self.folder / place}: is not the file that was planned with ({path}); plan again")
            raise UserError(f"{self.folder}: case {line['name']} has another ID here ({found.id}, planned {line['id']}); plan again")
        return Case(line["name"], dict(line["labels"]), config, found)

    def planned(self, line: Mapping[str, Any]) -> Identity:
        """The identity of a case, as planned."""
        return Identity(line["full"], line["id"], {}, {})


# ---------------------------------------------------------------- run --index


def run_index(folder: Path, index: int, sets: bool, *, quiet: bool = False, **options: Any) -> int:
    """Do one run of a plan; its folder is made in DIR/runs.  options: those of sim.run.Options.  Returns the exit status."""
    from sim.run import Options, simulate_into

    wish = Options(**options)
    if sets or wish.trace or wish.retry_failed:
        raise UserError("--index does a run as it was planned; --set, --trace and --retry-failed are for configurations")
    plan = Plan(folder)
    case = plan.case(plan.line(index), {})
    prepare_folder(plan.runs)
    if not wish.again and existing(plan.runs, case.identity.folder) is not None:
        print(f"{plan.runs / case.identity.folder}: is there already")
        return 0
    for finished in simulate_into([case], plan.runs, wish, reporter(quiet)):
        if finished.failure is not None:
            text = words_of(finished.failure)
            keep_failure(plan.runs, case.identity.id, text)
            print(f"{finished.failure.detail}\nmempress: {case.name}: {text}", file=sys.stderr)
            return 1
    forget_failure(plan.runs, case.identity.id)
    print(plan.runs / case.identity.folder)
    return 0


def keep_failure(runs: Path, run_id: str, text: str) -> None:
    """Write down why a run of a plan failed."""
    write_into(runs / FAILURES, {run_id: text})


def forget_failure(runs: Path, run_id: str) -> None:
    """It succeeded."""
    (runs / FAILURES / run_id).unlink(missing_ok=True)


# ---------------------------------------------------------------- gather


class _Named:
    """What the sweep's folder wants to know of a configuration."""

    def __init__(self, base: Mapping[str, Any]) -> None:
        self.name, self.description = base["name"], base["description"]
        self.published = [Published(**entry) for entry in base.get("published") or []]


def gather(folder: Path, others: Sequence[Path]) -> int:
    """Put the runs of a plan into a sweep's folder in DIR/runs; others: further folders in which run folders may be.

    Returns the exit status: 1 if runs are missing or failed, after saying which.
    """
    from sim.report import write_report

    plan = Plan(folder)
    prepare_folder(plan.runs)
    config = _Named(plan.document["base"])
    cases = [Case(line["name"], dict(line["labels"]), None, plan.planned(line)) for line in plan.lines()]
    missing = []
    with Ledger(plan.runs, config, cases) as ledger:
        for index, case in enumerate(cases):
            if existing(plan.runs, case.identity.folder) is not None or _fetched(plan.runs, case.identity, others):
                continue
            text = _failure(plan.runs, case.identity.id)
            if text:
                ledger.table.failed(case.name, text, 0.0)
            else:
                missing.append(index)
        lost = {cases[index].name for index in missing}
        failed = ledger.failed_before()
        have = [case for case in cases if case.name not in lost and case.name not in failed]
        ledger.complete(have)
    if not have:
        raise UserError(f"{plan.runs}: none of the {len(cases)} runs is there yet; do them: mempress run {folder} --index N")
    where = write_sweep(plan.runs, config, cases, {**dict.fromkeys(lost, "not simulated yet"), **failed}, {})
    print(f"{len(have)} of {len(cases)} runs\nresults  {where}\nreport   {write_report(where)}")
    for text, numbers in (("missing", missing), ("failed", [k for k, case in enumerate(cases) if case.name in failed])):
        if numbers:
            print(f"{text}  --index {spans(numbers)}", file=sys.stderr)
    return 1 if missing or failed else 0


def _fetched(runs: Path, identity: Identity, others: Sequence[Path]) -> bool:
    """Copy a run folder from where it was made, if it is there."""
    for other in others:
        if existing(other, identity.folder) is not None:
            source = other / identity.folder
            files = {p.name: p.read_text(encoding="utf-8") for p in source.iterdir() if p.is_file() and p.name != REPORT_FILE}
            write_folder(runs, identity.folder, files)
            return True
    return False


def _failure(runs: Path, run_id: str) -> str:
    try:
        return (runs / FAILURES / run_id).read_text(encoding="utf-8")
    except OSError:
        return ""


def spans(numbers: Sequence[int]) -> str:
    """Rising numbers as a Slurm array wants them: 0-3,7,9-10."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
