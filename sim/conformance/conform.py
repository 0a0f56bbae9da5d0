"""An allocator against the contract, in this process: rules without playing, then sequences, then the shortest one that breaks a rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from models.allocators.pool import FIRST_OWN, Allocator
from sim.conformance.player import Player
from sim.conformance.record import check_record, check_reserve, page_sizes
from sim.conformance.rules import Broken
from sim.conformance.sequences import Case, generate, shrink

PLAYED_TWICE = 25  # so many sequences are played on two pools

Attempt = Callable[[Case], Broken | None]


class Failure(NamedTuple):
    """A broken rule.

    rule, text   which, and what happened
    case, told   the shortest sequence found, and what came of each of its operations; None and nothing if no sequence is needed
    steps        of the sequence that broke it first
    number       of that sequence
    """

    rule: str
    text: str
    case: Case | None = None
    told: tuple[str, ...] = ()
    steps: int = 0
    number: int = -1


class Kept(NamedTuple):
    """The contract is kept as far as was looked.  operations: calls that were checked; compacted: pages that compaction gave back."""

    sequences: int
    operations: int
    page_sizes: tuple[int, ...]
    evicts: bool
    compacted: int
    replayable: bool


def attempt(allocator: Allocator, case: Case, options: dict[str, Any], twice: bool = True) -> Broken | None:
    """Play a sequence; what it breaks, if anything."""
    try:
        _play(allocator, case, options, twice)
    except Broken as broken:
        return broken
    return None


def _play(allocator: Allocator, case: Case, options: dict[str, Any], twice: bool) -> Player:
    player = Player(allocator, case, options)
    player.play()
    if twice:
        other = Player(allocator, case, options)
        other.play()
        for first, second in zip(player.told, other.told, strict=False):
            if first != second:
                raise Broken("determinism", f"on one pool '{first}', on another, after the same operations, '{second}'", len(case.steps))
        if player.told != other.told or player.num[:FIRST_OWN].tolist() != other.num[:FIRST_OWN].tolist():
            raise Broken("determinism", "two pools that saw the same operations have different numbers at the end", len(case.steps))
    return player


def failure_of(broken: Broken, case: Case, told: Callable[[Case], list[str]], again: Attempt, number: int) -> Failure:
    """The failure with its shortest sequence."""

    def breaks(other: Case) -> bool:
        found = again(other)
        return found is not None and found.rule == broken.rule

    start = case._replace(steps=case.steps[: broken.step + 1]) if breaks(case._replace(steps=case.steps[: broken.step + 1])) else case
    short = shrink(start, breaks)
    final = again(short) or broken
    return Failure(broken.rule, final.text, short, tuple(told(short)), len(case.steps), number)


def told_of(allocator: Allocator, case: Case, options: dict[str, Any]) -> list[str]:
    """What came of each operation, up to the one that broke a rule."""
    try:
        player = Player(allocator, case, options)
    except Broken:
        return []
    try:
        player.play()
    except Broken as broken:
        if broken.step < len(case.steps) and len(player.told) <= broken.step:
            player.told.append(case.steps[broken.step].text())
    return player.told


def examine(
    allocator: Any, name: str, options: dict[str, Any], seed: int, count: int, now: Callable[[Case], None] = lambda case: None
) -> Failure | Kept:
    """Look at every rule; `now` hears of each sequence before it is played."""
    try:
        record = check_record(allocator, name)
        sizes = page_sizes(record, options)
        check_reserve(record, sizes[0], options)
    except Broken as broken:
        return Failure(broken.rule, broken.text)
    return play_all(record, options, seed, count, sizes, now)


def play_all(
    allocator: Allocator, options: dict[str, Any], seed: int, count: int, sizes: list[int], now: Callable[[Case], None] = lambda case: None
) -> Failure | Kept:
    """Play the sequences; the first broken rule, or what was kept."""
    operations = compacted = 0
    for number, case in enumerate(generate(seed, count, sizes, allocator.evict_begin is not None)):
        now(case)
        twice = number < PLAYED_TWICE
        try:
            player = _play(allocator, case, options, twice)
        except Broken as broken:
            return failure_of(
                broken,
                case,
                lambda other: told_of(allocator, other, options),
                lambda other, twice=twice: attempt(allocator, other, options, twice),  # type: ignore[misc]
                number,
            )
        operations += player.operations
        compacted += player.freed_pages
    return Kept(count, operations, tuple(sizes), allocator.evict_begin is not None, compacted, allocator.answers is not None)
