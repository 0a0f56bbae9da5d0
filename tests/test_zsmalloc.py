"""zsmalloc 3.6, 6.1 and 6.4+: size classes, worked examples, each rule, the plain twin, and what a running kernel did."""

from __future__ import annotations

import csv
import gzip
import random
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.allocators import pool as P
from models.allocators import zsmalloc as zs
from models.allocators import zsmalloc_classes as zc
from models.allocators import zspages as zp
from models.allocators.drive import ALLOC, COMPACT, FREE, LIMIT
from models.errors import InputError
from tests.test_allocators import TALLY, answer, run
from tests.twins.zsmalloc import Zsmalloc

PLENTY = 1 << 40
SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
CASES = Path(__file__).parent / "oracle_cases"
PAGE_SIZES = (4096, 16384, 65536)
VERSIONS = ["v3.6", "v6.1", *(f"v6.12-{chain}" for chain in (4, 5, 8, 16))]


def make(version: str, page_size: int = 4096, may_take: int = PLENTY, max_objects: int = 1000, max_pages: int = 100_000):
    """(allocator, arrays) of "v3.6", "v6.1" or "v6.12-CHAIN"."""
    name, _, chain = version.partition("-")
    if name == "v3.6":
        return zs.ZSMALLOC_3_6, zs.create_3_6(page_size, max_pages, max_objects, may_take=may_take)
    options = {"version": name, "chain": int(chain) if chain else "auto", "may_take": may_take}
    return zs.ZSMALLOC, zs.create(page_size, max_pages, max_objects, **options)


def make_twin(version: str, page_size: int = 4096, may_take: int = PLENTY, max_objects: int = 1000) -> Zsmalloc:
    name, _, chain = version.partition("-")
    return Zsmalloc(name, int(chain or 0), page_size, may_take, max_objects)


def rules(version: str) -> zc.Version:
    name, _, chain = version.partition("-")
    return {"v3.6": zc.V3_6, "v6.1": zc.V6_1}.get(name) or zc.v6_12(int(chain))


def lists(arrays):
    """The compiled pool's lists in the twin's form; links, counts and bits checked against each other, slots too."""
    head, num, page = arrays.head, arrays.num, arrays.page
    found = {}
    for c in range(num[zp.CLASSES_AT], num[zp.CLASSES_END], zp.CLASS_WIDTH):
        filled = 0
        for g in range(1, num[zp.GROUPS] + 1):
            row, before, serials = int(head[c + zp.HEAD + g]), 0, []
            while row:
                assert (page[row, zp.PREV], page[row, zp.CLASS]) == (before, c)
                serials.append(int(page[row, zp.SERIAL]))
                check_slots(arrays, row)
                before, row = row, int(page[row, zp.NEXT])
            assert head[c + zp.COUNT + g] == len(serials)
            if serials:
                filled |= 1 << g
                found[int(head[c + zp.NUMBER]), g] = serials
        assert head[c + zp.FILLED] == filled
    return found


def check_slots(arrays, z):
    """A zspage's slots that have a place: one after the other, in use or on the chain of free ones."""
    page, slots, row = arrays.page, {}, z
    first, top = zp.SLOTS, int(page[z, zp.TOP])
    while row:
        assert page[row, zp.ZSPAGE] == z and page[row, zp.BASE] + first == len(slots)
        last = zp.COLUMNS if row != top >> zp.ROW_SHIFT else top % zp.COLUMNS + 1
        slots |= {row * zp.COLUMNS + column: int(page[row, column]) for column in range(first, last)}
        first, row = zp.MORE_SLOTS, int(page[row, zp.MORE])
    chain, slot = [], int(page[z, zp.FREE])
    while slot:
        chain.append(slot)
        slot = -slots[slot]
    used = [slot for slot, owner in slots.items() if owner > 0]
    assert len(used) == page[z, zp.INUSE] and sorted([*used, *chain]) == sorted(slots)
    assert all(arrays.obj[slots[slot], zp.SLOT] == slot for slot in used)


