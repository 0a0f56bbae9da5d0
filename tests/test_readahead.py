"""Readahead: the reference's worked examples by hand, and any sequence of reads and faults against a plain twin, request by request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.memory import file_state as fi
from models.workloads.stream import FREAD, FWRITE, READ, UNMAP, WRITE, Area, File, call
from sim.build_files import Filesystem
from tests.file_kit import Direct
from tests.twins.readahead import Mapping, Reads

Requests = list[tuple[int, int]]


def requests_of(m: Direct, op: int, page: int, process: int = 0) -> Requests:
    """What this op reads."""
    before = len(m.reads)
    m.do(op, page, 0, process)
    return m.reads[before:]


def by_page(m: Direct, op: int, pages: Any) -> dict[int, Requests]:
    """The accesses that read something, and what."""
    found = {page: requests_of(m, op, page) for page in pages}
    return {page: reads for page, reads in found.items() if reads}


# --- worked examples of the reference -------------------------------------------------------------------------------


def test_a_sequential_stream() -> None:
    """A miss reads 4 pages; from the third window on each is fetched when the first page of the one before is touched."""
    m = Direct(File("f", 200))
    found = by_page(m, FREAD, range(61))
    assert found == {0: [(0, 4)], 1: [(4, 8)], 4: [(12, 16)], 12: [(28, 32)], 28: [(60, 32)], 60: [(92, 32)]}
    assert m.marked() == [92]
    m.check()


def test_reads_of_sixteen_pages() -> None:
    m = Direct(File("f", 200))
    assert by_page(m, FREAD, [call(page, 16) for page in (0, 16, 32, 48)]) == {
        call(0, 16): [(0, 32)],
        call(16, 16): [(32, 32)],
        call(32, 16): [(64, 32)],
    }


def test_a_read_longer_than_the_window_reads_as_far_as_a_request_may() -> None:
    """100 pages wanted, windows of 32, requests of 320: a window of 100, marked in its middle, since its first page is wanted now;
    the call itself meets the mark and reads 100 more."""
    m = Direct(File("f", 1000))
    assert requests_of(m, FREAD, call(0, 100)) == [(0, 100), (100, 100)]
    assert m.marked() == [100]
    m = Direct(File("f", 1000), filesystem=Filesystem(max_request=64 * 4096))
    assert requests_of(m, FREAD, call(0, 100)) == [(0, 64), (64, 64), (128, 64)]


@pytest.mark.parametrize(
    ("wanted", "window", "mark"), [(1, 4, 1), (2, 4, 2), (3, 8, 3), (4, 8, 4), (5, 16, 5), (8, 16, 8), (9, 32, 9), (32, 32, 16)]
)
def test_first_windows(wanted: int, window: int, mark: int) -> None:
    """By request: 1 or 2 pages -> 4, to 4 -> 8, to 8 -> 16, more -> 32; the mark behind what is wanted now."""
    m = Direct(File("f", 200))
    m.hold = True
    m.step(FREAD, call(0, wanted))
    assert m.reads == [(0, window)]
    assert m.marked() == [mark]


def test_random_single_pages_read_nothing_else() -> None:
    m = Direct(File("f", 1000))
    pages = [500, 100, 900, 300, 700]
    assert by_page(m, FREAD, pages) == {page: [(page, 1)] for page in pages}
    assert m.marked() == []


def test_a_warm_neighbourhood_is_taken_for_a_stream() -> None:
    """Three pages in memory before the miss, read by nobody here: they and the page wanted make a window of 4, marked on its last."""
    m = Direct(File("f", 1000))
    for page in (500, 498, 499):  # written, so no reader's record knows of them
        m.do(FWRITE, page)
    assert requests_of(m, FREAD, 501) == [(501, 4)]
    assert m.marked() == [504]
    m.do(FWRITE, 800)
    assert requests_of(m, FREAD, 801) == [(801, 1)]  # one page before is not more than the one wanted


def test_two_streams_in_one_file_find_their_way_by_the_marks() -> None:
    """A mark that belongs to the other stream: the window begins at the first page behind it that is missing."""
    m = Direct(File("f", 2000))
    m.do(FREAD, 0)  # reads 0-3, mark 1
    m.do(FREAD, 1000)  # one page
    m.do(FREAD, 1001)  # a sequential miss: 1001-1004, mark 1002; the record is of this stream now
    assert requests_of(m, FREAD, 1) == [(4, 8)]  # hole at 4; next window of 4 - 1 + 1 pages
    assert m.marked() == [4, 1002]
    assert requests_of(m, FREAD, 1002) == [(1005, 8)]


@pytest.mark.parametrize(("page", "reads"), [(11, [(11, 4)]), (12, [(12, 4)]), (13, [(13, 1)]), (9, [(9, 1)])])
def test_a_miss_next_to_the_last_read_is_sequential(page: int, reads: Requests) -> None:
    m = Direct(File("f", 100))
    m.do(FREAD, 10)
    assert requests_of(m, FREAD, page) == reads


def test_the_window_ends_with_the_file_and_then_has_no_mark() -> None:
    """10 pages: the window 4-11 is cut to 4-9; its mark would be 8 pages before the end of it, which is before its start."""
    m = Direct(File("f", 64, 10))
    assert by_page(m, FREAD, range(10)) == {0: [(0, 4)], 1: [(4, 6)]}
    assert m.marked() == []
    assert requests_of(m, FREAD, call(8, 20)) == []


def test_a_page_in_memory_splits_a_window_and_gets_no_mark() -> None:
    """Page 1 is there already: 0 and 2-3 are read, and no page of the window carries the mark."""
    m = Direct(File("f", 100))
    m.do(FWRITE, 1)
    assert requests_of(m, FREAD, 0) == [(0, 1), (2, 2)]
    assert m.marked() == []


def test_random_advice_reads_exactly_what_is_missing() -> None:
    m = Direct(File("f", 1000))
    m.advise("random")
    assert requests_of(m, FREAD, call(0, 5)) == [(0, 5)]
    assert requests_of(m, FREAD, 5) == [(5, 1)]
    assert m.marked() == []


def test_sequential_advice_doubles_the_window() -> None:
    m = Direct(File("f", 1000))
    m.advise("sequential")
    assert requests_of(m, FREAD, call(0, 17)) == [(0, 64)]
    m.advise("normal")
    assert m.record()[fi.LIMIT] == 32


def test_without_readahead_each_miss_is_one_page() -> None:
    m = Direct(File("f", 100), filesystem=Filesystem(read_ahead=0))
    assert requests_of(m, FREAD, call(0, 3)) == [(0, 1), (1, 1), (2, 1)]
    m = Direct(File("f", 100), areas=((Area(0, 100, 0),),), pages=100, filesystem=Filesystem(read_ahead=0))
    assert requests_of(m, READ, 3) == [(3, 1)]


def test_larger_windows() -> None:
    """Windows of 128 pages: the first of a single page is 4, then 16 (below a 16th: fourfold), 32, 64, 128, 128."""
    m = Direct(File("f", 2000), filesystem=Filesystem(read_ahead=128 * 4096))
    sizes = [reads[0][1] for reads in by_page(m, FREAD, range(500)).values()]
    assert sizes[:7] == [4, 16, 32, 64, 128, 128, 128]


def test_pages_read_once_are_referenced_and_twice_active() -> None:
    """Those that readahead brought and nobody copied are neither."""
    m = Direct(File("f", 100))
    m.do(FREAD, 0)
    assert [sorted(m.flags(page)) for page in (0, 1, 2)] == [["referenced"], ["mark"], []]
    m.do(FREAD, 0)  # the call before ended in this page: small reads of one page count once
    assert m.flags(0) == {"referenced"}
    m.do(FREAD, 1)
    m.do(FREAD, 0)
    assert m.flags(0) == {"active"}
    m.do(FREAD, call(1, 2))
    m.do(FREAD, call(1, 2))
    assert m.flags(1) == {"active", "referenced"}  # three calls, none of them begun where the last had ended
    m.do(FWRITE, 3)
    assert m.flags(3) == {"dirty", "buffers"}  # a write is no use


def test_a_mark_under_writeback_is_none() -> None:
    """The bit means something else on a page that is being written: nothing is read ahead, the bit stays."""
    m = Direct(File("f", 100))
    m.do(FREAD, 0)
    assert m.marked() == [1]
    from models.memory import state as st

    m.a.frame[m.frame(1), st.FLAGS] |= st.WRITEBACK
    assert requests_of(m, FREAD, 1) == []
    assert "mark" in m.flags(1)


def test_advice_will_need_reads_one_request_s_length() -> None:
    from models.memory.file_steps import read_ahead

    m = Direct(File("f", 1000))
    m.do(FWRITE, 7)
    read_ahead(m.machine, m.own(), 0, 0, m.clock)
    m.take_io()
    assert m.reads == [(0, 7), (8, 312)]
    assert m.marked() == []


# --- mappings -------------------------------------------------------------------------------------------------------


def mapped(pages: int = 400, advice: str = "normal", **changes: Any) -> Direct:
    return Direct(File("f", pages), areas=((Area(0, pages, 0, advice=advice),),), pages=pages, **changes)


def test_a_fault_reads_around_itself() -> None:
    """32 pages from 16 before it; the mark 8 before the window's end; behind it the file is read on, 32 pages at a time."""
    m = mapped()
    assert requests_of(m, READ, 100) == [(84, 32)]
    assert m.marked() == [108]
    assert requests_of(m, READ, 108) == [(116, 32)]
    assert m.marked() == [116]
    assert requests_of(m, READ, 116) == [(148, 32)]


