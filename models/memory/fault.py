"""Page faults of anonymous memory (Linux 6.1 mm/memory.c): first touch, write to a shared-with-swap page, swap-in; unmapping.

A fault either finishes or changes nothing that matters and says what it waits for; it is then started again from its beginning.
Simplification: a read at first touch gets a zeroed frame of its own; Linux maps the shared zero page until the first write.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import state as st
from models.memory.charge import ask_charged, ask_for_group, short_of
from models.memory.filemap import maybe_file_fault, unmap_page
from models.memory.frames import give_frame, note, spend
from models.memory.groups import S_FAULT, S_MAJFAULT, S_ZSWPIN, count_zswap, group_of_slot, held_bytes, recount_stored
from models.memory.latency import finish_fault
from models.memory.op_state import DONE, NEED_RECLAIM, S_FAULT_KIND, S_FAULT_START, S_WAIT_MEMORY, S_WAIT_SLOT, WAIT_PAGE, WAIT_READ
from models.memory.state import Numbers, machine_t, pages_t
from models.memory.swap import (
    cache_slot,
    commit_readahead,
    leave_swap_cache,
    plan_readahead,
    readahead_hit,
    release_slot,
    swap_is_full_for,
    take_shadow,
)
from models.memory.tables import add_table_entry, table_block
from models.vmstat import (
    NR_ANON_PAGES,
    NR_MLOCK,
    NR_PAGE_TABLE_PAGES,
    NR_UNEVICTABLE,
    NR_ZONE_UNEVICTABLE,
    PGFAULT,
    PGMAJFAULT,
    PGREUSE,
    SWAP_RA,
    SWAP_RA_HIT,
    SWPIN_ZERO,
)


@compiled(void(pages_t, int64))
def count_locked(pages, change):
    """So many more pages are locked in memory (mlock), which are on no list that reclaim looks at."""
    vmstat = pages.vmstat
    vmstat[NR_UNEVICTABLE] += change
    vmstat[NR_ZONE_UNEVICTABLE] += change
    vmstat[NR_MLOCK] += change


@outlined(int64(machine_t, Numbers, int64, int64, int64))
def first_touch(m, stream, process, p, write):
    """Give virtual page p a zeroed frame."""
    pages = m.pages
    cost = pages.cost
    if add_table_entry(pages, p) == 0:
        return NEED_RECLAIM
    locked = p - pages.proc[process, st.FIRST_PAGE] >= pages.proc[process, st.LOCKED_FROM]
    f = ask_charged(pages, st.MLOCKED if locked else st.ANON)
    if f < 0:
        return NEED_RECLAIM
    spend(pages, st.BY_FAULT, cost[st.C_FAULT] + cost[st.C_ALLOC] + cost[st.C_CLEAR] * (pages.num[st.PAGE_SIZE] >> 10))
    pages.frame[f, st.PAGE] = p
    pages.table[table_block(pages, p), 0] += 1
    bits = st.PTE_PRESENT | st.PTE_ACCESSED | (st.PTE_WRITE | st.PTE_DIRTY if write else 0)
    pages.pte[p] = f << st.PTE_SHIFT | bits
    if locked:
        count_locked(pages, 1)
    else:
        m.insert(m.policy, pages, f, -1)
    pages.vmstat[PGFAULT] += 1
    pages.vmstat[NR_ANON_PAGES] += 1
    pages.proc[process, st.RSS] += 1
    note(pages, st.E_TOUCH, p, f, -1, write)
    finish_fault(pages, stream, st.H_ZERO)
    return DONE


@compiled(int64(machine_t, Numbers, int64, int64))
def write_protected(m, stream, process, p):
    """A write to a page that was mapped by a read fault: it is exclusive, so it is simply made writable."""
    pages = m.pages
    spend(pages, st.BY_FAULT, pages.cost[st.C_FAULT])
    pages.pte[p] |= st.PTE_WRITE | st.PTE_DIRTY | st.PTE_ACCESSED
    pages.vmstat[PGFAULT] += 1
    pages.vmstat[PGREUSE] += 1
    note(pages, st.E_REUSE, p, int64(pages.pte[p]) >> st.PTE_SHIFT, -1, 0)
    finish_fault(pages, stream, st.H_MINOR)
    return DONE


@compiled(void(pages_t, int64, int64))
def queue_read(pages, first, count):
    """Ask for a device read of `count` slots from `first` on."""
    num = pages.num
    row = pages.ring[num[st.RING]]
    row[st.IO_TIME] = num[st.CLOCK]
    row[st.IO_WRITE] = 0
    row[st.IO_FIRST] = first
    row[st.IO_COUNT] = count
    row[st.IO_FILE] = 0
    num[st.RING] += 1


@compiled(int64(machine_t, int64))
def load_copy(m, s):
    """Fill a frame with what is held of the slot without a device; 0 if nothing is."""
    pages = m.pages
    handle = int64(pages.slot[s, st.HANDLE])
    if handle == st.ZERO_PAGE:
        pages.vmstat[SWPIN_ZERO] += 1
        spend(pages, st.BY_FAULT, pages.cost[st.C_CLEAR] * (pages.num[st.PAGE_SIZE] >> 10))
        return 1
    before = held_bytes(pages, s)
    if handle == 0 or m.load(m.backend, pages, s) < 0:
        return 0
    recount_stored(pages, s, before)
    count_zswap(pages, s, S_ZSWPIN)
    return 1


@outlined(int64(machine_t, int64, int64))
def read_slot(m, s, ahead):
    """Bring one slot into the swap cache: 0 from the backend, 1 if a device read has to bring it, -1 without a frame."""
    pages = m.pages
    slot = pages.slot
    f = ask_for_group(pages, st.ANON, group_of_slot(pages, s))
    if f < 0:
        return -1
    spend(pages, st.BY_FAULT, pages.cost[st.C_ALLOC])
    p = cache_slot(m, f, s)
    if ahead:
        pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.RECLAIM
        pages.vmstat[SWAP_RA] += 1
        note(pages, st.E_READAHEAD, p, f, s, 0)
    if load_copy(m, s):
        note(pages, st.E_LOAD, p, f, s, int64(slot[s, st.STORED_SIZE]))
        if slot[s, st.HANDLE] == 0:  # an exclusive load: memory has the only copy now
            pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.DIRTY
        return 0
    pages.num[st.SWAPINS] += 1
    pages.frame[f, st.FLAGS] = int64(pages.frame[f, st.FLAGS]) | st.LOCKED
    note(pages, st.E_READ, p, f, s, 0)
    return 1


@outlined(int64(machine_t, Numbers, int64, int64))
def read_in(m, stream, process, p):
    """Read the fault's slot and its neighbours; DONE, or NEED_RECLAIM before anything changed."""
    pages = m.pages
    window = pages.window
    n = plan_readahead(pages, process, p)
    target = -int64(pages.pte[p]) - 1
    if short_of(pages, group_of_slot(pages, target), n, 1):
        return NEED_RECLAIM
    commit_readahead(pages, process, p)
    if pages.num[st.MAKE_DO]:
        window[0], n = target, 1
    if stream[S_FAULT_KIND] != st.H_MAJOR:
        stream[S_FAULT_KIND] = st.H_MAJOR
        pages.vmstat[PGMAJFAULT] += 1
        pages.cgroup[pages.num[st.ACTING], S_MAJFAULT] += 1
    spend(pages, st.BY_FAULT, pages.cost[st.C_MAJOR])
    first, count = int64(-1), int64(0)
    for i in range(n):
        s = int64(window[i])
        from_device = read_slot(m, s, 1 if s != target else 0)
        if from_device == 1 and s == first + count and count > 0:
            count += 1
        elif from_device == 1:
            if count > 0:
                queue_read(pages, first, count)
            first, count = s, int64(1)
    if count > 0:
        spend(pages, st.BY_IO, pages.cost[st.C_SUBMIT])
        queue_read(pages, first, count)
    return DONE


