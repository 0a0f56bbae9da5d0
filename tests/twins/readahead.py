"""Linux 6.1's readahead of one file as plain Python: the specification of models.memory.readahead, fileio and filemap.

Memory is unlimited and a read ends at once, as soon as somebody waits for it.  mm/readahead.c, mm/filemap.c, mm/memory.c.
"""

from __future__ import annotations

from typing import NamedTuple

BATCH = 15
BLOCK = 16  # fault-around
NONE, REFERENCED, ACTIVE, ACTIVE_REFERENCED = range(4)


def first_window(wanted: int, most: int) -> int:
    size = 1 << (wanted - 1).bit_length()
    if size <= most // 32:
        return 4 * size
    return 2 * size if size <= most // 4 else most


def next_window(size: int, most: int) -> int:
    if size < most // 16:
        return 4 * size
    return 2 * size if size <= most // 2 else most


class Mapping(NamedTuple):
    """Where a process maps the file: virtual pages [first, first + pages) are the file's from `offset` on."""

    first: int
    pages: int
    offset: int = 0
    shared: bool = False
    advice: str = "normal"


class Open:
    """One process's record of the file."""

    def __init__(self, limit: int) -> None:
        self.start = self.size = self.ahead = 0
        self.limit = limit
        self.after = -1  # the page after the last byte that read() copied
        self.last = -2  # page of that byte
        self.misses = 0
        self.random = False


