"""read() and write() of files, and advice on them (Linux 6.1 mm/filemap.c, mm/fadvise.c).

A call either goes on to its end or says what it waits for; it is then started again behind the pages that are done (own[S_CALL]).
Calls are on whole pages; a write marked partial reads the page first if it exists on the device and is not in memory.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.charge import ask_charged
from models.memory.dirty import set_dirty
from models.memory.frames import spend
from models.memory.op_state import (
    DONE,
    NEED_RECLAIM,
    S_CALL,
    S_DIRTIED,
    S_RECLAIMED_FOR,
    S_WAIT_MEMORY,
    S_WAIT_SLOT,
    THROTTLE,
    WAIT_READ,
)
from models.memory.pagecache import MASK, add_page, file_of, forget_page, forget_shadow, is_marked, need_buffers, queue_file_io
from models.memory.readahead import bring, open_file, page_marked, page_missing
from models.memory.state import Numbers, machine_t, pages_t
from models.memory.throttle import must_pause

BATCH = 15  # pages of one look-up
COUNT_SHIFT, COUNT_MASK = 40, (1 << 16) - 1  # models.workloads.stream
PARTIAL = 1 << 60
NORMAL, RANDOM, SEQUENTIAL, WILLNEED, DONTNEED = range(5)


@compiled(int64(pages_t, int64, int64, int64))
def gather(pages, first, index, last):
    """Pages in memory from `index` on without a hole, at most 15; the last may be not up to date or carry the mark."""
    cache, frame = pages.cache, pages.frame
    n = 0
    while n < BATCH and index + n < last:
        entry = int64(cache[first + index + n])
        if entry <= 0:
            break
        n += 1
        flags = int64(frame[entry - 1, st.FLAGS])
        if flags & st.LOCKED or (flags & st.RECLAIM and not flags & st.WRITEBACK):
            break
    return n


@compiled(void(pages_t, Numbers))
def end_wait(pages, own):
    """The read, write or fault is over, or its process killed: it no longer holds the file page that it waited for."""
    if own[S_WAIT_SLOT] < 0:
        f = int64(pages.cache[-own[S_WAIT_SLOT] - 1]) - 1
        if f >= 0:
            pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) & ~st.AWAITED
        own[S_WAIT_SLOT] = 0


@compiled(int64(pages_t, Numbers, int64))
def wait_for(pages, own, q):
    """Say that the process waits for the read of file page q, and hold the page until it has been used."""
    end_wait(pages, own)
    f = int64(pages.cache[q]) - 1
    pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.AWAITED
    own[S_WAIT_SLOT] = -(q + 1)
    own[S_WAIT_MEMORY] = 1 if pages.frame[f, st.FLAGS] & st.WORKINGSET else 0
    return WAIT_READ


@outlined(int64(machine_t, Numbers, int64))
def read_one(m, own, q):
    """Read a single page that readahead did not bring; NEED_RECLAIM without a frame."""
    found = bring(m, q, 0, 1)
    if found < 0:
        return NEED_RECLAIM
    if found > 0:
        queue_file_io(m.pages, 0, q, 1)
    return DONE


@outlined(int64(machine_t, Numbers, int64, int64, int64, int64))
def make_present(m, own, o, number, index, last):
    """The page at `index` is missing: readahead, or that page alone."""
    pages = m.pages
    code = page_missing(m, own, o, number, index, last - index)
    if code != DONE:
        return code
    q = pages.file[number, fi.FIRST] + index
    return DONE if pages.cache[q] > 0 else read_one(m, own, q)


@compiled(void(machine_t, int64, int64, int64, int64))
def use_batch(m, o, first, index, n):
    """Copy a batch out: its pages are marked accessed, the first not if the last call ended in it."""
    pages = m.pages
    row = pages.opens[o]
    for i in range(index, index + n):
        if i != index or i != row[fi.LAST]:
            m.accessed(m.policy, pages, int64(pages.cache[first + i]) - 1)
    row[fi.LAST] = index + n - 1
    row[fi.PREVIOUS] = index + n
    cost = pages.cost
    spend(pages, st.BY_FILE, (cost[st.C_LOOKUP] + cost[st.C_USER_KIB] * (pages.num[st.PAGE_SIZE] >> 10)) * n)


@compiled(int64(machine_t, int64, int64))
def read_cached(m, process, q):
    """A read() of one page that is in memory, up to date and without the mark: 1 if it was that, else 0 and nothing was done.

    The common case of read_call, apart for its speed; the time is the caller's.
    """
    pages = m.pages
    f = int64(pages.cache[q]) - 1
    if f < 0:
        return 0
    flags = int64(pages.frame[f, st.FLAGS])
    if flags & st.LOCKED or (flags & st.RECLAIM and not flags & st.WRITEBACK):
        return 0
    number = file_of(pages, q)
    proc = pages.proc[process]
    row = pages.opens[proc[st.OPEN_FIRST] + number % proc[st.OPENS]]
    index = q - pages.file[number, fi.FIRST]
    if row[fi.OPEN_FILE] != number + 1 or index >= pages.file[number, fi.SIZE]:
        return 0
    if index != row[fi.LAST]:
        m.accessed(m.policy, pages, f)
        row[fi.LAST] = index
    row[fi.PREVIOUS] = index + 1
    return 1


@outlined(int64(machine_t, Numbers, int64, int64))
def read_call(m, own, process, op_page):
    """One read(): DONE, WAIT_READ or NEED_RECLAIM."""
    pages = m.pages
    q = pages.proc[process, st.FILE_BASE] + (op_page & MASK)
    number = file_of(pages, q)
    first = pages.file[number, fi.FIRST]
    o = open_file(pages, process, number)
    begin = q - first
    index = begin + own[S_CALL]
    last = begin + ((op_page >> COUNT_SHIFT) & COUNT_MASK) + 1  # readahead goes by what is asked for, beyond the file's end too
    end = min(last, pages.file[number, fi.SIZE])
    if own[S_CALL] == 0:
        spend(pages, st.BY_FILE, pages.cost[st.C_SYSCALL])
    while index < end:
        own[S_CALL] = index - begin
        n = gather(pages, first, index, last)
        if n == 0:
            code = make_present(m, own, o, number, index, last)
            if code != DONE:
                return code
            n = gather(pages, first, index, last)
        at = index + n - 1
        f = int64(pages.cache[first + at]) - 1
        if is_marked(pages, f):
            code = page_marked(m, own, o, number, f, at, last - at)
            if code != DONE:
                return code
        if pages.frame[f, st.FLAGS] & st.LOCKED:
            return wait_for(pages, own, first + at)
        use_batch(m, o, first, index, n)
        index += n
    own[S_CALL] = 0
    own[S_RECLAIMED_FOR] = 0
    end_wait(pages, own)
    return DONE


@outlined(int64(machine_t, Numbers, int64, int64, int64))
def page_for_writing(m, own, number, q, partial):
    """The page that a write goes to is in memory and up to date: DONE, or what has to be waited for."""
    pages = m.pages
    entry = int64(pages.cache[q])
    if entry > 0:
        return wait_for(pages, own, q) if pages.frame[entry - 1, st.FLAGS] & st.LOCKED else DONE
    row = pages.file[number]
    if partial and q - row[fi.FIRST] < row[fi.SIZE]:
        code = read_one(m, own, q)
        if code != DONE:
            return code
        locked = pages.frame[int64(pages.cache[q]) - 1, st.FLAGS] & st.LOCKED
        return wait_for(pages, own, q) if locked else DONE
    f = ask_charged(pages, st.FILE)
    if f < 0:
        return NEED_RECLAIM
    spend(pages, st.BY_FILE, pages.cost[st.C_ALLOC])
    add_page(m, q, f, 0)
    return DONE


@compiled(void(pages_t, Numbers, int64, int64))
def dirtied(pages, own, q, f):
    """A process wrote to a file page: it is dirty, and the process's account of dirtying grows if it was not."""
    if set_dirty(pages, q, f):
        own[S_DIRTIED] += 1
        pages.num[fi.CPU_DIRTIED] += 1


