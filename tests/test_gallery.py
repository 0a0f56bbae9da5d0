"""The smaller allocators of the gallery against their plain twins: random operations, then long churn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.allocators import chunked, hybrid, ideal, page_per_object, slab_2011, xcfmalloc_compact, zblock, zbud_zcache2
from models.allocators import pool as P
from models.allocators import xcfmalloc as xcf
from models.allocators.drive import ALLOC, COMPACT, FREE, LIMIT, PIN, RECLAIM, UNPIN
from tests.pool_kit import CHURN, PINS, PLENTY, Play, churn, raw_operations, same
from tests.twins.chunked import Chunked
from tests.twins.hybrid import Hybrid
from tests.twins.ideal import Ideal
from tests.twins.page_per_object import PagePerObject
from tests.twins.slab_2011 import Slab2011
from tests.twins.xcfmalloc import Xcfmalloc
from tests.twins.xvmalloc import Xvmalloc
from tests.twins.zblock import Zblock
from tests.twins.zbud_zcache2 import ZbudZcache2

BASIC = [ALLOC] * 6 + [FREE] * 3 + [LIMIT]
MOVING = [*BASIC, COMPACT]
PINNING = [*MOVING, PIN, UNPIN]
EVICTING = [*BASIC, RECLAIM, PIN, UNPIN]


def linked(head, table, column, after, first):
    """Serials along a chain of rows."""
    found, row = [], int(first)
    while row:
        found.append(int(table[row, column]))
        row = int(table[row, after])
    return found


def two_ended(module, arrays, links=((None, "NEXT", "PREV", "TYPE"),)):
    """Lists of lists.py in the twins' form, their three descriptions checked against each other."""
    found, n = {}, len(arrays.head) // 3
    for index in range(n):
        after, before, at = next(
            (getattr(module, a), getattr(module, b), getattr(module, c)) for where, a, b, c in links if where in (None, index)
        )
        row, last, serials = int(arrays.head[index]), 0, []
        while row:
            assert (arrays.page[row, before], arrays.page[row, at]) == (last, index)
            serials.append(int(arrays.page[row, module.SERIAL]))
            last, row = row, int(arrays.page[row, after])
        assert (arrays.head[n + index], arrays.head[2 * n + index]) == (last, len(serials))
        if serials:
            found[index] = serials
    return found


def zblock_lists(arrays):
    return two_ended(zblock, arrays)


def zcache2_lists(arrays):
    lru = int(arrays.num[zbud_zcache2.CHUNKS])
    return two_ended(zbud_zcache2, arrays, ((lru, "AFTER", "BEFORE", "LRU"), (None, "NEXT", "PREV", "LIST")))


def slab_lists(arrays):
    """Each class's list, its other end and the ends of its groups checked as well."""
    s, found = slab_2011, {}
    num, head, page = arrays.num, arrays.head, arrays.page
    classes = int(num[s.CLASSES])
    for c in range(classes):
        rows, row, before = [], int(head[s.FULLEST * classes + c]), 0
        while row:
            assert (page[row, s.PREV], page[row, s.CLASS]) == (before, c)
            rows.append(row)
            before, row = row, int(page[row, s.NEXT])
        assert head[s.EMPTIEST * classes + c] == before
        slots, base = int(head[s.SLOTS * classes + c]), s.PARTS * classes + int(head[s.GROUPS * classes + c])
        last = {int(page[row, s.USED]): row for row in rows}
        assert head[base : base + slots].tolist() == [last.get(used, 0) for used in range(slots)]
        if rows:
            found[c] = [int(page[row, s.SERIAL]) for row in rows]
    return found


def chunked_lists(arrays):
    c, found = chunked, {}
    for i, first in enumerate(arrays.head.tolist()):
        before, row = 0, first
        while row:
            assert (arrays.block[row, c.PREV], arrays.block[row, c.STATE]) == (before, c.FREE)
            found.setdefault(i, []).append(tuple(int(arrays.block[row, column]) for column in (c.PAGE, c.OFFSET, c.BYTES)))
            before, row = row, int(arrays.block[row, c.NEXT])
    return found


