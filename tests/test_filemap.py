"""Mappings of files: fault-around, what counts as a fault, writes, unmapping, advice; by hand."""

from __future__ import annotations

from typing import Any

import pytest

from models.memory import file_state as fi
from models.memory import state as st
from models.memory.op_state import DONE, WAIT_READ
from models.workloads.stream import FREAD, FWRITE, READ, UNMAP, WRITE, Area, File, call
from sim.build_files import Filesystem
from tests.file_kit import Direct


def mapped(pages: int = 400, **area: Any) -> Direct:
    """One process that maps a file of this size from its page 0 on."""
    return Direct(File("f", pages), areas=((Area(0, pages, 0, **area),),), pages=pages)


def counts(m: Direct) -> tuple[int, int]:
    return m.count("pgfault"), m.count("pgmajfault")


# --- fault-around ---------------------------------------------------------------------------------------------------


BLOCKS = [(20, (16, 32)), (16, (16, 32)), (7, (5, 16)), (5, (5, 16)), (100, (96, 105)), (104, (96, 105))]


@pytest.mark.parametrize(("touched", "block"), BLOCKS)
def test_the_aligned_block_is_mapped(touched: int, block: tuple[int, int]) -> None:
    """Virtual pages 5 to 104 map the file from page 3 on: blocks of 16 virtual pages, cut by the mapping's ends."""
    m = Direct(File("f", 200), areas=((Area(5, 100, 0, 3),),), pages=150)
    m.do(FWRITE, call(0, 200))
    m.do(READ, touched)
    assert m.mapped() == list(range(*block))
    assert all(m.young(p) for p in m.mapped())
    assert counts(m) == (1, 0)
    assert m.a.pte[touched] >> st.PTE_SHIFT == m.frame(touched - 5 + 3)
    m.check()


def test_the_block_ends_with_the_file() -> None:
    m = Direct(File("f", 64, 20), areas=((Area(0, 64, 0),),), pages=64)
    m.do(FWRITE, call(0, 20))
    m.do(READ, 18)
    assert m.mapped() == [16, 17, 18, 19]


def test_missing_marked_and_unread_pages_are_left_out() -> None:
    """Pages 0-3 written, 6 marked by a stream that stopped, 8 being read for somebody else, 9 not in memory."""
    m = mapped()
    m.do(FWRITE, call(0, 9))
    m.a.frame[m.frame(6), st.FLAGS] |= st.RECLAIM
    m.a.frame[m.frame(8), st.FLAGS] = m.a.frame[m.frame(8), st.FLAGS] | st.LOCKED
    m.do(READ, 2)
    assert m.mapped() == [0, 1, 2, 3, 4, 5, 7]
    m.a.frame[m.frame(8), st.FLAGS] &= ~st.LOCKED
    m.a.frame[m.frame(6), st.FLAGS] |= st.WRITEBACK  # then the bit is no readahead mark
    m.do(READ, 8)
    assert m.mapped() == list(range(9))


def test_pages_passed_pay_for_misses_even_if_they_are_mapped() -> None:
    m = mapped()
    m.do(FWRITE, call(0, 16))
    m.do(READ, 0)
    m.do(UNMAP, 3, 1)
    m.record()[fi.MISSES] = 20
    m.do(READ, 3)
    assert m.record()[fi.MISSES] == 4
    m.do(UNMAP, 3, 1)
    m.do(READ, 3)
    assert m.record()[fi.MISSES] == 0  # not below


def test_fault_around_can_be_off() -> None:
    m = Direct(File("f", 64), areas=((Area(0, 64, 0),),), pages=64, filesystem=Filesystem(fault_around=4096))
    m.do(FWRITE, call(0, 64))
    m.do(READ, 20)
    assert m.mapped() == [20]


def test_a_write_maps_its_own_page_only() -> None:
    m = mapped(shared=True)
    m.do(FWRITE, call(0, 16))
    m.do(WRITE, 3)
    assert m.mapped() == [3]


# --- counting -------------------------------------------------------------------------------------------------------


def test_what_counts_as_a_fault() -> None:
    """A miss: two faults, since it is run again after the read, and one major.  In memory: one."""
    m = mapped()
    m.do(READ, 100)
    assert counts(m) == (2, 1)
    m.do(READ, 96)  # mapped with 100's block
    assert counts(m) == (2, 1)
    m.do(READ, 90)  # in the same window, another block
    assert counts(m) == (3, 1)
    m.do(READ, 108)  # the mark: a read is started, the fault is run again, nothing was missing
    assert counts(m) == (5, 1)
    m.do(READ, 108)
    assert counts(m) == (5, 1)


