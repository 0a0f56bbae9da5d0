"""Workloads that a configuration can name (`workloads[].kind`)."""

from models.registry import REQUIRED, Entry, Option
from models.workloads.readers.registry import REGISTRY as READERS

_OWN = "definition"
_PROCESSES = Option(
    "processes", "int", "", 1, "with N > 1: a parent starts N processes of this workload, each with its own memory, and waits", "", 1, 4096
)


def _pattern(*more: Option, write_ratio: float = 0.3) -> tuple[Option, ...]:
    return (
        Option("size", "size", "B", "64MiB", "memory that it touches", "", 1),
        Option("accesses", "int", "", None, "number of accesses; none = as many as there are pages", "", 0),
        *more,
        Option("write_ratio", "float", "", write_ratio, "share of writes", "", 0, 1),
        Option("think", "time", "ns", "100ns", "computing after each access", "", 0),
        Option("fill", "bool", "", False, "first write every page once, in order"),
        Option("offset", "size", "B", "0B", "where its memory begins in the address space, for the parts of phases and mix", "", 0),
        _PROCESSES,
    )


_STRIDE = Option("stride", "int", "pages", 1, "distance of one access from the last, modulo the size", "", 1)
_SCATTER = Option(
    "scatter", "bool", "", True, "spread neighbouring ranks over the memory (step of 0.618 of it), so that hot pages are no neighbours"
)

REGISTRY = (
    Entry("sequential", "models.workloads.patterns:sequential", "pages in order, once", _OWN, _pattern(_STRIDE)),
    Entry("loop", "models.workloads.patterns:loop", "pages in order, again and again (set accesses)", _OWN, _pattern(_STRIDE)),
    Entry("uniform", "models.workloads.patterns:uniform", "every page equally likely", _OWN, _pattern()),
    Entry(
        "zipf",
        "models.workloads.patterns:zipf",
        "page of rank r with weight r^-alpha",
        _OWN,
        _pattern(Option("alpha", "float", "", 0.9, "0 is uniform; 1 is Zipf's law", "", 0, 10), _SCATTER),
    ),
    Entry(
        "hotcold",
        "models.workloads.patterns:hotcold",
        "a hot share of the pages gets most of the accesses",
        _OWN,
        _pattern(
            Option("hot", "float", "", 0.2, "share of the pages that is hot", "", 0, 1),
            Option("hot_accesses", "float", "", 0.8, "share of the accesses that goes to them", "", 0, 1),
            _SCATTER,
        ),
    ),
    Entry(
        "phases",
        "models.workloads.parts:phases",
        "workloads one after another in one address space",
        _OWN,
        (
            Option("parts", "list:part:workloads", "", REQUIRED, "the phases, in order"),
            Option("repeat", "int", "", 1, "how often the whole list runs", "", 1),
            _PROCESSES,
        ),
    ),
    Entry(
        "mix",
        "models.workloads.parts:mix",
        "workloads interleaved at random in one address space",
        _OWN,
        (
            Option("parts", "list:part:workloads", "", REQUIRED, "what is interleaved"),
            Option("weights", "list:float", "", None, "share of the ops of each part; none = equal"),
            _PROCESSES,
        ),
    ),
    Entry(
        "trace",
        "models.workloads.trace:build",
        "page accesses of a real program from a file; gz, xz and bz2 are read directly",
        "the file; see docs/recording.md for how to record one",
        (
            Option("file", "path", "", REQUIRED, "the trace"),
            Option(
                "format",
                "choice",
                "",
                "auto",
                "auto looks at the beginning of the file",
                choices=("auto", *(reader.name for reader in READERS)),
            ),
            Option(
                "columns",
                "list:str",
                "",
                None,
                "text and csv: what each column is, of time, op, address, page, - (ignored); none = from a heading, else by their number",
            ),
            Option(
                "time_unit", "choice", "", "ns", "text and csv: unit of the time column", choices=("ns", "us", "ms", "s", "instructions")
            ),
            Option("think", "time", "ns", "100ns", "computing after each access where the file has no time column", "", 0),
            Option(
                "ns_per_instruction", "float", "ns", 0.33, "where the file counts instructions", "3 GHz at one instruction a cycle", 0, 1000
            ),
            Option("time_scale", "float", "", 1.0, "factor for all times", "", 0, 1_000_000),
            Option(
                "backwards", "time", "ns", "1ms", "a time this much below an earlier one is taken as equal to it; more is an error", "", 0
            ),
            Option("repeat", "int", "", 1, "how often the trace is run through", "", 1),
            _PROCESSES,
        ),
    ),
)
