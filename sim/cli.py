"""The command line.  Exit status: 0 done, 2 the user's input is wrong, 1 anything else.

Everything heavy is imported inside its command, so that --help, check, list and schema start at once and without Numba.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from models.errors import InputError

if TYPE_CHECKING:
    from sim.traces.command import Out
    from sim.traces.reading import Reading

_Command = TypeVar("_Command", bound=Callable[..., Any])
DONE, FAILED, WRONG_INPUT = 0, 1, 2
KINDS = ("policies", "backends", "devices", "allocators", "compressors", "contents", "workloads", "lifetimes", "controllers")

CACHE_FORMATS = (
    "auto",
    "text",
    "csv",
    "mpt",
    "lackey",
    "damon",
    "perf",
    "masim",
    "mqsim",
    "msr",
    "blkparse",
    "vscsi",
    "lirs",
    "oracleGeneral",
    "cache2k",
)
TRACE_OUTPUTS = ("mpt", "text", "csv", "oracleGeneral", "lirs", "cache2k")
RECORDERS = ("lackey", "perf", "soft-dirty", "idle")
LOG_FORMATS = ("auto", "vmstat", "vmstat-columns", "mm_stat", "zswap")

_TRACE_OPTIONS = (
    click.option(
        "--format",
        "trace_format",
        type=click.Choice(CACHE_FORMATS),
        default="auto",
        show_default=True,
        help="What the trace is; auto looks at its content.",
    ),
    click.option(
        "--columns", metavar="A,B,...", help="What the columns of text or CSV are, such as time,id,size or time,op,page; - is ignored."
    ),
    click.option("--time-unit", type=click.Choice(("ns", "us", "ms", "s")), default="ns", show_default=True, help="Of text and CSV."),
    click.option("--lenient", is_flag=True, help="Leave out bad lines and records, and say at the end how many."),
)
_CONFIG = click.argument("config", type=click.Path())
_SETS = click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a key, such as machine.memory=120MiB; repeatable.")


def _reads_trace(command: _Command) -> _Command:
    """The options of every command that reads a trace of any format."""
    for option in reversed(_TRACE_OPTIONS):
        command = option(command)
    return command


def _reading(columns: str | None, time_unit: str, lenient: bool) -> Reading:
    from models.workloads.readers.source import Skipped
    from sim.traces.reading import Reading

    names = None if columns is None else tuple(name.strip() for name in columns.split(","))
    return Reading(names, time_unit, skipped=Skipped() if lenient else None)


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("mempress")
    except metadata.PackageNotFoundError:
        return "0.1.0 (not installed)"


def _print_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"mempress {_version()}")
        context.exit()


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line.rstrip())


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version.")
def cli() -> None:
    """Simulate a Linux VM under memory pressure, with and without compressed swap.

    A run is described in YAML; configs/quickstart.yaml is a good start, docs/configuration.md lists every key.
    """


@cli.command()
@_CONFIG
@_SETS
@click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Where the run's folder is made.")
@click.option("--again", is_flag=True, help="Run again what is there already.")
@click.option("--jobs", type=click.IntRange(1, 4096), default=None, help="Worker processes (default: one for each core).")
@click.option(
    "--trace", type=click.Path(path_type=Path), default=None, help="Write what happened to which page to this file (one case only)."
)
@click.option("--check", is_flag=True, help="Check the machine's invariants after every step (slow).")
@click.option("--check-every", type=click.IntRange(1), metavar="N", help="The same after every N-th step.")
@click.option("--retry-failed", is_flag=True, help="Simulate only the cases of a sweep that failed before.")
@click.option(
    "--cluster", metavar="WHERE", help="On a Dask cluster: tcp://HOST:PORT, a scheduler file, local or local:WORKERS (extra [dask])."
)
@click.option("--index", type=click.IntRange(0), metavar="N", help="CONFIG is a folder of `plan --to`: do its N-th run only.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def run(config: str, sets: tuple[str, ...], out: Path, check: bool, check_every: int | None, index: int | None, **options: Any) -> int:
    """Simulate CONFIG, all cases of its sweep, and write results and a report.

    What is there already is not repeated; a run that was stopped, or killed, goes on where it was.
    """
    options["check"] = check_every or int(check)
    if index is not None:
        from sim.experiment.batch import run_index

        return run_index(Path(config), index, bool(sets), **options)
    from sim.config.load import load

    loaded = load(config, sets)
    if loaded.config.fleet is not None:
        from sim.fleet.command import run_instead

        return run_instead(config, sets, out, **options)
    from sim.run import run as run_loaded

    return run_loaded(loaded, out=out, **options)


@cli.command()
@_CONFIG
@_SETS
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Where the fleet's folder is made."
)
@click.option("--again", is_flag=True, help="Simulate again what is there already.")
@click.option("--jobs", type=click.IntRange(1, 4096), default=None, help="Worker processes (default: one for each core).")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def fleet(config: str, sets: tuple[str, ...], out: Path, again: bool, jobs: int | None, quiet: bool) -> int:
    """Draw the VMs of CONFIG's `fleet:`, simulate each with every setting, and write figures over the fleet."""
    from sim.fleet.command import fleet as run_fleet

    return run_fleet(config, sets, out, again, jobs, quiet)


