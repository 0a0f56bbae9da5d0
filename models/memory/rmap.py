"""Which virtual pages map a file's page, and finding one's area and process (Linux 6.1 mm/rmap.c, mm/memory.c).

An anonymous page has one mapping, named in its frame.  A file's page has any number: a chain through `maps`, newest first.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.state import pages_t
from models.vmstat import NR_MAPPED


@compiled(int64(pages_t, int64))
def process_of(pages, p):
    """The process whose address space holds virtual page p (binary search on first pages)."""
    proc = pages.proc
    low, high = 0, proc.shape[0] - 1
    while low < high:
        middle = (low + high + 1) // 2
        if proc[middle, st.FIRST_PAGE] <= p:
            low = middle
        else:
            high = middle - 1
    return low


@compiled(int64(pages_t, int64, int64))
def area_of(pages, process, p):
    """The row of the area that holds virtual page p of the process, or -1 where memory is anonymous."""
    area, proc = pages.area, pages.proc
    first = proc[process, st.AREA_FIRST]
    low, high = first, first + proc[process, st.AREAS]
    while low < high:
        middle = (low + high) // 2
        if area[middle, fi.AREA_START] <= p:
            low = middle + 1
        else:
            high = middle
    found = low - 1
    if found < first or p >= area[found, fi.AREA_START] + area[found, fi.AREA_PAGES]:
        return int64(-1)
    return found


@compiled(void(pages_t, int64, int64))
def add_mapping(pages, f, p):
    """Virtual page p maps file frame f from now on."""
    frame, maps = pages.frame, pages.maps
    head = frame[f, st.MAPS]
    maps[p, fi.MAP_NEXT] = head
    maps[p, fi.MAP_PREV] = 0
    if head > 0:
        maps[head - 1, fi.MAP_PREV] = p + 1
    else:
        pages.vmstat[NR_MAPPED] += 1
    frame[f, st.MAPS] = p + 1


@compiled(void(pages_t, int64, int64))
def remove_mapping(pages, f, p):
    """Virtual page p no longer maps file frame f; once nobody does, what its areas were is forgotten."""
    frame, maps = pages.frame, pages.maps
    after, before = maps[p, fi.MAP_NEXT], maps[p, fi.MAP_PREV]
    if before > 0:
        maps[before - 1, fi.MAP_NEXT] = after
    else:
        frame[f, st.MAPS] = after
    if after > 0:
        maps[after - 1, fi.MAP_PREV] = before
    if frame[f, st.MAPS] == 0:
        pages.vmstat[NR_MAPPED] -= 1
        frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) & ~(st.EXECUTABLE | st.SEQUENTIAL)


@compiled(int64(pages_t, int64, int64))
def is_sequential(pages, f, p):
    """1 if virtual page p maps file frame f with sequential advice, whose references do not count."""
    if pages.frame[f, st.FLAGS] & st.SEQUENTIAL == 0:
        return 0
    where = area_of(pages, process_of(pages, p), p)
    return 1 if where >= 0 and pages.area[where, fi.AREA_FLAGS] & fi.SEQUENTIAL else 0


@compiled(int64(pages_t, int64))
def references(pages, f):
    """Test and clear the accessed bits of the page's mappings; returns how many were set and count."""
    pte = pages.pte
    if pages.frame[f, st.FLAGS] >> st.KIND_SHIFT != st.FILE:
        p = int64(pages.frame[f, st.PAGE])
        if p < 0:
            return 0
        entry = pte[p]
        if entry <= 0 or entry >> st.PTE_SHIFT != f:
            return 0
        flags = int64(pages.frame[f, st.FLAGS])
        if flags & st.YOUNG:  # the scan of idle ages has taken the bit
            pages.frame[f, st.FLAGS] = flags & ~st.YOUNG
        if entry & st.PTE_ACCESSED == 0:
            return 1 if flags & st.YOUNG else 0
        pte[p] = entry & ~st.PTE_ACCESSED
        if flags & st.IDLE:
            pages.frame[f, st.FLAGS] = flags & ~(st.YOUNG | st.IDLE)
        return 1
    found = 0
    mapping = int64(pages.frame[f, st.MAPS])
    while mapping > 0:
        p = mapping - 1
        if pte[p] & st.PTE_ACCESSED:
            pte[p] &= ~st.PTE_ACCESSED
            found += 1 - is_sequential(pages, f, p)
        mapping = int64(pages.maps[p, fi.MAP_NEXT])
    return found
