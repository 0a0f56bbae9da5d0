"""The flusher's work, compiled: which file next, and how much of it in one turn (Linux 6.1 fs/fs-writeback.c).

Files are taken oldest first; each gets a chunk of about half a second of the device, then the next has its turn.  Pages of a file go in
ascending order from where its last chunk ended.
"""

from __future__ import annotations

from numba import int64

from models.jit import compiled
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.dirty import list_add, list_remove, list_tail, tag_dirty, write_stretch
from models.memory.frames import spend
from models.memory.op_state import DONE, SLICE
from models.memory.rounds import report, stop_wanted
from models.memory.state import Numbers, machine_t, pages_t
from models.memory.throttle import over_background, set_thresholds
from models.vmstat import NR_DIRTY_THRESHOLD

# one work (int64)
W_KIND, W_BEFORE, W_LEFT, W_FILE, W_CHUNK, W_FILLED, W_IDLE = range(7)  # file + 1 at work and pages left of its turn
WORK = 8
BACKGROUND, OLD, EVERYTHING = range(3)

LEAST_CHUNK = 1024  # pages: 4 MiB
STEP_PAGES = 1024


@compiled(int64(pages_t, int64))
def chunk_of(pages, left):
    """Pages of a file's turn: half a second of the device, at most an eighth of the limit, at least 4 MiB."""
    num = pages.num
    size = min(num[fi.AVERAGE_BANDWIDTH] // 2, max(num[fi.SLOW_LIMIT], pages.vmstat[NR_DIRTY_THRESHOLD]) // 8)
    return (min(size, left) + LEAST_CHUNK) // LEAST_CHUNK * LEAST_CHUNK


@compiled(int64(pages_t, Numbers))
def fill_io_list(pages, work):
    """Put the files that are due onto the io list: first those that had a turn and have more, then by age; returns how many."""
    moved = 0
    while list_tail(pages, fi.MORE_LIST) >= 0:
        number = list_tail(pages, fi.MORE_LIST)
        list_remove(pages, number)
        list_add(pages, number, fi.IO_LIST)
        moved += 1
    while True:
        number = list_tail(pages, fi.DIRTY_LIST)
        if number < 0 or pages.file[number, fi.DIRTIED_AT] > work[W_BEFORE]:
            return moved
        list_remove(pages, number)
        list_add(pages, number, fi.IO_LIST)
        moved += 1


@compiled(int64(pages_t, Numbers))
def next_file(pages, work):
    """Choose the file whose turn it is; 0 if the work is done."""
    if work[W_LEFT] <= 0 or (work[W_KIND] == BACKGROUND and over_background(pages) == 0):
        return 0
    if list_tail(pages, fi.IO_LIST) < 0:
        if work[W_FILLED] and work[W_IDLE]:
            return 0  # a whole round wrote nothing
        if work[W_KIND] == BACKGROUND:
            work[W_BEFORE] = pages.num[st.CLOCK]
        if fill_io_list(pages, work) == 0:
            return 0
        work[W_FILLED] = 1
        work[W_IDLE] = 1
    number = list_tail(pages, fi.IO_LIST)
    list_remove(pages, number)
    pages.file[number, fi.LIST] = fi.AT_WORK
    work[W_FILE] = number + 1
    work[W_CHUNK] = chunk_of(pages, work[W_LEFT])
    return 1


@compiled(int64(pages_t, Numbers))
def end_turn(pages, work):
    """The file's turn is over: off the lists if it is clean, else in line again."""
    number = work[W_FILE] - 1
    row = pages.file[number]
    work[W_FILE] = 0
    row[fi.LIST] = fi.NO_LIST
    if row[fi.DIRTY_PAGES] > 0:
        if work[W_CHUNK] <= 0:
            list_add(pages, number, fi.MORE_LIST)
        else:
            row[fi.DIRTIED_AT] = pages.num[st.CLOCK]
            list_add(pages, number, fi.DIRTY_LIST)
    return 0


@compiled(int64(machine_t, Numbers, int64, int64))
def flush_step(m, work, now, deadline):
    """Go on with a work from time `now` until about `deadline`, 4 MiB or a full ring; reports SLICE or DONE."""
    pages = m.pages
    num = pages.num
    num[st.CLOCK] = now
    set_thresholds(pages)
    written = 0
    while written < STEP_PAGES and num[st.CLOCK] < deadline and not stop_wanted(pages):
        if work[W_FILE] == 0 and next_file(pages, work) == 0:
            return report(pages, DONE, now)
        number = work[W_FILE] - 1
        row = pages.file[number]
        budget = min(work[W_CHUNK], STEP_PAGES - written)
        after = write_stretch(pages, number, row[fi.CURSOR], budget, 0)
        n = num[fi.SCRATCH]
        written += n
        work[W_CHUNK] -= n
        work[W_LEFT] -= n
        if n > 0:
            work[W_IDLE] = 0
        if after >= 0:
            row[fi.CURSOR] = after
        else:
            wrapped = row[fi.CURSOR] > 0
            row[fi.CURSOR] = 0
            if wrapped and row[fi.DIRTY_PAGES] > 0 and work[W_CHUNK] > 0 and n == 0:
                continue  # it started in the middle and found nothing above: once more from the start
        if after < 0 or work[W_CHUNK] <= 0:
            end_turn(pages, work)
    return report(pages, SLICE, now)


@compiled(int64(machine_t, int64, int64, int64, int64, int64))
def sync_step(m, number, index, now, budget, tagged):
    """Write up to `budget` dirty pages of a file from page `index` on; num[SYNC_NEXT] is where to go on, or -1.

    tagged: for fsync, only what `begin_sync` has found; if nothing is written, the page at SYNC_NEXT is still being written.
    """
    pages = m.pages
    pages.num[st.CLOCK] = now
    after = write_stretch(pages, number, index, budget, tagged)
    pages.num[fi.SYNC_NEXT] = after
    row = pages.file[number]
    if row[fi.DIRTY_PAGES] == 0:
        list_remove(pages, number)
    return report(pages, DONE if after < 0 else SLICE, now)


@compiled(int64(machine_t, int64, int64))
def begin_sync(m, number, now):
    """An fsync writes what is dirty now: tag it; a report."""
    pages = m.pages
    pages.num[st.CLOCK] = now
    spend(pages, st.BY_IO, pages.cost[st.C_LOOKUP] * tag_dirty(pages, number))
    return report(pages, DONE, now)


@compiled(int64(machine_t, int64, int64))
def next_under_write(m, number, q):
    """The first file page of the file from q on that is being written, or -1."""
    pages = m.pages
    row = pages.file[number]
    if row[fi.BEING_WRITTEN] == 0:
        return int64(-1)
    for page in range(max(q, row[fi.FIRST]), row[fi.FIRST] + row[fi.ROOM]):
        f = int64(pages.cache[page]) - 1
        if f >= 0 and pages.frame[f, st.FLAGS] & st.WRITEBACK:
            return page
    return int64(-1)