@cli.command()
@_CONFIG
@_SETS
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Where the bench's folder is made."
)
@click.option("--again", is_flag=True, help="Run cases again that are there already.")
@click.option("--jobs", type=click.IntRange(1, 4096), default=None, help="Worker processes (default: one for each core).")
@click.option("--page", type=click.Path(path_type=Path), default=None, help="Also write the page of questions and answers to this file.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--worst", metavar="METRIC", help="Search for their worst cases: pages-per-payload, walked-max, walked-mean, copied.")
@click.option("--budget", type=click.IntRange(1000), default=20_000_000, show_default=True, help="With --worst: operations to play.")
@click.option("--length", type=click.IntRange(1, 10_000_000), default=2000, show_default=True, help="With --worst: operations at most.")
@click.option("--smallest", type=click.IntRange(1, 4096), default=32, show_default=True, help="With --worst: smallest object, bytes.")
def allocators(
    config: str,
    sets: tuple[str, ...],
    out: Path,
    again: bool,
    jobs: int | None,
    page: Path | None,
    quiet: bool,
    worst: str | None,
    budget: int,
    length: int,
    smallest: int,
) -> int:
    """Put the allocators of CONFIG side by side, under the same operations, and write results and a report.

    With --worst, look for the operations that make each of them worst on a metric, and keep these as traces.
    """
    from sim.bench.load import load

    loaded = load(config, sets)
    if worst is not None:
        from sim.bench.worst import Limits
        from sim.bench.worst import worst as search

        return search(loaded.config, worst, budget, Limits(length, smallest), out, jobs, sys.stdout)
    from sim.bench.run import run as run_bench

    return run_bench(loaded, out=out, again=again, jobs=jobs, quiet=quiet, page=page)


@cli.command()
@_CONFIG
@_SETS
def check(config: str, sets: tuple[str, ...]) -> int:
    """Check CONFIG without running it; print every value and where it comes from."""
    from sim.config.load import any_load
    from sim.config.text import checked

    loaded = any_load(config, sets)
    drawn: Iterable[str] = ()
    if getattr(loaded.config, "fleet", None) is not None:
        from sim.fleet.command import drawn_vms

        drawn = drawn_vms(config, sets)
    if getattr(loaded.config, "tune", None) is not None:
        from sim.tune.candidates import described

        drawn = described(config, sets)
    if getattr(loaded.config, "sensitivity", None) is not None:
        from sim.sensitivity.command import described as described_study

        drawn = (*drawn, *described_study(config, sets))
    _echo((*checked(loaded), *drawn))
    return DONE


@cli.command("list")
@click.argument("kind", required=False, type=click.Choice(KINDS), metavar="[KIND]")
def list_names(kind: str | None) -> int:
    """List everything that a configuration can name, with its source.

    KIND is one of policies, backends, devices, allocators, compressors, contents, workloads, lifetimes,
    controllers.
    """
    from sim.config.names import listed

    _echo(listed(kind))
    return DONE