class Play:
    """A script such as "a1 1000, f1, c" on one pool; returns where each object went, and the pages freed by each c."""

    def __init__(self, version: str = "v6.12-8", page_size: int = 4096, may_take: int = PLENTY, max_objects: int = 1000) -> None:
        self.allocator, self.arrays = make(version, page_size, may_take, max_objects)
        self.table = np.zeros((3, 5000), np.int32)

    def one(self, code, ident, arg=0):
        if code == COMPACT:
            return self.allocator.compact(self.arrays.pool, 1)
        place, _ = run(self.allocator, self.arrays, [(code, ident, arg)], self.table)
        return answer(place[0]) if code == ALLOC else int(place[0, 0])

    def __call__(self, script: str) -> dict[str, object]:
        got: dict[str, object] = {}
        for part in script.split(","):
            word, *number = part.split()
            if word == "c":
                got[f"c{len(got)}"] = self.one(COMPACT, 0)
            elif word[0] == "a":
                got[word] = self.one(ALLOC, int(word[1:]), int(number[0]))
            else:
                assert self.one(FREE, int(word[1:])) == 0
        return got

    def where(self, ident: int) -> tuple[int, int]:
        out = np.zeros(4, np.int64)
        assert self.allocator.blocks(self.arrays.pool, int(self.table[0, ident]) - 1, out) == 1
        return int(out[0]), int(out[1])

    def lists(self):
        return lists(self.arrays)


def many(first: int, last: int, size: int) -> str:
    return ", ".join(f"a{i} {size}" for i in range(first, last + 1))


def gone(*idents: int) -> str:
    return ", ".join(f"f{i}" for i in idents)


# --- size classes --------------------------------------------------------------------------------------------------------

# version: classes, largest slot that is not huge, first size reported as huge
KNOWN = {
    "v6.1": (69, 3264, 3257),
    "v6.12-4": (69, 3264, 3257),
    "v6.12-5": (86, 3408, 3401),
    "v6.12-6": (94, 3504, 3497),
    "v6.12-7": (110, 3584, 3577),
    "v6.12-8": (119, 3632, 3625),
    "v6.12-9": (136, 3680, 3673),
    "v6.12-10": (141, 3712, 3705),
    "v6.12-11": (153, 3744, 3737),
    "v6.12-12": (159, 3776, 3769),
    "v6.12-13": (173, 3792, 3785),
    "v6.12-14": (179, 3808, 3801),
    "v6.12-15": (186, 3840, 3833),
    "v6.12-16": (192, 3840, 3833),
}


@pytest.mark.parametrize("version", KNOWN)
def test_classes_and_the_huge_one(version):
    number, largest, huge = KNOWN[version]
    classes, position = zc.size_classes(rules(version))
    assert (len(classes), len(position), zc.first_huge_size(rules(version))) == (number, 255, huge)
    assert classes[-1] == (254, 4096, 1, 1) and classes[-1].huge and classes[-2].size == largest


def test_classes_of_3_6_are_not_merged():
    classes, position = zc.size_classes(zc.V3_6)
    assert position == list(range(255)) and [made.size for made in classes] == list(range(32, 4097, 16))
    assert np.bincount([made.pages for made in classes]).tolist() == [0, 97, 37, 59, 62]
    assert [made.objects == 1 for made in classes] == [made.size >= 3280 for made in classes]


def test_one_slot_differs_between_per_cent_and_bytes():
    one, other = (zc.size_classes(version)[0] for version in (zc.V6_1, zc.v6_12(4)))
    assert set(one) ^ set(other) == {(11, 208, 2, 39), (11, 208, 3, 59)}


def tables() -> list[Path]:
    return sorted((SHARED / "reference" / "tables").glob("zsmalloc_*.csv"))


