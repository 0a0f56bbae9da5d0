"""The configuration of the allocators' bench: allocators, sizes, lifetimes, and how much of it.

The same models, wording and units as sim.config.schema.  A part may have a `name`; cases are called ALLOCATOR/SIZES/LIFETIME after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from models.memory.settings import COSTS as MACHINE_COSTS
from models.registry import Option
from sim.config.parts import Key, Part, Settings
from sim.config.problems import Problem, fail, nearest, one_of, show
from sim.config.schema import Published, Section, Size, as_written, file_name, files_of, parts_of

NEVER = "never"
CHARGED = ("allocator", "walk", "copy", "page_alloc", "page_free")  # of the machine's costs, in the order of models.allocators.measure
COSTS = tuple(option for name in CHARGED for option in MACHINE_COSTS if option.name == name)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", re.ASCII)
_NAME_OPTION = Option("name", "str", "", None, "what to call it; unset = its kind, or its table or file")


class Named(Part):
    """A part with a name of its own."""

    common: ClassVar[tuple[Option, ...]] = (_NAME_OPTION,)

    def _fill(self, raw: Mapping[str, Any], context: Any) -> None:
        super()._fill(raw, context)
        if not _NAME.fullmatch(self.name):
            text = "1 to 64 letters, digits and . _ + -, starting with a letter or digit (it is part of the names of cases)"
            fail([Problem(("name",), show(self.name), text)])

    @property
    def name(self) -> str:
        """As given, or else made of the kind and what it names."""
        return str(self.options["name"] or self.kind.rpartition("/")[2].rpartition(":")[2])

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the registry's entry, without those that every part of the bench has."""
        common = {option.name for option in self.common}
        return {name: value for name, value in self.options.items() if name not in common}


class Allocator(Named):
    """An allocator of the bench."""

    folder: ClassVar[str] = "allocators"


class Lifetime(Named):
    """When objects come and go."""

    folder: ClassVar[str] = "lifetimes"
    common: ClassVar[tuple[Option, ...]] = (
        _NAME_OPTION,
        Option("sizes", "list:str", "", None, "names of the sizes that it is combined with; unset = all"),
    )


class Sizes(Named):
    """A sequence of compressed sizes: contents of pages, compressed, and what its caller does before it stores them."""

    folder: ClassVar[str] = "contents"
    common: ClassVar[tuple[Option, ...]] = (
        _NAME_OPTION,
        Option("compressor", "part:compressors", "", "lz4", "whose sizes"),
        Option(
            "header", "size", "B", "0B", "bytes that the caller adds to each object", "zcache of Linux 3.1: 40 B, and 36 B on i386", 0, 4096
        ),
        Option(
            "largest",
            "size",
            "B",
            None,
            "largest object that the caller stores, its header included; unset = whatever is larger than a page is offered as a raw page",
            "zcache of Linux 3.1: zv_max_zsize",
            1,
        ),
        Option(
            "same_filled",
            "choice",
            "",
            "skip",
            "same-filled pages: left out, or stored as the compressor makes them",
            choices=("skip", "store"),
        ),
        Option("order", "choice", "", "address", "the table from a random row on, or shuffled", choices=("address", "shuffled")),
    )

    @property
    def name(self) -> str:
        given, table, file = (self.options.get(key) for key in ("name", "table", "file"))
        path = file or self.options.get("path")
        return str(given or (Path(path).stem if path else table if self.kind == "measured" else self.kind))


class Density(Section):
    """The microbenchmark proposed in 2011: every size from 1 byte to a page, alone in an empty pool."""

    objects: Annotated[int, Key("int", "objects", "objects of each size", "", 1, 1_000_000)] = 400
    step: Annotated[Size, Key("size", "B", "distance between two sizes", "", 1, 4096)] = as_written("1B")