def test_read_around_begins_with_the_file() -> None:
    m = mapped()
    assert requests_of(m, READ, 3) == [(0, 32)]
    assert m.marked() == [24]


def test_a_mark_of_another_window_reads_from_the_first_hole() -> None:
    m = mapped(1000)
    m.do(READ, 100)  # 84-115, mark 108
    m.do(READ, 500)  # 484-515: the record is of this place now
    assert requests_of(m, READ, 108) == [(116, 32)]


def test_sequential_mapping() -> None:
    """[0, 32) with the mark in the middle, since the first page is wanted now; a miss elsewhere is no stream and has no mark."""
    m = mapped(advice="sequential")
    assert requests_of(m, READ, 0) == [(0, 32)]
    assert m.marked() == [16]
    assert requests_of(m, READ, 16) == [(32, 32)]
    m = mapped(advice="sequential")
    assert requests_of(m, READ, 100) == [(100, 32)]
    assert m.marked() == []


def test_random_mapping_reads_one_page() -> None:
    m = mapped(advice="random")
    assert requests_of(m, READ, 100) == [(100, 1)]
    assert m.record()[fi.MISSES] == 0


def test_advice_on_the_open_file_and_mapped_reads() -> None:
    """Sequential doubles read-around; random does not affect it."""
    m = mapped()
    m.advise("sequential")
    assert requests_of(m, READ, 100) == [(68, 64)]
    m = mapped()
    m.advise("random")
    assert requests_of(m, READ, 100) == [(84, 32)]


