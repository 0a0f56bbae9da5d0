"""Dirty file pages: becoming dirty, the lists of dirty files, being written, written (Linux 6.1 mm/page-writeback.c, fs/fs-writeback.c).

A page is dirty, then under writeback, then clean; it can become dirty again while it is being written.  A file with dirty pages is on
one of three lists: dirty (by the time of its first dirtying), io (being worked on), more (had its turn, has more).
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.frames import note, spend
from models.memory.pagecache import file_of, queue_file_io
from models.memory.state import machine_t, pages_t
from models.vmstat import NR_DIRTIED, NR_DIRTY, NR_WRITEBACK, NR_WRITTEN, NR_ZONE_WRITE_PENDING, PGPGIN, PGPGOUT


@compiled(void(pages_t, int64, int64))
def list_add(pages, number, which):
    """Put a file at the head of a list."""
    file, num = pages.file, pages.num
    heads = fi.LIST_HEADS + 2 * (which - 1)
    first = num[heads]
    file[number, fi.LIST] = which
    file[number, fi.LIST_NEXT] = first
    file[number, fi.LIST_PREV] = 0
    if first > 0:
        file[first - 1, fi.LIST_PREV] = number + 1
    else:
        num[heads + 1] = number + 1
    num[heads] = number + 1


@compiled(void(pages_t, int64))
def list_remove(pages, number):
    """Take a file off the list that it is on; the one that the flusher is at is on none."""
    if pages.file[number, fi.LIST] == fi.NO_LIST or pages.file[number, fi.LIST] == fi.AT_WORK:
        return
    file, num = pages.file, pages.num
    heads = fi.LIST_HEADS + 2 * (file[number, fi.LIST] - 1)
    after, before = file[number, fi.LIST_NEXT], file[number, fi.LIST_PREV]
    if before > 0:
        file[before - 1, fi.LIST_NEXT] = after
    else:
        num[heads] = after
    if after > 0:
        file[after - 1, fi.LIST_PREV] = before
    else:
        num[heads + 1] = before
    file[number, fi.LIST] = fi.NO_LIST


@compiled(int64(pages_t, int64))
def list_tail(pages, which):
    """The file that has been on a list longest, or -1."""
    return pages.num[fi.LIST_HEADS + 2 * (which - 1) + 1] - 1


@outlined(int64(pages_t, int64, int64))
def set_dirty(pages, q, f):
    """File page q is dirty; 1 if it was not."""
    flags = int64(pages.frame[f, st.FLAGS])
    if flags & st.DIRTY:
        return 0
    num, vmstat = pages.num, pages.vmstat
    number = file_of(pages, q)
    row = pages.file[number]
    pages.frame[f, st.FLAGS] = flags | st.DIRTY
    pages.leaf[q >> fi.LEAF_SHIFT, fi.LEAF_DIRTY] += 1
    row[fi.DIRTY_PAGES] += 1
    vmstat[NR_DIRTY] += 1
    vmstat[NR_DIRTIED] += 1
    vmstat[NR_ZONE_WRITE_PENDING] += 1
    if row[fi.LIST] == fi.NO_LIST:
        row[fi.DIRTIED_AT] = num[st.CLOCK]
        if num[fi.LIST_HEADS] == 0:
            num[fi.FLUSH] |= fi.FLUSH_TIMER
        list_add(pages, number, fi.DIRTY_LIST)
    note(pages, st.E_FILE_DIRTY, q, f, -1, 0)
    return 1


@compiled(void(pages_t, int64, int64))
def clear_dirty(pages, q, f):
    """File page q is no longer dirty."""
    pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) & ~st.DIRTY
    pages.leaf[q >> fi.LEAF_SHIFT, fi.LEAF_DIRTY] -= 1
    pages.file[file_of(pages, q), fi.DIRTY_PAGES] -= 1
    pages.vmstat[NR_DIRTY] -= 1
    pages.vmstat[NR_ZONE_WRITE_PENDING] -= 1


@compiled(void(pages_t, int64))
def write_protect(pages, f):
    """The next write through any mapping is to be a fault again; what the mappings dirtied so far is being written."""
    mapping = int64(pages.frame[f, st.MAPS])
    while mapping > 0:
        pages.pte[mapping - 1] &= ~(st.PTE_WRITE | st.PTE_DIRTY)
        mapping = int64(pages.maps[mapping - 1, fi.MAP_NEXT])


@outlined(void(pages_t, int64, int64))
def start_writeback(pages, q, f):
    """Dirty page q goes under writeback; the caller queues the request."""
    clear_dirty(pages, q, f)
    write_protect(pages, f)
    pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) & ~st.TO_WRITE | st.WRITEBACK
    pages.file[file_of(pages, q), fi.BEING_WRITTEN] += 1
    pages.num[fi.FILE_WRITEBACK] += 1
    pages.vmstat[NR_WRITEBACK] += 1
    pages.vmstat[NR_ZONE_WRITE_PENDING] += 1
    note(pages, st.E_FILE_WRITE, q, f, -1, 0)


@outlined(void(pages_t, int64, int64))
def write_one(pages, q, f):
    """Reclaim writes a single page; neighbours asked for one after another become one request."""
    start_writeback(pages, q, f)
    last = pages.num[st.RING] - 1
    if last >= 0:
        row = pages.ring[last]
        joins = row[st.IO_FILE] == 1 and row[st.IO_WRITE] == 1 and row[st.IO_FIRST] + row[st.IO_COUNT] == q
        if joins and row[st.IO_COUNT] < pages.num[fi.IO_PAGES] and file_of(pages, row[st.IO_FIRST]) == file_of(pages, q):
            row[st.IO_COUNT] += 1
            return
    queue_file_io(pages, 1, q, 1)


@compiled(int64(pages_t, int64))
def tag_dirty(pages, number):
    """An fsync begins: mark the pages of a file that are dirty now; returns how many."""
    row = pages.file[number]
    found = 0
    for at in range(row[fi.FIRST] >> fi.LEAF_SHIFT, (row[fi.FIRST] + row[fi.SIZE] + fi.LEAF_PLACES - 1) >> fi.LEAF_SHIFT):
        if pages.leaf[at, fi.LEAF_DIRTY] == 0:
            continue
        for q in range(at << fi.LEAF_SHIFT, min(at + 1 << fi.LEAF_SHIFT, pages.cache.shape[0])):
            f = int64(pages.cache[q]) - 1
            if f >= 0 and pages.frame[f, st.FLAGS] & st.DIRTY:
                pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.TO_WRITE
                found += 1
    return found


@outlined(int64(pages_t, int64, int64, int64, int64))
def write_stretch(pages, number, index, budget, tagged):
    """Write up to `budget` dirty pages of a file in ascending order from page `index` on.

    Returns the page after the last one written, or -1 if no dirty page is left up to the file's end; num[SCRATCH] is how many were
    written.  Pages under writeback are left alone.  tagged: only pages that an fsync has tagged, and it stops in front of one that is
    still under writeback.
    """
    num, cache, frame = pages.num, pages.cache, pages.frame
    row = pages.file[number]
    first, room = row[fi.FIRST], pages.num[st.RING]
    written, begin, length = int64(0), int64(0), int64(0)
    q, end = first + index, first + row[fi.SIZE]
    while q < end and written < budget and room < st.RING_SIZE - 8:
        if pages.leaf[q >> fi.LEAF_SHIFT, fi.LEAF_DIRTY] == 0:
            q = ((q >> fi.LEAF_SHIFT) + 1) << fi.LEAF_SHIFT
            continue
        f = int64(cache[q]) - 1
        flags = int64(frame[f, st.FLAGS]) if f >= 0 else int64(0)
        if tagged and flags & st.TO_WRITE == 0:
            q += 1
            continue
        if tagged and flags & st.WRITEBACK:
            break
        if flags & st.DIRTY and not flags & (st.WRITEBACK | st.LOCKED):
            start_writeback(pages, q, f)
            spend(pages, st.BY_IO, pages.cost[st.C_LOOKUP])
            written += 1
            if length > 0 and q == begin + length and length < num[fi.IO_PAGES]:
                length += 1
            else:
                if length > 0:
                    queue_file_io(pages, 1, begin, length)
                begin, length = q, int64(1)
                room += 1
        q += 1
    if length > 0:
        queue_file_io(pages, 1, begin, length)
    num[fi.SCRATCH] = written
    return q - first if q < end else int64(-1)


@outlined(int64(machine_t, int64, int64))
def file_read_done(m, first, count):
    """A device read of file pages ended: they are up to date."""
    pages = m.pages
    for q in range(first, first + count):
        f = int64(pages.cache[q]) - 1
        pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) & ~st.LOCKED
        note(pages, st.E_FILE_READ_DONE, q, f, -1, 0)
    pages.vmstat[PGPGIN] += count * (pages.num[st.PAGE_SIZE] >> 10)
    return 0


@outlined(int64(machine_t, int64, int64))
def file_write_done(m, first, count):
    """A device write of file pages ended: they are clean unless dirtied since; one that reclaim met moves to the inactive tail."""
    pages = m.pages
    vmstat = pages.vmstat
    for q in range(first, first + count):
        f = int64(pages.cache[q]) - 1
        flags = int64(pages.frame[f, st.FLAGS])
        pages.frame[f, st.FLAGS] = flags & ~(st.WRITEBACK | st.RECLAIM)
        note(pages, st.E_FILE_WRITTEN, q, f, -1, 0)
        if flags & st.RECLAIM and not flags & st.DIRTY:
            m.putback(m.policy, pages, f, st.ROTATE)
    row = pages.file[file_of(pages, first)]
    row[fi.BEING_WRITTEN] -= count
    pages.num[fi.FILE_WRITEBACK] -= count
    pages.num[fi.FILES_WRITTEN] += count
    vmstat[NR_WRITEBACK] -= count
    vmstat[NR_ZONE_WRITE_PENDING] -= count
    vmstat[NR_WRITTEN] += count
    vmstat[PGPGOUT] += count * (pages.num[st.PAGE_SIZE] >> 10)
    return 0
