"""Slab caches and shrinkers: how much a reclaim pass scans, what is freeable, and what hangs on the page cache."""

from __future__ import annotations

import pytest

from models.memory import file_state as fi
from models.memory.shrinkers import shrink_cache
from models.memory.slab import grow, release
from models.workloads.stream import FREAD, FWRITE, File
from sim.build_files import Filesystem
from tests.file_kit import Direct


def with_dentries(objects: int) -> Direct:
    m = Direct(File("f", 64))
    assert grow(m.pages, fi.DENTRY_CACHE, objects) == objects
    return m


def left(m: Direct) -> int:
    return int(m.a.slab[fi.DENTRY_CACHE, fi.OBJECTS])


# (objects, priority) -> scanned: objects >> priority, times 4, halved by seeks 2, in batches of 128
@pytest.mark.parametrize(
    ("objects", "priority", "scanned"),
    [
        (10_000, 12, 0),  # 2 * 2 = 4: less than a batch, put off
        (10_000, 5, 512),  # 312 * 2 = 624: four batches
        (10_000, 0, 10_000),  # twice as many as there are: all of them
        (100, 0, 100),  # fewer than a batch, but all that there are
    ],
)
def test_a_pass_scans_its_share_in_batches(objects: int, priority: int, scanned: int) -> None:
    m = with_dentries(objects)
    shrink_cache(m.machine, fi.DENTRY_CACHE, priority)
    assert objects - left(m) == scanned
    assert m.count("slabs_scanned") >= scanned


def test_what_is_less_than_a_batch_is_put_off() -> None:
    """4 a pass at priority 12 of which nothing of what was put off counts before it is worth something: 624 left over at 5 do."""
    m = with_dentries(10_000)
    shrink_cache(m.machine, fi.DENTRY_CACHE, 12)
    assert m.a.slab[fi.DENTRY_CACHE, fi.DEFERRED] == 4
    shrink_cache(m.machine, fi.DENTRY_CACHE, 5)
    assert m.a.slab[fi.DENTRY_CACHE, fi.DEFERRED] == 4 + 624 - 512


def test_pages_go_with_their_objects() -> None:
    """21 dentries of 192 bytes in a page."""
    m = with_dentries(210)
    assert m.count("nr_slab_reclaimable") == 10
    assert release(m.pages, fi.DENTRY_CACHE, 20) == 0
    assert release(m.pages, fi.DENTRY_CACHE, 1) == 1
    assert m.count("nr_slab_reclaimable") == 9
    m.check()


def test_nodes_and_inodes_come_with_the_pages_of_files() -> None:
    """Seven nodes of 64 pages in a page of slab; an inode a file."""
    m = Direct(File("f", 64 * 15))
    for node in range(15):
        m.do(FREAD, 64 * node)
    assert m.a.slab[fi.NODE_CACHE, fi.OBJECTS] == 15 and m.a.slab[fi.NODE_CACHE, fi.PAGES] == 3
    assert m.a.slab[fi.INODE_CACHE, fi.OBJECTS] == 1
    m.check()


def test_only_nodes_with_shadows_alone_are_freeable_and_only_beyond_an_eighth() -> None:
    m = Direct(File("f", 64 * 40))
    m.advise("random")
    for node in range(40):
        m.do(FREAD, 64 * node)
    for node in range(40):
        m.forget(64 * node, shadow=5)
    assert m.num[fi.SHADOW_NODES] == 40 and m.count("workingset_nodes") == 40
    slab_pages = m.count("nr_slab_reclaimable")
    shrink_cache(m.machine, fi.NODE_CACHE, 0)
    assert m.count("workingset_nodereclaim") == 0  # half of them, with seeks 0, is neither a batch nor all: put off
    for _ in range(4):
        shrink_cache(m.machine, fi.NODE_CACHE, 0)
    kept = slab_pages // 8  # no page is on a list
    assert 0 < m.count("workingset_nodereclaim") <= 40 - kept
    assert m.count("workingset_nodes") == 40 - m.count("workingset_nodereclaim")
    m.check()


def test_an_inode_is_freeable_when_its_file_has_no_page_and_no_shadow() -> None:
    m = Direct(File("a", 10), File("b", 10))
    m.do(FREAD, 0)
    m.do(FREAD, 64)
    assert m.num[fi.IDLE_INODES] == 0
    for page in m.cached(0, 64):
        m.forget(page)
    assert m.num[fi.IDLE_INODES] == 1
    for page in m.cached(64, 64):
        m.forget(page, shadow=3)
    assert m.num[fi.IDLE_INODES] == 1
    shrink_cache(m.machine, fi.INODE_CACHE, 0)
    assert m.a.file[:2, fi.INODE].tolist() == [0, 1]
    m.check()


@pytest.mark.parametrize(("kind", "read", "written"), [("ext4", 0, 1), ("xfs", 0, 0), ("raw", 1, 1)])
def test_buffer_heads(kind: str, read: int, written: int) -> None:
    """A page read singly (advice random reads by readahead, so the single page comes through a mapping's path): raw devices only."""
    m = Direct(File("f", 64), filesystem=Filesystem(kind, read_ahead=0))
    m.do(FWRITE, 5)
    assert ("buffers" in m.flags(5)) == bool(written)
    assert m.a.slab[fi.BUFFER_CACHE, fi.OBJECTS] == written
    m.check()
