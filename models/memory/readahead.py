"""Readahead of files (Linux 6.1 mm/readahead.c): which pages are read when one is missing or carries the mark.

A window's first pages are wanted now, its last `async` pages ahead of need; the first of those carries the mark, and whoever
touches it asks for the next window.  One record per process and file.  A file system with pages of one size (ext4).
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.charge import ask_charged, short_of
from models.memory.frames import note, spend
from models.memory.op_state import DONE, NEED_RECLAIM, S_LEFT_COUNT, S_LEFT_FIRST, S_LEFT_MARK, S_RECLAIMED_FOR
from models.memory.pagecache import add_page, fill_from_clean_cache, need_buffers, queue_file_io, use_inode
from models.memory.state import Numbers, machine_t, pages_t

FORCED_STRETCH = 512  # a forced readahead goes on in pieces of 2 MiB
MISSES_OFF = 100  # mapped readahead stops above
MISSES_MOST = 1000
NONE = -1


@outlined(int64(pages_t, int64, int64))
def open_file(pages, process, number):
    """The row of the process's record of a file; a new one starts with the device's window."""
    proc, opens = pages.proc, pages.opens
    r = proc[process, st.OPEN_FIRST] + number % proc[process, st.OPENS]
    row = opens[r]
    if row[fi.OPEN_FILE] != number + 1:
        use_inode(pages, number)
        row[:] = 0
        row[fi.OPEN_FILE] = number + 1
        row[fi.PREVIOUS] = -1
        row[fi.LAST] = -2
        row[fi.LIMIT] = pages.num[fi.READAHEAD_PAGES]
    return r


@compiled(int64(int64, int64))
def first_window(wanted, most):
    """Pages of a stream's first window."""
    size = 1
    while size < wanted:
        size *= 2
    if size <= most // 32:
        return size * 4
    if size <= most // 4:
        return size * 2
    return most


@compiled(int64(int64, int64))
def next_window(size, most):
    """Pages of the window after one of `size`."""
    if size < most // 16:
        return 4 * size
    if size <= most // 2:
        return 2 * size
    return most


@compiled(int64(pages_t, int64, int64, int64))
def missing(pages, first, start, count):
    """Pages of a file's range that are not in memory."""
    n = 0
    for q in range(first + start, first + start + count):
        if pages.cache[q] <= 0:
            n += 1
    return n


@outlined(int64(machine_t, int64, int64, int64))
def bring(m, q, mark, single):
    """Take a frame for a missing file page and fill it: 1 if a device read is needed, 0 if not, -1 without a frame."""
    pages = m.pages
    f = ask_charged(pages, st.FILE)
    if f < 0:
        return -1
    spend(pages, st.BY_FILE, pages.cost[st.C_ALLOC])
    add_page(m, q, f, 1)
    flags = int64(pages.frame[f, st.FLAGS]) | st.FROM_DISK | (st.RECLAIM if mark else 0)
    pages.frame[f, st.FLAGS] = flags
    if single and pages.num[fi.BUFFERS_ON_READ]:
        need_buffers(pages, f)
    if fill_from_clean_cache(m, q, f):
        return 0
    spend(pages, st.BY_FILE, pages.cost[st.C_READ_PAGE])
    pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.LOCKED
    note(pages, st.E_FILE_READ, q, f, -1, mark)
    return 1


@outlined(void(machine_t, Numbers, int64, int64, int64))
def read_range(m, own, first, count, mark):
    """Read the pages of a range that are missing, as far as there is memory; `mark`: the file page that gets the mark, or -1.

    A page that wakes kswapd is the last one for now, so that kswapd may run before the next one is asked for; `go_on` reads the rest.
    """
    pages = m.pages
    begin, length = int64(0), int64(0)
    for q in range(first, first + count):
        if pages.cache[q] > 0:
            continue
        found = bring(m, q, 1 if q == mark else 0, 0)
        if found < 0:
            break
        if found == 0:
            continue
        if length > 0 and q == begin + length:
            length += 1
        else:
            if length > 0:
                queue_file_io(pages, 0, begin, length)
            begin, length = int64(q), int64(1)
        if pages.num[st.WAKE]:
            own[S_LEFT_FIRST], own[S_LEFT_COUNT], own[S_LEFT_MARK] = q + 1, first + count - q - 1, mark
            break
    if length > 0:
        queue_file_io(pages, 0, begin, length)


@outlined(void(machine_t, Numbers))
def go_on(m, own):
    """Go on with a range that was broken off."""
    count, own[S_LEFT_COUNT] = own[S_LEFT_COUNT], 0
    read_range(m, own, own[S_LEFT_FIRST], count, own[S_LEFT_MARK])


@outlined(int64(machine_t, Numbers, int64, int64, int64, int64))
def submit(m, own, number, start, size, ahead):
    """Read a window of a file, cut at its end, with the mark `ahead` pages before the window's end.

    NEED_RECLAIM, before anything changed, if memory is short: the caller reclaims once and comes again; then what there is
    memory for is read, and the rest forgotten.
    """
    pages = m.pages
    row = pages.file[number]
    count = min(size, row[fi.SIZE] - start)
    if count <= 0:
        return DONE
    if own[S_RECLAIMED_FOR] == 0 and short_of(pages, pages.num[st.ACTING], missing(pages, row[fi.FIRST], start, count), 0):
        own[S_RECLAIMED_FOR] = 1
        return NEED_RECLAIM
    own[S_RECLAIMED_FOR] = 0
    at = count - ahead
    mark = row[fi.FIRST] + start + at if 0 <= at < count else int64(NONE)
    read_range(m, own, row[fi.FIRST] + start, count, mark)
    return DONE


