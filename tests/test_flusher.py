"""The flusher's order, fsync, limits of dirty memory, what reclaim tells the flusher, pages held for their readers; by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.devices.ssd import Ssd
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.flush import BACKGROUND, EVERYTHING, OLD, W_BEFORE, W_KIND, W_LEFT, WORK, begin_sync, flush_step, sync_step
from models.memory.op_state import CODE_MASK, DONE, WAIT_READ
from models.memory.reclaim import reclaim_batch
from models.memory.rounds import end_pass
from models.memory.throttle import free_interval, hard_limit, position
from models.policies.linux_lru_pages import remove
from models.vmstat import NR_DIRTY
from models.workloads.stream import ADVICES, ADVISE, FREAD, FSYNC, FWRITE, READ, SLEEP, WRITE, Area, File, call
from sim.build_files import Dirty, Filesystem
from tests.file_kit import Direct, plans_of
from tests.machine_kit import FAST_SSD, counter, fill, make_plan, make_vm, process, rows_of, run

SECOND = 1_000_000_000
LATER = 1 << 60
MANY = 1 << 40


def work(kind: int, before: int = LATER, left: int = MANY) -> np.ndarray:
    """A new work for the flusher."""
    made = np.zeros(WORK, np.int64)
    made[W_KIND], made[W_BEFORE], made[W_LEFT] = kind, before, left
    return made


def flush(m: Direct, todo: np.ndarray, steps: int = 1000) -> list[tuple[int, int]]:
    """Let the flusher do some steps of a work, without the device: what it asks to be written."""
    before = len(m.writes)
    for _ in range(steps):
        code = int(flush_step(m.machine, todo, m.clock, LATER)) & CODE_MASK
        m.take_io()
        if code == DONE:
            break
    return m.writes[before:]


def merged(requests: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbouring requests as one."""
    found: list[tuple[int, int]] = []
    for first, count in requests:
        if found and sum(found[-1]) == first:
            found[-1] = found[-1][0], found[-1][1] + count
        else:
            found.append((first, count))
    return found


def dirty(m: Direct, first: int, count: int = 1) -> None:
    for page in range(first, first + count, 1000):
        m.do(FWRITE, call(page, min(1000, first + count - page)))


# --- order ----------------------------------------------------------------------------------------------------------


def test_files_are_written_oldest_first_by_their_first_dirtying() -> None:
    """b, a, b again: b is still the older one.  A file that is written and dirtied again is young."""
    m = Direct(File("a", 64), File("b", 64), File("c", 64))
    for page in (64, 0, 128, 65):
        dirty(m, page)
        m.clock += SECOND
    assert merged(flush(m, work(EVERYTHING))) == [(64, 2), (0, 1), (128, 1)]
    m.end_io()
    dirty(m, 0)
    dirty(m, 64)
    assert merged(flush(m, work(EVERYTHING))) == [(0, 1), (64, 1)]
    m.check()


def test_only_old_files_are_written_when_it_is_for_their_age() -> None:
    m = Direct(File("a", 64), File("b", 64))
    dirty(m, 0)
    m.clock = 5 * SECOND
    dirty(m, 64)
    dirty(m, 1)  # the file is old, so all of it is written
    assert flush(m, work(OLD, before=2 * SECOND)) == [(0, 2)]
    assert m.flags(64) >= {"dirty"}


def test_files_take_turns_of_a_chunk() -> None:
    """An eighth of a limit of 8000 pages is less than 1024, and a turn then is 1024 pages."""
    m = Direct(File("a", 2560), File("b", 2560), dirty=Dirty(bytes=8000 * 4096, background_bytes=7000 * 4096))
    dirty(m, 0, 2500)
    dirty(m, 2560, 1500)
    assert merged(flush(m, work(EVERYTHING))) == [(0, 1024), (2560, 1024), (1024, 1024), (3584, 476), (2048, 452)]
    m.check()


def test_a_turn_goes_on_where_the_last_one_ended() -> None:
    """1024 of 1500 pages, then page 5 is dirtied: the next turn writes the rest, page 5 has to wait for the one after it."""
    m = Direct(File("a", 2000))
    dirty(m, 0, 1500)
    assert merged(flush(m, work(EVERYTHING, left=1000))) == [(0, 1024)]
    m.end_io()
    dirty(m, 5)
    todo = work(EVERYTHING, before=m.clock)
    m.clock += SECOND  # the file is dirty from then on
    assert merged(flush(m, todo)) == [(1024, 476)]
    assert m.a.file[0, fi.CURSOR] == 0
    assert merged(flush(m, work(EVERYTHING))) == [(5, 1)]
    m.check()