class Reads:
    """The file's pages in memory and everybody's view of it; `requests` is what was read, as (first, count)."""

    def __init__(self, pages: int, mappings: list[tuple[Mapping, ...]], window: int = 32, longest: int = 320) -> None:
        self.pages, self.window, self.longest = pages, window, longest
        self.cached: set[int] = set()
        self.marks: set[int] = set()
        self.use: dict[int, int] = {}  # how much each page was used by calls
        self.opens = [Open(window) for _ in mappings]
        self.mappings = mappings
        self.table: list[set[int]] = [set() for _ in mappings]  # virtual pages that map the file
        self.young: set[tuple[int, int]] = set()  # (process, virtual page)
        self.private: list[set[int]] = [set() for _ in mappings]  # virtual pages that are an anonymous copy
        self.requests: list[tuple[int, int]] = []
        self.being_read: set[int] = set()  # by a fault that met a mark and goes on at once
        self.faults = self.major = 0

    # --- windows

    def submit(self, start: int, size: int, ahead: int) -> None:
        """Read what is missing of a window, cut at the end of the file."""
        count = min(size, self.pages - start)
        for page in range(start, start + count):
            if page in self.cached:
                continue
            self.cached.add(page)
            self.use[page] = NONE
            if page == start + count - ahead:
                self.marks.add(page)
            if self.requests and self.fresh and sum(self.requests[-1]) == page:
                self.requests[-1] = self.requests[-1][0], self.requests[-1][1] + 1
            else:
                self.requests.append((page, 1))
            self.fresh = True
        self.fresh = False

    fresh = False  # the last request is of this window

    def forced(self, o: Open, index: int, wanted: int) -> None:
        left = min(wanted, max(self.longest, o.limit))
        while left > 0:
            n = min(left, 512)
            self.submit(index, n, 0)
            index, left = index + n, left - n

    def missing(self, o: Open, index: int, wanted: int) -> None:
        """The page is not there: synchronous readahead."""
        if o.limit == 0:
            self.forced(o, index, 1)
        elif o.random:
            self.forced(o, index, wanted)
        else:
            self.decide(o, index, wanted, False)

    def met_mark(self, o: Open, index: int, wanted: int) -> None:
        """The page carries the mark: asynchronous readahead."""
        self.marks.discard(index)
        if o.limit:
            self.decide(o, index, wanted, True)

    def decide(self, o: Open, index: int, wanted: int, marked: bool) -> None:
        most = o.limit
        if wanted > most and self.longest > most:
            most = min(wanted, self.longest)
        if index == 0:
            return self.initial(o, index, wanted, most)
        if index in (o.start + o.size - o.ahead, o.start + o.size):
            grown = max(o.size, next_window(o.size, most))
            return self.go(o, index, o.start + o.size, grown, grown, most)
        if marked:
            hole = next((i for i in range(index + 1, index + 1 + most) if i not in self.cached), index + most)
            size = next_window(hole - index + wanted, most)
            return self.go(o, index, hole, size, size, most)
        if wanted > most or index - o.after in (0, 1):
            return self.initial(o, index, wanted, most)
        hole = next((i for i in range(index - 1, index - 1 - most, -1) if i not in self.cached), None)  # -1 never is
        before = most - 1 if hole is None else index - 1 - hole
        if before <= wanted:
            return self.submit(index, wanted, 0)
        return self.go(o, index, index, min((2 * before if before >= index else before) + wanted, most), 1, most)

    def initial(self, o: Open, index: int, wanted: int, most: int) -> None:
        size = first_window(wanted, most)
        self.go(o, index, index, size, size - wanted if size > wanted else size, most)

    def go(self, o: Open, index: int, start: int, size: int, ahead: int, most: int) -> None:
        if index == start and size == ahead:  # the mark would be on the page wanted now
            more = next_window(size, most)
            size, ahead = (size + more, more) if size + more <= most else (most, most // 2)
        o.start, o.size, o.ahead = start, size, ahead
        self.submit(start, size, ahead)

    def single(self, index: int) -> None:
        self.submit(index, 1, 0)

    # --- read()

    def gather(self, index: int, end: int) -> list[int]:
        batch: list[int] = []
        while len(batch) < BATCH and index < end and index in self.cached:
            batch.append(index)
            if index in self.marks:
                break
            index += 1
        return batch

    def read(self, process: int, index: int, count: int) -> None:
        """One read() of whole pages; `unread` pages are up to date only after a wait, which ends a batch."""
        o, end = self.opens[process], index + count
        while index < min(end, self.pages):
            batch = self.gather(index, end)
            if not batch:
                before = set(self.cached)
                self.missing(o, index, end - index)
                if index not in self.cached:
                    self.single(index)
                fresh = self.cached - before
                batch = self.gather(index, end)
                while len(batch) > 1 and fresh & set(batch[:-1]):
                    batch.pop()  # stops behind a page that is not up to date
            if batch[-1] in self.marks:
                self.met_mark(o, batch[-1], end - batch[-1])
            for page in batch:
                if page != batch[0] or page != o.last:
                    self.mark_accessed(page)
            index = o.after = batch[-1] + 1
            o.last = batch[-1]

    def mark_accessed(self, page: int) -> None:
        self.use[page] = {NONE: REFERENCED, REFERENCED: ACTIVE}.get(self.use[page], ACTIVE_REFERENCED)

    # --- mappings

    def access(self, process: int, v: int, write: bool) -> None:
        """A load or store: a fault unless the page is mapped; stores come to unmapped pages only."""
        if v in self.private[process]:
            return
        if v in self.table[process] and not write:
            self.young.add((process, v))
            return
        mapping = next(m for m in self.mappings[process] if m.first <= v < m.first + m.pages)
        self.faults += 1
        if v in self.table[process]:  # a store to what a load had mapped
            self.write(process, mapping, v)
        elif self.fault(process, mapping, v, write, tried=False):
            self.faults += 1
            self.fault(process, mapping, v, write, tried=True)
            self.being_read.clear()

    def write(self, process: int, mapping: Mapping, v: int) -> None:
        if mapping.shared:
            self.map(process, v)
            self.marks.discard(v - mapping.first + mapping.offset)  # the bit of the mark means something else on a dirty page
        else:
            self.table[process].discard(v)
            self.young.discard((process, v))
            self.private[process].add(v)

    def map(self, process: int, v: int) -> None:
        self.table[process].add(v)
        self.young.add((process, v))

    def around(self, process: int, mapping: Mapping, v: int) -> bool:
        o = self.opens[process]
        low = v // BLOCK * BLOCK
        for w in range(max(low, mapping.first), min(low + BLOCK, mapping.first + mapping.pages)):
            page = w - mapping.first + mapping.offset
            if page not in self.cached - self.being_read or page in self.marks:
                continue
            o.misses = max(o.misses - 1, 0)
            if w not in self.table[process] | self.private[process]:
                self.map(process, w)
        return v in self.table[process]

    def fault(self, process: int, mapping: Mapping, v: int, write: bool, tried: bool) -> bool:
        """True: I/O was started, the fault has to be tried again."""
        o, page = self.opens[process], v - mapping.first + mapping.offset
        if not write and self.around(process, mapping, v):
            return False
        ahead = mapping.advice != "random" and o.limit > 0
        if page in self.cached:
            if ahead and not tried:
                o.misses = max(o.misses - 1, 0)
                if page in self.marks:
                    before = set(self.cached)
                    self.met_mark(o, page, o.limit)
                    self.being_read = self.cached - before
                    return True
        else:
            self.major += 1
            if ahead and mapping.advice == "sequential":
                self.missing(o, page, o.limit)
            elif ahead:
                o.misses = min(o.misses + 1, 1000)
                if o.misses <= 100:
                    o.start, o.size, o.ahead = max(page - o.limit // 2, 0), o.limit, o.limit // 4
                    self.submit(o.start, o.size, o.ahead)
            if page not in self.cached:
                self.single(page)
            return True
        if write:
            self.write(process, mapping, v)
        else:
            self.map(process, v)
        return False

    def unmap(self, process: int, first: int, count: int) -> None:
        for v in range(first, first + count):
            self.private[process].discard(v)
            if v not in self.table[process]:
                continue
            mapping = next(m for m in self.mappings[process] if m.first <= v < m.first + m.pages)
            if (process, v) in self.young and mapping.advice != "sequential":
                self.mark_accessed(v - mapping.first + mapping.offset)
            self.table[process].discard(v)
            self.young.discard((process, v))

    # --- advice, eviction

    def advise(self, process: int, advice: str) -> None:
        o = self.opens[process]
        o.random = advice == "random"
        if advice != "random":
            o.limit = self.window * (2 if advice == "sequential" else 1)

    def willneed(self, process: int) -> None:
        self.forced(self.opens[process], 0, self.pages)

    def forget(self, page: int) -> None:
        """Evicted, unless somebody maps it."""
        if any(v - m.first + m.offset == page for n, ms in enumerate(self.mappings) for m in ms for v in self.table[n]
               if m.first <= v < m.first + m.pages):  # fmt: skip
            return
        self.cached.discard(page)
        self.marks.discard(page)