@pytest.mark.skipif(not tables(), reason="no tables in ../shared/reference/tables")
@pytest.mark.parametrize("path", tables(), ids=lambda path: path.stem)
def test_the_class_tables(path):
    name = path.stem.rpartition("_")[2]
    version = zc.V6_1 if name == "6.1" else zc.v6_12(int(name.removeprefix("chain")))
    classes, position = zc.size_classes(version)
    with path.open() as file:
        rows = [{key: int(value) for key, value in row.items()} for row in csv.DictReader(file)]
    if "slots" in path.stem:
        assert [row["slot_size"] for row in rows] == zc.slot_sizes(version, 4096)
        for row, at in zip(rows, position, strict=True):
            assert (row["class_index"], row["class_size"], row["pages_per_zspage"], row["objs_per_zspage"]) == classes[at]
        return
    requests: dict[int, list[int]] = {}
    for size in range(1, 4097):
        requests.setdefault(position[min(254, max(0, -(-(size + 8 - 32) // 16)))], []).append(size)
    for at, row in enumerate(rows):
        assert (row["class_index"], row["size"], row["pages_per_zspage"], row["objs_per_zspage"]) == classes[at]
        assert (row["min_request"], row["max_request"]) == (requests[at][0], requests[at][-1])
        assert row["huge"] == classes[at].huge
        assert row["waste_bytes"] == 4096 * row["pages_per_zspage"] - row["size"] * row["objs_per_zspage"]
    assert len(rows) == len(classes)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("version", VERSIONS)
def test_classes_and_groups_of_a_pool_are_the_twins(version, page_size):
    """Every size goes to the same class, and every number of objects to the same group."""
    _, arrays = make(version, page_size, max_objects=10)
    head, num, twin = arrays.head, arrays.num, make_twin(version, page_size)
    for slot, size in enumerate(sorted(twin.class_of)):
        c, home = int(head[slot]), twin.class_of[size]
        assert head[c : c + zp.HEADER + 1].tolist() == [home.index, home.size, home.pages, home.objects, twin._header(home)]
        table = int(head[c + zp.TABLE])
        assert head[table] == 0 and head[table + home.objects] == num[zp.GROUPS] + 1
        rule = {
            "v3.6": lambda inuse, most: 1 + (inuse > most // 4),
            "v6.1": lambda inuse, most: 1 + (inuse > 3 * most // 4),
            "v6.12": lambda inuse, most: 100 * inuse // most // 10 + 1,
        }[version.partition("-")[0]]
        assert head[table + 1 : table + home.objects].tolist() == [rule(inuse, home.objects) for inuse in range(1, home.objects)]


# --- worked examples -------------------------------------------------------------------------------------------------------


def test_where_objects_of_3000_bytes_go():
    """With headers 3008 bytes, so slots of 3072: 4 of them in 3 pages, the second and third across a page boundary."""
    for version in ("v6.1", "v6.12-8"):
        play = Play(version)
        got = play(many(1, 5, 3000))
        assert [got[f"a{i}"] for i in range(1, 6)] == [[(0, 0)], [(0, 3072)], [(1, 2048)], [(2, 1024)], [(3, 0)]]
        num = play.arrays.num
        assert (num[P.POOL_PAGES], num[P.PAYLOAD], num[P.META_INSIDE]) == (6, 15000, 40)
        assert (num[P.LOST_INSIDE], num[P.FREE_BYTES]) == (5 * 64, 3 * 3072)
        assert num[P.META_OUTSIDE] == 5 * 8 + 2 * 56
    play = Play("v3.6")
    got = play(many(1, 6, 3000))
    assert [got[f"a{i}"] for i in range(1, 7)] == [[(0, 0)], [(0, 3008)], [(1, 1920)], [(2, 832)], [(3, 0)], [(3, 3008)]]
    num = play.arrays.num
    assert (num[P.POOL_PAGES], num[P.META_INSIDE], num[P.META_OUTSIDE]) == (6, 0, 0)
    assert num[P.LOST_INSIDE] == 6 * 8 + 2 * (3 * 4096 - 4 * 3008), "rounding, and what is left at the end of a zspage"
    assert play.allocator.counters(play.arrays) == {"live": 6}


def test_a_compaction_of_6_12():
    """Slots of 1024, four in a page: groups of one, two and three objects are 3, 6 and 8."""
    play = Play("v6.12-8")
    play(many(1, 16, 1000))
    play(gone(2, 3, 4, 5, 6, 7, 9, 10, 13))
    assert play.lists() == {(62, 3): [1, 0], (62, 6): [2], (62, 8): [3]}
    assert zs.compactable(play.arrays.pool) == 2
    assert play("c") == {"c0": 2}
    assert [play.where(i) for i in (8, 1, 11, 12, 14, 15, 16)] == [
        (3, 0),
        (2, 1024),
        (2, 2048),
        (2, 3072),
        (3, 1024),
        (3, 2048),
        (3, 3072),
    ]
    assert play.lists() == {(62, 8): [2]}
    num = play.arrays.num
    assert (num[P.MOVED], num[P.OP_COPIED], num[P.PAGES_RETURNED], num[P.POOL_PAGES]) == (2, 2048, 2, 2)
    assert play.allocator.counters(play.arrays) == {
        "obj_allocated": 8,
        "obj_used": 7,
        "pages_used": 2,
        "freeable": 0,
        "pages_compacted": 2,
    }


def test_a_compaction_of_6_1():
    """The same pool: up to three of four objects are "almost empty", so the source is whatever became so last."""
    play = Play("v6.1")
    play(many(1, 16, 1000))
    play(gone(2, 3, 4, 5, 6, 7, 9, 10, 13))
    assert play.lists() == {(62, 1): [3, 2, 1, 0]}
    assert play("c") == {"c0": 2}
    assert [play.where(i) for i in (1, 8, 11, 12, 14, 15, 16)] == [
        (0, 0),
        (0, 2048),
        (2, 2048),
        (2, 3072),
        (2, 1024),
        (2, 0),
        (0, 3072),
    ]
    assert play.lists() == {(62, 1): [0]}
    num = play.arrays.num
    assert (num[P.MOVED], num[P.OP_COPIED], num[P.PAGES_RETURNED], num[P.POOL_PAGES]) == (5, 5120, 2, 2)


# --- rules one by one --------------------------------------------------------------------------------------------------

EVERY = pytest.mark.parametrize("version", ["v3.6", "v6.1", "v6.12-8"])


@EVERY
def test_the_slot_that_came_free_last_is_the_next_and_those_never_used_come_after(version):
    play = Play(version)
    got = play("a1 500, a2 500, a3 500, f1, f3, a4 500, a5 500, a6 500")
    step = 512
    assert [got[f"a{i}"] for i in (1, 2, 3)] == [[(0, 0)], [(0, step)], [(0, 2 * step)]]
    assert [got[f"a{i}"] for i in (4, 5, 6)] == [[(0, 2 * step)], [(0, 0)], [(0, 3 * step)]]


@EVERY
def test_an_empty_zspage_is_given_back_at_once_and_numbers_are_not_used_again(version):
    play = Play(version)
    assert play("a1 3000, f1, a2 3000") == {"a1": [(0, 0)], "a2": [(3, 0)]}
    num = play.arrays.num
    assert (num[P.PAGES_TAKEN], num[P.PAGES_RETURNED], num[P.POOL_PAGES]) == (6, 3, 3)


@EVERY
def test_a_zspage_that_does_not_get_all_its_pages_leaves_the_pool_as_it_was(version):
    play = Play(version)
    play("a1 1000, a2 3000")
    num = play.arrays.num
    for left in (0, 1, 2):
        num[P.MAY_TAKE] = left
        before = num.copy()
        assert play(many(3, 6, 3000))["a6"] == -P.ENOMEM, "the fifth of this size"
        assert num[P.MAY_TAKE] == left
        play(gone(3, 4, 5))
        same = [i for i in range(len(num)) if i not in (P.OP_WALKED, P.WALKED, P.COPIED, P.OP_COPIED, zp.ROWS_USED, zp.HANDLES_USED)]
        assert num[same].tolist() == [before[i] if i != zp.HANDLE_SPARE else num[i] for i in same]
    num[P.MAY_TAKE] = 3
    assert play(many(3, 6, 3000))["a6"] == [(4, 0)]
    assert num[P.MAY_TAKE] == 0


def test_sizes_that_are_refused():
    script = "a1 0, a2 1, a3 4096, a4 4097"
    assert Play("v3.6")(script) == {"a1": -P.EINVAL, "a2": [(0, 0)], "a3": [(1, 0)], "a4": -P.EINVAL}
    assert Play("v6.1")(script) == {"a1": -P.EINVAL, "a2": [(0, 0)], "a3": [(1, 0)], "a4": -P.EINVAL}
    assert Play("v6.12-8")(script) == {"a1": -P.EINVAL, "a2": [(0, 0)], "a3": [(1, 0)], "a4": -P.ENOSPC}


@pytest.mark.parametrize(("version", "huge"), [("v6.1", 3257), ("v6.12-8", 3625), ("v6.12-16", 3833)])
def test_huge_objects_have_a_page_of_their_own_and_no_header(version, huge):
    play = Play(version)
    play(f"a1 {huge}, a2 4096")
    num = play.arrays.num
    assert (num[P.POOL_PAGES], num[P.META_INSIDE], num[P.LOST_INSIDE], num[P.FREE_BYTES]) == (2, 0, 4096 - huge, 0)
    assert num[P.META_OUTSIDE] == 2 * (8 + 56)
    play(f"f1, f2, a3 {huge - 1}")
    assert num[P.META_INSIDE] == 8 and num[P.POOL_PAGES] > 1


def test_a_store_takes_the_fullest_group_and_of_it_the_zspage_that_came_last():
    """Eight slots of 512 bytes in a page: with 1, 3 and 6 objects groups 2, 4 and 8; in 6.1 up to six are almost empty."""
    script = ", ".join([many(1, 32, 500), gone(*range(1, 8)), gone(*range(9, 14)), gone(17, 18), gone(25, 26), "a33 500"])
    play = Play("v6.12-8")
    assert play(script)["a33"] == [(3, 512)]
    assert play.lists() == {(30, 2): [0], (30, 4): [1], (30, 8): [2], (30, 9): [3]}
    play = Play("v6.1")
    assert play(script + ", a34 500")["a34"] == [(3, 0)], "page 3 is almost full now"
    play = Play("v3.6")
    assert play(script)["a33"] == [(3, 512)]
    assert play.lists() == {(30, 1): [0], (30, 2): [3, 2, 1]}, "up to a quarter are almost empty; lists are not sorted"


def test_a_zspage_keeps_its_place_while_it_stays_in_its_group():
    play = Play("v6.1")
    play(many(1, 24, 500) + ", f1, f2, f9, f10, f17, f18, f3, f4")
    assert play.lists() == {(30, 1): [2, 1, 0]}


def test_in_6_1_a_zspage_that_holds_less_than_the_first_becomes_the_second():
    """It takes a compaction to see that: otherwise a zspage never comes to a list with less than the first one has."""
    play = Play("v6.1")
    play(many(1, 8, 1000) + ", f5, f1, f2")
    assert play.lists() == {(62, 1): [0, 1]}
    assert play("c") == {"c0": 0}
    assert play.lists() == {(62, 1): [1, 0]}, "there is nothing to free, yet the order has changed"
    play = Play("v6.12-8")
    play(many(1, 8, 1000) + ", f5, f1, f2, c")
    assert play.lists() == {(62, 6): [0], (62, 8): [1]}


def test_in_6_1_a_source_goes_on_where_the_last_target_was_full():
    play = Play("v6.1")
    play(many(1, 16, 1000) + ", f1, f5, f9, f10, f13")
    # sources: page 3 (three objects), targets pages 2 and 1: the third object of page 3 goes to page 1
    assert play.lists() == {(62, 1): [3, 2, 1, 0]}
    assert play("c") == {"c0": 1}
    assert [play.where(i) for i in (14, 15, 16)] == [(2, 1024), (2, 0), (1, 0)]


def test_3_6_neither_compacts_nor_merges():
    script = "a1 2680, a2 2690, a3 2700"  # slots of 2688 and 2704 bytes; from 6.1 on all 2720; three in two pages
    play = Play("v3.6")
    assert play(script) == {"a1": [(0, 0)], "a2": [(2, 0)], "a3": [(2, 2704)]}
    assert Play("v6.1")(script) == {"a1": [(0, 0)], "a2": [(0, 2720)], "a3": [(1, 1344)]}
    play(many(4, 100, 2700) + ", " + gone(*range(4, 100, 2)))
    before = play.lists()
    assert play("c") == {"c0": 0} and play.lists() == before


@pytest.mark.parametrize("version", ["v6.1", "v6.12-8"])
def test_a_compaction_needs_no_page_and_no_budget(version):
    play = Play(version)
    play(many(1, 400, 1000) + ", " + gone(*range(1, 401, 2)))
    play.arrays.num[P.MAY_TAKE] = 0
    estimate = zs.compactable(play.arrays.pool)
    assert play("c") == {"c0": estimate} and estimate == 50
    assert play.arrays.num[P.MAY_TAKE] == 0 and play("c") == {"c0": 0}


@pytest.mark.parametrize("version", ["v6.1", "v6.12-8"])
def test_slots_that_were_never_used_are_handed_out_by_a_compaction_too(version):
    """The newest zspage has used two of its slots of 1024; it becomes the target of what is left of the first."""
    play = Play(version)
    play(many(1, 6, 1000) + ", f2, f3, f4")
    assert play("c")["c0"] == 1
    moved = [play.where(i) for i in (1, 5, 6)]
    assert len({page for page, _ in moved}) == 1 and len(set(moved)) == 3
    assert play("a7 1000, a8 1000")["a8"][0][0] == 2


# --- against the plain twin --------------------------------------------------------------------------------------------


def same(play, twin, ops, every_list=True):
    """Both do the operations; every answer, the whole tally, all lists and classes after each one must agree."""
    num = play.arrays.num
    for i, (code, ident, arg) in enumerate(ops):
        walked, moved, copied = int(num[P.WALKED]), int(num[P.MOVED]), int(num[P.COPIED])
        if code == ALLOC:
            assert play.one(ALLOC, ident, arg) == twin.alloc(ident, arg), (i, ops[i])
        elif code == FREE:
            assert play.one(FREE, ident) == (twin.free(ident) if ident in twin.objects else -P.EINVAL), (i, ops[i])
        elif code == LIMIT:
            twin.may_take = arg
            play.one(LIMIT, 0, arg)
        else:
            if twin.version != "v3.6":
                assert zs.compactable(play.arrays.pool) == twin.estimate()
            before = twin.moved
            assert play.one(COMPACT, 0) == twin.compact(), (i, ops[i])
            assert num[P.MOVED] - moved == twin.moved - before
            if twin.version != "v3.6":
                assert (num[P.WALKED] - walked, num[P.COPIED] - copied) == (twin.walked, twin.copied)
        expected = twin.tally()
        assert {name: int(num[TALLY[name]]) for name in expected} == expected, (i, ops[i])
        if every_list or code == COMPACT or i == len(ops) - 1:
            assert lists(play.arrays) == twin.lists(), (i, ops[i])
            assert zs.class_rows(play.arrays) == twin.class_rows()
    twin.check()
    if twin.version != "v3.6":
        assert zs.counters(play.arrays)["pages_compacted"] == twin.compacted
    for who in twin.objects:
        assert [play.where(who)] == twin.where(who)


def finish(raw, page_size):
    """Number the objects, make frees name some object of the past, and most sizes one of three."""
    ops, allocs, favourites = [], 0, [page_size * share // 100 for share in (4, 24, 62)]
    for code, number in raw:
        if code == ALLOC:
            size = number % (page_size + 80) if number % 4 == 0 else favourites[number % 3]
            ops.append((ALLOC, allocs, size))
            allocs += 1
        elif code == FREE:
            ops.append((FREE, number % (allocs + 1), 0))
        else:
            ops.append((code, 0, number % 9))
    return ops


SIZES = st.one_of(st.integers(0, 70_000), st.builds(lambda k, d: max(16 * k + d, 0), st.integers(0, 4096), st.integers(-9, 9)))
RAW = st.lists(st.tuples(st.sampled_from([ALLOC] * 7 + [FREE] * 6 + [COMPACT, LIMIT]), SIZES), max_size=90)


@settings(max_examples=250, deadline=None)
@given(RAW, st.sampled_from(PAGE_SIZES), st.sampled_from(VERSIONS), st.sampled_from([5, 60, PLENTY]), st.sampled_from([3, 100]))
def test_agrees_with_its_twin(raw, page_size, version, may_take, max_objects):
    play = Play(version, page_size, may_take, max_objects)
    same(play, make_twin(version, page_size, may_take, max_objects), finish(raw, page_size), every_list=page_size == 4096)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("version", VERSIONS)
def test_long_churn_agrees_with_the_twin(version, page_size):
    """Waves of growth and of frees in few classes, so that lists are long; pages run short now and then; compactions."""
    rng = np.random.default_rng([page_size, VERSIONS.index(version)])
    means, ops, live, allocs = page_size * np.array([0.02, 0.09, 0.24, 0.31]), [], [], 0
    for step in range(1800):
        chance = rng.random()
        if chance < 0.006:
            ops.append((COMPACT, 0, 0))
        elif chance < 0.016:
            ops.append((LIMIT, 0, int(rng.choice([0, 40, *[PLENTY] * 8]))))
        elif live and rng.random() < (0.15, 0.8)[step // 450 % 2]:
            ops.append((FREE, live.pop(int(rng.integers(len(live)))), 0))
        else:
            ops.append((ALLOC, allocs, int(np.clip(rng.normal(rng.choice(means), 6), 1, page_size))))
            live.append(allocs)
            allocs += 1
    ops += [(FREE, ident, 0) for ident in live[::2]] + [(COMPACT, 0, 0)] + [(FREE, ident, 0) for ident in live[1::2]]
    play = Play(version, page_size, max_objects=2000)
    same(play, make_twin(version, page_size, max_objects=2000), ops, every_list=False)
    num = play.arrays.num
    assert num[P.OBJECTS] == num[P.POOL_PAGES] == num[P.META_OUTSIDE] == 0
    assert version == "v3.6" or num[P.MOVED] > 10


@settings(max_examples=60, deadline=None)
@given(RAW, st.sampled_from(["v6.1", "v6.12"]), st.sampled_from([2, 5, 32]))
def test_many_pools_in_one_are_as_many_of_their_own(raw, version, pools):
    """Objects are shared out by their number; each pool's pages, and what a compaction frees, are those of a pool with its objects."""
    one = zs.create(4096, 100_000, 100, version=version, pools=pools, may_take=PLENTY)
    many = [zs.create(4096, 100_000, 100, version=version, may_take=PLENTY) for _ in range(pools)]
    live, chosen = {}, set()
    for code, ident, arg in finish(raw, 4096):
        if code == ALLOC:
            which = int(zs.set_of(one.num))
            handle = zs.alloc(one.pool, arg)
            if handle < 0:
                continue
            chosen.add(which)
            live[ident] = handle, which, zs.alloc(many[which].pool, arg)
        elif code == FREE and ident in live:
            handle, which, own = live.pop(ident)
            assert zs.free(one.pool, handle) == zs.free(many[which].pool, own) == 0
        elif code == COMPACT:
            assert zs.compactable(one.pool) == sum(zs.compactable(pool.pool) for pool in many)
            assert zs.ZSMALLOC.compact(one.pool, 1) == sum(zs.ZSMALLOC.compact(pool.pool, 1) for pool in many)
        assert int(one.num[P.POOL_PAGES]) == sum(int(pool.num[P.POOL_PAGES]) for pool in many)
    assert chosen <= set(range(pools))


def test_neighbours_are_spread_over_the_pools():
    pool = zs.create(4096, 1000, 1000, pools=32, may_take=PLENTY)
    counts = np.zeros(32, int)
    for _ in range(640):
        counts[zs.set_of(pool.num)] += 1
        assert zs.alloc(pool.pool, 2000) >= 0
    assert counts.min() >= 15 and counts.max() <= 25
    assert pool.num[P.POOL_PAGES] > zs_pages(640), "more zspages are partly filled than in one pool"


def zs_pages(objects: int) -> int:
    pool = zs.create(4096, 1000, 1000, may_take=PLENTY)
    for _ in range(objects):
        assert zs.alloc(pool.pool, 2000) >= 0
    return int(pool.num[P.POOL_PAGES])


def test_no_more_than_32_pools():
    with pytest.raises(InputError, match="33 pools; expected 1 to 32"):
        zs.create(4096, 1000, 1000, pools=33)


# --- a running kernel: Linux 6.18, zram, chain size 8 -----------------------------------------------------------------------


def play_kernel(allocator, arrays, events):
    """Pool pages after every event; events: (operation, slot, stored bytes).  Same-filled pages (0 bytes) are not in the pool."""
    handles, pages = {}, []
    for operation, slot, stored in events:
        if operation == "store" and stored:
            handles[slot] = allocator.alloc(arrays.pool, stored)
            assert handles[slot] >= 0
        elif operation == "free" and slot in handles:
            assert allocator.free(arrays.pool, handles.pop(slot)) == 0
        elif operation == "compact":
            allocator.compact(arrays.pool, 0)
        pages.append(int(arrays.num[P.POOL_PAGES]))
    return pages


def kernel_runs(file) -> dict[str, list[tuple[tuple[str, int, int], int]]]:
    """run: ((operation, slot, bytes), pool pages as the kernel counted them afterwards)."""
    runs: dict[str, list[tuple[tuple[str, int, int], int]]] = {}
    for row in csv.DictReader(file):
        event = row["op"], int(row["slot"] or 0), int(row["stored_bytes"] or 0)
        runs.setdefault(row["run"], []).append((event, int(row["mem_used_pages_after"])))
    return runs


def agrees_with_the_kernel(events):
    allocator, arrays = make("v6.12-8", max_objects=len(events))
    pages = play_kernel(allocator, arrays, [event for event, _ in events])
    assert pages == [after for _, after in events]
    assert zs.counters(arrays)["pages_compacted"] == events[-2][1] - events[-1][1]


def test_a_kernel_s_fill_frees_and_compaction():
    """The pages of a compiler (cc1plus) under LZ4: 8192 stores, 6144 frees, a compaction, and the pool's size after each."""
    with gzip.open(CASES / "kernel-6.18-zram-lz4-cc1plus.csv.gz", "rt") as file:
        runs = kernel_runs(file)
    assert {run: len(events) for run, events in runs.items()} == {"lz4/gcc_cc1plus": 8192 + 6144 + 1}
    for events in runs.values():
        agrees_with_the_kernel(events)


KERNEL = SHARED / "data" / "kernel-zsmalloc"
absent = pytest.mark.skipif(not KERNEL.is_dir(), reason="no measurements of a kernel in ../shared/data/kernel-zsmalloc")


@absent
def test_every_event_of_a_kernel():
    with gzip.open(KERNEL / "events.csv.gz", "rt") as file:
        runs = kernel_runs(file)
    assert len(runs) >= 10
    for events in runs.values():
        agrees_with_the_kernel(events)


@absent
def test_every_summary_of_a_kernel():
    sizes = np.load(KERNEL / "kernel_sizes.npz")
    with (KERNEL / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 15
    for row in rows:
        stored = sizes[row["run"].replace("/", "__")].tolist()
        n = len(stored)
        order = list(range(n))
        random.Random(11).shuffle(order)
        allocator, arrays = make("v6.12-8", max_objects=n)
        counts = [play_kernel(allocator, arrays, [("store", i, size) for i, size in enumerate(stored)])[-1]]
        assert arrays.num[P.PAYLOAD] == int(row["compr_bytes"])
        handles = iter(range(n))
        handle = [next(handles) if size else -1 for size in stored]
        for first, last in ((0, n // 4), (n // 4, n // 2), (n // 2, int(n * 0.75))):
            for slot in order[first:last]:
                assert handle[slot] < 0 or allocator.free(arrays.pool, handle[slot]) == 0
            counts.append(int(arrays.num[P.POOL_PAGES]))
        freed = allocator.compact(arrays.pool, 0)
        names = ("fill_mem_pages", "mem_pages_free25", "mem_pages_free50", "mem_pages_free75")
        assert counts == [int(row[name]) for name in names], row["run"]
        assert freed == int(row["pages_compacted"]), row["run"]
        assert arrays.num[P.POOL_PAGES] == int(row["mem_pages_after_compact"]), row["run"]


# --- limits --------------------------------------------------------------------------------------------------------------


@EVERY
def test_hard_limits_refuse_and_do_no_harm(version):
    allocator, arrays = make(version, max_objects=3, max_pages=5)
    pool, num = arrays.pool, arrays.num
    assert [allocator.alloc(pool, 4000) for _ in range(4)] == [0, 1, 2, -P.ENOMEM]
    assert allocator.free(pool, 1) == 0
    assert allocator.free(pool, 1) == -P.EINVAL
    assert allocator.alloc(pool, 10) == 1
    assert [allocator.free(pool, handle) for handle in (-1, 3, 1 << 40)] == [-P.EINVAL] * 3
    assert [allocator.blocks(pool, handle, np.zeros(4, np.int64)) for handle in (-1, 3, 1 << 40)] == [-P.EINVAL] * 3
    assert (num[P.OBJECTS], num[P.PAYLOAD], num[P.PAGES_TAKEN]) == (3, 8010, 4)
    allocator, few = make(version, max_objects=100, max_pages=4)
    assert [allocator.alloc(few.pool, size) for size in (4000, 4000, 3000, 4000, 4000)] == [0, 1, -P.ENOMEM, 2, 3]
    assert few.num[P.PAGES_TAKEN] == 4


@EVERY
def test_slots_left_behind_in_every_class_find_room(version):
    """Each class in turn is filled with all objects that there may be, and keeps one in every zspage: no limit but that of pages is met."""
    objects = 600
    allocator, arrays = make(version, max_objects=objects, max_pages=1 << 20)
    pool, num, head = arrays.pool, arrays.num, arrays.head
    kept = 0
    for c in range(num[zp.CLASSES_AT], num[zp.CLASSES_END], zp.CLASS_WIDTH):
        size, capacity = int(head[c + zp.BYTES]) - 8, int(head[c + zp.CAPACITY])
        handles = [allocator.alloc(pool, size) for _ in range(objects - kept)]
        assert min(handles, default=0) >= 0
        for i, handle in enumerate(handles):
            if i % capacity or kept >= objects - 1:
                assert allocator.free(pool, handle) == 0
            else:
                kept += 1
    assert num[zp.ROWS_USED] <= num[zp.ROW_LIMIT] and num[zp.ROWS_USED] > objects


@EVERY
def test_what_an_empty_zspage_needed_is_used_again(version):
    play = Play(version)
    used = []
    for size in (4000, 40, 1000, 40, 4000):
        play(many(1, 300, size))
        play(gone(*range(1, 301)))
        used.append(int(play.arrays.num[zp.ROWS_USED]))
    assert used == [300] * 5


@EVERY
def test_a_reserve_for_16_gib_costs_nothing_until_used(version):
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before, start = resident(), time.perf_counter()
    _, arrays = make(version, max_objects=4 << 20, max_pages=4 << 20)
    assert time.perf_counter() - start < 1
    assert resident() - before < 20 << 20
    assert arrays.num[P.PAGES_TAKEN] == 0


def test_what_no_original_could_be_is_refused():
    for size in (2048, 4100, 1 << 17):
        with pytest.raises(InputError, match=f"zsmalloc: pages of {size} bytes"):
            zs.create(size, 10, 10)
        with pytest.raises(InputError, match=f"zsmalloc: pages of {size} bytes"):
            zs.create_3_6(size, 10, 10)
    for wrong in ({"version": "6.1"}, {"chain": 3}, {"chain": 17}, {"chain": "long"}):
        with pytest.raises(InputError, match="zsmalloc: version"):
            zs.create(4096, 10, 10, **wrong)
    with pytest.raises(InputError, match=r"chain 8 with version v6\.1"):
        zs.create(4096, 10, 10, version="v6.1", chain=8)