@cli.command()
@click.option("--bench", is_flag=True, help="Of a configuration of `mempress allocators`.")
@click.option("--markdown", is_flag=True, hidden=True, help="Print docs/configuration.md instead.")
def schema(bench: bool, markdown: bool) -> int:
    """Print the JSON Schema of a configuration, for editors."""
    if markdown:
        from sim.config.text import markdown as reference

        _echo(reference())
        return DONE
    import json

    from sim.config.reference import json_schema

    if bench:
        from sim.bench.schema import BenchConfig

        click.echo(json.dumps(json_schema(BenchConfig), indent=2, ensure_ascii=False))
        return DONE
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return DONE


@cli.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--allocator", required=True, metavar="NAME", help="An allocator: `mempress list allocators` names them.")
def replay(trace: Path, allocator: str) -> int:
    """Drive an allocator with the operations of TRACE (.gz or not) and print its answers."""
    from sim.replay import replay as replay_trace

    replay_trace(trace, allocator, sys.stdout)
    return DONE


@cli.command()
@click.argument("trace", metavar="TRACE", type=click.Path(path_type=Path))
@click.option("--policy", metavar="NAME[,NAME...]", help="Replacement policies; NAME:setting=value gives settings.")
@click.option("--pages", metavar="N[,N...]", help="Cache sizes in pages, or such as 10% of the trace's distinct pages.")
@click.option("--curve", is_flag=True, help="Instead of --pages: some 50 sizes from one page to all; lru in one pass.")
@click.option(
    "--sample",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=None,
    metavar="RATE",
    help="Estimate from five samples of this share of the pages, with the error.",
)
@click.option(
    "--sample-pages",
    type=click.IntRange(1),
    default=None,
    metavar="N",
    help="Estimate from five samples of N pages; lru by SHARDS with a falling threshold.",
)
@click.option(
    "--weight",
    type=click.Choice(("requests", "bytes")),
    default="requests",
    show_default=True,
    help="bytes: also add up the sizes of the requests that miss; a page still takes one place in the cache.",
)
@click.option(
    "--page-size",
    type=click.IntRange(1),
    default=None,
    metavar="BYTES",
    help="An object takes as many pages of BYTES as its size needs (default: each id is one page).",
)
@click.option("--stats", is_flag=True, help="Print what the trace is like: reuse distances, working sets, popularity, runs.")
@click.option("--heatmap", type=click.Path(path_type=Path), metavar="FILE", help="Draw which pages are used when (.png or .svg).")
@click.option(
    "--warmup", metavar="N|P%|auto", help="Requests at the start that are simulated and not counted; auto: until the caches are full."
)
@_reads_trace
@click.option("--name", metavar="NAME", help="What tables call the trace (default: TRACE as given).")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: trace,requests,distinct,cache_pages,policy,misses.")
@click.option("--json", "json_to", type=click.Path(path_type=Path), metavar="FILE", help="Write all figures as JSON.")
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw miss ratios against sizes, or statistics (.png or .svg)."
)
@click.option("--jobs", type=click.IntRange(1, 4096), default=None, help="Caches that are simulated at once (default: one for each core).")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def cache(trace: Path, policy: str | None, pages: str | None, columns: str | None, time_unit: str, lenient: bool, **options: Any) -> int:
    """Count the misses of page-replacement policies over the references in TRACE, each distinct id a page.

    TRACE may be of any format that is known (docs/traces.md), plain, gz, xz, bz2 or zstd.
    """
    from sim.cachesim.command import cache as study

    return study(trace, policy, pages, reading=_reading(columns, time_unit, lenient), **options, out=sys.stdout)


@cli.group()
def trace() -> None:
    """Look at traces of page accesses, object ids and block I/O of any known format; convert, cut and record them."""


