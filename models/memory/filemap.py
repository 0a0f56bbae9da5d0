"""Faults of virtual pages that map a file (Linux 6.1 mm/filemap.c, mm/memory.c): read-around, fault-around, writes, unmapping.

A fault that had to wait for I/O is started again from its beginning and counts twice in pgfault, as in Linux.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.charge import ask_charged
from models.memory.dirty import set_dirty
from models.memory.fileio import dirtied, end_wait, read_one, wait_for
from models.memory.frames import give_frame, note, spend
from models.memory.groups import S_MAJFAULT
from models.memory.latency import finish_fault
from models.memory.op_state import (
    DONE,
    NEED_RECLAIM,
    S_DIRTIED,
    S_FAULT_KIND,
    S_RECLAIMED_FOR,
    S_TRIED,
    THROTTLE,
)
from models.memory.pagecache import file_of, is_marked, need_buffers
from models.memory.readahead import open_file, page_marked, page_missing, read_around
from models.memory.rmap import add_mapping, area_of, is_sequential, remove_mapping
from models.memory.state import Numbers, machine_t, pages_t
from models.memory.tables import add_table_entry, table_block
from models.memory.throttle import must_pause
from models.vmstat import NR_ANON_PAGES, PGFAULT, PGMAJFAULT

FRESH, COUNTED, AGAIN, RETRIED = range(4)  # S_TRIED: nothing yet; counted as a fault; to be started again after I/O; that is counted


@outlined(void(pages_t, int64, int64, int64, int64, int64))
def map_page(pages, process, where, p, f, write):
    """Virtual page p maps file frame f; a mapping made for a read is read-only."""
    flags = pages.area[where, fi.AREA_FLAGS]
    bits = st.PTE_PRESENT | st.PTE_ACCESSED | (st.PTE_WRITE | st.PTE_DIRTY if write else 0)
    pages.pte[p] = f << st.PTE_SHIFT | bits
    pages.table[table_block(pages, p), 0] += 1
    add_mapping(pages, f, p)
    mark = (st.EXECUTABLE if flags & fi.EXECUTABLE else 0) | (st.SEQUENTIAL if flags & fi.SEQUENTIAL else 0)
    pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | mark
    pages.proc[process, st.RSS_FILE] += 1
    note(pages, st.E_FILE_MAP, p, f, -1, write)


@outlined(void(machine_t, int64, int64, int64))
def unmap_page(m, process, p, use):
    """Virtual page p no longer maps its file page; `use`: the process ends or unmaps, so a young mapping counts as an access."""
    pages = m.pages
    entry = int64(pages.pte[p])
    f = entry >> st.PTE_SHIFT
    if entry & st.PTE_DIRTY:
        set_dirty(pages, int64(pages.frame[f, st.PAGE]), f)
    if use and entry & st.PTE_ACCESSED and not is_sequential(pages, f, p):
        m.accessed(m.policy, pages, f)
    pages.pte[p] = 0
    pages.table[table_block(pages, p), 0] -= 1
    pages.proc[process, st.RSS_FILE] -= 1
    remove_mapping(pages, f, p)


@outlined(int64(pages_t, int64, int64, int64, int64))
def map_around(pages, o, process, where, p):
    """Map the pages in memory of the aligned block around virtual page p; 1 if p is mapped now."""
    num, pte, cache = pages.num, pages.pte, pages.cache
    area, row = pages.area[where], pages.opens[o]
    around = num[fi.FAULT_AROUND]
    if around <= 1:
        return 0
    number = area[fi.AREA_FILE]
    base = pages.proc[process, st.FIRST_PAGE]  # address spaces begin at a multiple of a page table, so blocks do not cross one
    low = max(base + (p - base) // around * around, area[fi.AREA_START])
    high = min(base + (p - base) // around * around + around, area[fi.AREA_START] + area[fi.AREA_PAGES])
    shift = pages.file[number, fi.FIRST] + area[fi.AREA_OFFSET] - area[fi.AREA_START]
    end = pages.file[number, fi.FIRST] + pages.file[number, fi.SIZE]
    for v in range(low, high):
        f = int64(cache[v + shift]) - 1 if v + shift < end else int64(-1)
        if f < 0 or pages.frame[f, st.FLAGS] & st.LOCKED or is_marked(pages, f):
            continue
        if row[fi.MISSES] > 0:
            row[fi.MISSES] -= 1
        if pte[v] == 0:
            map_page(pages, process, where, v, f, 0)
            spend(pages, st.BY_FAULT, pages.cost[st.C_LOOKUP])
    return 1 if pte[p] > 0 else 0


@compiled(int64(machine_t, Numbers, int64, int64, int64, int64))
def read_missing(m, own, o, number, index, advice):
    """The mapped page is not in memory: readahead by the mapping's advice, else that page alone."""
    pages = m.pages
    if own[S_FAULT_KIND] != st.H_MAJOR and own[S_TRIED] < AGAIN:
        own[S_FAULT_KIND] = st.H_MAJOR
        pages.vmstat[PGMAJFAULT] += 1
        pages.cgroup[pages.num[st.ACTING], S_MAJFAULT] += 1
        spend(pages, st.BY_FAULT, pages.cost[st.C_MAJOR])
    limit = pages.opens[o, fi.LIMIT]
    code = DONE
    if limit > 0 and not advice & fi.RANDOM:
        if advice & fi.SEQUENTIAL:
            code = page_missing(m, own, o, number, index, limit)
        else:
            code = read_around(m, own, o, number, index)
    if code != DONE:
        return code
    q = pages.file[number, fi.FIRST] + index
    return DONE if pages.cache[q] > 0 else read_one(m, own, q)