@compiled(void(pages_t, int64, int64, int64, int64))
def map_frame(pages, process, p, f, write):
    """Map a page that came back."""
    bits = st.PTE_PRESENT | st.PTE_ACCESSED | (st.PTE_WRITE | st.PTE_DIRTY if write else 0)
    if pages.num[st.KERNEL_612]:
        bits |= st.PTE_WRITE  # an exclusive page is mapped writable even by a read, and keeps its slot until it is swapped out again
    pages.pte[p] = f << st.PTE_SHIFT | bits
    pages.vmstat[NR_ANON_PAGES] += 1
    pages.proc[process, st.RSS] += 1
    pages.proc[process, st.SWAPPED] -= 1


@compiled(void(machine_t, int64, int64, int64, int64))
def map_swapped(m, process, p, f, write):
    """Map a swap-cache page; its slot is given up on a write, or when swap is more than half full."""
    pages = m.pages
    flags = int64(pages.frame[f, st.FLAGS])
    s = int64(pages.frame[f, st.SLOT]) - 1
    if flags & st.WRITEBACK == 0 and (write or swap_is_full_for(pages, f) or pages.slot[s, st.HANDLE] <= st.ON_DEVICE):
        leave_swap_cache(pages, f)
        release_slot(m, s)
        pages.frame[f, st.FLAGS] = flags | st.DIRTY
    map_frame(pages, process, p, f, write)