_OUT_OPTIONS = (
    click.option(
        "--to", type=click.Choice(TRACE_OUTPUTS), default=None, help="What is written (default: by OUT's suffix, such as .mpt or .csv)."
    ),
    click.option("--dense", is_flag=True, help="Write numbers from 0 on instead of ids, in the order in which they first come."),
    click.option("--force", is_flag=True, help="Write OUT anew if it exists."),
)
_FILE = click.argument("file", type=click.Path(path_type=Path))
_OUT = click.argument("out", type=click.Path(path_type=Path))


def _writes_trace(command: _Command) -> _Command:
    for option in reversed(_OUT_OPTIONS):
        command = option(command)
    return _OUT(command)


def _out(out: Path, to: str | None, force: bool, dense: bool) -> Out:
    from sim.traces.command import Out

    return Out(out, to, force, dense)


@trace.command("info")
@_FILE
@_reads_trace
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def trace_info(file: Path, trace_format: str, as_json: bool, **reading: Any) -> int:
    """Say what FILE is: format, references, distinct ids, time span, writes, sizes."""
    from sim.traces.command import info

    return info(file, trace_format, _reading(**reading), as_json, sys.stdout)


@trace.command("head")
@_FILE
@_reads_trace
@click.option("-n", "count", type=click.IntRange(1), default=10, show_default=True, help="How many references.")
def trace_head(file: Path, trace_format: str, count: int, **reading: Any) -> int:
    """Print the first references of FILE as text."""
    from sim.traces.command import head

    return head(file, trace_format, _reading(**reading), count, sys.stdout)


@trace.command("convert")
@_FILE
@_writes_trace
@_reads_trace
def trace_convert(file: Path, out: Path, trace_format: str, to: str | None, force: bool, dense: bool, **reading: Any) -> int:
    """Write FILE to OUT in another format."""
    from sim.traces.command import convert

    return convert(file, trace_format, _reading(**reading), _out(out, to, force, dense))


@trace.command("filter")
@_FILE
@_writes_trace
@click.option("--from", "since", metavar="TIME", help="Only from this time of the trace on, such as 10s (or ns as a number).")
@click.option("--until", metavar="TIME", help="Only before this time.")
@click.option("--only", type=click.Choice(("reads", "writes")), default=None, help="Only these.")
@click.option("--ids", metavar="LOW-HIGH", help="Only these ids (pages of 4 KiB, where the trace is of pages).")
@click.option("--every", type=click.IntRange(1), default=1, metavar="N", help="Of what is left, the first of each N.")
@_reads_trace
def trace_filter(
    file: Path,
    out: Path,
    trace_format: str,
    to: str | None,
    force: bool,
    dense: bool,
    columns: str | None,
    time_unit: str,
    lenient: bool,
    **what: Any,
) -> int:
    """Write the part of FILE that is asked for to OUT."""
    from sim.traces.command import Filter, filtered

    return filtered(file, trace_format, _reading(columns, time_unit, lenient), Filter(**what), _out(out, to, force, dense))


@trace.command("sample")
@_FILE
@_writes_trace
@click.option("--rate", type=click.FloatRange(0, 1, min_open=True), required=True, help="Share of the ids.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another one chooses other ids.")
@_reads_trace
def trace_sample(
    file: Path, out: Path, trace_format: str, rate: float, seed: int, to: str | None, force: bool, dense: bool, **reading: Any
) -> int:
    """Write all references to a share of FILE's ids, chosen by hash (spatial sampling), to OUT."""
    from sim.traces.command import sample

    return sample(file, trace_format, _reading(**reading), rate, seed, _out(out, to, force, dense))


