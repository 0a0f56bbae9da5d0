"""The fidelity card, docs/fidelity.md: what was checked, against what, to what error, where it breaks and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from sim.report.tables import plain
from sim.validate.judge import ENOUGH, FAMILIES, JUDGED, Cell, Summary, family_of
from sim.validate.known import KNOWN, Known, reason
from sim.validate.outcome import Outcome
from sim.validate.text import percent

Fitted = Sequence[tuple[str, str, str]]  # what, from what, on which runs
TEXTS = ("worst run", "why", "")
KERNEL_WORDS = {"k61": "Linux 6.1", "k612": "Linux 6.12"}
FAMILY_WORDS = {
    "disk": "swap on a disk, 6.1",
    "zs": "zswap over zsmalloc, 6.1",
    "zbud": "zswap over zbud, 6.1",
    "z3f": "zswap over z3fold, 6.1",
    "zram": "swap on zram, 6.1",
    "file": "files, alone or beside anonymous memory, 6.1",
    "mglru": "multi-generational LRU, 6.1",
    "6.12": "everything on 6.12",
}


def card(outcome: Outcome, fitted: Fitted, known: Sequence[Known] = KNOWN, command: str = "mempress validate DIR") -> str:
    """The card as Markdown.  It holds nothing of the machine that wrote it: the same runs and the same program give the same bytes."""
    parts = (_what(outcome, command), _how_far(outcome), _tables(outcome), _breaks(outcome, known), _fitted(fitted), _again(command))
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> Iterator[str]:
    """Texts in the first `left` columns and in those called after a run or a reason, numbers in the others."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join('---' if k < left or head in TEXTS else '---:' for k, head in enumerate(heads))}|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _what(outcome: Outcome, command: str) -> Iterator[str]:
    completed = outcome.completed
    runs = [run for one in outcome.folder.configurations for run in one.runs]
    repeated = sum(len(one.completed) > 1 for one in completed)
    kernels = Counter(KERNEL_WORDS[run.kernel] for run in runs)
    yield from ("# Fidelity: how close the simulator is to a real kernel", "")
    yield f"Written by `{command} --card`; do not edit. docs/validate.md says how to repeat it, and how to do it with runs of your own."
    yield from ("", "## What was checked, against what", "")
    yield (
        f"{len(runs)} measured runs of {len(outcome.folder.configurations)} configurations "
        f"({', '.join(f'{n} on {name}' for name, n in sorted(kernels.items()))}): counters read from real Linux guests under known "
        "workloads. Each configuration is simulated from the memory that its first run started with: the same zones and marks, "
        "settings, accesses and page contents. Nothing is set per run. The simulated figure is the mean of several starts, which differ by "
        "a few nodes in what no run records: how many more of them the kernel's slab pages have room for."
    )
    yield ""
    yield (
        f"Compared is the whole run, first snapshot to last. {len(completed)} configurations completed; {repeated} of them were repeated, "
        f"and their mean is the measured figure. Judged are {', '.join(JUDGED)}, where more than {ENOUGH} was measured."
    )
    yield ""
    yield (
        "An error counts as none inside the kernel's own spread: where runs were repeated, if the simulated figure lies between the least "
        "and the greatest of the repeats; elsewhere, if it is no farther off than half the range of repeated configurations of the same "
        "family (their median for that counter). In brackets: the same with every error counted."
    )
    yield ""
    members = Counter(family_of(one.simulated) for one in outcome.folder.configurations)
    order = (*(name for name in FAMILIES if name in members), *(name for name in members if name not in FAMILIES))
    yield from _table(("family", "what", "configurations"), ((name, FAMILY_WORDS.get(name, ""), str(members[name])) for name in order), 2)


def _how_far(outcome: Outcome) -> Iterator[str]:
    yield from ("## To what error", "")
    overall = outcome.all
    if overall is None:
        yield from ("No figure of these runs is judged.", "")
        return
    rows = [
        (name, percent(found), percent(raw), percent(limit), "met" if met else "**not met**")
        for (name, limit, found, met), raw in zip(overall.targets, (overall.raw_median, overall.raw_p90, overall.raw_worst), strict=True)
    ]
    yield from _table((f"over {overall.n} figures", "error", "every error counted", "target", ""), rows)


def _summary_rows(found: Iterable[Summary]) -> Iterator[Sequence[str]]:
    for one in found:
        figures = ((one.median, one.raw_median), (one.p90, one.raw_p90), (one.worst, one.raw_worst))
        yield one.name, str(one.n), *(f"{percent(counted)} ({percent(raw)})" for counted, raw in figures), one.worst_at


def _tables(outcome: Outcome) -> Iterator[str]:
    heads = ("figures", "median", "90th percentile", "worst", "worst run")
    yield from _table(("family", *heads), _summary_rows(outcome.families))
    yield from _table(("counter", *heads), _summary_rows(outcome.counters))
    yield "Reported beside them, not judged (the kernel does not repeat its split between kswapd and direct reclaim either):"
    yield ""
    yield from _table(("counter", *heads), _summary_rows(outcome.beside))
    yield from ("Median error by family and counter, every error counted:", "")
    yield from _matrix(outcome.judged)


def _matrix(cells: Sequence[Cell]) -> Iterator[str]:
    families = list(dict.fromkeys((*(name for name in FAMILIES), *(cell.family for cell in cells))))
    families = [name for name in families if any(cell.family == name for cell in cells)]

    def middle(family: str, counter: str) -> str:
        found = [cell.raw for cell in cells if (cell.family, cell.counter) == (family, counter)]
        return percent(median(found)) if found else "–"

    yield from _table(("counter", *families), ((name, *(middle(family, name) for family in families)) for name in JUDGED))


def _breaks(outcome: Outcome, known: Sequence[Known]) -> Iterator[str]:
    yield from ("## Where it breaks, and why", "")
    if outcome.misses:
        yield from ("The judged figures that are farthest off:", "")
        rows = [
            (
                cell.run,
                cell.counter,
                plain(cell.measured),
                "–" if cell.simulated is None else plain(cell.simulated),
                percent(cell.error, True),
                reason(cell, known) or "not known",
            )
            for cell in outcome.misses
        ]
        yield from _table(("run", "counter", "measured", "simulated", "error", "why"), rows, 2)
    for one in known:
        yield from (f"**{one.title}** ({', '.join(one.runs)}). {one.why}", "")
    if outcome.ended:
        yield from ("Configurations that did not complete, in the guest or in the simulation, and have no figures above:", "")
        yield from _table(
            ("runs", "measured", "simulated"), ((", ".join(one.runs), one.measured, one.simulated) for one in outcome.ended), 3
        )
    for text in outcome.folder.skipped:
        yield f"- Left out: {text}"


def _fitted(fitted: Fitted) -> Iterator[str]:
    yield from ("## Values that were fitted", "")
    yield "Everything else is a rule of the kernel with the kernel's own constants, or comes from the run's first snapshot."
    yield ""
    yield from _table(("value", "from", "fitted on"), fitted, 3)


def _again(command: str) -> Iterator[str]:
    yield from ("## Do it again", "", f"    {command} --card docs/fidelity.md", "")