def test_a_page_that_somebody_else_is_reading_is_waited_for() -> None:
    """Two processes fault on one page: one major fault, one request, both faults run twice."""
    m = Direct(File("f", 100), areas=((Area(0, 100, 0),), (Area(0, 100, 0),)), pages=100)
    m.hold = True
    assert m.step(READ, 50) == WAIT_READ
    assert m.step(READ, 50, process=1) == WAIT_READ
    assert counts(m) == (2, 1)
    m.end_io()
    assert m.step(READ, 50) == m.step(READ, 50, process=1) == DONE
    assert counts(m) == (4, 1)
    assert m.reads == [(34, 32)]
    assert m.count("nr_mapped") == 15  # frames, not mappings: 48-63 without the mark at 58
    m.check()


def test_misses_turn_read_around_off_and_pages_met_turn_it_on() -> None:
    """Without fault-around: 100 misses read 32 pages each, the 101st one; after a page met in memory the next miss reads 32 again."""
    areas = ((Area(0, 12_000, 0),),)
    m = Direct(File("f", 12_000), areas=areas, pages=12_000, filesystem=Filesystem(fault_around=4096))
    for n in range(102):
        m.do(READ, 50 + 100 * n)
    assert [count for _, count in m.reads] == [32] * 100 + [1, 1]
    assert m.record()[fi.MISSES] == 102
    for n in (0, 1, 2):
        m.do(READ, 51 + 100 * n)
    assert m.record()[fi.MISSES] == 99
    m.do(READ, 50 + 100 * 110)
    assert m.reads[-1] == (50 + 100 * 110 - 16, 32)


def test_misses_end_at_a_thousand() -> None:
    m = Direct(File("f", 500), areas=((Area(0, 500, 0),),), pages=500, filesystem=Filesystem(fault_around=4096))
    m.do(FREAD, 0)
    m.record()[fi.MISSES] = 999
    for page in (100, 200, 300):
        m.do(READ, page)
    assert m.record()[fi.MISSES] == 1000


# --- writes ---------------------------------------------------------------------------------------------------------


def test_a_private_write_is_an_anonymous_copy() -> None:
    """The page of the file stays in memory, clean and no longer mapped here; the copy is new inactive anonymous memory."""
    m = mapped()
    m.do(READ, 3)
    assert (m.count("nr_mapped"), m.count("nr_anon_pages")) == (16, 0)
    m.do(WRITE, 3)
    assert m.flags(3) == set()
    assert (m.count("nr_anon_pages"), m.count("nr_dirty"), m.count("nr_inactive_anon")) == (1, 0, 1)
    assert m.a.pte[3] >> st.PTE_SHIFT != m.frame(3)
    assert (m.a.proc[0, st.RSS], m.a.proc[0, st.RSS_FILE]) == (1, 15)
    m.do(WRITE, 200)  # not in memory: read around, then copied; the file's page is not mapped
    assert m.mapped(100) == [200]
    assert m.frame(200) >= 0
    m.check()


def test_a_shared_write_dirties_once_a_writeback() -> None:
    """Written: dirty.  Again: no fault.  Under writeback the entry is read-only, so the next write faults and dirties again."""
    m = mapped(shared=True)
    m.do(FREAD, 3)
    m.do(READ, 3)
    before = counts(m)[0]
    m.do(WRITE, 3)
    assert counts(m)[0] == before + 1
    assert m.flags(3) >= {"dirty", "buffers"}
    m.do(WRITE, 3)
    assert (counts(m)[0], m.count("nr_dirtied"), m.count("nr_dirty")) == (before + 1, 1, 1)
    assert m.write_out() == [(3, 1)]
    m.hold = True  # the write takes its time
    assert "dirty" not in m.flags(3)
    assert (m.count("nr_dirty"), m.count("nr_writeback")) == (0, 1)
    m.do(READ, 3)
    assert counts(m)[0] == before + 1  # still mapped
    m.do(WRITE, 3)
    assert (counts(m)[0], m.count("nr_dirtied")) == (before + 2, 2)
    assert m.flags(3) >= {"dirty", "writeback"}
    m.end_io()
    assert "dirty" in m.flags(3)
    assert (m.count("nr_dirty"), m.count("nr_writeback"), m.count("nr_written")) == (1, 0, 1)
    m.check()


