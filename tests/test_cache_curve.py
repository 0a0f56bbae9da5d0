"""Reuse distances and LRU's whole curve: by hand, against the policy, and against the definition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.cache.lru import LRU
from models.cache.mattson import distances, lru_misses
from models.cache.sieve import SIEVE
from sim.cachesim.sampling import estimate, hashes, pages_of, sample
from sim.cachesim.trace import Trace
from sim.cli import execute
from sim.errors import UserError

NONE = np.empty(0, np.int32)
traces = some.lists(some.integers(0, 30), min_size=1, max_size=400)


def dense(pages: list[int]) -> tuple[np.ndarray, int]:
    known, ids = np.unique(np.asarray(pages), return_inverse=True)
    return ids.astype(np.int32), len(known)


def test_distances_by_hand() -> None:
    """a b c b a a: b after c and itself: 2; a after b, c and itself: 3; a again: 1."""
    found = distances(np.array([0, 1, 2, 1, 0, 0], np.int32), 3)
    assert found.tolist() == [3, 1, 1, 1]
    assert lru_misses(found).tolist() == [6, 5, 4, 3]


@settings(max_examples=200, deadline=None)
@given(traces)
def test_a_distance_is_the_number_of_distinct_pages_since(pages: list[int]) -> None:
    ids, distinct = dense(pages)
    expected = np.zeros(distinct + 1, int)
    for i, page in enumerate(ids):
        before = np.flatnonzero(ids[:i] == page)
        expected[0 if not len(before) else len(set(ids[before[-1] : i].tolist()))] += 1
    assert distances(ids, distinct).tolist() == expected.tolist()


@settings(max_examples=60, deadline=None)
@given(traces, some.integers(1, 32))
def test_the_curve_is_lru_at_every_size(pages: list[int], size: int) -> None:
    ids, distinct = dense(pages)
    misses = int(LRU.run(LRU.create(size, distinct).cache, ids, NONE))
    curve = lru_misses(distances(ids, distinct))
    assert curve[min(size, distinct)] == misses
    assert (np.diff(curve) <= 0).all() and curve[0] == len(ids) and curve[distinct] == distinct


def test_a_long_trace_moves_the_marks_together_many_times() -> None:
    rng = np.random.default_rng(5)
    ids, distinct = dense(np.minimum(rng.zipf(1.2, 60_000), 700).tolist())
    curve = lru_misses(distances(ids, distinct))
    for size in (1, 10, 100, distinct // 2, distinct):
        assert curve[size] == int(LRU.run(LRU.create(size, distinct).cache, ids, NONE)), size


# --- samples ------------------------------------------------------------------------------------------------------------


def trace_of(requests: int = 400_000, distinct: int = 20_000, seed: int = 3) -> Trace:
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, distinct + 1) ** 0.9
    ids, known = dense(rng.choice(distinct, requests, p=weights / weights.sum()).tolist())
    return Trace("made", "text", ids, known)


def lru(trace: Trace, sizes: Sequence[int]) -> list[int]:
    curve = lru_misses(distances(trace.ids, trace.distinct))
    return [int(curve[min(size, trace.distinct)]) for size in sizes]


def test_a_sample_has_the_pages_it_was_to_have_and_all_their_requests() -> None:
    trace = trace_of(20_000, 1000)
    part = sample(trace, 100, 1)
    chosen = np.sort(np.argsort(hashes(trace.distinct, 1))[:100])
    assert part.distinct == 100 == len(np.unique(part.ids))
    assert chosen[part.ids].tolist() == trace.ids[np.isin(trace.ids, chosen)].tolist()
    assert not np.array_equal(sample(trace, 100, 2).ids, part.ids)


def test_an_estimate_is_right_within_what_it_says() -> None:
    """At most one of ten sizes outside twice its interval; and the interval is small."""
    trace = trace_of()
    sizes = [1000 * k for k in range(1, 11)]
    exact = lru(trace, sizes)
    found = estimate(trace, pages_of(trace, 0.1), sizes, lru)
    outside = sum(abs(one.misses - true) > 2 * one.half_width for one, true in zip(found, exact, strict=True))
    assert outside <= 1
    assert all(one.half_width < 0.2 * one.misses for one in found)


def test_any_policy_can_be_estimated() -> None:
    trace = trace_of(100_000, 5000)

    def sieve(part: Trace, sizes: Sequence[int]) -> list[int]:
        return [int(SIEVE.run(SIEVE.create(size, part.distinct).cache, part.ids, NONE)) for size in sizes]

    (found,) = estimate(trace, pages_of(trace, 0.2), [1000], sieve)
    (exact,) = sieve(trace, [1000])
    assert abs(found.misses - exact) < 2 * found.half_width + 0.01 * exact


def test_samples_that_say_nothing_are_refused() -> None:
    trace = trace_of(20_000, 1000)
    with pytest.raises(UserError, match="expected some and not all"):
        pages_of(trace, 0.0001)
    with pytest.raises(UserError, match="30 pages are 3 in the sample; expected caches of 40 pages or more"):
        estimate(Trace("t", "text", trace.ids, 1000), 100, [30], lru)


# --- the command ----------------------------------------------------------------------------------------------------------


def test_the_command_prints_curves_and_estimates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = trace_of(50_000, 2000)
    file = tmp_path / "made.txt"
    file.write_text("\n".join(map(str, trace.ids)) + "\n")
    assert execute(["cache", str(file), "--policy", "lru,fifo", "--curve", "--csv"]) == 0
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()[1:]]
    curve = {int(row[3]): int(row[5]) for row in rows if row[4] == "lru"}
    assert curve[1] == lru(trace, [1])[0] and curve[trace.distinct] == trace.distinct
    assert len(curve) > 30 and len(rows) == 2 * len(curve)
    assert execute(["cache", str(file), "--policy", "lru", "--pages", "20%", "--sample", "0.2"]) == 0
    assert "±" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "expected --pages N[,N...], or --curve"),
        (["--pages", "5", "--curve"], "expected --pages N[,N...], or --curve"),
        (["--pages", "5", "--sample", "1.5"], "1.5 is not in the range"),
        (["--pages", "5", "--sample", "0.5"], "5 pages are 2 in the sample"),
        (["--pages", "5", "--sample", "0.0001"], "expected some and not all"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str) -> None:
    file = tmp_path / "made.txt"
    file.write_text("\n".join(str(k % 90) for k in range(1000)) + "\n")
    assert execute(["cache", str(file), "--policy", "lru", *more]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == ""
