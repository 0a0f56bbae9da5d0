"""Plays a sequence on one pool and looks at every rule after each operation.  Plain Python: what it knows of the pool, it was told.

The pool is driven through the same calls as the simulator's.  `Broken` names the first rule that does not hold.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import numpy as np

from models.allocators import pool as P
from models.allocators.pool import Allocator, PoolArrays
from models.errors import InputError
from sim.conformance.rules import Broken
from sim.conformance.sequences import AGAIN, COMPACT, FREE, LIMIT, PLENTY, RECLAIM, STORE, STRAY, Case, Step

TALLY = slice(P.POOL_PAGES, P.FREE_BYTES + 1)
STILL = [*range(P.MAY_TAKE, P.FREE_BYTES + 1), P.WALKED, P.COPIED, P.MOVED]  # what a refused free leaves as it was
HELD = [P.PAGES_TAKEN, P.PAGES_RETURNED, P.MAY_TAKE, P.OBJECTS, P.PAYLOAD, P.MOVED]  # what `stat` leaves as it was
NO_NUMBERS = ("ENOMEM", "EINVAL", "ENOSPC", "EAGAIN", "FIRST_OWN", "NUMBERS", "PAGES", "CROSSING", "SLIDING")
NAMES = {value: name for name, value in vars(P).items() if name.isupper() and isinstance(value, int) and name not in NO_NUMBERS}
NOT_NEGATIVE = range(P.PAGES_TAKEN, P.MOVED + 1)
WORST_ERRNO = 4095
ROOM = 2 * 1024  # numbers that `blocks` may write

Place = tuple[tuple[int, int], ...]


def _bytes(size: int) -> str:
    return "1 byte" if size == 1 else f"{size} bytes"


def _at(place: Place) -> str:
    return " and ".join(f"byte {offset} of page {page}" for page, offset in place)


class Player:
    """One pool under one sequence.  `told`: what was done and what came of it, a line each; `step`: how far it is."""

    def __init__(self, allocator: Allocator, case: Case, options: dict[str, Any]) -> None:
        self.allocator, self.case, self.options = allocator, case, options
        self.told: list[str] = []
        self.step = -1
        self.operations = 0
        try:
            self.arrays = create(allocator, case, options)
        except InputError as error:
            raise Broken("create", f"create takes pages of {case.page_size} bytes, but refuses these limits: {error}") from None
        self.pool, self.num = self.arrays.pool, self.arrays.num
        self.out = np.zeros(ROOM, np.int64)
        self.size: dict[int, int] = {}  # of live objects, by handle
        self.place: dict[int, Place] = {}
        self.handle: dict[int, int] = {}  # by the object's number, the last that it had
        self.owner: dict[int, int] = {}  # number of a live object, by handle
        self.claimed: set[int] = set()  # serials of the pages that are being evicted, as far as their objects told
        self.placing: bool | None = None  # whether the allocator says where objects are
        self.before = self.num.copy()
        self.freed_pages = 0

    # --- calls ---------------------------------------------------------------------------------------------------------

    def call(self, name: str, *arguments: Any) -> int:
        """A function of the allocator, and its answer."""
        try:
            return int(getattr(self.allocator, name)(self.pool, *arguments))
        except IndexError as error:
            raise Broken("bounds", f"{name} used a row or a number that its tables do not have ({error})") from None
        except Exception as error:
            words = " ".join(str(error).split())
            raise Broken("exceptions", f"{name} raised {type(error).__name__}{f': {words}' if words else ''}") from None

    def where(self, handle: int) -> Place:
        n = self.call("blocks", handle, self.out)
        if n < 0 or (n == 0 and self.placing):
            raise Broken("lost", f"blocks answers {n} for {self.named(handle)}, which is live")
        pairs = self.out[: min(2 * n, ROOM)].tolist()
        return tuple(zip(pairs[::2], pairs[1::2], strict=True))

    def named(self, handle: int) -> str:
        return f"object {self.owner[handle]} ({_bytes(self.size[handle])}, handle {handle})" if handle in self.owner else f"handle {handle}"

    # --- the whole sequence --------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Do every step, then free what is left.  Broken says at which step, len(steps) for the end."""
        do: dict[str, Callable[[Step], None]] = {
            STORE: self.store,
            FREE: self.free,
            AGAIN: self.again,
            STRAY: lambda step: self.refused_free(step.number, step),
            LIMIT: self.limit,
            COMPACT: self.compact,
            RECLAIM: self.reclaim,
        }
        try:
            for at, step in enumerate(self.case.steps):
                self.step = at
                do[step.code](step)
            self.step = len(self.case.steps)
            for handle in sorted(self.size, key=lambda handle: self.owner[handle]):
                self.free_handle(handle, f"f {self.owner[handle]}")
            self.answers()
        except Broken as broken:
            broken.step = self.step
            raise

    def tell(self, what: str, came: str) -> None:
        self.told.append(f"{what} -> {came}")

    def begin(self) -> None:
        self.operations += 1
        self.before = self.num.copy()

    # --- operations ----------------------------------------------------------------------------------------------------

    def store(self, step: Step) -> None:
        handle = self.store_size(step.number, step.size, step.text())
        if handle >= 0:
            self.handle[step.number] = handle

    def store_size(self, number: int, size: int, text: str) -> int:
        self.begin()
        handle = self.call("alloc", size)
        self.tell(text, f"handle {handle}" if handle >= 0 else f"refused ({handle})")
        if handle < 0:
            self.failed_store(handle, size)
            return handle
        if handle >= self.case.max_objects:
            raise Broken("handle-range", f"alloc gave handle {handle}, but max_objects is {self.case.max_objects}")
        if handle in self.size:
            raise Broken("handle-fresh", f"alloc gave handle {handle} again, which {self.named(handle)} still has")
        if not 0 <= size <= self.case.page_size:
            raise Broken("sizes", f"alloc took {_bytes(size)}; a page has {self.case.page_size}")
        self.size[handle], self.owner[handle] = size, number
        if self.placing is None:
            self.placing = self.call("blocks", handle, self.out) != 0
        self.place[handle] = self.where(handle)
        if self.place[handle]:
            self.told[-1] += f", {_at(self.place[handle])}"
        hit = self.claimed & {page for page, _ in self.place[handle]}
        if hit:
            raise Broken("evict-store", f"{self.named(handle)} was stored in page {min(hit)} while it was being evicted")
        self.look("the store", totals=True)
        return handle

    def failed_store(self, answer: int, size: int) -> None:
        if answer < -WORST_ERRNO:
            raise Broken("errno", f"alloc of {_bytes(size)} answered {answer}")
        before = self.before
        self.statistics("the store that failed")
        if self.num[P.PAGES_TAKEN] == before[P.PAGES_TAKEN] and self.num[P.PAGES_RETURNED] == before[P.PAGES_RETURNED]:
            self.same("failed-store", range(TALLY.start, TALLY.stop), "the store failed and took no page")
        self.look("the store that failed", totals=True)
        held = int(self.num[P.PAGES_TAKEN] - self.num[P.PAGES_RETURNED])
        plenty = before[P.MAY_TAKE] >= 64 and held + 64 <= self.case.max_pages and len(self.size) < self.case.max_objects
        if plenty and not self.claimed and _fits(self.allocator, self.case, self.options, size):
            raise Broken(
                "reuse",
                f"alloc of {_bytes(size)} was refused with {answer}, though an empty pool takes it, only {len(self.size)} of "
                f"{self.case.max_objects} handles are in use, and {int(before[P.MAY_TAKE])} pages may be taken",
            )

    def free(self, step: Step) -> None:
        handle = self.handle.get(step.number, -1)
        if self.owner.get(handle) == step.number:
            self.free_handle(handle, step.text())

    def free_handle(self, handle: int, text: str) -> None:
        self.begin()
        answer = self.call("free", handle)
        self.tell(text, f"{answer}")
        if answer != 0:
            raise Broken("free", f"free of {self.named(handle)} answered {answer}, though it is live")
        self.drop(handle)
        self.look("the free", totals=True)

    def drop(self, handle: int) -> None:
        del self.size[handle], self.owner[handle], self.place[handle]

    def again(self, step: Step) -> None:
        handle = self.handle.get(step.number, -1)
        if handle >= 0:
            self.refused_free(handle, step)

    def refused_free(self, handle: int, step: Step) -> None:
        if handle in self.size:
            return
        self.begin()
        answer = self.call("free", handle)
        self.tell(step.text(), f"{answer}")
        if not -WORST_ERRNO <= answer < 0:
            raise Broken("double-free", f"free of handle {handle}, which is not live, answered {answer}")
        self.same("double-free", STILL, f"free of handle {handle}, which is not live, was refused with {answer}")
        self.look("the free that was refused")

    def limit(self, step: Step) -> None:
        self.num[P.MAY_TAKE] = step.number
        self.tell(step.text(), "set")

    def compact(self, step: Step) -> None:
        self.begin()
        answer = self.call("compact", step.number)
        self.tell(step.text(), f"{answer} pages")
        given = int(self.num[P.PAGES_RETURNED] - self.before[P.PAGES_RETURNED])
        if answer != given:
            raise Broken("compact", f"compact answered {answer}, but PAGES_RETURNED grew by {given}")
        self.freed_pages += given
        self.look("the compaction", totals=True, compaction=True)

    # --- evictions -----------------------------------------------------------------------------------------------------

    def reclaim(self, step: Step) -> None:
        """One eviction: of the objects offered, the owner keeps those whose bit is set in `refuse`."""
        if self.allocator.evict_begin is None:
            return
        self.num[P.EVICT_LEFT], self.num[P.EVICT_AT] = step.number, 0
        most = 4 * int(self.num[P.PAGES_TAKEN] - self.num[P.PAGES_RETURNED]) + 64 + step.number
        self.told.append(step.text())
        offered = 0
        for pages in range(most + 1):
            page = self.begin_page(first=pages == 0)
            if page <= 0:
                break
            if pages == most:
                raise Broken("evict-ends", f"evict_begin has given {pages} pages one after another, and the pool holds far fewer")
            offered = self.evict_page(page, step, offered)
        self.claimed = set()

    def begin_page(self, first: bool) -> int:
        self.begin()
        page = self.call("evict_begin")
        self.tell("  evict_begin", f"{page}")
        if page < -WORST_ERRNO:
            raise Broken("evict-claim", f"evict_begin answered {page}")
        if not first:
            self.left()
        self.claimed = set()
        self.look("evict_begin")
        return page

    def left(self) -> None:
        if self.num[P.EVICT_LEFT] > self.before[P.EVICT_LEFT]:
            raise Broken("evict-left", f"EVICT_LEFT went from {self.before[P.EVICT_LEFT]} to {self.num[P.EVICT_LEFT]}")

    def evict_page(self, page: int, step: Step, offered: int) -> int:
        seen: set[int] = set()
        while (handle := self.next_object(page, seen)) >= 0:
            seen.add(handle)
            self.claimed.update(serial for serial, _ in self.place[handle])
            if step.refuse >> (offered % 16) & 1:
                self.told[-1] += f", {self.named(handle)}: refused"
            else:
                self.told[-1] += f", {self.named(handle)}: let go"
                self.free_handle(handle, f"  f {self.owner[handle]}")
            offered += 1
            if step.size and len(seen) == 1:
                self.between(step)
        self.begin()
        answer = self.call("evict_done", page)
        self.tell(f"  evict_done {page}", f"{answer}")
        if answer not in (0, 1):
            raise Broken("evict-done", f"evict_done answered {answer}")
        self.left()
        self.claimed = set()
        self.look("evict_done")
        return offered

    def next_object(self, page: int, seen: set[int]) -> int:
        self.begin()
        handle = self.call("evict_next", page)
        self.tell(f"  evict_next {page}", f"{handle}")
        if handle < -1:
            raise Broken("evict-offer", f"evict_next of page {page}, which evict_begin gave, answered {handle}")
        if handle in seen:
            raise Broken("evict-offer", f"evict_next named handle {handle} twice for page {page}")
        if handle >= 0 and handle not in self.size:
            raise Broken("evict-offer", f"evict_next named handle {handle}, which is not live")
        self.look("evict_next")
        return handle

    def between(self, step: Step) -> None:
        """In the middle of an eviction somebody stores an object, and it goes again."""
        handle = self.store_size(-1, step.size, f"  a {step.size} (meanwhile)")
        if handle >= 0:
            self.free_handle(handle, "  f (it)")

    # --- rules that hold at any time -----------------------------------------------------------------------------------

    def same(self, rule: str, numbers: Any, why: str) -> None:
        """These numbers are as they were before the operation."""
        for number in numbers:
            if self.num[number] != self.before[number]:
                raise Broken(rule, f"{why}, but {NAMES[number]} went from {self.before[number]} to {self.num[number]}")

    def look(self, what: str, totals: bool = False, compaction: bool = False) -> None:
        """Every rule that holds after each operation."""
        num, before = self.num, self.before
        taken, returned = int(num[P.PAGES_TAKEN] - before[P.PAGES_TAKEN]), int(num[P.PAGES_RETURNED] - before[P.PAGES_RETURNED])
        if taken < 0 or returned < 0:
            name, change = ("PAGES_TAKEN", taken) if taken < 0 else ("PAGES_RETURNED", returned)
            raise Broken("pages", f"{what} changed {name} by {change}")
        held = int(num[P.PAGES_TAKEN] - num[P.PAGES_RETURNED])
        if held < 0:
            raise Broken("pages", f"after {what} PAGES_RETURNED is {num[P.PAGES_RETURNED]}, more than PAGES_TAKEN, {num[P.PAGES_TAKEN]}")
        if before[P.MAY_TAKE] - num[P.MAY_TAKE] != taken or num[P.MAY_TAKE] < 0:
            raise Broken(
                "may-take", f"{what} took {taken} pages by PAGES_TAKEN, but MAY_TAKE went from {before[P.MAY_TAKE]} to {num[P.MAY_TAKE]}"
            )
        if held > self.case.max_pages:
            raise Broken("max-pages", f"after {what} the pool holds {held} pages; max_pages is {self.case.max_pages}")
        if totals:
            for total, part in ((P.WALKED, P.OP_WALKED), (P.COPIED, P.OP_COPIED)):
                grown = num[total] - before[total]
                if grown != num[part] and not (grown == 0 and compaction):  # `no_compaction` leaves OP_WALKED alone
                    raise Broken("totals", f"{what} changed {NAMES[total]} by {grown}, but {NAMES[part]} is {num[part]}")
        self.statistics(what)
        self.tally(what, held)
        self.places(what, held)

    def statistics(self, what: str) -> None:
        kept = self.num[HELD]
        answer = self.call("stat")
        if answer != 0:
            raise Broken("stat", f"stat answered {answer} after {what}")
        for number, value in zip(HELD, kept, strict=True):
            if self.num[number] != value:
                raise Broken("stat", f"stat changed {NAMES[number]} from {value} to {self.num[number]} after {what}")

    def tally(self, what: str, held: int) -> None:
        num = self.num
        for number in NOT_NEGATIVE:
            if num[number] < 0:
                raise Broken("negative", f"after {what} {NAMES[number]} is {num[number]}")
        if num[P.OBJECTS] != len(self.size):
            raise Broken("objects", f"after {what} OBJECTS is {num[P.OBJECTS]}; {len(self.size)} are live")
        payload = sum(self.size.values())
        if num[P.PAYLOAD] != payload:
            raise Broken("payload", f"after {what} PAYLOAD is {num[P.PAYLOAD]}; the live objects have {_bytes(payload)}")
        if num[P.POOL_PAGES] > held:
            raise Broken("pool-pages", f"after {what} POOL_PAGES is {num[P.POOL_PAGES]}, but the pool holds {held} pages")
        parts = [int(num[number]) for number in (P.PAYLOAD, P.META_INSIDE, P.LOST_INSIDE, P.FREE_BYTES)]
        whole = int(num[P.POOL_PAGES]) * self.case.page_size
        if whole != sum(parts):
            named = "PAYLOAD {}, META_INSIDE {}, LOST_INSIDE {}, FREE_BYTES {}".format(*parts)
            raise Broken("identity", f"after {what} {num[P.POOL_PAGES]} pages are {_bytes(whole)}, but {named} add up to {sum(parts)}")

    def places(self, what: str, held: int) -> None:
        moved = [handle for handle, place in self.place.items() if self.where(handle) != place]
        counted = int(self.num[P.MOVED] - self.before[P.MOVED])
        if len(moved) > counted and self.allocator.layout != P.SLIDING:
            handle = moved[0]
            old, new = self.place[handle], self.where(handle)
            raise Broken("moves", f"{what} moved {self.named(handle)} from {_at(old)} to {_at(new)}, and MOVED grew by {counted}")
        for handle in moved:
            self.place[handle] = self.where(handle)
        if self.placing:
            self.pages_named(held)
            self.apart()

    def pages_named(self, held: int) -> None:
        pages = {page for place in self.place.values() for page, _ in place}
        taken = int(self.num[P.PAGES_TAKEN])
        for handle, place in self.place.items():
            for page, offset in place:
                if not 0 <= page < taken:
                    raise Broken("place", f"{self.named(handle)} is in page {page}; the pool has taken {taken} pages, numbered from 0")
                if not 0 <= offset < self.case.page_size:
                    raise Broken("offset", f"{self.named(handle)} begins at byte {offset} of page {page}")
        if len(pages) > held:
            raise Broken("place", f"objects are in {len(pages)} different pages, but the pool holds {held}")

    def apart(self) -> None:
        """Up to the next block, or to the end of its page, there is room for each object."""
        page_size = self.case.page_size
        starts = sorted((page * page_size + offset, handle) for handle, place in self.place.items() for page, offset in place)
        addresses = [address for address, _ in starts]
        for handle, place in self.place.items():
            room = 0
            nearest = -1
            for page, offset in place:
                address = page * page_size + offset
                at = bisect_right(addresses, address)
                end = int(self.num[P.PAGES_TAKEN]) * page_size if self.allocator.layout != P.PAGES else (page + 1) * page_size
                if at >= 2 and addresses[at - 2] == address:
                    first, second = sorted(starts[at - 2 : at], key=lambda start: self.owner[start[1]])
                    raise Broken("overlap", f"{self.named(first[1])} and {self.named(second[1])} both begin at {_at(((page, offset),))}")
                if at < len(starts) and addresses[at] < end:
                    end, nearest = addresses[at], starts[at][1]
                room += end - address
            if room < self.size[handle]:
                self.too_near(handle, place, nearest)

    def too_near(self, handle: int, place: Place, nearest: int) -> None:
        if nearest < 0:
            raise Broken("offset", f"{self.named(handle)} at {_at(place)} reaches beyond the end of its page")
        other = self.place[nearest]
        raise Broken("overlap", f"{self.named(handle)} at {_at(place)} reaches into {self.named(nearest)} at {_at(other)}")

    def answers(self) -> None:
        """What `replay` prints."""
        try:
            values = self.allocator.counters(self.arrays)
        except Exception as error:
            raise Broken("counters", f"counters raised {type(error).__name__}: {error}") from None
        if not isinstance(values, dict) or not all(
            isinstance(k, str) and isinstance(v, (int, float, np.number)) for k, v in values.items()
        ):
            raise Broken("counters", f"counters gave {values!r}")
        printed = self.allocator.answers
        if printed is None:
            return
        try:
            title = printed.title(self.case.page_size, self.options)
            lines = printed.statistics(self.arrays) if printed.statistics is not None else []
        except Exception as error:
            raise Broken("answers", f"title or statistics raised {type(error).__name__}: {error}") from None
        if not isinstance(title, str) or "\n" in title or not all(isinstance(line, str) and "\n" not in line for line in lines):
            raise Broken("answers", f"title gave {title!r}, statistics {lines!r}")