class BenchConfig(Section):
    """A whole configuration of the bench.  `sim.bench.load` reads one from YAML, `sim.bench.run` runs one."""

    name: Annotated[str, Key("str", "", "name of the bench and of its results' folder"), AfterValidator(file_name)]
    description: Annotated[str, Key("str", "", "what it is about, for the report")] = ""
    seed: Annotated[int, Key("int", "", "seed of all random numbers", "", 0, 2**63 - 1)] = 1
    replications: Annotated[int, Key("int", "", "repetitions with different random numbers, for the intervals", "", 1, 1000)] = 3
    page_size: Annotated[Size, Key("size", "B", "size of a page", "", choices=("4KiB", "16KiB", "64KiB"))] = as_written("4KiB")
    allocators: Annotated[list[Allocator], Field(min_length=1)]
    sizes: list[Sizes] = []
    lifetimes: list[Lifetime] = []
    traces: list[Annotated[str, Key("path", "", "traces as for `replay`; their sizes and lifetimes are their own")]] = []
    compaction: Annotated[
        list[Annotated[Any, Key("int", "operations", "compact after so many operations, or never", "", 1, 2**40, default=NEVER)]],
        Field(min_length=1),
    ] = [NEVER]
    baseline: Annotated[
        str, Key("str", "", "name of the allocator that paired differences are taken from; unset = the first", default=None)
    ] = as_written(None)
    samples: Annotated[int, Key("int", "", "moments of each case at which the pool is looked at", "", 2, 100_000)] = 200
    probes: Annotated[int, Key("int", "", "moments at which a copy of the pool is compacted, to see what that would free", "", 0, 1000)] = 8
    picture: Annotated[int, Key("int", "pages", "pages of each pool that the report draws", "", 0, 1000)] = 24
    density: Density | None = None
    costs: Annotated[dict[str, Any], Settings(COSTS)] = {}
    published: list[Published] = []

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> BenchConfig:
        problems = list(_problems(self))
        if problems:
            fail(problems)
        return self

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BenchConfig:
        """The configuration that `resolved` described.  Raises UserError."""
        return cls(**data)

    def pairs(self) -> Iterator[tuple[Sizes, Lifetime]]:
        """Every lifetime with all sizes that it is combined with."""
        for lifetime in self.lifetimes:
            wanted = lifetime.options["sizes"]
            yield from ((sizes, lifetime) for sizes in self.sizes if wanted is None or sizes.name in wanted)

    def sequence_names(self) -> list[str]:
        """SIZES/LIFETIME of every pair, then the traces."""
        return [f"{sizes.name}/{lifetime.name}" for sizes, lifetime in self.pairs()] + [trace_name(path) for path in self.traces]

    def input_files(self) -> list[Path]:
        """Every file whose content decides the results."""
        named = files_of(part for _, part in parts_of([self.allocators, self.sizes, self.lifetimes]))
        return sorted({*named, *(Path(trace) for trace in self.traces)})

    @property
    def baseline_name(self) -> str:
        """The allocator that paired differences are taken from."""
        return self.baseline or self.allocators[0].name


def trace_name(path: str) -> str:
    """What a trace is called in the names of cases: its file's name without `.trace` and `.gz`."""
    return Path(path).name.removesuffix(".gz").removesuffix(".trace")


def _problems(config: BenchConfig) -> Iterator[Problem]:
    for key, names in (
        ("allocators", [part.name for part in config.allocators]),
        ("sizes", [part.name for part in config.sizes]),
        ("lifetimes", [part.name for part in config.lifetimes]),
        ("traces", [trace_name(path) for path in config.traces]),
    ):
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Problem(
                    (key, index), f"{show(name)} a second time", "a `name` of its own" if key != "traces" else "a file name of its own"
                )
    if bool(config.sizes) != bool(config.lifetimes):
        missing, there = ("lifetimes", "sizes") if config.sizes else ("sizes", "lifetimes")
        yield Problem((there,), f"{there} without {missing}", f"both: every one of the {there} is combined with every one of the {missing}")
    elif not config.sizes and not config.traces and config.density is None:
        yield Problem((), "nothing to do", "`sizes` and `lifetimes`, or `traces`, or `density`")
    known = [part.name for part in config.sizes]
    for index, lifetime in enumerate(config.lifetimes):
        for place, name in enumerate(lifetime.options["sizes"] or []):
            if name not in known:
                yield Problem(("lifetimes", index, "sizes", place), show(name), one_of(known), nearest(name, known))
    names = [part.name for part in config.allocators]
    if config.baseline is not None and config.baseline not in names:
        yield Problem(("baseline",), show(config.baseline), one_of(names), nearest(config.baseline, names))
    endings = ["" if every == NEVER else f"/every={every}" for every in config.compaction]
    cases = [f"{name}/{sequence}{ending}" for sequence in config.sequence_names() for name in names for ending in endings]
    for index, figure in enumerate(config.published):
        if figure.case not in cases:
            yield Problem(("published", index, "case"), show(figure.case), one_of(cases), nearest(figure.case, cases))
    if len(set(map(str, config.compaction))) < len(config.compaction):
        yield Problem(("compaction",), "a value twice", "each value once")
    for index, part in enumerate(config.sizes):
        if part.options["largest"] is not None and part.options["largest"] > config.page_size:
            yield Problem(("sizes", index, "largest"), show(part.options["largest"]), f"at most the page size, {config.page_size} B")
