"""The command `mempress validate`."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sim.errors import UserError
from sim.progress import Reporter, reporter
from sim.validate.measured import Measured
from sim.validate.outcome import Outcome, json_of, outcome_of
from sim.validate.runs import Configuration, Folder, read_folder
from sim.validate.simulations import STARTS, Simulate, simulate_all

PAGE = "validate.html"


class Guest(NamedTuple):
    """How measured runs are simulated; the values in it that were fitted; what compiles all that these runs need."""

    simulate: Simulate
    fitted: Sequence[tuple[str, str, str]]
    prepare: Callable[[Sequence[Mapping[str, Any]]], None]


def guest() -> Guest:
    """The simulation of measured guests."""
    from sim.validate.guest import FITTED, config_of, simulate

    def prepare(documents: Sequence[Mapping[str, Any]]) -> None:
        from models.jit import report_compile_time
        from sim import machine

        for document in documents:
            with contextlib.suppress(Exception):  # told when it is that run's turn
                machine.prepare(config_of(document))
        report_compile_time()

    return Guest(simulate, FITTED, prepare)


def validate(
    folder: Path,
    *,
    only: Sequence[str] = (),
    jobs: int | None = None,
    starts: int | None = None,
    out: Path | None = None,
    json_to: Path | None = None,
    card_to: Path | None = None,
    trace: str | None = None,
    last: bool = False,
    brief: bool = False,
    skip_bad: bool = False,
    quiet: bool = False,
) -> int:
    """Simulate what was measured, print and write how far apart they are; exit status 0, or 1 if a simulation failed or it was stopped.

    starts   simulations of each configuration, whose mean is compared (default: 5)
    out      where the page goes (default: results/validate.html);  json_to, card_to: only where asked for
    trace    lay the series of this one run over each other instead
    Errors: UserError for runs that cannot be read and places that cannot be written.
    """
    if card_to is not None and only:
        raise UserError("--card: the fidelity card is about all runs of the folder; leave out --only")
    found = read_folder(folder, only, skip_bad)
    made = guest()
    if trace is not None:
        return _trace(found, trace, made.simulate, out)
    page = out or Path("results") / PAGE
    for place in (page, json_to, card_to):
        _writable(place)
    made.prepare([one.simulated.document for one in found.configurations if one.simulated.document["phases"]])
    outcome = _outcome(found, made.simulate, jobs, starts or STARTS, last, reporter(quiet))
    _print(outcome, brief)
    command = f"mempress validate {folder}"
    _write(page, _page(outcome, command))
    print(f"page: {page}")
    if json_to is not None:
        _write(json_to, json_of([*outcome.cells, *outcome.last]))
        print(f"figures: {json_to}")
    return _end(outcome, card_to, made.fitted, f"mempress validate {folder.resolve().name}")  # no path of this machine in a page to keep


def _outcome(found: Folder, simulate: Simulate, jobs: int | None, starts: int, last: bool, shown: Reporter) -> Outcome:
    started = time.monotonic()
    for text in found.skipped:
        shown.note(f"left out: {text}")
    simulated = simulate_all(found.configurations, simulate, jobs, shown, starts)
    return outcome_of(found, simulated, last, time.monotonic() - started)


def _print(outcome: Outcome, brief: bool) -> None:
    from sim.validate.text import report

    for line in report(outcome, brief):
        print(line.rstrip())


def _page(outcome: Outcome, command: str) -> str:
    from sim.report.validate_page import page

    return page(outcome, command)


def _end(outcome: Outcome, card_to: Path | None, fitted: Sequence[tuple[str, str, str]], command: str) -> int:
    """The card, unless something is missing from it, and the exit status."""
    failed = [one for one in outcome.simulated.found.values() if one.error]
    if outcome.simulated.stopped:
        left = f"; {card_to} is as it was" if card_to is not None else ""
        reached = f"{len(outcome.simulated.found)} of {len(outcome.folder.configurations)} configurations"
        print(f"mempress: stopped; the figures are those of {reached}{left}", file=sys.stderr)
        return 1
    if card_to is not None:
        from sim.validate.card import card

        _write(card_to, card(outcome, fitted, command=command))
        print(f"card: {card_to}")
    if failed:
        print(
            f"mempress: {len(failed)} could not be simulated: {'; '.join(f'{one.name}: {one.error}' for one in failed[:3])}",
            file=sys.stderr,
        )
    return 1 if failed else 0


# ---------------------------------------------------------------- a trace


def _trace(found: Folder, wanted: str, simulate: Simulate, out: Path | None) -> int:
    from sim.validate.trace import lines
    from sim.validate.trace import trace as lay_over

    run = _run_named(found.configurations, wanted)
    page = out or Path("results") / f"validate-{run.name}.html"
    _writable(page)
    made = lay_over(run, simulate)
    for line in lines(made):
        print(line)
    from sim.report.validate_page import trace_page

    _write(page, trace_page(made, f"mempress validate {found.place} --trace {wanted}"))
    print(f"page: {page}")
    return 0


def _run_named(configurations: Sequence[Configuration], wanted: str) -> Measured:
    """NAME (its first repeat) or NAME.rREP."""
    for one in configurations:
        if one.name == wanted:
            return one.simulated
        for run in one.runs:
            if f"{run.name}.r{run.rep}" == wanted:
                return run
    names = [one.name for one in configurations]
    close = [name for name in names if wanted.lower() in name.lower()] or names
    raise UserError(f"--trace {wanted}: no run of that name; there is {', '.join(close[:6])}{' and others' * (len(close) > 6)}")


# ---------------------------------------------------------------- files


def _writable(place: Path | None) -> None:
    """Fail before the work, not after it."""
    if place is None:
        return
    if place.is_dir():
        raise UserError(f"{place}: is a folder; expected the name of a file")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{place}: its folder cannot be made: {error.strerror}") from None
    if not os.access(place.parent, os.W_OK):
        raise UserError(f"{place}: its folder cannot be written")


def _write(place: Path, text: str) -> None:
    """All or nothing."""
    partial = place.with_name(f".{place.name}.partial-{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(place)
    except OSError as error:
        raise UserError(f"{place}: could not be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
