"""Swap slots, the CPU's slot caches, swap cache and the readahead window (Linux 6.1 mm/swapfile.c, swap_slots.c, swap_state.c).

Slot 0 is the header.  Slots are handed out through a cache of 64 and come back in batches of 64; only when a batch comes back
is a slot free again and the backend's copy dropped.  Simplification: one CPU's caches serve all CPUs.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.frames import note
from models.memory.groups import (
    SHADOW_LRUVEC,
    SWAP,
    SWAP_MAX,
    charge_slot,
    held_bytes,
    lruvec_of,
    may_swap,
    recount_stored,
    uncharge_slot,
)
from models.memory.slab import add_object, release
from models.memory.state import machine_t, pages_t
from models.vmstat import NR_FILE_PAGES, NR_SWAPCACHED, WORKINGSET_NODERECLAIM, WORKINGSET_NODES

BATCH = 64
NODE_SHIFT = 6  # 64 places in a node of the swap cache's tree
CLUSTER_SLOTS = 512  # SWAPFILE_CLUSTER with THP swap configured, the x86-64 default
LAST = st.WINDOW - 1
CACHE_OFF_BELOW = 128  # free slots below which slots are taken one by one


@compiled(int64(pages_t, int64))
def device_of(pages, s):
    """0, or 1 if the slot is on the swap device of lower priority."""
    second = pages.num[st.SECOND_FIRST]
    return 1 if second > 0 and s >= second else 0


@compiled(int64(pages_t, int64))
def first_cluster(pages, d):
    """The first cluster of a device."""
    return pages.num[st.SECOND_FIRST] // CLUSTER_SLOTS if d else int64(0)


@compiled(int64(pages_t, int64))
def end_cluster(pages, d):
    """The one behind its last."""
    if d == 0 and pages.num[st.SECOND_FIRST] > 0:
        return pages.num[st.SECOND_FIRST] // CLUSTER_SLOTS
    return int64(pages.cluster.shape[0])


@compiled(int64(pages_t, int64))
def next_cluster(pages, d):
    """Make the first wholly free cluster of a device the CPU's own; 0 if there is none."""
    num, cluster = pages.num, pages.cluster
    at = d * st.SECOND_DEVICE
    if num[st.FREE_CLUSTERS_LEN + at] == 0:
        num[st.CLUSTER + at] = -1
        return 0
    head, first = num[st.FREE_CLUSTERS_HEAD + at], first_cluster(pages, d)
    num[st.CLUSTER + at] = cluster[first + head, 1]
    num[st.CLUSTER_NEXT + at] = num[st.CLUSTER + at] * CLUSTER_SLOTS
    num[st.FREE_CLUSTERS_HEAD + at] = (head + 1) % (end_cluster(pages, d) - first)
    num[st.FREE_CLUSTERS_LEN + at] -= 1
    return 1


@compiled(int64(pages_t, int64))
def find_in_cluster(pages, d):
    """The next free slot of the CPU's cluster, or -1 at its end."""
    num, slot = pages.num, pages.slot
    at = d * st.SECOND_DEVICE
    c = num[st.CLUSTER + at]
    if c < 0:
        return int64(-1)
    end = min((c + 1) * CLUSTER_SLOTS, slot.shape[0])
    s = num[st.CLUSTER_NEXT + at]
    while s < end and (slot[s, st.STATE] != st.SLOT_FREE or s == 0):
        s += 1
    num[st.CLUSTER_NEXT + at] = s + 1
    return s if s < end else int64(-1)


@compiled(int64(pages_t, int64))
def scan_for_slot(pages, d):
    """The next free slot of a device from the last position on, wrapping once, or -1."""
    num, slot = pages.num, pages.slot
    at = d * st.SECOND_DEVICE
    first = first_cluster(pages, d) * CLUSTER_SLOTS
    n = min(end_cluster(pages, d) * CLUSTER_SLOTS, slot.shape[0])
    s = num[st.SCAN_SLOT + at]
    for _ in range(n - first):
        if s >= n:
            s = first
        if s > 0 and slot[s, st.STATE] == st.SLOT_FREE:
            num[st.SCAN_SLOT + at] = s + 1
            return s
        s += 1
    return int64(-1)


