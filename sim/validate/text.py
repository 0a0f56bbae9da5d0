"""A validation on the terminal: a table a run, then the figures over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import wrap

from sim.progress import duration
from sim.report.tables import plain
from sim.validate.judge import ENOUGH, SHOWN, Cell, Summary
from sim.validate.outcome import Outcome

BASES = {"repeats": "of {n} repeats", "family": "of the family's repeats", "all": "of all repeats", "none": "not known"}


def percent(share: float | None, signed: bool = False) -> str:
    """0.0123 -> "1.2 %"; small errors keep two digits, great ones none."""
    if share is None:
        return "–"
    value = 100 * share
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:{'+' if signed and value else ''}.{digits}f} %"


def verdict(cell: Cell) -> str:
    """The remark at the end of a row."""
    if cell.simulated is None:
        return "not simulated"
    within = "inside the spread" if cell.inside and cell.raw > 0 else ""
    return ", ".join(word for word in ("judged" if cell.judged else "", within) if word)


def shown(cells: Sequence[Cell]) -> list[Cell]:
    """The figures of one run that are worth a line, in the order in which they are read."""
    place = {name: k for k, name in enumerate(SHOWN)}
    picked = [cell for cell in cells if cell.counter.removeprefix("L_") in place and (cell.measured or cell.simulated)]
    return sorted(picked, key=lambda cell: place[cell.counter.removeprefix("L_")])


def runs(cells: Sequence[Cell]) -> Iterator[str]:
    """A table for each run."""
    for name, group in groupby(cells, key=lambda cell: cell.run):
        rows = shown(list(group))
        if not rows:
            continue
        basis = BASES[rows[0].basis].format(n=rows[0].repeats)
        yield f"{name} ({rows[0].family}; spread {basis})"
        yield f"  {'counter':<30}{'measured':>14}{'simulated':>14}{'error':>10}{'spread':>10}"
        for cell in rows:
            simulated = "–" if cell.simulated is None else plain(cell.simulated)
            spread = "–" if cell.basis == "none" else f"±{percent(cell.spread)}"
            line = f"  {cell.counter:<30}{plain(cell.measured):>14}{simulated:>14}{percent(cell.error, True):>10}{spread:>10}"
            yield f"{line}  {verdict(cell)}"
        yield ""


def summaries(title: str, found: Sequence[Summary]) -> Iterator[str]:
    """Medians, 90th percentiles and worst cases; in brackets the same with the kernel's own spread counted."""
    if not found:
        return
    yield f"{title:<26}{'n':>5}{'median':>18}{'p90':>18}{'worst':>18}  worst run"
    for one in found:
        figures = ((one.median, one.raw_median), (one.p90, one.raw_p90), (one.worst, one.raw_worst))
        columns = "".join(f"{f'{percent(counted)} ({percent(raw)})':>18}" for counted, raw in figures)
        yield f"{one.name:<26}{one.n:>5}{columns}  {one.worst_at}"
    yield ""


def target(overall: Summary | None) -> Iterator[str]:
    """Whether the target is met."""
    if overall is None:
        yield f"No judged figure: none of a completed run was measured above {ENOUGH}."
        return
    yield f"Target, over {overall.n} judged figures (measured above {ENOUGH}, completed runs):"
    for name, limit, found, met in overall.targets:
        yield f"  {name:<16} {percent(found):>8}   at most {percent(limit):<8} {'met' if met else 'NOT MET'}"
    yield ""


def report(outcome: Outcome, brief: bool) -> Iterator[str]:
    """Everything."""
    if not brief:
        yield from runs(outcome.cells)
        if outcome.last:
            yield "Last phases only"
            yield ""
            yield from runs(outcome.last)
    yield "Errors without sign; an error inside the kernel's own spread counts as none (in brackets: all errors counted)."
    yield ""
    yield from summaries("by family", outcome.families)
    yield from summaries("by counter", outcome.counters)
    yield from summaries("beside (not judged)", outcome.beside)
    if outcome.last:
        from sim.validate.judge import FAMILIES, judged
        from sim.validate.judge import summaries as over

        yield from summaries("last phases, by family", over(judged(outcome.last), lambda cell: cell.family, FAMILIES))
    if outcome.misses:
        yield "worst misses"
        for cell in outcome.misses:
            found = "not simulated" if cell.simulated is None else plain(cell.simulated)
            yield f"  {percent(cell.error, True):>8}  {cell.run:<34} {cell.counter:<26} measured {plain(cell.measured)}, simulated {found}"
        yield ""
    if outcome.ended:
        yield "not completed"
        for one in outcome.ended:
            yield f"  measured: {one.measured}; simulated: {one.simulated}"
            yield from wrap(", ".join(one.runs), 110, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
        yield ""
    for text in outcome.folder.skipped:
        yield f"left out: {text}"
    yield from target(outcome.all)
    yield from speed(outcome)


def speed(outcome: Outcome) -> Iterator[str]:
    simulated = sum(one.seconds for one in outcome.simulated.found.values())
    done = sum(not one.error for one in outcome.simulated.found.values())
    faster = outcome.faster
    than = f"; a run is simulated {faster[len(faster) // 2]:.0f} times faster than its guest was (median)" if faster else ""
    yield (f"{done} simulated in {duration(outcome.seconds)} ({duration(simulated)} of simulation{than})")
