"""The page that answers the questions of the 2011 thread (and of 2013 and 2025), one by one, with figures from one run of the bench.

Every number and every comparison in the text is computed from the bench's folder; only the questions are fixed.  A question whose
allocators are not in the run is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib

from sim.bench.results import difference
from sim.errors import UserError
from sim.folders import BENCH_FILE, DENSITY_FILE, SERIES_FILE, read_json
from sim.report import HERE, bench_plots
from sim.report.bench import read_columns
from sim.report.bench_tables import Average, Document, average, cases_of, names_of, value_of
from sim.report.drawing import STYLE, Plot
from sim.report.tables import plain

FIGURES_FOLDER = "figures"


class Bench(NamedTuple):
    """A finished bench: bench.json, and the columns of series.csv and density.csv."""

    document: Document
    series: Mapping[str, bench_plots.Columns]
    density: Mapping[str, bench_plots.Columns]

    def of(self, family: str) -> str | None:
        """The allocator of a family that stands for it: the one of that kind or name, else the last whose kind begins so."""
        kinds = {item["name"]: item["kind"] for item in self.document["allocators"]}
        there = [name for name in names_of(self.document) if kinds[name].startswith(family)]
        exact = [name for name in names_of(self.document) if family in (name, kinds[name])]
        return next(iter([*exact, *there[-1:]]), None)

    def all_of(self, *families: str) -> list[str]:
        """Those of the families that are there."""
        return [name for family in families if (name := self.of(family)) is not None]

    def mean(self, name: str, metric: str) -> Average | None:
        return average(cases_of(self.document, name), metric)


class Question(NamedTuple):
    """who asked, what; needs: families that must be there; answer: the lines; plot: of bench_plots, and the name of its file."""

    who: str
    title: str
    needs: tuple[str, ...]
    answer: Callable[[Bench], Iterator[str]]
    plot: tuple[str, Callable[[Bench], Plot | None]] | None = None


# ---------------------------------------------------------------- words


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table: first column left, the others right."""
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " ---: |" * (len(head) - 1)
    yield from ("| " + " | ".join(row) + " |" for row in rows)