@outlined(int64(machine_t, Numbers, int64, int64, int64, int64))
def find_page(m, own, o, number, index, advice):
    """Bring the mapped page into memory and up to date: DONE, WAIT_READ or NEED_RECLAIM."""
    pages = m.pages
    q = pages.file[number, fi.FIRST] + index
    if pages.cache[q] <= 0:
        code = read_missing(m, own, o, number, index, advice)
        if code != DONE:
            return code
    elif own[S_TRIED] < AGAIN and pages.opens[o, fi.LIMIT] > 0 and not advice & fi.RANDOM:
        row = pages.opens[o]
        if row[fi.MISSES] > 0:
            row[fi.MISSES] -= 1
        f = int64(pages.cache[q]) - 1
        if is_marked(pages, f):
            code = page_marked(m, own, o, number, f, index, row[fi.LIMIT])
            if code != DONE:
                return code
            own[S_TRIED] = RETRIED  # I/O was started: Linux runs the fault again
            pages.vmstat[PGFAULT] += 1
    f = int64(pages.cache[q]) - 1
    if pages.frame[f, st.FLAGS] & st.LOCKED:
        if own[S_TRIED] < AGAIN:
            own[S_TRIED] = AGAIN
        return wait_for(pages, own, q)
    return DONE


@outlined(void(machine_t, int64, int64, int64, int64))
def copy_page(m, process, p, f, new):
    """A write to a private mapping: p gets anonymous frame `new`, a copy of file frame f."""
    pages = m.pages
    spend(pages, st.BY_FAULT, pages.cost[st.C_USER_KIB] * (pages.num[st.PAGE_SIZE] >> 10))
    if pages.pte[p] > 0:
        unmap_page(m, process, p, 0)
    pages.frame[new, st.PAGE] = p
    pages.pte[p] = new << st.PTE_SHIFT | st.PTE_PRESENT | st.PTE_ACCESSED | st.PTE_WRITE | st.PTE_DIRTY
    pages.table[table_block(pages, p), 0] += 1
    m.insert(m.policy, pages, new, -1)
    pages.vmstat[NR_ANON_PAGES] += 1
    pages.proc[process, st.RSS] += 1
    note(pages, st.E_TOUCH, p, new, -1, 1)