@compiled(int64(pages_t))
def find_slot(pages):
    """A free slot of the first device that has one: clusters on a non-rotational one, ascending from the last position otherwise.

    zram is not rotational, whatever is behind it.
    """
    num = pages.num
    d = 1 if num[st.SECOND_FIRST] > 0 and num[st.FIRST_FREE] == 0 else 0
    if num[st.ROTATIONAL] == 0 or (d == 0 and num[st.SYNC_SLOTS] > 0):
        s = find_in_cluster(pages, d)
        while s < 0 and next_cluster(pages, d):
            s = find_in_cluster(pages, d)
        if s >= 0:
            return s
    return scan_for_slot(pages, d)


@compiled(int64(pages_t))
def claim_slot(pages):
    """Find a free slot and move it into the CPU's cache of free slots; 0 if all devices are full."""
    num = pages.num
    if num[st.SWAP_FREE] <= 0:
        return 0
    s = find_slot(pages)
    if s < 0:
        return 0
    pages.slot[s, st.STATE] = st.SLOT_CACHED
    pages.cluster[s // CLUSTER_SLOTS, 0] += 1
    num[st.SWAP_FREE] -= 1
    if device_of(pages, s) == 0:
        num[st.FIRST_FREE] -= 1
    pages.slot_cache[0, num[st.SLOT_CACHE]] = s
    num[st.SLOT_CACHE] += 1
    return 1


@compiled(void(pages_t, int64))
def free_slot(pages, s):
    """The slot is free on its device; a cluster that became empty can be owned again."""
    num, slot, cluster = pages.num, pages.slot, pages.cluster
    slot[s, st.STATE] = st.SLOT_FREE
    slot[s, st.SHADOW] = 0
    uncharge_slot(pages, s)
    num[st.SWAP_FREE] += 1
    d = device_of(pages, s)
    if d == 0:
        num[st.FIRST_FREE] += 1
    c, at = s // CLUSTER_SLOTS, d * st.SECOND_DEVICE
    cluster[c, 0] -= 1
    if cluster[c, 0] == 0:
        if c == num[st.CLUSTER + at]:
            num[st.CLUSTER + at] = -1  # the CPU's own waits in line like any other
        first = first_cluster(pages, d)
        tail = (num[st.FREE_CLUSTERS_HEAD + at] + num[st.FREE_CLUSTERS_LEN + at]) % (end_cluster(pages, d) - first)
        cluster[first + tail, 1] = c
        num[st.FREE_CLUSTERS_LEN + at] += 1


@compiled(void(machine_t, int64))
def forget_copy(m, s):
    """What is stored of the slot's content dies."""
    pages = m.pages
    if pages.slot[s, st.HANDLE] == st.ZERO_PAGE:
        pages.slot[s, st.HANDLE] = 0
    else:
        before = held_bytes(pages, s)
        m.invalidate(m.backend, pages, s)
        recount_stored(pages, s, before)


@outlined(void(machine_t))
def return_batch(m):
    """Bring the freed slots back: their copies in the backend die, the slots are free."""
    pages = m.pages
    num, slot, cache = pages.num, pages.slot, pages.slot_cache
    for i in range(num[st.SLOT_RETURN]):
        s = int64(cache[1, i])
        if slot[s, st.HANDLE] != 0:
            forget_copy(m, s)
        free_slot(pages, s)
    num[st.SLOT_RETURN] = 0


@compiled(void(pages_t, int64, int64, int64))
def change_node(pages, node, entries, cached):
    """A node of the swap cache gains or loses places in use and pages.

    Since 6.3 one with shadows only can be reclaimed (mm/swap_state.c).
    """
    row = pages.slot[node]
    before = 1 if row[st.NODE_ENTRIES] > 0 and row[st.NODE_CACHED] == 0 else 0
    row[st.NODE_ENTRIES] += entries
    row[st.NODE_CACHED] += cached
    after = 1 if row[st.NODE_ENTRIES] > 0 and row[st.NODE_CACHED] == 0 else 0
    if pages.num[st.KERNEL_612]:
        pages.num[st.SWAP_SHADOW_NODES] += after - before
        pages.vmstat[WORKINGSET_NODES] += after - before


@compiled(int64(int64))
def node_of(s):
    """First slot of a slot's node."""
    return s >> NODE_SHIFT << NODE_SHIFT


@outlined(void(pages_t, int64))
def gain_page(pages, s):
    """A page enters the slot's place in the swap cache; with the first of 64 places in use their node comes (slab memory)."""
    slot, node = pages.slot, node_of(s)
    change_node(pages, node, 1 - slot[s, st.ENTRY], int64(1))
    if slot[s, st.ENTRY] == 0:
        slot[s, st.ENTRY] = 1
        if slot[node, st.NODE_ENTRIES] == 1:
            add_object(pages, fi.NODE_CACHE)


@outlined(void(pages_t, int64))
def lose_entry(pages, s):
    """The slot's place in the swap cache holds neither page nor shadow any more."""
    node = node_of(s)
    pages.slot[s, st.ENTRY] = 0
    change_node(pages, node, int64(-1), int64(0))
    if pages.slot[node, st.NODE_ENTRIES] == 0:
        release(pages, fi.NODE_CACHE, 1)


@outlined(int64(pages_t, int64))
def free_swap_shadows(pages, n):
    """Forget the shadows of n nodes that hold nothing else; returns frames freed."""
    slot, num = pages.slot, pages.num
    done, freed = 0, 0
    for _ in range((slot.shape[0] >> NODE_SHIFT) + 1):
        if done == n:
            break
        node = num[st.SWAP_SHADOW_SCAN]
        num[st.SWAP_SHADOW_SCAN] = node + (1 << NODE_SHIFT) if node + (1 << NODE_SHIFT) < slot.shape[0] else 0
        if slot[node, st.NODE_ENTRIES] == 0 or slot[node, st.NODE_CACHED] > 0:
            continue
        for s in range(node, min(node + (1 << NODE_SHIFT), slot.shape[0])):
            slot[s, st.SHADOW] = 0
            slot[s, st.ENTRY] = 0
        change_node(pages, node, -int64(slot[node, st.NODE_ENTRIES]), int64(0))
        pages.vmstat[WORKINGSET_NODERECLAIM] += 1
        freed += release(pages, fi.NODE_CACHE, 1)
        done += 1
    return freed


@compiled(void(machine_t, int64))
def release_slot(m, s):
    """The last user of a slot is gone; it waits for its batch."""
    pages = m.pages
    num, slot = pages.num, pages.slot
    if num[st.SLOT_RETURN] == BATCH:
        return_batch(m)
    slot[s, st.STATE] = st.SLOT_RETURNED
    slot[s, st.CACHED] = 0
    slot[s, st.SHADOW] = 0
    if slot[s, st.ENTRY]:
        lose_entry(pages, s)
    pages.slot_cache[1, num[st.SLOT_RETURN]] = s
    num[st.SLOT_RETURN] += 1


@outlined(int64(machine_t))
def take_slot(m):
    """A slot for a page to be swapped out, or -1."""
    pages = m.pages
    num = pages.num
    if num[st.SLOT_CACHE] == 0:
        want = BATCH if num[st.SWAP_FREE] > CACHE_OFF_BELOW else 1
        while num[st.SLOT_CACHE] < want and claim_slot(pages):
            pass
        if num[st.SLOT_CACHE] == 0 and num[st.SLOT_RETURN] > 0:
            return_batch(m)
            claim_slot(pages)
        # the slots are used in ascending order: the cache is read from its end
        cache = pages.slot_cache
        n = num[st.SLOT_CACHE]
        for i in range(n // 2):
            cache[0, i], cache[0, n - 1 - i] = cache[0, n - 1 - i], cache[0, i]
    if num[st.SLOT_CACHE] == 0:
        return int64(-1)
    num[st.SLOT_CACHE] -= 1
    return int64(pages.slot_cache[0, num[st.SLOT_CACHE]])


@compiled(int64(machine_t, int64))
def take_slot_for(m, f):
    """A slot for the page in frame f, charged to its memory cgroup; -1 if there is none, or the group may have no more."""
    pages = m.pages
    g = lruvec_of(pages, f)
    if may_swap(pages, g) == 0:
        return int64(-1)
    s = take_slot(m)
    if s >= 0:
        charge_slot(pages, g, s)
    return s


@compiled(void(pages_t, int64, int64, int64))
def enter_swap_cache(pages, f, s, p):
    """Frame f is the swap-cache page of slot s, content of virtual page p."""
    pages.slot[s, st.STATE] = st.SLOT_USED
    pages.slot[s, st.OWNER] = p
    pages.slot[s, st.CACHED] = f + 1
    gain_page(pages, s)
    pages.frame[f, st.SLOT] = s + 1
    pages.vmstat[NR_SWAPCACHED] += 1
    pages.vmstat[NR_FILE_PAGES] += 1  # Linux counts the swap cache as page cache too


@compiled(void(pages_t, int64))
def leave_swap_cache(pages, f):
    """Frame f is no longer in the swap cache; the slot stays as it is."""
    s = int64(pages.frame[f, st.SLOT]) - 1
    pages.slot[s, st.CACHED] = 0
    change_node(pages, node_of(s), int64(0), int64(-1))
    pages.frame[f, st.SLOT] = 0
    pages.vmstat[NR_SWAPCACHED] -= 1
    pages.vmstat[NR_FILE_PAGES] -= 1


@compiled(int64(pages_t, int64))
def take_shadow(pages, s):
    """The shadow that was left in a slot, as the policy gave it and with whose reclaim left it, or -1; it is gone then."""
    slot = pages.slot
    if slot[s, st.SHADOW] == 0:
        return int64(-1)
    flag = int64(slot[s, st.SHADOW_FLAG])
    shadow = (int64(slot[s, st.SHADOW]) - 1) << 1 | flag & 1 | flag >> 1 << SHADOW_LRUVEC
    slot[s, st.SHADOW] = 0
    return shadow


@outlined(int64(machine_t, int64, int64))
def cache_slot(m, f, s):
    """Put a new frame into the swap cache for a slot and on the lists, by what its shadow says; returns the virtual page."""
    pages = m.pages
    p = int64(pages.slot[s, st.OWNER])
    pages.frame[f, st.PAGE] = p
    shadow = take_shadow(pages, s)
    enter_swap_cache(pages, f, s, p)
    m.insert(m.policy, pages, f, shadow)
    return p


@compiled(int64(pages_t))
def swap_is_full(pages):
    """More than half of the swap space is in use: slots are given up as soon as possible."""
    return 1 if pages.num[st.SWAP_FREE] * 2 < pages.num[st.SWAP_TOTAL] else 0


@compiled(int64(pages_t, int64))
def swap_is_full_for(pages, f):
    """The same, or more than half of what the memory cgroup of frame f may have."""
    if swap_is_full(pages):
        return 1
    g = lruvec_of(pages, f)
    return 1 if g > 0 and pages.cgroup[g, SWAP] * 2 >= pages.cgroup[g, SWAP_MAX] else 0


@compiled(int64(int64, int64, int64, int64))
def window_size(hits, adjacent, most, before):
    """Pages to read: grows with the readahead pages that were used, at least half of the last window."""
    pages = hits + 2
    if hits == 0:
        if not adjacent:
            pages = 1
    else:
        rounded = 4
        while rounded < pages:
            rounded *= 2
        pages = rounded
    pages = min(pages, most)
    return max(pages, before // 2)


@outlined(int64(pages_t, int64, int64))
def plan_readahead(pages, process, p):
    """Slots to read for a fault of virtual page p, into pages.window in reading order; returns how many.

    Changes nothing else, so that the fault can be started again; `commit_readahead` records the decision.
    The scratch window's last entry holds the new window size.
    """
    num, proc, pte, slot, window = pages.num, pages.proc, pages.pte, pages.slot, pages.window
    s = -int64(pte[p]) - 1
    most = 1 << num[st.PAGE_CLUSTER]
    n = 0
    if s < num[st.SYNC_SLOTS]:  # zram's: nothing is read ahead
        window[0] = s
        return 1
    if num[st.ROTATIONAL] == 0 and num[st.FIXED_READAHEAD] == 0:
        before = proc[process, st.RA_PAGE]
        size = window_size(proc[process, st.RA_HITS], abs(p - before) == 1, most, proc[process, st.RA_WINDOW])
        window[LAST] = size
        if size > 1:
            if p == before + 1:
                first = p
            elif p == before - 1:
                first = p - size + 1
            else:
                first = p - (size - 1) // 2
            lowest = proc[process, st.FIRST_PAGE]
            highest = lowest + proc[process, st.PROC_PAGES]
            block = (p - lowest) // num[st.PAGES_PER_TABLE]
            low = max(lowest + block * num[st.PAGES_PER_TABLE], first)
            high = min(min(highest, lowest + (block + 1) * num[st.PAGES_PER_TABLE]), first + size)
            for q in range(low, high):
                if pte[q] < 0 and (q == p or slot[-pte[q] - 1, st.CACHED] == 0):
                    window[n] = -pte[q] - 1
                    n += 1
            return n
    else:
        size = window_size(num[st.RA_SLOT_HITS], abs(s - num[st.RA_SLOT]) == 1, most, num[st.RA_SLOT_WINDOW])
        if num[st.FIXED_READAHEAD]:
            size = most
        window[LAST] = size
        if size > 1:
            aligned = 1
            while aligned * 2 <= size:
                aligned *= 2
            first = s // aligned * aligned
            for t in range(max(first, 1), min(first + aligned, slot.shape[0])):
                if slot[t, st.STATE] == st.SLOT_USED and slot[t, st.CACHED] == 0:
                    window[n] = t
                    n += 1
            return n
    window[0] = s
    return 1


@compiled(void(pages_t, int64, int64))
def commit_readahead(pages, process, p):
    """Remember the decision that `plan_readahead` made for virtual page p."""
    num, proc = pages.num, pages.proc
    if -int64(pages.pte[p]) - 1 < num[st.SYNC_SLOTS]:
        return
    size = int64(pages.window[LAST])
    if num[st.ROTATIONAL] == 0:
        proc[process, st.RA_WINDOW] = size
        proc[process, st.RA_HITS] = 0
        proc[process, st.RA_PAGE] = p
    else:
        if num[st.RA_SLOT_HITS] == 0:
            num[st.RA_SLOT] = -int64(pages.pte[p]) - 1
        num[st.RA_SLOT_WINDOW] = size
        num[st.RA_SLOT_HITS] = 0


@compiled(void(pages_t, int64, int64, int64))
def readahead_hit(pages, process, p, marked):
    """A swap-cache page was used: the remembered page moves on, a marked one counts as a hit."""
    num, proc = pages.num, pages.proc
    if num[st.ROTATIONAL] == 0:
        proc[process, st.RA_PAGE] = p
        proc[process, st.RA_HITS] += marked
    else:
        num[st.RA_SLOT_HITS] += marked
    if marked:
        note(pages, st.E_CACHE_HIT, p, -1, -1, 1)
