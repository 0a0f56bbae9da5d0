"""The rules that can be looked at without playing: the Allocator record, its functions' signatures, and what `create` reserves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numba import int64

from models.allocators import pool as P
from models.allocators.pool import Allocator, Answers
from models.errors import InputError
from sim.conformance.player import create
from sim.conformance.rules import Broken
from sim.conformance.sequences import Case

FUNCTIONS = {
    "alloc": (P.pool_t, int64),
    "free": (P.pool_t, int64),
    "compact": (P.pool_t, int64),
    "blocks": (P.pool_t, int64, P.Numbers),
    "stat": (P.pool_t,),
    "evict_begin": (P.pool_t,),
    "evict_next": (P.pool_t, int64),
    "evict_done": (P.pool_t, int64),
}
WORDS = {P.pool_t: "pool_t", int64: "int64", P.Numbers: "Numbers"}
EVICTING = ("evict_begin", "evict_next", "evict_done")
PAGE_SIZES = (4096, 16384, 65536)
MANY = 1 << 20  # objects and pages: a pool of 4 GiB
MOST_TOUCHED = 64 << 20


def check_record(found: Any, name: str) -> Allocator:
    """The record, if its fields are what the contract says."""
    if not isinstance(found, Allocator):
        raise Broken("record", f"{name} is a {type(found).__name__}, not an Allocator (models.allocators.pool)")
    given = [part for part in EVICTING if getattr(found, part) is not None]
    if given and len(given) < len(EVICTING):
        missing = " and ".join(part for part in EVICTING if part not in given)
        raise Broken("evict-record", f"the record has {' and '.join(given)}, but not {missing}")
    for part, arguments in FUNCTIONS.items():
        function = getattr(found, part)
        if function is not None or part not in EVICTING:
            _check_signature(part, function, arguments)
    for part in ("create", "counters"):
        if not callable(getattr(found, part)):
            raise Broken("record", f"{part} is a {type(getattr(found, part)).__name__}, not a function")
    if found.answers is not None and not isinstance(found.answers, Answers):
        raise Broken("answers", f"answers is a {type(found.answers).__name__}, not an Answers")
    return found


def _check_signature(part: str, function: Any, arguments: tuple[Any, ...]) -> None:
    wanted = f"int64({', '.join(WORDS[argument] for argument in arguments)})"
    signatures = getattr(function, "nopython_signatures", None)
    if signatures is None:
        what = "a plain Python function" if callable(function) else f"a {type(function).__name__}"
        raise Broken("record", f"{part} is {what}; it is to be compiled: @compiled({wanted})")
    if not any(tuple(found.args) == arguments and found.return_type == int64 for found in signatures):
        shown = " or ".join(str(found) for found in signatures) or "nothing"
        raise Broken("record", f"{part} is compiled for {shown}; the contract has {wanted}")


def page_sizes(allocator: Allocator, options: dict[str, Any]) -> list[int]:
    """The page sizes that it knows; one at least."""
    known, complaint = [], ""
    for page_size in PAGE_SIZES:
        try:
            create(allocator, Case(page_size, 64, 8, 0, ()), options)
        except InputError as error:
            complaint = complaint or str(error)
            continue
        known.append(page_size)
    if not known:
        raise Broken("create", f"create refuses pages of 4, 16 and 64 KiB: {complaint}")
    return known


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:  # not Linux: not looked at
        return 0


def check_reserve(allocator: Allocator, page_size: int, options: dict[str, Any]) -> None:
    """A pool for a million objects is made, and costs next to nothing."""
    before = _resident()
    arrays = create(allocator, Case(page_size, MANY, MANY, 0, ()), options)
    touched = _resident() - before
    del arrays
    if touched > MOST_TOUCHED:
        raise Broken("reserve", f"create for {MANY} pages and as many objects touched {touched >> 20} MiB of memory")