def text(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else plain(value, digits)


def mean_text(found: Average | None) -> str:
    return text(None if found is None else found.mean)


def per_allocator(bench: Bench, names: Sequence[str], columns: Sequence[tuple[str, str]]) -> Iterator[str]:
    """A row per allocator: means over the sequences."""
    rows = [[f"`{name}`", *(mean_text(bench.mean(name, metric)) for metric, _ in columns)] for name in names]
    yield from table(["allocator", *(title for _, title in columns)], rows)


def per_sequence(bench: Bench, names: Sequence[str], metric: str) -> Iterator[str]:
    """A row per sequence that has the figure, a column per allocator."""
    rows = []
    for sequence in bench.document["sequences"]:
        cells = [text(None if case is None else value_of(case, metric)) for case in (_case(bench, name, sequence) for name in names)]
        if any(one != "–" for one in cells):
            rows.append([sequence, *cells])
    yield from table(["sequence", *(f"`{name}`" for name in names)], rows)


def _case(bench: Bench, name: str, sequence: str) -> Document | None:
    return next((case for case in cases_of(bench.document, name) if case["sequence"] == sequence), None)


def compared(bench: Bench, one: str, other: str, metric: str) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    """(sequences where `one` is lower, where it is not), each with the difference one - other."""
    lower: list[tuple[float, str]] = []
    higher: list[tuple[float, str]] = []
    for sequence in bench.document["sequences"]:
        a, b = _case(bench, one, sequence), _case(bench, other, sequence)
        left, right = (None if case is None else value_of(case, metric) for case in (a, b))
        if left is not None and right is not None:
            (lower if left < right else higher).append((left - right, sequence))
    return lower, higher


def verdict(bench: Bench, one: str, other: str, metric: str, what: str) -> str:
    """`one WHAT than other in so many sequences`, and in how many of these the paired 95 % interval leaves no doubt."""
    lower, higher = compared(bench, one, other, metric)
    clear = 0
    for _, sequence in lower:
        a, b = _case(bench, one, sequence), _case(bench, other, sequence)
        found = difference(metric, a, b) if a is not None and b is not None else None
        clear += found is not None and found["high"] is not None and found["high"] < 0
    doubt = f" ({clear} of them beyond doubt: the paired 95 % interval is below 0)" if lower and bench.document["replications"] > 1 else ""
    return f"`{one}` {what} than `{other}` in {counted(len(lower), len(lower) + len(higher), 'sequences')}{doubt}."


def counted(number: int, of: int, what: str) -> str:
    return f"all {of} {what}" if number == of else f"{number} of {of} {what}" if number else f"none of {of} {what}"


# ---------------------------------------------------------------- answers


def _many_workloads(bench: Bench) -> Iterator[str]:
    names = [name for name in names_of(bench.document) if name not in (bench.of("ideal"), bench.of("page-per-object"))]
    ranked = sorted((one.mean, name) for name in names if (one := bench.mean(name, "memory_used")) is not None)
    if not ranked:
        return
    best: dict[str, int] = {}
    for sequence in bench.document["sequences"]:
        values = [
            (value, name)
            for name in names
            if (case := _case(bench, name, sequence)) and (value := value_of(case, "memory_used")) is not None
        ]
        if values:
            best[min(values)[1]] = best.get(min(values)[1], 0) + 1
    yield (
        f"Over {len(bench.document['sequences'])} sequences, `{ranked[0][1]}` needs least memory on average ({text(ranked[0][0])} "
        f"pages for 100 pages, a refused page counted as a page), `{ranked[-1][1]}` most ({text(ranked[-1][0])}). Least in how many "
        "sequences: " + ", ".join(f"`{name}` {count}" for name, count in sorted(best.items(), key=lambda item: (-item[1], item[0]))) + "."
    )
    yield ""
    yield from per_sequence(bench, [name for _, name in ranked], "memory_used")


def _half_a_page(bench: Bench) -> Iterator[str]:
    xv, xcf = bench.of("xvmalloc"), bench.of("xcfmalloc")
    assert xv and xcf
    rows = []
    for sequence in bench.document["sequences"]:
        a, b = _case(bench, xv, sequence), _case(bench, xcf, sequence)
        if a is None or b is None:
            continue
        left, right, ratio = value_of(a, "memory_used"), value_of(b, "memory_used"), value_of(b, "compression_ratio")
        if left is not None and right is not None and ratio:
            rows.append((1 / ratio, left, right, sequence))
    rows.sort()
    poor = [row for row in rows if row[0] > 0.5]
    good = [row for row in rows if row[0] <= 0.5]
    for label, some in (("at most half a page", good), ("more than half a page", poor)):
        worse = [row for row in some if row[1] > row[2]]
        if some:
            gap = sum(row[1] - row[2] for row in some) / len(some)
            yield (
                f"Where the mean object takes {label}, `{xv}` needs more memory than `{xcf}` in "
                f"{counted(len(worse), len(some), 'sequences')}; on average {text(abs(gap))} pages of 100 "
                f"{'more' if gap > 0 else 'less'}."
            )
    yield ""
    shown = [[sequence, f"{100 * mean:.0f} %", text(left), text(right), f"{left - right:+.2f}"] for mean, left, right, sequence in rows]
    yield from table(["sequence", "mean object, of a page", f"`{xv}`", f"`{xcf}`", "difference"], shown)


def _worst(bench: Bench) -> Iterator[str]:
    xcf = bench.of("xcfmalloc")
    rows = []
    for name in names_of(bench.document):
        lost, used = bench.mean(name, "fragmentation_loss"), bench.mean(name, "memory_used")
        if lost is not None and used is not None:
            rows.append([f"`{name}`", text(lost.mean), text(lost.largest), lost.where, text(used.largest), used.where])
            if name == xcf:
                yield f"`{xcf}` loses most in {lost.where}: {text(lost.largest)} % of its pages, against {text(lost.mean)} % on average."
                yield ""
    yield from table(["allocator", "lost, mean %", "lost, worst %", "where", "memory used, worst %", "where"], rows)
    yield ""
    yield "These are the worst of the sequences of this run; a search can find worse ones: [worst-cases.md](worst-cases.md)."


def _constant_work(bench: Bench) -> Iterator[str]:
    names = names_of(bench.document)
    xcf = bench.of("xcfmalloc")
    assert xcf
    mean, worst = bench.mean(xcf, "store_walked_mean"), bench.mean(xcf, "store_walked_worst")
    copied, whole = bench.mean(xcf, "store_copied_mean"), bench.mean(xcf, "store_ns_mean")
    costs = bench.document["config"]["costs"]
    if mean and worst and copied and whole:
        yield (
            f"A store of `{xcf}` looks at {text(mean.mean)} list heads and blocks on average, and never at more than {text(worst.mean)} "
            f"here ({worst.where}): a large constant, as was said. Of the {text(whole.mean)} ns that a store takes on average, looking "
            f"takes {text(mean.mean * costs['walk'])} and copying {text(copied.mean * costs['copy'] / 1024)}, by the table of costs."
        )
        yield ""
    columns = (
        ("store_walked_mean", "looked at, mean"),
        ("store_walked_p999", "99.9 %"),
        ("store_walked_worst", "worst"),
        ("store_ns_mean", "store ns, mean"),
        ("store_ns_p999", "99.9 %"),
        ("store_ns_worst", "worst"),
        ("free_ns_mean", "free ns, mean"),
        ("free_ns_worst", "worst"),
    )
    yield from per_allocator(bench, names, columns)


LOSSES = (
    ("loss_metadata", "headers in pages"),
    ("metadata_outside", "metadata outside the pages"),
    ("loss_internal", "rounding"),
    ("loss_external", "free space"),
)


def _more_and_less(bench: Bench, one: str, other: str) -> Iterator[str]:
    """Which losses `one` has less of than `other`, and which more; which copies more bytes."""
    less: list[str] = []
    more: list[str] = []
    for metric, what in LOSSES:
        a, b = bench.mean(one, metric), bench.mean(other, metric)
        if a and b and a.mean != b.mean:
            (less if a.mean < b.mean else more).append(f"{what} ({text(a.mean)} % of its pages, against {text(b.mean)} %)")
    for words, some in (("less", less), ("more", more)):
        if some:
            yield f"It loses {words} to " + ", ".join(some) + "."
    copied = [_both_ways(bench, name) for name in (one, other)]
    if None not in copied:
        yield f"To store and load an object once copies {text(copied[0])} bytes there, and {text(copied[1])} in `{other}`."


def _both_ways(bench: Bench, name: str) -> float | None:
    """Bytes copied by a store and a load together."""
    store, load = bench.mean(name, "store_copied_mean"), bench.mean(name, "load_copied_mean")
    return None if store is None or load is None else store.mean + load.mean


def _slab(bench: Bench) -> Iterator[str]:
    xcf, slab, zs = bench.of("xcfmalloc"), bench.of("slab-2011"), bench.of("zsmalloc")
    assert xcf and slab
    yield verdict(bench, slab, xcf, "memory_used", "needs less memory")
    yield from _more_and_less(bench, slab, xcf)
    if zs:
        yield "Of what came of it: " + verdict(bench, zs, xcf, "memory_used", "needs less memory")
    yield ""
    columns = (
        ("memory_used", "memory used %"),
        ("loss_metadata", "headers %"),
        ("metadata_outside", "metadata outside %"),
        ("loss_internal", "rounding %"),
        ("loss_external", "free space %"),
        ("store_copied_mean", "copied by a store, B"),
        ("load_copied_mean", "by a load, B"),
        ("refused", "refused %"),
    )
    yield from per_allocator(bench, bench.all_of("xvmalloc", "xcfmalloc", "slab-2011", "zsmalloc"), columns)


def _compaction(bench: Bench) -> Iterator[str]:
    names = [name for name in names_of(bench.document) if bench.mean(name, "would_free") is not None]
    found = sorted(((one.mean, name) for name in names if (one := bench.mean(name, "would_free"))), reverse=True)
    if found:
        yield (
            "Compacting would free, of the pool's pages and on average: "
            + ", ".join(f"`{name}` {text(share)} %" for share, name in found)
            + "."
        )
        prices = sorted(((one.mean, name) for name in names if (one := bench.mean(name, "pages_per_moved"))), reverse=True)
        if prices:
            yield "For each MiB moved it gets back: " + ", ".join(f"`{name}` {text(pages)} pages" for pages, name in prices) + "."
    moments = [
        (value, case["sequence"])
        for name in names
        for case in cases_of(bench.document, name)
        if (value := value_of(case, "would_free_end"))
    ]
    if moments:
        (least, where_least), (most, where_most) = min(moments), max(moments)
        yield (
            f"It depends on what has happened before: at the end of {where_least} it is down to {text(least)} %, at the end of "
            f"{where_most} {text(most)} %."
        )
    yield ""
    yield "Share of the pool's pages that compacting would free at the end of each sequence (%):"
    yield ""
    yield from per_sequence(bench, names, "would_free_end")


def _two_allocators(bench: Bench) -> Iterator[str]:
    xv, xcf, hybrid = bench.of("xvmalloc"), bench.of("xcfmalloc"), bench.of("hybrid")
    assert xv and xcf and hybrid
    yield verdict(bench, hybrid, xv, "memory_used", "needs less memory")
    yield verdict(bench, hybrid, xcf, "memory_used", "needs less memory")
    yield ""
    columns = (
        ("memory_used", "memory used %"),
        ("fragmentation_loss", "lost %"),
        ("store_ns_mean", "store ns"),
        ("store_ns_worst", "worst ns"),
        ("would_free", "compaction would free %"),
    )
    yield from per_allocator(bench, [xv, xcf, hybrid], columns)


def _one_for_all(bench: Bench) -> Iterator[str]:
    names = [name for name in names_of(bench.document) if name not in (bench.of("ideal"), bench.of("page-per-object"))]
    regret: list[tuple[float, float, str, str]] = []
    for name in names:
        gaps = []
        for sequence in bench.document["sequences"]:
            values = {
                n: value for n in names if (case := _case(bench, n, sequence)) and (value := value_of(case, "memory_used")) is not None
            }
            if name in values:
                gaps.append((values[name] - min(values.values()), sequence))
        if gaps:
            regret.append((sum(gap for gap, _ in gaps) / len(gaps), *max(gaps), name))
    regret.sort()
    if regret:
        mean, largest, where, name = regret[0]
        yield (
            f"Whoever always takes `{name}` needs {text(mean)} pages of 100 more than with the best allocator of each sequence, and at "
            f"worst {text(largest)} more ({where})."
        )
        yield ""
    yield from table(
        ["allocator", "above the best, mean", "worst", "where"], [[f"`{n}`", text(m), text(most), where] for m, most, where, n in regret]
    )


def _pages_back(bench: Bench) -> Iterator[str]:
    names = [name for name in names_of(bench.document) if bench.mean(name, "back_at_50") is not None]
    found = sorted(((one.mean, name) for name in names if (one := bench.mean(name, "back_at_50"))), reverse=True)
    if found:
        yield (
            "When half of the objects have gone, in random order, these shares of the pages are back: "
            + ", ".join(f"`{name}` {text(share)} %" for share, name in found)
            + ". An allocator that evicts whole pages does not have to wait for that."
        )
        yield ""
    columns = (
        ("back_at_25", "25 % freed: pages back %"),
        ("back_at_50", "50 % freed"),
        ("back_at_75", "75 % freed"),
        ("freed_for_half", "freed until half the pages are back %"),
        ("time_for_half", "time of the frees until then, µs"),
    )
    yield from per_allocator(bench, names, columns)


def _zblock(bench: Bench) -> Iterator[str]:
    zblock, zs = bench.of("zblock"), bench.of("zsmalloc")
    assert zblock and zs
    yield verdict(bench, zblock, zs, "memory_used", "needs less memory")
    yield verdict(bench, zblock, zs, "store_ns_mean", "stores more quickly, by the table of costs,")
    yield ""
    columns = (
        ("memory_used", "memory used %"),
        ("fragmentation_loss", "lost %"),
        ("refused", "refused %"),
        ("store_ns_mean", "store ns"),
        ("store_ns_p999", "99.9 %"),
        ("store_ns_worst", "worst"),
        ("free_ns_mean", "free ns"),
        ("would_free", "compaction would free %"),
    )
    yield from per_allocator(bench, bench.all_of("zblock", "zsmalloc", "zbud", "z3fold"), columns)


QUESTIONS = (
    Question(
        "Dan Magenheimer, 2011-09-15; Nitin Gupta, 2011-09-16",
        "How do the allocators do over many workloads?",
        (),
        _many_workloads,
        ("memory", lambda bench: bench_plots.loss_split(bench.document)),
    ),
    Question(
        "Dan Magenheimer, 2011-09-15",
        "Is xvmalloc bad only when the average page compresses to more than half?",
        ("xvmalloc", "xcfmalloc"),
        _half_a_page,
    ),
    Question("Dan Magenheimer, 2011-09-15", "Which sequences make xcfmalloc bad, and how bad?", ("xcfmalloc",), _worst),
    Question(
        "Dave Hansen and Seth Jennings, 2011-09-01; Dave Hansen, 2011-09-15",
        "Is an allocation O(1), and how much work is it for each size?",
        ("xcfmalloc",),
        _constant_work,
        ("sizes", lambda bench: bench_plots.density_by_size(bench.document, bench.density)),
    ),
    Question(
        "Nitin Gupta, 2011-09-09; Seth Jennings, 2011-09-12",
        "Would a slab design have less metadata, fewer copies and less loss?",
        ("xcfmalloc", "slab-2011"),
        _slab,
        ("pages", lambda bench: bench_plots.picture(bench.document)),
    ),
    Question(
        "Seth Jennings, 2011-08-31; Nitin Gupta, 2011-09-13",
        "What would compaction give, and at what cost?",
        ("xcfmalloc",),
        _compaction,
        ("compaction", lambda bench: bench_plots.what_compaction_frees(bench.document)),
    ),
    Question(
        "Dan Magenheimer, 2011-09-15",
        "Two allocators: xvmalloc for pages that compress well, xcfmalloc for the others?",
        ("xvmalloc", "xcfmalloc", "hybrid"),
        _two_allocators,
    ),
    Question("Seth Jennings, 2011-09-15", "Can one allocator cover the whole range?", (), _one_for_all),
    Question(
        "Dan Magenheimer, 2011-11-01 and 2013-02-27",
        "When objects go, when do their pages? Could one allocator replace zbud too?",
        (),
        _pages_back,
        ("drain", lambda bench: bench_plots.drain(bench.document, bench.series)),
    ),
    Question("the reviewers of zblock, 2025", "Do you have data?", ("zblock", "zsmalloc"), _zblock),
)


# ---------------------------------------------------------------- the page


def standalone(svg: str) -> str:
    """An SVG of the report as a file of its own: light colours, white paper, a font."""
    root = re.search(r":root \{(.*?)\}", (HERE / "style.css").read_text(encoding="utf-8"), re.S)
    assert root is not None
    for name, colour in re.findall(r"--(\w+): (#\w+)", root[1]):
        svg = svg.replace(f"var(--{name})", colour)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None
    paper = f'<rect width="{box[1]}" height="{box[2]}" fill="#ffffff"/>'
    start = svg.index(">") + 1
    opening = svg[:start].replace("<svg ", f'<svg width="{box[1]}" height="{box[2]}" font-family="sans-serif" ', 1)
    return opening + paper + svg[start:] + "\n"


def page_lines(bench: Bench, prefix: str, files: dict[str, str]) -> Iterator[str]:
    """The lines of the page; adds the plots' files (name -> SVG) to `files`.  prefix: how their names begin."""
    document = bench.document
    config = document["config"]
    yield "# Which allocator?"
    yield ""
    yield (
        "In 2011 the zcache developers could not decide between xvmalloc, xcfmalloc and a slab design: nobody could show how they "
        "behave over many workloads, what the worst case is, or what compaction would give. Their questions, and two later ones, with "
        "answers from one run of the bench."
    )
    yield ""
    yield (
        f"This page was written by `mempress allocators` with `--page`, from a run of {len(document['allocators'])} allocators under "
        f"{len(document['sequences'])} sequences of operations, {document['replications']} replications, seed {config['seed']} (bench "
        f"`{document['name']}`). Every number and every comparison in it is computed from that run; "
        "[allocator-bench.md](allocator-bench.md) defines the figures, and [allocators.md](allocators.md) the allocators."
    )
    for question in QUESTIONS:
        if any(bench.of(family) is None for family in question.needs):
            continue
        lines = list(question.answer(bench))
        if not any(lines):
            continue
        yield from ("", f"## {question.title}", "", f"*{question.who}.*", "", *lines)
        if question.plot is not None:
            name, draw = question.plot
            with matplotlib.rc_context(STYLE):
                plot = draw(bench)
            if plot is not None:
                file = f"{prefix}-{name}.svg"
                files[file] = standalone(plot.svg)
                yield from ("", f"![{plot.title}]({FIGURES_FOLDER}/{file})", "", f"{plot.title}. {plot.caption}")
    yield ""


def write_page(folder: Path, page: Path) -> None:
    """Write the page from a bench's folder, and its plots into `figures` beside it.  UserError if that cannot be written."""
    bench = Bench(read_json(folder / BENCH_FILE), read_columns(folder / SERIES_FILE), read_columns(folder / DENSITY_FILE))
    files: dict[str, str] = {}
    content = "\n".join(line.rstrip() for line in page_lines(bench, page.stem, files))
    figures = page.parent / FIGURES_FOLDER
    try:
        if files:
            figures.mkdir(parents=True, exist_ok=True)
        for name, svg in files.items():
            (figures / name).write_text(svg, encoding="utf-8", newline="\n")
        partial = page.with_name(f".{page.name}.partial-{os.getpid()}")
        partial.write_text(content, encoding="utf-8", newline="\n")
        partial.replace(page)
    except OSError as error:
        raise UserError(f"{page}: could not be written: {error.strerror}") from None