@trace.command("stats")
@_FILE
@_reads_trace
@click.option("--json", "json_to", type=click.Path(path_type=Path), metavar="OUT", help="Write all figures as JSON.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="OUT", help="Draw them (.png or .svg).")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def trace_stats(file: Path, trace_format: str, json_to: Path | None, plot: Path | None, quiet: bool, **reading: Any) -> int:
    """Print what FILE is like: reuse distances, working sets, popularity, pages used once, runs of neighbours."""
    from sim.cachesim.command import trace_statistics

    return trace_statistics(file, trace_format, _reading(**reading), json_to, plot, quiet, sys.stdout)


@trace.command("heatmap")
@_FILE
@click.argument("picture", metavar="OUT", type=click.Path(path_type=Path))
@_reads_trace
@click.option("--quiet", is_flag=True, help="Show no progress.")
def trace_heatmap(file: Path, picture: Path, trace_format: str, quiet: bool, **reading: Any) -> int:
    """Draw which pages of FILE are used when (OUT: .png or .svg)."""
    from sim.cachesim.command import trace_heatmap as draw

    return draw(file, picture, trace_format, _reading(**reading), quiet, sys.stdout)


@trace.command("record", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="PROGRAM [ARGS]...")
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="FILE", help="The trace (default: PROGRAM.mpt).")
@click.option(
    "--how",
    type=click.Choice(RECORDERS),
    default="lackey",
    show_default=True,
    help="lackey: every access, slow; perf: page faults; soft-dirty, idle: pages written or used between looks, if the kernel tells.",
)
@click.option("--interval", default="100ms", show_default=True, metavar="TIME", help="With soft-dirty and idle: time between looks.")
@click.option("--force", is_flag=True, help="Write FILE anew if it exists.")
def trace_record(program: tuple[str, ...], out: Path | None, how: str, interval: str, force: bool) -> int:
    """Run PROGRAM and record which pages it accesses.  Ctrl-C stops it and keeps what was recorded."""
    from sim.traces.command import interval_of
    from sim.traces.record import record

    return record(program, out, how, interval_of(interval), force)