@outlined(int64(machine_t, Numbers, int64, int64))
def write_call(m, own, process, op_page):
    """One write(): DONE, WAIT_READ, NEED_RECLAIM or THROTTLE."""
    pages = m.pages
    q = pages.proc[process, st.FILE_BASE] + (op_page & MASK)
    number = file_of(pages, q)
    row = pages.file[number]
    open_file(pages, process, number)
    partial = 1 if op_page & PARTIAL else 0
    count = ((op_page >> COUNT_SHIFT) & COUNT_MASK) + 1
    cost = pages.cost
    if own[S_CALL] == 0:
        spend(pages, st.BY_FILE, cost[st.C_SYSCALL])
    while True:
        if must_pause(pages, own):
            return THROTTLE
        done = own[S_CALL]
        if done == count:
            own[S_CALL] = 0
            end_wait(pages, own)
            return DONE
        code = page_for_writing(m, own, number, q + done, partial)
        if code != DONE:
            return code
        f = int64(pages.cache[q + done]) - 1
        if pages.num[fi.BUFFERS_ON_WRITE]:
            need_buffers(pages, f)
        dirtied(pages, own, q + done, f)
        row[fi.SIZE] = max(row[fi.SIZE], q + done + 1 - row[fi.FIRST])
        spend(pages, st.BY_FILE, cost[st.C_LOOKUP] + cost[st.C_USER_KIB] * (pages.num[st.PAGE_SIZE] >> 10))
        own[S_CALL] = done + 1


@compiled(int64(machine_t, int64, int64))
def invalidate_file(m, number, clock):
    """Advice "do not need": pages that are clean, unmapped and not in use leave memory; returns the clock after it."""
    pages = m.pages
    pages.num[st.CLOCK] = clock
    row = pages.file[number]
    busy = st.DIRTY | st.WRITEBACK | st.LOCKED | st.AWAITED
    for q in range(row[fi.FIRST], row[fi.FIRST] + row[fi.SIZE]):
        f = int64(pages.cache[q]) - 1
        if f >= 0 and not pages.frame[f, st.FLAGS] & busy and pages.frame[f, st.MAPS] == 0:
            forget_page(m, q, f, -1)
            spend(pages, st.BY_FILE, pages.cost[st.C_FREE])
        else:
            forget_shadow(pages, q)
    return pages.num[st.CLOCK]
