"""Text about configurations: what `mempress check` prints, and docs/configuration.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from models.registry import Option
from sim.config.load import Case, Loaded
from sim.config.names import NOUNS, entries
from sim.config.problems import dotted
from sim.config.reference import default_text, flat, rows
from sim.config.schema import Workload
from sim.config.values import SCALARS, expected
from sim.config.walk import in_words, leaves

_WIDEST_VALUE = 44
_FIRST_CASES = 20
PLACES = {
    "policies": "`reclaim.policy`",
    "backends": "`backend`",
    "devices": "`devices.NAME`",
    "allocators": "an allocator of a backend, `mempress replay`, and `allocators[]` of the [bench](allocator-bench.md)",
    "compressors": "a compressor of a backend",
    "contents": "`workloads[].contents`, and `sizes[]` of the [bench](allocator-bench.md)",
    "workloads": "`workloads[]`, and the parts of phases and mix",
    "lifetimes": "`lifetimes[]` of the [bench](allocator-bench.md)",
    "controllers": "`cgroups.NAME.controller`",
}


def checked(loaded: Any) -> Iterator[str]:
    """The lines of `check`: every effective value, what it is, and where it comes from; then the cases.

    loaded: a configuration of a VM (sim.config.load.Loaded) or of the allocators' bench (sim.bench.load.LoadedBench).
    """
    table = []
    for leaf in leaves(loaded.config):
        key = dotted(leaf.path)
        if leaf.path[0] in ("sweep", "published") and not getattr(loaded.config, str(leaf.path[0])):
            continue
        origin = loaded.origin.get(key, "default")
        if leaf.path[0] != "sweep" or origin != "default":  # of a sweep, what is there
            table.append((key, in_words(leaf.option, leaf.value), origin))
    wide_key = max(len(row[0]) for row in table)
    wide_value = min(max(len(row[1]) for row in table), _WIDEST_VALUE)
    for key, value, origin in table:
        yield f"{key:<{wide_key}}  {value:<{wide_value}}  {origin}"
    yield ""
    yield from _cases(loaded) if isinstance(loaded, Loaded) else _bench_cases(loaded)


def _cases(loaded: Loaded) -> Iterator[str]:
    if loaded.config.fleet is not None:
        return  # sim.fleet.command says what is drawn
    if loaded.config.sweep is not None:
        yield from (f"case  {case.name}{_more(case)}" for case in loaded.cases[:_FIRST_CASES])
        if len(loaded.cases) > _FIRST_CASES:
            yield f"      ... and {len(loaded.cases) - _FIRST_CASES:,} more"
    yield from (f"note  {note}" for note in loaded.notes)
    most = sum(case.config.most_replications for case in loaded.cases)
    least = sum(case.config.precision.least if case.config.precision else case.config.most_replications for case in loaded.cases)
    runs = _number(most, "run") if least == most else f"{least:,} to {_number(most, 'run')}"
    yield f"{_number(len(loaded.cases), 'case')}, {runs}, from {', '.join(loaded.files)}: nothing wrong"


def _more(case: Case) -> str:
    """What a case sets, where its name does not say it."""
    hidden = [f"{key}={text}" for key, text in case.labels.items() if f"={text}" not in case.name]
    return f"  ({', '.join(hidden)})" if hidden else ""


def _bench_cases(loaded: Any) -> Iterator[str]:
    config = loaded.config
    sequences = len(list(config.pairs())) + len(config.traces)
    what = (
        f"{_number(len(config.allocators), 'allocator')}, {_number(sequences, 'sequence')}, {_number(config.replications, 'replication')}"
    )
    yield f"{what}, from {', '.join(loaded.files)}: nothing wrong"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _table(pairs: Iterator[tuple[str, Option]] | list[tuple[str, Option]]) -> Iterator[str]:
    yield "| key | allowed | default | what it is | source |"
    yield "| --- | --- | --- | --- | --- |"
    for name, option in pairs:
        allowed = (
            expected(option) if option.type in SCALARS or option.type == "any" or option.type.startswith("list:") else _allowed(option)
        )
        unit = f" [{option.unit}]" if option.unit and option.type in ("int", "float", "choice") else ""
        default = default_text(option)
        shown = default if default in ("required", "") else f"`{default}`"
        yield f"| `{name}` | {_cell(allowed)}{unit} | {_cell(shown)} | {_cell(option.doc)} | {_cell(option.source)} |"


def _allowed(option: Option) -> str:
    if option.type.startswith("part:"):
        folder = option.type.partition(":")[2]
        return f"{NOUNS[folder]}, see [{folder}](#{folder})"
    return "a mapping"


_HEAD = """# Configuration reference

