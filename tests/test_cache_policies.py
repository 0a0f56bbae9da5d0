"""Replacement policies of models/cache: against their plain twins, by hand, their invariants, and the reference misses."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cache.lirs import ASTRAY
from models.cache.policy import CachePolicy, resident
from models.cache.registry import ALIASES, REGISTRY
from models.cache.state import CAPACITY, GHOSTS, LIST, LISTS, NEXT, PAGE, PREV, USED, CacheArrays
from models.registry import Entry, resolve
from sim.cachesim.policies import choices
from sim.cachesim.study import study
from sim.cachesim.trace import Trace, load
from tests.twins import cache_clocks, cache_ghosts, cache_history, cache_linux, cache_policies
from tests.twins.cache_policies import Twin

TWINS: dict[str, type[Twin]] = {
    "lru": cache_policies.Lru,
    "mru": cache_policies.Mru,
    "fifo": cache_policies.Fifo,
    "clock": cache_policies.Clock,
    "nru": cache_policies.Nru,
    "lfu": cache_policies.Lfu,
    "slru": cache_policies.Slru,
    "2q": cache_ghosts.TwoQ,
    "arc": cache_ghosts.Arc,
    "car": cache_clocks.Car,
    "lirs": cache_ghosts.Lirs,
    "clock-pro": cache_clocks.ClockPro,
    "lru-k": cache_history.LruK,
    "tinylfu": cache_history.TinyLfu,
    "w-tinylfu": cache_history.WTinyLfu,
    "s3-fifo": cache_ghosts.S3Fifo,
    "sieve": cache_policies.Sieve,
    "linux-lru": cache_linux.LinuxLru,
    "mglru": cache_linux.Mglru,
    "belady": cache_policies.Belady,
}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "clock": [{"bits": 1}, {"bits": 2}, {"bits": 3}],
    "slru": [{"segments": 2}, {"segments": 3}, {"segments": 5}, {"segments": 4, "rule": "libcachesim"}],
    "2q": [{}, {"inside": 0.5, "outside": 1.5}, {"outside": 0.0}],
    "lirs": [{}, {"hir": 0.3, "ghosts": 2.0}, {"hir": 0.2, "ghosts": 0.0}, {"rule": "libcachesim"}, {"rule": "libcachesim", "hir": 0.3}],
    "clock-pro": [{}, {"cold": 0.5}, {"cold": 0.2, "fill": "cold"}],
    "lru-k": [{}, {"k": 1}, {"k": 3, "correlated": 2, "retained": 20}, {"correlated": 5, "ghosts": 3.0}, {"ghosts": 0.0}],
    "tinylfu": [
        {},
        {"bits": 8, "counters": 0.2, "sample": 1000.0, "door": 0.0},
        {"bits": 12, "counters": 0.2, "sample": 1000.0, "door": 7.0},
        {"rows": 1, "counters": 0.5, "bits": 2},
        {"door": 0.0, "sample": 3.0},
        {"door": 4.0, "door_hashes": 1, "seed": 9},
    ],
    "w-tinylfu": [{}, {"window": 0.3, "protected": 0.5, "door": 4.0}, {"window": 1.0}, {"protected": 0.0, "sample": 30.0}],
    "linux-lru": [{}, {"batch": 1}, {"batch": 3}],
    "mglru": [{}, {"batch": 1}, {"batch": 5, "ghosts": 2.0}, {"ghosts": 0.0}],
    "s3-fifo": [{}, {"rule": "libcachesim"}, {"small": 0.3, "threshold": 1}, {"ghosts": 0.0}],
}
ENTRIES = {entry.name: entry for entry in REGISTRY}
SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
NO_FUTURE = np.empty(0, np.int32)


def cases() -> Iterator[Any]:
    for name in ENTRIES:
        for options in OPTIONS.get(name, [{}]):
            yield pytest.param(ENTRIES[name], options, id=f"{name}-{'-'.join(map(str, options.values()))}")


def hits_of(entry: Entry, ids: list[int], pages: int, distinct: int, **options: Any) -> Iterator[tuple[bool, CacheArrays]]:
    """Whether each access hit, and the state behind it."""
    policy: CachePolicy = resolve(entry.target)
    arrays = policy.create(pages, distinct, **options)
    whole = np.array(ids, np.int32)
    later = policy.ahead(whole, distinct) if policy.ahead is not None else NO_FUTURE
    for at in range(len(ids)):
        yield not policy.run(arrays.cache, whole[at : at + 1], later[at : at + 1]), arrays


def uncounted_list(entry: Entry, options: dict[str, Any]) -> int:
    """The list of pages that a policy holds beyond its capacity; 0 none."""
    return ASTRAY if entry.name == "lirs" and options.get("rule") == "libcachesim" else 0


def check(arrays: CacheArrays, pages: int, uncounted: int = 0) -> None:
    """No page twice, none on two lists, lists whole in both directions, at most `pages` resident."""
    node, index = arrays.node, arrays.index
    known = index[index > 0]
    assert len(set(known.tolist())) == len(known)
    assert (index[node[known, PAGE]] == known).all()
    assert (node[node[known, NEXT], PREV] == known).all() and (node[node[known, PREV], NEXT] == known).all()
    assert ((node[known, LIST] > 0) & (node[known, LIST] < LISTS)).all()
    counted = (node[known, LIST] < GHOSTS) & (node[known, LIST] != uncounted)
    assert int(counted.sum()) == arrays.num[USED] <= pages == arrays.num[CAPACITY]


strings = st.integers(1, 14).flatmap(lambda most: st.lists(st.integers(0, most), min_size=1, max_size=120))


@pytest.mark.parametrize(("entry", "options"), list(cases()))
@settings(max_examples=60, deadline=None)
@given(ids=strings, pages=st.integers(1, 12))
def test_every_access_as_the_twin_says(entry: Entry, options: dict[str, Any], ids: list[int], pages: int) -> None:
    if entry.name == "random":
        twin = None
    else:
        twin = TWINS[entry.name](pages, **(options | ({"ids": ids} if entry.name == "belady" else {})))
    for at, (hit, arrays) in enumerate(hits_of(entry, ids, pages, 15, **options)):
        before = ids[:at]
        assert not hit or ids[at] in before
        check(arrays, pages, uncounted_list(entry, options))
        if twin is not None:
            assert hit == twin.access(ids[at]), f"access {at}, page {ids[at]}"
            if entry.name != "belady":  # which of the pages that are not used again goes first is free
                assert resident(arrays) == set(twin.resident())


@pytest.mark.parametrize(("entry", "options"), list(cases()))
def test_a_long_string_in_one_call_as_access_by_access(entry: Entry, options: dict[str, Any]) -> None:
    """Larger caches, rows used again, and one call instead of many; Belady bounds every policy."""
    draw = np.random.default_rng(7)
    ids = np.minimum(draw.zipf(1.2, 4000), 400).astype(np.int32) - 1
    ids[1000:2000] = np.arange(1000) % 300
    policy: CachePolicy = resolve(entry.target)
    for pages in (7, 50, 333):
        future = policy.ahead(ids, 400) if policy.ahead is not None else NO_FUTURE
        arrays = policy.create(pages, 400, **options)
        misses = int(policy.run(arrays.cache, ids, future))
        check(arrays, pages, uncounted_list(entry, options))
        assert misses == sum(not hit for hit, _ in hits_of(entry, ids.tolist(), pages, 400, **options))
        bound = Trace("", "", ids, 400)
        assert misses >= study(bound, choices("belady"), [pages])[0].misses
        if entry.name in TWINS:
            twin = TWINS[entry.name](pages, **(options | ({"ids": ids.tolist()} if entry.name == "belady" else {})))
            assert misses == sum(not twin.access(page) for page in ids.tolist())


BY_HAND = [  # string, pages, policy, misses, worked on paper
    ("123412512345", 3, "lru", 10),
    ("123412512345", 4, "lru", 8),
    ("123412512345", 3, "fifo", 9),  # Belady's anomaly: 3 pages miss less ...
    ("123412512345", 4, "fifo", 10),  # ... than 4
    ("123412512345", 3, "belady", 7),
    ("123412512345", 3, "mru", 7),
    ("1123", 1, "lfu", 3),
    ("112231", 2, "lfu", 4),  # 1 and 2 have two uses each, 1 had them first and goes
    ("1121321", 2, "lfu", 4),  # 3 replaces 2, 2 replaces 3
    ("121314", 2, "clock", 4),  # 1 is used between, and stays
    ("1213141", 2, "sieve", 4),
    ("123123", 2, "sieve", 6),
    ("12341", 3, "nru", 5),  # all bits set: all are cleared, the oldest goes
    ("1234121212", 4, "2q", 4),
    ("121314", 2, "car", 4),  # the hand gives 1, which has a bit, to T2
    ("12321", 2, "clock-pro", 4),  # 2 comes back in its test period and turns 1 cold, which stays
    ("112313", 2, "lru-k", 3),  # 1 has two uses and stays
    ("11121", 1, "tinylfu", 2),  # 2 is refused
    ("11231", 2, "w-tinylfu", 3),  # 2 leaves the window and loses against 1
    ("11231", 2, "linux-lru", 3),  # the second read makes 1 active
    ("11231", 2, "mglru", 4),  # a second read is not enough here ...
    ("11111231", 2, "mglru", 3),  # ... four uses beyond the first protect
]


@pytest.mark.parametrize(("string", "pages", "name", "misses"), BY_HAND)
def test_by_hand(string: str, pages: int, name: str, misses: int) -> None:
    ids = [int(c) for c in string]
    assert sum(not hit for hit, _ in hits_of(ENTRIES[name], ids, pages, 10)) == misses


def test_2q_keeps_what_comes_back_while_it_is_remembered() -> None:
    """4 pages, Kin 1, Kout 2: 1 leaves the FIFO, comes back while it is remembered, and then stays through a scan."""
    ids = [1, 2, 3, 4, 5, 1, 6, 7, 8, 9, 1]
    assert [hit for hit, _ in hits_of(ENTRIES["2q"], ids, 4, 10)] == [False] * 10 + [True]


def test_s3_fifo_of_the_tool_admits_nothing_where_small_is_a_page() -> None:
    tool = choices("S3FIFO")[0]
    ids = [1, 1, 1, 2, 2, 1] * 20
    assert not any(hit for hit, _ in hits_of(tool.entry, ids, 19, 3, **tool.options))
    assert sum(hit for hit, _ in hits_of(tool.entry, ids, 20, 3, **tool.options)) == len(ids) - 2


def test_random_is_fair_and_can_be_repeated() -> None:
    """Uniform references over 100 pages, 40 of them resident: each access hits with probability 0.4, whoever goes."""
    ids = np.random.default_rng(3).integers(0, 100, 200_000).astype(np.int32)
    trace = Trace("", "", ids, 100)
    first, again, other = (study(trace, choices(f"random:seed={seed}"), [40])[0].misses for seed in (1, 1, 2))
    assert first == again != other
    assert abs(first / len(ids) - 0.6) < 6 * np.sqrt(0.24 / len(ids))


def test_removed_pages_are_gone_and_the_rest_goes_on() -> None:
    """What the machine does and the study does not: pages go at any time; then every function still keeps the invariants."""
    draw = np.random.default_rng(5)
    for entry in REGISTRY:
        policy: CachePolicy = resolve(entry.target)
        arrays = policy.create(20, 100)
        for page in draw.integers(0, 100, 3000).astype(np.int32):
            policy.run(arrays.cache, np.array([page]), np.array([page]))
            if page % 3 == 0 and arrays.index[page]:
                policy.remove(arrays.cache, int(arrays.index[page]))
                assert int(page) not in resident(arrays)
            if page % 7 == 0 and arrays.num[USED]:
                gone = int(policy.evict(arrays.cache, -1))
                assert gone not in resident(arrays)
            check(arrays, 20)


# ---------------------------------------------------------------- the reference misses

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data beside the project")
EXACT = ("LRU", "FIFO", "Clock", "Clock2", "LFU", "SLRU", "TwoQ", "ARC", "LIRS", "S3FIFO", "Sieve", "Belady")


def shared_trace(name: str) -> Path:
    folder, _, file = name.partition("/")
    return SHARED / "traces" / ("lirs" if folder == "lirs" else "cache2k-ccby4") / f"{file}.trace.{'gz' if folder == 'lirs' else 'xz'}"


def reference() -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = {}
    with (SHARED / "reference-misses" / "unit_page_misses.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["trace"], []).append(row)
    return rows


@needs_shared
def test_every_reference_cell() -> None:
    agree: Counter[str] = Counter()
    cells: Counter[str] = Counter()
    for name, rows in reference().items():
        trace = load(shared_trace(name), name=name)
        assert (len(trace.ids), trace.distinct) == (int(rows[0]["requests"]), int(rows[0]["distinct"]))
        sizes = sorted({int(row["cache_pages"]) for row in rows})
        ours = {(o.policy, o.pages): o.misses for o in study(trace, choices(",".join(EXACT)), sizes)}
        for row in rows:
            if row["policy"] in EXACT:
                cells[row["policy"]] += 1
                agree[row["policy"]] += ours[row["policy"], int(row["cache_pages"])] == int(row["misses"])
    assert set(cells) == set(EXACT)
    assert agree == cells


def test_aliases_fix_settings_that_exist() -> None:
    for entry in (*REGISTRY, *ALIASES):
        policy: CachePolicy = resolve(entry.target)
        names = {option.name for option in entry.options}
        assert set(entry.preset) <= names
        policy.create(10, 20, **{option.name: option.default for option in entry.options} | entry.preset)


def test_lirs_of_the_tool_holds_more_than_its_cache() -> None:
    """1 4 6 6 1 5 in three pages: libcachesim 0.3.5 then hits 1, 4, 5 and 6 alike; by the paper 1, the oldest of Q, had to go for 5."""
    ids = [1, 4, 6, 6, 1, 5]
    (paper, tool) = ([state for _, state in hits_of(ENTRIES["lirs"], ids, 3, 7, rule=rule)][-1] for rule in ("paper", "libcachesim"))
    assert resident(paper) == {4, 5, 6}
    assert resident(tool) == {1, 4, 5, 6}


# accesses, pages, hits: recorded from libcachesim 0.3.5
TOOL_LIRS = [
    ([3, 4, 1, 1, 3, 4, 5, 6, 7], 3, "...hhh..."),
    ([6, 2, 7, 1, 8, 8, 6, 2, 7, 8, 3, 4, 5], 5, ".....hhhhh..."),
    ([5, 3, 8, 7, 1, 1, 5, 4, 5, 3], 5, ".....hh.h."),
    ([5, 1, 2, 3, 3, 5, 1, 1, 6, 8, 7, 4, 12, 6, 11, 2], 4, "....hhhh.......h"),
    ([4, 2, 3, 3, 4, 1, 6, 8, 5, 9, 6, 4], 3, "...hh......h"),
    ([7, 9, 10, 5, 14, 15, 16, 17, 18, 0, 6, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 1, 2, 4, 5], 7, "...............h.hh......h"),
    ([1, 1, 2, 2, 1], 1, "....."),
]


@pytest.mark.parametrize(("ids", "pages", "hits"), TOOL_LIRS)
def test_lirs_of_the_tool_by_observation(ids: list[int], pages: int, hits: str) -> None:
    found = "".join(".h"[hit] for hit, _ in hits_of(ENTRIES["lirs"], ids, pages, 20, rule="libcachesim"))
    assert found == hits