@cli.command()
@click.argument("run_dir", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--replication", type=click.IntRange(0), default=0, show_default=True, help="Which of the run's replications.")
def perfetto(run_dir: Path, out: Path, replication: int) -> int:
    """Write a run's timeline to OUT (.json or .json.gz), for ui.perfetto.dev: counters as tracks, reclaim as slices."""
    from sim.perfetto import perfetto as write

    click.echo(f"{out}: {write(run_dir, out, replication)} events; open it at https://ui.perfetto.dev")
    return DONE


@cli.command()
@click.argument("run_dir", metavar="RUN", type=click.Path(path_type=Path))
def report(run_dir: Path) -> int:
    """Write report.html of a run's or sweep's folder again."""
    from sim.report import write_report

    click.echo(str(write_report(run_dir)))
    return DONE


@cli.command()
@_CONFIG
@_SETS
@click.option("--to", type=click.Path(path_type=Path), metavar="DIR", help="Write the runs as a folder for a scheduler: run DIR --index N.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Where results would be.")
@click.option("--jobs", type=click.IntRange(1, 4096), default=None, help="Worker processes (default: one for each core).")
@click.option("--no-estimate", is_flag=True, help="Simulate nothing to find out how long it would take.")
@click.option("--all", "everything", is_flag=True, help="List every run, not the first few.")
def plan(config: str, sets: tuple[str, ...], **options: Any) -> int:
    """Show the runs of CONFIG, their number and how long they would take, before anything starts."""
    from sim.config.load import load

    loaded = load(config, sets)
    from sim.experiment.planning import plan as show

    return show(loaded, config, **options)


@cli.command()
@_CONFIG
@_SETS
@click.option("--budget", type=click.IntRange(1), default=None, help="Simulations in all, instead of tune.budget.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Where the folder is made.")
@click.option("--again", is_flag=True, help="Tune again what is there already.")
@click.option("--jobs", type=click.IntRange(1, 4096), default=None, help="Worker processes (default: one for each core).")
@click.option("--cluster", metavar="WHERE", help="On a Dask cluster, as for run.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def tune(config: str, sets: tuple[str, ...], out: Path, **options: Any) -> int:
    """Look for the settings of CONFIG's `tune:` that make its objective least, and print them as Linux wants them."""
    from sim.tune.command import tune as look

    return look(config, sets, out, **options)


@cli.command()
@_CONFIG
@_SETS
@click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Where the folder is made.")
@click.option("--again", is_flag=True, help="Do again what is there already.")
@click.option("--jobs", type=click.IntRange(1, 4096), default=None, help="Worker processes (default: one for each core).")
@click.option("--cluster", metavar="WHERE", help="On a Dask cluster, as for run.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def sensitivity(config: str, sets: tuple[str, ...], out: Path, **options: Any) -> int:
    """Say which keys of CONFIG's `sensitivity:` matter: Morris screening, or Sobol indices (extra [sensitivity])."""
    from sim.sensitivity.command import sensitivity as study

    return study(config, sets, out, **options)


@cli.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("others", nargs=-1, metavar="[RESULTS]...", type=click.Path(path_type=Path))
def gather(folder: Path, others: tuple[Path, ...]) -> int:
    """Put the runs of a plan's folder DIR together: table, report, and what is missing.

    RESULTS: more folders in which run folders may be, if they were not made in DIR/runs.
    """
    from sim.experiment.batch import gather as put_together

    return put_together(folder, others)


@cli.command()
@click.argument("sweep", type=click.Path(path_type=Path))
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="FILE.csv or FILE.parquet (default: CSV on standard output).",
)
@click.option("--where", metavar="FILTER", help="Such as 'backend.kind = zcache and machine.memory >= 96MiB'.")
@click.option("--columns", metavar="A,B,...", help="Names and patterns such as task.*, divided by commas (default: all).")
@click.option("--sort", multiple=True, metavar="KEY[:desc]", help="Sort by a column; repeatable.")
@click.option("--limit", type=click.IntRange(0, 2**62), default=None, metavar="N", help="At most N rows.")
@click.option("--failed", is_flag=True, help="Only runs that failed, and what they said.")
@click.option("--units", is_flag=True, help="A second line with the units (Parquet always has them).")
def export(
    sweep: Path,
    to: Path | None,
    where: str | None,
    columns: str | None,
    sort: tuple[str, ...],
    limit: int | None,
    failed: bool,
    units: bool,
) -> int:
    """Write the table of SWEEP, a sweep's folder, as CSV or Parquet, or the part of it that is asked for."""
    from sim.table.export import Request, command

    names = None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]
    return command(sweep, to, Request(names, where, sort, limit, failed, units))


@cli.command()
@click.argument("places", metavar="A B...", nargs=-1, required=True)
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Compare this metric; repeatable (default: the key figures).")
@click.option("--all", "every", is_flag=True, help="Compare all metrics.")
@click.option("--baseline", metavar="A", help="What the others are compared with (default: the first).")
@click.option("--by", metavar="KEY", help="Of one sweep: compare the values of this swept key over all settings of the others.")
@click.option("--confidence", type=click.FloatRange(0.5, 0.9999), default=0.95, show_default=True, help="Of intervals and verdicts.")
@click.option("--matters", type=click.FloatRange(0, 100), default=1.0, show_default=True, metavar="PERCENT", help="What is too little.")
@click.option("--across-versions", is_flag=True, help="Compare results of different versions of mempress.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Where the page goes (default: by the runs).")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, and write a page only with --out.")
@click.option("--with", "logs", multiple=True, metavar="LOG", type=click.Path(path_type=Path), help="Lay run A over a machine's log.")
@click.option("--format", "form", type=click.Choice(LOG_FORMATS), help="With --with: what the log is (default: by its contents).")
@click.option("--log-interval", metavar="TIME", help="With --with: time between the log's samples (default: as it says).")
def compare(
    places: tuple[str, ...],
    metrics: tuple[str, ...],
    logs: tuple[Path, ...],
    form: str | None,
    log_interval: str | None,
    **options: Any,
) -> int:
    """Say which differences between runs are real, or how far a run is from a log of your machine.

    A, B and so on are run folders, or SWEEP_FOLDER:CASE; one sweep folder alone stands for all its cases.
    """
    if logs:
        from sim.logs.command import run as run_logs

        return run_logs(places, logs, form or "auto", log_interval, options["out"], options["as_json"])
    if form is not None or log_interval is not None:
        raise click.UsageError("--format and --log-interval are about a log: --with LOG says which")
    from sim.compare.command import run as run_compare

    return run_compare(places, metrics, **options)


@cli.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="PATTERN", help="Only runs of this name, such as 'A_zs_*'; repeatable.")
@click.option("--jobs", type=click.IntRange(1, 4096), default=None, help="Worker processes (default: one for each core).")
@click.option(
    "--starts", type=click.IntRange(1, 1000), default=None, help="Simulations of each configuration (default: 5); the mean is compared."
)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="The page (default: results/validate.html).")
@click.option("--json", "json_to", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Write all figures as JSON.")
@click.option("--card", "card_to", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Write the fidelity card.")
@click.option("--trace", metavar="RUN", help="Lay the time series of one run over each other: which counter leaves first?")
@click.option("--last", is_flag=True, help="Also the figures of the last phases alone.")
@click.option("--brief", is_flag=True, help="Print no table for each run.")
@click.option("--skip-bad", is_flag=True, help="Leave out files that are not measured runs, instead of stopping.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def validate(folder: Path, **options: Any) -> int:
    """Simulate the measured runs of a real kernel in DIR, and say how far the simulator is off."""
    from sim.validate.command import validate as check_against

    return check_against(folder, **options)


@cli.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, metavar="FILE", help="Also write the YAML to FILE.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--repeats", type=click.IntRange(3, 1000), default=31, show_default=True, help="How often each is measured.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def calibrate(out: Path | None, as_json: bool, repeats: int, quiet: bool) -> int:
    """Measure what compressing and copying a page costs on this machine, and print it as settings."""
    from sim.calibrate.command import calibrate as measure

    return measure(out, as_json, repeats, quiet)


@cli.command("explain-page")
@click.argument("page", type=click.IntRange(0))
@click.option("--trace", required=True, type=click.Path(path_type=Path), help="An event log that `run --trace` wrote.")
def explain_page(page: int, trace: Path) -> int:
    """Tell the life of one page from an event log."""
    from sim.events import explain_page as explain

    explain(trace, page, sys.stdout)
    return DONE


@cli.command()
@click.argument("allocator", metavar="FILE[:NAME]")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the generated operations.")
@click.option("--sequences", type=click.IntRange(1, 1_000_000), default=300, show_default=True, help="How many sequences are played.")
def conformance(allocator: str, seed: int, sequences: int) -> int:
    """Play generated operations on an allocator of your own, and say in words which rule it breaks.

    FILE[:NAME] is a plug-in, or the name of an allocator.  Exit status 1 if a rule is broken.
    """
    from sim.conformance.command import conformance as examine

    return examine(allocator, seed, sequences, sys.stdout)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody may be there to read it
        click.echo(text, err=True)


def _internal(error: BaseException) -> int:
    if os.environ.get("MEMPRESS_DEBUG") == "1":
        import traceback

        _say("".join(traceback.format_exception(error)).rstrip())
    text = " ".join(str(error).split())
    _say(f"mempress: internal error: {type(error).__name__}{f': {text}' if text else ''} (MEMPRESS_DEBUG=1 shows where)")
    return FAILED


def _quiet_pipe() -> int:
    """The reader of our output has gone: stop without a word, also when Python flushes at the end."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return FAILED


def execute(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status and says what was wrong on standard error."""
    try:
        status = cli.main(arguments, prog_name="mempress", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else DONE
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.format_message())
        return WRONG_INPUT
    except click.ClickException as error:
        error.show()
        return WRONG_INPUT
    except InputError as error:
        _say(str(error))
        return WRONG_INPUT
    except (KeyboardInterrupt, click.Abort):
        _say("mempress: stopped")
        return FAILED
    except BrokenPipeError:
        return _quiet_pipe()
    except Exception as error:
        return _internal(error)


def main() -> NoReturn:
    """Entry point of the console script."""
    sys.exit(execute())


if __name__ == "__main__":
    main()