Written by `mempress schema --markdown`; every key is described in one place in the source (sim/config/schema.py,
models/memory/settings.py and the registries models/*/registry.py), and this page is made from it.

Sizes and times carry a unit: `KiB`, `MiB`, `GiB`, `TiB`, `PiB` are powers of 1024 and `kB`, `MB`, `GB`, `TB`, `PB` powers of 1000;
times are `ns`, `us`, `ms`, `s`, `min`, `h`. A number without a unit is an error, apart from 0. In Python an int is taken as bytes or
nanoseconds.

Numbers are decimal: `1e3` is 1000; `010`, `0x10`, `1_000`, `12:30:45` are text. Only `true` and `false` are booleans: `yes`, `no`,
`on` and `off` are text. A key may stand only once. Anchors and aliases are allowed, tags and merge keys (`<<`) are not.

**Building on another file.** `extends: other.yaml`, or a list of files of which later ones win. Mappings are merged key by key,
anything else (lists too) is replaced. Where a file changes a `kind`, settings that only the old kind has are dropped.

**Overriding.** `--set machine.memory=120MiB`; the value is YAML. Items of a list are named by index or by their `name`:
`--set workloads.compiler.start=1s`. Paths of files are relative to the file that names them, with `--set` to the current directory.

**Parts** (`kind`) may be written short: `policy: linux-lru` is `policy: {kind: linux-lru}`.

**Sweep.** `sweep: {grid: {key: [values], ...}}` runs every combination, `sweep: {cases: [{name: NAME, set: {key: value, ...}}, ...]}` the
given ones; keys are dotted, as for `--set`. Keys that move together (`zip`), random, Latin hypercube and Sobol samples, and conditions
are in [sweeps.md](sweeps.md). At most 100,000 runs (cases times replications).

**Plug-ins.** `kind: path/to/file.py:NAME` uses a part from a file of your own. NAME is a literal dict in that file, which is read without
running it: `NAME = {"target": "ATTRIBUTE", "doc": "...", "source": "...", "options": [{"name": "...", "type": "int", "default": 3}, ...]}`.
`target` is the attribute of the same file that a run uses; an option has the fields of `models.registry.Option`. An installed package can
bring such parts by entry points of the groups `mempress.allocators`, `mempress.policies` and so on (docs/write-an-allocator.md).
"""


def _bench() -> Iterator[str]:
    """The keys of a configuration of `mempress allocators`."""
    from sim.bench.schema import Allocator, BenchConfig, Lifetime, Sizes

    where = "[allocator-bench.md](allocator-bench.md)"
    yield from ("## Allocators' bench", "", f"A file for `mempress allocators` is not one of a VM; it has these keys ({where}):", "")
    yield from _table([(row.path, row.option) for row in rows(BenchConfig)])
    yield from ("", "Beside the settings of their kind, the items of its lists have:", "")
    parts = (("allocators", Allocator), ("sizes", Sizes), ("lifetimes", Lifetime))
    yield from _table([(f"{place}[].{name}", option) for place, part in parts for name, option in flat(part.common)])
    yield ""


def markdown() -> Iterator[str]:
    """The lines of docs/configuration.md."""
    yield from _HEAD.splitlines()
    yield ""
    sections: dict[str, list[tuple[str, Option]]] = {}
    for row in rows():
        sections.setdefault(row.path.partition(".")[0].removesuffix("[]") if "." in row.path else "", []).append((row.path, row.option))
    for section, found in sections.items():
        yield f"## {section or 'Top level'}"
        yield ""
        yield from _table(found)
        yield ""
    yield from _bench()
    for folder, noun in NOUNS.items():
        yield from (f"## {folder}", "", f"Used at: {PLACES[folder]}.", "")
        if folder == "workloads":
            yield from ("Every workload has these keys:", "")
            yield from _table(list(flat(Workload.common)))
            yield ""
        for _, entry in entries(folder):
            yield from (f"### {noun} `{entry.name}`", "", f"{entry.doc[:1].upper()}{entry.doc[1:]}. Source: {entry.source}.", "")
            if entry.preset:
                fixed = ", ".join(f"`{name}: {value}`" for name, value in entry.preset.items())
                yield from (f"The name fixes {fixed}.", "")
            options = [(name, option) for name, option in flat(entry.options) if name not in entry.preset]
            if options:
                yield from _table(options)
                yield ""