@compiled(int64(machine_t, Numbers, int64, int64, int64, int64))
def write_shared(m, own, process, where, p, f):
    """A write through a shared mapping: the page is dirty and mapped writable; THROTTLE if the writer then has to pause."""
    pages = m.pages
    if pages.pte[p] == 0:
        map_page(pages, process, where, p, f, 1)
    else:
        pages.pte[p] |= st.PTE_WRITE | st.PTE_DIRTY | st.PTE_ACCESSED
    if pages.num[fi.BUFFERS_ON_WRITE]:
        need_buffers(pages, f)
    q = int64(pages.frame[f, st.PAGE])
    pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) & ~st.RECLAIM
    row = pages.file[file_of(pages, q)]
    row[fi.SIZE] = max(row[fi.SIZE], q + 1 - row[fi.FIRST])  # Linux would kill the process: here the page has to be written some time
    dirtied(pages, own, q, f)
    return THROTTLE if own[S_DIRTIED] > 0 and must_pause(pages, own) else DONE


@compiled(int64(pages_t, Numbers))
def end_fault(pages, own):
    """The fault is over: its cost and its latency."""
    spend(pages, st.BY_FAULT, pages.cost[st.C_FAULT])
    finish_fault(pages, own, st.H_MINOR)
    own[S_TRIED] = FRESH
    own[S_RECLAIMED_FOR] = 0
    end_wait(pages, own)
    return DONE


@outlined(int64(machine_t, Numbers, int64, int64, int64, int64))
def file_fault(m, own, process, where, p, write):
    """A fault of virtual page p, which is in area `where` and not mapped, or mapped read-only and written to."""
    pages = m.pages
    area = pages.area[where]
    advice = area[fi.AREA_FLAGS]
    if advice & (fi.RANDOM | fi.SEQUENTIAL):
        pages.num[st.IN_FAULT] = 0
    number = area[fi.AREA_FILE]
    index = p - area[fi.AREA_START] + area[fi.AREA_OFFSET]
    if add_table_entry(pages, p) == 0:
        return NEED_RECLAIM
    o = open_file(pages, process, number)
    if own[S_TRIED] == FRESH or own[S_TRIED] == AGAIN:
        pages.vmstat[PGFAULT] += 1
        own[S_TRIED] += 1
    if write == 0 and map_around(pages, o, process, where, p):
        return end_fault(pages, own)
    copy = int64(-1)
    if write and not advice & fi.SHARED:  # before the page is looked for, or getting the one could take the other away for ever
        copy = ask_charged(pages, st.ANON)
        if copy < 0:
            return NEED_RECLAIM
        spend(pages, st.BY_FAULT, pages.cost[st.C_ALLOC])
    if pages.pte[p] == 0:
        tried = own[S_TRIED]
        code = find_page(m, own, o, number, index, advice)
        if code != DONE:
            if copy >= 0:
                give_frame(pages, copy)
            return code
        if own[S_TRIED] != tried and write == 0 and map_around(pages, o, process, where, p):
            return end_fault(pages, own)  # the mark has started a read: the fault was run again
        f = int64(pages.cache[pages.file[number, fi.FIRST] + index]) - 1
    else:
        f = int64(pages.pte[p]) >> st.PTE_SHIFT
    if write == 0:
        map_page(pages, process, where, p, f, 0)
    elif advice & fi.SHARED:
        if write_shared(m, own, process, where, p, f) == THROTTLE:
            end_fault(pages, own)
            return THROTTLE
    else:
        copy_page(m, process, p, f, copy)
    return end_fault(pages, own)


@compiled(int64(machine_t, Numbers, int64, int64, int64))
def maybe_file_fault(m, own, process, p, write):
    """The code of the fault if p maps a file, else -1."""
    if m.pages.proc[process, st.AREAS] == 0:
        return -1
    where = area_of(m.pages, process, p)
    return file_fault(m, own, process, where, p, write) if where >= 0 else -1