def test_a_file_dirtied_while_the_flusher_is_at_it_keeps_its_turn() -> None:
    """A chunk of 2048 that takes two steps, with a write in between: the file has used up its chunk, so it is in line for more and
    the same work finishes it, however young the new page is."""
    m = Direct(File("a", 6000), memory=256 << 20)
    m.num[fi.SLOW_LIMIT] = 2048 * 8 - 1024 * 8
    dirty(m, 0, 3000)
    m.clock = 5 * SECOND
    todo = work(OLD, before=2 * SECOND)
    first = flush(m, todo, 1)
    dirty(m, 3000)
    assert m.a.file[0, fi.LIST] == fi.AT_WORK
    m.check()
    assert merged(first + flush(m, todo)) == [(0, 3001)]
    assert m.count("nr_dirty") == 0


def test_background_writing_ends_at_the_mark() -> None:
    """What is dirty beyond 300 pages, in whole turns."""
    m = Direct(File("a", 2000), dirty=Dirty(bytes=4096 * 9000, background_bytes=4096 * 300))
    dirty(m, 0, 290)
    assert flush(m, work(BACKGROUND)) == []
    dirty(m, 290, 1200)
    assert merged(flush(m, work(BACKGROUND))) == [(0, 1024)] or m.count("nr_dirty") == 0
    assert m.count("nr_dirty") <= 300 + 1024


def test_without_a_period_nothing_is_written_for_its_age() -> None:
    for period, written in ((0, 0), (100, 5)):
        programs = [process(1, ([FWRITE], [call(0, 5)], [0]), ([SLEEP] * 10, [0] * 10, [SECOND] * 10))]
        plan = make_plan(
            programs, rows_of([1000]), files=(plans_of(File("a", 64)),), dirty=Dirty(expire_centisecs=200, writeback_centisecs=period)
        )
        vm = make_vm(plan)
        run(vm)
        assert counter(vm, "nr_written") == written


# --- fsync ----------------------------------------------------------------------------------------------------------


def test_fsync_writes_what_is_dirty_when_it_begins() -> None:
    """Pages 1 and 9 are dirty then; 5, dirtied before the walk comes to it, is not for this one."""
    m = Direct(File("a", 64))
    for page in (1, 9):
        dirty(m, page)
    begin_sync(m.machine, 0, m.clock)
    dirty(m, 5)
    sync_step(m.machine, 0, 0, m.clock, 1 << 20, 1)
    m.take_io()
    assert m.writes == [(1, 1), (9, 1)]
    assert m.num[fi.SYNC_NEXT] == -1
    m.check()


def test_fsync_writes_a_page_again_that_was_dirtied_under_writeback() -> None:
    """The old write has to end first: the walk stops in front of the page, having written nothing."""
    m = Direct(File("a", 64))
    m.hold = True
    dirty(m, 3)
    m.write_out()
    dirty(m, 3)
    dirty(m, 1)
    begin_sync(m.machine, 0, m.clock)
    for wrote in (1, 0):
        sync_step(m.machine, 0, 0, m.clock, 1 << 20, 1)
        assert (m.num[fi.SYNC_NEXT], m.num[fi.SCRATCH]) == (3, wrote)
    m.take_io()
    m.end_io()
    sync_step(m.machine, 0, 3, m.clock, 1 << 20, 1)
    m.take_io()
    assert m.writes == [(3, 1), (1, 1), (3, 1)]


def test_fsync_in_a_task_waits_for_both_writes_of_such_a_page() -> None:
    """10 ms a write, one at a time, on a file system whose flusher starts at once: nothing is dirty or being written at the end."""
    slow = Ssd(1, 10_000_000, 10_000_000, 1 << 40)
    parts = (
        ([FWRITE], [0], [0]),
        ([ADVISE], [0], [ADVICES.index("dontneed")]),  # starts the write
        ([FWRITE], [0], [0]),
        ([FSYNC], [0], [0]),
        ([SLEEP], [0], [1]),
    )
    vm = make_vm(make_plan([process(1, *parts)], rows_of([1000]), files=(plans_of(File("a", 64)),), swap_slots=0), device=slow)
    run(vm)
    assert counter(vm, "nr_written") == 2
    assert 20_000_000 <= vm.env.now < 21_000_000


