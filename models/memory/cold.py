"""Idle ages of anonymous pages, and moving cold ones into the backend (Lagar-Cavilla et al., ASPLOS 2019, sections 3 and 5).

A scan (kstaled) takes each mapped page's accessed bit away and keeps an 8-bit age in scans: 0 if the page was used since the last
one.  Page-frame reclaim must not be misled: as in Linux 6.1 mm/page_idle.c, YOUNG remembers for it that the bit was set, and IDLE,
which it clears when it takes a set bit itself, remembers that for the scan.  A second pass (kreclaimd) offers each page whose age
has reached the threshold to the backend, never to the device; a page that the backend refuses stays mapped and is not offered again
until it was written.
"""

from __future__ import annotations

from numba import int64, types, uint8, void

from models.allocators.pool import Numbers
from models.jit import compiled, outlined
from models.memory import state as st
from models.memory.frames import note, settle_pool, spend
from models.memory.groups import lruvec_of
from models.memory.op_state import DONE, SLICE
from models.memory.reclaim import evict, store_content, unmap
from models.memory.rmap import process_of
from models.memory.rounds import report, stop_wanted
from models.memory.state import Wide, machine_t, pages_t
from models.memory.swap import enter_swap_cache, leave_swap_cache, release_slot, take_slot_for
from models.vmstat import NR_ANON_PAGES

Ages = types.Array(uint8, 1, "C")  # by frame, in scans
OLDEST = 255

# num
CURSOR = 0  # the next frame
THRESHOLD = 1  # age in scans at which a page is offered; 0: none is
SCANNED, ACCESSED, STORED, REFUSED = 2, 3, 4, 5  # pages, since the start
GROUP = 6  # the only memory cgroup whose pages are looked at; 0: all pages
NUMBERS = 8

# hist: rows of counts by age
FOUND, PRESENT = 0, 1  # pages found used after so many idle scans, since the start; pages of that age at this scan


@compiled(int64(pages_t, Numbers, int64))
def mapped_page(pages, num, f):
    """The virtual page that maps anonymous frame f, or -1, also if the frame is not of the only group that counts."""
    if num[GROUP] > 0 and lruvec_of(pages, f) != num[GROUP]:
        return int64(-1)
    if pages.frame[f, st.FLAGS] >> st.KIND_SHIFT != st.ANON:
        return int64(-1)
    p = int64(pages.frame[f, st.PAGE])
    if p < 0:
        return int64(-1)
    entry = int64(pages.pte[p])
    return p if entry > 0 and entry >> st.PTE_SHIFT == f else int64(-1)


@compiled(void(pages_t, Ages, Numbers, Wide, int64, int64))
def age_page(pages, age, num, hist, f, p):
    """Read and clear one page's accessed bit; its age is 0 if it was used since the last scan, else one more."""
    flags = int64(pages.frame[f, st.FLAGS])
    entry = int64(pages.pte[p])
    used = entry & st.PTE_ACCESSED or not flags & st.IDLE
    if entry & st.PTE_ACCESSED:
        pages.pte[p] = entry & ~st.PTE_ACCESSED
        flags |= st.YOUNG
    if flags & st.INCOMPRESSIBLE and entry & st.PTE_DIRTY:
        flags &= ~st.INCOMPRESSIBLE
    pages.frame[f, st.FLAGS] = flags | st.IDLE | st.AGED
    if not flags & st.AGED:  # a page that was not here at the last scan
        age[f] = 0
    elif used:
        num[ACCESSED] += 1
        hist[FOUND, age[f]] += 1
        age[f] = 0
    elif age[f] < OLDEST:
        age[f] += 1
    hist[PRESENT, age[f]] += 1