# --- against the twin -----------------------------------------------------------------------------------------------

FILE = 600
LAYOUTS: list[list[tuple[Mapping, ...]]] = [
    [(Mapping(0, FILE),), (Mapping(0, 200, 100, True), Mapping(203, 300, 7, False, "sequential"), Mapping(510, 90, 0, True, "random"))],
    [(Mapping(5, 500, 61, False, "random"),), (Mapping(0, 599, 1, True),)],
]
place = some.one_of(some.integers(0, FILE - 1), some.integers(0, 100), some.just(-1))  # -1: where the last one ended
action: Any = some.one_of(
    some.tuples(some.just("read"), some.integers(0, 1), place, some.one_of(some.integers(1, 4), some.integers(1, 100))),
    some.tuples(some.just("stream"), some.integers(0, 1), place, some.integers(2, 80)),
    some.tuples(some.sampled_from(["load", "store"]), some.integers(0, 1), place, some.integers(1, 60)),
    some.tuples(some.just("scatter"), some.integers(0, 1), some.integers(0, FILE - 1), some.integers(1, 120)),
    some.tuples(some.just("hole"), some.just(0), some.integers(0, FILE - 1), some.integers(1, 200)),
    some.tuples(some.just("comb"), some.just(0), some.integers(0, FILE - 1), some.integers(1, 60)),
    some.tuples(some.just("unmap"), some.integers(0, 1), some.integers(0, FILE - 1), some.integers(1, 300)),
    some.tuples(some.sampled_from(["normal", "random", "sequential"]), some.integers(0, 1), some.none(), some.none()),
)