def test_sync_starts_all_files_before_it_waits_for_one() -> None:
    """Eight files, eight channels, 10 ms a write: 10 ms in all."""
    files = [File(f"f{n}", 64) for n in range(8)]
    write = ([FWRITE] * 8, [64 * n for n in range(8)], [0] * 8)
    plan = make_plan([process(1, write, ([FSYNC], [-1], [0]))], rows_of([1000]), files=(plans_of(*files),), swap_slots=0)
    vm = make_vm(plan, device=Ssd(8, 10_000_000, 10_000_000, 1 << 40))
    run(vm)
    assert counter(vm, "nr_written") == 8
    assert 10_000_000 <= vm.env.now < 11_000_000


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pages", "factor"), [(1000, 0), (1100, 0), (875, 1023), (750, 2049), (937, 898)])
def test_position_by_hand(pages: int, factor: int) -> None:
    """Thresholds 1000 and 500, limit 1000: free below 750, set point 875.  1 + x^3 in 1024ths, x = (875 - dirty) / 125; then the
    device's part, (874 + 204595 - dirty) / 204595 with 25600 pages a second.  937: x = -62/125, 1024 - 125 = 899, 898."""
    m = Direct(File("a", 64))
    m.vmstat[NR_DIRTY] = pages
    assert abs(position(m.pages, 1000, 500, 1000, pages) - factor) <= 1


def test_the_limit_follows_the_threshold_down_slowly() -> None:
    """1000, then the threshold falls to 500: every 200 ms a 32nd of the difference, to the threshold or what is dirty."""
    m = Direct(File("a", 64))
    found = []
    for clock, upper, held in ((0, 1000, 0), (100, 500, 0), (200, 500, 0), (300, 500, 0), (400, 500, 900), (500, 1200, 0)):
        m.num[st.CLOCK] = clock * 1_000_000
        found.append(hard_limit(m.pages, upper, held))
    assert found == [1000, 1000, 985, 985, 983, 1200]


@pytest.mark.parametrize(("room", "pages"), [(0, 1), (1, 1), (3, 1), (4, 2), (1000, 16), (1024, 32), (100_000, 256)])
def test_how_far_a_writer_goes_between_two_looks(room: int, pages: int) -> None:
    assert free_interval(room) == pages


def test_at_the_limit_writers_stop() -> None:
    """10 pages a second: 1000 pages are dirtied at once, then no more than are written."""
    programs = [process(1, (np.full(5000, FWRITE), np.arange(5000), np.zeros(5000)))]
    limits = Dirty(bytes=1000 * 4096, background_bytes=500 * 4096)
    plan = make_plan(programs, rows_of([1000]), files=(plans_of(File("a", 5000, 0)),), memory=64 << 20, dirty=limits, swap_slots=0)
    vm = make_vm(plan, device=Ssd(1, 0, 0, 40_960), check=False)
    vm.tasks[0].start()
    for second in (5, 20, 40):
        vm.env.run(until=second * SECOND)
        assert 850 < counter(vm, "nr_dirty") + counter(vm, "nr_writeback") <= 1000 + 32
        assert counter(vm, "nr_dirtied") - counter(vm, "nr_written") == counter(vm, "nr_dirty") + counter(vm, "nr_writeback")


def test_writers_through_a_mapping_are_held_back_too() -> None:
    limits = Dirty(bytes=1000 * 4096, background_bytes=500 * 4096)
    read, write = ([FREAD], [call(0, 5000)], [0]), (np.full(5000, WRITE), np.arange(5000), np.zeros(5000))
    writer = process(5000, read, write)._replace(areas=(Area(0, 5000, 0, shared=True),))
    plan = make_plan([writer], rows_of([1000]), files=(plans_of(File("a", 5000, 5000)),), memory=64 << 20, dirty=limits, swap_slots=0)
    vm = make_vm(plan, device=Ssd(2, 100_000, 1_000_000_000, 1 << 40), check=False)
    vm.tasks[0].start()
    vm.env.run(until=4.3 * SECOND)  # writes end at each full second
    assert 700 < counter(vm, "nr_dirty") + counter(vm, "nr_writeback") <= 1000 + 64
    held = counter(vm, "nr_dirtied")
    vm.env.run(until=4.9 * SECOND)
    assert counter(vm, "nr_dirtied") == held  # at the limit one pause follows the other


# --- what reclaim tells ---------------------------------------------------------------------------------------------


def offer(m: Direct, pages: list[int], kswapd: int = 1) -> tuple[int, np.ndarray]:
    """Give file pages to reclaim: how many it freed, and its context."""
    ctx = np.zeros(st.CONTEXT, np.int64)
    ctx[st.X_KSWAPD] = kswapd
    ctx[st.X_PRIORITY] = 12
    for i, page in enumerate(pages):
        remove(m.vm.built.policy, m.pages, m.frame(page))
        m.a.window[i] = m.frame(page)
    freed = int(reclaim_batch(m.machine, ctx, len(pages)))
    m.take_io()
    return freed, ctx