@compiled(int64(machine_t, Ages, Numbers, Wide, int64, int64))
def scan_step(m, age, num, hist, now, deadline):
    """Go on with a scan from time `now`: SLICE, or DONE when it has seen every frame."""
    pages = m.pages
    pages.num[st.CLOCK] = now
    frames = pages.frame.shape[0]
    if num[CURSOR] == 0:
        hist[PRESENT, :] = 0
    while num[CURSOR] < frames:
        if pages.num[st.CLOCK] >= deadline:
            return report(pages, SLICE, now)
        f = num[CURSOR]
        num[CURSOR] += 1
        p = mapped_page(pages, num, f)
        if p >= 0:
            spend(pages, st.BY_COLD, pages.cost[st.C_AGE])
            num[SCANNED] += 1
            age_page(pages, age, num, hist, f, p)
    num[CURSOR] = 0
    return report(pages, DONE, now)


@compiled(void(machine_t, int64, int64, int64, int64, int64))
def map_again(m, process, p, f, s, entry):
    """The backend refused the page: it is mapped as before, unread and unwritten, and marked; a slot taken for it goes back."""
    pages = m.pages
    flags = int64(pages.frame[f, st.FLAGS]) | st.INCOMPRESSIBLE
    pages.pte[p] = f << st.PTE_SHIFT | entry & (st.PTE_PRESENT | st.PTE_WRITE)
    pages.vmstat[NR_ANON_PAGES] += 1
    pages.proc[process, st.RSS] += 1
    pages.proc[process, st.SWAPPED] -= 1
    if s >= 0:
        leave_swap_cache(pages, f)
        release_slot(m, s)
        flags |= st.DIRTY
    pages.frame[f, st.FLAGS] = flags


@outlined(int64(machine_t, Numbers, int64, int64))
def store_page(m, num, f, p):
    """Offer a cold page to the backend; 1 if its frame was freed, 0 if it stays, -1 if there is no swap slot for it."""
    pages = m.pages
    frame, slot = pages.frame, pages.slot
    entry = int64(pages.pte[p])
    own = int64(frame[f, st.SLOT]) - 1
    s = own
    if s < 0:
        s = take_slot_for(m, f)
        if s < 0:
            return -1
        enter_swap_cache(pages, f, s, p)
        frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) | st.DIRTY
    process = process_of(pages, p)
    spend(pages, st.BY_COLD, pages.cost[st.C_UNMAP])
    unmap(pages, process, f, s)
    if int64(frame[f, st.FLAGS]) & st.DIRTY or slot[s, st.HANDLE] == 0:
        if store_content(m, process, p, s) != st.STORED:
            num[REFUSED] += 1
            map_again(m, process, p, f, s if own < 0 else int64(-1), entry)
            return 0
        note(pages, st.E_STORE, p, f, s, int64(slot[s, st.STORED_SIZE]))
        frame[f, st.FLAGS] = int64(frame[f, st.FLAGS]) & ~st.DIRTY
    m.remove(m.policy, pages, f)
    spend(pages, st.BY_COLD, pages.cost[st.C_FREE])
    evict(m, f, s)
    num[STORED] += 1
    return 1


@compiled(int64(machine_t, Ages, Numbers, int64, int64))
def store_step(m, age, num, now, deadline):
    """Go on with offering cold pages from time `now`: SLICE, or DONE when every frame was seen or swap is full."""
    pages = m.pages
    pages.num[st.CLOCK] = now
    pages.num[st.AGE_LRUVEC] = 0
    frames = pages.frame.shape[0]
    busy = st.LOCKED | st.WRITEBACK | st.INCOMPRESSIBLE
    while num[CURSOR] < frames:
        if pages.num[st.CLOCK] >= deadline or stop_wanted(pages):
            settle_pool(m.backend, pages)
            return report(pages, SLICE, now)
        f = num[CURSOR]
        num[CURSOR] += 1
        flags = int64(pages.frame[f, st.FLAGS])
        if age[f] < num[THRESHOLD] or not flags & st.AGED or flags & busy:
            continue
        p = mapped_page(pages, num, f)
        if p >= 0 and not int64(pages.pte[p]) & st.PTE_ACCESSED and store_page(m, num, f, p) < 0:
            break
    num[CURSOR] = 0
    settle_pool(m.backend, pages)
    return report(pages, DONE, now)