def xcf_lists(arrays):
    """The free lists, and every page's blocks: neighbours linked both ways, places without a gap."""
    block, first = arrays.block, {}
    for row in range(1, int(arrays.num[xcf.ROWS_USED]) + 1):
        if block[row, xcf.STATE] and block[row, xcf.OFFSET] == 0:
            assert first.setdefault(int(block[row, xcf.PAGE]), row) == row
    for page, row in first.items():
        at, before = 0, 0
        while row:
            assert (block[row, xcf.LEFT], block[row, xcf.PAGE], block[row, xcf.OFFSET]) == (before, page, at)
            at += -(-int(block[row, xcf.SIZE]) // 64) * 64
            before, row = row, int(block[row, xcf.RIGHT])
        assert at == arrays.num[P.PAGE_SIZE]
    found = {}
    for index in np.flatnonzero(arrays.head):
        row, rows = int(arrays.head[index]), []
        while row:
            rows.append(tuple(int(block[row, column]) for column in (xcf.PAGE, xcf.OFFSET, xcf.SIZE)))
            row = int(block[row, xcf.NEXT])
        found[int(index)] = rows
    return found


LIMITS = {"may_take": st.integers(0, 60), "max_objects": st.sampled_from([3, 100])}


@settings(max_examples=150, deadline=None)
@given(raw_operations(BASIC), st.sampled_from([1024, 4096, 65536]), LIMITS["may_take"], LIMITS["max_objects"])
def test_ideal_agrees_with_its_twin(raw, page_size, may_take, max_objects):
    arrays = ideal.create(page_size, 1000, max_objects, may_take=may_take)
    same(Play(ideal.IDEAL, arrays), Ideal(page_size, may_take, max_objects), raw, page_size + 1)


@settings(max_examples=100, deadline=None)
@given(raw_operations(BASIC), st.sampled_from([1024, 4096, 65536]), LIMITS["may_take"], LIMITS["max_objects"])
def test_page_per_object_agrees_with_its_twin(raw, page_size, may_take, max_objects):
    arrays = page_per_object.create(page_size, 1000, max_objects, may_take=may_take)
    same(Play(page_per_object.PAGE_PER_OBJECT, arrays), PagePerObject(page_size, may_take, max_objects), raw, page_size + 1)


@settings(max_examples=250, deadline=None)
@given(raw_operations(BASIC), st.sampled_from(["v2", "v4", "final"]), LIMITS["may_take"], LIMITS["max_objects"])
def test_zblock_agrees_with_its_twin(raw, table, may_take, max_objects):
    arrays = zblock.create(4096, 1000, max_objects, table=table, may_take=may_take)
    same(Play(zblock.ZBLOCK, arrays), Zblock(table, may_take, max_objects), raw, 4100, zblock_lists)


@settings(max_examples=300, deadline=None)
@given(raw_operations(EVICTING), st.sampled_from([4096, 16384, 65536]), LIMITS["may_take"], LIMITS["max_objects"])
def test_zbud_zcache2_agrees_with_its_twin(raw, page_size, may_take, max_objects):
    arrays = zbud_zcache2.create(page_size, 1000, max_objects, may_take=may_take)
    scaled = [(code, number * (page_size // 4096) if code == ALLOC else number) for code, number in raw]
    twin = ZbudZcache2(page_size, may_take, max_objects)
    same(Play(zbud_zcache2.ZBUD_ZCACHE2, arrays), twin, scaled, page_size, zcache2_lists)


SLABS = st.fixed_dictionaries(
    {
        "pages": st.sampled_from([1, 2, 4, 8]),
        "spacing": st.sampled_from([32, 64, 1024, 2048]),
        "threshold": st.sampled_from([0, 25, 60, 100]),
    }
)


@settings(max_examples=400, deadline=None)
@given(raw_operations(PINNING), st.sampled_from([4096, 16384]), SLABS, LIMITS["may_take"], LIMITS["max_objects"])
def test_slab_2011_agrees_with_its_twin(raw, page_size, options, may_take, max_objects):
    arrays = slab_2011.create(page_size, 1000, max_objects, **options, may_take=may_take)
    twin = Slab2011(page_size, **options, may_take=may_take, max_objects=max_objects)
    same(Play(slab_2011.SLAB_2011, arrays), twin, raw, page_size + 1, slab_lists)


CHUNKED = st.fixed_dictionaries({"header": st.sampled_from([32, 64]), "most": st.sampled_from([1, 2, 4, 40])})


@settings(max_examples=400, deadline=None)
@given(raw_operations(BASIC), st.sampled_from([1000, 4096, 65536]), CHUNKED, LIMITS["may_take"], LIMITS["max_objects"])
def test_chunked_agrees_with_its_twin(raw, page_size, options, may_take, max_objects):
    arrays = chunked.create(page_size, 1000, max_objects, **options, may_take=may_take)
    scaled = [(code, number * (1 + page_size // 8192) if code == ALLOC else number) for code, number in raw]
    twin = Chunked(page_size, **options, may_take=may_take, max_objects=max_objects)
    same(Play(chunked.CHUNKED, arrays), twin, scaled, page_size + 1, chunked_lists)


HALVES = {
    ("xvmalloc", "xcfmalloc"): lambda: (Xvmalloc(may_take=0), Xcfmalloc(may_take=0)),
    ("xcfmalloc-v1-32bit", "ideal"): lambda: (Xcfmalloc(rule="v1", header=32, may_take=0), Ideal(may_take=0)),
    ("chunked", "zblock-v2"): lambda: (Chunked(may_take=0), Zblock("v2", may_take=0)),
    ("page-per-object", "xvmalloc"): lambda: (PagePerObject(may_take=0), Xvmalloc(may_take=0)),
}


@settings(max_examples=250, deadline=None)
@given(
    raw_operations(MOVING),
    st.sampled_from(sorted(HALVES)),
    st.sampled_from([0, 700, 2048, 4096]),
    LIMITS["may_take"],
    LIMITS["max_objects"],
)
def test_hybrid_agrees_with_its_twin(raw, names, threshold, may_take, max_objects):
    arrays = hybrid.create(4096, 1000, max_objects, below=names[0], above=names[1], threshold=threshold, may_take=may_take)
    twin = Hybrid(*HALVES[names](), threshold, may_take, max_objects)
    same(Play(hybrid.HYBRID, arrays), twin, raw, 4100)


class Moving(Xcfmalloc):
    """The twin, with what its compaction moved among its numbers."""

    def tally(self):
        return super().tally() | {"moved": self.moved}


XCF = [{"rule": rule, "header": bits, "reserve": r} for rule in ("v1", "v2") for bits in (32, 64) for r in (0, 2, 32)]


@settings(max_examples=400, deadline=None)
@given(raw_operations(MOVING), st.sampled_from([1024, 4096]), st.sampled_from(XCF), LIMITS["may_take"], LIMITS["max_objects"])
def test_xcfmalloc_with_compaction_agrees_with_its_twin(raw, page_size, options, may_take, max_objects):
    arrays = xcf.create(page_size, 1000, max_objects, **options, may_take=may_take)
    twin = Moving(page_size, **options, may_take=may_take, max_objects=max_objects)
    same(Play(xcfmalloc_compact.XCFMALLOC, arrays), twin, raw, page_size + 1, xcf_lists)


# --- long churn ---------------------------------------------------------------------------------------------------------

LONG = {
    "ideal": (ideal.IDEAL, lambda: ideal.create(4096, 1000, 400, may_take=PLENTY), Ideal, {}, None),
    "page-per-object": (
        page_per_object.PAGE_PER_OBJECT,
        lambda: page_per_object.create(4096, 1000, 400, may_take=PLENTY),
        PagePerObject,
        {},
        None,
    ),
    "zblock": (zblock.ZBLOCK, lambda: zblock.create(4096, 2000, 400, may_take=PLENTY), Zblock, {}, zblock_lists),
    "zbud-zcache2": (
        zbud_zcache2.ZBUD_ZCACHE2,
        lambda: zbud_zcache2.create(4096, 1000, 400, may_take=PLENTY),
        ZbudZcache2,
        {RECLAIM: 0.02, **PINS},
        zcache2_lists,
    ),
    "slab-2011": (
        slab_2011.SLAB_2011,
        lambda: slab_2011.create(4096, 2000, 400, may_take=PLENTY),
        Slab2011,
        {COMPACT: 0.03, **PINS},
        slab_lists,
    ),
    "chunked": (
        chunked.CHUNKED,
        lambda: chunked.create(4096, 1000, 400, most=9, may_take=PLENTY),
        lambda: Chunked(most=9),
        {},
        chunked_lists,
    ),
    "hybrid": (
        hybrid.HYBRID,
        lambda: hybrid.create(4096, 1000, 400, may_take=PLENTY),
        lambda: Hybrid(Xvmalloc(may_take=0), Xcfmalloc(may_take=0), 2048),
        {COMPACT: 0.01},
        None,
    ),
    "xcfmalloc": (
        xcfmalloc_compact.XCFMALLOC,
        lambda: xcf.create(4096, 1000, 400, may_take=PLENTY),
        Moving,
        {COMPACT: 0.02},
        xcf_lists,
    ),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", LONG)
def test_long_churn_agrees_with_the_twin(name, seed):
    """Long lists, many equal sizes, much of everything; then most of it goes."""
    allocator, create, twin, more, lists = LONG[name]
    means = [[300, 1500, 3000], [900, 1800, 2900, 3700], [64, 200, 2048]][seed - 1]
    raw = churn(seed, 700, CHURN | more, means, 40 * seed, 3900) + churn(seed + 9, 300, {FREE: 0.9, ALLOC: 0.1} | more, means, 60, 3900)
    same(Play(allocator, create()), twin(), raw, 4096, lists)
