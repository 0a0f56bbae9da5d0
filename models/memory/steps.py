"""The steps that the actors take: run a stretch of an op stream, end an I/O, free an address space.

`run_ops` does as much as it can and returns a code; everything that waits is the caller's.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import slab
from models.memory import state as st
from models.memory.dirty import file_read_done, file_write_done
from models.memory.fault import drop_page, fault, free_page
from models.memory.fileio import COUNT_MASK, COUNT_SHIFT, read_cached, read_call, write_call
from models.memory.frames import give_frame, note, settle_pool
from models.memory.op_state import (
    DONE,
    NEED_RECLAIM,
    OP,
    S_ACCESSES,
    S_CALL,
    S_CURSOR,
    S_END,
    S_LEFT_COUNT,
    S_PAUSE,
    S_PROCESS,
    S_UNMAPPED,
    S_WAIT_SLOT,
    SLICE,
    THROTTLE,
    WAIT_READ,
    WOKE,
    stream_t,
)
from models.memory.readahead import go_on
from models.memory.rounds import report, stop_wanted
from models.memory.state import Numbers, machine_t, pages_t
from models.memory.throttle import must_pause
from models.vmstat import NR_PAGE_TABLE_PAGES, NR_WRITEBACK, NR_WRITTEN, NR_ZONE_WRITE_PENDING, PGPGIN, PGPGOUT, PSWPIN

OP_WRITE, OP_FREAD, OP_FWRITE, OP_MAP, OP_UNMAP, OP_SLAB = 1, 2, 3, 4, 5, 13  # models.workloads.stream
UNMAP_STRETCH = 8192  # pages freed before the log is looked at: each may write three events


@outlined(int64(machine_t, int64, int64, int64))
def drop_range(m, process, first, count):
    """Free `count` virtual pages of a process from its page `first` on."""
    pages = m.pages
    base = pages.proc[process, st.FIRST_PAGE] + first
    for p in range(base, base + count):
        if pages.pte[p] != 0:
            drop_page(m, process, p)
    settle_pool(m.backend, pages)
    return 0


@compiled(int64(machine_t, int64, int64, int64))
def end_process(m, process, first, clock):
    """Free a stretch of a process's pages from its page `first` on, after the last one its page tables; returns the clock after it.

    The caller goes on at `first + UNMAP_STRETCH` until that is past the process's pages, and empties the log in between.
    """
    pages = m.pages
    pages.num[st.CLOCK] = clock
    count = pages.proc[process, st.PROC_PAGES]
    drop_range(m, process, first, min(count - first, UNMAP_STRETCH))
    if first + UNMAP_STRETCH < count:
        return pages.num[st.CLOCK]
    table = pages.table
    per = pages.num[st.PAGES_PER_TABLE]
    base = pages.proc[process, st.FIRST_PAGE]
    for block in range(base // per, (base + count + per - 1) // per):  # one may be left whose first page never came
        if table[block, 1] > 0:
            give_frame(pages, int64(table[block, 1]) - 1)
            table[block, 1] = 0
            pages.vmstat[NR_PAGE_TABLE_PAGES] -= 1
    return pages.num[st.CLOCK]


@compiled(int64(machine_t, Numbers, int64, int64, int64))
def unmap_op(m, own, process, page, count):
    """A stretch of an UNMAP or MAP; 1 if that was its end."""
    at = own[S_UNMAPPED]
    n = min(count - at, UNMAP_STRETCH)
    drop_range(m, process, page + at, n)
    own[S_UNMAPPED] = at + n if at + n < count else 0
    return 1 if at + n == count else 0


@outlined(int64(machine_t, Numbers, int64, int64))
def slab_op(m, own, page, count):
    """The kernel allocates or frees objects of a slab cache; NEED_RECLAIM behind those for which there was memory."""
    if page < 0:
        cache = fi.DENTRY_CACHE - 1 - page
        slab.release(m.pages, cache, min(count, m.pages.slab[cache, fi.OBJECTS]))
        return DONE
    own[S_UNMAPPED] += slab.grow(m.pages, fi.DENTRY_CACHE + page, count - own[S_UNMAPPED])
    if own[S_UNMAPPED] < count:
        return NEED_RECLAIM
    own[S_UNMAPPED] = 0
    return DONE


@outlined(void(machine_t, int64))
def tell_use(m, f):
    """The policy wants to know of every use; apart, so that the loop over accesses stays small."""
    m.accessed(m.policy, m.pages, f)


@compiled(int64(machine_t, stream_t, int64, int64))
def run_ops(m, stream, now, deadline):
    """Run ops until the chunk ends (DONE), time is up (SLICE), something waits, kswapd or the flusher is to be woken (WOKE), or an
    op is for the caller (OP), from time `now` to about `deadline`; returns a report."""
    pages = m.pages
    num, pte = pages.num, pages.pte
    num[st.ACTING] = pages.proc[stream.num[S_PROCESS], st.CGROUP]
    ops, page, cpu_ns, own = stream.op, stream.page, stream.cpu_ns, stream.num
    i, end = own[S_CURSOR], own[S_END]
    process = own[S_PROCESS]
    base = pages.proc[process, st.FIRST_PAGE]
    pages.proc[process, st.WALKED] |= 1  # it runs: aging is to walk its page tables
    file_base = pages.proc[process, st.FILE_BASE]
    cost = pages.cost
    touch = cost[st.C_ACCESS]
    every_use = num[st.EVERY_USE]
    read_ns = cost[st.C_SYSCALL] + cost[st.C_LOOKUP] + cost[st.C_USER_KIB] * (num[st.PAGE_SIZE] >> 10)
    in_files = 0
    if own[S_PAUSE] > 0:  # at the limit a pause is followed by the next one, whatever the op
        num[st.CLOCK] = now
        if must_pause(pages, own):
            return report(pages, THROTTLE, now)
    if own[S_LEFT_COUNT] > 0:
        num[st.CLOCK] = now
        go_on(m, own)
        if own[S_LEFT_COUNT] > 0:
            return report(pages, WOKE, now)
        now, began = num[st.CLOCK], now
    else:
        began = now
    clock = now
    code = DONE
    user = 0
    done = 0
    while i < end:
        if clock >= deadline:
            code = SLICE
            break
        op = ops[i]
        ns = int64(cpu_ns[i])
        if op <= OP_WRITE:
            p = base + page[i]
            entry = pte[p]
            ns += touch
            if entry > 0 and (op == 0 or entry & st.PTE_WRITE):
                pte[p] = entry | (st.PTE_ACCESSED | st.PTE_DIRTY if op else st.PTE_ACCESSED)
                if every_use:
                    tell_use(m, int64(entry) >> st.PTE_SHIFT)
                clock += ns
                user += ns
                done += 1
                i += 1
                continue
            num[st.CLOCK] = clock
            num[st.SHORT_GROUP] = 0
            code = fault(m, own, process, p, int64(op))
            accesses = 1
        elif (
            (op == OP_FREAD and page[i] >> COUNT_SHIFT == 0)
            and (own[S_CALL] == 0 and own[S_WAIT_SLOT] >= 0)  # a new call
            and read_cached(m, process, file_base + page[i])
        ):
            clock += ns + read_ns
            user += ns
            in_files += read_ns
            done += 1
            i += 1
            continue
        elif op <= OP_FWRITE:
            num[st.CLOCK] = clock
            num[st.SHORT_GROUP] = 0
            code = read_call(m, own, process, page[i]) if op == OP_FREAD else write_call(m, own, process, page[i])
            accesses = ((page[i] >> COUNT_SHIFT) & COUNT_MASK) + 1
        elif op == OP_UNMAP or op == OP_MAP or op == OP_SLAB:
            num[st.CLOCK] = clock
            num[st.SHORT_GROUP] = 0
            code = DONE
            if op == OP_SLAB:
                code = slab_op(m, own, page[i], ns)
            elif unmap_op(m, own, process, page[i], ns) == 0:
                code = SLICE
            ns = 0
            accesses = 0
        else:
            code = OP
            break
        clock = num[st.CLOCK]
        if code != DONE:
            if code == WAIT_READ and own[S_LEFT_COUNT] > 0:
                code = WOKE  # kswapd first, then the rest of the window, then the wait
            break
        clock += ns
        user += ns
        done += accesses
        i += 1
        if num[st.WAKE] or num[fi.FLUSH] or num[st.OVER_HIGH] or stop_wanted(pages):
            code = WOKE if i < end else DONE
            break
    num[st.CLOCK] = clock
    settle_pool(m.backend, pages)
    pages.cpu[st.BY_USER] += user
    pages.cpu[st.BY_FILE] += in_files
    num[st.ACCESSES] += done
    own[S_ACCESSES] += done
    own[S_CURSOR] = i
    return report(pages, code, began)


@outlined(int64(machine_t, int64, int64))
def read_done(m, first, count):
    """A device read of slots ended: the pages are there."""
    pages = m.pages
    for s in range(first, first + count):
        f = int64(pages.slot[s, st.CACHED]) - 1
        flags = int64(pages.frame[f, st.FLAGS]) & ~st.LOCKED
        pages.frame[f, st.FLAGS] = flags
        note(pages, st.E_READ_DONE, int64(pages.frame[f, st.PAGE]), f, s, 0)
        if flags & st.ORPHAN:
            free_page(m, f)
    pages.vmstat[PSWPIN] += count
    pages.vmstat[PGPGIN] += count * (pages.num[st.PAGE_SIZE] >> 10)
    return 0


@outlined(int64(machine_t, int64, int64))
def write_done(m, first, count):
    """A device write of slots ended: the pages are clean and move to the inactive tail."""
    pages = m.pages
    for s in range(first, first + count):
        f = int64(pages.slot[s, st.CACHED]) - 1
        flags = int64(pages.frame[f, st.FLAGS])
        pages.frame[f, st.FLAGS] = flags & ~(st.WRITEBACK | st.RECLAIM)
        note(pages, st.E_WRITTEN, int64(pages.frame[f, st.PAGE]), f, s, 0)
        if flags & st.ORPHAN:
            free_page(m, f)
        elif flags & st.RECLAIM:
            m.putback(m.policy, pages, f, st.ROTATE)
    pages.vmstat[NR_WRITEBACK] -= count
    pages.vmstat[NR_ZONE_WRITE_PENDING] -= count
    pages.vmstat[NR_WRITTEN] += count
    pages.vmstat[PGPGOUT] += count * (pages.num[st.PAGE_SIZE] >> 10)
    return 0


@compiled(int64(machine_t, int64, int64, int64, int64, int64))
def io_done(m, clock, write, files, first, count):
    """A device request ended at `clock`: slots, or file pages if `files` is 1."""
    m.pages.num[st.CLOCK] = clock
    if files:
        return file_write_done(m, first, count) if write else file_read_done(m, first, count)
    return write_done(m, first, count) if write else read_done(m, first, count)


@compiled(int64(machine_t, stream_t, int64, int64, int64, int64, int64))
def run_after_read(m, stream, now, deadline, files, first, count):
    """A device read ended at `now`, and the task that waited for it goes on: `io_done` and `run_ops` in one call from Python."""
    io_done(m, now, 0, files, first, count)
    return run_ops(m, stream, now, deadline)


@compiled(int64(pages_t, int64))
def count_stall(pages, b):
    """One more allocation stall in histogram bin b."""
    pages.hist[st.H_STALL, b] += 1
    return 0