@outlined(int64(machine_t, Numbers, int64, int64, int64))
def synchronous_fault(m, stream, process, p, write):
    """Read a slot of a synchronous device straight into a new page, beside the swap cache; the slot is given up (mm/memory.c)."""
    pages = m.pages
    s = -int64(pages.pte[p]) - 1
    f = ask_for_group(pages, st.ANON, group_of_slot(pages, s))
    if f < 0:
        return NEED_RECLAIM
    stream[S_FAULT_KIND] = st.H_MAJOR
    pages.vmstat[PGMAJFAULT] += 1
    pages.cgroup[pages.num[st.ACTING], S_MAJFAULT] += 1
    cost = pages.cost
    spend(pages, st.BY_FAULT, cost[st.C_FAULT] + cost[st.C_MAJOR] + cost[st.C_ALLOC])
    pages.frame[f, st.PAGE] = p
    m.insert(m.policy, pages, f, take_shadow(pages, s))
    load_copy(m, s)
    note(pages, st.E_LOAD, p, f, s, int64(pages.slot[s, st.STORED_SIZE]))
    release_slot(m, s)
    map_frame(pages, process, p, f, write)
    pages.vmstat[PGFAULT] += 1
    note(pages, st.E_SWAPIN, p, f, s, 1)
    finish_fault(pages, stream, st.H_MAJOR)
    return DONE


@outlined(int64(machine_t, Numbers, int64, int64, int64))
def swap_fault(m, stream, process, p, write):
    """A fault on a swapped-out page."""
    pages = m.pages
    s = -int64(pages.pte[p]) - 1
    if s < pages.num[st.SYNC_SLOTS] and pages.slot[s, st.CACHED] == 0 and pages.slot[s, st.HANDLE] > st.ON_DEVICE:
        return synchronous_fault(m, stream, process, p, write)
    if pages.slot[s, st.CACHED] == 0 and read_in(m, stream, process, p) == NEED_RECLAIM:
        return NEED_RECLAIM
    f = int64(pages.slot[s, st.CACHED]) - 1
    if f < 0:
        return NEED_RECLAIM
    flags = int64(pages.frame[f, st.FLAGS])
    if flags & st.LOCKED:
        stream[S_WAIT_SLOT] = s
        stream[S_WAIT_MEMORY] = 1 if flags & st.WORKINGSET else 0
        return WAIT_READ if stream[S_FAULT_KIND] == st.H_MAJOR else WAIT_PAGE
    marked = 0
    if flags & st.RECLAIM:
        marked = 1
        pages.vmstat[SWAP_RA_HIT] += 1
        pages.frame[f, st.FLAGS] = flags & ~st.RECLAIM
    if stream[S_FAULT_KIND] != st.H_MAJOR:
        readahead_hit(pages, process, p, marked)
    spend(pages, st.BY_FAULT, pages.cost[st.C_FAULT])
    map_swapped(m, process, p, f, write)
    pages.vmstat[PGFAULT] += 1
    note(pages, st.E_SWAPIN, p, f, s, 1 if stream[S_FAULT_KIND] == st.H_MAJOR else 0)
    finish_fault(pages, stream, st.H_MINOR)
    return DONE