def create(allocator: Allocator, case: Case, options: dict[str, Any]) -> PoolArrays:
    """A new pool, checked.  InputError if the allocator does not know such pages."""
    try:
        arrays = allocator.create(case.page_size, case.max_pages, case.max_objects, **options, may_take=case.may_take)
    except InputError:
        raise
    except Exception as error:
        words = " ".join(str(error).split())
        raise Broken("create", f"create raised {type(error).__name__}: {words}") from None
    if not isinstance(arrays, PoolArrays):
        raise Broken("create", f"create gave a {type(arrays).__name__}, not what build_pool makes of the arrays")
    for name, kind, dimensions in (
        ("obj", "int32", 2),
        ("page", "int32", 2),
        ("block", "int32", 2),
        ("head", "int32", 1),
        ("num", "int64", 1),
    ):
        array = getattr(arrays, name)
        if not isinstance(array, np.ndarray) or array.dtype != kind or array.ndim != dimensions:
            raise Broken("create", f"{name} is to be an array of {kind} with {dimensions} dimension{'s' * (dimensions > 1)}")
    num = arrays.num
    if len(num) < P.NUMBERS:
        raise Broken("create", f"num has {len(num)} numbers; there are at least {P.NUMBERS}")
    if num[P.PAGE_SIZE] != case.page_size:
        raise Broken("create", f"num[PAGE_SIZE] is {num[P.PAGE_SIZE]}, not {case.page_size}")
    if num[P.PAGES_TAKEN] < 0 or num[P.MAY_TAKE] != case.may_take - num[P.PAGES_TAKEN]:
        raise Broken(
            "may-take", f"create was given may_take={case.may_take} and took {num[P.PAGES_TAKEN]} pages; MAY_TAKE is {num[P.MAY_TAKE]}"
        )
    for number in (P.OBJECTS, P.PAYLOAD, P.PAGES_RETURNED, P.MOVED):
        if num[number] != 0:
            raise Broken("create", f"{NAMES[number]} of a new pool is {num[number]}")
    return arrays


def _fits(allocator: Allocator, case: Case, options: dict[str, Any], size: int) -> bool:
    """Whether an empty pool takes an object of this size."""
    if not 1 <= size <= case.page_size:
        return False
    arrays = create(allocator, case._replace(may_take=PLENTY), options)
    return int(allocator.alloc(arrays.pool, size)) >= 0
