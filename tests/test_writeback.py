"""Dirty memory: thresholds, the flusher's order, fsync, throttled writers, and what reclaim makes of dirty pages; by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.devices.ssd import Ssd
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.reclaim import reclaim_batch
from models.memory.throttle import set_thresholds
from models.workloads.stream import DELETE, FSYNC, FWRITE, SLEEP, File
from sim.build_files import Dirty, Filesystem
from sim.vm import Vm
from tests.file_kit import Direct, plans_of
from tests.machine_kit import counter, make_plan, make_vm, process, rows_of

SECOND = 1_000_000_000


def test_thresholds_by_hand() -> None:
    """available = free - reserves + file pages + 1; 20 % is 819 of 4096, 10 % is 409."""
    m = Direct(File("f", 64))
    available = m.count("nr_free_pages") - int(m.num[fi.RESERVE_TOTAL]) + m.count("nr_active_file") + m.count("nr_inactive_file") + 1
    assert set_thresholds(m.pages) == 819 * available // 4096
    assert m.count("nr_dirty_background_threshold") == 409 * available // 4096


def test_thresholds_in_bytes_and_the_lower_one_below_the_upper() -> None:
    m = Direct(File("f", 64), dirty=Dirty(bytes=1 << 20, background_bytes=2 << 20))
    assert set_thresholds(m.pages) == 256
    assert m.count("nr_dirty_background_threshold") == 128


def test_a_page_counts_once_until_it_is_written() -> None:
    m = Direct(File("f", 64, 0))
    m.hold = True
    for _ in range(3):
        m.do(FWRITE, 7)
    assert (m.count("nr_dirty"), m.count("nr_dirtied"), m.count("nr_zone_write_pending")) == (1, 1, 1)
    assert m.write_out() == [(7, 1)]
    assert (m.count("nr_dirty"), m.count("nr_writeback"), m.flags(7)) == (0, 1, {"writeback", "buffers"})
    m.do(FWRITE, 7)  # again while it is being written
    assert (m.count("nr_dirty"), m.count("nr_dirtied")) == (1, 2)
    m.end_io()
    assert (m.count("nr_writeback"), m.count("nr_written"), m.flags(7)) == (0, 1, {"dirty", "buffers"})
    m.check()


def test_neighbours_are_one_request_in_ascending_order() -> None:
    m = Direct(File("f", 64, 0))
    m.hold = True
    for page in (9, 3, 4, 5, 8):
        m.do(FWRITE, page)
    assert m.write_out() == [(3, 3), (8, 2)]


def test_deleting_drops_dirty_pages_unwritten() -> None:
    m = Direct(File("f", 64, 0))
    for page in range(5):
        m.do(FWRITE, page)
    assert m.delete() == -1
    assert (m.count("nr_dirty"), m.writes, m.cached()) == (0, [], [])
    assert m.a.file[0, fi.LIST] == fi.NO_LIST
    m.check()


def test_a_page_under_write_is_waited_for_by_deleting() -> None:
    m = Direct(File("f", 64, 0))
    m.hold = True
    m.do(FWRITE, 2)
    m.write_out()
    assert m.delete() == 2
    m.end_io()
    assert m.delete() == -1


# --- reclaim ---------------------------------------------------------------------------------------------------------


def offered(m: Direct, *pages: int, kswapd: int) -> int:
    """Give pages to reclaim as a policy would that found them at its tail; returns how many were freed."""
    ctx = np.zeros(st.CONTEXT, np.int64)
    ctx[st.X_KSWAPD] = kswapd
    from models.policies.linux_lru_pages import remove

    for i, page in enumerate(pages):
        frame = m.frame(page)
        remove(m.vm.built.policy, m.pages, frame)
        m.a.window[i] = frame
    freed = int(reclaim_batch(m.machine, ctx, len(pages)))
    m.flush |= int(m.num[fi.FLUSH])
    m.num[fi.FLUSH] = 0
    m.take_io()
    return freed


def test_a_dirty_page_is_marked_and_activated_and_comes_back_to_the_tail_when_written() -> None:
    m = Direct(File("f", 64, 0))
    m.hold = True
    m.do(FWRITE, 1)
    m.do(FWRITE, 2)
    assert offered(m, 1, kswapd=1) == 0
    assert {"active", "mark", "dirty"} <= m.flags(1)
    assert m.count("nr_vmscan_immediate_reclaim") == 1 and m.writes == []
    assert m.flush & fi.FLUSH_ALL  # all pages of the batch were dirty: the flusher is to write everything
    m.write_out()
    m.end_io()
    assert not {"active", "mark", "dirty"} & m.flags(1)
    assert m.count("pgrotated") == 1
    assert offered(m, 1, kswapd=0) == 1


@pytest.mark.parametrize(
    ("kind", "kswapd", "marked", "node_dirty", "written"),
    [
        ("ext4", 1, True, 1, True),
        ("ext4", 1, False, 1, False),
        ("ext4", 1, True, 0, False),
        ("ext4", 0, True, 1, False),
        ("xfs", 1, True, 1, False),
    ],
)
def test_who_writes_dirty_pages_in_reclaim(kind: str, kswapd: int, marked: bool, node_dirty: int, written: bool) -> None:
    """Only kswapd, only a marked page, only while all that it meets is dirty, and only where the file system can."""
    m = Direct(File("f", 64, 0), filesystem=Filesystem(kind))
    m.hold = True
    m.do(FWRITE, 1)
    if marked:
        m.a.frame[m.frame(1), st.FLAGS] |= st.RECLAIM
    m.num[st.NODE_DIRTY] = node_dirty
    offered(m, 1, kswapd=kswapd)
    assert bool(m.writes) is written
    assert ("writeback" in m.flags(1)) is written
    m.check()


# --- the flusher and the writers, with time --------------------------------------------------------------------------


def vm_of(*parts: object, writers: int = 1, device: Ssd | None = None, dirty: Dirty | None = None, pages: int = 60_000) -> Vm:
    """A VM of 64 MiB without swap whose processes each write a file of their own."""
    files = [File(f"f{n}", pages, 0) for n in range(writers)]
    processes = [process(1, *(part[n] for part in parts)) for n in range(writers)]  # type: ignore[index]
    plan = make_plan(processes, rows_of([1000]), files=(plans_of(*files),), memory=64 << 20, swap_slots=0, dirty=dirty or Dirty())
    return make_vm(plan, cpus=2, device=device or Ssd(8, 80_000, 30_000, 530_000_000), check=False, groups=[[n] for n in range(writers)])


def write(first: int, count: int, think: int = 100) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full(count, FWRITE), np.arange(first, first + count), np.full(count, think)


def sleep(seconds: float) -> tuple[list[int], list[int], list[int]]:
    n = int(seconds * 2)
    return [SLEEP] * n, [0] * n, [SECOND // 2] * n


def test_old_pages_are_written_at_the_first_look_after_their_time() -> None:
    """Dirty from the start, 3 s to expire, a look every 2: nothing at 2, all of it at 4."""
    vm = vm_of([write(0, 50)], [sleep(10)], dirty=Dirty(expire_centisecs=300, writeback_centisecs=200))
    vm.tasks[0].start()
    vm.env.run(until=3.9 * SECOND)
    assert (counter(vm, "nr_dirty"), counter(vm, "nr_written")) == (50, 0)
    vm.env.run(until=4.5 * SECOND)
    assert (counter(vm, "nr_dirty"), counter(vm, "nr_written")) == (0, 50)


def test_the_background_threshold_wakes_the_flusher_which_stops_below_it() -> None:
    vm = vm_of([write(0, 1200)], [sleep(2)], dirty=Dirty(bytes=4000 * 4096, background_bytes=1000 * 4096))
    vm.tasks[0].start()
    vm.env.run(until=SECOND)
    assert 0 < counter(vm, "nr_dirty") <= 1000
    assert counter(vm, "nr_written") >= 200


def test_fsync_waits_until_everything_is_written() -> None:
    slow = Ssd(1, 80_000, 1_000_000, 40_960_000)  # 1 ms, then 0.1 ms a page
    vm = vm_of([write(0, 100)], [([FSYNC], [0], [0])], device=slow)
    vm.tasks[0].start()
    vm.env.run(until=vm.tasks[0].ended)
    assert (counter(vm, "nr_dirty"), counter(vm, "nr_writeback"), counter(vm, "nr_written")) == (0, 0, 100)
    assert 11_000_000 <= vm.env.now <= 13_000_000  # one request of 100 pages


def test_deleting_ends_in_a_task_too() -> None:
    vm = vm_of([write(0, 100)], [([DELETE], [0], [0])])
    vm.tasks[0].start()
    vm.env.run(until=vm.tasks[0].ended)
    assert (counter(vm, "nr_dirty"), counter(vm, "nr_written"), counter(vm, "nr_file_pages")) == (0, 0, 0)


@pytest.mark.parametrize("writers", [1, 2])
def test_throttled_writers_get_what_the_device_can_write(writers: int) -> None:
    """20 MB/s: in the long run that is what they dirty, and dirty memory stays between the middle of the thresholds and the limit."""
    slow = Ssd(8, 80_000, 30_000, 20_480_000)
    vm = vm_of([write(0, 50_000, 1000)] * writers, writers=writers, device=slow)
    for task in vm.tasks:
        task.start()
    vm.env.run(until=4 * SECOND)
    dirtied = counter(vm, "nr_dirtied")
    for second in range(5, 9):
        vm.env.run(until=second * SECOND)
        set_thresholds(vm.pages)
        upper, lower = counter(vm, "nr_dirty_threshold"), counter(vm, "nr_dirty_background_threshold")
        dirty = counter(vm, "nr_dirty") + counter(vm, "nr_writeback")
        assert (upper + lower) // 2 * 0.9 < dirty <= upper * 1.1
    assert (counter(vm, "nr_dirtied") - dirtied) / 4 == pytest.approx(5000, rel=0.15)