@compiled(int64(machine_t, Numbers, int64, int64, int64))
def fault(m, stream, process, p, write):
    """Handle a fault of virtual page p: DONE, WAIT_PAGE, WAIT_READ or NEED_RECLAIM."""
    pages = m.pages
    if stream[S_FAULT_START] < 0:
        stream[S_FAULT_START] = pages.num[st.CLOCK]
    entry = int64(pages.pte[p])
    code = int64(-1)
    pages.num[st.IN_FAULT] = 1
    if entry < 0:
        code = swap_fault(m, stream, process, p, write)
    elif entry > 0 and pages.frame[entry >> st.PTE_SHIFT, st.FLAGS] >> st.KIND_SHIFT != st.FILE:
        code = write_protected(m, stream, process, p)
    else:
        code = maybe_file_fault(m, stream, process, p, write)
        if code < 0:
            code = first_touch(m, stream, process, p, write)
    pages.num[st.IN_FAULT] = 0
    if code == DONE:
        pages.cgroup[pages.num[st.ACTING], S_FAULT] += 1
    return code


@outlined(void(machine_t, int64))
def free_page(m, f):
    """An anonymous page's frame goes back, its swap-cache slot with it."""
    pages = m.pages
    if pages.frame[f, st.SLOT] > 0:
        s = int64(pages.frame[f, st.SLOT]) - 1
        leave_swap_cache(pages, f)
        release_slot(m, s)
    if int64(pages.frame[f, st.FLAGS]) >> st.KIND_SHIFT == st.MLOCKED:
        count_locked(pages, -1)
    else:
        m.remove(m.policy, pages, f)
    note(pages, st.E_FREE, int64(pages.frame[f, st.PAGE]), f, -1, 0)
    give_frame(pages, f)


@compiled(void(machine_t, int64, int64))
def drop_anonymous(m, process, p):
    """Anonymous virtual page p is gone for good: its frame and slot are freed, a page under I/O when that ends."""
    pages = m.pages
    entry = int64(pages.pte[p])
    if entry > 0:
        f = entry >> st.PTE_SHIFT
        pages.vmstat[NR_ANON_PAGES] -= 1
        pages.proc[process, st.RSS] -= 1
    else:
        s = -entry - 1
        f = int64(pages.slot[s, st.CACHED]) - 1
        pages.proc[process, st.SWAPPED] -= 1
        if f < 0:
            release_slot(m, s)
    pages.pte[p] = 0
    pages.table[table_block(pages, p), 0] -= 1
    if f < 0:
        return
    flags = int64(pages.frame[f, st.FLAGS])
    if flags & (st.WRITEBACK | st.LOCKED):
        pages.frame[f, st.FLAGS] = flags | st.ORPHAN
        pages.frame[f, st.PAGE] = -1
    else:
        free_page(m, f)


@outlined(void(machine_t, int64, int64))
def drop_page(m, process, p):
    """Unmap virtual page p for good, and its page-table page with its last entry."""
    pages = m.pages
    entry = int64(pages.pte[p])
    if entry == 0:
        return
    spend(pages, st.BY_EXIT, pages.cost[st.C_FREE])
    if entry > 0 and pages.frame[entry >> st.PTE_SHIFT, st.FLAGS] >> st.KIND_SHIFT == st.FILE:
        unmap_page(m, process, p, 1)
    else:
        drop_anonymous(m, process, p)
    pages.version[p] = 0
    table = pages.table
    block = table_block(pages, p)
    if table[block, 0] == 0:
        give_frame(pages, int64(table[block, 1]) - 1)
        table[block, 1] = 0
        pages.vmstat[NR_PAGE_TABLE_PAGES] -= 1
