"""Statistics of a trace: each against a slow version that follows its definition."""

from __future__ import annotations

import io
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.cache.statistics import runs, step_of, used_once, working_sets
from sim.cachesim.statistics import QUANTILES, document, statistics, write_statistics, zipf_fit
from sim.cachesim.trace import Trace

traces = some.lists(some.integers(0, 12), min_size=1, max_size=150)


def dense(pages: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """ids as they first come, and their keys."""
    number = dict[int, int]()
    ids = [number.setdefault(page, len(number)) for page in pages]
    return np.array(ids, np.int32), np.array(list(number), np.uint64)


@settings(max_examples=200, deadline=None)
@given(traces)
def test_working_sets_are_means_over_all_windows(pages: list[int]) -> None:
    ids, keys = dense(pages)
    for window, mean in working_sets(ids, len(keys)):
        counts = [len(set(pages[at : at + window])) for at in range(len(pages) - window + 1)]
        assert mean == pytest.approx(sum(counts) / len(counts))
    assert [window for window, _ in working_sets(ids, len(keys))] == [1 << k for k in range(len(pages).bit_length())]


@settings(max_examples=200, deadline=None)
@given(traces, some.integers(1, 12))
def test_pages_used_once_in_each_window(pages: list[int], windows: int) -> None:
    ids, keys = dense(pages)
    found = used_once(ids, len(keys), windows)
    for w in range(windows):
        uses = Counter(pages[w * len(pages) // windows : (w + 1) * len(pages) // windows])
        assert found[:, w].tolist() == [len(uses), sum(n == 1 for n in uses.values())]


@settings(max_examples=200, deadline=None)
@given(traces, some.sampled_from([1, 8, 4096]))
def test_runs_of_neighbours(pages: list[int], step: int) -> None:
    ids, keys = dense([page * step for page in pages])
    lengths, length = list[int](), 1
    for before, after in pairwise(pages):
        if after == before + 1:
            length += 1
        else:
            lengths.append(length)
            length = 1
    lengths.append(length)
    assert runs(ids, keys, step) == (len(pages) - len(lengths), len(lengths), max(lengths))


def test_the_step_between_keys() -> None:
    for keys, step in (([5], 1), ([4096, 12288, 0], 4096), ([7, 4103], 4096), ([3, 4, 9], 1), ([2**64 - 1, 0], 2**64 - 1)):
        assert step_of(np.array(keys, np.uint64)) == step
    assert runs(np.array([0, 1], np.int32), np.array([2**64 - 1, 0], np.uint64), 1)[0] == 0  # the last page has no next one


@settings(max_examples=150, deadline=None)
@given(traces, some.booleans())
def test_all_figures(pages: list[int], with_columns: bool) -> None:
    ids, keys = dense(pages)
    n = len(ids)
    trace = Trace("t", "text", ids, len(keys), keys)
    if with_columns:
        rows = np.arange(n)
        trace = trace._replace(time=rows * 5, write=(rows % 3 == 0).astype(np.uint8), size=rows + 1)
    s = statistics(trace, jobs=2)
    reused = [len(set(pages[before:at])) for at, page in enumerate(pages) if (before := last(pages, at, page)) is not None]
    expected = Counter(distance.bit_length() - 1 for distance in reused)
    assert {k: uses for k, uses in enumerate(s.reuse) if uses} == dict(expected)
    for share in QUANTILES if reused else ():
        assert s.quantiles[share] == next(d for d in sorted(reused) if sum(x <= d for x in reused) >= share * len(reused) - 1e-9)
    uses = sorted(Counter(pages).values(), reverse=True)
    assert s.uses.tolist() == uses and s.used_once == uses.count(1)
    for share in (0.01, 0.1):
        assert s.top(share) == pytest.approx(sum(uses[: max(1, round(share * len(uses)))]) / n)
    found = document(s)
    assert found["first_uses"] == len(set(pages))
    tenths = [Counter(pages[w * n // 10 : (w + 1) * n // 10]) for w in range(10)]
    shares = [sum(k == 1 for k in tenth.values()) / len(tenth) for tenth in tenths if tenth]
    assert found["used_once"]["share_in_tenths"] == pytest.approx(sum(shares) / len(shares))
    columns = (found["writes"], found["bytes"], found["duration_ns"])
    assert columns == ((-(-n // 3), n * (n + 1) // 2, 5 * (n - 1)) if with_columns else (None, None, None))
    write_statistics(s, "t", "text", io.StringIO())


def last(pages: list[int], at: int, page: int) -> int | None:
    """Where the page was used before."""
    return next((k for k in range(at - 1, -1, -1) if pages[k] == page), None)


@pytest.mark.parametrize("slope", [0.6, 0.9, 1.2])
def test_the_fit_finds_a_zipf_slope(slope: float) -> None:
    """Exact uses, then draws: 1 % and 5 %."""
    weights = np.arange(1, 5001) ** -slope
    exact = zipf_fit(np.round(1e7 * weights).astype(np.int64))
    assert exact is not None and exact.slope == pytest.approx(slope, rel=0.01) and exact.r2 > 0.999
    drawn = np.random.default_rng(1).multinomial(400_000, weights / weights.sum())
    found = zipf_fit(np.sort(drawn)[::-1])
    assert found is not None and found.slope == pytest.approx(slope, rel=0.05)


def test_the_fit_of_a_few_pages_by_hand() -> None:
    """Ranks 1 to 12 are each one point: ordinary least squares."""
    uses = np.array([1000, 400, 390, 200, 150, 90, 80, 60, 55, 40, 30, 12, 9, 1])
    fit = zipf_fit(uses)
    assert fit is not None and fit.pages == 12
    x, y = [np.log(k) for k in range(1, 13)], [np.log(u) for u in uses[:12]]
    mx, my = sum(x) / 12, sum(y) / 12
    slope = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)
    assert fit.slope == pytest.approx(-slope)
    assert zipf_fit(uses[3:]) is None
    assert zipf_fit(np.full(20, 50)) == (0.0, pytest.approx(np.log(50)), 1.0, 20)
