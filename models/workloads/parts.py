"""Workloads made of other workloads: phases (one after another) and mix (interleaved by weight).

The parts share one address space, each in the region that its `offset` and `size` give it, and files of the same name (see merge.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.registry import resolve
from models.workloads import draws
from models.workloads.merge import Files, moved, one_address_space
from models.workloads.program import one_or_many
from models.workloads.stream import Chunk, Context, File, Process, Program

_NO_CHUNK: Chunk = (np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.uint32))


class _Made(NamedTuple):
    """One part, built: its process, its files, the first page of memory that it uses."""

    process: Process
    files: tuple[File, ...]
    first: int


def _part(owner: str, number: int, part: Any, context: Context) -> _Made:
    """One part: anything with an `entry` (of a registry, or a plug-in's) and `options` in model units."""
    build = resolve(part.entry.target)
    program: Program = build(dict(part.options), context._replace(seed=draws.child(context.seed, number)))
    if len(program.processes) != 1:
        raise InputError(
            f"workload {owner}: part {number + 1} ({part.entry.name}) has several processes; set `processes` of the {owner} instead"
        )
    own = "filename" in part.options and part.options["filename"] is None
    files = tuple(file._replace(name=_name(file.name, number, own)) for file in program.files)
    return _Made(program.processes[0], files, part.options.get("offset", 0) // context.page_size)


def _name(name: str, number: int, own: bool) -> str:
    """The name of a part's file among those of all parts: files that the part, or one of its parts, has to itself get its number."""
    return f"part{number + 1}:{name}" if own or re.match(r"part\d+:", name) else name


def _build(owner: str, options: dict[str, Any], context: Context, join: Any) -> Program:
    parts, processes = options["parts"], options["processes"]
    if not parts:
        raise InputError(f"workload {owner}: parts is empty; it needs at least one workload")
    numbers = range(1, processes + 1) if processes > 1 else (0,)
    contexts = {number: context._replace(seed=draws.child(context.seed, number)) for number in numbers}
    made = {number: [_part(owner, n, part, own) for n, part in enumerate(parts)] for number, own in contexts.items()}
    merged = Files()
    suffix = {number: f".{number}" if processes > 1 and not options.get("shared_files", False) else "" for number in numbers}
    places = {number: [merged.add(one.files, suffix[number]) for one in made[number]] for number in numbers}
    files = merged.made(owner)

    def process(number: int) -> Process:
        own = [moved(one.process, one.files, place, files) for one, place in zip(made[number], places[number], strict=True)]
        areas = one_address_space(owner, own, [one.first for one in made[number]])
        known = [part.ops for part in own if part.ops is not None]
        repeat = options.get("repeat", 1)
        ops = sum(known) * repeat if len(known) == len(own) else None
        return Process(owner, max(part.pages for part in own), lambda: join(own, options, contexts[number]), ops, areas)

    return one_or_many(owner, processes, process)._replace(files=files)


def _one_after_another(parts: list[Process], options: dict[str, Any], _context: Context) -> Iterator[Chunk]:
    for _ in range(options["repeat"]):
        for part in parts:
            yield from part.chunks()


def phases(options: dict[str, Any], context: Context) -> Program:
    """Parts one after another, `repeat` times, in one address space.  Raises InputError for unusable parts."""
    return _build("phases", options, context, _one_after_another)


class _Puller:
    """Ops of one part in any number."""

    def __init__(self, part: Process) -> None:
        self.chunks = part.chunks()
        self.ready = _NO_CHUNK

    def available(self, wanted: int) -> int:
        """Ops that can be taken now, at most `wanted`; fewer only at the end of the part."""
        while len(self.ready[0]) < wanted:
            chunk = next(self.chunks, None)
            if chunk is None:
                break
            op, page, cpu = (np.concatenate(pair) for pair in zip(self.ready, chunk, strict=True))
            self.ready = (op, page, cpu)
        return min(wanted, len(self.ready[0]))

    def take(self, n: int) -> Chunk:
        op, page, cpu = self.ready
        self.ready = (op[n:], page[n:], cpu[n:])
        return op[:n], page[:n], cpu[:n]


def _interleaved(parts: list[Process], options: dict[str, Any], context: Context) -> Iterator[Chunk]:
    """Each op comes from a part drawn by weight; a part that ends leaves its share to the others."""
    weights = np.array(options["weights"] or [1.0] * len(parts))
    pullers = [_Puller(part) for part in parts]
    live = [n for n in range(len(parts)) if weights[n] > 0]
    rng = np.random.Generator(np.random.PCG64(draws.child(context.seed, len(parts))))
    while live:
        edges = np.cumsum(weights[live])
        picks = np.searchsorted(edges, rng.random(draws.CHUNK) * edges[-1], side="right")
        where = [np.flatnonzero(picks == k) for k in range(len(live))]
        got = [pullers[n].available(len(where[k])) for k, n in enumerate(live)]
        cut = min((int(w[g]) for w, g in zip(where, got, strict=True) if g < len(w)), default=len(picks))
        op, page, cpu = np.empty(cut, np.uint8), np.empty(cut, np.int64), np.empty(cut, np.uint32)
        for k, n in enumerate(live):
            index = where[k][where[k] < cut]
            op[index], page[index], cpu[index] = pullers[n].take(len(index))
        if cut:
            yield op, page, cpu
        live = [n for n in live if pullers[n].available(1)]


def mix(options: dict[str, Any], context: Context) -> Program:
    """Parts interleaved at random by `weights` in one address space.  Raises InputError for unusable parts or weights."""
    weights = options["weights"]
    if weights is not None and (len(weights) != len(options["parts"]) or min(weights, default=0) < 0 or sum(weights) <= 0):
        raise InputError(f"workload mix: weights {weights} must be {len(options['parts'])} numbers of at least 0, one a part, not all 0")
    return _build("mix", options, context, _interleaved)