def flags_after(m: Direct, ctx: np.ndarray) -> list[int]:
    m.num[st.NODE_WRITEBACK] = m.num[st.NODE_DIRTY] = m.num[st.CONGESTED] = 0
    end_pass(m.machine, ctx)
    return [int(m.num[at]) for at in (st.NODE_WRITEBACK, st.NODE_DIRTY, st.CONGESTED)]


def test_a_slice_of_dirty_pages_wakes_the_flusher_for_all() -> None:
    """All of them dirty and none under writeback; one clean page among them is enough to let it sleep."""
    for clean, woken in ((False, True), (True, False)):
        m = Direct(File("a", 64))
        dirty(m, 0, 4)
        if clean:
            m.do(FREAD, 8)
        m.num[fi.FLUSH] = 0
        offer(m, [0, 1, 2, 8] if clean else [0, 1, 2])
        assert bool(m.num[fi.FLUSH] & fi.FLUSH_ALL) is woken


def test_what_a_pass_met_sets_the_node_s_flags() -> None:
    """All under writeback; all dirty and not yet being written, which is also true of a pass without file pages; all of the dirty ones
    being written and marked."""
    m = Direct(File("a", 64))
    m.hold = True
    dirty(m, 0, 4)
    assert flags_after(m, offer(m, [0, 1])[1]) == [0, 1, 0]
    m.write_out()
    assert flags_after(m, offer(m, [2, 3])[1]) == [1, 0, 0]  # being written, marked only now
    m.num[st.NODE_WRITEBACK] = 0
    ctx = offer(m, [2, 3])[1]
    assert ctx[st.X_IMMEDIATE] == 0
    assert flags_after(m, ctx) == [1, 0, 1]
    m.num[st.NODE_WRITEBACK] = 1
    assert offer(m, [2, 3])[1][st.X_IMMEDIATE] == 2
    assert flags_after(m, offer(m, [])[1]) == [0, 1, 0]


def test_a_referenced_page_is_not_written_by_reclaim() -> None:
    """Read once, then dirtied: kswapd may free such a page only if it is clean; it stays on the inactive list."""
    m = Direct(File("a", 64))
    dirty(m, 1)
    m.do(FREAD, 1)
    m.a.frame[m.frame(1), st.FLAGS] |= st.RECLAIM
    m.num[st.NODE_DIRTY] = 1
    assert offer(m, [1])[0] == 0
    assert m.writes == [] and "active" not in m.flags(1)


# --- pages held for their readers -----------------------------------------------------------------------------------


def test_a_page_that_somebody_waits_for_is_not_reclaimed_before_it_is_used() -> None:
    m = Direct(File("a", 64), areas=((Area(0, 64, 0),),), pages=64)
    m.hold = True
    for op, page in ((FREAD, 0), (READ, 40)):
        assert m.step(op, page) == WAIT_READ
        m.end_io()
        neighbour = page + 1
        assert offer(m, [page, neighbour])[0] == 1
        assert m.frame(page) >= 0 > m.frame(neighbour)
        assert m.step(op, page) == DONE
        assert not m.a.frame[m.frame(page), st.FLAGS] & st.AWAITED
    m.check()


def test_will_need_ends_where_there_is_no_room_for_it() -> None:
    """1024 pages in two pieces into a VM full of anonymous memory without swap: what there is room for is read, the rest forgotten."""
    file = File("large", 1024)
    parts = (fill(1100), ([ADVISE], [0], [ADVICES.index("willneed")]))
    plan = make_plan(
        [process(1100, *parts)], rows_of([1000]), files=(plans_of(file),), memory=8 << 20, swap_slots=0,
        filesystem=Filesystem(max_request=4 << 20),
    )  # fmt: skip
    vm = make_vm(plan, device=FAST_SSD)
    run(vm, *vm.tasks)
    assert vm.tasks[0].status == "done"
    assert vm.env.now < SECOND


@pytest.mark.parametrize(("kind", "heads"), [("ext4", 0), ("xfs", 0), ("raw", 1)])
def test_a_page_read_singly_has_buffer_heads_on_a_raw_device(kind: str, heads: int) -> None:
    """Mapped with random advice: 40 single pages, which is one more than fit into a page of heads.  Readahead makes none."""
    m = Direct(File("f", 4000), areas=((Area(0, 4000, 0, advice="random"),),), pages=4000, filesystem=Filesystem(kind))
    for page in range(40):
        m.do(READ, 100 * page)
    assert m.a.slab[fi.BUFFER_CACHE, fi.OBJECTS] == 40 * heads
    assert m.a.slab[fi.BUFFER_CACHE, fi.PAGES] == 2 * heads
    m.do(FREAD, call(50, 8))
    assert m.a.slab[fi.BUFFER_CACHE, fi.OBJECTS] == 40 * heads
    m.check()
