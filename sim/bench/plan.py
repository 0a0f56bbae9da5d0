"""What the bench has to do: every allocator with every sequence of operations, and the operations themselves.

A sequence is a lifetime with sizes, or a trace.  All allocators get the same operations in the same replication, so a difference
between two of them is a paired one.  Random streams are named as everywhere (sim.plan.seed_of): changing one part leaves the
others as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from models.allocators.drive import ALLOC, FREE
from models.contents.rows import ContentContext, Rows
from models.errors import InputError
from models.lifetimes.lifetime import Ops, stored
from models.registry import resolve
from sim.bench.schema import NEVER, Allocator, BenchConfig, Lifetime, Named, Sizes, trace_name
from sim.config.schema import files_of, parts_of
from sim.errors import UserError
from sim.replay import read_trace
from sim.results import Identity, digest_of, version

KEPT = 4  # sequences of operations that a process keeps
DRAWN = frozenset({"distribution", "preferred", "synthetic"})  # contents that differ between replications


class OpSequence(NamedTuple):
    """Where operations come from: sizes and lifetime, or a trace; `name` is SIZES/LIFETIME or the trace's."""

    name: str
    sizes: Sizes | None
    lifetime: Lifetime | None
    trace: str


class Case(NamedTuple):
    """One allocator with one sequence, all replications.

    every   operations between two compactions, 0 = never
    id      hash of all that decides its figures
    """

    name: str
    allocator: Allocator
    sequence: OpSequence
    every: int
    pictured: bool
    id: str


def sequences_of(config: BenchConfig) -> list[OpSequence]:
    """Every lifetime with its sizes, then the traces."""
    sources: list[tuple[Sizes | None, Lifetime | None, str]] = [
        *((*pair, "") for pair in config.pairs()),
        *((None, None, t) for t in config.traces),
    ]
    return [OpSequence(name, *source) for name, source in zip(config.sequence_names(), sources, strict=True)]


def can_compact(part: Allocator) -> bool:
    """Whether the allocator has a compaction at all."""
    from models.allocators.pool import no_compaction

    return resolve(part.entry.target).compact is not no_compaction


def inputs_of(parts: Sequence[Named | str | None], hashes: Mapping[Path, str]) -> list[str]:
    """Hashes of the files that decide what these parts (or traces) do."""
    files = files_of(part for _, part in parts_of([part for part in parts if isinstance(part, Named)]))
    files += [Path(trace) for trace in parts if isinstance(trace, str) and trace]
    return sorted(hashes[file.resolve()] for file in files)


def cases_of(config: BenchConfig, identity: Identity, hashes: Mapping[Path, str]) -> list[Case]:
    """All cases: sequence by sequence, allocator by allocator; compaction only for allocators that have one.

    hashes: of the configuration's input files (sim.results.identify fills them in)
    """
    shared = {key: identity.config[key] for key in ("seed", "replications", "page_size", "samples", "probes", "costs", "picture")}
    described = {key: {part.name: data for part, data in zip(parts, identity.config[key], strict=True)} for key, parts in _named(config)}
    found = []
    for number, sequence in enumerate(sequences_of(config)):
        source = [sequence.trace and trace_name(sequence.trace)]
        if sequence.sizes is not None and sequence.lifetime is not None:
            source += [described["sizes"][sequence.sizes.name], described["lifetimes"][sequence.lifetime.name]]
        for part in config.allocators:
            for every in config.compaction:
                if every != NEVER and not can_compact(part):
                    continue
                name = f"{part.name}/{sequence.name}" + ("" if every == NEVER else f"/every={every}")
                inputs = inputs_of([part, sequence.sizes, sequence.lifetime, sequence.trace], hashes)
                what = [described["allocators"][part.name], source, str(every), number == 0, shared, inputs, version()]
                found.append(Case(name, part, sequence, 0 if every == NEVER else int(every), number == 0, digest_of(what)))
    return found


def _named(config: BenchConfig) -> list[tuple[str, Sequence[Any]]]:
    return [("allocators", config.allocators), ("sizes", config.sizes), ("lifetimes", config.lifetimes)]


def _seed(config: BenchConfig, replication: int, name: str) -> np.random.SeedSequence:
    return np.random.SeedSequence(config.seed, spawn_key=(replication, crc32(name.encode())))


class Source:
    """The operations of each sequence, made when they are wanted; a few are kept."""

    def __init__(self, config: BenchConfig) -> None:
        self.config = config
        self.rows: dict[tuple[str, int], Rows] = {}
        self.sequences = {sequence.name: sequence for sequence in sequences_of(config)}
        self.operations = lru_cache(KEPT)(self._operations)

    def prepare(self) -> None:
        """Make what takes long or may be wrong; UserError names the key that is to blame."""
        for index, sizes in enumerate(self.config.sizes):
            try:
                self.offered(sizes, 0)
            except InputError as error:
                raise UserError(str(error), f"sizes.{index}") from None

    def _rows(self, sizes: Sizes, replication: int) -> Rows:
        key = (sizes.name, replication if sizes.kind in DRAWN else 0)
        if key not in self.rows:
            compressor = sizes.options["compressor"]
            context = ContentContext(
                self.config.page_size,
                _seed(self.config, replication, f"{sizes.name}.contents"),
                resolve(compressor.entry.target)(compressor.options),
            )
            self.rows[key] = resolve(sizes.entry.target)(sizes.settings, context)
        return self.rows[key]

    def offered(self, sizes: Sizes, replication: int) -> np.ndarray[Any, Any]:
        """int32[n]: the sizes as they are offered to the allocators, in order.  UserError if none is left."""
        rows = self._rows(sizes, replication)
        table = rows.sizes.reshape(rows.versions, -1)[-1]
        rng = np.random.Generator(np.random.PCG64(_seed(self.config, replication, f"{sizes.name}.order")))
        if sizes.options["order"] == "shuffled":
            table = rng.permutation(table)
        elif sizes.kind not in DRAWN:
            table = np.roll(table, -int(rng.integers(len(table))))
        same_size = rows.same_size if sizes.options["same_filled"] == "store" else None
        found = stored(table, self.config.page_size, sizes.options["header"], sizes.options["largest"], same_size).sizes
        if not len(found):
            raise UserError(f"sizes {sizes.name}: none of its {len(table)} pages is stored (same-filled, or larger than `largest`)")
        return found

    def _operations(self, name: str, replication: int) -> Ops:
        """The operations of the sequence of that name (`operations` keeps the latest few)."""
        sequence = self.sequences[name]
        if sequence.sizes is None or sequence.lifetime is None:
            return trace_operations(sequence.trace)
        sizes = self.offered(sequence.sizes, replication)
        part = sequence.lifetime
        found: Ops = resolve(part.entry.target)(part.settings, sizes, _seed(self.config, replication, sequence.name))
        return found


def trace_operations(path: str) -> Ops:
    """The allocations and frees of a trace, numbered anew so that tables are no longer than needed."""
    trace = read_trace(Path(path))
    keep = (trace.op == ALLOC) | (trace.op == FREE)
    op, ident, arg = (np.ascontiguousarray(column[keep]) for column in trace[:3])
    allocated = ident[op == ALLOC]
    place = np.searchsorted(allocated, ident).astype(np.int32)  # identities of allocations count up
    known = np.take(allocated, np.minimum(place, len(allocated) - 1)) == ident if len(allocated) else np.zeros(len(ident), bool)
    return Ops(op[known], place[known], arg[known])
