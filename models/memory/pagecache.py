"""The page cache: which file page is in which frame, what is remembered of evicted ones, and the clean cache beneath it.

Linux 6.1 mm/filemap.c, mm/workingset.c; the clean cache's calls are those of 3.0 to 3.10 (mm/cleancache.c): a clean page that
leaves memory is put there, a page about to be read is looked for there first.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import slab
from models.memory import state as st
from models.memory.frames import give_frame, note, spend
from models.memory.groups import SHADOW_LRUVEC
from models.memory.state import machine_t, pages_t
from models.vmstat import NR_FILE_PAGES, WORKINGSET_NODES

MASK = (1 << 40) - 1  # the page's part of a read or write op


@compiled(int64(pages_t, int64))
def file_of(pages, q):
    """The file that file page q belongs to."""
    return int64(pages.leaf[q >> fi.LEAF_SHIFT, fi.LEAF_FILE])


@compiled(int64(pages_t, int64))
def frame_of(pages, q):
    """The frame of file page q, or -1 if it is not in memory."""
    entry = int64(pages.cache[q])
    return entry - 1 if entry > 0 else int64(-1)


@compiled(int64(pages_t, int64))
def is_marked(pages, f):
    """1 if the page carries the readahead mark; under writeback the same bit means something else."""
    flags = int64(pages.frame[f, st.FLAGS])
    return 1 if flags & st.RECLAIM and not flags & st.WRITEBACK else 0


@compiled(int64(pages_t, int64))
def content_of(pages, q):
    """Compressed size of a file page, as a backend takes it: negative if same-filled."""
    row = pages.file[file_of(pages, q)]
    if row[fi.CONTENT_ROWS] == 0:
        return -row[fi.CONTENT_SAME]
    size = int64(pages.rows[row[fi.CONTENT_FIRST] + (q - row[fi.FIRST]) % row[fi.CONTENT_ROWS]])
    return size if size > 0 else -row[fi.CONTENT_SAME]


@outlined(void(pages_t, int64))
def use_inode(pages, number):
    """The file is looked at: it has an inode in memory from now on."""
    row = pages.file[number]
    if row[fi.INODE] == 0:
        row[fi.INODE] = 1
        slab.add_object(pages, fi.INODE_CACHE)
        if row[fi.ENTRIES] == 0:
            pages.num[fi.IDLE_INODES] += 1


@compiled(void(pages_t, int64))
def add_entry(pages, q):
    """File page q becomes an entry of its node; the node is made for its first."""
    leaf, at = pages.leaf, q >> fi.LEAF_SHIFT
    number = file_of(pages, q)
    use_inode(pages, number)
    row = pages.file[number]
    if row[fi.ENTRIES] == 0:
        pages.num[fi.IDLE_INODES] -= 1
    row[fi.ENTRIES] += 1
    leaf[at, fi.LEAF_ENTRIES] += 1
    if leaf[at, fi.LEAF_ENTRIES] == 1:
        slab.add_object(pages, fi.NODE_CACHE)


@outlined(void(machine_t, int64, int64, int64))
def add_page(m, q, f, remember):
    """Frame f holds file page q from now on; `remember`: the refault test is made if an eviction left its trace."""
    pages = m.pages
    leaf, at = pages.leaf, q >> fi.LEAF_SHIFT
    entry = int64(pages.cache[q])
    if leaf[at, fi.LEAF_ENTRIES] > 0 and leaf[at, fi.LEAF_PAGES] == 0:
        pages.num[fi.SHADOW_NODES] -= 1
        pages.vmstat[WORKINGSET_NODES] -= 1
    if entry == 0:
        add_entry(pages, q)
    leaf[at, fi.LEAF_PAGES] += 1
    pages.cache[q] = f + 1
    pages.frame[f, st.PAGE] = q
    pages.frame[f, st.MAPS] = 0
    pages.file[file_of(pages, q), fi.CACHED] += 1
    pages.vmstat[NR_FILE_PAGES] += 1
    spend(pages, st.BY_FILE, pages.cost[st.C_LOOKUP])
    shadow = int64(-1)
    if remember and entry < 0:
        shadow = -entry - 1
        if pages.num[st.GROUPS]:
            shadow |= int64(pages.cache_group[q]) << SHADOW_LRUVEC
    m.insert(m.policy, pages, f, shadow)
    note(pages, st.E_FILE_ADD, q, f, -1, 0)


@compiled(void(pages_t, int64))
def drop_entry(pages, at):
    """A leaf loses the entry of a page that just left; an empty node is freed, one with shadows only is remembered as such."""
    leaf = pages.leaf
    slab.drop_entries(pages, at, 1)
    if leaf[at, fi.LEAF_ENTRIES] == 0:
        slab.release(pages, fi.NODE_CACHE, 1)
    elif leaf[at, fi.LEAF_PAGES] == 0:
        pages.num[fi.SHADOW_NODES] += 1
        pages.vmstat[WORKINGSET_NODES] += 1


@outlined(void(machine_t, int64, int64, int64))
def forget_page(m, q, f, shadow):
    """File page q leaves memory, off the lists already or not; `shadow` stays in its place unless it is -1.  The frame is freed."""
    pages = m.pages
    leaf, at = pages.leaf, q >> fi.LEAF_SHIFT
    if pages.num[fi.CLEAN_CACHE]:
        if pages.frame[f, st.FLAGS] & st.FROM_DISK:
            stored = m.put(m.backend, pages, q, content_of(pages, q))
            note(pages, st.E_CLEAN_PUT, q, f, -1, stored)
        else:
            m.flush(m.backend, pages, q)
    leaf[at, fi.LEAF_PAGES] -= 1
    if shadow >= 0:
        pages.cache[q] = -(shadow + 1)
        if pages.num[st.GROUPS]:
            pages.cache_group[q] = pages.num[st.AGE_LRUVEC]
        if leaf[at, fi.LEAF_PAGES] == 0:
            pages.num[fi.SHADOW_NODES] += 1
            pages.vmstat[WORKINGSET_NODES] += 1
    else:
        pages.cache[q] = 0
        drop_entry(pages, at)
    pages.file[file_of(pages, q), fi.CACHED] -= 1
    pages.vmstat[NR_FILE_PAGES] -= 1
    if pages.frame[f, st.FLAGS] & st.BUFFERS:
        slab.release(pages, fi.BUFFER_CACHE, 1)
    m.remove(m.policy, pages, f)
    give_frame(pages, f)


@compiled(void(pages_t, int64))
def forget_shadow(pages, q):
    """The trace that an eviction left of file page q is dropped (truncation)."""
    leaf, at = pages.leaf, q >> fi.LEAF_SHIFT
    if pages.cache[q] >= 0:
        return
    pages.cache[q] = 0
    slab.drop_entries(pages, at, 1)
    if leaf[at, fi.LEAF_ENTRIES] == 0:
        slab.release(pages, fi.NODE_CACHE, 1)
        pages.num[fi.SHADOW_NODES] -= 1
        pages.vmstat[WORKINGSET_NODES] -= 1


@compiled(int64(machine_t, int64, int64))
def fill_from_clean_cache(m, q, f):
    """1 if the clean cache had file page q: frame f is filled without a read."""
    pages = m.pages
    if pages.num[fi.CLEAN_CACHE] == 0 or m.get(m.backend, pages, q) < 0:
        return 0
    note(pages, st.E_CLEAN_GET, q, f, -1, 0)
    return 1


@compiled(void(pages_t, int64, int64, int64))
def queue_file_io(pages, write, first, count):
    """Ask for a device request of `count` file pages from `first` on."""
    num = pages.num
    row = pages.ring[num[st.RING]]
    row[st.IO_TIME] = num[st.CLOCK]
    row[st.IO_WRITE] = write
    row[st.IO_FIRST] = first
    row[st.IO_COUNT] = count
    row[st.IO_FILE] = 1
    num[st.RING] += 1
    spend(pages, st.BY_IO, pages.cost[st.C_SUBMIT])


@compiled(void(pages_t, int64))
def need_buffers(pages, f):
    """The page gets its buffer heads, if the file system uses any and it has none."""
    flags = int64(pages.frame[f, st.FLAGS])
    if not flags & st.BUFFERS:
        pages.frame[f, st.FLAGS] = flags | st.BUFFERS
        slab.add_object(pages, fi.BUFFER_CACHE)
