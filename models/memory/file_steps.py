"""Steps on whole files that an actor takes: truncation, advice."""

from __future__ import annotations

from numba import int64

from models.jit import compiled
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.dirty import clear_dirty, list_remove
from models.memory.filemap import unmap_page
from models.memory.frames import spend
from models.memory.op_state import DONE, S_RECLAIMED_FOR
from models.memory.pagecache import forget_page, forget_shadow
from models.memory.readahead import forced, open_file
from models.memory.rmap import process_of
from models.memory.rounds import report
from models.memory.state import Numbers, machine_t

RANDOM, SEQUENTIAL = 1, 2  # models.workloads.stream.ADVICES


@compiled(int64(machine_t, int64, int64, int64))
def drop_file(m, number, clock, kept):
    """Free all pages and traces of a file; returns the first file page that is under I/O (to be waited for, then again), or -1.

    kept: 1 if the file stays on its device as it is there, 0 if it has no length any more.
    """
    pages = m.pages
    num = pages.num
    num[st.CLOCK] = clock
    row = pages.file[number]
    waits = int64(-1)
    if num[fi.CLEAN_CACHE]:
        m.flush_file(m.backend, pages, number)
    q, end = row[fi.FIRST], row[fi.FIRST] + row[fi.ROOM]
    while q < end:
        if pages.leaf[q >> fi.LEAF_SHIFT, fi.LEAF_ENTRIES] == 0:
            q = ((q >> fi.LEAF_SHIFT) + 1) << fi.LEAF_SHIFT
            continue
        f = int64(pages.cache[q]) - 1
        if f < 0:
            forget_shadow(pages, q)
        elif pages.frame[f, st.FLAGS] & (st.WRITEBACK | st.LOCKED):
            if waits < 0:
                waits = q
        else:
            while pages.frame[f, st.MAPS] > 0:
                p = int64(pages.frame[f, st.MAPS]) - 1
                unmap_page(m, process_of(pages, p), p, 0)
            if pages.frame[f, st.FLAGS] & st.DIRTY:
                clear_dirty(pages, q, f)
            forget_page(m, q, f, -1)
            spend(pages, st.BY_FILE, pages.cost[st.C_FREE])
        q += 1
    if num[fi.CLEAN_CACHE]:
        m.flush_file(m.backend, pages, number)
    if row[fi.DIRTY_PAGES] == 0:
        list_remove(pages, number)
    if waits < 0:
        row[fi.SIZE] = row[fi.SIZE] if kept else 0
        row[fi.CURSOR] = 0
    return waits


@compiled(int64(machine_t, int64, int64, int64))
def set_advice(m, process, number, advice):
    """How the process will read a file: the window's limit, and whether only what is asked for is read."""
    pages = m.pages
    row = pages.opens[open_file(pages, process, number)]
    limit = pages.num[fi.READAHEAD_PAGES]
    row[fi.RANDOM_READS] = 1 if advice == RANDOM else 0
    if advice != RANDOM:
        row[fi.LIMIT] = 2 * limit if advice == SEQUENTIAL else limit
    return 0


@compiled(int64(machine_t, Numbers, int64, int64, int64))
def read_ahead(m, own, process, number, now):
    """Advice "will need": start reading the file as far as one such call reads; reports DONE or NEED_RECLAIM."""
    pages = m.pages
    pages.num[st.CLOCK] = now
    code = forced(m, own, open_file(pages, process, number), number, 0, pages.file[number, fi.SIZE])
    if code == DONE:
        own[S_RECLAIMED_FOR] = 0
    return report(pages, code, now)