class Both:
    """Engine and twin side by side."""

    def __init__(self, layout: list[tuple[Mapping, ...]], window: int, size: int) -> None:
        areas = [tuple(Area(m.first, m.pages, 0, m.offset, m.shared, False, m.advice) for m in mine) for mine in layout]
        system = Filesystem(read_ahead=window * 4096, max_request=64 * 4096)
        self.m = Direct(File("f", FILE, size), areas=areas, pages=FILE, filesystem=system)
        self.twin = Reads(size, layout, window, 64)
        self.size = size
        self.at = [0, 0]

    def run(self, name: str, process: int, first: int, count: int) -> None:
        m, twin = self.m, self.twin
        if name in ("normal", "random", "sequential"):
            m.advise(name, 0, process)
            twin.advise(process, name)
            return
        first = self.at[process] if first < 0 else first
        if name == "read":
            count = min(count, FILE - first)
            m.do(FREAD, call(first, count), 0, process)
            twin.read(process, first, count)
        elif name == "stream":
            for page in range(first, min(first + count, FILE)):
                m.do(FREAD, page, 0, process)
                twin.read(process, page, 1)
        elif name in ("load", "store", "scatter"):
            step = 37 if name == "scatter" else 1
            for i in range(count):
                self.touch(process, (first + i * step) % FILE, name == "store")
        elif name in ("hole", "comb"):
            for page in range(first, min(first + count * (3 if name == "comb" else 1), self.size), 3 if name == "comb" else 1):
                if page in twin.cached and "dirty" not in m.flags(page):
                    twin.forget(page)
                    if page not in twin.cached:
                        m.forget(page)
        elif name == "unmap":
            count = min(count, FILE - first)
            m.do(UNMAP, first, count, process)
            twin.unmap(process, first, count)
        self.at[process] = (first + count) % FILE if name != "scatter" else first

    def touch(self, process: int, v: int, write: bool) -> None:
        """Only mapped pages within the file, and no store to a page that is dirty already: Linux kills for one, counts nothing for
        the other."""
        found = [a for a in self.twin.mappings[process] if a.first <= v < a.first + a.pages]
        if not found or v - found[0].first + found[0].offset >= self.size:
            return
        p = int(self.m.a.proc[process, 0]) + v
        if write and self.m.a.pte[p] & 8:
            return
        self.m.do(WRITE if write else READ, v, 0, process)
        self.twin.access(process, v, write)

    def agree(self) -> None:
        m, twin = self.m, self.twin
        assert m.reads == twin.requests
        assert m.cached() == sorted(twin.cached)
        assert m.marked() == sorted(twin.marks)
        use = {page: ("referenced" in m.flags(page)) + 2 * ("active" in m.flags(page)) for page in m.cached()}
        assert use == {page: twin.use[page] for page in twin.cached}
        for process, o in enumerate(twin.opens):
            row = m.record(process)
            if row[fi.OPEN_FILE]:
                found = [int(row[at]) for at in (fi.START, fi.WINDOW, fi.ASYNC, fi.MISSES, fi.LIMIT)]
                assert found == [o.start, o.size, o.ahead, o.misses, o.limit]
            base = int(m.a.proc[process, 0])
            both = {p - base for p in m.mapped(base, FILE)}
            assert both == twin.table[process] | twin.private[process]
            assert all(m.young(base + v) == ((process, v) in twin.young) for v in twin.table[process])
        assert (m.count("pgfault"), m.count("pgmajfault")) == (twin.faults, twin.major)


@settings(max_examples=250, deadline=None)
@given(
    actions=some.lists(action, max_size=25),
    layout=some.sampled_from(LAYOUTS),
    window=some.sampled_from([32, 32, 8, 1, 2, 64, 128, 0]),
    size=some.sampled_from([FILE, FILE, 333, 97]),
)
def test_any_reads_are_the_twins(actions: list[Any], layout: Any, window: int, size: int) -> None:
    """Calls of one to a hundred pages by two processes, loads and stores through several mappings, holes, advice: the same requests,
    marks, records, mappings and uses."""
    both = Both(layout, window, size)
    for each in actions:
        both.run(*each)
        both.agree()
    both.m.check()