@outlined(int64(machine_t, Numbers, int64, int64, int64, int64))
def forced(m, own, o, number, start, count):
    """Read exactly these pages, without a mark, in pieces."""
    count = min(count, max(m.pages.num[fi.IO_PAGES], m.pages.opens[o, fi.LIMIT]))
    done = 0
    while done < count:
        n = min(count - done, FORCED_STRETCH)
        if done > 0:
            own[S_RECLAIMED_FOR] = 1  # reclaim was for the first piece: to come again would begin anew
        code = submit(m, own, number, start + done, n, 0)
        if code != DONE:
            return code
        done += n
    return DONE


@compiled(int64(pages_t, int64, int64, int64))
def cached_before(pages, first, index, most):
    """Pages in memory directly before `index`; at most `most` are looked at, the last of which only ends the count."""
    n = 0
    while n < index and pages.cache[first + index - 1 - n] > 0:
        n += 1
        if n == most:
            return most - 1
    return n


@compiled(int64(pages_t, int64, int64, int64))
def first_hole(pages, number, index, most):
    """The first page behind `index` that is not in memory, looking at `most` pages."""
    row = pages.file[number]
    for i in range(index + 1, index + 1 + most):
        if i >= row[fi.ROOM] or pages.cache[row[fi.FIRST] + i] <= 0:
            return i
    return index + most


@outlined(int64(machine_t, Numbers, int64, int64, int64, int64, int64, int64, int64))
def read_window(m, own, o, number, index, start, size, ahead, most):
    """Record a decision and read it; a window whose mark would be on the page wanted now takes in the next one."""
    pages = m.pages
    if index == start and size == ahead:
        more = next_window(size, most)
        if size + more <= most:
            ahead = more
            size += more
        else:
            size = most
            ahead = most // 2
    code = submit(m, own, number, start, size, ahead)
    if code == DONE:
        row = pages.opens[o]
        row[fi.START] = start
        row[fi.WINDOW] = size
        row[fi.ASYNC] = ahead
    return code


@outlined(int64(machine_t, Numbers, int64, int64, int64, int64, int64))
def decide(m, own, o, number, index, wanted, marked):
    """What to read for page `index` of a file, of which `wanted` pages are asked for: DONE, or NEED_RECLAIM with nothing changed.

    marked: the page is there and carries the mark, otherwise it is missing.
    """
    pages = m.pages
    row = pages.opens[o]
    first = pages.file[number, fi.FIRST]
    most = row[fi.LIMIT]
    if wanted > most and pages.num[fi.IO_PAGES] > most:
        most = min(wanted, pages.num[fi.IO_PAGES])
    initial = index == 0
    if not initial:
        start, size = row[fi.START], row[fi.WINDOW]
        if index == start + size - row[fi.ASYNC] or index == start + size:
            grown = max(size, next_window(size, most))
            return read_window(m, own, o, number, index, start + size, grown, grown, most)
        if marked:
            hole = first_hole(pages, number, index, most)
            if hole - index > most:
                return DONE
            size = next_window(hole - index + wanted, most)
            return read_window(m, own, o, number, index, hole, size, size, most)
        initial = wanted > most or 0 <= index - row[fi.PREVIOUS] <= 1
    if initial:
        size = first_window(wanted, most)
        return read_window(m, own, o, number, index, index, size, size - wanted if size > wanted else size, most)
    before = cached_before(pages, first, index, most)
    if before > wanted:
        if before >= index:
            before *= 2
        return read_window(m, own, o, number, index, index, min(before + wanted, most), 1, most)
    return submit(m, own, number, index, wanted, 0)


@outlined(int64(machine_t, Numbers, int64, int64, int64, int64))
def page_missing(m, own, o, number, index, wanted):
    """Readahead for a page that is not there (synchronous)."""
    row = m.pages.opens[o]
    if row[fi.LIMIT] == 0:
        return forced(m, own, o, number, index, 1)
    if row[fi.RANDOM_READS]:
        return forced(m, own, o, number, index, wanted)
    return decide(m, own, o, number, index, wanted, 0)


@outlined(int64(machine_t, Numbers, int64, int64, int64, int64, int64))
def page_marked(m, own, o, number, f, index, wanted):
    """Readahead for a page that carries the mark (asynchronous); the mark is taken off."""
    pages = m.pages
    if pages.opens[o, fi.LIMIT] == 0:
        return DONE
    code = decide(m, own, o, number, index, wanted, 1)
    if code == DONE:
        pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) & ~st.RECLAIM
    return code


@outlined(int64(machine_t, Numbers, int64, int64, int64))
def read_around(m, own, o, number, index):
    """Readahead for a mapped page that is not there: the window lies around it."""
    row = m.pages.opens[o]
    limit = row[fi.LIMIT]
    if row[fi.MISSES] < MISSES_MOST:
        row[fi.MISSES] += 1
    if row[fi.MISSES] > MISSES_OFF:
        return DONE
    start = max(0, index - limit // 2)
    code = submit(m, own, number, start, limit, limit // 4)
    if code == DONE:
        row[fi.START] = start
        row[fi.WINDOW] = limit
        row[fi.ASYNC] = limit // 4
    else:
        row[fi.MISSES] -= 1
    return code