def test_writeback_protects_every_mapping() -> None:
    m = Direct(File("f", 100), areas=((Area(0, 100, 0, shared=True),), (Area(0, 90, 0, 10, shared=True),)), pages=100)
    base = int(m.a.proc[1, st.FIRST_PAGE])
    m.do(FWRITE, call(0, 30))
    m.do(WRITE, 15)
    m.do(WRITE, 5, process=1)
    assert m.count("nr_mapped") == 1
    m.write_out()
    assert not m.a.pte[15] & st.PTE_WRITE and not m.a.pte[base + 5] & st.PTE_WRITE
    m.check()


def test_dirtying_through_a_mapping_clears_the_mark_of_reclaim_and_write_does_not() -> None:
    m = mapped(shared=True)
    m.do(FWRITE, call(0, 2))
    for page in (0, 1):
        m.a.frame[m.frame(page), st.FLAGS] |= st.RECLAIM
    m.do(WRITE, 0)
    m.do(FWRITE, 1)
    assert ("mark" in m.flags(0), "mark" in m.flags(1)) == (False, True)


def test_a_file_grows_by_mapped_writes_behind_its_end() -> None:
    """Linux would kill the process; here such a page has to be written some time, so the file is that long."""
    m = Direct(File("f", 64, 10), areas=((Area(0, 64, 0, shared=True),),), pages=64)
    m.do(WRITE, 20)
    assert m.write_out() == [(20, 1)]


# --- unmapping, advice ----------------------------------------------------------------------------------------------


def test_unmapping_a_used_entry_is_a_use() -> None:
    """Young: referenced, the next time active.  Not young: nothing.  Sequential advice: nothing."""
    m = mapped()
    m.do(FWRITE, call(0, 4))
    m.do(READ, 0)
    m.a.pte[1] &= ~st.PTE_ACCESSED
    m.do(UNMAP, 0, 2)
    assert (m.flags(0) & {"referenced"}, m.flags(1) & {"referenced"}) == ({"referenced"}, set())
    m.do(READ, 0)
    m.do(UNMAP, 0, 1)
    assert "active" in m.flags(0)
    m.check()
    m = mapped(advice="sequential")
    m.do(FWRITE, call(0, 4))
    m.do(READ, 0)
    m.do(UNMAP, 0, 4)
    assert all("referenced" not in m.flags(page) for page in range(4))
    assert m.mapped() == []


def test_code_is_known_by_its_mappings() -> None:
    """A page is executable while somebody maps it, whoever does."""
    m = Direct(File("f", 32), areas=((Area(0, 32, 0, executable=True),), (Area(0, 32, 0),)), pages=32)
    m.do(FWRITE, call(0, 16))
    m.do(READ, 0)
    m.do(READ, 0, process=1)
    frame = m.frame(3)
    assert m.a.frame[frame, st.FLAGS] & st.EXECUTABLE
    m.do(UNMAP, 0, 32)
    m.do(UNMAP, 0, 32, process=1)
    assert not m.a.frame[frame, st.FLAGS] & st.EXECUTABLE
    assert m.count("nr_mapped") == 0


def test_deleting_a_file_unmaps_it_everywhere() -> None:
    m = Direct(File("f", 100), areas=((Area(0, 100, 0, shared=True),), (Area(0, 100, 0),)), pages=100)
    m.do(READ, 50)
    m.do(READ, 50, process=1)
    m.do(WRITE, 51)
    m.do(WRITE, 52, process=1)
    assert m.delete() == -1
    assert m.cached() == []
    assert m.mapped() == [int(m.a.proc[1, st.FIRST_PAGE]) + 52]  # the private copy
    assert (m.count("nr_dirty"), m.count("nr_mapped"), m.count("nr_file_pages")) == (0, 0, 0)
    assert m.a.proc[:2, st.RSS_FILE].tolist() == [0, 0]
    m.check()


def test_a_file_that_is_being_written_is_deleted_behind_that() -> None:
    m = mapped(shared=True)
    m.do(FWRITE, call(0, 4))
    m.write_out()
    m.hold = True
    m.do(FWRITE, 8)
    assert m.delete() == 0  # the first page under I/O
    assert m.cached() == [0, 1, 2, 3]
    m.end_io()
    assert m.delete() == -1
    assert (m.cached(), m.writes) == ([], [(0, 4)])
    m.check()
